//! The crate as the shared library that C programs link to: for the tests that link C programs to it. As a dependency
//! of the tests it is built anew whenever the crate is, also when one test alone is asked for.

pub use nodelock::ffi::*;
