//! What each command about requests for approval does.

use nodelock::{LicenseId, authority::Approval};
use serde_json::{Value, json};

use super::output::{Listing, Report};
use crate::{
    domain::{Occasion, RequestRow, SeatChoice},
    failure::Result,
    service::{self, Database, Service, Word},
};

/// Shows the requests of a license, or all of them.
pub(crate) async fn list(
    license: Option<LicenseId>,
    database: &Database,
    occasion: &Occasion,
    as_json: bool,
) -> Result<Report> {
    let mut listing = Listing::new("requests", as_json);
    let show = |row| listing.row(row, words, fields);
    service::requests(database, license, occasion, show).await?;
    listing.finish("No requests.")
}

/// Shows one.
pub(crate) async fn show(choice: SeatChoice, database: &Database, occasion: &Occasion) -> Result<Report> {
    let row = service::request(database, choice, occasion).await?;
    Ok(Report::new(words(&row), fields(&row)))
}

/// Rules on one.
pub(crate) async fn rule(
    choice: SeatChoice,
    word: Word<'_>,
    service: &Service,
    occasion: &Occasion,
) -> Result<Report> {
    let approval = service.rule(choice, word, occasion).await?;
    let handle = approval.name().handle;
    let words = match approval.ends() {
        Some(end) => format!(
            "Approved: the request for seat {handle} gets its license when it comes again until {end}, if a seat is \
             free then."
        ),
        None => format!("Refused: the device of the request for seat {handle} hears so when it asks again."),
    };
    Ok(Report::new(words, ruled(&approval)))
}

fn words(row: &RequestRow) -> String {
    let approval = &row.approval;
    let mut line = format!(
        "{}  {:<8}  asked {}  license {}  device {}",
        approval.name().handle,
        approval.state().name(),
        approval.asked(),
        approval.license_id(),
        approval.name().device_key.id()
    );
    for (name, value) in [("computer", approval.label()), ("from", &row.peer), ("reason", approval.reason())]
    {
        if !value.is_empty() {
            line += &format!("  {name}={value}");
        }
    }
    line
}

fn fields(row: &RequestRow) -> Value {
    let mut fields = ruled(&row.approval);
    fields["label"] = row.approval.label().into();
    fields["peer"] = row.peer.clone().into();
    fields
}

fn ruled(approval: &Approval) -> Value {
    json!({
        "handle": approval.name().handle.to_string(),
        "device": approval.name().device_key.to_string(),
        "license": approval.license_id().to_string(),
        "state": approval.state().name(),
        "asked": approval.asked().to_string(),
        "ruled": approval.ruled().map(|time| time.to_string()),
        "ends": approval.ends().map(|end| end.to_string()),
        "reason": approval.reason(),
    })
}
