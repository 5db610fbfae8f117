//! Everything that happened to a license, latest first: its events, and what was refused of it.

use nodelock::{LicenseId, Timestamp};

use super::{
    Database,
    permit::{On, permit},
};
use crate::{
    domain::{EventRow, Occasion, RefusalCursor, RefusalRow, rights::Act},
    failure::Result,
    store,
};

/// Something that happened to a license.
pub(crate) enum Happened {
    Event {
        row: EventRow,
        /// Who did it, as the audit names them; empty once that line is gone.
        actor: String,
        detail: String,
    },
    Refused(Box<RefusalRow>),
}

impl Happened {
    pub(crate) fn at(&self) -> Timestamp {
        match self {
            Self::Event { row, .. } => row.at,
            Self::Refused(row) => row.last,
        }
    }
}

/// Where a page of a timeline ended: after which event, and after which refusal.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimelinePlace {
    pub(crate) event: Option<u32>,
    pub(crate) refusal: Option<RefusalCursor>,
}

/// What happened to a license before a place, latest first, and where the next page begins; none after the last. What
/// devices do day by day is no event.
///
/// Fails with `ErrorKind::UnknownLicense` for a license out of reach.
pub(crate) async fn timeline(
    database: &Database,
    license: LicenseId,
    mut place: TimelinePlace,
    most: u32,
    occasion: &Occasion,
) -> Result<(Vec<Happened>, Option<TimelinePlace>)> {
    permit(database, occasion, Act::ShowLicenses, On::License(license)).await?;
    let mut tx = database.read_list().await?;
    // One more than is shown tells whether there is a further page.
    let events = store::events_before(&mut tx, license, place.event, most + 1).await?;
    let refusals = store::refusals_before(&mut tx, Some(license), place.refusal.as_ref(), most + 1).await?;
    let refusals = refusals.into_iter().filter_map(Result::ok).map(|row| Happened::Refused(row.into()));
    let events = events.into_iter().map(|(row, actor, detail)| Happened::Event { row, actor, detail });
    let mut happened: Vec<Happened> = events.chain(refusals).collect();
    // It is stable, so events of one second stay in their order.
    happened.sort_by_key(|one| std::cmp::Reverse(one.at()));
    let is_over = happened.len() <= most as usize;
    happened.truncate(most as usize);
    for one in &happened {
        match one {
            Happened::Event { row, .. } => place.event = Some(row.sequence),
            Happened::Refused(row) => place.refusal = Some(row.cursor()),
        }
    }
    Ok((happened, (!is_over).then_some(place)))
}
