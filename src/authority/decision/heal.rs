//! What a restored ledger has forgotten, told by the devices: seats entered again, phantoms ended.

use std::time::Duration;

use super::{
    Change, EventKind,
    activate::{seat_of_machine, take_place},
    redeem::{prepare, redeem_claim},
    work::{Stop, Work, refuse, unknown_seat},
};
use crate::{
    ErrorKind, LicenseBody, Outcome, Page, PublicKey, Timestamp,
    authority::{
        allowances::Allowance,
        history::History,
        incoming::{CheckInClaim, Evidence, LastWord},
        records::Query,
        seat::{Seat, SeatName, SeatState},
        terms::LicenseTerms,
    },
};

/// How long before a license that is missing the ledger's last note may have been: no more is excused by a clean stop.
const BEFORE: Duration = Duration::from_secs(24 * 60 * 60);

/// How often things that a stolen key signed are noted, in all: whoever has the key can make any number of them.
const ALARMED_AGAIN: Duration = Duration::from_secs(60 * 60);

/// A seat that a device's license brought back, to be noted once the license that answers it has left.
pub(super) struct Healed {
    before: Option<Seat>,
    seat: Seat,
    detail: String,
}

impl Healed {
    /// The seat, as it was when it was healed: what ends it in the same decision is noted by itself.
    pub(super) fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Notes it for the vendor, with the number of seats that are too many now: one that had lapsed counts again only
    /// by the license that answers it.
    pub(super) fn note(self, work: &mut Work<'_>) -> Result<(), Stop> {
        let license = work.license_of(&self.seat)?;
        let mut detail = self.detail;
        let excess = license.usage.taken.saturating_sub(license.terms.seats);
        if excess > 0 && !mutated!(ExcessUnflagged) {
            detail += &format!("; {excess} seats more than were sold are taken");
        }
        work.note(EventKind::Healed, self.before.as_ref(), &self.seat, detail);
        Ok(())
    }
}

/// The seat of a check-in as its device's license has it: one that is not `known`, or known at a lower revision. None
/// if the license is an alarm.
///
/// Fails with [`ErrorKind::LicenseWanted`] if no license came along: what a device only claims proves nothing.
pub(super) fn heal(
    work: &mut Work<'_>,
    claim: &CheckInClaim,
    known: Option<&Seat>,
) -> Result<Option<Healed>, Stop> {
    let unknown = || unknown_seat(claim.handle());
    let wanted = || {
        let text =
            format!("seat {} or its latest license is not known here: hand its license in", claim.handle());
        refuse(ErrorKind::LicenseWanted, text)
    };
    if mutated!(ClaimedRevisionIsEvidence)
        && let Some(seat) = known
        && let Some(history) = work.history()?
    {
        let (began, now) = (history.noted, work.moment.now);
        work.set_history(history.with_gap(began, Vec::new(), true, (now, work.moment.longest_lease)));
        return Ok(Some(Healed { before: Some(seat.clone()), seat: seat.clone(), detail: String::new() }));
    }
    let license = claim.license.as_ref().ok_or_else(wanted)?;
    let issued = license.issued_by(&work.moment.roots);
    let signed = claim.check_in.signed_by(&license.body.device_key);
    work.need([Query::License(license.body.license_id), Query::Page(license.body.page), Query::History])?;
    work.verify([issued.clone(), signed.clone()])?;
    let is_ours = work.holds(issued)? || mutated!(HealsByAnybodysLicense);
    let is_its = work.holds(signed)? || mutated!(HealsByAnotherDevicesLicense);
    let license = &license.body;
    if !is_ours || !is_its || license.handle != claim.handle() {
        return Err(unknown());
    }
    let name = SeatName { handle: license.handle, device_key: license.device_key };
    // What it claims to have is not what came along.
    if known.is_some_and(|seat| license.revision <= seat.revision) {
        return Err(unknown());
    }
    let Some(history) = missing(work, license.page, license.issued)? else {
        alarm(work, name, known, "a license")?;
        return Ok(None);
    };
    work.set_history(history);
    let terms = terms(work, license)?;
    let seat = match known {
        Some(seat) => {
            let lifted = seat.lifted(license).with_trial_of(license, &terms);
            work.update(lifted.clone());
            lifted
        }
        None => {
            let entered = enter_again(work, license, &terms)?;
            give_up_as_kept(work, &entered)?;
            entered
        }
    };
    let detail = match known {
        Some(_) => format!("the ledger had lost revision {}", license.revision),
        None => "the ledger had lost this seat".to_owned(),
    };
    Ok(Some(Healed { before: known.cloned(), seat, detail }))
}

/// The ledger's history, if something that this authority signed under that page may be missing in it; none if nothing
/// can be.
///
/// A page that the ledger does not know shows that history is missing, if no gap explains it yet. But where a place
/// that no backup reaches has the ledger's last page nothing can be missing.
fn missing(work: &Work<'_>, page: Page, signed: Timestamp) -> Result<Option<History>, Stop> {
    work.need([Query::History, Query::Page(page)])?;
    let Some(history) = work.history()? else {
        return Err(refuse(ErrorKind::UnknownSeat, "no seat of this device is known here"));
    };
    if work.is_known(page)? {
        return Ok(Some(history).filter(|history| history.is_torn(page) || mutated!(HealsOutsideAGap)));
    }
    if history.gaps.iter().any(|gap| gap.explains(signed)) {
        return Ok(Some(history));
    }
    if history.trusted {
        return Ok(None);
    }
    let began = Timestamp::from_unix_seconds(signed.unix_seconds().saturating_sub(BEFORE.as_secs()));
    Ok(Some(history.with_gap(began, Vec::new(), true, (work.moment.now, work.moment.longest_lease))))
}

/// The terms of a license. One that was lost goes on with what a device's copy says.
fn terms(work: &mut Work<'_>, license: &LicenseBody) -> Result<LicenseTerms, Stop> {
    if let Some(known) = work.license(license.license_id)? {
        return Ok(known.terms);
    }
    let terms = LicenseTerms::of_license(license);
    work.add_license(terms.clone());
    work.note_of_license(
        EventKind::Healed,
        terms.id,
        "the ledger had lost this license; it needs another key",
    );
    Ok(terms)
}

/// A seat that the ledger had lost. Its device gave up before it what it held before, and another installation of its
/// machine makes room for it as it would have then.
fn enter_again(work: &mut Work<'_>, license: &LicenseBody, terms: &LicenseTerms) -> Result<Seat, Stop> {
    let now = work.moment.now;
    let mut seat = Seat::entered_again(license, now).with_trial_of(license, terms);
    // What it was granted for is lost. It used up an activation then, unless a seat is there whose place it took.
    let mut is_activation = true;
    for other in work.taken_seats_of(&license.device_key)? {
        // What it asked for since, it may still be waiting for.
        let is_earlier = other.granted <= license.issued && other.license_id == seat.license_id;
        if is_earlier && !mutated!(EarlierSeatStays) {
            is_activation = false;
            let returned = other.left_behind(now);
            work.update(returned.clone());
            work.note(EventKind::Returned, Some(&other), &returned, "its device has another seat");
        }
    }
    work.insert(seat.clone(), None)?;
    if !work.has_room(terms)? || terms.one_seat_per_machine {
        let other = match seat_of_machine(work, &license.baseline, now, terms, &seat) {
            // The others of its machine were asked for later, by their own dates. They stay, and so does this one.
            Err(Stop::Refused(_)) => None,
            found => found?,
        };
        if let Some(joined) = other.and_then(|other| take_place(work, &other, terms, &seat)) {
            is_activation = false;
            seat = joined;
        }
    }
    if is_activation && !mutated!(HealedSeatIsFree) {
        seat = seat.with_activation();
        work.update(seat.clone());
    }
    Ok(seat)
}

/// Gives a seat up of which a proof was kept, because the ledger did not know the seat when it came.
fn give_up_as_kept(work: &mut Work<'_>, seat: &Seat) -> Result<(), Stop> {
    work.need([Query::EvidenceOf(seat.handle)])?;
    for evidence in work.evidence_of(seat.handle)? {
        let Evidence::Proof(claim) = &evidence else { continue };
        prepare(work, std::slice::from_ref(&**claim))?;
        match redeem_claim(work, claim) {
            Ok(_) => work.store(Change::Forget(evidence)),
            Err(Stop::Refused(_)) => {}
            Err(stop) => return Err(stop),
        }
    }
    Ok(())
}

/// Ends a seat that the ledger has as taken, of which its device has a receipt or a revocation that the ledger has
/// forgotten.
pub(super) fn end_phantom(
    work: &mut Work<'_>,
    word: Option<&LastWord>,
    device: &PublicKey,
) -> Result<(), Stop> {
    let is_its = |word: &&LastWord| word.device_key() == *device && !mutated!(PhantomsStay);
    let Some(word) = word.filter(is_its) else { return Ok(()) };
    let seats = work.seats_of_handle(word.handle())?;
    let is_taken = |seat: &&Seat| seat.device_key == *device && seat.state.is_taken() && !word.is_of(seat);
    // A ledger that notes nothing cannot tell what it has lost.
    let Some(seat) = seats.iter().find(is_taken).filter(|_| work.has_history()) else { return Ok(()) };
    if !work.holds(word.issued_by(&work.moment.roots))? {
        return Ok(());
    }
    let Some(history) = missing(work, word.page(), word.time())? else {
        return alarm(work, seat.name(), Some(seat), word.name());
    };
    work.set_history(history);
    let license = work.license_of(seat)?;
    // One that lapsed uses up no deactivation, whoever says that it is over.
    let counts = work.counts(seat, &license.terms)? || mutated!(LapsedCostsADeactivation);
    let is_counted = counts && license.left(Allowance::Deactivations, work.moment.now) != Some(0);
    let ended = seat.ended_by(word, is_counted, work.moment.now);
    work.update(ended.clone());
    let (detail, reason) = word.words();
    work.note(EventKind::PhantomEnded, Some(seat), &ended, detail);
    work.note_reason(reason);
    Ok(())
}

/// Notes something that this authority's key signed and that cannot be missing in the ledger. It changes nothing else.
fn alarm(work: &mut Work<'_>, name: SeatName, known: Option<&Seat>, what: &str) -> Result<(), Stop> {
    let (now, history) = (work.moment.now, work.history()?);
    let is_news = |last: Timestamp| last > now || now.since(last) >= ALARMED_AGAIN;
    if let Some(history) = history.filter(|history| history.alarmed.is_none_or(is_news)) {
        work.set_history(History { alarmed: Some(now), ..history });
        let detail = format!("{what} of seat {} is signed and was never issued", name.handle);
        match known {
            Some(seat) => work.note(EventKind::StrangeLicense, Some(seat), seat, detail),
            None => work.note_of_nobody(EventKind::StrangeLicense, detail),
        }
    }
    Ok(())
}

impl LastWord {
    /// Whether the ledger has it already.
    fn is_of(&self, seat: &Seat) -> bool {
        seat.state == SeatState::Held
            && matches!(self, Self::Receipt(word) if word.body.outcome == Outcome::Held)
    }
}
