//! What several test files and the bench share: a running authority, and devices and applications that call it.

#![allow(dead_code, reason = "each test program uses a part of this")]

#[path = "../../../../tests/support/calls.rs"]
pub mod calls;
#[path = "../../../../src/model/random/dice.rs"]
pub mod dice;
#[path = "../../../../tests/support/forms.rs"]
pub mod forms;
#[path = "../../../../tests/support/proxy.rs"]
pub mod proxy;
#[path = "../../../../tests/support/responder.rs"]
pub mod responder;
#[path = "../../../../tests/support/skip.rs"]
pub mod skip;
#[path = "../../../../tests/support/vendor.rs"]
pub mod vendor;
#[path = "../../../../tests/support/watched.rs"]
pub mod watched;

pub mod administration;
pub mod clock;
#[cfg(unix)]
pub mod hosts;
pub mod html;
pub mod ledger;
pub mod network;
pub mod over;
pub mod portal;
pub mod requests;
pub mod server;
pub mod tls;
