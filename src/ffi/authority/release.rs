//! Seats given up: proofs and codes.

use std::{
    ffi::{CString, c_char},
    ptr,
};

use super::{
    activation::{license_id, nodelock_activation},
    decision::nodelock_decision,
    issuer::nodelock_issuer,
    records,
};
use crate::{
    Binding, DeactivationProof, Error, ErrorKind, Reason, Timestamp,
    authority::{ReleaseClaim, ledger},
    code::DeactivationCode,
    ffi::{
        boundary::{
            Out, Result, c_string, fallible, free, lend_bytes, look, object, optional_text, slice, text,
        },
        code::nodelock_readings,
        error::nodelock_error,
        status::nodelock_status,
    },
};

/// A proof that a device hands over, read and not verified yet: that takes the seat. Belongs to the caller, unless it was lent; may
/// be read from any number of threads.
pub struct nodelock_release {
    claim: ReleaseClaim,
    seat: CString,
}

impl From<ReleaseClaim> for nodelock_release {
    fn from(claim: ReleaseClaim) -> Self {
        Self { seat: c_string(claim.handle().to_string()), claim }
    }
}

/// Reads a deactivation file in any form: bytes, text, base64url, base32 behind a link.
///
/// The codes of a message.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_release_read(
    data: *const u8,
    size: usize,
    release: *mut *mut nodelock_release,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: as many bytes as said; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let release = Out::<nodelock_release>::new(release)?;
            release.set(ReleaseClaim::read(slice(data, size, "data")?)?);
            Ok(())
        })
    }
}

/// The seat that it claims to give up, such as `7KX2M9`. Two devices may have drawn the same name: try every seat that has it. Lent
/// until the release is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_release_seat(release: *const nodelock_release) -> *const c_char {
    // SAFETY: NULL or a release that lives.
    unsafe { look(release, ptr::null(), |release| release.seat.as_ptr()) }
}

/// Whether the request came along: one that was cancelled before a license came, which nodelock_release_cancel() remembers if its seat
/// is not known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_release_has_request(release: *const nodelock_release) -> bool {
    // SAFETY: NULL or a release that lives.
    unsafe { look(release, false, |release| release.claim.request().is_some()) }
}

/// The proof as bytes, and how many they are if `size` is not NULL: what to keep until a seat of that name is known, if none is. Lent
/// until the release is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_release_data(
    release: *const nodelock_release,
    size: *mut usize,
) -> *const u8 {
    // SAFETY: NULL or a release that lives; NULL or a place for the size.
    unsafe { lend_bytes(release, size, |release| release.claim.proof_bytes()) }
}

/// Gives a seat up on its device's proof. `seat` is the seat as the database has it, `terms` those of its license, NULL if it names
/// none; `taken` and `deactivated` as for nodelock_activation_grant(). No rule refuses a genuine proof, and coming again changes
/// nothing and has a receipt again; all it takes is an issuer that may sign.
///
/// NODELOCK_DECISION_RETURNED or NODELOCK_DECISION_HELD. NODELOCK_BAD_SIGNATURE: the proof of another device; try the next seat of
/// that name. NODELOCK_WRONG_REQUEST: this very device signed it, but for another activation, whose name was the same; it frees
/// nothing here. Stop, and never give it to nodelock_release_cancel(). NODELOCK_CERTIFICATE_EXPIRED: the issuer must not sign now;
/// nothing is decided, so keep the proof and try again with another.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_release_redeem(
    release: *const nodelock_release,
    issuer: *const nodelock_issuer,
    terms: *const c_char,
    taken: u32,
    deactivated: u32,
    seat: *const c_char,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or objects that live; NULL or texts; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let decision = Out::new(decision)?;
            let claim = &object(release, "release")?.claim;
            let issuer = &object(issuer, "issuer")?.0;
            let seat = records::seat(text(seat, "seat")?)?;
            let terms = records::terms_of(&seat, optional_text(terms, "terms")?)?;
            let proof = claim.verify_for(&seat)?;
            let now = Timestamp::from_unix_seconds(now);
            let usage = records::usage(taken, deactivated);
            let released = ledger::release(&terms, usage, &seat, proof.reason, now);
            let receipt = issuer.receipt(&released, binding(&proof), now)?;
            let changed = released.changed.then_some(&released.seat);
            decision.set(nodelock_decision::released(changed, released.outcome, &receipt)?);
            Ok(())
        })
    }
}

fn binding(proof: &DeactivationProof) -> Binding {
    Binding::Proof(proof.digest())
}

/// Remembers a request as cancelled, so that it takes no seat: one that came along with the proof, or, if `activation` is not NULL,
/// that one, whose proof came before it. Only for a seat that is not known. `license` is the id of the license that the request's
/// license key finds, NULL if none.
///
/// NODELOCK_DECISION_RETURNED. NODELOCK_UNKNOWN_SEAT: there is no request. NODELOCK_BAD_SIGNATURE, NODELOCK_WRONG_REQUEST: not the proof
/// of that request. NODELOCK_CERTIFICATE_EXPIRED: the issuer must not sign now; keep both and try again with another.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_release_cancel(
    release: *const nodelock_release,
    activation: *const nodelock_activation,
    issuer: *const nodelock_issuer,
    license: *const c_char,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or objects that live; NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let decision = Out::new(decision)?;
            let claim = &object(release, "release")?.claim;
            let issuer = &object(issuer, "issuer")?.0;
            let license = license_id(optional_text(license, "license")?)?;
            let now = Timestamp::from_unix_seconds(now);
            let request = match activation.as_ref() {
                Some(activation) => Some(&activation.file.request),
                None => claim.request(),
            };
            let request = request.ok_or_else(|| Error::new(ErrorKind::UnknownSeat, "deactivation"))?;
            let proof = claim.verify(&request.device_key)?;
            if !claim.cancels(request) {
                return Err(Error::new(ErrorKind::WrongRequest, "deactivation proof").into());
            }
            let released = ledger::cancel(&request.into(), license, now);
            let receipt = issuer.receipt(&released, binding(&proof), now)?;
            decision.set(nodelock_decision::released(Some(&released.seat), released.outcome, &receipt)?);
            Ok(())
        })
    }
}

/// Frees a release that belongs to the caller, not one that was lent. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_release_free(release: *mut nodelock_release) {
    // SAFETY: NULL or a release that nobody uses any more.
    unsafe { free(release) }
}

impl nodelock_readings {
    /// One of the deactivation codes.
    pub(super) fn deactivation_code(&self, index: usize) -> Result<&DeactivationCode> {
        let missing = || Error::new(ErrorKind::InvalidInput, "readings: no such deactivation code");
        Ok(self.codes.get(index).ok_or_else(missing)?)
    }
}

/// Gives a seat up on a code that somebody read over the phone: `index` says which of the readings, whose seat is
/// nodelock_readings_seat(). The records are as for nodelock_release_redeem(). Takes some 50 ms.
///
/// NODELOCK_DECISION_RETURNED or NODELOCK_DECISION_HELD; or NODELOCK_DECISION_WRONG_CODE: try the next seat of that name and the next
/// reading. When nothing fits, store the decision of every seat that was tried, one for each: however many readings name a
/// seat, that is one wrong code. When one fits, store that alone. NODELOCK_TOO_MANY_ATTEMPTS: the seat had too
/// many wrong codes within a day; nothing was tried, so go on to the next, which may still fit. NODELOCK_CERTIFICATE_EXPIRED: the
/// code fits, but the issuer must not sign now; nothing is decided, so try again with another.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_readings_redeem(
    readings: *const nodelock_readings,
    index: usize,
    issuer: *const nodelock_issuer,
    terms: *const c_char,
    taken: u32,
    deactivated: u32,
    seat: *const c_char,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or objects that live; NULL or texts; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let decision = Out::new(decision)?;
            let code = object(readings, "readings")?.deactivation_code(index)?;
            let issuer = &object(issuer, "issuer")?.0;
            let seat = records::seat(text(seat, "seat")?)?;
            let terms = records::terms_of(&seat, optional_text(terms, "terms")?)?;
            let now = Timestamp::from_unix_seconds(now);
            if code.handle() != seat.handle {
                return Err(
                    Error::new(ErrorKind::InvalidInput, "seat: not the one that the code names").into()
                );
            }
            if !ledger::may_try_code(&seat, now) {
                return Err(Error::new(ErrorKind::TooManyAttempts, "deactivation code").into());
            }
            if !ledger::code_fits(&seat, code) {
                decision.set(nodelock_decision::wrong_code(&ledger::count_wrong_code(&seat, now))?);
                return Ok(());
            }
            let usage = records::usage(taken, deactivated);
            let released = ledger::release(&terms, usage, &seat, Reason::Other, now);
            let receipt = issuer.receipt(&released, Binding::code(code), now)?;
            let changed = released.changed.then_some(&released.seat);
            decision.set(nodelock_decision::released(changed, released.outcome, &receipt)?);
            Ok(())
        })
    }
}
