//! File systems that lack what a store asks for: a directory that cannot be synced, and no locks (docs/DESIGN.md,
//! Store).

use std::{io, path::Path, sync::Arc, time::Duration};

use crate::support::{
    disk::{Call, Disk, Fault},
    vendor::{Device, Vendor},
};
use nodelock::{
    Client, ErrorKind, Reason, Store, Verdict,
    store::{FileSystem, LockGuard, NewFile, Stamp},
};

// Linux's numbers.
const EPERM: i32 = 1;
const EIO: i32 = 5;
const EBADF: i32 = 9;
const EACCES: i32 = 13;
const EINVAL: i32 = 22;
const ENOLCK: i32 = 37;
const ENOSYS: i32 = 38;
const EOPNOTSUPP: i32 = 95;

/// A disk on which some calls always fail.
#[derive(Clone)]
struct Poor {
    disk: Disk,
    sync_dir: Option<i32>,
    lock: Option<i32>,
}

impl Poor {
    fn store(&self) -> Store {
        Store::in_directory("/home/user/store", Some("/home/user/tombstones".into()))
            .with_file_system(Arc::new(self.clone()))
    }
}

impl FileSystem for Poor {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        self.disk.read(path, limit)
    }
    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        self.disk.stamp(path)
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        self.disk.create_new(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_file(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.sync_dir
            .map_or_else(|| self.disk.sync_dir(path), |number| Err(io::Error::from_raw_os_error(number)))
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }
    fn lock(&self, path: &Path, timeout: Duration) -> io::Result<Box<dyn LockGuard>> {
        self.lock
            .map_or_else(|| self.disk.lock(path, timeout), |number| Err(io::Error::from_raw_os_error(number)))
    }
}

#[test]
fn a_directory_that_cannot_be_synced_stops_nothing_and_the_status_says_so() {
    for number in [EINVAL, EBADF, ENOSYS, EOPNOTSUPP] {
        let poor = Poor { disk: Disk::new(), sync_dir: Some(number), lock: None };
        let mut vendor = Vendor::new();
        let device = Device::with_store(&vendor, "machine", poor.store());
        let begun = device.client().begin(vendor.license_key());
        let request = begun.unwrap_or_else(|error| panic!("{number}: {error}")).to_bytes();
        device.client().accept(&vendor.activate(&request).unwrap()).unwrap();
        assert_eq!(device.verdict(), Verdict::Active, "{number}");
        assert!(!device.reopen().check().unwrap().power_cuts_covered(), "{number}");
        device.check_in(&mut vendor);
        assert!(!device.client().check().unwrap().power_cuts_covered(), "{number}");

        // The same store where it can be synced, as after a move to a disk of the machine's own.
        let moved = Device::with_store(
            &vendor,
            "machine",
            Store::in_directory("/home/user/store", Some("/home/user/tombstones".into()))
                .with_file_system(Arc::new(poor.disk.clone())),
        );
        moved.check_in(&mut vendor);
        assert!(moved.client().check().unwrap().power_cuts_covered(), "{number}");
    }
}

#[test]
fn a_directory_whose_sync_fails_is_an_error() {
    let poor = Poor { disk: Disk::new(), sync_dir: Some(EIO), lock: None };
    assert_eq!(poor.store().write().unwrap_err().kind(), ErrorKind::Io);

    // A commit that nobody knows of before its directory is synced.
    let healthy = Poor { sync_dir: None, ..poor.clone() };
    healthy.store().write().unwrap().commit(b"body").unwrap();
    let store = poor.store();
    assert_eq!(store.write().unwrap().settle().unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(store.write().unwrap().commit(b"more").unwrap_err().kind(), ErrorKind::Io);
}

/// What gives a seat up is refused before anything is changed where the directory can be written and not synced. The
/// seat would be gone here and nobody would be told its code.
#[test]
fn no_seat_is_given_up_where_the_directory_fails_to_sync() {
    for (number, kind) in
        [(EACCES, ErrorKind::AccessDenied), (EPERM, ErrorKind::AccessDenied), (EIO, ErrorKind::Io)]
    {
        let healthy = Poor { disk: Disk::new(), sync_dir: None, lock: None };
        let poor = Poor { sync_dir: Some(number), ..healthy.clone() };
        let vendor = Vendor::new();
        let (mut granting, mut other) = (vendor.clone(), vendor.another_license());
        let client = |poor: &Poor| -> Client {
            let device = Device::with_store(&vendor, "machine", poor.store());
            device.builder().replace_license(true).replace_request(true).build().unwrap()
        };
        let (before, after) = (client(&healthy), client(&poor));
        let state = || healthy.disk.files()[&healthy.store().directory().join("state")].clone();
        let request = before.begin(vendor.license_key()).unwrap().to_bytes();
        before.accept(&granting.activate(&request).unwrap()).unwrap();

        let active = state();
        assert_eq!(after.deactivate_offline(Reason::Moved).unwrap_err().kind(), kind, "{number}");
        assert!(state() == active, "{number}");
        assert!(after.check().unwrap().is_usable(), "{number}");

        let request = before.begin(other.license_key()).unwrap();
        let asked = state();
        assert_eq!(after.cancel().unwrap_err().kind(), kind, "{number}");
        let third = vendor.another_license().license_key();
        assert_eq!(after.begin(third).unwrap_err().kind(), kind, "{number}");
        // The new license would give the seat of the old one up.
        let answer = other.activate(&request.to_bytes()).unwrap();
        assert_eq!(after.accept(&answer).unwrap_err().kind(), kind, "{number}");
        assert!(state() == asked, "{number}");
        assert!(after.check().unwrap().is_usable(), "{number}");

        assert_eq!(before.accept(&answer).unwrap().status().outstanding(), 1, "{number}");
        assert!(before.deactivate_offline(Reason::Moved).is_ok(), "{number}");
    }
}

/// What is shown again on a file system that cannot sync the directory any more says so, though nothing else changes.
#[test]
fn what_is_shown_without_a_change_notes_a_directory_that_cannot_be_synced() {
    let healthy = Poor { disk: Disk::new(), sync_dir: None, lock: None };
    let mut vendor = Vendor::new();
    let device = Device::with_store(&vendor, "machine", healthy.store());
    device.activate(&mut vendor);
    device.client().deactivate_offline(Reason::Moved).unwrap();
    for sync_dir in [None, Some(EINVAL), Some(EINVAL), None] {
        let poor = Poor { sync_dir, ..healthy.clone() };
        let client = Device::with_store(&vendor, "machine", poor.store()).reopen();
        assert_eq!(client.outstanding().unwrap().len(), 1);
        assert_eq!(client.check().unwrap().power_cuts_covered(), sync_dir.is_none(), "{sync_dir:?}");
    }
}

/// The body is durable by then, and only the note of the file system is missing.
#[test]
fn a_note_of_the_file_system_that_fails_undoes_no_commit() {
    let healthy = Poor { disk: Disk::new(), sync_dir: None, lock: None };
    healthy.store().write().unwrap().commit(b"body").unwrap();
    let store = Poor { sync_dir: Some(EINVAL), ..healthy.clone() }.store();
    let mut writer = store.write().unwrap();
    // create, write, sync, rename, a look at the reserve
    healthy.disk.inject(5, Fault::FailFrom(io::ErrorKind::Other));
    let committed = writer.commit(b"more");
    assert_eq!(healthy.disk.faulted().unwrap().call, Call::CreateNew);
    committed.unwrap();
    healthy.disk.heal();
    assert_eq!(store.read().unwrap().body.as_deref(), Some(&b"more"[..]));
    assert!(store.read().unwrap() == *writer.snapshot());
    drop(writer);

    store.write().unwrap().commit(b"again").unwrap();
    assert!(store.read().unwrap().unsynced);
}

/// A state that was too long and is removed is as if there had been none, also for a client that runs on.
#[test]
fn a_damaged_state_that_is_removed_is_not_remembered() {
    let disk = Disk::new();
    let vendor = Vendor::new();
    let poor = Poor { disk: disk.clone(), sync_dir: None, lock: None };
    let device = Device::with_store(&vendor, "machine", poor.store());
    let state = device.store().directory().join("state");
    disk.put(&state, &vec![0; (1 << 20) + 1]);
    for _ in 0..2 {
        assert_eq!(device.verdict(), Verdict::Damaged { reason: ErrorKind::Corrupt });
    }
    disk.take_away(&state);
    for _ in 0..2 {
        assert_eq!(device.verdict(), Verdict::Unlicensed { pending: false });
    }
}

/// The state says whether its directory can be synced as soon as one commit has found out, wherever it was before.
#[test]
fn the_first_commit_after_a_move_says_whether_power_cuts_are_covered() {
    let disk = Disk::new();
    for sync_dir in [None, Some(EINVAL), Some(EINVAL), None, None] {
        let store = Poor { disk: disk.clone(), sync_dir, lock: None }.store();
        let mut writer = store.write().unwrap();
        let generation = writer.snapshot().generation;
        writer.commit(b"body").unwrap();
        let found = store.read().unwrap();
        assert_eq!((found.generation, found.unsynced), (generation + 1, sync_dir.is_some()));
        assert!(found == *writer.snapshot());
    }
}

#[test]
fn a_file_system_without_locks_is_named() {
    for number in [ENOLCK, ENOSYS, EOPNOTSUPP] {
        let poor = Poor { disk: Disk::new(), sync_dir: None, lock: Some(number) };
        let error = poor.store().write().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoLocks, "{number}");
        assert!(error.to_string().contains("/home/user/store"), "{error}");
    }
    let poor = Poor { disk: Disk::new(), sync_dir: None, lock: Some(EIO) };
    assert_eq!(poor.store().write().unwrap_err().kind(), ErrorKind::Io);
}

/// On a healthy file system nothing is said.
#[test]
fn a_synced_directory_is_covered() {
    let mut vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    assert!(device.client().check().unwrap().power_cuts_covered());
    device.activate(&mut vendor);
    assert!(device.client().check().unwrap().power_cuts_covered());
}
