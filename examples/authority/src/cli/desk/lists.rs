//! Long lists, shown while they are read.

use nodelock::LicenseId;

use super::{Desk, Ledger};
use crate::{
    domain::{filter::Filter, hex},
    failure::Result,
    http::records::{
        Audit, AuditLine, Chain, Cursor, CustomerBody, Customers, Deliveries, Delivery, Event, Events,
        LicenseBody, Licenses, MailBody, Mails, OneRequest, OrderBody, Orders, RefusalBody, RefusalPage,
        RequestPage, SeatBody, Seats,
    },
    remote::{Page, Remote, address, encoded},
    service::{self, Kept},
};

/// How many are read at a time.
const PAGE: u32 = 500;

/// Shows the rows of a list that pass a filter.
async fn filtered<P: Page>(
    remote: &Remote,
    list: &str,
    filter: &Filter,
    show: impl FnMut(Result<P::Row>) -> Result<()>,
) -> Result<()> {
    let text = filter.to_string();
    let wanted: &[(&str, &str)] = if text.is_empty() { &[] } else { &[("filter", &text)] };
    remote.rows::<P>(list, wanted, (None, None), show).await
}

/// The cursor behind something with an id; none for the beginning.
fn behind(id: &str) -> Option<String> {
    (!id.is_empty()).then(|| Cursor(id.to_owned()).text())
}

impl Desk<'_> {
    pub(in super::super) async fn licenses(
        &self,
        filter: Filter,
        mut show: impl FnMut(Result<LicenseBody>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let now = occasion.time;
                let show = |row: Result<_>| show(row.map(|row| LicenseBody::of(&row, now)));
                service::licenses(database, filter, occasion, show).await
            }
            Self::Server(remote) => filtered::<Licenses>(remote, "/licenses", &filter, show).await,
        }
    }

    pub(in super::super) async fn seats(
        &self,
        filter: Filter,
        mut show: impl FnMut(Result<SeatBody>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let show = |row: Result<_>| show(row.map(|row| SeatBody::from(&row)));
                service::seats(database, filter, occasion, show).await
            }
            Self::Server(remote) => filtered::<Seats>(remote, "/seats", &filter, show).await,
        }
    }

    pub(in super::super) async fn customers(
        &self,
        filter: Filter,
        mut show: impl FnMut(Result<CustomerBody>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let show = |row: Result<_>| show(row.map(|row| CustomerBody::from(&row)));
                service::customers(database, filter, occasion, show).await
            }
            Self::Server(remote) => filtered::<Customers>(remote, "/customers", &filter, show).await,
        }
    }

    pub(in super::super) async fn orders(
        &self,
        filter: Filter,
        mut show: impl FnMut(Result<OrderBody>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let show = |row: Result<_>| show(row.and_then(|row| OrderBody::of(&row)));
                service::orders(database, filter, occasion, show).await
            }
            Self::Server(remote) => filtered::<Orders>(remote, "/orders", &filter, show).await,
        }
    }

    pub(in super::super) async fn refusals(
        &self,
        license: Option<LicenseId>,
        mut show: impl FnMut(Result<RefusalBody>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let show = |row: Result<_>| show(row.map(RefusalBody::from));
                service::refusals(database, license, occasion, show).await
            }
            Self::Server(remote) => {
                let license = license.map(|id| id.to_string());
                let wanted: Vec<_> = license.as_deref().map(|id| ("license", id)).into_iter().collect();
                remote.rows::<RefusalPage>("/refusals", &wanted, (None, None), show).await
            }
        }
    }

    /// The requests for approval of a license, or all of them.
    pub(in super::super) async fn requests(
        &self,
        license: Option<LicenseId>,
        mut show: impl FnMut(Result<OneRequest>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let show = |row: Result<_>| show(row.map(|row| OneRequest::from(&row)));
                service::requests(database, license, occasion, show).await
            }
            Self::Server(remote) => {
                let license = license.map(|id| id.to_string());
                let wanted: Vec<_> = license.as_deref().map(|id| ("license", id)).into_iter().collect();
                remote.rows::<RequestPage>("/requests", &wanted, (None, None), show).await
            }
        }
    }

    /// The latest lines of the audit.
    pub(in super::super) async fn audit(
        &self,
        lines: u32,
        mut show: impl FnMut(Result<AuditLine>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let show = |row: Result<_>| show(row.map(|row| AuditLine::from(&row)));
                service::audit(database, lines, occasion, show).await
            }
            Self::Server(remote) => {
                let latest = lines.to_string();
                remote.rows::<Audit>("/audit", &[("latest", &latest)], (None, Some(lines)), show).await
            }
        }
    }

    /// Events after one, at most so many.
    pub(in super::super) async fn events(
        &self,
        license: Option<LicenseId>,
        (after, most): (&str, u32),
        mut show: impl FnMut(Result<Event>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let (mut after, mut left) = (after.to_owned(), most);
                loop {
                    let page =
                        service::events_after(database, license, &after, left.min(PAGE), occasion).await?;
                    left -= u32::try_from(page.len()).unwrap_or(left);
                    let Some(place) = page.place() else { return Ok(()) };
                    place.clone_into(&mut after);
                    page.rows
                        .into_iter()
                        .map(|row| row.map(|row| Event::from(&row)))
                        .try_for_each(&mut show)?;
                }
            }
            Self::Server(remote) => {
                let license = license.map(|id| id.to_string());
                let wanted: Vec<_> = license.as_deref().map(|id| ("license", id)).into_iter().collect();
                remote.rows::<Events>("/events", &wanted, (behind(after), Some(most)), show).await
            }
        }
    }

    /// What a webhook was told after an event, at most so much; only what was given up, perhaps.
    pub(in super::super) async fn deliveries(
        &self,
        id: &str,
        (only_aside, after, most): (bool, &str, u32),
        mut show: impl FnMut(Result<Delivery>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let (mut after, mut left) = (after.to_owned(), most);
                let state = only_aside.then_some("aside");
                loop {
                    let most = left.min(PAGE);
                    let page =
                        service::deliveries_after(database, id, (state, &after), most, occasion).await?;
                    left -= u32::try_from(page.len()).unwrap_or(left);
                    let Some(last) = page.last() else { return Ok(()) };
                    after.clone_from(&last.event.id);
                    page.iter().map(Delivery::from).map(Ok).try_for_each(&mut show)?;
                }
            }
            Self::Server(remote) => {
                let (list, aside) = (format!("/webhooks/{}/deliveries", encoded(id)), only_aside.to_string());
                let place = (behind(after), Some(most));
                remote.rows::<Deliveries>(&list, &[("aside", &aside)], place, show).await
            }
        }
    }

    /// Mails of the events after one, at most so many; only what was given up, perhaps.
    pub(in super::super) async fn mails(
        &self,
        (only_aside, after, most): (bool, &str, u32),
        mut show: impl FnMut(Result<MailBody>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let (mut after, mut left) = (after.to_owned(), most);
                let state = only_aside.then_some("aside");
                loop {
                    let page =
                        service::mails_after(database, (state, &after), left.min(PAGE), occasion).await?;
                    left -= u32::try_from(page.len()).unwrap_or(left);
                    let Some(last) = page.last() else { return Ok(()) };
                    after.clone_from(&last.event.id);
                    page.iter().map(MailBody::from).map(Ok).try_for_each(&mut show)?;
                }
            }
            Self::Server(remote) => {
                let (aside, place) = (only_aside.to_string(), (behind(after), Some(most)));
                remote.rows::<Mails>("/mails", &[("aside", &aside)], place, show).await
            }
        }
    }

    /// Whether every line of the audit is as it was sealed, and these digests are still there.
    pub(in super::super) async fn verify_audit(&self, kept: &[Kept]) -> Result<Chain> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                Ok(service::verify_audit(database, kept, occasion).await?.into())
            }
            Self::Server(remote) => {
                let digests: Vec<String> = kept.iter().map(|kept| hex(&kept.digest)).collect();
                let digests: Vec<_> = digests.iter().map(|digest| ("digest", digest.as_str())).collect();
                remote.get(&address("/audit:verify", &digests)).await
            }
        }
    }
}
