//! What each command about webhooks does.

use std::{cell::RefCell, path::Path};

use serde_json::{Value, json};

use super::{
    arguments::WebhookCommand,
    events,
    output::{Listing, Report},
};
use crate::{
    domain::{DeliveryRow, Occasion, Webhook},
    failure::{Failure, Result},
    http::Courier,
    keys::Vault,
    service::{self, Database},
};

/// How many are read at a time.
const PAGE: u32 = 500;

pub(crate) async fn webhooks(
    command: &WebhookCommand,
    keys: &Path,
    database: &Database,
    occasion: &Occasion,
    as_json: bool,
) -> Result<Report> {
    match command {
        WebhookCommand::Add { url, kinds } => {
            let vault = service::vault(database, keys).await?;
            let made = RefCell::new(None);
            let hand_over = |id: &str, secret: &str| {
                *made.borrow_mut() = Some(shown(id, secret));
                Ok(())
            };
            let new = (url.as_str(), kinds.clone());
            service::new_webhook(database, vault.as_ref(), new, hand_over, occasion).await?;
            made.into_inner().ok_or(Failure::NoVault)
        }
        WebhookCommand::List => {
            let webhooks = service::webhooks(database, occasion).await?;
            let words: String = webhooks.iter().map(webhook_words).collect();
            let values: Vec<Value> = webhooks.iter().map(webhook_value).collect();
            let words = if words.is_empty() { "No webhooks.".to_owned() } else { words };
            Ok(Report::new(words, json!({ "webhooks": values })))
        }
        WebhookCommand::Remove { id } => {
            service::remove_webhook(database, id, occasion).await?;
            Ok(Report::new(format!("Webhook {id} is told nothing any more."), json!({ "id": id })))
        }
        WebhookCommand::Secret { id } => {
            let vault = service::vault(database, keys).await?;
            let made = RefCell::new(None);
            let hand_over = |id: &str, secret: &str| {
                *made.borrow_mut() = Some(shown(id, secret));
                Ok(())
            };
            service::new_webhook_secret(database, vault.as_ref(), id, hand_over, occasion).await?;
            made.into_inner().ok_or(Failure::NoVault)
        }
        WebhookCommand::Test { id, allowed } => {
            let (vault, courier) = (Vault::open(keys)?, Courier::new(&allowed.hosts));
            let (message, posted) =
                service::test_webhook(database, vault.as_ref(), id, &courier, occasion).await?;
            let reason = posted.reason();
            let words = match &reason {
                None => format!("Message {message} was taken."),
                Some(reason) => format!("Message {message} was not taken: {reason}."),
            };
            let fields = json!({
                "id": id,
                "message": message,
                "taken": posted.is_success(),
                "status": posted.status(),
                "reason": reason,
            });
            Ok(Report::new(words, fields))
        }
        WebhookCommand::Deliveries { id, aside, after, limit } => {
            let mut listing = Listing::new("deliveries", as_json);
            let (mut after, mut left) = (after.clone(), *limit);
            let state = aside.then_some("aside");
            loop {
                let most = left.min(PAGE);
                let page = service::deliveries_after(database, id, (state, &after), most, occasion).await?;
                left -= u32::try_from(page.len()).unwrap_or(left);
                let Some(last) = page.last() else { return listing.finish("Nothing was to be told.") };
                after.clone_from(&last.event.id);
                let show = |row| listing.row(row, delivery_words, delivery_value);
                page.into_iter().map(Ok).try_for_each(show)?;
            }
        }
        WebhookCommand::Replay { id, which } => {
            let events = service::replay(database, id, &which.replay(), occasion).await?;
            let words = format!("{events} events are told to webhook {id} once more.");
            Ok(Report::new(words, json!({ "id": id, "events": events })))
        }
    }
}

fn shown(id: &str, secret: &str) -> Report {
    let words =
        format!("Webhook {id}. Its messages are signed with this, shown this once:\n\n    {secret}\n");
    Report::new(words, json!({ "id": id, "secret": secret }))
}

fn webhook_words(webhook: &Webhook) -> String {
    let Webhook { id, url, kinds, created, former_until } = webhook;
    let kinds = if kinds.is_empty() { "all".to_owned() } else { kinds.join(" ") };
    let former =
        former_until.map_or_else(String::new, |until| format!("  the secret before signs too until {until}"));
    format!("{id}  {url}  {kinds}  since {created}{former}\n")
}

fn webhook_value(webhook: &Webhook) -> Value {
    json!({
        "id": webhook.id,
        "url": webhook.url,
        "kinds": webhook.kinds,
        "created": webhook.created.to_string(),
        "former_until": webhook.former_until.map(|until| until.to_string()),
    })
}

pub(super) fn delivery_words(delivery: &DeliveryRow) -> String {
    let DeliveryRow { event, state, due, attempts, tried, status, said, .. } = delivery;
    let mut line = format!("{}  {state}, attempts: {attempts}", events::words(event));
    tried.iter().for_each(|tried| line += &format!(", last {tried}"));
    status.iter().for_each(|status| line += &format!(", status {status}"));
    said.iter().for_each(|said| line += &format!(", {said}"));
    if state == "due" { format!("{line}, next {due}") } else { line }
}

pub(super) fn delivery_value(delivery: &DeliveryRow) -> Value {
    let mut value = events::value(&delivery.event);
    value["state"] = delivery.state.as_str().into();
    value["next"] = (delivery.state == "due").then(|| delivery.due.to_string()).into();
    value["attempts"] = delivery.attempts.into();
    value["tried"] = delivery.tried.map(|tried| tried.to_string()).into();
    value["status"] = delivery.status.into();
    value["reason"] = delivery.said.as_deref().into();
    value
}
