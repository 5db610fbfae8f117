//! Which rule is switched off in a program that `tests/switches/compiler` compiles. The published package does not have
//! this file.

use std::sync::OnceLock;

/// Whether the environment names this mutant, for the whole program.
pub(crate) fn is_mutated(mutant: &str) -> bool {
    static SWITCHED: OnceLock<Option<String>> = OnceLock::new();
    SWITCHED.get_or_init(|| std::env::var("NODELOCK_MUTANT").ok()).as_deref() == Some(mutant)
}
