//! What a store holds, and the transitions between its states (docs/PROTOCOL.md, Client states).
//!
//! The record is kept as *current* (nothing, a pending request or an active license) and *outstanding* (seats given
//! up whose receipts have not come). Every transition is a pure function on the record: it is called with facts that
//! were verified, it either changes the record or fails and leaves it as it was, and whoever called it commits
//! the record in one atomic replacement before anything is said to anyone.

use serde::{Deserialize, Serialize};

use crate::{
    Error, ErrorKind, Result, Timestamp,
    code::{Handle, ReleaseSecret},
    codec::{self, Bytes},
    licensing_time::TimeMarks,
    message::{LicenseId, Reason},
};

/// How many seats may wait for their receipts. Each is a few hundred bytes; nobody gets near it who does not try.
pub(crate) const MAX_OUTSTANDING: usize = 64;
/// The largest encoded record.
pub(crate) const LIMIT: usize = 1024 * 1024 - 64;

/// What one activation is known by on the device.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Activation {
    pub(crate) handle: Handle,
    pub(crate) secret: ReleaseSecret,
    pub(crate) request_digest: [u8; 32],
}

/// A pending request.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) activation: Activation,
    /// The request's envelope: sent again until it is answered or cancelled.
    pub(crate) request: Bytes,
    /// The statement that goes along when the request replaces a seat whose record was lost.
    pub(crate) recovery: Option<Bytes>,
}

/// An active license.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Active {
    pub(crate) activation: Activation,
    /// The license's envelope, verified anew whenever it is loaded.
    pub(crate) license: Bytes,
    // What giving the seat up needs is kept beside the license, so that it works without verifying it: a license
    // that the application no longer trusts still has a seat to give back.
    pub(crate) license_id: LicenseId,
    pub(crate) deactivations_left: Option<u32>,
    pub(crate) revision: u32,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Current {
    Nothing,
    Pending(Pending),
    Active(Active),
}

/// A seat given up. It does not hold the license: flipping a byte revives nothing.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct GivenUp {
    pub(crate) activation: Activation,
    pub(crate) license_id: LicenseId,
    /// The proof's envelope: the same bytes every time it is shown or sent.
    pub(crate) proof: Bytes,
    /// The request's envelope if no license ever came: the authority may not have seen it.
    pub(crate) request: Option<Bytes>,
    pub(crate) time: Timestamp,
    pub(crate) reason: Reason,
}

/// How the latest activation ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Ending {
    Deactivated,
    Cancelled,
    Revoked(String),
}

/// The latest activation that ended.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) handle: Handle,
    pub(crate) how: Ending,
    pub(crate) time: Timestamp,
    /// The receipt's envelope, once it has come.
    pub(crate) receipt: Option<Bytes>,
}

/// Everything that a store holds.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) current: Current,
    #[serde(deserialize_with = "codec::list::<_, _, MAX_OUTSTANDING>")]
    pub(crate) outstanding: Vec<GivenUp>,
    pub(crate) ended: Option<Ended>,
    pub(crate) time: TimeMarks,
    /// When the machine was first seen changed beyond what the license accepts: the grace period counts from here.
    pub(crate) changed_since: Option<Timestamp>,
}

/// What a transition needs of a verified license.
pub(crate) struct LicenseFacts<'a> {
    pub(crate) handle: Handle,
    pub(crate) request_digest: [u8; 32],
    pub(crate) license_id: LicenseId,
    pub(crate) deactivations_left: Option<u32>,
    pub(crate) revision: u32,
    pub(crate) envelope: &'a [u8],
}

/// What giving up needs to be said of the seat.
pub(crate) struct Release {
    pub(crate) handle: Handle,
    pub(crate) license_id: LicenseId,
    pub(crate) request_digest: [u8; 32],
    /// Whether no license ever came.
    pub(crate) cancelled: bool,
}

impl Record {
    pub(crate) fn new() -> Self {
        Self {
            current: Current::Nothing,
            outstanding: Vec::new(),
            ended: None,
            time: TimeMarks::default(),
            changed_since: None,
        }
    }

    /// Whether that seat was given up or taken away here, as far as the record still knows.
    pub(crate) fn gave_up(&self, handle: Handle) -> bool {
        self.outstanding.iter().any(|o| o.activation.handle == handle)
            || self.ended.as_ref().is_some_and(|e| e.handle == handle)
    }

    /// A new request: UNLICENSED or DEACTIVATED to PENDING. What is outstanding stays so.
    pub(crate) fn begin(&mut self, pending: Pending) -> Result<()> {
        if !matches!(self.current, Current::Nothing) {
            return Err(Error::new(ErrorKind::AlreadyActive, "activation request"));
        }
        // A cancelled request becomes one more outstanding seat, so there must be room for that.
        if self.outstanding.len() >= MAX_OUTSTANDING {
            return Err(Error::new(ErrorKind::TooManyOutstanding, "activation request"));
        }
        if mutated!(OutstandingDropped) {
            self.outstanding.clear();
        }
        self.current = Current::Pending(pending);
        Ok(())
    }

    /// A license for the pending request, or a renewal of the active one. The very license that is installed is
    /// accepted again and changes nothing.
    pub(crate) fn install(&mut self, facts: &LicenseFacts<'_>) -> Result<()> {
        if self.gave_up(facts.handle) {
            return Err(Error::new(ErrorKind::GivenUp, "license"));
        }
        let mut changed_since = None;
        let activation = match &self.current {
            Current::Pending(pending) => &pending.activation,
            Current::Active(active) => {
                if active.activation.handle == facts.handle && facts.revision < active.revision {
                    return Err(Error::new(ErrorKind::Outdated, "license"));
                }
                // Only a later license is the authority's word on a machine that has changed.
                if facts.revision == active.revision {
                    changed_since = self.changed_since;
                }
                &active.activation
            }
            Current::Nothing => return Err(Error::new(ErrorKind::NotPending, "license")),
        };
        if activation.handle != facts.handle || activation.request_digest != facts.request_digest {
            return Err(Error::new(ErrorKind::WrongRequest, "license"));
        }
        self.current = Current::Active(Active {
            activation: activation.clone(),
            license: Bytes(facts.envelope.to_vec()),
            license_id: facts.license_id,
            deactivations_left: facts.deactivations_left,
            revision: facts.revision,
        });
        self.changed_since = changed_since;
        Ok(())
    }

    /// What would be given up: an active license to deactivate, or a pending request to cancel.
    pub(crate) fn release(&self) -> Option<Release> {
        let (activation, license_id, cancelled) = match &self.current {
            Current::Nothing => return None,
            Current::Pending(p) => (&p.activation, LicenseId::NONE, true),
            Current::Active(a) => (&a.activation, a.license_id, false),
        };
        Some(Release {
            handle: activation.handle,
            license_id,
            request_digest: activation.request_digest,
            cancelled,
        })
    }

    /// Fails with [`ErrorKind::DeactivationNotAllowed`] if the license says that none is left: better to hear it
    /// while it is still active.
    pub(crate) fn may_deactivate(&self) -> Result<()> {
        match &self.current {
            Current::Active(Active { deactivations_left: Some(0), .. }) => {
                Err(Error::new(ErrorKind::DeactivationNotAllowed, "deactivation"))
            }
            _ => Ok(()),
        }
    }

    /// Gives the current seat up: ACTIVE or PENDING to DEACTIVATING, with the proof made for [`Record::release`].
    pub(crate) fn give_up(&mut self, proof: Vec<u8>, time: Timestamp, reason: Reason) -> Result<&GivenUp> {
        if self.outstanding.len() >= MAX_OUTSTANDING {
            return Err(Error::new(ErrorKind::TooManyOutstanding, "deactivation"));
        }
        let kept = if mutated!(LicenseKept) { self.current.clone() } else { Current::Nothing };
        let (activation, license_id, request, how) =
            match std::mem::replace(&mut self.current, Current::Nothing) {
                Current::Nothing => return Err(Error::new(ErrorKind::NotActive, "deactivation")),
                Current::Pending(p) => (p.activation, LicenseId::NONE, Some(p.request), Ending::Cancelled),
                Current::Active(a) => (a.activation, a.license_id, None, Ending::Deactivated),
            };
        if mutated!(LicenseKept) && how == Ending::Deactivated {
            self.current = kept;
        }
        self.end(activation.handle, how, time);
        let given_up = GivenUp { activation, license_id, proof: proof.into(), request, time, reason };
        self.outstanding.push(given_up);
        Ok(self.outstanding.last().expect("it was just put there"))
    }

    /// A receipt: strikes the seat out of what is outstanding. One for the active seat says that the authority
    /// freed it (this store is a copy made before the deactivation), so the license ends too.
    ///
    /// Returns whether the record changed; the same receipt again changes nothing.
    pub(crate) fn receipt(&mut self, handle: Handle, receipt: &[u8], time: Timestamp) -> Result<bool> {
        if !self.knows(handle) {
            return Err(Error::new(ErrorKind::UnknownSeat, "receipt"));
        }
        let outstanding = self.outstanding.len();
        self.outstanding.retain(|o| o.activation.handle != handle);
        let mut changed = outstanding != self.outstanding.len();
        if self.current_handle() == Some(handle) {
            self.current = Current::Nothing;
            self.end(handle, Ending::Deactivated, time);
            changed = true;
        }
        if let Some(ended) = self.ended.as_mut().filter(|e| e.handle == handle && e.receipt.is_none()) {
            ended.receipt = Some(Bytes(receipt.to_vec()));
            changed = true;
        }
        Ok(changed)
    }

    /// A revocation: whatever the store holds of that seat ends. Returns whether the record changed.
    pub(crate) fn revoke(&mut self, handle: Handle, reason: &str, time: Timestamp) -> Result<bool> {
        if !self.knows(handle) {
            return Err(Error::new(ErrorKind::UnknownSeat, "revocation"));
        }
        let outstanding = self.outstanding.len();
        self.outstanding.retain(|o| o.activation.handle != handle);
        if self.current_handle() != Some(handle) || mutated!(RevocationIgnored) {
            return Ok(outstanding != self.outstanding.len());
        }
        self.current = Current::Nothing;
        self.end(handle, Ending::Revoked(reason.to_owned()), time);
        Ok(true)
    }

    pub(crate) fn current_handle(&self) -> Option<Handle> {
        match &self.current {
            Current::Nothing => None,
            Current::Pending(p) => Some(p.activation.handle),
            Current::Active(a) => Some(a.activation.handle),
        }
    }

    pub(crate) fn knows(&self, handle: Handle) -> bool {
        self.current_handle() == Some(handle) || self.gave_up(handle)
    }

    fn end(&mut self, handle: Handle, how: Ending, time: Timestamp) {
        self.ended = Some(Ended { handle, how, time, receipt: None });
        self.changed_since = None;
    }
}
