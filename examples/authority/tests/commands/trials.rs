//! Trials: with a license key, without one, and how the vendor lets them last longer.

use nodelock::{ActivationRequestOptions, Client, Reason, Timestamp, code::LicenseKey};

use crate::program::{Authority, field};

const DAY: u64 = 86_400;

/// When the license on a device ends.
fn ends(device: &Client) -> Timestamp {
    device.check().unwrap().license().unwrap().expires.expect("a trial has an end")
}

fn handle(device: &Client) -> String {
    device.check().unwrap().license().unwrap().handle.to_string()
}

fn check_in(authority: &Authority, device: &Client) {
    let renewed = authority.done_with(&["check-in", "-"], &device.check_in_offline().unwrap().to_bytes());
    device.accept(field(&renewed, "license").as_bytes()).unwrap();
}

#[test]
fn a_request_without_a_key_gets_a_trial_where_the_product_says_of_which_license() {
    let authority = Authority::new();
    let (trial, _) = authority.sell("5", &["--trial-days", "14"]);
    let (paid, key) = authority.sell("5", &[]);
    let ask = |name: &str| {
        let device = authority.device(name);
        let request = device.begin(ActivationRequestOptions::new()).unwrap().to_bytes();
        (device, request)
    };
    let (device, request) = ask("device");
    assert_eq!(authority.refused(&["activate", "-"], &request), "unknown-license");
    let refused = authority.refused(&["product", "edit", "--trial-license", &paid], b"");
    assert_eq!(refused, "invalid-input", "it is no trial");
    let product = authority.done(&["product", "edit", "--trial-license", &trial]);
    assert_eq!(field(&product, "trial_license"), trial);
    let reply = authority.done_with(&["activate", "-"], &request);
    device.accept(field(&reply, "reply").as_bytes()).unwrap();
    assert_eq!(field(&reply, "license"), trial);
    // Another store on the machine has the days that are left, with a key or without.
    let (second, request) = ask("second");
    let reply = authority.done_with(&["activate", "-"], &request);
    second.accept(field(&reply, "reply").as_bytes()).unwrap();
    assert_eq!(ends(&second), ends(&device));
    // What was bought is another license.
    let bought = authority.activated("bought", &key);
    assert_eq!(bought.check().unwrap().license().unwrap().expires, None);
    let handle = handle(&bought);
    assert_eq!(authority.refused(&["extend-trial", &handle, "--days", "9"], b""), "invalid-input");
    let product = authority.done(&["product", "edit", "--trial-license", "none"]);
    assert!(product["trial_license"].is_null() && product["revision"] == 3);
    assert_eq!(authority.refused(&["activate", "-"], &ask("third").1), "unknown-license");
    assert!(authority.done(&["verify"])["findings"].as_array().unwrap().is_empty());
}

#[test]
fn a_trial_is_extended_for_a_machine_or_for_every_one() {
    let authority = Authority::new();
    let (trial, key) = authority.sell("5", &["--trial-days", "14"]);
    let [first, second] = ["first", "second"].map(|name| authority.activated(name, &key));
    let began = ends(&first);
    let later = |days: u64| Timestamp::from_unix_seconds(began.unix_seconds() + days * DAY);
    let until = later(7).to_string();
    for _ in 0..2 {
        let extended = authority.done(&["extend-trial", &handle(&first), "--until", &until]);
        assert_eq!(field(&extended, "until"), until);
    }
    let earlier = later(6).to_string();
    let refused = authority.refused(&["extend-trial", &handle(&first), "--until", &earlier], b"");
    assert_eq!(refused, "invalid-input");
    for device in [&first, &second] {
        check_in(&authority, device);
        assert_eq!(ends(device), later(7));
    }
    let edited = authority.done(&["license", "extend", &trial, "--days", "10"]);
    assert_eq!(edited["changes"][0], "trial_days 14 -> 24");
    check_in(&authority, &second);
    assert_eq!(ends(&second), later(17));
    let extended = authority.actions().iter().filter(|(_, action)| action == "trial-extended").count();
    assert_eq!(extended, 2, "one for each installation on the machine");
    authority.check_consistency();
}

#[test]
fn what_is_bought_takes_the_place_of_a_trial_whose_days_go_on_when_it_is_given_back() {
    let authority = Authority::new();
    let (trial, _) = authority.sell("5", &["--trial-days", "14"]);
    let (_, key) = authority.sell("5", &[]);
    authority.done(&["product", "edit", "--trial-license", &trial]);
    let device = authority.client("device").replace_license(true).build().unwrap();
    let activate = |request: &[u8]| {
        let reply = authority.done_with(&["activate", "-"], request);
        device.accept(field(&reply, "reply").as_bytes()).unwrap();
    };
    activate(&device.begin(ActivationRequestOptions::new()).unwrap().to_bytes());
    let (end, tried) = (ends(&device), handle(&device));
    // A key that nobody knows costs nothing.
    let unknown = device.begin(LicenseKey::from_random([7; 12]).to_string()).unwrap().to_bytes();
    assert_eq!(authority.refused(&["activate", "-"], &unknown), "unknown-license");
    device.cancel().unwrap();
    assert_eq!((ends(&device), handle(&device)), (end, tried.clone()));

    let request = device.begin(&key).unwrap();
    activate(&request.to_bytes());
    assert_eq!(device.check().unwrap().license().unwrap().expires, None);
    for proof in device.outstanding().unwrap() {
        authority.run(&["redeem", "-"], proof.proof());
    }
    let state = |handle: &str| {
        let seats = authority.seats();
        let seat = seats.iter().find(|seat| seat["handle"] == handle).unwrap();
        field(seat, "state").to_owned()
    };
    assert_eq!((state(&tried), state(&handle(&device))), ("returned".to_owned(), "active".to_owned()));
    // Without what was bought, the machine has the days that are left.
    let proof = device.deactivate_offline(Reason::Moved).unwrap();
    authority.done_with(&["redeem", "-"], proof.proof());
    activate(&device.begin(ActivationRequestOptions::new()).unwrap().to_bytes());
    assert_eq!(ends(&device), end);
    // A license that is no trial any more is sold, and nobody has it without a key.
    authority.done(&["license", "edit", &trial, "--trial-days", "none"]);
    let request = authority.device("another").begin(ActivationRequestOptions::new()).unwrap().to_bytes();
    assert_eq!(authority.refused(&["activate", "-"], &request), "unknown-license");
    authority.check_consistency();
}
