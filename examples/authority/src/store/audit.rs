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
    domain::{
        Actor, AuditRow, Field, personal_digest,
        rights::{Permit, Role},
    },
    failure::Result,
};
use nodelock::{
    LicenseId, Random as _, SystemRandom, Timestamp,
    authority::{
        KeyHash, SeatName, SeatState,
        decision::{Event, EventKind},
    },
};

/// A line to write. It takes a permit, which only the table of rights gives, so that nothing is done unasked.
pub(crate) struct AuditLine<'a> {
    pub(crate) action: &'static str,
    pub(crate) license: Option<LicenseId>,
    pub(crate) detail: &'a str,
}

/// How many random bytes hide what is personal.
const SALT: usize = 16;

/// The columns of a line, but for its seal.
macro_rules! audit_columns {
    () => {
        "id, at, actor, role, action, license_id, handle, device_key, from_state, to_state, detail, peer, personal, \
         salt, personal_digest"
    };
}
pub(super) use audit_columns;

/// What a line says of a seat.
pub(super) struct OfSeat {
    pub(super) name: SeatName,
    pub(super) before: Option<SeatState>,
    pub(super) after: Option<SeatState>,
}

/// What a line is about, beside its license.
#[derive(Default)]
struct More<'a> {
    /// What a decision noted.
    kind: Option<EventKind>,
    seat: Option<OfSeat>,
    /// What it says of a person.
    personal: Option<&'a str>,
    /// The key that a mail brings.
    key: Option<KeyHash>,
    /// Whether the customer is mailed nothing of it.
    is_untold: bool,
}

/// Writes down what a decision noted.
pub(crate) async fn note(tx: &mut Tx, event: &Event, permit: &Permit<'_>) -> Result<()> {
    let line = AuditLine { action: event.kind.name(), license: event.license, detail: &event.detail };
    let seat = event.seat.map(|name| OfSeat { name, before: event.before, after: event.after });
    let personal = Some(&*event.reason).filter(|reason| !reason.is_empty());
    write(tx, &line, More { kind: Some(event.kind), seat, personal, ..More::default() }, permit).await?;
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
        write(tx, self, More::default(), permit).await
    }

    /// The same with what it says of a person, in a column that can be emptied.
    pub(crate) async fn write_about(&self, tx: &mut Tx, personal: &str, permit: &Permit<'_>) -> Result<()> {
        write(tx, self, More { personal: Some(personal), ..More::default() }, permit).await
    }

    /// The same of what concerns no seat of the customer's, who is mailed nothing of it.
    pub(crate) async fn write_untold(&self, tx: &mut Tx, personal: &str, permit: &Permit<'_>) -> Result<()> {
        let more = More { personal: Some(personal), is_untold: true, ..More::default() };
        write(tx, self, more, permit).await
    }

    /// The same of a license key that is sent to the license's customer.
    pub(crate) async fn write_of_key(&self, tx: &mut Tx, key: KeyHash, permit: &Permit<'_>) -> Result<()> {
        write(tx, self, More { key: Some(key), ..More::default() }, permit).await
    }
}

async fn write(
    tx: &mut Tx,
    line: &AuditLine<'_>,
    More { kind, seat, personal, key, is_untold }: More<'_>,
    permit: &Permit<'_>,
) -> Result<()> {
    spend(tx, permit, kind).await?;
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
    let peer = permit.actor.address().map(|address| address.to_string());
    let (mut salt, mut digest) = (None, None);
    if peer.is_some() || personal.is_some() {
        let mut random = [0; SALT];
        SystemRandom.fill(&mut random)?;
        let fields = [peer.as_deref(), personal].map(|text| text.map_or(Field::Null, Field::Text));
        digest = Some(personal_digest(&random, &fields).to_vec());
        salt = Some(random.to_vec());
    }
    query(concat!(
        "INSERT INTO audit (",
        audit_columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
    ))
    .bind(&id)
    .bind(seconds(permit.time))
    .bind(permit.actor.to_string())
    .bind(permit.actor.role().map(Role::name))
    .bind(line.action)
    .bind(line.license.map(|id| id.to_string()))
    .bind(seat.as_ref().map(|seat| number(seat.name.handle)))
    .bind(seat.as_ref().map(|seat| device(seat.name)))
    .bind(state(|seat| seat.before))
    .bind(state(|seat| seat.after))
    .bind(line.detail)
    .bind(peer)
    .bind(personal)
    .bind(salt)
    .bind(digest)
    .execute(tx)
    .await?;
    let is_untold = is_untold || (seat.is_some() && permit.is_one_of_many());
    enter(tx, &id, line, (seat.as_ref(), key, is_untold), permit).await
}

/// The least id that a line of a time may have: ids begin with the time.
pub(super) fn first_line_at(time: Timestamp) -> String {
    format!("{:032x}", u128::from(time.unix_seconds()) * 1_000_000_000)
}

pub(super) fn audit_row(row: &Row) -> Result<AuditRow> {
    Ok(AuditRow {
        at: time(row, "at")?,
        actor: row.get("actor")?,
        role: row.get("role")?,
        action: row.get("action")?,
        license: license_id(row)?,
        handle: row.get::<Option<i64>>("handle")?.map(handle).transpose()?,
        device: row.get::<Option<Vec<u8>>>("device_key")?.map(public_key).transpose()?,
        from: row.get("from_state")?,
        to: row.get("to_state")?,
        detail: row.get("detail")?,
        peer: row.get("peer")?,
        personal: row.get("personal")?,
    })
}
