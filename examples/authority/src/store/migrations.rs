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
const MIGRATIONS: [(&str, &str); 20] = [
    ("ledger", include_str!("migrations/0001_ledger.sql")),
    ("allowances", include_str!("migrations/0002_allowances.sql")),
    ("accounts", include_str!("migrations/0003_accounts.sql")),
    ("product", include_str!("migrations/0004_product.sql")),
    ("terms", include_str!("migrations/0005_terms.sql")),
    ("license key", include_str!("migrations/0006_license_key.sql")),
    ("customer", include_str!("migrations/0007_customer.sql")),
    ("seat's product", include_str!("migrations/0008_seat_product.sql")),
    ("trial", include_str!("migrations/0009_trial.sql")),
    ("refusal", include_str!("migrations/0010_refusal.sql")),
    ("personal", include_str!("migrations/0011_personal.sql")),
    ("filter", include_str!("migrations/0012_filter.sql")),
    ("audit chain", include_str!("migrations/0013_audit_chain.sql")),
    ("event", include_str!("migrations/0014_event.sql")),
    ("webhook", include_str!("migrations/0015_webhook.sql")),
    ("order of a seller", include_str!("migrations/0016_order_of_seller.sql")),
    ("approval", include_str!("migrations/0017_approval.sql")),
    ("machines that came back", include_str!("migrations/0020_came_back.sql")),
    ("mail", include_str!("migrations/0018_mail.sql")),
    ("by index", include_str!("migrations/0024_by_index.sql")),
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

/// PostgreSQL has other words for a few things. Texts without capital letters are in the order of their bytes.
fn in_sql_of(engine: Engine, sql: &'static str) -> Cow<'static, str> {
    match engine {
        Engine::Sqlite => Cow::Borrowed(sql),
        Engine::Postgres => {
            let sql = sql.replace(" BLOB", " BYTEA").replace("json(terms)", "CAST(terms AS json)");
            let sql = sql.replace("json_extract(terms, '$.expires')", "(CAST(terms AS json) ->> 'expires')");
            let lower = ["licensee", "label", "name"];
            Cow::Owned(lower.iter().fold(sql, |sql, column| {
                sql.replace(&format!("(lower({column}),"), &format!("(lower({column} COLLATE \"C\"),"))
            }))
        }
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

/// Whether the first programs sold something. Their orders were kept with the whole terms of a license: what was said
/// of them cannot be told from that any more. Their lines of the audit were of another form, too, before these were
/// chained, and nothing that is verified can be read from them.
async fn is_of_first_programs(tx: &mut Tx, done: usize) -> Result<bool> {
    let sales = match done {
        0 => return Ok(false),
        1..=3 => "SELECT 1 AS found FROM sale LIMIT 1",
        4..=12 => "SELECT 1 AS found FROM audit WHERE action IN ('license-created', 'order-voided') LIMIT 1",
        // What is said never has a start, and of each sale the audit names who licenses it.
        _ => {
            "SELECT 1 AS found FROM sale WHERE said LIKE '%\"starts\":%' UNION ALL SELECT 1 FROM audit \
             WHERE action = 'license-created' AND personal_digest IS NULL LIMIT 1"
        }
    };
    Ok(query(sales).fetch_optional(tx).await?.is_some())
}

/// Makes what is missing. Nobody else writes meanwhile.
///
/// Fails with [`Failure::OlderDatabase`] for sales that nothing can be made of.
pub(super) async fn run(tx: &mut Tx) -> Result<()> {
    let done = seen(tx).await?;
    if is_of_first_programs(tx, done).await? {
        return Err(Failure::OlderDatabase);
    }
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
