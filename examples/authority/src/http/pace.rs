//! How fast the requests of one peer are taken up, so that one that floods the server leaves time for the others.
//!
//! A request that comes too early waits at its connection. It costs next to nothing there, and its peer sends no other
//! one over that connection meanwhile. A request that is refused counts ten times as much as one that is not: a peer
//! that makes no mistake hardly ever waits, also when it is a whole office.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::{Duration, Instant, sleep_until};

use crate::domain::network;

/// What a request that is refused counts: 200 of them in a second.
const REFUSED: Duration = Duration::from_millis(5);
/// What is given back when a request was not refused, so that 2,000 of those are taken up in a second.
const GIVEN_BACK: Duration = Duration::from_micros(4500);
/// How much a peer may have at once after it was silent: a thousand requests that are refused.
const AT_ONCE: Duration = Duration::from_secs(5);
/// How long a request waits at most, whatever its peer sent before.
const LONGEST: Duration = Duration::from_secs(2);
/// How many peers are remembered.
const MOST_PEERS: usize = 10_000;

/// Up to when each peer has used up its time. One that is not here has used up none.
#[derive(Default)]
pub(super) struct Pace(Mutex<HashMap<IpAddr, Instant>>);

impl Pace {
    /// Waits until a request of that peer may be taken up, and counts it as if it were refused.
    pub(super) async fn wait(&self, peer: IpAddr) {
        let due = self.count(peer);
        sleep_until(due).await;
    }

    /// Takes back what a request was counted too much that was not refused.
    pub(super) fn was_good(&self, peer: IpAddr) {
        if let Some(used) = self.used().get_mut(&network(peer)) {
            *used -= GIVEN_BACK;
        }
    }

    fn count(&self, peer: IpAddr) -> Instant {
        let now = Instant::now();
        let mut peers = self.used();
        if peers.len() >= MOST_PEERS {
            peers.retain(|_, used| *used + AT_ONCE > now);
        }
        // With so many peers that are busy, a new one is not remembered and does not wait.
        if peers.len() >= MOST_PEERS && !peers.contains_key(&network(peer)) {
            return now;
        }
        let silent = now.checked_sub(AT_ONCE).unwrap_or(now);
        let used = peers.entry(network(peer)).or_insert(silent);
        *used = (*used).clamp(silent, now + LONGEST) + REFUSED;
        *used
    }

    fn used(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        // The times are whole after a panic too.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    fn peer(n: u8) -> IpAddr {
        [192, 0, 2, n].into()
    }

    /// How long so many requests of a peer take, one after the other.
    async fn take(pace: &Pace, of: IpAddr, count: u32, are_good: bool) -> Duration {
        let start = Instant::now();
        for _ in 0..count {
            pace.wait(of).await;
            if are_good {
                pace.was_good(of);
            }
        }
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn refused_requests_of_a_peer_wait_and_delay_no_other() {
        let pace = Pace::default();
        advance(Duration::from_secs(60)).await;
        assert_eq!(take(&pace, peer(1), 990, false).await, Duration::ZERO);
        let waited = take(&pace, peer(1), 1010, false).await;
        assert!((4900..=5100).contains(&waited.as_millis()), "{waited:?}");
        assert_eq!(take(&pace, peer(2), 1, true).await, Duration::ZERO);
        advance(Duration::from_secs(60)).await;
        let waited = take(&pace, peer(1), 20_000, true).await;
        assert!((4900..=5200).contains(&waited.as_millis()), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_request_waits_for_longer_than_two_seconds() {
        let pace = std::sync::Arc::new(Pace::default());
        for _ in 0..10_000 {
            // Given up while it waits.
            tokio::select! {
                biased;
                () = pace.wait(peer(1)) => {}
                () = sleep(Duration::ZERO) => {}
            }
        }
        assert!(take(&pace, peer(1), 1, false).await <= LONGEST + REFUSED);
    }
}
