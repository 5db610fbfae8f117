//! What a check found.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, DefaultHasher},
    sync::Arc,
};

use crate::{ChangedHeader, ClockError, License, Limit, Timestamp, Verdict, code::Handle};

/// Where in a license each feature is, by name. The vendor has signed the names, so nobody else chooses them, and the
/// hash needs no key from the operating system.
pub(super) type FeatureMap = HashMap<String, usize, BuildHasherDefault<DefaultHasher>>;

/// What [`Client::check`](super::Client::check) found. Cheap to clone and readable from any thread; it does not change
/// when the store does.
#[derive(Clone, Debug)]
pub struct Status {
    pub(super) verdict: Verdict,
    pub(super) license: Option<Arc<License>>,
    pub(super) features: Arc<FeatureMap>,
    pub(super) now: Timestamp,
    pub(super) clock_error: Option<ClockError>,
    pub(super) pending: Option<Handle>,
    pub(super) outstanding: usize,
    pub(super) should_observe: bool,
    pub(super) changed_headers: Option<Arc<[ChangedHeader]>>,
    pub(super) unsynced: bool,
}

impl Status {
    /// The verdict.
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// # use nodelock::Verdict;
    /// assert_eq!(*client.check()?.verdict(), Verdict::Unlicensed { pending: false });
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Whether the application may run.
    pub fn is_usable(&self) -> bool {
        self.verdict.is_usable()
    }

    /// The verified license, usable or not, to show to the customer; none if there is none.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// if let Some(license) = client.check()?.license() {
    ///     println!("licensed to {}, seat {}", license.licensee, license.handle);
    /// }
    /// # assert!(client.check()?.license().is_some());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn license(&self) -> Option<&License> {
        self.license.as_deref()
    }

    /// Whether the license is usable and has a feature of that name that has not expired.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// assert!(!client.check()?.has_feature("export"), "it was not sold");
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn has_feature(&self, name: &str) -> bool {
        self.usable_feature(name).is_some()
    }

    /// How much there is of a feature that the license [has](Self::has_feature); none without the feature.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # use nodelock::{Feature, Limit};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let features = vec![Feature::new("projects").up_to(10)];
    /// # let license_key = authority.vendor().sell_with(1, |terms| terms.features = features)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// match client.check()?.feature_limit("projects") {
    ///     Some(Limit::UpTo(limit)) => println!("up to {limit} projects"),
    ///     Some(_) => println!("as many projects as you like"),
    ///     None => println!("no projects"),
    /// }
    /// # assert_eq!(client.check()?.feature_limit("projects"), Some(Limit::UpTo(10)));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn feature_limit(&self, name: &str) -> Option<Limit> {
        self.usable_feature(name).map(|feature| feature.limit.into())
    }

    /// The time that the license was judged by: never less than any time seen before.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// assert_eq!(client.check()?.licensing_time(), authority.clock().now_plus(0));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn licensing_time(&self) -> Timestamp {
        self.now
    }

    /// By how much the device's clock is ahead or behind, where the authority's latest answer shows that it is by more
    /// than 26 hours. None if it is right, or if nothing is known.
    pub fn clock_error(&self) -> Option<ClockError> {
        self.clock_error
    }

    /// Whether the license asks to be renewed by now.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// assert!(!client.check()?.renewal_due());
    /// authority.clock().advance_days(45);
    /// assert!(client.check()?.renewal_due());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn renewal_due(&self) -> bool {
        self.license.as_ref().and_then(|l| l.renew_after).is_some_and(|time| self.now >= time)
    }

    /// The seat of the pending request.
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// # let license_key = nodelock::code::LicenseKey::generate(&SystemRandom)?.to_string();
    /// let request = client.begin(&license_key)?;
    /// assert_eq!(client.check()?.pending(), Some(request.request().handle));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn pending(&self) -> Option<Handle> {
        self.pending
    }

    /// How many seats were given up here whose receipts have not come.
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// # let license_key = nodelock::code::LicenseKey::generate(&SystemRandom)?.to_string();
    /// # client.begin(&license_key)?;
    /// # client.cancel()?;
    /// assert_eq!(client.check()?.outstanding(), 1);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Whether [`Client::observe`](super::Client::observe) has something to record.
    pub fn should_observe(&self) -> bool {
        self.should_observe
    }

    /// After a license was taken in from a text: the readable headers of that text which say something else than the
    /// license does, each with what it does say. The license counts all the same; tell people, who may have read them.
    pub fn changed_headers(&self) -> &[ChangedHeader] {
        self.changed_headers.as_deref().unwrap_or_default()
    }

    /// Whether the store survives a power cut at any moment. False where its file system cannot sync a directory, as
    /// some shared folders and old file servers cannot: a cut may then undo what was announced, such as a deactivation.
    /// Another folder mends it ([`Store::with_directory`](crate::Store::with_directory)). True for an empty store.
    pub fn power_cuts_covered(&self) -> bool {
        !self.unsynced
    }

    fn usable_feature(&self, name: &str) -> Option<&crate::Feature> {
        let license = self.license.as_ref().filter(|_| self.is_usable())?;
        let feature = &license.features[*self.features.get(name)?];
        Some(feature).filter(|feature| feature.expires.is_none_or(|at| self.now < at))
    }
}
