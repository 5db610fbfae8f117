//! What a rule came to: what to store, and what to send.

use std::{
    ffi::{CString, c_char},
    ptr,
};

use super::records;
use crate::{
    DeactivationReceipt, License, Outcome, Revocation, Signed,
    authority::ledger::Seat,
    ffi::boundary::{Result, c_string, free, lend_bytes, look},
    message::Body,
};

/// A new seat was granted; the message is its license.
pub const NODELOCK_DECISION_GRANTED: u32 = 1;
/// The same request again; the message is the license of the same seat.
pub const NODELOCK_DECISION_REPEATED: u32 = 2;
/// The seat went back to the pool, now or since long; the message is the receipt.
pub const NODELOCK_DECISION_RETURNED: u32 = 3;
/// No deactivation was left: the seat is kept for its device; the message is the receipt.
pub const NODELOCK_DECISION_HELD: u32 = 4;
/// The license was renewed; the message is the new one.
pub const NODELOCK_DECISION_RENEWED: u32 = 5;
/// The seat is over; the message is the revocation, which ends what a device may still have.
pub const NODELOCK_DECISION_REVOKED: u32 = 6;
/// The code does not fit that seat. There is no message; the seat that is to be stored counts the wrong code.
pub const NODELOCK_DECISION_WRONG_CODE: u32 = 7;

/// What a rule came to. Store every seat in it, in one transaction with what was read, and only then send the message. Belongs to
/// the caller; may be read from any number of threads.
pub struct nodelock_decision {
    outcome: u32,
    seats: Vec<CString>,
    message: Option<Message>,
}

struct Message {
    bytes: Vec<u8>,
    text: CString,
    base64url: CString,
}

impl<T: Body> From<&Signed<T>> for Message {
    fn from(message: &Signed<T>) -> Self {
        Self {
            bytes: message.as_bytes().to_vec(),
            text: c_string(message.to_text()),
            base64url: c_string(message.to_base64url()),
        }
    }
}

impl nodelock_decision {
    fn new<'a>(
        outcome: u32,
        seats: impl IntoIterator<Item = &'a Seat>,
        message: Option<Message>,
    ) -> Result<Self> {
        let seats =
            seats.into_iter().map(|seat| Ok(c_string(records::json(seat)?))).collect::<Result<_>>()?;
        Ok(Self { outcome, seats, message })
    }

    pub(super) fn licensed<'a>(
        outcome: u32,
        seats: impl IntoIterator<Item = &'a Seat>,
        license: &License,
    ) -> Result<Self> {
        Self::new(outcome, seats, Some(license.into()))
    }

    pub(super) fn released(
        seat: Option<&Seat>,
        outcome: Outcome,
        receipt: &DeactivationReceipt,
    ) -> Result<Self> {
        let outcome = match outcome {
            Outcome::Returned => NODELOCK_DECISION_RETURNED,
            Outcome::Held => NODELOCK_DECISION_HELD,
        };
        Self::new(outcome, seat, Some(receipt.into()))
    }

    pub(super) fn revoked(seat: Option<&Seat>, revocation: &Revocation) -> Result<Self> {
        Self::new(NODELOCK_DECISION_REVOKED, seat, Some(revocation.into()))
    }

    /// Back in the pool, with nobody to tell.
    pub(super) fn returned(seat: &Seat) -> Result<Self> {
        Self::new(NODELOCK_DECISION_RETURNED, [seat], None)
    }

    pub(super) fn wrong_code(seat: &Seat) -> Result<Self> {
        Self::new(NODELOCK_DECISION_WRONG_CODE, [seat], None)
    }
}

/// What it came to: one of NODELOCK_DECISION_*. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_outcome(decision: *const nodelock_decision) -> u32 {
    // SAFETY: NULL or a decision that lives.
    unsafe { look(decision, 0, |decision| decision.outcome) }
}

/// How many seats are to be stored: none when nothing changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_seat_count(decision: *const nodelock_decision) -> usize {
    // SAFETY: NULL or a decision that lives.
    unsafe { look(decision, 0, |decision| decision.seats.len()) }
}

/// A seat that is to be stored, as JSON, in place of the one with the same `seat` and `device_key` if there is one. A database needs
/// to find seats by `seat`, `device_key`, `license` and `state` (`active`, `held`, `returned`, `cancelled`, `revoked`), and to
/// count those of a license that are `active` or `held` and those that are `counted`; the rest is the library's. Lent until the
/// decision is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_seat(
    decision: *const nodelock_decision,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or a decision that lives.
    unsafe {
        look(decision, ptr::null(), |decision| {
            decision.seats.get(index).map_or(ptr::null(), |seat| seat.as_ptr())
        })
    }
}

/// The message for the device as a text file. An answer to an activation file is the text of the license, followed by those of the
/// receipts for what came along. Lent until the decision is freed. NULL without a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_text(decision: *const nodelock_decision) -> *const c_char {
    // SAFETY: NULL or a decision that lives.
    unsafe {
        look(decision, ptr::null(), |decision| {
            decision.message.as_ref().map_or(ptr::null(), |message| message.text.as_ptr())
        })
    }
}

/// The message as one line of base64url, as the members of online answers hold it. Lent until the decision is freed. NULL without a
/// message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_base64url(decision: *const nodelock_decision) -> *const c_char {
    // SAFETY: NULL or a decision that lives.
    unsafe {
        look(decision, ptr::null(), |decision| {
            decision.message.as_ref().map_or(ptr::null(), |message| message.base64url.as_ptr())
        })
    }
}

/// The message as bytes, and how many they are if `size` is not NULL. Lent until the decision is freed. NULL without a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_data(
    decision: *const nodelock_decision,
    size: *mut usize,
) -> *const u8 {
    // SAFETY: NULL or a decision that lives; NULL or a place for the size.
    unsafe {
        let with_message = look(decision, ptr::null(), |decision| {
            decision.message.as_ref().map_or(ptr::null(), ptr::from_ref)
        });
        lend_bytes(with_message, size, |message: &Message| &message.bytes)
    }
}

/// Frees a decision. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_free(decision: *mut nodelock_decision) {
    // SAFETY: NULL or a decision that nobody uses any more.
    unsafe { free(decision) }
}
