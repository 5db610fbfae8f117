//! What a decision is made from: the records that a host looked up, and what was verified.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    approval::Approval,
    counts::{Attempts, Count, Counting},
    history::History,
    incoming::Evidence,
    seat::{Seat, SeatName},
    terms::{KeyHash, LicenseRecord},
    verification::{Fact, FactId, Verification},
};
use crate::{
    Error, ErrorKind, LicenseId, Page, PublicKey, Result, Timestamp, code::Handle, fingerprint::Tag,
};

/// One thing that a decision needs to know from the ledger.
///
/// A host answers each of them. The list is not open-ended: a new query is an error of the compiler in every host, not
/// a record that somebody forgets to load.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Query {
    /// The license whose key has that hash: [`Found::License`].
    LicenseOfKey(KeyHash),
    /// The license of that id: [`Found::License`].
    License(LicenseId),
    /// Every seat of that handle, whatever its state, license and device: [`Found::Seats`]. Mostly one, and few in any
    /// case.
    SeatsOfHandle(Handle),
    /// The active and held seats of that device, whatever their license: [`Found::Seats`], those first that were
    /// granted last, at most [`MAX_SEATS_OF_DEVICE`].
    TakenSeatsOf(PublicKey),
    /// The seats of a license that are active or held and not [marked as lapsed](Seat::is_lapsed), and whose use ends
    /// at `until` or before: [`Found::Seats`], the first to end first, at most so many. One
    /// [without an end](Seat::ends) ends at [`Timestamp::MAX`].
    SeatsByEnd {
        /// The license.
        license: LicenseId,
        /// The last end.
        until: Timestamp,
        /// How many seats at most.
        at_most: u32,
    },
    /// The seats of a license that are active or held and not [marked as lapsed](Seat::is_lapsed), and whose
    /// fingerprint has that [hardware tag](crate::fingerprint::Fingerprint::hardware): [`Found::Seats`], those first
    /// that were heard of least lately, at most [`MAX_SEATS_OF_TAG`].
    SeatsWithTag(LicenseId, Tag),
    /// The seats that are active or held and have that [machine](Seat::machine): [`Found::Seats`], one at most.
    SeatOfMachine([u8; 32]),
    /// The [trial](Seat::is_trial) seats of every license of that license's product, whatever became of them, whose
    /// fingerprint has or had that [hardware tag](crate::fingerprint::Fingerprint::hardware): [`Found::Seats`], those
    /// first that were granted last, at most [`MAX_SEATS_OF_TAG`].
    TrialsWithTag(LicenseId, Tag),
    /// What was kept for that handle: [`Found::Evidence`], oldest first.
    EvidenceOf(Handle),
    /// The check-in of that seat whose digest this is, if it was answered before: [`Found::CheckIn`].
    CheckIn(SeatName, [u8; 32]),
    /// The requests under that handle that wait for approval, or were approved or refused: [`Found::Approvals`]. Mostly
    /// none.
    ApprovalsOf(Handle),
    /// How many codes were tried at that seat: [`Found::Attempts`].
    Attempts(SeatName),
    /// How often that happened to a license within a year: [`Found::Count`].
    Count(LicenseId, Counting),
    /// What the ledger noted of its service: [`Found::History`].
    History,
    /// Whether that page was noted: [`Found::Page`].
    Page(Page),
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// A license and what its seats add up to; none if there is none.
    License(Option<Box<LicenseRecord>>),
    /// Seats.
    Seats(Vec<Seat>),
    /// Evidence.
    Evidence(Vec<Evidence>),
    /// The revision of the license that a check-in was answered with; none if it was not.
    CheckIn(Option<u32>),
    /// Requests.
    Approvals(Vec<Approval>),
    /// Attempts; the default if there were none.
    Attempts(Attempts),
    /// What the ledger noted of its service; none if it noted nothing yet.
    History(Option<Box<History>>),
    /// Whether the page is known.
    Page(bool),
    /// How often something happened; the default for never.
    Count(Count),
}

/// How many seats with one tag are looked at. A tag has 24 bits and a machine has several, so there are hardly ever
/// two.
pub const MAX_SEATS_OF_TAG: usize = 32;

/// How many seats of one device are looked at. A device has one active seat, and gives up at most 64 before it has to
/// hand something in. Only a store that was copied to many machines has more, or somebody who makes requests without
/// end. Where there are so many, the seat of a machine is also found by its hardware.
pub const MAX_SEATS_OF_DEVICE: usize = 128;

/// What a decision lacks.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// Answer each from the ledger.
    pub queries: Vec<Query>,
    /// [Run](Verification::run) each while no lock is held.
    pub verifications: Vec<Verification>,
}

/// The records that a host looked up for one decision, and the facts that it verified.
///
/// Records know what was asked. A query that nobody answered is not the same as one that found nothing: a decision
/// that lacks a record asks for it and decides nothing.
#[derive(Clone, Default)]
pub struct Records {
    licenses_of_keys: BTreeMap<KeyHash, Option<LicenseId>>,
    licenses: BTreeMap<LicenseId, Option<LicenseRecord>>,
    seats: BTreeMap<SeatName, Seat>,
    seats_of_handles: BTreeMap<Handle, Vec<SeatName>>,
    taken_seats: BTreeMap<PublicKey, Vec<SeatName>>,
    seats_by_end: BTreeMap<(LicenseId, Timestamp, u32), Vec<SeatName>>,
    seats_with_tags: BTreeMap<(LicenseId, Tag), Vec<SeatName>>,
    seats_of_machines: BTreeMap<[u8; 32], Vec<SeatName>>,
    trials_with_tags: BTreeMap<(LicenseId, Tag), Vec<SeatName>>,
    evidence: BTreeMap<Handle, Vec<Evidence>>,
    check_ins: BTreeMap<(SeatName, [u8; 32]), Option<u32>>,
    approvals: BTreeMap<Handle, Vec<Approval>>,
    attempts: BTreeMap<SeatName, Attempts>,
    history: Option<Option<Box<History>>>,
    pages: BTreeMap<Page, bool>,
    counts: BTreeMap<(LicenseId, Counting), Count>,
    facts: BTreeMap<FactId, bool>,
}

impl Records {
    /// No record and no fact.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what a query found.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] when that is no answer to the query: a license, seat or evidence that was
    /// not asked for. Nothing of it is taken then.
    pub fn add(&mut self, query: Query, found: Found) -> Result<()> {
        let other = || Error::new(ErrorKind::InvalidInput, "the records are not an answer to the query");
        match (query, found) {
            (_, Found::License(Some(license))) if license.terms.id == LicenseId::NONE => return Err(other()),
            (Query::LicenseOfKey(hash), Found::License(license)) => {
                let id = license.as_ref().map(|license| license.terms.id);
                self.licenses_of_keys.insert(hash, id);
                if let (Some(id), Some(license)) = (id, license) {
                    self.licenses.insert(id, Some(*license));
                }
            }
            (Query::License(id), Found::License(license)) => {
                if license.as_ref().is_some_and(|license| license.terms.id != id) {
                    return Err(other());
                }
                self.licenses.insert(id, license.map(|license| *license));
            }
            (Query::SeatsOfHandle(handle), Found::Seats(seats)) => {
                if seats.iter().any(|seat| seat.handle() != handle) {
                    return Err(other());
                }
                let names = self.add_seats(seats);
                self.seats_of_handles.insert(handle, names);
            }
            (Query::TakenSeatsOf(device), Found::Seats(mut seats)) => {
                let fits = |seat: &Seat| *seat.device_key() == device && seat.state().is_taken();
                if !seats.iter().all(fits) {
                    return Err(other());
                }
                seats.sort_by_key(|seat| std::cmp::Reverse(seat.granted()));
                seats.truncate(MAX_SEATS_OF_DEVICE);
                let names = self.add_seats(seats);
                self.taken_seats.insert(device, names);
            }
            (Query::SeatsByEnd { license, until, at_most }, Found::Seats(seats)) => {
                let fits =
                    |seat: &Seat| seat.license_id == license && seat.is_marked_taken() && seat.ends <= until;
                if !seats.iter().all(fits) || seats.len() > at_most as usize {
                    return Err(other());
                }
                let names = self.add_seats(seats);
                self.seats_by_end.insert((license, until, at_most), names);
            }
            (Query::SeatsWithTag(license, tag), Found::Seats(seats)) => {
                let fits = |seat: &Seat| {
                    seat.license_id == license
                        && seat.is_marked_taken()
                        && seat.fingerprint.hardware().any(|other| other == tag)
                };
                if !seats.iter().all(fits) || seats.len() > MAX_SEATS_OF_TAG {
                    return Err(other());
                }
                let names = self.add_seats(seats);
                self.seats_with_tags.insert((license, tag), names);
            }
            (Query::SeatOfMachine(machine), Found::Seats(seats)) => {
                let fits = |seat: &Seat| seat.machine == machine && seat.state.is_taken();
                if !seats.iter().all(fits) || seats.len() > 1 {
                    return Err(other());
                }
                let names = self.add_seats(seats);
                self.seats_of_machines.insert(machine, names);
            }
            (Query::TrialsWithTag(license, tag), Found::Seats(seats)) => {
                if !seats.iter().all(Seat::is_trial) || seats.len() > MAX_SEATS_OF_TAG {
                    return Err(other());
                }
                let names = self.add_seats(seats);
                self.trials_with_tags.insert((license, tag), names);
            }
            (Query::EvidenceOf(handle), Found::Evidence(evidence)) => {
                if evidence.iter().any(|evidence| evidence.handle() != handle) {
                    return Err(other());
                }
                self.evidence.insert(handle, evidence);
            }
            (Query::CheckIn(name, digest), Found::CheckIn(revision)) => {
                self.check_ins.insert((name, digest), revision);
            }
            (Query::ApprovalsOf(handle), Found::Approvals(approvals)) => {
                if approvals.iter().any(|approval| approval.name().handle != handle) {
                    return Err(other());
                }
                self.approvals.insert(handle, approvals);
            }
            (Query::Attempts(name), Found::Attempts(attempts)) => {
                self.attempts.insert(name, attempts);
            }
            (Query::Count(license, counted), Found::Count(count)) => {
                self.counts.insert((license, counted), count);
            }
            (Query::History, Found::History(history)) => self.history = Some(history),
            (Query::Page(page), Found::Page(is_known)) => {
                self.pages.insert(page, is_known);
            }
            _ => return Err(other()),
        }
        Ok(())
    }

    fn add_seats(&mut self, seats: Vec<Seat>) -> Vec<SeatName> {
        let named = seats.into_iter().map(|seat| (seat.name(), seat));
        named
            .map(|(name, seat)| {
                self.seats.insert(name, seat);
                name
            })
            .collect()
    }

    /// Adds what a verification came to.
    pub fn add_fact(&mut self, fact: Fact) {
        self.facts.insert(fact.id, fact.holds);
    }

    /// Runs verifications in order and adds what they come to. A code that fits ends them: the other slow ones are of
    /// no use then.
    pub fn run(&mut self, verifications: &[Verification]) {
        for verification in verifications {
            let fact = verification.run();
            self.add_fact(fact);
            if verification.is_slow() && fact.holds() {
                break;
            }
        }
    }

    /// Adds every fact of other records.
    pub(super) fn add_facts(&mut self, other: &Self) {
        self.facts.extend(&other.facts);
    }

    /// Nothing but the facts: records are of a moment, facts stay true. For the next transaction.
    pub fn facts(&self) -> Self {
        Self { facts: self.facts.clone(), ..Self::default() }
    }

    pub(super) fn license(&self, id: LicenseId) -> Option<Option<&LicenseRecord>> {
        self.licenses.get(&id).map(Option::as_ref)
    }

    pub(super) fn license_of_key(&self, hash: KeyHash) -> Option<Option<LicenseId>> {
        self.licenses_of_keys.get(&hash).copied()
    }

    pub(super) fn seat(&self, name: SeatName) -> Option<&Seat> {
        self.seats.get(&name)
    }

    pub(super) fn seats_of_handle(&self, handle: Handle) -> Option<&[SeatName]> {
        self.seats_of_handles.get(&handle).map(Vec::as_slice)
    }

    pub(super) fn taken_seats_of(&self, device: &PublicKey) -> Option<&[SeatName]> {
        self.taken_seats.get(device).map(Vec::as_slice)
    }

    pub(super) fn seats_by_end(
        &self,
        license: LicenseId,
        until: Timestamp,
        at_most: u32,
    ) -> Option<&[SeatName]> {
        self.seats_by_end.get(&(license, until, at_most)).map(Vec::as_slice)
    }

    pub(super) fn seats_with_tag(&self, license: LicenseId, tag: Tag) -> Option<&[SeatName]> {
        self.seats_with_tags.get(&(license, tag)).map(Vec::as_slice)
    }

    pub(super) fn seat_of_machine(&self, machine: [u8; 32]) -> Option<&[SeatName]> {
        self.seats_of_machines.get(&machine).map(Vec::as_slice)
    }

    pub(super) fn trials_with_tag(&self, license: LicenseId, tag: Tag) -> Option<&[SeatName]> {
        self.trials_with_tags.get(&(license, tag)).map(Vec::as_slice)
    }

    pub(super) fn evidence_of(&self, handle: Handle) -> Option<&[Evidence]> {
        self.evidence.get(&handle).map(Vec::as_slice)
    }

    pub(super) fn check_in(&self, name: SeatName, digest: [u8; 32]) -> Option<Option<u32>> {
        self.check_ins.get(&(name, digest)).copied()
    }

    pub(super) fn approvals_of(&self, handle: Handle) -> Option<&[Approval]> {
        self.approvals.get(&handle).map(Vec::as_slice)
    }

    pub(super) fn attempts(&self, name: SeatName) -> Option<Attempts> {
        self.attempts.get(&name).copied()
    }

    pub(super) fn count(&self, license: LicenseId, counted: Counting) -> Option<&Count> {
        self.counts.get(&(license, counted))
    }

    pub(super) fn history(&self) -> Option<Option<&History>> {
        self.history.as_ref().map(Option::as_deref)
    }

    pub(super) fn is_known(&self, page: Page) -> Option<bool> {
        self.pages.get(&page).copied()
    }

    pub(super) fn fact(&self, id: FactId) -> Option<bool> {
        self.facts.get(&id).copied()
    }

    /// Which of these queries were not answered yet, each once.
    pub(super) fn unanswered(&self, queries: impl IntoIterator<Item = Query>) -> Vec<Query> {
        let missing = queries.into_iter().filter(|query| match query {
            Query::LicenseOfKey(hash) => !self.licenses_of_keys.contains_key(hash),
            Query::License(id) => !self.licenses.contains_key(id),
            Query::SeatsOfHandle(handle) => !self.seats_of_handles.contains_key(handle),
            Query::TakenSeatsOf(device) => !self.taken_seats.contains_key(device),
            Query::SeatsByEnd { license, until, at_most } => {
                !self.seats_by_end.contains_key(&(*license, *until, *at_most))
            }
            Query::SeatsWithTag(license, tag) => !self.seats_with_tags.contains_key(&(*license, *tag)),
            Query::SeatOfMachine(machine) => !self.seats_of_machines.contains_key(machine),
            Query::TrialsWithTag(license, tag) => !self.trials_with_tags.contains_key(&(*license, *tag)),
            Query::EvidenceOf(handle) => !self.evidence.contains_key(handle),
            Query::CheckIn(name, digest) => !self.check_ins.contains_key(&(*name, *digest)),
            Query::ApprovalsOf(handle) => !self.approvals.contains_key(handle),
            Query::Attempts(name) => !self.attempts.contains_key(name),
            Query::History => self.history.is_none(),
            Query::Page(page) => !self.pages.contains_key(page),
            Query::Count(license, counted) => !self.counts.contains_key(&(*license, *counted)),
        });
        missing.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("licenses", &self.licenses.len())
            .field("seats", &self.seats.len())
            .field("facts", &self.facts.len())
            .finish_non_exhaustive()
    }
}
