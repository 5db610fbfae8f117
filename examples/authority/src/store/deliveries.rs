//! Deliveries: each event on its way to a receiver, which is a webhook or the customer of its license. Of the events of
//! one license, one is on its way to a receiver at a time.

use nodelock::{LicenseId, Timestamp, authority::KeyHash};
use tracing::warn;

use super::{
    Tx,
    events::{event, first_id_of},
    row::{count, damaged, license_id, seconds, time},
    sql::{Row, query},
    webhooks::wanted,
};
use crate::{domain::DeliveryRow, failure::Result};

/// The receiver of what is mailed. The others are webhooks, by their ids.
pub(crate) const MAIL: &str = "mail";

/// Puts events of a license into the line of a webhook, whether they were told or not.
macro_rules! again {
    ($which:literal) => {
        concat!(
            "INSERT INTO delivery (receiver, event_id, license_id, sequence, state, due, attempts) ",
            "SELECT webhook.id, event.id, event.license_id, event.sequence, 'queued', $1, 0 FROM webhook, event ",
            "WHERE webhook.id = $2 AND event.license_id = $3 AND ",
            $which,
            " AND ",
            wanted!(),
            " ON CONFLICT (receiver, event_id) DO UPDATE SET state = 'queued', due = excluded.due, attempts = 0"
        )
    };
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
    /// Since when it waits for this attempt.
    pub(crate) since: Timestamp,
    /// The short name of the product of its license, and the order that it was sold under.
    pub(crate) product: Option<String>,
    pub(crate) order: Option<String>,
    /// The license key that a mail brings.
    pub(crate) key: Option<KeyHash>,
}

/// What became of an attempt.
pub(crate) struct Attempt<'a> {
    pub(crate) receiver: &'a str,
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

/// Takes what is due for a receiver: at most so many deliveries, each of another license. What is due in more than 25
/// hours, longer than any pause is, is due now: the clock was ahead when that was noted. They are due again at `again`
/// unless [`set_attempted`] says otherwise before, so one that is interrupted is not lost.
pub(crate) async fn claim(
    tx: &mut Tx,
    receiver: &str,
    most: u32,
    now: Timestamp,
    again: Timestamp,
) -> Result<Claim> {
    let rows = query(
        "SELECT delivery.event_id, delivery.license_id AS of_license, event.id, event.license_id, event.sequence, \
         event.at, event.kind, event.handle, event.device_key, event.from_state, event.to_state, delivery.state, \
         delivery.due, delivery.attempts, delivery.tried, delivery.status, delivery.said, delivery.customer_id, \
         delivery.key_hash, license.product_id, sale_license.order_id FROM delivery \
         LEFT JOIN event ON event.id = delivery.event_id \
         LEFT JOIN license ON license.id = delivery.license_id \
         LEFT JOIN sale_license ON sale_license.license_id = delivery.license_id \
         WHERE delivery.receiver = $1 AND delivery.state = 'due' \
         AND (delivery.due <= $2 OR delivery.due > $2 + 90000) \
         ORDER BY delivery.due LIMIT $3",
    )
    .bind(receiver)
    .bind(seconds(now))
    .bind(i64::from(most))
    .fetch_all(tx)
    .await?;
    let mut claim = Claim::default();
    for row in rows {
        let id: String = row.get("event_id")?;
        query("UPDATE delivery SET due = $1 WHERE receiver = $2 AND event_id = $3")
            .bind(seconds(again))
            .bind(receiver)
            .bind(&id)
            .execute(tx)
            .await?;
        match claimed(&row, again) {
            Ok(claimed) => claim.claimed.push(claimed),
            Err(_) => match row.get::<String>("of_license")?.parse() {
                Ok(license) => claim.unreadable.push((id, license)),
                // It is due again later, and stands in nobody's way.
                Err(_) => warn!(event = "damaged-record", error = "the license of a delivery"),
            },
        }
    }
    Ok(claim)
}

fn claimed(row: &Row, again: Timestamp) -> Result<Claimed> {
    let key = row.get::<Option<Vec<u8>>>("key_hash")?.map(TryInto::try_into).transpose();
    Ok(Claimed {
        since: time(row, "due")?,
        delivery: DeliveryRow { due: again, ..delivery(row)? },
        product: row.get("product_id")?,
        order: row.get("order_id")?,
        key: key.map_err(|_| damaged("the hash of a license key"))?.map(KeyHash),
    })
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
         WHERE receiver = $5 AND event_id = $6 AND due = $7 AND state IN ('due', 'queued')",
    )
    .bind(state)
    .bind(seconds(due))
    .bind(attempt.status.map(i64::from))
    .bind(attempt.said)
    .bind(attempt.receiver)
    .bind(attempt.event)
    .bind(seconds(attempt.claimed))
    .bind(seconds(now))
    .execute(tx)
    .await?;
    if noted > 0 && !matches!(attempt.next, Next::Again(_)) {
        advance(tx, attempt.receiver, attempt.license, now).await?;
    }
    Ok(noted > 0)
}

/// Has the first delivery in the line of a license be due, unless it is. It waits since it was entered or put back.
async fn advance(tx: &mut Tx, receiver: &str, license: LicenseId, now: Timestamp) -> Result<()> {
    query(
        "UPDATE delivery SET state = 'due', due = CASE WHEN due < $1 THEN due ELSE $1 END \
         WHERE receiver = $2 AND state = 'queued' AND event_id = \
         (SELECT event_id FROM delivery WHERE receiver = $2 AND license_id = $3 AND state IN ('due', 'queued') \
         ORDER BY sequence LIMIT 1)",
    )
    .bind(seconds(now))
    .bind(receiver)
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
    receiver: &str,
    replay: &Replay,
) -> Result<Vec<LicenseId>> {
    let rows = match replay {
        Replay::Aside => query(
            "SELECT DISTINCT license_id FROM delivery WHERE receiver = $1 AND state = 'aside' ORDER BY license_id",
        )
        .bind(receiver),
        Replay::Event(id) => query("SELECT license_id FROM event WHERE id = $1").bind(id),
        Replay::Since(since) if receiver == MAIL => query(
            "SELECT DISTINCT license_id FROM delivery WHERE receiver = $1 AND event_id >= $2 ORDER BY license_id",
        )
        .bind(receiver)
        .bind(first_id_of(*since)),
        Replay::Since(since) => {
            query("SELECT DISTINCT license_id FROM event WHERE id >= $1 AND at >= $2 ORDER BY license_id")
                .bind(first_id_of(*since))
                .bind(seconds(*since))
        }
    };
    let rows = rows.fetch_all(tx).await?;
    rows.iter().map(|row| license_id(row)?.ok_or_else(|| damaged("an event's license"))).collect()
}

/// Puts what is to be told once more of a license into line, in order, before what was not told yet. Returns how much
/// that is. The row of the license must be locked.
///
/// A webhook is told what it was not told before, too: it may have been added later. A customer is mailed again what
/// was mailed, and nothing that was not to be mailed when it happened.
pub(crate) async fn replay_of_license(
    tx: &mut Tx,
    receiver: &str,
    license: LicenseId,
    replay: &Replay,
    now: Timestamp,
) -> Result<u64> {
    let put = match replay {
        Replay::Aside => query(
            "UPDATE delivery SET state = 'queued', due = $1, attempts = 0 \
             WHERE receiver = $2 AND license_id = $3 AND state = 'aside'",
        ),
        Replay::Event(_) if receiver == MAIL => query(
            "UPDATE delivery SET state = 'queued', due = $1, attempts = 0 \
             WHERE receiver = $2 AND license_id = $3 AND event_id = $4",
        ),
        Replay::Event(_) => query(again!("event.id = $4")),
        Replay::Since(_) if receiver == MAIL => query(
            "UPDATE delivery SET state = 'queued', due = $1, attempts = 0 WHERE receiver = $2 AND license_id = $3 \
             AND event_id IN (SELECT id FROM event WHERE license_id = $3 AND at >= $4)",
        ),
        Replay::Since(_) => query(again!("event.at >= $4")),
    };
    let put = put.bind(seconds(now)).bind(receiver).bind(license.to_string());
    let put = match replay {
        Replay::Aside => put,
        Replay::Event(id) => put.bind(id),
        Replay::Since(since) => put.bind(seconds(*since)),
    };
    let put = put.execute(tx).await?;
    // Whatever was due waits behind what comes before it.
    query("UPDATE delivery SET state = 'queued' WHERE receiver = $1 AND license_id = $2 AND state = 'due'")
        .bind(receiver)
        .bind(license.to_string())
        .execute(tx)
        .await?;
    advance(tx, receiver, license, now).await?;
    Ok(put)
}

/// What a receiver was told and is to be told, after an event, in the order of the events; in one state, or in all.
pub(crate) async fn deliveries_after(
    tx: &mut Tx,
    receiver: &str,
    state: Option<&str>,
    after: &str,
    most: u32,
) -> Result<Vec<DeliveryRow>> {
    let rows = query(
        "SELECT event.id, event.license_id, event.sequence, event.at, event.kind, event.handle, event.device_key, \
         event.from_state, event.to_state, delivery.state, delivery.due, delivery.attempts, delivery.tried, \
         delivery.status, delivery.said, delivery.customer_id FROM delivery JOIN event ON event.id = delivery.event_id \
         WHERE delivery.receiver = $1 AND delivery.event_id > $2 AND ($3 IS NULL OR delivery.state = $3) \
         ORDER BY delivery.event_id LIMIT $4",
    );
    let rows = rows.bind(receiver).bind(after).bind(state).bind(i64::from(most));
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
        customer: row.get::<Option<&str>>("customer_id")?.map(str::parse).transpose()?,
    })
}
