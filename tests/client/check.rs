//! The check reads only, needs no network, takes under a millisecond, and always sees the store's last state
//! (docs/THREATS.md, Test 16).

use std::{
    env, fs,
    io::ErrorKind as Io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

#[cfg(target_os = "linux")]
use crate::support::skip::{NAMESPACES, skipped};
use crate::support::{
    disk::{Call, Disk, Fault},
    vendor::{START, TestClock, Vendor, builder},
};
use nodelock::{
    Client, ErrorKind, Limit, MachineReason, Reason, Status, Store, Verdict,
    store::{FileSystem as _, OsFileSystem, Stamp},
};

/// Absolute paths, as a store makes them.
const PLACE: &str = if cfg!(windows) { "C:/vendor/product" } else { "/var/lib/vendor/product" };
const TOMBSTONES: &str = if cfg!(windows) { "C:/user/state/product" } else { "/home/user/state/product" };

fn store(disk: &Disk) -> Store {
    Store::in_directory(PLACE, Some(TOMBSTONES.into())).with_file_system(Arc::new(disk.clone()))
}

fn client(vendor: &Vendor, store: Store) -> Client {
    builder(vendor.roots.clone(), "machine", store, vendor.clock.clone()).build().unwrap()
}

/// A vendor and a disk with its license.
fn activated() -> (Vendor, Disk) {
    let (mut vendor, disk) = (Vendor::new(), Disk::new());
    let client = client(&vendor, store(&disk));
    activate(&mut vendor, &client);
    (vendor, disk)
}

fn activate(vendor: &mut Vendor, client: &Client) {
    let request = client.begin(vendor.license_key()).unwrap().to_bytes();
    client.accept(&vendor.activate(&request).unwrap()).unwrap();
}

/// Every situation that a check can find, with its verdict.
fn situations() -> Vec<(Vendor, Disk, Verdict)> {
    let (vendor, active) = activated();
    let at = |days: u64| {
        let mut vendor = vendor.clone();
        vendor.clock = TestClock::at(START + days * 86_400);
        vendor
    };
    let fresh = Disk::new();
    let pending = Disk::new();
    client(&vendor, store(&pending)).begin(vendor.license_key()).unwrap();

    let deactivated = active.fork();
    client(&vendor, store(&deactivated)).deactivate_offline(Reason::Moved).unwrap();
    let copied_back = deactivated.fork();
    let state = Path::new(PLACE).join("state");
    copied_back.put(&state, &active.files()[&state]);

    let revoked = active.fork();
    let holder = client(&vendor, store(&revoked));
    let handle = holder.check().unwrap().license().unwrap().handle;
    let revocation = vendor.clone().force_release(handle, "lost");
    holder.accept(revocation.as_bytes()).unwrap();

    let damaged = active.fork();
    damaged.put(&state, b"");
    let keyless = active.fork();
    keyless.take_away(Path::new(PLACE).join("device.key"));
    let seen_later = active.fork();
    client(&at(10), store(&seen_later)).observe().unwrap();

    let lease_ended = Verdict::LeaseEnded { at: nodelock::Clock::now(&at(90).clock), clock: None };
    let set_back = Verdict::ClockSetBack { by: Duration::from_secs(10 * 86_400) };
    vec![
        (at(0), fresh, Verdict::Unlicensed { pending: false }),
        (at(0), pending, Verdict::Unlicensed { pending: true }),
        (at(0), active.fork(), Verdict::Active),
        (at(91), active, lease_ended),
        (at(0), seen_later, set_back),
        (at(0), deactivated, Verdict::Deactivated),
        (at(0), copied_back, Verdict::Deactivated),
        (at(0), revoked, Verdict::Revoked { reason: "lost".into() }),
        (at(0), damaged, Verdict::Damaged { reason: ErrorKind::Corrupt }),
        (at(0), keyless, Verdict::WrongMachine { reason: MachineReason::DeviceKey }),
    ]
}

#[test]
fn a_check_writes_nothing_in_any_situation_and_works_on_read_only_media() {
    for (vendor, disk, verdict) in situations() {
        for read_only in [false, true] {
            disk.restart();
            disk.set_read_only(read_only);
            let before = disk.files();
            let client = client(&vendor, store(&disk));
            for _ in 0..3 {
                assert_eq!(*client.check().unwrap().verdict(), verdict);
            }
            client.fingerprint_report().unwrap();
            assert_eq!(disk.files(), before, "{verdict:?}");
            assert_eq!(disk.writes(), 0, "{verdict:?}");
        }
    }
}

#[test]
fn a_warm_check_is_one_look_at_the_file_and_a_cold_one_reads_each_source_once() {
    let (vendor, disk) = activated();
    disk.restart();
    let client = client(&vendor, store(&disk));
    client.check().unwrap();
    let calls = |disk: &Disk| -> Vec<(Call, PathBuf)> {
        disk.log().into_iter().map(|done| (done.call, done.path)).collect()
    };
    let state = Path::new(PLACE).join("state");
    let cold = calls(&disk);
    assert_eq!(cold[..2], [(Call::Stamp, state.clone()), (Call::Read, state.clone())]);
    assert!(cold[2].1.starts_with(TOMBSTONES), "the tombstone: {cold:?}");
    assert_eq!(cold[3..], [(Call::Read, Path::new(PLACE).join("device.key"))]);
    assert_eq!(disk.writes(), 0);

    for _ in 0..100 {
        disk.restart();
        assert!(client.check().unwrap().has_feature("export"));
        assert_eq!(calls(&disk), [(Call::Stamp, state.clone())]);
    }
}

#[test]
fn a_failure_to_read_is_an_error_and_is_not_remembered() {
    let (vendor, disk) = activated();
    let client = client(&vendor, store(&disk));
    for (operation, call) in [(0, Call::Stamp), (1, Call::Read), (3, Call::Read)] {
        disk.inject(operation, Fault::Fail(Io::PermissionDenied));
        assert_eq!(client.check().unwrap_err().kind(), ErrorKind::AccessDenied);
        assert_eq!(disk.faulted().unwrap().call, call);
    }
    disk.heal();
    assert_eq!(*client.check().unwrap().verdict(), Verdict::Active);
}

#[test]
fn a_change_is_noticed_by_every_other_client_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let real = Store::in_directory(folder.path().join("store"), Some(folder.path().join("tombstones")));
    for store in [real, Store::in_memory(), store(&Disk::new())] {
        let mut vendor = Vendor::new();
        let (one, two) = (client(&vendor, store.clone()), client(&vendor, store.clone()));
        let verdict = || two.check().unwrap().verdict().clone();
        assert_eq!(verdict(), Verdict::Unlicensed { pending: false });
        let request = one.begin(vendor.license_key()).unwrap().to_bytes();
        assert_eq!(verdict(), Verdict::Unlicensed { pending: true });
        one.accept(&vendor.activate(&request).unwrap()).unwrap();
        assert_eq!(verdict(), Verdict::Active);
        let handle = two.check().unwrap().license().unwrap().handle;
        // Records of the same length, one right after the other.
        for revision in 2..30 {
            one.accept(vendor.renew(handle).as_bytes()).unwrap();
            assert_eq!(two.check().unwrap().license().unwrap().revision, revision);
        }
        let given_up = one.deactivate_offline(Reason::Moved).unwrap();
        assert_eq!(verdict(), Verdict::Deactivated);
        assert_eq!(two.check().unwrap().outstanding(), 1);
        let receipt = vendor.redeem(given_up.proof()).unwrap();
        one.accept(receipt.as_bytes()).unwrap();
        assert_eq!(two.check().unwrap().outstanding(), 0);
    }
}

#[test]
fn a_snapshot_does_not_change_when_the_store_does() {
    let (vendor, disk) = activated();
    let client = client(&vendor, store(&disk));
    let snapshot = client.check().unwrap();
    client.deactivate_offline(Reason::Moved).unwrap();
    vendor.clock.advance_days(1000);
    assert_eq!(*client.check().unwrap().verdict(), Verdict::Deactivated);
    assert_eq!(*snapshot.verdict(), Verdict::Active);
    assert!(snapshot.is_usable() && snapshot.has_feature("export") && snapshot.license().is_some());
    assert_eq!(snapshot.feature_limit("export"), Some(Limit::UpTo(3)));
    assert_eq!((snapshot.outstanding(), snapshot.pending()), (0, None));
}

/// Where a seat is that goes round and round. It is in between while a change is under way.
const GIVEN_UP: u64 = 0;
const ACTIVE: u64 = 2;

#[test]
fn checks_in_many_threads_beside_a_writer_find_what_is_true() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::in_directory(folder.path().join("store"), None);
    let mut vendor = Vendor::new();
    let shared = client(&vendor, store.clone());
    let writer = client(&vendor, store.clone());
    let roots = vendor.clone();
    let phase = AtomicU64::new(GIVEN_UP);
    // The phase that each thread has last seen whole, from 1.
    let seen: [AtomicU64; 4] = Default::default();
    let emulated = env::var_os("NODELOCK_EMULATED").is_some();
    let is_over = || phase.load(Ordering::SeqCst) == u64::MAX;
    thread::scope(|scope| {
        for (number, seen) in seen.iter().enumerate() {
            let (shared, phase, is_over, roots, store) = (&shared, &phase, &is_over, &roots, &store);
            scope.spawn(move || {
                let own = client(roots, store.clone());
                // Should it fail, nobody waits for it.
                let _gone = OnDrop(|| seen.store(u64::MAX, Ordering::SeqCst));
                while !is_over() {
                    if cfg!(windows) {
                        // A file that somebody has open all the time cannot be replaced there before Windows 10, nor
                        // under wine.
                        thread::sleep(Duration::from_millis(if emulated { 100 } else { 10 }));
                    }
                    // Half of them share one client.
                    let checker = if number % 2 == 0 { shared } else { &own };
                    let before = phase.load(Ordering::SeqCst);
                    let status = checker.check().unwrap();
                    let verdict = status.verdict();
                    let known = matches!(
                        verdict,
                        Verdict::Active | Verdict::Deactivated | Verdict::Unlicensed { .. }
                    );
                    assert!(known, "{verdict:?}");
                    if phase.load(Ordering::SeqCst) != before {
                        continue;
                    }
                    match before % 4 {
                        GIVEN_UP => assert!(!status.is_usable(), "usable after it was given up"),
                        ACTIVE => assert!(status.is_usable(), "{verdict:?} after it was installed"),
                        _ => continue,
                    }
                    seen.store(before + 1, Ordering::SeqCst);
                }
            });
        }
        let change = |act: &mut dyn FnMut()| {
            phase.fetch_add(1, Ordering::SeqCst);
            act();
            let reached = phase.fetch_add(1, Ordering::SeqCst) + 1;
            while seen.iter().any(|seen| seen.load(Ordering::SeqCst) <= reached) {
                thread::sleep(Duration::from_millis(1));
            }
        };
        // Should this thread fail, the others come to their end all the same.
        let _over = OnDrop(|| phase.store(u64::MAX, Ordering::SeqCst));
        for _ in 0..8 {
            change(&mut || activate(&mut vendor, &writer));
            change(&mut || {
                let given_up = writer.deactivate_offline(Reason::Moved).unwrap();
                vendor.redeem(given_up.proof()).unwrap();
            });
        }
    });
}

/// Does something when it goes out of scope, however that comes.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0();
    }
}

#[test]
fn clients_and_what_they_find_go_from_thread_to_thread() {
    fn of_any_thread<T: Send + Sync + 'static>() {}
    of_any_thread::<Client>();
    of_any_thread::<Status>();
    of_any_thread::<Store>();
    of_any_thread::<nodelock::License>();
    of_any_thread::<nodelock::Deactivation>();
    of_any_thread::<nodelock::PendingRequest>();
    of_any_thread::<nodelock::Error>();
}

/// Every file below a folder, with its content and its times.
fn contents(folder: &Path) -> Vec<(PathBuf, Option<Stamp>, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.push((path.clone(), OsFileSystem.stamp(&path).unwrap(), fs::read(&path).unwrap()));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn a_warm_check_of_a_real_store_touches_nothing_and_takes_less_than_a_millisecond() {
    let folder = tempfile::tempdir().unwrap();
    let mut vendor = Vendor::new();
    let client = client(&vendor, Store::in_directory(folder.path().join("store"), None));
    activate(&mut vendor, &client);
    let before = contents(folder.path());
    let mut times = Vec::from_iter((0..1000).map(|_| {
        let start = Instant::now();
        assert!(client.check().unwrap().is_usable());
        start.elapsed()
    }));
    times.sort();
    println!("a warm check: {:?} (median)", times[500]);
    if env::var_os("NODELOCK_EMULATED").is_some() {
        eprintln!("SKIPPED: times under an emulator tell nothing");
    } else {
        assert!(times[500] < Duration::from_millis(1), "{:?}", times[500]);
    }
    assert_eq!(contents(folder.path()), before);
}

/// Another test of this program once more, in a process that has no network at all.
#[cfg(target_os = "linux")]
#[test]
fn everything_offline_works_without_a_network() {
    let unshared = |program: &std::ffi::OsStr| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--user", "--net", "--"]).arg(program);
        command
    };
    if !unshared("true".as_ref()).output().is_ok_and(|probe| probe.status.success()) {
        return skipped(NAMESPACES, "this user may not make a process without a network");
    }
    let child = unshared(std::env::current_exe().unwrap().as_os_str())
        .args(["--exact", "check::a_change_is_noticed_by_every_other_client_at_once"])
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
}
