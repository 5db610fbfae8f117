//! The ledger on disk: SQL and rows.
//!
//! No rule is here, and nothing is signed or limited. The services ask and store, within a transaction that they begin
//! and commit. The SQL is what SQLite and PostgreSQL have in common; where they differ, it is in this file.

mod audit;
mod backup;
mod ledger;
mod licenses;
pub(crate) mod raw;
mod row;
mod sales;
mod seats;
#[cfg(test)]
mod tests;
mod vendor;

use std::{
    borrow::Cow,
    ops::{Deref, DerefMut},
    path::Path,
    sync::Arc,
    time::Duration,
};

use sqlx::{
    Any, AnyConnection, AnyPool, AssertSqlSafe, Executor as _, SqlSafeStr as _, Transaction,
    any::AnyPoolOptions,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::timeout,
};

pub(crate) use self::{
    audit::{AuditLine, latest, note},
    backup::publish,
    ledger::{apply, find},
    licenses::{insert_license, licenses, set_terms, terms_of},
    sales::{insert_sale, insert_sale_license, key_hint_of, licenses_of_sale, sale, set_key},
    seats::{count_by_state, latest_seats_of, seats},
    vendor::{insert_vendor, vendor},
};
use crate::{
    domain::Location,
    failure::{Failure, Result},
    keys,
};

/// In order. A database knows which of them it has seen.
const MIGRATIONS: [(&str, &str); 1] = [("ledger", include_str!("migrations/0001_ledger.sql"))];

/// Asks for the table that programs before the first version kept of their migrations.
const OLDER: &str = "SELECT version FROM migration";

/// How long a writer waits for its turn.
const PATIENCE: Duration = Duration::from_secs(20);

/// What every connection to SQLite starts with. A writer waits 20 seconds for another process; a commit is on the disk
/// before anybody hears of it.
const SQLITE_SETTINGS: &str = "PRAGMA busy_timeout = 20000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                        PRAGMA foreign_keys = ON";

/// The same for PostgreSQL, whose commits are on the disk unless its operator decided otherwise.
const POSTGRES_SETTINGS: &str = "SET lock_timeout = '20s'";
/// Names the one writer's lock among the advisory locks of a PostgreSQL database.
const WRITER: i64 = 0x6e6f_6465_6c6f_636b;

/// A transaction. One that writes holds its turn until it ends; one that is dropped changes nothing.
pub(crate) struct Tx {
    inner: Transaction<'static, Any>,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Tx {
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        self.inner.commit().await
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}

/// The URL of an SQLite file. The one that sqlx makes has the beginning of a path for a server's name, and loses a
/// drive's colon.
fn url_of(file: &Path) -> String {
    let encoded = file.as_os_str().as_encoded_bytes().iter().map(|&byte| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    format!("sqlite:{}", encoded.collect::<String>())
}

/// The ledger's database. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Database {
    pool: AnyPool,
    engine: Engine,
    /// Whose turn it is to write, within this process: first come, first served.
    turn: Arc<Mutex<()>>,
}

/// What stands under it, for the little that differs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
}

impl Database {
    /// Whether there is a file to open. Only a connection can tell of a server.
    pub(crate) fn may_exist(location: &Location) -> bool {
        match location {
            Location::File(path) => path.exists(),
            Location::Url(_) => true,
        }
    }

    /// Makes the file of a new database, which only its owner may read; SQLite gives its side files the same mode. A
    /// file that another process made meanwhile is no failure.
    fn create_file(path: &Path) -> Result<()> {
        let failed = |error| nodelock::Error::io(path.display().to_string(), error);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        match keys::write_new(path, &[]) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            made => Ok(made.map_err(failed)?),
        }
    }

    /// Whether nobody writes, as far as this process knows.
    #[cfg(test)]
    pub(crate) fn is_free(&self) -> bool {
        self.turn.try_lock().is_ok()
    }

    /// Makes what is missing of a database, and connects to it once.
    pub(crate) async fn create(location: &Location) -> Result<Self> {
        if let Location::File(path) = location {
            Self::create_file(path)?;
        }
        let database = Self::connect(location, 1).await?;
        database.migrate().await?;
        Ok(database)
    }

    /// Connects, with at most so many connections, and brings the tables up to date.
    ///
    /// Fails with [`Failure::NotInitialized`] where there are none: nothing is created unasked.
    pub(crate) async fn open(location: &Location, connections: u32) -> Result<Self> {
        let database = Self::connect(location, connections).await?;
        if !database.is_known().await? {
            return Err(Failure::NotInitialized);
        }
        database.migrate().await?;
        Ok(database)
    }

    /// Whether the tables of this program are there, of whatever version.
    async fn is_known(&self) -> Result<bool> {
        for table in ["SELECT version FROM _sqlx_migrations LIMIT 1", OLDER] {
            match sqlx::query(table).fetch_optional(&self.pool).await {
                Ok(_) => return Ok(true),
                Err(sqlx::Error::Database(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    async fn connect(location: &Location, connections: u32) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let url = match location {
            Location::File(path) if path.exists() => url_of(path),
            Location::File(_) => return Err(Failure::NotInitialized),
            Location::Url(url) => url.clone(),
        };
        let (engine, settings) = match url.starts_with("postgres") {
            true => (Engine::Postgres, POSTGRES_SETTINGS),
            false => (Engine::Sqlite, SQLITE_SETTINGS),
        };
        let pool = AnyPoolOptions::new()
            .max_connections(connections)
            .after_connect(move |connection, _| {
                Box::pin(async move { connection.execute(settings).await.map(drop) })
            })
            .connect(&url)
            .await?;
        Ok(Self { pool, engine, turn: Arc::default() })
    }

    /// Waits for what is under way and lets the database go.
    pub(crate) async fn close(self) {
        self.pool.close().await;
    }

    /// Brings the tables up to date.
    ///
    /// Fails with [`Failure::OlderDatabase`] and [`Failure::NewerDatabase`].
    async fn migrate(&self) -> Result<()> {
        const SEEN: &str = "SELECT COUNT(*) FROM _sqlx_migrations";
        // Mostly there is nothing to do, which must not take the lock of a writer.
        let seen: Result<i64, _> = sqlx::query_scalar(SEEN).fetch_one(&self.pool).await;
        if seen.is_ok_and(|seen| usize::try_from(seen) == Ok(MIGRATIONS.len())) {
            return Ok(());
        }
        if sqlx::query(OLDER).fetch_optional(&self.pool).await.is_ok() {
            return Err(Failure::OlderDatabase);
        }
        let mut migrator = Migrator::with_migrations(self.migrations());
        // The writer's lock is enough.
        migrator.set_locking(false);
        let mut tx = self.write().await?;
        match migrator.run(&mut *tx).await {
            Ok(()) => Ok(tx.commit().await?),
            Err(MigrateError::VersionMissing(_)) => Err(Failure::NewerDatabase),
            Err(error) => Err(sqlx::Error::from(error).into()),
        }
    }

    /// The statements that make the tables, as this database takes them.
    fn migrations(&self) -> Vec<Migration> {
        let migrations = (1..).zip(MIGRATIONS).map(|(version, (name, sql))| {
            // The one word of it that PostgreSQL has another name for.
            let sql = match self.engine {
                Engine::Sqlite => Cow::Borrowed(sql),
                Engine::Postgres => Cow::Owned(sql.replace(" BLOB", " BYTEA")),
            };
            // Only the files above are in it.
            let sql = AssertSqlSafe(sql).into_sql_str();
            Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql, false)
        });
        migrations.collect()
    }

    /// Begins to write. There is one writer at a time, over all processes, so what a decision was made from is still
    /// true when it is stored.
    ///
    /// SQLite knows no other way. On PostgreSQL this gives up concurrent writes; in return no transaction needs retry
    /// logic for serialization failures.
    ///
    /// Within a process, writers wait in line before they ask the database. SQLite lets a writer sleep and try again,
    /// so an unlucky one would wait for most of a second, and each would hold a connection that readers could use.
    pub(crate) async fn write(&self) -> Result<Tx> {
        let turn = Arc::clone(&self.turn).lock_owned();
        let turn = timeout(PATIENCE, turn).await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let mut tx = match self.engine {
            Engine::Sqlite => self.pool.begin_with("BEGIN IMMEDIATE").await?,
            Engine::Postgres => self.pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?,
        };
        if self.engine == Engine::Postgres {
            // Every statement after this one sees what the writer before has committed, whatever the server's default is.
            sqlx::query("SELECT 1 FROM pg_advisory_xact_lock($1)").bind(WRITER).execute(&mut *tx).await?;
        }
        Ok(Tx { inner: tx, _turn: Some(turn) })
    }

    /// Writes something that changes nothing, to find out whether that can be done.
    pub(crate) async fn try_write(&self) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE vendor SET created = created").execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// Lets other processes have their turn, between two of many transactions: SQLite's writers look every tenth of a
    /// second whether they can go on, and would hardly ever find a gap.
    pub(crate) async fn make_way(&self) {
        if self.engine == Engine::Sqlite {
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
    }

    /// Begins to read. Everything that is read is of one moment.
    pub(crate) async fn read(&self) -> Result<Tx> {
        let inner = match self.engine {
            Engine::Sqlite => self.pool.begin().await?,
            Engine::Postgres => {
                self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?
            }
        };
        Ok(Tx { inner, _turn: None })
    }
}
