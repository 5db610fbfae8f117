//! No seat is lost, whatever the network does and whenever a process is killed.

mod events;
mod kills;
mod lapse;
mod mails;
mod network;
mod over_time;
mod races;
mod waiting;

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

#[path = "../support/mod.rs"]
mod support;

/// Tests run at the same time, and one of them kills the database's server. It locks this to write, all others to read.
static DATABASE: RwLock<()> = RwLock::new(());

fn database_stays() -> RwLockReadGuard<'static, ()> {
    DATABASE.read().unwrap_or_else(PoisonError::into_inner)
}
