//! The audit: who did what, when, and where that took a seat.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    Tx,
    accounts::spend,
    answers::keep_answer,
    events::enter,
    row::{device, handle, license_id, number, public_key, seconds, time},
    sql::{Row, query},
};
use crate::{
    domain::{Actor, AuditRow, rights::Permit},
    failure::Result,
};
use nodelock::{
    LicenseId, Random as _, SystemRandom,
    authority::{
        SeatName, SeatState,
        decision::{Event, EventKind},
    },
};

/// A line to write. It takes a permit, which only the table of rights gives, so that nothing is done unasked.
pub(crate) struct AuditLine<'a> {
    pub(crate) action: &'static str,
    pub(crate) license: Option<LicenseId>,
    pub(crate) detail: &'a str,
}

/// What a line says of a seat.
pub(super) struct OfSeat {
    pub(super) name: SeatName,
    pub(super) before: Option<SeatState>,
    pub(super) after: Option<SeatState>,
}

/// Writes down what a decision noted.
pub(crate) async fn note(tx: &mut Tx, event: &Event, permit: &Permit<'_>) -> Result<()> {
    let line = AuditLine { action: event.kind.name(), license: event.license, detail: &event.detail };
    let seat = event.seat.map(|name| OfSeat { name, before: event.before, after: event.after });
    write(tx, &line, seat, permit).await?;
    match event.license {
        Some(id) if event.kind == EventKind::Granted && tx.used_up(id, permit.time) => {
            let detail = "no activation is left";
            AuditLine { action: "license-used-up", license: Some(id), detail }.write(tx, permit).await
        }
        _ => Ok(()),
    }
}

impl AuditLine<'_> {
    /// Writes down what is about no seat.
    pub(crate) async fn write(&self, tx: &mut Tx, permit: &Permit<'_>) -> Result<()> {
        write(tx, self, None, permit).await
    }
}

async fn write(tx: &mut Tx, line: &AuditLine<'_>, seat: Option<OfSeat>, permit: &Permit<'_>) -> Result<()> {
    spend(tx, permit).await?;
    if let Actor::Bearer(bearer) = &permit.actor
        && let Some(answer) = bearer.take_to_keep()
    {
        keep_answer(tx, &answer, permit.time).await?;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let mut random = [0; 8];
    SystemRandom.fill(&mut random)?;
    let id = format!("{now:032x}{:016x}", u64::from_le_bytes(random));
    let state = |of: fn(&OfSeat) -> Option<SeatState>| seat.as_ref().and_then(of).map(SeatState::name);
    query(
        "INSERT INTO audit \
         (id, at, actor, action, license_id, handle, device_key, from_state, to_state, detail) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(&id)
    .bind(seconds(permit.time))
    .bind(permit.actor.to_string())
    .bind(line.action)
    .bind(line.license.map(|id| id.to_string()))
    .bind(seat.as_ref().map(|seat| number(seat.name.handle)))
    .bind(seat.as_ref().map(|seat| device(seat.name)))
    .bind(state(|seat| seat.before))
    .bind(state(|seat| seat.after))
    .bind(line.detail)
    .execute(tx)
    .await?;
    enter(tx, &id, line, seat.as_ref(), permit).await
}

pub(super) fn audit_row(row: &Row) -> Result<AuditRow> {
    Ok(AuditRow {
        id: row.get("id")?,
        at: time(row, "at")?,
        actor: row.get("actor")?,
        action: row.get("action")?,
        license: license_id(row)?,
        handle: row.get::<Option<i64>>("handle")?.map(handle).transpose()?,
        device: row.get::<Option<Vec<u8>>>("device_key")?.map(public_key).transpose()?,
        from: row.get("from_state")?,
        to: row.get("to_state")?,
        detail: row.get("detail")?,
    })
}
