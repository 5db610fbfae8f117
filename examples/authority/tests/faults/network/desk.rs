//! The vendor's side of a random run: the real server with its database, or the library's authority for tests behind a
//! listener of its own. Over both go the same acts, the same network and the same judge.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use nodelock::{
    CancelToken, Post, Roots, Timestamp, Transport as _,
    authority::{
        Allowance, Records, Seat, SeatState,
        decision::{self, Allow, Moment},
    },
    code::Handle,
    testing::TestAuthority,
};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    administration::Administrator,
    ledger::{Ledger, Row},
    network::Counts,
    server::{Authority, PRODUCT, in_memory},
};

/// What an administrator does, besides releasing and returning seats.
#[derive(Clone, Copy, Debug)]
pub(super) enum Administered {
    Unrelease(Handle),
    Seats(usize),
    Suspend,
    Resume,
    Rekey,
    /// So many extra ones, or all of them anew.
    Allow(Allowance, Option<u32>),
    /// Every seat is released.
    Deactivate,
}

impl Administered {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unrelease(_) => "release taken back by the vendor",
            Self::Seats(_) => "number of seats changed",
            Self::Suspend => "suspended",
            Self::Resume => "resumed",
            Self::Rekey => "key replaced",
            Self::Allow(_, None) => "allowance reset",
            Self::Allow(..) => "extra ones granted",
            Self::Deactivate => "every seat released by the vendor",
        }
    }
}

pub(super) trait Desk {
    fn address(&self) -> SocketAddr;
    fn roots(&self) -> Roots;
    /// Where the stores of the devices are.
    fn folder(&self) -> &Path;
    /// Sells a license. Returns its key and its id.
    fn sell(&mut self, seats: usize, deactivations: Option<u32>) -> (String, String);
    fn release(&mut self, seat: Handle);
    fn return_held(&mut self, seat: Handle);
    /// An administrator's act on a license, with its key. Returns the key that it has then, or the code of a refusal.
    fn administer(&mut self, license: &str, key: &str, act: Administered) -> Result<String, String>;
    /// Everything that an administrator sent arrives once more.
    fn replay(&mut self);
    /// What administration met, by what happened how often, and what it must never say.
    fn met(&self) -> (Counts, Option<String>);
    /// The seats of a license, or all there are, in the order of their handles.
    fn seats(&mut self, license: Option<&str>) -> Vec<Row>;
    /// Whether another seat of the same computer has that seat's place.
    fn is_replaced(&mut self, seat: u32) -> bool;
    /// Whatever came of the runs, the ledger is one that the rules make.
    fn verify(&mut self);
}

/// The real server.
pub(super) struct Server {
    authority: Arc<Authority>,
    ledger: Ledger,
    administrator: Administrator,
}

impl Server {
    pub(super) fn new() -> Self {
        let authority = Authority::in_memory_with(&["--admin-listen", "127.0.0.1:0"]);
        let administrator = Administrator::new(&authority, 1 << 23, false);
        Self { ledger: Ledger::open(&authority), administrator, authority }
    }
}

impl Desk for Server {
    fn address(&self) -> SocketAddr {
        self.authority.address
    }

    fn roots(&self) -> Roots {
        Roots::new([self.authority.root.parse().unwrap()])
    }

    fn folder(&self) -> &Path {
        self.authority.folder.path()
    }

    fn sell(&mut self, seats: usize, deactivations: Option<u32>) -> (String, String) {
        let allowed = deactivations.map_or("none".to_owned(), |number| number.to_string());
        let seats = seats.to_string();
        let mut new = vec!["license", "new", "--licensee", "Jane Doe", "--seats", &seats];
        new.extend(["--deactivations", &allowed]);
        let sold = self.authority.vendor(&new);
        let text = |member: &str| sold[member].as_str().unwrap().to_owned();
        (text("key"), text("license"))
    }

    fn release(&mut self, seat: Handle) {
        let reason = "the computer is said to be dead";
        self.authority.vendor(&["release", &seat.to_string(), "--reason", reason, "--yes"]);
    }

    fn return_held(&mut self, seat: Handle) {
        self.authority.vendor(&["return", &seat.to_string()]);
    }

    fn administer(&mut self, license: &str, key: &str, act: Administered) -> Result<String, String> {
        let path = format!("licenses/{license}");
        let reason = json!({ "reason": "it is due" });
        let answer = match act {
            Administered::Unrelease(seat) => self.administrator.act(&format!("seats/{seat}/unrelease")),
            Administered::Seats(seats) => {
                let (_, version) = self.administrator.get(&path);
                let terms = json!({ "terms": { "seats": seats } });
                self.administrator.post(&format!("{path}/edit"), Some(&version), &terms)
            }
            Administered::Suspend => self.administrator.act(&format!("{path}/suspend")),
            Administered::Resume => self.administrator.act(&format!("{path}/resume")),
            Administered::Rekey => self.administrator.act(&format!("{path}/rekey")),
            Administered::Allow(of, extra) => {
                let mut body = reason;
                if let Some(extra) = extra {
                    body["extra"] = extra.into();
                }
                self.administrator.post(&format!("{path}/counters/{of}/reset"), None, &body)
            }
            Administered::Deactivate => self.administrator.post(&format!("{path}/deactivate"), None, &reason),
        };
        if answer.is_err() {
            // What is refused may be granted later, to a message that was under way.
            self.administrator.forget(0);
        }
        answer.map(|answer| answer["key"].as_str().unwrap_or(key).to_owned())
    }

    fn replay(&mut self) {
        self.administrator.replay();
        self.administrator.forget(0);
    }

    fn met(&self) -> (Counts, Option<String>) {
        (self.administrator.counts(), self.administrator.failure())
    }

    fn seats(&mut self, license: Option<&str>) -> Vec<Row> {
        self.ledger.seats(license)
    }

    fn is_replaced(&mut self, seat: u32) -> bool {
        let others = format!(
            "SELECT other.state FROM seat AS own JOIN seat AS other ON other.installed = own.installed \
             WHERE own.handle = {seat} AND own.state = 'replaced' AND other.state = 'active'"
        );
        !self.ledger.texts(&others).is_empty()
    }

    fn verify(&mut self) {
        self.authority.vendor(&["verify"]);
    }
}

/// The library's authority for tests. It answers HTTP as far as the network in between reads it.
pub(super) struct Memory {
    authority: TestAuthority,
    folder: TempDir,
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Memory {
    pub(super) fn new() -> Self {
        let authority = TestAuthority::new(PRODUCT);
        authority.clock().set(Timestamp::from(SystemTime::now()).unix_seconds());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, over) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let thread = thread::spawn({
            let (authority, over) = (authority.clone(), over.clone());
            move || {
                for stream in listener.incoming() {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    answer(&authority, stream.unwrap());
                }
            }
        });
        Self { authority, folder: in_memory(), address, over, thread: Some(thread) }
    }
}

/// Answers one request, if a whole one comes.
fn answer(authority: &TestAuthority, stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(&stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (reader.read_line(&mut head).ok()? > 0).then_some(())?;
    }
    let head = head.to_lowercase();
    let path = head.split(' ').nth(1)?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    let mut body = vec![0; length.trim().parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let answer = authority.post(&Post::new(path, &body, Duration::from_secs(60), &CancelToken::new()));
    let answer = answer.ok()?;
    let head = format!("HTTP/1.1 {} \r\nContent-Length: {}\r\n\r\n", answer.status, answer.body.len());
    (&stream).write_all(&[head.as_bytes(), &answer.body].concat()).ok()
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking(), "the authority broke");
    }
}

impl Desk for Memory {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn roots(&self) -> Roots {
        self.authority.roots()
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn sell(&mut self, seats: usize, deactivations: Option<u32>) -> (String, String) {
        let mut vendor = self.authority.vendor();
        let key = vendor.sell_with(seats as u32, |terms| terms.deactivations = deactivations).unwrap();
        let id = vendor.terms(&key).unwrap().id.to_string();
        (key, id)
    }

    fn release(&mut self, seat: Handle) {
        self.authority.release(seat, "the computer is said to be dead").unwrap();
    }

    fn return_held(&mut self, seat: Handle) {
        self.authority.vendor().return_held(seat).unwrap();
    }

    fn administer(&mut self, _: &str, key: &str, act: Administered) -> Result<String, String> {
        let mut vendor = self.authority.vendor();
        let license = vendor.terms(key).unwrap().id;
        let refused = |error: nodelock::Error| error.kind().code().to_owned();
        match act {
            Administered::Unrelease(seat) => {
                let name = vendor.seat(seat).unwrap().name();
                let unrelease =
                    |records: &Records, moment: &Moment| decision::unrelease(name, records, moment);
                vendor.decide(unrelease).map_err(refused)?;
            }
            Administered::Allow(of, extra) => {
                let allow = extra.map_or(Allow::Reset, Allow::Extra);
                let allow = |records: &Records, moment: &Moment| {
                    decision::allow(license, of, allow, "", records, moment)
                };
                vendor.decide(allow).map_err(refused)?;
            }
            Administered::Deactivate => {
                let taken = |seat: &&Seat| seat.state().is_taken();
                let taken = vendor.ledger.seats_of(license).filter(taken);
                let taken: Vec<_> = taken.map(Seat::name).collect();
                for name in taken {
                    let release =
                        |records: &Records, moment: &Moment| decision::release(name, "", records, moment);
                    vendor.decide(release).map_err(refused)?;
                }
            }
            Administered::Seats(seats) => vendor.terms(key).unwrap().seats = seats as u32,
            Administered::Suspend | Administered::Resume => {
                vendor.terms(key).unwrap().suspended = matches!(act, Administered::Suspend);
            }
            Administered::Rekey => {
                // The key of another license, which nobody wants.
                let new = vendor.sell(1).unwrap();
                vendor.ledger.rekey(license, &new);
                return Ok(new);
            }
        }
        Ok(key.to_owned())
    }

    fn replay(&mut self) {}

    fn met(&self) -> (Counts, Option<String>) {
        (Counts::new(), None)
    }

    fn seats(&mut self, license: Option<&str>) -> Vec<Row> {
        let vendor = self.authority.vendor();
        let of = |seat: &&Seat| seat.license_id().map(|id| id.to_string()).as_deref() == license;
        let seats = vendor.ledger.seats.values().filter(|seat| license.is_none() || of(seat));
        let row = |seat: &Seat| Row {
            handle: seat.handle().get(),
            state: seat.state().name().to_owned(),
            counted: seat.is_counted(),
        };
        let mut rows: Vec<_> = seats.map(row).collect();
        rows.sort();
        rows
    }

    fn is_replaced(&mut self, seat: u32) -> bool {
        let vendor = self.authority.vendor();
        let seats = || vendor.ledger.seats.values();
        let mut own = seats().filter(|own| own.handle().get() == seat && own.state() == SeatState::Replaced);
        own.any(|own| {
            seats().any(|other| other.machine() == own.machine() && other.state() == SeatState::Active)
        })
    }

    fn verify(&mut self) {
        let vendor = self.authority.vendor();
        for terms in &vendor.ledger.terms {
            let usage = vendor.ledger.usage(terms.id);
            assert!(usage.taken <= terms.seats, "{usage:?} of {}", terms.seats);
        }
    }
}
