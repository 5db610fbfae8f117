//! What a check asks of the operating system, call by call (docs/DESIGN.md, Speed).
//!
//! The test starts this very program again under strace. Where that cannot trace it says so and passes; with
//! `NODELOCK_REQUIRE_FAULT_TOOLS` set to 1 it fails instead.

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

    fn path(&self) -> Option<&str> {
        self.arguments.split('"').nth(1).filter(|path| path.starts_with('/'))
    }
}

/// What was called between two marks, and the name of the first.
fn parts(trace: &str) -> HashMap<String, Vec<Call>> {
    let mut parts: HashMap<String, Vec<Call>> = HashMap::new();
    let (mut thread, mut part) = (None, None);
    for line in trace.lines() {
        let Some((of, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(name) = rest.split("\"/nodelock-").nth(1).and_then(|name| name.split('"').next()) {
            (thread, part) = (Some(of.to_owned()), Some(name.to_owned()));
            continue;
        }
        let (Some(part), Some((name, rest))) = (&part, rest.split_once('(')) else { continue };
        // The rest of a call that another thread came in between of begins with `<...`.
        if thread.as_deref() != Some(of) || name.starts_with('<') {
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
    let required = env::var("NODELOCK_REQUIRE_FAULT_TOOLS").is_ok_and(|value| value == "1");
    assert!(!required, "strace cannot trace: {failure}");
    eprintln!("SKIPPED: strace cannot trace here: {failure}");
    None
}

/// How many interfaces there are, and how many of them belong to a device.
fn interfaces() -> (usize, usize) {
    let interfaces = || fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    (interfaces().count(), interfaces().filter(|interface| interface.path().join("device").exists()).count())
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
                *reads.entry(open[number]).or_default() += 1;
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
    let has_read = |path: &str| reads.contains_key(path);

    // The store, the signs and the listing of cards take 36. Each interface takes a look, each card two files of
    // three calls. Firmware, a disk below the root and a root without a device take more.
    let (interfaces, cards) = interfaces();
    let is_small = Probe::this_machine().environment().virtual_machine()
        && !["/sys/class/dmi/id/product_name", "/proc/self/mountinfo"].iter().any(|path| has_read(path));
    let most = 36 + interfaces + 6 * cards + if is_small { 0 } else { 60 };
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
