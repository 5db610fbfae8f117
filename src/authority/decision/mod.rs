//! The vendor's rule book: one pure function for each act.
//!
//! Each takes a message, the [`Records`] that were looked up, and the [`Moment`]. It returns a [`Step`]: either a
//! [`Lookup`] of what it still lacks, or a [`Decision`] that says what to store, what to send and what to note. A
//! [`Refusal`] stores nothing. A host that forgets to look something up gets the lookup again, never a decision.
//!
//! | act | function | message |
//! |---|---|---|
//! | activate, recover | [`activate`] | [`ActivationFile`](super::ActivationFile) |
//! | give a seat up, cancel a request | [`redeem`] | [`ReleaseClaim`](super::ReleaseClaim) |
//! | the same by a code over the phone | [`redeem_code`] | [`TypedCode`](super::TypedCode) |
//! | check in | [`check_in`] | [`CheckInClaim`](super::CheckInClaim) |
//! | ask whether a seat may be given up | [`preflight`] | [`PreflightClaim`](super::PreflightClaim) |
//! | release a seat, by a customer | [`customer_release`] | the license and the handle |
//! | renew, by the vendor | [`renew`] | the [name](super::SeatName) of a seat |
//! | release a seat, by the vendor | [`release`] | the name of a seat |
//! | return a held seat, by the vendor | [`return_held`] | the name of a seat |
//! | note that the ledger is in service | [`note()`] | a [`Note`] |
//!
//! # How a host drives them
//!
//! 1. Call the function with empty [`Records`]. It answers [`Step::Needs`]: answer the queries from the ledger, run the
//!    verifications, add both to the records, and call it again, until it answers [`Step::Decided`].
//! 2. Do that once without a lock, to have the verifications done. Then open the transaction, begin again with
//!    [`Records::facts`], and look the records up anew. Should a verification be missing now, which is rare, go back.
//! 3. Store every [`Change`] of the decision, sign it ([`Issuer::reply`](super::Issuer::reply)), commit, and only then send
//!    the reply.
//! 4. A decision with [`verifications`](Decision::verifications) is not the last one: after its commit run them, add
//!    the facts, and begin again. A typed code works like that, so that the attempt is counted before it is looked
//!    at.
//!
//! [`settle`] does all of this over a [`Ledger`] in memory, or behind one lock.
//!
//! Every act is idempotent: a message that comes again gets the same answer and changes nothing
//! (`docs/PROTOCOL.md`, The authority's rules).

mod activate;
mod by_vendor;
mod check_in;
mod code;
mod customer_release;
mod heal;
mod note;
mod redeem;
mod work;

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use self::work::Stop;
use super::{
    history::History,
    incoming::Evidence,
    records::{Attempts, Count, Counting, Found, Lookup, Query, Records},
    seat::{Seat, SeatName, SeatState},
    terms::LicenseTerms,
    verification::Verification,
};
use crate::{
    ActivationRequest, Binding, Error, ErrorKind, LicenseId, Outcome, Page, Roots, SeatList, Timestamp,
    code::Handle,
};

pub use self::{
    activate::activate,
    by_vendor::{release, renew, return_held},
    check_in::{check_in, preflight},
    code::redeem_code,
    customer_release::customer_release,
    note::{Note, SILENCE, note},
    redeem::redeem,
};

/// How many seats one handle may have. Devices draw their handles at random out of 2^30, so honest ones hardly ever share
/// one; but whoever chooses the same one again and again makes every message about it costly to verify.
pub const MAX_SEATS_OF_HANDLE: usize = 32;

/// How long after its date a request may be granted a seat: five years. An older one is outdated, so that a ledger need
/// not remember for ever that it was cancelled.
pub const REQUEST_LASTS: Duration = Duration::from_secs(5 * 365 * 24 * 60 * 60);

/// The beginning of 2026. No request was made before; an earlier date is that of a clock without a battery, and says
/// nothing about the request's age.
const FIRST_REQUEST: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

/// The dates of the requests that are outdated now; empty while there are none. A ledger may forget the cancelled seats of
/// such requests, and no other seats: without its seat an outdated request is refused.
pub fn outdated(now: Timestamp) -> Range<Timestamp> {
    let limit = now.unix_seconds().saturating_sub(REQUEST_LASTS.as_secs());
    FIRST_REQUEST..Timestamp::from_unix_seconds(limit)
}

/// When a decision is made, what is random about it, and what its host signs with.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The ledger's time.
    pub now: Timestamp,
    /// 16 random bytes, new for each decision: the sync token of a license that is issued.
    pub token: [u8; 16],
    /// What is signed by this decision is signed under this page. The ledger has it already, and so has its place outside, but
    /// for the decision that [notes](note()) it.
    pub page: Page,
    /// The longest lease that any issuer of this authority signs: [`Issuer::longest_lease`](super::Issuer::longest_lease).
    pub longest_lease: Duration,
    /// What this authority signed is known by these. A key that was stolen is denied.
    pub roots: Arc<Roots>,
}

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
    /// Verifications to run after this is stored, before the function is called again; see the [module](self).
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
    /// Attempts at a code are counted; the verifications of this decision find out whether the code is right.
    Attempted,
    /// The device may give its seat up, with so many deactivations left; none is without limit, or without a count.
    Preflight {
        /// How many deactivations are left.
        deactivations_left: Option<u32>,
    },
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
        /// The request that it is of, for what a host keeps of the device's description. None for a seat that was entered again
        /// from its license.
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
    /// How many codes were tried at a seat.
    Attempts(SeatName, Attempts),
    /// How often something happened to a license within a year.
    Count(LicenseId, Counting, Count),
    /// What the ledger notes of its service, in place of what it noted before.
    History(History),
    /// A page that is in service. There is none of that name; storing it must fail if there is. Pages are kept for ever.
    Page(Page),
    /// A license that the ledger has lost, on the terms that a device's license says. It comes before the seats of it. The hash
    /// of its key is lost, so the vendor gives it another key.
    License(Box<LicenseTerms>),
}

/// A message that is decided and not signed yet. [`Issuer::reply`](super::Issuer::reply) signs it.
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
    /// The seat's state before; none for a new one.
    pub before: Option<SeatState>,
    /// The seat's state now.
    pub after: Option<SeatState>,
    /// More, in words for the vendor. No secret is in it.
    pub detail: String,
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
    /// A seat that the ledger had as taken ended in the time that it lost: its device has the receipt or the revocation.
    PhantomEnded,
    /// Something that this authority's key signed is not in the ledger, though nothing is missing there: the key was stolen.
    StrangeLicense,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 21] = [
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

/// A rule says no, and nothing is stored.
#[derive(Clone, Debug)]
pub struct Refusal {
    kind: ErrorKind,
    about: &'static str,
    seats: Option<Box<SeatList>>,
}

impl Refusal {
    pub(super) const fn new(kind: ErrorKind, about: &'static str) -> Self {
        Self { kind, about, seats: None }
    }

    /// For want of a seat.
    pub(super) fn no_free_seat(about: &'static str, seats: SeatList) -> Self {
        Self { seats: Some(Box::new(seats)), ..Self::new(ErrorKind::NoFreeSeat, about) }
    }

    /// The seats that there are, with [`ErrorKind::NoFreeSeat`].
    pub fn seats(&self) -> Option<&SeatList> {
        self.seats.as_deref()
    }

    /// Why, in a form that a program can branch on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.kind)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.kind, refusal.about).with_seats(refusal.seats)
    }
}

/// A ledger whose every call is one moment: in memory, or behind one lock.
///
/// [`settle`] drives a decision over it.
pub trait Ledger {
    /// Why a ledger cannot answer, or a rule refuses.
    type Error: From<Refusal> + From<Error>;

    /// Answers a query.
    fn find(&self, query: &Query) -> Result<Found, Self::Error>;

    /// Stores a change. A [`Change::Insert`] of a seat that is there already must fail. The changes of a decision belong
    /// together: where one may fail, the ledger must be able to take back those before it.
    fn store(&mut self, change: Change) -> Result<(), Self::Error>;
}

/// Makes a decision over a ledger and stores it; returns it to be signed.
///
/// The verifications run in between, so this is for a ledger that nobody else waits for. Fails as the ledger does,
/// and with the [`Refusal`] of `act`.
///
/// ```
/// use std::collections::BTreeMap;
/// use nodelock::{
///     Client, Error, ErrorKind, LicenseId, Page, Reason, Roots, SigningKey, Store, SystemRandom, Timestamp,
///     authority::{
///         ActivationFile, Issuer, LicenseRecord, LicenseTerms, MAX_SEATS_OF_TAG, Query, ReleaseClaim, Seat, SeatName, SeatState, Usage,
///         Found, decision::{self, Change, Ledger, Moment},
///     },
/// };
///
/// /// A vendor who sold one license, whose key is empty.
/// struct Vendor {
///     terms: LicenseTerms,
///     seats: BTreeMap<SeatName, Seat>,
/// }
///
/// impl Ledger for Vendor {
///     type Error = Error;
///
///     fn find(&self, query: &Query) -> Result<Found, Error> {
///         let seats = |fits: &dyn Fn(&&Seat) -> bool| self.seats.values().filter(fits).cloned().collect::<Vec<_>>();
///         let taken = |seat: &&Seat| seat.state().is_taken();
///         Ok(match *query {
///             Query::License(id) if id == self.terms.id => {
///                 let taken = |seat: &&Seat| seat.is_marked_taken();
///                 let (taken, counted) = (seats(&taken).len() as u32, seats(&|s| s.is_counted()).len() as u32);
///                 let usage = Usage { taken, deactivated: counted };
///                 Found::License(Some(Box::new(LicenseRecord { terms: self.terms.clone(), usage })))
///             }
///             Query::License(_) | Query::LicenseOfKey(_) => Found::License(None),
///             Query::SeatsOfHandle(handle) => Found::Seats(seats(&|seat| seat.handle() == handle)),
///             Query::TakenSeatsOf(device) => Found::Seats(seats(&|s| *s.device_key() == device && taken(s))),
///             Query::SeatsByEnd { until, at_most, .. } => {
///                 let end = |seat: &Seat| seat.ends().unwrap_or(Timestamp::MAX);
///                 let mut ended = seats(&|seat| seat.is_marked_taken() && end(seat) <= until);
///                 ended.sort_by_key(end);
///                 ended.truncate(at_most as usize);
///                 Found::Seats(ended)
///             }
///             Query::SeatsWithTag(_, tag) => {
///                 let has = |seat: &Seat| seat.fingerprint().hardware().any(|other| other == tag);
///                 let mut found = seats(&|seat| seat.is_marked_taken() && has(seat));
///                 found.sort_by_key(Seat::contact);
///                 found.truncate(MAX_SEATS_OF_TAG);
///                 Found::Seats(found)
///             }
///             Query::SeatOfMachine(machine) => {
///                 Found::Seats(seats(&|seat| taken(seat) && *seat.machine() == machine))
///             }
///             // A vendor who keeps these answers here too; see `examples/quickstart/ledger.rs`.
///             Query::EvidenceOf(_) => Found::Evidence(Vec::new()),
///             Query::CheckIn(..) => Found::CheckIn(None),
///             Query::History => Found::History(None),
///             Query::Page(_) => Found::Page(false),
///             Query::Attempts(_) => Found::Attempts(Default::default()),
///             Query::Count(..) => Found::Count(Default::default()),
///         })
///     }
///
///     fn store(&mut self, change: Change) -> Result<(), Error> {
///         match change {
///             Change::Insert { seat, .. } | Change::Update(seat) => drop(self.seats.insert(seat.name(), seat)),
///             _ => return Err(Error::new(ErrorKind::Unsupported, "this vendor keeps seats alone")),
///         }
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let root = SigningKey::generate(&SystemRandom)?;
/// let roots = Roots::new([root.public_key()]);
/// let issuer = Issuer::root(root);
/// let now = std::time::SystemTime::now().into();
/// let (page, longest_lease) = (Page::generate(&SystemRandom)?, issuer.longest_lease());
/// let moment = Moment { now, token: [7; 16], page, longest_lease, roots: roots.clone().into() };
/// let terms = LicenseTerms::new(LicenseId::generate(&SystemRandom)?, "Example Editor", 1, now);
/// let license = Some(terms.id);
/// let mut vendor = Vendor { terms, seats: BTreeMap::new() };
///
/// // A device asks for a seat, and the vendor answers.
/// let device = Client::builder("Example Editor", roots).store(Store::in_memory()).build()?;
/// let file = ActivationFile::read(&device.begin("", &[])?.to_bytes())?;
/// let decision = decision::settle(&mut vendor, |records| decision::activate(&file, license, records, &moment))?;
/// assert!(device.install(&issuer.reply(&decision, now)?.to_bytes())?.is_usable());
///
/// // The device gives the seat up.
/// let claim = ReleaseClaim::read(device.deactivate_offline(Reason::Moved)?.proof())?;
/// let decision = decision::settle(&mut vendor, |records| decision::redeem(&claim, records, &moment))?;
/// device.accept_receipt(&issuer.reply(&decision, now)?.to_bytes())?;
/// assert!(vendor.seats.values().all(|seat| seat.state() == SeatState::Returned));
/// # Ok(())
/// # }
/// ```
pub fn settle<L: Ledger>(
    ledger: &mut L,
    act: impl Fn(&Records) -> Result<Step, Refusal>,
) -> Result<Decision, L::Error> {
    settle_with(&mut Records::new(), ledger, act)
}

/// The same with facts that are known already, and leaves in `facts` all that are known after it.
pub(crate) fn settle_with<L: Ledger>(
    facts: &mut Records,
    ledger: &mut L,
    act: impl Fn(&Records) -> Result<Step, Refusal>,
) -> Result<Decision, L::Error> {
    let mut records = facts.facts();
    loop {
        match act(&records)? {
            Step::Needs(lookup) => {
                for query in lookup.queries {
                    let found = ledger.find(&query)?;
                    records.add(query, found)?;
                }
                facts.run(&lookup.verifications);
                records.add_facts(facts);
            }
            Step::Decided(decision) => {
                for change in decision.store.iter().cloned() {
                    ledger.store(change)?;
                }
                if decision.verifications.is_empty() {
                    return Ok(*decision);
                }
                facts.run(&decision.verifications);
                records = facts.facts();
            }
        }
    }
}

/// What a rule came to, as a step.
fn step(decided: Result<Decision, Stop>) -> Result<Step, Refusal> {
    match decided {
        Ok(decision) => Ok(Step::Decided(Box::new(decision))),
        Err(Stop::Needs(lookup)) => Ok(Step::Needs(lookup)),
        Err(Stop::Refused(refusal)) => Err(refusal),
    }
}
