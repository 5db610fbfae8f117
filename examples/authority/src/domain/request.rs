//! Requests that wait for the vendor's approval.

use nodelock::{
    Timestamp,
    authority::{Approval, SeatName},
};

/// One in a list.
#[derive(Debug)]
pub(crate) struct RequestRow {
    pub(crate) approval: Approval,
    /// The network that it came from; empty for the vendor.
    pub(crate) peer: String,
}

/// Where a page of requests ended: the last one and when it changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestCursor {
    pub(crate) changed: Timestamp,
    pub(crate) name: SeatName,
}

impl RequestRow {
    /// When it came first, or when the vendor ruled on it.
    pub(crate) fn changed(&self) -> Timestamp {
        changed(&self.approval)
    }

    pub(crate) fn cursor(&self) -> RequestCursor {
        RequestCursor { changed: self.changed(), name: self.approval.name() }
    }
}

/// The same of a request by itself.
pub(crate) fn changed(approval: &Approval) -> Timestamp {
    approval.ruled().unwrap_or_else(|| approval.asked())
}
