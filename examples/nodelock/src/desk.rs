//! A computer on which the program's commands are run: with a clock, a disk, a network and hardware of its own, and
//! with the library's authority for tests at the other end.

use std::{
    cell::Cell,
    fs, io,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use clap::Parser as _;
use nodelock::{
    Answer, Authority, Client, ClientBuilder, Error, ErrorKind, Post, Random, Result, Roots, Store,
    SystemRandom, Timestamp, Transport,
    store::{FileSystem, LockGuard, NewFile, OsFileSystem, Stamp},
    testing::{Machine, TestAuthority, TestClock},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    arguments::{Arguments, Common},
    commands::{self, Clients},
    report::{CommandError, Report},
};

pub const PRODUCT: &str = "Example Editor";
/// Where the authority is; at every other address is somebody else, or nobody.
pub const URL: &str = "https://licenses.example.com";

/// What is met at another address than the authority's.
pub type Elsewhere = fn() -> Result<Answer>;

pub struct Desk {
    pub authority: TestAuthority,
    /// Of a license of one seat.
    pub key: String,
    pub machine: Machine,
    /// This computer's own clock, which shows the authority's time at first.
    pub clock: TestClock,
    pub disk: Arc<BadDisk>,
    pub elsewhere: Elsewhere,
    /// When this version of the application was released.
    pub released: Option<Timestamp>,
    pub randomness: Randomness,
    folder: TempDir,
    files: Cell<u32>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Randomness {
    Good,
    Missing,
    /// Draws the same handle for every request.
    OneHandle,
}

impl Random for Randomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        if *self == Self::Missing {
            return Err(Error::new(ErrorKind::NoRandom, "this computer has no random bytes"));
        }
        SystemRandom.fill(bytes)?;
        if *self == Self::OneHandle && bytes.len() == 4 {
            bytes.fill(4);
        }
        Ok(())
    }
}

impl Desk {
    pub fn new() -> Self {
        let authority = TestAuthority::new(PRODUCT);
        let key = authority.sell(1).unwrap();
        Self {
            key,
            machine: Machine::new("desk"),
            clock: authority.clock(),
            disk: Arc::default(),
            elsewhere: || Err(Error::new(ErrorKind::Unreachable, "nobody is there")),
            released: None,
            randomness: Randomness::Good,
            folder: tempfile::tempdir().unwrap(),
            files: Cell::new(0),
            authority,
        }
    }

    pub fn active() -> Self {
        let desk = Self::new();
        desk.done(&["activate", &desk.key]);
        desk
    }

    /// Another computer with the application of the same vendor.
    pub fn another(&self, name: &str) -> Self {
        let (authority, key) = (self.authority.clone(), self.key.clone());
        Self { clock: authority.clock(), authority, key, machine: Machine::new(name), ..Self::new() }
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A new file with this content.
    pub fn file(&self, content: impl AsRef<[u8]>) -> String {
        self.files.set(self.files.get() + 1);
        let file = self.path(&format!("file-{}", self.files.get()));
        fs::write(&file, content).unwrap();
        file
    }

    /// Runs a command as the program does.
    pub fn run(&self, line: &[&str]) -> Result<Report, CommandError> {
        let arguments = Arguments::try_parse_from(["nodelock"].iter().chain(line));
        commands::run(&arguments.unwrap_or_else(|error| panic!("{line:?}: {error}")), self)
    }

    /// Runs a command that does its work.
    pub fn done(&self, line: &[&str]) -> Report {
        self.run(line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    /// The same, for what it hands over.
    pub fn text(&self, line: &[&str]) -> String {
        String::from_utf8(self.done(line).output).unwrap()
    }

    pub fn json(&self, line: &[&str]) -> Value {
        self.done(line).json
    }

    /// Runs a command that fails for that reason, and returns what it advises.
    pub fn refused(&self, line: &[&str], kind: &str) -> &'static str {
        let Err(failure) = self.run(line) else { panic!("{line:?} is done") };
        assert_eq!(failure.kind, kind, "{line:?}: {failure}");
        failure.hint.unwrap_or_else(|| panic!("{line:?}: no advice"))
    }

    /// What `status` advises, where its verdict is that one.
    pub fn status(&self, verdict: &str) -> String {
        let status = self.json(&["status"]);
        assert_eq!(status["verdict"], verdict, "{status:#}");
        status["hint"].as_str().unwrap_or_default().to_owned()
    }

    pub fn is_active(&self) -> bool {
        let status = self.json(&["status"]);
        status["verdict"] == "active" && status["usable"] == true
    }

    /// Asks for a seat with this computer's key, has the vendor answer and installs that.
    pub fn license_by_hand(&self) {
        let request = self.text(&["request", &self.key]);
        self.done(&["install", &self.answer(&request)]);
        assert!(self.is_active());
    }

    /// The vendor's answer to a request, as a file.
    pub fn answer(&self, request: impl AsRef<[u8]>) -> String {
        self.file(self.authority.vendor().activate(request.as_ref()).unwrap().to_text())
    }

    pub fn seat(&self) -> String {
        self.json(&["status"])["license"]["seat"].as_str().unwrap().to_owned()
    }

    fn builder(&self, common: &Common) -> ClientBuilder {
        let roots = match common.root.as_slice() {
            [] => self.authority.roots(),
            keys => Roots::new(keys.to_vec()),
        };
        let folder = common.store.clone().unwrap_or_else(|| self.folder.path().join("store"));
        let is_usual = common.store.is_none();
        let mut store = Store::in_directory(folder, None).with_lock_timeout(Duration::ZERO);
        if is_usual {
            store = store.with_file_system(self.disk.clone());
        }
        let (machine, randomness) = (self.machine.clone(), self.randomness);
        let builder = Client::builder(common.product.as_deref().unwrap_or(PRODUCT), roots)
            .store(store)
            .clock(self.clock.clone())
            .random(randomness)
            .probe(move || machine.probe());
        match self.released {
            Some(released) => builder.released(released),
            None => builder,
        }
    }
}

impl Clients for Desk {
    fn offline(&self, common: &Common) -> Result<ClientBuilder, CommandError> {
        Ok(self.builder(common))
    }

    fn online(&self, common: &Common) -> Result<ClientBuilder, CommandError> {
        let way = Way { authority: self.authority.clone(), elsewhere: self.elsewhere };
        let url = common.authority.as_deref().unwrap_or(URL);
        Ok(self.builder(common).authority(Authority::new(url, way).attempts(1)))
    }
}

/// The way to the authority, if the address is its own.
struct Way {
    authority: TestAuthority,
    elsewhere: Elsewhere,
}

impl Transport for Way {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        if post.url.starts_with(URL) { self.authority.post(post) } else { (self.elsewhere)() }
    }
}

/// The system's files, until something is wrong with the disk.
#[derive(Default)]
pub struct BadDisk {
    /// What every new file fails with.
    pub new_file: Mutex<Option<io::ErrorKind>>,
    /// What every lock fails with.
    pub lock: Mutex<Option<io::ErrorKind>>,
    /// How often a file was read.
    pub reads: AtomicU32,
}

fn unless(error: &Mutex<Option<io::ErrorKind>>) -> io::Result<&OsFileSystem> {
    error.lock().unwrap().map_or(Ok(&OsFileSystem), |kind| Err(kind.into()))
}

impl FileSystem for BadDisk {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        OsFileSystem.read(path, limit)
    }
    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        OsFileSystem.stamp(path)
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        unless(&self.new_file)?.create_new(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsFileSystem.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        OsFileSystem.remove(path)
    }
    fn sync_file(&self, path: &Path) -> io::Result<()> {
        OsFileSystem.sync_file(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        OsFileSystem.sync_dir(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        OsFileSystem.create_dir(path)
    }
    fn lock(&self, path: &Path, timeout: Duration) -> io::Result<Box<dyn LockGuard>> {
        unless(&self.lock)?.lock(path, timeout)
    }
}
