//! The command line: one command for each thing that a vendor does.

pub(crate) mod arguments;
mod bulk;
mod commands;
mod customers;
mod licenses;
mod output;
mod products;

use std::{path::Path, process::ExitCode};

use clap::Parser as _;

use self::{
    arguments::{Arguments, Command},
    output::Report,
};
use crate::{failure::Failure, http};

/// Runs the program on the arguments of the process. Returns its exit code: 0 done, 1 refused, 2 wrong usage, 3 an
/// order that was sold before.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") => {
            return finish(&Failure::Usage(error.kind().to_string()).into(), None, true);
        }
        Err(error) => error.exit(),
    };
    let mut runtime = match &arguments.command {
        Command::Serve(_) => {
            http::log::start();
            tokio::runtime::Builder::new_multi_thread()
        }
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let report = match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(commands::run(&arguments.command, &arguments.installation)),
        Err(error) => Err(nodelock::Error::io("runtime", error).into()),
    };
    let out = match &arguments.command {
        Command::Activate { out, .. }
        | Command::CheckIn { out, .. }
        | Command::Redeem { out, .. }
        | Command::Renew { out, .. }
        | Command::Release { out, .. } => out.file.as_deref(),
        _ => None,
    };
    finish(&report.unwrap_or_else(Report::from), out, arguments.installation.json)
}

fn finish(report: &Report, out: Option<&Path>, as_json: bool) -> ExitCode {
    let printed = output::print(report, out, as_json);
    match (printed, &report.failure) {
        (Ok(()), None) => ExitCode::SUCCESS,
        (Ok(()), Some(failure)) => ExitCode::from(failure.exit_code()),
        (Err(failure), _) => {
            // What was done stays done; asked once more, the answer is the same.
            eprintln!("error: {}", failure.message());
            ExitCode::from(failure.exit_code())
        }
    }
}
