//! Mails from the command line: what is to be mailed, to whom, and what they say.

use serde_json::json;

use crate::program::{Authority, field};

fn customer(authority: &Authority) -> String {
    let new = ["customer", "new", "--name", "Jane Doe", "--email", "jane@example.com", "--language", "de"];
    field(&authority.done(&new), "id").to_owned()
}

#[test]
fn a_key_is_sent_to_the_customer_who_is_noted_and_a_policy_says_from_whom() {
    let authority = Authority::new();
    let id = customer(&authority);
    let sold = authority.done(&["license", "new", "--customer", &id]);
    let license = field(&sold, "license").to_owned();
    let send = ["license", "send-key", &license];
    assert_eq!(authority.refused(&send, b""), "not-mailed");
    let sell = ["license", "new", "--customer", &id, "--mail"];
    assert_eq!(authority.refused(&sell, b""), "not-mailed");
    authority.done(&["mail", "policy", "--from", "Example <sales@example.com>", "--event", "seat.released"]);
    let sent = authority.done(&send);
    assert!(field(&sold, "key").ends_with(field(&sent, "key_hint")));
    authority.done(&sell);
    authority.done(&["license", "new", "--customer", &id]);
    let mails = authority.done(&["mail", "list"])["mails"].clone();
    let row = |row: &serde_json::Value| {
        assert_eq!(field(row, "customer"), id);
        (field(row, "type").to_owned(), field(row, "state").to_owned())
    };
    let rows: Vec<_> = mails.as_array().unwrap().iter().map(row).collect();
    assert_eq!(rows, vec![("license.key-sent".to_owned(), "due".to_owned()); 2]);
    assert_eq!(authority.done(&["mail", "list", "--aside"])["mails"], json!([]));
    assert_eq!(authority.done(&["mail", "replay", "--since", "2020-01-01"])["mails"], 2);
    // Who is mailed is in no audit, and neither is a key.
    let audit = authority.text(&["audit", "list"]).stdout;
    assert!(audit.contains("license-key-sent") && audit.contains("mails-replayed"), "{audit}");
    assert!(!audit.contains("jane@example.com") && !audit.contains(field(&sold, "key")), "{audit}");
    authority.done(&["verify"]);
}

#[test]
fn a_policy_is_shown_changed_and_refused() {
    let authority = Authority::new();
    assert_eq!(authority.done(&["mail", "policy"])["policy"], json!({}));
    let said = |arguments: &[&str]| authority.done(&[&["mail", "policy"], arguments].concat());
    let changed =
        said(&["--from", "sales@example.com", "--event", "seat.lapsed", "--event", "license.expiring"]);
    let all = json!({ "from": "sales@example.com", "events": ["license.expiring", "seat.lapsed"] });
    assert_eq!(changed["policy"], all);
    let id = field(&changed["products"][0], "product").to_owned();
    let changed = said(&["--product", &id, "--language", "de", "--no-events"]);
    let of_product = json!({ "language": "de", "events": [] });
    assert_eq!((&changed["policy"], &changed["products"][0]["policy"]), (&all, &of_product));
    let changed = said(&["--product", &id, "--unset", "events"]);
    assert_eq!(changed["products"][0]["policy"], json!({ "language": "de" }));
    for wrong in [
        &["--from", "sales"][..],
        &["--from", "a@example.com, b@example.com"],
        &["--language", "fr"],
        &["--event", "seat.granted"],
        &["--unset", "from"],
    ] {
        let refused = authority.run(&[&["mail", "policy"], wrong].concat(), b"");
        assert_eq!((refused.code, field(&refused.json(), "error")), (2, "usage"), "{wrong:?}");
    }
    let unknown = ["mail", "policy", "--product", "none", "--language", "de"];
    assert_eq!(authority.refused(&unknown, b""), "unknown-product");
    authority.done(&["verify"]);
}

#[test]
fn a_sample_is_a_whole_mail_for_the_program_that_sends_it() {
    let authority = Authority::new();
    authority.done(&["mail", "policy", "--from", "Example <sales@example.com>"]);
    let sample = |more: &[&str]| {
        let arguments = [&["mail", "sample", "seat.released", "--to", "joe@example.com"], more].concat();
        authority.text(&arguments).stdout
    };
    let mail = sample(&[]);
    let (head, text) = mail.split_once("\r\n\r\n").unwrap();
    for line in [
        "From: \"Example\" <sales@example.com>",
        "To: \"Jane Doe\" <joe@example.com>",
        "Subject: Example: a seat is free again",
        "Content-Type: text/plain; charset=\"utf-8\"",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(head.lines().any(|said| said == line), "{line}: {head}");
    }
    assert!(text.contains("Reason: reported as stolen"), "{text}");
    let german = sample(&["--language", "de"]);
    assert!(
        german.contains("Content-Language: de") && german.contains("Grund: reported as stolen"),
        "{german}"
    );
    authority.done(&["mail", "sample", "license.key-sent"]);
    let wrong = authority.run(&["mail", "sample", "license.created"], b"");
    assert_eq!(wrong.code, 2, "{}", wrong.stdout);
}
