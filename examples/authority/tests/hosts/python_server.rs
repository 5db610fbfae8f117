//! A vendor's own server, the example in Python over the authority's section of the C interface, against real
//! applications and against devices that say what no client of the library would.
//!
//! Skipped loudly without python3, unless `NODELOCK_REQUIRE_HOSTS=1` is set.

#![cfg(unix)]

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use crate::support::{
    hosts::{Computer, DONE, Host, PRODUCT, editor_in_c, folder, library, skipped},
    requests::request,
};
use nodelock::{Certificate, Roots, SigningKey, authority::CertificateTerms};
use tempfile::TempDir;

/// A vendor's server of its own, in Python.
struct Vendor {
    folder: TempDir,
    root: String,
    address: SocketAddr,
    process: Child,
    customers: AtomicU32,
}

impl Vendor {
    fn command(folder: &TempDir, arguments: &[&str]) -> Command {
        let mut command = Command::new("python3");
        command.args(["-B", "-Werror"]).arg(self::folder("examples/python-server/server.py"));
        command.args(arguments).current_dir(folder).env("NODELOCK_LIBRARY", library());
        command
    }

    fn say(folder: &TempDir, arguments: &[&str]) -> String {
        let output = Self::command(folder, arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Self::say(&folder, &["init", "vendor"]);
        let mut serve = Self::command(&folder, &["serve", "vendor", "127.0.0.1:0", "127.0.0.1"]);
        let mut process = serve.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().parse().unwrap();
        Self { folder, root, address, process, customers: AtomicU32::new(0) }
    }

    fn computer<'a>(&self, host: &'a Host) -> Computer<'a> {
        let url = format!("http://{}", self.address);
        Computer { host, root: self.root.clone(), url, folder: tempfile::tempdir().unwrap() }
    }

    /// Uploads a file of a computer's, and puts the answer there.
    fn upload(&self, path: &str, computer: &Computer<'_>, file: &str, answer: &str) -> u16 {
        let (status, body) = self.send(path, &fs::read(computer.path(file)).unwrap());
        fs::write(computer.path(answer), body).unwrap();
        status
    }

    /// An address that nothing came from before, as the proxy in front of the server says.
    fn new_customer(&self) -> String {
        let n = self.customers.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        format!("10.{}.{}.{}", n[1], n[2], n[3])
    }

    fn send(&self, path: &str, body: &[u8]) -> (u16, String) {
        self.send_from(&self.new_customer(), path, "application/octet-stream", body)
    }

    fn send_from(&self, peer: &str, path: &str, content_type: &str, body: &[u8]) -> (u16, String) {
        let headers = [("Content-Type", content_type), ("X-Forwarded-For", peer)];
        let reply = request(self.address, "POST", path, &headers, body);
        (reply.status, reply.body)
    }

    /// What somebody at the telephone types into the form.
    fn type_in(&self, code: &str) -> (u16, String) {
        self.type_in_from(&self.new_customer(), code)
    }

    fn type_in_from(&self, peer: &str, code: &str) -> (u16, String) {
        let body = format!("code={}", code.trim().replace(' ', "+"));
        self.send_from(peer, "/redeem", "application/x-www-form-urlencoded", body.as_bytes())
    }

    /// Puts a certificate in place that has ended.
    fn end_certificate(&self) {
        let path = |name| self.folder.path().join("vendor").join(name);
        let root = SigningKey::from_bytes(&fs::read(path("root.key")).unwrap()).unwrap();
        let present = fs::read(path("issuer.certificate")).unwrap();
        let present = Certificate::verify(&present, &Roots::new([root.public_key()])).unwrap();
        let days_ago = |days: u64| (SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60)).into();
        let ended = CertificateTerms::new(present.issuer, present.name.clone(), days_ago(2), days_ago(1))
            .with_serial(present.serial)
            .with_endless(true);
        fs::write(path("issuer.certificate"), ended.sign(&root).unwrap().to_text()).unwrap();
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A code as a tired person types it: lower case, spaces, and a symbol wrong.
fn mistype(code: &str) -> String {
    let mut symbols: Vec<char> = code.to_lowercase().replace('-', " ").chars().collect();
    symbols[15] = if symbols[15] == '7' { '9' } else { '7' };
    symbols.into_iter().collect()
}

#[test]
fn a_vendor_with_a_server_in_python() {
    if skipped(&["python3"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("editor");
    editor_in_c(&program);
    let host = Host { line: vec![program.into()] };
    let vendor = Vendor::new();
    let key = Vendor::say(&vendor.folder, &["sell", "vendor", "Jane Doe", "1"]);
    let (first, second) = (vendor.computer(&host), vendor.computer(&host));

    for computer in [&first, &second] {
        computer.run(DONE, &["request", &key, "request.txt"]);
    }
    assert_eq!(vendor.upload("/activate", &first, "request.txt", "license.txt"), 200);
    assert_eq!(first.run(DONE, &["install", "license.txt"]).says("projects: "), "up to 10");
    assert_eq!(vendor.upload("/activate", &second, "request.txt", "license.txt"), 409);
    let refused = fs::read_to_string(second.path("license.txt")).unwrap();
    assert!(refused.starts_with("no-free-seat (71): "), "{refused}");
    for told in [": last heard of on 20", "If nobody renews it, the next seat is free on 20"] {
        assert!(refused.contains(told), "{told}: {refused}");
    }

    // Over the phone, typing errors and all.
    let given_up = first.run(DONE, &["deactivate-offline", "proof.txt"]);
    let code = given_up.says("code: ");
    assert!(vendor.type_in("hello").1.starts_with("unreadable-code (3): "));
    let unknown = vendor.type_in("17KX2-M928T-5CY4T-QKFFW-EZFWM");
    assert_eq!((unknown.0, unknown.1.split(':').next()), (409, Some("unknown-seat (74)")));
    assert_eq!(vendor.upload("/activate", &second, "request.txt", "license.txt"), 409, "still taken");
    let (status, receipt) = vendor.type_in(&mistype(code));
    assert_eq!(status, 200, "{receipt}");
    fs::write(first.path("receipt.txt"), receipt).unwrap();
    assert!(first.run(DONE, &["receipt", "receipt.txt"]).says("seat ").ends_with("is returned"));

    // The seat is the other computer's now, and what the first one said is of no use any more.
    assert_eq!(vendor.upload("/activate", &second, "request.txt", "license.txt"), 200);
    second.run(DONE, &["install", "license.txt"]);
    assert_eq!(vendor.upload("/redeem", &first, "proof.txt", "again.txt"), 200);
    assert_eq!(vendor.type_in(code).0, 200);
    assert_eq!(vendor.upload("/activate", &first, "request.txt", "again.txt"), 409);
    first.run(DONE, &["request", &key, "request.txt"]);
    assert_eq!(vendor.upload("/activate", &first, "request.txt", "license.txt"), 409, "taken");

    // A seat given up that nobody was told of comes along with the next request, and so does its receipt.
    second.run(DONE, &["deactivate-offline", "proof.txt"]);
    second.run(DONE, &["request", &key, "request.txt"]);
    assert_eq!(vendor.upload("/activate", &second, "request.txt", "license.txt"), 200);
    second.run(DONE, &["install", "license.txt"]);
    assert_eq!(second.run(DONE, &["codes"]).stdout, "");
}

/// What a device says that no client of the library would say, or not in that order, made by
/// `tests/hosts/odd_device.py`.
struct OddDevice<'a> {
    vendor: &'a Vendor,
    folder: TempDir,
}

impl<'a> OddDevice<'a> {
    /// None, loudly, without the Python module that it needs.
    fn new(vendor: &'a Vendor, key: &str, other_key: &str) -> Option<Self> {
        let tried = Command::new("python3").args(["-c", "import cryptography"]).output().unwrap();
        if !tried.status.success() {
            assert_ne!(env::var("NODELOCK_REQUIRE_INTEROP").as_deref(), Ok("1"), "no cryptography");
            eprintln!("SKIPPED: python3 has no module cryptography");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let script = self::folder("tests/hosts/odd_device.py");
        let mut command = Command::new("python3");
        let made = command
            .arg("-B")
            .arg(script)
            .args([PRODUCT, key, other_key])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(Self { vendor, folder })
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name).with_extension("txt")).unwrap()
    }

    /// Uploads a file, which must be answered like that. Returns the rest of the answer.
    fn uploads(&self, path: &str, name: &str, status: u16, begin: &str) -> String {
        let answer = self.vendor.send(path, self.file(name).as_bytes());
        Self::is_answered(name, answer, status, begin)
    }

    fn types_in(&self, name: &str, status: u16, begin: &str) -> String {
        Self::is_answered(name, self.vendor.type_in(&self.file(name)), status, begin)
    }

    fn is_answered(name: &str, answer: (u16, String), status: u16, begin: &str) -> String {
        assert_eq!(answer.0, status, "{name}: {}", answer.1);
        let rest = answer.1.strip_prefix(begin);
        rest.unwrap_or_else(|| panic!("{name}: not {begin:?}, but {}", answer.1)).to_owned()
    }
}

const LICENSE: &str = "-----BEGIN NODELOCK LICENSE-----";
const RECEIPT: &str = "-----BEGIN NODELOCK DEACTIVATION RECEIPT-----";

#[test]
fn a_server_in_python_frees_no_seat_that_is_in_use() {
    if skipped(&["python3"]) {
        return;
    }
    let vendor = Vendor::new();
    let key = Vendor::say(&vendor.folder, &["sell", "vendor", "Jane Doe", "1"]);
    let Some(device) = OddDevice::new(&vendor, &key, &key) else { return };
    device.uploads("/activate", "request", 200, LICENSE);
    // Genuine, and of another request than the one that has the seat.
    device.uploads("/redeem", "conflict", 409, "wrong-request (112): ");
    device.uploads("/activate", "request", 200, LICENSE);
    device.uploads("/activate", "twin-request", 409, "no-free-seat (71): ");
    // One of the device itself, which may come late: it is no newer.
    device.uploads("/activate", "early-request", 409, "no-free-seat (71): ");
}

#[test]
fn a_server_in_python_remembers_what_came_before_its_request() {
    if skipped(&["python3"]) {
        return;
    }
    let vendor = Vendor::new();
    let key = Vendor::say(&vendor.folder, &["sell", "vendor", "Jane Doe", "1"]);
    let Some(device) = OddDevice::new(&vendor, &key, &key) else { return };
    for number in 0..7 {
        device.uploads("/redeem", &format!("other-proof-{number}"), 200, "kept");
    }
    device.uploads("/redeem", "early-proof", 200, "kept");
    device.uploads("/redeem", "other-proof-8", 409, "too-many-attempts (77): ");
    device.uploads("/redeem", "early-proof", 200, "kept");
    // The request is cancelled, with a receipt, and stays so.
    let receipt = device.uploads("/activate", "early-request", 409, "request-cancelled (73): ");
    assert!(receipt.contains(RECEIPT), "{receipt}");
    device.uploads("/activate", "early-request", 409, "request-cancelled (73): ");
    device.uploads("/redeem", "early-proof", 200, RECEIPT);
    device.types_in("early-code", 200, RECEIPT);
    // The seat is known now, and these are not its proofs.
    device.uploads("/redeem", "other-proof-8", 409, "wrong-request (112): ");

    device.types_in("coded-code", 409, "unknown-seat (74): ");
    let receipt = device.uploads("/activate", "coded-request", 409, "request-cancelled (73): ");
    assert!(receipt.contains(RECEIPT), "{receipt}");
    device.uploads("/activate", "coded-request", 409, "request-cancelled (73): ");
    device.types_in("coded-code", 200, RECEIPT);
    device.uploads("/activate", "request", 200, LICENSE);
}

/// Two devices drew the same name, and somebody guessed codes for one of them.
#[test]
fn a_server_in_python_counts_wrong_codes_of_each_seat() {
    if skipped(&["python3"]) {
        return;
    }
    let vendor = Vendor::new();
    let key = Vendor::say(&vendor.folder, &["sell", "vendor", "Jane Doe", "2"]);
    let Some(device) = OddDevice::new(&vendor, &key, &key) else { return };
    device.uploads("/activate", "request", 200, LICENSE);
    for number in 0..10 {
        device.types_in(&format!("wrong-code-{number}"), 409, "wrong-code (75): ");
    }
    device.types_in("wrong-code-10", 409, "too-many-attempts (77): ");
    device.uploads("/activate", "twin-request", 200, LICENSE);
    device.types_in("wrong-code-10", 409, "wrong-code (75): ");
    device.types_in("twin-code", 200, RECEIPT);
}

#[test]
fn a_server_in_python_recovers_the_license_that_a_device_was_granted_last() {
    if skipped(&["python3"]) {
        return;
    }
    let vendor = Vendor::new();
    let key = Vendor::say(&vendor.folder, &["sell", "vendor", "Jane Doe", "1"]);
    let other_key = Vendor::say(&vendor.folder, &["sell", "vendor", "Jane Doe", "2"]);
    let Some(device) = OddDevice::new(&vendor, &key, &other_key) else { return };
    let license_of = |answer: &str| {
        let license = answer.lines().find_map(|line| line.strip_prefix("License: "));
        license.unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    // When a seat was granted is known to the second.
    let later = || thread::sleep(Duration::from_millis(1100));
    device.uploads("/activate", "other-license-0", 200, LICENSE);
    later();
    let license = license_of(&device.uploads("/activate", "request", 200, LICENSE));
    // It takes its only seat once more.
    assert_eq!(license_of(&device.uploads("/activate", "recovery", 200, LICENSE)), license);
    later();
    device.uploads("/activate", "other-license-1", 200, LICENSE);
    assert_eq!(license_of(&device.uploads("/activate", "recovery", 200, LICENSE)), license, "an echo");
    device.uploads("/activate", "request", 409, "given-up");
}

/// The seat is free, and what says so follows.
#[test]
fn a_server_in_python_frees_seats_while_its_certificate_has_ended() {
    if skipped(&["python3"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("editor");
    editor_in_c(&program);
    let host = Host { line: vec![program.into()] };
    let vendor = Vendor::new();
    let key = Vendor::say(&vendor.folder, &["sell", "vendor", "Jane Doe", "3"]);
    let computers = [(); 4].map(|()| vendor.computer(&host));
    let [by_proof, by_code, along, fourth] = &computers;
    for computer in &computers {
        computer.run(DONE, &["request", &key, "request.txt"]);
    }
    for computer in &computers[..3] {
        assert_eq!(vendor.upload("/activate", computer, "request.txt", "license.txt"), 200);
        computer.run(DONE, &["install", "license.txt"]);
    }
    let answer = |computer: &Computer<'_>, name| fs::read_to_string(computer.path(name)).unwrap();
    vendor.end_certificate();

    by_proof.run(DONE, &["deactivate-offline", "proof.txt"]);
    for _ in 0..2 {
        assert_eq!(vendor.upload("/redeem", by_proof, "proof.txt", "receipt.txt"), 202);
        assert!(!answer(by_proof, "receipt.txt").contains(RECEIPT));
    }
    let code = by_code.run(DONE, &["deactivate-offline", "proof.txt"]).says("code: ").to_owned();
    assert_eq!(vendor.type_in(&code).0, 202);
    // A request is neither granted nor refused, and the seat that came along with it is free.
    along.run(DONE, &["deactivate-offline", "proof.txt"]);
    along.run(DONE, &["request", &key, "request.txt"]);
    for computer in [along, fourth] {
        assert_eq!(vendor.upload("/activate", computer, "request.txt", "license.txt"), 503);
        assert!(answer(computer, "license.txt").starts_with("certificate-expired (108): "));
    }
    assert_ne!(by_proof.run(DONE, &["codes"]).stdout, "", "it keeps its proof");

    // The server uses a new certificate from the next request on. The three seats are free, and the receipts are there.
    Vendor::say(&vendor.folder, &["certify", "vendor"]);
    assert_eq!(vendor.upload("/redeem", by_proof, "proof.txt", "receipt.txt"), 200);
    assert!(by_proof.run(DONE, &["receipt", "receipt.txt"]).says("seat ").ends_with("is returned"));
    let (status, receipt) = vendor.type_in(&code);
    assert!(status == 200 && receipt.contains(RECEIPT), "{receipt}");
    assert_eq!(vendor.upload("/activate", along, "request.txt", "license.txt"), 200);
    along.run(DONE, &["install", "license.txt"]);
    assert_eq!(along.run(DONE, &["codes"]).stdout, "");
    for computer in [by_proof, fourth] {
        computer.run(DONE, &["request", &key, "request.txt"]);
        assert_eq!(vendor.upload("/activate", computer, "request.txt", "license.txt"), 200);
    }
}

/// What one stranger tries, right or wrong, is counted for that stranger, and each kind of act apart.
#[test]
fn a_server_in_python_limits_each_peer_and_not_the_desk() {
    if skipped(&["python3"]) {
        return;
    }
    let vendor = Vendor::new();
    let key = Vendor::say(&vendor.folder, &["sell", "vendor", "Jane Doe", "2"]);
    let unknown = "258SA-MQTGP-6G00J-JB8CE-0VW5P";
    let Some(device) = OddDevice::new(&vendor, &key, unknown) else { return };
    device.uploads("/activate", "twin-request", 200, LICENSE);
    let (stranger, other) = (vendor.new_customer(), vendor.new_customer());
    let activate = |peer: &str, name: &str| {
        vendor.send_from(peer, "/activate", "application/octet-stream", device.file(name).as_bytes())
    };
    for number in 0..20 {
        let name = format!("other-license-{}", number % 2);
        let (status, answer) = activate(&stranger, &name);
        assert!(status == 409 && answer.starts_with("unknown-license (70): "), "{answer}");
    }
    assert_eq!(activate(&stranger, "other-license-0").0, 429);
    assert_eq!(activate(&stranger, "request").0, 200, "no wrong key keeps anybody from the right one");
    assert_eq!(activate(&other, "request").0, 200);
    // Codes are another kind of act. The right one is no news, and counts all the same.
    let code = device.file("twin-code");
    for _ in 0..10 {
        assert_eq!(vendor.type_in_from(&stranger, &code).0, 200);
    }
    let (status, answer) = vendor.type_in_from(&stranger, &code);
    assert!(status == 429 && answer.starts_with("too many attempts"), "{answer}");
    assert_eq!(vendor.type_in_from(&other, &code).0, 200);
    for _ in 0..11 {
        assert!(Vendor::say(&vendor.folder, &["redeem", "vendor", code.trim()]).starts_with(RECEIPT));
    }
}

#[test]
fn a_server_in_python_bounds_what_strangers_may_do() {
    if skipped(&["python3"]) {
        return;
    }
    let mut tests = Command::new("python3");
    tests.args(["-B", "-Werror"]).arg(self::folder("tests/hosts/test_strangers.py"));
    let output = tests.env("NODELOCK_LIBRARY", library()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
