//! What was refused to bearers lately, counted.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Occasion, rights::Act};

/// For how long refusals of one act to one bearer are counted after the first.
const WINDOW: Duration = Duration::from_secs(60 * 60);

/// How often each bearer was refused each act within the last hour. A program that repeats what it may not do would
/// fill the audit otherwise, which forgets nothing, and take the writers' lock each time.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashMap<(String, Act), Counted>>);

/// The refusals of one act to one bearer since the one that was noted.
#[derive(Debug)]
pub(crate) struct Counted {
    began: Instant,
    pub(crate) act: Act,
    /// How many came after it.
    pub(crate) more: u64,
    /// Who was refused, and when last.
    pub(crate) last: Occasion,
}

impl Refusals {
    /// Counts a refusal. Returns whether it is to be noted: the first one within an hour is.
    pub(crate) fn count(&self, who: String, act: Act, occasion: &Occasion, now: Instant) -> bool {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Counted { began: now, act, more: 0, last: occasion.clone() };
        match counted.get_mut(&(who.clone(), act)) {
            None => {
                counted.insert((who, act), fresh());
                true
            }
            Some(of) => {
                (of.more, of.last) = (of.more.saturating_add(1), occasion.clone());
                false
            }
        }
    }

    /// What was counted beside the first ones, once their hour is over. Each is returned once.
    pub(crate) fn take_over(&self, now: Instant) -> Vec<Counted> {
        self.take(|of| now.saturating_duration_since(of.began) >= WINDOW)
    }

    /// The same at the end of the process, whenever their hour is over.
    pub(crate) fn take_all(&self) -> Vec<Counted> {
        self.take(|_| true)
    }

    fn take(&self, is_over: impl Fn(&Counted) -> bool) -> Vec<Counted> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (over, left): (HashMap<_, _>, HashMap<_, _>) =
            mem::take(&mut *counted).into_iter().partition(|(_, of)| is_over(of));
        *counted = left;
        over.into_values().filter(|of| of.more > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use nodelock::Timestamp;

    use super::*;
    use crate::domain::Actor;

    #[test]
    fn of_many_refusals_the_first_is_noted_and_the_others_once_when_their_hour_is_over() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let at = |seconds| Occasion {
            time: Timestamp::from_unix_seconds(1_790_000_000 + seconds),
            actor: Actor::Vendor("test".into()),
        };
        let count = |who: &str, act, seconds| {
            let now = start + Duration::from_secs(seconds);
            refusals.count(who.into(), act, &at(seconds), now)
        };
        assert!(count("jane", Act::Sell, 0) && count("jane", Act::Edit, 0) && count("john", Act::Sell, 0));
        assert!((1..500).all(|second| !count("jane", Act::Sell, second)));
        assert!(refusals.take_over(start + WINDOW - Duration::from_secs(1)).is_empty());
        let over = refusals.take_over(start + WINDOW);
        assert_eq!(over.len(), 1, "what was noted already is not noted again");
        assert_eq!((over[0].act, over[0].more, over[0].last.time), (Act::Sell, 499, at(499).time));
        assert!(refusals.take_over(start + WINDOW).is_empty());
        assert!(count("jane", Act::Sell, 4_000) && !count("jane", Act::Sell, 4_001));
        assert_eq!(refusals.take_all().len(), 1);
    }
}
