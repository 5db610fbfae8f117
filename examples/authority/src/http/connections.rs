//! Connections: how many there are, how long one may last, and TLS.
//!
//! `axum::serve` gives a connection no end: whoever connects and says nothing, or sends a header a byte at a time,
//! keeps it for ever. Here everything that waits for the other side has a deadline, on the plain listener too.

use std::{mem, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use futures_util::FutureExt as _;
use hyper::{Error as HttpError, body::Incoming, server::conn::http1, service::Service as _};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::unconstrained,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::{pace::Pace, peer::Proxies, places::Places, tls::Tls};

/// How many connections there are at a time to devices and customers, to administrators, and to the operator; further
/// ones wait in the operating system's queue. Together below the 1,024 files that a process may commonly have open.
pub(super) const MOST_CONNECTIONS: u32 = 512;
pub(super) const ADMINISTRATORS_CONNECTIONS: u32 = 64;
pub(super) const OPERATORS_CONNECTIONS: u32 = 16;
/// How many of them one address may have, so that it leaves places for others. Further ones are reset at once. A
/// trusted proxy has no such limit: it is all its clients.
pub(super) const CONNECTIONS_OF_PEER: usize = 128;
/// How long the queue is left alone after it had a connection to refuse and is empty: the next ones of a flood are
/// refused together, for one wake-up of this process.
const REFUSED_AT_ONCE: Duration = Duration::from_millis(1);
/// How long a TLS handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long the head of a request may take, and how long a connection may be idle between requests.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// How long a connection may last: a client that does not read its answers must not keep it either.
const CONNECTION_TIME: Duration = Duration::from_secs(120);
/// How long the request under way gets to finish when its connection is to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of a head is kept in memory.
const MOST_BUFFERED: usize = 64 * 1024;

/// What stands between the network and the endpoints.
pub(super) struct Front {
    pub(super) endpoints: Router,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) proxies: Proxies,
    pub(super) pace: Pace,
    pub(super) most_connections: u32,
    pub(super) most_of_peer: usize,
}

/// Serves until `stopping` turns true, then until the requests under way are answered, for which there is a deadline.
pub(super) async fn serve(listener: TcpListener, front: Front, mut stopping: watch::Receiver<bool>) {
    let most = front.most_connections;
    let front = Arc::new(front);
    let places = Arc::new(Semaphore::new(most as usize));
    let of_peers = Places::new(front.most_of_peer);
    let mut stop = stopping.clone();
    let mut has_refused = false;
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.expect("nobody closes it");
            // Not asked for by the runtime's budget, which says nothing of the queue.
            if let Some(accepted) = unconstrained(listener.accept()).now_or_never() {
                return (place, accepted);
            }
            if mem::take(&mut has_refused) {
                sleep(REFUSED_AT_ONCE).await;
            }
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = told(&mut stop) => break,
        };
        match accepted {
            Ok((stream, address)) => {
                let of_peer = of_peers.take(address.ip());
                if of_peer.is_none() && !front.proxies.trust(address.ip()) {
                    // Reset, because an orderly end costs this server more.
                    let _ = stream.set_zero_linger();
                    has_refused = true;
                    continue;
                }
                let (front, stopping) = (front.clone(), stopping.clone());
                tokio::spawn(async move {
                    connection(stream, address, &front, stopping).await;
                    drop((place, of_peer));
                });
            }
            Err(error) => {
                // One that ended before it was accepted, or no file left to open: that passes.
                warn!(event = "accept-failed", %error);
                let _ = timeout(Duration::from_millis(100), told(&mut stopping)).await;
            }
        }
    }
    drop(listener);
    // Each gives its place back in its own time, all of them in bounded time.
    let _ = places.acquire_many(most).await;
}

/// Ends when the server is to stop.
async fn told(stopping: &mut watch::Receiver<bool>) {
    // Fails only when the sender is gone, which is an end as well.
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    front: &Front,
    mut stopping: watch::Receiver<bool>,
) {
    // Answers are short and written at once; not to wait for more is all there is to gain.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &front.tls else {
        return exchange(stream, address, front, stopping).await;
    };
    let handshake = tokio::select! {
        handshake = timeout(HANDSHAKE_TIME, tls.acceptor().accept(stream)) => handshake,
        () = told(&mut stopping) => return,
    };
    let failed = match handshake {
        Ok(Ok(stream)) => return exchange(stream, address, front, stopping).await,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "timed out".to_owned(),
    };
    info!(event = "handshake-failed", error = failed);
}

/// Answers what comes over one connection.
async fn exchange<S>(stream: S, address: SocketAddr, front: &Front, mut stopping: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let endpoints = TowerToHyperService::new(front.endpoints.clone());
    let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
        let peer = front.proxies.peer(address.ip(), request.headers());
        request.extensions_mut().insert(peer);
        let endpoints = endpoints.clone();
        async move {
            front.pace.wait(peer.0).await;
            let answered = endpoints.call(request).await;
            if let Ok(answer) = &answered
                && !(answer.status().is_client_error() || answer.status().is_server_error())
            {
                front.pace.was_good(peer.0);
            }
            answered
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(MOST_BUFFERED)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // How a connection ended is its client's business; what was asked over it is logged by request.
    let _: Result<(), HttpError> = tokio::select! {
        ended = &mut connection => ended,
        () = async { tokio::select! { () = sleep(CONNECTION_TIME) => {}, () = told(&mut stopping) => {} } } => {
            connection.as_mut().graceful_shutdown();
            timeout(PATIENCE, connection).await.unwrap_or(Ok(()))
        }
    };
}
