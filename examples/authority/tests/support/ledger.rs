//! The authority's database as it is, read past the authority: what its promise is judged by.

use std::path::Path;

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _};
use tokio::runtime::Runtime;

use super::server::Installation;

/// A connection to the database of an authority.
pub struct Ledger {
    runtime: Runtime,
    connection: AnyConnection,
}

/// A seat, as far as the promise goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub handle: u32,
    pub state: String,
    pub counted: bool,
}

/// A seat with what time does to it.
pub struct TimedRow {
    pub handle: u32,
    pub state: String,
    pub counted: bool,
    /// Whether its grant used up an activation.
    pub activation: bool,
    pub lapsed: bool,
    /// When its use ends.
    pub ends: u64,
}

impl Row {
    pub fn is_taken(&self) -> bool {
        matches!(self.state.as_str(), "active" | "held")
    }
}

impl Ledger {
    pub fn open(authority: &Installation) -> Self {
        Self::connect(&authority.database_url())
    }

    /// An SQLite file.
    pub fn at(file: &Path) -> Self {
        Self::connect(&format!("sqlite:{}", file.display()))
    }

    /// No authority's: while this is in its place, nobody has the ledger open.
    pub fn nowhere() -> Self {
        Self::connect("sqlite::memory:")
    }

    fn connect(url: &str) -> Self {
        sqlx::any::install_default_drivers();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(AnyConnection::connect(url)).unwrap();
        Self { runtime, connection }
    }

    /// The seats of a license, or all there are, in the order of their handles.
    pub fn seats(&mut self, license: Option<&str>) -> Vec<Row> {
        let query = match license {
            Some(id) => sqlx::query("SELECT handle, state, counted FROM seat WHERE license_id = $1").bind(id),
            None => sqlx::query("SELECT handle, state, counted FROM seat"),
        };
        let rows = self.runtime.block_on(query.fetch_all(&mut self.connection)).unwrap();
        let mut seats: Vec<Row> = rows
            .iter()
            .map(|row| Row {
                handle: u32::try_from(row.get::<i64, _>("handle")).unwrap(),
                state: row.get("state"),
                counted: row.get::<i64, _>("counted") != 0,
            })
            .collect();
        seats.sort();
        seats
    }

    /// The seats of a license with what time does to them.
    pub fn seats_over_time(&mut self, license: &str) -> Vec<TimedRow> {
        let sql = "SELECT handle, state, counted, lapsed, ends, \
                   CASE WHEN record LIKE '%\"activation\":true%' THEN 1 ELSE 0 END AS activation \
                   FROM seat WHERE license_id = $1";
        let rows = self.runtime.block_on(sqlx::query(sql).bind(license).fetch_all(&mut self.connection));
        let seat = |row: &sqlx::any::AnyRow| {
            let [handle, counted, lapsed, ends] =
                ["handle", "counted", "lapsed", "ends"].map(|column| row.get::<i64, _>(column));
            TimedRow {
                handle: u32::try_from(handle).unwrap(),
                state: row.get("state"),
                counted: counted != 0,
                activation: row.get::<i32, _>("activation") != 0,
                lapsed: lapsed != 0,
                ends: u64::try_from(ends).unwrap(),
            }
        };
        rows.unwrap().iter().map(seat).collect()
    }

    /// What a query returns, as text.
    pub fn texts(&mut self, sql: &str) -> Vec<Option<String>> {
        let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        let rows = self.runtime.block_on(query.fetch_all(&mut self.connection)).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// So many days pass in which nobody hears of the devices of any seat.
    pub fn silence(&mut self, days: u64) {
        for text in self.texts("SELECT CAST(handle AS TEXT) || ' ' || record FROM seat").into_iter().flatten()
        {
            let (handle, record) = text.split_once(' ').unwrap();
            let mut record: serde_json::Value = serde_json::from_str(record).unwrap();
            let contact = record["contact"].as_u64().unwrap() - days * 24 * 60 * 60;
            record["contact"] = contact.into();
            let record = record.to_string().replace('\'', "''");
            self.execute(&format!(
                "UPDATE seat SET contact = {contact}, record = '{record}' WHERE handle = {handle}"
            ));
        }
    }

    /// The counters that are not what a count finds.
    pub fn miscounted(&mut self) -> Vec<String> {
        let wrong = sqlx::query_scalar(
            "SELECT 'license ' || id FROM license WHERE \
             taken <> (SELECT COUNT(*) FROM seat WHERE license_id = license.id AND taken = 1 AND lapsed = 0) OR \
             deactivated <> (SELECT COUNT(*) FROM seat WHERE license_id = license.id AND counted = 1) OR \
             activated <> (SELECT COUNT(*) FROM seat WHERE license_id = license.id AND record LIKE '%\"activation\":true%') \
             UNION ALL \
             SELECT 'tally ' || what FROM tally GROUP BY what HAVING SUM(number) <> CASE what \
             WHEN 'evidence' THEN (SELECT COUNT(*) FROM evidence) \
             ELSE (SELECT COUNT(*) FROM seat WHERE state = what) END",
        );
        self.runtime.block_on(wrong.fetch_all(&mut self.connection)).unwrap()
    }

    /// How much evidence is kept.
    pub fn evidence(&mut self) -> i64 {
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM evidence");
        self.runtime.block_on(count.fetch_one(&mut self.connection)).unwrap()
    }

    /// Statements that the authority would not make.
    pub fn execute(&mut self, sql: &str) {
        self.try_execute(sql).unwrap();
    }

    /// The same where the database may refuse them.
    pub fn try_execute(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        self.runtime.block_on(sql.execute(&mut self.connection)).map(drop)
    }
}
