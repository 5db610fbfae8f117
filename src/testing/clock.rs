//! A clock that a test sets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{Clock, Timestamp};

/// A clock that stands still until a test moves it. Clones show the same time.
///
/// It has no clock that [runs on](Clock::running), so nothing but what the store remembers speaks against a time that
/// is set back.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    /// Where [`TestAuthority`](super::TestAuthority) begins: 2027-01-15T08:00:00Z.
    pub const START: u64 = 1_800_000_000;

    /// A clock at that time, in seconds since 1970.
    pub fn at(seconds: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seconds)))
    }

    /// Sets the time, in seconds since 1970.
    pub fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::Relaxed);
    }

    /// Lets that much time pass, up to [`Timestamp::MAX`].
    pub fn advance(&self, time: Duration) {
        let later = |seconds| Some(Timestamp::from_unix_seconds(seconds).plus(time).unix_seconds());
        // What changes the time cannot fail.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
    }

    /// Lets that many days pass, up to [`Timestamp::MAX`].
    pub fn advance_days(&self, days: u64) {
        self.advance(Duration::from_secs(days.saturating_mul(86_400)));
    }

    /// The time that many days from now.
    pub fn now_plus(&self, days: u32) -> Timestamp {
        self.now().plus_days(days)
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::at(Self::START)
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_passes_never_comes_back() {
        let clock = TestClock::default();
        clock.advance(Duration::from_secs(u64::MAX));
        assert_eq!(clock.now(), Timestamp::MAX);
        clock.advance_days(u64::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
        clock.set(u64::MAX);
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), Timestamp::MAX);
        clock.set(TestClock::START);
        clock.advance_days(1);
        assert_eq!(clock.now().unix_seconds(), TestClock::START + 86_400);
    }
}
