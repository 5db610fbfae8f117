//! A vendor, and machines with its licenses.

use std::path::Path;

use nodelock::{
    Client, ClientBuilder, Feature, License, LicenseId, Page, PublicKey, Roots, SigningKey, Store,
    SystemRandom, Timestamp,
    authority::{
        ActivationFile, CertificateTerms, Issuer, LicenseTerms,
        decision::{self, Moment},
    },
    testing::MemoryLedger,
};

pub const PRODUCT: &str = "Example Editor";

/// Signs with a root, or with an issuer key under a root's certificate.
pub struct Vendor {
    pub root: PublicKey,
    issuer: Issuer,
    terms: LicenseTerms,
}

impl Vendor {
    /// Two signatures in each license: the certificate's and its own.
    pub fn with_certificate() -> Self {
        let (root, key) = (new_key(), new_key());
        let certificate = CertificateTerms::new(key.public_key(), "Example Ltd", now(), now().plus_days(365))
            .with_endless(true);
        let certificate = certificate.sign(&root).unwrap();
        Self::new(root.public_key(), Issuer::certified(key, certificate).unwrap())
    }

    /// One signature in each license.
    pub fn root_alone() -> Self {
        let root = new_key();
        Self::new(root.public_key(), Issuer::root(root))
    }

    fn new(root: PublicKey, issuer: Issuer) -> Self {
        let id = LicenseId::generate(&SystemRandom).unwrap();
        let mut terms = LicenseTerms::new(id, PRODUCT, 1, now());
        terms.licensee = "Jane Doe".into();
        Self { root, issuer, terms }.with_features(1)
    }

    /// Sells so many features.
    pub fn with_features(mut self, count: usize) -> Self {
        let feature = |i| Feature::new(feature_name(i)).up_to(3);
        self.terms.features = (0..count).map(feature).collect();
        self
    }

    pub fn roots(&self) -> Roots {
        Roots::new([self.root])
    }

    /// Gives this machine a license, in an empty store. Every machine is the vendor's first.
    pub fn activate(&self, store: &Store) -> License {
        let client = builder(self.roots(), store.clone()).build().unwrap();
        let file = client.begin(nodelock::ActivationRequestOptions::new()).unwrap().to_bytes();
        let file = ActivationFile::read(&file).unwrap();
        let moment = Moment {
            now: now(),
            token: [1; 16],
            page: Page::from_bytes([1; 8]),
            longest_lease: self.issuer.longest_lease(),
            roots: self.roots().into(),
        };
        let license = Some(self.terms.id);
        let mut ledger = MemoryLedger::new(self.terms.clone(), "");
        let act = |records: &_| decision::activate(&file, license, records, &moment);
        let decision = decision::settle(&mut ledger, act).unwrap();
        let license = self.issuer.reply(&decision, moment.now).unwrap().license.unwrap();
        assert!(client.accept(license.as_bytes()).unwrap().status().is_usable());
        license
    }
}

/// What an application with a store of its own would set up.
pub fn builder(roots: Roots, store: Store) -> ClientBuilder {
    Client::builder(PRODUCT, roots).store(store)
}

/// A store on a real disk, with tombstones.
pub fn store_in(folder: &Path) -> Store {
    Store::in_directory(folder.join("store"), Some(folder.join("tombstones")))
}

pub fn feature_name(number: usize) -> String {
    format!("feature-{number:04}")
}

fn new_key() -> SigningKey {
    SigningKey::generate(&SystemRandom).unwrap()
}

fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}
