//! What is no plain file stands where the store has its own: nothing is waited for, and nothing elsewhere is touched.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    thread,
    time::Duration,
};

use nodelock::{ErrorKind, Result, store::Store};
use tempfile::TempDir;

const BODY: &[u8] = b"body";
const KEY: &[u8] = &[7; 48];
const NAME: &[u8; 16] = b"sixteen bytes...";
const CONTENT: &[u8; 32] = b"thirty-two bytes of keyed hash..";

/// What may stand in a file's place.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Odd {
    Pipe,
    Socket,
    Directory,
    LinkToPipe,
    LinkToDevice,
    LinkToFile,
    LinkToNothing,
}

impl Odd {
    const ALL: [Self; 7] = [
        Self::Pipe,
        Self::Socket,
        Self::Directory,
        Self::LinkToPipe,
        Self::LinkToDevice,
        Self::LinkToFile,
        Self::LinkToNothing,
    ];

    fn put(self, path: &Path, elsewhere: &Path) {
        let make_pipe = |path: &Path| {
            assert!(Command::new("mkfifo").arg(path).status().is_ok_and(|status| status.success()))
        };
        match self {
            Self::Pipe => make_pipe(path),
            Self::Socket => drop(UnixListener::bind(path).unwrap()),
            Self::Directory => fs::create_dir(path).unwrap(),
            Self::LinkToPipe => {
                make_pipe(elsewhere);
                symlink(elsewhere, path).unwrap();
            }
            Self::LinkToDevice => symlink("/dev/zero", path).unwrap(),
            Self::LinkToFile => {
                fs::write(elsewhere, "not the store's").unwrap();
                symlink(elsewhere, path).unwrap();
            }
            Self::LinkToNothing => symlink(elsewhere, path).unwrap(),
        }
    }
}

/// A store in use with one odd file in it.
struct Place {
    folder: TempDir,
    odd: Odd,
    store: Store,
}

impl Place {
    fn new(file: &str, odd: Odd) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_directory(folder.path().join("store"), Some(folder.path().join("tombstones")));
        let mut writer = store.write().unwrap();
        writer.create_device_key(KEY).unwrap();
        writer.commit(BODY).unwrap();
        writer.write_tombstone(NAME, CONTENT).unwrap();
        drop(writer);
        let path = folder.path().join(file);
        let _ = fs::remove_file(&path);
        odd.put(&path, &folder.path().join("elsewhere"));
        Self { folder, odd, store }
    }

    /// What `act` comes to, which must be soon.
    fn soon<R: Send + 'static>(&self, act: impl FnOnce(&Store) -> Result<R> + Send + 'static) -> Result<R> {
        let (sender, receiver) = mpsc::channel();
        let store = self.store.clone();
        thread::spawn(move || sender.send(act(&store)));
        let done = receiver.recv_timeout(Duration::from_secs(4));
        let done = done.unwrap_or_else(|_| panic!("{:?}: it waits", self.odd));
        // Whatever came of it, nothing happened at the other end of a link.
        let elsewhere = self.folder.path().join("elsewhere");
        match self.odd {
            Odd::LinkToFile => assert_eq!(fs::read(&elsewhere).unwrap(), b"not the store's"),
            Odd::LinkToNothing => assert!(!elsewhere.exists(), "a file was made elsewhere"),
            _ => {}
        }
        done
    }
}

fn refused<R>(result: Result<R>) -> ErrorKind {
    result.map(drop).expect_err("an odd file is taken for the store's").kind()
}

#[test]
fn an_odd_state_is_refused_at_once() {
    for odd in Odd::ALL {
        let place = Place::new("store/state", odd);
        let (read, written) = (place.soon(Store::read), place.soon(|store| store.write().map(drop)));
        match odd {
            // Damaged, but a file.
            Odd::LinkToFile => assert_eq!([refused(read), refused(written)], [ErrorKind::Corrupt; 2]),
            // As if there were none: the first commit puts a file in its place.
            Odd::LinkToNothing => assert!(read.unwrap().body.is_none() && written.is_ok()),
            _ => assert_eq!([refused(read), refused(written)], [ErrorKind::Io; 2], "{odd:?}"),
        }
    }
}

#[test]
fn an_odd_device_key_is_refused_at_once() {
    for odd in Odd::ALL {
        let place = Place::new("store/device.key", odd);
        let read = place.soon(Store::device_key);
        match odd {
            Odd::LinkToFile => assert_eq!(read.unwrap().unwrap().as_slice(), b"not the store's"),
            Odd::LinkToNothing => assert!(read.unwrap().is_none()),
            _ => assert_eq!(refused(read), ErrorKind::Io, "{odd:?}"),
        }
    }
}

#[test]
fn an_odd_lock_is_refused_at_once_and_no_link_is_followed() {
    for odd in Odd::ALL {
        let place = Place::new("store/lock", odd);
        assert_eq!(refused(place.soon(|store| store.write().map(drop))), ErrorKind::Io, "{odd:?}");
        assert_eq!(place.store.read().unwrap().body.as_deref(), Some(BODY));
    }
}

#[test]
fn odd_leftovers_and_an_odd_reserve_stop_no_commit() {
    for file in ["store/reserve", "store/state.new"] {
        for odd in Odd::ALL {
            let place = Place::new(file, odd);
            let committed = place.soon(|store| store.write()?.commit(b"more"));
            match (file, odd) {
                ("store/state.new", Odd::Directory) => assert_eq!(refused(committed), ErrorKind::Io),
                _ => committed.unwrap_or_else(|e| panic!("{file}, {odd:?}: {e}")),
            }
        }
    }
}

#[test]
fn an_odd_tombstone_says_nothing_and_is_replaced() {
    let file = format!("tombstones/{:032x}", u128::from_be_bytes(*NAME));
    for odd in Odd::ALL {
        let place = Place::new(&file, odd);
        let there = |place: &Place| place.soon(|store| Ok(store.tombstone_exists(NAME, CONTENT))).unwrap();
        assert!(!there(&place), "{odd:?}");
        let written = place.soon(|store| store.write()?.write_tombstone(NAME, CONTENT));
        match odd {
            Odd::Directory => assert_eq!(refused(written), ErrorKind::Io),
            _ => written.unwrap_or_else(|e| panic!("{odd:?}: {e}")),
        }
        assert_eq!(there(&place), odd != Odd::Directory);
    }
}

/// The directories are opened too, to be synced.
#[test]
fn a_pipe_in_a_directorys_place_is_refused_at_once() {
    for directory in ["store", "tombstones"] {
        let mut place = Place::new("unused", Odd::Directory);
        let path: PathBuf = place.folder.path().join(directory);
        fs::remove_dir_all(&path).unwrap();
        place.odd = Odd::Pipe;
        place.odd.put(&path, &path);
        refused(place.soon(|store| store.write()?.write_tombstone(NAME, CONTENT)));
    }
}
