//! What the authority is for.

use sqlx::Row as _;

use super::{Tx, row::seconds};
use crate::{
    domain::{Occasion, Vendor},
    failure::Result,
};

/// What this authority is for; none before that was said.
pub(crate) async fn vendor(tx: &mut Tx) -> Result<Option<Vendor>> {
    let row = sqlx::query("SELECT product, root FROM vendor").fetch_optional(&mut **tx).await?;
    row.map(|row| {
        Ok(Vendor { product: row.try_get("product")?, root: row.try_get::<String, _>("root")?.parse()? })
    })
    .transpose()
}

/// Says what this authority is for. Nobody said so before.
pub(crate) async fn insert_vendor(tx: &mut Tx, vendor: &Vendor, occasion: &Occasion) -> Result<()> {
    sqlx::query("INSERT INTO vendor (id, product, root, created) VALUES (1, $1, $2, $3)")
        .bind(&vendor.product)
        .bind(vendor.root.to_string())
        .bind(seconds(occasion.time))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
