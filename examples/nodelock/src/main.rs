//! The program `nodelock`; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    nodelock_cli::main()
}
