//! The portal against what no customer sends: forms of other websites, broken and oversized bodies, forged documents,
//! and more visitors than it takes.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{
    html::{File, Text, body, content_type},
    ledger::Ledger,
    portal::{OURS, Page},
    requests::WholeResponse,
    server::{Authority, POSTGRES},
};
use nodelock::{ActivationRequestOptions, Reason, code::LicenseKey};

const FORMS: [(&str, &str); 3] =
    [("/seats", "license_key"), ("/redeem", "deactivation"), ("/activate", "request")];

#[test]
fn forms_of_other_websites_are_refused() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let device = authority.device("device");
    device.activate(&key).unwrap();
    let proof = device.deactivate_offline(Reason::Moved).unwrap().to_base64url();
    let before = (authority.seats(), authority.actions());
    let form = body(&[Text("deactivation", &proof)]);
    for headers in [
        &[("Sec-Fetch-Site", "cross-site")][..],
        &[("Sec-Fetch-Site", "same-site"), ("Origin", "http://authority")],
        &[("Sec-Fetch-Site", "")],
        &[("Origin", "http://evil.example")],
        &[("Origin", "http://authority.evil.example")],
        &[("Origin", "http://authority:8080")],
        &[("Origin", "null")],
        &[("Origin", "authority")],
    ] {
        for path in ["/redeem", "/seats", "/activate", "/download"] {
            let page = Page::of(authority.submit_raw(path, headers, &form));
            assert_eq!(
                (page.status, page.title()),
                (403, "This form was sent from another website".into()),
                "{headers:?}"
            );
        }
    }
    assert_eq!((authority.seats(), authority.actions()), before);
    // An old browser, a person who loads the answer once more, and a program.
    for headers in
        [&[("Origin", "http://AUTHORITY")][..], &[("Sec-Fetch-Site", "none"), ("Origin", "null")], &[]]
    {
        assert_eq!(Page::of(authority.submit_raw("/redeem", headers, &form)).status, 200, "{headers:?}");
    }
    assert!(authority.taken().is_empty());
}

#[test]
fn bad_input_in_every_form_is_a_page_and_changes_nothing() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let client = authority.device("device");
    let request = client.begin(&key).unwrap();
    let proof = client.cancel().unwrap();
    let before = (authority.seats(), authority.actions().len());

    let mut damaged = request.to_bytes();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let text = request.to_text();
    let cut = &text.as_bytes()[..text.len() / 2];
    for (path, field) in FORMS {
        for input in [
            &b"\0\x01\xff\xfe"[..],
            &[0xff; 300],
            b"%PDF-1.7\n%\xe2\xe3",
            "🔑🔑🔑".as_bytes(),
            b"{\"request\":1}",
            cut,
            &damaged,
        ] {
            let name = if path == "/seats" { field } else { "file" };
            let page = authority.submit(path, &[File(name, input)]);
            assert!(matches!(page.status, 400 | 403 | 404 | 422), "{path} {} {}", page.status, page.title());
            assert!(page.html.contains("class=\"notice bad\""));
        }
        for body in [
            body(&[]),
            body(&[Text("something-else", "x")]),
            body(&[Text(field, "")]),
            body(&[Text(field, " \t\r\n")]),
        ] {
            let page = Page::of(authority.submit_raw(path, &OURS, &body));
            assert_eq!(page.status, 400, "{path}");
            assert!(["Nothing was handed in", "No license key was entered"].contains(&page.title().as_str()));
        }
        let whole = body(&[Text(field, "x")]);
        let headless = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        for broken in [&whole[..whole.len() - 30], &whole[..headless], b"x", b""] {
            let page = Page::of(authority.submit_raw(path, &OURS, broken));
            assert_eq!((page.status, page.title()), (400, "The form arrived incomplete".into()), "{path}");
        }
        let not_utf8 = body(&[File(field, b"\xff\xfe\xff")]);
        assert!(matches!(authority.submit_raw(path, &OURS, &not_utf8).status, 400), "{path}");
        for content_type in ["", "text/plain", "application/json", "application/x-www-form-urlencoded"] {
            let page = Page::of(authority.post_as(content_type, path, b"a=b"));
            assert_eq!(
                (page.status, page.title()),
                (415, "This is not how the form is sent".into()),
                "{content_type}"
            );
        }
        let page = Page::of(authority.post_as("multipart/form-data", path, &whole));
        assert_eq!(page.status, 400, "no boundary");
        let large = "9".repeat(900 * 1024);
        let page = authority.submit(path, &[Text(field, &large)]);
        assert!(matches!((path, page.status), ("/seats", 404) | (_, 413)), "{path} {}", page.status);
        // Megabytes arrive, are dropped, and the answer is a page.
        let page = authority.submit(path, &[File("file", &vec![b'9'; 6 * 1024 * 1024])]);
        assert_eq!((page.status, page.title()), (413, "This is too large".into()), "{path}");
        let many: Vec<_> = (0..300).map(|_| Text(field, "x")).collect();
        assert_eq!(authority.submit(path, &many).status, 413, "{path}");
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
            assert_eq!(Page::of(authority.ask(method, path, &[], b"")).status, 405, "{method}");
        }
        assert!(authority.page(&format!("{path}?{field}=secret-in-a-query")).status == 200);
    }
    assert_eq!(Page::of(authority.get("/download")).title(), "This page is reached through a form");
    assert_eq!((authority.seats(), authority.actions().len()), before);
    let log = authority.log();
    for secret in
        [key.as_str(), &proof.code().to_string(), "secret-in-a-query", &request.to_base64url()[40..80]]
    {
        assert!(!log.contains(secret) && !log.contains(&secret.replace('-', "")));
    }
    assert!(log.contains("\"route\":\"/redeem\"") && log.contains("\"problem\":\"too-large\""));
    let metrics = authority.metrics();
    assert!(metrics.contains("{endpoint=\"/redeem\",status=\"413\"}"), "{metrics}");
}

#[test]
fn hostile_words_come_back_as_words() {
    let authority = Authority::new();
    let hostile = "</textarea><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;";
    for (path, field) in FORMS {
        let page = authority.submit(path, &[Text(field, hostile)]);
        assert_eq!(page.field(field), hostile, "{path}");
    }
}

#[test]
fn the_hostile_name_of_a_computer_is_words_on_every_page_that_shows_it() {
    let authority = Authority::new();
    let key = authority.sell("1", &["--seat-list", "labels"]);
    let hostile = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";
    let options = ActivationRequestOptions::of_key(&key).metadata("computer", hostile);
    authority.device("hostile").online().activate(options).unwrap();
    Ledger::open(&authority).silence(8);
    let request = authority.device("new").begin(&key).unwrap().to_bytes();
    let choice = authority.submit("/activate", &[File("file", &request)]);
    assert!(choice.html.contains("name=\"replace\""), "{}", choice.html);
    let seats = authority.submit("/seats", &[Text("license_key", &key)]);
    assert!(seats.html.contains("/seats/free"), "{}", seats.html);
    for page in [choice, seats] {
        assert!(page.words().contains(hostile), "{}", page.words());
        assert!(!page.html.contains("<script>alert") && !page.html.contains("<img"), "{}", page.html);
    }
}

#[test]
fn only_documents_of_this_authority_are_handed_out() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let license = |authority: &Authority| {
        let key = authority.sell("1", &[]);
        let request = authority.device("device").begin(&key).unwrap();
        let page = authority.submit("/activate", &[File("file", &request.to_bytes())]);
        page.hidden().remove(0).1
    };
    let (genuine, forged) = (license(&ours), license(&theirs));
    let download = |fields: &[_]| ours.submit_raw("/download", &OURS, &body(fields));
    assert!(download(&[Text("license", &genuine)]).body.starts_with("-----BEGIN NODELOCK LICENSE-----"));
    for fields in [
        &[Text("license", &forged)][..],
        &[Text("license", &genuine), Text("receipt", &forged)],
        &[Text("receipt", &genuine)],
        &[Text("license", "@echo off")],
        &[File("license", b"\xff")],
        &[],
    ] {
        let reply = download(fields);
        assert!(!reply.head.contains("content-disposition"));
        let page = Page::of(reply);
        assert_eq!(page.title(), "There is nothing to download");
        assert_eq!(page.status, 400);
    }
}

#[test]
fn pages_that_are_not_there_are_pages_for_people_and_problems_for_programs() {
    let authority = Authority::new();
    for path in ["/nothing", "/redeem/x", "/v1/nothing"] {
        let page = authority.page(path);
        assert_eq!((page.status, page.title()), (404, "There is no such page".into()));
        assert_eq!(authority.get(path).problem().0, 404);
    }
    assert_eq!(authority.page("/").title(), "What would you like to do?");
    for (path, content_type) in
        [("/portal.css", "text/css; charset=utf-8"), ("/portal.js", "text/javascript; charset=utf-8")]
    {
        let asset = authority.get(path);
        assert_eq!(asset.status, 200);
        assert!(
            asset.head.contains(&format!("content-type: {content_type}")) && asset.head.contains("nosniff")
        );
    }
}

#[test]
fn a_form_that_does_not_arrive_is_given_up_and_a_full_house_says_so() {
    let authority = Authority::new();
    let key = LicenseKey::from_random([5; 12]).to_string();
    let start = |path: &str| {
        let mut stream = TcpStream::connect(authority.address).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: authority\r\nConnection: close\r\nContent-Type: {}\r\nContent-Length: 500\r\n\r\n",
            content_type()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let began = Instant::now();
    let mut forms: Vec<TcpStream> =
        (0..64).map(|n| start(["/seats", "/redeem", "/activate"][n % 3])).collect();
    // One peer has 64 of the 256 permits, and metrics take none.
    let is_full = || {
        let metrics = authority.metrics();
        metrics.lines().any(|line| line == "nodelock_http_requests_under_way 64")
    };
    while !is_full() {
        assert!(began.elapsed() < Duration::from_secs(15), "64 forms are under way");
        std::thread::sleep(Duration::from_millis(20));
    }
    let busy = authority.submit("/seats", &[Text("license_key", &key)]);
    assert_eq!((busy.status, busy.title()), (503, "There is too much to do right now".into()));
    assert!(busy.head.contains("retry-after: 1"));
    let program = authority.post_as("application/json", "/v1/activations", b"{}");
    assert_eq!(program.problem(), (503, "server-busy".into()));

    for stream in &mut forms {
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, html) = reply.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let page = Page::of(WholeResponse { status, head: head.to_lowercase(), body: html.to_owned() });
        assert_eq!((page.status, page.title()), (408, "This took too long to arrive".into()));
    }
    assert!(began.elapsed() < Duration::from_secs(60));
    // The permits are free again.
    assert_eq!(authority.submit("/seats", &[Text("license_key", &key)]).status, 404);
}

#[test]
fn a_database_that_fails_is_a_page_that_blames_nobody_and_tells_nothing() {
    if std::env::var(POSTGRES).is_ok() {
        println!("SKIPPED: this breaks an SQLite file, and the tests run on PostgreSQL");
        return;
    }
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let client = authority.device("device");
    client.activate(&key).unwrap();
    let given_up = client.deactivate_offline(Reason::Moved).unwrap();
    let file = authority.directory().join("authority.db");
    let change = |sql: &'static str| {
        let url = format!("sqlite:{}", file.display());
        let work = async move {
            sqlx::any::install_default_drivers();
            let pool = sqlx::AnyPool::connect(&url).await.unwrap();
            sqlx::raw_sql(sql).execute(&pool).await.unwrap();
            pool.close().await;
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
    };
    change("ALTER TABLE license RENAME TO hidden; ALTER TABLE vendor RENAME TO nobody");
    let request = authority.device("other").begin(&key).unwrap().to_text();
    let inputs = [key.clone(), given_up.code().to_string(), request];
    for ((path, field), input) in FORMS.into_iter().zip(&inputs) {
        let page = authority.submit(path, &[Text(field, input)]);
        assert_eq!((page.status, page.title()), (500, "Something went wrong here".into()), "{path}");
        assert_eq!(page.field(field).trim(), input.trim(), "what was typed is kept");
        assert!(!page.html.contains("table") && !page.html.contains("sql"), "{path}");
    }
    assert_eq!(authority.page("/").status, 200);
    let log = authority.log();
    assert!(log.contains("no such table") && !inputs.iter().any(|input| log.contains(input.trim())));
    // Nothing is lost: the same again, once it is mended.
    change("ALTER TABLE hidden RENAME TO license; ALTER TABLE nobody RENAME TO vendor");
    assert_eq!(authority.submit("/redeem", &[Text("deactivation", &inputs[1])]).status, 200);
    assert!(authority.taken().is_empty());
}
