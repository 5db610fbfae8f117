//! What each command that releases seats does.

use nodelock::{
    LicenseId,
    authority::{Seat, SeatState},
};
use serde_json::{Value, json};

use super::{confirm::confirm, output::Report};
use crate::{
    domain::{Occasion, SeatChoice},
    failure::Result,
    service::{self, Deactivated, Service},
};

/// Releases a seat, once a person has seen whose it is.
pub(super) async fn release(
    (choice, reason, yes): (SeatChoice, &str, bool),
    service: &Service,
    occasion: &Occasion,
) -> Result<Report> {
    let (seat, licensee) = service.seat(choice, occasion).await?;
    // What is over already changes no more.
    if seat.state().is_taken() || seat.state() == SeatState::Replaced {
        let question = format!(
            "Release seat {} of {licensee}, {}, last heard of at {}?",
            seat.handle(),
            computer(&seat),
            seat.contact()
        );
        confirm(&question, yes)?;
    }
    let choice = SeatChoice { handle: seat.handle(), device: Some(*seat.device_key()) };
    let (seat, revocation) = service.release(choice, reason, occasion).await?;
    let handle = seat.handle();
    let fields = json!({
        "handle": handle.to_string(),
        "outcome": seat.state().name(),
        "licensee": licensee,
        "label": seat.label(),
        "contact": seat.contact().to_string(),
    });
    Ok(match revocation {
        Some(revocation) => {
            let words = format!(
                "Released: seat {handle} of {licensee}, {}, is back in the pool. Its machine stops when it takes in the \
                 revocation, and at the end of its lease in any case.",
                computer(&seat)
            );
            Report::new(words, fields).with_document("revocation", revocation.to_text())
        }
        None => Report::new(format!("Returned: held seat {handle} is back in the pool."), fields),
    })
}

/// Releases every seat of a license, once a person has seen whose it is and how many there are.
pub(super) async fn deactivate(
    (id, reason, yes): (LicenseId, &str, bool),
    service: &Service,
    occasion: &Occasion,
) -> Result<Report> {
    let row = service::license(service.database(), id, occasion).await?.row;
    let (licensee, taken) = (&row.license.terms.licensee, row.license.usage.taken);
    let question = format!("Release every seat of license {id} of {licensee}, of which {taken} are taken?");
    confirm(&question, yes)?;
    let done = service.deactivate(id, reason, |_| Ok(()), occasion).await?;
    let (deactivated, still) = (done.seats, done.taken);
    let released = deactivated.iter().filter(|seat| seat.now.is_ok()).count();
    let mut words = format!("License {id} of {licensee}: {released} seats are back in the pool.\n");
    let mut seats = Vec::new();
    for Deactivated { before, now } in &deactivated {
        let (outcome, error, revocation) = match now {
            Ok((seat, revocation)) => {
                let revocation = revocation.as_ref().map(|revocation| revocation.to_text());
                (Value::from(seat.state().name()), Value::Null, revocation)
            }
            Err(failure) => (Value::Null, Value::from(failure.name()), None),
        };
        let said =
            now.as_ref().map_or_else(|failure| failure.message(), |(seat, _)| seat.state().to_string());
        words += &format!(
            "  {}  {}, last heard of at {}: {said}\n",
            before.handle(),
            computer(before),
            before.contact()
        );
        seats.push(json!({
            "handle": before.handle().to_string(),
            "device": before.device_key().to_string(),
            "label": before.label(),
            "contact": before.contact().to_string(),
            "outcome": outcome,
            "error": error,
            "revocation": revocation,
        }));
    }
    if still > 0 {
        words += &format!("{still} seats are still taken.\n");
    }
    let fields = json!({ "license": id.to_string(), "released": released, "taken": still, "seats": seats });
    Ok(Report::new(words, fields))
}

/// What the computer of a seat is called.
fn computer(seat: &Seat) -> String {
    match seat.label() {
        "" => "a computer without a name".to_owned(),
        label => format!("computer {label}"),
    }
}
