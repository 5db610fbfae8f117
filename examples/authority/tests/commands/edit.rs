//! What was sold changes: its terms, and its key.

use nodelock::{Client, Limit, Reason};

use crate::{
    program::{Authority, field},
    support::server::PRODUCT,
};

/// Renews the license of a device by a check-in file.
fn check_in(authority: &Authority, device: &Client) {
    let renewed = authority.done_with(&["check-in", "-"], &device.check_in_offline().unwrap().to_bytes());
    device.accept(field(&renewed, "license").as_bytes()).unwrap();
}

#[test]
fn terms_that_change_reach_devices_with_the_next_check_in() {
    let authority = Authority::new();
    let (id, key) = authority.sell("1", &["--expires", "2090-01-01", "--feature", "export"]);
    let edit = |more: &[&str]| authority.done(&[&["license", "edit", &id], more].concat());
    let one = authority.activated("one", &key);
    let two = authority.device("two");
    let request = two.begin(&key).unwrap().to_bytes();
    assert_eq!(authority.refused(&["activate", "-"], &request), "no-free-seat");

    let edited =
        edit(&["--seats", "2", "--expires", "2091-01-01", "--edition", "Pro", "--feature", "cores=8"]);
    let changes: Vec<&str> =
        edited["changes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
    assert!(changes.contains(&"seats 1 -> 2"), "{changes:?}");
    assert!(changes.contains(&"expires 2090-01-01T00:00:00Z -> 2091-01-01T00:00:00Z"), "{changes:?}");
    assert_eq!(edit(&["--seats", "2"])["changed"], false);
    assert!(one.check().unwrap().has_feature("export"), "until it checks in");
    check_in(&authority, &one);
    let status = one.check().unwrap();
    let license = status.license().unwrap();
    assert_eq!(
        (&*license.edition, license.expires.unwrap().to_string()),
        ("Pro", "2091-01-01T00:00:00Z".into())
    );
    assert_eq!((status.has_feature("export"), status.feature_limit("cores")), (false, Some(Limit::UpTo(8))));
    two.accept(field(&authority.done_with(&["activate", "-"], &request), "reply").as_bytes()).unwrap();

    // Fewer seats than are taken: both devices go on, and nobody else gets one.
    let fewer = authority.text(&["license", "edit", &id, "--seats", "1"]);
    assert!(fewer.stdout.contains("2 seats are taken: they stay"), "{}", fewer.stdout);
    check_in(&authority, &one);
    check_in(&authority, &two);
    let third = authority.device("three").begin(&key).unwrap().to_bytes();
    assert_eq!(authority.refused(&["activate", "-"], &third), "no-free-seat");
    two.deactivate_offline(Reason::Moved).unwrap();
    let freed = authority.done_with(&["redeem", "-"], &two.outstanding().unwrap()[0].to_bytes());
    assert_eq!(field(&freed, "outcome"), "freed");
    assert_eq!(authority.refused(&["activate", "-"], &third), "no-free-seat");

    // A license that has ended is sold anew by a later end.
    edit(&["--expires", "2001-01-01"]);
    let ask = one.check_in_offline().unwrap().to_bytes();
    assert_eq!(authority.refused(&["check-in", "-"], &ask), "license-ended");
    edit(&[
        "--expires",
        "none",
        "--lease-days",
        "30",
        "--deactivations",
        "3",
        "--updates-until",
        "2089-01-01",
    ]);
    check_in(&authority, &one);
    assert_eq!(one.check().unwrap().license().unwrap().expires, None);
    let listed = &authority.done(&["license", "list"])["licenses"][0];
    assert_eq!((&listed["lease_days"], &listed["seats"]["deactivations"]), (&30.into(), &3.into()));

    let long = "x".repeat(65);
    assert_eq!(authority.refused(&["license", "edit", &id, "--edition", &long], b""), "invalid-input");
    assert_eq!(
        authority.refused(&["license", "edit", "0123456789abcdef", "--seats", "2"], b""),
        "unknown-license"
    );
    assert_eq!(authority.run(&["license", "edit", &id], b"").code, 2, "nothing to change");
    let noted: Vec<_> =
        authority.audit().into_iter().filter(|line| line["action"] == "license-edited").collect();
    assert_eq!((noted.len(), noted[1]["detail"].as_str().unwrap()), (4, "seats 2 -> 1"));
    assert!(noted.iter().all(|line| line["license"] == *id && field(line, "actor").starts_with("cli:")));
    authority.check_consistency();
}

#[test]
fn a_new_key_takes_the_place_of_the_old_one_and_devices_keep_their_seats() {
    let authority = Authority::new();
    let (id, old) = authority.sell("2", &["--deactivations", "1"]);
    let device = authority.activated("device", &old);
    let held = authority.activated("held", &old);
    let lost = authority.activated("lost", &authority.sell("1", &[]).1);
    let rekeyed = authority.done(&["license", "rekey", &id]);
    let new = field(&rekeyed, "key").to_owned();
    assert!(
        new != old
            && authority.text(&["license", "list"]).stdout.contains(&format!("..{}", &new[new.len() - 5..]))
    );

    let ask = |name: &str, key: &str| authority.device(name).begin(key).unwrap().to_bytes();
    assert_eq!(authority.refused(&["activate", "-"], &ask("late", &old)), "unknown-license");
    check_in(&authority, &device);
    assert_eq!(authority.refused(&["activate", "-"], &ask("new", &new)), "no-free-seat");
    for one in [&device, &held] {
        authority.done_with(&["redeem", "-"], &one.deactivate_offline(Reason::Moved).unwrap().to_bytes());
    }
    authority.activated("other", &new);
    // A held seat is taken again by the new key, as by the old one before.
    let again = held.begin(&new).unwrap().to_bytes();
    held.accept(field(&authority.done_with(&["activate", "-"], &again), "reply").as_bytes()).unwrap();

    // Into a file, for a license whose device has lost its store.
    let id = lost.check().unwrap().license().unwrap().license_id.to_string();
    let file = authority.path("key.txt");
    let rekeyed = authority.done(&["license", "rekey", &id, "--keys-out", file.to_str().unwrap()]);
    assert!(rekeyed["key"].is_null());
    let line = std::fs::read_to_string(&file).unwrap();
    assert!(line.starts_with(&id) && line.trim_end().ends_with(field(&rekeyed, "key_hint")));
    std::fs::remove_file(authority.path("lost").join("state")).unwrap();
    let recovery = lost.recover_offline().unwrap().to_bytes();
    lost.accept(field(&authority.done_with(&["activate", "-"], &recovery), "reply").as_bytes()).unwrap();

    assert_eq!(authority.refused(&["license", "rekey", "0123456789abcdef"], b""), "unknown-license");
    assert_eq!(authority.refused(&["license", "rekey", &id, "--key", &new], b""), "key-in-use");
    let given = format!("{PRODUCT}-own-key-of-the-vendor");
    assert!(authority.done(&["license", "rekey", &id, "--key", &given])["key"].is_null());
    let noted: Vec<_> =
        authority.audit().into_iter().filter(|line| line["action"] == "license-rekeyed").collect();
    let detail = format!("..{} -> ..{}", &old[old.len() - 5..], &new[new.len() - 5..]);
    assert_eq!((noted.len(), field(&noted[0], "detail")), (3, &*detail));
    authority.check_consistency();
}

#[test]
fn an_allowance_is_used_up_and_reset() {
    let authority = Authority::new();
    let (id, key) =
        authority.sell("3", &["--activations", "2", "--deactivations", "1", "--period-days", "30"]);
    let seats = || authority.done(&["license", "list"])["licenses"][0]["seats"].clone();
    let left = || {
        let seats = seats();
        ["activations", "deactivations"]
            .map(|of| ["used", "left", "percent"].map(|what| seats[format!("{of}_{what}")].as_u64().unwrap()))
    };
    assert_eq!(left(), [[0, 2, 0], [0, 1, 0]]);
    let give_up = |device: &Client| {
        let given_up = device.deactivate_offline(Reason::Moved).unwrap().to_bytes();
        field(&authority.done_with(&["redeem", "-"], &given_up), "outcome").to_owned()
    };
    let [first, second] = ["first", "second"].map(|name| authority.activated(name, &key));
    assert_eq!((give_up(&first), left()), ("freed".to_owned(), [[2, 0, 100], [1, 0, 100]]));
    let third = authority.device("third");
    let request = third.begin(&key).unwrap().to_bytes();
    let refused = authority.run(&["activate", "-"], &request);
    assert!(refused.stdout.contains("2 of 2 are used up"), "{}", refused.stdout);
    assert_eq!(authority.refused(&["activate", "-"], &request), "no-activation-left");

    let reset = |what: &[&str]| {
        authority.done(&[&["license", "reset", &id], what, &["--reason", "a new office"]].concat())
    };
    let done = reset(&["activations", "--extra", "1"]);
    assert_eq!((&done["allowed"], &done["used"], &done["left"]), (&3.into(), &2.into(), &1.into()));
    third.accept(field(&authority.done_with(&["activate", "-"], &request), "reply").as_bytes()).unwrap();
    assert_eq!(reset(&["activations", "--extra", "1"])["left"], 0, "the same again changes nothing");
    assert_eq!(give_up(&second), "held");
    assert_eq!(reset(&["deactivations"])["left"], 1);
    assert_eq!(left(), [[3, 0, 100], [0, 1, 0]]);
    assert_eq!(seats()["taken"], 2, "what is held stays so");
    assert!(seats()["next_period"].is_string());

    let unknown = ["license", "reset", "0123456789abcdef", "activations", "--reason", "x"];
    assert_eq!(authority.refused(&unknown, b""), "unknown-license");
    let noted: Vec<_> = authority.audit().into_iter().filter(|line| line["action"] == "allowed").collect();
    let words: Vec<_> = noted.iter().map(|line| [field(line, "detail"), field(line, "personal")]).collect();
    assert_eq!(
        words,
        [["activations: 1 extra", "a new office"], ["deactivations: 1 used up are forgiven", "a new office"]]
    );
    authority.check_consistency();
}
