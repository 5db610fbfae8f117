//! The decisions, a function for each act.

use std::{ffi::c_char, sync::Arc, time::Duration};

use serde::Deserialize;

use super::{
    activation::nodelock_activation, decision::nodelock_decision, records::nodelock_records,
    release::nodelock_release, terms::read,
};
use crate::{
    LicenseId, SystemRandom, Timestamp,
    authority::{
        CheckInClaim, PreflightClaim, Records, SeatName, TypedCode,
        decision::{self, Allow, Moment, Note, Refusal, Step},
    },
    ffi::{
        boundary::{Out, Result, fallible, object, optional_text, put, slice, text},
        error::nodelock_error,
        status::nodelock_status,
    },
    system,
};

/// What a rule came to: a step, or its refusal.
type Ruled = std::result::Result<Step, Refusal>;

/// The body of each function here: reads the message and asks the rule.
unsafe fn decide(
    records: *const nodelock_records,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
    act: &mut dyn FnMut(&Records, &Moment) -> Result<Ruled>,
) -> nodelock_status {
    // SAFETY: NULL or records that live and that nobody changes meanwhile; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let decision = Out::<nodelock_decision>::new(decision)?;
            let records = object(records, "records")?;
            let moment = Moment {
                now: Timestamp::from_unix_seconds(now),
                token: system::random(&SystemRandom)?,
                page: records.page,
                longest_lease: records.longest_lease,
                roots: Arc::clone(&records.roots),
            };
            let step = act(&records.records, &moment)?.map_err(crate::Error::from)?;
            decision.set(nodelock_decision::new(step)?);
            Ok(())
        })
    }
}

/// Answers an activation file: frees the seats that came along, then grants the request a seat. `license` is the id of
/// the license that the vendor assigned to a request without a license key; NULL for none.
///
/// NODELOCK_DECISION_GRANTED; NODELOCK_DECISION_REPEATED: the same request again, which fetches the license that it was
/// granted and never a renewed one; or NODELOCK_DECISION_REFUSED, to be stored and sent like any other, because the
/// seats that came along are free all the same. nodelock_decision_refusal() says why: NODELOCK_UNKNOWN_LICENSE,
/// NODELOCK_WRONG_PRODUCT, NODELOCK_LICENSE_ENDED, NODELOCK_NO_FREE_SEAT, NODELOCK_NO_ACTIVATION_LEFT;
/// NODELOCK_APPROVAL_WANTED: it waits for nodelock_decide_approval(); NODELOCK_REQUEST_REFUSED: that refused it;
/// NODELOCK_WRONG_REQUEST: another request under the same name; NODELOCK_CROWDED_HANDLE: too many other devices asked
/// under that handle before; NODELOCK_OUTDATED: it is more than five years old; NODELOCK_REQUEST_CANCELLED,
/// NODELOCK_GIVEN_UP, NODELOCK_REVOKED: the life of that seat is over; for a recovery NODELOCK_UNKNOWN_SEAT,
/// NODELOCK_OUTDATED, NODELOCK_WRONG_MACHINE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_decide_activation(
    activation: *const nodelock_activation,
    license: *const c_char,
    records: *const nodelock_records,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an activation that lives; NULL or text; the rest as for `decide`.
    unsafe {
        decide(records, now, decision, error, &mut |records, moment| {
            let file = &object(activation, "activation")?.file;
            let license = optional_text(license, "license")?.map(str::parse::<LicenseId>).transpose()?;
            Ok(decision::activate(file, license, records, moment))
        })
    }
}

/// Gives a seat up on its device's proof. No rule refuses a genuine proof, because its device has lost the license
/// already; coming again it changes nothing and has the same receipt.
///
/// NODELOCK_DECISION_RETURNED or NODELOCK_DECISION_HELD; NODELOCK_DECISION_KEPT: nobody has asked for that seat yet,
/// and the proof is kept until its request arrives. NODELOCK_BAD_SIGNATURE: another device signed it.
/// NODELOCK_WRONG_REQUEST: this device signed it for another activation. NODELOCK_TOO_MANY_ATTEMPTS: too much is kept
/// under that name.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_decide_release(
    release: *const nodelock_release,
    records: *const nodelock_records,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a release that lives; the rest as for `decide`.
    unsafe {
        decide(records, now, decision, error, &mut |records, moment| {
            Ok(decision::redeem(&object(release, "release")?.claim, records, moment))
        })
    }
}

/// Gives a seat up on a code that somebody read over the phone, typing errors included. The attempt is counted before
/// the code is looked at, so this takes two decisions: the first is NODELOCK_DECISION_ATTEMPTED. Store and commit it,
/// do its verifications with nodelock_records_verify(), and begin again with nodelock_records_keep_facts().
///
/// NODELOCK_DECISION_RETURNED or NODELOCK_DECISION_HELD; NODELOCK_DECISION_KEPT as for nodelock_decide_release().
/// NODELOCK_WRONG_CODE; NODELOCK_TOO_MANY_ATTEMPTS: every seat that it may be about had too many within a day. What
/// cannot be read counts as no attempt; it fails as nodelock_deactivation_code_read() does.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_decide_code(
    typed: *const c_char,
    records: *const nodelock_records,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; the rest as for `decide`.
    unsafe {
        decide(records, now, decision, error, &mut |records, moment| {
            let typed = TypedCode::read(text(typed, "typed")?)?;
            Ok(decision::redeem_code(&typed, records, moment))
        })
    }
}

/// Answers a check-in or a check-in file, in any form. The same check-in again has the same license. A seat that the
/// vendor's database has lost, because it was restored to an earlier copy, is entered again from the license in the
/// file; an event `healed` says so.
///
/// NODELOCK_DECISION_RENEWED, NODELOCK_DECISION_REPEATED, or NODELOCK_DECISION_REVOKED: the seat is over, and only the
/// revocation ends what a copy of the device's store still has. NODELOCK_DECISION_REFUSED, to be stored like any other:
/// the license was signed with the vendor's key and never issued, as an event `strange-license` says;
/// nodelock_decision_refusal() is NODELOCK_UNKNOWN_SEAT. NODELOCK_LICENSE_WANTED: the database does not know the seat
/// or its latest license; the device is to send the whole file. NODELOCK_UNKNOWN_SEAT: the license is not one of the
/// device that signed the check-in. NODELOCK_WRONG_MACHINE: the machine has changed too much. NODELOCK_LICENSE_ENDED.
/// NODELOCK_OUTDATED: another check-in followed this one. The codes of a message.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_decide_check_in(
    data: *const u8,
    size: usize,
    records: *const nodelock_records,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: as many bytes as said; the rest as for `decide`.
    unsafe {
        decide(records, now, decision, error, &mut |records, moment| {
            let claim = CheckInClaim::read(slice(data, size, "data")?)?;
            Ok(decision::check_in(&claim, records, moment))
        })
    }
}

/// Answers a preflight, in any form: a device's question whether its seat may be given up. There is nothing to store or
/// to sign.
///
/// NODELOCK_DECISION_PREFLIGHT; nodelock_decision_is_allowed() is the answer. NODELOCK_UNKNOWN_SEAT: the
/// device that signed it has no such seat. The codes of a message.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_decide_preflight(
    data: *const u8,
    size: usize,
    records: *const nodelock_records,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: as many bytes as said; the rest as for `decide`.
    unsafe {
        decide(records, now, decision, error, &mut |records, moment| {
            let claim = PreflightClaim::read(slice(data, size, "data")?)?;
            Ok(decision::preflight(&claim, records, moment))
        })
    }
}

unsafe fn seat_name(seat: *const c_char) -> Result<SeatName> {
    // SAFETY: NULL or text.
    Ok(unsafe { text(seat, "seat") }?.parse()?)
}

/// A new license for an active seat, as a file for a device that does not check in. `seat` is the seat and its device
/// key, as nodelock_decision_change_name() has them.
///
/// NODELOCK_DECISION_RENEWED. NODELOCK_UNKNOWN_SEAT, NODELOCK_LICENSE_ENDED, NODELOCK_GIVEN_UP, NODELOCK_REVOKED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_decide_renewal(
    seat: *const c_char,
    records: *const nodelock_records,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; the rest as for `decide`.
    unsafe {
        decide(records, now, decision, error, &mut |records, moment| {
            Ok(decision::renew(seat_name(seat)?, records, moment))
        })
    }
}

/// Releases the seat of a machine that is dead, lost or unwilling. `seat` is as for nodelock_decide_renewal(), `notice`
/// a line for the customer, which may be NULL. The device hears of it when it next checks in, or by the file of the
/// reply. Until then the license there runs to the end of its lease, so the seat may be in use twice for that long.
///
/// NODELOCK_DECISION_REVOKED, the same again for a seat that was released before; NODELOCK_DECISION_RETURNED_BY_VENDOR
/// for a seat that was held. NODELOCK_UNKNOWN_SEAT. NODELOCK_GIVEN_UP: there is nothing to release.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_decide_forced_release(
    seat: *const c_char,
    notice: *const c_char,
    records: *const nodelock_records,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or texts; the rest as for `decide`.
    unsafe {
        decide(records, now, decision, error, &mut |records, moment| {
            let notice = optional_text(notice, "notice")?.unwrap_or_default();
            Ok(decision::release(seat_name(seat)?, notice, records, moment))
        })
    }
}

/// Takes the release of a seat back, while its device has not heard of it and a seat is free. `seat` is as for
/// nodelock_decide_renewal(). A revocation that was carried to the device by hand is not known here: what was handed
/// over is not to be taken back.
///
/// NODELOCK_DECISION_RENEWED, and NODELOCK_DECISION_REPEATED for the same again. NODELOCK_UNKNOWN_SEAT,
/// NODELOCK_LICENSE_ENDED, NODELOCK_NO_FREE_SEAT. NODELOCK_GIVEN_UP: the vendor did not release it, its device was told
/// so or gave it back, its use is over, or another installation has the seat of its machine.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_decide_unrelease(
    seat: *const c_char,
    records: *const nodelock_records,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; the rest as for `decide`.
    unsafe {
        decide(records, now, decision, error, &mut |records, moment| {
            Ok(decision::unrelease(seat_name(seat)?, records, moment))
        })
    }
}

/// Releases a seat on the word of a customer who has the license key, without a request that takes its place. `license`
/// is the license's id, `seat` the seat's name without a device key, such as `7KX2M9`. Its device must have been silent
/// for a week, and the license must allow one more. Coming again it changes nothing and has the same revocation.
///
/// NODELOCK_DECISION_REVOKED; NODELOCK_DECISION_RETURNED_BY_VENDOR for a held seat, which nobody is told of.
/// NODELOCK_UNKNOWN_LICENSE, NODELOCK_UNKNOWN_SEAT: not of this license. NODELOCK_DEACTIVATION_NOT_ALLOWED: beyond
/// these limits.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_decide_customer_release(
    license: *const c_char,
    seat: *const c_char,
    records: *const nodelock_records,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or texts; the rest as for `decide`.
    unsafe {
        decide(records, now, decision, error, &mut |records, moment| {
            let (license, seat) = (text(license, "license")?.parse()?, text(seat, "seat")?.parse()?);
            Ok(decision::customer_release(license, seat, records, moment))
        })
    }
}

/// Lets the trial of a seat's machine last until `until`, in seconds since 1970. It counts for every trial that the
/// machine has or had. `seat` is as for nodelock_decide_renewal(). The same again changes nothing.
///
/// NODELOCK_DECISION_EXTENDED. NODELOCK_UNKNOWN_SEAT. NODELOCK_INVALID_INPUT: the seat is no trial, or its trial ends
/// later.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_decide_trial(
    seat: *const c_char,
    until: u64,
    records: *const nodelock_records,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; the rest as for `decide`.
    unsafe {
        decide(records, now, decision, error, &mut |records, moment| {
            let until = Timestamp::from_unix_seconds(until);
            Ok(decision::extend_trial(seat_name(seat)?, until, records, moment))
        })
    }
}

/// Returns a held seat to the pool. `seat` is as for nodelock_decide_renewal().
///
/// NODELOCK_DECISION_RETURNED_BY_VENDOR. NODELOCK_UNKNOWN_SEAT, NODELOCK_NOT_HELD.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_decide_return(
    seat: *const c_char,
    records: *const nodelock_records,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; the rest as for `decide`.
    unsafe {
        decide(records, now, decision, error, &mut |records, moment| {
            Ok(decision::return_held(seat_name(seat)?, records, moment))
        })
    }
}

/// Approves the request for a seat, or refuses it. `seat` is the name under which NODELOCK_CHANGE_APPROVAL stored it.
/// With `refusal` NULL it is approved: the same request gets its license when it comes again, if a seat is free then.
/// Otherwise its device hears that it was refused, with that text, which may be empty, has 200 bytes at most, and no
/// word of 20 or more letters and digits: it may be a license key. An approval is taken back by a refusal until the
/// seat is granted. The same again changes nothing.
///
/// NODELOCK_DECISION_RULED. NODELOCK_UNKNOWN_SEAT: no such request waits. NODELOCK_REQUEST_REFUSED: it was refused
/// before. NODELOCK_INVALID_INPUT: the text.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_decide_approval(
    seat: *const c_char,
    refusal: *const c_char,
    records: *const nodelock_records,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or texts; the rest as for `decide`.
    unsafe {
        decide(records, now, decision, error, &mut |records, moment| {
            let seat = seat_name(seat)?;
            Ok(match optional_text(refusal, "refusal")? {
                None => decision::approve(seat, records, moment),
                Some(reason) => decision::refuse_request(seat, reason, records, moment),
            })
        })
    }
}

/// What a vendor does about an allowance, as a host writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowRecord {
    license: String,
    allowance: String,
    #[serde(default)]
    extra: Option<u32>,
    #[serde(default)]
    reason: String,
}

/// Resets an allowance of a license, or grants extra ones until its next period. `allow` is JSON:
///
/// ```json
/// {"license": "0123456789abcdef", "allowance": "activations", "extra": null, "reason": ""}
/// ```
///
/// `allowance` is `activations` or `deactivations`. With `extra` null, as by default, what was used up counts no more;
/// otherwise so many extra ones take the place of those that were granted before. `reason` is a line for the vendor's
/// audit. No seat changes by it, and the same again changes nothing.
///
/// NODELOCK_DECISION_ALLOWED. NODELOCK_UNKNOWN_LICENSE. NODELOCK_INVALID_INPUT, NODELOCK_TOO_LARGE: not such a record,
/// or the reason.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_decide_allowance(
    allow: *const c_char,
    records: *const nodelock_records,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; the rest as for `decide`.
    unsafe {
        decide(records, now, decision, error, &mut |records, moment| {
            let record: AllowRecord = read(text(allow, "allow")?, "allow")?;
            let (license, of) = (record.license.parse()?, record.allowance.parse()?);
            let allow = record.extra.map_or(Allow::Reset, Allow::Extra);
            Ok(decision::allow(license, of, allow, &record.reason, records, moment))
        })
    }
}

/// [`Note`] as a host writes it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NoteRecord {
    outside: Option<String>,
    trusted: bool,
    vouched: bool,
    stopping: bool,
    since_last: Option<u64>,
}

/// Notes that the vendor's database is in service, under the page of the records, which must be new: at the start, in
/// each minute while it serves, and when it stops. Store the decision, copy the page to a place outside of the
/// database, and sign under it from then on. So a database that was restored to an earlier copy is found out.
///
/// `note` is JSON; each member may be left out:
///
/// ```json
/// {"outside": "0123456789abcdef", "trusted": false, "vouched": false, "stopping": false, "since_last": 60}
/// ```
///
/// `outside` is the page that was copied to that place last, read from there; `null` is none. `trusted` says that no
/// backup of the database reaches the place, `vouched` that a person says the database was not restored, `stopping`
/// that the service stops with this. `since_last` is how many seconds ago this process noted something, by a clock that
/// nobody sets; `null` at its start.
///
/// NODELOCK_DECISION_NOTED. An event `restored` says that a part of the database's history is missing, or may be: seats
/// that counted when it began lapse later. NODELOCK_INVALID_INPUT, NODELOCK_TOO_LARGE: not such a note.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_decide_note(
    note: *const c_char,
    records: *const nodelock_records,
    now: u64,
    decision: *mut *mut nodelock_decision,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; the rest as for `decide`.
    unsafe {
        decide(records, now, decision, error, &mut |records, moment| {
            let record: NoteRecord = read(text(note, "note")?, "note")?;
            let note = Note {
                outside: record.outside.as_deref().map(str::parse).transpose()?,
                trusted: record.trusted,
                vouched: record.vouched,
                stopping: record.stopping,
                since_last: record.since_last.map(Duration::from_secs),
            };
            Ok(decision::note(&note, records, moment))
        })
    }
}

/// The dates of requests that are outdated at `now`, in seconds since 1970: those from `*from` on and before `*before`.
/// A database may forget the `cancelled` seats that were `requested` then, and no other seats: without its seat an
/// outdated request is refused. False, and nothing is stored, while there are no such dates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_outdated(now: u64, from: *mut u64, before: *mut u64) -> bool {
    let dates = decision::outdated(Timestamp::from_unix_seconds(now));
    let date = |time: Timestamp| (!dates.is_empty()).then(|| time.unix_seconds());
    // SAFETY: NULL or places for the dates.
    unsafe { put(date(dates.start), from) && put(date(dates.end), before) }
}
