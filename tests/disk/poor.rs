//! File systems that lack what a store asks for: a directory that cannot be synced, and no locks (docs/DESIGN.md,
//! Store).

use std::{io, path::Path, sync::Arc, time::Duration};

use crate::support::{
    disk::Disk,
    vendor::{Device, Vendor},
};
use nodelock::{
    ErrorKind, Store, Verdict,
    store::{FileSystem, LockGuard, NewFile, Stamp},
};

// Linux's numbers.
const EIO: i32 = 5;
const EBADF: i32 = 9;
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
