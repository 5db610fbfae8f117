//! Seats granted: activation files, recoveries, held seats taken again.

use super::{
    Change, EventKind, Moment, Refusal, Ruling, Step, approve, crowded,
    heal::end_phantom,
    outdated,
    redeem::{cancel, given_up_before, is_crowded, prepare, redeem_claim},
    step,
    work::{Door, Stop, Work, refuse},
};
use crate::{
    ActivationRequest, Error, ErrorKind, LicenseId, Timestamp,
    authority::{
        allowances::{Allowance, Balance},
        approval::ApprovalPolicy,
        counts::Counting,
        incoming::{ActivationFile, LastWord},
        records::{Query, Records},
        seat::{Seat, SeatName, SeatState},
        terms::{KeyHash, LicenseKeyName, LicenseRecord, LicenseTerms},
    },
    code::Handle,
    fingerprint::Fingerprint,
};

/// Answers an activation file: frees the seats that came along, then grants the request a seat.
///
/// The license is that of the request's license key, or `assigned` for a request without one. The same request again
/// fetches the license that it was granted, however old that is: [`Ruling::Repeated`]. It never fetches a renewed one,
/// because every copy of a store has its request. A check-in renews the license, and a copy shows itself by that.
///
/// A [recovery](ActivationFile::is_recovery) takes the place of the device's active seats of the license that it was
/// granted last, without counting a deactivation. It does so only if the request is granted, and only if the request
/// is new: whatever the device holds when an echo arrives came after its loss.
///
/// A grant uses up one of the license's activations, unless it takes the place of another seat: of one that is held for
/// the device, that was lost with its store, or that another installation of its machine has.
///
/// [`Ruling::Refused`] when the request is refused for good; the seats that came along are free all the same. The
/// kinds: [`ErrorKind::TrialUsed`] on terms that are a trial, for a machine whose trial is over or that shows no
/// hardware by which it could be known again; [`ErrorKind::Outdated`] for a request of more than
/// [`REQUEST_LASTS`](super::REQUEST_LASTS) ago, [`ErrorKind::CrowdedHandle`] when
/// [`MAX_SEATS_OF_HANDLE`](super::MAX_SEATS_OF_HANDLE) other devices came before under that handle,
/// [`ErrorKind::UnknownLicense`], [`ErrorKind::WrongProduct`], [`ErrorKind::LicenseEnded`],
/// [`ErrorKind::NoFreeSeat`], [`ErrorKind::NoActivationLeft`]; [`ErrorKind::ApprovalWanted`] for one that waits until
/// the vendor has [ruled](super::approve()) on it, and [`ErrorKind::RequestRefused`] for one that the vendor refused;
/// [`ErrorKind::Outdated`] for one that is older than the request of the only seat whose place it could take;
/// [`ErrorKind::WrongRequest`] for a second request under the same
/// name; [`ErrorKind::RequestCancelled`], [`ErrorKind::GivenUp`] or [`ErrorKind::Revoked`] for a seat whose life is
/// over; and for a recovery [`ErrorKind::UnknownSeat`], [`ErrorKind::Outdated`] and [`ErrorKind::WrongMachine`].
///
/// ```
/// # use nodelock::{authority::{ActivationFile, decision::{self, Ruling}}, testing::{Machine, TestAuthority}};
/// # let authority = TestAuthority::new("Example Editor");
/// # let license_key = authority.sell(1)?;
/// # let device = authority.client(&Machine::new("desk")).build()?;
/// let file = ActivationFile::read(&device.begin(&license_key)?.to_bytes())?;
/// // This vendor's ledger is in memory; `decision` says how a database is asked.
/// let mut vendor = authority.vendor();
/// let (ruling, reply) = vendor.decide(|records, moment| decision::activate(&file, None, records, moment))?;
/// assert!(matches!(ruling, Ruling::Granted(_)));
/// assert!(device.accept(&reply.to_bytes())?.status().is_usable());
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn activate(
    file: &ActivationFile,
    assigned: Option<LicenseId>,
    records: &Records,
    moment: &Moment,
) -> Result<Step, Refusal> {
    let mut work = Work::new(records, moment);
    step(decide(&mut work, file, assigned).map(|ruling| work.decide(ruling)))
}

fn decide(work: &mut Work<'_>, file: &ActivationFile, assigned: Option<LicenseId>) -> Result<Ruling, Stop> {
    let request = &file.request;
    let key = LicenseKeyName::new(&request.license_key).map(|key| key.hash());
    let queries = [
        Query::SeatsOfHandle(request.handle),
        Query::TakenSeatsOf(request.device_key),
        Query::EvidenceOf(request.handle),
    ];
    let licenses = key.map(Query::LicenseOfKey).into_iter().chain(assigned.map(Query::License));
    let releases = file.releases.iter().map(|claim| claim.handle());
    let releases = releases.chain(file.last.as_ref().map(LastWord::handle)).map(Query::SeatsOfHandle);
    work.need(queries.into_iter().chain(licenses).chain(releases))?;
    end_phantom(work, file.last.as_ref(), &request.device_key)?;
    prepare(work, &file.releases)?;

    let given_up = free_what_came_along(work, file)?;
    if work.seat(request.into()).is_none()
        && let Some((evidence, binding)) = given_up_before(work, request)?
    {
        work.store(Change::Forget(evidence));
        cancel(work, request, binding)?;
        return Ok(Ruling::Refused(is_over(ErrorKind::RequestCancelled, request.handle)));
    }
    // What is refused from here on changes nothing but what came along, counts that it matches no seat or that a
    // released machine is back, and may wait for approval.
    let mut tried = work.clone();
    match answer(&mut tried, file, key, assigned, given_up) {
        Ok(ruling) => {
            *work = tried;
            Ok(ruling)
        }
        Err(Stop::Refused(refusal)) => {
            work.keep_of_refused(tried);
            let asked = work.seat(request.into()).filter(|seat| seat.request_digest == request.digest());
            if let Some(seat) = asked.cloned() {
                work.note_return(&seat, "request");
            }
            Ok(Ruling::Refused(refusal))
        }
        Err(stop) => Err(stop),
    }
}

/// That the life of a request's seat is over.
fn is_over(kind: ErrorKind, handle: Handle) -> Refusal {
    let text = match kind {
        ErrorKind::WrongRequest => format!("another request came for seat {handle} before this one"),
        ErrorKind::RequestCancelled => {
            format!("the request for seat {handle} was cancelled before it arrived")
        }
        ErrorKind::Revoked => format!("seat {handle} was released by the vendor"),
        _ => format!("seat {handle} was given up"),
    };
    Refusal::new(kind, text)
}

/// Returns the license of the seat that this device gave up last, if that was news.
fn free_what_came_along(work: &mut Work<'_>, file: &ActivationFile) -> Result<Option<LicenseId>, Stop> {
    let mut given_up = None;
    for claim in &file.releases {
        match redeem_claim(work, claim) {
            Ok(Ruling::Released { seat, changed: true, .. })
                if seat.device_key == file.request.device_key =>
            {
                given_up = seat.license_id().or(given_up);
            }
            // One that a rule refuses, such as a proof of a seat that was never here, frees nothing and spoils nothing.
            // The device has no receipt for it, so it comes again.
            Ok(_) | Err(Stop::Refused(_)) => {}
            Err(stop) => return Err(stop),
        }
    }
    Ok(given_up)
}

fn answer(
    work: &mut Work<'_>,
    file: &ActivationFile,
    key: Option<KeyHash>,
    assigned: Option<LicenseId>,
    given_up: Option<LicenseId>,
) -> Result<Ruling, Stop> {
    let request = &file.request;
    if let Some(known) = work.seat(SeatName::from(request)).cloned() {
        if mutated!(EchoRecovers) {
            recover(work, file)?;
        }
        return answer_again(work, request, &known);
    }
    if outdated(work.moment.now).contains(&request.created) {
        let text = format!("the request is of {}, more than five years ago", request.created);
        return Err(refuse(ErrorKind::Outdated, text));
    }
    if is_crowded(work, request.handle)? {
        return Err(crowded(request.handle));
    }
    let recovered = recover(work, file)?;
    // The recovery before this one may have been granted and then taken back, because its answer was lost: what it was
    // granted comes along as given up, and what was lost is of the same license.
    let assigned = recovered.or(assigned).or(given_up.filter(|_| file.recovery.is_some()));
    let license = match (key, assigned) {
        (Some(key), _) => work.license_of_key(key)?,
        (None, Some(id)) => Some(id),
        (None, None) if file.recovery.is_some() => {
            return Err(refuse(ErrorKind::UnknownSeat, "no active seat of this device is known here"));
        }
        (None, None) => None,
    };
    let unknown = || refuse(ErrorKind::UnknownLicense, "no license has the key in this request");
    let license = work.license(license.ok_or_else(unknown)?)?.ok_or_else(unknown)?;
    let terms = &license.terms;
    if request.product != terms.product {
        return Err(Error::products("the request", &terms.product, &request.product).into());
    }
    terms.check_usable(work.moment.now)?;
    let trial = trial_of(work, request, terms)?;
    let mut door = if recovered.is_some() { Door::Recovery } else { Door::Request };
    if let Some(held) = held_seat(work, file, terms)? {
        door = Door::HeldSeat;
        let returned = held.taken_over(work.moment.now);
        work.update(returned.clone());
        work.note(EventKind::HeldTakenOver, Some(&held), &returned, "");
    }
    let seat = Seat::granted_to(request, terms.id, work.moment.token, work.moment.now).on_trial(trial);
    work.insert(seat.clone(), Some(request))?;
    let is_new = door == Door::Request
        || (door == Door::Recovery && mutated!(RecoveryIsAnActivation))
        || (door == Door::HeldSeat && mutated!(HeldSeatIsAnActivation));
    let is_spent = is_new
        && license.left(Allowance::Activations, work.moment.now) == Some(0)
        && !mutated!(ActivationsIgnored);
    let mut joined = join_own(work, request, terms, &seat)?;
    if joined.is_none() {
        let is_full = !work.has_room(terms)?;
        // Without an activation left it may still take the place of its machine's own seat.
        if is_full || is_spent || terms.one_seat_per_machine {
            joined = join(work, request, terms, &seat)?;
        }
        if joined.is_none() && is_spent {
            return Err(no_activation_left(&license, work.moment.now));
        }
        if joined.is_none()
            && is_full
            && let Some(named) = file.replaces()
        {
            replace(work, named, terms, Some(seat.name()))?;
        }
    }
    let is_activation = is_new && (joined.is_none() || mutated!(TakeoverIsAnActivation));
    // What cannot be granted anyway needs no approval.
    let takes_no_place = door == Door::Request && joined.is_none() && !mutated!(ApprovalUnasked);
    if takes_no_place && terms.approval == ApprovalPolicy::Required && work.has_room(terms)? {
        approve::check(work, &seat)?;
    }
    let mut seat = joined.unwrap_or(seat);
    if is_activation {
        seat = seat.with_activation();
        work.update(seat.clone());
    }
    let end = seat.trial_ends(terms).map(|end| format!("the trial of its machine ends at {end}"));
    work.note(EventKind::Granted, None, &seat, end.unwrap_or_default());
    work.send_license(terms, &seat, door, Some(seat.request_digest))?;
    Ok(Ruling::Granted(work.seat(seat.name()).cloned().unwrap_or(seat)))
}

/// From when on the days of the machine's trial count; none if the terms are no trial.
///
/// A machine has one trial of a product, whatever is installed, copied or given back on it: the days go on that began
/// with its first activation, by the ledger's time (docs/PROTOCOL.md, Trials).
fn trial_of(
    work: &Work<'_>,
    request: &ActivationRequest,
    terms: &LicenseTerms,
) -> Result<Option<Timestamp>, Stop> {
    let Some(days) = terms.trial_days else { return Ok(None) };
    let trials = work.trials_of(&request.device_key, &request.fingerprint, terms)?;
    let mut began = trials.iter().filter_map(|seat| seat.trial).max();
    if began.is_none() {
        began = granted_before_the_trial(work, request, terms)?;
    }
    // What a copied store brings along is another machine's: it counts only where there was none.
    if began.is_none() || mutated!(TrialComesWithTheStore) {
        began = began.max(work.trial_held_by(&request.device_key)?);
    }
    let Some(began) = began.filter(|_| !mutated!(TrialBeginsAnew)) else {
        if !request.fingerprint.bindable() {
            let text = "this machine shows no hardware by which it could be known again, so it has no trial";
            return Err(refuse(ErrorKind::TrialUsed, text));
        }
        let is_by_device = mutated!(TrialByTheDevicesClock);
        return Ok(Some(if is_by_device { request.created } else { work.moment.now }));
    };
    let end = began.plus_days(days);
    if work.moment.now >= end && !mutated!(TrialOutlived) {
        return Err(Error::trial_used(end).into());
    }
    Ok(Some(began))
}

/// When the machine was first granted a seat of a license that has become a trial since, if it still has that seat. A
/// check-in would have said so in the seat, and is refused once the days are over.
fn granted_before_the_trial(
    work: &Work<'_>,
    request: &ActivationRequest,
    terms: &LicenseTerms,
) -> Result<Option<Timestamp>, Stop> {
    let tags: Vec<_> = request.fingerprint.hardware().collect();
    let mut seats = work.taken_seats_of(&request.device_key)?;
    seats.extend(work.seats_with_tags(terms, &tags)?);
    let is_of_machine = |seat: &&Seat| {
        seat.license_id == terms.id && seat.trial.is_none() && seat.is_trial_of(&request.fingerprint, terms)
    };
    Ok(seats.iter().filter(is_of_machine).map(|seat| seat.first_granted).min())
}

/// That a license allows no more activations, until the vendor resets them or the next period begins.
fn no_activation_left(license: &LicenseRecord, now: Timestamp) -> Stop {
    let Balance { allowed, used, .. } = license.balance(Allowance::Activations, now);
    let (id, allowed) = (license.terms.id, allowed.unwrap_or(0));
    let again = license.terms.next_period(now);
    let again = again.map_or_else(String::new, |again| format!("; they can be used again from {again} on"));
    let text = format!("license {id} has no activation left: {used} of {allowed} are used up{again}");
    refuse(ErrorKind::NoActivationLeft, text)
}

/// The new seat in place of the one that the device has of the same license: it asks anew, with a key that the vendor
/// issued again, say. It must be on its machine, judged as at a check-in: whoever has a copy of the device's key gets
/// nothing by it. None if there is no such seat, or too many requests of the machine did that already.
fn join_own(
    work: &mut Work<'_>,
    request: &ActivationRequest,
    terms: &LicenseTerms,
    seat: &Seat,
) -> Result<Option<Seat>, Stop> {
    let (now, gaps) = (work.moment.now, work.gaps()?);
    let own =
        work.taken_seats_on(&request.device_key, &request.fingerprint, terms)?.into_iter().filter(|other| {
            other.state == SeatState::Active
            && other.license_id == terms.id
            && other.name() != seat.name()
            && (other.counts(terms, now, &gaps) || mutated!(LapsedOwnSeatIsJoined))
            && other.is_on(&request.fingerprint, terms)
            // One that the network delivers late must not take the place of its successor. Both dates are by one clock.
            && other.requested < request.created
        });
    let own = own.min_by_key(|other| (other.contact, other.name()));
    Ok(own.and_then(|own| take_place(work, &own, terms, seat)))
}

/// The new seat in place of another one of its machine, which is replaced: the system was installed again, or a second
/// one is (docs/PROTOCOL.md, Seats over time). None if there is no such seat, or too many requests of the machine did
/// that already, or too many requests of the license matched no seat.
fn join(
    work: &mut Work<'_>,
    request: &ActivationRequest,
    terms: &LicenseTerms,
    seat: &Seat,
) -> Result<Option<Seat>, Stop> {
    if terms.reinstalls() == 0 || !terms.lets_join(&request.fingerprint) {
        return Ok(None);
    }
    // Tags have 24 bits, so they can be guessed by whoever may ask without end.
    let before = work.count_of(terms.id, Counting::Unmatched)?;
    let Some(unmatched) = before.unmatched(&seat.request_digest, terms.seats, work.moment.now) else {
        return Ok(None);
    };
    let Some(other) = seat_of_machine(work, &request.fingerprint, request.created, terms, seat)? else {
        work.set_count(terms.id, Counting::Unmatched, unmatched);
        return Ok(None);
    };
    Ok(take_place(work, &other, terms, seat))
}

/// Another seat of the machine that the new seat is on, which was asked for at `created`. Of several it is the one that
/// was heard of least lately; none if there is none.
pub(super) fn seat_of_machine(
    work: &mut Work<'_>,
    fingerprint: &Fingerprint,
    created: Timestamp,
    terms: &LicenseTerms,
    seat: &Seat,
) -> Result<Option<Seat>, Stop> {
    if terms.reinstalls() == 0 || !terms.lets_join(fingerprint) {
        return Ok(None);
    }
    let tags: Vec<_> = fingerprint.hardware().collect();
    let mut seats = match mutated!(JoinsAnyMachine) {
        true => work.seats_by_end(terms.id, Timestamp::MAX, 1)?,
        false => work.seats_with_tags(terms, &tags)?,
    };
    seats.retain(|other| other.name() != seat.name() && other.is_of_machine(fingerprint, terms));
    let is_after = |other: &Seat| other.is_after(&seat.device_key, created);
    if !seats.is_empty() && seats.iter().all(is_after) {
        let text = format!("the request is of {created}, and a later one of its machine was granted");
        return Err(refuse(ErrorKind::Outdated, text));
    }
    // Of two requests that a device made within a second nobody can tell which was the later one.
    let is_of_that_second = |other: &Seat| other.device_key == seat.device_key && other.requested == created;
    seats.retain(|other| !is_after(other) && !is_of_that_second(other));
    Ok(seats.into_iter().min_by_key(|other| (other.contact, other.name())))
}

/// The new seat in place of another one, which is replaced. None if too many requests of the machine did that already.
pub(super) fn take_place(
    work: &mut Work<'_>,
    other: &Seat,
    terms: &LicenseTerms,
    seat: &Seat,
) -> Option<Seat> {
    let now = work.moment.now;
    let joined = seat.in_place_of(other, terms, now)?;
    let replaced = other.replaced(now);
    work.update(replaced.clone());
    work.note(EventKind::Replaced, Some(other), &replaced, "");
    work.update(joined.clone());
    Some(joined)
}

/// Releases the seat that a customer names, if its device has been silent and the license allows one more. Otherwise
/// nothing changes: none.
pub(super) fn replace(
    work: &mut Work<'_>,
    named: Handle,
    terms: &LicenseTerms,
    but: Option<SeatName>,
) -> Result<Option<Seat>, Stop> {
    let now = work.moment.now;
    let mut seats = work.seats_of_handle(named)?;
    let gaps = work.gaps()?;
    let counts = |other: &Seat| other.counts(terms, now, &gaps) || mutated!(LapsedSeatIsReplaced);
    seats.retain(|other| other.license_id == terms.id && counts(other));
    // Two devices may have drawn one handle: then nobody can tell which is meant.
    let [other] = &seats[..] else { return Ok(None) };
    let Some(replaced) = other.replaced_by_customer(now).filter(|_| Some(other.name()) != but) else {
        return Ok(None);
    };
    let before = work.count_of(terms.id, Counting::Replaced)?;
    let Some(after) = before.once_more(terms.replace(), now) else { return Ok(None) };
    if !mutated!(ReplacementUncounted) {
        work.set_count(terms.id, Counting::Replaced, after);
    }
    work.update(replaced.clone());
    let detail = replaced.notice.clone().unwrap_or_default();
    work.note(EventKind::ReplacedByCustomer, Some(other), &replaced, detail);
    Ok(Some(replaced))
}

/// The seat of this license that is held for the device: of several, the one that has waited longest. It goes back to
/// its machine alone, judged as a check-in is, and not to whoever has a copy of the device's key.
fn held_seat(work: &Work<'_>, file: &ActivationFile, terms: &LicenseTerms) -> Result<Option<Seat>, Stop> {
    let request = &file.request;
    let seats = work.taken_seats_on(&request.device_key, &request.fingerprint, terms)?.into_iter();
    let held = seats.filter(|seat| seat.state == SeatState::Held && seat.license_id == terms.id);
    let held = held.filter(|seat| seat.is_on(&request.fingerprint, terms) || mutated!(HeldGoesToAnyMachine));
    Ok(held.min_by_key(|seat| seat.changed))
}

/// A request that was granted or refused before. What a seat was granted under does not change with a second look at
/// the license key.
fn answer_again(work: &mut Work<'_>, request: &ActivationRequest, known: &Seat) -> Result<Ruling, Stop> {
    let over = match known.state {
        _ if known.request_digest != request.digest() => Some(ErrorKind::WrongRequest),
        SeatState::Active => None,
        SeatState::Cancelled => Some(ErrorKind::RequestCancelled),
        SeatState::Held | SeatState::Replaced | SeatState::Returned => {
            Some(ErrorKind::GivenUp).filter(|_| !mutated!(GrantsAgain))
        }
        SeatState::Revoked => Some(ErrorKind::Revoked),
    };
    if let Some(kind) = over {
        return Err(is_over(kind, known.handle).into());
    }
    let terms = work.license_of(known)?.terms;
    known.check_usable(&terms, work.moment.now)?;
    work.send_license(&terms, &known.as_granted(request), Door::RepeatedRequest, Some(known.request_digest))?;
    Ok(Ruling::Repeated(known.clone()))
}

/// Takes back what a recovery says was lost: the active seats of the license that the device was granted last. Returns
/// that license.
fn recover(work: &mut Work<'_>, file: &ActivationFile) -> Result<Option<LicenseId>, Stop> {
    if !file.is_recovery() {
        return Ok(None);
    }
    let request = &file.request;
    let mut active = work.taken_seats_of(&request.device_key)?;
    active.retain(|seat| seat.state == SeatState::Active);
    active.sort_by_key(|seat| std::cmp::Reverse((seat.granted, seat.changed)));
    let Some(license) = active.first().and_then(Seat::license_id) else { return Ok(None) };
    for lost in active.iter().filter(|seat| seat.license_id == license) {
        let terms = work.license_of(lost)?.terms;
        let recovered = lost.recovered(&terms, request, work.moment.now)?;
        work.update(recovered.clone());
        work.note(EventKind::Lost, Some(lost), &recovered, "");
    }
    Ok(Some(license))
}
