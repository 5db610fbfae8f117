//! What was sold, and how records are read: as JSON.

use std::ffi::c_char;

use serde::Deserialize;

use crate::{
    Error, ErrorKind, Timestamp,
    authority::{LicenseRecord, LicenseTerms},
    ffi::{
        boundary::{Result, fallible, put, text},
        error::nodelock_error,
        status::nodelock_status,
    },
};

/// The longest record that is read: terms of the largest size fit.
const LIMIT: usize = 1024 * 1024;

/// Reads a record. An error says where the record is wrong, and never what is there.
pub(super) fn read<'de, T: Deserialize<'de>>(json: &'de str, about: &'static str) -> Result<T> {
    if json.len() > LIMIT {
        return Err(Error::new(ErrorKind::TooLarge, about).into());
    }
    let wrong = |e: serde_json::Error| {
        let at = format!("{about}: not such a record, at line {}, column {}", e.line(), e.column());
        Error::new(ErrorKind::InvalidInput, at)
    };
    Ok(serde_json::from_str(json).map_err(wrong)?)
}

fn terms(json: &str) -> Result<LicenseTerms> {
    let terms: LicenseTerms = read(json, "terms")?;
    terms.validate()?;
    Ok(terms)
}

/// Checks that licenses can be issued on these terms, so that an error shows when they are sold and not when a customer
/// activates.
///
/// Terms are what was sold, as JSON. `id` (16 hex digits, nodelock_license_id_generate()), `product` and `seats` must
/// be there; the others are shown with their defaults:
///
/// ```json
/// {
///   "id": "0123456789abcdef", "product": "Example Editor", "seats": 1,
///   "licensee": "", "edition": "",
///   "features": [{"name": "export", "limit": null, "expires": null}],
///   "metadata": [["name", "value"]],
///   "starts": 0, "expires": null, "trial_days": null, "updates_until": null,
///   "lease_days": 90, "unbindable_lease_days": 14, "margin_days": 14,
///   "seat_list": "dates", "reinstalls": null, "one_seat_per_machine": false, "virtual_reinstalls": false,
///   "replace": null, "deactivations": null, "activations": null, "period_days": null,
///   "approval": "none", "suspended": false,
///   "policy": {"weights": [], "accept": 16, "grace": 8, "grace_days": 14}
/// }
/// ```
///
/// (By default there are no features and no metadata.) `null` is without limit or end. With `trial_days` a machine may
/// use it for so many days, from its first trial of the product on. `lease_days` is how many days a device may go
/// without a renewal, `unbindable_lease_days` the same for a machine that has nothing unique to its hardware,
/// `margin_days` how many days a seat counts beyond the end of its use, at least 3. `deactivations` and `activations`
/// are how many there may be, for the whole life of the license or, with `period_days`, in each period of so many days
/// from `starts` on. With `approval` `required` each activation waits for nodelock_decide_approval(). A vendor that
/// suspends a license sets `suspended`. A member of another name is an error.
///
/// NODELOCK_INVALID_INPUT, NODELOCK_TOO_LARGE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_terms_check(
    terms: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; NULL or a place for the error.
    unsafe { fallible(error, &mut || self::terms(text(terms, "terms")?).map(drop)) }
}

/// How far an allowance of a license is used at `now`: `license` is the record that nodelock_records_answer() takes,
/// `allowance` is `activations` or `deactivations`. `*used` are those that were used up in the period, `*left` those
/// that are left: 4294967295 without a limit. Each of them may be NULL.
///
/// NODELOCK_INVALID_INPUT, NODELOCK_TOO_LARGE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_license_allowance(
    license: *const c_char,
    allowance: *const c_char,
    now: u64,
    used: *mut u32,
    left: *mut u32,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or texts; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let license: LicenseRecord = read(text(license, "license")?, "license")?;
            let allowance = text(allowance, "allowance")?.parse()?;
            let balance = license.balance(allowance, Timestamp::from_unix_seconds(now));
            put(Some(balance.used), used);
            put(Some(balance.left().unwrap_or(u32::MAX)), left);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn terms_have_the_defaults_of_the_authority_and_no_others() {
        let json = r#"{"id":"0123456789abcdef","product":"Example","seats":3}"#;
        let expected = LicenseTerms::new("0123456789abcdef".parse().unwrap(), "Example", 3, Timestamp::MIN);
        assert!(terms(json).is_ok_and(|terms| terms == expected));
        assert!(terms(&json.replace("seats", "seat")).is_err());
        assert!(terms(&json.replace('}', r#","lease_day":1}"#)).is_err());
        let policy = r#","policy":{"weights":[],"accept":4,"grace":5,"grace_days":1}}"#;
        assert!(terms(&json.replace('}', policy)).is_err());
        assert!(terms(&json.replace('}', &policy.replace('5', "3"))).is_ok());
        assert!(terms(&json.replace('}', r#","lease_days":null}"#)).is_ok_and(|t| t.lease_days.is_none()));
    }

    #[test]
    fn an_error_says_where_a_record_is_wrong_and_not_what_is_there() {
        let json = "{\"id\":\"0123456789abcdef\",\n\"product\":\"Example\",\"seats\":\"secret\"}";
        let failure = terms(json).err().unwrap();
        assert_eq!(failure.status(), nodelock_status::NODELOCK_INVALID_INPUT);
        assert!(failure.message().contains("line 2, column 36"), "{}", failure.message());
        assert!(!failure.message().contains("secret"));
        let failure = terms(&" ".repeat(LIMIT + 1)).err().unwrap();
        assert_eq!(failure.status(), nodelock_status::NODELOCK_TOO_LARGE);
    }
}
