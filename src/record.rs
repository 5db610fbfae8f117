//! What a store holds, and the transitions between its states (docs/PROTOCOL.md, Client states).
//!
//! The record is kept as *current* (nothing, a pending request or an active license) and *outstanding* (seats given
//! up whose receipts have not come). Every transition is a pure function on the record: it is called with facts that
//! were verified, it either changes the record or fails and leaves it as it was, and whoever called it commits
//! the record in one atomic replacement before anything is said to anyone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Already, Error, ErrorKind, Result, Timestamp,
    code::{Handle, ReleaseSecret},
    codec::{self, Bytes},
    licensing_time::{Reading, TimeMarks},
    message::{LicenseId, Reason},
    verdict::Machine,
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
    /// The license that is set aside: it stays until the requested one is installed.
    pub(crate) aside: Option<Active>,
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
}

/// What a new activation may put in its place, beside a license that has ended.
#[derive(Clone, Copy, Default)]
pub(crate) struct Replace {
    /// A license that is still valid.
    pub(crate) license: bool,
    /// A request that waits for its answer.
    pub(crate) request: bool,
}

/// What starts of the application asked the authority for in vain (docs/PROTOCOL.md, Starts).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Unanswered {
    /// How often, with no answer in between.
    pub(crate) times: u32,
    /// When last, by the device's clock.
    pub(crate) last: Timestamp,
    /// The code of the error that it ended with.
    pub(crate) why: String,
}

/// The pause after the first start that asked in vain; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause while the license is usable.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

impl Unanswered {
    /// Until when no start asks again; none if one may. Whoever is locked out waits for no more than the first pause,
    /// and a clock that was set back since keeps nobody waiting.
    fn pause(&self, now: Timestamp, is_usable: bool) -> Option<Timestamp> {
        let longest = if is_usable { LONGEST_PAUSE } else { FIRST_PAUSE };
        let doublings = if mutated!(PausesStayShort) { 0 } else { self.times.saturating_sub(1) };
        let doubled = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let until = self.last.plus(FIRST_PAUSE.saturating_mul(doubled).min(longest));
        (self.last <= now && now < until && !mutated!(StartsAskAlways)).then_some(until)
    }

    /// Why a start must not ask now, if it must not.
    pub(crate) fn in_the_way(&self, now: Timestamp, is_usable: bool) -> Option<Error> {
        let until = self.pause(now, is_usable)?;
        // A later version may know more kinds.
        let kind = ErrorKind::from_code(&self.why).unwrap_or(ErrorKind::Unreachable);
        let why = format!("the last start failed ({kind}); the next one asks from {until} on");
        Some(Error::new(kind, why))
    }
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
    /// The envelope of the last receipt or revocation: it goes along with what is asked next, for an authority whose
    /// ledger was restored.
    pub(crate) last_word: Option<Bytes>,
    /// What starts asked for in vain, since a license came or ended.
    pub(crate) unanswered: Option<Unanswered>,
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
}

impl Release {
    fn new(activation: &Activation, license_id: LicenseId) -> Self {
        Self { handle: activation.handle, license_id, request_digest: activation.request_digest }
    }
}

/// The proof of a seat that is given up because another license takes its place.
pub(crate) struct Replaced {
    pub(crate) proof: Vec<u8>,
    pub(crate) time: Timestamp,
}

/// What says that there is nothing to cancel.
pub(crate) const NO_REQUEST: &str = "there is nothing to cancel: no activation request is pending";
/// What says that there is nothing to give up or renew.
pub(crate) const NO_LICENSE: &str = "no license is active in this store";

fn too_many_outstanding() -> Error {
    let text = format!("{MAX_OUTSTANDING} deactivations wait for their receipts, and no more are allowed");
    Error::new(ErrorKind::TooManyOutstanding, text)
}

fn wrong_request(handle: Handle, held: Handle) -> Error {
    let text = match handle == held {
        true => format!("the license answers another request for seat {handle} than this machine's"),
        false => format!("the license is for seat {handle}, and this machine has asked for seat {held}"),
    };
    Error::new(ErrorKind::WrongRequest, text)
}

fn not_here(what: &str, handle: Handle) -> Error {
    Error::new(
        ErrorKind::UnknownSeat,
        format!("the {what} is for seat {handle}, which this store does not know"),
    )
}

impl Record {
    pub(crate) fn new() -> Self {
        Self {
            current: Current::Nothing,
            outstanding: Vec::new(),
            ended: None,
            time: TimeMarks::default(),
            changed_since: None,
            last_word: None,
            unanswered: None,
        }
    }

    /// Whether that seat was given up or taken away here, as far as the record still knows.
    pub(crate) fn gave_up(&self, handle: Handle) -> bool {
        self.outstanding.iter().any(|o| o.activation.handle == handle)
            || self.ended.as_ref().is_some_and(|e| e.handle == handle)
    }

    /// The license that a check judges: the active one, or the one that is set aside.
    pub(crate) fn license(&self) -> Option<&Active> {
        match &self.current {
            Current::Active(active) => Some(active),
            Current::Pending(pending) => pending.aside.as_ref(),
            Current::Nothing => None,
        }
    }

    fn license_mut(&mut self) -> Option<&mut Active> {
        match &mut self.current {
            Current::Active(active) => Some(active),
            Current::Pending(pending) => pending.aside.as_mut(),
            Current::Nothing => None,
        }
    }

    /// Whether a new activation may begin; with nothing to replace, only where nothing is there. `ended` is whether the
    /// license that is there has ended.
    ///
    /// Fails with [`ErrorKind::AlreadyActive`], which says what is in the way.
    pub(crate) fn may_begin(&self, ended: bool, replace: Option<Replace>) -> Result<()> {
        let met = match &self.current {
            Current::Nothing => return Ok(()),
            Current::Pending(_) => Already::Pending,
            Current::Active(_) if ended => Already::Ended,
            Current::Active(_) => Already::Valid,
        };
        let gives_way = replace.is_some_and(|replace| match met {
            Already::Pending => replace.request,
            Already::Valid => replace.license,
            Already::Ended => true,
        });
        if gives_way { Ok(()) } else { Err(Error::already_active(met)) }
    }

    /// A new request: UNLICENSED, DEACTIVATED or ACTIVE to PENDING. What is outstanding stays so, and an active license
    /// is set aside. [`Record::may_begin`] says whether it may be; a request that gives way was given up before.
    pub(crate) fn begin(&mut self, mut pending: Pending) -> Result<()> {
        if matches!(self.current, Current::Pending(_)) {
            return Err(Error::already_active(Already::Pending));
        }
        // A cancelled request becomes one more outstanding seat, so there must be room for that.
        if self.outstanding.len() >= MAX_OUTSTANDING {
            return Err(too_many_outstanding());
        }
        if mutated!(OutstandingDropped) {
            self.outstanding.clear();
        }
        if let Current::Active(active) = std::mem::replace(&mut self.current, Current::Nothing) {
            pending.aside = Some(active);
        }
        self.current = Current::Pending(pending);
        Ok(())
    }

    /// Time has passed on a machine that is this to the license (docs/PROTOCOL.md, A changed machine).
    pub(crate) fn observe(&mut self, machine: Machine, now: Reading) {
        let recorded = self.time.recorded();
        self.time.observe(now);
        // A change that was recorded while the clock was ahead may lie in the future of the corrected clock.
        let licensing_now = self.time.at(now).now;
        let before = self.changed_since.filter(|_| !mutated!(GraceStartsAnew));
        let since = |since: Timestamp| Some(before.unwrap_or(since).min(licensing_now));
        self.changed_since = match machine {
            Machine::Fits => None,
            Machine::Changed => since(licensing_now),
            Machine::Hidden if mutated!(HiddenCountsFromNow) => since(licensing_now),
            Machine::Hidden => since(recorded),
            Machine::Another => self.changed_since,
        };
    }

    /// A start is about to ask the authority: noted before, so that of many starts at once one asks. Returns the note
    /// of the starts before.
    ///
    /// Fails with what became of the last start that asked, and when one may ask again, while that is later than `now`.
    #[cfg(feature = "transport")]
    pub(crate) fn ask_at_start(&mut self, now: Timestamp, is_usable: bool) -> Result<Option<Unanswered>> {
        if let Some(error) = self.unanswered.as_ref().and_then(|last| last.in_the_way(now, is_usable)) {
            return Err(error);
        }
        let times = self.unanswered.as_ref().map_or(0, |unanswered| unanswered.times);
        let why = ErrorKind::TimedOut.code().to_owned();
        if mutated!(StartsAskUnnoted) {
            return Ok(self.unanswered.clone());
        }
        Ok(self.unanswered.replace(Unanswered { times: times.saturating_add(1), last: now, why }))
    }

    /// What became of it: `why` is the error that it ended with. After an answer nothing is left to wait for.
    #[cfg(feature = "transport")]
    pub(crate) fn asked_at_start(&mut self, why: Option<ErrorKind>, now: Timestamp) {
        let times = self.unanswered.as_ref().map_or(1, |unanswered| unanswered.times);
        self.unanswered = why.map(|why| Unanswered { times, last: now, why: why.code().to_owned() });
    }

    /// The start that noted at `noted` that it asks was cancelled: the note of the starts `before` stands again, unless
    /// another one or an answer came meanwhile. Who closes a window says nothing of the way to the authority.
    #[cfg(feature = "transport")]
    pub(crate) fn gave_up_asking_at_start(&mut self, before: Option<Unanswered>, noted: Timestamp) {
        if self.unanswered.as_ref().is_some_and(|unanswered| unanswered.last == noted) {
            self.unanswered = before;
        }
    }

    /// The seat that the license of this handle replaces when it is installed: [`Record::install`] wants its proof.
    pub(crate) fn replaced_by(&self, handle: Handle) -> Option<Release> {
        match &self.current {
            Current::Pending(pending) if pending.activation.handle == handle => self.release_license(),
            _ => None,
        }
    }

    /// A license for the pending request, or a renewal of the license that is there. The very license that is installed
    /// is accepted again and changes nothing. With `replaced`, the proof of the seat that was set aside, that seat
    /// becomes outstanding: it is given up by this very commit.
    pub(crate) fn install(&mut self, facts: &LicenseFacts<'_>, replaced: Option<Replaced>) -> Result<()> {
        if self.gave_up(facts.handle) {
            let text =
                format!("the license is for seat {}, which was given up on this machine", facts.handle);
            return Err(Error::new(ErrorKind::GivenUp, text));
        }
        let fits = |activation: &Activation| {
            activation.handle == facts.handle && activation.request_digest == facts.request_digest
        };
        let license = |activation: &Activation| Active {
            activation: activation.clone(),
            license: Bytes(facts.envelope.to_vec()),
            license_id: facts.license_id,
            deactivations_left: facts.deactivations_left,
            revision: facts.revision,
        };
        if let Current::Pending(pending) = &self.current
            && fits(&pending.activation)
        {
            let granted = license(&pending.activation);
            let aside = pending.aside.clone();
            if let Some(aside) = aside.filter(|_| !mutated!(ReplacedForgotten)) {
                let Replaced { proof, time } = replaced.ok_or_else(|| {
                    Error::new(ErrorKind::WrongRequest, "the proof of the license before is missing")
                })?;
                self.give_up_license(aside, proof, time, Reason::Other)?;
            }
            self.current = Current::Active(granted);
            self.changed_since = None;
            self.unanswered = None;
            return Ok(());
        }
        let wrong = match self.handles().next() {
            None => Error::new(
                ErrorKind::NotPending,
                format!(
                    "the license is for seat {}, and no activation request is pending here",
                    facts.handle
                ),
            ),
            Some(held) => wrong_request(facts.handle, held),
        };
        let changed_since = self.changed_since;
        let active = self.license_mut().filter(|active| active.activation.handle == facts.handle);
        let active = active.ok_or(wrong)?;
        if facts.revision < active.revision {
            let (old, new) = (facts.revision, active.revision);
            let text = format!("the license has revision {old}, and revision {new} is installed already");
            return Err(Error::new(ErrorKind::Outdated, text));
        }
        if !fits(&active.activation) {
            let text =
                format!("the license answers another request for seat {} than this machine's", facts.handle);
            return Err(Error::new(ErrorKind::WrongRequest, text));
        }
        // Only a later license is the authority's word on a machine that has changed.
        let is_same = facts.revision == active.revision && !mutated!(SameLicenseEndsGrace);
        let changed_since = changed_since.filter(|_| is_same);
        *active = license(&active.activation);
        self.changed_since = changed_since;
        self.unanswered = None;
        Ok(())
    }

    /// The pending request, to cancel it.
    pub(crate) fn release_request(&self) -> Option<Release> {
        let Current::Pending(pending) = &self.current else { return None };
        Some(Release::new(&pending.activation, LicenseId::NONE))
    }

    /// The license, active or set aside, to deactivate it.
    pub(crate) fn release_license(&self) -> Option<Release> {
        self.license().map(|license| Release::new(&license.activation, license.license_id))
    }

    /// Fails with [`ErrorKind::DeactivationNotAllowed`] if the license says that none is left: better to hear it
    /// while it is still active.
    pub(crate) fn may_deactivate(&self) -> Result<()> {
        match self.license() {
            Some(Active { deactivations_left: Some(0), .. }) => {
                let text = "the license has 0 deactivations left, so it stays active here";
                Err(Error::new(ErrorKind::DeactivationNotAllowed, text))
            }
            _ => Ok(()),
        }
    }

    /// Cancels the pending request: PENDING to DEACTIVATING, with the proof made for [`Record::release_request`]. A
    /// license that was set aside is active again, as if nothing had been asked.
    pub(crate) fn cancel(&mut self, proof: Vec<u8>, time: Timestamp) -> Result<&GivenUp> {
        self.has_room()?;
        let pending = match std::mem::replace(&mut self.current, Current::Nothing) {
            Current::Pending(pending) => pending,
            current => {
                self.current = current;
                return Err(Error::new(ErrorKind::NotPending, NO_REQUEST));
            }
        };
        let changed_since = self.changed_since.filter(|_| pending.aside.is_some());
        self.end(pending.activation.handle, Ending::Cancelled, time);
        self.changed_since = changed_since;
        if let Some(aside) = pending.aside {
            self.current = Current::Active(aside);
        }
        Ok(self.push(GivenUp {
            activation: pending.activation,
            license_id: LicenseId::NONE,
            proof: proof.into(),
            request: Some(pending.request),
            time,
            reason: Reason::Cancelled,
        }))
    }

    /// Gives the license up: ACTIVE to DEACTIVATING, with the proof made for [`Record::release_license`]. A request
    /// that is pending beside it stays so.
    pub(crate) fn deactivate(&mut self, proof: Vec<u8>, time: Timestamp, reason: Reason) -> Result<&GivenUp> {
        let license = self.license().cloned().ok_or_else(|| Error::new(ErrorKind::NotActive, NO_LICENSE))?;
        self.has_room()?;
        if !mutated!(LicenseKept) {
            self.take(license.activation.handle);
        }
        self.give_up_license(license, proof, time, reason)
    }

    fn give_up_license(
        &mut self,
        license: Active,
        proof: Vec<u8>,
        time: Timestamp,
        reason: Reason,
    ) -> Result<&GivenUp> {
        self.has_room()?;
        self.end(license.activation.handle, Ending::Deactivated, time);
        Ok(self.push(GivenUp {
            activation: license.activation,
            license_id: license.license_id,
            proof: proof.into(),
            request: None,
            time,
            reason,
        }))
    }

    fn has_room(&self) -> Result<()> {
        if self.outstanding.len() >= MAX_OUTSTANDING {
            return Err(too_many_outstanding());
        }
        Ok(())
    }

    fn push(&mut self, given_up: GivenUp) -> &GivenUp {
        self.outstanding.push(given_up);
        self.outstanding.last().expect("it was just put there")
    }

    /// Takes the seat of that handle out of what is current. Returns whether it was there.
    fn take(&mut self, handle: Handle) -> bool {
        match &mut self.current {
            Current::Pending(pending) if pending.activation.handle == handle => {
                self.current = pending.aside.take().map_or(Current::Nothing, Current::Active);
            }
            Current::Pending(Pending { aside, .. })
                if aside.as_ref().is_some_and(|aside| aside.activation.handle == handle) =>
            {
                *aside = None;
            }
            Current::Active(active) if active.activation.handle == handle => self.current = Current::Nothing,
            _ => return false,
        }
        true
    }

    /// A receipt: strikes the seat out of what is outstanding. One for the active seat says that the authority
    /// freed it (this store is a copy made before the deactivation), so the license ends too.
    ///
    /// Returns whether the record changed; the same receipt again changes nothing.
    pub(crate) fn receipt(&mut self, handle: Handle, receipt: &[u8], time: Timestamp) -> Result<bool> {
        if !self.knows(handle) {
            return Err(not_here("receipt", handle));
        }
        let outstanding = self.outstanding.len();
        self.outstanding.retain(|o| o.activation.handle != handle);
        let mut changed = outstanding != self.outstanding.len();
        if self.take(handle) {
            self.end(handle, Ending::Deactivated, time);
            changed = true;
        }
        if changed {
            self.last_word = Some(Bytes(receipt.to_vec()));
        }
        Ok(changed)
    }

    /// A revocation: whatever the store holds of that seat ends. Returns whether the record changed.
    pub(crate) fn revoke(
        &mut self,
        handle: Handle,
        reason: &str,
        revocation: &[u8],
        time: Timestamp,
    ) -> Result<bool> {
        if !self.knows(handle) {
            return Err(not_here("revocation", handle));
        }
        let outstanding = self.outstanding.len();
        self.outstanding.retain(|o| o.activation.handle != handle);
        let mut changed = outstanding != self.outstanding.len();
        if !mutated!(RevocationIgnored) && self.take(handle) {
            self.end(handle, Ending::Revoked(reason.to_owned()), time);
            changed = true;
        }
        if changed {
            self.last_word = Some(Bytes(revocation.to_vec()));
        }
        Ok(changed)
    }

    /// The seats that it holds: of the pending request, of the license.
    pub(crate) fn handles(&self) -> impl Iterator<Item = Handle> {
        let pending = match &self.current {
            Current::Pending(pending) => Some(pending.activation.handle),
            _ => None,
        };
        pending.into_iter().chain(self.license().map(|license| license.activation.handle))
    }

    pub(crate) fn knows(&self, handle: Handle) -> bool {
        self.handles().any(|held| held == handle) || self.gave_up(handle)
    }

    fn end(&mut self, handle: Handle, how: Ending, time: Timestamp) {
        self.ended = Some(Ended { handle, how, time });
        self.changed_since = None;
        self.unanswered = None;
    }
}
