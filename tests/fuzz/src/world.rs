//! A vendor and a device with everything that they ever say: the same in every run.
//!
//! The vendor's keys and its certificate are those of `tests/vectors/messages.json`, so that the messages there are
//! genuine here too.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bincode::Options as _;
use nodelock::{
    Certificate, CheckInBody, Client, Clock, Kind, Page, PreflightBody, Reason, Result, Roots, SigningKey,
    Store, Timestamp, Transport,
    authority::{
        ActivationFile, Issuer, LicenseTerms, Records, ReleaseClaim, SeatName,
        decision::{self, Decision, Ledger as _, Moment, Refusal, Step},
    },
    fingerprint::{Component, Probe},
    testing::{MemoryLedger, SeededRandom},
};
use ring::{
    digest::{SHA256, digest},
    signature::Ed25519KeyPair,
};
use serde_json::Value;

/// The messages of the vectors.
pub const VECTORS: &str = include_str!("../../vectors/messages.json");
/// The product of the vectors.
pub const PRODUCT: &str = "Example Editor";
/// The time at which everything happens, that of the vectors: 2027-01-15T08:00:00Z.
pub const NOW: u64 = 1_800_000_000;

/// Every kind of message; one more than its place is its number.
pub const KINDS: [Kind; 9] = [
    Kind::License,
    Kind::ActivationRequest,
    Kind::DeactivationProof,
    Kind::DeactivationReceipt,
    Kind::Revocation,
    Kind::IssuerCertificate,
    Kind::CheckInRequest,
    Kind::PreflightRequest,
    Kind::RecoveryRequest,
];

/// A genuine message.
pub struct Message {
    /// What it is, for people.
    pub name: &'static str,
    /// Its envelope.
    pub envelope: Vec<u8>,
}

impl Message {
    /// Its place in [`KINDS`].
    pub fn kind(&self) -> usize {
        usize::from(self.envelope[3]) - 1
    }

    /// Whether there is room for what an envelope has around its body.
    pub fn is_whole(&self) -> bool {
        self.envelope.len() >= 14 && self.envelope.len() >= self.body_start() + 64
    }

    /// Its body.
    pub fn body(&self) -> &[u8] {
        &self.envelope[self.body_start()..self.envelope.len() - 64]
    }

    fn body_start(&self) -> usize {
        if World::is_authoritys(KINDS[self.kind()]) {
            14 + usize::from(u16::from_le_bytes([self.envelope[12], self.envelope[13]]))
        } else {
            4
        }
    }
}

/// Keys, genuine messages, and the states that a store and a ledger can be in.
pub struct World {
    pub root: SigningKey,
    pub roots: Roots,
    pub device: SigningKey,
    pub issuer: Issuer,
    issuer_key: SigningKey,
    certificate: Certificate,
    device_file: Vec<u8>,
    /// One of each kind, and more of some.
    pub messages: Vec<Message>,
    /// The bodies of `state` files; the first is none.
    pub states: Vec<Vec<u8>>,
    /// Empty, granted, held, returned, released by the vendor.
    pub ledgers: Vec<MemoryLedger>,
    /// The code of the seat that was given up.
    pub code: String,
    pub license_key: String,
}

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn now() -> Timestamp {
    Timestamp::from_unix_seconds(NOW)
}

/// What the vendor signed is known by these.
static ROOTS: OnceLock<Arc<Roots>> = OnceLock::new();

fn moment() -> Moment {
    Moment {
        now: now(),
        token: [9; 16],
        page: Page::from_bytes([9; 8]),
        longest_lease: Duration::from_secs(400 * 86_400),
        roots: ROOTS.get().cloned().unwrap_or_default(),
    }
}

fn machine() -> Probe {
    let values = [
        (Component::OsId, "0af10000000000000000000000000001".to_owned()),
        (Component::DiskSerial, "disk 2718281".to_owned()),
        (Component::Mac, "f0:4d:a2:01:02:11".to_owned()),
        (Component::Model, "Framework Laptop 13".to_owned()),
    ];
    Probe::from_values(values, false, false)
}

/// Bytes of hex digits.
fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().expect("hex digits");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits"))
        .collect()
}

/// The key pair of a seed.
fn key(seed: &[u8]) -> SigningKey {
    use ring::signature::KeyPair as _;
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes");
    SigningKey::from_bytes(&[seed, pair.public_key().as_ref()].concat()).expect("a pair")
}

/// What a file of several messages begins with.
pub const BUNDLE: &[u8] = b"NL\x01\x10";

/// Several messages as one file.
pub fn bundle(messages: &[&[u8]]) -> Vec<u8> {
    let list = bincode::DefaultOptions::new().serialize(&messages.to_vec()).expect("bytes can be encoded");
    [BUNDLE, &list[..]].concat()
}

/// Makes a decision over a ledger and stores it, as [`decision::settle`] does. None when it would take the derivation
/// of a code's commitment, which is too slow for a fuzzer.
pub fn settle(
    ledger: &mut MemoryLedger,
    act: impl Fn(&Records, &Moment) -> Result<Step, Refusal>,
) -> Option<Result<Decision, Refusal>> {
    let mut records = Records::new();
    for _ in 0..64 {
        let verifications = match act(&records, &moment()) {
            Err(refusal) => return Some(Err(refusal)),
            Ok(Step::Needs(lookup)) => {
                for query in lookup.queries {
                    let found = ledger.find(&query).expect("a ledger in memory answers");
                    records.add(query, found).expect("a ledger answers what was asked");
                }
                lookup.verifications
            }
            Ok(Step::Decided(decision)) => {
                for change in decision.store.iter().cloned() {
                    ledger.store(change).expect("a decision inserts no seat twice");
                }
                if decision.verifications.is_empty() {
                    return Some(Ok(*decision));
                }
                records = records.facts();
                decision.verifications
            }
        };
        if verifications.iter().any(|verification| verification.is_slow()) {
            return None;
        }
        records.run(&verifications);
    }
    panic!("a decision comes to an end");
}

impl World {
    pub(crate) fn new() -> Self {
        let vectors: Value = serde_json::from_str(VECTORS).expect("the vectors are JSON");
        let root = key(&bytes(&vectors["keys"]["root"]["seed"]));
        let issuer_key = key(&bytes(&vectors["keys"]["issuer"]["seed"]));
        let roots = Roots::new([root.public_key()]);
        ROOTS.get_or_init(|| Arc::new(roots.clone()));
        let certificate = bytes(&vectors["certificate"]["envelope"]);
        let certificate = Certificate::verify(&certificate, &roots).expect("the vector's certificate");
        let issuer =
            Issuer::certified(issuer_key.clone(), certificate.clone()).expect("the issuer's certificate");
        let license_key = vectors["request"]["fields"]["license_key"].as_str().expect("text").to_owned();

        let mut world = Self {
            device: key(&bytes(&vectors["keys"]["device"]["seed"])),
            root,
            roots,
            issuer,
            issuer_key,
            certificate,
            device_file: Vec::new(),
            messages: Vec::new(),
            states: vec![Vec::new()],
            ledgers: Vec::new(),
            code: String::new(),
            license_key,
        };
        let file = [b"NLDK\x01\0\0\0", &world.device.to_bytes()[..]].concat();
        world.device_file = [&file[..], digest(&SHA256, &file).as_ref()].concat();
        world.live(&vectors);
        world
    }

    /// The life of the device's seats, from which all messages and states are.
    fn live(&mut self, vectors: &Value) {
        let mut terms = LicenseTerms::new("0102030405060708".parse().expect("an id"), PRODUCT, 1, now());
        terms.licensee = "Jane Doe".into();
        let id = terms.id;
        let empty = MemoryLedger::new(terms, &self.license_key);
        let random = SeededRandom::new("device");

        // A seat, and giving it up.
        let store = self.store(&[]);
        let client = self.builder(&store, SeededRandom::new("device")).build().expect("a client");
        let first = client
            .begin(nodelock::ActivationRequestOptions::of_key(&self.license_key).metadata("host", "workshop"))
            .expect("a request");
        self.keep_state(&store);
        let request = ActivationFile::read(&first.to_bytes()).expect("a request");
        let name = SeatName::from(request.request());
        let mut granted = empty.clone();
        let act = |records: &Records, moment: &Moment| decision::activate(&request, None, records, moment);
        let reply = self.reply(&mut granted, act);
        let license = client.accept(&reply).expect("a license").license().expect("it is active").clone();
        self.keep_state(&store);
        let deactivation = client.deactivate_offline(Reason::Moved).expect("a proof");
        self.code = deactivation.code().to_string();
        self.keep_state(&store);

        let claim = ReleaseClaim::read(deactivation.proof()).expect("a proof");
        let act = |records: &Records, moment: &Moment| decision::redeem(&claim, records, moment);
        let mut held = granted.clone();
        held.terms[0].deactivations = Some(0);
        self.reply(&mut held, act);
        let mut returned = granted.clone();
        let receipt = self.reply(&mut returned, act);
        let mut released = granted.clone();
        let act = |records: &Records, moment: &Moment| decision::release(name, "lost", records, moment);
        let revocation = self.reply(&mut released, act);
        let mut renewed = granted.clone();
        let act = |records: &Records, moment: &Moment| decision::renew(name, records, moment);
        let renewal = self.reply(&mut renewed, act);

        // Another, with the proof of the first coming along.
        let second = client.begin(nodelock::ActivationRequestOptions::new()).expect("a request");
        self.keep_state(&store);
        let cancelled = client.cancel().expect("it is pending");
        self.keep_state(&store);
        client.accept(&receipt).expect("a receipt");
        self.keep_state(&store);
        let revoked = self.store(&self.states[2]);
        let revoked_client = self.client(&revoked);
        revoked_client.accept(&revocation).expect("a revocation");
        self.keep_state(&revoked);
        let lost = self.store(&[]);
        let recovering = self.builder(&lost, random).build().expect("a client");
        let recovery = recovering.recover_offline().expect("a request");
        self.keep_state(&lost);

        let fingerprint = request.request().fingerprint.clone();
        let vector = |name: &str| Message { name: "", envelope: bytes(&vectors[name]["envelope"]) };
        let mut check_in: CheckInBody =
            bincode::DefaultOptions::new().deserialize(vector("check_in").body()).expect("a check-in");
        check_in.handle = license.handle;
        check_in.sync_token = license.sync_token;
        check_in.revision = license.revision;
        check_in.fingerprint = fingerprint;
        let mut preflight: PreflightBody =
            bincode::DefaultOptions::new().deserialize(vector("preflight").body()).expect("a preflight");
        preflight.handle = license.handle;
        let encode = bincode::DefaultOptions::new();
        let check_in = self.sign(6, &encode.serialize(&check_in).expect("a body"), false);
        let preflight = self.sign(7, &encode.serialize(&preflight).expect("a body"), false);

        let message = |name, envelope: &[u8]| Message { name, envelope: envelope.to_vec() };
        self.messages = vec![
            message("license", license.as_bytes()),
            message("request", first.request().as_bytes()),
            message("proof", deactivation.proof()),
            message("receipt", &receipt),
            message("revocation", &revocation),
            message("certificate", self.certificate.as_bytes()),
            message("check-in", &check_in),
            message("preflight", &preflight),
            message("recovery", recovery.recovery().expect("it recovers").as_bytes()),
            message("renewal", &renewal),
            message("second request", second.request().as_bytes()),
            message("recovering request", recovery.request().as_bytes()),
            message("cancelled proof", cancelled.proof()),
        ];
        debug_assert_eq!(granted.terms[0].id, id);
        self.ledgers = vec![empty, granted, held, returned, released];
    }

    fn reply(
        &self,
        ledger: &mut MemoryLedger,
        act: impl Fn(&Records, &Moment) -> Result<Step, Refusal>,
    ) -> Vec<u8> {
        let decision = settle(ledger, act).expect("no code is derived").expect("nothing is refused");
        self.issuer.reply(&decision, now()).expect("it can be signed").to_bytes()
    }

    fn keep_state(&mut self, store: &Store) {
        self.states.push(store.read().expect("it can be read").body.clone().expect("something was stored"));
    }

    /// Whether an authority signs that kind.
    pub fn is_authoritys(kind: Kind) -> bool {
        matches!(kind, Kind::License | Kind::DeactivationReceipt | Kind::Revocation | Kind::IssuerCertificate)
    }

    /// The envelope of the kind at that place in [`KINDS`] around any body, with a signature that holds: the device's,
    /// the issuer's if it is `certified`, the root's otherwise.
    pub fn sign(&self, kind: usize, body: &[u8], certified: bool) -> Vec<u8> {
        let media_type = KINDS[kind].media_type();
        let mut envelope = vec![b'N', b'L', 1, kind as u8 + 1];
        let mut key = &self.device;
        if Self::is_authoritys(KINDS[kind]) {
            let certified = certified && KINDS[kind] != Kind::IssuerCertificate;
            key = if certified { &self.issuer_key } else { &self.root };
            let certificate = if certified { self.certificate.as_bytes() } else { &[] };
            envelope.extend_from_slice(key.public_key().id().as_bytes());
            envelope.extend_from_slice(&(certificate.len() as u16).to_le_bytes());
            envelope.extend_from_slice(certificate);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&key.to_bytes()[..32]).expect("a key");
        let head = format!("DSSEv1 {} {media_type} {} ", media_type.len(), body.len());
        let signature = pair.sign(&[head.as_bytes(), body].concat());
        [&envelope, body, signature.as_ref()].concat()
    }

    /// A store in memory with the device's key and that body; without a state file for an empty one.
    pub fn store(&self, body: &[u8]) -> Store {
        let store = Store::in_memory();
        {
            let mut writer = store.write().expect("it is empty");
            writer.create_device_key(&self.device_file).expect("there is none");
            if !body.is_empty() {
                writer.commit(body).expect("memory takes it");
            }
        }
        store
    }

    /// What the device's key is kept in.
    pub fn device_file(&self) -> &[u8] {
        &self.device_file
    }

    /// A client on that store, with a clock that stands still.
    pub fn client(&self, store: &Store) -> Client {
        self.builder(store, SeededRandom::new("client")).build().expect("a client")
    }

    /// The same, with a transport and no second attempt.
    pub fn online_client(&self, store: &Store, transport: impl Transport + 'static) -> Client {
        let builder = self.builder(store, SeededRandom::new("client"));
        let second = std::time::Duration::from_secs(1);
        builder
            .authority(
                nodelock::Authority::new("https://licenses.example", transport).timeout(second).attempts(1),
            )
            .build()
            .expect("a client")
    }

    fn builder(&self, store: &Store, random: SeededRandom) -> nodelock::ClientBuilder {
        Client::builder(PRODUCT, self.roots.clone())
            .store(store.clone())
            .clock(At(now()))
            .random(random)
            .probe(machine)
    }
}
