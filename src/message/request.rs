//! Activation requests, and the commitment to the release secret.

use std::num::NonZeroU32;

use ring::pbkdf2;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::{
    Body, Extension, MAX_EXTENSIONS, MAX_METADATA, MAX_NAME, Metadata, check_metadata, check_product,
    check_text,
    description::{check_others, description},
    frame::{self, Incoming, Kind},
    signed::{Signed, private},
};
use crate::{
    Error, ErrorKind, PublicKey, Result, Timestamp,
    code::{Handle, ReleaseSecret},
    codec,
    fingerprint::Fingerprint,
    keys::first,
    secret,
};

/// A device's request for a seat, signed with the device's own key.
pub type ActivationRequest = Signed<RequestBody>;

/// The content of an [`ActivationRequest`]. It holds no secret: whoever reads it sees the product and the
/// license key, and can take no seat for another machine with it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestBody {
    /// The device's key. The first 32 bytes of the body, so that the signature is checked before the rest is read.
    pub device_key: PublicKey,
    /// The product to activate.
    pub product: String,
    /// The license key that the customer typed; may be empty where the vendor assigns licenses by hand.
    pub license_key: String,
    /// The seat's name, drawn at random for this request.
    pub handle: Handle,
    /// PBKDF2-HMAC-SHA256 over the release secret; see [`RequestBody::commits_to`].
    pub release_commitment: [u8; 32],
    /// When the device made the request, by its own clock.
    pub created: Timestamp,
    /// The device's fingerprint.
    pub fingerprint: Fingerprint,
    /// The version of this library.
    pub library: String,
    /// The version of the application; may be empty.
    pub application: String,
    /// Whatever the application tells the vendor, such as a name for the machine.
    #[serde(deserialize_with = "codec::list::<_, _, MAX_METADATA>")]
    pub metadata: Metadata,
    #[serde(deserialize_with = "codec::list::<_, _, MAX_EXTENSIONS>")]
    pub(crate) extensions: Vec<Extension>,
}

/// The extension that names a seat to replace; its data is the seat's handle.
const REPLACES: u32 = 1;

impl RequestBody {
    /// What the device says of its machine for people, such as `computer`, `system` and `architecture`; empty unless
    /// its application asks for that. It has nothing that the [metadata](Self::metadata) says itself.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// let name = || vec![("computer".to_owned(), "reception".to_owned())];
    /// let client = authority.client(&Machine::new("desk")).describe_machine_as(name).build()?;
    /// assert_eq!(client.begin(&license_key)?.request().description(), name());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn description(&self) -> Metadata {
        description(&self.extensions)
    }

    /// The seat that is to be replaced if none is free.
    pub fn replaces(&self) -> Option<Handle> {
        let extension = self.extensions.iter().find(|extension| extension.id == REPLACES)?;
        codec::decode(extension.data(), size_of::<u32>(), "seat to replace").ok()
    }
}

/// The extension of a request that replaces a seat. An authority that does not know it refuses the request.
pub(crate) fn replacing(seat: Handle) -> Result<Extension> {
    Ok(Extension { id: REPLACES, critical: true, data: codec::encode(&seat)?.into() })
}

impl private::Sealed for RequestBody {}

impl Body for RequestBody {
    const KIND: Kind = Kind::ActivationRequest;
    /// Small enough that a file with as many as a store may hold is still within
    /// [`MAX_INPUT`](crate::MAX_INPUT) as text.
    const LIMIT: usize = 4 * 1024;

    fn validate(&self) -> Result<()> {
        check_product(&self.product)?;
        check_text("license key", &self.license_key, MAX_NAME)?;
        check_text("library version", &self.library, MAX_NAME)?;
        check_text("application version", &self.application, MAX_NAME)?;
        check_metadata(&self.metadata)?;
        self.fingerprint.validate()?;
        check_others(&self.extensions, |extension| extension.id == REPLACES && self.replaces().is_some())
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![
            ("Product", self.product.clone()),
            ("Seat", self.handle.to_string()),
            ("Created", self.created.to_string()),
        ]
    }
}

impl ActivationRequest {
    /// Verifies a single activation request in any form (bytes, armored text, base64url) under the device key
    /// that it names. What that shows: whoever made it holds that key.
    ///
    /// Fails as [`License::verify`](crate::License) does, less the kinds that concern issuers.
    pub fn verify(input: &[u8]) -> Result<Self> {
        Self::open_self_signed(frame::read_one(input, Kind::ActivationRequest)?)
    }

    pub(crate) fn open_self_signed(message: Incoming) -> Result<Self> {
        let frame = message.frame()?;
        frame::expect(&frame, Kind::ActivationRequest)?;
        let key = frame.body.get(..32).ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "the activation request is cut off: it has no device key")
        })?;
        let key = PublicKey::from_bytes(first(key))?;
        Self::open(message, &key)
    }
}

impl RequestBody {
    /// Whether `secret` is the one that this request committed to. Takes as long as 100,000 rounds of
    /// PBKDF2-HMAC-SHA256 take, some 20 to 100 ms, and the same time for every wrong secret.
    pub fn commits_to(&self, secret: &ReleaseSecret) -> bool {
        verify_commitment(secret, self.handle, &self.device_key, &self.release_commitment)
    }
}

impl std::fmt::Debug for RequestBody {
    /// Without the license key, which is as good as the license.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActivationRequest")
            .field("product", &self.product)
            .field("handle", &self.handle)
            .field("device_key", &self.device_key.id())
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

const ROUNDS: NonZeroU32 = NonZeroU32::new(100_000).expect("not zero");

/// PBKDF2-HMAC-SHA256, 100,000 rounds, over the secret's 8 bytes, salted with the handle's 4 (little-endian) and the
/// device key's 32 (docs/PROTOCOL.md, The phone code).
pub(crate) fn commitment(secret: &ReleaseSecret, handle: Handle, device_key: &PublicKey) -> [u8; 32] {
    let mut output = [0; 32];
    let mut salt = [0; 36];
    salt[..4].copy_from_slice(&handle.get().to_le_bytes());
    salt[4..].copy_from_slice(device_key.as_bytes());
    secret::cleared_after(|| {
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, secret.as_bytes(), &mut output);
    });
    output
}

/// Whether `committed` is the commitment to `secret`, compared in constant time.
pub(crate) fn verify_commitment(
    secret: &ReleaseSecret,
    handle: Handle,
    device_key: &PublicKey,
    committed: &[u8; 32],
) -> bool {
    commitment(secret, handle, device_key).ct_eq(committed).into()
}
