//! The seam between the client and HTTP: one method.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{Error, ErrorKind, Result};

/// A POST of JSON to the authority.
#[derive(Clone)]
#[non_exhaustive]
pub struct Post<'a> {
    /// The whole address.
    pub url: &'a str,
    /// The body, `application/json`.
    pub body: &'a [u8],
    /// What the library calls itself.
    pub user_agent: &'a str,
    /// The header `Authorization`; none for no such header. It is a secret: it goes to this address and to no other
    /// one, and into no log.
    pub authorization: Option<&'a str>,
    /// How many bytes of an answer are looked at; a longer one is an error.
    pub limit: usize,
    /// How long the whole exchange may take.
    pub timeout: Duration,
    /// Asks for the call to end early, from another thread.
    pub cancel: &'a CancelToken,
}

impl<'a> Post<'a> {
    /// A POST of `body` to `url`, for tests of a [`Transport`]: the client makes its own. An answer may have 1 MiB.
    ///
    /// ```
    /// # use {nodelock::{CancelToken, Post}, std::time::Duration};
    /// let cancel = CancelToken::new();
    /// let post = Post::new("https://licenses.example.com/v1/checkins", b"{}", Duration::from_secs(3), &cancel);
    /// assert_eq!(post.limit, 1 << 20);
    /// ```
    pub fn new(url: &'a str, body: &'a [u8], timeout: Duration, cancel: &'a CancelToken) -> Self {
        Self { url, body, user_agent: USER_AGENT, authorization: None, limit: 1 << 20, timeout, cancel }
    }
}

/// What the library calls itself.
pub(crate) const USER_AGENT: &str = concat!("nodelock/", env!("CARGO_PKG_VERSION"));

/// Without the body and the authorization, which hold license keys, proofs and credentials.
impl fmt::Debug for Post<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("url", &self.url).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// An answer, of whatever status.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// What a `Retry-After` header in seconds says.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// An answer without a `Retry-After`.
    ///
    /// ```
    /// # use nodelock::Answer;
    /// let answer = Answer::new(429, "try later");
    /// assert_eq!((answer.status, answer.retry_after), (429, None));
    /// ```
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), retry_after: None }
    }

    /// This answer with what its `Retry-After` says.
    ///
    /// ```
    /// # use {nodelock::Answer, std::time::Duration};
    /// let answer = Answer::new(503, "").with_retry_after(Duration::from_secs(60));
    /// assert_eq!(answer.retry_after, Some(Duration::from_secs(60)));
    /// ```
    pub fn with_retry_after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }
}

/// Brings requests to the authority. The feature `online` has one on reqwest; a host can bring its own HTTP stack.
///
/// ```
/// use nodelock::{Answer, Post, Result, Transport};
///
/// /// Counts the calls on their way.
/// struct Counted<T>(T, std::sync::atomic::AtomicU32);
///
/// impl<T: Transport> Transport for Counted<T> {
///     fn post(&self, post: &Post<'_>) -> Result<Answer> {
///         self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
///         self.0.post(post)
///     }
/// }
/// ```
pub trait Transport: Send + Sync {
    /// Posts, and waits for the answer. Follows no redirect, and does not try again: the client does.
    ///
    /// Fails with [`ErrorKind::Unreachable`], [`ErrorKind::TimedOut`], [`ErrorKind::Cancelled`],
    /// [`ErrorKind::TlsUntrusted`], [`ErrorKind::TlsWrongHost`], [`ErrorKind::TlsExpired`], or
    /// [`ErrorKind::BadReply`] for an answer beyond the limit.
    fn post(&self, post: &Post<'_>) -> Result<Answer>;
}

/// Ends a call early, from another thread. Clones are the same token.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Token>);

#[derive(Debug, Default)]
struct Token {
    used: AtomicBool,
    /// Whether its call runs on a thread that may block, so that a transport needs none of its own.
    #[cfg_attr(not(feature = "online"), allow(dead_code, reason = "the library's HTTP asks for it"))]
    may_block: bool,
}

impl CancelToken {
    /// A token that was not used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token for a call on a thread that is there to be blocked.
    #[cfg(feature = "tokio")]
    pub(crate) fn on_a_blocking_thread() -> Self {
        Self(Arc::new(Token { may_block: true, ..Token::default() }))
    }

    #[cfg(feature = "online")]
    pub(crate) fn may_block(&self) -> bool {
        self.0.may_block
    }

    /// Asks whatever call was given this token to return [`ErrorKind::Cancelled`]. It stays used.
    ///
    /// ```
    /// use nodelock::CancelToken;
    ///
    /// let cancel = CancelToken::new();
    /// let button = cancel.clone(); // for the thread that has the window
    /// button.cancel();
    /// assert!(cancel.is_cancelled());
    /// ```
    pub fn cancel(&self) {
        self.0.used.store(true, Ordering::Release);
    }

    /// Whether it was used.
    pub fn is_cancelled(&self) -> bool {
        self.0.used.load(Ordering::Acquire)
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, ""));
        }
        Ok(())
    }

    /// Sleeps, and wakes early to fail with [`ErrorKind::Cancelled`].
    pub(crate) fn sleep(&self, duration: Duration) -> Result<()> {
        let end = Instant::now() + duration;
        loop {
            self.check()?;
            match end.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => std::thread::sleep(left.min(CANCEL_INTERVAL)),
                _ => return Ok(()),
            }
        }
    }
}

/// That an answer is longer than it may be.
#[cfg(any(feature = "capi", feature = "online", feature = "testing"))]
pub(crate) fn too_long(limit: usize) -> Error {
    Error::new(ErrorKind::BadReply, format!("the answer is longer than {limit} bytes, as no authority's is"))
}

/// How soon a waiting call notices that it is to end.
pub(crate) const CANCEL_INTERVAL: Duration = Duration::from_millis(20);
