//! What a vendor does to a seat or a license by itself.

use super::{
    Change, EventKind, Moment, Refusal, Ruling, Step, step,
    work::{Door, Stop, Work, refuse},
};
use crate::{
    ErrorKind, LicenseId, Timestamp,
    authority::{
        allowances::Allowance,
        records::Records,
        seat::{Seat, SeatName, SeatState},
        terms::LicenseRecord,
    },
    message::{MAX_TEXT, check_text},
};

fn known(work: &Work<'_>, name: SeatName) -> Result<Seat, Stop> {
    let seats = work.seats_of_handle(name.handle)?;
    let seat = seats.into_iter().find(|seat| seat.name() == name);
    seat.ok_or_else(|| refuse(ErrorKind::UnknownSeat, format!("seat {name} is not known")))
}

/// A new license for an active seat, as a file for a device that does not check in: [`Ruling::Renewed`].
///
/// Fails with [`ErrorKind::UnknownSeat`], [`ErrorKind::LicenseEnded`], [`ErrorKind::TrialUsed`],
/// [`ErrorKind::GivenUp`], [`ErrorKind::Revoked`], and [`ErrorKind::NoFreeSeat`] for a seat that lapsed when no seat is
/// free.
///
/// ```
/// # use nodelock::{authority::decision::{self, Ruling}, testing::{Machine, TestAuthority}};
/// # let authority = TestAuthority::new("Example Editor");
/// # let license_key = authority.sell(1)?;
/// # let device = authority.client(&Machine::new("desk")).build()?;
/// let seat = device.activate(&license_key)?.license().unwrap().handle;
/// let mut vendor = authority.vendor();
/// let name = vendor.seat(seat)?.name();
/// let (_, reply) = vendor.decide(|records, moment| decision::renew(name, records, moment))?;
/// assert_eq!(device.accept(&reply.to_bytes())?.license().unwrap().revision, 2);
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn renew(name: SeatName, records: &Records, moment: &Moment) -> Result<Step, Refusal> {
    let mut work = Work::new(records, moment);
    step(renew_seat(&mut work, name).map(|ruling| work.decide(ruling)))
}

fn renew_seat(work: &mut Work<'_>, name: SeatName) -> Result<Ruling, Stop> {
    let seat = known(work, name)?;
    let license = work.license_of(&seat)?;
    let renewed = seat.renewed(&license.terms, work.moment.now)?;
    work.update(renewed.clone());
    work.note(EventKind::Renewed, Some(&seat), &renewed, "");
    work.send_license(&license.terms, &renewed, Door::Renewal, None)?;
    Ok(Ruling::Renewed(renewed))
}

/// Releases the seat of a machine that is dead, lost or unwilling: [`Ruling::Revoked`] with a revocation for the
/// device, should it speak up. Once more gets the same revocation. A held seat was given up by its device, so it
/// returns to the pool and there is nobody to tell: [`Ruling::Returned`].
///
/// Requests of the device that wait for approval, or were approved or refused, are forgotten.
///
/// `notice` is for the customer: at most 1,024 bytes on one line.
///
/// Fails with [`ErrorKind::InvalidInput`] for the notice, [`ErrorKind::UnknownSeat`], and [`ErrorKind::GivenUp`] when
/// there is nothing to release.
///
/// ```
/// # use nodelock::{authority::decision::{self, Ruling}, testing::{Machine, TestAuthority}};
/// # let authority = TestAuthority::new("Example Editor");
/// # let license_key = authority.sell(1)?;
/// # let device = authority.client(&Machine::new("desk")).build()?;
/// let seat = device.activate(&license_key)?.license().unwrap().handle;
/// let mut vendor = authority.vendor();
/// let name = vendor.seat(seat)?.name();
/// let act = |records: &_, moment: &_| decision::release(name, "It was stolen.", records, moment);
/// let (ruling, reply) = vendor.decide(act)?;
/// assert!(matches!(ruling, Ruling::Revoked(_)));
/// assert!(!device.accept(&reply.to_bytes())?.status().is_usable());
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn release(name: SeatName, notice: &str, records: &Records, moment: &Moment) -> Result<Step, Refusal> {
    let mut work = Work::new(records, moment);
    step(release_seat(&mut work, name, notice).map(|ruling| work.decide(ruling)))
}

fn release_seat(work: &mut Work<'_>, name: SeatName, notice: &str) -> Result<Ruling, Stop> {
    check_text("notice", notice, MAX_TEXT)?;
    let seat = known(work, name)?;
    if seat.state == SeatState::Revoked {
        work.send_revocation(&seat, seat.notice.as_deref().unwrap_or_default());
        return Ok(Ruling::Revoked(seat));
    }
    let released = seat.released(notice, work.moment.now);
    let released = released.ok_or_else(|| {
        refuse(ErrorKind::GivenUp, format!("seat {name} was given up, so there is nothing to release"))
    })?;
    work.update(released.clone());
    if let Some(license) = seat.license_id().filter(|_| !mutated!(ReleaseKeepsRequests)) {
        work.store(Change::ForgetApprovals { license, device: seat.device_key });
    }
    work.note(EventKind::Released, Some(&seat), &released, "");
    work.note_reason(notice);
    if released.state == SeatState::Returned {
        return Ok(Ruling::Returned(released));
    }
    work.send_revocation(&released, notice);
    Ok(Ruling::Revoked(released))
}

/// Takes a release back: [`Ruling::Renewed`] with a license for the device, one revision later. The same again gets the
/// same license: [`Ruling::Repeated`]. The seat must be free: it is one more that counts.
///
/// A revocation that was carried to the device by hand is not known here: what was handed over is not to be taken back.
///
/// Fails with [`ErrorKind::UnknownSeat`], [`ErrorKind::LicenseEnded`], [`ErrorKind::TrialUsed`] and
/// [`ErrorKind::NoFreeSeat`], and with
/// [`ErrorKind::GivenUp`] when the vendor did not release the seat, when its device was told so or gave the seat back
/// since, when its use is over, and when another installation has the seat of its machine.
///
/// ```
/// # use nodelock::{authority::decision::{self, Ruling}, testing::{Machine, TestAuthority}};
/// # let authority = TestAuthority::new("Example Editor");
/// # let license_key = authority.sell(1)?;
/// # let device = authority.client(&Machine::new("desk")).build()?;
/// let seat = device.activate(&license_key)?.license().unwrap().handle;
/// let mut vendor = authority.vendor();
/// let name = vendor.seat(seat)?.name();
/// vendor.release(seat, "It was stolen.")?;
/// // It was found again, and has not spoken up meanwhile.
/// let (ruling, _) = vendor.decide(|records, moment| decision::unrelease(name, records, moment))?;
/// assert!(matches!(ruling, Ruling::Renewed(_)));
/// assert_eq!(vendor.usage(&license_key)?.taken, 1);
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn unrelease(name: SeatName, records: &Records, moment: &Moment) -> Result<Step, Refusal> {
    let mut work = Work::new(records, moment);
    step(unrelease_seat(&mut work, name).map(|ruling| work.decide(ruling)))
}

fn unrelease_seat(work: &mut Work<'_>, name: SeatName) -> Result<Ruling, Stop> {
    let seat = known(work, name)?;
    let terms = work.license_of(&seat)?.terms;
    seat.check_usable(&terms, work.moment.now)?;
    if seat.state == SeatState::Active {
        work.send_license(&terms, &seat, Door::Unrelease, None)?;
        return Ok(Ruling::Repeated(seat));
    }
    let unreleased = seat.unreleased(work.moment.now)?;
    if work.seat_of_machine(seat.machine)?.is_some() {
        let text = format!("another installation has the seat of the machine of seat {}", seat.handle);
        return Err(refuse(ErrorKind::GivenUp, text));
    }
    work.update(unreleased.clone());
    work.note(EventKind::Unreleased, Some(&seat), &unreleased, "");
    work.send_license(&terms, &unreleased, Door::Unrelease, None)?;
    Ok(Ruling::Renewed(unreleased))
}

/// Returns a held seat to the pool: [`Ruling::Returned`].
///
/// Fails with [`ErrorKind::UnknownSeat`], and with [`ErrorKind::NotHeld`] for a seat that is not held.
///
/// ```
/// # use nodelock::{Reason, authority::decision::{self, Ruling}, testing::{Machine, TestAuthority}};
/// # let authority = TestAuthority::new("Example Editor");
/// # let license_key = authority.sell(1)?;
/// # let device = authority.client(&Machine::new("desk")).build()?;
/// # device.activate(&license_key)?;
/// # authority.vendor().terms(&license_key)?.deactivations = Some(0);
/// // No deactivation was left, so the seat is held for this device.
/// let given_up = device.deactivate_offline(Reason::Moved)?;
/// let mut vendor = authority.vendor();
/// vendor.redeem(given_up.proof())?;
/// let name = vendor.seat(given_up.handle())?.name();
/// let (ruling, _) = vendor.decide(|records, moment| decision::return_held(name, records, moment))?;
/// assert!(matches!(ruling, Ruling::Returned(_)));
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn return_held(name: SeatName, records: &Records, moment: &Moment) -> Result<Step, Refusal> {
    let mut work = Work::new(records, moment);
    step(return_seat(&mut work, name).map(|ruling| work.decide(ruling)))
}

fn return_seat(work: &mut Work<'_>, name: SeatName) -> Result<Ruling, Stop> {
    let seat = known(work, name)?;
    let returned = seat.returned_by_vendor(work.moment.now);
    let returned = returned.ok_or_else(|| {
        refuse(ErrorKind::NotHeld, format!("seat {name} is not held, so there is nothing to return"))
    })?;
    work.update(returned.clone());
    work.note(EventKind::HeldReturned, Some(&seat), &returned, "");
    Ok(Ruling::Returned(returned))
}

/// Lets the trial of a seat's machine last until a later time: [`Ruling::Extended`]. It counts for every trial that the
/// machine has or had of the product, so that one which is given back and asked for again, or another user's, has it
/// too. Devices hear of it when they check in. The same again changes nothing.
///
/// Fails with [`ErrorKind::UnknownSeat`], and with [`ErrorKind::InvalidInput`] for a seat that is no trial and for an
/// end before the one that there is.
///
/// ```
/// # use nodelock::{authority::decision::{self, Ruling}, testing::{Machine, TestAuthority}};
/// # let authority = TestAuthority::new("Example Editor");
/// # let device = authority.client(&Machine::new("desk")).build()?;
/// let license_key = authority.vendor().sell_with(1, |terms| terms.trial_days = Some(14))?;
/// let seat = device.activate(&license_key)?.license().unwrap().handle;
/// let until = authority.clock().now_plus(30);
/// let mut vendor = authority.vendor();
/// let name = vendor.seat(seat)?.name();
/// let act = |records: &_, moment: &_| decision::extend_trial(name, until, records, moment);
/// assert!(matches!(vendor.decide(act)?.0, Ruling::Extended(_)));
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn extend_trial(
    name: SeatName,
    until: Timestamp,
    records: &Records,
    moment: &Moment,
) -> Result<Step, Refusal> {
    let mut work = Work::new(records, moment);
    step(extend_trial_of(&mut work, name, until).map(|ruling| work.decide(ruling)))
}

fn extend_trial_of(work: &mut Work<'_>, name: SeatName, until: Timestamp) -> Result<Ruling, Stop> {
    let mut seat = known(work, name)?;
    let terms = work.license_of(&seat)?.terms;
    let Some(end) = seat.trial_ends(&terms).filter(|_| seat.state != SeatState::Cancelled) else {
        return Err(refuse(ErrorKind::InvalidInput, format!("seat {} is no trial", seat.handle)));
    };
    if until < end {
        let text = format!("the trial of seat {} ends at {end}, and {until} is earlier", seat.handle);
        return Err(refuse(ErrorKind::InvalidInput, text));
    }
    let mut trials = work.trials_of(&seat.device_key, &seat.fingerprint, &terms)?;
    trials.retain(|other| other.name() != name && !mutated!(ExtensionForgotten));
    trials.push(seat.clone());
    for trial in trials {
        let Some(extended) = trial.trial_extended(until, &terms) else { continue };
        work.update(extended.clone());
        // The days of another license may be more or fewer.
        let end = extended.trial_ends(&work.license_of(&extended)?.terms).unwrap_or(until);
        let detail = format!("the trial of its machine ends at {end}");
        work.note(EventKind::TrialExtended, Some(&trial), &extended, detail);
        if extended.name() == name {
            seat = extended;
        }
    }
    Ok(Ruling::Extended(seat))
}

/// What a vendor does about an allowance of a license.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allow {
    /// What was used up counts no more.
    Reset,
    /// So many extra ones until the next period, in place of those that were granted before.
    Extra(u32),
}

/// Resets an allowance of a license, or grants extra ones in the present period: [`Ruling::Allowed`]. No seat changes
/// by it. The same again changes nothing.
///
/// `reason` is for the vendor's audit: at most 1,024 bytes on one line.
///
/// Fails with [`ErrorKind::InvalidInput`] for the reason, and with [`ErrorKind::UnknownLicense`].
///
/// ```
/// # use nodelock::{authority::{Allowance, decision::{self, Allow, Ruling}}, testing::TestAuthority};
/// # let authority = TestAuthority::new("Example Editor");
/// # let license_key = authority.sell(1)?;
/// let mut vendor = authority.vendor();
/// let license = vendor.terms(&license_key)?.id;
/// let (of, more) = (Allowance::Deactivations, Allow::Extra(2));
/// let act = |records: &_, moment: &_| decision::allow(license, of, more, "A new office", records, moment);
/// assert!(matches!(vendor.decide(act)?.0, Ruling::Allowed(_)));
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn allow(
    license: LicenseId,
    of: Allowance,
    allow: Allow,
    reason: &str,
    records: &Records,
    moment: &Moment,
) -> Result<Step, Refusal> {
    let mut work = Work::new(records, moment);
    let what = (license, of, allow);
    step(allow_license(&mut work, what, reason).map(|ruling| work.decide(ruling)))
}

fn allow_license(
    work: &mut Work<'_>,
    (id, of, allow): (LicenseId, Allowance, Allow),
    reason: &str,
) -> Result<Ruling, Stop> {
    check_text("reason", reason, MAX_TEXT)?;
    let unknown = || refuse(ErrorKind::UnknownLicense, format!("license {id} is not known"));
    let license = work.license(id)?.ok_or_else(unknown)?;
    let before = license.balance(of, work.moment.now);
    let allowances = match allow {
        Allow::Reset => license.allowances.reset(of, license.usage),
        Allow::Extra(extra) => license.allowances.with_extra(of, extra),
    };
    let after = LicenseRecord { allowances, ..license };
    if after.balance(of, work.moment.now) != before {
        work.set_allowances(id, allowances);
        if mutated!(ResetFreesSeats) {
            for seat in work.seats_by_end(id, Timestamp::MAX, 1)? {
                work.update(seat.taken_over(work.moment.now));
            }
        }
        let detail = match allow {
            Allow::Reset => format!("{of}: {} used up are forgiven", before.used),
            Allow::Extra(extra) => format!("{of}: {extra} extra"),
        };
        work.note_of_license(EventKind::Allowed, id, detail);
        work.note_reason(reason);
    }
    Ok(Ruling::Allowed(Box::new(after)))
}
