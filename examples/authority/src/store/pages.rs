//! Long lists, a page at a time. Each page begins after the last row of the page before, so a list takes the memory of
//! one page, and the time of an index that has the rows in order.

use super::{
    Tx,
    audit::{audit_columns, audit_row},
    ledger::license_in,
    row::{count, damaged, handle, license_id, number, public_key, record, seat_name, seconds, state, time},
    sql::{Query, Row, query, query_made},
};
use crate::{
    domain::{AuditRow, CustomerId, LicenseRow, SeatRow, rights::Reach},
    failure::{Failure, Result},
};
use nodelock::{LicenseId, PublicKey, Timestamp, authority::Attempts, code::Handle};

/// How many rows a page has.
pub(super) const PAGE: i64 = 500;

/// The rows of a page. One that is damaged fails alone, with [`Failure::Damaged`].
pub(crate) type Page<T> = Vec<Result<T>>;

/// The seats of a license, or all of them, oldest first.
pub(crate) struct SeatPages {
    license: Option<String>,
    now: i64,
    /// The last seat so far.
    after: (i64, i64, Vec<u8>),
    size: i64,
}

/// Seats after $2 to $4, with the attempts that still count at $1.
macro_rules! seats_after {
    ($of_license:literal) => {
        concat!(
            "SELECT seat.handle, seat.device_key, seat.license_id, seat.state, seat.lapsed, seat.counted, seat.granted, \
             seat.changed, seat.issued, seat.label, seat.contact, seat.ends, seat.reason, seat.revision, seat.copies, seat.virtual_machine, seat.container, \
             seat.machine, attempt.record AS attempts FROM seat LEFT JOIN attempt \
             ON attempt.handle = seat.handle AND attempt.device_key = seat.device_key AND attempt.ends > $1 \
             WHERE (seat.granted, seat.handle, seat.device_key) > ($2, $3, $4)",
            $of_license,
            " ORDER BY seat.granted, seat.handle, seat.device_key LIMIT $5"
        )
    };
}

impl SeatPages {
    pub(crate) fn new(license: Option<LicenseId>, now: Timestamp) -> Self {
        let license = license.map(|id| id.to_string());
        Self { license, now: seconds(now), after: (i64::MIN, 0, Vec::new()), size: PAGE }
    }

    /// Those after one, on pages of that size.
    pub(crate) fn after(mut self, after: Option<(Timestamp, Handle, PublicKey)>, size: u32) -> Self {
        if let Some((granted, handle, device)) = after {
            self.after = (seconds(granted), number(handle), device.as_bytes().to_vec());
        }
        self.size = size.into();
        self
    }

    /// The next page; empty after the last.
    pub(crate) async fn next(&mut self, tx: &mut Tx) -> Result<Page<SeatRow>> {
        let (granted, handle, device_key) = self.after.clone();
        let query = query(match self.license {
            Some(_) => seats_after!(" AND seat.license_id = $6"),
            None => seats_after!(""),
        });
        let query = query.bind(self.now).bind(granted).bind(handle).bind(device_key).bind(self.size);
        let query = match &self.license {
            Some(id) => query.bind(id),
            None => query,
        };
        let rows = query.fetch_all(tx).await?;
        if let Some(last) = rows.last() {
            self.after = (last.get("granted")?, last.get("handle")?, last.get("device_key")?);
        }
        Ok(rows.iter().map(|row| seat_row(row).map_err(|failure| in_seat(failure, row))).collect())
    }
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
        virtual_machine: count(row, "virtual_machine")? != 0,
        container: count(row, "container")? != 0,
        device: record(row, "machine")?,
        codes_tried: attempts.unwrap_or_default().count(),
    })
}

/// The columns of a license in a list.
macro_rules! licenses {
    () => {
        "SELECT id, terms, key_hint, created, taken, deactivated, activated, allowances, version, voided, customer_id FROM "
    };
}

/// Licenses within a reach, oldest first: all of them, or those of a customer.
pub(crate) struct LicensePages {
    reach: Reach,
    customer: Option<CustomerId>,
    /// The last license so far.
    after: (i64, String),
    size: i64,
}

impl LicensePages {
    pub(crate) fn new(reach: &Reach, customer: Option<CustomerId>) -> Self {
        Self { reach: reach.clone(), customer, after: (i64::MIN, String::new()), size: PAGE }
    }

    /// Those after one, on pages of that size.
    pub(crate) fn after(mut self, after: Option<(Timestamp, LicenseId)>, size: u32) -> Self {
        if let Some((created, id)) = after {
            self.after = (seconds(created), id.to_string());
        }
        self.size = size.into();
        self
    }

    /// The next page; empty after the last.
    pub(crate) async fn next(&mut self, tx: &mut Tx) -> Result<Page<LicenseRow>> {
        let rows = self.rows("").fetch_all(tx).await?;
        if let Some(last) = rows.last() {
            self.after = (last.get("created")?, last.get("id")?);
        }
        Ok(rows.iter().map(license_row).collect())
    }

    /// How SQLite goes about it: a line for each step.
    #[cfg(test)]
    pub(super) async fn plan(&self, tx: &mut Tx) -> Result<Vec<String>> {
        let steps = self.rows("EXPLAIN QUERY PLAN ").fetch_all(tx).await?;
        steps.iter().map(|step| Ok(step.get("detail")?)).collect()
    }

    /// The reach is a part of the statement: to look through the licenses of others would take as long as there are of
    /// them.
    fn rows(&self, before: &str) -> Query {
        let (created, id) = self.after.clone();
        let (tables, within, of) = match &self.reach {
            Reach::Everything => ("license", "", None),
            Reach::Product(name) => {
                let within = " AND product_id = (SELECT id FROM product WHERE name = $4)";
                ("license", within, Some(name.clone()))
            }
            // SQLite takes the first table of a cross join first.
            Reach::SoldBy(account) => (
                "reseller_license CROSS JOIN license",
                " AND license_id = id AND account = $4",
                Some(account.clone()),
            ),
            Reach::License(license) => ("license", " AND id = $4", Some(license.to_string())),
        };
        let of_customer = match (self.customer, &of) {
            (None, _) => "",
            (Some(_), None) => " AND customer_id = $4",
            (Some(_), Some(_)) => " AND customer_id = $5",
        };
        let licenses = licenses!();
        let rows = query_made(format!(
            "{before}{licenses}{tables} WHERE (created, id) > ($1, $2){within}{of_customer} \
             ORDER BY created, id LIMIT $3"
        ));
        let rows = rows.bind(created).bind(id).bind(self.size);
        let values = of.into_iter().chain(self.customer.map(|customer| customer.to_string()));
        values.fold(rows, Query::bind)
    }
}

/// One license; none if there is no such license.
pub(crate) async fn license_row_of(tx: &mut Tx, id: LicenseId) -> Result<Option<LicenseRow>> {
    let row = query(concat!(licenses!(), "license WHERE id = $1"));
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

    /// The line before the first, which is the end of the ids if there is none.
    async fn line_before(&self, tx: &mut Tx) -> Result<String> {
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
