//! How much one peer may have under way at a time, so that it leaves places for the others.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::domain::network;

/// The places of each peer.
pub(super) struct Places {
    of_peer: usize,
    taken: Arc<Taken>,
}

/// How many places a peer has taken; never none.
type Taken = Mutex<HashMap<IpAddr, usize>>;

/// Lasts until it is dropped.
pub(super) struct TakenPlace {
    peer: IpAddr,
    taken: Arc<Taken>,
}

impl Places {
    pub(super) fn new(of_peer: usize) -> Self {
        Self { of_peer, taken: Arc::default() }
    }

    /// A place of that peer; none when all of them are taken.
    pub(super) fn take(&self, peer: IpAddr) -> Option<TakenPlace> {
        let peer = network(peer);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = taken.entry(peer).or_default();
        if *of_peer >= self.of_peer {
            return None;
        }
        *of_peer += 1;
        Some(TakenPlace { peer, taken: self.taken.clone() })
    }

    #[cfg(test)]
    pub(super) fn are_free(&self) -> bool {
        self.taken.lock().unwrap().is_empty()
    }
}

impl Drop for TakenPlace {
    fn drop(&mut self) {
        // Counts are whole after a panic too.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_peer) = taken.get_mut(&self.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                taken.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn a_peer_has_so_many_places_and_an_ipv6_network_is_one_peer() {
        let places = Places::new(2);
        let take = |address: &str| places.take(address.parse().unwrap());
        let taken = [take("2001:db8::1"), take("2001:db8::2")];
        assert!(taken.iter().all(Option::is_some) && take("2001:db8::3").is_none());
        let other = take("192.0.2.1");
        assert!(other.is_some());
        drop(taken);
        assert!(take("2001:db8::3").is_some());
        drop(other);
        assert!(places.are_free());
    }
}
