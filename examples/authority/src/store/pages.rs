//! Long lists, a page at a time. Each page begins after the last row of the page before, so a list takes the memory of
//! one page, and the time of an index that has the rows in order.

use super::{
    Tx,
    audit::{audit_columns, audit_row},
    filtered::Pages,
    ledger::license_in,
    row::{count, damaged, handle, license_id, public_key, record, seat_name, state, time},
    sql::{Row, query},
};
use crate::{
    domain::{AuditRow, LicenseRow, SeatRow, filter::Filter},
    failure::{Failure, Result},
};
use nodelock::{LicenseId, Timestamp, authority::Attempts};

/// How many rows a page has.
pub(super) const PAGE: i64 = 500;

/// The rows of a page. One that is damaged fails alone, with [`Failure::Damaged`].
pub(crate) type Page<T> = Vec<Result<T>>;

/// The columns of a seat in a list, with the attempts that still count.
pub(super) const SEAT: &str = "seat.handle, seat.device_key, seat.license_id, seat.state, seat.lapsed, seat.counted, \
    seat.granted, seat.changed, seat.issued, seat.label, seat.contact, seat.ends, seat.reason, seat.revision, \
    seat.copies, seat.came_back, seat.came_back_at, seat.virtual_machine, seat.container, seat.machine, attempt.record AS attempts";

/// The seats that pass a filter, as they are at a time.
pub(crate) fn seat_pages(filter: Filter, now: Timestamp) -> Pages<SeatRow> {
    Pages::new(filter, now, |row| seat_row(row).map_err(|failure| in_seat(failure, row)))
}

fn in_seat(failure: Failure, row: &Row) -> Failure {
    failure.in_record(seat_name(row))
}

fn seat_row(row: &Row) -> Result<SeatRow> {
    let attempts: Option<String> = row.get("attempts")?;
    let attempts: Option<Attempts> = attempts.map(|text| serde_json::from_str(&text)).transpose()?;
    Ok(SeatRow {
        handle: handle(row.get("handle")?)?,
        device_key: public_key(row.get("device_key")?)?,
        license: license_id(row)?,
        state: state(row)?,
        counted: count(row, "counted")? != 0,
        granted: time(row, "granted")?,
        changed: time(row, "changed")?,
        issued: time(row, "issued")?,
        label: row.get("label")?,
        contact: time(row, "contact")?,
        ends: Some(time(row, "ends")?).filter(|&end| end != Timestamp::MAX),
        lapsed: count(row, "lapsed")? != 0,
        reason: row.get("reason")?,
        revision: count(row, "revision")?,
        copies: count(row, "copies")?,
        came_back: count(row, "came_back")?,
        came_back_at: row
            .get::<Option<i64>>("came_back_at")?
            .map(|_| time(row, "came_back_at"))
            .transpose()?,
        virtual_machine: count(row, "virtual_machine")? != 0,
        container: count(row, "container")? != 0,
        device: record(row, "machine")?,
        codes_tried: attempts.unwrap_or_default().count(),
    })
}

/// The columns of a license in a list.
macro_rules! license {
    () => {
        "license.id, license.terms, license.key_hint, license.created, license.taken, license.deactivated, \
         license.activated, license.allowances, license.version, license.voided, license.customer_id"
    };
}
pub(super) const LICENSE: &str = license!();

/// The licenses that pass a filter.
pub(crate) fn license_pages(filter: Filter) -> Pages<LicenseRow> {
    Pages::new(filter, Timestamp::MIN, license_row)
}

/// One license; none if there is no such license.
pub(crate) async fn license_row_of(tx: &mut Tx, id: LicenseId) -> Result<Option<LicenseRow>> {
    let row = query(concat!("SELECT ", license!(), " FROM license WHERE id = $1"));
    row.bind(id.to_string()).fetch_optional(tx).await?.as_ref().map(license_row).transpose()
}

/// Whatever is wrong with it is said of that license alone.
fn license_row(row: &Row) -> Result<LicenseRow> {
    let read = || -> Result<LicenseRow> {
        Ok(LicenseRow {
            license: license_in(row)?,
            key_hint: row.get("key_hint")?,
            created: time(row, "created")?,
            version: count(row, "version")?,
            voided: row.get::<Option<i64>>("voided")?.map(|_| time(row, "voided")).transpose()?,
            customer: row.get::<Option<&str>>("customer_id")?.map(str::parse).transpose()?,
        })
    };
    read().map_err(|failure| match failure {
        failure @ Failure::Damaged { .. } => failure,
        failure => {
            let id: Result<&str, _> = row.get("id");
            failure.in_record(id.map_or_else(|_| "a license".to_owned(), |id| format!("license {id}")))
        }
    })
}

/// The latest lines of the audit, oldest first.
pub(crate) struct AuditPages {
    /// How many lines are to come.
    left: i64,
    /// The last line so far.
    after: Option<String>,
}

impl AuditPages {
    pub(crate) fn new(lines: u32) -> Self {
        Self { left: lines.into(), after: None }
    }

    /// At most so many lines after one; all begin after an empty id.
    pub(crate) fn after(id: &str, lines: u32) -> Self {
        Self { left: lines.into(), after: Some(id.to_owned()) }
    }

    /// The next page; empty after the last.
    pub(crate) async fn next(&mut self, tx: &mut Tx) -> Result<Page<AuditRow>> {
        let after = match self.after.take() {
            Some(after) => after,
            None => self.line_before(tx).await?,
        };
        let rows =
            query(concat!("SELECT ", audit_columns!(), " FROM audit WHERE id > $1 ORDER BY id LIMIT $2"));
        let rows = rows.bind(&after).bind(self.left.min(PAGE)).fetch_all(tx).await?;
        self.left -= i64::try_from(rows.len()).unwrap_or(0);
        self.after = Some(match rows.last() {
            Some(last) => last.get("id")?,
            None => after,
        });
        Ok(rows.iter().map(|row| audit_row(row).map_err(|failure| in_line(failure, row))).collect())
    }

    /// The id of the last line so far.
    pub(crate) fn place(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The line before the first, which is the end of the ids if there is none.
    pub(crate) async fn line_before(&self, tx: &mut Tx) -> Result<String> {
        let id = query("SELECT id FROM audit ORDER BY id DESC LIMIT 1 OFFSET $1").bind(self.left);
        Ok(id.fetch_optional(tx).await?.map(|row| row.get("id")).transpose()?.unwrap_or_default())
    }
}

fn in_line(failure: Failure, row: &Row) -> Failure {
    match row.get::<String>("id") {
        Ok(id) => failure.in_record(format!("line {id} of the audit")),
        Err(_) => damaged("a line of the audit without an id"),
    }
}
