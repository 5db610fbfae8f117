//! What several test files share.

#![allow(dead_code, reason = "each test file is a crate of its own and uses a part of this")]

pub mod disk;
#[cfg(all(unix, feature = "online"))]
pub mod hosts;
pub mod ledger;
pub mod network;
pub mod portal;
pub mod responder;
pub mod seeded;
#[cfg(feature = "online")]
pub mod server;
pub mod tls;
pub mod vendor;
