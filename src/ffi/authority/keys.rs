//! Keys, and what is drawn at random.

use std::{ffi::c_char, ptr};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::terms::read;
use crate::{
    Error, ErrorKind, LicenseId, SigningKey, SystemRandom, Timestamp,
    authority::{CertificateTerms, LicenseKeyName},
    code::LicenseKey,
    ffi::{
        boundary::{Lent, Out, Result, fallible, free, lend_bytes, look, object, slice, text, written},
        bytes::nodelock_bytes,
        error::nodelock_error,
        status::nodelock_status,
    },
    message::hex,
};

/// A private key: a root's, which certifies issuers, or an issuer's, which signs licenses. Belongs to the caller; may
/// be used from any number of threads. Wiped when freed.
pub struct nodelock_key {
    pub(super) key: SigningKey,
    // On the heap, because what is moved leaves a copy behind.
    bytes: Zeroizing<Vec<u8>>,
    public: Lent,
}

impl From<SigningKey> for nodelock_key {
    fn from(key: SigningKey) -> Self {
        Self { bytes: Zeroizing::new(key.to_bytes().to_vec()), key, public: Lent::default() }
    }
}

/// Makes a new private key.
///
/// NODELOCK_NO_RANDOM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_key_generate(
    key: *mut *mut nodelock_key,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            Out::<nodelock_key>::new(key)?.set(SigningKey::generate(&SystemRandom)?);
            Ok(())
        })
    }
}

/// Reads a private key from its 64 bytes.
///
/// NODELOCK_MALFORMED, NODELOCK_WEAK_KEY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_key_read(
    data: *const u8,
    size: usize,
    key: *mut *mut nodelock_key,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: as many bytes as said; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let key = Out::<nodelock_key>::new(key)?;
            key.set(SigningKey::from_bytes(slice(data, size, "data")?)?);
            Ok(())
        })
    }
}

/// The 64 bytes to keep, and their number if `size` is not NULL. A secret: keep them where only the server can read
/// them, a root's offline. Lent until the key is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_key_data(key: *const nodelock_key, size: *mut usize) -> *const u8 {
    // SAFETY: NULL or a key that lives; NULL or a place for the size.
    unsafe { lend_bytes(key, size, |key| &key.bytes) }
}

/// The public half: 43 characters of base64url. A root's is what applications embed. Lent until the key is freed. NULL
/// for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_key_public(key: *const nodelock_key) -> *const c_char {
    // SAFETY: NULL or a key that lives.
    unsafe { look(key, ptr::null(), |key| key.public.get(|| key.key.public_key().to_string())) }
}

/// Frees a key and wipes it. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_key_free(key: *mut nodelock_key) {
    // SAFETY: NULL or a key that nobody uses any more.
    unsafe { free(key) }
}

/// [`CertificateTerms`] as a host writes them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CertificateRecord {
    issuer: String,
    name: String,
    serial: u64,
    not_before: Timestamp,
    not_after: Timestamp,
    longest_lease_days: u32,
    endless: bool,
}

/// Makes the certificate with which an issuer key may sign, as a text file. `terms` is JSON, and each member must be
/// there:
///
/// ```json
/// {
///   "issuer": "nodelock_key_public() of the issuer", "name": "Example Ltd", "serial": 1,
///   "not_before": 1800000000, "not_after": 1831536000,
///   "longest_lease_days": 400, "endless": true
/// }
/// ```
///
/// `name` is for people, `serial` the vendor's number for the certificate. Licenses issued before its end stay valid.
/// `longest_lease_days` is how many days after its signature a license may end, `endless` whether the issuer may sign
/// others too. After the vendor's database was restored to an earlier copy, no seat lapses for that long.
///
/// NODELOCK_INVALID_INPUT, NODELOCK_TOO_LARGE; NODELOCK_MALFORMED, NODELOCK_WEAK_KEY: not a public key.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_certificate_issue(
    root: *const nodelock_key,
    terms: *const c_char,
    certificate: *mut *mut nodelock_bytes,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a key that lives; NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let certificate = Out::<nodelock_bytes>::new(certificate)?;
            let root = object(root, "root")?;
            let record: CertificateRecord = read(text(terms, "terms")?, "terms")?;
            let terms = CertificateTerms {
                issuer: record.issuer.parse()?,
                name: record.name,
                serial: record.serial,
                not_before: record.not_before,
                not_after: record.not_after,
                longest_lease_days: record.longest_lease_days,
                endless: record.endless,
            };
            certificate.set(terms.sign(&root.key)?.to_text());
            Ok(())
        })
    }
}

/// A new license key to sell, as text: `2…`, 25 symbols in five groups. It is as good as the license: keep
/// nodelock_license_key_hash() of it.
///
/// NODELOCK_NO_RANDOM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_license_key_generate(
    license_key: *mut *mut nodelock_bytes,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let license_key = Out::<nodelock_bytes>::new(license_key)?;
            license_key.set(written(&LicenseKey::generate(&SystemRandom)?));
            Ok(())
        })
    }
}

unsafe fn license_key_name(license_key: *const c_char) -> Result<LicenseKeyName> {
    // SAFETY: NULL or text.
    let name = LicenseKeyName::new(unsafe { text(license_key, "license_key") }?);
    Ok(name.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "license_key is empty"))?)
}

/// What finds a license without holding its key, as text: 64 hex digits, the same for every way to type the key. Store
/// it when a license is sold; NODELOCK_QUERY_LICENSE_OF_KEY asks for it.
///
/// NODELOCK_INVALID_INPUT: the key is empty.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_license_key_hash(
    license_key: *const c_char,
    hash: *mut *mut nodelock_bytes,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let hash = Out::<nodelock_bytes>::new(hash)?;
            hash.set(hex(&license_key_name(license_key)?.hash().0));
            Ok(())
        })
    }
}

/// The end of a license key, for people who look for one: too little to guess the rest from.
///
/// NODELOCK_INVALID_INPUT: the key is empty.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_license_key_hint(
    license_key: *const c_char,
    hint: *mut *mut nodelock_bytes,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let hint = Out::<nodelock_bytes>::new(hint)?;
            hint.set(license_key_name(license_key)?.hint());
            Ok(())
        })
    }
}

/// A new name for a license, as text: 16 hex digits.
///
/// NODELOCK_NO_RANDOM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_license_id_generate(
    id: *mut *mut nodelock_bytes,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            Out::<nodelock_bytes>::new(id)?.set(LicenseId::generate(&SystemRandom)?.to_string());
            Ok(())
        })
    }
}
