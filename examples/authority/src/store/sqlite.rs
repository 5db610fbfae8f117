//! An SQLite file: those who read it, and those who write to it one after the other.

use std::{
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OpenFlags};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{PATIENCE, group::Line, sql::Error};

/// What every connection starts with. A commit is on the disk before anybody hears of it.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON";
/// How many statements a connection keeps prepared. There are fewer.
const PREPARED: usize = 256;

/// An SQLite file that is in use.
pub(super) struct Sqlite {
    path: PathBuf,
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
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            connection.set_prepared_statement_cache_capacity(PREPARED);
            connection.execute_batch(SETTINGS)?;
            Ok(connection)
        })
        .await
    }

    /// Begins to read.
    pub(super) async fn read(self: &Arc<Self>) -> Result<Reader, Error> {
        let place = timeout(PATIENCE, self.places.clone().acquire_owned());
        let place = place.await.map_err(|_| Error::TimedOut)?.map_err(|_| Error::Closed)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open().await?,
        };
        connection.execute_batch("BEGIN")?;
        Ok(Reader { connection: Some(connection), sqlite: self.clone(), _place: place })
    }

    /// Writes a copy into a file that is there and empty.
    pub(super) async fn copy_to(&self, file: String) -> Result<(), Error> {
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
