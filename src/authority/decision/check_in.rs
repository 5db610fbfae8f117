//! What a device asks while it holds its seat: a renewal, and whether it may give the seat up.

use super::{
    Change, EventKind, Moment, Refusal, Ruling, Step,
    heal::{Healed, end_phantom, heal},
    step,
    work::{Door, Stop, Work, refuse, unknown_seat},
};
use crate::{
    ErrorKind,
    authority::{
        allowances::Allowance,
        counts::Counting,
        incoming::{CheckInClaim, PreflightClaim},
        records::{Query, Records},
        seat::{Seat, SeatState},
    },
};

/// How many check-ins of a seat are remembered. The network may deliver one twice or late; without this its echo would
/// use up a sync token, and the device's next check-in would look like that of a copy.
const REMEMBERED: u32 = 16;

/// What the device of a seat is told that it gave up itself: what speaks is a copy of its store from before.
const GIVEN_UP: &str = "this seat was given up";

/// Answers a check-in: [`Ruling::Renewed`] with a license one revision later, or [`Ruling::Revoked`] with a revocation
/// if the seat is over. Only a signed word ends the license that a copy of the store still holds.
///
/// The same check-in again gets the same license. The machine may have changed as far as the policy's grace goes.
///
/// A seat that the ledger does not know, or knows at a lower revision than the device, is entered again or lifted by
/// the license that came along, if this authority signed it under a page that the ledger has lost (docs/PROTOCOL.md,
/// The ledger was restored). It may exceed the seats of the license then. [`Ruling::Refused`] with
/// [`ErrorKind::UnknownSeat`] when it was signed and cannot be lost: that is stored, because it is noted as an alarm.
///
/// Fails with [`ErrorKind::LicenseWanted`] when that license is needed and did not come along, with
/// [`ErrorKind::UnknownSeat`] when it is not one of the device that signed the check-in, with
/// [`ErrorKind::WrongMachine`], [`ErrorKind::LicenseEnded`], [`ErrorKind::TrialUsed`], and [`ErrorKind::Outdated`] for
/// a check-in that was answered and has been followed by another one, or that its device wrote before it asked for
/// another seat in this one's place.
///
/// ```
/// # use nodelock::{authority::{CheckInClaim, decision::{self, Ruling}}, testing::{Machine, TestAuthority}};
/// # let authority = TestAuthority::new("Example Editor");
/// # let license_key = authority.sell(1)?;
/// # let device = authority.client(&Machine::new("desk")).build()?;
/// # device.activate(&license_key)?;
/// let claim = CheckInClaim::read(&device.check_in_offline()?.to_bytes())?;
/// let mut vendor = authority.vendor();
/// let (ruling, reply) = vendor.decide(|records, moment| decision::check_in(&claim, records, moment))?;
/// assert!(matches!(ruling, Ruling::Renewed(_)));
/// assert_eq!(device.accept(&reply.to_bytes())?.license().unwrap().revision, 2);
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn check_in(claim: &CheckInClaim, records: &Records, moment: &Moment) -> Result<Step, Refusal> {
    let mut work = Work::new(records, moment);
    step(decide(&mut work, claim).map(|ruling| work.decide(ruling)))
}

fn decide(work: &mut Work<'_>, claim: &CheckInClaim) -> Result<Ruling, Stop> {
    let mut healed = None;
    let ruling = answer(work, claim, &mut healed)?;
    match healed {
        Some(healed) => healed.note(work).map(|()| ruling),
        None => Ok(ruling),
    }
}

fn answer(work: &mut Work<'_>, claim: &CheckInClaim, healed: &mut Option<Healed>) -> Result<Ruling, Stop> {
    let known = work.seat_of_signer(claim.handle(), &claim.check_in)?;
    if let Some(seat) = &known {
        end_phantom(work, claim.last.as_ref(), &seat.device_key)?;
    }
    // Its last word may be of this very seat.
    let known = known.map(|seat| work.seat(seat.name()).cloned().unwrap_or(seat));
    let lives = |state| matches!(state, SeatState::Active | SeatState::Replaced);
    let is_ahead = |seat: &Seat| claim.check_in.body.revision > seat.revision;
    let (seat, door) = match &known {
        // That a handle ended is never forgotten.
        Some(seat) if !is_ahead(seat) || !(lives(seat.state) || mutated!(HealsASeatThatEnded)) => {
            (seat.clone(), Door::CheckIn)
        }
        lost => match heal(work, claim, lost.as_ref())? {
            Some(found) => {
                let seat = found.seat().clone();
                *healed = Some(found);
                end_phantom(work, claim.last.as_ref(), &seat.device_key)?;
                (work.seat(seat.name()).cloned().unwrap_or(seat), Door::Healing)
            }
            None => {
                let text = format!("no seat {} of this device is known here", claim.handle());
                return Ok(Ruling::Refused(Refusal::new(ErrorKind::UnknownSeat, text)));
            }
        },
    };
    let (name, digest, now) = (seat.name(), claim.check_in.digest, work.moment.now);
    work.need([Query::CheckIn(name, digest)].into_iter().chain(seat.license_id().map(Query::License)))?;
    let answered = work.check_in(name, digest)?;
    let seat = match seat.state {
        SeatState::Replaced => match work.seat_of_machine(seat.machine)? {
            // What was answered before the seat was replaced is an echo, and no sign of life.
            Some(_) if answered.is_some() => return Err(outdated(&seat)),
            // Nor is one that the device wrote before it asked for the seat which has the place now, and that comes
            // late: a store that was lost takes nothing back. Both dates are by one clock.
            Some(other)
                if other.device_key == seat.device_key
                    && other.requested > claim.check_in.body.time
                    && !mutated!(LateCheckInTakesBack) =>
            {
                let (late, new) = (seat.handle, other.handle);
                let text = format!(
                    "the check-in of seat {late} was written before this device asked for seat {new}"
                );
                return Err(refuse(ErrorKind::Outdated, text));
            }
            // It was told that its machine's seat is over, before the release of that was taken back.
            Some(_) if seat.heard_after_end.is_some() => return end(work, &seat, false),
            Some(other) => take_back(work, claim, &seat, &other)?,
            None => return end(work, &seat, answered.is_some()),
        },
        _ => seat,
    };
    if seat.state != SeatState::Active && !mutated!(ChecksInAfterTheEnd) {
        return end(work, &seat, answered.is_some());
    }
    let license = work.license_of(&seat)?;
    if let Some(revision) = answered {
        if revision != seat.revision {
            return Err(outdated(&seat));
        }
        seat.check_usable(&license.terms, now)?;
        work.send_license(&license.terms, &seat, Door::CheckIn, Some(digest))?;
        return Ok(Ruling::Repeated(seat));
    }
    let checked_in = seat.checked_in(&license.terms, &claim.check_in.body, work.moment.token, now);
    let checked_in = checked_in?;
    let renewed = checked_in.seat;
    work.update(renewed.clone());
    work.store(Change::RememberCheckIn {
        seat: name,
        digest,
        revision: renewed.revision,
        forget_below: renewed.revision.saturating_sub(REMEMBERED),
    });
    let description = claim.check_in.body.description();
    if !description.is_empty() {
        work.store(Change::Describe { seat: name, description });
    }
    work.note(EventKind::CheckedIn, Some(&seat), &renewed, "");
    if checked_in.is_copy {
        let detail = format!("another copy of the store seems to check in: {} times by now", renewed.copies);
        work.note(EventKind::CopySuspected, Some(&seat), &renewed, detail);
    }
    work.send_license(&license.terms, &renewed, door, Some(digest))?;
    Ok(Ruling::Renewed(renewed))
}

fn outdated(seat: &Seat) -> Stop {
    let text = format!("a later check-in of seat {} was answered before", seat.handle);
    refuse(ErrorKind::Outdated, text)
}

/// An installation that was replaced is alive: it takes the place of its machine's seat back. Nothing is used up by
/// that, and the other installation may do the same.
fn take_back(work: &mut Work<'_>, claim: &CheckInClaim, seat: &Seat, other: &Seat) -> Result<Seat, Stop> {
    let terms = work.license_of(seat)?.terms;
    if !seat.is_on(&claim.check_in.body.fingerprint, &terms) {
        return Err(seat.wrong_machine().into());
    }
    let replaced = other.replaced(work.moment.now);
    let taken_back = seat.taken_back(other, work.moment.now);
    work.update(replaced.clone());
    work.note(EventKind::Replaced, Some(other), &replaced, "");
    work.update(taken_back.clone());
    work.note(EventKind::TakenBack, Some(seat), &taken_back, "");
    Ok(taken_back)
}

/// Tells the device of a seat that is over. A check-in that was answered while the seat was active is an echo of the
/// network and no news.
fn end(work: &mut Work<'_>, seat: &Seat, is_echo: bool) -> Result<Ruling, Stop> {
    // What the vendor released can be taken back until its device may have heard of it, by an answer to an echo too.
    let may_live_again = matches!(seat.state, SeatState::Revoked | SeatState::Replaced) && !seat.by_customer;
    let is_told = may_live_again && seat.heard_after_end.is_none();
    let is_heard = !is_echo || (is_told && !mutated!(EchoUnheard));
    if is_heard && let Some(heard) = seat.heard_late(work.moment.now) {
        let is_copy = seat.state != SeatState::Revoked && !is_echo;
        if is_copy {
            let detail = "a copy of the store checks in after the seat was given up";
            work.note(EventKind::CopySuspected, Some(seat), &heard, detail);
        }
        // It was in use, so replacing it was wrong: that takes away one of those to come.
        if seat.by_customer
            && seat.heard_after_end.is_none()
            && let Some(license) = seat.license_id()
        {
            let after = work.count_of(license, Counting::Replaced)?.once_more(u32::MAX, work.moment.now);
            work.set_count(license, Counting::Replaced, after.unwrap_or_default());
        }
        work.update(heard);
    }
    if !is_echo {
        let seat = work.seat(seat.name()).unwrap_or(seat).clone();
        work.note_return(&seat, "check-in");
    }
    let notice = match seat.state {
        SeatState::Revoked => seat.notice.clone().unwrap_or_default(),
        _ => GIVEN_UP.to_owned(),
    };
    work.send_revocation(seat, &notice);
    Ok(Ruling::Revoked(seat.clone()))
}

/// Answers a preflight: [`Ruling::Preflight`]. Giving up a seat that is not active, or has lapsed, uses nothing up, so
/// the answer is none then, as for a license without a limit.
///
/// Fails with [`ErrorKind::UnknownSeat`] when the device that signed it has no such seat.
pub fn preflight(claim: &PreflightClaim, records: &Records, moment: &Moment) -> Result<Step, Refusal> {
    let work = Work::new(records, moment);
    let decide = || {
        let seat = work.seat_of_signer(claim.handle(), &claim.0)?;
        // A stranger does not learn whether anybody has a seat of that handle.
        let seat = seat.ok_or_else(|| unknown_seat(claim.handle()))?;
        if seat.state != SeatState::Active {
            return Ok(None);
        }
        let license = work.license_of(&seat)?;
        let uses_one_up = work.counts(&seat, &license.terms)?;
        let uses_one_up = uses_one_up || mutated!(PreflightOfLapsedCounts);
        let left = license.left(Allowance::Deactivations, work.moment.now);
        Ok(left.filter(|_| uses_one_up && !mutated!(PreflightIgnoresAllowance)))
    };
    let decided = decide();
    step(decided.map(|deactivations_left| work.decide(Ruling::Preflight { deactivations_left })))
}
