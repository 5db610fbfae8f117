//! The authority on the disk that the target directory is on, and its floor.

use std::{
    io::Write as _,
    ops::Deref,
    process::Command,
    time::{Duration, Instant},
};

use super::device::{PRODUCT, checked};
use crate::support::server::{Engine, Installation, database};

/// An authority of its own.
pub struct Authority(Installation);

impl Deref for Authority {
    type Target = Installation;

    fn deref(&self) -> &Installation {
        &self.0
    }
}

impl Authority {
    pub fn new(engine: &Engine) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self(Installation::in_folder(PRODUCT, folder, engine.clone()))
    }

    /// The keys of so many licenses.
    pub fn sell_many(&self, licenses: usize, seats: usize) -> Vec<String> {
        // One more than one, so that the answer is a list.
        let (count, seats) = ((licenses + 1).to_string(), seats.to_string());
        let terms = ["--seats", &seats, "--count", &count, "--deactivations", "none"];
        let sold = self.vendor(&[&["license", "new", "--licensee", "Jane Doe"], &terms[..]].concat());
        let licenses = sold["licenses"].as_array().unwrap();
        licenses.iter().skip(1).map(|license| checked(license["key"].as_str().unwrap())).collect()
    }

    /// How long the database alone takes to commit one row, durably.
    pub fn commit(&self) -> Duration {
        const TIMES: u32 = 100;
        match self.engine() {
            Engine::Sqlite => {
                // What SQLite does at a commit in its write-ahead log: it appends a page, and syncs.
                let mut log = std::fs::File::create(self.path("floor")).unwrap();
                let start = Instant::now();
                for _ in 0..TIMES {
                    log.write_all(&[0x5a; 4096 + 24]).unwrap();
                    log.sync_data().unwrap();
                }
                start.elapsed() / TIMES
            }
            Engine::Postgres(server) => {
                let database = database(&self.directory());
                psql(server, &database, &["-qc", "CREATE TABLE IF NOT EXISTS floor (n INTEGER)"]);
                let inserts = "INSERT INTO floor VALUES (1);".repeat(TIMES as usize);
                // As single statements, so that each is a transaction.
                let path = self.path("floor.sql");
                std::fs::write(&path, inserts.replace(';', ";\n")).unwrap();
                let time = |file: &str| {
                    let start = Instant::now();
                    psql(server, &database, &["-qf", file]);
                    start.elapsed()
                };
                let nothing = self.path("nothing.sql");
                std::fs::write(&nothing, "").unwrap();
                let start_up = time(nothing.to_str().unwrap());
                time(path.to_str().unwrap()).saturating_sub(start_up) / TIMES
            }
        }
    }
}

fn psql(server: &str, database: &str, arguments: &[&str]) {
    let mut psql = Command::new("psql");
    psql.arg(format!("{server}/{database}"))
        .args(arguments)
        .env("PGOPTIONS", "--client-min-messages=warning");
    assert!(psql.status().unwrap().success());
}
