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
    use std::sync::{Arc, Mutex};

    use axum::{body::Body, extract::Request, http::header};
    use nodelock::Reason;
    use serde_json::json;

    use super::super::super::fixture::Authority;
    use crate::domain::rights::Role;

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
    async fn a_computer_that_was_renamed_is_shown_by_its_new_name() {
        let authority = Authority::new().await;
        let key = authority.sell(1, None).await;
        let name = Arc::new(Mutex::new("the old name"));
        let described = name.clone();
        let describe = move || vec![("computer".to_owned(), described.lock().unwrap().to_string())];
        let device = authority.client("device").describe_machine_as(describe).build().unwrap();
        let request = device.begin(&key).unwrap().to_base64url();
        let granted = authority.call("/v1/activations", json!({ "request": request })).await.json();
        device.accept(granted["license"].as_str().unwrap().as_bytes()).unwrap();
        let token = authority.signed_in(Role::Owner).await;
        let shown = async || {
            let list =
                Request::get("/v1/admin/seats").header(header::AUTHORIZATION, format!("Bearer {token}"));
            let listed = authority.administer(list.body(Body::empty()).unwrap()).await.json();
            let seat = &listed["seats"][0];
            assert_eq!(seat["label"], seat["machine"]["computer"], "{listed}");
            let field = "Content-Disposition: form-data; name=\"license_key\"";
            let form = format!("--x\r\n{field}\r\n\r\n{key}\r\n--x--\r\n");
            let page = authority.post("/seats", "multipart/form-data; boundary=x", form).await.body;
            let label = seat["label"].as_str().unwrap().to_owned();
            assert!(page.contains(&label), "{label}: {page}");
            label
        };
        assert_eq!(shown().await, "the old name");
        *name.lock().unwrap() = "the new name";
        let check_in = device.check_in_offline().unwrap().to_base64url();
        let renewed = authority.call(PATH, json!({ "request": check_in })).await.json();
        device.accept(renewed["license"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(shown().await, "the new name");
    }

    #[tokio::test]
    async fn another_message_is_no_check_in() {
        let authority = Authority::new().await;
        let (_, request) = authority.device("device", &authority.sell(1, None).await);
        let refused = authority.call(PATH, json!({ "request": request })).await;
        assert_eq!(refused.problem(), (400, "wrong-type".into()));
    }
}
