//! The program in its release build, its database on the disk that the target directory is on.

use std::{
    env, fmt,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::device::{PRODUCT, checked};

/// What stands under the authority.
pub enum Engine {
    Sqlite,
    /// With the URL of its server.
    Postgres(String),
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        })
    }
}

/// An authority of its own.
pub struct Authority<'e> {
    folder: TempDir,
    engine: &'e Engine,
}

/// Its server, until it is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

/// Built once: a bench does not have the examples built beside it.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--release", "--example", "authority", "--manifest-path"]);
        build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        assert!(build.status().unwrap().success());
        let target = env::current_exe().unwrap();
        let target = target.ancestors().nth(3).unwrap();
        target.join("release/examples").join(format!("authority{}", env::consts::EXE_SUFFIX))
    })
}

impl<'e> Authority<'e> {
    pub fn new(engine: &'e Engine) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let authority = Self { folder, engine };
        if let Engine::Postgres(server) = engine {
            let create = format!("CREATE DATABASE \"{}\"", authority.database());
            psql(server, "postgres", &["-qc", &create]);
        }
        authority.run(&["init", "--product", PRODUCT]);
        authority
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn database(&self) -> String {
        self.folder.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.').to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).arg("--dir").arg(self.path("authority"));
        if let Engine::Postgres(server) = self.engine {
            command.arg("--db").arg(format!("{server}/{}", self.database()));
        }
        command
    }

    /// What the vendor does; returns what the program says.
    pub fn run(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).arg("--json").stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The keys of so many licenses.
    pub fn sell(&self, licenses: usize, seats: usize) -> Vec<String> {
        // One more than one, so that the answer is a list.
        let (count, seats) = ((licenses + 1).to_string(), seats.to_string());
        let sold =
            self.run(&["license", "new", "--licensee", "Jane Doe", "--seats", &seats, "--count", &count]);
        let licenses = sold["licenses"].as_array().unwrap();
        licenses.iter().skip(1).map(|license| checked(license["key"].as_str().unwrap())).collect()
    }

    pub fn taken(&self) -> u64 {
        let licenses = self.run(&["license", "list"]);
        licenses["licenses"].as_array().unwrap().iter().map(|l| l["seats"]["taken"].as_u64().unwrap()).sum()
    }

    pub fn serve(&self) -> Server {
        let mut serve = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Server { child, address: line.trim().parse().unwrap() }
    }

    /// How long the database alone takes to commit one row, durably.
    pub fn commit(&self) -> Duration {
        const TIMES: u32 = 100;
        match self.engine {
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
                let database = self.database();
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

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
