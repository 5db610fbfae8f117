use axum::{
    body::Body,
    extract::Request,
    http::{StatusCode, header},
};
use serde_json::{Value, json};
use tokio::join;

use crate::{
    domain::rights::{Role, Scope},
    http::fixture::Authority,
};

const LICENSES: &str = "/v1/admin/licenses";
const CUSTOMERS: &str = "/v1/admin/customers";

fn call(token: &str, key: &str, path: &str, body: &Value) -> Request {
    call_on("\"1\"", token, key, path, body)
}

/// The same based on that version.
fn call_on(version: &str, token: &str, key: &str, path: &str, body: &Value) -> Request {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header("Idempotency-Key", key)
        .header(header::IF_MATCH, version);
    request.body(Body::from(body.to_string())).unwrap()
}

/// The answer is kept with what the call does: whoever asks at the same time finds the one or neither.
#[tokio::test]
async fn a_call_that_is_made_twice_at_once_is_done_once_and_answered_the_same() {
    let authority = Authority::new().await;
    let token = authority.signed_in(Role::Owner).await;
    let sold = authority.administer(call(&token, "sale", LICENSES, &json!({ "licensee": "Jane Doe" }))).await;
    let sold = sold.json()["licenses"][0].clone();
    let license = format!("{LICENSES}/{}", sold["id"].as_str().unwrap());
    let device = authority.activated("device", sold["key"].as_str().unwrap()).await;
    let handle = device.check().unwrap().license().unwrap().handle;
    let key = sold["key"].as_str().unwrap().to_owned();
    let customer =
        authority.administer(call(&token, "buyer", CUSTOMERS, &json!({ "name": "Jane Doe" }))).await;
    let customer = customer.json()["id"].as_str().unwrap().to_owned();
    let products =
        Request::get("/v1/admin/products").header(header::AUTHORIZATION, format!("Bearer {token}"));
    let policies =
        Request::get("/v1/admin/policies").header(header::AUTHORIZATION, format!("Bearer {token}"));
    let policies = authority.administer(policies.body(Body::empty()).unwrap()).await;
    let policies = policies.headers[header::ETAG].to_str().unwrap().to_owned();
    let products = authority.administer(products.body(Body::empty()).unwrap()).await.json();
    let product = products["products"][0]["id"].as_str().unwrap().to_owned();
    let person = json!({ "name": "joe", "role": "support", "password": "a long password" });
    for (path, body) in [
        ("/v1/admin/accounts".to_owned(), person),
        ("/v1/admin/accounts/joe/totp".to_owned(), json!({})),
        ("/v1/admin/tokens".to_owned(), json!({ "name": "shop", "scopes": ["licenses:read"] })),
        (
            "/v1/admin/deployment-keys".to_owned(),
            json!({ "name": "image", "license": sold["id"], "limit": 1 }),
        ),
        (
            format!("/v1/admin/products/{product}/edit"),
            json!({ "terms": { "seats": 7 }, "keeps_keys": false }),
        ),
        ("/v1/admin/policies/edit".to_owned(), json!({ "terms": { "seats": 9 } })),
        (format!("{CUSTOMERS}/{customer}/edit"), json!({ "name": "Jane Roe" })),
        (format!("{license}/edit"), json!({ "terms": { "seats": 5 } })),
        (format!("{license}/suspend"), json!({})),
        (format!("{license}/resume"), json!({})),
        (format!("{license}/keys/{}/revoke", &key[key.len() - 5..]), json!({})),
        (format!("/v1/admin/seats/{handle}/release"), json!({ "reason": "stolen" })),
    ] {
        // An edit made the license's second version, and its suspension the third.
        let version = match &*path {
            path if path.contains("policies") => &*policies,
            path if path.ends_with("/suspend") => "\"2\"",
            path if path.ends_with("/resume") => "\"3\"",
            _ => "\"1\"",
        };
        let twice = || authority.administer(call_on(version, &token, &path, &path, &body));
        let (one, two) = join!(twice(), twice());
        assert_eq!((one.status, two.status), (StatusCode::OK, StatusCode::OK), "{path}: {}", two.body);
        assert_eq!(one.body, two.body, "{path}");
        assert_eq!(twice().await.body, one.body, "{path}");
    }
    let audit =
        Request::get("/v1/admin/audit?limit=500").header(header::AUTHORIZATION, format!("Bearer {token}"));
    let audit = authority.administer(audit.body(Body::empty()).unwrap()).await.json();
    for action in [
        "account-created",
        "account-changed",
        "token-created",
        "deployment-key-created",
        "product-edited",
        "policies-edited",
        "customer-edited",
        "license-edited",
        "license-suspended",
        "license-resumed",
        "license-key-revoked",
        "released",
    ] {
        let lines = audit["lines"].as_array().unwrap().iter().filter(|line| line["action"] == action);
        assert_eq!(lines.count(), 1, "{action}");
    }
}

#[tokio::test]
async fn whoever_may_only_write_is_answered_what_was_written() {
    let authority = Authority::new().await;
    let token = authority.token(&[Scope::LicensesWrite]).await;
    let sold = authority.administer(call(&token, "sale", LICENSES, &json!({ "licensee": "Jane Doe" }))).await;
    let license = format!("{LICENSES}/{}", sold.json()["licenses"][0]["id"].as_str().unwrap());
    let edited = authority
        .administer(call(&token, "edit", &format!("{license}/edit"), &json!({ "terms": { "seats": 5 } })))
        .await;
    let seen = edited.json();
    assert_eq!((&seen["license"]["seats"]["total"], &seen["license"]["version"]), (&5.into(), &2.into()));
    // What changes nothing is kept as well.
    let same = call_on("\"2\"", &token, "same", &format!("{license}/resume"), &json!({}));
    let same = authority.administer(same).await.json();
    assert_eq!((&same["suspended"], &same["changed"]), (&false.into(), &false.into()));
}

#[tokio::test]
async fn another_query_is_another_call() {
    let authority = Authority::new().await;
    let token = authority.token(&[Scope::LicensesWrite]).await;
    let sold = json!({ "licensee": "Jane Doe", "order": "17" });
    assert_eq!(authority.administer(call(&token, "sale", LICENSES, &sold)).await.status, 200);
    let void = |query| {
        let path = format!("/v1/admin/orders/17/void{query}");
        authority.administer(call(&token, "void", &path, &json!({ "reason": "refunded" })))
    };
    let first = void("?seller=").await;
    assert_eq!((first.status, void("?seller=").await.body), (StatusCode::OK, first.body.clone()));
    for other in ["", "?seller=b", "?seller=&product=other"] {
        assert_eq!(void(other).await.problem().1, "key-reused", "{other}");
    }
}
