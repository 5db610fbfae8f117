//! Every row as the database has it, for whoever looks for damage: nothing is taken for granted here.

use std::collections::BTreeMap;

use super::{
    Database, Engine, Tx,
    migrations::migrations,
    sql::{FromHeld, Row, query},
};
use crate::failure::Result;

/// A table that is looked through, with its columns in an order that does not depend on what is damaged.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    rows: &'static str,
}

macro_rules! table {
    ($constant:ident, $name:literal, $columns:literal, $order:literal) => {
        pub(crate) const $constant: Table =
            Table { name: $name, rows: concat!("SELECT ", $columns, " FROM ", $name, " ORDER BY ", $order) };
    };
}

table!(VENDOR, "vendor", "created, policies", "created");
table!(
    PRODUCT,
    "product",
    "id, name, root, folder, template, created, revision, keeps_keys, trial_license",
    "id"
);
table!(HISTORY, "history", "record", "id");
table!(PAGE, "page", "page, noted", "page");
table!(
    AUDIT,
    "audit",
    "id, at, actor, action, license_id, handle, device_key, from_state, to_state, detail",
    "id"
);
table!(
    LICENSE,
    "license",
    "id, key_hash, key_hint, terms, created, taken, deactivated, activated, allowances, product_id, version, \
     voided, customer_id",
    "id"
);
table!(TERMS, "terms", "license_id, version, at, actor, record", "license_id, version");
table!(
    LICENSE_KEY,
    "license_key",
    "hash, license_id, hint, created, revoked, sealed",
    "license_id, created, hash"
);
table!(TALLY, "tally", "what, shard, number", "what, shard");
table!(SALE, "sale", "order_id, said, sold, product_id, customer_id, reseller, state", "order_id");
table!(CUSTOMER, "customer", "id, name, email, external_id, notes, created, revision", "id");
table!(SALE_LICENSE, "sale_license", "order_id, position, license_id", "order_id, position");
table!(
    SEAT,
    "seat",
    "handle, device_key, license_id, state, taken, counted, granted, changed, issued, contact, ends, lapsed, \
     reason, revision, copies, \
     virtual_machine, container, label, machine, record, installed, product_id",
    "handle, device_key"
);
table!(EVIDENCE, "evidence", "handle, kind, content, received, peer", "handle, kind, content");
table!(CANCELLED, "cancelled", "handle, device_key, requested, peer", "handle, device_key");
table!(CHECK_IN, "check_in", "handle, device_key, digest, revision", "handle, device_key, revision");
table!(ATTEMPT, "attempt", "handle, device_key, record, ends", "handle, device_key");
table!(LICENSE_COUNT, "license_count", "license_id, counted, record", "license_id, counted");
table!(
    TRIAL_TAG,
    "trial_tag",
    "product_id, tag, granted, handle, device_key",
    "product_id, tag, granted, handle, device_key"
);
table!(TAG, "tag", "license_id, tag, handle, device_key", "license_id, tag, handle, device_key");

table!(ACCOUNT, "account", "name, record", "name");
table!(SESSION, "session", "hash, account, seen, ends", "hash");
table!(CREDENTIAL, "credential", "hash, id, record, created, seen", "id");
table!(ANSWERED, "answered", "id, digest, sealed, at", "id");
table!(RESELLER_LICENSE, "reseller_license", "license_id, account", "license_id");

/// A row, whose columns may hold anything.
pub(crate) struct RawRow(Row);

impl RawRow {
    /// What a column holds; none for NULL. The error says what is wrong, and nothing of what the column holds.
    pub(crate) fn get<T>(&self, column: &str) -> Result<Option<T>, String>
    where
        T: for<'row> FromHeld<'row>,
    {
        self.0.get(column).map_err(|_| "it holds a value of another type".to_owned())
    }
}

/// Looks at each row of a table, one after the other.
pub(crate) async fn walk(tx: &mut Tx, table: Table, mut look: impl FnMut(&RawRow)) -> Result<()> {
    Ok(query(table.rows).for_each(tx, |row| look(&RawRow(row))).await?)
}

/// What the database itself finds wrong: tables with words for it. PostgreSQL watches over its references, and has
/// programs of its own for its files.
pub(crate) async fn check_storage(database: &Database, tx: &mut Tx) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    if database.engine() == Engine::Sqlite {
        for row in query("PRAGMA integrity_check").fetch_all(tx).await? {
            let words: String = row.get("integrity_check")?;
            if words != "ok" {
                found.push(("database".to_owned(), words));
            }
        }
        for row in query("PRAGMA foreign_key_check").fetch_all(tx).await? {
            let (table, parent): (String, String) = (row.get("table")?, row.get("parent")?);
            found.push((table, format!("a row refers to one of table {parent} that is not there")));
        }
    }
    Ok(found)
}

/// What is wrong with the notes of how the tables were made.
pub(crate) async fn check_migrations(
    database: &Database,
    tx: &mut Tx,
) -> Result<Vec<(&'static str, String)>> {
    let mut expected: BTreeMap<i64, Vec<u8>> =
        migrations(database.engine()).into_iter().map(|made| (made.version, made.checksum)).collect();
    let mut found = Vec::new();
    let seen =
        "SELECT version, checksum, CASE WHEN success THEN 1 ELSE 0 END AS success FROM _sqlx_migrations";
    for row in query(seen).fetch_all(tx).await? {
        let row = RawRow(row);
        let version = row.get::<i64>("version").ok().flatten();
        match version.and_then(|version| expected.remove(&version)) {
            None => found.push(("version", "no such version is known".to_owned())),
            Some(checksum) if row.get("checksum").as_ref() != Ok(&Some(checksum.clone())) => {
                found.push(("checksum", "the tables were made by other statements".to_owned()));
            }
            Some(_) if row.get::<i64>("success") != Ok(Some(1)) => {
                found.push(("success", "the tables were made in part".to_owned()));
            }
            Some(_) => {}
        }
    }
    found.extend(expected.into_keys().map(|version| ("version", format!("version {version} is missing"))));
    Ok(found)
}
