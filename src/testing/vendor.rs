//! A vendor in memory: its keys, its ledger, and the decisions of the library over them.

use std::{collections::BTreeSet, sync::Arc};

use super::{MemoryLedger, SeededRandom, TestClock, http};
use crate::{
    Answer, Clock as _, DeactivationReceipt, Error, ErrorKind, License, LicenseId, Page, Post, Random,
    Result, Revocation, Roots, SigningKey, Timestamp,
    authority::{
        ActivationFile, Approval, CertificateTerms, CheckInClaim, History, Issuer, LONGEST_LEASE_DAYS,
        LicenseTerms, PreflightClaim, Records, ReleaseClaim, Reply, Seat, SeatName, TypedCode, Usage,
        decision::{self, Moment, Note, Refusal, Ruling, Step},
    },
    code::{Handle, LicenseKey},
    system,
};

/// The vendor behind a [`TestAuthority`](super::TestAuthority): what its desk does, and what an authority does with a
/// file that is carried to it by hand.
///
/// A clone is another vendor with the same keys and a copy of the ledger; the clock is the same.
///
/// ```
/// use nodelock::testing::Vendor;
///
/// let mut vendor = Vendor::new("Example Editor", "a seed")?;
/// let license_key = vendor.sell_with(3, |terms| terms.lease_days = Some(30))?;
/// assert_eq!(vendor.terms(&license_key)?.seats, 3);
/// # Ok::<(), nodelock::Error>(())
/// ```
#[derive(Clone)]
pub struct Vendor {
    /// The vendor's clock, which devices share unless a test says otherwise.
    pub clock: TestClock,
    /// What applications trust.
    pub roots: Roots,
    /// What signs. [`certify`](Self::certify) makes another one.
    pub issuer: Issuer,
    /// All that the vendor remembers. Put a clone back to restore it.
    pub ledger: MemoryLedger,
    /// What is signed is signed under this page. It lies outside of the ledger, so it outlasts a restored one.
    pub page: Page,
    product: String,
    root: SigningKey,
    random: Arc<dyn Random>,
    certificates: u64,
    noted: Option<Timestamp>,
    /// Of which license a request without a license key gets a seat.
    trials: Option<LicenseId>,
    deployment_keys: Vec<DeploymentKey>,
}

/// What takes seats of one license for machines that nobody sits at.
#[derive(Clone)]
struct DeploymentKey {
    text: String,
    license: LicenseId,
    most: usize,
    /// The seats that it was used for: a request that comes again counts once.
    used: BTreeSet<SeatName>,
}

impl Vendor {
    /// A vendor of `product` whose keys and license keys come from product and `seed`: the same in every run. Its
    /// issuer's certificate lasts for a century.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] for a product that is not 1 to 64 bytes on one line.
    pub fn new(product: &str, seed: &str) -> Result<Self> {
        crate::message::check_product(product)?;
        // The product is one line, so no other pair makes the same text.
        let random = SeededRandom::new(format!("nodelock test vendor of {product}\n{seed}"));
        let root = SigningKey::generate(&random)?;
        let mut vendor = Self {
            clock: TestClock::default(),
            roots: Roots::new([root.public_key()]),
            issuer: Issuer::root(root.clone()),
            ledger: MemoryLedger::default(),
            page: Page::generate(&random)?,
            product: product.to_owned(),
            root,
            random: Arc::new(random),
            certificates: 0,
            noted: None,
            trials: None,
            deployment_keys: Vec::new(),
        };
        vendor.certify(Timestamp::MIN, vendor.clock.now_plus(100 * 365))?;
        vendor.note(Note::default())?;
        Ok(vendor)
    }

    /// The root's public key, as an application embeds it.
    pub fn root(&self) -> crate::PublicKey {
        self.root.public_key()
    }

    /// Gives the vendor a new issuer key, whose certificate lasts from `not_before` to `not_after`.
    pub fn certify(&mut self, not_before: Timestamp, not_after: Timestamp) -> Result<()> {
        let key = SigningKey::generate(&*self.random)?;
        self.certificates += 1;
        let certificate = CertificateTerms {
            issuer: key.public_key(),
            name: "Example Ltd".into(),
            serial: self.certificates,
            not_before,
            not_after,
            longest_lease_days: LONGEST_LEASE_DAYS,
            endless: true,
        };
        self.issuer = Issuer::certified(key, certificate.sign(&self.root)?)?;
        Ok(())
    }

    /// Sells a license on the defaults of [`LicenseTerms::new`], valid from now on, and returns its key.
    pub fn sell(&mut self, seats: u32) -> Result<String> {
        self.sell_with(seats, |_| {})
    }

    /// The same on terms that `change` makes of the defaults.
    ///
    /// Fails as [`LicenseTerms::validate`] does.
    pub fn sell_with(&mut self, seats: u32, change: impl FnOnce(&mut LicenseTerms)) -> Result<String> {
        self.sell_if(seats, |terms| {
            change(terms);
            Ok(())
        })
    }

    /// The same; where `change` fails nothing is sold.
    pub(crate) fn sell_if(
        &mut self,
        seats: u32,
        change: impl FnOnce(&mut LicenseTerms) -> Result<()>,
    ) -> Result<String> {
        let id = LicenseId::generate(&*self.random)?;
        let mut terms = LicenseTerms::new(id, &*self.product, seats, self.clock.now());
        terms.licensee = "Jane Doe".into();
        change(&mut terms)?;
        terms.validate()?;
        let license_key = LicenseKey::generate(&*self.random)?.to_string();
        self.ledger.sell(terms, &license_key);
        Ok(license_key)
    }

    /// The terms of a license, to look at and to change: what devices hold says so after their next renewal.
    ///
    /// Fails with [`ErrorKind::UnknownLicense`].
    pub fn terms(&mut self, license_key: &str) -> Result<&mut LicenseTerms> {
        let id = self.license_of(license_key)?;
        self.ledger.terms.iter_mut().find(|terms| terms.id == id).ok_or_else(unknown_license)
    }

    /// From now on a request without a license key gets a seat of the license that has this one: a trial, if its terms
    /// say `trial_days`. None has every request need a key, as at first.
    ///
    /// Fails with [`ErrorKind::UnknownLicense`].
    pub fn give_trials(&mut self, license_key: Option<&str>) -> Result<()> {
        self.trials = license_key.map(|key| self.license_of(key)).transpose()?;
        Ok(())
    }

    /// Makes a deployment key that so many machines may take a seat of a license with, and returns its text, for
    /// [`ClientBuilder::deployment_key`](crate::ClientBuilder::deployment_key). No clock ends it.
    ///
    /// Fails with [`ErrorKind::UnknownLicense`].
    pub fn new_deployment_key(&mut self, license_key: &str, most: u32) -> Result<String> {
        let license = self.license_of(license_key)?;
        let text = format!("nld_{}", LicenseKey::generate(&*self.random)?);
        let (most, used) = (usize::try_from(most).unwrap_or(usize::MAX), BTreeSet::new());
        self.deployment_keys.push(DeploymentKey { text: text.clone(), license, most, used });
        Ok(text)
    }

    /// Revokes a deployment key: the next request with it is refused. The seats that were taken with it stay.
    ///
    /// Fails with [`ErrorKind::DeploymentKeyRefused`] for one that nobody has.
    pub fn revoke_deployment_key(&mut self, key: &str) -> Result<()> {
        let found = self.deployment_keys.iter().position(|known| known.text == key);
        self.deployment_keys.remove(found.ok_or_else(no_deployment_key)?);
        Ok(())
    }

    /// How many seats of a license are taken, and how many deactivations were used.
    ///
    /// Fails with [`ErrorKind::UnknownLicense`].
    pub fn usage(&self, license_key: &str) -> Result<Usage> {
        Ok(self.ledger.usage(self.license_of(license_key)?))
    }

    fn license_of(&self, license_key: &str) -> Result<LicenseId> {
        self.ledger.license_of(license_key).ok_or_else(unknown_license)
    }

    /// The seat of that handle. No two devices of a test draw the same one.
    ///
    /// Fails with [`ErrorKind::UnknownSeat`].
    pub fn seat(&self, handle: Handle) -> Result<&Seat> {
        let seat = self.ledger.seats.values().find(|seat| seat.handle() == handle);
        seat.ok_or_else(|| Error::about(ErrorKind::UnknownSeat, "the test's vendor"))
    }

    /// This moment, with random bytes of its own.
    pub fn moment(&self) -> Result<Moment> {
        Ok(Moment {
            now: self.clock.now(),
            token: system::random(&*self.random)?,
            page: self.page,
            longest_lease: self.issuer.longest_lease(),
            roots: Arc::new(self.roots.clone()),
        })
    }

    /// Notes a new page, as an authority does in each minute, and copies it outside of the ledger.
    pub fn note(&mut self, note: Note) -> Result<History> {
        self.page = Page::generate(&*self.random)?;
        self.noted = Some(self.clock.now());
        match self.decide(|records, moment| decision::note(&note, records, moment))?.0 {
            Ruling::Noted(history) => Ok(history),
            _ => unreachable!("a note is noted"),
        }
    }

    /// Notes a page if the last one is a minute old.
    pub(super) fn serve(&mut self) -> Result<()> {
        let now = self.clock.now();
        match self.noted {
            Some(noted) if now >= noted && now.since(noted).as_secs() < 60 => Ok(()),
            _ => self.note(Note { outside: Some(self.page), ..Note::default() }).map(drop),
        }
    }

    /// Makes a decision, stores it, and signs what is sent.
    ///
    /// Fails with the refusal, and as [`Issuer::reply`] does.
    pub fn decide(
        &mut self,
        act: impl Fn(&Records, &Moment) -> Result<Step, Refusal>,
    ) -> Result<(Ruling, Reply)> {
        let moment = self.moment()?;
        let decision = decision::settle(&mut self.ledger, |records| act(records, &moment))?;
        let reply = self.issuer.reply(&decision, moment.now)?;
        match decision.ruling {
            Ruling::Refused(refusal) => Err(refusal.into()),
            ruling => Ok((ruling, reply)),
        }
    }

    /// Answers an online call as an authority does: a POST of `body` to the path at the end of `url`, without the
    /// header `Authorization`.
    pub fn call(&mut self, url: &str, body: &[u8]) -> Answer {
        http::answer(self, url, None, body)
    }

    /// Answers the post of a client as an authority does.
    pub fn answer(&mut self, post: &Post<'_>) -> Answer {
        http::answer(self, post.url, post.authorization, post.body)
    }

    /// Answers an activation file, in any form. What comes along stands even if the request is refused.
    pub fn activate(&mut self, input: &[u8]) -> Result<Reply> {
        let file = ActivationFile::read(input)?;
        // A recovery names what its device has lost.
        let assigned = self.trials.filter(|_| !file.is_recovery());
        Ok(self.decide(|records, moment| decision::activate(&file, assigned, records, moment))?.1)
    }

    /// The same with what the header `Authorization` says: a deployment key.
    pub(super) fn activate_as(&mut self, authorization: &str, input: &[u8]) -> Result<Reply> {
        let key = authorization.strip_prefix("Bearer ").unwrap_or_default();
        let at = self.deployment_keys.iter().position(|known| known.text == key);
        let at = at.ok_or_else(no_deployment_key)?;
        let file = ActivationFile::read(input)?;
        if !file.request().license_key.is_empty() {
            let text = "a request with a deployment key names no license key";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        let (key, name) = (&self.deployment_keys[at], SeatName::from(file.request()));
        if key.used.len() >= key.most && !key.used.contains(&name) {
            let text =
                format!("the deployment key was good for {} machines, and that many used it", key.most);
            return Err(Error::new(ErrorKind::DeploymentKeyUsedUp, text));
        }
        let license = Some(key.license);
        let reply = self.decide(|records, moment| decision::activate(&file, license, records, moment))?.1;
        self.deployment_keys[at].used.insert(name);
        Ok(reply)
    }

    /// Redeems a proof, in any form.
    ///
    /// Fails with [`ErrorKind::UnknownSeat`] for one of a seat that nobody has asked for: it is kept, and there is no
    /// receipt.
    pub fn redeem(&mut self, input: &[u8]) -> Result<DeactivationReceipt> {
        let claim = ReleaseClaim::read(input)?;
        receipt(self.decide(|records, moment| decision::redeem(&claim, records, moment))?.1)
    }

    /// Redeems what somebody typed, in the same way.
    pub fn redeem_code(&mut self, typed: &str) -> Result<DeactivationReceipt> {
        let typed = TypedCode::read(typed)?;
        receipt(self.decide(|records, moment| decision::redeem_code(&typed, records, moment))?.1)
    }

    /// Answers a check-in file, in any form, with a license or a revocation.
    pub fn check_in(&mut self, input: &[u8]) -> Result<Reply> {
        let claim = CheckInClaim::read(input)?;
        Ok(self.decide(|records, moment| decision::check_in(&claim, records, moment))?.1)
    }

    /// Whether a device may give its seat up, and how many deactivations are left.
    pub(super) fn preflight(&mut self, input: &[u8]) -> Result<Ruling> {
        let claim = PreflightClaim::read(input)?;
        Ok(self.decide(|records, moment| decision::preflight(&claim, records, moment))?.0)
    }

    /// Releases the seat of a device that is lost: it hears of that at its next check-in.
    ///
    /// Fails with [`ErrorKind::UnknownSeat`], and with [`ErrorKind::GivenUp`] for a seat that is free or was held.
    pub fn release(&mut self, handle: Handle, notice: &str) -> Result<Revocation> {
        let name = self.seat(handle)?.name();
        let act = |records: &Records, moment: &Moment| decision::release(name, notice, records, moment);
        let revocation = self.decide(act)?.1.revocation;
        revocation.ok_or_else(|| Error::about(ErrorKind::GivenUp, "a release"))
    }

    /// Approves the request of a device, on terms that have each activation approved
    /// ([`LicenseTerms::approval`]): the same request gets its license when it comes again, if a seat is free then.
    ///
    /// Fails with [`ErrorKind::UnknownSeat`] when no such request waits, and with [`ErrorKind::RequestRefused`].
    pub fn approve(&mut self, handle: Handle) -> Result<()> {
        let name = self.waiting(handle)?;
        self.decide(|records, moment| decision::approve(name, records, moment)).map(drop)
    }

    /// Refuses the request of a device. It hears so, with the reason, when it asks again.
    ///
    /// Fails with [`ErrorKind::UnknownSeat`] when no such request waits.
    pub fn refuse(&mut self, handle: Handle, reason: &str) -> Result<()> {
        let name = self.waiting(handle)?;
        self.decide(|records, moment| decision::refuse_request(name, reason, records, moment)).map(drop)
    }

    fn waiting(&self, handle: Handle) -> Result<SeatName> {
        let mut names = self.ledger.approvals().map(Approval::name).filter(|name| name.handle == handle);
        names
            .next()
            .ok_or_else(|| Error::about(ErrorKind::UnknownSeat, format!("the request for seat {handle}")))
    }

    /// A new license for a seat, as a file for a device that does not check in.
    pub fn renew(&mut self, handle: Handle) -> Result<License> {
        let name = self.seat(handle)?.name();
        let renewed = self.decide(|records, moment| decision::renew(name, records, moment))?.1.license;
        renewed.ok_or_else(|| Error::about(ErrorKind::GivenUp, "a renewal"))
    }

    /// Lets the trial of a seat's machine last until then.
    ///
    /// Fails with [`ErrorKind::UnknownSeat`], and with [`ErrorKind::InvalidInput`] for a seat that is no trial and for
    /// an end before the one that there is.
    pub fn extend_trial(&mut self, handle: Handle, until: Timestamp) -> Result<()> {
        let name = self.seat(handle)?.name();
        self.decide(|records, moment| decision::extend_trial(name, until, records, moment)).map(drop)
    }

    /// Returns a seat to the pool that is held because no deactivation was left.
    pub fn return_held(&mut self, handle: Handle) -> Result<()> {
        let name = self.seat(handle)?.name();
        self.decide(|records, moment| decision::return_held(name, records, moment)).map(drop)
    }
}

fn no_deployment_key() -> Error {
    Error::new(ErrorKind::DeploymentKeyRefused, "nobody has that deployment key")
}

fn unknown_license() -> Error {
    Error::new(ErrorKind::UnknownLicense, "no license has that key")
}

fn receipt(mut reply: Reply) -> Result<DeactivationReceipt> {
    reply.receipts.pop().ok_or_else(|| {
        Error::new(
            ErrorKind::UnknownSeat,
            "the seat is not known yet: what came is kept until its request comes",
        )
    })
}
