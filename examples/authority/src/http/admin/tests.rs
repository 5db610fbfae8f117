//! What holds for every call.

mod desk;
mod filter;
mod shop;
mod staff;

use std::collections::BTreeMap;

use axum::{body::Body, extract::Request, http::header};
use serde_json::{Value, json};

use super::{
    super::fixture::{Authority, WholeResponse},
    calls,
};
use crate::domain::rights::{Act, Role, Scope};

/// What each call asks for; none for what strangers may call too.
const CALLS: [(&str, Option<Act>); 79] = [
    ("accounts", Some(Act::Accounts)),
    ("activate", Some(Act::Activate)),
    ("add_key", Some(Act::Rekey)),
    ("admin_openapi", None),
    ("approve_request", Some(Act::Approve)),
    ("audit", Some(Act::ShowAudit)),
    ("change_password", Some(Act::Accounts)),
    ("change_quota", Some(Act::Accounts)),
    ("change_role", Some(Act::Accounts)),
    ("check_in", Some(Act::CheckIn)),
    ("customer", Some(Act::ShowLicenses)),
    ("customers", Some(Act::ShowLicenses)),
    ("deactivate", Some(Act::Release)),
    ("deliveries", Some(Act::Webhooks)),
    ("deployment_keys", Some(Act::Tokens)),
    ("disable_account", Some(Act::Accounts)),
    ("edit", Some(Act::Edit)),
    ("edit_customer", Some(Act::Sell)),
    ("edit_mail_policy", Some(Act::Products)),
    ("edit_policies", Some(Act::Products)),
    ("edit_product", Some(Act::Products)),
    ("edit_retention", Some(Act::Erase)),
    ("enable_account", Some(Act::Accounts)),
    ("erase_customer", Some(Act::Erase)),
    ("events", Some(Act::ShowAudit)),
    ("extend", Some(Act::Extend)),
    ("extend_order", Some(Act::Extend)),
    ("extend_trial", Some(Act::ExtendTrial)),
    ("keys", Some(Act::ShowLicenses)),
    ("license", Some(Act::ShowLicenses)),
    ("licenses", Some(Act::ShowLicenses)),
    ("mail_policies", Some(Act::Oneself)),
    ("mails", Some(Act::Mails)),
    ("me", Some(Act::Oneself)),
    ("new_account", Some(Act::Accounts)),
    ("new_customer", Some(Act::Sell)),
    ("new_deployment_key", Some(Act::Tokens)),
    ("new_second_factor", Some(Act::Accounts)),
    ("new_token", Some(Act::Tokens)),
    ("new_webhook", Some(Act::Webhooks)),
    ("new_webhook_secret", Some(Act::Webhooks)),
    ("order", Some(Act::ShowLicenses)),
    ("orders", Some(Act::ShowLicenses)),
    ("policies", Some(Act::Oneself)),
    ("product", Some(Act::Oneself)),
    ("products", Some(Act::Oneself)),
    ("redeem", Some(Act::Redeem)),
    ("refusals", Some(Act::ShowRefusals)),
    ("refuse_request", Some(Act::Approve)),
    ("rekey", Some(Act::Rekey)),
    ("release", Some(Act::Release)),
    ("remove_webhook", Some(Act::Webhooks)),
    ("renew", Some(Act::Renew)),
    ("replay", Some(Act::Webhooks)),
    ("replay_mails", Some(Act::Mails)),
    ("request", Some(Act::ShowSeats)),
    ("requests", Some(Act::ShowSeats)),
    ("reset_counter", Some(Act::ResetCounters)),
    ("resume", Some(Act::Resume)),
    ("retention", Some(Act::Oneself)),
    ("return_held", Some(Act::ReturnHeld)),
    ("revoke_deployment_key", Some(Act::Tokens)),
    ("revoke_key", Some(Act::Rekey)),
    ("revoke_token", Some(Act::Tokens)),
    ("seat", Some(Act::ShowSeats)),
    ("seats", Some(Act::ShowSeats)),
    ("sell", Some(Act::Sell)),
    ("send_key", Some(Act::SendKey)),
    ("show_key", Some(Act::Rekey)),
    ("sign_in", None),
    ("sign_out", Some(Act::Oneself)),
    ("suspend", Some(Act::Suspend)),
    ("test_webhook", Some(Act::Webhooks)),
    ("tokens", Some(Act::Tokens)),
    ("unrelease", Some(Act::Release)),
    ("verify_audit", Some(Act::Verify)),
    ("void", Some(Act::Edit)),
    ("void_order", Some(Act::Edit)),
    ("webhooks", Some(Act::Webhooks)),
];

/// Calls about what is not of one product or one seller: no limited right reaches them.
const WHOLE: [&str; 5] = ["customer", "customers", "edit_customer", "erase_customer", "new_customer"];

/// Every call by its name: the method, and an address that it may have.
fn described() -> BTreeMap<String, (String, String)> {
    let described: Value = serde_json::from_str(&calls().into_openapi().to_json().unwrap()).unwrap();
    let mut found = BTreeMap::new();
    for (path, operations) in described["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let mut path = path.clone();
            for (part, value) in [
                ("{id}", "0000000000000001"),
                ("{handle}", "H5J2QR"),
                ("{hint}", "H5J2Q"),
                ("{counter}", "activations"),
                ("{order}", "order%2017"),
                ("{name}", "nobody"),
                ("{product}", "none"),
            ] {
                path = path.replace(part, value);
            }
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
            let may = may && !(*bearer == "reseller" && WHOLE.contains(&&**name));
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
    let refused = (401, "deployment-key-refused".into());
    for (name, wrong) in [("fourth", "Bearer nld_nobodys"), ("fifth", "Bearer"), ("sixth", "Basic eDp5")] {
        let answer = ask(name, "", wrong).await;
        assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
        assert_eq!(answer.problem(), refused);
    }
    let shop = format!("Bearer {}", authority.token(&[Scope::LicensesWrite]).await);
    assert_eq!(ask("seventh", &license_key, &shop).await.problem(), refused);
}

/// Asks with a body and a key.
async fn post(authority: &Authority, token: &str, key: &str, path: &str, body: Value) -> WholeResponse {
    post_with(authority, token, &[("Idempotency-Key", key)], path, body).await
}

async fn post_with(
    authority: &Authority,
    token: &str,
    headers: &[(&str, &str)],
    path: &str,
    body: Value,
) -> WholeResponse {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    authority.administer(request.body(Body::from(body.to_string())).unwrap()).await
}

async fn get(authority: &Authority, token: &str, path: &str) -> WholeResponse {
    authority.administer(request("GET", path, Some(token))).await
}

const LICENSES: &str = "/v1/admin/licenses";

#[tokio::test]
async fn a_sale_that_is_asked_for_again_sells_once_and_shows_the_same_key() {
    let authority = Authority::new().await;
    let token = authority.token(&[Scope::LicensesWrite, Scope::LicensesRead]).await;
    let body = json!({ "licensee": "Jane Doe", "terms": { "seats": 3 }, "order": "17" });
    let sold = post(&authority, &token, "k-1", LICENSES, body.clone()).await.json();
    let key = sold["licenses"][0]["key"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        assert_eq!(post(&authority, &token, "k-1", LICENSES, body.clone()).await.json(), sold);
    }
    // The ledger has the key nowhere, and the name of the buyer, which is no secret of it.
    assert!(authority.ledger_has("Jane Doe") && !authority.ledger_has(&key));
    // Another body under the same key; the same order under another key, and in another call of another token.
    let other = json!({ "licensee": "Jane Doe", "terms": { "seats": 4 } });
    assert_eq!(post(&authority, &token, "k-1", LICENSES, other).await.problem(), (422, "key-reused".into()));
    let again = post(&authority, &token, "k-2", LICENSES, body.clone()).await.json();
    assert_eq!((&again["sold"], &again["licenses"][0]["key"]), (&false.into(), &Value::Null));
    assert_eq!(again["licenses"][0]["id"], sold["licenses"][0]["id"]);
    let shop = authority.token(&[Scope::LicensesWrite]).await;
    assert_eq!(post(&authority, &shop, "k-1", LICENSES, body).await.json()["sold"], false);
    let differs = json!({ "licensee": "Jane Doe", "terms": { "seats": 9 }, "order": "17" });
    assert_eq!(
        post(&authority, &token, "k-3", LICENSES, differs).await.problem(),
        (409, "order-differs".into())
    );
    let listed = get(&authority, &token, LICENSES).await.json();
    assert_eq!(listed["licenses"].as_array().unwrap().len(), 1);
    // The server keeps it, so that it can be sent again.
    let service = &authority.server().service;
    let id = sold["licenses"][0]["id"].as_str().unwrap().parse().unwrap();
    let operator = crate::domain::Occasion {
        time: std::time::SystemTime::now().into(),
        actor: crate::domain::Actor::Vendor("test".into()),
    };
    let kept = crate::service::kept_key(service.database(), service.vault(), id, None, &operator).await;
    assert_eq!(kept.unwrap().as_str(), key);
    // It is good for an activation.
    authority.activated("device", &key).await;
}

#[tokio::test]
async fn a_call_without_a_key_or_with_members_that_nobody_knows_does_nothing() {
    let authority = Authority::new().await;
    let token = authority.signed_in(Role::Vendor).await;
    let body = json!({ "licensee": "Jane Doe", "terms": { "seats": 3 } });
    for headers in
        [&[][..], &[("Idempotency-Key", "")], &[("Idempotency-Key", "a"), ("Idempotency-Key", "b")]]
    {
        let refused = post_with(&authority, &token, headers, LICENSES, body.clone()).await;
        assert_eq!(refused.problem(), (400, "malformed".into()), "{headers:?}");
    }
    for body in [
        json!({ "terms": { "seats": 3 } }),
        json!({ "licensee": "Jane Doe", "seats": 3 }),
        json!({ "licensee": "Jane Doe", "terms": { "seats": 3, "seat": 4 } }),
        json!({ "licensee": "Jane Doe", "terms": { "expires": "2090-01-01T00:00:00Z", "expires_days": 3 } }),
        json!({ "licensee": "Jane Doe", "terms": { "seats": 3 }, "seat": 4 }),
        json!({ "licensee": "Jane Doe", "terms": { "seats": 3 }, "count": 0 }),
        json!({ "licensee": "Jane Doe", "terms": { "seats": 3 }, "order": "a\nb" }),
        json!({ "licensee": "Jane Doe", "terms": { "seats": 3, "expires": "soon" } }),
    ] {
        let refused =
            post(&authority, &token, &body.to_string().replace(' ', ""), LICENSES, body.clone()).await;
        assert_eq!(refused.problem(), (400, "malformed".into()), "{body}");
    }
    assert_eq!(get(&authority, &token, LICENSES).await.json(), json!({ "licenses": [], "next": null }));
}

/// Days of grace and weights are members of their own, checked with their bounds.
#[tokio::test]
async fn how_far_a_machine_may_change_is_said_in_a_call() {
    let authority = Authority::new().await;
    let token = authority.signed_in(Role::Vendor).await;
    let weights = json!([{ "component": "mac", "agree": 6, "differ": -1 }]);
    let terms = json!({ "seats": 1, "grace_days": 30, "weights": weights });
    let body = json!({ "licensee": "Jane Doe", "terms": terms });
    let sold = post(&authority, &token, "sale", LICENSES, body).await.json();
    let path = format!("{LICENSES}/{}", sold["licenses"][0]["id"].as_str().unwrap());
    let shown = get(&authority, &token, &path).await.json();
    assert_eq!((&shown["grace_days"], &shown["weights"]), (&json!(30), &weights));
    let body = json!({ "licensee": "Jane Doe", "terms": { "grace_days": 256 } });
    let refused = post(&authority, &token, "too-many", LICENSES, body).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    let told = "grace_days is 256; 0 to 255 are allowed";
    assert!(refused.json()["detail"].as_str().unwrap().contains(told), "{}", refused.body);
}

#[tokio::test]
async fn a_change_is_based_on_what_its_caller_saw() {
    let authority = Authority::new().await;
    let token = authority.signed_in(Role::Vendor).await;
    let body = json!({ "licensee": "Jane Doe", "terms": { "seats": 3, "expires": "2090-01-01T00:00:00Z" } });
    let sold = post(&authority, &token, "sale", LICENSES, body).await.json();
    let path = format!("{LICENSES}/{}", sold["licenses"][0]["id"].as_str().unwrap());
    let shown = get(&authority, &token, &path).await;
    let version = shown.headers[header::ETAG].to_str().unwrap().to_owned();
    let edit = async |key: &str, version: Option<&str>, body: Value| {
        let mut headers = vec![("Idempotency-Key", key)];
        headers.extend(version.map(|version| ("If-Match", version)));
        post_with(&authority, &token, &headers, &format!("{path}/edit"), body).await
    };
    assert_eq!(edit("1", None, json!({ "terms": { "seats": 4 } })).await.status, 428);
    let stale = edit("2", Some("\"0123456789abcdef\""), json!({ "terms": { "seats": 4 } })).await;
    assert_eq!(stale.problem(), (412, "superseded".into()));
    let edited = edit("3", Some(&version), json!({ "terms": { "seats": 4, "expires": null } })).await;
    let license = edited.json()["license"].clone();
    assert_eq!(
        (&license["seats"]["total"], &license["expires"], &license["lease_days"]),
        (&4.into(), &Value::Null, &90.into())
    );
    // The same call again, and another one that is based on the same.
    assert_eq!(
        edit("3", Some(&version), json!({ "terms": { "seats": 4, "expires": null } })).await.body,
        edited.body
    );
    assert_eq!(edit("4", Some(&version), json!({ "terms": { "seats": 5 } })).await.problem().0, 412);
    assert_ne!(get(&authority, &token, &path).await.headers[header::ETAG], version);
}

#[tokio::test]
async fn a_license_is_stopped_goes_on_and_gets_another_key() {
    let authority = Authority::new().await;
    let token = authority.signed_in(Role::Vendor).await;
    let body = json!({ "licensee": "Jane Doe", "terms": { "seats": 3 } });
    let sold = post(&authority, &token, "sale", LICENSES, body).await.json();
    let path = format!("{LICENSES}/{}", sold["licenses"][0]["id"].as_str().unwrap());
    let act = async |act: &str, key: &str| {
        post(&authority, &token, key, &format!("{path}/{act}"), json!({})).await.json()
    };
    let dry = async |act: &str, body: serde_json::Value| {
        post(&authority, &token, &format!("dry {act}").replace(' ', "-"), &format!("{path}/{act}"), body)
            .await
    };
    let seats = json!({ "total": 3, "taken": 0 });
    let stopped = |changed: bool| {
        let (suspended, until) = (true, serde_json::Value::Null);
        json!({
            "suspended": suspended, "changed": changed, "seats": seats, "runs_until": until, "requests": 0,
        })
    };
    assert_eq!(dry("suspend", json!({ "dry_run": true })).await.json(), stopped(true));
    assert_eq!(dry("resume", json!({ "dryrun": true })).await.problem(), (400, "malformed".into()));
    assert_eq!(act("suspend", "1").await, stopped(true));
    assert_eq!(act("suspend", "1").await, stopped(true));
    assert_eq!(act("suspend", "2").await, stopped(false));
    assert_eq!(act("resume", "3").await["changed"], true);
    let foreseen = dry("void", json!({ "reason": "refunded", "dry_run": true })).await.json();
    assert_eq!((&foreseen["changed"], &foreseen["seats"]), (&true.into(), &seats));
    let nothing = dry("deactivate", json!({ "reason": "", "dry_run": true })).await;
    assert_eq!(nothing.problem().1, "given-up");
    let rekeyed = act("rekey", "4").await;
    assert_ne!(rekeyed["key"], sold["licenses"][0]["key"]);
    assert_eq!(act("rekey", "4").await, rekeyed, "it has one new key");
    authority.activated("device", rekeyed["key"].as_str().unwrap()).await;
}

#[tokio::test]
async fn a_list_holds_what_is_within_reach_and_nothing_else() {
    let authority = Authority::new().await;
    authority.sell(2, None).await;
    let (owner, reseller) =
        (authority.signed_in(Role::Owner).await, authority.signed_in(Role::Reseller).await);
    let body = json!({ "licensee": "Jane Doe" });
    let sold = post(&authority, &reseller, "sale", LICENSES, body).await.json();
    let ids = async |token: &str| {
        let page = get(&authority, token, LICENSES).await.json();
        page["licenses"].as_array().unwrap().iter().map(|license| license["id"].clone()).collect::<Vec<_>>()
    };
    let all = ids(&owner).await;
    assert_eq!((all.len(), ids(&reseller).await), (2, vec![sold["licenses"][0]["id"].clone()]));
    let other = all.iter().find(|id| **id != sold["licenses"][0]["id"]).unwrap().as_str().unwrap();
    let hidden = get(&authority, &reseller, &format!("{LICENSES}/{other}")).await;
    assert_eq!(hidden.problem(), (404, "unknown-license".into()));
}

#[tokio::test]
async fn requests_are_listed_by_pages_approved_and_refused_within_reach() {
    let authority = Authority::new().await;
    let (vendor, support) =
        (authority.signed_in(Role::Vendor).await, authority.signed_in(Role::Support).await);
    let (reseller, auditor) =
        (authority.signed_in(Role::Reseller).await, authority.signed_in(Role::Auditor).await);
    const REQUESTS: &str = "/v1/admin/requests";
    let sell = async |seller: &str| {
        let body = json!({ "licensee": "Jane Doe", "terms": { "seats": 3, "approval": "required" } });
        let sold = post(&authority, seller, "sale", LICENSES, body).await.json();
        let of = |name: &str| sold["licenses"][0][name].as_str().unwrap().to_owned();
        (of("id"), of("key"))
    };
    let (license, key) = sell(&vendor).await;
    let (_, resold) = sell(&reseller).await;
    for (name, key) in [("first", &key), ("second", &key), ("third", &resold)] {
        let (_, request) = authority.device(name, key);
        let refused = authority.call("/v1/activations", json!({ "request": request })).await;
        assert_eq!(refused.problem(), (409, "approval-wanted".into()));
    }
    assert_eq!(get(&authority, &support, "/v1/admin/refusals").await.json()["refusals"], json!([]));
    let listed =
        async |token: &str, more: &str| get(&authority, token, &format!("{REQUESTS}{more}")).await.json();
    let all = listed(&auditor, "").await["requests"].as_array().unwrap().clone();
    let page = listed(&support, "?limit=2").await;
    assert_eq!((all.len(), page["requests"].as_array().unwrap()), (3, &all[..2].to_vec()));
    let rest = listed(&support, &format!("?after={}", page["next"].as_str().unwrap())).await;
    assert_eq!((&rest["requests"][0], &rest["next"]), (&all[2], &Value::Null));
    let of_license = listed(&support, &format!("?license={license}")).await;
    let own = listed(&reseller, "").await["requests"].as_array().unwrap().clone();
    assert_eq!((of_license["requests"].as_array().unwrap().len(), own.len()), (2, 1));
    assert_eq!(get(&authority, &support, &format!("{REQUESTS}?after=x")).await.problem().0, 400);

    let handle = |request: &Value| request["handle"].as_str().unwrap().to_owned();
    let rule = async |token: &str, key: &str, of: &Value, what: &str, body: Value| {
        post(&authority, token, key, &format!("{REQUESTS}/{}/{what}", handle(of)), body).await
    };
    let foreign = all.iter().find(|request| request["license"] == license).unwrap();
    let hidden = rule(&reseller, "1", foreign, "approve", json!({})).await;
    assert_eq!(hidden.problem(), (404, "unknown-seat".into()));
    let approved = rule(&reseller, "2", &own[0], "approve", json!({})).await.json();
    assert_eq!((&approved["state"], approved["ends"].is_string()), (&"approved".into(), true));
    assert_eq!(rule(&reseller, "2", &own[0], "approve", json!({})).await.json(), approved);
    let refused = rule(&support, "3", foreign, "refuse", json!({ "reason": "ask in the lab" })).await.json();
    assert_eq!((&refused["state"], &refused["reason"]), (&"refused".into(), &"ask in the lab".into()));
    let late = rule(&support, "4", foreign, "approve", json!({})).await;
    assert_eq!(late.problem(), (403, "request-refused".into()));
    let events = get(&authority, &vendor, &format!("/v1/admin/events?license={license}")).await.json();
    let kinds: Vec<_> = events["events"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(kinds[1..], ["request.waiting", "request.waiting", "request.refused"]);
}

#[tokio::test]
async fn refusals_are_listed_by_pages_and_by_license() {
    let authority = Authority::new().await;
    let token = authority.token(&[Scope::LicensesRead]).await;
    let (one, two) = (authority.sell(1, None).await, authority.sell(1, None).await);
    for (holder, other, key) in [("a", "b", &one), ("c", "d", &two)] {
        authority.activated(holder, key).await;
        let (_, request) = authority.device(other, key);
        assert_eq!(authority.call("/v1/activations", json!({ "request": request })).await.status, 409);
    }
    const REFUSALS: &str = "/v1/admin/refusals";
    let first = get(&authority, &token, &format!("{REFUSALS}?limit=1")).await.json();
    let refusal = &first["refusals"][0];
    assert_eq!((&refusal["asked"], &refusal["error"]), (&"activation".into(), &"no-free-seat".into()));
    let next = first["next"].as_str().unwrap();
    let rest = get(&authority, &token, &format!("{REFUSALS}?after={next}")).await.json();
    assert_eq!((rest["refusals"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    let license = refusal["license"].as_str().unwrap();
    let of_license = get(&authority, &token, &format!("{REFUSALS}?license={license}")).await.json();
    assert_eq!(of_license["refusals"], first["refusals"]);
    assert_eq!(get(&authority, &token, &format!("{REFUSALS}?after=x")).await.problem().0, 400);
    assert_eq!(
        get(&authority, &token, &format!("{REFUSALS}?license={}", "0".repeat(16))).await.problem().0,
        404
    );
}

#[tokio::test]
async fn lists_go_by_pages_and_seats_are_released() {
    let authority = Authority::new().await;
    let token = authority.signed_in(Role::Owner).await;
    for _ in 0..5 {
        authority.sell(2, None).await;
    }
    let mut found = Vec::new();
    let mut next = Some(String::new());
    while let Some(after) = next {
        let after = if after.is_empty() { after } else { format!("&after={after}") };
        let page = get(&authority, &token, &format!("{LICENSES}?limit=2{after}")).await.json();
        let ids = page["licenses"].as_array().unwrap().iter().map(|license| license["id"].clone());
        found.extend(ids);
        next = page["next"].as_str().map(str::to_owned);
    }
    let all = get(&authority, &token, LICENSES).await.json();
    let all: Vec<_> =
        all["licenses"].as_array().unwrap().iter().map(|license| license["id"].clone()).collect();
    assert_eq!((found.len(), &found), (5, &all));
    for wrong in ["limit=0", "limit=501", "limit=x", "after=x", "after=eA"] {
        let refused = get(&authority, &token, &format!("{LICENSES}?{wrong}")).await;
        assert_eq!(refused.problem(), (400, "malformed".into()), "{wrong}");
    }

    let key = authority.sell(2, None).await;
    authority.activated("one", &key).await;
    authority.activated("two", &key).await;
    let seats = get(&authority, &token, "/v1/admin/seats?limit=1").await.json();
    let next = seats["next"].as_str().unwrap();
    let rest = get(&authority, &token, &format!("/v1/admin/seats?limit=5&after={next}")).await.json();
    assert_eq!((rest["seats"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    let seat = &seats["seats"][0];
    let of_license = format!("/v1/admin/seats?filter=license:{}", seat["license"].as_str().unwrap());
    assert_eq!(get(&authority, &token, &of_license).await.json()["seats"].as_array().unwrap().len(), 2);
    let release = format!("/v1/admin/seats/{}/release", seat["handle"].as_str().unwrap());
    let released = post(&authority, &token, "r", &release, json!({ "reason": "stolen" })).await.json();
    assert!(released["state"] == "revoked" && released["revocation"].is_string(), "{released}");
    assert_eq!(post(&authority, &token, "r", &release, json!({ "reason": "stolen" })).await.json(), released);
    let deactivate = format!("{LICENSES}/{}/deactivate", seat["license"].as_str().unwrap());
    let done = post(&authority, &token, "d", &deactivate, json!({ "reason": "sold" })).await.json();
    let [other] = &done["seats"].as_array().unwrap()[..] else { panic!("{done}") };
    assert!(other["state"] == "revoked" && other["revocation"].is_string() && other["error"].is_null());
    assert_eq!(done["taken"], 0);
    assert_eq!(post(&authority, &token, "d", &deactivate, json!({ "reason": "sold" })).await.json(), done);
    let again = post(&authority, &token, "e", &deactivate, json!({ "reason": "sold" })).await;
    assert_eq!(again.problem(), (410, "given-up".into()));
    let unknown =
        post(&authority, &token, "s", "/v1/admin/seats/H5J2QR/release", json!({ "reason": "x" })).await;
    assert_eq!(unknown.problem(), (404, "unknown-seat".into()));

    let first = get(&authority, &token, "/v1/admin/audit?limit=3").await.json();
    assert_eq!(first["lines"].as_array().unwrap().len(), 3);
    let after = first["next"].as_str().unwrap();
    let rest = get(&authority, &token, &format!("/v1/admin/audit?limit=500&after={after}")).await.json();
    let last = rest["lines"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["action"], &last["actor"]), (&"license-deactivated".into(), &"account:owner".into()));
    assert_eq!((&last["role"], &last["peer"]), (&"owner".into(), &"192.0.2.1".into()));
}
