//! Whole client operations under faults, on a simulated disk (docs/THREATS.md, Test 1 to Test 4), also where strace
//! does not run.
//!
//! Every operation is killed, cut off from power or refused by the disk at each thing it asks of the file system.
//! What it had told its caller by then goes to the vendor at once, as somebody in a hurry would do. Then the machine
//! starts again, and both sides are judged:
//!
//! - the store is whole, and holds the record from before the operation or the one from after it;
//! - what was announced is still there, the same to the byte;
//! - I1: no machine has a usable license whose seat the vendor has freed;
//! - I2: with the client's public calls alone the seat becomes free, and another machine can take it;
//! - no seat is there twice.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use crate::support::{
    disk::{Call, Cut, Disk, ERRORS, Fault},
    vendor::{START, TestClock, Vendor, builder},
};
use nodelock::{
    Answer, Client, Deactivation, Error, ErrorKind, PendingRequest, Post, Reason, Renewal, Result, Store,
    Transport, Verdict, testing::SeededRandom,
};

/// A machine, by its disk, and its vendor.
#[derive(Clone)]
struct World {
    vendor: Vendor,
    disk: Disk,
}

impl World {
    fn fork(&self) -> Self {
        Self { vendor: self.vendor.clone(), disk: self.disk.fork() }
    }

    /// The same vendor with what became of the disk.
    fn on(&self, disk: &Disk) -> Self {
        Self { vendor: self.vendor.clone(), disk: disk.clone() }
    }

    /// A copy of this world after a power cut, and the application started in it.
    fn cut(&self, cut: Cut) -> (Self, Client) {
        let world = self.fork();
        world.disk.power_cut(cut);
        world.started()
    }

    fn store(&self) -> Store {
        Store::in_directory("/var/lib/vendor/product", Some("/home/user/state/product".into()))
            .with_file_system(Arc::new(self.disk.clone()))
    }

    /// The application, started. It draws the same numbers as any other of this `seed`.
    fn client(&self, seed: &str) -> Client {
        builder(self.vendor.roots.clone(), "machine", self.store(), self.vendor.clock.clone())
            .random(SeededRandom::new(seed))
            .authority(nodelock::Authority::new("https://authority", Silence))
            .build()
            .unwrap()
    }

    /// A copy of this world, and the application started in it.
    fn started(&self) -> (Self, Client) {
        let world = self.fork();
        let client = world.client("later");
        (world, client)
    }

    fn body(&self) -> Option<Vec<u8>> {
        self.store().read().ok()?.body.clone()
    }
}

/// No authority answers.
struct Silence;

impl Transport for Silence {
    fn post(&self, _: &Post<'_>) -> Result<Answer> {
        Err(Error::new(ErrorKind::TimedOut, "authority"))
    }
}

/// A start that asks for what is due, in vain, and notes that.
fn start(client: &Client) -> Result<Said> {
    match client.start(Duration::from_secs(3))?.into_renewal() {
        Renewal::Due(error) if error.kind() != ErrorKind::TimedOut => Err(error),
        _ => Ok(Said::Done),
    }
}

/// What an operation told its caller: from then on it may be anywhere.
#[derive(Clone)]
enum Said {
    Request(Box<PendingRequest>),
    GivenUp(Deactivation),
    Done,
}

impl Said {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::GivenUp(given_up) => given_up.to_bytes(),
            Self::Done => Vec::new(),
        }
    }

    /// Whether it is the same, as a file and as a code.
    fn is(&self, other: &Self) -> bool {
        let code = |said: &Self| match said {
            Self::GivenUp(given_up) => Some(given_up.code().to_string()),
            _ => None,
        };
        self.bytes() == other.bytes() && code(self) == code(other)
    }

    /// The vendor hears of it.
    fn hand_over(&self, vendor: &mut Vendor) {
        match self {
            Self::Request(_) => drop(vendor.activate(&self.bytes()).unwrap()),
            Self::GivenUp(_) => drop(vendor.redeem(&self.bytes()).unwrap()),
            Self::Done => {}
        }
    }
}

/// What the client shows to somebody who asks after a restart.
fn shown_again(client: &Client) -> Result<Vec<Said>> {
    let outstanding = client.outstanding()?.into_iter().map(Said::GivenUp);
    Ok(outstanding.chain(client.pending()?.map(|request| Said::Request(Box::new(request)))).collect())
}

type Operation = Box<dyn Fn(&Client) -> Result<Said> + Send + Sync>;

/// An operation, and the world that it begins in.
struct Scenario {
    name: &'static str,
    before: World,
    old: Option<Vec<u8>>,
    new: Vec<u8>,
    operation: Operation,
    /// What the operation says when it is asked for again after it was done; `None`: the same as before, or it is done
    /// again.
    already: Option<ErrorKind>,
    /// An administrator freed the seat, and the machine does not know until the operation is done: the one exception
    /// from I1 that the protocol makes.
    forced: bool,
}

impl Scenario {
    fn new(
        name: &'static str,
        before: &World,
        already: Option<ErrorKind>,
        operation: impl Fn(&Client) -> Result<Said> + Send + Sync + 'static,
    ) -> Self {
        let (before, after) = (before.fork(), before.fork());
        operation(&after.client("first")).unwrap();
        let (old, new) = (before.body(), after.body().unwrap());
        assert_ne!(old.as_ref(), Some(&new), "{name} changes something");
        Self { name, before, old, new, operation: Box::new(operation), already, forced: false }
    }

    fn run(&self, world: &World) -> Result<Said> {
        (self.operation)(&world.client("first"))
    }
}

/// All that the sweeps start from, made once: a request costs 100,000 rounds of PBKDF2.
struct Prepared {
    scenarios: Vec<Scenario>,
    /// Another machine that waits for the seat, and its request.
    other: Disk,
    other_request: Vec<u8>,
}

static PREPARED: LazyLock<Prepared> = LazyLock::new(|| {
    let vendor = Vendor::new();
    let key = vendor.license_key();
    let begin = |client: &Client| client.begin(vendor.license_key());

    let fresh = World { vendor: vendor.clone(), disk: Disk::new() };
    let other = fresh.fork();
    let other_request = begin(&other.client("other")).unwrap().to_bytes();

    let asked = fresh.fork();
    let request = begin(&asked.client("earlier")).unwrap().to_bytes();
    let mut granted = asked.fork();
    let license = granted.vendor.activate(&request).unwrap();
    let active = granted.fork();
    let handle = active.client("").accept(&license).unwrap().license().unwrap().handle;

    let mut renewed = active.fork();
    let renewal = renewed.vendor.renew(handle).as_bytes().to_vec();
    let mut forced = active.fork();
    let revocation = forced.vendor.force_release(handle, "reported as lost").as_bytes().to_vec();
    let mut later = active.fork();
    later.vendor.clock = TestClock::at(START + 7200);

    let given_up = active.fork();
    let proof = given_up.client("").deactivate_offline(Reason::Moved).unwrap().to_bytes();
    let mut freed = given_up.fork();
    let receipt = freed.vendor.redeem(&proof).unwrap().as_bytes().to_vec();
    let mut asked_anew = given_up.fork();
    let request = begin(&asked_anew.client("anew")).unwrap().to_bytes();
    let answer = asked_anew.vendor.activate(&request).unwrap();

    let begin = move |client: &Client| client.begin(&key).map(|request| Said::Request(Box::new(request)));
    let cancel = |client: &Client| client.cancel().map(Said::GivenUp);
    let install = |input: Vec<u8>| move |client: &Client| client.accept(&input).map(|_| Said::Done);
    let not_pending = Some(ErrorKind::NotPending);
    let scenarios = vec![
        Scenario::new("first begin", &fresh, None, begin.clone()),
        Scenario::new("begin with a seat outstanding", &given_up, None, begin),
        Scenario::new("install", &granted, None, install(license)),
        Scenario::new("install with a receipt", &asked_anew, None, install(answer)),
        Scenario::new("install a renewal", &renewed, None, install(renewal)),
        Scenario::new("deactivate", &active, Some(ErrorKind::NotActive), |client| {
            client.deactivate_offline(Reason::Moved).map(Said::GivenUp)
        }),
        Scenario::new("cancel before the vendor knows", &asked, not_pending, cancel),
        Scenario::new("cancel what was granted", &granted, not_pending, cancel),
        Scenario::new("accept a receipt", &freed, None, move |client| {
            client.accept(&receipt).map(|_| Said::Done)
        }),
        Scenario {
            forced: true,
            ..Scenario::new("accept a revocation", &forced, None, move |client| {
                client.accept(&revocation).map(|_| Said::Done)
            })
        },
        Scenario::new("a start that is not answered", &asked, None, start),
        Scenario::new("observe", &later, None, |client| client.observe().map(|_| Said::Done)),
    ];
    Prepared { scenarios, other: other.disk, other_request }
});

/// What must never be.
#[derive(Debug, PartialEq)]
enum Breach {
    /// The record is neither the old one nor the new one.
    Torn,
    /// What was announced is not there any more.
    Lost,
    /// A usable license whose seat is free.
    UsableAndFree,
    /// A seat that cannot be freed, or not taken by another machine.
    SeatLost(String),
    /// More taken than sold.
    DoubleSeat,
    /// An error of another kind than the disk's, or where none is due.
    WrongError(String),
}

/// Fails with `breach` unless `kept`.
fn must(kept: bool, breach: Breach) -> Result<(), Breach> {
    if kept { Ok(()) } else { Err(breach) }
}

/// I1, and that there is no more than the one seat that was sold.
fn judge_usable(client: &Client, vendor: &Vendor) -> Result<(), Breach> {
    must(vendor.usage().taken <= 1, Breach::DoubleSeat)?;
    let status = client.check().map_err(|_| Breach::Torn)?;
    must(!matches!(status.verdict(), Verdict::Damaged { .. }), Breach::Torn)?;
    let Some(license) = status.license().filter(|_| status.is_usable()) else { return Ok(()) };
    must(vendor.seat(license.handle).state().is_taken(), Breach::UsableAndFree)
}

/// Judges a world after a fault, by `client`, of which `announced` is known.
fn judge(scenario: &Scenario, mut world: World, client: &Client, announced: &[Said]) -> Result<(), Breach> {
    let found = world.body();
    must(found == scenario.old || found.as_ref() == Some(&scenario.new), Breach::Torn)?;
    let is_done = found.as_ref() == Some(&scenario.new);
    let again = shown_again(client).map_err(|_| Breach::Torn)?;
    for said in announced {
        let kept = match said {
            Said::Done => is_done,
            _ => again.iter().any(|shown| shown.is(said)),
        };
        must(kept, Breach::Lost)?;
    }
    if !scenario.forced || is_done {
        judge_usable(client, &world.vendor)?;
    }
    for shown in &again {
        shown.hand_over(&mut world.vendor);
        if !scenario.forced || is_done {
            judge_usable(client, &world.vendor)?;
        }
    }
    judge_recovery(world, client)
}

/// I2: what is left of the seat is freed, and another machine takes it.
fn judge_recovery(mut world: World, client: &Client) -> Result<(), Breach> {
    let lost = |error: nodelock::Error| Breach::SeatLost(error.to_string());
    free_the_seat(client, &mut world.vendor).map_err(lost)?;
    judge_usable(client, &world.vendor)?;
    let status = client.check().map_err(lost)?;
    let is_over = !status.is_usable() && status.pending().is_none() && status.outstanding() == 0;
    must(is_over, Breach::SeatLost("something is left on the machine".into()))?;
    must(world.vendor.usage().taken == 0, Breach::SeatLost("still taken".into()))?;

    let answer = world.vendor.activate(&PREPARED.other_request).map_err(lost)?;
    let other = world.on(&PREPARED.other.fork()).client("");
    must(other.accept(&answer).map_err(lost)?.status().is_usable(), Breach::SeatLost("not usable".into()))?;
    judge_usable(&other, &world.vendor)?;
    judge_usable(client, &world.vendor)
}

/// What somebody does who wants the seat back and knows nothing of what happened before. It can be done again from the
/// start after any failure.
fn free_the_seat(client: &Client, vendor: &mut Vendor) -> Result<()> {
    let given_up = match client.cancel() {
        Err(error) if error.kind() == ErrorKind::NotPending => client.deactivate_offline(Reason::Moved),
        cancelled => cancelled,
    };
    match given_up {
        Err(error) if error.kind() != ErrorKind::NotActive => return Err(error),
        _ => {}
    }
    for given_up in client.outstanding()? {
        let receipt = vendor.redeem(&given_up.to_bytes())?;
        client.accept(receipt.as_bytes())?;
    }
    Ok(())
}

/// The operation once more: it is done now, or was done before.
fn judge_retry(scenario: &Scenario, mut world: World, client: &Client) -> Result<(), Breach> {
    let was_done = world.body().as_ref() == Some(&scenario.new);
    match (scenario.operation)(client) {
        Err(error) if was_done && Some(error.kind()) == scenario.already => {}
        Err(error) => return Err(Breach::WrongError(error.to_string())),
        Ok(said) => {
            must(!was_done || scenario.already.is_none(), Breach::DoubleSeat)?;
            said.hand_over(&mut world.vendor);
        }
    }
    judge_recovery(world, client)
}

/// The points of a sweep and the breaches found there.
#[derive(Default)]
struct Tally {
    points: usize,
    breaches: Vec<String>,
    lost: usize,
}

impl Tally {
    fn count(&mut self, judged: Result<(), Breach>, at: impl Fn() -> String) {
        self.points += 1;
        if let Err(breach) = judged {
            self.lost += usize::from(breach == Breach::Lost);
            self.breaches.push(format!("{}: {breach:?}", at()));
        }
    }

    fn add(&mut self, other: Self) {
        self.points += other.points;
        self.lost += other.lost;
        self.breaches.extend(other.breaches);
    }

    fn expect_none(&self, what: &str, floor: usize) {
        println!("{what}: {} points, {} breaches", self.points, self.breaches.len());
        let first = self.breaches.iter().take(12).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.breaches.is_empty(), "{} breaches, such as\n{first}", self.breaches.len());
        assert!(self.points >= floor, "{} points are too few", self.points);
    }
}

/// Runs `sweep` for every scenario and prints how many points each had.
fn over_all(what: &str, sweep: impl Fn(&Scenario) -> Tally) -> Tally {
    let mut all = Tally::default();
    for scenario in &PREPARED.scenarios {
        let tally = sweep(scenario);
        println!("{what}, {}: {} points", scenario.name, tally.points);
        all.add(tally);
    }
    all
}

/// Hands over what was said, if anything was.
fn announce(vendor: &mut Vendor, result: Result<Said>) -> Vec<Said> {
    let said = Vec::from_iter(result.ok());
    for said in &said {
        said.hand_over(vendor);
    }
    said
}

#[test]
fn a_kill_anywhere_loses_no_seat_and_no_announcement() {
    let tally = over_all("kill", |scenario| {
        let mut tally = Tally::default();
        scenario.before.disk.sweep(Fault::Kill, |disk| {
            let mut world = scenario.before.on(disk);
            let result = scenario.run(&world);
            let announced = announce(&mut world.vendor, result);
            let at = || format!("{}, killed at {:?}", scenario.name, disk.faulted());
            disk.restart();
            let (again, client) = world.started();
            tally.count(judge_retry(scenario, again, &client), at);
            let (world, client) = world.started();
            tally.count(judge(scenario, world, &client, &announced), at);
        });
        tally
    });
    tally.expect_none("kills", 300);
}

#[test]
fn a_second_kill_or_power_cut_during_the_recovery_loses_nothing_either() {
    let scenario = PREPARED.scenarios.iter().find(|scenario| scenario.name == "deactivate").unwrap();
    let mut tally = Tally::default();
    scenario.before.disk.sweep(Fault::Kill, |disk| {
        let mut world = scenario.before.on(disk);
        let result = scenario.run(&world);
        announce(&mut world.vendor, result);
        let first = disk.faulted();
        disk.restart();
        disk.sweep(Fault::Kill, |disk| {
            let mut world = world.on(disk);
            let _ = free_the_seat(&world.client("2"), &mut world.vendor);
            for (what, (world, client)) in [("killed", world.started()), ("cut off", world.cut(Cut::LoseAll))]
            {
                let judged =
                    judge_usable(&client, &world.vendor).and_then(|()| judge_recovery(world, &client));
                tally.count(judged, || format!("killed at {first:?}, {what} at {:?}", disk.faulted()));
            }
        });
    });
    tally.expect_none("two kills", 1000);
}

/// A process is killed between rename and directory sync. The next one changes what it finds, and is killed or cut off
/// from power at any moment of that.
#[test]
fn a_change_of_what_a_kill_left_undurable_loses_nothing() {
    let tally = over_all("changed after a kill", |scenario| {
        let mut tally = Tally::default();
        scenario.before.disk.sweep(Fault::Kill, |disk| {
            let mut world = scenario.before.on(disk);
            let result = scenario.run(&world);
            announce(&mut world.vendor, result);
            let Some(first) = disk.faulted().filter(|first| first.call == Call::SyncDir) else { return };
            disk.restart();
            disk.sweep(Fault::Kill, |disk| {
                let mut world = world.on(disk);
                let _ = free_the_seat(&world.client("2"), &mut world.vendor);
                let cuts = Cut::all(3).map(|cut| (format!("{cut:?}"), world.cut(cut)));
                for (what, (world, client)) in cuts.chain([("killed".to_owned(), world.started())]) {
                    if scenario.forced && world.body().as_ref() != Some(&scenario.new) {
                        continue;
                    }
                    let judged =
                        judge_usable(&client, &world.vendor).and_then(|()| judge_recovery(world, &client));
                    tally.count(judged, || {
                        format!("{}: {first:?}, {what} at {:?}", scenario.name, disk.faulted())
                    });
                }
            });
        });
        tally
    });
    tally.expect_none("changes after a kill", 2000);
}

/// How many syncs were asked for.
fn syncs(disk: &Disk) -> usize {
    disk.log().iter().filter(|done| matches!(done.call, Call::SyncFile | Call::SyncDir)).count()
}

/// What a change announces costs two syncs, of its file and of its directory, and a deactivation the tombstone's too.
#[test]
fn a_change_syncs_twice_and_a_deactivation_three_times() {
    for scenario in &PREPARED.scenarios {
        let world = scenario.before.fork();
        scenario.run(&world).unwrap();
        let syncs = syncs(&world.disk);
        let expected = match scenario.name {
            // Also four folders, the key, its name and the reserve.
            "first begin" => 2 + 4 + 3,
            // The key that it needs was found, and must be durable before it.
            "begin with a seat outstanding" => 2 + 2,
            // A note before it asks, and one of what came of it; the request is shown in between.
            "a start that is not answered" => 2 + 2 + 2,
            "deactivate" | "cancel before the vendor knows" | "cancel what was granted" => 3,
            "accept a revocation" => 3,
            _ => 2,
        };
        println!("{}: {syncs} syncs", scenario.name);
        assert_eq!(syncs, expected, "{}: {:#?}", scenario.name, world.disk.log());
    }
}

/// What is shown or refused without a commit has been synced, each time.
#[test]
fn what_is_said_without_a_commit_is_synced_first() {
    let syncs_of = |scenario: &str, ask: &dyn Fn(&Client)| {
        let scenario = PREPARED.scenarios.iter().find(|there| there.name == scenario).unwrap();
        let world = scenario.before.fork();
        ask(&world.client("first"));
        syncs(&world.disk)
    };
    assert_eq!(syncs_of("accept a receipt", &|client| assert_eq!(client.outstanding().unwrap().len(), 1)), 2);
    assert_eq!(syncs_of("install", &|client| assert!(client.pending().unwrap().is_some())), 2);
    let refused = |client: &Client| drop(client.deactivate_offline(Reason::Moved).unwrap_err());
    assert_eq!(syncs_of("accept a receipt", &refused), 2);
    assert_eq!(syncs_of("accept a receipt", &|client| drop(client.check().unwrap())), 0);
}

/// Cuts the power at every operation, in every way, after the vendor has heard what was announced by then.
fn power_cuts(scenario: &Scenario, before: &World, seeds: u64) -> Tally {
    let mut tally = Tally::default();
    before.disk.sweep(Fault::Kill, |disk| {
        let mut world = before.on(disk);
        let result = scenario.run(&world);
        let announced = announce(&mut world.vendor, result);
        for cut in Cut::all(seeds) {
            let (world, client) = world.cut(cut);
            let judged = judge(scenario, world, &client, &announced);
            tally.count(judged, || format!("{}, {cut:?} at {:?}", scenario.name, disk.faulted()));
        }
    });
    tally
}

#[test]
fn a_power_cut_anywhere_loses_no_seat_and_no_announcement() {
    let tally = over_all("power cut", |scenario| power_cuts(scenario, &scenario.before, 8));
    tally.expect_none("power cuts", 2000);
}

#[test]
fn the_control_without_directory_syncs_loses_announcements() {
    let tally = over_all("control", |scenario| {
        let before = scenario.before.fork();
        before.disk.ignore_sync_dir();
        power_cuts(scenario, &before, 0)
    });
    println!(
        "control: {} of {} announcements lost, {} breaches",
        tally.lost,
        tally.points,
        tally.breaches.len()
    );
    assert!(tally.lost > 0, "the sweep would not notice");
}

/// The application is killed or meets an error, starts again, and shows what it has; that is handed over; then the
/// power goes.
#[test]
fn what_is_shown_again_survives_every_power_cut() {
    let tally = over_all("shown again", |scenario| {
        let mut tally = Tally::default();
        for fault in [Fault::Kill, Fault::Fail(ERRORS[4].0)] {
            scenario.before.disk.sweep(fault, |disk| {
                let mut world = scenario.before.on(disk);
                let result = scenario.run(&world);
                announce(&mut world.vendor, result);
                let at = |cut| {
                    format!("{}, {fault:?} at {:?}, shown again, {cut:?}", scenario.name, disk.faulted())
                };
                disk.restart();
                let shown = shown_again(&world.client("later")).unwrap();
                for said in &shown {
                    said.hand_over(&mut world.vendor);
                }
                for cut in Cut::all(4) {
                    let (world, client) = world.cut(cut);
                    tally.count(judge(scenario, world, &client, &shown), || at(cut));
                }
            });
        }
        tally
    });
    tally.expect_none("shown again", 2000);
}

#[test]
fn every_error_anywhere_is_typed_and_loses_nothing() {
    let tally = over_all("error", |scenario| {
        let mut tally = Tally::default();
        for (error, kind) in ERRORS {
            for fault in [Fault::Fail(error), Fault::FailFrom(error)] {
                scenario.before.disk.sweep(fault, |disk| {
                    let mut world = scenario.before.on(disk);
                    let mut client = world.client("first");
                    let result = (scenario.operation)(&client);
                    disk.heal();
                    let faulted = disk.faulted();
                    let at = || format!("{}, {fault:?} at {faulted:?}", scenario.name);
                    if let Err(error) = &result {
                        let typed = error.kind() == kind;
                        tally.count(must(typed, Breach::WrongError(error.to_string())), at);
                    }
                    let announced = announce(&mut world.vendor, result);
                    if matches!(fault, Fault::FailFrom(_)) {
                        // The trouble ends with a restart; otherwise the same application goes on.
                        disk.restart();
                        client = world.client("2");
                    }
                    let judged = judge(scenario, world.clone(), &client, &announced);
                    tally.count(judged, at);
                });
            }
        }
        tally
    });
    tally.expect_none("errors", 2000);
}

#[test]
fn an_operation_refused_by_the_disk_can_be_asked_for_again() {
    let tally = over_all("retry", |scenario| {
        let mut tally = Tally::default();
        for error in [ERRORS[0].0, ERRORS[4].0] {
            scenario.before.disk.sweep(Fault::Fail(error), |disk| {
                let mut world = scenario.before.on(disk);
                let client = world.client("first");
                announce(&mut world.vendor, (scenario.operation)(&client));
                disk.heal();
                let judged = judge_retry(scenario, world, &client);
                tally.count(judged, || format!("{}, {error:?} at {:?}", scenario.name, disk.faulted()));
            });
        }
        tally
    });
    tally.expect_none("retries", 300);
}

#[test]
fn a_sync_that_fails_once_is_never_taken_for_durable() {
    let tally = over_all("failed sync", |scenario| {
        let mut tally = Tally::default();
        scenario.before.disk.sweep(Fault::Fail(ERRORS[4].0), |disk| {
            let mut world = scenario.before.on(disk);
            let result = scenario.run(&world);
            let announced = announce(&mut world.vendor, result);
            let Some(faulted) = disk.faulted() else { return };
            if !matches!(faulted.call, Call::SyncFile | Call::SyncDir) {
                return;
            }
            for cut in Cut::all(4) {
                let (world, client) = world.cut(cut);
                let judged = judge(scenario, world, &client, &announced);
                tally.count(judged, || format!("{}, {faulted:?} failed, {cut:?}", scenario.name));
            }
        });
        tally
    });
    tally.expect_none("failed syncs", 200);
}
