//! Whose request it is: the one way to learn a client's address.

use std::{
    net::{IpAddr, SocketAddr},
    time::SystemTime,
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, request::Parts},
};

use super::problem::Problem;
use crate::domain::{Actor, Occasion};

/// What proxies add the address to that they were connected from.
///
/// The standard `Forwarded` is not read beside it. A proxy sets one of the two and passes the other on as the client
/// wrote it, so whoever reads both believes the client.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address that a request counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer(pub(super) IpAddr);

impl Peer {
    /// Now, and on behalf of that peer.
    pub(super) fn occasion(self) -> Occasion {
        Occasion { time: SystemTime::now().into(), actor: Actor::Peer(self.0) }
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Every connection gives one to each of its requests.
        parts.extensions.get().copied().ok_or_else(|| Problem::http(StatusCode::INTERNAL_SERVER_ERROR))
    }
}

/// The reverse proxies that are believed when they say whose request they pass on.
#[derive(Default)]
pub(super) struct Proxies(Vec<IpAddr>);

impl Proxies {
    pub(super) fn new(addresses: &[IpAddr]) -> Self {
        Self(addresses.iter().map(IpAddr::to_canonical).collect())
    }

    /// Whether that address is a proxy's.
    pub(super) fn trust(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Each proxy adds, at the right, the address that it was connected from. So the client is the rightmost address
    /// that is no trusted proxy's; what is left of it is whatever the client wrote. An entry that is no address leaves
    /// the proxy beside it as the peer: better to count too many for one peer than to let a peer choose what it counts
    /// for.
    pub(super) fn peer(&self, connected: IpAddr, headers: &HeaderMap) -> Peer {
        let mut peer = connected.to_canonical();
        let entries = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut entries = entries.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
        while self.trust(peer) {
            match entries.next().map(address) {
                Some(Ok(address)) => peer = address.to_canonical(),
                _ => break,
            }
        }
        Peer(peer)
    }
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`.
fn address(entry: &str) -> Result<IpAddr, ()> {
    let entry = entry.trim();
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    bare.parse().or_else(|_| entry.parse().map(|address: SocketAddr| address.ip())).map_err(|_| ())
}
