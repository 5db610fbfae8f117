//! The store and whole operations on a disk that fails.

mod faults;
#[cfg(unix)]
mod odd_files;
#[cfg(target_os = "linux")]
mod owners;
#[cfg(target_os = "linux")]
mod poor;
mod store;

#[path = "../support/mod.rs"]
mod support;
