//! The protocol as an explicit-state model (`docs/PROTOCOL.md`, The model; `docs/THREATS.md`, Test 7).
//!
//! Two machines and one authority share a license. Everything that may happen to them is tried in every order, and what
//! the protocol promises is checked in every state that can be reached. The transitions are the crate's own, not a copy
//! of them: machines change by [`crate::record`], the authority by [`crate::authority::decision`]. What is written anew
//! here is only what stands around them: the store's commit step by step, the network, the ledger's database.
//!
//! - **Machine** (`device`): two images of the store, *visible* (what a read gives) and *durable* (what a power cut
//!   leaves), and a process with its memory. A commit is three steps: the rename makes the new record visible, the
//!   directory sync makes it durable, and only then is anything said. A kill, or a sync that fails, may come between
//!   any two, a power cut too. The next process may change what it finds at once, and syncs it before it speaks of it.
//!   A store may be lost, all but the device's key, and recovered from.
//! - **Network** (`facts`): whatever was said once may arrive at any time, in any order, any number of times or never.
//!   What travels in one file may be taken out of it.
//! - **Authority** (`authority`): one atomic, durable transaction for each message. Messages are signed and verified
//!   for real, each once.
//!
//! The authority's time stands still, but for the runs that are about time: there it goes on in steps, and a device's
//! clock may be behind as far as that is tolerated. Left out: limits on codes, and tombstones, which guard only a store
//! that was copied back. Handles are counted instead of drawn and bounded in number, so that there are finitely many
//! states.

mod authority;
mod device;
mod facts;
mod invariants;
mod random;
mod runs;
mod search;
mod space;
mod starts;
mod table;

use std::cell::Cell;

/// What is searched.
#[derive(Clone, Copy, Debug)]
struct Rules {
    seats: u32,
    /// How many deactivations return a seat (`docs/PROTOCOL.md`, Returned and Held).
    deactivations: Option<u32>,
    /// How many activations there may be.
    activations: Option<u32>,
    /// How many steps of time a period of both allowances lasts; 0 is one for the whole life.
    period: u8,
    /// How often the vendor resets an allowance or grants one more, where seats are administered.
    resets: u8,
    /// How many steps of time a trial lasts; 0 for a license that is none.
    trial: u8,
    /// Whether the vendor lets the trial of a seat's machine last a step longer, once for each computer.
    extends: bool,
    /// Whether each activation waits for the vendor's approval, who may say either, and stop the license meanwhile.
    approval: bool,
    /// How often each machine may ask for a seat.
    draws: [u8; 2],
    /// Whether both machines draw the same handles, as two out of a billion may.
    same_handles: bool,
    /// Whether seats are renewed once, returned, and released by force.
    administered: bool,
    /// Whether releases are taken back. Their revocations stay with the vendor then.
    unreleases: bool,
    /// Up to which revision a machine checks in; 0 for never.
    check_ins: u32,
    /// Whether each machine may lose its store once.
    losses: bool,
    /// Whether a machine may activate anew while it has a license, which is set aside.
    replaces: bool,
    /// Whether the first machine's folder may be copied to the second, whenever.
    copies: bool,
    /// How many steps of time may pass at the authority, whenever.
    days: u8,
    /// How many steps a lease lasts, and how many after the vendor has changed the terms, whenever; the same for no
    /// change.
    leases: [u32; 2],
    /// Whether both machines are installations on one computer.
    one_hardware: bool,
    /// How often a request may take the place of its computer's seat.
    reinstalls: u32,
    /// How many seats may be replaced, and whether the second machine's request names the first one's seat.
    replace: u32,
    /// Whether a customer releases seats with the license key alone, as many as may be replaced.
    customers: bool,
    /// Whether the second machine's clock is days behind.
    is_behind: bool,
    /// Whether the ledger may be restored once to an earlier copy, and what the host finds outside of it then.
    restores: Option<Outside>,
    /// Whether the second machine lies about its licenses, or has some that a thief signed.
    lies: bool,
    /// Whether the ledger keeps what only saves work: digests of what was redeemed, and a code beside a proof.
    remembers: bool,
    mutant: Option<Mutant>,
}

impl Rules {
    /// Whether it matters what was used up, and not only how much of it is left.
    fn reckons(&self) -> bool {
        self.activations.is_some() || self.period > 0 || self.resets > 0
    }
}

/// What lies outside of the ledger when it is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outside {
    /// The last page, where no copy of the ledger reaches.
    Page,
    /// Nothing: it was rolled back together with the ledger, or is lost.
    Nothing,
}

/// A fault that the model must notice. Each is one change: in the store's order of steps, which is simulated here, or
/// in the shipped rules, where `mutated!` asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::enum_variant_names, reason = "each is named after what goes wrong")]
pub(crate) enum Mutant {
    // The order of steps on a machine.
    /// A deactivation tells the authority first, and deletes the license when the receipt is in.
    AuthorityFirst,
    /// The license is deleted, and the proof is only in memory.
    ProofOnlyInMemory,
    /// An activation request is sent, and only in memory.
    RequestNotPersisted,
    /// What was renamed into place is spoken of before the directory is synced.
    NoSyncBeforeSending,
    /// What a killed process left is spoken of without syncing it.
    NoSyncOnReopening,
    /// A request that the authority refuses is dropped instead of cancelled.
    RefusedForgotten,

    // The record.
    /// A new request drops the proofs that no receipt has acknowledged.
    OutstandingDropped,
    /// Giving a seat up leaves the license in place.
    LicenseKept,
    /// A revocation changes nothing.
    RevocationIgnored,
    /// A license that takes the place of another forgets the other's seat.
    ReplacedForgotten,

    // Starts and grace; caught by the stories in `starts`.
    /// The days of grace are not looked at.
    GraceNeverEnds,
    /// Each observation of a changed machine begins its days anew.
    GraceStartsAnew,
    /// For a machine that shows too little the days count from the observation.
    HiddenCountsFromNow,
    /// The license that is there already, installed once more, ends the days of grace.
    SameLicenseEndsGrace,
    /// A start asks whatever came of the ones before.
    StartsAskAlways,
    /// A start does not note that it asks.
    StartsAskUnnoted,
    /// The pause after a start that asked in vain does not grow.
    PausesStayShort,

    // The device's clock; caught by the tests beside `src/licensing_time`.
    /// A clock that was ahead may not be set back.
    ClockAllowanceZero,
    /// It may be set back only by what it was ahead when the device asked.
    ClockAllowanceFromQuestion,
    /// A clock is taken to be behind by the time that the question took, whatever it shows.
    ClockBehindAlways,
    /// A clock that is behind is taken for right.
    ClockBehindNever,
    /// Any license that was signed later sets the clock right.
    AnySignatureHeals,
    /// The clock that runs on is left out of account.
    NoRunningClock,
    /// Of the readings of the clocks, the smaller one counts.
    SmallerReadingTaken,

    // The terms, and the ledger that hosts test with.
    /// Anything is issued for a license that is suspended.
    SuspendedIssues,
    /// Anything is issued for a license that has ended.
    EndedIssues,
    /// A license key that was replaced activates still.
    OldKeysActivate,

    // The decisions.
    /// Activate: a request is granted however many seats are taken.
    SeatsUncounted,
    /// Activate: a request whose seat was given up gets its license again.
    GrantsAgain,
    /// Cancel: a request that was given up before it arrived leaves no trace.
    CancelledForgotten,
    /// Activate: a request takes the place of the seat of whatever computer.
    JoinsAnyMachine,
    /// Activate: a request replaces a seat whose device was heard of lately.
    LiveSeatIsReplaced,
    /// Activate: a seat is replaced however many were.
    ReplacementUncounted,
    /// Activate, release by a customer: a seat that lapsed is replaced.
    LapsedSeatIsReplaced,
    /// Activate: a request takes the place of a seat of its machine that lapsed.
    LapsedSeatIsJoined,
    /// Activate: a device's request takes the place of its own seat, though that lapsed.
    LapsedOwnSeatIsJoined,
    /// Release by a customer: it is forgotten that the seat was released before.
    CustomersReleaseForgotten,
    /// Activate: a request takes the place of a seat that was asked for after it.
    OlderRequestJoins,
    /// Redeem: a seat that took the place of another is cancelled as if it had been the first.
    JoinedSeatIsUnused,
    /// Activate: the license of a repeated request is signed for a lapsed seat, whatever counts.
    RepeatedRequestUncounted,
    /// Activate: a held seat that lapsed is taken again, whatever counts.
    HeldSeatUncounted,
    /// Recover: a lapsed seat is recovered, whatever counts.
    RecoveryUncounted,
    /// Check in: a lapsed seat is renewed, whatever counts.
    CheckInUncounted,
    /// Renew: a lapsed seat is renewed, whatever counts.
    RenewalUncounted,
    /// Count: a seat lapses when its use ends.
    NoMargin,
    /// Count: the end of the license that was signed last is taken for the latest one.
    LastEndCounts,
    /// Count: after a gap a seat counts for its own margin alone, as if nothing could have been signed in it.
    OwnLeaseAfterAGap,
    /// Count: after a gap a seat counts for the longest lease beyond its own last one.
    LongestLeaseAfterTheOwn,
    /// Note: a long silence is taken for no gap.
    SilenceIsNoGap,
    /// Note: an ordinary restart is taken for a gap.
    RestartDelaysALapse,
    /// A timer gives back what has lapsed (simulated: there is no such timer).
    TimerFreesSeats,
    /// A timer keeps seats, and they lapse when it fails to run (simulated, too).
    MissedTimerFreesSeats,
    /// Check in: a revision that a device claims shows that history is missing.
    ClaimedRevisionIsEvidence,
    /// Heal: a license need not be of this authority.
    HealsByAnybodysLicense,
    /// Heal: a license need not be of the device that checks in.
    HealsByAnotherDevicesLicense,
    /// Heal: a license under a page that the ledger knows heals, too.
    HealsOutsideAGap,
    /// Heal: a seat that the ledger knows to be over comes back to life.
    HealsASeatThatEnded,
    /// Heal: what a device held before its lost seat stays taken.
    EarlierSeatStays,
    /// Heal: it is not noted that more seats are taken than were sold.
    ExcessUnflagged,
    /// Phantoms: a receipt or revocation that came along is not looked at.
    PhantomsStay,
    /// Redeem: giving up a lapsed seat uses up a deactivation.
    LapsedCostsADeactivation,
    /// Redeem: a proof is taken for whatever seat its device holds.
    ProofNamesDevice,
    /// Redeem: a seat that the vendor released is given up once more.
    GiveUpFreesTwice,
    /// Redeem: the allowance of deactivations is not looked at.
    AllowanceIgnored,
    /// Activate: a new grant uses up no activation.
    ActivationUncounted,
    /// Activate: whether an activation is left is not looked at.
    ActivationsIgnored,
    /// Activate: what takes the place of its machine's seat uses up an activation.
    TakeoverIsAnActivation,
    /// Activate: a held seat that is taken again uses up an activation.
    HeldSeatIsAnActivation,
    /// Recover: what was lost uses up an activation once more.
    RecoveryIsAnActivation,
    /// Heal: a seat that is entered again uses up no activation.
    HealedSeatIsFree,
    /// Allow: a period that began begins again with whatever is used up.
    PeriodStartsTwice,
    /// Allow: a reset forgives one that is yet to come.
    ResetForgivesAhead,
    /// Allow: a reset frees a seat.
    ResetFreesSeats,
    /// Allow: an extra activation is a seat, too.
    ExtraIsASeat,
    /// Trial: each grant begins another one.
    TrialBeginsAnew,
    /// Trial: that of a seat that is over is not looked at.
    TrialEndsWithItsSeat,
    /// Trial: that of another installation of the machine is not looked at.
    TrialOfTheDevice,
    /// Trial: a device has the days of the one that it holds, whatever its machine has had.
    TrialComesWithTheStore,
    /// Trial: any machine's is taken for that of the one that asks.
    TrialOfAnyMachine,
    /// Trial: its days count from the request's date, by the device's clock.
    TrialByTheDevicesClock,
    /// Trial: the license says nothing of its end.
    TrialUnsigned,
    /// Trial: licenses are signed after its end.
    TrialOutlived,
    /// Trial: the vendor lets one seat's last longer, and not its machine's.
    ExtensionForgotten,
    /// Activate: a request is granted though nobody approved it.
    ApprovalUnasked,
    /// Activate: what was approved for one device lets another's request pass.
    AnothersApproval,
    /// Approve: a second approval counts once more.
    ApprovedTwice,
    /// Approve: a request that was refused is approved.
    RefusedIsApproved,
    /// Refuse: an approval stays that is taken back.
    ApprovalNotTakenBack,
    /// Release: what the device has asked for stays approved.
    ReleaseKeepsRequests,
    /// Stop a license: what was asked for stays approved.
    StoppingKeepsRequests,
    /// Redeem: with no deactivation left, a request that is cancelled unused still frees its seat.
    UnusedFreesAnyway,
    /// Activate: a held seat goes to whoever has the device's key.
    HeldGoesToAnyMachine,
    /// Redeem a code: it need not fit the commitment of the seat whose handle it names.
    CodeFitsItsHandle,
    /// Preflight: the allowance of deactivations is not looked at.
    PreflightIgnoresAllowance,
    /// Preflight: giving up a lapsed seat is said to use up a deactivation.
    PreflightOfLapsedCounts,
    /// Check in: a seat that was given up is renewed.
    ChecksInAfterTheEnd,
    /// Recover: one that comes late frees what the device asked for since.
    LateRecoveryFrees,
    /// Recover: an echo frees seats again.
    EchoRecovers,
    /// Renew: a seat that the vendor released is renewed.
    RenewsRevokedSeats,
    /// Release: nobody remembers that the device is to be told.
    ReleaseForgets,
    /// Take back: a release is taken back though the device was told of it.
    UnreleasesWhatWasHeard,
    /// Take back: a release is taken back though the device gave the seat back since.
    UnreleasesWhatWasGivenBack,
    /// Take back: a release is taken back whatever counts.
    UnreleaseUncounted,
    /// Check in: one that was written before the device asked for another seat takes that one's place.
    LateCheckInTakesBack,
    /// Check in: what an echo is answered with is not taken for heard.
    EchoUnheard,
    /// Return: a seat that is in use is returned too.
    ReturnsActiveSeats,
}

thread_local! {
    static SWITCHED: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Whether a fault is switched on in this thread.
pub(crate) fn is_mutated(mutant: Mutant) -> bool {
    SWITCHED.get() == Some(mutant)
}

/// A fault that is on for as long as this lives.
pub(crate) struct Switched;

impl Switched {
    pub(crate) fn on(mutant: Option<Mutant>) -> Self {
        SWITCHED.set(mutant);
        Self
    }
}

impl Drop for Switched {
    fn drop(&mut self) {
        SWITCHED.set(None);
    }
}

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Invariant {
    /// No machine holds a usable license whose seat the authority has freed.
    I1,
    /// From every reachable state the seat can be freed without the vendor's help and without an old message.
    I2,
    /// What the authority's rules promise by themselves.
    Ledger,
    /// There are no more usable stores than the allowance explains, whatever is copied.
    Allowance,
    /// No more machines are usable than there are seats, whatever lapsed; and what nobody renews can be had by anybody.
    Seats,
}
