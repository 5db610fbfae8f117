//! A vendor with its ledger in memory, and devices with a clock and a machine of the test's choosing.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use nodelock::{
    Binding, Client, ClientBuilder, Clock, DeactivationReceipt, Error, ErrorKind, Feature, LicenseId,
    PublicKey, Reason, Result, Revocation, Roots, SigningKey, Store, SystemRandom, Timestamp, Verdict,
    authority::{
        ActivationFile, CertificateTerms, Issuer, ReleaseClaim,
        ledger::{self, Activation, LicenseTerms, Released, Seat, SeatState, Usage},
        reply_bytes,
    },
    code::{DeactivationCode, Handle, LicenseKey},
    fingerprint::{Component, Probe},
};

pub const PRODUCT: &str = "Example Editor";
/// 2027-01-15T08:00:00Z.
pub const START: u64 = 1_800_000_000;

/// A clock that tests set.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub fn at(seconds: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seconds)))
    }

    pub fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::Relaxed);
    }

    pub fn advance_days(&self, days: u64) {
        self.0.fetch_add(days * 86_400, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.0.load(Ordering::Relaxed))
    }
}

type SeatKey = (Handle, PublicKey);

/// A vendor that sells one license.
#[derive(Clone)]
pub struct Vendor {
    pub clock: TestClock,
    pub roots: Roots,
    pub issuer: Issuer,
    terms: LicenseTerms,
    license_key: String,
    pub seats: BTreeMap<SeatKey, Seat>,
    receipts: BTreeMap<SeatKey, DeactivationReceipt>,
}

impl Vendor {
    pub fn new() -> Self {
        let clock = TestClock::at(START);
        let root = SigningKey::generate(&SystemRandom).unwrap();
        let key = SigningKey::generate(&SystemRandom).unwrap();
        let certificate = CertificateTerms {
            issuer: key.public_key(),
            name: "Example Ltd".into(),
            serial: 1,
            not_before: clock.now(),
            not_after: clock.now().plus_days(365),
        }
        .sign(&root)
        .unwrap();
        let id = LicenseId::generate(&SystemRandom).unwrap();
        let mut terms = LicenseTerms::new(id, PRODUCT, 1, clock.now());
        terms.licensee = "Jane Doe".into();
        terms.features = vec![Feature { name: "export".into(), limit: Some(3), expires: None }];
        Self {
            roots: Roots::new([root.public_key()]),
            issuer: Issuer::certified(key, certificate).unwrap(),
            license_key: LicenseKey::from_random([7; 12]).to_string(),
            terms,
            clock,
            seats: BTreeMap::new(),
            receipts: BTreeMap::new(),
        }
    }

    /// The license has this many seats.
    pub fn sell(&mut self, seats: u32) {
        self.terms.seats = seats;
    }

    pub fn terms(&mut self) -> &mut LicenseTerms {
        &mut self.terms
    }

    pub fn license_key(&self) -> String {
        self.license_key.clone()
    }

    pub fn usage(&self) -> Usage {
        let count = |test: fn(&&Seat) -> bool| self.seats.values().filter(test).count() as u32;
        Usage { taken: count(|s| s.state.is_taken()), deactivated: count(|s| s.counted) }
    }

    /// Answers an activation file. The releases that come along stand even if the request is refused.
    pub fn activate(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        let file = ActivationFile::read(input)?;
        if file.request.license_key != self.license_key && file.recovery.is_none() {
            return Err(Error::new(ErrorKind::UnknownLicense, "activation"));
        }
        let receipts = file.releases.iter().map(|claim| self.release(claim)).collect::<Result<Vec<_>>>()?;
        let key = (file.request.handle, file.request.device_key);
        if file.recovery.is_some() && !self.seats.contains_key(&key) {
            let claim = (&file.request).into();
            let now = self.clock.now();
            for seat in
                self.seats.values_mut().filter(|s| s.device_key == key.1 && s.state == SeatState::Active)
            {
                *seat = ledger::recover(&self.terms, seat, &claim, now)?;
            }
        }
        let held = self.seats.values().find(|s| s.state == SeatState::Held && s.device_key == key.1);
        let now = self.clock.now();
        let known = self.seats.get(&key);
        let usage = self.usage();
        let claim = (&file.request).into();
        let seat = match ledger::activate(&self.terms, usage, known, held, &claim, [1; 16], now)? {
            Activation::Repeated(seat) => seat,
            Activation::Granted { seat, instead_of } => {
                self.seats.extend(instead_of.map(|s| ((s.handle, s.device_key), s)));
                self.seats.insert(key, seat.clone());
                seat
            }
        };
        let left = self.terms.deactivations_left(self.usage());
        let license = self.issuer.license(&self.terms, &seat, left, now)?;
        Ok(reply_bytes(&license, &receipts))
    }

    /// Redeems a proof in any form.
    pub fn redeem(&mut self, input: &[u8]) -> Result<DeactivationReceipt> {
        self.release(&ReleaseClaim::read(input)?)
    }

    fn release(&mut self, claim: &ReleaseClaim) -> Result<DeactivationReceipt> {
        let now = self.clock.now();
        let mut candidates = self.seats.values().filter(|s| s.handle == claim.handle());
        let found = candidates.find_map(|seat| Some((seat.clone(), claim.verify_for(seat).ok()?)));
        match (found, claim.request()) {
            (Some((seat, proof)), _) => {
                let released = ledger::release(&self.terms, self.usage(), &seat, proof.reason, now);
                self.settle(released, Binding::Proof(proof.digest()))
            }
            (None, Some(request)) => {
                let proof = claim.verify(&request.device_key)?;
                let released = ledger::cancel(&request.into(), self.terms.id, now);
                self.settle(released, Binding::Proof(proof.digest()))
            }
            (None, None) => Err(Error::new(ErrorKind::UnknownSeat, "deactivation")),
        }
    }

    /// Redeems what somebody typed.
    pub fn redeem_code(&mut self, typed: &str) -> Result<DeactivationReceipt> {
        let now = self.clock.now();
        for reading in DeactivationCode::read(typed)? {
            let seats: Vec<Seat> =
                self.seats.values().filter(|s| s.handle == reading.code.handle()).cloned().collect();
            for seat in seats.into_iter().filter(|seat| ledger::may_try_code(seat, now)) {
                if ledger::code_fits(&seat, &reading.code) {
                    let released = ledger::release(&self.terms, self.usage(), &seat, Reason::Other, now);
                    return self.settle(released, Binding::code(&reading.code));
                }
                let counted = ledger::count_wrong_code(&seat, now);
                self.seats.insert((counted.handle, counted.device_key), counted);
            }
        }
        Err(Error::new(ErrorKind::WrongCode, "deactivation code"))
    }

    fn settle(&mut self, released: Released, binding: Binding) -> Result<DeactivationReceipt> {
        let key = (released.seat.handle, released.seat.device_key);
        if let Some(receipt) = self.receipts.get(&key) {
            return Ok(receipt.clone());
        }
        let receipt = self.issuer.receipt(&released, binding, self.clock.now())?;
        self.seats.insert(key, released.seat);
        self.receipts.insert(key, receipt.clone());
        Ok(receipt)
    }

    pub fn force_release(&mut self, handle: Handle, reason: &str) -> Revocation {
        let now = self.clock.now();
        let seat = self.seats.values_mut().find(|s| s.handle == handle).unwrap();
        *seat = ledger::force_release(seat, now).unwrap();
        self.issuer.revocation(seat, reason, now).unwrap()
    }

    pub fn renew(&mut self, handle: Handle) -> nodelock::License {
        let now = self.clock.now();
        let left = self.terms.deactivations_left(self.usage());
        let seat = self.seats.values_mut().find(|s| s.handle == handle).unwrap();
        *seat = ledger::renew(&self.terms, seat, None, [2; 16], now).unwrap();
        self.issuer.license(&self.terms, seat, left, now).unwrap()
    }
}

/// A physical machine named `name`.
pub fn machine(name: &str) -> Probe {
    let values = [
        (Component::OsId, format!("0af1{name:0>28}")),
        (Component::DiskSerial, format!("disk {name} 2718281")),
        (Component::Mac, format!("f0:4d:a2:{:02x}:{:02x}:11", name.len(), name.as_bytes()[0])),
        (Component::Model, "Framework Laptop 13".to_owned()),
        (Component::Cpu, "AuthenticAMD 25 116 1 Ryzen 7".to_owned()),
    ];
    Probe::from_values(values, false, false)
}

/// One machine with a store of its own.
pub struct Device {
    client: Client,
    store: Store,
    name: String,
    roots: Roots,
    clock: TestClock,
}

impl Device {
    /// A machine with an empty store in memory, and the vendor's clock.
    pub fn new(vendor: &Vendor, name: &str) -> Self {
        Self::with_store(vendor, name, Store::in_memory())
    }

    pub fn with_store(vendor: &Vendor, name: &str, store: Store) -> Self {
        let mut device = Self {
            client: builder(vendor.roots.clone(), name, store.clone(), vendor.clock.clone()).build().unwrap(),
            store,
            name: name.to_owned(),
            roots: vendor.roots.clone(),
            clock: vendor.clock.clone(),
        };
        device.client = device.reopen();
        device
    }

    /// A machine with an active license.
    pub fn activated(vendor: &mut Vendor, name: &str) -> Self {
        let device = Self::new(vendor, name);
        device.activate(vendor);
        device
    }

    pub fn activate(&self, vendor: &mut Vendor) {
        let request = self.client.begin(&vendor.license_key(), &[]).unwrap().to_bytes();
        self.client.install(&vendor.activate(&request).unwrap()).unwrap();
        assert_eq!(self.verdict(), Verdict::Active);
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The application started again.
    pub fn reopen(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub fn builder(&self) -> ClientBuilder {
        builder(self.roots.clone(), &self.name, self.store.clone(), self.clock.clone())
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn verdict(&self) -> Verdict {
        self.client.check().unwrap().verdict().clone()
    }

    pub fn handle(&self) -> Handle {
        self.client.check().unwrap().license().unwrap().handle
    }
}

pub fn builder(roots: Roots, name: &str, store: Store, clock: TestClock) -> ClientBuilder {
    let name = name.to_owned();
    Client::builder(PRODUCT, roots).store(store).clock(clock).probe(move || machine(&name))
}
