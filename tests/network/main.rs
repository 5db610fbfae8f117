//! The library's own transport, and answers that no authority gives.

mod hostile_authority;
mod transport;

#[path = "../support/mod.rs"]
mod support;
