//! The forms that mail gives to messages, through the C interface (docs/THREATS.md, Test 22).

use std::{
    fs,
    process::Command,
    sync::{Arc, Mutex},
};

use nodelock::{
    Answer, Authority, Error, ErrorKind, Post, PreflightRequest, Reason, Result, SigningKey, Store,
    SystemRandom, Transport, authority::CertificateTerms,
};
use serde_json::Value;

use crate::{
    programs::{Programs, succeeded},
    support::{
        forms::{REFUSED, TAKEN},
        vendor::{Device, Vendor},
    },
};

/// A message: the letter by which the program reads it, its text, and the seat that it names.
struct Message {
    letter: char,
    text: String,
    seat: String,
}

#[test]
fn c_takes_and_refuses_the_forms_that_every_front_does() {
    let programs = Programs::new();
    let mut vendor = Vendor::new();
    vendor.sell(3);
    vendor.terms().licensee = "Jörg \"Müller\" & Söhne <office@example.com>".into();
    let mut messages = Vec::new();
    let mut say =
        |letter, text: String, seat: &str| messages.push(Message { letter, text, seat: seat.to_owned() });
    let device = |vendor: &mut Vendor, name: &str| {
        let device = Device::with_store(vendor, name, Store::in_directory(programs.path(name), None));
        device.activate(vendor);
        device
    };

    let active = device(&mut vendor, "active");
    let seat = active.handle().to_string();
    let device_key = active.client().check().unwrap().license().unwrap().device_key;
    say('L', active.client().check().unwrap().license().unwrap().to_text(), &seat);
    say('C', active.client().check_in_offline().unwrap().request().to_text(), "-");
    let given_up = device(&mut vendor, "given up");
    let seat = given_up.handle().to_string();
    let deactivation = given_up.client().deactivate_offline(Reason::Moved).unwrap();
    let receipt = vendor.redeem(deactivation.proof()).unwrap();
    say('D', deactivation.to_text(), &seat);
    say('R', receipt.to_text(), &seat);
    let revoked = device(&mut vendor, "revoked");
    let seat = revoked.handle();
    say('V', vendor.force_release(seat, "reported as \"lost\"").to_text(), &seat.to_string());
    let asking = Device::new(&vendor, "asking");
    let request = asking.client().begin(vendor.license_key()).unwrap();
    say('A', request.request().to_text(), &request.request().handle.to_string());

    let key = SigningKey::generate(&SystemRandom).unwrap();
    let now = vendor.clock.now_plus(0);
    let certificate =
        CertificateTerms::new(key.public_key(), "Müller & Co, licensing", now, now.plus_days(365));
    let root = SigningKey::generate(&SystemRandom).unwrap();
    say('I', certificate.sign(&root).unwrap().to_text(), "-");
    fs::write(programs.path("key"), &key.to_bytes()[..]).unwrap();

    let recorder = Recorder::default();
    let asked = active
        .builder()
        .authority(Authority::new("https://licenses.example.com", recorder.clone()).attempts(1));
    assert!(asked.build().unwrap().deactivate(Reason::Moved).unwrap_err().deactivation().is_none());
    let posted = recorder.0.lock().unwrap().clone();
    let preflight = PreflightRequest::verify(posted.as_bytes(), &device_key).unwrap();
    say('P', preflight.to_text(), "-");

    let mut cases = Vec::new();
    for Message { letter, text, .. } in &messages {
        let forms = TAKEN.iter().map(|(_, make)| make).chain(REFUSED.iter().map(|(_, make, _)| make));
        for input in forms.map(|make| make(text)) {
            cases.extend(format!("{letter} {}\n", input.len()).into_bytes());
            cases.extend(input);
        }
    }
    fs::write(programs.path("cases"), cases).unwrap();
    let program = programs.build("cc", &["-std=c11"], &["forms.c"]);
    let mut command = Command::new(program);
    command.arg(programs.path("cases")).args([vendor.root.to_string(), root.public_key().to_string()]);
    command.args(["key", "active", "given up", "revoked"].map(|name| programs.path(name)));
    let said = succeeded(&mut command);
    let outcomes: Vec<&str> = said.lines().collect();
    let each = TAKEN.len() + REFUSED.len();
    assert_eq!((outcomes.len(), messages.len()), (each * messages.len(), 8));
    assert!(TAKEN.len() >= 100);
    for (Message { letter, seat, .. }, outcomes) in messages.iter().zip(outcomes.chunks(each)) {
        let (taken, refused) = outcomes.split_at(TAKEN.len());
        for ((form, _), outcome) in TAKEN.iter().zip(taken) {
            assert_eq!(*outcome, format!("ok {seat}"), "{letter}, {form}");
        }
        for ((form, _, why), outcome) in REFUSED.iter().zip(refused) {
            assert!(!outcome.starts_with("ok "), "{letter}, {form}: taken, although {why}");
        }
    }
    println!("{} forms of {} messages in C", each * messages.len(), messages.len());
}

/// A transport that keeps what it is to post, and reaches nobody.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<String>>);

impl Transport for Recorder {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        let body: Value = serde_json::from_slice(post.body).unwrap();
        *self.0.lock().unwrap() = body["request"].as_str().unwrap().to_owned();
        Err(Error::new(ErrorKind::Unreachable, "nobody"))
    }
}
