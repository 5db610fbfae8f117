//! Clocks that were wrong when a license came, and were corrected later: by days as by years, ahead and behind, by file
//! and online (docs/PROTOCOL.md, Time; docs/THREATS.md, Test 12).

use nodelock::{Client, Clock as _, ClockError, Store, Verdict};

use crate::support::{
    vendor::{START, TestClock, Vendor, builder},
    wire::Wire,
};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// By how many days a clock is wrong: a mistyped date, and a battery that died.
const ERRORS: [i64; 6] = [3, -3, 40, -40, 6 * 365, -6 * 365];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    File,
    Online,
}

/// A device with a clock of its own, and its vendor, whose clock is right.
struct Field {
    wire: Wire,
    right: TestClock,
    local: TestClock,
    client: Client,
    key: String,
    way: Way,
}

impl Field {
    /// A device whose clock is off by so many days.
    fn new(way: Way, days: i64) -> Self {
        Self::of(Vendor::new(), way, days)
    }

    fn of(vendor: Vendor, way: Way, days: i64) -> Self {
        let (right, key, roots) = (vendor.clock.clone(), vendor.license_key(), vendor.roots.clone());
        let local = TestClock::at(START);
        let wire = Wire::to(vendor);
        let client = builder(roots, "machine", Store::in_memory(), local.clone())
            .authority(nodelock::Authority::new("https://authority", wire.clone()))
            .build()
            .unwrap();
        let mut field = Self { wire, right, local, client, key, way };
        field.turn(days);
        field
    }

    /// The device's clock is now off by so many days.
    fn turn(&mut self, days: i64) {
        self.local.set(self.now().checked_add_signed(days * DAY as i64).unwrap());
    }

    /// The right time.
    fn now(&self) -> u64 {
        self.right.now().unix_seconds()
    }

    /// Days pass, on each of which the application is started.
    fn pass(&self, days: u64) {
        for _ in 0..days {
            self.right.advance_days(1);
            self.local.advance_days(1);
            self.start();
        }
    }

    /// The application is started: it checks, and observes. No verdict says that a date has passed which is in the
    /// future, unless it says that the clock is ahead.
    fn start(&self) -> Verdict {
        let status = self.client.check().unwrap();
        if status.should_observe() {
            self.client.observe().unwrap();
        }
        let verdict = self.client.check().unwrap().verdict().clone();
        if let Verdict::LeaseEnded { at, clock } | Verdict::Expired { at, clock } = &verdict {
            let is_future = at.unix_seconds() > self.now();
            assert!(!is_future || matches!(clock, Some(ClockError::Ahead(_))), "{verdict}");
        }
        verdict
    }

    fn activate(&mut self) {
        match self.way {
            Way::Online => drop(self.client.activate(&self.key).unwrap()),
            Way::File => {
                let request = self.client.begin(&self.key).unwrap().to_bytes();
                let license = self.wire.0.lock().unwrap().activate(&request).unwrap();
                self.client.accept(&license).unwrap();
            }
        }
    }

    fn check_in(&mut self) {
        match self.way {
            Way::Online => drop(self.client.check_in().unwrap()),
            Way::File => {
                let request = self.client.check_in_offline().unwrap().to_bytes();
                let answer = self.wire.0.lock().unwrap().check_in(&request).unwrap().to_bytes();
                self.client.accept(&answer).unwrap();
            }
        }
    }
}

fn each(act: impl Fn(Way, i64)) {
    for way in [Way::File, Way::Online] {
        for days in ERRORS {
            println!("{way:?}, {days} days");
            act(way, days);
        }
    }
}

#[test]
fn a_clock_that_is_corrected_after_the_license_came_leaves_it_active_to_its_end() {
    each(|way, days| {
        for after in [0, 1, 30] {
            let mut field = Field::new(way, days);
            field.activate();
            field.pass(after);
            field.turn(0);
            assert_eq!(field.start(), Verdict::Active, "corrected after {after} days");
            field.pass(80 - after);
            assert_eq!(field.start(), Verdict::Active);
            field.check_in();
            field.pass(80);
            assert_eq!(field.start(), Verdict::Active, "it was renewed");
            field.pass(12);
            assert!(matches!(field.start(), Verdict::LeaseEnded { clock: None, .. }));
        }
    });
}

#[test]
fn a_renewal_never_fails_for_the_devices_own_former_clock() {
    each(|way, days| {
        let mut field = Field::new(way, 0);
        field.activate();
        field.pass(20);
        // Wrong from here on, corrected after the answer. Before that, nothing tells the device that it is wrong.
        field.turn(days);
        field.client.observe().unwrap();
        field.check_in();
        field.turn(0);
        assert_eq!(field.start(), Verdict::Active);
        // Corrected between the question and the answer.
        field.turn(days);
        let request = field.client.check_in_offline().unwrap().to_bytes();
        let answer = field.wire.0.lock().unwrap().check_in(&request).unwrap().to_bytes();
        field.turn(0);
        field.client.accept(&answer).unwrap();
        assert_eq!(field.start(), Verdict::Active);
        field.pass(60);
        assert_eq!(field.start(), Verdict::Active);
    });
}

#[test]
fn after_a_correction_a_clock_that_is_set_back_is_noticed() {
    each(|way, days| {
        let mut field = Field::new(way, days);
        field.activate();
        field.turn(0);
        field.start();
        field.pass(60);
        field.turn(-50);
        let verdict = field.start();
        assert!(matches!(verdict, Verdict::ClockSetBack { .. }), "{verdict}");
    });
}

#[test]
fn a_clock_that_stays_behind_ends_its_lease_all_the_same() {
    for way in [Way::File, Way::Online] {
        for days in [-3, -40, -6 * 365] {
            let mut field = Field::new(way, days);
            field.activate();
            field.pass(88);
            assert_eq!(field.start(), Verdict::Active, "{days}");
            field.pass(4);
            let verdict = field.start();
            assert!(
                matches!(verdict, Verdict::LeaseEnded { clock: Some(ClockError::Behind(_)), .. }),
                "{verdict}"
            );
        }
    }
}

#[test]
fn a_license_that_a_vendor_dated_ahead_is_healed_by_one_with_the_right_date() {
    for way in [Way::File, Way::Online] {
        let vendor = Vendor::new();
        vendor.clock.advance_days(100);
        let mut field = Field::of(vendor, way, 0);
        field.local.set(START);
        field.activate();
        field.right.set(START + DAY);
        field.turn(0);
        field.check_in();
        assert_eq!(field.start(), Verdict::Active);
        field.pass(88);
        assert_eq!(field.start(), Verdict::Active);
        field.pass(4);
        let verdict = field.start();
        assert!(matches!(verdict, Verdict::LeaseEnded { .. }), "its lease is no longer than any: {verdict}");
    }
}
