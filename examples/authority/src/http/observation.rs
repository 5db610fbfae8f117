//! What an operator watches: one line of JSON for each request, and metrics for Prometheus.
//!
//! No line and no label holds anything of a body, a query or a header.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use nodelock::{Certificate, ErrorKind, Timestamp};
use serde_json::{Map, Value};

use super::Server;
use crate::keys;

/// Upper bounds of the latency histogram, in seconds.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Marks an answer that refuses, for the log.
#[derive(Clone, Copy)]
pub(super) struct Refused(pub(super) ErrorKind);

/// What was answered so far. Routes are templates, so there are only so many series whatever is asked for.
#[derive(Default)]
pub(super) struct Metrics {
    requests: Mutex<BTreeMap<(String, u16), u64>>,
    durations: Mutex<BTreeMap<String, Histogram>>,
}

#[derive(Default)]
struct Histogram {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    sum: Duration,
}

impl Metrics {
    fn count(&self, route: &str, status: u16, duration: Duration) {
        *lock(&self.requests).entry((route.to_owned(), status)).or_default() += 1;
        let mut durations = lock(&self.durations);
        let histogram = durations.entry(route.to_owned()).or_default();
        for (bucket, bound) in histogram.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(duration.as_secs_f64() <= bound);
        }
        histogram.count += 1;
        histogram.sum += duration;
    }

    /// In Prometheus's text format. `seats` are counts by state, `certificate` is for how many seconds it lasts.
    pub(super) fn text(&self, seats: &[(&str, i64)], under_way: usize, certificate: i64) -> String {
        let mut text = String::from(
            "# HELP nodelock_http_requests_total Requests answered.\n\
             # TYPE nodelock_http_requests_total counter\n",
        );
        // Writing to a string cannot fail.
        for ((route, status), count) in &*lock(&self.requests) {
            let _ = writeln!(
                text,
                "nodelock_http_requests_total{{endpoint=\"{route}\",status=\"{status}\"}} {count}"
            );
        }
        text += "# HELP nodelock_http_request_duration_seconds How long answers took.\n\
                 # TYPE nodelock_http_request_duration_seconds histogram\n";
        for (route, histogram) in &*lock(&self.durations) {
            let name = "nodelock_http_request_duration_seconds";
            for (bucket, bound) in histogram.buckets.iter().zip(BUCKETS) {
                let _ = writeln!(text, "{name}_bucket{{endpoint=\"{route}\",le=\"{bound}\"}} {bucket}");
            }
            let Histogram { count, sum, .. } = histogram;
            let _ = writeln!(text, "{name}_bucket{{endpoint=\"{route}\",le=\"+Inf\"}} {count}");
            let _ = writeln!(text, "{name}_sum{{endpoint=\"{route}\"}} {}", sum.as_secs_f64());
            let _ = writeln!(text, "{name}_count{{endpoint=\"{route}\"}} {count}");
        }
        text += "# HELP nodelock_http_requests_under_way Requests being worked on.\n\
                 # TYPE nodelock_http_requests_under_way gauge\n";
        let _ = writeln!(text, "nodelock_http_requests_under_way {under_way}");
        text += "# HELP nodelock_issuer_certificate_remaining_seconds For how long the authority may sign.\n\
                 # TYPE nodelock_issuer_certificate_remaining_seconds gauge\n";
        let _ = writeln!(text, "nodelock_issuer_certificate_remaining_seconds {certificate}");
        text += "# HELP nodelock_seats Seats in the ledger.\n# TYPE nodelock_seats gauge\n";
        for (state, count) in seats {
            let _ = writeln!(text, "nodelock_seats{{state=\"{state}\"}} {count}");
        }
        text
    }
}

/// Counters are whole after a panic too.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Times, counts and logs a request.
pub(super) async fn observe(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    // Anything can be a method's name.
    let method = match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    };
    let response = next.run(request).await;
    let (status, duration) = (response.status().as_u16(), start.elapsed());
    server.metrics.count(&route, status, duration);
    let mut fields = vec![
        ("method", Value::from(method)),
        ("route", route.into()),
        ("status", status.into()),
        ("duration_ms", (duration.as_secs_f64() * 1e3).into()),
    ];
    if let Some(Refused(kind)) = response.extensions().get() {
        fields.push(("problem", kind.code().into()));
    }
    log("request", &fields);
    response
}

/// Says once a day that the issuer's certificate ends soon: without one nothing can be signed.
pub(super) async fn watch(certificate: Certificate) {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const SOON: i64 = 30 * 24 * 60 * 60;
    loop {
        let left = keys::seconds_left(&certificate, SystemTime::now().into());
        if left < SOON {
            let fields = [
                ("serial", Value::from(certificate.serial)),
                ("not_after", certificate.not_after.to_string().into()),
                ("seconds_left", left.into()),
            ];
            log("certificate-ends", &fields);
        }
        tokio::time::sleep(DAY).await;
    }
}

/// Writes a line to standard error. Where nobody listens there is nobody to tell.
pub(crate) fn log(event: &str, fields: &[(&str, Value)]) {
    let mut line = Map::new();
    line.insert("time".into(), Timestamp::from(SystemTime::now()).to_string().into());
    line.insert("event".into(), event.into());
    line.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    let _ = writeln!(std::io::stderr().lock(), "{}", Value::Object(line));
}
