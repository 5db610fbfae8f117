//! Metrics for Prometheus, on a listener of the operator's: the public one does not say how many seats there are.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use nodelock::ErrorKind;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::{Server, problem::Problem};
use crate::{
    keys,
    service::{self, Came},
};

/// Upper bounds of the latency histogram, in seconds.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Endpoints are the routes' templates, so there are only so many series whatever is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    endpoint: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Endpoint {
    endpoint: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CameOf {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfProduct {
    product: String,
}

/// What was answered so far. Cloning shares it.
#[derive(Clone, Default)]
pub(super) struct Metrics {
    requests: Family<Answered, Counter>,
    durations: Durations,
}

#[derive(Clone)]
struct Durations(Family<Endpoint, Histogram, fn() -> Histogram>);

impl Default for Durations {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(BUCKETS)))
    }
}

impl Metrics {
    /// Counts an answer.
    pub(super) fn count(&self, route: &str, status: u16, duration: Duration) {
        let endpoint = route.to_owned();
        self.durations
            .0
            .get_or_create(&Endpoint { endpoint: endpoint.clone() })
            .observe(duration.as_secs_f64());
        self.requests.get_or_create(&Answered { endpoint, status }).inc();
    }
}

/// What is served to the operator.
pub(super) fn routes(server: Arc<Server>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .fallback(async || Problem::http(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(async || Problem::http(StatusCode::METHOD_NOT_ALLOWED))
        .with_state(server)
}

/// `GET /metrics`. What is not counted as it happens is looked up for a page.
async fn metrics(State(server): State<Arc<Server>>) -> Result<Response, Problem> {
    let states = Family::<InState, Gauge>::default();
    for (state, count) in service::count_by_state(server.service.database()).await? {
        states.get_or_create(&InState { state: state.name() }).set(count);
    }
    let under_way = Gauge::<i64>::default();
    let taken = server.permits.taken() + server.admin_permits.taken();
    under_way.set(i64::try_from(taken).unwrap_or(i64::MAX));
    let certificates = Family::<OfProduct, Gauge>::default();
    for selling in &server.service.sellings().0 {
        let left = keys::seconds_left(&selling.signer.certificate, SystemTime::now().into());
        certificates.get_or_create(&OfProduct { product: selling.id.to_string() }).set(left);
    }
    let codes = Family::<CameOf, Counter>::default();
    for came in Came::ALL {
        codes.get_or_create(&CameOf { outcome: came.name() }).inc_by(server.service.codes(came));
    }
    let restored = Gauge::<i64>::default();
    let now = SystemTime::now().into();
    let left = server.service.restored_until(now).map_or(Duration::ZERO, |until| until.since(now));
    restored.set(i64::try_from(left.as_secs()).unwrap_or(i64::MAX));
    let mut registry = Registry::with_prefix("nodelock");
    registry.register("http_requests", "Requests answered", server.metrics.requests.clone());
    let durations = server.metrics.durations.0.clone();
    registry.register_with_unit("http_request_duration", "How long answers took", Unit::Seconds, durations);
    registry.register("http_requests_under_way", "Requests being worked on", under_way);
    let about = "For how long the authority may sign";
    registry.register_with_unit("issuer_certificate_remaining", about, Unit::Seconds, certificates);
    let about = "For how long licenses may be in use that the ledger has lost";
    registry.register_with_unit("ledger_restored_remaining", about, Unit::Seconds, restored);
    registry.register("seats", "Seats in the ledger", states);
    registry.register("codes", "Codes that were typed, by what came of them", codes);
    let mut page = String::new();
    // Writing to a string does not fail.
    text::encode(&mut page, &registry).map_err(|_| Problem::of(ErrorKind::ServerFailed))?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], page).into_response())
}

#[cfg(test)]
mod tests {
    use super::{super::fixture::Authority, OPEN_METRICS};

    #[tokio::test]
    async fn the_operator_sees_what_was_answered_and_the_public_does_not() {
        let authority = Authority::new().await;
        authority.activated("device", &authority.sell(2, None).await).await;
        for path in ["/no-such-page", "/nor-this-one"] {
            assert_eq!(authority.get(path).await.status, 404);
        }
        let page = authority.ask_as_operator("/metrics").await;
        assert_eq!(
            (page.status.as_u16(), &page.headers["content-type"]),
            (200, &OPEN_METRICS.parse().unwrap())
        );
        for line in [
            "nodelock_http_requests_total{endpoint=\"/v1/activations\",status=\"200\"} 1",
            "nodelock_http_requests_total{endpoint=\"other\",status=\"404\"} 2",
            "nodelock_http_request_duration_seconds_count{endpoint=\"/v1/activations\"} 1",
            "nodelock_http_request_duration_seconds_bucket{le=\"0.001\",endpoint=\"other\"} 2",
            "nodelock_http_requests_under_way 0",
            "nodelock_ledger_restored_remaining_seconds 0",
            "nodelock_seats{state=\"active\"} 1",
            "nodelock_seats{state=\"held\"} 0",
            "nodelock_codes_total{outcome=\"wrong\"} 0",
        ] {
            assert!(page.body.lines().any(|is| is == line), "{line}\n{}", page.body);
        }
        assert!(
            page.body.contains("\nnodelock_issuer_certificate_remaining_seconds{product=\"example\"} 315"),
            "{}",
            page.body
        );
        assert!(!page.body.contains("page"), "paths that anybody can make up are no labels");
        authority.activated("other", &authority.sell(1, None).await).await;
        let next = authority.ask_as_operator("/metrics").await;
        assert!(next.body.contains("\nnodelock_seats{state=\"active\"} 2\n"), "{}", next.body);
        assert_eq!(authority.get("/metrics").await.status, 404);
        assert_eq!(authority.ask_as_operator("/healthz").await.problem().0, 404);
    }
}
