//! A page of what there is, for callers who ask for the next page later.

use tracing::warn;

use super::{
    Database,
    lists::within,
    permit::{On, permit},
};
use crate::{
    domain::{
        AuditRow, Customer, LicenseRow, Occasion, OrderRow, SeatRow,
        filter::{Filter, Mark},
        rights::Act,
    },
    failure::{Failure, Result},
    store::{self, AuditPages, Pages, Tx},
};

/// Which page of a list.
pub(crate) struct Wanted {
    pub(crate) filter: Filter,
    /// After which row; none is the first page.
    pub(crate) after: Option<Vec<Mark>>,
    /// How many rows at most.
    pub(crate) most: u32,
}

/// Some rows of a list without those that are damaged, and after which row the next page begins; none after the last.
pub(crate) type Found<T> = (Vec<T>, Option<Vec<Mark>>);

async fn found<T>(tx: &mut Tx, pages: Pages<T>, after: Option<Vec<Mark>>, most: u32) -> Result<Found<T>> {
    let mut pages = pages.after(after, most)?;
    let page = pages.next(tx).await?;
    let next = pages.place().filter(|_| !pages.is_over()).map(<[Mark]>::to_vec);
    let mut rows = Vec::new();
    for row in page {
        rows.extend(whole(row)?);
    }
    Ok((rows, next))
}

/// Licenses within reach. Fails as [`Pages::after`] does.
pub(crate) async fn licenses_after(
    database: &Database,
    wanted: Wanted,
    occasion: &Occasion,
) -> Result<Found<LicenseRow>> {
    let permit = permit(database, occasion, Act::ShowLicenses, On::Each).await?;
    let mut tx = database.read_list().await?;
    let filter = within(&mut tx, wanted.filter, &permit).await?;
    found(&mut tx, store::license_pages(filter), wanted.after, wanted.most).await
}

/// Seats within reach. Fails as [`Pages::after`] does.
pub(crate) async fn seats_after(
    database: &Database,
    wanted: Wanted,
    occasion: &Occasion,
) -> Result<Found<SeatRow>> {
    let permit = permit(database, occasion, Act::ShowSeats, On::Each).await?;
    let mut tx = database.read_list().await?;
    let filter = within(&mut tx, wanted.filter, &permit).await?;
    found(&mut tx, store::seat_pages(filter, occasion.time), wanted.after, wanted.most).await
}

/// Customers. Fails as [`Pages::after`] does.
pub(crate) async fn customers_after(
    database: &Database,
    wanted: Wanted,
    occasion: &Occasion,
) -> Result<Found<Customer>> {
    permit(database, occasion, Act::ShowLicenses, On::Whole).await?;
    let pages = store::customer_pages(wanted.filter);
    found(&mut database.read_list().await?, pages, wanted.after, wanted.most).await
}

/// Orders within reach. Fails as [`Pages::after`] does.
pub(crate) async fn orders_after(
    database: &Database,
    wanted: Wanted,
    occasion: &Occasion,
) -> Result<Found<OrderRow>> {
    let permit = permit(database, occasion, Act::ShowLicenses, On::Each).await?;
    let mut tx = database.read_list().await?;
    let filter = within(&mut tx, wanted.filter, &permit).await?;
    found(&mut tx, store::order_pages(filter), wanted.after, wanted.most).await
}

/// A row of a list; none if it is damaged.
pub(super) fn whole<T>(row: Result<T>) -> Result<Option<T>> {
    match row {
        Err(failure @ Failure::Damaged { .. }) => {
            warn!(event = "damaged-record", error = failure.message());
            Ok(None)
        }
        row => row.map(Some),
    }
}

/// The id of the line that so many lines come after, the latest ones; empty where there are no more.
pub(crate) async fn audit_before_latest(
    database: &Database,
    lines: u32,
    occasion: &Occasion,
) -> Result<String> {
    permit(database, occasion, Act::ShowAudit, On::Whole).await?;
    AuditPages::new(lines).line_before(&mut database.read_list().await?).await
}

/// What comes after an id, with what is damaged in its place: that fails alone.
pub(crate) struct Leaf<T> {
    pub(crate) rows: Vec<Result<T>>,
    pub(super) last: Option<String>,
}

impl<T> Leaf<T> {
    /// How many there are, with those that are damaged.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// After which id the next page begins; none where nothing is left.
    pub(crate) fn place(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Those that are not damaged.
    pub(crate) fn whole(self) -> Result<Vec<T>> {
        self.rows.into_iter().filter_map(|row| whole(row).transpose()).collect()
    }
}

/// The lines of the audit that come after one, at most `most`.
pub(crate) async fn audit_after(
    database: &Database,
    after: &str,
    most: u32,
    occasion: &Occasion,
) -> Result<Leaf<AuditRow>> {
    permit(database, occasion, Act::ShowAudit, On::Whole).await?;
    let mut pages = AuditPages::after(after, most);
    let rows = pages.next(&mut database.read_list().await?).await?;
    let last = pages.place().filter(|_| !rows.is_empty()).map(str::to_owned);
    Ok(Leaf { rows, last })
}
