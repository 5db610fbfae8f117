//! What went wrong, in words.

use std::{
    ffi::{CString, c_char},
    ptr,
};

use super::{
    boundary::{c_string, free, look},
    proof::nodelock_proof,
    status::{self, nodelock_status},
};
use crate::{Already, DeactivateError, Deactivation, Error, ListedSeat, SeatList, Timestamp};

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
    advice: Option<&'static str>,
    given_up: Option<Box<Deactivation>>,
    already: Option<Already>,
    seats: Option<SeatList>,
    trial_ended: Option<Timestamp>,
}

impl CallError {
    /// A panic, whose own words went to the panic hook.
    pub(super) fn internal() -> Self {
        let message = "a fault of the library".to_owned();
        Self {
            status: nodelock_status::NODELOCK_INTERNAL,
            message,
            advice: None,
            given_up: None,
            already: None,
            seats: None,
            trial_ended: None,
        }
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
        let message = format!("{error:#}");
        let (advice, already, seats) = (error.advice(), error.already(), error.seats().cloned());
        let (status, trial_ended) = (error.kind().into(), error.trial_ended());
        Self { status, message, advice, given_up: None, already, seats, trial_ended }
    }
}

impl From<DeactivateError> for CallError {
    fn from(error: DeactivateError) -> Self {
        let message = format!("{error:#}");
        let given_up = error.deactivation().cloned().map(Box::new);
        Self { message, given_up, ..error.into_error().into() }
    }
}

/// What went wrong. Belongs to the caller; may be read from any thread.
pub struct nodelock_error {
    status: nodelock_status,
    message: CString,
    advice: CString,
    proof: Option<nodelock_proof>,
    already: u32,
    next_lapse: u64,
    trial_ended: u64,
    seats: Vec<OneSeat>,
}

struct OneSeat {
    handle: CString,
    label: CString,
    last_contact: u64,
    lapses: u64,
    replaceable: bool,
}

impl From<&ListedSeat> for OneSeat {
    fn from(seat: &ListedSeat) -> Self {
        Self {
            handle: c_string(seat.handle.to_string()),
            label: c_string(&*seat.label),
            last_contact: seat.last_contact.unix_seconds(),
            lapses: seat.lapses.unwrap_or(Timestamp::MIN).unix_seconds(),
            replaceable: seat.replaceable,
        }
    }
}

impl From<CallError> for nodelock_error {
    fn from(failure: CallError) -> Self {
        Self {
            status: failure.status,
            message: c_string(failure.message),
            advice: c_string(failure.advice.unwrap_or_default()),
            already: match failure.already {
                None => NODELOCK_ALREADY_NOTHING,
                Some(Already::Pending) => NODELOCK_ALREADY_PENDING,
                Some(Already::Valid) => NODELOCK_ALREADY_VALID,
                Some(Already::Ended) => NODELOCK_ALREADY_ENDED,
            },
            next_lapse: failure
                .seats
                .as_ref()
                .and_then(|seats| seats.next_lapse)
                .unwrap_or(Timestamp::MIN)
                .unix_seconds(),
            trial_ended: failure.trial_ended.unwrap_or(Timestamp::MIN).unix_seconds(),
            seats: failure.seats.iter().flat_map(|seats| &seats.seats).map(OneSeat::from).collect(),
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

/// In English, for logs and support. Holds no key, no code and no hardware identifier. Lent until the error is freed.
/// NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_message(error: *const nodelock_error) -> *const c_char {
    // SAFETY: NULL or an error that lives.
    unsafe { look(error, ptr::null(), |error| error.message.as_ptr()) }
}

/// What a person can do about it, in English and in words that fit every application. Empty where there is nothing to
/// do, or where the message says it. Lent until the error is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_advice(error: *const nodelock_error) -> *const c_char {
    // SAFETY: NULL or an error that lives.
    unsafe { look(error, ptr::null(), |error| error.advice.as_ptr()) }
}

/// What was in the way of a new activation, for NODELOCK_ALREADY_ACTIVE: one of NODELOCK_ALREADY_*.
/// NODELOCK_ALREADY_NOTHING for any other status and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_already(error: *const nodelock_error) -> u32 {
    // SAFETY: NULL or an error that lives.
    unsafe { look(error, NODELOCK_ALREADY_NOTHING, |error| error.already) }
}

/// What nodelock_client_deactivate() gave up before it failed: the license is gone from this machine, and the seat is
/// free as soon as the authority hears of this proof or its code. NULL if nothing was given up. Lent until the error is
/// freed; nodelock_client_outstanding() has it too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_proof(error: *const nodelock_error) -> *const nodelock_proof {
    // SAFETY: NULL or an error that lives.
    unsafe { look(error, ptr::null(), |error| error.proof.as_ref().map_or(ptr::null(), ptr::from_ref)) }
}

/// With NODELOCK_NO_FREE_SEAT: when the next seat lapses, so that it is worth asking again, in seconds since 1970. 0 if
/// the authority did not say, if no seat ever does, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_next_lapse(error: *const nodelock_error) -> u64 {
    // SAFETY: NULL or an error that lives.
    unsafe { look(error, 0, |error| error.next_lapse) }
}

/// With NODELOCK_TRIAL_USED: when the trial of this machine ended, in seconds since 1970. 0 if the authority did not
/// say, for every other error and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_trial_ended(error: *const nodelock_error) -> u64 {
    // SAFETY: NULL or an error that lives.
    unsafe { look(error, 0, |error| error.trial_ended) }
}

/// With NODELOCK_NO_FREE_SEAT: how many seats the authority told of, those that lapse first. 0 for every other error
/// and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_seat_count(error: *const nodelock_error) -> usize {
    // SAFETY: NULL or an error that lives.
    unsafe { look(error, 0, |error| error.seats.len()) }
}

unsafe fn seat<R: Copy>(
    error: *const nodelock_error,
    index: usize,
    otherwise: R,
    part: impl FnOnce(&OneSeat) -> R,
) -> R {
    // SAFETY: NULL or an error that lives.
    unsafe { look(error, otherwise, |error| error.seats.get(index).map_or(otherwise, part)) }
}

/// The name of a seat that the authority told of, such as `7KX2M9`, by its place from 0 on. Lent until the error is
/// freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_seat_handle(
    error: *const nodelock_error,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or an error that lives.
    unsafe { seat(error, index, ptr::null(), |seat| seat.handle.as_ptr()) }
}

/// What the device of a seat is called, by its place from 0 on; empty where the vendor does not say. Lent until the
/// error is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_seat_label(
    error: *const nodelock_error,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or an error that lives.
    unsafe { seat(error, index, ptr::null(), |seat| seat.label.as_ptr()) }
}

/// The day on which the device of a seat was last heard of, by its place from 0 on: its first second, since 1970. 0
/// beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_seat_last_contact(error: *const nodelock_error, index: usize) -> u64 {
    // SAFETY: NULL or an error that lives.
    unsafe { seat(error, index, 0, |seat| seat.last_contact) }
}

/// When a seat lapses and another device can have it, by its place from 0 on, in seconds since 1970. 0 for never and
/// beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_seat_lapses(error: *const nodelock_error, index: usize) -> u64 {
    // SAFETY: NULL or an error that lives.
    unsafe { seat(error, index, 0, |seat| seat.lapses) }
}

/// Whether another device may take the place of a seat now (nodelock_details_replace()), by its place from 0 on. False
/// beyond the last, and where the authority does not say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_seat_is_replaceable(
    error: *const nodelock_error,
    index: usize,
) -> bool {
    // SAFETY: NULL or an error that lives.
    unsafe { seat(error, index, false, |seat| seat.replaceable) }
}

/// Frees an error. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_error_free(error: *mut nodelock_error) {
    // SAFETY: NULL or an error that nobody uses any more.
    unsafe { free(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// That a kind has a number of its own, `status` tests.
    #[test]
    fn a_message_in_c_is_the_one_of_rust_with_its_causes() {
        for kind in ErrorKind::ALL {
            for error in [Error::new(*kind, "it has 3 of 4"), Error::about(*kind, "the store")] {
                let error = error.with_source(Error::new(ErrorKind::Io, "the disk").with_source("is full"));
                let (said, status) = (format!("{error:#}"), nodelock_status::from(*kind));
                let advice = error.advice().unwrap_or_default();
                let in_c = nodelock_error::from(CallError::from(error));
                assert_eq!((in_c.message.to_str().unwrap(), in_c.status), (said.as_str(), status));
                assert_eq!(in_c.advice.to_str().unwrap(), advice);
                assert!(said.ends_with(" (the disk: is full)"), "{said}");
            }
        }
    }
}
