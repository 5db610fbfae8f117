//! What holds for every page, in the process. What a customer does from page to page is in `tests/portal`, over
//! sockets.

use axum::{
    body::Body,
    extract::Request,
    http::{StatusCode, header},
};
use nodelock::{
    Reason,
    authority::SeatListing,
    code::{DeactivationCode, LicenseKey, ReleaseSecret},
    fingerprint::{Component, Probe},
};

use super::{
    super::{
        fixture::{Authority, WholeResponse},
        html::{self, Field, File, Text, content_type, field, title, words},
    },
    pages,
};

/// A page: its address, its heading as long as nothing was handed in, and the field that a customer fills in. One that
/// only answers a form of another page has no heading, one without a form no field.
type Row = (&'static str, Option<&'static str>, Option<&'static str>);

const PAGES: [Row; 6] = [
    ("/", Some("What would you like to do?"), None),
    ("/seats", Some("Your seats"), Some("license_key")),
    ("/seats/free", None, Some("license_key")),
    ("/redeem", Some("Give a seat back"), Some("deactivation")),
    ("/activate", Some("Activate or renew a computer without network"), Some("request")),
    ("/download", None, Some("license")),
];

/// What a customer may type, or call a computer.
const HOSTILE: &str = "</textarea><script>alert(1)</script>\"'><img src=x>&lt;";

/// The addresses with a form, and the field of each.
fn forms() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGES.into_iter().filter_map(|(path, _, field)| Some((path, field?)))
}

/// What every answer of the portal tells the browser.
fn check_headers(answer: &WholeResponse) {
    for (name, value) in [
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.headers.get(name).map(|value| value.to_str().unwrap()), Some(value), "{name}");
    }
}

/// A page that is in form: its status and heading, and its text.
fn page(answer: WholeResponse) -> (u16, String, String) {
    check_headers(&answer);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/html; charset=utf-8", "{}", answer.body);
    assert!(answer.body.contains("<html lang=\"en\">"));
    html::check(&answer.body, "/portal.js", "/");
    (answer.status.as_u16(), title(&answer.body), answer.body)
}

async fn ask(authority: &Authority, method: &str, path: &str) -> WholeResponse {
    authority.ask(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
}

async fn send(authority: &Authority, path: &str, fields: &[Field<'_>]) -> WholeResponse {
    authority.post(path, &content_type(), html::body(fields)).await
}

/// A license with one seat, whose computer is silent for longer than a week and bears a hostile name.
struct World {
    authority: Authority,
    key: String,
    seat: String,
    /// The text of its license.
    license: String,
}

impl World {
    async fn new() -> Self {
        let authority = Authority::new().await;
        let key = authority.sell_with(1, |terms| terms.seat_list = SeatListing::Labels).await;
        let device = authority.activated_as(HOSTILE, "device", &key).await;
        authority.silence(8).await;
        let license = device.check().unwrap().license().unwrap().clone();
        Self { authority, key, seat: license.handle.to_string(), license: license.to_base64url() }
    }
}

#[tokio::test]
async fn each_page_has_a_row_here_and_opens_with_its_heading() {
    assert_eq!(pages().map(|(path, _)| path), PAGES.map(|(path, ..)| path), "a page has no row");
    let authority = Authority::new().await;
    for (path, heading, form) in PAGES {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let (status, title, html) = page(ask(&authority, method, path).await);
            match (method, heading, form) {
                ("GET", Some(heading), _) => {
                    assert_eq!((status, &*title), (200, heading), "{path}");
                    let fields = form.map_or(0, |name| html.matches(&format!(" name=\"{name}\"")).count());
                    assert_eq!(fields, usize::from(form.is_some()), "{path}");
                    assert_eq!(
                        html.contains(&format!("<form method=\"post\" action=\"{path}\"")),
                        fields == 1
                    );
                }
                ("POST", _, Some(_)) => assert_eq!(status, 415, "{path}"),
                _ => assert_eq!(
                    (status, &*title),
                    (405, "This page is reached through a form"),
                    "{method} {path}"
                ),
            }
        }
        let answer = ask(&authority, "HEAD", path).await;
        check_headers(&answer);
        assert_eq!((answer.status == 200, &*answer.body), (heading.is_some(), ""), "{path}");
    }
}

#[tokio::test]
async fn each_form_says_what_is_wrong_and_does_what_is_right() {
    let (World { authority, key, seat, license }, other) = (World::new().await, World::new().await);
    let nobodys = LicenseKey::from_random([5; 12]).to_string();
    let sold = authority.sell(2, None).await;
    let gone = authority.activated("gone", &sold).await.deactivate_offline(Reason::Moved).unwrap();
    let wrong = DeactivationCode::new(gone.handle(), ReleaseSecret::from_random([7; 8])).to_string();
    let (_, request) = authority.device("new", &sold);
    let (_, unknown) = authority.device("nobody's", &nobodys);
    let code = gone.code().to_string();
    let (freed, redeemed) = (format!("Seat {seat} is free"), format!("Seat {} is free", gone.handle()));
    let (chosen, none) = (Text("seat", &seat), "Nothing was handed in");
    let cases: [(&str, &[Field<'_>], u16, &str); 15] = [
        ("/seats", &[], 400, "No license key was entered"),
        ("/seats", &[Text("license_key", &nobodys)], 404, "No license has this key"),
        ("/seats", &[Text("license_key", &key)], 200, "Every seat is taken"),
        ("/seats/free", &[], 400, "No license key was entered"),
        ("/seats/free", &[Text("license_key", &nobodys), chosen], 404, "No license has this key"),
        ("/seats/free", &[Text("license_key", &key), Text("seat", "x")], 400, "This cannot be read"),
        ("/seats/free", &[Text("license_key", &key), chosen], 200, &freed),
        ("/redeem", &[], 400, none),
        ("/redeem", &[Text("deactivation", &wrong)], 403, "This code does not fit its seat"),
        ("/redeem", &[Text("deactivation", &code)], 200, &redeemed),
        ("/activate", &[], 400, none),
        ("/activate", &[Text("request", &unknown)], 404, "No license has the key in this request"),
        ("/activate", &[File("file", request.as_bytes())], 200, "The license is ready"),
        ("/download", &[], 400, "There is nothing to download"),
        ("/download", &[Text("license", &other.license)], 400, "There is nothing to download"),
    ];
    for (path, _) in forms() {
        let is_tried = |of: &str| cases.iter().any(|(case, _, _, title)| *case == path && title.contains(of));
        assert!(is_tried("No") || is_tried("nothing"), "{path} is not tried");
    }
    for (path, fields, status, heading) in cases {
        let before = authority.audit_lines().await;
        let (found, title, html) = page(send(&authority, path, fields).await);
        assert_eq!((found, &*title), (status, heading), "{path}");
        let tone = if status == 200 { ["good", "waiting"].as_slice() } else { &["bad"] };
        assert!(tone.iter().any(|tone| html.contains(&format!("class=\"notice {tone}\""))), "{path}: {html}");
        // What shows seats does nothing, and neither does what is refused before a rule is asked.
        let is_done = status == 200 && path != "/seats";
        assert!(!is_done || authority.audit_lines().await > before, "{path} did nothing");
        for secret in [&key, &sold, &nobodys] {
            let typed = fields.iter().any(|field| matches!(field, Text(_, value) if value == secret));
            assert!(!html.contains(&**secret) || (typed && status != 200), "{path} shows a key");
        }
    }
    let file = send(&authority, "/download", &[Text("license", &license)]).await;
    check_headers(&file);
    let name = format!("attachment; filename=\"license-{seat}.txt\"");
    assert_eq!(file.headers[header::CONTENT_DISPOSITION], *name);
    assert_eq!(file.headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    assert!(file.body.starts_with("-----BEGIN NODELOCK LICENSE-----"), "{}", file.body);
}

#[tokio::test]
async fn each_form_refuses_what_is_no_form_too_large_or_of_another_website() {
    let authority = Authority::new().await;
    let before = authority.audit_lines().await;
    for (path, field) in forms() {
        let form = |value: &[u8]| html::body(&[File(field, value)]);
        let whole = form(b"x");
        let headless = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        for cut in [&whole[..whole.len() - 30], &whole[..headless], b"x", b""] {
            let (status, title, _) = page(authority.post(path, &content_type(), cut.to_vec()).await);
            assert_eq!((status, &*title), (400, "The form arrived incomplete"), "{path}");
        }
        for (kind, status) in [
            ("text/plain", 415),
            ("application/json", 415),
            ("application/x-www-form-urlencoded", 415),
            ("", 415),
            ("multipart/form-data", 400),
        ] {
            assert_eq!(page(authority.post(path, kind, whole.clone()).await).0, status, "{path}: {kind}");
        }
        for wrong in [&b"\xff\xfe"[..], b"a\0b"] {
            let (status, ..) = page(authority.post(path, &content_type(), form(wrong)).await);
            assert_eq!(status, 400, "{path}: {wrong:?}");
        }
        let large = form(&vec![b'9'; 1024 * 1024]);
        let many = html::body(&[Text(field, "x"); 201]);
        for body in [large, many] {
            let (status, title, _) = page(authority.post(path, &content_type(), body).await);
            assert_eq!((status, &*title), (413, "This is too large"), "{path}");
        }
        for (name, value, is_refused) in [
            ("sec-fetch-site", "cross-site", true),
            ("sec-fetch-site", "same-site", true),
            ("origin", "https://evil.example", true),
            ("origin", "null", true),
            ("sec-fetch-site", "same-origin", false),
            ("origin", "https://authority", false),
        ] {
            let request = Request::post(path).header(header::CONTENT_TYPE, content_type());
            let request = request.header(header::HOST, "authority").header(name, value);
            let request = request.body(Body::from(html::body(&[Text("other", "x")]))).unwrap();
            let (status, title, _) = page(authority.ask(request).await);
            let refused = (status, &*title) == (403, "This form was sent from another website");
            assert_eq!(refused, is_refused, "{path}, {name}: {value}: {status} {title}");
        }
    }
    assert_eq!(authority.audit_lines().await, before);
}

#[tokio::test]
async fn hostile_words_are_words_wherever_they_are_shown() {
    let World { authority, key, .. } = World::new().await;
    for (path, name) in forms() {
        let (_, _, html) = page(send(&authority, path, &[Text(name, HOSTILE), Text("seat", HOSTILE)]).await);
        if html.contains(&format!(" name=\"{name}\"")) {
            assert_eq!(field(&html, name), HOSTILE, "{path}");
        }
        assert!(!html.contains("<script>") && !html.contains("<img"), "{path}: {html}");
    }
    // The name of a computer: in the list, and where a seat is chosen.
    let (_, _, seats) = page(send(&authority, "/seats", &[Text("license_key", &key)]).await);
    let (_, request) = authority.device("new", &key);
    let (_, _, choice) = page(send(&authority, "/activate", &[Text("request", &request)]).await);
    for (html, times) in [(&seats, 2), (&choice, 1)] {
        let shown = words(html);
        assert_eq!(shown.matches(HOSTILE).count(), times, "{shown}");
        assert!(!html.contains("<script>") && !html.contains("<img"), "{html}");
    }
}

#[tokio::test]
async fn where_the_database_fails_each_form_keeps_what_was_typed_and_blames_nobody() {
    let World { authority, key, seat, license } = World::new().await;
    let (_, request) = authority.device("new", &key);
    let code = DeactivationCode::new(seat.parse().unwrap(), ReleaseSecret::from_random([7; 8])).to_string();
    authority.close_database().await;
    for (path, name) in forms() {
        let value = match name {
            "license_key" => &key,
            "deactivation" => &code,
            "request" => &request,
            _ => &license,
        };
        let answer = send(&authority, path, &[Text(name, value), Text("seat", &seat)]).await;
        if path == "/download" {
            assert_eq!(answer.status, StatusCode::OK, "what is signed needs no database");
            continue;
        }
        let (status, title, html) = page(answer);
        assert_eq!((status, &*title), (500, "Something went wrong here"), "{path}");
        assert!(path == "/seats/free" || field(&html, name).trim() == value, "{path}: {html}");
    }
}

#[tokio::test]
async fn a_recovery_of_another_computers_license_is_told_that_it_is_one() {
    let World { authority, .. } = World::new().await;
    std::fs::create_dir(authority.place("thief")).unwrap();
    std::fs::copy(authority.place("device").join("device.key"), authority.place("thief").join("device.key"))
        .unwrap();
    let thief = authority.client("thief").probe(|| {
        let serial = "4c4c4544-0042-3510-8052-b7c04f380002".to_owned();
        Probe::from_values([(Component::HwUuid, serial)], true, false)
    });
    let request = thief.build().unwrap().recover_offline().unwrap().to_base64url();
    let (_, title, html) = page(send(&authority, "/activate", &[Text("request", &request)]).await);
    assert_eq!(title, "This was written on another computer", "{html}");
}
