//! A file system that lasts as long as the process, behind the same seam: the store has one code path.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use zeroize::Zeroizing;

use super::{FileSystem, LockGuard, NewFile, Stamp};

/// Files in memory. Directories are whatever the names say; everything is as durable as it gets at once.
#[derive(Clone, Default)]
pub(super) struct MemoryFileSystem {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    unlocked: Condvar,
}

#[derive(Default)]
struct State {
    files: HashMap<PathBuf, File>,
    locked: HashSet<PathBuf>,
    /// How many files there have been.
    created: u64,
}

struct File {
    identity: u64,
    bytes: Zeroizing<Vec<u8>>,
}

impl MemoryFileSystem {
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FileSystem for MemoryFileSystem {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        match self.state().files.get(path) {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(file) if file.bytes.len() > limit => Err(io::ErrorKind::FileTooLarge.into()),
            Some(file) => Ok(file.bytes.to_vec()),
        }
    }

    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        let state = self.state();
        Ok(state.files.get(path).map(|file| Stamp {
            length: file.bytes.len() as u64,
            modified: 0,
            changed: 0,
            identity: file.identity,
        }))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let mut state = self.state();
        if state.files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.created += 1;
        let file = File { identity: state.created, bytes: Zeroizing::default() };
        state.files.insert(path.to_owned(), file);
        Ok(Box::new(Created(self.clone(), path.to_owned())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let file = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state().files.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_file(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path, timeout: Duration) -> io::Result<Box<dyn LockGuard>> {
        let (mut state, _) = self
            .shared
            .unlocked
            .wait_timeout_while(self.state(), timeout, |state| state.locked.contains(path))
            .unwrap_or_else(PoisonError::into_inner);
        if !state.locked.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Lock(self.clone(), path.to_owned())))
    }
}

struct Created(MemoryFileSystem, PathBuf);

impl NewFile for Created {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self(files, path) = self;
        let mut state = files.state();
        let file = state.files.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
        // A buffer that grows in place would leave what it held behind.
        file.bytes = Zeroizing::new([&file.bytes[..], bytes].concat());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Lock(MemoryFileSystem, PathBuf);

impl LockGuard for Lock {}

impl Drop for Lock {
    fn drop(&mut self) {
        let Self(files, path) = self;
        files.state().locked.remove(path);
        files.shared.unlocked.notify_all();
    }
}
