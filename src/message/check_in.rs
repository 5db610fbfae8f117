//! What a device asks of its authority while it holds a seat, or has lost the file that said so.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Body, Extension, MAX_EXTENSIONS, MAX_NAME, Metadata, check_extensions, check_product, check_text,
    description::{check_others, description},
    frame::{self, Incoming, Kind},
    signed::{Signed, private},
};
#[cfg(feature = "authority")]
use super::{CHAIN, Page};
use crate::{
    Error, ErrorKind, PublicKey, Result, Timestamp, code::Handle, codec, fingerprint::Fingerprint,
    keys::first,
};

/// A device's request for a renewal, or for the news that its seat was released.
pub type CheckInRequest = Signed<CheckInBody>;

/// The content of a [`CheckInRequest`], signed with the key of the device that holds the seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CheckInBody {
    /// The seat.
    pub handle: Handle,
    /// Random, so that no two requests are the same.
    pub nonce: [u8; 16],
    /// From the license that the device has.
    pub sync_token: [u8; 16],
    /// From the license that the device has.
    pub revision: u32,
    /// The device's time.
    pub time: Timestamp,
    /// The machine as it is now.
    pub fingerprint: Fingerprint,
    /// The version of this library.
    pub library: String,
    /// The version of the application; may be empty.
    pub application: String,
    #[serde(deserialize_with = "codec::list::<_, _, MAX_EXTENSIONS>")]
    pub(crate) extensions: Vec<Extension>,
}

#[cfg(feature = "authority")]
impl CheckInBody {
    /// The page of the license that the device has, and the digest of the chain in it.
    pub(crate) fn chain(&self) -> Option<(Page, [u8; 32])> {
        let extension = self.extensions.iter().find(|extension| extension.id == CHAIN)?;
        let (page, digest) = extension.data().split_first_chunk()?;
        Some((Page::from_bytes(*page), digest.try_into().ok()?))
    }
}

impl CheckInBody {
    /// What the device says of its machine for people, as a [request](super::RequestBody::description) does; empty
    /// unless its application asks for that.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// let name = || vec![("computer".to_owned(), "reception".to_owned())];
    /// let client = authority.client(&Machine::new("desk")).describe_machine_as(name).build()?;
    /// client.activate(&license_key)?;
    /// assert_eq!(client.check_in_offline()?.request().description(), name());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn description(&self) -> Metadata {
        description(&self.extensions)
    }
}

impl private::Sealed for CheckInBody {}

impl Body for CheckInBody {
    const KIND: Kind = Kind::CheckInRequest;
    const LIMIT: usize = 2048;

    fn validate(&self) -> Result<()> {
        check_text("library version", &self.library, MAX_NAME)?;
        check_text("application version", &self.application, MAX_NAME)?;
        self.fingerprint.validate()?;
        check_others(&self.extensions, |_| false)
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![("Seat", self.handle.to_string()), ("Time", self.time.to_string())]
    }
}

/// A device's question whether its seat may be given up and would return to the pool.
pub type PreflightRequest = Signed<PreflightBody>;

/// The content of a [`PreflightRequest`], signed with the key of the device that holds the seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PreflightBody {
    /// The seat.
    pub handle: Handle,
    /// Random, so that no two requests are the same.
    pub nonce: [u8; 16],
    /// The device's time.
    pub time: Timestamp,
    #[serde(deserialize_with = "codec::list::<_, _, MAX_EXTENSIONS>")]
    pub(crate) extensions: Vec<Extension>,
}

impl private::Sealed for PreflightBody {}

impl Body for PreflightBody {
    const KIND: Kind = Kind::PreflightRequest;
    const LIMIT: usize = 256;

    fn validate(&self) -> Result<()> {
        check_extensions(&self.extensions)
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![("Seat", self.handle.to_string()), ("Time", self.time.to_string())]
    }
}

/// A device's statement that its store was lost: whatever seats it held, none is usable on it any more. It goes along
/// with a new activation request.
pub type RecoveryRequest = Signed<RecoveryBody>;

/// The content of a [`RecoveryRequest`], signed with the key in its first field.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecoveryBody {
    /// The device's key.
    pub device_key: PublicKey,
    /// The product whose store was lost.
    pub product: String,
    /// The digest of the activation request that goes along: it is good for that one only.
    pub request: [u8; 32],
    /// The device's time.
    pub time: Timestamp,
    #[serde(deserialize_with = "codec::list::<_, _, MAX_EXTENSIONS>")]
    pub(crate) extensions: Vec<Extension>,
}

impl private::Sealed for RecoveryBody {}

impl Body for RecoveryBody {
    const KIND: Kind = Kind::RecoveryRequest;
    const LIMIT: usize = 1024;

    fn validate(&self) -> Result<()> {
        check_product(&self.product)?;
        check_extensions(&self.extensions)
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![("Product", self.product.clone()), ("Time", self.time.to_string())]
    }
}

impl fmt::Debug for RecoveryBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecoveryRequest")
            .field("device_key", &self.device_key.id())
            .field("product", &self.product)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

impl CheckInRequest {
    /// Verifies a check-in in any form under the key of the device that holds the seat.
    ///
    /// Fails with [`ErrorKind::BadSignature`] when another device signed it.
    pub fn verify(input: &[u8], device_key: &PublicKey) -> Result<Self> {
        Self::open(frame::read_one(input, Kind::CheckInRequest)?, device_key)
    }
}

impl PreflightRequest {
    /// Verifies a preflight in any form under the key of the device that holds the seat.
    ///
    /// Fails with [`ErrorKind::BadSignature`] when another device signed it.
    pub fn verify(input: &[u8], device_key: &PublicKey) -> Result<Self> {
        Self::open(frame::read_one(input, Kind::PreflightRequest)?, device_key)
    }
}

impl RecoveryRequest {
    /// Verified under the device key that it names.
    pub(crate) fn open_self_signed(message: Incoming) -> Result<Self> {
        let key = {
            let frame = message.frame()?;
            frame::expect(&frame, Kind::RecoveryRequest)?;
            let key = frame.body.get(..32).ok_or_else(|| {
                Error::new(ErrorKind::Malformed, "the recovery request is cut off: it has no device key")
            })?;
            PublicKey::from_bytes(first(key))?
        };
        Self::open(message, &key)
    }
}
