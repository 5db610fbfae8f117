//! Webhooks: who is told of events over HTTP, and how that goes.
//!
//! A message is signed as *Standard Webhooks* specifies. An event is told at least once, always under the same id and
//! in the same words. Of the events of a license, one is on its way to a webhook at a time, so they come in order.

mod target;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nodelock::{Random as _, SystemRandom, Timestamp};
use ring::hmac;
use serde_json::json;
use tokio::task::JoinSet;
use tracing::warn;
use zeroize::Zeroizing;

pub(crate) use self::target::Target;
use super::{
    Database, Service,
    events::event_kinds,
    permit::{On, permit},
    secrets::new_id,
};
use crate::{
    domain::{DeliveryRow, Occasion, Webhook, rights::Act},
    failure::{Failure, Result},
    keys::Vault,
    store::{self, Attempt, AuditLine, Claimed, Next, Replay, SealedSecrets, Tx},
};

/// How long after each attempt the next one is, as *Standard Webhooks* recommends. After the last one an event is set
/// aside, three days after the first.
const PAUSES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
    Duration::from_secs(14 * 60 * 60),
    Duration::from_secs(20 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];
/// How long an attempt belongs to the server that makes it: longer than any lasts.
const CLAIM: Duration = Duration::from_secs(60);
/// How many messages are on their way to one webhook at a time, each about another license.
const AT_A_TIME: u32 = 16;
/// How many characters are kept of why a message was not taken. Some of them are the receiver's.
const LONGEST_REASON: usize = 200;
/// How long the secret before the present one signs too.
const OVERLAP_DAYS: u32 = 1;
/// As *Standard Webhooks* has it.
const SECRET: &str = "whsec_";
const SECRET_BYTES: usize = 32;
/// What a sealed secret is, so that nothing else that is sealed is taken for one.
const PURPOSE: &str = "webhook";

/// A message on its way.
#[derive(Clone)]
pub(crate) struct Letter {
    pub(crate) target: Target,
    pub(crate) id: String,
    /// Of this attempt, in seconds since 1970.
    pub(crate) timestamp: u64,
    /// One signature for each secret, in the form of the header `webhook-signature`.
    pub(crate) signature: String,
    pub(crate) body: String,
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    Answered(u16),
    /// Nothing was answered; why, in words.
    Failed(String),
}

impl Posted {
    pub(crate) fn status(&self) -> Option<u32> {
        match self {
            Self::Answered(status) => Some((*status).into()),
            Self::Failed(_) => None,
        }
    }

    pub(crate) fn is_success(&self) -> bool {
        matches!(self, Self::Answered(200..=299))
    }

    /// Why it is no success; none if it is one.
    pub(crate) fn reason(&self) -> Option<String> {
        match self {
            Self::Answered(200..=299) => None,
            Self::Answered(300..=399) => Some("a redirect, which is not followed".into()),
            Self::Answered(status) => Some(format!("the status {status}")),
            Self::Failed(why) => Some(why.chars().take(LONGEST_REASON).collect()),
        }
    }
}

/// Brings messages to where they go.
pub(crate) trait Courier: Send + Sync + 'static {
    fn post(&self, letter: Letter) -> impl Future<Output = Posted> + Send;
}

/// Enters a webhook, which is told from here on of what happens, or of these kinds alone.
///
/// `hand_over` is given its id and its secret before anything is stored: nobody can show the secret again.
///
/// Fails with [`Failure::Usage`] for what is no address or no kind of event, with [`Failure::NoVault`], and as
/// `hand_over` does.
pub(crate) async fn new_webhook(
    database: &Database,
    vault: Option<&Vault>,
    (url, kinds): (&str, Vec<String>),
    hand_over: impl FnOnce(&str, &str) -> Result<()>,
    occasion: &Occasion,
) -> Result<()> {
    let permit = permit(database, occasion, Act::Webhooks, On::Whole).await?;
    let target: Target = url.parse().map_err(|why: &str| Failure::Usage(why.to_owned()))?;
    let known = event_kinds();
    let is_kind = |kind: &String| known.contains(kind) || ["license.*", "seat.*"].contains(&&**kind);
    if let Some(strange) = kinds.iter().find(|kind| !is_kind(kind)) {
        return Err(Failure::Usage(format!(
            "there is no event {strange:?}; `authority event kinds` shows those there are"
        )));
    }
    let id = new_id()?;
    let secret = new_secret()?;
    let sealed = vault.ok_or(Failure::NoVault)?.seal_text(PURPOSE, &id, &secret)?;
    let (created, former_until) = (occasion.time, None);
    let webhook = Webhook { id, url: url.to_owned(), kinds, created, former_until };
    hand_over(&webhook.id, &secret)?;
    let mut tx = database.write().await?;
    store::insert_webhook(&mut tx, &webhook, &sealed).await?;
    // Its path may be a secret.
    let detail = format!("{}: {}", webhook.id, target.host);
    AuditLine { action: "webhook-added", license: None, detail: &detail }.write(&mut tx, &permit).await?;
    tx.commit().await
}

/// Every webhook, oldest first.
pub(crate) async fn webhooks(database: &Database, occasion: &Occasion) -> Result<Vec<Webhook>> {
    permit(database, occasion, Act::Webhooks, On::Whole).await?;
    store::webhooks(&mut database.read().await?).await
}

/// Has a webhook be told nothing any more. Fails with [`Failure::UnknownWebhook`].
pub(crate) async fn remove_webhook(database: &Database, id: &str, occasion: &Occasion) -> Result<()> {
    let permit = permit(database, occasion, Act::Webhooks, On::Whole).await?;
    let mut tx = database.write().await?;
    known(&mut tx, id).await?;
    store::remove_webhook(&mut tx, id, permit.time).await?;
    AuditLine { action: "webhook-removed", license: None, detail: id }.write(&mut tx, &permit).await?;
    tx.commit().await
}

/// Gives a webhook a new secret. The one before signs too for a day. `hand_over` is as for [`new_webhook`].
///
/// Fails with [`Failure::UnknownWebhook`], with [`Failure::NoVault`], and as `hand_over` does.
pub(crate) async fn new_webhook_secret(
    database: &Database,
    vault: Option<&Vault>,
    id: &str,
    hand_over: impl FnOnce(&str, &str) -> Result<()>,
    occasion: &Occasion,
) -> Result<()> {
    let permit = permit(database, occasion, Act::Webhooks, On::Whole).await?;
    known(&mut database.read().await?, id).await?;
    let secret = new_secret()?;
    let sealed = vault.ok_or(Failure::NoVault)?.seal_text(PURPOSE, id, &secret)?;
    hand_over(id, &secret)?;
    let mut tx = database.write().await?;
    known(&mut tx, id).await?;
    store::set_secret(&mut tx, id, &sealed, permit.time.plus_days(OVERLAP_DAYS)).await?;
    AuditLine { action: "webhook-secret-changed", license: None, detail: id }.write(&mut tx, &permit).await?;
    tx.commit().await
}

/// Has events be told once more. Returns how many. They come before what a webhook was not told yet of their licenses.
///
/// Fails with [`Failure::UnknownWebhook`].
pub(crate) async fn replay(
    database: &Database,
    id: &str,
    replay: &Replay,
    occasion: &Occasion,
) -> Result<u64> {
    let permit = permit(database, occasion, Act::Webhooks, On::Whole).await?;
    let mut tx = database.write().await?;
    known(&mut tx, id).await?;
    let licenses = store::licenses_to_replay(&mut tx, id, replay).await?;
    AuditLine { action: "webhook-replayed", license: None, detail: id }.write(&mut tx, &permit).await?;
    tx.commit().await?;
    let mut put = 0;
    for license in licenses {
        let mut tx = database.write().await?;
        let webhook = known(&mut tx, id).await?;
        store::lock_license(&mut tx, license).await?;
        put += store::replay_of_license(&mut tx, &webhook, license, replay, permit.time).await?;
        tx.commit().await?;
        database.make_way().await;
    }
    Ok(put)
}

/// What became of the events after one, at most `most`, in the order in which they happened; in one state, or in all.
///
/// Fails with [`Failure::UnknownWebhook`].
pub(crate) async fn deliveries_after(
    database: &Database,
    id: &str,
    (state, after): (Option<&str>, &str),
    most: u32,
    occasion: &Occasion,
) -> Result<Vec<DeliveryRow>> {
    permit(database, occasion, Act::Webhooks, On::Whole).await?;
    let mut tx = database.read_list().await?;
    known(&mut tx, id).await?;
    store::deliveries_after(&mut tx, id, state, after, most).await
}

/// Sends a webhook a message of the kind `webhook.test`, once. Returns its id, and what came of it.
///
/// Fails with [`Failure::UnknownWebhook`], and with [`Failure::NoVault`].
pub(crate) async fn test_webhook(
    database: &Database,
    vault: Option<&Vault>,
    id: &str,
    courier: &impl Courier,
    occasion: &Occasion,
) -> Result<(String, Posted)> {
    permit(database, occasion, Act::Webhooks, On::Whole).await?;
    let mut tx = database.read().await?;
    let webhook = known(&mut tx, id).await?;
    let sealed = store::secrets_of(&mut tx, id, occasion.time).await?;
    drop(tx);
    let secrets = secrets(vault.ok_or(Failure::NoVault)?, id, &sealed).ok_or(Failure::NoVault)?;
    let message = format!("test_{}", new_id()?);
    let time = occasion.time.to_string();
    let body = json!({ "type": "webhook.test", "timestamp": time, "data": { "webhook": id } }).to_string();
    let letter = letter(&webhook, &secrets, message.clone(), body, occasion.time)?;
    Ok((message, courier.post(letter).await))
}

async fn known(tx: &mut Tx, id: &str) -> Result<Webhook> {
    store::webhook(tx, id).await?.ok_or_else(|| Failure::UnknownWebhook(id.to_owned()))
}

fn new_secret() -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    SystemRandom.fill(&mut *bytes)?;
    Ok(Zeroizing::new(format!("{SECRET}{}", STANDARD.encode(*bytes))))
}

/// The secrets that sign; none if the vault is another one.
fn secrets(vault: &Vault, id: &str, sealed: &SealedSecrets) -> Option<Vec<hmac::Key>> {
    std::iter::once(&sealed.secret).chain(&sealed.former).map(|sealed| secret_of(vault, id, sealed)).collect()
}

/// A secret of a webhook; none if it is not, or of another vault.
pub(super) fn secret_of(vault: &Vault, id: &str, sealed: &[u8]) -> Option<hmac::Key> {
    let text = vault.unseal_text(PURPOSE, id, sealed)?;
    let bytes = Zeroizing::new(STANDARD.decode(text.strip_prefix(SECRET)?).ok()?);
    Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn letter(
    webhook: &Webhook,
    secrets: &[hmac::Key],
    id: String,
    body: String,
    now: Timestamp,
) -> Result<Letter> {
    let target: Target = webhook.url.parse().map_err(|why: &str| Failure::Usage(why.to_owned()))?;
    let timestamp = now.unix_seconds();
    let signed = format!("{id}.{timestamp}.{body}");
    let signature = |key: &hmac::Key| format!("v1,{}", STANDARD.encode(hmac::sign(key, signed.as_bytes())));
    let signature = secrets.iter().map(signature).collect::<Vec<_>>().join(" ");
    Ok(Letter { target, id, timestamp, signature, body })
}

/// What is told of an event: names, and nothing of people. It is the same at each attempt.
fn body(claimed: &Claimed) -> String {
    let Claimed { delivery: DeliveryRow { event, .. }, product, order } = claimed;
    json!({
        "type": event.kind,
        "timestamp": event.at.to_string(),
        "data": {
            "license": event.license.to_string(),
            "sequence": event.sequence,
            "product": product,
            "order": order,
            "handle": event.seat.map(|seat| seat.handle.to_string()),
            "device": event.seat.map(|seat| seat.device_key.to_string()),
            "from": event.from,
            "to": event.to,
        },
    })
    .to_string()
}

/// What is next after so many attempts, the last of which came to that.
fn next(posted: &Posted, attempts: u32, now: Timestamp) -> Next {
    if posted.is_success() {
        return Next::Delivered;
    }
    let pause = usize::try_from(attempts).ok().and_then(|attempts| PAUSES.get(attempts.checked_sub(1)?));
    pause.map_or(Next::Aside, |pause| Next::Again(after(now, *pause)))
}

fn after(time: Timestamp, pause: Duration) -> Timestamp {
    let seconds = time.unix_seconds().saturating_add(pause.as_secs());
    Timestamp::from_unix_seconds(seconds.min(Timestamp::MAX.unix_seconds()))
}

impl Service {
    /// Webhooks that something is to be told now.
    pub(crate) async fn webhooks_to_tell(&self, occasion: &Occasion) -> Result<Vec<String>> {
        self.permit(occasion, Act::Webhooks, On::Whole).await?;
        store::webhooks_to_tell(&mut self.database.read().await?, occasion.time).await
    }

    /// Tells a webhook what is due, of at most [`AT_A_TIME`] licenses at once. Returns of how many it tried to.
    ///
    /// An attempt is claimed before it is made, and counts once it is noted. Should this process end in between, the
    /// event is told again. Fails with [`Failure::VaultMissing`] where its secrets cannot be read here: nothing is
    /// claimed then, and another server may do it. Fails with the first failure to note one, after all were noted that
    /// can be.
    pub(crate) async fn tell(
        &self,
        id: &str,
        courier: &Arc<impl Courier>,
        occasion: &Occasion,
    ) -> Result<usize> {
        let now = self.permit(occasion, Act::Webhooks, On::Whole).await?.time;
        let again = after(now, CLAIM);
        let mut tx = self.database.write().await?;
        let Some(webhook) = store::webhook(&mut tx, id).await? else { return Ok(0) };
        let sealed = store::secrets_of(&mut tx, id, now).await?;
        let secrets = self.vault.as_ref().and_then(|vault| secrets(vault, id, &sealed));
        let secrets = secrets.ok_or(Failure::VaultMissing)?;
        let store::Claim { claimed, unreadable } = store::claim(&mut tx, id, AT_A_TIME, now, again).await?;
        tx.commit().await?;
        let tried = claimed.len() + unreadable.len();
        let mut on_their_way = JoinSet::new();
        for claimed in claimed {
            let message = claimed.delivery.event.id.clone();
            let letter = letter(&webhook, &secrets, message, body(&claimed), now);
            let courier = courier.clone();
            on_their_way.spawn(async move {
                let began = Instant::now();
                let posted = match letter {
                    Ok(letter) => courier.post(letter).await,
                    Err(failure) => Posted::Failed(failure.to_string()),
                };
                let DeliveryRow { event, attempts, .. } = claimed.delivery;
                let next = next(&posted, attempts.saturating_add(1), after(now, began.elapsed()));
                (event.id, event.license, posted, next)
            });
        }
        for (event, license) in unreadable {
            let posted = Posted::Failed("the event is damaged in the ledger".into());
            on_their_way.spawn(async move { (event, license, posted, Next::Aside) });
        }
        // One that cannot be noted is told again. It takes none of the others with it.
        let mut noted = Ok(tried);
        while let Some(came) = on_their_way.join_next().await {
            let result = match came {
                Ok((event, license, posted, next)) => {
                    let said = posted.reason();
                    let attempt = Attempt {
                        webhook: id,
                        event: &event,
                        license,
                        claimed: again,
                        status: posted.status(),
                        said: said.as_deref(),
                        next,
                    };
                    self.note_attempt(&attempt, now).await
                }
                Err(error) => {
                    Err(nodelock::Error::io("a task of its own", std::io::Error::other(error)).into())
                }
            };
            if let (Err(failure), true) = (result, noted.is_ok()) {
                noted = Err(failure);
            }
        }
        noted
    }

    async fn note_attempt(&self, attempt: &Attempt<'_>, now: Timestamp) -> Result<()> {
        let mut tx = self.database.write().await?;
        store::lock_license(&mut tx, attempt.license).await?;
        let is_noted = store::set_attempted(&mut tx, attempt, now).await?;
        tx.commit().await?;
        if is_noted && attempt.next == Next::Aside {
            let Attempt { webhook, event: id, said: reason, .. } = attempt;
            warn!(event = "webhook-set-aside", webhook, id, reason);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
