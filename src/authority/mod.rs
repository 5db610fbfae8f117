//! The vendor's side, feature `authority`: make keys, issue licenses, redeem proofs and codes, decide where seats go.
//!
//! Everything here is pure: values go in, values come out. [`ActivationFile`], [`ReleaseClaim`], [`TypedCode`],
//! [`CheckInClaim`] and [`PreflightClaim`] read what devices hand over; the functions of [`decision`] say what that
//! comes to; [`Issuer`] signs what is sent. A host brings a place for [records](Records) and nothing else: no rule is
//! left to it. `examples/authority` does that over SQLite and PostgreSQL.

mod allowances;
mod approval;
mod attestation;
mod counts;
pub mod decision;
mod history;
mod incoming;
mod issuer;
mod json;
mod records;
mod seat;
mod terms;
mod trail;
mod verification;

#[cfg(feature = "capi")]
pub(crate) use self::json::from_hex;
pub use self::{
    allowances::{Allowance, Allowances, Balance},
    approval::{APPROVAL_LASTS, Approval, ApprovalPolicy, ApprovalState, MAX_REASON},
    attestation::check_attestation,
    counts::{
        Attempts, CODE_WINDOW, COUNT_WINDOW, Count, Counting, FREE_CANCELLATIONS, MAX_ATTEMPTS,
        UNMATCHED_REQUESTS,
    },
    history::{Gap, History},
    incoming::{ActivationFile, CheckInClaim, Evidence, HandedIn, PreflightClaim, ReleaseClaim, TypedCode},
    issuer::{CertificateTerms, Issuer, LONGEST_LEASE_DAYS, Reply},
    records::{Found, Lookup, MAX_SEATS_OF_DEVICE, MAX_SEATS_OF_TAG, Query, Records},
    seat::{Seat, SeatName, SeatState},
    terms::{
        KeyHash, LicenseKeyName, LicenseRecord, LicenseTerms, MIN_MARGIN_DAYS, REINSTALLS, SeatListing, Usage,
    },
    trail::{Disagreement, SeatTrail, TrailLine},
    verification::{Fact, Verification},
};
