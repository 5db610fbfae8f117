//! A request for a seat, with what comes along.

use std::fmt;

use super::{LastWord, Messages, ReleaseClaim, handed_in};
use crate::{
    ActivationRequest, Error, ErrorKind, Kind, RecoveryRequest, Result,
    code::Handle,
    message::frame::{self, Incoming},
};

/// An activation request with the releases that came along, verified as far as it says itself who signed it.
#[derive(Clone)]
pub struct ActivationFile {
    pub(in crate::authority) request: ActivationRequest,
    pub(in crate::authority) releases: Vec<ReleaseClaim>,
    pub(in crate::authority) recovery: Option<RecoveryRequest>,
    pub(in crate::authority) last: Option<LastWord>,
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

    pub(super) fn of(mut messages: Messages) -> Result<Self> {
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
    pub(in crate::authority) fn replaces(&self) -> Option<Handle> {
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
