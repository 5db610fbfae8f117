//! Signing: certificates, licenses, receipts, revocations.

use std::sync::Arc;

use super::ledger::{self, LicenseTerms, Released, Seat};
use crate::{
    Binding, Certificate, CertificateBody, DeactivationReceipt, Error, ErrorKind, License, LicenseBody,
    PublicKey, ReceiptBody, Result, Revocation, RevocationBody, SigningKey, Timestamp, message::frame,
};

/// What a root says of an issuer key.
#[derive(Clone, Debug)]
pub struct CertificateTerms {
    /// The key that may issue.
    pub issuer: PublicKey,
    /// Whose key it is, for people: at most 64 bytes on one line.
    pub name: String,
    /// The vendor's number for this certificate.
    pub serial: u64,
    /// The first second at which the issuer may sign.
    pub not_before: Timestamp,
    /// The last second at which the issuer may sign. Licenses issued before stay valid.
    pub not_after: Timestamp,
}

impl CertificateTerms {
    /// The certificate, signed by a root key. Keep that key offline: this is all it is needed for.
    ///
    /// Fails with [`ErrorKind::InvalidInput`].
    pub fn sign(self, root: &SigningKey) -> Result<Certificate> {
        let body = CertificateBody {
            issuer: self.issuer,
            name: self.name,
            serial: self.serial,
            not_before: self.not_before,
            not_after: self.not_after,
            extensions: Vec::new(),
        };
        Certificate::sign_by_authority(body, root, None)
    }
}

/// A key that signs what devices believe.
#[derive(Clone, Debug)]
pub struct Issuer {
    key: SigningKey,
    certificate: Option<Arc<Certificate>>,
}

impl Issuer {
    /// A root that signs licenses itself: the simplest set-up, with nothing to fall back on when the key is stolen.
    pub fn root(key: SigningKey) -> Self {
        Self { key, certificate: None }
    }

    /// An issuer key with its certificate from a root.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] when the certificate is another key's.
    pub fn certified(key: SigningKey, certificate: Certificate) -> Result<Self> {
        if certificate.issuer != key.public_key() {
            return Err(Error::new(ErrorKind::InvalidInput, "the certificate belongs to another key"));
        }
        Ok(Self { key, certificate: Some(Arc::new(certificate)) })
    }

    /// The license for a seat as the ledger has it.
    ///
    /// A lease ends no later than the license. A machine without any hardware-unique component gets the shorter of
    /// the two leases that the terms know (docs/FINGERPRINT.md, Unbindable machines).
    ///
    /// Fails with [`ErrorKind::InvalidInput`] for terms out of bounds, [`ErrorKind::LicenseEnded`] when they are over,
    /// and [`ErrorKind::CertificateExpired`] when this issuer must not sign at `now`.
    pub fn license(
        &self,
        terms: &LicenseTerms,
        seat: &Seat,
        deactivations_left: Option<u32>,
        now: Timestamp,
    ) -> Result<License> {
        terms.check_usable(now)?;
        self.check_certificate(now)?;
        let lease_days = if seat.fingerprint.bindable() {
            terms.lease_days
        } else {
            [terms.lease_days, terms.unbindable_lease_days].into_iter().flatten().min()
        };
        let until_end = |time: Timestamp| terms.expires.map_or(time, |end| time.min(end));
        let body = LicenseBody {
            license_id: terms.id,
            product: terms.product.clone(),
            handle: seat.handle,
            device_key: seat.device_key,
            release_commitment: seat.release_commitment,
            licensee: terms.licensee.clone(),
            edition: terms.edition.clone(),
            features: ledger::sorted(&terms.features),
            metadata: terms.metadata.clone(),
            issued: now,
            starts: terms.starts,
            expires: terms.expires,
            lease_until: lease_days.map(|days| until_end(now.plus_days(days))),
            renew_after: lease_days.map(|days| until_end(now.plus_days(days / 2))),
            updates_until: terms.updates_until,
            baseline: seat.fingerprint.clone(),
            policy: terms.policy.clone(),
            deactivations_left,
            request_digest: seat.request_digest,
            revision: seat.revision,
            sync_token: seat.sync_token,
            extensions: Vec::new(),
        };
        License::sign_by_authority(body, &self.key, self.certificate.as_ref())
    }

    /// The receipt for a seat that was given up, bound to the proof or code that did it.
    pub fn receipt(
        &self,
        released: &Released,
        binding: Binding,
        now: Timestamp,
    ) -> Result<DeactivationReceipt> {
        self.check_certificate(now)?;
        let body = ReceiptBody {
            handle: released.seat.handle,
            device_key: released.seat.device_key,
            outcome: released.outcome,
            deactivations_left: released.deactivations_left,
            time: now,
            binding,
            extensions: Vec::new(),
        };
        DeactivationReceipt::sign_by_authority(body, &self.key, self.certificate.as_ref())
    }

    /// What the device of a released seat is told; `reason` is at most 1,024 bytes on one line, for the customer.
    pub fn revocation(&self, seat: &Seat, reason: &str, now: Timestamp) -> Result<Revocation> {
        self.check_certificate(now)?;
        let body = RevocationBody {
            handle: seat.handle,
            device_key: seat.device_key,
            reason: reason.to_owned(),
            time: now,
            extensions: Vec::new(),
        };
        Revocation::sign_by_authority(body, &self.key, self.certificate.as_ref())
    }

    /// Devices refuse what is signed outside the certificate's time, so it is better not to sign it.
    fn check_certificate(&self, now: Timestamp) -> Result<()> {
        self.certificate.as_ref().map_or(Ok(()), |certificate| certificate.check_time(now))
    }
}

/// The answer to an activation file: the license, and a receipt for each release that came along.
pub fn reply_bytes(license: &License, receipts: &[DeactivationReceipt]) -> Vec<u8> {
    let receipts = receipts.iter().map(DeactivationReceipt::as_bytes);
    frame::bundle(&std::iter::once(license.as_bytes()).chain(receipts).collect::<Vec<_>>())
}

/// The same as armored text.
pub fn reply_text(license: &License, receipts: &[DeactivationReceipt]) -> String {
    receipts.iter().fold(license.to_text(), |text, receipt| text + "\n" + &receipt.to_text())
}
