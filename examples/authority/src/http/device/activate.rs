//! `POST /v1/activations`

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{
        Shared,
        body::Json,
        description::{MessageProblems, Seconds},
        peer::Peer,
        problem::{Details, Members, Problem},
    },
    Ask, Message, Reply, finish,
};

#[derive(Serialize, ToSchema)]
pub(super) struct Granted {
    license: Message,
    /// For the seats that came along.
    receipts: Vec<Message>,
}

/// Take a seat
///
/// Frees the seats that come along with the request, then grants one, in one transaction. Also answers recovery requests.
#[utoipa::path(
    post,
    path = "/v1/activations",
    operation_id = "activate",
    request_body = inline(Ask),
    responses(
        (status = 200, description = "Done.", body = inline(Granted)),
        (
            status = 403,
            description = "Not genuine, a recovery from another machine than the seat's, or nothing may be issued. Codes: \
                           `bad-signature`, `wrong-machine`, `license-ended`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 404,
            description = "Nobody knows that license key; or, for a recovery, this device holds no seat. `receipts` has \
                           those of the seats that came along, as it has for every refusal. Codes: `unknown-license`, \
                           `unknown-seat`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 409,
            description = "The seat cannot be had; or a recovery is dated before the request of the seat that it would \
                           free. Codes: `no-free-seat`, `wrong-request`, `outdated`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 410,
            description = "That activation is over. Codes: `cancelled`, `given-up`, `revoked`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 422,
            description = "For another product. Codes: `wrong-product`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 429,
            description = "Too many unknown license keys from here. Codes: `too-many-attempts`.",
            body = Details,
            content_type = "application/problem+json",
            headers(("Retry-After" = inline(Seconds), description = "Seconds to wait.")),
        ),
        MessageProblems,
    ),
)]
pub(super) async fn activate(
    State(server): Shared,
    Peer(peer): Peer,
    Json(asked): Json<Ask>,
) -> Result<Reply<Granted>, Problem> {
    finish(async move {
        let granted = server.service.activate(asked.request.0.into_bytes(), peer).await?;
        let receipts = granted.receipts.iter().map(Message::from).collect();
        match granted.license {
            Ok(license) => Ok(Reply(Granted { license: Message::from(&license), receipts })),
            // What came along is free all the same.
            Err(refused) => {
                Err(Problem::from(refused).with(Members { receipts: Some(receipts), ..Members::default() }))
            }
        }
    })
    .await
}
