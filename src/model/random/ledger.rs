//! The authority's ledger, in memory: two licenses, of which the first is the one that is judged.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Error, ErrorKind, LicenseId, Page, Result, Timestamp,
    authority::{
        Attempts, Count, Counting, Evidence, Found, History, KeyHash, LicenseKeyName, LicenseRecord,
        LicenseTerms, Query, Seat, SeatName, Usage,
        decision::{self, Change},
    },
};

#[derive(Clone, Default)]
pub(super) struct Ledger {
    pub(super) terms: Vec<LicenseTerms>,
    keys: BTreeMap<KeyHash, LicenseId>,
    pub(super) seats: BTreeMap<SeatName, Seat>,
    evidence: Vec<Evidence>,
    check_ins: BTreeMap<(SeatName, [u8; 32]), u32>,
    attempts: BTreeMap<SeatName, Attempts>,
    counts: BTreeMap<(LicenseId, Counting), Count>,
    history: Option<History>,
    pages: BTreeSet<Page>,
}

impl Ledger {
    pub(super) fn sell(&mut self, terms: LicenseTerms, key: &str) {
        self.keys.insert(hash(key), terms.id);
        self.terms.push(terms);
    }

    /// Another key takes the place of the one before.
    pub(super) fn rekey(&mut self, license: LicenseId, key: &str) {
        self.keys.retain(|_, id| *id != license);
        self.keys.insert(hash(key), license);
    }

    /// The seats of a license.
    pub(super) fn seats_of(&self, license: LicenseId) -> impl Iterator<Item = &Seat> {
        self.seats.values().filter(move |seat| seat.license_id() == Some(license))
    }

    fn seats(&self, test: impl Fn(&Seat) -> bool) -> Found {
        Found::Seats(self.seats.values().filter(|seat| test(seat)).cloned().collect())
    }

    fn license(&self, id: LicenseId) -> Found {
        let terms = self.terms.iter().find(|terms| terms.id == id);
        let count = |test: fn(&&Seat) -> bool| self.seats_of(id).filter(test).count() as u32;
        Found::License(terms.map(|terms| {
            let usage = Usage {
                taken: count(|seat| seat.is_marked_taken()),
                deactivated: count(|seat| seat.is_counted()),
            };
            Box::new(LicenseRecord { terms: terms.clone(), usage })
        }))
    }
}

fn hash(key: &str) -> KeyHash {
    LicenseKeyName::new(key).expect("a key").hash()
}

impl decision::Ledger for Ledger {
    type Error = Error;

    fn find(&self, query: &Query) -> Result<Found> {
        Ok(match *query {
            Query::LicenseOfKey(hash) => match self.keys.get(&hash) {
                Some(id) => self.license(*id),
                None => Found::License(None),
            },
            Query::License(id) => self.license(id),
            Query::SeatsOfHandle(handle) => self.seats(|seat| seat.handle() == handle),
            Query::TakenSeatsOf(device) => {
                self.seats(|seat| *seat.device_key() == device && seat.state().is_taken())
            }
            Query::SeatsByEnd { license, until, at_most } => {
                let end = |seat: &Seat| seat.ends().unwrap_or(Timestamp::MAX);
                let taken = self.seats_of(license).filter(|seat| seat.is_marked_taken());
                let mut ended: Vec<_> = taken.filter(|seat| end(seat) <= until).cloned().collect();
                ended.sort_by_key(end);
                ended.truncate(at_most as usize);
                Found::Seats(ended)
            }
            Query::SeatsWithTag(license, tag) => self.seats(|seat| {
                let has = seat.fingerprint().hardware().any(|other| other == tag);
                seat.is_marked_taken() && has && seat.license_id() == Some(license)
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
            Query::Count(id, counted) => {
                Found::Count(self.counts.get(&(id, counted)).cloned().unwrap_or_default())
            }
            Query::History => Found::History(self.history.clone().map(Box::new)),
            Query::Page(page) => Found::Page(self.pages.contains(&page)),
        })
    }

    fn store(&mut self, change: Change) -> Result<()> {
        match change {
            Change::Insert { seat, .. } => {
                if self.seats.insert(seat.name(), seat).is_some() {
                    return Err(Error::about(ErrorKind::WrongRequest, "a seat of that name"));
                }
            }
            Change::Update(seat) => drop(self.seats.insert(seat.name(), seat)),
            Change::Keep(evidence) => self.evidence.push(evidence),
            Change::Forget(evidence) => self.evidence.retain(|kept| *kept != evidence),
            Change::RememberCheckIn { seat, digest, revision, forget_below } => {
                self.check_ins.retain(|(name, _), answered| *name != seat || *answered >= forget_below);
                self.check_ins.insert((seat, digest), revision);
            }
            Change::Attempts(seat, attempts) => drop(self.attempts.insert(seat, attempts)),
            Change::Count(id, counted, count) => drop(self.counts.insert((id, counted), count)),
            Change::History(history) => self.history = Some(history),
            Change::Page(page) => drop(self.pages.insert(page)),
            Change::License(terms) => self.terms.push(*terms),
        }
        Ok(())
    }
}
