//! Orders: what was sold under the id that a shop has for it.

use super::{
    Database,
    permit::{On, permit},
};
use crate::{
    domain::{LicenseHint, Occasion, OrderChoice, OrderKey, OrderRow, rights::Act},
    failure::{Failure, Result},
    store::{self, AuditLine, OrderPages, Tx},
};

/// An order with its licenses, as they were shown when it was sold.
///
/// Fails with [`Failure::UnknownOrder`] and [`Failure::AmbiguousOrder`].
pub(crate) async fn order(
    database: &Database,
    choice: &OrderChoice,
    occasion: &Occasion,
) -> Result<(OrderRow, Vec<LicenseHint>)> {
    permit(database, occasion, Act::ShowLicenses, On::Whole).await?;
    let mut tx = database.read().await?;
    let order = choose(&mut tx, choice).await?;
    let licenses = store::licenses_of_sale(&mut tx, &order.order.key).await?;
    Ok((order, licenses))
}

async fn choose(tx: &mut Tx, choice: &OrderChoice) -> Result<OrderRow> {
    let mut orders = store::orders_of_id(tx, &choice.id).await?;
    orders.retain(|row| choice.is(&row.order.key));
    match (orders.pop(), orders.is_empty()) {
        (Some(order), true) => Ok(order),
        (Some(_), false) => Err(Failure::AmbiguousOrder(choice.id.clone())),
        (None, _) => Err(Failure::UnknownOrder(choice.id.clone())),
    }
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
/// Fails as [`order`] does.
pub(crate) async fn void_order(
    database: &Database,
    choice: &OrderChoice,
    reason: &str,
    occasion: &Occasion,
) -> Result<usize> {
    let occasion = &permit(database, occasion, Act::Edit, On::Whole).await?;
    let mut tx = database.write().await?;
    let OrderRow { order, is_void, .. } = choose(&mut tx, choice).await?;
    let mut voided = 0;
    for license in store::licenses_of_sale(&mut tx, &order.key).await? {
        voided += usize::from(super::suspend::end(&mut tx, license.id, reason, occasion).await?);
    }
    if !is_void {
        store::set_order_void(&mut tx, &order.key).await?;
        let OrderKey { id, product, seller } = &order.key;
        let by = if seller.is_empty() { String::new() } else { format!(", reseller {seller}") };
        let detail = format!("{product}{by}, order {id}");
        AuditLine { action: "order-voided", license: None, detail: &detail }.write(&mut tx, occasion).await?;
    }
    tx.commit().await?;
    Ok(voided)
}
