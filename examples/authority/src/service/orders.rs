//! Orders: what was sold under the id that a shop has for it.

use super::{
    Database,
    permit::{On, permit},
};
use crate::{
    domain::{
        LicenseHint, Occasion, OrderChoice, OrderKey, OrderRow, Product,
        rights::{Act, Permit, Subject},
    },
    failure::{Failure, Result},
    store::{self, AuditLine, OrderPages, Tx},
};

/// An order within reach with its licenses, as they were shown when it was sold.
///
/// Fails with [`Failure::UnknownOrder`] and [`Failure::AmbiguousOrder`].
pub(crate) async fn order(
    database: &Database,
    choice: &OrderChoice,
    occasion: &Occasion,
) -> Result<(OrderRow, Vec<LicenseHint>)> {
    let permit = permit(database, occasion, Act::ShowLicenses, On::Each).await?;
    let mut tx = database.read().await?;
    let order = choose(&mut tx, choice, &permit).await?;
    let licenses = store::licenses_of_sale(&mut tx, &order.order.key).await?;
    Ok((order, licenses))
}

/// The one order that is meant, among those within reach: there may be others of its id.
async fn choose(tx: &mut Tx, choice: &OrderChoice, permit: &Permit<'_>) -> Result<OrderRow> {
    let reach = OrderReach::of(tx, permit).await?;
    let mut orders = store::orders_of_id(tx, &choice.id).await?;
    orders.retain(|row| choice.is(&row.order.key) && reach.has(&row.order.key));
    match (orders.pop(), orders.is_empty()) {
        (Some(order), true) => Ok(order),
        (Some(_), false) => Err(Failure::AmbiguousOrder(choice.id.clone())),
        (None, _) => Err(Failure::UnknownOrder(choice.id.clone())),
    }
}

/// Which orders a permit reaches: what finds an order says it.
struct OrderReach<'a> {
    permit: &'a Permit<'a>,
    products: Vec<Product>,
}

impl<'a> OrderReach<'a> {
    async fn of(tx: &mut Tx, permit: &'a Permit<'a>) -> Result<Self> {
        Ok(Self { permit, products: store::products(tx).await? })
    }

    fn has(&self, key: &OrderKey) -> bool {
        let product = self.products.iter().find(|product| product.id == key.product);
        let product = product.map_or_else(String::new, |product| product.name.clone());
        let sold_by = Some(key.seller.clone()).filter(|seller| !seller.is_empty());
        !self.permit.is_limited() || self.permit.reaches(&Subject { license: None, product, sold_by })
    }
}

/// Shows every order within reach, oldest first. Whose a damaged one is cannot be told, so it is shown to whom nothing
/// is hidden.
pub(crate) async fn orders(
    database: &Database,
    occasion: &Occasion,
    mut show: impl FnMut(Result<OrderRow>) -> Result<()>,
) -> Result<()> {
    let permit = permit(database, occasion, Act::ShowLicenses, On::Each).await?;
    let (mut tx, mut pages) = (database.read().await?, OrderPages::new());
    let reach = OrderReach::of(&mut tx, &permit).await?;
    loop {
        let page = pages.next(&mut tx).await?;
        if page.is_empty() {
            return Ok(());
        }
        let is_shown = |row: &Result<OrderRow>| match row {
            Ok(row) => reach.has(&row.order.key),
            Err(_) => !permit.is_limited(),
        };
        page.into_iter().filter(is_shown).try_for_each(&mut show)?;
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
    let occasion = &permit(database, occasion, Act::Edit, On::Each).await?;
    let mut tx = database.write().await?;
    let OrderRow { order, is_void, .. } = choose(&mut tx, choice, occasion).await?;
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
