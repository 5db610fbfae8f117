//! Revocations: a seat released without its device.

use serde::{Deserialize, Serialize};

use super::{
    Body, Extension, MAX_EXTENSIONS, MAX_TEXT, Page, check_extensions, check_text,
    frame::Kind,
    signed::{AuthorityBody, Signed, private},
};
use crate::{PublicKey, Result, Timestamp, code::Handle, codec};

/// The authority's statement that an administrator released a seat: the device that hears of it stops using it.
pub type Revocation = Signed<RevocationBody>;

/// The content of a [`Revocation`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RevocationBody {
    /// The seat.
    pub handle: Handle,
    /// The device that held it.
    pub device_key: PublicKey,
    /// Why, in words for the customer; may be empty.
    pub reason: String,
    /// When the authority signed this.
    pub time: Timestamp,
    /// The minute of the authority's service in which this was signed.
    pub page: Page,
    #[serde(deserialize_with = "codec::list::<_, _, MAX_EXTENSIONS>")]
    pub(crate) extensions: Vec<Extension>,
}

impl private::Sealed for RevocationBody {}

impl Body for RevocationBody {
    const KIND: Kind = Kind::Revocation;
    const LIMIT: usize = 4096;

    fn validate(&self) -> Result<()> {
        check_text("revocation reason", &self.reason, MAX_TEXT)?;
        check_extensions(&self.extensions)
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![("Seat", self.handle.to_string()), ("Time", self.time.to_string())]
    }
}

impl AuthorityBody for RevocationBody {
    fn signed_at(&self) -> Timestamp {
        self.time
    }
}
