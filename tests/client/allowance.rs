//! What the allowance of deactivations means where folders are copied: no more stores are usable than it explains.

use std::{fs, path::Path};

use crate::support::vendor::{Device, START, Vendor};
use nodelock::{
    ErrorKind, Outcome, Reason, SigningKey, Store, SystemRandom, Verdict,
    authority::{Issuer, SeatState},
};

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn device(vendor: &Vendor, machine: &str, folder: &Path) -> Device {
    Device::with_store(vendor, machine, Store::in_directory(folder, None))
}

/// A vendor of one seat without a lease, so that nothing ends a copy.
fn perpetual(deactivations: Option<u32>) -> Vendor {
    let mut vendor = Vendor::new();
    vendor.terms().lease_days = None;
    vendor.terms().unbindable_lease_days = None;
    vendor.terms().deactivations = deactivations;
    vendor
}

/// The name of a machine that shares nothing with another one's.
fn name(n: usize) -> String {
    char::from(b'a' + u8::try_from(n).unwrap()).to_string()
}

/// On each of so many machines: a pending request is copied from the machine before, granted there, cancelled here, and
/// this machine asks for itself. Returns on how many machines the license is usable in the end.
fn machines_by_cancelled_copies(vendor: &mut Vendor, machines: usize) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = |n: usize| folder.path().join(n.to_string());
    let mut devices = vec![device(vendor, &name(0), &path(0))];
    devices[0].client().begin(vendor.license_key()).unwrap();
    for n in 1..machines {
        let before = &devices[n - 1];
        let Ok(Some(pending)) = before.client().pending() else { break };
        copied(&path(n - 1), &path(n));
        let Ok(license) = vendor.activate(&pending.to_bytes()) else { break };
        before.client().accept(&license).unwrap();
        let next = device(vendor, &name(n), &path(n));
        let cancelled = next.client().cancel().unwrap();
        vendor.redeem(&cancelled.to_bytes()).unwrap();
        next.client().begin(vendor.license_key()).unwrap();
        devices.push(next);
    }
    let last = devices.last().unwrap();
    if let Ok(Some(pending)) = last.client().pending()
        && let Ok(license) = vendor.activate(&pending.to_bytes())
    {
        last.client().accept(&license).unwrap();
    }
    devices.iter().filter(|device| device.verdict() == Verdict::Active).count()
}

#[test]
fn with_no_deactivation_left_a_cancelled_copy_gets_no_second_machine() {
    assert_eq!(machines_by_cancelled_copies(&mut perpetual(Some(0)), 10), 1);
}

#[test]
fn cancellations_that_are_not_counted_are_few() {
    // One seat, three cancellations that are free and two that are counted.
    let mut vendor = perpetual(Some(2));
    assert_eq!(machines_by_cancelled_copies(&mut vendor, 20), 1 + 3 + 2);
    assert_eq!(vendor.usage().deactivated, 2);
}

#[test]
fn free_cancellations_are_counted_anew_after_a_year() {
    let mut vendor = perpetual(Some(1));
    // One that signs for longer than a year.
    vendor.issuer = Issuer::root(SigningKey::generate(&SystemRandom).unwrap());
    let cancel = |vendor: &mut Vendor, n: usize| {
        let device = Device::new(vendor, &name(n));
        let request = device.client().begin(vendor.license_key()).unwrap();
        vendor.activate(&request.to_bytes()).unwrap();
        vendor.redeem(&device.client().cancel().unwrap().to_bytes()).unwrap().outcome
    };
    for n in 0..3 {
        assert_eq!(cancel(&mut vendor, n), Outcome::Returned);
    }
    assert_eq!(vendor.usage().deactivated, 0);
    vendor.clock.set(START + 366 * 86_400);
    assert_eq!(cancel(&mut vendor, 3), Outcome::Returned);
    assert_eq!(vendor.usage().deactivated, 0);
    for n in 4..7 {
        assert_eq!(cancel(&mut vendor, n), Outcome::Returned);
    }
    assert_eq!(vendor.usage().deactivated, 1);
    assert_eq!(cancel(&mut vendor, 7), Outcome::Held);
}

#[test]
fn a_held_seat_goes_back_to_its_machine_and_not_to_its_key() {
    let mut vendor = perpetual(Some(1));
    let folder = tempfile::tempdir().unwrap();
    let original = device(&vendor, "original", &folder.path().join("original"));
    original.activate(&mut vendor);
    vendor.terms().deactivations = Some(0);
    let held = original.client().deactivate_offline(Reason::Moved).unwrap();
    assert_eq!(vendor.redeem(held.proof()).unwrap().outcome, Outcome::Held);

    copied(&folder.path().join("original"), &folder.path().join("thief"));
    let thief = device(&vendor, "another machine", &folder.path().join("thief"));
    let request = thief.client().begin(vendor.license_key()).unwrap();
    assert_eq!(vendor.activate(&request.to_bytes()).unwrap_err().kind(), ErrorKind::NoFreeSeat);
    assert_eq!(vendor.seat(held.handle()).state(), SeatState::Held);

    original.activate(&mut vendor);
    assert_eq!(vendor.seat(held.handle()).state(), SeatState::Returned);
}

#[test]
fn a_suspended_license_is_not_handed_out_again() {
    let mut vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    let request = device.client().begin(vendor.license_key()).unwrap();
    vendor.activate(&request.to_bytes()).unwrap();
    vendor.terms().suspended = true;
    assert_eq!(vendor.activate(&request.to_bytes()).unwrap_err().kind(), ErrorKind::LicenseEnded);
    vendor.terms().suspended = false;
    vendor.activate(&request.to_bytes()).unwrap();
}
