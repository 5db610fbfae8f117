//! Honest clocks that are wrong: nobody who corrects a clock is locked out, and a clock that stays behind adds little.
//!
//! An enumeration of stories: how wrong the clock is, when that begins and ends, how long question and answer travel
//! (no time is online, days are a file in the mail), how often the program observes, whether there is a clock that runs
//! on.

use super::{Boot, ClockError, Reading, TOLERANCE, TimeMarks};
use crate::{
    Timestamp,
    model::{Mutant, Switched},
};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const NEVER: i64 = i64::MAX;
/// The device asks here, by the true time.
const START: i64 = 1_800_000_000;
const QUESTION: [u8; 32] = [1; 32];

const ERRORS: [i64; 9] =
    [0, DAY, 2 * DAY, 5 * DAY, 30 * DAY, 80 * DAY, 200 * DAY, 400 * DAY, 6 * 365 * DAY + 7];
const ON_THE_WAY: [i64; 6] = [0, 2 * HOUR, DAY, 5 * DAY, 40 * DAY, 80 * DAY];
const GAPS: [i64; 3] = [DAY, 7 * DAY, NEVER];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RunningClock {
    None,
    /// The machine is never restarted.
    OneStart,
    /// It is restarted between any two looks at it.
    ManyStarts,
}

/// All times in seconds since the question.
#[derive(Clone, Copy, Debug)]
struct Story {
    /// By how much the clock is ahead; negative for behind.
    error: i64,
    begins: i64,
    corrected: i64,
    signed: i64,
    installed: i64,
    /// How long the program goes without observing.
    gap: i64,
    running: RunningClock,
    /// Whether the device has a license already, and the program observes before the install too.
    renewed: bool,
    /// Whether a license that nobody asked for comes in between.
    interrupted: bool,
}

/// The true time, as far as a story goes.
struct Device<'s> {
    story: &'s Story,
    marks: TimeMarks,
    observed: i64,
    looks: u8,
}

impl Device<'_> {
    fn error(&self, at: i64) -> i64 {
        if (self.story.begins..self.story.corrected).contains(&at) { self.story.error } else { 0 }
    }

    fn reading(&mut self, at: i64) -> Reading {
        self.looks = self.looks.wrapping_add(1);
        let up = (at + 1000 * DAY) as u64;
        let (running, boot): (_, Option<Boot>) = match self.story.running {
            RunningClock::None => (None, None),
            RunningClock::OneStart => (Some(up), Some([0; 16])),
            RunningClock::ManyStarts => (Some(60), Some([self.looks; 16])),
        };
        let running = running.map(std::time::Duration::from_secs);
        Reading { local: time(at + self.error(at)), running, boot }
    }

    /// The program runs from `from` to `to`, and observes as often as it does.
    fn observe(&mut self, from: i64, to: i64) {
        self.observed = self.observed.max(from);
        while self.story.gap != NEVER && self.observed + self.story.gap < to {
            self.observed += self.story.gap;
            let reading = self.reading(self.observed);
            self.marks.observe(reading);
        }
    }

    fn license(&mut self, at: i64, signed: i64, answers: Option<[u8; 32]>, was_active: bool) {
        let reading = self.reading(at);
        self.marks.license_came(time(signed), answers, was_active, reading);
    }
}

fn time(at: i64) -> Timestamp {
    Timestamp::from_unix_seconds((START + at) as u64)
}

impl Story {
    /// What goes wrong in it.
    fn tell(&self) -> Result<(), String> {
        let mut device = Device { story: self, marks: TimeMarks::default(), observed: -20 * DAY, looks: 0 };
        if self.renewed {
            let reading = device.reading(-20 * DAY);
            device.marks.asked([9; 32], reading);
            device.license(-20 * DAY, -20 * DAY, Some([9; 32]), false);
            device.observe(-20 * DAY, 0);
        }
        let reading = device.reading(0);
        device.marks.asked(QUESTION, reading);
        if self.renewed {
            device.observe(0, self.signed / 2);
            if self.interrupted {
                device.license(self.signed / 2, self.signed / 2, None, true);
            }
            device.observe(self.signed / 2, self.installed);
        }
        device.license(self.installed, self.signed, Some(QUESTION), self.renewed);
        // That was the answer; the same license again is none.
        device.license(self.installed, self.signed, Some(QUESTION), true);
        device.observed = self.installed;
        for hours in (0..30 * 24).step_by(13) {
            let now = self.installed + hours * HOUR;
            device.observe(self.installed, now);
            self.check(&mut device, now)?;
        }
        Ok(())
    }

    fn check(&self, device: &mut Device<'_>, now: i64) -> Result<(), String> {
        let wrong = |what: &str, by: i64| {
            Err(format!("{what} by {} h, {} h after the install", by / HOUR, (now - self.installed) / HOUR))
        };
        let reading = device.reading(now);
        let found = device.marks.at(reading);
        if let Some(by) = found.set_back {
            return wrong("set back", by.as_secs() as i64);
        }
        let late = now + START - found.now.unix_seconds() as i64;
        let error = device.error(now);
        // At a renewal by a clock that is off, or was when it was observed last: whether the mail of the question took
        // so long, or that of the answer, cannot be told.
        let unsure = if self.renewed && self.error != 0 { self.signed } else { 0 };
        if error == 0 {
            if late > 0 {
                return wrong("late", late);
            }
            if -late > unsure {
                return wrong("early", -late);
            }
            return Ok(());
        }
        if error > 0 {
            let known = error - self.signed;
            let told = Some(ClockError::Ahead(std::time::Duration::from_secs(known.max(0) as u64)));
            if self.begins < 0 && known > TOLERANCE as i64 && found.error != told {
                return Err(format!("not told to be ahead: {:?}", found.error));
            }
            return if late > 0 { wrong("late, though ahead", late) } else { Ok(()) };
        }
        // Behind: known where that is more than what may have passed otherwise.
        let behind = -error;
        let unobserved = if self.gap == NEVER { now - self.installed } else { self.gap };
        let unknown = self.installed - self.signed + unobserved + TOLERANCE as i64;
        let allowed = match (behind < unknown, self.begins < 0) {
            (true, _) => behind.max(TOLERANCE as i64),
            (false, true) => TOLERANCE as i64,
            // It was right at the question, so how long the answer took is not known.
            (false, false) => unknown,
        };
        if late > allowed {
            return wrong("late, as it is behind", late);
        }
        if -late > 2 * self.signed {
            return wrong("early, though behind", -late);
        }
        Ok(())
    }
}

/// Every story, until one goes wrong. Returns how many there were.
fn tell_all() -> Result<u32, String> {
    let mut stories = 0;
    for error in ERRORS.into_iter().flat_map(|error| [error, -error]) {
        for signed in ON_THE_WAY {
            for installed in ON_THE_WAY.map(|on_the_way| signed + on_the_way) {
                let corrected = [
                    (signed / 2 + 1, signed > 0),
                    (signed + (installed - signed) / 2 + 1, installed > signed),
                    (installed + 1, true),
                    (installed + DAY, true),
                    (installed + 5 * DAY, true),
                    (installed + 12 * DAY + HOUR, true),
                    (installed + 29 * DAY, true),
                    (NEVER, true),
                ];
                for corrected in corrected.into_iter().filter_map(|(at, is_one)| is_one.then_some(at)) {
                    for gap in GAPS {
                        for running in [RunningClock::None, RunningClock::OneStart, RunningClock::ManyStarts]
                        {
                            let first = Story {
                                error,
                                begins: -100 * DAY,
                                corrected,
                                signed,
                                installed,
                                gap,
                                running,
                                renewed: false,
                                interrupted: false,
                            };
                            let renewed = Story { renewed: true, ..first };
                            let interrupted = Story { interrupted: true, ..renewed };
                            let later = Story { begins: signed / 2 + 1, ..first };
                            let is_later = later.begins <= installed;
                            let stories_of_it = [first, renewed, interrupted, later];
                            for story in stories_of_it.into_iter().take(3 + usize::from(is_later)) {
                                stories += 1;
                                story.tell().map_err(|wrong| format!("{wrong}: {story:?}"))?;
                            }
                        }
                    }
                }
            }
        }
    }
    Ok(stories)
}

#[test]
fn no_honest_clock_locks_anybody_out_once_it_is_corrected() {
    let stories = tell_all().unwrap();
    println!("{stories} stories of honest clocks");
    assert!(stories > 100_000);
}

#[test]
fn faults_that_hurt_honest_clocks_are_noticed() {
    for (mutant, hurt) in [
        (Mutant::ClockAllowanceZero, "early"),
        (Mutant::ClockAllowanceFromQuestion, "early"),
        (Mutant::ClockBehindAlways, "early"),
        (Mutant::ClockBehindNever, "late, as it is behind"),
        (Mutant::SmallerReadingTaken, "late"),
    ] {
        let _switched = Switched::on(Some(mutant));
        let wrong = tell_all().expect_err(&format!("{mutant:?} hurts nobody"));
        println!("{mutant:?}: {wrong}");
        assert!(wrong.starts_with(hurt), "{mutant:?}: {wrong}");
    }
}
