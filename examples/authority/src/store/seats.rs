//! Seats: the ledger's records as rows, and back.

use nodelock::{
    ActivationRequest, License, LicenseId, Metadata, PublicKey, Reason, Revocation, Roots,
    authority::ledger::{Seat, SeatState},
    code::Handle,
};
use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{Database, Tx, bytes, damaged, handle, licenses::real, number, public_key, seconds, timestamp};
use crate::failure::Result;

/// A seat, and what the ledger's rules do not ask for.
pub(crate) struct SeatRow {
    pub(crate) seat: Seat,
    pub(crate) machine: Machine,
    license: Option<Vec<u8>>,
    revocation: Option<Vec<u8>>,
}

impl SeatRow {
    /// The license as it was issued last.
    pub(super) fn license(&self, roots: &Roots) -> Result<Option<License>> {
        Ok(self.license.as_ref().map(|bytes| License::verify(bytes, roots)).transpose()?)
    }

    /// The revocation that waits for the device.
    pub(super) fn revocation(&self, roots: &Roots) -> Result<Option<Revocation>> {
        Ok(self.revocation.as_ref().map(|bytes| Revocation::verify(bytes, roots)).transpose()?)
    }
}

/// What a device said of itself when it asked for its seat.
#[derive(Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) metadata: Metadata,
    pub(crate) application: String,
    pub(crate) library: String,
}

impl From<&ActivationRequest> for Machine {
    fn from(request: &ActivationRequest) -> Self {
        Self {
            metadata: request.metadata.clone(),
            application: request.application.clone(),
            library: request.library.clone(),
        }
    }
}

const STATES: [(SeatState, &str); 5] = [
    (SeatState::Active, "active"),
    (SeatState::Held, "held"),
    (SeatState::Returned, "returned"),
    (SeatState::Cancelled, "cancelled"),
    (SeatState::Revoked, "revoked"),
];

/// The name of a state, in the database and for people.
pub(crate) fn state_name(state: SeatState) -> &'static str {
    STATES.iter().find(|(of, _)| *of == state).expect("every state has a name").1
}

/// Every column, from the seats that the rest of a statement chooses.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT handle, device_key, license_id, release_commitment, request_digest, fingerprint, state, requested, granted, \
             changed, reason, counted, revision, sync_token, previous_token, copies, wrong_codes, codes_since, machine, license, revocation \
             FROM seat ",
            $rest
        )
    };
}

impl Database {
    /// The seats of a license, or all of them, oldest first.
    pub(crate) async fn list(&self, license: Option<LicenseId>) -> Result<Vec<SeatRow>> {
        let query = match license {
            Some(id) => sqlx::query(select!("WHERE license_id = $1 ORDER BY granted, handle, device_key"))
                .bind(id.to_string()),
            None => sqlx::query(select!("ORDER BY granted, handle, device_key")),
        };
        query.fetch_all(&self.pool).await?.iter().map(seat_row).collect()
    }

    /// How many seats are in each state.
    pub(crate) async fn count_by_state(&self) -> Result<Vec<(&'static str, i64)>> {
        let rows = sqlx::query("SELECT state, COUNT(*) AS seats FROM seat GROUP BY state")
            .fetch_all(&self.pool)
            .await?;
        let mut counts = STATES.map(|(_, name)| (name, 0)).to_vec();
        for row in rows {
            let state: String = row.try_get("state")?;
            if let Some(count) = counts.iter_mut().find(|(name, _)| *name == state) {
                count.1 = row.try_get("seats")?;
            }
        }
        Ok(counts)
    }
}

/// The seat of one device.
pub(super) async fn find(tx: &mut Tx, handle: Handle, device: &PublicKey) -> Result<Option<SeatRow>> {
    let query = sqlx::query(select!("WHERE handle = $1 AND device_key = $2"))
        .bind(number(handle))
        .bind(device.as_bytes().to_vec());
    query.fetch_optional(&mut **tx).await?.as_ref().map(seat_row).transpose()
}

/// The seats of that handle: mostly one, and never many.
pub(super) async fn of_handle(connection: &mut AnyConnection, handle: Handle) -> Result<Vec<SeatRow>> {
    let query = sqlx::query(select!("WHERE handle = $1 ORDER BY granted, device_key")).bind(number(handle));
    query.fetch_all(connection).await?.iter().map(seat_row).collect()
}

/// The active seats of a device, of whatever license, the one that was granted last first.
pub(super) async fn active_of(tx: &mut Tx, device: &PublicKey) -> Result<Vec<Seat>> {
    let query = sqlx::query(select!(
        "WHERE device_key = $1 AND state = 'active' ORDER BY granted DESC, changed DESC, revision, handle"
    ))
    .bind(device.as_bytes().to_vec());
    query.fetch_all(&mut **tx).await?.iter().map(|row| Ok(seat_row(row)?.seat)).collect()
}

/// At most so many seats of a license: those that are taken first, and what changed last before the rest.
pub(super) async fn latest_of(tx: &mut Tx, license: LicenseId, most: usize) -> Result<Vec<SeatRow>> {
    let query = sqlx::query(select!(
        "WHERE license_id = $1 ORDER BY CASE WHEN state IN ('active', 'held') THEN 0 ELSE 1 END, \
         changed DESC, handle, device_key LIMIT $2"
    ))
    .bind(license.to_string())
    .bind(i64::try_from(most).unwrap_or(i64::MAX));
    query.fetch_all(&mut **tx).await?.iter().map(seat_row).collect()
}

/// The seat of a license that is held for a device.
pub(super) async fn held(tx: &mut Tx, license: LicenseId, device: &PublicKey) -> Result<Option<Seat>> {
    let query = sqlx::query(select!(
        "WHERE license_id = $1 AND device_key = $2 AND state = 'held' ORDER BY changed LIMIT 1"
    ))
    .bind(license.to_string())
    .bind(device.as_bytes().to_vec());
    Ok(query.fetch_optional(&mut **tx).await?.as_ref().map(seat_row).transpose()?.map(|row| row.seat))
}

/// Stores a seat that is new.
pub(super) async fn insert(tx: &mut Tx, seat: &Seat, request: &ActivationRequest) -> Result<()> {
    sqlx::query(
        "INSERT INTO seat (handle, device_key, license_id, release_commitment, request_digest, fingerprint, state, \
         requested, granted, changed, reason, counted, revision, sync_token, previous_token, copies, wrong_codes, \
         codes_since, machine) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
    )
    .bind(number(seat.handle))
    .bind(seat.device_key.as_bytes().to_vec())
    .bind(real(seat.license_id).map(|id| id.to_string()))
    .bind(seat.release_commitment.to_vec())
    .bind(seat.request_digest.to_vec())
    .bind(serde_json::to_string(&seat.fingerprint)?)
    .bind(state_name(seat.state))
    .bind(seconds(seat.requested))
    .bind(seconds(seat.granted))
    .bind(seconds(seat.changed))
    .bind(i64::from(seat.reason.number()))
    .bind(i64::from(seat.counted))
    .bind(i64::from(seat.revision))
    .bind(seat.sync_token.to_vec())
    .bind(seat.previous_token.to_vec())
    .bind(i64::from(seat.copies))
    .bind(i64::from(seat.wrong_codes))
    .bind(seconds(seat.codes_since))
    .bind(serde_json::to_string(&Machine::from(request))?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stores what a rule changed about a seat. The rest of it never changes.
pub(super) async fn update(tx: &mut Tx, seat: &Seat) -> Result<()> {
    sqlx::query(
        "UPDATE seat SET fingerprint = $1, state = $2, changed = $3, reason = $4, counted = $5, revision = $6, \
         sync_token = $7, previous_token = $8, copies = $9, wrong_codes = $10, codes_since = $11 \
         WHERE handle = $12 AND device_key = $13",
    )
    .bind(serde_json::to_string(&seat.fingerprint)?)
    .bind(state_name(seat.state))
    .bind(seconds(seat.changed))
    .bind(i64::from(seat.reason.number()))
    .bind(i64::from(seat.counted))
    .bind(i64::from(seat.revision))
    .bind(seat.sync_token.to_vec())
    .bind(seat.previous_token.to_vec())
    .bind(i64::from(seat.copies))
    .bind(i64::from(seat.wrong_codes))
    .bind(seconds(seat.codes_since))
    .bind(number(seat.handle))
    .bind(seat.device_key.as_bytes().to_vec())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps the license that was issued for a seat.
pub(super) async fn set_license(tx: &mut Tx, seat: &Seat, license: &License) -> Result<()> {
    let statement = "UPDATE seat SET license = $1 WHERE handle = $2 AND device_key = $3";
    set_message(tx, statement, seat, license.as_bytes()).await
}

/// Keeps the revocation of a seat for when its device speaks up.
pub(super) async fn set_revocation(tx: &mut Tx, seat: &Seat, revocation: &Revocation) -> Result<()> {
    let statement = "UPDATE seat SET revocation = $1 WHERE handle = $2 AND device_key = $3";
    set_message(tx, statement, seat, revocation.as_bytes()).await
}

async fn set_message(tx: &mut Tx, statement: &'static str, seat: &Seat, message: &[u8]) -> Result<()> {
    sqlx::query(statement)
        .bind(message.to_vec())
        .bind(number(seat.handle))
        .bind(seat.device_key.as_bytes().to_vec())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn seat_row(row: &AnyRow) -> Result<SeatRow> {
    let time = |column| -> Result<_> { Ok(timestamp(row.try_get(column)?)) };
    let count = |column| -> Result<u32> {
        u32::try_from(row.try_get::<i64, _>(column)?).map_err(|_| damaged("a number of a seat"))
    };
    let state: String = row.try_get("state")?;
    let license_id: Option<String> = row.try_get("license_id")?;
    let seat = Seat {
        handle: handle(row.try_get("handle")?)?,
        device_key: public_key(row.try_get("device_key")?)?,
        license_id: license_id.map_or(Ok(LicenseId::NONE), |id| id.parse())?,
        release_commitment: bytes(row.try_get("release_commitment")?)?,
        request_digest: bytes(row.try_get("request_digest")?)?,
        fingerprint: serde_json::from_str(&row.try_get::<String, _>("fingerprint")?)?,
        state: STATES
            .iter()
            .find(|(_, name)| *name == state)
            .ok_or_else(|| damaged("the state of a seat"))?
            .0,
        requested: time("requested")?,
        granted: time("granted")?,
        changed: time("changed")?,
        reason: Reason::from_number(u8::try_from(count("reason")?).unwrap_or_default()),
        counted: count("counted")? != 0,
        revision: count("revision")?,
        sync_token: bytes(row.try_get("sync_token")?)?,
        previous_token: bytes(row.try_get("previous_token")?)?,
        copies: count("copies")?,
        wrong_codes: count("wrong_codes")?,
        codes_since: time("codes_since")?,
    };
    Ok(SeatRow {
        seat,
        machine: serde_json::from_str(&row.try_get::<String, _>("machine")?)?,
        license: row.try_get("license")?,
        revocation: row.try_get("revocation")?,
    })
}
