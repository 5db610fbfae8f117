//! The crate as the shared library that C programs link to: for the tests in this folder, which `cargo test` then builds along with
//! everything else instead of once more by itself.

pub use nodelock::ffi::*;
