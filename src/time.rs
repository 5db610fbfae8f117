//! Points in time, in whole seconds.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Error, ErrorKind, Result, error::shown};

/// A point in time: whole seconds since 1970-01-01T00:00:00Z, up to the end of the year 9999.
///
/// Text form: RFC 3339 in UTC, such as `2027-01-31T12:00:00Z`.
///
/// ```
/// use nodelock::Timestamp;
///
/// let expires: Timestamp = "2027-01-31".parse()?;
/// assert_eq!(expires.plus_days(1).to_string(), "2027-02-01T00:00:00Z");
/// # Ok::<(), nodelock::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The earliest time: 1970-01-01T00:00:00Z.
    pub const MIN: Self = Self(0);
    /// The latest time: 9999-12-31T23:59:59Z.
    pub const MAX: Self = Self(253_402_300_799);

    /// The time `seconds` after 1970-01-01T00:00:00Z; later than [`Timestamp::MAX`] becomes that.
    pub const fn from_unix_seconds(seconds: u64) -> Self {
        if seconds > Self::MAX.0 { Self::MAX } else { Self(seconds) }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn unix_seconds(self) -> u64 {
        self.0
    }

    /// This time plus `duration`; none if that is later than [`Timestamp::MAX`]. Fractions of a second are dropped.
    ///
    /// ```
    /// # use {nodelock::Timestamp, std::time::Duration};
    /// assert_eq!(Timestamp::MAX.checked_add(Duration::from_secs(1)), None);
    /// assert_eq!(Timestamp::MIN.checked_add(Duration::from_secs(60)).unwrap().unix_seconds(), 60);
    /// ```
    pub const fn checked_add(self, duration: Duration) -> Option<Self> {
        match self.0.checked_add(duration.as_secs()) {
            Some(seconds) if seconds <= Self::MAX.0 => Some(Self(seconds)),
            _ => None,
        }
    }

    /// This time plus `duration`, at most [`Timestamp::MAX`]. [`checked_add`](Self::checked_add) says if it is later.
    pub const fn plus(self, duration: Duration) -> Self {
        Self::from_unix_seconds(self.0.saturating_add(duration.as_secs()))
    }

    /// This time plus `days` days of 86,400 seconds, at most [`Timestamp::MAX`].
    pub const fn plus_days(self, days: u32) -> Self {
        self.plus(Duration::from_secs(days as u64 * 86_400))
    }

    /// How long after `earlier` this time is; none if it is before that.
    ///
    /// ```
    /// # use {nodelock::Timestamp, std::time::Duration};
    /// assert_eq!(Timestamp::MIN.plus_days(1).checked_since(Timestamp::MIN), Some(Duration::from_secs(86_400)));
    /// assert_eq!(Timestamp::MIN.checked_since(Timestamp::MAX), None);
    /// ```
    pub const fn checked_since(self, earlier: Self) -> Option<Duration> {
        match self.0.checked_sub(earlier.0) {
            Some(seconds) => Some(Duration::from_secs(seconds)),
            None => None,
        }
    }

    /// How long after `earlier` this time is; zero if it is before that, which
    /// [`checked_since`](Self::checked_since) tells apart.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

/// Fractions of a second are dropped; a time before 1970 becomes [`Timestamp::MIN`].
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self::from_unix_seconds(time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_secs(time.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds((*self).into()).fmt(f)
    }
}

/// Reads RFC 3339 in UTC, or a date alone (`2027-01-31`: the start of that day in UTC).
impl FromStr for Timestamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let (found, expected) = (shown(text), "such as 2027-01-31 or 2027-01-31T12:00:00Z");
            Error::new(ErrorKind::InvalidInput, format!("`{found}` is no time {expected}"))
        };
        let midnight = format!("{text}T00:00:00Z");
        let text = if text.len() == 10 { &midnight } else { text };
        humantime::parse_rfc3339(text).map(Self::from).map_err(|_| wrong())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            seconds if seconds <= Self::MAX.0 => Ok(Self(seconds)),
            _ => Err(serde::de::Error::custom("a time after the year 9999")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bounds() {
        let time: Timestamp = "2027-01-31T12:00:00Z".parse().unwrap();
        assert_eq!(time.unix_seconds(), 1_801_396_800);
        assert_eq!(time.to_string(), "2027-01-31T12:00:00Z");
        assert_eq!("2027-01-31".parse::<Timestamp>().unwrap().to_string(), "2027-01-31T00:00:00Z");
        assert_eq!(Timestamp::from_unix_seconds(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(Timestamp::MAX.plus_days(u32::MAX), Timestamp::MAX);
        for wrong in ["", "2027", "2027-13-01", "1.1.2027", "2027-01-31T12:00:00+01:00", "ä2027-01-3"] {
            assert!(wrong.parse::<Timestamp>().is_err(), "{wrong}");
        }
    }
}
