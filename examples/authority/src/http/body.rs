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
        if !is_json(request.headers()) {
            let problem = Problem::http(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            return Err(problem.detail("application/json is expected"));
        }
        let body = read(request.into_body(), TooLarge::Cut).await?;
        // An array could stand for the members in their order.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::malformed("the body is not a JSON object"));
        }
        // What exactly is wrong with it is left out: the words would quote it.
        serde_json::from_slice(&body).map(Self).map_err(|error| match error.classify() {
            Category::Data => Problem::malformed("the members are not those that are described"),
            _ => Problem::malformed("the body is not a JSON object"),
        })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}
