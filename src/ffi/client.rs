//! The client: everything that needs no network.

use std::{
    ffi::{CStr, c_char},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    boundary::{Out, OutPlace, Result, contained, fallible, free, look, object, optional_text, slice},
    callback::{LogCallback, NODELOCK_EVENT_DONE},
    config::nodelock_config,
    details::nodelock_details,
    error::{CallError, nodelock_error},
    fingerprint::nodelock_fingerprint,
    license::nodelock_license,
    proof::{nodelock_proof, nodelock_proofs},
    receipt::nodelock_receipt,
    request::nodelock_request,
    revocation::nodelock_revocation,
    status::nodelock_status,
};
use crate::{Client, Error, ErrorKind, Kind, Reason};

/// One product's licensing on this machine. Belongs to the caller. Every call on it may be made from any number of
/// threads at a time, and any number of clients, in any number of processes, may share a store. Calls that only look
/// (nodelock_client_check) never wait for calls that write.
pub struct nodelock_client {
    client: Client,
    pub(super) log: Option<Arc<LogCallback>>,
    /// A panic may have left the client half-way between two states of memory; what is on the disk is whole.
    poisoned: AtomicBool,
}

impl nodelock_client {
    pub(super) fn new(client: Client, log: Option<Arc<LogCallback>>) -> Self {
        Self { client, log, poisoned: AtomicBool::new(false) }
    }

    /// One call on the client, with its line in the log.
    pub(super) fn run<R>(&self, name: &CStr, act: impl FnMut(&Client) -> Result<R>) -> Result<R> {
        let result = self.quietly(act);
        self.tell(name, result.as_ref().err());
        result
    }

    /// The same, which is worth a line only when it goes wrong.
    fn run_unless_well<R>(&self, name: &CStr, act: impl FnMut(&Client) -> Result<R>) -> Result<R> {
        let result = self.quietly(act);
        if let Err(failure) = &result {
            self.tell(name, Some(failure));
        }
        result
    }

    fn tell(&self, name: &CStr, failure: Option<&CallError>) {
        if let Some(log) = &self.log {
            let status = failure.map_or(nodelock_status::NODELOCK_OK, CallError::status);
            log.call(NODELOCK_EVENT_DONE, name, 0, status as u32, failure.map_or("", CallError::message));
        }
    }

    fn quietly<R>(&self, mut act: impl FnMut(&Client) -> Result<R>) -> Result<R> {
        let mut result = None;
        self.contain(&mut |client| result = Some(act(client)));
        result.unwrap_or_else(|| Err(CallError::internal()))
    }

    /// Calls `act` once, unless it or another before it panics.
    fn contain(&self, act: &mut dyn FnMut(&Client)) {
        if !self.poisoned.load(Ordering::Acquire) && contained(|| act(&self.client)).is_none() {
            self.poisoned.store(true, Ordering::Release);
        }
    }
}

pub(super) fn reason(number: u32) -> Result<Reason> {
    let known = u8::try_from(number)
        .ok()
        .map(Reason::from_number)
        .filter(|reason| u32::from(reason.number()) == number && *reason != Reason::Cancelled);
    let wrong = || {
        let text = format!("reason is {number}; one of NODELOCK_REASON_* is expected, and not cancelled");
        Error::new(ErrorKind::InvalidInput, text)
    };
    Ok(known.ok_or_else(wrong)?)
}

/// Makes a client on these settings. Nothing is read or written yet.
///
/// NODELOCK_INVALID_INPUT: a setting is out of its range, or there is no root. NODELOCK_UNSUPPORTED: the user has no
/// home directory, or there is an authority and this build has no HTTP of its own and was given no transport.
/// NODELOCK_TLS_UNTRUSTED: only given certificates are to be trusted, and none was given.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_new(
    config: *const nodelock_config,
    client: *mut *mut nodelock_client,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody changes meanwhile; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let client = Out::new(client)?;
            let config = object(config, "config")?;
            client.set(nodelock_client::new(config.client()?, config.log.clone()));
            Ok(())
        })
    }
}

/// Whether the application may run, and what the license says. Reads only, takes no lock and needs no network; fast
/// enough to be called often: a store that has not changed is noticed by one look at its file. What is wrong with a
/// license, or with the store, is a verdict and no failure.
///
/// NODELOCK_ACCESS_DENIED, NODELOCK_IO: the store cannot be read at all.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_check(
    client: *const nodelock_client,
    license: *mut *mut nodelock_license,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client that lives; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let license = Out::new(license)?;
            let client = object(client, "client")?;
            license.set(client.run_unless_well(c"nodelock_client_check", |client| Ok(client.check()?))?);
            Ok(())
        })
    }
}

/// Records what a check only sees: that time has passed, so that a clock set back is noticed, and that the machine has
/// changed, from when on the grace period counts. Call it once in each run of the application, when
/// nodelock_license_should_observe() says so. Stores in `wrote` whether it wrote, which it does at most once an hour.
///
/// Fails with the codes of the store.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_observe(
    client: *const nodelock_client,
    wrote: *mut bool,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client that lives; NULL or a place for the answer; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let wrote = OutPlace::new(wrote, false)?;
            let client = object(client, "client")?;
            wrote.set(client.run(c"nodelock_client_observe", |client| Ok(client.observe()?))?);
            Ok(())
        })
    }
}

/// Asks for a seat: makes the device's key if it has none, and keeps the request until it is answered or cancelled.
/// Hand the request to the authority. Typing errors in `license_key` are mended; it may be NULL where the vendor
/// assigns licenses by hand. `details` may be NULL. Where they name a seat to replace, cancel the request that waits
/// for a seat first. Asking again shows the same request: with the same license key and seat, and nothing else to tell
/// the vendor.
///
/// A license that has ended is set aside, and what nodelock_config_set_replace() says gives way too.
///
/// NODELOCK_ALREADY_ACTIVE: something else is there, which nodelock_error_already() names. NODELOCK_UNREADABLE_CODE,
/// NODELOCK_WRONG_TYPE: not a license key. NODELOCK_TOO_MANY_OUTSTANDING, NODELOCK_INVALID_INPUT, NODELOCK_NO_RANDOM,
/// and the codes of the store.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_begin(
    client: *const nodelock_client,
    license_key: *const c_char,
    details: *const nodelock_details,
    request: *mut *mut nodelock_request,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client and details that live; NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let request = Out::new(request)?;
            let client = object(client, "client")?;
            let license_key = optional_text(license_key, "license_key")?;
            let options = details.as_ref().cloned().unwrap_or_default().options(license_key);
            request.set(client.run(c"nodelock_client_begin", |client| Ok(client.begin_with(&options)?))?);
            Ok(())
        })
    }
}

/// The pending request, to hand it over again. NODELOCK_OK and NULL if none is pending. What is shown is made durable
/// first, so this opens the store like a call that writes.
///
/// Fails with the codes of the store.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_pending(
    client: *const nodelock_client,
    request: *mut *mut nodelock_request,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client that lives; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let request = Out::new(request)?;
            let client = object(client, "client")?;
            request.set_if(client.run(c"nodelock_client_pending", |client| Ok(client.pending()?))?);
            Ok(())
        })
    }
}

/// Takes the pending request back. The authority may have granted it, so this gives a seat up: hand the proof over, or
/// let the next request carry it.
///
/// NODELOCK_NOT_PENDING, and the codes of the store.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_cancel(
    client: *const nodelock_client,
    proof: *mut *mut nodelock_proof,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client that lives; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let proof = Out::new(proof)?;
            let client = object(client, "client")?;
            proof.set(client.run(c"nodelock_client_cancel", |client| Ok(client.cancel()?))?);
            Ok(())
        })
    }
}

/// Asks for a new seat in place of the one whose record is damaged or gone. The authority frees the old seat and grants
/// the new one in one step, without counting a deactivation. Hand the request to the authority like any other.
///
/// NODELOCK_ALREADY_ACTIVE: there is nothing to recover from. NODELOCK_CORRUPT: the device's key is damaged or gone
/// too. And the codes of the store.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_recover_offline(
    client: *const nodelock_client,
    request: *mut *mut nodelock_request,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client that lives; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let request = Out::new(request)?;
            let client = object(client, "client")?;
            let recover = |client: &Client| Ok(client.recover_offline()?);
            request.set(client.run(c"nodelock_client_recover_offline", recover)?);
            Ok(())
        })
    }
}

/// Installs a license, and the receipts that came with it, from a file in any form: bytes, text, base64url. Then
/// checks. A renewal replaces the active license; the one that is installed is accepted again and changes nothing.
///
/// The codes of a message, NODELOCK_NOT_PENDING, NODELOCK_UNKNOWN_SEAT, and the codes of the store.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_install(
    client: *const nodelock_client,
    data: *const u8,
    size: usize,
    license: *mut *mut nodelock_license,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client that lives; as many bytes as said; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let license = Out::new(license)?;
            let client = object(client, "client")?;
            let data = slice(data, size, "data")?;
            let accept = |client: &Client| Ok(client.accept_kind(data, Kind::License)?.into_status());
            license.set(client.run(c"nodelock_client_install", accept)?);
            Ok(())
        })
    }
}

/// Takes in whatever the authority sent, from a file in any form: a license, receipts, a revocation. Then checks.
///
/// Fails as nodelock_client_install() does.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_accept(
    client: *const nodelock_client,
    data: *const u8,
    size: usize,
    license: *mut *mut nodelock_license,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client that lives; as many bytes as said; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let license = Out::new(license)?;
            let client = object(client, "client")?;
            let data = slice(data, size, "data")?;
            let accept = |client: &Client| Ok(client.accept(data)?.into_status());
            license.set(client.run(c"nodelock_client_accept", accept)?);
            Ok(())
        })
    }
}

/// Takes in a receipt, from a file in any form: the seat is no longer outstanding. The same receipt again changes
/// nothing.
///
/// The codes of a message, NODELOCK_UNKNOWN_SEAT, and the codes of the store.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_accept_receipt(
    client: *const nodelock_client,
    data: *const u8,
    size: usize,
    receipt: *mut *mut nodelock_receipt,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client that lives; as many bytes as said; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let receipt = Out::new(receipt)?;
            let client = object(client, "client")?;
            let data = slice(data, size, "data")?;
            let accept = |client: &Client| {
                let accepted = client.accept_kind(data, Kind::DeactivationReceipt)?;
                Ok(accepted.receipts()[0].clone())
            };
            receipt.set(client.run(c"nodelock_client_accept_receipt", accept)?);
            Ok(())
        })
    }
}

/// Takes in a revocation, from a file in any form: the license of that seat ends.
///
/// The codes of a message, NODELOCK_UNKNOWN_SEAT, and the codes of the store.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_accept_revocation(
    client: *const nodelock_client,
    data: *const u8,
    size: usize,
    revocation: *mut *mut nodelock_revocation,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client that lives; as many bytes as said; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let revocation = Out::new(revocation)?;
            let client = object(client, "client")?;
            let data = slice(data, size, "data")?;
            let accept = |client: &Client| {
                let accepted = client.accept_kind(data, Kind::Revocation)?;
                Ok(accepted.revocation().expect("there is one, or it would have failed").clone())
            };
            revocation.set(client.run(c"nodelock_client_accept_revocation", accept)?);
            Ok(())
        })
    }
}

/// Gives the seat up without a network. When this returns NODELOCK_OK, the license is gone from this machine, durably;
/// the proof frees the seat: as a file, as a QR code, or as 25 symbols over the phone. `reason` is one of
/// NODELOCK_REASON_OTHER, NODELOCK_REASON_MOVED, NODELOCK_REASON_RETIRED, NODELOCK_REASON_REINSTALLED. A wrong clock,
/// changed hardware or an expired license do not stop it.
///
/// NODELOCK_NOT_ACTIVE. NODELOCK_DEACTIVATION_NOT_ALLOWED: while still active, the license has no deactivation left.
/// NODELOCK_INVALID_INPUT, NODELOCK_TOO_MANY_OUTSTANDING, and the codes of the store.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_deactivate_offline(
    client: *const nodelock_client,
    reason: u32,
    proof: *mut *mut nodelock_proof,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client that lives; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let proof = Out::new(proof)?;
            let client = object(client, "client")?;
            let reason = self::reason(reason)?;
            let deactivate = |client: &Client| Ok(client.deactivate_offline(reason)?);
            proof.set(client.run(c"nodelock_client_deactivate_offline", deactivate)?);
            Ok(())
        })
    }
}

/// Asks for a renewal of the license without a network: hand the request to the authority, and give its answer to
/// nodelock_client_accept(), which takes in a license and the revocation of a seat that the vendor released. Until then
/// the store only notes what was asked and when. Each call makes another request: hand in the latest, since the
/// authority refuses one that a later one has followed, and only the answer to the latest sets a wrong clock right. A
/// license that has expired or is not usable for another reason will do.
///
/// NODELOCK_NOT_ACTIVE, NODELOCK_NO_RANDOM, and the codes of the store.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_check_in_offline(
    client: *const nodelock_client,
    request: *mut *mut nodelock_request,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client that lives; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let request = Out::new(request)?;
            let client = object(client, "client")?;
            let check_in = |client: &Client| Ok(client.check_in_offline()?);
            request.set(client.run(c"nodelock_client_check_in_offline", check_in)?);
            Ok(())
        })
    }
}

/// The seats that were given up and whose receipts have not come, oldest first: the same proofs and codes as when they
/// were given up. Never NULL after NODELOCK_OK; there may be none in it. What is shown is made durable first, so this
/// opens the store like a call that writes.
///
/// Fails with the codes of the store.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_outstanding(
    client: *const nodelock_client,
    proofs: *mut *mut nodelock_proofs,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client that lives; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let proofs = Out::<nodelock_proofs>::new(proofs)?;
            let client = object(client, "client")?;
            proofs.set(client.run(c"nodelock_client_outstanding", |client| Ok(client.outstanding()?))?);
            Ok(())
        })
    }
}

/// What is found on this machine, and how it compares with the one that the license was issued for: for support. Probes
/// the machine; holds no value that was found.
///
/// NODELOCK_ACCESS_DENIED, NODELOCK_IO: the store cannot be read at all.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_client_fingerprint(
    client: *const nodelock_client,
    fingerprint: *mut *mut nodelock_fingerprint,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a client that lives; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let fingerprint = Out::<nodelock_fingerprint>::new(fingerprint)?;
            let client = object(client, "client")?;
            fingerprint.set(client.run(c"nodelock_client_fingerprint", |client| {
                let report = client.fingerprint_report()?;
                Ok(nodelock_fingerprint::new(&client.probe(), client.fingerprint().clone(), report))
            })?);
            Ok(())
        })
    }
}

/// Whether a call on the client ended with NODELOCK_INTERNAL, so that every other one will. From any thread. False for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_client_is_poisoned(client: *const nodelock_client) -> bool {
    // SAFETY: NULL or a client that lives.
    unsafe { look(client, false, |client| client.poisoned.load(Ordering::Acquire)) }
}

/// Frees a client, once every call on it has returned, and changes nothing in the store. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_client_free(client: *mut nodelock_client) {
    // SAFETY: NULL or a client that nobody uses any more.
    unsafe { free(client) }
}
