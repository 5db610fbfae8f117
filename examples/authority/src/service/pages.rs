//! A page of what there is, for callers who ask for the next page later.

use nodelock::{LicenseId, PublicKey, Timestamp, code::Handle};

use super::{
    Database,
    orders::is_shown,
    permit::{On, permit, reaches},
};
use crate::{
    domain::{AuditRow, Customer, CustomerId, LicenseRow, Occasion, OrderRow, SeatRow, rights::Act},
    failure::Result,
    store::{AuditPages, CustomerPages, LicensePages, OrderPages, SeatPages},
};

/// The licenses within reach that come after one, at most `most`. Fails for a record that is damaged.
pub(crate) async fn licenses_after(
    database: &Database,
    after: Option<(Timestamp, LicenseId)>,
    most: u32,
    occasion: &Occasion,
) -> Result<Vec<LicenseRow>> {
    let permit = permit(database, occasion, Act::ShowLicenses, On::Each).await?;
    let (mut tx, mut pages) = (database.read().await?, LicensePages::after(after, most));
    let mut found = Vec::new();
    loop {
        let page = pages.next(&mut tx).await?;
        if page.is_empty() {
            return Ok(found);
        }
        for row in page {
            let row = row?;
            if !reaches(&permit, &mut tx, row.license.terms.id).await? {
                continue;
            }
            found.push(row);
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

/// The orders within reach that come after one, at most `most`. Fails for a record that is damaged.
pub(crate) async fn orders_after(
    database: &Database,
    after: Option<(Timestamp, String)>,
    most: u32,
    occasion: &Occasion,
) -> Result<Vec<OrderRow>> {
    let permit = permit(database, occasion, Act::ShowLicenses, On::Each).await?;
    let (mut tx, mut pages) = (database.read().await?, OrderPages::new().after(after, most));
    let mut found = Vec::new();
    loop {
        let page = pages.next(&mut tx).await?;
        if page.is_empty() {
            return Ok(found);
        }
        for row in page {
            if is_shown(&permit, &mut tx, &row).await? {
                found.push(row?);
            }
            if found.len() >= most as usize {
                return Ok(found);
            }
        }
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
