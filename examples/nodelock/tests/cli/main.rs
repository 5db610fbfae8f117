//! The command-line client through its whole life, offline.

mod advice;
#[allow(dead_code, reason = "the library's tests use all of it")]
#[path = "../../../../tests/support/forms.rs"]
mod forms;
mod input;
mod output;
#[allow(dead_code, reason = "the library's tests use all of it")]
#[path = "../../../../tests/support/responder.rs"]
mod responder;
mod schema;
mod user;

#[allow(dead_code, reason = "the quickstart uses all of it")]
#[path = "../../../quickstart/vendor.rs"]
mod vendor;

use std::fs;

use nodelock::{
    ActivationRequest, Clock as _, SystemClock,
    authority::{CheckInClaim, decision},
    code::base32,
    qr,
};
use serde_json::Value;
use user::{User, vendor};

#[test]
fn a_license_goes_from_one_store_to_another_and_back() {
    let mut vendor = vendor(1);
    let (first, second) = (User::new(&vendor), User { store: "elsewhere", ..User::new(&vendor) });
    assert_eq!(first.status(), ("unlicensed".to_owned(), false));

    let license = first.activate(&mut vendor);
    assert_eq!(first.status(), ("active".to_owned(), true));
    assert_eq!(second.status(), ("unlicensed".to_owned(), false));
    let status = first.text(&["status"]);
    for part in ["active\n", "Jane Doe", "professional", "export", "projects, up to 10", "renew by"] {
        assert!(status.contains(part), "{part:?} is missing in:\n{status}");
    }
    first.run(0, &["install", &license]);

    let code = first.deactivate();
    assert_eq!(first.status(), ("deactivated".to_owned(), false));
    first.refused(1, &["install", &license], "given-up", "which was given up on this machine");
    let typed = code.to_lowercase().replace('-', " ").replacen(' ', "?", 1);
    let (receipt, mended) = vendor.redeem_code(&typed).unwrap();
    assert_eq!((mended.len(), vendor.usage().taken), (1, 0));
    let receipt = first.write("receipt.txt", receipt.to_text());
    for _ in 0..2 {
        let taken_in = first.json(0, &["receipt", &receipt]);
        assert_eq!(taken_in["receipts"].as_array().unwrap().len(), 1);
        assert_eq!(taken_in["receipts"][0]["outcome"], "returned");
        assert_eq!(taken_in["outstanding"], 0);
    }
    first.refused(1, &["code"], "nothing-outstanding", "no seat waits");

    second.activate(&mut vendor);
    assert_eq!(second.status(), ("active".to_owned(), true));
    // The first user asks again while the seat is taken, thinks better of it, and asks again.
    let request = first.run(0, &["request", &vendor.license_key.clone()]);
    assert!(vendor.activate(&request).is_err());
    let cancelled = first.json(0, &["cancel"]);
    assert_eq!(cancelled["outstanding"], 1);
    first.refused(1, &["cancel"], "not-pending", "no activation request is pending");
    second.deactivate();
    let proof = second.run(0, &["code", "--format", "file"]);
    let receipt = second.write("receipt.bin", vendor.redeem(&proof).unwrap().as_bytes());
    assert_eq!(second.text(&["receipt", &receipt]).lines().count(), 1);
    let request = first.json(0, &["request", &vendor.license_key.clone()]);
    assert_eq!(request["releases"], Value::from([cancelled["seat"].clone()].to_vec()));
    let answer = vendor.activate(request["content"].as_str().unwrap().as_bytes()).unwrap();
    first.run(0, &["install", &first.write("license.txt", answer)]);
    let status = first.json(0, &["status"]);
    assert_eq!((&status["outstanding"], &status["usable"]), (&0.into(), &true.into()));
}

#[test]
fn a_pending_request_survives_and_is_shown_again() {
    let mut vendor = vendor(2);
    let user = User::new(&vendor);
    let key = vendor.license_key.clone();
    let first = user.json(0, &["request", &key, "--metadata", "computer=office"]);
    let again: &[&[&str]] = &[
        &["request"],
        &["request", &key],
        &["request", &key.to_lowercase()],
        &["request", &key, "--metadata", "computer=office"],
    ];
    for arguments in again {
        let again = user.json(0, arguments);
        assert_eq!((&again["content"], &again["new"]), (&first["content"], &false.into()));
    }
    let file = user.run(0, &["request", "--format", "file"]);
    assert_eq!(user.text(&["request", "--format", "svg"]), qr::svg(base32::encode(&file)).unwrap());
    assert_eq!(user.text(&["request", "--format", "qr"]), qr::terminal(base32::encode(&file)).unwrap());
    user.refused(1, &["request", &key, "--metadata", "computer=home"], "already-active", "nodelock cancel");
    let status = user.json(3, &["status"]);
    assert_eq!((&status["verdict"], &status["pending"]), (&"unlicensed".into(), &first["seat"]));

    // Another store of the same user knows nothing of it.
    let user = User { store: "other", ..user };
    assert!(user.json(3, &["status"])["pending"].is_null());
    user.activate(&mut vendor);
    let user = User { store: "store", ..user };
    assert_eq!(user.status(), ("unlicensed".to_owned(), false));
    user.run(0, &["install", &user.write("license.txt", vendor.activate(&file).unwrap())]);
    assert_eq!((vendor.usage().taken, user.status().1), (2, true));
}

#[test]
fn a_license_that_is_not_usable_is_told_by_the_exit_code() {
    let mut vendor = vendor(1);
    let user = User::new(&vendor);
    vendor.ledger.terms[0].starts = SystemClock.now().plus_days(7);
    let request = user.run(0, &["request", &vendor.license_key.clone()]);
    let license = user.write("license.txt", vendor.activate(&request).unwrap());
    let installed = user.json(3, &["install", &license]);
    assert_eq!((&installed["verdict"], &installed["usable"]), (&"not-yet-valid".into(), &false.into()));
    assert!(installed["license"].is_object());
    assert_eq!(user.status(), ("not-yet-valid".to_owned(), false));
}

/// What a script does before it starts an application.
#[test]
fn a_start_says_what_is_due_and_why_it_did_not_come() {
    let mut vendor = vendor(1);
    let user = User::new(&vendor);
    user.activate(&mut vendor);
    let started = user.json(0, &["start", "--limit", "0"]);
    assert_eq!((&started["renewal"], &started["renewal_error"]), (&"not-due".into(), &Value::Null));
    user.run(0, &["deactivate", "--offline"]);
    // Nobody listens there.
    let nobody = ["start", "--authority", "http://127.0.0.1:1"];
    let started = user.json(3, &nobody);
    let due = (&started["renewal"], &started["renewal_error"], &started["outstanding"]);
    assert_eq!(due, (&"due".into(), &"unreachable".into(), &1.into()));
    let output = user.output(&nobody);
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(notes.contains("The renewal did not come: ") && notes.contains("asks again"), "{notes}");
    user.refused(2, &["start"], "no-authority", "--authority");
}

#[test]
fn the_vendor_hears_of_the_computer_where_that_is_asked_for() {
    let mut vendor = vendor(2);
    let (telling, quiet) = (User::new(&vendor), User { store: "elsewhere", ..User::new(&vendor) });
    let key = vendor.license_key.clone();
    for (user, more) in [(&telling, &["--describe-machine"][..]), (&quiet, &[])] {
        let is_said = |description: &[(String, String)]| {
            description.iter().any(|(_, value)| value == std::env::consts::ARCH) != more.is_empty()
        };
        let request = user.run(0, &[&["request", &key], more].concat());
        assert!(is_said(&ActivationRequest::verify(&request).unwrap().description()), "{more:?}");
        user.run(0, &["install", &user.write("license.txt", vendor.activate(&request).unwrap())]);
        let check_in = user.run(0, &[&["check-in", "--offline", "--format", "text"], more].concat());
        let claim = CheckInClaim::read(&check_in).unwrap();
        let name = *vendor.ledger.seats.keys().find(|name| name.handle == claim.handle()).unwrap();
        answered(user, &mut vendor, &check_in);
        assert!(is_said(vendor.ledger.description(name)), "{more:?}");
    }
}

/// The vendor's answer to what `check-in --offline` wrote, as a file of the user's.
fn answered(user: &User, vendor: &mut vendor::Vendor, check_in: &[u8]) -> String {
    let claim = CheckInClaim::read(check_in).unwrap();
    let (_, reply) = vendor.decide(|records, moment| decision::check_in(&claim, records, moment)).unwrap();
    user.write("answer.txt", reply.to_text())
}

#[test]
fn a_license_is_renewed_by_a_file_and_ended_by_one() {
    let mut vendor = vendor(1);
    let user = User::new(&vendor);
    user.activate(&mut vendor);
    let out = user.path("check-in.bin");
    let written =
        user.json(0, &["check-in", "--offline", "--format", "file", "--out", out.to_str().unwrap()]);
    assert_eq!((&written["revision"], &written["format"]), (&1.into(), &"file".into()));
    let license = answered(&user, &mut vendor, &fs::read(&out).unwrap());
    assert_eq!(user.json(0, &["install", &license])["license"]["revision"], 2);
    user.run(2, &["check-in", "--out", "x"]);
    assert!(user.text(&["check-in", "--offline", "--format", "qr"]).contains('█'));

    let (seat, _) = vendor.ledger.seats.first_key_value().unwrap();
    let seat = *seat;
    vendor.decide(|records, moment| decision::release(seat, "reported as lost", records, moment)).unwrap();
    let revocation = answered(&user, &mut vendor, &user.run(0, &["check-in", "--offline"]));
    assert_eq!(user.json(3, &["install", &revocation])["verdict"], "revoked");
    user.refused(1, &["check-in", "--offline"], "not-active", "no license is active");
    user.refused(1, &["install", out.to_str().unwrap()], "wrong-type", "");
}

#[test]
fn each_seat_that_a_file_tells_of_is_shown() {
    let mut vendor = vendor(1);
    let user = User::new(&vendor);
    user.activate(&mut vendor);
    user.deactivate();
    user.run(0, &["request", &vendor.license_key.clone()]);
    user.run(0, &["cancel"]);
    let (mut receipts, mut told) = (String::new(), String::new());
    for given_up in user.json(0, &["code"])["outstanding"].as_array().unwrap() {
        let seat = given_up["seat"].as_str().unwrap();
        let proof = user.run(0, &["code", "--format", "file", "--seat", seat]);
        receipts += &(vendor.redeem(&proof).unwrap().to_text() + "\n");
        told += &format!("seat {seat} is free\n");
    }
    let file = user.write("receipts.txt", receipts);
    assert_eq!(user.text(&["receipt", &file]), told);
    let again = user.json(0, &["receipt", &file]);
    assert_eq!(again["receipts"].as_array().unwrap().len(), 2, "{again}");

    // An answer to a request has the receipts of the seats that it carried along.
    user.activate(&mut vendor);
    let given_up = user.json(0, &["deactivate", "--offline"]);
    let request = user.run(0, &["request", &vendor.license_key.clone()]);
    let answer = user.write("answer.txt", vendor.activate(&request).unwrap());
    let seat = given_up["seat"].as_str().unwrap();
    assert!(user.text(&["install", &answer]).starts_with(&format!("seat {seat} is free\nactive\n")));
    assert_eq!(user.json(0, &["install", &answer])["receipts"][0]["seat"], seat);
}

#[test]
fn a_revocation_is_taken_in_like_a_receipt() {
    let mut vendor = vendor(1);
    let user = User::new(&vendor);
    user.activate(&mut vendor);
    let (seat, _) = vendor.ledger.seats.first_key_value().unwrap();
    let seat = *seat;
    let (_, reply) = vendor
        .decide(|records, moment| decision::release(seat, "reported as lost", records, moment))
        .unwrap();
    let file = user.write("revocation.txt", reply.to_text());
    let taken_in = user.json(0, &["receipt", &file]);
    assert_eq!(
        (&taken_in["revoked"], &taken_in["verdict"]),
        (&seat.handle.to_string().into(), &"revoked".into())
    );
    assert!(
        user.text(&["receipt", &file])
            .contains(&format!("seat {} was released by the vendor: reported as lost", seat.handle))
    );
    assert_eq!(user.status(), ("revoked".to_owned(), false));
    assert!(String::from_utf8(user.run(3, &["status"])).unwrap().contains("reported as lost"));
}

#[test]
fn without_a_deactivation_left_the_license_stays() {
    let mut vendor = vendor(1);
    vendor.ledger.terms[0].deactivations = Some(0);
    let user = User::new(&vendor);
    user.activate(&mut vendor);
    let words = "the license has 0 deactivations left";
    user.refused(1, &["deactivate", "--offline"], "deactivation-not-allowed", words);
    assert_eq!(user.status(), ("active".to_owned(), true));
}

/// The hint of `status` is followed to a license that is usable again.
#[test]
fn the_advice_about_a_lost_device_key_leads_out() {
    let mut vendor = vendor(1);
    let user = User::new(&vendor);
    user.activate(&mut vendor);
    fs::remove_file(user.path("store").join("device.key")).unwrap();
    let hint = user.json(3, &["status"])["hint"].to_string();
    assert!(hint.contains("release the seat") && hint.contains("--replace-license"), "{hint}");
    user.refused(1, &["deactivate", "--offline"], "corrupt", "Put the file back from a copy");

    let (seat, _) = vendor.ledger.seats.first_key_value().unwrap();
    let seat = *seat;
    vendor.decide(|records, moment| decision::release(seat, "its key is lost", records, moment)).unwrap();
    let key = vendor.license_key.clone();
    let request = user.run(0, &["request", &key, "--replace-license", "--format", "file"]);
    user.run(0, &["install", &user.write("license.txt", vendor.activate(&request).unwrap())]);
    assert_eq!(user.status(), ("active".to_owned(), true));
}

#[test]
fn an_authority_is_asked_over_https_unless_it_is_here() {
    let vendor = vendor(1);
    let user = User::new(&vendor);
    let key = vendor.license_key.clone();
    let words = "https is needed";
    user.refused(2, &["activate", &key, "--authority", "http://192.0.2.1"], "invalid-input", words);
    user.refused(2, &["activate", &key, "--authority", "licenses"], "invalid-input", "https://HOST");
}

#[test]
fn a_damaged_store_is_told_from_an_empty_one() {
    let mut vendor = vendor(1);
    let user = User::new(&vendor);
    user.activate(&mut vendor);
    fs::write(user.path("store").join("state"), "").unwrap();
    assert_eq!(user.status(), ("damaged".to_owned(), false));
    user.refused(1, &["deactivate", "--offline"], "corrupt", "the store is damaged");
    user.refused(1, &["request"], "corrupt", "the store is damaged");
}
