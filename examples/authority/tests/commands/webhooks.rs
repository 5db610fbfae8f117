//! Webhooks from the command line: what is told, where to, and what is never followed.

use std::io::Write as _;

use crate::{
    program::{Authority, field},
    support::responder::{Responder, http},
};

fn added(authority: &Authority, url: &str) -> String {
    field(&authority.done(&["webhook", "add", url]), "id").to_owned()
}

#[test]
fn events_are_listed_and_told_to_whom_was_added() {
    let authority = Authority::new();
    let (id, key) = authority.sell("2", &["--activations", "1", "--expires-days", "30"]);
    let webhook = added(&authority, "https://example.com/hooks/4711");
    authority.activated("device", &key);
    let events = authority.done(&["event", "list", "--license", &id]);
    let listed = |events: &serde_json::Value| {
        let row = |event: &serde_json::Value| {
            (event["sequence"].as_u64().unwrap(), field(event, "type").to_owned())
        };
        events["events"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let expected = [(1, "license.created"), (2, "seat.granted"), (3, "license.used-up")];
    assert_eq!(listed(&events), expected.map(|(number, kind)| (number, kind.to_owned())));
    let first = field(&events["events"][0], "id");
    let rest = authority.done(&["event", "list", "--license", &id, "--after", first, "--limit", "1"]);
    assert_eq!(listed(&rest), [(2, "seat.granted".to_owned())]);
    assert_eq!(listed(&authority.done(&["event", "list"])).len(), 3);
    let kinds = authority.done(&["event", "kinds"]);
    let kinds: Vec<&str> =
        kinds["kinds"].as_array().unwrap().iter().map(|kind| kind.as_str().unwrap()).collect();
    assert!(expected.iter().all(|(_, kind)| kinds.contains(kind)), "{kinds:?}");
    // Only what happened after it was added is on its way.
    let told = authority.done(&["webhook", "deliveries", &webhook]);
    let states: Vec<_> =
        told["deliveries"].as_array().unwrap().iter().map(|row| field(row, "state")).collect();
    assert_eq!(states, ["due", "queued"]);
    assert!(
        authority.done(&["webhook", "deliveries", &webhook, "--aside"])["deliveries"]
            .as_array()
            .unwrap()
            .is_empty()
    );

    let shown = authority.done(&["webhook", "list"])["webhooks"][0].clone();
    assert_eq!((field(&shown, "id"), field(&shown, "url")), (&*webhook, "https://example.com/hooks/4711"));
    assert!(field(&authority.done(&["webhook", "secret", &webhook]), "secret").starts_with("whsec_"));
    assert_eq!(authority.done(&["webhook", "replay", &webhook, "--since", "2020-01-01"])["events"], 3);
    authority.done(&["webhook", "remove", &webhook]);
    assert_eq!(authority.refused(&["webhook", "remove", &webhook], b""), "unknown-webhook");
    let wrong = authority.run(&["webhook", "add", "https://example.com/", "--event", "license.bought"], b"");
    assert_eq!((wrong.code, field(&wrong.json(), "error")), (2, "usage"));
    // Neither the path nor a secret is in the audit.
    let audit = authority.text(&["audit", "list"]).stdout;
    assert!(audit.contains("example.com") && !audit.contains("4711") && !audit.contains("whsec_"), "{audit}");
    authority.done(&["verify"]);
}

#[test]
fn without_the_vault_a_webhook_gets_no_secret_of_another_one() {
    let authority = Authority::new();
    let webhook = added(&authority, "https://example.com/");
    std::fs::remove_file(authority.path("authority/keys/vault.key")).unwrap();
    for arguments in [&["webhook", "secret", &*webhook], &["webhook", "add", "https://example.com/"]] {
        assert_eq!(authority.refused(arguments, b""), "vault-missing");
    }
    assert!(!authority.path("authority/keys/vault.key").exists());
}

#[test]
fn an_address_inside_is_refused_however_it_is_written() {
    let authority = Authority::new();
    let receiver = Responder::saying(http("200 OK", "", b""));
    let port = receiver.address.port();
    let test = |url: &str, more: &[&str]| {
        let id = added(&authority, url);
        authority.done(&[&["webhook", "test", &id], more].concat())
    };
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "127.1"] {
        let told = test(&format!("https://{host}:{port}/"), &[]);
        let reason = field(&told, "reason");
        // What is no name to the system has no address.
        let is_refused = reason.contains("its address is inside") || reason.starts_with("its name");
        assert!(is_refused && told["taken"] == false, "{host}: {told}");
    }
    let told = test(&receiver.url(), &[]);
    assert!(field(&told, "reason").contains("without TLS"), "{told}");
    assert!(receiver.take_received().is_empty(), "nothing was connected to");
    let told = test(&receiver.url(), &["--webhook-allow", "127.0.0.1"]);
    assert_eq!((&told["taken"], &told["status"]), (&true.into(), &200.into()));
    assert_eq!(receiver.take_received().len(), 1);
}

#[test]
fn a_redirect_is_not_followed_and_nothing_of_an_answer_is_read_but_its_status() {
    let authority = Authority::new();
    let inside = Responder::saying(http("200 OK", "", b""));
    let receiver =
        Responder::saying(http("307 Temporary Redirect", &format!("Location: {}\r\n", inside.url()), b""));
    let id = added(&authority, &receiver.url());
    let test = || authority.done(&["webhook", "test", &id, "--webhook-allow", "127.0.0.1"]);
    let told = test();
    assert_eq!((&told["taken"], &told["status"]), (&false.into(), &307.into()));
    assert_eq!(field(&told, "reason"), "a redirect, which is not followed");
    assert!(inside.take_received().is_empty());
    // A body without end, and a head without end.
    receiver.answer(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n");
        while stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
    });
    assert_eq!(test()["taken"], true);
    receiver.answer(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream
            .write_all(b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n")
            .is_ok()
        {}
    });
    let told = test();
    assert!(told["taken"] == false && field(&told, "reason").starts_with("HTTP"), "{told}");
    receiver.answer(|_, _| {});
    assert_eq!(test()["taken"], false);
}
