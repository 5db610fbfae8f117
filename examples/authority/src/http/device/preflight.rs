//! `POST /v1/deactivations/preflight`

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{
        Shared,
        body::Json,
        description::{MessageProblems, Seconds},
        peer::Peer,
        problem::{Details, Problem},
    },
    Ask, JsonAnswer, finish,
};
use crate::service;

#[derive(Serialize, ToSchema)]
pub(super) struct Foreseen {
    allowed: bool,
    /// Deactivations the license has left; null is without limit.
    #[schema(required, minimum = 0, format = "uint32")]
    deactivations_left: Option<u32>,
    /// Activations the license has left for whoever wants the seat afterwards; null is without limit. Where none is
    /// left, a seat that is given up is of use to nobody until the vendor grants more.
    #[schema(required, minimum = 0, format = "uint32")]
    activations_left: Option<u32>,
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
            status = 404,
            description = "This device has no such seat. Codes: `unknown-seat`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 429,
            description = "Too many about unknown seats from here. Codes: `too-many-attempts`.",
            body = Details,
            content_type = "application/problem+json",
            headers(("Retry-After" = inline(Seconds), description = "Seconds to wait.")),
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
        let foreseen = server.service.preflight(asked.request.0.into_bytes(), &peer.occasion()).await?;
        let service::Foreseen { allowed, deactivations_left, activations_left } = foreseen;
        Ok(JsonAnswer(Foreseen { allowed, deactivations_left, activations_left }))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use nodelock::{
        Reason,
        authority::{Found, LicenseKeyName, Query},
    };
    use serde_json::json;

    use super::{super::super::fixture::Authority, *};
    use crate::{
        domain::{Actor, Occasion},
        store,
    };

    const PATH: &str = "/v1/deactivations/preflight";

    #[tokio::test]
    async fn a_device_hears_whether_its_seat_would_return() {
        let authority = Authority::new().await;
        for (deactivations, foreseen) in [
            (None, json!({ "allowed": true, "deactivations_left": null, "activations_left": null })),
            (Some(2), json!({ "allowed": true, "deactivations_left": 2, "activations_left": null })),
            (Some(0), json!({ "allowed": false, "deactivations_left": 0, "activations_left": null })),
        ] {
            let name = format!("device with {deactivations:?}");
            authority.activated(&name, &authority.sell(1, deactivations).await).await;
            let ask = authority.sent(&name, |client| drop(client.deactivate(Reason::Moved)));
            assert_eq!(authority.call(PATH, ask).await.json(), foreseen);
        }
    }

    #[tokio::test]
    async fn a_device_hears_that_no_activation_is_left() {
        let authority = Authority::new().await;
        let key = authority.sell(1, None).await;
        authority.activated("device", &key).await;
        let server = authority.server();
        let database = server.service.database();
        let query = Query::LicenseOfKey(LicenseKeyName::new(&key).unwrap().hash());
        let found = store::find(&mut database.read().await.unwrap(), &query).await.unwrap();
        let Found::License(Some(license)) = found else { panic!("no license has that key") };
        let said = serde_json::from_value(json!({ "activations": 1 })).unwrap();
        let operator = Occasion { time: SystemTime::now().into(), actor: Actor::Vendor("test".into()) };
        let how = service::Changing::default();
        service::edit(database, license.terms.id, (&said, None), how, |_| Ok(()), &operator).await.unwrap();
        let ask = authority.sent("device", |client| drop(client.deactivate(Reason::Moved)));
        let foreseen = authority.call(PATH, ask).await.json();
        assert_eq!((&foreseen["allowed"], &foreseen["activations_left"]), (&json!(true), &json!(0)));
    }

    #[tokio::test]
    async fn a_stranger_does_not_learn_which_handles_are_known_and_is_limited() {
        let (authority, elsewhere) = (Authority::new().await, Authority::new().await);
        // It has a seat of another vendor, whose handle is first unknown here and then somebody else's.
        elsewhere.activated("stranger", &elsewhere.sell(1, None).await).await;
        let ask = elsewhere.sent("stranger", |client| drop(client.deactivate(Reason::Moved)));
        let unknown = authority.call(PATH, ask.clone()).await;
        assert_eq!(unknown.problem(), (404, "unknown-seat".into()));
        let key = authority.sell(1, None).await;
        let (device, request) = authority.device("device", &key);
        let granted = authority.call("/v1/activations", json!({ "request": request })).await;
        device.accept(granted.json()["license"].as_str().unwrap().as_bytes()).unwrap();
        authority.share_handle(request.as_bytes(), &elsewhere).await;
        let known = authority.call(PATH, ask.clone()).await;
        assert_eq!((known.status, known.body), (unknown.status, unknown.body));
        for _ in 2..20 {
            assert_eq!(authority.call(PATH, ask.clone()).await.problem().0, 404);
        }
        assert_eq!(authority.call(PATH, ask.clone()).await.problem(), (429, "too-many-attempts".into()));
        // Its own device is answered all the same.
        let own = authority.sent("device", |client| drop(client.deactivate(Reason::Moved)));
        assert_eq!(authority.call(PATH, own).await.status, 200);
    }

    #[tokio::test]
    async fn another_message_is_no_preflight() {
        let authority = Authority::new().await;
        let (_, request) = authority.device("device", &authority.sell(1, None).await);
        let refused = authority.call(PATH, json!({ "request": request })).await;
        assert_eq!(refused.problem(), (400, "wrong-type".into()));
    }
}
