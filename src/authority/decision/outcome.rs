//! What a decision says: what a message comes to, what to store and what to send.

use super::{Event, Refusal};
use crate::{
    ActivationRequest, Binding, LicenseId, Outcome, Page, PublicKey, Timestamp,
    authority::{
        allowances::Allowances,
        approval::Approval,
        counts::{Attempts, Count, Counting},
        history::History,
        incoming::Evidence,
        records::Lookup,
        seat::{Seat, SeatName},
        terms::{LicenseRecord, LicenseTerms},
        verification::Verification,
    },
    code::Handle,
    message::Metadata,
};

/// What a call of a decision function comes to.
#[derive(Clone, Debug)]
pub enum Step {
    /// Records or facts are missing. Nothing is decided.
    Needs(Lookup),
    /// The decision.
    Decided(Box<Decision>),
}

/// What to do about a message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Decision {
    /// What it comes to.
    pub ruling: Ruling,
    /// What to store, all of it in one transaction with what was looked up.
    pub store: Vec<Change>,
    /// What to sign and send once that is stored.
    pub send: Vec<Draft>,
    /// What to note.
    pub events: Vec<Event>,
    /// Verifications to run after this is stored, before the function is called again; see the [module](super).
    pub verifications: Vec<Verification>,
}

/// What a message comes to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Ruling {
    /// A new seat.
    Granted(Seat),
    /// The same request or check-in again: the license that it was answered with. The seat is as it is now.
    Repeated(Seat),
    /// A new license for the seat.
    Renewed(Seat),
    /// The request is refused for good. What came along with it is decided all the same, and must be stored.
    Refused(Refusal),
    /// The seat is given up.
    Released {
        /// The seat as it is now.
        seat: Seat,
        /// Where it went, as its receipts say.
        outcome: Outcome,
        /// How many deactivations the license had left then; none is without limit.
        deactivations_left: Option<u32>,
        /// Whether this changed anything: a proof that comes again does not.
        changed: bool,
    },
    /// Nobody has asked for that seat yet: what was handed over is kept until its request arrives.
    Kept(Handle),
    /// The seat is over, and its device is told so.
    Revoked(Seat),
    /// The vendor returned a held seat to the pool; there is nobody to tell.
    Returned(Seat),
    /// The vendor lets the trial of the seat's machine last longer.
    Extended(Seat),
    /// Attempts at a code are counted; the verifications of this decision find out whether the code is right.
    Attempted,
    /// The device may give its seat up, with so many deactivations left; none is without limit, or without a count.
    Preflight {
        /// How many deactivations are left.
        deactivations_left: Option<u32>,
    },
    /// The vendor approved a request, or refused it: the request as it is now.
    Ruled(Box<Approval>),
    /// The vendor reset an allowance of a license, or granted extra ones: the license as it is now.
    Allowed(Box<LicenseRecord>),
    /// The service of the ledger is noted. Copy the [page](History::last_page) outside once this is stored.
    Noted(History),
}

impl Ruling {
    /// What to answer a preflight: whether the seat would return to the pool. False for every other ruling.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Preflight { deactivations_left } if *deactivations_left != Some(0))
    }
}

/// One thing to store.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new seat. There is none of that name; storing it must fail if there is.
    Insert {
        /// The seat.
        seat: Seat,
        /// The request that it is of, for what a host keeps of its metadata and description. None for a seat that was
        /// entered again from its license.
        request: Option<Box<ActivationRequest>>,
    },
    /// A seat in place of the one of that name.
    Update(Seat),
    /// Evidence to keep.
    Keep(Evidence),
    /// Evidence that is judged and goes.
    Forget(Evidence),
    /// A check-in that was answered. Those of the seat whose revision is below `forget_below` may go.
    RememberCheckIn {
        /// The seat.
        seat: SeatName,
        /// The digest of the check-in.
        digest: [u8; 32],
        /// The revision of the license in the answer.
        revision: u32,
        /// The lowest revision that is still of use.
        forget_below: u32,
    },
    /// What the device of a seat says of its machine now, for people, in place of what it said before in its request's
    /// [description](crate::RequestBody::description) or a check-in. No rule asks for it.
    Describe {
        /// The seat.
        seat: SeatName,
        /// Names and values, as strangers' words.
        description: Metadata,
    },
    /// A request that waits for approval, or was approved or refused, in place of what was known of it under its name.
    /// It may go once there is a seat of that name.
    Approval(Box<Approval>),
    /// The requests of a device for seats of that license go, whatever was said of them.
    ForgetApprovals {
        /// The license.
        license: LicenseId,
        /// The device.
        device: PublicKey,
    },
    /// How many codes were tried at a seat.
    Attempts(SeatName, Attempts),
    /// How often something happened to a license within a year.
    Count(LicenseId, Counting, Count),
    /// What of a license's allowances counts no more, and what was granted beyond its terms, in place of what was known
    /// of it before.
    Allowances(LicenseId, Allowances),
    /// What the ledger notes of its service, in place of what it noted before.
    History(History),
    /// A page that is in service. There is none of that name; storing it must fail if there is. Pages are kept for
    /// ever.
    Page(Page),
    /// A license that the ledger has lost, on the terms that a device's license says. It comes before the seats of it.
    /// The hash of its key is lost, so the vendor gives it another key.
    License(Box<LicenseTerms>),
}

/// A message that is decided and not signed yet. [`Issuer::reply`](crate::authority::Issuer::reply) signs it.
#[derive(Clone, Debug)]
pub struct Draft {
    pub(crate) unsigned: Unsigned,
    pub(crate) page: Page,
}

#[derive(Clone, Debug)]
pub(crate) enum Unsigned {
    License {
        terms: Box<LicenseTerms>,
        seat: Box<Seat>,
        deactivations_left: Option<u32>,
        /// The digest of the message that it answers.
        answers: Option<[u8; 32]>,
    },
    Receipt {
        seat: Box<Seat>,
        binding: Binding,
    },
    Revocation {
        seat: Box<Seat>,
        notice: String,
        time: Timestamp,
    },
}
