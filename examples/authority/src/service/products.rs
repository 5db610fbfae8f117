//! Products: what is sold of them, and what holds for all.

use super::Database;
use crate::{
    domain::{Occasion, Product, ProductId, Said},
    failure::{Failure, Result},
    store::{self, AuditLine, Tx},
};

/// The products, the first one first.
///
/// Fails with [`Failure::NotInitialized`].
pub(crate) async fn products(database: &Database) -> Result<Vec<Product>> {
    products_of(&mut database.read().await?).await
}

async fn products_of(tx: &mut Tx) -> Result<Vec<Product>> {
    let products = store::products(tx).await?;
    if products.is_empty() { Err(Failure::NotInitialized) } else { Ok(products) }
}

/// One product: the named one, or the only one.
///
/// Fails with [`Failure::NotInitialized`], with [`Failure::UnknownProduct`], and with [`Failure::Usage`] when one of
/// several has to be named.
pub(crate) async fn product(database: &Database, named: Option<&ProductId>) -> Result<Product> {
    choose(products(database).await?, named)
}

fn choose(mut products: Vec<Product>, named: Option<&ProductId>) -> Result<Product> {
    match named {
        Some(id) => {
            let found = products.into_iter().find(|product| product.id == *id);
            found.ok_or_else(|| Failure::UnknownProduct(id.to_string()))
        }
        None if products.len() == 1 => Ok(products.remove(0)),
        None => {
            let ids: Vec<&str> = products.iter().map(|product| product.id.as_str()).collect();
            Err(Failure::Usage(format!(
                "there are several products; name one with --product: {}",
                ids.join(", ")
            )))
        }
    }
}

/// What said terms become.
pub(crate) struct Change<'a> {
    /// In place of what was said before.
    pub(crate) said: &'a Said,
    /// Not said any more.
    pub(crate) unsaid: &'a [String],
}

impl Change<'_> {
    fn of(&self, before: &Said) -> Result<Said> {
        let after = self.said.over(&before.without(self.unsaid)?);
        after.check()?;
        Ok(after)
    }
}

/// Changes what is sold of a product from now on. `based_on` is the revision that the change was made for. Returns the
/// product as it is now.
///
/// Fails as [`product`] and [`Said::check`] do, and with [`Failure::Superseded`].
pub(crate) async fn edit_product(
    database: &Database,
    named: Option<&ProductId>,
    change: &Change<'_>,
    based_on: Option<u32>,
    occasion: &Occasion,
) -> Result<Product> {
    let mut tx = database.write().await?;
    let mut product = choose(products_of(&mut tx).await?, named)?;
    check_based_on(based_on, product.revision)?;
    let template = change.of(&product.template)?;
    if template != product.template {
        product.revision = product.revision.saturating_add(1);
        store::set_template(&mut tx, &product.id, &template, product.revision).await?;
        let detail = format!("{}: {}", product.id, serde_json::to_string(&template)?);
        AuditLine { action: "product-edited", license: None, detail: &detail }
            .write(&mut tx, occasion)
            .await?;
        product.template = template;
    }
    // Also where nothing changes: what was read may be on its way to the disk still.
    tx.commit().await?;
    Ok(product)
}

/// Says whether keys of a product's licenses are kept, so that they can be sent again. Where they are not, the copies
/// that there are go. Returns the product as it is now. Fails as [`edit_product`] does.
pub(crate) async fn set_keeps_keys(
    database: &Database,
    named: Option<&ProductId>,
    keeps_keys: bool,
    based_on: Option<u32>,
    occasion: &Occasion,
) -> Result<Product> {
    let mut tx = database.write().await?;
    let mut product = choose(products_of(&mut tx).await?, named)?;
    check_based_on(based_on, product.revision)?;
    if product.keeps_keys != keeps_keys {
        product.revision = product.revision.saturating_add(1);
        product.keeps_keys = keeps_keys;
        store::set_keeps_keys(&mut tx, &product.id, keeps_keys, product.revision).await?;
        let detail = format!("{}: {keeps_keys}", product.id);
        let line = AuditLine { action: "product-keeps-keys", license: None, detail: &detail };
        line.write(&mut tx, occasion).await?;
    }
    tx.commit().await?;
    Ok(product)
}

/// Fails with [`Failure::Superseded`] when there is a later version than the one that somebody has seen.
pub(super) fn check_based_on(based_on: Option<u32>, latest: u32) -> Result<()> {
    match based_on {
        Some(based_on) if based_on != latest => Err(Failure::Superseded { based_on, latest }),
        _ => Ok(()),
    }
}

/// What holds for every product that does not say otherwise.
pub(crate) async fn policies(database: &Database) -> Result<Said> {
    store::policies(&mut database.read().await?).await
}

/// Changes what holds for every product from now on. Returns it as it is now.
///
/// Fails as [`Said::check`] does.
pub(crate) async fn edit_policies(
    database: &Database,
    change: &Change<'_>,
    occasion: &Occasion,
) -> Result<Said> {
    let mut tx = database.write().await?;
    let before = store::policies(&mut tx).await?;
    let after = change.of(&before)?;
    if after != before {
        store::set_policies(&mut tx, &after).await?;
        let detail = serde_json::to_string(&after)?;
        AuditLine { action: "policies-edited", license: None, detail: &detail }
            .write(&mut tx, occasion)
            .await?;
    }
    tx.commit().await?;
    Ok(after)
}
