//! A ledger that was restored to an earlier copy is noticed, and an ordinary restart is none.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::server::{Authority, Engine};

fn status(authority: &Authority) -> String {
    let ready = authority.get("/readyz");
    assert_eq!(ready.status, 200, "{}", ready.body);
    ready.json()["status"].as_str().unwrap().to_owned()
}

/// The lines of the audit that say that something is missing.
fn gaps(authority: &Authority) -> Vec<String> {
    let audit = authority.audit();
    let lines = audit.iter().filter(|line| line["action"] == "restored" && line["actor"] == "cli:authority");
    lines.map(|line| line["detail"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_restart_is_no_restore() {
    let authority = Authority::new();
    let key = authority.sell("2", &[]);
    authority.device("device").activate(&key).unwrap();
    authority.kill();
    authority.restart();
    assert_eq!(status(&authority), "ok");
    assert_eq!(authority.vendor(&["vouch"])["restored_until"], Value::Null);
    assert_eq!(gaps(&authority), [""; 0]);
    assert_eq!(authority.vendor(&["verify"])["found"], 0);
}

#[test]
fn a_ledger_that_was_restored_to_an_earlier_copy_says_so() {
    if !matches!(Engine::chosen(), Engine::Sqlite) {
        return;
    }
    let authority = Authority::new();
    let key = authority.sell("2", &[]);
    authority.device("before").activate(&key).unwrap();
    let copy = authority.path("copy");
    authority.vendor(&["backup", copy.to_str().unwrap()]);
    // Another page is in service when something is signed that the copy does not have.
    authority.kill();
    authority.restart();
    authority.device("after").activate(&key).unwrap();
    authority.kill();
    let directory = authority.directory();
    for name in ["authority.db", "authority.db-wal", "authority.db-shm"] {
        let _ = fs::remove_file(directory.join(name));
    }
    authority.vendor(&["restore", copy.to_str().unwrap()]);
    authority.restart();
    assert_eq!(status(&authority), "restored");
    assert_eq!(gaps(&authority).len(), 1);
    assert!(gaps(&authority)[0].starts_with("history is missing since "), "{:?}", gaps(&authority));
    // It is evident: the operator cannot say that it is not so.
    let vouched = authority.vendor(&["vouch"]);
    assert!(vouched["restored_until"].is_string(), "{vouched}");
    authority.kill();
    authority.restart();
    assert_eq!(status(&authority), "restored");
    assert_eq!(gaps(&authority).len(), 1, "it is found once");
    assert_eq!(authority.vendor(&["verify"])["found"], 0);
}

#[test]
fn the_page_is_where_the_operator_wants_it() {
    let authority = Authority::new();
    let file = authority.path("elsewhere/page");
    let page = |file: &Path| fs::read_to_string(file).unwrap().trim().len();
    assert_eq!(page(&authority.directory().join("keys/page")), 16);
    // A place that cannot be written is no place.
    let vouch = ["vouch", "--page-file", file.to_str().unwrap(), "--json"];
    assert!(!authority.command(&vouch).output().unwrap().status.success());
    fs::create_dir(authority.path("elsewhere")).unwrap();
    authority.vendor(&vouch[..3]);
    assert_eq!(page(&file), 16);
}
