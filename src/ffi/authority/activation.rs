//! Activation files.

use std::{
    ffi::{CString, c_char},
    ptr,
};

use super::{
    decision::{NODELOCK_DECISION_GRANTED, NODELOCK_DECISION_REPEATED, nodelock_decision},
    issuer::nodelock_issuer,
    records,
    release::nodelock_release,
};
use crate::{
    Binding, Error, ErrorKind, LicenseId, SystemRandom, Timestamp,
    authority::{
        ActivationFile,
        ledger::{self, Activation, Claim, Seat, SeatState},
    },
    ffi::{
        boundary::{
            Out, Result, SecretText, c_string, fallible, free, lend_nth, look, object, optional_text, slice,
            text,
        },
        code::nodelock_readings,
        error::nodelock_error,
        status::nodelock_status,
    },
    system,
};

/// An activation file that was read and verified: a request, with the seats given up that came along. Free those first
/// (nodelock_release_redeem()), whatever becomes of the request: their device has lost its licenses already. Belongs to the caller;
/// may be read from any number of threads.
pub struct nodelock_activation {
    pub(super) file: ActivationFile,
    releases: Vec<nodelock_release>,
    seat: CString,
    device: CString,
    product: CString,
    license_key: SecretText,
    application: CString,
    metadata: Vec<(CString, CString)>,
}

impl From<ActivationFile> for nodelock_activation {
    fn from(file: ActivationFile) -> Self {
        let request = &file.request;
        let pair = |(name, value): &(String, String)| (c_string(&**name), c_string(&**value));
        Self {
            releases: file.releases.iter().cloned().map(nodelock_release::from).collect(),
            seat: c_string(request.handle.to_string()),
            device: c_string(request.device_key.to_string()),
            product: c_string(&*request.product),
            license_key: SecretText::new(&*request.license_key),
            application: c_string(&*request.application),
            metadata: request.metadata.iter().map(pair).collect(),
            file,
        }
    }
}

/// Reads an activation file in any form: bytes, text, base64url, base32 behind a link.
///
/// The codes of a message.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_activation_read(
    data: *const u8,
    size: usize,
    activation: *mut *mut nodelock_activation,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: as many bytes as said; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let activation = Out::<nodelock_activation>::new(activation)?;
            activation.set(ActivationFile::read(slice(data, size, "data")?)?);
            Ok(())
        })
    }
}

/// The seat it asks for, such as `7KX2M9`: with the device key, what the database knows it by. Lent until the activation is freed.
/// NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_seat(activation: *const nodelock_activation) -> *const c_char {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, ptr::null(), |activation| activation.seat.as_ptr()) }
}

/// The device's public key: 43 characters of base64url. Lent until the activation is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_device_key(
    activation: *const nodelock_activation,
) -> *const c_char {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, ptr::null(), |activation| activation.device.as_ptr()) }
}

/// The product. Lent until the activation is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_product(
    activation: *const nodelock_activation,
) -> *const c_char {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, ptr::null(), |activation| activation.product.as_ptr()) }
}

/// The license key, which finds the license; may be empty. A secret. Lent until the activation is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_license_key(
    activation: *const nodelock_activation,
) -> *const c_char {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, ptr::null(), |activation| activation.license_key.as_ptr()) }
}

/// The version of the application; may be empty. Lent until the activation is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_application(
    activation: *const nodelock_activation,
) -> *const c_char {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, ptr::null(), |activation| activation.application.as_ptr()) }
}

/// How many entries the application's metadata has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_metadata_count(activation: *const nodelock_activation) -> usize {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, 0, |activation| activation.metadata.len()) }
}

/// The name of an entry, by its place from 0 on. Lent until the activation is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_metadata_name(
    activation: *const nodelock_activation,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or an activation that lives.
    unsafe {
        look(activation, ptr::null(), |activation| {
            activation.metadata.get(index).map_or(ptr::null(), |(name, _)| name.as_ptr())
        })
    }
}

/// The value of an entry, by its place from 0 on. Lent until the activation is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_metadata_value(
    activation: *const nodelock_activation,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or an activation that lives.
    unsafe {
        look(activation, ptr::null(), |activation| {
            activation.metadata.get(index).map_or(ptr::null(), |(_, value)| value.as_ptr())
        })
    }
}

/// Whether the device says that its store was lost: then give its active seats to nodelock_activation_grant() as lost ones. False for
/// a request with a license key, which recovers nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_is_recovery(activation: *const nodelock_activation) -> bool {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, false, |activation| is_recovery(&activation.file)) }
}

/// How many seats given up came along.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_release_count(activation: *const nodelock_activation) -> usize {
    // SAFETY: NULL or an activation that lives.
    unsafe { look(activation, 0, |activation| activation.releases.len()) }
}

/// A seat given up that came along, by its place from 0 on. Lent until the activation is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_release(
    activation: *const nodelock_activation,
    index: usize,
) -> *const nodelock_release {
    // SAFETY: NULL or an activation that lives.
    unsafe { lend_nth(activation, index, |activation| &activation.releases) }
}

/// Answers a request, after the seats that came along were freed.
///
/// - `terms`: those of the license that its license key finds, or that the vendor assigned, or of `known_seat`;
/// - `taken`, `deactivated`: how many seats of that license are `active` or `held`, and how many are `counted`;
/// - `known_seat`: the seat of that name and device key, NULL if there is none;
/// - `held_seat`: a seat of that license in state `held` for the same device key, NULL if there is none;
/// - `lost_seats`: for a recovery, the `active` seats of that license for the same device key, which take nothing when the
///   request is known already; NULL and 0 otherwise;
/// - `now`: the time.
///
/// NODELOCK_DECISION_GRANTED or NODELOCK_DECISION_REPEATED. NODELOCK_WRONG_PRODUCT, NODELOCK_LICENSE_ENDED, NODELOCK_NO_FREE_SEAT,
/// NODELOCK_WRONG_REQUEST: another request under the same name; NODELOCK_CANCELLED, NODELOCK_GIVEN_UP, NODELOCK_REVOKED: a seat
/// whose life is over takes no seat again. NODELOCK_UNKNOWN_SEAT, NODELOCK_WRONG_MACHINE: a lost seat that is not this device's.
/// NODELOCK_CERTIFICATE_EXPIRED: the issuer must not sign now. NODELOCK_INVALID_INPUT: records that do not belong together.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_activation_grant(
    activation: *const nodelock_activation,
    issuer: *const nodelock_issuer,
    terms: *const c_char,
    taken: u32,
    deactivated: u32,
    known_seat: *const c_char,
    held_seat: *const c_char,
    lost_seats: *const *const c_char,
    lost_count: usize,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or objects that live; NULL or texts; as many texts as said; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let decision = Out::new(decision)?;
            let activation = object(activation, "activation")?;
            let issuer = &object(issuer, "issuer")?.0;
            let terms = records::terms(text(terms, "terms")?)?;
            let usage = records::usage(taken, deactivated);
            let read = |json, what| optional_text(json, what)?.map(records::seat).transpose();
            let known = read(known_seat, "known_seat")?;
            let held = read(held_seat, "held_seat")?;
            let lost = slice(lost_seats, lost_count, "lost_seats")?;
            let lost = lost
                .iter()
                .map(|json| records::seat(text(*json, "lost_seats")?))
                .collect::<Result<Vec<_>>>()?;
            decision.set(grant(
                &activation.file,
                issuer,
                &terms,
                usage,
                known.as_ref(),
                held.as_ref(),
                lost,
                Timestamp::from_unix_seconds(now),
            )?);
            Ok(())
        })
    }
}

fn is_recovery(file: &ActivationFile) -> bool {
    file.recovery.is_some() && file.request.license_key.is_empty()
}

#[allow(clippy::too_many_arguments, reason = "what the rule asks for")]
fn grant(
    file: &ActivationFile,
    issuer: &crate::authority::Issuer,
    terms: &ledger::LicenseTerms,
    mut usage: ledger::Usage,
    known: Option<&Seat>,
    held: Option<&Seat>,
    lost: Vec<Seat>,
    now: Timestamp,
) -> Result<nodelock_decision> {
    let request = &file.request;
    let mixed_up = |what| Err(Error::new(ErrorKind::InvalidInput, what).into());
    if known.is_some_and(|seat| (seat.handle, seat.device_key) != (request.handle, request.device_key)) {
        return mixed_up("known_seat: of another name or device");
    }
    let of_this = |seat: &Seat| seat.license_id == terms.id && seat.device_key == request.device_key;
    if known.is_some_and(|seat| seat.license_id != terms.id && seat.license_id != LicenseId::NONE) {
        return mixed_up("terms: of another license than the known seat's");
    }
    if held.is_some_and(|seat| !of_this(seat) || seat.state != SeatState::Held) {
        return mixed_up("held_seat: of another license or device, or not held");
    }
    if !lost.is_empty() && !is_recovery(file) {
        return mixed_up("lost_seats: the request is no recovery");
    }
    if lost.iter().any(|seat| !of_this(seat)) {
        return mixed_up("lost_seats: of another license or device");
    }
    let claim = Claim::from(request);
    let mut changed = Vec::new();
    // An echo frees nothing: whatever the device holds by now came after its loss.
    if known.is_none() {
        for seat in &lost {
            changed.push(ledger::recover(terms, seat, &claim, now)?);
            usage.taken = usage.taken.saturating_sub(1);
        }
    }
    let token = system::random(&SystemRandom)?;
    let left = terms.deactivations_left(usage);
    match ledger::activate(terms, usage, known, held, &claim, token, now)? {
        Activation::Repeated(seat) => {
            let license = issuer.license(terms, &seat, left, now)?;
            nodelock_decision::licensed(NODELOCK_DECISION_REPEATED, [], &license)
        }
        Activation::Granted { seat, instead_of } => {
            let license = issuer.license(terms, &seat, left, now)?;
            changed.extend(instead_of);
            changed.insert(0, seat);
            nodelock_decision::licensed(NODELOCK_DECISION_GRANTED, &changed, &license)
        }
    }
}

/// Remembers a request as cancelled because a deactivation code came before it, for a seat that was not known then: `index` says
/// which of the readings. `license` is the id of the license that its license key finds, NULL if none. Takes some 50 ms if the code
/// names that seat.
///
/// NODELOCK_DECISION_RETURNED. NODELOCK_WRONG_CODE: the code is not that device's. NODELOCK_CERTIFICATE_EXPIRED: the issuer must not
/// sign now; keep both and try again with another.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_activation_cancel_by_code(
    activation: *const nodelock_activation,
    readings: *const nodelock_readings,
    index: usize,
    issuer: *const nodelock_issuer,
    license: *const c_char,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or objects that live; NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let decision = Out::new(decision)?;
            let request = &object(activation, "activation")?.file.request;
            let code = object(readings, "readings")?.deactivation_code(index)?;
            let issuer = &object(issuer, "issuer")?.0;
            let license = license_id(optional_text(license, "license")?)?;
            let now = Timestamp::from_unix_seconds(now);
            if !request.is_given_up_by(code) {
                return Err(Error::new(ErrorKind::WrongCode, "deactivation code").into());
            }
            let released = ledger::cancel(&request.into(), license, now);
            let receipt = issuer.receipt(&released, Binding::code(code), now)?;
            decision.set(nodelock_decision::released(Some(&released.seat), released.outcome, &receipt)?);
            Ok(())
        })
    }
}

pub(super) fn license_id(text: Option<&str>) -> Result<LicenseId> {
    Ok(text.map_or(Ok(LicenseId::NONE), str::parse)?)
}

/// Frees an activation. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_activation_free(activation: *mut nodelock_activation) {
    // SAFETY: NULL or an activation that nobody uses any more.
    unsafe { free(activation) }
}
