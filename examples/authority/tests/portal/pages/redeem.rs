//! Giving a seat back, by code and by file.

use nodelock::{
    Deactivation, Outcome, Reason,
    code::{DeactivationCode, Handle, ReleaseSecret},
};

use super::{given_up, mistyped, redeem, seats_of};
use crate::support::{
    html::{File, Text},
    server::Authority,
};

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
