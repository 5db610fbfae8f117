//! What a stranger may cost the others at most. What falls short is told when all figures are out.

use std::process::ExitCode;

/// What is left of a rate, as a ratio.
pub const RATE: f64 = 0.5;
/// The 99th percentile of an answer, in milliseconds.
pub const LATE: f64 = 1000.0;
/// By how much a check-in comes later beside another peer's codes, in milliseconds.
pub const CHECK_IN: f64 = 5.0;
/// By how much a code comes later, in times of a code alone: one turn, because the flood has just begun the next of its
/// codes, and what the flood's own threads take of the machine.
pub const CODE: f64 = 1.25;
/// What requests that wait hold, in times of their size: while their last byte is missing, and while they wait for the
/// database. What nobody knows of a request is let go before.
pub const MEMORY: [f64; 2] = [2.0, 2.0];

/// The figures that are out of bounds, in words.
#[derive(Default)]
pub struct Bounds(Vec<String>);

impl Bounds {
    pub fn at_least(&mut self, what: &str, value: f64, least: f64) {
        if value < least {
            self.0.push(format!("{what}: {value:.2}, at least {least:.2}"));
        }
    }

    pub fn at_most(&mut self, what: &str, value: f64, most: f64) {
        if value > most {
            self.0.push(format!("{what}: {value:.2}, at most {most:.2}"));
        }
    }

    /// Prints what came of it: a failure if anything is out of its bounds.
    pub fn end(self) -> ExitCode {
        if self.0.is_empty() {
            println!("\nAll within their bounds.");
            return ExitCode::SUCCESS;
        }
        println!("\nOut of bounds, if the machine had nothing else to do:\n{}", self.0.join("\n"));
        ExitCode::FAILURE
    }
}
