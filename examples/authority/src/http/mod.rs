//! The authority over HTTP: the calls of devices (`docs/PROTOCOL.md`, HTTP), the portal, the administration, what an
//! operator watches.
//!
//! A handler reads its input, calls one service, and puts the outcome into its form.
//!
//! A process keeps nothing that another one would miss: seats and the attempts at each seat are in the database. Limits
//! by peer and metrics are each process's own.

mod admin;
mod bearer;
mod body;
mod cached;
mod connections;
mod courier;
mod description;
mod device;
mod expiring;
#[cfg(test)]
mod fixture;
mod health;
#[cfg(test)]
#[allow(dead_code, reason = "the tests use a part of it")]
#[path = "../../tests/support/html.rs"]
mod html;
pub(crate) mod log;
mod mailer;
mod metrics;
mod notes;
mod pace;
mod peer;
mod permits;
mod places;
mod portal;
mod problem;
mod reload;
mod retention;
mod seals;
pub(crate) mod tls;
#[cfg(test)]
#[allow(dead_code, reason = "the tests use a part of it")]
#[path = "../../../../tests/support/watched.rs"]
mod watched;
mod webhooks;

use std::{io::Write as _, net::SocketAddr, path::Path, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::Response,
};
use nodelock::Error;
use tokio::net::TcpListener;
use tracing::{info, warn};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use self::{admin::records, courier::Courier};
use self::{
    connections::{
        ADMINISTRATORS_CONNECTIONS, CONNECTIONS_OF_PEER, Front, MOST_CONNECTIONS, OPERATORS_CONNECTIONS,
    },
    health::Readiness,
    mailer::Mailer,
    metrics::Metrics,
    pace::Pace,
    peer::Proxies,
    permits::Permits,
    problem::Problem,
    tls::Tls,
};
use crate::{
    cli::arguments::{MailArguments, ServeArguments},
    failure::Result,
    service::Service,
};

/// What the endpoints share.
struct Server {
    service: Service,
    metrics: Metrics,
    /// Of the public listener's requests, and of the administration's: what strangers use up is not the staff's.
    permits: Arc<Permits>,
    admin_permits: Arc<Permits>,
    readiness: Readiness,
    /// What brings messages to webhooks.
    courier: Arc<Courier>,
    /// What takes mails to customers, if anything does.
    mailer: Option<Arc<Mailer>>,
}

type Shared = State<Arc<Server>>;

impl Server {
    fn new(service: Service, courier: Courier, mailer: Option<Mailer>) -> Arc<Self> {
        Arc::new(Self {
            service,
            metrics: Metrics::default(),
            permits: Arc::default(),
            admin_permits: Arc::default(),
            readiness: Readiness::default(),
            courier: Arc::new(courier),
            mailer: mailer.map(Arc::new),
        })
    }
}

/// Serves until SIGTERM or SIGINT, with the issuer's keys in `keys`. Says on standard output where it listens, in one
/// line, once it does.
pub(crate) async fn run(arguments: &ServeArguments, keys: &Path, service: Service) -> Result<()> {
    let tls = match &arguments.tls {
        Some(files) => Some(Arc::new(Tls::load(&files.certificate, &files.key)?)),
        None => None,
    };
    let (listener, address) = listen(arguments.listen).await?;
    let operators = match arguments.metrics_listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let administration = match arguments.admin_listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let MailArguments { command, arguments: of_command } = &arguments.mail;
    let mailer = command.clone().map(|program| Mailer::new(program, of_command.clone()));
    let server = Server::new(service, Courier::new(&arguments.webhooks.hosts), mailer);
    // What is missing of the ledger must be known before anything is signed.
    server.service.page().await?;
    tokio::spawn(log::watch(server.clone()));
    tokio::spawn(notes::keep(server.clone()));
    tokio::spawn(retention::keep(server.clone()));
    tokio::spawn(seals::keep(server.clone()));
    tokio::spawn(expiring::keep(server.clone()));
    tokio::spawn(webhooks::keep(server.clone()));
    // From here on a signal stops it in good order, so it may be said that it is there.
    let signal = stop_signal()?;
    let issuers = reload::Issuers::new(server.clone(), keys.to_owned());
    tokio::spawn(reload::watch(issuers, tls.clone(), reload::Hangup::listen()?));
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let mut serving = Vec::new();
    if let Some((listener, address)) = operators {
        info!(event = "metrics-listening", %address);
        let front = Front {
            endpoints: metrics::routes(server.clone()),
            tls: None,
            proxies: Proxies::default(),
            pace: Pace::default(),
            most_connections: OPERATORS_CONNECTIONS,
            most_of_peer: OPERATORS_CONNECTIONS as usize,
        };
        serving.push(tokio::spawn(connections::serve(listener, front, stopping.clone())));
    }
    if let Some((listener, address)) = administration {
        info!(event = "admin-listening", %address);
        let front = Front {
            endpoints: admin::routes(server.clone()),
            tls: tls.clone(),
            proxies: Proxies::new(&arguments.trusted_proxy),
            pace: Pace::default(),
            most_connections: ADMINISTRATORS_CONNECTIONS,
            most_of_peer: ADMINISTRATORS_CONNECTIONS as usize,
        };
        serving.push(tokio::spawn(connections::serve(listener, front, stopping.clone())));
    }
    {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{address}")
            .and_then(|()| stdout.flush())
            .map_err(|e| Error::io("standard output", e))?;
    }
    let front = Front {
        endpoints: router(server.clone()),
        tls,
        proxies: Proxies::new(&arguments.trusted_proxy),
        pace: Pace::default(),
        most_connections: MOST_CONNECTIONS,
        most_of_peer: CONNECTIONS_OF_PEER,
    };
    serving.push(tokio::spawn(connections::serve(listener, front, stopping)));
    signal.await;
    info!(event = "stopping");
    stop.send_replace(true);
    for serving in serving {
        serving.await.map_err(|e| Error::io("server", e.into()))?;
    }
    let stopped = server.service.stop().await;
    if let Err(failure) = server.service.seal().await {
        warn!(event = "audit-not-sealed", error = failure.message());
    }
    stopped
}

/// A listener, and its address with the port that it got.
async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let failed = |error| Error::io(address.to_string(), error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
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

/// What the description names: the calls of devices, and what is for the operator.
fn endpoints(calls: OpenApiRouter<Arc<Server>>) -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::with_openapi(description::head())
        .merge(calls)
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(description::openapi))
}

fn router(server: Arc<Server>) -> Router {
    let calls = device::routes().route_layer(middleware::from_fn_with_state(server.permits.clone(), bound));
    let (endpoints, _) = endpoints(calls).split_for_parts();
    endpoints
        .merge(portal::routes(&server))
        .fallback(portal::not_found)
        .method_not_allowed_fallback(async || Problem::http(StatusCode::METHOD_NOT_ALLOWED))
        .layer(middleware::from_fn_with_state(server.metrics.clone(), log::observe))
        .with_state(server)
}

/// Turns requests away while too many of the same listener are under way.
async fn bound(State(permits): State<Arc<Permits>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get().copied();
    permits.answer(peer, next.run(request)).await.unwrap_or_else(Response::from)
}
