//! `POST /v1/deactivations/preflight`

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{
        Shared,
        body::Json,
        description::MessageProblems,
        problem::{Details, Problem},
    },
    Ask, Reply, finish,
};

#[derive(Serialize, ToSchema)]
pub(super) struct Foreseen {
    allowed: bool,
    /// Deactivations the license has left; null is without limit.
    #[schema(required, minimum = 0, format = "uint32")]
    deactivations_left: Option<u32>,
}

/// Ask before giving a seat up
///
/// Says whether the seat would return to the pool. Changes nothing.
#[utoipa::path(
    post,
    path = "/v1/deactivations/preflight",
    operation_id = "preflight",
    request_body = inline(Ask),
    responses(
        (status = 200, description = "Done.", body = inline(Foreseen)),
        (
            status = 403,
            description = "Signed by another device. Codes: `bad-signature`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 404,
            description = "No such seat. Codes: `unknown-seat`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        MessageProblems,
    ),
)]
pub(super) async fn preflight(
    State(server): Shared,
    Json(asked): Json<Ask>,
) -> Result<Reply<Foreseen>, Problem> {
    finish(async move {
        let deactivations_left = server.service.preflight(asked.request.0).await?;
        Ok(Reply(Foreseen { allowed: deactivations_left != Some(0), deactivations_left }))
    })
    .await
}
