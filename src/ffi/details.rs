//! What a request for a seat says beside its license key.

use std::ffi::c_char;

use super::{
    boundary::{Out, fallible, free, object_mut, text},
    error::nodelock_error,
    status::nodelock_status,
};
use crate::{ActivationRequestOptions, code::Handle};

/// What a request for a seat says beside its license key: what the application tells the vendor, and the seat that may
/// be replaced. Belongs to the caller; one thread at a time. It may be given to any number of calls.
#[derive(Clone, Default)]
pub struct nodelock_details {
    metadata: Vec<(String, String)>,
    seat: Option<Handle>,
}

impl nodelock_details {
    /// With a license key; none is for a license that the vendor assigns by hand.
    pub(super) fn options(&self, license_key: Option<&str>) -> ActivationRequestOptions {
        let options =
            license_key.map_or_else(ActivationRequestOptions::new, ActivationRequestOptions::of_key);
        let options =
            self.metadata.iter().fold(options, |options, (name, value)| options.metadata(name, value));
        match self.seat {
            Some(seat) => options.instead_of(seat),
            None => options,
        }
    }
}

/// Makes details that say nothing.
///
/// Fails as every call does, with NODELOCK_INVALID_INPUT for NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_details_new(
    details: *mut *mut nodelock_details,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            Out::<nodelock_details>::new(details)?.set(nodelock_details::default());
            Ok(())
        })
    }
}

/// Adds something for the vendor to see, such as a name for the machine: `name` is at most 64 bytes on one line,
/// `value` at most 1,024. The call that they are given to refuses longer ones, and more than 64 pairs.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_details_add(
    details: *mut nodelock_details,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or details that nobody else uses meanwhile; NULL or text; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let details = object_mut(details, "details")?;
            let (name, value) = (text(name, "name")?, text(value, "value")?);
            details.metadata.push((name.to_owned(), value.to_owned()));
            Ok(())
        })
    }
}

/// Has a request take the place of a seat, if no seat is free: `seat` is the name of one that a refusal listed
/// (nodelock_error_seat_handle()), such as `7KX2M9`. The license must allow it, and the device of that seat must have
/// been silent for seven days; it is told when it speaks up.
///
/// NODELOCK_MALFORMED, NODELOCK_UNREADABLE_CODE: `seat` is no name.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_details_replace(
    details: *mut nodelock_details,
    seat: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or details that nobody else uses meanwhile; NULL or text; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let details = object_mut(details, "details")?;
            details.seat = Some(text(seat, "seat")?.parse()?);
            Ok(())
        })
    }
}

/// Frees details. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_details_free(details: *mut nodelock_details) {
    // SAFETY: NULL or details that nobody uses any more.
    unsafe { free(details) }
}
