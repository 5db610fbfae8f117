//! The vendor's side on a command line and over HTTP, on SQLite or PostgreSQL: sells licenses, answers activations, takes seats back.
//!
//! ```text
//! authority init --product Example
//! authority license new --licensee "Jane Doe" --seats 3
//! authority activate request.txt --out license.txt
//! authority redeem 17KX2-M928T-5CY4T-QKFFW-EZFWM
//! authority serve --listen 127.0.0.1:8420
//! ```
//!
//! The rules are the library's (`nodelock::authority`); here is what they leave to the vendor: a database, key files,
//! words, and the HTTP server in `http`.

mod cli;
mod domain;
mod failure;
mod http;
mod keys;
mod service;
mod store;

pub use cli::main;
