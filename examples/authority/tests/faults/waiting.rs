//! Waiting for what a server with a clock that stands still does by itself.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::support::server::Authority;

/// Longer than an attempt belongs to the server that makes it.
pub const CLAIM: u64 = 61;

/// Waits until something is there. An attempt that failed because the machine is busy is never made again by a clock
/// that stands still, so the clock is moved on now and then.
pub fn wait(what: &str, authority: &Authority, now: &mut u64, mut is_there: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(240);
    let mut patience = Instant::now() + Duration::from_secs(30);
    while !is_there() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        if Instant::now() > patience {
            *now += CLAIM;
            authority.clock().set(*now);
            patience = Instant::now() + Duration::from_secs(30);
        }
        thread::sleep(Duration::from_millis(20));
    }
}
