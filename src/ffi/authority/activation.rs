//! Activation files.

use std::{
    ffi::{CString, c_char},
    ptr,
};

use super::release::nodelock_release;
use crate::{
    Error, ErrorKind,
    authority::ActivationFile,
    ffi::{
        boundary::{Out, SecretText, c_string, fallible, free, look, object, object_mut, slice, text},
        error::nodelock_error,
        status::nodelock_status,
    },
};

/// An activation file that was read: a request, which is verified, with the seats given up that came along, which are
/// not. Belongs to the caller; may be read from any number of threads.
pub struct nodelock_activation {
    pub(super) file: ActivationFile,
    seat: CString,
    device: CString,
    product: CString,
    license_key: SecretText,
    application: CString,
    metadata: Vec<(CString, CString)>,
}

impl From<ActivationFile> for nodelock_activation {
    fn from(file: ActivationFile) -> Self {
        let request = file.request();
        let pair = |(name, value): &(String, String)| (c_string(&**name), c_string(&**value));
        Self {
            seat: c_string(request.handle.to_string()),
            device: c_string(request.device_key.to_string()),
            product: c_string(&*request.product),
            license_key: SecretText::new(&*request.license_key),
            application: c_string(&*request.application),
            metadata: request.metadata.iter().chain(&request.description()).map(pair).collect(),
            file,
        }
    }
}

/// Reads an activation file in any form: bytes, text, base64url, base32 behind a link.
///
/// The codes of a message.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_activation_read(
    data: *const u8,
    size: usize,
    activation: *mut *mut nodelock_activation,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: as many bytes as said; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let activation = Out::<nodelock_activation>::new(activation)?;
            activation.set(ActivationFile::read(slice(data, size, "data")?)?);
            Ok(())
        })
    }
}

/// Has the request take the place of a seat, if no seat is free: the choice of a customer who hands the file in by hand
/// and was told of the seats that there are (nodelock_decision_seats()). `seat` is the seat's name, such as `7KX2M9`. A
/// request that names a seat itself stays with that.
///
/// NODELOCK_MALFORMED, NODELOCK_UNREADABLE_CODE: `seat` is no name.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_activation_replace(
    activation: *mut nodelock_activation,
    seat: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an activation that nobody else uses meanwhile; NULL or text; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let activation = object_mut(activation, "activation")?;
            let seat = text(seat, "seat")?.parse()?;
            activation.file = activation.file.clone().replacing(seat);
            Ok(())
        })
    }
}

/// The seat it asks for, such as `7KX2M9`. Two devices may draw the same name, so a database knows a seat by this and
/// the device key. Lent until the activation is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_seat(activation: *const nodelock_activation) -> *const c_char {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, ptr::null(), |activation| activation.seat.as_ptr()) }
}

/// The device's public key: 43 characters of base64url. Lent until the activation is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_device_key(
    activation: *const nodelock_activation,
) -> *const c_char {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, ptr::null(), |activation| activation.device.as_ptr()) }
}

/// The product. Lent until the activation is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_product(
    activation: *const nodelock_activation,
) -> *const c_char {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, ptr::null(), |activation| activation.product.as_ptr()) }
}

/// The license key as it was typed; may be empty. A secret. Lent until the activation is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_license_key(
    activation: *const nodelock_activation,
) -> *const c_char {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, ptr::null(), |activation| activation.license_key.as_ptr()) }
}

/// The version of the application; may be empty. Lent until the activation is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_application(
    activation: *const nodelock_activation,
) -> *const c_char {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, ptr::null(), |activation| activation.application.as_ptr()) }
}

/// How many entries the application's metadata and the device's description have together.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_metadata_count(activation: *const nodelock_activation) -> usize {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, 0, |activation| activation.metadata.len()) }
}

/// The name of an entry, by its place from 0 on. Lent until the activation is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_metadata_name(
    activation: *const nodelock_activation,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or an activation that lives.
    unsafe {
        look(activation, ptr::null(), |activation| {
            activation.metadata.get(index).map_or(ptr::null(), |(name, _)| name.as_ptr())
        })
    }
}

/// The value of an entry, by its place from 0 on. Lent until the activation is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_metadata_value(
    activation: *const nodelock_activation,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or an activation that lives.
    unsafe {
        look(activation, ptr::null(), |activation| {
            activation.metadata.get(index).map_or(ptr::null(), |(_, value)| value.as_ptr())
        })
    }
}

/// Whether the device says that its store was lost, and asks for a seat in place of what it held. False for a request
/// with a license key, which recovers nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_is_recovery(activation: *const nodelock_activation) -> bool {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, false, |activation| activation.file.is_recovery()) }
}

/// How many seats given up came along.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_release_count(activation: *const nodelock_activation) -> usize {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, 0, |activation| activation.file.releases().len()) }
}

/// A seat given up that came along, by its place from 0 on, for nodelock_decide_release(). nodelock_decide_activation()
/// frees them all; this is for when that is not stored, because the license cannot be signed.
///
/// NODELOCK_INVALID_INPUT: beyond the last.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_activation_release(
    activation: *const nodelock_activation,
    index: usize,
    release: *mut *mut nodelock_release,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an activation that lives; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let release = Out::<nodelock_release>::new(release)?;
            let releases = object(activation, "activation")?.file.releases();
            let claim = releases.get(index);
            let missing =
                || Error::new(ErrorKind::InvalidInput, format!("index is {index}, beyond the last release"));
            release.set(claim.ok_or_else(missing)?.clone());
            Ok(())
        })
    }
}

/// Frees an activation. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_free(activation: *mut nodelock_activation) {
    // SAFETY: NULL or an activation that nobody uses any more.
    unsafe { free(activation) }
}
