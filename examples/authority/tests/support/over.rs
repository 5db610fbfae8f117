//! The end of what threads do over and over.

use std::sync::atomic::{AtomicBool, Ordering};

/// Ends the work when it goes, also by a panic: a scope waits for its threads, so a test that failed would never end.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
