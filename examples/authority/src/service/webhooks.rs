//! Webhooks: who is told of events over HTTP, and how that goes.
//!
//! A message is signed as *Standard Webhooks* specifies. An event is told always under the same id and in the same
//! words.

mod target;

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nodelock::{Random as _, SystemRandom, Timestamp};
use ring::hmac;
use serde_json::json;
use zeroize::Zeroizing;

pub(crate) use self::target::Target;
use super::{
    Database, Service,
    deliveries::{CLAIM, Came, End, LONGEST_REASON, after, put_again},
    events::event_kinds,
    permit::{On, permit},
    secrets::new_id,
};
use crate::{
    domain::{DeliveryRow, Occasion, Webhook, rights::Act},
    failure::{Failure, Result},
    keys::Vault,
    store::{self, AuditLine, Claimed, Replay, SealedSecrets, Tx},
};

/// How many messages are on their way to one webhook at a time, each about another license.
const AT_A_TIME: u32 = 16;
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

    fn came(&self) -> Came {
        let end = if self.is_success() { End::Taken } else { End::Later };
        Came { status: self.status(), said: self.reason(), end }
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
    known(&mut database.read().await?, id).await?;
    put_again(database, id, replay, ("webhook-replayed", id), &permit).await
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
    let Claimed { delivery: DeliveryRow { event, .. }, product, order, .. } = claimed;
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
    /// claimed then, and another server may do it. Fails with the first failure to note one.
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
        let mut attempts = Vec::new();
        for claimed in claimed {
            let message = claimed.delivery.event.id.clone();
            let letter = letter(&webhook, &secrets, message, body(&claimed), now);
            let courier = courier.clone();
            attempts.push((claimed, async move {
                let posted = match letter {
                    Ok(letter) => courier.post(letter).await,
                    Err(failure) => Posted::Failed(failure.to_string()),
                };
                posted.came()
            }));
        }
        self.attempt(id, attempts, unreadable, (now, again)).await
    }
}

#[cfg(test)]
mod tests;
