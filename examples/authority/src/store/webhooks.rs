//! Webhooks, and what each was told.

use nodelock::Timestamp;

use super::{
    Tx,
    row::{damaged, seconds, time},
    sql::{Row, query},
};
use crate::{domain::Webhook, failure::Result};

/// Whether a webhook is told of an event.
macro_rules! wanted {
    () => {
        "webhook.removed IS NULL AND (webhook.kinds = '' OR webhook.kinds LIKE '%,' || event.kind || ',%' \
         OR (event.kind LIKE 'seat.%' AND webhook.kinds LIKE '%,seat.*,%') \
         OR (event.kind LIKE 'license.%' AND webhook.kinds LIKE '%,license.*,%'))"
    };
}
pub(super) use wanted;

/// The secrets of a webhook as they are kept: the present one, and the one before while that signs too.
pub(crate) struct SealedSecrets {
    pub(crate) secret: Vec<u8>,
    pub(crate) former: Option<Vec<u8>>,
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
    query("DELETE FROM delivery WHERE receiver = $1 AND state IN ('due', 'queued')")
        .bind(id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Webhooks that something is due for, as [`claim`](super::claim) has it.
pub(crate) async fn webhooks_to_tell(tx: &mut Tx, now: Timestamp) -> Result<Vec<String>> {
    let rows = query(
        "SELECT id FROM webhook WHERE removed IS NULL AND EXISTS (SELECT 1 FROM delivery \
         WHERE delivery.receiver = webhook.id AND delivery.state = 'due' \
         AND (delivery.due <= $1 OR delivery.due > $1 + 90000)) ORDER BY id",
    );
    let rows = rows.bind(seconds(now)).fetch_all(tx).await?;
    Ok(rows.iter().map(|row| row.get("id")).collect::<Result<_, _>>()?)
}

/// Has each webhook that wants it be told of an event that was entered in this transaction: at once, or after what it
/// was not told yet of the license.
pub(super) async fn enter_deliveries(tx: &mut Tx, event: &str) -> Result<()> {
    query(concat!(
        "INSERT INTO delivery (receiver, event_id, license_id, sequence, state, due, attempts) ",
        "SELECT webhook.id, event.id, event.license_id, event.sequence, CASE WHEN EXISTS ",
        "(SELECT 1 FROM delivery AS former WHERE former.receiver = webhook.id ",
        "AND former.license_id = event.license_id AND former.state IN ('due', 'queued')) ",
        "THEN 'queued' ELSE 'due' END, event.at, 0 FROM webhook, event WHERE event.id = $1 AND ",
        wanted!()
    ))
    .bind(event)
    .execute(tx)
    .await?;
    Ok(())
}
