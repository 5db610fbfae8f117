//! The authority's commands, each run of the program in a process of its own.

mod bulk;
mod issuer_certificate;
mod program;
mod sale;
mod set_up;
mod vendor;

#[path = "../support/mod.rs"]
mod support;
