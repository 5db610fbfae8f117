//! The crate and the implementation in Python (`tests/interop/`), which was written from `docs/FORMAT.md`, work
//! together: each is once the device and once the other side.
//!
//! Needs `python3` with the module `cryptography`; without them the tests are skipped, unless
//! `NODELOCK_REQUIRE_INTEROP=1` is set.

use std::{
    env, fs,
    path::Path,
    process::{Command, Output},
};

use crate::{
    phone_code::{AROUND, EXAMPLE, odd_codes},
    support::{
        forms::{REFUSED, TAKEN},
        vendor::{Device, PRODUCT, START, Vendor, builder},
    },
    vectors::story_of,
};
use nodelock::{
    DeactivationProof, ErrorKind, Outcome, PublicKey, Reason, Roots, SigningKey, Store, SystemRandom,
    Verdict,
    authority::{ActivationFile, CertificateTerms, Evidence, Issuer, ReleaseClaim},
    code::DeactivationCode,
    fingerprint::{Component, Probe},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const DAY: u64 = 86_400;

/// A machine as the Python device is told of it: the number of a component and a raw value.
const MACHINE: [(Component, u8, &str); 5] = [
    (Component::HwUuid, 3, "{4C4C4544-0034-5A10-8058-B7C04F4A4D32}"),
    (Component::DiskSerial, 5, "  S5H7NS0N \t 812345X "),
    (Component::Mac, 6, "F0-4D-A2-11-22-33"),
    (Component::Model, 7, "FRÄMEWORK  Laptop\u{1}13"),
    (Component::Cpu, 8, "AuthenticAMD 25 116 1"),
];

/// Why there is no Python to work with, if so.
fn missing() -> Option<String> {
    let tried = Command::new("python3").args(["-c", "import cryptography"]).output();
    match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("python3: {error}")),
    }
}

/// Whether to skip the test, which is said loudly.
fn skipped() -> bool {
    let Some(why) = missing() else { return false };
    assert_ne!(env::var("NODELOCK_REQUIRE_INTEROP").as_deref(), Ok("1"), "no interop: {why}");
    eprintln!("SKIPPED interop: {why}");
    true
}

fn run(arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/peer.py");
    Command::new("python3").arg("-B").arg(script).args(arguments).output().unwrap()
}

/// What `peer.py` prints when it is content.
fn peer(arguments: &[&str]) -> Value {
    let output = run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}{errors}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The error that `peer.py` names.
fn refusal(arguments: &[&str]) -> Value {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["error"].take()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

fn bytes(value: &Value, field: &str) -> Vec<u8> {
    let digits = text(value, field);
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A directory for files that are handed over.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).into_os_string().into_string().unwrap()
    }

    fn directory(&self, name: &str) -> String {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        path
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }
}

/// A vendor whose root key is known.
fn vendor() -> (Vendor, String) {
    let mut vendor = Vendor::new();
    let root = SigningKey::generate(&SystemRandom).unwrap();
    let key = SigningKey::generate(&SystemRandom).unwrap();
    let certificate = CertificateTerms::new(
        key.public_key(),
        "Example Ltd",
        nodelock::Timestamp::from_unix_seconds(START),
        nodelock::Timestamp::from_unix_seconds(START + 365 * DAY),
    )
    .with_serial(300)
    .with_endless(true)
    .sign(&root)
    .unwrap();
    vendor.roots = Roots::new([root.public_key()]);
    vendor.issuer = Issuer::certified(key, certificate).unwrap();
    (vendor, root.public_key().to_string())
}

/// Three wrong symbols, in three groups.
fn misread(code: &str) -> String {
    let wrong = |(at, symbol)| match (at, symbol) {
        (2 | 13 | 27, 'A') => 'B',
        (2 | 13 | 27, _) => 'A',
        _ => symbol,
    };
    code.chars().enumerate().map(wrong).collect()
}

/// A request made in Python and everything the device has to show for it.
fn python_device(desk: &Desk, vendor: &Vendor) -> (String, Value) {
    let store = desk.directory("python");
    let (time, key) = (START.to_string(), vendor.license_key());
    let values: Vec<String> = MACHINE.iter().map(|(_, number, value)| format!("{number}={value}")).collect();
    let mut arguments = vec!["request", &store, PRODUCT, &key, &time];
    arguments.extend(values.iter().map(String::as_str));
    let made = peer(&arguments);
    (store, made)
}

#[test]
fn a_device_in_python_gets_a_license_and_gives_it_back() {
    if skipped() {
        return;
    }
    let ((mut vendor, root), desk) = (vendor(), Desk::new());
    let (store, made) = python_device(&desk, &vendor);
    let file = bytes(&made, "file");

    let read = ActivationFile::read(&file).unwrap();
    let request = read.request();
    assert_eq!(request.handle.to_string(), text(&made, "handle"));
    assert_eq!(request.device_key.to_string(), text(&made, "device_key"));
    assert_eq!(request.as_bytes(), bytes(&made, "request"));
    assert_eq!(request.metadata, [("host".to_owned(), "python".to_owned())]);
    let from_text = ActivationFile::read(text(&made, "text").as_bytes()).unwrap();
    assert_eq!(from_text.request().as_bytes(), request.as_bytes());
    assert_eq!(from_text.releases().len(), 1);

    // the crate sees the same machine
    let values = MACHINE.map(|(component, _, value)| (component, value.to_owned()));
    let probe = move || Probe::from_values(values.clone(), false, false);
    let rust_store = || Store::in_directory(&store, None);
    let client = builder(vendor.roots.clone(), "", rust_store(), vendor.clock.clone()).probe(probe);
    let client = client.build().unwrap();
    assert_eq!(client.fingerprint().tags(), request.fingerprint.tags());

    // and the same files: a pending request and one that was cancelled
    assert_eq!(client.pending().unwrap().unwrap().to_bytes(), file);
    assert_eq!(client.outstanding().unwrap()[0].code().to_string(), text(&made["cancelled"], "code"));

    let answer = vendor.activate(&file).unwrap();
    let answer_file = desk.file("answer", &answer);
    let granted = peer(&["install", &store, &answer_file, &root, &START.to_string()]);
    assert_eq!(text(&granted, "licensee"), "Jane Doe");
    assert_eq!(granted["features"], json!([{"name": "export", "limit": 3, "expires": null}]));
    assert_eq!(text(&granted, "handle"), text(&made, "handle"));
    let status = client.check().unwrap();
    assert_eq!(*status.verdict(), Verdict::Active);
    assert!(client.outstanding().unwrap().is_empty());
    let alone = desk.file("license", status.license().unwrap().to_text());
    assert_eq!(peer(&["verify", "license", &alone, &root]), granted);
    let stranger = SigningKey::generate(&SystemRandom).unwrap().public_key().to_string();
    assert_eq!(refusal(&["verify", "license", &alone, &stranger]), "UntrustedSigner");

    let given_up = peer(&["deactivate", &store, &(START + DAY).to_string()]);
    assert_eq!(*client.check().unwrap().verdict(), Verdict::Deactivated);
    let outstanding = client.outstanding().unwrap();
    assert_eq!(outstanding[0].to_bytes(), bytes(&given_up, "file"));
    assert_eq!(outstanding[0].to_text(), text(&given_up, "text"));
    assert_eq!(outstanding[0].code().to_string(), text(&given_up, "code"));

    let by_code = vendor.redeem_code(&misread(text(&given_up, "code"))).unwrap();
    assert_eq!(by_code.outcome, Outcome::Returned);
    let proof = DeactivationProof::verify(text(&given_up, "text").as_bytes(), &request.device_key).unwrap();
    assert_eq!((proof.reason, proof.local_time().unix_seconds()), (Reason::Moved, START + DAY));
    client.accept(by_code.as_bytes()).unwrap();
    assert!(client.outstanding().unwrap().is_empty());
    assert_eq!(vendor.usage().taken, 0);
}

#[test]
fn a_request_cancelled_in_python_takes_no_seat() {
    if skipped() {
        return;
    }
    let ((mut vendor, _), desk) = (vendor(), Desk::new());
    let (_, made) = python_device(&desk, &vendor);
    let cancelled = &made["cancelled"];

    let claim = ReleaseClaim::read(&bytes(cancelled, "file")).unwrap();
    let request = claim.request().unwrap();
    assert_eq!(request.handle.to_string(), text(cancelled, "handle"));
    let proof = Evidence::Proof(Box::new(claim.clone())).to_bytes();
    assert_eq!(DeactivationProof::verify(&proof, &request.device_key).unwrap().reason, Reason::Cancelled);
    // A code that comes before its request is judged when that comes: it is the right one.
    let mut by_phone = vendor.clone();
    let early = by_phone.redeem_code(&misread(text(cancelled, "code"))).unwrap_err();
    assert_eq!(early.kind(), ErrorKind::UnknownSeat);
    assert_eq!(by_phone.activate(request.as_bytes()).unwrap_err().kind(), ErrorKind::RequestCancelled);

    vendor.redeem(text(cancelled, "text").as_bytes()).unwrap();
    assert_eq!(vendor.usage().taken, 0);
}

#[test]
fn what_a_device_of_this_crate_writes_is_read_in_python() {
    if skipped() {
        return;
    }
    let ((mut vendor, root), desk) = (vendor(), Desk::new());
    let (directory, tombstones) = (desk.path("store"), desk.path("tombstones"));
    let look = || peer(&["store", &directory, &tombstones, PRODUCT, &root]);
    let store = Store::in_directory(&directory, Some(tombstones.clone().into()));
    let device = Device::with_store(&vendor, "rust", store);

    device.client().begin(vendor.license_key()).unwrap();
    let cancelled = device.client().cancel().unwrap();
    let request = device
        .client()
        .begin(nodelock::ActivationRequestOptions::of_key(vendor.license_key()).metadata("host", "rust"))
        .unwrap();
    let pending = look();
    assert_eq!(text(&pending["current"]["request"], "handle"), request.request().handle.to_string());
    assert_eq!(pending["given_up"][0]["code"], json!(cancelled.code().to_string()));
    assert_eq!(bytes(&pending["given_up"][0], "file"), cancelled.to_bytes());
    let asked = json!({"digest": hex(&request.request().digest()), "local": START, "floor": START});
    assert_eq!(pending["marks"], marks(asked));
    assert_eq!(pending["generation"], json!(device.store().read().unwrap().generation));

    device.client().accept(&vendor.activate(&request.to_bytes()).unwrap()).unwrap();
    let active = look();
    let license = device.client().check().unwrap().license().unwrap().clone();
    assert_eq!(active["current"]["license"]["sync_token"], json!(hex(&license.sync_token)));
    assert_eq!(active["current"]["agrees"], json!(true));
    assert_eq!(active["given_up"], json!([]));
    assert_eq!(active["marks"], marks(json!(null)));

    vendor.clock.advance_days(1);
    let given_up = device.client().deactivate_offline(Reason::Retired).unwrap();
    let after = look();
    assert_eq!(after["current"], json!(null));
    let entry = &after["given_up"][0];
    assert_eq!(entry["tombstone"], json!(true));
    assert_eq!(text(entry, "code"), given_up.code().to_string());
    assert_eq!(entry["proof"]["generation"], after["generation"]);
    handed_over(&desk, &device, &license.device_key, &hex(&license.release_commitment));
}

/// What is known of time by a device whose clock is right and shows START.
fn marks(asked: Value) -> Value {
    json!({
        "floor": START, "highest": START, "allowance": 0, "behind": 0, "behind_at_least": 0, "ahead": 0,
        "asked": asked, "noted": null,
    })
}

/// Python verifies the proof in every form, and the code with three wrong symbols.
fn handed_over(desk: &Desk, device: &Device, key: &PublicKey, commitment: &str) {
    let given_up = &device.client().outstanding().unwrap()[0];
    let key = key.to_string();
    let forms = [
        given_up.to_bytes(),
        given_up.to_text().into_bytes(),
        given_up.to_base64url().into_bytes(),
        format!("https://example.com/#{}", given_up.to_base32()).into_bytes(),
    ];
    for form in forms {
        let proof = peer(&["verify", "proof", &desk.file("proof", form), &key]);
        assert_eq!(text(&proof, "handle"), given_up.handle().to_string());
        assert_eq!(proof["time"], json!(given_up.time().unix_seconds()));
        assert_eq!(proof["reason"], json!(2));
    }
    let stranger = SigningKey::generate(&SystemRandom).unwrap().public_key().to_string();
    assert_eq!(refusal(&["verify", "proof", &desk.path("proof"), &stranger]), "BadSignature");

    let typed = misread(&given_up.code().to_string());
    let reading = peer(&["verify", "code", &typed, &key, commitment]);
    assert_eq!(text(&reading, "text"), given_up.code().to_string());
    assert_eq!(reading["corrections"], json!(3));
}

#[test]
fn every_form_of_a_text_is_read_in_python_as_here() {
    if skipped() {
        return;
    }
    let story = story_of("O'Brien \"The Pub\" <office@example.com> - 50% + more = 100; Łódź?");
    let messages = [
        (1, story.license.to_text(), story.license.as_bytes()),
        (3, story.deactivation.to_text(), story.deactivation.proof()),
    ];
    for (kind, text, envelope) in messages {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("forms.json");
        let inputs =
            TAKEN.iter().map(|(_, make)| make(&text)).chain(REFUSED.iter().map(|(_, make, _)| make(&text)));
        fs::write(&file, Value::from_iter(inputs.map(|input| hex(&input))).to_string()).unwrap();
        let read = peer(&["forms", &kind.to_string(), file.to_str().unwrap()]);
        let names = TAKEN.iter().map(|(name, _)| name).chain(REFUSED.iter().map(|(name, ..)| name));
        for (place, (name, outcome)) in names.zip(read["outcomes"].as_array().unwrap()).enumerate() {
            // What only the signature tells comes back as another message.
            assert_eq!(outcome == &hex(envelope), place < TAKEN.len(), "{kind}, {name}: {outcome}");
        }
    }
}

#[test]
fn codes_are_read_in_python_as_here() {
    if skipped() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("codes.json");
    let typed: Vec<String> =
        AROUND.iter().map(|around| around.replace("CODE", EXAMPLE)).chain(odd_codes()).collect();
    fs::write(&file, Value::from_iter(typed.iter().map(String::as_str)).to_string()).unwrap();
    let read = peer(&["codes", "1", file.to_str().unwrap()]);
    for (typed, outcome) in typed.iter().zip(read["outcomes"].as_array().unwrap()) {
        let here = match DeactivationCode::read(typed) {
            Ok(readings) => Value::from_iter(readings.iter().map(|reading| reading.code.to_string())),
            Err(error) => format!("{:?}", error.kind()).into(),
        };
        assert_eq!(*outcome, here, "{typed}");
    }
}
