//! The real file system, through std alone.

#[cfg(unix)]
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
#[cfg(windows)]
use std::os::windows::fs::OpenOptionsExt as _;
use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::Path,
    thread,
    time::{Duration, Instant},
};

#[cfg(unix)]
use super::unix;
#[cfg(windows)]
use super::windows;
use super::{FileSystem, LockGuard, NewFile, Stamp};

/// How long to wait between two attempts at a lock.
const POLL: Duration = Duration::from_millis(10);

/// The operating system's file system.
///
/// Files are made with mode 0600 and directories with 0700, whatever the umask. What root makes in another user's
/// directory belongs to that user, so that a program that was once started as root locks nobody out. On Windows they
/// inherit the access rules of the directory above, which in a user's profile let in that user, the system and the
/// administrators; but a directory made below `%ProgramData%`, which lets everybody read, lets in its owner, the system
/// and the administrators alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsFileSystem;

impl FileSystem for OsFileSystem {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let (file, metadata) = open_plain(OpenOptions::new().read(true), path, false)?;
        read_plain(file, metadata.len(), limit)
    }

    /// On Unix one open file tells both.
    #[cfg(unix)]
    fn read_stamped(&self, path: &Path, limit: usize) -> io::Result<(Vec<u8>, Stamp)> {
        let (file, metadata) = open_plain(OpenOptions::new().read(true), path, false)?;
        Ok((read_plain(file, metadata.len(), limit)?, stamp_of(&metadata)))
    }

    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        match stamp(path) {
            Ok(stamp) => Ok(Some(stamp)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        Ok(Box::new(create_file(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        while_in_use(MORE_PATIENCE, || fs::rename(from, to))?;
        // There is no syncing of directories on Windows; NTFS writes its log out when it flushes the renamed file.
        if cfg!(windows) { self.sync_file(to) } else { Ok(()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        while_in_use(PATIENCE, || fs::remove_file(path))
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        // Windows flushes only what is open for writing.
        let (file, _) = open_plain(OpenOptions::new().read(true).write(cfg!(windows)), path, false)?;
        file.sync_all()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // On Windows a directory cannot be opened like a file; `rename` does what is needed.
        if cfg!(windows) { Ok(()) } else { open_dir(path)?.sync_all() }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        #[cfg(unix)]
        return unix::create_dir(path);
        #[cfg(not(unix))]
        {
            #[cfg(windows)]
            if windows::is_shared(path) {
                return windows::create_private_dir(path);
            }
            fs::create_dir(path)
        }
    }

    fn lock(&self, path: &Path, timeout: Duration) -> io::Result<Box<dyn LockGuard>> {
        let file = open_or_create(path)?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Box::new(OsLock(file))),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => {}
            }
            match timeout.checked_sub(start.elapsed()) {
                None => return Err(io::ErrorKind::WouldBlock.into()),
                Some(left) => thread::sleep(POLL.min(left)),
            }
        }
    }
}

impl NewFile for File {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.sync_all()
    }
}

struct OsLock(File);

impl LockGuard for OsLock {}

impl Drop for OsLock {
    fn drop(&mut self) {
        // Closing would do, but for a child process that was forked meanwhile and still has the file open. wine
        // reports an error though it unlocked.
        let _ = self.0.unlock();
    }
}

/// How long to wait between the attempts at a file that is in use, in milliseconds, altogether an eighth of a second.
const PATIENCE: &[u64] = &[1, 2, 4, 8, 16, 32, 64];
/// The same for putting a new file in place, which must not fail because somebody is slow: altogether two seconds.
const MORE_PATIENCE: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// Runs `operation` again while Windows says that the file is in use (by a reader or a virus scanner), or Unix that a
/// file server has a lease on it, which it was asked to give up: either is done in a moment.
fn while_in_use<T>(patience: &[u64], operation: impl Fn() -> io::Result<T>) -> io::Result<T> {
    // ERROR_ACCESS_DENIED (a name about to go away), ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION
    let in_use = |error: &io::Error| match error.raw_os_error() {
        Some(5 | 32 | 33) => cfg!(windows),
        _ => error.kind() == io::ErrorKind::WouldBlock,
    };
    for milliseconds in patience {
        match operation() {
            Err(error) if in_use(&error) => thread::sleep(Duration::from_millis(*milliseconds)),
            done => return done,
        }
    }
    operation()
}

/// Opens a plain file, and looks at it: never waits for the other end of a pipe, and refuses pipes, sockets,
/// devices and directories. With `no_links` it refuses links too; otherwise a link to a plain file is as good as the
/// file, because volumes of containers are made of links.
fn open_plain(options: &mut OpenOptions, path: &Path, no_links: bool) -> io::Result<(File, Metadata)> {
    #[cfg(unix)]
    options.custom_flags(libc::O_NONBLOCK | if no_links { libc::O_NOFOLLOW } else { 0 });
    #[cfg(windows)]
    {
        const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x20_0000;
        options.custom_flags(if no_links { FILE_FLAG_OPEN_REPARSE_POINT } else { 0 });
    }
    let file = while_in_use(PATIENCE, || options.open(path))?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, metadata)),
        false => Err(io::Error::other("not a plain file")),
    }
}

/// The content of a plain file that was `length` bytes long when it was opened.
fn read_plain(mut file: File, length: u64, limit: usize) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    // One byte to spare, so that the end is found without moving a secret to a larger buffer.
    let mut bytes = vec![0; length + 1];
    let read = loop {
        match file.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    bytes.truncate(read);
    // There was room for one byte more, so this is the end.
    if read == length {
        return Ok(bytes);
    }
    file.take((limit + 1 - read) as u64).read_to_end(&mut bytes)?;
    // The length above says nothing about a file that grows.
    if bytes.len() > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Opens a file, which is made if it is missing. Through a link, that would make a file elsewhere.
fn open_or_create(path: &Path) -> io::Result<File> {
    let open = || open_plain(OpenOptions::new().read(true).write(true), path, true).map(|(file, _)| file);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match create_lasting_file(path) {
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(),
            created => created,
        },
        opened => opened,
    }
}

/// Makes a file for writing, for its owner only.
fn create_file(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    return unix::create_file(path);
    #[cfg(not(unix))]
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// As [`create_file`], for a file that is never replaced.
fn create_lasting_file(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    return unix::create_lasting_file(path);
    #[cfg(not(unix))]
    create_file(path)
}

/// Opens a directory, and nothing else.
fn open_dir(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    options.custom_flags(libc::O_DIRECTORY);
    options.open(path)
}

#[cfg(unix)]
fn stamp(path: &Path) -> io::Result<Stamp> {
    fs::metadata(path).map(|metadata| stamp_of(&metadata))
}

#[cfg(unix)]
fn stamp_of(metadata: &Metadata) -> Stamp {
    let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    Stamp {
        length: metadata.size(),
        modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        identity: metadata.ino(),
    }
}

/// Windows tells what cannot be copied along only of an open file; opened for its attributes alone, it is in nobody's
/// way.
#[cfg(windows)]
fn stamp(path: &Path) -> io::Result<Stamp> {
    const FILE_READ_ATTRIBUTES: u32 = 0x80;
    while_in_use(PATIENCE, || OpenOptions::new().access_mode(FILE_READ_ATTRIBUTES).open(path))
        .and_then(|file| windows::stamp(&file))
}
