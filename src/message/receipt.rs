//! Deactivation receipts.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    Body, Extension, MAX_EXTENSIONS, Page, check_extensions,
    frame::Kind,
    signed::{AuthorityBody, Signed, private},
};
use crate::{
    Error, ErrorKind, PublicKey, Result, Timestamp,
    code::{DeactivationCode, Handle},
    codec,
    keys::sha256_of_secret,
};

/// The authority's answer to a deactivation.
pub type DeactivationReceipt = Signed<ReceiptBody>;

/// Where the seat went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Outcome {
    /// Back to the pool: any machine may take it.
    Returned,
    /// The license has no deactivation left: the seat is kept for the same machine, which may activate it again at
    /// no charge, until an administrator returns it.
    Held,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Returned => "returned",
            Self::Held => "held",
        })
    }
}

impl FromStr for Outcome {
    type Err = Error;

    /// Reads the name that [`Display`](fmt::Display) writes. Fails with [`ErrorKind::InvalidInput`].
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "returned" => Ok(Self::Returned),
            "held" => Ok(Self::Held),
            _ => Err(Error::new(ErrorKind::InvalidInput, "outcome: `returned` or `held` is expected")),
        }
    }
}

/// What a receipt answers, so that it cannot be taken for the answer to something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Binding {
    /// A proof: the SHA-256 of its body.
    Proof([u8; 32]),
    /// A code: the SHA-256 of `nodelock deactivation code v1`, a zero byte, the handle (4 bytes, little-endian) and
    /// the release secret (8 bytes).
    Code([u8; 32]),
}

impl Binding {
    /// The binding to a code.
    pub fn code(code: &DeactivationCode) -> Self {
        let mut text = zeroize::Zeroizing::new(b"nodelock deactivation code v1\0".to_vec());
        text.extend_from_slice(&code.handle().get().to_le_bytes());
        text.extend_from_slice(code.secret().as_bytes());
        Self::Code(sha256_of_secret(&text))
    }
}

/// The content of a [`DeactivationReceipt`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReceiptBody {
    /// The seat given up.
    pub handle: Handle,
    /// The device that held it.
    pub device_key: PublicKey,
    /// Where the seat went.
    pub outcome: Outcome,
    /// How many more deactivations the license has; none is without limit.
    pub deactivations_left: Option<u32>,
    /// When the authority signed this.
    pub time: Timestamp,
    /// What this answers.
    pub binding: Binding,
    /// The minute of the authority's service in which this was signed.
    pub page: Page,
    #[serde(deserialize_with = "codec::list::<_, _, MAX_EXTENSIONS>")]
    pub(crate) extensions: Vec<Extension>,
}

impl private::Sealed for ReceiptBody {}

impl Body for ReceiptBody {
    const KIND: Kind = Kind::DeactivationReceipt;
    const LIMIT: usize = 1024;

    fn validate(&self) -> Result<()> {
        check_extensions(&self.extensions)
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![
            ("Seat", self.handle.to_string()),
            ("Outcome", self.outcome.to_string()),
            ("Time", self.time.to_string()),
        ]
    }
}

impl AuthorityBody for ReceiptBody {
    fn signed_at(&self) -> Timestamp {
        self.time
    }
}
