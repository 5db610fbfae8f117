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
    service::{self, Deactivated},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Deactivate {
    /// Why, in words that the customer will read.
    reason: String,
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
    /// What the seat is now; none if it was over already.
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
        let (handle, device) = (before.handle().to_string(), before.device_key().to_string());
        let (label, last_contact) = (before.label().to_owned(), before.contact().to_string());
        match now {
            Ok((seat, revocation)) => Self {
                handle,
                device,
                label,
                last_contact,
                state: Some(seat.state().name().to_owned()),
                error: None,
                reason: None,
                revocation: revocation.as_ref().map(Message::from),
            },
            Err(failure) => {
                let (error, reason) = (Some(failure.name()), Some(failure.message()));
                Self { handle, device, label, last_contact, state: None, error, reason, revocation: None }
            }
        }
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct DeactivatedLicense {
    pub(crate) seats: Vec<DeactivatedSeat>,
    /// How many seats of the license are still taken: those that were granted meanwhile.
    pub(crate) taken: u64,
}

impl From<&service::DeactivatedLicense> for DeactivatedLicense {
    fn from(done: &service::DeactivatedLicense) -> Self {
        Self { seats: done.seats.iter().map(DeactivatedSeat::from).collect(), taken: done.taken }
    }
}

/// Free every seat of a license
///
/// Its key activates again. A license without a seat that is taken is refused.
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
        let hand_over = |done: &service::DeactivatedLicense| call.keep_along(&DeactivatedLicense::from(done));
        let done = service.deactivate(id, &asked.reason, hand_over, occasion).await?;
        Ok(DeactivatedLicense::from(&done))
    })
    .await
}
