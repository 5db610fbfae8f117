//! What happened to licenses, in order: the outbox. An event is in the transaction of what it is about, so that there
//! is one exactly if that happened.

use nodelock::{
    LicenseId, Timestamp,
    authority::{KeyHash, SeatName},
};

use super::{
    Tx,
    audit::{AuditLine, OfSeat},
    licenses::lock_license,
    mail::enter_mail,
    row::{count, damaged, device, handle, license_id, number, public_key, seconds, time},
    sql::{Row, query},
    webhooks::enter_deliveries,
};
use crate::{
    domain::{EventRow, audit_words, kind_of, rights::Permit},
    failure::{Failure, Result},
};

/// Enters the event that a line of the audit is, if it is one. `key` is what a mail of it brings, unless the customer
/// is mailed nothing of it.
///
/// The row of the license is locked, so its events have their numbers in the order in which they are committed. A
/// decision has locked it when it began.
pub(super) async fn enter(
    tx: &mut Tx,
    id: &str,
    line: &AuditLine<'_>,
    (seat, key, is_untold): (Option<&OfSeat>, Option<KeyHash>, bool),
    permit: &Permit<'_>,
) -> Result<()> {
    let Some(license) = line.license else { return Ok(()) };
    let Some(kind) = kind_of(line.action, seat.is_some()) else { return Ok(()) };
    if !tx.is_of_decision() {
        lock_license(tx, license).await?;
    }
    query(
        "INSERT INTO event (id, license_id, sequence, at, kind, handle, device_key, from_state, to_state) \
         SELECT $1, $2, COALESCE(MAX(sequence), 0) + 1, $3, $4, $5, $6, $7, $8 FROM event WHERE license_id = $2",
    )
    .bind(id)
    .bind(license.to_string())
    .bind(seconds(permit.time))
    .bind(&kind)
    .bind(seat.map(|seat| number(seat.name.handle)))
    .bind(seat.map(|seat| device(seat.name)))
    .bind(seat.and_then(|seat| seat.before).map(|state| state.name()))
    .bind(seat.and_then(|seat| seat.after).map(|state| state.name()))
    .execute(tx)
    .await?;
    enter_deliveries(tx, id).await?;
    // Of many seats the customer is told in one mail.
    if is_untold { Ok(()) } else { enter_mail(tx, id, (license, &kind), key).await }
}

pub(super) fn event(row: &Row) -> Result<EventRow> {
    let handle = row.get::<Option<i64>>("handle")?.map(handle).transpose()?;
    let device_key = row.get::<Option<Vec<u8>>>("device_key")?.map(public_key).transpose()?;
    Ok(EventRow {
        id: row.get("id")?,
        license: license_id(row)?.ok_or_else(|| damaged("an event's license"))?,
        sequence: count(row, "sequence")?,
        at: time(row, "at")?,
        kind: row.get("kind")?,
        seat: handle.zip(device_key).map(|(handle, device_key)| SeatName { handle, device_key }),
        from: row.get("from_state")?,
        to: row.get("to_state")?,
    })
}

/// Events after one, each with its id, in the order in which they happened: those of a license, or all; at most so
/// many. All begin after an empty id. One that is damaged fails alone.
pub(crate) async fn events_after(
    tx: &mut Tx,
    license: Option<LicenseId>,
    after: &str,
    most: u32,
) -> Result<Vec<(String, Result<EventRow>)>> {
    let rows = match license {
        None => query(
            "SELECT id, license_id, sequence, at, kind, handle, device_key, from_state, to_state FROM event \
             WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(most)),
        Some(license) => query(
            "SELECT id, license_id, sequence, at, kind, handle, device_key, from_state, to_state FROM event \
             WHERE license_id = $3 AND sequence > \
             COALESCE((SELECT sequence FROM event WHERE license_id = $3 AND id = $1), 0) ORDER BY sequence LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(most))
        .bind(license.to_string()),
    };
    let read = |row: &Row| {
        let id: String = row.get("id")?;
        let event = event(row).map_err(|failure| failure.in_record(format!("event {id}")));
        Ok((id, event))
    };
    rows.fetch_all(tx).await?.iter().map(read).collect()
}

/// The events of a license before a sequence number, latest first, each with who did it and the words that its line of
/// the audit has, with what it says of a person or without; at most so many. All come before none.
pub(crate) async fn events_before(
    tx: &mut Tx,
    license: LicenseId,
    before: Option<u32>,
    most: u32,
    with_personal: bool,
) -> Result<Vec<(EventRow, String, String)>> {
    let rows = query(
        "SELECT event.id, event.license_id, event.sequence, event.at, event.kind, event.handle, event.device_key, \
         event.from_state, event.to_state, audit.actor, audit.detail, audit.personal \
         FROM event LEFT JOIN audit ON audit.id = event.id \
         WHERE event.license_id = $1 AND event.sequence < $2 ORDER BY event.sequence DESC LIMIT $3",
    );
    let rows = rows.bind(license.to_string()).bind(before.map_or(i64::MAX, i64::from)).bind(i64::from(most));
    let read = |row: &Row| {
        let said = |name| Ok::<_, Failure>(row.get::<Option<&str>>(name)?.unwrap_or_default());
        let personal = row.get::<Option<&str>>("personal")?.filter(|_| with_personal);
        Ok((event(row)?, said("actor")?.to_owned(), audit_words(said("detail")?, personal)))
    };
    rows.fetch_all(tx).await?.iter().map(read).collect()
}

/// The first id that an event of a time may have: its clock may have been a day behind what it says.
pub(super) fn first_id_of(time: Timestamp) -> String {
    let seconds = time.unix_seconds().saturating_sub(24 * 60 * 60);
    format!("{:032x}", u128::from(seconds) * 1_000_000_000)
}

/// Notes when a license ends, as its terms say now.
pub(super) async fn set_expiry(tx: &mut Tx, license: LicenseId, ends: Option<Timestamp>) -> Result<()> {
    let changed = match ends {
        None => query("DELETE FROM expiry WHERE license_id = $1").bind(license.to_string()),
        Some(ends) => query(
            "INSERT INTO expiry (license_id, ends, noted) VALUES ($1, $2, 0) ON CONFLICT (license_id) \
             DO UPDATE SET ends = excluded.ends, \
             noted = CASE WHEN expiry.ends = excluded.ends THEN expiry.noted ELSE 0 END",
        )
        .bind(license.to_string())
        .bind(seconds(ends)),
    };
    changed.execute(tx).await?;
    Ok(())
}

/// The first license that ends after the one time and not after the other, and of which that was not noted yet.
pub(crate) async fn next_to_expire(
    tx: &mut Tx,
    after: Timestamp,
    until: Timestamp,
) -> Result<Option<LicenseId>> {
    let row = query(
        "SELECT license_id FROM expiry WHERE noted = 0 AND ends > $1 AND ends <= $2 ORDER BY ends, license_id LIMIT 1",
    );
    let row = row.bind(seconds(after)).bind(seconds(until)).fetch_optional(tx).await?;
    row.as_ref().map(license_id).transpose().map(Option::flatten)
}

/// Notes that the end of a license was noted. Returns whether it was not before.
pub(crate) async fn set_expiry_noted(tx: &mut Tx, license: LicenseId) -> Result<bool> {
    let noted = query("UPDATE expiry SET noted = 1 WHERE license_id = $1 AND noted = 0");
    Ok(noted.bind(license.to_string()).execute(tx).await? > 0)
}
