//! The wire format's promise: the committed vectors are what this crate makes, and what it reads.
//!
//! `NODELOCK_WRITE_VECTORS=1 cargo test --test formats vectors` writes them anew; a difference in `git diff` is then a
//! change of the format, and that needs a new version.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{
    forge::envelope,
    vendor::{MemoryLedger, PRODUCT, START, TestClock},
    watched::{Nowhere, Watched},
};
use nodelock::{
    Binding, Certificate, CheckInRequest, Client, ClientBuilder, DeactivationProof, DeactivationReceipt,
    ErrorKind, Feature, License, LicenseId, Page, PreflightRequest, Reason, RecoveryRequest, Revocation,
    Roots, SigningKey, Store, Timestamp,
    authority::{
        ActivationFile, CertificateTerms, CheckInClaim, Issuer, LicenseTerms, Records, ReleaseClaim, Reply,
        SeatName, TypedCode,
        decision::{self, Moment, Refusal, Step},
    },
    code::{LicenseKey, base32},
    fingerprint::{Component, Policy, Probe, TagKey},
    testing::SeededRandom,
};
use serde_json::{Value, json};

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seed(key: &SigningKey) -> String {
    hex(&key.to_bytes()[..32])
}

/// Writes the file if it was asked for, and compares it otherwise.
fn settle(name: &str, value: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    if std::env::var_os("NODELOCK_WRITE_VECTORS").is_some() {
        fs::write(path, text).unwrap();
    } else {
        let committed = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
        assert!(committed == text, "{name} is not what the crate makes: the format has changed");
    }
}

fn fingerprint(probe: &Probe) -> Value {
    let fingerprint = probe.fingerprint(&TagKey::new(PRODUCT, PRODUCT));
    let tags: Vec<Value> = fingerprint
        .tags()
        .iter()
        .map(|t| json!({"component": t.component(), "tag": hex(&t.bytes())}))
        .collect();
    json!({
        "tags": tags,
        "virtual_machine": fingerprint.virtual_machine(),
        "container": fingerprint.container(),
    })
}

const VALUES: [(Component, &str, &str); 7] = [
    (Component::OsId, "7D3A9C1E5B2048F6A1C4E07B93D25F68", "7d3a9c1e5b2048f6a1c4e07b93d25f68"),
    (Component::RootFs, "9B8A7C6D-5E4F-4A3B-8C2D-1E0F9A8B7C6D", "9b8a7c6d5e4f4a3b8c2d1e0f9a8b7c6d"),
    (Component::HwUuid, "{4C4C4544-0034-5A10-8058-B7C04F4A4D32}", "44454c4c3400105a8058b7c04f4a4d32"),
    (Component::DiskSerial, "  S5H7NS0N \t 812345X ", "s5h7ns0n 812345x"),
    (Component::Mac, "F0-4D-A2-11-22-33", "f04da2112233"),
    (Component::Model, " FRAMEWORK  Laptop\u{7f}13", "framework laptop 13"),
    (Component::Cpu, "AuthenticAMD 25 116 1", "authenticamd 25 116 1"),
];

const ODD_VALUES: [(Component, &str, &str); 5] = [
    // What is not ASCII stays as it is.
    (Component::HostId, "CAFÉ\u{a0}Ｆ  Ä\u{1}1 ", "cafÉ\u{a0}Ｆ Ä 1"),
    (Component::OsId, "\u{1}7D3A9C1E5B2048F6A1C4E07B93D25F68\0", "7d3a9c1e5b2048f6a1c4e07b93d25f68"),
    (Component::RootFs, "1A2B-3C4D\n", "1a2b3c4d"),
    (Component::RootFs, "1A:2B-3C4D", "1a:2b-3c4d"),
    (
        Component::RootFs,
        "9B8A7C6D-5E4F-4A3B-8C2D-1E0F9A8B7C6D\u{a0}",
        "9b8a7c6d-5e4f-4a3b-8c2d-1e0f9a8b7c6d\u{a0}",
    ),
];

fn probe() -> Probe {
    let values = VALUES.map(|(component, raw, _)| (component, raw.to_owned()));
    Probe::from_values(values, false, false)
}

#[test]
fn fingerprints() {
    let cases: Vec<Value> = VALUES
        .iter()
        .chain(&ODD_VALUES)
        .map(|(component, raw, normalized)| {
            let tag_of = |value: &str| {
                let probe = Probe::from_values([(*component, value.to_owned())], false, false);
                let fingerprint = probe.fingerprint(&TagKey::new("example salt", PRODUCT));
                hex(&fingerprint.tags()[0].bytes())
            };
            assert_eq!(tag_of(raw), tag_of(normalized), "{component}");
            json!({
                "component": component.number(), "name": component.name(), "raw": raw, "normalized": normalized,
                "tag": tag_of(raw),
            })
        })
        .collect();
    let policy = Policy::default();
    settle(
        "fingerprint.json",
        &json!({
            "salt": "example salt", "product": PRODUCT, "values": cases,
            "default_policy": {
                "accept": policy.accept(), "grace": policy.grace(), "grace_days": policy.grace_days(),
            },
        }),
    );
}

/// Everything that one activation and its end put on the wire, made from fixed seeds.
pub struct Story {
    pub root: SigningKey,
    issuer_key: SigningKey,
    pub certificate: Certificate,
    pub license: License,
    pub renewal: License,
    pub revocation: Revocation,
    pub proof_receipt: DeactivationReceipt,
    code_receipt: DeactivationReceipt,
    pub device_seed: String,
    secret: String,
    pub request: nodelock::PendingRequest,
    pub second_request: nodelock::PendingRequest,
    replacing: nodelock::PendingRequest,
    pub deactivation: nodelock::Deactivation,
    pub cancelled: nodelock::Deactivation,
    pub reply: Vec<u8>,
    pub reply_text: String,
    pub check_in: CheckInRequest,
    /// A request and a check-in with a description of the machine.
    describing: nodelock::PendingRequest,
    describing_check_in: CheckInRequest,
    pub preflight: PreflightRequest,
    recovery: RecoveryRequest,
}

/// The same device with another store: it says what it is called, and after a renaming once more.
fn described(
    builder: ClientBuilder,
    (issuer, mut ledger): (&Issuer, MemoryLedger),
    license_key: &str,
) -> (nodelock::PendingRequest, CheckInRequest) {
    let name = Arc::new(Mutex::new("Werkstatt-PC".to_owned()));
    let described = name.clone();
    let client = builder
        .store(Store::in_memory())
        .random(SeededRandom::new("nodelock vectors v1, device"))
        .probe(probe)
        .describe_machine_as(move || {
            let system = "Linux (Debian 13)".to_owned();
            vec![("computer".into(), described.lock().unwrap().clone()), ("system".into(), system)]
        })
        .build()
        .unwrap();
    let request = client.begin(license_key).unwrap();
    let file = ActivationFile::read(&request.to_bytes()).unwrap();
    let activate = |records: &Records, moment: &Moment| decision::activate(&file, None, records, moment);
    let license = decide(issuer, &mut ledger, moment(1, 9), activate).license.unwrap();
    client.accept(license.as_bytes()).unwrap();
    *name.lock().unwrap() = "Büro".to_owned();
    (request, client.check_in_offline().unwrap().request().clone())
}

fn story() -> Story {
    story_of("Jörg Müller & Söhne")
}

/// The same for another licensee.
pub fn story_of(licensee: &str) -> Story {
    let random = SeededRandom::new("nodelock vectors v1");
    let clock = TestClock::at(START);
    let now = Timestamp::from_unix_seconds(START);
    let root = SigningKey::generate(&random).unwrap();
    let issuer_key = SigningKey::generate(&random).unwrap();
    let certificate = CertificateTerms::new(issuer_key.public_key(), "Example Ltd", now, now.plus_days(365))
        .with_serial(300)
        .with_longest_lease_days(400)
        .sign(&root)
        .unwrap();
    let issuer = Issuer::certified(issuer_key.clone(), certificate.clone()).unwrap();

    let mut terms = LicenseTerms::new(LicenseId::from_bytes([1, 2, 3, 4, 5, 6, 7, 8]), PRODUCT, 1, now);
    terms.licensee = licensee.into();
    terms.edition = "Professional".into();
    terms.features =
        vec![Feature::new("export"), Feature::new("seats per site").up_to(70_000).until(now.plus_days(30))];
    terms.metadata = vec![("order".into(), "A-1001".into())];
    terms.expires = Some(now.plus_days(365));
    terms.updates_until = Some(now.plus_days(180));
    terms.deactivations = Some(5);
    terms.policy = Policy::default().with_weight(Component::Cpu, 2, -3).unwrap();

    let store = Store::in_memory();
    let watched = Watched::new(Nowhere);
    let client = Client::builder(PRODUCT, Roots::new([root.public_key()]))
        .store(store.clone())
        .clock(clock.clone())
        .random(SeededRandom::new("nodelock vectors v1, device"))
        .probe(probe)
        .application_version("7.1")
        .authority(
            nodelock::Authority::new("https://licenses.example.com", watched.clone())
                .timeout(Duration::from_secs(1))
                .attempts(1),
        )
        .build()
        .unwrap();
    let license_key = LicenseKey::from_random([0x5a; 12]).to_string();
    let request = client
        .begin(nodelock::ActivationRequestOptions::of_key(&license_key).metadata("host", "workshop"))
        .unwrap();
    let mut ledger = MemoryLedger::new(terms.clone(), &license_key);
    let file = ActivationFile::read(&request.to_bytes()).unwrap();
    let activate = |records: &Records, moment: &Moment| decision::activate(&file, None, records, moment);
    let license = decide(&issuer, &mut ledger, moment(0, 9), activate).license.unwrap();
    client.accept(license.as_bytes()).unwrap();

    // Nobody answers; what was asked is what counts.
    assert_eq!(client.check_in().unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(client.deactivate(Reason::Moved).unwrap_err().error().kind(), ErrorKind::Unreachable);
    let posted: Vec<_> =
        watched.take().iter().map(|sent| sent.body["request"].as_str().unwrap().to_owned()).collect();
    let asked = CheckInClaim::read(posted[0].as_bytes()).unwrap();
    let check_in = |records: &Records, moment: &Moment| decision::check_in(&asked, records, moment);
    let renewal = decide(&issuer, &mut ledger.clone(), moment(40, 10), check_in).license.unwrap();
    let seat = SeatName::from(request.request());
    let release =
        |records: &Records, moment: &Moment| decision::release(seat, "reported as lost", records, moment);
    let revocation = decide(&issuer, &mut ledger.clone(), moment(50, 0), release).revocation.unwrap();

    clock.advance_days(1);
    let deactivation = client.deactivate_offline(Reason::Moved).unwrap();
    let claim = ReleaseClaim::read(deactivation.proof()).unwrap();
    let redeem = |records: &Records, moment: &Moment| decision::redeem(&claim, records, moment);
    let proof_receipt = decide(&issuer, &mut ledger, moment(2, 0), redeem).receipts.remove(0);
    let typed = TypedCode::read(&deactivation.code().to_string()).unwrap();
    let redeem = |records: &Records, moment: &Moment| decision::redeem_code(&typed, records, moment);
    let code_receipt = decide(&issuer, &mut ledger, moment(2, 0), redeem).receipts.remove(0);

    let second_request = client.begin(&license_key).unwrap();
    let file = ActivationFile::read(&second_request.to_bytes()).unwrap();
    let activate = |records: &Records, moment: &Moment| decision::activate(&file, None, records, moment);
    let reply = decide(&issuer, &mut ledger, moment(2, 9), activate);
    let cancelled = client.cancel().unwrap();
    let recovery = client.recover_offline().unwrap().recovery().unwrap().clone();
    client.cancel().unwrap();
    let replacing = client
        .begin(nodelock::ActivationRequestOptions::of_key(&license_key).instead_of(request.request().handle))
        .unwrap();
    let (describing, describing_check_in) = described(
        Client::builder(PRODUCT, Roots::new([root.public_key()])).clock(clock),
        (&issuer, MemoryLedger::new(terms, &license_key)),
        &license_key,
    );
    Story {
        describing,
        describing_check_in,
        check_in: CheckInRequest::verify(posted[0].as_bytes(), &license.device_key).unwrap(),
        preflight: PreflightRequest::verify(posted[1].as_bytes(), &license.device_key).unwrap(),
        recovery,
        device_seed: hex(&store.device_key().unwrap().unwrap()[8..40]),
        secret: hex(deactivation.code().secret().as_bytes()),
        root,
        issuer_key,
        certificate,
        license,
        renewal,
        revocation,
        proof_receipt,
        code_receipt,
        request,
        second_request,
        replacing,
        deactivation,
        cancelled,
        reply_text: reply.to_text(),
        reply: reply.to_bytes(),
    }
}

/// So many days after the start, with that sync token.
fn moment(days: u32, token: u8) -> Moment {
    Moment {
        now: Timestamp::from_unix_seconds(START).plus_days(days),
        token: [token; 16],
        page: Page::from_bytes([0xa0 + token; 8]),
        longest_lease: Duration::from_secs(400 * 86_400),
        roots: Arc::default(),
    }
}

fn decide(
    issuer: &Issuer,
    ledger: &mut MemoryLedger,
    moment: Moment,
    act: impl Fn(&Records, &Moment) -> Result<Step, Refusal>,
) -> Reply {
    let decision = decision::settle(ledger, |records| act(records, &moment)).unwrap();
    issuer.reply(&decision, moment.now).unwrap()
}

fn message<T: nodelock::Body>(message: &nodelock::Signed<T>, fields: Value) -> Value {
    json!({
        "media_type": T::KIND.media_type(),
        "envelope": hex(message.as_bytes()),
        "digest": hex(&message.digest()),
        "text": message.to_text(),
        "base64url": message.to_base64url(),
        "fields": fields,
    })
}

fn optional(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |t| json!(t.unix_seconds()))
}

fn license(license: &License) -> Value {
    let feature = |f: &Feature| json!({"name": f.name, "limit": f.limit, "expires": optional(f.expires)});
    message(
        license,
        json!({
            "license_id": license.license_id.to_string(),
            "product": license.product,
            "handle": license.handle.to_string(),
            "device_key": license.device_key.to_string(),
            "release_commitment": hex(&license.release_commitment),
            "licensee": license.licensee,
            "edition": license.edition,
            "features": license.features.iter().map(feature).collect::<Vec<_>>(),
            "metadata": license.metadata,
            "issued": license.issued.unix_seconds(),
            "starts": license.starts.unix_seconds(),
            "expires": optional(license.expires),
            "lease_until": optional(license.lease_until),
            "renew_after": optional(license.renew_after),
            "updates_until": optional(license.updates_until),
            "baseline": fingerprint(&probe()),
            "policy": {
                "weights": license.policy.weights().iter()
                    .map(|w| json!([w.component(), w.agree(), w.differ()])).collect::<Vec<_>>(),
                "accept": license.policy.accept(),
                "grace": license.policy.grace(),
                "grace_days": license.policy.grace_days(),
            },
            "deactivations_left": license.deactivations_left,
            "request_digest": hex(&license.request_digest),
            "answers": license.answers.map(|digest| hex(&digest)),
            "revision": license.revision,
            "sync_token": hex(&license.sync_token),
            "page": license.page.to_string(),
        }),
    )
}

fn request(pending: &nodelock::PendingRequest) -> Value {
    let request = pending.request();
    message(
        request,
        json!({
            "device_key": request.device_key.to_string(),
            "product": request.product,
            "license_key": request.license_key,
            "handle": request.handle.to_string(),
            "release_commitment": hex(&request.release_commitment),
            "created": request.created.unix_seconds(),
            "fingerprint": fingerprint(&probe()),
            "library": request.library,
            "application": request.application,
            "metadata": request.metadata,
            "description": request.description(),
            "replaces": request.replaces().map(|seat| seat.to_string()),
        }),
    )
}

fn check_in(check_in: &CheckInRequest) -> Value {
    message(
        check_in,
        json!({
            "handle": check_in.handle.to_string(),
            "nonce": hex(&check_in.nonce),
            "sync_token": hex(&check_in.sync_token),
            "revision": check_in.revision,
            "time": check_in.time.unix_seconds(),
            "fingerprint": fingerprint(&probe()),
            "library": check_in.library,
            "application": check_in.application,
            "description": check_in.description(),
        }),
    )
}

fn proof(deactivation: &nodelock::Deactivation, device_key: &nodelock::PublicKey) -> Value {
    let proof = DeactivationProof::verify(deactivation.proof(), device_key).unwrap();
    let mut value = message(
        &proof,
        json!({
            "product_tag": hex(&proof.product_tag),
            "license_id": proof.license_id.to_string(),
            "handle": proof.handle.to_string(),
            "generation": proof.generation,
            "time": proof.time,
            "reason": proof.reason.number(),
            "flags": proof.flags,
            "request": hex(&proof.request),
        }),
    );
    value["base32"] = json!(base32::encode(proof.as_bytes()));
    value["code"] = json!(deactivation.code().to_string());
    value["file"] = json!(hex(&deactivation.to_bytes()));
    value
}

fn receipt(receipt: &DeactivationReceipt) -> Value {
    let (binding, digest) = match receipt.binding {
        Binding::Proof(digest) => ("proof", digest),
        Binding::Code(digest) => ("code", digest),
        other => panic!("{other:?} has no vector"),
    };
    message(
        receipt,
        json!({
            "handle": receipt.handle.to_string(),
            "device_key": receipt.device_key.to_string(),
            "outcome": receipt.outcome.to_string(),
            "deactivations_left": receipt.deactivations_left,
            "time": receipt.time.unix_seconds(),
            "binding": {"to": binding, "digest": hex(&digest)},
            "page": receipt.page.to_string(),
        }),
    )
}

#[test]
fn messages() {
    let story = story();
    let device_key = story.license.device_key;
    settle(
        "messages.json",
        &json!({
            "keys": {
                "root": {"seed": seed(&story.root), "public": story.root.public_key().to_string(),
                         "id": story.root.public_key().id().to_string()},
                "issuer": {"seed": seed(&story.issuer_key), "public": story.issuer_key.public_key().to_string(),
                           "id": story.issuer_key.public_key().id().to_string()},
                "device": {"seed": story.device_seed, "public": device_key.to_string(),
                           "id": device_key.id().to_string()},
            },
            "release": {
                "handle": story.deactivation.handle().to_string(),
                "secret": story.secret,
                "commitment": hex(&story.license.release_commitment),
            },
            "certificate": message(&story.certificate, json!({
                "issuer": story.certificate.issuer.to_string(),
                "name": story.certificate.name,
                "serial": story.certificate.serial,
                "not_before": story.certificate.not_before.unix_seconds(),
                "not_after": story.certificate.not_after.unix_seconds(),
                "longest_lease_days": story.certificate.longest_lease_days,
                "endless": story.certificate.endless,
            })),
            "request": request(&story.request),
            "replacing": request(&story.replacing),
            "describing": request(&story.describing),
            "license": license(&story.license),
            "renewal": license(&story.renewal),
            "proof": proof(&story.deactivation, &device_key),
            "cancelled_proof": proof(&story.cancelled, &device_key),
            "receipt_for_proof": receipt(&story.proof_receipt),
            "receipt_for_code": receipt(&story.code_receipt),
            "revocation": message(&story.revocation, json!({
                "handle": story.revocation.handle.to_string(),
                "device_key": story.revocation.device_key.to_string(),
                "reason": story.revocation.reason,
                "time": story.revocation.time.unix_seconds(),
                "page": story.revocation.page.to_string(),
            })),
            "check_in": check_in(&story.check_in),
            "describing_check_in": check_in(&story.describing_check_in),
            "preflight": message(&story.preflight, json!({
                "handle": story.preflight.handle.to_string(),
                "nonce": hex(&story.preflight.nonce),
                "time": story.preflight.time.unix_seconds(),
            })),
            "recovery": message(&story.recovery, json!({
                "device_key": story.recovery.device_key.to_string(),
                "product": story.recovery.product,
                "request": hex(&story.recovery.request),
                "time": story.recovery.time.unix_seconds(),
            })),
            "activation_file": {
                "bytes": hex(&story.second_request.to_bytes()),
                "text": story.second_request.to_text(),
            },
            "answer": {"bytes": hex(&story.reply), "text": story.reply_text},
        }),
    );
}

#[test]
fn refused() {
    let story = story();
    let roots = Roots::new([story.root.public_key()]);
    let certificate = story.certificate.as_bytes();
    let head = 4 + 8 + 2;
    let license = story.license.as_bytes();
    let body = &license[head + certificate.len()..license.len() - 64];
    let media_type = "application/vnd.nodelock.license.v1";
    let issued = |body: &[u8]| envelope(&story.issuer_key, certificate, 1, media_type, body);
    assert_eq!(issued(body), license, "what is forged with the right keys is the license");

    let edited = |at: usize, change: u8| {
        let mut bytes = license.to_vec();
        bytes[at] ^= change;
        bytes
    };
    // The extensions are the last byte of the body: an empty list.
    let with_extension = |critical: u8| [&body[..body.len() - 1], &[1, 77, critical, 1, 0xff]].concat();
    let mut long_length = body[..8].to_vec();
    long_length.extend([0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let mut weak_device = body.to_vec();
    let device_at = 8 + 1 + PRODUCT.len() + 4;
    weak_device[device_at..device_at + 32].copy_from_slice(&[0; 32]);
    // 2^252 + 27742317777372353535851937790883648493, little-endian: S + L verifies where S is not checked.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut malleated = license.to_vec();
    let at = malleated.len() - 32;
    let mut carry = 0;
    for (byte, add) in malleated[at..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    let stranger = SigningKey::generate(&SeededRandom::new("a stranger")).unwrap();
    let chained = CertificateTerms::new(stranger.public_key(), "Stranger", Timestamp::MIN, Timestamp::MAX)
        .with_longest_lease_days(400)
        .with_endless(true);
    let by_issuer = chained.clone().sign(&story.issuer_key).unwrap();
    let mut terms = chained.clone().with_longest_lease_days(30).with_endless(false);
    terms.issuer = story.issuer_key.public_key();
    let short_leases = terms.sign(&story.root).unwrap();
    let issued_at = START + 366 * 86_400;
    let start_bytes = (START as u32).to_le_bytes();
    let position = body.windows(4).position(|w| w == start_bytes).unwrap();
    let mut late_body = body.to_vec();
    late_body[position..position + 4].copy_from_slice(&(issued_at as u32).to_le_bytes());

    let licensee = story.license.to_text().replace("Licensee: Jörg", "Licensee: Jane");
    let relabeled = story.license.to_text().replace("NODELOCK LICENSE", "NODELOCK REVOCATION");
    for (text, changed) in [(&licensee, "Licensee: Jörg Müller & Söhne"), (&relabeled, "BEGIN: LICENSE")] {
        let license = License::verify(text.as_bytes(), &roots).unwrap();
        assert_eq!(license.changed_headers().iter().map(ToString::to_string).collect::<Vec<_>>(), [changed]);
    }
    let cases: Vec<(&str, Vec<u8>, ErrorKind)> = vec![
        ("a bit of the body flipped", edited(license.len() - 70, 1), ErrorKind::BadSignature),
        ("a bit of the signature flipped", edited(license.len() - 1, 1), ErrorKind::BadSignature),
        ("a bit of the certificate's body flipped", edited(head + 20, 1), ErrorKind::BadSignature),
        ("an unknown key id", edited(4, 1), ErrorKind::UntrustedSigner),
        ("a later version", edited(2, 3), ErrorKind::UnsupportedVersion),
        ("an unknown kind", edited(3, 0x40), ErrorKind::WrongType),
        ("cut off by a byte", license[..license.len() - 1].to_vec(), ErrorKind::BadSignature),
        ("cut off in the signer", license[..10].to_vec(), ErrorKind::Malformed),
        ("a signature scalar plus the group order", malleated, ErrorKind::BadSignature),
        ("a byte left over in the body", issued(&[body, &[0]].concat()), ErrorKind::Malformed),
        ("a length beyond the body", issued(&long_length), ErrorKind::Malformed),
        ("an unknown critical extension", issued(&with_extension(1)), ErrorKind::CriticalExtension),
        ("a device key of small order", issued(&weak_device), ErrorKind::WeakKey),
        (
            "a license signed as another kind",
            envelope(&story.issuer_key, certificate, 1, "application/vnd.nodelock.revocation.v1", body),
            ErrorKind::BadSignature,
        ),
        ("issued after the certificate ended", issued(&late_body), ErrorKind::CertificateExpired),
        (
            "a lease longer than the certificate allows",
            envelope(&story.issuer_key, short_leases.as_bytes(), 1, media_type, body),
            ErrorKind::LeaseTooLong,
        ),
        ("signed by a stranger", envelope(&stranger, &[], 1, media_type, body), ErrorKind::UntrustedSigner),
        (
            "a certificate made by an issuer",
            envelope(&stranger, by_issuer.as_bytes(), 1, media_type, body),
            ErrorKind::UntrustedSigner,
        ),
        (
            "a certificate of another key",
            envelope(&stranger, certificate, 1, media_type, body),
            ErrorKind::UntrustedSigner,
        ),
        ("a receipt", story.proof_receipt.as_bytes().to_vec(), ErrorKind::WrongType),
        ("a bundle", story.reply.clone(), ErrorKind::WrongType),
        ("nothing", Vec::new(), ErrorKind::Malformed),
    ];
    assert!(License::verify(&issued(&with_extension(0)), &roots).is_ok(), "other extensions are passed over");
    let refused: Vec<Value> = cases
        .into_iter()
        .map(|(what, input, kind)| {
            let error = License::verify(&input, &roots).expect_err(what);
            assert_eq!(error.kind(), kind, "{what}: {error}");
            json!({"what": what, "license": hex(&input), "error": format!("{kind:?}")})
        })
        .collect();
    settle(
        "refused.json",
        &json!({
            "root": story.root.public_key().to_string(),
            "accepted": [
                {"what": "an unknown extension that is not critical", "license": hex(&issued(&with_extension(0)))},
                {"what": "a header that disagrees", "license": hex(licensee.as_bytes())},
                {"what": "a label that disagrees", "license": hex(relabeled.as_bytes())},
            ],
            "refused": refused,
        }),
    );
}
