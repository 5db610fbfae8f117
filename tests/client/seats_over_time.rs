//! Seats whose devices are gone (docs/PROTOCOL.md, Seats over time).

use crate::support::vendor::{Device, Vendor};
use nodelock::{
    Clock as _, ErrorKind, Reason, Result, SeatList, Verdict,
    authority::{SeatListing, SeatState},
};

/// A check-in that is carried by hand, and its answer taken in.
fn check_in(device: &Device, vendor: &mut Vendor) -> Result<()> {
    let answer = vendor.check_in(&device.client().check_in_offline()?.to_bytes())?;
    device.client().accept(&answer.to_bytes()).map(drop)
}

/// What a request of a new machine comes to. It is cancelled again, and its seat is free.
fn refused(vendor: &mut Vendor, name: &str) -> Option<ErrorKind> {
    let device = Device::new(vendor, name);
    let request = device.client().begin(&vendor.license_key(), &[]).unwrap().to_bytes();
    let refused = vendor.activate(&request).err().map(|error| error.kind());
    vendor.redeem(&device.client().cancel().unwrap().to_bytes()).unwrap();
    refused
}

#[test]
fn the_seat_of_a_dead_machine_is_free_after_its_lease_and_the_margin() {
    let mut vendor = Vendor::new();
    let dead = Device::activated(&mut vendor, "dead");
    let handle = dead.handle();
    for days in [90, 13] {
        vendor.clock.advance_days(days);
        assert_eq!(refused(&mut vendor, "another"), Some(ErrorKind::NoFreeSeat));
    }
    vendor.clock.advance_days(1);
    Device::activated(&mut vendor, "another");
    let seat = vendor.seat(handle);
    assert_eq!((seat.state(), seat.is_lapsed()), (SeatState::Active, true));
    assert_eq!(vendor.usage().taken, 1);
}

#[test]
fn a_lapsed_device_is_renewed_when_a_seat_is_free_and_is_not_revoked_before() {
    let mut vendor = Vendor::new();
    let slow = Device::activated(&mut vendor, "slow");
    vendor.clock.advance_days(104);
    let quick = Device::activated(&mut vendor, "quick");
    for _ in 0..2 {
        assert_eq!(check_in(&slow, &mut vendor).unwrap_err().kind(), ErrorKind::NoFreeSeat);
        assert!(matches!(slow.verdict(), Verdict::LeaseEnded { .. }), "{:?}", slow.verdict());
    }
    vendor.redeem(quick.client().deactivate_offline(Reason::Moved).unwrap().proof()).unwrap();
    check_in(&slow, &mut vendor).unwrap();
    assert_eq!(slow.verdict(), Verdict::Active);
    let seat = vendor.seat(slow.handle());
    assert_eq!((seat.is_lapsed(), seat.revision(), vendor.usage().taken), (false, 2, 1));
}

#[test]
fn a_lapsed_seat_that_nobody_needs_is_renewed() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    vendor.clock.advance_days(300);
    check_in(&device, &mut vendor).unwrap();
    assert_eq!((device.verdict(), vendor.usage().taken), (Verdict::Active, 1));
    assert_eq!(refused(&mut vendor, "another"), Some(ErrorKind::NoFreeSeat));
}

#[test]
fn a_late_proof_of_a_lapsed_seat_uses_up_no_deactivation() {
    for allowed in [0, 1] {
        let mut vendor = Vendor::new();
        let late = Device::activated(&mut vendor, "late");
        vendor.terms().deactivations = Some(allowed);
        vendor.clock.advance_days(104);
        let given_up = late.client().deactivate_offline(Reason::Moved).unwrap();
        vendor.redeem(given_up.proof()).unwrap();
        let seat = vendor.ledger.seats.values().next().unwrap();
        assert_eq!((seat.state(), seat.is_counted()), (SeatState::Returned, false));
        assert_eq!(vendor.usage().deactivated, 0);
    }
}

#[test]
fn the_longest_license_that_was_signed_keeps_a_seat() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    vendor.terms().lease_days = Some(3);
    // The answer is lost, and the device goes on with the longer license.
    vendor.check_in(&device.client().check_in_offline().unwrap().to_bytes()).unwrap();
    vendor.clock.advance_days(89);
    assert_eq!(device.verdict(), Verdict::Active);
    assert_eq!(refused(&mut vendor, "another"), Some(ErrorKind::NoFreeSeat));
}

#[test]
fn a_refusal_tells_what_the_license_allows() {
    let mut vendor = Vendor::new();
    let device = Device::new(&vendor, "holder");
    let named = [("order", "7"), ("Host", "the old laptop")];
    let request = device.client().begin(&vendor.license_key(), &named).unwrap().to_bytes();
    let issued = vendor.clock.now();
    device.client().install(&vendor.activate(&request).unwrap()).unwrap();
    vendor.clock.advance_days(8);
    let waiting = Device::new(&vendor, "waiting").client().begin(&vendor.license_key(), &[]).unwrap();
    let mut told = |listing| {
        vendor.terms().seat_list = listing;
        vendor.activate(&waiting.to_bytes()).unwrap_err().seats().unwrap().clone()
    };
    let (none, dates, labels) =
        (told(SeatListing::None), told(SeatListing::Dates), told(SeatListing::Labels));
    let lapse = issued.plus_days(90 + 14);
    assert!([&none, &dates, &labels].iter().all(|list| list.next_lapse == Some(lapse)));
    assert!(none.seats.is_empty());
    assert_eq!((dates.seats[0].label.as_str(), labels.seats[0].label.as_str()), ("", "the old laptop"));
    let seat = &dates.seats[0];
    assert_eq!((seat.handle, seat.lapses), (device.handle(), Some(lapse)));
    assert_eq!(seat.last_contact.unix_seconds(), issued.unix_seconds() / 86_400 * 86_400);
}

#[test]
fn a_refusal_lists_at_most_fifty_seats_those_first_that_lapse_first() {
    let mut vendor = Vendor::new();
    vendor.sell(51);
    for number in 0..51 {
        Device::activated(&mut vendor, &format!("{number}"));
        vendor.clock.set(vendor.clock.now().unix_seconds() + 60);
    }
    let waiting = Device::new(&vendor, "waiting").client().begin(&vendor.license_key(), &[]).unwrap();
    let refused = vendor.activate(&waiting.to_bytes()).unwrap_err();
    let list = refused.seats().unwrap();
    assert_eq!(list.seats.len(), SeatList::MAX_LISTED);
    assert!(list.seats.is_sorted_by_key(|seat| seat.lapses) && list.seats[0].lapses == list.next_lapse);
}

#[test]
fn without_a_margin_or_an_end_a_seat_is_kept() {
    let mut vendor = Vendor::new();
    vendor.terms().margin_days = None;
    Device::activated(&mut vendor, "dead");
    vendor.clock.advance_days(300);
    assert_eq!(refused(&mut vendor, "another"), Some(ErrorKind::NoFreeSeat));

    let mut vendor = Vendor::new();
    vendor.terms().lease_days = None;
    Device::activated(&mut vendor, "dead");
    vendor.clock.advance_days(300);
    assert_eq!(refused(&mut vendor, "another"), Some(ErrorKind::NoFreeSeat));
}

#[test]
fn a_margin_is_at_least_three_days_and_a_tenth_of_a_lease_below_two_days() {
    let mut vendor = Vendor::new();
    vendor.terms().margin_days = Some(2);
    assert_eq!(vendor.terms().validate().unwrap_err().kind(), ErrorKind::InvalidInput);
    vendor.terms().margin_days = Some(3);
    vendor.terms().lease_days = Some(1);
    vendor.terms().validate().unwrap();
    let now = vendor.clock.now();
    let until = vendor.terms().lapsed_until(now).unwrap();
    assert_eq!(now.since(until).as_secs(), 8_640);
}

#[test]
fn of_many_lapsed_seats_so_many_are_marked_as_are_needed() {
    let mut vendor = Vendor::new();
    vendor.sell(20);
    for number in 0..20 {
        Device::activated(&mut vendor, &format!("{number}"));
    }
    vendor.clock.advance_days(104);
    assert_eq!(vendor.usage().taken, 20);
    let marked = |vendor: &Vendor| vendor.ledger.seats.values().filter(|seat| seat.is_lapsed()).count();
    for number in 1..4 {
        Device::activated(&mut vendor, &format!("new {number}"));
        assert_eq!((marked(&vendor), vendor.usage().taken), (number, 20));
    }
}
