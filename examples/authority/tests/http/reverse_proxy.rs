//! Whom the server takes a request for: the address that it was connected from, or what a proxy that it was told to
//! believe says.

use nodelock::{ErrorKind, code::LicenseKey};
use serde_json::{Value, json};

use crate::support::{calls::kind, requests::WholeResponse, server::Authority};

/// An activation with a license key that nobody has, passed on with these headers.
fn guess(authority: &Authority, request: &Value, headers: &str) -> WholeResponse {
    let mut all = vec![("Content-Type", "application/json")];
    all.extend(headers.lines().map(|line| line.split_once(": ").unwrap()));
    authority.ask("POST", "/v1/activations", &all, request.to_string().as_bytes())
}

fn wrong_request(authority: &Authority) -> Value {
    let key = LicenseKey::from_random([6; 12]).to_string();
    json!({ "request": authority.device("guesser").begin(&key).unwrap().to_base64url() })
}

const UNKNOWN: (u16, &str) = (404, "unknown-license");
const LIMITED: (u16, &str) = (429, "too-many-attempts");

fn assert_answer(reply: &WholeResponse, expected: (u16, &str)) {
    assert_eq!(reply.problem(), (expected.0, expected.1.to_owned()));
}

#[test]
fn behind_a_trusted_proxy_each_client_counts_for_itself() {
    let authority = Authority::with(&["--trusted-proxy", "127.0.0.1"]);
    let request = wrong_request(&authority);
    let from = |address: &str| guess(&authority, &request, &format!("X-Forwarded-For: {address}\r\n"));
    for _ in 0..20 {
        assert_answer(&from("203.0.113.1"), UNKNOWN);
    }
    assert_answer(&from("203.0.113.1"), LIMITED);
    assert_answer(&from("203.0.113.2"), UNKNOWN);
    // What the client wrote itself is to the left of what the proxy added, on the same line or on one before.
    for spoofed in [
        "X-Forwarded-For: 198.51.100.1, 203.0.113.1\r\n",
        "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.1\r\n",
        "X-Forwarded-For: 203.0.113.1\r\nForwarded: for=198.51.100.1\r\n",
        "X-Forwarded-For: 203.0.113.1\r\nX-Real-IP: 198.51.100.1\r\n",
        "X-Forwarded-For: 198.51.100.1, 203.0.113.1, 127.0.0.1\r\n",
        "X-Forwarded-For: ::ffff:203.0.113.1\r\n",
        "X-Forwarded-For: 203.0.113.1:4711\r\n",
    ] {
        assert_answer(&guess(&authority, &request, spoofed), LIMITED);
    }
    // An IPv6 network is one peer, however its addresses are written.
    for port in 0..20 {
        assert_answer(&from(&format!("[2001:db8::{port}]:{port}")), UNKNOWN);
    }
    assert_answer(&from("2001:db8::1"), LIMITED);
    assert_answer(&from("[2001:db8::ffff]"), LIMITED);
    assert_answer(&from("2001:db8:0:1::1"), UNKNOWN);
}

#[test]
fn what_a_proxy_says_that_is_no_address_counts_for_the_proxy() {
    let authority = Authority::with(&["--trusted-proxy", "127.0.0.1"]);
    let request = wrong_request(&authority);
    let nonsense =
        ["", "X-Forwarded-For: unknown\r\n", "X-Forwarded-For: \r\n", "X-Forwarded-For: 1.2.3\r\n"];
    let more = ["X-Forwarded-For: 203.0.113.1, _hidden\r\n", "X-Forwarded-For: 203.0.113.1,\r\n"];
    for headers in nonsense.iter().chain(&more).cycle().take(20) {
        assert_answer(&guess(&authority, &request, headers), UNKNOWN);
    }
    for headers in nonsense.iter().chain(&more) {
        assert_answer(&guess(&authority, &request, headers), LIMITED);
    }
    assert_answer(&guess(&authority, &request, "X-Forwarded-For: 203.0.113.1\r\n"), UNKNOWN);
}

#[test]
fn nobody_else_chooses_the_address_that_it_counts_for() {
    // The proxy is elsewhere, so whoever comes from here is a client.
    for options in [&[][..], &["--trusted-proxy", "192.0.2.7"], &["--trusted-proxy", "::1,192.0.2.7"]] {
        let authority = Authority::with(options);
        let request = wrong_request(&authority);
        let spoofed =
            |n| guess(&authority, &request, &format!("X-Forwarded-For: 203.0.113.{n}, 192.0.2.7\r\n"));
        for n in 0..20 {
            assert_answer(&spoofed(n), UNKNOWN);
        }
        assert_answer(&spoofed(20), LIMITED);
        let device = authority.device("device");
        let key = LicenseKey::from_random([7; 12]).to_string();
        assert_eq!(kind(device.activate(&key)), ErrorKind::TooManyAttempts);
    }
}

#[test]
fn the_audit_names_the_client_behind_the_proxy() {
    let authority = Authority::with(&["--trusted-proxy", "127.0.0.1", "--trusted-proxy", "198.51.100.9"]);
    let key = authority.sell("1", &[]);
    let request = json!({ "request": authority.device("device").begin(&key).unwrap().to_base64url() });
    // Through two proxies, of which the outer one is trusted too.
    let headers = "X-Forwarded-For: 192.0.2.66, 203.0.113.5, 198.51.100.9\r\n";
    assert_eq!(guess(&authority, &request, headers).status, 200);
    assert!(
        authority.audit().iter().any(|line| line["action"] == "granted" && line["peer"] == "203.0.113.5")
    );
}
