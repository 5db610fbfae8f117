//! The ledger on disk: SQL and rows.
//!
//! No rule is here, and nothing is signed. The services ask and store, within a transaction that they begin and commit.
//! What is kept for strangers is bounded where it is kept (`strangers`). The SQL is what SQLite and PostgreSQL have in
//! common; where they differ, the engine is asked. `sql` runs a statement on either.

mod accounts;
mod answers;
mod approvals;
mod audit;
mod backup;
mod counters;
mod customers;
mod deliveries;
mod events;
mod filtered;
mod group;
mod history;
mod ledger;
mod license_keys;
mod licenses;
mod locks;
mod mail;
mod migrations;
mod pages;
mod personal;
mod products;
pub(crate) mod raw;
mod refusals;
mod row;
mod sales;
mod seals;
mod seats;
mod sql;
mod sqlite;
mod strangers;
#[cfg(test)]
pub(crate) mod tests;
mod tx;
mod webhooks;

use std::{
    fs::File,
    io::Read as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{Connection as _, Executor as _, PgPool, postgres::PgPoolOptions};
use tokio::sync::Semaphore;

pub(crate) use self::{
    accounts::{
        CredentialRow, account, account_to_change, accounts, credential, credential_to_change, credentials,
        delete_session, delete_sessions_of, insert_account, insert_credential, insert_reseller,
        insert_session, license_of_seat, session, set_account, set_credential, set_seen, subject_of,
    },
    answers::{answered, keep_answer},
    approvals::{
        RequestPages, count_approvals_of, forget_approvals_of, forget_old_approvals, requests_of_handle,
    },
    audit::{AuditLine, note},
    backup::publish,
    customers::{
        customer, customer_of_external_id, customer_pages, insert_customer, lock_customer, set_customer,
    },
    deliveries::{
        Attempt, Claim, Claimed, MAIL, Next, Replay, claim, deliveries_after, licenses_to_replay,
        replay_of_license, set_attempted,
    },
    events::{events_after, events_before, next_to_expire, set_expiry_noted},
    filtered::Pages,
    history::{NO_KEY, clock},
    ledger::{apply, count_ended, find, product_of_license, product_of_seat, products_of_handle, tag_number},
    license_keys::{add_key, has_vault, is_key_used, keys_of, licenses_by_hint, revoke_key, set_keeps_keys},
    licenses::{
        end_of, insert_license, is_void, lock_license, set_customer_of, set_terms, set_void, state_of,
        terms_of, versions_of,
    },
    locks::Locks,
    mail::{
        Addressee, addressee_of, is_mail_due, mail_policy, mail_policy_of, set_mail_policy,
        set_mail_policy_of,
    },
    pages::{AuditPages, license_pages, license_row_of, seat_pages},
    personal::{
        SeatPlace, check_ins_until, described_seats, erase_customer, erase_licensee, erase_times_of,
        forget_attempts, forget_check_ins, forget_persons, forget_persons_of, is_computer_in_use,
        licenses_of_customer, licenses_once_of, over_before, pruned, retention, seats_of_license,
        set_check_ins_until, set_pruned, set_retention, set_undescribed, times_of,
    },
    products::{
        insert_product, insert_vendor, policies, products, set_policies, set_template, set_trial_license,
        trial_license_of,
    },
    refusals::{
        RefusalPages, count_refusals_of_license, forget_refusals_before, forget_refusals_of_license,
        forget_refusals_of_seat, license_of_any_key, note_refusal, only_seat, refusals_before,
    },
    sales::{
        insert_sale, insert_sale_license, key_hint_of, licenses_of_sale, order_pages, order_row,
        orders_of_id, set_order_void,
    },
    seals::{
        count_strays, count_unsealed, digest_of_line, insert_seal, is_personal_sound, last_seal,
        seal_of_digest, seals_after, unsealed_lines, walk_sealed,
    },
    seats::{
        count_by_state, count_taken_seats_of, last_end_of, latest_seats_of, released_since, taken_seats_of,
    },
    sql::Error,
    strangers::forget_evidence_before,
    tx::Tx,
    webhooks::{
        SealedSecrets, insert_webhook, remove_webhook, secrets_of, set_secret, webhook, webhooks,
        webhooks_to_tell,
    },
};
use self::{group::Member, sql::query, sqlite::Sqlite, tx::Inner};
#[cfg(test)]
pub(crate) use self::{
    seats::seats,
    sql::{run_script, twice},
};
use crate::{
    domain::Location,
    failure::{Failure, Result},
    keys,
};

/// A statement that passes over rows that another transaction has locked on PostgreSQL. What it deletes belongs to
/// anybody, so waiting for one could be waiting for somebody who waits.
macro_rules! unlocked {
    ($tx:expr, $select:expr, $rest:literal) => {
        match $tx.engine {
            $crate::store::Engine::Sqlite => concat!($select, $rest),
            $crate::store::Engine::Postgres => concat!($select, " FOR UPDATE SKIP LOCKED", $rest),
        }
    };
}
use unlocked;

/// How long a writer waits for its turn.
const PATIENCE: Duration = Duration::from_secs(20);

/// What every connection to PostgreSQL starts with. Its commits are on the disk unless its operator decided otherwise.
const POSTGRES_SETTINGS: &str = "SET lock_timeout = '20s'";
/// How long a connection to PostgreSQL is taken to be alive after its last use. To ask each time costs every
/// transaction a round trip; one that meets a lost connection fails as busy.
const SURELY_ALIVE: Duration = Duration::from_secs(1);
/// Names the lock of those who write alone, among the advisory locks of a PostgreSQL database. It is no handle's and no
/// device's.
const ALONE: i64 = 0x6e6f_6465_6c6f_636b;

/// How many lists are read at a time, at most. They take longer than what devices ask for, which has the other
/// connections.
const MOST_LISTS: usize = 3;

/// The ledger's database. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Database {
    access: Access,
    has_written: Arc<AtomicBool>,
    /// Places of lists, which are fewer than the connections.
    lists: Arc<Semaphore>,
}

#[derive(Clone)]
enum Access {
    Sqlite(Arc<Sqlite>),
    Postgres(PgPool),
}

/// Fails with [`Failure::ForeignDatabase`] for a file that SQLite does not know.
fn check_file(path: &Path) -> Result<()> {
    const BEGINNING: &[u8; 16] = b"SQLite format 3\0";
    let failed = |error| nodelock::Error::io(path.display().to_string(), error);
    let mut beginning = Vec::new();
    File::open(path).map_err(failed)?.take(16).read_to_end(&mut beginning).map_err(failed)?;
    // A new one is empty.
    if beginning.is_empty() || beginning == BEGINNING { Ok(()) } else { Err(Failure::ForeignDatabase) }
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
        match &self.access {
            Access::Sqlite(sqlite) => sqlite.line.try_lock().is_ok(),
            Access::Postgres(_) => true,
        }
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
        if database.seen().await? == 0 {
            return Err(Failure::NotInitialized);
        }
        database.migrate().await?;
        Ok(database)
    }

    /// Whether this process has begun to write to it.
    pub(crate) fn has_written(&self) -> bool {
        self.has_written.load(Ordering::Relaxed)
    }

    fn engine(&self) -> Engine {
        match &self.access {
            Access::Sqlite(_) => Engine::Sqlite,
            Access::Postgres(_) => Engine::Postgres,
        }
    }

    /// How many migrations it has seen. Fails as [`Database::migrate`] does.
    async fn seen(&self) -> Result<usize> {
        migrations::seen(&mut self.read().await?).await
    }

    async fn connect(location: &Location, connections: u32) -> Result<Self> {
        let access = match location {
            Location::File(path) if path.exists() => {
                check_file(path)?;
                Access::Sqlite(Sqlite::connect(path, connections).await?)
            }
            Location::File(_) => return Err(Failure::NotInitialized),
            Location::Url(url) => {
                let options = PgPoolOptions::new()
                    .max_connections(connections)
                    .after_connect(|connection, _| {
                        Box::pin(async move { connection.execute(POSTGRES_SETTINGS).await.map(drop) })
                    })
                    .test_before_acquire(false)
                    .before_acquire(|connection, met| {
                        Box::pin(async move {
                            if met.idle_for >= SURELY_ALIVE {
                                connection.ping().await?;
                            }
                            Ok(true)
                        })
                    });
                Access::Postgres(options.connect(url).await?)
            }
        };
        let lists = (connections as usize / 2).clamp(1, MOST_LISTS);
        Ok(Self { access, has_written: Arc::default(), lists: Arc::new(Semaphore::new(lists)) })
    }

    /// Waits for what is under way and lets the database go.
    pub(crate) async fn close(self) {
        match &self.access {
            Access::Sqlite(sqlite) => sqlite.close().await,
            Access::Postgres(pool) => pool.close().await,
        }
    }

    /// Brings the tables up to date.
    ///
    /// Fails with [`Failure::OlderDatabase`], [`Failure::NewerDatabase`] and [`Failure::ForeignDatabase`].
    async fn migrate(&self) -> Result<()> {
        let is_up_to_date = |seen: usize| seen == migrations::migrations(self.engine()).len();
        // Mostly there is nothing to do, which must not take the lock of a writer.
        if is_up_to_date(self.seen().await?) {
            return Ok(());
        }
        let mut tx = self.write().await?;
        // Another process may have been faster.
        if !is_up_to_date(migrations::seen(&mut tx).await?) {
            migrations::run(&mut tx).await?;
        }
        tx.commit().await
    }

    /// Begins to write for the vendor. One such transaction runs at a time, over all processes.
    ///
    /// On PostgreSQL decisions run beside it. It locks the row of a license by [`terms_of`] or [`lock_license`].
    pub(crate) async fn write(&self) -> Result<Tx> {
        let mut tx = self.begin_to_write(None).await?;
        if self.engine() == Engine::Postgres {
            // Every statement after this one sees what the writer before has committed.
            query("SELECT 1 FROM pg_advisory_xact_lock($1)").bind(ALONE).execute(&mut tx).await?;
        }
        Ok(tx)
    }

    /// Begins to write what decisions change, with these locks: what a decision is made from is still true when it is
    /// stored.
    ///
    /// SQLite has one writer at a time and needs no lock. Within a process, its writers wait in line before they ask
    /// the database: SQLite lets a writer sleep and try again, so an unlucky one would wait for most of a second, and
    /// each would hold a connection that readers could use.
    pub(crate) async fn write_with(&self, locks: &Locks) -> Result<Tx> {
        let mut tx = self.begin_to_write(Some(locks)).await?;
        if self.engine() == Engine::Postgres {
            ledger::lock(&mut tx, locks).await?;
        }
        Ok(tx)
    }

    async fn begin_to_write(&self, locks: Option<&Locks>) -> Result<Tx> {
        self.has_written.store(true, Ordering::Relaxed);
        Ok(match &self.access {
            Access::Sqlite(sqlite) => {
                Tx::new(Inner::Writing(Member::begin(sqlite).await?), Engine::Sqlite, None)
            }
            Access::Postgres(pool) => {
                // Each statement sees what is committed when it begins, whatever the server's default is: after the
                // statements that lock, nothing changes any more that a decision depends on.
                let transaction = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
                Tx::new(Inner::Postgres(transaction), Engine::Postgres, locks.cloned())
            }
        })
    }

    /// Writes something that changes nothing, to find out whether that can be done.
    pub(crate) async fn try_write(&self) -> Result<()> {
        let mut tx = self.begin_to_write(None).await?;
        query("UPDATE vendor SET created = created").execute(&mut tx).await?;
        tx.commit().await
    }

    /// Lets other processes have their turn, between two of many transactions: SQLite's writers look every tenth of a
    /// second whether they can go on, and would hardly ever find a gap.
    pub(crate) async fn make_way(&self) {
        if self.engine() == Engine::Sqlite {
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
    }

    /// Damages something, for a test.
    #[cfg(test)]
    pub(crate) async fn damage(&self, sql: &'static str) {
        let mut tx = self.write().await.unwrap();
        query(sql).execute(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Begins to read a list. It waits until there is a place for one.
    pub(crate) async fn read_list(&self) -> Result<Tx> {
        let place = self.lists.clone().acquire_owned().await.expect("nobody closes it");
        Ok(self.read().await?.in_place(place))
    }

    /// Begins to read. Everything that is read is of one moment.
    pub(crate) async fn read(&self) -> Result<Tx> {
        Ok(match &self.access {
            Access::Sqlite(sqlite) => Tx::new(Inner::Reading(sqlite.read().await?), Engine::Sqlite, None),
            Access::Postgres(pool) => {
                let transaction = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
                Tx::new(Inner::Postgres(transaction), Engine::Postgres, None)
            }
        })
    }
}
