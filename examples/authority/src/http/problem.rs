//! Problem details (RFC 9457): what is refused, with the code of the client's error kind.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use nodelock::{ErrorKind, SeatList, Timestamp};
use serde::{Deserialize, Serialize};
use tracing::{error, warn};
use utoipa::ToSchema;

use super::{device::Message, log::Refused};
use crate::failure::Failure;

/// How long to wait when too many codes were tried at a seat. That is forgotten within a day.
const LONG: Duration = Duration::from_secs(60 * 60);
/// How long to wait for a database that is busy, or for the place of the ledger's page.
const SHORT: Duration = Duration::from_secs(2);

/// An answer that refuses.
pub(super) struct Problem {
    status: StatusCode,
    /// None for what is plain HTTP and has nothing to do with licensing.
    kind: Option<ErrorKind>,
    /// What this authority alone refuses with: the code, and what it means.
    own: Option<&'static (&'static str, &'static str)>,
    detail: Option<String>,
    retry_after: Option<Duration>,
    seats: Option<Box<SeatList>>,
    trial_ended: Option<Timestamp>,
    more: Box<Members>,
    /// What is wrong with a value: of the authority's own, unless somebody's call brought it.
    invalid: Option<String>,
}

/// What an answer that refuses may say beside its reason.
#[derive(Default)]
pub(super) struct Members {
    pub(super) kept: Option<bool>,
    pub(super) mended: Option<Vec<String>>,
    pub(super) receipts: Option<Vec<Message>>,
}

/// A seat that a refusal for want of one tells of.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ListedSeat {
    /// Its name.
    seat: String,
    /// What its device is called; empty where the license does not have it told.
    label: String,
    /// The day on which its device was last heard of: its first second, since 1970.
    last_contact: u64,
    /// When it lapses, in seconds since 1970; null for never.
    lapses: Option<u64>,
    /// Whether a request that names it takes its place.
    replaceable: bool,
}

/// RFC 9457. `type` ends in the stable code of the client's error kind, or of this authority's own, or is
/// `about:blank` for what is plain HTTP.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Details {
    #[schema(format = "uri-reference", examples("urn:nodelock:problem:no-free-seat"))]
    pub(crate) r#type: String,
    pub(crate) title: String,
    #[schema(format = "uint16")]
    pub(crate) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) detail: Option<String>,
    /// Whether the evidence is kept until the request of its seat arrives.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) kept: Option<bool>,
    /// Typing errors that were mended, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) mended: Option<Vec<String>>,
    /// For the seats that came along.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) receipts: Option<Vec<Message>>,
    /// With `no-free-seat`: when the next seat lapses, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) next_lapse: Option<u64>,
    /// With `no-free-seat`: the seats that lapse first, as the license has them told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) seats: Option<Vec<ListedSeat>>,
    /// With `trial-used`: when the trial of the machine ended, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) trial_ended: Option<u64>,
}

impl From<&nodelock::ListedSeat> for ListedSeat {
    fn from(seat: &nodelock::ListedSeat) -> Self {
        Self {
            seat: seat.handle.to_string(),
            label: seat.label.clone(),
            last_contact: seat.last_contact.unix_seconds(),
            lapses: seat.lapses.map(Timestamp::unix_seconds),
            replaceable: seat.replaceable,
        }
    }
}

impl Problem {
    pub(super) fn of(kind: ErrorKind) -> Self {
        Self { kind: Some(kind), ..Self::http(status(kind)) }
    }

    /// A problem that the status says all about.
    pub(super) fn http(status: StatusCode) -> Self {
        let (kind, own, detail, retry_after, seats, trial_ended) = (None, None, None, None, None, None);
        let (more, invalid) = (Box::default(), None);
        Self { status, kind, own, detail, retry_after, seats, trial_ended, more, invalid }
    }

    pub(super) fn malformed(detail: &str) -> Self {
        Self::of(ErrorKind::Malformed).detail(detail)
    }

    /// What this authority alone refuses with: the code, and what it means.
    pub(super) fn own(status: StatusCode, why: &'static (&'static str, &'static str)) -> Self {
        Self { own: Some(why), ..Self::http(status) }
    }

    pub(super) fn detail(self, detail: &str) -> Self {
        Self { detail: Some(detail.to_owned()), ..self }
    }

    pub(super) fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// The same for a call whose values are the caller's: what is wrong with one of them is the caller's to mend.
    pub(super) fn of_callers_values(self) -> Self {
        match self.invalid {
            Some(what) => {
                let why = &("invalid-input", "A value that cannot be");
                Self::own(StatusCode::BAD_REQUEST, why).detail(&what)
            }
            None => self,
        }
    }

    pub(super) fn with(self, more: Members) -> Self {
        Self { more: Box::new(more), ..self }
    }

    /// The seats that there are, when none is free.
    pub(super) fn seats(&self) -> Option<&SeatList> {
        self.seats.as_deref()
    }

    pub(super) fn kind(&self) -> Option<ErrorKind> {
        self.kind
    }

    /// The stable code; none for what is plain HTTP.
    pub(super) fn code(&self) -> Option<&'static str> {
        self.kind.map(ErrorKind::code).or(self.own.map(|(code, _)| *code))
    }

    /// What exactly is wrong, in words; none where the code says all there is.
    pub(super) fn said(&self) -> Option<&str> {
        self.detail.as_deref()
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
    StatusCode::from_u16(kind.http_status()).expect("the catalogue has statuses of HTTP")
}

impl From<nodelock::Error> for Problem {
    fn from(error: nodelock::Error) -> Self {
        Failure::from(error).into()
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match &failure {
            Failure::Rule(error) if status(error.kind()).is_client_error() => {
                let problem = Self::of(error.kind()).detail(&error.to_string());
                let (seats, trial_ended) = (error.seats().cloned().map(Box::new), error.trial_ended());
                Self { seats, trial_ended, ..problem }
            }
            Failure::Rule(error) if error.kind() == ErrorKind::InvalidInput => {
                Self { invalid: Some(error.to_string()), ..Self::of(ErrorKind::ServerFailed) }
            }
            // Devices ask for nothing that this can be answered to.
            Failure::Rule(error) if error.kind() == ErrorKind::NotHeld => {
                Self::own(StatusCode::CONFLICT, &("not-held", "The seat is not held"))
                    .detail(&error.to_string())
            }
            Failure::TooManyAttempts => {
                Self::of(ErrorKind::TooManyAttempts).detail(&failure.message()).after(LONG)
            }
            Failure::PeerMustWait(wait) | Failure::TooManyUnseen { wait, .. } => {
                Self::of(ErrorKind::TooManyAttempts).detail(&failure.message()).after(*wait)
            }
            Failure::Unauthenticated => {
                Self::own(StatusCode::UNAUTHORIZED, &("unauthenticated", "No valid token"))
            }
            Failure::SignInRefused => {
                Self::own(StatusCode::UNAUTHORIZED, &("sign-in-refused", "Wrong name, password or code"))
            }
            Failure::Forbidden(_) => {
                Self::own(StatusCode::FORBIDDEN, &("forbidden", "Not within the rights"))
                    .detail(&failure.message())
            }
            Failure::QuotaUsedUp { .. } => {
                Self::own(StatusCode::FORBIDDEN, &("quota-used-up", "Done too often"))
                    .detail(&failure.message())
            }
            Failure::DeploymentKeyUsedUp(_) => {
                Self::of(ErrorKind::DeploymentKeyUsedUp).detail(&failure.message())
            }
            Failure::KeyReused => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Self::own(status, &("key-reused", "Another call under the same key"))
                    .detail(&failure.message())
            }
            Failure::AnsweredBefore => {
                Self::own(StatusCode::CONFLICT, &("answered-before", "Answered before"))
                    .detail(&failure.message())
            }
            Failure::OrderDiffers(..) => {
                let why = &("order-differs", "Another order was sold under that id");
                Self::own(StatusCode::CONFLICT, why).detail(&failure.message())
            }
            Failure::AmbiguousOrder(_) => {
                Self::own(StatusCode::CONFLICT, &("ambiguous-order", "Several orders have that id"))
                    .detail("name one with `product` and `seller`")
            }
            Failure::AmbiguousSeat => {
                let why = &("ambiguous-seat", "Several devices have a seat of that handle");
                Self::own(StatusCode::CONFLICT, why).detail("name one with `device`")
            }
            Failure::Superseded { .. } => {
                Self::own(StatusCode::PRECONDITION_FAILED, &("superseded", "Changed meanwhile"))
                    .detail(&failure.message())
            }
            Failure::Void(_) => {
                Self::own(StatusCode::CONFLICT, &("void", "The license is void")).detail(&failure.message())
            }
            Failure::UnknownProduct(_) => {
                Self::own(StatusCode::NOT_FOUND, &("unknown-product", "There is no such product"))
                    .detail(&failure.message())
            }
            Failure::UnknownCustomer(_) => {
                Self::own(StatusCode::NOT_FOUND, &("unknown-customer", "There is no such customer"))
                    .detail(&failure.message())
            }
            Failure::Erased(_) => {
                Self::own(StatusCode::CONFLICT, &("erased", "What was noted of the customer was erased"))
                    .detail(&failure.message())
            }
            Failure::UnknownOrder(_) => {
                Self::own(StatusCode::NOT_FOUND, &("unknown-order", "There is no such order"))
                    .detail(&failure.message())
            }
            Failure::UnknownAccount(_) => {
                Self::own(StatusCode::NOT_FOUND, &("unknown-account", "There is no such account"))
                    .detail(&failure.message())
            }
            Failure::UnknownCredential(_) => {
                let why = &("unknown-credential", "There is no such token or deployment key");
                Self::own(StatusCode::NOT_FOUND, why).detail(&failure.message())
            }
            Failure::NoSuchKey(_) | Failure::NotOneKey(_) => {
                Self::own(StatusCode::NOT_FOUND, &("no-such-key", "The license has no such key"))
                    .detail(&failure.message())
            }
            Failure::KeyNotKept => Self::own(StatusCode::CONFLICT, &("key-not-kept", "The key is not kept"))
                .detail("give the license a new one with `rekey`"),
            Failure::VaultMissing => {
                Self::own(StatusCode::CONFLICT, &("vault-missing", "What opens the key is missing"))
                    .detail("it is kept in a vault whose key is not on the server")
            }
            Failure::CustomerThere(_) => {
                let why = &("customer-there", "Another customer has that external id");
                Self::own(StatusCode::CONFLICT, why).detail(&failure.message())
            }
            Failure::AccountExists(_) => {
                Self::own(StatusCode::CONFLICT, &("account-exists", "There is such an account"))
                    .detail(&failure.message())
            }
            Failure::UnknownWebhook(_) => {
                Self::own(StatusCode::NOT_FOUND, &("unknown-webhook", "There is no such webhook"))
                    .detail(&failure.message())
            }
            Failure::NotMailed(_) => {
                Self::own(StatusCode::CONFLICT, &("not-mailed", "Nothing can be mailed"))
                    .detail(&failure.message())
            }
            Failure::KeyInUse => {
                Self::own(StatusCode::CONFLICT, &("key-in-use", "There is a license with that key"))
            }
            Failure::Usage(text) => Self::malformed(text),
            // Said once where it happened: whoever asks must not fill the log.
            Failure::PageStuck { .. } => Self::of(ErrorKind::ServerBusy).after(SHORT),
            _ if failure.is_busy() => {
                warn!(event = "busy", error = failure.message());
                Self::of(ErrorKind::ServerBusy).after(SHORT)
            }
            _ => {
                // The operator reads why, the client only that.
                error!(event = "failed", error = failure.message());
                Self::of(ErrorKind::ServerFailed)
            }
        }
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        if let Some(what) = &problem.invalid {
            error!(event = "failed", error = what);
        }
        let code = problem.code();
        let (r#type, title) = match (problem.kind, problem.own) {
            (Some(kind), _) => (format!("urn:nodelock:problem:{}", kind.code()), kind.to_string()),
            (None, Some((code, title))) => (format!("urn:nodelock:problem:{code}"), (*title).to_owned()),
            (None, None) => {
                ("about:blank".into(), problem.status.canonical_reason().unwrap_or_default().to_owned())
            }
        };
        let status = problem.status.as_u16();
        let Members { kept, mended, receipts } = *problem.more;
        let next_lapse =
            problem.seats.as_ref().and_then(|seats| seats.next_lapse).map(Timestamp::unix_seconds);
        let seats = problem.seats.map(|list| list.seats.iter().map(ListedSeat::from).collect());
        let (detail, trial_ended) = (problem.detail, problem.trial_ended.map(Timestamp::unix_seconds));
        let details =
            Details { r#type, title, status, detail, kept, mended, receipts, next_lapse, seats, trial_ended };
        let mut response = (problem.status, json_text(&details)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = problem.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if status == StatusCode::UNAUTHORIZED.as_u16() {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(code) = code {
            response.extensions_mut().insert(Refused(code));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.into()
    }
}

/// Values of ours are texts, numbers and lists of them, which can always be written.
pub(super) fn json_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the members are named by texts")
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn each_kind_that_an_authority_refuses_with_says_what_the_library_says() {
        let mut told = 0;
        for kind in ErrorKind::ALL {
            let error = nodelock::Error::new(*kind, format!("{kind:?}: seat 7KX2M9 has 3 of 4"));
            let said = error.to_string();
            let response = Response::from(Problem::from(error));
            let status = response.status();
            let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
            let json: Value = serde_json::from_slice(&body).unwrap();
            if *kind == ErrorKind::NotHeld {
                // The vendor's people alone hear of it, so the library has no status for it.
                assert_eq!((status.as_u16(), &json["detail"]), (409, &said.into()));
                assert_eq!(json["type"], "urn:nodelock:problem:not-held");
            } else if status.is_client_error() {
                assert_eq!(json["type"], format!("urn:nodelock:problem:{}", kind.code()));
                assert_eq!((&json["title"], &json["detail"]), (&kind.text().into(), &said.into()));
                assert_eq!(status.as_u16(), kind.http_status());
                told += 1;
            } else {
                // What the authority itself is to blame for is nobody else's business.
                assert_eq!(json["type"], "urn:nodelock:problem:server-failed", "{kind:?}");
                assert!(json["detail"].is_null(), "{json}");
            }
        }
        assert!(told > 20, "{told}");
    }
}
