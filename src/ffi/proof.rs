//! Seats given up, in every form they can be handed over.

use std::{ffi::c_char, ptr, sync::OnceLock};

use super::{
    boundary::{Lent, Out, fallible, free, lend_bytes, lend_nth, look, object, text, written},
    error::nodelock_error,
    qr::nodelock_qr,
    status::nodelock_status,
};
use crate::Deactivation;

/// Nothing was said why a seat was given up.
pub const NODELOCK_REASON_OTHER: u32 = 0;
/// The license moves to another machine.
pub const NODELOCK_REASON_MOVED: u32 = 1;
/// The machine is taken out of service.
pub const NODELOCK_REASON_RETIRED: u32 = 2;
/// The system or the application is installed again.
pub const NODELOCK_REASON_REINSTALLED: u32 = 3;
/// The activation request was cancelled before a license came.
pub const NODELOCK_REASON_CANCELLED: u32 = 4;

/// A seat given up: the license is gone from this machine, and the authority frees the seat on this proof, in any of
/// its forms, or on its code. Belongs to the caller, unless it was lent; may be read from any number of threads.
/// Freeing it loses nothing: nodelock_client_outstanding() shows the same again until the receipt has come.
pub struct nodelock_proof {
    deactivation: Deactivation,
    bytes: OnceLock<Vec<u8>>,
    seat: Lent,
    code: Lent,
    armored: Lent,
    base64url: Lent,
    base32: Lent,
}

impl From<Deactivation> for nodelock_proof {
    fn from(deactivation: Deactivation) -> Self {
        Self {
            deactivation,
            bytes: OnceLock::new(),
            seat: Lent::default(),
            code: Lent::default(),
            armored: Lent::default(),
            base64url: Lent::default(),
            base32: Lent::default(),
        }
    }
}

/// The code to read over the phone: 25 symbols in five groups, `17KX2-M928T-5CY4T-QKFFW-EZFWM`. Who has it can free the
/// seat, so it belongs on the screen and not into a log. Lent until the proof is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_proof_code(proof: *const nodelock_proof) -> *const c_char {
    // SAFETY: NULL or a proof that lives.
    unsafe { look(proof, ptr::null(), |proof| proof.code.get(|| written(proof.deactivation.code()))) }
}

/// The seat that was given up, such as `7KX2M9`. Lent until the proof is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_proof_seat(proof: *const nodelock_proof) -> *const c_char {
    // SAFETY: NULL or a proof that lives.
    unsafe { look(proof, ptr::null(), |proof| proof.seat.get(|| proof.deactivation.handle().to_string())) }
}

/// When it was given up by the local clock, in seconds since 1970. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_proof_time(proof: *const nodelock_proof) -> u64 {
    // SAFETY: NULL or a proof that lives.
    unsafe { look(proof, 0, |proof| proof.deactivation.time().unix_seconds()) }
}

/// Why it was given up: one of NODELOCK_REASON_*.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_proof_reason(proof: *const nodelock_proof) -> u32 {
    // SAFETY: NULL or a proof that lives.
    unsafe { look(proof, NODELOCK_REASON_OTHER, |proof| proof.deactivation.reason().number().into()) }
}

/// NODELOCK_OK, or why no tombstone could be left, in the result of the call that gave the seat up: a warning. The seat
/// is given up all the same, but a copy of the store from before may go unnoticed by nodelock_client_check() until its
/// lease ends. Any later change of the store tries again. NODELOCK_OK for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_proof_tombstone(proof: *const nodelock_proof) -> nodelock_status {
    let status = |proof: &nodelock_proof| {
        proof.deactivation.tombstone_error().map_or(nodelock_status::NODELOCK_OK, |error| error.kind().into())
    };
    // SAFETY: NULL or a proof that lives.
    unsafe { look(proof, nodelock_status::NODELOCK_OK, status) }
}

/// As a text file with readable headers, for mail and forms. Lent until the proof is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_proof_text(proof: *const nodelock_proof) -> *const c_char {
    // SAFETY: NULL or a proof that lives.
    unsafe { look(proof, ptr::null(), |proof| proof.armored.get(|| proof.deactivation.to_text())) }
}

/// As one line of base64url, for links and fields. Lent until the proof is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_proof_base64url(proof: *const nodelock_proof) -> *const c_char {
    // SAFETY: NULL or a proof that lives.
    unsafe { look(proof, ptr::null(), |proof| proof.base64url.get(|| proof.deactivation.to_base64url())) }
}

/// As one line of base32, which a QR code stores most compactly. Lent until the proof is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_proof_base32(proof: *const nodelock_proof) -> *const c_char {
    // SAFETY: NULL or a proof that lives.
    unsafe { look(proof, ptr::null(), |proof| proof.base32.get(|| proof.deactivation.to_base32())) }
}

/// As bytes, and how many they are if `size` is not NULL. Lent until the proof is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_proof_data(proof: *const nodelock_proof, size: *mut usize) -> *const u8 {
    // SAFETY: NULL or a proof that lives; NULL or a place for the size.
    unsafe {
        lend_bytes(proof, size, |proof| proof.bytes.get_or_init(|| proof.deactivation.to_bytes()).as_slice())
    }
}

/// As a QR code of `link` followed by the proof in base32; see nodelock_request_qr().
///
/// NODELOCK_TOO_LARGE: more than a QR code holds. NODELOCK_UNSUPPORTED: this build has no QR codes.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_proof_qr(
    proof: *const nodelock_proof,
    link: *const c_char,
    qr: *mut *mut nodelock_qr,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a proof that lives; NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let qr = Out::new(qr)?;
            let proof = object(proof, "proof")?;
            qr.set(nodelock_qr::encode(text(link, "link")?, &proof.deactivation.to_base32())?);
            Ok(())
        })
    }
}

/// Frees a proof that belongs to the caller, not one that was lent. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_proof_free(proof: *mut nodelock_proof) {
    // SAFETY: NULL or a proof that nobody uses any more.
    unsafe { free(proof) }
}

/// Several proofs, oldest first. Belongs to the caller; may be read from any number of threads.
pub struct nodelock_proofs(Vec<nodelock_proof>);

impl From<Vec<Deactivation>> for nodelock_proofs {
    fn from(deactivations: Vec<Deactivation>) -> Self {
        Self(deactivations.into_iter().map(nodelock_proof::from).collect())
    }
}

/// How many there are. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_proofs_count(proofs: *const nodelock_proofs) -> usize {
    // SAFETY: NULL or proofs that live.
    unsafe { look(proofs, 0, |proofs| proofs.0.len()) }
}

/// One of them, by its place from 0 on. Lent until all of them are freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_proofs_get(
    proofs: *const nodelock_proofs,
    index: usize,
) -> *const nodelock_proof {
    // SAFETY: NULL or proofs that live.
    unsafe { lend_nth(proofs, index, |proofs| &proofs.0) }
}

/// Frees all of them. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_proofs_free(proofs: *mut nodelock_proofs) {
    // SAFETY: NULL or proofs that nobody uses any more.
    unsafe { free(proofs) }
}
