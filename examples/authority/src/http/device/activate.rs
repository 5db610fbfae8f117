//! `POST /v1/activations`

use axum::{
    extract::State,
    http::{HeaderMap, header},
};
use nodelock::ErrorKind;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{
        Shared, bearer,
        body::Json,
        description::{MessageProblems, Seconds},
        peer::Peer,
        problem::{Details, Members, Problem},
    },
    Ask, JsonAnswer, Message, finish,
};
use crate::{
    domain::Occasion,
    failure::Failure,
    service::{Activated, Service},
};

#[derive(Serialize, ToSchema)]
pub(super) struct Granted {
    license: Message,
    /// For the seats that came along.
    receipts: Vec<Message>,
}

/// Take a seat
///
/// Frees the seats that come along with the request, then grants one, in one transaction. Also answers recovery
/// requests.
///
/// A machine that is installed unattended may bring a deployment key in place of a license key, in the header
/// `Authorization: Bearer`. With neither, a request gets a trial where its product gives some.
#[utoipa::path(
    post,
    path = "/v1/activations",
    operation_id = "activate",
    request_body = inline(Ask),
    responses(
        (status = 200, description = "Done.", body = inline(Granted)),
        (
            status = 401,
            description = "What the header `Authorization` names is no deployment key, or one that has ended or was \
                           revoked. Codes: `deployment-key-refused`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 403,
            description = "Not genuine, a recovery from another machine than the seat's, or nothing may be issued: \
                           the vendor refused the request, or the machine has had its trial, say. Codes: `bad-signature`, `wrong-machine`, `license-ended`, `request-refused`, `trial-used`, `deployment-key-used-up`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 404,
            description = "Nobody knows that license key; or, for a recovery, this device holds no seat. `receipts` \
                           has those of the seats that came along, as it has for every refusal. Codes: \
                           `unknown-license`, `unknown-seat`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 409,
            description = "The seat cannot be had, or not before the vendor has approved the request; the request is more than five years old; or a recovery is dated before \
                           the request of the seat that it would free. Codes: `no-free-seat`, `no-activation-left`, `approval-wanted`, `crowded-handle`, `wrong-request`, `outdated`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 410,
            description = "That activation is over. Codes: `request-cancelled`, `given-up`, `revoked`.",
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
            description = "Too many unknown license keys from here, and this is one; or very many refused requests with this \
                           key. Codes: `too-many-attempts`.",
            body = Details,
            content_type = "application/problem+json",
            headers(("Retry-After" = inline(Seconds), description = "Seconds to wait.")),
        ),
        MessageProblems,
    ),
)]
pub(super) async fn activate(
    State(server): Shared,
    peer: Peer,
    headers: HeaderMap,
    Json(asked): Json<Ask>,
) -> Result<JsonAnswer<Granted>, Problem> {
    finish(async move {
        let (service, stranger) = (&server.service, peer.occasion());
        let file = service.read(asked.request.0.into_bytes()).await?.activation()?;
        let granted = match asker(service, &headers, &peer).await {
            Ok(occasion) => {
                let assigned = occasion.deployed_license();
                if assigned.is_some() && !file.request().license_key.is_empty() {
                    return Err(Problem::malformed("a request with a deployment key names no license key"));
                }
                service.activate(file.clone(), assigned, &occasion).await.map_err(for_device)
            }
            Err(refused) => Err(refused),
        };
        let granted = match granted {
            Err(refused) if headers.contains_key(header::AUTHORIZATION) && is_of_credential(&refused) => {
                let receipts = service.hand_in(&file, &stranger).await?;
                Activated { license: Err(refused), receipts }
            }
            granted => granted?,
        };
        let receipts = granted.receipts.iter().map(Message::from).collect();
        match granted.license {
            Ok(license) => Ok(JsonAnswer(Granted { license: Message::from(&license), receipts })),
            // What came along is free all the same.
            Err(refused) => {
                Err(Problem::from(refused).with(Members { receipts: Some(receipts), ..Members::default() }))
            }
        }
    })
    .await
}

/// Who asks: the bearer of the deployment key that came along, or anybody.
async fn asker(service: &Service, headers: &HeaderMap, peer: &Peer) -> Result<Occasion, Failure> {
    let stranger = peer.occasion();
    if !headers.contains_key(header::AUTHORIZATION) {
        return Ok(stranger);
    }
    // A header that is none counts as a guess, too.
    let key = bearer::token(headers).unwrap_or_default();
    service.authenticate_device(&key, peer.0, stranger.time).await
}

/// Whether it is the credential that was refused: the request is not looked at then, and the seats that came along are
/// free all the same. A peer that had too many of them refused is not looked at at all.
fn is_of_credential(failure: &Failure) -> bool {
    matches!(failure, Failure::Rule(error) if error.kind() == ErrorKind::DeploymentKeyRefused)
}

/// To a device, a token that takes no seats is a deployment key that is none.
fn for_device(failure: Failure) -> Failure {
    match failure {
        Failure::Forbidden(_) => {
            let why = "that is no deployment key, and what it is for takes no seats";
            Failure::rule(ErrorKind::DeploymentKeyRefused, why)
        }
        failure => failure,
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::Request;
    use nodelock::{ActivationRequestOptions, Reason};
    use serde_json::json;

    use super::{super::super::fixture::Authority, header};

    const PATH: &str = "/v1/activations";

    #[tokio::test]
    async fn the_same_request_again_gets_the_same_license() {
        let authority = Authority::new().await;
        let (client, request) = authority.device("device", &authority.sell(1, None).await);
        let granted = authority.call(PATH, json!({ "request": request })).await;
        assert_eq!(granted.headers["content-type"], "application/json");
        assert_eq!(granted.headers["cache-control"], "no-store");
        assert_eq!(granted.json()["receipts"], json!([]));
        assert_eq!(authority.call(PATH, json!({ "request": request })).await.json(), granted.json());
        let accepted = client.accept(granted.json()["license"].as_str().unwrap().as_bytes()).unwrap();
        assert!(accepted.status().is_usable());
    }

    #[tokio::test]
    async fn a_refusal_brings_the_receipts_of_the_seats_that_came_along() {
        let authority = Authority::new().await;
        let (one, other) = (authority.sell(1, None).await, authority.sell(1, None).await);
        authority.activated("holder", &other).await;
        let device = authority.activated("device", &one).await;
        device.deactivate_offline(Reason::Moved).unwrap();
        let request = device.begin(&other).unwrap().to_base64url();
        let refused = authority.call(PATH, json!({ "request": request })).await;
        assert_eq!(refused.problem(), (409, "no-free-seat".into()));
        assert_eq!(refused.json()["receipts"].as_array().unwrap().len(), 1);
        let seats = &refused.json()["seats"];
        assert_eq!(seats[0]["lapses"], refused.json()["next_lapse"]);
        assert_eq!((seats.as_array().unwrap().len(), &seats[0]["label"]), (1, &json!("")));
    }

    /// Its machine has lost the license already, and another one waits for the seat.
    #[tokio::test]
    async fn a_seat_is_free_whose_proof_came_with_a_deployment_key_that_is_refused() {
        let authority = Authority::new().await;
        let key = authority.sell(9, None).await;
        let (used_up, token) = (authority.deployment_key(&key, 1).await, authority.token(&[]).await);
        let ask = async |secret: &str, request: String| {
            let request = Request::post(PATH)
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::AUTHORIZATION, format!("Bearer {secret}"))
                .body(json!({ "request": request }).to_string().into());
            authority.ask(request.unwrap()).await
        };
        let first = authority.request_without_key("first");
        assert_eq!(ask(&used_up, first).await.status, 200);
        let refused_key = (401, "deployment-key-refused");
        let refusals = [
            (&*used_up, (403, "deployment-key-used-up")),
            (&*token, refused_key),
            ("nld_nobodys", refused_key),
            ("", refused_key),
        ];
        for (number, (secret, expected)) in refusals.into_iter().enumerate() {
            let device = authority.activated(&format!("device {number}"), &key).await;
            device.deactivate_offline(Reason::Moved).unwrap();
            let request = device.begin(ActivationRequestOptions::new()).unwrap().to_base64url();
            let refused = ask(secret, request.clone()).await;
            assert_eq!(refused.problem(), (expected.0, expected.1.into()), "{secret}");
            let receipts = refused.json()["receipts"].clone();
            device.accept(receipts[0].as_str().unwrap().as_bytes()).unwrap();
            assert_eq!(device.check().unwrap().outstanding(), 0);
            let again = ask(secret, request).await;
            assert_eq!((again.problem().0, &again.json()["receipts"]), (expected.0, &receipts), "{secret}");
        }
    }

    #[tokio::test]
    async fn unknown_license_keys_are_limited_for_each_peer() {
        let authority = Authority::new().await;
        let nobodys = nodelock::code::LicenseKey::from_random([5; 12]).to_string();
        let (_, request) = authority.device("device", &nobodys);
        for _ in 0..20 {
            let refused = authority.call(PATH, json!({ "request": request })).await;
            assert_eq!(refused.problem(), (404, "unknown-license".into()));
        }
        let limited = authority.call(PATH, json!({ "request": request })).await;
        assert_eq!(limited.problem(), (429, "too-many-attempts".into()));
        let wait: u64 = limited.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=15 * 60).contains(&wait), "{wait}");
    }
}
