//! Setting up a client.

use std::{
    fmt,
    sync::{Mutex, OnceLock},
};

#[cfg(feature = "transport")]
use zeroize::Zeroizing;

#[cfg(feature = "transport")]
use super::Authority;
#[cfg(any(feature = "description", feature = "testing"))]
use super::description;
use super::{Client, Prober};
#[cfg(any(feature = "description", feature = "testing"))]
use crate::message::Metadata;
use crate::{
    Clock, Error, ErrorKind, Random, Result, Store, SystemClock, SystemRandom, Timestamp,
    code::LicenseKey,
    fingerprint::{HostId, Probe, TagKey},
    message::{MAX_NAME, Roots, check_product, check_text},
    record::Replace,
};

/// Which license keys [`Client::begin`] takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LicenseKeys {
    /// nodelock's own, whose typing errors are found and mended before anything is sent.
    #[default]
    Checked,
    /// Whatever the vendor used so far: at most 64 bytes on one line, passed on as typed.
    FreeForm,
}

impl LicenseKeys {
    pub(super) fn read(self, typed: &str) -> Result<String> {
        if self == Self::FreeForm {
            check_text("license key", typed, MAX_NAME)?;
            return Ok(typed.to_owned());
        }
        typed.parse::<LicenseKey>().map(|key| key.to_string())
    }
}

/// Collects a client's settings, in any order; see [`Client::builder`].
#[must_use]
pub struct ClientBuilder {
    product: String,
    roots: Roots,
    store: Option<Store>,
    salt: Option<String>,
    host_id: Option<(String, HostId)>,
    application: String,
    #[cfg(any(feature = "description", feature = "testing"))]
    describer: Option<description::Describer>,
    released: Option<Timestamp>,
    license_keys: LicenseKeys,
    replace: Replace,
    #[cfg(feature = "transport")]
    authority: Option<Authority>,
    #[cfg(feature = "transport")]
    deployment_key: Option<Zeroizing<String>>,
    clock: Box<dyn Clock>,
    random: Box<dyn Random>,
    prober: Prober,
}

impl ClientBuilder {
    pub(super) fn new(product: String, roots: Roots) -> Self {
        Self {
            product,
            roots,
            store: None,
            salt: None,
            host_id: None,
            application: String::new(),
            #[cfg(any(feature = "description", feature = "testing"))]
            describer: None,
            released: None,
            license_keys: LicenseKeys::default(),
            replace: Replace::default(),
            #[cfg(feature = "transport")]
            authority: None,
            #[cfg(feature = "transport")]
            deployment_key: None,
            clock: Box::new(SystemClock),
            random: Box::new(SystemRandom),
            prober: Box::new(Probe::this_machine),
        }
    }

    /// Where the license is kept. Default: [`Store::per_user`].
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let builder = Client::builder("Example Editor", Roots::new([root]));
    /// let builder = builder.store(Store::in_directory("/opt/editor/license", None));
    /// assert!(format!("{builder:?}").contains("license"));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// Keys the fingerprint's tags, so that nobody can compare them with another vendor's. Default: the product's
    /// name. Never change it for a product that has licenses: every machine would look like another one.
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let builder = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory());
    /// use nodelock::fingerprint::TagKey;
    ///
    /// let client = builder.salt("a text that only this vendor has").build()?;
    /// let key = TagKey::new("a text that only this vendor has", "Example Editor");
    /// assert_eq!(*client.fingerprint(), client.probe().fingerprint(&key));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn salt(mut self, salt: impl Into<String>) -> Self {
        self.salt = Some(salt.into());
        self
    }

    /// An identity that the application knows better than any probe: a dongle, a cloud instance, a user. What is not
    /// ASCII in it counts byte for byte, so give it in one form of Unicode.
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let builder = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory());
    /// use nodelock::fingerprint::{Component, HostId};
    ///
    /// let client = builder.host_id("i-0a1b2c3d4e5f", HostId::Replace).build()?;
    /// assert_eq!(client.probe().components().collect::<Vec<_>>(), [Component::HostId]);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn host_id(mut self, id: impl Into<String>, how: HostId) -> Self {
        self.host_id = Some((id.into(), how));
        self
    }

    /// The version of the application, for the vendor to see in requests. At most 64 bytes on one line.
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let builder = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory());
    /// # let license_key = nodelock::code::LicenseKey::generate(&SystemRandom)?.to_string();
    /// let client = builder.application_version("4.2").build()?;
    /// assert_eq!(client.begin(&license_key)?.request().application, "4.2");
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn application_version(mut self, version: impl Into<String>) -> Self {
        self.application = version.into();
        self
    }

    /// Whether requests and check-ins say what people call this machine and what runs on it, as `computer`, `system`
    /// and `architecture`, so that the vendor's lists and the customer's pages tell two computers apart. Default: no. A
    /// computer often has its user's name, so tell people that you ask for it.
    ///
    /// A check-in brings up to date what the lists say, such as the name of a computer that was renamed. What the
    /// application itself gives as metadata of its request under such a name stands in that request. Check-ins say what
    /// the system says all the same, so that hides nothing: [`describe_machine_as`](Self::describe_machine_as) does. A
    /// check looks at none of it.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// let client = authority.client(&Machine::new("desk")).describe_machine(true).build()?;
    /// let said = client.begin(&license_key)?.request().description();
    /// assert!(said.iter().any(|(name, value)| name == "architecture" && value == std::env::consts::ARCH));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    #[cfg(feature = "description")]
    pub fn describe_machine(mut self, describe: bool) -> Self {
        self.describer = describe.then(|| Box::new(description::of_this_machine) as description::Describer);
        self
    }

    /// Has requests and check-ins describe this machine in the application's words, in place of its system's: for a
    /// name that the user chose, or for a test. Of each name and value one line of at most 64 bytes is said, and at
    /// most 8 pairs. They are asked for again for each message.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// let name = || vec![("computer".to_owned(), "reception".to_owned())];
    /// let client = authority.client(&Machine::new("desk")).describe_machine_as(name).build()?;
    /// let seat = client.activate(&license_key)?.license().expect("a license").handle;
    /// assert_eq!(authority.vendor().seat(seat)?.label(), "reception");
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    #[cfg(any(feature = "description", feature = "testing"))]
    pub fn describe_machine_as(mut self, describe: impl Fn() -> Metadata + Send + Sync + 'static) -> Self {
        self.describer = Some(Box::new(describe));
        self
    }

    /// When this version of the application was released: what a license's maintenance date is compared with.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # use nodelock::Verdict;
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let until = "2027-06-30".parse()?;
    /// # let license_key = authority.vendor().sell_with(1, |terms| terms.updates_until = Some(until))?;
    /// let client = authority.client(&Machine::new("desk")).released("2027-12-31".parse()?).build()?;
    /// let status = client.activate(&license_key)?;
    /// assert!(matches!(status.verdict(), Verdict::VersionNotCovered { .. }));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn released(mut self, released: Timestamp) -> Self {
        self.released = Some(released);
        self
    }

    /// Which license keys are taken. Default: [`LicenseKeys::Checked`].
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let builder = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory());
    /// use nodelock::LicenseKeys;
    ///
    /// let client = builder.license_keys(LicenseKeys::FreeForm).build()?;
    /// client.begin("OLD-KEY-4711")?;
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn license_keys(mut self, license_keys: LicenseKeys) -> Self {
        self.license_keys = license_keys;
        self
    }

    /// Whether a new activation sets a license aside that is still valid, as from a trial to a paid license. Default:
    /// only one that has ended.
    ///
    /// The license that is set aside stays what it is until the new one is installed. That gives its seat up, and if
    /// the request is refused or cancelled all is as before.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let (trial, paid) = (authority.sell(1)?, authority.sell(1)?);
    /// let client = authority.client(&Machine::new("desk")).replace_license(true).build()?;
    /// client.activate(&trial)?;
    /// client.activate(&paid)?; // the trial's seat is given up by this
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn replace_license(mut self, replace: bool) -> Self {
        self.replace.license = replace;
        self
    }

    /// Whether a new activation cancels the request that is pending, whose answer may be on its way. Default: no. A
    /// request that says the same is never cancelled, but [shown again](Client::begin).
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let builder = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory());
    /// # let new_key = || Ok::<_, nodelock::Error>(nodelock::code::LicenseKey::generate(&SystemRandom)?.to_string());
    /// # let (mistaken, right) = (new_key()?, new_key()?);
    /// let client = builder.replace_request(true).build()?;
    /// let first = client.begin(&mistaken)?;
    /// let second = client.begin(&right)?;
    /// assert_eq!(second.releases()[0].handle(), first.request().handle);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn replace_request(mut self, replace: bool) -> Self {
        self.replace.request = replace;
        self
    }

    /// Whom the online calls ask. Default: nobody.
    ///
    /// ```
    /// # use nodelock::{Authority, Client, Store, testing::TestAuthority};
    /// # let transport = TestAuthority::new("Example Editor");
    /// # let license_key = transport.sell(1)?;
    /// # let builder = Client::builder("Example Editor", transport.roots()).store(Store::in_memory());
    /// # let builder = builder.clock(transport.clock());
    /// let client = builder.authority(Authority::new(TestAuthority::URL, transport)).build()?;
    /// assert!(client.activate(&license_key)?.is_usable());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    #[cfg(feature = "transport")]
    pub fn authority(mut self, authority: Authority) -> Self {
        self.authority = Some(authority);
        self
    }

    /// The deployment key that a machine which nobody sits at takes its seat with: activations without a license key
    /// ask with it, and nothing else does. White space around it does not count, so a file may be read as it is.
    /// Default: none.
    ///
    /// It is sent to the authority alone, as the header `Authorization`, and kept by this client alone: the store has
    /// none of it, and so has no image that the store is in. Offline there is nothing like it; the vendor assigns a
    /// license to a request without a key by hand.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(10)?;
    /// # let secret = authority.vendor().new_deployment_key(&license_key, 2)?;
    /// use nodelock::ActivationRequestOptions;
    ///
    /// let client = authority.client(&Machine::new("runner")).deployment_key(secret).build()?;
    /// assert!(client.activate(ActivationRequestOptions::new())?.is_usable());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    #[cfg(feature = "transport")]
    pub fn deployment_key(mut self, key: impl Into<String>) -> Self {
        self.deployment_key = Some(Zeroizing::new(key.into()));
        self
    }

    /// Where the time comes from. Default: [`SystemClock`].
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let builder = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory());
    /// use nodelock::{Clock, Timestamp};
    ///
    /// struct Noon;
    ///
    /// impl Clock for Noon {
    ///     fn now(&self) -> Timestamp {
    ///         Timestamp::from_unix_seconds(1_801_396_800)
    ///     }
    /// }
    ///
    /// let client = builder.clock(Noon).build()?;
    /// assert_eq!(client.check()?.licensing_time().to_string(), "2027-01-31T12:00:00Z");
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Where random bytes come from. Default: [`SystemRandom`].
    pub fn random(mut self, random: impl Random + 'static) -> Self {
        self.random = Box::new(random);
        self
    }

    /// How the machine is probed. Default: [`Probe::this_machine`].
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let builder = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory());
    /// use nodelock::fingerprint::{Component, HostId, Probe};
    ///
    /// let probe = || Probe::this_machine().with_host_id("dongle 4711", HostId::Join).expect("4 to 256 characters");
    /// let client = builder.probe(probe).build()?;
    /// assert!(client.probe().components().any(|component| component == Component::HostId));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn probe(mut self, prober: impl Fn() -> Probe + Send + Sync + 'static) -> Self {
        self.prober = Box::new(prober);
        self
    }

    /// The client. Nothing is read or written yet.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] for a product that is not 1 to 64 bytes on one line, no root key, a host
    /// id or version out of bounds, a deployment key that is not 1 to 1,024 signs of ASCII in a row, or an authority
    /// whose address cannot be or is not `https`, or whose time or attempts are out of bounds, and with
    /// [`ErrorKind::Unsupported`] when no store is given and the user has no home directory.
    ///
    /// ```
    /// # use nodelock::{Client, ErrorKind, Roots, Store};
    /// let without_a_root = Client::builder("Example Editor", Roots::new([])).store(Store::in_memory());
    /// assert_eq!(without_a_root.build().unwrap_err().kind(), ErrorKind::InvalidInput);
    /// ```
    pub fn build(self) -> Result<Client> {
        check_product(&self.product)?;
        check_text("application version", &self.application, MAX_NAME)?;
        if self.roots.is_empty() {
            let text = "0 root keys were given; 1 or more are needed to tell the vendor's licenses";
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        if let Some((id, how)) = &self.host_id {
            Probe::nothing().with_host_id(id, *how)?;
        }
        #[cfg(feature = "transport")]
        if let Some(authority) = &self.authority {
            authority.check()?;
        }
        let store = match self.store {
            Some(store) => store,
            None => Store::per_user(&self.product)?,
        };
        #[cfg(feature = "transport")]
        let authorization = self.deployment_key.map(|key| authorization(&key)).transpose()?;
        let tag_key = TagKey::new(self.salt.as_deref().unwrap_or(&self.product), &self.product);
        Ok(Client {
            product: self.product,
            roots: self.roots,
            store,
            tag_key,
            host_id: self.host_id,
            application: self.application,
            #[cfg(any(feature = "description", feature = "testing"))]
            describer: self.describer,
            released: self.released,
            license_keys: self.license_keys,
            replace: self.replace,
            #[cfg(feature = "transport")]
            authority: self.authority,
            #[cfg(feature = "transport")]
            authorization,
            clock: self.clock,
            random: self.random,
            prober: self.prober,
            fingerprint: OnceLock::new(),
            loaded: Mutex::new(None),
            #[cfg(feature = "transport")]
            next_lapse: Mutex::new(None),
        })
    }
}

/// More than any deployment key has.
#[cfg(feature = "transport")]
const LONGEST_DEPLOYMENT_KEY: usize = 1024;

/// The header for a deployment key. No error repeats the key.
#[cfg(feature = "transport")]
fn authorization(key: &str) -> Result<Zeroizing<String>> {
    let key = key.trim();
    if !(1..=LONGEST_DEPLOYMENT_KEY).contains(&key.len()) {
        return Err(Error::length("deployment key", "bytes", key.len(), 1, LONGEST_DEPLOYMENT_KEY));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let text = "the deployment key must be one word of ASCII letters, digits and signs";
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    Ok(Zeroizing::new(format!("Bearer {key}")))
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("product", &self.product)
            .field("roots", &self.roots)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
