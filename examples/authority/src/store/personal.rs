//! What is personal, where it goes: by its age, and when a person asks for that.

use std::ops::Range;

use nodelock::{
    LicenseId, Metadata, Timestamp,
    authority::{LicenseTerms, Seat, SeatName, decision::EventKind},
};
use tracing::warn;

use super::{
    Tx,
    audit::first_line_at,
    ledger::tag_number,
    row::{device, json, number, record, seat, seconds},
    sql::{Row, query},
    unlocked,
};
use crate::{
    domain::{Customer, CustomerId, DeviceDescription, Occasion, Retention, Said, noted_after},
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
    let rows = query("SELECT id FROM audit WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3");
    let rows = rows.bind(&last).bind(first_line_at(before)).bind(i64::from(most)).fetch_all(tx).await?;
    let Some(latest) = rows.last() else { return Ok((0, 0)) };
    let latest: String = latest.get("id")?;
    let emptied = query(
        "UPDATE audit SET peer = NULL, personal = NULL, salt = NULL WHERE id > $1 AND id <= $2 AND salt IS NOT NULL",
    );
    let emptied = emptied.bind(last).bind(&latest).execute(tx).await?;
    query("UPDATE vendor SET forgotten = $1").bind(latest).execute(tx).await?;
    Ok((u64::try_from(rows.len()).unwrap_or(u64::MAX), emptied))
}

/// Empties what the audit says of persons about a license, in so many of its lines after one. Returns the last of them;
/// none after the end.
pub(crate) async fn forget_persons_of(
    tx: &mut Tx,
    license: LicenseId,
    after: &str,
    most: u32,
) -> Result<Option<String>> {
    let license = license.to_string();
    let rows = query("SELECT id FROM audit WHERE license_id = $1 AND id > $2 ORDER BY id LIMIT $3");
    let rows = rows.bind(&license).bind(after).bind(i64::from(most)).fetch_all(tx).await?;
    let Some(last) = rows.last() else { return Ok(None) };
    let last: String = last.get("id")?;
    query(
        "UPDATE audit SET peer = NULL, personal = NULL, salt = NULL \
         WHERE license_id = $1 AND id > $2 AND id <= $3 AND salt IS NOT NULL",
    )
    .bind(license)
    .bind(after)
    .bind(&last)
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

/// Where a seat is among those that changed: when, its handle, and the key of its device.
pub(crate) type SeatPlace = (i64, i64, Vec<u8>);

/// From where on check-ins of seats that are over are looked at: what ended before was looked at already.
pub(crate) async fn check_ins_until(tx: &mut Tx) -> Result<Option<SeatPlace>> {
    let row = query("SELECT check_ins_until FROM vendor").fetch_optional(tx).await?;
    let until: Option<i64> = row.ok_or(Failure::NotInitialized)?.get("check_ins_until")?;
    Ok(until.map(|changed| (changed, i64::MIN, Vec::new())))
}

pub(crate) async fn set_check_ins_until(tx: &mut Tx, (changed, ..): &SeatPlace) -> Result<()> {
    query("UPDATE vendor SET check_ins_until = $1").bind(*changed).execute(tx).await?;
    Ok(())
}

/// Looks at seats that ended before a time: at most so many, after one. Returns where the last of them is, and whether
/// one of them has check-ins that may go; none after the end.
pub(crate) async fn over_before(
    tx: &mut Tx,
    after: Option<&SeatPlace>,
    before: Timestamp,
    most: u32,
) -> Result<Option<(SeatPlace, bool)>> {
    let (changed, handle, device_key) = after.cloned().unwrap_or((i64::MIN, 0, Vec::new()));
    let rows = query(
        "SELECT changed, handle, device_key, CASE WHEN state <> 'replaced' AND EXISTS \
         (SELECT 1 FROM check_in WHERE check_in.handle = seat.handle AND check_in.device_key = seat.device_key) \
         THEN 1 ELSE 0 END AS has FROM seat \
         WHERE taken = 0 AND changed < $1 AND (changed, handle, device_key) > ($2, $3, $4) \
         ORDER BY changed, handle, device_key LIMIT $5",
    );
    let rows = rows.bind(seconds(before)).bind(changed).bind(handle).bind(device_key).bind(i64::from(most));
    let rows = rows.fetch_all(tx).await?;
    let Some(last) = rows.last() else { return Ok(None) };
    let has = |row: &Row| row.get::<i64>("has").map(|has| has == 1);
    let has_any = rows.iter().map(has).collect::<Result<Vec<_>, _>>()?.contains(&true);
    Ok(Some(((last.get("changed")?, last.get("handle")?, last.get("device_key")?), has_any)))
}

/// Forgets at most so many check-ins of seats that ended after one and no later than another. Those of a seat that
/// another one took the place of stay: an echo of it is told by them.
pub(crate) async fn forget_check_ins(
    tx: &mut Tx,
    after: Option<&SeatPlace>,
    until: &SeatPlace,
    most: u32,
) -> Result<u64> {
    let after = after.cloned().unwrap_or((i64::MIN, 0, Vec::new()));
    let until = until.clone();
    let old = query(unlocked!(
        tx,
        "DELETE FROM check_in WHERE (handle, device_key, digest) IN \
        (SELECT check_in.handle, check_in.device_key, check_in.digest FROM seat JOIN check_in \
        ON check_in.handle = seat.handle AND check_in.device_key = seat.device_key \
        WHERE seat.taken = 0 AND seat.state <> 'replaced' \
        AND (seat.changed, seat.handle, seat.device_key) > ($1, $2, $3) \
        AND (seat.changed, seat.handle, seat.device_key) <= ($4, $5, $6) LIMIT $7",
        ")"
    ));
    let old = old.bind(after.0).bind(after.1).bind(after.2).bind(until.0).bind(until.1).bind(until.2);
    Ok(old.bind(i64::from(most)).execute(tx).await?)
}

/// Seats that are not taken and still say something of their computers: at most so many, after one. Returns where the
/// last of them is, too; none after the end. One whose record is damaged is left out.
pub(crate) async fn described_seats(
    tx: &mut Tx,
    after: Option<&SeatPlace>,
    most: u32,
) -> Result<(Vec<Seat>, Option<SeatPlace>)> {
    let (changed, handle, device_key) = after.cloned().unwrap_or((i64::MIN, 0, Vec::new()));
    let rows = query(
        "SELECT handle, device_key, changed, license_id, record FROM seat WHERE taken = 0 AND described = 1 \
         AND (changed, handle, device_key) > ($1, $2, $3) ORDER BY changed, handle, device_key LIMIT $4",
    );
    let rows = rows.bind(changed).bind(handle).bind(device_key).bind(i64::from(most)).fetch_all(tx).await?;
    let place = |row: &Row| -> Result<SeatPlace> {
        Ok((row.get("changed")?, row.get("handle")?, row.get("device_key")?))
    };
    let mut seats = Vec::new();
    for row in &rows {
        match seat(row) {
            Err(failure @ Failure::Damaged { .. }) => {
                warn!(event = "damaged-record", error = failure.message());
            }
            seat => seats.push(seat?),
        }
    }
    Ok((seats, rows.last().map(place).transpose()?))
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
        "UPDATE customer SET name = '', email = '', external_id = '', notes = '', language = '', erased = $1, \
         revision = $2 WHERE id = $3",
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

/// The licenses that a customer had once and has no more. It looks at those that were ever given away.
pub(crate) async fn licenses_once_of(tx: &mut Tx, customer: CustomerId) -> Result<Vec<LicenseId>> {
    let rows = query(
        "SELECT id FROM license WHERE (customer_id IS NULL OR customer_id <> $1) AND id IN \
         (SELECT line.license_id FROM audit AS given JOIN audit AS line ON line.license_id = given.license_id \
         WHERE given.action = 'license-given' AND (line.action = 'license-given' \
         AND (line.detail = $1 OR line.detail LIKE $2) \
         OR line.action = 'license-created' AND line.detail LIKE $3) \
         UNION SELECT sale_license.license_id FROM sale JOIN sale_license \
         ON sale.order_id = sale_license.order_id AND sale.product_id = sale_license.product_id \
         AND sale.seller = sale_license.seller WHERE sale.customer_id = $1) ORDER BY id",
    );
    let rows = rows
        .bind(customer.to_string())
        .bind(format!("% -> {customer}"))
        .bind(format!("% seats, customer {customer}%"));
    rows.fetch_all(tx).await?.iter().map(|row| Ok(row.get::<String>("id")?.parse()?)).collect()
}

/// From when to when a customer had a license: the lines of the audit, and their times. The last has no end while the
/// customer has it.
pub(crate) struct Had {
    first: String,
    began: i64,
    end: Option<(String, i64)>,
}

/// The times in which a customer had a license.
pub(crate) async fn times_of(tx: &mut Tx, license: LicenseId, customer: CustomerId) -> Result<Vec<Had>> {
    let lines = query(
        "SELECT id, at, action, detail FROM audit WHERE license_id = $1 \
         AND action IN ('license-created', 'license-given') ORDER BY id",
    );
    let (id, mut times) = (customer.to_string(), Vec::<Had>::new());
    for line in lines.bind(license.to_string()).fetch_all(tx).await? {
        let (place, at): (String, i64) = (line.get("id")?, line.get("at")?);
        let (action, detail): (String, String) = (line.get("action")?, line.get("detail")?);
        // The order comes last, because its id may be anything.
        let sold = detail.split(", order ").next().unwrap_or_default();
        let holder = match &*action {
            "license-given" => Some(noted_after(&detail)),
            _ => sold.split(", ").find_map(|part| part.strip_prefix("customer ")),
        };
        match times.last_mut().filter(|had| had.end.is_none()) {
            Some(had) if holder != Some(&id) => had.end = Some((place, at)),
            None if holder == Some(&id) => times.push(Had { first: place, began: at, end: None }),
            _ => {}
        }
    }
    Ok(times)
}

/// Takes a customer who had a license once out of what it said then and out of the audit's lines of that time. Where it
/// says the same name still, that goes, too. A name that it had before the customer is somebody else's. Nobody else
/// changes the license meanwhile: see [`terms_of`](super::terms_of).
pub(crate) async fn erase_times_of(
    tx: &mut Tx,
    license: LicenseId,
    (customer, times): (CustomerId, Vec<Had>),
) -> Result<()> {
    let id = license.to_string();
    let rows = query("SELECT version, at, record FROM terms WHERE license_id = $1 ORDER BY version");
    let rows = rows.bind(&id).fetch_all(tx).await?;
    let version = |row: &Row| -> Result<(i64, i64, LicenseTerms)> {
        Ok((row.get("version")?, row.get("at")?, record(row, "record")?))
    };
    let versions: Vec<_> = rows.iter().map(version).collect::<Result<_>>()?;
    let (mut names, mut notes) = (Vec::new(), Vec::new());
    for had in times {
        let before = versions.iter().rfind(|(_, at, _)| *at < had.began);
        let end = had.end.as_ref().map_or(i64::MAX, |(_, at)| *at);
        let of_then = versions.iter().filter(|(_, at, _)| (had.began..end).contains(at));
        let is_own = |name: &String| before.is_none_or(|(_, _, terms)| terms.licensee != *name);
        let is_own_note = |note: &Metadata| before.is_none_or(|(_, _, terms)| terms.metadata != *note);
        for (_, _, terms) in of_then {
            names.extend(Some(terms.licensee.clone()).filter(|name| !name.is_empty() && is_own(name)));
            notes.extend(Some(terms.metadata.clone()).filter(|note| !note.is_empty() && is_own_note(note)));
        }
        // No id comes behind that letter.
        let end = had.end.map_or_else(|| "g".to_owned(), |(line, _)| line);
        erase_notices(tx, &id, &had.first..&end).await?;
        query(
            "UPDATE audit SET peer = NULL, personal = NULL, salt = NULL WHERE license_id = $1 AND salt IS NOT NULL \
             AND id >= $2 AND id < $3",
        )
        .bind(&id)
        .bind(had.first)
        .bind(end)
        .execute(tx)
        .await?;
    }
    let erase = |terms: &mut LicenseTerms| {
        if names.contains(&terms.licensee) {
            terms.licensee.clear();
        }
        if notes.contains(&terms.metadata) {
            terms.metadata.clear();
        }
    };
    erase_names(tx, license, erase).await?;
    erase_said(tx, license, Some(customer)).await
}

/// Empties why seats of a license were released, of those that were released last between two lines of the audit.
async fn erase_notices(tx: &mut Tx, license: &str, lines: Range<&String>) -> Result<()> {
    let rows = query(
        "SELECT handle, device_key, MAX(id) AS last FROM audit WHERE license_id = $1 AND action = $2 \
         GROUP BY handle, device_key",
    );
    let rows = rows.bind(license).bind(EventKind::Released.name()).fetch_all(tx).await?;
    for row in rows {
        if !lines.contains(&&row.get::<String>("last")?) {
            continue;
        }
        let name: (i64, Vec<u8>) = (row.get("handle")?, row.get("device_key")?);
        let found =
            query("SELECT handle, license_id, record FROM seat WHERE handle = $1 AND device_key = $2");
        let found = found.bind(name.0).bind(name.1.as_slice()).fetch_optional(tx).await?;
        let Some(noticed) = found.as_ref().map(seat).transpose()?.filter(|seat| seat.notice().is_some())
        else {
            continue;
        };
        query("UPDATE seat SET record = $1 WHERE handle = $2 AND device_key = $3")
            .bind(json(&noticed.without_notice())?)
            .bind(name.0)
            .bind(name.1)
            .execute(tx)
            .await?;
    }
    Ok(())
}

/// Takes the name of who licensed it, and metadata, out of all that a license ever said, and out of its order. Nobody
/// else changes the license meanwhile: see [`terms_of`](super::terms_of).
pub(crate) async fn erase_licensee(tx: &mut Tx, license: LicenseId) -> Result<()> {
    let erase = |terms: &mut LicenseTerms| {
        terms.licensee.clear();
        // The vendor's own words, which may name a person, too.
        terms.metadata.clear();
    };
    erase_names(tx, license, erase).await?;
    erase_said(tx, license, None).await
}

/// Takes what names a person out of all that a license ever said.
async fn erase_names(tx: &mut Tx, license: LicenseId, erase: impl Fn(&mut LicenseTerms)) -> Result<()> {
    let id = license.to_string();
    let rows = query("SELECT version, record FROM terms WHERE license_id = $1 ORDER BY version");
    let rows = rows.bind(&id).fetch_all(tx).await?;
    for (position, row) in rows.iter().enumerate() {
        let before: LicenseTerms = record(row, "record")?;
        let mut terms = before.clone();
        erase(&mut terms);
        if terms == before {
            continue;
        }
        let nameless = json(&terms)?;
        query("UPDATE terms SET record = $1 WHERE license_id = $2 AND version = $3")
            .bind(&nameless)
            .bind(&id)
            .bind(row.get::<i64>("version")?)
            .execute(tx)
            .await?;
        // The latest version is what the license says.
        if position + 1 == rows.len() {
            query("UPDATE license SET terms = $1, licensee = $2 WHERE id = $3")
                .bind(nameless)
                .bind(&terms.licensee)
                .bind(&id)
                .execute(tx)
                .await?;
        }
    }
    Ok(())
}

/// Takes the name of who licensed it, and metadata, out of the order of a license: of anybody's, or of one customer's.
async fn erase_said(tx: &mut Tx, license: LicenseId, customer: Option<CustomerId>) -> Result<()> {
    let customer = customer.map(|id| id.to_string());
    let orders = query(
        "SELECT sale.order_id, sale.product_id, sale.seller, sale.said, sale.customer_id FROM sale_license JOIN sale \
         ON sale.order_id = sale_license.order_id AND sale.product_id = sale_license.product_id \
         AND sale.seller = sale_license.seller WHERE sale_license.license_id = $1",
    );
    for row in orders.bind(license.to_string()).fetch_all(tx).await? {
        let said: Said = record(&row, "said")?;
        let nameless = said.nameless();
        let is_other = customer.is_some() && row.get::<Option<String>>("customer_id")? != customer;
        if is_other || nameless == said {
            continue;
        }
        let [order, product, seller] =
            ["order_id", "product_id", "seller"].map(|name| row.get::<String>(name));
        query("UPDATE sale SET said = $1 WHERE order_id = $2 AND product_id = $3 AND seller = $4")
            .bind(json(&nameless)?)
            .bind(order?)
            .bind(product?)
            .bind(seller?)
            .execute(tx)
            .await?;
    }
    Ok(())
}
