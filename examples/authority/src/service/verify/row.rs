//! One row under a magnifying glass.

use std::str::FromStr;

use nodelock::{LicenseId, PublicKey, Timestamp, authority::SeatName, code::Handle};
use serde::de::DeserializeOwned;

use super::{Findings, TOLERANCE};
use crate::{
    domain::Finding,
    store::raw::{RawRow, Table},
};

/// A row, and what it is about as far as that can be read.
pub(super) struct Row<'a> {
    raw: &'a RawRow,
    table: Table,
    pub(super) license: Option<LicenseId>,
    pub(super) seat: Option<SeatName>,
    pub(super) name: Option<String>,
    findings: &'a mut Findings,
}

impl<'a> Row<'a> {
    pub(super) fn new(raw: &'a RawRow, table: Table, findings: &'a mut Findings) -> Self {
        findings.records += 1;
        Self { raw, table, license: None, seat: None, name: None, findings }
    }

    /// Notes that something is wrong with a column.
    pub(super) fn wrong(&mut self, column: &str, detail: impl Into<String>) {
        self.findings.add(Finding {
            table: self.table.name.to_owned(),
            column: Some(column.to_owned()),
            license: self.license,
            seat: self.seat,
            row: self.name.clone(),
            detail: detail.into(),
        });
    }

    /// Notes that something is wrong with a column unless it holds.
    pub(super) fn expect(&mut self, column: &str, holds: bool, detail: &str) {
        if !holds {
            self.wrong(column, detail);
        }
    }

    fn present<T>(&mut self, column: &str, value: Result<Option<T>, String>) -> Option<T> {
        match value {
            Ok(Some(value)) => return Some(value),
            Ok(None) => self.wrong(column, "it is missing"),
            Err(detail) => self.wrong(column, detail),
        }
        None
    }

    pub(super) fn text(&mut self, column: &str) -> Option<String> {
        let value = self.raw.get::<String>(column);
        self.present(column, value)
    }

    pub(super) fn bytes(&mut self, column: &str) -> Option<Vec<u8>> {
        let value = self.raw.get::<Vec<u8>>(column);
        self.present(column, value)
    }

    pub(super) fn number(&mut self, column: &str) -> Option<i64> {
        let value = self.raw.get::<i64>(column);
        self.present(column, value)
    }

    /// A text that may be NULL. The outer option is none for something else.
    pub(super) fn text_or_null(&mut self, column: &str) -> Option<Option<String>> {
        self.raw.get::<String>(column).map_err(|detail| self.wrong(column, detail)).ok()
    }

    /// The same of a number.
    pub(super) fn number_or_null(&mut self, column: &str) -> Option<Option<i64>> {
        self.raw.get::<i64>(column).map_err(|detail| self.wrong(column, detail)).ok()
    }

    /// The same of bytes.
    pub(super) fn bytes_or_null(&mut self, column: &str) -> Option<Option<Vec<u8>>> {
        self.raw.get::<Vec<u8>>(column).map_err(|detail| self.wrong(column, detail)).ok()
    }

    /// Whether a column is NULL.
    pub(super) fn is_null(&self, column: &str) -> bool {
        // Whatever has another type is there.
        matches!(self.raw.get::<String>(column), Ok(None))
    }

    pub(super) fn parsed<T: FromStr>(&mut self, column: &str) -> Option<T> {
        let parsed = self.text(column)?.parse().ok();
        if parsed.is_none() {
            self.wrong(column, "it cannot be read");
        }
        parsed
    }

    pub(super) fn record<T: DeserializeOwned>(&mut self, column: &str) -> Option<T> {
        let parsed = serde_json::from_str(&self.text(column)?).ok();
        if parsed.is_none() {
            self.wrong(column, "it is no such record");
        }
        parsed
    }

    pub(super) fn handle(&mut self, column: &str) -> Option<Handle> {
        let handle = u32::try_from(self.number(column)?).ok().and_then(|number| Handle::new(number).ok());
        if handle.is_none() {
            self.wrong(column, "it is no handle");
        }
        handle
    }

    pub(super) fn device_key(&mut self, column: &str) -> Option<PublicKey> {
        let bytes = self.bytes(column)?;
        let key = bytes.try_into().ok().and_then(|bytes| PublicKey::from_bytes(bytes).ok());
        if key.is_none() {
            self.wrong(column, "it is no key");
        }
        key
    }

    /// The seat that the row is of, by its columns.
    pub(super) fn seat_name(&mut self) -> Option<SeatName> {
        let (handle, device_key) = (self.handle("handle"), self.device_key("device_key"));
        self.seat = Some(SeatName { handle: handle?, device_key: device_key? });
        self.seat
    }

    /// A time that does not lie ahead of now, as far as clocks may differ.
    pub(super) fn time(&mut self, column: &str) -> Option<Timestamp> {
        let seconds = u64::try_from(self.number(column)?)
            .ok()
            .filter(|seconds| *seconds <= Timestamp::MAX.unix_seconds());
        let time = seconds.map(Timestamp::from_unix_seconds).filter(|time| self.findings.is_past(*time));
        if time.is_none() {
            self.wrong(column, "it is no time that has been");
        }
        time
    }

    /// The same, where it may be NULL.
    pub(super) fn time_or_null(&mut self, column: &str) {
        if !matches!(self.raw.get::<i64>(column), Ok(None)) {
            self.time(column);
        }
    }

    /// Whether a time is not before that of another row, as far as the clocks of two servers may differ.
    pub(super) fn is_not_before(&self, later: Option<Timestamp>, earlier: Option<Timestamp>) -> bool {
        later.zip(earlier).is_none_or(|(later, earlier)| earlier.since(later) <= TOLERANCE)
    }

    pub(super) fn is_past(&self, time: Timestamp) -> bool {
        self.findings.is_past(time)
    }
}
