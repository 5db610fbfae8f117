//! The ledger is copied while a server is at work, and brought back.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Instant,
};

use nodelock::Reason;
use serde_json::Value;

#[cfg(target_os = "linux")]
use crate::support::skip::{NAMESPACES, skipped};
use crate::support::{
    ledger::Ledger,
    over::Over,
    server::{Authority, Engine, Installation, PRODUCT, Server},
};

/// Where a ledger is brought back to, with the keys of the authority that it is of.
struct Place {
    directory: PathBuf,
}

impl Place {
    fn new(authority: &Installation, name: &str) -> Self {
        let place = Self::without_keys(authority, name);
        let keys = place.directory.join("keys");
        fs::create_dir_all(&keys).unwrap();
        for file in fs::read_dir(authority.directory().join("keys")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), keys.join(file.file_name())).unwrap();
        }
        place
    }

    fn without_keys(authority: &Installation, name: &str) -> Self {
        Self { directory: authority.path(name).join("authority") }
    }

    /// What a command says, and its exit code.
    fn run(&self, arguments: &[&str]) -> (i32, Value) {
        let output = Engine::Sqlite.command(&self.directory, arguments).arg("--json").output().unwrap();
        let said =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        (output.status.code().unwrap(), said)
    }

    fn done(&self, arguments: &[&str]) -> Value {
        let (code, said) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {said}");
        said
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let (code, said) = self.run(arguments);
        assert_eq!(code, 1, "{arguments:?}: {said}");
        said["error"].as_str().unwrap().to_owned()
    }

    fn handles(&self) -> Vec<String> {
        let seats = self.done(&["list"])["seats"].as_array().unwrap().clone();
        seats.iter().map(|seat| seat["handle"].as_str().unwrap().to_owned()).collect()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An authority on SQLite; none where the tests run on PostgreSQL.
fn on_sqlite() -> Option<std::sync::Arc<Authority>> {
    matches!(Engine::chosen(), Engine::Sqlite).then(Authority::new)
}

#[test]
fn a_copy_is_whole_while_the_server_is_at_work() {
    let Some(authority) = on_sqlite() else { return };
    let key = authority.sell("1000", &[]);
    let first = authority.device("first");
    first.activate(&key).unwrap();
    let (done, copies) = (AtomicBool::new(false), authority.path("copies"));
    fs::create_dir(&copies).unwrap();
    thread::scope(|scope| {
        let _over = Over(&done);
        // Seats are taken and given back the whole time.
        scope.spawn(|| {
            let device = authority.device("busy");
            while !done.load(Ordering::Relaxed) {
                device.activate(&key).unwrap();
                device.deactivate(Reason::Moved).unwrap();
            }
        });
        for number in 0..5 {
            let device = authority.device(&number.to_string());
            device.activate(&key).unwrap();
            let before: Vec<String> =
                authority.seats().iter().map(|seat| seat["handle"].as_str().unwrap().to_owned()).collect();
            let file = copies.join(number.to_string());
            authority.vendor(&["backup", text(&file)]);
            let place = Place::new(&authority, &format!("place {number}"));
            place.done(&["restore", text(&file)]);
            assert_eq!(place.done(&["verify"])["found"], 0);
            let after = place.handles();
            // What was committed before it began is all there, although it is in the write-ahead log still.
            assert!(before.iter().all(|handle| after.contains(handle)));
        }
    });
    assert_eq!(fs::read_dir(&copies).unwrap().count(), 5, "nothing else is left");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for file in [copies.join("0"), authority.path("place 0").join("authority/authority.db")] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    // Never over what is there.
    let before = fs::read(copies.join("0")).unwrap();
    let again = authority.command(&["backup", text(&copies.join("0")), "--json"]).output().unwrap();
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((again["error"].as_str(), fs::read(copies.join("0")).unwrap()), (Some("in-the-way"), before));

    // The restored ledger serves the devices that it knows.
    let place = Place { directory: authority.path("place 4").join("authority") };
    authority.kill();
    let server = Server::start(&Engine::Sqlite, &place.directory, "127.0.0.1:0", &[]);
    let device = authority
        .client("first")
        .authority(nodelock::Authority::new(server.url("http", "127.0.0.1"), crate::support::calls::http()));
    assert!(device.build().unwrap().check_in().unwrap().is_usable());
    let actions = place.done(&["audit", "list"])["audit"].as_array().unwrap().clone();
    assert!(actions.iter().any(|line| line["action"] == "restored"));
}

#[test]
fn a_backup_that_is_killed_leaves_a_whole_copy_or_none() {
    const KILLS: u32 = 12;
    let Some(authority) = on_sqlite() else { return };
    authority.vendor(&["license", "new", "--licensee", "Jane", "--seats", "1", "--count", "2000"]);
    let start = Instant::now();
    authority.vendor(&["backup", text(&authority.path("whole"))]);
    let whole = start.elapsed();
    for kill in 0..KILLS {
        let file = authority.path(&format!("copy {kill}"));
        let mut backup = authority.command(&["backup", text(&file)]);
        let mut child = backup.stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(whole * kill / KILLS);
        child.kill().unwrap();
        child.wait().unwrap();
        if file.exists() {
            let place = Place::new(&authority, &format!("place {kill}"));
            place.done(&["restore", text(&file)]);
            assert_eq!(place.done(&["license", "list"])["licenses"].as_array().unwrap().len(), 2000);
        }
    }
}

#[test]
fn a_ledger_is_restored_to_a_new_place_and_from_a_sound_copy_alone() {
    let Some(authority) = on_sqlite() else { return };
    let key = authority.sell("2", &[]);
    let device = authority.device("device");
    device.activate(&key).unwrap();
    let copy = authority.path("copy");
    authority.vendor(&["backup", text(&copy)]);
    let ledger = authority.directory().join("authority.db");

    // Nothing that is there is written over, and no log of another ledger is taken for this one's.
    let at_home = authority.command(&["restore", text(&copy), "--json"]).output().unwrap();
    assert!(String::from_utf8_lossy(&at_home.stdout).contains("in-the-way"));
    let place = Place::new(&authority, "place");
    for suffix in ["-wal", "-journal", "-shm"] {
        let stale = place.directory.join(format!("authority.db{suffix}"));
        fs::write(&stale, "").unwrap();
        assert_eq!(place.refused(&["restore", text(&copy)]), "in-the-way");
        fs::remove_file(stale).unwrap();
    }

    // What is no ledger, and one of an authority with other keys.
    let garbage = authority.path("garbage");
    fs::write(&garbage, [7; 5000]).unwrap();
    assert_eq!(place.refused(&["restore", text(&garbage)]), "corrupt");
    fs::write(&garbage, "").unwrap();
    assert_eq!(place.refused(&["restore", text(&garbage)]), "corrupt");
    assert_eq!(place.refused(&["restore", text(&authority.path("missing"))]), "io");
    let cut = authority.path("cut");
    fs::write(&cut, &fs::read(&copy).unwrap()[..20 * 1024]).unwrap();
    assert_eq!(place.refused(&["restore", text(&cut)]), "corrupt");
    let stranger = Authority::of("Other", &[]);
    assert_eq!(Place::new(&stranger, "other").refused(&["restore", text(&copy)]), "wrong-keys");
    assert!(!stranger.path("other/authority/authority.db").exists());
    let left = fs::read_dir(&place.directory).unwrap().map(|file| file.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["keys"], "nothing is left of what failed");

    // A copy in which a disk, or somebody, has changed something.
    let damaged = Place::new(&authority, "damaged");
    damaged.done(&["restore", text(&copy)]);
    Ledger::at(&damaged.directory.join("authority.db")).execute("UPDATE license SET created = created - 1");
    let (code, said) = place.run(&["restore", text(&damaged.directory.join("authority.db"))]);
    assert_eq!(
        (code, said["error"].as_str(), &said["findings"][0]["column"]),
        (1, Some("corrupt"), &"created".into())
    );
    assert!(!place.directory.join("authority.db").exists(), "nothing is restored");
    // An operator may have no better one.
    let damaged = damaged.directory.join("authority.db");
    let taken = Place::new(&authority, "taken");
    let restored = taken.done(&["restore", text(&damaged), "--despite-findings"]);
    assert_eq!((&restored["found"], &restored["findings"]), (&said["found"], &said["findings"]));
    assert_eq!(taken.handles().len(), 1);
    let noted = taken.done(&["audit", "list"])["audit"].as_array().unwrap().clone();
    let detail = format!("despite {} findings", said["found"]);
    let is_it = |line: &Value| line["action"] == "restored" && line["detail"] == detail.as_str();
    assert_eq!(noted.iter().filter(|line| is_it(line)).count(), 1, "{noted:?}");

    // The files of a server that was killed, with the log that it did not write back.
    authority.device("second").activate(&key).unwrap();
    authority.kill();
    let killed = authority.path("killed");
    fs::copy(&ledger, &killed).unwrap();
    let wal = fs::metadata(ledger.with_extension("db-wal")).map_or(0, |file| file.len());
    assert!(wal > 0, "the server has no log");
    fs::copy(ledger.with_extension("db-wal"), authority.path("killed-wal")).unwrap();
    let from_files = Place::new(&authority, "from files");
    from_files.done(&["restore", text(&killed)]);
    assert_eq!(from_files.handles().len(), 2);
    assert_eq!(fs::metadata(authority.path("killed-wal")).unwrap().len(), wal, "the copy stays as it is");

    // The keys may come later.
    let bare = Place::without_keys(&authority, "bare");
    assert_eq!(bare.done(&["restore", text(&copy)])["keys_are_here"], false);
    assert_eq!(bare.refused(&["serve", "--listen", "127.0.0.1:0", "--product", PRODUCT]), "keys-missing");
    assert_eq!(place.done(&["restore", text(&copy)])["keys_are_here"], true);
    assert_eq!(place.handles().len(), 1);
}

/// A full disk is noticed where SQLite says nothing: what stays in its log would be missing from the ledger.
#[cfg(target_os = "linux")]
#[test]
fn a_ledger_that_its_log_does_not_fit_into_is_not_restored() {
    const ON_SMALL_DISK: &str = r#"mount -t tmpfs -o size="$1" tmpfs "$0" && shift && exec "$@""#;
    let Some(authority) = on_sqlite() else { return };
    authority.vendor(&["license", "new", "--licensee", "Jane", "--seats", "1", "--count", "500"]);
    authority.kill();
    let (ledger, copy) = (authority.directory().join("authority.db"), authority.path("copy"));
    let log = authority.path("copy-wal");
    fs::copy(&ledger, &copy).unwrap();
    fs::copy(ledger.with_extension("db-wal"), &log).unwrap();
    let length = |file: &Path| fs::metadata(file).unwrap().len();
    let whole = Place::new(&authority, "whole");
    whole.done(&["restore", text(&copy)]);
    // Both files fit there, and what it takes to look at them, and not what the log adds to the ledger.
    let space = 160 * 1024;
    let grown = length(&whole.directory.join("authority.db")) - length(&copy);
    assert!(grown > 2 * space, "the log adds {grown} bytes");
    let place = Place::without_keys(&authority, "place");
    fs::create_dir_all(&place.directory).unwrap();
    let command = Engine::Sqlite.command(&place.directory, &["restore", text(&copy), "--json"]);
    let restore = |size: u64| {
        let mut mounted = Command::new("unshare");
        mounted.args(["--mount", "--", "sh", "-c", ON_SMALL_DISK]).arg(&place.directory);
        mounted.arg(size.to_string()).arg(command.get_program()).args(command.get_args());
        mounted.output().unwrap()
    };
    let roomy = restore(64 * 1024 * 1024);
    if !roomy.status.success() && roomy.stdout.is_empty() {
        return skipped(NAMESPACES, "this user may not mount anything");
    }
    assert!(roomy.status.success(), "{roomy:?}");
    let full = restore(length(&copy) + length(&log) + space);
    let words = [&full.stdout[..], &full.stderr].concat();
    let words = String::from_utf8_lossy(&words);
    assert!(!full.status.success() && words.contains("its log could not be written into it"), "{words}");
}

#[test]
fn on_postgresql_its_own_programs_do_it_and_the_authority_says_how() {
    let Engine::Postgres(server) = Engine::chosen() else { return };
    let authority = Authority::new();
    let key = authority.sell("2", &[]);
    let device = authority.device("device");
    device.activate(&key).unwrap();
    let copy = authority.path("copy");
    for (command, program) in
        [("backup", "pg_dump --format=custom"), ("restore", "pg_restore --exit-on-error")]
    {
        let said = authority.command(&[command, text(&copy)]).output().unwrap();
        assert_eq!(said.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&said.stderr).contains(program));
        assert!(!copy.exists());
    }
    let succeeds = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    succeeds("pg_dump", &["--format=custom", "--file", text(&copy), &authority.database_url()]);
    let restored = format!("{}-restored", crate::support::server::database(&authority.directory()));
    succeeds("psql", &[&format!("{server}/postgres"), "-qc", &format!("CREATE DATABASE \"{restored}\"")]);
    let url = format!("{server}/{restored}");
    succeeds(
        "pg_restore",
        &["--exit-on-error", "--single-transaction", "--no-owner", "--dbname", &url, text(&copy)],
    );
    let place = Place::new(&authority, "place");
    assert_eq!(place.done(&["verify", "--db", &url])["found"], 0);
    assert_eq!(place.done(&["list", "--db", &url])["seats"].as_array().unwrap().len(), 1);
}
