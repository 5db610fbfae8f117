//! `/v1/admin/retention`: for how many days what is personal is kept.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{Shared, device::JsonAnswer, problem::Problem},
    Caller,
    description::{ActRefusals, Refusals},
    once::{JsonText, Posted, once},
};
use crate::{
    domain::{Retention, RetentionChange, rights::Act},
    service,
};

/// The days for which each kind is kept.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Retention)]
pub(crate) struct RetentionBody {
    /// Addresses and persons in the audit, whose lines stay.
    pub(crate) audit_days: u32,
    /// Proofs and codes for seats that nobody has asked for.
    pub(crate) evidence_days: u32,
    /// The digests of the check-ins of a seat, after its end.
    pub(crate) check_in_days: u32,
    /// What devices were refused.
    pub(crate) refusal_days: u32,
}

impl From<&Retention> for RetentionBody {
    fn from(retention: &Retention) -> Self {
        let Retention { audit_days, evidence_days, check_in_days, refusal_days } = *retention;
        Self { audit_days, evidence_days, check_in_days, refusal_days }
    }
}

/// For how many days what is personal is kept
#[utoipa::path(
    get,
    path = "/v1/admin/retention",
    operation_id = "retention",
    responses((status = 200, description = "It.", body = RetentionBody), Refusals),
)]
pub(super) async fn retention(
    State(server): Shared,
    caller: Caller,
) -> Result<JsonAnswer<RetentionBody>, Problem> {
    server.service.may(&caller.occasion, Act::Oneself).await?;
    let retention = service::retention(server.service.database()).await?;
    Ok(JsonAnswer(RetentionBody::from(&retention)))
}

/// What changes. What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedRetention {
    /// Addresses and persons in the audit, whose lines stay: 1 to 36,500.
    #[schema(minimum = 1, maximum = 36_500, nullable = false)]
    audit_days: Option<u32>,
    /// Proofs and codes for seats that nobody has asked for: 30 to 730.
    #[schema(minimum = 30, maximum = 730, nullable = false)]
    evidence_days: Option<u32>,
    /// The digests of the check-ins of a seat, after its end: 30 to 36,500.
    #[schema(minimum = 30, maximum = 36_500, nullable = false)]
    check_in_days: Option<u32>,
    /// What devices were refused: 1 to 36,500.
    #[schema(minimum = 1, maximum = 36_500, nullable = false)]
    refusal_days: Option<u32>,
}

impl From<&ChangedRetention> for RetentionChange {
    fn from(changed: &ChangedRetention) -> Self {
        let ChangedRetention { audit_days, evidence_days, check_in_days, refusal_days } = *changed;
        Self { audit_days, evidence_days, check_in_days, refusal_days }
    }
}

/// Change for how many days what is personal is kept
///
/// What is too old by then goes within a day.
#[utoipa::path(
    post,
    path = "/v1/admin/retention/edit",
    operation_id = "edit_retention",
    params(("Idempotency-Key" = String, Header)),
    request_body = ChangedRetention,
    responses((status = 200, description = "Done, now or before.", body = RetentionBody), ActRefusals),
)]
pub(super) async fn edit_retention(posted: Posted<ChangedRetention>) -> Result<JsonText, Problem> {
    once(posted, Act::Erase, |call, asked: ChangedRetention| async move {
        let hand_over = |retention: &Retention| call.keep_along(&RetentionBody::from(retention));
        let (database, occasion) = (call.server.service.database(), &call.caller.occasion);
        let retention = service::edit_retention(database, (&asked).into(), hand_over, occasion).await?;
        Ok(RetentionBody::from(&retention))
    })
    .await
}
