//! Copies of a store from before its deactivation, and stores on other machines (docs/THREATS.md, Test 14 and Test 9).

use std::{fs, path::Path};

use crate::support::vendor::{Device, Vendor, builder};
use nodelock::{
    Binding, Client, DeactivationReceipt, ErrorKind, MachineReason, Reason, Store, Verdict, authority::Seat,
};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn on_disk(vendor: &Vendor, folder: &Path) -> Device {
    let store = Store::in_directory(folder.join("store"), Some(folder.join("tombstones")));
    Device::with_store(vendor, "machine", store)
}

#[test]
fn a_folder_copied_back_is_blocked_and_may_say_again_that_it_was_given_up() {
    let mut vendor = Vendor::new();
    let folder = tempfile::tempdir().unwrap();
    let device = on_disk(&vendor, folder.path());
    device.activate(&mut vendor);
    let license = device.client().check().unwrap().license().unwrap().clone();
    copy(&folder.path().join("store"), &folder.path().join("copy"));
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    vendor.redeem(given_up.proof()).unwrap();

    copy(&folder.path().join("copy"), &folder.path().join("store"));
    assert_eq!(device.verdict(), Verdict::Deactivated);
    assert_eq!(*device.reopen().check().unwrap().verdict(), Verdict::Deactivated);
    assert_eq!(device.client().accept(license.as_bytes()).unwrap_err().kind(), ErrorKind::GivenUp);
    let again = device.client().deactivate_offline(Reason::Moved).unwrap();
    assert_eq!(again.code(), given_up.code());
    vendor.redeem(again.proof()).unwrap();
    assert_eq!(vendor.usage().taken, 0);
    assert_eq!(vendor.usage().deactivated, 1, "one seat, given up once");
}

#[test]
fn a_receipt_ends_a_copy_whose_tombstones_were_taken_away() {
    let mut vendor = Vendor::new();
    let folder = tempfile::tempdir().unwrap();
    let device = on_disk(&vendor, folder.path());
    device.activate(&mut vendor);
    copy(&folder.path().join("store"), &folder.path().join("copy"));
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    let receipt = vendor.redeem(given_up.proof()).unwrap();
    copy(&folder.path().join("copy"), &folder.path().join("store"));
    fs::remove_dir_all(folder.path().join("tombstones")).unwrap();
    // Nothing on this machine can tell: this is what leases and check-ins are for.
    assert_eq!(device.verdict(), Verdict::Active);
    device.client().accept(receipt.as_bytes()).unwrap();
    assert_eq!(device.verdict(), Verdict::Deactivated);
}

#[test]
fn a_given_up_license_is_refused_even_after_its_receipt_and_another_activation() {
    let mut vendor = Vendor::new();
    let folder = tempfile::tempdir().unwrap();
    let device = on_disk(&vendor, folder.path());
    device.activate(&mut vendor);
    let first = device.client().check().unwrap().license().unwrap().clone();
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    let receipt = vendor.redeem(given_up.proof()).unwrap();
    device.client().accept(receipt.as_bytes()).unwrap();
    assert_eq!(device.client().accept(first.as_bytes()).unwrap_err().kind(), ErrorKind::GivenUp);
    device.activate(&mut vendor);
    let second = device.client().check().unwrap().license().unwrap().clone();
    device.client().deactivate_offline(Reason::Moved).unwrap();
    device.client().begin(vendor.license_key()).unwrap();
    for license in [&first, &second] {
        assert_eq!(device.client().accept(license.as_bytes()).unwrap_err().kind(), ErrorKind::GivenUp);
    }
}

#[test]
fn old_messages_have_no_effect_on_a_new_activation() {
    let mut vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    let old_request = device.client().begin(vendor.license_key()).unwrap().to_bytes();
    device.client().accept(&vendor.activate(&old_request).unwrap()).unwrap();
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    let old_receipt = vendor.redeem(given_up.proof()).unwrap();
    device.client().accept(old_receipt.as_bytes()).unwrap();
    device.activate(&mut vendor);

    let before = vendor.ledger.seats.clone();
    assert_eq!(vendor.redeem(given_up.proof()).unwrap(), old_receipt);
    assert_eq!(vendor.activate(&old_request).unwrap_err().kind(), ErrorKind::GivenUp);
    assert_eq!(vendor.ledger.seats, before, "nothing changed at the authority");
    // The code says the same, and is new to the authority once.
    let code = given_up.code();
    let by_code = vendor.redeem_code(&code.to_string()).unwrap();
    assert_eq!(by_code.binding, Binding::code(code));
    let said = |receipt: &DeactivationReceipt| (receipt.outcome, receipt.deactivations_left, receipt.time);
    assert_eq!(said(&by_code), said(&old_receipt));
    let states = |vendor: &Vendor| vendor.ledger.seats.values().map(Seat::state).collect::<Vec<_>>();
    let before_code: Vec<_> = before.values().map(Seat::state).collect();
    assert_eq!((states(&vendor), vendor.usage().deactivated), (before_code, 1));
    let before = vendor.ledger.seats.clone();
    assert_eq!(vendor.redeem_code(&code.to_string()).unwrap(), by_code);
    assert_eq!(vendor.ledger.seats, before, "nor does the code again change anything");
    // The second activation ended nothing yet, so the record still knows the first.
    device.client().accept(old_receipt.as_bytes()).unwrap();
    assert_eq!(device.verdict(), Verdict::Active);
}

#[test]
fn a_store_on_another_machine_or_with_another_key_is_not_usable() {
    let mut vendor = Vendor::new();
    let folder = tempfile::tempdir().unwrap();
    let device = on_disk(&vendor, folder.path());
    device.activate(&mut vendor);
    copy(&folder.path().join("store"), &folder.path().join("elsewhere"));

    let store = Store::in_directory(folder.path().join("elsewhere"), None);
    let elsewhere: Client =
        builder(vendor.roots.clone(), "another", store, vendor.clock.clone()).build().unwrap();
    let reason = MachineReason::Fingerprint;
    assert_eq!(*elsewhere.check().unwrap().verdict(), Verdict::WrongMachine { reason });

    fs::remove_file(folder.path().join("elsewhere/device.key")).unwrap();
    let store = Store::in_directory(folder.path().join("elsewhere"), None);
    let keyless = builder(vendor.roots.clone(), "machine", store, vendor.clock.clone()).build().unwrap();
    let reason = MachineReason::DeviceKey;
    assert_eq!(*keyless.check().unwrap().verdict(), Verdict::WrongMachine { reason });
}

#[test]
fn a_machine_that_changed_a_little_has_its_days_of_grace_once() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    // Another network card and disk, the same board: grace. The license was bound to the board as well.
    let changed = |board: bool| {
        use nodelock::fingerprint::{Component, Probe};
        move || {
            let disk = if board { "disk machine 2718281" } else { "disk other 31415926" };
            let values = [(Component::DiskSerial, disk), (Component::Mac, "f0:4d:a2:99:88:77")];
            Probe::from_values(values.map(|(c, v)| (c, v.to_owned())), false, false)
        }
    };
    let client = device.builder().probe(changed(true)).build().unwrap();
    let verdict = client.check().unwrap().verdict().clone();
    let Verdict::Grace { until, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(until, nodelock::Clock::now(&vendor.clock).plus_days(14));
    assert!(client.observe().unwrap(), "the grace period begins");
    vendor.clock.advance_days(13);
    assert_eq!(*client.check().unwrap().verdict(), verdict);
    vendor.clock.advance_days(1);
    let reason = MachineReason::GraceOver;
    assert_eq!(*client.check().unwrap().verdict(), Verdict::WrongMachine { reason });
    assert!(client.deactivate_offline(Reason::Moved).is_ok(), "giving up needs no healthy machine");
    let reject = device.builder().probe(changed(false)).build().unwrap();
    assert_eq!(*reject.check().unwrap().verdict(), Verdict::Deactivated);
}
