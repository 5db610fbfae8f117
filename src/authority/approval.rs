//! Requests that wait for the vendor's approval.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    json,
    seat::{Seat, SeatName},
};
use crate::{Error, ErrorKind, LicenseId, PublicKey, Result, Timestamp, code::Handle, error::shown};

/// How long an approval lasts: a request that comes again later waits anew.
pub const APPROVAL_LASTS: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many bytes the reason for a refusal may have: so many, that a device shows all of it. It has no word of 20 or
/// more letters and digits and no five words of five in a row: a device shows nothing that may be a license key.
pub const MAX_REASON: usize = 200;

/// Whether activations wait for the vendor's approval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ApprovalPolicy {
    /// None does.
    #[default]
    None,
    /// Each new activation does. What takes the place of a seat of its own machine or device is none.
    Required,
}

/// What the vendor says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ApprovalState {
    /// Nothing yet.
    Waiting,
    /// The same request gets its license when it comes again, if a seat is free then.
    Approved,
    /// It gets none.
    Refused,
}

impl ApprovalState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Approved, Self::Refused];

    /// The state's name, as records hold it and people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for ApprovalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads the [name](ApprovalState::name). Fails with [`ErrorKind::InvalidInput`].
impl FromStr for ApprovalState {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let state = Self::ALL.into_iter().find(|state| state.name() == name);
        state.ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, format!("no request is in state `{}`", shown(name)))
        })
    }
}

/// A request for a seat whose terms ask for [approval](super::LicenseTerms::approval), as a ledger keeps it under the
/// [name](Self::name) of that seat.
///
/// It may go once there is a seat of that name, and when it is old: a request that comes again is kept again.
///
/// Its serde form is the JSON record that `docs/FORMAT.md`, "Records" describes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    #[serde(rename = "seat", with = "json::as_text")]
    handle: Handle,
    #[serde(with = "json::as_text")]
    device_key: PublicKey,
    #[serde(rename = "license", with = "json::as_text")]
    license_id: LicenseId,
    #[serde(with = "json::as_hex")]
    request_digest: [u8; 32],
    asked: Timestamp,
    label: String,
    state: ApprovalState,
    /// When the vendor said so; [`Timestamp::MIN`] while it waits.
    ruled: Timestamp,
    reason: String,
}

impl Approval {
    /// The name of the seat that it asks for.
    pub fn name(&self) -> SeatName {
        SeatName { handle: self.handle, device_key: self.device_key }
    }

    /// The license that it asks for a seat of.
    pub fn license_id(&self) -> LicenseId {
        self.license_id
    }

    /// When it came first.
    pub fn asked(&self) -> Timestamp {
        self.asked
    }

    /// What its device is called, as a [seat](Seat::label) would have it.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What the vendor says of it.
    pub fn state(&self) -> ApprovalState {
        self.state
    }

    /// When the vendor said so; none while it waits.
    pub fn ruled(&self) -> Option<Timestamp> {
        (self.state != ApprovalState::Waiting).then_some(self.ruled)
    }

    /// When an approval ends; none while it waits, and for a refusal.
    pub fn ends(&self) -> Option<Timestamp> {
        (self.state == ApprovalState::Approved).then(|| self.ruled.plus(APPROVAL_LASTS))
    }

    /// Why it was refused, for the customer; may be empty.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The request for a seat, which comes for the first time.
    pub(super) fn wanted(seat: &Seat, now: Timestamp) -> Self {
        Self {
            handle: seat.handle,
            device_key: seat.device_key,
            license_id: seat.license_id,
            request_digest: seat.request_digest,
            asked: now,
            label: seat.label.clone(),
            state: ApprovalState::Waiting,
            ruled: Timestamp::MIN,
            reason: String::new(),
        }
    }

    /// Whether it is the request for that seat, and not another one of its device or of its name.
    pub(super) fn is_for(&self, seat: &Seat) -> bool {
        self.name() == seat.name()
            && self.request_digest == seat.request_digest
            && self.license_id == seat.license_id
    }

    /// Whether the vendor approved it, no longer ago than an approval lasts.
    pub(super) fn is_approved(&self, now: Timestamp) -> bool {
        self.ends().is_some_and(|end| now < end)
    }

    pub(super) fn approved(&self, now: Timestamp) -> Self {
        Self { state: ApprovalState::Approved, ruled: now, ..self.clone() }
    }

    pub(super) fn refused(&self, reason: &str, now: Timestamp) -> Self {
        Self { state: ApprovalState::Refused, ruled: now, reason: reason.to_owned(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_back_as_it_is_named() {
        for state in ApprovalState::ALL {
            assert_eq!(state.to_string().parse::<ApprovalState>().unwrap(), state);
        }
        assert!("granted".parse::<ApprovalState>().is_err());
    }
}
