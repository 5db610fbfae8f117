//! For a host's own tests, feature `testing`: a vendor in memory, a clock to set, machines to choose.
//!
//! [`TestAuthority`] answers the online calls as an authority does. It runs the rules of
//! [`authority::decision`](crate::authority::decision) over a ledger in memory, so an application is granted, renewed
//! and refused what a real authority would grant, renew and refuse it, with no server and no network. [`Fault`]s are
//! the ways in which a network and a server fail.
//!
//! ```
//! use nodelock::{Verdict, testing::{Machine, TestAuthority}};
//!
//! # fn main() -> nodelock::Result<()> {
//! let authority = TestAuthority::new("Example Editor");
//! let license_key = authority.sell(1)?;
//! let client = authority.client(&Machine::new("desk")).build()?;
//! assert!(client.activate(&license_key)?.is_usable());
//!
//! // The license has a lease of 90 days.
//! authority.clock().advance_days(91);
//! assert!(matches!(client.check()?.verdict(), Verdict::LeaseEnded { .. }));
//! assert!(client.check_in()?.is_usable());
//! # Ok(())
//! # }
//! ```
//!
//! `docs/guides/testing.md` has a test for each verdict. Leave the feature out of what you ship.

mod authority;
mod clock;
mod fault;
mod http;
mod ledger;
mod machine;
mod random;
mod vendor;

pub use self::{
    authority::TestAuthority, clock::TestClock, fault::Fault, ledger::MemoryLedger, machine::Machine,
    random::SeededRandom, vendor::Vendor,
};
