//! Every change that may happen to a seat.
//!
//! They are visible inside `authority` only: the decisions make them, and nobody else can.

use std::time::Duration;

use super::{Acknowledged, DAY, NO_TOKEN, Seat, SeatState};
use crate::{
    ActivationRequest, Binding, CLOCK_TOLERANCE, Error, ErrorKind, LicenseBody, LicenseId, Outcome,
    PublicKey, Reason, Result, Timestamp,
    authority::{counts::Attempts, history::Gap, incoming::LastWord, terms::LicenseTerms},
    fingerprint::{self, Fingerprint},
    message::{CheckInBody, MAX_NAME},
};

/// How long after its grant a request that is cancelled counts as never used.
const UNUSED: Duration = Duration::from_secs(60 * 60);

/// How long a device must have been silent before a request may name its seat to replace it.
const SILENT: Duration = Duration::from_secs(7 * DAY);

/// What the device of such a seat is told.
const REPLACED: &str = "another computer of this license took this seat";

/// How often a device that speaks up after the end of its seat is noted: once a day.
const NOTED_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Where a device says what it is called, in the order of preference.
const LABELS: [&str; 5] = ["computer", "machine", "hostname", "host", "name"];

/// So many days before a time.
fn before(time: Timestamp, days: u32) -> Timestamp {
    Timestamp::from_unix_seconds(time.unix_seconds().saturating_sub(u64::from(days) * DAY))
}

fn label(said: &[(String, String)]) -> Option<String> {
    let value = |name: &&str| {
        let named = said.iter().find(|(of, _)| of.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    };
    let label = LABELS.iter().find_map(value)?;
    let end = (0..=label.len().min(MAX_NAME)).rev().find(|end| label.is_char_boundary(*end));
    Some(label[..end.unwrap_or(0)].trim_end().to_owned())
}

/// What a check-in does to a seat.
pub(in crate::authority) struct CheckedIn {
    pub(in crate::authority) seat: Seat,
    /// Whether another copy of the store seems to check in.
    pub(in crate::authority) is_copy: bool,
}

/// The transitions.
impl Seat {
    fn new(request: &ActivationRequest, license_id: LicenseId, state: SeatState, now: Timestamp) -> Self {
        let given = label(&request.metadata);
        Self {
            handle: request.handle,
            device_key: request.device_key,
            license_id,
            state,
            counted: false,
            activation: false,
            revision: 1,
            requested: request.created,
            granted: now,
            first_granted: now,
            trial: None,
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
            label_given: given.is_some(),
            label: given.or_else(|| label(&request.description())).unwrap_or_default(),
            first_token: NO_TOKEN,
            sync_token: NO_TOKEN,
            previous_token: NO_TOKEN,
            copies: 0,
            acknowledged: None,
            notice: None,
            by_customer: false,
            heard_after_end: None,
            came_back: 0,
            came_back_at: None,
        }
    }

    /// A new seat for a request. `sync_token` is random.
    pub(in crate::authority) fn granted_to(
        request: &ActivationRequest,
        license_id: LicenseId,
        sync_token: [u8; 16],
        now: Timestamp,
    ) -> Self {
        let seat = Self::new(request, license_id, SeatState::Active, now);
        Self { first_token: sync_token, sync_token, previous_token: sync_token, ..seat }
    }

    /// Its grant uses up one of the license's activations.
    pub(in crate::authority) fn with_activation(self) -> Self {
        Self { activation: !mutated!(ActivationUncounted), ..self }
    }

    /// A seat that the ledger had lost, as its device's license has it. What the license does not say is as if it had
    /// been granted with it.
    pub(in crate::authority) fn entered_again(license: &LicenseBody, now: Timestamp) -> Self {
        Self {
            handle: license.handle,
            device_key: license.device_key,
            license_id: license.license_id,
            state: SeatState::Active,
            counted: false,
            activation: false,
            revision: license.revision,
            requested: license.issued,
            granted: license.issued,
            first_granted: license.issued,
            trial: None,
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
            label_given: false,
            first_token: license.sync_token,
            sync_token: license.sync_token,
            previous_token: license.sync_token,
            copies: 0,
            acknowledged: None,
            notice: None,
            by_customer: false,
            heard_after_end: None,
            came_back: 0,
            came_back_at: None,
        }
    }

    /// On terms that are a trial: the days of its machine's trial count from then on.
    pub(in crate::authority) fn on_trial(self, trial: Option<Timestamp>) -> Self {
        Self { trial: trial.or(self.trial), ..self }
    }

    /// The trial of its machine as a license of the seat says it, which the ledger had lost.
    pub(in crate::authority) fn with_trial_of(self, license: &LicenseBody, terms: &LicenseTerms) -> Self {
        let began = license.expires.zip(terms.trial_days).map(|(end, days)| before(end, days));
        Self { trial: began.max(self.trial), ..self }
    }

    /// The vendor lets the trial of its machine last until then. None if it does so already.
    pub(in crate::authority) fn trial_extended(
        &self,
        until: Timestamp,
        terms: &LicenseTerms,
    ) -> Option<Self> {
        let trial = Some(before(until, terms.trial_days?));
        (self.trial_ends(terms) < Some(until)).then(|| Self { trial, ..self.clone() })
    }

    /// A seat of whose licenses the ledger had lost the latest: as that has it.
    pub(in crate::authority) fn lifted(&self, license: &LicenseBody) -> Self {
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
    pub(in crate::authority) fn left_behind(&self, now: Timestamp) -> Self {
        Self { state: SeatState::Returned, changed: now, ..self.clone() }
    }

    /// Its device has the receipt or the revocation that ended it.
    pub(in crate::authority) fn ended_by(&self, word: &LastWord, is_counted: bool, now: Timestamp) -> Self {
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
        let heard_after_end = if state == SeatState::Revoked { Some(now) } else { self.heard_after_end };
        let counted = is_counted && state == SeatState::Returned && self.state == SeatState::Active;
        let reason = Reason::Other;
        Self { state, changed: now, counted, acknowledged, notice, reason, heard_after_end, ..self.clone() }
    }

    /// Remembers a request that was given up before it arrived, so that it takes no seat when it does.
    pub(in crate::authority) fn cancelled(
        request: &ActivationRequest,
        license_id: LicenseId,
        now: Timestamp,
    ) -> Self {
        let seat = Self::new(request, license_id, SeatState::Cancelled, now);
        Self { reason: Reason::Cancelled, ..seat }
    }

    /// Whether giving it up now takes it back before it was of use to anybody: the answer was lost, or refused by
    /// somebody in between, or the request was cancelled within an hour of its grant.
    pub(in crate::authority) fn is_unused(&self, reason: Reason, now: Timestamp) -> bool {
        self.state == SeatState::Active
            && reason == Reason::Cancelled
            && self.revision == 1
            && now.since(self.granted) < UNUSED
            && (self.machine == self.request_digest || mutated!(JoinedSeatIsUnused))
    }

    /// Whether a request may take its place, because it is of the same machine: judged stricter than a check-in, since
    /// anybody may make a request.
    pub(in crate::authority) fn is_of_machine(
        &self,
        fingerprint: &Fingerprint,
        terms: &LicenseTerms,
    ) -> bool {
        let sides = [&self.fingerprint, fingerprint];
        let may_join = sides.iter().all(|side| terms.lets_join(side));
        let is_same = fingerprint::is_same(&self.fingerprint, fingerprint, &terms.policy);
        may_join && (is_same || mutated!(JoinsAnyMachine))
    }

    /// Whether a request of that device and date is older than the seat's own, as far as the dates can be compared:
    /// those of one device are by one clock.
    pub(in crate::authority) fn is_after(&self, device: &PublicKey, created: Timestamp) -> bool {
        let tolerance = if self.device_key == *device { Duration::ZERO } else { CLOCK_TOLERANCE };
        self.requested > created.plus(tolerance) && !mutated!(OlderRequestJoins)
    }

    /// Another installation of its machine takes its place. One that was given up is over with that.
    pub(in crate::authority) fn replaced(&self, now: Timestamp) -> Self {
        let is_over = self.state == SeatState::Held;
        let state = if is_over { SeatState::Returned } else { SeatState::Replaced };
        Self { state, changed: now, ..self.clone() }
    }

    /// A new seat that takes the place of another of its machine; none when that was done too often.
    pub(in crate::authority) fn in_place_of(
        &self,
        other: &Self,
        terms: &LicenseTerms,
        now: Timestamp,
    ) -> Option<Self> {
        let reinstalls = other.reinstalls.once_more(terms.reinstalls(), now)?;
        let (machine, first_granted) = (other.machine, other.first_granted);
        Some(Self { machine, first_granted, reinstalls, ..self.clone() })
    }

    /// The installation that was replaced speaks: it takes its place back from the other one.
    pub(in crate::authority) fn taken_back(&self, other: &Self, now: Timestamp) -> Self {
        let reinstalls = other.reinstalls;
        Self { state: SeatState::Active, changed: now, reinstalls, ..self.clone() }
    }

    /// A license was signed for it that ends then. It counts from now on if that is not over.
    pub(in crate::authority) fn signed(
        &self,
        ends: Timestamp,
        terms: &LicenseTerms,
        now: Timestamp,
        gaps: &[Gap],
    ) -> Self {
        let latest = if mutated!(LastEndCounts) { ends } else { self.ends.max(ends) };
        let counting = Self { ends: latest, lapsed: false, ..self.clone() };
        Self { lapsed: self.lapsed && !counting.counts(terms, now, gaps), ..counting }
    }

    /// It counts no longer. Name, device and history stay.
    pub(in crate::authority) fn marked_lapsed(&self) -> Self {
        Self { lapsed: true, ..self.clone() }
    }

    /// Gives the seat up. Never fails: the machine has already lost its license.
    ///
    /// Without a deactivation left the seat is held for the same device; a copy of its store may hold a license that
    /// nobody can end. Otherwise it returns, and uses up a deactivation if it is `counted`. Of a seat that lapsed no
    /// copy has a license that is of use, so it returns and uses up nothing. Neither does one that was replaced: it
    /// does not count. A seat that is over stays as it is. `counts` is whether it [counts](Self::counts) now.
    pub(in crate::authority) fn give_up(
        &self,
        deactivations_left: Option<u32>,
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
        let is_kept = deactivations_left == Some(0) && !has_lapsed;
        let is_held = is_kept && !is_unused && !mutated!(AllowanceIgnored);
        let state = if is_held { SeatState::Held } else { SeatState::Returned };
        Self { state, changed: now, reason, counted: counted && !is_held && !has_lapsed, ..self.clone() }
    }

    /// What the receipts of a seat that is over say from now on. What they said once stays.
    pub(in crate::authority) fn acknowledge(&self, deactivations_left: Option<u32>, now: Timestamp) -> Self {
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
    pub(in crate::authority) fn taken_over(&self, now: Timestamp) -> Self {
        Self { state: SeatState::Returned, changed: now, ..self.clone() }
    }

    /// The vendor releases the seat of a machine that is dead, lost or unwilling. The device is told when it next
    /// speaks; until then its license runs to the end of its lease, so the seat may be in use twice for that long.
    ///
    /// None when there is nothing to release.
    pub(in crate::authority) fn released(&self, notice: &str, now: Timestamp) -> Option<Self> {
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

    /// The vendor takes its release back: it is its device's again, with a license one revision later.
    ///
    /// Fails with [`ErrorKind::GivenUp`] when the vendor did not release it, when its device has heard of that or gave
    /// the seat back since, and when its use is over.
    pub(in crate::authority) fn unreleased(&self, now: Timestamp) -> Result<Self> {
        let seat = self.handle;
        let was_given_back = self.acknowledged.is_some() && !mutated!(UnreleasesWhatWasGivenBack);
        let was_heard = self.heard_after_end.is_some() && !mutated!(UnreleasesWhatWasHeard);
        let text = match self.state {
            SeatState::Revoked if was_given_back => {
                format!("the device of seat {seat} gave it back after its release")
            }
            SeatState::Revoked if was_heard => {
                format!("the device of seat {seat} has heard of its release")
            }
            SeatState::Revoked if now >= self.ends => {
                format!("the use of seat {seat} ended at {}, before its release is taken back", self.ends)
            }
            SeatState::Revoked if !self.by_customer => {
                let revision = self.revision.saturating_add(1);
                let state = SeatState::Active;
                return Ok(Self { state, changed: now, issued: now, revision, notice: None, ..self.clone() });
            }
            _ => format!("the vendor has not released seat {seat}, so there is nothing to take back"),
        };
        Err(Error::new(ErrorKind::GivenUp, text))
    }

    /// A customer's request names it and takes its place. None if its device was heard of lately.
    pub(in crate::authority) fn replaced_by_customer(&self, now: Timestamp) -> Option<Self> {
        let is_silent = now.since(self.contact) >= SILENT || mutated!(LiveSeatIsReplaced);
        let released = self.released(REPLACED, now).filter(|_| is_silent)?;
        Some(Self { by_customer: true, ..released })
    }

    /// The vendor returns a held seat to the pool. None when it is not held.
    pub(in crate::authority) fn returned_by_vendor(&self, now: Timestamp) -> Option<Self> {
        let is_right = self.state == SeatState::Held
            || (mutated!(ReturnsActiveSeats) && self.state == SeatState::Active);
        is_right.then(|| Self { state: SeatState::Returned, changed: now, ..self.clone() })
    }

    /// A new license for an active seat: one revision later. The sync token stays, since the device may never see this
    /// license: it shows the token at its next check-in either way.
    ///
    /// Fails with [`ErrorKind::LicenseEnded`], [`ErrorKind::TrialUsed`], [`ErrorKind::GivenUp`] or
    /// [`ErrorKind::Revoked`].
    pub(in crate::authority) fn renewed(&self, terms: &LicenseTerms, now: Timestamp) -> Result<Self> {
        let refuse = |kind| Err(Error::about(kind, format!("seat {}", self.handle)));
        match self.state {
            SeatState::Active => self.check_usable(terms, now)?,
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
            trial: self.trial.or(terms.trial_days.map(|_| self.first_granted)),
            ..self.clone()
        })
    }

    /// A renewal for a device that asks for it, with a look at whether its store is the only one of the seat.
    ///
    /// A device that did not get its last answer shows the token before it, and that is not held against it. Of two
    /// copies of a store that both check in, one sooner or later shows a token that is neither: then [`Seat::copies`]
    /// is one higher, for the vendor to act on. A device that has no token to show is not taken for a copy.
    ///
    /// What the device says of its machine for people is taken as its name, unless its application gave one.
    ///
    /// The machine may have changed as far as the policy's grace goes, and is taken as it is now. One that has changed
    /// more is [`ErrorKind::WrongMachine`]: a store that was copied elsewhere must not make itself at home by checking
    /// in.
    pub(in crate::authority) fn checked_in(
        &self,
        terms: &LicenseTerms,
        request: &CheckInBody,
        sync_token: [u8; 16],
        now: Timestamp,
    ) -> Result<CheckedIn> {
        if !self.is_on(&request.fingerprint, terms) {
            return Err(self.wrong_machine());
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
            label: self.label_after(&request.description()),
            ..renewed
        };
        Ok(CheckedIn { seat, is_copy })
    }

    /// What its device is called once it described itself so. What its application gave stands.
    fn label_after(&self, description: &[(String, String)]) -> String {
        label(description).filter(|_| !self.label_given).unwrap_or_else(|| self.label.clone())
    }

    pub(in crate::authority) fn wrong_machine(&self) -> Error {
        let text =
            format!("seat {} is another machine's, or too much of its machine has changed", self.handle);
        Error::new(ErrorKind::WrongMachine, text)
    }

    /// The device speaks after the seat's end. None when that was noted within a day.
    pub(in crate::authority) fn heard_late(&self, now: Timestamp) -> Option<Self> {
        let is_news = self.heard_after_end.is_none_or(|last| now.since(last) >= NOTED_AGAIN);
        is_news.then(|| Self { heard_after_end: Some(now), ..self.clone() })
    }

    /// The device of a seat that was released speaks again. None when that was noted within a day, and for another
    /// seat.
    pub(in crate::authority) fn come_back(&self, now: Timestamp) -> Option<Self> {
        let is_news = self.came_back_at.is_none_or(|last| now.since(last) >= NOTED_AGAIN);
        let came_back = self.came_back.saturating_add(1);
        (self.state == SeatState::Revoked && is_news).then(|| Self {
            came_back,
            came_back_at: Some(now),
            ..self.clone()
        })
    }

    /// The device's store was lost, and the device asks for a new seat: this one returns to the pool, and the new
    /// request takes it in the same transaction. It does not count as a deactivation, since the seat stays with the
    /// device.
    ///
    /// A recovery names the device and no seat, because the device knows none any more. So one that comes late must not
    /// free a seat that the device has asked for since: both times are of the device's own clock, and the recovery's
    /// must not be the earlier one.
    ///
    /// Fails with [`ErrorKind::UnknownSeat`] when the seat is not active, with [`ErrorKind::Outdated`] when it was
    /// asked for after the recovery, and with [`ErrorKind::WrongMachine`] when the request comes from a machine that is
    /// not the seat's: a device key that was copied recovers nothing.
    pub(in crate::authority) fn recovered(
        &self,
        terms: &LicenseTerms,
        request: &ActivationRequest,
        now: Timestamp,
    ) -> Result<Self> {
        if self.state != SeatState::Active || self.device_key != request.device_key {
            let text = format!("seat {} is not an active seat of this device", self.handle);
            return Err(Error::new(ErrorKind::UnknownSeat, text));
        }
        if request.created < self.requested && !mutated!(LateRecoveryFrees) {
            let (created, requested) = (request.created, self.requested);
            let text = format!("the recovery is of {created}, before its seat was asked for at {requested}");
            return Err(Error::new(ErrorKind::Outdated, text));
        }
        if !self.is_on(&request.fingerprint, terms) {
            return Err(self.wrong_machine());
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
        let request =
            client.build().unwrap().begin(crate::ActivationRequestOptions::new()).unwrap().request().clone();
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
    fn a_description_renames_what_the_application_did_not_name() {
        let (terms, seat, check_in) = seat();
        let mut described = check_in(NO_TOKEN);
        let name = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let pairs = vec![name("system", "Linux"), name("host", "behind"), name("Computer", "reception")];
        described.extensions.push(crate::message::describing(pairs).unwrap());
        let label = |seat: &Seat, request: &CheckInBody| {
            seat.checked_in(&terms, request, [2; 16], seat.issued).unwrap().seat.label
        };
        let called = |label: &str, label_given| Seat { label: label.into(), label_given, ..seat.clone() };
        assert_eq!(label(&called("", false), &described), "reception");
        assert_eq!(label(&called("the old one", false), &described), "reception");
        assert_eq!(label(&called("Jane's desk", true), &described), "Jane's desk");
        assert_eq!(label(&called("the old one", false), &check_in(NO_TOKEN)), "the old one");
        described.extensions = vec![crate::message::describing(vec![name("system", "Linux")]).unwrap()];
        assert_eq!(label(&called("the old one", false), &described), "the old one");
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
