//! What is personal goes by its age.

use nodelock::{Timestamp, authority::decision::Change};

use super::{
    Database,
    permit::{On, permit},
};
use crate::{
    domain::{
        Occasion, Retention, RetentionChange, days_before, noted_change,
        rights::{Act, Permit},
    },
    failure::Result,
    store::{self, AuditLine, Locks, SeatPlace, Tx},
};

/// How many rows go in one transaction, so that devices need not wait for many.
const AT_ONCE: u32 = 500;
/// How many seats do: each locks its license.
const SEATS_AT_ONCE: u32 = 50;
/// How often the server looks whether something is too old: once a day.
const PERIOD_DAYS: u32 = 1;

/// How much went.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pruned {
    /// Lines of the audit that say nothing of a person any more.
    pub(crate) audit: u64,
    pub(crate) attempts: u64,
    pub(crate) evidence: u64,
    pub(crate) check_ins: u64,
    pub(crate) refusals: u64,
    /// Requests that waited for approval, or were approved or refused.
    pub(crate) requests: u64,
    /// Seats that say nothing of their computers any more.
    pub(crate) seats: u64,
}

impl Pruned {
    /// With their names.
    pub(crate) fn members(&self) -> [(&'static str, u64); 7] {
        let Self { audit, attempts, evidence, check_ins, refusals, requests, seats } = *self;
        [
            ("audit", audit),
            ("attempts", attempts),
            ("evidence", evidence),
            ("check_ins", check_ins),
            ("refusals", refusals),
            ("requests", requests),
            ("seats", seats),
        ]
    }
}

/// For how long what is personal is kept.
pub(crate) async fn retention(database: &Database) -> Result<Retention> {
    store::retention(&mut database.read().await?).await
}

/// Changes for how long what is personal is kept. Returns it as it is now; `hand_over` is given it before a change is
/// stored.
///
/// Fails as [`Retention::changed`] and `hand_over` do.
pub(crate) async fn edit_retention(
    database: &Database,
    change: RetentionChange,
    hand_over: impl FnOnce(&Retention) -> Result<()>,
    occasion: &Occasion,
) -> Result<Retention> {
    let occasion = &permit(database, occasion, Act::Erase, On::Whole).await?;
    let mut tx = database.write().await?;
    let before = store::retention(&mut tx).await?;
    let after = before.changed(change)?;
    if after != before {
        store::set_retention(&mut tx, &after).await?;
        hand_over(&after)?;
        let detail = noted_change(&serde_json::to_string(&before)?, &serde_json::to_string(&after)?);
        let line = AuditLine { action: "retention-edited", license: None, detail: &detail };
        line.write(&mut tx, occasion).await?;
    }
    tx.commit().await?;
    Ok(after)
}

/// Whether it is time to look for what is too old.
pub(crate) async fn is_prune_due(database: &Database, now: Timestamp) -> Result<bool> {
    let pruned = store::pruned(&mut database.read().await?).await?;
    Ok(pruned.is_none_or(|pruned| pruned <= days_before(now, PERIOD_DAYS)))
}

/// Deletes what is kept for longer than it should be, and lets seats that are over for good forget their computers.
///
/// It is done in many short transactions: what an interrupted run left goes in the next.
pub(crate) async fn prune(database: &Database, occasion: &Occasion) -> Result<Pruned> {
    let occasion = &permit(database, occasion, Act::Ledger, On::Whole).await?;
    let mut pruned = Pruned::default();
    let (now, retention) = (occasion.time, retention(database).await?);
    let mut tx = database.write().await?;
    pruned.attempts = store::forget_attempts(&mut tx, now).await?;
    pruned.requests = store::forget_old_approvals(&mut tx, now).await?;
    pruned.refusals =
        store::forget_refusals_before(&mut tx, days_before(now, retention.refusal_days)).await?;
    tx.commit().await?;
    let before = days_before(now, retention.audit_days);
    let mut looked_at = u64::from(AT_ONCE);
    while looked_at == u64::from(AT_ONCE) {
        let mut tx = database.write().await?;
        let (lines, emptied) = store::forget_persons(&mut tx, before, AT_ONCE).await?;
        tx.commit().await?;
        (looked_at, pruned.audit) = (lines, pruned.audit + emptied);
        database.make_way().await;
    }
    let before = days_before(now, retention.evidence_days);
    let mut gone = u64::from(AT_ONCE);
    while gone == u64::from(AT_ONCE) {
        let mut tx = database.write().await?;
        gone = store::forget_evidence_before(&mut tx, before, AT_ONCE).await?;
        tx.commit().await?;
        pruned.evidence += gone;
        database.make_way().await;
    }
    let before = days_before(now, retention.check_in_days);
    let (check_ins, until) = forget_check_ins(database, before).await?;
    pruned.check_ins = check_ins;
    pruned.seats = forget_computers(database, now).await?;
    let mut tx = database.write().await?;
    store::set_pruned(&mut tx, occasion).await?;
    if let Some(until) = until {
        store::set_check_ins_until(&mut tx, &until).await?;
    }
    if pruned != Pruned::default() {
        write_line(&mut tx, &pruned, occasion).await?;
    }
    tx.commit().await?;
    Ok(pruned)
}

async fn write_line(tx: &mut Tx, pruned: &Pruned, occasion: &Permit<'_>) -> Result<()> {
    let counts = pruned.members().into_iter().filter(|(_, count)| *count > 0);
    let detail = counts.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ");
    AuditLine { action: "pruned", license: None, detail: &detail }.write(tx, occasion).await
}

/// Check-ins of seats that ended before a time go. Returns how many that were, and up to which seat none is left: the
/// next run begins there. It looks in transactions that hold up nobody.
async fn forget_check_ins(database: &Database, before: Timestamp) -> Result<(u64, Option<SeatPlace>)> {
    let mut forgotten = 0;
    let mut last = store::check_ins_until(&mut database.read().await?).await?;
    let (mut until, mut is_any_left) = (last.clone(), false);
    loop {
        let found = store::over_before(&mut database.read().await?, last.as_ref(), before, AT_ONCE).await?;
        let Some((end, has_check_ins)) = found else { return Ok((forgotten, until)) };
        let mut gone = if has_check_ins { u64::from(AT_ONCE) } else { 0 };
        while gone == u64::from(AT_ONCE) {
            let mut tx = database.write().await?;
            gone = store::forget_check_ins(&mut tx, last.as_ref(), &end, AT_ONCE).await?;
            tx.commit().await?;
            forgotten += gone;
            database.make_way().await;
        }
        if has_check_ins && !is_any_left {
            // Somebody may have locked one, which was passed over.
            let mut tx = database.read().await?;
            let again = store::over_before(&mut tx, last.as_ref(), before, AT_ONCE).await?;
            is_any_left = again.is_some_and(|(_, has_check_ins)| has_check_ins);
        }
        if !is_any_left {
            until = Some(end.clone());
        }
        last = Some(end);
    }
}

/// Seats that are over for good say nothing of their computers, unless the same customer uses one still. Returns how
/// many changed.
async fn forget_computers(database: &Database, now: Timestamp) -> Result<u64> {
    let (mut forgotten, mut last) = (0, None);
    loop {
        let mut tx = database.read().await?;
        let (seats, end) = store::described_seats(&mut tx, last.as_ref(), SEATS_AT_ONCE).await?;
        let changes: Vec<Change> = seats.iter().cloned().map(Change::Update).collect();
        let locks = Locks::of(&tx, &changes);
        drop(tx);
        if end.is_none() {
            return Ok(forgotten);
        }
        let may_go = seats.iter().any(|seat| seat.is_over(now));
        if may_go {
            let mut tx = database.write_with(&locks).await?;
            // As they are now: nothing changes any more that the locks stand for.
            for seat in store::described_seats(&mut tx, last.as_ref(), SEATS_AT_ONCE).await?.0 {
                let is_locked = seats.iter().any(|one| one.name() == seat.name());
                if is_locked && seat.is_over(now) && !store::is_computer_in_use(&mut tx, &seat).await? {
                    store::set_undescribed(&mut tx, &seat.without_computer(now), true).await?;
                    forgotten += 1;
                }
            }
            tx.commit().await?;
            database.make_way().await;
        }
        last = end;
    }
}

#[cfg(test)]
mod tests;
