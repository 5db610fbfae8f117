//! Hostile and damaged files of every kind: each is refused with the kind of error that fits, takes no more memory than
//! it is long, and leaves the store byte for byte as it was (docs/THREATS.md, Test 15).

#![allow(unsafe_code, reason = "an allocator that counts is an unsafe trait; it is in this program only")]

mod support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::{
    ActivationRequest, Certificate, Client, DeactivationProof, DeactivationReceipt, ErrorKind, Kind, License,
    LicenseId, PublicKey, Reason, Result, Revocation, Roots, SigningKey, Store, Timestamp, Verdict,
    authority::{
        ActivationFile, CertificateTerms, CheckInClaim, Evidence, Issuer, PreflightClaim, ReleaseClaim,
        TypedCode,
    },
    code::{DeactivationCode, Handle, LicenseKey, base32, check_typing},
    testing::SeededRandom,
};
use ring::digest::{SHA256, digest};
use support::{
    dice::Dice,
    disk::Disk,
    forge::{Forger, envelope, signature},
    vendor::{Vendor, builder},
};

// Memory

/// The system's allocator, and how much each thread has from it.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    let held = HELD.get() + change;
    HELD.set(held);
    MOST.set(MOST.get().max(held));
}

// SAFETY: every call goes to the system's allocator as it is; the counters are plain numbers of this thread, made
// without allocating.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the promises of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the promises of this very function.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that `act` held at a time, beyond what there was before.
fn memory_of(act: impl FnOnce()) -> usize {
    let before = HELD.get();
    MOST.set(before);
    act();
    usize::try_from(MOST.get() - before).unwrap()
}

/// What may be held for an input: itself a few times over (as text, decoded, taken apart; the places of unreadable
/// characters in a text take most), and a list of as many empty messages as one file may hold, of some 200 bytes each.
fn fair_share(input: &[u8]) -> usize {
    12 * input.len() + 36 * 1024
}

// The messages

/// One genuine message of every kind, of one machine's life, and the keys to forge more: the same in every run.
struct World {
    vendor: Vendor,
    root: SigningKey,
    device: SigningKey,
    messages: BTreeMap<&'static str, Message>,
    /// The disk with a pending request, whose license is the one above, and an outstanding seat.
    disk: Disk,
}

#[derive(Clone)]
struct Message {
    kind: Kind,
    bytes: Vec<u8>,
    text: String,
}

impl Message {
    /// Every form that a message comes in.
    fn forms(&self) -> [(&'static str, Vec<u8>); 4] {
        [
            ("bytes", self.bytes.clone()),
            ("text", self.text.clone().into_bytes()),
            ("base64url", URL_SAFE_NO_PAD.encode(&self.bytes).into_bytes()),
            ("base32", base32::encode(&self.bytes).into_bytes()),
        ]
    }
}

/// Absolute paths, as a store makes them.
const PLACE: &str = if cfg!(windows) { "C:/vendor/product" } else { "/var/lib/vendor/product" };
const TOMBSTONES: &str = if cfg!(windows) { "C:/user/state/product" } else { "/home/user/state/product" };

fn store(disk: &Disk) -> Store {
    Store::in_directory(PLACE, Some(TOMBSTONES.into())).with_file_system(Arc::new(disk.clone()))
}

impl World {
    fn new() -> Self {
        let root = SigningKey::generate(&SeededRandom::new("root")).unwrap();
        let mut vendor = Vendor::new();
        let key = SigningKey::generate(&SeededRandom::new("issuer")).unwrap();
        let certificate = CertificateTerms::new(
            key.public_key(),
            "Example Ltd",
            nodelock::Clock::now(&vendor.clock),
            nodelock::Clock::now(&vendor.clock).plus_days(365),
        )
        .with_endless(true)
        .sign(&root)
        .unwrap();
        vendor.roots = Roots::new([root.public_key()]);
        vendor.set_license_id(LicenseId::from_bytes(*b"the same"));
        vendor.issuer = Issuer::certified(key, certificate.clone()).unwrap();

        let disk = Disk::new();
        let client = Self::client_on(&vendor, &disk);
        let first = client
            .begin(
                nodelock::ActivationRequestOptions::of_key(vendor.license_key()).metadata("host", "machine"),
            )
            .unwrap();
        let answer = vendor.activate(&first.to_bytes()).unwrap();
        let old_license = client.accept(&answer).unwrap().license().unwrap().clone();
        let given_up = client.deactivate_offline(Reason::Moved).unwrap();
        let receipt = vendor.redeem(given_up.proof()).unwrap();
        let second = client.begin(vendor.license_key()).unwrap();
        let answer = vendor.activate(&second.to_bytes()).unwrap();
        let trial = disk.fork();
        let license = Self::client_on(&vendor, &trial).accept(&answer).unwrap().license().unwrap().clone();
        let revocation = vendor.clone().force_release(license.handle, "lost");

        let device_file = disk.files()[&Path::new(PLACE).join("device.key")].clone();
        let device = SigningKey::from_bytes(&device_file[8..72]).unwrap();
        let message = |kind, bytes: &[u8], text: String| Message { kind, bytes: bytes.to_vec(), text };
        let messages = BTreeMap::from([
            ("license", message(Kind::License, license.as_bytes(), license.to_text())),
            ("old license", message(Kind::License, old_license.as_bytes(), old_license.to_text())),
            ("request", message(Kind::ActivationRequest, first.request().as_bytes(), first.to_text())),
            ("proof", message(Kind::DeactivationProof, given_up.proof(), given_up.to_text())),
            ("receipt", message(Kind::DeactivationReceipt, receipt.as_bytes(), receipt.to_text())),
            ("revocation", message(Kind::Revocation, revocation.as_bytes(), revocation.to_text())),
            ("certificate", message(Kind::IssuerCertificate, certificate.as_bytes(), certificate.to_text())),
        ]);
        Self { vendor, root, device, messages, disk }
    }

    fn client_on(vendor: &Vendor, disk: &Disk) -> Client {
        builder(vendor.roots.clone(), "machine", store(disk), vendor.clock.clone())
            .random(SeededRandom::new("machine"))
            .build()
            .unwrap()
    }

    fn client(&self) -> Client {
        Self::client_on(&self.vendor, &self.disk)
    }

    /// The reader of one kind of message; gives the envelope that was accepted.
    fn read(&self, kind: Kind, input: &[u8]) -> Result<Vec<u8>> {
        let roots = &self.vendor.roots;
        Ok(match kind {
            Kind::License => License::verify(input, roots)?.as_bytes().to_vec(),
            Kind::ActivationRequest => ActivationRequest::verify(input)?.as_bytes().to_vec(),
            Kind::DeactivationProof => {
                DeactivationProof::verify(input, &self.device.public_key())?.as_bytes().to_vec()
            }
            Kind::DeactivationReceipt => DeactivationReceipt::verify(input, roots)?.as_bytes().to_vec(),
            Kind::Revocation => Revocation::verify(input, roots)?.as_bytes().to_vec(),
            Kind::IssuerCertificate => Certificate::verify(input, roots)?.as_bytes().to_vec(),
            _ => unreachable!("there are six kinds"),
        })
    }

    /// Everything of the crate that takes in something from outside. Returns the envelopes that were accepted.
    fn read_everywhere(&self, input: &[u8]) -> Vec<Vec<u8>> {
        let mut accepted: Vec<_> = KINDS.iter().filter_map(|kind| self.read(*kind, input).ok()).collect();
        if let Ok(file) = ActivationFile::read(input) {
            accepted.push(file.request().as_bytes().to_vec());
        }
        if let Ok(claim) = ReleaseClaim::read(input) {
            let proof = Evidence::Proof(Box::new(claim)).to_bytes();
            let proof = DeactivationProof::verify(&proof, &self.device.public_key());
            accepted.extend(proof.map(|proof| proof.as_bytes().to_vec()));
        }
        let _ = CheckInClaim::read(input);
        let _ = PreflightClaim::read(input);
        let _ = Evidence::from_bytes(input);
        let _ = SigningKey::from_bytes(input);
        let text = String::from_utf8_lossy(input);
        let _ = DeactivationCode::read(&text);
        let _ = TypedCode::read(&text);
        let _ = text.parse::<LicenseKey>();
        let _ = text.parse::<Handle>();
        let _ = text.parse::<PublicKey>();
        let _ = text.parse::<LicenseId>();
        let _ = text.parse::<Timestamp>();
        let _ = base32::decode(&text, input.len());
        let _ = check_typing(&text);
        accepted
    }

    /// An envelope of `kind` around any body, with the right signature: by the device, or by the root itself.
    fn forge(&self, kind: Kind, body: &[u8]) -> Vec<u8> {
        let number = self.messages.values().find(|message| message.kind == kind).unwrap().bytes[3];
        if matches!(kind, Kind::ActivationRequest | Kind::DeactivationProof) {
            let signature = signature(&self.device, kind.media_type(), body);
            return [&[b'N', b'L', 1, number], body, &signature].concat();
        }
        envelope(&self.root, b"", number, kind.media_type(), body)
    }
}

const KINDS: [Kind; 6] = [
    Kind::License,
    Kind::ActivationRequest,
    Kind::DeactivationProof,
    Kind::DeactivationReceipt,
    Kind::Revocation,
    Kind::IssuerCertificate,
];

/// Where the parts of an envelope begin: its certificate's length, its certificate, its body, its signature.
fn parts(message: &Message) -> [usize; 4] {
    let bytes = &message.bytes;
    let signature = bytes.len() - 64;
    if matches!(message.kind, Kind::ActivationRequest | Kind::DeactivationProof) {
        return [4, 4, 4, signature];
    }
    [12, 14, 14 + usize::from(u16::from_le_bytes([bytes[12], bytes[13]])), signature]
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

// Messages

/// How much of a form is needed. Behind the END NODELOCK of a text stand words for people.
fn needed(whole: &[u8]) -> usize {
    let end = b"-----END NODELOCK";
    match whole.windows(end.len()).rposition(|bytes| bytes == end) {
        Some(start) => start + end.len(),
        None => whole.trim_ascii_end().len(),
    }
}

#[test]
fn every_truncation_of_every_form_is_refused() {
    let world = World::new();
    for (name, message) in &world.messages {
        for (form, whole) in message.forms() {
            let end = needed(&whole);
            for length in 0..end {
                let refused = world.read(message.kind, &whole[..length]);
                let kind = refused.expect_err("it is truncated").kind();
                let expected: &[ErrorKind] = match form {
                    "text" => &[ErrorKind::Malformed],
                    // What remains has a signature's length at the end of it.
                    _ => &[ErrorKind::Malformed, ErrorKind::BadSignature],
                };
                assert!(expected.contains(&kind), "{name} as {form}, {length} of {end} bytes: {kind:?}");
            }
            assert_eq!(world.read(message.kind, &whole).unwrap(), message.bytes, "{name} as {form}");
        }
    }
}

#[test]
fn every_flipped_bit_of_an_envelope_is_refused_for_what_it_hit() {
    let world = World::new();
    for (name, message) in &world.messages {
        let [length, certificate, body, _] = parts(message);
        for bit in 0..message.bytes.len() * 8 {
            let kind =
                world.read(message.kind, &flipped(&message.bytes, bit)).expect_err("a bit is flipped").kind();
            let at = bit / 8;
            let is_expected = match at {
                0 | 1 => kind == ErrorKind::Malformed,
                2 if bit % 8 == 0 => kind == ErrorKind::Malformed,
                2 => kind == ErrorKind::UnsupportedVersion,
                // A device's message is too short for one that names its signer.
                3 => matches!(kind, ErrorKind::WrongType | ErrorKind::Malformed),
                _ if at < length => kind == ErrorKind::UntrustedSigner,
                // Another length is another division of the rest.
                _ if at < certificate => matches!(
                    kind,
                    ErrorKind::Malformed | ErrorKind::BadSignature | ErrorKind::UntrustedSigner
                ),
                _ if at < body => matches!(
                    kind,
                    ErrorKind::Malformed
                        | ErrorKind::UnsupportedVersion
                        | ErrorKind::WrongType
                        | ErrorKind::UntrustedSigner
                        | ErrorKind::BadSignature
                ),
                _ => kind == ErrorKind::BadSignature,
            };
            assert!(is_expected, "{name}, bit {bit}: {kind:?}");
        }
    }
}

#[test]
fn a_flipped_bit_of_a_text_form_is_refused_or_says_the_same() {
    let world = World::new();
    let expected = [
        ErrorKind::Malformed,
        ErrorKind::UnsupportedVersion,
        ErrorKind::WrongType,
        ErrorKind::UntrustedSigner,
        ErrorKind::BadSignature,
    ];
    for (name, message) in &world.messages {
        for (form, whole) in &message.forms()[1..] {
            for bit in (0..whole.len() * 8).step_by(3) {
                match world.read(message.kind, &flipped(whole, bit)) {
                    // A letter in the other case, a space for another.
                    Ok(accepted) => assert_eq!(accepted, message.bytes, "{name} as {form}, bit {bit}"),
                    Err(error) => {
                        let kind = error.kind();
                        assert!(expected.contains(&kind), "{name} as {form}, bit {bit}: {kind:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_kind_is_refused_where_another_is_expected() {
    let world = World::new();
    for (name, message) in &world.messages {
        for (form, whole) in message.forms() {
            for kind in KINDS.into_iter().filter(|kind| *kind != message.kind) {
                let refused = world.read(kind, &whole).unwrap_err().kind();
                assert_eq!(refused, ErrorKind::WrongType, "{name} as {form} for {kind:?}");
            }
        }
        if message.kind != Kind::ActivationRequest {
            let refused = ActivationFile::read(&message.bytes).unwrap_err().kind();
            assert_eq!(refused, ErrorKind::WrongType, "{name} as an activation file");
        }
        if message.kind != Kind::DeactivationProof {
            let refused = ReleaseClaim::read(&message.bytes).unwrap_err().kind();
            assert_eq!(refused, ErrorKind::WrongType, "{name} as a deactivation file");
        }
    }
}

#[test]
fn every_kind_of_a_later_version_is_called_that() {
    let world = World::new();
    for (name, message) in &world.messages {
        // The base64 of those above begins otherwise, and a text is searched for this beginning.
        for version in [2, 3, 63] {
            let mut bytes = message.bytes.clone();
            bytes[2] = version;
            let label = message.text.lines().next().unwrap().replace("BEGIN", "END");
            let text = format!(
                "{}\n\n{}\n{label}\n",
                message.text.lines().next().unwrap(),
                base64::engine::general_purpose::STANDARD.encode(&bytes)
            );
            let later = Message { bytes, text, ..message.clone() };
            for (form, whole) in later.forms() {
                let refused = world.read(message.kind, &whole).unwrap_err().kind();
                assert_eq!(refused, ErrorKind::UnsupportedVersion, "{name} as {form}, version {version}");
            }
        }
    }
    // A bundle, and a kind that does not exist yet.
    for (bytes, kind) in [
        (b"NL\x02\x10\x00", ErrorKind::UnsupportedVersion),
        (b"NL\xff\x10\x00", ErrorKind::UnsupportedVersion),
        (b"NL\x01\x7f\x00", ErrorKind::WrongType),
    ] {
        assert_eq!(world.read(Kind::License, bytes).unwrap_err().kind(), kind);
        assert_eq!(ActivationFile::read(bytes).unwrap_err().kind(), kind);
    }
}

#[test]
fn every_kind_that_is_too_large_is_not_read() {
    let world = World::new();
    for kind in KINDS {
        // No input of any kind is longer.
        let long = [b"NL\x01\x01".as_slice(), &vec![0; 512 * 1024 - 3]].concat();
        for input in [long, vec![b'A'; 512 * 1024 + 1], vec![b' '; 4 << 20]] {
            let mut refused = None;
            let memory = memory_of(|| refused = world.read(kind, &input).err());
            assert_eq!(refused.unwrap().kind(), ErrorKind::TooLarge);
            assert!(memory < 1024, "{memory} bytes for what is not read");
        }
        // A body that is longer than any of its kind, signed as it should be.
        let limit = match kind {
            Kind::License => 128 * 1024,
            Kind::DeactivationProof => 256,
            Kind::ActivationRequest | Kind::Revocation => 4096,
            _ => 1024,
        };
        for (length, expected) in [(limit + 1, ErrorKind::TooLarge), (limit, ErrorKind::Malformed)] {
            let mut body = world.device.public_key().as_bytes().to_vec();
            body.resize(length, 0xff);
            let refused = world.read(kind, &world.forge(kind, &body)).unwrap_err().kind();
            assert_eq!(refused, expected, "{kind:?}, a body of {length} bytes");
        }
    }
}

/// Files of several messages.
#[test]
fn a_damaged_bundle_is_refused_whole() {
    let world = World::new();
    let client = world.client();
    let activation = client.pending().unwrap().unwrap().to_bytes();
    let file = ActivationFile::read(&activation).unwrap();
    assert_eq!(file.releases().len(), 1);
    let answer = world.vendor.clone().activate(&activation).unwrap();
    let cancelled = {
        let disk = world.disk.fork();
        World::client_on(&world.vendor, &disk).cancel().unwrap().to_bytes()
    };
    let before = world.disk.files();
    let refuse = |what: &str, input: &[u8]| {
        for (reader, refused) in [
            ("activation file", ActivationFile::read(input).err()),
            ("deactivation file", ReleaseClaim::read(input).err()),
            ("answer", client.accept(input).err()),
        ] {
            assert!(refused.is_some(), "{what} as {reader}");
        }
        assert!(world.disk.files() == before, "{what}");
    };
    for (name, bundle) in [("request", &activation), ("answer", &answer), ("cancellation", &cancelled)] {
        assert_eq!(bundle[..4], *b"NL\x01\x10", "{name} is a bundle");
        for length in 0..bundle.len() {
            refuse(&format!("{name}, {length} bytes"), &bundle[..length]);
        }
        refuse(&format!("{name} and a byte"), &[bundle, &[0][..]].concat());
        refuse(&format!("{name}, empty"), b"NL\x01\x10\x00");
        refuse(&format!("{name}, too many"), &[b"NL\x01\x10".as_slice(), &[161], &[0; 161]].concat());
    }
    for bit in (4 * 8..answer.len() * 8).step_by(3) {
        refuse(&format!("answer, bit {bit}"), &flipped(&answer, bit));
    }
    // It was none of the readers' fault: the answer itself is taken.
    let disk = world.disk.fork();
    assert!(World::client_on(&world.vendor, &disk).accept(&answer).unwrap().status().is_usable());
}

/// Why the client does not take something in; none if it does.
fn refusal(client: &Client, input: &[u8]) -> Option<ErrorKind> {
    client.accept(input).err().map(|error| error.kind())
}

#[test]
fn no_hostile_input_changes_a_byte_of_the_store() {
    let world = World::new();
    let client = world.client();
    let before = world.disk.files();
    let mut kinds = BTreeSet::new();
    let mut refuse = |what: &str, input: &[u8]| {
        let refused = refusal(&client, input);
        kinds.insert(format!("{:?}", refused.unwrap_or_else(|| panic!("{what} is taken"))));
        // Every file with every byte, and no file more.
        assert!(world.disk.files() == before, "{what}");
    };
    for (name, message) in &world.messages {
        for (form, whole) in message.forms() {
            for length in (0..needed(&whole)).step_by(5) {
                refuse(&format!("{name} as {form}, {length} bytes"), &whole[..length]);
            }
        }
        for bit in (0..message.bytes.len() * 8).step_by(7) {
            refuse(&format!("{name}, bit {bit}"), &flipped(&message.bytes, bit));
        }
        let mut later = message.bytes.clone();
        later[2] = 2;
        refuse(name, &later);
    }
    for kind in KINDS {
        refuse("a body of zeros", &world.forge(kind, &[0; 200]));
        refuse("a long body", &world.forge(kind, &vec![0; 129 * 1024]));
    }
    refuse("too large", &vec![b'x'; 600 * 1024]);
    for name in ["request", "proof", "certificate"] {
        refuse(name, &world.messages[name].bytes);
    }
    refuse("nothing", b"");

    // Genuine messages that are not for this store.
    let license = License::verify(&world.messages["license"].bytes, &world.vendor.roots).unwrap();
    let revocation = Revocation::verify(&world.messages["revocation"].bytes, &world.vendor.roots).unwrap();
    let stranger = SigningKey::generate(&SeededRandom::new("stranger")).unwrap().public_key();
    let root = Forger { key: world.root.clone(), certificate: None };
    let wrong_product = root.sign(&license, |license| license.product = "Another Product".into());
    let wrong_machine = root.sign(&license, |license| license.device_key = stranger);
    let wrong_request = root.sign(&license, |license| license.request_digest = [7; 32]);
    let unknown_seat = root.sign(&revocation, |revocation| revocation.handle = Handle::new(12_345).unwrap());
    for (what, input, kind) in [
        ("another product's license", &wrong_product, ErrorKind::WrongProduct),
        ("another machine's license", &wrong_machine, ErrorKind::WrongMachine),
        ("another request's license", &wrong_request, ErrorKind::WrongRequest),
        ("a license given up", &world.messages["old license"].bytes, ErrorKind::GivenUp),
        ("an unknown seat's revocation", &unknown_seat, ErrorKind::UnknownSeat),
    ] {
        refuse(what, input);
        assert_eq!(refusal(&client, input), Some(kind), "{what}");
    }
    println!("refused with {}", kinds.into_iter().collect::<Vec<_>>().join(", "));
}

/// The same once more where files are files: a digest of all of them, before and after.
#[test]
fn no_hostile_input_changes_the_digest_of_a_real_store() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let root = if cfg!(windows) { "C:/" } else { "/" };
    let real = |path: &Path| folder.path().join(path.strip_prefix(root).unwrap());
    for (path, bytes) in world.disk.files() {
        std::fs::create_dir_all(real(&path).parent().unwrap()).unwrap();
        std::fs::write(real(&path), bytes).unwrap();
    }
    let store = Store::in_directory(real(Path::new(PLACE)), Some(real(Path::new(TOMBSTONES))));
    let client = builder(world.vendor.roots.clone(), "machine", store, world.vendor.clock.clone());
    let client = client.build().unwrap();
    let before = digest_of(folder.path());
    for message in world.messages.values() {
        for (_, whole) in message.forms() {
            for length in [0, 3, whole.len() / 2, whole.len() - 30] {
                assert!(refusal(&client, &whole[..length]).is_some());
            }
            let damaged = flipped(&whole, whole.len() * 4);
            assert!(refusal(&client, &damaged).is_some());
        }
    }
    assert!(refusal(&client, &world.messages["old license"].bytes).is_some());
    assert_eq!(digest_of(folder.path()), before);
    client.accept(&world.messages["license"].bytes).unwrap();
    assert_ne!(digest_of(folder.path()), before, "the digest sees a change");
}

/// One digest of all names and contents below a folder.
fn digest_of(folder: &Path) -> Vec<u8> {
    let mut listing = Vec::new();
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        listing.extend(path.to_str().unwrap().as_bytes());
        let content = if path.is_dir() { digest_of(&path) } else { std::fs::read(&path).unwrap() };
        listing.extend(digest(&SHA256, &content).as_ref());
    }
    digest(&SHA256, &listing).as_ref().to_vec()
}

// The store's own files

/// A disk with an active license.
fn active(world: &World) -> Disk {
    let disk = world.disk.fork();
    World::client_on(&world.vendor, &disk).accept(&world.messages["license"].bytes).unwrap();
    disk
}

/// All that changes something, with what it came to.
fn every_change(world: &World, client: &Client) -> Vec<(&'static str, Option<ErrorKind>)> {
    let kind = |result: Option<nodelock::Error>| result.map(|error| error.kind());
    vec![
        ("begin", kind(client.begin(world.vendor.license_key()).err())),
        ("install", kind(client.accept(&world.messages["license"].bytes).err())),
        ("deactivate", kind(client.deactivate_offline(Reason::Moved).err())),
        ("cancel", kind(client.cancel().err())),
        ("receipt", kind(client.accept(&world.messages["receipt"].bytes).err())),
        ("revocation", kind(client.accept(&world.messages["revocation"].bytes).err())),
    ]
}

/// Every damage to a file that must be found, with the error that it is.
fn damages(good: &[u8], step: usize) -> Vec<(String, Vec<u8>, ErrorKind)> {
    let content = &good[..good.len() - 32];
    let sealed = |content: &[u8]| [content, digest(&SHA256, content).as_ref()].concat();
    let mut later = content.to_vec();
    later[4] = 2;
    let mut foreign = content.to_vec();
    foreign[..4].copy_from_slice(b"ELF\x7f");
    let mut cases = vec![
        ("a later version".to_owned(), sealed(&later), ErrorKind::UnsupportedVersion),
        ("something else".to_owned(), sealed(&foreign), ErrorKind::Corrupt),
        ("a byte more".to_owned(), [good, &[0]].concat(), ErrorKind::Corrupt),
        ("2 MiB".to_owned(), vec![0; 2 << 20], ErrorKind::Corrupt),
    ];
    for length in (0..good.len()).step_by(step) {
        cases.push((format!("{length} bytes"), good[..length].to_vec(), ErrorKind::Corrupt));
    }
    for bit in (0..good.len() * 8).step_by(step * 5) {
        cases.push((format!("bit {bit}"), flipped(good, bit), ErrorKind::Corrupt));
    }
    cases
}

#[test]
fn a_damaged_state_is_a_verdict_and_every_change_is_refused() {
    let world = World::new();
    let disk = active(&world);
    let path = Path::new(PLACE).join("state");
    for (what, bytes, kind) in damages(&disk.files()[&path], 7) {
        disk.put(&path, &bytes);
        let before = disk.files();
        let client = World::client_on(&world.vendor, &disk);
        assert_eq!(*client.check().unwrap().verdict(), Verdict::Damaged { reason: kind }, "{what}");
        for (change, refused) in every_change(&world, &client) {
            assert_eq!(refused, Some(kind), "{what}, {change}");
        }
        assert_eq!(client.outstanding().unwrap_err().kind(), kind, "{what}");
        assert_eq!(client.pending().unwrap_err().kind(), kind, "{what}");
        assert!(disk.files() == before, "{what}");
    }
}

#[test]
fn a_damaged_device_key_is_never_usable_nor_replaced() {
    let world = World::new();
    let disk = active(&world);
    let path = Path::new(PLACE).join("device.key");
    let idle = disk.fork();
    World::client_on(&world.vendor, &idle).deactivate_offline(Reason::Moved).unwrap();
    for (what, bytes, kind) in damages(&disk.files()[&path], 1) {
        disk.put(&path, &bytes);
        let before = disk.files();
        let client = World::client_on(&world.vendor, &disk);
        let status = client.check().unwrap_or_else(|error| panic!("{what} is no verdict: {error}"));
        assert!(!status.is_usable(), "{what}");
        for (change, refused) in every_change(&world, &client) {
            let expected = match change {
                "begin" => ErrorKind::AlreadyActive,
                "cancel" => ErrorKind::NotPending,
                _ => kind,
            };
            assert_eq!(refused, Some(expected), "{what}, {change}");
        }
        assert!(disk.files() == before, "{what}");

        idle.put(&path, &bytes);
        let before = idle.files();
        let refused = World::client_on(&world.vendor, &idle).begin(world.vendor.license_key());
        assert_eq!(refused.unwrap_err().kind(), kind, "{what}");
        assert!(idle.files() == before, "{what}");
    }
}

#[test]
fn a_damaged_tombstone_says_nothing_and_harms_nobody() {
    let world = World::new();
    let active = active(&world);
    let state = Path::new(PLACE).join("state");
    let disk = active.fork();
    World::client_on(&world.vendor, &disk).deactivate_offline(Reason::Moved).unwrap();
    // A copy from before the deactivation, which its tombstone alone gives away.
    disk.put(&state, &active.files()[&state]);
    let verdict = |disk: &Disk| World::client_on(&world.vendor, disk).check().unwrap().verdict().clone();
    assert_eq!(verdict(&disk), Verdict::Deactivated);
    let known = active.files();
    let tombstones: Vec<_> =
        disk.files().into_iter().filter(|(path, _)| path.starts_with(TOMBSTONES)).collect();
    let (path, good) = tombstones.into_iter().find(|(path, _)| !known.contains_key(path)).unwrap();

    let mut cases: Vec<_> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
    cases.extend((0..good.len() * 8).map(|bit| flipped(&good, bit)));
    cases.extend([[good.as_slice(), &[0]].concat(), vec![0; 2 << 20]]);
    for bytes in cases {
        disk.put(&path, &bytes);
        let before = disk.files();
        assert_eq!(verdict(&disk), Verdict::Active);
        assert!(disk.files() == before);
    }
    disk.put(&path, &good);
    assert_eq!(verdict(&disk), Verdict::Deactivated);
}

// Fuzz

impl Dice {
    /// `bytes` with one to four changes; `other` to take pieces from.
    fn mutate(&mut self, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len().max(1));
            let length = self.below(40).min(bytes.len() - at);
            let from = self.below(other.len().max(1));
            let piece = &other[from..other.len().min(from + self.below(40))];
            match self.below(8) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..at + length)),
                2 => drop(bytes.splice(at..at, piece.iter().copied())),
                3 => drop(bytes.splice(at..at + length, piece.iter().copied())),
                // Lengths: a large number in each of its sizes, and a small one.
                4 => {
                    let number: &[u8] = match self.below(4) {
                        0 => &[0xfb, 0xff, 0xff],
                        1 => &[0xfc, 0xff, 0xff, 0xff, 0x7f],
                        2 => &[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                        _ => &[0],
                    };
                    drop(bytes.splice(at..(at + 1).min(bytes.len()), number.iter().copied()));
                }
                5 => bytes[at..at + length].fill(self.below(256) as u8),
                _ if bytes.is_empty() => {}
                _ => bytes[at] ^= 1 << self.below(8),
            }
        }
        bytes
    }
}

#[test]
fn mutated_inputs_make_no_reader_panic_or_accept_what_nobody_signed() {
    let world = World::new();
    let mut corpus: Vec<Vec<u8>> = Vec::new();
    for message in world.messages.values() {
        corpus.extend(message.forms().map(|(_, whole)| whole));
    }
    let pending = world.client().pending().unwrap().unwrap();
    corpus.push(pending.to_bytes());
    corpus.push(world.vendor.clone().activate(&pending.to_bytes()).unwrap());
    corpus.push(pending.to_text().into_bytes());
    let code = world.client().outstanding().unwrap()[0].code().to_string();
    for text in [code, world.vendor.license_key(), "2027-01-15T08:00:00Z".into(), "7KX2M9".into()] {
        corpus.push(text.into_bytes());
    }
    let genuine: BTreeSet<_> = world
        .messages
        .values()
        .map(|message| message.bytes.clone())
        .chain([pending.request().as_bytes().to_vec()])
        .collect();

    let mut dice = Dice(1);
    let mut accepted = 0;
    for _ in 0..20_000 {
        let (whole, other) = (&corpus[dice.below(corpus.len())], &corpus[dice.below(corpus.len())]);
        let input = dice.mutate(whole, other);
        for envelope in world.read_everywhere(&input) {
            assert!(genuine.contains(&envelope), "accepted: {input:02x?}");
            accepted += 1;
        }
    }
    println!("20,000 mutated inputs; {accepted} times a reader found what was signed in spite of it");
}

/// Behind a right signature, where only the decoders are left: whoever has a key of their own gets there.
#[test]
fn mutated_bodies_under_right_signatures_make_no_decoder_panic() {
    let world = World::new();
    let bodies: Vec<_> = world
        .messages
        .values()
        .map(|message| {
            let [_, _, body, signature] = parts(message);
            (message.kind, message.bytes[body..signature].to_vec())
        })
        .collect();
    let mut dice = Dice(2);
    let (mut accepted, mut refused) = (0, BTreeMap::<String, usize>::new());
    for _ in 0..20_000 {
        let ((kind, body), (_, other)) =
            (&bodies[dice.below(bodies.len())], &bodies[dice.below(bodies.len())]);
        let envelope = world.forge(*kind, &dice.mutate(body, other));
        match world.read(*kind, &envelope) {
            Ok(same) => {
                assert_eq!(same, envelope);
                accepted += 1;
            }
            Err(error) => *refused.entry(format!("{:?}", error.kind())).or_default() += 1,
        }
    }
    println!("20,000 signed bodies: {accepted} accepted, refused {refused:?}");
    assert!(accepted > 100 && refused["Malformed"] > 1000, "the decoders are reached");
}

/// A record with any content, under a right checksum.
#[test]
fn mutated_records_under_right_checksums_never_panic_nor_make_a_license() {
    let world = World::new();
    let disk = active(&world);
    let path = Path::new(PLACE).join("state");
    let good = store(&disk).read().unwrap().body.clone().unwrap();
    let license = &world.messages["license"].bytes;
    let mut dice = Dice(3);
    let mut verdicts = BTreeMap::<String, usize>::new();
    for _ in 0..1500 {
        let body = dice.mutate(&good, license);
        let mut file = b"NLST\x01\0\0\0\x01\0\0\0\0\0\0\0".to_vec();
        file.extend((body.len() as u32).to_le_bytes());
        file.extend(body);
        file.extend(digest(&SHA256, &file.clone()).as_ref());
        disk.put(&path, &file);
        let client = World::client_on(&world.vendor, &disk);
        let status = client.check().unwrap();
        if let Some(found) = status.license() {
            assert_eq!(found.as_bytes(), license, "a license that nobody signed");
        }
        let name = format!("{:?}", status.verdict());
        *verdicts.entry(name.split([' ', '{']).next().unwrap().to_owned()).or_default() += 1;
        let _ = (client.outstanding(), client.pending());
        let other = World::client_on(&world.vendor, &disk.fork());
        let _ = other.deactivate_offline(Reason::Moved);
        let _ = other.accept(license);
        let _ = other.accept(&world.messages["receipt"].bytes);
        let _ = other.accept(&world.messages["revocation"].bytes);
    }
    println!("1,500 records: {verdicts:?}");
}

#[test]
fn no_claimed_length_makes_a_reader_take_more_memory_than_its_input_is_worth() {
    let world = World::new();
    let mut worst = (0.0, String::new());
    let mut check = |what: &str, input: &[u8]| {
        let memory = memory_of(|| drop(world.read_everywhere(input)));
        assert!(memory <= fair_share(input), "{what}: {memory} bytes for {}", input.len());
        let ratio = memory as f64 / (input.len() + 1024) as f64;
        if ratio > worst.0 {
            worst = (ratio, format!("{what}: {memory} bytes for {}", input.len()));
        }
    };
    // A large number in each of its sizes at each place of each body, signed as it should be.
    let numbers: [&[u8]; 4] = [
        &[0xfb, 0xff, 0xff],
        &[0xfc, 0xff, 0xff, 0x01, 0x00],
        &[0xfc, 0xff, 0xff, 0xff, 0xff],
        &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0x10],
    ];
    for (name, message) in &world.messages {
        let [_, _, body, signature] = parts(message);
        let body = &message.bytes[body..signature];
        for at in 0..=body.len() {
            for number in numbers {
                let hostile = [&body[..at], number, body.get(at + 1..).unwrap_or_default()].concat();
                check(&format!("{name}, {number:02x?} at {at}"), &world.forge(message.kind, &hostile));
            }
        }
    }
    // Bundles, and as much text as there may be.
    for number in numbers {
        check("a bundle", &[b"NL\x01\x10".as_slice(), number, &[0; 100]].concat());
        check("a bundled message", &[b"NL\x01\x10\x01".as_slice(), number, &[0; 100]].concat());
    }
    let largest = 512 * 1024;
    let line = |text: &str| text.repeat(largest / text.len()).into_bytes();
    check("messages of no bytes", &[b"NL\x01\x10\xa0".as_slice(), &[0; 160]].concat());
    check("base64url", &line("TkwB"));
    check("base32", &line("9R"));
    check("spaces", &line(" "));
    check("hashes", &line("#"));
    check("line ends", &line("\n"));
    let begin = "-----BEGIN NODELOCK LICENSE-----\n";
    check("beginnings", &line(begin));
    check("headers", &[begin.as_bytes(), &line("a:b\n")[..largest - 64]].concat());
    check("content", &[begin.as_bytes(), &line("TkwBAQ\n")[..largest - 64]].concat());
    let block = format!("{begin}\nTkwBAQ==\n{}", begin.replace("BEGIN", "END"));
    check("blocks", &line(&block));
    println!("at worst: {}", worst.1);
}
