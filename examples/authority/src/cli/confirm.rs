//! A person confirms what cannot simply be done again.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use nodelock::Error;

use super::output::shown;
use crate::failure::{Failure, Result};

/// Asks on a terminal whether something is meant, unless `yes` says so.
///
/// Fails with [`Failure::NotConfirmed`], and with [`Failure::Usage`] where nobody can be asked.
pub(super) fn confirm(question: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("{question} Say --yes if that is meant.")));
    }
    let failed = |error| Error::io("terminal", error);
    let mut asking = io::stderr();
    // Names of computers are strangers' words.
    let question = shown(question).replace('\n', "\u{FFFD}");
    write!(asking, "{question} [y/N] ").and_then(|()| asking.flush()).map_err(failed)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        Ok(())
    } else {
        Err(Failure::NotConfirmed)
    }
}
