//! Wrong clocks: nobody is locked out within 26 hours or for good, and no lease grows (docs/THREATS.md, Test 12).

use crate::support::vendor::{Device, START, Vendor};
use nodelock::{CLOCK_TOLERANCE, Reason, Timestamp, Verdict};

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
    let renewal = vendor.renew(device.client().check().unwrap().license().unwrap().handle);
    device.client().install(renewal.as_bytes()).unwrap();
    assert_eq!(device.verdict(), Verdict::Active);
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
    let request = device.client().begin(&vendor.license_key(), &[]).unwrap().to_bytes();
    let license = vendor.activate(&request).unwrap();
    // The machine believes it is 1970. Licensing time counts on from the license's own.
    vendor.clock.set(100);
    device.client().install(&license).unwrap();
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
    let request = device.client().begin(&vendor.license_key(), &[]).unwrap().to_bytes();
    device.client().install(&vendor.activate(&request).unwrap()).unwrap();
    assert_eq!(device.verdict(), Verdict::NotYetValid { starts: day(2) });
    vendor.clock.set(START + 2 * DAY);
    assert_eq!(device.verdict(), Verdict::Active);
    let later = device.builder().released(day(21)).build().unwrap();
    assert_eq!(*later.check().unwrap().verdict(), Verdict::VersionNotCovered { updates_until: day(20) });
    let covered = device.builder().released(day(20)).build().unwrap();
    assert_eq!(*covered.check().unwrap().verdict(), Verdict::Active);
    vendor.clock.set(START + 50 * DAY);
    assert_eq!(device.verdict(), Verdict::Expired { at: day(50) });
    assert!(device.client().deactivate_offline(Reason::Moved).is_ok());
}
