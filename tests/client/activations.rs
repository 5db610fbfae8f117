//! Activations that are counted: what is one, what is none, and how an allowance is used up anew
//! (docs/PROTOCOL.md, Allowances).

use crate::support::vendor::{Device, Vendor};
use nodelock::{
    Client, Error, ErrorKind, Reason, Store, Verdict,
    authority::{
        Allowance::{self, Activations, Deactivations},
        SeatState, Usage,
        decision::{self, Allow, Decision, EventKind, Note},
    },
};

/// A vendor of so many seats and activations.
fn vendor(seats: u32, activations: u32) -> Vendor {
    let mut vendor = Vendor::new();
    vendor.sell(seats);
    vendor.terms().activations = Some(activations);
    vendor
}

/// The refusal of a new machine's request, which is taken back again.
fn refusal(vendor: &mut Vendor, name: &str) -> Option<Error> {
    let device = Device::new(vendor, name);
    let request = device.client().begin(vendor.license_key()).unwrap().to_bytes();
    let refused = vendor.activate(&request).err();
    vendor.redeem(&device.client().cancel().unwrap().to_bytes()).unwrap();
    refused
}

fn is_spent(vendor: &mut Vendor) -> bool {
    refusal(vendor, "a stranger").is_some_and(|refusal| refusal.kind() == ErrorKind::NoActivationLeft)
}

fn give_up(device: &Device, vendor: &mut Vendor) {
    vendor.redeem(device.client().deactivate_offline(Reason::Moved).unwrap().proof()).unwrap();
}

fn allow(vendor: &mut Vendor, of: Allowance, allow: Allow) -> Decision {
    let (moment, license) = (vendor.moment(), vendor.terms().id);
    let act = |records: &_| decision::allow(license, of, allow, "a new office", records, &moment);
    decision::settle(&mut vendor.ledger, act).unwrap()
}

fn left(vendor: &Vendor, of: Allowance) -> Option<u32> {
    let license = vendor.ledger.license(vendor.ledger.terms[0].id).unwrap();
    license.left(of, vendor.moment().now)
}

#[test]
fn each_new_grant_is_an_activation_and_one_too_many_is_refused_with_the_numbers() {
    let mut vendor = vendor(5, 2);
    let first = Device::activated(&mut vendor, "first");
    assert!(vendor.seat(first.handle()).is_activation());
    give_up(&first, &mut vendor);
    first.activate(&mut vendor);
    assert_eq!(vendor.usage(), Usage::new(1, 1, 2), "activated once more");
    let refused = refusal(&mut vendor, "second").unwrap();
    assert_eq!(refused.kind(), ErrorKind::NoActivationLeft);
    assert!(refused.to_string().contains("no activation left: 2 of 2 are used up"), "{refused}");
    assert_eq!(vendor.usage().activated, 2);
}

#[test]
fn the_same_request_a_renewal_and_a_lapsed_seat_that_is_renewed_are_none() {
    let mut vendor = vendor(1, 1);
    let device = Device::new(&vendor, "machine");
    let request = device.client().begin(vendor.license_key()).unwrap().to_bytes();
    device.client().accept(&vendor.activate(&request).unwrap()).unwrap();
    vendor.activate(&request).unwrap();
    vendor.renew(device.handle());
    device.check_in(&mut vendor);
    vendor.clock.advance_days(300);
    device.check_in(&mut vendor);
    assert_eq!((device.verdict(), vendor.usage().activated), (Verdict::Active, 1));
}

#[test]
fn what_takes_the_place_of_its_machine_s_seat_is_none_also_where_another_seat_is_free() {
    for seats in [1, 2] {
        let mut vendor = vendor(seats, 1);
        let before = Device::activated(&mut vendor, "machine").handle();
        let after = Device::activated(&mut vendor, "machine").handle();
        let states = [before, after].map(|handle| vendor.seat(handle).state());
        assert_eq!(states, [SeatState::Replaced, SeatState::Active]);
        assert_eq!(vendor.usage(), Usage::new(1, 0, 1), "{seats} seats");
        // While an activation is left, a free seat is given as ever.
        vendor.terms().activations = Some(2);
        Device::activated(&mut vendor, "machine");
        assert_eq!(vendor.usage().activated, seats);
    }
}

#[test]
fn a_held_seat_that_is_taken_again_and_a_recovered_one_are_none() {
    let mut vendor = vendor(1, 1);
    let folder = tempfile::tempdir().unwrap();
    let device = Device::with_store(&vendor, "machine", Store::in_directory(folder.path(), None));
    vendor.terms().deactivations = Some(1);
    device.activate(&mut vendor);
    vendor.terms().deactivations = Some(0);
    give_up(&device, &mut vendor);
    assert_eq!(vendor.usage(), Usage::new(1, 0, 1), "held");
    vendor.terms().deactivations = None;
    device.activate(&mut vendor);
    assert_eq!(vendor.usage(), Usage::new(1, 0, 1), "taken again");
    std::fs::write(folder.path().join("state"), "damaged").unwrap();
    let request = device.client().recover_offline().unwrap().to_bytes();
    device.client().accept(&vendor.activate(&request).unwrap()).unwrap();
    assert_eq!((vendor.usage(), device.verdict()), (Usage::new(1, 0, 1), Verdict::Active));
}

#[test]
fn a_request_that_names_a_seat_replaces_none_without_an_activation() {
    let mut vendor = vendor(1, 1);
    let silent = Device::activated(&mut vendor, "silent");
    vendor.clock.advance_days(8);
    let other = Device::new(&vendor, "other");
    let options = nodelock::ActivationRequestOptions::of_key(vendor.license_key());
    let request = other.client().begin(options.instead_of(silent.handle())).unwrap().to_bytes();
    let refused = vendor.activate(&request).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NoActivationLeft);
    assert_eq!(vendor.seat(silent.handle()).state(), SeatState::Active);
    allow(&mut vendor, Activations, Allow::Extra(1));
    other.client().accept(&vendor.activate(&request).unwrap()).unwrap();
    assert_eq!(vendor.seat(silent.handle()).state(), SeatState::Revoked);
}

#[test]
fn a_pending_request_is_granted_once_the_vendor_allows_it() {
    for what in [Allow::Reset, Allow::Extra(1)] {
        let mut vendor = vendor(2, 1);
        Device::activated(&mut vendor, "first");
        let second = Device::new(&vendor, "second");
        let request = second.client().begin(vendor.license_key()).unwrap().to_bytes();
        assert_eq!(vendor.activate(&request).unwrap_err().kind(), ErrorKind::NoActivationLeft);
        let seats = vendor.ledger.seats.clone();
        let decision = allow(&mut vendor, Activations, what);
        assert_eq!(vendor.ledger.seats, seats, "no seat changes");
        let [event] = &decision.events[..] else { panic!("{:?}", decision.events) };
        assert_eq!((event.kind, event.license), (EventKind::Allowed, Some(vendor.terms().id)));
        assert_eq!(event.reason, "a new office");
        let again = allow(&mut vendor, Activations, what);
        assert!(again.store.is_empty() && again.events.is_empty(), "{:?}", again.store);
        second.client().accept(&vendor.activate(&request).unwrap()).unwrap();
        assert!(is_spent(&mut vendor) && vendor.usage().activated == 2);
    }
}

#[test]
fn a_reset_of_deactivations_lets_seats_return_again_and_returns_none() {
    let mut vendor = vendor(2, 9);
    vendor.terms().deactivations = Some(1);
    let devices = ["first", "second"].map(|name| Device::activated(&mut vendor, name));
    give_up(&devices[0], &mut vendor);
    give_up(&devices[1], &mut vendor);
    assert_eq!((vendor.usage(), left(&vendor, Deactivations)), (Usage::new(1, 1, 2), Some(0)));
    allow(&mut vendor, Deactivations, Allow::Reset);
    assert_eq!((vendor.usage(), left(&vendor, Deactivations)), (Usage::new(1, 1, 2), Some(1)));
    let third = Device::activated(&mut vendor, "third");
    give_up(&third, &mut vendor);
    assert_eq!((vendor.usage(), left(&vendor, Deactivations)), (Usage::new(1, 2, 3), Some(0)));
}

#[test]
fn each_period_has_the_whole_allowance_again() {
    let mut vendor = vendor(9, 2);
    vendor.terms().period_days = Some(30);
    for period in 1..4 {
        for name in ["first", "second"] {
            let device = Device::activated(&mut vendor, name);
            give_up(&device, &mut vendor);
        }
        let refused = refusal(&mut vendor, "third").unwrap();
        assert_eq!(refused.kind(), ErrorKind::NoActivationLeft);
        assert!(refused.to_string().contains("they can be used again from"), "{refused}");
        assert_eq!((left(&vendor, Activations), vendor.usage().activated), (Some(0), 2 * period));
        vendor.clock.advance_days(30);
    }
    assert_eq!(left(&vendor, Activations), Some(2));
}

#[test]
fn extra_ones_end_with_their_period() {
    let mut vendor = vendor(9, 0);
    vendor.terms().period_days = Some(30);
    allow(&mut vendor, Activations, Allow::Extra(2));
    Device::activated(&mut vendor, "first");
    assert_eq!(left(&vendor, Activations), Some(1));
    vendor.clock.advance_days(30);
    assert!(is_spent(&mut vendor));
}

#[test]
fn a_restored_ledger_counts_an_activation_that_it_had_lost_once() {
    let mut vendor = vendor(3, 1);
    let copy = vendor.ledger.clone();
    vendor.clock.advance_days(1);
    let outside = Some(vendor.page);
    vendor.note(Note { outside, ..Note::default() });
    let device = Device::activated(&mut vendor, "machine");
    assert!(is_spent(&mut vendor));
    vendor.ledger = copy;
    let outside = Some(vendor.page);
    vendor.note(Note { outside, ..Note::default() });
    assert_eq!(vendor.usage(), Usage::new(0, 0, 0));
    for _ in 0..2 {
        device.check_in(&mut vendor);
        assert_eq!(vendor.usage(), Usage::new(1, 0, 1));
    }
    assert!(is_spent(&mut vendor));
    assert_eq!(device.verdict(), Verdict::Active);
}

#[test]
fn a_device_without_a_network_learns_of_a_reset_with_its_next_license() {
    let mut vendor = vendor(2, 9);
    vendor.terms().deactivations = Some(1);
    let first = Device::activated(&mut vendor, "first");
    give_up(&first, &mut vendor);
    let device = Device::activated(&mut vendor, "second");
    let give_up = |client: &Client| client.deactivate_offline(Reason::Moved).map(drop);
    allow(&mut vendor, Deactivations, Allow::Reset);
    assert_eq!(give_up(device.client()).unwrap_err().kind(), ErrorKind::DeactivationNotAllowed);
    device.check_in(&mut vendor);
    give_up(device.client()).unwrap();
}
