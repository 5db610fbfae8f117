//! The vendor's rule book: one pure function for each act.
//!
//! Each takes a message, the [`Records`](super::Records) that were looked up, and the [`Moment`]. It returns a
//! [`Step`]: either a [`Lookup`](super::Lookup) of what it still lacks, or a [`Decision`] that says what to store, what
//! to send and what to note. A [`Refusal`] stores nothing. A host that forgets to look something up gets the lookup
//! again, never a decision.
//!
//! | act | function | message |
//! |---|---|---|
//! | activate, recover | [`activate`] | [`ActivationFile`](super::ActivationFile) |
//! | give a seat up, cancel a request | [`redeem`] | [`ReleaseClaim`](super::ReleaseClaim) |
//! | the same by a code over the phone | [`redeem_code`] | [`TypedCode`](super::TypedCode) |
//! | check in | [`check_in`] | [`CheckInClaim`](super::CheckInClaim) |
//! | ask whether a seat may be given up | [`preflight`] | [`PreflightClaim`](super::PreflightClaim) |
//! | release a seat, by a customer | [`customer_release`] | the license and the handle |
//! | renew, by the vendor | [`renew`] | the [name](super::SeatName) of a seat |
//! | release a seat, by the vendor | [`release`] | the name of a seat |
//! | take a release back, by the vendor | [`unrelease`] | the name of a seat |
//! | approve a request, or refuse it, by the vendor | [`approve()`], [`refuse_request`] | the name of a seat |
//! | return a held seat, by the vendor | [`return_held`] | the name of a seat |
//! | let a trial last longer, by the vendor | [`extend_trial`] | the name of a seat |
//! | reset an allowance or grant extra ones, by the vendor | [`allow`] | the license, and which allowance |
//! | note that the ledger is in service | [`note()`] | a [`Note`] |
//!
//! # How a host drives them
//!
//! 1. Call the function with empty [`Records`](super::Records). It answers [`Step::Needs`]: answer the queries from the
//!    ledger, run the verifications, add both to the records, and call it again, until it answers [`Step::Decided`].
//! 2. Do that once without a lock, to have the verifications done. Then open the transaction, begin again with
//!    [`Records::facts`](super::Records::facts), and look the records up anew. Should a verification be missing now,
//!    which is rare, go back.
//! 3. Store every [`Change`] of the decision, sign it ([`Issuer::reply`](super::Issuer::reply)), commit, and only then
//!    send the reply.
//! 4. A decision with [`verifications`](Decision::verifications) is not the last one: after its commit run them, add
//!    the facts, and begin again. A typed code works like that, so that the attempt is counted before it is looked
//!    at.
//!
//! [`settle`] does all of this over a [`Ledger`] in memory, or behind one lock.
//!
//! Every act is idempotent: a message that comes again gets the same answer and changes nothing
//! (`docs/PROTOCOL.md`, The authority's rules).

mod activate;
mod approve;
mod by_vendor;
mod check_in;
mod code;
mod customer_release;
mod event;
mod heal;
mod note;
mod outcome;
mod redeem;
mod refusal;
mod settle;
mod work;

use std::{ops::Range, sync::Arc, time::Duration};

use self::work::{Stop, refuse};
use crate::{ErrorKind, Page, Roots, Timestamp, code::Handle};

pub(crate) use self::outcome::Unsigned;
#[cfg(test)]
pub(crate) use self::settle::settle_with;
pub use self::{
    activate::activate,
    approve::{approve, refuse_request},
    by_vendor::{Allow, allow, extend_trial, release, renew, return_held, unrelease},
    check_in::{check_in, preflight},
    code::redeem_code,
    customer_release::customer_release,
    event::{Event, EventKind},
    note::{Note, SILENCE, note},
    outcome::{Change, Decision, Draft, Ruling, Step},
    redeem::redeem,
    refusal::Refusal,
    settle::{Ledger, settle},
};

/// How many seats one handle may have. Devices draw their handles at random out of 2^30, so honest ones hardly ever
/// share one; but whoever chooses the same one again and again makes every message about it costly to verify.
pub const MAX_SEATS_OF_HANDLE: usize = 32;

/// How long after its date a request may be granted a seat: five years. An older one is outdated, so that a ledger need
/// not remember for ever that it was cancelled.
pub const REQUEST_LASTS: Duration = Duration::from_secs(5 * 365 * 24 * 60 * 60);

/// The beginning of 2026. No request was made before; an earlier date is that of a clock without a battery, and says
/// nothing about the request's age.
const FIRST_REQUEST: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

/// The dates of the requests that are outdated now; empty while there are none. A ledger may forget the cancelled seats
/// of such requests, and no other seats: without its seat an outdated request is refused.
pub fn outdated(now: Timestamp) -> Range<Timestamp> {
    let limit = now.unix_seconds().saturating_sub(REQUEST_LASTS.as_secs());
    FIRST_REQUEST..Timestamp::from_unix_seconds(limit)
}

/// That too many devices have asked under a handle.
fn crowded(handle: Handle) -> Stop {
    let text = format!(
        "{MAX_SEATS_OF_HANDLE} devices have asked for a seat under the name {handle}; make a new request"
    );
    refuse(ErrorKind::CrowdedHandle, text)
}

/// When a decision is made, what is random about it, and what its host signs with.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The ledger's time.
    pub now: Timestamp,
    /// 16 random bytes, new for each decision: the sync token of a license that is issued.
    pub token: [u8; 16],
    /// What is signed by this decision is signed under this page. The ledger has it already, and so has its place
    /// outside, but for the decision that [notes](note()) it.
    pub page: Page,
    /// The longest lease that any issuer of this authority signs:
    /// [`Issuer::longest_lease`](super::Issuer::longest_lease).
    pub longest_lease: Duration,
    /// What this authority signed is known by these. A key that was stolen is denied.
    pub roots: Arc<Roots>,
}

/// What a rule came to, as a step.
fn step(decided: Result<Decision, Stop>) -> Result<Step, Refusal> {
    match decided {
        Ok(decision) => Ok(Step::Decided(Box::new(decision))),
        Err(Stop::Needs(lookup)) => Ok(Step::Needs(lookup)),
        Err(Stop::Refused(refusal)) => Err(refusal),
    }
}
