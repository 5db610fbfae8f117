//! How many requests are worked on at a time.

use std::{future::Future, sync::Arc, time::Duration};

use nodelock::ErrorKind;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, spawn},
};
use tracing::Instrument as _;

use super::{
    peer::Peer,
    places::{Places, TakenPlace},
    problem::Problem,
};

/// More would only wait for the database.
const MOST_AT_A_TIME: usize = 256;

/// How many of them may be of one peer.
const MOST_OF_PEER: usize = MOST_AT_A_TIME / 4;

/// The permits of requests of one listener that are under way.
pub(super) struct Permits {
    all: Arc<Semaphore>,
    places: Places,
}

/// A request's permit, for as long as anything of it is worked on.
type Permit = Arc<(OwnedSemaphorePermit, TakenPlace)>;

tokio::task_local! {
    static PERMIT: Permit;
}

impl Default for Permits {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(MOST_AT_A_TIME)), places: Places::new(MOST_OF_PEER) }
    }
}

impl Permits {
    /// Answers a request that gets a permit, or says that none is left: a short wait at the client beats a long one
    /// here. Nothing of the request's body has been read then.
    pub(super) async fn answer<T>(
        &self,
        peer: Option<Peer>,
        request: impl Future<Output = T>,
    ) -> Result<T, Problem> {
        match self.take(peer) {
            Some(permit) => Ok(PERMIT.scope(Arc::new(permit), request).await),
            None => Err(Problem::of(ErrorKind::ServerBusy).after(Duration::from_secs(1))),
        }
    }

    fn take(&self, peer: Option<Peer>) -> Option<(OwnedSemaphorePermit, TakenPlace)> {
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some((of_all, self.places.take(peer?.0)?))
    }

    pub(super) fn taken(&self) -> usize {
        MOST_AT_A_TIME - self.all.available_permits()
    }
}

/// Does what a request asks for to its end, even if its client hangs up: what was begun in the database is finished or
/// undone by itself, and the answer waits for the next attempt. Until then the request keeps its permit, so that
/// hanging up makes no room for more. Fails when the work panics, which has said so on standard error.
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

#[cfg(test)]
mod tests {
    use axum::{body::Body, extract::Request, http::header};
    use tokio::{spawn, task::yield_now};

    use super::{super::fixture::Authority, MOST_AT_A_TIME, MOST_OF_PEER};

    /// A call whose body never comes.
    fn slow() -> Request {
        let call = Request::post("/v1/checkins").header(header::CONTENT_TYPE, "application/json");
        call.body(Body::new(super::super::body::tests::Never)).unwrap()
    }

    #[tokio::test]
    async fn slow_bodies_of_one_peer_leave_places_for_the_others_and_those_of_all_some_for_the_staff() {
        let authority = std::sync::Arc::new(Authority::new().await);
        let mut waiting = Vec::new();
        for n in 0..MOST_AT_A_TIME {
            let asked = authority.clone();
            let peer = u8::try_from(n / MOST_OF_PEER).unwrap();
            waiting.push(spawn(async move { asked.ask_from(peer, slow()).await }));
            yield_now().await;
            if n + 1 == MOST_OF_PEER {
                assert_eq!(authority.server().permits.taken(), MOST_OF_PEER);
                assert_eq!(authority.ask_from(0, slow()).await.problem(), (503, "server-busy".into()));
                let other = Request::get("/redeem").body(Body::empty()).unwrap();
                assert_eq!(authority.ask_from(1, other).await.status, 200);
            }
        }
        assert_eq!(authority.server().permits.taken(), MOST_AT_A_TIME);
        assert_eq!(authority.ask_from(9, slow()).await.problem(), (503, "server-busy".into()));
        let staff = Request::get("/v1/admin/me").body(Body::empty()).unwrap();
        assert_eq!(authority.administer(staff).await.problem(), (401, "unauthenticated".into()));
        for task in waiting {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }
        assert_eq!(authority.server().permits.taken(), 0);
        assert!(authority.server().permits.places.are_free());
    }
}
