//! What the authority is for.

use super::{Tx, row::seconds, sql::query};
use crate::{
    domain::{Occasion, Vendor},
    failure::Result,
};

/// What this authority is for; none before that was said.
pub(crate) async fn vendor(tx: &mut Tx) -> Result<Option<Vendor>> {
    let row = query("SELECT product, root FROM vendor").fetch_optional(tx).await?;
    row.map(|row| Ok(Vendor { product: row.get("product")?, root: row.get::<String>("root")?.parse()? }))
        .transpose()
}

/// Says what this authority is for. Nobody said so before.
pub(crate) async fn insert_vendor(tx: &mut Tx, vendor: &Vendor, occasion: &Occasion) -> Result<()> {
    query("INSERT INTO vendor (id, product, root, created) VALUES (1, $1, $2, $3)")
        .bind(&vendor.product)
        .bind(vendor.root.to_string())
        .bind(seconds(occasion.time))
        .execute(tx)
        .await?;
    Ok(())
}
