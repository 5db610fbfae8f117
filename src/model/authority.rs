//! The authority: the shipped decisions over a database in memory, one transaction for each message.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeSeq as _};

use super::facts::{Message, Name, Read, Universe};
use crate::{
    Error, ErrorKind, Result,
    authority::{
        Attempts, Evidence, Found, LicenseRecord, Query, Records, Seat, SeatName, SeatState, Usage,
        decision::{self, Change, Decision, Draft, Moment, Refusal, Ruling, Step, Unsigned},
    },
};

/// What the database holds.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tables {
    pub(super) seats: BTreeMap<Name, Seat>,
    /// Proofs and codes for handles that were never seen (`docs/PROTOCOL.md`, Early evidence).
    pub(super) evidence: Vec<Kept>,
    /// Check-ins that were answered, and the revision of the answer.
    check_ins: BTreeMap<(Name, [u8; 32]), u32>,
    /// Requests that were cancelled without being counted.
    pub(super) cancellations: Attempts,
}

/// A piece of evidence that is kept.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Kept(Evidence);

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let bytes = self.0.to_bytes();
        let mut list = to.serialize_seq(Some(bytes.len()))?;
        bytes.iter().try_for_each(|byte| list.serialize_element(byte))?;
        list.end()
    }
}

/// The database, and what tells who is who in it.
pub(super) struct Ledger<'u> {
    tables: Tables,
    universe: &'u Universe,
}

/// What the authority makes of a message or an administrator's act.
#[derive(Clone)]
pub(super) struct Heard {
    pub(super) ledger: Tables,
    pub(super) replies: Vec<Message>,
    /// The request that was refused for good.
    pub(super) refused: Option<Name>,
}

impl Tables {
    pub(super) fn usage(&self) -> Usage {
        let count = |test: fn(&&Seat) -> bool| self.seats.values().filter(test).count() as u32;
        Usage { taken: count(|seat| seat.state().is_taken()), deactivated: count(|seat| seat.is_counted()) }
    }

    pub(super) fn state(&self, name: Name) -> Option<SeatState> {
        self.seats.get(&name).map(Seat::state)
    }

    /// The seats in one of these states.
    pub(super) fn seats_in(&self, states: &[SeatState]) -> u32 {
        let seats = self.seats.iter().filter(|(_, seat)| states.contains(&seat.state()));
        seats.fold(0, |set, (name, _)| set | name.bit())
    }

    /// The transaction for a message.
    pub(super) fn hear(&self, message: &Message, universe: &Universe) -> Heard {
        let license = match message {
            // A recovery names no license; every other request here is of a license that the vendor assigned.
            Message::Request { recovery: true, .. } => None,
            _ => Some(universe.terms.id),
        };
        let refused = match message {
            Message::Request { name, .. } => Some(*name),
            _ => None,
        };
        let read = match message.is_for_the_authority() {
            true => universe.read(message),
            false => return self.unchanged(),
        };
        let answer = self.decide(universe, |records, moment| match &*read {
            Read::File(file) => decision::activate(file, license, records, moment),
            Read::Claim(claim) => decision::redeem(claim, records, moment),
            Read::Code(code) => decision::redeem_code(code, records, moment),
            Read::CheckIn(claim) => decision::check_in(claim, records, moment),
        });
        let Some((mut answer, ruling)) = answer else { return self.unchanged() };
        answer.refused = refused.filter(|_| matches!(ruling, Ruling::Refused(_)));
        answer
    }

    /// What an administrator may do: release a seat by force, return a held one, renew an active one once.
    pub(super) fn administer(&self, universe: &Universe) -> Vec<Heard> {
        let mut answers = Vec::new();
        for (seat, name) in self.seats.values().map(|seat| (seat, seat.name())) {
            let released = self.decide(universe, |r, m| decision::release(name, "", r, m));
            let returned = self.decide(universe, |r, m| decision::return_held(name, r, m));
            let renewed = match seat.revision() {
                1 => self.decide(universe, |r, m| decision::renew(name, r, m)),
                _ => None,
            };
            answers.extend([released, returned, renewed].into_iter().flatten().map(|(answer, _)| answer));
        }
        answers
    }

    fn unchanged(&self) -> Heard {
        Heard { ledger: self.clone(), replies: Vec::new(), refused: None }
    }

    /// A decision and what comes of it; none if a rule refuses.
    fn decide(
        &self,
        universe: &Universe,
        act: impl Fn(&Records, &Moment) -> Result<Step, Refusal>,
    ) -> Option<(Heard, Ruling)> {
        let mut ledger = Ledger { tables: self.clone(), universe };
        let Decision { ruling, send, .. } = universe.settle(&mut ledger, act).ok()?;
        let replies = send.iter().map(|draft| message(draft, universe)).collect();
        Some((Heard { ledger: ledger.tables, replies, refused: None }, ruling))
    }
}

/// What a reader of a message knows once it has verified it.
fn message(Draft(unsigned): &Draft, universe: &Universe) -> Message {
    let name = |seat: &Seat| universe.holder(seat.name());
    match unsigned {
        Unsigned::License { seat, deactivations_left, .. } => Message::License {
            name: name(seat),
            deactivations_left: *deactivations_left,
            revision: seat.revision(),
        },
        Unsigned::Receipt { seat, .. } => {
            let (outcome, deactivations_left) = seat.receipt().expect("a receipt is of a seat that is over");
            Message::Receipt { name: name(seat), outcome, deactivations_left }
        }
        Unsigned::Revocation { seat, .. } => Message::Revocation(name(seat)),
    }
}

impl Ledger<'_> {
    fn seats(&self, fits: impl Fn(&Seat) -> bool) -> Found {
        Found::Seats(self.tables.seats.values().filter(|seat| fits(seat)).cloned().collect())
    }

    fn holder(&self, name: SeatName) -> Name {
        self.universe.holder(name)
    }

    fn kept(&self, seat: Seat) -> Seat {
        let rules = self.universe.rules;
        match (rules.remembers, rules.deactivations) {
            (true, _) => seat,
            (false, None) => seat.reduced().uncounted(),
            (false, Some(_)) => seat.reduced(),
        }
    }
}

impl decision::Ledger for Ledger<'_> {
    type Error = Error;

    fn find(&self, query: &Query) -> Result<Found> {
        let terms = &self.universe.terms;
        Ok(match query {
            Query::License(id) => Found::License(
                (*id == terms.id)
                    .then(|| Box::new(LicenseRecord { terms: terms.clone(), usage: self.tables.usage() })),
            ),
            Query::LicenseOfKey(_) => Found::License(None),
            Query::SeatsOfHandle(handle) => self.seats(|seat| seat.handle() == *handle),
            Query::TakenSeatsOf(device) => {
                self.seats(|seat| seat.device_key() == device && seat.state().is_taken())
            }
            Query::EvidenceOf(handle) => {
                let evidence = self.tables.evidence.iter().map(|kept| &kept.0);
                Found::Evidence(evidence.filter(|evidence| evidence.handle() == *handle).cloned().collect())
            }
            Query::CheckIn(name, digest) => {
                Found::CheckIn(self.tables.check_ins.get(&(self.holder(*name), *digest)).copied())
            }
            // Limits are left out: a search that counts attempts would never end.
            Query::Attempts(_) => Found::Attempts(Attempts::default()),
            Query::Cancellations(_) => Found::Attempts(self.tables.cancellations),
        })
    }

    fn store(&mut self, change: Change) -> Result<()> {
        match change {
            Change::Insert { seat, .. } => {
                let before = self.tables.seats.insert(self.holder(seat.name()), self.kept(seat));
                if before.is_some() {
                    return Err(Error::new(ErrorKind::WrongRequest, "a seat of that name"));
                }
            }
            Change::Update(seat) => {
                self.tables.seats.insert(self.holder(seat.name()), self.kept(seat));
            }
            Change::Keep(evidence) => {
                let name = self.universe.name_of_evidence(&evidence);
                let same = |kept: &Kept| self.universe.name_of_evidence(&kept.0) == name;
                // A proof and a code of one activation say the same.
                if self.universe.rules.remembers || !self.tables.evidence.iter().any(same) {
                    self.tables.evidence.push(Kept(evidence));
                    // In which order it came makes no difference.
                    self.tables.evidence.sort_by_cached_key(|kept| kept.0.to_bytes());
                }
            }
            Change::Forget(evidence) => self.tables.evidence.retain(|kept| kept.0 != evidence),
            Change::RememberCheckIn { seat, digest, revision, .. } => {
                self.tables.check_ins.insert((self.holder(seat), digest), revision);
            }
            Change::Attempts(..) => {}
            Change::Cancellations(_, cancellations) => self.tables.cancellations = cancellations,
        }
        Ok(())
    }
}
