//! `nodelock`, a command-line client: everything that an application does with its license, by hand or in a script.
//!
//! ```text
//! export NODELOCK_PRODUCT="Example Editor" NODELOCK_ROOTS=roots.txt
//! nodelock request 2BNYW-D0EKF-C046S-YXTEG-MN5J7 --out request.txt
//! nodelock install license.txt
//! nodelock status
//! nodelock deactivate --offline --reason moved
//! nodelock receipt receipt.txt
//!
//! export NODELOCK_AUTHORITY=https://licenses.example.com
//! nodelock activate 2BNYW-D0EKF-C046S-YXTEG-MN5J7
//! nodelock check-in
//! nodelock deactivate
//! ```
//!
//! # Exit codes
//!
//! 0: done, and the license is usable where that is the question; 1: refused or failed; 2: wrong usage;
//! 3: `status`, `install` or an online command found that the license is not usable.
//!
//! # Output
//!
//! Standard output holds the answer alone: a request or a code can be piped on. What to do next is said on standard
//! error. With `--json`, standard output holds one object, or standard error one with `error` (a kind in kebab case,
//! such as `no-free-seat`), `message` and `hint` (text or null); with `no-free-seat` also `next_lapse` (time or null)
//! and `seats` (a list of `seat`, `label`, `last_contact`, `lapses` and `replaceable`), and with `trial-used`
//! `trial_ended` (time; left out if the authority did not say). Times are RFC 3339 in UTC.
//!
//! | command | fields |
//! |---|---|
//! | `fingerprint` | `components` (`name`, `class`, `found`), `virtual_machine`, `container`, `signs`; with `--id`: `machine_id` alone |
//! | `request` | `seat`, `created`, `new`, `releases`, `format`, then `content` or `out` |
//! | `status`, `activate`, `check-in`, `recover` | `verdict`, `usable`, `message`, `hint`, `license` (object or null), `pending` (seat or null), `outstanding`, `renewal_due`, `changed_headers` (list of text, such as `Licensee: Jane Doe`, as it was signed), `licensing_time`, `clock_error` (seconds that the clock is ahead, negative for behind, or null), `power_cuts_covered` |
//! | `start` | the same, and `renewal` (`not-due`, `done` or `due`) and `renewal_error` (the kind of error that kept it from coming, or null) |
//! | `install`, `receipt` | the same, and `receipts` (a list of `seat`, `time` and `outcome`, which is `returned` or `held`) and `revoked` (seat or null) |
//! | `deactivate` | `seat`, `time`, `reason`, `code`, `base64url`; once acknowledged online: `seat`, `time`, `outcome` |
//! | `code` | `outstanding`: a list of what `deactivate` gives; other formats than `phone` add `format`, then `content` or `out` |
//! | `cancel` | `seat`, `time`, `outstanding` |
//!
//! `schema.json` in this package describes all of it for programs.
//!
//! `content` is text; for the format `file` it is base64url, which every reader of such files takes as well.

mod advice;
mod arguments;
mod commands;
#[cfg(test)]
mod desk;
#[cfg(test)]
#[path = "../../../tests/support/forms.rs"]
mod forms;
mod report;
mod status;

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
};

use arguments::Arguments;
use clap::Parser as _;
use commands::ThisMachine;
use report::{CommandError, Report};

/// Runs the program on the arguments of the process. Returns its exit code, as said above.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return ExitCode::from(usage(&error)),
    };
    let json = arguments.common.json;
    let code = match commands::run(&arguments, &ThisMachine) {
        Ok(report) => print(&report, json),
        Err(failure) => print_failure(&failure, json),
    };
    ExitCode::from(code)
}

/// What clap has to say: the help that was asked for, or what is wrong with the arguments.
fn usage(error: &clap::Error) -> u8 {
    if error.use_stderr() && env::args_os().any(|argument| argument == "--json") {
        let text = error.to_string();
        return print_failure(
            &CommandError::usage(text.trim().trim_start_matches("error: ").to_owned()),
            true,
        );
    }
    // There is nobody left to tell when this fails.
    let _ = error.print();
    if error.use_stderr() { report::USAGE } else { report::OK }
}

fn print(report: &Report, json: bool) -> u8 {
    let output = if json { format!("{:#}\n", report.json).into_bytes() } else { report.output.clone() };
    let mut stdout = io::stdout().lock();
    match stdout.write_all(&output).and_then(|()| stdout.flush()) {
        // The command is done, whether or not its reader went away.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return print_failure(&CommandError::output("standard output", &error), json);
        }
        _ => {}
    }
    if !json {
        let _ = io::stderr().write_all(report.notes.as_bytes());
    }
    report.exit
}

fn print_failure(failure: &CommandError, json: bool) -> u8 {
    let text = if json { format!("{:#}\n", failure.json()) } else { failure.to_string() };
    let _ = io::stderr().write_all(text.as_bytes());
    failure.exit
}
