//! The online calls under faults: whatever the network does and whenever the server dies, no seat is lost and none is taken twice.

mod support;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use nodelock::{Answer, Cancel, Client, Error, ErrorKind, HttpTransport, Post, Reason, Transport};
use support::server::{Authority, http};

/// Numbers that are the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }
}

/// A network that loses, doubles, delays and reorders.
struct Network {
    dice: Dice,
    /// Whether it does its worst, or behaves.
    bad: bool,
    late: VecDeque<(String, Vec<u8>)>,
    seen: Vec<(String, Vec<u8>)>,
}

#[derive(Clone)]
struct Lossy {
    inner: HttpTransport,
    network: Arc<Mutex<Network>>,
}

impl Lossy {
    fn new(seed: u64) -> Self {
        let network = Network { dice: Dice(seed), bad: true, late: VecDeque::new(), seen: Vec::new() };
        Self { inner: http(), network: Arc::new(Mutex::new(network)) }
    }

    fn deliver(&self, (url, body): &(String, Vec<u8>)) {
        let post = Post {
            url,
            body,
            user_agent: "network",
            limit: 1 << 20,
            timeout: Duration::from_secs(10),
            cancel: &Cancel::new(),
        };
        let answer = self.inner.post(&post).unwrap();
        assert!(answer.status < 500, "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
    }

    /// Delivers whatever is still under way, and every message there ever was once more.
    fn flush(&self) {
        let mut network = self.network.lock().unwrap();
        while !network.late.is_empty() {
            let length = network.late.len();
            let at = network.dice.below(length);
            let message = network.late.remove(at).unwrap();
            self.deliver(&message);
        }
    }

    fn replay(&self) {
        let seen = self.network.lock().unwrap().seen.clone();
        for message in &seen {
            self.deliver(message);
        }
    }

    fn behave(&self) {
        self.network.lock().unwrap().bad = false;
    }
}

impl Transport for Lossy {
    fn post(&self, post: &Post<'_>) -> nodelock::Result<Answer> {
        let lost = || Err(Error::new(ErrorKind::TimedOut, "network"));
        let mut network = self.network.lock().unwrap();
        let message = (post.url.to_owned(), post.body.to_vec());
        network.seen.push(message.clone());
        if !network.bad {
            return self.inner.post(post);
        }
        // Something older overtakes.
        if network.dice.below(3) == 0
            && let Some(old) = network.late.pop_front()
        {
            self.deliver(&old);
        }
        match network.dice.below(10) {
            0 => lost(),
            1 => {
                network.late.push_back(message);
                lost()
            }
            2 => {
                self.deliver(&message);
                lost()
            }
            3 => {
                self.deliver(&message);
                self.inner.post(post)
            }
            4 => {
                let answer = self.inner.post(post);
                network.late.push_back(message);
                answer
            }
            5 => {
                let mut answer = self.inner.post(post)?;
                answer.body.truncate(answer.body.len() / 2);
                Ok(answer)
            }
            _ => self.inner.post(post),
        }
    }
}

/// I1: every usable store has its seat. Returns how many stores are usable.
fn check_no_seat_twice(authority: &Authority, clients: &[Client], run: u64) -> usize {
    let taken = authority.taken();
    let mut usable = 0;
    for client in clients {
        let status = client.check().unwrap();
        if status.is_usable() {
            usable += 1;
            let handle = status.license().unwrap().handle.to_string();
            assert!(taken.contains(&handle), "run {run}: a usable license for a seat that is free");
        }
    }
    usable
}

#[test]
fn whatever_the_network_does_no_seat_is_lost_and_none_is_taken_twice() {
    /// An authority limits what it takes in for seats that it never saw, and this makes a lot of that.
    const RUNS_OF_AN_AUTHORITY: u64 = 40;
    const SEATS: usize = 2;
    let runs: u64 = std::env::var("NODELOCK_ONLINE_RUNS").map_or(40, |runs| runs.parse().unwrap());
    let first: u64 = std::env::var("NODELOCK_ONLINE_SEED").map_or(0, |seed| seed.parse().unwrap());
    let mut authority = Authority::new();
    for run in first..first + runs {
        if run % RUNS_OF_AN_AUTHORITY == 0 {
            authority = Authority::new();
        }
        let key = authority.sell(&SEATS.to_string(), &[]);
        let network = Lossy::new(run);
        let clients: Vec<Client> =
            (0..3).map(|n| authority.device_over(&format!("{run} {n}"), network.clone())).collect();
        let mut dice = Dice(!run);
        for step in 0..10 {
            let client = &clients[dice.below(clients.len())];
            // Whether it went well is nothing to rely on; what it left behind is.
            let _ = match dice.below(8) {
                0..=3 => client.activate(&key).map(drop),
                4 => client.check_in().map(drop),
                5 | 6 => client.deactivate(Reason::Moved).map(drop).map_err(|_| ErrorKind::Io).or(Ok(())),
                _ => client.cancel().map(drop),
            };
            if step % 5 == 4 {
                assert!(check_no_seat_twice(&authority, &clients, run) <= SEATS, "run {run}");
            }
        }
        network.behave();
        network.flush();
        for client in &clients {
            if client.pending().unwrap().is_some() {
                let _ = client.activate(&key);
            }
            client.online().hand_in().unwrap();
            assert!(client.pending().unwrap().is_none(), "run {run}");
        }
        let usable = check_no_seat_twice(&authority, &clients, run);
        assert_eq!(authority.taken().len(), usable, "run {run}: a seat was lost");
        network.replay();
        assert_eq!(check_no_seat_twice(&authority, &clients, run), usable, "run {run}");
        for client in &clients {
            if client.check().unwrap().is_usable() {
                client.deactivate(Reason::Moved).unwrap();
            }
        }
        network.replay();
        assert_eq!(authority.taken(), [""; 0], "run {run}: an old message took a seat");
    }
}

#[test]
fn a_server_killed_under_its_clients_loses_no_seat() {
    const CLIENTS: usize = 8;
    const SEATS: usize = 5;
    const KILLS: u64 = 8;
    let authority = Authority::new();
    let key = authority.sell(&SEATS.to_string(), &[]);
    let clients: Vec<Client> =
        (0..CLIENTS).map(|n| authority.device_over(&format!("client {n}"), http())).collect();
    let over = AtomicBool::new(false);
    let done = thread::scope(|scope| {
        let (over, key) = (&over, &key);
        let working: Vec<_> = clients
            .iter()
            .zip(0..)
            .map(|(client, seed)| {
                scope.spawn(move || {
                    let (mut dice, mut done) = (Dice(seed), 0);
                    while !over.load(Ordering::Relaxed) {
                        let went_well = match dice.below(4) {
                            0 | 1 => client.activate(key).is_ok(),
                            2 => client.check_in().is_ok(),
                            _ => client.deactivate(Reason::Moved).is_ok(),
                        };
                        done += usize::from(went_well);
                    }
                    done
                })
            })
            .collect();
        for kill in 0..KILLS {
            thread::sleep(Duration::from_millis(150 + kill * 37 % 100));
            authority.kill();
            authority.restart();
        }
        over.store(true, Ordering::Relaxed);
        working.into_iter().map(|client| client.join().unwrap()).sum::<usize>()
    });
    assert!(done >= CLIENTS, "only {done} calls went well");
    for client in &clients {
        if client.pending().unwrap().is_some() {
            let _ = client.activate(&key);
        }
        client.online().hand_in().unwrap();
        assert!(client.pending().unwrap().is_none());
    }
    let usable = check_no_seat_twice(&authority, &clients, 0);
    assert!(usable <= SEATS);
    assert_eq!(authority.taken().len(), usable);
}
