//! The floors: the least that each operation must do, done by ring and the operating system alone.

use std::{
    fs::{self, File},
    hint::black_box,
    io::{Read as _, Write as _},
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use nodelock::{Kind, License, PublicKey};
use ring::{
    pbkdf2::{self, PBKDF2_HMAC_SHA256},
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};

use crate::vendor::store_in;

/// What an envelope has besides the body: magic, version, kind and signature.
const ENVELOPE: usize = 4 + 64;
/// What it has besides if it names its signer: key id, and the length of the certificate.
const SIGNER: usize = 8 + 2;
/// More than a file of the store has here.
const STORED: usize = 4096;

/// A raw Ed25519 signature over a message of a given length.
pub struct Signed {
    pair: Ed25519KeyPair,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    /// As long as what is signed of a body of that kind: its pre-authentication encoding.
    fn as_body(kind: Kind, body: usize) -> Self {
        let media_type = kind.media_type();
        let header = format!("DSSEv1 {} {media_type} {body} ", media_type.len());
        let seed = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(seed.as_ref()).unwrap();
        let message = vec![0x5a; header.len() + body];
        let signature = pair.sign(&message).as_ref().to_vec();
        Self { pair, message, signature }
    }

    /// As long as a device's message of that kind.
    pub fn as_message(kind: Kind, envelope: &[u8]) -> Self {
        Self::as_body(kind, envelope.len() - ENVELOPE)
    }

    /// One for each signature in a license.
    pub fn as_in(license: &License) -> Vec<Self> {
        let certificate = license.certificate().map_or(&[][..], |certificate| certificate.as_bytes());
        let body = license.as_bytes().len() - certificate.len() - SIGNER - ENVELOPE;
        let issued = Self::as_body(Kind::License, body);
        let certified = certificate.len().checked_sub(SIGNER + ENVELOPE);
        let certified = certified.map(|body| Self::as_body(Kind::IssuerCertificate, body));
        certified.into_iter().chain([issued]).collect()
    }

    pub fn verify(&self) {
        let key = UnparsedPublicKey::new(&ED25519, self.pair.public_key());
        key.verify(&self.message, &self.signature).unwrap();
    }

    /// With the key at hand, as nothing that keeps it in a file has it.
    pub fn sign(&self) -> ring::signature::Signature {
        self.pair.sign(&self.message)
    }
}

/// Reads what a store with a license in it consists of, each file with one call.
pub fn read_store(directory: &Path) {
    for file in ["state", "device.key"] {
        black_box(File::open(directory.join(file)).unwrap().read(&mut [0; STORED]).unwrap());
    }
}

/// The bare system calls of what a probe scores: lists the cards, asks for the root file system's device, and reads
/// each file once.
pub fn look_at_machine(files: &[PathBuf]) -> usize {
    let cards = fs::read_dir("/sys/class/net").into_iter().flatten().count();
    black_box(fs::metadata("/").is_ok());
    cards + read(files)
}

/// What a process that checks must do at least: read, verify two signatures, and look at the machine.
pub fn process(folder: &Path, root: &PublicKey, files: &[PathBuf]) {
    read_store(store_in(folder).directory());
    for _ in 0..2 {
        // A signature takes as long to verify when it is wrong.
        let key = UnparsedPublicKey::new(&ED25519, root.as_bytes());
        key.verify(&[0x5a; 300], &[0; 64]).unwrap_err();
    }
    black_box(look_at_machine(files));
}

/// PBKDF2 as the commitment to a release secret takes it.
pub fn pbkdf2() -> [u8; 32] {
    let mut output = [0; 32];
    let rounds = NonZeroU32::new(100_000).unwrap();
    pbkdf2::derive(PBKDF2_HMAC_SHA256, rounds, &[1; 36], &[2; 8], &mut output);
    output
}

/// One atomic, durable replacement of a file: new file, write, sync, rename, sync of the directory.
pub fn replace(folder: &Path, content: &[u8]) {
    let (new, path) = (folder.join("new"), folder.join("file"));
    let mut file = File::create_new(&new).unwrap();
    file.write_all(content).unwrap();
    file.sync_all().unwrap();
    fs::rename(new, path).unwrap();
    File::open(folder).unwrap().sync_all().unwrap();
}

/// Opens each file and reads the first KiB of it.
pub fn read(files: &[PathBuf]) -> usize {
    let read = |file: &PathBuf| File::open(file).unwrap().read(&mut [0; 1024]).unwrap();
    files.iter().map(read).sum()
}

/// The files that identify this machine, as far as there are any: of the operating system, the processor, the firmware
/// and the network cards. What only tells virtual machines and containers is not scored, and not among them.
pub fn identities() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = ["/etc/machine-id", "/proc/cpuinfo"].map(Into::into).into();
    let firmware = ["product_name", "sys_vendor", "product_uuid", "board_serial"];
    files.extend(firmware.map(|name| Path::new("/sys/class/dmi/id").join(name)));
    for interface in fs::read_dir("/sys/class/net").into_iter().flatten().flatten() {
        let is_card = interface.path().join("device").exists();
        files.extend(is_card.then(|| interface.path().join("address")));
    }
    files.retain(|file| File::open(file).is_ok_and(|mut file| file.read(&mut [0; 64]).is_ok()));
    files
}
