//! What there is: licenses, seats, and what happened.

use nodelock::LicenseId;

use super::{
    Database,
    permit::{On, permit},
};
use crate::{
    domain::{
        AuditRow, CustomerId, KeyRow, LicenseRow, Occasion, SeatRow, StateCount, TermsVersion, rights::Act,
    },
    failure::{Failure, Result},
    store::{self, AuditPages, LicensePages, SeatPages},
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

/// Shows the licenses of a customer, or all of them, as far as they are within reach, oldest first. One that is damaged
/// fails alone.
pub(crate) async fn licenses(
    database: &Database,
    customer: Option<CustomerId>,
    occasion: &Occasion,
    mut show: impl FnMut(Result<LicenseRow>) -> Result<()>,
) -> Result<()> {
    let permit = permit(database, occasion, Act::ShowLicenses, On::Each).await?;
    let (mut tx, mut pages) = (database.read().await?, LicensePages::new(permit.reach(), customer));
    loop {
        let page = pages.next(&mut tx).await?;
        if page.is_empty() {
            return Ok(());
        }
        page.into_iter().try_for_each(&mut show)?;
    }
}

/// Shows the seats of a license, or all of them, oldest first. One that is damaged fails alone.
pub(crate) async fn seats(
    database: &Database,
    license: Option<LicenseId>,
    occasion: &Occasion,
    mut show: impl FnMut(Result<SeatRow>) -> Result<()>,
) -> Result<()> {
    permit(database, occasion, Act::ShowSeats, license.map_or(On::Whole, On::License)).await?;
    let (mut tx, mut pages) = (database.read().await?, SeatPages::new(license, occasion.time));
    loop {
        let page = pages.next(&mut tx).await?;
        if page.is_empty() {
            return Ok(());
        }
        page.into_iter().try_for_each(&mut show)?;
    }
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
