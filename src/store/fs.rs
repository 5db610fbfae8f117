//! The seam between the store and the file system: what the store asks of one, and no more.

use std::{io, path::Path, time::Duration};

/// A file system, as far as the store needs one.
///
/// Every method is one step that a process can be killed before or after, and that can fail by itself. Errors are
/// told apart by their [`io::ErrorKind`], and only in the ways said here.
pub trait FileSystem: Send + Sync {
    /// The content of the file `path`, of `limit` bytes at most.
    ///
    /// Fails with [`io::ErrorKind::NotFound`] if there is none, and with [`io::ErrorKind::FileTooLarge`] if it is
    /// longer than `limit`; never more than `limit + 1` bytes are read to find that out. Fails at once for what is not
    /// a plain file, such as a pipe, whose reader would wait for a writer.
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;

    /// The same, and what the file looked like from outside before it was read.
    fn read_stamped(&self, path: &Path, limit: usize) -> io::Result<(Vec<u8>, Stamp)> {
        let stamp = self.stamp(path)?.ok_or(io::ErrorKind::NotFound)?;
        Ok((self.read(path, limit)?, stamp))
    }

    /// What the file `path` looks like from outside, without reading it; `None` if there is no such file.
    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>>;

    /// Creates the file `path` for writing, readable by its owner only.
    ///
    /// Fails with [`io::ErrorKind::AlreadyExists`] rather than open an existing file.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>>;

    /// Gives the file `from` the name `to` in the same directory, in one step, in place of a file of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes the file `path`.
    ///
    /// Fails with [`io::ErrorKind::NotFound`] if there is none.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the content of the existing file `path` durable.
    fn sync_file(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in the directory `path` durable: what was created, renamed and removed there.
    ///
    /// Where a file system has nothing of the kind, the error is the system's own (EINVAL, EBADF, ENOSYS, EOPNOTSUPP)
    /// or [`io::ErrorKind::Unsupported`]; the store goes on then and notes it. Does nothing on Windows, where
    /// [`rename`](Self::rename) is durable by itself.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Creates the directory `path`, open to its owner only.
    ///
    /// Fails with [`io::ErrorKind::AlreadyExists`] if anything has that name, and with
    /// [`io::ErrorKind::NotFound`] if the directory above is missing.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes the exclusive lock on the file `path`, which is created if missing, and waits for it no longer than
    /// `timeout`. A process that dies gives its locks up. Follows no link, and locks nothing but a plain file.
    ///
    /// Fails with [`io::ErrorKind::WouldBlock`] if another holds it all that time, in this process or any other; where
    /// there are no locks, with the system's own error (ENOLCK, ENOSYS, EOPNOTSUPP) or [`io::ErrorKind::Unsupported`].
    fn lock(&self, path: &Path, timeout: Duration) -> io::Result<Box<dyn LockGuard>>;
}

/// A file that is being written for the first time. Dropping it closes it.
pub trait NewFile: Send {
    /// Appends `bytes`. After a failure, any part of them may have been written.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the content durable. After a failure nothing is known about it, and a second call proves nothing.
    fn sync(&mut self) -> io::Result<()>;
}

/// Holds a lock until it is dropped.
pub trait LockGuard: Send {}

/// What a file looks like from outside: equal stamps mean that it has not been replaced.
///
/// The values are for comparing only. Two replacements within one tick of the file system's clock can look alike
/// where it reuses identities, so that a stamp saves work and never proves anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The length in bytes.
    pub length: u64,
    /// When the content was last written, in nanoseconds (Windows: 100 ns) since the system's epoch.
    pub modified: i128,
    /// When anything about the file last changed, likewise. A copy that is given its original's times has another one.
    pub changed: i128,
    /// What tells this file from others: the inode number, on Windows the file's index.
    pub identity: u64,
}

/// Makes the names in `directory` durable. Returns whether it could: some file systems cannot sync a directory (shared
/// folders of virtual machines, old file servers), and a store goes on there, as databases do. What really fails is an
/// error.
pub(super) fn sync_dir(files: &dyn FileSystem, directory: &Path) -> io::Result<bool> {
    match files.sync_dir(directory) {
        Ok(()) => Ok(true),
        Err(error) if cannot_sync(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a sync failed because the file system has none for this: EINVAL, ENOSYS, EOPNOTSUPP, EBADF.
fn cannot_sync(error: &io::Error) -> bool {
    #[cfg(unix)]
    let unsupported = [libc::EINVAL, libc::EBADF, libc::ENOSYS, libc::EOPNOTSUPP];
    #[cfg(not(unix))]
    let unsupported: [i32; 0] = [];
    error.raw_os_error().is_some_and(|number| unsupported.contains(&number))
        || matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput)
}

/// Whether a lock failed because the file system has none: ENOLCK, ENOSYS, EOPNOTSUPP.
pub(super) fn has_no_locks(error: &io::Error) -> bool {
    #[cfg(unix)]
    let unsupported = [libc::ENOLCK, libc::ENOSYS, libc::EOPNOTSUPP];
    #[cfg(not(unix))]
    let unsupported: [i32; 0] = [];
    error.raw_os_error().is_some_and(|number| unsupported.contains(&number))
        || error.kind() == io::ErrorKind::Unsupported
}

/// Creates `directory` and what is missing above it, each durably before the next one in it.
///
/// So a process that is killed here leaves one directory in doubt at most, the lowest: hence the syncs for what was
/// there already.
pub(super) fn create_directories(files: &dyn FileSystem, directory: &Path) -> io::Result<()> {
    let Some(parent) = directory.parent() else { return Ok(()) };
    let mut created = files.create_dir(directory);
    match &created {
        Ok(()) => settle(files, parent)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_directories(files, parent)?;
            created = files.create_dir(directory);
        }
        Err(_) => {}
    }
    match created {
        Ok(()) => sync_dir(files, parent).map(drop),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => settle(files, directory),
        Err(error) => Err(error),
    }
}

/// Creates `directory` and what is missing above it, for what is left to the system when it reaches the disk.
pub(super) fn create_unsynced_directories(files: &dyn FileSystem, directory: &Path) -> io::Result<()> {
    let created = match (files.create_dir(directory), directory.parent()) {
        (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
            create_unsynced_directories(files, parent)?;
            files.create_dir(directory)
        }
        (created, _) => created,
    };
    match created {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Makes the name of an existing directory durable.
fn settle(files: &dyn FileSystem, directory: &Path) -> io::Result<()> {
    match directory.parent().map_or(Ok(()), |parent| sync_dir(files, parent).map(drop)) {
        // Where this process may not even look, such as above a home directory, it has made nothing.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}
