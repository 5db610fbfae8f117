//! Codes as they are typed, and what is kept until the request of its seat arrives.

use std::fmt;

use super::ReleaseClaim;
use crate::{
    Error, ErrorKind, Result,
    code::{DeactivationCode, Handle, Reading},
    message::frame::Frame,
};

/// A deactivation code as somebody typed it: every code that the text may stand for. It is one attempt at each seat.
#[derive(Clone, Debug)]
pub struct TypedCode {
    readings: Vec<Reading<DeactivationCode>>,
}

/// How many codes that one typed text may stand for are looked at.
const MAX_READINGS: usize = 8;

impl TypedCode {
    /// Reads a typed code and mends typing errors.
    ///
    /// Fails as [`DeactivationCode::read`] does; such a text counts as no attempt.
    ///
    /// ```
    /// use nodelock::authority::TypedCode;
    ///
    /// let typed = TypedCode::read("17kx2 m928t 5cy4t qkffw ezfwm")?;
    /// assert_eq!(typed.readings().len(), 1);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn read(typed: &str) -> Result<Self> {
        let mut readings = DeactivationCode::read(typed)?;
        readings.truncate(MAX_READINGS);
        Ok(Self { readings })
    }

    /// The codes that may have been meant, fewest corrections first; never none.
    pub fn readings(&self) -> &[Reading<DeactivationCode>] {
        &self.readings
    }
}

/// Something that was handed over for a seat that nobody has asked for yet. It is kept, and judged when the request of
/// that seat arrives.
#[derive(Clone)]
pub enum Evidence {
    /// A deactivation proof.
    Proof(Box<ReleaseClaim>),
    /// A deactivation code.
    Code(DeactivationCode),
}

impl Evidence {
    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// Fails with [`ErrorKind::Corrupt`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let corrupt = || Error::new(ErrorKind::Corrupt, "the kept evidence is damaged");
        if Frame::parse(bytes).is_ok() {
            return ReleaseClaim::read(bytes)
                .map(|claim| Self::Proof(Box::new(claim)))
                .map_err(|_| corrupt());
        }
        let readings = str::from_utf8(bytes).ok().and_then(|text| DeactivationCode::read(text).ok());
        let reading = readings.and_then(|readings| readings.into_iter().next());
        reading.map(|reading| Self::Code(reading.code)).ok_or_else(corrupt)
    }

    /// What a ledger keeps: the envelope of a proof, or a code as text. The same evidence has the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Proof(claim) => claim.envelope().to_vec(),
            Self::Code(code) => code.to_string().into_bytes(),
        }
    }

    /// The seat that it is about.
    pub fn handle(&self) -> Handle {
        match self {
            Self::Proof(claim) => claim.handle(),
            Self::Code(code) => code.handle(),
        }
    }

    /// `proof` or `code`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Proof(_) => "proof",
            Self::Code(_) => "code",
        }
    }
}

impl PartialEq for Evidence {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Proof(a), Self::Proof(b)) => a.envelope() == b.envelope(),
            (Self::Code(a), Self::Code(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Evidence {}

impl fmt::Debug for Evidence {
    /// Without the code, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} for seat {}", self.kind(), self.handle())
    }
}
