//! Messages that come at the same moment, at one server or at two on one database. All of it runs on SQLite, and on
//! PostgreSQL under `tests/postgres/with_server.py`.

use std::{
    sync::{Arc, Barrier},
    thread,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::{Client, ErrorKind, Reason};
use serde_json::json;

use crate::support::{
    calls::http,
    ledger::Ledger,
    requests::request,
    server::{Authority, Engine},
};

const AT_ONCE: usize = 8;

/// Has threads call at the same moment, each with its number.
fn at_once<T: Send>(threads: usize, call: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..threads)
            .map(|number| {
                let (barrier, call) = (&barrier, &call);
                scope.spawn(move || {
                    barrier.wait();
                    call(number)
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    })
}

/// Devices of which every other one speaks to a second server.
fn devices(authority: &Arc<Authority>, second: &str, count: usize) -> Vec<Client> {
    let device = |number: usize| {
        let name = format!("device {number}");
        match number % 2 {
            0 => authority.device(&name),
            _ => authority.device_at(&name, second.to_owned(), http()),
        }
    };
    (0..count).map(device).collect()
}

#[test]
fn the_last_seat_goes_to_one_of_those_who_ask_at_once() {
    let _up = crate::database_stays();
    let authority = Authority::new();
    let second = authority.serve(&[]);
    let key = authority.sell("1", &[]);
    let devices = devices(&authority, &second.url("http", "127.0.0.1"), AT_ONCE);
    for _ in 0..4 {
        let outcomes = at_once(AT_ONCE, |number| devices[number].activate(&key));
        let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        assert!(refused.clone().all(|error| error.kind() == ErrorKind::NoFreeSeat), "{outcomes:?}");
        assert_eq!(refused.count(), AT_ONCE - 1);
        let holder = outcomes.iter().position(Result::is_ok).unwrap();
        devices[holder].deactivate(Reason::Moved).unwrap();
    }
    assert_eq!(Ledger::open(&authority).miscounted(), Vec::<String>::new());
}

/// Whichever comes first, the seat is over. A proof of a seat that nobody asked for and the request for it must not
/// pass each other.
#[test]
fn a_request_and_its_proof_at_the_same_moment_leave_no_seat_taken() {
    let _up = crate::database_stays();
    let authority = Authority::new();
    let key = authority.sell("40", &[]);
    let device = authority.device("device");
    let messages: Vec<_> = (0..20)
        .map(|_| {
            let request = device.begin(&key).unwrap().to_base64url();
            let proof = URL_SAFE_NO_PAD.encode(device.cancel().unwrap().proof());
            (json!({ "request": request }), json!({ "proof": proof }))
        })
        .collect();
    for (request, proof) in &messages {
        at_once(2, |number| match number {
            0 => drop(authority.post("/v1/activations", request)),
            _ => drop(authority.post("/v1/deactivations", proof)),
        });
    }
    let mut ledger = Ledger::open(&authority);
    let seats = ledger.seats(None);
    assert_eq!((seats.len(), seats.iter().filter(|seat| seat.is_taken()).count()), (20, 0));
    assert_eq!((ledger.evidence(), ledger.miscounted()), (0, Vec::new()));
}

#[test]
fn a_proof_that_comes_many_times_at_once_counts_once() {
    let _up = crate::database_stays();
    let authority = Authority::new();
    let second = authority.serve(&[]);
    let key = authority.sell("2", &["--deactivations", "5"]);
    let device = authority.device("device");
    for used in 1..=3 {
        device.activate(&key).unwrap();
        let proof = URL_SAFE_NO_PAD.encode(device.deactivate_offline(Reason::Moved).unwrap().proof());
        let body = json!({ "proof": proof });
        let statuses = at_once(AT_ONCE, |number| match number % 2 {
            0 => authority.post("/v1/deactivations", &body).status,
            _ => {
                request(
                    second.address,
                    "POST",
                    "/v1/deactivations",
                    &[("Content-Type", "application/json")],
                    body.to_string().as_bytes(),
                )
                .status
            }
        });
        assert!(statuses.iter().all(|&status| status == 200), "{statuses:?}");
        device.online().hand_in().unwrap();
        let license = &authority.vendor(&["license", "list"])["licenses"][0];
        assert_eq!(license["seats"]["deactivations_left"], 5 - used);
    }
    assert_eq!(Ledger::open(&authority).miscounted(), Vec::<String>::new());
}

/// Check-ins, moves and the vendor's own acts on few licenses, from two servers.
#[test]
fn acts_of_all_kinds_at_once_neither_fail_nor_miscount() {
    let _up = crate::database_stays();
    let authority = Authority::new();
    let second = authority.serve(&[]);
    let keys = [authority.sell("4", &[]), authority.sell("4", &[])];
    let devices = devices(&authority, &second.url("http", "127.0.0.1"), AT_ONCE);
    at_once(AT_ONCE + 1, |number| match devices.get(number) {
        Some(device) => {
            for round in 0..6 {
                match device.activate(&keys[(number + round) % 2]) {
                    Ok(_) => {
                        device.check_in().unwrap();
                        device.deactivate(Reason::Moved).unwrap();
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::NoFreeSeat);
                        device.cancel().unwrap();
                        device.online().hand_in().unwrap();
                    }
                }
            }
        }
        None => {
            for seat in authority.taken() {
                // It may be over by now.
                drop(authority.command(&["renew", &seat]).output().unwrap());
            }
        }
    });
    let mut ledger = Ledger::open(&authority);
    assert_eq!(ledger.seats(None).into_iter().filter(|seat| seat.is_taken()).count(), 0);
    assert_eq!(ledger.miscounted(), Vec::<String>::new());
}

#[test]
fn on_postgresql_a_license_that_is_locked_holds_up_no_other() {
    let _up = crate::database_stays();
    let authority = Authority::new();
    if matches!(authority.engine(), Engine::Sqlite) {
        let is_wanted = std::env::var("NODELOCK_REQUIRE_POSTGRES").is_ok();
        assert!(!is_wanted, "run it under tests/postgres/with_server.py");
        eprintln!("SKIPPED: SQLite has one writer at a time");
        return;
    }
    let locked = authority.sell("1", &[]);
    let mut ledger = Ledger::open(&authority);
    ledger.execute("BEGIN; UPDATE license SET created = created");
    let free = authority.sell("1", &[]);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| authority.device("waits").activate(&locked));
        let device = authority.device("does not wait");
        for _ in 0..4 {
            device.activate(&free).unwrap();
            device.check_in().unwrap();
            device.deactivate(Reason::Moved).unwrap();
        }
        assert!(!waiting.is_finished());
        ledger.execute("ROLLBACK");
        waiting.join().unwrap().unwrap();
    });
}
