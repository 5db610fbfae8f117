//! A flood of wrong codes for other seats, from many addresses, in front of a customer with a right one.

use std::{
    env,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nodelock::{
    Reason,
    code::{DeactivationCode, Handle, ReleaseSecret},
};
use serde_json::json;

use crate::support::{
    html::{Text, body, content_type},
    portal::OURS,
    server::Authority,
};

const ADDRESSES: usize = 256;
const SENDERS: usize = 16;
/// How many codes of one address, and of one seat, are looked at within a day.
const ATTEMPTS: usize = 10;
/// How long the flood of `NODELOCK_ONLINE_CODES` codes takes, at least.
const FLOOD: Duration = Duration::from_secs(600);

/// With `NODELOCK_ONLINE_CODES` so many codes in ten minutes, and then what the customer waits for has a limit.
#[test]
fn wrong_codes_of_strangers_stop_no_right_code() {
    let told = env::var("NODELOCK_ONLINE_CODES").ok().map(|text| text.parse::<usize>().unwrap());
    let count = told.unwrap_or(2 * ADDRESSES);
    let authority = Authority::with(&["--trusted-proxy", "127.0.0.1"]);
    let key = authority.sell("1000", &[]);
    let activated = |name: &str| {
        let device = authority.device(name);
        device.activate(&key).unwrap();
        device
    };
    let others: Vec<Handle> = (0..(count / 200).clamp(4, ADDRESSES))
        .map(|n| activated(&format!("other {n}")).check().unwrap().license().unwrap().handle)
        .collect();
    let customers = ["portal", "desk"].map(activated);
    let codes = customers.map(|device| device.deactivate_offline(Reason::Moved).unwrap().code().to_string());

    let (next, looked_at) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Instant::now();
    let ask = |peer: &str, content_type: &str, path: &str, body: &[u8]| {
        let headers = [&[("Content-Type", content_type), ("X-Forwarded-For", peer)][..], &OURS].concat();
        authority.ask("POST", path, &headers, body)
    };
    let flood = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                return;
            }
            if told.is_some() {
                let due = FLOOD.mul_f64(n as f64 / count as f64);
                thread::sleep(due.saturating_sub(start.elapsed()));
            }
            let secret = ReleaseSecret::from_random((n as u64).to_le_bytes());
            let code = DeactivationCode::new(others[n % others.len()], secret);
            let body = json!({ "phone_code": code.to_string() }).to_string();
            let peer = format!("203.0.113.{}", n % ADDRESSES);
            let answer = ask(&peer, "application/json", "/v1/deactivations", body.as_bytes());
            assert!([403, 429, 503].contains(&answer.status), "{} {}", answer.status, answer.body);
            looked_at.fetch_add(usize::from(answer.status == 403), Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(flood)).collect();
        while next.load(Ordering::Relaxed) < count * 9 / 10 {
            assert!(senders.iter().any(|sender| !sender.is_finished()));
            thread::sleep(Duration::from_millis(10));
        }
        let asked = Instant::now();
        let form = body(&[Text("deactivation", &codes[0])]);
        let page = ask("198.51.100.1", &content_type(), "/redeem", &form);
        assert!(page.status == 200 && page.body.contains("receipt"), "{} {}", page.status, page.body);
        let at_the_portal = asked.elapsed();
        let asked = Instant::now();
        assert_eq!(authority.vendor(&["redeem", &codes[1]])["outcome"], "freed");
        let at_the_desk = asked.elapsed();
        assert_eq!(authority.taken().len(), others.len(), "the two seats are free");
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        let looked_at = looked_at.load(Ordering::Relaxed);
        println!(
            "{count} wrong codes for {} seats from {ADDRESSES} addresses in {:.0} s, of which {} were looked at; a right one \
             took {at_the_portal:?} through the portal and {at_the_desk:?} at the desk",
            others.len(),
            start.elapsed().as_secs_f64(),
            looked_at,
        );
        let most = ATTEMPTS * others.len().min(ADDRESSES);
        assert!((1..=most).contains(&looked_at), "{looked_at} were looked at, {most} may be");
        assert!(at_the_portal.max(at_the_desk) < Duration::from_secs(10));
    });
}

/// They come at the same time and are for seats enough that no seat's own limit is met.
#[test]
fn of_sixty_wrong_codes_at_once_from_one_address_ten_are_looked_at() {
    const CODES: usize = 60;
    let authority = Authority::with(&["--trusted-proxy", "127.0.0.1"]);
    let key = authority.sell("1000", &[]);
    let seats: Vec<Handle> = (0..CODES / ATTEMPTS * 2)
        .map(|n| {
            let device = authority.device(&format!("seat {n}"));
            device.activate(&key).unwrap().license().unwrap().handle
        })
        .collect();
    let barrier = Barrier::new(CODES);
    let ask = |n: usize| {
        let code = DeactivationCode::new(seats[n % seats.len()], ReleaseSecret::from_random([n as u8; 8]));
        let body = json!({ "phone_code": code.to_string() }).to_string();
        let headers = [("Content-Type", "application/json"), ("X-Forwarded-For", "203.0.113.7")];
        barrier.wait();
        authority.ask("POST", "/v1/deactivations", &headers, body.as_bytes()).status
    };
    let ask = &ask;
    let answers: Vec<u16> = thread::scope(|scope| {
        let asking: Vec<_> = (0..CODES).map(|n| scope.spawn(move || ask(n))).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let count = |status| answers.iter().filter(|answer| **answer == status).count();
    println!("{} looked at, {} limited, {} turned away", count(403), count(429), count(503));
    assert!((1..=ATTEMPTS).contains(&count(403)), "{answers:?}");
    assert_eq!(count(403) + count(429) + count(503), CODES, "{answers:?}");
    assert_eq!(authority.taken().len(), seats.len());
}

/// A thousand requests that are refused are taken up at once, and 200 a second from then on.
#[test]
fn a_peer_that_is_refused_again_and_again_is_slowed_down_and_no_other() {
    const REFUSED: usize = 2000;
    let authority = Authority::with(&["--trusted-proxy", "127.0.0.1"]);
    let ask = |peer: &str| {
        let answer = authority.ask("GET", "/v1/nothing", &[("X-Forwarded-For", peer)], b"");
        assert_eq!(answer.status, 404);
    };
    let (ask, next) = (&ask, &AtomicUsize::new(0));
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(move || {
                while next.fetch_add(1, Ordering::Relaxed) < REFUSED {
                    ask("203.0.113.7");
                }
            });
        }
    });
    let slow = start.elapsed();
    let start = Instant::now();
    ask("203.0.113.8");
    println!("{REFUSED} in {slow:?}, another peer's in {:?}", start.elapsed());
    assert!(slow > Duration::from_millis(4500), "{slow:?}");
}
