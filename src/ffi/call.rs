//! How an online call is limited, followed and cancelled.

use std::{
    ffi::c_void,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    boundary::{Out, fallible, free, look, object},
    callback::{Callback, Owner, ProgressCallback, nodelock_finalize_fn, nodelock_progress_fn},
    error::nodelock_error,
    status::nodelock_status,
};
use crate::CancelToken;

/// How an online call is limited, followed and cancelled. Belongs to the caller and must outlive the calls that it is
/// given to. It may be given to several calls, at a time or in turn; nodelock_call_cancel() may be called from any
/// thread at any time; what is set counts for the calls that begin after it.
#[derive(Default)]
pub struct nodelock_call {
    pub(super) cancel: CancelToken,
    // Behind a lock, because another thread may cancel while this one sets something.
    settings: Mutex<CallSettings>,
}

#[derive(Clone, Default)]
pub(super) struct CallSettings {
    pub(super) timeout: Option<Duration>,
    pub(super) progress: Option<Arc<ProgressCallback>>,
}

impl nodelock_call {
    /// What is set by now.
    pub(super) fn settings(&self) -> CallSettings {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, CallSettings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes one that limits nothing.
///
/// Fails as every call does, with NODELOCK_INVALID_INPUT for NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_call_new(
    call: *mut *mut nodelock_call,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            Out::<nodelock_call>::new(call)?.set(nodelock_call::default());
            Ok(())
        })
    }
}

/// How long a call may take in all, with every exchange and attempt, in milliseconds: then it fails with
/// NODELOCK_TIMED_OUT. Without it, what nodelock_config_set_patience() says is all there is.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_call_set_timeout(
    call: *mut nodelock_call,
    milliseconds: u64,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a call that lives; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            object(call, "call")?.locked().timeout = Some(Duration::from_millis(milliseconds));
            Ok(())
        })
    }
}

/// Has `progress` told what a call is doing, from the thread that makes the call, with no lock held. `finalize` may be
/// NULL; see nodelock_finalize_fn for when it is called, also if this fails.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_call_set_progress(
    call: *mut nodelock_call,
    user_data: *mut c_void,
    progress: nodelock_progress_fn,
    finalize: nodelock_finalize_fn,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    let mut owner = Owner::new(user_data, finalize);
    // SAFETY: NULL or a call that lives; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let progress = Arc::new(Callback::new(progress, &mut owner)?);
            let before = object(call, "call")?.locked().progress.replace(progress);
            // Its finalizer is the host's and may use the call, so the lock is released by now.
            drop(before);
            Ok(())
        })
    }
}

/// Asks every call that was given this to return NODELOCK_CANCELLED, at once or soon. What was done until then stays
/// done. It stays used: a later call returns at once. From any thread. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_call_cancel(call: *const nodelock_call) {
    // SAFETY: NULL or a call that lives.
    unsafe { look(call, (), |call| call.cancel.cancel()) }
}

/// Whether it was cancelled. From any thread. False for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_call_is_cancelled(call: *const nodelock_call) -> bool {
    // SAFETY: NULL or a call that lives.
    unsafe { look(call, false, |call| call.cancel.is_cancelled()) }
}

/// Frees it, once the calls that it was given to have returned. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_call_free(call: *mut nodelock_call) {
    // SAFETY: NULL or a call that nobody uses any more.
    unsafe { free(call) }
}
