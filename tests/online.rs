//! The online calls against the reference authority: the real server in a process of its own, over real sockets.

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nodelock::{
    Answer, Cancel, Client, Error, ErrorKind, HttpOptions, HttpTransport, Outcome, Post, Reason, Roots,
    Store, Transport, Verdict,
    code::{DeactivationCode, LicenseKey, ReleaseSecret},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const PRODUCT: &str = "Example";

/// The URL of a PostgreSQL server, without a database, to run all of this on instead of SQLite.
const POSTGRES: &str = "NODELOCK_ONLINE_POSTGRES";

fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let program = profile.join("examples").join(format!("authority{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "{} is missing: run `cargo build --example authority` first",
        program.display()
    );
    program
}

/// An authority in a temporary folder, and its server.
struct Authority {
    folder: TempDir,
    root: String,
    address: SocketAddr,
    server: Mutex<Child>,
}

impl Authority {
    fn new() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("authority");
        if let Ok(server) = std::env::var(POSTGRES) {
            let create = format!("CREATE DATABASE \"{}\"", database(&directory));
            let psql = Command::new("psql").arg(format!("{server}/postgres")).args(["-qc", &create]).status();
            assert!(psql.unwrap().success());
        }
        let made = command(&directory, &["init", "--product", PRODUCT, "--json"]).output().unwrap();
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        let root = made["root"].as_str().unwrap().to_owned();
        let (server, address) = serve(&directory, "127.0.0.1:0");
        Arc::new(Self { folder, root, address, server: Mutex::new(server) })
    }

    fn directory(&self) -> PathBuf {
        self.folder.path().join("authority")
    }

    /// What a vendor does beside the server, in a process of its own.
    fn vendor(&self, arguments: &[&str]) -> Value {
        let output = command(&self.directory(), arguments).arg("--json").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn sell(&self, seats: &str, more: &[&str]) -> String {
        let new = [&["license", "new", "--licensee", "Jane Doe", "--seats", seats], more].concat();
        self.vendor(&new)["key"].as_str().unwrap().to_owned()
    }

    fn seats(&self) -> Vec<Value> {
        self.vendor(&["list"])["seats"].as_array().unwrap().clone()
    }

    /// The handles of the seats that are taken.
    fn taken(&self) -> Vec<String> {
        let taken = |seat: &Value| matches!(seat["state"].as_str(), Some("active" | "held"));
        let handle = |seat: &Value| seat["handle"].as_str().unwrap().to_owned();
        self.seats().iter().filter(|seat| taken(seat)).map(handle).collect()
    }

    fn actions(&self) -> Vec<(String, String)> {
        let audit = self.vendor(&["audit"]);
        let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
        let lines = audit["audit"].as_array().unwrap();
        lines.iter().map(|line| (text(line, "actor"), text(line, "action"))).collect()
    }

    /// Ends the server with no chance to tidy up.
    fn kill(&self) {
        let mut server = self.server.lock().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    fn restart(&self) {
        let (server, address) = serve(&self.directory(), &self.address.to_string());
        assert_eq!(address, self.address);
        *self.server.lock().unwrap() = server;
    }

    fn device(&self, name: &str) -> Client {
        self.device_over(name, http())
    }

    fn device_over(&self, name: &str, transport: impl Transport + 'static) -> Client {
        Client::builder(PRODUCT, Roots::new([self.root.parse().unwrap()]))
            .store(Store::in_directory(self.folder.path().join(name), None))
            .authority(format!("http://{}/", self.address), transport)
            .patience(Duration::from_secs(10), 1)
            .build()
            .unwrap()
    }

    fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask("POST", path, "application/json", body.to_string().as_bytes())
    }

    /// HTTP by hand, to say what no client would.
    fn ask(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: authority\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // A server that has seen enough does not read on; that is its right.
        let _ = stream.write_all(body);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        let reply = String::from_utf8(reply).unwrap();
        let (head, body) =
            reply.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{method} {path}: {reply:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_lowercase(), body: body.to_owned() }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let mut server = self.server.lock().unwrap();
        let _ = server.kill();
        let _ = server.wait();
    }
}

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The code of a refusal, which must be in form.
    fn problem(&self) -> (u16, String) {
        assert!(self.head.contains("content-type: application/problem+json"), "{} {}", self.head, self.body);
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert!(problem["title"].is_string());
        let kind = problem["type"].as_str().unwrap();
        (self.status, kind.rsplit(':').next().unwrap().to_owned())
    }
}

fn command(directory: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).arg("--dir").arg(directory).stdin(Stdio::null());
    if let Ok(server) = std::env::var(POSTGRES) {
        command.arg("--db").arg(format!("{server}/{}", database(directory)));
    }
    command
}

/// The name of an authority's database on a PostgreSQL server.
fn database(directory: &std::path::Path) -> String {
    let folder = directory.parent().unwrap().file_name().unwrap().to_str().unwrap();
    folder.trim_start_matches('.').to_owned()
}

/// Starts a server, and returns once it says where it listens. What it logs is beside its database.
fn serve(directory: &std::path::Path, listen: &str) -> (Child, SocketAddr) {
    let log = fs::OpenOptions::new().create(true).append(true).open(directory.join("log")).unwrap();
    let mut serve = command(directory, &["serve", "--listen", listen]);
    let mut child = serve.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().parse().unwrap_or_else(|e| panic!("{e}: {line:?}"));
    (child, address)
}

fn http() -> HttpTransport {
    HttpOptions::default().no_proxy().build().unwrap()
}

/// Calls something before each request, and keeps every body that was sent.
struct Watched {
    inner: HttpTransport,
    before: Box<dyn Fn(&str) + Send + Sync>,
    sent: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Watched {
    fn new(before: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { inner: http(), before: Box::new(before), sent: Arc::default() }
    }
}

impl Transport for Watched {
    fn post(&self, post: &Post<'_>) -> nodelock::Result<Answer> {
        let path = post.url.splitn(4, '/').nth(3).unwrap();
        (self.before)(path);
        let body = serde_json::from_slice(post.body).unwrap();
        self.sent.lock().unwrap().push((format!("/{path}"), body));
        self.inner.post(post)
    }
}

fn is_active(client: &Client) -> bool {
    *client.check().unwrap().verdict() == Verdict::Active
}

fn kind(result: nodelock::Result<impl Sized>) -> ErrorKind {
    match result {
        Ok(_) => panic!("it went well"),
        Err(error) => error.kind(),
    }
}

#[test]
fn a_seat_goes_round_online() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let (first, second) = (authority.device("first"), authority.device("second"));

    assert!(first.activate(&key).unwrap().is_usable());
    assert_eq!(kind(second.activate(&key)), ErrorKind::NoFreeSeat);
    assert!(second.pending().unwrap().is_none(), "a refused request is taken back");

    let issued = first.check().unwrap().license().unwrap().clone();
    let renewed = first.check_in().unwrap().license().unwrap().clone();
    assert_eq!((issued.revision + 1, issued.handle), (renewed.revision, renewed.handle));
    assert_ne!(issued.sync_token, renewed.sync_token);

    assert_eq!(first.deactivate(Reason::Moved).unwrap().outcome, Outcome::Returned);
    assert!(first.outstanding().unwrap().is_empty());
    assert!(second.activate(&key).unwrap().is_usable());
    assert_eq!(kind(first.check_in()), ErrorKind::NotActive);
    second.deactivate(Reason::Retired).unwrap();
    assert!(first.activate(&key).unwrap().is_usable());
    assert_eq!(authority.taken().len(), 1);

    let actions = authority.actions();
    for action in ["granted", "checked-in", "returned", "cancelled"] {
        assert!(actions.contains(&("http:127.0.0.1".into(), action.into())), "{action}: {actions:?}");
    }
}

#[test]
fn a_wrong_license_key_leaves_nothing_behind() {
    let authority = Authority::new();
    let device = authority.device("device");
    let nobodys = LicenseKey::from_random([5; 12]).to_string();
    assert_eq!(kind(device.activate(&nobodys)), ErrorKind::UnknownLicense);
    assert!(device.pending().unwrap().is_none());
    let key = authority.sell("1", &[]);
    assert!(device.activate(&key).unwrap().is_usable());
    assert!(device.outstanding().unwrap().is_empty(), "what was cancelled is acknowledged along the way");
    let log = fs::read_to_string(authority.directory().join("log")).unwrap();
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    for secret in [&nobodys, &key, &key.replace('-', "")] {
        assert!(!log.contains(secret.as_str()));
    }
}

#[test]
fn a_server_that_dies_leaves_the_license_or_the_proof() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let device = authority.device("device");
    device.activate(&key).unwrap();

    // Before anything is said: the license stays.
    authority.kill();
    let error = device.deactivate(Reason::Moved).unwrap_err();
    assert!(error.deactivation().is_none());
    assert_eq!(error.error().kind(), ErrorKind::Unreachable);
    assert!(is_active(&device));
    assert_eq!(kind(device.check_in()), ErrorKind::Unreachable);
    assert!(is_active(&device));
    authority.restart();
    drop(device);

    // Between the question and the proof: the proof stays.
    let victim = authority.clone();
    let killing = Watched::new(move |path| {
        if path == "v1/deactivations" {
            victim.kill();
        }
    });
    let device = authority.device_over("device", killing);
    let error = device.deactivate(Reason::Moved).unwrap_err();
    let code = error.deactivation().unwrap().code().to_string();
    assert_eq!(device.outstanding().unwrap()[0].code().to_string(), code);
    assert!(!device.check().unwrap().is_usable());
    assert_eq!(authority.taken().len(), 1);
    authority.restart();
    drop(device);

    let device = authority.device("device");
    assert_eq!(device.online().hand_in().unwrap()[0].outcome, Outcome::Returned);
    assert!(device.outstanding().unwrap().is_empty());
    assert!(authority.taken().is_empty());
}

#[test]
fn a_code_is_redeemed_with_its_typing_errors_and_limited_by_peer() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let device = authority.device("device");
    device.activate(&key).unwrap();
    let given_up = device.deactivate_offline(Reason::Moved).unwrap();
    let code = given_up.code().to_string();
    let mut typed = code.to_lowercase().into_bytes();
    typed[3] = if typed[3] == b'x' { b'y' } else { b'x' };
    let typed = json!({ "phone_code": String::from_utf8(typed).unwrap(), "unknown": [1] });
    let freed = authority.post("/v1/deactivations", &typed);
    assert_eq!((freed.status, &freed.json()["outcome"]), (200, &"freed".into()), "{}", freed.body);
    assert_eq!(freed.json()["mended"].as_array().unwrap().len(), 1);
    device.accept_receipt(freed.json()["receipt"].as_str().unwrap().as_bytes()).unwrap();
    let again = authority.post("/v1/deactivations", &json!({ "phone_code": code }));
    assert_eq!(
        (&again.json()["outcome"], &again.json()["receipt"]),
        (&"already-freed".into(), &freed.json()["receipt"])
    );

    let wrong = DeactivationCode::new(given_up.handle(), ReleaseSecret::from_random([1; 8])).to_string();
    let wrong = json!({ "phone_code": wrong });
    for _ in 0..10 {
        assert_eq!(authority.post("/v1/deactivations", &wrong).problem(), (403, "wrong-code".into()));
    }
    let limited = authority.post("/v1/deactivations", &json!({ "phone_code": code }));
    assert_eq!(limited.problem(), (429, "too-many-attempts".into()));
    assert!(limited.head.contains("retry-after: "), "{}", limited.head);
    // A proof is signed: there is nothing to guess.
    let proof = authority.post("/v1/deactivations", &json!({ "proof": given_up.to_base64url() }));
    assert_eq!(proof.status, 200);
}

#[test]
fn unknown_license_keys_are_limited_by_peer() {
    let authority = Authority::new();
    let key = LicenseKey::from_random([6; 12]).to_string();
    let request = authority.device("device").begin(&key, &[]).unwrap().to_base64url();
    let request = json!({ "request": request });
    for _ in 0..20 {
        assert_eq!(authority.post("/v1/activations", &request).problem(), (404, "unknown-license".into()));
    }
    let limited = authority.post("/v1/activations", &request);
    assert_eq!(limited.problem(), (429, "too-many-attempts".into()));
    assert!(limited.head.contains("retry-after: "), "{}", limited.head);
    let device = authority.device("other");
    assert_eq!(kind(device.activate(&key)), ErrorKind::TooManyAttempts);
    assert!(device.pending().unwrap().is_some(), "that is no answer: the request waits");
}

#[test]
fn evidence_for_a_seat_to_come_is_kept_and_is_no_success() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    for by_code in [false, true] {
        let device = authority.device(if by_code { "by code" } else { "by proof" });
        let request = device.begin(&key, &[]).unwrap().to_base64url();
        let cancelled = device.cancel().unwrap();
        let evidence = match by_code {
            true => json!({ "phone_code": cancelled.code().to_string() }),
            // Without the request, which would settle it at once.
            false => json!({ "proof": base64url(cancelled.proof()) }),
        };
        let kept = authority.post("/v1/deactivations", &evidence);
        assert_eq!(kept.problem(), (404, "unknown-seat".into()));
        assert_eq!(kept.json()["kept"], true);
        let late = authority.post("/v1/activations", &json!({ "request": request }));
        assert_eq!(late.problem(), (410, "cancelled".into()));
        assert_eq!(late.json()["receipts"].as_array().unwrap().len(), 1);
        assert_eq!(device.online().hand_in().unwrap().len(), 1);
        assert!(device.outstanding().unwrap().is_empty());
    }
    assert!(authority.taken().is_empty());
}

#[test]
fn a_released_machine_hears_of_it_at_its_next_check_in() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let device = authority.device("device");
    device.activate(&key).unwrap();
    let handle = authority.taken()[0].clone();
    authority.vendor(&["release", &handle, "--reason", "the computer was lost"]);
    assert!(authority.taken().is_empty());
    match device.check_in().unwrap().verdict() {
        Verdict::Revoked { reason } => assert_eq!(reason, "the computer was lost"),
        verdict => panic!("{verdict:?}"),
    }
    assert!(device.activate(&key).unwrap().is_usable(), "a new activation is another matter");
}

/// A copy from before the deactivation, with no tombstone to stop it, ends when it speaks up: by a signed word, not by a refusal.
#[test]
fn a_copy_of_a_store_whose_seat_was_given_up_ends_at_its_check_in() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let folder = authority.folder.path().join("machine");
    let device = authority.device("machine");
    device.activate(&key).unwrap();
    let copies = ["state", "device.key"].map(|file| (file, fs::read(folder.join(file)).unwrap()));
    device.deactivate(Reason::Moved).unwrap();
    for (file, bytes) in copies {
        fs::write(folder.join(file), bytes).unwrap();
    }
    let copy = authority.device("machine");
    assert!(is_active(&copy), "nothing on the machine can tell");
    assert!(matches!(copy.check_in().unwrap().verdict(), Verdict::Revoked { .. }));
    assert!(authority.taken().is_empty());
}

#[test]
fn an_exhausted_allowance_is_reported_while_the_license_is_active() {
    let authority = Authority::new();
    let key = authority.sell("2", &["--deactivations", "1"]);
    let (one, two) = (authority.device("one"), authority.device("two"));
    one.activate(&key).unwrap();
    two.activate(&key).unwrap();
    one.deactivate(Reason::Moved).unwrap();
    let error = two.deactivate(Reason::Moved).unwrap_err();
    assert_eq!(error.error().kind(), ErrorKind::DeactivationNotAllowed);
    assert!(error.deactivation().is_none() && is_active(&two));
}

#[test]
fn a_damaged_store_is_recovered_and_an_echo_of_that_takes_nothing() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let watched = Watched::new(|_| {});
    let sent = watched.sent.clone();
    let device = authority.device_over("device", watched);
    device.activate(&key).unwrap();
    let state = authority.folder.path().join("device/state");
    let mut bytes = fs::read(&state).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&state, bytes).unwrap();
    assert!(matches!(device.check().unwrap().verdict(), Verdict::Damaged { .. }));
    assert!(device.recover().unwrap().is_usable());
    assert_eq!(authority.taken(), [device.check().unwrap().license().unwrap().handle.to_string()]);

    let (path, recovery) = sent.lock().unwrap().last().unwrap().clone();
    assert_eq!(authority.post(&path, &recovery).status, 200, "the same again has the same answer");
    device.deactivate(Reason::Moved).unwrap();
    device.activate(&key).unwrap();
    // The network delivers the old message once more: it must not free the seat that the device has now.
    assert_eq!(authority.post(&path, &recovery).problem(), (410, "given-up".into()));
    assert_eq!(authority.taken(), [device.check().unwrap().license().unwrap().handle.to_string()]);

    // A device without any seat has nothing to recover.
    let other = authority.device("other");
    let other_key = authority.sell("1", &[]);
    other.activate(&other_key).unwrap();
    other.deactivate(Reason::Moved).unwrap();
    fs::write(authority.folder.path().join("other/state"), b"").unwrap();
    assert_eq!(kind(other.recover()), ErrorKind::UnknownSeat);
    assert!(other.activate(&key).is_err());
    assert!(other.activate(&other_key).unwrap().is_usable());
}

#[test]
fn copies_of_a_store_are_found_and_echoes_are_not_taken_for_them() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let watched = Watched::new(|_| {});
    let sent = watched.sent.clone();
    let device = authority.device_over("device", watched);
    device.activate(&key).unwrap();
    let copies = || authority.seats()[0]["copies"].as_u64().unwrap();
    let copy = || {
        let to = authority.folder.path().join("copy");
        let _ = fs::remove_dir_all(&to);
        fs::create_dir(&to).unwrap();
        for file in fs::read_dir(authority.folder.path().join("device")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
        authority.device("copy")
    };
    let mut first = Vec::new();
    for _ in 0..4 {
        let license = device.check_in().unwrap().license().unwrap().as_bytes().to_vec();
        let (path, request) = sent.lock().unwrap().last().unwrap().clone();
        for _ in 0..2 {
            let echo = authority.post(&path, &request).json();
            assert_eq!(echo, json!({ "license": base64url(&license) }));
        }
        first.push(request);
        authority.post(&path, &first[0]);
    }
    assert_eq!(copies(), 0);
    let copied = copy();
    for _ in 0..2 {
        copied.check_in().unwrap();
        device.check_in().unwrap();
    }
    assert!(copies() > 0);
    assert!(authority.actions().iter().any(|(_, action)| action == "copy-suspected"));
}

#[test]
fn a_call_ends_when_it_is_cancelled_from_another_thread() {
    // Takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = Authority::new().root.clone();
    let device = Client::builder(PRODUCT, Roots::new([root.parse().unwrap()]))
        .store(Store::in_directory(folder.path(), None))
        .authority(format!("http://{}", silent.local_addr().unwrap()), http())
        .build()
        .unwrap();
    let cancel = Cancel::new();
    let other = cancel.clone();
    let start = Instant::now();
    let cancelling = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        other.cancel();
    });
    let key = LicenseKey::from_random([2; 12]).to_string();
    assert_eq!(kind(device.online().cancel_with(&cancel).activate(&key, &[])), ErrorKind::Interrupted);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(device.pending().unwrap().is_some());
    cancelling.join().unwrap();
}

#[test]
fn bad_input_is_a_problem_with_its_code_and_changes_nothing() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let (device, other) = (authority.device("device"), authority.device("other"));
    let watched = Watched::new(|_| {});
    let sent = watched.sent.clone();
    let device_watched = authority.device_over("device", watched);
    device.activate(&key).unwrap();
    device_watched.check_in().unwrap();
    let check_in = sent.lock().unwrap().last().unwrap().1["request"].as_str().unwrap().to_owned();
    let request = other.begin(&key, &[]).unwrap().to_base64url();
    let proof = base64url(other.cancel().unwrap().proof());
    let license = base64url(device.check().unwrap().license().unwrap().as_bytes());
    let before = (authority.seats(), authority.actions().len());

    let endpoints = [
        ("/v1/activations", "request"),
        ("/v1/deactivations/preflight", "request"),
        ("/v1/deactivations", "proof"),
        ("/v1/checkins", "request"),
    ];
    let malformed = (400, "malformed".to_owned());
    for (path, member) in endpoints {
        for body in ["", "{", "[]", "null", "\"text\"", "\u{1}", "{}", "{\"other\": \"x\"}"] {
            let reply = authority.ask("POST", path, "application/json; charset=utf-8", body.as_bytes());
            assert_eq!(reply.problem(), malformed, "{path} {body:?}");
        }
        assert_eq!(authority.ask("POST", path, "application/json", b"\xff\xfe").problem(), malformed);
        for value in [json!(7), json!(null), json!(["x"]), json!(""), json!("!!!"), json!("TkwB")] {
            assert_eq!(
                authority.post(path, &json!({ member: value })).problem(),
                malformed,
                "{path} {value}"
            );
        }
        let wrong = authority.post(path, &json!({ member: license.clone() }));
        assert_eq!(wrong.problem(), (400, "wrong-type".into()), "{path}");
        let long = authority.post(path, &json!({ member: "A".repeat(900 * 1024) }));
        assert_eq!(long.problem(), (413, "too-large".into()), "{path}");
        let too_long = authority.ask("POST", path, "application/json", &vec![b' '; 1024 * 1024 + 1]);
        assert_eq!(too_long.problem(), (413, "too-large".into()), "{path}");
        for content_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
            assert_eq!(authority.ask("POST", path, content_type, b"{}").problem().0, 415);
        }
        assert_eq!(authority.ask("GET", path, "application/json", b"").problem().0, 405);
        assert_eq!(authority.ask("POST", &format!("{path}/x"), "application/json", b"{}").problem().0, 404);
    }
    let activate = |text: &str| authority.post("/v1/activations", &json!({ "request": text })).problem();
    assert_eq!(activate(&flipped(&request)), (403, "bad-signature".into()));
    assert_eq!(activate(&proof), (400, "wrong-type".into()));
    let check = |text: &str| authority.post("/v1/checkins", &json!({ "request": text })).problem();
    assert_eq!(check(&flipped(&check_in)), (403, "bad-signature".into()));
    assert_eq!(check(&request), (400, "wrong-type".into()));
    let both = json!({ "proof": proof, "phone_code": "x" });
    assert_eq!(authority.post("/v1/deactivations", &both).problem(), malformed);
    let code = |text: &str| authority.post("/v1/deactivations", &json!({ "phone_code": text })).problem();
    assert_eq!(code("not a code"), (422, "unreadable-code".into()));
    assert_eq!(code(&key), (400, "wrong-type".into()));
    assert_eq!((authority.seats(), authority.actions().len()), before);
}

#[test]
fn an_operator_sees_health_metrics_and_the_description() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    authority.device("device").activate(&key).unwrap();
    let health = authority.ask("GET", "/healthz", "", b"");
    assert_eq!((health.status, health.json()), (200, json!({ "status": "ok" })));
    let metrics = authority.ask("GET", "/metrics", "", b"").body;
    for line in [
        "nodelock_http_requests_total{endpoint=\"/v1/activations\",status=\"200\"} 1",
        "nodelock_http_request_duration_seconds_count{endpoint=\"/v1/activations\"} 1",
        "nodelock_seats{state=\"active\"} 1",
    ] {
        assert!(metrics.lines().any(|is| is == line), "{line}\n{metrics}");
    }
    let description = authority.ask("GET", "/openapi.json", "", b"").json();
    assert_eq!(description["openapi"], "3.1.0");
    assert!(description["paths"]["/v1/deactivations/preflight"]["post"].is_object());
    let unwanted = authority.ask("GET", "/healthz?secret=123", "", b"");
    assert_eq!(unwanted.status, 200);
    let log = fs::read_to_string(authority.directory().join("log")).unwrap();
    assert!(log.contains("\"route\":\"/healthz\"") && !log.contains("secret"));
}

#[cfg(unix)]
#[test]
fn a_server_stops_in_good_order() {
    let authority = Authority::new();
    let mut server = authority.server.lock().unwrap();
    let start = Instant::now();
    let killed = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(server.wait().unwrap().success());
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// Numbers that are the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }
}

/// A network that loses, doubles, delays and reorders.
struct Network {
    dice: Dice,
    /// Whether it does its worst, or behaves.
    bad: bool,
    late: VecDeque<(String, Vec<u8>)>,
    seen: Vec<(String, Vec<u8>)>,
}

#[derive(Clone)]
struct Lossy {
    inner: HttpTransport,
    network: Arc<Mutex<Network>>,
}

impl Lossy {
    fn new(seed: u64) -> Self {
        let network = Network { dice: Dice(seed), bad: true, late: VecDeque::new(), seen: Vec::new() };
        Self { inner: http(), network: Arc::new(Mutex::new(network)) }
    }

    fn deliver(&self, (url, body): &(String, Vec<u8>)) {
        let post = Post {
            url,
            body,
            user_agent: "network",
            limit: 1 << 20,
            timeout: Duration::from_secs(10),
            cancel: &Cancel::new(),
        };
        let answer = self.inner.post(&post).unwrap();
        assert!(answer.status < 500, "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
    }

    /// Delivers whatever is still under way, and every message there ever was once more.
    fn flush(&self) {
        let mut network = self.network.lock().unwrap();
        while !network.late.is_empty() {
            let length = network.late.len();
            let at = network.dice.below(length);
            let message = network.late.remove(at).unwrap();
            self.deliver(&message);
        }
    }

    fn replay(&self) {
        let seen = self.network.lock().unwrap().seen.clone();
        for message in &seen {
            self.deliver(message);
        }
    }

    fn behave(&self) {
        self.network.lock().unwrap().bad = false;
    }
}

impl Transport for Lossy {
    fn post(&self, post: &Post<'_>) -> nodelock::Result<Answer> {
        let lost = || Err(Error::new(ErrorKind::TimedOut, "network"));
        let mut network = self.network.lock().unwrap();
        let message = (post.url.to_owned(), post.body.to_vec());
        network.seen.push(message.clone());
        if !network.bad {
            return self.inner.post(post);
        }
        // Something older overtakes.
        if network.dice.below(3) == 0
            && let Some(old) = network.late.pop_front()
        {
            self.deliver(&old);
        }
        match network.dice.below(10) {
            0 => lost(),
            1 => {
                network.late.push_back(message);
                lost()
            }
            2 => {
                self.deliver(&message);
                lost()
            }
            3 => {
                self.deliver(&message);
                self.inner.post(post)
            }
            4 => {
                let answer = self.inner.post(post);
                network.late.push_back(message);
                answer
            }
            5 => {
                let mut answer = self.inner.post(post)?;
                answer.body.truncate(answer.body.len() / 2);
                Ok(answer)
            }
            _ => self.inner.post(post),
        }
    }
}

/// I1: every usable store has its seat. Returns how many stores are usable.
fn check_no_seat_twice(authority: &Authority, clients: &[Client], run: u64) -> usize {
    let taken = authority.taken();
    let mut usable = 0;
    for client in clients {
        let status = client.check().unwrap();
        if status.is_usable() {
            usable += 1;
            let handle = status.license().unwrap().handle.to_string();
            assert!(taken.contains(&handle), "run {run}: a usable license for a seat that is free");
        }
    }
    usable
}

#[test]
fn whatever_the_network_does_no_seat_is_lost_and_none_is_taken_twice() {
    /// An authority limits what it takes in for seats that it never saw, and this makes a lot of that.
    const RUNS_OF_AN_AUTHORITY: u64 = 40;
    const SEATS: usize = 2;
    let runs: u64 = std::env::var("NODELOCK_ONLINE_RUNS").map_or(40, |runs| runs.parse().unwrap());
    let first: u64 = std::env::var("NODELOCK_ONLINE_SEED").map_or(0, |seed| seed.parse().unwrap());
    let mut authority = Authority::new();
    for run in first..first + runs {
        if run % RUNS_OF_AN_AUTHORITY == 0 {
            authority = Authority::new();
        }
        let key = authority.sell(&SEATS.to_string(), &[]);
        let network = Lossy::new(run);
        let clients: Vec<Client> =
            (0..3).map(|n| authority.device_over(&format!("{run} {n}"), network.clone())).collect();
        let mut dice = Dice(!run);
        for step in 0..10 {
            let client = &clients[dice.below(clients.len())];
            // Whether it went well is nothing to rely on; what it left behind is.
            let _ = match dice.below(8) {
                0..=3 => client.activate(&key).map(drop),
                4 => client.check_in().map(drop),
                5 | 6 => client.deactivate(Reason::Moved).map(drop).map_err(|_| ErrorKind::Io).or(Ok(())),
                _ => client.cancel().map(drop),
            };
            if step % 5 == 4 {
                assert!(check_no_seat_twice(&authority, &clients, run) <= SEATS, "run {run}");
            }
        }
        network.behave();
        network.flush();
        for client in &clients {
            if client.pending().unwrap().is_some() {
                let _ = client.activate(&key);
            }
            client.online().hand_in().unwrap();
            assert!(client.pending().unwrap().is_none(), "run {run}");
        }
        let usable = check_no_seat_twice(&authority, &clients, run);
        assert_eq!(authority.taken().len(), usable, "run {run}: a seat was lost");
        network.replay();
        assert_eq!(check_no_seat_twice(&authority, &clients, run), usable, "run {run}");
        for client in &clients {
            if client.check().unwrap().is_usable() {
                client.deactivate(Reason::Moved).unwrap();
            }
        }
        network.replay();
        assert_eq!(authority.taken(), [""; 0], "run {run}: an old message took a seat");
    }
}

#[test]
fn a_server_killed_under_its_clients_loses_no_seat() {
    const CLIENTS: usize = 8;
    const SEATS: usize = 5;
    const KILLS: u64 = 8;
    let authority = Authority::new();
    let key = authority.sell(&SEATS.to_string(), &[]);
    let clients: Vec<Client> =
        (0..CLIENTS).map(|n| authority.device_over(&format!("client {n}"), http())).collect();
    let over = AtomicBool::new(false);
    let done = thread::scope(|scope| {
        let (over, key) = (&over, &key);
        let working: Vec<_> = clients
            .iter()
            .zip(0..)
            .map(|(client, seed)| {
                scope.spawn(move || {
                    let (mut dice, mut done) = (Dice(seed), 0);
                    while !over.load(Ordering::Relaxed) {
                        let went_well = match dice.below(4) {
                            0 | 1 => client.activate(key).is_ok(),
                            2 => client.check_in().is_ok(),
                            _ => client.deactivate(Reason::Moved).is_ok(),
                        };
                        done += usize::from(went_well);
                    }
                    done
                })
            })
            .collect();
        for kill in 0..KILLS {
            thread::sleep(Duration::from_millis(150 + kill * 37 % 100));
            authority.kill();
            authority.restart();
        }
        over.store(true, Ordering::Relaxed);
        working.into_iter().map(|client| client.join().unwrap()).sum::<usize>()
    });
    assert!(done >= CLIENTS, "only {done} calls went well");
    for client in &clients {
        if client.pending().unwrap().is_some() {
            let _ = client.activate(&key);
        }
        client.online().hand_in().unwrap();
        assert!(client.pending().unwrap().is_none());
    }
    let usable = check_no_seat_twice(&authority, &clients, 0);
    assert!(usable <= SEATS);
    assert_eq!(authority.taken().len(), usable);
}

fn base64url(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The same message with one bit of its signature changed.
fn flipped(text: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    base64url(&bytes)
}
