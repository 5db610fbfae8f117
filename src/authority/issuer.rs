//! Signing: certificates, licenses, receipts, revocations.

use std::{sync::Arc, time::Duration};

use super::{
    decision::{Decision, Draft, Unsigned},
    seat::Seat,
    terms::{self, LicenseTerms},
};
use crate::{
    Binding, Certificate, CertificateBody, DeactivationReceipt, Error, ErrorKind, License, LicenseBody, Page,
    PublicKey, ReceiptBody, Result, Revocation, RevocationBody, SigningKey, Timestamp,
    message::{Extension, frame},
};

/// What a root says of an issuer key.
#[derive(Clone, Debug)]
#[non_exhaustive]
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
    /// M, the longest lease: how many days after its signature a license may end. After a ledger was restored, no seat
    /// lapses for that long. [`LONGEST_LEASE_DAYS`] is what is recommended.
    pub longest_lease_days: u32,
    /// Whether the issuer may sign licenses that end later than that, or never. One that was sold while the ledger's
    /// history was lost is found when its device checks in, and not before.
    pub endless: bool,
}

/// M, the longest lease, of a root that signs licenses itself, in days.
pub const LONGEST_LEASE_DAYS: u32 = 400;

impl CertificateTerms {
    /// A certificate for `issuer` and the time that it may sign in, with serial number 1, the
    /// [recommended](LONGEST_LEASE_DAYS) longest lease, and none beyond it.
    pub fn new(
        issuer: PublicKey,
        name: impl Into<String>,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Self {
        Self {
            issuer,
            name: name.into(),
            serial: 1,
            not_before,
            not_after,
            longest_lease_days: LONGEST_LEASE_DAYS,
            endless: false,
        }
    }

    /// These terms with another serial number.
    pub fn with_serial(self, serial: u64) -> Self {
        Self { serial, ..self }
    }

    /// These terms with another longest lease.
    pub fn with_longest_lease_days(self, longest_lease_days: u32) -> Self {
        Self { longest_lease_days, ..self }
    }

    /// These terms, and whether the issuer may sign beyond the longest lease.
    pub fn with_endless(self, endless: bool) -> Self {
        Self { endless, ..self }
    }

    /// The certificate, signed by a root key. Keep that key offline: this is all it is needed for.
    ///
    /// Fails with [`ErrorKind::InvalidInput`].
    ///
    /// ```
    /// # use nodelock::{Clock, SigningKey, SystemClock, SystemRandom, authority::CertificateTerms};
    /// # let now = SystemClock.now();
    /// let (root, issuer) = (SigningKey::generate(&SystemRandom)?, SigningKey::generate(&SystemRandom)?);
    /// let terms = CertificateTerms::new(issuer.public_key(), "Example Ltd", now, now.plus_days(365));
    /// let certificate = terms.sign(&root)?; // all that the root's key is needed for
    /// assert!(certificate.to_text().starts_with("-----BEGIN NODELOCK ISSUER CERTIFICATE-----"));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn sign(self, root: &SigningKey) -> Result<Certificate> {
        let body = CertificateBody {
            issuer: self.issuer,
            name: self.name,
            serial: self.serial,
            not_before: self.not_before,
            not_after: self.not_after,
            longest_lease_days: self.longest_lease_days,
            endless: self.endless,
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
    longest_lease: Duration,
}

impl Issuer {
    /// A root that signs licenses itself: the simplest set-up, with nothing to fall back on when the key is stolen.
    ///
    /// ```
    /// use nodelock::{SigningKey, SystemRandom, authority::Issuer};
    ///
    /// let issuer = Issuer::root(SigningKey::generate(&SystemRandom)?);
    /// assert_eq!(issuer.longest_lease().as_secs() / 86_400, 400);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn root(key: SigningKey) -> Self {
        let longest_lease = Duration::from_secs(u64::from(LONGEST_LEASE_DAYS) * 86_400);
        Self { key, certificate: None, longest_lease }
    }

    /// The same root with another longest lease, which nothing but this bounds: a root has no certificate.
    pub fn with_longest_lease(self, longest_lease: Duration) -> Self {
        Self { longest_lease, ..self }
    }

    /// M, the longest lease that this issuer signs: that of its certificate, or for a root [`LONGEST_LEASE_DAYS`]
    /// unless it [says otherwise](Self::with_longest_lease). Licenses without an end are apart from it.
    pub fn longest_lease(&self) -> Duration {
        self.certificate.as_ref().map_or(self.longest_lease, |certificate| certificate.longest_lease())
    }

    /// An issuer key with its certificate from a root.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] when the certificate is another key's.
    ///
    /// ```
    /// # use nodelock::{Clock, SigningKey, SystemClock, SystemRandom, authority::{CertificateTerms, Issuer}};
    /// # let now = SystemClock.now();
    /// # let (root, key) = (SigningKey::generate(&SystemRandom)?, SigningKey::generate(&SystemRandom)?);
    /// # let certificate = CertificateTerms::new(key.public_key(), "", now, now.plus_days(365)).sign(&root)?;
    /// let issuer = Issuer::certified(key, certificate)?;
    /// assert_eq!(issuer.longest_lease().as_secs() / 86_400, 400);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn certified(key: SigningKey, certificate: Certificate) -> Result<Self> {
        if certificate.issuer != key.public_key() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "the certificate is for key {}, and not for {}",
                    certificate.issuer.id(),
                    key.public_key().id()
                ),
            ));
        }
        let longest_lease = certificate.longest_lease();
        Ok(Self { key, certificate: Some(Arc::new(certificate)), longest_lease })
    }

    pub(super) fn key(&self) -> &SigningKey {
        &self.key
    }

    pub(super) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_deref()
    }

    /// Whether it may sign at `now`, for a host that says whether it is ready. A root always may.
    ///
    /// Fails with [`ErrorKind::CertificateExpired`] while its certificate is not valid.
    pub fn check(&self, now: Timestamp) -> Result<()> {
        self.certificate.as_ref().map_or(Ok(()), |certificate| certificate.check_time(now))
    }

    /// Signs what a decision sends.
    ///
    /// Each message is signed under the page of the [`Moment`](super::decision::Moment) of its decision.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] for terms out of bounds, with [`ErrorKind::CertificateExpired`] when this
    /// issuer must not sign at `now`, and with [`ErrorKind::LeaseTooLong`] for a license that ends later than its
    /// certificate allows.
    ///
    /// ```
    /// # use nodelock::{authority::{ActivationFile, decision}, testing::{Machine, TestAuthority}};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let device = authority.client(&Machine::new("desk")).build()?;
    /// let file = ActivationFile::read(&device.begin(&license_key)?.to_bytes())?;
    /// let mut vendor = authority.vendor();
    /// let moment = vendor.moment()?;
    /// let act = |records: &_| decision::activate(&file, None, records, &moment);
    /// let decision = decision::settle(&mut vendor.ledger, act)?;
    /// let reply = vendor.issuer.reply(&decision, moment.now)?;
    /// assert!(device.accept(&reply.to_bytes())?.status().is_usable());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn reply(&self, decision: &Decision, now: Timestamp) -> Result<Reply> {
        self.reply_with_chain(decision, now, None)
    }

    /// The same, with the digest of the authority's chain of seals at that page in the license: see
    /// [`LicenseBody::chain`]. It is none of a number, so it tells nothing of how much is sold.
    pub fn reply_with_chain(
        &self,
        decision: &Decision,
        now: Timestamp,
        chain: Option<[u8; 32]>,
    ) -> Result<Reply> {
        let mut reply = Reply::default();
        for Draft { unsigned, page } in &decision.send {
            let page = *page;
            match unsigned {
                Unsigned::License { terms, seat, deactivations_left, answers } => {
                    let about = (*answers, page, chain);
                    reply.license = Some(self.license(terms, seat, *deactivations_left, about, now)?);
                }
                Unsigned::Receipt { seat, binding } => {
                    reply.receipts.push(self.receipt(seat, *binding, page, now)?)
                }
                Unsigned::Revocation { seat, notice, time } => {
                    reply.revocation = Some(self.revocation(seat, notice, *time, (page, now))?);
                }
            }
        }
        Ok(reply)
    }

    /// The license of a seat: but for its page, and the chain at that page, the same for the same seat and terms,
    /// whenever it is signed.
    fn license(
        &self,
        terms: &LicenseTerms,
        seat: &Seat,
        deactivations_left: Option<u32>,
        (answers, page, chain): (Option<[u8; 32]>, Page, Option<[u8; 32]>),
        now: Timestamp,
    ) -> Result<License> {
        let lease = seat.lease(terms);
        let body = LicenseBody {
            license_id: terms.id,
            product: terms.product.clone(),
            handle: seat.handle,
            device_key: seat.device_key,
            release_commitment: seat.release_commitment,
            licensee: terms.licensee.clone(),
            edition: terms.edition.clone(),
            features: terms::sorted(&terms.features),
            metadata: terms.metadata.clone(),
            issued: self.date(seat.issued, now)?,
            starts: terms.starts,
            expires: seat.expires(terms),
            lease_until: lease.map(|lease| lease.until),
            renew_after: lease.map(|lease| lease.renew_after),
            updates_until: terms.updates_until,
            baseline: seat.fingerprint.clone(),
            policy: terms.policy.clone(),
            deactivations_left,
            request_digest: seat.request_digest,
            answers,
            revision: seat.revision,
            sync_token: seat.sync_token,
            page,
            extensions: chain.map(Extension::chain).into_iter().collect(),
        };
        if let Some(certificate) = &self.certificate {
            certificate.check_lease(body.issued, body.end_of_use())?;
        }
        License::sign_by_authority(body, &self.key, self.certificate.as_ref())
    }

    /// The receipt of a seat that was given up, bound to the proof or code that it answers.
    fn receipt(
        &self,
        seat: &Seat,
        binding: Binding,
        page: Page,
        now: Timestamp,
    ) -> Result<DeactivationReceipt> {
        let unknown = || {
            let text = format!("seat {} was not given up, so there is no receipt for it", seat.handle);
            Error::new(ErrorKind::UnknownSeat, text)
        };
        let acknowledged = seat.acknowledged.as_ref().ok_or_else(unknown)?;
        let body = ReceiptBody {
            handle: seat.handle,
            device_key: seat.device_key,
            outcome: acknowledged.outcome,
            deactivations_left: acknowledged.deactivations_left,
            time: self.date(acknowledged.time, now)?,
            binding,
            page,
            extensions: Vec::new(),
        };
        DeactivationReceipt::sign_by_authority(body, &self.key, self.certificate.as_ref())
    }

    /// What the device of a seat that is over is told.
    fn revocation(
        &self,
        seat: &Seat,
        notice: &str,
        time: Timestamp,
        (page, now): (Page, Timestamp),
    ) -> Result<Revocation> {
        let body = RevocationBody {
            handle: seat.handle,
            device_key: seat.device_key,
            reason: notice.to_owned(),
            time: self.date(time, now)?,
            page,
            extensions: Vec::new(),
        };
        Revocation::sign_by_authority(body, &self.key, self.certificate.as_ref())
    }

    /// The date of a message that says again what was decided at `decided`: that time, or the first one at which this
    /// issuer could have signed it. An issuer that was certified since is believed for what it signs now.
    ///
    /// Devices refuse what is signed outside the certificate's time, so it is better not to sign it.
    fn date(&self, decided: Timestamp, now: Timestamp) -> Result<Timestamp> {
        let Some(certificate) = &self.certificate else { return Ok(decided) };
        certificate.check_time(now)?;
        Ok(decided.max(certificate.not_before))
    }
}

/// The signed answer to a message.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Reply {
    /// A license, if one was granted or renewed.
    pub license: Option<License>,
    /// A receipt for each seat that was given up.
    pub receipts: Vec<DeactivationReceipt>,
    /// A revocation, if the seat is over and its device must hear of it.
    pub revocation: Option<Revocation>,
}

impl Reply {
    /// All messages as one file, the license first. Empty when there is nothing to send.
    pub fn to_bytes(&self) -> Vec<u8> {
        let license = self.license.iter().map(License::as_bytes);
        let receipts = self.receipts.iter().map(DeactivationReceipt::as_bytes);
        let revocation = self.revocation.iter().map(Revocation::as_bytes);
        let messages: Vec<&[u8]> = license.chain(receipts).chain(revocation).collect();
        if messages.is_empty() { Vec::new() } else { frame::bundle(&messages) }
    }

    /// The same as armored text.
    pub fn to_text(&self) -> String {
        let license = self.license.iter().map(License::to_text);
        let receipts = self.receipts.iter().map(DeactivationReceipt::to_text);
        let revocation = self.revocation.iter().map(Revocation::to_text);
        license.chain(receipts).chain(revocation).collect::<Vec<_>>().join("\n")
    }
}
