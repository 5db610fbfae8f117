//! `/v1/admin/mails`: what customers are mailed, and what became of it.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{Shared, device::JsonAnswer, problem::Problem},
    Caller,
    description::{ActRefusals, ReadRefusals, Refusals},
    lists::{Cursor, OnlyAside, Paged},
    once::{JsonText, Posted, once},
    products::product_id,
    webhooks::{Delivery, Replayed},
};
use crate::{
    domain::{DeliveryRow, Language, MailPolicy, MailPolicyChange, MailTerm, Mailed, Sender, rights::Act},
    service::{self, MailPolicies},
};

/// What became of one mail.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Mail)]
pub(crate) struct MailBody {
    #[serde(flatten)]
    pub(crate) delivery: Delivery,
    /// The id of the customer whom it is for.
    pub(crate) customer: Option<String>,
}

impl From<&DeliveryRow> for MailBody {
    fn from(row: &DeliveryRow) -> Self {
        let customer = row.customer.map(|customer| customer.to_string());
        Self { delivery: Delivery::from(row), customer }
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Mails {
    pub(crate) mails: Vec<MailBody>,
    /// For the next page, in `after`; there is one after the last mail too. What was being entered at the time of a
    /// call may come before it and is missed then.
    pub(crate) next: Option<String>,
}

/// What customers were mailed and are to be mailed, in the order of the events
///
/// The status is the code that the program ended with that mails.
#[utoipa::path(
    get,
    path = "/v1/admin/mails",
    operation_id = "mails",
    params(Paged, OnlyAside),
    responses((status = 200, description = "A page.", body = Mails), ReadRefusals, Refusals),
)]
pub(super) async fn mails(
    State(server): Shared,
    caller: Caller,
    paged: Paged,
    only: OnlyAside,
) -> Result<JsonAnswer<Mails>, Problem> {
    server.service.may(&caller.occasion, Act::Mails).await?;
    let after = paged.after::<String>()?.unwrap_or_default();
    let (database, most) = (server.service.database(), paged.limit()?);
    let rows = service::mails_after(database, (only.state(), &after), most, &caller.occasion).await?;
    let next = rows.last().map(|row| row.event.id.clone()).or((!after.is_empty()).then_some(after));
    Ok(JsonAnswer(Mails {
        mails: rows.iter().map(MailBody::from).collect(),
        next: next.map(|id| Cursor(id).text()),
    }))
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct MailedAgain {
    /// How many are sent once more.
    pub(crate) mails: u64,
}

/// Send mails once more
#[utoipa::path(
    post,
    path = "/v1/admin/mails/replay",
    operation_id = "replay_mails",
    params(("Idempotency-Key" = String, Header)),
    request_body = Replayed,
    responses((status = 200, description = "Done, now or before.", body = MailedAgain), ActRefusals),
)]
pub(super) async fn replay_mails(posted: Posted<Replayed>) -> Result<JsonText, Problem> {
    once(posted, Act::Mails, |call, asked: Replayed| async move {
        let (database, replay) = (call.server.service.database(), asked.replay()?);
        Ok(MailedAgain { mails: service::replay_mails(database, &replay, &call.caller.occasion).await? })
    })
    .await
}

/// What is said of mails. What is left out is not said there.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = MailPolicy)]
pub(crate) struct MailPolicyBody {
    /// From whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) from: Option<String>,
    /// Of a customer that has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) language: Option<String>,
    /// The kinds of events that customers are mailed of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) events: Option<Vec<String>>,
    /// How many days before its end a license is said to expire, for every product; 14 unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 365)]
    pub(crate) expiring_days: Option<u32>,
    /// How many days a mail may wait: one that waited longer is set aside; 7 unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 365)]
    pub(crate) wait_days: Option<u32>,
}

impl MailPolicyBody {
    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { from, language, events, expiring_days, wait_days } = self;
        from.is_none()
            && language.is_none()
            && events.is_none()
            && expiring_days.is_none()
            && wait_days.is_none()
    }
}

impl From<&MailPolicy> for MailPolicyBody {
    fn from(policy: &MailPolicy) -> Self {
        let names = |events: &Vec<Mailed>| events.iter().map(|event| event.name().to_owned()).collect();
        Self {
            from: policy.from.as_ref().map(Sender::to_string),
            language: policy.language.map(|language| language.name().to_owned()),
            events: policy.events.as_ref().map(names),
            expiring_days: policy.expiring_days,
            wait_days: policy.wait_days,
        }
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ProductMails {
    pub(crate) product: String,
    pub(crate) policy: MailPolicyBody,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = MailPolicies)]
pub(crate) struct MailPoliciesBody {
    /// For every product that does not say otherwise.
    pub(crate) policy: MailPolicyBody,
    /// By each product for itself.
    pub(crate) products: Vec<ProductMails>,
}

impl From<&MailPolicies> for MailPoliciesBody {
    fn from(policies: &MailPolicies) -> Self {
        let products = policies.products.iter();
        let products =
            products.map(|(id, policy)| ProductMails { product: id.to_string(), policy: policy.into() });
        Self { policy: (&policies.all).into(), products: products.collect() }
    }
}

/// What customers are mailed, from whom, and in which language
#[utoipa::path(
    get,
    path = "/v1/admin/mail-policies",
    operation_id = "mail_policies",
    responses((status = 200, description = "All of it.", body = MailPoliciesBody), Refusals),
)]
pub(super) async fn mail_policies(
    State(server): Shared,
    caller: Caller,
) -> Result<JsonAnswer<MailPoliciesBody>, Problem> {
    server.service.may(&caller.occasion, Act::Oneself).await?;
    let policies = service::mail_policies(server.service.database()).await?;
    Ok(JsonAnswer(MailPoliciesBody::from(&policies)))
}

/// What changes. What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedMailPolicy {
    /// The id of the product that says so for itself; for every product that does not, if it is left out.
    #[schema(nullable = false)]
    product: Option<String>,
    /// From whom, such as `Example <sales@example.com>`.
    #[schema(nullable = false)]
    from: Option<String>,
    /// Of a customer that has none: `en` or `de`.
    #[schema(nullable = false)]
    language: Option<String>,
    /// The kinds of events that customers are mailed of: these are all.
    #[schema(nullable = false)]
    events: Option<Vec<String>>,
    /// How many days before its end a license is said to expire: for every product.
    #[schema(nullable = false, minimum = 1, maximum = 365)]
    expiring_days: Option<u32>,
    /// How many days a mail may wait: one that waited longer is set aside.
    #[schema(nullable = false, minimum = 1, maximum = 365)]
    wait_days: Option<u32>,
    /// What is not said there any more: `from`, `language`, `events`, `expiring_days` or `wait_days`.
    #[serde(default)]
    unset: Vec<String>,
}

impl ChangedMailPolicy {
    fn change(&self) -> Result<MailPolicyChange, Problem> {
        let malformed = |why: &str| Problem::malformed(why);
        let from = self.from.as_deref().map(str::parse::<Sender>).transpose();
        let language = self.language.as_deref().map(str::parse::<Language>).transpose();
        let events =
            self.events.as_ref().map(|events| events.iter().map(|event| event.parse::<Mailed>()).collect());
        let unset = self.unset.iter().map(|term| term.parse::<MailTerm>()).collect::<Result<Vec<_>, _>>();
        Ok(MailPolicyChange {
            from: from.map_err(malformed)?,
            language: language.map_err(|why| malformed(&why))?,
            events: events.transpose().map_err(|why: String| malformed(&why))?,
            expiring_days: self.expiring_days,
            wait_days: self.wait_days,
            unset: unset.map_err(|why| malformed(&why))?,
        })
    }
}

/// Change what customers are mailed from now on
#[utoipa::path(
    post,
    path = "/v1/admin/mail-policies/edit",
    operation_id = "edit_mail_policy",
    params(("Idempotency-Key" = String, Header)),
    request_body = ChangedMailPolicy,
    responses((status = 200, description = "Done, now or before.", body = MailPolicyBody), ActRefusals),
)]
pub(super) async fn edit_mail_policy(posted: Posted<ChangedMailPolicy>) -> Result<JsonText, Problem> {
    once(posted, Act::Products, |call, asked: ChangedMailPolicy| async move {
        let (database, change) = (call.server.service.database(), asked.change()?);
        let product = asked.product.as_deref().map(product_id).transpose()?;
        let hand_over = |policy: &MailPolicy| call.keep_along(&MailPolicyBody::from(policy));
        let occasion = &call.caller.occasion;
        let policy =
            service::edit_mail_policy(database, product.as_ref(), &change, hand_over, occasion).await?;
        Ok(MailPolicyBody::from(&policy))
    })
    .await
}
