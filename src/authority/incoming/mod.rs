//! Reading what devices hand over.

mod activation;
mod check_in;
mod evidence;
mod release;

use std::sync::Arc;

pub use self::{
    activation::ActivationFile,
    check_in::{CheckInClaim, PreflightClaim},
    evidence::{Evidence, TypedCode},
    release::ReleaseClaim,
};
use super::verification::Verification;
use crate::{
    DeactivationReceipt, Error, ErrorKind, Kind, License, Page, PublicKey, ReceiptBody, Result, Revocation,
    RevocationBody, Roots, Timestamp,
    code::Handle,
    keys::sha256,
    message::{
        Body,
        frame::{self, Incoming, Opened, Wanted},
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

/// The messages of a file, to be read one by one.
type Messages = std::iter::Peekable<std::vec::IntoIter<Incoming>>;

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
