//! `POST /v1/admin/licenses/{id}/deactivate`

use axum::extract::Path;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{device::Message, problem::Problem},
    description::ActRefusals,
    once::{JsonText, Posted, once},
};
use crate::{
    domain::rights::Act,
    failure::Failure,
    service::{self, Deactivated},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Deactivate {
    /// Why, in words that the customer will read.
    reason: String,
    /// Change nothing, and tell what it would come to.
    #[serde(default)]
    dry_run: bool,
}

/// What became of one seat.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct DeactivatedSeat {
    pub(crate) handle: String,
    pub(crate) device: String,
    /// What its computer is called: its device says so itself.
    pub(crate) label: String,
    /// When its device last spoke.
    #[schema(format = "date-time")]
    pub(crate) last_contact: String,
    /// When its use ends, whether its device hears of this or not; none is never. The use of a seat that is held ended
    /// when its device gave it up.
    #[schema(format = "date-time")]
    pub(crate) runs_until: Option<String>,
    /// What the seat is now, or would be; none if it was over already.
    pub(crate) state: Option<String>,
    /// Why it stays as it is: `given-up` where its device was faster.
    pub(crate) error: Option<String>,
    /// The same in words.
    pub(crate) reason: Option<String>,
    /// For its device, should it speak up; none where that gave the seat up itself.
    pub(crate) revocation: Option<Message>,
}

impl From<&Deactivated> for DeactivatedSeat {
    fn from(Deactivated { before, now }: &Deactivated) -> Self {
        let of_now = now.as_ref().ok();
        let failure = now.as_ref().err();
        Self {
            handle: before.name.handle.to_string(),
            device: before.name.device_key.to_string(),
            label: before.label.clone(),
            last_contact: before.contact.to_string(),
            runs_until: before.until.map(|end| end.to_string()),
            state: of_now.map(|(state, _)| state.name().to_owned()),
            error: failure.map(Failure::name),
            reason: failure.map(Failure::message),
            revocation: of_now.and_then(|(_, revocation)| revocation.as_ref()).map(Message::from),
        }
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct DeactivatedLicense {
    pub(crate) seats: Vec<DeactivatedSeat>,
    /// How many seats of the license are still taken: those that were granted meanwhile, and after a dry run all.
    pub(crate) taken: u64,
    /// How many requests for approval are forgotten.
    pub(crate) requests: u64,
    /// How many rows of `/v1/admin/refusals` are forgotten.
    pub(crate) refusals: u64,
}

impl From<&service::DeactivatedLicense> for DeactivatedLicense {
    fn from(done: &service::DeactivatedLicense) -> Self {
        let service::DeactivatedLicense { seats, taken, requests, refusals } = done;
        let seats = seats.iter().map(DeactivatedSeat::from).collect();
        Self { seats, taken: *taken, requests: *requests, refusals: *refusals }
    }
}

/// Free every seat of a license
///
/// Its key activates again. What waits for approval and what was refused of the license is forgotten. A license that
/// has nothing of all this is refused.
#[utoipa::path(
    post,
    path = "/v1/admin/licenses/{id}/deactivate",
    operation_id = "deactivate",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = Deactivate,
    responses((status = 200, description = "Done, now or before.", body = DeactivatedLicense), ActRefusals),
)]
pub(super) async fn deactivate(
    Path(id): Path<String>,
    posted: Posted<Deactivate>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Release, |call, asked: Deactivate| async move {
        let id = id.parse().map_err(|_| Problem::malformed("the address holds no id of a license"))?;
        let (service, occasion) = (&call.server.service, &call.caller.occasion);
        if asked.dry_run {
            return Ok(DeactivatedLicense::from(&service.foresee_deactivation(id, occasion).await?));
        }
        let hand_over = |done: &service::DeactivatedLicense| call.keep_along(&DeactivatedLicense::from(done));
        let done = service.deactivate(id, &asked.reason, hand_over, occasion).await?;
        Ok(DeactivatedLicense::from(&done))
    })
    .await
}
