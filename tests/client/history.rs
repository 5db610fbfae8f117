//! What a ledger notes of its service, and what that says of it (docs/PROTOCOL.md, The ledger was restored).

use std::time::Duration;

use crate::support::vendor::{Device, MemoryLedger, Vendor};
use nodelock::{
    Clock as _, ErrorKind, Page, Roots, SigningKey, SystemRandom, Timestamp,
    authority::{
        CertificateTerms, Issuer, LONGEST_LEASE_DAYS,
        decision::{Note, SILENCE},
    },
};

/// A vendor whose ledger was noted, and the page outside.
fn served() -> (Vendor, Note) {
    let vendor = Vendor::new();
    let note = Note { outside: Some(vendor.page), ..Note::default() };
    (vendor, note)
}

fn later(vendor: &Vendor, duration: Duration) {
    vendor.clock.set(vendor.clock.now().unix_seconds() + duration.as_secs());
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_ledger_that_is_noted_each_minute_misses_nothing() {
    let (mut vendor, mut note) = served();
    for _ in 0..3 {
        later(&vendor, SILENCE);
        let history = vendor.note(Note { outside: None, ..note });
        assert_eq!((history.last_page(), history.noted()), (vendor.page, vendor.clock.now()));
        assert!(history.gaps().is_empty());
        note.outside = Some(vendor.page);
    }
}

#[test]
fn a_silence_is_a_gap_from_the_last_note_on() {
    let (mut vendor, _) = served();
    let (last, began) = (vendor.page, vendor.clock.now());
    later(&vendor, SILENCE + SECOND);
    let history = vendor.note(Note::default());
    let [gap] = history.gaps() else { panic!("{history:?}") };
    let ended = vendor.clock.now();
    assert_eq!((gap.began(), gap.ended()), (began, ended));
    assert_eq!(history.restored_until(), Some(ended.plus_days(LONGEST_LEASE_DAYS)));
    assert_ne!(history.last_page(), last);
}

#[test]
fn a_silence_is_explained_by_the_page_outside_a_clean_stop_the_own_clock_or_the_operator() {
    let silent = |before: Note, after: &dyn Fn(Note) -> Note, silence: Duration| {
        let (mut vendor, note) = served();
        vendor.note(Note { stopping: before.stopping, ..note });
        let last = Note { outside: Some(vendor.page), ..Note::default() };
        later(&vendor, silence);
        !vendor.note(after(last)).gaps().is_empty()
    };
    let (no, stop) = (Note::default(), Note { stopping: true, ..Note::default() });
    let nothing = |_| Note::default();
    assert!(silent(no, &nothing, HOUR));
    assert!(!silent(no, &|last| last, 1000 * 24 * HOUR));
    assert!(!silent(stop, &nothing, 24 * HOUR));
    assert!(silent(stop, &nothing, 24 * HOUR + SECOND));
    assert!(!silent(no, &|_| Note { vouched: true, ..Note::default() }, 1000 * 24 * HOUR));
    // A clock that was set is no silence, and a process that starts has no such clock.
    let since = |since| move |last: Note| Note { since_last: Some(since), ..last };
    assert!(!silent(no, &since(SILENCE), 1000 * 24 * HOUR));
    let known = |outside: Option<Page>| Note { outside, since_last: Some(SILENCE), ..Note::default() };
    assert!(silent(no, &|_| known(None), HOUR));
}

#[test]
fn of_two_servers_neither_takes_the_other_for_a_silence() {
    let (mut vendor, note) = served();
    let mut pages = [note.outside, None];
    for at in 0..10 {
        later(&vendor, Duration::from_secs(40));
        // The clock of the database is set once.
        if at == 5 {
            later(&vendor, HOUR);
        }
        let own = &mut pages[at % 2];
        let since_last = own.map(|_| Duration::from_secs(80));
        let history = vendor.note(Note { outside: *own, since_last, ..Note::default() });
        assert!(history.gaps().is_empty(), "{at}");
        pages[at % 2] = Some(vendor.page);
    }
    // One of them stops, and the other one goes on.
    vendor.note(Note { outside: pages[0], stopping: true, ..Note::default() });
    later(&vendor, Duration::from_secs(60));
    assert!(!vendor.note(Note { outside: pages[1], ..Note::default() }).is_stopped());
}

#[test]
fn a_page_outside_that_the_ledger_does_not_know_is_missing_history() {
    let (mut vendor, mut note) = served();
    let (earlier, began) = (vendor.ledger.clone(), vendor.clock.now());
    later(&vendor, HOUR);
    vendor.note(note);
    note.outside = Some(vendor.page);
    later(&vendor, SECOND);
    vendor.ledger = earlier;
    // Whatever else is said. The server that runs finds it too, whose own page is outside.
    let history = vendor.note(Note { vouched: true, since_last: Some(SECOND), trusted: true, ..note });
    let [gap] = history.gaps() else { panic!("{history:?}") };
    assert_eq!((gap.began(), gap.ended()), (began, vendor.clock.now()));
    assert!(!history.is_vouched_for());
    // From now on it is whole again, but for what was lost.
    let note = Note { outside: Some(vendor.page), trusted: true, ..Note::default() };
    let history = vendor.note(note);
    assert!(history.is_vouched_for() && history.gaps().len() == 1);
}

#[test]
fn an_empty_ledger_has_lost_everything_if_a_page_is_outside() {
    let (mut vendor, note) = served();
    vendor.ledger = MemoryLedger::default();
    let history = vendor.note(note);
    assert_eq!(history.gaps().len(), 1);
    assert!(history.gaps()[0].began() <= Timestamp::from_unix_seconds(crate::support::vendor::START));
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
fn a_seat_that_counted_when_a_gap_began_lapses_after_the_longest_lease() {
    let (mut vendor, _) = served();
    (vendor.issuer, vendor.roots) = certified(LONGEST_LEASE_DAYS, true);
    let dead = Device::activated(&mut vendor, "dead");
    vendor.clock.advance_days(100);
    let history = vendor.note(Note::default());
    let ended = vendor.clock.now();
    // Without the gap it would have lapsed after 104 days.
    vendor.clock.advance_days(u64::from(LONGEST_LEASE_DAYS) + 13);
    let waiting = Device::new(&vendor, "waiting").client().begin(vendor.license_key()).unwrap();
    let seats = vendor.activate(&waiting.to_bytes()).unwrap_err();
    let lapse = ended.plus_days(LONGEST_LEASE_DAYS + 14);
    assert_eq!(seats.seats().unwrap().next_lapse, Some(lapse));
    assert_eq!(history.restored_until(), Some(ended.plus_days(LONGEST_LEASE_DAYS)));
    vendor.clock.advance_days(1);
    assert_eq!(refused(&mut vendor, "another"), None);
    assert!(vendor.seat(dead.handle()).is_lapsed());
}

#[test]
fn a_gap_keeps_no_free_seat_and_no_seat_that_had_lapsed_before() {
    let (mut vendor, _) = served();
    vendor.sell(2);
    Device::activated(&mut vendor, "dead");
    vendor.clock.advance_days(105);
    let note = Note { vouched: true, ..Note::default() };
    vendor.note(note);
    vendor.clock.advance_days(1);
    assert_eq!(vendor.note(Note::default()).gaps().len(), 1);
    Device::activated(&mut vendor, "free");
    assert_eq!(refused(&mut vendor, "lapsed"), None);
}

/// An issuer whose certificate never ends, and what devices trust then.
fn certified(longest_lease_days: u32, endless: bool) -> (Issuer, Roots) {
    let [root, key] = [(); 2].map(|()| SigningKey::generate(&SystemRandom).unwrap());
    let certificate = CertificateTerms::new(key.public_key(), String::new(), Timestamp::MIN, Timestamp::MAX)
        .with_longest_lease_days(longest_lease_days)
        .with_endless(endless);
    let issuer = Issuer::certified(key, certificate.sign(&root).unwrap()).unwrap();
    (issuer, Roots::new([root.public_key()]))
}

#[test]
fn an_issuer_signs_no_license_that_ends_later_than_its_certificate_allows() {
    let mut vendor = Vendor::new();
    let request = Device::new(&vendor, "machine").client().begin(vendor.license_key()).unwrap();
    let before = vendor.ledger.clone();
    for (lease, endless, refused) in [
        (Some(90), false, false),
        (Some(91), false, true),
        (None, false, true),
        (Some(91), true, false),
        (None, true, false),
    ] {
        vendor.issuer = certified(90, endless).0;
        assert_eq!(vendor.issuer.longest_lease(), 90 * 24 * HOUR);
        vendor.ledger = before.clone();
        vendor.terms().lease_days = lease;
        vendor.terms().unbindable_lease_days = lease;
        let answer = vendor.activate(&request.to_bytes());
        let kind = answer.err().map(|error| error.kind());
        assert_eq!(kind, refused.then_some(ErrorKind::LeaseTooLong), "{lease:?}, endless {endless}");
    }
    // A license that ends, though it has no lease.
    vendor.issuer = certified(90, false).0;
    vendor.terms().expires = Some(vendor.clock.now().plus_days(90));
    vendor.activate(&request.to_bytes()).unwrap();
    let root = Issuer::root(SigningKey::generate(&SystemRandom).unwrap());
    assert_eq!(root.longest_lease(), LONGEST_LEASE_DAYS * 24 * HOUR);
    assert_eq!(root.with_longest_lease(HOUR).longest_lease(), HOUR);
}
