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

    /// Lets that much time pass.
    pub fn advance(&self, time: Duration) {
        self.0.fetch_add(time.as_secs(), Ordering::Relaxed);
    }

    /// Lets that many days pass.
    pub fn advance_days(&self, days: u64) {
        self.0.fetch_add(days * 86_400, Ordering::Relaxed);
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
