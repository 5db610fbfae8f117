//! Setting up a client.

use std::{
    ffi::{c_char, c_void},
    sync::Arc,
    time::Duration,
};

use zeroize::Zeroizing;

use super::{
    boundary::{Out, Result, fallible, free, object_mut, optional_text, slice, text},
    callback::{
        Callback, ClockCallback, HostClock, LogCallback, Owner, TransportCallback, nodelock_clock_fn,
        nodelock_finalize_fn, nodelock_log_fn, nodelock_transport_fn,
    },
    error::nodelock_error,
    status::nodelock_status,
    transport::HostTransport,
};
#[cfg(feature = "online")]
use crate::HttpOptions;
use crate::{
    Authority, Client, Error, ErrorKind, LicenseKeys, PublicKey, Roots, Store, Timestamp,
    fingerprint::{Component, HostId, Probe},
};
#[cfg(feature = "testing")]
use crate::{
    ClientBuilder,
    testing::{Machine, TestAuthority},
};

/// A host id is scored along with what is found on the machine.
pub const NODELOCK_HOST_ID_JOIN: u32 = 0;
/// A host id is all that is scored.
pub const NODELOCK_HOST_ID_REPLACE: u32 = 1;

/// License keys are nodelock's own, whose typing errors are found and mended before anything is sent.
pub const NODELOCK_LICENSE_KEYS_CHECKED: u32 = 0;
/// License keys are whatever the vendor used so far: at most 64 bytes on one line, passed on as typed.
pub const NODELOCK_LICENSE_KEYS_FREE_FORM: u32 = 1;

/// A new activation sets a license aside that is still valid, as from a trial to a paid license.
pub const NODELOCK_REPLACE_LICENSE: u32 = 1;
/// A new activation cancels the request that is pending, whose answer may be on its way.
pub const NODELOCK_REPLACE_REQUEST: u32 = 2;

/// The settings of clients for one product. Belongs to the caller; one thread at a time. It may be changed and used
/// again after a client was made of it, which does not change that client.
pub struct nodelock_config {
    product: String,
    trusted: Vec<PublicKey>,
    denied: Vec<PublicKey>,
    store: Option<Store>,
    lock_timeout: Option<Duration>,
    salt: Option<String>,
    host_id: Option<(String, HostId)>,
    application: String,
    #[cfg(feature = "description")]
    describe: bool,
    released: Option<Timestamp>,
    license_keys: LicenseKeys,
    replace: u32,
    machine: Vec<(Component, String)>,
    url: Option<String>,
    plain_http: bool,
    deployment_key: Option<Zeroizing<String>>,
    patience: Option<(Duration, u32)>,
    transport: Option<Arc<TransportCallback>>,
    clock: Option<Arc<ClockCallback>>,
    pub(super) log: Option<Arc<LogCallback>>,
    #[cfg(feature = "online")]
    http: HttpOptions,
    #[cfg(feature = "testing")]
    pub(super) test_authority: Option<TestAuthority>,
    #[cfg(feature = "testing")]
    pub(super) test_machine: Option<Machine>,
}

impl nodelock_config {
    fn new(product: &str) -> Self {
        Self {
            product: product.to_owned(),
            trusted: Vec::new(),
            denied: Vec::new(),
            store: None,
            lock_timeout: None,
            salt: None,
            host_id: None,
            application: String::new(),
            #[cfg(feature = "description")]
            describe: false,
            released: None,
            license_keys: LicenseKeys::default(),
            replace: 0,
            machine: Vec::new(),
            url: None,
            plain_http: false,
            deployment_key: None,
            patience: None,
            transport: None,
            clock: None,
            log: None,
            #[cfg(feature = "online")]
            http: HttpOptions::default(),
            #[cfg(feature = "testing")]
            test_authority: None,
            #[cfg(feature = "testing")]
            test_machine: None,
        }
    }

    /// A client on these settings.
    pub(super) fn client(&self) -> Result<Client> {
        let roots = Roots::new(self.trusted.iter().copied());
        #[cfg(feature = "testing")]
        let roots = self.test_authority.as_ref().map_or(roots, TestAuthority::roots);
        let roots = self.denied.iter().fold(roots, |roots, key| roots.deny(*key));
        let store = match &self.store {
            Some(store) => store.clone(),
            None => Store::per_user(&self.product)?,
        };
        let store = match self.lock_timeout {
            Some(timeout) => store.with_lock_timeout(timeout),
            None => store,
        };
        let mut builder = Client::builder(&*self.product, roots)
            .store(store)
            .application_version(&*self.application)
            .license_keys(self.license_keys)
            .replace_license(self.replace & NODELOCK_REPLACE_LICENSE != 0)
            .replace_request(self.replace & NODELOCK_REPLACE_REQUEST != 0);
        #[cfg(feature = "description")]
        {
            builder = builder.describe_machine(self.describe);
        }
        if let Some(salt) = &self.salt {
            builder = builder.salt(&**salt);
        }
        if let Some((id, how)) = &self.host_id {
            builder = builder.host_id(&**id, *how);
        }
        if let Some(key) = &self.deployment_key {
            builder = builder.deployment_key(key.as_str());
        }
        if let Some(released) = self.released {
            builder = builder.released(released);
        }
        if let Some(clock) = &self.clock {
            builder = builder.clock(HostClock(Arc::clone(clock)));
        }
        if !self.machine.is_empty() {
            let machine = self.machine.clone();
            builder = builder.probe(move || Probe::of_values(machine.iter().cloned(), false, false));
        }
        if let Some(url) = self.url.as_ref().filter(|_| !self.is_for_tests()) {
            let authority = self.authority(url)?.plain_http(self.plain_http);
            builder = builder.authority(self.patient(authority));
        }
        #[cfg(feature = "testing")]
        {
            builder = self.for_tests(builder);
        }
        Ok(builder.build()?)
    }

    /// Whether an authority in memory takes the place of the one that was set.
    fn is_for_tests(&self) -> bool {
        #[cfg(feature = "testing")]
        return self.test_authority.is_some();
        #[cfg(not(feature = "testing"))]
        false
    }

    /// With the authority and the machine of a test.
    #[cfg(feature = "testing")]
    fn for_tests(&self, mut builder: ClientBuilder) -> ClientBuilder {
        if let Some(machine) = self.test_machine.clone() {
            builder = builder.probe(move || machine.probe());
        }
        if let Some(authority) = &self.test_authority {
            let asked = self.patient(authority.as_authority());
            builder = builder.authority(asked).clock(authority.clock());
        }
        builder
    }

    fn patient(&self, authority: Authority) -> Authority {
        match self.patience {
            Some((timeout, attempts)) => authority.timeout(timeout).attempts(attempts),
            None => authority,
        }
    }

    fn authority(&self, url: &str) -> Result<Authority> {
        if let Some(transport) = &self.transport {
            return Ok(Authority::new(url, HostTransport(Arc::clone(transport))));
        }
        #[cfg(feature = "online")]
        return Ok(Authority::new(url, self.http.clone().build()?));
        #[cfg(not(feature = "online"))]
        Err(no_http())
    }

    /// Changes how the library's own HTTP is set up.
    #[cfg(feature = "online")]
    fn set_http(&mut self, set: impl FnOnce(HttpOptions) -> crate::Result<HttpOptions>) -> Result<()> {
        self.http = set(self.http.clone())?;
        Ok(())
    }
}

#[cfg(not(feature = "online"))]
fn no_http() -> super::error::CallError {
    Error::new(
        ErrorKind::Unsupported,
        "this build has no HTTP of its own (feature `online`); set a transport",
    )
    .into()
}

fn invalid(about: &'static str) -> super::error::CallError {
    Error::new(ErrorKind::InvalidInput, about).into()
}

/// The body of a setter.
unsafe fn set(
    config: *mut nodelock_config,
    error: *mut *mut nodelock_error,
    mut set: impl FnMut(&mut nodelock_config) -> Result<()>,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe { fallible(error, &mut || set(object_mut(config, "config")?)) }
}

/// The body of a setter of a callback.
unsafe fn set_callback<F: Copy>(
    config: *mut nodelock_config,
    error: *mut *mut nodelock_error,
    function: Option<F>,
    mut owner: Owner,
    place: fn(&mut nodelock_config) -> &mut Option<Arc<Callback<F>>>,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let callback = Arc::new(Callback::new(function, &mut owner)?);
            let before = place(object_mut(config, "config")?).replace(callback);
            // Its finalizer is the host's and may use the config, so that is not borrowed any more.
            drop(before);
            Ok(())
        })
    }
}

/// Starts to set up clients for a product, whose name is 1 to 64 bytes on one line.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_new(
    product: *const c_char,
    config: *mut *mut nodelock_config,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let config = Out::new(config)?;
            config.set(nodelock_config::new(text(product, "product")?));
            Ok(())
        })
    }
}

/// Trusts a root key of the vendor: 43 characters of base64url. At least one is needed. Have more than one, so that
/// losing one is not the end of the product.
///
/// NODELOCK_MALFORMED, NODELOCK_WEAK_KEY: not a key.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_add_root(
    config: *mut nodelock_config,
    public_key: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or text; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            config.trusted.push(text(public_key, "public_key")?.parse()?);
            Ok(())
        })
    }
}

/// Believes nothing that a key signs, certificate or not: for an issuer key that was stolen, in the next version of the
/// application.
///
/// NODELOCK_MALFORMED, NODELOCK_WEAK_KEY: not a key.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_deny_key(
    config: *mut nodelock_config,
    public_key: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or text; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            config.denied.push(text(public_key, "public_key")?.parse()?);
            Ok(())
        })
    }
}

/// Keeps the license in `directory`, which belongs to this product alone, with tombstones of seats given up in the
/// directory `tombstones`, or none of them for NULL. What is missing is created when something is first written.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_store_directory(
    config: *mut nodelock_config,
    directory: *const c_char,
    tombstones: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or texts; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            let directory = text(directory, "directory")?;
            let tombstones = optional_text(tombstones, "tombstones")?;
            if directory.is_empty() || tombstones == Some("") {
                return Err(invalid("directory: must not be empty"));
            }
            config.store = Some(Store::in_directory(directory, tombstones.map(Into::into)));
            Ok(())
        })
    }
}

/// Keeps the license in the user's profile. This is the default.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_store_per_user(
    config: *mut nodelock_config,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            config.store = None;
            Ok(())
        })
    }
}

/// Keeps the license for the whole machine: only those can use it who may write there.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_store_system_wide(
    config: *mut nodelock_config,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            config.store = Some(Store::system_wide(&config.product)?);
            Ok(())
        })
    }
}

/// Keeps the license in memory, for tests and trials: as long as this config and the clients made of it live, which
/// share it.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_store_in_memory(
    config: *mut nodelock_config,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            config.store = Some(Store::in_memory());
            Ok(())
        })
    }
}

/// How long a call that writes waits for another writer before it fails with NODELOCK_BUSY, in milliseconds. Default:
/// 5,000.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_lock_timeout(
    config: *mut nodelock_config,
    milliseconds: u64,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            config.lock_timeout = Some(Duration::from_millis(milliseconds));
            Ok(())
        })
    }
}

/// Keys the tags of the fingerprint, so that nobody can compare them with another vendor's. Default: the product's
/// name. Never change it for a product that has licenses: every machine would look like another one.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_salt(
    config: *mut nodelock_config,
    salt: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or text; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            config.salt = Some(text(salt, "salt")?.to_owned());
            Ok(())
        })
    }
}

/// An identity that the application knows better than any probe: a dongle, a cloud instance, a user; 4 to 256
/// characters. Case and runs of white space do not count in ASCII; anything else counts byte for byte, so give it in
/// one form of Unicode. `how` is NODELOCK_HOST_ID_JOIN or NODELOCK_HOST_ID_REPLACE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_host_id(
    config: *mut nodelock_config,
    id: *const c_char,
    how: u32,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or text; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            let how = match how {
                NODELOCK_HOST_ID_JOIN => HostId::Join,
                NODELOCK_HOST_ID_REPLACE => HostId::Replace,
                _ => return Err(invalid("how: NODELOCK_HOST_ID_JOIN or NODELOCK_HOST_ID_REPLACE")),
            };
            config.host_id = Some((text(id, "id")?.to_owned(), how));
            Ok(())
        })
    }
}

/// The version of the application, for the vendor to see in requests: at most 64 bytes on one line.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_application_version(
    config: *mut nodelock_config,
    version: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or text; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            config.application = text(version, "version")?.to_owned();
            Ok(())
        })
    }
}

/// Whether requests and check-ins say what people call this machine and what runs on it, as `computer`, `system` and
/// `architecture`, so that the vendor's lists and the customer's pages tell two computers apart. Default: no. A
/// computer often has its user's name, so tell people that you ask for it. What the application itself adds under
/// such a name (nodelock_details_add()) stands in its request; check-ins say what the system says all the same, so that
/// hides nothing.
///
/// NODELOCK_UNSUPPORTED: without feature `description`.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_describe_machine(
    config: *mut nodelock_config,
    describe: bool,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            #[cfg(feature = "description")]
            {
                config.describe = describe;
                Ok(())
            }
            #[cfg(not(feature = "description"))]
            {
                let _ = (config, describe);
                Err(Error::new(ErrorKind::Unsupported, "descriptions of machines (feature `description`)")
                    .into())
            }
        })
    }
}

/// When this version of the application was released, in seconds since 1970: what a license's maintenance date is
/// compared with.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_released(
    config: *mut nodelock_config,
    seconds: u64,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            config.released = Some(Timestamp::from_unix_seconds(seconds));
            Ok(())
        })
    }
}

/// Which license keys are taken: NODELOCK_LICENSE_KEYS_CHECKED, which is the default, or
/// NODELOCK_LICENSE_KEYS_FREE_FORM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_license_keys(
    config: *mut nodelock_config,
    form: u32,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            config.license_keys = match form {
                NODELOCK_LICENSE_KEYS_CHECKED => LicenseKeys::Checked,
                NODELOCK_LICENSE_KEYS_FREE_FORM => LicenseKeys::FreeForm,
                _ => return Err(invalid("form: one of NODELOCK_LICENSE_KEYS_*")),
            };
            Ok(())
        })
    }
}

/// What a new activation may put in its place beside a license that has ended: any of NODELOCK_REPLACE_*, added. 0, the
/// default, for nothing else. A license that is set aside stays what it is until the new one is installed, which gives
/// its seat up, also where it allows no more deactivations. If the request is refused or cancelled, all is as before.
///
/// NODELOCK_INVALID_INPUT for anything else.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_replace(
    config: *mut nodelock_config,
    what: u32,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            if what & !(NODELOCK_REPLACE_LICENSE | NODELOCK_REPLACE_REQUEST) != 0 {
                return Err(invalid("what: any of NODELOCK_REPLACE_*"));
            }
            config.replace = what;
            Ok(())
        })
    }
}

/// Has a client believe that it is on a machine with these components instead of probing the one it is on, for tests:
/// call it once for each. `component` is one of NODELOCK_COMPONENT_*, of which NODELOCK_COMPONENT_MAC may be given four
/// times.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_add_test_component(
    config: *mut nodelock_config,
    component: u32,
    value: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or text; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            let component = u8::try_from(component).ok().and_then(Component::from_number);
            let component = component.ok_or_else(|| invalid("component: one of NODELOCK_COMPONENT_*"))?;
            config.machine.push((component, text(value, "value")?.to_owned()));
            Ok(())
        })
    }
}

/// Where the authority is, such as `https://licenses.example.com`: what the online calls speak to, over the library's
/// own HTTP, or over what nodelock_config_set_transport() brings. For its own HTTP, write a name that is not ASCII in
/// Punycode (`xn--`). An address that cannot be one, and `http://` on another host than this one
/// (nodelock_config_set_plain_http()), are refused when a client is made.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_authority(
    config: *mut nodelock_config,
    url: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or text; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            config.url = Some(text(url, "url")?.to_owned());
            Ok(())
        })
    }
}

/// Whether `http://` will do for an authority on another host than this one. Default: no. License keys, deployment
/// keys and codes go over the network in the clear then.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_plain_http(
    config: *mut nodelock_config,
    allowed: bool,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            config.plain_http = allowed;
            Ok(())
        })
    }
}

/// The deployment key that a machine which nobody sits at takes its seat with: nodelock_client_activate() and
/// nodelock_client_start() ask with it for a seat without a license key, and nothing else does. White space around it
/// does not count. NULL for none, which is the default.
///
/// It is sent to the authority alone, as the header `Authorization` (nodelock_post_authorization()), and is in no
/// store. NODELOCK_DEPLOYMENT_KEY_REFUSED and NODELOCK_DEPLOYMENT_KEY_USED_UP leave the request pending.
/// nodelock_client_new() refuses what is not 1 to 1,024 signs of ASCII in a row.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_deployment_key(
    config: *mut nodelock_config,
    deployment_key: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or text; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            let key = optional_text(deployment_key, "deployment_key")?;
            config.deployment_key = key.map(|key| Zeroizing::new(key.to_owned()));
            Ok(())
        })
    }
}

/// How long one exchange with the authority may take, in milliseconds: 1 to 3,600,000; and how often an online call
/// tries: 1 to 100. Default: 30,000 and 3. nodelock_client_new() refuses others, if there is an authority.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_patience(
    config: *mut nodelock_config,
    milliseconds: u64,
    attempts: u32,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            config.patience = Some((Duration::from_millis(milliseconds), attempts));
            Ok(())
        })
    }
}

/// Brings requests to the authority by the host's own HTTP instead of the library's. Called from the thread that makes
/// an online call, with no lock held; several threads may make such calls at a time. `finalize` may be NULL; see
/// nodelock_finalize_fn for when it is called, also if this fails.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_transport(
    config: *mut nodelock_config,
    user_data: *mut c_void,
    transport: nodelock_transport_fn,
    finalize: nodelock_finalize_fn,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    let owner = Owner::new(user_data, finalize);
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe { set_callback(config, error, transport, owner, |config| &mut config.transport) }
}

/// Has the library's own HTTP use this proxy, `http://user:password@host:port`, whatever the environment says. By default it is
/// what HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say. An address that cannot be one shows when a client is made.
///
/// NODELOCK_UNSUPPORTED: this build has no HTTP of its own.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_proxy(
    config: *mut nodelock_config,
    url: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or text; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            let url = text(url, "url")?;
            #[cfg(feature = "online")]
            return config.set_http(|http| Ok(http.proxy(url)));
            #[cfg(not(feature = "online"))]
            Err(unsupported(config, url))
        })
    }
}

/// Has the library's own HTTP use no proxy, whatever the environment says.
///
/// NODELOCK_UNSUPPORTED: this build has no HTTP of its own.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_no_proxy(
    config: *mut nodelock_config,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            #[cfg(feature = "online")]
            return config.set_http(|http| Ok(http.no_proxy()));
            #[cfg(not(feature = "online"))]
            Err(unsupported(config, ()))
        })
    }
}

/// Has the library's own HTTP trust the certificates in this PEM text, beside the system's.
///
/// NODELOCK_INVALID_INPUT: it holds none. NODELOCK_UNSUPPORTED: this build has no HTTP of its own.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_trust_certificates(
    config: *mut nodelock_config,
    pem: *const u8,
    size: usize,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; as many bytes as said; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            let pem = slice(pem, size, "pem")?;
            #[cfg(feature = "online")]
            return config.set_http(|http| http.trust_pem(pem));
            #[cfg(not(feature = "online"))]
            Err(unsupported(config, pem))
        })
    }
}

/// Has the library's own HTTP trust only the certificates that were given, not the system's.
///
/// NODELOCK_UNSUPPORTED: this build has no HTTP of its own.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_trust_only_given(
    config: *mut nodelock_config,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            #[cfg(feature = "online")]
            return config.set_http(|http| Ok(http.only_given_certificates()));
            #[cfg(not(feature = "online"))]
            Err(unsupported(config, ()))
        })
    }
}

/// How long a connection of the library's own HTTP may take to come about, in milliseconds. Default: 10,000.
///
/// NODELOCK_UNSUPPORTED: this build has no HTTP of its own.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_connect_timeout(
    config: *mut nodelock_config,
    milliseconds: u64,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe {
        set(config, error, |config| {
            #[cfg(feature = "online")]
            return config.set_http(|http| Ok(http.connect_timeout(Duration::from_millis(milliseconds))));
            #[cfg(not(feature = "online"))]
            Err(unsupported(config, milliseconds))
        })
    }
}

/// Takes what a setter of the library's own HTTP was given, of which there is none.
#[cfg(not(feature = "online"))]
fn unsupported(_: &nodelock_config, _: impl Sized) -> super::error::CallError {
    no_http()
}

/// Takes the time from the host instead of the system's clock, for tests. Called from whichever thread makes a call,
/// with no lock held. `finalize` may be NULL; see nodelock_finalize_fn for when it is called, also if this fails.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_clock(
    config: *mut nodelock_config,
    user_data: *mut c_void,
    clock: nodelock_clock_fn,
    finalize: nodelock_finalize_fn,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    let owner = Owner::new(user_data, finalize);
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe { set_callback(config, error, clock, owner, |config| &mut config.clock) }
}

/// Has `log` told what calls on a client do. Called from the thread that makes the call, with no lock held. `finalize`
/// may be NULL; see nodelock_finalize_fn for when it is called, also if this fails.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_log(
    config: *mut nodelock_config,
    user_data: *mut c_void,
    log: nodelock_log_fn,
    finalize: nodelock_finalize_fn,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    let owner = Owner::new(user_data, finalize);
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or a place for the error.
    unsafe { set_callback(config, error, log, owner, |config| &mut config.log) }
}

/// Frees a config. The clients made of it live on. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_config_free(config: *mut nodelock_config) {
    // SAFETY: NULL or a config that nobody uses any more.
    unsafe { free(config) }
}
