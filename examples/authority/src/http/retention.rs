//! A server lets go of what is kept for too long, once a day.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{info, warn};

use super::Server;
use crate::{
    domain::{Actor, Occasion},
    failure::Result,
    service,
};

/// How often it is looked whether a day is over since that was done last, by this server or another.
const PERIOD: Duration = Duration::from_secs(60 * 60);

/// Looks for as long as the server runs. Not at once: whoever starts a server waits for other things.
pub(super) async fn keep(server: Arc<Server>) {
    let mut period = interval_at(Instant::now() + PERIOD, PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        period.tick().await;
        if let Err(failure) = prune(&server).await {
            warn!(event = "not-pruned", error = failure.message());
        }
    }
}

async fn prune(server: &Server) -> Result<()> {
    let database = server.service.database();
    let occasion =
        Occasion { time: std::time::SystemTime::now().into(), actor: Actor::Vendor("server".to_owned()) };
    if service::is_prune_due(database, occasion.time).await? {
        let pruned = service::prune(database, &occasion).await?;
        info!(event = "pruned", rows = pruned.members().iter().map(|(_, count)| count).sum::<u64>());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::fixture::Authority, *};

    #[tokio::test]
    async fn a_server_prunes_once_a_day() {
        let authority = Authority::new().await;
        let server = authority.server();
        let database = server.service.database();
        let now = || std::time::SystemTime::now().into();
        assert!(service::is_prune_due(database, now()).await.unwrap());
        prune(&server).await.unwrap();
        assert!(!service::is_prune_due(database, now()).await.unwrap());
        let tomorrow = crate::domain::days_before(nodelock::Timestamp::MAX, 1);
        assert!(service::is_prune_due(database, tomorrow).await.unwrap());
    }
}
