//! What an operator does with a server: its first start, what it tells of itself, its end.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::server::{Authority, Engine, PRODUCT, Server};

#[test]
fn an_operator_sees_health_metrics_and_the_description() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    authority.device("device").activate(&key).unwrap();
    let health = authority.get("/healthz");
    assert_eq!((health.status, health.json()), (200, json!({ "status": "ok" })));
    let metrics = authority.metrics();
    for line in [
        "nodelock_http_requests_total{endpoint=\"/v1/activations\",status=\"200\"} 1",
        "nodelock_http_request_duration_seconds_count{endpoint=\"/v1/activations\"} 1",
        "nodelock_seats{state=\"active\"} 1",
    ] {
        assert!(metrics.lines().any(|is| is == line), "{line}\n{metrics}");
    }
    let description = authority.get("/openapi.json").json();
    assert_eq!(description["openapi"], "3.1.0");
    assert!(description["paths"]["/v1/deactivations/preflight"]["post"].is_object());
    let unwanted = authority.get("/healthz?secret=123");
    assert_eq!(unwanted.status, 200);
    let log = fs::read_to_string(authority.directory().join("log")).unwrap();
    assert!(log.contains("\"route\":\"/healthz\"") && !log.contains("secret"));
}

#[cfg(unix)]
#[test]
fn a_server_stops_in_good_order() {
    let authority = Authority::new();
    let server = &mut authority.server.lock().unwrap().process;
    let start = Instant::now();
    let killed =
        std::process::Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(server.wait().unwrap().success());
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_first_start_sets_everything_up_and_the_next_one_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("authority");
    fs::create_dir(&directory).unwrap();
    let engine = Engine::chosen();
    engine.create_database(&directory);
    let first = ["--create", "--product", PRODUCT].map(str::to_owned);
    let root = || fs::read_to_string(directory.join("keys/root.public")).unwrap();
    Server::start(&engine, &directory, "127.0.0.1:0", &first).kill();
    let made = root();
    let log = fs::read_to_string(directory.join("log")).unwrap();
    let line: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!((&line["event"], &line["root"]), (&"set-up".into(), &made.trim().into()));
    for options in [&first[..], &first[1..]] {
        Server::start(&engine, &directory, "127.0.0.1:0", options).kill();
        assert_eq!(root(), made);
    }
    let other =
        engine.command(&directory, &["serve", "--listen", "127.0.0.1:0", "--product", "Another", "--json"]);
    let refused: Value = serde_json::from_slice(&{ other }.output().unwrap().stdout).unwrap();
    assert_eq!(refused["error"], "wrong-product");
}

#[test]
fn what_a_server_notes_is_sealed_a_moment_later() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    assert!(authority.device("device").activate(&key).unwrap().is_usable());
    let is_sealed = || {
        let verified = authority.vendor(&["audit", "verify"]);
        verified["unsealed"] == 0 && verified["lines"].as_u64() == Some(authority.audit().len() as u64)
    };
    assert!((0..600).any(|_| {
        thread::sleep(Duration::from_millis(50));
        is_sealed()
    }));
}
