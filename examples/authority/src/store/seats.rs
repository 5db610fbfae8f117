//! Seats as a customer sees them.

use nodelock::{LicenseId, Timestamp, authority::Seat};
use tracing::warn;

use super::{
    Tx, counters,
    row::{seat, seconds},
    sql::query,
};
use crate::{
    domain::StateCount,
    failure::{Failure, Result},
};

/// Every seat, oldest first.
#[cfg(test)]
pub(crate) async fn seats(tx: &mut Tx) -> Result<Vec<Seat>> {
    let query = query("SELECT handle, license_id, record FROM seat ORDER BY granted, handle, device_key");
    query.fetch_all(tx).await?.iter().map(seat).collect()
}

/// At most so many seats of a license: those that are taken first, and what changed last before the rest. One whose
/// record is damaged is left out.
pub(crate) async fn latest_seats_of(tx: &mut Tx, license: LicenseId, most: usize) -> Result<Vec<Seat>> {
    let query = query(
        "SELECT handle, license_id, record FROM seat WHERE license_id = $1 \
         ORDER BY taken DESC, changed DESC, handle DESC, device_key DESC LIMIT $2",
    )
    .bind(license.to_string())
    .bind(i64::try_from(most).unwrap_or(i64::MAX));
    let mut seats = Vec::new();
    for row in query.fetch_all(tx).await? {
        match seat(&row) {
            Err(failure @ Failure::Damaged { .. }) => {
                warn!(event = "damaged-record", error = failure.message());
            }
            seat => seats.push(seat?),
        }
    }
    Ok(seats)
}

/// At most so many seats of a license that are taken and were granted no later than `until`. Fails with
/// [`Failure::Damaged`].
pub(crate) async fn taken_seats_of(
    tx: &mut Tx,
    license: LicenseId,
    until: Timestamp,
    most: u32,
) -> Result<Vec<Seat>> {
    let query = query(
        "SELECT handle, license_id, record FROM seat WHERE license_id = $1 AND taken = 1 AND granted <= $2 \
         ORDER BY changed, handle, device_key LIMIT $3",
    );
    let query = query.bind(license.to_string()).bind(seconds(until)).bind(i64::from(most));
    query.fetch_all(tx).await?.iter().map(seat).collect()
}

/// How many seats are in each state.
pub(crate) async fn count_by_state(tx: &mut Tx) -> Result<Vec<StateCount>> {
    counters::by_state(tx).await
}
