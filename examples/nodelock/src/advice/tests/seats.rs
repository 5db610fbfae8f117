//! Advice about requests, seats and what the vendor's rules refuse.

use nodelock::{
    ErrorKind,
    authority::ApprovalPolicy,
    code::{DeactivationCode, LicenseKey, ReleaseSecret},
};

use super::Heard;
use crate::desk::{Desk, Randomness};

const NO_SUCH_KEY: [u8; 12] = [9; 12];

pub fn unreadable_code(heard: &Heard) {
    let desk = Desk::new();
    let damaged = desk.key.replace(|c: char| c.is_ascii_digit(), "A");
    heard.from(desk.refused(&["request", &damaged[..20]], "unreadable-code"));
    assert_eq!((desk.key.len(), desk.key.split('-').count()), (29, 5), "25 in five groups");
    desk.license_by_hand();
}

pub fn already_active(heard: &Heard) {
    let pending = || {
        let desk = Desk::new();
        let other = desk.authority.sell(1).unwrap();
        let request = desk.text(&["request", &desk.key]);
        heard.from(desk.refused(&["request", &other], "already-active"));
        (desk, other, request)
    };
    let (desk, other, request) = pending();
    assert_eq!(desk.text(&["request"]), request, "shown again");
    desk.done(&["cancel"]);
    assert_eq!(desk.json(&["request", &other])["new"], true);
    let (desk, other, _) = pending();
    assert_eq!(desk.json(&["request", &other, "--replace-request"])["new"], true);

    let valid = || {
        let desk = Desk::active();
        let other = desk.authority.sell(1).unwrap();
        heard.from(desk.refused(&["request", &other], "already-active"));
        (desk, other)
    };
    let (desk, other) = valid();
    let request = desk.text(&["request", &other, "--replace-license"]);
    assert!(desk.is_active(), "kept until the new one is installed");
    let seat = desk.seat();
    desk.done(&["install", &desk.answer(request)]);
    assert!(desk.is_active() && desk.seat() != seat);
    let (desk, other) = valid();
    desk.done(&["deactivate"]);
    desk.done(&["activate", &other]);
    assert!(desk.is_active());
}

pub fn not_pending(heard: &Heard) {
    let desk = Desk::new();
    heard.from(desk.refused(&["cancel"], "not-pending"));
    desk.done(&["request", &desk.key]);
    desk.done(&["cancel"]);
}

pub fn not_active(heard: &Heard) {
    let desk = Desk::new();
    heard.from(desk.refused(&["deactivate", "--offline"], "not-active"));
    desk.status("unlicensed");
    desk.license_by_hand();
    let code = desk.text(&["deactivate", "--offline"]);
    heard.from(desk.refused(&["deactivate", "--offline"], "not-active"));
    desk.status("deactivated");
    assert_eq!(desk.text(&["code"]), code, "the earlier one");
}

pub fn deactivation_not_allowed(heard: &Heard) {
    let desk = Desk::new();
    desk.authority.vendor().terms(&desk.key).unwrap().deactivations = Some(0);
    desk.done(&["activate", &desk.key]);
    heard.from(desk.refused(&["deactivate", "--offline"], "deactivation-not-allowed"));
    assert!(desk.is_active(), "still");
    desk.authority.vendor().terms(&desk.key).unwrap().deactivations = Some(1);
    desk.done(&["check-in"]);
    desk.done(&["deactivate", "--offline"]);
}

/// As many as a store keeps, of requests that were taken back.
fn many_outstanding(heard: &Heard) -> Desk {
    let desk = Desk::new();
    for _ in 0..64 {
        desk.done(&["request", &desk.key]);
        desk.done(&["cancel"]);
    }
    heard.from(desk.refused(&["request", &desk.key], "too-many-outstanding"));
    desk
}

pub fn too_many_outstanding(heard: &Heard) {
    let desk = many_outstanding(heard);
    desk.done(&["check-in"]);
    assert_eq!(desk.json(&["status"])["outstanding"], 0);
    desk.license_by_hand();

    let desk = many_outstanding(heard);
    let waiting = desk.json(&["code"])["outstanding"].as_array().unwrap().clone();
    for given_up in &waiting {
        let seat = given_up["seat"].as_str().unwrap();
        let file = desk.done(&["code", "--format", "file", "--seat", seat]).output;
        let receipt = desk.authority.vendor().redeem(&file).unwrap();
        desk.done(&["receipt", &desk.file(receipt.to_text())]);
    }
    desk.license_by_hand();
}

/// All seats are taken by another computer.
fn without_a_seat(heard: &Heard) -> [Desk; 2] {
    let desk = Desk::new();
    let first = desk.another("first");
    first.done(&["activate", &first.key]);
    heard.from(desk.refused(&["activate", &desk.key], "no-free-seat"));
    [desk, first]
}

pub fn no_free_seat(heard: &Heard) {
    let [desk, first] = without_a_seat(heard);
    first.done(&["deactivate"]);
    desk.done(&["activate", &desk.key]);
    assert!(desk.is_active());
    let [desk, first] = without_a_seat(heard);
    desk.authority.vendor().terms(&desk.key).unwrap().seats = 2;
    desk.done(&["activate", &desk.key]);
    assert!(desk.is_active() && first.is_active());

    // A seat that lapsed, and that another computer has meanwhile.
    let desk = Desk::active();
    let other = desk.another("other");
    desk.clock.advance_days(120);
    other.done(&["activate", &other.key]);
    heard.from(desk.refused(&["check-in"], "no-free-seat"));
    other.done(&["deactivate"]);
    desk.done(&["check-in"]);
    assert!(desk.is_active());

    let [desk, first] = without_a_seat(heard);
    desk.clock.advance_days(8);
    desk.done(&["activate", &desk.key, "--instead-of", &first.seat()]);
    assert!(desk.is_active());

    let [desk, _] = without_a_seat(heard);
    desk.done(&["cancel"]);
    assert!(desk.json(&["status"])["pending"].is_null());
}

pub fn unknown_license(heard: &Heard) {
    let desk = Desk::new();
    let mistaken = LicenseKey::from_random(NO_SUCH_KEY).to_string();
    heard.from(desk.refused(&["activate", &mistaken], "unknown-license"));
    desk.done(&["activate", &desk.key]);
    assert!(desk.is_active());
}

pub fn license_ended(heard: &Heard) {
    let desk = Desk::new();
    desk.authority.vendor().terms(&desk.key).unwrap().expires = Some(desk.clock.now_plus(1));
    desk.clock.advance_days(2);
    heard.from(desk.refused(&["activate", &desk.key], "license-ended"));
    desk.authority.vendor().terms(&desk.key).unwrap().expires = Some(desk.clock.now_plus(365));
    desk.done(&["activate", &desk.key]);
    assert!(desk.is_active());
}

/// A request that comes after its own cancellation, as by another mail.
pub fn request_cancelled(heard: &Heard) {
    let desk = Desk::new();
    let request = desk.text(&["request", &desk.key]);
    desk.done(&["cancel"]);
    let cancelled = desk.done(&["code", "--format", "file"]).output;
    desk.authority.vendor().redeem(&cancelled).unwrap();
    let error = desk.authority.vendor().activate(request.as_bytes()).unwrap_err();
    heard.with(&error, ErrorKind::RequestCancelled);
    desk.license_by_hand();
}

pub fn wrong_code(heard: &Heard) {
    let desk = Desk::active();
    let other = desk.another("other");
    let seat = desk.seat();
    let code = desk.text(&["deactivate", "--offline"]);
    // Another seat's code under this seat's name: as if most of it had been read out of the wrong line.
    let mixed = DeactivationCode::new(seat.parse().unwrap(), ReleaseSecret::from_random([3; 8]));
    let error = desk.authority.vendor().redeem_code(&mixed.to_string()).unwrap_err();
    heard.with(&error, ErrorKind::WrongCode);
    desk.authority.vendor().redeem_code(&code).unwrap();
    other.done(&["activate", &other.key]);
    // Or the file.
    other.done(&["deactivate", "--offline"]);
    let file = other.done(&["code", "--format", "file"]).output;
    desk.authority.vendor().redeem(&file).unwrap();
}

pub fn too_many_attempts(heard: &Heard) {
    let desk = Desk::active();
    let seat = desk.seat().parse().unwrap();
    let code = desk.text(&["deactivate", "--offline"]);
    let wrong = |number: u8| {
        let secret = ReleaseSecret::from_random([number; 8]);
        let code = DeactivationCode::new(seat, secret).to_string();
        desk.authority.vendor().redeem_code(&code).unwrap_err()
    };
    let error = (1..20).map(wrong).find(|error| error.kind() == ErrorKind::TooManyAttempts).unwrap();
    heard.with(&error, ErrorKind::TooManyAttempts);
    desk.clock.advance_days(1);
    desk.authority.vendor().redeem_code(&code).unwrap();
}

/// The first request, which comes once more after the vendor has released its seat.
pub fn revoked(heard: &Heard) {
    let desk = Desk::new();
    let request = desk.text(&["request", &desk.key]);
    desk.done(&["install", &desk.answer(&request)]);
    desk.authority.release(desk.seat().parse().unwrap(), "reported as lost").unwrap();
    let error = desk.authority.vendor().activate(request.as_bytes()).unwrap_err();
    heard.with(&error, ErrorKind::Revoked);
    // Why, in the vendor's words, and another seat.
    let report = desk.done(&["check-in"]);
    assert!(report.json["message"].as_str().unwrap().contains("reported as lost"), "{:#}", report.json);
    desk.license_by_hand();
}

pub fn crowded_handle(heard: &Heard) {
    let mut desk = Desk::new();
    desk.authority.vendor().terms(&desk.key).unwrap().seats = 100;
    desk.randomness = Randomness::OneHandle;
    for number in 0..32 {
        let mut other = desk.another(&format!("computer {number}"));
        other.randomness = Randomness::OneHandle;
        desk.answer(other.text(&["request", &other.key]));
    }
    let request = desk.text(&["request", &desk.key]);
    let error = desk.authority.vendor().activate(request.as_bytes()).unwrap_err();
    heard.with(&error, ErrorKind::CrowdedHandle);
    desk.done(&["cancel"]);
    desk.randomness = Randomness::Good;
    desk.license_by_hand();
}

pub fn no_activation_left(heard: &Heard) {
    let desk = Desk::new();
    let first = desk.another("first");
    desk.authority.vendor().terms(&desk.key).unwrap().activations = Some(1);
    first.done(&["activate", &first.key]);
    first.done(&["deactivate"]);
    heard.from(desk.refused(&["activate", &desk.key], "no-activation-left"));
    desk.authority.vendor().terms(&desk.key).unwrap().activations = Some(2);
    desk.done(&["activate", &desk.key]);
    assert!(desk.is_active());
}

pub fn trial_used(heard: &Heard) {
    let used = || {
        let desk = Desk::new();
        {
            let mut vendor = desk.authority.vendor();
            vendor.terms(&desk.key).unwrap().trial_days = Some(10);
            vendor.give_trials(Some(&desk.key)).unwrap();
        }
        desk.done(&["activate"]);
        desk.clock.advance_days(11);
        heard.from(desk.refused(&["check-in"], "trial-used"));
        desk
    };
    let desk = used();
    let bought = desk.authority.sell(1).unwrap();
    desk.done(&["activate", &bought]);
    assert!(desk.is_active());
    let desk = used();
    let (seat, until) = (desk.seat().parse().unwrap(), desk.clock.now_plus(5));
    desk.authority.vendor().extend_trial(seat, until).unwrap();
    desk.done(&["check-in"]);
    assert!(desk.is_active());
}

pub fn approval_wanted(heard: &Heard) {
    let desk = Desk::new();
    desk.authority.vendor().terms(&desk.key).unwrap().approval = ApprovalPolicy::Required;
    heard.from(desk.refused(&["activate", &desk.key], "approval-wanted"));
    let pending = desk.json(&["status"])["pending"].as_str().unwrap().to_owned();
    desk.authority.vendor().approve(pending.parse().unwrap()).unwrap();
    desk.done(&["activate", &desk.key]);
    assert_eq!((desk.is_active(), desk.seat()), (true, pending), "the same request");
}

pub fn request_refused(heard: &Heard) {
    let desk = Desk::new();
    desk.authority.vendor().terms(&desk.key).unwrap().approval = ApprovalPolicy::Required;
    desk.refused(&["activate", &desk.key], "approval-wanted");
    let pending = desk.json(&["status"])["pending"].as_str().unwrap().to_owned();
    desk.authority.vendor().refuse(pending.parse().unwrap(), "for the lab alone").unwrap();
    let Err(refused) = desk.run(&["activate", &desk.key]) else { panic!("it was refused") };
    heard.from(refused.hint.unwrap());
    assert!(refused.message.contains("for the lab alone"), "why: {}", refused.message);
    // Once the vendor thinks otherwise, a new request is granted.
    desk.authority.vendor().terms(&desk.key).unwrap().approval = ApprovalPolicy::None;
    desk.done(&["activate", &desk.key]);
    assert!(desk.is_active());
}

pub fn deployment_key_refused(heard: &Heard) {
    another_deployment_key(heard, "deployment-key-refused", |desk| {
        let key = desk.authority.vendor().new_deployment_key(&desk.key, 1).unwrap();
        desk.authority.vendor().revoke_deployment_key(&key).unwrap();
        key
    });
}

pub fn deployment_key_used_up(heard: &Heard) {
    another_deployment_key(heard, "deployment-key-used-up", |desk| {
        let first = desk.another("first");
        let key = desk.authority.vendor().new_deployment_key(&desk.key, 1).unwrap();
        first.done(&["activate", "--deployment-key-file", &first.file(&key)]);
        first.done(&["deactivate"]);
        key
    });
}

/// With the file of another key the request that waits gets its license.
fn another_deployment_key(heard: &Heard, kind: &str, spoiled: fn(&Desk) -> String) {
    let desk = Desk::new();
    let key = spoiled(&desk);
    heard.from(desk.refused(&["activate", "--deployment-key-file", &desk.file(key)], kind));
    let pending = desk.json(&["status"])["pending"].as_str().unwrap().to_owned();
    let another = desk.authority.vendor().new_deployment_key(&desk.key, 1).unwrap();
    desk.done(&["activate", "--deployment-key-file", &desk.file(another)]);
    assert_eq!((desk.is_active(), desk.seat()), (true, pending), "the request was kept");
}
