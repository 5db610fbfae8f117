//! A release that the vendor takes back (docs/PROTOCOL.md, Forced release).

use crate::support::vendor::{Device, Vendor};
use nodelock::{
    ErrorKind, License, Reason, Result, Verdict,
    authority::{
        SeatName, SeatState,
        decision::{self, Ruling},
    },
};

fn name(device: &Device, vendor: &Vendor) -> SeatName {
    vendor.seat(device.handle()).name()
}

/// Takes a release back: the license, and whether that changed anything.
fn unrelease(name: SeatName, vendor: &mut Vendor) -> Result<(License, bool)> {
    let moment = vendor.moment();
    let act = |records: &_| decision::unrelease(name, records, &moment);
    let decision = decision::settle(&mut vendor.ledger, act)?;
    let license = vendor.issuer.reply(&decision, moment.now)?.license.expect("a license");
    Ok((license, matches!(decision.ruling, Ruling::Renewed(_))))
}

fn refused(name: SeatName, vendor: &mut Vendor) -> ErrorKind {
    unrelease(name, vendor).map(drop).unwrap_err().kind()
}

#[test]
fn a_release_that_its_device_has_not_heard_of_is_taken_back() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let name = name(&device, &vendor);
    vendor.force_release(name.handle, "lost");
    assert_eq!(vendor.usage().taken, 0);
    let (license, changed) = unrelease(name, &mut vendor).unwrap();
    let seat = vendor.seat(name.handle);
    assert_eq!((changed, license.revision), (true, 2));
    assert_eq!((seat.state(), seat.notice(), vendor.usage().taken), (SeatState::Active, None, 1));
    let (again, changed) = unrelease(name, &mut vendor).unwrap();
    assert_eq!((changed, again.revision), (false, 2));
    device.client().accept(license.as_bytes()).unwrap();
    device.check_in(&mut vendor);
    assert_eq!((device.verdict(), vendor.seat(name.handle).copies()), (Verdict::Active, 0));
    vendor.redeem(device.client().deactivate_offline(Reason::Moved).unwrap().proof()).unwrap();
    assert_eq!(vendor.usage().taken, 0);
}

#[test]
fn a_device_that_never_got_the_new_license_is_renewed() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let name = name(&device, &vendor);
    vendor.force_release(name.handle, "lost");
    unrelease(name, &mut vendor).unwrap();
    device.check_in(&mut vendor);
    assert_eq!((device.verdict(), vendor.seat(name.handle).revision()), (Verdict::Active, 3));
}

#[test]
fn a_release_is_not_taken_back_once_its_device_was_told() {
    // By an answer to a check-in, and by an answer to the echo of one.
    for is_echo in [false, true] {
        let mut vendor = Vendor::new();
        let device = Device::activated(&mut vendor, "machine");
        let name = name(&device, &vendor);
        let check_in = device.client().check_in_offline().unwrap().to_bytes();
        if is_echo {
            vendor.check_in(&check_in).unwrap();
        }
        vendor.force_release(name.handle, "lost");
        let told = vendor.check_in(&check_in).unwrap();
        device.client().accept(&told.to_bytes()).unwrap();
        assert_eq!(refused(name, &mut vendor), ErrorKind::GivenUp, "echo {is_echo}");
        assert!(matches!(device.verdict(), Verdict::Revoked { .. }));
    }
}

#[test]
fn a_release_is_not_taken_back_of_a_seat_that_was_given_back() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let name = name(&device, &vendor);
    vendor.force_release(name.handle, "lost");
    vendor.redeem(device.client().deactivate_offline(Reason::Moved).unwrap().proof()).unwrap();
    assert_eq!(refused(name, &mut vendor), ErrorKind::GivenUp);
    assert_eq!(vendor.usage().taken, 0);
}

#[test]
fn a_release_is_taken_back_only_while_a_seat_is_free() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let name = name(&device, &vendor);
    vendor.force_release(name.handle, "lost");
    let other = Device::activated(&mut vendor, "other");
    assert_eq!(refused(name, &mut vendor), ErrorKind::NoFreeSeat);
    vendor.redeem(other.client().deactivate_offline(Reason::Moved).unwrap().proof()).unwrap();
    unrelease(name, &mut vendor).unwrap();
    assert_eq!(vendor.usage().taken, 1);
}

#[test]
fn a_release_is_not_taken_back_once_its_use_is_over() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let name = name(&device, &vendor);
    vendor.force_release(name.handle, "lost");
    vendor.clock.advance_days(90);
    assert_eq!(refused(name, &mut vendor), ErrorKind::GivenUp);
}

#[test]
fn a_replaced_installation_that_was_told_the_end_takes_nothing_back() {
    for is_echo in [false, true] {
        let mut vendor = Vendor::new();
        let before = Device::activated(&mut vendor, "machine");
        let late = before.client().check_in_offline().unwrap().to_bytes();
        if is_echo {
            vendor.check_in(&late).unwrap();
        }
        let after = Device::activated(&mut vendor, "machine");
        let name = name(&after, &vendor);
        vendor.force_release(name.handle, "lost");
        assert!(vendor.check_in(&late).unwrap().revocation.is_some(), "its machine's seat is over");
        unrelease(name, &mut vendor).unwrap();
        let refused = vendor.check_in(&late);
        assert!(refused.is_err() || refused.is_ok_and(|reply| reply.license.is_none()), "echo {is_echo}");
        assert_eq!(vendor.seat(name.handle).state(), SeatState::Active);
        after.check_in(&mut vendor);
        assert_eq!(after.verdict(), Verdict::Active);
    }
}

#[test]
fn what_was_not_released_or_has_its_machine_s_seat_no_more_is_not_taken_back() {
    let mut vendor = Vendor::new();
    let before = Device::activated(&mut vendor, "machine");
    let after = Device::activated(&mut vendor, "machine");
    let replaced = name(&before, &vendor);
    assert_eq!(vendor.seat(replaced.handle).state(), SeatState::Replaced);
    assert_eq!(refused(replaced, &mut vendor), ErrorKind::GivenUp);
    vendor.force_release(replaced.handle, "lost");
    assert_eq!(refused(replaced, &mut vendor), ErrorKind::GivenUp);
    assert_eq!(vendor.seat(after.handle()).state(), SeatState::Active);
    vendor.terms().suspended = true;
    assert_eq!(refused(replaced, &mut vendor), ErrorKind::LicenseEnded);
}
