//! What can be typed about events.

use clap::{Args, Subcommand};
use nodelock::LicenseId;

#[derive(Subcommand)]
pub(crate) enum EventCommand {
    /// Show events, oldest first
    List(ListedEvents),
    /// Show the kinds of events that there are
    Kinds,
}

#[derive(Args)]
pub(crate) struct ListedEvents {
    /// Of this license only
    #[arg(long, value_name = "ID")]
    pub(crate) license: Option<LicenseId>,
    /// Only those after this one
    #[arg(long, value_name = "EVENT", default_value = "")]
    pub(crate) after: String,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) limit: u32,
}
