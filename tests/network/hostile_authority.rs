//! An authority that lies, or somebody in between who does: whatever is answered, nothing changes that the vendor did
//! not sign for this very device and request, and no seat is lost.

use std::{
    fs,
    io::Write as _,
    net::TcpStream,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    calls::{base64url, kind},
    forge::Forger,
    responder::{Received, Responder, http},
    vendor::{START, TestClock, Vendor, builder},
};
use nodelock::{
    Binding, CancelToken, Certificate, Client, Clock as _, ErrorKind, HttpOptions, License, LicenseBody,
    Outcome, Progress, PublicKey, Reason, Revocation, Roots, SigningKey, Store, SystemRandom, Timestamp,
    Verdict,
    authority::{CertificateTerms, Issuer, LONGEST_LEASE_DAYS},
    code::{DeactivationCode, Handle, ReleaseSecret},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const DAY: u64 = 86_400;
const YEARS: u64 = 10 * 365;

/// Devices in every state that goes online, all of them talking to the same liar.
struct Scene {
    vendor: Vendor,
    root: SigningKey,
    issuer_key: SigningKey,
    liar: Responder,
    folder: TempDir,
}

fn new_key() -> SigningKey {
    SigningKey::generate(&SystemRandom).unwrap()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

fn certificate(root: &SigningKey, key: &SigningKey, from: u64, until: u64) -> Certificate {
    let (issuer, name) = (key.public_key(), "Example Ltd");
    let (not_before, not_after) = (at(from), at(until));
    let (longest_lease_days, endless) = (LONGEST_LEASE_DAYS, true);
    CertificateTerms::new(issuer, name, not_before, not_after)
        .with_longest_lease_days(longest_lease_days)
        .with_endless(endless)
        .sign(root)
        .unwrap()
}

fn issuer(root: &SigningKey, key: &SigningKey, from: u64, until: u64) -> Issuer {
    Issuer::certified(key.clone(), certificate(root, key, from, until)).unwrap()
}

/// What a device is asked to do.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Activate,
    CheckIn,
    Deactivate,
    HandIn,
    Recover,
}

const CALLS: [Call; 5] = [Call::Activate, Call::CheckIn, Call::Deactivate, Call::HandIn, Call::Recover];

impl Scene {
    fn new() -> Self {
        let mut vendor = Vendor::new();
        vendor.sell(10);
        let (root, issuer_key) = (new_key(), new_key());
        vendor.roots = Roots::new([root.public_key()]);
        vendor.issuer = issuer(&root, &issuer_key, START, START + 365 * DAY);
        let scene = Self {
            vendor: vendor.clone(),
            root,
            issuer_key,
            liar: Responder::saying(Vec::new()),
            folder: tempfile::tempdir().unwrap(),
        };
        let key = vendor.license_key();
        for call in CALLS {
            let device = scene.device(call);
            let request = device.begin(&key).unwrap();
            if call == Call::Activate {
                continue;
            }
            device.accept(&vendor.activate(&request.to_bytes()).unwrap()).unwrap();
            match call {
                Call::HandIn => drop(device.deactivate_offline(Reason::Moved).unwrap()),
                Call::Recover => {
                    fs::write(scene.folder.path().join("Recover/state"), b"damaged").unwrap();
                    scene.device(call).recover_offline().unwrap();
                }
                _ => {}
            }
        }
        Self { vendor, ..scene }
    }

    fn device(&self, call: Call) -> Client {
        let name = format!("{call:?}");
        builder(self.vendor.roots.clone(), &name, self.store(call), self.vendor.clock.clone())
            .authority(
                nodelock::Authority::new(self.liar.url(), HttpOptions::default().no_proxy().build().unwrap())
                    .timeout(Duration::from_secs(3))
                    .attempts(1),
            )
            .build()
            .unwrap()
    }

    fn store(&self, call: Call) -> Store {
        Store::in_directory(self.folder.path().join(format!("{call:?}")), None)
    }

    fn state(&self, call: Call) -> Vec<u8> {
        fs::read(self.folder.path().join(format!("{call:?}/state"))).unwrap()
    }

    /// What a failed call must leave as it was: all of the store, but for the note that a check-in was asked. Giving up
    /// a seat that the authority does not know begins with one.
    fn kept(&self, call: Call) -> Vec<u8> {
        if !matches!(call, Call::CheckIn | Call::Deactivate) {
            return self.state(call);
        }
        let device = self.device(call);
        let status = device.check().unwrap();
        let license = status.license().map(|license| license.to_base64url());
        let kept =
            (status.verdict(), status.licensing_time(), license, status.pending(), status.outstanding());
        format!("{kept:?}").into_bytes()
    }

    /// Makes the call. Returns the kind of its error; none if it claims to have gone well.
    fn make(&self, call: Call) -> Option<ErrorKind> {
        let device = self.device(call);
        match call {
            Call::Activate => device.activate(self.vendor.license_key()).err().map(|e| e.kind()),
            Call::CheckIn => device.check_in().err().map(|e| e.kind()),
            Call::Deactivate => device.deactivate(Reason::Moved).err().map(|e| e.error().kind()),
            Call::HandIn => device.online().hand_in().err().map(|e| e.kind()),
            Call::Recover => device.recover().err().map(|e| e.kind()),
        }
    }

    /// The call fails with this error, and the store is what it was.
    fn assert_refused(&self, call: Call, expected: &[ErrorKind], about: &str) {
        let before = self.kept(call);
        let start = Instant::now();
        let error = self.make(call);
        assert!(error.is_some_and(|kind| expected.contains(&kind)), "{call:?}, {about}: {error:?}");
        assert!(self.kept(call) == before, "{call:?}, {about}: the store has changed");
        assert!(start.elapsed() < Duration::from_secs(8), "{call:?}, {about}: {:?}", start.elapsed());
    }

    fn say(&self, answer: Vec<u8>) {
        self.liar.answer(move |_, stream| {
            let _ = stream.write_all(&answer);
        });
    }

    fn say_json(&self, answer: Value) {
        self.say(http("200 OK", "", answer.to_string()));
    }

    /// The vendor as it would be at another time, with another issuer; what it does there never happened.
    fn vendor_at(&self, issuer: &Issuer, seconds: u64) -> Vendor {
        let mut vendor = self.vendor.clone();
        vendor.issuer = issuer.clone();
        vendor.clock = TestClock::at(seconds);
        vendor
    }

    /// The license that a vendor answers a call with.
    fn license_by(&self, mut vendor: Vendor, call: Call) -> License {
        let device = self.device(call);
        match device.pending().unwrap() {
            Some(pending) => vendor.answer(&pending.to_bytes()).unwrap().license.unwrap(),
            None => vendor.renew(device.check().unwrap().license().unwrap().handle),
        }
    }

    fn license(&self, call: Call) -> License {
        self.license_by(self.vendor.clone(), call)
    }

    /// The end of the seat that checks in.
    fn revocation_by(&self, mut vendor: Vendor) -> Revocation {
        vendor.force_release(self.device(Call::CheckIn).check().unwrap().license().unwrap().handle, "gone")
    }

    /// The receipt of the seat that was given up.
    fn receipt(&self) -> nodelock::DeactivationReceipt {
        let deactivation = self.device(Call::HandIn).outstanding().unwrap().remove(0);
        self.vendor.clone().redeem(&deactivation.to_bytes()).unwrap()
    }

    /// The vendor's issuer, which signs whatever it likes.
    fn forger(&self) -> Forger {
        let certificate = certificate(&self.root, &self.issuer_key, START, START + 365 * DAY);
        Forger { key: self.issuer_key.clone(), certificate: Some(certificate) }
    }

    /// From now on the vendor itself answers.
    fn answer_honestly(&self) -> Arc<Mutex<Vendor>> {
        let vendor = Arc::new(Mutex::new(self.vendor.clone()));
        let answering = vendor.clone();
        self.liar.answer(move |received, stream| {
            let _ = stream.write_all(&honest(&mut answering.lock().unwrap(), received));
        });
        vendor
    }

    /// The vendor answers again: every device goes on as if nothing had been.
    fn assert_nothing_is_lost(self) {
        let vendor = self.answer_honestly();
        assert_eq!(vendor.lock().unwrap().usage().taken, 4, "nothing came to the vendor");
        assert_eq!(CALLS.map(|call| self.make(call)), [None; 5]);
        let usable = CALLS.map(|call| self.device(call).check().unwrap().is_usable());
        assert_eq!(usable, [true, true, false, false, true]);
        let outstanding = CALLS.map(|call| self.device(call).outstanding().unwrap().len());
        assert_eq!(outstanding, [0; 5]);
    }
}

/// What the vendor answers.
fn honest(vendor: &mut Vendor, received: &Received) -> Vec<u8> {
    let members: Value = serde_json::from_slice(&received.body).unwrap();
    let text = |name: &str| members[name].as_str().unwrap().as_bytes().to_vec();
    let receipt =
        |receipt: nodelock::DeactivationReceipt| json!({ "receipt": base64url(receipt.as_bytes()) });
    let answer = match received.path.as_str() {
        "/v1/activations" => json!({ "license": base64url(&vendor.activate(&text("request")).unwrap()) }),
        "/v1/deactivations/preflight" => json!({ "allowed": true }),
        "/v1/deactivations" => receipt(vendor.redeem(&text("proof")).unwrap()),
        "/v1/checkins" => {
            let reply = vendor.check_in(&text("request")).unwrap();
            json!({ "license": base64url(reply.license.unwrap().as_bytes()) })
        }
        path => panic!("{path}"),
    };
    http("200 OK", "", answer.to_string())
}

/// What is no answer at all, in every way that came to mind; with what is said of it.
fn junk() -> Vec<(String, Vec<u8>, ErrorKind)> {
    let bad = ErrorKind::BadReply;
    let ok = |body: &str| http("200 OK", "", body);
    let mut answers: Vec<(String, Vec<u8>, ErrorKind)> = Vec::new();
    let mut add = |about: &str, answer: Vec<u8>, kind| answers.push((about.to_owned(), answer, kind));
    for body in [
        "",
        "{",
        "null",
        "7",
        "[]",
        "\"text\"",
        "{}",
        "\u{0}",
        "{\"license\":7}",
        "{\"license\":null}",
        "{\"license\":\"\",\"receipt\":\"\"}",
        "{\"license\":\"AAAA\",\"receipt\":\"AAAA\",\"revocation\":\"AAAA\"}",
        "{\"license\":[[\"x\"]],\"receipt\":[7],\"revocation\":{}}",
        "{\"allowed\":\"yes\"}",
        "{\"allowed\":1}",
        "{} {}",
    ] {
        add(body, ok(body), bad);
    }
    let many = "\"TkwBAQ\",".repeat(60_000);
    add("many messages", ok(&format!("{{\"receipts\":[{many}\"\"]}}")), bad);
    let open = "[".repeat(700_000);
    add("nested lists", ok(&open), bad);
    add("nested lists in a member", ok(&format!("{{\"license\":{open}")), bad);
    let deep =
        format!("{{\"license\":{}{},\"receipt\":7,\"allowed\":7}}", "[".repeat(100_000), "]".repeat(100_000));
    add("nested lists that close", ok(&deep), bad);
    add("nested objects", ok(&"{\"a\":".repeat(100_000)), bad);
    add("a long text", ok(&format!("{{\"license\":\"{}\"}}", "A".repeat(700_000))), bad);
    add("more than there may be", ok(&" ".repeat(2 << 20)), bad);
    add(
        "compressed",
        http(
            "200 OK",
            "Content-Encoding: gzip\r\n",
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0",
        ),
        bad,
    );
    let problem =
        |code: &str| json!({ "type": format!("urn:nodelock:problem:{code}"), "status": 409 }).to_string();
    add("a problem that is none", ok(&problem("no-free-seat")), bad);
    // What goes wrong on this machine or on the way is not for an authority to claim.
    for code in ["corrupt", "io", "busy", "cancelled", "tls-untrusted", "not-active", "nonsense", ""] {
        add(code, http("400 Bad Request", "", problem(code)), bad);
    }
    for status in [
        "201 Created",
        "204 No Content",
        "206 Partial Content",
        "400 Bad Request",
        "401 No",
        "404 Not Found",
        "418 Teapot",
    ] {
        add(status, http(status, "", "{\"allowed\":true}"), bad);
    }
    for location in [
        "",
        "Location: /v1/checkins\r\n",
        "Location: http://192.0.2.1/\r\n",
        "Location: file:///etc/passwd\r\n",
    ] {
        for status in
            ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
        {
            add(status, http(status, location, "{\"allowed\":true}"), bad);
        }
    }
    add("a server's failure", http("500 Failed", "", "<html>"), ErrorKind::ServerFailed);
    add("a proxy's failure", http("502 Bad Gateway", "", "<html>"), ErrorKind::ServerFailed);
    add("a server that is busy", http("503 Busy", "", "{\"allowed\":true}"), ErrorKind::ServerBusy);
    add("a limit", http("429 Slow Down", "", ""), ErrorKind::ServerBusy);
    let unreachable = ErrorKind::Unreachable;
    add("nothing", Vec::new(), unreachable);
    add("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), unreachable);
    add("half a head", b"HTTP/1.1 200 OK\r\nContent-".to_vec(), unreachable);
    add(
        "cut short",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"allowed\":true}".to_vec(),
        unreachable,
    );
    add(
        "a claim of much",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n{\"allowed\":true}".to_vec(),
        unreachable,
    );
    add(
        "two lengths",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 16\r\n\r\n{\"allowed\":true}".to_vec(),
        unreachable,
    );
    add(
        "a negative length",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{\"allowed\":true}".to_vec(),
        unreachable,
    );
    add(
        "chunks cut short",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"allowed\":true}\r\n".to_vec(),
        unreachable,
    );
    add(
        "a chunk of much",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}".to_vec(),
        unreachable,
    );
    let headers = "X-More: x\r\n".repeat(200_000);
    add("many headers", http("200 OK", &headers, "{\"allowed\":true}"), unreachable);
    add(
        "a long header",
        http("200 OK", &format!("X-Long: {}\r\n", "x".repeat(4 << 20)), "{\"allowed\":true}"),
        unreachable,
    );
    let switching =
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n{\"allowed\":true}";
    add("another protocol", switching.to_vec(), bad);
    answers
}

#[test]
fn what_no_authority_answers_changes_nothing() {
    let scene = Scene::new();
    let elsewhere = Responder::saying(http("200 OK", "", "{}"));
    let mut answers = junk();
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("Location: {}/v1/activations\r\n", elsewhere.url());
        answers.push((format!("{status} elsewhere"), http(status, &location, ""), ErrorKind::BadReply));
    }
    let count = answers.len();
    for (about, answer, expected) in answers {
        scene.say(answer);
        for call in CALLS {
            scene.liar.take_received();
            let about: String = about.chars().take(60).collect();
            scene.assert_refused(call, &[expected], &about);
            let asked = scene.liar.take_received().len();
            assert_eq!(asked, 1, "{call:?}, {about}: one request, followed nowhere");
        }
    }
    assert!(elsewhere.take_received().is_empty(), "a redirect was followed");
    println!("{count} answers to {} calls", CALLS.len());
    scene.assert_nothing_is_lost();
}

#[test]
fn an_answer_without_an_end_is_given_up_on() {
    type Endless = fn(&Received, &mut TcpStream);
    let endless: [(&str, Endless, ErrorKind); 5] = [
        (
            "chunks",
            |_, stream| {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                while stream
                    .write_all(b"1000\r\n")
                    .and_then(|()| stream.write_all(&[b' '; 0x1000]))
                    .and_then(|()| stream.write_all(b"\r\n"))
                    .is_ok()
                {}
            },
            ErrorKind::BadReply,
        ),
        (
            "bytes",
            |_, stream| {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{");
                while stream.write_all(&[b' '; 0x1000]).is_ok() {}
            },
            ErrorKind::BadReply,
        ),
        (
            "preliminary answers",
            |_, stream| while stream.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n").is_ok() {},
            ErrorKind::TimedOut,
        ),
        (
            "a drip",
            |_, stream| {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
                while stream.write_all(b" ").is_ok() {
                    thread::sleep(Duration::from_millis(50));
                }
            },
            ErrorKind::TimedOut,
        ),
        ("silence", |_, _| thread::sleep(Duration::from_secs(5)), ErrorKind::TimedOut),
    ];
    let scene = Scene::new();
    for (about, answer, expected) in endless {
        scene.liar.answer(answer);
        thread::scope(|scope| {
            for call in CALLS {
                let scene = &scene;
                scope.spawn(move || scene.assert_refused(call, &[expected], about));
            }
        });
    }
    scene.assert_nothing_is_lost();
}

/// The same message under another certificate, which is beside what is signed.
fn under(message: &[u8], certificate: &[u8]) -> Vec<u8> {
    let length = usize::from(u16::from_le_bytes([message[12], message[13]]));
    let new = u16::try_from(certificate.len()).unwrap().to_le_bytes();
    [&message[..12], &new, certificate, &message[14 + length..]].concat()
}

/// Every way to take a genuine message and make a forged one of it, with what is said of it.
fn forgeries(scene: &Scene, genuine: &[u8]) -> Vec<(String, Vec<u8>, Vec<ErrorKind>)> {
    let mut forged = Vec::new();
    let mut add = |about: &str, bytes: Vec<u8>, kinds: &[ErrorKind]| {
        forged.push((about.to_owned(), bytes, kinds.to_vec()))
    };
    let certificate = |root: &SigningKey, key: &SigningKey, from, until| {
        certificate(root, key, from, until).as_bytes().to_vec()
    };
    let (root, key) = (&scene.root, &scene.issuer_key);
    let untrusted = ErrorKind::UntrustedSigner;
    let expired = certificate(root, key, START - 365 * DAY, START - 1);
    add("a certificate that has ended", under(genuine, &expired), &[ErrorKind::CertificateExpired]);
    let later = certificate(root, key, START + 300 * DAY, START + 365 * DAY);
    add("a certificate that has not begun", under(genuine, &later), &[ErrorKind::CertificateExpired]);
    add(
        "another root's certificate",
        under(genuine, &certificate(&new_key(), key, START, START + DAY)),
        &[untrusted],
    );
    add(
        "another key's certificate",
        under(genuine, &certificate(root, &new_key(), START, START + DAY)),
        &[untrusted],
    );
    add("no certificate", under(genuine, b""), &[untrusted]);
    let damaged = [
        ErrorKind::BadReply,
        ErrorKind::BadSignature,
        ErrorKind::Malformed,
        ErrorKind::UnsupportedVersion,
        ErrorKind::WrongType,
        untrusted,
    ];
    for kind in (0..=20).filter(|&kind| kind != genuine[3]) {
        let mut swapped = genuine.to_vec();
        swapped[3] = kind;
        add("another media type", swapped, &damaged);
    }
    for place in (0..genuine.len()).step_by(7).chain([genuine.len() - 1]) {
        let mut flipped = genuine.to_vec();
        flipped[place] ^= 1 << (place % 8);
        add(&format!("byte {place} changed"), flipped, &damaged);
    }
    for length in [0, 3, 4, 100, genuine.len() - 1] {
        add("cut", genuine[..length].to_vec(), &damaged);
    }
    add("something behind it", [genuine, b"x"].concat(), &damaged);
    forged
}

/// Another key and certificate, of another root.
fn stranger() -> Forger {
    let key = new_key();
    let certificate = certificate(&new_key(), &key, START, START + 365 * DAY);
    Forger { key, certificate: Some(certificate) }
}

fn other_device() -> PublicKey {
    new_key().public_key()
}

fn other_handle(handle: Handle) -> Handle {
    Handle::new(handle.get() ^ 1).unwrap()
}

fn other_product(license: &mut LicenseBody) {
    license.product = "Example Viewer".into();
}

#[test]
fn a_license_that_is_not_for_this_very_request_is_not_installed() {
    let scene = Scene::new();
    let forger = scene.forger();
    let mut tried = 0;
    for call in [Call::Activate, Call::Recover] {
        let genuine = scene.license(call);
        assert_eq!(forger.sign(&genuine, |_| {}), genuine.as_bytes(), "what is forged is like what is not");
        let mut answers = forgeries(&scene, genuine.as_bytes());
        let mut add = |about: &str, bytes: Vec<u8>, kind| answers.push((about.to_owned(), bytes, vec![kind]));
        add("another root", stranger().sign(&genuine, |_| {}), ErrorKind::UntrustedSigner);
        let changed = |change: fn(&mut LicenseBody)| forger.sign(&genuine, change);
        add("another device", changed(|it| it.device_key = other_device()), ErrorKind::WrongMachine);
        add("another handle", changed(|it| it.handle = other_handle(it.handle)), ErrorKind::WrongRequest);
        add("another request", changed(|it| it.request_digest[31] ^= 1), ErrorKind::WrongRequest);
        add("another product", changed(other_product), ErrorKind::WrongProduct);
        let (handle, device_key) = (genuine.handle, genuine.device_key);
        let receipt = forger.sign(&scene.receipt(), |it| (it.handle, it.device_key) = (handle, device_key));
        add("a receipt", receipt, ErrorKind::WrongType);
        let revocation = scene.revocation_by(scene.vendor.clone());
        let revocation = forger.sign(&revocation, |it| (it.handle, it.device_key) = (handle, device_key));
        add("a revocation", revocation, ErrorKind::WrongType);
        let device = scene.device(call);
        let pending = device.pending().unwrap().unwrap();
        add("the request itself", pending.request().as_bytes().to_vec(), ErrorKind::WrongType);
        for (about, bytes, expected) in answers {
            scene.say_json(json!({ "license": base64url(&bytes) }));
            scene.assert_refused(call, &expected, &about);
            tried += 1;
        }
        // Genuine, and in the wrong place.
        let text = base64url(genuine.as_bytes());
        for (status, body) in [
            ("403 Forbidden", json!({ "license": text })),
            ("404 Not Found", json!({ "license": text, "type": "about:blank" })),
            ("200 OK", json!({ "License": text, "receipt": text })),
            ("200 OK", json!({ "license": [[text]] })),
            ("200 OK", json!([{ "license": text }])),
        ] {
            scene.say(http(status, "", body.to_string()));
            scene.assert_refused(call, &[ErrorKind::BadReply], "in the wrong place");
        }
        // An answer that says one thing twice is none.
        for [one, other] in [[text.as_str(), "AAAA"], ["AAAA", text.as_str()]] {
            scene.say(http("200 OK", "", format!("{{\"license\":\"{one}\",\"license\":\"{other}\"}}")));
            scene.assert_refused(call, &[ErrorKind::BadReply], "two licenses");
        }
        // One forged message spoils what comes with it.
        let forged =
            forger.sign(&scene.receipt(), |it| (it.handle, it.device_key) = (handle, other_device()));
        scene.say_json(json!({ "license": text, "receipts": [base64url(&forged)] }));
        scene.assert_refused(call, &[ErrorKind::WrongMachine], "with another's receipt");
    }
    println!("{tried} forged licenses");
    scene.assert_nothing_is_lost();
}

#[test]
fn a_check_in_is_answered_by_nothing_that_is_old_or_anothers() {
    let scene = Scene::new();
    let (call, forger) = (Call::CheckIn, scene.forger());
    let device = scene.device(call);
    let first = device.check().unwrap().license().unwrap().clone();
    let mut vendor = scene.vendor.clone();
    let present = vendor.renew(first.handle);
    device.accept(present.as_bytes()).unwrap();
    let next = scene.license_by(vendor, call);
    assert_eq!(next.revision, 3);

    let mut licenses = forgeries(&scene, next.as_bytes());
    let mut add = |about: &str, bytes: Vec<u8>, kind| licenses.push((about.to_owned(), bytes, vec![kind]));
    let changed = |change: fn(&mut LicenseBody)| forger.sign(&next, change);
    add("the one before", first.as_bytes().to_vec(), ErrorKind::Outdated);
    add("another device", changed(|it| it.device_key = other_device()), ErrorKind::WrongMachine);
    add("another handle", changed(|it| it.handle = other_handle(it.handle)), ErrorKind::WrongRequest);
    add("another product", changed(other_product), ErrorKind::WrongProduct);
    add("another root", stranger().sign(&next, |_| {}), ErrorKind::UntrustedSigner);
    let thief = issuer(&scene.root, &scene.issuer_key, START - 365 * DAY, START - DAY);
    let mut vendor = scene.vendor_at(&thief, START - 2 * DAY);
    vendor.renew(first.handle);
    let old = scene.license_by(vendor, call);
    add("dated back", old.as_bytes().to_vec(), ErrorKind::CertificateExpired);

    let revocation = scene.revocation_by(scene.vendor.clone());
    let mut revocations = forgeries(&scene, revocation.as_bytes());
    let mut add = |about: &str, bytes: Vec<u8>, kind| revocations.push((about.to_owned(), bytes, vec![kind]));
    let of_other_device = forger.sign(&revocation, |it| it.device_key = other_device());
    add("another device's end", of_other_device.clone(), ErrorKind::WrongMachine);
    let of_other_seat = forger.sign(&revocation, |it| it.handle = other_handle(it.handle));
    add("another seat's end", of_other_seat, ErrorKind::UnknownSeat);
    add("another root's end", stranger().sign(&revocation, |_| {}), ErrorKind::UntrustedSigner);
    let (handle, device_key) = (first.handle, first.device_key);
    let receipt = forger.sign(&scene.receipt(), |it| (it.handle, it.device_key) = (handle, device_key));
    add("a receipt", receipt, ErrorKind::WrongType);

    let tried = licenses.len() + revocations.len();
    for (member, answers) in [("license", licenses), ("revocation", revocations)] {
        for (about, bytes, expected) in answers {
            scene.say_json(json!({ member: base64url(&bytes) }));
            scene.assert_refused(call, &expected, &about);
        }
    }
    // All or nothing.
    let forged = base64url(&of_other_device);
    scene.say_json(json!({ "license": base64url(next.as_bytes()), "revocation": forged }));
    scene.assert_refused(call, &[ErrorKind::WrongMachine], "with another's revocation");
    // What is installed already may come again, and is no news.
    let before = scene.kept(call);
    scene.say_json(json!({ "license": base64url(present.as_bytes()) }));
    assert_eq!((scene.make(call), scene.kept(call) == before), (None, true));
    println!("{tried} forged answers");
}

#[test]
fn a_receipt_for_something_else_acknowledges_nothing() {
    let scene = Scene::new();
    let (call, forger) = (Call::HandIn, scene.forger());
    let deactivation = scene.device(call).outstanding().unwrap().remove(0);
    let genuine = scene.receipt();
    let mut answers = forgeries(&scene, genuine.as_bytes());
    let mut add = |about: &str, bytes: Vec<u8>, kind| answers.push((about.to_owned(), bytes, vec![kind]));
    let bound_to = |binding| forger.sign(&genuine, |it| it.binding = binding);
    add("another proof", bound_to(Binding::Proof([7; 32])), ErrorKind::WrongRequest);
    let code = DeactivationCode::new(genuine.handle, ReleaseSecret::from_random([1; 8]));
    add("another code", bound_to(Binding::code(&code)), ErrorKind::WrongRequest);
    let of_other_device = forger.sign(&genuine, |it| it.device_key = other_device());
    add("another device", of_other_device, ErrorKind::WrongMachine);
    let of_other_handle = forger.sign(&genuine, |it| it.handle = other_handle(it.handle));
    add("another handle", of_other_handle, ErrorKind::UnknownSeat);
    add("another root", stranger().sign(&genuine, |_| {}), ErrorKind::UntrustedSigner);
    let (handle, device_key) = (genuine.handle, genuine.device_key);
    let license =
        forger.sign(&scene.license(Call::CheckIn), |it| (it.handle, it.device_key) = (handle, device_key));
    add("a license", license, ErrorKind::WrongType);
    let revocation = scene.revocation_by(scene.vendor.clone());
    let revocation = forger.sign(&revocation, |it| (it.handle, it.device_key) = (handle, device_key));
    add("a revocation", revocation, ErrorKind::WrongType);
    add("the proof itself", deactivation.proof().to_vec(), ErrorKind::WrongType);
    let tried = answers.len();
    for (about, bytes, expected) in answers {
        scene.say_json(json!({ "receipt": base64url(&bytes), "outcome": "freed" }));
        scene.assert_refused(call, &expected, &about);
        assert_eq!(scene.device(call).outstanding().unwrap()[0].code(), deactivation.code());
    }
    println!("{tried} forged receipts");
    scene.assert_nothing_is_lost();
}

/// It is genuine, and was taken in before; what it is about is another seat.
#[test]
fn the_receipt_of_an_earlier_seat_does_not_pass_for_that_of_this_one() {
    for with_tombstones in [false, true] {
        let mut scene = Scene::new();
        let folder = scene.folder.path();
        let tombstones = with_tombstones.then(|| folder.join("tombstones"));
        let device = builder(
            scene.vendor.roots.clone(),
            "machine",
            Store::in_directory(folder.join("machine"), tombstones),
            scene.vendor.clock.clone(),
        )
        .authority(nodelock::Authority::new(
            scene.liar.url(),
            HttpOptions::default().no_proxy().build().unwrap(),
        ))
        .build()
        .unwrap();
        let key = scene.vendor.license_key();
        let vendor = scene.answer_honestly();
        let earlier: Vec<_> = (0..2)
            .map(|_| {
                device.activate(&key).unwrap();
                device.deactivate(Reason::Moved).unwrap()
            })
            .collect();
        device.activate(&key).unwrap();
        let taken = vendor.lock().unwrap().usage().taken;
        for receipt in earlier {
            let answer = json!({ "allowed": true, "receipt": base64url(receipt.as_bytes()) });
            scene.say_json(answer);
            if device.check().unwrap().is_usable() {
                let error = device.deactivate(Reason::Moved).unwrap_err();
                assert!(error.deactivation().is_some());
            }
            let error = kind(device.online().hand_in());
            assert!(matches!(error, ErrorKind::WrongRequest | ErrorKind::UnknownSeat), "{error:?}");
            assert_eq!(device.outstanding().unwrap().len(), 1);
        }
        scene.vendor = vendor.lock().unwrap().clone();
        let vendor = scene.answer_honestly();
        assert_eq!(device.online().hand_in().unwrap().len(), 1);
        assert_eq!(vendor.lock().unwrap().usage().taken, taken - 1);
    }
}

/// Ten years ahead or back: from anybody else it is nothing; the vendor's own word counts until it speaks anew, or the
/// device activates anew, and never keeps a seat.
#[test]
fn a_time_counts_only_if_the_vendor_signed_it() {
    let (ahead, back) = (START + YEARS * DAY, START - YEARS * DAY);
    for time in [ahead, back] {
        let mut scene = Scene::new();
        scene.vendor.issuer =
            issuer(&scene.root, &scene.issuer_key, START - 2 * YEARS * DAY, START + 2 * YEARS * DAY);
        let key = new_key();
        let end = START + 2 * YEARS * DAY;
        let certificate = Some(certificate(&new_key(), &key, START - 2 * YEARS * DAY, end));
        let stranger = Forger { key, certificate };
        let judged_by = |call| scene.device(call).check().unwrap().licensing_time();
        let license = |license: License| json!({ "license": base64url(license.as_bytes()) });
        for call in [Call::Activate, Call::CheckIn, Call::Recover] {
            let forged = stranger.sign(&scene.license(call), |it| it.issued = at(time));
            scene.say_json(json!({ "license": base64url(&forged) }));
            scene.assert_refused(call, &[ErrorKind::UntrustedSigner], "a stranger's time");
        }
        assert_eq!(judged_by(Call::CheckIn), at(START));
        let revocation = scene.revocation_by(scene.vendor.clone());
        let forged = stranger.sign(&revocation, |it| it.time = at(time));
        scene.say_json(json!({ "revocation": base64url(&forged) }));
        scene.assert_refused(Call::CheckIn, &[ErrorKind::UntrustedSigner], "a stranger's time");

        let mut vendor = scene.vendor_at(&scene.vendor.issuer, time);
        let handle = scene.device(Call::CheckIn).check().unwrap().license().unwrap().handle;
        scene.say_json(license(vendor.renew(handle)));
        assert_eq!(scene.make(Call::CheckIn), None);
        let device = scene.device(Call::CheckIn);
        // Ahead, the clock follows and the lease runs from there; back, the clock does not, and the lease is over.
        assert_eq!(judged_by(Call::CheckIn), at(START.max(time)));
        assert_eq!(device.check().unwrap().is_usable(), time == ahead);

        // The vendor has put its clock right. A time once signed stays, so a lease of today is over for it; a license
        // that is renewed after a time that lay behind is as good as any.
        vendor.clock.set(START);
        scene.say_json(license(vendor.renew(handle)));
        assert_eq!(scene.make(Call::CheckIn), None);
        assert_eq!(matches!(device.check().unwrap().verdict(), Verdict::LeaseEnded { .. }), time == ahead);
        assert_eq!(judged_by(Call::CheckIn), at(START.max(time)));

        // The seat can be given back all the same, and a new activation is free of it.
        let vendor = scene.answer_honestly();
        let taken = vendor.lock().unwrap().usage().taken;
        device.deactivate(Reason::Moved).unwrap();
        assert_eq!(vendor.lock().unwrap().usage().taken, taken - 1);
        assert!(device.activate(scene.vendor.license_key()).unwrap().is_usable());
        assert_eq!(judged_by(Call::CheckIn), scene.vendor.clock.now());
    }
}

/// Refusals are not signed: whoever forges one gets a request taken back, which leaves a proof, and nothing else.
#[test]
fn a_forged_refusal_takes_a_request_back_and_loses_nothing() {
    let problem = |code: &str| {
        http("409 Conflict", "", json!({ "type": format!("urn:nodelock:problem:{code}") }).to_string())
    };
    let mut final_ones = 0;
    let mut scene = Scene::new();
    for kind in ErrorKind::ALL {
        scene.say(problem(kind.code()));
        for call in [Call::CheckIn, Call::Deactivate, Call::HandIn] {
            scene.assert_refused(call, &[*kind, ErrorKind::BadReply], kind.code());
        }
        let calls = [Call::Activate, Call::Recover];
        let before = calls.map(|call| scene.state(call));
        let handles = calls.map(|call| scene.device(call).pending().unwrap().unwrap().request().handle);
        for error in calls.map(|call| scene.make(call).unwrap()) {
            assert!([*kind, ErrorKind::BadReply].contains(&error), "{kind:?}: {error:?}");
        }
        if calls.map(|call| scene.state(call)) == before {
            continue;
        }
        final_ones += 1;
        let vendor = scene.answer_honestly();
        for (call, handle) in calls.into_iter().zip(handles) {
            let device = scene.device(call);
            assert!(device.pending().unwrap().is_none(), "{call:?} {kind:?}");
            let outstanding = device.outstanding().unwrap();
            assert_eq!(outstanding[0].handle(), handle, "{kind:?}");
            // Where a handle is said to be crowded, another one is drawn, once.
            let drawn = if call == Call::Activate && *kind == ErrorKind::CrowdedHandle { 2 } else { 1 };
            assert_eq!(outstanding.len(), drawn, "{kind:?}");
            // The vendor hears of it, and the device gets where it wanted to.
            assert_eq!(device.online().hand_in().unwrap().len(), drawn);
            assert_eq!(scene.make(call), None);
            assert!(device.check().unwrap().is_usable());
        }
        // One more than before: what was lost is recovered as if nothing had been said.
        assert_eq!(vendor.lock().unwrap().usage().taken, 4 + 1, "{kind:?}");
        scene = Scene::new();
    }
    assert_eq!(final_ones, 13, "as many kinds as refuse for good");
    scene.assert_nothing_is_lost();
}

#[test]
fn what_an_answer_says_besides_does_not_matter() {
    let scene = Scene::new();
    let beside = "\"receipts\":null,\"revocation\":null,\"license \":7,\"x\":{\"type\":[]},\"more\":";
    // Nested without end: what is passed over is not kept.
    let deep = format!("{beside}{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let license = scene
        .vendor
        .clone()
        .activate(scene.device(Call::Activate).pending().unwrap().unwrap().to_bytes().as_slice());
    let license = base64url(&license.unwrap());
    scene.say(http("200 OK", "", format!("{{\"license\":\"{license}\",{deep}}}")));
    assert_eq!(scene.make(Call::Activate), None);

    // A problem keeps its code, whatever else is in it and however that is typed.
    let besides = [beside.to_owned() + "0", "\"license\":{\"seats\":2},\"allowed\":[],\"receipts\":7".into()];
    for besides in besides {
        let body =
            format!("{{{besides},\"type\":\"https://example.com/problems#deactivation-not-allowed\"}}");
        scene.say(http("403 Forbidden", "", body));
        scene.assert_refused(
            Call::Deactivate,
            &[ErrorKind::BadReply],
            "which is not for an authority to say like that",
        );
        let body = format!("{{{besides},\"type\":\"urn:nodelock:problem:license-ended\"}}");
        scene.say(http("403 Forbidden", "", body));
        scene.assert_refused(Call::CheckIn, &[ErrorKind::LicenseEnded], "with more members");
        scene.say(http("503 Service Unavailable", "", format!("{{{besides}}}")));
        scene.assert_refused(Call::CheckIn, &[ErrorKind::ServerBusy], "without a type");
    }
}

#[test]
fn a_forged_permission_leaves_a_proof_and_a_forged_ban_the_license() {
    let scene = Scene::new();
    scene.say_json(json!({ "allowed": false, "deactivations_left": 0 }));
    scene.assert_refused(Call::Deactivate, &[ErrorKind::DeactivationNotAllowed], "a ban");
    // Permission, and then nothing that would be a receipt.
    scene.say_json(json!({ "allowed": true, "receipt": "AAAA" }));
    let device = scene.device(Call::Deactivate);
    let error = device.deactivate(Reason::Moved).unwrap_err();
    assert_eq!(error.error().kind(), ErrorKind::BadReply);
    let code = error.deactivation().unwrap().code().to_string();
    assert_eq!(device.outstanding().unwrap()[0].code().to_string(), code);
    assert!(!device.check().unwrap().is_usable());
    let vendor = scene.answer_honestly();
    let taken = vendor.lock().unwrap().usage().taken;
    assert_eq!(device.online().hand_in().unwrap()[0].outcome, Outcome::Returned);
    assert_eq!(vendor.lock().unwrap().usage().taken, taken - 1);
}

#[test]
fn no_answer_makes_a_call_wait_for_long() {
    let scene = Scene::new();
    for (header, asked_for) in [
        ("0", Some(0)),
        ("7", Some(7)),
        ("30", Some(30)),
        ("31", Some(30)),
        ("4294967296", Some(30)),
        ("18446744073709551615", Some(30)),
        ("99999999999999999999999", None),
        ("-5", None),
        ("1.5", None),
        ("1e9", None),
        ("soon", None),
        ("", None),
        ("Fri, 31 Dec 2999 23:59:59 GMT", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None),
    ] {
        scene.say(http("503 Busy", &format!("Retry-After: {header}\r\n"), ""));
        let device = builder(
            scene.vendor.roots.clone(),
            "CheckIn",
            scene.store(Call::CheckIn),
            scene.vendor.clock.clone(),
        )
        .authority(
            nodelock::Authority::new(scene.liar.url(), HttpOptions::default().no_proxy().build().unwrap())
                .timeout(Duration::from_secs(3))
                .attempts(2),
        )
        .build()
        .unwrap();
        let (cancel, pauses) = (CancelToken::new(), Mutex::new(Vec::new()));
        let watch = |progress| {
            if let Progress::Waiting { pause } = progress {
                pauses.lock().unwrap().push(pause);
                cancel.cancel();
            }
        };
        let start = Instant::now();
        let ended = device.online().cancel_with(&cancel).progress(&watch).check_in();
        assert_eq!(kind(ended), ErrorKind::Cancelled);
        assert!(start.elapsed() < Duration::from_secs(3));
        match (pauses.lock().unwrap().as_slice(), asked_for) {
            ([pause], Some(seconds)) => assert_eq!(*pause, Duration::from_secs(seconds), "{header}"),
            ([pause], None) => assert!(*pause <= Duration::from_millis(500), "{header}: {pause:?}"),
            (pauses, _) => panic!("{header}: {pauses:?}"),
        }
    }
}
