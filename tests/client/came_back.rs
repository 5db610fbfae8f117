//! A machine whose seat was released comes back, and the vendor learns of it (docs/PROTOCOL.md, Forced release).

use crate::support::vendor::{Device, Vendor};
use nodelock::{
    Reason,
    authority::{
        ActivationFile, CheckInClaim, Records, ReleaseClaim, SeatName,
        decision::{self, EventKind, Moment, Refusal, Step},
    },
};

/// Does an act: the words of what was noted of machines that came back.
fn returns(vendor: &mut Vendor, act: &dyn Fn(&Records, &Moment) -> Result<Step, Refusal>) -> Vec<String> {
    let moment = vendor.moment();
    let decision = decision::settle(&mut vendor.ledger, |records| act(records, &moment)).unwrap();
    let events = decision.events.into_iter().filter(|event| event.kind == EventKind::CameBack);
    events.map(|event| event.detail).collect()
}

/// What its device may say: a check-in and a proof, and its request, which a copy of the store has.
struct Messages {
    seat: SeatName,
    check_in: CheckInClaim,
    proof: ReleaseClaim,
    request: ActivationFile,
}

fn released(vendor: &mut Vendor) -> Messages {
    let device = Device::new(vendor, "machine");
    let request = device.client().begin(vendor.license_key()).unwrap().to_bytes();
    let license = vendor.activate(&request).unwrap();
    device.client().accept(&license).unwrap();
    let check_in = device.client().check_in_offline().unwrap().to_bytes();
    let seat = vendor.seat(device.handle()).name();
    vendor.force_release(seat.handle, "lost");
    Messages {
        seat,
        check_in: CheckInClaim::read(&check_in).unwrap(),
        proof: ReleaseClaim::read(device.client().deactivate_offline(Reason::Moved).unwrap().proof())
            .unwrap(),
        request: ActivationFile::read(&request).unwrap(),
    }
}

#[test]
fn a_released_machine_that_comes_back_is_noted_once_a_day_however_it_speaks() {
    let mut vendor = Vendor::new();
    let Messages { seat, check_in, proof, request } = released(&mut vendor);
    let by_check_in = |vendor: &mut Vendor| returns(vendor, &|r, m| decision::check_in(&check_in, r, m));
    let by_proof = |vendor: &mut Vendor| returns(vendor, &|r, m| decision::redeem(&proof, r, m));
    let by_request = |vendor: &mut Vendor| returns(vendor, &|r, m| decision::activate(&request, None, r, m));
    assert_eq!(by_request(&mut vendor), ["request"]);
    for _ in 0..2 {
        let noted = [by_request(&mut vendor), by_check_in(&mut vendor), by_proof(&mut vendor)];
        assert_eq!(noted.concat(), [""; 0], "it was noted today");
    }
    assert_eq!(vendor.seat(seat.handle).came_back(), 1);
    vendor.clock.advance_days(1);
    assert_eq!(by_check_in(&mut vendor), ["check-in"]);
    vendor.clock.advance_days(1);
    assert_eq!(by_request(&mut vendor), ["request"]);
    let seat = vendor.seat(seat.handle);
    assert_eq!((seat.came_back(), seat.came_back_at()), (3, Some(vendor.moment().now)));
}

#[test]
fn a_proof_that_comes_after_the_release_is_noted_and_its_echo_is_not() {
    let mut vendor = Vendor::new();
    let Messages { seat, proof, .. } = released(&mut vendor);
    let by_proof = |vendor: &mut Vendor| returns(vendor, &|r, m| decision::redeem(&proof, r, m));
    assert_eq!(by_proof(&mut vendor), ["proof"]);
    vendor.clock.advance_days(2);
    assert_eq!(by_proof(&mut vendor), [""; 0]);
    assert_eq!(vendor.seat(seat.handle).came_back(), 1);
}

#[test]
fn an_echo_of_a_check_in_from_before_the_release_is_no_return() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let (seat, check_in) = (device.handle(), device.client().check_in_offline().unwrap().to_bytes());
    vendor.check_in(&check_in).unwrap();
    vendor.force_release(seat, "lost");
    vendor.check_in(&check_in).unwrap();
    assert_eq!(vendor.seat(seat).came_back(), 0);
    let after = device.client().check_in_offline().unwrap().to_bytes();
    vendor.check_in(&after).unwrap();
    let seat = vendor.seat(seat);
    assert_eq!((seat.came_back(), seat.came_back_at()), (1, Some(vendor.moment().now)));
}
