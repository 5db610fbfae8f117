//! A vendor with its ledger in memory, and devices with a clock and a machine of the test's choosing.

#[path = "../../examples/quickstart/ledger.rs"]
mod ledger;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use nodelock::{
    Client, ClientBuilder, Clock, DeactivationReceipt, Error, ErrorKind, Feature, License, LicenseId, Page,
    PublicKey, Result, Revocation, Roots, SigningKey, Store, SystemRandom, Timestamp, Verdict,
    authority::{
        ActivationFile, CertificateTerms, CheckInClaim, History, Issuer, LicenseTerms, Records, ReleaseClaim,
        Reply, Seat, SeatName, TypedCode, Usage,
        decision::{self, Moment, Note, Refusal, Ruling, Step},
    },
    code::{Handle, LicenseKey},
    fingerprint::{Component, Probe},
};

pub use self::ledger::Memory;

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

    /// The time so many days from now.
    pub fn now_plus(&self, days: u32) -> Timestamp {
        self.now().plus_days(days)
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

/// A vendor that sells one license, over the ledger of the quickstart.
#[derive(Clone)]
pub struct Vendor {
    pub clock: TestClock,
    pub root: PublicKey,
    pub roots: Roots,
    pub issuer: Issuer,
    pub ledger: Memory,
    /// What is signed is signed under this page. It lies outside of the ledger.
    pub page: Page,
    license_key: String,
    decisions: u128,
}

impl Vendor {
    pub fn new() -> Self {
        let clock = TestClock::at(START);
        let root = SigningKey::generate(&SystemRandom).unwrap();
        let key = SigningKey::generate(&SystemRandom).unwrap();
        let certificate =
            CertificateTerms::new(key.public_key(), "Example Ltd", clock.now(), clock.now().plus_days(365))
                .with_endless(true)
                .sign(&root)
                .unwrap();
        let id = LicenseId::generate(&SystemRandom).unwrap();
        let mut terms = LicenseTerms::new(id, PRODUCT, 1, clock.now());
        terms.licensee = "Jane Doe".into();
        terms.features = vec![Feature::new("export").up_to(3)];
        let license_key = LicenseKey::from_random([7; 12]).to_string();
        let mut vendor = Self {
            root: root.public_key(),
            roots: Roots::new([root.public_key()]),
            issuer: Issuer::certified(key, certificate).unwrap(),
            ledger: Memory::new(terms, &license_key),
            license_key,
            clock,
            page: Page::from_bytes([0; 8]),
            decisions: 0,
        };
        vendor.note(Note::default());
        vendor
    }

    /// The same vendor with another license, of one seat and with a key of its own.
    pub fn another_license(&self) -> Self {
        let id = LicenseId::generate(&SystemRandom).unwrap();
        let terms = LicenseTerms::new(id, PRODUCT, 1, self.clock.now());
        let license_key = LicenseKey::from_random([8; 12]).to_string();
        let mut other = Self { ledger: Memory::new(terms, &license_key), license_key, ..self.clone() };
        other.note(Note::default());
        other
    }

    /// The license has this many seats.
    pub fn sell(&mut self, seats: u32) {
        self.ledger.terms.seats = seats;
    }

    pub fn terms(&mut self) -> &mut LicenseTerms {
        &mut self.ledger.terms
    }

    pub fn license_key(&self) -> String {
        self.license_key.clone()
    }

    pub fn usage(&self) -> Usage {
        self.ledger.usage()
    }

    /// The seat of that handle. No two devices of a test draw the same one.
    pub fn seat(&self, handle: Handle) -> &Seat {
        self.ledger.seats.values().find(|seat| seat.handle() == handle).unwrap()
    }

    fn name(&self, handle: Handle) -> SeatName {
        self.seat(handle).name()
    }

    /// This moment, for the decision after so many.
    pub fn moment(&self) -> Moment {
        Moment {
            now: self.clock.now(),
            token: self.decisions.to_le_bytes(),
            page: self.page,
            longest_lease: self.issuer.longest_lease(),
            roots: Arc::new(self.roots.clone()),
        }
    }

    /// Notes a new page, as a host does in each minute, and copies it outside.
    pub fn note(&mut self, note: Note) -> History {
        self.page = Page::generate(&SystemRandom).unwrap();
        match self.decide(|records, moment| decision::note(&note, records, moment)).unwrap().0 {
            Ruling::Noted(history) => history,
            ruling => panic!("{ruling:?}"),
        }
    }

    /// Makes a decision, stores it, and signs what is sent. The sync tokens are the same in every run.
    fn decide(
        &mut self,
        act: impl Fn(&Records, &Moment) -> Result<Step, Refusal>,
    ) -> Result<(Ruling, Reply)> {
        self.decisions += 1;
        let moment = self.moment();
        let decision = decision::settle(&mut self.ledger, |records| act(records, &moment))?;
        let reply = self.issuer.reply(&decision, moment.now)?;
        Ok((decision.ruling, reply))
    }

    /// Answers an activation file. The releases that come along stand even if the request is refused.
    pub fn answer(&mut self, input: &[u8]) -> Result<Reply> {
        let file = ActivationFile::read(input)?;
        match self.decide(|records, moment| decision::activate(&file, None, records, moment))? {
            (Ruling::Refused(refusal), _) => Err(refusal.into()),
            (_, reply) => Ok(reply),
        }
    }

    /// The same, as a file.
    pub fn activate(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        Ok(self.answer(input)?.to_bytes())
    }

    /// Redeems a proof in any form. One of a seat that nobody has asked for is kept; that is
    /// [`ErrorKind::UnknownSeat`], as there is no receipt.
    pub fn redeem(&mut self, input: &[u8]) -> Result<DeactivationReceipt> {
        let claim = ReleaseClaim::read(input)?;
        receipt(self.decide(|records, moment| decision::redeem(&claim, records, moment))?.1)
    }

    /// Redeems what somebody typed, in the same way.
    pub fn redeem_code(&mut self, typed: &str) -> Result<DeactivationReceipt> {
        let typed = TypedCode::read(typed)?;
        receipt(self.decide(|records, moment| decision::redeem_code(&typed, records, moment))?.1)
    }

    /// Answers a check-in with a license or a revocation.
    pub fn check_in(&mut self, input: &[u8]) -> Result<Reply> {
        let claim = CheckInClaim::read(input)?;
        match self.decide(|records, moment| decision::check_in(&claim, records, moment))? {
            (Ruling::Refused(refusal), _) => Err(refusal.into()),
            (_, reply) => Ok(reply),
        }
    }

    pub fn force_release(&mut self, handle: Handle, notice: &str) -> Revocation {
        let name = self.name(handle);
        let act = |records: &Records, moment: &Moment| decision::release(name, notice, records, moment);
        self.decide(act).unwrap().1.revocation.unwrap()
    }

    pub fn renew(&mut self, handle: Handle) -> License {
        let name = self.name(handle);
        let act = |records: &Records, moment: &Moment| decision::renew(name, records, moment);
        self.decide(act).unwrap().1.license.unwrap()
    }
}

fn receipt(mut reply: Reply) -> Result<DeactivationReceipt> {
    reply.receipts.pop().ok_or_else(|| Error::new(ErrorKind::UnknownSeat, "deactivation"))
}

/// A physical machine named `name`.
pub fn machine(name: &str) -> Probe {
    probe(name, false)
}

/// The same machine, which may be a virtual one.
pub fn probe(name: &str, is_virtual: bool) -> Probe {
    // No two machines have one address.
    let hash = name.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let [_, a, b, c] = hash.to_be_bytes();
    let values = [
        (Component::OsId, format!("0af1{name:0>28}")),
        (Component::DiskSerial, format!("disk {name} 2718281")),
        (Component::Mac, format!("f0:4d:a2:{a:02x}:{b:02x}:{c:02x}")),
        (Component::Model, "Framework Laptop 13".to_owned()),
        (Component::Cpu, "AuthenticAMD 25 116 1 Ryzen 7".to_owned()),
    ];
    Probe::from_values(values, is_virtual, false)
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
        self.client.accept(&vendor.activate(&request).unwrap()).unwrap();
        assert_eq!(self.verdict(), Verdict::Active);
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Asks for a renewal and takes in the answer.
    pub fn check_in(&self, vendor: &mut Vendor) {
        let request = self.client.check_in_offline().unwrap();
        self.client.accept(&vendor.check_in(&request.to_bytes()).unwrap().to_bytes()).unwrap();
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
