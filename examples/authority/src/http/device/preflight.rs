//! `POST /v1/deactivations/preflight`

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
    Ask, JsonAnswer, finish,
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
    peer: Peer,
    Json(asked): Json<Ask>,
) -> Result<JsonAnswer<Foreseen>, Problem> {
    finish(async move {
        let deactivations_left =
            server.service.preflight(asked.request.0.into_bytes(), &peer.occasion()).await?;
        Ok(JsonAnswer(Foreseen { allowed: deactivations_left != Some(0), deactivations_left }))
    })
    .await
}

#[cfg(test)]
mod tests {
    use nodelock::Reason;
    use serde_json::json;

    use super::super::super::fixture::Authority;

    const PATH: &str = "/v1/deactivations/preflight";

    #[tokio::test]
    async fn a_device_hears_whether_its_seat_would_return() {
        let authority = Authority::new().await;
        for (deactivations, foreseen) in [
            (None, json!({ "allowed": true, "deactivations_left": null })),
            (Some(2), json!({ "allowed": true, "deactivations_left": 2 })),
            (Some(0), json!({ "allowed": false, "deactivations_left": 0 })),
        ] {
            let name = format!("device with {deactivations:?}");
            authority.activated(&name, &authority.sell(1, deactivations).await).await;
            let ask = authority.sent(&name, |client| drop(client.deactivate(Reason::Moved)));
            assert_eq!(authority.call(PATH, ask).await.json(), foreseen);
        }
    }

    #[tokio::test]
    async fn another_message_is_no_preflight() {
        let authority = Authority::new().await;
        let (_, request) = authority.device("device", &authority.sell(1, None).await);
        let refused = authority.call(PATH, json!({ "request": request })).await;
        assert_eq!(refused.problem(), (400, "wrong-type".into()));
    }
}
