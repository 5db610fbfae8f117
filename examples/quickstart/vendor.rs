//! The vendor's side, with a ledger in memory. A real vendor keeps these records in a database and makes each method
//! one transaction; `examples/authority` does.

use nodelock::{
    Binding, Clock, DeactivationReceipt, Error, ErrorKind, Feature, License, LicenseId, PublicKey, Random,
    Reason, Result, Roots, SigningKey, SystemClock, SystemRandom,
    authority::{
        ActivationFile, CertificateTerms, Issuer, ReleaseClaim,
        ledger::{self, Activation, LicenseTerms, Released, Seat, SeatState, Usage},
        reply_text,
    },
    code::{Correction, DeactivationCode, LicenseKey},
};

/// A vendor that sold one license.
pub struct Vendor {
    /// The key that the application embeds.
    pub root: PublicKey,
    /// What signs licenses and receipts.
    pub issuer: Issuer,
    /// What was sold.
    pub terms: LicenseTerms,
    /// What the customer types.
    pub license_key: String,
    /// Every seat there ever was, for ever: so no old message is ever news again.
    pub seats: Vec<Seat>,
}

impl Vendor {
    /// Makes the keys, and a license of `seats` seats.
    pub fn new(product: &str, seats: u32) -> Result<Self> {
        let now = SystemClock.now();
        // The root's only work is to sign certificates: it can stay offline, in a safe.
        let root = SigningKey::generate(&SystemRandom)?;
        // The issuer key signs licenses every day. If it is stolen, it dies with its certificate.
        let issuer = SigningKey::generate(&SystemRandom)?;
        let certificate = CertificateTerms {
            issuer: issuer.public_key(),
            name: "Example Ltd, licensing".into(),
            serial: 1,
            not_before: now,
            not_after: now.plus_days(365),
        };
        let certificate = certificate.sign(&root)?;

        let mut terms = LicenseTerms::new(LicenseId::generate(&SystemRandom)?, product, seats, now);
        terms.licensee = "Jane Doe".into();
        terms.edition = "professional".into();
        terms.features = vec![
            Feature { name: "export".into(), limit: None, expires: None },
            Feature { name: "projects".into(), limit: Some(10), expires: None },
        ];
        let mut random = [0; 12];
        SystemRandom.fill(&mut random)?;
        Ok(Self {
            root: root.public_key(),
            issuer: Issuer::certified(issuer, certificate)?,
            terms,
            license_key: LicenseKey::from_random(random).to_string(),
            seats: Vec::new(),
        })
    }

    /// What the application trusts.
    pub fn roots(&self) -> Roots {
        Roots::new([self.root])
    }

    /// How many seats are taken, and how many deactivations were used.
    pub fn usage(&self) -> Usage {
        let count = |test: fn(&&Seat) -> bool| self.seats.iter().filter(test).count() as u32;
        Usage { taken: count(|seat| seat.state.is_taken()), deactivated: count(|seat| seat.counted) }
    }

    /// Answers an activation file with a license file. The same request again gets the same seat.
    pub fn activate(&mut self, file: &[u8]) -> Result<String> {
        let now = SystemClock.now();
        let file = ActivationFile::read(file)?;
        if file.request.license_key != self.license_key {
            return Err(Error::new(ErrorKind::UnknownLicense, "activation"));
        }
        // Seats that the device gave up before come first: one of them may be the one it asks for.
        let receipts = file.releases.iter().map(|claim| self.release(claim)).collect::<Result<Vec<_>>>()?;

        let device = file.request.device_key;
        let known = self.seats.iter().find(|s| (s.handle, s.device_key) == (file.request.handle, device));
        let held = self.seats.iter().find(|s| s.state == SeatState::Held && s.device_key == device);
        let mut sync_token = [0; 16];
        SystemRandom.fill(&mut sync_token)?;
        let claim = (&file.request).into();
        let seat = match ledger::activate(&self.terms, self.usage(), known, held, &claim, sync_token, now)? {
            Activation::Repeated(seat) => seat,
            Activation::Granted { seat, instead_of } => {
                instead_of.into_iter().for_each(|returned| self.store(returned));
                self.store(seat.clone());
                seat
            }
        };
        Ok(reply_text(&self.license(&seat)?, &receipts))
    }

    /// The license for a seat.
    pub fn license(&self, seat: &Seat) -> Result<License> {
        let left = self.terms.deactivations_left(self.usage());
        self.issuer.license(&self.terms, seat, left, SystemClock.now())
    }

    /// Takes a seat back on a proof that was uploaded, mailed or scanned.
    pub fn redeem(&mut self, file: &[u8]) -> Result<DeactivationReceipt> {
        self.release(&ReleaseClaim::read(file)?)
    }

    /// Takes a seat back on a code as somebody typed it, and says which typing errors were mended.
    pub fn redeem_code(&mut self, typed: &str) -> Result<(DeactivationReceipt, Vec<Correction>)> {
        let now = SystemClock.now();
        for reading in DeactivationCode::read(typed)? {
            let named = self.seats.iter().filter(|seat| seat.handle == reading.code.handle());
            for seat in named.cloned().collect::<Vec<_>>() {
                if !ledger::may_try_code(&seat, now) {
                    continue;
                }
                if ledger::code_fits(&seat, &reading.code) {
                    let released = ledger::release(&self.terms, self.usage(), &seat, Reason::Other, now);
                    let receipt = self.settle(released, Binding::code(&reading.code))?;
                    return Ok((receipt, reading.corrections));
                }
                // Nobody can try codes for ever.
                self.store(ledger::count_wrong_code(&seat, now));
            }
        }
        Err(Error::new(ErrorKind::WrongCode, "deactivation code"))
    }

    /// A genuine proof is never refused, because the machine has lost its license already.
    fn release(&mut self, claim: &ReleaseClaim) -> Result<DeactivationReceipt> {
        let now = SystemClock.now();
        let mut found = None;
        for seat in self.seats.iter().filter(|seat| seat.handle == claim.handle()) {
            match claim.verify_for(seat) {
                Ok(proof) => found = Some((seat, proof)),
                // Two devices may have drawn one handle.
                Err(error) if error.kind() == ErrorKind::BadSignature => {}
                // This very device signed it, about another activation: it must change nothing about this one.
                Err(error) => return Err(error),
            }
        }
        match (found, claim.request()) {
            (Some((seat, proof)), _) => {
                let released = ledger::release(&self.terms, self.usage(), seat, proof.reason, now);
                self.settle(released, Binding::Proof(proof.digest()))
            }
            // A request that was cancelled before it came: remembered, so that it takes no seat when it does.
            (None, Some(request)) => {
                let proof = claim.verify(&request.device_key)?;
                let released = ledger::cancel(&request.into(), self.terms.id, now);
                self.settle(released, Binding::Proof(proof.digest()))
            }
            (None, None) => Err(Error::new(ErrorKind::UnknownSeat, "deactivation")),
        }
    }

    fn settle(&mut self, released: Released, binding: Binding) -> Result<DeactivationReceipt> {
        let receipt = self.issuer.receipt(&released, binding, SystemClock.now())?;
        self.store(released.seat);
        Ok(receipt)
    }

    /// Puts a seat into the ledger, in place of what it held of that seat.
    pub fn store(&mut self, seat: Seat) {
        self.seats.retain(|s| (s.handle, s.device_key) != (seat.handle, seat.device_key));
        self.seats.push(seat);
    }
}
