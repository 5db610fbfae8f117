//! The protocol as an explicit-state model (docs/PROTOCOL.md, The model; docs/THREATS.md, Test 7).
//!
//! Two machines and one authority share a license. Everything that may happen to them is tried in every order, and
//! what the protocol promises (docs/PROTOCOL.md, Invariants) is checked in every state that can be reached. The
//! transitions are the crate's own, not a
//! copy of them: machines change by [`crate::record`], the authority by [`crate::authority::ledger`]. What is
//! written anew here is only what stands around them: the store's commit step by step, the network, the ledger's
//! database.
//!
//! - **Machine** (`device`): two images of the store, *visible* (what a read gives) and *durable* (what a power cut
//!   leaves), and a process with its memory. A commit is three steps: the rename makes the new record visible, the
//!   directory sync makes it durable, and only then is anything said. A kill, or a sync that fails, may come between
//!   any two, a power cut too.
//! - **Network** (`facts`): whatever was said once may arrive at any time, in any order, any number of times or never.
//!   What travels in one file may be taken out of it.
//! - **Authority** (`authority`): one atomic, durable transaction for each message.
//!
//! Left out, because verification comes before any transition: signatures, secrets and digests. A message is the
//! facts that verification yields; what was signed by another device is simply not equal. Left out too: time,
//! fingerprints, limits on wrong codes, and tombstones, which guard only a store that was copied back
//! (docs/THREATS.md, Threats and guards).
//! Handles are counted instead of drawn and bounded in number, so that there are finitely many states.

mod authority;
mod device;
mod facts;
mod invariants;
mod runs;
mod search;
mod space;
mod table;

/// What is searched.
#[derive(Clone, Copy, Debug)]
struct Rules {
    seats: u32,
    /// How many deactivations return a seat (docs/PROTOCOL.md, Returned and Held).
    deactivations: Option<u32>,
    /// How often each machine may ask for a seat.
    draws: [u8; 2],
    /// Whether both machines draw the same handles, as two out of a billion may.
    same_handles: bool,
    /// Whether seats are renewed once, and released by force.
    administered: bool,
    mutant: Option<Mutant>,
}

/// The fatal variants (docs/PROTOCOL.md, The model): one change each in what stands around the transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    /// A deactivation tells the authority first, and deletes the license when the receipt is in.
    AuthorityFirst,
    /// The license is deleted, and the proof is only in memory.
    ProofOnlyInMemory,
    /// The authority takes a proof for whatever seat its device holds.
    ProofNamesDevice,
    /// An activation request is sent, and only in memory.
    RequestNotPersisted,
    /// What was renamed into place is spoken of before the directory is synced.
    NoSyncBeforeSending,
    /// What a killed process left is acted on without syncing it.
    NoSyncOnReopening,
    /// A request that was given up before it arrived leaves no trace at the authority.
    CancelledForgotten,
    /// A new request drops the proofs that no receipt has acknowledged.
    OutstandingDropped,
    /// A request that the authority refuses is dropped instead of cancelled.
    RefusedForgotten,
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
}
