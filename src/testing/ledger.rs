//! What a vendor keeps, in memory. No rule is in here: the library asks for records, and says what to store.
//!
//! A real vendor keeps the same records in a database and makes each decision in one transaction; `examples/authority`
//! does.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use crate::{
    Error, ErrorKind, LicenseId, Metadata, Page, Result, Timestamp,
    authority::{
        Allowances, Approval, Attempts, Count, Counting, Evidence, Found, History, KeyHash, LicenseKeyName,
        LicenseRecord, LicenseTerms, MAX_SEATS_OF_DEVICE, MAX_SEATS_OF_TAG, Query, Seat, SeatName, Usage,
        decision::{Change, Ledger},
    },
};

/// A ledger in memory. A clone is a copy as it was then, so a test can restore it.
#[derive(Clone, Default)]
pub struct MemoryLedger {
    /// What was sold, in the order of the sales.
    pub terms: Vec<LicenseTerms>,
    /// Every seat there ever was, for ever: so no old message is ever news again.
    pub seats: BTreeMap<SeatName, Seat>,
    /// Of license keys it keeps the hash alone.
    keys: BTreeMap<KeyHash, LicenseId>,
    evidence: Vec<Evidence>,
    check_ins: BTreeMap<(SeatName, [u8; 32]), u32>,
    attempts: BTreeMap<SeatName, Attempts>,
    approvals: BTreeMap<SeatName, Approval>,
    counts: BTreeMap<(LicenseId, Counting), Count>,
    descriptions: BTreeMap<SeatName, Metadata>,
    allowances: BTreeMap<LicenseId, Allowances>,
    history: Option<History>,
    pages: BTreeSet<Page>,
}

impl MemoryLedger {
    /// The ledger of a vendor that sold one license; an empty key finds none.
    pub fn new(terms: LicenseTerms, license_key: &str) -> Self {
        let mut ledger = Self::default();
        ledger.sell(terms, license_key);
        ledger
    }

    /// Enters a license. An empty key finds none: the vendor chooses the license.
    pub fn sell(&mut self, terms: LicenseTerms, license_key: &str) {
        self.keys.extend(LicenseKeyName::new(license_key).map(|key| (key.hash(), terms.id)));
        self.terms.push(terms);
    }

    /// Gives a license another key in place of the one before.
    pub fn rekey(&mut self, license: LicenseId, license_key: &str) {
        self.keys.retain(|_, id| *id != license || mutated!(OldKeysActivate));
        self.keys.extend(LicenseKeyName::new(license_key).map(|key| (key.hash(), license)));
    }

    /// The license of a key; none if nobody was sold one.
    pub fn license_of(&self, license_key: &str) -> Option<LicenseId> {
        self.keys.get(&LicenseKeyName::new(license_key)?.hash()).copied()
    }

    /// The seats of a license, those too that are free again.
    pub fn seats_of(&self, license: LicenseId) -> impl Iterator<Item = &Seat> {
        self.seats.values().filter(move |seat| seat.license_id() == Some(license))
    }

    /// What the device of a seat said last of its machine, for people; empty if nothing.
    pub fn description(&self, seat: SeatName) -> &[(String, String)] {
        self.descriptions.get(&seat).map_or(&[], Vec::as_slice)
    }

    /// How many seats of a license are taken, and how many deactivations and activations were used up.
    pub fn usage(&self, license: LicenseId) -> Usage {
        let count = |test: fn(&&Seat) -> bool| self.seats_of(license).filter(test).count() as u32;
        Usage::new(
            count(|seat| seat.is_marked_taken()),
            count(|seat| seat.is_counted()),
            count(|seat| seat.is_activation()),
        )
    }

    fn seats(&self, test: impl Fn(&Seat) -> bool) -> Vec<Seat> {
        self.seats.values().filter(|seat| test(seat)).cloned().collect()
    }

    /// The requests that wait for approval, or were approved or refused, also those that were granted since.
    pub fn approvals(&self) -> impl Iterator<Item = &Approval> {
        self.approvals.values()
    }

    /// Forgets the requests of a license, which a vendor does when it stops the license.
    pub fn forget_approvals_of(&mut self, license: LicenseId) {
        self.approvals.retain(|_, approval| approval.license_id() != license);
    }

    /// A license with what its seats add up to; none if nobody was sold one.
    pub fn license(&self, id: LicenseId) -> Option<LicenseRecord> {
        let terms = self.terms.iter().find(|terms| terms.id == id)?;
        let mut license = LicenseRecord::new(terms.clone(), self.usage(id));
        license.allowances = self.allowances.get(&id).copied().unwrap_or_default();
        Some(license)
    }
}

impl Ledger for MemoryLedger {
    type Error = Error;

    fn find(&self, query: &Query) -> Result<Found> {
        Ok(match *query {
            Query::LicenseOfKey(hash) => match self.keys.get(&hash) {
                Some(id) => Found::License(self.license(*id).map(Box::new)),
                None => Found::License(None),
            },
            Query::License(id) => Found::License(self.license(id).map(Box::new)),
            Query::SeatsOfHandle(handle) => Found::Seats(self.seats(|seat| seat.handle() == handle)),
            Query::TakenSeatsOf(device) => {
                let mut taken = self.seats(|seat| *seat.device_key() == device && seat.state().is_taken());
                taken.sort_by_key(|seat| std::cmp::Reverse(seat.granted()));
                taken.truncate(MAX_SEATS_OF_DEVICE);
                Found::Seats(taken)
            }
            Query::SeatsByEnd { license, until, at_most } => {
                let end = |seat: &Seat| seat.ends().unwrap_or(Timestamp::MAX);
                let taken = self.seats_of(license).filter(|seat| seat.is_marked_taken());
                let mut ended: Vec<_> = taken.filter(|seat| end(seat) <= until).cloned().collect();
                ended.sort_by_key(end);
                ended.truncate(at_most as usize);
                Found::Seats(ended)
            }
            Query::SeatsWithTag(license, tag) => {
                let mut seats = self.seats(|seat| {
                    let has = seat.fingerprint().hardware().any(|other| other == tag);
                    seat.is_marked_taken() && has && seat.license_id() == Some(license)
                });
                seats.sort_by_key(Seat::contact);
                seats.truncate(MAX_SEATS_OF_TAG);
                Found::Seats(seats)
            }
            Query::SeatOfMachine(machine) => {
                Found::Seats(self.seats(|seat| *seat.machine() == machine && seat.state().is_taken()))
            }
            Query::TrialsWithTag(license, tag) => {
                let product = |id| self.terms.iter().find(|terms| Some(terms.id) == id).map(|of| &of.product);
                let mut seats = self.seats(|seat| {
                    let has = seat.fingerprint().hardware().any(|other| other == tag);
                    seat.is_trial() && has && product(seat.license_id()) == product(Some(license))
                });
                seats.sort_by_key(|seat| std::cmp::Reverse(seat.granted()));
                seats.truncate(MAX_SEATS_OF_TAG);
                Found::Seats(seats)
            }
            Query::EvidenceOf(handle) => {
                let about = self.evidence.iter().filter(|evidence| evidence.handle() == handle);
                Found::Evidence(about.cloned().collect())
            }
            Query::CheckIn(seat, digest) => Found::CheckIn(self.check_ins.get(&(seat, digest)).copied()),
            Query::ApprovalsOf(handle) => {
                let of = self.approvals.values().filter(|approval| approval.name().handle == handle);
                Found::Approvals(of.cloned().collect())
            }
            Query::Attempts(seat) => Found::Attempts(self.attempts.get(&seat).copied().unwrap_or_default()),
            Query::Count(id, counted) => {
                Found::Count(self.counts.get(&(id, counted)).cloned().unwrap_or_default())
            }
            Query::History => Found::History(self.history.clone().map(Box::new)),
            Query::Page(page) => Found::Page(self.pages.contains(&page)),
        })
    }

    fn store(&mut self, change: Change) -> Result<()> {
        match change {
            Change::Insert { seat, request } => match self.seats.entry(seat.name()) {
                Entry::Vacant(place) => {
                    let description = request.map(|request| request.description()).unwrap_or_default();
                    self.descriptions.insert(seat.name(), description);
                    place.insert(seat);
                }
                Entry::Occupied(_) => {
                    return Err(Error::new(ErrorKind::WrongRequest, "a seat of that name is there"));
                }
            },
            Change::Update(seat) => drop(self.seats.insert(seat.name(), seat)),
            Change::Keep(evidence) => self.evidence.push(evidence),
            Change::Forget(evidence) => self.evidence.retain(|kept| *kept != evidence),
            Change::RememberCheckIn { seat, digest, revision, forget_below } => {
                self.check_ins.retain(|(name, _), answered| *name != seat || *answered >= forget_below);
                self.check_ins.insert((seat, digest), revision);
            }
            Change::Describe { seat, description } => drop(self.descriptions.insert(seat, description)),
            Change::Approval(approval) => drop(self.approvals.insert(approval.name(), *approval)),
            Change::ForgetApprovals { license, device } => {
                let is_meant = |of: &Approval| of.license_id() == license && of.name().device_key == device;
                self.approvals.retain(|_, approval| !is_meant(approval));
            }
            Change::Attempts(seat, attempts) => drop(self.attempts.insert(seat, attempts)),
            Change::Count(id, counted, count) => drop(self.counts.insert((id, counted), count)),
            Change::Allowances(id, allowances) => drop(self.allowances.insert(id, allowances)),
            Change::History(history) => self.history = Some(history),
            Change::Page(page) if !self.pages.insert(page) => {
                return Err(Error::new(ErrorKind::InvalidInput, "that page is there"));
            }
            Change::Page(_) => {}
            Change::License(terms) => self.terms.push(*terms),
        }
        Ok(())
    }
}
