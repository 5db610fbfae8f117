//! Proofs that give seats up.

use std::fmt;

use super::{Claimed, Messages, handed_in};
use crate::{ActivationRequest, Binding, Error, ErrorKind, Kind, Result, code::Handle, message::ProofBody};

/// A deactivation proof that is not verified yet, with the request that it cancels if that came along.
#[derive(Clone)]
pub struct ReleaseClaim {
    pub(in crate::authority) proof: Claimed<ProofBody>,
    pub(in crate::authority) request: Option<ActivationRequest>,
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

    pub(super) fn all_of(mut messages: Messages) -> Result<Vec<Self>> {
        let mut claims = Self::collect(&mut messages)?;
        while messages.next().is_some() {
            // A request that no proof is about, which mail quotes.
            Self::merge(&mut claims, Self::collect(&mut messages)?);
        }
        Ok(claims)
    }

    /// Proofs, each followed by its request if that was cancelled before a license came. In a text each proof counts
    /// once, up to a request that is about none of them.
    pub(super) fn collect(messages: &mut Messages) -> Result<Vec<Self>> {
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
    pub(super) fn merge(claims: &mut Vec<Self>, more: Vec<Self>) {
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

    pub(in crate::authority) fn envelope(&self) -> &[u8] {
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
