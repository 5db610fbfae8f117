//! How many activations and deactivations a license allows, in all or in each period, and how many are left.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::terms::{LicenseRecord, LicenseTerms, Usage};
use crate::{Error, ErrorKind, Result, Timestamp, error::shown};

/// What the terms of a license may limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Allowance {
    /// New grants of seats: [`LicenseTerms::activations`].
    Activations,
    /// Deactivations that return a seat to the pool: [`LicenseTerms::deactivations`].
    Deactivations,
}

impl Allowance {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Activations, Self::Deactivations];

    /// Its name, for programs and people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Activations => "activations",
            Self::Deactivations => "deactivations",
        }
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads the [name](Allowance::name). Fails with [`ErrorKind::InvalidInput`].
impl FromStr for Allowance {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|allowance| allowance.name() == name).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, format!("no allowance is called `{}`", shown(name)))
        })
    }
}

/// How far an allowance of a license is used, in the period that it is in.
///
/// ```
/// use nodelock::authority::{Allowance, Balance, LicenseRecord, LicenseTerms, Usage};
/// # use nodelock::{Clock as _, LicenseId, SystemClock, SystemRandom};
/// # let now = SystemClock.now();
///
/// let mut terms = LicenseTerms::new(LicenseId::generate(&SystemRandom)?, "Example Editor", 1, now);
/// terms.deactivations = Some(4);
/// let license = LicenseRecord::new(terms, Usage::new(1, 3, 4));
/// let balance: Balance = license.balance(Allowance::Deactivations, now);
/// assert_eq!((balance.left(), balance.percent()), (Some(1), Some(75)));
/// assert_eq!(license.left(Allowance::Activations, now), None);
/// # Ok::<(), nodelock::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Balance {
    /// How many are allowed, extra ones included; none is without limit.
    pub allowed: Option<u32>,
    /// How many were used up.
    pub used: u32,
}

impl Balance {
    /// How many are left; none is without limit.
    pub fn left(self) -> Option<u32> {
        self.allowed.map(|allowed| allowed.saturating_sub(self.used))
    }

    /// How many hundredths of the allowance are used up, at most 100; none without a limit. All of an allowance of
    /// nothing is used up.
    pub fn percent(self) -> Option<u32> {
        let allowed = self.allowed?;
        let percent = u64::from(self.used) * 100 / u64::from(allowed.max(1));
        Some(if self.used >= allowed { 100 } else { u32::try_from(percent).unwrap_or(100) })
    }
}

/// What of a license's allowances counts no more, and what the vendor granted beyond its terms.
///
/// What seats add up to ([`Usage`]) only grows. What was used up before the period, or before the vendor reset an
/// allowance, is *forgiven*: it is taken off.
///
/// Its serde form is the JSON record that `docs/FORMAT.md`, "Records" describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowances {
    /// When the period began that the numbers are of; [`Timestamp::MIN`] for the first, and without periods.
    since: Timestamp,
    extra_activations: u32,
    extra_deactivations: u32,
    forgiven_activations: u32,
    forgiven_deactivations: u32,
}

impl Default for Allowances {
    /// Nothing is forgiven, and nothing was granted.
    fn default() -> Self {
        Self {
            since: Timestamp::MIN,
            extra_activations: 0,
            extra_deactivations: 0,
            forgiven_activations: 0,
            forgiven_deactivations: 0,
        }
    }
}

impl Allowances {
    /// When the period began that the numbers are of.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// How many extra ones the vendor granted in that period.
    pub fn extra(&self, of: Allowance) -> u32 {
        match of {
            Allowance::Activations => self.extra_activations,
            Allowance::Deactivations => self.extra_deactivations,
        }
    }

    /// How many of those that were used up count no more.
    pub fn forgiven(&self, of: Allowance) -> u32 {
        match of {
            Allowance::Activations => self.forgiven_activations,
            Allowance::Deactivations => self.forgiven_deactivations,
        }
    }

    /// The same at `now`, before anything of `usage` was used up in a period that begins. A clock that was set back
    /// begins none a second time.
    pub(super) fn at(self, terms: &LicenseTerms, usage: Usage, now: Timestamp) -> Self {
        let since = terms.period_began(now);
        if since <= self.since {
            return self;
        }
        Self {
            since: if mutated!(PeriodStartsTwice) { self.since } else { since },
            extra_activations: 0,
            extra_deactivations: 0,
            forgiven_activations: usage.activated,
            forgiven_deactivations: usage.deactivated,
        }
    }

    /// Nothing of `usage` counts any more.
    pub(super) fn reset(self, of: Allowance, usage: Usage) -> Self {
        let forgiven = usage.used(of).saturating_add(u32::from(mutated!(ResetForgivesAhead)));
        match of {
            Allowance::Activations => Self { forgiven_activations: forgiven, ..self },
            Allowance::Deactivations => Self { forgiven_deactivations: forgiven, ..self },
        }
    }

    /// With so many extra ones.
    pub(super) fn with_extra(self, of: Allowance, extra: u32) -> Self {
        match of {
            Allowance::Activations => Self { extra_activations: extra, ..self },
            Allowance::Deactivations => Self { extra_deactivations: extra, ..self },
        }
    }
}

impl LicenseRecord {
    /// How far an allowance is used at `now`.
    pub fn balance(&self, of: Allowance, now: Timestamp) -> Balance {
        let allowances = self.allowances.at(&self.terms, self.usage, now);
        let allowed = match of {
            Allowance::Activations => self.terms.activations,
            Allowance::Deactivations => self.terms.deactivations,
        };
        Balance {
            allowed: allowed.map(|allowed| allowed.saturating_add(allowances.extra(of))),
            used: self.usage.used(of).saturating_sub(allowances.forgiven(of)),
        }
    }

    /// How many of an allowance are left at `now`; none is without limit.
    pub fn left(&self, of: Allowance, now: Timestamp) -> Option<u32> {
        self.balance(of, now).left()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LicenseId;

    const START: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn license(period_days: Option<u32>) -> LicenseRecord {
        let mut terms = LicenseTerms::new(LicenseId::from_bytes([1; 8]), "Example", 1, START);
        (terms.activations, terms.deactivations, terms.period_days) = (Some(3), Some(2), period_days);
        LicenseRecord::new(terms, Usage::new(1, 2, 3))
    }

    #[test]
    fn without_periods_an_allowance_is_for_the_whole_life() {
        let license = license(None);
        for days in [0, 1000, 100_000] {
            assert_eq!(license.left(Allowance::Activations, START.plus_days(days)), Some(0), "{days}");
        }
    }

    #[test]
    fn each_period_has_the_whole_allowance_again_and_begins_once() {
        let mut license = license(Some(30));
        let left = |license: &LicenseRecord, days| {
            let now = START.plus_days(days);
            Allowance::ALL.map(|of| license.left(of, now))
        };
        assert_eq!(left(&license, 29), [Some(0), Some(0)]);
        assert_eq!(left(&license, 30), [Some(3), Some(2)]);
        // One is used up in the second period.
        license.allowances = license.allowances.at(&license.terms, license.usage, START.plus_days(40));
        license.usage.activated += 1;
        assert_eq!(license.allowances.since(), START.plus_days(30));
        assert_eq!(left(&license, 59), [Some(2), Some(2)]);
        assert_eq!(left(&license, 29), [Some(2), Some(2)], "the clock was set back");
        assert_eq!(left(&license, 60), [Some(3), Some(2)]);
        // Extra ones are of the period that they are granted in.
        license.allowances = license.allowances.with_extra(Allowance::Activations, 4);
        assert_eq!(left(&license, 59), [Some(6), Some(2)]);
        assert_eq!(left(&license, 60), [Some(3), Some(2)]);
    }

    #[test]
    fn a_reset_forgives_what_was_used_up_and_nothing_to_come() {
        let mut license = license(None);
        license.allowances = license.allowances.reset(Allowance::Deactivations, license.usage);
        let balance = |license: &LicenseRecord| license.balance(Allowance::Deactivations, START);
        assert_eq!((balance(&license).used, balance(&license).left()), (0, Some(2)));
        license.usage.deactivated += 1;
        assert_eq!((balance(&license).left(), balance(&license).percent()), (Some(1), Some(50)));
        assert_eq!(license.left(Allowance::Activations, START), Some(0));
    }

    #[test]
    fn all_of_nothing_is_used_up() {
        let percent = |allowed, used| Balance { allowed, used }.percent();
        assert_eq!(
            [percent(Some(0), 0), percent(None, 5), percent(Some(3), 7)],
            [Some(100), None, Some(100)]
        );
        assert_eq!([percent(Some(3), 0), percent(Some(3), 2)], [Some(0), Some(66)]);
    }
}
