//! For how long what is personal is kept.

use nodelock::{ErrorKind, Timestamp};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};

/// The days for which each kind is kept. `docs/FORMAT.md` has the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retention {
    /// Addresses and persons in the audit, whose lines stay.
    pub(crate) audit_days: u32,
    /// Proofs and codes for seats that nobody has asked for.
    pub(crate) evidence_days: u32,
    /// The digests of the check-ins of a seat, after its end.
    pub(crate) check_in_days: u32,
    pub(crate) refusal_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { audit_days: 365, evidence_days: 730, check_in_days: 365, refusal_days: 90 }
    }
}

/// What is said of it; none stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RetentionChange {
    pub(crate) audit_days: Option<u32>,
    pub(crate) evidence_days: Option<u32>,
    pub(crate) check_in_days: Option<u32>,
    pub(crate) refusal_days: Option<u32>,
}

/// A century.
const LONGEST: u32 = 36_500;

impl Retention {
    /// Fails with [`ErrorKind::InvalidInput`] for what would be lost too early, and for more than a century.
    ///
    /// A device repeats its proof until it has a receipt, and an echo of the network may take days, so both are kept
    /// for a month at least. Evidence is kept for two years at most, because strangers leave it.
    pub(crate) fn changed(self, change: RetentionChange) -> Result<Self> {
        let days = |name: &str, said: Option<u32>, now: u32, least: u32, most: u32| match said {
            Some(days) if !(least..=most).contains(&days) => {
                let text = format!("{name} is {days}; {least} to {most} days are allowed");
                Err(Failure::rule(ErrorKind::InvalidInput, text))
            }
            said => Ok(said.unwrap_or(now)),
        };
        Ok(Self {
            audit_days: days("audit_days", change.audit_days, self.audit_days, 1, LONGEST)?,
            evidence_days: days("evidence_days", change.evidence_days, self.evidence_days, 30, 730)?,
            check_in_days: days("check_in_days", change.check_in_days, self.check_in_days, 30, LONGEST)?,
            refusal_days: days("refusal_days", change.refusal_days, self.refusal_days, 1, LONGEST)?,
        })
    }
}

/// So many days before a time.
pub(crate) fn days_before(time: Timestamp, days: u32) -> Timestamp {
    Timestamp::from_unix_seconds(time.unix_seconds().saturating_sub(u64::from(days) * 24 * 60 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_not_said_stays_and_one_out_of_bounds_is_refused() {
        let retention: Retention = serde_json::from_str("{}").unwrap();
        assert_eq!(retention, Retention::default());
        let change = RetentionChange { refusal_days: Some(30), ..RetentionChange::default() };
        assert_eq!(retention.changed(change).unwrap(), Retention { refusal_days: 30, ..retention });
        for change in [
            RetentionChange { refusal_days: Some(0), ..RetentionChange::default() },
            RetentionChange { evidence_days: Some(29), ..RetentionChange::default() },
            RetentionChange { evidence_days: Some(731), ..RetentionChange::default() },
            RetentionChange { check_in_days: Some(1), ..RetentionChange::default() },
            RetentionChange { audit_days: Some(36_501), ..RetentionChange::default() },
        ] {
            assert!(retention.changed(change).is_err(), "{change:?}");
        }
    }
}
