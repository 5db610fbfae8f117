//! `/v1/admin/webhooks`: who is told of events, and what became of that.

use std::sync::{Mutex, PoisonError};

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use nodelock::{ErrorKind, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{
        Shared,
        device::{JsonAnswer, finish},
        problem::{Details, Problem},
    },
    Caller,
    description::{ActRefusals, ReadRefusals, Refusals},
    events::Event,
    lists::{Cursor, OnlyAside, Paged},
    once::{Call, JsonText, Nothing, Posted, once},
};
use crate::{
    domain::{DeliveryRow, Webhook, rights::Act},
    failure::Result as Done,
    service::{self, Replay},
};

/// Who is told of events.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct WebhookBody {
    pub(crate) id: String,
    pub(crate) url: String,
    /// What it is told of, as kinds or as `license.*` and `seat.*`; all if there is none.
    pub(crate) kinds: Vec<String>,
    #[schema(format = "date-time")]
    pub(crate) created: String,
    /// Until when the secret before the present one signs too.
    #[schema(format = "date-time")]
    pub(crate) former_until: Option<String>,
}

impl From<&Webhook> for WebhookBody {
    fn from(webhook: &Webhook) -> Self {
        Self {
            id: webhook.id.clone(),
            url: webhook.url.clone(),
            kinds: webhook.kinds.clone(),
            created: webhook.created.to_string(),
            former_until: webhook.former_until.map(|until| until.to_string()),
        }
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Webhooks {
    pub(crate) webhooks: Vec<WebhookBody>,
}

/// Webhooks, oldest first
#[utoipa::path(
    get,
    path = "/v1/admin/webhooks",
    operation_id = "webhooks",
    responses((status = 200, description = "All of them.", body = Webhooks), Refusals),
)]
pub(super) async fn webhooks(State(server): Shared, caller: Caller) -> Result<JsonAnswer<Webhooks>, Problem> {
    let webhooks = service::webhooks(server.service.database(), &caller.occasion).await?;
    Ok(JsonAnswer(Webhooks { webhooks: webhooks.iter().map(WebhookBody::from).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWebhook {
    /// Where messages go, with `https`.
    url: String,
    /// What it is told of, as kinds or as `license.*` and `seat.*`; all if there is none.
    #[serde(default)]
    kinds: Vec<String>,
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct WebhookSecret {
    pub(crate) id: String,
    /// Messages are signed with it. It is shown to the call that made it, however often that is made, for a week.
    pub(crate) secret: String,
}

/// What was made while a call was answered.
#[derive(Default)]
struct Made(Mutex<Option<WebhookSecret>>);

impl Made {
    fn hand_over(&self, call: &Call, id: &str, secret: &str) -> Done<()> {
        let made = WebhookSecret { id: id.to_owned(), secret: secret.to_owned() };
        call.keep_along(&made)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
        Ok(())
    }

    fn answer(self) -> Result<WebhookSecret, Problem> {
        let made = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        made.ok_or_else(|| Problem::of(ErrorKind::ServerFailed))
    }
}

/// Have a server be told of what happens from here on
#[utoipa::path(
    post,
    path = "/v1/admin/webhooks",
    operation_id = "new_webhook",
    params(("Idempotency-Key" = String, Header)),
    request_body = NewWebhook,
    responses((status = 200, description = "Done, now or before.", body = WebhookSecret), ActRefusals),
)]
pub(super) async fn new_webhook(posted: Posted<NewWebhook>) -> Result<JsonText, Problem> {
    once(posted, Act::Webhooks, |call, asked: NewWebhook| async move {
        let (database, vault) = (call.server.service.database(), call.server.service.vault());
        let made = Made::default();
        let hand_over = |id: &str, secret: &str| made.hand_over(&call, id, secret);
        let new = (asked.url.as_str(), asked.kinds);
        service::new_webhook(database, vault, new, hand_over, &call.caller.occasion).await?;
        made.answer()
    })
    .await
}

/// Have a webhook be told nothing any more
#[utoipa::path(
    delete,
    path = "/v1/admin/webhooks/{id}",
    operation_id = "remove_webhook",
    params(("id" = String, Path)),
    responses(
        (status = 204, description = "Done."),
        (
            status = 404,
            description = "There is no such webhook. Codes: `unknown-webhook`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        Refusals,
    ),
)]
pub(super) async fn remove_webhook(
    State(server): Shared,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    finish(async move {
        service::remove_webhook(server.service.database(), &id, &caller.occasion).await?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// The same by a form, which may be sent twice.
pub(super) async fn remove_by_form(
    Path(id): Path<String>,
    posted: Posted<Nothing>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Webhooks, |call, _: Nothing| async move {
        service::remove_webhook(call.server.service.database(), &id, &call.caller.occasion).await?;
        Ok(serde_json::json!({ "id": id }))
    })
    .await
}

/// Sign with a new secret
///
/// For a day messages are signed with the one before too.
#[utoipa::path(
    post,
    path = "/v1/admin/webhooks/{id}/secret",
    operation_id = "new_webhook_secret",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, description = "Done, now or before.", body = WebhookSecret), ActRefusals),
)]
pub(super) async fn new_webhook_secret(
    Path(id): Path<String>,
    posted: Posted<Nothing>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Webhooks, |call, _: Nothing| async move {
        let (database, vault) = (call.server.service.database(), call.server.service.vault());
        let made = Made::default();
        let hand_over = |id: &str, secret: &str| made.hand_over(&call, id, secret);
        service::new_webhook_secret(database, vault, &id, hand_over, &call.caller.occasion).await?;
        made.answer()
    })
    .await
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Tested {
    /// The id of the message that was sent.
    pub(crate) message: String,
    pub(crate) taken: bool,
    /// What was answered, if anything was.
    pub(crate) status: Option<u32>,
    /// Why it was not taken.
    pub(crate) reason: Option<String>,
}

/// Send a message that means nothing, and say what was answered
#[utoipa::path(
    post,
    path = "/v1/admin/webhooks/{id}/test",
    operation_id = "test_webhook",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, description = "It was sent, now or before.", body = Tested), ActRefusals),
)]
pub(super) async fn test_webhook(
    Path(id): Path<String>,
    posted: Posted<Nothing>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Webhooks, |call, _: Nothing| async move {
        let (service, courier) = (&call.server.service, &call.server.courier);
        let (database, vault) = (service.database(), service.vault());
        let (message, posted) =
            service::test_webhook(database, vault, &id, &**courier, &call.caller.occasion).await?;
        let (taken, status, reason) = (posted.is_success(), posted.status(), posted.reason());
        Ok(Tested { message, taken, status, reason })
    })
    .await
}

/// Which events: one of the three.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Replayed {
    /// What was given up.
    #[serde(default)]
    aside: bool,
    /// One, by its id.
    event: Option<String>,
    /// Everything from a time on.
    #[schema(format = "date-time")]
    since: Option<String>,
}

impl Replayed {
    pub(super) fn replay(self) -> Result<Replay, Problem> {
        match (self.aside, self.event, self.since) {
            (true, None, None) => Ok(Replay::Aside),
            (false, Some(event), None) => Ok(Replay::Event(event)),
            (false, None, Some(since)) => {
                let since = since.parse::<Timestamp>();
                Ok(Replay::Since(since.map_err(|_| Problem::malformed("`since` is no time"))?))
            }
            _ => Err(Problem::malformed("one of `aside`, `event` and `since` is expected")),
        }
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Put {
    /// How many are told once more.
    pub(crate) events: u64,
}

/// Tell events once more
#[utoipa::path(
    post,
    path = "/v1/admin/webhooks/{id}/replay",
    operation_id = "replay",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = Replayed,
    responses((status = 200, description = "Done, now or before.", body = Put), ActRefusals),
)]
pub(super) async fn replay(Path(id): Path<String>, posted: Posted<Replayed>) -> Result<JsonText, Problem> {
    once(posted, Act::Webhooks, |call, asked: Replayed| async move {
        let (database, replay) = (call.server.service.database(), asked.replay()?);
        Ok(Put { events: service::replay(database, &id, &replay, &call.caller.occasion).await? })
    })
    .await
}

/// What became of one event.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Delivery {
    pub(crate) event: Event,
    /// `due`, `queued` behind another one of its license, `delivered`, or `aside` once it was given up.
    pub(crate) state: String,
    /// When it is tried next.
    #[schema(format = "date-time")]
    pub(crate) next: Option<String>,
    pub(crate) attempts: u32,
    #[schema(format = "date-time")]
    pub(crate) tried: Option<String>,
    /// What was answered last.
    pub(crate) status: Option<u32>,
    /// Why that was no success.
    pub(crate) reason: Option<String>,
}

impl From<&DeliveryRow> for Delivery {
    fn from(row: &DeliveryRow) -> Self {
        Self {
            event: Event::from(&row.event),
            state: row.state.clone(),
            next: (row.state == "due").then(|| row.due.to_string()),
            attempts: row.attempts,
            tried: row.tried.map(|tried| tried.to_string()),
            status: row.status,
            reason: row.said.clone(),
        }
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Deliveries {
    pub(crate) deliveries: Vec<Delivery>,
    /// For the next page, in `after`; there is one after the last event too. What was being entered at the time of a
    /// call may come before it and is missed then. The webhook itself misses nothing.
    pub(crate) next: Option<String>,
}

/// What a webhook was told and is to be told, in the order of the events
#[utoipa::path(
    get,
    path = "/v1/admin/webhooks/{id}/deliveries",
    operation_id = "deliveries",
    params(("id" = String, Path), Paged, OnlyAside),
    responses(
        (status = 200, description = "A page.", body = Deliveries),
        (
            status = 404,
            description = "There is no such webhook. Codes: `unknown-webhook`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        ReadRefusals,
        Refusals,
    ),
)]
pub(super) async fn deliveries(
    State(server): Shared,
    caller: Caller,
    Path(id): Path<String>,
    paged: Paged,
    only: OnlyAside,
) -> Result<JsonAnswer<Deliveries>, Problem> {
    server.service.may(&caller.occasion, Act::Webhooks).await?;
    let after = paged.after::<String>()?.unwrap_or_default();
    let (database, most) = (server.service.database(), paged.limit()?);
    let rows =
        service::deliveries_after(database, &id, (only.state(), &after), most, &caller.occasion).await?;
    let next = rows.last().map(|row| row.event.id.clone()).or((!after.is_empty()).then_some(after));
    Ok(JsonAnswer(Deliveries {
        deliveries: rows.iter().map(Delivery::from).collect(),
        next: next.map(|id| Cursor(id).text()),
    }))
}
