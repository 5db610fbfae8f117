//! Devices that lost their license and prove with their key whose seat it was.

use std::{
    fs, thread,
    time::{Duration, SystemTime},
};

use nodelock::{Client, ErrorKind, Outcome, Reason, Roots, Store, Timestamp, Verdict};
use serde_json::{Value, json};

use crate::support::{
    calls::{http, kind},
    server::{Authority, PRODUCT},
    vendor::{TestClock, machine},
    watched::{Sent, Watched},
};

/// Damages what a device knows of its seat; its key stays.
fn lose(authority: &Authority, device: &str) {
    fs::write(authority.folder.path().join(device).join("state"), b"damaged").unwrap();
}

/// License, handle and state of each seat, in the order of the handles. One that was cancelled may have no license.
fn seats(authority: &Authority) -> Vec<[String; 3]> {
    let text = |seat: &Value, name: &str| seat[name].as_str().unwrap_or_default().to_owned();
    let seats = authority.seats();
    let mut seats: Vec<_> =
        seats.iter().map(|seat| ["license", "handle", "state"].map(|name| text(seat, name))).collect();
    seats.sort();
    seats
}

#[test]
fn a_damaged_store_is_recovered_and_an_echo_of_that_takes_nothing() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let watched = Watched::new(http());
    let device = authority.device_over("device", watched.clone());
    device.activate(&key).unwrap();
    let state = authority.folder.path().join("device/state");
    let mut bytes = fs::read(&state).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&state, bytes).unwrap();
    assert!(matches!(device.check().unwrap().verdict(), Verdict::Damaged { .. }));
    assert!(device.recover().unwrap().is_usable());
    assert_eq!(authority.taken(), [device.check().unwrap().license().unwrap().handle.to_string()]);

    let Sent { path, body: recovery, .. } = watched.last();
    assert_eq!(authority.post(&path, &recovery).status, 200, "the same again has the same answer");
    device.deactivate(Reason::Moved).unwrap();
    device.activate(&key).unwrap();
    // The network delivers the old message once more: it must not free the seat that the device has now.
    assert_eq!(authority.post(&path, &recovery).problem(), (410, "given-up".into()));
    assert_eq!(authority.taken(), [device.check().unwrap().license().unwrap().handle.to_string()]);

    // A device without any seat has nothing to recover.
    let other = authority.device("other");
    let other_key = authority.sell("1", &[]);
    other.activate(&other_key).unwrap();
    other.deactivate(Reason::Moved).unwrap();
    fs::write(authority.folder.path().join("other/state"), b"").unwrap();
    assert_eq!(kind(other.recover()), ErrorKind::UnknownSeat);
    assert!(other.activate(&key).is_err());
    other.cancel().unwrap();
    assert!(other.activate(&other_key).unwrap().is_usable());
}

/// A recovery names no seat, so one that the network delivers late must not free what the device was granted since.
#[test]
fn a_recovery_that_comes_late_frees_no_later_seat() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let clock = TestClock::at(Timestamp::from(SystemTime::now()).unix_seconds());
    let folder = authority.folder.path().join("device");
    let device = Client::builder(PRODUCT, Roots::new([authority.root.parse().unwrap()]))
        .store(Store::in_directory(&folder, None))
        .clock(clock.clone())
        .authority(nodelock::Authority::new(format!("http://{}", authority.address), http()))
        .build()
        .unwrap();
    let damage = || fs::write(folder.join("state"), b"").unwrap();
    device.activate(&key).unwrap();
    damage();
    let late = json!({ "request": device.recover_offline().unwrap().to_base64url() });
    damage();
    clock.advance_days(1);
    device.recover().unwrap();
    for again in [false, true] {
        if again {
            device.deactivate(Reason::Moved).unwrap();
            device.activate(&key).unwrap();
        }
        let refused = authority.post("/v1/activations", &late).problem();
        assert_eq!(refused, (409, "outdated".into()));
        let handle = device.check_in().unwrap().license().unwrap().handle.to_string();
        assert_eq!(authority.taken(), [handle]);
    }

    // The device whose clock is behind is told so, and may ask again when it is right.
    damage();
    clock.set(0);
    assert_eq!(kind(device.recover()), ErrorKind::Outdated);
    assert!(device.pending().unwrap().is_none());
    clock.set(Timestamp::from(SystemTime::now()).unix_seconds());
    clock.advance_days(1);
    assert!(device.recover().unwrap().is_usable());
    assert_eq!(authority.taken().len(), 1);
}

#[test]
fn a_recovery_that_is_refused_leaves_the_lost_seat_active() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let client = |folder: &str, machine_name: &'static str| {
        Client::builder(PRODUCT, Roots::new([authority.root.parse().unwrap()]))
            .store(Store::in_directory(authority.folder.path().join(folder), None))
            .probe(move || machine(machine_name))
            .authority(nodelock::Authority::new(format!("http://{}", authority.address), http()))
            .build()
            .unwrap()
    };
    client("device", "one").activate(&key).unwrap();
    let before = seats(&authority);
    let [license, handle, _] = before[0].clone();
    // What the authority writes of a refusal is about the request that the device takes back, never about the lost
    // seat.
    let lost = || authority.actions().iter().filter(|(_, action)| action == "lost").count();
    let is_as_before = || {
        assert!(seats(&authority).contains(&[license.clone(), handle.clone(), "active".into()]));
        assert_eq!((authority.taken(), lost()), (vec![handle.clone()], 0));
    };

    // A copy of the whole store on another machine gets no renewal.
    let (from, to) = (authority.folder.path().join("device"), authority.folder.path().join("copy"));
    fs::create_dir(&to).unwrap();
    for file in ["state", "device.key"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    assert_eq!(kind(client("copy", "two").check_in()), ErrorKind::WrongMachine);
    is_as_before();

    // The license is suspended just when the store is lost.
    authority.vendor(&["license", "suspend", &license]);
    lose(&authority, "device");
    let device = client("device", "one");
    assert_eq!(kind(device.recover()), ErrorKind::LicenseEnded);
    is_as_before();
    authority.vendor(&["license", "resume", &license]);
    assert!(!device.check().unwrap().is_usable());

    // The device's key was copied to another machine.
    let to = authority.folder.path().join("thief");
    fs::create_dir(&to).unwrap();
    fs::copy(from.join("device.key"), to.join("device.key")).unwrap();
    assert_eq!(kind(client("thief", "two").recover()), ErrorKind::WrongMachine);
    is_as_before();

    // A refusal for good took the request back; asking anew is all there is to do.
    assert!(device.recover().unwrap().is_usable());
    let recovered = device.check().unwrap().license().unwrap().handle.to_string();
    assert_eq!((authority.taken(), lost()), (vec![recovered], 1));
    assert!(seats(&authority).contains(&[license, handle, "returned".into()]));
}

#[test]
fn a_seat_that_is_held_is_not_recovered() {
    let authority = Authority::new();
    let key = authority.sell("2", &["--deactivations", "1"]);
    let (one, two) = (authority.device("one"), authority.device("two"));
    one.activate(&key).unwrap();
    two.activate(&key).unwrap();
    // Both licenses say that one deactivation is left, and only one of them is right.
    one.deactivate(Reason::Moved).unwrap();
    two.deactivate_offline(Reason::Moved).unwrap();
    assert_eq!(two.online().hand_in().unwrap()[0].outcome, Outcome::Held);
    let before = seats(&authority);
    assert_eq!(before.iter().filter(|[_, _, state]| state == "held").count(), 1);
    lose(&authority, "two");
    assert_eq!(kind(authority.device("two").recover()), ErrorKind::UnknownSeat);
    for seat in &before {
        assert!(seats(&authority).contains(seat), "{seat:?} has changed");
    }
    // It is held for that very device, which gets it by its license key.
    assert!(two.activate(&key).unwrap().is_usable());
    assert_eq!(authority.taken().len(), 1);
}

#[test]
fn a_recovery_takes_nothing_of_another_license() {
    let authority = Authority::new();
    let (first_key, second_key) = (authority.sell("1", &[]), authority.sell("1", &[]));
    let device = authority.device("device");
    device.activate(&first_key).unwrap();
    let first = seats(&authority)[0].clone();
    // Its record is gone, not damaged, so it knows of no seat and takes one of another license.
    fs::remove_file(authority.folder.path().join("device/state")).unwrap();
    // Which seat was granted last goes by whole seconds.
    thread::sleep(Duration::from_millis(1100));
    device.activate(&second_key).unwrap();
    let second = seats(&authority).into_iter().find(|seat| *seat != first).unwrap();
    lose(&authority, "device");
    assert!(device.recover().unwrap().is_usable());
    let recovered = device.check().unwrap().license().unwrap().handle.to_string();
    let [license, handle, _] = second;
    let mut expected =
        vec![first, [license.clone(), handle, "returned".into()], [license, recovered, "active".into()]];
    expected.sort();
    assert_eq!(seats(&authority), expected);
}

/// A recovery is granted, its answer is lost, and its request is taken back: what it was granted comes along as given
/// up.
#[test]
fn a_recovery_that_was_taken_back_can_be_made_again() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let device = authority.device("device");
    device.activate(&key).unwrap();
    lose(&authority, "device");
    let lost = device.recover_offline().unwrap().to_base64url();
    assert_eq!(authority.post("/v1/activations", &json!({ "request": lost })).status, 200);
    device.cancel().unwrap();
    assert!(device.recover().unwrap().is_usable());
    assert_eq!(authority.taken(), [device.check().unwrap().license().unwrap().handle.to_string()]);
}
