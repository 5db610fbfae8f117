//! Keyed tags: the only thing about a machine that leaves it.

use ring::{hkdf, hmac};

use super::{component::Component, wire::Tag};

const FINGERPRINT_LABEL: &[u8] = b"nodelock fingerprint v1";
const MACHINE_ID_LABEL: &[u8] = b"nodelock machine-id v1";

/// The key under which one vendor's product hashes what it finds on a machine.
///
/// Two fingerprints are comparable when they were made under the same key.
///
/// The computation (docs/FINGERPRINT.md, Tags; docs/FORMAT.md, Fingerprints):
///
/// ```text
/// K    = HKDF-SHA256(salt = UTF-8 of the vendor salt,
///                    ikm  = the 23 ASCII bytes "nodelock fingerprint v1",
///                    info = UTF-8 of the product, length = 32)          (RFC 5869)
/// tag  = HMAC-SHA256(K, component number as one byte
///                       ‖ length of the value in bytes, two bytes, big-endian
///                       ‖ UTF-8 of the normalized value)[0..3]
/// ```
///
/// UUIDs and network addresses are values of bare lower-case hexadecimal digits (32 and 12 of them); of the
/// hardware's UUID and its byte-swapped twin (the first three fields reversed each) it is the lesser one.
/// Everything else has its ASCII letters in lower case, is trimmed, and has single spaces. In Python, with the empty
/// salt standing for 32 zero bytes as RFC 5869 has it:
///
/// ```python
/// from hashlib import sha256; import hmac
/// mac = lambda key, message: hmac.new(key, message, sha256).digest()
/// k = mac(mac(salt.encode(), b"nodelock fingerprint v1"), product.encode() + b"\x01")
/// tag = mac(k, bytes([number]) + len(value).to_bytes(2, "big") + value)[:3]
/// ```
///
/// The keying material is a constant because there is no secret to put there: the key keeps tags of different
/// products apart, it does not hide a value from somebody who knows the salt and can guess the value. Three
/// bytes are enough to tell machines apart in a score and too few to look a value up with.
#[derive(Clone)]
pub struct TagKey(hmac::Key);

impl TagKey {
    /// The key for `product` under the vendor's `salt`; every text is allowed, also the empty one.
    ///
    /// The salt is not a secret, but it must never change: with another one every machine looks replaced.
    pub fn new(salt: &str, product: &str) -> Self {
        Self(derive(FINGERPRINT_LABEL, salt, product))
    }

    pub(super) fn tag(&self, component: Component, value: &str) -> Tag {
        let [a, b, c, ..] = keyed(&self.0, component, value);
        Tag::new(component, [a, b, c])
    }
}

impl std::fmt::Debug for TagKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TagKey(..)")
    }
}

/// 128 bits for [`machine_id`](super::machine_id): the same computation with the label
/// `nodelock machine-id v1`, the application as salt, no info, and 16 bytes instead of 3.
pub(super) fn application_id(application: &str, component: Component, value: &str) -> [u8; 16] {
    let hash = keyed(&derive(MACHINE_ID_LABEL, application, ""), component, value);
    std::array::from_fn(|i| hash[i])
}

fn derive(label: &[u8], salt: &str, info: &str) -> hmac::Key {
    let info = [info.as_bytes()];
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, salt.as_bytes()).extract(label);
    // ring refuses only more than 255 blocks of output, and this is one.
    let key = secret.expand(&info, hmac::HMAC_SHA256).expect("one block of HKDF output");
    key.into()
}

fn keyed(key: &hmac::Key, component: Component, value: &str) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    context.update(&[component.number()]);
    // Values are at most normalize::MAX_VALUE bytes long.
    context.update(&(value.len() as u16).to_be_bytes());
    context.update(value.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(context.sign().as_ref());
    hash
}
