//! The client: the one place where clock, store, machine and the pure core meet.
//!
//! Every operation reads each source once, asks the pure core, and commits once. What it says to the caller is said
//! after the commit is durable (docs/PROTOCOL.md, Client states).

mod accepted;
#[cfg(feature = "transport")]
pub(crate) mod address;
#[cfg(feature = "tokio")]
mod asynchronous;
mod authority_message;
mod builder;
mod check_in;
#[cfg(feature = "transport")]
mod deactivate_error;
#[cfg(any(feature = "description", feature = "testing"))]
mod description;
mod device_key;
mod handover;
mod load;
#[cfg(feature = "transport")]
mod online;
mod options;
#[cfg(feature = "transport")]
mod reply;
mod start;
mod status;

use std::sync::{Arc, Mutex, OnceLock};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

#[cfg(feature = "tokio")]
pub use self::asynchronous::AsyncClient;
#[cfg(feature = "transport")]
pub use self::deactivate_error::DeactivateError;
#[cfg(feature = "transport")]
pub use self::online::{Online, Progress};
#[cfg(feature = "transport")]
pub use self::options::Authority;
pub use self::{
    accepted::Accepted,
    builder::{ClientBuilder, LicenseKeys},
    handover::{CheckIn, Deactivation, PendingRequest},
    options::ActivationRequestOptions,
    start::{Renewal, Started},
    status::Status,
};
use self::{device_key::DeviceKey, load::Loaded};
use crate::{
    Clock, Error, ErrorKind, Random, Result, SigningKey, Store, Timestamp,
    code::{Handle, ReleaseSecret},
    codec::{self, Bytes},
    fingerprint::{self, Fingerprint, HostId, Match, Probe, TagKey},
    keys::first,
    licensing_time::Reading,
    message::{
        ActivationRequest, Extension, Metadata, ProofBody, Reason, RecoveryBody, RecoveryRequest,
        RequestBody, Roots, Signed,
        frame::Incoming,
        product_tag,
        request::{commitment, replacing},
    },
    record::{Activation, Current, NO_LICENSE, NO_REQUEST, Pending, Record, Release, Replace},
    store::Writer,
    system,
};

/// Where a client takes its picture of the machine from.
type Prober = Box<dyn Fn() -> Probe + Send + Sync>;

/// One product's licensing on this machine.
///
/// Any number of clients, in any number of threads and processes, may share a store. Reading never waits; whoever
/// writes waits up to 5 seconds for another writer and then fails with [`ErrorKind::Busy`].
///
/// All operations that change something fail with the store's kinds ([`Busy`](ErrorKind::Busy),
/// [`NoLocks`](ErrorKind::NoLocks), [`Corrupt`](ErrorKind::Corrupt),
/// [`UnsupportedVersion`](ErrorKind::UnsupportedVersion), [`NoSpace`](ErrorKind::NoSpace),
/// [`ReadOnly`](ErrorKind::ReadOnly), [`AccessDenied`](ErrorKind::AccessDenied), [`Io`](ErrorKind::Io)) beside the ones
/// they list. After a failure the store holds what it held before, or, when the very last step of a write failed,
/// already what it was to hold; the next call finds out which, and calling again is always right.
pub struct Client {
    product: String,
    roots: Roots,
    store: Store,
    tag_key: TagKey,
    host_id: Option<(String, HostId)>,
    application: String,
    #[cfg(any(feature = "description", feature = "testing"))]
    describer: Option<description::Describer>,
    released: Option<Timestamp>,
    license_keys: LicenseKeys,
    replace: Replace,
    #[cfg(feature = "transport")]
    authority: Option<Authority>,
    /// The header that names the deployment key.
    #[cfg(feature = "transport")]
    authorization: Option<Zeroizing<String>>,
    clock: Box<dyn Clock>,
    random: Box<dyn Random>,
    prober: Prober,
    fingerprint: OnceLock<Fingerprint>,
    loaded: Mutex<Option<Arc<Loaded>>>,
    /// When the pending request is worth asking about again; a client that was built anew asks at once.
    #[cfg(feature = "transport")]
    next_lapse: Mutex<Option<Timestamp>>,
}

impl Client {
    #[cfg(feature = "transport")]
    fn next_lapse(&self) -> std::sync::MutexGuard<'_, Option<Timestamp>> {
        self.next_lapse.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Starts to set up a client for `product`, whose licenses `roots` vouch for.
    ///
    /// ```
    /// use nodelock::{Client, Roots, Store};
    /// # use nodelock::{SigningKey, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// let client = Client::builder("Example Editor", Roots::new([root]))
    ///     .application_version("4.2")
    ///     .store(Store::in_memory())
    ///     .build()?;
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn builder(product: impl Into<String>, roots: Roots) -> ClientBuilder {
        ClientBuilder::new(product.into(), roots)
    }

    /// Whether the application may run, and what the license says. Reads only, takes no lock and needs no network.
    ///
    /// A store that has not changed since the last call is noticed by one look at its file's time and size, and not
    /// read again; the machine is probed once for each client.
    ///
    /// A damaged store is a verdict. Fails when the store cannot be read at all, with
    /// [`ErrorKind::AccessDenied`] or [`ErrorKind::Io`].
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// let status = client.check()?;
    /// assert!(!status.is_usable());
    /// assert_eq!(status.verdict().to_string(), "no license");
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn check(&self) -> Result<Status> {
        let loaded = self.load()?;
        Ok(loaded.status(loaded.reading(&*self.clock), self.released))
    }

    /// Records what [`check`](Self::check) only sees: that time has passed, so that a clock set back is noticed, and
    /// that the machine has changed, from when on the grace period counts.
    ///
    /// Call it once in each run of the application, when [`Status::should_observe`] says so, and before anybody is
    /// turned away: a machine that changed during a long break has its days of grace only once that is recorded. It
    /// writes once after the machine was started or its clock was corrected, and else at most once an hour. Returns
    /// whether it wrote.
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// let wrote: bool = client.observe()?;
    /// assert!(!wrote, "nobody has activated it, so there is nothing to record");
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn observe(&self) -> Result<bool> {
        let loaded = self.load()?;
        if !loaded.should_observe(loaded.reading(&*self.clock)) {
            return Ok(false);
        }
        let machine = loaded.machine;
        let now = self.reading();
        self.change(|record, _| {
            record.observe(machine, now);
            Ok(true)
        })
    }

    /// What all clocks show.
    fn reading(&self) -> Reading {
        let running = self.clock.running();
        Reading { local: self.clock.now(), running, boot: running.and_then(|_| self.clock.boot()) }
    }

    /// This machine's fingerprint for this product, as a request carries it: tags, no raw values.
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// // Tags of three bytes, such as a request sends. Two products have different ones.
    /// for tag in client.fingerprint().tags() {
    ///     println!("{} {:02x?}", tag.component(), tag.bytes());
    /// }
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn fingerprint(&self) -> &Fingerprint {
        self.fingerprint.get_or_init(|| self.probe().fingerprint(&self.tag_key))
    }

    /// How this machine compares with the one that the license was issued for, component by component and without
    /// any value: for support. None without a license.
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// match client.fingerprint_report()? {
    ///     Some(report) => println!("{report}"),
    ///     None => println!("there is no license to compare this machine with"),
    /// }
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn fingerprint_report(&self) -> Result<Option<Match>> {
        let loaded = self.load()?;
        Ok(loaded.license.as_ref().map(|l| fingerprint::compare(&l.baseline, self.fingerprint(), &l.policy)))
    }

    /// What is found on this machine: its components, and the signs that it is virtual or a container. For support; the
    /// values stay inside.
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// for component in client.probe().components() {
    ///     println!("{component} was found");
    /// }
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn probe(&self) -> Probe {
        let probe = (self.prober)();
        match &self.host_id {
            Some((id, how)) => probe.with_host_id(id, *how).expect("the builder tried it"),
            None => probe,
        }
    }

    /// Asks for a seat: makes the device's key if it has none, draws a handle and a release secret, and keeps the
    /// request until it is answered or cancelled. Hand the result to the authority. Asking again shows the same
    /// request: with the same license key and seat, and nothing else to tell the vendor.
    ///
    /// `options` is a license key, whose typing errors are mended, or [more](ActivationRequestOptions). To take the
    /// [place of a seat](ActivationRequestOptions::instead_of), cancel the request that waits for a seat first.
    ///
    /// A license that has ended is set aside, and one that is valid or a request that is pending where the client was
    /// set up for that ([`ClientBuilder::replace_license`], [`ClientBuilder::replace_request`]). A license that is set
    /// aside stays what it is until the new one is installed; that gives its seat up, also where it allows no more
    /// deactivations.
    ///
    /// Fails with [`ErrorKind::AlreadyActive`] when something else is there, which [`Error::already`] names
    /// ([`pending`](Self::pending) shows a request again); [`ErrorKind::UnreadableCode`] or [`ErrorKind::WrongType`]
    /// when the license key cannot be one, [`ErrorKind::TooManyOutstanding`], [`ErrorKind::InvalidInput`] and
    /// [`ErrorKind::NoRandom`].
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// # let license_key = nodelock::code::LicenseKey::generate(&SystemRandom)?.to_string();
    /// use nodelock::ActivationRequestOptions;
    ///
    /// let request = client.begin(ActivationRequestOptions::of_key(&license_key).metadata("computer", "reception"))?;
    /// assert!(request.to_text().starts_with("-----BEGIN NODELOCK ACTIVATION REQUEST-----"));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn begin(&self, options: impl Into<ActivationRequestOptions>) -> Result<PendingRequest> {
        self.begin_with(&options.into())
    }

    pub(crate) fn begin_with(&self, options: &ActivationRequestOptions) -> Result<PendingRequest> {
        let license_key = options.read_key(self.license_keys)?;
        let metadata = options.metadata.clone();
        let extensions: Vec<_> = options.instead_of.map(replacing).transpose()?.into_iter().collect();
        let now = self.reading();
        self.change(|record, writer| {
            let pending = pending(record).ok().flatten();
            if let Some(pending) = pending.filter(|pending| options.are_in(pending, &license_key)) {
                return Ok(pending);
            }
            record.may_begin(self.has_ended(record, now), Some(self.replace))?;
            let request = self.new_request(record, writer, (license_key, metadata, extensions), now)?;
            PendingRequest::new(request, None, record)
        })
    }

    /// Draws a handle and a secret, signs a request, and makes it the pending one. The caller has asked
    /// [`Record::may_begin`] first: a second request must not cost a key or 100,000 rounds.
    fn new_request(
        &self,
        record: &mut Record,
        writer: &mut Writer<'_>,
        (license_key, metadata, mut extensions): (String, Metadata, Vec<Extension>),
        now: Reading,
    ) -> Result<ActivationRequest> {
        let key = self.device_key_or_new(writer)?;
        if let Some(release) = record.release_request() {
            let proof = self.proof(&release, writer, &key, Reason::Cancelled, now.local)?;
            record.cancel(proof, now.local)?;
        }
        extensions.extend(self.described(&metadata)?);
        let secret = ReleaseSecret::generate(&*self.random)?;
        let handle = self.new_handle(record, writer, &key)?;
        let body = RequestBody {
            device_key: key.public_key(),
            product: self.product.clone(),
            license_key,
            handle,
            release_commitment: commitment(&secret, handle, &key.public_key()),
            created: now.local,
            fingerprint: self.probe().fingerprint(&self.tag_key),
            library: env!("CARGO_PKG_VERSION").to_owned(),
            application: self.application.clone(),
            metadata,
            extensions,
        };
        let request = Signed::sign_by_device(body, &key)?;
        record.begin(Pending {
            activation: Activation { handle, secret, request_digest: request.digest() },
            request: Bytes(request.as_bytes().to_vec()),
            recovery: None,
            aside: None,
        })?;
        self.note_change(record, now);
        record.time.asked(request.digest(), now);
        Ok(request)
    }

    /// The description of this machine, if the host asked for one, less what `said` says itself.
    #[cfg(any(feature = "description", feature = "testing"))]
    fn described(&self, said: &Metadata) -> Result<Option<Extension>> {
        self.describer.as_ref().map_or(Ok(None), |describe| description::extension(describe(), said))
    }

    #[cfg(not(any(feature = "description", feature = "testing")))]
    fn described(&self, _: &Metadata) -> Result<Option<Extension>> {
        Ok(None)
    }

    /// The pending request, to hand it over again; none if none is pending.
    ///
    /// What is shown may be sent, so it must be durable first: this opens the store like any change, though it changes
    /// nothing. To look without that, see [`Status::pending`].
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// # let license_key = nodelock::code::LicenseKey::generate(&SystemRandom)?.to_string();
    /// # client.begin(&license_key)?;
    /// if let Some(request) = client.pending()? {
    ///     println!("waiting for the answer to\n{}", request.to_text());
    /// }
    /// # assert!(client.pending()?.is_some());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn pending(&self) -> Result<Option<PendingRequest>> {
        self.change(|record, _| pending(record))
    }

    /// Asks for a new seat in place of the one whose record is damaged or gone: the device's key says that no seat it
    /// held is usable here any more. The authority frees the old seat and grants the new one in one transaction,
    /// without counting a deactivation. Hand the result to the authority like any request.
    ///
    /// Fails with [`ErrorKind::AlreadyActive`] when a request is pending or a license active, and with
    /// [`ErrorKind::Corrupt`] when the device's key is damaged or gone too.
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// # use nodelock::ErrorKind;
    /// // A store that never asked for a seat has no device key, so there is nothing to recover.
    /// assert_eq!(client.recover_offline().unwrap_err().kind(), ErrorKind::Corrupt);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn recover_offline(&self) -> Result<PendingRequest> {
        let now = self.reading();
        // Any generation above the lost ones will do, and no store was written once a second since 1970.
        let writer = self.store.write_over_damage(now.local.unix_seconds())?;
        let record = match self.decode(writer.snapshot().body.as_deref()) {
            Err(e) if e.kind() == ErrorKind::Corrupt => Record::new(),
            record => record?,
        };
        let recovered = self.change_record(record, writer, |record, writer| {
            record.may_begin(self.has_ended(record, now), None)?;
            let key = self.known_device_key()?;
            let request = self.new_request(record, writer, (String::new(), Vec::new(), Vec::new()), now)?;
            let body = RecoveryBody {
                device_key: key.public_key(),
                product: self.product.clone(),
                request: request.digest(),
                time: now.local,
                extensions: Vec::new(),
            };
            let recovery = Signed::sign_by_device(body, &key)?;
            if let Current::Pending(pending) = &mut record.current {
                pending.recovery = Some(Bytes(recovery.as_bytes().to_vec()));
            }
            PendingRequest::new(request, Some(recovery), record)
        });
        recovered.map(|(request, _)| request)
    }

    /// Takes the pending request back. The authority may have granted it, so this gives a seat up like any
    /// deactivation: hand the result over, or let the next request carry it.
    ///
    /// A license that the request has set aside is active again.
    ///
    /// Fails with [`ErrorKind::NotPending`].
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// # let license_key = nodelock::code::LicenseKey::generate(&SystemRandom)?.to_string();
    /// # client.begin(&license_key)?;
    /// let cancelled = client.cancel()?;
    /// assert!(client.pending()?.is_none());
    /// assert_eq!(client.outstanding()?[0].handle(), cancelled.handle());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn cancel(&self) -> Result<Deactivation> {
        self.give_up(Reason::Cancelled, false, None, &|| Ok(()))
    }

    /// Gives the seat up without a network. When this returns, the license is gone from this machine, durably; the
    /// result frees the seat: as a file, a QR code, or 25 symbols over the phone.
    ///
    /// Needs no healthy machine: a wrong clock, changed hardware, an expired license or a key that is no longer
    /// trusted do not stop it.
    ///
    /// Fails with [`ErrorKind::NotActive`], and with [`ErrorKind::DeactivationNotAllowed`] while still active when
    /// the license has no deactivation left.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// use nodelock::{Reason, Verdict};
    ///
    /// let given_up = client.deactivate_offline(Reason::Moved)?;
    /// println!("read this to the vendor: {}", given_up.code());
    /// assert_eq!(*client.check()?.verdict(), Verdict::Deactivated);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn deactivate_offline(&self, reason: Reason) -> Result<Deactivation> {
        self.give_up(reason.of_deactivation(), false, None, &|| Ok(()))
    }

    /// The seats that were given up and whose receipts have not come, oldest first: the same proofs and codes as
    /// when they were given up.
    ///
    /// Opens the store like any change, as [`pending`](Self::pending) does. To look without that, see
    /// [`Status::outstanding`].
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// # let license_key = nodelock::code::LicenseKey::generate(&SystemRandom)?.to_string();
    /// # client.begin(&license_key)?;
    /// # client.cancel()?;
    /// for given_up in client.outstanding()? {
    ///     println!("seat {} waits for its receipt; its code: {}", given_up.handle(), given_up.code());
    /// }
    /// # assert_eq!(client.outstanding()?.len(), 1);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn outstanding(&self) -> Result<Vec<Deactivation>> {
        self.change(|record, _| record.outstanding.iter().map(Deactivation::new).collect())
    }

    /// `allowed` is the authority's word of just now that the license has a deactivation left; `expected` is the seat
    /// that this is about, if another process may have put another in its place. `may_go_on` is asked once the store is
    /// locked, which may have taken seconds: if it fails, nothing is given up.
    fn give_up(
        &self,
        reason: Reason,
        allowed: bool,
        expected: Option<Handle>,
        may_go_on: &dyn Fn() -> Result<()>,
    ) -> Result<Deactivation> {
        let cancelling = reason == Reason::Cancelled;
        let now = self.clock.now();
        let (mut deactivation, tombstones) = self.change_with_tombstones(|record, writer| {
            may_go_on()?;
            let missing = match cancelling {
                true => || Error::new(ErrorKind::NotPending, NO_REQUEST),
                false => || Error::new(ErrorKind::NotActive, NO_LICENSE),
            };
            let release = if cancelling { record.release_request() } else { record.release_license() };
            let release = release
                .filter(|release| expected.is_none_or(|handle| handle == release.handle))
                .ok_or_else(missing)?;
            let key = self.known_device_key()?;
            // A request that is taken back uses up nothing of the license that it has set aside. A copy of the store
            // from before the deactivation may always say again that the seat is given up.
            if !allowed
                && !cancelling
                && let Err(error) = record.may_deactivate()
                && !self.has_any_tombstone(&key.public_key(), release.handle, writer)
            {
                return Err(error);
            }
            let proof = self.proof(&release, writer, &key, reason, now)?;
            Deactivation::new(match cancelling {
                true => record.cancel(proof, now)?,
                false => record.deactivate(proof, now, reason)?,
            })
        })?;
        deactivation.tombstone_error = tombstones.err().map(Arc::new);
        Ok(deactivation)
    }

    /// The signed proof that a seat is given up by the change under way.
    ///
    /// What was found is made durable first. Where that fails, the license stays usable: the commit would put the new
    /// state into place and fail at the same sync, and nobody would be told the code.
    fn proof(
        &self,
        release: &Release,
        writer: &mut Writer<'_>,
        key: &SigningKey,
        reason: Reason,
        now: Timestamp,
    ) -> Result<Vec<u8>> {
        writer.settle()?;
        let body = ProofBody {
            product_tag: product_tag(&self.product),
            license_id: release.license_id,
            handle: release.handle,
            generation: writer.snapshot().generation + 1,
            time: u32::try_from(now.unix_seconds()).unwrap_or(u32::MAX),
            reason,
            flags: 0,
            request: first(&release.request_digest),
            extensions: Vec::new(),
        };
        Ok(Signed::sign_by_device(body, key)?.as_bytes().to_vec())
    }

    /// Whether the license that is there has ended; one that cannot be read has not.
    fn has_ended(&self, record: &Record, now: Reading) -> bool {
        let license = record.license().and_then(|license| self.open_license(license).ok());
        let now = record.time.at(now).now;
        license.is_some_and(|license| {
            [license.expires, license.lease_until].into_iter().flatten().any(|end| now >= end)
        })
    }

    /// One change of the record: lock, read, change, commit, and only then return. If `act` fails or changes nothing,
    /// nothing is written, and what was found is made durable before anything is said of it.
    fn change<R>(&self, act: impl FnOnce(&mut Record, &mut Writer<'_>) -> Result<R>) -> Result<R> {
        self.change_with_tombstones(act).map(|(result, _)| result)
    }

    /// The same, and whether the tombstones that the change asks for were written.
    fn change_with_tombstones<R>(
        &self,
        act: impl FnOnce(&mut Record, &mut Writer<'_>) -> Result<R>,
    ) -> Result<(R, Result<()>)> {
        let writer = self.store.write()?;
        let record = self.decode(writer.snapshot().body.as_deref())?;
        self.change_record(record, writer, act)
    }

    fn change_record<R>(
        &self,
        mut record: Record,
        mut writer: Writer<'_>,
        act: impl FnOnce(&mut Record, &mut Writer<'_>) -> Result<R>,
    ) -> Result<(R, Result<()>)> {
        let before = self.before_change(&record, &mut writer)?;
        let result = match act(&mut record, &mut writer) {
            Ok(result) => result,
            // A refusal tells what was found, too.
            Err(error) => return writer.settle().and(Err(error)),
        };
        let tombstones = self.commit_change(&before, &record, &mut writer)?;
        Ok((result, tombstones))
    }

    fn before_change(&self, record: &Record, writer: &mut Writer<'_>) -> Result<Zeroizing<Vec<u8>>> {
        // A kill between a commit and its tombstone is made good by the next writer.
        let _ = self.write_tombstones(record, writer);
        self.encode(record)
    }

    /// Returns whether the tombstones were written.
    fn commit_change(&self, before: &[u8], record: &Record, writer: &mut Writer<'_>) -> Result<Result<()>> {
        let after = self.encode(record)?;
        if before == after.as_slice() {
            // What is said without a commit must be as durable as with one.
            writer.settle()?;
            if writer.has_moved() {
                // What the state says of its file system changes nothing of what it holds, so this may fail.
                let _ = writer.commit(&after);
            }
            return Ok(Ok(()));
        }
        writer.commit(&after)?;
        Ok(self.write_tombstones(record, writer))
    }

    fn encode(&self, record: &Record) -> Result<Zeroizing<Vec<u8>>> {
        codec::encode(&StoredRef { product: &self.product, record }).map(Zeroizing::new)
    }

    /// The record in a store's body; a store that was never written holds an empty one.
    ///
    /// Fails with [`ErrorKind::WrongProduct`] when another product has its store there: its seat is not ours to touch.
    fn decode(&self, body: Option<&[u8]>) -> Result<Record> {
        let Some(body) = body else { return Ok(Record::new()) };
        // The store's checksum held, so this is no accident of the disk.
        let stored: Stored = codec::decode(body, crate::record::LIMIT, "state")
            .map_err(|e| self.store.damaged_state().with_source(e))?;
        if stored.product != self.product {
            let place = format!("the store in {}", self.store.directory().display());
            return Err(Error::products(&place, &self.product, &stored.product));
        }
        Ok(stored.record)
    }

    fn device_key(&self) -> Result<Option<SigningKey>> {
        let key = self.store.device_key()?.map(|bytes| DeviceKey::parse(&bytes)?.signing_key()).transpose();
        key.map_err(|error| self.store.blame_device_key(error))
    }

    /// The device's key where there must be one.
    fn known_device_key(&self) -> Result<SigningKey> {
        self.device_key()?.ok_or_else(|| self.store.missing_device_key())
    }

    fn device_key_or_new(&self, writer: &mut Writer<'_>) -> Result<SigningKey> {
        if let Some(key) = self.device_key()? {
            // A request that was durable before its key would be lost with it.
            writer.settle_device_key()?;
            return Ok(key);
        }
        let key = SigningKey::generate(&*self.random)?;
        writer.create_device_key(&DeviceKey::file(&key))?;
        Ok(key)
    }

    /// A handle that this device has not used, as far as it remembers. Others are as good as never drawn again.
    fn new_handle(&self, record: &Record, writer: &Writer<'_>, key: &SigningKey) -> Result<Handle> {
        loop {
            let number = u32::from_le_bytes(system::random(&*self.random)?);
            let handle = Handle::new(number >> 2)?;
            if !record.gave_up(handle) && !self.has_any_tombstone(&key.public_key(), handle, writer) {
                return Ok(handle);
            }
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("product", &self.product).finish_non_exhaustive()
    }
}

/// The request that a record has waiting.
fn pending(record: &Record) -> Result<Option<PendingRequest>> {
    let Current::Pending(pending) = &record.current else { return Ok(None) };
    let request = ActivationRequest::open_self_signed(Incoming::new(pending.request.0.clone()))?;
    let recovery = pending
        .recovery
        .as_ref()
        .map(|recovery| RecoveryRequest::open_self_signed(Incoming::new(recovery.0.clone())));
    PendingRequest::new(request, recovery.transpose()?, record).map(Some)
}

/// What a store's body says: for which product, and the record.
#[derive(Serialize)]
struct StoredRef<'a> {
    product: &'a str,
    record: &'a Record,
}

#[derive(Deserialize)]
struct Stored {
    product: String,
    record: Record,
}
