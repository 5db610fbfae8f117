//! Seats whose devices are gone (docs/PROTOCOL.md, Seats over time).

use crate::support::vendor::{Device, Vendor, probe};
use nodelock::{
    Clock as _, ErrorKind, Reason, Result, SeatList, Timestamp, Verdict,
    authority::{
        Counting, Found, MAX_SEATS_OF_DEVICE, Query, Seat, SeatListing, SeatState, UNMATCHED_REQUESTS,
        decision::{Change, Ledger as _},
    },
    code::Handle,
};
use serde_json::json;

/// A check-in that is carried by hand, and its answer taken in.
fn check_in(device: &Device, vendor: &mut Vendor) -> Result<()> {
    let answer = vendor.check_in(&device.client().check_in_offline()?.to_bytes())?;
    device.client().accept(&answer.to_bytes()).map(drop)
}

/// What a request of a new machine comes to. It is cancelled again, and its seat is free.
fn refused(vendor: &mut Vendor, name: &str) -> Option<ErrorKind> {
    let device = Device::new(vendor, name);
    let request = device.client().begin(vendor.license_key()).unwrap().to_bytes();
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
    let options = nodelock::ActivationRequestOptions::of_key(vendor.license_key());
    let options = options.metadata("order", "7").metadata("Host", "the old laptop");
    let request = device.client().begin(options).unwrap().to_bytes();
    let issued = vendor.clock.now();
    device.client().accept(&vendor.activate(&request).unwrap()).unwrap();
    vendor.clock.advance_days(8);
    let waiting = Device::new(&vendor, "waiting").client().begin(vendor.license_key()).unwrap();
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
    let waiting = Device::new(&vendor, "waiting").client().begin(vendor.license_key()).unwrap();
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
    let until = vendor.terms().lapsed_until(now, &[]).unwrap();
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

#[test]
fn a_machine_that_is_installed_again_takes_its_own_seat() {
    let mut vendor = Vendor::new();
    vendor.terms().deactivations = Some(0);
    let before = Device::activated(&mut vendor, "machine");
    let granted = vendor.clock.now();
    vendor.clock.advance_days(1);
    let after = Device::activated(&mut vendor, "machine");
    let seat = vendor.seat(after.handle());
    assert_eq!((seat.first_granted(), seat.granted()), (granted, granted.plus_days(1)));
    assert_eq!(vendor.seat(before.handle()).state(), SeatState::Replaced);
    let usage = vendor.usage();
    assert_eq!((usage.taken, usage.deactivated), (1, 0));
    assert_eq!(refused(&mut vendor, "another"), Some(ErrorKind::NoFreeSeat));
}

#[test]
fn two_systems_on_one_computer_take_their_seat_back_from_each_other() {
    let mut vendor = Vendor::new();
    let [one, other] = [(); 2].map(|()| Device::activated(&mut vendor, "machine"));
    for _ in 0..3 {
        for (device, replaced) in [(&one, &other), (&other, &one)] {
            check_in(device, &mut vendor).unwrap();
            assert_eq!(device.verdict(), Verdict::Active);
            let states = [device, replaced].map(|device| vendor.seat(device.handle()).state());
            assert_eq!((states, vendor.usage().taken), ([SeatState::Active, SeatState::Replaced], 1));
        }
    }
    let given_up = other.client().deactivate_offline(Reason::Moved).unwrap();
    vendor.redeem(given_up.proof()).unwrap();
    check_in(&one, &mut vendor).unwrap();
    assert!(matches!(one.verdict(), Verdict::Revoked { .. }), "the machine's seat is over");
}

#[test]
fn an_echo_of_a_check_in_takes_no_seat_back() {
    let mut vendor = Vendor::new();
    let before = Device::activated(&mut vendor, "machine");
    let echo = before.client().check_in_offline().unwrap().to_bytes();
    vendor.check_in(&echo).unwrap();
    let after = Device::activated(&mut vendor, "machine");
    assert_eq!(vendor.check_in(&echo).unwrap_err().kind(), ErrorKind::Outdated);
    assert_eq!(vendor.seat(after.handle()).state(), SeatState::Active);
}

#[test]
fn a_machine_is_installed_again_five_times_a_year_and_once_without_a_lease() {
    for (lease_days, allowed) in [(Some(90), 5), (None, 1)] {
        let mut vendor = Vendor::new();
        vendor.terms().lease_days = lease_days;
        for _ in 0..=allowed {
            Device::activated(&mut vendor, "machine");
        }
        assert_eq!(refused(&mut vendor, "machine"), Some(ErrorKind::NoFreeSeat), "{allowed}");
        vendor.sell(2);
        Device::activated(&mut vendor, "machine");
        assert_eq!(vendor.usage().taken, 2, "a free seat is given all the same");
    }
}

#[test]
fn a_request_that_is_older_than_the_seat_takes_nothing() {
    let mut vendor = Vendor::new();
    let late = Device::new(&vendor, "machine").client().begin(vendor.license_key()).unwrap();
    vendor.clock.advance_days(2);
    let seat = Device::activated(&mut vendor, "machine");
    assert_eq!(vendor.activate(&late.to_bytes()).unwrap_err().kind(), ErrorKind::Outdated);
    assert_eq!(vendor.seat(seat.handle()).state(), SeatState::Active);
}

#[test]
fn cancelling_a_seat_that_joined_is_a_counted_deactivation() {
    for (allowed, state) in [(1, SeatState::Returned), (0, SeatState::Held)] {
        let mut vendor = Vendor::new();
        vendor.terms().deactivations = Some(allowed);
        Device::activated(&mut vendor, "machine");
        let again = Device::new(&vendor, "machine");
        let request = again.client().begin(vendor.license_key()).unwrap();
        vendor.activate(&request.to_bytes()).unwrap();
        vendor.redeem(&again.client().cancel().unwrap().to_bytes()).unwrap();
        assert_eq!(vendor.seat(request.request().handle).state(), state);
        assert_eq!(vendor.usage().deactivated, allowed);
    }
}

#[test]
fn one_seat_per_machine_holds_also_when_a_seat_is_free() {
    let mut vendor = Vendor::new();
    vendor.sell(3);
    vendor.terms().one_seat_per_machine = true;
    for _ in 0..2 {
        Device::activated(&mut vendor, "machine");
        assert_eq!(vendor.usage().taken, 1);
    }
    Device::activated(&mut vendor, "another");
    assert_eq!(vendor.usage().taken, 2);
}

/// How many requests found no seat of their machine.
fn unmatched(vendor: &mut Vendor) -> u32 {
    let license = vendor.terms().id;
    match vendor.ledger.find(&Query::Count(license, Counting::Unmatched)).unwrap() {
        Found::Count(count) => count.count(),
        other => panic!("{other:?}"),
    }
}

/// So many requests found no seat of their machine.
fn set_unmatched(vendor: &mut Vendor, count: u32, since: Timestamp) {
    let count = serde_json::from_value(json!({ "count": count, "since": since })).unwrap();
    let license = vendor.terms().id;
    vendor.ledger.store(Change::Count(license, Counting::Unmatched, count)).unwrap();
}

#[test]
fn a_hundred_requests_a_year_may_find_no_seat_of_their_machine() {
    let mut vendor = Vendor::new();
    Device::activated(&mut vendor, "machine");
    let asked = |vendor: &Vendor, name: &str| {
        Device::new(vendor, name).client().begin(vendor.license_key()).unwrap().to_bytes()
    };
    let answered =
        |vendor: &mut Vendor, request: &[u8]| vendor.activate(request).err().map(|error| error.kind());
    // Devices that wait for a seat ask again, which counts nothing. Nor does a machine that finds its seat.
    let waiting = ["one", "another"].map(|name| asked(&vendor, name));
    for request in waiting.iter().cycle().take(6) {
        assert_eq!(answered(&mut vendor, request), Some(ErrorKind::NoFreeSeat));
    }
    Device::activated(&mut vendor, "machine");
    assert_eq!(unmatched(&mut vendor), 2);

    let now = vendor.clock.now();
    set_unmatched(&mut vendor, UNMATCHED_REQUESTS - 1, now);
    let last = asked(&vendor, "the last");
    assert_eq!(answered(&mut vendor, &last), Some(ErrorKind::NoFreeSeat));
    let machine = asked(&vendor, "machine");
    for request in [&machine, &last, &waiting[0]] {
        assert_eq!(answered(&mut vendor, request), Some(ErrorKind::NoFreeSeat));
    }
    assert_eq!(unmatched(&mut vendor), UNMATCHED_REQUESTS);
    // Only this rule is off.
    vendor.sell(2);
    assert_eq!(answered(&mut vendor, &waiting[0]), None);
    assert_eq!(vendor.usage().taken, 2);
    // A license of more seats has one for each, and a year later all begins anew.
    vendor.sell(UNMATCHED_REQUESTS + 1);
    set_unmatched(&mut vendor, UNMATCHED_REQUESTS, now);
    vendor.terms().one_seat_per_machine = true;
    assert_eq!(answered(&mut vendor, &machine), None);
    assert_eq!(vendor.usage().taken, 2);
    vendor.sell(2);
    let a_year_ago = Timestamp::from_unix_seconds(now.unix_seconds() - 365 * 86_400);
    for (since, expected) in [(now, Some(ErrorKind::NoFreeSeat)), (a_year_ago, None)] {
        set_unmatched(&mut vendor, UNMATCHED_REQUESTS, since);
        let again = asked(&vendor, "machine");
        assert_eq!(answered(&mut vendor, &again), expected);
    }
}

/// What comes of it when a device that has a license asks anew under the same one, on that machine.
fn asking_anew(
    vendor: &mut Vendor,
    device: &Device,
    name: &'static str,
    is_virtual: bool,
) -> Option<ErrorKind> {
    vendor.clock.advance_days(1);
    let builder = device.builder().replace_license(true).probe(move || probe(name, is_virtual));
    let client = builder.build().unwrap();
    let request = client.begin(vendor.license_key()).unwrap().to_bytes();
    match vendor.activate(&request) {
        Ok(license) => drop(client.accept(&license).unwrap()),
        Err(refused) => {
            client.cancel().unwrap();
            return Some(refused.kind());
        }
    }
    None
}

/// The store was copied to many machines with its device key, as in an image that was made after a first start.
#[test]
fn a_machine_finds_its_own_seat_among_many_of_one_device_key() {
    let mut vendor = Vendor::new();
    vendor.sell(200);
    let device = Device::activated(&mut vendor, "machine");
    let before = device.handle();
    let elsewhere = Device::activated(&mut vendor, "another").handle();
    let mut record = serde_json::to_value(vendor.seat(before)).unwrap();
    record["fingerprint"] = serde_json::to_value(vendor.seat(elsewhere)).unwrap()["fingerprint"].clone();
    record["granted"] = serde_json::to_value(vendor.clock.now_plus(1)).unwrap();
    for number in 0..MAX_SEATS_OF_DEVICE {
        record["seat"] = Handle::new(number.try_into().unwrap()).unwrap().to_string().into();
        let seat: Seat = serde_json::from_value(record.clone()).unwrap();
        vendor.ledger.seats.insert(seat.name(), seat);
    }
    let taken = vendor.usage().taken;
    assert_eq!(asking_anew(&mut vendor, &device, "machine", false), None);
    assert_eq!((vendor.seat(before).state(), vendor.usage().taken), (SeatState::Replaced, taken));
}

/// The network may deliver a check-in of a store that was lost after its device has asked for another seat.
#[test]
fn a_late_check_in_of_an_earlier_seat_of_its_device_takes_nothing_back() {
    let mut vendor = Vendor::new();
    vendor.terms().reinstalls = Some(5);
    let device = Device::activated(&mut vendor, "machine");
    let before = device.handle();
    let late = device.client().check_in_offline().unwrap().to_bytes();
    assert_eq!(asking_anew(&mut vendor, &device, "machine", false), None);
    assert_eq!(vendor.check_in(&late).unwrap_err().kind(), ErrorKind::Outdated);
    assert_eq!(vendor.seat(before).state(), SeatState::Replaced);
    assert_eq!(vendor.seat(device.handle()).state(), SeatState::Active);
    // What the device gives up now is the seat that counts.
    vendor.redeem(device.client().deactivate_offline(Reason::Moved).unwrap().proof()).unwrap();
    assert_eq!(vendor.usage().taken, 0);
}

#[test]
fn a_device_that_asks_anew_takes_its_own_seat() {
    for seats in [1, 2] {
        let mut vendor = Vendor::new();
        vendor.sell(seats);
        vendor.terms().deactivations = Some(0);
        vendor.terms().reinstalls = Some(1);
        let device = Device::activated(&mut vendor, "machine");
        let before = device.handle();
        assert_eq!(asking_anew(&mut vendor, &device, "machine", false), None);
        assert_ne!(device.handle(), before);
        assert_eq!(vendor.seat(before).state(), SeatState::Replaced);
        // It gives up what it had, which uses nothing up.
        let given_up = device.client().outstanding().unwrap();
        vendor.redeem(given_up[0].proof()).unwrap();
        assert_eq!(vendor.seat(before).state(), SeatState::Returned);
        let usage = vendor.usage();
        assert_eq!((usage.taken, usage.deactivated), (1, 0), "of {seats}");
        check_in(&device, &mut vendor).unwrap();
        assert_eq!(device.verdict(), Verdict::Active);
        // As often as a machine may be installed again.
        let expected = (seats == 1).then_some(ErrorKind::NoFreeSeat);
        assert_eq!(asking_anew(&mut vendor, &device, "machine", false), expected, "of {seats}");
    }
}

#[test]
fn a_request_that_comes_after_its_successor_takes_no_seat_from_it() {
    let mut vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    let late = device.client().begin(vendor.license_key()).unwrap().to_bytes();
    device.client().cancel().unwrap();
    vendor.clock.set(vendor.clock.now().unix_seconds() + 1);
    // The next request goes alone, and the network keeps the first one back.
    let next = device.client().begin(vendor.license_key()).unwrap();
    device.client().accept(&vendor.activate(next.request().as_bytes()).unwrap()).unwrap();
    // Both dates are by one clock, so a second tells them apart.
    assert_eq!(vendor.activate(&late).unwrap_err().kind(), ErrorKind::Outdated);
    assert_eq!(vendor.seat(device.handle()).state(), SeatState::Active);
    vendor.sell(2);
    vendor.activate(&late).unwrap();
    assert_eq!(vendor.seat(device.handle()).state(), SeatState::Active);
    assert_eq!(vendor.usage().taken, 2);
}

#[test]
fn asking_anew_a_virtual_machine_takes_its_own_seat_and_a_copy_of_the_store_elsewhere_does_not() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let before = device.handle();
    assert_eq!(asking_anew(&mut vendor, &device, "another", false), Some(ErrorKind::NoFreeSeat));
    assert_eq!(vendor.seat(before).state(), SeatState::Active);
    assert_eq!(asking_anew(&mut vendor, &device, "machine", true), None);
    assert_eq!((vendor.seat(before).state(), vendor.usage().taken), (SeatState::Replaced, 1));
}

/// What a request of a new machine that names a seat comes to.
fn replacing(vendor: &mut Vendor, name: &str, seat: Handle) -> (Device, Vec<u8>, Option<ErrorKind>) {
    let device = Device::new(vendor, name);
    let request = device
        .client()
        .begin(nodelock::ActivationRequestOptions::of_key(vendor.license_key()).instead_of(seat))
        .unwrap()
        .to_bytes();
    let refused = match vendor.activate(&request) {
        Ok(license) => device.client().accept(&license).err(),
        Err(refused) => Some(refused),
    };
    (device, request, refused.map(|error| error.kind()))
}

#[test]
fn a_request_replaces_the_seat_that_it_names_once_it_is_silent() {
    let mut vendor = Vendor::new();
    let silent = Device::activated(&mut vendor, "silent");
    let seat = silent.handle();
    vendor.clock.advance_days(6);
    assert_eq!(replacing(&mut vendor, "too early", seat).2, Some(ErrorKind::NoFreeSeat));
    vendor.clock.advance_days(1);
    let (device, request, refused) = replacing(&mut vendor, "another", seat);
    assert_eq!((refused, device.verdict()), (None, Verdict::Active));
    assert_eq!((vendor.seat(seat).state(), vendor.usage().taken), (SeatState::Revoked, 1));
    // Repeating it replaces once.
    vendor.activate(&request).unwrap();
    assert_eq!(vendor.seat(device.handle()).state(), SeatState::Active);
    check_in(&silent, &mut vendor).unwrap();
    assert!(matches!(silent.verdict(), Verdict::Revoked { .. }), "{:?}", silent.verdict());
}

#[test]
fn a_license_has_one_seat_replaced_a_year_and_fewer_when_it_was_in_use() {
    let mut vendor = Vendor::new();
    let first = Device::activated(&mut vendor, "first");
    vendor.terms().replace = Some(3);
    vendor.clock.advance_days(7);
    let (second, _, refused) = replacing(&mut vendor, "second", first.handle());
    assert_eq!(refused, None);
    // It is alive after all, which is counted once.
    for _ in 0..2 {
        let answer = vendor.check_in(&first.client().check_in_offline().unwrap().to_bytes()).unwrap();
        assert!(answer.revocation.is_some());
    }
    vendor.clock.advance_days(7);
    let (third, _, refused) = replacing(&mut vendor, "third", second.handle());
    assert_eq!(refused, None);
    vendor.clock.advance_days(7);
    assert_eq!(replacing(&mut vendor, "fourth", third.handle()).2, Some(ErrorKind::NoFreeSeat));

    for (lease_days, expected) in [(None, Some(ErrorKind::NoFreeSeat)), (Some(90), None)] {
        let mut vendor = Vendor::new();
        vendor.terms().lease_days = lease_days;
        let first = Device::activated(&mut vendor, "first");
        vendor.clock.advance_days(7);
        assert_eq!(replacing(&mut vendor, "second", first.handle()).2, expected, "{lease_days:?}");
    }
}

#[test]
fn a_seat_that_is_named_keeps_its_place_while_another_one_is_free() {
    let mut vendor = Vendor::new();
    vendor.sell(2);
    let first = Device::activated(&mut vendor, "first");
    vendor.clock.advance_days(7);
    assert_eq!(replacing(&mut vendor, "second", first.handle()).2, None);
    assert_eq!((vendor.seat(first.handle()).state(), vendor.usage().taken), (SeatState::Active, 2));
}
