//! What came of typed codes: numbers for an operator, and an alarm when wrong ones are many. They stand in nobody's
//! way.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use nodelock::ErrorKind;
use tracing::warn;

use super::{Service, redeem::Redeemed};
use crate::{
    domain::rights::Permit,
    failure::{Failure, Result},
    store::AuditLine,
};

/// What is noted, in the audit and in the log, when wrong codes are many.
const MANY_WRONG_CODES: &str = "many-wrong-codes";
/// How many are many. A customer has one code, and its typing errors are mended; ten may be tried at a seat in a day.
const MANY: u32 = 100;
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// What a typed code came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// It gives its seat up, now or before.
    Right,
    /// It does not belong to its seat.
    Wrong,
    /// Nobody has asked for a seat of that name.
    Unknown,
    /// It was not looked at: too many were tried at its seat, or from that address.
    Limited,
}

impl Came {
    pub(crate) const ALL: [Self; 4] = [Self::Right, Self::Wrong, Self::Unknown, Self::Limited];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
            Self::Limited => "limited",
        }
    }

    /// None for what says nothing of the code.
    fn of(redeemed: &Result<Redeemed>) -> Option<Self> {
        match redeemed {
            Ok(Redeemed::Released(_)) => Some(Self::Right),
            Ok(Redeemed::Kept(_)) => Some(Self::Unknown),
            Err(Failure::TooManyAttempts | Failure::PeerMustWait(_) | Failure::TooManyUnseen { .. }) => {
                Some(Self::Limited)
            }
            Err(Failure::Rule(error)) if error.kind() == ErrorKind::WrongCode => Some(Self::Wrong),
            Err(_) => None,
        }
    }
}

/// What came of the codes that were typed at this process.
#[derive(Default)]
pub(super) struct Codes {
    counts: [AtomicU64; Came::ALL.len()],
    /// When the window began, and how many were not right since.
    window: Mutex<Option<(Instant, u32)>>,
}

impl Codes {
    /// Counts a code. Tells whether it is the one with which those that are not right are many, once in a window.
    fn count(&self, came: Came, now: Instant) -> bool {
        self.counts[came as usize].fetch_add(1, Ordering::Relaxed);
        if came == Came::Right {
            return false;
        }
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, before) =
            window.filter(|(began, _)| now.duration_since(*began) < WINDOW).unwrap_or((now, 0));
        let count = before.saturating_add(1);
        *window = Some((began, count));
        count == MANY
    }
}

impl Service {
    /// How many codes came to that since the program began.
    pub(crate) fn codes(&self, came: Came) -> u64 {
        self.codes.counts[came as usize].load(Ordering::Relaxed)
    }

    /// Counts a typed code by what came of it, and notes when those that are not right are many.
    pub(super) async fn count_code(&self, redeemed: &Result<Redeemed>, permit: &Permit<'_>) {
        let Some(came) = Came::of(redeemed) else { return };
        if !self.codes.count(came, Instant::now()) {
            return;
        }
        warn!(event = MANY_WRONG_CODES, within_seconds = WINDOW.as_secs());
        // The answer does not depend on it.
        if let Err(failure) = self.note_many(permit).await {
            warn!(event = "alarm-not-noted", error = failure.message());
        }
    }

    async fn note_many(&self, permit: &Permit<'_>) -> Result<()> {
        let detail = format!("{MANY} within {} minutes", WINDOW.as_secs() / 60);
        let mut tx = self.database.write().await?;
        AuditLine { action: MANY_WRONG_CODES, license: None, detail: &detail }.write(&mut tx, permit).await?;
        tx.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_are_not_right_are_many_once_in_a_window() {
        let (codes, begin) = (Codes::default(), Instant::now());
        let many = |came, at, times: u32| (0..times).filter(|_| codes.count(came, at)).count();
        assert_eq!(many(Came::Right, begin, 1_000), 0);
        assert_eq!((many(Came::Wrong, begin, 60), many(Came::Limited, begin, 39)), (0, 0));
        assert_eq!(many(Came::Unknown, begin, 500), 1);
        let next = begin + WINDOW;
        assert_eq!((many(Came::Wrong, next, 99), many(Came::Wrong, next, 500)), (0, 1));
        let counted = |came: Came| codes.counts[came as usize].load(Ordering::Relaxed);
        assert_eq!(Came::ALL.map(counted), [1_000, 659, 500, 39]);
    }
}
