//! What the vendor's own people do: customers, products, accounts, tokens, deployment keys.

use axum::{body::Body, extract::Request, http::header};
use serde_json::{Value, json};

use super::{super::super::fixture::Authority, LICENSES, get, post, post_with};
use crate::domain::rights::Role;

#[tokio::test]
async fn a_customer_is_entered_once_changed_by_its_revision_and_sold_to_by_name() {
    let authority = Authority::new().await;
    let token = authority.signed_in(Role::Vendor).await;
    let body = json!({ "name": "Jane Doe", "email": "jane@example.com", "external_id": "C-1" });
    let entered = post(&authority, &token, "1", "/v1/admin/customers", body.clone()).await.json();
    assert_eq!(post(&authority, &token, "1", "/v1/admin/customers", body.clone()).await.json(), entered);
    let there = post(&authority, &token, "2", "/v1/admin/customers", body).await;
    assert_eq!(there.problem(), (409, "customer-there".into()));
    let path = format!("/v1/admin/customers/{}", entered["id"].as_str().unwrap());
    assert_eq!(get(&authority, &token, &path).await.headers["etag"], "\"1\"");
    let edit = async |key: &str, version: &str| {
        let headers = [("Idempotency-Key", key), ("If-Match", version)];
        post_with(&authority, &token, &headers, &format!("{path}/edit"), json!({ "notes": "a\nb" })).await
    };
    assert_eq!(edit("3", "\"2\"").await.problem(), (412, "superseded".into()));
    let edited = edit("4", "\"1\"").await.json();
    assert_eq!((&edited["notes"], &edited["revision"]), (&"a\nb".into(), &2.into()));
    let nameless = post(&authority, &token, "5", "/v1/admin/customers", json!({ "email": "x@y" })).await;
    assert_eq!(nameless.problem(), (400, "invalid-input".into()));
    let unknown = get(&authority, &token, "/v1/admin/customers/0000000000000001").await;
    assert_eq!(unknown.problem(), (404, "unknown-customer".into()));

    let sale = json!({ "customer": entered["id"] });
    let sold = post(&authority, &token, "6", LICENSES, sale).await.json();
    let license = format!("{LICENSES}/{}", sold["licenses"][0]["id"].as_str().unwrap());
    let license = get(&authority, &token, &license).await.json();
    assert_eq!((&license["licensee"], &license["customer"]), (&"Jane Doe".into(), &entered["id"]));
    assert_eq!(post(&authority, &token, "7", LICENSES, json!({})).await.problem(), (400, "malformed".into()));
}

#[tokio::test]
async fn nothing_is_noted_of_or_sold_to_a_customer_that_was_erased() {
    let authority = Authority::new().await;
    let token = authority.signed_in(Role::Owner).await;
    let entered =
        post(&authority, &token, "1", "/v1/admin/customers", json!({ "name": "Jane" })).await.json();
    let sold = post(&authority, &token, "2", LICENSES, json!({ "licensee": "Joe" })).await.json();
    let customer = format!("/v1/admin/customers/{}", entered["id"].as_str().unwrap());
    post(&authority, &token, "3", &format!("{customer}/erase"), json!({})).await.json();
    let erased = (409, "erased".into());
    let edit = async |key: &str, path: &str, version: &str, body| {
        let headers = [("Idempotency-Key", key), ("If-Match", version)];
        post_with(&authority, &token, &headers, &format!("{path}/edit"), body).await.problem()
    };
    assert_eq!(edit("4", &customer, "\"2\"", json!({ "notes": "a" })).await, erased);
    let license = format!("{LICENSES}/{}", sold["licenses"][0]["id"].as_str().unwrap());
    assert_eq!(edit("5", &license, "\"1\"", json!({ "customer": entered["id"] })).await, erased);
    let sale = json!({ "customer": entered["id"], "licensee": "Jane" });
    assert_eq!(post(&authority, &token, "6", LICENSES, sale).await.problem(), erased);
}

#[tokio::test]
async fn a_license_is_stopped_and_ends_as_whoever_does_it_saw_it() {
    let authority = Authority::new().await;
    let token = authority.signed_in(Role::Vendor).await;
    let sold = post(&authority, &token, "1", LICENSES, json!({ "licensee": "Joe" })).await.json();
    let license = format!("{LICENSES}/{}", sold["licenses"][0]["id"].as_str().unwrap());
    let act = async |key: &str, act: &str, version: &str| {
        let headers = [("Idempotency-Key", key), ("If-Match", version)];
        let body = if act == "void" { json!({ "reason": "refunded" }) } else { json!({}) };
        post_with(&authority, &token, &headers, &format!("{license}/{act}"), body).await
    };
    for (number, name) in (1_u32..).zip(["suspend", "resume", "void"]) {
        for strange in [number - 1, number + 1] {
            let refused =
                act(&format!("{name} {strange}").replace(' ', "-"), name, &format!("\"{strange}\"")).await;
            assert_eq!(refused.problem(), (412, "superseded".into()), "{name} {strange}");
        }
        assert_eq!(act(&format!("{name}-none"), name, "none").await.problem().0, 412);
        let etag = get(&authority, &token, &license).await.headers["etag"].clone();
        let done = act(name, name, etag.to_str().unwrap()).await;
        assert_eq!((done.status.as_u16(), &done.json()["changed"]), (200, &true.into()), "{name}");
    }
}

#[tokio::test]
async fn what_callers_write_goes_into_no_header_of_an_answer() {
    let authority = Authority::new().await;
    let vendor = authority.signed_in(Role::Vendor).await;
    let words = "a\r\nSet-Cookie: session=stolen";
    let body = json!({ "licensee": "Jane Doe", "order": words });
    let sold = post(&authority, &vendor, "1", LICENSES, body).await;
    let shown = get(&authority, &vendor, "/v1/admin/orders/a%0D%0ASet-Cookie:%20session=stolen").await;
    let customer = json!({ "name": words, "external_id": words, "email": words });
    let entered = post(&authority, &vendor, "2", "/v1/admin/customers", customer).await;
    let pasted = Request::get("/v1/admin/me").header(header::AUTHORIZATION, format!("Bearer {vendor}"));
    let pasted = pasted.header("X-Request-Id", "a session=stolen").header("Origin", "http://evil.example");
    let pasted = authority.administer(pasted.body(Body::empty()).unwrap()).await;
    for answer in [sold, shown, entered, pasted] {
        let is_theirs =
            |value: &header::HeaderValue| value.as_bytes().windows(7).any(|part| part == b"session");
        assert!(!answer.headers.values().any(is_theirs), "{:?}", answer.headers);
        // No other website reads an answer, and none has a browser send a credential.
        for name in ["set-cookie", "access-control-allow-origin"] {
            assert!(!answer.headers.contains_key(name), "{:?}", answer.headers);
        }
    }
}

#[tokio::test]
async fn a_reseller_extends_its_own_orders_and_sees_what_happened_to_its_licenses() {
    let authority = Authority::new().await;
    let reseller = authority.signed_in(Role::Reseller).await;
    let vendor = authority.signed_in(Role::Vendor).await;
    let sell = async |token: &str, order: &str| {
        let body = json!({ "licensee": "Jane Doe", "order": order, "terms": { "expires_days": 30 } });
        let sold = post(&authority, token, order, LICENSES, body).await.json();
        sold["licenses"][0]["id"].as_str().unwrap().to_owned()
    };
    let (own, other) = (sell(&reseller, "17").await, sell(&vendor, "18").await);
    let extend =
        async |key: &str, path: String| post(&authority, &reseller, key, &path, json!({ "days": 30 })).await;
    let extended = extend("a", "/v1/admin/orders/17/extend".into()).await.json();
    assert_eq!(extended["licenses"][0]["changed"], true);
    assert_eq!(extend("b", format!("{LICENSES}/{own}/extend")).await.json()["changed"], true);
    let others = extend("c", "/v1/admin/orders/18/extend".into()).await;
    assert_eq!(others.problem(), (404, "unknown-order".into()));
    let others = extend("d", format!("{LICENSES}/{other}/extend")).await;
    assert_eq!(others.problem(), (404, "unknown-license".into()));

    let events = async |token: &str, of: &str| get(&authority, token, &format!("/v1/admin/events{of}")).await;
    let support = authority.signed_in(Role::Support).await;
    for token in [&reseller, &support] {
        let page = events(token, &format!("?license={own}")).await.json();
        let types: Vec<&Value> =
            page["events"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
        assert_eq!(types, ["license.created", "license.extended", "license.extended"]);
        assert_eq!(events(token, "").await.problem(), (403, "forbidden".into()));
    }
    let others = events(&reseller, &format!("?license={other}")).await;
    assert_eq!(others.problem(), (404, "unknown-license".into()));
}

#[tokio::test]
async fn what_a_product_sells_is_changed_by_its_revision() {
    let authority = Authority::new().await;
    let token = authority.signed_in(Role::Vendor).await;
    let product = get(&authority, &token, "/v1/admin/products").await.json()["products"][0].clone();
    let path = format!("/v1/admin/products/{}", product["id"].as_str().unwrap());
    let edit = async |key: &str, version: &str, body: Value| {
        let headers = [("Idempotency-Key", key), ("If-Match", version)];
        post_with(&authority, &token, &headers, &format!("{path}/edit"), body).await
    };
    let terms = json!({ "seats": 5, "features": [{ "name": "export" }], "metadata": { "plan": "pro" } });
    let edited = edit("1", "\"1\"", json!({ "terms": terms, "keeps_keys": false })).await.json();
    assert_eq!((&edited["keeps_keys"], &edited["revision"]), (&false.into(), &3.into()));
    assert_eq!(edited["terms"]["seats"], 5);
    assert_eq!(edit("2", "\"1\"", json!({})).await.problem(), (412, "superseded".into()));
    let unset = edit("3", "\"3\"", json!({ "unset": ["seats"] })).await.json();
    assert_eq!(unset["terms"]["seats"], Value::Null);
    let policies = "/v1/admin/policies/edit";
    let etag = get(&authority, &token, "/v1/admin/policies").await.headers["etag"].clone();
    let change = async |key: &str, version: &str, days: u32| {
        let headers = [("Idempotency-Key", key), ("If-Match", version)];
        let body = json!({ "terms": { "lease_days": days } });
        post_with(&authority, &token, &headers, policies, body).await
    };
    let changed = change("4", etag.to_str().unwrap(), 7).await;
    assert_eq!(changed.json(), get(&authority, &token, "/v1/admin/policies").await.json());
    let late = change("6", etag.to_str().unwrap(), 9).await;
    assert_eq!(late.problem(), (412, "superseded".into()));
    let unbased = post(&authority, &token, "7", policies, json!({ "terms": { "lease_days": 9 } })).await;
    assert_eq!(unbased.status, 428);
    let sold = post(&authority, &token, "5", LICENSES, json!({ "licensee": "Jane Doe" })).await.json();
    let license = format!("{LICENSES}/{}", sold["licenses"][0]["id"].as_str().unwrap());
    let license = get(&authority, &token, &license).await.json();
    assert_eq!((&license["lease_days"], &license["metadata"]), (&7.into(), &json!({ "plan": "pro" })));
}

#[tokio::test]
async fn a_product_gives_trials_of_a_license_and_one_is_extended_once_for_each_key() {
    let authority = Authority::new().await;
    let token = authority.signed_in(Role::Vendor).await;
    let product = get(&authority, &token, "/v1/admin/products").await.json()["products"][0].clone();
    assert_eq!(product["trial_license"], Value::Null);
    let sale = json!({ "licensee": "Trials", "terms": { "trial_days": 14, "seats": 9 } });
    let sold = post(&authority, &token, "1", LICENSES, sale).await.json();
    let (id, key) = (&sold["licenses"][0]["id"], sold["licenses"][0]["key"].as_str().unwrap());
    let license = format!("{LICENSES}/{}", id.as_str().unwrap());
    assert_eq!(get(&authority, &token, &license).await.json()["trial_days"], 14);
    let path = format!("/v1/admin/products/{}/edit", product["id"].as_str().unwrap());
    let edit = async |key: &str, version: &str, license: &Value| {
        let headers = [("Idempotency-Key", key), ("If-Match", version)];
        post_with(&authority, &token, &headers, &path, json!({ "trial_license": license })).await
    };
    let edited = edit("2", "\"1\"", id).await.json();
    assert_eq!((&edited["trial_license"], &edited["revision"]), (id, &2.into()));
    assert_eq!(edit("3", "\"2\"", &"no id".into()).await.problem(), (400, "malformed".into()));
    assert_eq!(edit("4", "\"2\"", &Value::Null).await.json()["trial_license"], Value::Null);

    authority.activated("one", key).await;
    let seat = get(&authority, &token, "/v1/admin/seats").await.json()["seats"][0].clone();
    let extend = format!("/v1/admin/seats/{}/extend-trial", seat["handle"].as_str().unwrap());
    let extended = post(&authority, &token, "5", &extend, json!({ "days": 7 })).await.json();
    assert_eq!(post(&authority, &token, "5", &extend, json!({ "days": 7 })).await.json(), extended);
    let again = post(&authority, &token, "6", &extend, json!({ "until": extended["until"] })).await;
    assert_eq!(again.json(), extended);
    let refused = post(&authority, &token, "7", &extend, json!({})).await;
    assert_eq!(refused.problem(), (400, "malformed".into()));
}

#[tokio::test]
async fn an_owner_makes_accounts_tokens_and_deployment_keys_and_ends_them() {
    let authority = Authority::new().await;
    let owner = authority.signed_in(Role::Owner).await;
    let accounts = "/v1/admin/accounts";
    let jane = json!({ "name": "jane", "role": "support", "password": "correct horse battery" });
    let made = post(&authority, &owner, "1", accounts, jane.clone()).await.json();
    assert!(made["secret"].is_string() && made["recovery_codes"].as_array().unwrap().len() == 10);
    assert_eq!(post(&authority, &owner, "2", accounts, jane).await.problem(), (409, "account-exists".into()));
    let change = async |key: &str, what: &str, body: Value| {
        post(&authority, &owner, key, &format!("{accounts}/jane/{what}"), body).await
    };
    assert_eq!(change("3", "role", json!({ "role": "auditor" })).await.json()["changed"], true);
    assert_eq!(change("4", "role", json!({ "role": "king" })).await.problem().0, 400);
    assert_eq!(change("5", "password", json!({ "password": "short" })).await.problem().0, 400);
    assert_ne!(change("6", "totp", json!({})).await.json()["secret"], made["secret"]);
    assert_eq!(change("7", "disable", json!({})).await.json()["changed"], true);
    let listed = get(&authority, &owner, accounts).await.json()["accounts"][0].clone();
    assert_eq!((&listed["name"], &listed["role"]), (&"jane".into(), &"auditor".into()));
    assert!(listed["disabled"].is_string());
    assert_eq!(change("8", "enable", json!({})).await.json()["changed"], true);
    // No secret of theirs is in any list.
    assert!(!get(&authority, &owner, accounts).await.body.contains("argon"));

    let tokens = "/v1/admin/tokens";
    let new = json!({ "name": "shop", "scopes": ["licenses:write", "licenses:read"] });
    let token = post(&authority, &owner, "9", tokens, new).await.json();
    let secret = token["secret"].as_str().unwrap();
    let sold = post(&authority, secret, "s", LICENSES, json!({ "licensee": "Jane Doe" })).await.json();
    let body = get(&authority, &owner, tokens).await.body;
    assert!(!body.contains(secret) && body.contains("licenses:write"));
    let keys = "/v1/admin/deployment-keys";
    let new = json!({ "name": "CI", "license": sold["licenses"][0]["id"], "limit": 2 });
    let key = post(&authority, &owner, "10", keys, new).await.json();
    let listed = get(&authority, &owner, keys).await.json()["deployment_keys"][0].clone();
    assert_eq!((&listed["id"], &listed["limit"], &listed["used"]), (&key["id"], &2.into(), &0.into()));
    // Each kind is revoked at its own place.
    let revoke = async |key: &str, of: &str, id: &Value| {
        post(&authority, &owner, key, &format!("{of}/{}/revoke", id.as_str().unwrap()), json!({})).await
    };
    assert_eq!(revoke("11", keys, &token["id"]).await.problem(), (404, "unknown-credential".into()));
    assert_eq!(revoke("12", tokens, &token["id"]).await.json()["changed"], true);
    assert_eq!(revoke("13", keys, &key["id"]).await.json()["changed"], true);
    assert_eq!(get(&authority, secret, LICENSES).await.problem(), (401, "unauthenticated".into()));
    for wrong in [
        json!({ "name": "x", "scopes": [] }),
        json!({ "name": "x", "scopes": ["all"] }),
        json!({ "name": "", "scopes": ["licenses:read"] }),
    ] {
        let refused = post(&authority, &owner, &wrong.to_string().replace(' ', ""), tokens, wrong).await;
        assert_eq!(refused.problem(), (400, "malformed".into()));
    }
}
