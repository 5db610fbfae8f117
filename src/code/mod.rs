//! Codes that people read out, type and mistype: the deactivation code and the license key.
//!
//! Specified in docs/PROTOCOL.md, The phone code, and docs/FORMAT.md, Codes that people type.
//!
//! # Layout
//!
//! A code is 25 symbols in five groups of five, each symbol a character of Crockford's base32 alphabet
//! `0123456789ABCDEFGHJKMNPQRSTVWXYZ` with its index there, 0 to 31, as its value. In reading order:
//!
//! | symbols | bits | deactivation code | license key |
//! |---|---|---|---|
//! | s0 | 5 | kind 1 | kind 2 |
//! | s1 … s6 | 30 | handle | random |
//! | s7 … s18 | 60 | release secret | random |
//! | s19 … s24 | 30 | parity | parity |
//!
//! Every number is written with its most significant bits first, so s1 is the top five bits of the handle, s7
//! the top five of the secret. A first symbol other than 1 and 2 belongs to a later version of the format.
//!
//! # Parity
//!
//! The symbols are elements of GF(32) = GF(2)\[x\] / (x^5 + x^2 + 1): adding is XOR, and multiplying by α = 2
//! is a shift to the left by one, followed by XOR with 37 if the result is 32 or more. The code word is
//!
//! c(x) = s0 x^24 + s1 x^23 + … + s23 x + s24,
//!
//! and the parity makes it a multiple of
//!
//! g(x) = (x + 1)(x + α)(x + α²) … (x + α⁵) = x^6 + 26 x^5 + 20 x^4 + 24 x^3 + 14 x^2 + 6 x + 31.
//!
//! So s19 … s24 are the coefficients, from x^5 down to x^0, of the remainder of (s0 x^24 + … + s18 x^6)
//! divided by g(x). A reader checks c(1) = c(α) = … = c(α⁵) = 0.
//!
//! # Example
//!
//! The handle 255756937, written `7KX2M9`, and the release secret 0x123456789ABCDEF give
//! `17KX2-M928T-5CY4T-QKFFW-EZFWM`:
//!
//! | kind | handle | secret | parity |
//! |---|---|---|---|
//! | 1 | 7 19 29 2 20 9 | 2 8 26 5 12 30 4 26 23 19 15 15 | 28 14 31 15 28 20 |
//!
//! ```
//! # use nodelock::code::{DeactivationCode, Handle, ReleaseSecret};
//! let secret = ReleaseSecret::from_random(0x0123_4567_89AB_CDEF_u64.to_be_bytes());
//! let code = DeactivationCode::new("7KX2M9".parse::<Handle>()?, secret);
//! assert_eq!(code.to_string(), "17KX2-M928T-5CY4T-QKFFW-EZFWM");
//!
//! let heard = DeactivationCode::read("i7kx2 m982t 5cy4t qkff? ezfwm")?;
//! assert_eq!(heard[0].code, code);
//! assert_eq!(heard[0].corrections[0].to_string(), "group 2, place 3: 8 was typed, 2 is meant");
//! # Ok::<(), nodelock::Error>(())
//! ```
//!
//! # Reading
//!
//! Case does not matter; I and L are 1, O is 0; full-width forms, digits of any script, and Cyrillic and Greek letters
//! count as what they look like. Spaces, line ends, dashes, quotes, brackets, invisible marks and `. , : ; / | ·` are
//! passed over. Any other character (a U, `?`, `*`, `_`, `#`, an accented letter) stands for one symbol that could not
//! be read: an erasure.
//!
//! Mended are up to 3 wrong symbols, up to 6 erasures, and mixtures with 2 × wrong + erased ≤ 6. Two swapped
//! neighbors are two wrong symbols. With 24 or 26 symbols, one was left out or is too many; each place is
//! tried, and one more error or erasure mended. Several codes may come of that: all are returned, and the
//! authority finds the right one by the commitment of the seat.
//!
//! If that gives no code, or one that took more than one wrong symbol, the text may hold one among words, in a link or
//! between signs such as `*` and `=`, or with its groups in another order. At most one wrong symbol is mended there.
//!
//! Parity is no secrecy: anybody can make a well-formed code. What cannot be guessed is the 60-bit release
//! secret.

pub mod base32;
mod gf32;
mod reading;
mod symbols;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use zeroize::Zeroizing;

use crate::{Error, ErrorKind, Random, Result, secret::Secret};
use gf32::{DATA, ERASED, Word};
pub use reading::{Correction, Reading, Typing, check_typing};

const DEACTIVATION: u8 = 1;
const LICENSE_KEY: u8 = 2;

const HANDLE_BITS: u32 = 30;
const SECRET_BITS: u32 = 60;
const PAYLOAD_BITS: u32 = HANDLE_BITS + SECRET_BITS;

/// The code word that says `payload`, a number of 90 bits.
fn word(kind: u8, payload: u128) -> Word {
    let data = u128::from(kind) << PAYLOAD_BITS | payload;
    gf32::encode(&std::array::from_fn::<u8, DATA, _>(|i| (data >> (5 * (DATA - 1 - i))) as u8 & 31))
}

fn payload(word: &Word) -> u128 {
    word[1..DATA].iter().fold(0, |number, &symbol| number << 5 | u128::from(symbol))
}

/// A seat's name: 30 bits, drawn at random for each activation request, never used again.
///
/// Written as six symbols such as `7KX2M9`, and read as tolerantly as a code, though without mending. In a
/// message it is four bytes, little-endian.
///
/// ```
/// # use nodelock::code::Handle;
/// let seat: Handle = "7kx2m9".parse()?;
/// assert_eq!(seat.to_string(), "7KX2M9");
/// # Ok::<(), nodelock::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(u32);

impl Handle {
    /// The handle with this number.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) when it has more than 30 bits.
    pub fn new(number: u32) -> Result<Self> {
        if number >> HANDLE_BITS == 0 {
            Ok(Self(number))
        } else {
            Err(Error::range("number of a handle", "", number.into(), 0, (1 << HANDLE_BITS) - 1))
        }
    }

    /// Its number, below 2^30.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..6)
            .rev()
            .filter_map(|i| symbols::character((self.0 >> (5 * i)) as u8 & 31))
            .try_for_each(|c| write!(f, "{c}"))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Handle {
    type Err = Error;

    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) over 256 bytes, [`UnreadableCode`](ErrorKind::UnreadableCode) for
    /// anything but six readable symbols.
    fn from_str(text: &str) -> Result<Self> {
        if text.len() > reading::LONGEST {
            return Err(Error::too_large("name of a seat", text.len(), reading::LONGEST));
        }
        let (mut number, mut count) = (0_u32, 0);
        for (_, symbol) in symbols::typed(text) {
            count += 1;
            if symbol == ERASED || count > 6 {
                count = 0;
                break;
            }
            number = number << 5 | u32::from(symbol);
        }
        let wrong = "the name of a seat cannot be read: 6 letters and digits such as 7KX2M9 are expected";
        if count == 6 { Ok(Self(number)) } else { Err(Error::new(ErrorKind::UnreadableCode, wrong)) }
    }
}

impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.to_le_bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u32::from_le_bytes(<[u8; 4]>::deserialize(deserializer)?)).map_err(D::Error::custom)
    }
}

/// What only the machine that holds a seat can say until it gives the seat up: 60 random bits.
///
/// The value is big-endian in eight bytes, the top four bits zero. Wiped on drop, compared in constant time,
/// never printed by [`Debug`](fmt::Debug).
#[derive(Clone, PartialEq, Eq)]
pub struct ReleaseSecret(Secret<8>);

impl ReleaseSecret {
    /// A new secret from `random`.
    ///
    /// Fails with [`ErrorKind::NoRandom`].
    pub fn generate(random: &dyn Random) -> Result<Self> {
        let mut secret = Self(Secret::zeros());
        random.fill(&mut *secret.0)?;
        secret.0[0] &= 0x0F;
        Ok(secret)
    }

    /// The secret made of 60 of these 64 random bits.
    pub fn from_random(bytes: [u8; 8]) -> Self {
        let mut secret = Self(Secret::copied(&Zeroizing::new(bytes)));
        secret.0[0] &= 0x0F;
        secret
    }

    /// The secret that a code's payload ends in.
    fn of_payload(payload: u128) -> Self {
        let mut secret = Self(Secret::zeros());
        for (place, byte) in secret.0.iter_mut().rev().enumerate() {
            *byte = (payload >> (8 * place)) as u8;
        }
        secret.0[0] &= 0x0F;
        secret
    }

    /// The eight bytes, of which the first four bits are zero.
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Debug for ReleaseSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReleaseSecret(..)")
    }
}

impl Serialize for ReleaseSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ReleaseSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Secret::<8>::deserialize(deserializer)?;
        if bytes[0] >> 4 == 0 {
            Ok(Self(bytes))
        } else {
            Err(D::Error::custom("release secret: over 60 bits"))
        }
    }
}

/// The code that a customer reads out over the phone to give a seat up.
///
/// Its text, `17KX2-M928T-5CY4T-QKFFW-EZFWM`, holds the release secret: it is shown only after the
/// deactivation has become durable. [`Debug`](fmt::Debug) shows the handle alone.
#[derive(Clone, PartialEq, Eq)]
pub struct DeactivationCode {
    handle: Handle,
    secret: ReleaseSecret,
}

impl DeactivationCode {
    /// The code that gives up the seat `handle`.
    pub fn new(handle: Handle, secret: ReleaseSecret) -> Self {
        Self { handle, secret }
    }

    /// The seat.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// The proof that its machine said so.
    pub fn secret(&self) -> &ReleaseSecret {
        &self.secret
    }

    /// Every code that what somebody typed may stand for, fewest corrections first; never none.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) over 256 bytes; [`WrongType`](ErrorKind::WrongType) for a license
    /// key; [`UnsupportedVersion`](ErrorKind::UnsupportedVersion) for a code of a kind that this version does
    /// not know; [`SeveralMessages`](ErrorKind::SeveralMessages) for several codes in one text;
    /// [`UnreadableCode`](ErrorKind::UnreadableCode) for everything else.
    ///
    /// ```
    /// # use nodelock::code::DeactivationCode;
    /// let typed = DeactivationCode::read("17kx2 m982t 5cy4t qkffw ezfwm")?;
    /// assert_eq!(typed[0].code.to_string(), "17KX2-M928T-5CY4T-QKFFW-EZFWM");
    /// assert_eq!(typed[0].corrections.len(), 2); // 2 and 8 were swapped
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn read(text: &str) -> Result<Vec<Reading<Self>>> {
        reading::read(text, "deactivation code", DEACTIVATION, |word| {
            let payload = payload(word);
            Self::new(Handle((payload >> SECRET_BITS) as u32), ReleaseSecret::of_payload(payload))
        })
    }
}

impl fmt::Display for DeactivationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = self.secret.as_bytes().iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        let payload = u128::from(self.handle.get()) << SECRET_BITS | u128::from(secret);
        symbols::write_groups(f, &word(DEACTIVATION, payload))
    }
}

impl fmt::Debug for DeactivationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeactivationCode").field("handle", &self.handle).finish_non_exhaustive()
    }
}

/// The key that a vendor sells and a customer types: 90 random bits.
///
/// The value is big-endian in twelve bytes, the top six bits zero. Wiped on drop and compared in constant
/// time; [`Debug`](fmt::Debug) shows the first group, enough to tell two keys of one customer apart.
///
/// ```
/// # use nodelock::{SystemRandom, code::LicenseKey};
/// let license_key = LicenseKey::generate(&SystemRandom)?;
/// assert!(license_key.to_string().starts_with('2'));
/// # Ok::<(), nodelock::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct LicenseKey(Secret<12>);

impl LicenseKey {
    /// A new license key from `random`.
    ///
    /// Fails with [`ErrorKind::NoRandom`].
    pub fn generate(random: &dyn Random) -> Result<Self> {
        let mut key = Self(Secret::zeros());
        random.fill(&mut *key.0)?;
        key.0[0] &= 0x03;
        Ok(key)
    }

    /// The key made of 90 of these 96 random bits.
    pub fn from_random(bytes: [u8; 12]) -> Self {
        let mut key = Self(Secret::copied(&Zeroizing::new(bytes)));
        key.0[0] &= 0x03;
        key
    }

    /// The twelve bytes, of which the first six bits are zero.
    pub fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }

    /// Every key that what somebody typed may stand for, fewest corrections first; never none.
    ///
    /// # Errors
    ///
    /// As [`DeactivationCode::read`]; [`WrongType`](ErrorKind::WrongType) is for a deactivation code.
    ///
    /// ```
    /// # use nodelock::{SystemRandom, code::LicenseKey};
    /// let sold = LicenseKey::generate(&SystemRandom)?;
    /// let typed = sold.to_string().to_lowercase().replace('-', " ");
    /// assert_eq!(LicenseKey::read(&typed)?[0].code, sold);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn read(text: &str) -> Result<Vec<Reading<Self>>> {
        reading::read(text, "license key", LICENSE_KEY, |word| {
            let mut key = Secret::zeros();
            key.copy_from_slice(&payload(word).to_be_bytes()[4..]);
            Self(key)
        })
    }

    fn word(&self) -> Word {
        let mut payload = [0; 16];
        payload[4..].copy_from_slice(&*self.0);
        word(LICENSE_KEY, u128::from_be_bytes(payload))
    }
}

impl FromStr for LicenseKey {
    type Err = Error;

    /// The reading with the fewest corrections.
    ///
    /// # Errors
    ///
    /// As [`LicenseKey::read`], and [`UnreadableCode`](ErrorKind::UnreadableCode) when two keys are equally
    /// near.
    fn from_str(text: &str) -> Result<Self> {
        let mut readings = Self::read(text)?.into_iter();
        match (readings.next(), readings.next()) {
            (Some(best), None) => Ok(best.code),
            (Some(best), Some(next)) if best.corrections.len() < next.corrections.len() => Ok(best.code),
            (Some(_), Some(_)) => {
                let both =
                    "the license key cannot be read: it may stand for two, so compare it with the original";
                Err(Error::new(ErrorKind::UnreadableCode, both))
            }
            (None, _) => Err(reading::unreadable(text, "license key")),
        }
    }
}

impl fmt::Display for LicenseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        symbols::write_groups(f, &self.word())
    }
}

impl fmt::Debug for LicenseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LicenseKey(")?;
        symbols::write_groups(f, &self.word()[..5])?;
        f.write_str("-..)")
    }
}

impl Serialize for LicenseKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LicenseKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Secret::<12>::deserialize(deserializer)?;
        if bytes[0] >> 2 == 0 { Ok(Self(bytes)) } else { Err(D::Error::custom("license key: over 90 bits")) }
    }
}
