//! What the application says when it asks for a seat, and where it asks.

use std::fmt;
#[cfg(feature = "transport")]
use std::time::Duration;

#[cfg(feature = "transport")]
use super::address;
use super::{LicenseKeys, PendingRequest};
#[cfg(feature = "transport")]
use crate::Transport;
use crate::{
    Error, Result,
    code::Handle,
    message::{MAX_NAME, Metadata},
};

/// What a request for a seat says. A license key alone will do in its place: `client.begin("2BNYW-...")`.
///
/// ```
/// # use nodelock::{ActivationRequestOptions, testing::{Machine, TestAuthority}};
/// # let authority = TestAuthority::new("Example Editor");
/// # let license_key = authority.sell(1)?;
/// # let device = authority.client(&Machine::new("desk")).build()?;
/// let options = ActivationRequestOptions::of_key(&license_key).metadata("computer", "the one by the window");
/// let request = device.begin(options)?;
/// assert_eq!(request.request().metadata[0].1, "the one by the window");
/// # Ok::<(), nodelock::Error>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct ActivationRequestOptions {
    pub(super) license_key: Option<String>,
    pub(super) metadata: Metadata,
    pub(super) instead_of: Option<Handle>,
}

impl ActivationRequestOptions {
    /// Without a license key: the vendor assigns a license by hand.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the license key that a customer typed. Typing errors are mended.
    pub fn of_key(license_key: impl Into<String>) -> Self {
        Self { license_key: Some(license_key.into()), ..Self::default() }
    }

    /// Tells the vendor something, such as a name for the machine: the name is at most 64 bytes on one line, the value
    /// at most 1,024. A request has at most 64 of them.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((name.into(), value.into()));
        self
    }

    /// Takes the place of a seat, if no seat is free and the license allows it: one that a refusal listed
    /// ([`Error::seats`]). Its device must have been silent for seven days; it is told when it speaks up.
    ///
    /// ```
    /// # use nodelock::{ActivationRequestOptions, testing::{Machine, TestAuthority}};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let device = authority.client(&Machine::new("desk")).build()?;
    /// let license_key = authority.vendor().sell_with(1, |terms| terms.replace = Some(3))?;
    /// let lost = device.activate(&license_key)?.license().unwrap().handle;
    /// authority.clock().advance_days(8);
    /// let other = authority.client(&Machine::new("laptop")).build()?;
    /// let options = ActivationRequestOptions::of_key(&license_key).instead_of(lost);
    /// assert!(other.activate(options)?.is_usable());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn instead_of(mut self, seat: Handle) -> Self {
        self.instead_of = Some(seat);
        self
    }

    /// The license key as requests have it; empty for none.
    pub(super) fn read_key(&self, keys: LicenseKeys) -> Result<String> {
        match self.license_key.as_deref().map(str::trim) {
            None => Ok(String::new()),
            Some("") => Err(Error::length("license key", "characters", 0, 1, MAX_NAME)),
            Some(typed) => keys.read(typed),
        }
    }

    /// Whether a request that is pending says all of this; `license_key` is the key as requests have it. One that
    /// recovers a lost seat says something else.
    pub(super) fn are_in(&self, pending: &PendingRequest, license_key: &str) -> bool {
        let request = pending.request();
        request.license_key == license_key
            && request.replaces() == self.instead_of
            && self.metadata.iter().all(|pair| request.metadata.contains(pair))
            && pending.recovery().is_none()
    }
}

impl From<&str> for ActivationRequestOptions {
    fn from(license_key: &str) -> Self {
        Self::of_key(license_key)
    }
}

impl From<&String> for ActivationRequestOptions {
    fn from(license_key: &String) -> Self {
        Self::of_key(license_key)
    }
}

impl From<String> for ActivationRequestOptions {
    fn from(license_key: String) -> Self {
        Self::of_key(license_key)
    }
}

/// Without the license key.
impl fmt::Debug for ActivationRequestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivationRequestOptions")
            .field("metadata", &self.metadata)
            .field("instead_of", &self.instead_of)
            .finish_non_exhaustive()
    }
}

/// An exchange that takes longer has failed.
#[cfg(feature = "transport")]
const LONGEST_EXCHANGE: Duration = Duration::from_secs(60 * 60);
/// More attempts are no patience any more.
#[cfg(feature = "transport")]
const MOST_ATTEMPTS: u32 = 100;

/// Where the authority is, what brings requests there, and how patiently it is asked.
/// [`ClientBuilder::build`](super::ClientBuilder::build) checks it.
#[cfg(feature = "transport")]
#[must_use]
pub struct Authority {
    pub(super) url: String,
    pub(super) transport: Box<dyn Transport>,
    pub(super) timeout: Duration,
    pub(super) attempts: u32,
    plain_http: bool,
}

#[cfg(feature = "transport")]
impl Authority {
    /// The authority at `url` (`https://licenses.example.com`), and what brings requests there: an `HttpTransport`, or
    /// the host's own. A name that is not ASCII is best written in Punycode (`xn--`): whether it can be looked up
    /// otherwise is up to the versions that the application is built with.
    ///
    /// ```
    /// use std::time::Duration;
    /// use nodelock::{Authority, Client, Store, testing::TestAuthority};
    ///
    /// // An application has `HttpTransport` here, and its vendor's address.
    /// let transport = TestAuthority::new("Example Editor");
    /// let authority = Authority::new(TestAuthority::URL, transport.clone());
    /// let authority = authority.timeout(Duration::from_secs(5)).attempts(2);
    /// let client = Client::builder("Example Editor", transport.roots())
    ///     .store(Store::in_memory())
    ///     .authority(authority)
    ///     .build()?;
    /// assert!(client.online().activate("2BNYW").is_err()); // no license key
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn new(url: impl Into<String>, transport: impl Transport + 'static) -> Self {
        let url = url.into().trim_end_matches('/').to_owned();
        let (timeout, attempts) = (Duration::from_secs(30), 3);
        Self { url, transport: Box::new(transport), timeout, attempts, plain_http: false }
    }

    /// How long one exchange may take. Default: 30 seconds; more than 0, and at most an hour.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often an online call tries each exchange. Default: 3; 1 to 100.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Whether `http://` will do for an authority on another host than this one. Default: no. License keys, deployment
    /// keys and codes go over the network in the clear then, and anybody on the way can refuse a request in the
    /// authority's name.
    pub fn plain_http(mut self, allowed: bool) -> Self {
        self.plain_http = allowed;
        self
    }

    /// Fails with [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for an address that cannot be or is not
    /// `https`, and for a time or a number of attempts out of its bounds.
    pub(super) fn check(&self) -> Result<()> {
        address::check(&self.url, self.plain_http)?;
        if self.timeout.is_zero() || self.timeout > LONGEST_EXCHANGE {
            let milliseconds = |time: Duration| usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
            let (value, most) = (milliseconds(self.timeout), milliseconds(LONGEST_EXCHANGE));
            return Err(Error::length("the time for an exchange", "milliseconds", value, 1, most));
        }
        if !(1..=MOST_ATTEMPTS).contains(&self.attempts) {
            let (value, most) = (self.attempts.into(), MOST_ATTEMPTS.into());
            return Err(Error::range("number of attempts", "", value, 1, most));
        }
        Ok(())
    }
}

/// Without the transport, which may hold a password, and without what follows the address's host.
#[cfg(feature = "transport")]
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("place", &address::place(&self.url))
            .field("timeout", &self.timeout)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "transport"))]
mod tests {
    use super::*;
    use crate::transport::{Answer, Post};

    struct Deaf;

    impl Transport for Deaf {
        fn post(&self, _: &Post<'_>) -> Result<Answer> {
            Err(Error::new(crate::ErrorKind::Unreachable, ""))
        }
    }

    #[test]
    fn debug_shows_where_an_authority_is_and_no_password() {
        for url in [
            "https://licenses.example.com/editor",
            "https://jane:secret@licenses.example.com/editor",
            "https://jane:sec/ret@licenses.example.com/editor",
            "https://jane:secret/@licenses.example.com",
            "https://jane:/sec@ret@licenses.example.com?secret",
        ] {
            let shown = format!("{:?}", Authority::new(url, Deaf));
            assert!(shown.contains("\"licenses.example.com\""), "{shown}");
            assert!(!shown.contains("sec") && !shown.contains("ret") && !shown.contains("jane"), "{shown}");
        }
    }
}
