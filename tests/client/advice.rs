//! Each way out that the table of `Verdict` names, followed to a license that is usable again; and that what it does
//! not name does not lead there.

use std::fs;

use nodelock::{
    Client, ErrorKind, GraceReason, MachineReason, Reason, Store, Verdict,
    fingerprint::{Component, Probe},
};

use crate::support::vendor::{Device, START, Vendor, builder, machine};

const DAY: u64 = 86_400;

/// The machine with another network card and without what else it is known by: grace.
fn changed() -> Probe {
    let values = [(Component::DiskSerial, "disk machine 2718281"), (Component::Mac, "f0:4d:a2:99:88:77")];
    Probe::from_values(values.map(|(c, v)| (c, v.to_owned())), false, false)
}

fn verdict(client: &Client) -> Verdict {
    client.check().unwrap().verdict().clone()
}

fn check_in(client: &Client, vendor: &mut Vendor) {
    let request = client.check_in_offline().unwrap().to_bytes();
    client.accept(&vendor.check_in(&request).unwrap().to_bytes()).unwrap();
}

fn begin(client: &Client, vendor: &mut Vendor) {
    let request = client.begin(vendor.license_key()).unwrap().to_bytes();
    client.accept(&vendor.activate(&request).unwrap()).unwrap();
}

#[test]
fn in_grace_a_check_in_helps_and_a_license_that_the_vendor_renews_does_not() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let client = device.builder().probe(changed).build().unwrap();
    let in_grace =
        |client| matches!(verdict(client), Verdict::Grace { reason: GraceReason::MachineChanged, .. });
    assert!(in_grace(&client) && client.observe().unwrap());
    client.accept(vendor.renew(device.handle()).as_bytes()).unwrap();
    assert!(in_grace(&client), "it has the machine as it was");
    check_in(&client, &mut vendor);
    assert_eq!(verdict(&client), Verdict::Active);
}

#[test]
fn when_the_grace_is_over_a_check_in_helps() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let client = device.builder().probe(changed).build().unwrap();
    client.observe().unwrap();
    vendor.clock.advance_days(20);
    assert_eq!(verdict(&client), Verdict::WrongMachine { reason: MachineReason::GraceOver });
    assert!(!client.check().unwrap().should_observe() || client.observe().unwrap());
    assert_eq!(
        verdict(&client),
        Verdict::WrongMachine { reason: MachineReason::GraceOver },
        "it had its days"
    );
    check_in(&client, &mut vendor);
    assert_eq!(verdict(&client), Verdict::Active);
}

#[test]
fn on_another_machine_the_seat_is_given_up_and_asked_for_anew() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let client = device.builder().probe(|| machine("another")).build().unwrap();
    assert_eq!(verdict(&client), Verdict::WrongMachine { reason: MachineReason::Fingerprint });
    let request = client.check_in_offline().unwrap().to_bytes();
    assert_eq!(vendor.check_in(&request).unwrap_err().kind(), ErrorKind::WrongMachine);
    client.deactivate_offline(Reason::Moved).unwrap();
    begin(&client, &mut vendor);
    assert_eq!((verdict(&client), vendor.usage().taken), (Verdict::Active, 1));
}

#[test]
fn without_the_device_key_the_vendor_releases_the_seat_and_the_license_is_replaced() {
    let mut vendor = Vendor::new();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::in_directory(folder.path().join("store"), None);
    let device = Device::with_store(&vendor, "machine", store.clone());
    device.activate(&mut vendor);
    let seat = device.handle();
    let key = folder.path().join("store/device.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let keyless = device.reopen();
    assert_eq!(verdict(&keyless), Verdict::WrongMachine { reason: MachineReason::DeviceKey });
    let lost = keyless.deactivate_offline(Reason::Moved).unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Corrupt);
    // A seat is recovered with the device's key, so that is no advice about the key itself.
    let advice = lost.advice().unwrap();
    assert!(advice.starts_with("Put the file back") && advice.contains("release the seat"), "{advice}");
    assert!(ErrorKind::Corrupt.advice().unwrap().contains("Recover the seat"));

    // What belongs there is put back.
    fs::write(&key, kept).unwrap();
    assert_eq!(verdict(&device.reopen()), Verdict::Active);

    fs::remove_file(&key).unwrap();
    vendor.force_release(seat, "its key is lost");
    let replacing = device.builder().replace_license(true).build().unwrap();
    begin(&replacing, &mut vendor);
    assert_eq!((verdict(&replacing), vendor.usage().taken), (Verdict::Active, 1));

    // On another computer, a store of its own.
    vendor.sell(2);
    let own = Store::in_directory(folder.path().join("own"), None);
    let own = builder(vendor.roots.clone(), "another", own, vendor.clock.clone()).build().unwrap();
    begin(&own, &mut vendor);
    assert_eq!(verdict(&own), Verdict::Active);
}

#[test]
fn without_a_license_one_begins() {
    let mut vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    assert_eq!(device.verdict(), Verdict::Unlicensed { pending: false });
    device.client().begin(vendor.license_key()).unwrap();
    assert_eq!(device.verdict(), Verdict::Unlicensed { pending: true });
    let request = device.reopen().pending().unwrap().unwrap().to_bytes();
    device.client().accept(&vendor.activate(&request).unwrap()).unwrap();
    device.client().deactivate_offline(Reason::Moved).unwrap();
    assert_eq!(device.verdict(), Verdict::Deactivated);
    let outstanding = device.client().outstanding().unwrap();
    let receipt = vendor.redeem(outstanding[0].proof()).unwrap();
    device.client().accept(receipt.as_bytes()).unwrap();
    device.activate(&mut vendor);
    let revocation = vendor.force_release(device.handle(), "");
    device.client().accept(revocation.as_bytes()).unwrap();
    assert!(matches!(device.verdict(), Verdict::Revoked { .. }));
    device.activate(&mut vendor);
}

#[test]
fn a_license_that_has_ended_is_renewed_or_gives_way_to_a_new_request() {
    for renew in [true, false] {
        let mut vendor = Vendor::new();
        let device = Device::activated(&mut vendor, "machine");
        vendor.clock.advance_days(90);
        assert!(matches!(device.verdict(), Verdict::LeaseEnded { .. }));
        if renew {
            check_in(device.client(), &mut vendor)
        } else {
            begin(device.client(), &mut vendor)
        }
        assert_eq!(device.verdict(), Verdict::Active);
    }
    for by_file in [true, false] {
        let mut vendor = Vendor::new();
        vendor.terms().expires = Some(vendor.clock.now_plus(50));
        let device = Device::activated(&mut vendor, "machine");
        vendor.clock.advance_days(50);
        assert!(matches!(device.verdict(), Verdict::Expired { .. }));
        vendor.terms().expires = Some(vendor.clock.now_plus(100));
        match by_file {
            true => drop(device.client().accept(vendor.renew(device.handle()).as_bytes()).unwrap()),
            false => check_in(device.client(), &mut vendor),
        }
        assert_eq!(device.verdict(), Verdict::Active);
    }
}

#[test]
fn a_version_that_is_not_covered_runs_earlier_or_with_longer_maintenance() {
    let mut vendor = Vendor::new();
    let days = |vendor: &Vendor, days| vendor.clock.now_plus(days);
    vendor.terms().updates_until = Some(days(&vendor, 20));
    let device = Device::activated(&mut vendor, "machine");
    let later = device.builder().released(days(&vendor, 21)).build().unwrap();
    assert!(matches!(verdict(&later), Verdict::VersionNotCovered { .. }));
    let earlier = device.builder().released(days(&vendor, 19)).build().unwrap();
    assert_eq!(verdict(&earlier), Verdict::Active);
    vendor.terms().updates_until = Some(days(&vendor, 400));
    later.accept(vendor.renew(device.handle()).as_bytes()).unwrap();
    assert_eq!(verdict(&later), Verdict::Active);
}

#[test]
fn a_clock_is_corrected_or_set_right_by_a_check_in() {
    for correct in [true, false] {
        let mut vendor = Vendor::new();
        let device = Device::activated(&mut vendor, "machine");
        vendor.clock.set(START + 60 * DAY);
        device.client().observe().unwrap();
        vendor.clock.set(START + 2 * DAY);
        assert!(matches!(device.verdict(), Verdict::ClockSetBack { .. }));
        if correct {
            vendor.clock.set(START + 60 * DAY)
        } else {
            check_in(device.client(), &mut vendor)
        }
        assert_eq!(device.verdict(), Verdict::Active);
    }
}

#[test]
fn a_damaged_store_is_recovered() {
    let mut vendor = Vendor::new();
    let folder = tempfile::tempdir().unwrap();
    let device = Device::with_store(&vendor, "machine", Store::in_directory(folder.path(), None));
    device.activate(&mut vendor);
    fs::write(folder.path().join("state"), "damaged").unwrap();
    assert_eq!(device.verdict(), Verdict::Damaged { reason: ErrorKind::Corrupt });
    vendor.clock.advance_days(1);
    let request = device.client().recover_offline().unwrap().to_bytes();
    device.client().accept(&vendor.activate(&request).unwrap()).unwrap();
    assert_eq!((device.verdict(), vendor.usage().taken), (Verdict::Active, 1));
}
