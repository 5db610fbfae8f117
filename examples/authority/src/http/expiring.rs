//! A server notes which licenses end soon.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::Server;
use crate::{
    domain::{Actor, Occasion},
    service,
};

/// How often it is looked. That is one search by index.
const PERIOD: Duration = Duration::from_secs(10 * 60);

/// Who notes it, as the audit names it.
const NAME: &str = "server";

/// Notes it for as long as the server runs.
pub(super) async fn keep(server: Arc<Server>) {
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        period.tick().await;
        let occasion = Occasion { time: SystemTime::now().into(), actor: Actor::Vendor(NAME.to_owned()) };
        if let Err(failure) = service::note_expiring(server.service.database(), &occasion).await {
            warn!(event = "expiring-not-noted", error = failure.message());
        }
    }
}
