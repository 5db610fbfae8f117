//! Functions of the host that the library calls.

use std::ffi::{c_char, c_void};

use super::{
    boundary::Result,
    transport::{nodelock_answer, nodelock_post},
};
use crate::{Clock, Error, ErrorKind, Timestamp};

/// Called once with the user data of a callback, when the library has no more use for it: when the config and every
/// client made of it are freed, when another callback takes its place, or at once when it could not be registered. From
/// whichever thread does that.
pub type nodelock_finalize_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// The time: seconds since 1970-01-01T00:00:00Z. Replaces the system's clock, for tests.
pub type nodelock_clock_fn = Option<unsafe extern "C" fn(user_data: *mut c_void) -> u64>;

/// Brings a request to the authority and waits for the answer, with the host's own HTTP.
///
/// POST the bytes of `post` to its address as `application/json`, follow no redirect, and do not try again: the library
/// does. Give back what was answered, whatever its HTTP status, with nodelock_answer_set(), and return NODELOCK_OK.
/// Otherwise return NODELOCK_UNREACHABLE, NODELOCK_TIMED_OUT, NODELOCK_CANCELLED (after
/// nodelock_post_is_cancelled()), NODELOCK_TLS_UNTRUSTED, NODELOCK_TLS_WRONG_HOST, NODELOCK_TLS_EXPIRED,
/// NODELOCK_BAD_REPLY or NODELOCK_UNSUPPORTED; anything else counts as NODELOCK_UNREACHABLE. `post` and `answer` are
/// lent until it returns.
pub type nodelock_transport_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        post: *const nodelock_post,
        answer: *mut nodelock_answer,
    ) -> u32,
>;

/// Told what an online call is doing: NODELOCK_EVENT_SENDING with the number of the attempt, from 1 on, or
/// NODELOCK_EVENT_WAITING with how long the call waits before it tries again, or NODELOCK_EVENT_NO_TOMBSTONE.
pub type nodelock_progress_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, event: u32, attempt: u32, pause_milliseconds: u64)>;

/// Told what calls on a client do, for a log. `call` is the function's name, such as `nodelock_client_activate`.
///
/// `event` is NODELOCK_EVENT_SENDING, NODELOCK_EVENT_WAITING or NODELOCK_EVENT_NO_TOMBSTONE during an online call, with
/// the number of the `attempt`, `status` NODELOCK_OK and an empty `message`; or NODELOCK_EVENT_DONE at the end of a
/// call, with its status and the words of its error. A check that goes well is not worth a line and has none. There is
/// never a key, a code or a hardware identifier in it. The texts are lent until it returns.
pub type nodelock_log_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        event: u32,
        call: *const c_char,
        attempt: u32,
        status: u32,
        message: *const c_char,
    ),
>;

/// A request is on its way, for the first time or again.
pub const NODELOCK_EVENT_SENDING: u32 = 1;
/// The call waits before it tries again.
pub const NODELOCK_EVENT_WAITING: u32 = 2;
/// The call is over.
pub const NODELOCK_EVENT_DONE: u32 = 3;
/// The license is gone from this machine, and no tombstone could be left: a warning, see nodelock_proof_tombstone().
pub const NODELOCK_EVENT_NO_TOMBSTONE: u32 = 4;

/// What a callback was registered with. Dropping it is the end of it.
pub(super) struct Owner {
    user_data: *mut c_void,
    finalize: nodelock_finalize_fn,
}

// SAFETY: the header asks for user data that may be used from every thread that calls into the client.
unsafe impl Send for Owner {}
// SAFETY: as above.
unsafe impl Sync for Owner {}

impl Owner {
    pub(super) fn new(user_data: *mut c_void, finalize: nodelock_finalize_fn) -> Self {
        Self { user_data, finalize }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(finalize) = self.finalize {
            // SAFETY: the host's function with the host's data, once.
            unsafe { finalize(self.user_data) }
        }
    }
}

/// A function of the host with what it is to be called with.
pub(super) struct Callback<F> {
    function: F,
    owner: Owner,
}

impl<F: Copy> Callback<F> {
    /// Takes what `owner` owns, unless there is no function.
    pub(super) fn new(function: Option<F>, owner: &mut Owner) -> Result<Self> {
        let missing = || Error::new(ErrorKind::InvalidInput, "the callback is NULL");
        let function = function.ok_or_else(missing)?;
        Ok(Self { function, owner: Owner { finalize: owner.finalize.take(), ..*owner } })
    }

    pub(super) fn function(&self) -> F {
        self.function
    }

    pub(super) fn user_data(&self) -> *mut c_void {
        self.owner.user_data
    }
}

/// The function in one of the types above, which is there.
type Present<T> = <T as Function>::Pointer;
pub(super) trait Function {
    type Pointer;
}
impl<F> Function for Option<F> {
    type Pointer = F;
}

pub(super) type ClockCallback = Callback<Present<nodelock_clock_fn>>;
pub(super) type TransportCallback = Callback<Present<nodelock_transport_fn>>;
pub(super) type ProgressCallback = Callback<Present<nodelock_progress_fn>>;
pub(super) type LogCallback = Callback<Present<nodelock_log_fn>>;

/// The host's clock.
pub(super) struct HostClock(pub(super) std::sync::Arc<ClockCallback>);

impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        // SAFETY: the host's function with the host's data.
        Timestamp::from_unix_seconds(unsafe { self.0.function()(self.0.user_data()) })
    }
}

impl ProgressCallback {
    pub(super) fn call(&self, event: u32, attempt: u32, pause: std::time::Duration) {
        let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        // SAFETY: the host's function with the host's data.
        unsafe { self.function()(self.user_data(), event, attempt, pause) }
    }
}

impl LogCallback {
    pub(super) fn call(&self, event: u32, call: &std::ffi::CStr, attempt: u32, status: u32, message: &str) {
        let message = super::boundary::c_string(message);
        // SAFETY: the host's function with the host's data, and texts that live until it returns.
        unsafe { self.function()(self.user_data(), event, call.as_ptr(), attempt, status, message.as_ptr()) }
    }
}
