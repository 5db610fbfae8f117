//! How often one peer, and all of them, may try wrong license keys and wrong codes.
//!
//! This is kept in the memory of each process: it costs no write per attempt, so that guessing does not slow down the
//! database, and what is lost with a restart, or counted apart by several processes, is a small multiple of attempts.
//! What protects a seat does not depend on it: wrong codes per seat and in all are limited in the database. Behind a
//! reverse proxy every client is one peer, unless the proxy is trusted to say whose request it passes on (`http::peer`).

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::failure::{Failure, Result};

/// Attempts are forgotten when their window ends.
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// How many peers are remembered. Whoever has more addresses than that meets the limit in all.
const MOST_PEERS: usize = 10_000;

/// The limits of all that can be guessed.
pub(crate) struct Limits {
    pub(crate) keys: Limit,
    pub(crate) codes: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        Self { keys: Limit::new(20, 1_000), codes: Limit::new(10, 200) }
    }
}

/// Failed attempts within a window.
pub(crate) struct Limit {
    of_peer: u32,
    in_all: u32,
    failures: Mutex<Failures>,
}

struct Failures {
    since: Instant,
    in_all: u32,
    by_peer: HashMap<IpAddr, u32>,
}

impl Limit {
    fn new(of_peer: u32, in_all: u32) -> Self {
        let failures = Failures { since: Instant::now(), in_all: 0, by_peer: HashMap::new() };
        Self { of_peer, in_all, failures: Mutex::new(failures) }
    }

    /// Fails with [`Failure::PeerMustWait`] when a peer may not try again yet. The limit in all holds for peers that failed
    /// before: an attack from many places must not lock out a customer who makes no mistake.
    pub(crate) fn check(&self, peer: IpAddr) -> Result<()> {
        let failures = self.current();
        // Once the table is full, an unknown peer counts as if it had failed once.
        let unknown = u32::from(failures.by_peer.len() >= MOST_PEERS);
        let of_peer = failures.by_peer.get(&network(peer)).copied().unwrap_or(unknown);
        if of_peer < self.of_peer && (of_peer == 0 || failures.in_all < self.in_all) {
            return Ok(());
        }
        let wait = WINDOW.saturating_sub(failures.since.elapsed()).max(Duration::from_secs(1));
        Err(Failure::PeerMustWait(wait))
    }

    /// Counts a failed attempt.
    pub(crate) fn count(&self, peer: IpAddr) {
        let mut failures = self.current();
        failures.in_all = failures.in_all.saturating_add(1);
        let peer = network(peer);
        if failures.by_peer.len() < MOST_PEERS || failures.by_peer.contains_key(&peer) {
            let of_peer = failures.by_peer.entry(peer).or_default();
            *of_peer = of_peer.saturating_add(1);
        }
    }

    fn current(&self) -> MutexGuard<'_, Failures> {
        // Counters are whole after a panic too.
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.since.elapsed() >= WINDOW {
            *failures = Failures { since: Instant::now(), in_all: 0, by_peer: HashMap::new() };
        }
        failures
    }
}

/// Whoever has one IPv6 address has the 2^64 of its network.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}
