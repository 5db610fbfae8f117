//! What is said, and what all parties know from the start.

use std::fmt;

use serde::Serialize;

use super::Rules;
use crate::{
    ActivationRequest, LicenseId, Outcome, PublicKey, Random, Result, SigningKey, Timestamp,
    authority::ledger::{Claim, LicenseTerms, Seat},
    code::{Handle, ReleaseSecret},
    fingerprint::Fingerprint,
    message::{RequestBody, Signed},
    record::{Activation, Pending},
};

/// Time stands still: whatever depends on it has tests of its own.
pub(super) const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

const PRODUCT: &str = "Example Editor";

/// One activation: the how-manieth of which machine. Stands for handle and device key, which are a seat's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(super) struct Name {
    pub(super) machine: u8,
    pub(super) draw: u8,
}

impl Name {
    /// The name's bit in a set of names.
    pub(super) fn bit(self) -> u32 {
        1 << (self.machine * 8 + self.draw)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", char::from(b'A' + self.machine), self.draw + 1)
    }
}

/// A deactivation proof, with the cancelled request beside it or alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Proof {
    pub(super) name: Name,
    pub(super) request: bool,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proof {:?}{}", self.name, if self.request { " + request" } else { "" })
    }
}

/// What travels. Each is what a reader knows once it has verified it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Message {
    /// A request, with the proofs that were outstanding.
    Request {
        name: Name,
        releases: Vec<Proof>,
    },
    Proof(Proof),
    Code(Name),
    License {
        name: Name,
        deactivations_left: Option<u32>,
        revision: u32,
    },
    Receipt {
        name: Name,
        outcome: Outcome,
        deactivations_left: Option<u32>,
    },
    Revocation(Name),
}

impl Message {
    pub(super) fn is_for_the_authority(&self) -> bool {
        matches!(self, Self::Request { .. } | Self::Proof(_) | Self::Code(_))
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = |left: &Option<u32>| left.map(|n| format!(" ({n} left)")).unwrap_or_default();
        match self {
            Self::Request { name, releases } if releases.is_empty() => write!(f, "request {name:?}"),
            Self::Request { name, releases } => write!(f, "request {name:?} with {releases:?}"),
            Self::Proof(proof) => proof.fmt(f),
            Self::Code(name) => write!(f, "code {name:?}"),
            Self::License { name, deactivations_left, revision } => {
                write!(f, "license {name:?} revision {revision}{}", left(deactivations_left))
            }
            Self::Receipt { name, outcome, deactivations_left } => {
                write!(f, "receipt {name:?} {outcome}{}", left(deactivations_left))
            }
            Self::Revocation(name) => write!(f, "revocation {name:?}"),
        }
    }
}

/// What never changes.
pub(super) struct Universe {
    pub(super) rules: Rules,
    pub(super) terms: LicenseTerms,
    keys: [PublicKey; 2],
    requests: [Vec<ActivationRequest>; 2],
}

impl Universe {
    pub(super) fn new(rules: Rules) -> Self {
        let id = LicenseId::from_bytes(*b"licensed");
        let mut terms = LicenseTerms::new(id, PRODUCT, rules.seats, NOW);
        terms.deactivations = rules.deactivations;
        // The ledger takes a claim only from a signed request, so each is made and signed once, before the search. One
        // more than may be drawn shows that a seat which was freed can be had.
        let machine = |machine: u8| {
            let key = SigningKey::generate(&Constant(machine + 1)).expect("constants are random enough");
            let requests = (0..=rules.draws[usize::from(machine)])
                .map(|draw| request(handle(rules, Name { machine, draw }), &key).expect("the body is valid"))
                .collect();
            (key.public_key(), requests)
        };
        let [(a, of_a), (b, of_b)] = [0, 1].map(machine);
        Self { rules, terms, keys: [a, b], requests: [of_a, of_b] }
    }

    /// How many draws a machine has, and so the number of the one that the search does not use.
    pub(super) fn draws(&self, machine: u8) -> u8 {
        self.rules.draws[usize::from(machine)]
    }

    pub(super) fn handle(&self, name: Name) -> Handle {
        handle(self.rules, name)
    }

    /// The activation of that handle on that machine. What a machine holds is always its own.
    pub(super) fn name(&self, machine: u8, handle: Handle) -> Name {
        let mut names = (0..=self.draws(machine)).map(|draw| Name { machine, draw });
        names.find(|name| self.handle(*name) == handle).expect("only its own handles")
    }

    pub(super) fn holder(&self, seat: &Seat) -> Name {
        self.name(u8::from(seat.device_key != self.keys[0]), seat.handle)
    }

    pub(super) fn claim(&self, name: Name) -> Claim {
        self.request(name).into()
    }

    pub(super) fn digest(&self, name: Name) -> [u8; 32] {
        self.request(name).digest()
    }

    /// The record's part of a new request. The envelope is opaque to every transition, so a name will do.
    pub(super) fn pending(&self, name: Name) -> Pending {
        Pending {
            activation: Activation {
                handle: self.handle(name),
                secret: ReleaseSecret::from_random([name.draw + 1; 8]),
                request_digest: self.digest(name),
            },
            request: vec![name.machine, name.draw].into(),
            recovery: None,
        }
    }

    fn request(&self, name: Name) -> &ActivationRequest {
        &self.requests[usize::from(name.machine)][usize::from(name.draw)]
    }
}

fn handle(rules: Rules, name: Name) -> Handle {
    let machine = if rules.same_handles { 0 } else { u32::from(name.machine) };
    Handle::new(machine * 16 + u32::from(name.draw)).expect("30 bits are plenty")
}

fn request(handle: Handle, key: &SigningKey) -> Result<ActivationRequest> {
    Signed::sign_by_device(
        RequestBody {
            device_key: key.public_key(),
            product: PRODUCT.to_owned(),
            license_key: String::new(),
            handle,
            // Opaque to the rules: which code fits is one of the facts.
            release_commitment: [0; 32],
            created: NOW,
            fingerprint: Fingerprint::default(),
            library: String::new(),
            application: String::new(),
            metadata: Vec::new(),
            extensions: Vec::new(),
        },
        key,
    )
}

/// The same bytes every time, so that every run is the same run.
struct Constant(u8);

impl Random for Constant {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        bytes.fill(self.0);
        Ok(())
    }
}
