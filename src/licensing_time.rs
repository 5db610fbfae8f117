//! The time that counts for a license (docs/PROTOCOL.md, Time).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How far the clock may step back and still be taken for daylight saving, a wrong time zone or a correction.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(26 * 60 * 60);

/// How far the clock must have moved on before that is worth a write to the store.
const MATERIAL: Duration = Duration::from_secs(60 * 60);

/// The highest times that a store has seen.
///
/// The local mark is in the local clock's own terms. A signed time sets it anew, so that an authority's word heals
/// a clock that was ahead, and binds the two clocks together: from then on the time that has passed on the local
/// clock counts from the signed time, so that a clock that is behind makes no lease longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct TimeMarks {
    /// The highest time that the authority signed for this device.
    signed: Timestamp,
    /// What the local clock said when that was seen.
    signed_at: Timestamp,
    /// The highest time that the local clock has shown since.
    local: Timestamp,
}

/// What the marks make of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LicensingTime {
    /// The time to judge the license by.
    pub(crate) now: Timestamp,
    /// How far the clock was set back, if that is more than [`CLOCK_TOLERANCE`].
    pub(crate) set_back: Option<Duration>,
}

impl TimeMarks {
    /// The licensing time when the local clock shows `now`: never less than any time seen.
    pub(crate) fn at(&self, now: Timestamp) -> LicensingTime {
        let local = now.max(self.local);
        let since_signed = self.signed.plus(local.since(self.signed_at));
        let behind = self.local.since(now);
        LicensingTime { now: local.max(since_signed), set_back: (behind > CLOCK_TOLERANCE).then_some(behind) }
    }

    /// The time at local time `now` without regard to what the local clock showed before: one that once ran ahead must not
    /// keep what heals it from being installed.
    pub(crate) fn without_local_mark(&self, now: Timestamp) -> Timestamp {
        now.max(self.signed.plus(now.since(self.signed_at)))
    }

    /// The marks of an activation that begins now: what went before it, a message dated ahead included, binds it no more.
    pub(crate) fn starting(signed: Timestamp, now: Timestamp) -> Self {
        Self { signed, signed_at: now, local: now }
    }

    /// Notes a time that the authority signed. An old one changes nothing.
    pub(crate) fn saw_signed(&mut self, signed: Timestamp, now: Timestamp) {
        if signed > self.signed {
            *self = Self::starting(signed, now);
        }
    }

    /// Notes the local clock's time, if it has moved on materially. Returns whether it has.
    pub(crate) fn saw_local(&mut self, now: Timestamp) -> bool {
        let moved = self.is_behind(now);
        if moved {
            self.local = now;
        }
        moved
    }

    /// Whether [`TimeMarks::saw_local`] would change something.
    pub(crate) fn is_behind(&self, now: Timestamp) -> bool {
        now.since(self.local) >= MATERIAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    const YEAR: u64 = 365 * DAY;
    const START: u64 = 1_800_000_000;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    fn marks() -> TimeMarks {
        let mut marks = TimeMarks::default();
        marks.saw_signed(at(START), at(START));
        marks
    }

    #[test]
    fn a_step_back_within_26_hours_is_tolerated_and_gains_nothing() {
        let mut marks = marks();
        assert!(marks.saw_local(at(START + 10 * DAY)));
        for back in [0, HOUR, DAY, 26 * HOUR] {
            let time = marks.at(at(START + 10 * DAY - back));
            assert_eq!(time, LicensingTime { now: at(START + 10 * DAY), set_back: None });
        }
        let time = marks.at(at(START + 10 * DAY - 26 * HOUR - 1));
        assert_eq!(time.set_back, Some(Duration::from_secs(26 * HOUR + 1)));
        assert_eq!(time.now, at(START + 10 * DAY));
    }

    #[test]
    fn a_clock_that_was_a_year_ahead_is_healed_by_signed_time_only_if_it_is_new() {
        let mut marks = marks();
        marks.saw_local(at(START + YEAR));
        assert!(marks.at(at(START + DAY)).set_back.is_some());
        marks.saw_signed(at(START), at(START + DAY));
        assert!(marks.at(at(START + DAY)).set_back.is_some(), "an old message heals nothing");
        marks.saw_signed(at(START + DAY), at(START + DAY));
        assert_eq!(marks.at(at(START + DAY)), LicensingTime { now: at(START + DAY), set_back: None });
    }

    #[test]
    fn a_clock_that_is_years_behind_counts_on_from_the_signed_time() {
        let mut marks = TimeMarks::default();
        marks.saw_signed(at(START), at(1000));
        assert_eq!(marks.at(at(1000)), LicensingTime { now: at(START), set_back: None });
        assert_eq!(marks.at(at(1000 + 5 * DAY)).now, at(START + 5 * DAY));
    }

    #[test]
    fn the_mark_moves_only_materially() {
        let mut marks = marks();
        assert!(!marks.saw_local(at(START + HOUR - 1)));
        assert!(marks.saw_local(at(START + HOUR)));
        assert!(!marks.saw_local(at(START)));
    }
}
