//! The device key's file, and the tombstones that are keyed by it.

use ring::hmac;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::Client;
use crate::{
    Error, ErrorKind, PublicKey, Result, SigningKey,
    code::Handle,
    keys::{first, sha256_of_secret},
    record::Record,
    store::Writer,
};

/// `NLDK`, the format's version, three zero bytes.
const MAGIC: [u8; 8] = *b"NLDK\x01\0\0\0";
const KEY: std::ops::Range<usize> = 8..72;
const LENGTH: usize = 104;

/// A device key file that is whole: magic (8), seed (32), public key (32), SHA-256 of all that (32).
pub(super) struct DeviceKey<'a>(&'a [u8]);

impl<'a> DeviceKey<'a> {
    pub(super) fn file(key: &SigningKey) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH));
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&*key.to_bytes());
        let digest = sha256_of_secret(&bytes);
        bytes.extend_from_slice(&digest);
        bytes
    }

    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let corrupt = || Error::new(ErrorKind::Corrupt, "");
        let (content, trailer) = bytes.split_at_checked(KEY.end).ok_or_else(corrupt)?;
        if !bool::from(sha256_of_secret(content).ct_eq(trailer)) {
            return Err(corrupt());
        }
        match content.strip_prefix(&MAGIC) {
            Some(key) => Ok(Self(key)),
            None if content.starts_with(&MAGIC[..4]) => Err(Error::new(ErrorKind::UnsupportedVersion, "")),
            None => Err(corrupt()),
        }
    }

    /// The public half, without the cost of deriving it from the seed.
    pub(super) fn public_key(&self) -> Result<PublicKey> {
        PublicKey::from_bytes(first(&self.0[32..]))
    }

    pub(super) fn signing_key(&self) -> Result<SigningKey> {
        SigningKey::from_bytes(self.0).map_err(|_| Error::new(ErrorKind::Corrupt, ""))
    }
}

/// A tombstone's file name and content (docs/PROTOCOL.md, Store). Both are hashes of product and handle, keyed by the
/// device, so they reveal nothing and fit no other device's activation.
fn tombstone(product: &str, device_key: &PublicKey, handle: Handle) -> ([u8; 16], [u8; 32]) {
    let key = hmac::Key::new(hmac::HMAC_SHA256, device_key.as_bytes());
    let keyed = |purpose: &[u8]| {
        let mut context = hmac::Context::with_key(&key);
        context.update(purpose);
        context.update(&handle.get().to_le_bytes());
        context.update(product.as_bytes());
        context.sign()
    };
    (
        first(keyed(b"nodelock tombstone name v1\0").as_ref()),
        first(keyed(b"nodelock tombstone v1\0").as_ref()),
    )
}

impl Client {
    /// Whether a tombstone says that this device gave that very seat up, as far as a check looks.
    pub(super) fn has_tombstone(&self, device_key: &PublicKey, handle: Handle) -> bool {
        let (name, content) = tombstone(&self.product, device_key, handle);
        self.store.tombstone_exists(&name, &content)
    }

    /// The same, in all places that tombstones are left in.
    pub(super) fn has_any_tombstone(
        &self,
        device_key: &PublicKey,
        handle: Handle,
        writer: &Writer<'_>,
    ) -> bool {
        let (name, content) = tombstone(&self.product, device_key, handle);
        writer.tombstone_exists(&name, &content)
    }

    /// Leaves a tombstone for every seat that the record says has ended, and where a check looks for it the one of a
    /// seat that is held but has one elsewhere: this store was copied back. They are a second line: failing to write
    /// one is not a failure of the deactivation, which is durable already.
    pub(super) fn write_tombstones(&self, record: &Record, writer: &mut Writer<'_>) -> Result<()> {
        let outstanding = record.outstanding.iter().map(|o| o.activation.handle);
        let ended = record.ended.iter().map(|e| e.handle);
        let mut handles = outstanding.chain(ended).chain(record.handles()).peekable();
        if handles.peek().is_none() {
            return Ok(());
        }
        let Ok(Some(file)) = self.store.device_key() else { return Ok(()) };
        let Ok(key) = DeviceKey::parse(&file).and_then(|key| key.public_key()) else { return Ok(()) };
        let mut result = Ok(());
        for handle in handles {
            let (name, content) = tombstone(&self.product, &key, handle);
            let is_held = record.handles().any(|held| held == handle);
            if !is_held || writer.tombstone_exists(&name, &content) {
                result = result.and(writer.write_tombstone(&name, &content));
            }
        }
        result
    }
}
