//! The authority over HTTP: the endpoints (docs/PROTOCOL.md, HTTP), and what an operator watches.
//!
//! A process keeps nothing that another one would miss: seats, receipts and the limits that guard a seat are in the
//! database. Limits by peer and metrics are each process's own.

mod connections;
mod device;
mod limits;
mod observation;
mod peer;
mod places;
mod portal;
mod problem;
mod tls;

use std::{io::Write as _, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use nodelock::Error;
use tokio::net::TcpListener;

pub(crate) use self::observation::log;
use self::{
    connections::Front, limits::Limits, observation::Metrics, peer::Proxies, places::Places,
    problem::Problem, tls::Tls,
};
use crate::{cli::arguments::ServeArguments, failure::Result, keys::Signer, store::Database};

/// Larger than any file the library looks at, in base64url.
const BODY_LIMIT: usize = 1024 * 1024;

/// What the endpoints share.
struct Server {
    database: Database,
    signer: Signer,
    limits: Limits,
    metrics: Metrics,
    places: Places,
}

/// Serves until SIGTERM or SIGINT. Says on standard output where it listens, in one line, once it does.
pub(crate) async fn run(arguments: &ServeArguments, database: Database, signer: Signer) -> Result<()> {
    let tls = match &arguments.tls {
        Some(files) => Some(Arc::new(Tls::load(&files.certificate, &files.key)?)),
        None => None,
    };
    let listen = arguments.listen;
    let listener = TcpListener::bind(listen).await.map_err(|e| Error::io(listen.to_string(), e))?;
    let address = listener.local_addr().map_err(|e| Error::io(listen.to_string(), e))?;
    tokio::spawn(observation::watch(signer.certificate.clone()));
    let server = Arc::new(Server {
        database,
        signer,
        limits: Limits::default(),
        metrics: Metrics::default(),
        places: Places::default(),
    });
    // From here on a signal stops it in good order, so it may be said that it is there.
    let signal = stop_signal()?;
    if let Some(tls) = &tls {
        reload_at_hangup(tls.clone())?;
    }
    {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{address}")
            .and_then(|()| stdout.flush())
            .map_err(|e| Error::io("standard output", e))?;
    }
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let front = Front { endpoints: router(server), tls, proxies: Proxies::new(&arguments.trusted_proxy) };
    let serving = tokio::spawn(connections::serve(listener, front, stopping));
    signal.await;
    observation::log("stopping", &[]);
    stop.send_replace(true);
    serving.await.map_err(|e| Error::io("server", e.into()))?;
    Ok(())
}

/// Reads the TLS certificate again at each SIGHUP, which is what tools that renew certificates can send.
#[cfg(unix)]
fn reload_at_hangup(tls: Arc<Tls>) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup()).map_err(|e| Error::io("signals", e))?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let tls = tls.clone();
            // Fails only when it panics, which says so itself.
            let _ = tokio::task::spawn_blocking(move || tls.reload()).await;
        }
    });
    Ok(())
}

/// Elsewhere there is no such signal: a renewed certificate needs a restart.
#[cfg(not(unix))]
fn reload_at_hangup(_: Arc<Tls>) -> Result<()> {
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
        .route("/v1/activations", post(device::activate))
        .route("/v1/deactivations/preflight", post(device::preflight))
        .route("/v1/deactivations", post(device::deactivate))
        .route("/v1/checkins", post(device::check_in))
        .route_layer(middleware::from_fn_with_state(server.clone(), bound))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    Router::new()
        .merge(endpoints)
        .merge(portal::routes(&server))
        .route("/healthz", get(device::health))
        .route("/metrics", get(device::metrics))
        .route("/openapi.json", get(device::openapi))
        .fallback(portal::not_found)
        .method_not_allowed_fallback(async || Problem::http(axum::http::StatusCode::METHOD_NOT_ALLOWED))
        .layer(middleware::from_fn_with_state(server.clone(), observation::observe))
        .with_state(server)
}

/// Turns requests away while too many are under way.
async fn bound(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    server.places.answer(next.run(request)).await.unwrap_or_else(Response::from)
}
