//! What was sold, and what its seats add up to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    allowances::{Allowance, Allowances},
    approval::ApprovalPolicy,
    history::Gap,
    json,
};
use crate::{
    Error, ErrorKind, Feature, LicenseBody, LicenseId, Metadata, Result, Timestamp,
    code::LicenseKey,
    fingerprint::{Component, Fingerprint, Policy},
    keys::sha256_of_secret,
    message::{MAX_NAME, MAX_TEXT, check_features, check_metadata, check_product, check_text},
};

/// The terms of one license, for any number of seats.
///
/// Its serde form is the JSON record that `docs/FORMAT.md`, "Records" describes: what is left out has the default of
/// [`new`](Self::new), `starts` is 0 then, and an unknown member is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LicenseTerms {
    /// Names the license.
    #[serde(with = "json::as_text")]
    pub id: LicenseId,
    /// The product.
    pub product: String,
    /// Who licensed it: at most 1,024 bytes on one line.
    #[serde(default)]
    pub licensee: String,
    /// The edition; may be empty.
    #[serde(default)]
    pub edition: String,
    /// What it entitles to, each name once.
    #[serde(default, with = "json::features")]
    pub features: Vec<Feature>,
    /// Whatever else the application is told.
    #[serde(default)]
    pub metadata: Metadata,
    /// The first second at which it is valid.
    #[serde(default = "earliest")]
    pub starts: Timestamp,
    /// The first second at which it is no longer valid; none is perpetual.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// How many days a machine may use it, from its first activation of any trial of the product on, so that a machine
    /// has one. None is no trial.
    #[serde(default)]
    pub trial_days: Option<u32>,
    /// How many days a device may go without a renewal; none is for ever, which cannot be undone from afar.
    #[serde(default = "lease_days")]
    pub lease_days: Option<u32>,
    /// The same for machines that have no hardware-unique component.
    #[serde(default = "unbindable_lease_days")]
    pub unbindable_lease_days: Option<u32>,
    /// How many days a seat counts beyond the end of its use, at least [`MIN_MARGIN_DAYS`]; none is for ever, so that
    /// only its device or the vendor frees it. Of a lease below two days the margin is a tenth, at least a minute.
    #[serde(default = "margin_days")]
    pub margin_days: Option<u32>,
    /// Maintenance: versions released later are not covered.
    #[serde(default)]
    pub updates_until: Option<Timestamp>,
    /// How many machines may hold a seat at a time.
    pub seats: u32,
    /// What a refusal for want of a seat tells of the seats.
    #[serde(default)]
    pub seat_list: SeatListing,
    /// How many requests of one machine may take the place of its own seat within 365 days, when no seat is free: the
    /// system was installed again, say. None is [`REINSTALLS`], or 1 without a lease, where a copy that is left behind
    /// never ends.
    #[serde(default)]
    pub reinstalls: Option<u32>,
    /// Whether a request takes the place of its machine's own seat also when a seat is free.
    #[serde(default)]
    pub one_seat_per_machine: bool,
    /// Whether virtual machines and containers may do so too, which are copied with what they are known by.
    #[serde(default)]
    pub virtual_reinstalls: bool,
    /// How many seats may be replaced within 365 days by a request that names them, when no seat is free. None is 1, or
    /// 0 without a lease, where what is replaced never ends.
    #[serde(default)]
    pub replace: Option<u32>,
    /// How many deactivations return a seat to the pool; none is without limit.
    #[serde(default)]
    pub deactivations: Option<u32>,
    /// How many activations there may be: new grants of seats. None is without limit. What takes the place of a seat
    /// of its own machine is none.
    #[serde(default)]
    pub activations: Option<u32>,
    /// How many days a period has. Each of them, from [`starts`](Self::starts) on, has the whole allowance of
    /// activations and deactivations again. None is one for the whole life.
    #[serde(default)]
    pub period_days: Option<u32>,
    /// Whether each activation waits until the vendor approves it.
    #[serde(default)]
    pub approval: ApprovalPolicy,
    /// How far a machine may change.
    #[serde(default)]
    pub policy: Policy,
    /// Whether the vendor stopped it for now: nothing is issued, seats can still be given up.
    #[serde(default)]
    pub suspended: bool,
}

/// What a refusal for want of a seat tells of the seats, besides when the next one lapses. A license key is no secret,
/// so whoever has it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SeatListing {
    /// Nothing.
    None,
    /// The name of each seat, the day on which its device was last heard of, and when it lapses.
    #[default]
    Dates,
    /// What its device is called, too.
    Labels,
}

fn earliest() -> Timestamp {
    Timestamp::MIN
}

fn lease_days() -> Option<u32> {
    Some(90)
}

fn unbindable_lease_days() -> Option<u32> {
    Some(14)
}

fn margin_days() -> Option<u32> {
    Some(14)
}

/// The least [margin](LicenseTerms::margin_days). A device's clock may be behind by 26 hours, and so may the
/// authority's.
pub const MIN_MARGIN_DAYS: u32 = 3;

/// How often a machine may be installed anew within 365 days, unless the license says otherwise.
pub const REINSTALLS: u32 = 5;

const DAY: Duration = Duration::from_secs(86_400);

/// A lease below this has a margin of a tenth of it.
const SHORT_LEASE: Duration = Duration::from_secs(2 * DAY.as_secs());

impl LicenseTerms {
    /// A license of `seats` seats on the defaults: valid from `now` on without end, a 90-day lease (14 days for
    /// machines that cannot be told apart), a margin of 14 days, no limit to activations and deactivations.
    ///
    /// ```
    /// # use nodelock::{Clock, LicenseId, SigningKey, SystemClock, SystemRandom, authority::LicenseTerms};
    /// # let now = SystemClock.now();
    /// let mut terms = LicenseTerms::new(LicenseId::generate(&SystemRandom)?, "Example Editor", 5, now);
    /// terms.licensee = "Jane Doe".into();
    /// assert_eq!((terms.seats, terms.lease_days), (5, Some(90)));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn new(id: LicenseId, product: impl Into<String>, seats: u32, now: Timestamp) -> Self {
        Self {
            id,
            product: product.into(),
            licensee: String::new(),
            edition: String::new(),
            features: Vec::new(),
            metadata: Vec::new(),
            starts: now,
            expires: None,
            trial_days: None,
            lease_days: lease_days(),
            unbindable_lease_days: unbindable_lease_days(),
            margin_days: margin_days(),
            updates_until: None,
            seats,
            seat_list: SeatListing::default(),
            reinstalls: None,
            one_seat_per_machine: false,
            virtual_reinstalls: false,
            replace: None,
            deactivations: None,
            activations: None,
            period_days: None,
            approval: ApprovalPolicy::default(),
            policy: Policy::default(),
            suspended: false,
        }
    }

    /// The terms of a license that was lost, as far as one device's copy says them. It has as many seats as are known
    /// to be sold: one.
    pub(super) fn of_license(license: &LicenseBody) -> Self {
        let day = DAY.as_secs();
        let days = |until: Timestamp| until.since(license.issued).as_secs().div_ceil(day);
        let lease_days = license.lease_until.map(|until| u32::try_from(days(until)).unwrap_or(u32::MAX));
        let unbindable =
            if license.baseline.bindable() { lease_days.and(unbindable_lease_days()) } else { lease_days };
        Self {
            licensee: license.licensee.clone(),
            edition: license.edition.clone(),
            features: license.features.clone(),
            metadata: license.metadata.clone(),
            expires: license.expires,
            lease_days,
            unbindable_lease_days: unbindable,
            updates_until: license.updates_until,
            deactivations: license.deactivations_left,
            policy: license.policy.clone(),
            ..Self::new(license.license_id, license.product.clone(), 1, license.starts)
        }
    }

    /// Checks that licenses can be issued on these terms, so that it shows when they are sold and not when a customer
    /// activates: an id other than [`LicenseId::NONE`], lengths of texts, each feature once, a margin of at least
    /// [`MIN_MARGIN_DAYS`], weights and thresholds within their bounds.
    ///
    /// Fails with [`ErrorKind::InvalidInput`].
    ///
    /// ```
    /// # use nodelock::{Clock, LicenseId, SigningKey, SystemClock, SystemRandom, authority::LicenseTerms};
    /// # let now = SystemClock.now();
    /// let mut terms = LicenseTerms::new(LicenseId::generate(&SystemRandom)?, "Example Editor", 5, now);
    /// terms.validate()?;
    /// terms.margin_days = Some(1); // a clock that is a day off would end a seat too early
    /// assert!(terms.validate().is_err());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn validate(&self) -> Result<()> {
        if self.id == LicenseId::NONE {
            let text = "license id 0000000000000000 is not allowed: it stands for no license";
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        if let Some(days) = self.margin_days.filter(|days| *days < MIN_MARGIN_DAYS) {
            return Err(Error::range("margin in days", "", days.into(), MIN_MARGIN_DAYS.into(), i64::MAX));
        }
        for (what, days) in [("period in days", self.period_days), ("trial in days", self.trial_days)] {
            if days == Some(0) {
                return Err(Error::range(what, "", 0, 1, i64::MAX));
            }
        }
        check_product(&self.product)?;
        check_text("licensee", &self.licensee, MAX_TEXT)?;
        check_text("edition", &self.edition, MAX_NAME)?;
        check_features(&sorted(&self.features))?;
        check_metadata(&self.metadata)?;
        check_policy(&self.policy)
    }

    /// When the period began that `now` is in; [`Timestamp::MIN`] for the first, and without periods.
    pub(super) fn period_began(&self, now: Timestamp) -> Timestamp {
        match self.periods(now) {
            Some((length, passed)) if passed > 0 => self.starts.plus(length * passed),
            _ => Timestamp::MIN,
        }
    }

    /// When the period after the one that `now` is in begins, with the whole allowances again; none without periods.
    pub fn next_period(&self, now: Timestamp) -> Option<Timestamp> {
        let (length, passed) = self.periods(now)?;
        Some(self.starts.plus(length * (passed + 1)))
    }

    /// How long a period is, and how many are over.
    fn periods(&self, now: Timestamp) -> Option<(Duration, u32)> {
        let length = DAY * self.period_days.filter(|days| *days > 0)?;
        let passed = now.since(self.starts).as_secs() / length.as_secs();
        Some((length, u32::try_from(passed).unwrap_or(u32::MAX - 1)))
    }

    /// How long a seat counts beyond the end of its use; none is for ever.
    pub(super) fn margin(&self) -> Option<Duration> {
        let margin = DAY * self.margin_days?;
        let lease = self.lease_days.map(|days| DAY * days).filter(|lease| *lease < SHORT_LEASE);
        Some(lease.map_or(margin, |lease| (lease / 10).max(Duration::from_secs(60))))
    }

    /// How many requests of one machine may take the place of its own seat within 365 days.
    pub(super) fn reinstalls(&self) -> u32 {
        self.reinstalls.unwrap_or(if self.lease_days.is_some() { REINSTALLS } else { 1 })
    }

    /// Whether a machine may take the place of its own seat: virtual ones and containers are copied with what they are
    /// known by.
    pub(super) fn lets_join(&self, fingerprint: &Fingerprint) -> bool {
        self.virtual_reinstalls || !(fingerprint.virtual_machine() || fingerprint.container())
    }

    /// How many seats may be replaced within 365 days by a request that names them.
    pub(super) fn replace(&self) -> u32 {
        self.replace.unwrap_or(u32::from(self.lease_days.is_some()))
    }

    /// Seats whose use ended then or before count no longer at `now`; none if there can be no such seat.
    ///
    /// In the time that a [gap](Gap) of the ledger may hide, a seat that counted when it began may have been renewed by
    /// as much as the longest lease. Until that and the margin are over, only seats that had lapsed before the gap
    /// count no longer.
    pub fn lapsed_until(&self, now: Timestamp, gaps: &[Gap]) -> Option<Timestamp> {
        let margin = if mutated!(NoMargin) { Duration::ZERO } else { self.margin()? };
        let less = |time: Timestamp, seconds: u64| time.unix_seconds().checked_sub(seconds);
        let mut until = less(now, margin.as_secs())?;
        if mutated!(LongestLeaseAfterTheOwn) {
            let longest = gaps.first().map_or(0, |gap| gap.over().since(gap.ended()).as_secs());
            return less(now, margin.as_secs() + longest).map(Timestamp::from_unix_seconds);
        }
        for gap in gaps.iter().filter(|gap| now < gap.over().plus(margin)) {
            until = until.min(less(gap.began(), margin.as_secs() + 1)?);
        }
        Some(Timestamp::from_unix_seconds(until))
    }

    /// When a seat whose use ends then counts no longer; none is never.
    pub(super) fn lapses(&self, ends: Timestamp, gaps: &[Gap]) -> Option<Timestamp> {
        let margin = self.margin()?;
        let lapses = ends.plus(margin);
        let hidden = gaps.iter().filter(|gap| gap.began() <= lapses).map(|gap| gap.over().plus(margin));
        hidden.chain([lapses]).max()
    }

    /// Fails with [`ErrorKind::LicenseEnded`] when nothing may be issued at `now`.
    pub(super) fn check_usable(&self, now: Timestamp) -> Result<()> {
        let id = self.id;
        let text = match self.expires.filter(|end| now >= *end && !mutated!(EndedIssues)) {
            Some(end) => format!("license {id} has ended at {end}"),
            None if self.suspended && !mutated!(SuspendedIssues) => format!("license {id} is suspended"),
            None => return Ok(()),
        };
        Err(Error::new(ErrorKind::LicenseEnded, text))
    }
}

/// Features in the order in which a license has them.
pub(super) fn sorted(features: &[Feature]) -> Vec<Feature> {
    let mut features = features.to_vec();
    features.sort_by(|a, b| a.name.cmp(&b.name));
    features
}

/// Refuses a policy that [`Policy`]'s own functions would not make: one that came from a record may hold anything.
fn check_policy(policy: &Policy) -> Result<()> {
    let checked = Policy::default().with_thresholds(policy.accept(), policy.grace())?;
    policy.weights().iter().try_fold(checked, |checked, weight| {
        let component = Component::from_number(weight.component());
        component.map_or(Ok(checked.clone()), |c| checked.with_weight(c, weight.agree(), weight.differ()))
    })?;
    Ok(())
}

/// What a license's seats add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// Seats in state [`Active`](super::SeatState::Active) or [`Held`](super::SeatState::Held), less those that are
    /// [marked as lapsed](super::Seat::is_lapsed).
    pub taken: u32,
    /// Deactivations that counted, since the license was sold: seats with [`is_counted`](super::Seat::is_counted).
    pub deactivated: u32,
    /// Activations that counted, since then: seats with [`is_activation`](super::Seat::is_activation).
    pub activated: u32,
}

impl Usage {
    /// So many seats that are taken, so many deactivations and activations that counted.
    pub fn new(taken: u32, deactivated: u32, activated: u32) -> Self {
        Self { taken, deactivated, activated }
    }

    /// How many of an allowance were used up since the license was sold.
    pub fn used(&self, of: Allowance) -> u32 {
        match of {
            Allowance::Activations => self.activated,
            Allowance::Deactivations => self.deactivated,
        }
    }
}

/// What a decision needs to know of a license.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "FlatLicense", into = "FlatLicense")]
pub struct LicenseRecord {
    /// What was sold.
    pub terms: LicenseTerms,
    /// What its seats add up to at this moment.
    pub usage: Usage,
    /// What of its allowances counts no more, and what was granted beyond its terms.
    pub allowances: Allowances,
}

impl LicenseRecord {
    /// A license whose allowances were never reset, in its first period.
    pub fn new(terms: LicenseTerms, usage: Usage) -> Self {
        Self { terms, usage, allowances: Allowances::default() }
    }
}

/// [`LicenseRecord`] as JSON has it. Flattened by hand, because serde's `flatten` passes over members of other names.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FlatLicense {
    terms: LicenseTerms,
    taken: u32,
    deactivated: u32,
    activated: u32,
    // A host that forgot it would begin every period again and again.
    #[serde(deserialize_with = "Option::deserialize")]
    allowances: Option<Allowances>,
}

impl From<FlatLicense> for LicenseRecord {
    fn from(flat: FlatLicense) -> Self {
        let FlatLicense { terms, taken, deactivated, activated, allowances } = flat;
        Self {
            terms,
            usage: Usage { taken, deactivated, activated },
            allowances: allowances.unwrap_or_default(),
        }
    }
}

impl From<LicenseRecord> for FlatLicense {
    fn from(record: LicenseRecord) -> Self {
        let LicenseRecord { terms, usage: Usage { taken, deactivated, activated }, allowances } = record;
        let allowances = Some(allowances).filter(|allowances| *allowances != Allowances::default());
        Self { terms, taken, deactivated, activated, allowances }
    }
}

/// Finds a license without holding its key: the SHA-256 of the key as it is compared.
///
/// A license key is a bearer secret. A ledger keeps this hash and, for people, the [hint](LicenseKeyName::hint).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 32]);

/// A license key as it is compared: the mended spelling of a [`LicenseKey`], or the very text of a key that the vendor
/// made by rules of its own.
pub struct LicenseKeyName(zeroize::Zeroizing<String>);

impl LicenseKeyName {
    /// None for an empty text, which is no key.
    ///
    /// ```
    /// # use nodelock::authority::LicenseKeyName;
    /// let sold = LicenseKeyName::new("OLD-KEY-4711").expect("it is not empty");
    /// assert_eq!((sold.hint().as_str(), sold.hash() == LicenseKeyName::new(" OLD-KEY-4711 ").unwrap().hash()), ("1", true));
    /// ```
    pub fn new(typed: &str) -> Option<Self> {
        let text =
            typed.parse::<LicenseKey>().map_or_else(|_| typed.trim().to_owned(), |key| key.to_string());
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// What finds the license. Keys made by this library have 90 random bits, so nobody gets from the hash to the key.
    pub fn hash(&self) -> KeyHash {
        KeyHash(sha256_of_secret(self.0.as_bytes()))
    }

    /// The last group, for people: too little to guess the rest from. Of a key below 20 bytes it is the last character.
    pub fn hint(&self) -> String {
        let shown = if self.0.len() >= 20 { 5 } else { 1 };
        let from = self.0.char_indices().rev().nth(shown - 1).map_or(0, |(at, _)| at);
        self.0[from..].to_owned()
    }
}
