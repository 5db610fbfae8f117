//! Seats in lists.

use nodelock::{LicenseId, Timestamp, authority::Attempts};
use sqlx::{Row as _, any::AnyRow};

use super::{
    Tx, counters,
    row::{record, seat, seconds},
};
use crate::{
    domain::{SeatRow, StateCount},
    failure::Result,
};

/// Seats with the attempts that still count at $1; `rest` chooses and orders them.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT seat.handle, seat.license_id, seat.record, seat.machine, attempt.record AS attempts FROM seat LEFT JOIN attempt \
             ON attempt.handle = seat.handle AND attempt.device_key = seat.device_key AND attempt.ends > $1 ",
            $rest
        )
    };
}

/// The seats of a license, or all of them, oldest first.
pub(crate) async fn seats(tx: &mut Tx, license: Option<LicenseId>, now: Timestamp) -> Result<Vec<SeatRow>> {
    let query = match license {
        Some(_) => select!("WHERE seat.license_id = $2 ORDER BY seat.granted, seat.handle, seat.device_key"),
        None => select!("ORDER BY seat.granted, seat.handle, seat.device_key"),
    };
    let query = sqlx::query(query).bind(seconds(now));
    let query = match license {
        Some(id) => query.bind(id.to_string()),
        None => query,
    };
    query.fetch_all(&mut **tx).await?.iter().map(seat_row).collect()
}

/// At most so many seats of a license: those that are taken first, and what changed last before the rest.
pub(crate) async fn latest_seats_of(
    tx: &mut Tx,
    license: LicenseId,
    most: usize,
    now: Timestamp,
) -> Result<Vec<SeatRow>> {
    let query = sqlx::query(select!(
        "WHERE seat.license_id = $2 \
         ORDER BY seat.taken DESC, seat.changed DESC, seat.handle DESC, seat.device_key DESC LIMIT $3"
    ))
    .bind(seconds(now))
    .bind(license.to_string())
    .bind(i64::try_from(most).unwrap_or(i64::MAX));
    query.fetch_all(&mut **tx).await?.iter().map(seat_row).collect()
}

/// How many seats are in each state.
pub(crate) async fn count_by_state(tx: &mut Tx) -> Result<Vec<StateCount>> {
    counters::by_state(tx).await
}

fn seat_row(row: &AnyRow) -> Result<SeatRow> {
    let attempts: Option<String> = row.try_get("attempts")?;
    let attempts: Option<Attempts> = attempts.map(|text| serde_json::from_str(&text)).transpose()?;
    Ok(SeatRow {
        seat: seat(row)?,
        device: record(row, "machine")?,
        codes_tried: attempts.unwrap_or_default().count(),
    })
}
