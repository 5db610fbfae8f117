//! A license on a machine, from the first request to the last receipt.

mod activations;
#[cfg(feature = "online")]
mod adversary;
mod advice;
mod allowance;
mod approvals;
#[cfg(feature = "online")]
mod asynchronous;
mod came_back;
mod check;
mod clock;
#[cfg(feature = "online")]
mod clock_corrected;
#[cfg(feature = "online")]
mod decisions;
mod deployment;
#[cfg(feature = "online")]
mod description;
mod durable_before_shown;
mod grace;
mod guides;
mod history;
mod life_cycle;
mod mail;
#[cfg(feature = "online")]
mod messages;
#[cfg(feature = "online")]
mod quickstart;
mod renewals;
mod replaced;
#[cfg(feature = "online")]
mod restored;
mod restored_copies;
mod seats_over_time;
#[cfg(feature = "online")]
mod starts;
mod test_authority;
mod tombstones;
mod trials;
mod unreleased;
#[cfg(target_os = "linux")]
mod wiped;

#[path = "../support/mod.rs"]
mod support;
