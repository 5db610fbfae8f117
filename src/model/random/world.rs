//! One run: a license, its vendor, and everybody who uses it, over a network that loses, doubles and delays.

mod acts;
mod network;
mod service;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use self::{network::Message, service::Service};
use super::{
    device::{Asking, Installation, PRODUCT},
    dice::Dice,
    promise::{Gap, Held, Kept, Promise, Row, Seen, State, Usable, must},
    script::{COMPUTERS, FLAGGED, HOUR, IN_USE_BESIDES, INSTALLED, LONGEST_LEASE_DAYS, Script, Sold, Wait},
};
use crate::{
    LicenseId, Roots, SigningKey, Timestamp,
    authority::{Found, Issuer, LicenseTerms, Query, decision::Ledger as _},
    fingerprint::{Component, Fingerprint, Probe, TagKey},
    system::SystemRandom,
    testing::MemoryLedger,
};

/// When every run begins.
const START: u64 = 1_800_000_000;
/// However far away the next end is, a wait is no longer.
const LONGEST_WAIT: u64 = 60 * 24 * HOUR;
/// So many installations there are at most.
const MOST_INSTALLED: usize = 9;

/// M, in seconds.
const LONGEST_LEASE: u64 = LONGEST_LEASE_DAYS as u64 * 24 * HOUR;

const LICENSE: LicenseId = LicenseId::from_bytes(*b"licensed");
const ANOTHER: LicenseId = LicenseId::from_bytes(*b"another_");
const ANOTHER_KEY: &str = "the key of another license";

/// How often what happened.
pub(super) type Counts = BTreeMap<String, u64>;

/// What all runs have in common, because it takes long to make.
pub(super) struct Vendor {
    issuer: Issuer,
    roots: Arc<Roots>,
    /// The issuer's key once more, as somebody has it who stole it.
    stolen: SigningKey,
    /// Another authority's.
    strangers: SigningKey,
    fingerprints: Vec<Fingerprint>,
}

impl Vendor {
    pub(super) fn new() -> Self {
        let root = SigningKey::generate(&SystemRandom).expect("a key");
        let stolen = root.clone();
        let strangers = SigningKey::generate(&SystemRandom).expect("a key");
        let roots = Arc::new(Roots::new([root.public_key()]));
        let issuer = Issuer::root(root).with_longest_lease(Duration::from_secs(LONGEST_LEASE));
        // Each computer, and as many strangers as there may be seats, and one more.
        let fingerprints = (0..COMPUTERS + 4).map(fingerprint).collect();
        Self { issuer, roots, stolen, strangers, fingerprints }
    }
}

fn fingerprint(computer: usize) -> Fingerprint {
    let components = [Component::HwUuid, Component::DiskSerial, Component::BoardSerial];
    let value = |component| (component, format!("4c4c4544-0042-3510-8052-b7c04f38{computer:04}"));
    Probe::from_values(components.map(value), false, false).fingerprint(&TagKey::new("", PRODUCT))
}

pub(super) struct World<'v> {
    vendor: &'v Vendor,
    number: u64,
    dice: Dice,
    now: u64,
    ledger: MemoryLedger,
    service: Service,
    promise: Promise,
    installations: Vec<Installation>,
    /// The present license key.
    key: String,
    /// Messages under way, for which nobody waits any more.
    late: Vec<Message>,
    drawn: u32,
    /// What the last act made of a license that could be used: its device is told that it is over, or not renewed.
    lost: Option<u32>,
    /// What a decision broke by itself.
    breach: Option<String>,
    /// What lost stores knew of.
    lost_seats: BTreeSet<u32>,
    /// Whether some device's clock was set, so that its dates cannot be compared.
    is_clock_set: bool,
    pub(super) counts: Counts,
    pub(super) story: Vec<String>,
}

impl<'v> World<'v> {
    pub(super) fn new(vendor: &'v Vendor, number: u64, sold: Sold) -> Self {
        let key = "license key 0".to_owned();
        let mut ledger = MemoryLedger::default();
        ledger.sell(terms(sold), &key);
        let mut plenty = LicenseTerms::new(ANOTHER, PRODUCT, 99, Timestamp::from_unix_seconds(START));
        plenty.lease_days = Some(LONGEST_LEASE_DAYS);
        ledger.sell(plenty, ANOTHER_KEY);
        let mut world = Self {
            vendor,
            number,
            dice: Dice(number),
            now: START,
            ledger,
            service: Service::new(number),
            promise: Promise::new(sold, START, LONGEST_LEASE_DAYS),
            installations: Vec::new(),
            key,
            late: Vec::new(),
            drawn: 0,
            lost: None,
            breach: None,
            lost_seats: BTreeSet::new(),
            is_clock_set: false,
            counts: Counts::new(),
            story: vec![format!("{sold:?}")],
        };
        world.note(None);
        world.copy();
        for installed in 0..INSTALLED {
            world.install(installed % COMPUTERS);
        }
        world
    }

    /// The whole run.
    pub(super) fn live(&mut self) -> Kept {
        let acts = Script::new(self.number).acts;
        for act in acts {
            self.wait(act.wait);
            self.pass_time();
            let held: Vec<Held> =
                self.installations.iter().filter_map(|installed| installed.held(LICENSE, self.now)).collect();
            self.promise.passed(self.now, &held, &self.seen())?;
            self.judge()?;
            let at = self.at(act.installation);
            self.installations[at].observe(self.now);
            self.story.push(format!("{} installation {at}: {:?}", self.now - START, act.event));
            self.lost = None;
            self.act(at, act)?;
            self.judge()?;
            if let Some(handle) = self.lost {
                self.promise.lost_a_lease(handle)?;
            }
        }
        self.outlive()
    }

    /// When nobody is heard of any more, every seat can be had by others after the margin, and no more than there are
    /// (F2).
    fn outlive(&mut self) -> Kept {
        self.late.clear();
        if self.promise.sold().margin_days.is_none() {
            return Ok(());
        }
        self.edit(Sold { activations: None, end: None, is_suspended: false, ..self.promise.sold() });
        self.now = self.promise.lapses(self.now).fold(self.now, u64::max) + HOUR;
        self.judge()?;
        let seats = self.promise.sold().seats;
        for stranger in 0..=seats {
            let at = self.install(COMPUTERS + stranger);
            self.begin(at, Asking { key: self.key.clone(), ..Asking::default() });
            let request = self.installations[at].request().ok_or("no request")?;
            let answer = self.hear(&Message::Request(request))?;
            let is_granted = answer.is_ok_and(|reply| reply.license.is_some());
            must(is_granted == (stranger < seats), || {
                format!("F2: stranger {stranger} is granted a seat of {seats}: {is_granted}")
            })?;
        }
        self.judge()
    }

    fn wait(&mut self, wait: Wait) {
        let around = |then: u64, after: bool| if after { then + HOUR } else { then - HOUR };
        let then = match wait {
            Wait::Seconds(seconds) => self.now + seconds,
            Wait::ToAnEnd { after } => {
                let ends = self.installations.iter().filter_map(Installation::ends);
                ends.filter(|end| *end > self.now).min().map_or(self.now, |end| around(end, after))
            }
            Wait::ToALapse { after } => {
                self.promise.lapses(self.now).min().map_or(self.now, |then| around(then, after))
            }
        };
        self.now = then.clamp(self.now + 2, self.now + LONGEST_WAIT);
    }

    /// Which installation is meant. One that is silent does nothing; somebody always does.
    fn at(&mut self, number: usize) -> usize {
        let count = self.installations.len();
        let awake = (0..count).map(|next| (number + next) % count);
        let mut awake = awake.filter(|at| !self.installations[*at].is_silent);
        awake.next().unwrap_or_else(|| {
            self.installations[number % count].is_silent = false;
            number % count
        })
    }

    fn judge(&mut self) -> Kept {
        if let Some(breach) = self.breach.take() {
            return Err(breach);
        }
        let usable: Vec<Usable> =
            self.installations.iter().filter_map(|installed| installed.usable(LICENSE, self.now)).collect();
        self.promise.judge(self.now, &usable, self.seen())?;
        if self.promise.besides() > 0 {
            self.count(IN_USE_BESIDES);
        }
        Ok(())
    }

    /// Whether the ledger takes a seat for counting.
    fn counts(&self, seat: &crate::authority::Seat) -> bool {
        let history = self.history();
        let gaps = history.as_ref().map(|history| history.gaps()).unwrap_or_default();
        seat.counts(&self.ledger.terms[0], Timestamp::from_unix_seconds(self.now), gaps)
    }

    fn history(&self) -> Option<Box<crate::authority::History>> {
        match self.ledger.find(&Query::History) {
            Ok(Found::History(history)) => history,
            _ => None,
        }
    }

    /// What can be seen of the ledger.
    fn seen(&self) -> Seen {
        let history = self.history();
        let gaps = history.as_ref().map(|history| history.gaps()).unwrap_or_default();
        let counting = self.ledger.seats_of(LICENSE).filter(|seat| self.counts(seat));
        let gap = |gap: &crate::authority::Gap| Gap {
            began: gap.began().unix_seconds(),
            ended: gap.ended().unix_seconds(),
        };
        let counted = |what: &str| self.counts.get(what).copied().unwrap_or_default();
        Seen {
            rows: rows(&self.ledger),
            counting: Some(counting.map(|seat| seat.handle().get()).collect()),
            gaps: gaps.iter().map(gap).collect(),
            healed: counted("noted: healed") + counted("noted: phantom-ended"),
            flagged: counted(FLAGGED),
        }
    }

    fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    fn tell(&mut self, what: impl std::fmt::Debug) {
        self.story.push(format!("    {what:?}"));
    }
}

fn terms(sold: Sold) -> LicenseTerms {
    let mut terms =
        LicenseTerms::new(LICENSE, PRODUCT, sold.seats as u32, Timestamp::from_unix_seconds(START));
    terms.lease_days = Some(sold.lease_days);
    terms.margin_days = sold.margin_days;
    terms.deactivations = sold.deactivations;
    terms.activations = sold.activations;
    terms.expires = sold.end.map(Timestamp::from_unix_seconds);
    terms.suspended = sold.is_suspended;
    terms.reinstalls = Some(sold.reinstalls);
    terms.replace = Some(sold.replace);
    terms.one_seat_per_machine = sold.one_seat_per_machine;
    terms
}

/// The seats of the license that is judged.
fn rows(ledger: &MemoryLedger) -> Vec<Row> {
    let row = |seat: &crate::authority::Seat| Row {
        handle: seat.handle().get(),
        state: State::named(seat.state().name()),
        counted: seat.is_counted(),
        activation: seat.is_activation(),
        lapsed: seat.is_lapsed(),
        ends: seat.ends().map_or(u64::MAX / 2, Timestamp::unix_seconds),
    };
    ledger.seats_of(LICENSE).map(row).collect()
}
