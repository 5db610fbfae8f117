//! The C interface, feature `capi`. Its manual is `include/nodelock.h`, which is generated from these files.
//!
//! A file for each object, and for the mechanics: `boundary` (pointers, text and bytes in, panics), `callback`,
//! `status`. Signatures are written out, because the generator sees no others; what they have in common is in functions
//! that take closures. From Rust, use the crate itself.

// What the caller must keep to is said once, at the top of the header, and in the comment of each function.
#![allow(unsafe_code, non_camel_case_types, clippy::missing_safety_doc)]

#[cfg(feature = "authority")]
mod authority;
mod boundary;
mod bytes;
mod call;
mod callback;
mod client;
mod code;
mod config;
mod details;
mod error;
mod fingerprint;
mod license;
mod online;
mod proof;
mod qr;
mod receipt;
mod request;
mod revocation;
mod start;
mod status;
#[cfg(feature = "testing")]
mod testing;
#[cfg(test)]
mod tests;
mod transport;
mod version;

#[cfg(feature = "authority")]
pub use self::authority::*;
#[cfg(feature = "testing")]
pub use self::testing::*;
pub use self::{
    bytes::*, call::*, callback::*, client::*, code::*, config::*, details::*, error::*, fingerprint::*,
    license::*, online::*, proof::*, qr::*, receipt::*, request::*, revocation::*, start::*, status::*,
    transport::*, version::*,
};
