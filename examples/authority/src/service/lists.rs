//! What there is: licenses, seats, and what happened.

use nodelock::LicenseId;

use super::{
    Database,
    permit::{On, permit},
};
use crate::{
    domain::{
        AuditRow, Customer, KeyRow, LicenseRow, Occasion, OrderRow, SeatRow, StateCount, TermsVersion,
        filter::Filter,
        rights::{Act, Permit, Reach},
    },
    failure::{Failure, Result},
    store::{self, AuditPages, Pages, Tx},
};

/// All there is of a license, but for its seats.
pub(crate) struct LicenseView {
    pub(crate) row: LicenseRow,
    /// Oldest first.
    pub(crate) versions: Vec<TermsVersion>,
    /// Oldest first.
    pub(crate) keys: Vec<KeyRow>,
}

/// One license. Fails with `ErrorKind::UnknownLicense`.
pub(crate) async fn license(database: &Database, id: LicenseId, occasion: &Occasion) -> Result<LicenseView> {
    permit(database, occasion, Act::ShowLicenses, On::License(id)).await?;
    let mut tx = database.read().await?;
    let row = store::license_row_of(&mut tx, id).await?.ok_or_else(|| Failure::unknown_license(id))?;
    let versions = store::versions_of(&mut tx, id).await?;
    Ok(LicenseView { row, versions, keys: store::keys_of(&mut tx, id).await? })
}

/// What of a list is within a permit's reach.
pub(super) async fn within(tx: &mut Tx, filter: Filter, permit: &Permit<'_>) -> Result<Filter> {
    match permit.reach() {
        Reach::Everything => Ok(filter),
        Reach::SoldBy(account) => Ok(filter.and("seller", account)),
        Reach::Product(name) => {
            let products = store::products(tx).await?;
            let product = products.iter().find(|product| product.name == *name);
            // One that there is not has nothing.
            Ok(filter.and("product", product.map_or("", |product| product.id.as_str())))
        }
        Reach::License(_) => Err(Failure::Forbidden(permit.act())),
    }
}

/// Shows row after row.
async fn show_all<T>(
    tx: &mut Tx,
    mut pages: Pages<T>,
    mut show: impl FnMut(Result<T>) -> Result<()>,
) -> Result<()> {
    while !pages.is_over() {
        pages.next(tx).await?.into_iter().try_for_each(&mut show)?;
    }
    Ok(())
}

/// Shows the licenses within reach that pass a filter. One that is damaged fails alone.
pub(crate) async fn licenses(
    database: &Database,
    filter: Filter,
    occasion: &Occasion,
    show: impl FnMut(Result<LicenseRow>) -> Result<()>,
) -> Result<()> {
    let permit = permit(database, occasion, Act::ShowLicenses, On::Each).await?;
    let mut tx = database.read().await?;
    let filter = within(&mut tx, filter, &permit).await?;
    show_all(&mut tx, store::license_pages(filter), show).await
}

/// Shows the seats within reach that pass a filter. One that is damaged fails alone.
pub(crate) async fn seats(
    database: &Database,
    filter: Filter,
    occasion: &Occasion,
    show: impl FnMut(Result<SeatRow>) -> Result<()>,
) -> Result<()> {
    let permit = permit(database, occasion, Act::ShowSeats, On::Each).await?;
    let mut tx = database.read().await?;
    let filter = within(&mut tx, filter, &permit).await?;
    show_all(&mut tx, store::seat_pages(filter, occasion.time), show).await
}

/// Shows the customers that pass a filter.
pub(crate) async fn customers(
    database: &Database,
    filter: Filter,
    occasion: &Occasion,
    show: impl FnMut(Result<Customer>) -> Result<()>,
) -> Result<()> {
    permit(database, occasion, Act::ShowLicenses, On::Whole).await?;
    show_all(&mut database.read().await?, store::customer_pages(filter), show).await
}

/// Shows the orders within reach that pass a filter. One that is damaged fails alone.
pub(crate) async fn orders(
    database: &Database,
    filter: Filter,
    occasion: &Occasion,
    show: impl FnMut(Result<OrderRow>) -> Result<()>,
) -> Result<()> {
    let permit = permit(database, occasion, Act::ShowLicenses, On::Each).await?;
    let mut tx = database.read().await?;
    let filter = within(&mut tx, filter, &permit).await?;
    show_all(&mut tx, store::order_pages(filter), show).await
}

/// Shows the latest lines of the audit, oldest first. One that is damaged fails alone.
pub(crate) async fn audit(
    database: &Database,
    lines: u32,
    occasion: &Occasion,
    mut show: impl FnMut(Result<AuditRow>) -> Result<()>,
) -> Result<()> {
    permit(database, occasion, Act::ShowAudit, On::Whole).await?;
    let (mut tx, mut pages) = (database.read().await?, AuditPages::new(lines));
    loop {
        let page = pages.next(&mut tx).await?;
        if page.is_empty() {
            return Ok(());
        }
        page.into_iter().try_for_each(&mut show)?;
    }
}

/// How many seats are in each state.
pub(crate) async fn count_by_state(database: &Database) -> Result<Vec<StateCount>> {
    store::count_by_state(&mut database.read().await?).await
}
