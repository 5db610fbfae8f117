//! Advice about what came from the vendor, or was taken for that.

use std::{fs, path::Path};

use nodelock::{ErrorKind, PublicKey, SigningKey, SystemRandom, testing::Machine};
use serde_json::Value;

use super::Heard;
use crate::desk::Desk;

/// Nothing was changed by what was refused: a computer without a license still has none, and one is to be had.
fn unlicensed_and_able(desk: &Desk) {
    assert_eq!(desk.json(&["status"])["verdict"], "unlicensed");
    desk.license_by_hand();
}

pub fn malformed(heard: &Heard) {
    let desk = Desk::new();
    let request = desk.text(&["request", &desk.key]);
    let attachment = desk.answer(&request);
    let text = fs::read_to_string(&attachment).unwrap();
    heard.from(desk.refused(&["install", &desk.file(&text[..text.len() / 2])], "malformed"));
    desk.done(&["install", &attachment]);
    assert!(desk.is_active());
}

pub fn too_large(heard: &Heard) {
    let desk = Desk::new();
    heard.from(desk.refused(&["install", &desk.file(vec![b'x'; 1 << 20])], "too-large"));
    unlicensed_and_able(&desk);
    // The vendor's largest file is far from that.
    let license = desk.authority.vendor().renew(desk.seat().parse().unwrap()).unwrap();
    assert!(license.to_text().len() * 10 < nodelock::MAX_INPUT);
}

pub fn wrong_type(heard: &Heard) {
    let desk = Desk::new();
    let request = desk.text(&["request", &desk.key]);
    heard.from(desk.refused(&["install", &desk.file(&request)], "wrong-type"));
    desk.done(&["install", &desk.answer(&request)]);
    assert!(desk.is_active());
}

/// A license of the vectors that is refused, as a file, and the option for its root key.
fn refused_vector(desk: &Desk, what: &str) -> (String, String) {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/refused.json");
    let vectors: Value = serde_json::from_slice(&fs::read(vectors).unwrap()).unwrap();
    let case = vectors["refused"].as_array().unwrap().iter().find(|case| case["what"] == what).unwrap();
    let license = case["license"].as_str().unwrap();
    let byte = |at: usize| u8::from_str_radix(&license[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..license.len()).step_by(2).map(byte).collect();
    (desk.file(bytes), format!("--root={}", vectors["root"].as_str().unwrap()))
}

/// It is explained, and there is no more to do with this build.
pub fn unsupported_version(heard: &Heard) {
    let desk = Desk::new();
    heard.from(
        desk.refused(&["install", &desk.file(b"NL\x02\x01 of a later version")], "unsupported-version"),
    );
    unlicensed_and_able(&desk);
}

pub fn critical_extension(heard: &Heard) {
    let desk = Desk::new();
    let (file, root) = refused_vector(&desk, "an unknown critical extension");
    heard.from(desk.refused(&["install", &file, &root], "critical-extension"));
    unlicensed_and_able(&desk);
}

pub fn lease_too_long(heard: &Heard) {
    let desk = Desk::new();
    let (file, root) = refused_vector(&desk, "a lease longer than the certificate allows");
    heard.from(desk.refused(&["install", &file, &root], "lease-too-long"));
    unlicensed_and_able(&desk);
}

/// The vendor issues it again, under a certificate that is valid.
pub fn certificate_expired(heard: &Heard) {
    let desk = Desk::new();
    let (file, root) = refused_vector(&desk, "issued after the certificate ended");
    heard.from(desk.refused(&["install", &file, &root], "certificate-expired"));
    let request = desk.text(&["request", &desk.key]);
    let now = desk.clock.now_plus(0);
    {
        let mut vendor = desk.authority.vendor();
        vendor.certify(now, now.plus_days(1)).unwrap();
        desk.clock.advance_days(2);
        let error = vendor.activate(request.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CertificateExpired, "{error}");
        vendor.certify(now, now.plus_days(365)).unwrap();
    }
    desk.done(&["install", &desk.answer(&request)]);
    assert!(desk.is_active());
}

pub fn wrong_product(heard: &Heard) {
    let desk = Desk::new();
    let request = desk.text(&["request", &desk.key]);
    let license = desk.answer(&request);
    let viewer = ["install", &license, "--product", "Example Viewer", "--store", &desk.path("viewer")];
    heard.from(desk.refused(&viewer, "wrong-product"));
    desk.done(&["install", &license, "--product", "Example Editor"]);
    assert!(desk.is_active());
}

pub fn untrusted_signer(heard: &Heard) {
    let desk = Desk::new();
    let request = desk.text(&["request", &desk.key]);
    let license = desk.answer(&request);
    let root = |key: PublicKey| format!("--root={key}");
    let strange = root(SigningKey::generate(&SystemRandom).unwrap().public_key());
    heard.from(desk.refused(&["install", &license, &strange], "untrusted-signer"));
    let right = root(desk.authority.vendor().root());
    desk.done(&["install", &license, &right]);
    assert!(desk.is_active());
}

pub fn bad_signature(heard: &Heard) {
    let desk = Desk::new();
    let request = desk.text(&["request", &desk.key]);
    let mut changed = desk.authority.vendor().activate(request.as_bytes()).unwrap().to_bytes();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let changed = desk.file(changed);
    heard.from(desk.refused(&["install", &changed], "bad-signature"));
    // Asked for again, and the same seat.
    desk.done(&["install", &desk.answer(&request)]);
    assert_eq!((desk.is_active(), desk.authority.usage(&desk.key).unwrap().taken), (true, 1));
}

pub fn wrong_machine(heard: &Heard) {
    let mut desk = Desk::new();
    desk.authority.vendor().terms(&desk.key).unwrap().seats = 2;
    desk.done(&["request", &desk.key]);
    let neighbor = desk.another("neighbor");
    let neighbors = desk.answer(neighbor.text(&["request", &neighbor.key]));
    heard.from(desk.refused(&["install", &neighbors], "wrong-machine"));
    let mine = desk.text(&["request"]);
    desk.done(&["install", &desk.answer(mine)]);
    assert!(desk.is_active());
    // A check-in that was refused.
    desk.machine = Machine::new("another one altogether");
    heard.from(desk.refused(&["check-in"], "wrong-machine"));
    assert!(desk.status("wrong-machine").contains("give the seat back"));
    let receipt = receipt_of(&desk);
    desk.done(&["activate", &desk.key]);
    assert!(desk.is_active());
    // In another store of this computer.
    heard.from(desk.refused(&["receipt", &receipt, "--store", &desk.path("elsewhere")], "wrong-machine"));
    desk.done(&["receipt", &receipt, "--store", &desk.path("store")]);
}

/// A store from before the request that is answered, as a backup brings it back.
pub fn wrong_request(heard: &Heard) {
    let desk = Desk::new();
    desk.done(&["request", &desk.key]);
    desk.done(&["cancel"]);
    let state = desk.path("store/state");
    let before = fs::read(&state).unwrap();
    let forgotten = desk.answer(desk.text(&["request", &desk.key]));
    fs::write(&state, before).unwrap();
    desk.authority.vendor().terms(&desk.key).unwrap().seats = 2;
    let request = desk.text(&["request", &desk.key]);
    heard.from(desk.refused(&["install", &forgotten], "wrong-request"));
    assert_eq!(desk.text(&["request"]), request);
    desk.done(&["install", &desk.answer(request)]);
    assert!(desk.is_active());
}

pub fn outdated(heard: &Heard) {
    let desk = Desk::new();
    let first = desk.answer(desk.text(&["request", &desk.key]));
    desk.done(&["install", &first]);
    desk.done(&["check-in"]);
    heard.from(desk.refused(&["install", &first], "outdated"));
    assert!(desk.is_active(), "a later license is installed already");
}

pub fn several_messages(heard: &Heard) {
    let desk = Desk::new();
    let request = desk.text(&["request", &desk.key]);
    let other = desk.another("other");
    let others = other.text(&["request", &other.key]);
    let together = [request.as_str(), &others].concat();
    let error = desk.authority.vendor().activate(together.as_bytes()).unwrap_err();
    heard.with(&error, ErrorKind::SeveralMessages);
    desk.done(&["install", &desk.answer(&request)]);
    assert!(desk.is_active());
}

/// A folder that was made anew around the device key that was kept.
pub fn unknown_seat(heard: &Heard) {
    let desk = Desk::active();
    let receipt = receipt_of(&desk);
    let anew = desk.path("anew");
    desk.done(&["request", &desk.key, "--store", &anew]);
    fs::remove_file(desk.path("anew/state")).unwrap();
    fs::copy(desk.path("store/device.key"), desk.path("anew/device.key")).unwrap();
    heard.from(desk.refused(&["receipt", &receipt, "--store", &anew], "unknown-seat"));
    desk.done(&["receipt", &receipt, "--store", &desk.path("store")]);
    assert_eq!(desk.json(&["status"])["outstanding"], 0);
}

/// The vendor's receipt, as a file, for the seat that is given back.
fn receipt_of(desk: &Desk) -> String {
    let code = desk.text(&["deactivate", "--offline"]);
    let receipt = desk.authority.vendor().redeem_code(code.trim()).unwrap();
    desk.file(receipt.to_text())
}

pub fn given_up(heard: &Heard) {
    let desk = Desk::new();
    let license = desk.answer(desk.text(&["request", &desk.key]));
    desk.done(&["install", &license]);
    desk.done(&["deactivate"]);
    heard.from(desk.refused(&["install", &license], "given-up"));
    desk.license_by_hand();
}

/// A ledger that was restored asks for the license, which a QR code may have no room for.
pub fn license_wanted(heard: &Heard) {
    let desk = Desk::new();
    let sold = desk.authority.vendor().ledger.clone();
    desk.clock.advance_days(1);
    desk.done(&["activate", &desk.key]);
    desk.clock.advance_days(1);
    desk.authority.vendor().ledger = sold;
    let whole = desk.text(&["check-in", "--offline"]);
    // What a QR code of a large license has: the first message alone.
    let alone = &whole[..whole.rfind("-----BEGIN").unwrap()];
    let error = desk.authority.vendor().check_in(alone.as_bytes()).unwrap_err();
    heard.with(&error, ErrorKind::LicenseWanted);
    let answer = desk.authority.vendor().check_in(whole.as_bytes()).unwrap();
    desk.done(&["install", &desk.file(answer.to_text())]);
    assert!(desk.is_active());
}
