//! Orders: what was sold under the id that a shop has for it.

use super::{
    Database,
    permit::{On, permit},
};
use crate::{
    domain::{LicenseHint, Occasion, OrderRow, rights::Act},
    failure::{Failure, Result},
    store::{self, AuditLine, OrderPages},
};

/// An order with its licenses, as they were shown when it was sold. Fails with [`Failure::UnknownOrder`].
pub(crate) async fn order(
    database: &Database,
    id: &str,
    occasion: &Occasion,
) -> Result<(OrderRow, Vec<LicenseHint>)> {
    permit(database, occasion, Act::ShowLicenses, On::Whole).await?;
    let mut tx = database.read().await?;
    let order = store::order_row(&mut tx, id).await?.ok_or_else(|| Failure::UnknownOrder(id.to_owned()))?;
    Ok((order, store::licenses_of_sale(&mut tx, id).await?))
}

/// Shows every order, oldest first.
pub(crate) async fn orders(
    database: &Database,
    occasion: &Occasion,
    mut show: impl FnMut(Result<OrderRow>) -> Result<()>,
) -> Result<()> {
    permit(database, occasion, Act::ShowLicenses, On::Whole).await?;
    let (mut tx, mut pages) = (database.read().await?, OrderPages::new());
    loop {
        let page = pages.next(&mut tx).await?;
        if page.is_empty() {
            return Ok(());
        }
        page.into_iter().try_for_each(&mut show)?;
    }
}

/// Ends every license of an order for good, because it was refunded, say. Returns how many were not void before.
///
/// Fails with [`Failure::UnknownOrder`].
pub(crate) async fn void_order(
    database: &Database,
    id: &str,
    reason: &str,
    occasion: &Occasion,
) -> Result<usize> {
    let occasion = &permit(database, occasion, Act::Edit, On::Whole).await?;
    let mut tx = database.write().await?;
    let order = store::order_row(&mut tx, id).await?.ok_or_else(|| Failure::UnknownOrder(id.to_owned()))?;
    let mut voided = 0;
    for license in store::licenses_of_sale(&mut tx, id).await? {
        voided += usize::from(super::suspend::end(&mut tx, license.id, reason, occasion).await?);
    }
    if !order.is_void {
        store::set_order_void(&mut tx, id).await?;
        AuditLine { action: "order-voided", license: None, detail: id }.write(&mut tx, occasion).await?;
    }
    tx.commit().await?;
    Ok(voided)
}
