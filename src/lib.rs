#![doc = include_str!("../README.md")]

/// Whether a deliberate fault is switched on. The model (`src/model`) breaks the shipped rules one at a time, to show
/// that it would notice; outside of its tests nothing can be switched on, and the compiler drops the question.
macro_rules! mutated {
    ($mutant:ident) => {{
        #[cfg(all(test, feature = "testing"))]
        let is_on = crate::model::is_mutated(crate::model::Mutant::$mutant);
        #[cfg(not(all(test, feature = "testing")))]
        let is_on = false;
        is_on
    }};
}

mod client;
pub mod code;
mod codec;
mod error;
#[cfg(feature = "capi")]
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
        ActivationRequestOptions, CheckIn, Client, ClientBuilder, Deactivation, LicenseKeys, PendingRequest,
        Renewal, Started, Status,
    },
    error::{Already, Context, Error, ErrorKind, NetworkFailure, Result},
    keys::{KeyId, PublicKey, SigningKey},
    licensing_time::{CLOCK_TOLERANCE, ClockError},
    message::{
        ActivationRequest, Binding, Body, Certificate, CertificateBody, ChangedHeader, CheckInBody,
        CheckInRequest, DeactivationProof, DeactivationReceipt, Extension, Feature, Kind, License,
        LicenseBody, LicenseId, MAX_INPUT, Metadata, Outcome, Page, PreflightBody, PreflightRequest,
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
