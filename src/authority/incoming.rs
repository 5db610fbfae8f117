//! Reading what devices hand over.

use std::{fmt, sync::Arc};

use super::verification::Verification;
use crate::{
    ActivationRequest, Binding, DeactivationReceipt, Error, ErrorKind, Kind, License, LicenseBody, Page,
    PublicKey, ReceiptBody, RecoveryRequest, Result, Revocation, RevocationBody, Roots, Timestamp,
    code::{DeactivationCode, Handle, Reading},
    keys::sha256,
    message::{
        Body, CheckInBody, PreflightBody, ProofBody,
        frame::{self, Frame, Incoming, Opened, Wanted},
        signed,
    },
};

/// A message that was read and is not verified: that takes the key of the device that holds the seat.
#[derive(Clone)]
pub(super) struct Claimed<T> {
    pub(super) body: T,
    pub(super) digest: [u8; 32],
    envelope: Arc<[u8]>,
}

impl<T: Body> Claimed<T> {
    fn read(message: Incoming) -> Result<Self> {
        let body = signed::parse(&message)?;
        let digest = sha256(message.frame()?.body);
        Ok(Self { body, digest, envelope: message.envelope.into() })
    }

    /// Finds out whether an authority of these roots signed it.
    pub(super) fn issued_by(&self, roots: &Arc<Roots>) -> Verification {
        Verification::issued(T::KIND, &self.envelope, roots)
    }

    /// Finds out whether `signer` signed it.
    pub(super) fn signed_by(&self, signer: &PublicKey) -> Verification {
        Verification::signature(T::KIND, &self.envelope, signer)
    }
}

/// What a device hands over, and what comes along with it. A text may hold the authority's earlier answers too, which
/// mail quotes.
const HANDED_IN: Wanted<'static> = Wanted {
    kinds: &[Kind::ActivationRequest, Kind::DeactivationProof, Kind::CheckInRequest],
    along: &[Kind::RecoveryRequest, Kind::DeactivationReceipt, Kind::Revocation, Kind::License],
};

/// The messages that a device hands over. In a text those from the first of `kind` on count, and what can be of no use
/// there is passed over: mail quotes earlier mail below.
fn handed_in(input: &[u8], kind: Kind) -> Result<Messages> {
    chosen(Opened::of(input)?.wanted(HANDED_IN)?, kind)
}

/// Of the messages that are handed in, those from the first of `kind` on.
fn chosen(mut messages: Vec<Incoming>, kind: Kind) -> Result<Messages> {
    let along: &[Kind] = match kind {
        Kind::ActivationRequest => {
            &[Kind::RecoveryRequest, Kind::DeactivationReceipt, Kind::Revocation, Kind::DeactivationProof]
        }
        Kind::CheckInRequest => &[Kind::License, Kind::DeactivationReceipt, Kind::Revocation],
        _ => &[Kind::ActivationRequest],
    };
    if let Some(first) = messages.first().filter(|first| first.head.is_some()) {
        // What comes first is what is meant.
        frame::expect(&first.frame()?, kind)?;
        messages.retain(|message| message.kind().is_some_and(|k| k == kind || along.contains(&k)));
    }
    Ok(messages.into_iter().peekable())
}

/// What somebody hands to an authority, of whichever kind it is. The input is gone through once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HandedIn {
    /// A request for a seat, with the seats that the device gave up before.
    Activation(Box<ActivationFile>),
    /// Proofs, each with the request that it cancels if that came along.
    Releases(Vec<ReleaseClaim>),
    /// A device's request for a renewal.
    CheckIn(Box<CheckInClaim>),
    /// A license, a receipt or a revocation of these roots: it belongs on a device.
    Issued(Kind),
}

impl HandedIn {
    /// Reads an input in any form. `roots` tell what this authority signed.
    ///
    /// Fails with [`ErrorKind::WrongType`] for a message that is nothing of this, and otherwise as
    /// [`ActivationFile::read`], [`ReleaseClaim::read_all`] and [`CheckInClaim::read`] do.
    pub fn read(input: &[u8], roots: &Roots) -> Result<Self> {
        let opened = Opened::of(input)?;
        let issued = [Kind::License, Kind::DeactivationReceipt, Kind::Revocation];
        let issued = issued.into_iter().find(|kind| opened.has(&[*kind]));
        if let Some(kind) = issued.filter(|_| !opened.has(HANDED_IN.kinds)) {
            let message = frame::one(opened, kind)?;
            return match kind {
                Kind::License => License::open_by_authority(message, roots).map(drop),
                Kind::DeactivationReceipt => DeactivationReceipt::open_by_authority(message, roots).map(drop),
                _ => Revocation::open_by_authority(message, roots).map(drop),
            }
            .map(|()| Self::Issued(kind));
        }
        let messages = opened.wanted(HANDED_IN)?;
        let first = messages.first().ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "the input has 0 messages; 1 or more are expected")
        })?;
        let kind = first.frame()?.kind;
        Ok(match kind {
            Kind::ActivationRequest => Self::Activation(ActivationFile::of(chosen(messages, kind)?)?.into()),
            Kind::DeactivationProof => Self::Releases(ReleaseClaim::all_of(chosen(messages, kind)?)?),
            Kind::CheckInRequest => Self::CheckIn(CheckInClaim::of(chosen(messages, kind)?)?.into()),
            _ => {
                let text = format!("found: {}; expected here: what a device hands in", kind.words());
                return Err(Error::new(ErrorKind::WrongType, text));
            }
        })
    }
}

/// An activation request with the releases that came along, verified as far as it says itself who signed it.
#[derive(Clone)]
pub struct ActivationFile {
    pub(super) request: ActivationRequest,
    pub(super) releases: Vec<ReleaseClaim>,
    pub(super) recovery: Option<RecoveryRequest>,
    pub(super) last: Option<LastWord>,
    chosen: Option<Handle>,
}

impl ActivationFile {
    /// Reads an activation file in any form: bytes, armored text, base64url, base32 behind a link.
    ///
    /// Fails as [`ActivationRequest::verify`] does.
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// # let license_key = nodelock::code::LicenseKey::generate(&SystemRandom)?.to_string();
    /// # client.begin(&license_key)?;
    /// use nodelock::authority::ActivationFile;
    /// # let upload = client.pending()?.unwrap().to_text();
    ///
    /// let file = ActivationFile::read(upload.as_bytes())?;
    /// println!("a seat is asked for by license key {}", file.request().license_key);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn read(input: &[u8]) -> Result<Self> {
        Self::of(handed_in(input, Kind::ActivationRequest)?)
    }

    fn of(mut messages: Messages) -> Result<Self> {
        let mut file = Self::next(&mut messages)?;
        // Mail that quotes earlier mail has several requests: the newest of the device counts.
        while messages.peek().is_some() {
            let other = Self::next(&mut messages)?;
            if other.request.device_key != file.request.device_key {
                return Err(frame::several(Kind::ActivationRequest));
            }
            if other.request.created > file.request.created {
                file = other;
            } else if other.request == file.request {
                // The same once more: what comes along may stand with either.
                file.recovery = file.recovery.or(other.recovery);
                file.last = file.last.or(other.last);
                ReleaseClaim::merge(&mut file.releases, other.releases);
            }
        }
        Ok(file)
    }

    /// A request with what comes along, up to the next request of its own.
    fn next(messages: &mut Messages) -> Result<Self> {
        let first = messages.next().ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "the activation file has 0 requests; 1 is expected")
        })?;
        let request = ActivationRequest::open_self_signed(first)?;
        let is_recovery = |message: &Incoming| message.frame().is_ok_and(|f| f.kind == Kind::RecoveryRequest);
        let recovery = messages.next_if(is_recovery).map(RecoveryRequest::open_self_signed).transpose()?;
        if let Some(recovery) = &recovery
            && (recovery.device_key != request.device_key
                || recovery.product != request.product
                || recovery.request != request.digest())
        {
            let text = "the recovery request is for another activation request than it came with";
            return Err(Error::new(ErrorKind::WrongRequest, text));
        }
        let last = LastWord::next_if(messages)?;
        Ok(Self { request, releases: ReleaseClaim::collect(messages)?, recovery, last, chosen: None })
    }

    /// The request.
    pub fn request(&self) -> &ActivationRequest {
        &self.request
    }

    /// The seats that the device gave up before and has no receipt for.
    pub fn releases(&self) -> &[ReleaseClaim] {
        &self.releases
    }

    /// The same request without what came along for these seats: for a host that must not take that in now.
    pub fn without(&self, seats: &[Handle]) -> Self {
        let mut file = self.clone();
        file.releases.retain(|claim| !seats.contains(&claim.handle()));
        file
    }

    /// The same request in place of a seat, if no seat is free: the choice of a customer who hands it in by hand, and
    /// who was told of the seats that there are. A request that names a seat itself stays with that.
    pub fn replacing(self, seat: Handle) -> Self {
        Self { chosen: Some(seat), ..self }
    }

    /// The seat whose place the request may take.
    pub(super) fn replaces(&self) -> Option<Handle> {
        self.request.replaces().or(self.chosen)
    }

    /// Whether the device says that its store was lost, and asks for a seat in place of what it held. A request with a
    /// license key recovers nothing.
    pub fn is_recovery(&self) -> bool {
        self.recovery.is_some() && self.request.license_key.is_empty()
    }
}

impl fmt::Debug for ActivationFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivationFile")
            .field("request", &self.request)
            .field("releases", &self.releases)
            .field("is_recovery", &self.is_recovery())
            .finish()
    }
}

/// A deactivation proof that is not verified yet, with the request that it cancels if that came along.
#[derive(Clone)]
pub struct ReleaseClaim {
    pub(super) proof: Claimed<ProofBody>,
    pub(super) request: Option<ActivationRequest>,
}

impl ReleaseClaim {
    /// Reads a deactivation file in any form: bytes, armored text, base64url, base32 behind a link.
    ///
    /// Fails with [`ErrorKind::TooLarge`], [`ErrorKind::Malformed`], [`ErrorKind::WrongType`] and the other kinds of
    /// [`ActivationRequest::verify`].
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// # let license_key = nodelock::code::LicenseKey::generate(&SystemRandom)?.to_string();
    /// # client.begin(&license_key)?;
    /// use nodelock::authority::ReleaseClaim;
    /// # let upload = client.cancel()?.to_text();
    ///
    /// let claim = ReleaseClaim::read(upload.as_bytes())?;
    /// println!("seat {} is said to be given up", claim.handle());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn read(input: &[u8]) -> Result<Self> {
        let mut claims = Self::read_all(input)?;
        let count = claims.len();
        match (claims.pop(), count) {
            (Some(claim), 1) => Ok(claim),
            _ => {
                let text = format!("the file has {count} deactivation proofs; 1 is expected");
                Err(Error::new(ErrorKind::WrongType, text))
            }
        }
    }

    /// Reads a file of any number of proofs, in any form. Fails as [`read`](Self::read) does.
    pub fn read_all(input: &[u8]) -> Result<Vec<Self>> {
        Self::all_of(handed_in(input, Kind::DeactivationProof)?)
    }

    fn all_of(mut messages: Messages) -> Result<Vec<Self>> {
        let mut claims = Self::collect(&mut messages)?;
        while messages.next().is_some() {
            // A request that no proof is about, which mail quotes.
            Self::merge(&mut claims, Self::collect(&mut messages)?);
        }
        Ok(claims)
    }

    /// Proofs, each followed by its request if that was cancelled before a license came. In a text each proof counts
    /// once, up to a request that is about none of them.
    fn collect(messages: &mut Messages) -> Result<Vec<Self>> {
        let (mut claims, mut is_any_text): (Vec<Self>, _) = (Vec::new(), false);
        while let Some(message) = messages.peek() {
            let (kind, is_text) = (message.frame()?.kind, message.head.is_some());
            match (kind, claims.last_mut()) {
                (Kind::ActivationRequest, Some(claim)) if claim.request.is_none() => {
                    let request = ActivationRequest::open_self_signed(message.clone())?;
                    if is_text && !claim.is_about(&request) {
                        break;
                    }
                    claim.attach(request)?;
                }
                (Kind::ActivationRequest, _) if is_text => break,
                // A text may have earlier answers in any place.
                (Kind::DeactivationReceipt | Kind::Revocation | Kind::RecoveryRequest, _) if is_text => {}
                _ => claims.push(Self { proof: Claimed::read(message.clone())?, request: None }),
            }
            is_any_text |= is_text;
            messages.next();
        }
        if is_any_text {
            let found = std::mem::take(&mut claims);
            Self::merge(&mut claims, found);
        }
        Ok(claims)
    }

    /// Adds the claims that are not among those yet. The request that one cancels may stand with either.
    fn merge(claims: &mut Vec<Self>, more: Vec<Self>) {
        for claim in more {
            match claims.iter_mut().find(|known| known.envelope() == claim.envelope()) {
                Some(known) => known.request = known.request.take().or(claim.request),
                None => claims.push(claim),
            }
        }
    }

    fn attach(&mut self, request: ActivationRequest) -> Result<()> {
        if !self.is_about(&request) {
            let text = format!("the request in the deactivation file is not for seat {}", self.handle());
            return Err(Error::new(ErrorKind::WrongRequest, text));
        }
        self.request = Some(request);
        Ok(())
    }

    /// The seat that it claims to give up. Nothing is verified.
    pub fn handle(&self) -> Handle {
        self.proof.body.handle
    }

    /// The request that was cancelled, if it came along. It names the device key, so that a seat that was never granted
    /// can be remembered as cancelled.
    pub fn request(&self) -> Option<&ActivationRequest> {
        self.request.as_ref()
    }

    /// What a receipt for this proof is bound to.
    pub fn binding(&self) -> Binding {
        Binding::Proof(self.proof.digest)
    }

    pub(super) fn envelope(&self) -> &[u8] {
        &self.proof.envelope
    }

    /// Whether it names that very request; who signed it is another question.
    pub(crate) fn is_about(&self, request: &ActivationRequest) -> bool {
        self.proof.body.handle == request.handle && self.proof.body.request == request.digest()[..8]
    }
}

impl fmt::Debug for ReleaseClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReleaseClaim").field("handle", &self.handle()).finish_non_exhaustive()
    }
}

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

/// What the authority said last to end a seat, as its device keeps it. A ledger that was restored may have forgotten
/// it.
#[derive(Clone)]
pub(super) enum LastWord {
    Receipt(Claimed<ReceiptBody>),
    Revocation(Claimed<RevocationBody>),
}

impl LastWord {
    /// The next message, if it is one.
    fn next_if(messages: &mut Messages) -> Result<Option<Self>> {
        let kind = messages.peek().map(|message| message.frame().map(|frame| frame.kind)).transpose()?;
        let read = match kind {
            Some(Kind::DeactivationReceipt) => |message| Claimed::read(message).map(Self::Receipt),
            Some(Kind::Revocation) => |message| Claimed::read(message).map(Self::Revocation),
            _ => return Ok(None),
        };
        messages.next().map(read).transpose()
    }

    pub(super) fn handle(&self) -> Handle {
        match self {
            Self::Receipt(word) => word.body.handle,
            Self::Revocation(word) => word.body.handle,
        }
    }

    pub(super) fn device_key(&self) -> PublicKey {
        match self {
            Self::Receipt(word) => word.body.device_key,
            Self::Revocation(word) => word.body.device_key,
        }
    }

    pub(super) fn page(&self) -> Page {
        match self {
            Self::Receipt(word) => word.body.page,
            Self::Revocation(word) => word.body.page,
        }
    }

    pub(super) fn time(&self) -> Timestamp {
        match self {
            Self::Receipt(word) => word.body.time,
            Self::Revocation(word) => word.body.time,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Receipt(_) => "a receipt",
            Self::Revocation(_) => "a revocation",
        }
    }

    /// What an audit says of a seat that it ended: the authority's own words, and those that the vendor said to the
    /// customer.
    pub(super) fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Receipt(_) => ("its device has the receipt", ""),
            Self::Revocation(word) => ("", &word.body.reason),
        }
    }

    pub(super) fn issued_by(&self, roots: &Arc<Roots>) -> Verification {
        match self {
            Self::Receipt(word) => word.issued_by(roots),
            Self::Revocation(word) => word.issued_by(roots),
        }
    }
}

/// The messages of a file, to be read one by one.
type Messages = std::iter::Peekable<std::vec::IntoIter<Incoming>>;

/// A check-in that was read and is not verified yet, with the license that its device has and the last receipt or
/// revocation that it got, if they came along.
#[derive(Clone)]
pub struct CheckInClaim {
    pub(super) check_in: Claimed<CheckInBody>,
    pub(super) license: Option<Claimed<LicenseBody>>,
    pub(super) last: Option<LastWord>,
}

impl CheckInClaim {
    /// Reads a check-in or a check-in file in any form: bytes, armored text, base64url.
    ///
    /// Fails as [`CheckInRequest::verify`](crate::CheckInRequest::verify) does, less
    /// [`ErrorKind::BadSignature`].
    pub fn read(input: &[u8]) -> Result<Self> {
        Self::of(handed_in(input, Kind::CheckInRequest)?)
    }

    fn of(mut messages: Messages) -> Result<Self> {
        let mut claim = Self::next(&mut messages)?;
        // Mail that quotes earlier mail has several check-ins: the newest of the seat counts.
        while messages.peek().is_some() {
            let other = Self::next(&mut messages)?;
            if other.handle() != claim.handle() {
                return Err(frame::several(Kind::CheckInRequest));
            }
            if other.check_in.body.time > claim.check_in.body.time {
                claim = other;
            } else if other.check_in.digest == claim.check_in.digest {
                claim.license = claim.license.or(other.license);
                claim.last = claim.last.or(other.last);
            }
        }
        Ok(claim)
    }

    /// A check-in with what comes along, up to the next one.
    fn next(messages: &mut Messages) -> Result<Self> {
        let first = messages.next().ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "the check-in file has 0 check-ins; 1 is expected")
        })?;
        let check_in = Claimed::read(first)?;
        let is_license = |message: &Incoming| message.frame().is_ok_and(|frame| frame.kind == Kind::License);
        let license = messages.next_if(is_license).map(Claimed::read).transpose()?;
        let last = LastWord::next_if(messages)?;
        // A text may have earlier answers in any place; a file holds what it should.
        while let Some(more) = messages.peek() {
            if more.head.is_none() {
                let text = "the check-in file has a message behind its license that does not belong there";
                return Err(Error::new(ErrorKind::WrongType, text));
            }
            if more.kind() == Some(Kind::CheckInRequest) {
                break;
            }
            messages.next();
        }
        Ok(Self { check_in, license, last })
    }

    /// The seat that it claims to be of. Nothing is verified.
    pub fn handle(&self) -> Handle {
        self.check_in.body.handle
    }

    /// What the device says of the license that it has: its page, and the [digest of the chain](LicenseBody::chain) in
    /// it, if there is one. Nothing is verified.
    pub fn chain(&self) -> Option<(Page, [u8; 32])> {
        self.check_in.body.chain()
    }
}

impl fmt::Debug for CheckInClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckInClaim").field("handle", &self.handle()).finish_non_exhaustive()
    }
}

/// A preflight that was read and is not verified yet: a device's question whether its seat may be given up.
#[derive(Clone)]
pub struct PreflightClaim(pub(super) Claimed<PreflightBody>);

impl PreflightClaim {
    /// Reads a preflight in any form: bytes, armored text, base64url.
    ///
    /// Fails as [`PreflightRequest::verify`](crate::PreflightRequest::verify) does, less
    /// [`ErrorKind::BadSignature`].
    pub fn read(input: &[u8]) -> Result<Self> {
        Ok(Self(Claimed::read(frame::read_one(input, Kind::PreflightRequest)?)?))
    }

    /// The seat that it claims to be of. Nothing is verified.
    pub fn handle(&self) -> Handle {
        self.0.body.handle
    }
}

impl fmt::Debug for PreflightClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreflightClaim").field("handle", &self.handle()).finish_non_exhaustive()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codec, message::armor};

    /// A message of the vectors, as text.
    fn vector(name: &str) -> String {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/messages.json")).unwrap();
        vectors[name]["text"].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_newest_check_in_of_a_text_has_the_license_that_came_with_it_and_with_an_older_one() {
        let (older, license) = (vector("check_in"), vector("license"));
        let message = frame::read_one(older.as_bytes(), Kind::CheckInRequest).unwrap();
        let frame = message.frame().unwrap();
        let mut body: CheckInBody =
            codec::decode(frame.body, CheckInBody::LIMIT, "a check-in of the vectors").unwrap();
        body.time = body.time.plus_days(1);
        let newer = Frame { body: &codec::encode(&body).unwrap(), ..frame }.to_bytes();
        let newer = armor::write(Kind::CheckInRequest, &[], &newer);
        for mail in [
            format!("{newer}\n{license}\n{older}\n{license}"),
            format!("{older}\n{license}\n{newer}\n{license}"),
            format!("{older}\n{license}\n{newer}\n{newer}\n{license}"),
        ] {
            let claim = CheckInClaim::read(mail.as_bytes()).unwrap();
            assert_eq!(claim.check_in.body.time, body.time);
            assert!(claim.license.is_some(), "{mail}");
        }
    }
}
