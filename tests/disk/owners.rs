//! A store that root and its user take turns with, as after a `sudo` that keeps `HOME`: neither locks the other out
//! (docs/DESIGN.md, Store).
//!
//! Each step is this very program once more, as root or, under `setpriv`, as another user. Who is not root, or has no
//! `setpriv`, is told so and passes; with `NODELOCK_REQUIRE_ROOT` set it fails instead.

use std::{
    env, fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
        process::ExitStatusExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use nodelock::{
    Client, Clock, PublicKey, Reason, Roots, Store, Timestamp, Verdict,
    store::{FileSystem, LockGuard, NewFile, OsFileSystem, Stamp},
};

use crate::support::vendor::{PRODUCT, START, Vendor, license_key, machine};

/// A user that no machine has.
const USER: u32 = 54_321;
const DAY: u64 = 24 * 60 * 60;
/// What is done in a life, in its order. A task that goes on with one that was cut off begins with its name.
const LIFE: [&str; 7] = ["begin", "install", "observe", "check-in", "give-up", "receipt", "recover"];
/// More steps than any task has.
const MANY: usize = 200;
const SIGABRT: i32 = 6;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Root,
    User,
}

impl Who {
    fn other(self) -> Self {
        if self == Self::Root { Self::User } else { Self::Root }
    }
}

/// A user's home, and a vendor who sells one license.
struct Home {
    folder: tempfile::TempDir,
    program: PathBuf,
    vendor: Vendor,
    umask: &'static str,
    /// What root may not do, as `setpriv --bounding-set` takes it.
    rights: &'static str,
}

impl Home {
    /// None where nobody can be another user.
    fn new() -> Option<Self> {
        let ready = Command::new("setpriv")
            .args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups", "true"])
            .status()
            .is_ok_and(|status| status.success());
        if !ready {
            assert!(env::var_os("NODELOCK_REQUIRE_ROOT").is_none(), "not root, or no setpriv");
            eprintln!("SKIPPED: being another user takes root and setpriv");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // Where this program lies, another user may have no access, and its own mode is the umask's. Another process
        // copies it: what this one has open for writing, a child of another thread may still have open when it is run.
        let program = folder.path().join("program");
        copy(&env::current_exe().unwrap(), &program);
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let home = folder.path().join("home");
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        chown(&home, Some(USER), Some(USER)).unwrap();
        let mut vendor = Vendor::new();
        vendor.terms().virtual_reinstalls = true;
        Some(Self { folder, program, vendor, umask: "022", rights: "" })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn store(&self) -> PathBuf {
        self.path().join(".local/share/nodelock/+example%20+editor")
    }

    /// Runs `task` as `who`, with `input` for it to take in, and returns what it has to say.
    fn run(&self, who: Who, task: &str, input: &[u8]) -> Vec<u8> {
        let (output, said) = self.start(who, task, input, usize::MAX);
        assert!(output.status.success(), "{who:?} cannot {task}: {}", text(&output));
        said
    }

    /// Whether `task` fails when `who` runs it.
    fn fails(&self, who: Who, task: &str) -> bool {
        let (output, _) = self.start(who, task, b"", usize::MAX);
        assert!(output.status.code().is_some(), "{}", text(&output));
        !output.status.success()
    }

    /// Runs `task` as `who` and kills it before its step of that number. Returns whether it has so many.
    fn kill(&self, who: Who, task: &str, input: &[u8], step: usize) -> bool {
        let (output, _) = self.start(who, task, input, step);
        let killed = output.status.signal() == Some(SIGABRT);
        assert!(killed || output.status.success(), "{who:?} cannot {task}: {}", text(&output));
        killed
    }

    fn start(&self, who: Who, task: &str, input: &[u8], kill_at: usize) -> (Output, Vec<u8>) {
        let exchange = self.folder.path().join("exchange");
        let _ = fs::remove_dir_all(&exchange);
        fs::create_dir(&exchange).unwrap();
        fs::set_permissions(&exchange, fs::Permissions::from_mode(0o777)).unwrap();
        let file = exchange.join("output");
        for (file, bytes, mode) in [(exchange.join("input"), input, 0o644), (file.clone(), b"", 0o666)] {
            fs::write(&file, bytes).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        let mut command = Command::new("sh");
        command.args(["-c", &format!("umask {}; exec \"$@\"", self.umask), "sh"]);
        if who == Who::User {
            command.arg("setpriv");
            command.args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups"]);
        } else if !self.rights.is_empty() {
            command.arg("setpriv").arg(format!("--bounding-set={}", self.rights));
        }
        let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let output = command
            .arg(&self.program)
            .args(["--exact", "owners::what_the_child_does", "--nocapture"])
            .env("NODELOCK_TEST_OWNERS", task)
            .env("NODELOCK_TEST_HOME", self.path())
            .env("NODELOCK_TEST_EXCHANGE", &exchange)
            .env("NODELOCK_TEST_ROOT_KEY", hexadecimal(self.vendor.root.as_bytes()))
            .env("NODELOCK_TEST_TIME", self.vendor.clock.now().unix_seconds().to_string())
            .env("NODELOCK_TEST_KILL", kill_at.to_string())
            .output()
            .unwrap();
        (output, fs::read(file).unwrap())
    }

    /// Runs a whole life of a license, whose step `n` is done by `who(n)`.
    fn live(&mut self, who: impl Fn(usize) -> Who) {
        self.live_from("begin", b"", who);
    }

    /// Runs a life from `first` on, which begins it or goes on with what was cut off, and takes `input` in.
    fn live_from(&mut self, first: &str, input: &[u8], who: impl Fn(usize) -> Who) {
        let shared = self.rights.is_empty();
        let mut steps = 0;
        let mut step = |home: &Self, task: &str, input: &[u8]| {
            let by = who(steps);
            steps += 1;
            let said = home.run(by, task, input);
            if shared {
                home.belongs_to_the_user(&format!("{task} by {by:?}"));
            }
            said
        };
        let phase = LIFE.iter().position(|phase| first.starts_with(phase)).unwrap();
        let mut license = input.to_vec();
        if phase == 0 {
            let request = step(self, first, b"");
            license = self.vendor.activate(&request).unwrap();
        }
        if phase <= 1 {
            step(self, "install", &license);
            self.vendor.clock.advance_days(1);
        }
        if phase <= 2 {
            step(self, if phase == 2 { first } else { "observe" }, b"");
        }
        if phase <= 3 {
            let check_in = step(self, "check-in", b"");
            let renewal = self.vendor.check_in(&check_in).unwrap().to_bytes();
            step(self, "install", &renewal);
        }
        let mut receipt = input.to_vec();
        if phase <= 4 {
            let proof = step(self, "give-up", b"");
            receipt = self.vendor.redeem(&proof).unwrap().as_bytes().to_vec();
        }
        if phase <= 5 {
            step(self, "receipt", &receipt);
            let request = step(self, "begin", b"");
            let license = self.vendor.activate(&request).unwrap();
            step(self, "install", &license);
            self.damage();
        }
        let request = step(self, if phase == 6 { first } else { "recover" }, b"");
        let license = self.vendor.activate(&request).unwrap();
        step(self, "install", &license);
        step(self, "check", b"");
    }

    /// The record of the license is damaged, and is to be recovered a day later.
    fn damage(&mut self) {
        fs::write(self.store().join("state"), "damaged").unwrap();
        self.vendor.clock.advance_days(1);
    }

    /// Kills `killed` at each step of `task`, and lets the other one go on from there with `next` and the rest of a
    /// life. Both take `input` in.
    fn kill_everywhere(&mut self, killed: Who, task: &str, input: &[u8], next: &str) {
        let kept = self.folder.path().join("kept");
        let vendor = self.vendor.clone();
        let now = vendor.clock.now().unix_seconds();
        let _ = fs::remove_dir_all(&kept);
        copy(&self.path(), &kept);
        let steps = (0..MANY).find(|step| {
            let has_step = self.kill(killed, task, input, *step);
            self.belongs_to_the_user(&format!("{killed:?} was killed at step {step} of {task}"));
            if has_step {
                self.live_from(next, input, |_| killed.other());
            }
            fs::remove_dir_all(self.path()).unwrap();
            copy(&kept, &self.path());
            self.vendor = vendor.clone();
            self.vendor.clock.set(now);
            !has_step
        });
        let steps = steps.unwrap();
        println!("{killed:?} was killed at each of {steps} steps of {task}");
        assert!(steps > 5, "{steps}");
    }

    /// Everything in the home is the user's, and closed to others.
    fn belongs_to_the_user(&self, after: &str) {
        for path in everything(&self.path()) {
            let metadata = fs::symlink_metadata(&path).unwrap();
            assert_eq!(metadata.uid(), USER, "{} after {after}", path.display());
            let mode = if metadata.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(metadata.mode() & 0o777, mode, "{} after {after}", path.display());
        }
    }
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// Copies a folder with modes and owners.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

fn everything(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.symlink_metadata().unwrap().is_dir() {
            found.extend(everything(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn root_and_the_user_take_turns() {
    let turns: [fn(usize) -> Who; 4] = [
        |step| if step == 0 { Who::Root } else { Who::User },
        |step| if step == 0 { Who::User } else { Who::Root },
        |step| if step % 2 == 0 { Who::Root } else { Who::User },
        |step| if step % 2 == 0 { Who::User } else { Who::Root },
    ];
    for who in turns {
        let Some(mut home) = Home::new() else { return };
        home.live(who);
    }
}

#[test]
fn whoever_is_killed_in_a_first_start_locks_nobody_out() {
    let Some(mut home) = Home::new() else { return };
    for killed in [Who::Root, Who::User] {
        home.kill_everywhere(killed, "begin", b"", "begin-or-show");
    }
}

#[test]
fn whoever_is_killed_in_a_renewal_or_a_deactivation_locks_nobody_out() {
    let Some(mut home) = Home::new() else { return };
    let request = home.run(Who::User, "begin", b"");
    let license = home.vendor.activate(&request).unwrap();
    home.run(Who::User, "install", &license);
    for (killed, task, next) in [
        (Who::Root, "check-in", "check-in"),
        (Who::User, "check-in", "check-in"),
        (Who::Root, "deactivate", "give-up"),
        (Who::User, "deactivate", "give-up"),
    ] {
        home.kill_everywhere(killed, task, b"", next);
    }
}

#[test]
fn whoever_is_killed_in_an_installation_or_an_observation_locks_nobody_out() {
    let Some(mut home) = Home::new() else { return };
    let request = home.run(Who::User, "begin", b"");
    let license = home.vendor.activate(&request).unwrap();
    for killed in [Who::Root, Who::User] {
        home.kill_everywhere(killed, "install", &license, "install");
    }
    home.run(Who::User, "install", &license);
    home.vendor.clock.advance_days(1);
    for killed in [Who::Root, Who::User] {
        home.kill_everywhere(killed, "observe", b"", "observe-again");
    }
}

#[test]
fn whoever_is_killed_with_a_receipt_or_in_a_recovery_locks_nobody_out() {
    let Some(mut home) = Home::new() else { return };
    let request = home.run(Who::User, "begin", b"");
    let license = home.vendor.activate(&request).unwrap();
    home.run(Who::User, "install", &license);
    let proof = home.run(Who::User, "give-up", b"");
    let receipt = home.vendor.redeem(&proof).unwrap();
    for killed in [Who::Root, Who::User] {
        home.kill_everywhere(killed, "receipt", receipt.as_bytes(), "receipt");
    }
    home.run(Who::User, "receipt", receipt.as_bytes());
    let request = home.run(Who::User, "begin", b"");
    let license = home.vendor.activate(&request).unwrap();
    home.run(Who::User, "install", &license);
    home.damage();
    for killed in [Who::Root, Who::User] {
        home.kill_everywhere(killed, "recover", b"", "recover-or-show");
    }
}

/// What root leaves when it is killed between making a thing and giving it away: each under a name that the next one
/// removes, or puts in place.
#[test]
fn what_root_leaves_half_done_locks_nobody_out() {
    for who in [Who::User, Who::Root] {
        let Some(mut home) = Home::new() else { return };
        let data = home.path().join(".local/share");
        home.run(Who::User, "begin", b"");
        fs::remove_dir_all(data.join("nodelock")).unwrap();
        fs::create_dir(data.join("nodelock.nodelock.new")).unwrap();
        home.run(who, "begin", b"");
        home.belongs_to_the_user(&format!("half-done folders, and {who:?}"));
        for path in everything(&home.store()) {
            fs::remove_file(path).unwrap();
        }
        for name in ["lock.nodelock.new", "state.new", "device.key.new", "reserve"] {
            fs::write(home.store().join(name), "").unwrap();
            fs::set_permissions(home.store().join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        home.live(|_| who);
    }
}

/// A user who puts a full folder of root's where root is about to make one gets nothing that is in it.
#[test]
fn root_gives_no_full_folder_away() {
    let Some(home) = Home::new() else { return };
    let planted = home.path().join(".local.nodelock.new");
    fs::create_dir(&planted).unwrap();
    fs::write(planted.join("secret"), "root's").unwrap();
    home.run(Who::Root, "begin", b"");
    for name in [".local", ".local/secret"] {
        assert_eq!(fs::metadata(home.path().join(name)).unwrap().uid(), 0, "{name}");
    }
}

/// Root in a container may be without the right to pass over modes. In a folder that lets everybody in, it keeps what
/// it could not use any more.
#[test]
fn root_without_the_right_to_pass_over_modes_does_not_lock_itself_out() {
    let Some(mut home) = Home::new() else { return };
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    home.rights = "-dac_override,-dac_read_search";
    home.live(|_| Who::Root);
    assert_eq!(fs::metadata(home.path().join(".local")).unwrap().uid(), 0);
}

/// The way out for a store that an earlier version left to root.
#[test]
fn what_is_roots_is_given_back_by_chown() {
    let Some(home) = Home::new() else { return };
    home.run(Who::User, "begin", b"");
    for path in everything(&home.store()) {
        chown(path, Some(0), Some(0)).unwrap();
    }
    assert!(home.fails(Who::User, "begin-or-show"), "access denied");
    let given_back =
        Command::new("chown").args(["-R", &USER.to_string()]).arg(home.store()).status().unwrap();
    assert!(given_back.success());
    home.run(Who::User, "begin-or-show", b"");
}

/// What the user has put in the way decides nothing about what lies elsewhere.
#[test]
fn root_gives_nothing_away_through_a_link() {
    let Some(home) = Home::new() else { return };
    home.run(Who::User, "begin", b"");
    let secret = home.folder.path().join("secret");
    fs::write(&secret, "root's").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    for name in ["state.new", "device.key.new", "reserve"] {
        let path = home.store().join(name);
        let _ = fs::remove_file(&path);
        symlink(&secret, &path).unwrap();
    }
    home.run(Who::Root, "begin-or-show", b"");
    fs::remove_file(home.store().join("lock")).unwrap();
    symlink(&secret, home.store().join("lock")).unwrap();
    assert!(home.fails(Who::Root, "begin-or-show"));
    let metadata = fs::metadata(&secret).unwrap();
    assert_eq!((metadata.uid(), metadata.mode() & 0o777), (0, 0o600));
    assert_eq!(fs::read(&secret).unwrap(), b"root's");
}

#[test]
fn a_umask_that_takes_the_owners_rights_locks_nobody_out() {
    for umask in ["0177", "0277", "0377", "0477", "0777"] {
        let Some(mut home) = Home::new() else { return };
        home.umask = umask;
        home.live(|_| Who::User);
    }
}

/// Where root's own folder is on the way to the user's, as with a volume below `/root`, root still gets there.
#[test]
fn a_folder_that_its_owner_cannot_reach_is_in_use_by_root() {
    let Some(mut home) = Home::new() else { return };
    fs::set_permissions(home.folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    home.live(|_| Who::Root);
}

/// The system's clock at a moment of the test's choosing.
struct Fixed(u64);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.0)
    }
}

/// The system's files, until the process dies before a step of that number.
struct Mortal {
    kill_at: usize,
    steps: AtomicUsize,
}

impl Mortal {
    fn step(&self) -> &OsFileSystem {
        if self.steps.fetch_add(1, Ordering::Relaxed) == self.kill_at {
            std::process::abort();
        }
        &OsFileSystem
    }
}

impl FileSystem for Mortal {
    fn read(&self, path: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
        OsFileSystem.read(path, limit)
    }
    fn stamp(&self, path: &Path) -> std::io::Result<Option<Stamp>> {
        OsFileSystem.stamp(path)
    }
    fn create_new(&self, path: &Path) -> std::io::Result<Box<dyn NewFile>> {
        self.step().create_new(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.step().rename(from, to)
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        self.step().remove(path)
    }
    fn sync_file(&self, path: &Path) -> std::io::Result<()> {
        self.step().sync_file(path)
    }
    fn sync_dir(&self, path: &Path) -> std::io::Result<()> {
        self.step().sync_dir(path)
    }
    fn create_dir(&self, path: &Path) -> std::io::Result<()> {
        self.step().create_dir(path)
    }
    fn lock(&self, path: &Path, timeout: Duration) -> std::io::Result<Box<dyn LockGuard>> {
        self.step().lock(path, timeout)
    }
}

#[test]
fn what_the_child_does() {
    let Ok(task) = env::var("NODELOCK_TEST_OWNERS") else { return };
    let exchange = PathBuf::from(env::var_os("NODELOCK_TEST_EXCHANGE").unwrap());
    let number = |name: &str| env::var(name).unwrap().parse::<u64>().unwrap();
    let key = env::var("NODELOCK_TEST_ROOT_KEY").unwrap();
    let key: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&key[2 * at..2 * at + 2], 16).unwrap()).collect();
    let root = PublicKey::from_bytes(key.try_into().unwrap()).unwrap();
    let kill_at = number("NODELOCK_TEST_KILL") as usize;
    let files = Arc::new(Mortal { kill_at, steps: AtomicUsize::new(0) });
    // As for the user of that home, and nowhere else: root has a home of its own.
    let home = PathBuf::from(env::var_os("NODELOCK_TEST_HOME").unwrap());
    let place = |folder: &str| home.join(folder).join("nodelock/+example%20+editor");
    let store = Store::in_directory(place(".local/share"), Some(place(".local/state")));
    let client = Client::builder(PRODUCT, Roots::new([root]))
        .store(store.with_file_system(files))
        .clock(Fixed(number("NODELOCK_TEST_TIME")))
        .probe(|| machine("machine"))
        .build()
        .unwrap();
    let input = fs::read(exchange.join("input")).unwrap();
    let begin = || client.begin(license_key()).unwrap();
    let said = match task.as_str() {
        "begin" => begin().to_bytes(),
        "begin-or-show" => client.pending().unwrap().unwrap_or_else(begin).to_bytes(),
        "install" => {
            assert_eq!(*client.accept(&input).unwrap().status().verdict(), Verdict::Active);
            Vec::new()
        }
        "observe" => {
            assert!(client.observe().unwrap());
            Vec::new()
        }
        "observe-again" => client.observe().map(|_| Vec::new()).unwrap(),
        "check-in" => client.check_in_offline().unwrap().to_bytes(),
        "deactivate" => client.deactivate_offline(Reason::Moved).unwrap().proof().to_vec(),
        "give-up" => match client.outstanding().unwrap().first() {
            Some(deactivation) => deactivation.proof().to_vec(),
            None => client.deactivate_offline(Reason::Moved).unwrap().proof().to_vec(),
        },
        "receipt" => client.accept(&input).map(|_| Vec::new()).unwrap(),
        "recover" => client.recover_offline().unwrap().to_bytes(),
        "recover-or-show" => {
            // Before the first step that counts the record is damaged still, which is told as that.
            let waiting = client.pending().ok().flatten();
            waiting.map_or_else(|| client.recover_offline(), Ok).unwrap().to_bytes()
        }
        "check" => {
            assert_eq!(*client.check().unwrap().verdict(), Verdict::Active);
            assert!(number("NODELOCK_TEST_TIME") >= START + DAY);
            Vec::new()
        }
        task => panic!("{task}"),
    };
    fs::write(exchange.join("output"), said).unwrap();
}
