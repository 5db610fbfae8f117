//! A server notes its service also while nobody asks for anything, and what it refused again and again.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::Server;
use crate::failure::Failure;

/// How often it is looked whether the last page is over, which lasts for a minute.
const PERIOD: Duration = Duration::from_secs(15);

/// Notes the service for as long as the server runs.
pub(super) async fn keep(server: Arc<Server>) {
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        period.tick().await;
        if let Err(failure) = server.service.page().await
            && !matches!(failure, Failure::PageStuck { .. })
        {
            warn!(event = "service-not-noted", error = failure.message());
        }
        if let Err(failure) = server.service.note_refusals(false).await {
            warn!(event = "refusals-not-noted", error = failure.message());
        }
    }
}
