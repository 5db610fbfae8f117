//! What happened, for an audit or a log.

use crate::{
    LicenseId,
    authority::seat::{SeatName, SeatState},
};

/// Something that happened, for an audit or a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The license; none if none is known.
    pub license: Option<LicenseId>,
    /// The seat; none if nobody has asked for it yet.
    pub seat: Option<SeatName>,
    /// The seat's state before; none for a new one, and for a request that waits.
    pub before: Option<SeatState>,
    /// The seat's state now.
    pub after: Option<SeatState>,
    /// More, in words of the authority's own for the vendor. No secret is in it, and nothing of a person.
    pub detail: String,
    /// Why, in words that a person typed; empty if nobody did. They may name somebody, so a host keeps them where it
    /// can erase them.
    pub reason: String,
}

impl Event {
    /// Detail and reason in one text.
    pub fn words(&self) -> String {
        let words = [&*self.detail, &*self.reason];
        words.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ")
    }
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A seat was granted.
    Granted,
    /// A license was issued anew.
    Renewed,
    /// A device checked in and was renewed.
    CheckedIn,
    /// A seat went back to the pool.
    Returned,
    /// A seat is held for its device.
    Held,
    /// A device took its held seat again.
    HeldTakenOver,
    /// The vendor returned a held seat.
    HeldReturned,
    /// A request was given up before it arrived.
    Cancelled,
    /// A seat counts no longer, because nobody can be using it.
    Lapsed,
    /// Another installation of its machine took a seat's place.
    Replaced,
    /// An installation that was replaced took its place back.
    TakenBack,
    /// A customer named a seat, and it was released: for a request that took its place, or without one.
    ReplacedByCustomer,
    /// A device lost its store, and its seat went to its new request.
    Lost,
    /// The vendor released a seat.
    Released,
    /// The vendor took the release of a seat back.
    Unreleased,
    /// The vendor let the trial of a seat's machine last longer.
    TrialExtended,
    /// The device of a seat that was released speaks again.
    CameBack,
    /// The vendor reset an allowance of a license, or granted extra ones.
    Allowed,
    /// A request waits for approval.
    RequestWaiting,
    /// The vendor approved a request.
    RequestApproved,
    /// The vendor refused a request.
    RequestRefused,
    /// Another copy of a store seems to be in use, or one from before a deactivation is.
    CopySuspected,
    /// A code was tried at a seat.
    CodeTried,
    /// Evidence was kept.
    EvidenceKept,
    /// The ledger lost a part of its history, or may have: it was restored to an earlier copy.
    Restored,
    /// A seat that the ledger had lost, or a license of it, was entered again from its device's license.
    Healed,
    /// A seat that the ledger had as taken ended in the time that it lost: its device has the receipt or the
    /// revocation.
    PhantomEnded,
    /// Something that this authority's key signed is not in the ledger, though nothing is missing there: the key was
    /// stolen.
    StrangeLicense,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 28] = [
        Self::Granted,
        Self::Renewed,
        Self::CheckedIn,
        Self::Returned,
        Self::Held,
        Self::HeldTakenOver,
        Self::HeldReturned,
        Self::Cancelled,
        Self::Lapsed,
        Self::Replaced,
        Self::TakenBack,
        Self::ReplacedByCustomer,
        Self::Lost,
        Self::Released,
        Self::Unreleased,
        Self::TrialExtended,
        Self::CameBack,
        Self::Allowed,
        Self::RequestWaiting,
        Self::RequestApproved,
        Self::RequestRefused,
        Self::CopySuspected,
        Self::CodeTried,
        Self::EvidenceKept,
        Self::Restored,
        Self::Healed,
        Self::PhantomEnded,
        Self::StrangeLicense,
    ];

    /// The stable name that programs branch on.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Renewed => "renewed",
            Self::CheckedIn => "checked-in",
            Self::Returned => "returned",
            Self::Held => "held",
            Self::HeldTakenOver => "held-taken-over",
            Self::HeldReturned => "held-returned",
            Self::Cancelled => "cancelled",
            Self::Lapsed => "lapsed",
            Self::Replaced => "replaced",
            Self::TakenBack => "taken-back",
            Self::ReplacedByCustomer => "replaced-by-customer",
            Self::Lost => "lost",
            Self::Released => "released",
            Self::Unreleased => "unreleased",
            Self::TrialExtended => "trial-extended",
            Self::CameBack => "came-back",
            Self::Allowed => "allowed",
            Self::RequestWaiting => "request-waiting",
            Self::RequestApproved => "request-approved",
            Self::RequestRefused => "request-refused",
            Self::CopySuspected => "copy-suspected",
            Self::CodeTried => "code-tried",
            Self::EvidenceKept => "evidence-kept",
            Self::Restored => "restored",
            Self::Healed => "healed",
            Self::PhantomEnded => "phantom-ended",
            Self::StrangeLicense => "strange-license",
        }
    }
}
