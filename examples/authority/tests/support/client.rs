//! The command-line client for the tests of this package, so that Cargo builds it with them. It is not installed.

use std::process::ExitCode;

fn main() -> ExitCode {
    nodelock_cli::main()
}
