//! How often one peer may try wrong license keys and codes, and hand in what nobody asked for.
//!
//! The counters are in the memory of each process. An attempt costs no write, so guessing does not slow down the
//! database; in return a restart forgets them, and several processes count apart. No seat depends on them: the codes
//! that are tried at a seat are counted in the database. Behind a reverse proxy every client is one peer, unless the
//! proxy is trusted to say whose request it passes on (`http::peer`).

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nodelock::code::Handle;
use ring::digest::{SHA256, digest};

use crate::{
    domain::network,
    failure::{Failure, Result},
};

/// How many peers a limit remembers. When there are more, the one that tried least is forgotten.
const MOST_PEERS: usize = 10_000;

const QUARTER: Duration = Duration::from_secs(15 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// For what counts wherever it comes from.
pub(super) const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The limits, one for each kind of act, so that none of them stands in the way of another.
pub(super) struct Limits {
    /// Unknown license keys in activation files. A known one is never refused because of them.
    pub(super) activations: Limit,
    /// Trials that are asked for without a license key.
    pub(super) trials: Limit,
    /// Refused requests with a known license key, by the key.
    pub(super) refused_requests: PairLimit,
    /// Unknown license keys that are typed to see the seats of a license.
    pub(super) holdings: Limit,
    /// Known ones, by the key.
    pub(super) shown_holdings: PairLimit,
    /// Typed codes, right or wrong.
    pub(super) codes: Limit,
    /// Preflights for seats that are not their signer's.
    pub(super) preflights: Limit,
    /// Codes that came before their request and are tried when it arrives: others may have left them.
    pub(super) kept_codes: Limit,
    /// Messages for seats that nobody asked for.
    pub(super) unseen: Budget,
    /// Attempts to sign in.
    pub(super) sign_ins: PairLimit,
    /// Codes of second factors behind a right password. They count for the account alone, whatever addresses they come
    /// from: only whoever knows the password gets as far.
    pub(super) second_factors: PairLimit,
    /// Tokens that are none.
    pub(super) credentials: Limit,
    /// Refusals that are noted: each is written to the database. Beyond it they are made all the same.
    pub(super) refusals: Limit,
    /// What strangers were refused that is noted in the audit: the first of each kind from an address.
    pub(super) strangers: PairLimit,
    /// How much of that is noted, wherever it comes from: strangers with many addresses must not fill the audit.
    pub(super) strangers_in_all: PairLimit,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            activations: Limit::new(20),
            trials: Limit::new(20),
            // An office whose license has too few seats may ask from one address with every computer it has.
            refused_requests: PairLimit::new(1_000),
            holdings: Limit::new(20),
            shown_holdings: PairLimit::new(300),
            codes: Limit::new(10),
            preflights: Limit::new(20),
            kept_codes: Limit::new(40),
            sign_ins: PairLimit::new(10),
            second_factors: PairLimit::new(10),
            credentials: Limit::new(20),
            refusals: Limit::new(40),
            strangers: PairLimit::new(1),
            strangers_in_all: PairLimit::new(100),
            unseen: Budget { of_peer: 1000, in_all: 10_000, for_newcomers: 5000, window: Window::new(HOUR) },
        }
    }
}

/// How often each peer may try within a quarter of an hour. There is no limit over all peers: whatever strangers do, a
/// customer who makes no mistake gets an answer.
pub(super) struct Limit {
    of_peer: u32,
    window: Window,
}

impl Limit {
    pub(super) fn new(of_peer: u32) -> Self {
        Self { of_peer, window: Window::new(QUARTER) }
    }

    /// Fails with [`Failure::PeerMustWait`] when a peer may not try again yet.
    pub(super) fn check(&self, peer: IpAddr) -> Result<()> {
        let counted = self.window.counted();
        if counted.of(peer) < self.of_peer { Ok(()) } else { Err(Failure::PeerMustWait(counted.left())) }
    }

    /// Counts an attempt that failed.
    pub(super) fn count(&self, peer: IpAddr) {
        self.window.counted().add(peer, 1);
    }

    /// Counts an attempt whatever comes of it, before any work is done for it: requests that come at the same time do
    /// not get past the limit. Fails as [`check`](Self::check) does.
    pub(super) fn take(&self, peer: IpAddr) -> Result<()> {
        self.take_all(peer, 1)
    }

    /// The same for an attempt that failed. Tells whether it was the last one that the peer has.
    pub(super) fn take_and_tell(&self, peer: IpAddr) -> Result<bool> {
        let mut counted = self.window.counted();
        if counted.of(peer) >= self.of_peer {
            return Err(Failure::PeerMustWait(counted.left()));
        }
        counted.add(peer, 1);
        Ok(counted.of(peer) == self.of_peer)
    }

    /// The same for several attempts of one message, which are made all or none: a limit may be exceeded by one
    /// message.
    pub(super) fn take_all(&self, peer: IpAddr, attempts: u32) -> Result<()> {
        let mut counted = self.window.counted();
        if attempts == 0 {
            return Ok(());
        }
        if counted.of(peer) >= self.of_peer {
            return Err(Failure::PeerMustWait(counted.left()));
        }
        counted.add(peer, attempts);
        Ok(())
    }
}

/// What is asked for, by a hash, and an address.
type Pair = ([u8; 32], IpAddr);

/// How often something may be tried with one name, such as that of an account, from an address within a quarter of an
/// hour. It counts for the pair of them: whoever guesses elsewhere locks nobody out.
pub(super) struct PairLimit {
    of_pair: u32,
    pairs: Mutex<(Instant, HashMap<Pair, u32>)>,
}

impl PairLimit {
    pub(super) fn new(of_pair: u32) -> Self {
        Self { of_pair, pairs: Mutex::new((Instant::now() + QUARTER, HashMap::new())) }
    }

    /// Fails with [`Failure::PeerMustWait`] when the pair may not try again yet.
    pub(super) fn check(&self, name: &str, peer: IpAddr) -> Result<()> {
        let pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = pairs.0.saturating_duration_since(Instant::now());
        match pairs.1.get(&pair(name, peer)) {
            Some(attempts) if *attempts >= self.of_pair && !wait.is_zero() => {
                Err(Failure::PeerMustWait(wait))
            }
            _ => Ok(()),
        }
    }

    /// Counts an attempt whatever comes of it. Fails with [`Failure::PeerMustWait`].
    ///
    /// A table that is full forgets all: that gives guessers some attempts more, where to refuse whoever is new would
    /// lock everybody out.
    pub(super) fn take(&self, name: &str, peer: IpAddr) -> Result<()> {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let key = pair(name, peer);
        if now >= pairs.0 || (pairs.1.len() >= MOST_PEERS && !pairs.1.contains_key(&key)) {
            *pairs = (now + QUARTER, HashMap::new());
        }
        let ends = pairs.0;
        let attempts = pairs.1.entry(key).or_default();
        if *attempts >= self.of_pair {
            let wait = ends.saturating_duration_since(now).max(Duration::from_secs(1));
            return Err(Failure::PeerMustWait(wait));
        }
        *attempts += 1;
        Ok(())
    }

    /// Whoever signed in guesses no more.
    pub(super) fn forget(&self, account: &str, peer: IpAddr) {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        pairs.1.remove(&pair(account, peer));
    }
}

/// Names that are made up may be long, so their hash is kept.
fn pair(account: &str, peer: IpAddr) -> Pair {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, account.as_bytes()).as_ref());
    (hash, network(peer))
}

/// How much is taken in within an hour, by each peer and in all. It cannot be verified, so it would fill the database
/// for nothing.
pub(super) struct Budget {
    pub(super) of_peer: u32,
    in_all: u32,
    /// The part of `in_all` that is left to peers of which nothing was taken in yet: a peer that floods the authority
    /// does not stop the others.
    for_newcomers: u32,
    window: Window,
}

impl Budget {
    /// Takes in something about these seats.
    ///
    /// Fails with [`Failure::TooManyUnseen`], with all of them, when a limit is reached. One message is taken in whole
    /// or not at all, so a limit may be exceeded by one message.
    pub(super) fn take(&self, peer: IpAddr, handles: &[Handle]) -> Result<()> {
        if handles.is_empty() {
            return Ok(());
        }
        let mut counted = self.window.counted();
        let of_peer = counted.of(peer);
        let in_all = if of_peer == 0 { self.in_all } else { self.in_all - self.for_newcomers };
        if of_peer >= self.of_peer || counted.in_all >= in_all {
            return Err(Failure::TooManyUnseen { wait: counted.left(), handles: handles.to_vec() });
        }
        counted.add(peer, u32::try_from(handles.len()).unwrap_or(u32::MAX));
        Ok(())
    }
}

/// Counts per peer that begin anew when their time is over.
struct Window {
    length: Duration,
    counted: Mutex<CountsByPeer>,
}

struct CountsByPeer {
    ends: Instant,
    in_all: u32,
    by_peer: HashMap<IpAddr, u32>,
}

impl Window {
    fn new(length: Duration) -> Self {
        Self { length, counted: Mutex::new(CountsByPeer::until(Instant::now() + length)) }
    }

    fn counted(&self) -> MutexGuard<'_, CountsByPeer> {
        // Counters are whole after a panic too.
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now >= counted.ends {
            *counted = CountsByPeer::until(now + self.length);
        }
        counted
    }
}

impl CountsByPeer {
    fn until(ends: Instant) -> Self {
        Self { ends, in_all: 0, by_peer: HashMap::new() }
    }

    /// How long it takes until everything is forgotten.
    fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now()).max(Duration::from_secs(1))
    }

    fn of(&self, peer: IpAddr) -> u32 {
        self.by_peer.get(&network(peer)).copied().unwrap_or(0)
    }

    fn add(&mut self, peer: IpAddr, more: u32) {
        self.in_all = self.in_all.saturating_add(more);
        let peer = network(peer);
        if self.by_peer.len() >= MOST_PEERS && !self.by_peer.contains_key(&peer) {
            let least = self.by_peer.iter().min_by_key(|(_, count)| **count).map(|(peer, _)| *peer);
            least.map(|least| self.by_peer.remove(&least));
        }
        let of_peer = self.by_peer.entry(peer).or_default();
        *of_peer = of_peer.saturating_add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    fn handles(count: u32) -> Vec<Handle> {
        (0..count).map(|n| Handle::new(n).unwrap()).collect()
    }

    #[test]
    fn each_kind_of_act_has_a_limit_of_its_own() {
        let limits = Limits::default();
        (0..20).for_each(|_| limits.holdings.count(peer(1)));
        assert!(matches!(limits.holdings.check(peer(1)), Err(Failure::PeerMustWait(_))));
        limits.activations.check(peer(1)).unwrap();
        limits.codes.take(peer(1)).unwrap();
        limits.unseen.take(peer(1), &handles(1)).unwrap();
        (0..20).for_each(|_| limits.activations.count(peer(2)));
        assert!(matches!(limits.activations.check(peer(2)), Err(Failure::PeerMustWait(_))));
        limits.holdings.check(peer(2)).unwrap();
    }

    #[test]
    fn a_peer_that_floods_stops_no_peer_of_which_something_was_taken_in() {
        let unseen = Limits::default().unseen;
        unseen.take(peer(1), &handles(1)).unwrap();
        while unseen.take(peer(2), &handles(1)).is_ok() {}
        unseen.take(peer(1), &handles(1)).unwrap();
    }

    #[test]
    fn codes_count_before_anything_is_known_of_them_and_only_for_their_peer() {
        let limits = Limits::default();
        for _ in 0..10 {
            limits.codes.take(peer(1)).unwrap();
        }
        assert!(matches!(limits.codes.take(peer(1)), Err(Failure::PeerMustWait(wait)) if wait <= QUARTER));
        // No number of others stands in the way.
        for n in 2..2000 {
            limits.codes.take(peer(n)).unwrap();
        }
    }

    #[test]
    fn who_guesses_a_password_elsewhere_locks_nobody_out() {
        let limit = PairLimit::new(3);
        while limit.take("jane", peer(1)).is_ok() {
            assert!(limit.check("john", peer(1)).is_ok());
        }
        assert!(limit.check("jane", peer(1)).is_err() && limit.check("jane", peer(2)).is_ok());
        assert!(matches!(limit.take("jane", peer(1)), Err(Failure::PeerMustWait(wait)) if wait <= QUARTER));
        limit.take("jane", peer(2)).unwrap();
        limit.take("john", peer(1)).unwrap();
        limit.forget("jane", peer(1));
        limit.take("jane", peer(1)).unwrap();
        // Names that are made up do not fill the memory.
        for n in 0..2 * MOST_PEERS {
            limit.take(&n.to_string(), peer(3)).unwrap();
        }
        assert!(limit.pairs.lock().unwrap().1.len() <= MOST_PEERS);
    }

    #[test]
    fn the_last_wrong_token_of_a_peer_is_told_once() {
        let limit = Limit::new(2);
        assert_eq!(
            (limit.take_and_tell(peer(1)).unwrap(), limit.take_and_tell(peer(1)).unwrap()),
            (false, true)
        );
        assert!(matches!(limit.take_and_tell(peer(1)), Err(Failure::PeerMustWait(_))));
    }

    #[test]
    fn an_ipv6_network_is_one_peer() {
        let limit = Limit::new(1);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        limit.take(address("2001:db8::1")).unwrap();
        assert!(limit.take(address("2001:db8::ffff")).is_err());
        limit.take(address("2001:db8:0:1::1")).unwrap();
        limit.take(address("192.0.2.1")).unwrap();
        assert!(limit.take(address("::ffff:192.0.2.1")).is_err());
    }

    #[test]
    fn a_full_table_forgets_the_peer_that_tried_least() {
        let limit = Limit::new(2);
        (0..2).for_each(|_| limit.take(peer(0)).unwrap());
        for n in 1..=u32::try_from(2 * MOST_PEERS).unwrap() {
            limit.take(peer(n)).unwrap();
        }
        assert_eq!(limit.window.counted().by_peer.len(), MOST_PEERS);
        assert!(limit.take(peer(0)).is_err());
    }

    #[test]
    fn a_window_that_is_over_forgets_all() {
        let limit = Limit::new(1);
        limit.take(peer(1)).unwrap();
        assert!(limit.take(peer(1)).is_err());
        limit.window.counted().ends = Instant::now();
        limit.take(peer(1)).unwrap();
    }

    #[test]
    fn what_nobody_asked_for_is_bounded_by_peer_and_in_all_and_newcomers_keep_a_share() {
        let budget = Budget { of_peer: 6, in_all: 10, for_newcomers: 4, window: Window::new(HOUR) };
        let take = |n, count| budget.take(peer(n), &handles(count));
        budget.take(peer(1), &[]).unwrap();
        take(1, 1).unwrap();
        (0..5).for_each(|_| take(1, 1).unwrap());
        // Its own limit and the part that is not the newcomers' are used up.
        assert!(matches!(take(1, 1), Err(Failure::TooManyUnseen { handles, .. }) if handles.len() == 1));
        take(2, 2).unwrap();
        assert!(take(2, 1).is_err(), "peer 2 is no newcomer any more");
        take(3, 2).unwrap();
        assert!(take(4, 1).is_err(), "the newcomers' share is used up too");
    }
}
