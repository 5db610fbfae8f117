//! The vendor's side on a command line and over HTTP, on SQLite or PostgreSQL: sells licenses, answers activations, takes seats back.
//!
//! ```text
//! cargo run --example authority -- init --product Example
//! cargo run --example authority -- license new --licensee "Jane Doe" --seats 3
//! cargo run --example authority -- activate request.txt --out license.txt
//! cargo run --example authority -- redeem 17KX2-M928T-5CY4T-QKFFW-EZFWM
//! cargo run --example authority -- serve --listen 127.0.0.1:8420
//! ```
//!
//! The rules are the library's (`nodelock::authority`); here is what they leave to the vendor: a database, key files,
//! words, and the HTTP server in `server`.

mod arguments;
mod bulk;
mod commands;
mod database;
mod failure;
mod keys;
mod output;
mod server;

use std::{path::Path, process::ExitCode};

use clap::Parser as _;

use arguments::{Arguments, Command};
use failure::Failure;
use output::Report;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") => {
            return finish(&Failure::Usage(error.kind().to_string()).into(), None, true);
        }
        Err(error) => error.exit(),
    };
    let mut runtime = match &arguments.command {
        Command::Serve(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let report = match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(commands::run(&arguments.command, &arguments.place)),
        Err(error) => Err(nodelock::Error::io("runtime", error).into()),
    };
    let out = match &arguments.command {
        Command::Activate { out, .. }
        | Command::Redeem { out, .. }
        | Command::Renew { out, .. }
        | Command::Release { out, .. } => out.file.as_deref(),
        _ => None,
    };
    finish(&report.unwrap_or_else(Report::from), out, arguments.place.json)
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
