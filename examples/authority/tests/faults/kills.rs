//! Servers and databases that die under their clients lose no seat and give none out twice. All of it runs on SQLite,
//! and on PostgreSQL under `tests/postgres/with_server.py`.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    calls::http,
    dice::Dice,
    ledger::{Ledger, Row},
    over::Over,
    server::{Authority, Engine, POSTGRES, PRODUCT, Server},
};
use nodelock::{Answer, Client, HttpTransport, Post, Reason, Transport};

const CLIENTS: usize = 16;
const SEATS: usize = 9;

fn kills() -> u64 {
    std::env::var("NODELOCK_KILLS").map_or(12, |kills| kills.parse().unwrap())
}

/// Many machines that share a license.
struct Crowd {
    authority: Arc<Authority>,
    key: String,
    clients: Vec<Client>,
}

impl Crowd {
    fn new(transport: impl Fn(&Authority, usize) -> Box<dyn Transport>) -> Self {
        let authority = Authority::new();
        let key = authority.sell(&SEATS.to_string(), &[]);
        let clients = (0..CLIENTS)
            .map(|n| authority.device_over(&format!("client {n}"), Boxed(transport(&authority, n))))
            .collect();
        Self { authority, key, clients }
    }

    /// All of them work while `disturb` does its worst. Returns how many calls went well, and how many did not.
    fn work(&self, disturb: impl FnOnce(&Progress)) -> (usize, usize) {
        let over = AtomicBool::new(false);
        let progress = Progress::default();
        thread::scope(|scope| {
            for (client, seed) in self.clients.iter().zip(0..) {
                let (over, progress) = (&over, &progress);
                scope.spawn(move || {
                    let mut dice = Dice(seed);
                    while !over.load(Ordering::Relaxed) {
                        let went_well = match dice.below(6) {
                            0..=2 => client.activate(&self.key).is_ok(),
                            3 => client.check_in().is_ok(),
                            4 => client.deactivate(Reason::Moved).is_ok(),
                            _ => {
                                client.deactivate_offline(Reason::Moved).is_ok()
                                    && client.online().hand_in().is_ok()
                            }
                        };
                        progress.count(went_well);
                    }
                });
            }
            let _over = Over(&over);
            disturb(&progress);
        });
        progress.counts()
    }

    /// Everybody gets an answer; then the seats that are taken are those of the usable stores.
    fn judge(&self) {
        for client in &self.clients {
            // One that still waits for a seat gives up.
            if client.pending().unwrap().is_some() && client.activate(&self.key).is_err() {
                client.cancel().unwrap();
            }
            client.online().hand_in().unwrap();
            assert!(client.pending().unwrap().is_none());
            assert!(client.outstanding().unwrap().is_empty());
        }
        let statuses = self.clients.iter().map(|client| client.check().unwrap());
        let usable: BTreeSet<u32> = statuses
            .filter(|status| status.is_usable())
            .map(|status| status.license().unwrap().handle.get())
            .collect();
        let mut ledger = Ledger::open(&self.authority);
        assert_eq!(ledger.miscounted(), Vec::<String>::new());
        let seats = ledger.seats(None);
        let taken: BTreeSet<u32> =
            seats.iter().filter(|seat| seat.is_taken()).map(|seat| seat.handle).collect();
        assert!(usable.len() <= SEATS);
        assert_eq!(taken, usable);
        // None of them stays for ever.
        for client in self.clients.iter().filter(|client| client.check().unwrap().is_usable()) {
            client.deactivate(Reason::Moved).unwrap();
        }
        let seats = Ledger::open(&self.authority).seats(None);
        assert_eq!(seats.into_iter().filter(Row::is_taken).collect::<Vec<_>>(), []);
        self.authority.vendor(&["verify"]);
    }
}

struct Boxed(Box<dyn Transport>);

impl Transport for Boxed {
    fn post(&self, post: &Post<'_>) -> nodelock::Result<Answer> {
        self.0.post(post)
    }
}

/// How many calls went well, and how many did not.
#[derive(Default)]
pub struct Progress {
    done: AtomicUsize,
    failed: AtomicUsize,
}

impl Progress {
    pub fn count(&self, went_well: bool) {
        let counter = if went_well { &self.done } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn counts(&self) -> (usize, usize) {
        (self.done.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    /// Until some calls more went well, and then some time: whatever a kill finds, it must not find nothing.
    pub fn wait(&self, dice: &mut Dice) {
        let enough = self.done.load(Ordering::Relaxed) + dice.below(2 * CLIENTS);
        let end = Instant::now() + Duration::from_secs(120);
        while self.done.load(Ordering::Relaxed) < enough {
            assert!(Instant::now() < end, "nothing goes on");
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(dice.below(50) as u64));
    }
}

fn say(what: &str, (done, failed): (usize, usize)) {
    println!(
        "{what}: {} kills under {CLIENTS} clients, {done} calls done, {failed} refused or cut off",
        kills()
    );
    assert!(done >= CLIENTS && failed > 0);
}

#[test]
fn a_server_killed_under_its_clients_loses_no_seat() {
    let _up = crate::database_stays();
    let crowd = Crowd::new(|_, _| Box::new(http()));
    let calls = crowd.work(|progress| {
        let mut dice = Dice(1);
        for _ in 0..kills() {
            progress.wait(&mut dice);
            crowd.authority.kill();
            crowd.authority.restart();
        }
    });
    say("server", calls);
    crowd.judge();
}

/// Brings each call to another server, as a balancer would.
struct Alternating {
    inner: HttpTransport,
    addresses: [SocketAddr; 2],
    calls: AtomicUsize,
}

impl Transport for Alternating {
    fn post(&self, post: &Post<'_>) -> nodelock::Result<Answer> {
        let address = self.addresses[self.calls.fetch_add(1, Ordering::Relaxed) % 2];
        let path = post.url.splitn(4, '/').nth(3).unwrap();
        let url = format!("http://{address}/{path}");
        self.inner.post(&Post::new(&url, post.body, post.timeout, post.cancel))
    }
}

#[test]
fn of_two_servers_on_one_database_either_may_be_killed() {
    let _up = crate::database_stays();
    let second = Mutex::new(None::<Server>);
    let crowd = Crowd::new(|authority, calls| {
        let mut second = second.lock().unwrap();
        let second = second.get_or_insert_with(|| authority.serve(&[]));
        Box::new(Alternating {
            inner: http(),
            addresses: [authority.address, second.address],
            calls: AtomicUsize::new(calls),
        })
    });
    let mut second = second.into_inner().unwrap().unwrap();
    let calls = crowd.work(|progress| {
        let mut dice = Dice(2);
        for _ in 0..kills() {
            progress.wait(&mut dice);
            if dice.once_in(2) {
                crowd.authority.kill();
                crowd.authority.restart();
            } else {
                second.kill();
                second = crowd.authority.serve_at(&second.address.to_string(), &[]);
            }
        }
    });
    say("one server of two", calls);
    crowd.judge();
}

/// Names the command that kills the PostgreSQL server and starts it again.
const CRASH: &str = "NODELOCK_POSTGRES_CRASH";

#[test]
fn a_postgresql_server_killed_under_the_authority_loses_no_seat() {
    let Ok(crash) = std::env::var(CRASH) else {
        assert!(
            std::env::var("NODELOCK_REQUIRE_POSTGRES").is_err(),
            "run it under tests/postgres/with_server.py"
        );
        eprintln!("SKIPPED: it needs tests/postgres/with_server.py");
        return;
    };
    let _alone = crate::DATABASE.write().unwrap_or_else(PoisonError::into_inner);
    let crowd = Crowd::new(|_, _| Box::new(http()));
    let kills = kills().div_ceil(4);
    let calls = crowd.work(|progress| {
        let mut dice = Dice(3);
        for _ in 0..kills {
            progress.wait(&mut dice);
            assert!(Command::new("sh").args(["-c", &crash]).status().unwrap().success());
        }
    });
    println!("PostgreSQL server: {kills} kills, {} calls done, {} refused or cut off", calls.0, calls.1);
    assert!(calls.0 >= CLIENTS && calls.1 > 0);
    crowd.judge();
}

#[test]
fn servers_that_start_at_once_bring_a_database_up_to_date_once() {
    let _up = crate::database_stays();
    let authority = Authority::new();
    authority.kill();
    // As an interrupted set-up leaves it: keys, and a database that nobody has written to.
    fs::write(authority.directory().join("keys/unfinished"), "").unwrap();
    authority.engine().forget_ledger(&authority.directory());
    let options = ["--create", "--product", PRODUCT].map(str::to_owned);
    let servers: Vec<_> = thread::scope(|scope| {
        let starting: Vec<_> = (0..6).map(|_| scope.spawn(|| authority.serve(&options))).collect();
        starting.into_iter().map(|server| server.join().unwrap()).collect()
    });
    let set_up = authority.actions().into_iter().filter(|(_, action)| action == "set-up");
    assert_eq!(set_up.count(), 1);
    let key = authority.sell("1", &[]);
    for (number, server) in servers.iter().enumerate() {
        let device = authority
            .client(&number.to_string())
            .authority(nodelock::Authority::new(server.url("http", "127.0.0.1"), http()));
        let device = device.build().unwrap();
        assert!(device.activate(&key).unwrap().is_usable());
        device.check_in().unwrap();
        device.deactivate(Reason::Moved).unwrap();
    }
    drop(servers);
    authority.restart();
    assert!(authority.taken().is_empty());
}

#[test]
fn of_those_who_set_one_database_up_at_once_one_succeeds() {
    let _up = crate::database_stays();
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::chosen();
    engine.create_database(&folder.path().join("any"));
    let command = |number: usize, arguments: &[&str]| {
        let mut command = engine.command(&folder.path().join(number.to_string()), arguments);
        if std::env::var(POSTGRES).is_err() {
            command.arg("--db").arg(folder.path().join("authority.db"));
        }
        command.arg("--json").output().unwrap()
    };
    let made: Vec<_> = thread::scope(|scope| {
        let command = &command;
        let making: Vec<_> =
            (0..6).map(|n| scope.spawn(move || command(n, &["init", "--product", PRODUCT]))).collect();
        making.into_iter().map(|init| init.join().unwrap()).collect()
    });
    let winners: Vec<usize> = (0..6).filter(|n| made[*n].status.success()).collect();
    let said: Vec<_> = made.iter().map(|output| String::from_utf8_lossy(&output.stdout)).collect();
    assert_eq!(winners.len(), 1, "{said:?}");
    let sold = command(winners[0], &["license", "new", "--licensee", "Jane Doe", "--seats", "1"]);
    assert!(sold.status.success(), "{}", String::from_utf8_lossy(&sold.stdout));
    for loser in (0..6).filter(|n| *n != winners[0]) {
        let refused: serde_json::Value = serde_json::from_slice(&made[loser].stdout).unwrap();
        assert_eq!(refused["error"], "already-initialized", "{said:?}");
    }
}
