//! A call that changes something, by a key of its caller's: made again, it is answered as before.

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts as _, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header, uri::PathAndQuery},
    response::{IntoResponse, Response},
};
use nodelock::authority::{Reply, decision::Ruling};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tracing::warn;
use utoipa::ToSchema;

use super::{
    super::{
        Server, body,
        device::finish,
        problem::{Problem, json_text},
    },
    Caller,
};
use crate::{
    domain::{Actor, rights::Act},
    failure::{Failure, Result as Done},
    service::Once,
};

const KEY: &str = "idempotency-key";
/// Longer than any key in use: a UUID has 36 characters.
const LONGEST_KEY: usize = 255;

/// A call with a body of JSON and a key.
pub(super) struct Posted<T> {
    call: Call,
    /// None where there is no content at all.
    body: Option<Bytes>,
    headers: HeaderMap,
    asked: PhantomData<fn() -> T>,
}

/// Who calls, and what makes the call the same one when it is made again.
pub(super) struct Call {
    pub(super) server: Arc<Server>,
    pub(super) caller: Caller,
    once: Arc<Once>,
    /// Whether its answer goes into the transaction of what it changes.
    goes_along: Arc<AtomicBool>,
}

/// A body without members; it may be left out.
#[derive(Deserialize, ToSchema)]
pub(super) struct Nothing {}

impl<T> FromRequest<Arc<Server>> for Posted<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, server: &Arc<Server>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        // Whoever has no credential is told no more than that, and nothing of the body is read.
        let caller = Caller::from_request_parts(&mut parts, server).await?;
        let key = key(&parts.headers)?.to_owned();
        let bytes = body::read(body, body::TooLarge::Cut).await?;
        let address = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
        let version = parts.headers.get(header::IF_MATCH).map_or(&b""[..], |value| value.as_bytes());
        let said = [parts.method.as_str().as_bytes(), address.as_bytes(), version, &bytes[..]];
        let once = Arc::new(Once::new(&caller.secret, &key, &said)?);
        let goes_along = Arc::default();
        let is_there = !bytes.is_empty() || parts.headers.contains_key(header::CONTENT_TYPE);
        let call = Call { server: server.clone(), caller, once, goes_along };
        Ok(Self { call, body: is_there.then_some(bytes), headers: parts.headers, asked: PhantomData })
    }
}

impl<T> Posted<T> {
    /// The same call as a form asks for it: `key` names the form, `address` says what it is about, and `typed` is all
    /// that makes it the same form when it is sent again.
    ///
    /// Fails for a key that is none.
    pub(super) fn by_form(
        server: Arc<Server>,
        caller: Caller,
        (key, address, typed): (&str, &str, &str),
        asked: &serde_json::Value,
    ) -> Result<Self, Problem> {
        if !is_key(key) {
            return Err(Problem::malformed("the form has no name of its own"));
        }
        let said = [&b"form"[..], address.as_bytes(), typed.as_bytes()];
        let once = Arc::new(Once::new(&caller.secret, key, &said)?);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let call = Call { server, caller, once, goes_along: Arc::default() };
        Ok(Self { call, body: Some(json_text(asked).into()), headers, asked: PhantomData })
    }
}

fn is_key(key: &str) -> bool {
    (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

fn key(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(KEY).iter();
    let missing =
        || Problem::malformed("one header Idempotency-Key of 1 to 255 visible characters is expected");
    let (Some(value), None) = (values.next(), values.next()) else { return Err(missing()) };
    let key = value.to_str().map_err(|_| missing())?;
    if is_key(key) { Ok(key) } else { Err(missing()) }
}

/// JSON that was written before.
pub(super) struct JsonText(String);

impl JsonText {
    /// What it says.
    pub(super) fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl IntoResponse for JsonText {
    fn into_response(self) -> Response {
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        (headers, self.0).into_response()
    }
}

impl Call {
    /// Has an answer kept in the transaction of what the call changes, so that no end of the program comes between.
    pub(super) fn keep_along(&self, answer: &impl Serialize) -> Done<()> {
        if let Actor::Bearer(bearer) = &self.caller.occasion.actor {
            bearer.set_to_keep(Some(self.once.sealed(&json_text(answer))?));
            self.goes_along.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The same for what only a decision tells: `answer` is asked before that is stored.
    pub(super) fn keep_along_of<A: Serialize>(
        &self,
        answer: impl Fn(&Ruling, &Reply) -> Option<A> + Send + 'static,
    ) {
        if let Actor::Bearer(bearer) = &self.caller.occasion.actor {
            let (once, goes_along) = (self.once.clone(), self.goes_along.clone());
            bearer.set_to_answer(Some(Box::new(move |ruling, reply| {
                let Some(answer) = answer(ruling, reply) else { return Ok(None) };
                goes_along.store(true, Ordering::Relaxed);
                once.sealed(&json_text(&answer)).map(Some)
            })));
        }
    }

    /// Whether the answer was kept with what the call changed.
    fn is_kept(&self) -> bool {
        let Actor::Bearer(bearer) = &self.caller.occasion.actor else { return false };
        bearer.set_to_answer(None);
        let is_left = bearer.take_to_keep().is_some();
        self.goes_along.load(Ordering::Relaxed) && !is_left
    }
}

/// Does what a call asks for, unless it was done before. A refusal is not kept: the same call may be granted later.
pub(super) async fn once<T, R, F>(
    posted: Posted<T>,
    right: Act,
    act: impl FnOnce(Arc<Call>, T) -> F + Send + 'static,
) -> Result<JsonText, Problem>
where
    T: DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    F: Future<Output = Result<R, Problem>> + Send + 'static,
{
    finish(async move {
        let Posted { call, body, headers, .. } = posted;
        let call = Arc::new(call);
        let (service, occasion) = (&call.server.service, &call.caller.occasion);
        // Whoever has no right is told that, and not what is wrong with the body.
        service.may(occasion, right).await?;
        let asked = match body {
            None => body::parse(b"{}")?,
            Some(bytes) => {
                body::check_type(&headers)?;
                body::parse(&bytes)?
            }
        };
        if let Some(answer) = service.answered(&call.once, occasion).await? {
            return Ok(JsonText(answer));
        }
        match act(call.clone(), asked).await {
            Ok(answer) => {
                let text = json_text(&answer);
                if call.is_kept() {
                    return Ok(JsonText(text));
                }
                match service.keep_answer(&call.once, &text, occasion).await {
                    Ok(()) => Ok(JsonText(text)),
                    // The same call at the same time was faster, and has one answer.
                    Err(Failure::AnsweredBefore) => {
                        let before = service.answered_meanwhile(&call.once, occasion).await?;
                        Ok(JsonText(before.unwrap_or(text)))
                    }
                    Err(failure) => {
                        // It changed nothing, and doing it again does no harm.
                        warn!(event = "answer-not-kept", error = failure.message());
                        Ok(JsonText(text))
                    }
                }
            }
            // What that one did may stand in the way of this one.
            Err(problem) => {
                let stands_in_the_way =
                    [StatusCode::CONFLICT, StatusCode::PRECONDITION_FAILED, StatusCode::NOT_FOUND];
                let before = match stands_in_the_way.contains(&problem.status()) {
                    true => service.answered_meanwhile(&call.once, occasion).await?,
                    false => service.answered(&call.once, occasion).await?,
                };
                before.map(JsonText).ok_or_else(|| problem.of_callers_values())
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests;
