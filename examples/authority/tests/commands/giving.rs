//! What the vendor takes back, what was refused, and what is let go.

use nodelock::ActivationRequestOptions;
use serde_json::json;

use crate::program::{Authority, field};

#[test]
fn a_release_says_whose_seat_it_is_and_wants_to_be_meant() {
    let authority = Authority::new();
    let (_, key) = authority.sell("1", &[]);
    let device = authority.activated("laptop", &key);
    let handle = device.check().unwrap().license().unwrap().handle.to_string();
    // Nobody can be asked here.
    let asked = authority.run(&["release", &handle, "--reason", "lost"], b"y\n");
    assert_eq!((asked.code, field(&asked.json(), "error")), (2, "usage"));
    let contact = authority.seats()[0]["last_contact"].as_str().unwrap().to_owned();
    let message = field(&asked.json(), "message").to_owned();
    for said in [&*handle, "Jane Doe", "computer laptop", &contact, "--yes"] {
        assert!(message.contains(said), "{message} does not say {said}");
    }
    assert_eq!(authority.taken(), 1);
    let released = authority.done(&["release", &handle, "--reason", "lost", "--yes"]);
    assert_eq!(
        (field(&released, "licensee"), field(&released, "label"), field(&released, "last_contact")),
        ("Jane Doe", "laptop", &*contact)
    );
    // The same again changes nothing, so nobody is asked.
    assert_eq!(authority.done(&["release", &handle, "--reason", "again"])["outcome"], "revoked");
    authority.done(&["unrelease", &handle]);
    assert_eq!(authority.taken(), 1);
    authority.check_consistency();
}

#[test]
fn a_license_is_deactivated_and_its_key_activates_again() {
    let authority = Authority::new();
    let (id, key) = authority.sell("2", &[]);
    let (one, two) = (authority.activated("one", &key), authority.activated("two", &key));
    let third = authority.device("three");
    let request = third.begin(&key).unwrap().to_bytes();
    assert_eq!(authority.refused(&["activate", "-"], &request), "no-free-seat");
    let deactivate = ["license", "deactivate", &id, "--reason", "sold with the company"];
    let asked = authority.run(&deactivate, b"");
    assert_eq!(asked.code, 2);
    assert!(field(&asked.json(), "message").contains("2 are taken"), "{}", asked.stdout);
    let done = authority.done(&[&deactivate[..], &["--yes"]].concat());
    let seats = done["seats"].as_array().unwrap();
    let labels: Vec<_> = seats.iter().map(|seat| field(seat, "label")).collect();
    assert!(seats.iter().all(|seat| seat["outcome"] == "revoked") && done["released"] == 2);
    assert!(labels.contains(&"one") && labels.contains(&"two"));
    assert_eq!(authority.refused(&[&deactivate[..], &["--yes"]].concat(), b""), "given-up");
    // Each takes its own revocation, and what was refused is gone.
    for (name, device) in [("one", &one), ("two", &two)] {
        let seat = seats.iter().find(|seat| seat["label"] == name).unwrap();
        device.accept(field(seat, "revocation").as_bytes()).unwrap();
        assert!(!device.check().unwrap().is_usable());
    }
    assert_eq!(authority.done(&["refusal", "list", "--license", &id])["refusals"], json!([]));
    let reply = authority.done_with(&["activate", "-"], &request);
    third.accept(field(&reply, "reply").as_bytes()).unwrap();
    authority.activated("four", &key);
    authority.check_consistency();
}

#[test]
fn what_was_refused_is_shown_with_its_reason_and_without_its_key() {
    let authority = Authority::new();
    let (id, key) = authority.sell("1", &[]);
    authority.activated("one", &key);
    let asked = ActivationRequestOptions::of_key(&key).metadata("host", "two");
    let request = authority.device("two").begin(asked).unwrap().to_bytes();
    for _ in 0..2 {
        assert_eq!(authority.refused(&["activate", "-"], &request), "no-free-seat");
    }
    let listed = authority.done(&["refusal", "list", "--license", &id]);
    let refusal = &listed["refusals"][0];
    assert_eq!((field(refusal, "error"), &refusal["count"]), ("no-free-seat", &json!(2)));
    assert_eq!((field(refusal, "license"), &refusal["machine"]["host"]), (&*id, &json!("two")));
    let words = authority.text(&["refusal", "list"]).stdout;
    assert!(words.contains("host=two") && words.contains("2 times") && !words.contains(&key), "{words}");
    assert_eq!(
        authority.refused(&["refusal", "list", "--license", "0123456789abcdef"], b""),
        "unknown-license"
    );
}

#[test]
fn a_customer_is_erased_and_what_is_old_is_pruned() {
    let authority = Authority::new();
    let jane = field(&authority.done(&["customer", "new", "--name", "Jane Miller"]), "id").to_owned();
    let new =
        ["license", "new", "--customer", &jane, "--licensee", "Jane Miller", "--order", "7", "--seats", "2"];
    let sold = authority.done(&new);
    assert_eq!(authority.done(&["order", "show", "7"])["terms"]["licensee"], "Jane Miller");
    authority.activated("laptop", field(&sold, "key"));
    assert_eq!(authority.run(&["customer", "erase", &jane], b"").code, 2);
    let erased = authority.done(&["customer", "erase", &jane, "--yes"]);
    assert_eq!((&erased["licenses"], &erased["seats"]), (&json!(1), &json!(1)));
    let shown = authority.done(&["customer", "show", &jane]);
    assert_eq!((field(&shown, "name"), &shown["erased"]), ("", &erased["erased"]));
    assert_eq!(authority.done(&["order", "show", "7"])["terms"]["licensee"], "");
    let seat = &authority.seats()[0];
    assert_eq!((field(seat, "label"), &seat["machine"]), ("", &json!({})));
    assert_eq!(authority.refused(&["customer", "edit", &jane, "--name", "Jane"], b""), "erased");

    let retention = authority.done(&["policy", "retention", "--refusal-days", "30"]);
    assert_eq!(retention, authority.done(&["policy", "retention"]));
    assert_eq!((&retention["refusal_days"], &retention["evidence_days"]), (&json!(30), &json!(730)));
    assert_eq!(authority.refused(&["policy", "retention", "--evidence-days", "1"], b""), "invalid-input");
    assert_eq!(authority.done(&["prune"])["seats"], 0);
    let handle = field(seat, "handle").to_owned();
    let freed = authority.done(&["release", &handle, "--reason", "gone", "--yes"]);
    assert_eq!(field(&freed, "licensee"), "");
    authority.done(&["verify"]);
}
