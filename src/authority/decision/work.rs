//! A decision in the making: the records as the acts so far have changed them.

mod known;
mod send;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

pub(super) use self::send::Door;
use super::{Change, Decision, Draft, Event, EventKind, Moment, Refusal, Ruling};
use crate::{
    ActivationRequest, Error, ErrorKind, LicenseId,
    authority::{
        allowances::Allowances,
        approval::Approval,
        counts::{Count, Counting},
        history::History,
        records::{Lookup, Query, Records},
        seat::{Seat, SeatName},
        terms::{LicenseRecord, LicenseTerms},
        verification::Verification,
    },
    code::Handle,
};

/// Why a decision is not made.
pub(super) enum Stop {
    /// Something must be looked up or checked first.
    Needs(Lookup),
    /// A rule says no.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

pub(super) fn refuse(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Stop {
    Stop::Refused(Refusal::new(kind, message))
}

/// The same for every seat that is not there, so that a stranger does not learn which ones are.
pub(super) fn unknown_seat(handle: Handle) -> Stop {
    refuse(ErrorKind::UnknownSeat, format!("no seat {handle} of this device is known here"))
}

/// A rule of a record says no.
impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error.into())
    }
}

/// Seats that were touched, as they are now.
#[derive(Clone)]
struct Touched {
    seat: Seat,
    /// Of a seat that is new: its request, if that is known.
    request: Option<Option<ActivationRequest>>,
}

/// How an act has changed what a license's seats add up to.
#[derive(Clone, Copy, Default)]
struct Difference {
    taken: i64,
    deactivated: i64,
    activated: i64,
}

#[derive(Clone)]
pub(super) struct Work<'r> {
    pub(super) moment: Moment,
    records: &'r Records,
    seats: BTreeMap<SeatName, Touched>,
    usage: BTreeMap<LicenseId, Difference>,
    allowances: BTreeMap<LicenseId, Allowances>,
    history: Option<History>,
    new_licenses: BTreeMap<LicenseId, Box<LicenseTerms>>,
    counts: BTreeMap<(LicenseId, Counting), Count>,
    approvals: BTreeMap<SeatName, Approval>,
    store: Vec<Change>,
    send: Vec<Draft>,
    events: Vec<Event>,
    verifications: Vec<Verification>,
}

impl<'r> Work<'r> {
    pub(super) fn new(records: &'r Records, moment: &Moment) -> Self {
        Self {
            moment: moment.clone(),
            records,
            seats: BTreeMap::new(),
            usage: BTreeMap::new(),
            allowances: BTreeMap::new(),
            history: None,
            new_licenses: BTreeMap::new(),
            counts: BTreeMap::new(),
            approvals: BTreeMap::new(),
            store: Vec::new(),
            send: Vec::new(),
            events: Vec::new(),
            verifications: Vec::new(),
        }
    }

    /// Asks for all of these at once, so that a host has few rounds to go.
    pub(super) fn need(&self, queries: impl IntoIterator<Item = Query>) -> Result<(), Stop> {
        let queries = self.records.unanswered(queries);
        if queries.is_empty() {
            Ok(())
        } else {
            Err(Stop::Needs(Lookup { queries, verifications: Vec::new() }))
        }
    }

    /// The same for facts.
    pub(super) fn verify(&self, verifications: impl IntoIterator<Item = Verification>) -> Result<(), Stop> {
        let verifications: Vec<Verification> = verifications
            .into_iter()
            .filter(|verification| self.records.fact(verification.id()).is_none())
            .collect();
        if verifications.is_empty() {
            Ok(())
        } else {
            Err(Stop::Needs(Lookup { queries: Vec::new(), verifications }))
        }
    }

    /// What a verification came to; none if it has not run.
    pub(super) fn fact(&self, verification: &Verification) -> Option<bool> {
        self.records.fact(verification.id())
    }

    /// What a verification came to.
    pub(super) fn holds(&self, verification: Verification) -> Result<bool, Stop> {
        match self.fact(&verification) {
            Some(holds) => Ok(holds),
            None => Err(Stop::Needs(Lookup { queries: Vec::new(), verifications: vec![verification] })),
        }
    }

    /// A seat that was looked up or made in this decision.
    pub(super) fn seat(&self, name: SeatName) -> Option<&Seat> {
        self.seats.get(&name).map(|touched| &touched.seat).or_else(|| self.records.seat(name))
    }

    pub(super) fn set_count(&mut self, license: LicenseId, counted: Counting, count: Count) {
        if self.counts.get(&(license, counted)).or(self.records.count(license, counted)) != Some(&count) {
            self.counts.insert((license, counted), count);
        }
    }

    /// Keeps why a request is refused: that it matches no seat is counted, and it may wait for approval.
    pub(super) fn keep_of_refused(&mut self, refused: Self) {
        let unmatched =
            refused.counts.into_iter().filter(|((_, counted), _)| *counted == Counting::Unmatched);
        self.counts.extend(unmatched);
        for waiting in refused.approvals.into_values() {
            self.note_of_request(EventKind::RequestWaiting, &waiting);
            self.set_approval(waiting);
        }
    }

    pub(super) fn set_approval(&mut self, approval: Approval) {
        self.approvals.insert(approval.name(), approval);
    }

    pub(super) fn set_allowances(&mut self, license: LicenseId, allowances: Allowances) {
        self.allowances.insert(license, allowances);
    }

    /// The allowances of licenses that this decision uses up something of, or changes: in the period that it is in.
    fn allowances(&self) -> impl Iterator<Item = Change> {
        let is_used = |(_, by): &(&LicenseId, &Difference)| by.activated > 0 || by.deactivated > 0;
        let used = self.usage.iter().filter(is_used).map(|(id, _)| id);
        let ids: BTreeSet<LicenseId> = used.chain(self.allowances.keys()).copied().collect();
        ids.into_iter().filter_map(|id| {
            let before = self.records.license(id)??;
            let after = self.allowances_of(before);
            (after != before.allowances).then_some(Change::Allowances(id, after))
        })
    }

    /// The allowances of a license by now.
    fn allowances_of(&self, before: &LicenseRecord) -> Allowances {
        let changed = self.allowances.get(&before.terms.id).copied();
        changed.unwrap_or_else(|| before.allowances.at(&before.terms, before.usage, self.moment.now))
    }

    /// Adds a license that the ledger had lost.
    pub(super) fn add_license(&mut self, terms: LicenseTerms) {
        self.new_licenses.insert(terms.id, Box::new(terms));
    }

    pub(super) fn set_history(&mut self, history: History) {
        self.history = Some(history);
    }

    /// Changes a seat.
    pub(super) fn update(&mut self, seat: Seat) {
        let name = seat.name();
        let request = self.seats.get_mut(&name).and_then(|touched| touched.request.take());
        self.count(&seat);
        self.seats.insert(name, Touched { seat, request });
    }

    /// Adds a seat. It never takes the place of one that is known.
    pub(super) fn insert(&mut self, seat: Seat, request: Option<&ActivationRequest>) -> Result<(), Stop> {
        if self.seat(seat.name()).is_some() {
            let text = format!("another request came for seat {} before this one", seat.handle);
            return Err(refuse(ErrorKind::WrongRequest, text));
        }
        self.count(&seat);
        self.seats.insert(seat.name(), Touched { seat, request: Some(request.cloned()) });
        Ok(())
    }

    fn count(&mut self, after: &Seat) {
        let add = |difference: &mut Difference, seat: &Seat, sign: i64| {
            difference.taken += sign * i64::from(seat.is_marked_taken());
            difference.deactivated += sign * i64::from(seat.counted);
            difference.activated += sign * i64::from(seat.activation);
        };
        let before = self.seat(after.name()).cloned();
        let difference = self.usage.entry(after.license_id).or_default();
        if let Some(before) = before {
            add(difference, &before, -1);
        }
        add(difference, after, 1);
    }

    pub(super) fn store(&mut self, change: Change) {
        self.store.push(change);
    }

    pub(super) fn verify_later(&mut self, verifications: Vec<Verification>) {
        self.verifications = verifications;
    }

    /// Notes what happened to a seat: `before` is the seat as it was, if it was.
    pub(super) fn note(
        &mut self,
        kind: EventKind,
        before: Option<&Seat>,
        after: &Seat,
        detail: impl Into<String>,
    ) {
        self.events.push(Event {
            kind,
            license: after.license_id(),
            seat: Some(after.name()),
            before: before.map(|seat| seat.state),
            after: Some(after.state),
            detail: detail.into(),
            reason: String::new(),
        });
    }

    /// Notes why the vendor did what was noted last, in words that a person typed.
    pub(super) fn note_reason(&mut self, reason: &str) {
        if let Some(event) = self.events.last_mut() {
            reason.clone_into(&mut event.reason);
        }
    }

    /// The device of a seat speaks, after the seat was released or not: the vendor learns of the first, once a day.
    pub(super) fn note_return(&mut self, seat: &Seat, by: &str) {
        if let Some(back) = seat.come_back(self.moment.now) {
            self.note(EventKind::CameBack, Some(seat), &back, by);
            self.update(back);
        }
    }

    pub(super) fn note_of_nobody(&mut self, kind: EventKind, detail: String) {
        let reason = String::new();
        self.events.push(Event {
            kind,
            license: None,
            seat: None,
            before: None,
            after: None,
            detail,
            reason,
        });
    }

    pub(super) fn note_of_license(&mut self, kind: EventKind, license: LicenseId, detail: impl Into<String>) {
        let (license, detail, reason) = (Some(license), detail.into(), String::new());
        self.events.push(Event { kind, license, seat: None, before: None, after: None, detail, reason });
    }

    /// Notes what happened to a request, whose seat is not there yet.
    pub(super) fn note_of_request(&mut self, kind: EventKind, approval: &Approval) {
        let (license, seat) = (Some(approval.license_id()), Some(approval.name()));
        let (detail, reason) = (String::new(), approval.reason().to_owned());
        self.events.push(Event { kind, license, seat, before: None, after: None, detail, reason });
    }

    pub(super) fn decide(self, ruling: Ruling) -> Decision {
        let allowances: Vec<Change> = self.allowances().collect();
        let seats = self.seats.into_values().map(|touched| match touched.request {
            Some(request) => Change::Insert { seat: touched.seat, request: request.map(Box::new) },
            None => Change::Update(touched.seat),
        });
        let counts =
            self.counts.into_iter().map(|((license, counted), count)| Change::Count(license, counted, count));
        Decision {
            ruling,
            store: self
                .new_licenses
                .into_values()
                .map(Change::License)
                .chain(seats)
                .chain(allowances)
                .chain(counts)
                .chain(self.approvals.into_values().map(|approval| Change::Approval(Box::new(approval))))
                .chain(self.history.map(Change::History))
                .chain(self.store)
                .collect(),
            send: self.send,
            events: self.events,
            verifications: self.verifications,
        }
    }
}
