//! The C interface: its header, and C and C++ programs that are linked to it.

mod generated;
#[cfg(target_os = "linux")]
mod header;
#[cfg(target_os = "linux")]
mod programs;
