//! One run.

mod acts;
mod judging;
mod restore;
mod vendor;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use nodelock::{Client, ClientBuilder, Error, ErrorKind, Roots, Store, authority::LONGEST_LEASE_DAYS};

use super::{
    Fault,
    promise::{Kept, Promise, must},
    script::{Act, COMPUTERS, DAY, Event, HOUR, INSTALLED, Script, Sold, Wait},
};
use crate::support::{
    administration::Administrator,
    calls::http,
    dice::Dice,
    ledger::Ledger,
    network::Network,
    server::{Authority, PRODUCT},
    vendor::{TestClock, machine},
};

/// However far away the next end is, a wait is no longer.
const LONGEST_WAIT: u64 = 60 * 24 * HOUR;
/// So many installations there are at most.
const MOST_INSTALLED: usize = 9;

/// How long after a restore it has no effect any more, whatever the margin.
const LONGEST_EFFECT: u64 = (LONGEST_LEASE_DAYS as u64 + 15) * DAY;

/// How often what happened.
pub type Counts = BTreeMap<String, u64>;

/// An installation of the application and its store.
struct Installation {
    computer: usize,
    folder: PathBuf,
    clock: TestClock,
    /// The license key of its latest request.
    key: String,
    /// By how many seconds its clock is ahead.
    ahead: i64,
    is_silent: bool,
}

pub struct World<'a> {
    number: u64,
    dice: Dice,
    pub now: u64,
    authority: &'a Authority,
    ledger: &'a mut Ledger,
    network: Network,
    license: String,
    /// The present license key.
    key: String,
    key_of_another_license: String,
    promise: Promise,
    installations: Vec<Installation>,
    installed: usize,
    /// Whoever administers the authority.
    administrator: &'a mut Administrator,
    /// The version of the license that an administrator saw last.
    version: Option<String>,
    /// Licenses that the vendor renewed unasked, by handle and revision: their dates say nothing of the device.
    renewed: BTreeSet<(u32, u32)>,
    /// The copy of the ledger; none where the ledger is no file.
    copy: Option<restore::Copy>,
    is_restored: bool,
    /// How often it was noted that more seats are taken than were sold.
    flagged: u64,
    /// A license that could be used, and is over by what the last act brought.
    lost: Option<u32>,
    counts: Counts,
    pub story: Vec<String>,
    pub fault: Option<Fault>,
}

impl<'a> World<'a> {
    pub fn new(
        number: u64,
        authority: &'a Authority,
        (ledger, administrator): (&'a mut Ledger, &'a mut Administrator),
        key_of_another_license: String,
        now: u64,
    ) -> Self {
        let sold = Script::new(number).sold;
        let limit = |limit: Option<u32>| limit.map_or("none".to_owned(), |limit| limit.to_string());
        let (seats, lease) = (sold.seats.to_string(), sold.lease_days.to_string());
        let (margin, deactivations) = (limit(sold.margin_days), limit(sold.deactivations));
        let (activations, order) = (limit(sold.activations), format!("order-{number}"));
        let (reinstalls, replace) = (sold.reinstalls.to_string(), sold.replace.to_string());
        let mut new = vec!["license", "new", "--licensee", "Jane Doe", "--seats", &seats];
        new.extend(["--lease-days", &lease, "--margin-days", &margin, "--deactivations", &deactivations]);
        new.extend(["--reinstalls", &reinstalls, "--replace", &replace]);
        new.extend(["--activations", &activations, "--order", &order]);
        if sold.one_seat_per_machine {
            new.push("--one-seat-per-machine");
        }
        let made = authority.vendor(&new);
        let mut world = Self {
            number,
            dice: Dice(number),
            now,
            authority,
            ledger,
            network: Network::new(authority.address, number),
            license: made["license"].as_str().unwrap().to_owned(),
            key: made["key"].as_str().unwrap().to_owned(),
            key_of_another_license,
            promise: Promise::new(sold, now, LONGEST_LEASE_DAYS),
            installations: Vec::new(),
            installed: 0,
            administrator,
            version: None,
            renewed: BTreeSet::new(),
            copy: None,
            is_restored: false,
            flagged: 0,
            lost: None,
            counts: Counts::new(),
            story: vec![format!("{sold:?}")],
            fault: None,
        };
        for installed in 0..INSTALLED {
            world.install(installed % COMPUTERS);
        }
        world.begin_copies();
        world
    }

    /// When the next run may begin: what this one has lost is over by then.
    pub fn is_over(&self) -> u64 {
        self.now + if self.is_restored { LONGEST_EFFECT } else { 0 }
    }

    pub fn counts(&self) -> Counts {
        let named = |name: &str, counts: Counts| -> Vec<_> {
            counts.into_iter().map(|(what, count)| (format!("{name}: {what}"), count)).collect()
        };
        let network = self.network.counts().into_iter().map(|(what, count)| (what.to_owned(), count));
        let mut all = named("network", network.collect());
        all.extend(named("refused", self.network.refusals()));
        let administration = self.administrator.counts().into_iter();
        all.extend(named(
            "administration",
            administration.map(|(what, count)| (what.to_owned(), count)).collect(),
        ));
        all.extend(self.counts.clone());
        all.into_iter().collect()
    }

    /// The whole run.
    pub fn live(&mut self) -> Kept {
        let (began, acts) = (self.now, Script::new(self.number).acts);
        for act in acts {
            self.wait(act.wait);
            self.judge_after_wait()?;
            let at = self.at(act.installation);
            self.story.push(format!("{} installation {at}: {:?}", self.now - began, act.event));
            let _ = self.client(at).observe();
            self.network.set_bad(!self.dice.once_in(4));
            self.lost = None;
            self.act(at, act)?;
            self.judge()?;
            if let Some(handle) = self.lost {
                self.promise.lost_a_lease(handle)?;
            }
        }
        self.network.heal();
        self.judge()?;
        self.outlive()?;
        self.network.replay(&mut Dice(self.number));
        self.judge()?;
        self.administrator.replay();
        self.judge()?;
        if self.number.is_multiple_of(4) {
            self.void()?;
            for at in 0..self.installations.len() {
                self.act(at, Act { wait: Wait::Seconds(2), installation: at, event: Event::Use })?;
                self.judge()?;
            }
        }
        self.administrator.forget(self.now);
        let failure = self.network.failure().or(self.administrator.failure());
        failure.map_or(Ok(()), |failure| Err(format!("the server failed: {failure}")))
    }

    /// The server is started anew.
    fn restart(&mut self) {
        self.authority.restart();
        self.administrator.moved(self.authority);
    }

    /// When nobody is heard of any more, every seat can be had by others after the margin, and no more than there are
    /// (F2).
    fn outlive(&mut self) -> Kept {
        if self.promise.sold().margin_days.is_none() {
            return Ok(());
        }
        self.edit(Sold { activations: None, end: None, ..self.promise.sold() })?;
        self.suspend(false)?;
        let lapsed = self.promise.lapses(self.now).fold(self.now, u64::max) + HOUR;
        self.set_time(lapsed);
        self.judge()?;
        let seats = self.promise.sold().seats;
        for stranger in 0..=seats {
            let at = self.install(COMPUTERS + stranger);
            let key = self.key.clone();
            self.begin(at, &key, false);
            let is_granted = self.client(at).activate(&key).is_ok_and(|status| status.is_usable());
            must(is_granted == (stranger < seats), || {
                format!("F2: stranger {stranger} is granted a seat of {seats}: {is_granted}")
            })?;
        }
        self.judge()
    }

    fn set_time(&mut self, time: u64) {
        self.now = time;
        self.authority.clock().set(time);
        self.administrator.set_time(time);
        for installed in &self.installations {
            installed.clock.set(time.saturating_add_signed(installed.ahead));
        }
    }

    fn wait(&mut self, wait: Wait) {
        let around = |then: u64, after: bool| if after { then + HOUR } else { then - HOUR };
        let then = match wait {
            Wait::Seconds(seconds) => self.now + seconds,
            Wait::ToAnEnd { after } => {
                let statuses = (0..self.installations.len()).filter_map(|at| self.client(at).check().ok());
                let ends = statuses.filter_map(|status| Some(status.license()?.lease_until?.unix_seconds()));
                ends.filter(|end| *end > self.now).min().map_or(self.now, |end| around(end, after))
            }
            Wait::ToALapse { after } => {
                self.promise.lapses(self.now).min().map_or(self.now, |then| around(then, after))
            }
        };
        self.set_time(then.clamp(self.now + 2, self.now + LONGEST_WAIT));
    }

    /// Which installation is meant. One that is silent does nothing; somebody always does.
    fn at(&mut self, number: usize) -> usize {
        let count = self.installations.len();
        let mut awake = (0..count).map(|next| (number + next) % count);
        awake.find(|at| !self.installations[*at].is_silent).unwrap_or_else(|| {
            self.installations[number % count].is_silent = false;
            number % count
        })
    }

    /// The application, started on an installation.
    fn client(&self, at: usize) -> Client {
        self.client_that(at, false)
    }

    fn client_that(&self, at: usize, replaces: bool) -> Client {
        let installed = &self.installations[at];
        self.client_in(&installed.folder, installed.computer, installed.clock.clone(), replaces)
    }

    fn client_in(&self, folder: &Path, computer: usize, clock: TestClock, replaces: bool) -> Client {
        let builder = self.builder_in(folder, computer, clock, replaces);
        builder.authority(nodelock::Authority::new(self.network.url(), http())).build().unwrap()
    }

    fn builder_in(&self, folder: &Path, computer: usize, clock: TestClock, replaces: bool) -> ClientBuilder {
        let computer = format!("{} {computer}", self.number);
        Client::builder(PRODUCT, Roots::new([self.authority.root.parse().unwrap()]))
            .store(Store::in_directory(folder.join("store"), Some(folder.join("tombstones"))))
            .clock(clock)
            .probe(move || machine(&computer))
            .replace_license(replaces)
            .replace_request(replaces)
    }

    /// Installs the application on a computer.
    fn install(&mut self, computer: usize) -> usize {
        self.installed += 1;
        let folder = self.authority.path(&format!("{} {}", self.number, self.installed));
        let clock = TestClock::at(self.now);
        let key = self.key.clone();
        self.installations.push(Installation { computer, folder, clock, key, ahead: 0, is_silent: false });
        self.installations.len() - 1
    }

    fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    fn tell(&mut self, what: impl std::fmt::Debug) {
        self.story.push(format!("    {what:?}"));
    }

    /// What came of a call. On a network that loses nothing, a refusal for want of a seat is the authority's word.
    fn came<T>(&mut self, of: Result<T, Error>) -> Kept<Option<T>> {
        match of {
            Ok(done) => {
                self.tell("done");
                Ok(Some(done))
            }
            Err(error) => {
                self.tell(error.to_string());
                self.count(format!("met: {}", error.kind().code()));
                if !self.network.is_bad() {
                    let seen = self.seen();
                    match error.kind() {
                        ErrorKind::NoFreeSeat => self.promise.refused(self.now, &seen)?,
                        ErrorKind::NoActivationLeft => self.promise.refused_activation(&seen)?,
                        _ => {}
                    }
                }
                Ok(None)
            }
        }
    }
}
