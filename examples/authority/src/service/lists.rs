//! What there is: licenses, seats, and what happened.

use nodelock::LicenseId;

use super::Database;
use crate::{
    domain::{AuditRow, LicenseRow, Occasion, SeatRow, StateCount},
    failure::Result,
    store::{self, AuditPages, LicensePages, SeatPages},
};

/// Shows every license, oldest first. One that is damaged fails alone.
pub(crate) async fn licenses(
    database: &Database,
    mut show: impl FnMut(Result<LicenseRow>) -> Result<()>,
) -> Result<()> {
    let (mut tx, mut pages) = (database.read().await?, LicensePages::new());
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
    mut show: impl FnMut(Result<AuditRow>) -> Result<()>,
) -> Result<()> {
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
