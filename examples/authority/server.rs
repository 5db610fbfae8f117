//! The authority over HTTP: the endpoints of PROTOCOL, and what an operator watches.
//!
//! A process keeps nothing that another one would miss: seats, receipts and the limits that guard a seat are in the
//! database. Limits by peer and metrics are each process's own.

mod endpoints;
mod limits;
mod observation;
mod portal;
mod problem;

use std::{
    io::Write as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use nodelock::{Error, ErrorKind};
use tokio::net::TcpListener;

use self::{limits::Limits, observation::Metrics, problem::Problem};
use crate::{database::Database, failure::Result, keys::Signer};

/// Larger than any file the library looks at, in base64url.
const BODY_LIMIT: usize = 1024 * 1024;
/// How many requests are worked on at a time; more would only wait for the database.
const MOST_AT_A_TIME: usize = 256;
/// How long requests that are under way get to finish when the server is to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the endpoints share.
struct Server {
    database: Database,
    signer: Signer,
    limits: Limits,
    metrics: Metrics,
    under_way: AtomicUsize,
}

/// Serves until SIGTERM or SIGINT. Says on standard output where it listens, in one line, once it does.
pub(crate) async fn run(listen: SocketAddr, database: Database, signer: Signer) -> Result<()> {
    let listener = TcpListener::bind(listen).await.map_err(|e| Error::io(listen.to_string(), e))?;
    let address = listener.local_addr().map_err(|e| Error::io(listen.to_string(), e))?;
    let server = Arc::new(Server {
        database,
        signer,
        limits: Limits::default(),
        metrics: Metrics::default(),
        under_way: AtomicUsize::new(0),
    });
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let mut told = stopping.clone();
    let serving = axum::serve(listener, router(server).into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move {
            // Fails only when the sender is gone, which is an end as well.
            let _ = told.wait_for(|stop| *stop).await;
        });
    // From here on a signal stops it in good order, so it may be said that it is there.
    let mut signal = std::pin::pin!(stop_signal()?);
    {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{address}")
            .and_then(|()| stdout.flush())
            .map_err(|e| Error::io("standard output", e))?;
    }
    let mut serving = std::pin::pin!(serving.into_future());
    tokio::select! {
        ended = &mut serving => ended.map_err(|e| Error::io("server", e))?,
        () = &mut signal => {
            observation::log("stopping", &[]);
            stop.send_replace(true);
            // A connection that never ends must not keep the server from ending.
            if let Ok(ended) = tokio::time::timeout(PATIENCE, serving).await {
                ended.map_err(|e| Error::io("server", e))?;
            }
        }
    }
    Ok(())
}

/// Ends when the process is asked to stop. The handlers are in place when this returns, not when it is first polled.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|e| Error::io("signals", e));
        let (mut terminate, mut interrupt) =
            (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

fn router(server: Arc<Server>) -> Router {
    let endpoints = Router::new()
        .route("/v1/activations", post(endpoints::activate))
        .route("/v1/deactivations/preflight", post(endpoints::preflight))
        .route("/v1/deactivations", post(endpoints::deactivate))
        .route("/v1/checkins", post(endpoints::check_in))
        .route_layer(middleware::from_fn_with_state(server.clone(), bound))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    Router::new()
        .merge(endpoints)
        .merge(portal::routes(&server))
        .route("/healthz", get(endpoints::health))
        .route("/metrics", get(endpoints::metrics))
        .route("/openapi.json", get(endpoints::openapi))
        .fallback(portal::not_found)
        .method_not_allowed_fallback(async || Problem::http(axum::http::StatusCode::METHOD_NOT_ALLOWED))
        .layer(middleware::from_fn_with_state(server.clone(), observation::observe))
        .with_state(server)
}

/// Turns requests away while too many are under way: a short wait at the client beats a long one here.
async fn bound(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    match server.admit() {
        Ok(_counted) => next.run(request).await,
        Err(problem) => problem.into(),
    }
}

impl Server {
    /// Counts a request in for as long as what is returned lives, or says that there are too many.
    fn admit(&self) -> Result<Counted<'_>, Problem> {
        let counted = Counted(&self.under_way);
        match self.under_way.fetch_add(1, Ordering::Relaxed) {
            ..MOST_AT_A_TIME => Ok(counted),
            _ => Err(Problem::of(ErrorKind::ServerBusy).after(Duration::from_secs(1))),
        }
    }
}

/// Counts itself out, however its request ends: a client that hangs up included.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
