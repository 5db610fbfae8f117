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
    authority::{Seat, SeatState},
    code::Handle,
    testing::TestAuthority,
};
use tempfile::TempDir;

use crate::support::{
    ledger::{Ledger, Row},
    server::{Authority, PRODUCT, in_memory},
};

pub(super) trait Desk {
    fn address(&self) -> SocketAddr;
    fn roots(&self) -> Roots;
    /// Where the stores of the devices are.
    fn folder(&self) -> &Path;
    /// Sells a license. Returns its key and its id.
    fn sell(&mut self, seats: usize, deactivations: Option<u32>) -> (String, String);
    fn release(&mut self, seat: Handle);
    fn return_held(&mut self, seat: Handle);
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
}

impl Server {
    pub(super) fn new() -> Self {
        let authority = Authority::in_memory();
        Self { ledger: Ledger::open(&authority), authority }
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
