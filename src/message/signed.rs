//! A body that exists only verified, together with the bytes that were.

use std::{fmt, ops::Deref, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Certificate, CertificateBody, ChangedHeader, LicenseBody, ReceiptBody, RequestBody, RevocationBody,
    Roots, armor,
    frame::{self, Frame, Incoming, Kind, Signer},
};
#[cfg(feature = "authority")]
use super::{CheckInBody, PreflightBody, ProofBody, RecoveryBody};
use crate::{Error, ErrorKind, PublicKey, Result, SigningKey, Timestamp, codec, keys::sha256};

/// The content of one kind of message. Implemented by this crate only.
///
/// Its bytes are those of `docs/FORMAT.md`, which its serde form is there for. What another serializer makes of it is
/// no promise.
pub trait Body: Serialize + DeserializeOwned + private::Sealed {
    /// Which kind of message carries it.
    const KIND: Kind;
    /// The largest encoded body, in bytes.
    const LIMIT: usize;
    /// Checks what the encoding alone does not: lengths of text, order of lists, unknown critical extensions.
    #[doc(hidden)]
    fn validate(&self) -> Result<()>;
    /// The readable headers of the text form.
    #[doc(hidden)]
    fn headers(&self) -> Vec<(&'static str, String)>;
}

/// A body that an authority signs: of a license, a receipt, a revocation or a certificate. Implemented by this crate
/// only.
pub trait AuthorityBody: Body {
    /// When the authority signed it, by its own account: the issuer's certificate must have been valid then.
    #[doc(hidden)]
    fn signed_at(&self) -> Timestamp;
    /// Fails unless the issuer of that certificate may sign it.
    #[doc(hidden)]
    fn check_certificate(&self, certificate: &CertificateBody) -> Result<()> {
        certificate.check_time(self.signed_at())
    }
}

pub(crate) mod private {
    pub trait Sealed {}
}

/// A verified message: its content, reached by dereferencing, and the bytes that were verified.
///
/// There is no way to have one that was not verified or signed here. Cloning shares the bytes.
#[derive(Clone)]
pub struct Signed<T> {
    body: T,
    envelope: Arc<[u8]>,
    certificate: Option<Arc<Certificate>>,
    changed: Vec<ChangedHeader>,
}

impl<T> Signed<T> {
    /// The verified content. Dereferencing gives the same.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// # let status = client.check()?;
    /// # let license = status.license().expect("it is activated");
    /// let body: nodelock::LicenseBody = license.body().clone();
    /// assert_eq!(body.product, "Example Editor");
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn body(&self) -> &T {
        &self.body
    }
}

impl<T: Body> Signed<T> {
    /// The envelope's bytes: what is stored, sent as a file and put in front of [`verify`](Self::verify).
    pub fn as_bytes(&self) -> &[u8] {
        &self.envelope
    }

    /// The armored text form, with readable headers.
    pub fn to_text(&self) -> String {
        armor::write(T::KIND, &self.body.headers(), &self.envelope)
    }

    /// One line of base64url without padding, for links and fields.
    pub fn to_base64url(&self) -> String {
        frame::base64url(&self.envelope)
    }

    /// The readable headers of the text that it was read from that say something else than was signed, each with its
    /// signed value. They prove nothing, so the message is what it is without them; tell people, who may have read
    /// them.
    pub fn changed_headers(&self) -> &[ChangedHeader] {
        &self.changed
    }

    /// The SHA-256 of the body. Never of the signature, which has more than one valid form.
    pub fn digest(&self) -> [u8; 32] {
        let frame = Frame::parse(&self.envelope).expect("the envelope was parsed when it was verified");
        sha256(frame.body)
    }

    /// Signs a body with a device's own key.
    pub(crate) fn sign_by_device(body: T, key: &SigningKey) -> Result<Self> {
        Self::sign(body, key, None, None)
    }

    /// Signs a body with a root's key, or an issuer's under its certificate.
    #[cfg(any(feature = "authority", test))]
    pub(crate) fn sign_by_authority(
        body: T,
        key: &SigningKey,
        certificate: Option<&Arc<Certificate>>,
    ) -> Result<Self> {
        let signer = Signer {
            key_id: *key.public_key().id().as_bytes(),
            certificate: certificate.map_or(&[], |c| c.as_bytes()),
        };
        Self::sign(body, key, Some(signer), certificate.cloned())
    }

    fn sign(
        body: T,
        key: &SigningKey,
        signer: Option<Signer<'_>>,
        certificate: Option<Arc<Certificate>>,
    ) -> Result<Self> {
        body.validate()?;
        let envelope = sign_body(T::KIND, &codec::encode(&body)?, T::LIMIT, key, signer)?;
        Ok(Self { body, envelope, certificate, changed: Vec::new() })
    }

    /// Verifies the bytes under `key`, then parses those very bytes.
    pub(crate) fn open(message: Incoming, key: &PublicKey) -> Result<Self> {
        let body = open_frame::<T>(&message, key)?;
        Ok(Self::new(body, message, None))
    }

    fn new(body: T, message: Incoming, certificate: Option<Arc<Certificate>>) -> Self {
        let changed = match &message.head {
            Some(head) => armor::changed(head, T::KIND, &body.headers()),
            None => Vec::new(),
        };
        Self { body, envelope: message.envelope.into(), certificate, changed }
    }
}

impl<T: AuthorityBody> Signed<T> {
    /// Verifies a message in any form (bytes, armored text, base64url) against the vendor's root keys.
    ///
    /// Fails with [`ErrorKind::TooLarge`], [`Malformed`](ErrorKind::Malformed),
    /// [`WrongType`](ErrorKind::WrongType), [`UnsupportedVersion`](ErrorKind::UnsupportedVersion),
    /// [`UntrustedSigner`](ErrorKind::UntrustedSigner), [`BadSignature`](ErrorKind::BadSignature),
    /// [`CertificateExpired`](ErrorKind::CertificateExpired), [`LeaseTooLong`](ErrorKind::LeaseTooLong),
    /// [`WeakKey`](ErrorKind::WeakKey), [`CriticalExtension`](ErrorKind::CriticalExtension) or
    /// [`SeveralMessages`](ErrorKind::SeveralMessages).
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// use nodelock::License;
    ///
    /// # let status = client.check()?;
    /// # let text = status.license().expect("it is activated").to_text();
    /// let license = License::verify(text.as_bytes(), &authority.roots())?;
    /// println!("{} for {}", license.product, license.licensee);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn verify(input: &[u8], roots: &Roots) -> Result<Self> {
        Self::open_by_authority(frame::read_one(input, T::KIND)?, roots)
    }

    /// The issuer's certificate; none if a root signed the message itself.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_deref()
    }

    pub(crate) fn open_by_authority(message: Incoming, roots: &Roots) -> Result<Self> {
        let (key, certificate) = resolve(&message, T::KIND, roots)?;
        let body = open_frame::<T>(&message, &key)?;
        if let Some(certificate) = &certificate {
            body.check_certificate(certificate)?;
        }
        Ok(Self::new(body, message, certificate))
    }
}

// What does not depend on the type of the body is apart from it, so that there is one of it and not one for each kind
// of message.

fn sign_body(
    kind: Kind,
    body: &[u8],
    limit: usize,
    key: &SigningKey,
    signer: Option<Signer<'_>>,
) -> Result<Arc<[u8]>> {
    if body.len() > limit {
        return Err(Error::length(kind.words(), "bytes", body.len(), 0, limit));
    }
    let signature = key.sign(&frame::pre_authentication_encoding(kind.media_type(), body))?;
    Ok(Frame { kind, signer, body, signature: &signature }.to_bytes().into())
}

fn resolve(message: &Incoming, kind: Kind, roots: &Roots) -> Result<(PublicKey, Option<Arc<Certificate>>)> {
    let frame = message.frame()?;
    frame::expect(&frame, kind)?;
    let signer =
        frame.signer.ok_or_else(|| Error::new(ErrorKind::Malformed, "the message names no signer"))?;
    let (key, certificate) = roots.resolve(signer, kind).map_err(|error| message.blame(error))?;
    Ok((key, certificate.map(Arc::new)))
}

fn open_frame<T: Body>(message: &Incoming, key: &PublicKey) -> Result<T> {
    verify(message, T::KIND, T::LIMIT, key)?;
    parse(message)
}

/// The body of a message, whether or not anybody signed it: to find out which key must have. What is wrong with it by
/// itself is refused here.
pub(crate) fn parse<T: Body>(message: &Incoming) -> Result<T> {
    let frame = message.frame()?;
    frame::expect(&frame, T::KIND)?;
    let body: T =
        codec::decode(frame.body, T::LIMIT, T::KIND.words()).map_err(|error| message.blame(error))?;
    body.validate().map_err(|e| match e.kind() {
        ErrorKind::InvalidInput => e.with_kind(ErrorKind::Malformed),
        _ => e,
    })?;
    Ok(body)
}

/// Whether a message has a body of its kind, to the last byte. Nothing else is checked. A client alone does not know
/// what devices send, and takes none of it.
pub(super) fn is_whole(message: &Incoming) -> bool {
    fn has<T: Body>(body: &[u8]) -> bool {
        codec::decode::<T>(body, T::LIMIT, "body").is_ok()
    }
    message.frame().is_ok_and(|Frame { kind, body, .. }| match kind {
        Kind::License => has::<LicenseBody>(body),
        Kind::DeactivationReceipt => has::<ReceiptBody>(body),
        Kind::Revocation => has::<RevocationBody>(body),
        Kind::IssuerCertificate => has::<CertificateBody>(body),
        Kind::ActivationRequest => has::<RequestBody>(body),
        #[cfg(feature = "authority")]
        Kind::DeactivationProof => has::<ProofBody>(body),
        #[cfg(feature = "authority")]
        Kind::CheckInRequest => has::<CheckInBody>(body),
        #[cfg(feature = "authority")]
        Kind::PreflightRequest => has::<PreflightBody>(body),
        #[cfg(feature = "authority")]
        Kind::RecoveryRequest => has::<RecoveryBody>(body),
        #[cfg(not(feature = "authority"))]
        _ => true,
    })
}

/// Fails unless `key` signed the message.
fn verify(message: &Incoming, kind: Kind, limit: usize, key: &PublicKey) -> Result<()> {
    let frame = message.frame()?;
    frame::expect(&frame, kind)?;
    if frame.body.len() > limit {
        return Err(Error::too_large(kind.words(), frame.body.len(), limit));
    }
    key.verify(&frame::pre_authentication_encoding(kind.media_type(), frame.body), frame.signature).map_err(
        |_| {
            let text = format!("the signature does not fit the {}: it was changed, or cut off", kind.words());
            message.blame(Error::new(ErrorKind::BadSignature, text))
        },
    )
}

/// Whether `key` signed an envelope of that kind.
#[cfg(feature = "authority")]
pub(crate) fn is_signed_by(kind: Kind, envelope: &[u8], key: &PublicKey) -> bool {
    let Ok(frame) = Frame::parse(envelope) else { return false };
    let signed = frame::pre_authentication_encoding(kind.media_type(), frame.body);
    frame.kind == kind && key.verify(&signed, frame.signature).is_ok()
}

impl<T> Deref for Signed<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.body
    }
}

impl<T: fmt::Debug> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.body.fmt(f)
    }
}

impl<T> PartialEq for Signed<T> {
    /// Equal when the very bytes are.
    fn eq(&self, other: &Self) -> bool {
        self.envelope == other.envelope
    }
}

impl<T> Eq for Signed<T> {}
