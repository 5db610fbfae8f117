//! The example programs in C and other languages keep their promises against the reference authority.
//!
//! Each is an application that knows the same commands, so each lives through the same story. A C compiler is taken for
//! granted. What else a language needs is skipped loudly where it is missing, unless `NODELOCK_REQUIRE_HOSTS=1` is set.

#![cfg(unix)]

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::support::{
    hosts::{
        Computer, DONE, FAILED, Host, NOWHERE, PRODUCT, Ran, UNUSABLE, USAGE, compile, editor_in_c, folder,
        skipped,
    },
    ledger::Ledger,
    server::Authority,
};

const RETURN_PAGE: &str = "https://example.com/return#";

/// No seat is free: the user is told of the seats, and has the one replaced that is not used any more.
fn replaces_a_seat(host: &Host) {
    let authority = Authority::of(PRODUCT, &[]);
    let key = authority.sell("2", &["--seat-list", "labels"]);
    let [dead, used, new] = [(); 3].map(|()| Computer::new(host, &authority));
    let seat = |computer: &Computer<'_>| {
        computer.run(DONE, &["activate", &key]).says("licensed to Jane Doe, seat ").to_owned()
    };
    let (of_dead, of_used) = (seat(&dead), seat(&used));
    let refused = new.run(FAILED, &["activate", &key]);
    refused.failed_with("no-free-seat (71)");
    for line in [format!("seat {of_dead}: last heard of on 20"), "the next seat is free on 20".to_owned()] {
        assert!(refused.stderr.contains(&line), "{line}: {}", refused.stderr);
    }
    assert!(!refused.stderr.contains("replace KEY"), "both are in use: {}", refused.stderr);
    new.run(FAILED, &["replace", &key, &of_used]).failed_with("no-free-seat (71)");
    new.run(FAILED, &["replace", &key, "nothing"]).failed_with("unreadable-code (3)");

    Ledger::open(&authority).silence(8);
    used.run(DONE, &["check-in"]);
    let refused = new.run(FAILED, &["activate", &key]).stderr;
    assert!(refused.contains(&format!("replace KEY {of_dead}\n")), "{refused}");
    assert!(refused.contains(" the one in the office\n"), "{refused}");
    let replaced = new.run(DONE, &["replace", &key, &of_dead]);
    let mut taken = authority.taken();
    taken.sort();
    let mut expected = [replaced.says("licensed to Jane Doe, seat "), &of_used];
    expected.sort_unstable();
    assert_eq!(taken, expected);
    let told = dead.run(UNUSABLE, &["check-in"]);
    assert!(
        told.says("license: ").ends_with("another computer of this license took this seat"),
        "{}",
        told.stdout
    );
}

/// Everything that one does with a license.
fn lives_through_it(host: &Host) {
    let authority = Authority::of(PRODUCT, &[]);
    let key = authority.sell("1", &["--feature", "export", "--feature", "projects=10"]);
    let first = Computer::new(host, &authority);
    let second = Computer::new(host, &authority);

    assert!(first.run(USAGE, &["fly"]).stderr.contains("usage:"));
    assert_eq!(first.run(UNUSABLE, &[]).says("license: "), "no license");
    let explained = first.run(DONE, &["explain"]);
    assert!(explained.says("cpu").ends_with("found"), "{}", explained.stdout);

    online(&authority, &key, &first, &second);
    let code = offline(&authority, &key, &first);

    // Somebody else's turn; and what the first computer said is of no use any more.
    second.run(DONE, &["activate", &key]);
    let taken = authority.taken();
    authority.vendor(&["redeem", &code]);
    authority.vendor(&["redeem", &first.path("proof.txt")]);
    assert_eq!(authority.taken(), taken);
    cut_off(&authority, &second);
}

fn online(authority: &Authority, key: &str, first: &Computer<'_>, second: &Computer<'_>) {
    first.run(FAILED, &["activate", "nonsense"]).failed_with("unreadable-code (3)");
    first.run(FAILED, &["activate", "2BNYW-D0EKF-C046S-YXTEG-MN5J7"]).failed_with("unknown-license (70)");
    first.run(FAILED, &["check-in"]).failed_with("not-active (6)");

    let activated = first.run(DONE, &["activate", key]);
    assert_eq!(activated.says("license: "), "active");
    assert_eq!(activated.says("export: "), "yes");
    assert_eq!(activated.says("projects: "), "up to 10");
    assert!(activated.stderr.contains("attempt 1"), "progress: {}", activated.stderr);
    assert_eq!(authority.taken(), [activated.says("licensed to Jane Doe, seat ")]);
    assert_eq!(first.run(DONE, &[]).says("license: "), "active");

    second.run(FAILED, &["activate", key]).failed_with("no-free-seat (71)");
    first.run(DONE, &["check-in"]);
    assert!(authority.actions().iter().any(|(_, action)| action == "checked-in"));

    // Without a network the license stays: the authority could not be asked.
    authority.kill();
    first.run(FAILED, &["deactivate"]).failed_with("unreachable (60)");
    first.run(DONE, &[]);
    authority.restart();
    let seat = authority.taken().remove(0);
    let deactivated = first.run(DONE, &["deactivate"]);
    assert_eq!(deactivated.says("seat "), format!("{seat} is returned"));
    assert!(authority.taken().is_empty());
    assert_eq!(first.run(UNUSABLE, &[]).says("license: "), "deactivated");
}

/// Somebody starts the application every other week for more than a year, now and then without a network, and does
/// nothing else about the license of 90 days.
fn keeps_its_license(host: &Host) {
    const DAY: u64 = 24 * 60 * 60;
    let begin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let Some(authority) = Authority::over_time_of(PRODUCT, begin) else { return };
    let key = authority.sell("1", &[]);
    let computer = Computer::new(host, &authority);
    let run = |url: &str, arguments: &[&str]| {
        let mut command = computer.command(url, arguments);
        authority.clock().given_to(&mut command);
        Ran::from(command.output().unwrap())
    };
    assert_eq!(run(&computer.url, &["activate", &key]).exit, DONE);
    let mut renewed = 0;
    for start in 1..=30 {
        authority.clock().set(begin + start * 14 * DAY);
        let ran = run(if start % 5 == 0 { NOWHERE } else { &computer.url }, &[]);
        assert_eq!((ran.exit, ran.says("license: ")), (DONE, "active"), "start {start}: {}", ran.stderr);
        renewed += usize::from(ran.stderr.contains("the authority answered"));
    }
    assert!((420 / 90..=420 / 45).contains(&renewed), "{renewed} renewals");
}

/// By files and by phone. Returns the code.
fn offline(authority: &Authority, key: &str, computer: &Computer<'_>) -> String {
    computer.run(DONE, &["request", key, "request.txt"]);
    computer.run(DONE, &["request", key, "again.txt"]);
    let request = fs::read(computer.path("request.txt")).unwrap();
    assert_eq!(fs::read(computer.path("again.txt")).unwrap(), request);
    computer.run(FAILED, &["install", "request.txt"]).failed_with("wrong-type (102)");
    // Another key is another request. The one before it is taken back.
    let other = authority.sell("1", &[]);
    for (key, file) in [(&*other, "other.txt"), (key, "request.txt")] {
        let before = fs::read(computer.path("request.txt")).unwrap();
        computer.run(DONE, &["request", key, file]);
        assert_ne!(fs::read(computer.path(file)).unwrap(), before);
    }
    authority.vendor(&["activate", &computer.path("request.txt"), "--out", &computer.path("license.txt")]);
    let seat = authority.taken().remove(0);
    let installed = computer.run(DONE, &["install", "license.txt"]);
    assert_eq!(installed.says("licensed to Jane Doe, seat "), seat);

    let given_up = computer.run(DONE, &["deactivate-offline", "proof.txt"]);
    let code = given_up.says("code: ").to_owned();
    assert_eq!(given_up.says("seat: "), seat);
    assert_eq!(authority.taken(), [seat.as_str()], "the authority has not heard of it");
    // A start would hand the proof in. Without a network it says so, and the code stays.
    let started = computer.run_against(NOWHERE, &[]);
    assert_eq!((started.exit, started.says("license: ")), (UNUSABLE, "deactivated"), "{}", started.stderr);
    assert!(started.stderr.contains("unreachable (60)"), "{}", started.stderr);
    computer.run(FAILED, &["install", "license.txt"]).failed_with("given-up (113)");
    let scanned = scan(&given_up.stdout);
    assert!(scanned.starts_with(RETURN_PAGE), "{scanned}");
    assert_eq!(computer.run(DONE, &["codes"]).stdout, given_up.stdout);

    authority.vendor(&["redeem", &code, "--out", &computer.path("receipt.txt")]);
    assert!(authority.taken().is_empty());
    let receipt = computer.run(DONE, &["receipt", "receipt.txt"]);
    assert_eq!(receipt.says("seat "), format!("{seat} is returned"));
    assert_eq!(computer.run(DONE, &["codes"]).stdout, "");
    // What the phone read is the proof as well.
    authority.vendor(&["redeem", scanned.strip_prefix(RETURN_PAGE).unwrap()]);
    code
}

/// What a script's wrapper has beside the rest: what the license says, a request that is taken back, a damaged store.
fn tells_and_recovers(host: &Host) {
    let authority = Authority::of(PRODUCT, &[]);
    let terms =
        ["--feature", "export", "--edition", "pro", "--metadata", "order=4711", "--expires", "2099-12-31"];
    let key = authority.sell("1", &terms);
    let computer = Computer::new(host, &authority);
    assert_eq!(computer.run(UNUSABLE, &["details"]).says("expires: "), "never");

    computer.run(DONE, &["request", &key, "request.txt"]);
    let pending = computer.run(UNUSABLE, &["details"]);
    let cancelled = computer.run(DONE, &["cancel"]);
    assert_eq!(cancelled.says("seat: "), pending.says("pending: "));
    let handed_in = computer.run(DONE, &["hand-in"]);
    assert_eq!(handed_in.says("seat "), format!("{} is returned", cancelled.says("seat: ")));
    assert_eq!(computer.run(DONE, &["hand-in"]).stdout, "", "nothing waits any more");
    computer.run(FAILED, &["cancel"]).failed_with("not-pending (5)");

    computer.run(DONE, &["activate", &key]);
    let details = computer.run(DONE, &["details"]);
    for (name, value) in
        [("edition: ", "pro"), ("expires: ", "2099-12-31"), ("features: ", "export"), ("order: ", "4711")]
    {
        assert_eq!(details.says(name), value);
    }
    assert!(details.says("lease until: ").starts_with("20"), "{}", details.stdout);
    assert!(details.says("renew after: ").ends_with(", not due"), "{}", details.stdout);

    computer.run(FAILED, &["recover"]).failed_with("already-active (4)");
    fs::write(computer.path("store/state"), "damaged").unwrap();
    computer.run(UNUSABLE, &[]);
    assert_eq!(computer.run(DONE, &["recover"]).says("license: "), "active");
    assert_eq!(authority.taken().len(), 1);
}

/// The network goes when the license is gone already: the code is on the screen, and frees the seat.
fn cut_off(authority: &Authority, computer: &Computer<'_>) {
    let cut = computer.run_against(&only_the_preflight(authority), &["deactivate"]);
    cut.failed_with("unreachable (60)");
    let code = cut.says("code: ");
    assert_eq!(computer.run_against(NOWHERE, &[]).says("license: "), "deactivated");
    assert_eq!(authority.taken(), [cut.says("seat: ")]);
    authority.vendor(&["redeem", code]);
    assert!(authority.taken().is_empty());
}

/// A network that lets the question through whether a seat may be given up, and nothing else. Its address.
fn only_the_preflight(authority: &Authority) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = authority.address;
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            if head.starts_with("POST /v1/deactivations/preflight ") {
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
                });
                let mut body = vec![0; length.unwrap()];
                reader.read_exact(&mut body).unwrap();
                let mut upstream = TcpStream::connect(server).unwrap();
                let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
                upstream.write_all(head.as_bytes()).unwrap();
                upstream.write_all(&body).unwrap();
                let mut reply = Vec::new();
                upstream.read_to_end(&mut reply).unwrap();
                stream.write_all(&reply).unwrap();
            }
            // Whoever hung up first does not matter.
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    format!("http://{address}")
}

/// A network that can be stopped: connections come about and nothing is answered.
struct Gate {
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
}

impl Gate {
    fn new(authority: &Authority) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_open = Arc::new(AtomicBool::new(true));
        let (opened, server) = (Arc::clone(&is_open), authority.address);
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                if !opened.load(Ordering::SeqCst) {
                    held.push(stream);
                    continue;
                }
                let mut upstream = TcpStream::connect(server).unwrap();
                let (mut from, mut to) = (stream.try_clone().unwrap(), upstream.try_clone().unwrap());
                thread::spawn(move || io::copy(&mut from, &mut to));
                thread::spawn(move || io::copy(&mut upstream, &mut stream));
            }
        });
        Self { address, is_open }
    }
}

/// The network hangs and the user has had enough: Ctrl-C ends the call, and not the process. Nothing is lost.
fn can_be_interrupted(host: &Host) {
    let authority = Authority::of(PRODUCT, &[]);
    let key = authority.sell("1", &[]);
    let computer = Computer::new(host, &authority);
    let gate = Gate::new(&authority);
    gate.is_open.store(false, Ordering::SeqCst);
    let mut activate = computer.command(&format!("http://{}", gate.address), &["activate", &key]);
    let mut process = activate.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(process.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("attempt 1") {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "{said}");
    }
    let pressed = Instant::now();
    assert!(Command::new("kill").arg("-INT").arg(process.id().to_string()).status().unwrap().success());
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(FAILED), "{said}");
    assert!(said.contains("cancelled (62)"), "{said}");
    assert!(pressed.elapsed() < Duration::from_secs(25), "{:?}", pressed.elapsed());
    computer.run(DONE, &["activate", &key]);
    assert_eq!(authority.taken().len(), 1);
}

/// Reads the QR code that a program wrote in block characters.
fn scan(stdout: &str) -> String {
    const SCALE: usize = 4;
    let half =
        |line: &str, light: [char; 2]| -> Vec<bool> { line.chars().map(|c| light.contains(&c)).collect() };
    let rows: Vec<Vec<bool>> = stdout
        .lines()
        .filter(|line| line.contains('█'))
        .flat_map(|line| [half(line, ['█', '▀']), half(line, ['█', '▄'])])
        .collect();
    let (width, height) = (rows[0].len() * SCALE, rows.len() * SCALE);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        if rows[y / SCALE][x / SCALE] { 255 } else { 0 }
    });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "{stdout}");
    grids[0].decode().unwrap().1
}

/// The example with windows, with its mouse and its screen in our hands.
struct Window {
    process: Child,
    lines: Receiver<String>,
}

impl Window {
    fn open(program: &Path, store: &Path, authority: &Authority, address: SocketAddr) -> Self {
        let mut command = Command::new(program);
        command.env("NODELOCK_ROOT", &authority.root).env("NODELOCK_AUTHORITY", format!("http://{address}"));
        command.env("NODELOCK_STORE", store).env("NO_PROXY", "127.0.0.1");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let screen = BufReader::new(process.stdout.take().unwrap());
        thread::spawn(move || screen.lines().try_for_each(|line| sender.send(line.unwrap())));
        Self { process, lines }
    }

    fn click(&mut self, button: &str) {
        writeln!(self.process.stdin.as_mut().unwrap(), "{button}").unwrap();
    }

    /// Waits for a line that begins like that, and returns the rest of it.
    fn shows(&self, begin: &str) -> String {
        let mut seen = Vec::new();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|error| panic!("{begin:?} is not shown: {error}, but {seen:?}"));
            if let Some(rest) = line.strip_prefix(begin) {
                return rest.to_owned();
            }
            seen.push(line);
        }
    }

    fn close(mut self) {
        self.click("quit");
        assert!(self.process.wait().unwrap().success());
    }
}

#[test]
fn an_application_with_windows_in_cpp() {
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    if skipped(&[&compiler]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (program, store) = (folder.path().join("window"), folder.path().join("store"));
    compile(&compiler, &["-std=c++17", "-pthread"], "examples/cpp/main.cpp", &program);
    let authority = Authority::of(PRODUCT, &[]);
    let key = authority.sell("1", &["--feature", "export"]);
    let gate = Gate::new(&authority);

    let mut window = Window::open(&program, &store, &authority, gate.address);
    assert_eq!(window.shows("license: "), "no license");
    window.click("activate nonsense");
    window.shows("failed: unreadable-code: ");
    window.shows("ready");

    // The network hangs, the window does not, and a call is over soon after it was cancelled.
    gate.is_open.store(false, Ordering::SeqCst);
    window.click(&format!("activate {key}"));
    window.shows("asking the authority, attempt 1");
    window.click("ping");
    window.shows("still here");
    window.click(&format!("activate {key}"));
    window.shows("busy");
    let clicked = Instant::now();
    window.click("cancel");
    window.shows("cancelled");
    window.shows("ready");
    assert!(clicked.elapsed() < Duration::from_secs(25), "{:?}", clicked.elapsed());
    // Another key is asked for in place of the one before, whose request is pending.
    let other = authority.sell("1", &[]);
    for key in [&other, &key] {
        window.click(&format!("activate {key}"));
        window.shows("asking the authority, attempt 1");
        window.click("cancel");
        window.shows("cancelled");
        window.shows("ready");
    }
    // A call whose window is closed is over as soon.
    window.click(&format!("activate {key}"));
    window.shows("asking the authority, attempt 1");
    let clicked = Instant::now();
    window.close();
    assert!(clicked.elapsed() < Duration::from_secs(25), "{:?}", clicked.elapsed());
    assert!(authority.taken().is_empty());

    gate.is_open.store(true, Ordering::SeqCst);
    // The request waits for its answer, which the next start brings.
    let mut window = Window::open(&program, &store, &authority, gate.address);
    let seat = window.shows("licensed to Jane Doe, seat ");
    assert_eq!(window.shows("export: "), "enabled");
    assert_eq!(authority.taken(), [seat]);
    window.shows("ready");
    window.click("deactivate");
    window.shows("the seat is returned");
    assert!(authority.taken().is_empty());
    window.shows("ready");

    window.click(&format!("activate {key}"));
    window.shows("licensed to ");
    window.shows("ready");
    // No seat is free for another window before this one is silent for a week.
    let other_store = folder.path().join("other");
    Ledger::open(&authority).silence(8);
    let mut other = Window::open(&program, &other_store, &authority, gate.address);
    other.click(&format!("activate {key}"));
    let listed = other.shows("seat ");
    assert!(listed.contains(": last heard of on 20") && listed.ends_with(" [replace]"), "{listed}");
    other.shows("ready");
    other.click(&format!("replace {key} {}", &listed[..6]));
    let seat = other.shows("licensed to Jane Doe, seat ");
    assert_eq!(authority.taken(), [seat]);
    other.shows("ready");
    other.click("deactivate");
    other.shows("the seat is returned");
    other.close();
    window.click("deactivate-offline");
    authority.vendor(&["redeem", &window.shows("code: ")]);
    assert!(authority.taken().is_empty());
    window.close();
}

#[test]
fn an_application_in_c() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("editor");
    editor_in_c(&program);
    let host = Host { line: vec![program.into()] };
    lives_through_it(&host);
    replaces_a_seat(&host);
    keeps_its_license(&host);
}

/// Programs that were built elsewhere from the same example, each linked in its own way: what `tests/install.sh` calls.
#[test]
fn applications_that_were_built_elsewhere() {
    let Some(programs) = env::var_os("NODELOCK_EDITORS") else {
        eprintln!("SKIPPED: NODELOCK_EDITORS is not set; tests/install.sh does");
        return;
    };
    for program in env::split_paths(&programs) {
        eprintln!("{}", program.display());
        lives_through_it(&Host { line: vec![program.into()] });
    }
}

/// Valgrind makes the program fail if it, or the library in it, touches what it must not or leaves anything behind.
#[test]
fn an_application_in_c_leaks_nothing() {
    if skipped(&["valgrind"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("editor");
    editor_in_c(&program);
    let suppressions = format!("--suppressions={}", self::folder("tests/hosts/valgrind.supp").display());
    let kinds = "--errors-for-leak-kinds=definite,indirect,possible";
    let flags = ["valgrind", "-q", "--leak-check=full", kinds, "--error-exitcode=99", &suppressions];
    let line = flags.map(OsString::from).into_iter().chain([program.into()]).collect();
    let host = Host { line };
    let authority = Authority::of(PRODUCT, &[]);
    let key = authority.sell("1", &["--feature", "export"]);
    let computer = Computer::new(&host, &authority);
    computer.run(FAILED, &["activate", "nonsense"]);
    computer.run(DONE, &["activate", &key]);
    computer.run(DONE, &[]);
    let waiting = Computer::new(&host, &authority);
    waiting.run(FAILED, &["activate", &key]).failed_with("no-free-seat (71)");
    waiting.run(FAILED, &["replace", &key, "7KX2M9"]).failed_with("no-free-seat (71)");
    computer.run(DONE, &["explain"]);
    cut_off(&authority, &computer);
    computer.run(DONE, &["request", &key, "request.txt"]);
    authority.vendor(&["activate", &computer.path("request.txt"), "--out", &computer.path("license.txt")]);
    computer.run(DONE, &["install", "license.txt"]);
    computer.run(DONE, &["deactivate-offline", "proof.txt"]);
    computer.run(DONE, &["codes"]);
    authority.vendor(&["redeem", &computer.path("proof.txt"), "--out", &computer.path("receipt.txt")]);
    computer.run(DONE, &["receipt", "receipt.txt"]);
}

#[test]
fn an_application_in_python() {
    if skipped(&["python3"]) {
        return;
    }
    let line =
        vec!["python3".into(), "-B".into(), "-Werror".into(), folder("examples/python/editor.py").into()];
    let host = Host { line };
    lives_through_it(&host);
    replaces_a_seat(&host);
    keeps_its_license(&host);
    tells_and_recovers(&host);
    can_be_interrupted(&host);
}

/// The example in JavaScript with what it needs, in a folder of its own.
pub(crate) fn node() -> Option<PathBuf> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER.get_or_init(new_node).clone()
}

fn new_node() -> Option<PathBuf> {
    if skipped(&["node", "npm"]) {
        return None;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node");
    fs::create_dir_all(&target).unwrap();
    for name in
        ["package.json", "package-lock.json", ".npmrc", "nodelock.js", "nodelock_testing.js", "editor.js"]
    {
        fs::copy(folder("examples/node").join(name), target.join(name)).unwrap();
    }
    let lock = fs::read(target.join("package-lock.json")).unwrap();
    let installed = target.join("installed");
    if fs::read(&installed).is_ok_and(|of| of == lock) {
        return Some(target);
    }
    let npm = Command::new("npm").args(["ci", "--ignore-scripts"]).current_dir(&target).output().unwrap();
    if !npm.status.success() {
        let why = String::from_utf8_lossy(&npm.stderr);
        assert_ne!(env::var("NODELOCK_REQUIRE_HOSTS").as_deref(), Ok("1"), "{why}");
        eprintln!("SKIPPED: npm has no koffi: {why}");
        return None;
    }
    fs::write(installed, lock).unwrap();
    Some(target)
}

#[test]
fn an_application_in_javascript() {
    let Some(folder) = node() else { return };
    let host = Host { line: vec!["node".into(), folder.join("editor.js").into()] };
    lives_through_it(&host);
    replaces_a_seat(&host);
    keeps_its_license(&host);
    tells_and_recovers(&host);
    can_be_interrupted(&host);
}
