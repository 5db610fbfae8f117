//! The tables, and which databases have them.
//!
//! A database notes the migrations that it has seen, with their checksums. One that has seen others was written by
//! another program, or by another version of this one, and is left as it is.

use std::borrow::Cow;

use sqlx::{
    AnyConnection, AssertSqlSafe, Row as _, SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

use super::Engine;
use crate::failure::{Failure, Result};

/// In order. One that is released never changes.
const MIGRATIONS: [(&str, &str); 1] = [("ledger", include_str!("migrations/0001_ledger.sql"))];

/// The migrations in the SQL of an engine.
pub(super) fn migrations(engine: Engine) -> Vec<Migration> {
    let migrations = (1..).zip(MIGRATIONS).map(|(version, (name, sql))| {
        // The one word of it that PostgreSQL has another name for.
        let sql = match engine {
            Engine::Sqlite => Cow::Borrowed(sql),
            Engine::Postgres => Cow::Owned(sql.replace(" BLOB", " BYTEA")),
        };
        // Only the files above are in it.
        let sql = AssertSqlSafe(sql).into_sql_str();
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    });
    migrations.collect()
}

/// How many migrations a database has seen, all of them ours.
///
/// Fails with [`Failure::OlderDatabase`], [`Failure::NewerDatabase`] and [`Failure::ForeignDatabase`].
pub(super) async fn seen(connection: &mut AnyConnection, engine: Engine) -> Result<usize> {
    let tables: Vec<String> = sqlx::query_scalar(match engine {
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
        Engine::Postgres => {
            "SELECT CAST(table_name AS TEXT) FROM information_schema.tables \
             WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
        }
    })
    .fetch_all(&mut *connection)
    .await?;
    let has = |name| tables.iter().any(|table| table == name);
    if !has("_sqlx_migrations") {
        return match tables.is_empty() {
            true => Ok(0),
            // Programs before the first version noted their migrations there.
            false if has("migration") && has("vendor") => Err(Failure::OlderDatabase),
            false => Err(Failure::ForeignDatabase),
        };
    }
    let rows = sqlx::query("SELECT version, checksum FROM _sqlx_migrations ORDER BY version");
    let rows = rows.fetch_all(&mut *connection).await?;
    let ours = migrations(engine);
    for (at, row) in rows.iter().enumerate() {
        let (version, checksum): (i64, Vec<u8>) = (row.try_get("version")?, row.try_get("checksum")?);
        match ours.get(at) {
            None if has("vendor") => return Err(Failure::NewerDatabase),
            Some(our) if our.version == version && *our.checksum == *checksum => {}
            // Before the first version, migrations changed.
            Some(_) if has("vendor") && has("seat") => return Err(Failure::OlderDatabase),
            _ => return Err(Failure::ForeignDatabase),
        }
    }
    Ok(rows.len())
}

/// Makes what is missing. Nobody else writes meanwhile.
pub(super) async fn run(connection: &mut AnyConnection, engine: Engine) -> Result<()> {
    let mut migrator = Migrator::with_migrations(migrations(engine));
    // The writer's lock is enough.
    migrator.set_locking(false);
    Ok(migrator.run(connection).await.map_err(sqlx::Error::from)?)
}
