//! What is sent: the signed messages of a decision.

use std::{
    ffi::{CString, c_char},
    ptr,
};

use super::{decision::nodelock_decision, issuer::nodelock_issuer};
use crate::{
    Signed, Timestamp,
    authority::Reply,
    ffi::{
        boundary::{Out, c_string, fallible, free, lend_bytes, look, object},
        error::nodelock_error,
        status::nodelock_status,
    },
    message::Body,
};

/// The signed messages that answer a device. Belongs to the caller; may be read from any number of threads.
pub struct nodelock_reply {
    data: Vec<u8>,
    text: CString,
    license: Option<CString>,
    receipts: Vec<CString>,
    revocation: Option<CString>,
}

impl From<Reply> for nodelock_reply {
    fn from(reply: Reply) -> Self {
        fn line<T: Body>(message: &Signed<T>) -> CString {
            c_string(message.to_base64url())
        }
        Self {
            data: reply.to_bytes(),
            text: c_string(reply.to_text()),
            license: reply.license.as_ref().map(line),
            receipts: reply.receipts.iter().map(line).collect(),
            revocation: reply.revocation.as_ref().map(line),
        }
    }
}

/// Signs what a decision sends. The same decision may be signed again: by another issuer, or after this one failed. A
/// decision that sends nothing has a reply without messages.
///
/// NODELOCK_CERTIFICATE_EXPIRED: the issuer must not sign at `now`; sign with another. Without another:
///
/// - NODELOCK_DECISION_RETURNED and NODELOCK_DECISION_HELD are stored all the same, because the device has lost its
///   license already. Answer 202 over HTTP, without a receipt. The device keeps its proof and gets the receipt when it
///   hands that in again.
/// - Everything else is not stored. Of an activation, free what came along: nodelock_activation_release().
///
/// NODELOCK_INVALID_INPUT: the decision is NODELOCK_DECISION_NEEDS, so there is none yet, or the terms of the license
/// are out of bounds. NODELOCK_LEASE_TOO_LONG: the license would end later than the issuer's certificate allows.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_decision_reply(
    decision: *const nodelock_decision,
    issuer: *const nodelock_issuer,
    now: u64,
    reply: *mut *mut nodelock_reply,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or objects that live; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let reply = Out::<nodelock_reply>::new(reply)?;
            let decision = object(decision, "decision")?.decided()?;
            let issuer = &object(issuer, "issuer")?.issuer;
            reply.set(issuer.reply(decision, Timestamp::from_unix_seconds(now))?);
            Ok(())
        })
    }
}

/// All messages as one text file, the license first. Lent until the reply is freed. NULL without a message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_reply_text(reply: *const nodelock_reply) -> *const c_char {
    // SAFETY: NULL or a reply that lives.
    unsafe {
        look(
            reply,
            ptr::null(),
            |reply| {
                if reply.data.is_empty() { ptr::null() } else { reply.text.as_ptr() }
            },
        )
    }
}

/// All messages as one binary file, and its size if `size` is not NULL. Lent until the reply is freed. NULL without a
/// message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_reply_data(reply: *const nodelock_reply, size: *mut usize) -> *const u8 {
    // SAFETY: NULL or a reply that lives; NULL or a place for the size.
    unsafe { lend_bytes(reply, size, |reply| &reply.data) }
}

/// The license as one line of base64url, as online answers hold it. Lent until the reply is freed. NULL without one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_reply_license(reply: *const nodelock_reply) -> *const c_char {
    // SAFETY: NULL or a reply that lives.
    unsafe { look(reply, ptr::null(), |reply| line(reply.license.as_ref())) }
}

fn line(line: Option<&CString>) -> *const c_char {
    line.map_or(ptr::null(), |line| line.as_ptr())
}

/// How many receipts there are: one for each seat that was given up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_reply_receipt_count(reply: *const nodelock_reply) -> usize {
    // SAFETY: NULL or a reply that lives.
    unsafe { look(reply, 0, |reply| reply.receipts.len()) }
}

/// A receipt as one line of base64url, by its place from 0 on. Lent until the reply is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_reply_receipt(reply: *const nodelock_reply, index: usize) -> *const c_char {
    // SAFETY: NULL or a reply that lives.
    unsafe { look(reply, ptr::null(), |reply| line(reply.receipts.get(index))) }
}

/// The revocation as one line of base64url. Lent until the reply is freed. NULL without one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_reply_revocation(reply: *const nodelock_reply) -> *const c_char {
    // SAFETY: NULL or a reply that lives.
    unsafe { look(reply, ptr::null(), |reply| line(reply.revocation.as_ref())) }
}

/// Frees a reply. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_reply_free(reply: *mut nodelock_reply) {
    // SAFETY: NULL or a reply that nobody uses any more.
    unsafe { free(reply) }
}
