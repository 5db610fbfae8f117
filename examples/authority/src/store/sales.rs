//! Orders that licenses were sold under, and the keys of licenses.

use super::{
    Tx,
    row::{damaged, json, record, seconds},
    sql::{Row, query},
};
use crate::{
    domain::{LicenseHint, Occasion, Order, Said},
    failure::Result,
};
use nodelock::{LicenseId, authority::LicenseKeyName};

/// Notes an order. Returns false when there is one of that id already, also when another transaction has just
/// committed it.
pub(crate) async fn insert_sale(tx: &mut Tx, order: &Order, occasion: &Occasion) -> Result<bool> {
    let inserted = query(
        "INSERT INTO sale (order_id, said, sold, product_id) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (order_id) DO NOTHING",
    )
    .bind(&order.id)
    .bind(json(&order.said)?)
    .bind(seconds(occasion.time))
    .bind(order.product.as_str())
    .execute(tx)
    .await?;
    Ok(inserted == 1)
}

/// Notes that a license is of an order.
pub(crate) async fn insert_sale_license(
    tx: &mut Tx,
    order: &str,
    position: u32,
    license: LicenseId,
) -> Result<()> {
    query("INSERT INTO sale_license (order_id, position, license_id) VALUES ($1, $2, $3)")
        .bind(order)
        .bind(i64::from(position))
        .bind(license.to_string())
        .execute(tx)
        .await?;
    Ok(())
}

/// The product that was ordered under an id, and what was said of its terms; none if nothing was.
pub(crate) async fn sale(tx: &mut Tx, order: &str) -> Result<Option<(String, Said)>> {
    let row = query("SELECT product_id, said FROM sale WHERE order_id = $1").bind(order);
    let row = row.fetch_optional(tx).await?;
    row.map(|row| Ok((row.get("product_id")?, record(&row, "said")?))).transpose()
}

/// The licenses of an order, as they were shown when it was sold, with the hints of their present keys.
pub(crate) async fn licenses_of_sale(tx: &mut Tx, order: &str) -> Result<Vec<LicenseHint>> {
    let rows = query(
        "SELECT license.id, license.key_hint FROM sale_license JOIN license ON license.id = sale_license.license_id \
         WHERE sale_license.order_id = $1 ORDER BY sale_license.position",
    )
    .bind(order)
    .fetch_all(tx)
    .await?;
    let hint =
        |row: &Row| Ok(LicenseHint { id: row.get::<String>("id")?.parse()?, key_hint: row.get("key_hint")? });
    rows.iter().map(hint).collect()
}

/// The end of a license's key; none if there is no such license.
pub(crate) async fn key_hint_of(tx: &mut Tx, id: LicenseId) -> Result<Option<String>> {
    let row = query("SELECT key_hint FROM license WHERE id = $1").bind(id.to_string());
    Ok(row.fetch_optional(tx).await?.map(|row| row.get("key_hint")).transpose()?)
}

/// Gives a license that is there another key. No license has that key.
pub(crate) async fn set_key(tx: &mut Tx, id: LicenseId, key: &LicenseKeyName) -> Result<()> {
    let updated = query("UPDATE license SET key_hash = $1, key_hint = $2 WHERE id = $3")
        .bind(key.hash().0.to_vec())
        .bind(key.hint())
        .bind(id.to_string())
        .execute(tx)
        .await?;
    if updated == 1 { Ok(()) } else { Err(damaged("a license that was found and is gone")) }
}
