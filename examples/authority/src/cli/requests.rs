//! What each command about requests for approval does.

use nodelock::PublicKey;

use super::{
    arguments::RequestCommand,
    desk::Desk,
    output::{Listing, Report, json},
};
use crate::{
    failure::Result,
    http::records::{OneRequest, RequestBody},
    service::Word,
};

pub(super) async fn run(command: &RequestCommand, desk: &Desk<'_>, as_json: bool) -> Result<Report> {
    match command {
        RequestCommand::List { license } => {
            let mut listing = Listing::new("requests", as_json);
            let show = |row| listing.row(row, words, json);
            desk.requests(*license, show).await?;
            listing.finish("No requests.")
        }
        RequestCommand::Show { seat } => {
            let request = desk.request(seat.choice()).await?;
            Ok(Report::new(words(&request), json(&request)))
        }
        RequestCommand::Approve { seat } => Ok(ruled(&desk.rule(seat.choice(), Word::Approve).await?)),
        RequestCommand::Refuse { seat, reason } => {
            Ok(ruled(&desk.rule(seat.choice(), Word::Refuse(reason)).await?))
        }
    }
}

/// What is said of a request that was ruled on.
fn ruled(request: &RequestBody) -> Report {
    let RequestBody { handle, ends, .. } = request;
    let words = match ends {
        Some(end) => format!(
            "Approved: the request for seat {handle} gets its license when it comes again until {end}, if a seat is \
             free then."
        ),
        None => format!("Refused: the device of the request for seat {handle} hears so when it asks again."),
    };
    Report::new(words, json(request))
}

fn words(row: &OneRequest) -> String {
    let RequestBody { handle, device, license, state, asked, reason, label, .. } = &row.request;
    let device = device.parse::<PublicKey>().map_or_else(|_| device.clone(), |key| key.id().to_string());
    let mut line = format!("{handle}  {state:<8}  asked {asked}  license {license}  device {device}");
    for (name, value) in [("computer", label), ("from", &row.peer), ("reason", reason)] {
        if !value.is_empty() {
            line += &format!("  {name}={value}");
        }
    }
    line
}
