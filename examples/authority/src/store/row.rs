//! Values as columns hold them.

use super::sql::Row;
use crate::failure::{Failure, Result};
use nodelock::{
    ErrorKind, LicenseId, PublicKey, Timestamp,
    authority::{LicenseTerms, Seat, SeatName, SeatState},
    code::Handle,
};
use serde::{Serialize, de::DeserializeOwned};

pub(super) fn seconds(time: Timestamp) -> i64 {
    i64::try_from(time.unix_seconds()).expect("times end with the year 9999")
}

pub(super) fn time(row: &Row, column: &str) -> Result<Timestamp> {
    let seconds = u64::try_from(row.get::<i64>(column)?).map_err(|_| damaged("a time"))?;
    Ok(Timestamp::from_unix_seconds(seconds))
}

pub(super) fn number(handle: Handle) -> i64 {
    handle.get().into()
}

pub(super) fn handle(number: i64) -> Result<Handle> {
    Ok(Handle::new(u32::try_from(number).map_err(|_| damaged("a handle"))?)?)
}

pub(super) fn device(name: SeatName) -> Vec<u8> {
    name.device_key.as_bytes().to_vec()
}

pub(super) fn public_key(bytes: Vec<u8>) -> Result<PublicKey> {
    Ok(PublicKey::from_bytes(bytes.try_into().map_err(|_| damaged("a device key"))?)?)
}

pub(super) fn count(row: &Row, column: &str) -> Result<u32> {
    u32::try_from(row.get::<i64>(column)?).map_err(|_| damaged("a number"))
}

pub(super) fn license_id(row: &Row) -> Result<Option<LicenseId>> {
    Ok(row.get::<Option<&str>>("license_id")?.map(|id| id.parse()).transpose()?)
}

/// A record in its JSON form.
pub(super) fn record<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T> {
    Ok(serde_json::from_str(row.get(column)?)?)
}

/// The terms of a license, from the columns `id` and `terms`. Fails with [`Failure::Damaged`].
pub(super) fn terms(row: &Row) -> Result<LicenseTerms> {
    let id: &str = row.get("id")?;
    let terms: LicenseTerms =
        record(row, "terms").map_err(|failure| failure.in_record(format!("license {id}")))?;
    match terms.id.to_string() == id {
        true => Ok(terms),
        false => Err(Failure::Damaged {
            record: format!("license {id}"),
            reason: "another license's terms".into(),
        }),
    }
}

/// A seat, from the columns `handle`, `license_id` and `record`. Fails with [`Failure::Damaged`].
pub(super) fn seat(row: &Row) -> Result<Seat> {
    record(row, "record").map_err(|failure| failure.in_record(seat_name(row)))
}

/// Names a seat by its columns, whatever its record says.
pub(super) fn seat_name(row: &Row) -> String {
    let handle = row.get::<i64>("handle").ok().and_then(|number| handle(number).ok());
    let handle = handle.map_or_else(|| "?".to_owned(), |handle| handle.to_string());
    match row.get::<Option<&str>>("license_id") {
        Ok(Some(license)) => format!("license {license}, seat {handle}"),
        _ => format!("no license, seat {handle}"),
    }
}

pub(super) fn state(row: &Row) -> Result<SeatState> {
    let name: &str = row.get("state")?;
    SeatState::ALL.into_iter().find(|state| state.name() == name).ok_or_else(|| damaged("a seat's state"))
}

pub(super) fn json(record: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string(record)?)
}

pub(super) fn damaged(about: &'static str) -> Failure {
    Failure::rule(ErrorKind::Corrupt, format!("{about} is damaged"))
}
