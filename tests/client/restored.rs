//! A ledger that was restored to an earlier copy, and how it is healed (docs/PROTOCOL.md, The ledger was restored).

use crate::support::{
    vendor::{Device, MemoryLedger, TestClock, Vendor, builder},
    watched::Watched,
    wire::Wire,
};
use nodelock::{
    Clock as _, Error, ErrorKind, LicenseId, Outcome, Reason, Result, Roots, SigningKey, Store, SystemRandom,
    Timestamp, Verdict,
    authority::{
        ActivationFile, CheckInClaim, Disagreement, LicenseTerms, Records, Seat, SeatState, SeatTrail,
        TrailLine,
        decision::{self, EventKind, Moment, Note, Refusal, Step},
    },
    code::{Handle, LicenseKey},
};

/// The vendor goes on for a day, under a page that no copy from before has.
fn next_day(vendor: &mut Vendor) {
    vendor.clock.advance_days(1);
    let outside = Some(vendor.page);
    vendor.note(Note { outside, ..Note::default() });
}

/// The ledger is as it was, and its host starts with the page that lies beside the keys.
fn restore(vendor: &mut Vendor, copy: &MemoryLedger) {
    vendor.ledger = copy.clone();
    let outside = Some(vendor.page);
    let history = vendor.note(Note { outside, ..Note::default() });
    assert_eq!(history.gaps().len(), 1);
}

/// A check-in that is carried by hand, and its answer taken in.
fn check_in(device: &Device, vendor: &mut Vendor) -> Result<()> {
    let answer = vendor.check_in(&device.client().check_in_offline()?.to_bytes())?;
    device.client().accept(&answer.to_bytes()).map(drop)
}

/// What is noted of a device's check-in, with its words.
fn noted(device: &Device, vendor: &Vendor) -> Vec<(EventKind, String)> {
    let claim = CheckInClaim::read(&device.client().check_in_offline().unwrap().to_bytes()).unwrap();
    let moment = vendor.moment();
    let act = |records: &_| decision::check_in(&claim, records, &moment);
    let decision = decision::settle(&mut vendor.ledger.clone(), act).unwrap();
    decision.events.into_iter().map(|event| (event.kind, event.detail)).collect()
}

/// A request of a new machine, refused for want of a seat or not. It is cancelled again.
fn refused(vendor: &mut Vendor, name: &str) -> Option<ErrorKind> {
    let device = Device::new(vendor, name);
    let request = device.client().begin(vendor.license_key()).unwrap().to_bytes();
    let refused = vendor.activate(&request).err().map(|error| error.kind());
    vendor.redeem(&device.client().cancel().unwrap().to_bytes()).unwrap();
    refused
}

fn find(vendor: &Vendor, handle: Handle) -> Option<&Seat> {
    vendor.ledger.seats.values().find(|seat| seat.handle() == handle)
}

#[test]
fn a_seat_that_the_ledger_lost_is_entered_again_and_renewed() {
    let mut vendor = Vendor::new();
    let copy = vendor.ledger.clone();
    next_day(&mut vendor);
    let device = Device::activated(&mut vendor, "machine");
    let handle = device.handle();
    restore(&mut vendor, &copy);
    let alone = device.client().check_in_offline().unwrap();
    let wanted = vendor.check_in(alone.request().as_bytes()).unwrap_err();
    assert_eq!(wanted.kind(), ErrorKind::LicenseWanted);
    assert!(find(&vendor, handle).is_none());
    assert!(noted(&device, &vendor).contains(&(EventKind::Healed, "the ledger had lost this seat".into())));
    check_in(&device, &mut vendor).unwrap();
    let seat = vendor.seat(handle);
    assert_eq!((seat.state(), seat.revision(), seat.copies()), (SeatState::Active, 2, 0));
    assert_eq!((device.verdict(), vendor.usage().taken), (Verdict::Active, 1));
    assert_eq!(refused(&mut vendor, "another"), Some(ErrorKind::NoFreeSeat));
    // It is a seat like any other from now on.
    check_in(&device, &mut vendor).unwrap();
    assert_eq!(vendor.seat(handle).copies(), 0);
    vendor.redeem(device.client().deactivate_offline(Reason::Moved).unwrap().proof()).unwrap();
    assert_eq!(vendor.usage().taken, 0);
}

#[test]
fn a_seat_whose_latest_license_is_lost_is_lifted() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let copy = vendor.ledger.clone();
    vendor.terms().lease_days = Some(300);
    next_day(&mut vendor);
    check_in(&device, &mut vendor).unwrap();
    let ends = vendor.seat(device.handle()).ends();
    restore(&mut vendor, &copy);
    let alone = device.client().check_in_offline().unwrap();
    let wanted = vendor.check_in(alone.request().as_bytes()).unwrap_err();
    assert_eq!(wanted.kind(), ErrorKind::LicenseWanted);
    check_in(&device, &mut vendor).unwrap();
    let seat = vendor.seat(device.handle());
    assert_eq!((seat.revision(), seat.copies(), seat.ends()), (3, 0, ends));
}

#[test]
fn seats_beyond_what_was_sold_are_renewed_and_flagged_and_no_new_one_is_granted() {
    let mut vendor = Vendor::new();
    let copy = vendor.ledger.clone();
    next_day(&mut vendor);
    let lost = Device::activated(&mut vendor, "lost");
    restore(&mut vendor, &copy);
    // The ledger does not know better.
    let new = Device::activated(&mut vendor, "new");
    let words = "the ledger had lost this seat; 1 seats more than were sold are taken";
    assert!(noted(&lost, &vendor).contains(&(EventKind::Healed, words.into())));
    check_in(&lost, &mut vendor).unwrap();
    check_in(&new, &mut vendor).unwrap();
    assert_eq!(vendor.usage().taken, 2);
    vendor.redeem(new.client().deactivate_offline(Reason::Moved).unwrap().proof()).unwrap();
    assert_eq!(refused(&mut vendor, "third"), Some(ErrorKind::NoFreeSeat));
    vendor.redeem(lost.client().deactivate_offline(Reason::Moved).unwrap().proof()).unwrap();
    assert_eq!(refused(&mut vendor, "third"), None);
}

#[test]
fn a_request_that_is_dated_ahead_keeps_no_lost_seat_of_its_machine_from_healing() {
    let mut vendor = Vendor::new();
    let copy = vendor.ledger.clone();
    next_day(&mut vendor);
    let lost = Device::activated(&mut vendor, "machine");
    restore(&mut vendor, &copy);
    let ahead = Device::new(&vendor, "machine");
    let clock = TestClock::at(vendor.clock.now_plus(7).unix_seconds());
    let client = ahead.builder().clock(clock).build().unwrap();
    let request = client.begin(vendor.license_key()).unwrap();
    vendor.activate(request.request().as_bytes()).unwrap();
    let words = "the ledger had lost this seat; 1 seats more than were sold are taken";
    assert!(noted(&lost, &vendor).contains(&(EventKind::Healed, words.into())));
    check_in(&lost, &mut vendor).unwrap();
    assert_eq!(vendor.usage().taken, 2);
}

#[test]
fn that_a_seat_ended_is_not_forgotten_for_a_license() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let copy = vendor.ledger.clone();
    next_day(&mut vendor);
    check_in(&device, &mut vendor).unwrap();
    restore(&mut vendor, &copy);
    vendor.force_release(device.handle(), "stolen");
    check_in(&device, &mut vendor).unwrap();
    assert!(matches!(device.verdict(), Verdict::Revoked { .. }), "{:?}", device.verdict());
}

#[test]
fn what_the_device_held_before_ends_when_its_lost_seat_is_entered_again() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let before = device.handle();
    let copy = vendor.ledger.clone();
    next_day(&mut vendor);
    vendor.redeem(device.client().deactivate_offline(Reason::Moved).unwrap().proof()).unwrap();
    device.activate(&mut vendor);
    restore(&mut vendor, &copy);
    check_in(&device, &mut vendor).unwrap();
    assert_eq!(vendor.seat(before).state(), SeatState::Returned);
    let usage = vendor.usage();
    assert_eq!((usage.taken, usage.deactivated), (1, 0));
}

#[test]
fn a_machine_that_was_installed_again_in_the_lost_time_has_one_seat() {
    let mut vendor = Vendor::new();
    let before = Device::activated(&mut vendor, "machine").handle();
    let copy = vendor.ledger.clone();
    next_day(&mut vendor);
    let after = Device::activated(&mut vendor, "machine");
    restore(&mut vendor, &copy);
    check_in(&after, &mut vendor).unwrap();
    assert_eq!(vendor.seat(before).state(), SeatState::Replaced);
    assert_eq!(vendor.seat(after.handle()).machine(), vendor.seat(before).machine());
    assert_eq!(vendor.usage().taken, 1);
}

#[test]
fn a_license_that_was_sold_in_the_lost_time_goes_on_by_its_device_s_copy() {
    let mut vendor = Vendor::new();
    let mut copy = vendor.ledger.clone();
    next_day(&mut vendor);
    vendor.terms().deactivations = Some(4);
    let device = Device::activated(&mut vendor, "machine");
    let sold = vendor.terms().clone();
    let other = LicenseId::generate(&SystemRandom).unwrap();
    copy.terms = vec![LicenseTerms::new(other, "Another product", 1, vendor.clock.now())];
    restore(&mut vendor, &copy);
    let events = noted(&device, &vendor);
    let words = "the ledger had lost this license; it needs another key";
    assert!(events.contains(&(EventKind::Healed, words.into())), "{events:?}");
    check_in(&device, &mut vendor).unwrap();
    check_in(&device, &mut vendor).unwrap();
    let status = device.client().check().unwrap();
    let license = status.license().unwrap();
    assert_eq!((license.license_id, license.revision, license.deactivations_left), (sold.id, 3, Some(4)));
    assert_eq!((&license.licensee, &license.features), (&sold.licensee, &sold.features));
    assert_eq!(license.lease_until, Some(vendor.clock.now().plus_days(90)));
}

/// A vendor whose key a thief has too, who signs under pages that the ledger knows.
fn robbed() -> (Vendor, Device) {
    let vendor = Vendor::new();
    let mut thief = vendor.clone();
    let device = Device::activated(&mut thief, "thief's");
    (vendor, device)
}

#[test]
fn a_license_under_a_known_page_is_an_alarm_and_heals_nothing() {
    let (mut vendor, device) = robbed();
    let events = noted(&device, &vendor);
    assert!(matches!(&events[..], [(EventKind::StrangeLicense, _)]), "{events:?}");
    for _ in 0..2 {
        assert_eq!(check_in(&device, &mut vendor).unwrap_err().kind(), ErrorKind::UnknownSeat);
        assert!(vendor.ledger.seats.is_empty());
        // Once an hour is enough.
        assert!(noted(&device, &vendor).is_empty());
    }
    vendor.clock.advance_days(1);
    assert_eq!(noted(&device, &vendor).len(), 1);
}

#[test]
fn a_revision_that_is_only_claimed_is_no_alarm() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let license = device.client().check().unwrap().license().unwrap().to_text();
    check_in(&device, &mut vendor.clone()).unwrap();
    // It claims revision 2. The license of revision 1 comes along, which the ledger has.
    let alone = device.client().check_in_offline().unwrap().request().to_text();
    for (file, kind) in
        [(alone.clone(), ErrorKind::LicenseWanted), (alone + &license, ErrorKind::UnknownSeat)]
    {
        let (claim, moment) = (CheckInClaim::read(file.as_bytes()).unwrap(), vendor.moment());
        let act = |records: &_| decision::check_in(&claim, records, &moment);
        // A refusal stores nothing; an alarm would be a decision.
        let refused = decision::settle(&mut vendor.ledger, act).unwrap_err();
        assert_eq!(refused.kind(), kind);
        assert_eq!(vendor.seat(device.handle()).revision(), 1);
    }
}

#[test]
fn a_license_of_the_last_page_before_a_gap_heals() {
    let mut vendor = Vendor::new();
    let copy = vendor.ledger.clone();
    let device = Device::activated(&mut vendor, "machine");
    next_day(&mut vendor);
    restore(&mut vendor, &copy);
    check_in(&device, &mut vendor).unwrap();
    assert_eq!(vendor.usage().taken, 1);
}

#[test]
fn a_license_of_a_page_that_another_server_still_had_before_a_gap_heals() {
    for (seconds, heals) in [(240, true), (360, false)] {
        let mut vendor = Vendor::new();
        let page = vendor.page;
        // Another server notes a page, and this one goes on under its own. A copy is made.
        vendor.clock.set(vendor.clock.now().unix_seconds() + seconds);
        let outside = Some(vendor.page);
        vendor.note(Note { outside, ..Note::default() });
        let copy = vendor.ledger.clone();
        vendor.page = page;
        let device = Device::activated(&mut vendor, "machine");
        next_day(&mut vendor);
        restore(&mut vendor, &copy);
        assert_eq!(check_in(&device, &mut vendor).is_ok(), heals, "{seconds}");
        assert_eq!(vendor.usage().taken, u32::from(heals));
    }
}

#[test]
fn a_proof_that_came_before_its_lost_seat_ends_it() {
    let mut vendor = Vendor::new();
    let copy = vendor.ledger.clone();
    next_day(&mut vendor);
    let device = Device::activated(&mut vendor, "machine");
    let late = device.client().check_in_offline().unwrap().to_bytes();
    restore(&mut vendor, &copy);
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    assert_eq!(vendor.redeem(given_up.proof()).unwrap_err().kind(), ErrorKind::UnknownSeat);
    // The network delivers the check-in after the proof.
    assert!(vendor.check_in(&late).unwrap().revocation.is_some());
    assert_eq!(
        (find(&vendor, given_up.handle()).unwrap().state(), vendor.usage().taken),
        (SeatState::Returned, 0)
    );
    assert!(vendor.redeem(given_up.proof()).is_ok());
}

#[test]
fn an_unknown_page_is_an_alarm_where_the_ledger_is_known_to_be_whole() {
    for trusted in [false, true] {
        let mut vendor = Vendor::new();
        let mut thief = vendor.clone();
        thief.note(Note::default());
        let device = Device::activated(&mut thief, "thief's");
        let note = Note { outside: Some(vendor.page), trusted, ..Note::default() };
        vendor.note(note);
        let events = noted(&device, &vendor);
        let is_alarm = events.iter().any(|(kind, _)| *kind == EventKind::StrangeLicense);
        let is_gap = events.iter().any(|(kind, _)| *kind == EventKind::Healed);
        assert_eq!((is_alarm, is_gap), (trusted, !trusted), "{events:?}");
        assert_eq!(check_in(&device, &mut vendor).is_err(), trusted);
        assert_eq!(vendor.usage().taken, u32::from(!trusted));
    }
}

#[test]
fn what_was_lost_in_a_gap_heals_also_where_the_ledger_is_known_to_be_whole_since() {
    let mut vendor = Vendor::new();
    let copy = vendor.ledger.clone();
    next_day(&mut vendor);
    let device = Device::activated(&mut vendor, "machine");
    restore(&mut vendor, &copy);
    let note = Note { outside: Some(vendor.page), trusted: true, ..Note::default() };
    assert!(vendor.note(note).is_vouched_for());
    check_in(&device, &mut vendor).unwrap();
    assert_eq!(vendor.usage().taken, 1);
}

#[test]
fn a_license_that_shows_missing_history_begins_a_gap() {
    let mut vendor = Vendor::new();
    let copy = vendor.ledger.clone();
    next_day(&mut vendor);
    let device = Device::activated(&mut vendor, "machine");
    let issued = vendor.clock.now();
    vendor.ledger = copy;
    // Keys and ledger were rolled back together, so nothing has shown it yet.
    vendor.clock.advance_days(30);
    let history = vendor.note(Note { vouched: true, ..Note::default() });
    assert!(history.gaps().is_empty());
    check_in(&device, &mut vendor).unwrap();
    let outside = Some(vendor.page);
    let history = vendor.note(Note { outside, ..Note::default() });
    let [gap] = history.gaps() else { panic!("{history:?}") };
    assert!(gap.began() < issued && gap.ended() == vendor.clock.now());
}

#[test]
fn nothing_heals_by_a_license_of_another_device_or_another_authority() {
    let mut vendor = Vendor::new();
    let copy = vendor.ledger.clone();
    next_day(&mut vendor);
    vendor.sell(2);
    let [one, other] = ["one", "other"].map(|name| Device::activated(&mut vendor, name));
    restore(&mut vendor, &copy);
    let [of_one, of_other] = [&one, &other].map(|device| {
        let license = device.client().check().unwrap().license().unwrap().clone();
        let check_in = device.client().check_in_offline().unwrap();
        (check_in.request().to_text(), license.to_text())
    });
    let refused = |vendor: &mut Vendor, check_in: &str, license: &str| {
        vendor.check_in(format!("{check_in}\n{license}").as_bytes()).err().map(|error| error.kind())
    };
    assert_eq!(refused(&mut vendor, &of_one.0, &of_other.1), Some(ErrorKind::UnknownSeat));
    let roots = vendor.roots.clone();
    let stranger = SigningKey::generate(&SystemRandom).unwrap().public_key();
    for others in [Roots::new([stranger]), roots.clone().deny(issuer_of(&one))] {
        vendor.roots = others;
        assert_eq!(refused(&mut vendor, &of_one.0, &of_one.1), Some(ErrorKind::UnknownSeat));
    }
    vendor.roots = roots;
    assert_eq!(refused(&mut vendor, &of_one.0, &of_one.1), None);
}

fn issuer_of(device: &Device) -> nodelock::PublicKey {
    device.client().check().unwrap().license().unwrap().certificate().unwrap().issuer
}

#[test]
fn a_phantom_ends_as_its_receipt_or_revocation_says() {
    for (allowed, expected) in [
        (None, SeatState::Returned),
        (Some(1), SeatState::Returned),
        (Some(0), SeatState::Held),
        (None, SeatState::Revoked),
    ] {
        let mut vendor = Vendor::new();
        vendor.sell(2);
        let device = Device::activated(&mut vendor, "machine");
        let phantom = device.handle();
        vendor.terms().deactivations = allowed;
        let copy = vendor.ledger.clone();
        next_day(&mut vendor);
        if expected == SeatState::Revoked {
            let revocation = vendor.force_release(phantom, "stolen");
            device.client().accept(revocation.as_bytes()).unwrap();
        } else {
            let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
            let receipt = vendor.redeem(given_up.proof()).unwrap();
            device.client().accept(receipt.as_bytes()).unwrap();
        }
        restore(&mut vendor, &copy);
        assert_eq!(vendor.seat(phantom).state(), SeatState::Active);
        // The request of another license, so that a held seat is not taken again.
        let request = device.client().begin(LicenseKey::from_random([3; 12]).to_string()).unwrap();
        vendor.activate(&request.to_bytes()).unwrap_err();
        let seat = vendor.seat(phantom);
        assert_eq!((seat.state(), seat.is_counted()), (expected, expected == SeatState::Returned));
        let notice = (expected == SeatState::Revoked).then_some("stolen");
        assert_eq!(seat.notice(), notice);
        let outcome = seat.receipt().map(|(outcome, _)| outcome);
        assert_eq!(outcome == Some(Outcome::Held), expected == SeatState::Held);
        vendor.activate(request.to_text().as_bytes()).unwrap_err();
        assert_eq!(vendor.seat(phantom).state(), expected);
    }
}

#[test]
fn a_check_in_tells_of_a_phantom_too_and_a_known_page_ends_nothing() {
    let mut vendor = Vendor::new();
    vendor.sell(2);
    let device = Device::activated(&mut vendor, "machine");
    let phantom = device.handle();
    let mut thief = vendor.clone();
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    // The ledger that does not hear of the deactivation has the page.
    let receipt = thief.redeem(given_up.proof()).unwrap();
    device.client().accept(receipt.as_bytes()).unwrap();
    device.activate(&mut vendor);
    assert_eq!(vendor.seat(phantom).state(), SeatState::Active);
    assert!(vendor.ledger.seats.len() == 2 && vendor.usage().taken == 2);
    assert!(noted(&device, &vendor).iter().all(|(kind, _)| *kind != EventKind::PhantomEnded));
    // The same under a page that is lost.
    let copy = vendor.ledger.clone();
    next_day(&mut vendor);
    restore(&mut vendor, &copy);
    check_in(&device, &mut vendor).unwrap();
    assert_eq!(vendor.seat(phantom).state(), SeatState::Returned);
}

#[test]
fn a_last_word_about_the_very_seat_that_checks_in_ends_it() {
    // The copy of the ledger has the seat, or does not.
    for knows_the_seat in [true, false] {
        let mut vendor = Vendor::new();
        let before = vendor.ledger.clone();
        next_day(&mut vendor);
        let device = Device::activated(&mut vendor, "machine");
        let handle = device.handle();
        let copy = if knows_the_seat { vendor.ledger.clone() } else { before };
        next_day(&mut vendor);
        let file = device.client().check_in_offline().unwrap();
        let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
        let receipt = vendor.redeem(given_up.proof()).unwrap();
        restore(&mut vendor, &copy);
        assert_eq!(find(&vendor, handle).map(Seat::state), knows_the_seat.then_some(SeatState::Active));
        let answer = vendor.check_in((file.to_text() + &receipt.to_text()).as_bytes()).unwrap();
        assert!(answer.license.is_none() && answer.revocation.is_some());
        assert_eq!((vendor.seat(handle).state(), vendor.usage().taken), (SeatState::Returned, 0));
    }
}

#[test]
fn a_client_sends_its_license_by_itself_and_once() {
    let mut vendor = Vendor::new();
    let copy = vendor.ledger.clone();
    next_day(&mut vendor);
    let store = Store::in_memory();
    let device = Device::with_store(&vendor, "machine", store.clone());
    device.activate(&mut vendor);
    let clock: TestClock = vendor.clock.clone();
    let wire = Wire::to(vendor);
    let watched = Watched::new(wire.clone());
    let roots = wire.0.lock().unwrap().roots.clone();
    let client = builder(roots, "machine", store, clock)
        .authority(nodelock::Authority::new("https://licenses.example.com", watched.clone()))
        .build()
        .unwrap();
    let posts = || watched.take().len();
    assert!(client.check_in().unwrap().is_usable());
    assert_eq!(posts(), 1);
    restore(&mut wire.0.lock().unwrap(), &copy);
    assert_eq!(client.check_in().unwrap().license().unwrap().revision, 3);
    assert_eq!(posts(), 2);
    // One that wants it again and again is asked no third time.
    wire.0.lock().unwrap().ledger = copy;
    wire.0.lock().unwrap().roots = Roots::default();
    assert_eq!(client.check_in().map(drop).map_err(|error: Error| error.kind()), Err(ErrorKind::UnknownSeat));
    assert_eq!(posts(), 2);
}

/// What an audit that begins with these lines says of a seat after a message is decided.
fn disagreements(
    vendor: &Vendor,
    handle: Handle,
    lines: &[(EventKind, Option<SeatState>, SeatState, Timestamp)],
    act: impl Fn(&Records, &Moment) -> Result<Step, Refusal>,
) -> Vec<Disagreement> {
    let moment = vendor.moment();
    let mut ledger = vendor.ledger.clone();
    let decision = decision::settle(&mut ledger, |records| act(records, &moment)).unwrap();
    let mut trail = SeatTrail::default();
    for &(kind, before, after, at) in lines {
        trail.note(&TrailLine { action: kind.name(), before, after, at, detail: "" });
    }
    for event in decision.events.iter().filter(|event| event.seat.is_some_and(|seat| seat.handle == handle)) {
        let (action, after, at) = (event.kind.name(), event.after.unwrap(), moment.now);
        trail.note(&TrailLine { action, before: event.before, after, at, detail: &event.words() });
    }
    let seat = ledger.seats.values().find(|seat| seat.handle() == handle).unwrap();
    trail.check(seat)
}

#[test]
fn what_is_healed_agrees_with_what_is_noted_of_it() {
    let mut vendor = Vendor::new();
    let copies = vendor.ledger.clone();
    let device = Device::new(&vendor, "machine");
    device.activate(&mut vendor);
    let (handle, granted) = (device.handle(), vendor.clock.now());
    let copy = vendor.ledger.clone();
    next_day(&mut vendor);
    check_in(&device, &mut vendor).unwrap();
    let file = device.client().check_in_offline().unwrap().to_bytes();
    let claim = CheckInClaim::read(&file).unwrap();
    let act = |records: &Records, moment: &Moment| decision::check_in(&claim, records, moment);
    let grant = (EventKind::Granted, None, SeatState::Active, granted);
    // Entered again, and lifted.
    for (copy, lines) in [(&copies, &[][..]), (&copy, &[grant][..])] {
        let mut restored = vendor.clone();
        restore(&mut restored, copy);
        restored.clock.advance_days(1);
        assert_eq!(disagreements(&restored, handle, lines, act), []);
    }
    // Ended by its revocation.
    let revocation = vendor.force_release(handle, "stolen");
    device.client().accept(revocation.as_bytes()).unwrap();
    restore(&mut vendor, &copy);
    vendor.clock.advance_days(1);
    let request = device.client().begin(LicenseKey::from_random([3; 12]).to_string()).unwrap();
    let file = ActivationFile::read(&request.to_bytes()).unwrap();
    let act = |records: &Records, moment: &Moment| decision::activate(&file, None, records, moment);
    assert_eq!(disagreements(&vendor, handle, &[grant], act), []);
}
