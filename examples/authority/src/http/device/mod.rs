//! The calls of devices: JSON that carries signed messages.

mod activate;
mod check_in;
mod deactivate;
mod preflight;

use std::sync::Arc;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use nodelock::{DeactivationReceipt, ErrorKind, License, Revocation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Server, permits,
    problem::{Problem, json_text},
};

pub(super) fn routes() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new()
        .routes(routes!(activate::activate))
        .routes(routes!(preflight::preflight))
        .routes(routes!(deactivate::deactivate))
        .routes(routes!(check_in::check_in))
}

/// A signed message, or several in a row, in base64url without padding. Requests may have the armored text or
/// base32 form too.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(max_length = 1_048_576)]
pub(crate) struct Message(String);

impl Message {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Message {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

macro_rules! messages {
    ($($of:ty)*) => {
        $(impl From<&$of> for Message {
            fn from(message: &$of) -> Self {
                Self(message.to_base64url())
            }
        })*
    };
}

messages! { License DeactivationReceipt Revocation }

/// A call that is one signed message.
#[derive(Deserialize, ToSchema)]
struct Ask {
    request: Message,
}

/// An answer in JSON.
pub(super) struct JsonAnswer<T>(pub(super) T);

impl<T: Serialize> IntoResponse for JsonAnswer<T> {
    fn into_response(self) -> Response {
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        (headers, json_text(&self.0)).into_response()
    }
}

/// Does what a call asks for to its end.
pub(super) async fn finish<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    permits::finish(work).await.unwrap_or_else(|_| Err(Problem::of(ErrorKind::ServerFailed)))
}
