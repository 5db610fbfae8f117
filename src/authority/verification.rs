//! Verifications that take time, apart from the decisions that need them.
//!
//! A decision must be made while its records cannot change, so under a lock or in a transaction. A signature takes some
//! 50 µs to verify and a code's commitment some 20 to 100 ms, and a stranger can ask for many of them. What one comes
//! to is true for ever, so it is found out before the lock is taken, and kept as a [`Fact`].

use std::{fmt, sync::Arc};

use ring::digest::{Context, SHA256};

use super::seat::SeatName;
use crate::{
    DeactivationReceipt, Kind, License, PublicKey, Revocation, Roots,
    code::DeactivationCode,
    keys::first,
    message::{frame::Incoming, request::verify_commitment, signed::is_signed_by},
    secret,
};

/// A verification that a decision needs. [Run](Self::run) it while no lock is held and no transaction is open.
#[derive(Clone)]
pub struct Verification {
    id: FactId,
    check: Check,
}

/// What a verification came to. It stays true for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    pub(super) id: FactId,
    pub(super) holds: bool,
}

impl Fact {
    /// Whether it is so.
    pub fn holds(&self) -> bool {
        self.holds
    }
}

/// Names a fact: the SHA-256 of everything that it is about.
pub(super) type FactId = [u8; 32];

#[derive(Clone)]
enum Check {
    Signature { kind: Kind, envelope: Arc<[u8]>, signer: PublicKey },
    Issued { kind: Kind, envelope: Arc<[u8]>, roots: Arc<Roots> },
    Code { code: DeactivationCode, seat: SeatName, commitment: [u8; 32] },
}

impl Verification {
    /// Whether `signer` signed an envelope.
    pub(super) fn signature(kind: Kind, envelope: &Arc<[u8]>, signer: &PublicKey) -> Self {
        let id = id(&[b"signature", signer.as_bytes(), envelope]);
        Self { id, check: Check::Signature { kind, envelope: envelope.clone(), signer: *signer } }
    }

    /// Whether an authority of these roots signed an envelope.
    pub(super) fn issued(kind: Kind, envelope: &Arc<[u8]>, roots: &Arc<Roots>) -> Self {
        let id = id(&[b"issued", &roots.to_bytes(), envelope]);
        Self { id, check: Check::Issued { kind, envelope: envelope.clone(), roots: Arc::clone(roots) } }
    }

    /// Whether a code is the one that a seat's device committed to.
    pub(super) fn code(code: &DeactivationCode, seat: SeatName, commitment: [u8; 32]) -> Self {
        let handles = [code.handle(), seat.handle].map(|handle| handle.get().to_le_bytes());
        let id = id(&[
            b"code",
            seat.device_key.as_bytes(),
            &handles.concat(),
            &commitment,
            code.secret().as_bytes(),
        ]);
        Self { id, check: Check::Code { code: code.clone(), seat, commitment } }
    }

    pub(super) fn id(&self) -> FactId {
        self.id
    }

    /// Whether it takes 100,000 rounds of PBKDF2, some 20 to 100 ms, instead of the 50 µs of a signature.
    pub fn is_slow(&self) -> bool {
        matches!(self.check, Check::Code { .. })
    }

    /// Does the work.
    pub fn run(&self) -> Fact {
        let holds = match &self.check {
            Check::Signature { kind, envelope, signer } => is_signed_by(*kind, envelope, signer),
            Check::Issued { kind, envelope, roots } => {
                let message = Incoming::new(envelope.to_vec());
                match kind {
                    Kind::License => License::open_by_authority(message, roots).is_ok(),
                    Kind::Revocation => Revocation::open_by_authority(message, roots).is_ok(),
                    _ => DeactivationReceipt::open_by_authority(message, roots).is_ok(),
                }
            }
            Check::Code { code, seat, commitment } => {
                code.handle() == seat.handle
                    && verify_commitment(code.secret(), seat.handle, &seat.device_key, commitment)
            }
        };
        Fact { id: self.id, holds }
    }
}

/// Each part with its length, so that no two lists of parts give the same bytes.
fn id(parts: &[&[u8]]) -> FactId {
    secret::cleared_after(|| {
        let mut digest = Context::new(&SHA256);
        for part in parts {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        first(digest.finish().as_ref())
    })
}

impl fmt::Debug for Verification {
    /// Without the code, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification").field("is_slow", &self.is_slow()).finish_non_exhaustive()
    }
}
