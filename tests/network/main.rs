//! The library's own transport, and answers that no authority gives.

mod addresses;
mod hostile_authority;
#[cfg(target_os = "linux")]
mod leftovers;
mod transport;

#[path = "../support/mod.rs"]
mod support;
