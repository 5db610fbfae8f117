//! Values as columns hold them.

use nodelock::{ErrorKind, LicenseId, PublicKey, Timestamp, authority::SeatName, code::Handle};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row as _, any::AnyRow};

use crate::failure::{Failure, Result};

pub(super) fn seconds(time: Timestamp) -> i64 {
    i64::try_from(time.unix_seconds()).expect("times end with the year 9999")
}

pub(super) fn time(row: &AnyRow, column: &str) -> Result<Timestamp> {
    let seconds = u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| damaged("a time"))?;
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

pub(super) fn count(row: &AnyRow, column: &str) -> Result<u32> {
    u32::try_from(row.try_get::<i64, _>(column)?).map_err(|_| damaged("a number"))
}

pub(super) fn license_id(row: &AnyRow) -> Result<Option<LicenseId>> {
    Ok(row.try_get::<Option<String>, _>("license_id")?.map(|id| id.parse()).transpose()?)
}

/// A record in its JSON form.
pub(super) fn record<T: DeserializeOwned>(row: &AnyRow, column: &str) -> Result<T> {
    Ok(serde_json::from_str(&row.try_get::<String, _>(column)?)?)
}

pub(super) fn json(record: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string(record)?)
}

pub(super) fn damaged(about: &'static str) -> Failure {
    Failure::rule(ErrorKind::Corrupt, about)
}
