//! A simulated disk, for faults that a real one gives too rarely.
//!
//! [`Disk`] is a [`FileSystem`] that keeps two images: what processes see, and what has surely reached the medium.
//! A name (created, renamed, removed) is durable after a [`Call::SyncDir`] of its directory, content after a
//! [`Call::SyncFile`] of its file, and neither a moment earlier; what a [power cut](Disk::power_cut) leaves of the
//! rest is chosen by a [`Cut`]. Every operation is numbered and logged, and a [`Fault`] can be put at any of them.
//! There is no randomness and no time in it: the same calls give the same disk.
//!
//! A test of whole operations under faults looks like this:
//!
//! ```ignore
//! let points = disk.sweep(Fault::Kill, |disk| {
//!     let announced = operation(disk).is_ok();
//!     disk.restart();
//!     // look at what is there, and go on
//! });
//! ```

use std::{
    collections::{BTreeMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use nodelock::{
    ErrorKind,
    store::{FileSystem, LockGuard, NewFile, Stamp},
};

use super::dice::Dice;

/// ENOSPC, EDQUOT, EROFS, EACCES and EIO on any platform, each with the kind of error that a caller must get.
pub(crate) const ERRORS: [(io::ErrorKind, ErrorKind); 5] = [
    (io::ErrorKind::StorageFull, ErrorKind::NoSpace),
    (io::ErrorKind::QuotaExceeded, ErrorKind::NoSpace),
    (io::ErrorKind::ReadOnlyFilesystem, ErrorKind::ReadOnly),
    (io::ErrorKind::PermissionDenied, ErrorKind::AccessDenied),
    (io::ErrorKind::Other, ErrorKind::Io),
];

/// What goes wrong at an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The process dies: this operation (a write: the second half of it) and all later ones do nothing and fail,
    /// until [`Disk::restart`] or [`Disk::power_cut`].
    Kill,
    /// This one operation fails; of a write, half is done. A file whose sync fails will lose what was not durable
    /// when the power goes, though later syncs of it succeed, as on Linux.
    Fail(io::ErrorKind),
    /// This operation and all later ones fail, until [`Disk::restart`] or [`Disk::power_cut`].
    FailFrom(io::ErrorKind),
}

/// What becomes of that which was not synced when the power goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// All of it is lost.
    LoseAll,
    /// All of it had been written anyway.
    KeepAll,
    /// The names had been written, the content had not: new files are empty.
    LoseContent,
    /// Any of the names, each by itself, and any beginning of the content, as chosen by this number.
    Seed(u64),
}

impl Cut {
    /// The three plain cuts and `seeds` chosen ones.
    pub(crate) fn all(seeds: u64) -> impl Iterator<Item = Cut> {
        [Cut::LoseAll, Cut::KeepAll, Cut::LoseContent].into_iter().chain((0..seeds).map(Cut::Seed))
    }
}

/// The operations of a [`FileSystem`] and of the files it creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Stamp,
    CreateNew,
    Write,
    SyncFile,
    Rename,
    Remove,
    SyncDir,
    CreateDir,
    Lock,
}

/// An operation that was asked for, whether it was done or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) call: Call,
    /// What it was about; of a rename, the new name.
    pub(crate) path: PathBuf,
}

/// The disk. A clone is the same disk, [`fork`](Self::fork) makes another one.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Clone, Default)]
struct State {
    /// The names as processes see them, and as they are on the medium.
    seen: Names,
    durable: Names,
    /// The way from `durable` to `seen`.
    pending: Vec<Change>,
    /// Every file there ever was; names refer to it by number.
    files: Vec<Content>,
    locks: HashSet<PathBuf>,
    /// Counts restarts: what an earlier process holds open is dead.
    process: usize,
    log: Vec<Operation>,
    fault: Option<(usize, Fault)>,
    faulted: Option<Operation>,
    read_only: bool,
    capacity: Option<usize>,
    ignores_sync_dir: bool,
}

type Names = BTreeMap<PathBuf, Node>;

#[derive(Clone, Copy)]
enum Node {
    Directory,
    File(usize),
}

/// Names that change together, in one directory.
#[derive(Clone)]
struct Change {
    directory: PathBuf,
    names: Vec<(PathBuf, Option<Node>)>,
}

#[derive(Clone, Default)]
struct Content {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// A sync failed: what is not durable will never be.
    lost: bool,
}

impl Disk {
    /// An empty disk: a root directory and nothing in it.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Another disk that is just like this one, with no process and no fault.
    pub(crate) fn fork(&self) -> Self {
        let disk = Self(Arc::new(Mutex::new(self.state().clone())));
        disk.restart();
        disk.state().faulted = None;
        disk
    }

    /// Puts `fault` at the operation with the number `operation`; 0 is the next one. The log starts anew.
    pub(crate) fn inject(&self, operation: usize, fault: Fault) {
        let mut state = self.state();
        state.log.clear();
        state.fault = Some((operation, fault));
        state.faulted = None;
    }

    /// The operation that met the injected fault (the first one), be it before a restart; `None` if none has yet.
    pub(crate) fn faulted(&self) -> Option<Operation> {
        self.state().faulted.clone()
    }

    /// Calls `run` with a fork of this disk for every operation of it that `fault` can be put at, and gives the
    /// number of such operations. (There is one more call, the last, without a fault.)
    pub(crate) fn sweep(&self, fault: Fault, mut run: impl FnMut(&Disk)) -> usize {
        for operation in 0.. {
            let disk = self.fork();
            disk.inject(operation, fault);
            run(&disk);
            if disk.faulted().is_none() {
                return operation;
            }
        }
        unreachable!("an operation ends")
    }

    /// Nothing goes wrong any more, and the same process goes on.
    pub(crate) fn heal(&self) {
        self.state().fault = None;
    }

    /// The process has ended, killed or not, and another one starts: locks are free, faults gone, the log is empty.
    pub(crate) fn restart(&self) {
        let mut state = self.state();
        state.process += 1;
        state.locks.clear();
        state.fault = None;
        state.log.clear();
    }

    /// The power goes and comes back. What `cut` leaves is durable.
    pub(crate) fn power_cut(&self, cut: Cut) {
        self.state().power_cut(cut);
        self.restart();
    }

    /// What has been asked for since the last [`inject`](Self::inject), [`restart`](Self::restart) or
    /// [`power_cut`](Self::power_cut), in order.
    pub(crate) fn log(&self) -> Vec<Operation> {
        self.state().log.clone()
    }

    /// How many operations of the [log](Self::log) were more than looking: 0 for what must work on read-only media.
    pub(crate) fn writes(&self) -> usize {
        self.state().log.iter().filter(|done| !matches!(done.call, Call::Read | Call::Stamp)).count()
    }

    /// Whether the disk is mounted read-only.
    pub(crate) fn set_read_only(&self, read_only: bool) {
        self.state().read_only = read_only;
    }

    /// How many bytes all files may have together; `None`: any number.
    pub(crate) fn set_capacity(&self, capacity: Option<usize>) {
        self.state().capacity = capacity;
    }

    /// How many bytes all files have together.
    pub(crate) fn used(&self) -> usize {
        self.state().used()
    }

    /// Makes [`Call::SyncDir`] succeed and do nothing: the control that a test of durability must fail with.
    pub(crate) fn ignore_sync_dir(&self) {
        self.state().ignores_sync_dir = true;
    }

    /// All files with their content, as processes see them.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        let files = state.seen.iter().filter_map(|(path, node)| match node {
            Node::File(file) => Some((path.clone(), state.files[*file].seen.clone())),
            Node::Directory => None,
        });
        files.collect()
    }

    /// Makes the file `path` with this content, durably and with the directories above it, from outside: it is not
    /// logged and meets no fault.
    pub(crate) fn put(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = absolute(path.as_ref());
        let mut state = self.state();
        let file = state.files.len();
        state.files.push(Content { seen: bytes.to_vec(), durable: bytes.to_vec(), lost: false });
        let directories = path.ancestors().skip(1).map(|above| (above.to_owned(), Node::Directory));
        for (name, node) in directories.chain([(path.clone(), Node::File(file))]) {
            state.seen.insert(name.clone(), node);
            state.durable.insert(name, node);
        }
    }

    /// Removes the file `path`, likewise.
    pub(crate) fn take_away(&self, path: impl AsRef<Path>) {
        let path = absolute(path.as_ref());
        let mut state = self.state();
        state.seen.remove(&path);
        state.durable.remove(&path);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no operation of the disk panics")
    }

    /// The state, if the operation is not to fail.
    fn begin(&self, call: Call, path: &Path) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.step(call, path).map(|()| state)
    }
}

impl State {
    /// Logs an operation, and fails if a fault is due.
    fn step(&mut self, call: Call, path: &Path) -> io::Result<()> {
        let number = self.log.len();
        let operation = Operation { call, path: path.to_owned() };
        self.log.push(operation.clone());
        let error = match self.fault {
            Some((at, Fault::Kill)) if at <= number => io::Error::other("killed"),
            Some((at, Fault::Fail(kind))) if at == number => kind.into(),
            Some((at, Fault::FailFrom(kind))) if at <= number => kind.into(),
            _ => return Ok(()),
        };
        self.faulted.get_or_insert(operation);
        Err(error)
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.seen.get(path) {
            Some(Node::File(file)) => Ok(*file),
            Some(Node::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn used(&self) -> usize {
        let files = self.seen.values().map(|node| match node {
            Node::File(file) => self.files[*file].seen.len(),
            Node::Directory => 0,
        });
        files.sum()
    }

    /// Changes names in the directory of the first one.
    fn change(&mut self, names: Vec<(PathBuf, Option<Node>)>) -> io::Result<()> {
        let directory = names[0].0.parent().unwrap_or(Path::new("")).to_owned();
        assert!(names.iter().all(|(name, _)| name.parent() == Some(&directory)), "one directory at a time");
        let is_root = directory.parent().is_none();
        if !is_root && !matches!(self.seen.get(&directory), Some(Node::Directory)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let change = Change { directory, names };
        change.apply(&mut self.seen);
        self.pending.push(change);
        Ok(())
    }

    fn create(&mut self, path: &Path, node: Node) -> io::Result<()> {
        if self.seen.contains_key(path) || path.parent().is_none() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(vec![(path.to_owned(), Some(node))])
    }

    fn create_file(&mut self, path: &Path) -> io::Result<usize> {
        let file = self.files.len();
        self.create(path, Node::File(file))?;
        self.files.push(Content::default());
        Ok(file)
    }

    fn sync(&mut self, path: &Path, file: usize) -> io::Result<()> {
        let stepped = self.step(Call::SyncFile, path);
        let content = &mut self.files[file];
        match (&stepped, self.fault) {
            (Ok(()), _) if !content.lost => content.durable.clone_from(&content.seen),
            (Ok(()), _) | (Err(_), Some((_, Fault::Kill))) => {}
            (Err(_), _) => content.lost = true,
        }
        stepped
    }

    fn power_cut(&mut self, cut: Cut) {
        let mut dice = match cut {
            Cut::Seed(seed) => Dice(seed),
            _ => Dice(0),
        };
        for change in std::mem::take(&mut self.pending) {
            let kept = match cut {
                Cut::LoseAll => false,
                Cut::KeepAll | Cut::LoseContent => true,
                Cut::Seed(_) => dice.below(2) == 1,
            };
            if kept {
                change.apply(&mut self.durable);
            }
        }
        for content in &mut self.files {
            // Files only grow here, so that the durable content is the beginning of what is seen.
            let (durable, seen) = (content.durable.len(), content.seen.len());
            let kept = match cut {
                Cut::KeepAll if !content.lost => seen,
                Cut::Seed(_) if !content.lost => durable + dice.below(seen - durable + 1),
                _ => durable,
            };
            content.seen.truncate(kept);
            *content = Content {
                durable: content.seen.clone(),
                seen: std::mem::take(&mut content.seen),
                lost: false,
            };
        }
        // What is in a directory that was lost is lost with it. Parents come first in the order of paths.
        let mut kept = Names::new();
        for (path, node) in std::mem::take(&mut self.durable) {
            if path.parent().is_none_or(|above| above.parent().is_none() || kept.contains_key(above)) {
                kept.insert(path, node);
            }
        }
        self.seen = kept.clone();
        self.durable = kept;
    }
}

impl Change {
    fn apply(&self, names: &mut Names) {
        for (name, node) in &self.names {
            match node {
                Some(node) => names.insert(name.clone(), *node),
                None => names.remove(name),
            };
        }
    }
}

impl FileSystem for Disk {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let state = self.begin(Call::Read, path)?;
        let bytes = &state.files[state.file(path)?].seen;
        if bytes.len() > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.clone()) }
    }

    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        let state = self.begin(Call::Stamp, path)?;
        let Ok(file) = state.file(path) else { return Ok(None) };
        let length = state.files[file].seen.len() as u64;
        Ok(Some(Stamp { length, modified: 0, changed: 0, identity: file as u64 }))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let mut state = self.begin(Call::CreateNew, path)?;
        let file = state.create_file(path)?;
        Ok(Box::new(Open { disk: self.clone(), process: state.process, path: path.to_owned(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.begin(Call::Rename, to)?;
        let file = Node::File(state.file(from)?);
        state.change(vec![(from.to_owned(), None), (to.to_owned(), Some(file))])
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin(Call::Remove, path)?;
        state.file(path)?;
        state.change(vec![(path.to_owned(), None)])
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        match state.file(path) {
            Ok(file) => state.sync(path, file),
            Err(error) => state.step(Call::SyncFile, path).and(Err(error)),
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin(Call::SyncDir, path)?;
        if !state.ignores_sync_dir {
            let state = &mut *state;
            state.pending.retain(|change| {
                let elsewhere = change.directory != path;
                if !elsewhere {
                    change.apply(&mut state.durable);
                }
                elsewhere
            });
        }
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.begin(Call::CreateDir, path)?.create(path, Node::Directory)
    }

    /// Never waits: a lock that is held is [`io::ErrorKind::WouldBlock`] at once.
    fn lock(&self, path: &Path, _: Duration) -> io::Result<Box<dyn LockGuard>> {
        let mut state = self.begin(Call::Lock, path)?;
        if state.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        if !state.seen.contains_key(path) {
            state.create_file(path)?;
        }
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Locked { disk: self.clone(), process: state.process, path: path.to_owned() }))
    }
}

struct Open {
    disk: Disk,
    process: usize,
    path: PathBuf,
    file: usize,
}

impl Open {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.process == self.process { Ok(state) } else { Err(io::Error::other("killed")) }
    }
}

impl NewFile for Open {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state()?;
        let stepped = state.step(Call::Write, &self.path);
        let room = state.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(state.used()));
        let wanted = if stepped.is_ok() { bytes.len() } else { bytes.len() / 2 };
        state.files[self.file].seen.extend(&bytes[..wanted.min(room)]);
        stepped?;
        if wanted > room { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.state()?.sync(&self.path, self.file)
    }
}

struct Locked {
    disk: Disk,
    process: usize,
    path: PathBuf,
}

impl LockGuard for Locked {}

impl Drop for Locked {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.process == self.process {
            state.locks.remove(&self.path);
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).expect("a path")
}
