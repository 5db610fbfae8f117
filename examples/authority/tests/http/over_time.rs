//! The cases in which customers complain of a seat that they cannot get: a formatted disk, a dead machine, a trial that
//! is over (docs/PROTOCOL.md, Seats over time). The vendor does nothing in any of them.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use nodelock::{
    ActivationRequestOptions, Client, ClientBuilder, ErrorKind, Outcome, Reason, Timestamp, Verdict,
};

use super::copies::{audited, copy_folder};
use crate::support::{
    calls::http,
    server::Authority,
    vendor::{TestClock, machine},
};

const DAY: u64 = 24 * 60 * 60;

fn now() -> u64 {
    Timestamp::from(SystemTime::now()).unix_seconds()
}

/// An installation whose store is in that folder, on that computer.
fn installation(authority: &Authority, folder: &str, computer: &'static str, clock: &TestClock) -> Client {
    builder(authority, folder, computer, clock).build().unwrap()
}

fn builder(authority: &Authority, folder: &str, computer: &'static str, clock: &TestClock) -> ClientBuilder {
    let url = format!("http://{}", authority.address);
    let client = authority.client(folder).probe(move || machine(computer)).clock(clock.clone());
    client.authority(nodelock::Authority::new(url, http()).timeout(Duration::from_secs(10)).attempts(1))
}

fn handle(client: &Client) -> String {
    client.check().unwrap().license().unwrap().handle.to_string()
}

#[test]
fn a_formatted_computer_is_licensed_again_and_its_old_store_takes_the_seat_back() {
    let authority = Authority::new();
    let clock = TestClock::at(now());
    let key = authority.sell("1", &["--deactivations", "0"]);
    let before = installation(&authority, "profile", "laptop", &clock);
    before.activate(&key).unwrap();
    let old = handle(&before);
    copy_folder(&authority.path("profile"), &authority.path("backup"));
    copy_folder(&authority.path("profile"), &authority.path("stolen"));
    fs::remove_dir_all(authority.path("profile")).unwrap();

    let after = installation(&authority, "profile", "laptop", &clock);
    assert!(after.activate(&key).unwrap().is_usable());
    assert_eq!((audited(&authority, "replaced"), authority.count_taken()), (vec![old.clone()], 1));

    let backup = installation(&authority, "backup", "laptop", &clock);
    assert!(backup.check_in().unwrap().is_usable());
    assert_eq!((audited(&authority, "taken-back"), authority.count_taken()), (vec![old.clone()], 1));

    let stolen = installation(&authority, "stolen", "desktop", &clock);
    assert_eq!(stolen.check_in().unwrap_err().kind(), ErrorKind::WrongMachine);
    assert!(!stolen.check().unwrap().is_usable());
    let stranger = installation(&authority, "new", "desktop", &clock);
    assert_eq!(stranger.activate(&key).unwrap_err().kind(), ErrorKind::NoFreeSeat);
    assert_eq!((audited(&authority, "taken-back"), authority.count_taken()), (vec![old], 1));
    assert_eq!(audited(&authority, "released"), Vec::<String>::new());
}

#[test]
fn the_seat_of_a_dead_machine_is_free_after_lease_and_margin_whatever_the_server_did_meanwhile() {
    let start = now();
    let Some(authority) = Authority::over_time(start) else { return };
    let clock = TestClock::at(start);
    let set = |time: u64| {
        authority.clock().set(time);
        clock.set(time);
    };
    let key = authority.sell("1", &["--lease-days", "30", "--margin-days", "5"]);
    let dead = installation(&authority, "dead", "laptop", &clock);
    dead.activate(&key).unwrap();
    let another = installation(&authority, "another", "desktop", &clock);
    set(start + 35 * DAY - 60);
    let refused = another.activate(&key).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NoFreeSeat);
    let lapse = refused.seats().unwrap().next_lapse;
    assert_eq!(lapse.map(Timestamp::unix_seconds), Some(start + 35 * DAY));
    authority.kill();
    set(start + 35 * DAY);
    authority.restart();
    assert!(another.start(Duration::from_secs(10)).unwrap().status().is_usable());

    // It was not dead. It is not revoked, and gets the seat once that is free.
    assert_eq!(dead.check_in().unwrap_err().kind(), ErrorKind::NoFreeSeat);
    assert!(matches!(dead.check().unwrap().verdict(), Verdict::LeaseEnded { .. }));
    another.deactivate(Reason::Moved).unwrap();
    assert!(dead.check_in().unwrap().is_usable());
    assert_eq!(audited(&authority, "released"), Vec::<String>::new());
    authority.vendor(&["verify"]);
}

#[test]
fn a_trial_that_is_over_gives_way_to_the_license_that_was_bought() {
    let start = now();
    let Some(authority) = Authority::over_time(start) else { return };
    let clock = TestClock::at(start);
    let end = Timestamp::from_unix_seconds(start + 14 * DAY).to_string();
    let trial = authority.sell("1", &["--expires", &end, "--deactivations", "0"]);
    let paid = authority.sell("1", &[]);
    let client = installation(&authority, "profile", "laptop", &clock);
    client.activate(&trial).unwrap();
    let seat = client.check().unwrap().license().unwrap().handle;
    authority.clock().set(start + 20 * DAY);
    clock.set(start + 20 * DAY);
    assert!(matches!(client.check().unwrap().verdict(), Verdict::Expired { .. }));
    // A mistyped key changes nothing.
    let mistyped = client.activate("WRONG-KEY").unwrap_err();
    assert_ne!(mistyped.kind(), ErrorKind::AlreadyActive);
    assert_eq!(client.check().unwrap().license().unwrap().handle, seat);
    assert!(client.activate(&paid).unwrap().is_usable());
    let receipts = client.online().hand_in().unwrap();
    assert_eq!(receipts.iter().map(|receipt| receipt.handle).collect::<Vec<_>>(), [seat]);
    // No deactivation is left, so the trial stays this computer's.
    assert_eq!(receipts[0].outcome, Outcome::Held);
    authority.vendor(&["verify"]);
}

#[test]
fn a_computer_has_one_trial_which_the_vendor_extends_and_what_was_bought_replaces() {
    let start = now();
    let Some(authority) = Authority::over_time(start) else { return };
    let clock = TestClock::at(start);
    let day = |days: u64| Timestamp::from_unix_seconds(start + days * DAY);
    let set = |days: u64| {
        authority.clock().set(start + days * DAY);
        clock.set(start + days * DAY);
    };
    let sold = authority.vendor(&[
        "license",
        "new",
        "--licensee",
        "Trials",
        "--seats",
        "9",
        "--deactivations",
        "none",
        "--trial-days",
        "14",
    ]);
    authority.vendor(&["product", "edit", "--trial-license", sold["license"].as_str().unwrap()]);
    let paid = authority.sell("1", &[]);
    let without_a_key = ActivationRequestOptions::new;
    let ends = |client: &Client| client.check().unwrap().license().unwrap().expires;
    let first = builder(&authority, "first", "laptop", &clock).replace_license(true).build().unwrap();
    let second = installation(&authority, "second", "laptop", &clock);
    first.activate(without_a_key()).unwrap();
    // Another user of the computer, and the first one who gives it back and asks again.
    set(5);
    second.activate(without_a_key()).unwrap();
    first.deactivate(Reason::Moved).unwrap();
    first.activate(without_a_key()).unwrap();
    assert_eq!([&first, &second].map(ends), [Some(day(14)); 2]);
    // Installed again after the end, with a clock that shows the first day.
    set(14);
    assert!(matches!(first.check().unwrap().verdict(), Verdict::Expired { .. }));
    let set_back = installation(&authority, "third", "laptop", &TestClock::at(start));
    let refused = set_back.activate(without_a_key()).unwrap_err();
    assert_eq!((refused.kind(), refused.trial_ended()), (ErrorKind::TrialUsed, Some(day(14))));

    let extended = authority.vendor(&["extend-trial", &handle(&first), "--days", "7"]);
    assert_eq!(extended["until"], day(21).to_string());
    assert!(second.check_in().unwrap().is_usable());
    assert_eq!(ends(&second), Some(day(21)));
    assert!(first.activate(&paid).unwrap().is_usable());
    assert_eq!(ends(&first), None);
    let receipts = first.online().hand_in().unwrap();
    assert!(receipts.iter().all(|receipt| receipt.outcome == Outcome::Returned));
    assert_eq!(authority.count_taken(), 2, "what was bought, and the other user's trial");
    authority.vendor(&["verify"]);
}
