//! Licenses are sold: none whose key nobody has, and none twice.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use nodelock::code::LicenseKey;
use serde_json::Value;

use crate::{
    program::{Authority, Finished, field, finish},
    support::{ledger::Ledger, server::Engine},
};

const SELL: [&str; 6] = ["license", "new", "--licensee", "Reseller", "--seats", "1"];

fn licenses(authority: &Authority) -> Vec<Value> {
    authority.done(&["license", "list"])["licenses"].as_array().unwrap().clone()
}

/// The ids and keys in a file.
fn keys(path: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(path).unwrap();
    let pair = |line: &str| line.split_once(' ').map(|(id, key)| (id.to_owned(), key.to_owned())).unwrap();
    text.lines().map(pair).collect()
}

#[test]
fn terms_that_no_license_can_be_made_of_are_not_sold() {
    let authority = Authority::new();
    let long = "x".repeat(65);
    for terms in [["--edition", long.as_str()], ["--feature", long.as_str()], ["--metadata", "a=b\nc"]] {
        let new = ["license", "new", "--licensee", "Jane", "--seats", "1", terms[0], terms[1]];
        assert_eq!(authority.refused(&new, b""), "invalid-input", "{terms:?}");
    }
    let new = ["license", "new", "--licensee", "Jane", "--seats", "1", "--expires", "2001-01-01"];
    assert_eq!(authority.refused(&new, b""), "license-ended");
    let key = LicenseKey::from_random([3; 12]).to_string();
    let (id, _) = authority.sell("1", &["--key", &key, "--metadata", "order=77"]);
    let taken = ["license", "new", "--licensee", "Jane", "--seats", "1", "--key", &key];
    assert_eq!(authority.refused(&taken, b""), "key-in-use");
    let list = authority.done(&["license", "list"]);
    assert_eq!(list["licenses"].as_array().unwrap().len(), 1);
    assert_eq!(
        (field(&list["licenses"][0], "id"), &list["licenses"][0]["metadata"]["order"]),
        (&*id, &"77".into())
    );
    assert_eq!(field(&list["licenses"][0], "key_hint"), &key[key.len() - 5..]);
}

/// Output that cannot be written: a full disk, and a pipe that nobody reads.
#[cfg(target_os = "linux")]
#[test]
fn nothing_is_sold_to_an_output_that_cannot_be_written() {
    let authority = Authority::new();
    let (id, _) = authority.sell("1", &[]);
    let hint = field(&licenses(&authority)[0], "key_hint").to_owned();
    for arguments in [&[&SELL[..], &["--count", "50"]].concat()[..], &SELL, &["license", "rekey", &id]] {
        for json in [&[][..], &["--json"]] {
            let full = || Stdio::from(File::create("/dev/full").unwrap());
            let closed = || {
                let (reader, writer) = std::io::pipe().unwrap();
                drop(reader);
                Stdio::from(writer)
            };
            for stdout in [full(), closed()] {
                let mut command = authority.command(arguments);
                let answer = finish(command.args(json).stdout(stdout).spawn().unwrap());
                assert_eq!(answer.code, 1, "{arguments:?}: {}", answer.stderr);
                assert!(answer.stderr.contains("standard output"), "{}", answer.stderr);
            }
        }
    }
    let left = licenses(&authority);
    assert_eq!((left.len(), field(&left[0], "key_hint")), (1, &*hint), "nothing that nobody has");
    let actions: Vec<_> = authority.actions().into_iter().map(|(_, action)| action).collect();
    assert_eq!(actions, ["set-up", "license-created"]);
}

#[test]
fn keys_are_in_their_file_before_anything_is_sold() {
    let authority = Authority::new();
    let path = authority.path("keys.txt");
    let file = path.to_str().unwrap();
    // Somebody writes, so that the sale cannot be stored for now.
    let mut ledger = Ledger::open(&authority);
    ledger.execute(match authority.engine() {
        Engine::Sqlite => "BEGIN IMMEDIATE",
        Engine::Postgres(_) => "BEGIN; LOCK TABLE license IN SHARE MODE",
    });
    let arguments = [&SELL[..], &["--count", "50", "--keys-out", file]].concat();
    let selling = authority.start(&arguments, b"");
    let end = Instant::now() + Duration::from_secs(15);
    while !path.exists() || keys(&path).len() < 50 {
        assert!(Instant::now() < end, "no keys, and nothing is sold");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(licenses(&authority).is_empty(), "sold before it could be");
    ledger.execute("COMMIT");
    let sold = finish(selling);
    assert_eq!(sold.code, 0, "{} {}", sold.stdout, sold.stderr);
    assert_eq!(field(&sold.json(), "keys_out"), file);
    assert!(sold.json()["licenses"].as_array().unwrap().iter().all(|license| license["key"].is_null()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let keys = keys(&path);
    assert_eq!(keys.len(), 50);
    let listed: Vec<_> = licenses(&authority).iter().map(|license| field(license, "id").to_owned()).collect();
    assert!(keys.iter().all(|(id, _)| listed.contains(id)) && listed.len() == 50);
    authority.activated("device", &keys[49].1);

    // Never over what is there, and nothing is sold to where nothing can be written.
    let before = fs::read(&path).unwrap();
    let nowhere = authority.path("nowhere").join("keys.txt");
    for file in [file, nowhere.to_str().unwrap()] {
        assert_eq!(authority.refused(&[&SELL[..], &["--keys-out", file]].concat(), b""), "io");
    }
    assert_eq!((fs::read(&path).unwrap(), licenses(&authority).len()), (before, 50));
}

#[test]
fn an_order_is_sold_once() {
    let authority = Authority::new();
    let order = |more: &[&str]| authority.run(&[&SELL[..], &["--order", "2027-0042"], more].concat(), b"");
    let sold = order(&["--count", "3"]);
    assert_eq!(sold.code, 0, "{}", sold.stderr);
    let sold = sold.json()["licenses"].as_array().unwrap().clone();

    let again = order(&["--count", "3"]);
    assert_eq!((again.code, field(&again.json(), "error")), (3, "sold-already"), "an exit code of its own");
    assert!(field(&again.json(), "message").contains("license rekey"));
    let same = again.json()["licenses"].as_array().unwrap().clone();
    for (first, second) in sold.iter().zip(&same) {
        assert_eq!(first["license"], second["license"]);
        assert!(field(first, "key").ends_with(field(second, "key_hint")));
    }
    assert_eq!((same.len(), licenses(&authority).len()), (3, 3));
    // A key is not shown again, and a file for keys is not made for none.
    let file = authority.path("keys.txt");
    let again = order(&["--count", "3", "--keys-out", file.to_str().unwrap()]);
    assert!(again.code == 3 && !file.exists() && again.json()["licenses"][0]["key"].is_null());

    for other in [&["--count", "2"][..], &["--count", "4"], &["--count", "3", "--edition", "Pro"]] {
        let differs = order(other);
        assert_eq!((differs.code, field(&differs.json(), "error")), (1, "order-differs"), "{other:?}");
    }
    // What was sold may change without making it another order.
    authority.done(&["license", "edit", field(&sold[0], "license"), "--seats", "9"]);
    assert_eq!(order(&["--count", "3"]).code, 3);
    assert_eq!(licenses(&authority).len(), 3);
    for wrong in ["", " ", "two\nlines"] {
        assert_eq!(authority.run(&[&SELL[..], &["--order", wrong]].concat(), b"").code, 2, "{wrong:?}");
    }
}

#[test]
fn of_those_who_sell_one_order_at_once_one_does() {
    let authority = Authority::new();
    let sell = [&SELL[..], &["--order", "one", "--count", "5"]].concat();
    let selling: Vec<_> = (0..6).map(|_| authority.start(&sell, b"")).collect();
    let mut answers: Vec<Finished> = selling.into_iter().map(finish).collect();
    answers.sort_by_key(|answer| answer.code);
    let codes: Vec<i32> = answers.iter().map(|answer| answer.code).collect();
    assert_eq!(codes, [0, 3, 3, 3, 3, 3], "{}", answers[1].stderr);
    assert_eq!(licenses(&authority).len(), 5);
    authority.activated("device", field(&answers[0].json()["licenses"][4], "key"));
}
