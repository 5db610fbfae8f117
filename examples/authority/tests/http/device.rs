//! The online calls against the reference authority: the real server in a process of its own, over real sockets.

use std::{
    fs,
    net::TcpListener,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use nodelock::{
    Answer, CancelToken, Client, ErrorKind, HttpTransport, Outcome, Post, Reason, Renewal, Roots, Store,
    Transport, Verdict,
    code::{DeactivationCode, LicenseKey, ReleaseSecret},
};
use serde_json::{Value, json};

use crate::support::{
    calls::{base64url, http, kind},
    server::{Authority, PRODUCT},
    watched::{Sent, Watched},
};

fn is_active(client: &Client) -> bool {
    *client.check().unwrap().verdict() == Verdict::Active
}

#[test]
fn a_seat_goes_round_online() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let (first, second) = (authority.device("first"), authority.device("second"));

    assert!(first.activate(&key).unwrap().is_usable());
    assert_eq!(kind(second.activate(&key)), ErrorKind::NoFreeSeat);
    assert!(second.pending().unwrap().is_some(), "the request waits for a seat");

    let issued = first.check().unwrap().license().unwrap().clone();
    let renewed = first.check_in().unwrap().license().unwrap().clone();
    assert_eq!((issued.revision + 1, issued.handle), (renewed.revision, renewed.handle));
    assert_ne!(issued.sync_token, renewed.sync_token);

    assert_eq!(first.deactivate(Reason::Moved).unwrap().outcome, Outcome::Returned);
    assert!(first.outstanding().unwrap().is_empty());
    assert!(second.activate(&key).unwrap().is_usable());
    assert_eq!(kind(first.check_in()), ErrorKind::NotActive);
    second.deactivate(Reason::Retired).unwrap();
    assert!(first.activate(&key).unwrap().is_usable());
    assert_eq!(authority.taken().len(), 1);

    let actions = authority.actions();
    for action in ["granted", "checked-in", "returned"] {
        assert!(actions.contains(&("http".into(), action.into())), "{action}: {actions:?}");
    }
}

#[test]
fn a_device_waits_for_a_seat_until_the_next_one_lapses() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let (holder, waiting) = (authority.device("holder"), authority.device("waiting"));
    let seat = holder.activate(&key).unwrap().license().unwrap().clone();
    let refused = waiting.activate(&key).unwrap_err();
    let list = refused.seats().unwrap();
    let lapse = seat.lease_until.unwrap().plus_days(14);
    assert_eq!((list.next_lapse, list.seats.len()), (Some(lapse), 1));
    assert_eq!((list.seats[0].handle, list.seats[0].lapses), (seat.handle, Some(lapse)));

    holder.deactivate(Reason::Moved).unwrap();
    let started = waiting.start(Duration::from_secs(10)).unwrap();
    let Renewal::Due(why) = started.renewal() else { panic!("it does not ask before that date") };
    assert_eq!(why.kind(), ErrorKind::NoFreeSeat);
    let restarted = authority.device("waiting");
    assert!(restarted.start(Duration::from_secs(10)).unwrap().status().is_usable());
    assert!(waiting.check().unwrap().is_usable());
}

#[test]
fn a_wrong_license_key_leaves_nothing_behind() {
    let authority = Authority::new();
    let device = authority.device("device");
    let nobodys = LicenseKey::from_random([5; 12]).to_string();
    assert_eq!(kind(device.activate(&nobodys)), ErrorKind::UnknownLicense);
    assert!(device.pending().unwrap().is_none());
    let key = authority.sell("1", &[]);
    assert!(device.activate(&key).unwrap().is_usable());
    assert!(device.outstanding().unwrap().is_empty(), "what was cancelled is acknowledged along the way");
    let log = fs::read_to_string(authority.directory().join("log")).unwrap();
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    for secret in [&nobodys, &key, &key.replace('-', "")] {
        assert!(!log.contains(secret.as_str()));
    }
}

#[test]
fn a_server_that_dies_leaves_the_license_or_the_proof() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let device = authority.device("device");
    device.activate(&key).unwrap();

    // Before anything is said: the license stays.
    authority.kill();
    let error = device.deactivate(Reason::Moved).unwrap_err();
    assert!(error.deactivation().is_none());
    assert_eq!(error.error().kind(), ErrorKind::Unreachable);
    assert!(is_active(&device));
    assert_eq!(kind(device.check_in()), ErrorKind::Unreachable);
    assert!(is_active(&device));
    authority.restart();
    drop(device);

    // Between the question and the proof: the proof stays.
    let victim = authority.clone();
    let killing = Watched::new(http()).before(move |post| {
        if post.url.ends_with("/v1/deactivations") {
            victim.kill();
        }
    });
    let device = authority.device_over("device", killing);
    let error = device.deactivate(Reason::Moved).unwrap_err();
    let code = error.deactivation().unwrap().code().to_string();
    assert_eq!(device.outstanding().unwrap()[0].code().to_string(), code);
    assert!(!device.check().unwrap().is_usable());
    assert_eq!(authority.taken().len(), 1);
    authority.restart();
    drop(device);

    let device = authority.device("device");
    assert_eq!(device.online().hand_in().unwrap()[0].outcome, Outcome::Returned);
    assert!(device.outstanding().unwrap().is_empty());
    assert!(authority.taken().is_empty());
}

#[test]
fn a_code_is_redeemed_with_its_typing_errors_and_limited_by_peer() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let device = authority.device("device");
    device.activate(&key).unwrap();
    let given_up = device.deactivate_offline(Reason::Moved).unwrap();
    let code = given_up.code().to_string();
    let mut typed = code.to_lowercase().into_bytes();
    typed[3] = if typed[3] == b'x' { b'y' } else { b'x' };
    let typed = json!({ "phone_code": String::from_utf8(typed).unwrap(), "unknown": [1] });
    let freed = authority.post("/v1/deactivations", &typed);
    assert_eq!((freed.status, &freed.json()["outcome"]), (200, &"freed".into()), "{}", freed.body);
    assert_eq!(freed.json()["mended"].as_array().unwrap().len(), 1);
    device.accept(freed.json()["receipt"].as_str().unwrap().as_bytes()).unwrap();
    let again = authority.post("/v1/deactivations", &json!({ "phone_code": code }));
    assert_eq!(
        (&again.json()["outcome"], &again.json()["receipt"]),
        (&"already-freed".into(), &freed.json()["receipt"])
    );

    // The two right ones count too: an attempt is counted before anything is known of it.
    let wrong = DeactivationCode::new(given_up.handle(), ReleaseSecret::from_random([1; 8])).to_string();
    let wrong = json!({ "phone_code": wrong });
    for _ in 0..8 {
        assert_eq!(authority.post("/v1/deactivations", &wrong).problem(), (403, "wrong-code".into()));
    }
    let limited = authority.post("/v1/deactivations", &json!({ "phone_code": code }));
    assert_eq!(limited.problem(), (429, "too-many-attempts".into()));
    assert!(limited.head.contains("retry-after: "), "{}", limited.head);
    // A proof is signed: there is nothing to guess.
    let proof = authority.post("/v1/deactivations", &json!({ "proof": given_up.to_base64url() }));
    assert_eq!(proof.status, 200);
}

#[test]
fn unknown_license_keys_are_limited_by_peer() {
    let authority = Authority::new();
    let key = LicenseKey::from_random([6; 12]).to_string();
    let request = authority.device("device").begin(&key).unwrap().to_base64url();
    let request = json!({ "request": request });
    for _ in 0..20 {
        assert_eq!(authority.post("/v1/activations", &request).problem(), (404, "unknown-license".into()));
    }
    let limited = authority.post("/v1/activations", &request);
    assert_eq!(limited.problem(), (429, "too-many-attempts".into()));
    assert!(limited.head.contains("retry-after: "), "{}", limited.head);
    let device = authority.device("other");
    assert_eq!(kind(device.activate(&key)), ErrorKind::TooManyAttempts);
    assert!(device.pending().unwrap().is_some(), "that is no answer: the request waits");
}

#[test]
fn evidence_for_a_seat_to_come_is_kept_and_is_no_success() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    for by_code in [false, true] {
        let device = authority.device(if by_code { "by code" } else { "by proof" });
        let request = device.begin(&key).unwrap().to_base64url();
        let cancelled = device.cancel().unwrap();
        let evidence = match by_code {
            true => json!({ "phone_code": cancelled.code().to_string() }),
            // Without the request, which would settle it at once.
            false => json!({ "proof": base64url(cancelled.proof()) }),
        };
        let kept = authority.post("/v1/deactivations", &evidence);
        assert_eq!(kept.problem(), (404, "unknown-seat".into()));
        assert_eq!(kept.json()["kept"], true);
        let late = authority.post("/v1/activations", &json!({ "request": request }));
        assert_eq!(late.problem(), (410, "request-cancelled".into()));
        assert_eq!(late.json()["receipts"].as_array().unwrap().len(), 1);
        assert_eq!(device.online().hand_in().unwrap().len(), 1);
        assert!(device.outstanding().unwrap().is_empty());
    }
    assert!(authority.taken().is_empty());
}

#[test]
fn a_released_machine_hears_of_it_at_its_next_check_in() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let device = authority.device("device");
    device.activate(&key).unwrap();
    let handle = authority.taken()[0].clone();
    authority.vendor(&["release", &handle, "--reason", "the computer was lost", "--yes"]);
    assert!(authority.taken().is_empty());
    match device.check_in().unwrap().verdict() {
        Verdict::Revoked { reason } => assert_eq!(reason, "the computer was lost"),
        verdict => panic!("{verdict:?}"),
    }
    assert!(device.activate(&key).unwrap().is_usable(), "a new activation is another matter");
}

#[test]
fn the_vendor_learns_of_a_released_machine_that_comes_back() {
    let authority = Authority::new();
    let key = authority.sell("2", &[]);
    let [lost, silent] = ["lost", "silent"].map(|name| authority.device(name));
    lost.activate(&key).unwrap();
    let handle = authority.taken()[0].clone();
    silent.activate(&key).unwrap();
    let came_back = || {
        let seats = authority.vendor(&["list", "--filter", "came_back:yes"]);
        let seats = seats["seats"].as_array().unwrap().clone();
        seats.into_iter().map(|seat| (seat["handle"].clone(), seat["came_back"].clone())).collect::<Vec<_>>()
    };
    for seat in authority.taken() {
        authority.vendor(&["release", &seat, "--reason", "lost", "--yes"]);
    }
    assert_eq!(came_back(), []);
    let check_in = lost.check_in_offline().unwrap().to_base64url();
    for _ in 0..2 {
        let told = authority.post("/v1/checkins", &json!({ "request": check_in })).json();
        assert!(told["revocation"].is_string(), "{told}");
    }
    assert_eq!(came_back(), [(json!(handle), json!(1))]);
    let returned = |kind: &Value, of: &str| kind.as_str() == Some(of);
    let lines = authority.audit().into_iter().filter(|line| returned(&line["action"], "came-back"));
    assert_eq!(lines.count(), 1);
    let events = authority.vendor(&["event", "list"]);
    let events = events["events"].as_array().unwrap().iter();
    assert_eq!(events.filter(|event| returned(&event["type"], "seat.came-back")).count(), 1);
}

/// A copy from before the deactivation, with no tombstone to stop it, ends when it speaks up: by a signed word, not by
/// a refusal.
#[test]
fn a_copy_of_a_store_whose_seat_was_given_up_ends_at_its_check_in() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let folder = authority.folder.path().join("machine");
    let device = authority.device("machine");
    device.activate(&key).unwrap();
    let copies = ["state", "device.key"].map(|file| (file, fs::read(folder.join(file)).unwrap()));
    device.deactivate(Reason::Moved).unwrap();
    for (file, bytes) in copies {
        fs::write(folder.join(file), bytes).unwrap();
    }
    let copy = authority.device("machine");
    assert!(is_active(&copy), "nothing on the machine can tell");
    assert!(matches!(copy.check_in().unwrap().verdict(), Verdict::Revoked { .. }));
    assert!(authority.taken().is_empty());
}

#[test]
fn an_exhausted_allowance_is_reported_while_the_license_is_active() {
    let authority = Authority::new();
    let key = authority.sell("2", &["--deactivations", "1"]);
    let (one, two) = (authority.device("one"), authority.device("two"));
    one.activate(&key).unwrap();
    two.activate(&key).unwrap();
    one.deactivate(Reason::Moved).unwrap();
    let error = two.deactivate(Reason::Moved).unwrap_err();
    assert_eq!(error.error().kind(), ErrorKind::DeactivationNotAllowed);
    assert!(error.deactivation().is_none() && is_active(&two));
}

/// Answers a deactivation with what the one before was answered.
struct Behind {
    inner: HttpTransport,
    before: Mutex<Option<Answer>>,
}

impl Transport for Behind {
    fn post(&self, post: &Post<'_>) -> nodelock::Result<Answer> {
        let answer = self.inner.post(post)?;
        if !post.url.ends_with("/deactivations") {
            return Ok(answer);
        }
        Ok(self.before.lock().unwrap().replace(answer.clone()).unwrap_or(answer))
    }
}

#[test]
fn the_receipt_of_an_earlier_seat_is_no_answer() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let folder = authority.folder.path();
    let device = Client::builder(PRODUCT, Roots::new([authority.root.parse().unwrap()]))
        .store(Store::in_directory(folder.join("device"), Some(folder.join("tombstones"))))
        .authority(nodelock::Authority::new(
            format!("http://{}", authority.address),
            Behind { inner: http(), before: Mutex::default() },
        ))
        .build()
        .unwrap();
    device.activate(&key).unwrap();
    device.deactivate(Reason::Moved).unwrap();
    device.activate(&key).unwrap();
    let error = device.deactivate(Reason::Moved).unwrap_err();
    assert_eq!(error.error().kind(), ErrorKind::WrongRequest);
    let given_up = error.deactivation().unwrap();
    assert_eq!(device.outstanding().unwrap()[0].proof(), given_up.proof());
    device.online().hand_in().unwrap();
    assert!(device.outstanding().unwrap().is_empty());
}

#[test]
fn copies_of_a_store_are_found_and_echoes_are_not_taken_for_them() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let watched = Watched::new(http());
    let device = authority.device_over("device", watched.clone());
    device.activate(&key).unwrap();
    let copies = || authority.seats()[0]["copies"].as_u64().unwrap();
    let copy = || {
        let to = authority.folder.path().join("copy");
        let _ = fs::remove_dir_all(&to);
        fs::create_dir(&to).unwrap();
        for file in fs::read_dir(authority.folder.path().join("device")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
        authority.device("copy")
    };
    let mut first = Vec::new();
    for _ in 0..4 {
        let license = device.check_in().unwrap().license().unwrap().as_bytes().to_vec();
        let Sent { path, body: request, .. } = watched.last();
        for _ in 0..2 {
            let echo = authority.post(&path, &request).json();
            let license = json!(base64url(&license));
            assert_eq!(authority.but_for_page(&echo["license"]), authority.but_for_page(&license));
        }
        first.push(request);
        authority.post(&path, &first[0]);
    }
    assert_eq!(copies(), 0);
    let copied = copy();
    for _ in 0..2 {
        copied.check_in().unwrap();
        device.check_in().unwrap();
    }
    assert!(copies() > 0);
    assert!(authority.actions().iter().any(|(_, action)| action == "copy-suspected"));
}

#[test]
fn a_call_ends_when_it_is_cancelled_from_another_thread() {
    // Takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = Authority::new().root.clone();
    let device = Client::builder(PRODUCT, Roots::new([root.parse().unwrap()]))
        .store(Store::in_directory(folder.path(), None))
        .authority(nodelock::Authority::new(format!("http://{}", silent.local_addr().unwrap()), http()))
        .build()
        .unwrap();
    let cancel = CancelToken::new();
    let other = cancel.clone();
    let start = Instant::now();
    let cancelling = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        other.cancel();
    });
    let key = LicenseKey::from_random([2; 12]).to_string();
    assert_eq!(kind(device.online().cancel_with(&cancel).activate(&key)), ErrorKind::Cancelled);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(device.pending().unwrap().is_some());
    cancelling.join().unwrap();
}

#[test]
fn bad_input_is_a_problem_with_its_code_and_changes_nothing() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let (device, other) = (authority.device("device"), authority.device("other"));
    let watched = Watched::new(http());
    let device_watched = authority.device_over("device", watched.clone());
    device.activate(&key).unwrap();
    device_watched.check_in().unwrap();
    let check_in = watched.last().body["request"].as_str().unwrap().to_owned();
    let request = other.begin(&key).unwrap().to_base64url();
    let cancelled = other.cancel().unwrap();
    let proof = base64url(cancelled.proof());
    other.begin(&key).unwrap();
    let two = format!("{}\n{}", cancelled.to_text(), other.cancel().unwrap().to_text());
    let license = base64url(device.check().unwrap().license().unwrap().as_bytes());
    let before = (authority.seats(), authority.actions().len());

    let endpoints = [
        ("/v1/activations", "request"),
        ("/v1/deactivations/preflight", "request"),
        ("/v1/deactivations", "proof"),
        ("/v1/checkins", "request"),
    ];
    let malformed = (400, "malformed".to_owned());
    for (path, member) in endpoints {
        for body in ["", "{", "[]", "null", "\"text\"", "\u{1}", "{}", "{\"other\": \"x\"}"] {
            let reply = authority.post_as("application/json; charset=utf-8", path, body.as_bytes());
            assert_eq!(reply.problem(), malformed, "{path} {body:?}");
        }
        assert_eq!(authority.post_as("application/json", path, b"\xff\xfe").problem(), malformed);
        for value in [json!(7), json!(null), json!(["x"]), json!(""), json!("!!!"), json!("TkwB")] {
            assert_eq!(
                authority.post(path, &json!({ member: value })).problem(),
                malformed,
                "{path} {value}"
            );
        }
        let wrong = authority.post(path, &json!({ member: license.clone() }));
        assert_eq!(wrong.problem(), (400, "wrong-type".into()), "{path}");
        let long = authority.post(path, &json!({ member: "A".repeat(900 * 1024) }));
        assert_eq!(long.problem(), (413, "too-large".into()), "{path}");
        let too_long = authority.post_as("application/json", path, &vec![b' '; 1024 * 1024 + 1]);
        assert_eq!(too_long.problem(), (413, "too-large".into()), "{path}");
        for content_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
            assert_eq!(authority.post_as(content_type, path, b"{}").problem().0, 415);
        }
        assert_eq!(authority.get(path).problem().0, 405);
        assert_eq!(authority.post_as("application/json", &format!("{path}/x"), b"{}").problem().0, 404);
    }
    let activate = |text: &str| authority.post("/v1/activations", &json!({ "request": text })).problem();
    assert_eq!(activate(&flipped(&request)), (403, "bad-signature".into()));
    assert_eq!(activate(&proof), (400, "wrong-type".into()));
    let check = |text: &str| authority.post("/v1/checkins", &json!({ "request": text })).problem();
    // Whoever cannot sign for a seat does not learn that there is one.
    assert_eq!(check(&flipped(&check_in)), (409, "license-wanted".into()));
    assert_eq!(check(&request), (400, "wrong-type".into()));
    let both = json!({ "proof": proof, "phone_code": "x" });
    assert_eq!(authority.post("/v1/deactivations", &both).problem(), malformed);
    let several = authority.post("/v1/deactivations", &json!({ "proof": two }));
    assert_eq!(several.problem(), (400, "several-messages".into()));
    let code = |text: &str| authority.post("/v1/deactivations", &json!({ "phone_code": text })).problem();
    assert_eq!(code("not a code"), (422, "unreadable-code".into()));
    assert_eq!(code(&key), (400, "wrong-type".into()));
    assert_eq!((authority.seats(), authority.actions().len()), before);
}

/// The same message with one bit of its signature changed.
fn flipped(text: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    base64url(&bytes)
}

#[test]
fn a_refused_activation_may_be_tried_for_ever() {
    let authority = Authority::new();
    let key = authority.sell("1", &[]);
    let (holder, device) = (authority.device("holder"), authority.device("device"));
    holder.activate(&key).unwrap();
    for _ in 0..70 {
        assert_eq!(kind(device.activate(&key)), ErrorKind::NoFreeSeat);
    }
    holder.deactivate(Reason::Moved).unwrap();
    assert!(device.activate(&key).unwrap().is_usable());
}
