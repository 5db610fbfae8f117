//! What an adversary tried: copies, forged answers, turned clocks, hoarded messages. Each of these once worked.

use std::{fs, path::Path, sync::Mutex, time::Duration};

use crate::support::{
    vendor::{Device, START, TestClock, Vendor, builder},
    watched::Watched,
    wire::Wire,
};
use nodelock::{
    Answer, CancelToken, Client, Error, ErrorKind, HttpOptions, Post, Reason, Result, Roots, SigningKey,
    Store, SystemRandom, Transport, Verdict,
    fingerprint::{Component, Probe},
};
use serde_json::{Value, json};

const DAY: u64 = 86_400;

/// The machine with another network card and without what else it is known by: grace.
fn changed() -> Probe {
    let values = [(Component::DiskSerial, "disk machine 2718281"), (Component::Mac, "f0:4d:a2:99:88:77")];
    Probe::from_values(values.map(|(c, v)| (c, v.to_owned())), false, false)
}

#[test]
fn the_same_license_again_does_not_renew_the_grace_period() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    let client = device.builder().probe(changed).build().unwrap();
    let license = client.check().unwrap().license().unwrap().clone();
    client.observe().unwrap();
    vendor.clock.advance_days(15);
    client.accept(license.as_bytes()).unwrap();
    assert!(!client.check().unwrap().is_usable());
}

#[test]
fn a_change_seen_while_the_clock_ran_ahead_gives_no_grace_for_decades() {
    let mut vendor = Vendor::new();
    vendor.terms().lease_days = None;
    let device = Device::new(&vendor, "machine");
    let clock = TestClock::at(START + 50 * 365 * DAY);
    let ahead = device.builder().clock(clock.clone()).build().unwrap();
    let request = ahead.begin(vendor.license_key()).unwrap();
    ahead.accept(&vendor.activate(request.request().as_bytes()).unwrap()).unwrap();
    let changed = device.builder().clock(clock.clone()).probe(changed).build().unwrap();
    assert!(changed.observe().unwrap());
    clock.set(START + DAY);
    assert!(changed.observe().unwrap(), "the clock was corrected");
    assert!(changed.check().unwrap().is_usable());
    clock.set(START + 1000 * DAY);
    assert!(!changed.check().unwrap().is_usable());
}

#[test]
fn a_passing_change_long_ago_does_not_use_up_todays_grace() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    device.builder().probe(changed).build().unwrap().observe().unwrap();
    vendor.clock.advance_days(1);
    assert!(device.client().observe().unwrap(), "the machine is itself again");
    vendor.clock.advance_days(30);
    assert!(device.client().observe().unwrap(), "it was in use all the time");
    let client = device.builder().probe(changed).build().unwrap();
    assert!(matches!(client.check().unwrap().verdict(), Verdict::Grace { .. }));
}

#[test]
fn a_clock_that_ran_past_the_certificates_end_is_healed_by_a_renewal() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    vendor.clock.advance_days(731);
    device.client().observe().unwrap();
    vendor.clock.set(START + 11 * DAY);
    device.check_in(&mut vendor);
    assert_eq!(device.verdict(), Verdict::Active);
}

#[test]
fn a_message_dated_ahead_does_not_outlast_its_activation() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "machine");
    vendor.clock.set(START + 360 * DAY);
    let renewal = vendor.renew(device.handle());
    vendor.clock.set(START + DAY);
    device.client().accept(renewal.as_bytes()).unwrap();
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    let receipt = vendor.redeem(given_up.proof()).unwrap();
    device.client().accept(receipt.as_bytes()).unwrap();
    device.activate(&mut vendor);
}

#[test]
fn a_receipt_that_comes_again_after_another_activation_is_no_error() {
    let mut vendor = Vendor::new();
    vendor.sell(5);
    let device = Device::activated(&mut vendor, "machine");
    let first = device.client().deactivate_offline(Reason::Moved).unwrap();
    device.activate(&mut vendor);
    device.client().deactivate_offline(Reason::Moved).unwrap();
    let receipt = vendor.redeem(first.proof()).unwrap();
    for _ in 0..2 {
        device.client().accept(receipt.as_bytes()).unwrap();
    }
}

impl Wire {
    /// What a call comes to.
    fn answer(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.0.lock().unwrap().call(path, body.to_string().as_bytes());
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let code = || body["type"].as_str().unwrap().rsplit(':').next().unwrap();
        match answer.status {
            200 => Ok(body),
            _ => Err(Error::new(ErrorKind::from_code(code()).unwrap(), "authority")),
        }
    }

    /// A machine of that name, with its store in that folder.
    fn client(&self, name: &str, folder: &Path) -> Client {
        self.client_over(self.clone(), name, folder)
    }

    /// The same, with something else between it and the authority.
    fn client_over(&self, transport: impl Transport + 'static, name: &str, folder: &Path) -> Client {
        let vendor = self.0.lock().unwrap();
        builder(vendor.roots.clone(), name, Store::in_directory(folder, None), vendor.clock.clone())
            .authority(nodelock::Authority::new("https://authority", transport))
            .build()
            .unwrap()
    }
}

fn wire() -> (Wire, String, tempfile::TempDir) {
    let vendor = Vendor::new();
    let key = vendor.license_key();
    (Wire::to(vendor), key, tempfile::tempdir().unwrap())
}

#[test]
fn a_store_copied_to_another_machine_does_not_make_itself_at_home_by_checking_in() {
    let (wire, key, folder) = wire();
    let first = wire.client("machine", &folder.path().join("first"));
    first.activate(&key).unwrap();
    fs::create_dir(folder.path().join("second")).unwrap();
    for file in ["state", "device.key"] {
        fs::copy(folder.path().join("first").join(file), folder.path().join("second").join(file)).unwrap();
    }
    let second = wire.client("another", &folder.path().join("second"));
    assert!(!second.check().unwrap().is_usable());
    assert_eq!(second.check_in().unwrap_err().kind(), ErrorKind::WrongMachine);
    assert!(!second.check().unwrap().is_usable());
    assert!(first.check_in().unwrap().is_usable());
}

#[test]
fn a_device_key_copied_to_another_machine_recovers_no_seat_there() {
    let (wire, key, folder) = wire();
    let first = wire.client("machine", &folder.path().join("first"));
    first.activate(&key).unwrap();
    fs::create_dir(folder.path().join("second")).unwrap();
    fs::copy(folder.path().join("first/device.key"), folder.path().join("second/device.key")).unwrap();
    let second = wire.client("another", &folder.path().join("second"));
    assert!(second.recover().is_err());
    assert!(!second.check().unwrap().is_usable());
    assert!(first.check().unwrap().is_usable());
    assert_eq!(wire.0.lock().unwrap().usage().taken, 1);
}

#[test]
fn a_proof_that_the_authority_cannot_place_stops_no_renewal() {
    let (wire, key, folder) = wire();
    let client = wire.client("machine", folder.path());
    client.activate(&key).unwrap();
    client.deactivate_offline(Reason::Moved).unwrap();
    // The authority is restored from a copy made before that.
    wire.0.lock().unwrap().ledger.seats.clear();
    let request = client.begin(&key).unwrap();
    let answer = wire.0.lock().unwrap().activate(request.request().as_bytes()).unwrap();
    client.accept(&answer).unwrap();
    assert!(client.check_in().unwrap().is_usable());
}

#[test]
fn a_hoarded_check_in_uses_up_no_token_and_passes_for_no_copy() {
    let (wire, key, folder) = wire();
    let hoarder = Watched::new(wire.clone());
    let client = wire.client_over(hoarder.clone(), "machine", folder.path());
    client.activate(&key).unwrap();
    let handle = client.check_in().unwrap().license().unwrap().handle;
    let first = hoarder.last().body;
    let echo = || wire.answer("/v1/checkins", &first);
    assert_eq!(echo().unwrap(), echo().unwrap(), "the answer may have been lost");
    client.check_in().unwrap();
    assert_eq!(echo().unwrap_err().kind(), ErrorKind::Outdated);
    // The vendor's own renewal may never reach the device, so it leaves the token alone.
    wire.0.lock().unwrap().renew(handle);
    assert!(client.check_in().unwrap().is_usable());
    assert!(client.check_in().unwrap().is_usable());
    let vendor = wire.0.lock().unwrap();
    assert_eq!((vendor.seat(handle).revision(), vendor.seat(handle).copies()), (6, 0));
}

#[test]
fn a_device_whose_license_is_not_believed_any_more_passes_for_no_copy() {
    let (wire, key, folder) = wire();
    let handle = wire.client("machine", folder.path()).activate(&key).unwrap().license().unwrap().handle;
    // The next version of the application has other roots, so it believes neither its license nor the answer.
    let other = SigningKey::generate(&SystemRandom).unwrap().public_key();
    let roots = wire.0.lock().unwrap().roots.clone();
    let clock = wire.0.lock().unwrap().clock.clone();
    let next = |roots| {
        let store = Store::in_directory(folder.path(), None);
        let client = builder(roots, "machine", store, clock.clone())
            .authority(nodelock::Authority::new("https://authority", wire.clone()));
        client.build().unwrap()
    };
    for _ in 0..3 {
        let refused = next(Roots::new([other])).check_in().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::UntrustedSigner);
    }
    let copies = || wire.0.lock().unwrap().seat(handle).copies();
    assert_eq!(copies(), 0, "its answers were lost");
    assert!(next(roots).check_in().unwrap().is_usable());
    assert_eq!(copies(), 0, "it has the token that it had before");
}

/// Grants, and tells the device that it did not.
struct Forger(Wire);

impl Transport for Forger {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        let answer = self.0.post(post)?;
        if !post.url.ends_with("/activations") {
            return Ok(answer);
        }
        let body = json!({"type": format!("urn:nodelock:problem:{}", ErrorKind::LicenseEnded.code())});
        Ok(Answer::new(409, body.to_string()))
    }
}

#[test]
fn a_forged_refusal_loses_no_seat_and_costs_no_deactivation() {
    let (wire, key, folder) = wire();
    wire.0.lock().unwrap().terms().deactivations = Some(1);
    let client = wire.client_over(Forger(wire.clone()), "machine", folder.path());
    assert_eq!(client.activate(&key).unwrap_err().kind(), ErrorKind::LicenseEnded);
    assert_eq!(wire.0.lock().unwrap().usage().taken, 1);
    client.online().hand_in().unwrap();
    let usage = wire.0.lock().unwrap().usage();
    assert_eq!((usage.taken, usage.deactivated), (0, 0));
}

/// Finds the first handles crowded that it is asked for.
struct Crowd(Wire, Mutex<u32>);

impl Transport for Crowd {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        let mut refusals = self.1.lock().unwrap();
        if *refusals == 0 || !post.url.ends_with("/activations") {
            return self.0.post(post);
        }
        *refusals -= 1;
        let body = json!({"type": format!("urn:nodelock:problem:{}", ErrorKind::CrowdedHandle.code())});
        Ok(Answer::new(409, body.to_string()))
    }
}

#[test]
fn a_crowded_handle_is_drawn_anew_and_only_once() {
    let (wire, key, folder) = wire();
    let client = wire.client_over(Crowd(wire.clone(), Mutex::new(1)), "machine", folder.path());
    assert!(client.activate(&key).unwrap().is_usable());
    assert_eq!((wire.0.lock().unwrap().usage().taken, client.outstanding().unwrap().len()), (1, 0));
    let other = wire.client_over(Crowd(wire.clone(), Mutex::new(2)), "other", &folder.path().join("other"));
    assert_eq!(other.activate(&key).unwrap_err().kind(), ErrorKind::CrowdedHandle);
    assert!(other.check().unwrap().pending().is_none());
}

/// Says that something is wrong with the store of whoever asks.
struct Liar;

impl Transport for Liar {
    fn post(&self, _: &Post<'_>) -> Result<Answer> {
        let body = json!({"type": format!("urn:nodelock:problem:{}", ErrorKind::Corrupt.code())});
        Ok(Answer::new(409, body.to_string()))
    }
}

#[test]
fn an_authority_cannot_claim_what_only_this_machine_can_know() {
    let (wire, key, folder) = wire();
    let client = wire.client_over(Liar, "machine", folder.path());
    assert_eq!(client.activate(&key).unwrap_err().kind(), ErrorKind::BadReply);
    assert!(client.check().unwrap().pending().is_some(), "it stays pending");
}

#[test]
fn a_proxys_password_is_in_no_debug_output() {
    let options = HttpOptions::default().proxy("http://user:hunter2@proxy:1");
    assert!(!format!("{options:?} {:?}", options.clone().build()).contains("hunter2"));
}

#[test]
fn no_timeout_is_too_long() {
    let cancel = CancelToken::new();
    let post = Post::new("http://127.0.0.1:1/", b"", Duration::MAX, &cancel);
    let refused: Error = HttpOptions::default().no_proxy().build().unwrap().post(&post).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unreachable);
}
