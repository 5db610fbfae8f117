//! The authority: the shipped decisions over a database in memory, one transaction for each message.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeSeq as _};

use super::{
    Mutant, Outside,
    facts::{Message, NOW, Name, RESTORED, Read, STEP, Universe, page},
};
use crate::{
    Error, ErrorKind, LicenseId, Page, Result, Timestamp,
    authority::{
        Allowance, Allowances, Approval, Attempts, Count, Counting, Evidence, Found, Gap, History,
        LicenseRecord, LicenseTerms, Query, Records, Seat, SeatName, SeatState, Usage,
        decision::{
            self, Allow, Change, Decision, Draft, Event, EventKind, Moment, Note, Refusal, Ruling, Step,
            Unsigned,
        },
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
    pub(super) cancellations: Count,
    /// Seats that were replaced by a request that names them.
    pub(super) replacements: Count,
    /// What the decisions noted of the allowances.
    allowances: Allowances,
    /// The same by the model's own reckoning: what was used up of each, and how many were granted beyond the terms, in
    /// which period; and how often the vendor did something about it.
    pub(super) used: [u8; 2],
    pub(super) extra: [u8; 2],
    period: u8,
    resets: u8,
    /// When the trial of each computer began, and whether the vendor let it last longer, by the model's own reckoning.
    trials: [Option<(u8, bool)>; 2],
    /// Requests that wait, or were approved or refused, and by the model's own reckoning those that may be granted and
    /// those that were refused.
    approvals: BTreeMap<Name, Approval>,
    pub(super) approved: u32,
    pub(super) refused: u32,
    /// How many steps of time have passed.
    pub(super) day: u8,
    /// Whether the vendor has changed the terms.
    has_new_terms: bool,
    /// What was noted of its service, and the numbers of the pages.
    pub(super) history: Option<History>,
    pages: Vec<u8>,
    /// A copy of all this, from before.
    copy: Option<Box<Self>>,
    /// On which day that copy was made which is in its place.
    pub(super) restored_to: Option<u8>,
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
    /// Whether what was asked for was refused because no seat is free.
    pub(super) lacks_a_seat: bool,
    /// Whether it was refused because no activation is left.
    pub(super) lacks_an_activation: bool,
    /// Whether it was refused because the trial of the machine is over.
    pub(super) lacks_a_trial: bool,
    /// Whether it was refused because the vendor has not approved it.
    pub(super) lacks_approval: bool,
    /// The request that the vendor approved or refused, and whether that was noted.
    pub(super) ruled: Option<(Name, Ruled)>,
    pub(super) is_noted: bool,
    /// Whether what was granted took the place of another seat.
    pub(super) took_a_place: bool,
    /// Whether it was noted that the ledger had lost something.
    pub(super) is_healed: bool,
    /// Whether an allowance was reset, or more was granted of it.
    pub(super) is_allowed: bool,
    /// The seat that a customer released.
    pub(super) released_by_customer: Option<Name>,
}

/// What the vendor says of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ruled {
    Approved,
    Refused,
}

/// Whether it says that a seat went to a new one.
fn takes_a_place(event: &Event) -> bool {
    use EventKind::{HeldTakenOver, Lost, Replaced};
    matches!(event.kind, HeldTakenOver | Lost | Replaced)
}

impl Tables {
    pub(super) fn usage(&self) -> Usage {
        let count = |test: fn(&&Seat) -> bool| self.seats.values().filter(test).count() as u32;
        Usage {
            taken: count(|seat| seat.is_marked_taken()),
            deactivated: count(|seat| seat.is_counted()),
            activated: count(|seat| seat.is_activation()),
        }
    }

    pub(super) fn license(&self, universe: &Universe) -> LicenseRecord {
        let terms = self.terms(universe).clone();
        LicenseRecord { terms, usage: self.usage(), allowances: self.allowances }
    }

    pub(super) fn left(&self, of: Allowance, universe: &Universe) -> Option<u32> {
        self.license(universe).left(of, self.now())
    }

    /// What was used up of an allowance, and how much of it there is, by the model's own reckoning.
    pub(super) fn reckoned(&self, of: Allowance, universe: &Universe) -> (u32, Option<u32>) {
        let terms = self.terms(universe);
        let (at, allowed) = match of {
            Allowance::Activations => (0, terms.activations),
            Allowance::Deactivations => (1, terms.deactivations),
        };
        let is_over = self.period != self.period_now(universe);
        let (used, extra) = if is_over { (0, 0) } else { (self.used[at], self.extra[at]) };
        (used.into(), allowed.map(|allowed| allowed + u32::from(extra)))
    }

    fn period_now(&self, universe: &Universe) -> u8 {
        self.day.checked_div(universe.rules.period).unwrap_or(0)
    }

    /// A period that has begun, before something is used up or granted in it.
    fn begin_period(&mut self, universe: &Universe) {
        let period = self.period_now(universe);
        if period != self.period {
            (self.used, self.extra, self.period) = ([0; 2], [0; 2], period);
        }
    }

    /// Reckons what a decision has used up: a seat that is new and takes no place, and a deactivation that counted.
    fn reckon(&mut self, before: &Self, events: &[Event], universe: &Universe) {
        // A seat that lapsed leaves no place to take.
        let counted = before.counting(universe);
        let counted = |seat: SeatName| counted & universe.holder(seat).bit() != 0;
        let takes_a_place = |event: &Event| {
            takes_a_place(event) && (event.kind != EventKind::Replaced || event.seat.is_some_and(counted))
        };
        let is_healed = events.iter().any(|event| event.kind == EventKind::Healed);
        let is_new = |name: &Name| !before.seats.contains_key(name);
        let granted =
            self.seats.iter().filter(|(name, seat)| is_new(name) && seat.state() == SeatState::Active);
        // What is entered again was reckoned when it was granted.
        let is_free = is_healed || events.iter().any(takes_a_place);
        let activated = if is_free { 0 } else { granted.count() };
        let was_counted = |name: &Name| before.seats.get(name).is_some_and(Seat::is_counted);
        let counted =
            self.seats.iter().filter(|(name, seat)| seat.is_counted() && !was_counted(name)).count();
        if activated + counted > 0 {
            self.begin_period(universe);
            self.used[0] += u8::try_from(activated).expect("few");
            self.used[1] += u8::try_from(counted).expect("few");
        }
    }

    /// The trial of a computer begins with its first seat, or goes on there if its device held one before.
    fn begin_trials(&mut self, before: &Self, universe: &Universe) {
        for (name, seat) in &self.seats {
            let hardware = usize::from(universe.hardware(*name));
            if seat.state() != SeatState::Cancelled && self.trials[hardware].is_none() {
                let is_given_up = |name: &Name| self.state(*name) == Some(SeatState::Returned);
                let held = before.seats.iter().find(|(of, seat)| {
                    universe.have_one_key(of.machine, name.machine)
                        && seat.state().is_taken()
                        && !is_given_up(of)
                });
                let goes_on = held.and_then(|(of, _)| before.trials[usize::from(universe.hardware(*of))]);
                self.trials[hardware] = goes_on.or(Some((self.day, false)));
            }
        }
    }

    /// Whether an activation that is asked for has no trial any more: its computer's, or the one that its device holds.
    pub(super) fn has_had_its_trial(&self, name: Name, universe: &Universe) -> bool {
        let hardware = universe.hardware(name);
        let is_held = |of: &Name, seat: &Seat| {
            universe.have_one_key(of.machine, name.machine) && seat.state().is_taken()
        };
        let held = || self.seats.iter().find(|(of, seat)| is_held(of, seat));
        let end = self
            .trial_ends(hardware, universe)
            .or_else(|| held().and_then(|(of, _)| self.trial_ends(universe.hardware(*of), universe)));
        end.is_some_and(|end| self.now() >= end)
    }

    /// When the trial of a computer ends, by the model's own reckoning; none if it has had none.
    pub(super) fn trial_ends(&self, hardware: u8, universe: &Universe) -> Option<Timestamp> {
        let (began, is_extended) = self.trials[usize::from(hardware)]?;
        let steps = began + universe.rules.trial + u8::from(is_extended);
        Some(NOW.plus_days(u32::from(steps) * STEP))
    }

    /// The vendor lets the trial of a seat's machine last longer.
    fn extended(&self, universe: &Universe) -> Vec<Self> {
        let may_extend = |name: &&Name| {
            let trial = self.trials[usize::from(universe.hardware(**name))];
            universe.rules.extends && trial.is_some_and(|(_, is_extended)| !is_extended)
        };
        let extend = |name: &Name| {
            let hardware = universe.hardware(*name);
            let until = self.trial_ends(hardware, universe)?.plus_days(STEP);
            let seat = self.seats[name].name();
            let decided = self.decide(universe, |r, m| decision::extend_trial(seat, until, r, m));
            let mut after = decided.ok()?.0.ledger;
            after.trials[usize::from(hardware)].as_mut()?.1 = true;
            Some(after)
        };
        self.seats.keys().filter(may_extend).filter_map(extend).collect()
    }

    pub(super) fn now(&self) -> Timestamp {
        NOW.plus_days(u32::from(self.day) * STEP)
    }

    pub(super) fn terms<'u>(&self, universe: &'u Universe) -> &'u LicenseTerms {
        if self.has_new_terms { &universe.new_terms } else { &universe.terms }
    }

    /// The seats that count now.
    pub(super) fn counting(&self, universe: &Universe) -> u32 {
        let (terms, now) = (self.terms(universe), self.now());
        let seats = self.seats.iter().filter(|(_, seat)| seat.counts(terms, now, self.gaps()));
        seats.fold(0, |set, (name, _)| set | name.bit())
    }

    /// What happens at the authority by itself: time goes on, and the vendor changes the terms. Neither frees a seat.
    pub(super) fn by_itself(&self, universe: &Universe) -> Vec<Self> {
        let rules = universe.rules;
        let later = (self.day < rules.days).then(|| {
            let outside = self.history.as_ref().map(History::last_page);
            self.at(self.day + 1).noted(outside, universe)
        });
        let may_change = rules.leases[0] != rules.leases[1] && !self.has_new_terms;
        let changed = may_change.then(|| Self { has_new_terms: true, ..self.clone() });
        let by_itself = [later, changed, self.copied(universe), self.restored(universe)];
        by_itself.into_iter().flatten().chain(self.extended(universe)).collect()
    }

    /// Somebody makes a copy of the ledger.
    fn copied(&self, universe: &Universe) -> Option<Self> {
        let may_copy = universe.rules.restores.is_some() && self.copy.is_none() && self.restored_to.is_none();
        may_copy.then(|| Self { copy: Some(Box::new(self.clone())), ..self.clone() })
    }

    pub(super) fn has_copy(&self) -> bool {
        self.copy.is_some()
    }

    /// The copy of an earlier day is put in its place.
    fn restored(&self, universe: &Universe) -> Option<Self> {
        let copy = self.copy.as_ref().filter(|copy| copy.day < self.day)?;
        let outside = match universe.rules.restores? {
            Outside::Page => self.history.as_ref().map(History::last_page),
            Outside::Nothing => None,
        };
        let (day, used, period) = (self.day, self.used, self.period);
        let restored = Self { day, used, period, restored_to: Some(copy.day), ..(**copy).clone() };
        Some(restored.noted(outside, universe))
    }

    /// A ledger in which nothing has happened.
    pub(super) fn new(universe: &Universe) -> Self {
        Self::default().noted(None, universe)
    }

    /// Its host notes the page of the day, with what lies outside.
    fn noted(self, outside: Option<Page>, universe: &Universe) -> Self {
        if universe.rules.restores.is_none() {
            return self;
        }
        let trusted = universe.rules.restores == Some(Outside::Page);
        let note = Note { outside, trusted, ..Note::default() };
        let noted = self.decide(universe, |records, moment| decision::note(&note, records, moment));
        noted.expect("a note is never refused").0.ledger
    }

    /// The number of the page that is signed under.
    fn page(&self, universe: &Universe) -> u8 {
        let is_restored = u8::from(self.restored_to.is_some());
        if universe.rules.restores.is_some() { self.day + is_restored * RESTORED } else { 0 }
    }

    /// Whether something that was signed under that page may be missing.
    pub(super) fn may_miss(&self, page: u8) -> bool {
        self.restored_to.is_some_and(|day| day == page) || !self.pages.contains(&page)
    }

    pub(super) fn gaps(&self) -> &[Gap] {
        self.history.as_ref().map(History::gaps).unwrap_or_default()
    }

    /// The same at another time.
    pub(super) fn at(&self, day: u8) -> Self {
        Self { day, ..self.clone() }
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
        let (mut answer, ruling) = match answer {
            Ok(decided) => decided,
            Err(kind) => {
                return Heard {
                    lacks_a_seat: kind == ErrorKind::NoFreeSeat,
                    lacks_a_trial: kind == ErrorKind::TrialUsed,
                    ..self.unchanged()
                };
            }
        };
        if let Ruling::Refused(refusal) = ruling {
            answer.refused = refused;
            answer.lacks_a_seat = refusal.kind() == ErrorKind::NoFreeSeat;
            answer.lacks_an_activation = refusal.kind() == ErrorKind::NoActivationLeft;
            answer.lacks_a_trial = refusal.kind() == ErrorKind::TrialUsed;
            answer.lacks_approval =
                matches!(refusal.kind(), ErrorKind::ApprovalWanted | ErrorKind::RequestRefused);
        }
        answer
    }

    /// A customer releases a seat with the license key alone; none if a rule refuses.
    pub(super) fn released_by_customer(&self, name: Name, universe: &Universe) -> Option<Heard> {
        let (license, handle) = (universe.terms.id, self.seats.get(&name)?.handle());
        let released = self.decide(universe, |r, m| decision::customer_release(license, handle, r, m));
        Some(Heard { released_by_customer: Some(name), ..released.ok()?.0 })
    }

    /// Whether a device that has this seat would be told that giving it up uses nothing up.
    pub(super) fn may_give_up(&self, name: Name, universe: &Universe) -> Option<bool> {
        let claim = universe.preflight(name);
        let decided = self.decide(universe, |r, m| decision::preflight(&claim, r, m));
        decided.ok().map(|(_, ruling)| ruling.is_allowed())
    }

    /// The vendor says something of a request that was kept.
    pub(super) fn ruled(&self, name: Name, ruled: Ruled, universe: &Universe) -> Option<Heard> {
        let seat = universe.name_of_seat(name);
        let decided = self.decide(universe, |r, m| match ruled {
            Ruled::Approved => decision::approve(seat, r, m),
            Ruled::Refused => decision::refuse_request(seat, "", r, m),
        });
        let (mut answer, _) = decided.ok()?;
        match ruled {
            Ruled::Approved => answer.ledger.approved |= name.bit(),
            Ruled::Refused => {
                answer.ledger.approved &= !name.bit();
                answer.ledger.refused |= name.bit();
            }
        }
        Some(Heard { ruled: Some((name, ruled)), ..answer })
    }

    /// All that the vendor may say of requests, and the end of them where it stops a license.
    fn ruled_on(&self, universe: &Universe) -> Vec<Heard> {
        let both = |name: &Name| [(*name, Ruled::Approved), (*name, Ruled::Refused)];
        let ruled = self.approvals.keys().flat_map(both);
        let mut answers: Vec<_> =
            ruled.filter_map(|(name, ruled)| self.ruled(name, ruled, universe)).collect();
        answers.retain(|answer| answer.ledger != *self);
        let mut stopped = Self { approved: 0, refused: 0, ..self.clone() };
        if universe.rules.mutant != Some(Mutant::StoppingKeepsRequests) {
            stopped.approvals.clear();
        }
        answers.push(Heard { ledger: stopped, ..self.unchanged() });
        answers
    }

    /// What those may do who send no message. An administrator: release a seat by force, return a held one, renew an
    /// active one once, rule on a request. A customer: release a seat.
    pub(super) fn administer(&self, universe: &Universe) -> Vec<Heard> {
        let mut answers = if universe.rules.approval { self.ruled_on(universe) } else { Vec::new() };
        if universe.rules.customers {
            answers.extend(self.seats.keys().filter_map(|name| self.released_by_customer(*name, universe)));
        }
        if !universe.rules.administered {
            return answers;
        }
        for (seat, name) in self.seats.values().map(|seat| (seat, seat.name())) {
            let mut released = self.decide(universe, |r, m| decision::release(name, "", r, m));
            if universe.rules.unreleases
                && let Ok((answer, _)) = &mut released
            {
                answer.replies.clear();
            }
            if let Ok((answer, _)) = &mut released {
                let others = !universe.names_of_key(universe.holder(name).machine);
                answer.ledger.approved &= others;
                answer.ledger.refused &= others;
            }
            let may_be_taken_back = seat.state() == SeatState::Revoked && seat.revision() <= 2;
            let unreleased = (universe.rules.unreleases && may_be_taken_back)
                .then(|| self.decide(universe, |r, m| decision::unrelease(name, r, m)));
            let returned = self.decide(universe, |r, m| decision::return_held(name, r, m));
            let renewed = match seat.revision() {
                1 => Some(self.decide(universe, |r, m| decision::renew(name, r, m))),
                _ => None,
            };
            let decided = [released, returned].into_iter().chain(renewed).chain(unreleased).flatten();
            answers.extend(decided.map(|(answer, _)| answer));
        }
        if self.resets < universe.rules.resets {
            for of in Allowance::ALL {
                answers.extend(self.allowed(of, Allow::Reset, universe));
                answers.extend(self.allowed(of, Allow::Extra(1), universe));
            }
        }
        answers
    }

    /// The vendor resets an allowance, or grants one more; none if that changes nothing.
    fn allowed(&self, of: Allowance, allow: Allow, universe: &Universe) -> Option<Heard> {
        let license = universe.terms.id;
        let decided =
            self.decide(universe, |records, moment| decision::allow(license, of, allow, "", records, moment));
        let (mut answer, _) = decided.ok().filter(|(answer, _)| answer.ledger != *self)?;
        let after = &mut answer.ledger;
        after.begin_period(universe);
        let at = usize::from(of == Allowance::Deactivations);
        match allow {
            Allow::Reset => after.used[at] = 0,
            Allow::Extra(_) => after.extra[at] = 1,
        }
        after.resets += 1;
        Some(Heard { is_allowed: true, ..answer })
    }

    fn unchanged(&self) -> Heard {
        Heard {
            ledger: self.clone(),
            replies: Vec::new(),
            refused: None,
            lacks_a_seat: false,
            lacks_an_activation: false,
            lacks_a_trial: false,
            lacks_approval: false,
            ruled: None,
            is_noted: false,
            took_a_place: false,
            is_healed: false,
            is_allowed: false,
            released_by_customer: None,
        }
    }

    /// A decision and what comes of it, or why a rule refuses.
    fn decide(
        &self,
        universe: &Universe,
        act: impl Fn(&Records, &Moment) -> Result<Step, Refusal>,
    ) -> Result<(Heard, Ruling), ErrorKind> {
        let mut ledger = Ledger { tables: self.clone(), universe };
        let decided = universe.settle(&mut ledger, (self.now(), self.page(universe)), act);
        let Decision { ruling, send, events, .. } = decided.map_err(|error| error.kind())?;
        let is_healed = events.iter().any(|event| event.kind == EventKind::Healed);
        let replies = send.iter().map(|draft| message(draft, universe)).collect();
        let mut ledger = ledger.tables;
        if universe.rules.reckons() {
            ledger.reckon(self, &events, universe);
        }
        if universe.rules.trial > 0 {
            ledger.begin_trials(self, universe);
        }
        let (is_noted, took_a_place) = (!events.is_empty(), events.iter().any(takes_a_place));
        let heard = Heard { ledger, replies, is_healed, is_noted, took_a_place, ..self.unchanged() };
        Ok((heard, ruling))
    }
}

/// What a reader of a message knows once it has verified it.
fn message(Draft { unsigned, page }: &Draft, universe: &Universe) -> Message {
    let page = page.as_bytes()[0];
    let name = |seat: &Seat| universe.holder(seat.name());
    match unsigned {
        Unsigned::License { seat, deactivations_left, terms, .. } => Message::License {
            name: name(seat),
            deactivations_left: *deactivations_left,
            revision: seat.revision(),
            ends: seat.end_of_license(terms),
            page,
        },
        Unsigned::Receipt { seat, .. } => {
            let (outcome, deactivations_left) = seat.receipt().expect("a receipt is of a seat that is over");
            Message::Receipt { name: name(seat), outcome, deactivations_left, page }
        }
        Unsigned::Revocation { seat, .. } => Message::Revocation(name(seat), page),
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
        let seat = if rules.reckons() { seat } else { seat.unactivated() };
        match (rules.remembers, rules.deactivations) {
            (true, _) => seat,
            (false, None) if !rules.reckons() => seat.reduced().uncounted(),
            (false, _) => seat.reduced(),
        }
    }
}

impl decision::Ledger for Ledger<'_> {
    type Error = Error;

    fn find(&self, query: &Query) -> Result<Found> {
        let is_it = |id: &LicenseId| *id == self.universe.terms.id;
        Ok(match query {
            Query::License(id) => {
                Found::License(is_it(id).then(|| Box::new(self.tables.license(self.universe))))
            }
            Query::LicenseOfKey(_) => Found::License(None),
            Query::SeatsOfHandle(handle) => self.seats(|seat| seat.handle() == *handle),
            Query::TakenSeatsOf(device) => {
                self.seats(|seat| seat.device_key() == device && seat.state().is_taken())
            }
            Query::SeatsByEnd { until, at_most, .. } => {
                let taken = self.tables.seats.values().filter(|seat| seat.is_marked_taken());
                let end = |seat: &Seat| seat.ends().unwrap_or(Timestamp::MAX);
                let mut ended: Vec<_> = taken.filter(|seat| end(seat) <= *until).cloned().collect();
                ended.sort_by_key(end);
                ended.truncate(*at_most as usize);
                Found::Seats(ended)
            }
            Query::SeatsWithTag(_, tag) => self.seats(|seat| {
                seat.is_marked_taken() && seat.fingerprint().hardware().any(|other| other == *tag)
            }),
            Query::SeatOfMachine(machine) => {
                self.seats(|seat| seat.machine() == machine && seat.state().is_taken())
            }
            Query::TrialsWithTag(_, tag) => {
                self.seats(|seat| seat.is_trial() && seat.fingerprint().hardware().any(|other| other == *tag))
            }
            Query::EvidenceOf(handle) => {
                let evidence = self.tables.evidence.iter().map(|kept| &kept.0);
                Found::Evidence(evidence.filter(|evidence| evidence.handle() == *handle).cloned().collect())
            }
            Query::CheckIn(name, digest) => {
                Found::CheckIn(self.tables.check_ins.get(&(self.holder(*name), *digest)).copied())
            }
            Query::ApprovalsOf(handle) => {
                let of = self.tables.approvals.values().filter(|of| of.name().handle == *handle);
                Found::Approvals(of.cloned().collect())
            }
            // Limits are left out: a search that counts attempts would never end.
            Query::Attempts(_) => Found::Attempts(Attempts::default()),
            Query::History => Found::History(self.tables.history.clone().map(Box::new)),
            Query::Page(known) => Found::Page(self.tables.pages.iter().any(|number| page(*number) == *known)),
            Query::Count(_, counted) => Found::Count(match counted {
                Counting::Cancelled => self.tables.cancellations.clone(),
                Counting::Replaced => self.tables.replacements.clone(),
                Counting::Unmatched => Count::default(),
            }),
        })
    }

    fn store(&mut self, change: Change) -> Result<()> {
        match change {
            Change::Insert { seat, .. } => {
                self.tables.approvals.remove(&self.holder(seat.name()));
                let before = self.tables.seats.insert(self.holder(seat.name()), self.kept(seat));
                if before.is_some() {
                    return Err(Error::about(ErrorKind::WrongRequest, "a seat of that name"));
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
            Change::Approval(approval) => {
                self.tables.approvals.insert(self.holder(approval.name()), *approval);
            }
            Change::ForgetApprovals { device, .. } => {
                self.tables.approvals.retain(|_, approval| approval.name().device_key != device);
            }
            Change::Attempts(..) | Change::Describe { .. } => {}
            Change::Allowances(_, allowances) => self.tables.allowances = allowances,
            Change::History(history) => self.tables.history = Some(history),
            Change::Page(page) => self.tables.pages.push(page.as_bytes()[0]),
            // There is one license, and it was sold before everything else.
            Change::License(_) => return Err(Error::about(ErrorKind::InvalidInput, "another license")),
            Change::Count(_, Counting::Cancelled, cancellations) => self.tables.cancellations = cancellations,
            Change::Count(_, Counting::Replaced, replacements) => self.tables.replacements = replacements,
            Change::Count(_, Counting::Unmatched, _) => {}
        }
        Ok(())
    }
}
