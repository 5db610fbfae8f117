//! Measuring an operation and its floor side by side, and the table that comes of it.
//!
//! What else the machine does slows both alike if they take turns, so each sample is one turn of the operation and
//! one of its floor right after it; a turn is 50 µs or one call long, whichever is more. What is shown is the tenth
//! percentile of each and the ratio of these: what the operation takes when little else is going on, and no lucky
//! shot either. On an idle machine the median is hardly more.
//!
//! It is why no framework is used: those measure one function after another, seconds apart. And a process that is
//! started again to be measured should not bring a framework along.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// How long a turn takes at least.
const TURN: Duration = Duration::from_micros(50);
/// How long an operation is measured, with its floor.
const MEASURED: Duration = Duration::from_millis(1500);
/// How many turns there are at least.
const TURNS: usize = 60;

/// What an operation is expected to keep.
pub enum Aim {
    /// Nothing was promised; the figure is for information.
    None,
    /// At most this many times its floor.
    Ratio(f64),
    /// At least this share of the floor's rate.
    Rate(f64),
    /// Less than this.
    Under(Duration),
}

/// Something that can be run a number of times, and tells how long that took.
pub trait Timed: FnMut(u32) -> Duration {}

impl<F: FnMut(u32) -> Duration> Timed for F {}

/// The time that calls of `act` take.
pub fn each<R>(mut act: impl FnMut() -> R) -> impl Timed {
    move |times| {
        let start = Instant::now();
        for _ in 0..times {
            black_box(act());
        }
        start.elapsed()
    }
}

/// The time that calls of `act` take, without that of `prepare` before each. For what takes microseconds at least.
pub fn each_after<P, R>(mut prepare: impl FnMut() -> P, mut act: impl FnMut(P) -> R) -> impl Timed {
    move |times| {
        let timed = |_| {
            let prepared = prepare();
            let start = Instant::now();
            black_box(act(prepared));
            start.elapsed()
        };
        (0..times).map(timed).sum()
    }
}

/// Nothing to compare with.
pub const NO_FLOOR: Option<fn(u32) -> Duration> = None;

/// The table. Each line is printed when it has been measured.
pub struct Comparison {
    filter: String,
}

impl Comparison {
    /// Measures the operations whose names contain `filter`.
    pub fn new(filter: String) -> Self {
        line(["operation", "time", "floor", "ratio", "aim"]);
        println!("|{:-<54}|{:->9}:|{:->9}:|{:->6}:|{:-<19}|", "", "", "", "", "");
        Self { filter }
    }

    /// Measures `subject` beside `floor`, in turns.
    pub fn run(&self, operation: &str, aim: Aim, mut subject: impl Timed, mut floor: Option<impl Timed>) {
        if !operation.contains(&self.filter) {
            return;
        }
        let calls = calls_in_a_turn(&mut subject);
        let (mut times, mut floors) = (Vec::new(), Vec::new());
        let start = Instant::now();
        while times.len() < TURNS || start.elapsed() < MEASURED {
            times.push(subject(calls));
            floors.extend(floor.as_mut().map(|floor| floor(calls)));
        }
        let time = nanoseconds(&mut times, calls);
        let floor = floor.map(|_| nanoseconds(&mut floors, calls));
        let ratio = floor.map(|floor| time / floor);
        let or_dash = |cell: Option<String>| cell.unwrap_or_else(|| "–".to_owned());
        line([
            operation,
            &text(time),
            &or_dash(floor.map(text)),
            &or_dash(ratio.map(|ratio| format!("{ratio:.2}"))),
            &aim.judge(time, ratio),
        ]);
    }
}

impl Aim {
    /// The aim, and whether it was met.
    fn judge(self, time: f64, ratio: Option<f64>) -> String {
        let ratio = ratio.unwrap_or(f64::INFINITY);
        let (aim, met) = match self {
            Self::None => return String::new(),
            Self::Ratio(most) => (format!("≤ {most}"), ratio <= most),
            Self::Rate(least) => (format!("rate ≥ {least}"), 1.0 / ratio >= least),
            Self::Under(most) => {
                let most = most.as_nanos() as f64;
                (format!("< {}", text(most)), time < most)
            }
        };
        aim + if met { ", met" } else { ", MISSED" }
    }
}

fn line([operation, time, floor, ratio, aim]: [&str; 5]) {
    println!("| {operation:<52} | {time:>8} | {floor:>8} | {ratio:>5} | {aim:<17} |");
}

fn calls_in_a_turn(subject: &mut impl Timed) -> u32 {
    let mut calls = 1;
    while subject(calls) < TURN {
        calls *= 2;
    }
    calls
}

/// The tenth percentile of some turns, for one call.
fn nanoseconds(turns: &mut [Duration], calls: u32) -> f64 {
    turns.sort_unstable();
    turns[turns.len() / 10].as_nanos() as f64 / f64::from(calls)
}

fn text(nanoseconds: f64) -> String {
    let (number, unit) = match nanoseconds {
        ..1e3 => (nanoseconds, "ns"),
        ..1e6 => (nanoseconds / 1e3, "µs"),
        _ => (nanoseconds / 1e6, "ms"),
    };
    let digits = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.digits$} {unit}")
}
