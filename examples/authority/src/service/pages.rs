//! A page of what there is, for callers who ask for the next page later.

use nodelock::{LicenseId, PublicKey, Timestamp, code::Handle};
use tracing::warn;

use super::{
    Database,
    permit::{On, permit},
};
use crate::{
    domain::{AuditRow, LicenseRow, Occasion, SeatRow, rights::Act},
    failure::{Failure, Result},
    store::{AuditPages, LicensePages, SeatPages},
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
            match row {
                Ok(row) => found.push(row),
                Err(failure @ Failure::Damaged { .. }) => {
                    warn!(event = "damaged-record", error = failure.message());
                }
                Err(failure) => return Err(failure),
            }
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
