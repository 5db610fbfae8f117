//! The online calls.

use std::{
    ffi::{CStr, c_char},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use super::{
    boundary::{Out, Result, fallible, object, optional_text},
    call::nodelock_call,
    callback::{NODELOCK_EVENT_NO_TOMBSTONE, NODELOCK_EVENT_SENDING, NODELOCK_EVENT_WAITING},
    client::{nodelock_client, reason},
    details::nodelock_details,
    error::{CallError, nodelock_error},
    license::nodelock_license,
    receipt::{nodelock_receipt, nodelock_receipts},
    status::nodelock_status,
};
use crate::{Online, Progress};

impl nodelock_client {
    /// One online call, limited and followed as the caller wants.
    pub(super) unsafe fn run_online<R>(
        &self,
        name: &CStr,
        call: *const nodelock_call,
        mut act: impl FnMut(Online<'_>) -> Result<R>,
    ) -> Result<R> {
        let mut result = None;
        let mut keep = |online: Online<'_>| {
            result = Some(act(online)?);
            Ok(())
        };
        // SAFETY: the caller gives NULL or a call that lives.
        unsafe { self.online(name, call, &mut keep) }?;
        result.ok_or_else(CallError::internal)
    }

    /// The part of `run_online` that is there once and not for each result.
    unsafe fn online(
        &self,
        name: &CStr,
        call: *const nodelock_call,
        act: &mut dyn FnMut(Online<'_>) -> Result<()>,
    ) -> Result<()> {
        // SAFETY: the caller gives NULL or a call that lives.
        let call = unsafe { call.as_ref() };
        let settings = call.map(nodelock_call::settings).unwrap_or_default();
        let attempts = AtomicU32::new(0);
        let listener = |progress| {
            let (event, pause) = match progress {
                Progress::Sending { attempt } => {
                    attempts.store(attempt, Ordering::Relaxed);
                    (NODELOCK_EVENT_SENDING, Duration::ZERO)
                }
                Progress::Waiting { pause } => (NODELOCK_EVENT_WAITING, pause),
                Progress::NoTombstone => (NODELOCK_EVENT_NO_TOMBSTONE, Duration::ZERO),
            };
            let attempt = attempts.load(Ordering::Relaxed);
            if let Some(progress) = &settings.progress {
                progress.call(event, attempt, pause);
            }
            if let Some(log) = &self.log {
                log.call(event, name, attempt, nodelock_status::NODELOCK_OK as u32, "");
            }
        };
        self.run(name, |client| {
            let mut online = client.online().progress(&listener);
            if let Some(call) = call {
                online = online.cancel_with(&call.cancel);
            }
            if let Some(timeout) = settings.timeout {
                online = online.within(timeout);
            }
            act(online)
        })
    }
}

/// Takes a seat: nodelock_client_begin(), unless the same request is pending already, then sends it, installs the
/// answer and checks. `license_key` may be NULL as there, `details` and `call` too. Where the details name a seat to
/// replace, a request that waits for a seat of the same license is taken back first. Without a license key it asks with
/// the deployment key, if one was set (nodelock_config_set_deployment_key()), and for a trial otherwise.
///
/// When the authority refuses for good, the request is taken back and nothing is pending any more:
/// NODELOCK_UNKNOWN_LICENSE, NODELOCK_LICENSE_ENDED and others. When it cannot be reached, or with
/// NODELOCK_NO_FREE_SEAT, the request stays pending: call again, or carry it by hand. nodelock_error_seat_count() and
/// its neighbors say what seats there are then; another call may name one of them to replace, also when the one that
/// was named may not be. Fails too as nodelock_client_begin() and nodelock_client_install() do, with the codes of the
/// way to the authority, and with NODELOCK_UNSUPPORTED when the client was set up without an authority.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_activate(
    client: *const nodelock_client,
    license_key: *const c_char,
    details: *const nodelock_details,
    call: *const nodelock_call,
    license: *mut *mut nodelock_license,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client, details and a call that live; NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let license = Out::new(license)?;
            let client = object(client, "client")?;
            let license_key = optional_text(license_key, "license_key")?;
            let options = details.as_ref().cloned().unwrap_or_default().options(license_key);
            license.set(client.run_online(c"nodelock_client_activate", call, |online| {
                Ok(online.activate_with(&options)?)
            })?);
            Ok(())
        })
    }
}

/// Gives the seat up: asks the authority first whether it may, then nodelock_client_deactivate_offline(), then sends
/// the proof and takes in the receipt. `call` may be NULL.
///
/// Fails while the license is still active when the authority cannot be reached, or says
/// NODELOCK_DEACTIVATION_NOT_ALLOWED. When it fails after the license is gone, nodelock_error_proof() is what was given
/// up: show its code, or call nodelock_client_hand_in() later. Otherwise as nodelock_client_deactivate_offline(), with
/// NODELOCK_NO_RANDOM and with the codes of the way to the authority.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_deactivate(
    client: *const nodelock_client,
    reason: u32,
    call: *const nodelock_call,
    receipt: *mut *mut nodelock_receipt,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client and a call that live; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let receipt = Out::new(receipt)?;
            let client = object(client, "client")?;
            let reason = self::reason(reason)?;
            receipt.set(
                client.run_online(c"nodelock_client_deactivate", call, |online| {
                    Ok(online.deactivate(reason)?)
                })?,
            );
            Ok(())
        })
    }
}

/// Renews the license, and with it the machine's fingerprint and the time, or learns that the vendor released the seat,
/// which ends the license. What is outstanding is handed in first. Then checks. `call` may be NULL.
///
/// NODELOCK_NOT_ACTIVE, NODELOCK_NO_RANDOM, what the authority says, the codes of the way to it, and the codes of the
/// store.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_check_in(
    client: *const nodelock_client,
    call: *const nodelock_call,
    license: *mut *mut nodelock_license,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client and a call that live; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let license = Out::new(license)?;
            let client = object(client, "client")?;
            license
                .set(client.run_online(c"nodelock_client_check_in", call, |online| Ok(online.check_in()?))?);
            Ok(())
        })
    }
}

/// Sends what was given up and has no receipt, oldest first, all of it even if some is refused, and takes in the
/// receipts. Never NULL after NODELOCK_OK; there are none in it if nothing was outstanding. `call` may be NULL.
///
/// Fails with the first failure: what the authority says, the codes of the way to it, the codes of the store.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_hand_in(
    client: *const nodelock_client,
    call: *const nodelock_call,
    receipts: *mut *mut nodelock_receipts,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client and a call that live; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let receipts = Out::<nodelock_receipts>::new(receipts)?;
            let client = object(client, "client")?;
            receipts
                .set(client.run_online(c"nodelock_client_hand_in", call, |online| Ok(online.hand_in()?))?);
            Ok(())
        })
    }
}

/// Takes a new seat in place of the one whose record is damaged or gone: nodelock_client_recover_offline(), then sends
/// the request, installs the answer and checks. `call` may be NULL.
///
/// NODELOCK_ALREADY_ACTIVE: there is nothing to recover from. NODELOCK_UNKNOWN_SEAT: the authority knows no seat of
/// this device. Otherwise as nodelock_client_activate().
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_recover(
    client: *const nodelock_client,
    call: *const nodelock_call,
    license: *mut *mut nodelock_license,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client and a call that live; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let license = Out::new(license)?;
            let client = object(client, "client")?;
            license.set(client.run_online(c"nodelock_client_recover", call, |online| Ok(online.recover()?))?);
            Ok(())
        })
    }
}
