//! What each command about webhooks does.

use serde_json::{Value, json};

use super::{
    arguments::WebhookCommand,
    desk::Desk,
    events,
    output::{Listing, Report, json},
};
use crate::{
    failure::Result,
    http::records::{Delivery, Tested, WebhookBody, WebhookSecret},
};

pub(super) async fn webhooks(command: &WebhookCommand, desk: &Desk<'_>, as_json: bool) -> Result<Report> {
    match command {
        WebhookCommand::Add { url, kinds } => Ok(shown(&desk.new_webhook(url, kinds).await?)),
        WebhookCommand::List => {
            let webhooks = desk.webhooks().await?;
            let words: String = webhooks.iter().map(webhook_words).collect();
            let words = if words.is_empty() { "No webhooks.".to_owned() } else { words };
            Ok(Report::new(words, json!({ "webhooks": webhooks })))
        }
        WebhookCommand::Remove { id } => {
            desk.remove_webhook(id).await?;
            Ok(Report::new(format!("Webhook {id} is told nothing any more."), json!({ "id": id })))
        }
        WebhookCommand::Secret { id } => Ok(shown(&desk.new_webhook_secret(id).await?)),
        WebhookCommand::Test { id, allowed } => {
            let tested = desk.test_webhook(id, &allowed.hosts).await?;
            let Tested { message, taken, status, reason } = &tested;
            let words = match reason {
                None => format!("Message {message} was taken."),
                Some(reason) => format!("Message {message} was not taken: {reason}."),
            };
            let fields = json!({
                "id": id, "message": message, "taken": taken, "status": status, "reason": reason,
            });
            Ok(Report::new(words, fields))
        }
        WebhookCommand::Deliveries { id, aside, after, limit } => {
            let mut listing = Listing::new("deliveries", as_json);
            let show = |row| listing.row(row, delivery_words, delivery_value);
            desk.deliveries(id, (*aside, after, *limit), show).await?;
            listing.finish("Nothing was to be told.")
        }
        WebhookCommand::Replay { id, which } => {
            let events = desk.replay(id, &which.replay()).await?;
            let words = format!("{events} events are told to webhook {id} once more.");
            Ok(Report::new(words, json!({ "id": id, "events": events })))
        }
    }
}

fn shown(made: &WebhookSecret) -> Report {
    let WebhookSecret { id, secret } = made;
    let words =
        format!("Webhook {id}. Its messages are signed with this, shown this once:\n\n    {secret}\n");
    Report::new(words, json(made))
}

fn webhook_words(webhook: &WebhookBody) -> String {
    let WebhookBody { id, url, kinds, created, former_until } = webhook;
    let kinds = if kinds.is_empty() { "all".to_owned() } else { kinds.join(" ") };
    let former = former_until
        .as_ref()
        .map_or_else(String::new, |until| format!("  the secret before signs too until {until}"));
    format!("{id}  {url}  {kinds}  since {created}{former}\n")
}

pub(super) fn delivery_words(delivery: &Delivery) -> String {
    let Delivery { event, state, next, attempts, tried, status, reason } = delivery;
    let mut line = format!("{}  {state}, attempts: {attempts}", events::words(event));
    tried.iter().for_each(|tried| line += &format!(", last {tried}"));
    status.iter().for_each(|status| line += &format!(", status {status}"));
    reason.iter().for_each(|reason| line += &format!(", {reason}"));
    next.iter().for_each(|next| line += &format!(", next {next}"));
    line
}

/// The event, with what became of it beside its members.
pub(super) fn delivery_value(delivery: &Delivery) -> Value {
    let Delivery { event, state, next, attempts, tried, status, reason } = delivery;
    let mut value = json(event);
    value["state"] = state.as_str().into();
    value["next"] = next.as_deref().into();
    value["attempts"] = (*attempts).into();
    value["tried"] = tried.as_deref().into();
    value["status"] = (*status).into();
    value["reason"] = reason.as_deref().into();
    value
}
