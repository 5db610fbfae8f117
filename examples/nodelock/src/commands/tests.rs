//! What came by mail, given to `install` and `receipt` in every form (docs/THREATS.md, Test 22); what a start reads.

use std::sync::atomic::Ordering;

use serde_json::Value;

use crate::{
    desk::Desk,
    forms::{REFUSED, TAKEN},
};

/// Hands every form of a text to a command. What is taken says so; what is refused changes nothing.
fn every_form(desk: &Desk, command: &str, text: &str, is_said: impl Fn(&Value) -> bool) {
    for (form, make) in TAKEN {
        let report = desk.run(&[command, &desk.file(make(text))]);
        let report = report.unwrap_or_else(|error| panic!("{command}, {form}: {error}"));
        assert!(is_said(&report.json), "{command}, {form}: {:#}", report.json);
    }
    let before = desk.json(&["status"]);
    for (form, make, why) in REFUSED {
        let refused = desk.run(&[command, &desk.file(make(text))]);
        assert!(refused.is_err(), "{command}, {form}: taken, although {why}");
    }
    assert_eq!(desk.json(&["status"]), before, "{command}");
}

#[test]
fn a_license_a_receipt_and_a_revocation_are_taken_in_every_form() {
    assert!(TAKEN.len() >= 100);
    let desk = Desk::new();
    desk.authority.vendor().terms(&desk.key).unwrap().licensee = "Jörg \"Müller\" & Söhne".into();
    let request = desk.text(&["request", &desk.key]);
    let license = desk.authority.vendor().activate(request.as_bytes()).unwrap().license.unwrap();
    let seat = license.handle.to_string();
    every_form(&desk, "install", &license.to_text(), |said| {
        said["verdict"] == "active" && said["license"]["seat"] == seat
    });
    let revocation = desk.authority.vendor().release(license.handle, "reported as \"lost\"").unwrap();
    every_form(&desk, "install", &revocation.to_text(), |said| said["revoked"] == seat);

    let desk = Desk::active();
    let seat = desk.seat();
    desk.done(&["deactivate", "--offline"]);
    let proof = desk.done(&["code", "--format", "file"]).output;
    let receipt = desk.authority.vendor().redeem(&proof).unwrap();
    every_form(&desk, "receipt", &receipt.to_text(), |said| said["receipts"][0]["seat"] == seat);
}

#[test]
fn a_start_reads_the_store_once_with_a_network_and_without() {
    let desk = Desk::active();
    desk.done(&["start"]);
    let reads = |line: &[&str]| {
        desk.disk.reads.store(0, Ordering::Relaxed);
        assert_eq!(desk.json(line)["renewal"], "not-due");
        desk.disk.reads.load(Ordering::Relaxed)
    };
    let once = reads(&["start", "--limit", "0"]);
    assert!(once > 0);
    assert_eq!(reads(&["start"]), once);
}
