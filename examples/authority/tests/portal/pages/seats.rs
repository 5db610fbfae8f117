//! The seats of a license, and freeing one of them with its key.

use std::time::{Duration, SystemTime};

use nodelock::code::{Handle, LicenseKey};

use super::{given_up, mistyped, seats_of};
use crate::support::{
    html::{File, Text},
    ledger::Ledger,
    server::Authority,
};

#[test]
fn seats_are_shown_to_whoever_has_the_license_key() {
    let authority = Authority::new();
    let key = authority.sell("4", &["--edition", "Pro", "--deactivations", "3", "--expires", "2099-12-31"]);
    let page = seats_of(&authority, &key);
    assert_eq!((page.status, page.title()), (200, "4 seats are free".into()));
    assert!(page.words().contains("No computer has been activated yet."));

    let hostile = "<script>alert(1)</script>\"'&<!--";
    let named = authority.device("named");
    let request =
        named.begin(nodelock::ActivationRequestOptions::of_key(&key).metadata("Computer", hostile)).unwrap();
    let granted = authority.submit("/activate", &[File("file", &request.to_bytes())]);
    named.accept(authority.download(&granted).1.as_bytes()).unwrap();
    let handles: Vec<Handle> = (0..2)
        .map(|n| {
            let client = authority.device(&format!("device-{n}"));
            client.activate(&key).unwrap().license().unwrap().handle
        })
        .collect();
    authority.vendor(&["release", &handles[0].to_string(), "--reason", "lost", "--yes"]);
    given_up(&authority, "gone", &key).0.online().hand_in().unwrap();

    let page = seats_of(&authority, &key.to_lowercase().replace('-', " "));
    let words = page.words();
    assert_eq!((page.status, page.title()), (200, "2 seats are free".into()));
    for expected in [
        "2 of 4 seats are taken.",
        "Licensed to Jane Doe",
        "Edition Pro",
        "Deactivations left 2 of 3",
        "Expires 31 December 2099, 00:00 UTC",
        "Released by the vendor",
        "Given back",
        "computer without a name In use",
        &format!("{hostile} In use"),
        &handles[1].to_string(),
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    assert!(!page.html.contains("<script>alert") && page.html.contains("&#60;script&#62;alert(1)"));
    assert!(
        !page.html.contains(&key) && !page.html.contains("name=\"license_key\""),
        "the key is not shown again"
    );

    let mended = seats_of(&authority, &mistyped(&key, &[3, 15]));
    assert_eq!((mended.status, mended.title()), (200, "2 seats are free".into()));
    assert_eq!(mended.marks(), [(1, 4, key[3..4].to_owned()), (3, 4, key[15..16].to_owned())]);
    assert!(mended.words().contains("Group 1, place 4:"));

    let id = authority.vendor(&["license", "list"])["licenses"][0]["id"].as_str().unwrap().to_owned();
    authority.vendor(&["license", "suspend", &id]);
    assert_eq!(seats_of(&authority, &key).title(), "This license is suspended");
    let soon = nodelock::Timestamp::from(SystemTime::now() + Duration::from_secs(3)).to_string();
    // A key by the vendor's own rules.
    let new =
        ["license", "new", "--licensee", "ACME", "--seats", "1", "--key", "ACME-0001", "--expires", &soon];
    authority.vendor(&new);
    assert_eq!(seats_of(&authority, "ACME-0001").title(), "One seat is free");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(seats_of(&authority, " ACME-0001 ").title(), "This license has expired");
}

#[test]
fn nobody_is_invited_to_what_no_allowance_is_left_for() {
    let authority = Authority::new();
    let key = authority.sell("1", &["--activations", "1", "--deactivations", "0"]);
    let (first, second) = (authority.device("first"), authority.device("second"));
    first.activate(&key).unwrap();
    let page = seats_of(&authority, &key);
    assert_eq!(page.title(), "No activation is left");
    let words = page.words();
    assert!(
        words.contains("Activations left 0 of 1") && words.contains("No deactivation is left"),
        "{words}"
    );
    assert!(!words.contains("deactivate the application"), "{words}");
    let request = second.begin(&key).unwrap().to_bytes();
    let page = authority.submit("/activate", &[File("file", &request)]);
    assert_eq!((page.status, page.title()), (409, "No activation is left".into()));
    let id = authority.vendor(&["license", "list"])["licenses"][0]["id"].as_str().unwrap().to_owned();
    let reset =
        |of| drop(authority.vendor(&["license", "reset", &id, of, "--extra", "1", "--reason", "asked for"]));
    reset("activations");
    let page = seats_of(&authority, &key);
    assert_eq!(page.title(), "Every seat is taken");
    assert!(page.words().contains("no seat can be given back"), "{}", page.words());
    reset("deactivations");
    assert!(seats_of(&authority, &key).words().contains("deactivate the application"));
}

#[test]
fn no_seat_is_seen_without_its_key_and_wrong_keys_are_alike_and_limited() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let handle = authority.device("device").activate(&key).unwrap().license().unwrap().handle.to_string();
    for path in ["/", "/seats", "/redeem", "/activate", "/seats?license_key=x", &format!("/seats/{handle}")] {
        let page = authority.page(path);
        assert!(!page.html.contains(&handle), "{path}");
    }
    let nobodys = LicenseKey::from_random([5; 12]).to_string();
    for n in 0..20 {
        let beyond = mistyped(&nobodys, &[0, 1, 2, 3, 4, 6]);
        let longer = format!("{nobodys}0");
        let typed = [nobodys.as_str(), &beyond, "ACME-1", &longer][n % 4];
        let page = seats_of(&authority, typed);
        assert_eq!((page.status, page.title()), (404, "No license has this key".into()), "{typed}");
        assert_eq!(page.field("license_key"), typed);
        assert!(!page.html.contains(&handle));
    }
    assert_eq!(seats_of(&authority, &key).status, 200, "no wrong key keeps anybody from the right one");
    let page = seats_of(&authority, &nobodys);
    assert_eq!((page.status, page.title()), (429, "Too many attempts".into()));
    assert!(
        page.head.contains("retry-after: ") && page.words().contains("Please try again in about 15 minutes.")
    );
    let request = authority.device("other").begin(&nobodys).unwrap().to_text();
    let page = authority.submit("/activate", &[Text("request", &request)]);
    assert_eq!(page.status, 404, "keys that are tried to see seats stop no activation");
    assert_eq!(authority.seats().len(), 1);
}

#[test]
fn the_seat_of_a_lost_computer_is_freed_with_the_license_key() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let lost = authority.device("lost").activate(&key).unwrap().license().unwrap().handle.to_string();
    let free = |key: &str, seat: &str| {
        authority.submit("/seats/free", &[Text("license_key", key), Text("seat", seat)])
    };
    let page = seats_of(&authority, &key);
    assert!(
        !page.html.contains("/seats/free") && page.words().contains("ask the vendor to release its seat")
    );
    let page = free(&key, &lost);
    assert_eq!((page.status, page.title()), (409, "This seat cannot be freed here now".into()));

    Ledger::open(&authority).silence(8);
    let page = seats_of(&authority, &key);
    assert!(page.html.contains(&format!("name=\"seat\" value=\"{lost}\"")), "{}", page.html);
    assert!(!page.html.contains(&key), "the key is not shown again");
    let nobodys = LicenseKey::from_random([5; 12]).to_string();
    let others = authority.sell("1", &[]);
    for (key, seat, status, title) in [
        (&*nobodys, &*lost, 404, "No license has this key"),
        (&*others, &*lost, 404, "This license has no such seat"),
        (&*key, "nothing", 400, "This cannot be read"),
        ("", &*lost, 400, "No license key was entered"),
    ] {
        let page = free(key, seat);
        assert_eq!((page.status, page.title().as_str()), (status, title), "{key} {seat}");
    }
    assert_eq!(authority.taken(), [lost.as_str()]);
    for _ in 0..2 {
        let page = free(&key.to_lowercase(), &lost);
        assert_eq!((page.status, page.title()), (200, format!("Seat {lost} is free")));
        assert!(authority.taken().is_empty());
    }
    authority.device("new").activate(&key).unwrap();
    // Once a year, and no seat is offered that would be refused.
    Ledger::open(&authority).silence(8);
    let page = seats_of(&authority, &key);
    assert!(!page.html.contains("/seats/free") && page.words().contains("Freed: not used any more"));
}

#[test]
fn a_code_is_not_needed_where_the_authority_the_product_or_the_license_says_so() {
    let authority = Authority::new();
    let says =
        |level: &[&str], replace: &str| drop(authority.vendor(&[level, &["--replace", replace]].concat()));
    let (all, product) = (["policy", "edit"], ["product", "edit"]);
    // Whether the key alone frees the seat of a computer that is silent.
    let frees = |name: &str, key: &str| {
        let lost = authority.device(name).activate(key).unwrap().license().unwrap().handle.to_string();
        Ledger::open(&authority).silence(8);
        authority.submit("/seats/free", &[Text("license_key", key), Text("seat", &lost)]).status == 200
    };
    let sell = |more: &[&str]| authority.sell("2", more);
    says(&all, "0");
    assert!(!frees("one", &sell(&[])));
    says(&all, "2");
    assert!(frees("two", &sell(&[])));
    says(&product, "0");
    assert!(!frees("three", &sell(&[])), "the product goes before the authority");
    says(&all, "0");
    says(&product, "2");
    assert!(frees("four", &sell(&[])));
    says(&product, "0");
    assert!(frees("five", &sell(&["--replace", "2"])), "the sale goes before the product");
    // And a license that was sold already.
    let key = sell(&[]);
    assert!(!frees("six", &key));
    let hint = &key[key.len() - 5..];
    let found = authority.vendor(&["license", "find", "--hint", hint]);
    says(&["license", "edit", found["licenses"][0]["license"].as_str().unwrap()], "2");
    assert!(frees("seven", &key));
}
