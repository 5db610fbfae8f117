//! What several test files share. The authority's tests take files of this folder too.

#![allow(dead_code, reason = "each test program uses a part of this")]

#[path = "../../src/model/random/dice.rs"]
pub mod dice;
pub mod disk;
pub mod forge;
pub mod forms;
pub mod skip;
pub mod vendor;
// It goes with whatever transport a host brings.
#[cfg(feature = "transport")]
pub mod watched;

// What only tests of the network need, some of it from crates that others do without.
#[cfg(feature = "online")]
pub mod calls;
#[cfg(feature = "online")]
pub mod proxy;
#[cfg(feature = "online")]
pub mod responder;
#[cfg(feature = "online")]
pub mod wire;
