//! What there is: the vendor, licenses, seats.

use nodelock::LicenseId;

use super::Database;
use crate::{
    domain::{LicenseRow, Occasion, SeatRow, StateCount, Vendor},
    failure::{Failure, Result},
    store,
};

/// What the authority is for.
///
/// Fails with [`Failure::NotInitialized`].
pub(crate) async fn vendor(database: &Database) -> Result<Vendor> {
    store::vendor(&mut database.read().await?).await?.ok_or(Failure::NotInitialized)
}

/// Every license, oldest first.
pub(crate) async fn licenses(database: &Database) -> Result<Vec<LicenseRow>> {
    store::licenses(&mut database.read().await?).await
}

/// The seats of a license, or all of them, oldest first.
pub(crate) async fn seats(
    database: &Database,
    license: Option<LicenseId>,
    occasion: &Occasion,
) -> Result<Vec<SeatRow>> {
    store::seats(&mut database.read().await?, license, occasion.time).await
}

/// How many seats are in each state.
pub(crate) async fn count_by_state(database: &Database) -> Result<Vec<StateCount>> {
    store::count_by_state(&mut database.read().await?).await
}
