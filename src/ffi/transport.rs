//! The host's own HTTP.

use std::{
    ffi::{CString, c_char},
    ptr,
    sync::Arc,
    time::Duration,
};

use zeroize::Zeroizing;

use super::{
    boundary::{c_string, fallible, lend_bytes, look, object_mut, slice},
    callback::TransportCallback,
    error::nodelock_error,
    status::{kind_of, nodelock_status},
};
use crate::{Answer, CancelToken, Error, ErrorKind, Post, Result, Transport, transport::too_long};

/// A request to the authority: a POST of JSON. Lent to a nodelock_transport_fn until that returns. It holds license
/// keys, proofs and credentials: log its address, not its content.
pub struct nodelock_post {
    url: CString,
    user_agent: CString,
    /// With its NUL.
    authorization: Option<Zeroizing<Vec<u8>>>,
    body: Zeroizing<Vec<u8>>,
    limit: usize,
    timeout: Duration,
    cancel: CancelToken,
}

/// Where an answer of the authority goes. Lent to a nodelock_transport_fn until that returns.
pub struct nodelock_answer {
    answer: Option<Answer>,
    limit: usize,
    too_long: bool,
}

pub(super) struct HostTransport(pub(super) Arc<TransportCallback>);

impl Transport for HostTransport {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        if post.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, ""));
        }
        let request = nodelock_post {
            url: c_string(post.url),
            user_agent: c_string(post.user_agent),
            authorization: post
                .authorization
                .map(|authorization| Zeroizing::new([authorization.as_bytes(), b"\0"].concat())),
            body: Zeroizing::new(post.body.to_vec()),
            limit: post.limit,
            timeout: post.timeout,
            cancel: post.cancel.clone(),
        };
        let mut answer = nodelock_answer { answer: None, limit: post.limit, too_long: false };
        // SAFETY: the host's function with the host's data, and two objects that live until it returns.
        let status = unsafe { self.0.function()(self.0.user_data(), &raw const request, &raw mut answer) };
        match (status, answer.answer) {
            (0, Some(answer)) => Ok(answer),
            (0, None) if answer.too_long => Err(too_long(post.limit)),
            (0, None) => Err(Error::new(
                ErrorKind::BadReply,
                "the host's transport reports success and gave no answer",
            )),
            (status, _) => {
                let kind = may_claim(status);
                let text = format!("{kind} (the host's transport returned {status})");
                Err(Error::new(kind, text))
            }
        }
    }
}

/// What a transport may say went wrong.
fn may_claim(status: u32) -> ErrorKind {
    let own = |kind: &ErrorKind| {
        matches!(
            kind,
            ErrorKind::Unsupported
                | ErrorKind::TimedOut
                | ErrorKind::Cancelled
                | ErrorKind::TlsUntrusted
                | ErrorKind::TlsWrongHost
                | ErrorKind::TlsExpired
                | ErrorKind::BadReply
        )
    };
    kind_of(status).filter(own).unwrap_or(ErrorKind::Unreachable)
}

/// The whole address. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_post_url(post: *const nodelock_post) -> *const c_char {
    // SAFETY: NULL or a request that lives.
    unsafe { look(post, ptr::null(), |post| post.url.as_ptr()) }
}

/// The bytes to post, of type `application/json`, and how many they are if `size` is not NULL. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_post_data(post: *const nodelock_post, size: *mut usize) -> *const u8 {
    // SAFETY: NULL or a request that lives; NULL or a place for the size.
    unsafe { lend_bytes(post, size, |post| &post.body) }
}

/// What the library calls itself: the `User-Agent`. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_post_user_agent(post: *const nodelock_post) -> *const c_char {
    // SAFETY: NULL or a request that lives.
    unsafe { look(post, ptr::null(), |post| post.user_agent.as_ptr()) }
}

/// The header `Authorization`; NULL for no such header, and for NULL. Send it as it is, to this address and to no other
/// one: it is a secret. Without it a deployment key (nodelock_config_set_deployment_key()) does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_post_authorization(post: *const nodelock_post) -> *const c_char {
    // SAFETY: NULL or a request that lives.
    unsafe {
        look(post, ptr::null(), |post| {
            post.authorization.as_ref().map_or(ptr::null(), |authorization| authorization.as_ptr().cast())
        })
    }
}

/// How many bytes of an answer are looked at: no need to read on beyond that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_post_limit(post: *const nodelock_post) -> usize {
    // SAFETY: NULL or a request that lives.
    unsafe { look(post, 0, |post| post.limit) }
}

/// How long the whole exchange may take, in milliseconds: rounded up, so that it is never 0, which many HTTP libraries
/// take as no limit. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_post_timeout(post: *const nodelock_post) -> u64 {
    // SAFETY: NULL or a request that lives.
    unsafe {
        look(post, 0, |post| {
            let milliseconds = post.timeout.as_nanos().div_ceil(1_000_000).max(1);
            u64::try_from(milliseconds).unwrap_or(u64::MAX)
        })
    }
}

/// Whether the call was cancelled from another thread. Look now and then while waiting.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_post_is_cancelled(post: *const nodelock_post) -> bool {
    // SAFETY: NULL or a request that lives.
    unsafe { look(post, false, |post| post.cancel.is_cancelled()) }
}

/// Gives back what was answered: the HTTP status, and the body, which is copied. NULL is fine for an empty one.
///
/// NODELOCK_BAD_REPLY: longer than nodelock_post_limit(); what was given back before does not count any more.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_answer_set(
    answer: *mut nodelock_answer,
    http_status: u32,
    data: *const u8,
    size: usize,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an answer that lives; as many bytes as said; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let answer = object_mut(answer, "answer")?;
            let status = u16::try_from(http_status).ok().filter(|status| (100..=599).contains(status));
            let status =
                status.ok_or_else(|| Error::range("http_status", "", http_status.into(), 100, 599))?;
            let body = slice(data, size, "data")?;
            // Also when this one is too long, which an earlier one must not stand in for.
            let before = answer.answer.take();
            answer.too_long = body.len() > answer.limit;
            if answer.too_long {
                return Err(too_long(answer.limit).into());
            }
            let retry_after = before.and_then(|answer| answer.retry_after);
            answer.answer = Some(Answer { status, body: body.to_vec(), retry_after });
            Ok(())
        })
    }
}

/// Gives back how many seconds a `Retry-After` header asks for. Call it after nodelock_answer_set().
///
/// NODELOCK_INVALID_INPUT: there is no answer yet.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_answer_set_retry_after(
    answer: *mut nodelock_answer,
    seconds: u64,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an answer that lives; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let answer = object_mut(answer, "answer")?;
            let missing = || {
                Error::new(
                    ErrorKind::InvalidInput,
                    "there is no answer yet: call nodelock_answer_set() first",
                )
            };
            let answer = answer.answer.as_mut().ok_or_else(missing)?;
            answer.retry_after = Some(Duration::from_secs(seconds));
            Ok(())
        })
    }
}
