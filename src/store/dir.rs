//! The directory store: read, lock, commit (docs/PROTOCOL.md, Store).

use std::{
    fmt, io, iter,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::Duration,
};

use zeroize::Zeroizing;

use super::{
    FileSystem, LockGuard, OsFileSystem, Snapshot, Stamp, format,
    fs::{create_directories, has_no_locks, sync_dir},
    location::{self, Location},
    memory::MemoryFileSystem,
    tombstone,
};
use crate::{Error, ErrorKind, Result};

const STATE: &str = "state";
const DEVICE_KEY: &str = "device.key";
const LOCK: &str = "lock";
const RESERVE: &str = "reserve";

/// The longest device key, in bytes.
const KEY_LIMIT: usize = 256;

/// How much room the reserve keeps, in bytes.
const RESERVE_LENGTH: usize = 64 * 1024;

/// How long a writer waits for another one, unless told otherwise.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a product's record, device key and tombstones are kept.
///
/// A clone is cheap and stands for the same store. Nothing is touched before the first call that reads or writes.
#[derive(Clone)]
pub struct Store {
    files: Arc<dyn FileSystem>,
    directory: Arc<Path>,
    tombstones: Option<Arc<Path>>,
    more_tombstones: Arc<Places>,
    lock_timeout: Duration,
}

/// Directories that are looked for when a writer first needs them, because a check does not.
type Places = LazyLock<Vec<PathBuf>, Box<dyn FnOnce() -> Vec<PathBuf> + Send>>;

impl Store {
    /// The store in `directory`, which belongs to one product alone, with tombstones in the directory `tombstones`
    /// if there is one. The first writer creates what is missing.
    ///
    /// Relative paths are taken from the current directory of this moment.
    ///
    /// ```
    /// use nodelock::Store;
    ///
    /// let store = Store::in_directory("/opt/editor/license", Some("/opt/editor/tombstones".into()));
    /// # #[cfg(unix)]
    /// assert_eq!(store.directory(), std::path::Path::new("/opt/editor/license"));
    /// ```
    pub fn in_directory(directory: impl Into<PathBuf>, tombstones: Option<PathBuf>) -> Self {
        Self::at(Arc::new(OsFileSystem), directory.into(), tombstones)
    }

    /// The store of `product` for the user who runs this process.
    ///
    /// In `nodelock/<product>` under `$XDG_DATA_HOME` (`~/.local/share`), with tombstones under `$XDG_STATE_HOME`
    /// (`~/.local/state`). macOS: `~/Library/Application Support` and `~/Library/Preferences`. Windows:
    /// `%LOCALAPPDATA%` and `%APPDATA%`.
    ///
    /// Tombstones are left in two more places, so that one variable of the environment does not decide where they are:
    /// under the home directory that the password database names (Windows: the known folder), and in
    /// `nodelock-tombstones/<product>` beside `nodelock`. A check looks into the first place alone. A writer looks
    /// into all of them and fills the first one up.
    ///
    /// The directory's name is the product's with `a`-`z`, `0`-`9`, `_`, `-` and `.` as they are, each capital
    /// letter as `+` and the small one, and `%` and two hexadecimal digits for any other byte, for a dot at either
    /// end, and for the first letter of a device name of Windows such as `nul`: no two products share a directory.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] if `product` is empty or makes a name of more than 200 bytes, and with
    /// [`ErrorKind::Unsupported`] if the user has no home directory.
    ///
    /// ```
    /// use nodelock::{ErrorKind, Store};
    ///
    /// match Store::per_user("Example Editor") {
    ///     Ok(store) => assert!(store.directory().ends_with("nodelock/+example%20+editor")),
    ///     Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "this user has no home"),
    /// }
    /// ```
    pub fn per_user(product: &str) -> Result<Self> {
        location::per_user(product).map(Self::located)
    }

    /// The store of `product` for the whole machine, which only those can use who may write there: it is open to its
    /// owner alone (on Windows to the system and the administrators too), because the record holds what a code is made
    /// from.
    ///
    /// In `/var/lib/nodelock/<product>`; macOS: under `/Library/Application Support`; Windows: the folder known as
    /// `ProgramData`, where every user may make directories, so that an installer should make this one.
    /// The directory's name and the tombstones are as [`per_user`](Self::per_user) has them; for a user without a home
    /// directory they are in `nodelock-tombstones/<product>` beside `nodelock` alone.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] if `product` is empty or makes a name of more than 200 bytes, and with
    /// [`ErrorKind::Unsupported`] if Windows names no such place.
    ///
    /// ```
    /// # use nodelock::Store;
    /// let store = Store::system_wide("Example Editor")?;
    /// assert!(store.directory().ends_with("nodelock/+example%20+editor"));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn system_wide(product: &str) -> Result<Self> {
        location::system_wide(product).map(Self::located)
    }

    /// A new, empty store that lasts as long as it and its clones do: for tests and trials.
    ///
    /// ```
    /// # use nodelock::Store;
    /// let store = Store::in_memory();
    /// let same = store.clone(); // for another client on the same store
    /// assert_eq!(store.directory(), same.directory());
    /// ```
    pub fn in_memory() -> Self {
        Self::at(Arc::new(MemoryFileSystem::default()), "store".into(), Some("tombstones".into()))
    }

    /// This store in another directory, with the tombstones where they were.
    ///
    /// ```
    /// # use nodelock::Store;
    /// let store = Store::in_memory().with_directory("/srv/shared/license");
    /// # #[cfg(unix)]
    /// assert_eq!(store.directory(), std::path::Path::new("/srv/shared/license"));
    /// ```
    pub fn with_directory(self, directory: impl Into<PathBuf>) -> Self {
        Self { directory: absolute(directory.into()), ..self }
    }

    /// This store on another file system.
    #[cfg(any(test, feature = "testing"))]
    #[doc(hidden)]
    pub fn with_file_system(self, files: Arc<dyn FileSystem>) -> Self {
        Self { files, ..self }
    }

    /// This store with another limit on how long a writer waits for another writer, instead of 5 s.
    pub fn with_lock_timeout(self, lock_timeout: Duration) -> Self {
        Self { lock_timeout, ..self }
    }

    /// The directory that this store is in.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory that a check looks for tombstones in, if there is one.
    pub fn tombstone_directory(&self) -> Option<&Path> {
        self.tombstones.as_deref()
    }

    /// What the last commit stored.
    ///
    /// Takes no lock and writes nothing: it works on read-only media, and beside a writer gives what was there
    /// before or what is there after, whole. What it gives may not be durable before a [`Writer`] has settled or
    /// committed: until then say nothing that frees a seat.
    ///
    /// Fails with [`ErrorKind::Corrupt`] if the state is damaged, which is never taken for an empty store;
    /// [`ErrorKind::UnsupportedVersion`] if a later version of this crate wrote it; [`ErrorKind::AccessDenied`];
    /// [`ErrorKind::Io`].
    #[doc(hidden)]
    pub fn read(&self) -> Result<Snapshot> {
        match self.files.read(&self.path(STATE), format::LIMIT) {
            Ok(file) => self.decode(file),
            Err(error) => self.unreadable_state(error),
        }
    }

    /// The same, with the [stamp](Self::stamp) from before the read; one that is too long has none.
    pub(crate) fn read_stamped(&self) -> (Option<Stamp>, Result<Snapshot>) {
        match self.files.read_stamped(&self.path(STATE), format::LIMIT) {
            Ok((file, stamp)) => (Some(stamp), self.decode(file)),
            Err(error) => (None, self.unreadable_state(error)),
        }
    }

    fn decode(&self, file: Vec<u8>) -> Result<Snapshot> {
        format::decode(Zeroizing::new(file)).map_err(|error| self.blame(STATE, error))
    }

    fn unreadable_state(&self, error: io::Error) -> Result<Snapshot> {
        match error.kind() {
            io::ErrorKind::NotFound => Ok(Snapshot::default()),
            io::ErrorKind::FileTooLarge => Err(self.damaged_state()),
            _ => Err(Error::io_at("", &self.path(STATE), error)),
        }
    }

    /// What the state looks like from outside, at the cost of one look into the directory; `None` if nothing was
    /// ever stored. While it stays the same, what was [read](Self::read) after it was taken need not be read again.
    ///
    /// Fails with [`ErrorKind::AccessDenied`] or [`ErrorKind::Io`].
    #[doc(hidden)]
    pub fn stamp(&self) -> Result<Option<Stamp>> {
        self.stamp_of(STATE)
    }

    /// The device key, if one was created. It may not be durable before a [`Writer`] has
    /// [settled](Writer::settle_device_key) it.
    ///
    /// Fails with [`ErrorKind::Corrupt`] if the file cannot be a key (empty, or more than 256 bytes);
    /// [`ErrorKind::AccessDenied`]; [`ErrorKind::Io`].
    #[doc(hidden)]
    pub fn device_key(&self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let corrupt = || Error::of_file(ErrorKind::Corrupt, &self.path(DEVICE_KEY));
        match self.files.read(&self.path(DEVICE_KEY), KEY_LIMIT).map(Zeroizing::new) {
            Ok(key) if key.is_empty() => Err(corrupt()),
            Ok(key) => Ok(Some(key)),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => Ok(None),
                io::ErrorKind::FileTooLarge => Err(corrupt()),
                _ => Err(Error::io_at("", &self.path(DEVICE_KEY), error)),
            },
        }
    }

    /// Opens the store for writing: takes the lock, drops what a killed writer left, and reads. What it finds may not
    /// be durable yet. A [commit](Writer::commit) makes that good, and without one [`Writer::settle`] does, before
    /// anything of it is said (docs/PROTOCOL.md, Client states).
    ///
    /// Fails with [`ErrorKind::Busy`] if another writer holds the lock all the time, and with [`ErrorKind::NoLocks`]
    /// where the file system has none; as [`read`](Self::read) does; [`ErrorKind::NoSpace`]; [`ErrorKind::ReadOnly`].
    #[doc(hidden)]
    pub fn write(&self) -> Result<Writer<'_>> {
        self.open(|store| store.read())
    }

    /// Opens a store whose state is damaged, to write it anew: the snapshot is empty, and the first commit has a
    /// generation above `generation`. The damaged file stays until then.
    ///
    /// For a state that is not damaged this is [`write`](Self::write), and fails as that does.
    #[doc(hidden)]
    pub fn write_over_damage(&self, generation: u64) -> Result<Writer<'_>> {
        self.open(|store| match store.read() {
            Err(e) if e.kind() == ErrorKind::Corrupt => {
                Ok(Snapshot { generation, body: None, unsynced: false })
            }
            read => read,
        })
    }

    fn open(&self, read: impl FnOnce(&Self) -> Result<Snapshot>) -> Result<Writer<'_>> {
        // The lock file is made only when the directories above it are durable, and so tells that they are.
        if self.stamp_of(LOCK)?.is_none() {
            create_directories(&*self.files, &self.directory)
                .map_err(|error| Error::io_at("", &self.directory, error))?;
        }
        let lock = self.files.lock(&self.path(LOCK), self.lock_timeout).map_err(|error| {
            let file = self.path(LOCK);
            match has_no_locks(&error) {
                true => Error::of_file(ErrorKind::NoLocks, &file).with_source(error),
                false if error.kind() == io::ErrorKind::WouldBlock => {
                    let limit = self.lock_timeout.as_millis();
                    Error::io_at(&format!("waited {limit} ms for "), &file, error)
                }
                false => Error::io_at("", &file, error),
            }
        })?;
        for file in [STATE, DEVICE_KEY] {
            match self.files.remove(&self.temporary(file)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io_at("", &self.temporary(file), error));
                }
                _ => {}
            }
        }
        let snapshot = read(self)?;
        let unsynced = snapshot.unsynced;
        Ok(Writer { store: self, snapshot, settled: None, unsynced, failed: false, _lock: lock })
    }

    /// Whether there is a tombstone `name` about `content` in the [first place](Self::tombstone_directory). One that is
    /// missing, unreadable, damaged or about something else says nothing: only a tombstone that names this very
    /// activation may block it.
    #[doc(hidden)]
    pub fn tombstone_exists(&self, name: &[u8; 16], content: &[u8; 32]) -> bool {
        self.tombstones.as_ref().is_some_and(|place| tombstone::exists(&*self.files, place, name, content))
    }

    /// First the place that a check looks into.
    fn tombstone_places(&self) -> impl Iterator<Item = &Path> {
        let more = iter::once_with(|| self.more_tombstones.iter().map(PathBuf::as_path)).flatten();
        self.tombstones.as_deref().into_iter().chain(more)
    }

    fn at(files: Arc<dyn FileSystem>, directory: PathBuf, tombstones: Option<PathBuf>) -> Self {
        Self {
            files,
            directory: absolute(directory),
            tombstones: tombstones.map(absolute),
            more_tombstones: Arc::new(LazyLock::new(Box::new(Vec::new))),
            lock_timeout: LOCK_TIMEOUT,
        }
    }

    fn located(location: Location) -> Self {
        Self {
            more_tombstones: Arc::new(LazyLock::new(location.more_tombstones)),
            ..Self::in_directory(location.store, Some(location.tombstones))
        }
    }

    /// The same error, about a file of this store.
    fn blame(&self, file: &str, error: Error) -> Error {
        Error::of_file(error.kind(), &self.path(file))
    }

    pub(crate) fn damaged_state(&self) -> Error {
        Error::of_file(ErrorKind::Corrupt, &self.path(STATE))
    }

    pub(crate) fn blame_device_key(&self, error: Error) -> Error {
        match error.context() {
            Some(_) => error,
            None => self.blame(DEVICE_KEY, error),
        }
    }

    pub(crate) fn missing_device_key(&self) -> Error {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        Error::of_file(ErrorKind::Corrupt, &self.path(DEVICE_KEY)).with_source(missing)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    fn temporary(&self, file: &str) -> PathBuf {
        self.path(&format!("{file}.new"))
    }

    fn stamp_of(&self, file: &'static str) -> Result<Option<Stamp>> {
        let path = self.path(file);
        self.files.stamp(&path).map_err(|error| Error::io_at("", &path, error))
    }

    /// Replaces `file` durably; after a failed sync, or on a full disk without the reserve, once again from the
    /// start. Returns whether the directory could be synced.
    fn replace(&self, file: &str, bytes: &[u8]) -> Result<bool, WriteFailure> {
        match self.replace_once(file, bytes) {
            Err(WriteFailure { step, error }) if step != Step::SyncDirectory && is_full(&error) => {
                // Without a reserve nothing has changed since.
                match self.files.remove(&self.path(RESERVE)) {
                    Ok(()) => self.replace_once(file, bytes),
                    Err(_) => Err(WriteFailure { step, error }),
                }
            }
            // The system may have dropped what it could not write and forgotten about it: that file is lost.
            Err(WriteFailure { step: Step::Sync, .. }) => self.replace_once(file, bytes),
            Err(failure) => Err(failure),
            Ok(synced) => {
                self.keep_reserve();
                Ok(synced)
            }
        }
    }

    fn replace_once(&self, file: &str, bytes: &[u8]) -> Result<bool, WriteFailure> {
        let temporary = self.temporary(file);
        let renamed = self
            .write_durably(&temporary, bytes)
            .and_then(|()| self.files.rename(&temporary, &self.path(file)).map_err(Step::Rename.failed()));
        if renamed.is_err() {
            // If this fails too, the next writer does it.
            let _ = self.files.remove(&temporary);
        }
        renamed?;
        sync_dir(&*self.files, &self.directory).map_err(Step::SyncDirectory.failed())
    }

    fn write_durably(&self, path: &Path, bytes: &[u8]) -> Result<(), WriteFailure> {
        let mut file = self.files.create_new(path).map_err(Step::Create.failed())?;
        file.write_all(bytes).map_err(Step::Write.failed())?;
        file.sync().map_err(Step::Sync.failed())
    }

    /// Makes the reserve, if it is missing or was not finished. Best effort: the commit is done without it.
    fn keep_reserve(&self) {
        let path = self.path(RESERVE);
        match self.files.stamp(&path) {
            Ok(Some(stamp)) if stamp.length == RESERVE_LENGTH as u64 => return,
            Ok(Some(_)) => drop(self.files.remove(&path)),
            _ => {}
        }
        // Zeros could be stored as a hole, which keeps no room.
        if self.write_durably(&path, &vec![0xff; RESERVE_LENGTH]).is_err() {
            let _ = self.files.remove(&path);
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// A store opened for writing; dropping it lets the next writer in.
///
/// Once a commit or the creation of a key has failed, only a new writer knows what is on the disk, so that this one
/// refuses to write any more.
pub struct Writer<'s> {
    store: &'s Store,
    snapshot: Snapshot,
    /// Whether what is visible is durable, as far as the file system can; the file or directory whose sync failed;
    /// none if nothing was synced yet.
    settled: Option<Result<(), (PathBuf, io::Error)>>,
    /// Whether the file system cannot sync the directory, as far as is known.
    unsynced: bool,
    failed: bool,
    _lock: Box<dyn LockGuard>,
}

impl Writer<'_> {
    /// What is stored: as it was found, which may not be durable before [`settle`](Self::settle), or as this writer's
    /// last successful commit left it.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Makes durable what was found, unless a commit has: the writer before may have been killed between its rename and
    /// its directory sync. Call it before anything is said without a commit, and before a commit that gives a seat up.
    ///
    /// Fails with [`ErrorKind::AccessDenied`] or [`ErrorKind::Io`], and then each time until a commit succeeds: the
    /// system reports once that it could not write something, and a second sync proves nothing.
    pub fn settle(&mut self) -> Result<()> {
        if self.settled.is_none() {
            self.settled = Some(self.sync_what_was_found());
        }
        match &self.settled {
            Some(Err((path, error))) => Err(Error::io_at("syncing ", path, again(error))),
            _ => Ok(()),
        }
    }

    /// The same, and before that the content of the device key: before a commit that needs a key which was found.
    ///
    /// Fails as [`settle`](Self::settle) does.
    pub fn settle_device_key(&mut self) -> Result<()> {
        let key = self.store.path(DEVICE_KEY);
        if let Err(error) = self.store.files.sync_file(&key) {
            self.settled = Some(Err((key, error)));
        }
        self.settle()
    }

    /// Whether the state says otherwise of its file system than the last sync of the directory.
    pub fn has_moved(&self) -> bool {
        self.snapshot.body.is_some() && self.snapshot.unsynced != self.unsynced
    }

    fn sync_what_was_found(&mut self) -> Result<(), (PathBuf, io::Error)> {
        let Store { files, directory, .. } = self.store;
        if self.snapshot.body.is_some() {
            let state = self.store.path(STATE);
            files.sync_file(&state).map_err(|error| (state, error))?;
        }
        self.unsynced = !sync_dir(&**files, directory).map_err(|error| (directory.to_path_buf(), error))?;
        Ok(())
    }

    /// Creates the device key from 1 to 256 bytes. It is durable when this returns.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] for another length or if there is a device key already, which is never
    /// replaced; otherwise as [`commit`](Self::commit) does.
    pub fn create_device_key(&mut self, key: &[u8]) -> Result<()> {
        if !(1..=KEY_LIMIT).contains(&key.len()) {
            return Err(Error::length("device key", "bytes", key.len(), 1, KEY_LIMIT));
        }
        if self.store.stamp_of(DEVICE_KEY)?.is_some() {
            let text =
                format!("{} is there already, and is never replaced", self.store.path(DEVICE_KEY).display());
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        self.unsynced = !self.replace(DEVICE_KEY, key)?;
        Ok(())
    }

    /// Replaces the body by `body` and counts the generation up. Both are durable when this returns `Ok`, as far as the
    /// file system can ([`Snapshot::unsynced`]). Tell nobody before that (docs/PROTOCOL.md, Client states).
    ///
    /// After a failure the store holds the old body or the new one, whole; the next [`Store::write`] says which. Fails
    /// with [`ErrorKind::TooLarge`] if the file would be longer than 1 MiB; [`ErrorKind::NoSpace`];
    /// [`ErrorKind::ReadOnly`]; [`ErrorKind::AccessDenied`]; [`ErrorKind::Io`]; and with [`ErrorKind::InvalidInput`] if
    /// this writer failed before.
    pub fn commit(&mut self, body: &[u8]) -> Result<()> {
        let generation = self.snapshot.generation.checked_add(1).ok_or_else(|| self.store.damaged_state())?;
        let mut noted = self.unsynced;
        self.unsynced = !self.replace(STATE, &format::encode(generation, body, noted)?)?;
        if self.unsynced != noted {
            // The store was moved to another file system, so what the state says of it was wrong. The body is durable
            // by now, so that a note that fails is no failure of the commit.
            let file = format::encode(generation, body, self.unsynced)?;
            if self.store.replace(STATE, &file).is_ok() {
                noted = self.unsynced;
            }
        }
        self.snapshot = Snapshot { generation, body: Some(body.to_vec()), unsynced: noted };
        self.settled = Some(Ok(()));
        Ok(())
    }

    /// As [`Store::tombstone_exists`], in any of the places that tombstones are left in.
    pub fn tombstone_exists(&self, name: &[u8; 16], content: &[u8; 32]) -> bool {
        let store = self.store;
        store.tombstone_places().any(|place| tombstone::exists(&*store.files, place, name, content))
    }

    /// Writes the tombstone `name` about `content` into each place, if this store keeps any; one that is there already
    /// is fine. What says that the seat is over is [settled](Self::settle) first: a power cut must not leave the
    /// license with a tombstone.
    ///
    /// Its content is synced, its name is left to the system: a tombstone is a hurdle, and the seat does not depend
    /// on it. Fails if it cannot be written where a check looks for it, with [`ErrorKind::NoSpace`],
    /// [`ErrorKind::ReadOnly`], [`ErrorKind::AccessDenied`] or [`ErrorKind::Io`]; the other places are written
    /// nevertheless.
    pub fn write_tombstone(&mut self, name: &[u8; 16], content: &[u8; 32]) -> Result<()> {
        let store = self.store;
        let mut first = Ok(());
        for (number, place) in store.tombstone_places().enumerate() {
            if tombstone::exists(&*store.files, place, name, content) {
                continue;
            }
            self.settle()?;
            let written = tombstone::write(&*store.files, place, name, content);
            // The others are for a user whose environment says something else next time, and often not there or not
            // writable.
            if number == 0 {
                first = written.map_err(|error| Error::io_at("a tombstone in ", place, error));
            }
        }
        first
    }

    /// Returns whether the directory could be synced.
    fn replace(&mut self, file: &'static str, bytes: &[u8]) -> Result<bool> {
        if self.failed {
            return Err(Error::new(ErrorKind::InvalidInput, "this writer failed before; open another"));
        }
        self.store.replace(file, bytes).map_err(|WriteFailure { step, error }| {
            self.failed = true;
            Error::io_at(step.words(), &self.store.path(file), error)
        })
    }
}

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("store", self.store)
            .field("snapshot", &self.snapshot)
            .finish_non_exhaustive()
    }
}

fn absolute(path: PathBuf) -> Arc<Path> {
    std::path::absolute(&path).unwrap_or(path).into()
}

/// A replacement that failed, and where it stopped.
struct WriteFailure {
    step: Step,
    error: io::Error,
}

/// The steps of a replacement. Before `Rename` the old content stands, after it the new one is to be seen; only
/// `SyncDirectory` makes it last.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Create,
    Write,
    Sync,
    Rename,
    SyncDirectory,
}

impl Step {
    /// What was done, in front of the file's name.
    fn words(self) -> &'static str {
        match self {
            Self::Create => "making a new ",
            Self::Write => "writing a new ",
            Self::Sync => "syncing a new ",
            Self::Rename => "putting into place a new ",
            Self::SyncDirectory => "syncing the directory of a new ",
        }
    }

    fn failed(self) -> impl Fn(io::Error) -> WriteFailure {
        move |error| WriteFailure { step: self, error }
    }
}

/// The same failure once more.
fn again(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
