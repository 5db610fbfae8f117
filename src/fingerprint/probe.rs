//! What is found on this machine, in memory only.

use std::{fmt, iter};

use zeroize::Zeroizing;

use super::{
    component::Component,
    normalize, tag,
    tag::TagKey,
    virtualization::Environment,
    wire::{Fingerprint, MAX_MACS},
};
use crate::{Error, ErrorKind, Result};

/// The longest host id, in characters after normalization.
const MAX_HOST_ID: usize = 256;
/// The shortest identity that an application can supply: what is shorter is junk of any component.
const MIN_HOST_ID: usize = 4;

/// What the probes of the operating systems hand over: values as they were read, and the signs.
#[derive(Default)]
pub(super) struct Raw {
    pub(super) values: Vec<(Component, Zeroizing<String>)>,
    pub(super) environment: Environment,
}

impl Raw {
    pub(super) fn push(&mut self, component: Component, value: Option<Zeroizing<String>>) {
        self.values.extend(value.map(|value| (component, value)));
    }
}

/// What a host id that the application supplies does to the machine's own components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostId {
    /// It is scored along with them.
    Join,
    /// It is all that is scored.
    Replace,
}

/// The normalized values found on a machine.
///
/// They are never stored, sent or logged: `Debug` names the components only, and the values are wiped when
/// the probe is dropped. Only [`Probe::fingerprint`] leaves the machine. (docs/FINGERPRINT.md, Tags)
pub struct Probe {
    values: Vec<(Component, Zeroizing<String>)>,
    environment: Environment,
}

impl Probe {
    /// Probes this machine.
    ///
    /// Never fails: what cannot be read, or not by this user, is absent. Starts no process, needs no root,
    /// touches no mount point. (docs/FINGERPRINT.md, Probing)
    ///
    /// ```
    /// use nodelock::fingerprint::Probe;
    ///
    /// let probe = Probe::this_machine();
    /// if probe.environment().virtual_machine() {
    ///     println!("virtual: {:?}", probe.environment().signs());
    /// }
    /// ```
    pub fn this_machine() -> Self {
        #[cfg(target_os = "linux")]
        let raw = super::linux::this_machine();
        #[cfg(target_os = "macos")]
        let raw = super::macos::this_machine();
        #[cfg(windows)]
        let raw = super::windows::this_machine();
        #[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
        let raw = super::other::this_machine();
        Self::from_raw(raw)
    }

    /// Probes a machine recorded as a folder with (parts of) its `/proc`, `/sys`, `/etc`, `/run` and `/dev`.
    ///
    /// The permanent address of a network card has no file in `/sys`; a recording may add it as
    /// `sys/class/net/NAME/permaddr`, in the usual spelling. Never fails, as with [`Probe::this_machine`].
    #[cfg(all(target_os = "linux", any(test, feature = "testing")))]
    #[doc(hidden)]
    pub fn from_root(root: &std::path::Path) -> Self {
        Self::from_raw(super::linux::recorded(root))
    }

    /// A probe of given values, normalized and rid of junk like any other; for tests and simulations.
    ///
    /// Of several values for one component the first that is no junk counts; of network addresses the four
    /// lowest do.
    #[cfg(any(test, feature = "testing"))]
    #[doc(hidden)]
    pub fn from_values(
        values: impl IntoIterator<Item = (Component, String)>,
        virtual_machine: bool,
        container: bool,
    ) -> Self {
        Self::of_values(values, virtual_machine, container)
    }

    /// The same for this crate.
    #[cfg(any(test, feature = "testing", feature = "capi"))]
    pub(crate) fn of_values(
        values: impl IntoIterator<Item = (Component, String)>,
        virtual_machine: bool,
        container: bool,
    ) -> Self {
        let mut raw = Raw::default();
        raw.values.extend(values.into_iter().map(|(component, value)| (component, Zeroizing::new(value))));
        raw.environment.virtual_machine = virtual_machine;
        raw.environment.container = container;
        Self::from_raw(raw)
    }

    /// A probe that found nothing.
    pub(crate) fn nothing() -> Self {
        Self::from_raw(Raw::default())
    }

    /// As much of [`Probe::from_root`] as [`machine_id`] reads.
    #[cfg(all(target_os = "linux", any(test, feature = "testing")))]
    #[doc(hidden)]
    pub fn identity_from_root(root: &std::path::Path) -> Self {
        Self::from_raw(super::linux::recorded_identity(root))
    }

    /// As much of this machine as [`machine_id`] needs.
    fn identity() -> Self {
        #[cfg(target_os = "linux")]
        return Self::from_raw(super::linux::identity());
        #[cfg(not(target_os = "linux"))]
        Self::this_machine()
    }

    fn from_raw(Raw { values: raw, environment }: Raw) -> Self {
        let mut values: Vec<(Component, Zeroizing<String>)> = Vec::with_capacity(raw.len());
        for (component, value) in raw {
            let missing = values.iter().all(|(known, _)| *known != component);
            if component == Component::Mac || missing {
                let value = normalize::value(component, &value, environment.virtual_machine);
                values.extend(value.map(|value| (component, value)));
            }
        }
        // Interfaces are listed in no order, so which four addresses count must not depend on it.
        values.sort_unstable_by(|a, b| (a.0, a.1.as_str()).cmp(&(b.0, b.1.as_str())));
        values.dedup_by(|a, b| a.0 == b.0 && *a.1 == *b.1);
        let mut macs = 0;
        values.retain(|(component, _)| {
            macs += usize::from(*component == Component::Mac);
            *component != Component::Mac || macs <= MAX_MACS
        });
        Self { values, environment }
    }

    /// This probe with an identity that the application supplies: a dongle, a cloud instance id, a user id.
    ///
    /// It is normalized like every value: the case of ASCII letters and runs of ASCII white space do not count. What is
    /// not ASCII counts byte for byte, so give it in one form of Unicode. Fails with [`ErrorKind::InvalidInput`] when
    /// it then has fewer than 4 or more than 256 characters, or is a known filler such as `none`. (docs/FINGERPRINT.md,
    /// Host id)
    ///
    /// ```
    /// use nodelock::fingerprint::{Component, HostId, Probe};
    ///
    /// let probe = Probe::this_machine().with_host_id("dongle 4711", HostId::Replace)?;
    /// assert_eq!(probe.components().collect::<Vec<_>>(), [Component::HostId]);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn with_host_id(mut self, id: &str, how: HostId) -> Result<Self> {
        let length = normalize::text(id).chars().count();
        if !(MIN_HOST_ID..=MAX_HOST_ID).contains(&length) {
            return Err(Error::length("host id", "characters", length, MIN_HOST_ID, MAX_HOST_ID));
        }
        let filler = "host id is a filler that many machines have, such as `none` or zeros";
        let value = normalize::value(Component::HostId, id, false)
            .ok_or_else(|| Error::new(ErrorKind::InvalidInput, filler))?;
        self.values.retain(|(component, _)| how == HostId::Join && *component != Component::HostId);
        self.values.push((Component::HostId, value));
        Ok(self)
    }

    /// The tags of this machine under `key`. (docs/FINGERPRINT.md, Tags)
    ///
    /// ```
    /// use nodelock::fingerprint::{Probe, TagKey};
    ///
    /// let (one, other) = (TagKey::new("example.com", "editor"), TagKey::new("example.com", "viewer"));
    /// let probe = Probe::this_machine();
    /// assert_eq!(probe.fingerprint(&one), probe.fingerprint(&one));
    /// # assert!(probe.components().next().is_none() || probe.fingerprint(&one) != probe.fingerprint(&other));
    /// ```
    pub fn fingerprint(&self, key: &TagKey) -> Fingerprint {
        let tags = self.values.iter().map(|(component, value)| key.tag(*component, value)).collect();
        Fingerprint::new(tags, self.environment.virtual_machine, self.environment.container)
    }

    /// The components that were found, each once, in the order of their numbers.
    pub fn components(&self) -> impl Iterator<Item = Component> {
        let mut values = self.values.iter().map(|(component, _)| *component).peekable();
        iter::from_fn(move || {
            let component = values.next()?;
            while values.next_if_eq(&component).is_some() {}
            Some(component)
        })
    }

    /// Whether this is a virtual machine or a container, and the signs that were seen, for a report.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// [`machine_id`] of this probe.
    pub fn machine_id(&self, application: &str) -> Result<String> {
        if application.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "the name of the application is empty"));
        }
        let (component, value) = IDENTITIES
            .iter()
            .find_map(|identity| self.values.iter().find(|(component, _)| component == identity))
            .ok_or_else(|| Error::new(ErrorKind::Unsupported, NO_IDENTITY))?;
        let mut id = String::with_capacity(32);
        normalize::push_hex(&mut id, &tag::application_id(application, *component, value));
        Ok(id)
    }
}

const NO_IDENTITY: &str =
    "this machine has no identity that lasts: no machine-id and no UUID of its disk or hardware";

/// What [`machine_id`] is made of: the first of these that there is. On Linux only root can read the
/// hardware's UUID, and an answer that depends on who asks is no identity.
const IDENTITIES: &[Component] = if cfg!(target_os = "linux") {
    &[Component::OsId, Component::RootFs]
} else {
    &[Component::OsId, Component::HwUuid, Component::RootFs]
};

/// A stable identity of this machine for `application`: 32 hexadecimal digits.
///
/// For applications that want no more than that. It is derived from the identity of the operating system's
/// installation (`os_id`: the machine-id); where there is none, or one that is known to have shipped in an
/// image, from the hardware's UUID (not on Linux, where only root can read it); else from the UUID of the
/// root file system. It is the same for every user and after every restart, differs between applications, and
/// does not reveal what it was made from, as machine-id(5) asks. It changes when the operating system is
/// installed anew and is copied along with a disk image.
///
/// Fails with [`ErrorKind::Unsupported`] when the machine has none of these, as in most containers: it is
/// never made from nothing. Fails with [`ErrorKind::InvalidInput`] when `application` is empty.
///
/// ```
/// use nodelock::fingerprint::machine_id;
///
/// match machine_id("example.com") {
///     Ok(id) => assert_eq!(id.len(), 32),
///     Err(error) => println!("this machine has no identity: {error}"),
/// }
/// ```
pub fn machine_id(application: &str) -> Result<String> {
    Probe::identity().machine_id(application)
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("components", &self.components().collect::<Vec<_>>())
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}
