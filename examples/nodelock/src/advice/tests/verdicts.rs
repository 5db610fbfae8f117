//! Advice about verdicts that let nothing run, or not for long.

use std::fs;

use nodelock::testing::TestClock;

use super::{Heard, Told};
use crate::desk::Desk;

pub const TOLD: &[Told] = &[
    ("Ask for a seat with `nodelock request LICENSE-KEY`, and send the request to the vendor.", unlicensed),
    ("`nodelock request` shows the request again. When the license comes: `nodelock install FILE`.", pending),
    (
        "`nodelock code` shows what frees the seat; hand it to the vendor. `nodelock request LICENSE-KEY` asks for a \
         new seat and carries it along.",
        outstanding,
    ),
    ("To use it here again: `nodelock request LICENSE-KEY`.", deactivated),
    ("Ask the vendor why, or for another seat: `nodelock request LICENSE-KEY`.", revoked),
    ("Correct this machine's clock: the license may be usable then.", clock_ahead),
    (
        "Run it where this computer's hardware can be seen: outside of the container or sandbox that hides its network \
         cards or /sys. The seat need not be given back.",
        hidden,
    ),
    (
        "Renew it with `nodelock check-in`. Without a network: send the vendor what `nodelock check-in --offline` \
         writes, then `nodelock install FILE` with the answer.",
        renewal,
    ),
    ("Ask the vendor for a renewed license file, then `nodelock install FILE`.", expired),
    (
        "Check this machine's clock. If it is right, `nodelock check-in` brings the authority's word for it.",
        clock_set_back,
    ),
    ("Wait for that day. If it has come, check this machine's clock.", not_yet_valid),
    (
        "Is the folder a copy from another computer? Then ask for a seat of this one's own, in another folder: --store \
         and `nodelock request LICENSE-KEY`. Otherwise put `device.key` back, or ask the vendor to release the seat \
         and then use `nodelock request LICENSE-KEY --replace-license`.",
        device_key,
    ),
    (
        "If this is the machine that was activated, give the seat back (`nodelock deactivate --offline`) and ask for a \
         new one.",
        wrong_machine,
    ),
    (
        "Use an earlier version, or ask the vendor to extend the maintenance; then run `nodelock check-in`.",
        version_not_covered,
    ),
];

fn unlicensed(heard: &Heard) {
    let desk = Desk::new();
    heard.from(&desk.status("unlicensed"));
    desk.license_by_hand();
}

fn pending(heard: &Heard) {
    let desk = Desk::new();
    let request = desk.text(&["request", &desk.key]);
    heard.from(&desk.status("unlicensed"));
    assert_eq!(desk.text(&["request"]), request);
    desk.done(&["install", &desk.answer(request)]);
    assert!(desk.is_active());
}

fn outstanding(heard: &Heard) {
    for by_code in [true, false] {
        let desk = Desk::active();
        desk.done(&["deactivate", "--offline"]);
        heard.from(&desk.status("deactivated"));
        if by_code {
            desk.authority.vendor().redeem_code(&desk.text(&["code"])).unwrap();
            assert_eq!(desk.authority.usage(&desk.key).unwrap().taken, 0);
        }
        // One seat was sold: the request is answered because the seat was given back, or comes along.
        desk.license_by_hand();
    }
}

fn deactivated(heard: &Heard) {
    let desk = Desk::active();
    desk.done(&["deactivate"]);
    heard.from(&desk.status("deactivated"));
    desk.license_by_hand();
}

fn revoked(heard: &Heard) {
    let desk = Desk::active();
    desk.authority.release(desk.seat().parse().unwrap(), "reported as lost").unwrap();
    desk.done(&["check-in"]);
    heard.from(&desk.status("revoked"));
    assert!(desk.json(&["status"])["message"].as_str().unwrap().contains("reported as lost"), "why");
    desk.license_by_hand();
}

/// The clock is a year ahead. The license that comes says so, and by the clock it is over.
fn clock_ahead(heard: &Heard) {
    for expires in [false, true] {
        let mut desk = Desk::new();
        if expires {
            desk.authority.vendor().terms(&desk.key).unwrap().expires = Some(desk.clock.now_plus(50));
        }
        let right = TestClock::START;
        desk.clock = TestClock::at(right + 365 * 86_400);
        desk.done(&["activate", &desk.key]);
        heard.from(&desk.status(if expires { "expired" } else { "lease-ended" }));
        desk.clock.set(right + 86_400);
        assert!(desk.is_active());
    }
}

fn hidden(heard: &Heard) {
    let mut desk = Desk::active();
    let seen = desk.machine.clone();
    desk.machine = seen.hidden();
    heard.from(&desk.status("grace"));
    desk.done(&["start", "--limit", "0"]);
    desk.clock.advance_days(30);
    heard.from(&desk.status("wrong-machine"));
    desk.machine = seen;
    assert!(desk.is_active(), "and the seat was not given back");
}

fn renewal(heard: &Heard) {
    let due = |desk: &mut Desk| {
        desk.clock.advance_days(60);
        "active"
    };
    let ended = |desk: &mut Desk| {
        desk.clock.advance_days(91);
        "lease-ended"
    };
    let changed = |desk: &mut Desk| {
        desk.machine = desk.machine.changed_much();
        "grace"
    };
    let grace_over = |desk: &mut Desk| {
        desk.machine = desk.machine.changed_much();
        desk.done(&["start", "--limit", "0"]);
        desk.clock.advance_days(30);
        "wrong-machine"
    };
    let states: [fn(&mut Desk) -> &'static str; 4] = [due, ended, changed, grace_over];
    for state in states {
        for online in [true, false] {
            let mut desk = Desk::active();
            let verdict = state(&mut desk);
            heard.from(&desk.status(verdict));
            if online {
                desk.done(&["check-in"]);
            } else {
                let asked = desk.text(&["check-in", "--offline"]);
                let answer = desk.authority.vendor().check_in(asked.as_bytes()).unwrap();
                desk.done(&["install", &desk.file(answer.to_text())]);
            }
            assert_eq!((desk.is_active(), desk.status("active")), (true, String::new()), "{verdict}");
        }
    }
}

fn expired(heard: &Heard) {
    let desk = Desk::new();
    desk.authority.vendor().terms(&desk.key).unwrap().expires = Some(desk.clock.now_plus(50));
    desk.done(&["activate", &desk.key]);
    desk.clock.advance_days(51);
    heard.from(&desk.status("expired"));
    let renewed = {
        let mut vendor = desk.authority.vendor();
        vendor.terms(&desk.key).unwrap().expires = Some(desk.clock.now_plus(365));
        vendor.renew(desk.seat().parse().unwrap()).unwrap()
    };
    desk.done(&["install", &desk.file(renewed.to_text())]);
    assert!(desk.is_active());
}

fn clock_set_back(heard: &Heard) {
    for is_right in [false, true] {
        let mut desk = Desk::active();
        desk.clock = TestClock::at(TestClock::START + 60 * 86_400);
        desk.done(&["start", "--limit", "0"]);
        desk.clock.set(TestClock::START + 2 * 86_400);
        heard.from(&desk.status("clock-set-back"));
        if is_right {
            desk.done(&["check-in"]);
        } else {
            desk.clock.set(TestClock::START + 60 * 86_400);
        }
        assert_eq!(desk.json(&["status"])["usable"], true, "{is_right}");
    }
}

fn not_yet_valid(heard: &Heard) {
    for clock_stood_still in [false, true] {
        let mut desk = Desk::new();
        let starts = desk.clock.now_plus(0).plus_days(7);
        desk.authority.vendor().terms(&desk.key).unwrap().starts = starts;
        let request = desk.text(&["request", &desk.key]);
        desk.done(&["install", &desk.answer(request)]);
        desk.clock = TestClock::at(TestClock::START);
        if clock_stood_still {
            desk.authority.clock().advance_days(8);
        }
        heard.from(&desk.status("not-yet-valid"));
        let said = desk.json(&["status"])["message"].as_str().unwrap().to_owned();
        assert!(said.contains(&starts.to_string()), "that day: {said}");
        let today = if clock_stood_still { desk.authority.clock().now_plus(0) } else { starts };
        desk.clock.set(today.unix_seconds());
        assert!(desk.is_active());
    }
}

fn device_key(heard: &Heard) {
    let desk = Desk::active();
    let key = desk.path("store/device.key");
    let kept = fs::read(&key).unwrap();
    let lose = || {
        fs::remove_file(&key).unwrap();
        heard.from(&desk.status("wrong-machine"));
    };
    lose();
    fs::write(&key, kept).unwrap();
    assert!(desk.is_active());
    lose();
    // As it is on another computer: a seat of its own.
    desk.authority.vendor().terms(&desk.key).unwrap().seats = 2;
    let own = desk.path("own");
    let request = desk.text(&["request", &desk.key, "--store", &own]);
    let installed = desk.json(&["install", &desk.answer(request), "--store", &own]);
    assert_eq!(installed["verdict"], "active");
    // On the computer that the seat is of.
    desk.authority.release(desk.seat().parse().unwrap(), "its key is lost").unwrap();
    let request = desk.text(&["request", &desk.key, "--replace-license"]);
    desk.done(&["install", &desk.answer(request)]);
    assert!(desk.is_active());
}

fn wrong_machine(heard: &Heard) {
    let mut desk = Desk::active();
    desk.machine = desk.machine.changed_too_much();
    heard.from(&desk.status("wrong-machine"));
    desk.done(&["deactivate", "--offline"]);
    desk.license_by_hand();
    assert_eq!(desk.authority.usage(&desk.key).unwrap().taken, 1);
}

fn version_not_covered(heard: &Heard) {
    let mut desk = Desk::new();
    let bought = desk.clock.now_plus(0);
    desk.authority.vendor().terms(&desk.key).unwrap().updates_until = Some(bought.plus_days(20));
    desk.done(&["activate", &desk.key]);
    desk.released = Some(bought.plus_days(21));
    heard.from(&desk.status("version-not-covered"));
    desk.released = Some(bought.plus_days(19));
    assert!(desk.is_active());
    desk.released = Some(bought.plus_days(21));
    desk.authority.vendor().terms(&desk.key).unwrap().updates_until = Some(bought.plus_days(400));
    desk.done(&["check-in"]);
    assert!(desk.is_active());
}
