//! What several test files share.

#![allow(dead_code, reason = "each test file is a crate of its own and uses a part of this")]

pub mod disk;
pub mod seeded;
#[cfg(feature = "online")]
pub mod server;
pub mod vendor;
