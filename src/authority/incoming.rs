//! Reading what devices hand over.

use super::ledger::Seat;
use crate::{
    ActivationRequest, DeactivationProof, Error, ErrorKind, Kind, ProofBody, PublicKey, RecoveryRequest,
    Result,
    code::{DeactivationCode, Handle},
    message::{
        frame::{self, Incoming},
        proof,
    },
};

/// An activation request with the releases that came along: free those seats first, then answer the request, in one
/// transaction.
#[derive(Clone, Debug)]
pub struct ActivationFile {
    /// The verified request.
    pub request: ActivationRequest,
    /// The seats that the device gave up before and has no receipt for.
    pub releases: Vec<ReleaseClaim>,
    /// The device's statement that its store was lost: unless the request is known already (an echo must free nothing),
    /// [`ledger::recover`](super::ledger::recover) every seat of its key, and answer the request with a seat of the same
    /// license.
    pub recovery: Option<RecoveryRequest>,
}

impl ActivationFile {
    /// Reads an activation file in any form: bytes, armored text, base64url, base32 behind a link.
    ///
    /// Fails as [`ActivationRequest::verify`] does.
    pub fn read(input: &[u8]) -> Result<Self> {
        let mut messages = frame::read(input)?.into_iter();
        let first = messages.next().ok_or_else(|| Error::new(ErrorKind::Malformed, "activation file"))?;
        let request = ActivationRequest::open_self_signed(first)?;
        let mut messages = messages.peekable();
        let is_recovery = |message: &Incoming| message.frame().is_ok_and(|f| f.kind == Kind::RecoveryRequest);
        let recovery = messages.next_if(is_recovery).map(RecoveryRequest::open_self_signed).transpose()?;
        if let Some(recovery) = &recovery
            && (recovery.device_key != request.device_key
                || recovery.product != request.product
                || recovery.request != request.digest())
        {
            return Err(Error::new(ErrorKind::WrongRequest, "recovery request"));
        }
        Ok(Self { request, releases: ReleaseClaim::collect(messages)?, recovery })
    }
}

/// A deactivation proof that was not verified yet: that takes the key of the device that holds the seat.
#[derive(Clone, Debug)]
pub struct ReleaseClaim {
    proof: Incoming,
    claimed: ProofBody,
    request: Option<ActivationRequest>,
}

impl ReleaseClaim {
    /// Reads a deactivation file in any form: bytes, armored text, base64url, base32 behind a link.
    ///
    /// Fails with [`ErrorKind::TooLarge`], [`ErrorKind::Malformed`], [`ErrorKind::WrongType`] and the other kinds of
    /// [`ActivationRequest::verify`].
    pub fn read(input: &[u8]) -> Result<Self> {
        let mut claims = Self::read_all(input)?;
        match (claims.pop(), claims.is_empty()) {
            (Some(claim), true) => Ok(claim),
            _ => Err(Error::new(ErrorKind::WrongType, "one deactivation proof is expected")),
        }
    }

    /// Reads a file of any number of proofs, in any form. Fails as [`read`](Self::read) does.
    pub fn read_all(input: &[u8]) -> Result<Vec<Self>> {
        Self::collect(frame::read(input)?.into_iter())
    }

    /// Proofs, each followed by its request if that was cancelled before a license came.
    fn collect(messages: impl Iterator<Item = Incoming>) -> Result<Vec<Self>> {
        let mut claims: Vec<Self> = Vec::new();
        for message in messages {
            match (message.frame()?.kind, claims.last_mut()) {
                (Kind::ActivationRequest, Some(claim)) if claim.request.is_none() => {
                    claim.attach(ActivationRequest::open_self_signed(message)?)?;
                }
                _ => {
                    let claimed = proof::claimed(&message.frame()?)?;
                    claims.push(Self { proof: message, claimed, request: None });
                }
            }
        }
        Ok(claims)
    }

    fn attach(&mut self, request: ActivationRequest) -> Result<()> {
        if request.handle != self.claimed.handle || request.digest()[..8] != self.claimed.request {
            return Err(Error::new(ErrorKind::WrongRequest, "deactivation file"));
        }
        self.request = Some(request);
        Ok(())
    }

    /// The seat that it claims to give up.
    pub fn handle(&self) -> Handle {
        self.claimed.handle
    }

    /// The request that was cancelled, if it came along. It names the device key, so that a seat that was never
    /// granted can be remembered as cancelled.
    pub fn request(&self) -> Option<&ActivationRequest> {
        self.request.as_ref()
    }

    /// The proof's envelope, to keep until its seat is known.
    pub fn proof_bytes(&self) -> &[u8] {
        &self.proof.envelope
    }

    /// The proof, verified under the key of the device that holds the seat.
    ///
    /// Fails with [`ErrorKind::BadSignature`] when another device signed it.
    pub fn verify(&self, device_key: &PublicKey) -> Result<DeactivationProof> {
        DeactivationProof::open(self.proof.clone(), device_key)
    }

    /// The proof, verified as one that gives this very seat up.
    ///
    /// Fails with [`ErrorKind::BadSignature`] when another device signed it, and with [`ErrorKind::WrongRequest`] when it
    /// is of another activation.
    pub fn verify_for(&self, seat: &Seat) -> Result<DeactivationProof> {
        let proof = self.verify(&seat.device_key)?;
        if proof.handle != seat.handle || proof.request != seat.request_digest[..8] {
            return Err(Error::new(ErrorKind::WrongRequest, "deactivation proof"));
        }
        Ok(proof)
    }

    /// Whether it is the proof of a device that cancels `request`: for one that came before its request did.
    pub fn cancels(&self, request: &ActivationRequest) -> bool {
        self.claimed.handle == request.handle
            && self.claimed.request == request.digest()[..8]
            && self.verify(&request.device_key).is_ok()
    }
}

impl ActivationRequest {
    /// Whether `code` gives up the seat that this request asks for. Takes the time of 100,000 rounds of PBKDF2 if the
    /// handle fits, and none if not.
    pub fn is_given_up_by(&self, code: &DeactivationCode) -> bool {
        self.handle == code.handle() && self.commits_to(code.secret())
    }
}
