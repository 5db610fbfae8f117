//! The main job, end to end, without a network: request, license, check, deactivation, receipt, another machine.

use crate::support::{
    forge::Forger,
    vendor::{Device, Vendor},
};
use nodelock::{
    Binding, Client, DeactivationProof, ErrorKind, Outcome, Reason, Roots, SigningKey, Store, SystemRandom,
    Verdict,
    authority::{Issuer, MAX_ATTEMPTS},
    code::{DeactivationCode, ReleaseSecret},
};

#[test]
fn a_seat_is_taken_given_back_by_file_and_taken_by_another_machine() {
    let mut vendor = Vendor::new();
    vendor.sell(1);
    let (first, second) = (Device::new(&vendor, "first"), Device::new(&vendor, "second"));

    let request = first
        .client()
        .begin(nodelock::ActivationRequestOptions::of_key(vendor.license_key()).metadata("host", "first"))
        .unwrap();
    assert_eq!(first.verdict(), Verdict::Unlicensed { pending: true });
    let reply = vendor.activate(&request.to_bytes()).unwrap();
    first.client().accept(&reply).unwrap();
    assert_eq!(first.verdict(), Verdict::Active);
    assert!(first.client().check().unwrap().has_feature("export"));
    assert!(!first.client().check().unwrap().has_feature("import"));

    let other = second.client().begin(vendor.license_key()).unwrap();
    assert_eq!(vendor.activate(&other.to_bytes()).unwrap_err().kind(), ErrorKind::NoFreeSeat);

    let given_up = first.client().deactivate_offline(Reason::Moved).unwrap();
    assert!(given_up.proof().len() <= 110, "{} bytes", given_up.proof().len());
    assert_eq!(first.verdict(), Verdict::Deactivated);
    let receipt = vendor.redeem(&given_up.to_bytes()).unwrap();
    assert_eq!(receipt.outcome, Outcome::Returned);
    first.client().accept(receipt.as_bytes()).unwrap();
    assert!(first.client().outstanding().unwrap().is_empty());

    second.client().accept(&vendor.activate(&other.to_bytes()).unwrap()).unwrap();
    assert_eq!(second.verdict(), Verdict::Active);
    assert_eq!(vendor.usage().taken, 1);
}

#[test]
fn a_seat_is_given_back_by_a_code_with_three_typing_errors() {
    let mut vendor = Vendor::new();
    vendor.sell(1);
    let device = Device::activated(&mut vendor, "machine");
    let given_up = device.client().deactivate_offline(Reason::Retired).unwrap();

    let mut typed: Vec<char> = given_up.code().to_string().to_lowercase().chars().collect();
    for at in [0, 9, 20] {
        typed[at] = if typed[at] == 'x' { 'y' } else { 'x' };
    }
    let receipt = vendor.redeem_code(&typed.into_iter().collect::<String>()).unwrap();
    assert_eq!(receipt.outcome, Outcome::Returned);
    device.client().accept(receipt.to_text().as_bytes()).unwrap();
    assert_eq!(vendor.usage().taken, 0);
}

#[test]
fn what_was_given_up_is_shown_again_until_its_receipt_comes() {
    let mut vendor = Vendor::new();
    vendor.sell(1);
    let device = Device::activated(&mut vendor, "machine");
    let given_up = device.client().deactivate_offline(Reason::Other).unwrap();
    for client in [device.client(), &device.reopen()] {
        let again = client.outstanding().unwrap();
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].code(), given_up.code());
        assert_eq!(again[0].to_bytes(), given_up.to_bytes());
    }
    let receipt = vendor.redeem(given_up.to_base64url().as_bytes()).unwrap();
    let same = vendor.redeem(given_up.to_text().as_bytes()).unwrap();
    assert_eq!(receipt.as_bytes(), same.as_bytes(), "the same proof has the same receipt");
    device.client().accept(receipt.as_bytes()).unwrap();
    device.client().accept(same.as_bytes()).unwrap();
    assert!(device.client().outstanding().unwrap().is_empty());
}

#[test]
fn a_new_request_carries_what_is_outstanding_and_both_are_answered_at_once() {
    let mut vendor = Vendor::new();
    vendor.sell(1);
    let device = Device::activated(&mut vendor, "machine");
    device.client().deactivate_offline(Reason::Reinstalled).unwrap();
    let request = device.client().begin(vendor.license_key()).unwrap();
    assert_eq!(request.releases().len(), 1);
    let reply = vendor.activate(request.to_text().as_bytes()).unwrap();
    device.client().accept(&reply).unwrap();
    assert_eq!(device.verdict(), Verdict::Active);
    assert!(device.client().outstanding().unwrap().is_empty());
    // The whole answer again is no news.
    device.client().accept(&reply).unwrap();
    assert_eq!(vendor.usage().taken, 1);
}

#[test]
fn a_cancelled_request_takes_no_seat_even_if_it_arrives_after_its_proof() {
    let mut vendor = Vendor::new();
    vendor.sell(1);
    let device = Device::new(&vendor, "machine");
    let request = device.client().begin(vendor.license_key()).unwrap().to_bytes();
    let cancelled = device.client().cancel().unwrap();
    assert_eq!(device.verdict(), Verdict::Unlicensed { pending: false });
    let receipt = vendor.redeem(cancelled.to_text().as_bytes()).unwrap();
    assert_eq!(vendor.activate(&request).unwrap_err().kind(), ErrorKind::RequestCancelled);
    device.client().accept(receipt.as_bytes()).unwrap();
    assert_eq!(vendor.usage().taken, 0);
}

#[test]
fn a_code_that_arrives_before_its_request_is_judged_when_that_comes() {
    let mut vendor = Vendor::new();
    vendor.sell(1);
    let device = Device::new(&vendor, "machine");
    let request = device.client().begin(vendor.license_key()).unwrap();
    let cancelled = device.client().cancel().unwrap();
    let code = cancelled.code().to_string();
    let mut by_proof = vendor.clone();
    // Nobody has asked for that seat yet, so there is no receipt.
    assert_eq!(vendor.redeem_code(&code).unwrap_err().kind(), ErrorKind::UnknownSeat);
    assert_eq!(by_proof.redeem(cancelled.proof()).unwrap_err().kind(), ErrorKind::UnknownSeat);
    for vendor in [&mut vendor, &mut by_proof] {
        assert_eq!(vendor.activate(&request.to_bytes()).unwrap_err().kind(), ErrorKind::RequestCancelled);
        assert_eq!((vendor.usage().taken, vendor.usage().deactivated), (0, 0));
        for receipt in [vendor.redeem_code(&code).unwrap(), vendor.redeem(cancelled.proof()).unwrap()] {
            assert_eq!(receipt.outcome, Outcome::Returned);
        }
    }
}

#[test]
fn a_code_is_an_attempt_whatever_it_may_stand_for_until_it_has_its_receipt() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let handle = device.handle();
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    let wrong = DeactivationCode::new(handle, ReleaseSecret::from_random([1; 8])).to_string();
    for _ in 1..MAX_ATTEMPTS {
        assert_eq!(vendor.redeem_code(&wrong).unwrap_err().kind(), ErrorKind::WrongCode);
    }
    // The last attempt of the day is the right code.
    let mut exhausted = vendor.clone();
    let right = given_up.code().to_string();
    let receipt = vendor.redeem_code(&right).unwrap();
    assert_eq!(vendor.redeem_code(&wrong).unwrap_err().kind(), ErrorKind::TooManyAttempts);
    assert_eq!(vendor.redeem_code(&right).unwrap(), receipt, "it is known again");

    assert_eq!(exhausted.redeem_code(&wrong).unwrap_err().kind(), ErrorKind::WrongCode);
    assert_eq!(exhausted.redeem_code(&right).unwrap_err().kind(), ErrorKind::TooManyAttempts);
    exhausted.clock.advance_days(1);
    assert_eq!(exhausted.redeem_code(&right).unwrap().outcome, Outcome::Returned);
}

#[test]
fn without_a_deactivation_left_the_seat_is_held_for_the_same_machine() {
    let mut vendor = Vendor::new();
    vendor.sell(1);
    vendor.terms().deactivations = Some(1);
    let device = Device::activated(&mut vendor, "machine");
    // The second deactivation needs a license that still says that one is left.
    vendor.terms().deactivations = Some(0);
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    assert_eq!(vendor.redeem(given_up.proof()).unwrap().outcome, Outcome::Held);
    let stranger = Device::new(&vendor, "stranger");
    let request = stranger.client().begin(vendor.license_key()).unwrap();
    assert_eq!(vendor.activate(&request.to_bytes()).unwrap_err().kind(), ErrorKind::NoFreeSeat);
    let request = device.client().begin(vendor.license_key()).unwrap();
    device.client().accept(&vendor.activate(&request.to_bytes()).unwrap()).unwrap();
    assert_eq!(device.verdict(), Verdict::Active);
    let refused = device.client().deactivate_offline(Reason::Moved).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::DeactivationNotAllowed);
    assert_eq!(device.verdict(), Verdict::Active, "it is refused while still active");
}

#[test]
fn a_proof_of_another_device_frees_nothing() {
    let mut vendor = Vendor::new();
    vendor.sell(2);
    let (one, two) = (Device::activated(&mut vendor, "one"), Device::activated(&mut vendor, "two"));
    let given_up = one.client().deactivate_offline(Reason::Moved).unwrap();
    let key = two.client().check().unwrap().license().unwrap().device_key;
    assert_eq!(
        DeactivationProof::verify(given_up.proof(), &key).unwrap_err().kind(),
        ErrorKind::BadSignature
    );
}

#[test]
fn a_revocation_ends_the_license_and_tells_why() {
    let mut vendor = Vendor::new();
    vendor.sell(1);
    let device = Device::activated(&mut vendor, "machine");
    let revocation = vendor.force_release(device.handle(), "reported as lost");
    device.client().accept(revocation.as_bytes()).unwrap();
    assert_eq!(device.verdict(), Verdict::Revoked { reason: "reported as lost".into() });
    assert_eq!(vendor.usage().taken, 0);
}

#[test]
fn a_renewal_replaces_the_license_and_an_older_one_does_not() {
    let mut vendor = Vendor::new();
    vendor.sell(1);
    let device = Device::activated(&mut vendor, "machine");
    let first = device.client().check().unwrap().license().unwrap().clone();
    vendor.clock.advance_days(60);
    assert!(device.client().check().unwrap().renewal_due());
    let renewed = vendor.renew(device.handle());
    device.client().accept(renewed.as_bytes()).unwrap();
    assert!(!device.client().check().unwrap().renewal_due());
    assert_eq!(device.client().accept(first.as_bytes()).unwrap_err().kind(), ErrorKind::Outdated);
    vendor.clock.advance_days(89);
    assert_eq!(device.verdict(), Verdict::Active);
    vendor.clock.advance_days(1);
    assert!(matches!(device.verdict(), Verdict::LeaseEnded { .. }));
}

#[test]
fn a_damaged_store_takes_a_new_seat_in_place_of_the_lost_one() {
    for damage in [&b""[..], b"NLST and then nothing that makes sense", &[0; 4096]] {
        let mut vendor = Vendor::new();
        vendor.sell(1);
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_directory(folder.path().join("store"), Some(folder.path().join("tombstones")));
        let device = Device::with_store(&vendor, "machine", store);
        device.activate(&mut vendor);
        let old = device.handle();
        std::fs::write(folder.path().join("store/state"), damage).unwrap();
        assert_eq!(device.verdict(), Verdict::Damaged { reason: ErrorKind::Corrupt });
        assert_eq!(
            device.client().begin(nodelock::ActivationRequestOptions::new()).unwrap_err().kind(),
            ErrorKind::Corrupt
        );

        let request = device.client().recover_offline().unwrap();
        assert_eq!(device.verdict(), Verdict::Unlicensed { pending: true });
        let again = device.reopen().pending().unwrap().unwrap();
        assert_eq!(again.to_bytes(), request.to_bytes(), "it is the same after a restart");
        let reply = vendor.activate(request.to_text().as_bytes()).unwrap();
        device.client().accept(&reply).unwrap();
        assert_eq!(device.verdict(), Verdict::Active);
        assert_ne!(device.handle(), old);
        assert_eq!((vendor.usage().taken, vendor.usage().deactivated), (1, 0));
    }
}

#[test]
fn nothing_is_recovered_from_a_store_that_is_whole() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    assert_eq!(device.client().recover_offline().unwrap_err().kind(), ErrorKind::AlreadyActive);
    assert_eq!(device.verdict(), Verdict::Active);
}

#[test]
fn a_store_belongs_to_one_product() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let other = Client::builder("Another Product", vendor.roots.clone())
        .store(device.store().clone())
        .clock(vendor.clock.clone())
        .build()
        .unwrap();
    assert_eq!(*other.check().unwrap().verdict(), Verdict::Damaged { reason: ErrorKind::WrongProduct });
    for refused in [
        other.begin(nodelock::ActivationRequestOptions::new()).map(drop),
        other.cancel().map(drop),
        other.deactivate_offline(Reason::Moved).map(drop),
        other.recover_offline().map(drop),
    ] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::WrongProduct);
    }
    assert_eq!(device.verdict(), Verdict::Active);
}

#[test]
fn a_receipt_for_another_proof_is_refused() {
    let mut vendor = Vendor::new();
    let root = SigningKey::generate(&SystemRandom).unwrap();
    vendor.roots = Roots::new([root.public_key()]);
    vendor.issuer = Issuer::root(root.clone());
    let device = Device::activated(&mut vendor, "machine");
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    let genuine = vendor.redeem(given_up.proof()).unwrap();
    let root = Forger { key: root, certificate: None };
    for binding in [Binding::Proof([7; 32]), Binding::Code([7; 32])] {
        let receipt = root.sign(&genuine, |receipt| receipt.binding = binding);
        let refused = device.client().accept(&receipt).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::WrongRequest);
    }
    assert_eq!(device.client().outstanding().unwrap().len(), 1);
    assert_eq!(root.sign(&genuine, |_| {}), genuine.as_bytes(), "only the binding was wrong");
}
