//! A server seals what was noted, also what other processes noted.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info};

use super::Server;

/// How long a line of the audit waits for its seal, unless sealing fails.
const PERIOD: Duration = Duration::from_secs(1);

/// Seals the audit for as long as the server runs. It is said once that it fails, and once that it works again.
pub(super) async fn keep(server: Arc<Server>) {
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut has_failed = false;
    loop {
        period.tick().await;
        match server.service.seal().await {
            Ok(()) if has_failed => {
                has_failed = false;
                info!(event = "audit-sealed-again");
            }
            // The database is busy at times. What is noted then is sealed a little later.
            Err(failure) if !has_failed && !failure.is_busy() => {
                has_failed = true;
                error!(event = "audit-not-sealed", error = failure.message());
            }
            _ => {}
        }
    }
}
