//! What the device hands over, in every form a customer can carry.

use std::{fmt, sync::Arc};

use crate::{
    ActivationRequest, CheckInRequest, Error, Reason, RecoveryRequest, Result, Timestamp,
    code::{DeactivationCode, Handle, base32},
    message::{
        Body, Kind, LicenseBody, ReceiptBody, RevocationBody, armor,
        frame::{self, Frame, Incoming},
        proof, signed,
    },
    record::{GivenUp, Record},
};

/// The forms that a file of messages has besides bytes and text.
macro_rules! renderings {
    () => {
        /// The same as one line of base64url, for links and fields.
        pub fn to_base64url(&self) -> String {
            frame::base64url(&self.to_bytes())
        }

        compact_renderings!(to_bytes);
    };
}

/// Those of them that a QR code is made of.
macro_rules! compact_renderings {
    ($bytes:ident) => {
        /// The same as one line of base32, which a QR code stores most compactly.
        pub fn to_base32(&self) -> String {
            base32::encode(&self.$bytes())
        }

        /// A QR code of the same as an SVG image: `link`, then the file in base32. With a link that ends in `#` the
        /// phone that scans it lands on the vendor's page, and what it carries reaches no server log.
        ///
        /// Fails with [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) when that is more than a QR code holds.
        #[cfg(feature = "qr")]
        pub fn qr_svg(&self, link: &str) -> Result<String> {
            crate::qr::svg(link.to_owned() + &self.to_base32())
        }

        /// The squares of the same, for programs that draw it themselves.
        #[cfg(feature = "qr")]
        pub fn qr_modules(&self, link: &str) -> Result<crate::qr::Modules> {
            crate::qr::modules(link.to_owned() + &self.to_base32())
        }

        /// The same for a terminal.
        #[cfg(feature = "qr")]
        pub fn qr_terminal(&self, link: &str) -> Result<String> {
            crate::qr::terminal(link.to_owned() + &self.to_base32())
        }
    };
}

/// An activation request that waits for its license, with the proofs that have not been acknowledged: the authority
/// frees those seats and issues the license in one transaction.
///
/// ```
/// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
/// # let root = SigningKey::generate(&SystemRandom)?.public_key();
/// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
/// # let license_key = nodelock::code::LicenseKey::generate(&SystemRandom)?.to_string();
/// # client.begin(&license_key)?;
/// let request = client.pending()?.expect("it was asked for");
/// let (file, mail, field) = (request.to_bytes(), request.to_text(), request.to_base64url());
/// # assert!(file.len() < field.len() && field.len() < mail.len());
/// # Ok::<(), nodelock::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PendingRequest {
    request: ActivationRequest,
    recovery: Option<RecoveryRequest>,
    last_word: Option<Vec<u8>>,
    releases: Vec<Deactivation>,
}

impl PendingRequest {
    pub(super) fn new(
        request: ActivationRequest,
        recovery: Option<RecoveryRequest>,
        record: &Record,
    ) -> Result<Self> {
        let releases = record.outstanding.iter().map(Deactivation::new).collect::<Result<_>>()?;
        let last_word = record.last_word.as_ref().map(|word| word.0.clone());
        Ok(Self { request, recovery, last_word, releases })
    }

    /// The request itself.
    pub fn request(&self) -> &ActivationRequest {
        &self.request
    }

    /// The statement that goes along when the request replaces a seat whose record was lost.
    pub fn recovery(&self) -> Option<&RecoveryRequest> {
        self.recovery.as_ref()
    }

    /// The seats given up that it carries along.
    pub fn releases(&self) -> &[Deactivation] {
        &self.releases
    }

    /// The file: the request, or a bundle that begins with it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let recovery = self.recovery.as_ref().map(RecoveryRequest::as_bytes);
        let own = [Some(self.request.as_bytes()), recovery, self.last_word.as_deref()];
        let releases = self.releases.iter().flat_map(Deactivation::messages);
        frame::bundle(&own.into_iter().flatten().chain(releases).collect::<Vec<_>>())
    }

    /// The same as armored text, for mail and forms.
    pub fn to_text(&self) -> String {
        let recovery = self.recovery.iter().map(RecoveryRequest::to_text);
        let releases = self.releases.iter().map(Deactivation::to_text);
        let last_word = self.last_word.iter().filter_map(|word| armored(word));
        recovery
            .chain(last_word)
            .chain(releases)
            .fold(self.request.to_text(), |text, message| text + "\n" + &message)
    }

    renderings!();
}

/// The largest check-in file that is put into a QR code whole: with a link it stays below what one holds.
const MAX_SCANNED: usize = 2000;

/// A check-in with the license that it is about and the last receipt or revocation that the device got: an authority
/// whose ledger was restored to an earlier copy may have forgotten both.
#[derive(Clone, Debug)]
pub struct CheckIn {
    request: CheckInRequest,
    license: Vec<u8>,
    last_word: Option<Vec<u8>>,
}

impl CheckIn {
    pub(super) fn new(request: CheckInRequest, license: Vec<u8>, last_word: Option<&[u8]>) -> Self {
        Self { request, license, last_word: last_word.map(<[u8]>::to_vec) }
    }

    /// The check-in itself.
    pub fn request(&self) -> &CheckInRequest {
        &self.request
    }

    /// The file: a bundle that begins with the check-in.
    pub fn to_bytes(&self) -> Vec<u8> {
        let along = self.last_word.as_deref();
        let messages = [self.request.as_bytes(), &self.license].into_iter().chain(along);
        frame::bundle(&messages.collect::<Vec<_>>())
    }

    /// The same as armored text, for mail and forms.
    pub fn to_text(&self) -> String {
        let along = std::iter::once(&self.license).chain(&self.last_word);
        along
            .filter_map(|message| armored(message))
            .fold(self.request.to_text(), |text, message| text + "\n" + &message)
    }

    /// The same as one line of base64url, for links and fields.
    pub fn to_base64url(&self) -> String {
        frame::base64url(&self.to_bytes())
    }

    /// What a QR code holds: the file, or of a larger one the check-in alone.
    fn compact_bytes(&self) -> Vec<u8> {
        let file = self.to_bytes();
        if file.len() <= MAX_SCANNED { file } else { self.request.as_bytes().to_vec() }
    }

    compact_renderings!(compact_bytes);
}

/// A message of the authority as armored text; none for one that this version cannot read.
fn armored(envelope: &[u8]) -> Option<String> {
    fn headers<T: Body>(message: &Incoming) -> Option<Vec<(&'static str, String)>> {
        signed::parse::<T>(message).ok().map(|body| body.headers())
    }
    let message = Incoming::new(envelope.to_vec());
    let kind = message.frame().ok()?.kind;
    let headers = match kind {
        Kind::License => headers::<LicenseBody>(&message),
        Kind::DeactivationReceipt => headers::<ReceiptBody>(&message),
        _ => headers::<RevocationBody>(&message),
    };
    Some(armor::write(kind, &headers?, envelope))
}

/// A seat given up: one act, in every form it can be handed over. Showing it again shows the same.
///
/// ```
/// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
/// # let root = SigningKey::generate(&SystemRandom)?.public_key();
/// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
/// # let license_key = nodelock::code::LicenseKey::generate(&SystemRandom)?.to_string();
/// # client.begin(&license_key)?;
/// let given_up = client.cancel()?;
/// assert_eq!(given_up.code().to_string().len(), 29); // 17KX2-M928T-5CY4T-QKFFW-EZFWM
/// assert!(given_up.to_text().starts_with("-----BEGIN NODELOCK DEACTIVATION PROOF-----"));
/// # let _: Option<&nodelock::Deactivation> = Some(&given_up);
/// # Ok::<(), nodelock::Error>(())
/// ```
#[derive(Clone)]
pub struct Deactivation {
    code: DeactivationCode,
    proof: Vec<u8>,
    headers: Vec<(&'static str, String)>,
    // Boxed, because where there is none, moving this value to a list copies what happened to lie on the stack.
    request: Option<Box<ActivationRequest>>,
    time: Timestamp,
    reason: Reason,
    pub(super) tombstone_error: Option<Arc<Error>>,
}

impl Deactivation {
    pub(super) fn new(given_up: &GivenUp) -> Result<Self> {
        let request = given_up.request.as_ref().map(|request| {
            ActivationRequest::open_self_signed(Incoming::new(request.0.clone())).map(Box::new)
        });
        Ok(Self {
            code: DeactivationCode::new(given_up.activation.handle, given_up.activation.secret.clone()),
            headers: proof::claimed(&Frame::parse(&given_up.proof)?)?.headers(),
            proof: given_up.proof.0.clone(),
            request: request.transpose()?,
            time: given_up.time,
            reason: given_up.reason,
            tombstone_error: None,
        })
    }

    /// The seat.
    pub fn handle(&self) -> Handle {
        self.code.handle()
    }

    /// When it was given up, by the local clock.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Why no tombstone could be left, in the result of the call that gave the seat up: a warning. The seat is given up
    /// all the same, but a copy of the store from before may go unnoticed by [`Client::check`](crate::Client::check)
    /// until its lease ends. Any later change of the store tries again.
    pub fn tombstone_error(&self) -> Option<&Error> {
        self.tombstone_error.as_deref()
    }

    /// The code to read over the phone: 25 symbols in five groups.
    pub fn code(&self) -> &DeactivationCode {
        &self.code
    }

    /// The signed proof: at most 110 bytes.
    pub fn proof(&self) -> &[u8] {
        &self.proof
    }

    /// The file: the proof, or, for a request that was cancelled, a bundle of the proof and the request, because the
    /// authority may never have seen that.
    pub fn to_bytes(&self) -> Vec<u8> {
        frame::bundle(&self.messages().collect::<Vec<_>>())
    }

    /// The same as armored text, for mail and forms.
    pub fn to_text(&self) -> String {
        let proof = armor::write(Kind::DeactivationProof, &self.headers, &self.proof);
        match &self.request {
            Some(request) => proof + "\n" + &request.to_text(),
            None => proof,
        }
    }

    renderings!();

    fn messages(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.proof.as_slice()).chain(self.request.as_ref().map(|request| request.as_bytes()))
    }
}

impl fmt::Debug for Deactivation {
    /// Without the code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deactivation")
            .field("handle", &self.handle())
            .field("time", &self.time)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
