//! Numbers for what happened.

use std::ffi::{CStr, c_char};

use super::boundary::contained;
use crate::{ErrorKind, Verdict, error::catalogue};

/// The numbers of the catalogue, and the kinds that they stand for.
macro_rules! statuses {
    (
        kinds { $($(#[$doc:meta])* $kind:ident, $status:ident = $number:literal, $code:literal, $says:ident, $http:literal,
            $text:literal, $advice:literal;)* }
        others { $($(#[$other_doc:meta])* $other:ident = $other_number:literal, $other_code:literal;)* }
    ) => {
        /// What a call came to, or what a check found. Numbers are permanent; later versions add some.
        ///
        /// 1 to 19 the caller, 20 to 39 a verdict, 40 to 59 the store, 60 to 79 the way to the authority and the
        /// authority, 90 the library itself, 100 to 119 a message (a file, or an answer of the authority).
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum nodelock_status {
            $($(#[$doc])* $status = $number,)*
            $($(#[$other_doc])* $other = $other_number,)*
        }

        use nodelock_status::*;

        impl From<ErrorKind> for nodelock_status {
            fn from(kind: ErrorKind) -> Self {
                match kind {
                    $(ErrorKind::$kind => $status,)*
                }
            }
        }

        /// The statuses that are no kind of error, with their names; a verdict's is [`Verdict::code`].
        const OTHERS: &[(nodelock_status, &CStr)] = &[
            $(($other, match CStr::from_bytes_with_nul(concat!($other_code, "\0").as_bytes()) {
                Ok(code) => code,
                Err(_) => unreachable!(),
            }),)*
        ];
    };
}

catalogue!(statuses);

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
            assert!(matches!(number, 1..=19 | 40..=89 | 100..=119), "{number}");
            assert_eq!(name(number).unwrap().to_str().unwrap(), kind_of(number).unwrap().code());
        }
        for (status, _) in OTHERS.iter().copied() {
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
