//! The authority's functions: a vendor's server decides with them on its own database, in any language.
//!
//! Each is one rule of `crate::authority::ledger`: records go in as JSON, and what is to be stored and sent comes out. Storage and
//! transactions are the host's, decisions are not.

mod activation;
mod check_in;
mod decision;
mod issuer;
mod keys;
mod records;
mod release;
mod seat;

pub use self::{
    activation::*, check_in::*, decision::*, issuer::*, keys::*, records::nodelock_terms_check, release::*,
    seat::*,
};
