//! Seats as a customer sees them.

use nodelock::{
    LicenseId, Timestamp,
    authority::{Seat, SeatName, decision::EventKind},
};
use tracing::warn;

use super::{
    Tx,
    audit::first_line_at,
    counters,
    row::{device, handle, number, public_key, seat, seconds, time},
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

/// At most so many seats of a license that are taken and were granted no later than `until`, after one of them. Fails
/// with [`Failure::Damaged`].
pub(crate) async fn taken_seats_of(
    tx: &mut Tx,
    license: LicenseId,
    until: Timestamp,
    after: Option<&Seat>,
    most: u32,
) -> Result<Vec<Seat>> {
    let after = after.map_or((i64::MIN, 0, Vec::new()), |seat| {
        (seconds(seat.changed()), number(seat.handle()), device(seat.name()))
    });
    let query = query(
        "SELECT handle, license_id, record FROM seat WHERE license_id = $1 AND taken = 1 AND granted <= $2 \
         AND (changed, handle, device_key) > ($3, $4, $5) ORDER BY changed, handle, device_key LIMIT $6",
    );
    let query =
        query.bind(license.to_string()).bind(seconds(until)).bind(after.0).bind(after.1).bind(after.2);
    query.bind(i64::from(most)).fetch_all(tx).await?.iter().map(seat).collect()
}

/// The seats of a license that an actor released with a notice since the license was deactivated last, and not before
/// a time.
pub(crate) async fn released_since(
    tx: &mut Tx,
    license: LicenseId,
    (notice, actor): (&str, &str),
    since: Timestamp,
) -> Result<Vec<SeatName>> {
    let lines = query(
        "SELECT action, actor, personal, handle, device_key FROM audit WHERE id >= $1 AND license_id = $2 \
         AND action IN ($3, 'license-deactivated') ORDER BY id",
    );
    let lines = lines.bind(first_line_at(since)).bind(license.to_string()).bind(EventKind::Released.name());
    let mut names = Vec::new();
    for line in lines.fetch_all(tx).await? {
        if line.get::<&str>("action")? != EventKind::Released.name() {
            names.clear();
        } else if line.get::<&str>("actor")? == actor
            && line.get::<Option<&str>>("personal")?.unwrap_or_default() == notice
        {
            let device_key = public_key(line.get("device_key")?)?;
            names.push(SeatName { handle: handle(line.get("handle")?)?, device_key });
        }
    }
    Ok(names)
}

/// How many seats of a license are taken.
pub(crate) async fn count_taken_seats_of(tx: &mut Tx, license: LicenseId) -> Result<u64> {
    let query = query("SELECT COUNT(*) AS taken FROM seat WHERE license_id = $1 AND taken = 1");
    let row = query.bind(license.to_string()).fetch_one(tx).await?;
    Ok(u64::try_from(row.get::<i64>("taken")?).unwrap_or_default())
}

/// When the last of the seats of a license that are in use ends: none where none is, [`Timestamp::MAX`] is never.
pub(crate) async fn last_end_of(tx: &mut Tx, license: LicenseId) -> Result<Option<Timestamp>> {
    let query =
        query("SELECT MAX(ends) AS ends FROM seat WHERE license_id = $1 AND taken = 1 AND lapsed = 0");
    let row = query.bind(license.to_string()).fetch_one(tx).await?;
    row.get::<Option<i64>>("ends")?.map(|_| time(&row, "ends")).transpose()
}

/// How many seats are in each state.
pub(crate) async fn count_by_state(tx: &mut Tx) -> Result<Vec<StateCount>> {
    counters::by_state(tx).await
}
