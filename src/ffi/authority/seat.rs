//! What a vendor does to a seat by itself.

use std::ffi::c_char;

use super::{
    decision::{NODELOCK_DECISION_RENEWED, nodelock_decision},
    issuer::nodelock_issuer,
    records,
};
use crate::{
    Error, ErrorKind, SystemRandom, Timestamp,
    authority::ledger::{self, SeatState},
    ffi::{
        boundary::{Out, fallible, object, optional_text, text},
        error::nodelock_error,
        status::nodelock_status,
    },
    system,
};

/// A new license for an active seat, as a file for a device that does not check in. The records are as for
/// nodelock_release_redeem().
///
/// NODELOCK_DECISION_RENEWED. NODELOCK_LICENSE_ENDED, NODELOCK_GIVEN_UP, NODELOCK_REVOKED, NODELOCK_CERTIFICATE_EXPIRED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_seat_renew(
    seat: *const c_char,
    issuer: *const nodelock_issuer,
    terms: *const c_char,
    taken: u32,
    deactivated: u32,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an issuer that lives; NULL or texts; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let decision = Out::new(decision)?;
            let seat = records::seat(text(seat, "seat")?)?;
            let issuer = &object(issuer, "issuer")?.0;
            let terms = records::terms_of(&seat, Some(text(terms, "terms")?))?;
            let now = Timestamp::from_unix_seconds(now);
            let renewed = ledger::renew(&terms, &seat, None, system::random(&SystemRandom)?, now)?;
            let left = terms.deactivations_left(records::usage(taken, deactivated));
            let license = issuer.license(&terms, &renewed, left, now)?;
            decision.set(nodelock_decision::licensed(NODELOCK_DECISION_RENEWED, [&renewed], &license)?);
            Ok(())
        })
    }
}

/// Releases a seat whose machine is dead, lost or unwilling, with a word to the customer in one line, which may be NULL. Until its
/// device hears of it the license there runs to the end of its lease, so the seat may be in use twice for that long. A held seat
/// returns to the pool.
///
/// NODELOCK_DECISION_REVOKED, or NODELOCK_DECISION_RETURNED without a message for a seat that was held. NODELOCK_GIVEN_UP: there is
/// nothing to release. NODELOCK_CERTIFICATE_EXPIRED: the issuer must not sign now.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_seat_release(
    seat: *const c_char,
    issuer: *const nodelock_issuer,
    reason: *const c_char,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an issuer that lives; NULL or texts; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let decision = Out::new(decision)?;
            let seat = records::seat(text(seat, "seat")?)?;
            let issuer = &object(issuer, "issuer")?.0;
            let reason = optional_text(reason, "reason")?.unwrap_or_default();
            let now = Timestamp::from_unix_seconds(now);
            let released = ledger::force_release(&seat, now);
            let released = released.ok_or_else(|| Error::new(ErrorKind::GivenUp, "release"))?;
            decision.set(match released.state {
                SeatState::Revoked => {
                    nodelock_decision::revoked(Some(&released), &issuer.revocation(&released, reason, now)?)?
                }
                _ => nodelock_decision::returned(&released)?,
            });
            Ok(())
        })
    }
}
