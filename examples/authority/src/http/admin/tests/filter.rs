//! Lists by a filter, over HTTP.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{super::super::fixture::Authority, LICENSES, get, post};
use crate::domain::rights::{Role, Scope};

fn licensees(page: &Value) -> Vec<&str> {
    page["licenses"].as_array().unwrap().iter().map(|license| license["licensee"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_list_has_what_passes_its_filter_page_by_page() {
    let authority = Authority::new().await;
    let (owner, reseller) =
        (authority.signed_in(Role::Owner).await, authority.signed_in(Role::Reseller).await);
    for (token, licensee) in [(&owner, "NW 1"), (&reseller, "nw 2"), (&owner, "Jane"), (&reseller, "NW 3")] {
        let body = json!({ "licensee": licensee, "order": licensee });
        post(&authority, token, &licensee.replace(' ', ""), LICENSES, body).await.json();
    }
    // In quotes, in the form of addresses.
    let path = |more: &str| format!("{LICENSES}?limit=2&filter=licensee~%22NW%20%22+state:active{more}");
    let first = get(&authority, &owner, &path("")).await.json();
    assert_eq!(licensees(&first), ["NW 1", "nw 2"]);
    let next = first["next"].as_str().unwrap();
    let second = get(&authority, &owner, &path(&format!("&after={next}"))).await.json();
    assert_eq!((licensees(&second), &second["next"]), (vec!["NW 3"], &Value::Null));
    // The place of a page is of its list alone.
    let elsewhere = get(&authority, &owner, &format!("{LICENSES}?after={next}")).await;
    assert_eq!(elsewhere.problem(), (400, "malformed".into()));

    let own = get(&authority, &reseller, &format!("{LICENSES}?filter=licensee~n")).await.json();
    // What is the reseller's is found first, so its list is in the order of age, which may be the same.
    let mut own = licensees(&own);
    own.sort_unstable();
    assert_eq!(own, ["NW 3", "nw 2"]);
    let orders = get(&authority, &reseller, "/v1/admin/orders?filter=state:sold").await.json();
    assert_eq!(orders["orders"].as_array().unwrap().len(), 2);
    let of_product = authority.token_for(&[Scope::LicensesRead], Some("Example")).await;
    let all = get(&authority, &of_product, LICENSES).await.json();
    assert_eq!(licensees(&all).len(), 4);

    for (filter, letter) in [("colour:red", 1), ("state:active%20licensee%3Cx", 22), ("licensee~%22NW", 10)] {
        let refused = get(&authority, &owner, &format!("{LICENSES}?filter={filter}")).await;
        assert_eq!(refused.problem(), (400, "malformed".into()));
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&format!("at letter {letter}:")), "{detail}");
    }
    for wrong in ["%", "%2", "%zz", "%ff", "licensee~a%00"] {
        let refused = get(&authority, &owner, &format!("{LICENSES}?filter={wrong}")).await;
        assert_eq!(refused.problem(), (400, "malformed".into()), "{wrong}");
    }
}

#[tokio::test]
async fn what_is_no_filter_is_not_passed_over() {
    let authority = Authority::new().await;
    let token = authority.signed_in(Role::Owner).await;
    for query in
        ["filter", "filter&limit=1", "filter=state:void&filter=state:active", "filter=state:void&filter"]
    {
        let refused = get(&authority, &token, &format!("{LICENSES}?{query}")).await;
        assert_eq!(refused.problem(), (400, "malformed".into()), "{query}");
    }
    assert_eq!(get(&authority, &token, &format!("{LICENSES}?filters=1&filter=state:void")).await.status, 200);
}

/// PostgreSQL fails for a text with that letter.
#[tokio::test]
async fn nul_in_an_address_a_place_or_a_body_is_malformed() {
    let authority = Authority::new().await;
    let token = authority.signed_in(Role::Owner).await;
    let place = |place: Value| URL_SAFE_NO_PAD.encode(place.to_string());
    let (text, device) = (place(json!("a\0")), "0".repeat(64));
    for path in [
        format!("/v1/admin/events?after={text}"),
        format!("/v1/admin/audit?after={text}"),
        format!("/v1/admin/refusals?after={}", place(json!([1, device, "a\0", "b"]))),
        format!("/v1/admin/webhooks/a/deliveries?after={text}"),
        format!("{LICENSES}?after={}", place(json!([1, "a\0"]))),
        "/v1/admin/webhooks/a%00/deliveries".into(),
        "/v1/admin/orders/a%00".into(),
        "/v1/admin/customers?email=a%00".into(),
    ] {
        assert_eq!(get(&authority, &token, &path).await.problem(), (400, "malformed".into()), "{path}");
    }
    for (path, body) in [
        ("/v1/admin/accounts/a%00/disable", json!({})),
        ("/v1/admin/customers", json!({ "name": "a\0b" })),
        ("/v1/admin/customers", json!({ "name": "\\\0" })),
    ] {
        let refused = post(&authority, &token, "1", path, body).await;
        assert_eq!(refused.problem(), (400, "malformed".into()), "{path}");
    }
}

#[tokio::test]
async fn seats_are_found_by_their_label_and_within_reach() {
    let authority = Authority::new().await;
    let (owner, reseller) =
        (authority.signed_in(Role::Owner).await, authority.signed_in(Role::Reseller).await);
    let key = authority.sell(2, None).await;
    authority.activated("one", &key).await;
    let body = json!({ "licensee": "Jane Doe" });
    let sold = post(&authority, &reseller, "1", LICENSES, body).await.json()["licenses"][0].clone();
    authority.activated("two", sold["key"].as_str().unwrap()).await;
    let count = async |token: &str, filter: &str| {
        let page = get(&authority, token, &format!("/v1/admin/seats?filter={filter}")).await.json();
        page["seats"].as_array().unwrap().len()
    };
    assert_eq!((count(&owner, "").await, count(&reseller, "").await), (2, 1));
    assert_eq!(count(&owner, "state:active%20last_contact%3E2020-01-01").await, 2);
    assert_eq!(count(&owner, "last_contact%3C2020-01-01").await, 0);
    let license = format!("license:{}", sold["id"].as_str().unwrap());
    assert_eq!((count(&owner, &license).await, count(&reseller, &license).await), (1, 1));
}
