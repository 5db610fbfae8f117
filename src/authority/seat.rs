//! Seats, and every change that may happen to one.
//!
//! The changes are visible in this module's parent only: the decisions make them, and nobody else can.
//!
//! A seat is known by its handle *and* its device key. Handles have 30 bits, so among many customers two devices may
//! draw the same one. The pair is unique, and a proof or code that fits one of the two seats does not fit the other.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    history::Gap,
    incoming::LastWord,
    json,
    records::{Attempts, Count},
    terms::{LicenseTerms, SeatListing, Usage},
};
use crate::{
    ActivationRequest, Binding, CLOCK_TOLERANCE, Error, ErrorKind, LicenseBody, LicenseId, ListedSeat,
    Outcome, PublicKey, Reason, Result, Timestamp,
    code::Handle,
    fingerprint::{self, Fingerprint},
    message::{CheckInBody, MAX_NAME},
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

/// Where a seat is in its life. It only ever moves down this list, except that a seat that was replaced may be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

/// One activation of one license on one machine, as a ledger keeps it: for ever, so that no message of its device is
/// ever news again, except for a [cancelled](SeatState::Cancelled) one of a request that is
/// [outdated](super::decision::outdated).
///
/// It can be read, and stored in its serde form, the JSON record of `docs/FORMAT.md`, "Records". Only the functions
/// of [`decision`](super::decision) change one; elsewhere a transition does not compile:
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
    pub(super) revision: u32,
    pub(super) requested: Timestamp,
    pub(super) granted: Timestamp,
    /// When the first seat of its machine was granted, whose place it took.
    pub(super) first_granted: Timestamp,
    pub(super) issued: Timestamp,
    pub(super) changed: Timestamp,
    pub(super) contact: Timestamp,
    /// When the last license that was signed for it ends; [`Timestamp::MIN`] before the first, [`Timestamp::MAX`] is never.
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

/// How long after its grant a request that is cancelled counts as never used.
const UNUSED: Duration = Duration::from_secs(60 * 60);

/// How long a device must have been silent before a request may name its seat to replace it.
const SILENT: Duration = Duration::from_secs(7 * DAY);

/// What the device of such a seat is told.
const REPLACED: &str = "another computer of this license took this seat";

/// The seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// How often a device that speaks up after the end of its seat is noted: once a day.
const NOTED_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// `name`, at most 64 bytes. Empty if it said none of them.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// When its use ends: the latest end of all licenses that were ever signed for it, because its device may hold any of
    /// them. None if one of them has no end.
    pub fn ends(&self) -> Option<Timestamp> {
        (self.ends != Timestamp::MAX).then_some(self.ends)
    }

    /// Whether a decision found that it [counts](Self::counts) no longer. It keeps its name and its device, and counts
    /// again when it is renewed.
    pub fn is_lapsed(&self) -> bool {
        self.lapsed
    }

    /// Whether it counts against the license's seats at `now`: it is active or held, and its use ended no longer ago than
    /// the margin of the terms. `gaps` are those of the ledger's [history](super::History::gaps).
    pub fn counts(&self, terms: &LicenseTerms, now: Timestamp, gaps: &[Gap]) -> bool {
        self.is_marked_taken() && terms.lapsed_until(now, gaps).is_none_or(|until| self.ends > until)
    }

    /// Whether a customer may have it released now, after so many were: nobody has heard of its device for a week, and the terms
    /// allow one more.
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

    /// Whether it is active or held and not [marked as lapsed](Self::is_lapsed): [`Usage::taken`] counts those.
    pub fn is_marked_taken(&self) -> bool {
        self.state.is_taken() && !self.lapsed
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

    /// When the device last spoke after the seat's end, to the day.
    pub fn heard_after_end(&self) -> Option<Timestamp> {
        self.heard_after_end
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
        let until_end = |time: Timestamp| terms.expires.map_or(time, |end| time.min(end));
        let after = |days| until_end(self.issued.plus_days(days));
        // Half of the lease, rounded up: a license that is to be renewed at once would be renewed by every repeated message.
        Some(Lease { until: after(days), renew_after: after(days.div_ceil(2)) })
    }

    /// When the license that this seat is the content of ends; [`Timestamp::MAX`] is never.
    pub(crate) fn end_of_license(&self, terms: &LicenseTerms) -> Timestamp {
        let lease = self.lease(terms).map(|lease| lease.until);
        lease.or(terms.expires).unwrap_or(Timestamp::MAX)
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
    /// The seat without what no decision goes by: why it was given up, and the digests by which a proof or code is known
    /// again, which save a verification and change no answer. Without it the model has fewer states.
    pub(crate) fn reduced(mut self) -> Self {
        self.reason = Reason::Other;
        if let Some(acknowledged) = &mut self.acknowledged {
            (acknowledged.proof, acknowledged.code) = (None, None);
        }
        self
    }

    /// The seat without a count, where no decision goes by it.
    pub(crate) fn uncounted(self) -> Self {
        Self { counted: false, ..self }
    }
}

/// Where a request says what its device is called, in the order of preference.
const LABELS: [&str; 5] = ["computer", "machine", "hostname", "host", "name"];

fn label(request: &ActivationRequest) -> String {
    let value = |name: &&str| {
        let named = request.metadata.iter().find(|(of, _)| of.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    };
    let label = LABELS.iter().find_map(value).unwrap_or_default();
    let end = (0..=label.len().min(MAX_NAME)).rev().find(|end| label.is_char_boundary(*end));
    label[..end.unwrap_or(0)].trim_end().to_owned()
}

/// What a check-in does to a seat.
pub(super) struct CheckedIn {
    pub(super) seat: Seat,
    /// Whether another copy of the store seems to check in.
    pub(super) is_copy: bool,
}

/// The transitions.
impl Seat {
    fn new(request: &ActivationRequest, license_id: LicenseId, state: SeatState, now: Timestamp) -> Self {
        Self {
            handle: request.handle,
            device_key: request.device_key,
            license_id,
            state,
            counted: false,
            revision: 1,
            requested: request.created,
            granted: now,
            first_granted: now,
            issued: now,
            changed: now,
            contact: now,
            ends: Timestamp::MIN,
            lapsed: false,
            reason: Reason::Other,
            release_commitment: request.release_commitment,
            request_digest: request.digest(),
            machine: request.digest(),
            reinstalls: Attempts::default(),
            fingerprint: request.fingerprint.clone(),
            label: label(request),
            first_token: NO_TOKEN,
            sync_token: NO_TOKEN,
            previous_token: NO_TOKEN,
            copies: 0,
            acknowledged: None,
            notice: None,
            by_customer: false,
            heard_after_end: None,
        }
    }

    /// A new seat for a request. `sync_token` is random.
    pub(super) fn granted_to(
        request: &ActivationRequest,
        license_id: LicenseId,
        sync_token: [u8; 16],
        now: Timestamp,
    ) -> Self {
        let seat = Self::new(request, license_id, SeatState::Active, now);
        Self { first_token: sync_token, sync_token, previous_token: sync_token, ..seat }
    }

    /// A seat that the ledger had lost, as its device's license has it. What the license does not say is as if it had been
    /// granted with it.
    pub(super) fn entered_again(license: &LicenseBody, now: Timestamp) -> Self {
        Self {
            handle: license.handle,
            device_key: license.device_key,
            license_id: license.license_id,
            state: SeatState::Active,
            counted: false,
            revision: license.revision,
            requested: license.issued,
            granted: license.issued,
            first_granted: license.issued,
            issued: license.issued,
            changed: now,
            contact: now,
            ends: license.end_of_use().unwrap_or(Timestamp::MAX),
            lapsed: false,
            reason: Reason::Other,
            release_commitment: license.release_commitment,
            request_digest: license.request_digest,
            machine: license.request_digest,
            reinstalls: Attempts::default(),
            fingerprint: license.baseline.clone(),
            label: String::new(),
            first_token: license.sync_token,
            sync_token: license.sync_token,
            previous_token: license.sync_token,
            copies: 0,
            acknowledged: None,
            notice: None,
            by_customer: false,
            heard_after_end: None,
        }
    }

    /// A seat of whose licenses the ledger had lost the latest: as that has it.
    pub(super) fn lifted(&self, license: &LicenseBody) -> Self {
        Self {
            state: if mutated!(HealsASeatThatEnded) { SeatState::Active } else { self.state },
            revision: license.revision,
            issued: license.issued,
            ends: self.ends.max(license.end_of_use().unwrap_or(Timestamp::MAX)),
            sync_token: license.sync_token,
            ..self.clone()
        }
    }

    /// Its device has a later seat, and gave this one up before that.
    pub(super) fn left_behind(&self, now: Timestamp) -> Self {
        Self { state: SeatState::Returned, changed: now, ..self.clone() }
    }

    /// Its device has the receipt or the revocation that ended it.
    pub(super) fn ended_by(&self, word: &LastWord, is_counted: bool, now: Timestamp) -> Self {
        let (state, acknowledged, notice) = match word {
            LastWord::Receipt(word) => {
                let receipt = &word.body;
                let (proof, code) = match receipt.binding {
                    Binding::Proof(digest) => (Some(digest), None),
                    Binding::Code(digest) => (None, Some(digest)),
                };
                let (outcome, deactivations_left) = (receipt.outcome, receipt.deactivations_left);
                let state = match outcome {
                    Outcome::Returned => SeatState::Returned,
                    Outcome::Held => SeatState::Held,
                };
                let acknowledged =
                    Acknowledged { outcome, deactivations_left, time: receipt.time, proof, code };
                (state, Some(acknowledged), None)
            }
            LastWord::Revocation(word) => (SeatState::Revoked, None, Some(word.body.reason.clone())),
        };
        let counted = is_counted && state == SeatState::Returned && self.state == SeatState::Active;
        Self { state, changed: now, counted, acknowledged, notice, reason: Reason::Other, ..self.clone() }
    }

    /// Remembers a request that was given up before it arrived, so that it takes no seat when it does.
    pub(super) fn cancelled(request: &ActivationRequest, license_id: LicenseId, now: Timestamp) -> Self {
        let seat = Self::new(request, license_id, SeatState::Cancelled, now);
        Self { reason: Reason::Cancelled, ..seat }
    }

    /// Whether giving it up now takes it back before it was of use to anybody: the answer was lost, or refused by somebody in
    /// between, or the request was cancelled within an hour of its grant.
    pub(super) fn is_unused(&self, reason: Reason, now: Timestamp) -> bool {
        self.state == SeatState::Active
            && reason == Reason::Cancelled
            && self.revision == 1
            && now.since(self.granted) < UNUSED
            && (self.machine == self.request_digest || mutated!(JoinedSeatIsUnused))
    }

    /// Whether a request may take its place, because it is of the same machine: judged stricter than a check-in, since anybody
    /// may make a request.
    pub(super) fn is_of_machine(&self, fingerprint: &Fingerprint, terms: &LicenseTerms) -> bool {
        let sides = [&self.fingerprint, fingerprint];
        let may_join = sides.iter().all(|side| terms.lets_join(side));
        let is_same = fingerprint::is_same(&self.fingerprint, fingerprint, &terms.policy);
        may_join && (is_same || mutated!(JoinsAnyMachine))
    }

    /// Whether a request of that device and date is older than the seat's own, as far as the dates can be compared: those of one
    /// device are by one clock.
    pub(super) fn is_after(&self, device: &PublicKey, created: Timestamp) -> bool {
        let tolerance = if self.device_key == *device { Duration::ZERO } else { CLOCK_TOLERANCE };
        self.requested > created.plus(tolerance) && !mutated!(OlderRequestJoins)
    }

    /// Another installation of its machine takes its place. One that was given up is over with that.
    pub(super) fn replaced(&self, now: Timestamp) -> Self {
        let is_over = self.state == SeatState::Held;
        let state = if is_over { SeatState::Returned } else { SeatState::Replaced };
        Self { state, changed: now, ..self.clone() }
    }

    /// A new seat that takes the place of another of its machine; none when that was done too often.
    pub(super) fn in_place_of(&self, other: &Self, terms: &LicenseTerms, now: Timestamp) -> Option<Self> {
        let reinstalls = other.reinstalls.once_more(terms.reinstalls(), now)?;
        let (machine, first_granted) = (other.machine, other.first_granted);
        Some(Self { machine, first_granted, reinstalls, ..self.clone() })
    }

    /// The installation that was replaced speaks: it takes its place back from the other one.
    pub(super) fn taken_back(&self, other: &Self, now: Timestamp) -> Self {
        let reinstalls = other.reinstalls;
        Self { state: SeatState::Active, changed: now, reinstalls, ..self.clone() }
    }

    /// A license was signed for it that ends then. It counts from now on if that is not over.
    pub(super) fn signed(&self, ends: Timestamp, terms: &LicenseTerms, now: Timestamp, gaps: &[Gap]) -> Self {
        let latest = if mutated!(LastEndCounts) { ends } else { self.ends.max(ends) };
        let counting = Self { ends: latest, lapsed: false, ..self.clone() };
        Self { lapsed: self.lapsed && !counting.counts(terms, now, gaps), ..counting }
    }

    /// It counts no longer. Name, device and history stay.
    pub(super) fn marked_lapsed(&self) -> Self {
        Self { lapsed: true, ..self.clone() }
    }

    /// Gives the seat up. Never fails: the machine has already lost its license.
    ///
    /// Without a deactivation left the seat is held for the same device; a copy of its store may hold a license that nobody
    /// can end. Otherwise it returns, and uses up a deactivation if it is `counted`. Of a seat that lapsed no copy has a
    /// license that is of use, so it returns and uses up nothing. Neither does one that was replaced: it does not count. A
    /// seat that is over stays as it is. `counts` is whether it [counts](Self::counts) now.
    pub(super) fn give_up(
        &self,
        terms: &LicenseTerms,
        usage: Usage,
        reason: Reason,
        [counted, counts]: [bool; 2],
        now: Timestamp,
    ) -> Self {
        if self.state == SeatState::Replaced {
            return Self { state: SeatState::Returned, changed: now, reason, ..self.clone() };
        }
        let is_revived = mutated!(GiveUpFreesTwice) && self.state == SeatState::Revoked;
        if self.state != SeatState::Active && !is_revived {
            return self.clone();
        }
        let is_unused = mutated!(UnusedFreesAnyway) && self.is_unused(reason, now);
        let has_lapsed = !counts && !mutated!(LapsedCostsADeactivation);
        let is_kept = terms.deactivations_left(usage) == Some(0) && !has_lapsed;
        let is_held = is_kept && !is_unused && !mutated!(AllowanceIgnored);
        let state = if is_held { SeatState::Held } else { SeatState::Returned };
        Self { state, changed: now, reason, counted: counted && !is_held && !has_lapsed, ..self.clone() }
    }

    /// What the receipts of a seat that is over say from now on. What they said once stays.
    pub(super) fn acknowledge(&self, deactivations_left: Option<u32>, now: Timestamp) -> Self {
        if self.acknowledged.is_some() {
            return self.clone();
        }
        let outcome = if self.state == SeatState::Held { Outcome::Held } else { Outcome::Returned };
        // A cancelled seat was never granted, so its license is whatever somebody claimed, and not told of.
        let deactivations_left = deactivations_left.filter(|_| self.state != SeatState::Cancelled);
        let acknowledged = Acknowledged { outcome, deactivations_left, time: now, proof: None, code: None };
        Self { acknowledged: Some(acknowledged), ..self.clone() }
    }

    /// A held seat goes back to the device that gave it up, in the form of a new one.
    pub(super) fn taken_over(&self, now: Timestamp) -> Self {
        Self { state: SeatState::Returned, changed: now, ..self.clone() }
    }

    /// The vendor releases the seat of a machine that is dead, lost or unwilling. The device is told when it next speaks;
    /// until then its license runs to the end of its lease, so the seat may be in use twice for that long.
    ///
    /// None when there is nothing to release.
    pub(super) fn released(&self, notice: &str, now: Timestamp) -> Option<Self> {
        match self.state {
            SeatState::Active | SeatState::Replaced => Some(Self {
                state: if mutated!(ReleaseForgets) { SeatState::Returned } else { SeatState::Revoked },
                changed: now,
                notice: Some(notice.to_owned()),
                ..self.clone()
            }),
            // Its device gave it up already: there is nobody left to tell.
            SeatState::Held => self.returned_by_vendor(now),
            SeatState::Returned | SeatState::Cancelled | SeatState::Revoked => None,
        }
    }

    /// A customer's request names it and takes its place. None if its device was heard of lately.
    pub(super) fn replaced_by_customer(&self, now: Timestamp) -> Option<Self> {
        let is_silent = now.since(self.contact) >= SILENT || mutated!(LiveSeatIsReplaced);
        let released = self.released(REPLACED, now).filter(|_| is_silent)?;
        Some(Self { by_customer: true, ..released })
    }

    /// The vendor returns a held seat to the pool. None when it is not held.
    pub(super) fn returned_by_vendor(&self, now: Timestamp) -> Option<Self> {
        let is_right = self.state == SeatState::Held
            || (mutated!(ReturnsActiveSeats) && self.state == SeatState::Active);
        is_right.then(|| Self { state: SeatState::Returned, changed: now, ..self.clone() })
    }

    /// A new license for an active seat: one revision later. The sync token stays, since the device may never see this
    /// license: it shows the token at its next check-in either way.
    ///
    /// Fails with [`ErrorKind::LicenseEnded`], [`ErrorKind::GivenUp`] or [`ErrorKind::Revoked`].
    pub(super) fn renewed(&self, terms: &LicenseTerms, now: Timestamp) -> Result<Self> {
        let refuse = |kind| Err(Error::new(kind, "renewal"));
        match self.state {
            SeatState::Active => terms.check_usable(now)?,
            SeatState::Revoked if mutated!(RenewsRevokedSeats) => {}
            SeatState::Revoked => return refuse(ErrorKind::Revoked),
            SeatState::Returned if mutated!(ChecksInAfterTheEnd) => {}
            SeatState::Held | SeatState::Replaced | SeatState::Returned | SeatState::Cancelled => {
                return refuse(ErrorKind::GivenUp);
            }
        }
        Ok(Self {
            state: SeatState::Active,
            issued: now,
            revision: self.revision.saturating_add(1),
            ..self.clone()
        })
    }

    /// A renewal for a device that asks for it, with a look at whether its store is the only one of the seat.
    ///
    /// A device that did not get its last answer shows the token before it, and that is not held against it. Of two copies
    /// of a store that both check in, one sooner or later shows a token that is neither: then [`Seat::copies`] is one
    /// higher, for the vendor to act on. A device that has no token to show is not taken for a copy.
    ///
    /// The machine may have changed as far as the policy's grace goes, and is taken as it is now. One that has changed more
    /// is [`ErrorKind::WrongMachine`]: a store that was copied elsewhere must not make itself at home by checking in.
    pub(super) fn checked_in(
        &self,
        terms: &LicenseTerms,
        request: &CheckInBody,
        sync_token: [u8; 16],
        now: Timestamp,
    ) -> Result<CheckedIn> {
        if !self.is_on(&request.fingerprint, terms) {
            return Err(Error::new(ErrorKind::WrongMachine, "check-in"));
        }
        let renewed = self.renewed(terms, now)?;
        let shown = request.sync_token;
        let is_copy = ![self.sync_token, self.previous_token, NO_TOKEN].contains(&shown);
        let seat = Self {
            contact: now,
            fingerprint: request.fingerprint.clone(),
            sync_token,
            previous_token: shown,
            copies: self.copies.saturating_add(u32::from(is_copy)),
            ..renewed
        };
        Ok(CheckedIn { seat, is_copy })
    }

    /// The device speaks after the seat's end. None when that was noted within a day.
    pub(super) fn heard_late(&self, now: Timestamp) -> Option<Self> {
        let is_news = self.heard_after_end.is_none_or(|last| now.since(last) >= NOTED_AGAIN);
        is_news.then(|| Self { heard_after_end: Some(now), ..self.clone() })
    }

    /// The device's store was lost, and the device asks for a new seat: this one returns to the pool, and the new request
    /// takes it in the same transaction. It does not count as a deactivation, since the seat stays with the device.
    ///
    /// A recovery names the device and no seat, because the device knows none any more. So one that comes late must not free
    /// a seat that the device has asked for since: both times are of the device's own clock, and the recovery's must not be
    /// the earlier one.
    ///
    /// Fails with [`ErrorKind::UnknownSeat`] when the seat is not active, with [`ErrorKind::Outdated`] when it was asked for
    /// after the recovery, and with [`ErrorKind::WrongMachine`] when the request comes from a machine that is not the
    /// seat's: a device key that was copied recovers nothing.
    pub(super) fn recovered(
        &self,
        terms: &LicenseTerms,
        request: &ActivationRequest,
        now: Timestamp,
    ) -> Result<Self> {
        if self.state != SeatState::Active || self.device_key != request.device_key {
            return Err(Error::new(ErrorKind::UnknownSeat, "recovery"));
        }
        if request.created < self.requested && !mutated!(LateRecoveryFrees) {
            return Err(Error::new(ErrorKind::Outdated, "recovery"));
        }
        if !self.is_on(&request.fingerprint, terms) {
            return Err(Error::new(ErrorKind::WrongMachine, "recovery"));
        }
        let state = SeatState::Returned;
        Ok(Self { state, changed: now, reason: Reason::Reinstalled, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Client, Clock as _, Roots, SigningKey, Store, SystemClock, SystemRandom, message::Extension,
    };

    /// A seat, and the check-ins of its device by what they show.
    fn seat() -> (LicenseTerms, Seat, impl Fn([u8; 16]) -> CheckInBody) {
        let root = SigningKey::generate(&SystemRandom).unwrap();
        let client = Client::builder("Example", Roots::new([root.public_key()])).store(Store::in_memory());
        let request = client.build().unwrap().begin("", &[]).unwrap().request().clone();
        let now = SystemClock.now();
        let terms = LicenseTerms::new(LicenseId::generate(&SystemRandom).unwrap(), "Example", 1, now);
        let seat = Seat::granted_to(&request, terms.id, [1; 16], now);
        let (handle, fingerprint) = (request.handle, request.fingerprint.clone());
        let check_in = move |sync_token| CheckInBody {
            handle,
            nonce: [0; 16],
            sync_token,
            revision: 1,
            time: now,
            fingerprint: fingerprint.clone(),
            library: String::new(),
            application: String::new(),
            extensions: Vec::<Extension>::new(),
        };
        (terms, seat, check_in)
    }

    #[test]
    fn a_device_without_a_token_is_no_copy_and_a_strange_token_is_one() {
        let (terms, mut seat, check_in) = seat();
        // Without an answer it shows the token before it: the first, or again none.
        for (issued, shown, copies) in [
            (2, NO_TOKEN, 0),
            (3, NO_TOKEN, 0),
            (4, [3; 16], 0),
            (5, [3; 16], 0),
            (6, NO_TOKEN, 0),
            (7, [6; 16], 0),
            // That of another store, and then of the one before.
            (8, [5; 16], 1),
            (9, [7; 16], 2),
        ] {
            let now = seat.issued;
            let checked_in = seat.checked_in(&terms, &check_in(shown), [issued; 16], now).unwrap();
            assert_eq!(checked_in.is_copy, checked_in.seat.copies > seat.copies, "{issued}");
            seat = checked_in.seat;
            assert_eq!(seat.copies, copies, "{issued}");
        }
    }
}
