//! What a shop does: it sells, extends, refunds and looks up, each by one call with the id of its order.

use serde_json::{Value, json};

use super::{
    super::super::fixture::{Authority, WholeResponse},
    LICENSES, get, post, post_with,
};
use crate::domain::rights::{Role, Scope};

const ORDER: &str = "/v1/admin/orders/2026%2F17";

async fn shop(authority: &Authority) -> String {
    authority.token(&[Scope::LicensesWrite, Scope::LicensesRead]).await
}

fn order(terms: &Value) -> Value {
    json!({ "licensee": "Jane Doe", "order": "2026/17", "count": 2, "terms": terms })
}

#[tokio::test]
async fn an_order_is_sold_extended_refunded_and_looked_up_by_one_call_each() {
    let authority = Authority::new().await;
    let token = shop(&authority).await;
    let terms = json!({ "seats": 3, "expires": "2090-01-01T00:00:00Z", "lease_days": 30 });
    let sold = post(&authority, &token, "event-1", LICENSES, order(&terms)).await.json();
    let shown = get(&authority, &token, ORDER).await.json();
    assert_eq!((&shown["state"], &shown["count"]), (&"sold".into(), &2.into()));
    let ids = |licenses: &Value| -> Vec<Value> {
        licenses.as_array().unwrap().iter().map(|license| license["id"].clone()).collect()
    };
    assert_eq!(ids(&shown["licenses"]), ids(&sold["licenses"]));

    let extend =
        async |key: &str, body: Value| post(&authority, &token, key, &format!("{ORDER}/extend"), body).await;
    let until = json!({ "until": "2091-01-01T00:00:00Z" });
    let extended = extend("event-2", until.clone()).await.json();
    for license in extended["licenses"].as_array().unwrap() {
        assert_eq!(
            (&license["expires"], &license["changed"]),
            (&"2091-01-01T00:00:00Z".into(), &true.into())
        );
        assert_eq!(license["version"], 2);
    }
    // Delivered again, under its own key and under another one; and one that is late.
    assert_eq!(extend("event-2", until.clone()).await.json(), extended);
    for (key, until) in [("event-3", until), ("event-0", json!({ "until": "2090-06-01T00:00:00Z" }))] {
        let license = extend(key, until).await.json()["licenses"][0].clone();
        assert_eq!(
            (&license["expires"], &license["changed"]),
            (&"2091-01-01T00:00:00Z".into(), &false.into())
        );
    }
    // Days add up, so they count once for each key.
    for _ in 0..2 {
        let license = extend("event-4", json!({ "days": 10 })).await.json()["licenses"][0].clone();
        assert_eq!(license["expires"], "2091-01-11T00:00:00Z");
    }
    for wrong in [
        json!({}),
        json!({ "days": 0 }),
        json!({ "until": "soon" }),
        json!({ "days": 1, "until": "2095-01-01T00:00:00Z" }),
    ] {
        let key = wrong.to_string().replace(' ', "");
        assert_eq!(extend(&key, wrong).await.problem(), (400, "malformed".into()));
    }

    let void = async |key: &str| {
        post(&authority, &token, key, &format!("{ORDER}/void"), json!({ "reason": "refunded" })).await.json()
    };
    let voided = void("event-5").await;
    assert_eq!((&voided["voided"], &voided["licenses"][0]["seats"]["taken"]), (&json!(2), &json!(0)));
    assert_eq!(void("event-5").await["voided"], 2);
    assert_eq!(void("event-6").await["voided"], 0);
    assert_eq!(get(&authority, &token, ORDER).await.json()["state"], "void");
    let late = extend("event-7", json!({ "until": "2099-01-01T00:00:00Z" })).await;
    assert_eq!(late.problem(), (409, "void".into()));
    assert_eq!(get(&authority, &token, "/v1/admin/orders/18").await.problem(), (404, "unknown-order".into()));
    let all = get(&authority, &token, "/v1/admin/orders").await.json();
    assert_eq!((all["orders"].as_array().unwrap().len(), &all["next"]), (1, &Value::Null));
}

#[tokio::test]
async fn all_licenses_of_an_order_are_extended_or_none() {
    let authority = Authority::new().await;
    let token = shop(&authority).await;
    let sold =
        post(&authority, &token, "1", LICENSES, order(&json!({ "expires": "2090-01-01T00:00:00Z" }))).await;
    let ids = sold.json()["licenses"].clone();
    let path = |at: usize| format!("{LICENSES}/{}", ids[at]["id"].as_str().unwrap());
    // The second has no end any more.
    let headers = [("Idempotency-Key", "2"), ("If-Match", "\"1\"")];
    let endless = json!({ "terms": { "expires": null } });
    post_with(&authority, &token, &headers, &format!("{}/edit", path(1)), endless).await.json();
    let refused = post(&authority, &token, "3", &format!("{ORDER}/extend"), json!({ "days": 5 })).await;
    assert_eq!(refused.problem(), (400, "invalid-input".into()));
    assert_eq!(get(&authority, &token, &path(0)).await.json()["expires"], "2090-01-01T00:00:00Z");
    // One that is void is left out.
    post(&authority, &token, "4", &format!("{}/void", path(1)), json!({ "reason": "" })).await.json();
    let extended =
        post(&authority, &token, "5", &format!("{ORDER}/extend"), json!({ "days": 5 })).await.json();
    assert_eq!(extended["licenses"].as_array().unwrap().len(), 1);
}

fn orders_of(page: &WholeResponse) -> Vec<String> {
    let page = page.json();
    page["orders"].as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_order_of_another_seller_or_product_is_as_if_it_were_not_there() {
    let authority = Authority::new().await;
    let (owner, reseller) =
        (authority.signed_in(Role::Owner).await, authority.signed_in(Role::Reseller).await);
    for (token, id) in [(&owner, "a"), (&reseller, "b/c"), (&owner, "d"), (&reseller, "e")] {
        post(&authority, token, id, LICENSES, json!({ "licensee": "Jane Doe", "order": id })).await.json();
    }
    let all = get(&authority, &owner, "/v1/admin/orders").await;
    assert_eq!(orders_of(&all).len(), 4);
    let own = get(&authority, &reseller, "/v1/admin/orders?limit=1").await;
    assert_eq!(orders_of(&own), ["b/c"]);
    let next = own.json()["next"].as_str().unwrap().to_owned();
    let own = get(&authority, &reseller, &format!("/v1/admin/orders?limit=5&after={next}")).await;
    assert_eq!(orders_of(&own), ["e"]);
    for (method, path) in [("a", ""), ("a", "/void")] {
        let path = format!("/v1/admin/orders/{method}{path}");
        let refused = match path.ends_with("void") {
            true => post(&authority, &reseller, "x", &path, json!({ "reason": "" })).await,
            false => get(&authority, &reseller, &path).await,
        };
        assert_eq!(refused.problem(), (404, "unknown-order".into()));
    }
    assert_eq!(get(&authority, &owner, "/v1/admin/orders/a").await.json()["state"], "sold");
    // One that nobody has is no refusal.
    let nobodys = get(&authority, &reseller, "/v1/admin/orders/nobodys").await;
    assert_eq!(nobodys.problem(), (404, "unknown-order".into()));
    let audit = get(&authority, &owner, "/v1/admin/audit?limit=100").await.json();
    let lines = audit["lines"].as_array().unwrap().iter().filter(|line| line["action"] == "refused");
    let details: Vec<&str> = lines.map(|line| line["detail"].as_str().unwrap()).collect();
    assert_eq!(details, ["show-licenses of order a", "edit of order a"]);

    let scopes = [Scope::LicensesRead, Scope::LicensesWrite];
    let of_product = authority.token_for(&scopes, Some("Example")).await;
    assert_eq!(orders_of(&get(&authority, &of_product, "/v1/admin/orders").await).len(), 4);
    let products = get(&authority, &of_product, "/v1/admin/products").await.json();
    assert_eq!(products["products"][0]["name"], "Example");
}

#[tokio::test]
async fn a_license_is_changed_by_who_may_change_it_and_not_look_at_it() {
    let authority = Authority::new().await;
    let token = authority.token(&[Scope::LicensesWrite]).await;
    let sold = post(&authority, &token, "1", LICENSES, json!({ "licensee": "Jane Doe" })).await.json();
    let edit = format!("{LICENSES}/{}/edit", sold["licenses"][0]["id"].as_str().unwrap());
    let edited = async |key: &str, body: Value| {
        let headers = [("Idempotency-Key", key), ("If-Match", "\"1\"")];
        post_with(&authority, &token, &headers, &edit, body).await.json()
    };
    let foreseen = edited("2", json!({ "terms": { "seats": 9 }, "dry_run": true })).await;
    assert_eq!(
        (&foreseen["changes"], &foreseen["license"]["version"]),
        (&json!(["seats 1 -> 9"]), &1.into())
    );
    let changed = edited("3", json!({ "terms": { "seats": 9 } })).await;
    assert_eq!(
        (&changed["license"]["seats"]["total"], &changed["license"]["version"]),
        (&9.into(), &2.into())
    );
}

#[tokio::test]
async fn keys_are_listed_added_shown_and_revoked_and_counters_are_reset() {
    let authority = Authority::new().await;
    let token = authority.signed_in(Role::Vendor).await;
    let terms = json!({ "seats": 3, "deactivations": 1, "activations": 2 });
    let sold =
        post(&authority, &token, "1", LICENSES, json!({ "licensee": "Jane Doe", "terms": terms })).await;
    let sold = sold.json()["licenses"][0].clone();
    let path = format!("{LICENSES}/{}", sold["id"].as_str().unwrap());
    let first = sold["key"].as_str().unwrap().to_owned();
    let act = async |key: &str, act: &str, body: Value| {
        post(&authority, &token, key, &format!("{path}/{act}"), body).await
    };
    let second = act("2", "keys", json!({})).await.json()["key"].as_str().unwrap().to_owned();
    let hint = |key: &str| key.rsplit('-').next().unwrap().to_owned();
    let shown = act("3", &format!("keys/{}/show", hint(&first)), json!({})).await.json();
    assert_eq!(shown["key"], first.as_str());
    authority.activated("one", &second).await;
    act("4", &format!("keys/{}/revoke", hint(&second)), json!({})).await.json();
    let keys = get(&authority, &token, &format!("{path}/keys")).await.json()["keys"].clone();
    let revoked: Vec<bool> = keys.as_array().unwrap().iter().map(|key| key["revoked"].is_string()).collect();
    assert_eq!(revoked.iter().filter(|revoked| **revoked).count(), 1, "{keys}");
    let gone = act("5", &format!("keys/{}/show", hint(&second)), json!({})).await;
    assert_eq!(gone.problem(), (404, "no-such-key".into()));

    let reset = async |key: &str, counter: &str, body: Value| {
        act(key, &format!("counters/{counter}/reset"), body).await
    };
    let extra = reset("6", "activations", json!({ "extra": 5, "reason": "moved house" })).await.json();
    assert_eq!((&extra["allowed"], &extra["used"], &extra["left"]), (&7.into(), &1.into(), &6.into()));
    let anew = reset("7", "activations", json!({ "reason": "moved house" })).await.json();
    assert_eq!((&anew["used"], &anew["left"]), (&0.into(), &7.into()));
    for (counter, body) in [
        ("seats", json!({ "reason": "x" })),
        ("activations", json!({ "extra": 0, "reason": "x" })),
        ("activations", json!({ "reason": "a\nb" })),
    ] {
        let refused = reset(&format!("{counter}{body}").replace([' ', '\\'], ""), counter, body).await;
        assert_eq!(refused.problem(), (400, "malformed".into()));
    }
    let view = get(&authority, &token, &path).await.json();
    assert_eq!((view["keys"].as_array().unwrap().len(), view["versions"].as_array().unwrap().len()), (2, 1));
}
