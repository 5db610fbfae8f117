//! What a check asks of the operating system, call by call (docs/DESIGN.md, Speed).
//!
//! The test starts this very program again under strace. Where that cannot trace it says so and passes; with
//! `NODELOCK_REQUIRE_STRACE` set it fails instead.

use std::{collections::HashMap, env, fs, path::Path, process::Command};

use nodelock::{
    Store,
    fingerprint::{Probe, machine_id},
    testing::{Machine, TestAuthority},
};

const CHILD: &str = "NODELOCK_TEST_TRACED";

/// Shows in the trace, and is no file.
fn mark(name: &str) {
    let _ = fs::metadata(format!("/nodelock-{name}"));
}

#[test]
fn what_is_traced() {
    let Some(folder) = env::var_os(CHILD) else { return };
    let folder = Path::new(&folder);
    let authority = TestAuthority::new("Example Editor");
    let license_key = authority.sell(1).unwrap();
    let client = || {
        let store = Store::in_directory(folder.join("store"), Some(folder.join("tombstones")));
        let builder = authority.client(&Machine::new("desk")).store(store);
        builder.probe(Probe::this_machine).build().unwrap()
    };
    client().activate(&license_key).unwrap();
    let (cold, warm) = (client(), client());
    assert!(warm.check().unwrap().is_usable());
    mark("cold");
    cold.check().unwrap();
    mark("warm");
    warm.check().unwrap();
    mark("identity");
    let _ = machine_id("editor");
    mark("end");
}

/// A call: its name, its arguments, its result.
#[derive(Debug)]
struct Call {
    name: String,
    arguments: String,
    result: String,
}

impl Call {
    /// Calls for memory are the allocator's and the threads' affair; std looks at descriptors in debug builds only.
    fn counts(&self) -> bool {
        const OTHERS: [&str; 8] =
            ["brk", "mmap", "munmap", "mremap", "madvise", "mprotect", "futex", "fcntl"];
        !OTHERS.contains(&self.name.as_str())
    }

    /// What it gave, unless it failed.
    fn number(&self) -> Option<&str> {
        self.result.split(' ').next().filter(|number| !number.is_empty() && !number.starts_with('-'))
    }

    fn path(&self) -> Option<&str> {
        self.arguments.split('"').nth(1).filter(|path| path.starts_with('/'))
    }
}

/// What was called between two marks, and the name of the first.
fn parts(trace: &str) -> HashMap<String, Vec<Call>> {
    let mut parts: HashMap<String, Vec<Call>> = HashMap::new();
    let (mut thread, mut part) = (None, None);
    // A call that another thread came in between of stands in two lines.
    let mut begun = HashMap::<&str, &str>::new();
    for line in trace.lines() {
        let Some((of, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(first) = rest.strip_suffix("<unfinished ...>") {
            begun.insert(of, first.trim_end());
            continue;
        }
        let resumed = rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>"));
        let rest = match resumed {
            Some((_, last)) => format!("{}{last}", begun.remove(of).unwrap_or_default()),
            None => rest.to_owned(),
        };
        if let Some(name) = rest.split("\"/nodelock-").nth(1).and_then(|name| name.split('"').next()) {
            (thread, part) = (Some(of.to_owned()), Some(name.to_owned()));
            continue;
        }
        let (Some(part), Some((name, rest))) = (&part, rest.split_once('(')) else { continue };
        if thread.as_deref() != Some(of) {
            continue;
        }
        let (arguments, result) = rest.rsplit_once(" = ").unwrap_or((rest, ""));
        let call = Call { name: name.to_owned(), arguments: arguments.to_owned(), result: result.to_owned() };
        parts.entry(part.clone()).or_default().extend(Some(call).filter(Call::counts));
    }
    parts
}

fn trace() -> Option<HashMap<String, Vec<Call>>> {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("trace");
    let traced = Command::new("strace")
        .args(["-f", "-qq", "-s", "256", "-o"])
        .arg(&output)
        .arg(env::current_exe().unwrap())
        .args(["--exact", "calls::what_is_traced"])
        .env(CHILD, folder.path())
        .output();
    let failure = match traced {
        Ok(traced) if traced.status.success() => {
            return Some(parts(&String::from_utf8_lossy(&fs::read(output).unwrap())));
        }
        Ok(traced) => String::from_utf8_lossy(&traced.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    assert!(env::var_os("NODELOCK_REQUIRE_STRACE").is_none(), "strace cannot trace: {failure}");
    eprintln!("SKIPPED: strace cannot trace here: {failure}");
    None
}

/// How many interfaces there are, and how many of them belong to a device.
fn interfaces() -> (usize, usize) {
    let interfaces = || fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    (interfaces().count(), interfaces().filter(|interface| interface.path().join("device").exists()).count())
}

/// How many calls may be about what only some machines have: firmware, a mount table that must be read, disks below the
/// root. That is as many as it takes to ask once for each thing that was asked for, and twice about a disk, which is
/// looked at for its file system and for its serial.
fn on_some_machines(calls: &[Call], reads: &HashMap<&str, usize>) -> usize {
    const ONCE: [&str; 5] = [
        "/sys/class/dmi/id/",
        "/sys/firmware/devicetree/",
        "/sys/hypervisor/",
        "/proc/self/mountinfo",
        "/var/lib/dbus/",
    ];
    const TWICE: [&str; 5] =
        ["/run/udev/data/", "/sys/dev/block/", "/sys/class/block/", "/sys/devices/", "/dev/"];
    let mut asked = HashMap::<&str, usize>::new();
    let mut most = 0;
    for call in calls {
        let Some(path) = call.path() else { continue };
        let is_in = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
        let times = asked.entry(path).or_default();
        *times += 1;
        if *times > usize::from(is_in(&ONCE)) + 2 * usize::from(is_in(&TWICE)) {
            continue;
        }
        most += match call.name.as_str() {
            // Its two ends, a look, and two answers.
            "openat" if call.number().is_some() && call.arguments.contains("O_DIRECTORY") => 5,
            // Its two ends, and a read; of the mount table as many as that takes.
            "openat" if call.number().is_some() && path.ends_with("mountinfo") => {
                2 + reads.get(path).unwrap_or(&0)
            }
            "openat" if call.number().is_some() => 3,
            _ => 1,
        };
    }
    most
}

/// A call that another thread came in between of is one call, with its result.
#[test]
fn a_call_that_is_traced_in_two_lines_is_one() {
    let trace = r#"7 statx(AT_FDCWD, "/nodelock-cold", 0) = -1 ENOENT (No such file or directory)
7 openat(AT_FDCWD, "/etc/machine-id", O_RDONLY <unfinished ...>
8 <... futex resumed>)              = 0
7 <... openat resumed>)             = 3
8 read(9, "other", 5) = 5
7 read(3,  <unfinished ...>
7 <... read resumed>"id\n", 512)   = 3
7 statx(AT_FDCWD, "/nodelock-end", 0 <unfinished ...>
7 <... statx resumed>)              = -1 ENOENT (No such file or directory)
7 close(3) = 0
"#;
    let parts = parts(trace);
    let cold: Vec<_> =
        parts["cold"].iter().map(|call| (call.name.as_str(), call.path(), call.number())).collect();
    assert_eq!(cold, [("openat", Some("/etc/machine-id"), Some("3")), ("read", None, Some("3"))]);
    assert_eq!(parts["end"].len(), 1);
}

#[test]
fn a_check_asks_for_nothing_twice_and_for_nothing_in_vain() {
    let Some(parts) = trace() else { return };
    let cold = &parts["cold"];
    let shown = || cold.iter().map(|call| format!("{call:?}\n")).collect::<String>();

    // The store's files are opened once, and nothing is asked of them by name before or after.
    let mut asked = HashMap::<&str, usize>::new();
    for path in cold.iter().filter_map(Call::path) {
        *asked.entry(path).or_default() += 1;
    }
    for file in ["/store/state", "/store/device.key"] {
        let times: Vec<_> = asked.iter().filter(|(path, _)| path.ends_with(file)).map(|(_, n)| *n).collect();
        assert_eq!(times, [1], "{file} in\n{}", shown());
    }

    // One read finds a value and its end.
    let mut open = HashMap::new();
    let mut reads = HashMap::<&str, usize>::new();
    for call in cold {
        match (call.name.as_str(), call.path()) {
            ("openat", Some(path)) => drop(open.insert(call.result.as_str(), path)),
            ("read", _) => {
                let number = call.arguments.split(',').next().unwrap();
                *reads.entry(open.get(number).copied().unwrap_or(number)).or_default() += 1;
            }
            _ => {}
        }
    }
    for (path, times) in &reads {
        // The kernel writes these piece by piece.
        let piecewise = ["/proc/cpuinfo", "/proc/self/mountinfo"].contains(path);
        assert!(*times == 1 || piecewise, "{path} is read {times} times in\n{}", shown());
    }
    assert!(reads.len() > 3, "{reads:?}");

    // The store, the signs, the listing of cards and the processor's file take 28, and that file its reads. Each
    // interface takes a look, each card two files of three calls, and three more where the driver is asked.
    let (interfaces, cards) = interfaces();
    let drivers = cold.iter().filter(|call| call.name == "socket").count().min(cards);
    let most =
        28 + reads["/proc/cpuinfo"] + interfaces + 6 * cards + 3 * drivers + on_some_machines(cold, &reads);
    println!("a cold check makes {} calls of the system, of {most} at most", cold.len());
    assert!(cold.len() <= most, "{} calls, and {most} are enough:\n{}", cold.len(), shown());

    let names = |part: &str| parts[part].iter().map(|call| call.name.clone()).collect::<Vec<_>>();
    assert_eq!(names("warm"), ["statx"]);
    let identity = parts["identity"].iter().filter_map(Call::path).next();
    assert_eq!(identity, Some("/etc/machine-id"));
    if Path::new("/etc/machine-id").exists() && Probe::this_machine().machine_id("editor").is_ok() {
        assert_eq!(names("identity")[..3], ["openat", "read", "close"]);
    }
}
