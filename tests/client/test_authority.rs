//! The vendor in memory that hosts test with (docs/guides/testing.md): it refuses what an authority refuses, and
//! fails in the ways of a network.

use std::{
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use nodelock::{
    Authority, CancelToken, Client, ErrorKind, Outcome, Post, Progress, Reason, Store, Transport, Verdict,
    authority::decision::Note,
    testing::{Fault, Machine, TestAuthority},
};

/// The kind of an error; panics if there is none.
fn kind(result: nodelock::Result<impl Sized>) -> ErrorKind {
    result.err().expect("an error").kind()
}

const PRODUCT: &str = "Example Editor";

fn client(authority: &TestAuthority, machine: &str) -> Client {
    let patient = nodelock::Authority::new(TestAuthority::URL, authority.clone());
    let patient = patient.timeout(Duration::from_secs(3600)).attempts(1);
    authority.client(&Machine::new(machine)).authority(patient).build().unwrap()
}

#[test]
fn every_fault_is_what_it_says() {
    let expected = [
        (Fault::Down, ErrorKind::Unreachable),
        (Fault::TimedOut, ErrorKind::TimedOut),
        (Fault::AnswerLost, ErrorKind::Unreachable),
        (Fault::AnswerCut, ErrorKind::BadReply),
        (Fault::Stranger, ErrorKind::BadReply),
        (Fault::Busy { retry_after: None }, ErrorKind::ServerBusy),
        (Fault::Failed, ErrorKind::ServerFailed),
        (Fault::TlsUntrusted, ErrorKind::TlsUntrusted),
        (Fault::TlsWrongHost, ErrorKind::TlsWrongHost),
        (Fault::TlsExpired, ErrorKind::TlsExpired),
        (Fault::Refused(ErrorKind::TooManyAttempts), ErrorKind::TooManyAttempts),
        (Fault::Refused(ErrorKind::ServerBusy), ErrorKind::ServerBusy),
        (Fault::Refused(ErrorKind::Corrupt), ErrorKind::ServerFailed),
    ];
    for (fault, expected) in expected {
        let authority = TestAuthority::new(PRODUCT);
        let key = authority.sell(1).unwrap();
        let client = client(&authority, "desk");
        authority.fail_next(fault);
        assert_eq!(kind(client.activate(&key)), expected, "{fault:?}");
        // What it decided before its answer was lost is decided, and the same request gets the same seat.
        let decided = matches!(fault, Fault::AnswerLost | Fault::AnswerCut);
        assert_eq!(authority.usage(&key).unwrap().taken, u32::from(decided), "{fault:?}");
        assert!(client.activate(&key).unwrap().is_usable(), "{fault:?}");
        assert_eq!(authority.usage(&key).unwrap().taken, 1, "{fault:?}");
        assert_eq!(authority.take_calls(), ["/v1/activations"; 2]);
    }
}

#[test]
fn silence_lasts_until_the_time_is_up_or_the_call_is_cancelled() {
    let authority = TestAuthority::new(PRODUCT);
    let key = authority.sell(1).unwrap();
    let client = client(&authority, "desk");
    for fault in [Fault::Silent, Fault::Slow(Duration::from_secs(1800))] {
        authority.fail(fault);
        authority.take_calls();
        // Until the time is enough for the request to be on its way.
        let mut limit = Duration::from_millis(50);
        while authority.take_calls().is_empty() {
            limit *= 2;
            let start = Instant::now();
            let within = client.online().within(limit);
            assert_eq!(kind(within.activate(&key)), ErrorKind::TimedOut, "{fault:?}");
            assert!(start.elapsed() >= limit);
        }
        // An answer that is late was decided all the same.
        let taken = authority.usage(&key).unwrap().taken;
        assert_eq!(taken, u32::from(fault != Fault::Silent), "{fault:?}");
        // Cancelled by somebody who sees that it is on its way.
        let cancel = CancelToken::new();
        let watch = |progress| {
            if let Progress::Sending { .. } = progress {
                let cancel = cancel.clone();
                thread::spawn(move || cancel.cancel());
            }
        };
        let online = client.online().cancel_with(&cancel).progress(&watch);
        assert_eq!(kind(online.activate(&key)), ErrorKind::Cancelled, "{fault:?}");
    }
    authority.fail(Fault::Slow(Duration::from_millis(1)));
    assert!(client.activate(&key).unwrap().is_usable());
    assert_eq!(authority.usage(&key).unwrap().taken, 1);
}

#[test]
fn a_fault_is_what_the_application_gets_to_see() {
    let authority = TestAuthority::new(PRODUCT);
    let key = authority.sell(1).unwrap();
    let client = authority.client(&Machine::new("desk")).build().unwrap();
    let pause = Some(Duration::from_secs(3600));
    for fault in [Fault::Down, Fault::TimedOut, Fault::Failed, Fault::Busy { retry_after: pause }] {
        authority.fail_next(fault);
        assert!(client.activate(&key).is_err(), "{fault:?}");
        assert_eq!(authority.take_calls().len(), 1, "{fault:?}");
    }
    let again = Authority::new(TestAuthority::URL, authority.clone()).attempts(2);
    let patient = authority.client(&Machine::new("desk")).authority(again);
    authority.fail_next(Fault::Down);
    assert!(patient.build().unwrap().activate(&key).unwrap().is_usable());
    assert_eq!(authority.take_calls().len(), 2);
}

#[test]
fn clock_and_roots_are_there_while_a_test_holds_the_vendor() {
    let authority = TestAuthority::new(PRODUCT);
    let (sold, sale) = channel();
    thread::spawn(move || {
        let mut vendor = authority.vendor();
        let (end, _) = (authority.clock().now_plus(30), authority.roots());
        let key = vendor.sell_with(1, |terms| terms.expires = Some(authority.clock().now_plus(30))).unwrap();
        sold.send(vendor.terms(&key).unwrap().expires == Some(end)).unwrap();
    });
    assert_eq!(sale.recv_timeout(Duration::from_secs(120)), Ok(true), "no answer: it waits for itself");
}

#[test]
fn it_refuses_what_an_authority_refuses() {
    let authority = TestAuthority::new(PRODUCT);
    let one = authority.sell(1).unwrap();
    let desk = client(&authority, "desk");
    let nobodys = TestAuthority::with_seed(PRODUCT, "another vendor").sell(1).unwrap();
    assert_eq!(kind(desk.activate(&nobodys)), ErrorKind::UnknownLicense);
    assert!(desk.check().unwrap().pending().is_none(), "a refusal for good takes the request back");
    assert_eq!(kind(desk.recover()), ErrorKind::UnknownSeat);
    desk.cancel().unwrap_err();

    authority.vendor().terms(&one).unwrap().suspended = true;
    assert_eq!(kind(desk.activate(&one)), ErrorKind::LicenseEnded);
    authority.vendor().terms(&one).unwrap().suspended = false;
    assert!(desk.activate(&one).unwrap().is_usable());
    let other = TestAuthority::new("Another Product");
    let stranger = other
        .client(&Machine::new("laptop"))
        .authority(nodelock::Authority::new(TestAuthority::URL, authority.clone()));
    assert_eq!(kind(stranger.build().unwrap().activate(&one)), ErrorKind::WrongProduct);

    // A seat may be replaced once its device has been silent for a week.
    let seat = desk.check().unwrap().license().unwrap().handle;
    let laptop = client(&authority, "laptop");
    assert_eq!(
        kind(laptop.online().activate(nodelock::ActivationRequestOptions::of_key(&one).instead_of(seat))),
        ErrorKind::NoFreeSeat
    );
    authority.clock().advance_days(8);
    assert!(
        laptop
            .online()
            .activate(nodelock::ActivationRequestOptions::of_key(&one).instead_of(seat))
            .unwrap()
            .is_usable()
    );
    assert!(matches!(desk.check_in().unwrap().verdict(), Verdict::Revoked { .. }));

    // With no deactivation left a seat is held, and the vendor returns it.
    let scarce = authority.vendor().sell_with(1, |terms| terms.deactivations = Some(0)).unwrap();
    let tower = client(&authority, "tower");
    assert!(tower.activate(&scarce).unwrap().is_usable());
    let error = tower.deactivate(Reason::Moved).unwrap_err();
    assert_eq!(error.error().kind(), ErrorKind::DeactivationNotAllowed);
    assert!(tower.check().unwrap().is_usable());
}

#[test]
fn a_ledger_that_is_restored_asks_for_the_license_and_heals() {
    let authority = TestAuthority::new(PRODUCT);
    let key = authority.sell(1).unwrap();
    let copy = authority.vendor().ledger.clone();
    let desk = client(&authority, "desk");
    authority.clock().advance_days(1);
    desk.activate(&key).unwrap();
    authority.clock().advance_days(1);
    authority.vendor().ledger = copy;
    authority.take_calls();
    assert!(desk.check_in().unwrap().is_usable());
    assert_eq!(authority.take_calls(), ["/v1/checkins"; 2], "once more, with its license");
    assert_eq!(authority.usage(&key).unwrap().taken, 1);
    let history = authority.vendor().note(Note::default()).unwrap();
    assert_eq!(history.gaps().len(), 1);
    assert_eq!(desk.deactivate(Reason::Moved).unwrap().outcome, Outcome::Returned);
}

#[test]
fn what_is_no_call_is_refused_and_another_vendor_is_not_trusted() {
    let authority = TestAuthority::new(PRODUCT);
    for (path, body) in [
        ("/v1/activations", &b"not JSON"[..]),
        ("/v1/activations", b"{}"),
        ("/v1/activations", br#"{"request":"AAAA"}"#),
        ("/v1/deactivations", br#"{"proof":"AAAA","phone_code":"AAAA"}"#),
        ("/v1/nothing", b"{}"),
        ("", b"{}"),
    ] {
        let url = format!("{}{path}", TestAuthority::URL);
        let cancel = CancelToken::new();
        let mut post = Post::new(&url, body, Duration::from_secs(1), &cancel);
        let answer = authority.post(&post).unwrap();
        post.limit = answer.body.len();
        assert!(authority.post(&post).is_ok());
        post.limit -= 1;
        assert_eq!(kind(authority.post(&post)), ErrorKind::BadReply);
        let said = String::from_utf8(answer.body).unwrap();
        assert!(answer.status == 400 && said.contains("urn:nodelock:problem:malformed"), "{path}: {said}");
    }
    let key = authority.sell(1).unwrap();
    let other = TestAuthority::with_seed(PRODUCT, "another vendor");
    let deceived = other
        .client(&Machine::new("desk"))
        .authority(nodelock::Authority::new(TestAuthority::URL, authority.clone()));
    let deceived = deceived.store(Store::in_memory()).build().unwrap();
    assert_eq!(kind(deceived.activate(&key)), ErrorKind::UntrustedSigner);
    assert_eq!(
        TestAuthority::new(PRODUCT).vendor().root(),
        authority.vendor().root(),
        "the same in every run"
    );
    assert_ne!(TestAuthority::new("Another").vendor().root(), authority.vendor().root(), "another vendor");
}
