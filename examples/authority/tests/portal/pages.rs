//! The self-help portal of the reference authority, through plain forms: what a customer can do there without
//! JavaScript, and what every outcome is called. The browser's part is `portal/browser.py`.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use nodelock::{
    Client, Deactivation, License, Outcome, Reason, Verdict,
    code::{DeactivationCode, Handle, LicenseKey, ReleaseSecret},
    fingerprint::{Component, Probe},
};

use crate::support::{
    ledger::Ledger,
    portal::{Field, File, Page, Text},
    server::Authority,
};

/// A computer that was activated, and gave its seat back without a network.
fn given_up(authority: &Authority, name: &str, key: &str) -> (Client, Deactivation) {
    let client = authority.device(name);
    assert!(client.activate(key).unwrap().is_usable());
    let deactivation = client.deactivate_offline(Reason::Moved).unwrap();
    (client, deactivation)
}

fn redeem(authority: &Authority, typed: &str) -> Page {
    authority.submit("/redeem", &[Text("deactivation", typed), File("file", b"")])
}

fn seats_of(authority: &Authority, key: &str) -> Page {
    authority.submit("/seats", &[Text("license_key", key)])
}

/// A code with other symbols at these places.
fn mistyped(code: &str, places: &[usize]) -> String {
    let mut symbols: Vec<char> = code.chars().collect();
    for &place in places {
        symbols[place] = if symbols[place] == 'Z' { 'Y' } else { 'Z' };
    }
    symbols.into_iter().collect()
}

#[test]
fn a_typed_code_gives_the_seat_back_and_its_errors_are_shown() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let (client, deactivation) = given_up(&authority, "device", &key);
    let (code, handle) = (deactivation.code().to_string(), deactivation.handle());
    // Group 2, place 3 and group 5, place 1; a dash stands before each but the first group.
    let page = redeem(&authority, &mistyped(&code, &[8, 24]).to_lowercase());
    assert_eq!((page.status, page.title()), (200, format!("Seat {handle} is free")));
    let meant = |at: usize| code[at..=at].to_owned();
    assert_eq!(page.marks(), [(2, 3, meant(8)), (5, 1, meant(24))]);
    let typed = mistyped(&code, &[8, 24]);
    for (at, place) in [(8, "Group 2, place 3"), (24, "Group 5, place 1")] {
        let words = format!("{place}: {} was typed, {} is meant.", &typed[at..=at], &code[at..=at]);
        assert!(page.words().contains(&words), "{words}: {}", page.words());
    }
    assert_eq!(authority.taken(), Vec::<String>::new());

    let (name, receipt) = authority.download(&page);
    assert_eq!(name, format!("receipt-{handle}.txt").to_lowercase());
    assert!(page.words().contains(receipt.split_whitespace().collect::<Vec<_>>().join(" ").as_str()));
    assert_eq!(client.accept(receipt.as_bytes()).unwrap().receipts()[0].outcome, Outcome::Returned);
    assert!(client.outstanding().unwrap().is_empty());

    let again = redeem(&authority, &code);
    assert_eq!((again.status, again.title()), (200, format!("Seat {handle} was free already")));
    assert!(again.marks().is_empty() && !again.words().contains("typing errors. This"));
    let again = authority.download(&again).1;
    assert_eq!(
        authority.but_for_page(&again.into()),
        authority.but_for_page(&receipt.into()),
        "the same receipt"
    );
}

#[test]
fn a_deactivation_is_taken_in_every_form() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    /// What is handed in, and whether as a file.
    type Form = fn(&Deactivation) -> (Vec<u8>, bool);
    let forms: [Form; 8] = [
        |it| (it.to_text().into_bytes(), false),
        |it| (it.to_base64url().into_bytes(), false),
        |it| (it.to_base32().into_bytes(), false),
        |it| (format!("https://licenses.example/redeem#{}", it.to_base32()).into_bytes(), false),
        |it| (it.to_bytes(), true),
        |it| (format!("\u{feff}Dear vendor,\r\n\r\n{}\r\nYours", it.to_text()).into_bytes(), true),
        |it| (it.to_base32().to_lowercase().into_bytes(), true),
        |it| (format!("{}\n", it.code()).into_bytes(), true),
    ];
    for (n, form) in forms.iter().enumerate() {
        let (client, deactivation) = given_up(&authority, &format!("device-{n}"), &key);
        let (input, is_file) = form(&deactivation);
        let page = match is_file {
            // What is left in the text field from an attempt before does not matter.
            true => authority.submit("/redeem", &[Text("deactivation", "17KX2"), File("file", &input)]),
            false => redeem(&authority, str::from_utf8(&input).unwrap()),
        };
        assert_eq!(page.title(), format!("Seat {} is free", deactivation.handle()), "{n}");
        client.accept(authority.download(&page).1.as_bytes()).unwrap();
    }
    let page = authority.page("/redeem");
    assert!(page.words().contains("Copy the whole address from your browser's address bar"));
}

#[test]
fn a_seat_without_a_deactivation_left_is_held() {
    let authority = Authority::new();
    let key = authority.sell("2", &["--deactivations", "1"]);
    let (first, second) = (authority.device("first"), authority.device("second"));
    first.activate(&key).unwrap();
    second.activate(&key).unwrap();
    let page = redeem(&authority, &first.deactivate_offline(Reason::Moved).unwrap().to_base64url());
    assert!(page.words().contains("The license has no deactivation left."), "{}", page.words());
    let held = second.deactivate_offline(Reason::Moved).unwrap();
    let page = redeem(&authority, &held.code().to_string());
    assert_eq!(
        (page.status, page.title()),
        (200, format!("Seat {} is held for its computer", held.handle()))
    );
    let accepted = second.accept(authority.download(&page).1.as_bytes()).unwrap();
    assert_eq!(accepted.receipts()[0].outcome, Outcome::Held);
    assert!(seats_of(&authority, &key).words().contains("Held for this computer"));
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
fn what_is_for_no_known_seat_is_kept_until_its_request_comes() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let client = authority.device("device");
    let request = client.begin(&key).unwrap();
    let cancelled = client.cancel().unwrap();
    let handle = cancelled.handle();
    let page = redeem(&authority, &cancelled.code().to_string());
    assert_eq!((page.status, page.title()), (202, format!("Seat {handle} is not known here yet")));
    assert!(page.hidden().is_empty(), "no receipt for what is not judged yet");
    let late = authority.submit("/activate", &[Text("request", &request.to_text())]);
    assert_eq!((late.status, late.title()), (410, "This request was cancelled".into()));
    assert!(late.words().contains("A seat that came along with the request is given back all the same"));
    client.accept(authority.download(&late).1.as_bytes()).unwrap();
    assert!(authority.taken().is_empty());
}

#[test]
fn a_code_that_cannot_be_read_is_marked_where_it_is_wrong_and_costs_no_attempt() {
    let authority = Authority::new();
    let code = DeactivationCode::new("7KX2M9".parse::<Handle>().unwrap(), ReleaseSecret::from_random([7; 8]));
    let code = code.to_string();
    let many = mistyped(&code, &[1, 2, 3, 4, 6, 7]);
    let unreadable = many.replacen(&code[8..9], "?", 1).replacen('-', " ", 2);
    let at = unreadable.replace(['-', ' '], "").find('?').unwrap();
    let other = format!("9{}", &mistyped(&many, &[12, 13, 14])[1..]);
    for (typed, marks, words) in [
        (many.as_str(), vec![], "and here are more"),
        (&unreadable, vec![(at / 5 + 1, at % 5 + 1, "?".to_owned())], "do not occur in codes"),
        (&code[..20], vec![], "17 characters were typed and a code has 25: 8 are missing."),
        (
            &format!("{code}ABC"),
            vec![(6, 1, "A".to_owned()), (6, 2, "B".to_owned()), (6, 3, "C".to_owned())],
            "3 are too many",
        ),
        (&many[..28], vec![], "24 characters were typed"),
        (&other, vec![(1, 1, "9".to_owned())], "Codes of this kind begin with 1."),
    ] {
        for _ in 0..3 {
            let page = redeem(&authority, typed);
            assert_eq!((page.status, page.title()), (422, "This code cannot be read".into()), "{typed}");
            assert_eq!(page.marks(), marks, "{typed}");
            assert!(page.words().contains(words), "{typed}: {}", page.words());
            assert_eq!(page.field("deactivation"), typed, "what was typed is kept");
        }
    }
    let nothing = redeem(&authority, " \r\n ");
    assert_eq!((nothing.status, nothing.title()), (400, "Nothing was handed in".into()));
}

#[test]
fn wrong_codes_are_refused_and_limited_and_files_are_not() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let (_, deactivation) = given_up(&authority, "device", &key);
    for n in 0..12_u8 {
        let code =
            DeactivationCode::new(deactivation.handle(), ReleaseSecret::from_random([n; 8])).to_string();
        let page = redeem(&authority, &mistyped(&code, &[2]));
        assert_eq!(page.field("deactivation"), mistyped(&code, &[2]));
        if n < 10 {
            assert_eq!((page.status, page.title()), (403, "This code does not fit its seat".into()), "{n}");
            // It may have been mended to something else than what was meant, so that is said.
            assert_eq!(page.marks(), [(1, 3, code[2..3].to_owned())]);
        } else {
            assert_eq!((page.status, page.title()), (429, "Too many attempts".into()), "{n}");
            assert!(page.head.contains("retry-after: 8") || page.head.contains("retry-after: 900"));
            assert!(page.words().contains("Please try again in about 15 minutes."), "{}", page.words());
        }
    }
    assert_eq!(authority.taken().len(), 1);
    let page = redeem(&authority, &deactivation.to_text());
    assert_eq!(page.status, 200);
    assert!(authority.taken().is_empty());
}

#[test]
fn what_belongs_elsewhere_is_told_what_it_is() {
    let authority = Authority::new();
    let key = authority.sell("2", &[]);
    let client = authority.device("device");
    let request = client.begin(&key).unwrap().to_text();
    let granted = authority.submit("/activate", &[Text("request", &request)]);
    let (_, license) = authority.download(&granted);
    client.accept(license.as_bytes()).unwrap();
    let deactivation = client.deactivate_offline(Reason::Other).unwrap();
    let (proof, code) = (deactivation.to_text(), deactivation.code().to_string());
    let other = authority.device("other");
    other.activate(&key).unwrap();
    let settled = other.deactivate_offline(Reason::Other).unwrap();
    let (_, receipt) = authority.download(&redeem(&authority, &settled.to_text()));

    let before = (authority.seats(), authority.actions());
    let field = |path: &str| match path {
        "/seats" => "license_key",
        "/redeem" => "deactivation",
        _ => "request",
    };
    for (input, title, home) in [
        (key.as_str(), "This is a license key", "/seats"),
        (code.as_str(), "This is a deactivation code", "/redeem"),
        (request.as_str(), "This is an activation request", "/activate"),
        (proof.as_str(), "This is a deactivation file", "/redeem"),
        (license.as_str(), "This is a license", ""),
        (receipt.as_str(), "This is a receipt", ""),
    ] {
        for path in ["/seats", "/redeem", "/activate"].into_iter().filter(|path| *path != home) {
            let page = authority.submit(path, &[Text(field(path), input)]);
            assert_eq!((page.status, page.title().as_str()), (400, title), "{path}");
            assert_eq!(home.is_empty(), !page.html.contains("<ul class=\"links\">"), "{path}");
            assert!(home.is_empty() || page.html.contains(&format!("<li><a href=\"{home}\">")), "{path}");
        }
    }
    let two = format!("{proof}\n{}", settled.to_text());
    let page = redeem(&authority, &two);
    assert_eq!((page.status, page.title()), (400, "These are several deactivations".into()));
    assert!(page.words().contains("Hand them in one after the other"), "{}", page.words());
    assert_eq!((authority.seats(), authority.actions()), before);
}

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
