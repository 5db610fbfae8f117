//! A ledger that was restored to an earlier copy is noticed, and an ordinary restart is none.

#[cfg(target_os = "linux")]
use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};
use std::{fs, path::Path};

use nodelock::{Client, ErrorKind, Reason, Verdict};
use serde_json::Value;

use crate::support::server::{Authority, Engine};
#[cfg(target_os = "linux")]
use crate::support::{
    calls::http,
    server::{Installation, Server},
    skip::{NAMESPACES, ROOT, skipped},
};

fn status(authority: &Authority) -> String {
    let ready = authority.get("/readyz");
    assert_eq!(ready.status, 200, "{}", ready.body);
    ready.json()["status"].as_str().unwrap().to_owned()
}

/// The lines of the audit that say that something is missing.
fn gaps(authority: &Authority) -> Vec<String> {
    let audit = authority.audit();
    let lines = audit.iter().filter(|line| line["action"] == "restored" && line["actor"] == "cli:authority");
    lines.map(|line| line["detail"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_restart_is_no_restore() {
    let authority = Authority::new();
    let key = authority.sell("2", &[]);
    authority.device("device").activate(&key).unwrap();
    authority.kill();
    authority.restart();
    assert_eq!(status(&authority), "ok");
    assert_eq!(authority.vendor(&["vouch"])["restored_until"], Value::Null);
    assert_eq!(gaps(&authority), [""; 0]);
    assert_eq!(authority.vendor(&["verify"])["found"], 0);
}

#[test]
fn a_ledger_that_was_restored_to_an_earlier_copy_says_so() {
    if !matches!(Engine::chosen(), Engine::Sqlite) {
        return;
    }
    let authority = Authority::new();
    let key = authority.sell("2", &[]);
    authority.device("before").activate(&key).unwrap();
    let copy = authority.path("copy");
    authority.vendor(&["backup", copy.to_str().unwrap()]);
    // Another page is in service when something is signed that the copy does not have.
    authority.kill();
    authority.restart();
    authority.device("after").activate(&key).unwrap();
    authority.kill();
    let directory = authority.directory();
    for name in ["authority.db", "authority.db-wal", "authority.db-shm"] {
        let _ = fs::remove_file(directory.join(name));
    }
    authority.vendor(&["restore", copy.to_str().unwrap()]);
    authority.restart();
    assert_eq!(status(&authority), "restored");
    assert_eq!(gaps(&authority).len(), 1);
    assert!(gaps(&authority)[0].starts_with("history is missing since "), "{:?}", gaps(&authority));
    // It is evident: the operator cannot say that it is not so.
    let vouched = authority.vendor(&["vouch"]);
    assert!(vouched["restored_until"].is_string(), "{vouched}");
    authority.kill();
    authority.restart();
    assert_eq!(status(&authority), "restored");
    assert_eq!(gaps(&authority).len(), 1, "it is found once");
    assert_eq!(authority.vendor(&["verify"])["found"], 0);
}

#[test]
fn the_page_is_where_the_operator_wants_it() {
    let authority = Authority::new();
    let file = authority.path("elsewhere/page");
    let page = |file: &Path| fs::read_to_string(file).unwrap().trim().len();
    assert_eq!(page(&authority.directory().join("keys/page")), 16);
    // A place that cannot be written is no place.
    let vouch = ["vouch", "--page-file", file.to_str().unwrap(), "--json"];
    assert!(!authority.command(&vouch).output().unwrap().status.success());
    fs::create_dir(authority.path("elsewhere")).unwrap();
    authority.vendor(&vouch[..3]);
    assert_eq!(page(&file), 16);
}

/// A command of the authority that sees its keys on a read-only disk; none where this user may not mount one.
#[cfg(target_os = "linux")]
fn with_read_only_keys(authority: &Installation, arguments: &[&str]) -> Option<Command> {
    const MOUNT: &str = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#;
    let keys = authority.directory().join("keys");
    let unshared = |program: &OsStr| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--", "sh", "-c", MOUNT]).arg(&keys).arg(program);
        command
    };
    if !unshared("true".as_ref()).output().is_ok_and(|probe| probe.status.success()) {
        skipped(NAMESPACES, "this user may not mount anything");
        return None;
    }
    let command = authority.command(arguments);
    let mut mounted = unshared(command.get_program());
    mounted.args(command.get_args());
    mounted.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(mounted)
}

#[cfg(target_os = "linux")]
#[test]
fn keys_on_a_read_only_disk_serve_without_a_page_and_not_with_an_earlier_one() {
    let authority = Installation::new();
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let Some(mut command) = with_read_only_keys(&authority, &serve) else { return };
    let log = authority.path("log");
    let mut process = command.stdout(Stdio::piped()).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address =
        line.trim().parse().unwrap_or_else(|e| panic!("{e}: {}", fs::read_to_string(&log).unwrap()));
    let server = Server { process, address };
    let key = authority.sell("1", &[]);
    let device = authority
        .client("device")
        .authority(nodelock::Authority::new(server.url("http", "127.0.0.1"), http()));
    device.build().unwrap().activate(&key).unwrap();
    drop(server);
    let said = fs::read_to_string(&log).unwrap();
    assert_eq!(said.matches("page-not-copied").count(), 1, "{said}");
    let page = authority.directory().join("keys/page");
    assert!(!page.exists());
    // A copy of the keys brings one along.
    authority.vendor(&["vouch"]);
    assert!(page.exists());
    let refused = with_read_only_keys(&authority, &serve).unwrap().output().unwrap();
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && words.contains("keys/page") && words.contains("ead-only"),
        "{words}"
    );
}

/// Has a command be run by a user that no machine has, who has the whole folder; none where nobody can be another user.
#[cfg(target_os = "linux")]
fn as_another_user(authority: &Installation, arguments: &[&str]) -> Option<Command> {
    use std::os::unix::fs::PermissionsExt as _;
    const USER: &str = "54321";
    let as_user = |program: &OsStr| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"]).arg(program);
        command
    };
    if !as_user("true".as_ref()).output().is_ok_and(|probe| probe.status.success()) {
        skipped(ROOT, "being another user takes root and setpriv");
        return None;
    }
    let folder = authority.folder.path();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    // Where the program lies, another user may have no access.
    let (command, program) = (authority.command(arguments), authority.path("program"));
    if !program.exists() {
        fs::copy(command.get_program(), &program).unwrap();
        let given = Command::new("chown").args(["-R", &format!("{USER}:{USER}")]).arg(folder).status();
        assert!(given.unwrap().success());
    }
    let mut by_user = as_user(program.as_os_str());
    by_user.args(command.get_args());
    by_user.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(by_user)
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_that_root_runs_stops_no_server_of_another_user() {
    let authority = Installation::new();
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    // Beside a server, which then notes that it stops, and before one starts.
    for _ in 0..2 {
        let Some(mut command) = as_another_user(&authority, &serve) else { return };
        let log = authority.path("log");
        let mut process =
            command.stdout(Stdio::piped()).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let words = || fs::read_to_string(&log).unwrap();
        let address = line.trim().parse().unwrap_or_else(|e| panic!("{e}: {}", words()));
        let mut server = Server { process, address };
        authority.vendor(&["vouch"]);
        let stop = Command::new("kill").arg(server.process.id().to_string()).status().unwrap();
        assert!(stop.success());
        assert!(server.process.wait().unwrap().success(), "{}", words());
        assert!(!words().contains("page-"), "{}", words());
        authority.vendor(&["vouch"]);
    }
}

/// An earlier copy of the ledger takes its place while `lost` happens to the one that is lost.
fn with_lost_time(authority: &Authority, lost: impl FnOnce()) {
    let (engine, directory) = (authority.engine(), authority.directory());
    authority.kill();
    engine.keep_copy(&directory);
    authority.restart();
    lost();
    authority.kill();
    engine.put_back_copy(&directory);
    authority.restart();
    assert_eq!(status(authority), "restored");
}

fn is_active(device: &Client) -> bool {
    *device.check().unwrap().verdict() == Verdict::Active
}

fn states(authority: &Authority) -> Vec<String> {
    let mut states: Vec<String> =
        authority.seats().iter().map(|seat| seat["state"].as_str().unwrap().to_owned()).collect();
    states.sort();
    states
}

fn actions(authority: &Authority, action: &str) -> usize {
    authority.actions().iter().filter(|(_, of)| of == action).count()
}

#[test]
fn a_seat_that_was_lost_comes_back_with_its_device() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let (first, second) = (authority.device("first"), authority.device("second"));
    with_lost_time(&authority, || drop(first.activate(&key).unwrap()));
    // A seat that the ledger believes free is given out: two machines have a license now.
    second.activate(&key).unwrap();
    assert!(is_active(&first) && is_active(&second));
    // At its contact that shows. Nobody is locked out, and nobody else gets a seat.
    assert!(first.check_in().unwrap().is_usable());
    assert_eq!(states(&authority), ["active", "active"]);
    assert_eq!(actions(&authority, "healed"), 1);
    let excess = "1 seats more than were sold are taken";
    assert!(authority.audit().iter().any(|line| line["detail"].as_str().unwrap().contains(excess)));
    let third = authority.device("third");
    assert_eq!(third.activate(&key).unwrap_err().kind(), ErrorKind::NoFreeSeat);
    second.deactivate(Reason::Moved).unwrap();
    assert_eq!(third.activate(&key).unwrap_err().kind(), ErrorKind::NoFreeSeat);
    first.deactivate(Reason::Moved).unwrap();
    third.activate(&key).unwrap();
    assert_eq!(authority.vendor(&["verify"])["found"], 0);
}

#[test]
fn a_seat_that_was_lost_is_given_back() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let [by_code, online] = ["by code", "online"].map(|name| authority.device(name));
    with_lost_time(&authority, || drop(online.activate(&key).unwrap()));
    assert_eq!(online.deactivate(Reason::Moved).unwrap().outcome, nodelock::Outcome::Returned);
    assert_eq!(states(&authority), ["returned"]);
    with_lost_time(&authority, || drop(by_code.activate(&key).unwrap()));
    // Nobody knows whose seat the code is of. The device has its proof still.
    let code = by_code.deactivate_offline(Reason::Moved).unwrap().code().to_string();
    let kept = authority.command(&["redeem", &code, "--json"]).output().unwrap();
    let kept = String::from_utf8(kept.stdout).unwrap();
    assert!(kept.contains("\"kept\": true"), "{kept}");
    authority.device("next").activate(&key).unwrap();
    assert_eq!(states(&authority), ["active", "returned"]);
}

#[test]
fn a_check_in_file_brings_a_lost_seat_back_too() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let device = authority.device("device");
    with_lost_time(&authority, || drop(device.activate(&key).unwrap()));
    let file = authority.path("check-in");
    fs::write(&file, device.check_in_offline().unwrap().to_bytes()).unwrap();
    let renewed = authority.vendor(&["check-in", file.to_str().unwrap()]);
    assert_eq!(renewed["revision"], 2);
    device.accept(renewed["license"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(states(&authority), ["active"]);
}

#[test]
fn a_seat_that_was_given_back_in_the_lost_time_ends_when_its_device_asks_again() {
    let authority = Authority::new();
    let (key, other) = (authority.sell("1", &[]), authority.sell("1", &[]));
    let device = authority.device("device");
    device.activate(&key).unwrap();
    with_lost_time(&authority, || drop(device.deactivate(Reason::Moved).unwrap()));
    assert_eq!(states(&authority), ["active"]);
    // Its seat of another license: what it gave up comes along.
    device.activate(&other).unwrap();
    assert_eq!(states(&authority), ["active", "returned"]);
    assert_eq!(actions(&authority, "phantom-ended"), 1);
    authority.device("next").activate(&key).unwrap();
    assert_eq!(authority.vendor(&["verify"])["found"], 0);
}

#[test]
fn a_license_that_was_sold_in_the_lost_time_goes_on_and_gets_another_key() {
    let authority = Authority::new();
    let device = authority.device("device");
    let mut key = String::new();
    with_lost_time(&authority, || {
        key = authority.sell("2", &[]);
        device.activate(&key).unwrap();
    });
    let licenses = || authority.vendor(&["license", "list"])["licenses"].as_array().unwrap().clone();
    assert_eq!(licenses().len(), 0);
    assert!(device.check_in().unwrap().is_usable());
    let id = licenses()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(authority.device("next").activate(&key).unwrap_err().kind(), ErrorKind::UnknownLicense);
    let rekeyed = authority.vendor(&["license", "rekey", &id]);
    device.deactivate(Reason::Moved).unwrap();
    authority.device("next").activate(rekeyed["key"].as_str().unwrap()).unwrap();
    assert_eq!(authority.vendor(&["verify"])["found"], 0);
}
