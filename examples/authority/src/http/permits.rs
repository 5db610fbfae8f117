//! How many requests are worked on at a time.

use std::{future::Future, sync::Arc, time::Duration};

use nodelock::ErrorKind;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, spawn},
};
use tracing::Instrument as _;

use super::problem::Problem;

/// More would only wait for the database.
const MOST_AT_A_TIME: usize = 256;

/// The permits of requests that are under way.
pub(super) struct Permits(Arc<Semaphore>);

/// A request's permit, for as long as anything of it is worked on.
type Permit = Arc<OwnedSemaphorePermit>;

tokio::task_local! {
    static PERMIT: Permit;
}

impl Default for Permits {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_AT_A_TIME)))
    }
}

impl Permits {
    /// Answers a request that gets a permit, or says that none is left: a short wait at the client beats a long one here.
    pub(super) async fn answer<T>(&self, request: impl Future<Output = T>) -> Result<T, Problem> {
        match Arc::clone(&self.0).try_acquire_owned() {
            Ok(permit) => Ok(PERMIT.scope(Arc::new(permit), request).await),
            Err(_) => Err(Problem::of(ErrorKind::ServerBusy).after(Duration::from_secs(1))),
        }
    }

    pub(super) fn taken(&self) -> usize {
        MOST_AT_A_TIME - self.0.available_permits()
    }
}

/// Does what a request asks for to its end, even if its client hangs up: what was begun in the database is finished or
/// undone by itself, and the answer waits for the next attempt. Until then the request keeps its permit, so that hanging up
/// makes no room for more. Fails when the work panics, which has said so on standard error.
pub(super) async fn finish<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, JoinError> {
    let permit = PERMIT.try_with(Arc::clone).ok();
    let work = async move {
        let _permit = permit;
        work.await
    };
    // What it logs is of the same request.
    spawn(work.in_current_span()).await
}
