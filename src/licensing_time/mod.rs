//! The time that counts for a license, from clocks that may be wrong (`docs/PROTOCOL.md`, Time).
//!
//! Pure: readings of the clocks go in. Three times matter for each question to the authority: R, the device's clock
//! when it asked; S, the authority's when it signed; x, the device's now. T is [`CLOCK_TOLERANCE`].

#[cfg(all(test, feature = "authority"))]
mod adversary;
#[cfg(all(test, feature = "authority"))]
mod honest;

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How far the clock may step back and still be taken for daylight saving, a wrong time zone or a correction.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(TOLERANCE);
const TOLERANCE: u64 = 26 * 60 * 60;

/// How far a clock must have moved on before that is worth a write to the store.
const MATERIAL: u64 = 60 * 60;

/// Names one start of the machine.
pub(crate) type Boot = [u8; 16];

/// What the clocks show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// The time of day.
    pub(crate) local: Timestamp,
    /// How long the machine has been running; none where no clock tells.
    pub(crate) running: Option<Duration>,
    /// Which start of the machine that counts from; none if nobody asked. Without it `running` changes no time.
    pub(crate) boot: Option<Boot>,
}

/// By how much the device's clock is wrong, where the authority's answers show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockError {
    /// The clock is ahead by at least this much.
    Ahead(Duration),
    /// The clock is behind by this much, or by less if the question was long on its way to the authority.
    Behind(Duration),
}

impl fmt::Display for ClockError {
    /// Such as `3 days ahead`; less than two days in hours.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (by, direction) = match self {
            Self::Ahead(by) => (by, "ahead"),
            Self::Behind(by) => (by, "behind"),
        };
        match by.as_secs() / 3600 {
            hours @ ..48 => write!(f, "{hours} hours {direction}"),
            hours => write!(f, "{} days {direction}", hours / 24),
        }
    }
}

/// What a store knows of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct TimeMarks {
    /// Licensing time is never below this (F).
    floor: Timestamp,
    /// The highest time that the local clock has shown since the last answer (N).
    highest: Timestamp,
    /// By how many seconds, in all, the local clock may still be set back, because it was ahead (K).
    allowance: u64,
    /// By how many seconds the local clock is behind, counted from the question: never too few (W). 0 if it is not.
    behind: u64,
    /// The same, counted from the install: never too many (D).
    behind_at_least: u64,
    /// By how many seconds the local clock is surely ahead. Only told to people.
    ahead: u64,
    asked: Option<Question>,
    noted: Option<Note>,
}

impl Default for TimeMarks {
    /// Nothing is known.
    fn default() -> Self {
        Self {
            floor: Timestamp::MIN,
            highest: Timestamp::MIN,
            allowance: 0,
            behind: 0,
            behind_at_least: 0,
            ahead: 0,
            asked: None,
            noted: None,
        }
    }
}

/// The latest question to the authority, until its answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Question {
    digest: [u8; 32],
    /// The local clock then (R).
    local: Timestamp,
    /// The floor then (A).
    floor: Timestamp,
}

/// The running clock, when the floor was set last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Note {
    boot: Boot,
    /// Seconds, rounded up, so that what has passed since then is never counted too high.
    running: u64,
}

/// What the marks make of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LicensingTime {
    /// The time to judge the license by.
    pub(crate) now: Timestamp,
    /// How far the clock was set back, if that is more than [`CLOCK_TOLERANCE`] and than it was ahead.
    pub(crate) set_back: Option<Duration>,
    /// By how much the clock is wrong, if that is known to be more than [`CLOCK_TOLERANCE`].
    pub(crate) error: Option<ClockError>,
}

fn seconds(later: Timestamp, earlier: Timestamp) -> u64 {
    later.since(earlier).as_secs()
}

fn plus(time: Timestamp, seconds: u64) -> Timestamp {
    time.plus(Duration::from_secs(seconds))
}

fn minus(time: Timestamp, seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(time.unix_seconds().saturating_sub(seconds))
}

impl TimeMarks {
    /// The device asks the authority something: only the answer that names `digest` sets the clock right.
    pub(crate) fn asked(&mut self, digest: [u8; 32], now: Reading) {
        // A floor that lags would make the time since look longer than it was.
        self.observe(now);
        self.asked = Some(Question { digest, local: now.local, floor: self.floor });
    }

    /// A license came that the authority signed at `signed`, in answer to the message with the digest `answers`.
    /// `was_active` is whether the device had a license before.
    pub(crate) fn license_came(
        &mut self,
        signed: Timestamp,
        answers: Option<[u8; 32]>,
        was_active: bool,
        now: Reading,
    ) {
        match self.question(answers) {
            Some(question) => self.answered(question, signed, was_active, now),
            None if mutated!(AnySignatureHeals) => {
                let question = Question { digest: [0; 32], local: now.local, floor: self.floor };
                self.answered(question, signed, was_active, now);
            }
            None => self.raise(signed, now),
        }
    }

    /// The time at which an issuer's certificate is judged when such a license is installed: the device's, without
    /// what the clock was ahead by when it asked.
    pub(crate) fn install_time(
        &self,
        signed: Timestamp,
        answers: Option<[u8; 32]>,
        now: Reading,
    ) -> Timestamp {
        match self.question(answers) {
            Some(question) => now.local.min(plus(signed, seconds(now.local, question.local))),
            None => self.at(now).now,
        }
    }

    fn question(&self, answers: Option<[u8; 32]>) -> Option<Question> {
        self.asked.filter(|question| answers == Some(question.digest))
    }

    fn answered(&mut self, question: Question, signed: Timestamp, was_active: bool, now: Reading) {
        let x = now.local;
        // An answer that was kept back undoes no time that has passed since the question...
        let passed = if was_active { seconds(self.floor, question.floor) } else { 0 };
        let mut floor = plus(signed, passed);
        // ... and time need not be later than on a clock that was not set back.
        if x >= minus(self.highest.max(self.floor), TOLERANCE) {
            floor = floor.min(x).max(signed);
        }
        let is_behind = x < minus(signed, TOLERANCE) || mutated!(ClockBehindAlways);
        // A clock that was right at the question may have fallen behind since.
        let behind = seconds(signed, question.local).max(seconds(signed, x));
        let behind = if is_behind && !mutated!(ClockBehindNever) { behind } else { 0 };
        let ahead = seconds(question.local, signed);
        let allowance = if mutated!(ClockAllowanceFromQuestion) { ahead } else { seconds(x, signed) };
        *self = Self {
            floor,
            highest: x,
            allowance: if mutated!(ClockAllowanceZero) { 0 } else { allowance },
            behind,
            behind_at_least: if behind > 0 { seconds(signed, x) } else { 0 },
            ahead,
            asked: None,
            noted: note(now),
        };
    }

    /// A time that the authority signed in no answer to the open question: it is no earlier than that.
    fn raise(&mut self, signed: Timestamp, now: Reading) {
        let floor = self.floor_now(now);
        if signed <= floor {
            return;
        }
        if let Some(question) = &mut self.asked {
            // This is not time that has passed since the question.
            question.floor = plus(question.floor, seconds(signed, floor));
        }
        self.floor = signed;
        self.noted = note(now);
    }

    /// The licensing time that was recorded last (F).
    pub(crate) fn recorded(&self) -> Timestamp {
        self.floor
    }

    /// The licensing time when the clocks show `now`.
    pub(crate) fn at(&self, now: Reading) -> LicensingTime {
        let x = now.local;
        let back = seconds(self.highest, x);
        let set_back = back > self.allowance.saturating_add(TOLERANCE);
        // Whether it was right all along or has been set right: the local clock counts by itself.
        let mut time = x;
        let behind = self.is_still_behind(x).then_some(self.behind);
        if let Some(behind) = behind {
            time = plus(x, behind);
        }
        let floor = self.floor_now(now);
        let time = if mutated!(SmallerReadingTaken) { time.min(floor) } else { time.max(floor) };
        // Set back by more than that, it is taken to be corrected.
        let ahead = if back > TOLERANCE { 0 } else { self.ahead };
        let error = match (behind, ahead > TOLERANCE) {
            (Some(behind), _) => Some(ClockError::Behind(Duration::from_secs(behind))),
            (None, true) => Some(ClockError::Ahead(Duration::from_secs(ahead))),
            (None, false) => None,
        };
        LicensingTime { now: time, set_back: set_back.then_some(Duration::from_secs(back)), error }
    }

    /// Records what the clocks show. A clock that was set back is not recorded: it can still be corrected.
    pub(crate) fn observe(&mut self, now: Reading) {
        if self.at(now).set_back.is_some() {
            return;
        }
        let x = now.local;
        let floor = self.floor_now(now);
        if self.behind > 0 && !self.is_still_behind(x) {
            (self.behind, self.behind_at_least) = (0, 0);
        }
        let back = seconds(self.highest, x);
        if back > TOLERANCE {
            self.allowance = self.allowance.saturating_sub(back);
            self.ahead = 0;
            self.highest = x;
        }
        self.highest = self.highest.max(x);
        let by_local = match self.behind {
            0 => minus(x, self.allowance),
            _ => plus(x, self.behind_at_least),
        };
        self.floor = floor.max(by_local);
        self.noted = note(now);
    }

    /// Whether [`TimeMarks::observe`] would change something that matters.
    pub(crate) fn is_stale(&self, now: Reading) -> bool {
        let x = now.local;
        let back = seconds(self.highest, x);
        if back > self.allowance.saturating_add(TOLERANCE) {
            return false;
        }
        let runs_on = match (self.noted, now.running) {
            // Less than was noted: the machine was started again.
            (Some(note), Some(running)) => {
                running.as_secs() + 1 < note.running || running.as_secs() >= note.running + MATERIAL
            }
            (None, Some(_)) => now.boot.is_some(),
            (_, None) => false,
        };
        let corrected = self.behind > 0 && !self.is_still_behind(x);
        seconds(x, self.highest) >= MATERIAL || back > TOLERANCE || corrected || runs_on
    }

    /// Whether it matters which start of the machine `running` counts from. It costs more to find out than the time.
    pub(crate) fn asks_for_boot(&self, local: Timestamp, running: Duration) -> bool {
        match self.noted {
            Some(note) => {
                let without = self.at(Reading { local, running: None, boot: None }).now;
                plus(self.floor, running.as_secs().saturating_sub(note.running)) > without
            }
            None => true,
        }
    }

    /// The floor, moved on by the clock that runs on: nobody sets that.
    fn floor_now(&self, now: Reading) -> Timestamp {
        match (self.noted, now.running) {
            (Some(note), Some(running)) if now.boot == Some(note.boot) && !mutated!(NoRunningClock) => {
                plus(self.floor, running.as_secs().saturating_sub(note.running))
            }
            _ => self.floor,
        }
    }

    /// Whether the local clock, which was behind at the last answer, has not been corrected since.
    fn is_still_behind(&self, x: Timestamp) -> bool {
        self.behind > 0 && x < minus(plus(self.highest, self.behind_at_least), TOLERANCE)
    }
}

fn note(now: Reading) -> Option<Note> {
    let running = now.running?;
    let seconds = running.as_secs() + u64::from(running.subsec_nanos() > 0);
    now.boot.map(|boot| Note { boot, running: seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    const YEAR: u64 = 365 * DAY;
    const START: u64 = 1_800_000_000;
    const QUESTION: [u8; 32] = [7; 32];

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    /// The local clock alone.
    fn local(seconds: u64) -> Reading {
        Reading { local: at(seconds), running: None, boot: None }
    }

    fn running(seconds: u64, running: u64) -> Reading {
        Reading { local: at(seconds), running: Some(Duration::from_secs(running)), boot: Some([1; 16]) }
    }

    /// A device that asked and installed while its clock showed these times; the authority signed at START.
    fn marks(asked: u64, installed: u64) -> TimeMarks {
        let mut marks = TimeMarks::default();
        marks.asked(QUESTION, local(asked));
        marks.license_came(at(START), Some(QUESTION), false, local(installed));
        marks
    }

    #[test]
    fn a_step_back_within_26_hours_is_tolerated_and_gains_nothing() {
        let mut marks = marks(START, START);
        marks.observe(local(START + 10 * DAY));
        for back in [0, HOUR, DAY, 26 * HOUR] {
            let time = marks.at(local(START + 10 * DAY - back));
            assert_eq!(time, LicensingTime { now: at(START + 10 * DAY), set_back: None, error: None });
        }
        let time = marks.at(local(START + 10 * DAY - 26 * HOUR - 1));
        assert_eq!(time.set_back, Some(Duration::from_secs(26 * HOUR + 1)));
        assert_eq!(time.now, at(START + 10 * DAY));
        marks.observe(local(START));
        assert!(marks.at(local(START)).set_back.is_some(), "looking does not heal it");
    }

    #[test]
    fn a_clock_that_was_ahead_may_be_set_back_by_so_much_in_all() {
        let mut marks = marks(START + YEAR, START + YEAR);
        let ahead = Some(ClockError::Ahead(Duration::from_secs(YEAR)));
        assert_eq!(marks.at(local(START + YEAR)).error, ahead);
        assert_eq!(
            marks.at(local(START + YEAR)).now,
            at(START + YEAR),
            "not corrected, the lease ends early"
        );
        let corrected = marks.at(local(START + DAY));
        assert_eq!(corrected, LicensingTime { now: at(START + DAY), set_back: None, error: None });
        marks.observe(local(START + DAY));
        marks.observe(local(START + YEAR));
        assert!(marks.at(local(START + 2 * DAY)).set_back.is_some(), "the allowance is used up");
    }

    #[test]
    fn a_clock_that_is_years_behind_counts_from_the_question_and_may_be_corrected() {
        let mut marks = marks(1000, 1000 + HOUR);
        let behind = Some(ClockError::Behind(Duration::from_secs(START - 1000)));
        let time = marks.at(local(1000 + HOUR));
        assert_eq!(time, LicensingTime { now: at(START + HOUR), set_back: None, error: behind });
        marks.observe(local(1000 + 5 * DAY));
        assert_eq!(marks.at(local(1000 + 5 * DAY)).now, at(START + 5 * DAY));
        let corrected = LicensingTime { now: at(START + 6 * DAY), set_back: None, error: None };
        assert_eq!(marks.at(local(START + 6 * DAY)), corrected);
        marks.observe(local(START + 6 * DAY));
        assert!(marks.at(local(1000 + 6 * DAY)).set_back.is_some(), "it is right now");
    }

    #[test]
    fn only_the_answer_to_the_latest_question_heals_and_only_once() {
        let mut marks = marks(START, START);
        marks.observe(local(START + YEAR));
        marks.asked([8; 32], local(START + DAY));
        marks.asked([9; 32], local(START + DAY));
        for other in [None, Some([8; 32]), Some(QUESTION)] {
            marks.license_came(at(START + DAY), other, true, local(START + DAY));
            assert!(marks.at(local(START + DAY)).set_back.is_some(), "{other:?}");
        }
        marks.license_came(at(START + DAY), Some([9; 32]), true, local(START + DAY));
        assert_eq!(marks.at(local(START + DAY)).now, at(START + DAY));
        marks.observe(local(START + YEAR));
        marks.license_came(at(START + DAY), Some([9; 32]), true, local(START + DAY));
        assert!(marks.at(local(START + DAY)).set_back.is_some(), "it was answered");
    }

    #[test]
    fn a_license_that_nobody_asked_for_raises_the_floor_and_no_more() {
        let mut marks = marks(START, START);
        marks.license_came(at(START + 10 * DAY), None, true, local(START + DAY));
        assert_eq!(marks.at(local(START + DAY)).now, at(START + 10 * DAY));
        marks.asked(QUESTION, local(START + DAY));
        marks.license_came(at(START + 20 * DAY), None, true, local(START + DAY));
        // The authority's clock was wrong; what it raised is not time that has passed.
        marks.license_came(at(START + DAY), Some(QUESTION), true, local(START + DAY));
        assert_eq!(marks.at(local(START + DAY)).now, at(START + DAY));
    }

    #[test]
    fn the_clock_that_runs_on_counts_in_its_own_start_alone() {
        let mut marks = TimeMarks::default();
        marks.asked(QUESTION, running(START, 500));
        marks.license_came(at(START), Some(QUESTION), false, running(START, 500));
        let later = running(START - DAY, 500 + 3 * DAY);
        assert_eq!(marks.at(later).now, at(START + 3 * DAY));
        let restarted = Reading { boot: Some([2; 16]), ..later };
        assert_eq!(marks.at(restarted).now, at(START));
        assert_eq!(marks.at(Reading { boot: None, ..later }).now, at(START));
        assert!(marks.asks_for_boot(later.local, Duration::from_secs(500 + 3 * DAY)));
        assert!(!marks.asks_for_boot(at(START + 3 * DAY), Duration::from_secs(500 + 3 * DAY)));
    }

    #[test]
    fn clocks_in_step_never_ask_which_start_it_is() {
        let fraction = Duration::from_millis(700);
        let reading = |seconds: u64, millis: u64| {
            let running = Duration::from_secs(500 + seconds) + Duration::from_millis(millis);
            (at(START + (Duration::from_secs(seconds) + fraction).as_secs()), running)
        };
        for millis in 0..1000 {
            let mut marks = TimeMarks::default();
            let (local, running) = (at(START), Duration::from_secs(500) + Duration::from_millis(millis));
            let now = Reading { local, running: Some(running), boot: Some([1; 16]) };
            marks.asked(QUESTION, now);
            marks.license_came(at(START), Some(QUESTION), false, now);
            for passed in [0, 1, 2, 300] {
                let (local, running) = reading(passed, millis);
                assert!(!marks.asks_for_boot(local, running), "{millis} {passed}");
            }
        }
    }

    #[test]
    fn what_matters_is_worth_a_write() {
        let mut marks = TimeMarks::default();
        marks.asked(QUESTION, running(START + 10 * DAY, 500));
        marks.license_came(at(START), Some(QUESTION), false, running(START + 10 * DAY, 500));
        let ahead = START + 10 * DAY;
        assert!(!marks.is_stale(running(ahead + HOUR - 1, 500 + HOUR - 1)));
        assert!(marks.is_stale(running(ahead + HOUR, 500)));
        assert!(marks.is_stale(running(ahead, 500 + HOUR)));
        assert!(marks.is_stale(running(START, 500)), "it was corrected");
        assert!(marks.is_stale(running(ahead, 3)), "the machine was started again");
        assert!(!marks.is_stale(running(START - 3 * DAY, 500)), "set back: nothing is recorded");
        for reading in [running(ahead + HOUR, 500), running(START, 500 + HOUR), running(START, 3)] {
            marks.observe(reading);
            assert!(!marks.is_stale(reading), "{reading:?}");
        }
    }

    #[test]
    fn times_at_the_end_of_the_calendar_are_no_trouble() {
        let most = Timestamp::MAX.unix_seconds();
        for (asked, installed) in [(0, most), (most, 0), (most, most), (0, 0)] {
            let mut marks = marks(asked, installed);
            for now in [0, START, most] {
                marks.at(local(now));
                marks.observe(local(now));
                marks.license_came(Timestamp::MAX, None, true, local(now));
            }
            assert_eq!(marks.at(local(most)).now, Timestamp::MAX);
        }
    }

    #[test]
    fn a_certificate_is_judged_without_what_the_clock_was_ahead_by() {
        let mut marks = TimeMarks::default();
        marks.asked(QUESTION, local(START + YEAR));
        let time = marks.install_time(at(START), Some(QUESTION), local(START + YEAR + DAY));
        assert_eq!(time, at(START + DAY));
        let time = marks.install_time(at(START), Some(QUESTION), local(START + HOUR));
        assert_eq!(time, at(START));
        let time = marks.install_time(at(START), None, local(START + YEAR));
        assert_eq!(time, at(START + YEAR));
    }
}
