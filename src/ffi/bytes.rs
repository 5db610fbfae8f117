//! Bytes that the caller owns.

use std::{ffi::c_char, ptr};

use zeroize::Zeroizing;

use super::boundary::{free, lend_bytes, look};

/// Bytes or text that a call returned. Belongs to the caller; may be read from any thread. Wiped when freed.
pub struct nodelock_bytes(Zeroizing<Vec<u8>>);

impl From<String> for nodelock_bytes {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<Vec<u8>> for nodelock_bytes {
    fn from(bytes: Vec<u8>) -> Self {
        // With room for the NUL, so that nothing is left behind by moving.
        let bytes = Zeroizing::new(bytes);
        let mut own = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
        own.extend_from_slice(&bytes);
        own.push(0);
        Self(own)
    }
}

/// The bytes, and how many they are if `size` is not NULL. A NUL follows that is not counted, so text can be used as it
/// is. Lent until they are freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_bytes_data(bytes: *const nodelock_bytes, size: *mut usize) -> *const u8 {
    // SAFETY: NULL or bytes that live; NULL or a place for the size.
    unsafe { lend_bytes(bytes, size, |bytes| &bytes.0[..bytes.0.len() - 1]) }
}

/// The same as text, for what is text. Lent until it is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_bytes_text(bytes: *const nodelock_bytes) -> *const c_char {
    // SAFETY: NULL or bytes that live.
    unsafe { look(bytes, ptr::null(), |bytes| bytes.0.as_ptr().cast()) }
}

/// Frees bytes. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_bytes_free(bytes: *mut nodelock_bytes) {
    // SAFETY: NULL or bytes that nobody uses any more.
    unsafe { free(bytes) }
}
