//! The keys of licenses: hashes that find them, and sealed copies.

use nodelock::{
    LicenseId,
    authority::{KeyHash, LicenseKeyName},
};

use super::{
    Tx,
    row::{damaged, seconds, time},
    sql::{Row, query},
};
use crate::{
    domain::{KeyRow, LicenseHint, Occasion, ProductId},
    failure::Result,
};

/// Gives a license that is there another key, which no license has or had. From then on the license is known by it.
pub(crate) async fn add_key(
    tx: &mut Tx,
    id: LicenseId,
    key: &LicenseKeyName,
    sealed: Option<&[u8]>,
    occasion: &Occasion,
) -> Result<()> {
    insert_key(tx, id, key, sealed, occasion).await?;
    let updated = query("UPDATE license SET key_hash = $1, key_hint = $2 WHERE id = $3")
        .bind(key.hash().0.to_vec())
        .bind(key.hint())
        .bind(id.to_string())
        .execute(tx)
        .await?;
    if updated == 1 { Ok(()) } else { Err(damaged("a license that was found and is gone")) }
}

pub(super) async fn insert_key(
    tx: &mut Tx,
    id: LicenseId,
    key: &LicenseKeyName,
    sealed: Option<&[u8]>,
    occasion: &Occasion,
) -> Result<()> {
    query("INSERT INTO license_key (hash, license_id, hint, created, sealed) VALUES ($1, $2, $3, $4, $5)")
        .bind(key.hash().0.to_vec())
        .bind(id.to_string())
        .bind(key.hint())
        .bind(seconds(occasion.time))
        .bind(sealed.map(<[u8]>::to_vec))
        .execute(tx)
        .await?;
    Ok(())
}

/// Whether a license has that key, or had it.
pub(crate) async fn is_key_used(tx: &mut Tx, key: &LicenseKeyName) -> Result<bool> {
    let row = query("SELECT 1 AS used FROM license_key WHERE hash = $1").bind(key.hash().0.to_vec());
    Ok(row.fetch_optional(tx).await?.is_some())
}

/// The keys of a license, oldest first.
pub(crate) async fn keys_of(tx: &mut Tx, id: LicenseId) -> Result<Vec<KeyRow>> {
    let rows = query(
        "SELECT hash, hint, created, revoked, sealed FROM license_key WHERE license_id = $1 ORDER BY created, hash",
    );
    rows.bind(id.to_string()).fetch_all(tx).await?.iter().map(key_row).collect()
}

fn key_row(row: &Row) -> Result<KeyRow> {
    let hash: Vec<u8> = row.get("hash")?;
    Ok(KeyRow {
        hash: KeyHash(hash.try_into().map_err(|_| damaged("the hash of a license key"))?),
        hint: row.get("hint")?,
        created: time(row, "created")?,
        revoked: row.get::<Option<i64>>("revoked")?.map(|_| time(row, "revoked")).transpose()?,
        sealed: row.get("sealed")?,
    })
}

/// Has a key open nothing any more. That is never noted as before the key was made: the clock of who made it may have
/// been ahead, and a call may have begun before it.
pub(crate) async fn revoke_key(tx: &mut Tx, hash: KeyHash, occasion: &Occasion) -> Result<()> {
    query(
        "UPDATE license_key SET revoked = CASE WHEN created > $1 THEN created ELSE $1 END \
         WHERE hash = $2 AND revoked IS NULL",
    )
    .bind(seconds(occasion.time))
    .bind(hash.0.to_vec())
    .execute(tx)
    .await?;
    Ok(())
}

/// The licenses that have or had a key with that end, at most so many, each with the key that it was given last.
pub(crate) async fn licenses_by_hint(tx: &mut Tx, hint: &str, at_most: u32) -> Result<Vec<LicenseHint>> {
    let rows = query(
        "SELECT id, key_hint FROM license WHERE id IN (SELECT license_id FROM license_key WHERE hint = $1) \
         ORDER BY created, id LIMIT $2",
    );
    let rows = rows.bind(hint).bind(i64::from(at_most)).fetch_all(tx).await?;
    let hint =
        |row: &Row| Ok(LicenseHint { id: row.get::<String>("id")?.parse()?, key_hint: row.get("key_hint")? });
    rows.iter().map(hint).collect()
}

/// Whether anything is kept in a vault: keys, the second factors of accounts, and the secrets of webhooks.
pub(crate) async fn has_vault(tx: &mut Tx) -> Result<bool> {
    let row = query(
        "SELECT 1 AS found FROM license_key WHERE sealed IS NOT NULL UNION ALL SELECT 1 FROM account \
         UNION ALL SELECT 1 FROM webhook WHERE secret IS NOT NULL LIMIT 1",
    );
    Ok(row.fetch_optional(tx).await?.is_some())
}

/// Says whether keys of a product are kept. Where they are not, the copies go.
pub(crate) async fn set_keeps_keys(
    tx: &mut Tx,
    product: &ProductId,
    keeps_keys: bool,
    revision: u32,
) -> Result<()> {
    query("UPDATE product SET keeps_keys = $1, revision = $2 WHERE id = $3")
        .bind(i64::from(keeps_keys))
        .bind(i64::from(revision))
        .bind(product.as_str())
        .execute(tx)
        .await?;
    if !keeps_keys {
        query(
            "UPDATE license_key SET sealed = NULL \
             WHERE license_id IN (SELECT id FROM license WHERE product_id = $1)",
        )
        .bind(product.as_str())
        .execute(tx)
        .await?;
    }
    Ok(())
}
