//! What a machine is known by.

#[cfg(target_os = "linux")]
mod calls;
mod fingerprint;
#[cfg(target_os = "linux")]
mod namespaces;
mod simulation;
