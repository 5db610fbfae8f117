//! How often something was done within a time that is bounded.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::json;
use crate::{Error, ErrorKind, Result, Timestamp, error::shown};

/// How many codes may be tried at a seat within [`CODE_WINDOW`]. A typing error that the code's own check finds is
/// none.
pub const MAX_ATTEMPTS: u32 = 10;

/// The time after which attempts at codes are forgotten.
pub const CODE_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// The time after which a [`Count`] begins anew.
pub const COUNT_WINDOW: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How many cancellations of a license use up no deactivation within [`COUNT_WINDOW`], if it has no more seats than
/// that; otherwise one for each seat.
pub const FREE_CANCELLATIONS: u32 = 3;

/// How many requests of a license may look for the seat of their machine and find none within [`COUNT_WINDOW`], if it
/// has no more seats than that; otherwise one for each seat. So many of them are remembered, too.
pub const UNMATCHED_REQUESTS: u32 = 100;

/// How often something was done within a time that is bounded: codes tried at one seat within [`CODE_WINDOW`], or a
/// machine installed anew within [`COUNT_WINDOW`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempts {
    count: u32,
    since: Timestamp,
}

impl Default for Attempts {
    /// None.
    fn default() -> Self {
        Self { count: 0, since: Timestamp::MIN }
    }
}

impl Attempts {
    /// How many there were since [`since`](Self::since).
    pub fn count(&self) -> u32 {
        self.count
    }

    /// When the first of them was made.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// When attempts at codes no longer count, so that a ledger may forget them.
    pub fn end(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.since.unix_seconds().saturating_add(CODE_WINDOW.as_secs()))
    }

    /// With one more attempt at a code; none when there were too many. Whatever comes of the attempt, it counts.
    pub(super) fn try_code(self, now: Timestamp) -> Option<Self> {
        self.one_more(MAX_ATTEMPTS, CODE_WINDOW, now)
    }

    /// With one more installation of a machine, of which so many are allowed within 365 days; none when there were too
    /// many.
    pub(super) fn once_more(self, most: u32, now: Timestamp) -> Option<Self> {
        self.one_more(most, COUNT_WINDOW, now).filter(|after| after.count <= most)
    }

    fn one_more(self, most: u32, window: Duration, now: Timestamp) -> Option<Self> {
        // A time in the future was noted by a clock that was ahead; it must not last until then.
        if self.count == 0 || self.since > now || now.since(self.since) >= window {
            return Some(Self { count: 1, since: now });
        }
        (self.count < most).then(|| Self { count: self.count + 1, ..self })
    }
}

/// How often something that is [`Counting`] happened to a license within [`COUNT_WINDOW`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    count: u32,
    since: Timestamp,
    /// How the digests begin of the latest requests that were counted and refused: they come again, and count nothing
    /// then.
    #[serde(default, with = "json::list_of_hex")]
    requests: Vec<[u8; 8]>,
}

impl Default for Count {
    /// Never.
    fn default() -> Self {
        Self { count: 0, since: Timestamp::MIN, requests: Vec::new() }
    }
}

impl Count {
    /// How often it happened since [`since`](Self::since).
    pub fn count(&self) -> u32 {
        self.count
    }

    /// When it happened first.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// How many requests are remembered, at most [`UNMATCHED_REQUESTS`].
    pub fn remembered(&self) -> usize {
        self.requests.len()
    }

    /// With one more, of which so many are allowed; none when there were too many.
    pub(super) fn once_more(&self, most: u32, now: Timestamp) -> Option<Self> {
        let before = Attempts { count: self.count, since: self.since };
        let after = before.once_more(most, now)?;
        let requests = if after.count > 1 { self.requests.clone() } else { Vec::new() };
        Some(Self { count: after.count, since: after.since, requests })
    }

    /// With one more request cancelled without being counted, of a license with so many seats; none when there were too
    /// many.
    pub(super) fn cancel(&self, seats: u32, now: Timestamp) -> Option<Self> {
        self.once_more(seats.max(FREE_CANCELLATIONS), now)
    }

    /// With this request that found no seat of its machine, of a license with so many seats; the same if it did so
    /// before, none when there were too many.
    pub(super) fn unmatched(&self, digest: &[u8; 32], seats: u32, now: Timestamp) -> Option<Self> {
        let mut begin = [0; 8];
        begin.copy_from_slice(&digest[..8]);
        if self.requests.contains(&begin) {
            return Some(self.clone());
        }
        let mut after = self.once_more(seats.max(UNMATCHED_REQUESTS), now)?;
        if after.requests.len() >= UNMATCHED_REQUESTS as usize {
            after.requests.remove(0);
        }
        after.requests.push(begin);
        Some(after)
    }
}

/// What is counted of each license, because a license key alone does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counting {
    /// Requests that were cancelled without using up a deactivation.
    Cancelled,
    /// Seats that were replaced by requests that named them.
    Replaced,
    /// Requests that looked for the seat of their machine and found none.
    Unmatched,
}

impl Counting {
    /// Everything that is counted.
    pub const ALL: [Self; 3] = [Self::Cancelled, Self::Replaced, Self::Unmatched];

    /// Its name, as records hold it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Replaced => "replaced",
            Self::Unmatched => "unmatched",
        }
    }
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Counting {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|counted| counted.name() == text);
        named.ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, format!("nothing of the name `{}` is counted", shown(text)))
        })
    }
}
