//! The authority's functions: a vendor's server decides with them on its own database, in any language.
//!
//! They translate and do nothing else. Records come in as JSON, `crate::authority::decision` decides, and what is to be
//! looked up, stored and sent goes out as text. Storage and transactions are the host's; no rule is here or there.

mod activation;
mod decide;
mod decision;
mod issuer;
mod keys;
mod records;
mod release;
mod reply;
mod terms;

pub use self::{
    activation::*, decide::*, decision::*, issuer::*, keys::*, records::*, release::*, reply::*,
    terms::nodelock_terms_check,
};
