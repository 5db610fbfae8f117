//! The store and whole operations on a disk that fails.

mod faults;
mod store;

#[path = "../support/mod.rs"]
mod support;
