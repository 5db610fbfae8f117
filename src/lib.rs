//! Licensing for applications that people install: a fingerprint of the machine, a signed license, a store that
//! survives crashes, activation, renewal, and above all giving a seat back, online or by a code that is read over the
//! phone.
//!
//! The promise is that no seat is ever lost, and that no machine keeps a usable license whose seat was freed.
//!
//! # An application
//!
//! An application has one [`Client`]. It needs the product's name and the vendor's root keys, and where the vendor runs
//! an authority its address:
//!
//! ```
//! use nodelock::{Authority, Client, HttpOptions, Roots, SigningKey, Store, SystemRandom};
//!
//! # fn main() -> nodelock::Result<()> {
//! # let root = SigningKey::generate(&SystemRandom)?.public_key().to_string();
//! let client = Client::builder("Example Editor", Roots::new([root.parse()?]))
//!     .authority(Authority::new("https://licenses.example.com", HttpOptions::default().build()?))
//!     .store(Store::in_memory()) // leave this out to keep the license in the user's profile
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! It calls [`Client::start`] at each start. That [checks](Client::check) the license, [notes](Client::observe) that
//! time has passed, and renews the license when that is due. What it returns has a [`Status`]: the [`Verdict`], whose
//! table says what to do about each, and the [`License`] with its features.
//!
//! | the user | with a network | without one |
//! |---|---|---|
//! | activates | [`Client::activate`] | [`Client::begin`], then [`Client::accept`] takes the answer in |
//! | renews | [`Client::start`], or [`Client::check_in`] at any time | [`Client::check_in_offline`], then [`Client::accept`] |
//! | gives the seat back | [`Client::deactivate`] | [`Client::deactivate_offline`]: a file, or 25 symbols over the phone |
//! | changes their mind | | [`Client::cancel`] |
//! | has lost the store | [`Client::recover`] | [`Client::recover_offline`], then [`Client::accept`] |
//!
//! Without a network it works like this. The request and the answer travel as files, mail or QR codes:
//!
//! ```
//! # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom, code::LicenseKey};
//! # let root = SigningKey::generate(&SystemRandom)?.public_key();
//! # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
//! # let license_key = LicenseKey::generate(&SystemRandom)?.to_string();
//! let request = client.begin(&license_key)?;
//! println!("{}", request.to_text()); // mail this to the vendor
//!
//! // The user changes their mind. The seat may be granted by now, so this gives it up.
//! let given_up = client.cancel()?;
//! println!("{}", given_up.code()); // 17KX2-M928T-5CY4T-QKFFW-EZFWM
//! # Ok::<(), nodelock::Error>(())
//! ```
//!
//! Every change is durable in the store before the call returns, so nothing is said that a crash could undo. A call
//! that failed may be made again, for ever.
//!
//! # Errors
//!
//! Every call fails with one [`Error`]. Its text is for people; programs branch on its [`ErrorKind`], whose
//! [codes](ErrorKind::code) never change.
//!
//! # Machines, codes, messages
//!
//! - [`fingerprint`] reads what a machine is known by, and compares two machines. [`fingerprint::machine_id`] is for
//!   applications that want no more than a stable identity.
//! - [`code`] has what people type: license keys, deactivation codes and the names of seats, with typing errors mended.
//! - [`Signed`] messages are verified when there is a value of them: [`License`], [`DeactivationReceipt`],
//!   [`Revocation`] and what devices send.
//! - [`Store`] says where a license is kept.
//!
//! # The vendor's side
//!
//! Module `authority` has the rules by which seats are granted and freed, as pure functions. The repository's program
//! `authority` runs them over SQLite and PostgreSQL, with a server and a portal for customers. The calls between a
//! client and its authority go over a `Transport`: the one that the crate brings, or the host's own.
//!
//! # Features
//!
//! None is on by default: what is there without any works offline.
//!
//! | feature | what it adds |
//! |---|---|
//! | `transport` | the online calls, over HTTP that the host brings |
//! | `online` | `transport` by reqwest, with rustls and the system's certificates |
//! | `socks` | proxies that speak SOCKS, for `online` |
//! | `qr` | QR codes as SVG, for terminals and as modules |
//! | `description` | the computer's name and system in requests and check-ins, where the host asks for it |
//! | `tokio` | the online calls as futures |
//! | `authority` | the vendor's side |
//! | `capi` | the C interface, whose manual is its header |
//! | `testing` | what tests of an application need |
//!
//! # Not protected against
//!
//! A library inside an application cannot keep the application's user from changing it. The README of the repository
//! lists what remains.

#![cfg_attr(docsrs, feature(doc_cfg))]

/// The README's examples are compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Whether a deliberate fault is switched on. The model (`src/model`) breaks the shipped rules one at a time, to show
/// that it would notice. `tests/switches/compiler` makes programs that can be broken in the same places, for random
/// runs over them. Elsewhere nothing can be switched on, and the compiler drops the question.
macro_rules! mutated {
    ($mutant:ident) => {{
        #[cfg(all(test, feature = "testing"))]
        let is_on = crate::model::is_mutated(crate::model::Mutant::$mutant);
        #[cfg(all(nodelock_switches, not(test)))]
        let is_on = crate::switches::is_mutated(stringify!($mutant));
        #[cfg(not(any(all(test, feature = "testing"), all(nodelock_switches, not(test)))))]
        let is_on = false;
        is_on
    }};
}

mod client;
pub mod code;
mod codec;
mod error;
#[cfg(feature = "capi")]
#[doc(hidden)]
pub mod ffi;
pub mod fingerprint;
#[cfg(feature = "online")]
mod http;
mod keys;
mod licensing_time;
mod message;
#[cfg(all(test, feature = "testing"))]
mod model;
#[cfg(feature = "qr")]
pub mod qr;
mod record;
mod seat_list;
mod secret;
pub mod store;
#[cfg(all(nodelock_switches, not(test)))]
#[path = "../tests/switches/environment.rs"]
mod switches;
mod system;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
#[cfg(feature = "transport")]
mod transport;
mod verdict;

#[cfg(feature = "authority")]
pub mod authority;

#[cfg(feature = "tokio")]
pub use crate::client::AsyncClient;
#[cfg(feature = "online")]
pub use crate::http::{HttpOptions, HttpTransport};
pub use crate::{
    client::{
        Accepted, ActivationRequestOptions, CheckIn, Client, ClientBuilder, Deactivation, LicenseKeys,
        PendingRequest, Renewal, Started, Status,
    },
    error::{Already, Context, Error, ErrorKind, NetworkFailure, Result},
    keys::{KeyId, PublicKey, SigningKey},
    licensing_time::{CLOCK_TOLERANCE, ClockError},
    message::{
        ActivationRequest, AuthorityBody, Binding, Body, Certificate, CertificateBody, ChangedHeader,
        CheckInBody, CheckInRequest, DeactivationProof, DeactivationReceipt, Feature, Kind, License,
        LicenseBody, LicenseId, Limit, MAX_INPUT, Metadata, Outcome, Page, PreflightBody, PreflightRequest,
        ProofBody, Reason, ReceiptBody, RecoveryBody, RecoveryRequest, RequestBody, Revocation,
        RevocationBody, Roots, Signed, product_tag,
    },
    seat_list::{ListedSeat, SeatList},
    store::Store,
    system::{Clock, Random, SystemClock, SystemRandom},
    time::Timestamp,
    verdict::{GraceReason, MachineReason, Verdict},
};
#[cfg(feature = "transport")]
pub use crate::{
    client::{Authority, DeactivateError, Online, Progress},
    transport::{Answer, CancelToken, Post, Transport},
};
