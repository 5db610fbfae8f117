//! An installation of the application: its record, its key, its clock, and what it says.

use serde::{Deserialize, Serialize};

use super::promise::{Held, Usable};
use crate::{
    Error, ErrorKind, License, LicenseId, Random, Reason, Result, SigningKey, Timestamp,
    authority::Reply,
    code::{Handle, ReleaseSecret},
    codec,
    fingerprint::Fingerprint,
    keys::first,
    licensing_time::Reading,
    message::{
        CheckInBody, Extension, ProofBody, RecoveryBody, RequestBody, Signed, frame::bundle, product_tag,
    },
    record::{Activation, Current, LicenseFacts, Pending, Record, Release, Replace, Replaced},
};

pub(super) const PRODUCT: &str = "Example Editor";

#[derive(Clone)]
pub(super) struct Installation {
    pub(super) computer: usize,
    pub(super) fingerprint: Fingerprint,
    key: std::sync::Arc<SigningKey>,
    record: Record,
    /// By how many seconds its clock is ahead.
    pub(super) ahead: i64,
    pub(super) is_silent: bool,
    pub(super) is_damaged: bool,
}

/// What a check goes by of a license, and its envelope; the record keeps it unread.
#[derive(Serialize, Deserialize)]
struct Kept {
    ends: Timestamp,
    issued: Timestamp,
    sync_token: [u8; 16],
    envelope: Vec<u8>,
}

/// A check-in, as it is sent online and as a file.
pub(super) struct Asked {
    pub(super) alone: Vec<u8>,
    /// With the license, and what the authority said last to end a seat.
    pub(super) with_all: Vec<u8>,
}

/// What asks for a seat.
#[derive(Default)]
pub(super) struct Asking {
    pub(super) key: String,
    pub(super) extensions: Vec<Extension>,
    /// Whether a valid license is set aside.
    pub(super) replaces: bool,
    pub(super) recovers: bool,
}

impl Installation {
    pub(super) fn new(computer: usize, fingerprint: Fingerprint, seed: u64) -> Self {
        Self {
            computer,
            fingerprint,
            key: SigningKey::generate(&Seed(seed)).expect("a key").into(),
            record: Record::new(),
            ahead: 0,
            is_silent: false,
            is_damaged: false,
        }
    }

    pub(super) fn reading(&self, now: u64) -> Reading {
        let local = Timestamp::from_unix_seconds(now.saturating_add_signed(self.ahead));
        Reading { local, running: None, boot: None }
    }

    /// Whatever it does, it notes the time.
    pub(super) fn observe(&mut self, now: u64) {
        let reading = self.reading(now);
        self.record.time.observe(reading);
    }

    pub(super) fn license(&self) -> Option<(Handle, LicenseId)> {
        self.record.license().map(|license| (license.activation.handle, license.license_id))
    }

    pub(super) fn pending(&self) -> Option<Handle> {
        match &self.record.current {
            Current::Pending(pending) => Some(pending.activation.handle),
            _ => None,
        }
    }

    /// When the license on it ends.
    pub(super) fn ends(&self) -> Option<u64> {
        self.kept().map(|kept| kept.ends.unix_seconds())
    }

    fn kept(&self) -> Option<Kept> {
        let license = &self.record.license()?.license;
        Some(codec::decode(license, license.len(), "license").expect("it was put there"))
    }

    /// The license of that id that a check would accept.
    pub(super) fn usable(&self, license: LicenseId, now: u64) -> Option<Usable> {
        let (handle, _) = self.license().filter(|(_, id)| *id == license)?;
        let time = self.record.time.at(self.reading(now));
        let Kept { ends, issued, .. } = self.kept()?;
        (time.set_back.is_none() && time.now < ends).then_some(Usable {
            handle: handle.get(),
            computer: self.computer,
            issued: issued.unix_seconds(),
        })
    }

    /// The license of that id, also one that is over.
    pub(super) fn held(&self, license: LicenseId, now: u64) -> Option<Held> {
        let (handle, _) = self.license().filter(|(_, id)| *id == license)?;
        let time = self.record.time.at(self.reading(now)).now.unix_seconds();
        Some(Held { handle: handle.get(), ends: self.ends()?, time })
    }

    /// Everything that its record can say something about.
    pub(super) fn handles(&self) -> impl Iterator<Item = Handle> {
        let outstanding = self.record.outstanding.iter().map(|given_up| given_up.activation.handle);
        self.record.handles().chain(outstanding)
    }

    pub(super) fn lose(&mut self) {
        self.record = Record::new();
        self.is_damaged = true;
    }

    /// Asks for a seat under a new name, instead of what it asked for before.
    pub(super) fn begin(&mut self, asking: Asking, handle: Handle, now: u64) -> Result<()> {
        let reading = self.reading(now);
        let has_ended = self.ends().is_some_and(|end| self.record.time.at(reading).now.unix_seconds() >= end);
        let replace = Replace { license: asking.replaces, request: true };
        self.record.may_begin(has_ended, Some(replace).filter(|_| !asking.recovers))?;
        if self.record.release_request().is_some() {
            self.cancel(now)?;
        }
        let body = RequestBody {
            device_key: self.key.public_key(),
            product: PRODUCT.to_owned(),
            license_key: asking.key,
            handle,
            // No code is typed here.
            release_commitment: [7; 32],
            created: reading.local,
            fingerprint: self.fingerprint.clone(),
            library: String::new(),
            application: String::new(),
            metadata: Vec::new(),
            extensions: asking.extensions,
        };
        let request = Signed::sign_by_device(body, &self.key)?;
        let recovery = RecoveryBody {
            device_key: self.key.public_key(),
            product: PRODUCT.to_owned(),
            request: request.digest(),
            time: reading.local,
            extensions: Vec::new(),
        };
        let recovery = asking.recovers.then(|| Signed::sign_by_device(recovery, &self.key)).transpose()?;
        let activation = Activation {
            handle,
            secret: ReleaseSecret::from_random([7; 8]),
            request_digest: request.digest(),
        };
        self.record.begin(Pending {
            activation,
            request: request.as_bytes().to_vec().into(),
            recovery: recovery.map(|recovery| recovery.as_bytes().to_vec().into()),
            aside: None,
        })?;
        self.record.time.asked(request.digest(), reading);
        self.is_damaged = false;
        Ok(())
    }

    /// The file of the pending request, with all that was given up.
    pub(super) fn request(&self) -> Option<Vec<u8>> {
        let Current::Pending(pending) = &self.record.current else { return None };
        let mut messages: Vec<&[u8]> = vec![&pending.request];
        messages.extend(pending.recovery.as_deref());
        messages.extend(self.last_word());
        for given_up in &self.record.outstanding {
            messages.push(&given_up.proof);
            messages.extend(given_up.request.as_deref());
        }
        Some(bundle(&messages))
    }

    /// The files of what was given up and is not acknowledged.
    pub(super) fn proofs(&self) -> Vec<Vec<u8>> {
        let given_up = self.record.outstanding.iter();
        let file = |proof: &[u8], request: Option<&[u8]>| match request {
            Some(request) => bundle(&[proof, request]),
            None => proof.to_vec(),
        };
        given_up.map(|given_up| file(&given_up.proof, given_up.request.as_deref())).collect()
    }

    /// What the authority said last to end a seat of it.
    pub(super) fn last_word(&self) -> Option<&[u8]> {
        self.record.last_word.as_ref().map(|word| &word.0[..])
    }

    /// The envelope of the license on it.
    pub(super) fn envelope(&self) -> Option<Vec<u8>> {
        self.kept().map(|kept| kept.envelope)
    }

    /// Asks for a renewal. None without a license.
    pub(super) fn check_in(&mut self, nonce: u32, now: u64) -> Option<Asked> {
        let Kept { sync_token, envelope, .. } = self.kept()?;
        let license = self.record.license()?;
        let named = (license.activation.handle, license.revision);
        let request = self.signed_check_in(named, sync_token, nonce, now);
        let reading = self.reading(now);
        self.record.time.asked(request.digest(), reading);
        let alone = request.as_bytes().to_vec();
        let along = [&alone[..], &envelope].into_iter().chain(self.last_word());
        let with_all = bundle(&along.collect::<Vec<_>>());
        Some(Asked { alone, with_all })
    }

    /// What it may say of any seat and revision, with a license that proves it, or does not.
    pub(super) fn claim(&self, of: (Handle, u32), license: Option<&[u8]>, nonce: u32, now: u64) -> Vec<u8> {
        let request = self.signed_check_in(of, [0; 16], nonce, now);
        bundle(&[request.as_bytes()].into_iter().chain(license).collect::<Vec<_>>())
    }

    fn signed_check_in(
        &self,
        (handle, revision): (Handle, u32),
        sync_token: [u8; 16],
        nonce: u32,
        now: u64,
    ) -> Signed<CheckInBody> {
        let mut body = CheckInBody {
            handle,
            nonce: [0; 16],
            sync_token,
            revision,
            time: self.reading(now).local,
            fingerprint: self.fingerprint.clone(),
            library: String::new(),
            application: String::new(),
            extensions: Vec::new(),
        };
        body.nonce[..4].copy_from_slice(&nonce.to_le_bytes());
        Signed::sign_by_device(body, &self.key).expect("a valid body")
    }

    pub(super) fn cancel(&mut self, now: u64) -> Result<()> {
        let release = self.record.release_request();
        let release = release.ok_or_else(|| Error::about(ErrorKind::NotPending, "cancellation"))?;
        let proof = self.proof(&release, Reason::Cancelled)?;
        self.record.cancel(proof, self.reading(now).local).map(drop)
    }

    pub(super) fn deactivate(&mut self, now: u64) -> Result<()> {
        let release = self.record.release_license();
        let release = release.ok_or_else(|| Error::about(ErrorKind::NotActive, "deactivation"))?;
        self.record.may_deactivate()?;
        let proof = self.proof(&release, Reason::Moved)?;
        self.record.deactivate(proof, self.reading(now).local, Reason::Moved).map(drop)
    }

    fn proof(&self, release: &Release, reason: Reason) -> Result<Vec<u8>> {
        let body = ProofBody {
            product_tag: product_tag(PRODUCT),
            license_id: release.license_id,
            handle: release.handle,
            generation: 1,
            time: 0,
            reason,
            flags: 0,
            request: first(&release.request_digest),
            extensions: Vec::new(),
        };
        Ok(Signed::sign_by_device(body, &self.key)?.as_bytes().to_vec())
    }

    /// Takes in an answer, as far as it is for this device and is news.
    pub(super) fn apply(&mut self, reply: &Reply, now: u64) {
        let reading = self.reading(now);
        let device_key = self.key.public_key();
        if let Some(license) = reply.license.as_ref().filter(|license| license.device_key == device_key) {
            self.install(license, reading);
        }
        for receipt in reply.receipts.iter().filter(|receipt| receipt.device_key == device_key) {
            let _ = self.record.receipt(receipt.handle, receipt.as_bytes(), reading.local);
        }
        if let Some(revocation) = reply.revocation.as_ref().filter(|word| word.device_key == device_key) {
            let _ = self.record.revoke(revocation.handle, "", revocation.as_bytes(), reading.local);
        }
    }

    fn install(&mut self, license: &License, reading: Reading) {
        let ends =
            [license.lease_until, license.expires].into_iter().flatten().min().unwrap_or(Timestamp::MAX);
        let envelope = license.as_bytes().to_vec();
        let kept = Kept { ends, issued: license.issued, sync_token: license.sync_token, envelope };
        let was_active = self.record.license().is_some();
        let replaced = self.record.replaced_by(license.handle).map(|release| {
            let proof = self.proof(&release, Reason::Other).expect("a valid body");
            Replaced { proof, time: reading.local }
        });
        let facts = LicenseFacts {
            handle: license.handle,
            request_digest: license.request_digest,
            license_id: license.license_id,
            deactivations_left: license.deactivations_left,
            revision: license.revision,
            envelope: &codec::encode(&kept).expect("it can be encoded"),
        };
        if self.record.install(&facts, replaced).is_ok() {
            self.record.time.license_came(license.issued, license.answers, was_active, reading);
        }
    }
}

/// The same key for the same number.
struct Seed(u64);

impl Random for Seed {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        for (byte, seed) in bytes.iter_mut().zip(self.0.to_le_bytes().into_iter().cycle()) {
            *byte = seed;
        }
        Ok(())
    }
}
