//! What each kind of error says: a real failure of each, whose message names the value, the bound or the thing that it
//! is about (docs/DESIGN.md, Errors).

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::TcpListener,
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use nodelock::{
    ActivationRequestOptions, Already, Authority, CancelToken, Client, Context, Error, ErrorKind, License,
    MAX_INPUT, NetworkFailure, PublicKey, Random, Reason, Result, Revocation, Roots, SigningKey, Store,
    SystemRandom,
    authority::{ApprovalPolicy, Records, decision},
    code::{DeactivationCode, Handle, LicenseKey, ReleaseSecret},
    fingerprint::{Component, HostId, Policy},
    store::{FileSystem, LockGuard, NewFile, Stamp},
    testing::{Machine, TestAuthority},
};
use serde_json::Value;

use crate::support::{
    calls::{OVER_TLS, http},
    disk::Disk,
    forge::Forger,
    responder::{Responder, http as answer},
    vendor::{Device, PRODUCT, Vendor, machine},
};

/// A failure, and what its message must name.
struct Row {
    error: Error,
    named: Vec<String>,
}

fn row(error: Error, named: &[&str]) -> Row {
    Row { error, named: named.iter().map(|text| (*text).to_owned()).collect() }
}

#[test]
fn each_kind_of_error_says_what_happened_to_what() {
    let rows: Vec<Row> =
        [caller(), messages(), protocol(), store(), authority(), network()].into_iter().flatten().collect();
    for kind in ErrorKind::ALL {
        let provoked = rows.iter().any(|row| row.error.kind() == *kind);
        assert_ne!(provoked, OVER_TLS.contains(kind), "{kind:?}: provoked here {provoked}");
    }
    for Row { error, named } in &rows {
        let (kind, text) = (error.kind(), error.to_string());
        assert!(!named.is_empty(), "{kind:?}: nothing that is named: {text}");
        for name in named {
            assert!(!name.is_empty(), "{kind:?}: an empty text is in every message: {text}");
            assert!(text.contains(name), "{kind:?}: {name:?} is missing in: {text}");
        }
        // A message is a sentence about something, without its kind in front or behind, and no two are glued together.
        assert!(text != kind.text() || named.iter().all(|name| kind.text().contains(name)), "{text}");
        assert!(!text.contains(char::is_control) && !text.ends_with(['.', ' ', ':']), "{kind:?}: {text}");
        let whole = format!("{error:#}");
        assert!(whole.starts_with(&text), "{whole}");
        println!("{:<26} {whole}", kind.code());
    }
}

/// Keys, codes and passwords are no part of a message, whatever it is about.
#[test]
fn no_message_holds_what_was_typed_as_a_key() {
    let vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    let typed = "2BNYW-D0EKF-9QSHX-7C4MZ-ZZZZZ";
    let error = device.client().begin(typed).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnreadableCode);
    let key = SigningKey::generate(&SystemRandom).unwrap();
    let secret: String = key.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let taken_for_a_root = secret.parse::<PublicKey>().unwrap_err();
    for text in [format!("{error:#}"), format!("{taken_for_a_root:#}")] {
        assert!(
            typed.split('-').all(|group| !text.contains(group)) && !text.contains(&secret[..16]),
            "{text}"
        );
    }
}

#[test]
fn what_a_message_names_can_be_asked_for() {
    let vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    let short = device.builder().host_id("abc", HostId::Join).build().unwrap_err();
    assert_eq!(short.context(), Some(&Context::Range { value: 3, least: 4, most: 256 }));
    device.client().begin(vendor.license_key()).unwrap();
    let begun = device.client().begin(vendor.another_license().license_key()).unwrap_err();
    assert_eq!(
        (begun.already(), begun.context()),
        (Some(Already::Pending), Some(&Context::Already(Already::Pending)))
    );
    let lasting = Failing { disk: Disk::new(), error: io::ErrorKind::StorageFull, lock: false };
    let full = lasting.store().write().and_then(|mut writer| writer.commit(b"body")).unwrap_err();
    let Some(Context::File(file)) = full.context() else { panic!("{full:?}") };
    assert!(file.ends_with("store/state"), "{file:?}");
    let source = std::error::Error::source(&full).unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn what_leads_out_is_said() {
    for kind in [ErrorKind::Io, ErrorKind::AccessDenied, ErrorKind::Unreachable, ErrorKind::Unsupported] {
        assert!(kind.advice().is_some(), "{kind:?}");
    }
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let vendor = Vendor::new();
    let ask = |url: String| asking(&vendor, url).check_in().unwrap_err();
    let refused = ask(format!("http://{dead}"));
    assert_eq!((refused.kind(), refused.network()), (ErrorKind::Unreachable, Some(NetworkFailure::Refused)));
    assert_eq!(refused.advice(), ErrorKind::Unreachable.advice());
    let cut = Responder::new(|_, _| {});
    assert_eq!(ask(cut.url()).network(), Some(NetworkFailure::Reset));
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", plain.local_addr().unwrap());
    let answering = thread::spawn(move || {
        let (mut stream, _) = plain.accept().unwrap();
        let _ = stream.read(&mut [0; 16]);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let no_tls = ask(url);
    answering.join().unwrap();
    assert_eq!((no_tls.kind(), no_tls.network()), (ErrorKind::Unreachable, Some(NetworkFailure::Tls)));
    assert_ne!(no_tls.advice(), ErrorKind::Unreachable.advice());
    // A part of a name has 63 letters at most (RFC 1035), so no name server is asked for this one.
    let name = format!("{}.example", "a".repeat(64));
    let in_the_clear = |authority: Authority| authority.plain_http(true);
    let nowhere = asking_at(&vendor, format!("http://{name}"), in_the_clear).unwrap().check_in().unwrap_err();
    assert_eq!(
        (nowhere.kind(), nowhere.network()),
        (ErrorKind::Unreachable, Some(NetworkFailure::NameLookUp))
    );
    assert!(nowhere.to_string().contains(&name) && nowhere.advice().unwrap().contains("name"));
}

fn caller() -> Vec<Row> {
    let vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    let client = device.client();
    let policy = Policy::default();
    let mut rows = vec![
        row(
            device.builder().host_id("abc", HostId::Join).build().unwrap_err(),
            &["host id has 3 characters; 4 to 256 are allowed"],
        ),
        row(
            policy.clone().with_weight(Component::Mac, -1, 0).unwrap_err(),
            &["weight of a fingerprint component", "is -1; 0 to 127 are allowed"],
        ),
        row(policy.with_thresholds(8, 9).unwrap_err(), &["9", "8"]),
        row(Client::builder("", Roots::default()).build().unwrap_err(), &["product has 0 bytes", "1 to 64"]),
        row(Client::builder(PRODUCT, Roots::default()).build().unwrap_err(), &["0 root keys"]),
        row(
            asking_with(&vendor, |authority| authority.attempts(0)).unwrap_err(),
            &["number of attempts is 0; 1 to 100 are allowed"],
        ),
        row(
            asking_with(&vendor, |authority| authority.timeout(Duration::from_secs(7200))).unwrap_err(),
            &["7200000 milliseconds", "3600000"],
        ),
        row(client.begin("").unwrap_err(), &["license key has 0 characters; 1 to 64 are allowed"]),
        row(client.activate(vendor.license_key()).unwrap_err(), &["no authority", "by hand"]),
        row(
            "2BNYW-D0EKF".parse::<LicenseKey>().unwrap_err(),
            &["license key", "10 letters and digits", "25"],
        ),
        row(client.cancel().unwrap_err(), &["no activation request is pending"]),
        row(client.deactivate_offline(Reason::Moved).unwrap_err(), &["no license is active"]),
        row(client.check_in_offline().unwrap_err(), &["no license is active"]),
        row(device.builder().random(NoRandom).build().unwrap().begin("").unwrap_err(), &["license key"]),
        row(
            device.builder().random(NoRandom).build().unwrap().begin(vendor.license_key()).unwrap_err(),
            &["random"],
        ),
    ];
    client.begin(vendor.license_key()).unwrap();
    let another = vendor.another_license().license_key();
    rows.push(row(client.begin(another).unwrap_err(), &["a request is pending"]));
    for _ in 0..63 {
        client.cancel().unwrap();
        client.begin(vendor.license_key()).unwrap();
    }
    client.cancel().unwrap();
    rows.push(row(client.begin(vendor.license_key()).unwrap_err(), &["64 deactivations"]));
    rows
}

/// Messages that no reader takes: those of the vectors, and some that are none.
fn messages() -> Vec<Row> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/refused.json");
    let vectors: Value = serde_json::from_slice(&fs::read(vectors).unwrap()).unwrap();
    let roots = Roots::new([vectors["root"].as_str().unwrap().parse().unwrap()]);
    let mut rows = Vec::new();
    for (what, named) in [
        ("a length beyond the body", &["license", "bytes"][..]),
        ("an unknown critical extension", &["extension 77"]),
        ("a device key of small order", &["public key"]),
        ("a license signed as another kind", &["signature does not fit the license"]),
        ("issued after the certificate ended", &["issuer certificate", "valid from 20", "and not at 20"]),
        ("a lease longer than the certificate allows", &["the license ends at 20", "allows 20"]),
        ("signed by a stranger", &["signed by key 225a8d260453abbb", "check your root key"]),
    ] {
        let case = vectors["refused"].as_array().unwrap().iter().find(|case| case["what"] == what).unwrap();
        let license = case["license"].as_str().unwrap();
        let bytes: Vec<u8> = (0..license.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&license[at..at + 2], 16).unwrap())
            .collect();
        rows.push(row(License::verify(&bytes, &roots).unwrap_err(), named));
    }
    let wrong = |input: &[u8]| License::verify(input, &roots).unwrap_err();
    rows.extend([
        row(wrong(b"hello"), &["no message was found in the input of 5 bytes"]),
        row(
            wrong(&vec![b'A'; MAX_INPUT + 1]),
            &[&format!("input has {} bytes; at most {MAX_INPUT}", MAX_INPUT + 1)],
        ),
        row(wrong(b"NL\x02\x01 of a later version"), &["version 2", "version 1"]),
        row(wrong(b"NL\x01\x40 of another kind"), &["kind 64"]),
        row("A short key".parse::<PublicKey>().unwrap_err(), &["43 characters", "5"]),
    ]);
    let vendor = Vendor::new();
    let device = Device::new(&vendor, "machine");
    let request = device.client().begin(vendor.license_key()).unwrap();
    rows.push(row(wrong(&request.to_bytes()), &["activation request", "license"]));
    let mut two = Vendor::new();
    two.sell(2);
    let texts = ["one", "another"].map(|name| {
        let request = Device::new(&two, name).client().begin(two.license_key()).unwrap();
        License::verify(&two.activate(&request.to_bytes()).unwrap(), &two.roots).unwrap().to_text()
    });
    rows.push(row(License::verify(texts.concat().as_bytes(), &two.roots).unwrap_err(), &["license", "one"]));
    rows
}

fn protocol() -> Vec<Row> {
    let mut vendor = Vendor::new();
    vendor.sell(3);
    let device = Device::new(&vendor, "machine");
    let client = device.client();
    let request = client.begin(vendor.license_key()).unwrap();
    let bytes = vendor.activate(&request.to_bytes()).unwrap();
    let genuine = License::verify(&bytes, &vendor.roots).unwrap();
    let mut rows = Vec::new();

    let neighbor = Device::new(&vendor, "neighbor");
    neighbor.client().begin(vendor.license_key()).unwrap();
    rows.push(row(
        neighbor.client().accept(&bytes).unwrap_err(),
        &["the license", "another machine", "device key"],
    ));
    let viewer =
        Client::builder("Example Viewer", vendor.roots.clone()).store(Store::in_memory()).build().unwrap();
    let other_product = viewer.accept(&bytes).unwrap_err();
    assert!(matches!(other_product.context(), Some(Context::Products { .. })));
    rows.push(row(other_product, &["\"Example Editor\"", "\"Example Viewer\""]));

    let forger = Forger { key: SigningKey::generate(&SystemRandom).unwrap(), certificate: None };
    let roots = Roots::new([vendor.root, forger.key.public_key()]);
    let both = Client::builder(PRODUCT, roots).store(device.store().clone()).clock(vendor.clock.clone());
    let both = both.probe(|| machine("machine")).build().unwrap();
    let other = Handle::new(request.request().handle.get() ^ 1).unwrap();
    let misaddressed = forger.sign(&genuine, |body| body.handle = other);
    let named = [other.to_string(), request.request().handle.to_string()];
    rows.push(row(both.accept(&misaddressed).unwrap_err(), &[&named[0], &named[1]]));

    client.accept(&bytes).unwrap();
    device.check_in(&mut vendor);
    rows.push(row(client.accept(&bytes).unwrap_err(), &["revision 1", "revision 2"]));
    rows.push(row(client.begin(vendor.license_key()).unwrap_err(), &["a license is there", "has not ended"]));
    client.deactivate_offline(Reason::Moved).unwrap();
    rows.push(row(client.accept(&bytes).unwrap_err(), &[&named[1], "given up"]));

    let mut strict = Vendor::new();
    strict.terms().deactivations = Some(0);
    let bound = Device::activated(&mut strict, "bound");
    rows.push(row(bound.client().deactivate_offline(Reason::Moved).unwrap_err(), &["0 deactivations left"]));
    let ended = strict.force_release(bound.handle(), "stolen");
    let strange = forger.sign(&ended, |body| body.handle = other);
    let roots = Roots::new([strict.root, forger.key.public_key()]);
    let both = Client::builder(PRODUCT, roots).store(bound.store().clone()).clock(strict.clock.clone());
    let both = both.probe(|| machine("bound")).build().unwrap();
    Revocation::verify(&strange, &Roots::new([forger.key.public_key()])).unwrap();
    rows.push(row(both.accept(&strange).unwrap_err(), &[&named[0], "revocation"]));
    rows
}

/// A disk on which making a file fails, or locking one.
#[derive(Clone)]
struct Failing {
    disk: Disk,
    error: io::ErrorKind,
    lock: bool,
}

impl Failing {
    fn store(&self) -> Store {
        Store::in_directory("/home/user/store", None).with_file_system(Arc::new(self.clone()))
    }
}

impl FileSystem for Failing {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        self.disk.read(path, limit)
    }
    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        self.disk.stamp(path)
    }
    fn create_new(&self, _: &Path) -> io::Result<Box<dyn NewFile>> {
        Err(self.error.into())
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_file(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }
    fn lock(&self, path: &Path, timeout: Duration) -> io::Result<Box<dyn LockGuard>> {
        if self.lock { Err(self.error.into()) } else { self.disk.lock(path, timeout) }
    }
}

fn store() -> Vec<Row> {
    let vendor = Vendor::new();
    let mut rows = Vec::new();
    for error in [
        io::ErrorKind::StorageFull,
        io::ErrorKind::ReadOnlyFilesystem,
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::InvalidData,
    ] {
        let failing = Failing { disk: Disk::new(), error, lock: false };
        let device = Device::with_store(&vendor, "machine", failing.store());
        let refused = device.client().begin(vendor.license_key()).unwrap_err();
        assert!(std::error::Error::source(&refused).is_some());
        rows.push(row(refused, &["/home/user/store/device.key"]));
    }
    let no_locks = Failing { disk: Disk::new(), error: io::ErrorKind::Unsupported, lock: true };
    rows.push(row(no_locks.store().write().unwrap_err(), &["/home/user/store/lock", "no locks"]));

    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("store");
    let store = Store::in_directory(&place, None).with_lock_timeout(Duration::ZERO);
    let device = Device::with_store(&vendor, "machine", store.clone());
    let writer = store.write().unwrap();
    let lock = place.join("lock").display().to_string();
    rows.push(row(
        device.client().begin(vendor.license_key()).unwrap_err(),
        &[&lock, "0 ms", "another process"],
    ));
    drop(writer);
    let state = place.join("state");
    fs::write(&state, "not a state").unwrap();
    rows.push(row(device.client().pending().unwrap_err(), &[&state.display().to_string(), "damaged"]));
    rows
}

struct NoRandom;

impl Random for NoRandom {
    fn fill(&self, _: &mut [u8]) -> Result<()> {
        Err(Error::new(ErrorKind::NoRandom, "this test has no random bytes"))
    }
}

/// Draws one handle for every device.
struct OneHandle;

impl Random for OneHandle {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        SystemRandom.fill(bytes)?;
        if bytes.len() == 4 {
            bytes.fill(4);
        }
        Ok(())
    }
}

/// What the vendor's rules refuse.
fn authority() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut vendor = Vendor::new();
    let first = Device::activated(&mut vendor, "first");
    let handle = first.handle();
    let refused = |vendor: &mut Vendor, request: &[u8]| vendor.activate(request).unwrap_err();
    let waiting = Device::new(&vendor, "waiting");
    let request = waiting.client().begin(vendor.license_key()).unwrap().to_bytes();
    rows.push(row(refused(&mut vendor, &request), &["all 1 are taken"]));
    let nobody = Device::new(&vendor, "nobody");
    let nobodys = nobody.client().begin(LicenseKey::from_random([1; 12]).to_string()).unwrap().to_bytes();
    rows.push(row(refused(&mut vendor, &nobodys), &["no license has the key"]));
    vendor.terms().activations = Some(1);
    rows.push(row(refused(&mut vendor, &request), &[&vendor.terms().id.to_string(), "1 of 1 are used up"]));
    vendor.terms().activations = None;
    vendor.terms().trial_days = Some(1);
    vendor.clock.advance_days(1);
    let late = first.client().check_in_offline().unwrap().to_bytes();
    rows.push(row(vendor.check_in(&late).unwrap_err(), &["the trial of this machine ended at 20"]));
    vendor.terms().trial_days = None;
    vendor.terms().suspended = true;
    let id = vendor.terms().id.to_string();
    rows.push(row(refused(&mut vendor, &request), &[&id, "suspended"]));
    vendor.terms().suspended = false;
    let given_back = waiting.client().cancel().unwrap();
    vendor.redeem(&given_back.to_bytes()).unwrap();
    rows.push(row(refused(&mut vendor, &request), &[&given_back.handle().to_string(), "cancelled"]));

    let mut strict = Vendor::new();
    strict.sell(1);
    strict.terms().approval = ApprovalPolicy::Required;
    let asking = Device::new(&strict, "asking").client().begin(strict.license_key()).unwrap();
    let (asked, handle_of_asked) = (asking.to_bytes(), asking.request().handle);
    let named = handle_of_asked.to_string();
    rows.push(row(refused(&mut strict, &asked), &[&named, "waits for the vendor's approval"]));
    strict.refuse(handle_of_asked, "for the lab alone").unwrap();
    rows.push(row(refused(&mut strict, &asked), &[&named, "refused", "for the lab alone"]));

    let wrong =
        |number: u8| DeactivationCode::new(handle, ReleaseSecret::from_random([number; 8])).to_string();
    rows.push(row(vendor.redeem_code(&wrong(0)).unwrap_err(), &[&handle.to_string(), "does not belong"]));
    let too_many = (1..20).map(|number| vendor.redeem_code(&wrong(number)).unwrap_err());
    let too_many = too_many.last().unwrap();
    rows.push(row(too_many, &[&handle.to_string(), "too many"]));
    let name = vendor.seat(handle).name();
    let moment = vendor.moment();
    let act = |records: &Records| decision::return_held(name, records, &moment);
    rows.push(row(
        decision::settle(&mut vendor.ledger, act).unwrap_err(),
        &[&handle.to_string(), "not held"],
    ));

    let check_in = first.client().check_in_offline().unwrap();
    let mut restored = vendor.another_license();
    let alone = check_in.request().as_bytes().to_vec();
    rows.push(row(restored.check_in(&alone).unwrap_err(), &[&handle.to_string(), "license"]));
    let request = Device::new(&restored, "released");
    let asked = request.client().begin(restored.license_key()).unwrap().to_bytes();
    request.client().accept(&restored.activate(&asked).unwrap()).unwrap();
    restored.force_release(request.handle(), "stolen");
    rows.push(row(
        refused(&mut restored, &asked),
        &[&request.handle().to_string(), "released by the vendor"],
    ));

    let mut crowded = Vendor::new();
    crowded.sell(100);
    let mut last = None;
    for number in 0..=32 {
        let device = Device::new(&crowded, &format!("device {number}"));
        let client = device.builder().random(OneHandle).build().unwrap();
        let options = ActivationRequestOptions::of_key(crowded.license_key());
        last = crowded.activate(&client.begin(options).unwrap().to_bytes()).err();
    }
    rows.push(row(last.unwrap(), &["32 devices"]));
    rows
}

/// A client with a license that asks the authority there.
fn asking(vendor: &Vendor, url: String) -> Client {
    asking_at(vendor, url, |authority| authority).unwrap()
}

fn asking_with(vendor: &Vendor, set: impl FnOnce(Authority) -> Authority) -> Result<Client> {
    asking_at(vendor, "https://licenses.example.com".to_owned(), set)
}

fn asking_at(vendor: &Vendor, url: String, set: impl FnOnce(Authority) -> Authority) -> Result<Client> {
    let device = Device::activated(&mut vendor.clone(), "asking");
    device.builder().authority(set(Authority::new(url, http()).attempts(1))).build()
}

fn network() -> Vec<Row> {
    let vendor = Vendor::new();
    let mut rows = Vec::new();
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = asking(&vendor, format!("http://{dead}")).check_in().unwrap_err();
    rows.push(row(refused, &[&dead.to_string(), "refused"]));
    let silent = Responder::new(|_, _| thread::sleep(Duration::from_secs(2)));
    let slow = |authority: Authority| authority.timeout(Duration::from_millis(50));
    let late = asking_at(&vendor, silent.url(), slow).unwrap().check_in().unwrap_err();
    rows.push(row(late, &[silent.url().trim_start_matches("http://")]));
    let cancel = CancelToken::new();
    cancel.cancel();
    let client = asking(&vendor, format!("http://{dead}"));
    rows.push(row(client.online().cancel_with(&cancel).check_in().unwrap_err(), &["cancelled"]));
    let no_time = client.online().within(Duration::ZERO).check_in().unwrap_err();
    rows.push(row(no_time, &["time of the call"]));
    let problem =
        r#"{"type":"urn:nodelock:problem:license-ended","detail":"license 7 has\u0007 ended\u202e"}"#;
    for (status, body, named) in [
        ("200 OK", "nonsense", &["status 200"][..]),
        ("503 Busy", "", &["status 503"]),
        ("500 Failed", "", &["status 500"]),
        ("403 No", problem, &["the authority says: license 7 has\u{fffd} ended\u{fffd}"]),
    ] {
        let responder = Responder::saying(answer(status, "", body));
        rows.push(row(asking(&vendor, responder.url()).check_in().unwrap_err(), named));
    }
    let test = TestAuthority::new(PRODUCT);
    let license_key = test.sell(9).unwrap();
    let enrolled = |name: &str, key: &str| {
        let client = test.client(&Machine::new(name)).deployment_key(key).build().unwrap();
        client.activate(ActivationRequestOptions::new())
    };
    let one = test.vendor().new_deployment_key(&license_key, 1).unwrap();
    enrolled("first", &one).unwrap();
    rows.push(row(enrolled("second", &one).unwrap_err(), &["good for 1 machines", "that many used it"]));
    rows.push(row(enrolled("second", "nld_nobodys").unwrap_err(), &["nobody has that deployment key"]));
    let long = format!(r#"{{"type":"urn:nodelock:problem:license-ended","detail":"{}"}}"#, "x".repeat(9000));
    let responder = Responder::new(move |_, stream| {
        let _ = stream.write_all(&answer("403 No", "", &long));
    });
    let bounded = asking(&vendor, responder.url()).check_in().unwrap_err();
    assert!(bounded.to_string().chars().count() < 400, "{bounded}");
    rows
}
