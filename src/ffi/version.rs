//! Versions.

use std::ffi::{CStr, c_char};

/// The version of this header, major part.
pub const NODELOCK_VERSION_MAJOR: u32 = 0;
/// The version of this header, minor part.
pub const NODELOCK_VERSION_MINOR: u32 = 1;
/// The version of this header, patch part.
pub const NODELOCK_VERSION_PATCH: u32 = 0;
/// Counts up when a program must be compiled anew. A library that has another one must not be used with this header.
pub const NODELOCK_ABI_VERSION: u32 = 1;

// A header that tells another version than the crate has cannot be built.
const _: () = {
    const fn number(text: &str) -> u32 {
        match u32::from_str_radix(text, 10) {
            Ok(number) => number,
            Err(_) => panic!("a version is a number"),
        }
    }
    assert!(NODELOCK_VERSION_MAJOR == number(env!("CARGO_PKG_VERSION_MAJOR")));
    assert!(NODELOCK_VERSION_MINOR == number(env!("CARGO_PKG_VERSION_MINOR")));
    assert!(NODELOCK_VERSION_PATCH == number(env!("CARGO_PKG_VERSION_PATCH")));
};

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => unreachable!(),
};

/// The version of the library that is loaded, such as `0.1.0`. Lives as long as the library is loaded.
#[unsafe(no_mangle)]
pub extern "C" fn nodelock_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The same as one number: major times 1,000,000, plus minor times 1,000, plus patch.
#[unsafe(no_mangle)]
pub extern "C" fn nodelock_version_number() -> u32 {
    NODELOCK_VERSION_MAJOR * 1_000_000 + NODELOCK_VERSION_MINOR * 1_000 + NODELOCK_VERSION_PATCH
}

/// The ABI version of the library that is loaded: NODELOCK_ABI_VERSION when it was built. A program that loads the
/// library at run time compares the two before it calls anything else.
#[unsafe(no_mangle)]
pub extern "C" fn nodelock_abi_version() -> u32 {
    NODELOCK_ABI_VERSION
}

/// Whether this build of the library has a feature: `online` (its own HTTP), `qr`, `authority`, `description`,
/// `testing`. False for any other name and for NULL. The functions of `testing` are not in a library without it; those
/// of the others return NODELOCK_UNSUPPORTED there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_has_feature(feature: *const c_char) -> bool {
    const FEATURES: &[(&str, bool)] = &[
        ("online", cfg!(feature = "online")),
        ("qr", cfg!(feature = "qr")),
        ("authority", cfg!(feature = "authority")),
        #[cfg(feature = "description")]
        ("description", true),
        #[cfg(feature = "testing")]
        ("testing", true),
    ];
    // SAFETY: NULL or text that ends with a NUL.
    let feature = unsafe { super::boundary::name_text(feature) };
    FEATURES.iter().any(|(name, is_on)| *is_on && feature == Some(*name))
}
