//! The vendor's side on a command line and over HTTP, on SQLite or PostgreSQL: sells licenses, answers activations,
//! takes seats back.
//!
//! ```text
//! authority init --product Example
//! authority license new --licensee "Jane Doe" --seats 3 --deactivations 3
//! authority activate request.txt --out license.txt
//! authority redeem 17KX2-M928T-5CY4T-QKFFW-EZFWM
//! authority serve --listen 127.0.0.1:8420
//! ```
//!
//! The rules are the library's (`nodelock::authority`). The rooms here, from the outside in:
//!
//! - `cli` and `http` are the fronts: a command line; and over HTTP the calls of devices, the portal for customers, and
//!   what an operator watches. They read what was sent, and put the outcome into their own form.
//! - `service` has a file for each use case. It asks the limits for strangers, looks up, has the library decide, signs,
//!   stores and notes, in one transaction.
//! - `store` is the database: SQL and rows. `keys` is the files of keys, which sign.
//! - `remote` is a client of the calls for administration, for commands that work on a ledger elsewhere.
//! - `domain` has the plain types that all of them speak in; `failure` says why something was not done.
//!
//! Nothing points up this list.

mod cli;
#[cfg(test)]
#[allow(dead_code, reason = "the tests use a part of it")]
#[path = "../../../src/model/random/dice.rs"]
mod dice;
mod domain;
mod failure;
mod http;
mod keys;
mod remote;
#[cfg(test)]
mod rooms;
mod service;
mod store;

pub use cli::main;
