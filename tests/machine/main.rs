//! What a machine is known by.

mod fingerprint;
#[cfg(target_os = "linux")]
mod namespaces;
mod simulation;
