//! A decision in the making: the records as the acts so far have changed them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Decision, Draft, Event, EventKind, Moment, Refusal, Ruling, Unsigned};
use crate::{
    ActivationRequest, Binding, Error, ErrorKind, LicenseId, Page, PublicKey, SeatList, Timestamp,
    authority::{
        history::{Gap, History},
        incoming::{Claimed, Evidence},
        records::{Attempts, Count, Counting, Lookup, Query, Records},
        seat::{Seat, SeatName},
        terms::{KeyHash, LicenseRecord, LicenseTerms, SeatListing, Usage},
        verification::Verification,
    },
    code::Handle,
    fingerprint::Tag,
    message::Body,
};

/// Where a license leaves. No door but healing lets more seats count than there are; its name is for the refusal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Request,
    RepeatedRequest,
    HeldSeat,
    Recovery,
    CheckIn,
    Healing,
    Renewal,
}

impl Door {
    const fn name(self) -> &'static str {
        match self {
            Self::Request | Self::RepeatedRequest | Self::HeldSeat => "activation",
            Self::Recovery => "recovery",
            Self::CheckIn | Self::Healing => "check-in",
            Self::Renewal => "renewal",
        }
    }

    /// Whether it is open whatever counts: for a seat that the ledger had lost, which is in use anyway, and by a fault.
    fn is_open(self) -> bool {
        match self {
            Self::Request => mutated!(SeatsUncounted),
            Self::RepeatedRequest => mutated!(RepeatedRequestUncounted),
            Self::HeldSeat => mutated!(HeldSeatUncounted),
            Self::Recovery => mutated!(RecoveryUncounted),
            Self::CheckIn => mutated!(CheckInUncounted),
            Self::Healing => true,
            Self::Renewal => mutated!(RenewalUncounted),
        }
    }
}

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

pub(super) fn refuse(kind: ErrorKind, about: &'static str) -> Stop {
    Stop::Refused(Refusal::new(kind, about))
}

/// The refusal of a seat's transition in an act that has a name for it.
pub(super) fn refused_by(about: &'static str) -> impl Fn(Error) -> Stop {
    move |error| refuse(error.kind(), about)
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
}

#[derive(Clone)]
pub(super) struct Work<'r> {
    pub(super) moment: Moment,
    records: &'r Records,
    seats: BTreeMap<SeatName, Touched>,
    usage: BTreeMap<LicenseId, Difference>,
    history: Option<History>,
    new_licenses: BTreeMap<LicenseId, Box<LicenseTerms>>,
    counts: BTreeMap<(LicenseId, Counting), Count>,
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
            history: None,
            new_licenses: BTreeMap::new(),
            counts: BTreeMap::new(),
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

    /// Every seat of a handle.
    pub(super) fn seats_of_handle(&self, handle: Handle) -> Result<Vec<Seat>, Stop> {
        self.need([Query::SeatsOfHandle(handle), Query::History])?;
        let known = self.records.seats_of_handle(handle).unwrap_or_default();
        let new = self.seats.keys().filter(|name| name.handle == handle && !known.contains(name));
        Ok(known.iter().chain(new).filter_map(|name| self.seat(*name)).cloned().collect())
    }

    /// The seats that a device holds, of whatever license.
    pub(super) fn taken_seats_of(&self, device: &PublicKey) -> Result<Vec<Seat>, Stop> {
        self.need([Query::TakenSeatsOf(*device)])?;
        let names = self.records.taken_seats_of(device).unwrap_or_default();
        let seats = names.iter().filter_map(|name| self.seat(*name));
        Ok(seats.filter(|seat| seat.state.is_taken()).cloned().collect())
    }

    /// The seat of the device that signed a message, among those of the handle that the message names.
    pub(super) fn seat_of_signer<T: Body>(
        &self,
        handle: Handle,
        message: &Claimed<T>,
    ) -> Result<Option<Seat>, Stop> {
        let seats = self.seats_of_handle(handle)?;
        let verification = |seat: &Seat| message.signed_by(&seat.device_key);
        self.verify(seats.iter().map(verification))?;
        // Two devices may have drawn one handle.
        Ok(seats.into_iter().find(|seat| self.fact(&verification(seat)) == Some(true)))
    }

    /// A license, with what its seats add up to by now.
    pub(super) fn license(&self, id: LicenseId) -> Result<Option<LicenseRecord>, Stop> {
        self.need([Query::License(id)])?;
        let (terms, before) = match (self.new_licenses.get(&id), self.records.license(id)) {
            (Some(terms), _) => (&**terms, Usage::default()),
            (None, Some(Some(license))) => (&license.terms, license.usage),
            (None, _) => return Ok(None),
        };
        let difference = self.usage.get(&id).copied().unwrap_or_default();
        let count = |before: u32, change: i64| u32::try_from(i64::from(before) + change).unwrap_or(0);
        let usage = Usage {
            taken: count(before.taken, difference.taken),
            deactivated: count(before.deactivated, difference.deactivated),
        };
        Ok(Some(LicenseRecord { terms: terms.clone(), usage }))
    }

    /// The license of a key; none if no license has that key.
    pub(super) fn license_of_key(&self, hash: KeyHash) -> Result<Option<LicenseId>, Stop> {
        self.need([Query::LicenseOfKey(hash)])?;
        Ok(self.records.license_of_key(hash).flatten())
    }

    /// The license of a seat. A request that was cancelled under an unknown key has none; the rules ask for terms all the
    /// same, and get some that grant nothing.
    pub(super) fn license_of(&self, seat: &Seat) -> Result<LicenseRecord, Stop> {
        match seat.license_id() {
            Some(id) => self.license(id)?.ok_or_else(|| refuse(ErrorKind::UnknownLicense, "license")),
            None => Ok(LicenseRecord {
                terms: LicenseTerms::new(LicenseId::NONE, "", 0, seat.granted),
                usage: Usage::default(),
            }),
        }
    }

    /// What is kept for a handle by now.
    pub(super) fn evidence_of(&self, handle: Handle) -> Result<Vec<Evidence>, Stop> {
        self.need([Query::EvidenceOf(handle)])?;
        let mut kept = self.records.evidence_of(handle).unwrap_or_default().to_vec();
        for change in &self.store {
            match change {
                Change::Keep(evidence) if evidence.handle() == handle => kept.push(evidence.clone()),
                Change::Forget(evidence) => kept.retain(|one| one != evidence),
                _ => {}
            }
        }
        Ok(kept)
    }

    /// The revision of the license that a check-in was answered with before.
    pub(super) fn check_in(&self, name: SeatName, digest: [u8; 32]) -> Result<Option<u32>, Stop> {
        self.need([Query::CheckIn(name, digest)])?;
        Ok(self.records.check_in(name, digest).flatten())
    }

    pub(super) fn attempts(&self, name: SeatName) -> Result<Attempts, Stop> {
        self.need([Query::Attempts(name)])?;
        Ok(self.records.attempts(name).unwrap_or_default())
    }

    /// How often something happened to a license by now.
    pub(super) fn count_of(&self, license: LicenseId, counted: Counting) -> Result<Count, Stop> {
        if let Some(count) = self.counts.get(&(license, counted)) {
            return Ok(count.clone());
        }
        self.need([Query::Count(license, counted)])?;
        Ok(self.records.count(license, counted).cloned().unwrap_or_default())
    }

    pub(super) fn set_count(&mut self, license: LicenseId, counted: Counting, count: Count) {
        if self.counts.get(&(license, counted)).or(self.records.count(license, counted)) != Some(&count) {
            self.counts.insert((license, counted), count);
        }
    }

    /// Keeps what a refused act has counted of requests that match no seat: it is refused because of that.
    pub(super) fn keep_unmatched(&mut self, refused: Self) {
        let unmatched =
            refused.counts.into_iter().filter(|((_, counted), _)| *counted == Counting::Unmatched);
        self.counts.extend(unmatched);
    }

    /// Adds a license that the ledger had lost.
    pub(super) fn add_license(&mut self, terms: LicenseTerms) {
        self.new_licenses.insert(terms.id, Box::new(terms));
    }

    /// What the ledger noted of its service.
    pub(super) fn history(&self) -> Result<Option<History>, Stop> {
        if self.history.is_some() {
            return Ok(self.history.clone());
        }
        self.need([Query::History])?;
        Ok(self.records.history().flatten().cloned())
    }

    pub(super) fn has_history(&self) -> bool {
        self.history.is_some() || self.records.history().flatten().is_some()
    }

    pub(super) fn set_history(&mut self, history: History) {
        self.history = Some(history);
    }

    /// The times of service that the ledger may have lost.
    pub(super) fn gaps(&self) -> Result<Vec<Gap>, Stop> {
        Ok(self.history()?.map(|history| history.gaps).unwrap_or_default())
    }

    /// Whether the ledger noted that page.
    pub(super) fn is_known(&self, page: Page) -> Result<bool, Stop> {
        self.need([Query::Page(page)])?;
        Ok(self.records.is_known(page).unwrap_or_default())
    }

    /// Whether a seat counts now.
    pub(super) fn counts(&self, seat: &Seat, terms: &LicenseTerms) -> Result<bool, Stop> {
        Ok(seat.counts(terms, self.moment.now, &self.gaps()?))
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
            return Err(refuse(ErrorKind::WrongRequest, "seat"));
        }
        self.count(&seat);
        self.seats.insert(seat.name(), Touched { seat, request: Some(request.cloned()) });
        Ok(())
    }

    fn count(&mut self, after: &Seat) {
        let add = |difference: &mut Difference, seat: &Seat, sign: i64| {
            difference.taken += sign * i64::from(seat.is_marked_taken());
            difference.deactivated += sign * i64::from(seat.counted);
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
        });
    }

    pub(super) fn note_of_nobody(&mut self, kind: EventKind, detail: String) {
        self.events.push(Event { kind, license: None, seat: None, before: None, after: None, detail });
    }

    pub(super) fn note_of_license(&mut self, kind: EventKind, license: LicenseId, detail: &str) {
        let detail = detail.to_owned();
        let license = Some(license);
        self.events.push(Event { kind, license, seat: None, before: None, after: None, detail });
    }

    /// Sends the license of a seat, in the state that the license tells of, in answer to the message with the digest
    /// `answers`. Every license leaves here.
    ///
    /// The seat's end of use is noted in the same transaction. A seat that counts from now on, and did not count before, needs
    /// room: fails with [`ErrorKind::NoFreeSeat`] without (`docs/PROTOCOL.md`, Seats over time).
    pub(super) fn send_license(
        &mut self,
        terms: &LicenseTerms,
        license: &Seat,
        door: Door,
        answers: Option<[u8; 32]>,
    ) -> Result<(), Stop> {
        let (name, now) = (license.name(), self.moment.now);
        let gaps = self.gaps()?;
        let counted = self.records.seat(name).is_some_and(|seat| seat.counts(terms, now, &gaps));
        let seat = self.seat(name).ok_or_else(|| refuse(ErrorKind::UnknownSeat, "seat"))?;
        let signed = seat.signed(license.end_of_license(terms), terms, now, &gaps);
        if signed != *seat {
            self.update(signed.clone());
        }
        if signed.counts(terms, now, &gaps) && !counted && !self.has_room(terms)? && !door.is_open() {
            return Err(Refusal::no_free_seat(door.name(), self.seat_list(terms, name)?).into());
        }
        let usage = self.license_of(&signed)?.usage;
        self.draft(Unsigned::License {
            deactivations_left: terms.deactivations_left(usage),
            terms: Box::new(terms.clone()),
            seat: Box::new(license.clone()),
            answers,
        });
        Ok(())
    }

    /// The seats of a license that count now and have one of these tags.
    pub(super) fn seats_with_tags(&self, terms: &LicenseTerms, tags: &[Tag]) -> Result<Vec<Seat>, Stop> {
        self.need(tags.iter().map(|tag| Query::SeatsWithTag(terms.id, *tag)))?;
        let named = tags.iter().filter_map(|tag| self.records.seats_with_tag(terms.id, *tag)).flatten();
        let names: BTreeSet<SeatName> = named.copied().collect();
        let seats = names.into_iter().filter_map(|name| self.seat(name));
        let gaps = self.gaps()?;
        Ok(seats.filter(|seat| seat.counts(terms, self.moment.now, &gaps)).cloned().collect())
    }

    /// The seat that a machine has now; none if that is over.
    pub(super) fn seat_of_machine(&self, machine: [u8; 32]) -> Result<Option<Seat>, Stop> {
        self.need([Query::SeatOfMachine(machine)])?;
        let names = self.records.seat_of_machine(machine).unwrap_or_default();
        Ok(names.iter().filter_map(|name| self.seat(*name)).find(|seat| seat.state.is_taken()).cloned())
    }

    /// Whether no more seats of a license count than it has. Of those that are taken and lapsed, so many are marked as that
    /// takes: a license with 100,000 dead seats is not gone through.
    pub(super) fn has_room(&mut self, terms: &LicenseTerms) -> Result<bool, Stop> {
        let excess = |work: &Self| {
            let taken = work.license(terms.id)?.map_or(0, |license| license.usage.taken);
            Ok::<_, Stop>(taken.saturating_sub(terms.seats))
        };
        let most = excess(self)?;
        let Some(until) = terms.lapsed_until(self.moment.now, &self.gaps()?).filter(|_| most > 0) else {
            return Ok(most == 0);
        };
        // The ledger has not heard yet of what this decision does to seats.
        let touched = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
        let ended = self.seats_by_end(terms.id, until, most.saturating_add(touched))?;
        for seat in ended.iter().take(most as usize) {
            let lapsed = seat.marked_lapsed();
            self.note(EventKind::Lapsed, Some(seat), &lapsed, "");
            self.update(lapsed);
        }
        Ok(excess(self)? == 0)
    }

    /// What the device of a seat that cannot be had is told of the others, as the terms allow it.
    fn seat_list(&self, terms: &LicenseTerms, but: SeatName) -> Result<SeatList, Stop> {
        let most = SeatList::MAX_LISTED;
        let seats = self.seats_by_end(terms.id, Timestamp::MAX, most as u32 + 1)?;
        let now = self.moment.now;
        let replaced = self.count_of(terms.id, Counting::Replaced)?;
        let seats = seats.iter().filter(|seat| seat.name() != but).take(most);
        let gaps = self.gaps()?;
        let listed =
            |seat: &Seat| seat.listed(terms, &gaps, seat.is_replaceable(terms, &replaced, &gaps, now));
        let listed: Vec<_> = seats.map(listed).collect();
        Ok(SeatList {
            next_lapse: listed.first().and_then(|seat| seat.lapses),
            seats: if terms.seat_list == SeatListing::None { Vec::new() } else { listed },
        })
    }

    /// The seats of a license that end until then and are taken, as this decision has left them.
    pub(super) fn seats_by_end(
        &self,
        license: LicenseId,
        until: Timestamp,
        at_most: u32,
    ) -> Result<Vec<Seat>, Stop> {
        self.need([Query::SeatsByEnd { license, until, at_most }])?;
        let names = self.records.seats_by_end(license, until, at_most).unwrap_or_default();
        let seats = names.iter().filter_map(|name| self.seat(*name));
        Ok(seats.filter(|seat| seat.is_marked_taken() && seat.ends <= until).cloned().collect())
    }

    pub(super) fn send_receipt(&mut self, seat: &Seat, binding: Binding) {
        self.draft(Unsigned::Receipt { seat: Box::new(seat.clone()), binding });
    }

    pub(super) fn send_revocation(&mut self, seat: &Seat, notice: &str) {
        let time = if seat.notice.is_some() { seat.changed } else { self.moment.now };
        let notice = notice.to_owned();
        self.draft(Unsigned::Revocation { seat: Box::new(seat.clone()), notice, time });
    }

    /// What is signed now is signed under the present page.
    fn draft(&mut self, unsigned: Unsigned) {
        self.send.push(Draft { unsigned, page: self.moment.page });
    }

    pub(super) fn decide(self, ruling: Ruling) -> Decision {
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
                .chain(counts)
                .chain(self.history.map(Change::History))
                .chain(self.store)
                .collect(),
            send: self.send,
            events: self.events,
            verifications: self.verifications,
        }
    }
}
