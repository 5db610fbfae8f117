//! Licenses: what was sold.

use nodelock::{
    LicenseId,
    authority::{LicenseKeyName, LicenseTerms},
};

use super::{
    Tx,
    ledger::counts,
    row::{json, record, seconds, time},
};
use crate::{
    domain::{LicenseRow, Occasion},
    failure::Result,
};

/// Enters a license. There is none with that key.
pub(crate) async fn insert_license(
    tx: &mut Tx,
    terms: &LicenseTerms,
    key: &LicenseKeyName,
    occasion: &Occasion,
) -> Result<()> {
    sqlx::query("INSERT INTO license (id, key_hash, key_hint, terms, created) VALUES ($1, $2, $3, $4, $5)")
        .bind(terms.id.to_string())
        .bind(key.hash().0.to_vec())
        .bind(key.hint())
        .bind(json(terms)?)
        .bind(seconds(occasion.time))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The terms of a license; none if there is no such license.
pub(crate) async fn terms_of(tx: &mut Tx, id: LicenseId) -> Result<Option<LicenseTerms>> {
    let row = sqlx::query("SELECT terms FROM license WHERE id = $1").bind(id.to_string());
    row.fetch_optional(&mut **tx).await?.map(|row| record(&row, "terms")).transpose()
}

/// Changes the terms of a license that is there.
pub(crate) async fn set_terms(tx: &mut Tx, terms: &LicenseTerms) -> Result<()> {
    sqlx::query("UPDATE license SET terms = $1 WHERE id = $2")
        .bind(json(terms)?)
        .bind(terms.id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Every license, oldest first.
pub(crate) async fn licenses(tx: &mut Tx) -> Result<Vec<LicenseRow>> {
    let rows = sqlx::query(
        "SELECT license.terms, license.key_hint, license.created, \
         COUNT(CASE WHEN seat.state IN ('active', 'held') AND seat.lapsed = 0 THEN 1 END) AS taken, \
         COUNT(CASE WHEN seat.counted = 1 THEN 1 END) AS deactivated \
         FROM license LEFT JOIN seat ON seat.license_id = license.id \
         GROUP BY license.id, license.terms, license.key_hint, license.created ORDER BY license.created, license.id",
    )
    .fetch_all(&mut **tx)
    .await?;
    let license = |row: &sqlx::any::AnyRow| {
        Ok(LicenseRow {
            terms: record(row, "terms")?,
            key_hint: sqlx::Row::try_get(row, "key_hint")?,
            created: time(row, "created")?,
            usage: counts(row)?,
        })
    };
    rows.iter().map(license).collect()
}
