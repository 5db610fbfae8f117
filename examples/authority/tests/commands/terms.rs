//! The terms of a license change after its sale: each time another version of them.

use nodelock::{
    Reason, Verdict,
    fingerprint::{Component, Probe},
};
use serde_json::json;

use crate::program::{Authority, field};

#[test]
fn a_change_is_shown_before_it_is_made_and_is_made_only_to_what_was_looked_at() {
    let authority = Authority::new();
    let (id, _) = authority.sell("2", &["--expires", "2090-01-01"]);
    let edit = |more: &[&str]| authority.run(&[&["license", "edit", &id], more].concat(), b"");
    let shown = |more: &[&str]| edit(more).json();
    let dry = shown(&["--seats", "5", "--dry-run", "--if-version", "1"]);
    assert_eq!((&dry["changes"], &dry["changed"]), (&json!(["seats 2 -> 5"]), &json!(false)));
    assert_eq!(authority.done(&["license", "show", &id])["seats"]["total"], 2);

    assert_eq!(shown(&["--seats", "5", "--if-version", "1"])["version"], 2);
    let late = edit(&["--seats", "6", "--if-version", "1"]);
    assert_eq!((late.code, field(&late.json(), "error")), (1, "superseded"));
    assert!(field(&late.json(), "message").contains("version 1, and version 2"));
    assert_eq!(edit(&["--seats", "6", "--if-version", "1", "--dry-run"]).code, 1);
    assert_eq!(shown(&["--seats", "5"])["version"], 2, "nothing changes");
    assert_eq!(edit(&[]).code, 2);
    assert_eq!(edit(&["--set", "suspended=true"]).code, 2);

    authority.done(&["license", "suspend", &id]);
    authority.done(&["license", "resume", &id]);
    let all = authority.done(&["license", "show", &id]);
    let versions = all["versions"].as_array().unwrap();
    assert_eq!((versions.len(), &all["version"]), (4, &json!(4)));
    assert_eq!(versions[1]["changes"], json!(["seats 2 -> 5"]));
    assert_eq!(versions[0]["terms"]["seats"], 2);
    assert!(versions.iter().all(|version| field(version, "actor").starts_with("cli:")));
    assert_eq!(authority.refused(&["license", "show", "0123456789abcdef"], b""), "unknown-license");
    authority.done(&["verify"]);
}

#[test]
fn an_end_only_moves_to_a_later_time() {
    let authority = Authority::new();
    let (id, _) = authority.sell("1", &["--expires", "2090-01-01"]);
    let extend = |more: &[&str]| authority.run(&[&["license", "extend", &id], more].concat(), b"");
    assert_eq!(extend(&["--days", "31", "--dry-run"]).code, 0);
    assert_eq!(extend(&["--days", "31", "--if-version", "1"]).code, 0);
    let expires = || authority.done(&["license", "show", &id])["expires"].clone();
    assert_eq!(expires(), "2090-02-01T00:00:00Z");
    assert_eq!(extend(&["--until", "2090-01-15"]).code, 1);
    assert_eq!(extend(&["--until", "2091-01-01"]).code, 0);
    assert_eq!(expires(), "2091-01-01T00:00:00Z");
    assert_eq!(extend(&[]).code, 2);
    // One that has ended goes on from now.
    authority.done(&["license", "edit", &id, "--expires", "2020-01-01"]);
    assert_eq!(extend(&["--days", "10"]).code, 0);
    assert!(expires().as_str().unwrap() > "2026");
    let (perpetual, _) = authority.sell("1", &[]);
    assert_eq!(authority.refused(&["license", "extend", &perpetual, "--days", "1"], b""), "invalid-input");
    authority.done(&["verify"]);
}

#[test]
fn a_void_license_issues_nothing_and_its_seats_still_come_back() {
    let authority = Authority::new();
    let (id, key) = authority.sell("2", &[]);
    let (one, two) = (authority.activated("one", &key), authority.activated("two", &key));
    assert_eq!(authority.run(&["license", "void", &id], b"").code, 2, "it cannot be undone");
    let voided = authority.done(&["license", "void", &id, "--reason", "refunded", "--yes"]);
    assert_eq!(voided["changed"], true);
    assert_eq!(authority.done(&["license", "void", &id, "--yes"])["changed"], false);

    let check_in = one.check_in_offline().unwrap().to_bytes();
    assert_eq!(authority.refused(&["check-in", "-"], &check_in), "license-ended");
    let request = authority.device("three").begin(&key).unwrap().to_bytes();
    assert_eq!(authority.refused(&["activate", "-"], &request), "license-ended");
    // A lease that was signed is not taken back.
    assert_eq!(*two.check().unwrap().verdict(), Verdict::Active);
    let proof = one.deactivate_offline(Reason::Moved).unwrap().to_bytes();
    assert_eq!(field(&authority.done_with(&["redeem", "-"], &proof), "outcome"), "freed");
    assert_eq!(authority.taken(), 1);
    for act in [
        &["resume", &id][..],
        &["suspend", &id],
        &["edit", &id, "--seats", "3"],
        &["extend", &id, "--days", "3"],
        &["rekey", &id],
        &["add-key", &id],
    ] {
        assert_eq!(authority.refused(&[&["license"], act].concat(), b""), "void", "{act:?}");
    }
    let shown = authority.done(&["license", "show", &id]);
    assert!(shown["voided"].is_string() && authority.text(&["license", "list"]).stdout.contains("VOID"));
    authority.done(&["verify"]);
    authority.check_consistency();
}

#[test]
fn new_terms_never_shorten_a_lease_that_was_signed() {
    let authority = Authority::new();
    let (id, key) = authority.sell("1", &["--lease-days", "90", "--expires", "2090-01-01"]);
    let device = authority.activated("device", &key);
    let ends = authority.seats()[0]["ends"].clone();
    assert!(ends.is_string(), "{}", authority.seats()[0]);
    authority.done(&["license", "edit", &id, "--lease-days", "3", "--expires", "2020-01-01", "--seats", "1"]);
    assert_eq!(authority.seats()[0]["ends"], ends);
    assert_eq!(*device.check().unwrap().verdict(), Verdict::Active);
    authority.done(&["license", "edit", &id, "--expires", "none"]);
    // Its seat counts to the end of what was signed.
    let request = authority.device("next").begin(&key).unwrap().to_bytes();
    assert_eq!(authority.refused(&["activate", "-"], &request), "no-free-seat");
}

/// A seat is given back, the license changes, and the same key gets what it says now.
#[test]
fn a_seat_that_is_given_back_is_had_again_on_the_new_terms_with_the_same_key() {
    let authority = Authority::new();
    let (id, key) = authority.sell("1", &["--deactivations", "3", "--edition", "Home"]);
    let device = authority.activated("device", &key);
    authority.done_with(&["redeem", "-"], &device.deactivate_offline(Reason::Moved).unwrap().to_bytes());
    authority.done(&["license", "edit", &id, "--edition", "Pro", "--seats", "2"]);
    let request = device.begin(&key).unwrap().to_bytes();
    device.accept(field(&authority.done_with(&["activate", "-"], &request), "reply").as_bytes()).unwrap();
    assert_eq!(device.check().unwrap().license().unwrap().edition, "Pro");
}

/// A machine that has changed: most of what it was known by is another, and the rest says that it is the same.
fn changed() -> Probe {
    let values = [
        (Component::DiskSerial, "disk 2718281".to_owned()),
        (Component::Mac, "f0:4d:a2:99:88:77".to_owned()),
        (Component::Model, "Framework Laptop 13".to_owned()),
    ];
    Probe::from_values(values, false, false)
}

fn unchanged() -> Probe {
    let values = [
        (Component::OsId, "0af1e2d3c4b5a6978899aabbccddeeff".to_owned()),
        (Component::DiskSerial, "disk 2718281".to_owned()),
        (Component::Mac, "f0:4d:a2:11:22:33".to_owned()),
        (Component::Model, "Framework Laptop 13".to_owned()),
    ];
    Probe::from_values(values, false, false)
}

/// The days of grace and the weights are said where licenses are sold, and a device goes by them.
#[test]
fn how_far_a_machine_may_change_is_said_where_licenses_are_sold() {
    let authority = Authority::new();
    authority.done(&["product", "edit", "--grace-days", "3"]);
    // The network card counts for nothing, so that the disk and the model are enough.
    let weighed: &[&str] = &["--grace-days", "30", "--weight", "mac=0/0", "--weight", "os_id=0/0"];
    for (more, grace_days, verdict) in [(&[][..], 3, "grace"), (weighed, 30, "active")] {
        let (id, key) = authority.sell("1", more);
        let shown = authority.done(&["license", "show", &id]);
        assert_eq!(
            (&shown["grace_days"], shown["weights"].as_array().unwrap().len()),
            (&json!(grace_days), more.len() / 3)
        );
        let device = |probe: fn() -> Probe| authority.client(&id).probe(probe).build().unwrap();
        let client = device(unchanged);
        let request = client.begin(&key).unwrap().to_bytes();
        client.accept(field(&authority.done_with(&["activate", "-"], &request), "reply").as_bytes()).unwrap();
        assert_eq!(*client.check().unwrap().verdict(), Verdict::Active);
        let client = device(changed);
        client.observe().unwrap();
        let status = client.check().unwrap();
        assert_eq!(status.verdict().code(), verdict, "{more:?}");
        if let Verdict::Grace { until, .. } = status.verdict() {
            let days = until.since(status.licensing_time()).as_secs().div_ceil(86_400);
            assert_eq!(days, grace_days);
        }
    }
    authority.done(&["verify"]);
}
