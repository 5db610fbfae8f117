//! What each command about one seat, or about all seats of a license, does.

use nodelock::{LicenseId, authority::SeatState};
use serde_json::{Value, json};

use super::{
    arguments::{ExtendBy, SeatArguments},
    confirm::confirm,
    desk::Desk,
    output::{Report, json},
};
use crate::{
    domain::SeatChoice,
    failure::Result,
    http::records::{DeactivatedLicense, DeactivatedSeat, ExtendedTrial, Issued, OneSeat},
    remote::unreadable,
};

impl SeatArguments {
    pub(super) fn choice(&self) -> SeatChoice {
        SeatChoice { handle: self.handle, device: self.device }
    }
}

/// Releases a seat, once a person has seen whose it is.
pub(super) async fn release(
    desk: &Desk<'_>,
    named: &SeatArguments,
    reason: &str,
    yes: bool,
) -> Result<Report> {
    let seat = desk.seat(named.choice()).await?;
    let OneSeat { handle, device, state, label, last_contact, licensee } = &seat;
    // What is over already changes no more.
    let is_over = |state: SeatState| !state.is_taken() && state != SeatState::Replaced;
    if !state.parse().is_ok_and(is_over) {
        let computer = computer(label);
        let question =
            format!("Release seat {handle} of {licensee}, {computer}, last heard of at {last_contact}?");
        confirm(&question, yes)?;
    }
    let device = device.parse().map_err(|_| unreadable("a device is named by no key"))?;
    let choice = SeatChoice { handle: named.handle, device: Some(device) };
    let freed = desk.release(choice, reason).await?;
    let fields = json!({
        "handle": handle,
        "outcome": freed.state,
        "licensee": licensee,
        "label": label,
        "last_contact": last_contact,
    });
    Ok(match &freed.revocation {
        Some(revocation) => {
            let words = format!(
                "Released: seat {handle} of {licensee}, {}, is back in the pool. Its machine stops when it takes in the \
                 revocation, and at the end of its lease in any case.",
                computer(label)
            );
            Report::new(words, fields).with_document("revocation", desk.revocation_text(revocation).await?)
        }
        None => Report::new(format!("Returned: held seat {handle} is back in the pool."), fields),
    })
}

/// Releases every seat of a license, once a person has seen whose it is and how many there are.
pub(super) async fn deactivate(desk: &Desk<'_>, id: LicenseId, reason: &str, yes: bool) -> Result<Report> {
    let license = desk.license(id).await?.license;
    let (licensee, taken) = (&license.licensee, license.seats.taken);
    let question = format!("Release every seat of license {id} of {licensee}, of which {taken} are taken?");
    confirm(&question, yes)?;
    let done = desk.deactivate(id, (reason, false)).await?;
    let released = done.seats.iter().filter(|seat| seat.error.is_none()).count();
    let words = format!("License {id} of {licensee}: {released} seats are back in the pool.\n");
    let mut report = deactivated(desk, id, words, &done).await?;
    report.fields.insert("released".into(), released.into());
    if done.taken > 0 {
        report.words += &format!("{} seats are still taken.\n", done.taken);
    }
    Ok(report)
}

/// What releasing every seat of a license would come to.
pub(super) async fn foresee_deactivation(desk: &Desk<'_>, id: LicenseId) -> Result<Report> {
    let licensee = desk.license(id).await?.license.licensee;
    let foreseen = desk.deactivate(id, ("", true)).await?;
    let count = foreseen.seats.len();
    let words = format!("License {id} of {licensee}: {count} seats would be back in the pool.\n");
    let mut report = deactivated(desk, id, words, &foreseen).await?;
    report.words += "Nothing was changed.";
    report.fields.insert("released".into(), 0.into());
    report.fields.insert("dry_run".into(), true.into());
    Ok(report)
}

/// What became of each seat, or would.
async fn deactivated(
    desk: &Desk<'_>,
    id: LicenseId,
    mut words: String,
    done: &DeactivatedLicense,
) -> Result<Report> {
    let DeactivatedLicense { seats: deactivated, taken, requests, refusals } = done;
    let mut seats = Vec::new();
    for seat in deactivated {
        let DeactivatedSeat {
            handle,
            device,
            label,
            last_contact,
            runs_until,
            state,
            error,
            reason,
            revocation,
        } = seat;
        let revocation = match revocation {
            Some(revocation) => Value::from(desk.revocation_text(revocation).await?),
            None => Value::Null,
        };
        let said = reason.as_ref().or(state.as_ref()).map_or("", String::as_str);
        let until = runs_until.as_deref().unwrap_or("the end of time");
        words += &format!(
            "  {handle}  {}, last heard of at {last_contact}, leased until {until}: {said}\n",
            computer(label)
        );
        seats.push(json!({
            "handle": handle,
            "device": device,
            "label": label,
            "last_contact": last_contact,
            "runs_until": runs_until,
            "outcome": state,
            "error": error,
            "revocation": revocation,
        }));
    }
    for (count, what) in [(requests, "requests for approval"), (refusals, "refusals")] {
        if *count > 0 {
            words += &format!("  {count} {what} are forgotten.\n");
        }
    }
    let fields = json!({
        "license": id.to_string(),
        "dry_run": false,
        "taken": taken,
        "seats": seats,
        "requests": requests,
        "refusals": refusals,
    });
    Ok(Report::new(words, fields))
}

pub(super) async fn renew(desk: &Desk<'_>, named: &SeatArguments) -> Result<Report> {
    renewed(desk, &desk.renew(named.choice()).await?).await
}

pub(super) async fn unrelease(desk: &Desk<'_>, named: &SeatArguments) -> Result<Report> {
    let issued = desk.unrelease(named.choice()).await?;
    let report = renewed(desk, &issued).await?;
    let words = format!("Taken back: seat {} is its machine's again. {}", issued.handle, report.words);
    Ok(Report { words, ..report })
}

pub(super) async fn extend_trial(desk: &Desk<'_>, named: &SeatArguments, by: &ExtendBy) -> Result<Report> {
    let extended = desk.extend_trial(named.choice(), by).await?;
    let ExtendedTrial { handle, until } = &extended;
    let words = format!(
        "Extended: the trial of the machine of seat {handle} ends at {until}. It hears of that when it checks in."
    );
    Ok(Report::new(words, json(&extended)))
}

pub(super) async fn return_held(desk: &Desk<'_>, named: &SeatArguments) -> Result<Report> {
    let handle = desk.return_held(named.choice()).await?.handle;
    let words = format!("Returned: seat {handle} is back in the pool.");
    Ok(Report::new(words, json!({ "handle": handle, "outcome": "returned" })))
}

async fn renewed(desk: &Desk<'_>, issued: &Issued) -> Result<Report> {
    Ok(issued_words(issued).with_document("license", desk.license_text(&issued.license).await?))
}

/// What is said of a license that a seat has got.
pub(super) fn issued_words(issued: &Issued) -> Report {
    let Issued { handle, revision, lease_until, .. } = issued;
    let until = lease_until.as_ref().map_or_else(String::new, |time| format!(", leased until {time}"));
    let words = format!("Renewed: seat {handle}, revision {revision}{until}.");
    Report::new(words, json!({ "handle": handle, "revision": revision, "lease_until": lease_until }))
}

/// What the computer of a seat is called.
fn computer(label: &str) -> String {
    match label {
        "" => "a computer without a name".to_owned(),
        label => format!("computer {label}"),
    }
}
