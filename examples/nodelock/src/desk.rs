//! A computer on which the program's commands are run: with a clock, a folder and hardware of its own, and with the
//! library's authority for tests at the other end.

use std::{cell::Cell, fs, time::Duration};

use clap::Parser as _;
use nodelock::{
    Authority, Client, ClientBuilder, Store,
    testing::{Machine, TestAuthority},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    arguments::{Arguments, Common},
    commands::{self, Clients},
    report::{CommandError, Report},
};

const PRODUCT: &str = "Example Editor";

pub struct Desk {
    pub authority: TestAuthority,
    /// Of a license of one seat.
    pub key: String,
    machine: Machine,
    folder: TempDir,
    files: Cell<u32>,
}

impl Desk {
    pub fn new() -> Self {
        let authority = TestAuthority::new(PRODUCT);
        Self {
            key: authority.sell(1).unwrap(),
            authority,
            machine: Machine::new("desk"),
            folder: tempfile::tempdir().unwrap(),
            files: Cell::new(0),
        }
    }

    pub fn active() -> Self {
        let desk = Self::new();
        desk.done(&["activate", &desk.key]);
        desk
    }

    /// A new file with this content.
    pub fn file(&self, content: impl AsRef<[u8]>) -> String {
        self.files.set(self.files.get() + 1);
        let file = self.folder.path().join(format!("file-{}", self.files.get()));
        fs::write(&file, content).unwrap();
        file.to_str().unwrap().to_owned()
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

    pub fn seat(&self) -> String {
        self.json(&["status"])["license"]["seat"].as_str().unwrap().to_owned()
    }

    fn builder(&self) -> ClientBuilder {
        let machine = self.machine.clone();
        let store = Store::in_directory(self.folder.path().join("store"), None);
        Client::builder(PRODUCT, self.authority.roots())
            .store(store.with_lock_timeout(Duration::ZERO))
            .clock(self.authority.clock())
            .probe(move || machine.probe())
    }
}

impl Clients for Desk {
    fn offline(&self, _: &Common) -> Result<ClientBuilder, CommandError> {
        Ok(self.builder())
    }

    fn online(&self, _: &Common) -> Result<ClientBuilder, CommandError> {
        let authority = Authority::new(TestAuthority::URL, self.authority.clone()).attempts(1);
        Ok(self.builder().authority(authority))
    }
}
