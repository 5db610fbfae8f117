//! Reading what a request brings, within a size and a time.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use nodelock::ErrorKind;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tokio::time::timeout;

use super::problem::Problem;

/// Larger than any file the library looks at, in base64url.
const BODY_LIMIT: usize = 1024 * 1024;
/// How long a client may take to send its body.
const BODY_TIME: Duration = Duration::from_secs(20);
/// What is too large is still read for a while and dropped: most browsers show no page while they cannot get rid of
/// their file.
const MOST_DROPPED: usize = 16 * 1024 * 1024;

/// What is done with a body that is too large.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TooLarge {
    /// The answer comes at once, and the connection ends.
    Cut,
    /// The rest is read first and dropped.
    Drop,
}

/// Why a body was not read to its end.
pub(super) enum Unread {
    TooLarge,
    TooSlow,
    /// The client ended it before it was whole.
    Cut,
}

impl From<Unread> for Problem {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge => Self::of(ErrorKind::TooLarge),
            Unread::TooSlow => Self::http(StatusCode::REQUEST_TIMEOUT),
            Unread::Cut => Self::malformed("the body was cut short"),
        }
    }
}

/// The whole body.
pub(super) async fn read(mut body: Body, too_large: TooLarge) -> Result<Bytes, Unread> {
    let read = async {
        match Limited::new(&mut body, BODY_LIMIT).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                if too_large == TooLarge::Drop {
                    let mut rest = Limited::new(body, MOST_DROPPED);
                    while let Some(Ok(_)) = rest.frame().await {}
                }
                Err(Unread::TooLarge)
            }
            Err(_) => Err(Unread::Cut),
        }
    };
    timeout(BODY_TIME, read).await.unwrap_or(Err(Unread::TooSlow))
}

/// A body of JSON. Members that are not known here are passed over.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        check_type(request.headers())?;
        let body = read(request.into_body(), TooLarge::Cut).await?;
        parse(&body).map(Self)
    }
}

/// Refuses what does not say that it is JSON.
pub(super) fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    if is_json(headers) {
        return Ok(());
    }
    let problem = Problem::http(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    Err(problem.detail("application/json is expected"))
}

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // An array could stand for the members in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::malformed("the body is not a JSON object"));
    }
    // PostgreSQL knows no texts with that letter.
    if has_nul(body) {
        return Err(Problem::malformed("a text has no NUL"));
    }
    // What exactly is wrong with it is left out: the words would quote it.
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => Problem::malformed("the members are not those that are described"),
        _ => Problem::malformed("the body is not a JSON object"),
    })
}

/// Whether a text of JSON has a NUL, which is always escaped there.
fn has_nul(body: &[u8]) -> bool {
    let mut rest = body;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        rest = &rest[at + 1..];
        if rest.starts_with(b"u0000") {
            return true;
        }
        // The letter behind it may be another one.
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
pub(super) mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use axum::body::{Body, Bytes, HttpBody};
    use hyper::body::Frame;
    use tokio::time::{Duration, Instant, Interval, interval};

    use super::{super::fixture::Authority, BODY_LIMIT, BODY_TIME, TooLarge, Unread, has_nul, read};

    const PATH: &str = "/v1/checkins";

    #[tokio::test]
    async fn what_is_not_the_json_that_is_described_is_refused_without_being_quoted() {
        let authority = Authority::new().await;
        for body in [
            "",
            "secret",
            "null",
            "[\"secret\"]",
            "{\"request\":\"secret\"",
            "{\"request\":[\"secret\"]}",
            "{}",
        ] {
            let refused = authority.post(PATH, "Application/JSON; charset=utf-8", body).await;
            assert_eq!(refused.problem(), (400, "malformed".into()), "{body}");
            assert!(!refused.body.contains("secret"), "{}", refused.body);
        }
        for content_type in ["text/plain", "application/jsonp", ""] {
            assert_eq!(authority.post(PATH, content_type, "{}").await.problem().0, 415);
        }
    }

    #[test]
    fn nul_is_found_in_json_however_it_is_escaped_and_nothing_else_is() {
        for body in [r#"{"a":"\u0000"}"#, r#"{"a":"\\\u0000b"}"#, r#"{"\u0000":1}"#] {
            assert!(has_nul(body.as_bytes()), "{body}");
        }
        for body in [r#"{"a":"\\u0000"}"#, r#"{"a":"u0000"}"#] {
            assert!(!has_nul(body.as_bytes()), "{body}");
        }
        assert!(!has_nul(b"\\") && !has_nul(b"") && !has_nul(br#"{"a":"\u0001\n"}"#));
    }

    #[tokio::test]
    async fn a_body_has_a_limit() {
        let authority = Authority::new().await;
        let padded = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
        let longest = authority.post(PATH, "application/json", padded(BODY_LIMIT)).await;
        assert_eq!(longest.problem(), (400, "malformed".into()));
        let longer = authority.post(PATH, "application/json", padded(BODY_LIMIT + 1)).await;
        assert_eq!(longer.problem(), (413, "too-large".into()));
    }

    /// A body that never comes.
    pub(in crate::http) struct Never;

    impl HttpBody for Never {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    /// A body of which one byte comes each second.
    struct Drip(Interval);

    impl HttpBody for Drip {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.poll_tick(context).map(|_| Some(Ok(Frame::data(Bytes::from_static(b" ")))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_byte_by_byte_has_the_same_deadline() {
        let start = Instant::now();
        let drip = Drip(interval(Duration::from_secs(1)));
        assert!(matches!(read(Body::new(drip), TooLarge::Cut).await, Err(Unread::TooSlow)));
        assert_eq!(start.elapsed(), BODY_TIME);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_a_deadline() {
        let start = Instant::now();
        for too_large in [TooLarge::Cut, TooLarge::Drop] {
            assert!(matches!(read(Body::new(Never), too_large).await, Err(Unread::TooSlow)));
        }
        assert_eq!(start.elapsed().as_secs(), 2 * BODY_TIME.as_secs());
    }
}
