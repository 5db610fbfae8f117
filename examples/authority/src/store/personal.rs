//! What is personal, where it goes: by its age, and when a person asks for that.

use nodelock::{
    LicenseId, Timestamp,
    authority::{LicenseTerms, Seat, SeatName},
};

use super::{
    Tx,
    ledger::tag_number,
    row::{device, json, number, record, seat, seconds},
    sql::{Row, query},
    unlocked,
};
use crate::{
    domain::{Customer, CustomerId, DeviceDescription, Occasion, Retention, Said},
    failure::{Failure, Result},
};

/// For how long what is personal is kept.
pub(crate) async fn retention(tx: &mut Tx) -> Result<Retention> {
    let row = query("SELECT retention FROM vendor").fetch_optional(tx).await?;
    let row = row.ok_or(Failure::NotInitialized)?;
    record(&row, "retention").map_err(|failure: Failure| failure.in_record("the retention".to_owned()))
}

pub(crate) async fn set_retention(tx: &mut Tx, retention: &Retention) -> Result<()> {
    query("UPDATE vendor SET retention = $1").bind(json(retention)?).execute(tx).await?;
    Ok(())
}

/// When what was too old went last.
pub(crate) async fn pruned(tx: &mut Tx) -> Result<Option<Timestamp>> {
    let row = query("SELECT pruned FROM vendor").fetch_optional(tx).await?;
    let pruned: Option<i64> = row.map(|row| row.get("pruned")).transpose()?.flatten();
    Ok(pruned.and_then(|seconds| u64::try_from(seconds).ok()).map(Timestamp::from_unix_seconds))
}

pub(crate) async fn set_pruned(tx: &mut Tx, occasion: &Occasion) -> Result<()> {
    query("UPDATE vendor SET pruned = $1").bind(seconds(occasion.time)).execute(tx).await?;
    Ok(())
}

/// Empties what the next lines of the audit say of persons, at most so many and of before a time: addresses, and names.
/// What stands for them in the chain stays. Returns how many lines it looked at, and how many it emptied.
pub(crate) async fn forget_persons(tx: &mut Tx, before: Timestamp, most: u32) -> Result<(u64, u64)> {
    let row = query("SELECT forgotten FROM vendor").fetch_optional(tx).await?;
    let last: String = row.ok_or(Failure::NotInitialized)?.get("forgotten")?;
    // Ids begin with the time.
    let end = format!("{:032x}", u128::from(before.unix_seconds()) * 1_000_000_000);
    let rows = query("SELECT id FROM audit WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3");
    let rows = rows.bind(&last).bind(end).bind(i64::from(most)).fetch_all(tx).await?;
    let Some(latest) = rows.last() else { return Ok((0, 0)) };
    let latest: String = latest.get("id")?;
    let emptied = query(
        "UPDATE audit SET peer = NULL, personal = NULL, salt = NULL WHERE id > $1 AND id <= $2 AND salt IS NOT NULL",
    );
    let emptied = emptied.bind(last).bind(&latest).execute(tx).await?;
    query("UPDATE vendor SET forgotten = $1").bind(latest).execute(tx).await?;
    Ok((u64::try_from(rows.len()).unwrap_or(u64::MAX), emptied))
}

/// Empties what the audit says of persons about the licenses of a customer, in so many lines after one. Returns the last
/// of them; none after the end.
pub(crate) async fn forget_persons_of(
    tx: &mut Tx,
    customer: CustomerId,
    after: &str,
    most: u32,
) -> Result<Option<String>> {
    let rows = query("SELECT id FROM audit WHERE id > $1 ORDER BY id LIMIT $2");
    let rows = rows.bind(after).bind(i64::from(most)).fetch_all(tx).await?;
    let Some(last) = rows.last() else { return Ok(None) };
    let last: String = last.get("id")?;
    query(
        "UPDATE audit SET peer = NULL, personal = NULL, salt = NULL WHERE id > $1 AND id <= $2 AND salt IS NOT NULL \
         AND license_id IN (SELECT id FROM license WHERE customer_id = $3)",
    )
    .bind(after)
    .bind(&last)
    .bind(customer.to_string())
    .execute(tx)
    .await?;
    Ok(Some(last))
}

/// Forgets attempts that no longer count. Returns how many that were, as the others here do.
pub(crate) async fn forget_attempts(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    let ended = query(unlocked!(
        tx,
        "DELETE FROM attempt WHERE (handle, device_key) IN \
        (SELECT handle, device_key FROM attempt WHERE ends <= $1",
        ")"
    ));
    Ok(ended.bind(seconds(now)).execute(tx).await?)
}

/// Forgets the check-ins of at most so many seats that ended before a time.
pub(crate) async fn forget_check_ins(tx: &mut Tx, before: Timestamp, most: u32) -> Result<u64> {
    let old = query(unlocked!(
        tx,
        "DELETE FROM check_in WHERE (handle, device_key, digest) IN \
        (SELECT check_in.handle, check_in.device_key, check_in.digest FROM check_in JOIN seat \
        ON seat.handle = check_in.handle AND seat.device_key = check_in.device_key \
        WHERE seat.taken = 0 AND seat.changed < $1 LIMIT $2",
        ")"
    ));
    Ok(old.bind(seconds(before)).bind(i64::from(most)).execute(tx).await?)
}

/// Seats that are not taken and still say something of their computers: at most so many, after one.
pub(crate) async fn described_seats(tx: &mut Tx, after: Option<&Seat>, most: u32) -> Result<Vec<Seat>> {
    let after = after.map_or((i64::MIN, 0, Vec::new()), |seat| {
        (seconds(seat.changed()), number(seat.handle()), device(seat.name()))
    });
    let rows = query(
        "SELECT handle, license_id, record FROM seat WHERE taken = 0 AND described = 1 \
         AND (changed, handle, device_key) > ($1, $2, $3) ORDER BY changed, handle, device_key LIMIT $4",
    );
    let rows = rows.bind(after.0).bind(after.1).bind(after.2).bind(i64::from(most));
    rows.fetch_all(tx).await?.iter().map(seat).collect()
}

/// The seats of a license: at most so many, after one.
pub(crate) async fn seats_of_license(
    tx: &mut Tx,
    license: LicenseId,
    after: Option<&Seat>,
    most: u32,
) -> Result<Vec<Seat>> {
    let after = after.map_or((i64::MIN, 0, Vec::new()), |seat| {
        (seconds(seat.granted()), number(seat.handle()), device(seat.name()))
    });
    let rows = query(
        "SELECT handle, license_id, record FROM seat WHERE license_id = $1 \
         AND (granted, handle, device_key) > ($2, $3, $4) ORDER BY granted, handle, device_key LIMIT $5",
    );
    let rows = rows.bind(license.to_string()).bind(after.0).bind(after.1).bind(after.2).bind(i64::from(most));
    rows.fetch_all(tx).await?.iter().map(seat).collect()
}

/// Whether a seat that is taken, of the same license or of another one of the same customer, is on the computer of this
/// seat.
pub(crate) async fn is_computer_in_use(tx: &mut Tx, seat: &Seat) -> Result<bool> {
    let Some(license) = seat.license_id() else { return Ok(false) };
    for tag in seat.fingerprint().hardware() {
        let found = query(
            "SELECT 1 AS found FROM tag WHERE license_id = $1 AND tag = $2 UNION ALL \
             SELECT 1 FROM license AS own JOIN license AS other ON other.customer_id = own.customer_id \
             JOIN tag ON tag.license_id = other.id AND tag.tag = $2 WHERE own.id = $1 LIMIT 1",
        );
        let found = found.bind(license.to_string()).bind(tag_number(tag));
        if found.fetch_optional(tx).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Stores a seat that says nothing of its computer any more. `is_whole` is whether its hardware went, too.
pub(crate) async fn set_undescribed(tx: &mut Tx, seat: &Seat, is_whole: bool) -> Result<()> {
    query(
        "UPDATE seat SET label = $1, machine = $2, record = $3, virtual_machine = $4, container = $5, described = $6 \
         WHERE handle = $7 AND device_key = $8",
    )
    .bind(seat.label())
    .bind(json(&DeviceDescription::default())?)
    .bind(json(seat)?)
    .bind(i64::from(seat.fingerprint().virtual_machine()))
    .bind(i64::from(seat.fingerprint().container()))
    .bind(i64::from(!is_whole))
    .bind(number(seat.handle()))
    .bind(device(seat.name()))
    .execute(tx)
    .await?;
    forget_peer_of(tx, seat.name()).await
}

/// From where a seat was cancelled is nobody's any more.
async fn forget_peer_of(tx: &mut Tx, seat: SeatName) -> Result<()> {
    query("UPDATE cancelled SET peer = '' WHERE handle = $1 AND device_key = $2")
        .bind(number(seat.handle))
        .bind(device(seat))
        .execute(tx)
        .await?;
    Ok(())
}

/// Empties what is noted of a customer, but for the id. Returns whether anything was there.
pub(crate) async fn erase_customer(tx: &mut Tx, customer: &Customer, occasion: &Occasion) -> Result<()> {
    query(
        "UPDATE customer SET name = '', email = '', external_id = '', notes = '', erased = $1, revision = $2 \
         WHERE id = $3",
    )
    .bind(seconds(occasion.time))
    .bind(i64::from(customer.revision))
    .bind(customer.id.to_string())
    .execute(tx)
    .await?;
    Ok(())
}

/// The licenses of a customer: at most so many, after one.
pub(crate) async fn licenses_of_customer(
    tx: &mut Tx,
    customer: CustomerId,
    after: Option<(i64, LicenseId)>,
    most: u32,
) -> Result<Vec<(i64, LicenseId)>> {
    let (created, id) = after.map_or((i64::MIN, String::new()), |(created, id)| (created, id.to_string()));
    let rows = query(
        "SELECT created, id FROM license WHERE customer_id = $1 AND (created, id) > ($2, $3) \
         ORDER BY created, id LIMIT $4",
    );
    let rows =
        rows.bind(customer.to_string()).bind(created).bind(id).bind(i64::from(most)).fetch_all(tx).await?;
    rows.iter().map(|row| Ok((row.get("created")?, row.get::<String>("id")?.parse()?))).collect()
}

/// Takes the name of who licensed it out of all that a license ever said, and out of its order. Nobody else changes
/// the license meanwhile: see [`terms_of`](super::terms_of).
pub(crate) async fn erase_licensee(tx: &mut Tx, license: LicenseId) -> Result<()> {
    let id = license.to_string();
    let nameless = |row: &Row| -> Result<(i64, String)> {
        let mut terms: LicenseTerms = record(row, "record")?;
        terms.licensee = String::new();
        Ok((row.get("version")?, json(&terms)?))
    };
    let rows = query("SELECT version, record FROM terms WHERE license_id = $1 ORDER BY version");
    let rows = rows.bind(&id).fetch_all(tx).await?;
    let versions: Vec<_> = rows.iter().map(nameless).collect::<Result<_>>()?;
    for (version, record) in &versions {
        query("UPDATE terms SET record = $1 WHERE license_id = $2 AND version = $3")
            .bind(record)
            .bind(&id)
            .bind(*version)
            .execute(tx)
            .await?;
    }
    // The latest version is what the license says.
    if let Some((_, latest)) = versions.last() {
        query("UPDATE license SET terms = $1, licensee = '' WHERE id = $2")
            .bind(latest)
            .bind(&id)
            .execute(tx)
            .await?;
    }
    let orders = query(
        "SELECT sale.order_id, sale.said FROM sale_license JOIN sale ON sale.order_id = sale_license.order_id \
         WHERE sale_license.license_id = $1",
    );
    for row in orders.bind(&id).fetch_all(tx).await? {
        let mut said: Said = record(&row, "said")?;
        said.say("licensee", "".into());
        let order: String = row.get("order_id")?;
        query("UPDATE sale SET said = $1 WHERE order_id = $2")
            .bind(json(&said)?)
            .bind(order)
            .execute(tx)
            .await?;
    }
    Ok(())
}
