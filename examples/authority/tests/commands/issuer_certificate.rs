//! The key and the certificate that the authority signs with: shown, replaced, brought by the environment.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Output, Stdio},
};

#[cfg(unix)]
use std::time::{Duration, Instant, SystemTime};

#[cfg(unix)]
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
#[cfg(unix)]
use nodelock::{
    Certificate, DeactivationReceipt, ErrorKind, License, Roots, SigningKey, authority::CertificateTerms,
};
use nodelock::{Outcome, Reason, Verdict};
use serde_json::Value;
#[cfg(unix)]
use serde_json::json;

#[cfg(target_os = "linux")]
use crate::support::skip::{STRACE, skipped};
#[cfg(unix)]
use crate::support::{
    calls::http,
    server::{Authority, program},
};

const VARIABLES: [&str; 2] = ["AUTHORITY_ISSUER_KEY", "AUTHORITY_ISSUER_CERTIFICATE"];

/// The keys of an authority, file by file.
fn keys(authority: &Authority) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(authority.directory().join("keys")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn run(authority: &Authority, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = authority.command(arguments);
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.arg("--json").envs(environment.iter().copied()).output().unwrap()
}

fn refused(authority: &Authority, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = run(authority, arguments, environment);
    assert!(!output.status.success(), "{arguments:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["error"].as_str().unwrap().to_owned()
}

fn metric(authority: &Authority, name: &str) -> i64 {
    let metrics = authority.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().parse().unwrap()
}

const REMAINING: &str = "nodelock_issuer_certificate_remaining_seconds{product=\"example\"} ";

#[test]
fn a_new_certificate_is_used_from_then_on_and_what_was_issued_before_stays_valid() {
    const DAY: i64 = 24 * 60 * 60;
    let authority = Authority::new();
    let key = authority.sell("3", &[]);
    let log = || fs::read_to_string(authority.directory().join("log")).unwrap();
    let device = authority.device("device");
    device.activate(&key).unwrap();
    let given_up = authority.device("given up");
    given_up.activate(&key).unwrap();
    let given_up_proof = given_up.deactivate_offline(Reason::Moved).unwrap();
    let first = authority.vendor(&["certificate", "show"]);
    assert_eq!((&first["serial"], &first["name"]), (&1.into(), &"Example".into()));
    assert!((364..=365).contains(&first["days_left"].as_i64().unwrap()));
    assert!((363 * DAY..=365 * DAY).contains(&metric(&authority, REMAINING)));
    assert!(!log().contains("certificate-ends"));

    for (serial, arguments) in
        [(2, &["--days", "20"][..]), (3, &["--new-key", "--days", "10"]), (9, &["--serial", "9"])]
    {
        let before = authority.vendor(&["certificate", "show"]);
        let new = authority.vendor(&[&["certificate", "new"], arguments].concat());
        assert_eq!(new["serial"], serial);
        assert_eq!(new["key"] != before["key"], arguments.contains(&"--new-key"));
        // A second later the last day is no whole one any more.
        let lasting = |mut certificate: Value| {
            certificate.as_object_mut().unwrap().remove("days_left").map(|_| certificate)
        };
        assert_eq!(lasting(new.clone()), lasting(authority.vendor(&["certificate", "show"])));
        authority.kill();
        authority.restart();

        assert_eq!(*device.check().unwrap().verdict(), Verdict::Active, "under the certificate before");
        let serial_of = |license: &nodelock::License| license.certificate().unwrap().serial;
        assert!(serial_of(device.check().unwrap().license().unwrap()) < serial);
        let renewed = device.check_in().unwrap();
        assert_eq!(serial_of(renewed.license().unwrap()), serial);
        assert!(renewed.is_usable());
        let other = authority.device(&format!("device {serial}"));
        assert_eq!(serial_of(other.activate(&key).unwrap().license().unwrap()), serial);
        assert_eq!(other.deactivate(Reason::Moved).unwrap().outcome, Outcome::Returned);

        let days = new["days_left"].as_i64().unwrap();
        assert!(((days - 1) * DAY..=(days + 1) * DAY).contains(&metric(&authority, REMAINING)), "{new}");
        let said =
            format!("\"event\":\"certificate-ends\",\"serial\":{serial},\"not_after\":{}", new["not_after"]);
        assert_eq!(log().contains(&said), days < 30, "{}", log());
    }
    assert_eq!(given_up.online().hand_in().unwrap()[0].handle, given_up_proof.handle());
    let certified = |(_, action): &(String, String)| action == "certified";
    assert_eq!(authority.actions().into_iter().filter(certified).count(), 3);
    let private = keys(&authority).into_keys().filter(|path| path.extension().is_some_and(|e| e == "key"));
    assert_eq!(
        private.count(),
        3,
        "the root's, the vault's and one issuer's: a key that was replaced is gone"
    );
}

/// Puts a certificate in place that has ended.
#[cfg(unix)]
fn end_certificate(authority: &Authority) {
    let text = fs::read_to_string(authority.directory().join("keys/root.key")).unwrap();
    let root = SigningKey::from_bytes(&URL_SAFE_NO_PAD.decode(text.trim()).unwrap()).unwrap();
    let present = fs::read(authority.directory().join("keys/issuer.certificate")).unwrap();
    let present = Certificate::verify(&present, &Roots::new([root.public_key()])).unwrap();
    let days_ago = |days: u64| (SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60)).into();
    let ended = CertificateTerms::new(present.issuer, present.name.clone(), days_ago(2), days_ago(1))
        .with_serial(present.serial + 1)
        .with_endless(true);
    let text = ended.sign(&root).unwrap().to_text();
    fs::write(authority.directory().join("keys/issuer.certificate"), text).unwrap();
}

/// Has the server read its certificate again, and waits until it has.
#[cfg(unix)]
fn hang_up(authority: &Authority) {
    let read = || authority.log().matches("\"event\":\"issuer-certificate-read\"").count();
    let before = read();
    let id = authority.server.lock().unwrap().process.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    let end = Instant::now() + Duration::from_secs(10);
    while read() == before {
        assert!(Instant::now() < end, "the server took nothing in");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(unix)]
#[test]
fn seats_are_given_back_while_the_certificate_has_ended_and_a_new_one_needs_no_restart() {
    let authority = Authority::new();
    let key = authority.sell("3", &[]);
    let [online, by_code, active] = ["online", "by code", "active"].map(|name| authority.device(name));
    for device in [&online, &by_code, &active] {
        device.activate(&key).unwrap();
    }
    end_certificate(&authority);
    hang_up(&authority);
    assert_eq!(authority.get("/readyz").status, 503);
    assert_eq!(authority.get("/healthz").status, 200);

    let unacknowledged = online.deactivate(Reason::Moved).unwrap_err();
    assert_eq!(unacknowledged.error().kind(), ErrorKind::CertificateExpired);
    assert!(unacknowledged.deactivation().is_some());
    let code = by_code.deactivate_offline(Reason::Moved).unwrap().code().to_string();
    let redeemed = authority.vendor(&["redeem", &code]);
    assert_eq!((&redeemed["outcome"], &redeemed["receipt_pending"]), (&"freed".into(), &true.into()));
    assert!(redeemed.get("receipt").is_none());
    assert_eq!(authority.count_taken(), 1);
    assert_eq!(active.check_in().unwrap_err().kind(), ErrorKind::ServerFailed);

    authority.vendor(&["certificate", "new"]);
    hang_up(&authority);
    assert_eq!(authority.get("/readyz").status, 200);
    assert_eq!(online.online().hand_in().unwrap()[0].outcome, Outcome::Returned);
    assert_eq!(by_code.online().hand_in().unwrap().len(), 1);
    assert!(active.check_in().unwrap().is_usable());
}

/// A later version of the application denies the key that was stolen, and has not taken in yet what that key signed.
#[cfg(unix)]
#[test]
fn what_a_denied_key_signed_is_signed_anew_when_it_is_asked_for_again() {
    let authority = Authority::new();
    let key = authority.sell("3", &[]);
    let denied = authority.vendor(&["certificate", "show"])["public_key"].as_str().unwrap().parse().unwrap();
    let roots = Roots::new([authority.root.parse().unwrap()]).deny(denied);
    let (asks, gives_up) = (authority.device("asks"), authority.device("gives up"));
    gives_up.activate(&key).unwrap();
    let request = json!({ "request": asks.begin(&key).unwrap().to_base64url() });
    let license =
        || authority.post("/v1/activations", &request).json()["license"].as_str().unwrap().to_owned();
    let proof = json!({ "proof": gives_up.deactivate_offline(Reason::Moved).unwrap().to_base64url() });
    let receipt =
        || authority.post("/v1/deactivations", &proof).json()["receipt"].as_str().unwrap().to_owned();
    let refused = |error: nodelock::Error| assert_eq!(error.kind(), ErrorKind::UntrustedSigner);
    refused(License::verify(license().as_bytes(), &roots).unwrap_err());
    refused(DeactivationReceipt::verify(receipt().as_bytes(), &roots).unwrap_err());

    authority.vendor(&["certificate", "new", "--new-key"]);
    hang_up(&authority);
    let later = |name: &str| {
        let client = authority.client_of(name, roots.clone());
        client
            .authority(nodelock::Authority::new(format!("http://{}/", authority.address), http()))
            .build()
            .unwrap()
    };
    assert!(later("asks").activate(&key).unwrap().is_usable());
    assert_eq!(later("gives up").online().hand_in().unwrap()[0].outcome, Outcome::Returned);
    License::verify(license().as_bytes(), &roots).unwrap();
    DeactivationReceipt::verify(receipt().as_bytes(), &roots).unwrap();
}

#[test]
fn a_certificate_that_cannot_be_made_changes_nothing() {
    let authority = Authority::new();
    let other = Authority::new();
    let root = |authority: &Authority| authority.directory().join("keys/root.key");
    let before = (keys(&authority), authority.actions().len());
    let new =
        |more: &[&str]| refused(&authority, &[&["certificate", "new", "--new-key"], more].concat(), &[]);
    assert_eq!(new(&["--root-key", root(&other).to_str().unwrap()]), "wrong-keys");
    let issuer = authority.directory().join("keys/issuer.key");
    assert_eq!(new(&["--root-key", issuer.to_str().unwrap()]), "wrong-keys");
    assert_eq!(new(&["--root-key", "/nowhere/root.key"]), "io");
    assert_eq!(new(&["--serial", "1"]), "usage");
    assert_eq!(new(&["--days", "0"]), "usage");
    for variable in VARIABLES {
        let set = &[(variable, "something")];
        let error = refused(&authority, &["certificate", "new"], set);
        assert!(["usage", "malformed"].contains(&error.as_str()), "{variable}: {error}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let copy = authority.folder.path().join("root.key");
        fs::copy(root(&authority), &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o604)).unwrap();
        assert_eq!(new(&["--root-key", copy.to_str().unwrap()]), "access-denied");
    }
    assert_eq!((keys(&authority), authority.actions().len()), before);

    // The root key comes from elsewhere, and goes back there.
    let elsewhere = authority.folder.path().join("safe.key");
    fs::rename(root(&authority), &elsewhere).unwrap();
    assert_eq!(new(&[]), "io");
    let made =
        authority.vendor(&["certificate", "new", "--new-key", "--root-key", elsewhere.to_str().unwrap()]);
    assert_eq!(made["serial"], 2);
    assert!(!root(&authority).exists());
}

/// The key and the certificate fit together whenever the program that replaces them is killed.
#[test]
#[cfg(target_os = "linux")]
fn there_is_a_certificate_with_its_key_wherever_its_renewal_is_killed() {
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !traced.is_ok_and(|traced| traced.status.success()) {
        return skipped(STRACE, "strace cannot trace here, so nothing can be killed at each call");
    }
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let device = authority.device("device");
    device.activate(&key).unwrap();
    let (mut killed, mut serials) = (0, Vec::new());
    for call in ["fsync", "rename,renameat,renameat2", "unlink,unlinkat", "write", "openat"] {
        for when in 1..400 {
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-o", "/dev/null", "-e"]).arg(format!("trace={call}"));
            strace.arg("-e").arg(format!("inject={call}:signal=KILL:when={when}"));
            let renewal = authority.command(&["certificate", "new", "--new-key", "--json"]);
            strace.arg("--").arg(renewal.get_program()).args(renewal.get_args());
            let output = strace.stdin(Stdio::null()).output().unwrap();
            // Signs and verifies with whatever is there now.
            let shown = run(&authority, &["certificate", "show"], &[]);
            assert!(shown.status.success(), "{call} {when}: {}", String::from_utf8_lossy(&shown.stdout));
            let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
            serials.push(shown["serial"].as_u64().unwrap());
            if output.status.success() {
                break;
            }
            killed += 1;
        }
    }
    assert!(killed >= 20, "only {killed} kills");
    assert!(serials.is_sorted() && serials.last() > Some(&2), "{serials:?}");
    println!("{killed} kills");
    authority.kill();
    authority.restart();
    assert!(device.check_in().unwrap().is_usable());
}

#[test]
fn the_environment_can_bring_the_key_and_the_certificate_and_shows_neither() {
    let authority = Authority::new();
    let key = authority.sell("2", &[]);
    let folder = authority.directory().join("keys");
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let (issuer, certificate) = (text("issuer.key"), text("issuer.certificate"));
    let device = authority.device("device");
    device.activate(&key).unwrap();
    let handle = authority.taken()[0].clone();
    let root_key = text("root.key");
    fs::rename(&folder, authority.folder.path().join("away")).unwrap();

    let both = [(VARIABLES[0], issuer.as_str()), (VARIABLES[1], certificate.as_str())];
    let renew = ["renew", handle.as_str()];
    assert_eq!(refused(&authority, &renew, &[]), "keys-missing");
    let renewed = run(&authority, &renew, &both);
    assert!(renewed.status.success());
    assert_eq!(refused(&authority, &renew, &both[..1]), "keys-missing", "the certificate is missing");
    let set = |name: &'static str, text: &'static str| match name == VARIABLES[0] {
        true => [(name, text), both[1]],
        false => [both[0], (name, text)],
    };
    assert_eq!(refused(&authority, &renew, &set(VARIABLES[0], "not a key")), "malformed");
    assert_eq!(refused(&authority, &renew, &set(VARIABLES[1], "not a certificate")), "malformed");
    let roots = [(VARIABLES[0], root_key.as_str()), both[1]];
    assert_eq!(refused(&authority, &renew, &roots), "invalid-input", "another key than the certificate's");

    let other = Authority::new();
    assert_eq!(refused(&other, &["certificate", "show"], &both), "wrong-keys");

    let mut server = authority.command(&["serve", "--listen", "127.0.0.1:0"]);
    let log = fs::File::create(authority.folder.path().join("server.log")).unwrap();
    let mut server = server.envs(both).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let device = authority.device_at("device", format!("http://{}", line.trim()), http());
    let checked_in = device.check_in();
    let _ = server.kill();
    server.wait().unwrap();
    assert!(checked_in.unwrap().is_usable());

    let help = authority.command(&["serve", "--help"]).envs(both).output().unwrap();
    let wrong = authority.command(&["serve", "--wrong"]).envs(both).output().unwrap();
    let failed = run(&authority, &renew, &roots);
    for output in [&help, &wrong, &failed, &renewed] {
        assert!(!holds(&output.stdout, &issuer) && !holds(&output.stderr, &issuer));
    }
    assert!(!holds(&fs::read(authority.folder.path().join("server.log")).unwrap(), &issuer));
    let mut help = Command::new(program());
    let help =
        help.arg("--help").env("AUTHORITY_DB", "postgres://user:password-of-it@host/db").output().unwrap();
    assert!(help.status.success() && !holds(&help.stdout, "password-of-it"));
}

fn holds(output: &[u8], secret: &str) -> bool {
    String::from_utf8_lossy(output).contains(secret.trim())
}
