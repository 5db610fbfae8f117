//! What went wrong, in words.

use std::{
    error::Error as _,
    ffi::{CString, c_char},
    ptr,
};

use super::{
    boundary::{c_string, free, look},
    proof::nodelock_proof,
    status::{self, nodelock_status},
};
use crate::{Already, DeactivateError, Deactivation, Error};

/// Nothing was in the way of a new activation.
pub const NODELOCK_ALREADY_NOTHING: u32 = 0;
/// A request waits for its answer; nodelock_client_pending() shows it.
pub const NODELOCK_ALREADY_PENDING: u32 = 1;
/// A license that has not ended, usable or not.
pub const NODELOCK_ALREADY_VALID: u32 = 2;
/// A license that has expired, or whose lease has ended.
pub const NODELOCK_ALREADY_ENDED: u32 = 3;

/// The error of a call, on its way to the C caller.
pub struct CallError {
    status: nodelock_status,
    message: String,
    given_up: Option<Box<Deactivation>>,
    already: Option<Already>,
}

impl CallError {
    /// A panic, whose own words went to the panic hook.
    pub(super) fn internal() -> Self {
        let message = "a fault of the library".to_owned();
        Self { status: nodelock_status::NODELOCK_INTERNAL, message, given_up: None, already: None }
    }

    pub(super) fn status(&self) -> nodelock_status {
        self.status
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        let message = match error.source() {
            Some(source) => format!("{error} ({source})"),
            None => error.to_string(),
        };
        Self { status: error.kind().into(), message, given_up: None, already: error.already() }
    }
}

impl From<DeactivateError> for CallError {
    fn from(error: DeactivateError) -> Self {
        let message = error.to_string();
        let given_up = error.deactivation().cloned().map(Box::new);
        Self { message, given_up, ..error.into_error().into() }
    }
}

/// What went wrong. Belongs to the caller; may be read from any thread.
pub struct nodelock_error {
    status: nodelock_status,
    message: CString,
    proof: Option<nodelock_proof>,
    already: u32,
}

impl From<CallError> for nodelock_error {
    fn from(failure: CallError) -> Self {
        Self {
            status: failure.status,
            message: c_string(failure.message),
            already: match failure.already {
                None => NODELOCK_ALREADY_NOTHING,
                Some(Already::Pending) => NODELOCK_ALREADY_PENDING,
                Some(Already::Valid) => NODELOCK_ALREADY_VALID,
                Some(Already::Ended) => NODELOCK_ALREADY_ENDED,
            },
            proof: failure.given_up.map(|given_up| nodelock_proof::from(*given_up)),
        }
    }
}

/// The status that the call returned too. NODELOCK_OK for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_status(error: *const nodelock_error) -> nodelock_status {
    // SAFETY: NULL or an error that lives.
    unsafe { look(error, nodelock_status::NODELOCK_OK, |error| error.status) }
}

/// The status's stable name, such as `no-free-seat`; nodelock_status_name() of it. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_kind(error: *const nodelock_error) -> *const c_char {
    // SAFETY: NULL or an error that lives.
    unsafe {
        look(error, ptr::null(), |error| {
            status::name(error.status as u32).map_or(ptr::null(), |name| name.as_ptr())
        })
    }
}

/// In English, for logs and support. Holds no key, no code and no hardware identifier. Lent until the error is freed. NULL for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_message(error: *const nodelock_error) -> *const c_char {
    // SAFETY: NULL or an error that lives.
    unsafe { look(error, ptr::null(), |error| error.message.as_ptr()) }
}

/// What was in the way of a new activation, for NODELOCK_ALREADY_ACTIVE: one of NODELOCK_ALREADY_*. NODELOCK_ALREADY_NOTHING for
/// any other status and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_already(error: *const nodelock_error) -> u32 {
    // SAFETY: NULL or an error that lives.
    unsafe { look(error, NODELOCK_ALREADY_NOTHING, |error| error.already) }
}

/// What nodelock_client_deactivate() gave up before it failed: the license is gone from this machine, and the seat is free as
/// soon as the authority hears of this proof or its code. NULL if nothing was given up. Lent until the error is freed;
/// nodelock_client_outstanding() has it too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_proof(error: *const nodelock_error) -> *const nodelock_proof {
    // SAFETY: NULL or an error that lives.
    unsafe { look(error, ptr::null(), |error| error.proof.as_ref().map_or(ptr::null(), ptr::from_ref)) }
}

/// Frees an error. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_free(error: *mut nodelock_error) {
    // SAFETY: NULL or an error that nobody uses any more.
    unsafe { free(error) }
}
