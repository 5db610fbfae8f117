//! Seats given up by a proof, and requests cancelled before they arrived.

use super::{
    Change, EventKind, MAX_SEATS_OF_HANDLE, Moment, Refusal, Ruling, Step, outdated, step,
    work::{Stop, Work, refuse},
};
use crate::{
    ActivationRequest, Binding, ErrorKind, LicenseId, Outcome, Reason,
    authority::{
        allowances::Allowance,
        counts::Counting,
        incoming::{Evidence, ReleaseClaim},
        records::{Query, Records},
        seat::{Seat, SeatName},
        terms::{LicenseKeyName, LicenseRecord},
        verification::Verification,
    },
    code::Handle,
};

/// How much evidence is kept for one handle. A device has one proof and one code.
pub(super) const MAX_EVIDENCE: usize = 8;

/// Gives up the seat that a proof names: [`Ruling::Released`] with a receipt. No rule refuses a genuine proof, because
/// the machine has lost its license already.
///
/// A request that came along is remembered as cancelled if its seat is not known, so that it takes no seat when it
/// arrives. A proof without one, of a seat that is not known, is [kept](Ruling::Kept) until the request arrives.
///
/// Fails with [`ErrorKind::BadSignature`] when another device signed the proof, with [`ErrorKind::WrongRequest`] when
/// this device signed it for another activation, and with [`ErrorKind::TooManyAttempts`] when too much is kept for that
/// handle.
///
/// ```
/// # use nodelock::{Reason, authority::{ReleaseClaim, decision}, testing::{Machine, TestAuthority}};
/// # let authority = TestAuthority::new("Example Editor");
/// # let license_key = authority.sell(1)?;
/// # let device = authority.client(&Machine::new("desk")).build()?;
/// # device.activate(&license_key)?;
/// let claim = ReleaseClaim::read(device.deactivate_offline(Reason::Moved)?.proof())?;
/// let mut vendor = authority.vendor();
/// let (_, reply) = vendor.decide(|records, moment| decision::redeem(&claim, records, moment))?;
/// assert_eq!((vendor.usage(&license_key)?.taken, reply.receipts.len()), (0, 1));
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn redeem(claim: &ReleaseClaim, records: &Records, moment: &Moment) -> Result<Step, Refusal> {
    let mut work = Work::new(records, moment);
    step(redeem_claim(&mut work, claim).map(|ruling| work.decide(ruling)))
}

/// Looks up and verifies what many proofs need, in few rounds.
pub(super) fn prepare(work: &Work<'_>, claims: &[ReleaseClaim]) -> Result<(), Stop> {
    work.need(claims.iter().map(|claim| Query::SeatsOfHandle(claim.handle())))?;
    let mut verifications = Vec::new();
    let mut licenses = Vec::new();
    for claim in claims {
        let seats = work.seats_of_handle(claim.handle())?;
        licenses.extend(seats.iter().filter_map(Seat::license_id).map(Query::License));
        verifications.extend(verifications_of(claim, &seats));
    }
    work.need(licenses)?;
    work.verify(verifications)
}

/// What must be verified of a proof. What a seat was given up by before is known again without that.
fn verifications_of(claim: &ReleaseClaim, seats: &[Seat]) -> Vec<Verification> {
    if seats.iter().any(|seat| is_answered(seat, claim.binding())) {
        return Vec::new();
    }
    let signers = seats.iter().map(|seat| &seat.device_key);
    let signers = signers.chain(claim.request.iter().map(|request| &request.device_key));
    signers.map(|signer| claim.proof.signed_by(signer)).collect()
}

/// Whether that very proof or code has a receipt already.
pub(super) fn is_answered(seat: &Seat, binding: Binding) -> bool {
    seat.acknowledged.as_ref().is_some_and(|acknowledged| match binding {
        Binding::Proof(digest) => acknowledged.proof == Some(digest),
        Binding::Code(digest) => acknowledged.code == Some(digest),
    })
}

pub(super) fn redeem_claim(work: &mut Work<'_>, claim: &ReleaseClaim) -> Result<Ruling, Stop> {
    let seats = work.seats_of_handle(claim.handle())?;
    if let Some(seat) = seats.iter().find(|seat| is_answered(seat, claim.binding())) {
        return give_up(work, seat, claim.proof.body.reason, claim.binding());
    }
    work.verify(verifications_of(claim, &seats))?;
    for seat in &seats {
        // Two devices may have drawn one handle.
        if !work.holds(claim.proof.signed_by(&seat.device_key))? {
            continue;
        }
        // A genuine proof names its activation, not only the handle: one of an earlier life frees nothing.
        if claim.proof.body.request != seat.request_digest[..8] {
            let text = format!("the proof is of another activation than seat {}", seat.handle);
            return Err(refuse(ErrorKind::WrongRequest, text));
        }
        if mutated!(ProofNamesDevice)
            && let Some(other) = work.taken_seats_of(&seat.device_key)?.first()
        {
            return give_up(work, other, claim.proof.body.reason, claim.binding());
        }
        return give_up(work, seat, claim.proof.body.reason, claim.binding());
    }
    match &claim.request {
        Some(request) => {
            if !work.holds(claim.proof.signed_by(&request.device_key))? {
                return Err(bad_proof(claim.handle()));
            }
            cancel(work, request, claim.binding())
        }
        // The device of a known handle had its license, so a proof that does not fit is no proof of that seat.
        None if !seats.is_empty() => Err(bad_proof(claim.handle())),
        None => keep(work, vec![Evidence::Proof(Box::new(claim.clone()))]),
    }
}

/// Gives up a seat on evidence that was verified, or says again what its receipts say.
pub(super) fn give_up(
    work: &mut Work<'_>,
    seat: &Seat,
    reason: Reason,
    binding: Binding,
) -> Result<Ruling, Stop> {
    let license = work.license_of(seat)?;
    let counted = is_counted(work, seat, &license, reason)?;
    let counts = work.counts(seat, &license.terms)?;
    let now = work.moment.now;
    let given_up = seat.give_up(license.left(Allowance::Deactivations, now), reason, [counted, counts], now);
    let changed = given_up.state != seat.state;
    if changed {
        work.update(given_up.clone());
    }
    let left = work.license_of(seat)?.left(Allowance::Deactivations, now);
    let mut after = given_up.acknowledge(left, now);
    let acknowledged = after.acknowledged.as_mut().expect("just acknowledged");
    match binding {
        Binding::Proof(digest) => acknowledged.proof = acknowledged.proof.or(Some(digest)),
        Binding::Code(digest) => acknowledged.code = acknowledged.code.or(Some(digest)),
    }
    let (outcome, deactivations_left) = (acknowledged.outcome, acknowledged.deactivations_left);
    if after != *seat {
        work.update(after.clone());
    }
    if changed {
        let kind = match outcome {
            Outcome::Returned => EventKind::Returned,
            Outcome::Held => EventKind::Held,
        };
        work.note(kind, Some(seat), &after, format!("{}: {reason}", how(binding)));
    }
    // The same proof again is an echo, and no sign of life.
    if seat.acknowledged.is_none() {
        work.note_return(&after, how(binding));
        after = work.seat(after.name()).cloned().unwrap_or(after);
    }
    work.send_receipt(&after, binding);
    Ok(Ruling::Released { seat: after, outcome, deactivations_left, changed })
}

/// Whether giving a seat up uses up a deactivation. One that was never used does not, as often as that is allowed:
/// whoever copies a store and cancels in the copy leaves a license in the original.
fn is_counted(
    work: &mut Work<'_>,
    seat: &Seat,
    license: &LicenseRecord,
    reason: Reason,
) -> Result<bool, Stop> {
    if !seat.is_unused(reason, work.moment.now) {
        return Ok(true);
    }
    if !work.counts(seat, &license.terms)? {
        return Ok(false);
    }
    match license.left(Allowance::Deactivations, work.moment.now) {
        None | Some(0) => Ok(false),
        Some(_) => {
            let before = work.count_of(license.terms.id, Counting::Cancelled)?;
            let Some(after) = before.cancel(license.terms.seats, work.moment.now) else { return Ok(true) };
            work.set_count(license.terms.id, Counting::Cancelled, after);
            Ok(false)
        }
    }
}

fn how(binding: Binding) -> &'static str {
    match binding {
        Binding::Proof(_) => "proof",
        Binding::Code(_) => "code",
    }
}

/// Whether a handle has so many seats that no further request gets one.
pub(super) fn is_crowded(work: &Work<'_>, handle: Handle) -> Result<bool, Stop> {
    Ok(work.seats_of_handle(handle)?.len() >= MAX_SEATS_OF_HANDLE)
}

/// Remembers a request that was given up before it arrived. The license may be unknown then. A request that is
/// outdated, or under a crowded handle, is refused whenever it arrives, so there is nothing to remember, and its
/// receipt is given all the same.
pub(super) fn cancel(
    work: &mut Work<'_>,
    request: &ActivationRequest,
    binding: Binding,
) -> Result<Ruling, Stop> {
    let license = match LicenseKeyName::new(&request.license_key) {
        Some(key) => work.license_of_key(key.hash())?.unwrap_or(LicenseId::NONE),
        None => LicenseId::NONE,
    };
    let mut seat = Seat::cancelled(request, license, work.moment.now).acknowledge(None, work.moment.now);
    if let Some(acknowledged) = &mut seat.acknowledged {
        match binding {
            Binding::Proof(digest) => acknowledged.proof = Some(digest),
            Binding::Code(digest) => acknowledged.code = Some(digest),
        }
    }
    let is_refused =
        outdated(work.moment.now).contains(&request.created) || is_crowded(work, request.handle)?;
    if !is_refused {
        if !mutated!(CancelledForgotten) {
            work.insert(seat.clone(), Some(request))?;
        }
        work.note(EventKind::Cancelled, None, &seat, how(binding));
    }
    work.send_receipt(&seat, binding);
    let changed = !is_refused;
    Ok(Ruling::Released { seat, outcome: Outcome::Returned, deactivations_left: None, changed })
}

fn bad_proof(handle: Handle) -> Stop {
    let text = format!("the signature of the proof does not fit seat {handle}");
    refuse(ErrorKind::BadSignature, text)
}

/// Keeps what cannot be verified yet: all of it, or what is kept already and nothing else.
pub(super) fn keep(work: &mut Work<'_>, evidence: Vec<Evidence>) -> Result<Ruling, Stop> {
    work.need(evidence.iter().map(|evidence| Query::EvidenceOf(evidence.handle())))?;
    let first = evidence.first().map(Evidence::handle).expect("there is something to keep");
    for evidence in evidence {
        let kept = work.evidence_of(evidence.handle())?;
        if kept.contains(&evidence) {
            continue;
        }
        if kept.len() >= MAX_EVIDENCE {
            let text = format!(
                "{MAX_EVIDENCE} messages came for seat {}, which nobody has asked for",
                evidence.handle()
            );
            return Err(refuse(ErrorKind::TooManyAttempts, text));
        }
        work.note_of_nobody(EventKind::EvidenceKept, format!("{evidence:?}"));
        work.store(Change::Keep(evidence));
    }
    Ok(Ruling::Kept(first))
}

/// Whether the device gave a request up before it arrived: the evidence that says so.
pub(super) fn given_up_before(
    work: &Work<'_>,
    request: &ActivationRequest,
) -> Result<Option<(Evidence, Binding)>, Stop> {
    let name = SeatName::from(request);
    let kept = work.evidence_of(request.handle)?;
    let about = kept.iter().filter_map(|evidence| match evidence {
        Evidence::Proof(claim) if !claim.is_about(request) => None,
        Evidence::Proof(claim) => {
            Some((evidence, claim.proof.signed_by(&request.device_key), claim.binding()))
        }
        Evidence::Code(code) => {
            Some((evidence, Verification::code(code, name, request.release_commitment), Binding::code(code)))
        }
    });
    let about: Vec<_> = about.collect();
    let is_it = |(_, verification, _): &&(_, Verification, _)| work.fact(verification) == Some(true);
    let fitting = about.iter().find(is_it);
    if fitting.is_none() {
        work.verify(about.iter().map(|(_, verification, _)| verification.clone()))?;
    }
    Ok(fitting.map(|(evidence, _, binding)| ((*evidence).clone(), *binding)))
}
