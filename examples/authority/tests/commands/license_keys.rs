//! Keys of licenses: several, found by their end, revoked, sent again.

use std::fs;

use nodelock::Reason;

use crate::{
    program::{Authority, field},
    support::ledger::Ledger,
};

fn end(key: &str) -> &str {
    &key[key.len() - 5..]
}

fn keys(authority: &Authority, id: &str) -> Vec<(String, bool)> {
    let shown = authority.done(&["license", "show", id]);
    let key = |key: &serde_json::Value| (field(key, "key_hint").to_owned(), key["revoked"].is_null());
    shown["keys"].as_array().unwrap().iter().map(key).collect()
}

#[test]
fn a_license_has_several_keys_and_each_can_be_revoked_while_seats_run_on() {
    let authority = Authority::new();
    let (id, first) = authority.sell("4", &[]);
    let device = authority.device("device");
    let request = device.begin(&first).unwrap().to_bytes();
    let granted = authority.done_with(&["activate", "-"], &request);
    device.accept(field(&granted, "reply").as_bytes()).unwrap();
    let second = field(&authority.done(&["license", "add-key", &id]), "key").to_owned();
    authority.activated("by the second", &second);
    authority.activated("by the first", &first);
    assert_eq!(keys(&authority, &id).iter().filter(|(_, opens)| *opens).count(), 2);

    // It opens no new activation; what it granted is said again, renewed and given back.
    authority.done(&["license", "revoke-key", &id, "--hint", end(&first)]);
    let late = authority.device("late").begin(&first).unwrap().to_bytes();
    assert_eq!(authority.refused(&["activate", "-"], &late), "unknown-license");
    let again = authority.done_with(&["activate", "-"], &request);
    assert_eq!(authority.but_for_page(&again["reply"]), authority.but_for_page(&granted["reply"]));
    let renewed = authority.done_with(&["check-in", "-"], &device.check_in_offline().unwrap().to_bytes());
    device.accept(field(&renewed, "license").as_bytes()).unwrap();
    let proof = device.deactivate_offline(Reason::Moved).unwrap().to_bytes();
    assert_eq!(field(&authority.done_with(&["redeem", "-"], &proof), "outcome"), "freed");
    authority.activated("again by the second", &second);

    // A key that was revoked is nobody's again.
    let (other, _) = authority.sell("1", &[]);
    assert_eq!(authority.refused(&["license", "rekey", &other, "--key", &first], b""), "key-in-use");
    assert_eq!(authority.refused(&["license", "revoke-key", &id, "--hint", end(&first)], b""), "no-such-key");
    // One of several is replaced, or all.
    let third = field(&authority.done(&["license", "add-key", &id]), "key").to_owned();
    let fourth = authority.done(&["license", "rekey", &id, "--hint", &end(&third).to_lowercase()]);
    let opens: Vec<String> =
        keys(&authority, &id).into_iter().filter(|(_, opens)| *opens).map(|(hint, _)| hint).collect();
    assert_eq!(opens.len(), 2);
    assert!(
        opens.contains(&end(&second).to_owned()) && opens.contains(&end(field(&fourth, "key")).to_owned())
    );
    authority.done(&["license", "rekey", &id]);
    assert_eq!(keys(&authority, &id).iter().filter(|(_, opens)| *opens).count(), 1);
    authority.done(&["verify"]);
    authority.check_consistency();
}

#[test]
fn a_license_is_found_by_the_end_of_any_of_its_keys() {
    let authority = Authority::new();
    let (id, first) = authority.sell("1", &[]);
    authority.sell("1", &[]);
    authority.done(&["license", "rekey", &id]);
    for typed in [end(&first).to_owned(), end(&first).to_lowercase(), format!("..{}", end(&first))] {
        let found = authority.done(&["license", "find", "--hint", &typed]);
        assert_eq!(found["licenses"].as_array().unwrap().len(), 1, "{typed}");
        assert_eq!(found["licenses"][0]["license"], *id);
    }
    let nothing = authority.done(&["license", "find", "--hint", "ZZZZZ"]);
    assert_eq!(nothing["licenses"].as_array().unwrap().len(), 0);
}

#[test]
fn a_key_is_sent_again_unless_its_product_keeps_none() {
    let authority = Authority::new();
    let (id, key) = authority.sell("1", &[]);
    let show = ["license", "show-key", &id];
    assert_eq!(field(&authority.done(&show), "key"), key);
    let own = "own-key-of-the-vendor";
    let (by_own, _) = authority.sell("1", &["--key", own]);
    assert_eq!(field(&authority.done(&["license", "show-key", &by_own]), "key"), own);
    let noted: Vec<_> =
        authority.audit().into_iter().filter(|l| l["action"] == "license-key-shown").collect();
    assert_eq!((noted.len(), field(&noted[0], "detail")), (2, &*format!("..{}", end(&key))));

    // Nothing of it is in the ledger.
    let mut ledger = Ledger::open(&authority);
    let sealed = ledger.texts("SELECT CAST(COUNT(*) AS TEXT) FROM license_key WHERE sealed IS NOT NULL");
    assert_eq!(sealed[0].as_deref(), Some("2"));
    drop(ledger);
    let place = authority.path("authority/keys/vault.key");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // Of two keys somebody says which; one that is revoked is not sent.
    let second = field(&authority.done(&["license", "add-key", &id]), "key").to_owned();
    let several = authority.run(&show, b"").json();
    assert_eq!(field(&several, "error"), "no-such-key");
    assert!(field(&several, "message").contains("several keys"), "{several}");
    let by_end = authority.done(&["license", "show-key", &id, "--hint", end(&second)]);
    assert_eq!(field(&by_end, "key"), second);
    authority.done(&["license", "revoke-key", &id, "--hint", end(&second)]);
    assert_eq!(field(&authority.done(&show), "key"), key);
    authority.done(&["verify"]);

    // Where the vault is missing, no other one is made, and a sale keeps nothing.
    let away = authority.path("away");
    fs::rename(&place, &away).unwrap();
    assert_eq!(authority.refused(&show, b""), "vault-missing");
    let sold = authority.run(&["license", "new", "--licensee", "Jane Doe"], b"");
    assert!(
        sold.code == 0 && sold.stderr.contains("`vault.key`, which opens them, is missing"),
        "{}",
        sold.stderr
    );
    let unkept = field(&sold.json(), "license").to_owned();
    assert!(!place.exists(), "a new one is made");
    assert_eq!(authority.done(&["verify"])["keys_not_compared"], 3);
    // What another one opens is no damage either.
    fs::write(&place, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(authority.refused(&show, b""), "vault-missing");
    assert_eq!(authority.done(&["verify"])["keys_not_compared"], 3);
    fs::rename(&away, &place).unwrap();
    assert_eq!(field(&authority.done(&show), "key"), key);
    assert_eq!(authority.refused(&["license", "show-key", &unkept], b""), "key-not-kept");
    assert_eq!(authority.done(&["verify"])["keys_not_compared"], 0);

    // Nothing of a change is done when some of it is wrong, and what cannot be undone is asked for twice.
    let revision = authority.done(&["product", "show"])["revision"].clone();
    let edit = ["product", "edit", "--keeps-keys", "false"];
    for more in [&[][..], &["--yes", "--unset", "typo"], &["--yes", "--seats", "2", "--if-version", "9"]] {
        assert_ne!(authority.run(&[&edit[..], more].concat(), b"").code, 0, "{more:?}");
        assert_eq!(field(&authority.done(&show), "key"), key);
    }
    assert_eq!(authority.done(&["product", "show"])["revision"], revision);
    let both = ["--yes", "--seats", "2", "--if-version", &revision.to_string()];
    let edited = authority.done(&[&edit[..], &both].concat());
    assert_eq!((&edited["keeps_keys"], &edited["terms"]["seats"]), (&false.into(), &2.into()));
    assert_eq!(authority.refused(&show, b""), "key-not-kept");
    let (later, _) = authority.sell("1", &[]);
    assert_eq!(authority.refused(&["license", "show-key", &later], b""), "key-not-kept");
    let mut ledger = Ledger::open(&authority);
    let sealed = ledger.texts("SELECT CAST(COUNT(*) AS TEXT) FROM license_key WHERE sealed IS NOT NULL");
    assert_eq!(sealed[0].as_deref(), Some("0"));
    authority.done(&["verify"]);
}
