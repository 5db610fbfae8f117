//! The console as a browser without scripts sees it: pages, links, and forms that are posted.

use std::collections::BTreeMap;

use axum::{body::Body, extract::Request, http::header};
use nodelock::{Client, Reason, authority::decision::Change, code::Handle};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    super::super::{
        fixture::{Authority, WholeResponse},
        html::{self, content_type, hidden},
    },
    Deed, ENTRIES, PAGES,
};
use crate::{
    domain::{
        Actor, AuditRow, Occasion,
        rights::{Act, Role},
    },
    service, store,
};

/// What a customer may call a computer.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";

fn operator() -> Occasion {
    Occasion { time: std::time::SystemTime::now().into(), actor: Actor::Vendor("test".into()) }
}

/// The body of a form with these texts.
fn body(fields: &[(&str, &str)]) -> Vec<u8> {
    let fields: Vec<_> = fields.iter().map(|(name, value)| html::Text(name, value)).collect();
    html::body(&fields)
}

/// Somebody at a browser.
struct Browser<'a> {
    authority: &'a Authority,
    token: String,
    language: &'static str,
}

impl<'a> Browser<'a> {
    async fn of(authority: &'a Authority, role: Role) -> Self {
        Self { authority, token: authority.signed_in(role).await, language: "en" }
    }

    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::COOKIE, format!("__Host-nodelock-console={}", self.token));
        request.header(header::ACCEPT_LANGUAGE, self.language)
    }

    async fn get(&self, path: &str) -> WholeResponse {
        let page = self.authority.administer(self.request("GET", path).body(Body::empty()).unwrap()).await;
        check(&page);
        page
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> WholeResponse {
        let request = self
            .request("POST", path)
            .header(header::CONTENT_TYPE, content_type())
            .header("sec-fetch-site", "same-origin");
        let page = self.authority.administer(request.body(Body::from(body(fields))).unwrap()).await;
        check(&page);
        page
    }

    /// Opens a page and sends its form, with these values in its fields.
    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> WholeResponse {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        let mut sent = hidden(&page.body);
        sent.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let sent: Vec<(&str, &str)> = sent.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.post(path, &sent).await
    }

    /// The same, and the page that it leads to.
    async fn follow(&self, path: &str, fields: &[(&str, &str)]) -> WholeResponse {
        let done = self.submit(path, fields).await;
        assert_eq!(done.status, 303, "{path}: {}", done.body);
        self.get(location(&done)).await
    }
}

fn location(response: &WholeResponse) -> &str {
    response.headers[header::LOCATION].to_str().unwrap()
}

/// The token of the forms of a page.
fn token_of(html: &str) -> &str {
    html.split_once("name=\"token\" value=\"").unwrap().1.split_once('"').unwrap().0
}

/// What every answer of the console has.
fn check(response: &WholeResponse) {
    let header = |name: &str| response.headers.get(name).map_or("", |value| value.to_str().unwrap());
    assert!(header("content-security-policy").contains("default-src 'none'"));
    assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
    assert!(!header("content-security-policy").contains("unsafe"));
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "same-origin");
    if response.status == 303 {
        return;
    }
    assert_eq!(header("content-type"), "text/html; charset=utf-8", "{}", response.body);
    html::check(&response.body, "/console/console.js", "/console");
}

/// What the pages are tried with: one of everything.
struct World {
    authority: Authority,
    license: String,
    key: String,
    device: Client,
    /// The address of its seat.
    seat: String,
    customer: String,
    webhook: String,
    deployment_key: String,
    token: String,
}

impl World {
    async fn new() -> Self {
        let authority = Authority::new().await;
        let shop = authority.signed_in(Role::Owner).await;
        let post = async |key: &str, path: &str, body: serde_json::Value| {
            let request = Request::post(path)
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::AUTHORIZATION, format!("Bearer {shop}"))
                .header("Idempotency-Key", key);
            let answer = authority.administer(request.body(Body::from(body.to_string())).unwrap()).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            answer.json()
        };
        let details = json!({ "name": HOSTILE, "email": "jane@example.com", "external_id": "C-1" });
        let customer = post("1", "/v1/admin/customers", details).await["id"].as_str().unwrap().to_owned();
        let terms = json!({ "seats": 3, "deactivations": 5, "expires": "2090-01-01T00:00:00Z" });
        let sale = json!({ "licensee": HOSTILE, "customer": customer, "terms": terms, "order": "order 17" });
        let sold = post("2", "/v1/admin/licenses", sale).await;
        let (license, key) = (&sold["licenses"][0]["id"], &sold["licenses"][0]["key"]);
        let (license, key) = (license.as_str().unwrap().to_owned(), key.as_str().unwrap().to_owned());
        let device = authority.activated_as(HOSTILE, "device", &key).await;
        let hook = json!({ "url": "https://shop.example/hook" });
        let webhook = post("3", "/v1/admin/webhooks", hook).await["id"].as_str().unwrap().to_owned();
        let new = json!({ "name": HOSTILE, "license": license, "limit": 3 });
        let deployment_key =
            post("4", "/v1/admin/deployment-keys", new).await["id"].as_str().unwrap().to_owned();
        let new = json!({ "name": HOSTILE, "scopes": ["licenses:read"] });
        let token = post("5", "/v1/admin/tokens", new).await["id"].as_str().unwrap().to_owned();
        let mut seats = Vec::new();
        let all = crate::domain::filter::Filter::all(crate::domain::filter::List::Seats);
        let note = |row: crate::failure::Result<crate::domain::SeatRow>| row.map(|row| seats.push(row));
        service::seats(authority.server().service.database(), all, &operator(), note).await.unwrap();
        let seat = super::seats::seat_address(seats[0].handle, seats[0].device_key);
        Self { authority, license, key, device, seat, customer, webhook, deployment_key, token }
    }

    /// An address of a route.
    fn address(&self, route: &str) -> String {
        let mut parts = self.seat.rsplit('/');
        let (device, handle) = (parts.next().unwrap(), parts.next().unwrap());
        let id = match route {
            _ if route.contains("/licenses/") => &self.license,
            _ if route.contains("/customers/") => &self.customer,
            _ if route.contains("/webhooks/") => &self.webhook,
            _ if route.contains("/deployment-keys/") => &self.deployment_key,
            _ => &self.token,
        };
        let hint = &self.key[self.key.len() - 5..];
        [
            ("{handle}", handle),
            ("{device}", device),
            ("{id}", id),
            ("{hint}", hint),
            ("{order}", "order%2017"),
            ("{name}", "support"),
            ("{product}", "example"),
        ]
        .into_iter()
        .fold(route.to_owned(), |path, (name, value)| path.replace(name, value))
    }

    /// What the audit says, the latest last.
    async fn audit(&self) -> Vec<AuditRow> {
        let mut lines = Vec::new();
        let note = |row: crate::failure::Result<AuditRow>| row.map(|row| lines.push(row));
        service::audit(self.authority.server().service.database(), 1000, &operator(), note).await.unwrap();
        lines
    }

    async fn actions(&self) -> Vec<String> {
        self.audit().await.into_iter().map(|line| line.action).collect()
    }
}

/// Pages and deeds about what is not of one seller: no limited right reaches them.
fn is_of_the_whole(path: &str) -> bool {
    path.contains("/customers")
}

#[tokio::test]
async fn each_page_and_deed_is_for_whom_the_table_says_and_neither_shown_nor_possible_to_others() {
    let world = World::new().await;
    let mut browsers = BTreeMap::new();
    for role in Role::ALL.iter().filter(|role| **role != Role::Owner) {
        browsers.insert(role.name(), (*role, Browser::of(&world.authority, *role).await));
    }
    let token = "nls_owner".to_owned();
    browsers.insert("owner", (Role::Owner, Browser { authority: &world.authority, token, language: "de" }));
    for (name, (role, browser)) in &browsers {
        let me = browser.get("/console/me").await.body;
        let acts = me.split_once("<dd class=\"code\">").unwrap().1.split_once("</dd>").unwrap().0;
        let may = |act: Act| acts.split(", ").any(|known| known == act.name());
        let is_limited = *role == Role::Reseller;
        for (address, _, act, whole) in ENTRIES {
            let is_shown = may(act) && !(whole && is_limited);
            assert_eq!(me.contains(&format!("<a href=\"{address}\"")), is_shown, "{name} sees {address}");
        }
        for (route, act, _) in PAGES {
            let (path, may) = (world.address(route), may(act));
            let page = browser.get(&path).await;
            let hidden = is_limited && (is_of_the_whole(route) || route.contains('{'));
            match (may, hidden) {
                (false, _) => assert_eq!(page.status, 403, "{name} opens {path}"),
                (true, true) => assert!(page.status == 404 || page.status == 403, "{name} opens {path}"),
                (true, false) => assert_eq!(page.status, 200, "{name} opens {path}: {}", page.body),
            }
        }
        for deed in Deed::ALL {
            let (path, may) = (world.address(&deed.path()), may(deed.act()));
            let page = browser.get(&path).await;
            assert_eq!(page.status == 403, !may, "{name} opens {path}: {}", page.body);
            if !may {
                // The token of another form of the same session.
                let done = browser.post(&path, &[("token", token_of(&me)), ("once", "x")]).await;
                assert_eq!(done.status, 403, "{name} sends {path}");
            }
        }
        // What is on a page is possible: nobody is led to a refusal.
        for path in
            [format!("/console/licenses/{}", world.license), world.seat.clone(), "/console/seats".into()]
        {
            let page = browser.get(&path).await;
            for link in page.body.split("href=\"").skip(1).filter_map(|rest| rest.split_once('"')) {
                if link.0.starts_with("/console/") && !link.0.ends_with(".css") {
                    let led = browser.get(&link.0.replace("&#38;", "&")).await;
                    assert_eq!(led.status, 200, "{name} is led from {path} to {}", link.0);
                }
            }
        }
    }
}

/// Fails or not, a form that is no form of this session does nothing, and the audit has it.
#[tokio::test]
async fn forms_of_other_websites_and_sessions_do_nothing() {
    let world = World::new().await;
    let (vendor, support) = (
        Browser::of(&world.authority, Role::Vendor).await,
        Browser::of(&world.authority, Role::Support).await,
    );
    let before = world.actions().await;
    let path = format!("/console/licenses/{}/suspend", world.license);
    let own = token_of(&vendor.get(&path).await.body).to_owned();
    let others = token_of(&support.get("/console/me").await.body).to_owned();
    for token in ["", "x", &others, &own[..own.len() - 1]] {
        let refused = vendor.post(&path, &[("token", token), ("once", "a")]).await;
        assert_eq!(refused.status, 403, "{token}");
    }
    let without = vendor.post(&path, &[("once", "a")]).await;
    assert_eq!(without.status, 403);
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let request = vendor.request("POST", &path).header(name, value).header(header::HOST, "authority");
        let request = request.header(header::CONTENT_TYPE, content_type());
        let form = Body::from(body(&[("token", &own), ("once", "a")]));
        let refused = world.authority.administer(request.body(form).unwrap()).await;
        check(&refused);
        assert_eq!(refused.status, 403, "{name}: {value}");
    }
    // What a page says was done is true: nobody else can have it said.
    let forged = format!("/console/licenses/{}?done=Suspend.AAAAAAAAAAAAAAAAAAAAAA", world.license);
    assert!(!vendor.get(&forged).await.body.contains("The license is suspended"));
    // Each kind is noted once.
    assert_eq!(world.actions().await, [&before[..], &["refused".to_owned(), "refused".to_owned()]].concat());
    let done = vendor.post(&path, &[("token", &own), ("once", "a")]).await;
    assert_eq!(done.status, 303, "{}", done.body);
    assert!(vendor.get(location(&done)).await.body.contains("The license is suspended"));
    let elsewhere = location(&done).to_owned();
    assert!(!support.get(&elsewhere).await.body.contains("The license is suspended"));
}

#[tokio::test]
async fn an_act_is_done_once_however_often_its_form_is_sent_and_the_audit_names_the_account() {
    let world = World::new().await;
    let support = Browser::of(&world.authority, Role::Support).await;
    let page = support.get(&format!("{}/release", world.seat)).await.body;
    for words in ["&#60;script&#62;alert(1)", "Last contact", "Licensed to", "Release"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let mut fields = hidden(&page);
    fields.push(("reason".into(), "the laptop was stolen".into()));
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let path = format!("{}/release", world.seat);
    let first = support.post(&path, &fields).await;
    assert_eq!((first.status.as_u16(), location(&first).starts_with(&world.seat)), (303, true));
    assert_eq!(location(&support.post(&path, &fields).await), location(&first));
    assert!(support.get(location(&first)).await.body.contains("The seat is released"));
    let audit = world.audit().await;
    let released: Vec<_> = audit.iter().filter(|line| line.action == "released").collect();
    let [line] = &released[..] else { panic!("{audit:?}") };
    assert_eq!((&*line.actor, line.role.as_deref()), ("account:support", Some("support")));
    assert_eq!((&*line.detail, line.personal.as_deref()), ("", Some("the laptop was stolen")));
    // Another form of the same name with something else in it.
    let mut other = fields.clone();
    other.last_mut().unwrap().1 = "it was sold";
    assert_eq!(support.post(&path, &other).await.status, 422);
    // What cannot be done is not offered, and what can be is.
    assert!(support.get(&path).await.body.contains("This is not possible now"));
    assert!(support.get("/console/seats").await.body.contains(&format!("{}/unrelease", world.seat)));
    let taken_back = support.follow(&format!("{}/unrelease", world.seat), &[]).await;
    assert!(taken_back.body.contains("The release is taken back"), "{}", taken_back.body);
}

#[tokio::test]
async fn every_deed_about_a_license_is_done_by_clicking() {
    let world = World::new().await;
    let owner = Browser { authority: &world.authority, token: "nls_owner".into(), language: "en" };
    let license = format!("/console/licenses/{}", world.license);
    let deed = async |name: &str, fields: &[(&str, &str)]| {
        owner.follow(&format!("{license}/{name}"), fields).await.body
    };
    assert!(deed("suspend", &[]).await.contains("suspended"));
    assert!(!owner.get(&license).await.body.contains("/suspend\""));
    assert!(deed("resume", &[]).await.contains("The license is resumed"));
    assert!(deed("extend", &[("days", "10")]).await.contains("2090-01-11"));
    let code = world.device.deactivate_offline(Reason::Moved).unwrap().code().to_string();
    let found = owner.submit("/console/desk", &[("group", &code)]).await;
    let redeemed = owner.post("/console/desk", &fields_of(&hidden(&found.body))).await;
    assert!(redeemed.body.contains("is free"), "{}", redeemed.body);
    assert!(owner.get(&license).await.body.contains("4 of 5"));
    let reset = deed("reset-deactivations", &[("reason", "a courtesy"), ("extra", "")]).await;
    assert!(reset.contains("The counter is reset") && reset.contains("5 of 5"), "{reset}");
    world.authority.activated_as("NW-2", "again", &world.key).await;
    assert!(deed("deactivate", &[("reason", "")]).await.contains("All seats are free"));
    let shown =
        owner.submit(&format!("{license}/keys/{}/show", &world.key[world.key.len() - 5..]), &[]).await;
    assert!(shown.status == 200 && shown.body.contains(&world.key), "{}", shown.body);
    let made = owner.submit(&format!("{license}/rekey"), &[]).await;
    assert!(made.status == 200 && made.body.contains("The key is made"), "{}", made.body);
    // The address of no page holds a key, and no page shows one but those that were asked to.
    let page = owner.get(&license).await.body;
    assert!(!page.contains(&world.key) && page.contains("revoked"));
    assert!(deed("void", &[("reason", "refunded")]).await.contains("It is ended for good"));
    for gone in ["/suspend", "/extend", "/void", "/rekey"] {
        assert!(!owner.get(&license).await.body.contains(&format!("{license}{gone}\"")), "{gone}");
    }
}

fn fields_of(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (&**name, &**value)).collect()
}

#[tokio::test]
async fn whatever_a_customer_reads_out_is_found() {
    let world = World::new().await;
    let support = Browser::of(&world.authority, Role::Support).await;
    world.authority.activated_as("NW-17", "other", &world.key).await;
    let license = format!("/console/licenses/{}", world.license);
    let customer = format!("/console/customers/{}", world.customer);
    let code = world.device.deactivate_offline(Reason::Moved).unwrap().code().to_string();
    let handle = world.seat.split('/').nth_back(1).unwrap();
    let mistyped = world.key.to_lowercase().replace('-', " ");
    for (typed, expected) in [
        (&*world.key, &*license),
        (&mistyped, &license),
        (&world.key[world.key.len() - 5..], &license),
        (&world.license, &license),
        ("order 17", &license),
        ("jane@example.com", &customer),
        ("C-1", &customer),
        (&code, &world.seat),
        (handle, &world.seat),
    ] {
        let found = support.submit("/console/search", &[("q", typed)]).await;
        assert_eq!((found.status.as_u16(), location(&found)), (303, expected), "{typed}");
    }
    let by_label = support.submit("/console/search", &[("q", "nw-")]).await;
    assert!(support.get(location(&by_label)).await.body.contains("NW-17"));
    let many = support.submit("/console/search", &[("q", "<script>")]).await;
    for found in [&license, &customer, &world.seat] {
        assert!(many.body.contains(&**found), "{found}: {}", many.body);
    }
    for nothing in ["", " ", "nobody's", "\u{1}", "%' OR 1=1 --", &"x".repeat(5000)] {
        let found = support.submit("/console/search", &[("q", nothing)]).await;
        assert!(found.status == 200 && found.body.contains("Nothing was found"), "{nothing}: {}", found.body);
    }
    // A reseller finds nothing of others.
    let reseller = Browser::of(&world.authority, Role::Reseller).await;
    for typed in [&*world.key, "order 17", "jane@example.com", handle, "NW-17", &world.license] {
        let found = reseller.submit("/console/search", &[("q", typed)]).await;
        assert!(found.body.contains("Nothing was found"), "{typed}: {}", found.body);
    }
}

#[tokio::test]
async fn the_grid_shows_the_columns_that_are_chosen_and_keeps_a_filter_that_is_wrong() {
    let world = World::new().await;
    for name in ["NW-2", "NW-1"] {
        world.authority.activated_as(name, name, &world.key).await;
    }
    let auditor = Browser::of(&world.authority, Role::Auditor).await;
    let head =
        |html: &str| html.split_once("<thead>").unwrap().1.split_once("</thead>").unwrap().0.to_owned();
    let hidden = ["Deactivations Allowed", "Deactivations Left", "Utilization"];
    let usual = auditor.get("/console/seats").await.body;
    assert!(hidden.iter().all(|column| !head(&usual).contains(column)) && usual.contains("Last contact"));
    // An auditor only looks.
    assert!(!usual.contains("/release"));
    let all = auditor
        .get("/console/seats?column=utilization&column=deactivations-left&column=deactivations-allowed")
        .await;
    assert!(hidden.iter().all(|column| head(&all.body).contains(column)), "{}", all.body);
    assert!(all.body.contains("5 of 5") && !head(&all.body).contains("Last contact"));
    let sorted = auditor.get("/console/seats?sort=computer&filter=label~nw-").await.body;
    assert!(sorted.find(">NW-1<").unwrap() < sorted.find(">NW-2<").unwrap());
    assert_eq!(sorted.matches("<th scope=\"row\"").count(), 2);
    let wrong = auditor.get("/console/seats?filter=label~%22%3Cb%3E%20colour:x").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("the filter is wrong at letter"), "{}", wrong.body);
    assert!(wrong.body.contains("value=\"label~&#34;&#60;b&#62; colour:x\""), "{}", wrong.body);
    let none = auditor.get("/console/seats?filter=state:held").await.body;
    assert!(none.contains("Nothing passes this filter"));
}

#[tokio::test]
async fn a_list_of_several_pages_says_that_it_is_in_the_order_of_its_filter() {
    let world = World::new().await;
    let auditor = Browser::of(&world.authority, Role::Auditor).await;
    let mut tx = world.authority.server().service.database().write().await.unwrap();
    let mut record = serde_json::to_value(&store::seats(&mut tx).await.unwrap()[0]).unwrap();
    for n in 0..60 {
        record["seat"] = Handle::new(n).unwrap().to_string().into();
        record["label"] = format!("NW-{}", 99 - n).into();
        let seat = serde_json::from_value(record.clone()).unwrap();
        store::apply(&mut tx, &Change::Insert { seat, request: None }, &operator()).await.unwrap();
    }
    tx.commit().await.unwrap();
    let said = "it is in the order of the filter";
    for (query, is_said) in [
        ("sort=computer", true),
        ("sort=computer&filter=state:active", true),
        ("sort=computer&filter=label~NW-", false),
        ("sort=computer&filter=label~NW-9", false),
        ("sort=last-contact", false),
        ("sort=activated", false),
    ] {
        let page = auditor.get(&format!("/console/seats?{query}")).await.body;
        assert!(page.contains("NW-99") || page.contains("NW-40"), "{query}: {page}");
        assert_eq!(page.contains(said), is_said, "{query}: {page}");
    }
}

#[tokio::test]
async fn a_form_that_is_sent_twice_is_answered_twice_and_done_once() {
    let world = World::new().await;
    let owner = Browser { authority: &world.authority, token: "nls_owner".into(), language: "en" };
    let template = [("terms", "{\"seats\": 7}"), ("keeps_keys", "true")];
    let remove = format!("/console/webhooks/{}/remove", world.webhook);
    for (path, typed) in [("/console/products/example", &template[..]), (&remove, &[])] {
        let mut fields = hidden(&owner.get(path).await.body);
        fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let first = owner.post(path, &fields_of(&fields)).await;
        assert_eq!(first.status, 303, "{path}: {}", first.body);
        let again = owner.post(path, &fields_of(&fields)).await;
        assert_eq!(again.status, 303, "{path}: {}", again.body);
        assert_eq!(location(&again), location(&first), "{path}");
    }
    let actions = world.actions().await;
    assert_eq!(actions.iter().filter(|action| *action == "webhook-removed").count(), 1);
    // The same form with something else in it is not the same.
    let mut fields = hidden(&owner.get("/console/products/example").await.body);
    let typed = [("terms", "{\"seats\": 8}"), ("keeps_keys", "true")];
    fields.extend(typed.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(owner.post("/console/products/example", &fields_of(&fields)).await.status, 303);
    let at = fields.len() - 2;
    fields[at].1 = "{\"seats\": 9}".to_owned();
    assert_eq!(owner.post("/console/products/example", &fields_of(&fields)).await.status, 422);
}

/// PostgreSQL fails for a text with that letter.
#[tokio::test]
async fn nul_in_an_address_or_a_form_is_refused() {
    let world = World::new().await;
    let owner = Browser { authority: &world.authority, token: "nls_owner".into(), language: "en" };
    let me = owner.get("/console/me").await.body;
    let token = token_of(&me);
    let sent = owner.post("/console/accounts/a%00/disable", &[("token", token), ("once", "x")]).await;
    assert_eq!(sent.status, 404, "{}", sent.body);
    assert_eq!(owner.get("/console/accounts/a%00").await.status, 404);
    let new = [("name", "a\0b"), ("license", &*world.license), ("limit", "2"), ("expires", "")];
    assert_eq!(owner.submit("/console/deployment-keys", &new).await.status, 400);
    let scope = [("name", "shop"), ("scope", "a\0"), ("expires", "")];
    assert_eq!(owner.submit("/console/tokens", &scope).await.status, 400);
    assert_eq!(owner.submit("/console/search", &[("q", "a\0b")]).await.status, 400);
    let account = [("account", "ja\0ne"), ("password", "correct horse"), ("code", "000000"), ("next", "")];
    assert_eq!(owner.post("/console/sign-in", &account).await.status, 400);
}

#[tokio::test]
async fn a_line_that_is_damaged_fails_alone() {
    let world = World::new().await;
    let owner = Browser { authority: &world.authority, token: "nls_owner".into(), language: "en" };
    let database = world.authority.server().service.database().clone();
    database.damage("UPDATE audit SET license_id = 'x' WHERE action = 'license-created'").await;
    database.damage("UPDATE event SET license_id = 'x' WHERE kind = 'seat.granted'").await;
    for (path, seen) in [
        ("/console/audit", "set-up"),
        ("/console/audit?after=first", "set-up"),
        ("/console/events", "license.created"),
    ] {
        let page = owner.get(path).await;
        assert!(page.status == 200 && page.body.contains(&format!(">{seen}<")), "{path}: {}", page.body);
        assert!(!page.body.contains(">license-created<") && !page.body.contains(">seat.granted<"), "{path}");
    }
}

#[tokio::test]
async fn a_code_is_read_group_by_group_shown_as_it_was_mended_and_redeemed() {
    let world = World::new().await;
    let support = Browser::of(&world.authority, Role::Support).await;
    let code = world.device.deactivate_offline(Reason::Moved).unwrap().code().to_string();
    let groups: Vec<&str> = code.split('-').collect();
    let cut = support
        .submit(
            "/console/desk",
            &[("group", groups[0]), ("group", "7?"), ("group", ""), ("group", ""), ("group", "")],
        )
        .await;
    assert_eq!(cut.status, 422);
    assert!(cut.body.contains("Group 2 has 2 characters"), "{}", cut.body);
    assert!(cut.body.contains(&format!("value=\"{}\"", groups[0])), "what was typed stays");
    let wrong = if groups[1].starts_with('Z') { "Y" } else { "Z" }.to_owned() + &groups[1][1..];
    let typed: Vec<(&str, &str)> =
        groups.iter().map(|group| ("group", if *group == groups[1] { &*wrong } else { *group })).collect();
    let before = world.actions().await;
    let read = support.submit("/console/desk", &typed).await;
    assert!(read.body.contains("with 1 errors mended") && read.body.contains("<mark>"), "{}", read.body);
    assert!(read.body.contains("&#60;script&#62;alert(1)"), "whose computer it is");
    let confirmed = hidden(&read.body);
    assert_eq!(world.actions().await, before, "nothing was done yet");
    let redeemed = support.post("/console/desk", &fields_of(&confirmed)).await;
    assert!(redeemed.body.contains("is free") && redeemed.body.contains("Deactivations Left"));
    let again = support.post("/console/desk", &fields_of(&confirmed)).await;
    assert!(again.body.contains("was free already"), "{}", again.body);
    let line = world.audit().await.into_iter().find(|line| line.action == "returned").unwrap();
    assert_eq!(line.actor, "account:support");
}

#[tokio::test]
async fn what_happened_to_a_license_is_shown_latest_first_page_by_page_and_each_thing_once() {
    let world = World::new().await;
    let owner = Browser { authority: &world.authority, token: "nls_owner".into(), language: "en" };
    let database = world.authority.server().service.database().clone();
    let id = world.license.parse().unwrap();
    for n in 0..60 {
        service::set_suspended(
            &database,
            id,
            (n % 2 == 0, service::Changing::default()),
            |_| Ok(()),
            &operator(),
        )
        .await
        .unwrap();
    }
    // All seats are taken, and two are refused.
    for name in ["b", "c"] {
        world.authority.activated_as(name, name, &world.key).await;
    }
    for name in ["d", "e"] {
        let (_, request) = world.authority.device(name, &world.key);
        let refused = world.authority.call("/v1/activations", json!({ "request": request })).await;
        assert_eq!(refused.status, 409, "{}", refused.body);
    }
    let (mut path, mut pages, mut found) = (format!("/console/licenses/{}", world.license), 0, String::new());
    loop {
        let page = owner.get(&path).await.body;
        let table = page.rsplit_once("<h2>What happened</h2>").unwrap().1;
        found += table.split_once("</tbody>").unwrap().0;
        pages += 1;
        let Some((_, rest)) = table.split_once("<p><a href=\"") else { break };
        path = rest.split_once('"').unwrap().0.replace("&#38;", "&");
    }
    assert_eq!(pages, 2);
    let count = |what: &str| found.matches(what).count();
    assert_eq!((count(">license.suspended<"), count(">license.resumed<")), (30, 30));
    assert_eq!(
        (count("refused: no-free-seat"), count(">seat.granted<"), count(">license.created<")),
        (2, 3, 1)
    );
    let why = owner.get("/console/refusals").await.body;
    assert_eq!(why.matches("no-free-seat: ").count(), 2, "{why}");
    for wrong in ["x", "bnVsbA", "W251bGwsWzEsIngiLCIiLCIiXV0"] {
        let page = owner.get(&format!("/console/licenses/{}?after={wrong}", world.license)).await;
        assert_eq!(page.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_computer_that_was_released_and_comes_back_is_told_in_red() {
    let world = World::new().await;
    let support = Browser::of(&world.authority, Role::Support).await;
    let other = world.authority.activated_as("NW-17", "other", &world.key).await;
    let found = support.get("/console/seats?filter=label~NW-17").await.body;
    let table = found.split_once("<tbody>").unwrap().1;
    let seat = table.split_once("href=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    for seat in [&world.seat, &seat] {
        support.follow(&format!("{seat}/release"), &[("reason", "gone")]).await;
    }
    let nobody = support.get("/console/returned").await.body;
    assert!(nobody.contains("No computer came back") && !nobody.contains(&world.seat), "{nobody}");
    let sent = world.authority.sent("device", |client| drop(client.check_in()));
    world.authority.call("/v1/checkins", sent).await;
    for path in ["/console/returned", "/console/seats", &world.seat] {
        let page = support.get(path).await.body;
        assert!(page.contains("class=\"bad\">came back on"), "{path}: {page}");
    }
    assert!(!support.get("/console/returned").await.body.contains("NW-17"));
    // A code from it says as much as a check-in does.
    let code = other.deactivate_offline(Reason::Moved).unwrap().code().to_string();
    let read = support.submit("/console/desk", &[("group", &code)]).await;
    assert_eq!(support.post("/console/desk", &fields_of(&hidden(&read.body))).await.status, 200);
    for path in ["/console/returned", "/console/seats?filter=came_back:yes"] {
        let page = support.get(path).await.body;
        assert!(page.contains("NW-17") && page.contains(&world.seat), "{path}: {page}");
        assert_eq!(page.matches("class=\"bad\">came back on").count(), 2, "{path}: {page}");
    }
    assert!(support.get(&seat).await.body.contains("class=\"bad\">came back on"));
}

#[tokio::test]
async fn a_person_signs_in_comes_back_to_the_page_and_signs_out() {
    let authority = Authority::new().await;
    let server = authority.server();
    let (database, vault) = (server.service.database(), server.service.vault());
    let new = ("jane", Role::Support, Zeroizing::new("correct horse battery".to_owned()));
    let factor = service::new_account(database, vault, new, |_| Ok(()), &operator()).await.unwrap();
    let stranger = Browser { authority: &authority, token: "nls_planted".into(), language: "en" };
    let led = stranger.get("/console/seats?filter=state:active").await;
    let form = location(&led).to_owned();
    assert_eq!(form, "/console/sign-in?next=%2Fconsole%2Fseats%3Ffilter%3Dstate%3Aactive");
    assert!(
        led.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"),
        "it is nobody's session"
    );
    let sign_in = async |next: &str, code: &str| {
        let page = stranger.get(&format!("/console/sign-in?next={}", super::visitor::encoded(next))).await;
        let mut fields = hidden(&page.body);
        for (name, value) in [("account", "jane"), ("password", "correct horse battery"), ("code", code)] {
            fields.push((name.into(), value.into()));
        }
        stranger.post("/console/sign-in", &fields_of(&fields)).await
    };
    let wrong = sign_in("/console/seats", "000000").await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.body.contains("The account, the password or the code is wrong"));
    assert!(wrong.body.contains("value=\"jane\"") && !wrong.body.contains("correct horse"));
    assert!(wrong.headers.get(header::SET_COOKIE).is_none());
    let right = sign_in("/console/seats?filter=state:active", &factor.recovery[0]).await;
    assert_eq!((right.status.as_u16(), location(&right)), (303, "/console/seats?filter=state:active"));
    let cookie = right.headers[header::SET_COOKIE].to_str().unwrap();
    let (session, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax");
    let token = session.strip_prefix("__Host-nodelock-console=").unwrap();
    assert!(token.starts_with("nls_") && token != "nls_planted", "nobody can know it before");
    for (n, elsewhere) in
        ["https://evil.example/", "//evil.example", "/console\\evil", "/v1/admin/me"].into_iter().enumerate()
    {
        assert_eq!(location(&sign_in(elsewhere, &factor.recovery[n + 1]).await), "/console", "{elsewhere}");
    }
    let jane = Browser { authority: &authority, token: token.to_owned(), language: "en" };
    let me = jane.get("/console/me").await.body;
    assert!(me.contains("jane") && me.contains("support"));
    assert_eq!(location(&jane.get("/console").await), "/console/search");
    let out = jane.post("/console/sign-out", &[("token", token_of(&me))]).await;
    assert_eq!((out.status.as_u16(), location(&out)), (303, "/console/sign-in"));
    assert_eq!(jane.get("/console/me").await.status, 303);
    // A program's token is no person's, and a session's cookie is no token for programs.
    let program = authority.token(crate::domain::rights::Scope::ALL).await;
    let program = Browser { authority: &authority, token: program, language: "en" };
    assert_eq!(program.get("/console/seats").await.status, 303);
    // Nor is the console where customers are.
    assert_eq!(authority.get("/console/sign-in").await.status, 404);
}

#[tokio::test]
async fn what_is_made_is_shown_once_and_again_to_the_same_form_alone() {
    let world = World::new().await;
    let owner = Browser { authority: &world.authority, token: "nls_owner".into(), language: "en" };
    let make = async |path: &str, fields: &[(&str, &str)]| {
        let page = owner.get(path).await.body;
        let mut sent = hidden(&page);
        sent.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let first = owner.post(path, &fields_of(&sent)).await;
        assert_eq!(first.status, 200, "{path}: {}", first.body);
        let again = owner.post(path, &fields_of(&sent)).await;
        let secrets =
            |html: &str| html.split_once("secrets").unwrap().1.split_once("</dl>").unwrap().0.to_owned();
        assert_eq!(secrets(&first.body), secrets(&again.body), "{path}");
        assert!(!owner.get(path).await.body.contains("secrets"), "{path}");
        secrets(&first.body)
    };
    let account = [("name", "jane"), ("role", "support"), ("password", "correct horse battery")];
    assert!(make("/console/accounts", &account).await.contains("otpauth://"));
    let token =
        [("name", "shop"), ("scope", "licenses:read"), ("scope", "seats:write"), ("expires", "2090-01-01")];
    assert!(make("/console/tokens", &token).await.contains("nlt_"));
    let key = [("name", "CI"), ("license", &*world.license), ("limit", "2"), ("expires", "")];
    assert!(make("/console/deployment-keys", &key).await.contains("nld_"));
    let hook = [("url", "https://other.example/hook"), ("kinds", "license.created, seat.granted")];
    assert!(make("/console/webhooks", &hook).await.contains("whsec_"));
    let jane = "/console/accounts/jane";
    assert!(owner.follow(&format!("{jane}/role"), &[("role", "auditor")]).await.body.contains("auditor"));
    assert!(owner.follow(&format!("{jane}/disable"), &[]).await.body.contains("disabled"));
    assert!(owner.follow(&format!("{jane}/enable"), &[]).await.body.contains("active"));
    let short = owner.submit(&format!("{jane}/password"), &[("password", "short")]).await;
    assert!(short.status == 400 && short.body.contains("at least 12 characters"), "{}", short.body);
    let revoked = owner.follow(&format!("/console/tokens/{}/revoke", world.token), &[]).await.body;
    assert!(revoked.contains("It is revoked") && revoked.contains(">revoked<"));
    let removed = owner.follow(&format!("/console/webhooks/{}/remove", world.webhook), &[]).await.body;
    assert!(removed.contains("It is removed") && !removed.contains("shop.example"));
}

#[tokio::test]
async fn a_template_is_what_its_form_says_and_an_order_is_extended_and_ended() {
    let world = World::new().await;
    let vendor = Browser::of(&world.authority, Role::Vendor).await;
    let product = "/console/products/example";
    let edit = async |terms: &str| vendor.submit(product, &[("terms", terms), ("keeps_keys", "true")]).await;
    for wrong in ["", "[]", "{\"seat\":1}", "{\"seats\":\"many\"}"] {
        assert_eq!(edit(wrong).await.status, 400, "{wrong}");
    }
    let done = edit("{\"seats\": 7, \"lease_days\": 20}").await;
    assert!(vendor.get(location(&done)).await.body.contains("The template is saved"));
    let done = edit("{\"seats\": 7}").await;
    let page = vendor.get(location(&done)).await.body;
    assert!(page.contains("seats&#34;: 7") && !page.contains("lease_days"), "{page}");
    let orders = vendor.get("/console/orders").await.body;
    let order = orders.split_once("href=\"/console/orders/").unwrap().1.split_once('"').unwrap().0;
    let order = format!("/console/orders/{}", order.replace("&#38;", "&"));
    assert!(vendor.get(&order).await.body.contains(&world.license));
    let (path, query) = order.split_once('?').unwrap();
    let extended = vendor.follow(&format!("{path}/extend?{query}"), &[("days", "5")]).await.body;
    assert!(extended.contains("The end has moved"), "{extended}");
    let ended = vendor.follow(&format!("{path}/void?{query}"), &[("reason", "refunded")]).await.body;
    assert!(ended.contains("It is ended for good") && ended.contains(">void<"), "{ended}");
}

#[tokio::test]
async fn pages_speak_the_language_of_the_browser_and_an_empty_console_says_what_to_do_first() {
    let authority = Authority::new().await;
    let mut owner = Browser::of(&authority, Role::Owner).await;
    for (path, first) in [
        ("/console/licenses", "authority license new"),
        ("/console/seats", "Send the customer the license key"),
        ("/console/orders", "POST /v1/admin/licenses"),
        ("/console/customers", "authority customer new"),
        ("/console/webhooks", "Add the address"),
        ("/console/refusals", "Nothing was refused lately"),
        ("/console/returned", "No computer came back"),
        ("/console/tokens", "No program has a token yet"),
        ("/console/health", "The authority does its work"),
        ("/console/health?audit=check", "whole: no line was changed"),
    ] {
        let page = owner.get(path).await;
        assert!(page.status == 200 && page.body.contains(first), "{path}: {}", page.body);
    }
    owner.language = "de-AT,de;q=0.9,en;q=0.1";
    let page = owner.get("/console/seats").await.body;
    assert!(page.contains("<html lang=\"de\">") && page.contains("Plätze") && !page.contains("Seats"));
    assert_eq!(owner.get("/console/nowhere").await.status, 404);
    assert_eq!(owner.get("/console/licenses/0000000000000001").await.status, 404);
    assert_eq!(owner.get("/console/licenses/x/y/z/w").await.status, 404);
    assert_eq!(owner.get("/console/seats?filter=%ff").await.status, 400);
    assert_eq!(owner.get("/console/seats?after=%00").await.status, 404);
}
