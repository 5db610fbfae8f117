//! Advice about the store, the disk and the system.

use std::{fs, io, time::Duration};

use nodelock::Store;

use super::{Heard, Told};
use crate::desk::{Desk, Randomness};

pub const TOLD: &[Told] = &[(
    "Put the file back from a copy if there is one. Otherwise ask the vendor to release the seat, and ask for a new \
     one.",
    device_key,
)];

fn device_key(heard: &Heard) {
    let desk = Desk::active();
    let key = desk.path("store/device.key");
    let copy = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    heard.from(desk.refused(&["deactivate", "--offline"], "corrupt"));
    fs::write(&key, copy).unwrap();
    assert!(desk.is_active());
    fs::remove_file(&key).unwrap();
    desk.authority.release(desk.seat().parse().unwrap(), "its key is lost").unwrap();
    desk.done(&["activate", &desk.key, "--replace-license"]);
    assert!(desk.is_active());
}

pub fn busy(heard: &Heard) {
    let desk = Desk::active();
    let other_program = Store::in_directory(desk.path("store"), None).with_lock_timeout(Duration::ZERO);
    let writing = other_program.write().unwrap();
    heard.from(desk.refused(&["deactivate", "--offline"], "busy"));
    assert!(desk.is_active());
    drop(writing);
    desk.done(&["deactivate", "--offline"]);
}

pub fn corrupt(heard: &Heard) {
    let desk = Desk::active();
    fs::write(desk.path("store/state"), "damaged").unwrap();
    heard.from(desk.refused(&["deactivate", "--offline"], "corrupt"));
    heard.from(&desk.status("damaged"));
    desk.clock.advance_days(1);
    desk.done(&["recover"]);
    assert!(desk.is_active());
    assert_eq!(desk.authority.usage(&desk.key).unwrap().taken, 1, "in place of the lost one");
    // And by hand.
    fs::write(desk.path("store/state"), "damaged").unwrap();
    desk.clock.advance_days(1);
    let request = desk.text(&["recover", "--offline"]);
    desk.done(&["install", &desk.answer(request)]);
    assert!(desk.is_active());
}

/// What is said of a disk on which no file can be made; then the fault is over, or, where `elsewhere` is advised,
/// another folder is chosen. Nothing was lost.
fn no_file_can_be_made(heard: &Heard, fault: io::ErrorKind, kind: &str, elsewhere: bool) {
    let desk = Desk::active();
    *desk.disk.new_file.lock().unwrap() = Some(fault);
    heard.from(desk.refused(&["deactivate", "--offline"], kind));
    assert!(desk.is_active(), "nothing was lost");
    if elsewhere {
        let folder = desk.path("elsewhere");
        assert_eq!(desk.json(&["request", &desk.key, "--store", &folder])["new"], true);
    }
    *desk.disk.new_file.lock().unwrap() = None;
    desk.done(&["deactivate", "--offline"]);
}

pub fn no_space(heard: &Heard) {
    no_file_can_be_made(heard, io::ErrorKind::StorageFull, "no-space", false);
}

pub fn read_only(heard: &Heard) {
    no_file_can_be_made(heard, io::ErrorKind::ReadOnlyFilesystem, "read-only", true);
}

/// The way by `chown` is in `tests/disk/owners.rs`.
pub fn access_denied(heard: &Heard) {
    no_file_can_be_made(heard, io::ErrorKind::PermissionDenied, "access-denied", true);
}

pub fn io(heard: &Heard) {
    no_file_can_be_made(heard, io::ErrorKind::Other, "io", true);
    // A file is where the folder would be.
    let desk = Desk::new();
    let there = desk.file("");
    heard.from(desk.refused(&["request", &desk.key, "--store", &there], "io"));
    fs::remove_file(&there).unwrap();
    desk.done(&["request", &desk.key, "--store", &there]);
}

pub fn no_locks(heard: &Heard) {
    let desk = Desk::new();
    *desk.disk.lock.lock().unwrap() = Some(io::ErrorKind::Unsupported);
    heard.from(desk.refused(&["request", &desk.key], "no-locks"));
    desk.done(&["activate", &desk.key, "--store", &desk.path("elsewhere")]);
    let another = desk.authority.sell(1).unwrap();
    *desk.disk.lock.lock().unwrap() = None;
    desk.done(&["activate", &another]);
    assert!(desk.is_active());
}

pub fn no_random(heard: &Heard) {
    let mut desk = Desk::new();
    desk.randomness = Randomness::Missing;
    heard.from(desk.refused(&["request", &desk.key], "no-random"));
    assert!(desk.json(&["status"])["pending"].is_null(), "nothing was changed");
    desk.randomness = Randomness::Good;
    desk.license_by_hand();
}
