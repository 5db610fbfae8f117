//! Requests and check-ins of computers without a network.

use std::fs;

use nodelock::{
    License, Reason, Verdict,
    code::LicenseKey,
    fingerprint::{Component, Probe},
};

use super::{given_up, redeem};
use crate::support::{
    html::{Field, File, Text},
    ledger::Ledger,
    server::Authority,
};

#[test]
fn a_request_is_answered_with_a_license_that_the_computer_takes() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let client = authority.device("device");
    let request = client
        .begin(nodelock::ActivationRequestOptions::of_key(&key).metadata("computer", "office"))
        .unwrap();
    let inputs: [Field<'_>; 3] = [
        File("file", &request.to_bytes()),
        Text("request", &request.to_text()),
        Text("request", &request.to_base64url()),
    ];
    let mut files = Vec::new();
    for input in inputs {
        let page = authority.submit("/activate", &[input]);
        assert_eq!((page.status, page.title()), (200, "The license is ready".into()));
        files.push(authority.download(&page));
    }
    files.dedup();
    let [(name, license)] = &files[..] else { panic!("the same request gets the same license") };
    let handle = request.request().handle;
    assert_eq!(*name, format!("license-{handle}.txt").to_lowercase());
    let roots = nodelock::Roots::new([authority.root.parse().unwrap()]);
    assert_eq!(License::verify(license.as_bytes(), &roots).unwrap().handle, handle);
    assert_eq!(*client.accept(license.as_bytes()).unwrap().status().verdict(), Verdict::Active);

    // What was given up comes along with the next request, and its receipt with the license.
    client.deactivate_offline(Reason::Moved).unwrap();
    let next = client.begin(&key).unwrap();
    assert_eq!(next.releases().len(), 1);
    let page = authority.submit("/activate", &[File("file", &next.to_bytes())]);
    assert!(page.words().contains("The file holds the receipt of a seat"), "{}", page.words());
    let (_, reply) = authority.download(&page);
    assert!(client.accept(reply.as_bytes()).unwrap().status().is_usable());
    assert!(client.outstanding().unwrap().is_empty());
    assert_eq!(authority.taken().len(), 1);
}

#[test]
fn without_a_free_seat_a_customer_chooses_one_to_replace() {
    let authority = Authority::new();
    let key = authority.sell("2", &["--seat-list", "labels"]);
    let seat = |name: &str| {
        let client = authority.device(name);
        let options = nodelock::ActivationRequestOptions::of_key(&key).metadata("computer", name);
        client.online().activate(options).unwrap().license().unwrap().handle.to_string()
    };
    let (dead, used) = (seat("the dead one"), seat("the one in use"));
    let client = authority.device("new");
    let request = client.begin(&key).unwrap();
    let hand_in =
        |input: Field<'_>, choice: &str| authority.submit("/activate", &[input, Text("replace", choice)]);
    // Both were heard of just now.
    let page = hand_in(File("file", &request.to_bytes()), "");
    assert_eq!((page.status, page.title()), (409, "No seat is free".into()));
    let today = page.words();
    assert!(today.contains(&format!("{dead}: the dead one, last heard of on ")), "{today}");
    // A day and no time; when it is free has both, which at midnight is 00:00.
    let heard = today.split("last heard of on ").nth(1).and_then(|rest| rest.split(", free").next()).unwrap();
    assert!(!heard.contains("UTC") && !page.html.contains("name=\"replace\""), "{today}");

    Ledger::open(&authority).silence(8);
    let check_in = authority.device("the one in use").check_in().unwrap();
    assert_eq!(check_in.license().unwrap().handle.to_string(), used);
    let page = hand_in(File("file", &request.to_bytes()), "");
    assert!(page.html.contains(&format!("name=\"replace\" value=\"{dead}\"")), "{}", page.html);
    assert!(!page.html.contains(&format!("value=\"{used}\"")), "{}", page.html);
    // The same request is in the field, so the choice is all that is left to do.
    let typed = page.field("request");
    assert_eq!(typed, request.to_base64url());
    for (choice, title) in [(&*used, "No seat is free"), ("nothing", "This cannot be read")] {
        assert_eq!(hand_in(Text("request", &typed), choice).title(), title);
    }
    assert_eq!(authority.taken().len(), 2);

    let page = hand_in(Text("request", &typed), &dead);
    assert_eq!((page.status, page.title()), (200, "The license is ready".into()));
    client.accept(authority.download(&page).1.as_bytes()).unwrap();
    // Pressed twice, and with another choice: the request has its seat.
    for choice in [&*dead, &*used, ""] {
        assert_eq!(hand_in(Text("request", &typed), choice).title(), "The license is ready");
    }
    let mut taken = authority.taken();
    taken.sort();
    let mut expected = [request.request().handle.to_string(), used];
    expected.sort();
    assert_eq!(taken, expected);
    let replaced = authority.actions().into_iter().filter(|(_, action)| action == "replaced-by-customer");
    assert_eq!(replaced.count(), 1);
    assert!(matches!(
        authority.device("the dead one").check_in().unwrap().verdict(),
        Verdict::Revoked { .. }
    ));
}

#[test]
fn a_check_in_is_answered_with_the_renewed_license_or_the_end_of_the_seat() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let client = authority.device("device");
    let request = client.begin(&key).unwrap().to_text();
    let first = authority.submit("/activate", &[Text("request", &request)]);
    assert!(first.words().contains("let the application write a check-in"), "{}", first.words());
    let license = authority.download(&first).1;
    client.accept(license.as_bytes()).unwrap();

    let check_in = client.check_in_offline().unwrap();
    let page = authority.submit("/activate", &[File("file", &check_in.to_bytes())]);
    assert_eq!((page.status, page.title()), (200, "The license is renewed".into()));
    let (name, renewed) = authority.download(&page);
    assert_eq!(name, format!("license-{}.txt", check_in.request().handle).to_lowercase());
    assert_eq!(client.accept(renewed.as_bytes()).unwrap().license().unwrap().revision, 2);
    let again = authority.submit("/activate", &[Text("request", &request)]);
    let again = authority.download(&again).1;
    let granted = authority.but_for_page(&license.into());
    assert_eq!(authority.but_for_page(&again.into()), granted, "the request fetches what it was granted");

    let page = redeem(&authority, &check_in.to_text());
    assert_eq!((page.status, page.title()), (400, "This is a check-in".into()));
    let later = client.check_in_offline().unwrap().to_text();
    authority.submit("/activate", &[Text("request", &later)]);
    let page = authority.submit("/activate", &[Text("request", &check_in.to_text())]);
    assert_eq!((page.status, page.title()), (409, "A later check-in came before this one".into()));

    authority.vendor(&[
        "release",
        &check_in.request().handle.to_string(),
        "--reason",
        "reported as lost",
        "--yes",
    ]);
    let page = authority.submit("/activate", &[Text("request", &later)]);
    assert_eq!((page.status, page.title()), (200, "The seat of this computer is over".into()));
    assert!(page.words().contains("reported as lost"), "{}", page.words());
    let (name, revocation) = authority.download(&page);
    assert!(name.starts_with("revocation-"), "{name}");
    client.accept(revocation.as_bytes()).unwrap();
    assert!(matches!(client.check().unwrap().verdict(), Verdict::Revoked { .. }));
}

#[test]
fn a_refused_request_is_told_why_and_what_came_along_is_given_back() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let suspended = authority.sell("1", &[]);
    let activate = |text: String| authority.submit("/activate", &[Text("request", &text)]);

    let unknown = LicenseKey::from_random([5; 12]).to_string();
    let client = authority.device("unknown");
    let page = activate(client.begin(&unknown).unwrap().to_text());
    assert_eq!((page.status, page.title()), (404, "No license has the key in this request".into()));

    let (client, _) = given_up(&authority, "moving", &key);
    assert!(authority.device("faster").begin(&key).is_ok());
    let outstanding = client.begin(&suspended).unwrap();
    let licenses = authority.vendor(&["license", "list"]);
    let by_seats = licenses["licenses"].as_array().unwrap();
    let id = by_seats.iter().find(|license| license["key_hint"] == suspended[suspended.len() - 5..]).unwrap()
        ["id"]
        .as_str()
        .unwrap();
    authority.vendor(&["license", "suspend", id]);
    let page = activate(outstanding.to_text());
    assert_eq!((page.status, page.title()), (403, "The license has ended or is suspended".into()));
    assert!(page.words().contains("its receipt is below"));
    assert_eq!(page.field("request").trim(), outstanding.to_text().trim(), "to be handed in once more");
    client.accept(authority.download(&page).1.as_bytes()).unwrap();
    assert!(authority.taken().is_empty(), "the seat that came along is free");

    let active = authority.device("active");
    let request = active.begin(&key).unwrap().to_text();
    active.accept(authority.download(&activate(request.clone())).1.as_bytes()).unwrap();
    let page = activate(authority.device("late").begin(&key).unwrap().to_text());
    assert_eq!((page.status, page.title()), (409, "No seat is free".into()));
    assert!(page.html.contains("<a href=\"/redeem\">Give a seat back</a>") && page.hidden().is_empty());
    redeem(&authority, &active.deactivate_offline(Reason::Moved).unwrap().to_text());
    let page = activate(request);
    assert_eq!((page.status, page.title()), (410, "The seat of this request was given back".into()));

    let lost = authority.device("lost");
    let request = lost.begin(&key).unwrap();
    activate(request.to_text());
    authority.vendor(&["release", &request.request().handle.to_string(), "--reason", "lost", "--yes"]);
    let page = activate(request.to_text());
    assert_eq!((page.status, page.title()), (410, "The vendor released the seat of this request".into()));
    let log = fs::read_to_string(authority.directory().join("log")).unwrap();
    assert!(log.contains("\"problem\":\"no-free-seat\"") && !log.contains(&unknown));
}

/// It is read whole; what is wrong is where it comes from.
#[test]
fn a_recovery_from_another_computer_is_told_as_that_and_not_as_unreadable() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    assert!(authority.device("one").activate(&key).unwrap().is_usable());
    let (from, to) = (authority.path("one"), authority.path("two"));
    fs::create_dir(&to).unwrap();
    fs::copy(from.join("device.key"), to.join("device.key")).unwrap();
    let other = || {
        let board = "4c4c4544-0042-3510-8052-b7c04f389999".to_owned();
        Probe::from_values([(Component::HwUuid, board)], true, false)
    };
    let thief = authority.client("two").probe(other).build().unwrap();
    let recovery = thief.recover_offline().unwrap().to_text();
    for field in [Text("request", &recovery), File("file", recovery.as_bytes())] {
        let page = authority.submit("/activate", &[field]);
        assert_eq!((page.status, page.title()), (403, "This was written on another computer".into()));
        assert!(page.words().contains("make a new one with the license key"), "{}", page.words());
    }
    assert_eq!(authority.taken().len(), 1);
}
