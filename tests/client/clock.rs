//! Wrong clocks: nobody is locked out within 26 hours or for good, and no lease grows (docs/THREATS.md, Test 12).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::support::vendor::{Device, START, Vendor};
use nodelock::{CLOCK_TOLERANCE, Client, Clock, ClockError, Reason, Timestamp, Verdict};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// A device activated at `START`, that was started once `days` days later.
fn used_for(days: u64) -> (Vendor, Device) {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    vendor.clock.advance_days(days);
    assert!(device.client().observe().unwrap());
    (vendor, device)
}

#[test]
fn back_an_hour_or_a_day_is_tolerated() {
    let (vendor, device) = used_for(10);
    for back in [HOUR, DAY, CLOCK_TOLERANCE.as_secs()] {
        vendor.clock.set(START + 10 * DAY - back);
        let status = device.client().check().unwrap();
        assert_eq!(*status.verdict(), Verdict::Active, "{back} s back");
        assert_eq!(status.licensing_time(), Timestamp::from_unix_seconds(START + 10 * DAY));
    }
}

#[test]
fn back_a_year_is_a_verdict_of_its_own_and_heals_when_corrected() {
    let (vendor, device) = used_for(10);
    vendor.clock.set(START + 10 * DAY - YEAR);
    assert!(matches!(device.verdict(), Verdict::ClockSetBack { by } if by.as_secs() == YEAR));
    assert!(!device.client().check().unwrap().has_feature("export"));
    vendor.clock.set(START + 10 * DAY + HOUR);
    assert_eq!(device.verdict(), Verdict::Active);
}

#[test]
fn forward_a_year_and_back_is_healed_by_a_renewal() {
    let (mut vendor, device) = used_for(10);
    vendor.clock.set(START + YEAR);
    assert!(matches!(device.verdict(), Verdict::LeaseEnded { .. }));
    device.client().observe().unwrap();
    vendor.clock.set(START + 11 * DAY);
    assert!(matches!(device.verdict(), Verdict::ClockSetBack { .. }));
    let unasked = vendor.renew(device.handle());
    device.client().accept(unasked.as_bytes()).unwrap();
    assert!(matches!(device.verdict(), Verdict::ClockSetBack { .. }), "it answers no question");
    device.check_in(&mut vendor);
    assert_eq!(device.verdict(), Verdict::Active);
}

/// A clock of the device's own, with one that runs on.
#[derive(Clone)]
struct Clocks {
    local: Arc<AtomicU64>,
    running: Arc<AtomicU64>,
    starts: Arc<AtomicU64>,
    /// How often the running clock was asked, and which start it counts from.
    asked: Arc<[AtomicU64; 2]>,
}

impl Clocks {
    fn at(seconds: u64) -> Self {
        let new = |value| Arc::new(AtomicU64::new(value));
        Self { local: new(seconds), running: new(1000), starts: new(1), asked: Arc::default() }
    }

    fn set(&self, seconds: u64) {
        self.local.store(seconds, Relaxed);
    }

    fn pass(&self, seconds: u64) {
        self.local.fetch_add(seconds, Relaxed);
        self.running.fetch_add(seconds, Relaxed);
    }

    fn asked(&self) -> [u64; 2] {
        self.asked.each_ref().map(|count| count.swap(0, Relaxed))
    }
}

impl Clock for Clocks {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.local.load(Relaxed))
    }

    fn running(&self) -> Option<Duration> {
        self.asked[0].fetch_add(1, Relaxed);
        Some(Duration::from_secs(self.running.load(Relaxed)))
    }

    fn boot(&self) -> Option<[u8; 16]> {
        self.asked[1].fetch_add(1, Relaxed);
        Some(u128::from(self.starts.load(Relaxed)).to_be_bytes())
    }
}

/// A device with such a clock, which showed one time when it asked and another when it installed.
fn with_clocks(vendor: &mut Vendor, asked: u64, installed: u64) -> (Client, Clocks) {
    let clocks = Clocks::at(asked);
    let client = Device::new(vendor, "machine").builder().clock(clocks.clone()).build().unwrap();
    let request = client.begin(vendor.license_key()).unwrap().to_bytes();
    clocks.set(installed);
    client.accept(&vendor.activate(&request).unwrap()).unwrap();
    (client, clocks)
}

#[test]
fn a_clock_that_is_ahead_is_named_and_may_be_corrected_by_so_much() {
    let mut vendor = Vendor::new();
    // Ahead of the end of the issuer's certificate, too.
    let (client, clocks) = with_clocks(&mut vendor, START + 2 * YEAR, START + 2 * YEAR + HOUR);
    let ahead = ClockError::Ahead(Duration::from_secs(2 * YEAR));
    let status = client.check().unwrap();
    assert!(matches!(status.verdict(), Verdict::LeaseEnded { clock, .. } if *clock == Some(ahead)));
    assert_eq!(status.clock_error(), Some(ahead));
    assert!(status.verdict().to_string().ends_with("; the clock is 730 days ahead"), "{}", status.verdict());
    clocks.set(START + 2 * HOUR);
    let status = client.check().unwrap();
    assert_eq!((status.verdict(), status.clock_error()), (&Verdict::Active, None));
    assert!(client.observe().unwrap());
    // What it was ahead by is used up.
    clocks.set(START + YEAR);
    client.observe().unwrap();
    clocks.set(START + 2 * DAY);
    assert!(matches!(client.check().unwrap().verdict(), Verdict::ClockSetBack { .. }));
}

#[test]
fn a_clock_that_is_behind_is_named_and_the_lease_runs_all_the_same() {
    let mut vendor = Vendor::new();
    let (client, clocks) = with_clocks(&mut vendor, START - YEAR, START - YEAR);
    let behind = ClockError::Behind(Duration::from_secs(YEAR));
    assert_eq!(client.check().unwrap().clock_error(), Some(behind));
    assert_eq!(*client.check().unwrap().verdict(), Verdict::Active);
    clocks.pass(40 * DAY);
    client.observe().unwrap();
    // It is corrected on the way: nothing is lost.
    clocks.set(START + 40 * DAY);
    let status = client.check().unwrap();
    assert_eq!((status.verdict(), status.clock_error()), (&Verdict::Active, None));
    assert_eq!(status.licensing_time(), Timestamp::from_unix_seconds(START + 40 * DAY));
    clocks.set(START + 40 * DAY - YEAR);
    clocks.pass(50 * DAY);
    let status = client.check().unwrap();
    assert!(matches!(status.verdict(), Verdict::LeaseEnded { clock: Some(error), .. } if *error == behind));
}

#[test]
fn a_clock_set_back_a_day_every_day_adds_nothing_beside_one_that_runs_on() {
    let mut vendor = Vendor::new();
    let (client, clocks) = with_clocks(&mut vendor, START, START);
    let mut days = 0;
    while client.check().unwrap().is_usable() {
        days += 1;
        clocks.pass(DAY);
        if client.check().unwrap().should_observe() {
            client.observe().unwrap();
        }
        if days % 3 == 0 {
            // The machine is started again.
            clocks.running.store(60, Relaxed);
            clocks.starts.fetch_add(1, Relaxed);
            client.observe().unwrap();
        }
        clocks.set(clocks.now().unix_seconds() - DAY);
        assert!(days <= 90, "the lease has 90 days");
    }
    assert_eq!(days, 90);
}

#[test]
fn the_running_clock_is_asked_once_and_only_where_a_date_ends_the_license() {
    for lease in [Some(90), None] {
        let mut vendor = Vendor::new();
        vendor.terms().lease_days = lease;
        let (client, clocks) = with_clocks(&mut vendor, START, START);
        clocks.asked();
        for passed in [0, 1, HOUR, 30 * DAY] {
            clocks.pass(passed);
            client.check().unwrap();
            assert_eq!(clocks.asked(), [u64::from(lease.is_some()), 0], "{lease:?} {passed}");
        }
        // Which start it counts from costs reading a file. It matters only where it makes the time a later one.
        clocks.set(START);
        client.check().unwrap();
        let asked = u64::from(lease.is_some());
        assert_eq!(clocks.asked(), [asked, asked]);
    }
}

#[test]
fn only_the_answer_to_the_latest_check_in_heals() {
    let (mut vendor, device) = used_for(10);
    vendor.clock.set(START + YEAR);
    device.client().observe().unwrap();
    vendor.clock.set(START + 11 * DAY);
    let first = device.client().check_in_offline().unwrap();
    let second = device.client().check_in_offline().unwrap();
    let answer = vendor.check_in(&first.to_bytes()).unwrap().to_bytes();
    device.client().accept(&answer).unwrap();
    assert!(matches!(device.verdict(), Verdict::ClockSetBack { .. }), "{:?}", device.verdict());
    let answer = vendor.check_in(&second.to_bytes()).unwrap().to_bytes();
    device.client().accept(&answer).unwrap();
    assert_eq!(device.verdict(), Verdict::Active);
    // The same once more heals nothing.
    vendor.clock.set(START + YEAR);
    device.client().observe().unwrap();
    vendor.clock.set(START + 11 * DAY);
    device.client().accept(&answer).unwrap();
    assert!(matches!(device.verdict(), Verdict::ClockSetBack { .. }), "{:?}", device.verdict());
}

#[test]
fn a_lease_never_grows_however_the_clock_is_turned() {
    let (vendor, device) = used_for(80);
    // The lease has ten days left. Whatever the clock says, the licensing time does not run backwards...
    for back in [0, HOUR, DAY, 26 * HOUR] {
        vendor.clock.set(START + 80 * DAY - back);
        assert!(
            device.client().check().unwrap().licensing_time()
                >= Timestamp::from_unix_seconds(START + 80 * DAY)
        );
    }
    // ... and a clock set back a little each day ends the lease no later than its ten days of use.
    let mut usable_days = 0;
    for day in 0..30 {
        vendor.clock.set(START + (80 + day) * DAY - 25 * HOUR);
        if device.verdict().is_usable() {
            usable_days += 1;
        }
        device.client().observe().unwrap();
    }
    assert!(usable_days <= 12, "{usable_days} days");
    vendor.clock.set(START + 110 * DAY);
    assert!(matches!(device.verdict(), Verdict::LeaseEnded { .. }));
}

#[test]
fn a_dead_clock_battery_locks_nobody_out() {
    let mut vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    let request = device.client().begin(vendor.license_key()).unwrap().to_bytes();
    let license = vendor.activate(&request).unwrap();
    // The machine believes it is 1970. Licensing time counts on from the license's own.
    vendor.clock.set(100);
    device.client().accept(&license).unwrap();
    assert_eq!(device.verdict(), Verdict::Active);
    vendor.clock.set(100 + 89 * DAY);
    assert_eq!(device.verdict(), Verdict::Active);
    vendor.clock.set(100 + 90 * DAY);
    assert!(matches!(device.verdict(), Verdict::LeaseEnded { .. }));
}

#[test]
fn a_wrong_clock_does_not_stop_a_deactivation() {
    for seconds in [0, START - YEAR, START + 50 * YEAR, u64::MAX] {
        let (mut vendor, device) = used_for(10);
        vendor.clock.set(seconds);
        let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
        vendor.clock.set(START + 11 * DAY);
        vendor.redeem(given_up.proof()).unwrap();
        assert_eq!(vendor.usage().taken, 0);
    }
}

#[test]
fn dates_of_the_license_have_a_verdict_each() {
    let mut vendor = Vendor::new();
    let day = |n: u64| Timestamp::from_unix_seconds(START + n * DAY);
    vendor.terms().starts = day(2);
    vendor.terms().expires = Some(day(50));
    vendor.terms().updates_until = Some(day(20));
    let device = Device::new(&vendor, "machine");
    let request = device.client().begin(vendor.license_key()).unwrap().to_bytes();
    device.client().accept(&vendor.activate(&request).unwrap()).unwrap();
    assert_eq!(device.verdict(), Verdict::NotYetValid { starts: day(2) });
    vendor.clock.set(START + 2 * DAY);
    assert_eq!(device.verdict(), Verdict::Active);
    let later = device.builder().released(day(21)).build().unwrap();
    assert_eq!(*later.check().unwrap().verdict(), Verdict::VersionNotCovered { updates_until: day(20) });
    let covered = device.builder().released(day(20)).build().unwrap();
    assert_eq!(*covered.check().unwrap().verdict(), Verdict::Active);
    vendor.clock.set(START + 50 * DAY);
    assert_eq!(device.verdict(), Verdict::Expired { at: day(50), clock: None });
    assert!(device.client().deactivate_offline(Reason::Moved).is_ok());
}
