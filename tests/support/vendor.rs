//! A vendor that sold one license, and devices with a clock and a machine of the test's choosing.

use std::{
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicU64, Ordering},
};

use nodelock::{
    Client, ClientBuilder, Feature, License, LicenseId, PublicKey, Result, Revocation, Roots, Store, Verdict,
    authority::{
        History, LicenseTerms, Reply, Seat, Usage,
        decision::{Moment, Note},
    },
    code::{Handle, LicenseKey},
    fingerprint::{Component, Probe},
    testing,
};

pub use nodelock::testing::{MemoryLedger, TestClock};

pub const PRODUCT: &str = "Example Editor";
/// 2027-01-15T08:00:00Z.
pub const START: u64 = TestClock::START;

/// The library's vendor for tests, and the key of the one license that it sold. No two of them have the same keys.
#[derive(Clone)]
pub struct Vendor {
    vendor: testing::Vendor,
    pub root: PublicKey,
    license_key: String,
}

impl Deref for Vendor {
    type Target = testing::Vendor;

    fn deref(&self) -> &testing::Vendor {
        &self.vendor
    }
}

impl DerefMut for Vendor {
    fn deref_mut(&mut self) -> &mut testing::Vendor {
        &mut self.vendor
    }
}

impl Vendor {
    pub fn new() -> Self {
        static VENDORS: AtomicU64 = AtomicU64::new(0);
        let number = VENDORS.fetch_add(1, Ordering::Relaxed);
        let mut vendor = testing::Vendor::new(PRODUCT, &number.to_string()).unwrap();
        let now = vendor.clock.now_plus(0);
        vendor.certify(now, now.plus_days(365)).unwrap();
        let feature = Feature::new("export").up_to(3);
        vendor.sell_with(1, |terms| terms.features = vec![feature]).unwrap();
        // One that a test's other processes know too.
        let license_key = license_key();
        vendor.ledger.rekey(vendor.ledger.terms[0].id, &license_key);
        Self { root: vendor.root(), vendor, license_key }
    }

    /// The same vendor with another ledger, which has another license of one seat.
    pub fn another_license(&self) -> Self {
        let mut other = self.clone();
        other.ledger = MemoryLedger::default();
        other.license_key = other.vendor.sell(1).unwrap();
        other.note(Note::default());
        other
    }

    /// The license has this many seats.
    pub fn sell(&mut self, seats: u32) {
        self.terms().seats = seats;
    }

    pub fn terms(&mut self) -> &mut LicenseTerms {
        &mut self.vendor.ledger.terms[0]
    }

    /// The license has that id, as if it had been sold under it.
    pub fn set_license_id(&mut self, id: LicenseId) {
        self.terms().id = id;
        self.vendor.ledger.rekey(id, &self.license_key);
    }

    pub fn license_key(&self) -> String {
        self.license_key.clone()
    }

    pub fn usage(&self) -> Usage {
        self.ledger.usage(self.ledger.terms[0].id)
    }

    pub fn seat(&self, handle: Handle) -> &Seat {
        self.vendor.seat(handle).unwrap()
    }

    pub fn moment(&self) -> Moment {
        self.vendor.moment().unwrap()
    }

    pub fn note(&mut self, note: Note) -> History {
        self.vendor.note(note).unwrap()
    }

    pub fn answer(&mut self, input: &[u8]) -> Result<Reply> {
        self.vendor.activate(input)
    }

    /// The same, as a file.
    pub fn activate(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        Ok(self.answer(input)?.to_bytes())
    }

    pub fn force_release(&mut self, handle: Handle, notice: &str) -> Revocation {
        self.vendor.release(handle, notice).unwrap()
    }

    pub fn renew(&mut self, handle: Handle) -> License {
        self.vendor.renew(handle).unwrap()
    }
}

/// The key of a vendor's license, which is the same for all of them.
pub fn license_key() -> String {
    LicenseKey::from_random([7; 12]).to_string()
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
        let request = self.client.begin(vendor.license_key()).unwrap().to_bytes();
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
