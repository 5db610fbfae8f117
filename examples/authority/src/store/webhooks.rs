//! Webhooks, and what each was told.

use nodelock::{LicenseId, Timestamp};

use super::{
    Tx,
    events::event,
    row::{count, damaged, license_id, seconds, time},
    sql::{Row, query},
};
use crate::{
    domain::{DeliveryRow, Webhook},
    failure::Result,
};

/// Whether a webhook is told of an event.
macro_rules! wanted {
    () => {
        "webhook.removed IS NULL AND (webhook.kinds = '' OR webhook.kinds LIKE '%,' || event.kind || ',%' \
         OR (event.kind LIKE 'seat.%' AND webhook.kinds LIKE '%,seat.*,%') \
         OR (event.kind LIKE 'license.%' AND webhook.kinds LIKE '%,license.*,%'))"
    };
}

/// Puts events of a license into the line of a webhook, whether they were told or not.
macro_rules! again {
    ($which:literal) => {
        concat!(
            "INSERT INTO delivery (webhook_id, event_id, license_id, sequence, state, due, attempts) ",
            "SELECT webhook.id, event.id, event.license_id, event.sequence, 'queued', $1, 0 FROM webhook, event ",
            "WHERE webhook.id = $2 AND event.license_id = $3 AND ",
            $which,
            " AND ",
            wanted!(),
            " ON CONFLICT (webhook_id, event_id) DO UPDATE SET state = 'queued', due = excluded.due, attempts = 0"
        )
    };
}

/// The secrets of a webhook as they are kept: the present one, and the one before while that signs too.
pub(crate) struct SealedSecrets {
    pub(crate) secret: Vec<u8>,
    pub(crate) former: Option<Vec<u8>>,
}

/// What [`claim`] took.
#[derive(Default)]
pub(crate) struct Claim {
    pub(crate) claimed: Vec<Claimed>,
    /// Events that are damaged, each with its id and its license. Nobody can be told of them.
    pub(crate) unreadable: Vec<(String, LicenseId)>,
}

/// A delivery that is to be tried now.
pub(crate) struct Claimed {
    pub(crate) delivery: DeliveryRow,
    /// The short name of the product of its license, and the order that it was sold under.
    pub(crate) product: Option<String>,
    pub(crate) order: Option<String>,
}

/// What became of an attempt.
pub(crate) struct Attempt<'a> {
    pub(crate) webhook: &'a str,
    pub(crate) event: &'a str,
    pub(crate) license: LicenseId,
    /// When the delivery is due again, as [`claim`] said. If it is due at another time now, somebody else has it.
    pub(crate) claimed: Timestamp,
    pub(crate) status: Option<u32>,
    pub(crate) said: Option<&'a str>,
    pub(crate) next: Next,
}

/// What is next for a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: it is there.
    Delivered,
    /// Nothing, until somebody has it replayed.
    Aside,
    Again(Timestamp),
}

fn kinds_text(kinds: &[String]) -> String {
    if kinds.is_empty() { String::new() } else { format!(",{},", kinds.join(",")) }
}

/// Enters a webhook.
pub(crate) async fn insert_webhook(tx: &mut Tx, webhook: &Webhook, secret: &[u8]) -> Result<()> {
    query("INSERT INTO webhook (id, url, kinds, secret, created) VALUES ($1, $2, $3, $4, $5)")
        .bind(&webhook.id)
        .bind(&webhook.url)
        .bind(kinds_text(&webhook.kinds))
        .bind(secret)
        .bind(seconds(webhook.created))
        .execute(tx)
        .await?;
    Ok(())
}

/// Every webhook that is told of events, oldest first.
pub(crate) async fn webhooks(tx: &mut Tx) -> Result<Vec<Webhook>> {
    let rows = query(
        "SELECT id, url, kinds, created, former_until FROM webhook WHERE removed IS NULL ORDER BY created, id",
    );
    rows.fetch_all(tx).await?.iter().map(webhook_in).collect()
}

/// One webhook; none if there is no such webhook, or none any more.
pub(crate) async fn webhook(tx: &mut Tx, id: &str) -> Result<Option<Webhook>> {
    let row =
        query("SELECT id, url, kinds, created, former_until FROM webhook WHERE id = $1 AND removed IS NULL");
    row.bind(id).fetch_optional(tx).await?.as_ref().map(webhook_in).transpose()
}

fn webhook_in(row: &Row) -> Result<Webhook> {
    let kinds: &str = row.get("kinds")?;
    Ok(Webhook {
        id: row.get("id")?,
        url: row.get("url")?,
        kinds: kinds.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect(),
        created: time(row, "created")?,
        former_until: row
            .get::<Option<i64>>("former_until")?
            .map(|_| time(row, "former_until"))
            .transpose()?,
    })
}

/// The secrets of a webhook that sign at that time.
pub(crate) async fn secrets_of(tx: &mut Tx, id: &str, now: Timestamp) -> Result<SealedSecrets> {
    let row = query("SELECT secret, former, former_until FROM webhook WHERE id = $1");
    let row = row.bind(id).fetch_one(tx).await?;
    let signs = row.get::<Option<i64>>("former_until")?.is_some_and(|until| seconds(now) < until);
    let former = row.get::<Option<Vec<u8>>>("former")?.filter(|_| signs);
    let secret = row.get::<Option<Vec<u8>>>("secret")?.ok_or_else(|| damaged("a webhook's secret"))?;
    Ok(SealedSecrets { secret, former })
}

/// Gives a webhook another secret. The one before signs too until then.
pub(crate) async fn set_secret(tx: &mut Tx, id: &str, secret: &[u8], until: Timestamp) -> Result<()> {
    query("UPDATE webhook SET former = secret, former_until = $1, secret = $2 WHERE id = $3")
        .bind(seconds(until))
        .bind(secret)
        .bind(id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Has a webhook be told nothing any more. Its secrets are gone then, and what it was not told yet.
pub(crate) async fn remove_webhook(tx: &mut Tx, id: &str, now: Timestamp) -> Result<()> {
    query("UPDATE webhook SET removed = $1, secret = NULL, former = NULL, former_until = NULL WHERE id = $2")
        .bind(seconds(now))
        .bind(id)
        .execute(tx)
        .await?;
    query("DELETE FROM delivery WHERE webhook_id = $1 AND state IN ('due', 'queued')")
        .bind(id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Webhooks that something is due for. What is due in more than 25 hours, longer than any pause is, is due now: the
/// clock was ahead when that was noted.
pub(crate) async fn webhooks_to_tell(tx: &mut Tx, now: Timestamp) -> Result<Vec<String>> {
    let rows = query(
        "SELECT id FROM webhook WHERE removed IS NULL AND EXISTS (SELECT 1 FROM delivery \
         WHERE delivery.webhook_id = webhook.id AND delivery.state = 'due' \
         AND (delivery.due <= $1 OR delivery.due > $1 + 90000)) ORDER BY id",
    );
    let rows = rows.bind(seconds(now)).fetch_all(tx).await?;
    Ok(rows.iter().map(|row| row.get("id")).collect::<Result<_, _>>()?)
}

/// Takes what is due for a webhook, as [`webhooks_to_tell`] has it: at most so many deliveries, each of another
/// license. They are due again at `again` unless [`set_attempted`] says otherwise before, so one that is interrupted is
/// not lost.
pub(crate) async fn claim(
    tx: &mut Tx,
    webhook: &str,
    most: u32,
    now: Timestamp,
    again: Timestamp,
) -> Result<Claim> {
    let rows = query(
        "SELECT delivery.event_id, delivery.license_id AS of_license, event.id, event.license_id, event.sequence, event.at, event.kind, event.handle, event.device_key, \
         event.from_state, event.to_state, delivery.state, delivery.due, delivery.attempts, delivery.tried, \
         delivery.status, delivery.said, license.product_id, sale_license.order_id FROM delivery \
         LEFT JOIN event ON event.id = delivery.event_id \
         LEFT JOIN license ON license.id = delivery.license_id \
         LEFT JOIN sale_license ON sale_license.license_id = delivery.license_id \
         WHERE delivery.webhook_id = $1 AND delivery.state = 'due' \
         AND (delivery.due <= $2 OR delivery.due > $2 + 90000) \
         ORDER BY delivery.due LIMIT $3",
    )
    .bind(webhook)
    .bind(seconds(now))
    .bind(i64::from(most))
    .fetch_all(tx)
    .await?;
    let mut claim = Claim::default();
    for row in rows {
        let id: String = row.get("event_id")?;
        query("UPDATE delivery SET due = $1 WHERE webhook_id = $2 AND event_id = $3")
            .bind(seconds(again))
            .bind(webhook)
            .bind(&id)
            .execute(tx)
            .await?;
        match delivery(&row) {
            Ok(delivery) => claim.claimed.push(Claimed {
                delivery: DeliveryRow { due: again, ..delivery },
                product: row.get("product_id")?,
                order: row.get("order_id")?,
            }),
            Err(_) => claim.unreadable.push((id, row.get::<String>("of_license")?.parse()?)),
        }
    }
    Ok(claim)
}

/// Notes what became of an attempt. Once a delivery is over, the next one of its license is due. Nothing is noted of an
/// attempt that came late: the delivery was claimed again since, or put back into line to be told once more. Returns
/// whether it was noted.
///
/// The row of the license must be locked, because what happens to it meanwhile gets in line.
pub(crate) async fn set_attempted(tx: &mut Tx, attempt: &Attempt<'_>, now: Timestamp) -> Result<bool> {
    let (state, due) = match attempt.next {
        Next::Delivered => ("delivered", now),
        Next::Aside => ("aside", now),
        Next::Again(due) => ("due", due),
    };
    // One that was put back into line meanwhile, because something before it is to be told again, stays there.
    let noted = query(
        "UPDATE delivery SET state = CASE WHEN state = 'queued' AND $1 = 'due' THEN state ELSE $1 END, due = $2, \
         status = $3, said = $4, attempts = attempts + 1, tried = $8 \
         WHERE webhook_id = $5 AND event_id = $6 AND due = $7 AND state IN ('due', 'queued')",
    )
    .bind(state)
    .bind(seconds(due))
    .bind(attempt.status.map(i64::from))
    .bind(attempt.said)
    .bind(attempt.webhook)
    .bind(attempt.event)
    .bind(seconds(attempt.claimed))
    .bind(seconds(now))
    .execute(tx)
    .await?;
    if noted > 0 && !matches!(attempt.next, Next::Again(_)) {
        advance(tx, attempt.webhook, attempt.license, now).await?;
    }
    Ok(noted > 0)
}

/// Has the first delivery in the line of a license be due, unless it is.
async fn advance(tx: &mut Tx, webhook: &str, license: LicenseId, now: Timestamp) -> Result<()> {
    query(
        "UPDATE delivery SET state = 'due', due = $1 WHERE webhook_id = $2 AND state = 'queued' AND event_id = \
         (SELECT event_id FROM delivery WHERE webhook_id = $2 AND license_id = $3 AND state IN ('due', 'queued') \
         ORDER BY sequence LIMIT 1)",
    )
    .bind(seconds(now))
    .bind(webhook)
    .bind(license.to_string())
    .execute(tx)
    .await?;
    Ok(())
}

/// Which events are told once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Replay {
    /// Those that were given up.
    Aside,
    /// One, by its id.
    Event(String),
    /// Everything from a time on, whether it was told or not.
    Since(Timestamp),
}

/// The licenses that a replay concerns, in the order of their ids.
pub(crate) async fn licenses_to_replay(
    tx: &mut Tx,
    webhook: &str,
    replay: &Replay,
) -> Result<Vec<LicenseId>> {
    let rows = match replay {
        Replay::Aside => query(
            "SELECT DISTINCT license_id FROM delivery WHERE webhook_id = $1 AND state = 'aside' ORDER BY license_id",
        )
        .bind(webhook),
        Replay::Event(id) => query("SELECT license_id FROM event WHERE id = $1").bind(id),
        Replay::Since(since) => {
            query("SELECT DISTINCT license_id FROM event WHERE id >= $1 AND at >= $2 ORDER BY license_id")
                .bind(first_id_of(*since))
                .bind(seconds(*since))
        }
    };
    let rows = rows.fetch_all(tx).await?;
    rows.iter().map(|row| license_id(row)?.ok_or_else(|| damaged("an event's license"))).collect()
}

/// The first id that an event of a time may have: its clock may have been a day behind what it says.
fn first_id_of(time: Timestamp) -> String {
    let seconds = time.unix_seconds().saturating_sub(24 * 60 * 60);
    format!("{:032x}", u128::from(seconds) * 1_000_000_000)
}

/// Puts what is to be told once more of a license into line, in order, before what was not told yet. Returns how much
/// that is. The row of the license must be locked.
pub(crate) async fn replay_of_license(
    tx: &mut Tx,
    webhook: &Webhook,
    license: LicenseId,
    replay: &Replay,
    now: Timestamp,
) -> Result<u64> {
    let put = match replay {
        Replay::Aside => query(
            "UPDATE delivery SET state = 'queued', due = $1, attempts = 0 \
             WHERE webhook_id = $2 AND license_id = $3 AND state = 'aside'",
        )
        .bind(seconds(now))
        .bind(&webhook.id)
        .bind(license.to_string()),
        Replay::Event(id) => query(again!("event.id = $4"))
            .bind(seconds(now))
            .bind(&webhook.id)
            .bind(license.to_string())
            .bind(id),
        Replay::Since(since) => query(again!("event.at >= $4"))
            .bind(seconds(now))
            .bind(&webhook.id)
            .bind(license.to_string())
            .bind(seconds(*since)),
    };
    let put = put.execute(tx).await?;
    // Whatever was due waits behind what comes before it.
    query("UPDATE delivery SET state = 'queued' WHERE webhook_id = $1 AND license_id = $2 AND state = 'due'")
        .bind(&webhook.id)
        .bind(license.to_string())
        .execute(tx)
        .await?;
    advance(tx, &webhook.id, license, now).await?;
    Ok(put)
}

/// Has each webhook that wants it be told of an event that was entered in this transaction: at once, or after what it
/// was not told yet of the license.
pub(super) async fn enter_deliveries(tx: &mut Tx, event: &str) -> Result<()> {
    query(concat!(
        "INSERT INTO delivery (webhook_id, event_id, license_id, sequence, state, due, attempts) ",
        "SELECT webhook.id, event.id, event.license_id, event.sequence, CASE WHEN EXISTS ",
        "(SELECT 1 FROM delivery AS former WHERE former.webhook_id = webhook.id ",
        "AND former.license_id = event.license_id AND former.state IN ('due', 'queued')) ",
        "THEN 'queued' ELSE 'due' END, event.at, 0 FROM webhook, event WHERE event.id = $1 AND ",
        wanted!()
    ))
    .bind(event)
    .execute(tx)
    .await?;
    Ok(())
}

/// What a webhook was told and is to be told, after an event, in the order of the events; in one state, or in all.
pub(crate) async fn deliveries_after(
    tx: &mut Tx,
    webhook: &str,
    state: Option<&str>,
    after: &str,
    most: u32,
) -> Result<Vec<DeliveryRow>> {
    let rows = query(
        "SELECT event.id, event.license_id, event.sequence, event.at, event.kind, event.handle, event.device_key, \
         event.from_state, event.to_state, delivery.state, delivery.due, delivery.attempts, delivery.tried, \
         delivery.status, delivery.said FROM delivery JOIN event ON event.id = delivery.event_id \
         WHERE delivery.webhook_id = $1 AND delivery.event_id > $2 AND ($3 IS NULL OR delivery.state = $3) \
         ORDER BY delivery.event_id LIMIT $4",
    );
    let rows = rows.bind(webhook).bind(after).bind(state).bind(i64::from(most));
    rows.fetch_all(tx).await?.iter().map(delivery).collect()
}

fn delivery(row: &Row) -> Result<DeliveryRow> {
    Ok(DeliveryRow {
        event: event(row)?,
        state: row.get("state")?,
        due: time(row, "due")?,
        attempts: count(row, "attempts")?,
        tried: row.get::<Option<i64>>("tried")?.map(|_| time(row, "tried")).transpose()?,
        status: row.get::<Option<i64>>("status")?.map(|_| count(row, "status")).transpose()?,
        said: row.get("said")?,
    })
}
