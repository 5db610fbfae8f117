//! What goes wrong between an application and its authority.

use std::time::Duration;

use crate::{Answer, Error, ErrorKind, NetworkFailure, Post, Result};

/// What becomes of a call to a [`TestAuthority`](super::TestAuthority).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nobody can be reached: [`ErrorKind::Unreachable`]. Nothing arrives.
    Down,
    /// Nothing arrives and nothing is said. The call waits until its time is up, [`ErrorKind::TimedOut`], or until it
    /// is cancelled.
    Silent,
    /// Nothing arrives: [`ErrorKind::TimedOut`] at once, for a test that need not wait.
    TimedOut,
    /// The answer comes that much later.
    Slow(Duration),
    /// The authority decides and stores, and its answer gets lost: [`ErrorKind::Unreachable`].
    AnswerLost,
    /// The same, and half of the answer comes: [`ErrorKind::BadReply`].
    AnswerCut,
    /// Something else answers, as a hotel's page for its guests does: [`ErrorKind::BadReply`].
    Stranger,
    /// The authority has no time, and asks for a pause: [`ErrorKind::ServerBusy`].
    Busy {
        /// The pause it asks for.
        retry_after: Option<Duration>,
    },
    /// The authority fails: [`ErrorKind::ServerFailed`].
    Failed,
    /// The server's certificate is from nobody who is trusted: [`ErrorKind::TlsUntrusted`].
    TlsUntrusted,
    /// The server's certificate is for another host: [`ErrorKind::TlsWrongHost`].
    TlsWrongHost,
    /// The server's certificate has expired, or the local clock is wrong: [`ErrorKind::TlsExpired`].
    TlsExpired,
    /// The authority refuses with that kind, and decides nothing. What an authority tells no device is to the
    /// client that it failed: [`ErrorKind::ServerFailed`].
    Refused(ErrorKind),
}

impl Fault {
    /// Lets a call meet this fault. `decide` has the authority decide and answer.
    pub(super) fn meet(self, post: &Post<'_>, decide: impl FnOnce() -> Answer) -> Result<Answer> {
        let fail = |kind| Err(Error::about(kind, "a fault of this test"));
        match self {
            Self::Down => {
                fail(ErrorKind::Unreachable).map_err(|error| error.with_source(NetworkFailure::Refused))
            }
            Self::Silent => {
                post.cancel.sleep(post.timeout)?;
                fail(ErrorKind::TimedOut)
            }
            Self::TimedOut => fail(ErrorKind::TimedOut),
            Self::Slow(pause) if pause >= post.timeout => Self::Silent.meet(post, decide),
            Self::Slow(pause) => {
                post.cancel.sleep(pause)?;
                Ok(decide())
            }
            Self::AnswerLost => {
                decide();
                fail(ErrorKind::Unreachable)
            }
            Self::AnswerCut => {
                let mut answer = decide();
                answer.body.truncate(answer.body.len() / 2);
                Ok(answer)
            }
            Self::Stranger => {
                Ok(Answer { status: 200, body: b"<html>Welcome</html>".to_vec(), retry_after: None })
            }
            Self::Busy { retry_after } => Ok(Answer { status: 503, body: Vec::new(), retry_after }),
            Self::Failed => Ok(Answer { status: 500, body: Vec::new(), retry_after: None }),
            Self::TlsUntrusted => fail(ErrorKind::TlsUntrusted),
            Self::TlsWrongHost => fail(ErrorKind::TlsWrongHost),
            Self::TlsExpired => fail(ErrorKind::TlsExpired),
            Self::Refused(kind) => Ok(super::http::refusal(&Error::new(kind, ""))),
        }
    }
}
