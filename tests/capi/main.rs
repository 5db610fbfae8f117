//! The C interface: its header, and C and C++ programs that are linked to it.

#[cfg(target_os = "linux")]
mod forms;
mod generated;
#[cfg(target_os = "linux")]
mod header;
#[cfg(target_os = "linux")]
mod programs;

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;
