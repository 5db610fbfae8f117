//! Trials: a machine has one of a product (docs/PROTOCOL.md, Trials).

use crate::support::vendor::{Device, START, TestClock, Vendor, builder};
use nodelock::{
    ActivationRequestOptions, Client, ErrorKind, Reason, Store, Timestamp, Verdict,
    authority::{
        SeatState,
        decision::{self, EventKind, Ruling},
    },
    fingerprint::{Component, Probe},
};

const DAY: u64 = 86_400;

/// A vendor of trials of 14 days.
fn vendor() -> Vendor {
    let mut vendor = Vendor::new();
    vendor.sell(9);
    vendor.terms().trial_days = Some(14);
    vendor
}

fn day(number: u64) -> Timestamp {
    Timestamp::from_unix_seconds(START + number * DAY)
}

/// When the license on a device ends.
fn ends(device: &Device) -> Option<Timestamp> {
    device.client().check().unwrap().license().unwrap().expires
}

/// When the trial ended for which a new request of a client is refused.
fn refused(client: &Client, vendor: &mut Vendor, key: &str) -> Option<Timestamp> {
    let request = client.begin(key).unwrap().to_bytes();
    let error = vendor.activate(&request).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TrialUsed, "{error}");
    client.cancel().unwrap();
    error.trial_ended()
}

fn extend(vendor: &mut Vendor, device: &Device, until: Timestamp) -> nodelock::Result<usize> {
    let (name, moment) = (vendor.seat(device.handle()).name(), vendor.moment());
    let act = |records: &_| decision::extend_trial(name, until, records, &moment);
    let decision = decision::settle(&mut vendor.ledger, act)?;
    assert!(matches!(&decision.ruling, Ruling::Extended(seat) if seat.name() == name), "{decision:?}");
    Ok(decision.events.iter().filter(|event| event.kind == EventKind::TrialExtended).count())
}

#[test]
fn a_machine_has_one_trial_whatever_is_installed_on_it_and_given_back() {
    let mut vendor = vendor();
    let first = Device::activated(&mut vendor, "machine");
    assert_eq!(ends(&first), Some(day(14)));
    // Another user, or the system installed again; the same one after it gave its seat back.
    vendor.clock.advance_days(5);
    let second = Device::activated(&mut vendor, "machine");
    vendor.redeem(first.client().deactivate_offline(Reason::Moved).unwrap().proof()).unwrap();
    first.activate(&mut vendor);
    second.check_in(&mut vendor);
    assert_eq!([&first, &second].map(ends), [Some(day(14)); 2]);
    // Another computer has its own.
    let other = Device::activated(&mut vendor, "other");
    assert_eq!(ends(&other), Some(day(19)));

    vendor.clock.advance_days(9);
    assert!(matches!(second.verdict(), Verdict::Expired { .. }));
    assert_eq!(other.verdict(), Verdict::Active);
    let key = vendor.license_key();
    let third = Device::new(&vendor, "machine");
    assert_eq!(refused(third.client(), &mut vendor, &key), Some(day(14)));
    // What its seats have become does not matter.
    vendor.redeem(first.client().deactivate_offline(Reason::Moved).unwrap().proof()).unwrap();
    vendor.force_release(second.handle(), "");
    assert_eq!(refused(third.client(), &mut vendor, &key), Some(day(14)));
    assert_eq!(refused(first.client(), &mut vendor, &key), Some(day(14)));
}

#[test]
fn nothing_is_signed_after_the_trial() {
    let mut vendor = vendor();
    let device = Device::new(&vendor, "machine");
    let request = device.client().begin(vendor.license_key()).unwrap().to_bytes();
    let license = vendor.activate(&request).unwrap();
    device.client().accept(&license).unwrap();
    vendor.clock.advance_days(14);
    let ended = |result: nodelock::Result<()>| {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.trial_ended()), (ErrorKind::TrialUsed, Some(day(14))), "{error}");
        assert!(error.to_string().contains("the trial of this machine ended at 20"), "{error}");
    };
    let check_in = device.client().check_in_offline().unwrap().to_bytes();
    ended(vendor.check_in(&check_in).map(drop));
    ended(vendor.activate(&request).map(drop));
    let name = vendor.seat(device.handle()).name();
    let renewed = vendor.decide(|records, moment| decision::renew(name, records, moment));
    ended(renewed.map(drop));
}

#[test]
fn every_trial_of_the_product_counts_and_each_has_its_own_days() {
    let mut vendor = vendor();
    let short = vendor.sell_with(1, |terms| terms.trial_days = Some(3)).unwrap();
    let paid = vendor.sell_with(1, |_| ()).unwrap();
    let first = Device::activated(&mut vendor, "machine");
    vendor.clock.advance_days(4);
    let second = Device::new(&vendor, "machine");
    assert_eq!(refused(second.client(), &mut vendor, &short), Some(day(3)));
    // What was bought asks for no trial, and takes the place of the one that is there.
    let client = first.builder().replace_license(true).build().unwrap();
    let request = client.begin(&paid[..]).unwrap();
    client.accept(&vendor.activate(&request.to_bytes()).unwrap()).unwrap();
    assert_eq!((ends(&first), first.verdict()), (None, Verdict::Active));
    let given_up = client.outstanding().unwrap();
    vendor.redeem(given_up[0].proof()).unwrap();
    assert!(!vendor.seat(first.handle()).is_trial());
}

#[test]
fn the_vendor_extends_the_trial_of_a_machine_for_all_that_is_installed_there() {
    let mut vendor = vendor();
    let first = Device::activated(&mut vendor, "machine");
    let second = Device::activated(&mut vendor, "machine");
    let other = Device::activated(&mut vendor, "other");
    vendor.clock.advance_days(20);
    assert_eq!(extend(&mut vendor, &first, day(30)).unwrap(), 2);
    assert_eq!(extend(&mut vendor, &first, day(30)).unwrap(), 0, "the same again");
    let earlier = extend(&mut vendor, &first, day(29)).unwrap_err();
    assert_eq!(earlier.kind(), ErrorKind::InvalidInput);
    for device in [&first, &second] {
        device.check_in(&mut vendor);
        assert_eq!((ends(device), device.verdict()), (Some(day(30)), Verdict::Active));
    }
    assert!(matches!(other.verdict(), Verdict::Expired { .. }));
    // What asks anew has the days that are left.
    vendor.redeem(first.client().deactivate_offline(Reason::Moved).unwrap().proof()).unwrap();
    first.activate(&mut vendor);
    assert_eq!(ends(&first), Some(day(30)));
    // For every machine, by the terms.
    vendor.terms().trial_days = Some(40);
    other.check_in(&mut vendor);
    assert_eq!(ends(&other), Some(day(40)));
}

#[test]
fn an_extension_says_of_each_seat_when_its_own_trial_ends() {
    let mut vendor = vendor();
    let short = vendor.sell_with(1, |terms| terms.trial_days = Some(3)).unwrap();
    let first = Device::activated(&mut vendor, "machine");
    let second = Device::new(&vendor, "machine");
    let request = second.client().begin(&short[..]).unwrap().to_bytes();
    second.client().accept(&vendor.activate(&request).unwrap()).unwrap();
    let (name, moment) = (vendor.seat(first.handle()).name(), vendor.moment());
    let act = |records: &_| decision::extend_trial(name, day(30), records, &moment);
    let events = decision::settle(&mut vendor.ledger, act).unwrap().events;
    second.check_in(&mut vendor);
    for (device, end) in [(&first, day(30)), (&second, day(19))] {
        let event = events.iter().find(|event| event.seat.unwrap().handle == device.handle()).unwrap();
        assert_eq!(event.detail, format!("the trial of its machine ends at {end}"));
    }
    assert_eq!(ends(&second), Some(day(19)));
}

#[test]
fn a_license_that_becomes_a_trial_gives_no_days_anew_to_a_machine_that_had_it() {
    let mut vendor = vendor();
    vendor.terms().trial_days = None;
    let device = Device::activated(&mut vendor, "machine");
    vendor.clock.advance_days(20);
    vendor.terms().trial_days = Some(14);
    let check_in = device.client().check_in_offline().unwrap().to_bytes();
    assert_eq!(vendor.check_in(&check_in).unwrap_err().kind(), ErrorKind::TrialUsed);
    let key = vendor.license_key();
    let installed_again = Device::new(&vendor, "machine");
    assert_eq!(refused(installed_again.client(), &mut vendor, &key), Some(day(14)));
    let asks_anew = device.builder().replace_license(true).build().unwrap();
    assert_eq!(refused(&asks_anew, &mut vendor, &key), Some(day(14)));
    let other = Device::activated(&mut vendor, "other");
    assert_eq!(ends(&other), Some(day(34)));
}

#[test]
fn a_license_that_is_no_trial_any_more_goes_on_and_one_that_becomes_one_has_an_end() {
    let mut vendor = vendor();
    let device = Device::activated(&mut vendor, "machine");
    vendor.terms().trial_days = None;
    device.check_in(&mut vendor);
    assert_eq!(ends(&device), None);
    let name = vendor.seat(device.handle()).name();
    let extend = vendor.decide(|records, moment| decision::extend_trial(name, day(60), records, moment));
    assert_eq!(extend.unwrap_err().kind(), ErrorKind::InvalidInput);
    // Its days count from the first grant, and its machine has none after them.
    vendor.terms().trial_days = Some(14);
    vendor.clock.advance_days(13);
    let late = Device::activated(&mut vendor, "late");
    device.check_in(&mut vendor);
    assert_eq!((ends(&device), ends(&late)), (Some(day(14)), Some(day(27))));
}

#[test]
fn a_machine_that_shows_no_hardware_has_no_trial() {
    let mut vendor = vendor();
    let device = Device::new(&vendor, "machine");
    let bare = || Probe::from_values([(Component::OsId, "0af1bfc5b2a3411a9d5a".to_owned())], false, true);
    let client = device.builder().probe(bare).build().unwrap();
    let key = vendor.license_key();
    assert_eq!(refused(&client, &mut vendor, &key), None);
    vendor.terms().trial_days = None;
    let request = client.begin(&key[..]).unwrap();
    client.accept(&vendor.activate(&request.to_bytes()).unwrap()).unwrap();
}

#[test]
fn without_a_license_key_the_vendor_says_whose_trial_it_is() {
    let mut vendor = vendor();
    let device = Device::new(&vendor, "machine");
    let request = device.client().begin(ActivationRequestOptions::new()).unwrap().to_bytes();
    let file = nodelock::authority::ActivationFile::read(&request).unwrap();
    let license = vendor.terms().id;
    let (ruling, reply) =
        vendor.decide(|records, moment| decision::activate(&file, Some(license), records, moment)).unwrap();
    assert!(matches!(&ruling, Ruling::Granted(seat) if seat.is_trial()), "{ruling:?}");
    device.client().accept(&reply.to_bytes()).unwrap();
    assert_eq!(ends(&device), Some(day(14)));
}

#[test]
fn a_trial_that_a_restored_ledger_had_lost_comes_back_with_its_device() {
    let mut vendor = vendor();
    let before = vendor.ledger.clone();
    vendor.clock.advance_days(1);
    vendor.note(decision::Note::default());
    let device = Device::activated(&mut vendor, "machine");
    assert_eq!(extend(&mut vendor, &device, day(20)).unwrap(), 1);
    device.check_in(&mut vendor);
    vendor.clock.advance_days(1);
    vendor.ledger = before;
    vendor.note(decision::Note::default());
    device.check_in(&mut vendor);
    assert_eq!((ends(&device), vendor.seat(device.handle()).state()), (Some(day(20)), SeatState::Active));
    vendor.clock.advance_days(18);
    let key = vendor.license_key();
    let second = Device::new(&vendor, "machine");
    assert_eq!(refused(second.client(), &mut vendor, &key), Some(day(20)));
}

#[test]
fn a_store_that_is_copied_brings_no_trial_along() {
    let mut vendor = vendor();
    Device::activated(&mut vendor, "other");
    vendor.clock.advance_days(10);
    let first = Device::activated(&mut vendor, "machine");
    vendor.clock.advance_days(4);
    let on = |name: &str| {
        let (store, clock) = (first.store().clone(), vendor.clock.clone());
        builder(vendor.roots.clone(), name, store, clock).replace_license(true).build().unwrap()
    };
    let [other, third] = ["other", "third"].map(on);
    // Where there was a trial, its days count; where there was none, those of the one that the device holds.
    let key = vendor.license_key();
    assert_eq!(refused(&other, &mut vendor, &key), Some(day(14)));
    let request = third.begin(&key[..]).unwrap().to_bytes();
    third.accept(&vendor.activate(&request).unwrap()).unwrap();
    assert_eq!(third.check().unwrap().license().unwrap().expires, Some(day(24)));
}

#[test]
fn a_clock_that_is_set_back_gives_no_day_more() {
    let mut vendor = vendor();
    let device = Device::activated(&mut vendor, "machine");
    vendor.clock.advance_days(14);
    device.client().observe().unwrap();
    assert!(matches!(device.verdict(), Verdict::Expired { .. }));
    let first_day = TestClock::at(START);
    let of_store =
        |store| builder(vendor.roots.clone(), "machine", store, first_day.clone()).build().unwrap();
    let (set_back, installed_again) = (of_store(device.store().clone()), of_store(Store::in_memory()));
    assert!(!set_back.check().unwrap().is_usable());
    let key = vendor.license_key();
    assert_eq!(refused(&installed_again, &mut vendor, &key), Some(day(14)));
}
