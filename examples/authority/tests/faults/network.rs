//! Whatever the network does between clients and the real server, no seat is lost and none is used twice
//! (docs/THREATS.md, Test 6 and Test 9). The same holds for the authority in memory that hosts test with
//! (docs/guides/testing.md): it decides what the server decides.
//!
//! Each run is a license, a few machines and a network of their own, and as many random acts of customers, of the
//! vendor and of misfortune. After every act the ledger and the clients' stores must keep the promise.
//!
//! A breach names its run; `NODELOCK_ONLINE_SEED=run NODELOCK_ONLINE_RUNS=1` has it again. The target:
//!
//! ```sh
//! NODELOCK_ONLINE_RUNS=10000 cargo test --test faults network:: -- --nocapture
//! ```

mod desk;
mod judge;

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use self::desk::{Administered, Desk, Memory, Server};
use crate::support::{
    calls::{base64url, http},
    dice::Dice,
    ledger::Row,
    network::{Counts, Network},
    server::PRODUCT,
    vendor::{TestClock, machine},
};
use nodelock::{
    Client, Deactivation, Post, Reason, Store, Timestamp, Transport as _, Verdict, authority::Allowance,
    code::Handle,
};
use serde_json::{Value, json};

/// An authority limits what it takes in for seats that it never saw, and this makes a lot of that.
const RUNS_OF_AN_AUTHORITY: u64 = 25;
/// Runs that broke the promise once: a check-in of a lost store that came late took a seat back that no store knew, and
/// a late proof of such a seat.
const REMEMBERED: [u64; 2] = [7568, 8721];
/// In so many runs administrators do everything, and are refused what may be.
const ENOUGH: u64 = 40;
const OF_ADMINISTRATORS: [&str; 9] = [
    "release taken back by the vendor",
    "release not taken back: given-up",
    "number of seats changed",
    "suspended",
    "resumed",
    "key replaced",
    "allowance reset",
    "extra ones granted",
    "every seat released by the vendor",
];
/// In so many runs a computer takes back the seat that a late request of its own had taken, whichever runs they are. Of
/// the first ones fewer will do.
const ENOUGH_TO_TAKE_BACK: u64 = 400;
/// How often that is.
const TAKEN_BACK: &str = "seats taken back from a late request";
const MACHINES: usize = 3;
const ACTS: usize = 20;

#[test]
fn whatever_the_network_does_no_seat_is_lost_and_none_is_used_twice() {
    let _up = crate::database_stays();
    every_run_keeps_the_promise(|| Box::new(Server::new()));
}

#[test]
fn the_authority_that_hosts_test_with_keeps_the_same_promise() {
    every_run_keeps_the_promise(|| Box::new(Memory::new()));
}

fn every_run_keeps_the_promise(open: fn() -> Box<dyn Desk>) {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let first: u64 = number("NODELOCK_ONLINE_SEED", 0);
    let runs: u64 = number("NODELOCK_ONLINE_RUNS", 40);
    let start = Instant::now();
    let next = AtomicU64::new(first);
    let total = Mutex::new((Counts::new(), Vec::new()));
    let judged = |seed, is_administered, desk: &mut dyn Desk| {
        let (counts, breach) = run(seed, is_administered, desk);
        let mut total = total.lock().unwrap();
        for (what, count) in counts {
            *total.0.entry(what).or_default() += count;
        }
        total.1.extend(breach.map(|breach| format!("run {seed}: {breach}")));
    };
    let work = || {
        while let begin = next.fetch_add(RUNS_OF_AN_AUTHORITY, Ordering::Relaxed)
            && begin < first + runs
        {
            let mut desk = open();
            for seed in begin..(begin + RUNS_OF_AN_AUTHORITY).min(first + runs) {
                judged(seed, true, &mut *desk);
            }
            let (met, failure) = desk.met();
            let mut total = total.lock().unwrap();
            for (what, count) in met {
                *total.0.entry(what).or_default() += count;
            }
            total.1.extend(failure);
            drop(total);
            desk.verify();
        }
    };
    let mut desk = open();
    // They are what they were, without an administrator.
    REMEMBERED.iter().for_each(|seed| judged(*seed, false, &mut *desk));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let (counts, breaches) = total.into_inner().unwrap();
    for (what, count) in &counts {
        println!("{count:>9} {what}");
    }
    println!("{runs} runs in {:.1} s, {} breaches", start.elapsed().as_secs_f64(), breaches.len());
    let shown = breaches.iter().take(5).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(breaches.is_empty(), "{} of {runs} runs, such as\n{shown}", breaches.len());
    let happened = |what: &&str| counts.get(what).is_some_and(|count| *count > 0);
    let is_enough = first == 0 || runs >= ENOUGH_TO_TAKE_BACK;
    let expected = OF_ADMINISTRATORS.into_iter().chain(is_enough.then_some(TAKEN_BACK));
    let missing: Vec<_> = expected.filter(|what| !happened(what)).collect();
    assert!(missing.is_empty() || runs < ENOUGH, "{missing:?} never happened");
}

fn run(seed: u64, is_administered: bool, desk: &mut dyn Desk) -> (Counts, Option<String>) {
    let mut world = World::new(seed, desk);
    world.is_administered = is_administered;
    let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
    let breach = match lived {
        Ok(Ok(())) => None,
        Ok(Err(breach)) => Some(breach),
        Err(_) => Some("panicked, see above".to_owned()),
    };
    if breach.is_some() {
        let seats = world.desk.seats(Some(&world.license));
        world.story.extend(seats.iter().map(|seat| format!("seat {}: {seat:?}", name(seat.handle))));
    }
    let mut counts = world.network.counts();
    counts.extend(world.administered);
    counts.insert("acts", world.story.len() as u64);
    counts.insert(TAKEN_BACK, world.taken_back);
    counts.insert("systems installed again", world.installed_again);
    (counts, breach.map(|breach| format!("{breach}\n  {}", world.story.join("\n  "))))
}

/// What must never be.
type Kept<T = ()> = Result<T, String>;

fn must(kept: bool, what: impl FnOnce() -> String) -> Kept {
    if kept { Ok(()) } else { Err(what()) }
}

/// A device: an installation of the application on hardware of its own, and its store.
struct TestDevice {
    name: String,
    folder: PathBuf,
    client: Client,
    /// What the store knew of when it was damaged, until another seat has taken the place of that.
    lost: HashSet<u32>,
}

/// One license and everybody who has to do with it.
struct World<'a> {
    dice: Dice,
    /// Everybody's clock. A second is as short as a time gets, so acts are some seconds apart.
    clock: TestClock,
    time: u64,
    desk: &'a mut dyn Desk,
    network: Network,
    key: String,
    license: String,
    seats: usize,
    /// Those that were taken when the number of seats was lowered, less those that are not any more.
    lowered: usize,
    is_suspended: bool,
    is_administered: bool,
    /// What administrators do, drawn by itself.
    vendors_dice: Dice,
    administered: Counts,
    devices: Vec<TestDevice>,
    /// What customers have written down or saved: seats given up, and by which machine.
    notes: Vec<(usize, Deactivation)>,
    /// Seats that the vendor released: whoever held them hears of it at the next check-in.
    released: BTreeSet<u32>,
    /// Requests that their machine lost before the authority saw them. When they arrive after all they may take a seat
    /// that only the vendor can release (docs/DESIGN.md, Limits). So may all that a system had when another one was
    /// installed in its place: the device key is gone.
    forgotten: HashSet<u32>,
    /// When systems are installed again, drawn by itself.
    installers_dice: Dice,
    installed_again: u64,
    /// How often a computer took back the seat that a late request of its own had taken.
    taken_back: u64,
    story: Vec<String>,
}

impl<'a> World<'a> {
    fn new(seed: u64, desk: &'a mut dyn Desk) -> Self {
        let mut dice = Dice(!seed);
        let seats = 1 + dice.below(2);
        // Sometimes deactivations are scarce, and seats are held instead of returned.
        let (key, license) = desk.sell(seats, dice.once_in(5).then_some(2));
        let network = Network::new(desk.address(), seed);
        let time = Timestamp::from(SystemTime::now()).unix_seconds();
        let mut world = Self {
            dice,
            clock: TestClock::at(time),
            time,
            desk,
            network,
            key,
            license,
            seats,
            lowered: 0,
            is_suspended: false,
            is_administered: true,
            vendors_dice: Dice(seed ^ 0xAD31),
            administered: Counts::new(),
            devices: Vec::new(),
            notes: Vec::new(),
            released: BTreeSet::new(),
            forgotten: HashSet::new(),
            installers_dice: Dice(seed ^ 0x1257),
            installed_again: 0,
            taken_back: 0,
            story: Vec::new(),
        };
        for number in 0..MACHINES {
            let name = format!("{seed} {number}");
            let folder = world.desk.folder().join(&name);
            let client = world.start(&name, &folder);
            world.devices.push(TestDevice { name, folder, client, lost: HashSet::new() });
        }
        world
    }

    /// Starts the application on a machine.
    fn start(&self, name: &str, folder: &std::path::Path) -> Client {
        let hardware = name.to_owned();
        Client::builder(PRODUCT, self.desk.roots())
            .store(Store::in_directory(folder.join("store"), Some(folder.join("tombstones"))))
            .clock(self.clock.clone())
            .probe(move || machine(&hardware))
            .authority(
                nodelock::Authority::new(self.network.url(), http())
                    .timeout(Duration::from_secs(60))
                    .attempts(1),
            )
            .build()
            .unwrap()
    }

    fn live(&mut self) -> Kept {
        for act in 1..=ACTS {
            self.clock.set(self.time + 2 * act as u64);
            let at = self.dice.below(MACHINES);
            self.act(at)?;
            self.judge()?;
            if self.is_administered && self.vendors_dice.once_in(3) {
                self.administer()?;
                self.judge()?;
            }
            // Mostly while a request is unanswered: it may still be under way, and arrive after its successor's.
            let is_waiting = self.devices[at].client.check().unwrap().pending().is_some();
            if self.is_administered && self.installers_dice.once_in(if is_waiting { 3 } else { 30 }) {
                self.install_again(at);
                self.judge()?;
            }
        }
        // Who is to come into order must be let: a lost store wants a seat that there is.
        if self.is_suspended {
            self.administer_as(Administered::Resume)?;
        }
        if self.is_administered {
            self.administer_as(Administered::Seats(MACHINES))?;
        }
        self.clock.set(self.time + 3600);
        self.network.heal();
        self.judge()?;
        self.settle()?;
        let before = self.desk.seats(Some(&self.license));
        self.network.replay(&mut self.dice);
        self.judge_replayed(&before)?;
        self.free_everything()?;
        let before = self.desk.seats(Some(&self.license));
        self.network.replay(&mut self.dice);
        self.judge_replayed(&before)?;
        self.desk.replay();
        self.judge()?;
        match self.network.failure() {
            Some(failure) => Err(format!("the server failed: {failure}")),
            None => Ok(()),
        }
    }

    fn tell(&mut self, at: usize, what: &str, came_of_it: impl std::fmt::Debug) {
        self.story.push(format!("machine {at}: {what}: {came_of_it:?}"));
    }

    /// Something that happens to a machine: mostly what makes sense there.
    fn act(&mut self, at: usize) -> Kept {
        let status = self.devices[at].client.check().unwrap();
        if matches!(status.verdict(), Verdict::Damaged { .. }) && !self.dice.once_in(8) {
            return self.recover(at);
        }
        let act = self.dice.below(12);
        match (status.license().is_some(), act) {
            (_, 0) => self.damage(at),
            (_, 1) => {
                self.devices[at].client = self.start(&self.devices[at].name, &self.devices[at].folder);
                Ok(())
            }
            (_, 2) => self.redeem(),
            (_, 3) => {
                self.release(at);
                Ok(())
            }
            (true, 4..=6) => self.check_in(at),
            (true, 7..=9) => self.deactivate(at),
            (true, _) => self.deactivate_offline(at),
            (false, 4) => self.cancel(at),
            (false, 5) => self.hand_in(at),
            (false, 6) => self.recover(at),
            (false, _) => self.activate(at),
        }
    }

    fn cancel(&mut self, at: usize) -> Kept {
        let cancelled = self.devices[at].client.cancel();
        self.tell(at, "cancel", cancelled.as_ref().map(Deactivation::handle));
        self.notes.extend(cancelled.map(|note| (at, note)));
        Ok(())
    }

    fn activate(&mut self, at: usize) -> Kept {
        let cancel = self.network.cancel();
        let client = &self.devices[at].client;
        let done = client.online().cancel_with(&cancel).activate(&self.key).map(|status| status.is_usable());
        let handle = client.check().unwrap().license().map(|license| license.handle);
        self.tell(at, "activate", (done, handle));
        Ok(())
    }

    fn check_in(&mut self, at: usize) -> Kept {
        let was_replaced = self.is_out_of_place(at);
        let cancel = self.network.cancel();
        let done = self.devices[at].client.online().cancel_with(&cancel).check_in();
        self.tell(at, "check in", done.map(|status| status.verdict().clone()));
        if was_replaced {
            self.count_taken_back(at);
        }
        Ok(())
    }

    fn deactivate(&mut self, at: usize) -> Kept {
        let cancel = self.network.cancel();
        let client = &self.devices[at].client;
        let handle = client.check().unwrap().license().map(|license| license.handle);
        match client.online().cancel_with(&cancel).deactivate(Reason::Moved) {
            Ok(receipt) => {
                must(Some(receipt.handle) == handle, || "the receipt is another seat's".to_owned())?;
                let waiting = client.outstanding().unwrap();
                let waits = waiting.iter().any(|given_up| given_up.handle() == receipt.handle);
                must(!waits, || "what was acknowledged waits for a receipt".to_owned())?;
                self.tell(at, "deactivate", receipt.outcome);
            }
            Err(error) => {
                if let Some(given_up) = error.deactivation() {
                    must(!client.check().unwrap().is_usable(), || "given up and usable".to_owned())?;
                    let waiting = client.outstanding().unwrap();
                    let same = waiting.iter().any(|kept| kept.proof() == given_up.proof());
                    must(same, || "the store has another proof than the caller".to_owned())?;
                    self.notes.push((at, given_up.clone()));
                }
                self.tell(at, "deactivate", error.error());
            }
        }
        Ok(())
    }

    fn deactivate_offline(&mut self, at: usize) -> Kept {
        let given_up = self.devices[at].client.deactivate_offline(Reason::Retired);
        self.tell(at, "deactivate offline", given_up.as_ref().map(Deactivation::handle));
        if let Ok(given_up) = given_up {
            must(!self.devices[at].client.check().unwrap().is_usable(), || {
                "a code is shown for a usable license".to_owned()
            })?;
            self.notes.push((at, given_up));
        }
        Ok(())
    }

    fn hand_in(&mut self, at: usize) -> Kept {
        let cancel = self.network.cancel();
        let client = &self.devices[at].client;
        let done = client.online().cancel_with(&cancel).hand_in().map(|receipts| receipts.len());
        if done.is_ok() {
            let waiting = client.outstanding().unwrap().len();
            must(waiting == 0, || format!("all was handed in, and {waiting} wait for receipts"))?;
        }
        self.tell(at, "hand in", &done);
        Ok(())
    }

    /// A customer hands over what was noted at some time: as a file or as a code, for the first time or once more,
    /// whatever the machine has done since.
    fn redeem(&mut self) -> Kept {
        if self.notes.is_empty() {
            return Ok(());
        }
        let (at, note) = self.notes[self.dice.below(self.notes.len())].clone();
        let body = match self.dice.below(3) {
            0 => json!({ "phone_code": note.code().to_string() }),
            1 => json!({ "proof": note.to_base64url() }),
            // Without the request that may go along.
            _ => json!({ "proof": base64url(note.proof()) }),
        };
        let answer = self.post("/v1/deactivations", &body);
        let receipt = answer.as_ref().and_then(|answer| answer["receipt"].as_str());
        let taken_in = receipt.filter(|_| self.dice.once_in(2)).map(|receipt| {
            let taken_in = self.devices[at].client.accept(receipt.as_bytes());
            taken_in.map(|accepted| accepted.receipts()[0].handle).map_err(|error| error.kind())
        });
        let outcome = answer.as_ref().map(|answer| answer["outcome"].clone());
        self.tell(at, "redeem", (note.handle(), outcome, taken_in));
        Ok(())
    }

    /// What a browser sends. None when there is no whole answer.
    fn post(&self, path: &str, body: &Value) -> Option<Value> {
        let (url, body) = (self.network.url() + path, body.to_string());
        let cancel = self.network.cancel();
        let post = Post::new(&url, body.as_bytes(), Duration::from_secs(60), &cancel);
        http().post(&post).ok().and_then(|answer| serde_json::from_slice(&answer.body).ok())
    }

    /// The file of the state is damaged. Whatever it knew is lost but for what customers have noted.
    fn damage(&mut self, at: usize) -> Kept {
        let known = self.known(at);
        let seen: HashSet<u32> = self.desk.seats(None).iter().map(|seat| seat.handle).collect();
        let file = self.devices[at].folder.join("store/state");
        let Ok(mut bytes) = fs::read(&file) else { return Ok(()) };
        match self.dice.below(3) {
            0 => bytes.clear(),
            1 => bytes.truncate(self.dice.below(bytes.len().max(1))),
            _ if bytes.is_empty() => {}
            _ => {
                let place = self.dice.below(bytes.len());
                bytes[place] ^= 1 << self.dice.below(8);
            }
        }
        fs::write(&file, bytes).unwrap();
        self.forgotten.extend(known.difference(&seen));
        self.devices[at].lost.extend(known);
        self.tell(at, "damaged", ());
        must(self.is_damaged(at), || "the damage is not seen".to_owned())
    }

    /// The system is installed again: nothing of the store, the device key or the tombstones is left, and the machine
    /// is the same.
    fn install_again(&mut self, at: usize) {
        let known = self.known(at);
        fs::remove_dir_all(&self.devices[at].folder).unwrap();
        let lost = std::mem::take(&mut self.devices[at].lost);
        self.forgotten.extend(known.into_iter().chain(lost));
        self.devices[at].client = self.start(&self.devices[at].name, &self.devices[at].folder);
        self.installed_again += 1;
        self.tell(at, "installed again", ());
    }

    fn recover(&mut self, at: usize) -> Kept {
        let cancel = self.network.cancel();
        let done = self.devices[at].client.online().cancel_with(&cancel).recover();
        self.tell(at, "recover", done.map(|status| status.verdict().clone()));
        Ok(())
    }

    /// The vendor releases the seat of a machine that is said to be dead.
    fn release(&mut self, at: usize) {
        let status = self.devices[at].client.check().unwrap();
        let handle = status.license().map(|license| license.handle).or(status.pending());
        if let Some(handle) =
            handle.map(|handle| handle.get()).filter(|handle| self.active().contains(handle))
        {
            self.release_seat(handle);
        }
    }

    /// Something that an administrator does.
    fn administer(&mut self) -> Kept {
        let released: Vec<u32> = self.released.iter().copied().collect();
        let of = self.vendors_dice.one_of(&Allowance::ALL);
        let act = match self.vendors_dice.below(12) {
            0..=3 if !released.is_empty() => {
                Administered::Unrelease(Handle::new(self.vendors_dice.one_of(&released)).unwrap())
            }
            0..=4 => Administered::Seats(1 + self.vendors_dice.below(2)),
            5 => Administered::Suspend,
            6 | 7 if self.is_suspended => Administered::Resume,
            6 | 7 => Administered::Rekey,
            8 => Administered::Allow(of, None),
            9 => Administered::Allow(of, Some(1)),
            10 if !self.active().is_empty() => Administered::Deactivate,
            _ => return Ok(()),
        };
        self.administer_as(act)
    }

    fn administer_as(&mut self, act: Administered) -> Kept {
        let taken = self.desk.seats(Some(&self.license)).into_iter().filter(Row::is_taken);
        let taken: Vec<u32> = taken.map(|row| row.handle).collect();
        if let Administered::Deactivate = act {
            self.released.extend(&taken);
            // A license in use whose place a late request has is released with that.
            for handle in self.usable() {
                if self.is_replaced(handle) {
                    self.released.insert(handle);
                }
            }
        }
        let (license, key) = (self.license.clone(), self.key.clone());
        let done = self.desk.administer(&license, &key, act);
        self.story.push(format!("an administrator: {act:?}: {done:?}"));
        match done {
            Ok(key) => {
                self.key = key;
                *self.administered.entry(act.name()).or_default() += 1;
            }
            Err(code) => {
                let is_refusal = matches!(act, Administered::Unrelease(_));
                must(is_refusal, || format!("{act:?} is refused: {code}"))?;
                let what = match code.as_str() {
                    "given-up" => "release not taken back: given-up",
                    "no-free-seat" => "release not taken back: no-free-seat",
                    _ => "release not taken back: license-ended",
                };
                *self.administered.entry(what).or_default() += 1;
                return Ok(());
            }
        }
        match act {
            Administered::Seats(seats) => {
                self.lowered = self.lowered.max(taken.len());
                self.seats = seats;
            }
            Administered::Suspend | Administered::Resume => {
                self.is_suspended = matches!(act, Administered::Suspend);
            }
            Administered::Unrelease(seat) => {
                self.released.remove(&seat.get());
            }
            Administered::Rekey | Administered::Allow(..) | Administered::Deactivate => {}
        }
        Ok(())
    }

    fn release_seat(&mut self, handle: u32) {
        self.desk.release(Handle::new(handle).unwrap());
        self.released.insert(handle);
        self.story.push(format!("the vendor releases {}", name(handle)));
    }
}

/// A seat's name for people.
fn name(handle: u32) -> String {
    Handle::new(handle).unwrap().to_string()
}
