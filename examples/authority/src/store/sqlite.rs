//! An SQLite file: those who read it, and those who write to it one after the other.

#[cfg(unix)]
use std::os::unix::fs::MetadataExt as _;
use std::{
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    PATIENCE,
    group::Line,
    sql::{Error, is_locked},
};

/// What every connection starts with, beside the log. A commit is on the disk before anybody hears of it.
const SETTINGS: &str = "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON";
/// How often a database that is just being made is asked again.
const PAUSE: Duration = Duration::from_millis(10);
/// How many statements a connection keeps prepared. There are fewer.
const PREPARED: usize = 256;

/// An SQLite file that is in use.
pub(super) struct Sqlite {
    path: PathBuf,
    /// Which file it is, where the system says so. SQLite itself does not notice when it is replaced.
    identity: Option<Identity>,
    /// Connections that read when they are wanted.
    idle: Mutex<Vec<Connection>>,
    /// Who may read at a time.
    places: Arc<Semaphore>,
    readers: u32,
    /// Who writes, within this process.
    pub(super) line: Line,
}

impl Sqlite {
    /// The file is there. Fails when it cannot be opened.
    pub(super) async fn connect(path: &Path, readers: u32) -> Result<Arc<Self>, Error> {
        let sqlite = Arc::new(Self {
            path: path.to_owned(),
            identity: identity(path),
            idle: Mutex::default(),
            places: Arc::new(Semaphore::new(readers as usize)),
            readers,
            line: Line::default(),
        });
        let first = sqlite.open().await?;
        sqlite.idle().push(first);
        Ok(sqlite)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection of its own.
    pub(super) async fn open(&self) -> Result<Connection, Error> {
        let path = self.path.clone();
        blocking(move || {
            // No mutex: a connection is only ever one thread's.
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            connection.set_prepared_statement_cache_capacity(PREPARED);
            keep_log(&connection, &path)?;
            connection.execute_batch(SETTINGS)?;
            Ok(connection)
        })
        .await
    }

    /// Fails with [`Error::Replaced`] when the path leads to another file than at first. What was written to the one
    /// that is open would be lost.
    pub(super) fn check_place(&self) -> Result<(), Error> {
        if identity(&self.path) == self.identity {
            Ok(())
        } else {
            Err(Error::Replaced(self.path.display().to_string()))
        }
    }

    /// Begins to read.
    pub(super) async fn read(self: &Arc<Self>) -> Result<Reader, Error> {
        let place = timeout(PATIENCE, self.places.clone().acquire_owned());
        let place = place.await.map_err(|_| Error::TimedOut)?.map_err(|_| Error::Closed)?;
        self.check_place()?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open().await?,
        };
        connection.busy_timeout(Duration::ZERO)?;
        connection.execute_batch("BEGIN")?;
        let connection = match see(&connection) {
            // Another process puts the log in order after a crash. What is seen once never waits again.
            Err(error) if is_locked(&error) => {
                blocking(move || {
                    connection.busy_timeout(PATIENCE)?;
                    see(&connection)?;
                    Ok(connection)
                })
                .await?
            }
            seen => {
                seen?;
                connection
            }
        };
        Ok(Reader { connection: Some(connection), sqlite: self.clone(), _place: place })
    }

    /// Writes a copy into a file that is there and empty.
    pub(super) async fn copy_to(&self, file: String) -> Result<(), Error> {
        self.check_place()?;
        let connection = self.open().await?;
        blocking(move || Ok(connection.execute("VACUUM INTO ?1", [file]).map(drop)?)).await
    }

    /// Waits for those who read and write, and lets the file go.
    pub(super) async fn close(&self) {
        let _all = self.places.acquire_many(self.readers).await;
        self.places.close();
        let readers = std::mem::take(&mut *self.idle());
        let writer = self.line.lock().await.close();
        // The last one writes the log into the file.
        let _closed = tokio::task::spawn_blocking(move || drop((readers, writer))).await;
    }
}

/// Fixes what a transaction that reads will see.
fn see(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("SELECT COUNT(*) FROM (SELECT 1 FROM sqlite_schema LIMIT 1)", [], |_| Ok(()))
}

/// Has SQLite keep a write-ahead log. While another process does the same to a new file, it is asked again: there
/// SQLite does not wait by itself.
fn keep_log(connection: &Connection, path: &Path) -> Result<(), Error> {
    let begun = Instant::now();
    let journal: String = loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)) {
            Err(error) if is_locked(&error) && begun.elapsed() < PATIENCE => thread::sleep(PAUSE),
            answer => break answer?,
        }
    };
    if journal == "wal" { Ok(()) } else { Err(Error::NoLog { file: path.display().to_string(), journal }) }
}

/// The device and the number of a file.
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Windows does not let a file be replaced that is open.
#[cfg(not(unix))]
fn identity(_: &Path) -> Option<Identity> {
    None
}

/// Does what waits for a disk, or for another process, in a thread where it keeps no request waiting.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Undone))
}

/// A connection that reads, in a transaction.
pub(super) struct Reader {
    /// There until it is dropped.
    connection: Option<Connection>,
    sqlite: Arc<Sqlite>,
    _place: OwnedSemaphorePermit,
}

impl Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a reader has its connection as long as it lasts")
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("a reader has its connection as long as it lasts")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && (connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok())
        {
            self.sqlite.idle().push(connection);
        }
    }
}
