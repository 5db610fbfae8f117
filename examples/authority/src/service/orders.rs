//! Orders: what was sold under the id that a shop has for it.

use nodelock::LicenseId;

use super::{
    Changing, Database, Edited, Extension, edit,
    permit::{On, permit},
};
use crate::{
    domain::{
        LicenseHint, Occasion, OrderRow,
        rights::{Act, Permit},
    },
    failure::{Failure, Result},
    store::{self, AuditLine, Tx},
};

/// An order with its licenses, as they were shown when it was sold. Fails with [`Failure::UnknownOrder`].
pub(crate) async fn order(
    database: &Database,
    id: &str,
    occasion: &Occasion,
) -> Result<(OrderRow, Vec<LicenseHint>)> {
    permit(database, occasion, Act::ShowLicenses, On::Order(id)).await?;
    let mut tx = database.read().await?;
    let order = store::order_row(&mut tx, id).await?.ok_or_else(|| Failure::UnknownOrder(id.to_owned()))?;
    Ok((order, store::licenses_of_sale(&mut tx, id).await?))
}

/// A license of an order, and what became of it.
pub(crate) type EditedLicense = (LicenseId, Edited);

/// Moves the end of every license of an order, because a subscription was paid for again, say: all of them or none.
/// Licenses that are void stay so. Returns each that is not void, as it is now.
///
/// `hand_over` is told what it comes to before anything is stored.
///
/// Fails with [`Failure::UnknownOrder`], with [`Failure::Void`] for an order whose licenses are all void, and as
/// [`extend`](super::extend) does.
pub(crate) async fn extend_order(
    database: &Database,
    id: &str,
    extension: Extension,
    hand_over: impl FnOnce(&[EditedLicense]) -> Result<()>,
    occasion: &Occasion,
) -> Result<Vec<EditedLicense>> {
    let occasion = &permit(database, occasion, Act::Extend, On::Order(id)).await?;
    let mut tx = database.write().await?;
    store::order_row(&mut tx, id).await?.ok_or_else(|| Failure::UnknownOrder(id.to_owned()))?;
    let foreseen = Changing { dry_run: true, ..Changing::default() };
    hand_over(&extend_each(&mut tx, id, extension, foreseen, occasion).await?)?;
    let extended = extend_each(&mut tx, id, extension, Changing::default(), occasion).await?;
    tx.commit().await?;
    Ok(extended)
}

async fn extend_each(
    tx: &mut Tx,
    order: &str,
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

/// Ends every license of an order for good, because it was refunded, say. Returns how many were not void before.
///
/// Fails with [`Failure::UnknownOrder`].
pub(crate) async fn void_order(
    database: &Database,
    id: &str,
    reason: &str,
    occasion: &Occasion,
) -> Result<usize> {
    let occasion = &permit(database, occasion, Act::Edit, On::Order(id)).await?;
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
