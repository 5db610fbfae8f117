//! The reference authority as a vendor uses it: the real program in a process of its own, a client here as the device.

use std::{fs, process::Child, thread, time::Instant};

use nodelock::{
    Limit, Reason, Verdict,
    code::{DeactivationCode, Handle, LicenseKey, ReleaseSecret},
};
use serde_json::json;

use crate::{
    program::{Authority, Finished, base64url, field, finish, mistype},
    support::forms::TAKEN,
};

#[test]
fn the_list_says_what_a_computer_is_called_now() {
    let authority = Authority::new();
    let (_, key) = authority.sell("1", &[]);
    let device = |name: &'static str| {
        let describe =
            move || vec![("computer".to_owned(), name.to_owned()), ("system".into(), "Linux".into())];
        authority.client("desk").describe_machine_as(describe).build().unwrap()
    };
    let listed = || {
        let seat = authority.seats().remove(0);
        (field(&seat, "label").to_owned(), seat["machine"].clone())
    };
    let old = device("old");
    let reply = authority.done_with(&["activate", "-"], &old.begin(&key).unwrap().to_bytes());
    old.accept(field(&reply, "reply").as_bytes()).unwrap();
    assert_eq!(listed(), ("old".into(), json!({ "computer": "old", "system": "Linux" })));
    let question = device("new").check_in_offline().unwrap();
    authority.done_with(&["check-in", "-"], &question.to_bytes());
    assert_eq!(listed(), ("new".into(), json!({ "computer": "new", "system": "Linux" })));
    let words = authority.text(&["list"]).stdout;
    assert!(words.contains("  computer=new  system=Linux"), "{words}");
    authority.check_consistency();
}

#[test]
fn a_seat_goes_round_by_file_by_text_and_by_a_mistyped_code() {
    let authority = Authority::new();
    let (_, key) =
        authority.sell("1", &["--feature", "export", "--feature", "cores=8@2090-01-01", "--edition", "Pro"]);

    let first = authority.activated("first", &key.to_lowercase());
    let license = first.check().unwrap();
    assert!(license.has_feature("export"));
    assert_eq!(license.feature_limit("cores"), Some(Limit::UpTo(8)));
    let second = authority.device("second");
    let request = second.begin(&key).unwrap();
    fs::write(authority.path("request"), request.to_text()).unwrap();
    let file = authority.path("request").display().to_string();
    assert_eq!(authority.refused(&["activate", &file], b""), "no-free-seat");

    // By file.
    let given_up = first.deactivate_offline(Reason::Moved).unwrap();
    fs::write(authority.path("proof"), given_up.to_bytes()).unwrap();
    let (proof, out) = (authority.path("proof"), authority.path("receipt"));
    let freed = authority.done(&["redeem", proof.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert_eq!(field(&freed, "outcome"), "freed");
    first.accept(&fs::read(out).unwrap()).unwrap();
    assert!(first.outstanding().unwrap().is_empty());
    assert_eq!(authority.taken(), 0);

    // By one line of base64url.
    second.accept(field(&authority.done(&["activate", &file]), "reply").as_bytes()).unwrap();
    let given_up = second.deactivate_offline(Reason::Retired).unwrap();
    let freed = authority.done(&["redeem", &given_up.to_base64url()]);
    assert_eq!((field(&freed, "outcome"), freed["mended"].as_array().unwrap().len()), ("freed", 0));
    second.accept(field(&freed, "receipt").as_bytes()).unwrap();

    // By a code with two wrong symbols, in lower case, with spaces.
    let third = authority.activated("third", &key);
    let given_up = third.deactivate_offline(Reason::Other).unwrap();
    let typed = mistype(&given_up.code().to_string(), &[2, 14]).to_lowercase().replace('-', " ");
    let words: Vec<&str> = typed.split(' ').collect();
    let freed = authority.done(&[&["redeem"], &words[..]].concat());
    assert_eq!((field(&freed, "outcome"), freed["mended"].as_array().unwrap().len()), ("freed", 2));
    let mended = format!("group 1, place 3: {} was typed", typed[2..3].to_uppercase());
    assert!(freed["mended"][0].as_str().unwrap().starts_with(&mended), "{freed}");
    third.accept(field(&freed, "receipt").as_bytes()).unwrap();

    let states: Vec<_> = authority.seats().iter().map(|seat| seat["state"].clone()).collect();
    assert_eq!(states, ["returned", "returned", "returned"]);
    assert!(authority.seats().iter().any(|seat| seat["machine"]["host"] == "first"));
    authority.check_consistency();
}

#[test]
fn the_same_message_again_has_the_same_answer() {
    let authority = Authority::new();
    let (_, key) = authority.sell("1", &[]);
    let device = authority.device("device");
    let request = device.begin(&key).unwrap();
    let reply = authority.done_with(&["activate", "-"], request.to_text().as_bytes());
    let again = authority.done_with(&["activate", "-"], &request.to_bytes());
    assert_eq!(authority.but_for_page(&reply["reply"]), authority.but_for_page(&again["reply"]));
    assert_eq!((&reply["handle"], &reply["revision"]), (&again["handle"], &again["revision"]));
    assert_eq!(authority.taken(), 1);
    device.accept(field(&reply, "reply").as_bytes()).unwrap();

    let given_up = device.deactivate_offline(Reason::Moved).unwrap();
    let by_file = authority.done_with(&["redeem", "-"], &given_up.to_bytes());
    let again = authority.done(&["redeem", &given_up.to_base32()]);
    assert_eq!((field(&by_file, "outcome"), field(&again, "outcome")), ("freed", "already-freed"));
    assert_eq!(authority.but_for_page(&by_file["receipt"]), authority.but_for_page(&again["receipt"]));
    let by_code = authority.done(&["redeem", &given_up.code().to_string()]);
    assert_eq!(field(&by_code, "outcome"), "already-freed");
    let again = authority.done(&["redeem", &given_up.code().to_string()]);
    assert_eq!(authority.but_for_page(&by_code["receipt"]), authority.but_for_page(&again["receipt"]));
    for answer in [&by_file, &by_code] {
        device.accept(field(answer, "receipt").as_bytes()).unwrap();
    }

    // What was given up does not come back by asking for it once more.
    assert_eq!(authority.refused(&["activate", "-"], &request.to_bytes()), "given-up");
    authority.check_consistency();
}

#[test]
fn a_license_is_renewed_by_a_check_in_file_and_never_by_its_request() {
    let authority = Authority::new();
    let (_, key) = authority.sell("1", &[]);
    let device = authority.device("device");
    let request = device.begin(&key).unwrap().to_bytes();
    let granted = authority.done_with(&["activate", "-"], &request);
    device.accept(field(&granted, "reply").as_bytes()).unwrap();

    let check_in = device.check_in_offline().unwrap();
    let renewed = authority.done_with(&["check-in", "-"], check_in.to_text().as_bytes());
    assert_eq!(renewed["revision"], 2);
    let again = authority.done_with(&["check-in", "-"], &check_in.to_bytes());
    assert_eq!(authority.but_for_page(&renewed["license"]), authority.but_for_page(&again["license"]));
    let again = authority.done_with(&["activate", "-"], &request);
    assert_eq!(authority.but_for_page(&granted["reply"]), authority.but_for_page(&again["reply"]));
    let accepted = device.accept(field(&renewed, "license").as_bytes()).unwrap();
    assert_eq!(accepted.license().unwrap().revision, 2);
    assert_eq!(authority.refused(&["check-in", "-"], &request), "wrong-type");
    assert_eq!(authority.refused(&["activate", "-"], &check_in.to_bytes()), "wrong-type");

    let handle = field(&renewed, "handle");
    authority.done(&["release", handle, "--reason", "lost", "--yes"]);
    let over = authority.done_with(&["check-in", "-"], &device.check_in_offline().unwrap().to_bytes());
    assert!(over["license"].is_null());
    device.accept(field(&over, "revocation").as_bytes()).unwrap();
    authority.check_consistency();
}

#[test]
fn a_new_request_brings_along_what_was_given_up_even_if_it_is_refused() {
    let authority = Authority::new();
    let (_, key) = authority.sell("1", &[]);
    let device = authority.activated("device", &key);
    device.deactivate_offline(Reason::Reinstalled).unwrap();
    let request = device.begin(&key).unwrap();
    let reply = authority.done_with(&["activate", "-"], request.to_text().as_bytes());
    assert_eq!(reply["released"].as_array().unwrap().len(), 1);
    device.accept(field(&reply, "reply").as_bytes()).unwrap();
    assert!(device.outstanding().unwrap().is_empty());

    device.deactivate_offline(Reason::Moved).unwrap();
    let nobodys = LicenseKey::from_random([7; 12]).to_string();
    let request = device.begin(&nobodys).unwrap();
    let answer = authority.run(&["activate", "-"], &request.to_bytes());
    assert_eq!((answer.code, field(&answer.json(), "error")), (1, "unknown-license"));
    device.accept(field(&answer.json(), "receipts").as_bytes()).unwrap();
    assert_eq!(authority.taken(), 0);
    assert!(!answer.stdout.contains(&nobodys) && !answer.stderr.contains(&nobodys));
    authority.check_consistency();
}

#[test]
fn without_a_deactivation_left_the_seat_is_held_until_it_is_returned() {
    let authority = Authority::new();
    let (_, key) = authority.sell("2", &["--deactivations", "1"]);
    let (one, two) = (authority.activated("one", &key), authority.activated("two", &key));
    let freed = authority.done(&["redeem", &one.deactivate_offline(Reason::Moved).unwrap().to_base64url()]);
    assert_eq!((field(&freed, "outcome"), &freed["deactivations_left"]), ("freed", &0.into()));
    // The license that this machine has still says that one is left.
    let given_up = two.deactivate_offline(Reason::Moved).unwrap();
    for _ in 0..2 {
        let held = authority.done(&["redeem", &given_up.code().to_string()]);
        assert_eq!(field(&held, "outcome"), "held");
    }
    let held = given_up.handle().to_string();

    authority.activated("three", &key);
    let four = authority.device("four");
    let request = four.begin(&key).unwrap().to_bytes();
    assert_eq!(authority.refused(&["activate", "-"], &request), "no-free-seat");
    // The machine it is held for may have it again.
    let reply = authority.done_with(&["activate", "-"], &two.begin(&key).unwrap().to_bytes());
    two.accept(field(&reply, "reply").as_bytes()).unwrap();
    assert_eq!(authority.refused(&["return", &held], b""), "not-held");
    assert_eq!(authority.taken(), 2);

    let (_, key) = authority.sell("1", &["--deactivations", "1"]);
    let five = authority.activated("five", &key);
    authority.done(&["redeem", &five.deactivate_offline(Reason::Moved).unwrap().to_base64url()]);
    let six = authority.activated("six", &key);
    assert!(six.deactivate_offline(Reason::Moved).is_err(), "its license says that none is left");
    authority.check_consistency();
}

#[test]
fn a_held_seat_is_returned_to_the_pool_by_the_vendor() {
    let authority = Authority::new();
    let (_, key) = authority.sell("2", &["--deactivations", "1"]);
    let (one, two) = (authority.activated("one", &key), authority.activated("two", &key));
    for device in [&one, &two] {
        authority.done(&["redeem", &device.deactivate_offline(Reason::Moved).unwrap().to_base64url()]);
    }
    assert_eq!(authority.taken(), 1);
    let held = two.outstanding().unwrap()[0].handle().to_string();
    assert_eq!(field(&authority.done(&["return", &held]), "outcome"), "returned");
    assert_eq!(authority.refused(&["return", &held], b""), "not-held");
    assert_eq!(authority.taken(), 0);
    authority.check_consistency();
}

#[test]
fn evidence_for_an_unknown_seat_is_kept_and_judged_when_the_request_arrives() {
    let authority = Authority::new();
    let (_, key) = authority.sell("1", &[]);
    for name in ["by proof", "by code"] {
        let device = authority.device(name);
        let request = device.begin(&key).unwrap().to_bytes();
        let cancelled = device.cancel().unwrap();
        let evidence =
            if name == "by proof" { base64url(cancelled.proof()) } else { cancelled.code().to_string() };
        for _ in 0..2 {
            let unknown = authority.run(&["redeem", &evidence], b"");
            assert_eq!((unknown.code, field(&unknown.json(), "error")), (1, "unknown-seat"));
            assert_eq!(unknown.json()["kept"], true);
        }
        let refused = authority.run(&["activate", "-"], &request);
        assert_eq!((refused.code, field(&refused.json(), "error")), (1, "request-cancelled"));
        device.accept(field(&refused.json(), "receipts").as_bytes()).unwrap();
        assert_eq!(authority.refused(&["activate", "-"], &request), "request-cancelled");
        assert_eq!(field(&authority.done(&["redeem", &evidence]), "outcome"), "already-freed");
    }
    // A wrong code for a seat to come does not stop it.
    let device = authority.device("honest");
    let request = device.begin(&key).unwrap();
    let wrong = DeactivationCode::new(request.request().handle, ReleaseSecret::from_random([9; 8]));
    assert_eq!(authority.refused(&["redeem", &wrong.to_string()], b""), "unknown-seat");
    authority.done_with(&["activate", "-"], &request.to_bytes());
    assert_eq!(authority.taken(), 1);
    authority.check_consistency();
}

#[test]
fn a_cancelled_request_is_remembered_even_if_its_license_is_unknown() {
    let authority = Authority::new();
    let device = authority.device("device");
    let key = LicenseKey::from_random([1; 12]).to_string();
    let request = device.begin(&key).unwrap().to_bytes();
    let cancelled = device.cancel().unwrap().to_text();
    let freed = authority.done_with(&["redeem", "-"], cancelled.as_bytes());
    assert_eq!(field(&freed, "outcome"), "freed");
    device.accept(field(&freed, "receipt").as_bytes()).unwrap();
    let again = authority.done_with(&["redeem", "-"], cancelled.as_bytes());
    assert_eq!(field(&again, "outcome"), "already-freed");
    assert_eq!(authority.but_for_page(&again["receipt"]), authority.but_for_page(&freed["receipt"]));
    // Sold afterwards, with that very key: the request is still cancelled.
    authority.sell("1", &["--key", &key]);
    assert_eq!(authority.refused(&["activate", "-"], &request), "request-cancelled");
    assert_eq!(authority.taken(), 0);
    authority.check_consistency();
}

#[test]
fn a_released_seat_is_free_and_its_machine_is_told() {
    let authority = Authority::new();
    let (_, key) = authority.sell("1", &[]);
    let device = authority.activated("device", &key);
    let handle = device.check().unwrap().license().unwrap().handle.to_string();
    let released = authority.done(&["release", &handle, "--reason", "reported as stolen", "--yes"]);
    assert_eq!(field(&released, "outcome"), "revoked");
    let again = authority.done(&["release", &handle, "--reason", "once more", "--yes"]);
    assert_eq!(authority.but_for_page(&released["revocation"]), authority.but_for_page(&again["revocation"]));
    assert_eq!(authority.refused(&["renew", &handle], b""), "revoked");
    assert_eq!(authority.refused(&["return", &handle], b""), "not-held");
    let other = authority.activated("other", &key);
    // The proof of a device that has not heard of it is taken as well, and frees nobody else's seat.
    let copy = authority.path("copy");
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(authority.path("device")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let proof = authority.device("copy").deactivate_offline(Reason::Moved).unwrap().to_base64url();
    assert_eq!(field(&authority.done(&["redeem", &proof]), "outcome"), "already-freed");
    assert_eq!(authority.taken(), 1);
    assert_eq!(*other.check().unwrap().verdict(), Verdict::Active);

    device.accept(field(&released, "revocation").as_bytes()).unwrap();
    assert_eq!(*device.check().unwrap().verdict(), Verdict::Revoked { reason: "reported as stolen".into() });
    let nobodys = Handle::new(5).unwrap().to_string();
    assert_eq!(authority.refused(&["release", &nobodys, "--reason", "x", "--yes"], b""), "unknown-seat");
    authority.check_consistency();
}

#[test]
fn a_release_is_taken_back_until_its_machine_is_told() {
    let authority = Authority::new();
    let (_, key) = authority.sell("1", &[]);
    let device = authority.activated("device", &key);
    let handle = device.check().unwrap().license().unwrap().handle.to_string();
    let release = || drop(authority.done(&["release", &handle, "--reason", "reported as stolen", "--yes"]));
    release();
    let back = authority.done(&["unrelease", &handle]);
    assert_eq!((back["revision"].as_u64(), authority.taken()), (Some(2), 1));
    device.accept(field(&back, "license").as_bytes()).unwrap();
    assert_eq!(*device.check().unwrap().verdict(), Verdict::Active);
    authority.check_consistency();

    release();
    authority.activated("other", &key);
    assert_eq!(authority.refused(&["unrelease", &handle], b""), "no-free-seat");
    let told = authority.done_with(&["check-in", "-"], &device.check_in_offline().unwrap().to_bytes());
    device.accept(field(&told, "revocation").as_bytes()).unwrap();
    assert_eq!(authority.refused(&["unrelease", &handle], b""), "given-up");
    authority.check_consistency();
}

#[test]
fn a_renewal_is_installed_and_a_suspended_license_issues_nothing() {
    let authority = Authority::new();
    let (id, key) = authority.sell("2", &["--lease-days", "30"]);
    let device = authority.activated("device", &key);
    let handle = device.check().unwrap().license().unwrap().handle.to_string();
    let renewed = authority.done(&["renew", &handle]);
    device.accept(field(&renewed, "license").as_bytes()).unwrap();
    assert_eq!(device.check().unwrap().license().unwrap().revision, 2);

    assert_eq!(authority.done(&["license", "suspend", &id])["changed"], true);
    assert_eq!(authority.done(&["license", "suspend", &id])["changed"], false);
    assert_eq!(authority.refused(&["renew", &handle], b""), "license-ended");
    let other = authority.device("other");
    let request = other.begin(&key).unwrap().to_bytes();
    assert_eq!(authority.refused(&["activate", "-"], &request), "license-ended");
    let given_up = device.deactivate_offline(Reason::Moved).unwrap().to_base64url();
    assert_eq!(field(&authority.done(&["redeem", &given_up]), "outcome"), "freed");
    authority.done(&["license", "resume", &id]);
    authority.done_with(&["activate", "-"], &request);
    authority.check_consistency();
}

#[test]
fn wrong_codes_are_counted_and_unreadable_ones_are_not() {
    let authority = Authority::new();
    let (_, key) = authority.sell("1", &[]);
    let device = authority.activated("device", &key);
    let given_up = device.deactivate_offline(Reason::Moved).unwrap();
    let code = given_up.code().to_string();
    let unreadable = mistype(&code, &[0, 1, 2, 6, 7, 8, 12]);
    assert_eq!(authority.refused(&["redeem", &unreadable], b""), "unreadable-code");
    assert_eq!(authority.seats()[0]["wrong_codes"], 0);

    for attempt in 0..10 {
        let wrong = DeactivationCode::new(given_up.handle(), ReleaseSecret::from_random([attempt; 8]));
        let answer = authority.run(&["redeem", &wrong.to_string()], b"");
        assert_eq!(field(&answer.json(), "error"), "wrong-code");
        assert!(!answer.stdout.contains(&wrong.to_string()));
    }
    assert_eq!(authority.seats()[0]["wrong_codes"], 10);
    assert_eq!(authority.refused(&["redeem", &code], b""), "too-many-attempts");
    // A proof is signed, so there is nothing to guess and no limit.
    assert_eq!(field(&authority.done(&["redeem", &given_up.to_base64url()]), "outcome"), "freed");
    authority.check_consistency();
}

#[test]
fn eight_processes_at_once_get_three_seats() {
    let authority = Authority::new();
    let (_, key) = authority.sell("3", &[]);
    let requests: Vec<Vec<u8>> =
        (0..8).map(|n| authority.device(&format!("device {n}")).begin(&key).unwrap().to_bytes()).collect();
    let running: Vec<Child> =
        requests.iter().map(|request| authority.start(&["activate", "-"], request)).collect();
    let answers: Vec<Finished> = running.into_iter().map(finish).collect();
    assert_eq!(answers.iter().filter(|answer| answer.code == 0).count(), 3);
    for answer in answers.iter().filter(|answer| answer.code != 0) {
        assert_eq!(field(&answer.json(), "error"), "no-free-seat", "{}", answer.stderr);
    }
    assert_eq!(authority.taken(), 3);
    authority.check_consistency();
}

#[test]
fn a_killed_process_leaves_whole_seats() {
    const KILLS: u32 = 30;
    let authority = Authority::new();
    let (_, key) = authority.sell("100", &[]);
    let start = Instant::now();
    authority.activated("first", &key);
    let whole = start.elapsed();
    let device = authority.device("device");
    let mut proofs = Vec::new();
    for kill in 0..KILLS {
        let request = device.begin(&key).unwrap().to_bytes();
        let mut child = authority.start(&["activate", "-"], &request);
        // Every part of a run once, in no order.
        thread::sleep(whole * (kill * 7 % KILLS) / KILLS);
        child.kill().unwrap();
        child.wait().unwrap();
        // The request was granted or not, and so were the proofs that it brought along.
        if kill % 5 == 4 {
            authority.check_consistency();
        }
        proofs.push(device.cancel().unwrap().to_bytes());
        if kill % 2 == 1 {
            let mut child = authority.start(&["redeem", "-"], proofs.last().unwrap());
            thread::sleep(whole * (kill * 11 % KILLS) / KILLS);
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    // No seat is lost, whatever was cut short: every proof frees its seat, and the last one standing is the first.
    for proof in proofs {
        authority.done_with(&["redeem", "-"], &proof);
    }
    assert_eq!(authority.taken(), 1);
    authority.check_consistency();
}

#[test]
fn bad_input_is_refused_by_kind_and_changes_nothing() {
    let authority = Authority::new();
    let (_, key) = authority.sell("1", &[]);
    let device = authority.activated("device", &key);
    let license = device.check().unwrap().license().unwrap().clone();
    let proof = device.deactivate_offline(Reason::Moved).unwrap();
    let request = authority.device("other").begin(&key).unwrap();
    let (proof_bytes, request_bytes) = (proof.to_bytes(), request.to_bytes());
    let flipped = |bytes: &[u8], from_end: usize| {
        let mut bytes = bytes.to_vec();
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        bytes
    };
    let later = |bytes: &[u8]| [&b"NL\x02"[..], &bytes[3..]].concat();
    let (audit, seats) = (authority.audit(), authority.seats());
    let activate = |input: &[u8]| authority.refused(&["activate", "-"], input);
    assert_eq!(activate(&request_bytes[..request_bytes.len() - 1]), "bad-signature");
    assert_eq!(activate(&request_bytes[..20]), "malformed");
    assert_eq!(activate(&flipped(&request_bytes, 1)), "bad-signature");
    assert_eq!(activate(&later(&request_bytes)), "unsupported-version");
    assert_eq!(activate(&proof_bytes), "wrong-type");
    assert_eq!(activate(license.as_bytes()), "wrong-type");
    assert_eq!(activate(&vec![b'x'; 600 * 1024]), "too-large");
    assert_eq!(activate(b""), "malformed");
    let joined = request.to_text().replacen("-----END", "-----BEGIN", 1);
    assert_eq!(activate(joined.as_bytes()), "malformed");
    let two = authority.device("another").begin(&key).unwrap();
    let two = format!("{}\n{}", request.to_text(), two.to_text());
    assert_eq!(activate(two.as_bytes()), "several-messages");

    for (form, make) in TAKEN.iter().step_by(13) {
        assert_eq!(activate(&make(&proof.to_text())), "wrong-type", "{form}: it is read, and is no request");
    }

    let redeem = |input: &[u8]| authority.refused(&["redeem", "-"], input);
    assert_eq!(redeem(&flipped(&proof_bytes, 1)), "bad-signature");
    assert_eq!(redeem(&proof_bytes[..40]), "malformed");
    assert_eq!(redeem(&later(&proof_bytes)), "unsupported-version");
    let other = authority.device("third");
    other.begin(&key).unwrap();
    let two = format!("{}\n{}", proof.to_text(), other.cancel().unwrap().to_text());
    assert_eq!(redeem(two.as_bytes()), "several-messages");
    let told = authority.run(&["redeem", "-"], two.as_bytes()).stdout;
    assert!(told.contains("these are 2 deactivation proofs"), "{told}");
    assert_eq!(redeem(&request_bytes), "wrong-type");
    assert_eq!(redeem(key.as_bytes()), "wrong-type");
    assert_eq!(redeem(&vec![0xff; 2 * 1024 * 1024]), "too-large");
    assert_eq!(redeem(b"no code at all"), "unreadable-code");
    assert_eq!(authority.refused(&["redeem", "missing.file"], b""), "unreadable-code");
    assert_eq!(authority.refused(&["activate", "missing.file"], b""), "io");
    assert_eq!((authority.audit(), authority.seats()), (audit, seats));
    // Wrong usage is another thing, and repeats nothing of what was typed.
    let usage = authority.run(&["redeem", "--nonsense", &proof.code().to_string()], b"");
    assert_eq!((usage.code, field(&usage.json(), "error")), (2, "usage"));
    assert!(!usage.stdout.contains(&proof.code().to_string()[..5]));
    assert_eq!(authority.run(&["license", "new", "--licensee", "x", "--seats", "0"], b"").code, 2);
}

#[test]
fn words_for_people_go_beside_the_document() {
    let authority = Authority::new();
    let sold = authority.text(&["license", "new", "--licensee", "Jane Doe", "--deactivations", "3"]);
    let key = sold.stdout.lines().find(|line| line.starts_with("    ")).unwrap().trim().to_owned();
    let device = authority.activated("device", &key);
    let code = device.deactivate_offline(Reason::Moved).unwrap().code().to_string();
    let typed = mistype(&code, &[3]);
    let freed = authority.text(&["redeem", &typed]);
    assert!(freed.stdout.starts_with("-----BEGIN NODELOCK DEACTIVATION RECEIPT-----"), "{}", freed.stdout);
    let mended = format!("Mended: group 1, place 4: {} was typed", &typed[3..4]);
    assert!(freed.stderr.contains(&mended), "{}", freed.stderr);
    assert!(freed.stderr.contains("Freed: seat "), "{}", freed.stderr);
    let out = authority.path("receipt");
    let again = authority.text(&["redeem", &code, "--out", out.to_str().unwrap()]);
    assert!(again.stdout.starts_with("Already freed: seat "), "{}", again.stdout);
    device.accept(&fs::read(out).unwrap()).unwrap();
    assert!(authority.text(&["list"]).stdout.contains("host=device"));
    assert!(authority.text(&["license", "list"]).stdout.contains("0 of 1 taken  Jane Doe"));
    assert!(authority.text(&["audit", "list"]).stdout.contains("active -> returned"));
}
