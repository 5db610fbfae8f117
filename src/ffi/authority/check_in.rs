//! What a device asks while it holds its seat.

use std::ffi::c_char;

use super::{
    decision::{NODELOCK_DECISION_RENEWED, nodelock_decision},
    issuer::nodelock_issuer,
    records,
};
use crate::{
    CheckInRequest, DeactivationProof, Error, ErrorKind, Kind, PreflightRequest, SystemRandom, Timestamp,
    authority::ledger::{self, SeatState},
    code::Handle,
    ffi::{
        boundary::{Out, Place, Result, fallible, object, optional_text, slice, text},
        bytes::nodelock_bytes,
        error::nodelock_error,
        status::nodelock_status,
    },
    keys::sha256,
    message::{frame, hex},
    system,
};

/// The seat that a check-in, a preflight or a proof claims to be of, as text. Nothing is verified: it serves to find the seat, or the
/// seats of that name.
///
/// The codes of a message.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_message_seat(
    data: *const u8,
    size: usize,
    seat: *mut *mut nodelock_bytes,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: as many bytes as said; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let seat = Out::<nodelock_bytes>::new(seat)?;
            seat.set(claimed(slice(data, size, "data")?)?.to_string());
            Ok(())
        })
    }
}

fn claimed(data: &[u8]) -> crate::Result<Handle> {
    let messages = frame::read(data)?;
    let first = messages.first().ok_or_else(|| Error::new(ErrorKind::Malformed, "message"))?;
    match first.frame()?.kind {
        Kind::CheckInRequest => CheckInRequest::claimed_handle(data),
        Kind::PreflightRequest => PreflightRequest::claimed_handle(data),
        _ => DeactivationProof::claimed_handle(data),
    }
}

/// A name for what a message says, as text: the SHA-256 of its body in hex, the same for every form of it. Keep an answer by it, and
/// give the same one when the same message comes again.
///
/// The codes of a message.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_message_id(
    data: *const u8,
    size: usize,
    id: *mut *mut nodelock_bytes,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: as many bytes as said; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let id = Out::<nodelock_bytes>::new(id)?;
            let messages = frame::read(slice(data, size, "data")?)?;
            let first = messages.first().ok_or_else(|| Error::new(ErrorKind::Malformed, "message"))?;
            id.set(hex(&sha256(first.frame()?.body)));
            Ok(())
        })
    }
}

/// Answers a check-in, in any form. The records are as for nodelock_release_redeem(). If the seat is over, the answer is a revocation
/// with `reason` in it, one line for the customer to read, which may be NULL: only that ends what a copy of the device's store still
/// has. A check-in that comes again, by its nodelock_message_id(), is to have its answer of before: a seat whose `copies` count up
/// is used by two copies of one store.
///
/// NODELOCK_DECISION_RENEWED or NODELOCK_DECISION_REVOKED. NODELOCK_BAD_SIGNATURE: of another device; try the next seat of that name.
/// NODELOCK_WRONG_REQUEST: the seat has another name. NODELOCK_WRONG_MACHINE: the machine has changed too much.
/// NODELOCK_LICENSE_ENDED, NODELOCK_CERTIFICATE_EXPIRED, the codes of a message.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_check_in_answer(
    data: *const u8,
    size: usize,
    issuer: *const nodelock_issuer,
    terms: *const c_char,
    taken: u32,
    deactivated: u32,
    seat: *const c_char,
    reason: *const c_char,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: as many bytes as said; NULL or objects that live; NULL or texts; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let decision = Out::new(decision)?;
            let data = slice(data, size, "data")?;
            let issuer = &object(issuer, "issuer")?.0;
            let seat = records::seat(text(seat, "seat")?)?;
            let terms = records::terms_of(&seat, optional_text(terms, "terms")?)?;
            let reason = optional_text(reason, "reason")?.unwrap_or_default();
            let now = Timestamp::from_unix_seconds(now);
            let request = CheckInRequest::verify(data, &seat.device_key)?;
            of_seat(request.handle, seat.handle)?;
            if seat.state != SeatState::Active {
                decision.set(nodelock_decision::revoked(None, &issuer.revocation(&seat, reason, now)?)?);
                return Ok(());
            }
            let token = system::random(&SystemRandom)?;
            let renewed = ledger::check_in(&terms, &seat, &request, token, now)?;
            let left = terms.deactivations_left(records::usage(taken, deactivated));
            let license = issuer.license(&terms, &renewed, left, now)?;
            decision.set(nodelock_decision::licensed(NODELOCK_DECISION_RENEWED, [&renewed], &license)?);
            Ok(())
        })
    }
}

/// A device may hold several seats, and a message is about one of them.
fn of_seat(claimed: Handle, seat: Handle) -> Result<()> {
    if claimed == seat { Ok(()) } else { Err(Error::new(ErrorKind::WrongRequest, "seat").into()) }
}

/// Answers a preflight, in any form: stores in `allowed` whether the device may give its seat up and it returns to the pool. The
/// records are as for nodelock_release_redeem().
///
/// NODELOCK_BAD_SIGNATURE: of another device; try the next seat of that name. NODELOCK_WRONG_REQUEST: the seat has another name. The
/// codes of a message.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_preflight_answer(
    data: *const u8,
    size: usize,
    terms: *const c_char,
    taken: u32,
    deactivated: u32,
    seat: *const c_char,
    allowed: *mut bool,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: as many bytes as said; NULL or texts; NULL or a place for the answer; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let allowed = Place::new(allowed, false)?;
            let data = slice(data, size, "data")?;
            let seat = records::seat(text(seat, "seat")?)?;
            let terms = records::terms_of(&seat, optional_text(terms, "terms")?)?;
            let request = PreflightRequest::verify(data, &seat.device_key)?;
            of_seat(request.handle, seat.handle)?;
            let left = terms.deactivations_left(records::usage(taken, deactivated));
            // Giving up a seat that is not active uses nothing up.
            allowed.set(seat.state != SeatState::Active || left != Some(0));
            Ok(())
        })
    }
}
