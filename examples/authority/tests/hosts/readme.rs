//! README's own application in Rust is usable on each of 400 days, with nothing done but to start it.
//!
//! `readme_block.rs` is README's block, to the letter. This program plays the application in a process of its own,
//! whose clock is moved.

use std::{
    env, fs,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use super::readme_block::{activate, client, give_back, start};
use crate::support::{
    hosts::{NOWHERE, PRODUCT, folder},
    server::Authority,
};

const DAY: u64 = 24 * 60 * 60;
/// What the application does: `activate KEY`, `start`, `give back`.
const ACT: &str = "NODELOCK_README_ACT";

#[test]
fn the_block_that_is_tested_is_readmes() {
    let readme = fs::read_to_string(folder("README.md")).unwrap();
    let block = readme.split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(block, include_str!("readme_block.rs"), "copy README's first Rust block to readme_block.rs");
    assert!(!block.lines().any(|line| line.starts_with("# ")), "a line that only rustdoc hides");
}

/// The application itself, as another test starts it.
#[test]
#[ignore = "another test starts it"]
fn application() {
    let of = |name: &str| env::var(name).unwrap();
    let client = client(&of("NODELOCK_ROOT"), &of("NODELOCK_AUTHORITY")).unwrap();
    match of(ACT).split_once(' ') {
        Some(("activate", key)) => activate(&client, key).unwrap(),
        Some(_) => assert_eq!(give_back(&client).unwrap().len(), 29),
        None => assert!(start(&client).unwrap(), "not usable"),
    }
}

#[test]
fn readmes_application_is_usable_on_each_of_400_days() {
    let begin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let Some(authority) = Authority::over_time_of(PRODUCT, begin) else { return };
    let home = tempfile::tempdir().unwrap();
    let run = |url: &str, act: &str| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "readme::application", "--ignored", "--nocapture"]).env(ACT, act);
        command.env("NODELOCK_ROOT", &authority.root).env("NODELOCK_AUTHORITY", url);
        for name in ["HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            command.env(name, home.path());
        }
        command.env("NO_PROXY", "127.0.0.1");
        authority.clock().given_to(&mut command);
        let output = command.output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("running 1 test"), "{said}");
        (output.status.success(), said)
    };
    let url = format!("http://{}", authority.address);
    let key = authority.sell("1", &["--feature", "export"]);
    let (activated, said) = run(&url, &format!("activate {key}"));
    assert!(activated, "{said}");
    let mut put_off = Vec::new();
    for day in 0..400 {
        authority.clock().set(begin + day * DAY);
        // One day in four is without a network.
        let is_cut_off = day % 4 == 1;
        let (usable, said) = run(if is_cut_off { NOWHERE } else { &url }, "start");
        assert!(usable && said.contains("export: true"), "day {day}: {said}");
        if said.contains("not renewed yet") {
            put_off.push(day);
        }
    }
    // On these a renewal was due, 45 days after the one before. The next start caught up on it.
    assert_eq!(put_off, [45, 181, 317]);
    let renewed = authority.actions().iter().filter(|(_, action)| action == "checked-in").count();
    assert!((400 / 90..=400 / 45).contains(&renewed), "{renewed} renewals");
}
