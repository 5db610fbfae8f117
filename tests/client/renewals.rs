//! A request that is handed in again, and renewals without a network (docs/PROTOCOL.md, Check-ins).

use std::{fs, path::Path};

use crate::support::vendor::{Device, Vendor};
use nodelock::{CheckIn, ErrorKind, Reason, Store, Verdict};

#[test]
fn a_request_handed_in_again_fetches_the_license_that_it_was_granted() {
    let mut vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    let request = device.client().begin(vendor.license_key()).unwrap().to_bytes();
    let first = vendor.activate(&request).unwrap();
    let handle = device.client().accept(&first).unwrap().license().unwrap().handle;
    for event in ["soon", "when the renewal is due", "when the lease is over"] {
        let before = vendor.seat(handle).clone();
        assert!(vendor.activate(&request).unwrap() == first, "{event}: another license than the first");
        assert_eq!(vendor.seat(handle), &before, "{event}");
        vendor.clock.advance_days(60);
    }
    let renewed = vendor.renew(handle);
    let before = vendor.seat(handle).clone();
    assert!(vendor.activate(&request).unwrap() == first, "renewed by the vendor: another license");
    assert_eq!(vendor.seat(handle), &before);
    device.client().accept(renewed.as_bytes()).unwrap();
    assert_eq!(device.client().accept(&first).unwrap_err().kind(), ErrorKind::Outdated);

    vendor.terms().suspended = true;
    assert_eq!(vendor.activate(&request).unwrap_err().kind(), ErrorKind::LicenseEnded);
    vendor.terms().suspended = false;
    assert!(vendor.activate(&request).unwrap() == first);
}

#[test]
fn a_request_handed_in_again_gets_no_license_once_the_license_has_ended() {
    let mut vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    vendor.terms().expires = Some(vendor.clock.now_plus(30));
    let request = device.client().begin(vendor.license_key()).unwrap().to_bytes();
    let first = vendor.activate(&request).unwrap();
    vendor.clock.advance_days(29);
    assert!(vendor.activate(&request).unwrap() == first);
    vendor.clock.advance_days(1);
    for _ in 0..2 {
        let ended = vendor.activate(&request).unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::LicenseEnded, "{ended}");
    }
    // The seat is still its device's, and comes back when the vendor lets the license last longer.
    vendor.terms().expires = Some(vendor.clock.now_plus(30));
    assert!(device.client().accept(&vendor.activate(&request).unwrap()).unwrap().license().is_some());
}

fn copy(folder: &Path, from: &str, to: &str) {
    fs::create_dir(folder.join(to)).unwrap();
    for file in ["state", "device.key"] {
        fs::copy(folder.join(from).join(file), folder.join(to).join(file)).unwrap();
    }
}

#[test]
fn six_copies_do_not_live_on_one_request() {
    let mut vendor = Vendor::new();
    let folder = tempfile::tempdir().unwrap();
    let store = |name: &str| Store::in_directory(folder.path().join(name), None);
    let original = Device::with_store(&vendor, "machine", store("original"));
    let request = original.client().begin(vendor.license_key()).unwrap().to_bytes();
    let copies = (0..6).map(|number| {
        let to = format!("copy {number}");
        copy(folder.path(), "original", &to);
        Device::with_store(&vendor, "machine", store(&to))
    });
    let copies: Vec<_> = copies.collect();
    let usable = |vendor: &mut Vendor| {
        copies
            .iter()
            .filter(|copy| {
                let license = vendor.activate(&request).unwrap();
                let _ = copy.client().accept(&license);
                copy.client().check().unwrap().is_usable()
            })
            .count()
    };
    assert_eq!(usable(&mut vendor), 6, "until the end of the lease nobody can tell");
    vendor.clock.advance_days(100);
    assert_eq!(usable(&mut vendor), 0, "the request renewed copies");
}

/// The answer to a check-in that is handed in as a file.
fn answered(vendor: &mut Vendor, check_in: &CheckIn) -> Vec<u8> {
    vendor.check_in(&check_in.to_bytes()).unwrap().to_bytes()
}

#[test]
fn a_license_is_renewed_by_a_check_in_that_is_carried_by_hand() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let handle = device.handle();
    vendor.clock.advance_days(100);
    assert!(matches!(device.verdict(), Verdict::LeaseEnded { .. }), "{:?}", device.verdict());
    let check_in = device.client().check_in_offline().unwrap();
    let request = check_in.request();
    assert_eq!((request.handle, request.revision), (handle, 1));
    assert!(matches!(device.verdict(), Verdict::LeaseEnded { .. }), "nothing changed yet");
    let renewed = answered(&mut vendor, &check_in);
    let license = device.client().accept(&renewed).unwrap();
    assert_eq!((device.verdict(), license.license().unwrap().revision), (Verdict::Active, 2));

    // Every form of the file is the same check-in, and gets the same license.
    let forms = [check_in.to_text(), check_in.to_base64url(), check_in.to_base32()];
    for form in &forms {
        assert_eq!(vendor.check_in(form.as_bytes()).unwrap().to_bytes(), renewed, "{form}");
    }
    // One that a later one has followed renews nothing.
    let later = device.client().check_in_offline().unwrap();
    device.client().accept(&answered(&mut vendor, &later)).unwrap();
    assert_eq!(vendor.check_in(&check_in.to_bytes()).unwrap_err().kind(), ErrorKind::Outdated);
    assert_eq!(vendor.seat(handle).copies(), 0);
}

#[test]
fn a_check_in_by_hand_tells_of_a_released_seat_and_needs_a_license() {
    let mut vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    assert_eq!(device.client().check_in_offline().unwrap_err().kind(), ErrorKind::NotActive);
    device.client().begin(vendor.license_key()).unwrap();
    assert_eq!(device.client().check_in_offline().unwrap_err().kind(), ErrorKind::NotActive);
    device.client().cancel().unwrap();
    device.activate(&mut vendor);
    vendor.force_release(device.handle(), "the laptop was lost");
    let check_in = device.client().check_in_offline().unwrap();
    device.client().accept(&answered(&mut vendor, &check_in)).unwrap();
    assert!(matches!(device.verdict(), Verdict::Revoked { .. }), "{:?}", device.verdict());
    assert_eq!(device.client().check_in_offline().unwrap_err().kind(), ErrorKind::NotActive);
}

#[test]
fn copies_that_check_in_by_hand_are_noted() {
    let mut vendor = Vendor::new();
    let folder = tempfile::tempdir().unwrap();
    let store = |name: &str| Store::in_directory(folder.path().join(name), None);
    let original = Device::with_store(&vendor, "machine", store("original"));
    original.activate(&mut vendor);
    copy(folder.path(), "original", "copy");
    let copy = Device::with_store(&vendor, "machine", store("copy"));
    for _ in 0..2 {
        for device in [&original, &copy] {
            let check_in = device.client().check_in_offline().unwrap();
            assert!(device.client().accept(&answered(&mut vendor, &check_in)).unwrap().status().is_usable());
        }
    }
    assert!(vendor.seat(original.handle()).copies() > 0);
}

#[test]
fn a_renewal_by_the_vendor_makes_no_copy_of_a_device() {
    let mut vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    let request = device.client().begin(vendor.license_key()).unwrap().to_bytes();
    let first = vendor.activate(&request).unwrap();
    let handle = device.client().accept(&first).unwrap().license().unwrap().handle;
    let check_in = |vendor: &mut Vendor, is_lost: bool| {
        let answer = answered(vendor, &device.client().check_in_offline().unwrap());
        if !is_lost {
            device.client().accept(&answer).unwrap();
        }
        assert_eq!(vendor.seat(handle).copies(), 0);
    };
    for is_installed in [true, false, true, false] {
        for is_lost in [false, true, false] {
            let renewed = vendor.renew(handle);
            if is_installed {
                device.client().accept(renewed.as_bytes()).unwrap();
            }
            check_in(&mut vendor, is_lost);
        }
    }
    assert!(device.client().deactivate_offline(Reason::Moved).is_ok());
}

#[test]
fn a_device_whose_first_answer_was_lost_is_no_copy_however_often_the_vendor_renewed() {
    let mut vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    let request = device.client().begin(vendor.license_key()).unwrap().to_bytes();
    let lost = vendor.activate(&request).unwrap();
    let handle = vendor.ledger.seats.values().next().unwrap().handle();
    vendor.renew(handle);
    vendor.clock.advance_days(100);
    let again = vendor.activate(&request).unwrap();
    assert!(again == lost);
    device.client().accept(&again).unwrap();
    assert!(matches!(device.verdict(), Verdict::LeaseEnded { .. }), "a check-in renews it");
    let renewed = answered(&mut vendor, &device.client().check_in_offline().unwrap());
    assert!(device.client().accept(&renewed).unwrap().status().is_usable());
    assert_eq!((vendor.seat(handle).revision(), vendor.seat(handle).copies()), (3, 0));
}
