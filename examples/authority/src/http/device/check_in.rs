//! `POST /v1/checkins`

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{
        Shared,
        body::Json,
        description::MessageProblems,
        peer::Peer,
        problem::{Details, Problem},
    },
    Ask, Message, Reply, finish,
};
use crate::store::CheckedIn;

/// The license, renewed, or the word that ends it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Answer {
    Renewed { license: Message },
    Revoked { revocation: Message },
}

/// Renew a license
///
/// Renews the license and the machine's fingerprint, or says that the vendor released the seat.
#[utoipa::path(
    post,
    path = "/v1/checkins",
    operation_id = "check_in",
    request_body = inline(Ask),
    responses(
        (status = 200, description = "Done.", body = inline(Answer)),
        (
            status = 403,
            description = "Signed by another device, from another machine than the seat's, or nothing may be issued. Codes: \
                           `bad-signature`, `wrong-machine`, `license-ended`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 404,
            description = "No such seat. Codes: `unknown-seat`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 410,
            description = "The seat was given up. Codes: `given-up`, `revoked`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        MessageProblems,
    ),
)]
pub(super) async fn check_in(
    State(server): Shared,
    Peer(peer): Peer,
    Json(asked): Json<Ask>,
) -> Result<Reply<Answer>, Problem> {
    finish(async move {
        Ok(Reply(match server.service.check_in(asked.request.0, peer).await? {
            CheckedIn::Renewed(license) => Answer::Renewed { license: Message::from(&*license) },
            CheckedIn::Revoked(revocation) => Answer::Revoked { revocation: Message::from(&revocation) },
        }))
    })
    .await
}
