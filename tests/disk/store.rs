//! The store under faults: kills, power cuts, errors, damaged files, other processes (docs/THREATS.md, Test 1 to
//! Test 4).

use std::{
    collections::HashSet,
    env,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::support::disk::{self, Call, Cut, Disk, ERRORS, Fault};
use nodelock::{
    ErrorKind, Result,
    store::{FileSystem as _, OsFileSystem, Snapshot, Store},
};
use ring::digest::{SHA256, digest};

const OLD: &[u8] = b"old";
const NEW: &[u8] = b"the new body";
const KEY: &[u8] = &[7; 48];
const NAME: &[u8; 16] = b"sixteen bytes...";
const CONTENT: &[u8; 32] = b"thirty-two bytes of keyed hash..";
const RESERVE: usize = 64 * 1024;
const LIMIT: usize = 1 << 20;

fn store(disk: &Disk) -> Store {
    Store::in_directory("/var/lib/vendor/product", Some("/home/user/state/product".into()))
        .with_file_system(Arc::new(disk.clone()))
}

fn commit(disk: &Disk, body: &[u8]) -> Result<()> {
    store(disk).write()?.commit(body)
}

/// What the first activation on a machine does.
fn key_and_commit(disk: &Disk) -> Result<()> {
    let store = store(disk);
    let mut writer = store.write()?;
    match store.device_key()? {
        Some(_) => writer.settle()?,
        None => writer.create_device_key(KEY)?,
    }
    writer.commit(NEW)
}

fn body(disk: &Disk) -> Option<Vec<u8>> {
    store(disk).read().expect("a whole state").body.clone()
}

/// A disk with a device key and [`OLD`].
fn prepared() -> Disk {
    let disk = Disk::new();
    key_and_commit(&disk).unwrap();
    commit(&disk, OLD).unwrap();
    disk
}

fn is_temporary(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "new")
}

// The order of operations

#[test]
fn a_commit_syncs_the_file_before_the_rename_and_the_directory_after_it() {
    let disk = prepared();
    let store = store(&disk);
    let mut writer = store.write().unwrap();
    let calls = |disk: &Disk| -> Vec<(Call, String)> {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        disk.log().into_iter().map(|done| (done.call, name(&done.path))).collect()
    };
    let expect = |calls: Vec<(Call, String)>, expected: &[(Call, &str)]| {
        assert_eq!(calls.iter().map(|(call, name)| (*call, name.as_str())).collect::<Vec<_>>(), expected);
    };

    disk.inject(usize::MAX, Fault::Kill);
    writer.commit(NEW).unwrap();
    expect(
        calls(&disk),
        &[
            (Call::CreateNew, "state.new"),
            (Call::Write, "state.new"),
            (Call::SyncFile, "state.new"),
            (Call::Rename, "state"),
            (Call::SyncDir, "product"),
            (Call::Stamp, "reserve"),
        ],
    );

    disk.inject(usize::MAX, Fault::Kill);
    writer.settle().unwrap();
    expect(calls(&disk), &[]);

    drop(writer);
    disk.restart();
    let mut writer = store.write().unwrap();
    expect(
        calls(&disk),
        &[
            (Call::Stamp, "lock"),
            (Call::Lock, "lock"),
            (Call::Remove, "state.new"),
            (Call::Remove, "device.key.new"),
            (Call::Read, "state"),
        ],
    );

    disk.inject(usize::MAX, Fault::Kill);
    writer.settle().unwrap();
    writer.settle().unwrap();
    expect(calls(&disk), &[(Call::SyncFile, "state"), (Call::SyncDir, "product")]);
}

// Kills and power cuts

#[test]
fn a_kill_at_any_operation_of_a_commit_leaves_the_old_or_the_new_state() {
    let points = prepared().sweep(Fault::Kill, |disk| {
        let announced = commit(disk, NEW).is_ok();
        disk.restart();
        let found = body(disk).unwrap();
        assert!(found == NEW || found == OLD && !announced);

        let before = store(disk).read().unwrap().generation;
        commit(disk, b"the next").unwrap();
        assert_eq!(store(disk).read().unwrap().generation, before + 1);
        assert!(!disk.files().keys().any(|path| is_temporary(path)));
    });
    assert_eq!(points, 11);
}

#[test]
fn a_kill_at_any_operation_of_the_first_commit_leaves_nothing_or_everything() {
    let points = Disk::new().sweep(Fault::Kill, |disk| {
        let announced = key_and_commit(disk).is_ok();
        disk.restart();
        let key = store(disk).device_key().unwrap();
        assert!(key.is_none_or(|key| *key == KEY));
        let found = body(disk);
        assert!(found.as_deref() == Some(NEW) || found.is_none() && !announced);
        key_and_commit(disk).unwrap();
        assert_eq!(body(disk).unwrap(), NEW);
    });
    assert!(points > 25, "{points}");
}

/// Kills `commit` at every operation, cuts the power in every way, and counts the commits that were announced and
/// are not there any more. Nothing may ever be torn.
fn announced_but_lost(disk: &Disk, commit: impl Fn(&Disk) -> Result<()>) -> (usize, usize) {
    let old = body(disk);
    let (mut cuts, mut lost) = (0, 0);
    disk.sweep(Fault::Kill, |disk| {
        let announced = commit(disk).is_ok();
        for cut in Cut::all(40) {
            let disk = disk.fork();
            disk.power_cut(cut);
            let found = body(&disk);
            assert!(found == old || found.as_deref() == Some(NEW), "{cut:?}");
            cuts += 1;
            lost += usize::from(announced && found == old);
        }
    });
    (cuts, lost)
}

#[test]
fn an_announced_commit_survives_every_power_cut() {
    for (disk, commit) in
        [(prepared(), (|disk| commit(disk, NEW)) as fn(&Disk) -> _), (Disk::new(), key_and_commit)]
    {
        let (cuts, lost) = announced_but_lost(&disk, commit);
        assert!(cuts > 500, "{cuts}");
        assert_eq!(lost, 0);

        disk.ignore_sync_dir();
        assert_ne!(
            announced_but_lost(&disk, commit).1,
            0,
            "the control without directory syncs must lose some"
        );
    }
}

/// Kills `commit` at every operation, opens the store again, and counts the power cuts that take back what the new
/// writer has settled.
fn seen_but_lost(disk: &Disk, commit: impl Fn(&Disk) -> Result<()>) -> usize {
    let mut lost = 0;
    disk.sweep(Fault::Kill, |disk| {
        let _ = commit(disk);
        disk.restart();
        let store_again = store(disk);
        let mut writer = store_again.write().unwrap();
        writer.settle().unwrap();
        let seen = writer.snapshot().clone();
        let key = store(disk).device_key().unwrap();
        for cut in Cut::all(40) {
            let disk = disk.fork();
            disk.power_cut(cut);
            let kept = store(&disk).read().unwrap() == seen && store(&disk).device_key().unwrap() == key;
            lost += usize::from(!kept);
        }
    });
    lost
}

#[test]
fn what_a_writer_settles_after_a_kill_survives_every_power_cut() {
    for (disk, commit) in
        [(prepared(), (|disk| commit(disk, NEW)) as fn(&Disk) -> _), (Disk::new(), key_and_commit)]
    {
        assert_eq!(seen_but_lost(&disk, commit), 0);
        disk.ignore_sync_dir();
        assert_ne!(seen_but_lost(&disk, commit), 0, "the control without directory syncs must lose some");
    }
}

/// Two processes are killed one after the other, and then the power goes: no state is there without the key that it
/// needs.
#[test]
fn a_state_that_needs_a_key_is_never_durable_before_it() {
    let mut states = 0;
    Disk::new().sweep(Fault::Kill, |disk| {
        let _ = key_and_commit(disk);
        disk.restart();
        disk.sweep(Fault::Kill, |disk| {
            let _ = key_and_commit(disk);
            for cut in Cut::all(8) {
                let disk = disk.fork();
                disk.power_cut(cut);
                let has_state = body(&disk).is_some();
                states += usize::from(has_state);
                assert!(!has_state || store(&disk).device_key().unwrap().is_some(), "{cut:?}");
            }
        });
    });
    assert!(states > 100, "{states}");
}

/// A tombstone is about what is durable, so that no power cut leaves it beside the license.
#[test]
fn a_tombstone_settles_what_it_is_about() {
    let (mut kept, mut lost) = (0, 0);
    prepared().sweep(Fault::Kill, |disk| {
        let _ = commit(disk, NEW);
        disk.restart();
        if body(disk).unwrap() == OLD {
            return;
        }
        disk.sweep(Fault::Kill, |disk| {
            let store_again = store(disk);
            let _ = store_again.write().and_then(|mut writer| writer.write_tombstone(NAME, CONTENT));
            for cut in Cut::all(8) {
                let disk = disk.fork();
                disk.power_cut(cut);
                let is_old = body(&disk).unwrap() == OLD;
                let has_tombstone = store(&disk).tombstone_exists(NAME, CONTENT);
                assert!(!(is_old && has_tombstone), "{cut:?}");
                kept += usize::from(has_tombstone);
                lost += usize::from(is_old);
            }
        });
    });
    assert!(kept > 0 && lost > 0, "{kept} tombstones, {lost} states lost");
}

#[test]
fn directories_left_by_a_killed_process_are_made_durable_by_the_next() {
    Disk::new().sweep(Fault::Kill, |disk| {
        let _ = key_and_commit(disk);
        disk.restart();
        key_and_commit(disk).unwrap();
        disk.power_cut(Cut::LoseAll);
        assert_eq!(body(disk).unwrap(), NEW);
        assert_eq!(*store(disk).device_key().unwrap().unwrap(), KEY);
    });
}

// Errors

#[test]
fn every_error_at_every_operation_is_typed_and_loses_nothing() {
    let mut points = 0;
    for (error, kind) in ERRORS {
        for fault in [Fault::Fail(error), Fault::FailFrom(error)] {
            points += prepared().sweep(fault, |disk| {
                let result = commit(disk, NEW);
                let faulted = disk.faulted();
                disk.restart();
                let found = body(disk).unwrap();
                match (result, faulted) {
                    (Err(error), Some(_)) => {
                        assert_eq!(error.kind(), kind);
                        assert!(found == OLD || found == NEW);
                    }
                    (Ok(()), Some(at)) => {
                        assert_eq!(found, NEW);
                        // Either the reserve could not be looked at, or a fresh attempt was allowed.
                        let fresh = matches!(fault, Fault::Fail(_))
                            && (is_temporary(&at.path)
                                && (at.call == Call::SyncFile || kind == ErrorKind::NoSpace)
                                || at.call == Call::Rename && kind == ErrorKind::NoSpace);
                        assert!(fresh || at.path.ends_with("reserve"), "{fault:?} {at:?}");
                    }
                    (result, None) => result.unwrap(),
                }
                commit(disk, b"again").unwrap();
                assert_eq!(body(disk).unwrap(), b"again");
                assert_eq!(*store(disk).device_key().unwrap().unwrap(), KEY);
            });
        }
    }
    assert!(points > 100, "{points}");
}

#[test]
fn every_error_of_a_sync_without_a_commit_is_typed() {
    for (error, kind) in ERRORS {
        let points = prepared().sweep(Fault::Fail(error), |disk| {
            let store = store(disk);
            let settled = store.write().and_then(|mut writer| writer.settle());
            assert_eq!(settled.err().map(|error| error.kind()), disk.faulted().map(|_| kind));
        });
        assert_eq!(points, 7);
    }
}

#[test]
fn every_error_at_every_operation_of_the_first_commit_is_typed_too() {
    for (error, kind) in ERRORS {
        Disk::new().sweep(Fault::FailFrom(error), |disk| {
            let result = key_and_commit(disk);
            let faulted = disk.faulted();
            disk.restart();
            match (result, faulted) {
                (Err(error), Some(_)) => assert_eq!(error.kind(), kind),
                (Ok(()), Some(at)) => assert!(at.path.ends_with("reserve"), "{at:?}"),
                (result, None) => result.unwrap(),
            }
            key_and_commit(disk).unwrap();
            disk.power_cut(Cut::LoseAll);
            assert_eq!(body(disk).unwrap(), NEW);
        });
    }
}

/// The number of the first operation of a commit on `disk` that is `call` and about a file called `name`.
fn position(disk: &Disk, call: Call, name: &str) -> usize {
    let trial = disk.fork();
    commit(&trial, NEW).unwrap();
    trial.log().iter().position(|done| done.call == call && done.path.ends_with(name)).unwrap()
}

#[test]
fn after_a_failed_sync_the_commit_starts_again_with_a_new_file() {
    let disk = prepared();
    disk.inject(position(&disk, Call::SyncFile, "state.new"), Fault::Fail(io::ErrorKind::Other));
    commit(&disk, NEW).unwrap();
    assert!(disk.faulted().is_some());
    let created = |done: &&_| matches!(done, disk::Operation { call: Call::CreateNew, .. });
    assert_eq!(disk.log().iter().filter(created).count(), 2);
    disk.power_cut(Cut::LoseAll);
    assert_eq!(body(&disk).unwrap(), NEW);
}

#[test]
fn a_sync_that_keeps_failing_is_an_error() {
    let disk = prepared();
    disk.inject(position(&disk, Call::SyncFile, "state.new"), Fault::FailFrom(io::ErrorKind::Other));
    assert_eq!(commit(&disk, NEW).unwrap_err().kind(), ErrorKind::Io);
    disk.power_cut(Cut::KeepAll);
    assert_eq!(body(&disk).unwrap(), OLD);
}

#[test]
fn a_commit_whose_directory_sync_failed_is_not_announced_and_its_writer_is_spent() {
    let disk = prepared();
    let store = store(&disk);
    let mut writer = store.write().unwrap();
    // create, write, sync, rename, sync of the directory
    disk.inject(4, Fault::Fail(io::ErrorKind::Other));
    assert_eq!(writer.commit(NEW).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(disk.faulted().unwrap().call, Call::SyncDir);
    assert_eq!(writer.snapshot().body.as_deref(), Some(OLD));
    assert_eq!(writer.commit(NEW).unwrap_err().kind(), ErrorKind::InvalidInput);
    drop(writer);

    let mut writer = store.write().unwrap();
    assert_eq!(writer.snapshot().body.as_deref(), Some(NEW));
    writer.settle().unwrap();
    disk.power_cut(Cut::LoseAll);
    assert_eq!(body(&disk).unwrap(), NEW);
}

#[test]
fn the_reserve_makes_room_for_a_commit_on_a_full_disk() {
    let disk = prepared();
    let reserve = store(&disk).directory().join("reserve");
    assert_eq!(disk.files()[&reserve].len(), RESERVE);
    assert!(!disk.files()[&reserve].contains(&0));

    disk.set_capacity(Some(disk.used()));
    commit(&disk, NEW).unwrap();
    assert_eq!(body(&disk).unwrap(), NEW);
    assert!(!disk.files().contains_key(&reserve));

    // As long as there is no room for it again, there is no half of it either.
    disk.set_capacity(Some(RESERVE));
    commit(&disk, OLD).unwrap();
    assert!(!disk.files().contains_key(&reserve));
    disk.set_capacity(None);
    commit(&disk, NEW).unwrap();
    assert_eq!(disk.files()[&reserve].len(), RESERVE);
}

#[test]
fn a_full_disk_without_a_reserve_is_an_error_and_changes_nothing() {
    let disk = prepared();
    disk.take_away(store(&disk).directory().join("reserve"));
    disk.set_capacity(Some(disk.used()));
    let before = disk.files();
    assert_eq!(commit(&disk, NEW).unwrap_err().kind(), ErrorKind::NoSpace);
    assert_eq!(disk.files(), before);
}

#[test]
fn a_reserve_that_was_not_finished_is_made_again() {
    let disk = prepared();
    let reserve = store(&disk).directory().join("reserve");
    disk.put(&reserve, b"short");
    commit(&disk, NEW).unwrap();
    assert_eq!(disk.files()[&reserve].len(), RESERVE);
}

#[cfg(target_os = "linux")]
#[test]
fn the_error_numbers_of_the_system_have_their_kinds() {
    let numbers = [28, 122, 30, 13, 5];
    for (number, (error, kind)) in numbers.into_iter().zip(ERRORS) {
        let raw = io::Error::from_raw_os_error(number);
        assert!(raw.kind() == error || error == io::ErrorKind::Other, "{raw}");
        assert_eq!(nodelock::Error::io("", raw).kind(), kind);
    }
}

// The format

fn with_trailer(content: &[u8]) -> Vec<u8> {
    [content, digest(&SHA256, content).as_ref()].concat()
}

#[test]
fn the_state_file_has_the_documented_bytes() {
    let disk = Disk::new();
    commit(&disk, b"body").unwrap();
    let file = [
        &b"NLST\x01\0\0\0\x01\0\0\0\0\0\0\0\x04\0\0\0body"[..],
        // SHA-256, computed by Python's hashlib
        b"\x03\x4a\x3d\x98\x83\x70\x01\x7f\x1f\x99\x5b\xc6\x77\x29\x1d\x64",
        b"\xd0\x13\xc4\xa7\x0b\xd5\xd3\x9e\xa5\x41\x87\x91\xff\x77\x39\x79",
    ];
    assert_eq!(disk.files()[&store(&disk).directory().join("state")], file.concat());
}

#[test]
fn damage_is_told_apart_from_absence_and_nothing_is_touched() {
    let disk = prepared();
    let path = store(&disk).directory().join("state");
    let good = disk.files()[&path].clone();
    let content = &good[..good.len() - 32];
    let edited = |at: usize, byte: u8| {
        let mut content = content.to_vec();
        content[at] = byte;
        with_trailer(&content)
    };
    let mut no_generation = content.to_vec();
    no_generation[8..16].fill(0);

    let mut cases = vec![
        ("a zero-length file", Vec::new(), ErrorKind::Corrupt),
        ("another magic", edited(0, b'M'), ErrorKind::Corrupt),
        ("version 0", edited(4, 0), ErrorKind::Corrupt),
        ("version 2", edited(4, 2), ErrorKind::UnsupportedVersion),
        ("version 255", edited(4, 255), ErrorKind::UnsupportedVersion),
        ("another form of version 2", with_trailer(b"NLST\x02"), ErrorKind::UnsupportedVersion),
        ("version 2 with a bad trailer", [b"NLST\x02", [0; 40].as_slice()].concat(), ErrorKind::Corrupt),
        ("nothing but a magic", with_trailer(b"NLST"), ErrorKind::Corrupt),
        ("nothing but a trailer", with_trailer(b""), ErrorKind::Corrupt),
        ("an unknown flag", edited(5, 2), ErrorKind::Corrupt),
        ("a reserved byte", edited(6, 1), ErrorKind::Corrupt),
        ("generation 0", with_trailer(&no_generation), ErrorKind::Corrupt),
        ("a body too short", edited(16, OLD.len() as u8 + 1), ErrorKind::Corrupt),
        ("a body too long", edited(16, OLD.len() as u8 - 1), ErrorKind::Corrupt),
        ("a byte appended", [good.as_slice(), &[0]].concat(), ErrorKind::Corrupt),
        ("more than 1 MiB", with_trailer(&vec![0; LIMIT]), ErrorKind::Corrupt),
        (
            "more than 1 MiB of version 2",
            with_trailer(&[b"NLST\x02", vec![0; LIMIT].as_slice()].concat()),
            ErrorKind::Corrupt,
        ),
    ];
    cases.extend((0..good.len()).map(|length| ("truncated", good[..length].to_vec(), ErrorKind::Corrupt)));
    cases.extend((0..good.len() * 8).map(|bit| {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        ("a flipped bit", flipped, ErrorKind::Corrupt)
    }));

    for (what, bytes, kind) in cases {
        disk.put(&path, &bytes);
        let before = disk.files();
        assert_eq!(store(&disk).read().unwrap_err().kind(), kind, "{what}");
        assert_eq!(store(&disk).write().unwrap_err().kind(), kind, "{what}");
        assert_eq!(disk.files(), before, "{what}");
    }

    disk.put(&path, &good);
    assert_eq!(body(&disk).unwrap(), OLD);
}

#[test]
fn a_device_key_that_cannot_be_one_is_damage() {
    let disk = prepared();
    for bytes in [vec![], vec![1; 257]] {
        disk.put(store(&disk).directory().join("device.key"), &bytes);
        assert_eq!(store(&disk).device_key().unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

// All stores alike

fn stores() -> Vec<(Store, Option<tempfile::TempDir>)> {
    let directory = tempfile::tempdir().unwrap();
    let real =
        Store::in_directory(directory.path().join("a/b/store"), Some(directory.path().join("c/tombstones")));
    vec![(real, Some(directory)), (Store::in_memory(), None), (store(&Disk::new()), None)]
}

#[test]
fn every_kind_of_store_keeps_the_same_promises() {
    for (store, _directory) in stores() {
        let store = store.with_lock_timeout(Duration::ZERO);
        assert_eq!(store.read().unwrap(), Snapshot::default());
        assert!(store.device_key().unwrap().is_none());
        assert!(store.stamp().unwrap().is_none());

        let mut writer = store.write().unwrap();
        assert_eq!(store.write().unwrap_err().kind(), ErrorKind::Busy);
        for key in [&[][..], &[1; 257]] {
            assert_eq!(writer.create_device_key(key).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        writer.create_device_key(KEY).unwrap();
        assert_eq!(writer.create_device_key(&[8; 48]).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(*store.device_key().unwrap().unwrap(), KEY);

        let largest = vec![1; LIMIT - 52];
        for (count, body) in [OLD, NEW, b"", &largest].into_iter().enumerate() {
            writer.commit(body).unwrap();
            let expected =
                Snapshot { generation: count as u64 + 1, body: Some(body.to_vec()), unsynced: false };
            assert_eq!(*writer.snapshot(), expected);
            assert_eq!(store.clone().read().unwrap(), expected);
        }
        assert_eq!(writer.commit(&vec![1; LIMIT - 51]).unwrap_err().kind(), ErrorKind::TooLarge);
        writer.commit(OLD).unwrap();
        drop(writer);
        assert_eq!(store.write().unwrap().snapshot().generation, 5);

        assert!(!store.tombstone_exists(NAME, CONTENT));
        let mut writer = store.write().unwrap();
        writer.write_tombstone(NAME, CONTENT).unwrap();
        writer.write_tombstone(NAME, CONTENT).unwrap();
        assert!(store.tombstone_exists(NAME, CONTENT));
        assert!(!store.tombstone_exists(NAME, &[0; 32]));
        assert!(!store.tombstone_exists(&[0; 16], CONTENT));
        writer.write_tombstone(NAME, &[0; 32]).unwrap();
        assert!(store.tombstone_exists(NAME, &[0; 32]));
    }
}

#[test]
fn a_stamp_changes_with_every_commit_and_not_otherwise() {
    for (store, _directory) in stores() {
        let mut writer = store.write().unwrap();
        let mut last = store.stamp().unwrap();
        for body in [b"one", b"two", b"3rd", b"one"] {
            writer.commit(body).unwrap();
            let stamp = store.stamp().unwrap();
            assert_ne!(stamp, last);
            store.read().unwrap();
            assert_eq!(store.stamp().unwrap(), stamp);
            last = stamp;
        }
    }
}

#[test]
fn a_store_without_a_place_for_tombstones_has_none() {
    let store = Store::in_directory("/store", None).with_file_system(Arc::new(Disk::new()));
    store.write().unwrap().write_tombstone(NAME, CONTENT).unwrap();
    assert!(!store.tombstone_exists(NAME, CONTENT));
}

#[test]
fn a_kill_at_any_operation_of_a_tombstone_is_mended_by_writing_it_again() {
    let write = |disk: &Disk| store(disk).write()?.write_tombstone(NAME, CONTENT);
    let points = prepared().sweep(Fault::Kill, |disk| {
        let written = write(disk).is_ok();
        disk.restart();
        assert!(store(disk).tombstone_exists(NAME, CONTENT) || !written);
        write(disk).unwrap();
        assert!(store(disk).tombstone_exists(NAME, CONTENT));
    });
    assert!(points > 10, "{points}");
}

// Reading

#[test]
fn reading_works_on_read_only_media_and_writes_nothing() {
    let disk = prepared();
    store(&disk).write().unwrap().write_tombstone(NAME, CONTENT).unwrap();
    disk.set_read_only(true);
    disk.restart();
    let store = store(&disk);
    assert_eq!(store.read().unwrap().body.as_deref(), Some(OLD));
    assert!(store.device_key().unwrap().is_some());
    assert!(store.stamp().unwrap().is_some());
    assert!(store.tombstone_exists(NAME, CONTENT));
    assert_eq!(disk.writes(), 0);
    assert_eq!(store.write().unwrap_err().kind(), ErrorKind::ReadOnly);
}

#[test]
fn reading_works_while_a_writer_holds_the_lock_and_creates_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("store");
    let store = Store::in_directory(&place, Some(directory.path().join("tombstones")));
    store.read().unwrap();
    store.device_key().unwrap();
    store.stamp().unwrap();
    assert!(!store.tombstone_exists(NAME, CONTENT));
    assert!(!place.exists());

    let mut writer = store.write().unwrap();
    writer.commit(OLD).unwrap();
    let before = contents(&place);
    assert_eq!(store.read().unwrap().body.as_deref(), Some(OLD));
    assert_eq!(contents(&place), before);
}

/// Every file with its time of change and its content.
fn contents(directory: &Path) -> Vec<(PathBuf, Option<nodelock::store::Stamp>, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        // Windows does not let anybody read the lock.
        .map(|path| (path.clone(), OsFileSystem.stamp(&path).unwrap(), fs::read(&path).unwrap_or_default()))
        .collect()
}

#[test]
fn no_more_is_read_than_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, [1; 100]).unwrap();
    assert_eq!(OsFileSystem.read(&path, 100).unwrap(), [1; 100]);
    assert_eq!(OsFileSystem.read(&path, 99).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    if cfg!(target_os = "linux") {
        // Its length is zero, and its content is longer.
        let grown = OsFileSystem.read(Path::new("/proc/self/maps"), 1000);
        assert_eq!(grown.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(OsFileSystem.read(&path, LIMIT).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}

#[cfg(unix)]
#[test]
fn reading_works_in_a_directory_without_write_permission() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let store = Store::in_directory(directory.path(), None);
    store.write().unwrap().commit(OLD).unwrap();
    fs::set_permissions(directory.path().join("state"), fs::Permissions::from_mode(0o400)).unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let before = contents(directory.path());
    assert_eq!(store.read().unwrap().body.as_deref(), Some(OLD));
    assert_eq!(contents(directory.path()), before);
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
}

/// A running process must not take a copied back file, to which the usual means of copying give the times of the
/// original, for the one that it has read.
#[test]
fn a_copy_with_the_times_of_the_original_has_another_stamp() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::in_directory(folder.path(), None);
    store.write().unwrap().commit(OLD).unwrap();
    let (state, copy) = (folder.path().join("state"), folder.path().join("copy"));
    let (stamp, original) = (store.stamp().unwrap(), fs::metadata(&state).unwrap());
    fs::copy(&state, &copy).unwrap();
    store.write().unwrap().commit(NEW).unwrap();
    fs::copy(&copy, &state).unwrap();
    let times = fs::FileTimes::new().set_modified(original.modified().unwrap());
    #[cfg(windows)]
    let times = std::os::windows::fs::FileTimesExt::set_created(times, original.created().unwrap());
    File::options().write(true).open(&state).unwrap().set_times(times).unwrap();

    assert_eq!(store.read().unwrap().body.as_deref(), Some(OLD));
    assert_eq!(fs::metadata(&state).unwrap().modified().unwrap(), original.modified().unwrap());
    assert_ne!(store.stamp().unwrap(), stamp);
}

#[test]
fn readers_beside_a_writer_never_see_a_torn_state() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::in_directory(directory.path(), None);
    let done = AtomicBool::new(false);
    let emulated = env::var_os("NODELOCK_EMULATED").is_some();
    // The body tells its generation in every byte, and its length too.
    let body = |generation: u64| vec![generation as u8; (generation as usize * 4099) % 20_000];
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let snapshot = store.read().unwrap();
                    assert!(snapshot.generation >= last);
                    last = snapshot.generation;
                    assert_eq!(snapshot.body.clone().unwrap_or_default(), body(last));
                    if cfg!(windows) {
                        // A file that somebody has open all the time cannot be replaced there before Windows 10, nor
                        // under wine.
                        thread::sleep(Duration::from_millis(if emulated { 100 } else { 10 }));
                    }
                }
                assert!(last > 0);
            });
        }
        let mut writer = store.write().unwrap();
        let committed = (1..=150).try_for_each(|generation| writer.commit(&body(generation)));
        done.store(true, Ordering::Relaxed);
        committed.unwrap();
    });
}

// Writers

#[test]
fn a_second_writer_waits_until_its_deadline_and_no_longer() {
    let timeout = Duration::from_millis(150);
    for (store, _directory) in stores().into_iter().take(2) {
        let store = store.with_lock_timeout(timeout);
        let writer = store.write().unwrap();
        let start = Instant::now();
        assert_eq!(store.write().unwrap_err().kind(), ErrorKind::Busy);
        assert!(start.elapsed() >= timeout);

        let patient = store.clone().with_lock_timeout(Duration::from_secs(60));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| patient.write().map(drop));
            thread::sleep(Duration::from_millis(50));
            assert!(!waiting.is_finished());
            drop(writer);
            waiting.join().unwrap().unwrap();
        });
    }
}

#[test]
fn a_process_that_dies_gives_up_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::in_directory(directory.path(), None).with_lock_timeout(Duration::ZERO);
    let mut child = child("hold", directory.path()).stdin(Stdio::piped()).spawn().map(Killed).unwrap();
    let mark = directory.path().join("held");
    while !mark.exists() {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(store.write().unwrap_err().kind(), ErrorKind::Busy);
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    store.with_lock_timeout(Duration::from_secs(10)).write().unwrap();
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_only_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt as _;

    for umask in ["0", "022", "0177", "0277", "0377", "0477", "0777"] {
        let directory = tempfile::tempdir().unwrap();
        let child = child("create", directory.path());
        let arguments: Vec<_> = [child.get_program()].into_iter().chain(child.get_args()).collect();
        let status = Command::new("sh")
            .args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")])
            .args(arguments)
            .envs(child.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "umask {umask}");

        let mode =
            |path: &str| fs::metadata(directory.path().join(path)).unwrap().permissions().mode() & 0o7777;
        for path in ["a", "a/b", "a/b/store", "c", "c/tombstones"] {
            assert_eq!(mode(path), 0o700, "{path} with umask {umask}");
        }
        let tombstone = format!("c/tombstones/{:032x}", u128::from_be_bytes(*NAME));
        let files = ["state", "device.key", "lock", "reserve"].map(|file| format!("a/b/store/{file}"));
        for path in files.iter().chain([&tombstone]) {
            assert_eq!(mode(path), 0o600, "{path} with umask {umask}");
        }
    }
}

/// This very program as another process, which does one thing.
fn child(task: &str, directory: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "store::what_the_child_does", "--nocapture"])
        .env("NODELOCK_TEST_TASK", task)
        .env("NODELOCK_TEST_DIRECTORY", directory)
        .stdout(Stdio::null());
    command
}

/// A child that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

#[test]
fn what_the_child_does() {
    let Some(directory) = env::var_os("NODELOCK_TEST_DIRECTORY").map(PathBuf::from) else { return };
    match env::var("NODELOCK_TEST_TASK").as_deref() {
        Ok("hold") => {
            let store = Store::in_directory(&directory, None);
            let _writer = store.write().unwrap();
            File::create(directory.join("held")).unwrap();
            // Until the parent kills this process, or has ended itself.
            let _ = io::stdin().read(&mut [0]);
        }
        Ok("create") => {
            let store =
                Store::in_directory(directory.join("a/b/store"), Some(directory.join("c/tombstones")));
            let mut writer = store.write().unwrap();
            writer.create_device_key(KEY).unwrap();
            writer.commit(NEW).unwrap();
            writer.write_tombstone(NAME, CONTENT).unwrap();
        }
        Ok("locate") => {
            let home = |path: &str| Some(directory.join(path).join("nodelock").join("product"));
            let store = Store::per_user("product").unwrap();
            assert_eq!(Some(store.directory().to_owned()), home("data"));
            assert_eq!(store.tombstone_directory().map(Path::to_owned), home("state"));
            let shared = Store::system_wide("product").unwrap();
            assert_eq!(shared.tombstone_directory(), store.tombstone_directory());
            assert_ne!(shared.directory(), store.directory());
        }
        task => panic!("{task:?}"),
    }
}

// Places

/// Longer than the 260 units that Windows once took, and in letters that no code page has all of.
#[test]
fn a_store_is_at_home_in_long_paths_and_in_every_script() {
    let folder = tempfile::tempdir().unwrap();
    let long = "Größe und Länge ".repeat(6);
    let place =
        folder.path().join("Пользователь").join("製品").join(long.trim()).join(long.trim()).join("مخزن");
    assert!(place.as_os_str().len() > 260);
    let tombstones = place.join("🪦");
    let store = Store::in_directory(&place, Some(tombstones.clone()));
    let mut writer = store.write().unwrap();
    writer.create_device_key(KEY).unwrap();
    writer.commit(OLD).unwrap();
    writer.commit(NEW).unwrap();
    writer.write_tombstone(NAME, CONTENT).unwrap();
    drop(writer);
    let again = Store::in_directory(place, Some(tombstones));
    assert_eq!(again.write().unwrap().snapshot().body.as_deref(), Some(NEW));
    assert_eq!(again.device_key().unwrap().unwrap().as_slice(), KEY);
    assert!(again.tombstone_exists(NAME, CONTENT));
}

#[test]
fn a_users_store_and_tombstones_are_in_two_places() {
    let home = tempfile::tempdir().unwrap();
    let [data, state] = if cfg!(windows) {
        ["LOCALAPPDATA", "APPDATA"]
    } else if cfg!(target_os = "linux") {
        ["XDG_DATA_HOME", "XDG_STATE_HOME"]
    } else {
        // No variable says where they are.
        return;
    };
    let mut child = child("locate", home.path());
    child.env(data, home.path().join("data")).env(state, home.path().join("state"));
    assert!(child.status().unwrap().success());
}

#[test]
fn products_have_safe_directory_names_of_their_own() {
    let cases = [
        ("editor", "editor"),
        ("com.acme.editor-2_b", "com.acme.editor-2_b"),
        ("Acme Editor", "+acme%20+editor"),
        ("acme editor", "acme%20editor"),
        ("+acme", "%2bacme"),
        ("100%", "100%25"),
        ("Größe", "+gr%c3%b6%c3%9fe"),
        ("a/b\\c:d", "a%2fb%5cc%3ad"),
        ("../..", "%2e.%2f.%2e"),
        (".", "%2e"),
        ("..", "%2e%2e"),
        (".hidden", "%2ehidden"),
        ("trailing.", "trailing%2e"),
        ("trailing ", "trailing%20"),
        ("nul", "%6eul"),
        ("NUL", "+n+u+l"),
        ("com1", "%63om1"),
        ("lpt9.log", "%6cpt9.log"),
        ("com10", "com10"),
        ("console", "console"),
        ("\0", "%00"),
    ];
    for (product, name) in cases {
        let store = Store::system_wide(product).unwrap();
        assert_eq!(store.directory().file_name().unwrap(), name, "{product}");
        assert!(store.directory().parent().unwrap().ends_with("nodelock"));
    }
    let names: HashSet<_> = cases.iter().map(|(_, name)| name.to_lowercase()).collect();
    assert_eq!(names.len(), cases.len());

    for product in ["", &"a".repeat(201), &"ß".repeat(34)] {
        assert_eq!(Store::system_wide(product).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(Store::per_user(product).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
