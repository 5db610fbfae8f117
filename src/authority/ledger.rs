//! The ledger's rules: pure functions over plain records.
//!
//! A seat is known by its handle *and* its device key. Handles have 30 bits, so among many customers two devices may
//! draw the same one; the pair is unique, and a proof or code that fits one of them does not fit the other.
//!
//! Every rule is idempotent: a message that comes again gets the same answer and changes nothing (docs/PROTOCOL.md,
//! The authority's rules).

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    ActivationRequest, CheckInRequest, Error, ErrorKind, Feature, LicenseId, Metadata, Outcome, PublicKey,
    Reason, Result, Timestamp,
    code::{DeactivationCode, Handle},
    fingerprint::{self, Fingerprint, Policy},
    message::{
        MAX_NAME, MAX_TEXT, check_features, check_metadata, check_product, check_text,
        request::verify_commitment,
    },
};

/// What was sold: one license, with however many seats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LicenseTerms {
    /// Names the license.
    pub id: LicenseId,
    /// The product.
    pub product: String,
    /// Who licensed it: at most 1,024 bytes on one line.
    pub licensee: String,
    /// The edition; may be empty.
    pub edition: String,
    /// What it entitles to, each name once.
    pub features: Vec<Feature>,
    /// Whatever else the application is told.
    pub metadata: Metadata,
    /// The first second at which it is valid.
    pub starts: Timestamp,
    /// The first second at which it is no longer valid; none is perpetual.
    pub expires: Option<Timestamp>,
    /// How many days a device may go without a renewal; none is for ever, which cannot be undone from afar.
    pub lease_days: Option<u32>,
    /// The same for machines that have no hardware-unique component.
    pub unbindable_lease_days: Option<u32>,
    /// Maintenance: versions released later are not covered.
    pub updates_until: Option<Timestamp>,
    /// How many machines may hold a seat at a time.
    pub seats: u32,
    /// How many deactivations return a seat to the pool; none is without limit.
    pub deactivations: Option<u32>,
    /// How far a machine may change.
    pub policy: Policy,
    /// Whether the vendor stopped it for now: nothing is issued, seats can still be given up.
    pub suspended: bool,
}

impl LicenseTerms {
    /// A license of `seats` seats on the defaults: valid from `now` on without end, a 90-day lease (14 days for
    /// machines that cannot be told apart), no limit to deactivations.
    pub fn new(id: LicenseId, product: impl Into<String>, seats: u32, now: Timestamp) -> Self {
        Self {
            id,
            product: product.into(),
            licensee: String::new(),
            edition: String::new(),
            features: Vec::new(),
            metadata: Vec::new(),
            starts: now,
            expires: None,
            lease_days: Some(90),
            unbindable_lease_days: Some(14),
            updates_until: None,
            seats,
            deactivations: None,
            policy: Policy::default(),
            suspended: false,
        }
    }

    /// Checks that licenses can be issued on these terms, so that it shows when they are sold and not when a customer
    /// activates: lengths of texts, each feature once.
    ///
    /// Fails with [`ErrorKind::InvalidInput`].
    pub fn validate(&self) -> Result<()> {
        check_product(&self.product)?;
        check_text("licensee", &self.licensee, MAX_TEXT)?;
        check_text("edition", &self.edition, MAX_NAME)?;
        check_features(&sorted(&self.features))?;
        check_metadata(&self.metadata)
    }

    /// How many deactivations are left after `usage`; none is without limit.
    pub fn deactivations_left(&self, usage: Usage) -> Option<u32> {
        self.deactivations.map(|allowed| allowed.saturating_sub(usage.deactivated))
    }

    /// Fails with [`ErrorKind::LicenseEnded`] when nothing may be issued at `now`.
    pub(super) fn check_usable(&self, now: Timestamp) -> Result<()> {
        if self.suspended || self.expires.is_some_and(|end| now >= end) {
            return Err(Error::new(ErrorKind::LicenseEnded, "license"));
        }
        Ok(())
    }
}

/// Features in the order in which a license has them.
pub(super) fn sorted(features: &[Feature]) -> Vec<Feature> {
    let mut features = features.to_vec();
    features.sort_by(|a, b| a.name.cmp(&b.name));
    features
}

/// What a license's seats add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Seats in state [`SeatState::Active`] or [`SeatState::Held`].
    pub taken: u32,
    /// Deactivations that counted: seats with [`Seat::counted`], less what an administrator has forgiven.
    pub deactivated: u32,
}

/// Where a seat is in its life. It only ever moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SeatState {
    /// A device holds it.
    Active,
    /// Given up when no deactivation was left: kept for the same device.
    Held,
    /// Given up, and free.
    Returned,
    /// Given up before its request arrived: never granted.
    Cancelled,
    /// Released by an administrator; the device has not been heard of since.
    Revoked,
}

impl fmt::Display for SeatState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Held => "held",
            Self::Returned => "returned",
            Self::Cancelled => "cancelled",
            Self::Revoked => "revoked",
        })
    }
}

impl SeatState {
    /// Whether it counts against the license's seats.
    pub fn is_taken(self) -> bool {
        matches!(self, Self::Active | Self::Held)
    }
}

/// One activation of one license on one machine, as the ledger keeps it: for ever, so that no message of its device is
/// ever news again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The seat's name; unique together with `device_key`.
    pub handle: Handle,
    /// The device that holds or held it.
    pub device_key: PublicKey,
    /// The license.
    pub license_id: LicenseId,
    /// What the release secret must fit.
    pub release_commitment: [u8; 32],
    /// The SHA-256 of the request's body.
    pub request_digest: [u8; 32],
    /// The machine, as last seen.
    pub fingerprint: Fingerprint,
    /// Where it is in its life.
    pub state: SeatState,
    /// When its request was made, by the device's clock.
    pub requested: Timestamp,
    /// When it was granted.
    pub granted: Timestamp,
    /// When its state changed last.
    pub changed: Timestamp,
    /// Why it was given up.
    pub reason: Reason,
    /// Whether giving it up used up one of the license's deactivations.
    pub counted: bool,
    /// Counts the licenses issued for it.
    pub revision: u32,
    /// What the device shows at its next check-in.
    pub sync_token: [u8; 16],
    /// What it showed at its latest one: it does so again when it did not get the answer.
    pub previous_token: [u8; 16],
    /// How often a check-in showed neither: another copy of the store checks in too.
    pub copies: u32,
    /// Wrong codes since `codes_since`.
    pub wrong_codes: u32,
    /// When the first of them came.
    pub codes_since: Timestamp,
}

/// What a request says about the seat it asks for, once it is verified.
#[derive(Clone, Debug)]
pub struct Claim {
    handle: Handle,
    device_key: PublicKey,
    release_commitment: [u8; 32],
    request_digest: [u8; 32],
    product: String,
    requested: Timestamp,
    fingerprint: Fingerprint,
}

impl From<&ActivationRequest> for Claim {
    fn from(request: &ActivationRequest) -> Self {
        Self {
            handle: request.handle,
            device_key: request.device_key,
            release_commitment: request.release_commitment,
            request_digest: request.digest(),
            product: request.product.clone(),
            requested: request.created,
            fingerprint: request.fingerprint.clone(),
        }
    }
}

impl Claim {
    fn seat(&self, license_id: LicenseId, state: SeatState, sync_token: [u8; 16], now: Timestamp) -> Seat {
        Seat {
            handle: self.handle,
            device_key: self.device_key,
            license_id,
            release_commitment: self.release_commitment,
            request_digest: self.request_digest,
            fingerprint: self.fingerprint.clone(),
            state,
            requested: self.requested,
            granted: now,
            changed: now,
            reason: Reason::Other,
            counted: false,
            revision: 1,
            sync_token,
            previous_token: sync_token,
            copies: 0,
            wrong_codes: 0,
            codes_since: Timestamp::MIN,
        }
    }
}

/// What an activation request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "made once for a request, and taken apart at once")]
pub enum Activation {
    /// A new seat: store it, and the seat held for this device, if there was one, which it takes over.
    Granted {
        /// The new seat.
        seat: Seat,
        /// The held seat, now returned.
        instead_of: Option<Seat>,
    },
    /// The same request again: the same seat.
    Repeated(Seat),
}

/// Answers an activation request. [`release`] what came along with it first: that stands even if the request is refused,
/// because those devices have lost their licenses already.
///
/// - `known`: the seat of that handle and device key, if there is one;
/// - `held`: a seat of this license in state [`SeatState::Held`] for the same device key, if there is one;
/// - `sync_token`: 16 random bytes.
///
/// Fails with [`ErrorKind::WrongProduct`], [`ErrorKind::LicenseEnded`], [`ErrorKind::NoFreeSeat`],
/// [`ErrorKind::WrongRequest`] for a second request under the same handle, and [`ErrorKind::Cancelled`],
/// [`ErrorKind::GivenUp`] or [`ErrorKind::Revoked`] for a seat whose life is over: it takes no seat again.
pub fn activate(
    terms: &LicenseTerms,
    usage: Usage,
    known: Option<&Seat>,
    held: Option<&Seat>,
    claim: &Claim,
    sync_token: [u8; 16],
    now: Timestamp,
) -> Result<Activation> {
    let refuse = |kind| Err(Error::new(kind, "activation"));
    if let Some(seat) = known {
        return match seat.state {
            _ if seat.request_digest != claim.request_digest => refuse(ErrorKind::WrongRequest),
            SeatState::Active => Ok(Activation::Repeated(seat.clone())),
            SeatState::Cancelled => refuse(ErrorKind::Cancelled),
            SeatState::Held | SeatState::Returned => refuse(ErrorKind::GivenUp),
            SeatState::Revoked => refuse(ErrorKind::Revoked),
        };
    }
    if claim.product != terms.product {
        return refuse(ErrorKind::WrongProduct);
    }
    terms.check_usable(now)?;
    if held.is_none() && usage.taken >= terms.seats {
        return refuse(ErrorKind::NoFreeSeat);
    }
    Ok(Activation::Granted {
        seat: claim.seat(terms.id, SeatState::Active, sync_token, now),
        instead_of: held.map(|seat| Seat { state: SeatState::Returned, changed: now, ..seat.clone() }),
    })
}

/// Remembers a request that was given up before it arrived, so that it takes no seat when it does. The license may
/// be unknown then: [`LicenseId::NONE`].
pub fn cancel(claim: &Claim, license_id: LicenseId, now: Timestamp) -> Released {
    let seat = claim.seat(license_id, SeatState::Cancelled, [0; 16], now);
    let seat = Seat { reason: Reason::Cancelled, ..seat };
    Released { seat, outcome: Outcome::Returned, deactivations_left: None, changed: true }
}

/// A seat given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The seat as it is now.
    pub seat: Seat,
    /// Where it went.
    pub outcome: Outcome,
    /// How many deactivations the license has left; none is without limit.
    pub deactivations_left: Option<u32>,
    /// Whether this changed anything: a proof that comes again does not.
    pub changed: bool,
}

/// How long after its grant a request that is cancelled counts as never used.
const UNUSED: Duration = Duration::from_secs(60 * 60);

/// Gives a seat up, on a verified proof or code. Never fails: the machine has already lost its license.
///
/// Keep the receipt that you sign for it and give that one out when the proof or code comes again.
///
/// Without a deactivation left the seat is held for the same device. A request that is cancelled within an hour of its grant
/// uses up none.
pub fn release(terms: &LicenseTerms, usage: Usage, seat: &Seat, reason: Reason, now: Timestamp) -> Released {
    let left = terms.deactivations_left(usage);
    let unchanged =
        |outcome| Released { seat: seat.clone(), outcome, deactivations_left: left, changed: false };
    match seat.state {
        SeatState::Held => unchanged(Outcome::Held),
        SeatState::Returned | SeatState::Revoked => unchanged(Outcome::Returned),
        // It was never granted, so its license is whatever somebody claimed, and not told of.
        SeatState::Cancelled => Released { deactivations_left: None, ..unchanged(Outcome::Returned) },
        SeatState::Active => {
            // Taken back before it was of use to anybody: the answer was lost, or refused by somebody in between.
            let unused =
                reason == Reason::Cancelled && seat.revision == 1 && now.since(seat.granted) < UNUSED;
            let held = left == Some(0) && !unused;
            let counted = !held && !unused;
            let seat = Seat {
                state: if held { SeatState::Held } else { SeatState::Returned },
                changed: now,
                reason,
                counted,
                ..seat.clone()
            };
            let outcome = if held { Outcome::Held } else { Outcome::Returned };
            let left = left.map(|n| n.saturating_sub(counted.into()));
            Released { seat, outcome, deactivations_left: left, changed: true }
        }
    }
}

/// An administrator releases a seat whose machine is dead, lost or unwilling. The device is told when it next speaks
/// up; until then the license it has runs to the end of its lease, so a seat may be in use twice for that long.
///
/// None when there was nothing to release.
pub fn force_release(seat: &Seat, now: Timestamp) -> Option<Seat> {
    seat.state.is_taken().then(|| Seat {
        // A held seat was given up by its device already: there is nobody left to tell.
        state: if seat.state == SeatState::Held { SeatState::Returned } else { SeatState::Revoked },
        changed: now,
        ..seat.clone()
    })
}

/// A new license for an active seat: one revision later, with a new sync token, and with the fingerprint that the
/// device showed, if it did.
///
/// Fails with [`ErrorKind::LicenseEnded`], [`ErrorKind::GivenUp`] or [`ErrorKind::Revoked`].
pub fn renew(
    terms: &LicenseTerms,
    seat: &Seat,
    fingerprint: Option<Fingerprint>,
    sync_token: [u8; 16],
    now: Timestamp,
) -> Result<Seat> {
    let refuse = |kind| Err(Error::new(kind, "renewal"));
    match seat.state {
        SeatState::Active => terms.check_usable(now)?,
        SeatState::Revoked => return refuse(ErrorKind::Revoked),
        SeatState::Held | SeatState::Returned | SeatState::Cancelled => return refuse(ErrorKind::GivenUp),
    }
    let fingerprint = fingerprint.unwrap_or_else(|| seat.fingerprint.clone());
    Ok(Seat { fingerprint, sync_token, revision: seat.revision + 1, ..seat.clone() })
}

/// Answers a verified check-in: [`renew`], and a look at whether the device's store is the only one of its seat.
///
/// A device that did not get its last answer shows the token before it, and that is not held against it. Of two copies of
/// a store that both check in, one sooner or later shows a token that is neither: then [`Seat::copies`] is one higher,
/// for the vendor to act on.
///
/// The machine may have changed as far as the policy's grace goes, and is taken as it is now. One that has changed more is
/// [`ErrorKind::WrongMachine`]: a store that was copied elsewhere must not make itself at home by checking in.
///
/// Fails as [`renew`] does. For [`ErrorKind::Revoked`] and [`ErrorKind::GivenUp`] send the device a signed revocation: only
/// that ends a license that a copy of the store still holds.
pub fn check_in(
    terms: &LicenseTerms,
    seat: &Seat,
    request: &CheckInRequest,
    sync_token: [u8; 16],
    now: Timestamp,
) -> Result<Seat> {
    if !same_machine(terms, seat, &request.fingerprint) {
        return Err(Error::new(ErrorKind::WrongMachine, "check-in"));
    }
    let renewed = renew(terms, seat, Some(request.fingerprint.clone()), sync_token, now)?;
    let shown = request.sync_token;
    let copied = shown != seat.sync_token && shown != seat.previous_token;
    Ok(Seat { previous_token: shown, copies: seat.copies + u32::from(copied), ..renewed })
}

/// A device's store was lost, and it asks for a new seat: an active one of that device returns to the pool, and the new
/// request takes it in the same transaction. It does not count as a deactivation, since the seat stays with the device.
///
/// Store the result only if the request is then granted, under the very license of that seat, and only for a request that
/// was not known before: an echo must free nothing.
///
/// A recovery names the device and no seat, because the device knows none any more. So one that comes late must not free a
/// seat that the device has asked for since: both times are of the device's own clock, and the recovery's must not be the
/// earlier one.
///
/// Fails with [`ErrorKind::UnknownSeat`] when the seat is not active, with [`ErrorKind::Outdated`] when it was asked for after
/// the recovery, and with [`ErrorKind::WrongMachine`] when the request
/// comes from a machine that is not the seat's: a device key that was copied recovers nothing.
pub fn recover(terms: &LicenseTerms, seat: &Seat, claim: &Claim, now: Timestamp) -> Result<Seat> {
    if seat.state != SeatState::Active || seat.device_key != claim.device_key {
        return Err(Error::new(ErrorKind::UnknownSeat, "recovery"));
    }
    if claim.requested < seat.requested {
        return Err(Error::new(ErrorKind::Outdated, "recovery"));
    }
    if !same_machine(terms, seat, &claim.fingerprint) {
        return Err(Error::new(ErrorKind::WrongMachine, "recovery"));
    }
    Ok(Seat { state: SeatState::Returned, changed: now, reason: Reason::Reinstalled, ..seat.clone() })
}

/// Whether a fingerprint may be that of the seat's machine, changed as far as the policy's grace goes.
fn same_machine(terms: &LicenseTerms, seat: &Seat, fingerprint: &Fingerprint) -> bool {
    fingerprint::judge(&seat.fingerprint, fingerprint, &terms.policy).outcome != fingerprint::Outcome::Reject
}

/// How many wrong codes a seat takes within [`CODE_WINDOW`]. A typing error that the code's own check finds is none.
pub const MAX_WRONG_CODES: u32 = 10;

/// The time after which wrong codes are forgotten.
pub const CODE_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether a seat takes another code at `now`, or has had too many wrong ones.
pub fn may_try_code(seat: &Seat, now: Timestamp) -> bool {
    seat.wrong_codes < MAX_WRONG_CODES || now.since(seat.codes_since) >= CODE_WINDOW
}

/// Whether a code gives that seat up. Takes the time of 100,000 rounds of PBKDF2 if the handle fits, and none if not: look
/// first whether it [may be tried](may_try_code), and do not hold a transaction meanwhile.
pub fn code_fits(seat: &Seat, code: &DeactivationCode) -> bool {
    code.handle() == seat.handle
        && verify_commitment(code.secret(), seat.handle, &seat.device_key, &seat.release_commitment)
}

/// The seat with one more wrong code counted. However many readings a mistyped text has, it is one.
pub fn count_wrong_code(seat: &Seat, now: Timestamp) -> Seat {
    let recent = now.since(seat.codes_since) < CODE_WINDOW;
    let (wrong_codes, codes_since) = if recent { (seat.wrong_codes + 1, seat.codes_since) } else { (1, now) };
    Seat { wrong_codes, codes_since, ..seat.clone() }
}
