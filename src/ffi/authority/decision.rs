//! What a rule came to: what to look up, what to store, what to note.

use std::{
    ffi::{CStr, CString, c_char},
    ptr,
};

use serde::Serialize;

use super::records::{HISTORY, kept, named, tag_text};
use crate::{
    Error, ErrorKind, Outcome, Timestamp,
    authority::{
        Query, Seat, SeatName, Verification,
        decision::{Change, Decision, Event, Ruling, Step},
    },
    ffi::{
        boundary::{Result, SecretText, c_string, free, look, put},
        status::nodelock_status,
    },
    message::hex,
};

/// A new seat was granted; its license is sent.
pub const NODELOCK_DECISION_GRANTED: u32 = 1;
/// The same message again; the same license is sent.
pub const NODELOCK_DECISION_REPEATED: u32 = 2;
/// The seat went back to the pool, now or before; its receipt is sent.
pub const NODELOCK_DECISION_RETURNED: u32 = 3;
/// No deactivation was left, so the seat is kept for its device; its receipt is sent.
pub const NODELOCK_DECISION_HELD: u32 = 4;
/// The license was renewed; the new one is sent.
pub const NODELOCK_DECISION_RENEWED: u32 = 5;
/// The seat is over; its revocation is sent, which ends what a device may still have.
pub const NODELOCK_DECISION_REVOKED: u32 = 6;
/// Nothing is decided: answer the queries, do the verifications, and call the function again.
pub const NODELOCK_DECISION_NEEDS: u32 = 7;
/// The request is refused for good. Seats that came along are free all the same; their receipts are sent. Or the
/// license of a check-in is an alarm.
pub const NODELOCK_DECISION_REFUSED: u32 = 8;
/// Nobody has asked for that seat yet; what was handed over is kept until its request arrives. Nothing is sent.
pub const NODELOCK_DECISION_KEPT: u32 = 9;
/// The vendor returned a held seat to the pool. Nothing is sent, because there is nobody to tell.
pub const NODELOCK_DECISION_RETURNED_BY_VENDOR: u32 = 10;
/// The attempt is counted and the code not looked at yet: store, commit, do the verifications, and call the function
/// again.
pub const NODELOCK_DECISION_ATTEMPTED: u32 = 11;
/// A preflight is answered. Nothing is stored and nothing is sent.
pub const NODELOCK_DECISION_PREFLIGHT: u32 = 12;
/// The service of the database is noted. Nothing is sent. Copy the page outside once this is stored.
pub const NODELOCK_DECISION_NOTED: u32 = 13;
/// The vendor reset an allowance of a license, or granted extra ones. Nothing is sent.
pub const NODELOCK_DECISION_ALLOWED: u32 = 14;
/// The vendor let the trial of a seat's machine last longer. Nothing is sent: its device hears of it when it checks in.
pub const NODELOCK_DECISION_EXTENDED: u32 = 15;

/// The vendor approved a request, or refused it. Nothing is sent: its device hears of it when it asks again.
pub const NODELOCK_DECISION_RULED: u32 = 16;

/// A seat is new. There is none of that name; if there is, storing it must fail and the transaction with it. Seats are
/// kept for ever, except that a `cancelled` one may go when its `requested` is one of the dates of nodelock_outdated().
pub const NODELOCK_CHANGE_INSERT_SEAT: u32 = 1;
/// A seat takes the place of the one of that name.
pub const NODELOCK_CHANGE_UPDATE_SEAT: u32 = 2;
/// Evidence is kept, beside what is kept under that name already.
pub const NODELOCK_CHANGE_KEEP_EVIDENCE: u32 = 3;
/// That evidence, which is kept under that name, goes.
pub const NODELOCK_CHANGE_FORGET_EVIDENCE: u32 = 4;
/// A check-in was answered. Check-ins of that seat below nodelock_decision_change_forget_below() may go.
pub const NODELOCK_CHANGE_CHECK_IN: u32 = 5;
/// Attempts take the place of those of that name.
pub const NODELOCK_CHANGE_ATTEMPTS: u32 = 6;
/// A count takes the place of the one of that name.
pub const NODELOCK_CHANGE_COUNT: u32 = 7;
/// What the database notes of its service takes the place of what it noted before.
pub const NODELOCK_CHANGE_HISTORY: u32 = 8;
/// A page is in service. There is none of that name; if there is, storing it must fail and the transaction with it.
/// Pages are kept for ever.
pub const NODELOCK_CHANGE_PAGE: u32 = 9;
/// A license that the database has lost, on the terms that a device's license says. It comes before its seats. The
/// record is the terms, as nodelock_terms_check() has them. The hash of its key is lost, so give it another key.
pub const NODELOCK_CHANGE_LICENSE: u32 = 10;
/// What of a license's allowances counts no more, and what was granted beyond its terms. It takes the place of what was
/// stored under that license's id before, and is a part of the license when that is looked up
/// (nodelock_records_answer()).
pub const NODELOCK_CHANGE_ALLOWANCES: u32 = 11;
/// What the device of a seat says of its machine now, for people: `[["computer", "desk"]]`, in place of what it said
/// before in its request (nodelock_activation_metadata_count()) or a check-in. No query asks for it, and it may be
/// passed over.
pub const NODELOCK_CHANGE_DESCRIPTION: u32 = 12;

/// A request that waits for approval, or was approved or refused, takes the place of the one of that name, which is
/// that of the seat that it asks for. It may go once there is a seat of that name, and when it is old.
pub const NODELOCK_CHANGE_APPROVAL: u32 = 13;
/// The requests of a device for seats of a license go, whatever was said of them. The name is the device key, and
/// nodelock_decision_change_license() the license. A vendor that suspends or ends a license deletes all requests of it.
pub const NODELOCK_CHANGE_FORGET_APPROVALS: u32 = 14;

/// What a rule came to. Belongs to the caller; may be read from any number of threads.
pub struct nodelock_decision {
    step: Step,
    queries: Vec<OneQuery>,
    changes: Vec<OneChange>,
    events: Vec<OneEvent>,
    refusal: Option<CString>,
    seats: Option<CString>,
}

struct OneQuery {
    kind: u32,
    value: CString,
}

struct OneChange {
    kind: u32,
    name: CString,
    /// Evidence holds codes.
    record: SecretText,
    license: Option<CString>,
    is_taken: bool,
    is_lapsed: bool,
    is_counted: bool,
    is_activation: bool,
    is_trial: bool,
    ends: u64,
    machine: Option<CString>,
    tags: Vec<CString>,
    forget_below: u32,
}

struct OneEvent {
    name: CString,
    seat: Option<CString>,
    detail: CString,
}

impl nodelock_decision {
    pub(super) fn new(step: Step) -> Result<Self> {
        let (mut queries, mut changes, mut events) = (Vec::new(), Vec::new(), Vec::new());
        let (mut refused, mut seats) = (None, None);
        match &step {
            Step::Needs(lookup) => queries.extend(lookup.queries.iter().map(OneQuery::from)),
            Step::Decided(decision) => {
                changes = decision.store.iter().map(OneChange::new).collect::<Result<_>>()?;
                events.extend(decision.events.iter().map(OneEvent::from));
                if let Ruling::Refused(refusal) = &decision.ruling {
                    refused = Some(c_string(refusal.to_string()));
                    seats = refusal.seats().map(json).transpose()?.map(c_string);
                }
            }
        }
        Ok(Self { step, queries, changes, events, refusal: refused, seats })
    }

    /// The decision, if it is made.
    pub(super) fn decided(&self) -> crate::Result<&Decision> {
        match &self.step {
            Step::Needs(_) => {
                Err(Error::new(ErrorKind::InvalidInput, "the decision is not made yet: it needs records"))
            }
            Step::Decided(decision) => Ok(decision),
        }
    }

    pub(super) fn verifications(&self) -> &[Verification] {
        match &self.step {
            Step::Needs(lookup) => &lookup.verifications,
            Step::Decided(decision) => &decision.verifications,
        }
    }

    fn ruling(&self) -> Option<&Ruling> {
        self.decided().ok().map(|decision| &decision.ruling)
    }

    fn trial_ended(&self) -> u64 {
        match self.ruling() {
            Some(Ruling::Refused(refusal)) => refusal.trial_ended().map_or(0, Timestamp::unix_seconds),
            _ => 0,
        }
    }

    fn outcome(&self) -> u32 {
        match self.ruling() {
            None => NODELOCK_DECISION_NEEDS,
            Some(Ruling::Granted(_)) => NODELOCK_DECISION_GRANTED,
            Some(Ruling::Repeated(_)) => NODELOCK_DECISION_REPEATED,
            Some(Ruling::Renewed(_)) => NODELOCK_DECISION_RENEWED,
            Some(Ruling::Refused(_)) => NODELOCK_DECISION_REFUSED,
            Some(Ruling::Released { outcome: Outcome::Returned, .. }) => NODELOCK_DECISION_RETURNED,
            Some(Ruling::Released { outcome: Outcome::Held, .. }) => NODELOCK_DECISION_HELD,
            Some(Ruling::Kept(_)) => NODELOCK_DECISION_KEPT,
            Some(Ruling::Revoked(_)) => NODELOCK_DECISION_REVOKED,
            Some(Ruling::Returned(_)) => NODELOCK_DECISION_RETURNED_BY_VENDOR,
            Some(Ruling::Attempted) => NODELOCK_DECISION_ATTEMPTED,
            Some(Ruling::Preflight { .. }) => NODELOCK_DECISION_PREFLIGHT,
            Some(Ruling::Noted(_)) => NODELOCK_DECISION_NOTED,
            Some(Ruling::Allowed(_)) => NODELOCK_DECISION_ALLOWED,
            Some(Ruling::Extended(_)) => NODELOCK_DECISION_EXTENDED,
            Some(Ruling::Ruled(_)) => NODELOCK_DECISION_RULED,
        }
    }

    fn deactivations_left(&self) -> Option<u32> {
        match self.ruling()? {
            Ruling::Released { deactivations_left, .. } | Ruling::Preflight { deactivations_left } => {
                *deactivations_left
            }
            _ => None,
        }
    }
}

impl From<&Query> for OneQuery {
    fn from(query: &Query) -> Self {
        let (kind, value) = named(query);
        Self { kind, value: c_string(value) }
    }
}

impl OneChange {
    fn new(change: &Change) -> Result<Self> {
        Ok(match change {
            Change::Insert { seat, .. } => Self::of_seat(NODELOCK_CHANGE_INSERT_SEAT, seat)?,
            Change::Update(seat) => Self::of_seat(NODELOCK_CHANGE_UPDATE_SEAT, seat)?,
            Change::Keep(evidence) => {
                let name = evidence.handle().to_string();
                Self::named(NODELOCK_CHANGE_KEEP_EVIDENCE, name, kept(evidence))
            }
            Change::Forget(evidence) => {
                let name = evidence.handle().to_string();
                Self::named(NODELOCK_CHANGE_FORGET_EVIDENCE, name, kept(evidence))
            }
            Change::RememberCheckIn { seat, digest, revision, forget_below } => {
                let (_, name) = named(&Query::CheckIn(*seat, *digest));
                let change = Self::named(NODELOCK_CHANGE_CHECK_IN, name, json(revision)?);
                Self { forget_below: *forget_below, ..change }
            }
            Change::Describe { seat, description } => {
                Self::named(NODELOCK_CHANGE_DESCRIPTION, seat.to_string(), json(description)?)
            }
            Change::Approval(approval) => {
                let change =
                    Self::named(NODELOCK_CHANGE_APPROVAL, approval.name().to_string(), json(approval)?);
                Self { license: Some(c_string(approval.license_id().to_string())), ..change }
            }
            Change::ForgetApprovals { license, device } => {
                let change = Self::named(NODELOCK_CHANGE_FORGET_APPROVALS, device.to_string(), json(&true)?);
                Self { license: Some(c_string(license.to_string())), ..change }
            }
            Change::Attempts(seat, attempts) => {
                Self::named(NODELOCK_CHANGE_ATTEMPTS, seat.to_string(), json(attempts)?)
            }
            Change::Count(license, counted, count) => {
                let (_, name) = named(&Query::Count(*license, *counted));
                Self::named(NODELOCK_CHANGE_COUNT, name, json(count)?)
            }
            Change::History(history) => Self::named(NODELOCK_CHANGE_HISTORY, HISTORY.into(), json(history)?),
            Change::Page(page) => Self::named(NODELOCK_CHANGE_PAGE, page.to_string(), json(&true)?),
            Change::License(terms) => {
                Self::named(NODELOCK_CHANGE_LICENSE, terms.id.to_string(), json(terms)?)
            }
            Change::Allowances(license, allowances) => {
                Self::named(NODELOCK_CHANGE_ALLOWANCES, license.to_string(), json(allowances)?)
            }
        })
    }

    fn of_seat(kind: u32, seat: &Seat) -> Result<Self> {
        Ok(Self {
            license: seat.license_id().map(|id| c_string(id.to_string())),
            is_taken: seat.state().is_taken(),
            is_lapsed: seat.is_lapsed(),
            machine: Some(c_string(hex(seat.machine()))),
            tags: seat.fingerprint().hardware().map(|tag| c_string(tag_text(tag))).collect(),
            ends: seat.ends().unwrap_or(Timestamp::MAX).unix_seconds(),
            is_counted: seat.is_counted(),
            is_activation: seat.is_activation(),
            is_trial: seat.is_trial(),
            ..Self::named(kind, seat.name().to_string(), json(seat)?)
        })
    }

    fn named(kind: u32, name: String, record: String) -> Self {
        Self {
            kind,
            name: c_string(name),
            record: SecretText::new(record),
            license: None,
            is_taken: false,
            is_lapsed: false,
            is_counted: false,
            is_activation: false,
            is_trial: false,
            ends: 0,
            machine: None,
            tags: Vec::new(),
            forget_below: 0,
        }
    }
}

fn json(record: &impl Serialize) -> Result<String> {
    let wrong = |_| Error::new(ErrorKind::InvalidInput, "the record cannot be written as JSON");
    Ok(serde_json::to_string(record).map_err(wrong)?)
}

impl From<&Event> for OneEvent {
    fn from(event: &Event) -> Self {
        Self {
            name: c_string(event.kind.name()),
            seat: event.seat.map(|seat: SeatName| c_string(seat.to_string())),
            detail: c_string(event.words()),
        }
    }
}

/// What it came to: one of NODELOCK_DECISION_*. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_outcome(decision: *const nodelock_decision) -> u32 {
    // SAFETY: NULL or a decision that lives.
    unsafe { look(decision, 0, nodelock_decision::outcome) }
}

/// Why a request was refused: NODELOCK_DECISION_REFUSED. NODELOCK_OK for every other outcome and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_refusal(decision: *const nodelock_decision) -> nodelock_status {
    // SAFETY: NULL or a decision that lives.
    unsafe {
        look(decision, nodelock_status::NODELOCK_OK, |decision| match decision.ruling() {
            Some(Ruling::Refused(refusal)) => refusal.kind().into(),
            _ => nodelock_status::NODELOCK_OK,
        })
    }
}

/// The same in words, with the value or the bound that it was refused for: for a log, or for the `detail` of the
/// answer. Holds no key and no code. Lent until the decision is freed. NULL for every other outcome and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_refusal_text(decision: *const nodelock_decision) -> *const c_char {
    // SAFETY: NULL or a decision that lives.
    unsafe { look(decision, ptr::null(), |decision| lent(decision.refusal.as_deref())) }
}

/// What a request that is refused for want of a seat (NODELOCK_NO_FREE_SEAT) is told of the seats that there are, for a
/// person who waits or chooses one to replace:
/// `{"next_lapse": 1790000000, "seats": [{"seat": "7KX2M9", "label": "", "last_contact": 1780000000,
/// "lapses": 1790000000, "replaceable": true}]}`.
/// What never lapses has null. With these members in its answer, as the reference authority has them, a device lists
/// the seats (nodelock_error_seat_count()). Lent until the decision is freed. NULL for every other outcome and for
/// NULL. A check-in that is refused so has them in its error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_seats(decision: *const nodelock_decision) -> *const c_char {
    // SAFETY: NULL or a decision that lives.
    unsafe { look(decision, ptr::null(), |decision| lent(decision.seats.as_deref())) }
}

/// When the trial of the machine ended whose request is refused for that (NODELOCK_TRIAL_USED), in seconds since 1970.
/// As `trial_ended` in the answer, a device reads it (nodelock_error_trial_ended()). 0 for every other outcome, for a
/// machine that has had no trial, and for NULL. A check-in that is refused so has it in its error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_trial_ended(decision: *const nodelock_decision) -> u64 {
    // SAFETY: NULL or a decision that lives.
    unsafe { look(decision, 0, nodelock_decision::trial_ended) }
}

/// What to answer a preflight: whether the seat would return to the pool. False for every other outcome.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_is_allowed(decision: *const nodelock_decision) -> bool {
    // SAFETY: NULL or a decision that lives.
    unsafe { look(decision, false, |decision| decision.ruling().is_some_and(Ruling::is_allowed)) }
}

/// How many deactivations the license has left, after a seat was given up and for a preflight. False, and nothing is
/// stored, for a license without a limit and for every other outcome.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_deactivations_left(
    decision: *const nodelock_decision,
    left: *mut u32,
) -> bool {
    // SAFETY: NULL or a decision that lives; NULL or a place for the number.
    unsafe { put(look(decision, None, nodelock_decision::deactivations_left), left) }
}

/// How many queries there are to answer with nodelock_records_answer(). None unless the outcome is
/// NODELOCK_DECISION_NEEDS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_query_count(decision: *const nodelock_decision) -> usize {
    // SAFETY: NULL or a decision that lives.
    unsafe { look(decision, 0, |decision| decision.queries.len()) }
}

/// What a query asks for, by its place from 0 on: one of NODELOCK_QUERY_*. 0 beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_query_kind(
    decision: *const nodelock_decision,
    index: usize,
) -> u32 {
    // SAFETY: NULL or a decision that lives.
    unsafe { look(decision, 0, |decision| decision.queries.get(index).map_or(0, |query| query.kind)) }
}

/// What a query asks about, by its place from 0 on. Lent until the decision is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_query_value(
    decision: *const nodelock_decision,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or a decision that lives.
    unsafe {
        look(decision, ptr::null(), |decision| {
            lent(decision.queries.get(index).map(|query| query.value.as_c_str()))
        })
    }
}

fn lent(text: Option<&CStr>) -> *const c_char {
    text.map_or(ptr::null(), CStr::as_ptr)
}

/// Whether there are verifications to do with nodelock_records_verify(): before the function is called again, and for
/// NODELOCK_DECISION_ATTEMPTED after what is to be stored is committed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_has_verifications(decision: *const nodelock_decision) -> bool {
    // SAFETY: NULL or a decision that lives.
    unsafe { look(decision, false, |decision| !decision.verifications().is_empty()) }
}

/// Whether some of the verifications take 20 to 100 milliseconds each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_has_slow_verifications(
    decision: *const nodelock_decision,
) -> bool {
    // SAFETY: NULL or a decision that lives.
    unsafe { look(decision, false, |decision| decision.verifications().iter().any(Verification::is_slow)) }
}

/// How many changes there are to store, all in one transaction with what was looked up. None when nothing changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_change_count(decision: *const nodelock_decision) -> usize {
    // SAFETY: NULL or a decision that lives.
    unsafe { look(decision, 0, |decision| decision.changes.len()) }
}

unsafe fn change<R: Copy>(
    decision: *const nodelock_decision,
    index: usize,
    otherwise: R,
    part: impl FnOnce(&OneChange) -> R,
) -> R {
    // SAFETY: NULL or a decision that lives.
    unsafe { look(decision, otherwise, |decision| decision.changes.get(index).map_or(otherwise, part)) }
}

/// What changes, by its place from 0 on: one of NODELOCK_CHANGE_*. 0 beyond the last.
///
/// Later versions of the library add kinds. A decision with one that you do not know is not stored whole, so let the
/// transaction fail and send nothing. Of those here, NODELOCK_CHANGE_DESCRIPTION alone may be passed over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_change_kind(
    decision: *const nodelock_decision,
    index: usize,
) -> u32 {
    // SAFETY: NULL or a decision that lives.
    unsafe { change(decision, index, 0, |change| change.kind) }
}

/// What a change is stored under, by its place from 0 on. Lent until the decision is freed. NULL beyond the last.
///
/// - a seat and attempts: the seat, a colon and its device key, such as `7KX2M9:…`;
/// - evidence: the seat that it is about, such as `7KX2M9`;
/// - a check-in: a seat as above, a slash and 64 hex digits;
/// - a count: the license's id, a slash and what is counted, as the query has it; a license and its allowances: its id;
///   a page: 16 hex digits; the history: `history`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_change_name(
    decision: *const nodelock_decision,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or a decision that lives.
    unsafe { change(decision, index, ptr::null(), |change| change.name.as_ptr()) }
}

/// The record to store, by its place from 0 on: give it to nodelock_records_answer() as it is. Lent until the decision
/// is freed. NULL beyond the last.
///
/// - a seat: JSON. `seat`, `device_key`, `license`, `state` (`active`, `held`, `replaced`, `returned`, `cancelled`,
///   `revoked`), `revision`, `granted`, `issued`, `changed`, `copies` (how many check-ins came from another copy of its
///   store) and `notice` are for people, the rest is the library's;
/// - evidence: one line of base64url, a secret: there may be a code in it;
/// - a check-in: a number;
/// - attempts: JSON, `count` since `since`;
/// - the history, a page, a license, its allowances: JSON.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_change_record(
    decision: *const nodelock_decision,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or a decision that lives.
    unsafe { change(decision, index, ptr::null(), |change| change.record.as_ptr()) }
}

/// The license of a seat or of a request that waits for approval, by its place among the changes. Lent until the
/// decision is freed. NULL for a request that was cancelled under an unknown license key, for every other change, and
/// beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_change_license(
    decision: *const nodelock_decision,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or a decision that lives.
    unsafe { change(decision, index, ptr::null(), |change| lent(change.license.as_deref())) }
}

/// Whether a device holds a seat, or gave it up and has it held, by its place among the changes. `taken` of a license
/// is the number of such seats that are not lapsed. False for every other change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_change_is_taken(
    decision: *const nodelock_decision,
    index: usize,
) -> bool {
    // SAFETY: NULL or a decision that lives.
    unsafe { change(decision, index, false, |change| change.is_taken) }
}

/// Whether a seat that is taken counts no longer, by its place among the changes, because its use ended too long ago.
/// False for every other change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_change_is_lapsed(
    decision: *const nodelock_decision,
    index: usize,
) -> bool {
    // SAFETY: NULL or a decision that lives.
    unsafe { change(decision, index, false, |change| change.is_lapsed) }
}

/// When the use of a seat ends, by its place among the changes, in seconds since 1970: what NODELOCK_QUERY_SEATS_BY_END
/// finds it by. 253402300799, the end of the year 9999, for one that never ends; 0 for every other change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_change_ends(
    decision: *const nodelock_decision,
    index: usize,
) -> u64 {
    // SAFETY: NULL or a decision that lives.
    unsafe { change(decision, index, 0, |change| change.ends) }
}

/// What the seats of one machine have in common that took each other's place, by the place of a seat among the changes:
/// 64 hex digits, which NODELOCK_QUERY_SEAT_OF_MACHINE finds it by. Lent until the decision is freed. NULL for every
/// other change and beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_change_machine(
    decision: *const nodelock_decision,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or a decision that lives.
    unsafe { change(decision, index, ptr::null(), |change| lent(change.machine.as_deref())) }
}

/// How many hardware tags a seat has, by its place among the changes: NODELOCK_QUERY_SEATS_WITH_TAG finds it by each of
/// them. They change when it is renewed. 0 for every other change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_change_tag_count(
    decision: *const nodelock_decision,
    index: usize,
) -> usize {
    // SAFETY: NULL or a decision that lives.
    unsafe { change(decision, index, 0, |change| change.tags.len()) }
}

/// A hardware tag of a seat, such as `3/0a1b2c`, by the seat's place among the changes and its own from 0 on. Lent
/// until the decision is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_change_tag(
    decision: *const nodelock_decision,
    index: usize,
    tag: usize,
) -> *const c_char {
    // SAFETY: NULL or a decision that lives.
    unsafe {
        change(decision, index, ptr::null(), |change| lent(change.tags.get(tag).map(CString::as_c_str)))
    }
}

/// Whether giving a seat up used up a deactivation, by its place among the changes: `deactivated` of a license is the
/// number of such seats. False for every other change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_change_is_counted(
    decision: *const nodelock_decision,
    index: usize,
) -> bool {
    // SAFETY: NULL or a decision that lives.
    unsafe { change(decision, index, false, |change| change.is_counted) }
}

/// Whether the grant of a seat used up an activation, by its place among the changes: `activated` of a license is the
/// number of such seats. False for every other change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_change_is_activation(
    decision: *const nodelock_decision,
    index: usize,
) -> bool {
    // SAFETY: NULL or a decision that lives.
    unsafe { change(decision, index, false, |change| change.is_activation) }
}

/// Whether a seat is a trial, by its place among the changes: NODELOCK_QUERY_TRIALS_WITH_TAG finds it by its tags for
/// ever. False for every other change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_change_is_trial(
    decision: *const nodelock_decision,
    index: usize,
) -> bool {
    // SAFETY: NULL or a decision that lives.
    unsafe { change(decision, index, false, |change| change.is_trial) }
}

/// For NODELOCK_CHANGE_CHECK_IN: check-ins of the same seat whose record is a number below this are of no use any more.
/// 0 for every other change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_change_forget_below(
    decision: *const nodelock_decision,
    index: usize,
) -> u32 {
    // SAFETY: NULL or a decision that lives.
    unsafe { change(decision, index, 0, |change| change.forget_below) }
}

/// How many events there are, for an audit or a log. What is refused, and what came again, has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_event_count(decision: *const nodelock_decision) -> usize {
    // SAFETY: NULL or a decision that lives.
    unsafe { look(decision, 0, |decision| decision.events.len()) }
}

unsafe fn event(
    decision: *const nodelock_decision,
    index: usize,
    part: impl FnOnce(&OneEvent) -> Option<&CStr>,
) -> *const c_char {
    // SAFETY: NULL or a decision that lives.
    unsafe { look(decision, ptr::null(), |decision| lent(decision.events.get(index).and_then(part))) }
}

/// The stable name of an event, by its place from 0 on, such as `granted` or `copy-suspected`. Lent until the decision
/// is freed. NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_event_name(
    decision: *const nodelock_decision,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or a decision that lives.
    unsafe { event(decision, index, |event| Some(&event.name)) }
}

/// The seat of an event and its device key, such as `7KX2M9:…`. Lent until the decision is freed. NULL if nobody has
/// asked for that seat yet, and beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_event_seat(
    decision: *const nodelock_decision,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or a decision that lives.
    unsafe { event(decision, index, |event| event.seat.as_deref()) }
}

/// More about an event, in English for the vendor; may be empty. Lent until the decision is freed. NULL beyond the
/// last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_event_detail(
    decision: *const nodelock_decision,
    index: usize,
) -> *const c_char {
    // SAFETY: NULL or a decision that lives.
    unsafe { event(decision, index, |event| Some(&event.detail)) }
}

/// Frees a decision. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_decision_free(decision: *mut nodelock_decision) {
    // SAFETY: NULL or a decision that nobody uses any more.
    unsafe { free(decision) }
}
