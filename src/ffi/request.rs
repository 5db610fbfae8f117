//! What a device asks for, in every form it can be handed over.

use std::{ffi::c_char, ptr, sync::OnceLock};

use zeroize::Zeroizing;

use super::{
    boundary::{Lent, Out, fallible, free, lend_bytes, look, object, text},
    error::nodelock_error,
    qr::nodelock_qr,
    status::nodelock_status,
};
use crate::{CheckIn, PendingRequest, code::Handle};

/// An activation request that waits for its license, with the seats given up that it carries along, or a check-in.
/// Belongs to the caller; may be read from any number of threads. Freeing it does not take it back:
/// nodelock_client_pending() shows an activation request again.
pub struct nodelock_request {
    request: Asked,
    bytes: OnceLock<Zeroizing<Vec<u8>>>,
    seat: Lent,
    armored: Lent,
    base64url: Lent,
    base32: Lent,
}

enum Asked {
    Seat(Box<PendingRequest>),
    Renewal(Box<CheckIn>),
}

impl Asked {
    fn handle(&self) -> Handle {
        match self {
            Self::Seat(request) => request.request().handle,
            Self::Renewal(request) => request.request().handle,
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Seat(request) => request.to_bytes(),
            Self::Renewal(request) => request.to_bytes(),
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Seat(request) => request.to_text(),
            Self::Renewal(request) => request.to_text(),
        }
    }

    fn to_base64url(&self) -> String {
        match self {
            Self::Seat(request) => request.to_base64url(),
            Self::Renewal(request) => request.to_base64url(),
        }
    }

    fn to_base32(&self) -> String {
        match self {
            Self::Seat(request) => request.to_base32(),
            Self::Renewal(request) => request.to_base32(),
        }
    }

    /// The activation request; none for a check-in.
    fn pending(&self) -> Option<&PendingRequest> {
        match self {
            Self::Seat(request) => Some(request),
            Self::Renewal(_) => None,
        }
    }
}

impl From<Asked> for nodelock_request {
    fn from(request: Asked) -> Self {
        Self {
            request,
            bytes: OnceLock::new(),
            seat: Lent::default(),
            armored: Lent::default(),
            base64url: Lent::default(),
            base32: Lent::default(),
        }
    }
}

impl From<PendingRequest> for nodelock_request {
    fn from(request: PendingRequest) -> Self {
        Asked::Seat(request.into()).into()
    }
}

impl From<CheckIn> for nodelock_request {
    fn from(request: CheckIn) -> Self {
        Asked::Renewal(request.into()).into()
    }
}

/// The seat it asks for, or the one that it is to renew, such as `7KX2M9`. Lent until the request is freed. NULL for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_request_seat(request: *const nodelock_request) -> *const c_char {
    // SAFETY: NULL or a request that lives.
    unsafe { look(request, ptr::null(), |request| request.seat.get(|| request.request.handle().to_string())) }
}

/// As a text file with readable headers, for mail and forms. Lent until the request is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_request_text(request: *const nodelock_request) -> *const c_char {
    // SAFETY: NULL or a request that lives.
    unsafe { look(request, ptr::null(), |request| request.armored.get(|| request.request.to_text())) }
}

/// As one line of base64url, for links and fields. Lent until the request is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_request_base64url(request: *const nodelock_request) -> *const c_char {
    // SAFETY: NULL or a request that lives.
    unsafe { look(request, ptr::null(), |request| request.base64url.get(|| request.request.to_base64url())) }
}

/// As one line of base32, which a QR code stores most compactly. Lent until the request is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_request_base32(request: *const nodelock_request) -> *const c_char {
    // SAFETY: NULL or a request that lives.
    unsafe { look(request, ptr::null(), |request| request.base32.get(|| request.request.to_base32())) }
}

/// As bytes, and how many they are if `size` is not NULL. Lent until the request is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_request_data(
    request: *const nodelock_request,
    size: *mut usize,
) -> *const u8 {
    // SAFETY: NULL or a request that lives; NULL or a place for the size.
    unsafe {
        lend_bytes(request, size, |request| {
            request.bytes.get_or_init(|| Zeroizing::new(request.request.to_bytes())).as_slice()
        })
    }
}

/// As a QR code of `link` followed by the request in base32. With a link that ends in a number sign, the phone that
/// scans it lands on the vendor's page, and what it carries reaches no server log. The link may be empty.
///
/// NODELOCK_TOO_LARGE: more than a QR code holds. NODELOCK_UNSUPPORTED: this build has no QR codes.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_request_qr(
    request: *const nodelock_request,
    link: *const c_char,
    qr: *mut *mut nodelock_qr,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a request that lives; NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let qr = Out::new(qr)?;
            let request = object(request, "request")?;
            qr.set(nodelock_qr::encode(text(link, "link")?, &request.request.to_base32())?);
            Ok(())
        })
    }
}

/// How many seats given up it carries along: the authority frees those and answers the request in one step. A check-in
/// carries none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_request_release_count(request: *const nodelock_request) -> usize {
    // SAFETY: NULL or a request that lives.
    unsafe {
        look(request, 0, |request| request.request.pending().map_or(0, |pending| pending.releases().len()))
    }
}

/// Whether it asks for a seat in place of one whose record was lost. See nodelock_client_recover_offline().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_request_is_recovery(request: *const nodelock_request) -> bool {
    // SAFETY: NULL or a request that lives.
    unsafe {
        look(request, false, |request| {
            request.request.pending().is_some_and(|pending| pending.recovery().is_some())
        })
    }
}

/// Frees a request, which does not take it back. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_request_free(request: *mut nodelock_request) {
    // SAFETY: NULL or a request that nobody uses any more.
    unsafe { free(request) }
}
