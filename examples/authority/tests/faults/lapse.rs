//! Half of a license's seats have lapsed, and everybody comes at once while the server is killed: those who lapsed,
//! those who did not, and as many new ones. However far it gets, no more stores are usable than there are seats. All of
//! it runs on SQLite, and on PostgreSQL under `tests/postgres/with_server.py`.
//!
//! `NODELOCK_LAPSE_SEATS` sets how many seats there are.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use nodelock::{Client, ErrorKind, Reason, Store, Timestamp};

use crate::{
    kills::Progress,
    support::{
        calls::http,
        dice::Dice,
        ledger::Ledger,
        over::Over,
        server::Authority,
        vendor::{TestClock, machine},
    },
};

const CLIENTS: usize = 16;
const KILLS: usize = 6;
const DAY: u64 = 24 * 60 * 60;

/// Every store there is.
struct Everybody<'a> {
    authority: &'a Authority,
    clock: TestClock,
    key: String,
    devices: Vec<Client>,
}

impl Everybody<'_> {
    fn add(&mut self) {
        let computer = format!("computer {}", self.devices.len());
        let device = self.authority.client("in memory").store(Store::in_memory()).clock(self.clock.clone());
        let device = device.probe(move || machine(&computer));
        let url = format!("http://{}", self.authority.address);
        self.devices.push(
            device
                .authority(nodelock::Authority::new(url, http()).timeout(Duration::from_secs(30)).attempts(1))
                .build()
                .unwrap(),
        );
    }

    fn set_time(&self, time: u64) {
        self.authority.clock().set(time);
        self.clock.set(time);
    }

    /// The seat of each store that is usable.
    fn usable(&self) -> Vec<Option<u32>> {
        let statuses = self.devices.iter().map(|device| device.check().unwrap());
        let seat = |status: nodelock::Status| {
            status.license().filter(|_| status.is_usable()).map(|license| license.handle.get())
        };
        statuses.map(seat).collect()
    }

    /// What the users of these devices do, each over and over.
    fn work(&self, from: usize, progress: &Progress, is_over: &AtomicBool) {
        let mut dice = Dice(from as u64);
        let own: Vec<&Client> = self.devices.iter().skip(from).step_by(CLIENTS).collect();
        while !is_over.load(Ordering::Relaxed) {
            let device = own[dice.below(own.len())];
            let went_well = match (device.check().unwrap().license().is_some(), dice.below(12)) {
                (true, 0) => device.deactivate(Reason::Moved).is_ok(),
                (true, _) => device.check_in().is_ok(),
                (false, _) => device.activate(&self.key).is_ok(),
            };
            progress.count(went_well);
        }
    }

    /// Has all of them work at once, each thread for its share of the stores.
    fn in_threads(&self, work: impl Fn(usize, &Client) + Sync) {
        thread::scope(|scope| {
            for from in 0..CLIENTS {
                let work = &work;
                scope.spawn(move || {
                    let own = self.devices.iter().enumerate().skip(from).step_by(CLIENTS);
                    own.for_each(|(number, device)| work(number, device));
                });
            }
        });
    }
}

#[test]
fn while_half_of_the_seats_lapse_no_more_stores_are_usable_than_there_are_seats() {
    let _up = crate::database_stays();
    let now = Timestamp::from(SystemTime::now()).unix_seconds();
    let Some(authority) = Authority::over_time(now) else { return };
    let seats: usize =
        std::env::var("NODELOCK_LAPSE_SEATS").map_or(128, |seats| seats.parse().expect("a number"));
    let key = authority.sell(&seats.to_string(), &["--lease-days", "8", "--margin-days", "3"]);
    let clock = TestClock::at(now);
    let mut everybody = Everybody { authority: &authority, clock, key, devices: Vec::new() };
    (0..seats).for_each(|_| everybody.add());
    everybody.in_threads(|_, device| drop(device.activate(&everybody.key).unwrap()));
    // Every other one is renewed in time, and the others are heard of too late.
    everybody.set_time(now + 6 * DAY);
    everybody.in_threads(|number, device| {
        if number % 2 == 0 {
            device.check_in().unwrap();
        }
    });
    everybody.set_time(now + 11 * DAY + 1);
    let live = everybody.usable().iter().flatten().count();
    assert_eq!(live, seats / 2);
    (0..seats / 2).for_each(|_| everybody.add());

    let progress = Progress::default();
    let is_over = AtomicBool::new(false);
    let most = Mutex::new((0, 0));
    thread::scope(|scope| {
        let (everybody, progress, is_over) = (&everybody, &progress, &is_over);
        let over = Over(is_over);
        for from in 0..CLIENTS {
            scope.spawn(move || everybody.work(from, progress, is_over));
        }
        // A store that has the same seat before a moment and after it was usable at that moment.
        scope.spawn(|| {
            let mut before = everybody.usable();
            loop {
                let is_last = is_over.load(Ordering::Relaxed);
                let after = everybody.usable();
                let pairs = before.iter().zip(&after);
                let at_once = pairs.filter(|(before, after)| before.is_some() && before == after).count();
                let mut most = most.lock().unwrap();
                *most = (most.0 + 1, most.1.max(at_once));
                if is_last {
                    break;
                }
                before = after;
            }
        });
        let mut dice = Dice(1);
        // Long enough for every seat to be taken.
        for part in 1..=KILLS + 1 {
            while progress.counts().0 < part * 3 * seats / KILLS {
                progress.wait(&mut dice);
            }
            if part <= KILLS {
                authority.kill();
                authority.restart();
            }
        }
        drop(over);
    });
    let (samples, most) = most.into_inner().unwrap();
    let (done, failed) = progress.counts();
    println!("{seats} seats, {KILLS} kills, {done} calls done, {failed} refused or cut off");
    println!("{samples} samples of {} stores: at most {most} usable", everybody.devices.len());
    assert!(samples > 0 && most <= seats);

    // With a server that stays, everybody gets an answer, and nobody is refused while a seat is free.
    let mut refused = 0;
    for device in &everybody.devices {
        device.online().hand_in().unwrap();
        let status = device.check().unwrap();
        if !status.is_usable() {
            let asked =
                if status.license().is_some() { device.check_in() } else { device.activate(&everybody.key) };
            refused += usize::from(asked.is_err_and(|error| error.kind() == ErrorKind::NoFreeSeat));
        }
    }
    let usable = everybody.usable().iter().flatten().count();
    assert_eq!((usable, refused), (seats, everybody.devices.len() - seats));
    assert_eq!(Ledger::open(&authority).miscounted(), Vec::<String>::new());
    authority.vendor(&["verify"]);
}
