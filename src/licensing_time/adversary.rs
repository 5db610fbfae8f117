//! Somebody who plays with the clock: no game gives more days of use than the lease and the tolerance.
//!
//! A search of every game over steps of half a day or a day. The program observes when it starts and when it stops.

use std::{collections::HashSet, time::Duration};

use super::{Reading, TOLERANCE, TimeMarks};
use crate::{
    Timestamp,
    model::{Mutant, Switched},
};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const START: i64 = 1_800_000_000;
const LEASE: i64 = 4 * DAY;

/// What is searched.
struct Rules {
    /// How long the program runs at a time.
    step: i64,
    /// How the clock may be set before each step.
    shifts: &'static [i64],
    /// What the clock may be off by when the device asks, and again when it installs.
    offsets: &'static [i64],
    /// Whether a second license may be had, and kept back.
    keeps: bool,
}

const ONE_LEASE: Rules = Rules {
    step: DAY / 2,
    shifts: &[0, -DAY / 2, -25 * HOUR, -26 * HOUR, -2 * DAY, -10 * DAY, DAY, 10 * DAY],
    offsets: &[0, -30 * DAY, 30 * DAY],
    keeps: false,
};
const KEPT_BACK: Rules =
    Rules { step: DAY, shifts: &[0, -26 * HOUR, -3 * DAY, DAY], offsets: &[0, -30 * DAY], keeps: true };

/// A license that waits to be installed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kept {
    No,
    Signed { at: i64, answers: Option<[u8; 32]> },
    Installed,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Game {
    marks: TimeMarks,
    local: i64,
    running: i64,
    boot: u8,
    lease_until: i64,
    used: i64,
    /// The last second that a license pays for.
    paid_until: i64,
    kept: Kept,
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds as u64)
}

impl Game {
    fn start(asked_off: i64, installed_off: i64) -> Self {
        let mut game = Self {
            marks: TimeMarks::default(),
            local: START + asked_off,
            running: 100,
            boot: 0,
            lease_until: START + LEASE,
            used: 0,
            paid_until: START + LEASE,
            kept: Kept::No,
        };
        game.marks.asked([1; 32], game.reading());
        game.local = START + installed_off;
        game.marks.license_came(time(START), Some([1; 32]), false, game.reading());
        game
    }

    fn reading(&self) -> Reading {
        let running = Some(Duration::from_secs(self.running as u64));
        Reading { local: time(self.local), running, boot: Some([self.boot; 16]) }
    }

    /// The true time: only use takes time, since standing still gains nothing.
    fn now(&self) -> i64 {
        START + self.used
    }

    fn is_usable(&self) -> bool {
        let found = self.marks.at(self.reading());
        found.set_back.is_none() && found.now < time(self.lease_until)
    }

    /// A step of use after the clock was set, if the program starts.
    fn play(&self, step: i64, shift: i64, restart: bool) -> Option<Self> {
        let mut game = *self;
        game.local += shift;
        if restart {
            (game.boot, game.running) = (game.boot ^ 1, 10);
        }
        game.marks.observe(game.reading());
        if !game.is_usable() {
            return None;
        }
        game.local += step;
        game.running += step;
        game.used += step;
        game.marks.observe(game.reading());
        Some(game)
    }

    /// The next license is asked for, or made by the vendor unasked, and kept.
    fn keep(&self, asked: bool) -> Option<Self> {
        let mut game = *self;
        if self.kept != Kept::No {
            return None;
        }
        let answers = asked.then_some([2; 32]);
        if let Some(digest) = answers {
            game.marks.asked(digest, game.reading());
        }
        game.kept = Kept::Signed { at: self.now(), answers };
        game.paid_until = self.now() + LEASE;
        Some(game)
    }

    /// The clock is set, and what was kept is installed.
    fn install(&self, shift: i64) -> Option<Self> {
        let Kept::Signed { at, answers } = self.kept else { return None };
        let mut game = *self;
        game.local += shift;
        game.marks.license_came(time(at), answers, true, game.reading());
        (game.kept, game.lease_until) = (Kept::Installed, at + LEASE);
        Some(game)
    }
}

/// How long after the last second that is paid for any game still finds the license usable, negative for before it;
/// ends with the first one above the tolerance. And how many games there were.
fn search(rules: &Rules) -> (i64, usize) {
    let (mut seen, mut most) = (HashSet::new(), i64::MIN);
    let mut open = Vec::new();
    for asked in rules.offsets {
        open.extend(rules.offsets.iter().map(|installed| Game::start(*asked, *installed)));
    }
    while let Some(game) = open.pop() {
        if !seen.insert(game) {
            continue;
        }
        assert!(seen.len() < 3_000_000, "the search is too wide");
        if game.is_usable() {
            most = most.max(game.now() - game.paid_until);
        }
        if most > TOLERANCE as i64 {
            break;
        }
        for shift in rules.shifts.iter().copied() {
            let played =
                [false, true].into_iter().filter_map(|restart| game.play(rules.step, shift, restart));
            open.extend(played.chain(game.install(shift)));
        }
        if rules.keeps {
            open.extend([false, true].into_iter().filter_map(|asked| game.keep(asked)));
        }
    }
    (most, seen.len())
}

#[test]
fn no_game_with_the_clock_gives_more_than_the_lease() {
    let (most, games) = search(&ONE_LEASE);
    println!("{games} games on a lease of 4 days: usable until {} h after its end", most / HOUR);
    assert_eq!(most, -ONE_LEASE.step, "the last step begins before the end, and none after it");
}

#[test]
fn an_answer_that_is_kept_back_gives_no_more_than_the_tolerance() {
    let (most, games) = search(&KEPT_BACK);
    println!("{games} games with a second license: usable until {} h after its end", most / HOUR);
    assert!((0..=TOLERANCE as i64).contains(&most), "{} h", most / HOUR);
}

#[test]
fn faults_that_help_somebody_who_plays_with_the_clock_are_noticed() {
    for (mutant, rules) in [(Mutant::NoRunningClock, ONE_LEASE), (Mutant::AnySignatureHeals, KEPT_BACK)] {
        let _switched = Switched::on(Some(mutant));
        let (most, games) = search(&rules);
        println!("{mutant:?}: usable {} h after the end, after {games} games", most / HOUR);
        assert!(most > TOLERANCE as i64, "{mutant:?} helps nobody");
    }
}
