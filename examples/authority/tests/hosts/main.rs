//! Programs in other languages: applications against the authority, a server in Python in its place, and README's
//! application in Rust.

#![cfg(unix)]

mod applications;
mod python_server;
mod readme;
mod readme_block;

#[path = "../support/mod.rs"]
mod support;
