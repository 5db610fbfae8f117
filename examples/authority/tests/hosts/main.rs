//! Programs in other languages: applications against the authority, a server in Python in its place, README's
//! application in Rust, and the guides' programs.

#![cfg(unix)]

mod applications;
mod guides;
mod modules;
mod python_server;
mod readme;
mod readme_block;
mod shop;
mod webhooks;

#[path = "../support/mod.rs"]
mod support;
