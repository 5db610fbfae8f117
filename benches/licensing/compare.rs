//! Measuring an operation and its floor side by side, and the table that comes of it.
//!
//! What else the machine does slows both alike if they take turns, so each sample is one turn of the operation and
//! one of its floor right after it, 50 µs or one call long, whichever is more. The table shows the medians over all
//! turns (some hundreds at least) and the ratio of the two. criterion decides how many turns there are, and compares
//! the operation with its run before.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::Criterion;

const TURN: Duration = Duration::from_micros(50);

/// What an operation is expected to keep.
#[derive(Clone, Copy)]
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
pub trait Timed: FnMut(u64) -> Duration {}

impl<F: FnMut(u64) -> Duration> Timed for F {}

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
pub const NO_FLOOR: Option<fn(u64) -> Duration> = None;

/// One line of the table, in nanoseconds.
struct Row {
    operation: String,
    time: f64,
    floor: Option<f64>,
    aim: Aim,
}

/// Runs the comparisons, and collects them.
pub struct Comparison {
    criterion: Criterion,
    rows: Vec<Row>,
}

impl Comparison {
    /// Takes the command line that `cargo bench` hands on: a filter, or a baseline to compare with.
    pub fn from_args() -> Self {
        let criterion = Criterion::default()
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_millis(1200))
            .sample_size(40)
            .nresamples(2000)
            .noise_threshold(0.05)
            .configure_from_args();
        Self { criterion, rows: Vec::new() }
    }

    /// Measures `subject` beside `floor`.
    pub fn run(&mut self, operation: &str, aim: Aim, mut subject: impl Timed, mut floor: Option<impl Timed>) {
        let (mut times, mut floors) = (Vec::new(), Vec::new());
        let mut turn = None;
        self.criterion.bench_function(operation, |bencher| {
            bencher.iter_custom(|times_wanted| {
                let turn = *turn.get_or_insert_with(|| turn_of(&mut subject));
                let mut left = times_wanted;
                let mut sum = Duration::ZERO;
                while left > 0 {
                    let count = turn.min(left);
                    let time = subject(count);
                    let floor = floor.as_mut().map(|floor| floor(count));
                    if count == turn {
                        times.push(per_call(time, count));
                        floors.extend(floor.map(|floor| per_call(floor, count)));
                    }
                    sum += time;
                    left -= count;
                }
                sum
            });
        });
        if let Some(time) = median(&mut times) {
            self.rows.push(Row { operation: operation.to_owned(), time, floor: median(&mut floors), aim });
        }
    }

    /// Prints the table.
    pub fn finish(self) {
        self.criterion.final_summary();
        let line = |cells: [&str; 5]| {
            let [operation, time, floor, ratio, aim] = cells;
            println!("| {operation:<52} | {time:>8} | {floor:>8} | {ratio:>5} | {aim:<15} |");
        };
        println!();
        line(["operation", "time", "floor", "ratio", "aim"]);
        println!("|{:-<54}|{:->9}:|{:->9}:|{:->6}:|{:-<17}|", "", "", "", "", "");
        for Row { operation, time, floor, aim } in &self.rows {
            let ratio = floor.map(|floor| time / floor);
            let or_dash = |cell: Option<String>| cell.unwrap_or_else(|| "–".to_owned());
            line([
                operation,
                &duration(*time),
                &or_dash(floor.map(duration)),
                &or_dash(ratio.map(|ratio| format!("{ratio:.2}"))),
                &aim.judge(*time, ratio),
            ]);
        }
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
                (format!("< {}", duration(most)), time < most)
            }
        };
        aim + if met { ", met" } else { ", MISSED" }
    }
}

/// How many calls make a turn.
fn turn_of(subject: &mut impl Timed) -> u64 {
    let mut count = 1;
    while subject(count) < TURN {
        count *= 2;
    }
    count
}

fn per_call(time: Duration, count: u64) -> f64 {
    time.as_nanos() as f64 / count as f64
}

fn median(samples: &mut [f64]) -> Option<f64> {
    samples.sort_unstable_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied()
}

fn duration(nanoseconds: f64) -> String {
    let (number, unit) = match nanoseconds {
        ..1e3 => (nanoseconds, "ns"),
        ..1e6 => (nanoseconds / 1e3, "µs"),
        _ => (nanoseconds / 1e6, "ms"),
    };
    let digits = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.digits$} {unit}")
}
