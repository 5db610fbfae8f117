//! What several test files share.

#![allow(dead_code, reason = "each test file is a crate of its own and uses a part of this")]

pub mod disk;
pub mod forge;
pub mod seeded;
pub mod vendor;

// What only tests of the network need, some of it from crates that others do without.
#[cfg(all(unix, feature = "online"))]
pub mod hosts;
#[cfg(feature = "online")]
pub mod ledger;
#[cfg(feature = "online")]
pub mod network;
#[cfg(feature = "online")]
pub mod portal;
#[cfg(feature = "online")]
pub mod responder;
#[cfg(feature = "online")]
pub mod server;
#[cfg(feature = "online")]
pub mod tls;
