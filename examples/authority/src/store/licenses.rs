//! Licenses: what was sold, and what each said at which time.

use nodelock::{
    ErrorKind, LicenseId, Timestamp,
    authority::{LicenseKeyName, LicenseTerms},
};

use super::{
    Engine, Tx,
    events::set_expiry,
    license_keys::insert_key,
    row::{count, json, record, seconds, terms, time},
    sql::{Row, query},
};
use crate::{
    domain::{CustomerId, Occasion, Standing, TermsVersion},
    failure::{Failure, Result},
};

/// Enters a license, of the product that its terms name, with its first key. There is none with that key.
pub(crate) async fn insert_license(
    tx: &mut Tx,
    sold: &LicenseTerms,
    key: &LicenseKeyName,
    sealed: Option<&[u8]>,
    occasion: &Occasion,
) -> Result<()> {
    insert_without_key(tx, sold, (key.hash().0.to_vec(), &key.hint()), occasion).await?;
    insert_key(tx, sold.id, key, sealed, occasion).await
}

/// Enters a license that is known by a hash and a hint.
pub(super) async fn insert_without_key(
    tx: &mut Tx,
    sold: &LicenseTerms,
    (hash, hint): (Vec<u8>, &str),
    occasion: &Occasion,
) -> Result<()> {
    let inserted = query(
        "INSERT INTO license (id, key_hash, key_hint, terms, created, product_id, licensee, expires, state) \
         VALUES ($1, $2, $3, $4, $5, (SELECT id FROM product WHERE name = $6), $7, $8, $9) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(sold.id.to_string())
    .bind(hash)
    .bind(hint)
    .bind(json(sold)?)
    .bind(seconds(occasion.time))
    .bind(&sold.product)
    .bind(&sold.licensee)
    .bind(end_of(sold))
    .bind(state_of(sold, false))
    .execute(tx)
    .await?;
    if inserted == 0 {
        // One that a device says was lost, and that another product has.
        return Err(Failure::rule(
            ErrorKind::UnknownSeat,
            format!("license {} is another product's", sold.id),
        ));
    }
    insert_version(tx, sold, 1, occasion).await
}

async fn insert_version(tx: &mut Tx, terms: &LicenseTerms, version: u32, occasion: &Occasion) -> Result<()> {
    query("INSERT INTO terms (license_id, version, at, actor, record) VALUES ($1, $2, $3, $4, $5)")
        .bind(terms.id.to_string())
        .bind(i64::from(version))
        .bind(seconds(occasion.time))
        .bind(occasion.actor.to_string())
        .bind(json(terms)?)
        .execute(tx)
        .await?;
    set_expiry(tx, terms.id, terms.expires).await
}

/// What a license says now; none if there is no such license. In a transaction that writes it stays as it is until its
/// end.
pub(crate) async fn terms_of(tx: &mut Tx, id: LicenseId) -> Result<Option<Standing>> {
    let row = query(match tx.engine {
        Engine::Sqlite => "SELECT id, terms, version, voided FROM license WHERE id = $1",
        Engine::Postgres => "SELECT id, terms, version, voided FROM license WHERE id = $1 FOR NO KEY UPDATE",
    });
    row.bind(id.to_string()).fetch_optional(tx).await?.as_ref().map(standing).transpose()
}

/// Has a license stay as it is until the end of the transaction, whether it can be read or not.
pub(crate) async fn lock_license(tx: &mut Tx, id: LicenseId) -> Result<()> {
    if tx.engine == Engine::Postgres {
        let locked = query("SELECT 1 AS locked FROM license WHERE id = $1 FOR NO KEY UPDATE");
        locked.bind(id.to_string()).fetch_optional(tx).await?;
    }
    Ok(())
}

fn standing(row: &Row) -> Result<Standing> {
    let voided = row.get::<Option<i64>>("voided")?.map(|_| time(row, "voided")).transpose()?;
    Ok(Standing { terms: terms(row)?, version: count(row, "version")?, voided })
}

/// Whether a license is void; false if there is no such license.
pub(crate) async fn is_void(tx: &mut Tx, id: LicenseId) -> Result<bool> {
    let row = query("SELECT 1 AS found FROM license WHERE id = $1 AND voided IS NOT NULL");
    Ok(row.bind(id.to_string()).fetch_optional(tx).await?.is_some())
}

/// The end of a license as its column has it.
pub(crate) fn end_of(terms: &LicenseTerms) -> i64 {
    seconds(terms.expires.unwrap_or(Timestamp::MAX))
}

/// The state of a license as its column has it.
pub(crate) fn state_of(terms: &LicenseTerms, is_void: bool) -> &'static str {
    match (is_void, terms.suspended) {
        (true, _) => "void",
        (false, true) => "suspended",
        (false, false) => "active",
    }
}

/// Changes the terms of a license that is there: another version of them.
pub(crate) async fn set_terms(
    tx: &mut Tx,
    terms: &LicenseTerms,
    version: u32,
    occasion: &Occasion,
) -> Result<()> {
    query(
        "UPDATE license SET terms = $1, version = $2, licensee = $3, expires = $4, \
         state = CASE WHEN voided IS NULL THEN $5 ELSE state END WHERE id = $6",
    )
    .bind(json(terms)?)
    .bind(i64::from(version))
    .bind(&terms.licensee)
    .bind(end_of(terms))
    .bind(state_of(terms, false))
    .bind(terms.id.to_string())
    .execute(tx)
    .await?;
    insert_version(tx, terms, version, occasion).await?;
    tx.know_terms(terms);
    Ok(())
}

/// Notes that a license is void.
pub(crate) async fn set_void(tx: &mut Tx, id: LicenseId, occasion: &Occasion) -> Result<()> {
    query("UPDATE license SET voided = $1, state = 'void' WHERE id = $2")
        .bind(seconds(occasion.time))
        .bind(id.to_string())
        .execute(tx)
        .await?;
    Ok(())
}

/// Notes whose a license is.
pub(crate) async fn set_customer_of(tx: &mut Tx, id: LicenseId, customer: CustomerId) -> Result<()> {
    query("UPDATE license SET customer_id = $1 WHERE id = $2")
        .bind(customer.to_string())
        .bind(id.to_string())
        .execute(tx)
        .await?;
    Ok(())
}

/// Every version of a license's terms, oldest first.
pub(crate) async fn versions_of(tx: &mut Tx, id: LicenseId) -> Result<Vec<TermsVersion>> {
    let rows = query("SELECT version, at, actor, record FROM terms WHERE license_id = $1 ORDER BY version");
    let version = |row: &Row| {
        Ok(TermsVersion {
            version: count(row, "version")?,
            at: time(row, "at")?,
            actor: row.get("actor")?,
            terms: record(row, "record")?,
        })
    };
    rows.bind(id.to_string()).fetch_all(tx).await?.iter().map(version).collect()
}
