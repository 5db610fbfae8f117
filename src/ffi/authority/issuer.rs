//! Who signs.

use std::{ffi::c_char, sync::Arc};

use crate::{
    Certificate, Error, ErrorKind, Roots, Timestamp,
    authority::Issuer,
    ffi::{
        boundary::{Out, fallible, free, object, optional_text, slice},
        error::nodelock_error,
        status::nodelock_status,
    },
};

use super::keys::nodelock_key;

/// A key that signs what devices believe. Belongs to the caller; may be used from any number of threads.
pub struct nodelock_issuer {
    pub(super) issuer: Issuer,
    /// What the vendor signed is known by these.
    pub(super) roots: Arc<Roots>,
}

/// Makes an issuer of a key and its certificate in any form, which the public key `root` must have signed. Without a
/// certificate, `certificate` NULL and `size` 0, the key is a root that signs itself, and `root` may be NULL: the
/// simplest set-up, with nothing to fall back on when the key is stolen.
///
/// NODELOCK_INVALID_INPUT: the certificate is another key's. The codes of a message.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_issuer_new(
    key: *const nodelock_key,
    certificate: *const u8,
    size: usize,
    root: *const c_char,
    issuer: *mut *mut nodelock_issuer,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a key that lives; as many bytes as said; NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let issuer = Out::new(issuer)?;
            let key = object(key, "key")?.key.clone();
            let certificate = slice(certificate, size, "certificate")?;
            let root = optional_text(root, "root")?;
            let (made, root) = match (certificate, root) {
                ([], _) => (Issuer::root(key.clone()), key.public_key()),
                (_, None) => {
                    let missing = "root: the key that signed the certificate is needed";
                    return Err(Error::new(ErrorKind::InvalidInput, missing).into());
                }
                (certificate, Some(root)) => {
                    let root = root.parse()?;
                    let certificate = Certificate::verify(certificate, &Roots::new([root]))?;
                    (Issuer::certified(key, certificate)?, root)
                }
            };
            issuer.set(nodelock_issuer { issuer: made, roots: Arc::new(Roots::new([root])) });
            Ok(())
        })
    }
}

/// Whether an issuer may sign at `now`, in seconds since 1970: for a server that says whether it is ready. A root
/// always may.
///
/// NODELOCK_CERTIFICATE_EXPIRED: its certificate has ended, or is not valid yet.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_issuer_check(
    issuer: *const nodelock_issuer,
    now: u64,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an issuer that lives; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            object(issuer, "issuer")?.issuer.check(Timestamp::from_unix_seconds(now))?;
            Ok(())
        })
    }
}

/// Frees an issuer and wipes its key. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_issuer_free(issuer: *mut nodelock_issuer) {
    // SAFETY: NULL or an issuer that nobody uses any more.
    unsafe { free(issuer) }
}
