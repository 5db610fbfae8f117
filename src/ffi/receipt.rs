//! What the authority says to a deactivation.

use std::{ffi::c_char, ptr};

use super::boundary::{Lent, free, lend_nth, look, put};
use crate::{DeactivationReceipt, Outcome};

/// The seat went back to the pool: any machine may take it.
pub const NODELOCK_OUTCOME_RETURNED: u32 = 1;
/// The license has no deactivation left: the seat is kept for this machine, which may activate it again, until the
/// vendor returns it.
pub const NODELOCK_OUTCOME_HELD: u32 = 2;

/// The authority's receipt for a seat that was given up. Belongs to the caller, unless it was lent; may be read from
/// any number of threads.
pub struct nodelock_receipt {
    receipt: DeactivationReceipt,
    seat: Lent,
    armored: Lent,
}

impl From<DeactivationReceipt> for nodelock_receipt {
    fn from(receipt: DeactivationReceipt) -> Self {
        Self { receipt, seat: Lent::default(), armored: Lent::default() }
    }
}

/// Where the seat went: NODELOCK_OUTCOME_RETURNED or NODELOCK_OUTCOME_HELD. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_receipt_outcome(receipt: *const nodelock_receipt) -> u32 {
    // SAFETY: NULL or a receipt that lives.
    unsafe { look(receipt, 0, |receipt| outcome(receipt.receipt.outcome)) }
}

pub(super) fn outcome(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Returned => NODELOCK_OUTCOME_RETURNED,
        Outcome::Held => NODELOCK_OUTCOME_HELD,
    }
}

/// The seat, such as `7KX2M9`. Lent until the receipt is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_receipt_seat(receipt: *const nodelock_receipt) -> *const c_char {
    // SAFETY: NULL or a receipt that lives.
    unsafe { look(receipt, ptr::null(), |receipt| receipt.seat.get(|| receipt.receipt.handle.to_string())) }
}

/// When the authority signed it, in seconds since 1970. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_receipt_time(receipt: *const nodelock_receipt) -> u64 {
    // SAFETY: NULL or a receipt that lives.
    unsafe { look(receipt, 0, |receipt| receipt.receipt.time.unix_seconds()) }
}

/// How many more deactivations the license has. False, and nothing is stored, if there is no limit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_receipt_deactivations_left(
    receipt: *const nodelock_receipt,
    count: *mut u32,
) -> bool {
    // SAFETY: NULL or a receipt that lives; NULL or a place for the number.
    unsafe { put(look(receipt, None, |receipt| receipt.receipt.deactivations_left), count) }
}

/// As a text file with readable headers, to keep. Lent until the receipt is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_receipt_text(receipt: *const nodelock_receipt) -> *const c_char {
    // SAFETY: NULL or a receipt that lives.
    unsafe { look(receipt, ptr::null(), |receipt| receipt.armored.get(|| receipt.receipt.to_text())) }
}

/// Frees a receipt that belongs to the caller, not one that was lent. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_receipt_free(receipt: *mut nodelock_receipt) {
    // SAFETY: NULL or a receipt that nobody uses any more.
    unsafe { free(receipt) }
}

/// Several receipts. Belongs to the caller; may be read from any number of threads.
pub struct nodelock_receipts(Vec<nodelock_receipt>);

impl From<Vec<DeactivationReceipt>> for nodelock_receipts {
    fn from(receipts: Vec<DeactivationReceipt>) -> Self {
        Self(receipts.into_iter().map(nodelock_receipt::from).collect())
    }
}

/// How many there are. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_receipts_count(receipts: *const nodelock_receipts) -> usize {
    // SAFETY: NULL or receipts that live.
    unsafe { look(receipts, 0, |receipts| receipts.0.len()) }
}

/// One of them, by its place from 0 on. Lent until all of them are freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_receipts_get(
    receipts: *const nodelock_receipts,
    index: usize,
) -> *const nodelock_receipt {
    // SAFETY: NULL or receipts that live.
    unsafe { lend_nth(receipts, index, |receipts| &receipts.0) }
}

/// Frees all of them. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_receipts_free(receipts: *mut nodelock_receipts) {
    // SAFETY: NULL or receipts that nobody uses any more.
    unsafe { free(receipts) }
}
