//! Everything that happened to a license, latest first: its events, and what was refused of it.

use std::cmp::Reverse;

use nodelock::{ErrorKind, LicenseId, Timestamp};

use super::{
    Database,
    permit::{On, permit},
};
use crate::{
    domain::{
        EventRow, Occasion, RefusalCursor, RefusalRow,
        rights::{self, Act},
    },
    failure::Result,
    store,
};

/// Something that happened to a license.
pub(crate) enum Happened {
    Event {
        row: EventRow,
        /// Who did it, as the audit names them; empty once that line is gone.
        actor: String,
        /// Its words in the audit, without those of a person for who may not read it.
        detail: String,
    },
    Refused(Box<RefusalRow>),
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
    // What somebody typed may name a person, and is for those who may read the audit.
    let with_personal = rights::ask(occasion, Act::ShowAudit).is_ok();
    let mut tx = database.read_list().await?;
    // One more than is shown tells whether there is a further page.
    let events = store::events_before(&mut tx, license, place.event, most + 1, with_personal).await?;
    let refusals = store::refusals_before(&mut tx, Some(license), place.refusal.as_ref(), most + 1).await?;
    let is_over = events.len() + refusals.len() <= most as usize;
    // Events are in the order of their sequence, where a clock may have gone back: one counts as no later than those
    // that came after it, so a page has the first of the events and the first of the refusals, and the next page the
    // rest.
    let mut bound = Timestamp::MAX;
    let events = events.into_iter().map(|(row, actor, detail)| {
        bound = bound.min(row.at);
        (bound, Happened::Event { row, actor, detail })
    });
    let refusals = refusals.into_iter().filter_map(Result::ok).map(|mut row| {
        // What the vendor typed when a request was refused is in the words of the refusal.
        if !with_personal && row.refused.kind == ErrorKind::RequestRefused.code() {
            row.refused.reason.clear();
        }
        (row.last, Happened::Refused(row.into()))
    });
    let mut happened: Vec<(Timestamp, Happened)> = events.chain(refusals).collect();
    // It is stable, so what is of one second stays in its order.
    happened.sort_by_key(|(at, _)| Reverse(*at));
    let happened: Vec<Happened> = happened.into_iter().take(most as usize).map(|(_, one)| one).collect();
    for one in &happened {
        match one {
            Happened::Event { row, .. } => place.event = Some(row.sequence),
            Happened::Refused(row) => place.refusal = Some(row.cursor()),
        }
    }
    // Where all that is left is damaged there is no place to go on from.
    let is_over = is_over || happened.is_empty();
    Ok((happened, (!is_over).then_some(place)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        domain::{
            Actor, Bearer, Who,
            filter::{Filter, List},
            rights::Role,
        },
        service::{
            Changing,
            fixture::{Authority, address, now, stranger, vendor},
            licenses, set_suspended, void,
        },
    };

    /// What was typed may name a person. It is in the audit, which they may not read.
    #[tokio::test]
    async fn who_may_not_read_the_audit_sees_no_typed_word_of_it() {
        let authority = Authority::new().await;
        let database = authority.service.database();
        authority.sell(1).await;
        let mut id = None;
        let note = |row: Result<crate::domain::LicenseRow>| row.map(|row| id = Some(row.license.terms.id));
        licenses(database, Filter::all(List::Licenses), &vendor(), note).await.unwrap();
        let id = id.unwrap();
        void(database, id, ("Joe took it home", Changing::default()), |_| Ok(()), &vendor()).await.unwrap();
        let by = |role| {
            let who = Who::Account { name: "jane".into(), role };
            let bearer = Bearer::new(who, address(1), Arc::default());
            Occasion { time: now(), actor: Actor::Bearer(Arc::new(bearer)) }
        };
        for (occasion, sees) in
            [(vendor(), true), (by(Role::Owner), true), (by(Role::Auditor), true), (by(Role::Support), false)]
        {
            let (page, _) = timeline(database, id, TimelinePlace::default(), 10, &occasion).await.unwrap();
            let details: Vec<_> = page
                .iter()
                .filter_map(|one| match one {
                    Happened::Event { row, detail, .. } => Some((&*row.kind, &**detail)),
                    Happened::Refused(_) => None,
                })
                .collect();
            let ended = ("license.voided", if sees { "Joe took it home" } else { "" });
            assert!(details.contains(&ended), "{details:?}");
        }
    }

    #[tokio::test]
    async fn a_clock_that_went_back_loses_and_repeats_nothing_at_the_end_of_a_page() {
        let authority = Authority::new().await;
        let database = authority.service.database();
        let key = authority.sell(1).await;
        authority.activated(&key).await;
        let mut id = None;
        let note = |row: Result<crate::domain::LicenseRow>| row.map(|row| id = Some(row.license.terms.id));
        licenses(database, Filter::all(List::Licenses), &vendor(), note).await.unwrap();
        let id = id.unwrap();
        let start = now().unix_seconds();
        for n in 0..12 {
            let time = Timestamp::from_unix_seconds(start - n * 7_919 % 10 * 600);
            set_suspended(
                database,
                id,
                (n % 2 == 0, Changing::default()),
                |_| Ok(()),
                &Occasion { time, ..vendor() },
            )
            .await
            .unwrap();
        }
        for n in [0, 1_500, 3_000] {
            let time = Timestamp::from_unix_seconds(start - n);
            let file = authority.device().begin(&*key).unwrap().to_bytes();
            let refused = authority.activate(&file, &Occasion { time, ..stranger(1) }).await.unwrap();
            assert!(refused.license.is_err());
        }
        let all =
            store::events_before(&mut database.read().await.unwrap(), id, None, 100, false).await.unwrap();
        let all: Vec<u32> = all.iter().map(|(row, ..)| row.sequence).collect();
        assert!(all.len() >= 14, "{all:?}");
        for most in 1..8 {
            let (mut place, mut events, mut refusals) = (TimelinePlace::default(), Vec::new(), 0);
            loop {
                let (page, next) = timeline(database, id, place, most, &vendor()).await.unwrap();
                for one in page {
                    match one {
                        Happened::Event { row, .. } => events.push(row.sequence),
                        Happened::Refused(_) => refusals += 1,
                    }
                }
                let Some(next) = next else { break };
                place = next;
            }
            assert_eq!((&events, refusals), (&all, 3), "{most} on a page");
        }
    }
}
