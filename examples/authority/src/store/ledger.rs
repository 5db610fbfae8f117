//! What decisions are made from, and what they store: one statement or two for each query and each change.

use nodelock::{
    ActivationRequest, LicenseId, PublicKey, Timestamp,
    authority::{
        Attempts, Evidence, Found, KeyHash, LicenseRecord, LicenseTerms, MAX_SEATS_OF_TAG, Query, Seat,
        SeatName, Usage, decision::Change,
    },
    code::Handle,
    fingerprint::Tag,
};
use sqlx::any::AnyRow;

use super::{
    Tx,
    row::{count, damaged, device, json, number, record, seconds},
};
use crate::{
    domain::{Actor, DeviceDescription, Occasion, network},
    failure::Result,
};

/// How much evidence is kept in all. When there is more, the oldest goes: the device repeats it for as long as it has
/// no receipt.
const MAX_EVIDENCE: i64 = 100_000;
/// How much of it may be one peer's.
const MAX_EVIDENCE_OF_PEER: i64 = 1_000;
/// How long it is kept, in seconds: two years.
const EVIDENCE_LASTS: i64 = 2 * 365 * 24 * 60 * 60;

/// Answers a query.
pub(crate) async fn find(tx: &mut Tx, query: &Query) -> Result<Found> {
    match *query {
        Query::LicenseOfKey(hash) => license_of_key(tx, hash).await,
        Query::License(id) => license(tx, id).await,
        Query::SeatsOfHandle(handle) => seats_of_handle(tx, handle).await,
        Query::TakenSeatsOf(device) => taken_seats_of(tx, &device).await,
        Query::SeatsByEnd { license, until, at_most } => seats_by_end(tx, license, until, at_most).await,
        Query::SeatsWithTag(license, tag) => seats_with_tag(tx, license, tag).await,
        Query::SeatOfMachine(machine) => seat_of_machine(tx, machine).await,
        Query::EvidenceOf(handle) => evidence_of(tx, handle).await,
        Query::CheckIn(name, digest) => check_in(tx, name, digest).await,
        Query::Attempts(name) => attempts(tx, name).await,
        Query::Cancellations(id) => cancellations(tx, id).await,
        Query::Replacements(id) => replacements(tx, id).await,
    }
}

/// Stores a change. A [`Change::Insert`] of a seat that is there already fails.
pub(crate) async fn apply(tx: &mut Tx, change: &Change, occasion: &Occasion) -> Result<()> {
    match change {
        Change::Insert { seat, request } => insert(tx, seat, request).await,
        Change::Update(seat) => update(tx, seat).await,
        Change::Keep(evidence) => keep(tx, evidence, occasion).await,
        Change::Forget(evidence) => forget(tx, evidence).await,
        Change::RememberCheckIn { seat, digest, revision, forget_below } => {
            remember_check_in(tx, *seat, *digest, *revision, *forget_below).await
        }
        Change::Attempts(name, attempts) => set_attempts(tx, *name, *attempts, occasion).await,
        Change::Cancellations(id, cancellations) => set_cancellations(tx, *id, *cancellations).await,
        Change::Replacements(id, replacements) => set_replacements(tx, *id, *replacements).await,
    }
}

async fn license_of_key(tx: &mut Tx, hash: KeyHash) -> Result<Found> {
    let row = sqlx::query("SELECT terms FROM license WHERE key_hash = $1").bind(hash.0.to_vec());
    let row = row.fetch_optional(&mut **tx).await?;
    found_license(tx, row.as_ref()).await
}

async fn license(tx: &mut Tx, id: LicenseId) -> Result<Found> {
    let row = sqlx::query("SELECT terms FROM license WHERE id = $1").bind(id.to_string());
    let row = row.fetch_optional(&mut **tx).await?;
    found_license(tx, row.as_ref()).await
}

async fn found_license(tx: &mut Tx, row: Option<&AnyRow>) -> Result<Found> {
    let Some(row) = row else { return Ok(Found::License(None)) };
    let terms: LicenseTerms = record(row, "terms")?;
    let usage = sqlx::query(
        "SELECT COUNT(CASE WHEN state IN ('active', 'held') AND lapsed = 0 THEN 1 END) AS taken, \
         COUNT(CASE WHEN counted = 1 THEN 1 END) AS deactivated FROM seat WHERE license_id = $1",
    )
    .bind(terms.id.to_string())
    .fetch_one(&mut **tx)
    .await?;
    Ok(Found::License(Some(Box::new(LicenseRecord { terms, usage: counts(&usage)? }))))
}

/// What the seats of a license add up to, from the columns `taken` and `deactivated`.
pub(super) fn counts(row: &AnyRow) -> Result<Usage> {
    Ok(Usage { taken: count(row, "taken")?, deactivated: count(row, "deactivated")? })
}

async fn seats_of_handle(tx: &mut Tx, handle: Handle) -> Result<Found> {
    let rows = sqlx::query("SELECT record FROM seat WHERE handle = $1 ORDER BY granted, device_key")
        .bind(number(handle))
        .fetch_all(&mut **tx)
        .await?;
    found_seats(&rows)
}

async fn taken_seats_of(tx: &mut Tx, device: &PublicKey) -> Result<Found> {
    let rows = sqlx::query(
        "SELECT record FROM seat WHERE device_key = $1 AND state IN ('active', 'held') ORDER BY granted, handle",
    )
    .bind(device.as_bytes().to_vec())
    .fetch_all(&mut **tx)
    .await?;
    found_seats(&rows)
}

async fn seats_by_end(tx: &mut Tx, license: LicenseId, until: Timestamp, at_most: u32) -> Result<Found> {
    let rows = sqlx::query(
        "SELECT record FROM seat WHERE license_id = $1 AND state IN ('active', 'held') AND lapsed = 0 \
         AND ends <= $2 ORDER BY ends LIMIT $3",
    )
    .bind(license.to_string())
    .bind(seconds(until))
    .bind(i64::from(at_most))
    .fetch_all(&mut **tx)
    .await?;
    found_seats(&rows)
}

async fn seats_with_tag(tx: &mut Tx, license: LicenseId, tag: Tag) -> Result<Found> {
    let rows = sqlx::query(
        "SELECT seat.record FROM tag JOIN seat ON seat.handle = tag.handle AND seat.device_key = tag.device_key \
         WHERE tag.license_id = $1 AND tag.tag = $2 AND seat.state IN ('active', 'held') AND seat.lapsed = 0 \
         ORDER BY seat.contact, seat.handle LIMIT $3",
    )
    .bind(license.to_string())
    .bind(tag_number(tag))
    .bind(i64::try_from(MAX_SEATS_OF_TAG).unwrap_or(i64::MAX))
    .fetch_all(&mut **tx)
    .await?;
    found_seats(&rows)
}

async fn seat_of_machine(tx: &mut Tx, machine: [u8; 32]) -> Result<Found> {
    let rows = sqlx::query("SELECT record FROM seat WHERE installed = $1 AND state IN ('active', 'held')")
        .bind(machine.to_vec())
        .fetch_all(&mut **tx)
        .await?;
    found_seats(&rows)
}

fn tag_number(tag: Tag) -> i64 {
    let [first, second, third] = tag.bytes();
    i64::from(u32::from_be_bytes([tag.component(), first, second, third]))
}

/// Makes a seat be found by its hardware while it is taken.
async fn set_tags(tx: &mut Tx, seat: &Seat) -> Result<()> {
    sqlx::query("DELETE FROM tag WHERE handle = $1 AND device_key = $2")
        .bind(number(seat.handle()))
        .bind(device(seat.name()))
        .execute(&mut **tx)
        .await?;
    let Some(license) = seat.license_id().filter(|_| seat.state().is_taken()) else { return Ok(()) };
    for tag in seat.fingerprint().hardware() {
        sqlx::query("INSERT INTO tag (license_id, tag, handle, device_key) VALUES ($1, $2, $3, $4)")
            .bind(license.to_string())
            .bind(tag_number(tag))
            .bind(number(seat.handle()))
            .bind(device(seat.name()))
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// How many seats of a license are taken, and not marked as lapsed, whose use ended then or before.
pub(crate) async fn count_ended(tx: &mut Tx, license: LicenseId, until: Timestamp) -> Result<u32> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS ended FROM seat WHERE license_id = $1 AND state IN ('active', 'held') \
         AND lapsed = 0 AND ends <= $2",
    )
    .bind(license.to_string())
    .bind(seconds(until))
    .fetch_one(&mut **tx)
    .await?;
    count(&row, "ended")
}

fn found_seats(rows: &[AnyRow]) -> Result<Found> {
    Ok(Found::Seats(rows.iter().map(|row| record(row, "record")).collect::<Result<_>>()?))
}

async fn evidence_of(tx: &mut Tx, handle: Handle) -> Result<Found> {
    let contents: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT content FROM evidence WHERE handle = $1 ORDER BY received, kind, content")
            .bind(number(handle))
            .fetch_all(&mut **tx)
            .await?;
    let evidence = contents.iter().map(|content| Evidence::from_bytes(content));
    Ok(Found::Evidence(evidence.collect::<nodelock::Result<_>>()?))
}

async fn check_in(tx: &mut Tx, name: SeatName, digest: [u8; 32]) -> Result<Found> {
    let row =
        sqlx::query("SELECT revision FROM check_in WHERE handle = $1 AND device_key = $2 AND digest = $3")
            .bind(number(name.handle))
            .bind(device(name))
            .bind(digest.to_vec())
            .fetch_optional(&mut **tx)
            .await?;
    Ok(Found::CheckIn(row.map(|row| count(&row, "revision")).transpose()?))
}

async fn attempts(tx: &mut Tx, name: SeatName) -> Result<Found> {
    let row = sqlx::query("SELECT record FROM attempt WHERE handle = $1 AND device_key = $2")
        .bind(number(name.handle))
        .bind(device(name))
        .fetch_optional(&mut **tx)
        .await?;
    Ok(Found::Attempts(row.map(|row| record(&row, "record")).transpose()?.unwrap_or_default()))
}

async fn cancellations(tx: &mut Tx, id: LicenseId) -> Result<Found> {
    let row = sqlx::query("SELECT record FROM cancellation WHERE license_id = $1")
        .bind(id.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(Found::Attempts(row.map(|row| record(&row, "record")).transpose()?.unwrap_or_default()))
}

async fn replacements(tx: &mut Tx, id: LicenseId) -> Result<Found> {
    let row = sqlx::query("SELECT record FROM replacement WHERE license_id = $1")
        .bind(id.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(Found::Attempts(row.map(|row| record(&row, "record")).transpose()?.unwrap_or_default()))
}

async fn set_replacements(tx: &mut Tx, id: LicenseId, replacements: Attempts) -> Result<()> {
    sqlx::query(
        "INSERT INTO replacement (license_id, record) VALUES ($1, $2) \
         ON CONFLICT (license_id) DO UPDATE SET record = excluded.record",
    )
    .bind(id.to_string())
    .bind(json(&replacements)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn insert(tx: &mut Tx, seat: &Seat, request: &ActivationRequest) -> Result<()> {
    sqlx::query(
        "INSERT INTO seat (handle, device_key, license_id, state, counted, granted, changed, record, machine, \
         ends, lapsed, contact, installed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(number(seat.handle()))
    .bind(device(seat.name()))
    .bind(seat.license_id().map(|id| id.to_string()))
    .bind(seat.state().name())
    .bind(i64::from(seat.is_counted()))
    .bind(seconds(seat.granted()))
    .bind(seconds(seat.changed()))
    .bind(json(seat)?)
    .bind(json(&DeviceDescription::from(request))?)
    .bind(seconds(seat.ends().unwrap_or(Timestamp::MAX)))
    .bind(i64::from(seat.is_lapsed()))
    .bind(seconds(seat.contact()))
    .bind(seat.machine().to_vec())
    .execute(&mut **tx)
    .await?;
    set_tags(tx, seat).await
}

/// The license and the grant of a seat never change.
async fn update(tx: &mut Tx, seat: &Seat) -> Result<()> {
    let updated = sqlx::query(
        "UPDATE seat SET state = $1, counted = $2, changed = $3, record = $4, ends = $5, lapsed = $6, \
         contact = $7, installed = $8 WHERE handle = $9 AND device_key = $10",
    )
    .bind(seat.state().name())
    .bind(i64::from(seat.is_counted()))
    .bind(seconds(seat.changed()))
    .bind(json(seat)?)
    .bind(seconds(seat.ends().unwrap_or(Timestamp::MAX)))
    .bind(i64::from(seat.is_lapsed()))
    .bind(seconds(seat.contact()))
    .bind(seat.machine().to_vec())
    .bind(number(seat.handle()))
    .bind(device(seat.name()))
    .execute(&mut **tx)
    .await?;
    if updated.rows_affected() != 1 {
        return Err(damaged("a seat that was found and is gone"));
    }
    set_tags(tx, seat).await
}

async fn keep(tx: &mut Tx, evidence: &Evidence, occasion: &Occasion) -> Result<()> {
    let peer = match occasion.actor {
        Actor::Peer(peer) => network(peer).to_string(),
        Actor::Vendor(_) => String::new(),
    };
    sqlx::query("INSERT INTO evidence (handle, kind, content, received, peer) VALUES ($1, $2, $3, $4, $5)")
        .bind(number(evidence.handle()))
        .bind(evidence.kind())
        .bind(evidence.to_bytes())
        .bind(seconds(occasion.time))
        .bind(&peer)
        .execute(&mut **tx)
        .await?;
    sqlx::query("DELETE FROM evidence WHERE received < $1")
        .bind(seconds(occasion.time).saturating_sub(EVIDENCE_LASTS))
        .execute(&mut **tx)
        .await?;
    if !peer.is_empty() {
        forget_oldest_of(tx, &peer, MAX_EVIDENCE_OF_PEER).await?;
    }
    forget_oldest(tx, MAX_EVIDENCE).await
}

/// Deletes the oldest evidence of a peer beyond `most`.
pub(super) async fn forget_oldest_of(tx: &mut Tx, peer: &str, most: i64) -> Result<()> {
    let kept = sqlx::query_scalar("SELECT COUNT(*) FROM evidence WHERE peer = $1").bind(peer);
    let kept: i64 = kept.fetch_one(&mut **tx).await?;
    if kept > most {
        sqlx::query(
            "DELETE FROM evidence WHERE (handle, kind, content) IN \
             (SELECT handle, kind, content FROM evidence WHERE peer = $1 ORDER BY received LIMIT $2)",
        )
        .bind(peer)
        .bind(kept - most)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Deletes the oldest evidence beyond `most`.
pub(super) async fn forget_oldest(tx: &mut Tx, most: i64) -> Result<()> {
    let kept: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM evidence").fetch_one(&mut **tx).await?;
    if kept > most {
        sqlx::query(
            "DELETE FROM evidence WHERE (handle, kind, content) IN \
             (SELECT handle, kind, content FROM evidence ORDER BY received LIMIT $1)",
        )
        .bind(kept - most)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

async fn forget(tx: &mut Tx, evidence: &Evidence) -> Result<()> {
    sqlx::query("DELETE FROM evidence WHERE handle = $1 AND kind = $2 AND content = $3")
        .bind(number(evidence.handle()))
        .bind(evidence.kind())
        .bind(evidence.to_bytes())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn remember_check_in(
    tx: &mut Tx,
    name: SeatName,
    digest: [u8; 32],
    revision: u32,
    forget_below: u32,
) -> Result<()> {
    sqlx::query("INSERT INTO check_in (handle, device_key, digest, revision) VALUES ($1, $2, $3, $4)")
        .bind(number(name.handle))
        .bind(device(name))
        .bind(digest.to_vec())
        .bind(i64::from(revision))
        .execute(&mut **tx)
        .await?;
    sqlx::query("DELETE FROM check_in WHERE handle = $1 AND device_key = $2 AND revision < $3")
        .bind(number(name.handle))
        .bind(device(name))
        .bind(i64::from(forget_below))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Attempts of any seat that no longer count go.
async fn set_attempts(tx: &mut Tx, name: SeatName, attempts: Attempts, occasion: &Occasion) -> Result<()> {
    sqlx::query("DELETE FROM attempt WHERE ends <= $1")
        .bind(seconds(occasion.time))
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "INSERT INTO attempt (handle, device_key, record, ends) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (handle, device_key) DO UPDATE SET record = excluded.record, ends = excluded.ends",
    )
    .bind(number(name.handle))
    .bind(device(name))
    .bind(json(&attempts)?)
    .bind(seconds(attempts.end()))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn set_cancellations(tx: &mut Tx, id: LicenseId, cancellations: Attempts) -> Result<()> {
    sqlx::query(
        "INSERT INTO cancellation (license_id, record) VALUES ($1, $2) \
         ON CONFLICT (license_id) DO UPDATE SET record = excluded.record",
    )
    .bind(id.to_string())
    .bind(json(&cancellations)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
