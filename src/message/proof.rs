//! Deactivation proofs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Body, Extension, LicenseId, MAX_EXTENSIONS, check_extensions,
    frame::{self, Frame, Kind},
    signed::{Signed, private},
};
use crate::{
    Error, ErrorKind, PublicKey, Result, Timestamp,
    code::Handle,
    codec,
    keys::{first, sha256},
};

/// A device's signed statement that it gave a seat up: at most 110 bytes in all.
pub type DeactivationProof = Signed<ProofBody>;

/// Why a seat was given up. It changes nothing about what happens to the seat.
///
/// ```
/// use nodelock::Reason;
///
/// assert_eq!("moved".parse::<Reason>()?, Reason::Moved);
/// assert_eq!(Reason::Moved.to_string(), "moved");
/// # Ok::<(), nodelock::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing was said, or something that this version does not know.
    #[default]
    Other,
    /// The license moves to another machine.
    Moved,
    /// The machine is taken out of service.
    Retired,
    /// The system or the application is installed again.
    Reinstalled,
    /// The activation request was cancelled before a license came.
    Cancelled,
}

impl Reason {
    /// The number in a proof.
    pub const fn number(self) -> u8 {
        match self {
            Self::Other => 0,
            Self::Moved => 1,
            Self::Retired => 2,
            Self::Reinstalled => 3,
            Self::Cancelled => 4,
        }
    }

    /// The reason to give for a license that was active: only a request is cancelled.
    pub(crate) const fn of_deactivation(self) -> Self {
        match self {
            Self::Cancelled => Self::Other,
            reason => reason,
        }
    }

    /// The reason of that number. A genuine proof is never refused, so an unknown number is [`Reason::Other`].
    pub const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Moved,
            2 => Self::Retired,
            3 => Self::Reinstalled,
            4 => Self::Cancelled,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Other => "other",
            Self::Moved => "moved",
            Self::Retired => "retired",
            Self::Reinstalled => "reinstalled",
            Self::Cancelled => "cancelled",
        })
    }
}

/// Reads the name that [`Display`](fmt::Display) writes. Fails with [`ErrorKind::InvalidInput`].
impl FromStr for Reason {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "other" => Ok(Self::Other),
            "moved" => Ok(Self::Moved),
            "retired" => Ok(Self::Retired),
            "reinstalled" => Ok(Self::Reinstalled),
            "cancelled" => Ok(Self::Cancelled),
            _ => Err(Error::new(
                ErrorKind::InvalidInput,
                "reason: `other`, `moved`, `retired`, `reinstalled` or `cancelled` is expected",
            )),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u8::deserialize(deserializer).map(Self::from_number)
    }
}

/// The content of a [`DeactivationProof`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProofBody {
    /// The first 4 bytes of the SHA-256 of the product's name; see [`product_tag`].
    pub product_tag: [u8; 4],
    /// The license whose seat it was; zeros when the request was cancelled before a license came.
    pub license_id: LicenseId,
    /// The seat given up. The first fixed bytes of a proof, so that an authority can find the key to verify it with.
    pub handle: Handle,
    /// How often the store had been written when the seat was given up.
    pub generation: u64,
    /// When, by the device's own clock, in seconds since 1970; later than 2106 is 2^32 - 1.
    pub time: u32,
    /// Why.
    pub reason: Reason,
    /// For later versions; 0.
    pub flags: u8,
    /// The first 8 bytes of the SHA-256 of the activation request's body.
    pub request: [u8; 8],
    #[serde(deserialize_with = "codec::list::<_, _, MAX_EXTENSIONS>")]
    pub(crate) extensions: Vec<Extension>,
}

/// The first 4 bytes of the SHA-256 of a product's name: enough to tell a proof of another product.
pub fn product_tag(product: &str) -> [u8; 4] {
    first(&sha256(product.as_bytes()))
}

impl ProofBody {
    /// When, by the device's own clock.
    pub fn local_time(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.time.into())
    }
}

impl private::Sealed for ProofBody {}

impl Body for ProofBody {
    const KIND: Kind = Kind::DeactivationProof;
    const LIMIT: usize = 256;

    fn validate(&self) -> Result<()> {
        check_extensions(&self.extensions)
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![
            ("License", self.license_id.to_string()),
            ("Seat", self.handle.to_string()),
            ("Deactivated", self.local_time().to_string()),
        ]
    }
}

impl DeactivationProof {
    /// Verifies a proof in any form (bytes, armored text, base64url, base32, a link that ends in one) under the key
    /// of the device that holds the seat.
    ///
    /// Fails with [`ErrorKind::BadSignature`](crate::ErrorKind::BadSignature) when another device signed it, and as
    /// [`ActivationRequest::verify`](super::ActivationRequest::verify) does.
    pub fn verify(input: &[u8], device_key: &PublicKey) -> Result<Self> {
        Self::open(frame::read_one(input, Kind::DeactivationProof)?, device_key)
    }
}

/// A proof's content before it is verified, to find out which key must have signed it.
pub(crate) fn claimed(frame: &Frame<'_>) -> Result<ProofBody> {
    frame::expect(frame, Kind::DeactivationProof)?;
    codec::decode(frame.body, ProofBody::LIMIT, "deactivation proof")
}
