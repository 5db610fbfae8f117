//! Devices by the thousand, made from the formats alone (docs/FORMAT.md).
//!
//! What they leave out is the commitment's 100,000 rounds of PBKDF2, which only a code needs: 32 random bytes stand
//! there. To the authority, redeeming a proof, there is no difference. Each is a machine of its own: it has the
//! components of this one, with random tags.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::{
    Client, Kind, License, Roots, SigningKey, Store, SystemRandom, Timestamp,
    code::{Handle, LicenseKey},
    product_tag,
};
use ring::{
    digest::{SHA256, digest},
    rand::SecureRandom as _,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use serde_json::json;

pub const PRODUCT: &str = "Example";

/// What every device's request has in common.
pub struct Template {
    /// What is between the commitment and the fingerprint in a request's body.
    created: Vec<u8>,
    fingerprint: Vec<u8>,
    /// What follows it.
    rest: Vec<u8>,
}

/// A device, and what it says.
pub struct Device {
    key: Ed25519KeyPair,
    fingerprint: Vec<u8>,
    handle: Handle,
    request: String,
    proof: String,
}

impl Template {
    /// Takes a genuine request apart.
    pub fn new() -> Self {
        let root = SigningKey::generate(&SystemRandom).unwrap().public_key();
        let client = Client::builder(PRODUCT, Roots::new([root])).store(Store::in_memory()).build().unwrap();
        let request = client
            .begin(nodelock::ActivationRequestOptions::new().metadata("computer", "a customer's computer"))
            .unwrap()
            .to_bytes();
        let body = &request[4..request.len() - 64];
        // Device key, product, an empty license key, handle, commitment.
        let before = 32 + 1 + PRODUCT.len() + 1 + 4 + 32;
        let (created, rest) = body[before..].split_at(number(&body[before..]).len());
        // The tags' count, the tags, two truth values.
        let (fingerprint, rest) = rest.split_at(1 + usize::from(rest[0]) * 4 + 2);
        Self { created: created.into(), fingerprint: fingerprint.into(), rest: rest.into() }
    }

    /// A new device that asks for a seat of that license.
    pub fn device(&self, license_key: &str) -> Device {
        let key = Ed25519KeyPair::from_seed_unchecked(&random::<32>()).unwrap();
        let handle = Handle::new(u32::from_le_bytes(random()) >> 2).unwrap();
        let mut fingerprint = self.fingerprint.clone();
        let end = fingerprint.len() - 2;
        fingerprint[1..end].chunks_mut(4).for_each(|tag| tag[1..].copy_from_slice(&random::<3>()));
        let body = [
            key.public_key().as_ref(),
            &text(PRODUCT),
            &text(license_key),
            &handle.get().to_le_bytes(),
            &random::<32>(),
            &self.created,
            &fingerprint,
            &self.rest,
        ]
        .concat();
        let request = digest(&SHA256, &body);
        Device {
            handle,
            request: signed(&key, Kind::ActivationRequest, 2, &body),
            proof: proof(&key, handle, &request.as_ref()[..8]),
            key,
            fingerprint,
        }
    }
}

fn proof(key: &Ed25519KeyPair, handle: Handle, request: &[u8]) -> String {
    let generation_time_reason_flags = [3, 0, 1, 0];
    let proof = [
        &product_tag(PRODUCT)[..],
        &[0; 8],
        &handle.get().to_le_bytes(),
        &generation_time_reason_flags,
        request,
        &[0],
    ]
    .concat();
    signed(key, Kind::DeactivationProof, 3, &proof)
}

impl Device {
    pub fn activation(&self) -> String {
        json!({ "request": self.request }).to_string()
    }

    pub fn deactivation(&self) -> String {
        json!({ "proof": self.proof }).to_string()
    }

    /// Asks for the license after this one, which it has from its activation.
    pub fn check_in(&self, license: &License) -> String {
        let body = [
            &self.handle.get().to_le_bytes()[..],
            &random::<16>(),
            &license.sync_token,
            &[1],
            &wide(license.issued),
            &self.fingerprint,
            &text("0.1.0"),
            &text("bench"),
            &[0],
        ]
        .concat();
        json!({ "request": signed(&self.key, Kind::CheckInRequest, 7, &body) }).to_string()
    }

    /// A check-in that is not signed by the key of its seat.
    pub fn false_check_in(&self) -> String {
        json!({ "request": signed(&self.key, Kind::CheckInRequest, 7, &[0; 100]) }).to_string()
    }

    pub fn proof(&self) -> &str {
        &self.proof
    }

    pub fn handle(&self) -> Handle {
        self.handle
    }
}

/// What another device says of a seat that is not its own: that it gives it up, and whether it may.
pub fn strange_proof(handle: Handle) -> String {
    proof(&strange_key(), handle, &random::<8>())
}

pub fn strange_preflight(handle: Handle) -> String {
    let time_extensions = [0, 0];
    let body = [&handle.get().to_le_bytes()[..], &random::<16>(), &time_extensions].concat();
    signed(&strange_key(), Kind::PreflightRequest, 8, &body)
}

fn strange_key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&random::<32>()).unwrap()
}

/// How often that is tried which is timed.
pub const TIMES: u32 = 2_000;

/// The least that redeeming a proof takes: to verify its signature and to sign a receipt.
pub fn verify_and_sign() -> Duration {
    let key = Ed25519KeyPair::from_seed_unchecked(&random::<32>()).unwrap();
    let message = [7; 150];
    let public = UnparsedPublicKey::new(&ED25519, key.public_key().as_ref());
    let start = Instant::now();
    for _ in 0..TIMES {
        let signature = key.sign(&message);
        public.verify(&message, signature.as_ref()).unwrap();
    }
    start.elapsed() / TIMES
}

/// A license key in the spelling that a device sends.
pub fn checked(key: &str) -> String {
    key.parse::<LicenseKey>().unwrap().to_string()
}

/// An envelope in base64url.
fn signed(key: &Ed25519KeyPair, kind: Kind, number: u8, body: &[u8]) -> String {
    let media_type = kind.media_type();
    let head = format!("DSSEv1 {} {media_type} {} ", media_type.len(), body.len());
    let signature = key.sign(&[head.as_bytes(), body].concat());
    URL_SAFE_NO_PAD.encode([&b"NL\x01"[..], &[number], body, signature.as_ref()].concat())
}

/// The number that bytes begin with.
fn number(bytes: &[u8]) -> &[u8] {
    let length = match bytes[0] {
        251 => 3,
        252 => 5,
        253 => 9,
        _ => 1,
    };
    &bytes[..length]
}

/// A time until the year 2106.
fn wide(time: Timestamp) -> [u8; 5] {
    let seconds = u32::try_from(time.unix_seconds()).unwrap().to_le_bytes();
    [252, seconds[0], seconds[1], seconds[2], seconds[3]]
}

/// A text of less than 251 bytes.
fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    ring::rand::SystemRandom::new().fill(&mut bytes).unwrap();
    bytes
}
