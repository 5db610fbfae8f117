//! What decisions are made from, and what they store: one statement or two for each query and each change.

use std::collections::BTreeSet;

use super::{
    Tx, approvals,
    counters::Counted,
    history,
    locks::Locks,
    row::{count, damaged, device, json, license_id, number, record, seat, seconds, state, terms},
    sql::{Row, query},
    strangers, unlocked,
};
use crate::{
    domain::{DeviceDescription, Occasion, ProductId},
    failure::{Failure, Result},
};
use nodelock::{
    ActivationRequest, ErrorKind, LicenseId, Metadata, PublicKey, Timestamp,
    authority::{
        Allowances, Attempts, Count, Counting, Found, KeyHash, LicenseRecord, MAX_SEATS_OF_DEVICE,
        MAX_SEATS_OF_TAG, Query, Seat, SeatName, SeatState, Usage, decision::Change,
    },
    code::Handle,
    fingerprint::Tag,
};

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
        Query::TrialsWithTag(license, tag) => trials_with_tag(tx, license, tag).await,
        Query::EvidenceOf(handle) => strangers::evidence_of(tx, handle).await,
        Query::CheckIn(name, digest) => check_in(tx, name, digest).await,
        Query::ApprovalsOf(handle) => approvals::approvals_of(tx, handle).await,
        Query::Attempts(name) => attempts(tx, name).await,
        Query::History => history::history(tx).await,
        Query::Page(page) => history::is_known(tx, page).await,
        Query::Count(id, counted) => count_of(tx, id, counted).await,
    }
}

/// Stores a change. A [`Change::Insert`] of a seat that is there already fails.
pub(crate) async fn apply(tx: &mut Tx, change: &Change, occasion: &Occasion) -> Result<()> {
    match change {
        Change::Insert { seat, request } => {
            insert(tx, seat, request.as_deref()).await?;
            if seat.state() == SeatState::Cancelled {
                strangers::remember_cancelled(tx, seat, strangers::MAX_CANCELLED_OF_PEER, occasion).await?;
            }
            Ok(())
        }
        Change::Update(seat) => update(tx, seat).await,
        Change::Keep(evidence) => strangers::keep(tx, evidence, occasion).await,
        Change::Forget(evidence) => strangers::forget(tx, evidence).await,
        Change::RememberCheckIn { seat, digest, revision, forget_below } => {
            remember_check_in(tx, *seat, *digest, *revision, *forget_below).await
        }
        Change::Describe { seat, description } => describe(tx, *seat, description).await,
        Change::Approval(approval) => approvals::set_approval(tx, approval, occasion).await,
        Change::ForgetApprovals { license, device } => {
            approvals::forget_approvals_of_device(tx, *license, device).await
        }
        Change::Attempts(name, attempts) => set_attempts(tx, *name, *attempts, occasion).await,
        Change::History(history) => history::set_history(tx, history).await,
        Change::Page(page) => history::insert_page(tx, *page, occasion).await,
        Change::License(terms) => history::insert_lost_license(tx, terms, occasion).await,
        Change::Allowances(id, allowances) => set_allowances(tx, *id, *allowances).await,
        Change::Count(id, counted, count) => set_count(tx, *id, *counted, count).await,
    }
}

/// Takes locks on PostgreSQL: the rows of licenses first, by their ids, then what has no row, by its number. So two
/// transactions never wait for each other. The licenses are read with their locks.
pub(super) async fn lock(tx: &mut Tx, locks: &Locks) -> Result<()> {
    // One after the other, in order: a plan for any number of them is made anew for each.
    for id in locks.licenses() {
        // Ids do not change, so other transactions may refer to them meanwhile.
        let rows = query(
            "SELECT id, terms, taken, deactivated, activated, allowances FROM license WHERE id = $1 \
             FOR NO KEY UPDATE",
        );
        // One that is damaged fails where it is asked for.
        if let Some(row) = rows.bind(id.to_string()).fetch_optional(tx).await?
            && let Ok(license) = license_in(&row)
        {
            tx.know_license(license);
        }
    }
    if let Some(keys) = locks.advisory_keys() {
        query(
            "SELECT 1 FROM (SELECT pg_advisory_xact_lock(number) FROM (SELECT number FROM \
             unnest(CAST(string_to_array($1, ',') AS BIGINT[])) AS given (number) ORDER BY number OFFSET 0) AS ordered \
             OFFSET 0) AS locked",
        )
        .bind(keys)
        .execute(tx)
        .await?;
    }
    Ok(())
}

async fn license_of_key(tx: &mut Tx, hash: KeyHash) -> Result<Found> {
    if let Some(license) = tx.known_license_of_key(hash) {
        return Ok(Found::License(Some(Box::new(license))));
    }
    let select = "SELECT license.id, license.terms, license.taken, license.deactivated, \
                  license.activated, license.allowances FROM license_key \
                  JOIN license ON license.id = license_key.license_id \
                  WHERE license_key.hash = $1 AND license_key.revoked IS NULL \
                  AND ($2 IS NULL OR license.product_id = $2)";
    let row = query(select).bind(hash.0.to_vec()).bind(tx.product()).fetch_optional(tx).await?;
    let found = found_license(tx, row.as_ref())?;
    if let Found::License(Some(license)) = &found {
        tx.know_key(hash, license.terms.id);
    }
    Ok(found)
}

async fn license(tx: &mut Tx, id: LicenseId) -> Result<Found> {
    if let Some(license) = tx.known_license(id) {
        return Ok(Found::License(Some(Box::new(license))));
    }
    let select = "SELECT id, terms, taken, deactivated, activated, allowances FROM license \
                  WHERE id = $1 AND ($2 IS NULL OR product_id = $2)";
    let row = query(select).bind(id.to_string()).bind(tx.product()).fetch_optional(tx).await?;
    found_license(tx, row.as_ref())
}

fn found_license(tx: &mut Tx, row: Option<&Row>) -> Result<Found> {
    let Some(row) = row else { return Ok(Found::License(None)) };
    let stored = license_in(row)?;
    Ok(Found::License(Some(Box::new(tx.know_license(stored)))))
}

/// A license, from the columns `terms`, `taken`, `deactivated`, `activated` and `allowances`.
pub(super) fn license_in(row: &Row) -> Result<LicenseRecord> {
    let usage = Usage::new(count(row, "taken")?, count(row, "deactivated")?, count(row, "activated")?);
    let mut license = LicenseRecord::new(terms(row)?, usage);
    let allowances: Option<String> = row.get("allowances")?;
    license.allowances = allowances.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default();
    Ok(license)
}

async fn set_allowances(tx: &mut Tx, id: LicenseId, allowances: Allowances) -> Result<()> {
    query("UPDATE license SET allowances = $1 WHERE id = $2")
        .bind(json(&allowances)?)
        .bind(id.to_string())
        .execute(tx)
        .await?;
    tx.know_allowances(id, allowances);
    Ok(())
}

async fn seats_of_handle(tx: &mut Tx, of: Handle) -> Result<Found> {
    let rows = query(
        "SELECT handle, license_id, record FROM seat \
         WHERE handle = $1 AND ($2 IS NULL OR product_id = $2) ORDER BY granted, device_key",
    )
    .bind(number(of))
    .bind(tx.product())
    .fetch_all(tx)
    .await?;
    found_seats(tx, &rows)
}

async fn taken_seats_of(tx: &mut Tx, device: &PublicKey) -> Result<Found> {
    let rows = query(
        "SELECT handle, license_id, record FROM seat WHERE device_key = $1 AND taken = 1 \
         AND ($3 IS NULL OR product_id = $3) ORDER BY granted DESC, handle LIMIT $2",
    )
    .bind(device.as_bytes().to_vec())
    .bind(i64::try_from(MAX_SEATS_OF_DEVICE).unwrap_or(i64::MAX))
    .bind(tx.product())
    .fetch_all(tx)
    .await?;
    found_seats(tx, &rows)
}

async fn seats_by_end(tx: &mut Tx, license: LicenseId, until: Timestamp, at_most: u32) -> Result<Found> {
    let rows = query(
        "SELECT handle, license_id, record FROM seat WHERE license_id = $1 AND taken = 1 AND lapsed = 0 \
         AND ends <= $2 ORDER BY ends LIMIT $3",
    )
    .bind(license.to_string())
    .bind(seconds(until))
    .bind(i64::from(at_most))
    .fetch_all(tx)
    .await?;
    found_seats(tx, &rows)
}

async fn seats_with_tag(tx: &mut Tx, license: LicenseId, tag: Tag) -> Result<Found> {
    let rows = query(
        "SELECT seat.handle, seat.license_id, seat.record FROM tag JOIN seat ON seat.handle = tag.handle AND seat.device_key = tag.device_key \
         WHERE tag.license_id = $1 AND tag.tag = $2 AND seat.taken = 1 AND seat.lapsed = 0 \
         ORDER BY seat.contact, seat.handle LIMIT $3",
    )
    .bind(license.to_string())
    .bind(tag_number(tag))
    .bind(i64::try_from(MAX_SEATS_OF_TAG).unwrap_or(i64::MAX))
    .fetch_all(tx)
    .await?;
    found_seats(tx, &rows)
}

async fn seat_of_machine(tx: &mut Tx, machine: [u8; 32]) -> Result<Found> {
    let rows = query("SELECT handle, license_id, record FROM seat WHERE installed = $1 AND taken = 1")
        .bind(machine.to_vec())
        .fetch_all(tx)
        .await?;
    found_seats(tx, &rows)
}

/// The tags of trials are those of one product, whatever license they are of.
pub(super) const TRIALS_WITH_TAG: &str = "SELECT seat.handle, seat.license_id, seat.record FROM trial_tag \
    JOIN seat ON seat.handle = trial_tag.handle AND seat.device_key = trial_tag.device_key \
    WHERE trial_tag.product_id = (SELECT product_id FROM license WHERE id = $1) AND trial_tag.tag = $2 \
    ORDER BY trial_tag.granted DESC, trial_tag.handle DESC, trial_tag.device_key DESC LIMIT $3";

async fn trials_with_tag(tx: &mut Tx, license: LicenseId, tag: Tag) -> Result<Found> {
    let rows = query(TRIALS_WITH_TAG)
        .bind(license.to_string())
        .bind(tag_number(tag))
        .bind(i64::try_from(MAX_SEATS_OF_TAG).unwrap_or(i64::MAX))
        .fetch_all(tx)
        .await?;
    found_seats(tx, &rows)
}

/// A tag as its column has it.
pub(crate) fn tag_number(tag: Tag) -> i64 {
    let [first, second, third] = tag.bytes();
    i64::from(u32::from_be_bytes([tag.component(), first, second, third]))
}

/// What a seat is found by: its hardware while it is taken, each once, though a request may say one address twice.
pub(super) fn tags_of(seat: &Seat) -> Vec<i64> {
    if !seat.state().is_taken() || seat.license_id().is_none() {
        return Vec::new();
    }
    hardware(seat)
}

/// What a trial is found by for ever: its hardware, whatever becomes of it.
pub(super) fn trial_tags_of(seat: &Seat) -> Vec<i64> {
    if seat.is_trial() { hardware(seat) } else { Vec::new() }
}

fn hardware(seat: &Seat) -> Vec<i64> {
    let tags: BTreeSet<i64> = seat.fingerprint().hardware().map(tag_number).collect();
    tags.into_iter().collect()
}

/// Makes a trial be found by its tags, and by those that it had before.
async fn insert_trial_tags(tx: &mut Tx, seat: &Seat) -> Result<()> {
    for tag in trial_tags_of(seat) {
        query(
            "INSERT INTO trial_tag (product_id, tag, granted, handle, device_key) \
             SELECT product_id, $1, granted, handle, device_key FROM seat WHERE handle = $2 AND device_key = $3 \
             ON CONFLICT (product_id, tag, granted, handle, device_key) DO NOTHING",
        )
        .bind(tag)
        .bind(number(seat.handle()))
        .bind(device(seat.name()))
        .execute(tx)
        .await?;
    }
    Ok(())
}

/// Makes a seat be found by its tags, and by no others.
async fn set_tags(tx: &mut Tx, seat: &Seat) -> Result<()> {
    query("DELETE FROM tag WHERE handle = $1 AND device_key = $2")
        .bind(number(seat.handle()))
        .bind(device(seat.name()))
        .execute(tx)
        .await?;
    insert_tags(tx, seat).await
}

async fn insert_tags(tx: &mut Tx, seat: &Seat) -> Result<()> {
    let Some(license) = seat.license_id() else { return Ok(()) };
    for tag in tags_of(seat) {
        query("INSERT INTO tag (license_id, tag, handle, device_key) VALUES ($1, $2, $3, $4)")
            .bind(license.to_string())
            .bind(tag)
            .bind(number(seat.handle()))
            .bind(device(seat.name()))
            .execute(tx)
            .await?;
    }
    Ok(())
}

/// How many seats of a license are taken, and not marked as lapsed, whose use ended then or before.
pub(crate) async fn count_ended(tx: &mut Tx, license: LicenseId, until: Timestamp) -> Result<u32> {
    let row = query(
        "SELECT COUNT(*) AS ended FROM seat WHERE license_id = $1 AND taken = 1 \
         AND lapsed = 0 AND ends <= $2",
    )
    .bind(license.to_string())
    .bind(seconds(until))
    .fetch_one(tx)
    .await?;
    count(&row, "ended")
}

fn found_seats(tx: &mut Tx, rows: &[Row]) -> Result<Found> {
    let seats: Vec<Seat> = rows.iter().map(seat).collect::<Result<_>>()?;
    seats.iter().for_each(|seat| tx.know_seat(seat));
    Ok(Found::Seats(seats))
}

async fn check_in(tx: &mut Tx, name: SeatName, digest: [u8; 32]) -> Result<Found> {
    let row = query("SELECT revision FROM check_in WHERE handle = $1 AND device_key = $2 AND digest = $3")
        .bind(number(name.handle))
        .bind(device(name))
        .bind(digest.to_vec())
        .fetch_optional(tx)
        .await?;
    Ok(Found::CheckIn(row.map(|row| count(&row, "revision")).transpose()?))
}

async fn attempts(tx: &mut Tx, name: SeatName) -> Result<Found> {
    let row = query("SELECT record FROM attempt WHERE handle = $1 AND device_key = $2")
        .bind(number(name.handle))
        .bind(device(name))
        .fetch_optional(tx)
        .await?;
    Ok(Found::Attempts(row.map(|row| record(&row, "record")).transpose()?.unwrap_or_default()))
}

async fn count_of(tx: &mut Tx, id: LicenseId, counted: Counting) -> Result<Found> {
    let row = query("SELECT record FROM license_count WHERE license_id = $1 AND counted = $2")
        .bind(id.to_string())
        .bind(counted.name())
        .fetch_optional(tx)
        .await?;
    Ok(Found::Count(row.map(|row| record(&row, "record")).transpose()?.unwrap_or_default()))
}

async fn set_count(tx: &mut Tx, id: LicenseId, counted: Counting, count: &Count) -> Result<()> {
    query(
        "INSERT INTO license_count (license_id, counted, record) VALUES ($1, $2, $3) \
         ON CONFLICT (license_id, counted) DO UPDATE SET record = excluded.record",
    )
    .bind(id.to_string())
    .bind(counted.name())
    .bind(json(count)?)
    .execute(tx)
    .await?;
    Ok(())
}

async fn insert(tx: &mut Tx, seat: &Seat, request: Option<&ActivationRequest>) -> Result<()> {
    let inserted = query(
        "INSERT INTO seat (handle, device_key, license_id, state, taken, lapsed, counted, granted, changed, issued, \
         contact, ends, reason, revision, copies, virtual_machine, container, label, machine, record, installed, \
         product_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
         COALESCE($22, (SELECT product_id FROM license WHERE id = $3))) \
         ON CONFLICT (handle, device_key) DO NOTHING",
    )
    .bind(number(seat.handle()))
    .bind(device(seat.name()))
    .bind(seat.license_id().map(|id| id.to_string()))
    .bind(seat.state().name())
    .bind(i64::from(seat.state().is_taken()))
    .bind(i64::from(seat.is_lapsed()))
    .bind(i64::from(seat.is_counted()))
    .bind(seconds(seat.granted()))
    .bind(seconds(seat.changed()))
    .bind(seconds(seat.issued()))
    .bind(seconds(seat.contact()))
    .bind(seconds(seat.ends().unwrap_or(Timestamp::MAX)))
    .bind(seat.reason().to_string())
    .bind(i64::from(seat.revision()))
    .bind(i64::from(seat.copies()))
    .bind(i64::from(seat.fingerprint().virtual_machine()))
    .bind(i64::from(seat.fingerprint().container()))
    .bind(seat.label())
    .bind(json(&request.map(DeviceDescription::from).unwrap_or_default())?)
    .bind(json(seat)?)
    .bind(seat.machine().to_vec())
    .bind(tx.product())
    .execute(tx)
    .await?;
    if inserted == 0 {
        return Err(of_another_product(tx, seat.name()).await?);
    }
    tx.counters.count(None, seat.into());
    tx.know_seat(seat);
    insert_trial_tags(tx, seat).await?;
    approvals::forget_approval_of(tx, seat).await?;
    insert_tags(tx, seat).await
}

/// Brings up to date what a device says of its machine. What cannot be read stays as it is: no rule reads it, so the
/// check-in is answered all the same, and a verification names it.
async fn describe(tx: &mut Tx, name: SeatName, description: &Metadata) -> Result<()> {
    let select = query("SELECT machine FROM seat WHERE handle = $1 AND device_key = $2");
    let row = select.bind(number(name.handle)).bind(device(name)).fetch_optional(tx).await?;
    let Some(Ok(known)) = row.map(|row| record::<DeviceDescription>(&row, "machine")) else { return Ok(()) };
    if known.description == *description {
        return Ok(());
    }
    query("UPDATE seat SET machine = $1 WHERE handle = $2 AND device_key = $3")
        .bind(json(&DeviceDescription { description: description.clone(), ..known })?)
        .bind(number(name.handle))
        .bind(device(name))
        .execute(tx)
        .await?;
    Ok(())
}

/// Why a seat cannot be entered that is there: nothing of another product is seen, and whoever makes devices by rules
/// of their own may use one key and one handle for two.
async fn of_another_product(tx: &mut Tx, name: SeatName) -> Result<Failure> {
    let row = query("SELECT product_id FROM seat WHERE handle = $1 AND device_key = $2");
    let row = row.bind(number(name.handle)).bind(device(name)).fetch_optional(tx).await?;
    let product: Option<String> = match &row {
        Some(row) => row.get("product_id")?,
        None => None,
    };
    Ok(match product {
        Some(product) if tx.product() != Some(&*product) => Failure::rule(
            ErrorKind::WrongProduct,
            format!("seat {} of this device is one of product {product}", name.handle),
        ),
        _ => damaged("a seat that was not found and is there"),
    })
}

/// The products that have a seat of one of these handles.
pub(crate) async fn products_of_handle(tx: &mut Tx, handle: Handle) -> Result<Vec<ProductId>> {
    let rows = query("SELECT DISTINCT product_id FROM seat WHERE handle = $1 ORDER BY product_id");
    let rows = rows.bind(number(handle)).fetch_all(tx).await?;
    rows.iter().map(product_id).collect()
}

/// The product of a seat; none if there is no such seat.
pub(crate) async fn product_of_seat(tx: &mut Tx, name: SeatName) -> Result<Option<ProductId>> {
    let row = query("SELECT product_id FROM seat WHERE handle = $1 AND device_key = $2");
    let row = row.bind(number(name.handle)).bind(device(name)).fetch_optional(tx).await?;
    row.as_ref().map(product_id).transpose()
}

/// The product of a license; none if there is no such license.
pub(crate) async fn product_of_license(tx: &mut Tx, id: LicenseId) -> Result<Option<ProductId>> {
    let row = query("SELECT product_id FROM license WHERE id = $1").bind(id.to_string());
    row.fetch_optional(tx).await?.as_ref().map(product_id).transpose()
}

fn product_id(row: &Row) -> Result<ProductId> {
    row.get::<&str>("product_id")?.parse().map_err(|_| damaged("the product of a seat or a license"))
}

/// The license and the grant of a seat never change. What was counted before must still be so.
async fn update(tx: &mut Tx, seat: &Seat) -> Result<()> {
    let known = tx.known_seat(seat.name()).cloned();
    let has_its_tags = known.as_ref().is_some_and(|known| known.tags == tags_of(seat));
    let has_its_trial = known.as_ref().is_some_and(|known| known.trial_tags == trial_tags_of(seat));
    let before = match known {
        Some(known) => known.counted,
        None => counted_before(tx, seat.name()).await?,
    };
    let updated = query(
        "UPDATE seat SET state = $1, taken = $2, lapsed = $3, counted = $4, changed = $5, issued = $6, \
         contact = $7, ends = $8, reason = $9, revision = $10, copies = $11, virtual_machine = $12, container = $13, \
         label = $14, record = $15, installed = $16, came_back = $17, came_back_at = $18 \
         WHERE handle = $19 AND device_key = $20 AND state = $21 AND counted = $22 AND lapsed = $23",
    )
    .bind(seat.state().name())
    .bind(i64::from(seat.state().is_taken()))
    .bind(i64::from(seat.is_lapsed()))
    .bind(i64::from(seat.is_counted()))
    .bind(seconds(seat.changed()))
    .bind(seconds(seat.issued()))
    .bind(seconds(seat.contact()))
    .bind(seconds(seat.ends().unwrap_or(Timestamp::MAX)))
    .bind(seat.reason().to_string())
    .bind(i64::from(seat.revision()))
    .bind(i64::from(seat.copies()))
    .bind(i64::from(seat.fingerprint().virtual_machine()))
    .bind(i64::from(seat.fingerprint().container()))
    .bind(seat.label())
    .bind(json(seat)?)
    .bind(seat.machine().to_vec())
    .bind(i64::from(seat.came_back()))
    .bind(seat.came_back_at().map(seconds))
    .bind(number(seat.handle()))
    .bind(device(seat.name()))
    .bind(before.state.name())
    .bind(i64::from(before.counted))
    .bind(i64::from(before.lapsed))
    .execute(tx)
    .await?;
    if updated != 1 {
        return Err(damaged("a seat is not as it was found"));
    }
    tx.counters.count(Some(before), seat.into());
    tx.know_seat(seat);
    if !has_its_trial {
        insert_trial_tags(tx, seat).await?;
    }
    if has_its_tags { Ok(()) } else { set_tags(tx, seat).await }
}

/// How a seat that this transaction has not read is counted.
async fn counted_before(tx: &mut Tx, name: SeatName) -> Result<Counted> {
    let row =
        query("SELECT license_id, state, lapsed, counted FROM seat WHERE handle = $1 AND device_key = $2")
            .bind(number(name.handle))
            .bind(device(name))
            .fetch_optional(tx)
            .await?;
    let row = row.ok_or_else(|| damaged("a seat that was found and is gone"))?;
    let [lapsed, counted] = [count(&row, "lapsed")?, count(&row, "counted")?].map(|flag| flag != 0);
    // What it was granted for does not change, so nobody asks.
    Ok(Counted { license: license_id(&row)?, state: state(&row)?, lapsed, counted, activation: false })
}

async fn remember_check_in(
    tx: &mut Tx,
    name: SeatName,
    digest: [u8; 32],
    revision: u32,
    forget_below: u32,
) -> Result<()> {
    query("INSERT INTO check_in (handle, device_key, digest, revision) VALUES ($1, $2, $3, $4)")
        .bind(number(name.handle))
        .bind(device(name))
        .bind(digest.to_vec())
        .bind(i64::from(revision))
        .execute(tx)
        .await?;
    if forget_below > 0 {
        query("DELETE FROM check_in WHERE handle = $1 AND device_key = $2 AND revision < $3")
            .bind(number(name.handle))
            .bind(device(name))
            .bind(i64::from(forget_below))
            .execute(tx)
            .await?;
    }
    Ok(())
}

/// Attempts of any seat that no longer count go.
async fn set_attempts(tx: &mut Tx, name: SeatName, attempts: Attempts, occasion: &Occasion) -> Result<()> {
    let ended = query(unlocked!(
        tx,
        "DELETE FROM attempt WHERE (handle, device_key) IN \
        (SELECT handle, device_key FROM attempt WHERE ends <= $1",
        ")"
    ));
    ended.bind(seconds(occasion.time)).execute(tx).await?;
    query(
        "INSERT INTO attempt (handle, device_key, record, ends) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (handle, device_key) DO UPDATE SET record = excluded.record, ends = excluded.ends",
    )
    .bind(number(name.handle))
    .bind(device(name))
    .bind(json(&attempts)?)
    .bind(seconds(attempts.end()))
    .execute(tx)
    .await?;
    Ok(())
}
