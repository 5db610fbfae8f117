//! Keys and a ledger are made when that is asked for, and what was lost is not taken for a beginning.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    program::{Authority, Finished, field, finish},
    support::server::{Engine, POSTGRES, PRODUCT, Server, database},
};

const SELL: [&str; 6] = ["license", "new", "--licensee", "Jane Doe", "--seats", "1"];
const SERVE: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--product", PRODUCT];

/// A volume on which nothing is.
struct Empty {
    _folder: TempDir,
    directory: std::path::PathBuf,
    engine: Engine,
}

impl Empty {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("authority");
        let engine = Engine::chosen();
        engine.create_database(&directory);
        Self { _folder: folder, directory, engine }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.engine.command(&self.directory, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        finish(self.command(arguments).arg("--json").spawn().unwrap())
    }

    fn refused(&self, arguments: &[&str]) -> Value {
        let answer = self.run(arguments);
        assert_eq!(answer.code, 1, "{arguments:?}: {} {}", answer.stdout, answer.stderr);
        answer.json()
    }
}

#[test]
fn a_server_on_an_empty_volume_creates_nothing_and_says_what_helps() {
    let empty = Empty::new();
    for command in [&SERVE[..], &SELL, &["list"]] {
        let refused = empty.refused(command);
        assert_eq!(field(&refused, "error"), "not-initialized");
        let advice = field(&refused, "message");
        assert!(advice.contains("authority init") && advice.contains("--create"), "{advice}");
        assert!(!empty.directory.exists(), "nothing is created unasked");
    }
    if let Engine::Postgres(server) = &empty.engine {
        let url = format!("{server}/{}", database(&empty.directory));
        let count = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'";
        let tables = Command::new("psql").arg(url).args(["-Atc", count]).output().unwrap();
        assert_eq!(tables.stdout, b"0\n");
    }
    // Asking to create without saying for what is a mistake.
    assert_eq!(empty.run(&["serve", "--create"]).code, 2);
}

#[test]
fn an_interrupted_set_up_goes_on() {
    let empty = Empty::new();
    let made = empty.run(&["init", "--product", PRODUCT]);
    assert_eq!(made.code, 0, "{}", made.stdout);
    let keys = empty.directory.join("keys");
    assert!(!keys.join("unfinished").exists());
    let root = fs::read_to_string(keys.join("root.public")).unwrap();
    // Killed after the keys were there, and before the ledger was.
    fs::write(keys.join("unfinished"), "").unwrap();
    empty.engine.forget_ledger(&empty.directory);
    let create = [&SERVE[..], &["--create"]].concat();
    let options: Vec<String> = create[3..].iter().map(|&option| option.to_owned()).collect();
    Server::start(&empty.engine, &empty.directory, "127.0.0.1:0", &options).kill();
    assert_eq!(fs::read_to_string(keys.join("root.public")).unwrap(), root);
    assert!(!keys.join("unfinished").exists());
    assert_eq!(empty.run(&SELL).code, 0);
}

#[test]
fn keys_without_their_ledger_do_not_start_and_are_given_another_one_only_on_request() {
    let empty = Empty::new();
    let made = empty.run(&["init", "--product", PRODUCT]).json();
    empty.engine.forget_ledger(&empty.directory);
    let create = [&SERVE[..], &["--create"]].concat();
    for command in [&SERVE[..], &create, &SELL, &["list"], &["init", "--product", PRODUCT]] {
        let refused = empty.refused(command);
        assert_eq!(field(&refused, "error"), "ledger-missing", "{command:?}");
        let advice = field(&refused, "message");
        assert!(advice.contains("authority restore") && advice.contains("--keep-keys"), "{advice}");
    }
    assert!(!empty.directory.join("authority.db").exists(), "nothing is created unasked");
    let kept = empty.run(&["init", "--product", PRODUCT, "--keep-keys"]);
    assert_eq!((kept.code, field(&kept.json(), "root")), (0, field(&made, "root")), "{}", kept.stdout);
    assert_eq!(empty.run(&SELL).code, 0);
    assert_eq!(
        field(&empty.refused(&["init", "--product", PRODUCT, "--keep-keys"]), "error"),
        "already-initialized"
    );

    let other = Empty::new();
    assert_eq!(
        field(&other.refused(&["init", "--product", PRODUCT, "--keep-keys"]), "error"),
        "keys-missing"
    );
}

#[test]
fn a_ledger_without_its_keys_does_not_start_and_is_not_given_others() {
    let authority = Authority::new();
    let folder = authority.path("authority");
    let keys = folder.join("keys");
    let create = [&SERVE[..], &["--create"]].concat();
    for lost in ["keys", "keys/issuer.certificate", "keys/issuer.key"] {
        fs::rename(folder.join(lost), folder.join("lost")).unwrap();
        for command in [&SERVE[..], &create, &SELL] {
            let refused = authority.run(command, b"");
            assert_eq!(
                (refused.code, field(&refused.json(), "error")),
                (1, "keys-missing"),
                "{lost}: {command:?}"
            );
            let advice = field(&refused.json(), "message").to_owned();
            assert!(advice.contains(&keys.display().to_string()) && advice.contains("--keys"), "{advice}");
        }
        assert_eq!(authority.refused(&["init", "--product", PRODUCT], b""), "already-initialized");
        assert!(!folder.join(lost).exists(), "nothing is created unasked");
        fs::rename(folder.join("lost"), folder.join(lost)).unwrap();
    }
    authority.sell("1", &[]);

    fs::rename(&keys, folder.join("lost")).unwrap();
    let other = Authority::new();
    fs::rename(other.path("authority").join("keys"), &keys).unwrap();
    assert_eq!(authority.refused(&SELL, b""), "wrong-keys");
}

#[test]
fn nothing_is_overwritten_and_no_secret_is_in_the_database() {
    let authority = Authority::new();
    let folder = authority.path("authority");
    let before = files(&folder.join("keys"));
    assert_eq!(authority.refused(&["init", "--product", "Other"], b""), "already-initialized");
    assert_eq!(before, files(&folder.join("keys")));
    assert_eq!(authority.run(&["init", "--product", " "], b"").code, 2);

    let (_, key) = authority.sell("1", &[]);
    authority.activated("device", &key);
    let compact = key.replace('-', "");
    let private = fs::read_to_string(folder.join("keys/issuer.key")).unwrap();
    let mut kept = files(&folder);
    if let Ok(server) = std::env::var(POSTGRES) {
        let dump = Command::new("pg_dump").arg(format!("{server}/{}", database(&folder))).output().unwrap();
        assert!(dump.status.success());
        kept.push(("the database".into(), dump.stdout));
    }
    for (name, content) in kept {
        let text = String::from_utf8_lossy(&content);
        assert!(!text.contains(&key) && !text.contains(&compact), "{name} holds a license key");
        assert!(!text.contains(private.trim()), "{name} holds a private key");
    }
}

#[cfg(unix)]
#[test]
fn keys_that_others_may_read_are_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let authority = Authority::new();
    let folder = authority.path("authority");
    let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("keys"), 0o700);
    if std::env::var(POSTGRES).is_err() {
        assert_eq!(mode("authority.db"), 0o600);
    }
    for key in ["keys/root.key", "keys/issuer.key"] {
        assert_eq!(mode(key), 0o600);
    }
    for bad in [0o640, 0o604, 0o660] {
        fs::set_permissions(folder.join("keys/issuer.key"), fs::Permissions::from_mode(bad)).unwrap();
        let answer = authority.run(&["license", "new", "--licensee", "x", "--seats", "1"], b"");
        assert_eq!((answer.code, field(&answer.json(), "error")), (1, "access-denied"));
        assert!(field(&answer.json(), "message").contains("chmod 600"));
    }
}

/// The files directly in a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let mut files: Vec<_> =
        entries.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect();
    files.sort();
    files
}
