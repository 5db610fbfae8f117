//! Ed25519 keys: public keys that are checked where they come in, private keys that are wiped.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use crate::{
    Error, ErrorKind, MAX_INPUT, Random, Result, codec,
    message::text,
    secret::{self, Secret},
};

/// An Ed25519 public key that is not one of the small-order points.
///
/// Text form: 43 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct PublicKey([u8; 32]);

/// The y coordinates of the eight points of small order, in every encoding that ring decodes: 0, 1, the two of
/// order 8, p - 1, and p and p + 1 which mean 0 and 1 again. With either sign bit that makes 14 encodings.
const SMALL_ORDER_Y: [[u8; 32]; 7] = {
    const fn edge(low: u8, middle: u8, high: u8) -> [u8; 32] {
        let mut y = [middle; 32];
        y[0] = low;
        y[31] = high;
        y
    }
    [
        edge(0x00, 0x00, 0x00),
        edge(0x01, 0x00, 0x00),
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
            0xf0, //
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
            0x0f, //
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
        edge(0xec, 0xff, 0x7f),
        edge(0xed, 0xff, 0x7f),
        edge(0xee, 0xff, 0x7f),
    ]
};

impl PublicKey {
    /// The key with these 32 bytes (RFC 8032).
    ///
    /// Fails with [`ErrorKind::WeakKey`] for the 14 encodings of points of small order, because ring
    /// accepts forged signatures under them (docs/PROTOCOL.md, Keys and trust).
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self> {
        let mut y = bytes;
        y[31] &= 0x7f;
        if SMALL_ORDER_Y.contains(&y) {
            return Err(Error::new(
                ErrorKind::WeakKey,
                "the public key must not be used: anybody can forge its signatures",
            ));
        }
        Ok(Self(bytes))
    }

    /// The key's 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The keys in a file of them: one on each line, where an empty line and one that begins with `#` say nothing.
    /// Lines end in LF or CRLF: nothing that stands in a comment makes a key.
    ///
    /// Fails with [`ErrorKind::TooLarge`] over [`MAX_INPUT`], and as [`from_str`](Self::from_str) does.
    ///
    /// ```
    /// # use nodelock::{PublicKey, SigningKey, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// let file = format!("# our root keys\n{root}\n");
    /// assert_eq!(PublicKey::read_list(file.as_bytes())?, [root]);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn read_list(input: &[u8]) -> Result<Vec<Self>> {
        if input.len() > MAX_INPUT {
            return Err(Error::too_large("the list of public keys", input.len(), MAX_INPUT));
        }
        let text = text::characters(input);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::parse).collect()
    }

    /// The first 8 bytes of the SHA-256 of the key: a hint for finding it, never a proof of anything.
    pub fn id(&self) -> KeyId {
        let digest = digest::digest(&digest::SHA256, &self.0);
        KeyId(first(digest.as_ref()))
    }

    /// Checks a raw Ed25519 signature (RFC 8032) over `message`. Everything that this crate signs goes through
    /// DSSE first; this is the one place where a signature is checked.
    ///
    /// Fails with [`ErrorKind::BadSignature`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<()> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, signature)
            .map_err(|_| Error::new(ErrorKind::BadSignature, ""))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    /// The one run of 43 characters in a text: what surrounds a key, such as quotes, a name or a line end, says
    /// nothing.
    fn from_str(text: &str) -> Result<Self> {
        let plain = text::visible(text).replace('+', "-").replace('/', "_");
        let is_symbol = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let mut runs = plain.split(|c| !is_symbol(c)).filter(|run| run.len() == 43);
        let mut bytes = [0; 33];
        match (runs.next().map(|run| URL_SAFE_NO_PAD.decode_slice(run, &mut bytes)), runs.next()) {
            (Some(Ok(32)), None) => Self::from_bytes(first(&bytes)),
            _ => Err(no_key(text)),
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_bytes(<[u8; 32]>::deserialize(deserializer)?)
            .map_err(|_| serde::de::Error::custom(codec::WEAK_KEY))
    }
}

/// A hint which key signed: the first 8 bytes of the SHA-256 of the public key, shown as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub(crate) [u8; 8]);

impl KeyId {
    /// The eight bytes.
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// An Ed25519 private key: a device's, an issuer's or a root's. Wiped when dropped, never shown.
#[derive(Clone)]
pub struct SigningKey {
    seed: Secret<32>,
    public: PublicKey,
}

impl SigningKey {
    /// A new key from `random`.
    ///
    /// Fails with [`ErrorKind::NoRandom`].
    ///
    /// ```
    /// use nodelock::{SigningKey, SystemRandom};
    ///
    /// let root = SigningKey::generate(&SystemRandom)?;
    /// println!("embed this in the application: {}", root.public_key());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn generate(random: &dyn Random) -> Result<Self> {
        let mut seed = Secret::zeros();
        random.fill(&mut *seed)?;
        // The one use of the constructor that has no public key to check against: there is none yet.
        let public = secret::cleared_after(|| {
            let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| bad_key())?;
            PublicKey::from_bytes(first(pair.public_key().as_ref()))
        })?;
        Ok(Self { seed, public })
    }

    /// The key from its 64 stored bytes: the seed, then the public key, which must be the seed's.
    ///
    /// Fails with [`ErrorKind::Malformed`] or [`ErrorKind::WeakKey`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (seed, public) = bytes.split_at_checked(32).ok_or_else(bad_key)?;
        secret::cleared_after(|| Ed25519KeyPair::from_seed_and_public_key(seed, public).map(drop))
            .map_err(|_| bad_key())?;
        let mut stored = Secret::zeros();
        stored.copy_from_slice(seed);
        Ok(Self { seed: stored, public: PublicKey::from_bytes(first(public))? })
    }

    /// The 64 bytes to store: the seed, then the public key. A secret; it is wiped when dropped.
    ///
    /// ```
    /// # use nodelock::{SigningKey, SystemRandom};
    /// # let key = SigningKey::generate(&SystemRandom)?;
    /// let stored = key.to_bytes();
    /// assert_eq!(SigningKey::from_bytes(&*stored)?.public_key(), key.public_key());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn to_bytes(&self) -> Zeroizing<[u8; 64]> {
        let mut bytes = Zeroizing::new([0; 64]);
        bytes[..32].copy_from_slice(&*self.seed);
        bytes[32..].copy_from_slice(self.public.as_bytes());
        bytes
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// The 64-byte Ed25519 signature over `message`.
    ///
    /// ring's key pair is made for each signature and dropped after it, because ring does not wipe what it
    /// holds: no copy outlives the call.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 64]> {
        secret::cleared_after(|| {
            let pair = Ed25519KeyPair::from_seed_and_public_key(&*self.seed, self.public.as_bytes())
                .map_err(|_| bad_key())?;
            Ok(first(pair.sign(message).as_ref()))
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.id())
    }
}

/// That a text is no public key. The text may be a secret that was taken for one, so it is not shown.
fn no_key(text: &str) -> Error {
    let plain = text::visible(text);
    let runs = plain.split(|c: char| !(c.is_ascii_alphanumeric() || "+/-_".contains(c)));
    let longest = runs.map(str::len).max().unwrap_or_default();
    let found = match longest {
        43 => "there are several, or one that is damaged".to_owned(),
        _ => format!("the longest word here has {longest}"),
    };
    Error::new(ErrorKind::Malformed, format!("a public key is 43 characters of base64url, and {found}"))
}

fn bad_key() -> Error {
    Error::new(
        ErrorKind::Malformed,
        "the private key is damaged or of another form: a seed of 32 bytes is expected",
    )
}

/// The first `N` bytes of a slice that is known to be that long.
pub(crate) fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[..N]);
    array
}

/// The SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    first(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// The SHA-256 of `bytes`, of which nothing stays on the stack.
pub(crate) fn sha256_of_secret(bytes: &[u8]) -> [u8; 32] {
    secret::cleared_after(|| sha256(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> PublicKey {
        PublicKey::from_bytes([n; 32]).unwrap()
    }

    #[test]
    fn what_stands_in_a_comment_of_a_list_makes_no_key() {
        let (good, bad) = (key(0x11), key(0x22));
        for comment in [
            format!("# retired\\t{bad}"),
            format!("# retired\\n{bad}"),
            format!("# retired<br>{bad}"),
            format!("# retired=0A{bad}"),
            format!("# retired%0A{bad}"),
            format!("# retired&#10;{bad}"),
            format!("# retired\u{2028}{bad}\u{85}{bad}\u{b}{bad}"),
            "# C:\\nodelock\\roots.txt".to_owned(),
            "# written by hand=".to_owned(),
        ] {
            for list in [format!("{comment}\n{good}\n"), format!("\u{feff}{comment}\r\n  \"{good}\"\r\n\r\n")]
            {
                assert_eq!(PublicKey::read_list(list.as_bytes()).unwrap(), [good], "{list}");
                let wide: Vec<u8> = list.encode_utf16().flat_map(u16::to_le_bytes).collect();
                assert_eq!(PublicKey::read_list(&wide).unwrap(), [good], "{list}");
            }
        }
        let two = format!("{good}<br>{bad}");
        assert_eq!(PublicKey::read_list(two.as_bytes()).unwrap_err().kind(), ErrorKind::Malformed);
    }

    #[test]
    fn a_key_behind_an_equal_sign_or_a_path_is_read_as_it_stands() {
        // Every pair of symbols at the beginning, so those that look like an escape too.
        for first in 0..=u8::MAX {
            for second in [0, 0x10, 0x5C, 0xB7, 0xFF] {
                let mut bytes = [0x33; 32];
                (bytes[0], bytes[1]) = (first, second);
                let key = PublicKey::from_bytes(bytes).unwrap();
                for text in [format!("root={key}"), format!("%{key}%"), format!("C:\\new\\{key}")] {
                    assert_eq!(text.parse::<PublicKey>().unwrap(), key, "{text}");
                }
            }
        }
    }
}
