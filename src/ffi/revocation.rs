//! What the authority says when the vendor released a seat.

use std::{ffi::c_char, ptr};

use super::boundary::{Lent, free, look};
use crate::Revocation;

/// The authority's word that the vendor released a seat. Belongs to the caller; may be read from any number of threads.
pub struct nodelock_revocation {
    revocation: Revocation,
    seat: Lent,
    reason: Lent,
}

impl From<Revocation> for nodelock_revocation {
    fn from(revocation: Revocation) -> Self {
        Self { revocation, seat: Lent::default(), reason: Lent::default() }
    }
}

/// The seat, such as `7KX2M9`. Lent until the revocation is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_revocation_seat(revocation: *const nodelock_revocation) -> *const c_char {
    // SAFETY: NULL or a revocation that lives.
    unsafe { look(revocation, ptr::null(), |r| r.seat.get(|| r.revocation.handle.to_string())) }
}

/// Why, in the vendor's words; may be empty. Lent until the revocation is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_revocation_reason(revocation: *const nodelock_revocation) -> *const c_char {
    // SAFETY: NULL or a revocation that lives.
    unsafe { look(revocation, ptr::null(), |r| r.reason.get(|| r.revocation.reason.clone())) }
}

/// When the authority signed it, in seconds since 1970. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_revocation_time(revocation: *const nodelock_revocation) -> u64 {
    // SAFETY: NULL or a revocation that lives.
    unsafe { look(revocation, 0, |r| r.revocation.time.unix_seconds()) }
}

/// Frees a revocation, which does not undo it. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_revocation_free(revocation: *mut nodelock_revocation) {
    // SAFETY: NULL or a revocation that nobody uses any more.
    unsafe { free(revocation) }
}
