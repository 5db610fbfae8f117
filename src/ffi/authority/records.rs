//! What a decision is made from: the records that a host looked up, and the verifications that were done.

use std::{ffi::c_char, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{decision::nodelock_decision, issuer::nodelock_issuer, terms::read};
use crate::{
    Error, ErrorKind, Page, Roots, SystemRandom, Timestamp,
    authority::{
        Approval, Attempts, Count, Evidence, Found, History, KeyHash, LicenseRecord, Query, Records, Seat,
        from_hex,
    },
    ffi::{
        boundary::{Out, Result, fallible, free, object, object_mut, slice, text},
        bytes::nodelock_bytes,
        error::nodelock_error,
        status::nodelock_status,
    },
    fingerprint::Tag,
    message::{frame::base64url, hex},
};

/// The license of a key. The value is nodelock_license_key_hash() of the key. Found: that license, or nothing.
pub const NODELOCK_QUERY_LICENSE_OF_KEY: u32 = 1;
/// A license. The value is its id. Found: that license, or nothing.
pub const NODELOCK_QUERY_LICENSE: u32 = 2;
/// Every seat of a name, whatever its license, device and state: mostly one. The value is the name, such as `7KX2M9`.
/// Found: these seats.
pub const NODELOCK_QUERY_SEATS_OF_HANDLE: u32 = 3;
/// Every seat of a device that is taken (nodelock_decision_change_is_taken()), lapsed or not, whatever its license. The
/// value is the device key. Found: these seats; if there are more than 128, those that were granted last.
pub const NODELOCK_QUERY_TAKEN_SEATS_OF: u32 = 4;
/// The evidence that is kept under a name. The value is the name, such as `7KX2M9`. Found: all of it, oldest first.
pub const NODELOCK_QUERY_EVIDENCE_OF: u32 = 5;
/// A check-in that was answered before. The value is the name under which NODELOCK_CHANGE_CHECK_IN stored it. Found:
/// that record, or nothing.
pub const NODELOCK_QUERY_CHECK_IN: u32 = 6;
/// The attempts at a seat. The value is the seat and its device key, such as `7KX2M9:…`. Found: that record, or
/// nothing.
pub const NODELOCK_QUERY_ATTEMPTS: u32 = 7;
/// How often something happened to a license within a year. The value is the name under which NODELOCK_CHANGE_COUNT
/// stored it: the license's id, a slash, and what is counted, such as `0123456789abcdef/replaced`. Found: that record,
/// or nothing.
pub const NODELOCK_QUERY_COUNT: u32 = 8;
/// The seats of a license that count as taken, whose use ends first (nodelock_decision_change_ends()). The value is the
/// license's id, a slash, the last end in seconds since 1970, a slash, and how many seats at most. Found: these seats,
/// the first to end first.
pub const NODELOCK_QUERY_SEATS_BY_END: u32 = 9;
/// The seats of a license that are taken and not lapsed, and have a hardware tag (nodelock_decision_change_tag()). The
/// value is the license's id, a slash, and the tag, such as `3/0a1b2c`. Found: these seats, at most 32, those first
/// that were heard of least lately.
pub const NODELOCK_QUERY_SEATS_WITH_TAG: u32 = 10;
/// The seat that a machine has: of the seats with that nodelock_decision_change_machine() the one that is taken, lapsed
/// or not. The value is that text. Found: this seat, or nothing.
pub const NODELOCK_QUERY_SEAT_OF_MACHINE: u32 = 11;
/// What the database notes of its service. The value is `history`. Found: that record, or nothing.
pub const NODELOCK_QUERY_HISTORY: u32 = 12;
/// A page that was noted. The value is the page, 16 hex digits. Found: that record, or nothing.
pub const NODELOCK_QUERY_PAGE: u32 = 13;
/// The trials (nodelock_decision_change_is_trial()) of the product of a license, of whatever license, that have or had
/// a hardware tag, taken or not. The value is as for NODELOCK_QUERY_SEATS_WITH_TAG. Found: these seats, at most 32,
/// those first that were granted last.
pub const NODELOCK_QUERY_TRIALS_WITH_TAG: u32 = 14;

/// The requests under a name that wait for approval, or were approved or refused. The value is the name, such as
/// `7KX2M9`. Found: the records of NODELOCK_CHANGE_APPROVAL whose name begins with it.
pub const NODELOCK_QUERY_APPROVALS_OF: u32 = 15;

/// What a decision is made from. Belongs to the caller; for one thread at a time.
pub struct nodelock_records {
    pub(super) records: Records,
    pub(super) page: Page,
    pub(super) longest_lease: Duration,
    pub(super) roots: Arc<Roots>,
}

/// A new page, as text: 16 hex digits. What is signed in one minute of service is signed under one page, which
/// nodelock_decide_note() notes first.
///
/// NODELOCK_NO_RANDOM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_page_generate(
    page: *mut *mut nodelock_bytes,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let page = Out::<nodelock_bytes>::new(page)?;
            page.set(Page::generate(&SystemRandom)?.to_string());
            Ok(())
        })
    }
}

/// Makes records that hold nothing yet. What is decided from them is signed under `page`, which is noted already but
/// for nodelock_decide_note(). `issuer` is one that signs for the vendor now: it says how long a lease may be, and by
/// which root the vendor's own messages are known. It may be freed before the records are.
///
/// NODELOCK_INVALID_INPUT: no page.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_records_new(
    issuer: *const nodelock_issuer,
    page: *const c_char,
    records: *mut *mut nodelock_records,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an issuer that lives; NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let records = Out::new(records)?;
            let issuer = object(issuer, "issuer")?;
            records.set(nodelock_records {
                records: Records::new(),
                page: text(page, "page")?.parse()?,
                longest_lease: issuer.issuer.longest_lease(),
                roots: Arc::clone(&issuer.roots),
            });
            Ok(())
        })
    }
}

/// Answers a query: `kind` is nodelock_decision_query_kind(), one of NODELOCK_QUERY_*, `value`
/// nodelock_decision_query_value(), and `found` has `count` texts. To find nothing is an answer too, `count` 0. What is
/// found are the records as they were stored:
///
/// - a license: `{"terms": {…}, "taken": 1, "deactivated": 0, "activated": 1, "allowances": null}`, with the terms of
///   nodelock_terms_check(), how many of its seats are taken (nodelock_decision_change_is_taken()) and not lapsed
///   (nodelock_decision_change_is_lapsed()), how many used up a deactivation (nodelock_decision_change_is_counted())
///   and an activation (nodelock_decision_change_is_activation()), and what NODELOCK_CHANGE_ALLOWANCES stored under its
///   id, or `null`;
/// - seats, evidence, check-ins, requests that wait, attempts and counts: nodelock_decision_change_record().
///
/// NODELOCK_INVALID_INPUT: no such kind or value, a record that cannot be read, or one that was not asked for.
/// NODELOCK_TOO_LARGE: a record of more than 1 MiB. NODELOCK_CORRUPT: evidence that cannot be read. NODELOCK_MALFORMED,
/// NODELOCK_WEAK_KEY, NODELOCK_UNREADABLE_CODE: the value is no key or no name. Nothing is taken then.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_records_answer(
    records: *mut nodelock_records,
    kind: u32,
    value: *const c_char,
    found: *const *const c_char,
    count: usize,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or records that live and that nobody else uses; NULL or texts, as many as said; NULL or a place for
    // the error.
    unsafe {
        fallible(error, &mut || {
            let records = &mut object_mut(records, "records")?.records;
            let value = text(value, "value")?;
            let found = slice(found, count, "found")?;
            let found = found.iter().map(|one| text(*one, "found")).collect::<Result<Vec<_>>>()?;
            let (query, found) = answer(kind, value, &found)?;
            Ok(records.add(query, found)?)
        })
    }
}

fn answer(kind: u32, value: &str, found: &[&str]) -> Result<(Query, Found)> {
    Ok(match kind {
        NODELOCK_QUERY_LICENSE_OF_KEY => (Query::LicenseOfKey(KeyHash(digest(value)?)), license(found)?),
        NODELOCK_QUERY_LICENSE => (Query::License(value.parse()?), license(found)?),
        NODELOCK_QUERY_SEATS_OF_HANDLE => (Query::SeatsOfHandle(value.parse()?), seats(found)?),
        NODELOCK_QUERY_TAKEN_SEATS_OF => (Query::TakenSeatsOf(value.parse()?), seats(found)?),
        NODELOCK_QUERY_EVIDENCE_OF => (Query::EvidenceOf(value.parse()?), evidence(found)?),
        NODELOCK_QUERY_CHECK_IN => {
            let (seat, id) = value.split_once('/').ok_or_else(|| wrong("value: no check-in"))?;
            let revision = one(found)?.map(|json| read(json, "check-in")).transpose()?;
            (Query::CheckIn(seat.parse()?, digest(id)?), Found::CheckIn(revision))
        }
        NODELOCK_QUERY_ATTEMPTS => {
            let attempts = one(found)?.map(|json| read::<Attempts>(json, "attempts")).transpose()?;
            (Query::Attempts(value.parse()?), Found::Attempts(attempts.unwrap_or_default()))
        }
        NODELOCK_QUERY_APPROVALS_OF => {
            let approvals = found.iter().map(|json| read::<Approval>(json, "approval"));
            (Query::ApprovalsOf(value.parse()?), Found::Approvals(approvals.collect::<Result<_>>()?))
        }
        NODELOCK_QUERY_COUNT => {
            let (license, counted) = value.split_once('/').ok_or_else(|| wrong("value: no count"))?;
            let count = one(found)?.map(|json| read::<Count>(json, "count")).transpose()?;
            (Query::Count(license.parse()?, counted.parse()?), Found::Count(count.unwrap_or_default()))
        }
        NODELOCK_QUERY_SEATS_BY_END => {
            let parts: Vec<_> = value.split('/').collect();
            let &[license, until, at_most] = &parts[..] else {
                return Err(wrong("value: a license, an end and a number are expected").into());
            };
            let number = || wrong("value: a number is expected");
            let until = until.parse().map_err(|_| number())?;
            let query = Query::SeatsByEnd {
                license: license.parse()?,
                until: Timestamp::from_unix_seconds(until),
                at_most: at_most.parse().map_err(|_| number())?,
            };
            (query, seats(found)?)
        }
        NODELOCK_QUERY_SEATS_WITH_TAG | NODELOCK_QUERY_TRIALS_WITH_TAG => {
            let tag = || wrong("value: a license and a tag are expected");
            let (license, named) = value.split_once('/').ok_or_else(tag)?;
            let (component, bytes) = named.split_once('/').ok_or_else(tag)?;
            let bytes = u32::from_str_radix(bytes, 16).ok().filter(|_| bytes.len() == 6).ok_or_else(tag)?;
            let [_, first, second, third] = bytes.to_be_bytes();
            let component = component.parse().map_err(|_| tag())?;
            let tag = Tag::from_parts(component, [first, second, third]);
            let license = license.parse()?;
            let query = match kind {
                NODELOCK_QUERY_TRIALS_WITH_TAG => Query::TrialsWithTag(license, tag),
                _ => Query::SeatsWithTag(license, tag),
            };
            (query, seats(found)?)
        }
        NODELOCK_QUERY_SEAT_OF_MACHINE => (Query::SeatOfMachine(digest(value)?), seats(found)?),
        NODELOCK_QUERY_HISTORY if value == HISTORY => {
            let history = one(found)?.map(|json| read::<History>(json, "history")).transpose()?;
            (Query::History, Found::History(history.map(Box::new)))
        }
        NODELOCK_QUERY_PAGE => {
            let is_known = one(found)?.map(|json| read::<bool>(json, "page")).transpose()?;
            (Query::Page(value.parse()?), Found::Page(is_known.is_some()))
        }
        _ => return Err(wrong("kind: no such query").into()),
    })
}

/// The name of the one record of its kind.
pub(super) const HISTORY: &str = "history";

/// What a query is called here: the opposite of [`answer`].
pub(super) fn named(query: &Query) -> (u32, String) {
    match query {
        Query::LicenseOfKey(hash) => (NODELOCK_QUERY_LICENSE_OF_KEY, hex(&hash.0)),
        Query::License(id) => (NODELOCK_QUERY_LICENSE, id.to_string()),
        Query::SeatsOfHandle(handle) => (NODELOCK_QUERY_SEATS_OF_HANDLE, handle.to_string()),
        Query::TakenSeatsOf(device) => (NODELOCK_QUERY_TAKEN_SEATS_OF, device.to_string()),
        Query::EvidenceOf(handle) => (NODELOCK_QUERY_EVIDENCE_OF, handle.to_string()),
        Query::CheckIn(seat, digest) => (NODELOCK_QUERY_CHECK_IN, format!("{seat}/{}", hex(digest))),
        Query::ApprovalsOf(handle) => (NODELOCK_QUERY_APPROVALS_OF, handle.to_string()),
        Query::Attempts(seat) => (NODELOCK_QUERY_ATTEMPTS, seat.to_string()),
        Query::Count(license, counted) => (NODELOCK_QUERY_COUNT, format!("{license}/{counted}")),
        Query::SeatsByEnd { license, until, at_most } => {
            (NODELOCK_QUERY_SEATS_BY_END, format!("{license}/{}/{at_most}", until.unix_seconds()))
        }
        Query::SeatsWithTag(license, tag) => {
            (NODELOCK_QUERY_SEATS_WITH_TAG, format!("{license}/{}", tag_text(*tag)))
        }
        Query::TrialsWithTag(license, tag) => {
            (NODELOCK_QUERY_TRIALS_WITH_TAG, format!("{license}/{}", tag_text(*tag)))
        }
        Query::SeatOfMachine(machine) => (NODELOCK_QUERY_SEAT_OF_MACHINE, hex(machine)),
        Query::History => (NODELOCK_QUERY_HISTORY, HISTORY.into()),
        Query::Page(page) => (NODELOCK_QUERY_PAGE, page.to_string()),
    }
}

/// A tag, such as `3/0a1b2c`.
pub(super) fn tag_text(tag: Tag) -> String {
    format!("{}/{}", tag.component(), hex(&tag.bytes()))
}

fn wrong(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, what)
}

fn digest(text: &str) -> Result<[u8; 32]> {
    Ok(from_hex(text).ok_or_else(|| wrong("value: 64 hex digits are expected"))?)
}

fn one<'a>(found: &[&'a str]) -> Result<Option<&'a str>> {
    match found {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(wrong("found: one record at most is expected").into()),
    }
}

fn license(found: &[&str]) -> Result<Found> {
    let Some(json) = one(found)? else { return Ok(Found::License(None)) };
    let license: LicenseRecord = read(json, "license")?;
    license.terms.validate()?;
    Ok(Found::License(Some(Box::new(license))))
}

fn seats(found: &[&str]) -> Result<Found> {
    let seats = found.iter().map(|json| read::<Seat>(json, "seat"));
    Ok(Found::Seats(seats.collect::<Result<_>>()?))
}

fn evidence(found: &[&str]) -> Result<Found> {
    let one = |text: &&str| {
        let corrupt = |_| Error::new(ErrorKind::Corrupt, "the kept evidence is damaged");
        Evidence::from_bytes(&URL_SAFE_NO_PAD.decode(text).map_err(corrupt)?)
    };
    Ok(Found::Evidence(found.iter().map(one).collect::<crate::Result<_>>()?))
}

/// The text under which evidence is kept: the opposite of [`evidence`].
pub(super) fn kept(evidence: &Evidence) -> String {
    base64url(&evidence.to_bytes())
}

/// Does the verifications that a decision asks for (nodelock_decision_has_verifications()) and adds what they come
/// to, which stays true for ever. A signature takes some 50 microseconds and a code
/// (nodelock_decision_has_slow_verifications()) some 20 to 100 milliseconds, so do it while no transaction is open.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_records_verify(
    records: *mut nodelock_records,
    decision: *const nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or objects that live, the records used by nobody else; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let records = &mut object_mut(records, "records")?.records;
            records.run(object(decision, "decision")?.verifications());
            Ok(())
        })
    }
}

/// Forgets every record and keeps what the verifications came to: for the next transaction, which must look
/// everything up anew.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_records_keep_facts(
    records: *mut nodelock_records,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or records that live and that nobody else uses; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let records = &mut object_mut(records, "records")?.records;
            *records = records.facts();
            Ok(())
        })
    }
}

/// Frees records. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_records_free(records: *mut nodelock_records) {
    // SAFETY: NULL or records that nobody uses any more.
    unsafe { free(records) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        LicenseId, SigningKey,
        authority::{Counting, SeatName, Usage},
    };

    #[test]
    fn every_query_is_read_back_as_it_is_named() {
        let device_key = SigningKey::generate(&SystemRandom).unwrap().public_key();
        let handle = "7KX2M9".parse().unwrap();
        let seat = SeatName { handle, device_key };
        let queries = [
            Query::LicenseOfKey(KeyHash([0xab; 32])),
            Query::License(LicenseId::generate(&SystemRandom).unwrap()),
            Query::SeatsOfHandle(handle),
            Query::TakenSeatsOf(device_key),
            Query::EvidenceOf(handle),
            Query::CheckIn(seat, [7; 32]),
            Query::Attempts(seat),
            Query::Count(LicenseId::generate(&SystemRandom).unwrap(), Counting::Replaced),
            Query::SeatsByEnd {
                license: LicenseId::generate(&SystemRandom).unwrap(),
                until: Timestamp::MAX,
                at_most: 3,
            },
            Query::SeatsWithTag(
                LicenseId::generate(&SystemRandom).unwrap(),
                Tag::from_parts(3, [0, 0xbc, 1]),
            ),
            Query::SeatOfMachine([0xcd; 32]),
            Query::History,
            Query::Page(Page::generate(&SystemRandom).unwrap()),
            Query::TrialsWithTag(
                LicenseId::generate(&SystemRandom).unwrap(),
                Tag::from_parts(4, [7, 0xbc, 1]),
            ),
            Query::ApprovalsOf(handle),
        ];
        for (query, number) in queries.into_iter().zip(1..) {
            let (kind, value) = named(&query);
            assert_eq!(kind, number);
            let (read, found) = answer(kind, &value, &[]).ok().unwrap();
            assert_eq!(read, query);
            assert!(Records::new().add(read, found).is_ok());
            assert!(answer(kind, &value, &["no record"]).is_err(), "{value}");
            assert!(answer(kind, &value[1..], &[]).is_err(), "{value}");
        }
        assert!(answer(0, "7KX2M9", &[]).is_err() && answer(16, "7KX2M9", &[]).is_err());
        let name = seat.to_string();
        let attempts = r#"{"count":1,"since":5}"#;
        assert!(answer(NODELOCK_QUERY_ATTEMPTS, &name, &[attempts]).is_ok());
        assert!(answer(NODELOCK_QUERY_ATTEMPTS, &name, &[attempts, attempts]).is_err());
        let check_in = format!("{name}/{}", hex(&[7; 32]));
        let found = answer(NODELOCK_QUERY_CHECK_IN, &check_in, &["3"]).ok().unwrap().1;
        assert_eq!(found, Found::CheckIn(Some(3)));
    }

    #[test]
    fn a_license_whose_terms_cannot_be_issued_is_no_record() {
        const COUNTED: &str = r#","deactivated":1,"activated":4,"allowances":null"#;
        let sold = r#"{"id":"0123456789abcdef","product":"Example","seats":3}"#;
        let read = |terms: &str, more: &str| {
            let json = format!(r#"{{"terms":{terms},"taken":2{more}}}"#);
            answer(NODELOCK_QUERY_LICENSE, "0123456789abcdef", &[&json]).map(|(_, found)| found)
        };
        let license = |more: &str| read(&sold.replace('}', &format!("{more}}}")), COUNTED);
        let Ok(Found::License(Some(found))) = license("") else { panic!("a record") };
        assert_eq!((found.usage, found.terms.seats), (Usage::new(2, 1, 4), 3));
        assert!(license(r#","edition":"two\nlines""#).is_err());
        assert!(license(r#","lease_day":1"#).is_err());
        assert!(read(sold, COUNTED).is_ok());
        for counted in COUNTED.split_inclusive(',').skip(1) {
            let counted = counted.trim_end_matches(',');
            let rest = COUNTED.replace(&format!(",{counted}"), "");
            assert!(read(sold, &rest).is_err(), "without {counted}");
        }
        assert!(read(sold, &format!(r#"{COUNTED},"held":1"#)).is_err());
    }
}
