//! Seats: where each is in its life, and what can be read of it. `transitions` has the changes.
//!
//! A seat is known by its handle *and* its device key. Handles have 30 bits, so among many customers two devices may
//! draw the same one. The pair is unique, and a proof or code that fits one of the two seats does not fit the other.

mod transitions;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    counts::{Attempts, Count},
    history::Gap,
    json,
    terms::{LicenseTerms, SeatListing},
};
use crate::{
    ActivationRequest, Error, ErrorKind, LicenseId, ListedSeat, Outcome, PublicKey, Reason, Result,
    Timestamp,
    code::Handle,
    fingerprint::{self, Fingerprint},
};

/// Names a seat. As text it is the handle, a colon and the device key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeatName {
    /// The handle.
    pub handle: Handle,
    /// The key of the device that holds or held the seat.
    pub device_key: PublicKey,
}

impl From<&ActivationRequest> for SeatName {
    /// The seat that a request asks for.
    fn from(request: &ActivationRequest) -> Self {
        Self { handle: request.handle, device_key: request.device_key }
    }
}

impl fmt::Display for SeatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.handle, self.device_key)
    }
}

impl FromStr for SeatName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || Error::new(ErrorKind::InvalidInput, "seat: a handle, a colon and a device key are expected");
        let (handle, device_key) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Self { handle: handle.parse()?, device_key: device_key.parse()? })
    }
}

/// Where a seat is in its life. It only ever moves down this list, except that a seat that was replaced may be taken
/// back, and so may the release of one.
///
/// ```
/// use nodelock::authority::SeatState;
///
/// let state: SeatState = "held".parse()?;
/// assert!(state == SeatState::Held && state.is_taken());
/// # Ok::<(), nodelock::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SeatState {
    /// A device holds it.
    Active,
    /// Given up when no deactivation was left: kept for the same device.
    Held,
    /// Another installation of its machine took its place; its own may take it back.
    Replaced,
    /// Given up, and free.
    Returned,
    /// Given up before its request arrived: never granted.
    Cancelled,
    /// Released by the vendor, or replaced by a customer's request: its device is told so at its next contact.
    Revoked,
}

impl SeatState {
    /// Every state, in the order of a seat's life.
    pub const ALL: [Self; 6] =
        [Self::Active, Self::Held, Self::Replaced, Self::Returned, Self::Cancelled, Self::Revoked];

    /// Whether it counts against the license's seats until it [lapses](Seat::counts).
    pub fn is_taken(self) -> bool {
        matches!(self, Self::Active | Self::Held)
    }

    /// The state's name, as records hold it and people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Held => "held",
            Self::Replaced => "replaced",
            Self::Returned => "returned",
            Self::Cancelled => "cancelled",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for SeatState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads the [name](SeatState::name). Fails with [`ErrorKind::InvalidInput`].
impl FromStr for SeatState {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let state = Self::ALL.into_iter().find(|state| state.name() == name);
        state.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "state of a seat"))
    }
}

/// One activation of one license on one machine, as a ledger keeps it: for ever, so that no message of its device is
/// ever news again, except for a [cancelled](SeatState::Cancelled) one of a request that is
/// [outdated](super::decision::outdated).
///
/// It can be read, and stored in its serde form, the JSON record of `docs/FORMAT.md`, "Records". Only the functions
/// of [`decision`](super::decision) change one, but for what it says of its computer
/// ([`without_computer`](Self::without_computer)); elsewhere a transition does not compile:
///
/// ```compile_fail,E0624
/// fn free(seat: &nodelock::authority::Seat, now: nodelock::Timestamp) -> nodelock::authority::Seat {
///     seat.taken_over(now)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    #[serde(rename = "seat", with = "json::as_text")]
    pub(super) handle: Handle,
    #[serde(with = "json::as_text")]
    pub(super) device_key: PublicKey,
    #[serde(rename = "license", with = "json::as_text")]
    pub(super) license_id: LicenseId,
    pub(super) state: SeatState,
    pub(super) counted: bool,
    /// Whether its grant used up one of the license's activations.
    pub(super) activation: bool,
    pub(super) revision: u32,
    pub(super) requested: Timestamp,
    pub(super) granted: Timestamp,
    /// When the first seat of its machine was granted, whose place it took.
    pub(super) first_granted: Timestamp,
    /// From when on the days of its machine's trial count; later by what the vendor added to them. None for a seat that
    /// was no trial when it was granted or last renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trial: Option<Timestamp>,
    pub(super) issued: Timestamp,
    pub(super) changed: Timestamp,
    pub(super) contact: Timestamp,
    /// When the last license that was signed for it ends; [`Timestamp::MIN`] before the first, [`Timestamp::MAX`] is
    /// never.
    pub(super) ends: Timestamp,
    pub(super) lapsed: bool,
    pub(super) reason: Reason,
    #[serde(with = "json::as_hex")]
    pub(super) release_commitment: [u8; 32],
    #[serde(with = "json::as_hex")]
    pub(super) request_digest: [u8; 32],
    /// The digest of the first request of its machine: the same for all seats that took each other's place.
    #[serde(with = "json::as_hex")]
    pub(super) machine: [u8; 32],
    /// How often another request of its machine took its place.
    pub(super) reinstalls: Attempts,
    pub(super) fingerprint: Fingerprint,
    pub(super) label: String,
    /// Whether its application gave the label, so that no description takes its place.
    #[serde(default)]
    pub(super) label_given: bool,
    /// Of the license that was granted, which the same request fetches again.
    #[serde(with = "json::as_hex")]
    pub(super) first_token: [u8; 16],
    #[serde(with = "json::as_hex")]
    pub(super) sync_token: [u8; 16],
    #[serde(with = "json::as_hex")]
    pub(super) previous_token: [u8; 16],
    pub(super) copies: u32,
    pub(super) acknowledged: Option<Acknowledged>,
    pub(super) notice: Option<String>,
    /// Whether a request of another device named it and took its place.
    pub(super) by_customer: bool,
    pub(super) heard_after_end: Option<Timestamp>,
    /// On how many days its device spoke after the seat was released.
    #[serde(default)]
    pub(super) came_back: u32,
    #[serde(default)]
    pub(super) came_back_at: Option<Timestamp>,
}

/// What the receipts of a seat say. Set once: whatever comes again is answered the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Acknowledged {
    #[serde(with = "json::as_text")]
    pub(super) outcome: Outcome,
    pub(super) deactivations_left: Option<u32>,
    pub(super) time: Timestamp,
    /// The digest of the proof that was redeemed, and what stands for the code: known again without any verification.
    #[serde(with = "json::as_optional_hex")]
    pub(super) proof: Option<[u8; 32]>,
    #[serde(with = "json::as_optional_hex")]
    pub(super) code: Option<[u8; 32]>,
}

/// The lease of a license: when it ends, and from when on it should be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) until: Timestamp,
    pub(super) renew_after: Timestamp,
}

/// What a device shows that cannot read its license any more.
pub(super) const NO_TOKEN: [u8; 16] = [0; 16];

/// The seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// What can be read.
impl Seat {
    /// The seat's name.
    pub fn name(&self) -> SeatName {
        SeatName { handle: self.handle, device_key: self.device_key }
    }

    /// The handle; unique together with the device key.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// The key of the device that holds or held it.
    pub fn device_key(&self) -> &PublicKey {
        &self.device_key
    }

    /// The license; none for a request that was cancelled under a license key that nobody knows.
    pub fn license_id(&self) -> Option<LicenseId> {
        (self.license_id != LicenseId::NONE).then_some(self.license_id)
    }

    /// Where it is in its life.
    pub fn state(&self) -> SeatState {
        self.state
    }

    /// Whether giving it up used up one of the license's deactivations.
    pub fn is_counted(&self) -> bool {
        self.counted
    }

    /// Whether its grant used up one of the license's activations: it took the place of no other seat of its machine or
    /// device.
    pub fn is_activation(&self) -> bool {
        self.activation
    }

    /// Counts the licenses issued for it, from 1.
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// When its request was made, by the device's clock.
    pub fn requested(&self) -> Timestamp {
        self.requested
    }

    /// When it was granted, or remembered as cancelled.
    pub fn granted(&self) -> Timestamp {
        self.granted
    }

    /// When the first seat of its machine was granted: it may have taken the place of another.
    pub fn first_granted(&self) -> Timestamp {
        self.first_granted
    }

    /// Whether it was a trial when it was granted or last renewed. It is kept as one for ever, so that its machine has
    /// no second one.
    pub fn is_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// When the trial of its machine ends; none if the terms are no trial.
    ///
    /// ```
    /// # use nodelock::{Timestamp, authority::{LicenseTerms, Seat}};
    /// fn days_left(seat: &Seat, terms: &LicenseTerms, now: Timestamp) -> Option<u64> {
    ///     seat.trial_ends(terms).map(|end| end.since(now).as_secs() / 86_400)
    /// }
    /// ```
    pub fn trial_ends(&self, terms: &LicenseTerms) -> Option<Timestamp> {
        Some(self.trial.unwrap_or(self.first_granted).plus_days(terms.trial_days?))
    }

    /// What the seats of one machine have in common that took each other's place: the digest of its first request.
    pub fn machine(&self) -> &[u8; 32] {
        &self.machine
    }

    /// When its latest license was issued.
    pub fn issued(&self) -> Timestamp {
        self.issued
    }

    /// When its state changed last.
    pub fn changed(&self) -> Timestamp {
        self.changed
    }

    /// When its device was last heard of, by its request or a check-in.
    pub fn contact(&self) -> Timestamp {
        self.contact
    }

    /// What its device is called, for people: what its request said under `computer`, `machine`, `hostname`, `host` or
    /// `name`, at most 64 bytes. Empty if it said none of them. If the application did not say it as metadata, it is
    /// what the device's latest description says, in its request or a check-in.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// When its use ends: the latest end of all licenses that were ever signed for it, because its device may hold any
    /// of them. None if one of them has no end.
    pub fn ends(&self) -> Option<Timestamp> {
        (self.ends != Timestamp::MAX).then_some(self.ends)
    }

    /// Whether a decision found that it [counts](Self::counts) no longer. It keeps its name and its device, and counts
    /// again when it is renewed.
    pub fn is_lapsed(&self) -> bool {
        self.lapsed
    }

    /// Whether it counts against the license's seats at `now`: it is active or held, and its use ended no longer ago
    /// than the margin of the terms. `gaps` are those of the ledger's [history](super::History::gaps).
    pub fn counts(&self, terms: &LicenseTerms, now: Timestamp, gaps: &[Gap]) -> bool {
        self.is_marked_taken() && terms.lapsed_until(now, gaps).is_none_or(|until| self.ends > until)
    }

    /// Whether a customer may have it released now, after so many were: nobody has heard of its device for a week, and
    /// the terms allow one more.
    pub fn is_replaceable(
        &self,
        terms: &LicenseTerms,
        replaced: &Count,
        gaps: &[Gap],
        now: Timestamp,
    ) -> bool {
        let allows_one = replaced.once_more(terms.replace(), now).is_some();
        allows_one && self.counts(terms, now, gaps) && self.replaced_by_customer(now).is_some()
    }

    /// What another device is told of it when no seat is free, as the terms allow it.
    pub(super) fn listed(&self, terms: &LicenseTerms, gaps: &[Gap], replaceable: bool) -> ListedSeat {
        let day = |time: Timestamp| Timestamp::from_unix_seconds(time.unix_seconds() / DAY * DAY);
        let is_told = terms.seat_list == SeatListing::Labels;
        ListedSeat {
            handle: self.handle,
            label: if is_told { self.label.clone() } else { String::new() },
            last_contact: day(self.contact),
            lapses: self.ends().and_then(|end| terms.lapses(end, gaps)),
            replaceable,
        }
    }

    /// Whether it is active or held and not [marked as lapsed](Self::is_lapsed): [`Usage::taken`](super::Usage::taken)
    /// counts those.
    pub fn is_marked_taken(&self) -> bool {
        self.state.is_taken() && !self.lapsed
    }

    /// Whether it is over for good: given up or never granted, or released and not to be
    /// [taken back](super::decision::unrelease) any more. What its device says from now on is answered without a look
    /// at its computer.
    pub fn is_over(&self, now: Timestamp) -> bool {
        match self.state {
            SeatState::Active | SeatState::Held | SeatState::Replaced => false,
            SeatState::Returned | SeatState::Cancelled => true,
            SeatState::Revoked => self.unreleased(now).is_err(),
        }
    }

    /// The same seat without what it says of its computer: without its [label](Self::label), and without its
    /// [fingerprint](Self::fingerprint) once it [is over](Self::is_over). Before that, check-ins are judged by it. Of a
    /// [trial](Self::is_trial) its tags stay: a machine has one, so it must be known again.
    pub fn without_computer(&self, now: Timestamp) -> Self {
        let fingerprint = match self.is_over(now) {
            false => self.fingerprint.clone(),
            true if self.is_trial() && self.fingerprint.bindable() => self.fingerprint.tags_alone(),
            true => Fingerprint::default(),
        };
        Self { label: String::new(), fingerprint, ..self.clone() }
    }

    /// The same seat with an empty [notice](Self::notice), if it has one: it may name a person who wants to be
    /// forgotten. Its device hears no reason then.
    pub fn without_notice(&self) -> Self {
        Self { notice: self.notice.as_ref().map(|_| String::new()), ..self.clone() }
    }

    /// Why it was given up.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// What the vendor said to the customer when it released the seat.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// The machine, as last seen.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// How many check-ins showed a token of neither the last license nor the one before: another copy of the store
    /// checks in too.
    pub fn copies(&self) -> u32 {
        self.copies
    }

    /// What its receipts say, once it is given up: where it went, and how many deactivations the license had left then.
    pub fn receipt(&self) -> Option<(Outcome, Option<u32>)> {
        self.acknowledged.as_ref().map(|receipt| (receipt.outcome, receipt.deactivations_left))
    }

    /// Whether a request of another device named it and took its place.
    pub fn was_replaced_by_customer(&self) -> bool {
        self.by_customer
    }

    /// When the device was last answered with the seat's end, to the day.
    pub fn heard_after_end(&self) -> Option<Timestamp> {
        self.heard_after_end
    }

    /// On how many days its device spoke after the seat was released, by a check-in, a proof or code, or its request.
    pub fn came_back(&self) -> u32 {
        self.came_back
    }

    /// When it did so last, to the day; none if it never did.
    pub fn came_back_at(&self) -> Option<Timestamp> {
        self.came_back_at
    }

    /// The lease of the latest license; none if the terms have none.
    ///
    /// It ends no later than the license. A machine without any hardware-unique component gets the shorter of the two
    /// leases that the terms know (`docs/FINGERPRINT.md`, Unbindable machines).
    pub(super) fn lease(&self, terms: &LicenseTerms) -> Option<Lease> {
        let days = if self.fingerprint.bindable() {
            terms.lease_days
        } else {
            [terms.lease_days, terms.unbindable_lease_days].into_iter().flatten().min()
        }?;
        let expires = self.expires(terms);
        let until_end = |time: Timestamp| expires.map_or(time, |end| time.min(end));
        let after = |days| until_end(self.issued.plus_days(days));
        // Half of the lease, rounded up: a license that is to be renewed at once would be renewed by every repeated
        // message.
        Some(Lease { until: after(days), renew_after: after(days.div_ceil(2)) })
    }

    /// When the license that this seat is the content of ends; [`Timestamp::MAX`] is never.
    pub(crate) fn end_of_license(&self, terms: &LicenseTerms) -> Timestamp {
        let lease = self.lease(terms).map(|lease| lease.until);
        lease.or(self.expires(terms)).unwrap_or(Timestamp::MAX)
    }

    /// When its license expires: with the terms, or with the trial of its machine if that is earlier.
    pub(super) fn expires(&self, terms: &LicenseTerms) -> Option<Timestamp> {
        let trial = self.trial_ends(terms).filter(|_| !mutated!(TrialUnsigned));
        [terms.expires, trial].into_iter().flatten().min()
    }

    /// Fails with [`ErrorKind::LicenseEnded`] when nothing may be issued on these terms at `now`, and with
    /// [`ErrorKind::TrialUsed`] when the trial of its machine is over.
    pub(super) fn check_usable(&self, terms: &LicenseTerms, now: Timestamp) -> Result<()> {
        terms.check_usable(now)?;
        match self.trial_ends(terms).filter(|end| now >= *end && !mutated!(TrialOutlived)) {
            Some(end) => Err(Error::trial_used(end)),
            None => Ok(()),
        }
    }

    /// Whether a fingerprint is that of the seat's machine, of which what is missing on either side says nothing. Who
    /// asks for a trial would rather not be known again, and so shows little.
    pub(super) fn is_trial_of(&self, fingerprint: &Fingerprint, terms: &LicenseTerms) -> bool {
        let judged = fingerprint::judge(&self.fingerprint, fingerprint, &terms.policy);
        judged.acceptance == fingerprint::Acceptance::Accept
    }

    /// The seat as it was when this request, which asked for it, was granted.
    pub(super) fn as_granted(&self, request: &ActivationRequest) -> Self {
        Self {
            revision: 1,
            issued: self.granted,
            fingerprint: request.fingerprint.clone(),
            sync_token: self.first_token,
            ..self.clone()
        }
    }

    /// Whether a fingerprint may be that of the seat's machine, changed as far as the policy's grace goes.
    pub(super) fn is_on(&self, fingerprint: &Fingerprint, terms: &LicenseTerms) -> bool {
        let judged = fingerprint::judge(&self.fingerprint, fingerprint, &terms.policy);
        judged.acceptance != fingerprint::Acceptance::Reject
    }
}

#[cfg(test)]
impl Seat {
    /// The seat without what no decision goes by: why it was given up, when its device came back, and the digests by
    /// which a proof or code is known again, which save a verification and change no answer. Without it the model has
    /// fewer states.
    pub(crate) fn reduced(mut self) -> Self {
        self.reason = Reason::Other;
        (self.came_back, self.came_back_at) = (0, None);
        if let Some(acknowledged) = &mut self.acknowledged {
            (acknowledged.proof, acknowledged.code) = (None, None);
        }
        self
    }

    /// The seat without a count, where no decision goes by it.
    pub(crate) fn uncounted(self) -> Self {
        Self { counted: false, ..self }
    }

    /// The same of activations.
    pub(crate) fn unactivated(self) -> Self {
        Self { activation: false, ..self }
    }
}
