//! Activations that wait for the vendor's approval (docs/PROTOCOL.md, Approval).

use crate::support::vendor::{Device, PRODUCT, Vendor};
use nodelock::{
    Error, ErrorKind, Reason, Renewal, Store, Verdict,
    authority::{
        APPROVAL_LASTS, Approval, ApprovalPolicy, ApprovalState, MAX_REASON, SeatState,
        decision::{self, EventKind},
    },
    code::Handle,
    testing::{Machine, TestAuthority},
};
use std::time::Duration;

/// A vendor of so many seats, who approves each activation.
fn vendor(seats: u32) -> Vendor {
    let mut vendor = Vendor::new();
    vendor.sell(seats);
    vendor.terms().approval = ApprovalPolicy::Required;
    vendor
}

/// A device that has asked for a seat, its request, and the seat's name.
fn asked(vendor: &mut Vendor, name: &str) -> (Device, Vec<u8>, Handle) {
    let device = Device::new(vendor, name);
    let request = device.client().begin(vendor.license_key()).unwrap();
    let (handle, request) = (request.request().handle, request.to_bytes());
    assert_eq!(refused(vendor, &request), ErrorKind::ApprovalWanted);
    (device, request, handle)
}

fn refused(vendor: &mut Vendor, request: &[u8]) -> ErrorKind {
    vendor.activate(request).unwrap_err().kind()
}

fn approval(vendor: &Vendor, handle: Handle) -> &Approval {
    vendor.ledger.approvals().find(|approval| approval.name().handle == handle).unwrap()
}

/// Approves each request and has it granted.
fn granted(vendor: &mut Vendor, name: &str) -> Device {
    let (device, request, handle) = asked(vendor, name);
    vendor.approve(handle).unwrap();
    device.client().accept(&vendor.activate(&request).unwrap()).unwrap();
    device
}

#[test]
fn a_request_waits_and_the_same_one_gets_its_license_once_it_is_approved() {
    let mut vendor = vendor(1);
    let (device, request, handle) = asked(&mut vendor, "desk");
    assert_eq!(refused(&mut vendor, &request), ErrorKind::ApprovalWanted);
    assert_eq!(vendor.ledger.approvals().count(), 1, "the same request waits once");
    assert_eq!(approval(&vendor, handle).state(), ApprovalState::Waiting);
    assert!(vendor.ledger.seats.is_empty(), "it takes no seat");
    vendor.approve(handle).unwrap();
    assert!(vendor.ledger.seats.is_empty(), "nor does the approval");
    device.client().accept(&vendor.activate(&request).unwrap()).unwrap();
    assert_eq!((device.verdict(), vendor.usage().activated), (Verdict::Active, 1));
    // What was granted waits no more.
    assert_eq!(vendor.refuse(handle, "").unwrap_err().kind(), ErrorKind::UnknownSeat);
    vendor.activate(&request).unwrap();
}

#[test]
fn it_is_noted_once_that_a_request_waits_is_approved_and_is_refused() {
    let mut vendor = vendor(1);
    let device = Device::new(&vendor, "desk");
    let request = device.client().begin(vendor.license_key()).unwrap();
    let (file, moment) = (request.to_bytes(), vendor.moment());
    let file = nodelock::authority::ActivationFile::read(&file).unwrap();
    let mut noted = Vec::new();
    for _ in 0..2 {
        let act = |records: &_| decision::activate(&file, None, records, &moment);
        noted.extend(decision::settle(&mut vendor.ledger, act).unwrap().events);
    }
    let name = noted[0].seat.unwrap();
    for _ in 0..2 {
        let act = |records: &_| decision::approve(name, records, &moment);
        noted.extend(decision::settle(&mut vendor.ledger, act).unwrap().events);
    }
    for _ in 0..2 {
        let act = |records: &_| decision::refuse_request(name, "not this one", records, &moment);
        noted.extend(decision::settle(&mut vendor.ledger, act).unwrap().events);
    }
    let kinds: Vec<_> = noted.iter().map(|event| event.kind).collect();
    let expected = [EventKind::RequestWaiting, EventKind::RequestApproved, EventKind::RequestRefused];
    assert_eq!(kinds, expected);
    assert!(noted.iter().all(|event| event.seat == Some(name) && event.license == Some(vendor.terms().id)));
    assert_eq!(noted[2].reason, "not this one");
}

#[test]
fn an_approval_reserves_no_seat_and_lasts_for_thirty_days() {
    let mut vendor = vendor(1);
    let (first, first_request, first_handle) = asked(&mut vendor, "first");
    let (second, second_request, second_handle) = asked(&mut vendor, "second");
    vendor.approve(first_handle).unwrap();
    vendor.approve(second_handle).unwrap();
    first.client().accept(&vendor.activate(&first_request).unwrap()).unwrap();
    // The last seat went to the one who came first.
    assert_eq!(refused(&mut vendor, &second_request), ErrorKind::NoFreeSeat);
    vendor.redeem(first.client().deactivate_offline(Reason::Moved).unwrap().proof()).unwrap();
    let days = APPROVAL_LASTS.as_secs() / 86_400;
    vendor.clock.advance_days(days - 1);
    let approved = vendor.clone();
    vendor.clock.advance_days(1);
    assert_eq!(refused(&mut vendor, &second_request), ErrorKind::ApprovalWanted);
    assert_eq!(approval(&vendor, second_handle).state(), ApprovalState::Waiting);
    assert_eq!(approval(&vendor, second_handle).ends(), None);
    vendor.approve(second_handle).unwrap();
    second.client().accept(&vendor.activate(&second_request).unwrap()).unwrap();
    // A day before it was good without another word.
    assert_eq!(approval(&approved, second_handle).ends(), Some(vendor.clock.now_plus(0)));
}

#[test]
fn a_refused_request_hears_why_and_an_approval_is_taken_back_until_it_is_used() {
    let mut vendor = vendor(1);
    let (_, request, handle) = asked(&mut vendor, "desk");
    vendor.approve(handle).unwrap();
    vendor.refuse(handle, "this license is for the lab").unwrap();
    let error: Error = vendor.activate(&request).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestRefused);
    assert!(error.to_string().ends_with(": this license is for the lab"), "{error}");
    assert_eq!(vendor.approve(handle).unwrap_err().kind(), ErrorKind::RequestRefused);
    vendor.refuse(handle, "another word").unwrap();
    assert_eq!(approval(&vendor, handle).reason(), "this license is for the lab", "the first word stands");
    let (_, _, handle) = asked(&mut vendor, "other");
    let long = "reason ".repeat(MAX_REASON);
    // A device shows nothing that may be a license key, and so would hide the last two.
    let hidden = ["write to licenses-and-seats@example.com", "these seats never serve users"];
    for wrong in [&long[..=MAX_REASON], "two\nlines", hidden[0], hidden[1]] {
        assert_eq!(vendor.refuse(handle, wrong).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    vendor.refuse(handle, &long[..MAX_REASON]).unwrap();
}

#[test]
fn what_takes_the_place_of_a_seat_needs_no_approval() {
    // Installed again, with no seat free, and with one that is free.
    for one_seat in [false, true] {
        let mut vendor = vendor(if one_seat { 2 } else { 1 });
        vendor.terms().one_seat_per_machine = one_seat;
        let before = granted(&mut vendor, "machine").handle();
        let after = Device::activated(&mut vendor, "machine").handle();
        assert_eq!(vendor.seat(before).state(), SeatState::Replaced);
        assert_eq!(vendor.seat(after).state(), SeatState::Active);
    }
    // Renewed; held and taken again; lost and recovered.
    let mut vendor = vendor(2);
    vendor.terms().deactivations = Some(0);
    let folder = tempfile::tempdir().unwrap();
    let device = Device::with_store(&vendor, "machine", Store::in_directory(folder.path(), None));
    let request = device.client().begin(vendor.license_key()).unwrap();
    assert_eq!(refused(&mut vendor, &request.to_bytes()), ErrorKind::ApprovalWanted);
    vendor.approve(request.request().handle).unwrap();
    vendor.terms().deactivations = Some(1);
    device.client().accept(&vendor.activate(&request.to_bytes()).unwrap()).unwrap();
    vendor.terms().deactivations = Some(0);
    device.check_in(&mut vendor);
    vendor.terms().deactivations = Some(1);
    device.check_in(&mut vendor);
    vendor.terms().deactivations = Some(0);
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    vendor.redeem(given_up.proof()).unwrap();
    assert_eq!(vendor.seat(given_up.handle()).state(), SeatState::Held);
    device.activate(&mut vendor);
    std::fs::write(folder.path().join("state"), "damaged").unwrap();
    let recovery = device.client().recover_offline().unwrap().to_bytes();
    device.client().accept(&vendor.activate(&recovery).unwrap()).unwrap();
    assert_eq!(device.verdict(), Verdict::Active);
    // One that names another computer's seat is new.
    let other = Device::new(&vendor, "other");
    vendor.sell(1);
    vendor.clock.advance_days(8);
    let options = nodelock::ActivationRequestOptions::of_key(vendor.license_key());
    let request = other.client().begin(options.instead_of(device.handle())).unwrap().to_bytes();
    assert_eq!(refused(&mut vendor, &request), ErrorKind::ApprovalWanted);
    assert_eq!(vendor.seat(device.handle()).state(), SeatState::Active, "and it replaces nothing before");
}

#[test]
fn a_request_that_is_cancelled_while_it_waits_gets_no_seat() {
    let mut vendor = vendor(1);
    let (device, request, handle) = asked(&mut vendor, "desk");
    vendor.approve(handle).unwrap();
    vendor.redeem(&device.client().cancel().unwrap().to_bytes()).unwrap();
    assert_eq!(vendor.approve(handle).unwrap_err().kind(), ErrorKind::UnknownSeat);
    assert_eq!(refused(&mut vendor, &request), ErrorKind::RequestCancelled);
}

#[test]
fn an_application_keeps_asking_and_ends_its_request_when_it_is_refused() {
    let authority = TestAuthority::new(PRODUCT);
    let license_key =
        authority.vendor().sell_with(2, |terms| terms.approval = ApprovalPolicy::Required).unwrap();
    let start = Duration::from_secs(1);
    let client = authority.client(&Machine::new("desk")).build().unwrap();
    let refused = client.online().activate(&license_key).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ApprovalWanted);
    let handle = client.pending().unwrap().expect("it waits").request().handle;
    authority.vendor().approve(handle).unwrap();
    let started = client.start(start).unwrap();
    assert!(started.status().is_usable() && matches!(started.renewal(), Renewal::Done));

    let other = authority.client(&Machine::new("other")).build().unwrap();
    other.online().activate(&license_key).unwrap_err();
    let handle = other.pending().unwrap().expect("it waits").request().handle;
    authority.vendor().refuse(handle, "ask in the lab").unwrap();
    let started = other.start(start).unwrap();
    let Renewal::Due(why) = started.renewal() else { panic!("{:?}", started.renewal()) };
    assert_eq!(why.kind(), ErrorKind::RequestRefused);
    assert!(why.to_string().ends_with("ask in the lab"), "{why}");
    assert!(other.pending().unwrap().is_none(), "it waits no more");
}
