//! Activations that wait for the vendor's approval, by file and by command.

use nodelock::ActivationRequestOptions;
use serde_json::json;

use crate::program::{Authority, field};

#[test]
fn a_request_by_file_waits_and_is_approved_or_refused_by_command() {
    let authority = Authority::new();
    let (id, key) = authority.sell("2", &["--approval", "required"]);
    let ask = |name: &str| {
        let device = authority.device(name);
        let asked = ActivationRequestOptions::of_key(&key).metadata("host", name);
        let pending = device.begin(asked).unwrap();
        let (handle, request) = (pending.request().handle.to_string(), pending.to_bytes());
        assert_eq!(authority.refused(&["activate", "-"], &request), "approval-wanted");
        (device, handle, request)
    };
    let (device, handle, request) = ask("desk");
    let listed = authority.done(&["request", "list", "--license", &id])["requests"].clone();
    let shown = authority.done(&["request", "show", &handle]);
    assert_eq!((&listed, field(&shown, "label")), (&json!([shown]), "desk"));
    assert_eq!((field(&shown, "state"), &shown["ends"]), ("waiting", &json!(null)));
    let approved = authority.done(&["request", "approve", &handle]);
    assert_eq!((field(&approved, "state"), approved["ends"].is_string()), ("approved", true));
    let reply = authority.done_with(&["activate", "-"], &request);
    device.accept(field(&reply, "reply").as_bytes()).unwrap();
    assert_eq!(authority.refused(&["request", "approve", &handle], b""), "unknown-seat");

    let (_, handle, request) = ask("other");
    authority.done(&["request", "refuse", &handle, "--reason", "ask in the lab"]);
    assert_eq!(authority.refused(&["activate", "-"], &request), "request-refused");
    let words = authority.text(&["request", "list"]).stdout;
    assert!(words.contains("refused") && words.contains("reason=ask in the lab"), "{words}");
    assert_eq!(authority.refused(&["request", "approve", &handle], b""), "request-refused");
    authority.done(&["license", "suspend", &id]);
    assert_eq!(authority.done(&["request", "list"])["requests"], json!([]));
    assert_eq!(
        authority.refused(&["request", "list", "--license", "0123456789abcdef"], b""),
        "unknown-license"
    );
    authority.done(&["verify"]);
}

#[test]
fn what_holds_for_all_products_is_inherited_by_a_product_and_overridden_by_a_license() {
    let authority = Authority::new();
    authority.done(&["policy", "edit", "--approval", "required"]);
    let asked = |more: &[&str]| {
        let (_, key) = authority.sell("1", more);
        let request = authority.device(&key).begin(&*key).unwrap().to_bytes();
        authority.run(&["activate", "-"], &request).code
    };
    assert_eq!((asked(&[]), asked(&["--approval", "none"])), (1, 0));
    authority.done(&["product", "edit", "--approval", "none"]);
    assert_eq!((asked(&[]), asked(&["--approval", "required"])), (0, 1));
}
