//! The program `authority`; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    nodelock_authority::main()
}
