//! An authority at work and devices in memory, for the tests of services, on SQLite or PostgreSQL as the environment
//! asks.

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use nodelock::{
    ActivationRequestOptions, Client, LicenseId, Roots, Store, SystemRandom, Timestamp,
    authority::{ActivationFile, LicenseTerms, ReleaseClaim, Seat, Verification},
    fingerprint::{Component, Probe},
};
use tempfile::TempDir;

use super::{Activated, Buyer, Database, Sellings, Service, lists, offers, sell, set_up};
use crate::{
    domain::{Actor, AuditRow, Location, Occasion, Submission},
    failure::Result,
    keys, store,
};

pub(crate) const PRODUCT: &str = "Example";

pub(crate) struct Authority {
    folder: TempDir,
    pub(crate) service: Service,
    /// How many verifications ran so far. The writer's lock was free each time.
    pub(crate) verifications: Arc<AtomicUsize>,
}

impl Authority {
    pub(crate) async fn new() -> Self {
        let folder = store::tests::folder();
        let location = store::tests::place(&folder).await;
        Self::at(location, folder).await
    }

    /// One on SQLite, for what is SQLite's own: there is one writer at a time.
    pub(crate) async fn with_one_writer() -> Self {
        let folder = store::tests::folder();
        Self::at(Location::File(folder.path().join("authority.db")), folder).await
    }

    async fn at(location: Location, folder: TempDir) -> Self {
        let directory = folder.path().join("keys");
        set_up(PRODUCT, &location, &directory, super::Keys::New, &vendor()).await.unwrap();
        let database = Database::open(&location, 4).await.unwrap();
        let sellings = Sellings::load(&database, &directory).await.unwrap();
        let mut service = Service::new(database, sellings, keys::Outside::new(None, &directory))
            .with_vault(keys::Vault::open_or_create(&directory).unwrap());
        let verifications = Arc::new(AtomicUsize::new(0));
        let counter = verifications.clone();
        service.run = Arc::new(move |verification: &Verification, database: &Database| {
            assert!(database.is_free(), "a verification runs while the writer's lock is held");
            counter.fetch_add(1, Ordering::Relaxed);
            verification.run()
        });
        Self { folder, service, verifications }
    }

    /// Another process over the same database, which finds the page outside of it or does not.
    pub(crate) async fn restarted(&self, has_page: bool) -> Service {
        let place = if has_page { self.path("keys") } else { self.path("") };
        self.restarted_with(keys::Outside::new(None, &place)).await
    }

    /// Another process over the same database, with its page there.
    pub(crate) async fn restarted_with(&self, outside: keys::Outside) -> Service {
        let sellings = Sellings::load(self.service.database(), &self.path("keys")).await.unwrap();
        Service::new(self.service.database().clone(), sellings, outside)
    }

    /// A path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sells a license and returns its key.
    pub(crate) async fn sell(&self, seats: u32) -> String {
        self.sell_with(seats, |_| ()).await
    }

    /// The same on terms that `change` makes of the defaults.
    pub(crate) async fn sell_with(&self, seats: u32, change: impl FnOnce(&mut LicenseTerms)) -> String {
        let id = LicenseId::generate(&SystemRandom).unwrap();
        let mut terms = LicenseTerms::new(id, PRODUCT, seats, now());
        change(&mut terms);
        let sold = offers(&terms, 1).unwrap();
        sell(self.service.database(), None, &sold, Buyer::default(), || Ok(()), &vendor()).await.unwrap();
        sold[0].key.to_string()
    }

    pub(crate) fn device(&self) -> Client {
        let roots: Roots = self.service.roots();
        // A virtual machine takes no other one's place, whatever the tests run on.
        let probe = || {
            Probe::from_values(
                [(Component::HwUuid, "4c4c4544-0042-3510-8052-b7c04f380001".to_owned())],
                true,
                false,
            )
        };
        Client::builder(PRODUCT, roots).store(Store::in_memory()).probe(probe).build().unwrap()
    }

    /// A device on a computer of its own, which has this value in a component.
    pub(crate) fn device_of(&self, component: Component, value: &str) -> Client {
        let value = format!("4c4c4544-0042-3510-8052-b7c04f38{value:0>4}");
        let probe = move || Probe::from_values([(component, value.clone())], true, false);
        let client = Client::builder(PRODUCT, self.service.roots()).store(Store::in_memory()).probe(probe);
        client.build().unwrap()
    }

    /// A request that names its computer.
    pub(crate) fn named_request(&self, key: &str, name: &str) -> ActivationRequestOptions {
        ActivationRequestOptions::of_key(key).metadata("computer", name)
    }

    pub(crate) async fn take_named_seat(&self, device: &Client, key: &str, name: &str) {
        let file = device.begin(self.named_request(key, name)).unwrap().to_bytes();
        let activated = self.activate(&file, &vendor()).await.unwrap();
        device.accept(activated.license.unwrap().as_bytes()).unwrap();
    }

    pub(crate) async fn take_seat(&self, device: &Client, key: &str) {
        self.take_named_seat(device, key, "one").await;
    }

    /// A device that has a seat.
    pub(crate) async fn activated(&self, key: &str) -> Client {
        let device = self.device();
        let file = device.begin(key).unwrap().to_bytes();
        let activated = self.activate(&file, &vendor()).await.unwrap();
        device.accept(activated.license.unwrap().as_bytes()).unwrap();
        device
    }

    pub(crate) async fn activate(&self, file: &[u8], occasion: &Occasion) -> Result<Activated> {
        self.service.activate(ActivationFile::read(file)?, None, occasion).await
    }

    pub(crate) async fn read(&self, input: impl AsRef<[u8]>) -> Result<Submission> {
        self.service.read(input.as_ref().to_vec()).await
    }

    pub(crate) async fn seats(&self) -> Vec<Seat> {
        store::seats(&mut self.service.database().read().await.unwrap()).await.unwrap()
    }

    /// The actions of the audit, in order.
    pub(crate) async fn actions(&self) -> Vec<String> {
        let mut actions = Vec::new();
        let note = |line: Result<AuditRow>| line.map(|line| actions.push(line.action));
        lists::audit(self.service.database(), 1000, &vendor(), note).await.unwrap();
        actions
    }
}

pub(crate) fn claim(proof: &[u8]) -> ReleaseClaim {
    ReleaseClaim::read(proof).unwrap()
}

pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

pub(crate) fn vendor() -> Occasion {
    Occasion { time: now(), actor: Actor::Vendor("test".into()) }
}

pub(crate) fn address(n: u32) -> IpAddr {
    IpAddr::V4(n.into())
}

pub(crate) fn stranger(n: u32) -> Occasion {
    Occasion { time: now(), actor: Actor::Peer(address(n)) }
}
