//! The log: a line of JSON on standard error for each request, and for what an operator must know beside them.
//!
//! No line holds anything of a body or a query, and of the headers only a request id that has the form of one.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use nodelock::{Random as _, SystemRandom};
use tracing::{Instrument as _, info, info_span, level_filters::LevelFilter, warn};
use tracing_subscriber::{
    Layer as _, filter::Targets, fmt::MakeWriter, layer::SubscriberExt as _, util::SubscriberInitExt,
};

use super::{Server, metrics::Metrics};
use crate::keys;

/// Names a request in the log, for whoever made it or passed it on.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer than any id in use: a UUID has 36 characters.
const LONGEST_ID: usize = 64;

/// Marks an answer that refuses, for the log.
#[derive(Clone, Copy)]
pub(super) struct Refused(pub(super) &'static str);

/// Writes to standard error from here on. A process that has a log of its own keeps it.
pub(crate) fn start() {
    let _ = lines(io::stderr).try_init();
}

/// Only events of this program: what a dependency has to say may quote what it read.
fn lines<W>(writer: W) -> impl SubscriberInitExt
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_span_list(false)
        // Where nobody listens there is nobody to tell, and a message about that would end the program.
        .log_internal_errors(false)
        .with_writer(writer);
    tracing_subscriber::registry().with(lines.with_filter(ours))
}

/// Sends the log nowhere, but for threads that listen to it. Without a log of the process, the test that happens to
/// come to an event first would decide for all tests whether it is of interest.
#[cfg(test)]
pub(super) fn silence() {
    let _ = lines(io::sink).try_init();
}

/// Times, counts and logs a request, and gives its answer the request's id.
pub(super) async fn observe(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    // Anything can be a method's name.
    let method = match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "other",
    };
    let id = given_id(&request).unwrap_or_else(new_id);
    let span = info_span!("request", request_id = id.to_str().unwrap_or_default());
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, duration) = (response.status().as_u16(), start.elapsed());
    metrics.count(&route, status, duration);
    let problem = response.extensions().get().map(|Refused(code)| *code);
    let duration_ms = duration.as_secs_f64() * 1e3;
    span.in_scope(|| info!(event = "request", method, route, status, duration_ms, problem));
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The id that came along, if it is one: its characters mean nothing in a log, and it is short.
fn given_id(request: &Request) -> Option<HeaderValue> {
    let id = request.headers().get(REQUEST_ID)?;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    ((1..=LONGEST_ID).contains(&id.len()) && id.as_bytes().iter().all(is_plain)).then(|| id.clone())
}

fn new_id() -> HeaderValue {
    let mut bytes = [0; 16];
    // A request is answered without a good id too.
    let _ = SystemRandom.fill(&mut bytes);
    HeaderValue::try_from(format!("{:032x}", u128::from_be_bytes(bytes))).expect("hex is a header's value")
}

/// Says once a day that the issuer's certificate ends soon: without one nothing can be signed.
pub(super) async fn watch(server: Arc<Server>) {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const SOON: i64 = 30 * 24 * 60 * 60;
    loop {
        for selling in &server.service.sellings().0 {
            let certificate = &selling.signer.certificate;
            let seconds_left = keys::seconds_left(certificate, SystemTime::now().into());
            if seconds_left < SOON {
                let (serial, not_after) = (certificate.serial, certificate.not_after);
                let product = selling.id.as_str();
                warn!(event = "certificate-ends", serial, %not_after, seconds_left, product);
            }
        }
        tokio::time::sleep(DAY).await;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use axum::{body::Body, extract::Request};
    use serde_json::{Value, json};
    use tracing::subscriber::DefaultGuard;
    use tracing_subscriber::util::SubscriberInitExt as _;

    use super::{super::fixture::Authority, LONGEST_ID, REQUEST_ID, lines};

    /// What is logged on this thread.
    #[derive(Clone, Default)]
    pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        pub(crate) fn listen() -> (Self, DefaultGuard) {
            let log = Self::default();
            let writer = log.clone();
            (log, lines(move || writer.clone()).set_default())
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }

        pub(crate) fn events(&self) -> Vec<Value> {
            self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn get(path: &str, id: &str) -> Request {
        Request::get(path).header(REQUEST_ID, id).header("Cookie", "secret").body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn a_request_is_one_line_with_its_id_and_nothing_of_what_came() {
        let authority = Authority::new().await;
        let (log, _listening) = Log::listen();
        let answer = authority.ask(get("/healthz?secret=1", "trace-1_a.B")).await;
        assert_eq!(answer.headers[REQUEST_ID], "trace-1_a.B");
        authority.call("/v1/checkins", json!({ "request": "secret" })).await;
        authority.ask(Request::builder().method("SECRET").uri("/secret").body(Body::empty()).unwrap()).await;
        assert!(!log.text().to_lowercase().contains("secret"), "{}", log.text());
        let events = log.events();
        let [health, check_in, other] = &events[..] else { panic!("{events:?}") };
        assert_eq!((&health["event"], &health["method"]), (&json!("request"), &json!("GET")));
        assert_eq!((&health["route"], &health["status"]), (&json!("/healthz"), &json!(200)));
        assert_eq!(health["span"]["request_id"], "trace-1_a.B");
        assert!(
            health["duration_ms"].is_f64() && health["timestamp"].is_string() && health["problem"].is_null()
        );
        assert_eq!((&check_in["status"], &check_in["problem"]), (&json!(400), &json!("malformed")));
        assert_eq!((&other["method"], &other["route"]), (&json!("other"), &json!("other")));
    }

    #[tokio::test]
    async fn an_id_that_is_not_in_form_is_replaced() {
        let authority = Authority::new().await;
        let (log, _listening) = Log::listen();
        let long = "a".repeat(LONGEST_ID + 1);
        let mut given = Vec::new();
        for id in ["", "two words", "quote\"", "a\tb", "é", &long] {
            let answer = authority.ask(get("/healthz", id)).await;
            let id = answer.headers[REQUEST_ID].to_str().unwrap().to_owned();
            assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
            given.push(id);
        }
        let logged: Vec<Value> =
            log.events().iter().map(|event| event["span"]["request_id"].clone()).collect();
        assert_eq!(logged, given);
        given.dedup();
        assert_eq!(given.len(), 6, "each is another one");
        let longest = authority.ask(get("/healthz", &long[1..])).await;
        assert_eq!(longest.headers[REQUEST_ID], long[1..]);
    }

    #[tokio::test]
    async fn what_failed_is_logged_under_the_id_of_its_request() {
        let authority = Authority::new().await;
        let (_, request) = authority.device("device", &authority.sell(1, None).await);
        authority.close_database().await;
        let (log, _listening) = Log::listen();
        let refused = authority.call("/v1/activations", json!({ "request": request })).await;
        assert_eq!(refused.problem(), (500, "server-failed".into()));
        let events = log.events();
        let [failed, answered] = &events[..] else { panic!("{events:?}") };
        assert_eq!((&failed["event"], &failed["level"]), (&json!("failed"), &json!("ERROR")));
        assert!(failed["error"].as_str().unwrap().contains("pool"), "{failed}");
        assert_eq!(failed["span"], answered["span"]);
        assert_eq!(failed["span"]["request_id"], *refused.headers[REQUEST_ID].to_str().unwrap());
    }

    #[tokio::test]
    async fn what_stops_every_request_is_logged_once_and_clients_are_told_to_come_again() {
        // A directory is in the place of the page.
        let place = tempfile::tempdir().unwrap();
        let authority = Authority::with_page(Some(place.path())).await;
        let (_, request) = authority.device("device", &authority.sell(1, None).await);
        let (log, _listening) = Log::listen();
        for _ in 0..20 {
            let refused = authority.call("/v1/activations", json!({ "request": request })).await;
            assert_eq!(refused.problem(), (503, "server-busy".into()));
            assert_eq!(refused.headers["retry-after"], "2");
        }
        let (asked, said): (Vec<_>, Vec<_>) =
            log.events().into_iter().partition(|event| event["event"] == "request");
        assert_eq!(asked.len(), 20);
        let [said] = &said[..] else { panic!("{said:?}") };
        assert_eq!((&said["event"], &said["level"]), (&json!("page-stuck"), &json!("ERROR")));
        let words = said["error"].as_str().unwrap();
        assert!(words.contains(place.path().to_str().unwrap()) && words.contains("--page-file"), "{words}");
        let unready = authority.get("/readyz").await;
        assert_eq!(unready.json()["detail"], "the service of the ledger cannot be noted");
    }
}
