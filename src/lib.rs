#![doc = include_str!("../README.md")]

mod client;
pub mod code;
mod codec;
mod error;
pub mod fingerprint;
mod keys;
mod licensing_time;
mod message;
#[cfg(all(test, feature = "authority"))]
mod model;
#[cfg(feature = "qr")]
pub mod qr;
mod record;
pub mod store;
mod system;
mod time;
mod verdict;

#[cfg(feature = "authority")]
pub mod authority;

pub use crate::{
    client::{Client, ClientBuilder, Deactivation, LicenseKeys, PendingRequest, Status},
    error::{Error, ErrorKind, Result},
    keys::{KeyId, PublicKey, SigningKey},
    licensing_time::CLOCK_TOLERANCE,
    message::{
        ActivationRequest, Binding, Body, Certificate, CertificateBody, CheckInBody, CheckInRequest, DeactivationProof,
        DeactivationReceipt, Extension, Feature, Kind, License, LicenseBody, LicenseId, Metadata, Outcome,
        PreflightBody, PreflightRequest, RecoveryBody, RecoveryRequest, ProofBody, Reason, ReceiptBody, RequestBody, Revocation, RevocationBody, Roots, Signed, product_tag,
    },
    store::Store,
    system::{Clock, Random, SystemClock, SystemRandom},
    time::Timestamp,
    verdict::{GraceReason, MachineReason, Verdict},
};
