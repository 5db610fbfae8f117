//! An authority without a network, and devices, for the tests of handlers, on SQLite or PostgreSQL as the environment
//! asks.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use http_body_util::BodyExt as _;
use nodelock::{
    ActivationRequestOptions, Client, ClientBuilder, LicenseId, PublicKey, Roots, Store, SystemRandom,
    Timestamp,
    authority::{ActivationFile, Found, LicenseKeyName, LicenseTerms, Query, decision::Change},
    fingerprint::{Component, Probe},
};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::{
    Courier, Server, admin, log, metrics,
    peer::Peer,
    router,
    watched::{Nowhere, Watched},
};
use crate::{
    domain::{
        Account, Actor, AuditRow, Location, Occasion, Password, ProductId,
        rights::{Role, Scope},
    },
    keys::{self, renewal, renewal::NewCertificate},
    service::{self, Buyer, Database, Sellings, Service},
    store,
};

const PRODUCT: &str = "Example";

pub(super) struct Authority {
    folder: TempDir,
    location: Location,
    root: PublicKey,
    server: Arc<Server>,
    public: Router,
    administration: Router,
    operators: Router,
}

/// A response with its body, read whole.
#[derive(Debug)]
pub(super) struct WholeResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl WholeResponse {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The status and code of a refusal, which is in form.
    pub(super) fn problem(&self) -> (u16, String) {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{}", self.body);
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        let kind = problem["type"].as_str().unwrap();
        (self.status.as_u16(), kind.rsplit(':').next().unwrap().to_owned())
    }
}

impl Authority {
    pub(super) async fn new() -> Self {
        Self::with_page(None).await
    }

    /// With the ledger's last page in a place of the operator's.
    pub(super) async fn with_page(named: Option<&Path>) -> Self {
        log::silence();
        let folder = store::tests::folder();
        let (directory, location) = (folder.path().join("keys"), store::tests::place(&folder).await);
        let root =
            service::set_up(PRODUCT, &location, &directory, service::Keys::New, &occasion()).await.unwrap();
        let database = Database::open(&location, 2).await.unwrap();
        let sellings = Sellings::load(&database, &directory).await.unwrap();
        let vault = keys::Vault::open_or_create(&directory).unwrap();
        let service = Service::new(database, sellings, keys::Outside::new(named, &directory));
        let server = Server::new(service.with_vault(vault), Courier::new(&[]), None);
        let (public, operators) = (router(server.clone()), metrics::routes(server.clone()));
        let administration = admin::routes(server.clone());
        Self { folder, location, root, server, public, administration, operators }
    }

    pub(super) fn server(&self) -> Arc<Server> {
        self.server.clone()
    }

    /// The directory of the keys, and the root's public key.
    pub(super) fn keys(&self) -> (PathBuf, PublicKey) {
        (self.folder.path().join("keys"), self.root)
    }

    /// Makes a new certificate that begins so many days after now and lasts so many. The server does not hear of it.
    pub(super) fn certify(&self, after: i64, days: u32) {
        let (directory, root) = self.keys();
        let root_key = directory.join(keys::ROOT_KEY);
        let new = NewCertificate {
            root_key: &root_key,
            new_key: false,
            days,
            serial: None,
            source: keys::Source::Files,
        };
        let begins = occasion().time.unix_seconds().checked_add_signed(after * 24 * 60 * 60).unwrap();
        renewal::install(&directory, root, &new, Timestamp::from_unix_seconds(begins)).unwrap();
    }

    /// Has the server sign with what is in the directory now.
    pub(super) async fn reload(&self) {
        let sellings = Sellings::load(self.server.service.database(), &self.keys().0).await.unwrap();
        self.server.service.replace_sellings(sellings);
    }

    /// Whether somebody who copied the ledger finds a text in it.
    pub(super) fn ledger_has(&self, text: &str) -> bool {
        let bytes = match &self.location {
            Location::File(file) => {
                let log = file.with_extension("db-wal");
                [std::fs::read(file).unwrap(), std::fs::read(log).unwrap_or_default()].concat()
            }
            Location::Url(url) => std::process::Command::new("pg_dump").arg(url).output().unwrap().stdout,
        };
        assert!(!bytes.is_empty());
        let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        // A dump has bytes as their digits.
        let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        has(text.as_bytes()) || has(digits.as_bytes())
    }

    /// Sells a license and returns its key.
    pub(super) async fn sell(&self, seats: u32, deactivations: Option<u32>) -> String {
        self.sell_with(seats, |terms| terms.deactivations = deactivations).await
    }

    /// The same with other terms.
    pub(super) async fn sell_with(&self, seats: u32, set: impl FnOnce(&mut LicenseTerms)) -> String {
        let id = LicenseId::generate(&SystemRandom).unwrap();
        let mut terms = LicenseTerms::new(id, PRODUCT, seats, occasion().time);
        set(&mut terms);
        let sold = service::offers(&terms, 1).unwrap();
        let database = self.server.service.database();
        service::sell(database, None, &sold, Buyer::default(), || Ok(()), &occasion()).await.unwrap();
        sold[0].key.to_string()
    }

    /// A device that has asked for a seat, and its request.
    pub(super) fn device(&self, name: &str, key: &str) -> (Client, String) {
        let client = self.client(name).build().unwrap();
        let request = client.begin(key).unwrap().to_base64url();
        (client, request)
    }

    /// The request of a device that has no license key.
    pub(super) fn request_without_key(&self, name: &str) -> String {
        let client = self.client(name).build().unwrap();
        client.begin(ActivationRequestOptions::default()).unwrap().to_base64url()
    }

    /// What a device sends in a call over the network: the first body of it.
    pub(super) fn sent(&self, name: &str, call: impl FnOnce(&Client)) -> Value {
        let watched = Watched::new(Nowhere);
        let authority = nodelock::Authority::new("https://authority/", watched.clone()).attempts(1);
        call(&self.client(name).authority(authority).build().unwrap());
        watched.take().remove(0).body
    }

    /// Where a device of that name has its store.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn client(&self, name: &str) -> ClientBuilder {
        let store = Store::in_directory(self.place(name), None);
        // A virtual machine takes no other one's place, whatever the tests run on.
        Client::builder(PRODUCT, Roots::new([self.root])).store(store).probe(|| {
            Probe::from_values(
                [(Component::HwUuid, "4c4c4544-0042-3510-8052-b7c04f380001".to_owned())],
                true,
                false,
            )
        })
    }

    /// A device that has a seat.
    pub(super) async fn activated(&self, name: &str, key: &str) -> Client {
        self.activated_with(name, ActivationRequestOptions::of_key(key)).await
    }

    /// The same of a computer that its owner calls so.
    pub(super) async fn activated_as(&self, computer: &str, name: &str, key: &str) -> Client {
        let options = ActivationRequestOptions::of_key(key).metadata("computer", computer);
        self.activated_with(name, options).await
    }

    async fn activated_with(&self, name: &str, options: ActivationRequestOptions) -> Client {
        let client = self.client(name).build().unwrap();
        let request = client.begin(options).unwrap().to_base64url();
        let granted = self.call("/v1/activations", serde_json::json!({ "request": request })).await;
        client.accept(granted.json()["license"].as_str().unwrap().as_bytes()).unwrap();
        client
    }

    /// Enters a seat of the device that made `request` under the handle of the only seat of another authority.
    pub(super) async fn share_handle(&self, request: &[u8], other: &Self) {
        let seat = async |of: &Self| {
            let mut tx = of.server.service.database().read().await.unwrap();
            let rows = store::seats(&mut tx).await.unwrap();
            serde_json::to_value(&rows[0]).unwrap()
        };
        let mut record = seat(self).await;
        record["seat"] = seat(other).await["seat"].take();
        let request = ActivationFile::read(request).unwrap().request().clone();
        let change =
            Change::Insert { seat: serde_json::from_value(record).unwrap(), request: Some(request.into()) };
        let mut tx = self.server.service.database().write().await.unwrap();
        store::apply(&mut tx, &change, &occasion()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// So many days pass in which nobody hears of the devices of any seat.
    pub(super) async fn silence(&self, days: u64) {
        let mut tx = self.server.service.database().write().await.unwrap();
        for seat in store::seats(&mut tx).await.unwrap() {
            let mut record = serde_json::to_value(&seat).unwrap();
            record["contact"] = (seat.contact().unix_seconds() - days * 24 * 60 * 60).into();
            let change = Change::Update(serde_json::from_value(record).unwrap());
            store::apply(&mut tx, &change, &occasion()).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// How many lines the audit has: something was done, or it is the same.
    pub(super) async fn audit_lines(&self) -> usize {
        let mut lines = 0;
        let note = |row: crate::failure::Result<AuditRow>| row.map(|_| lines += 1);
        service::audit(self.server.service.database(), 1000, &occasion(), note).await.unwrap();
        lines
    }

    /// Takes the database away, which fails whatever asks it from here on.
    pub(super) async fn close_database(&self) {
        self.server.service.database().clone().close().await;
    }

    pub(super) async fn call(&self, path: &str, body: Value) -> WholeResponse {
        self.post(path, "application/json", body.to_string()).await
    }

    pub(super) async fn post(&self, path: &str, content_type: &str, body: impl Into<Body>) -> WholeResponse {
        let request = Request::post(path).header(header::CONTENT_TYPE, content_type);
        self.ask(request.body(body.into()).unwrap()).await
    }

    pub(super) async fn get(&self, path: &str) -> WholeResponse {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(super) async fn ask(&self, request: Request) -> WholeResponse {
        self.ask_from(1, request).await
    }

    pub(super) async fn ask_from(&self, peer: u8, mut request: Request) -> WholeResponse {
        request.extensions_mut().insert(Peer(IpAddr::from([192, 0, 2, peer])));
        read(self.public.clone().oneshot(request).await.unwrap()).await
    }

    /// Asks on the listener for administration.
    pub(super) async fn administer(&self, mut request: Request) -> WholeResponse {
        request.extensions_mut().insert(Peer(IpAddr::from([192, 0, 2, 1])));
        read(self.administration.clone().oneshot(request).await.unwrap()).await
    }

    /// An account of that role, which is signed in with this token.
    pub(super) async fn signed_in(&self, role: Role) -> String {
        let (name, text) = (role.name(), |text: &str| text.to_owned());
        let hash = Password { memory: 8, passes: 1, lanes: 1, salt: text("AAAA"), hash: text("AAAA") };
        let account = Account {
            name: text(name),
            role,
            password: hash,
            totp: text("AAAA"),
            totp_step: 0,
            recovery: Vec::new(),
            created: occasion().time,
            disabled: None,
            spent: Vec::new(),
            quotas: std::collections::BTreeMap::new(),
        };
        let token = format!("nls_{name}");
        let hash = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
        let (now, ends) = (occasion().time, occasion().time.plus_days(1));
        let mut tx = self.server.service.database().write().await.unwrap();
        store::insert_account(&mut tx, &account).await.unwrap();
        store::insert_session(&mut tx, hash.as_ref(), name, now, ends).await.unwrap();
        tx.commit().await.unwrap();
        token
    }

    /// A token of a program.
    pub(super) async fn token(&self, scopes: &[Scope]) -> String {
        self.token_for(scopes, None).await
    }

    /// The same for one product alone.
    pub(super) async fn token_for(&self, scopes: &[Scope], product: Option<&str>) -> String {
        let (name, scopes, product) = ("shop".to_owned(), scopes.to_vec(), product.map(ProductId::of_name));
        let new = service::NewCredential::Token { name, scopes, product, expires: None };
        let made =
            service::new_credential(self.server.service.database(), new, |_, _| Ok(()), &occasion()).await;
        made.unwrap().1.to_string()
    }

    /// A deployment key for so many machines, for the license of that key.
    pub(super) async fn deployment_key(&self, key: &str, most: u32) -> String {
        let database = self.server.service.database();
        let query = Query::LicenseOfKey(LicenseKeyName::new(key).unwrap().hash());
        let found = store::find(&mut database.read().await.unwrap(), &query).await.unwrap();
        let Found::License(Some(license)) = found else { panic!("no license has that key") };
        let (name, license) = ("CI".to_owned(), license.terms.id);
        let new = service::NewCredential::DeploymentKey { name, license, most, expires: None };
        service::new_credential(database, new, |_, _| Ok(()), &occasion()).await.unwrap().1.to_string()
    }

    pub(super) async fn ask_as_operator(&self, path: &str) -> WholeResponse {
        let request = Request::get(path).body(Body::empty()).unwrap();
        read(self.operators.clone().oneshot(request).await.unwrap()).await
    }
}

async fn read(response: Response) -> WholeResponse {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    WholeResponse {
        status: head.status,
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

fn occasion() -> Occasion {
    Occasion { time: SystemTime::now().into(), actor: Actor::Vendor("test".to_owned()) }
}
