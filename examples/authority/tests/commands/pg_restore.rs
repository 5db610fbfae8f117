//! A ledger on PostgreSQL that is copied and put back in its own place, under its own name, by the lines of
//! docs/OPERATING.md.

use std::{
    fs,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use nodelock::{Client, Reason};
use tempfile::TempDir;

use crate::support::{
    ledger::Ledger,
    server::{Authority, Engine, PRODUCT, program},
};

/// The lines of the shell in a section of docs/OPERATING.md that are for PostgreSQL, and for both engines.
fn documented(section: &str) -> Vec<String> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/OPERATING.md")).unwrap();
    let (_, section) = text.split_once(&format!("\n## {section}\n")).unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let is_meant = |line: &&str| !line.is_empty() && !line.contains("# SQLite");
    block.lines().filter(is_meant).map(str::to_owned).collect()
}

/// A vendor whose database has a name that the lines of the document can be run with.
struct Vendor {
    authority: std::sync::Arc<Authority>,
    name: &'static str,
    server: String,
    _around: TempDir,
}

impl Vendor {
    /// None on SQLite.
    fn new(name: &'static str) -> Option<Self> {
        let Engine::Postgres(server) = Engine::chosen() else {
            eprintln!("SKIPPED: it needs tests/postgres/with_server.py");
            return None;
        };
        let around = tempfile::tempdir().unwrap();
        // The database is called as the folder is.
        let folder = tempfile::Builder::new().prefix(name).rand_bytes(0).tempdir_in(&around).unwrap();
        let authority = Authority::in_this_folder(PRODUCT, folder);
        Some(Self { authority, name, server, _around: around })
    }

    /// Runs a line, with this database and this place for the copy instead of the document's.
    fn run(&self, line: &str) -> Output {
        let copy = self.authority.path("copy");
        let line = line.replace("licensing", self.name);
        let line = line.replace("/backups/ledger-2027-01-31", copy.to_str().unwrap());
        // postgres://USER@HOST:PORT
        let (user, place) = self.server.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
        let (host, port) = place.rsplit_once(':').unwrap();
        let path = format!("{}:{}", program().parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-ec", &line]).env("PATH", path);
        shell.envs([("PGUSER", user), ("PGHOST", host), ("PGPORT", port)]);
        shell.env("AUTHORITY_DB", self.authority.database_url());
        shell.env("AUTHORITY_DIR", self.authority.directory());
        shell.output().unwrap()
    }

    fn done(&self, line: &str) {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {output:?}");
    }

    fn device(&self, name: &str) -> Client {
        self.authority.device(name)
    }

    fn actions(&self, action: &str) -> usize {
        self.authority.actions().iter().filter(|(_, of)| of == action).count()
    }
}

/// Customers with a license of three seats, and what happens to them before a copy is made and after.
struct Customers {
    key: String,
    /// Active in the copy, and heard of since.
    kept: Client,
    /// Active in the copy, and given back since.
    given_back: Client,
    /// Granted since.
    lost: Client,
    /// Of a license that was sold since.
    buyer: Client,
}

impl Customers {
    /// Copies the ledger while its server is at work, and goes on.
    fn with_copy(vendor: &Vendor) -> Self {
        let key = vendor.authority.sell("3", &[]);
        let [kept, given_back, lost, buyer] =
            ["kept", "given back", "lost", "buyer"].map(|name| vendor.device(name));
        kept.activate(&key).unwrap();
        given_back.activate(&key).unwrap();
        documented("Backup").iter().for_each(|line| vendor.done(line));
        // Another page is in service when something is signed that the copy does not have.
        vendor.authority.kill();
        vendor.authority.restart();
        kept.check_in().unwrap();
        given_back.deactivate(Reason::Moved).unwrap();
        lost.activate(&key).unwrap();
        buyer.activate(vendor.authority.sell("1", &[])).unwrap();
        Self { key, kept, given_back, lost, buyer }
    }

    /// Each device tells the ledger what that has lost, and nobody is locked out.
    fn heal(&self, vendor: &Vendor) {
        for device in [&self.lost, &self.kept, &self.buyer] {
            assert!(device.check_in().unwrap().is_usable());
        }
        // The license that was sold since is noted as well as its seat.
        assert_eq!(vendor.actions("healed"), 4);
        // What it gave up comes along.
        assert!(self.given_back.activate(&self.key).unwrap().is_usable());
        assert_eq!(vendor.actions("phantom-ended"), 1);
        let more = vendor.device("more").activate(&self.key);
        assert_eq!(more.unwrap_err().kind(), nodelock::ErrorKind::NoFreeSeat);
        let licenses = vendor.authority.vendor(&["license", "list"]);
        let taken = licenses["licenses"].as_array().unwrap().iter().map(|license| &license["seats"]["taken"]);
        let mut taken: Vec<u64> = taken.map(|taken| taken.as_u64().unwrap()).collect();
        taken.sort_unstable();
        assert_eq!(taken, [1, 3]);
        assert_eq!(Ledger::open(&vendor.authority).miscounted(), Vec::<String>::new());
        assert_eq!(vendor.authority.vendor(&["verify"])["found"], 0);
    }
}

#[test]
fn a_ledger_is_put_back_under_its_own_name_by_the_documented_lines() {
    let Some(vendor) = Vendor::new("licensing") else { return };
    let customers = Customers::with_copy(&vendor);
    let restore = documented("Restore");
    assert_eq!(restore.len(), 4, "{restore:?}");
    // As long as a server is there, nothing of it is put away.
    let refused = vendor.run(&restore[0]);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("accessed by other users"), "{refused:?}");
    vendor.authority.kill();
    restore.iter().for_each(|line| vendor.done(line));
    vendor.authority.restart();
    assert_eq!(vendor.authority.get("/readyz").json()["status"], "restored");
    customers.heal(&vendor);
}

#[test]
fn a_ledger_that_is_put_back_under_a_running_server_is_healed_by_its_devices() {
    let Some(vendor) = Vendor::new("licensing_at_work") else { return };
    let customers = Customers::with_copy(&vendor);
    // Instead of the first line, which the server is in the way of.
    vendor.done("dropdb --force licensing");
    documented("Restore")[1..].iter().for_each(|line| vendor.done(line));
    // Its connections are gone, and it makes new ones.
    let end = Instant::now() + Duration::from_secs(60);
    while vendor.authority.get("/readyz").status != 200 {
        assert!(Instant::now() < end, "{}", vendor.authority.log());
        thread::sleep(Duration::from_millis(50));
    }
    customers.heal(&vendor);
    // The page that it noted shows what is missing, and nobody can say that it is not so.
    assert!(vendor.authority.vendor(&["vouch"])["restored_until"].is_string());
    vendor.authority.kill();
    vendor.authority.restart();
    assert_eq!(vendor.authority.get("/readyz").json()["status"], "restored");
}
