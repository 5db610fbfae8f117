//! Programs in other languages: applications against the authority, and a server in Python in its place.

#![cfg(unix)]

mod applications;
mod python_server;

#[path = "../support/mod.rs"]
mod support;
