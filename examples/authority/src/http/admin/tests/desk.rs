//! What the vendor's people take in for customers.

use nodelock::{
    Reason,
    code::{DeactivationCode, Handle, ReleaseSecret},
};
use serde_json::{Value, json};

use super::{super::super::fixture::Authority, get, post};
use crate::domain::rights::{Role, Scope};

const REDEEM: &str = "/v1/admin/redeem";
const CHECK_INS: &str = "/v1/admin/check-ins";
const ACTIVATIONS: &str = "/v1/admin/activations";

#[tokio::test]
async fn staff_answer_the_files_of_a_device_without_a_network() {
    let authority = Authority::new().await;
    let support = authority.signed_in(Role::Support).await;
    let (device, request) = authority.device("device", &authority.sell(1, Some(1)).await);
    let body = json!({ "request": request });
    let granted = post(&authority, &support, "1", ACTIVATIONS, body.clone()).await.json();
    assert_eq!(post(&authority, &support, "1", ACTIVATIONS, body).await.json(), granted);
    device.accept(granted["license"].as_str().unwrap().as_bytes()).unwrap();
    let check_in = json!({ "request": device.check_in_offline().unwrap().to_base64url() });
    let renewed = post(&authority, &support, "2", CHECK_INS, check_in.clone()).await.json();
    assert_eq!(post(&authority, &support, "2", CHECK_INS, check_in).await.json(), renewed);
    let accepted = device.accept(renewed["license"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(accepted.license().unwrap().revision, 2);

    let proof = json!({ "input": device.deactivate_offline(Reason::Moved).unwrap().to_text() });
    let freed = post(&authority, &support, "3", REDEEM, proof.clone()).await.json();
    assert_eq!((&freed["outcome"], &freed["deactivations_left"]), (&"freed".into(), &0.into()));
    assert_eq!(post(&authority, &support, "3", REDEEM, proof.clone()).await.json(), freed);
    let again = post(&authority, &support, "4", REDEEM, proof).await.json();
    assert_eq!(again["outcome"], "already-freed");
    device.accept(freed["receipt"].as_str().unwrap().as_bytes()).unwrap();
    assert!(device.outstanding().unwrap().is_empty());

    let owner = authority.signed_in(Role::Owner).await;
    let lines = get(&authority, &owner, "/v1/admin/audit").await.json();
    let by = |action: &str| -> Vec<Value> {
        let lines = lines["lines"].as_array().unwrap().iter();
        lines.filter(|line| line["action"] == action).map(|line| line["actor"].clone()).collect()
    };
    for action in ["granted", "checked-in", "returned"] {
        assert_eq!(by(action), ["account:support"], "{action}: {lines}");
    }
}

#[tokio::test]
async fn staff_redeem_codes_without_the_limits_of_strangers() {
    let authority = Authority::new().await;
    let token = authority.token(&[Scope::SeatsWrite]).await;
    let device = authority.activated("device", &authority.sell(1, None).await).await;
    // A stranger has ten attempts within a quarter of an hour.
    for n in 0..12 {
        let code = DeactivationCode::new(Handle::new(n).unwrap(), ReleaseSecret::from_random([1; 8]));
        let body = json!({ "input": code.to_string() });
        let kept = post(&authority, &token, &n.to_string(), REDEEM, body).await;
        assert_eq!(kept.problem(), (404, "unknown-seat".into()));
        assert_eq!(kept.json()["kept"], true);
    }
    let unreadable = post(&authority, &token, "unreadable", REDEEM, json!({ "input": "no code" })).await;
    assert_eq!(unreadable.problem(), (422, "unreadable-code".into()));
    let given_up = device.deactivate_offline(Reason::Moved).unwrap();
    let body = json!({ "input": given_up.code().to_string() });
    let freed = post(&authority, &token, "code", REDEEM, body).await.json();
    assert_eq!(freed["outcome"], "freed");
    device.accept(freed["receipt"].as_str().unwrap().as_bytes()).unwrap();
}

#[tokio::test]
async fn a_request_without_a_key_takes_a_seat_of_the_license_that_staff_choose() {
    let authority = Authority::new().await;
    let owner = authority.signed_in(Role::Owner).await;
    authority.sell(1, None).await;
    let license = get(&authority, &owner, "/v1/admin/licenses").await.json()["licenses"][0]["id"].clone();
    let request = authority.request_without_key("device");
    let unknown = post(&authority, &owner, "1", ACTIVATIONS, json!({ "request": request })).await;
    assert_eq!(unknown.problem(), (404, "unknown-license".into()));
    let body = json!({ "request": request, "license": license });
    assert!(post(&authority, &owner, "2", ACTIVATIONS, body).await.json()["license"].is_string());
    let (_, request) = authority.device("other", &authority.sell(1, None).await);
    let both = post(&authority, &owner, "3", ACTIVATIONS, json!({ "request": request, "license": license }));
    assert_eq!(both.await.problem(), (400, "malformed".into()));
}
