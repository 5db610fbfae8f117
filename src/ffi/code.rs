//! Codes that people type: license keys and deactivation codes.

use std::{
    ffi::{CStr, CString, c_char},
    ptr,
};

use super::{
    boundary::{Out, SecretText, c_string, fallible, free, look, put, text, written},
    error::nodelock_error,
    status::nodelock_status,
};
use crate::code::{Correction, DeactivationCode, LicenseKey, Reading, Typing, check_typing};

/// How far somebody is with typing a code. Belongs to the caller; may be read from any number of threads.
pub struct nodelock_typing(Typing);

/// Looks at a text field while somebody types a license key or a deactivation code into it.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_check_typing(
    typed: *const c_char,
    typing: *mut *mut nodelock_typing,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let typing = Out::new(typing)?;
            typing.set(nodelock_typing(check_typing(text(typed, "typed")?)));
            Ok(())
        })
    }
}

/// The symbols so far, unreadable ones included; 25 make a code.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_typing_symbols(typing: *const nodelock_typing) -> usize {
    // SAFETY: NULL or a typing that lives.
    unsafe { look(typing, 0, |typing| typing.0.symbols) }
}

/// Whether this is a code, of any kind, without any typing error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_typing_is_complete(typing: *const nodelock_typing) -> bool {
    // SAFETY: NULL or a typing that lives.
    unsafe { look(typing, false, |typing| typing.0.complete) }
}

/// How many characters cannot be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_typing_unreadable_count(typing: *const nodelock_typing) -> usize {
    // SAFETY: NULL or a typing that lives.
    unsafe { look(typing, 0, |typing| typing.0.unreadable.len()) }
}

/// Where an unreadable character is among the characters of the text, from 0 on: Unicode scalar values, not bytes.
/// False, and nothing is stored, beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_typing_unreadable(
    typing: *const nodelock_typing,
    index: usize,
    place: *mut usize,
) -> bool {
    // SAFETY: NULL or a typing that lives; NULL or a place for the place.
    unsafe { put(look(typing, None, |typing| typing.0.unreadable.get(index).copied()), place) }
}

/// Frees a typing. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_typing_free(typing: *mut nodelock_typing) {
    // SAFETY: NULL or a typing that nobody uses any more.
    unsafe { free(typing) }
}

/// Every code that what somebody typed may stand for, fewest corrections first; never none. Mostly there is one.
/// Belongs to the caller; may be read from any number of threads.
pub struct nodelock_readings {
    readings: Vec<OneReading>,
}

struct OneReading {
    text: SecretText,
    seat: Option<CString>,
    corrections: Vec<CString>,
}

impl OneReading {
    fn new(text: String, seat: Option<String>, corrections: &[Correction]) -> Self {
        let corrections = corrections.iter().map(|correction| c_string(correction.to_string())).collect();
        Self { text: SecretText::new(text), seat: seat.map(c_string), corrections }
    }
}

impl From<Vec<Reading<LicenseKey>>> for nodelock_readings {
    fn from(readings: Vec<Reading<LicenseKey>>) -> Self {
        let one = |reading: Reading<LicenseKey>| {
            OneReading::new(written(&reading.code), None, &reading.corrections)
        };
        Self { readings: readings.into_iter().map(one).collect() }
    }
}

impl From<Vec<Reading<DeactivationCode>>> for nodelock_readings {
    fn from(readings: Vec<Reading<DeactivationCode>>) -> Self {
        let one = |reading: &Reading<DeactivationCode>| {
            let seat = reading.code.handle().to_string();
            OneReading::new(written(&reading.code), Some(seat), &reading.corrections)
        };
        Self { readings: readings.iter().map(one).collect() }
    }
}

/// Reads a license key as somebody typed it, with its typing errors mended. nodelock_client_begin() and
/// nodelock_client_activate() do so by themselves; this is for showing what was mended.
///
/// NODELOCK_TOO_LARGE: over 256 bytes. NODELOCK_WRONG_TYPE: a deactivation code. NODELOCK_UNSUPPORTED_VERSION: a code
/// of a kind that this version does not know. NODELOCK_SEVERAL_MESSAGES: several license keys.
/// NODELOCK_UNREADABLE_CODE: everything else.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_license_key_read(
    typed: *const c_char,
    readings: *mut *mut nodelock_readings,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let readings = Out::<nodelock_readings>::new(readings)?;
            readings.set(LicenseKey::read(text(typed, "typed")?)?);
            Ok(())
        })
    }
}

/// Reads a deactivation code as somebody typed it, with its typing errors mended.
///
/// Fails as nodelock_license_key_read() does; NODELOCK_WRONG_TYPE is for a license key.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_deactivation_code_read(
    typed: *const c_char,
    readings: *mut *mut nodelock_readings,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let readings = Out::<nodelock_readings>::new(readings)?;
            readings.set(DeactivationCode::read(text(typed, "typed")?)?);
            Ok(())
        })
    }
}

/// How many codes it may be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_readings_count(readings: *const nodelock_readings) -> usize {
    // SAFETY: NULL or readings that live.
    unsafe { look(readings, 0, |readings| readings.readings.len()) }
}

unsafe fn nth(
    readings: *const nodelock_readings,
    index: usize,
    part: impl FnOnce(&OneReading) -> Option<*const c_char>,
) -> *const c_char {
    // SAFETY: NULL or readings that live.
    unsafe {
        look(readings, ptr::null(), |readings| {
            readings.readings.get(index).and_then(part).unwrap_or(ptr::null())
        })
    }
}

/// A code as it should have been typed, by its place from 0 on. Lent until the readings are freed. NULL beyond the
/// last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_readings_code(
    readings: *const nodelock_readings,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or readings that live.
    unsafe { nth(readings, index, |reading| Some(reading.text.as_ptr())) }
}

/// The seat that a deactivation code gives up, such as `7KX2M9`, by the place of the code. Lent until the readings are
/// freed. NULL beyond the last, and for a license key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_readings_seat(
    readings: *const nodelock_readings,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or readings that live.
    unsafe { nth(readings, index, |reading| reading.seat.as_deref().map(CStr::as_ptr)) }
}

/// How many typing errors were mended to get to a code.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_readings_correction_count(
    readings: *const nodelock_readings,
    index: usize,
) -> usize {
    // SAFETY: NULL or readings that live.
    unsafe {
        look(readings, 0, |readings| readings.readings.get(index).map_or(0, |one| one.corrections.len()))
    }
}

/// A typing error and how it was mended, in English: `group 2, place 3: 8 was typed, B is meant`. Lent until the
/// readings are freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_readings_correction(
    readings: *const nodelock_readings,
    index: usize,
    correction: usize,
) -> *const c_char {
    // SAFETY: NULL or readings that live.
    unsafe { nth(readings, index, |reading| reading.corrections.get(correction).map(|text| text.as_ptr())) }
}

/// Frees readings. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_readings_free(readings: *mut nodelock_readings) {
    // SAFETY: NULL or readings that nobody uses any more.
    unsafe { free(readings) }
}
