//! Deactivation files.

use std::{
    ffi::{CString, c_char},
    ptr,
};

use crate::{
    authority::ReleaseClaim,
    ffi::{
        boundary::{Out, c_string, fallible, free, look, slice},
        error::nodelock_error,
        status::nodelock_status,
    },
};

/// A proof that a device hands over, read and not verified yet: that takes the seat. Belongs to the caller; may be read
/// from any number of threads.
pub struct nodelock_release {
    pub(super) claim: ReleaseClaim,
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

/// The seat that it claims to give up, such as `7KX2M9`. Nothing is verified. Lent until the release is freed. NULL for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_release_seat(release: *const nodelock_release) -> *const c_char {
    // SAFETY: NULL or a release that lives.
    unsafe { look(release, ptr::null(), |release| release.seat.as_ptr()) }
}

/// Whether the request came along, as it does when it was cancelled before a license came.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_release_has_request(release: *const nodelock_release) -> bool {
    // SAFETY: NULL or a release that lives.
    unsafe { look(release, false, |release| release.claim.request().is_some()) }
}

/// Frees a release. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_release_free(release: *mut nodelock_release) {
    // SAFETY: NULL or a release that nobody uses any more.
    unsafe { free(release) }
}
