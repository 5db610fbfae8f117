//! Who is told of events over HTTP, and what became of that.

use nodelock::Timestamp;

use super::{CustomerId, EventRow};

/// Who is told of events.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Webhook {
    pub(crate) id: String,
    pub(crate) url: String,
    /// What it is told of, as kinds or as `license.*` and `seat.*`; all if there is none.
    pub(crate) kinds: Vec<String>,
    pub(crate) created: Timestamp,
    /// Until when the secret before the present one signs too.
    pub(crate) former_until: Option<Timestamp>,
}

/// What became of one event on its way to one receiver.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeliveryRow {
    pub(crate) event: EventRow,
    /// `due`, `queued`, `delivered` or `aside`.
    pub(crate) state: String,
    /// When it is tried next, if it is.
    pub(crate) due: Timestamp,
    pub(crate) attempts: u32,
    pub(crate) tried: Option<Timestamp>,
    /// The status that was answered last, or the code that a program ended with.
    pub(crate) status: Option<u32>,
    /// Why that was no success.
    pub(crate) said: Option<String>,
    /// Whom a mail is for.
    pub(crate) customer: Option<CustomerId>,
}
