//! What a check found.

use std::{
    ffi::{CString, c_char},
    ptr,
    sync::OnceLock,
};

use super::{
    boundary::{Lent, c_string, free, lend_bytes, look, name_text, put},
    status::nodelock_status,
};
use crate::{ClockError, GraceReason, License, Limit, MachineReason, Status, Timestamp, Verdict};

/// A feature's limit if it has none.
pub const NODELOCK_UNLIMITED: u64 = 0xFFFF_FFFF_FFFF_FFFF;

/// Not a wrong machine.
pub const NODELOCK_MACHINE_FITS: u32 = 0;
/// The store has another device key than the license names, or none.
pub const NODELOCK_MACHINE_DEVICE_KEY: u32 = 1;
/// The fingerprint has too little in common with the one that the license was issued for.
pub const NODELOCK_MACHINE_FINGERPRINT: u32 = 2;
/// The machine had changed, and the grace period is over.
pub const NODELOCK_MACHINE_GRACE_OVER: u32 = 3;

/// Too little of what the machine is known by could be seen, and the grace period is over. Run where it can be seen.
pub const NODELOCK_MACHINE_HIDDEN: u32 = 4;

/// What a check found: a verdict and, where there is one, the license with its terms. It does not change when the store
/// does. Belongs to the caller; may be read from any number of threads.
pub struct nodelock_license {
    status: Status,
    is_renewed: bool,
    // Made when they are first asked for: most checks ask for nothing but a verdict and a feature.
    texts: OnceLock<Box<Texts>>,
}

#[derive(Default)]
struct Texts {
    verdict: Lent,
    revocation: Lent,
    pending: Lent,
    product: Lent,
    licensee: Lent,
    edition: Lent,
    id: Lent,
    seat: Lent,
    device: Lent,
    armored: Lent,
    features: OnceLock<Vec<CString>>,
    metadata: OnceLock<Vec<(CString, CString)>>,
    changed_headers: OnceLock<Vec<CString>>,
}

impl From<Status> for nodelock_license {
    fn from(status: Status) -> Self {
        Self::started(status, false)
    }
}

impl nodelock_license {
    pub(super) fn started(status: Status, is_renewed: bool) -> Self {
        Self { status, is_renewed, texts: OnceLock::new() }
    }

    fn texts(&self) -> &Texts {
        self.texts.get_or_init(Box::default)
    }

    /// A text of the verified license; NULL without one.
    fn term(
        &self,
        text: impl FnOnce(&Texts) -> &Lent,
        make: impl FnOnce(&License) -> String,
    ) -> *const c_char {
        match self.status.license() {
            Some(license) => text(self.texts()).get(|| make(license)),
            None => ptr::null(),
        }
    }
}

/// A time of the verified license.
unsafe fn time(
    license: *const nodelock_license,
    place: *mut u64,
    time: impl FnOnce(&License) -> Option<Timestamp>,
) -> bool {
    // SAFETY: NULL or a license that lives; NULL or a place for the time.
    unsafe {
        let time = look(license, None, |license| license.status.license().and_then(time));
        put(time.map(Timestamp::unix_seconds), place)
    }
}

/// The verdict: one of NODELOCK_VERDICT_*. NODELOCK_INVALID_INPUT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_verdict(license: *const nodelock_license) -> nodelock_status {
    // SAFETY: NULL or a license that lives.
    unsafe {
        look(license, nodelock_status::NODELOCK_INVALID_INPUT, |license| license.status.verdict().into())
    }
}

/// Whether the application may run: the verdict is NODELOCK_VERDICT_ACTIVE or NODELOCK_VERDICT_GRACE. False for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_is_usable(license: *const nodelock_license) -> bool {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, false, |license| license.status.is_usable()) }
}

/// The verdict in English, such as `expired at 2027-01-31T00:00:00Z`. Lent until the license is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_verdict_text(license: *const nodelock_license) -> *const c_char {
    // SAFETY: NULL or a license that lives.
    unsafe {
        look(license, ptr::null(), |license| {
            license.texts().verdict.get(|| license.status.verdict().to_string())
        })
    }
}

/// The time that belongs to the verdict, in seconds since 1970: until when NODELOCK_VERDICT_GRACE lasts, when
/// NODELOCK_VERDICT_NOT_YET_VALID becomes valid, since when NODELOCK_VERDICT_EXPIRED or NODELOCK_VERDICT_LEASE_ENDED
/// hold, until when a version must have been released for NODELOCK_VERDICT_VERSION_NOT_COVERED. False, and nothing is
/// stored, for any other verdict.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_verdict_time(
    license: *const nodelock_license,
    seconds: *mut u64,
) -> bool {
    // SAFETY: NULL or a license that lives; NULL or a place for the time.
    unsafe {
        let time = look(license, None, |license| match *license.status.verdict() {
            Verdict::Grace { until: time, .. }
            | Verdict::NotYetValid { starts: time }
            | Verdict::Expired { at: time, .. }
            | Verdict::LeaseEnded { at: time, .. }
            | Verdict::VersionNotCovered { updates_until: time } => Some(time.unix_seconds()),
            _ => None,
        });
        put(time, seconds)
    }
}

/// How many seconds the clock was set back, for NODELOCK_VERDICT_CLOCK_SET_BACK; 0 for any other verdict.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_set_back(license: *const nodelock_license) -> u64 {
    // SAFETY: NULL or a license that lives.
    unsafe {
        look(license, 0, |license| match license.status.verdict() {
            Verdict::ClockSetBack { by } => by.as_secs(),
            _ => 0,
        })
    }
}

/// By how many seconds the clock is ahead, or if negative behind, where the authority's latest answer shows that it is
/// by more than 26 hours; 0 if it is right or nothing is known. With or without a verdict about time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_clock_error(license: *const nodelock_license) -> i64 {
    let seconds = |by: std::time::Duration| i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
    // SAFETY: NULL or a license that lives.
    unsafe {
        look(license, 0, |license| match license.status.clock_error() {
            Some(ClockError::Ahead(by)) => seconds(by),
            Some(ClockError::Behind(by)) => -seconds(by),
            None => 0,
        })
    }
}

/// Why the machine is the wrong one, for NODELOCK_VERDICT_WRONG_MACHINE: one of NODELOCK_MACHINE_*. For
/// NODELOCK_VERDICT_GRACE, NODELOCK_MACHINE_HIDDEN if too little of the machine can be seen: then no renewal is needed,
/// and none is given. NODELOCK_MACHINE_FITS otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_machine_reason(license: *const nodelock_license) -> u32 {
    // SAFETY: NULL or a license that lives.
    unsafe {
        look(license, NODELOCK_MACHINE_FITS, |license| match license.status.verdict() {
            Verdict::WrongMachine { reason: MachineReason::DeviceKey } => NODELOCK_MACHINE_DEVICE_KEY,
            Verdict::WrongMachine { reason: MachineReason::Fingerprint } => NODELOCK_MACHINE_FINGERPRINT,
            Verdict::WrongMachine { reason: MachineReason::GraceOver } => NODELOCK_MACHINE_GRACE_OVER,
            Verdict::WrongMachine { reason: MachineReason::HiddenTooLong }
            | Verdict::Grace { reason: GraceReason::MachineHidden, .. } => NODELOCK_MACHINE_HIDDEN,
            _ => NODELOCK_MACHINE_FITS,
        })
    }
}

/// What is wrong with the store, for NODELOCK_VERDICT_DAMAGED: NODELOCK_CORRUPT (recover), NODELOCK_UNSUPPORTED_VERSION
/// (update the application), NODELOCK_UNTRUSTED_SIGNER or NODELOCK_WRONG_PRODUCT (set up for another vendor or
/// product), or another status of a message. NODELOCK_OK for any other verdict.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_damage(license: *const nodelock_license) -> nodelock_status {
    // SAFETY: NULL or a license that lives.
    unsafe {
        look(license, nodelock_status::NODELOCK_OK, |license| match license.status.verdict() {
            Verdict::Damaged { reason } => (*reason).into(),
            _ => nodelock_status::NODELOCK_OK,
        })
    }
}

/// Why the vendor released the seat, in the vendor's words, which may be empty, for NODELOCK_VERDICT_REVOKED. NULL for
/// any other verdict. Lent until the license is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_revocation_reason(
    license: *const nodelock_license,
) -> *const c_char {
    // SAFETY: NULL or a license that lives.
    unsafe {
        look(license, ptr::null(), |license| match license.status.verdict() {
            Verdict::Revoked { reason } => license.texts().revocation.get(|| reason.clone()),
            _ => ptr::null(),
        })
    }
}

/// Whether the license is usable and has a feature of that name that has not expired. False for NULL and for what is
/// not UTF-8. Fast enough to be asked again and again: it looks into memory only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_has_feature(
    license: *const nodelock_license,
    name: *const c_char,
) -> bool {
    // SAFETY: NULL or a license that lives; NULL or text that ends with a NUL.
    unsafe {
        look(license, false, |license| name_text(name).is_some_and(|name| license.status.has_feature(name)))
    }
}

/// The limit of a feature, NODELOCK_UNLIMITED if it has none. False, and nothing is stored, where
/// nodelock_license_has_feature() is false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_feature_limit(
    license: *const nodelock_license,
    name: *const c_char,
    limit: *mut u64,
) -> bool {
    // SAFETY: NULL or a license that lives; NULL or text that ends with a NUL; NULL or a place for the limit.
    unsafe {
        let found = look(license, None, |license| license.status.feature_limit(name_text(name)?));
        let number = |found| match found {
            Limit::Unlimited => NODELOCK_UNLIMITED,
            Limit::UpTo(limit) => limit,
        };
        put(found.map(number), limit)
    }
}

/// How many features the license lists, usable or not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_feature_count(license: *const nodelock_license) -> usize {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, 0, |license| license.status.license().map_or(0, |l| l.features.len())) }
}

/// The name of a feature, by its place from 0 on: they are in ascending order. Whether it can be used says
/// nodelock_license_has_feature(). Lent until the license is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_feature_name(
    license: *const nodelock_license,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or a license that lives.
    unsafe {
        look(license, ptr::null(), |license| {
            let Some(terms) = license.status.license() else { return ptr::null() };
            let names = license
                .texts()
                .features
                .get_or_init(|| terms.features.iter().map(|feature| c_string(&*feature.name)).collect());
            names.get(index).map_or(ptr::null(), |name| name.as_ptr())
        })
    }
}

/// When a feature, by its place, is no longer there, in seconds since 1970. False, and nothing is stored, if never or
/// beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_feature_expires(
    license: *const nodelock_license,
    index: usize,
    seconds: *mut u64,
) -> bool {
    // SAFETY: NULL or a license that lives; NULL or a place for the time.
    unsafe { time(license, seconds, |license| license.features.get(index)?.expires) }
}

/// The vendor's metadata of that name, the first if there are several. Lent until the license is freed. NULL if there
/// is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_metadata(
    license: *const nodelock_license,
    name: *const c_char,
) -> *const c_char {
    // SAFETY: NULL or a license that lives; NULL or text that ends with a NUL.
    unsafe {
        look(license, ptr::null(), |license| {
            let found = name_text(name).and_then(|name| {
                license.metadata().iter().find(|(known, _)| known.to_bytes() == name.as_bytes())
            });
            found.map_or(ptr::null(), |(_, value)| value.as_ptr())
        })
    }
}

impl nodelock_license {
    fn metadata(&self) -> &[(CString, CString)] {
        let Some(terms) = self.status.license() else { return &[] };
        let pair = |(name, value): &(String, String)| (c_string(&**name), c_string(&**value));
        self.texts().metadata.get_or_init(|| terms.metadata.iter().map(pair).collect())
    }
}

/// How many entries the vendor's metadata has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_metadata_count(license: *const nodelock_license) -> usize {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, 0, |license| license.status.license().map_or(0, |l| l.metadata.len())) }
}

/// The name of an entry of the metadata, by its place from 0 on. Lent until the license is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_metadata_name(
    license: *const nodelock_license,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or a license that lives.
    unsafe {
        look(license, ptr::null(), |license| {
            license.metadata().get(index).map_or(ptr::null(), |(name, _)| name.as_ptr())
        })
    }
}

/// The value of an entry of the metadata, by its place from 0 on. Lent until the license is freed. NULL beyond the
/// last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_metadata_value(
    license: *const nodelock_license,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or a license that lives.
    unsafe {
        look(license, ptr::null(), |license| {
            license.metadata().get(index).map_or(ptr::null(), |(_, value)| value.as_ptr())
        })
    }
}

/// Whether there is a verified license, usable or not. Without one, what follows is NULL, 0 or false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_is_present(license: *const nodelock_license) -> bool {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, false, |license| license.status.license().is_some()) }
}

/// The product. Lent until the license is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_product(license: *const nodelock_license) -> *const c_char {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, ptr::null(), |license| license.term(|t| &t.product, |l| l.product.clone())) }
}

/// Who licensed the product. Lent until the license is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_licensee(license: *const nodelock_license) -> *const c_char {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, ptr::null(), |license| license.term(|t| &t.licensee, |l| l.licensee.clone())) }
}

/// The edition of the product; may be empty. Lent until the license is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_edition(license: *const nodelock_license) -> *const c_char {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, ptr::null(), |license| license.term(|t| &t.edition, |l| l.edition.clone())) }
}

/// The vendor's name for the license: 16 hex digits. Every seat of it bears it. Lent until the license is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_id(license: *const nodelock_license) -> *const c_char {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, ptr::null(), |license| license.term(|t| &t.id, |l| l.license_id.to_string())) }
}

/// The seat, such as `7KX2M9`: for support. Lent until the license is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_seat(license: *const nodelock_license) -> *const c_char {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, ptr::null(), |license| license.term(|t| &t.seat, |l| l.handle.to_string())) }
}

/// The device's public key: 43 characters of base64url. Lent until the license is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_device_key(license: *const nodelock_license) -> *const c_char {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, ptr::null(), |license| license.term(|t| &t.device, |l| l.device_key.to_string())) }
}

/// After a license was taken in from a text: a readable header of that text which says something else than the license
/// does, as the license has it, such as `Licensee: Jane Doe`, by its place from 0 on. The license counts all the same;
/// tell people, who may have read the header. Lent until the license is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_changed_header(
    license: *const nodelock_license,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or a license that lives.
    unsafe {
        look(license, ptr::null(), |license| {
            let headers = license.texts().changed_headers.get_or_init(|| {
                license.status.changed_headers().iter().map(|header| c_string(header.to_string())).collect()
            });
            headers.get(index).map_or(ptr::null(), |header| header.as_ptr())
        })
    }
}

/// The signed license as a text file. Lent until the license is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_text(license: *const nodelock_license) -> *const c_char {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, ptr::null(), |license| license.term(|t| &t.armored, License::to_text)) }
}

/// The signed license as bytes, and how many they are if `size` is not NULL. Lent until the license is freed. NULL
/// without a license.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_data(
    license: *const nodelock_license,
    size: *mut usize,
) -> *const u8 {
    // SAFETY: NULL or a license that lives; NULL or a place for the size.
    unsafe { lend_bytes(license, size, |license| license.status.license().map_or(&[], |l| l.as_bytes())) }
}

/// When the authority signed the license, in seconds since 1970. False, and nothing is stored, without a license.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_issued(
    license: *const nodelock_license,
    seconds: *mut u64,
) -> bool {
    // SAFETY: NULL or a license that lives; NULL or a place for the time.
    unsafe { time(license, seconds, |license| Some(license.issued)) }
}

/// The first second at which the license is valid. False, and nothing is stored, without a license.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_starts(
    license: *const nodelock_license,
    seconds: *mut u64,
) -> bool {
    // SAFETY: NULL or a license that lives; NULL or a place for the time.
    unsafe { time(license, seconds, |license| Some(license.starts)) }
}

/// The first second at which the license is no longer valid. False, and nothing is stored, if it is perpetual.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_expires(
    license: *const nodelock_license,
    seconds: *mut u64,
) -> bool {
    // SAFETY: NULL or a license that lives; NULL or a place for the time.
    unsafe { time(license, seconds, |license| license.expires) }
}

/// The first second at which this copy of the license must have been renewed. False, and nothing is stored, if never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_lease_until(
    license: *const nodelock_license,
    seconds: *mut u64,
) -> bool {
    // SAFETY: NULL or a license that lives; NULL or a place for the time.
    unsafe { time(license, seconds, |license| license.lease_until) }
}

/// From when on the license should be renewed. False, and nothing is stored, if never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_renew_after(
    license: *const nodelock_license,
    seconds: *mut u64,
) -> bool {
    // SAFETY: NULL or a license that lives; NULL or a place for the time.
    unsafe { time(license, seconds, |license| license.renew_after) }
}

/// Maintenance: versions of the application released later are not covered. False, and nothing is stored, if all are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_updates_until(
    license: *const nodelock_license,
    seconds: *mut u64,
) -> bool {
    // SAFETY: NULL or a license that lives; NULL or a place for the time.
    unsafe { time(license, seconds, |license| license.updates_until) }
}

/// How many more deactivations the license had when it was issued. False, and nothing is stored, if there is no limit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_deactivations_left(
    license: *const nodelock_license,
    count: *mut u32,
) -> bool {
    // SAFETY: NULL or a license that lives; NULL or a place for the number.
    unsafe {
        let left = look(license, None, |license| license.status.license().and_then(|l| l.deactivations_left));
        put(left, count)
    }
}

/// Counts the licenses issued for this seat, from 1 on: a renewal has a higher one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_revision(license: *const nodelock_license) -> u32 {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, 0, |license| license.status.license().map_or(0, |l| l.revision)) }
}

/// The time that the verdict was made at, in seconds since 1970: never less than any time seen before. With or without
/// a license.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_time(license: *const nodelock_license) -> u64 {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, 0, |license| license.status.licensing_time().unix_seconds()) }
}

/// Whether the license asks to be renewed by now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_renewal_due(license: *const nodelock_license) -> bool {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, false, |license| license.status.renewal_due()) }
}

/// Whether the authority has just answered nodelock_client_start(): what was due is done. What it said is in the
/// verdict. False for what another call gave out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_is_renewed(license: *const nodelock_license) -> bool {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, false, |license| license.is_renewed) }
}

/// Whether nodelock_client_observe() has something to record. Look once in each run of the application.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_should_observe(license: *const nodelock_license) -> bool {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, false, |license| license.status.should_observe()) }
}

/// Whether the store survives a power cut at any moment. False where its file system cannot sync a directory, as some
/// shared folders and old file servers cannot: a cut may then undo what was announced, such as a deactivation. With or
/// without a license.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_power_cuts_covered(license: *const nodelock_license) -> bool {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, false, |license| license.status.power_cuts_covered()) }
}

/// The seat of the activation request that waits for its license; nodelock_client_pending() shows the request. With or
/// without a license. Lent until the license is freed. NULL if none is pending.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_pending_seat(license: *const nodelock_license) -> *const c_char {
    // SAFETY: NULL or a license that lives.
    unsafe {
        look(license, ptr::null(), |license| match license.status.pending() {
            Some(handle) => license.texts().pending.get(|| handle.to_string()),
            None => ptr::null(),
        })
    }
}

/// How many seats were given up here whose receipts have not come; nodelock_client_outstanding() shows them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_outstanding(license: *const nodelock_license) -> usize {
    // SAFETY: NULL or a license that lives.
    unsafe { look(license, 0, |license| license.status.outstanding()) }
}

/// Frees a license, which changes nothing in the store. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_license_free(license: *mut nodelock_license) {
    // SAFETY: NULL or a license that nobody uses any more.
    unsafe { free(license) }
}
