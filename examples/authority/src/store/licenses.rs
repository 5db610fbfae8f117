//! Licenses: what was sold.

use nodelock::{
    LicenseId,
    authority::{LicenseKeyName, LicenseTerms},
};

use super::{
    Engine, Tx,
    row::{json, seconds, terms},
    sql::query,
};
use crate::{domain::Occasion, failure::Result};

/// Enters a license, of the product that its terms name. There is none with that key.
pub(crate) async fn insert_license(
    tx: &mut Tx,
    sold: &LicenseTerms,
    key: &LicenseKeyName,
    occasion: &Occasion,
) -> Result<()> {
    query(
        "INSERT INTO license (id, key_hash, key_hint, terms, created, product_id) \
         VALUES ($1, $2, $3, $4, $5, (SELECT id FROM product WHERE name = $6))",
    )
    .bind(sold.id.to_string())
    .bind(key.hash().0.to_vec())
    .bind(key.hint())
    .bind(json(sold)?)
    .bind(seconds(occasion.time))
    .bind(&sold.product)
    .execute(tx)
    .await?;
    Ok(())
}

/// The terms of a license; none if there is no such license. In a transaction that writes they stay as they are until
/// its end.
pub(crate) async fn terms_of(tx: &mut Tx, id: LicenseId) -> Result<Option<LicenseTerms>> {
    let row = query(match tx.engine {
        Engine::Sqlite => "SELECT id, terms FROM license WHERE id = $1",
        Engine::Postgres => "SELECT id, terms FROM license WHERE id = $1 FOR NO KEY UPDATE",
    });
    row.bind(id.to_string()).fetch_optional(tx).await?.as_ref().map(terms).transpose()
}

/// Changes the terms of a license that is there.
pub(crate) async fn set_terms(tx: &mut Tx, terms: &LicenseTerms) -> Result<()> {
    query("UPDATE license SET terms = $1 WHERE id = $2")
        .bind(json(terms)?)
        .bind(terms.id.to_string())
        .execute(tx)
        .await?;
    tx.know_terms(terms);
    Ok(())
}
