//! What a machine is known by.

#[cfg(target_os = "linux")]
mod calls;
mod fingerprint;
#[cfg(target_os = "linux")]
mod namespaces;
mod simulation;

#[allow(dead_code, reason = "the simulation uses a part of it")]
#[path = "../../src/model/random/dice.rs"]
mod dice;
