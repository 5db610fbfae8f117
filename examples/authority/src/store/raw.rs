//! Every row as the database has it, for whoever looks for damage: nothing is taken for granted here.

use std::collections::BTreeMap;

use super::{
    Database, Engine, Tx,
    migrations::migrations,
    sql::{FromHeld, Held, Row, query},
};
use crate::{domain::Field, failure::Result};

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

table!(VENDOR, "vendor", "created, policies, retention, mail, pruned, forgotten, check_ins_until", "created");
table!(
    PRODUCT,
    "product",
    "id, name, root, folder, template, created, revision, keeps_keys, trial_license, mail",
    "id"
);
table!(HISTORY, "history", "record", "id");
table!(PAGE, "page", "page, noted", "page");
table!(
    AUDIT,
    "audit",
    "id, at, actor, role, action, license_id, handle, device_key, from_state, to_state, detail, peer, personal, salt, \
     personal_digest, seal",
    "id"
);
table!(AUDIT_SEAL, "audit_seal", "number, at, lines, lines_digest, previous, digest, attestation", "number");
table!(
    LICENSE,
    "license",
    "id, key_hash, key_hint, terms, created, taken, deactivated, activated, allowances, product_id, version, \
     voided, customer_id, licensee, expires, state",
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
table!(
    SALE,
    "sale",
    "order_id, product_id, seller, said, sold, customer_id, reseller, state",
    "order_id, product_id, seller"
);
table!(
    CUSTOMER,
    "customer",
    "id, name, email, external_id, notes, language, created, revision, erased",
    "id"
);
table!(
    SALE_LICENSE,
    "sale_license",
    "order_id, product_id, seller, position, license_id",
    "order_id, product_id, seller, position"
);
table!(
    SEAT,
    "seat",
    "handle, device_key, license_id, state, taken, counted, granted, changed, issued, contact, ends, lapsed, \
     reason, revision, copies, came_back, came_back_at, \
     virtual_machine, container, label, machine, record, installed, product_id, described",
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
table!(
    REFUSAL,
    "refusal",
    "device_key, day, asked, kind, reason, handle, license_id, key_hint, machine, actor, peer, first_at, last_at, number",
    "device_key, day, asked, kind"
);
table!(
    APPROVAL,
    "approval",
    "handle, device_key, license_id, state, changed, peer, record",
    "handle, device_key"
);
table!(TAG, "tag", "license_id, tag, handle, device_key", "license_id, tag, handle, device_key");

table!(ACCOUNT, "account", "name, record", "name");
table!(SESSION, "session", "hash, account, seen, ends", "hash");
table!(CREDENTIAL, "credential", "hash, id, record, created, seen", "id");
table!(ANSWERED, "answered", "id, digest, sealed, at", "id");
table!(RESELLER_LICENSE, "reseller_license", "license_id, account", "license_id");

/// Each event with its line of the audit beside it.
pub(crate) const EVENT: Table = Table {
    name: "event",
    rows: "SELECT event.id, event.license_id, event.sequence, event.at, event.kind, event.handle, event.device_key, \
           event.from_state, event.to_state, audit.action AS line_action, audit.license_id AS line_license_id, \
           audit.at AS line_at, audit.handle AS line_handle, audit.device_key AS line_device_key, \
           audit.from_state AS line_from_state, audit.to_state AS line_to_state \
           FROM event LEFT JOIN audit ON audit.id = event.id ORDER BY event.license_id, event.sequence",
};
/// Each delivery with its event beside it.
pub(crate) const DELIVERY: Table = Table {
    name: "delivery",
    rows: "SELECT delivery.receiver, delivery.event_id, delivery.license_id, delivery.sequence, delivery.state, \
           delivery.due, delivery.attempts, delivery.tried, delivery.status, delivery.said, delivery.customer_id, \
           delivery.key_hash, \
           event.license_id AS event_license_id, event.sequence AS event_sequence \
           FROM delivery LEFT JOIN event ON event.id = delivery.event_id \
           ORDER BY delivery.receiver, delivery.event_id",
};
table!(WEBHOOK, "webhook", "id, url, kinds, secret, former, former_until, created, removed", "id");
table!(EXPIRY, "expiry", "license_id, ends, noted", "license_id");

/// A row, whose columns may hold anything.
pub(crate) struct RawRow(pub(super) Row);

impl RawRow {
    /// What a column holds, whatever it is; [`None`] for what no column of the ledger holds.
    pub(crate) fn field(&self, column: &str) -> Option<Field<'_>> {
        self.0.held(column).and_then(Held::field)
    }

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
