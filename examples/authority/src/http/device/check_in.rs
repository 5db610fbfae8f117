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
    Ask, JsonAnswer, Message, finish,
};
use crate::service::CheckedIn;

/// The license, renewed, or the word that ends it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum CheckInBody {
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
        (status = 200, description = "Done.", body = inline(CheckInBody)),
        (
            status = 403,
            description = "From another machine than the seat's, or nothing may be issued. Codes: `wrong-machine`, \
                           `license-ended`, `trial-used`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 404,
            description = "This device has no such seat. Codes: `unknown-seat`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 409,
            description = "The ledger was restored, and does not know this seat or its latest license: hand in the check-in \
                           file, with the license. Or another check-in followed this one, or no seat is free. Codes: \
                           `license-wanted`, `outdated`, `no-free-seat`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        MessageProblems,
    ),
)]
pub(super) async fn check_in(
    State(server): Shared,
    peer: Peer,
    Json(asked): Json<Ask>,
) -> Result<JsonAnswer<CheckInBody>, Problem> {
    finish(async move {
        let claim = server.service.read(asked.request.0.into_bytes()).await?.check_in()?;
        Ok(JsonAnswer(match server.service.check_in(&claim, &peer.occasion()).await? {
            CheckedIn::Renewed(license) => CheckInBody::Renewed { license: Message::from(&*license) },
            CheckedIn::Revoked(revocation) => CheckInBody::Revoked { revocation: Message::from(&revocation) },
        }))
    })
    .await
}

#[cfg(test)]
mod tests {
    use nodelock::Reason;
    use serde_json::json;

    use super::super::super::fixture::Authority;

    const PATH: &str = "/v1/checkins";

    #[tokio::test]
    async fn a_check_in_is_renewed_and_its_echo_gets_the_same_license() {
        let authority = Authority::new().await;
        let device = authority.activated("device", &authority.sell(1, None).await).await;
        let check_in = authority.sent("device", |client| drop(client.check_in()));
        let renewed = authority.call(PATH, check_in.clone()).await.json();
        assert_eq!(authority.call(PATH, check_in).await.json(), renewed);
        let accepted = device.accept(renewed["license"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(accepted.license().unwrap().revision, 2);
    }

    #[tokio::test]
    async fn a_copy_from_before_its_seat_was_given_up_is_revoked() {
        let authority = Authority::new().await;
        let device = authority.activated("device", &authority.sell(1, None).await).await;
        let check_in = authority.sent("device", |client| drop(client.check_in()));
        let proof = device.deactivate_offline(Reason::Moved).unwrap().to_base64url();
        authority.call("/v1/deactivations", json!({ "proof": proof })).await.json();
        let revoked = authority.call(PATH, check_in).await.json();
        assert!(revoked["revocation"].is_string() && revoked["license"].is_null(), "{revoked}");
    }

    #[tokio::test]
    async fn another_message_is_no_check_in() {
        let authority = Authority::new().await;
        let (_, request) = authority.device("device", &authority.sell(1, None).await);
        let refused = authority.call(PATH, json!({ "request": request })).await;
        assert_eq!(refused.problem(), (400, "wrong-type".into()));
    }
}
