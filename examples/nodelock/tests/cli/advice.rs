//! Advice that is about what surrounds the program: it is followed with the program itself.

use std::{net::TcpListener, process::Command};

use nodelock::{Clock as _, SystemClock, testing::TestAuthority};
use serde_json::Value;

use crate::{
    responder::{Responder, http},
    user::{PRODUCT, User, nodelock},
};

/// The library's authority for tests, at an address.
fn served() -> (TestAuthority, Responder, User) {
    let authority = TestAuthority::new(PRODUCT);
    authority.clock().set(SystemClock.now().unix_seconds());
    let user = User::of(authority.vendor().root());
    let serving = authority.clone();
    let responder = Responder::new(move |received, stream| {
        use std::io::Write as _;
        let answer = serving.vendor().call(&received.path, &received.body);
        let _ = stream.write_all(&http(&format!("{} Answer", answer.status), "", answer.body));
    });
    (authority, responder, user)
}

/// What a command that failed says of itself.
fn failed(command: &mut Command) -> Value {
    let output = command.arg("--json").output().unwrap();
    assert_ne!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stderr).unwrap()
}

fn done(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A user without a home directory names a folder. A proxy that cannot be used is put right, or the authority's host is
/// left out, which is told by what is in the way then.
#[test]
fn what_this_machine_lacks_is_given_or_left_out() {
    let (authority, responder, user) = served();
    let key = authority.sell(1).unwrap();
    let root = user.root.to_string();
    let folder = user.path("folder");
    let activate = |url: &str, proxy: Option<&str>, store: bool| {
        let mut command = user.bare(nodelock());
        command.args(["--product", PRODUCT, "--root", &root, "--authority", url, "activate", &key]);
        if store {
            command.arg("--store").arg(&folder);
        }
        for name in [
            "NO_PROXY",
            "no_proxy",
            "HTTP_PROXY",
            "http_proxy",
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "all_proxy",
        ] {
            command.env_remove(name);
        }
        command.envs(proxy.map(|proxy| ("HTTPS_PROXY", proxy)));
        command
    };
    let here = responder.url();
    // Addresses at which nobody listens: a name would be looked up in whatever network the test runs.
    let closed = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (lost, dead) = (format!("https://{}", closed()), format!("http://{}", closed()));
    let said = failed(&mut activate(&lost, Some(&dead), true));
    assert_eq!(said["error"], "unreachable", "{said}");
    assert!(said["hint"].as_str().unwrap().contains("leave the authority's host out (NO_PROXY)"), "{said}");
    let said = failed(activate(&lost, Some(&dead), true).env("NO_PROXY", "127.0.0.1"));
    assert_eq!(said["error"], "unreachable", "{said}");
    assert!(!said.to_string().contains("roxy"), "the proxy is in no way any more: {said}");
    if cfg!(unix) {
        // A home that is no place, as some services have it.
        let said = failed(activate(&here, None, false).env("HOME", "not/absolute"));
        assert_eq!(said["error"], "unsupported", "{said}");
        assert_eq!(said["hint"], "Without a home directory, give a folder with --store.");
    }
    done(&mut activate(&here, None, true));
    assert_eq!(authority.usage(&key).unwrap().taken, 1);
}

/// What cannot be read or written is named, and then it is put right.
#[test]
fn files_that_cannot_be_read_or_written_are_named_otherwise() {
    let (authority, responder, user) = served();
    let key = authority.sell(1).unwrap();
    user.refused(1, &["install", "missing.txt"], "input", "Check the name");
    let request = user.path("request.txt");
    let into_nowhere = user.path("no-such-folder/request.txt");
    let written = ["request", &key, "--out", into_nowhere.to_str().unwrap()];
    let said = failed(&mut user.command(nodelock(), &written));
    assert_eq!(said["error"], "output", "{said}");
    assert!(said["hint"].as_str().unwrap().contains("`request` (without a key)"), "{said}");
    user.run(0, &["request", "--out", request.to_str().unwrap()]);
    let answer = authority.vendor().activate(&std::fs::read(request).unwrap()).unwrap();
    user.run(0, &["install", &user.write("license.txt", answer.to_text())]);

    user.refused(1, &["code"], "nothing-outstanding", "`nodelock deactivate --offline`");
    user.refused(2, &["deactivate"], "no-authority", "Give --authority URL");
    let said = failed(&mut user.command(nodelock(), &["deactivate"]));
    assert!(said["hint"].as_str().unwrap().contains("`deactivate --offline`"), "{said}");
    let at = ["check-in", "--authority", &responder.url()];
    done(user.command(nodelock(), &at).env("NO_PROXY", "127.0.0.1"));
    user.run(0, &["deactivate", "--offline"]);
    let code = user.text(&["code"]);
    authority.vendor().redeem_code(&code).unwrap();
}

/// The secret may be gone once a machine has its seat: it renews the license and gives the seat back without it.
#[test]
fn a_machine_that_has_its_seat_needs_no_deployment_key() {
    let (authority, responder, user) = served();
    let key = authority.sell(1).unwrap();
    let url = responder.url();
    let missing = user.path("gone");
    let with_a_key_that_is_gone = |words: &[&str]| {
        let mut command = user.command(nodelock(), &[words, &["--authority", &url]].concat());
        command.env("NO_PROXY", "127.0.0.1").env("NODELOCK_DEPLOYMENT_KEY_FILE", &missing);
        command
    };
    let said = failed(&mut with_a_key_that_is_gone(&["activate"]));
    assert_eq!(said["error"], "input", "a request without a license key wants it: {said}");
    for words in [&["activate", &key][..], &["start"], &["check-in"], &["deactivate"]] {
        done(&mut with_a_key_that_is_gone(words));
    }
    assert_eq!(authority.usage(&key).unwrap().taken, 0);
}
