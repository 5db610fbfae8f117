//! What can be typed about requests for approval.

use clap::Subcommand;
use nodelock::LicenseId;

use super::SeatArguments;

#[derive(Subcommand)]
pub(crate) enum RequestCommand {
    /// Show requests that wait for approval, and those that were approved or refused and have no seat yet
    List {
        /// Of this license only
        #[arg(long, value_name = "ID")]
        license: Option<LicenseId>,
    },
    /// Show one
    Show {
        #[command(flatten)]
        seat: SeatArguments,
    },
    /// Approve a request: within 30 days its device gets its license when it asks again, if a seat is free then
    Approve {
        #[command(flatten)]
        seat: SeatArguments,
    },
    /// Refuse a request, or take an approval back: its device hears so when it asks again
    Refuse {
        #[command(flatten)]
        seat: SeatArguments,
        /// Why, in words that the customer will read: at most 200 bytes, no word of 20 or more letters and digits
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
}
