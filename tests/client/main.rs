//! A license on a machine, from the first request to the last receipt.

#[cfg(feature = "online")]
mod adversary;
mod check;
mod clock;
#[cfg(feature = "online")]
mod decisions;
mod durable_before_shown;
mod life_cycle;
#[cfg(feature = "online")]
mod quickstart;
mod renewals;
mod restored_copies;

#[path = "../support/mod.rs"]
mod support;
