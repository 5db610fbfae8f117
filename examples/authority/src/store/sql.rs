//! Statements and rows, the same for both engines.
//!
//! SQLite is called in the thread that asks: a statement takes microseconds, and another thread takes longer to wake.
//! So on SQLite these functions never wait. PostgreSQL answers over a connection.

use std::{borrow::Cow, sync::Arc};

use futures_util::TryStreamExt as _;
use rusqlite::types::{ToSqlOutput, ValueRef};
use sqlx::{
    AssertSqlSafe, Column as _, PgConnection, Postgres, Row as _, TypeInfo as _, ValueRef as _,
    postgres::{PgArguments, PgRow},
};

use super::Tx;
use crate::{
    domain::Field,
    failure::{Failure, Result},
};

/// Why the database did not do something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
    #[error("it was not this one's turn in 20 seconds")]
    TimedOut,
    #[error("the pool of connections is closed")]
    Closed,
    /// Something went wrong that undid the transaction, or it was never known how it ended.
    #[error("the transaction was undone")]
    Undone,
    /// What several wrote was not committed; why, and whether that passes.
    #[error("{reason}")]
    NotCommitted { reason: String, is_busy: bool },
    /// The file is not the one that was opened any more.
    #[error("{0} was replaced or removed while this program had it open; start the program again")]
    Replaced(String),
    /// SQLite keeps no write-ahead log there, but another kind of journal.
    #[error(
        "SQLite cannot keep a write-ahead log for {file} (its journal is {journal:?}); put the database on a disk of this \
         machine"
    )]
    NoLog { file: String, journal: String },
    #[error("no row")]
    NoRow,
    /// The name of the column.
    #[error("column {0} holds a value of another type")]
    Column(String),
}

impl Error {
    /// Whether the database was asked too much at a time; it may well answer in a moment.
    pub(crate) fn is_busy(&self) -> bool {
        match self {
            Self::TimedOut | Self::Undone => true,
            Self::NotCommitted { is_busy, .. } => *is_busy,
            Self::Sqlite(error) => is_locked(error) || lacks_files(error),
            Self::Postgres(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| BUSY_STATES.contains(&&*code))
            }
            // None was free in time, or the connection to the server was lost.
            Self::Postgres(sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed) => {
                true
            }
            _ => false,
        }
    }
}

/// States of PostgreSQL that pass by themselves: no lock, a deadlock, too many connections, no memory, or it is being
/// shut down, has crashed or is starting, or ended a connection that was idle.
const BUSY_STATES: &[&str] = &["55P03", "40P01", "53300", "53200", "57P01", "57P02", "57P03", "57P05"];

/// Whether SQLite could open no file because the process or the system has too many open. SQLite says only that it
/// could not, as it does of a file that is gone, so another file is tried.
fn lacks_files(error: &rusqlite::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::CannotOpen))
        && std::fs::File::open(".").is_err_and(|error| matches!(error.raw_os_error(), Some(ENFILE | EMFILE)))
}

/// Whether another process has SQLite's lock.
pub(super) fn is_locked(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Error::from(error).into()
    }
}

/// What runs statements: a connection, in a transaction.
pub(super) enum Target<'a> {
    /// Not shared, so that what holds it may go to another thread.
    Sqlite(&'a mut rusqlite::Connection),
    Postgres(&'a mut PgConnection),
}

/// Statements that one transaction runs twice with the same values.
#[cfg(test)]
pub(crate) mod twice {
    use std::cell::RefCell;

    use super::{Query, Tx};

    thread_local! {
        static TWICE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn note(tx: &mut Tx, query: &Query) {
        let ran = format!("{} {:?}", query.sql, query.values);
        if !tx.ran.insert(ran.clone()) {
            TWICE.with_borrow_mut(|twice| twice.push(ran));
        }
    }

    /// What was run twice in this thread since this was asked last.
    pub(crate) fn take() -> Vec<String> {
        TWICE.take()
    }
}

/// A value for a statement. PostgreSQL wants to know the type of one that is missing.
#[cfg_attr(test, derive(Debug))]
pub(super) enum Value {
    Number(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

macro_rules! value_from {
    ($($type:ty => $variant:ident),*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(Some(value.into()))
            }
        }

        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map(Into::into))
            }
        }
    )*};
}
value_from!(i64 => Number, String => Text, &str => Text, &String => Text, Vec<u8> => Bytes, &[u8] => Bytes);

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Number(Some(number)) => ValueRef::Integer(*number),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(Some(bytes)) => ValueRef::Blob(bytes),
            Self::Number(None) | Self::Text(None) | Self::Bytes(None) => ValueRef::Null,
        }))
    }
}

/// A statement with its values, which it names `$1`, `$2` and so on.
pub(super) struct Query {
    sql: Cow<'static, str>,
    values: Vec<Value>,
}

pub(super) fn query(sql: &'static str) -> Query {
    Query { sql: Cow::Borrowed(sql), values: Vec::new() }
}

/// A statement that is put together. Nothing may be in it that came from outside.
pub(super) fn query_made(sql: String) -> Query {
    Query { sql: Cow::Owned(sql), values: Vec::new() }
}

impl Query {
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Returns how many rows it changed.
    pub(super) async fn execute(self, tx: &mut Tx) -> Result<u64, Error> {
        #[cfg(test)]
        twice::note(tx, &self);
        match tx.target()? {
            Target::Sqlite(connection) => Ok(run(connection, &self.sql, &self.values, |_| {})?),
            Target::Postgres(connection) => Ok(self.of_postgres().execute(connection).await?.rows_affected()),
        }
    }

    /// Takes each row as it comes.
    pub(super) async fn for_each(self, tx: &mut Tx, mut take: impl FnMut(Row)) -> Result<(), Error> {
        #[cfg(test)]
        twice::note(tx, &self);
        match tx.target()? {
            Target::Sqlite(connection) => drop(run(connection, &self.sql, &self.values, take)?),
            Target::Postgres(connection) => {
                let mut rows = self.of_postgres().fetch(connection);
                let mut names = None;
                while let Some(row) = rows.try_next().await? {
                    take(Row::of_postgres(&row, names.get_or_insert_with(|| names_of(&row))));
                }
            }
        }
        Ok(())
    }

    pub(super) async fn fetch_all(self, tx: &mut Tx) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        self.for_each(tx, |row| rows.push(row)).await?;
        Ok(rows)
    }

    /// The first row; none if there is none.
    pub(super) async fn fetch_optional(self, tx: &mut Tx) -> Result<Option<Row>, Error> {
        let mut first = None;
        let take = |row| {
            if first.is_none() {
                first = Some(row);
            }
        };
        self.for_each(tx, take).await?;
        Ok(first)
    }

    /// The first row. Fails with [`Error::NoRow`].
    pub(super) async fn fetch_one(self, tx: &mut Tx) -> Result<Row, Error> {
        self.fetch_optional(tx).await?.ok_or(Error::NoRow)
    }

    fn of_postgres(self) -> sqlx::query::Query<'static, Postgres, PgArguments> {
        // See `query_made`.
        let query = sqlx::query(AssertSqlSafe(self.sql));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Number(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::Bytes(bytes) => query.bind(bytes),
        })
    }
}

/// Runs a statement of SQLite. Returns how many rows it changed, if it is one that changes any.
fn run(
    connection: &rusqlite::Connection,
    sql: &str,
    values: &[Value],
    mut take: impl FnMut(Row),
) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(sql)?;
    for place in 1..=statement.parameter_count() {
        // SQLite numbers them as they come.
        let number = statement.parameter_name(place).and_then(|name| name.get(1..)?.parse::<usize>().ok());
        let value = number.and_then(|number| values.get(number.checked_sub(1)?));
        statement.raw_bind_parameter(place, value)?;
    }
    let names: Arc<[String]> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let values = (0..names.len()).map(|at| row.get_ref(at).map(Held::from));
        take(Row { names: names.clone(), values: values.collect::<Result<_, _>>()? });
    }
    Ok(connection.changes())
}

/// Runs statements that take no values.
pub(crate) async fn run_script(tx: &mut Tx, sql: &str) -> Result<(), Error> {
    match tx.target()? {
        Target::Sqlite(connection) => connection.execute_batch(sql)?,
        // They are the program's own.
        Target::Postgres(connection) => {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
        }
    }
    Ok(())
}

/// What a column holds.
pub(crate) enum Held {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
    /// Nothing that the ledger has.
    Other,
}

impl From<ValueRef<'_>> for Held {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Number(number),
            ValueRef::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => Self::Text(text.to_owned()),
                Err(_) => Self::Other,
            },
            ValueRef::Blob(bytes) => Self::Bytes(bytes.to_vec()),
            ValueRef::Real(_) => Self::Other,
        }
    }
}

impl Held {
    /// The same for a digest; none for [`Held::Other`].
    pub(super) fn field(&self) -> Option<Field<'_>> {
        match self {
            Self::Null => Some(Field::Null),
            Self::Number(number) => Some(Field::Number(*number)),
            Self::Text(text) => Some(Field::Text(text)),
            Self::Bytes(bytes) => Some(Field::Bytes(bytes)),
            Self::Other => None,
        }
    }

    fn of_postgres(row: &PgRow, at: usize) -> Self {
        let Ok(value) = row.try_get_raw(at) else { return Self::Other };
        if value.is_null() {
            return Self::Null;
        }
        match value.type_info().name() {
            "INT8" => row.try_get(at).map_or(Self::Other, Self::Number),
            "INT4" => row.try_get::<i32, _>(at).map_or(Self::Other, |number| Self::Number(number.into())),
            "TEXT" => row.try_get(at).map_or(Self::Other, Self::Text),
            "BYTEA" => row.try_get(at).map_or(Self::Other, Self::Bytes),
            _ => Self::Other,
        }
    }
}

/// A row, with the names of its columns.
pub(super) struct Row {
    names: Arc<[String]>,
    values: Vec<Held>,
}

fn names_of(row: &PgRow) -> Arc<[String]> {
    row.columns().iter().map(|column| column.name().to_owned()).collect()
}

impl Row {
    fn of_postgres(row: &PgRow, names: &Arc<[String]>) -> Self {
        let values = (0..names.len()).map(|at| Held::of_postgres(row, at));
        Self { names: names.clone(), values: values.collect() }
    }

    /// What a column holds. Fails with [`Error::Column`].
    pub(super) fn get<'row, T: FromHeld<'row>>(&'row self, column: &str) -> Result<T, Error> {
        let at = self.names.iter().position(|name| name == column);
        self.at(at.unwrap_or(usize::MAX)).ok_or_else(|| Error::Column(column.to_owned()))
    }

    /// What a column holds, whatever that is; none if there is no such column.
    pub(super) fn held(&self, column: &str) -> Option<&Held> {
        self.names.iter().position(|name| name == column).and_then(|at| self.values.get(at))
    }

    /// What its first column holds. Fails with [`Error::Column`].
    pub(super) fn first<'row, T: FromHeld<'row>>(&'row self) -> Result<T, Error> {
        self.at(0).ok_or_else(|| Error::Column("1".to_owned()))
    }

    fn at<'row, T: FromHeld<'row>>(&'row self, at: usize) -> Option<T> {
        T::from_held(self.values.get(at)?)
    }
}

/// What a column may hold.
pub(crate) trait FromHeld<'row>: Sized {
    /// None for a value of another type.
    fn from_held(held: &'row Held) -> Option<Self>;
}

impl FromHeld<'_> for i64 {
    fn from_held(held: &Held) -> Option<Self> {
        match held {
            Held::Number(number) => Some(*number),
            _ => None,
        }
    }
}

impl<'row> FromHeld<'row> for &'row str {
    fn from_held(held: &'row Held) -> Option<Self> {
        match held {
            Held::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl FromHeld<'_> for String {
    fn from_held(held: &Held) -> Option<Self> {
        <&str>::from_held(held).map(str::to_owned)
    }
}

impl<'row> FromHeld<'row> for &'row [u8] {
    fn from_held(held: &'row Held) -> Option<Self> {
        match held {
            Held::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl FromHeld<'_> for Vec<u8> {
    fn from_held(held: &Held) -> Option<Self> {
        <&[u8]>::from_held(held).map(<[u8]>::to_vec)
    }
}

impl<'row, T: FromHeld<'row>> FromHeld<'row> for Option<T> {
    fn from_held(held: &'row Held) -> Option<Self> {
        match held {
            Held::Null => Some(None),
            held => T::from_held(held).map(Some),
        }
    }
}
