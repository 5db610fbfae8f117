//! A page of what there is, for callers who ask for the next page later.

use nodelock::{LicenseId, PublicKey, Timestamp, code::Handle};
use tracing::warn;

use super::{
    Database,
    permit::{On, permit},
};
use crate::{
    domain::{
        AuditRow, Customer, CustomerId, LicenseRow, Occasion, OrderKey, OrderRow, SeatRow, rights::Act,
    },
    failure::{Failure, Result},
    store::{AuditPages, CustomerPages, LicensePages, OrderPages, SeatPages},
};

/// The licenses within reach that come after one, at most `most`. One that is damaged is left out, and that is logged:
/// it breaks nobody's list.
pub(crate) async fn licenses_after(
    database: &Database,
    after: Option<(Timestamp, LicenseId)>,
    most: u32,
    occasion: &Occasion,
) -> Result<Vec<LicenseRow>> {
    let permit = permit(database, occasion, Act::ShowLicenses, On::Each).await?;
    let (mut tx, mut pages) =
        (database.read().await?, LicensePages::new(permit.reach(), None).after(after, most));
    let mut found = Vec::new();
    loop {
        let page = pages.next(&mut tx).await?;
        if page.is_empty() {
            return Ok(found);
        }
        for row in page {
            found.extend(whole(row)?);
            if found.len() >= most as usize {
                return Ok(found);
            }
        }
    }
}

/// The seats of a license, or all of them, that come after one, at most `most`. Fails for a record that is damaged.
pub(crate) async fn seats_after(
    database: &Database,
    license: Option<LicenseId>,
    after: Option<(Timestamp, Handle, PublicKey)>,
    most: u32,
    occasion: &Occasion,
) -> Result<Vec<SeatRow>> {
    permit(database, occasion, Act::ShowSeats, license.map_or(On::Whole, On::License)).await?;
    let mut pages = SeatPages::new(license, occasion.time).after(after, most);
    pages.next(&mut database.read().await?).await?.into_iter().collect()
}

/// The customers that come after one, at most `most`.
pub(crate) async fn customers_after(
    database: &Database,
    after: Option<(Timestamp, CustomerId)>,
    most: u32,
    occasion: &Occasion,
) -> Result<Vec<Customer>> {
    permit(database, occasion, Act::ShowLicenses, On::Whole).await?;
    let mut pages = CustomerPages::new(None).after(after, most);
    pages.next(&mut database.read().await?).await
}

/// The orders within reach that come after one, at most `most`. One that is damaged is left out, and that is logged.
pub(crate) async fn orders_after(
    database: &Database,
    after: Option<(Timestamp, OrderKey)>,
    most: u32,
    occasion: &Occasion,
) -> Result<Vec<OrderRow>> {
    let permit = permit(database, occasion, Act::ShowLicenses, On::Each).await?;
    let (mut tx, mut pages) = (database.read().await?, OrderPages::new(permit.reach()).after(after, most));
    let mut found = Vec::new();
    loop {
        let page = pages.next(&mut tx).await?;
        if page.is_empty() {
            return Ok(found);
        }
        for row in page {
            found.extend(whole(row)?);
            if found.len() >= most as usize {
                return Ok(found);
            }
        }
    }
}

/// A row of a list; none if it is damaged.
fn whole<T>(row: Result<T>) -> Result<Option<T>> {
    match row {
        Err(failure @ Failure::Damaged { .. }) => {
            warn!(event = "damaged-record", error = failure.message());
            Ok(None)
        }
        row => row.map(Some),
    }
}

/// The lines of the audit that come after one, at most `most`. Fails for a line that is damaged.
pub(crate) async fn audit_after(
    database: &Database,
    after: &str,
    most: u32,
    occasion: &Occasion,
) -> Result<Vec<AuditRow>> {
    permit(database, occasion, Act::ShowAudit, On::Whole).await?;
    let mut pages = AuditPages::after(after, most);
    pages.next(&mut database.read().await?).await?.into_iter().collect()
}
