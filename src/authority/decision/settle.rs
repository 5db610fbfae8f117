//! Decisions over a ledger whose every call is one moment.

use super::{Change, Decision, Refusal, Step};
use crate::{
    Error,
    authority::records::{Found, Query, Records},
};

/// A ledger whose every call is one moment: in memory, or behind one lock.
///
/// [`settle`] drives a decision over it.
pub trait Ledger {
    /// Why a ledger cannot answer, or a rule refuses.
    type Error: From<Refusal> + From<Error>;

    /// Answers a query.
    fn find(&self, query: &Query) -> Result<Found, Self::Error>;

    /// Stores a change. A [`Change::Insert`] of a seat that is there already must fail. The changes of a decision
    /// belong together: where one may fail, the ledger must be able to take back those before it.
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
///         ActivationFile, Issuer, LicenseRecord, LicenseTerms, MAX_SEATS_OF_DEVICE, MAX_SEATS_OF_TAG, Query, ReleaseClaim, Seat, SeatName, SeatState, Usage,
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
///                 let count = |fits: &dyn Fn(&&Seat) -> bool| seats(fits).len() as u32;
///                 let (counted, activated) = (count(&|s| s.is_counted()), count(&|s| s.is_activation()));
///                 let usage = Usage::new(count(&taken), counted, activated);
///                 Found::License(Some(Box::new(LicenseRecord::new(self.terms.clone(), usage))))
///             }
///             Query::License(_) | Query::LicenseOfKey(_) => Found::License(None),
///             Query::SeatsOfHandle(handle) => Found::Seats(seats(&|seat| seat.handle() == handle)),
///             Query::TakenSeatsOf(device) => {
///                 let mut found = seats(&|seat| *seat.device_key() == device && taken(seat));
///                 found.sort_by_key(|seat| std::cmp::Reverse(seat.granted()));
///                 found.truncate(MAX_SEATS_OF_DEVICE);
///                 Found::Seats(found)
///             }
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
///             // There are no trials.
///             Query::TrialsWithTag(..) => Found::Seats(Vec::new()),
///             // A vendor who keeps these answers here too; see `src/testing/ledger.rs`.
///             Query::EvidenceOf(_) => Found::Evidence(Vec::new()),
///             Query::CheckIn(..) => Found::CheckIn(None),
///             Query::ApprovalsOf(_) => Found::Approvals(Vec::new()),
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
///             _ => return Err(Error::about(ErrorKind::Unsupported, "this vendor keeps seats alone")),
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
/// let file = ActivationFile::read(&device.begin(nodelock::ActivationRequestOptions::new())?.to_bytes())?;
/// let decision = decision::settle(&mut vendor, |records| decision::activate(&file, license, records, &moment))?;
/// assert!(device.accept(&issuer.reply(&decision, now)?.to_bytes())?.status().is_usable());
///
/// // The device gives the seat up.
/// let claim = ReleaseClaim::read(device.deactivate_offline(Reason::Moved)?.proof())?;
/// let decision = decision::settle(&mut vendor, |records| decision::redeem(&claim, records, &moment))?;
/// device.accept(&issuer.reply(&decision, now)?.to_bytes())?;
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
