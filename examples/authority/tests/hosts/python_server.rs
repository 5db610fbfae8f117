//! A vendor's own server, the example in Python over the authority's section of the C interface, against real applications and
//! against devices that say what no client of the library would.
//!
//! Skipped loudly without python3, unless `NODELOCK_REQUIRE_HOSTS=1` is set.

#![cfg(unix)]

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::support::{
    hosts::{Computer, DONE, Host, PRODUCT, editor_in_c, folder, library, skipped},
    requests::request,
};
use tempfile::TempDir;

/// A vendor's server of its own, in Python.
struct Vendor {
    folder: TempDir,
    root: String,
    address: SocketAddr,
    process: Child,
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
        let mut serve = Self::command(&folder, &["serve", "vendor", "127.0.0.1:0"]);
        let mut process = serve.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { folder, root, address: line.trim().parse().unwrap(), process }
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

    fn send(&self, path: &str, body: &[u8]) -> (u16, String) {
        let reply =
            request(self.address, "POST", path, &[("Content-Type", "application/octet-stream")], body);
        (reply.status, reply.body)
    }

    /// What somebody at the telephone types into the form.
    fn type_in(&self, code: &str) -> (u16, String) {
        let form = "application/x-www-form-urlencoded";
        let body = format!("code={}", code.replace(' ', "+"));
        let reply = request(self.address, "POST", "/redeem", &[("Content-Type", form)], body.as_bytes());
        (reply.status, reply.body)
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
    assert!(fs::read_to_string(second.path("license.txt")).unwrap().starts_with("no-free-seat (71): "));

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

/// What a device says that no client of the library would say, or not in that order, made by `tests/hosts/odd_device.py`.
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
    let receipt = device.uploads("/activate", "early-request", 409, "cancelled (73): ");
    assert!(receipt.contains(RECEIPT), "{receipt}");
    device.uploads("/activate", "early-request", 409, "cancelled (73): ");
    device.uploads("/redeem", "early-proof", 200, RECEIPT);
    device.types_in("early-code", 200, RECEIPT);
    // The seat is known now, and these are not its proofs.
    device.uploads("/redeem", "other-proof-8", 409, "wrong-request (112): ");

    device.types_in("coded-code", 409, "unknown-seat (74): ");
    let receipt = device.uploads("/activate", "coded-request", 409, "cancelled (73): ");
    assert!(receipt.contains(RECEIPT), "{receipt}");
    device.uploads("/activate", "coded-request", 409, "cancelled (73): ");
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
