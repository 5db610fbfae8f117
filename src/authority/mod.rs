//! The vendor's side, feature `authority`: make keys, issue licenses, redeem proofs and codes, decide where seats go.
//!
//! Everything here is pure: values go in, values come out. [`Issuer`] signs; [`ActivationFile`] and [`ReleaseClaim`]
//! read what devices hand over; [`ledger`] holds the rules as functions over plain records, so that any database can
//! stand under them. Load the records that a rule asks for, call it, and store what it returns, in one transaction.
//! `examples/authority` does that over SQLite.

mod incoming;
mod issuer;
pub mod ledger;

pub use self::{
    incoming::{ActivationFile, ReleaseClaim},
    issuer::{CertificateTerms, Issuer, reply_bytes, reply_text},
};
