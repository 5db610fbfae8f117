//! Orders: what was sold under the id that a shop has for it.

use nodelock::LicenseId;

use super::{
    Changing, Database, Edited, Extension, Halted, edit,
    permit::{On, noting, permit, refuse},
    suspend,
};
use crate::{
    domain::{
        LicenseHint, Occasion, OrderChoice, OrderKey, OrderRow,
        rights::{Act, Permit, Reach, Subject},
    },
    failure::{Failure, Result},
    store::{self, AuditLine, Tx},
};

/// An order within reach with its licenses, as they were shown when it was sold.
///
/// Fails with [`Failure::UnknownOrder`] and [`Failure::AmbiguousOrder`].
pub(crate) async fn order(
    database: &Database,
    choice: &OrderChoice,
    occasion: &Occasion,
) -> Result<(OrderRow, Vec<LicenseHint>)> {
    let permit = order_permit(database, choice, Act::ShowLicenses, occasion).await?;
    let mut tx = database.read().await?;
    let order = choose(&mut tx, choice, &permit).await?;
    let licenses = store::licenses_of_sale(&mut tx, &order.order.key).await?;
    Ok((order, licenses))
}

/// Asks for an act on an order. One that is there and out of reach is refused as if it were not, which is noted.
async fn order_permit<'a>(
    database: &Database,
    choice: &OrderChoice,
    act: Act,
    occasion: &'a Occasion,
) -> Result<Permit<'a>> {
    let permit = permit(database, occasion, act, On::Each).await?;
    if *permit.reach() == Reach::Everything {
        return Ok(permit);
    }
    let mut tx = database.read().await?;
    match choose(&mut tx, choice, &permit).await {
        Err(unknown @ Failure::UnknownOrder(_)) => {
            let orders = store::orders_of_id(&mut tx, &choice.id).await?;
            drop(tx);
            match orders.iter().any(|row| choice.is(&row.order.key)) {
                true => Err(refuse(database, occasion, act, On::Order(&choice.id), unknown).await),
                false => Err(unknown),
            }
        }
        // What else is wrong with it shows again where it is done.
        _ => Ok(permit),
    }
}

/// The one order that is meant, among those within reach: there may be others of its id.
async fn choose(tx: &mut Tx, choice: &OrderChoice, permit: &Permit<'_>) -> Result<OrderRow> {
    let (mut orders, products) = (store::orders_of_id(tx, &choice.id).await?, store::products(tx).await?);
    let is_within_reach = |key: &OrderKey| {
        let product = products.iter().find(|product| product.id == key.product);
        let product = product.map_or_else(String::new, |product| product.name.clone());
        let sold_by = Some(key.seller.clone()).filter(|seller| !seller.is_empty());
        permit.reaches(&Subject { license: None, product, sold_by })
    };
    orders.retain(|row| choice.is(&row.order.key) && is_within_reach(&row.order.key));
    match (orders.pop(), orders.is_empty()) {
        (Some(order), true) => Ok(order),
        (Some(_), false) => Err(Failure::AmbiguousOrder(choice.id.clone())),
        (None, _) => Err(Failure::UnknownOrder(choice.id.clone())),
    }
}

/// A license of an order, and what became of it.
pub(crate) type EditedLicense = (LicenseId, Edited);

/// Moves the end of every license of an order, because a subscription was paid for again, say: all of them or none.
/// Licenses that are void stay so. Returns each that is not void, as it is now.
///
/// A dry run changes nothing, and tells what it would come to. `hand_over` is told that before anything is stored.
///
/// Fails as [`order`] does, with [`Failure::Void`] for an order whose licenses are all void, and as
/// [`extend`](super::extend) does.
pub(crate) async fn extend_order(
    database: &Database,
    choice: &OrderChoice,
    (extension, dry_run): (Extension, bool),
    hand_over: impl FnOnce(&[EditedLicense]) -> Result<()>,
    occasion: &Occasion,
) -> Result<Vec<EditedLicense>> {
    let permit = &order_permit(database, choice, Act::Extend, occasion).await?;
    let extended = async {
        let mut tx = database.write().await?;
        let key = choose(&mut tx, choice, permit).await?.order.key;
        let foreseen = Changing { dry_run: true, ..Changing::default() };
        let seen = extend_each(&mut tx, &key, extension, foreseen, permit).await?;
        if dry_run {
            tx.undo().await;
            return Ok(seen);
        }
        hand_over(&seen)?;
        let extended = extend_each(&mut tx, &key, extension, Changing::default(), permit).await?;
        tx.commit().await?;
        Ok::<_, Failure>(extended)
    };
    noting(database, permit, extended.await).await
}

async fn extend_each(
    tx: &mut Tx,
    order: &OrderKey,
    extension: Extension,
    changing: Changing,
    occasion: &Permit<'_>,
) -> Result<Vec<EditedLicense>> {
    let (mut extended, mut void) = (Vec::new(), None);
    for LicenseHint { id, .. } in store::licenses_of_sale(tx, order).await? {
        match edit::extend_in(tx, id, extension, changing, occasion).await {
            Ok(edited) => extended.push((id, edited)),
            Err(failure @ Failure::Void(_)) => void = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    match void.filter(|_| extended.is_empty()) {
        Some(failure) => Err(failure),
        None => Ok(extended),
    }
}

/// Ends every license of an order for good, because it was refunded, say. Returns those that were not void before. A
/// dry run changes nothing, and tells what it would come to.
///
/// `hand_over` is told that before anything is stored. Fails as [`order`] and `hand_over` do.
pub(crate) async fn void_order(
    database: &Database,
    choice: &OrderChoice,
    (reason, dry_run): (&str, bool),
    hand_over: impl FnOnce(&[Halted]) -> Result<()>,
    occasion: &Occasion,
) -> Result<Vec<Halted>> {
    let occasion = &order_permit(database, choice, Act::Edit, occasion).await?;
    let mut tx = database.write().await?;
    let OrderRow { order, is_void, .. } = choose(&mut tx, choice, occasion).await?;
    let mut ended = Vec::new();
    for license in store::licenses_of_sale(&mut tx, &order.key).await? {
        ended.push(suspend::end_of(&mut tx, license.id, None).await?);
    }
    ended.retain(|license| license.changes);
    if !dry_run {
        hand_over(&ended)?;
        for license in &ended {
            suspend::end(&mut tx, license.license, reason, occasion).await?;
        }
        if !is_void {
            store::set_order_void(&mut tx, &order.key).await?;
            let OrderKey { id, product, seller } = &order.key;
            let by = if seller.is_empty() { String::new() } else { format!(", reseller {seller}") };
            let detail = format!("{product}{by}, order {id}");
            let line = AuditLine { action: "order-voided", license: None, detail: &detail };
            line.write(&mut tx, occasion).await?;
        }
    }
    edit::finish(tx, dry_run).await?;
    Ok(ended)
}
