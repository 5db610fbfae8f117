//! Another license key on a machine that has a license: it gives way when the new license is there, and not before.

use crate::support::vendor::{Device, START, Vendor};
use nodelock::{
    ActivationRequestOptions, Already, Client, ClientBuilder, ErrorKind, Outcome, Reason, Timestamp, Verdict,
    fingerprint::{Component, Probe},
};

const DAY: u64 = 86_400;

/// A device with a trial of 14 days, and what the customer buys after it.
fn trial() -> (Vendor, Vendor, Device) {
    let mut trial = Vendor::new();
    trial.terms().expires = Some(Timestamp::from_unix_seconds(START + 14 * DAY));
    let device = Device::activated(&mut trial, "machine");
    let paid = trial.another_license();
    (trial, paid, device)
}

fn with(device: &Device, set: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Client {
    set(device.builder()).build().unwrap()
}

/// What is in the way of a new activation.
fn already(client: &Client, key: &str) -> Option<Already> {
    let error = client.begin(key).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyActive);
    error.already()
}

#[test]
fn an_ended_license_gives_way_and_its_seat_is_given_back() {
    let (mut trial, mut paid, device) = trial();
    trial.clock.advance_days(20);
    let request = device.client().begin(paid.license_key()).unwrap();
    assert!(request.releases().is_empty(), "nothing is given up yet");
    let status = device.client().check().unwrap();
    assert!(matches!(status.verdict(), Verdict::Expired { .. }));
    assert_eq!(status.pending(), Some(request.request().handle));
    assert_eq!(status.outstanding(), 0);

    let answer = paid.activate(&request.to_bytes()).unwrap();
    let status = device.client().accept(&answer).unwrap().into_status();
    assert_eq!((status.verdict(), status.pending(), status.outstanding()), (&Verdict::Active, None, 1));
    assert_eq!(status.license().unwrap().license_id, paid.terms().id);
    let given_up = device.client().outstanding().unwrap();
    let receipt = trial.redeem(given_up[0].proof()).unwrap();
    assert_eq!(trial.usage().taken, 0);
    device.client().accept(receipt.as_bytes()).unwrap();
    assert_eq!(device.client().check().unwrap().outstanding(), 0);
}

#[test]
fn a_valid_license_gives_way_only_where_the_caller_says_so_and_stays_usable_until_then() {
    let (mut trial, mut paid, device) = trial();
    trial.terms().deactivations = Some(0);
    device.check_in(&mut trial);
    assert_eq!(already(device.client(), &paid.license_key()), Some(Already::Valid));
    let client = with(&device, |builder| builder.replace_license(true));
    let request = client.begin(paid.license_key()).unwrap();
    assert_eq!(device.verdict(), Verdict::Active);
    assert_eq!(already(&client, &trial.license_key()), Some(Already::Pending));

    // It is renewed meanwhile as if nothing had been asked.
    trial.clock.advance_days(1);
    device.check_in(&mut trial);
    assert_eq!(device.client().check().unwrap().license().unwrap().revision, 3);

    client.accept(&paid.activate(&request.to_bytes()).unwrap()).unwrap();
    assert_eq!(device.client().check().unwrap().license().unwrap().license_id, paid.terms().id);
    // It allows no more deactivations, which refuses nothing here: the seat is held.
    let given_up = client.outstanding().unwrap();
    assert_eq!(trial.redeem(given_up[0].proof()).unwrap().outcome, Outcome::Held);
}

#[test]
fn a_request_is_cancelled_also_where_the_license_allows_no_deactivation() {
    let (mut trial, paid, device) = trial();
    trial.terms().deactivations = Some(0);
    device.check_in(&mut trial);
    let client = with(&device, |builder| builder.replace_license(true));
    client.begin(paid.license_key()).unwrap();
    assert_eq!(
        client.deactivate_offline(Reason::Moved).unwrap_err().kind(),
        ErrorKind::DeactivationNotAllowed
    );
    client.cancel().unwrap();
    let status = client.check().unwrap();
    assert_eq!((status.verdict(), status.pending(), status.outstanding()), (&Verdict::Active, None, 1));
}

#[test]
fn a_request_that_is_cancelled_leaves_all_as_before() {
    let (_, paid, device) = trial();
    let before = device.handle();
    let client = with(&device, |builder| builder.replace_license(true));
    client.begin(paid.license_key()).unwrap();
    let cancelled = client.cancel().unwrap();
    let status = device.client().check().unwrap();
    assert_eq!((status.verdict(), status.pending()), (&Verdict::Active, None));
    assert_eq!(device.handle(), before);
    assert_eq!(device.client().outstanding().unwrap()[0].handle(), cancelled.handle());
    // A mistyped key does not even get so far.
    assert_eq!(client.begin("17KX2-AAAAA").unwrap_err().kind(), ErrorKind::UnreadableCode);
    assert_eq!(device.verdict(), Verdict::Active);
}

#[test]
fn the_grace_period_is_not_renewed_by_asking_and_cancelling() {
    let (trial, paid, device) = trial();
    let changed = || {
        let values = [(Component::DiskSerial, "disk machine 2718281"), (Component::Mac, "f0:4d:a2:99:88:77")];
        Probe::from_values(values.map(|(c, v)| (c, v.to_owned())), false, false)
    };
    let client = with(&device, |builder| builder.probe(changed).replace_license(true));
    client.observe().unwrap();
    let until = client.check().unwrap().verdict().clone();
    assert!(matches!(until, Verdict::Grace { .. }));
    trial.clock.advance_days(5);
    client.begin(paid.license_key()).unwrap();
    client.observe().unwrap();
    client.cancel().unwrap();
    client.observe().unwrap();
    assert_eq!(*client.check().unwrap().verdict(), until);
}

#[test]
fn a_pending_request_gives_way_only_where_the_caller_says_so() {
    let mut trial = Vendor::new();
    let mut paid = trial.another_license();
    let device = Device::new(&trial, "machine");
    let first = device.client().begin(trial.license_key()).unwrap();
    assert_eq!(already(device.client(), &paid.license_key()), Some(Already::Pending));
    let client = with(&device, |builder| builder.replace_request(true));
    let second = client.begin(paid.license_key()).unwrap();
    assert_eq!(second.releases().len(), 1, "the first one is cancelled");
    // Its answer, which was in the mail, is of no use any more.
    let late = trial.activate(first.request().as_bytes()).unwrap();
    assert_eq!(client.accept(&late).unwrap_err().kind(), ErrorKind::GivenUp);
    client.accept(&paid.activate(second.request().as_bytes()).unwrap()).unwrap();
    trial.redeem(client.outstanding().unwrap()[0].proof()).unwrap();
    assert_eq!((trial.usage().taken, paid.usage().taken), (0, 1));
}

#[test]
fn asking_again_shows_the_request_that_says_the_same_and_no_other() {
    let vendor = Vendor::new();
    let key = vendor.license_key();
    let device = Device::new(&vendor, "machine");
    let of = |key: &str| ActivationRequestOptions::of_key(key);
    let first =
        device.client().begin(of(&key).metadata("computer", "office").metadata("floor", "2")).unwrap();
    for replaces in [false, true] {
        let client = with(&device, |builder| builder.replace_request(replaces));
        for again in [of(&key), of(&key.to_lowercase()), of(&key).metadata("floor", "2")] {
            assert_eq!(client.begin(again).unwrap().to_bytes(), first.to_bytes());
        }
        assert_eq!(client.check().unwrap().outstanding(), 0, "nothing was cancelled");
    }
    // Another key, another seat, or something new to tell is another request.
    let seat = first.request().handle;
    let other = vendor.another_license().license_key();
    let new = [
        of(&other),
        of(&key).instead_of(seat),
        of(&key).metadata("floor", "3"),
        ActivationRequestOptions::new(),
    ];
    for options in new {
        let error = device.client().begin(options.clone()).unwrap_err();
        assert_eq!(error.already(), Some(Already::Pending), "{options:?}");
    }
    // What recovers a lost seat is not what an ordinary request says.
    device.client().cancel().unwrap();
    device.client().recover_offline().unwrap();
    let error = device.client().begin(ActivationRequestOptions::new()).unwrap_err();
    assert_eq!(error.already(), Some(Already::Pending));
}

#[test]
fn a_license_that_is_set_aside_can_be_given_back_or_revoked_by_itself() {
    for revoked in [false, true] {
        let (mut trial, mut paid, device) = trial();
        let client = with(&device, |builder| builder.replace_license(true));
        let request = client.begin(paid.license_key()).unwrap();
        if revoked {
            let revocation = trial.force_release(device.handle(), "lost");
            client.accept(revocation.as_bytes()).unwrap();
        } else {
            let given_up = client.deactivate_offline(Reason::Moved).unwrap();
            trial.redeem(given_up.proof()).unwrap();
        }
        assert_eq!(device.verdict(), Verdict::Unlicensed { pending: true });
        client.accept(&paid.activate(&request.to_bytes()).unwrap()).unwrap();
        assert_eq!(device.verdict(), Verdict::Active);
        assert_eq!((trial.usage().taken, paid.usage().taken), (0, 1));
    }
}

#[test]
fn a_recovery_replaces_nothing_and_says_what_it_met() {
    let (trial, mut paid, device) = trial();
    assert_eq!(device.client().recover_offline().unwrap_err().already(), Some(Already::Valid));
    trial.clock.advance_days(20);
    assert_eq!(device.client().recover_offline().unwrap_err().already(), Some(Already::Ended));
    let request = device.client().begin(paid.license_key()).unwrap();
    assert_eq!(device.client().recover_offline().unwrap_err().already(), Some(Already::Pending));
    device.client().accept(&paid.activate(&request.to_bytes()).unwrap()).unwrap();
    assert_eq!(device.client().outstanding().unwrap()[0].reason(), Reason::Other);
}

#[cfg(feature = "online")]
mod online {
    use std::time::Duration;

    use nodelock::Renewal;

    use super::*;
    use crate::support::wire::Wire;

    fn wire(vendor: &Vendor) -> Wire {
        Wire::to(vendor.clone())
    }

    fn client(device: &Device, wire: &Wire) -> Client {
        with(device, |builder| {
            builder
                .authority(nodelock::Authority::new("https://authority", wire.clone()))
                .replace_license(true)
        })
    }

    #[test]
    fn a_key_that_is_refused_leaves_all_as_before() {
        let (trial, paid, device) = trial();
        let client = client(&device, &wire(&trial));
        let refused = client.online().activate(paid.license_key()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::UnknownLicense);
        let status = client.check().unwrap();
        assert_eq!((status.verdict(), status.pending()), (&Verdict::Active, None));
    }

    #[test]
    fn a_request_that_is_pending_beside_an_ended_license_is_sent_when_something_is_due() {
        let (trial, paid, device) = trial();
        trial.clock.advance_days(20);
        let client = client(&device, &wire(&paid));
        client.begin(paid.license_key()).unwrap();
        let started = client.start(Duration::from_secs(3)).unwrap();
        assert!(matches!(started.renewal(), Renewal::Done) && started.status().is_usable());
        assert_eq!(client.check().unwrap().outstanding(), 1);
    }
}
