//! Pages: the minutes of an authority's service, as what it signs names them.

use super::id::random_id;

random_id! {
    /// A minute of an authority's service: 8 random bytes, shown as 16 hex digits.
    ///
    /// The authority keeps each page in its ledger before it signs anything under it. A ledger that does not know the
    /// page of
    /// something that its authority signed was restored to an earlier copy (docs/PROTOCOL.md, The ledger was restored).
    Page, "page"
}
