//! The ledger on disk: load the records that a rule asks for, call it, store what it returns, in one transaction.
//!
//! Everything that changes a seat writes an audit row in the same transaction. The SQL is what SQLite and PostgreSQL
//! have in common; what is one's own is in this file alone.

mod activation;
mod check_in;
mod licenses;
mod redemption;
mod seats;

use std::{
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nodelock::{
    ErrorKind, LicenseId, PublicKey, Random as _, SystemRandom, Timestamp, authority::ledger::Seat,
    code::Handle,
};
use sqlx::{
    Any, AnyConnection, AnyPool, Executor as _, Row as _, Transaction,
    any::{AnyPoolOptions, AnyRow},
};
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::timeout,
};

pub(crate) use self::{
    activation::{Granted, SeatName},
    check_in::CheckedIn,
    licenses::{Holding, KeyText, LicenseRow},
    redemption::Redeemed,
    seats::{SeatRow, state_name},
};
use crate::{
    failure::{Failure, Result},
    keys,
};

/// In order; a database knows how many of them it has seen.
const MIGRATIONS: [&str; 4] = [
    include_str!("migrations/0001_ledger.sql"),
    include_str!("migrations/0002_check_ins.sql"),
    include_str!("migrations/0003_counting.sql"),
    include_str!("migrations/0004_requested.sql"),
];

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

/// A transaction. What writes holds its turn for as long.
struct Tx {
    inner: Transaction<'static, Any>,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Tx {
    async fn commit(self) -> Result<(), sqlx::Error> {
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

/// Where the database is.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    /// An SQLite file.
    File(PathBuf),
    /// Anything else, by its driver's URL.
    Url(String),
}

impl FromStr for Location {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_url = text.contains("://") || text.starts_with("sqlite:");
        Ok(if is_url { Self::Url(text.to_owned()) } else { Self::File(text.into()) })
    }
}

/// The URL of an SQLite file. The one that sqlx makes has the beginning of a path for a server's name, and loses a drive's colon.
fn url_of(file: &Path) -> String {
    let encoded = file.as_os_str().as_encoded_bytes().iter().map(|&byte| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    format!("sqlite:{}", encoded.collect::<String>())
}

/// On which occasion something is done: when, and by whom.
pub(crate) struct Occasion {
    pub(crate) now: Timestamp,
    pub(crate) actor: String,
}

/// What the authority is for.
pub(crate) struct Vendor {
    pub(crate) product: String,
    pub(crate) root: PublicKey,
}

/// One line of the audit.
pub(crate) struct AuditRow {
    pub(crate) at: Timestamp,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) license: Option<String>,
    pub(crate) handle: Option<Handle>,
    pub(crate) device: Option<PublicKey>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) detail: String,
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

    /// Makes the file of a new database, which only its owner may read; SQLite gives its side files the same mode.
    pub(crate) fn create_file(path: &Path) -> Result<()> {
        let failed = |error| nodelock::Error::io(path.display().to_string(), error);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        Ok(keys::write_new(path, &[]).map_err(failed)?)
    }

    /// Connects, with at most so many connections, and brings the tables up to date.
    pub(crate) async fn open(location: &Location, connections: u32) -> Result<Self> {
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
        let database = Self { pool, engine, turn: Arc::default() };
        database.migrate().await?;
        Ok(database)
    }

    /// Waits for what is under way and lets the database go.
    pub(crate) async fn close(self) {
        self.pool.close().await;
    }

    async fn migrate(&self) -> Result<()> {
        const VERSION: &str = "SELECT COUNT(*) FROM migration";
        // Mostly there is nothing to do, which must not take the lock of a writer.
        let seen: Result<i64, _> = sqlx::query_scalar(VERSION).fetch_one(&self.pool).await;
        if seen.is_ok_and(|seen| usize::try_from(seen) == Ok(MIGRATIONS.len())) {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        sqlx::raw_sql("CREATE TABLE IF NOT EXISTS migration (version BIGINT NOT NULL PRIMARY KEY)")
            .execute(&mut *tx)
            .await?;
        let seen: i64 = sqlx::query_scalar(VERSION).fetch_one(&mut *tx).await?;
        let unseen = usize::try_from(seen)
            .ok()
            .and_then(|seen| MIGRATIONS.get(seen..))
            .ok_or(Failure::NewerDatabase)?;
        for (version, sql) in (seen..).zip(unseen) {
            // The one word of it that PostgreSQL has another name for.
            let sql = match self.engine {
                Engine::Sqlite => sql.to_string(),
                Engine::Postgres => sql.replace(" BLOB", " BYTEA"),
            };
            // Only the files above are in it.
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await?;
            sqlx::query("INSERT INTO migration (version) VALUES ($1)")
                .bind(version)
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Begins to write. There is one writer at a time, of however many processes: what a rule read is still true when
    /// its answer is stored, and no transaction fails half-way because another one was faster. SQLite knows no other way;
    /// on PostgreSQL it costs what could be written at the same time, and saves every transaction from having to be
    /// ready to be repeated.
    ///
    /// Within a process, writers wait in line before they ask the database: SQLite lets them sleep and try again, so that
    /// the unlucky would wait for most of a second, and each would hold a connection that readers could use.
    async fn begin(&self) -> Result<Tx> {
        let turn = Arc::clone(&self.turn).lock_owned();
        let turn = timeout(PATIENCE, turn).await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let mut tx = match self.engine {
            Engine::Sqlite => self.pool.begin_with("BEGIN IMMEDIATE").await?,
            Engine::Postgres => self.pool.begin().await?,
        };
        if self.engine == Engine::Postgres {
            // Every statement after this one sees what the writer before has committed.
            sqlx::query("SELECT 1 FROM pg_advisory_xact_lock($1)").bind(WRITER).execute(&mut *tx).await?;
        }
        Ok(Tx { inner: tx, _turn: Some(turn) })
    }

    /// Lets other processes have their turn, between two of many transactions: SQLite's writers look every tenth of a second
    /// whether they can go on, and would hardly ever find a gap.
    pub(crate) async fn make_way(&self) {
        if self.engine == Engine::Sqlite {
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
    }

    /// Begins to read: everything that is read is of one moment.
    async fn look(&self) -> Result<Tx> {
        let inner = match self.engine {
            Engine::Sqlite => self.pool.begin().await?,
            Engine::Postgres => {
                self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?
            }
        };
        Ok(Tx { inner, _turn: None })
    }

    /// Says what this authority is for, once.
    ///
    /// Fails with [`Failure::AlreadyInitialized`].
    pub(crate) async fn set_up(&self, vendor: &Vendor, occasion: &Occasion) -> Result<()> {
        let mut tx = self.begin().await?;
        if sqlx::query("SELECT product FROM vendor").fetch_optional(&mut *tx).await?.is_some() {
            return Err(Failure::AlreadyInitialized);
        }
        sqlx::query("INSERT INTO vendor (product, root, created) VALUES ($1, $2, $3)")
            .bind(&vendor.product)
            .bind(vendor.root.to_string())
            .bind(seconds(occasion.now))
            .execute(&mut *tx)
            .await?;
        Entry::new("set-up").detail(&vendor.product).write(&mut tx, occasion).await?;
        Ok(tx.commit().await?)
    }

    /// What this authority is for.
    ///
    /// Fails with [`Failure::NotInitialized`].
    pub(crate) async fn vendor(&self) -> Result<Vendor> {
        let row = sqlx::query("SELECT product, root FROM vendor").fetch_optional(&self.pool).await?;
        let row = row.ok_or(Failure::NotInitialized)?;
        Ok(Vendor { product: row.try_get("product")?, root: row.try_get::<String, _>("root")?.parse()? })
    }

    /// Does something outside of the database and writes it into the audit, with the detail that comes of it; nothing is
    /// written if it fails.
    pub(crate) async fn noting<T>(
        &self,
        action: &'static str,
        occasion: &Occasion,
        work: impl FnOnce() -> Result<(T, String)>,
    ) -> Result<T> {
        let mut tx = self.begin().await?;
        let (done, detail) = work()?;
        Entry::new(action).detail(&detail).write(&mut tx, occasion).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// The latest `limit` lines of the audit, oldest first.
    pub(crate) async fn audit(&self, limit: u32) -> Result<Vec<AuditRow>> {
        let rows = sqlx::query(
            "SELECT at, actor, action, license_id, handle, device_key, from_state, to_state, detail FROM audit \
             ORDER BY id DESC LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().rev().map(audit_row).collect()
    }
}

fn audit_row(row: &AnyRow) -> Result<AuditRow> {
    Ok(AuditRow {
        at: timestamp(row.try_get("at")?),
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        license: row.try_get("license_id")?,
        handle: row.try_get::<Option<i64>, _>("handle")?.map(handle).transpose()?,
        device: row.try_get::<Option<Vec<u8>>, _>("device_key")?.map(public_key).transpose()?,
        from: row.try_get("from_state")?,
        to: row.try_get("to_state")?,
        detail: row.try_get("detail")?,
    })
}

/// A line for the audit.
struct Entry<'a> {
    action: &'static str,
    license: Option<LicenseId>,
    seat: Option<(Handle, PublicKey)>,
    from: Option<&'static str>,
    to: Option<&'static str>,
    detail: &'a str,
}

impl<'a> Entry<'a> {
    fn new(action: &'static str) -> Self {
        Self { action, license: None, seat: None, from: None, to: None, detail: "" }
    }

    /// What happened to a seat: `before` is what it was, if it was.
    fn of_seat(action: &'static str, before: Option<&Seat>, seat: &Seat) -> Self {
        Self {
            license: licenses::real(seat.license_id),
            seat: Some((seat.handle, seat.device_key)),
            from: before.map(|seat| state_name(seat.state)),
            to: Some(state_name(seat.state)),
            ..Self::new(action)
        }
    }

    fn of_license(action: &'static str, id: LicenseId) -> Self {
        Self { license: Some(id), ..Self::new(action) }
    }

    fn detail(self, detail: &'a str) -> Self {
        Self { detail, ..self }
    }

    async fn write(self, tx: &mut Tx, occasion: &Occasion) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let id = format!("{now:032x}{:016x}", u64::from_le_bytes(random()?));
        sqlx::query(
            "INSERT INTO audit \
             (id, at, actor, action, license_id, handle, device_key, from_state, to_state, detail) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(id)
        .bind(seconds(occasion.now))
        .bind(&occasion.actor)
        .bind(self.action)
        .bind(self.license.map(|id| id.to_string()))
        .bind(self.seat.map(|(handle, _)| number(handle)))
        .bind(self.seat.map(|(_, key)| key.as_bytes().to_vec()))
        .bind(self.from)
        .bind(self.to)
        .bind(self.detail)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

/// How often something was written into the audit within the last `window`: what limits of attempts go by.
async fn how_often(tx: &mut Tx, action: &str, window: Duration, occasion: &Occasion) -> Result<i64> {
    let since = occasion.now.unix_seconds().saturating_sub(window.as_secs());
    Ok(sqlx::query_scalar("SELECT COUNT(*) FROM audit WHERE action = $1 AND at > $2")
        .bind(action)
        .bind(seconds(Timestamp::from_unix_seconds(since)))
        .fetch_one(&mut **tx)
        .await?)
}

/// Does what takes a processor a while where it keeps no other request waiting.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let failed = |error| nodelock::Error::io("a thread of its own", std::io::Error::other(error));
    Ok(tokio::task::spawn_blocking(work).await.map_err(failed)?)
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom.fill(&mut bytes)?;
    Ok(bytes)
}

fn seconds(time: Timestamp) -> i64 {
    i64::try_from(time.unix_seconds()).expect("times end with the year 9999")
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(u64::try_from(seconds).unwrap_or(0))
}

fn number(handle: Handle) -> i64 {
    handle.get().into()
}

fn damaged(about: &'static str) -> Failure {
    Failure::rule(ErrorKind::Corrupt, about)
}

fn handle(number: i64) -> Result<Handle> {
    Ok(Handle::new(u32::try_from(number).map_err(|_| damaged("handle"))?)?)
}

fn bytes<const N: usize>(bytes: Vec<u8>) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| damaged("a column of fixed length"))
}

fn public_key(key: Vec<u8>) -> Result<PublicKey> {
    Ok(PublicKey::from_bytes(bytes(key)?)?)
}
