//! Numbers for what happened.

use std::ffi::{CStr, c_char};

use super::boundary::contained;
use crate::{ErrorKind, Verdict};

/// What a call came to, or what a check found. Numbers are permanent; later versions add some.
///
/// 1 to 19 the caller, 20 to 39 a verdict, 40 to 59 the store, 60 to 79 the way to the authority and the authority, 90
/// the library itself, 100 to 119 a message (a file, or an answer of the authority).
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum nodelock_status {
    /// It went well.
    NODELOCK_OK = 0,

    /// An argument is NULL, not UTF-8, or out of its range.
    NODELOCK_INVALID_INPUT = 1,
    /// The platform or this build of the library cannot do it.
    NODELOCK_UNSUPPORTED = 2,
    /// The code cannot be read, not even with its typing errors mended.
    NODELOCK_UNREADABLE_CODE = 3,
    /// A license is active or a request is pending; it must be given up or cancelled first.
    NODELOCK_ALREADY_ACTIVE = 4,
    /// There is no activation request to answer or cancel.
    NODELOCK_NOT_PENDING = 5,
    /// There is no active license to give up.
    NODELOCK_NOT_ACTIVE = 6,
    /// The license allows no further deactivation without the authority.
    NODELOCK_DEACTIVATION_NOT_ALLOWED = 7,
    /// Too many deactivations wait for their receipts.
    NODELOCK_TOO_MANY_OUTSTANDING = 8,

    /// Verdict: the license is valid. Run.
    NODELOCK_VERDICT_ACTIVE = 20,
    /// Verdict: usable for now, because the machine has changed. Run, observe, and have the license renewed.
    NODELOCK_VERDICT_GRACE = 21,
    /// Verdict: the license starts later.
    NODELOCK_VERDICT_NOT_YET_VALID = 22,
    /// Verdict: the license has expired.
    NODELOCK_VERDICT_EXPIRED = 23,
    /// Verdict: this copy of the license had to be renewed and was not. Check in, or install a renewed one.
    NODELOCK_VERDICT_LEASE_ENDED = 24,
    /// Verdict: the clock was set back. Have it corrected, or check in: the authority's answer sets it right too.
    NODELOCK_VERDICT_CLOCK_SET_BACK = 25,
    /// Verdict: the license belongs to another machine, or this one has changed too much.
    NODELOCK_VERDICT_WRONG_MACHINE = 26,
    /// Verdict: the seat was given up on this machine.
    NODELOCK_VERDICT_DEACTIVATED = 27,
    /// Verdict: the vendor released the seat.
    NODELOCK_VERDICT_REVOKED = 28,
    /// Verdict: the license does not cover a version of the application released this late.
    NODELOCK_VERDICT_VERSION_NOT_COVERED = 29,
    /// Verdict: the store or the license in it cannot be used as it is; nodelock_license_damage() says why.
    NODELOCK_VERDICT_DAMAGED = 30,
    /// Verdict: no license was installed.
    NODELOCK_VERDICT_UNLICENSED = 31,

    /// Another process is writing to the store.
    NODELOCK_BUSY = 40,
    /// A file of the store is damaged.
    NODELOCK_CORRUPT = 41,
    /// The disk is full or the quota used up.
    NODELOCK_NO_SPACE = 42,
    /// The store is on read-only media.
    NODELOCK_READ_ONLY = 43,
    /// The operating system denies access to the store.
    NODELOCK_ACCESS_DENIED = 44,
    /// Any other failure of reading or writing.
    NODELOCK_IO = 45,
    /// The operating system gave no random bytes.
    NODELOCK_NO_RANDOM = 46,
    /// The file system that the store is on has no locks. Keep the store on a disk of this machine.
    NODELOCK_NO_LOCKS = 47,

    /// No connection to the authority came about.
    NODELOCK_UNREACHABLE = 60,
    /// The authority did not answer in time.
    NODELOCK_TIMED_OUT = 61,
    /// The call was cancelled from another thread.
    NODELOCK_INTERRUPTED = 62,
    /// The server's TLS certificate is from nobody who is trusted.
    NODELOCK_TLS_UNTRUSTED = 63,
    /// The server's TLS certificate is for another host.
    NODELOCK_TLS_WRONG_HOST = 64,
    /// The server's TLS certificate has expired or is not valid yet; the local clock may be wrong.
    NODELOCK_TLS_EXPIRED = 65,
    /// The answer is not one that an authority gives.
    NODELOCK_BAD_REPLY = 66,
    /// The authority asks to be left alone for a while.
    NODELOCK_SERVER_BUSY = 67,
    /// The authority failed.
    NODELOCK_SERVER_FAILED = 68,
    /// The authority does not know this seat or its latest license, and asks for the license: its ledger may have been
    /// restored to an earlier copy.
    NODELOCK_LICENSE_WANTED = 69,
    /// No license has this license key.
    NODELOCK_UNKNOWN_LICENSE = 70,
    /// Every seat of the license is taken.
    NODELOCK_NO_FREE_SEAT = 71,
    /// The license has ended, or is suspended, at the authority.
    NODELOCK_LICENSE_ENDED = 72,
    /// The activation request was cancelled before it arrived.
    NODELOCK_CANCELLED = 73,
    /// The seat is not known to the authority, or not yet.
    NODELOCK_UNKNOWN_SEAT = 74,
    /// The deactivation code does not belong to the seat that it names.
    NODELOCK_WRONG_CODE = 75,
    /// The seat was released by an administrator.
    NODELOCK_REVOKED = 76,
    /// Too many wrong codes or license keys came; try again later.
    NODELOCK_TOO_MANY_ATTEMPTS = 77,
    /// The seat is not held for its device, so there is nothing to return to the pool.
    NODELOCK_NOT_HELD = 78,
    /// Too many devices have asked for a seat under that handle. A new request draws another one.
    NODELOCK_CROWDED_HANDLE = 79,

    /// A fault of the library. The client that it happened in does nothing any more; free it and make a new one.
    NODELOCK_INTERNAL = 90,

    /// The bytes are truncated, have something left over, or break a rule of the format.
    NODELOCK_MALFORMED = 100,
    /// The input is longer than any message of its kind can be; it was not read.
    NODELOCK_TOO_LARGE = 101,
    /// A valid message of another kind, such as a receipt where a license is expected.
    NODELOCK_WRONG_TYPE = 102,
    /// Made by a later version of the format than this build knows.
    NODELOCK_UNSUPPORTED_VERSION = 103,
    /// Holds an extension marked critical that this build does not know.
    NODELOCK_CRITICAL_EXTENSION = 104,
    /// Made for another product.
    NODELOCK_WRONG_PRODUCT = 105,
    /// Signed by a key that no configured root vouches for.
    NODELOCK_UNTRUSTED_SIGNER = 106,
    /// The signature does not fit the bytes.
    NODELOCK_BAD_SIGNATURE = 107,
    /// The issuer's certificate was not valid when the message was signed, or is not any more.
    NODELOCK_CERTIFICATE_EXPIRED = 108,
    /// A public key for which anybody can forge signatures.
    NODELOCK_WEAK_KEY = 109,
    // 110 said that a readable header of a text disagrees with the signed body; that is no error any more.
    /// The message belongs to another machine's activation.
    NODELOCK_WRONG_MACHINE = 111,
    /// The message answers another activation request than the one that is pending or active here.
    NODELOCK_WRONG_REQUEST = 112,
    /// That activation was given up on this machine; it cannot be used again.
    NODELOCK_GIVEN_UP = 113,
    /// An older message than the one already installed.
    NODELOCK_OUTDATED = 114,
    /// A license that ends later than its issuer's certificate allows.
    NODELOCK_LEASE_TOO_LONG = 115,
    /// A text holds several messages or codes of the kind of which one is expected, and nothing says which is meant.
    NODELOCK_SEVERAL_MESSAGES = 116,
}

use nodelock_status::*;

impl From<ErrorKind> for nodelock_status {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidInput => NODELOCK_INVALID_INPUT,
            ErrorKind::Unsupported => NODELOCK_UNSUPPORTED,
            ErrorKind::UnreadableCode => NODELOCK_UNREADABLE_CODE,
            ErrorKind::AlreadyActive => NODELOCK_ALREADY_ACTIVE,
            ErrorKind::NotPending => NODELOCK_NOT_PENDING,
            ErrorKind::NotActive => NODELOCK_NOT_ACTIVE,
            ErrorKind::DeactivationNotAllowed => NODELOCK_DEACTIVATION_NOT_ALLOWED,
            ErrorKind::TooManyOutstanding => NODELOCK_TOO_MANY_OUTSTANDING,
            ErrorKind::Busy => NODELOCK_BUSY,
            ErrorKind::Corrupt => NODELOCK_CORRUPT,
            ErrorKind::NoSpace => NODELOCK_NO_SPACE,
            ErrorKind::ReadOnly => NODELOCK_READ_ONLY,
            ErrorKind::AccessDenied => NODELOCK_ACCESS_DENIED,
            ErrorKind::Io => NODELOCK_IO,
            ErrorKind::NoRandom => NODELOCK_NO_RANDOM,
            ErrorKind::NoLocks => NODELOCK_NO_LOCKS,
            ErrorKind::Unreachable => NODELOCK_UNREACHABLE,
            ErrorKind::TimedOut => NODELOCK_TIMED_OUT,
            ErrorKind::Interrupted => NODELOCK_INTERRUPTED,
            ErrorKind::TlsUntrusted => NODELOCK_TLS_UNTRUSTED,
            ErrorKind::TlsWrongHost => NODELOCK_TLS_WRONG_HOST,
            ErrorKind::TlsExpired => NODELOCK_TLS_EXPIRED,
            ErrorKind::BadReply => NODELOCK_BAD_REPLY,
            ErrorKind::ServerBusy => NODELOCK_SERVER_BUSY,
            ErrorKind::ServerFailed => NODELOCK_SERVER_FAILED,
            ErrorKind::UnknownLicense => NODELOCK_UNKNOWN_LICENSE,
            ErrorKind::NoFreeSeat => NODELOCK_NO_FREE_SEAT,
            ErrorKind::LicenseEnded => NODELOCK_LICENSE_ENDED,
            ErrorKind::Cancelled => NODELOCK_CANCELLED,
            ErrorKind::UnknownSeat => NODELOCK_UNKNOWN_SEAT,
            ErrorKind::WrongCode => NODELOCK_WRONG_CODE,
            ErrorKind::Revoked => NODELOCK_REVOKED,
            ErrorKind::TooManyAttempts => NODELOCK_TOO_MANY_ATTEMPTS,
            ErrorKind::NotHeld => NODELOCK_NOT_HELD,
            ErrorKind::CrowdedHandle => NODELOCK_CROWDED_HANDLE,
            ErrorKind::LicenseWanted => NODELOCK_LICENSE_WANTED,
            ErrorKind::LeaseTooLong => NODELOCK_LEASE_TOO_LONG,
            ErrorKind::Malformed => NODELOCK_MALFORMED,
            ErrorKind::TooLarge => NODELOCK_TOO_LARGE,
            ErrorKind::WrongType => NODELOCK_WRONG_TYPE,
            ErrorKind::UnsupportedVersion => NODELOCK_UNSUPPORTED_VERSION,
            ErrorKind::CriticalExtension => NODELOCK_CRITICAL_EXTENSION,
            ErrorKind::WrongProduct => NODELOCK_WRONG_PRODUCT,
            ErrorKind::UntrustedSigner => NODELOCK_UNTRUSTED_SIGNER,
            ErrorKind::BadSignature => NODELOCK_BAD_SIGNATURE,
            ErrorKind::CertificateExpired => NODELOCK_CERTIFICATE_EXPIRED,
            ErrorKind::WeakKey => NODELOCK_WEAK_KEY,
            ErrorKind::SeveralMessages => NODELOCK_SEVERAL_MESSAGES,
            ErrorKind::WrongMachine => NODELOCK_WRONG_MACHINE,
            ErrorKind::WrongRequest => NODELOCK_WRONG_REQUEST,
            ErrorKind::GivenUp => NODELOCK_GIVEN_UP,
            ErrorKind::Outdated => NODELOCK_OUTDATED,
        }
    }
}

impl From<&Verdict> for nodelock_status {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Active => NODELOCK_VERDICT_ACTIVE,
            Verdict::Grace { .. } => NODELOCK_VERDICT_GRACE,
            Verdict::NotYetValid { .. } => NODELOCK_VERDICT_NOT_YET_VALID,
            Verdict::Expired { .. } => NODELOCK_VERDICT_EXPIRED,
            Verdict::LeaseEnded { .. } => NODELOCK_VERDICT_LEASE_ENDED,
            Verdict::ClockSetBack { .. } => NODELOCK_VERDICT_CLOCK_SET_BACK,
            Verdict::WrongMachine { .. } => NODELOCK_VERDICT_WRONG_MACHINE,
            Verdict::Deactivated => NODELOCK_VERDICT_DEACTIVATED,
            Verdict::Revoked { .. } => NODELOCK_VERDICT_REVOKED,
            Verdict::VersionNotCovered { .. } => NODELOCK_VERDICT_VERSION_NOT_COVERED,
            Verdict::Damaged { .. } => NODELOCK_VERDICT_DAMAGED,
            Verdict::Unlicensed { .. } => NODELOCK_VERDICT_UNLICENSED,
        }
    }
}

/// The statuses that are no kind of error, with their names; a verdict's is [`Verdict::code`].
const OTHERS: [(nodelock_status, &CStr); 14] = [
    (NODELOCK_OK, c"ok"),
    (NODELOCK_VERDICT_ACTIVE, c"active"),
    (NODELOCK_VERDICT_GRACE, c"grace"),
    (NODELOCK_VERDICT_NOT_YET_VALID, c"not-yet-valid"),
    (NODELOCK_VERDICT_EXPIRED, c"expired"),
    (NODELOCK_VERDICT_LEASE_ENDED, c"lease-ended"),
    (NODELOCK_VERDICT_CLOCK_SET_BACK, c"clock-set-back"),
    (NODELOCK_VERDICT_WRONG_MACHINE, c"wrong-machine"),
    (NODELOCK_VERDICT_DEACTIVATED, c"deactivated"),
    (NODELOCK_VERDICT_REVOKED, c"revoked"),
    (NODELOCK_VERDICT_VERSION_NOT_COVERED, c"version-not-covered"),
    (NODELOCK_VERDICT_DAMAGED, c"damaged"),
    (NODELOCK_VERDICT_UNLICENSED, c"unlicensed"),
    (NODELOCK_INTERNAL, c"internal"),
];

/// The kind of error that a number stands for.
pub(super) fn kind_of(number: u32) -> Option<ErrorKind> {
    ErrorKind::ALL.iter().copied().find(|kind| nodelock_status::from(*kind) as u32 == number)
}

pub(super) fn name(number: u32) -> Option<&'static CStr> {
    let other = || OTHERS.iter().find(|(status, _)| *status as u32 == number).map(|(_, name)| *name);
    kind_of(number).map(ErrorKind::c_code).or_else(other)
}

/// The stable name of a status, such as `no-free-seat`, for logs and scripts; a verdict's is without `verdict`. Lives
/// as long as the library is loaded. NULL for a number that this version does not know.
#[unsafe(no_mangle)]
pub extern "C" fn nodelock_status_name(status: u32) -> *const c_char {
    contained(|| name(status)).flatten().map_or(std::ptr::null(), CStr::as_ptr)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_of_error_has_a_number_of_its_own_in_its_range() {
        let numbers: HashSet<u32> =
            ErrorKind::ALL.iter().map(|kind| nodelock_status::from(*kind) as u32).collect();
        assert_eq!(numbers.len(), ErrorKind::ALL.len());
        for number in numbers {
            assert!(matches!(number, 1..=19 | 40..=79 | 100..=119), "{number}");
            assert_eq!(name(number).unwrap().to_str().unwrap(), kind_of(number).unwrap().code());
        }
        for (status, _) in OTHERS {
            assert!(matches!(status as u32, 0 | 20..=39 | 90));
            assert!(kind_of(status as u32).is_none());
        }
        assert!(name(19).is_none() && name(u32::MAX).is_none());
    }

    #[test]
    fn a_verdicts_name_is_its_code() {
        let verdicts = [
            Verdict::Active,
            Verdict::Deactivated,
            Verdict::Unlicensed { pending: true },
            Verdict::Revoked { reason: String::new() },
            Verdict::Damaged { reason: ErrorKind::Corrupt },
            Verdict::ClockSetBack { by: std::time::Duration::ZERO },
            Verdict::WrongMachine { reason: crate::MachineReason::DeviceKey },
            Verdict::Expired { at: crate::Timestamp::MIN, clock: None },
            Verdict::LeaseEnded { at: crate::Timestamp::MIN, clock: None },
            Verdict::NotYetValid { starts: crate::Timestamp::MIN },
            Verdict::VersionNotCovered { updates_until: crate::Timestamp::MIN },
            Verdict::Grace { reason: crate::GraceReason::MachineChanged, until: crate::Timestamp::MIN },
        ];
        for verdict in verdicts {
            let number = nodelock_status::from(&verdict) as u32;
            assert_eq!(name(number).unwrap().to_str().unwrap(), verdict.code());
        }
    }
}
