//! The tables, and which databases have them.
//!
//! A database notes the migrations that it has seen, with their checksums. One that has seen others was written by
//! another program, or by another version of this one, and is left as it is.

use std::borrow::Cow;

use ring::digest::{SHA384, digest};

use super::{
    Engine, Tx,
    sql::{query, run_script},
};
use crate::failure::{Failure, Result};

/// In order. One that is released never changes.
const MIGRATIONS: [(&str, &str); 9] = [
    ("ledger", include_str!("migrations/0001_ledger.sql")),
    ("allowances", include_str!("migrations/0002_allowances.sql")),
    ("accounts", include_str!("migrations/0003_accounts.sql")),
    ("product", include_str!("migrations/0004_product.sql")),
    ("terms", include_str!("migrations/0005_terms.sql")),
    ("license key", include_str!("migrations/0006_license_key.sql")),
    ("customer", include_str!("migrations/0007_customer.sql")),
    ("seat's product", include_str!("migrations/0008_seat_product.sql")),
    ("trial", include_str!("migrations/0009_trial.sql")),
];

/// Where a database notes them. sqlx made this table once and named it, and what it made is still read.
const NOTES: &str = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
                     installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, \
                     checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)";

pub(super) struct Migration {
    pub(super) version: i64,
    name: &'static str,
    sql: Cow<'static, str>,
    /// The SHA-384 of the SQL.
    pub(super) checksum: Vec<u8>,
}

/// The migrations in the SQL of an engine.
pub(super) fn migrations(engine: Engine) -> Vec<Migration> {
    let migrations = (1..).zip(MIGRATIONS).map(|(version, (name, sql))| {
        let sql = in_sql_of(engine, sql);
        let checksum = digest(&SHA384, sql.as_bytes()).as_ref().to_vec();
        Migration { version, name, sql, checksum }
    });
    migrations.collect()
}

/// PostgreSQL has another name for one word.
fn in_sql_of(engine: Engine, sql: &'static str) -> Cow<'static, str> {
    match engine {
        Engine::Sqlite => Cow::Borrowed(sql),
        Engine::Postgres => Cow::Owned(sql.replace(" BLOB", " BYTEA")),
    }
}

/// How many migrations a database has seen, all of them ours.
///
/// Fails with [`Failure::OlderDatabase`], [`Failure::NewerDatabase`] and [`Failure::ForeignDatabase`].
pub(super) async fn seen(tx: &mut Tx) -> Result<usize> {
    let tables = query(match tx.engine {
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
        Engine::Postgres => {
            "SELECT CAST(table_name AS TEXT) FROM information_schema.tables \
             WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
        }
    })
    .fetch_all(tx)
    .await?;
    let tables: Vec<&str> = tables.iter().map(|row| row.first()).collect::<Result<_, _>>()?;
    let has = |name| tables.contains(&name);
    if !has("_sqlx_migrations") {
        return match tables.is_empty() {
            true => Ok(0),
            // Programs before the first version noted their migrations there.
            false if has("migration") && has("vendor") => Err(Failure::OlderDatabase),
            false => Err(Failure::ForeignDatabase),
        };
    }
    let rows = query("SELECT version, checksum FROM _sqlx_migrations ORDER BY version");
    let rows = rows.fetch_all(tx).await?;
    let ours = migrations(tx.engine);
    for (at, row) in rows.iter().enumerate() {
        let (version, checksum): (i64, Vec<u8>) = (row.get("version")?, row.get("checksum")?);
        match ours.get(at) {
            None if has("vendor") => return Err(Failure::NewerDatabase),
            Some(our) if our.version == version && our.checksum == checksum => {}
            // Before the first version, migrations changed.
            Some(_) if has("vendor") && has("seat") => return Err(Failure::OlderDatabase),
            _ => return Err(Failure::ForeignDatabase),
        }
    }
    Ok(rows.len())
}

/// Makes what is missing. Nobody else writes meanwhile.
pub(super) async fn run(tx: &mut Tx) -> Result<()> {
    let done = seen(tx).await?;
    run_script(tx, &in_sql_of(tx.engine, NOTES)).await?;
    for migration in migrations(tx.engine).into_iter().skip(done) {
        run_script(tx, &migration.sql).await?;
        query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES ($1, $2, TRUE, $3, 0)",
        )
        .bind(migration.version)
        .bind(migration.name)
        .bind(migration.checksum)
        .execute(tx)
        .await?;
    }
    Ok(())
}
