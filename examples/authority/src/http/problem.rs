//! Problem details (RFC 9457): what is refused, with the code of the client's error kind.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use nodelock::ErrorKind;
use serde_json::{Map, Value, json};

use super::observation::{self, Refused};
use crate::failure::Failure;

/// How long to wait after a limit that is counted in the database, whose windows are an hour and a day.
const LONG: Duration = Duration::from_secs(60 * 60);
/// How long to wait for a database that is busy.
const SHORT: Duration = Duration::from_secs(2);

/// An answer that refuses.
pub(super) struct Problem {
    status: StatusCode,
    /// None for what is plain HTTP and has nothing to do with licensing.
    kind: Option<ErrorKind>,
    detail: Option<String>,
    retry_after: Option<Duration>,
    members: Map<String, Value>,
}

impl Problem {
    pub(super) fn of(kind: ErrorKind) -> Self {
        Self { kind: Some(kind), ..Self::http(status(kind)) }
    }

    /// A problem that the status says all about.
    pub(super) fn http(status: StatusCode) -> Self {
        Self { status, kind: None, detail: None, retry_after: None, members: Map::new() }
    }

    pub(super) fn malformed(detail: &str) -> Self {
        Self::of(ErrorKind::Malformed).detail(detail)
    }

    pub(super) fn detail(self, detail: &str) -> Self {
        Self { detail: Some(detail.to_owned()), ..self }
    }

    pub(super) fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// One more member of the JSON object.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    pub(super) fn kind(&self) -> Option<ErrorKind> {
        self.kind
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// The status that goes with a kind. What the authority itself is to blame for tells the outside no more than that.
fn status(kind: ErrorKind) -> StatusCode {
    use ErrorKind as Kind;
    match kind {
        Kind::Malformed
        | Kind::WrongType
        | Kind::UnsupportedVersion
        | Kind::CriticalExtension
        | Kind::WeakKey
        | Kind::HeaderMismatch => StatusCode::BAD_REQUEST,
        Kind::BadSignature | Kind::WrongMachine | Kind::WrongCode | Kind::LicenseEnded => {
            StatusCode::FORBIDDEN
        }
        Kind::UnknownLicense | Kind::UnknownSeat => StatusCode::NOT_FOUND,
        Kind::NoFreeSeat | Kind::WrongRequest | Kind::Outdated => StatusCode::CONFLICT,
        Kind::Cancelled | Kind::GivenUp | Kind::Revoked => StatusCode::GONE,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::WrongProduct | Kind::UnreadableCode => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
        Kind::ServerBusy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<nodelock::Error> for Problem {
    fn from(error: nodelock::Error) -> Self {
        Failure::from(error).into()
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match &failure {
            Failure::Rule(error) if status(error.kind()).is_client_error() => Self::of(error.kind()),
            Failure::TooManyAttempts => Self::of(ErrorKind::TooManyAttempts).after(LONG),
            _ if failure.is_busy() => {
                observation::log("busy", &[("error", failure.message().into())]);
                Self::of(ErrorKind::ServerBusy).after(SHORT)
            }
            _ => {
                // The operator reads why, the client only that.
                observation::log("failed", &[("error", failure.message().into())]);
                Self::of(ErrorKind::ServerFailed)
            }
        }
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        let mut body = problem.members;
        let (kind, title) = match problem.kind {
            Some(kind) => (format!("urn:nodelock:problem:{}", kind.code()), kind.to_string()),
            None => ("about:blank".into(), problem.status.canonical_reason().unwrap_or_default().to_owned()),
        };
        body.insert("type".into(), kind.into());
        body.insert("title".into(), title.into());
        body.insert("status".into(), problem.status.as_u16().into());
        if let Some(detail) = problem.detail {
            body.insert("detail".into(), detail.into());
        }
        let mut response = (problem.status, json!(body).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = problem.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if let Some(kind) = problem.kind {
            response.extensions_mut().insert(Refused(kind));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.into()
    }
}
