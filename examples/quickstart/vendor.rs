//! The vendor's side: read what a device hands over, ask the library for a decision, sign the answer. The records are
//! in memory (`src/testing/ledger.rs`), and every rule is the library's.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use nodelock::{
    Binding, Clock, DeactivationReceipt, Error, ErrorKind, Feature, LicenseId, Page, PublicKey, Random,
    Result, Roots, SigningKey, SystemClock, SystemRandom, Timestamp,
    authority::{
        ActivationFile, CertificateTerms, Issuer, LicenseTerms, Records, ReleaseClaim, Reply, TypedCode,
        Usage,
        decision::{self, Moment, Note, Refusal, Ruling, Step},
    },
    code::{Correction, LicenseKey},
    testing::MemoryLedger,
};

/// The system's clock, so many days later: what takes months is shown in a moment.
#[derive(Clone, Default)]
pub struct Calendar(Arc<AtomicU64>);

impl Calendar {
    /// That many days pass, for everybody who goes by it.
    pub fn advance_days(&self, days: u64) {
        self.0.fetch_add(days * 24 * 60 * 60, Ordering::Relaxed);
    }
}

impl Clock for Calendar {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now().unix_seconds();
        Timestamp::from_unix_seconds(now + self.0.load(Ordering::Relaxed))
    }
}

/// A vendor that sold one license.
pub struct Vendor {
    /// The key that the application embeds.
    pub root: PublicKey,
    /// What signs licenses and receipts.
    pub issuer: Issuer,
    /// What the customer types.
    pub license_key: String,
    /// What was sold, and where its seats are.
    pub ledger: MemoryLedger,
    roots: Arc<Roots>,
    /// What is signed now is signed under this page, since then.
    page: Option<(Page, Timestamp)>,
    /// What the vendor goes by.
    pub calendar: Calendar,
}

impl Vendor {
    /// Makes the keys, and a license of `seats` seats.
    pub fn new(product: &str, seats: u32) -> Result<Self> {
        let now = SystemClock.now();
        // The root's only work is to sign certificates: it can stay offline, in a safe.
        let root = SigningKey::generate(&SystemRandom)?;
        // The issuer key signs licenses every day. If it is stolen, it dies with its certificate.
        let issuer = SigningKey::generate(&SystemRandom)?;
        let certificate =
            CertificateTerms::new(issuer.public_key(), "Example Ltd, licensing", now, now.plus_days(365))
                .with_endless(true);
        let certificate = certificate.sign(&root)?;

        let mut terms = LicenseTerms::new(LicenseId::generate(&SystemRandom)?, product, seats, now);
        terms.licensee = "Jane Doe".into();
        terms.edition = "professional".into();
        terms.features = vec![Feature::new("export"), Feature::new("projects").up_to(10)];
        let mut random = [0; 12];
        SystemRandom.fill(&mut random)?;
        let license_key = LicenseKey::from_random(random).to_string();
        Ok(Self {
            root: root.public_key(),
            issuer: Issuer::certified(issuer, certificate)?,
            ledger: MemoryLedger::new(terms, &license_key),
            license_key,
            roots: Arc::new(Roots::new([root.public_key()])),
            page: None,
            calendar: Calendar::default(),
        })
    }

    /// What the application trusts.
    pub fn roots(&self) -> Roots {
        Roots::new([self.root])
    }

    /// How many seats are taken, and how many deactivations were used.
    pub fn usage(&self) -> Usage {
        self.ledger.usage(self.ledger.terms[0].id)
    }

    /// Answers an activation file with a license file. The same request again gets the same seat.
    pub fn activate(&mut self, file: &[u8]) -> Result<String> {
        let file = ActivationFile::read(file)?;
        let (ruling, reply) =
            self.decide(|records, moment| decision::activate(&file, None, records, moment))?;
        match ruling {
            Ruling::Refused(refusal) => Err(refusal.into()),
            _ => Ok(reply.to_text()),
        }
    }

    /// Takes a seat back on a proof that was uploaded, mailed or scanned.
    pub fn redeem(&mut self, file: &[u8]) -> Result<DeactivationReceipt> {
        let claim = ReleaseClaim::read(file)?;
        let (_, reply) = self.decide(|records, moment| decision::redeem(&claim, records, moment))?;
        receipt(reply)
    }

    /// Takes a seat back on a code as somebody typed it, and says which typing errors were mended.
    pub fn redeem_code(&mut self, typed: &str) -> Result<(DeactivationReceipt, Vec<Correction>)> {
        let typed = TypedCode::read(typed)?;
        let (_, reply) = self.decide(|records, moment| decision::redeem_code(&typed, records, moment))?;
        let receipt = receipt(reply)?;
        // The text may stand for more than one code. The receipt names the one that was right.
        let is_meant = |code| Binding::code(code) == receipt.binding;
        let meant = typed.readings().iter().find(|reading| is_meant(&reading.code));
        Ok((receipt.clone(), meant.map(|reading| reading.corrections.clone()).unwrap_or_default()))
    }

    /// This moment, under a page that the ledger has. A server notes one in each minute; this vendor, when it next
    /// decides.
    fn moment(&mut self) -> Result<Moment> {
        let now = self.calendar.now();
        let mut moment = Moment {
            now,
            token: [0; 16],
            page: Page::generate(&SystemRandom)?,
            longest_lease: self.issuer.longest_lease(),
            roots: Arc::clone(&self.roots),
        };
        match self.page {
            Some((page, since)) if now.since(since).as_secs() < 60 => moment.page = page,
            last => {
                // A place outside of the ledger would keep it, too: so a ledger that was restored is found out.
                let note = Note { outside: last.map(|(page, _)| page), ..Note::default() };
                decision::settle(&mut self.ledger, |records| decision::note(&note, records, &moment))?;
                self.page = Some((moment.page, now));
            }
        }
        Ok(moment)
    }

    /// Makes a decision, stores it, and signs what is sent. Should the signature fail, the same message may simply come
    /// again: it gets the same answer.
    pub fn decide(
        &mut self,
        act: impl Fn(&Records, &Moment) -> Result<Step, Refusal>,
    ) -> Result<(Ruling, Reply)> {
        let mut moment = self.moment()?;
        SystemRandom.fill(&mut moment.token)?;
        let decision = decision::settle(&mut self.ledger, |records| act(records, &moment))?;
        let reply = self.issuer.reply(&decision, moment.now)?;
        Ok((decision.ruling, reply))
    }
}

/// The receipt of a seat that was given up. There is none while nobody has asked for that seat: what was handed over is
/// kept then, and judged when the request comes.
fn receipt(mut reply: Reply) -> Result<DeactivationReceipt> {
    reply.receipts.pop().ok_or_else(|| Error::about(ErrorKind::UnknownSeat, "deactivation"))
}
