//! What a vendor keeps, in memory. No rule is in here: the library asks for records, and says what to store.
//!
//! A real vendor keeps the same records in a database and makes each decision in one transaction; `examples/authority`
//! does.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use nodelock::{
    Error, ErrorKind, LicenseId, Page, Result, Timestamp,
    authority::{
        Attempts, Count, Counting, Evidence, Found, History, KeyHash, LicenseKeyName, LicenseRecord,
        LicenseTerms, Query, Seat, SeatName, Usage,
        decision::{Change, Ledger},
    },
};

/// The ledger of a vendor that sold one license.
#[derive(Clone)]
pub struct Memory {
    /// What was sold.
    pub terms: LicenseTerms,
    /// Every seat there ever was, for ever: so no old message is ever news again.
    pub seats: BTreeMap<SeatName, Seat>,
    /// Finds the license; none if it was sold without a key.
    key: Option<KeyHash>,
    evidence: Vec<Evidence>,
    check_ins: BTreeMap<(SeatName, [u8; 32]), u32>,
    attempts: BTreeMap<SeatName, Attempts>,
    history: Option<History>,
    pages: BTreeSet<Page>,
    /// Licenses that were lost when the ledger was restored, and entered again without a key.
    recovered: BTreeMap<LicenseId, LicenseTerms>,
    counts: BTreeMap<Counting, Count>,
}

impl Memory {
    /// The ledger after the sale. Of the license key it keeps the hash alone.
    pub fn new(terms: LicenseTerms, license_key: &str) -> Self {
        Self {
            terms,
            seats: BTreeMap::new(),
            key: LicenseKeyName::new(license_key).map(|key| key.hash()),
            evidence: Vec::new(),
            check_ins: BTreeMap::new(),
            attempts: BTreeMap::new(),
            history: None,
            pages: BTreeSet::new(),
            recovered: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    /// How many seats are taken, and how many deactivations were used.
    pub fn usage(&self) -> Usage {
        self.usage_of(self.terms.id)
    }

    fn usage_of(&self, id: LicenseId) -> Usage {
        let seats = || self.seats.values().filter(|seat| seat.license_id() == Some(id));
        let count = |test: fn(&&Seat) -> bool| seats().filter(test).count() as u32;
        let taken = |seat: &&Seat| seat.state().is_taken() && !seat.is_lapsed();
        Usage::new(count(taken), count(|seat| seat.is_counted()))
    }

    fn seats(&self, test: impl Fn(&Seat) -> bool) -> Found {
        Found::Seats(self.seats.values().filter(|seat| test(seat)).cloned().collect())
    }

    fn license(&self, id: LicenseId) -> Found {
        let terms = if id == self.terms.id { Some(&self.terms) } else { self.recovered.get(&id) };
        let license = |terms: &LicenseTerms| LicenseRecord { terms: terms.clone(), usage: self.usage_of(id) };
        Found::License(terms.map(|terms| Box::new(license(terms))))
    }
}

impl Ledger for Memory {
    type Error = Error;

    fn find(&self, query: &Query) -> Result<Found> {
        Ok(match *query {
            Query::LicenseOfKey(hash) if self.key == Some(hash) => self.license(self.terms.id),
            Query::LicenseOfKey(_) => Found::License(None),
            Query::License(id) => self.license(id),
            Query::SeatsOfHandle(handle) => self.seats(|seat| seat.handle() == handle),
            Query::TakenSeatsOf(device) => {
                self.seats(|seat| *seat.device_key() == device && seat.state().is_taken())
            }
            Query::SeatsByEnd { license, until, at_most } => {
                let end = |seat: &Seat| seat.ends().unwrap_or(Timestamp::MAX);
                let taken = |seat: &Seat| seat.state().is_taken() && !seat.is_lapsed();
                let ended = |seat: &Seat| seat.license_id() == Some(license) && end(seat) <= until;
                let mut seats: Vec<_> =
                    self.seats.values().filter(|seat| taken(seat) && ended(seat)).cloned().collect();
                seats.sort_by_key(end);
                seats.truncate(at_most as usize);
                Found::Seats(seats)
            }
            Query::SeatsWithTag(license, tag) => self.seats(|seat| {
                let taken = seat.state().is_taken() && !seat.is_lapsed();
                let has = seat.fingerprint().hardware().any(|other| other == tag);
                taken && has && seat.license_id() == Some(license)
            }),
            Query::SeatOfMachine(machine) => {
                self.seats(|seat| *seat.machine() == machine && seat.state().is_taken())
            }
            Query::EvidenceOf(handle) => {
                let about = self.evidence.iter().filter(|evidence| evidence.handle() == handle);
                Found::Evidence(about.cloned().collect())
            }
            Query::CheckIn(seat, digest) => Found::CheckIn(self.check_ins.get(&(seat, digest)).copied()),
            Query::Attempts(seat) => Found::Attempts(self.attempts.get(&seat).copied().unwrap_or_default()),
            Query::History => Found::History(self.history.clone().map(Box::new)),
            Query::Page(page) => Found::Page(self.pages.contains(&page)),
            Query::Count(_, counted) => Found::Count(self.counts.get(&counted).cloned().unwrap_or_default()),
        })
    }

    fn store(&mut self, change: Change) -> Result<()> {
        match change {
            Change::Insert { seat, .. } => match self.seats.entry(seat.name()) {
                Entry::Vacant(place) => drop(place.insert(seat)),
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
            Change::Attempts(seat, attempts) => drop(self.attempts.insert(seat, attempts)),
            Change::History(history) => self.history = Some(history),
            Change::Page(page) if !self.pages.insert(page) => {
                return Err(Error::new(ErrorKind::InvalidInput, "that page is there"));
            }
            Change::Page(_) => {}
            Change::License(terms) => drop(self.recovered.insert(terms.id, *terms)),
            Change::Count(_, counted, count) => drop(self.counts.insert(counted, count)),
        }
        Ok(())
    }
}
