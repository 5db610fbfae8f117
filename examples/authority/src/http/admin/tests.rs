//! What holds for every call.

use std::collections::BTreeMap;

use axum::{body::Body, extract::Request, http::header};
use serde_json::{Value, json};

use super::{super::fixture::Authority, calls};
use crate::domain::rights::{Act, Role, Scope};

/// What each call asks for; none for what strangers may call too.
const CALLS: [(&str, Option<Act>); 4] = [
    ("admin_openapi", None),
    ("me", Some(Act::Oneself)),
    ("sign_in", None),
    ("sign_out", Some(Act::Oneself)),
];

/// Every call by its name: the method, and an address that it may have.
fn described() -> BTreeMap<String, (String, String)> {
    let described: Value = serde_json::from_str(&calls().into_openapi().to_json().unwrap()).unwrap();
    let mut found = BTreeMap::new();
    for (path, operations) in described["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let path = path.replace("{id}", "00000000000000000000000000").replace("{handle}", "000000");
            let name = operation["operationId"].as_str().unwrap().to_owned();
            let is_for_strangers = operation["security"] == json!([{}]);
            assert_eq!(is_for_strangers, CALLS.contains(&(&name, None)), "{name}");
            found.insert(name, (method.to_uppercase(), path));
        }
    }
    found
}

fn request(method: &str, path: &str, token: Option<&str>) -> Request {
    let request =
        Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    let request = match token {
        Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
        None => request,
    };
    request.header("Idempotency-Key", "k").header(header::IF_MATCH, "\"x\"").body(Body::from("{}")).unwrap()
}

#[tokio::test]
async fn each_call_has_a_rule_and_refuses_strangers_and_whoever_has_no_right() {
    let described = described();
    let rules: BTreeMap<&str, Option<Act>> = CALLS.into_iter().collect();
    assert_eq!(described.keys().collect::<Vec<_>>(), rules.keys().collect::<Vec<_>>(), "a call has no rule");
    let authority = Authority::new().await;
    let mut bearers = Vec::new();
    for role in Role::ALL {
        bearers.push((role.name(), authority.signed_in(*role).await));
    }
    for scope in Scope::ALL {
        bearers.push((scope.name(), authority.token(&[*scope]).await));
    }
    // Signing out comes last, for it ends a session.
    let last = |name: &&String| *name == "sign_out";
    let (others, sign_out): (Vec<_>, Vec<_>) = described.keys().partition(|name| !last(name));
    for name in others.into_iter().chain(sign_out) {
        let (method, path) = &described[name];
        let Some(act) = rules[&**name] else { continue };
        for token in [None, Some("nlt_nobodys"), Some("nls_nobodys")] {
            let refused = authority.administer(request(method, path, token)).await;
            let (status, code) = refused.problem();
            assert!(
                matches!((status, &*code), (401, "unauthenticated") | (429, _)),
                "{name}: {status} {code}"
            );
            if status == 401 {
                assert_eq!(refused.headers[header::WWW_AUTHENTICATE], "Bearer");
            }
        }
        for (bearer, token) in &bearers {
            let me = authority.administer(request("GET", "/v1/admin/me", Some(token))).await.json();
            let may = me["acts"].as_array().unwrap().contains(&act.name().into());
            let answer = authority.administer(request(method, path, Some(token))).await;
            assert_eq!(
                answer.status == 403,
                !may,
                "{bearer} calls {name}: {} {}",
                answer.status,
                answer.body
            );
            assert_ne!(answer.status, 401, "{bearer} calls {name}");
        }
    }
}

#[tokio::test]
async fn a_token_counts_in_its_header_alone() {
    let authority = Authority::new().await;
    let token = authority.signed_in(Role::Owner).await;
    let me = authority.administer(request("GET", "/v1/admin/me", Some(&token))).await.json();
    assert_eq!((&me["actor"], &me["role"]), (&"account:owner".into(), &"owner".into()));
    let elsewhere = [
        Request::get(format!("/v1/admin/me?access_token={token}")),
        Request::get("/v1/admin/me").header(header::COOKIE, format!("token={token}; Authorization={token}")),
        Request::get("/v1/admin/me").header("X-Api-Key", &token),
    ];
    for request in elsewhere {
        let refused = authority.administer(request.body(Body::empty()).unwrap()).await;
        assert_eq!(refused.problem(), (401, "unauthenticated".into()));
    }
    // Nor is the administration anywhere else.
    let public = request("GET", "/v1/admin/me", Some(&token));
    assert_eq!(authority.ask(public).await.status, 404);
}

#[tokio::test]
async fn a_machine_is_enrolled_by_its_deployment_key_and_by_no_other_token() {
    let authority = Authority::new().await;
    let license_key = authority.sell(5, None).await;
    let key = authority.deployment_key(&license_key, 1).await;
    let ask = async |name: &str, of: &str, token: &str| {
        let message = match of {
            "" => authority.request_without_key(name),
            key => authority.device(name, key).1,
        };
        let request = Request::post("/v1/activations").header(header::CONTENT_TYPE, "application/json");
        let request = request.header(header::AUTHORIZATION, token);
        let body = Body::from(json!({ "request": message }).to_string());
        authority.ask(request.body(body).unwrap()).await
    };
    let key = format!("Bearer {key}");
    assert!(ask("first", "", &key).await.json()["license"].is_string());
    assert_eq!(ask("second", "", &key).await.problem(), (403, "deployment-key-used-up".into()));
    assert_eq!(ask("third", &license_key, &key).await.problem(), (400, "malformed".into()));
    for (name, wrong) in [("fourth", "Bearer nld_nobodys"), ("fifth", "Bearer"), ("sixth", "Basic eDp5")] {
        assert_eq!(ask(name, "", wrong).await.problem(), (401, "unauthenticated".into()));
    }
    let shop = format!("Bearer {}", authority.token(&[Scope::LicensesWrite]).await);
    assert_eq!(ask("seventh", &license_key, &shop).await.problem(), (403, "forbidden".into()));
}
