//! Whose turn it is to have a code checked, which takes 100,000 rounds of PBKDF2.
//!
//! So many verifications run at a time that one processor is left for everything else. Each peer has a line of its own,
//! and the lines take turns: however many codes one peer sends, another peer's code is next.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
};

use tokio::sync::oneshot;

/// The lines. Cloning shares them.
#[derive(Clone)]
pub(super) struct Derivations(Arc<Mutex<Lines>>);

struct Lines {
    free: usize,
    /// Never an empty line. The vendor at the desk is a peer without an address.
    waiting: VecDeque<(Option<IpAddr>, VecDeque<oneshot::Sender<Turn>>)>,
    /// Whose turn was given last. Another peer is next, so that it waits for no second one of the same peer.
    last: Option<Option<IpAddr>>,
}

/// Lasts until it is dropped; then the next one in line has its turn.
pub(super) struct Turn(Derivations);

impl Default for Derivations {
    fn default() -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self::new(processors.saturating_sub(1).max(1))
    }
}

impl Derivations {
    pub(super) fn new(at_a_time: usize) -> Self {
        Self(Arc::new(Mutex::new(Lines { free: at_a_time, waiting: VecDeque::new(), last: None })))
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self, peer: Option<IpAddr>) -> Turn {
        let turn = {
            let mut lines = self.lines();
            if lines.free > 0 {
                lines.free -= 1;
                lines.last = Some(peer);
                return Turn(self.clone());
            }
            let (give, turn) = oneshot::channel();
            match lines.waiting.iter_mut().find(|(of, _)| *of == peer) {
                Some((_, line)) => line.push_back(give),
                None => lines.waiting.push_back((peer, VecDeque::from([give]))),
            }
            turn
        };
        turn.await.expect("a line is served to its end")
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        // The lines are whole after a panic too.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// The next one, whose peer goes to the end of the round.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        if self.waiting.front().is_some_and(|(peer, _)| self.last == Some(*peer)) {
            self.waiting.rotate_left(1);
        }
        let (peer, mut line) = self.waiting.pop_front()?;
        self.last = Some(peer);
        let next = line.pop_front();
        if !line.is_empty() {
            self.waiting.push_back((peer, line));
        }
        next
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut lines = self.0.lines();
        match lines.next() {
            // One that waits no more drops its turn, which is the next one's. That must not happen under the lock.
            Some(next) => {
                drop(lines);
                drop(next.send(Turn(self.0.clone())));
            }
            None => lines.free += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::{spawn, task::yield_now};

    use super::{super::fixture::address, Derivations};

    #[tokio::test]
    async fn a_flood_of_one_peer_delays_another_by_one_turn() {
        let derivations = Derivations::new(1);
        let served = Arc::new(Mutex::new(Vec::new()));
        let running = derivations.turn(Some(address(1))).await;
        let mut tasks = Vec::new();
        for peer in [1, 1, 1, 1, 2, 3, 2] {
            let (derivations, served) = (derivations.clone(), served.clone());
            tasks.push(spawn(async move {
                let _turn = derivations.turn(Some(address(peer))).await;
                served.lock().unwrap().push(peer);
            }));
            yield_now().await;
        }
        drop(running);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*served.lock().unwrap(), [2, 3, 1, 2, 1, 1, 1]);
    }

    #[tokio::test]
    async fn a_turn_that_nobody_waits_for_any_more_goes_on() {
        let derivations = Derivations::new(2);
        let running = [derivations.turn(None).await, derivations.turn(None).await];
        let gone = spawn({
            let derivations = derivations.clone();
            async move { drop(derivations.turn(None).await) }
        });
        yield_now().await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        drop(running);
        assert_eq!(derivations.lines().free, 2);
        assert!(derivations.lines().waiting.is_empty());
    }
}
