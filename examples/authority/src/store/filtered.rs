//! Lists by a filter, a page at a time. Each page begins after the last row of the page before, so a list takes the
//! memory of one page.
//!
//! One term of the filter drives a list: its index has the rows, in the order of the list. The rows are read from there
//! and the other terms look at each, but at no more than [`WINDOW`] for a page. A statement is put together from the
//! texts of this file alone; whatever the filter says is bound.

use super::{
    Engine, Tx,
    pages::{PAGE, Page},
    sql::{Query, Row, Value, query_made},
};
use crate::{
    domain::filter::{Filter, List, Mark, Term, Test},
    failure::{Failure, Result},
};
use nodelock::Timestamp;

use super::row::seconds;

/// How many rows the other terms look at for a page, at most: what they look for may be rare.
const WINDOW: u16 = 2_000;

/// Where a list comes from.
struct Table {
    columns: &'static str,
    name: &'static str,
    /// What is joined to it; `$1` is the time of the list.
    joined: &'static str,
    /// When a row was made, and what tells it from others of the same time.
    age: &'static [Key],
    by_age: &'static str,
}

/// What rows are in order by.
#[derive(Clone, Copy)]
struct Key {
    column: &'static str,
    of: Of,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Number,
    Text,
    /// A text without its capital letters.
    Lower,
    Bytes,
}

const fn number(column: &'static str) -> Key {
    Key { column, of: Of::Number }
}

const fn text(column: &'static str) -> Key {
    Key { column, of: Of::Text }
}

const LICENSES: Table = Table {
    columns: super::pages::LICENSE,
    name: "license",
    joined: "",
    age: &[number("license.created"), text("license.id")],
    by_age: "license_by_age",
};
const SEATS: Table = Table {
    columns: super::pages::SEAT,
    name: "seat",
    joined: "LEFT JOIN attempt ON attempt.handle = seat.handle AND attempt.device_key = seat.device_key \
             AND attempt.ends > $1",
    age: &[number("seat.granted"), number("seat.handle"), Key { column: "seat.device_key", of: Of::Bytes }],
    by_age: "seat_by_age",
};
const CUSTOMERS: Table = Table {
    columns: super::customers::CUSTOMER,
    name: "customer",
    joined: "",
    age: &[number("customer.created"), text("customer.id")],
    by_age: "customer_by_age",
};
const ORDERS: Table = Table {
    columns: super::sales::ORDER,
    name: "sale",
    joined: "",
    age: &[number("sale.sold"), text("sale.order_id"), text("sale.product_id"), text("sale.seller")],
    by_age: "sale_by_age",
};

fn table(list: List) -> &'static Table {
    match list {
        List::Licenses => &LICENSES,
        List::Seats => &SEATS,
        List::Customers => &CUSTOMERS,
        List::Orders => &ORDERS,
    }
}

/// How a field is looked for.
#[derive(Clone, Copy)]
enum By {
    /// An index has it, and behind it the age of the rows.
    Index(&'static str, &'static str),
    /// An index has it, and behind it what tells the rows apart. It is the order of the list.
    Order(Key, &'static str),
    /// A few rows of another table name those that are looked for: what is asked stands behind that text.
    Among(&'static str),
}

/// Which of several fields drives: the one with the least, because its rows are the fewest.
type Rank = u8;

/// The fields of the language, and those that stand for what a right reaches.
fn field(list: List, name: &str) -> (By, Rank) {
    use By::{Among, Index, Order};
    let lower = |column| Key { column, of: Of::Lower };
    match (list, name) {
        (List::Licenses, "order") => {
            (Among("license.id IN (SELECT license_id FROM sale_license WHERE order_id = "), 0)
        }
        (List::Licenses, "key") => {
            (Among("license.id IN (SELECT license_id FROM license_key WHERE hint = "), 0)
        }
        (List::Licenses, "customer") => (Index("license.customer_id", "license_of_customer_by_age"), 1),
        (List::Licenses, "licensee") => (Order(lower("license.licensee"), "license_by_licensee"), 3),
        (List::Licenses, "seller") => {
            (Among("license.id IN (SELECT license_id FROM reseller_license WHERE account = "), 2)
        }
        (List::Licenses, "expires") => (Order(number("license.expires"), "license_by_end"), 5),
        (List::Licenses, "state") => (Index("license.state", "license_by_state"), 4),
        (List::Licenses, "product") => (Index("license.product_id", "license_of_product_by_age"), 6),
        (List::Licenses, "created") => (Order(number("license.created"), LICENSES.by_age), 8),
        (List::Seats, "license") => (Index("seat.license_id", "seat_of_license_by_age"), 0),
        (List::Seats, "label") => (Order(lower("seat.label"), "seat_by_label"), 3),
        (List::Seats, "seller") => {
            (Among("seat.license_id IN (SELECT license_id FROM reseller_license WHERE account = "), 2)
        }
        (List::Seats, "last_contact") => (Order(number("seat.contact"), "seat_by_contact"), 5),
        (List::Seats, "came_back") => (Order(number("seat.came_back_at"), "seat_by_return"), 1),
        (List::Seats, "state") => (Index("seat.state", "seat_by_state"), 4),
        (List::Seats, "product") => (Index("seat.product_id", "seat_of_product_by_age"), 6),
        (List::Seats, _) => (Order(number("seat.granted"), SEATS.by_age), 8),
        (List::Customers, "external_id") => (Index("customer.external_id", "customer_by_external_id"), 0),
        (List::Customers, "email") => (Index("customer.email", "customer_by_email"), 1),
        (List::Customers, "name") => (Order(lower("customer.name"), "customer_by_name"), 2),
        (List::Customers, _) => (Order(number("customer.created"), CUSTOMERS.by_age), 8),
        (List::Orders, "customer") => (Index("sale.customer_id", "sale_of_customer"), 1),
        (List::Orders, "seller") => (Index("sale.seller", "sale_of_seller"), 2),
        (List::Orders, "reseller") => (Index("sale.reseller", "sale_by_reseller"), 3),
        (List::Orders, "state") => (Index("sale.state", "sale_by_state"), 4),
        (List::Orders, "product") => (Index("sale.product_id", "sale_of_product"), 6),
        (List::Orders, _) => (Order(number("sale.sold"), ORDERS.by_age), 8),
        (List::Licenses, _) => (Order(number("license.created"), LICENSES.by_age), 8),
    }
}

/// The same for a term, by its value too: most rows are in these states.
fn rank(list: List, term: &Term) -> Rank {
    match (term.field, &term.test) {
        ("state", Test::Is(state)) if ["active", "sold"].contains(&state.as_str()) => 7,
        _ => field(list, term.field).1,
    }
}

impl Key {
    fn sql(self, engine: Engine) -> String {
        match (self.of, engine) {
            (Of::Lower, Engine::Sqlite) => format!("lower({})", self.column),
            // Byte by byte, as the index has it: the database's own order may be another one.
            (Of::Lower, Engine::Postgres) => format!("lower({} COLLATE \"C\")", self.column),
            _ => self.column.to_owned(),
        }
    }

    /// Whether a mark may be of it.
    fn fits(self, mark: &Mark) -> bool {
        match mark {
            Mark::Number(_) => self.of == Of::Number,
            Mark::Text(text) => matches!(self.of, Of::Text | Of::Lower) && !text.contains('\0'),
            Mark::Bytes(_) => self.of == Of::Bytes,
        }
    }

    fn mark(self, row: &Row, name: &str) -> Result<Mark> {
        Ok(match self.of {
            Of::Number => Mark::Number(row.get(name)?),
            Of::Text | Of::Lower => Mark::Text(row.get(name)?),
            Of::Bytes => Mark::Bytes(row.get(name)?),
        })
    }
}

impl From<&Mark> for Value {
    fn from(mark: &Mark) -> Self {
        match mark {
            Mark::Number(number) => (*number).into(),
            Mark::Text(text) => text.into(),
            Mark::Bytes(bytes) => bytes.as_slice().into(),
        }
    }
}

/// A statement that grows. Its values are bound.
struct Made {
    sql: String,
    values: Vec<Value>,
}

impl Made {
    fn query(self) -> Query {
        self.values.into_iter().fold(query_made(self.sql), Query::bind)
    }

    /// Has a value bound, and returns what stands for it.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn condition(&mut self, engine: Engine, by: By, test: &Test) -> String {
        match (by, test) {
            (By::Index(column, _), Test::Is(value)) => format!("{column} = {}", self.bind(value)),
            (By::Among(text), Test::Is(value)) => format!("{text}{})", self.bind(value)),
            (By::Order(key, _), Test::Is(value)) => {
                format!("{} = {}", key.sql(engine), self.bind(value.to_ascii_lowercase()))
            }
            (By::Order(key, _), Test::Begins(value)) => {
                let (key, value) = (key.sql(engine), value.to_ascii_lowercase());
                let from = format!("{key} >= {}", self.bind(&value));
                match behind(&value) {
                    Some(behind) => format!("{from} AND {key} < {}", self.bind(behind)),
                    None => from,
                }
            }
            (By::Order(key, _), Test::Time(side, time)) => {
                format!("{} {} {}", key.sql(engine), side.sign(), self.bind(seconds(*time)))
            }
            // The language has no such term.
            (By::Index(..) | By::Among(_), _) => "1 = 0".to_owned(),
        }
    }
}

/// The first text behind all that begin with one, in the order of their letters' numbers; none if there is none.
fn behind(text: &str) -> Option<String> {
    let mut letters: Vec<char> = text.chars().collect();
    while let Some(last) = letters.pop() {
        // There is a gap before U+E000.
        if let Some(next) = (u32::from(last) + 1..=0x10_FFFF).find_map(char::from_u32) {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

/// The rows of a list that pass a filter.
pub(crate) struct Pages<T> {
    filter: Filter,
    now: Timestamp,
    /// The last row so far.
    after: Option<Vec<Mark>>,
    is_over: bool,
    size: i64,
    window: u16,
    read: fn(&Row) -> Result<T>,
}

impl<T> Pages<T> {
    pub(super) fn new(filter: Filter, now: Timestamp, read: fn(&Row) -> Result<T>) -> Self {
        Self { filter, now, after: None, is_over: false, size: PAGE, window: WINDOW, read }
    }

    /// Those after a row, on pages of that size. Fails with [`Failure::Usage`] for what is no place in this list.
    pub(crate) fn after(mut self, after: Option<Vec<Mark>>, size: u32) -> Result<Self> {
        if let Some(marks) = &after {
            let keys = self.keys();
            let fits = marks.len() == keys.len() && keys.iter().zip(marks).all(|(key, mark)| key.fits(mark));
            if !fits {
                return Err(Failure::Usage("`after` is no `next` of a page of this list".into()));
            }
        }
        (self.after, self.size) = (after, size.into());
        Ok(self)
    }

    /// The same, looking at fewer rows for a page.
    #[cfg(test)]
    pub(crate) fn looking_at(self, window: u16) -> Self {
        Self { window, ..self }
    }

    /// Whether there is no further page.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// After which row the next page begins.
    pub(crate) fn place(&self) -> Option<&[Mark]> {
        self.after.as_deref()
    }

    /// The term that drives the list; none is the age of the rows. Everything has an empty beginning.
    fn driver(&self) -> Option<(By, &Term)> {
        let terms = self.filter.terms.iter().filter(|term| term.test != Test::Begins(String::new()));
        let driver = terms.min_by_key(|term| rank(self.filter.list, term))?;
        Some((field(self.filter.list, driver.field).0, driver))
    }

    /// What the list is in order by.
    fn keys(&self) -> Vec<Key> {
        let age = table(self.filter.list).age;
        match self.driver() {
            // All rows have the same there.
            Some((By::Order(..), Term { test: Test::Is(_), .. })) => age[1..].to_vec(),
            Some((By::Order(key, _), _)) => [&[key][..], &age[1..]].concat(),
            Some((By::Index(..) | By::Among(_), _)) | None => age.to_vec(),
        }
    }

    /// The terms that the index of the driver finds rows by, and those that look at each row. The first are the driver
    /// and two times that the list is in order by, one from each side: of two from one side an index may use either.
    fn parted(&self) -> (Vec<&Term>, Vec<&Term>) {
        let Some((by, driver)) = self.driver() else {
            return (Vec::new(), self.filter.terms.iter().collect());
        };
        let order = self.keys()[0].column;
        let bound = |is_upper: bool| {
            let is_bound = |term: &&Term| match (field(self.filter.list, term.field).0, &term.test) {
                (By::Order(key, _), Test::Time(side, _)) => {
                    key.column == order && side.is_upper() == is_upper
                }
                _ => false,
            };
            match &driver.test {
                Test::Time(side, _) if side.is_upper() == is_upper => None,
                _ if matches!(by, By::Among(_)) => None,
                _ => self.filter.terms.iter().find(is_bound),
            }
        };
        let found = [Some(driver), bound(false), bound(true)];
        let is_found = |term: &&Term| found.into_iter().flatten().any(|found| std::ptr::eq(found, *term));
        self.filter.terms.iter().partition(is_found)
    }

    /// Which rows are looked at: where from, then which and in which order.
    fn looked_at(&self, engine: Engine, made: &mut Made) -> (String, String) {
        let (table, driver, keys) = (table(self.filter.list), self.driver(), self.keys());
        let by: Vec<String> = keys.iter().map(|key| key.sql(engine)).collect();
        let mut conditions = Vec::new();
        if let Some(after) = &self.after {
            let marks: Vec<String> = after.iter().map(|mark| made.bind(mark)).collect();
            if keys[0].of == Of::Lower {
                // An index of SQLite begins at all of them, but not if the first is computed.
                conditions.push(format!("{} >= {}", by[0], marks[0]));
            }
            conditions.push(format!("({}) > ({})", by.join(", "), marks.join(", ")));
        }
        // Behind the place: of two such bounds SQLite uses the first.
        for Term { field: name, test } in self.parted().0 {
            let (by, _) = field(self.filter.list, name);
            conditions.push(made.condition(engine, by, test));
            if *name == "external_id" {
                // Only what has one is in the index.
                conditions.push("customer.external_id <> ''".to_owned());
            }
        }
        let index = match driver {
            Some((By::Index(_, index) | By::Order(_, index), _)) => Some(index),
            Some((By::Among(_), _)) => None,
            None => Some(table.by_age),
        };
        let index = match (engine, index) {
            (Engine::Sqlite, Some(index)) => format!(" INDEXED BY {index}"),
            _ => String::new(),
        };
        let conditions = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        (format!("FROM {}{index}", table.name), format!("{conditions} ORDER BY {}", by.join(", ")))
    }

    /// What a list is in order by, with its names.
    fn marks(&self, engine: Engine) -> String {
        let keys = self.keys();
        let marks: Vec<String> =
            keys.iter().zip(MARKS).map(|(key, mark)| format!("{} AS {mark}", key.sql(engine))).collect();
        marks.join(", ")
    }

    fn statement(&self, engine: Engine) -> Made {
        let table = table(self.filter.list);
        let mut made = Made { sql: String::new(), values: Vec::new() };
        if !table.joined.is_empty() {
            made.bind(seconds(self.now));
        }
        let (from, order) = self.looked_at(engine, &mut made);
        let mut conditions = Vec::new();
        for Term { field: name, test } in self.parted().1 {
            let (by, _) = field(self.filter.list, name);
            conditions.push(made.condition(engine, by, test));
        }
        let size = made.bind(self.size);
        let (columns, marks, joined) = (table.columns, self.marks(engine), table.joined);
        made.sql = match conditions.is_empty() {
            // Each row is one of the page.
            true => format!("SELECT {columns}, {marks} {from} {joined}{order} LIMIT {size}"),
            false => {
                let window = made.bind(i64::from(self.window));
                let by: Vec<String> = self.keys().iter().map(|key| key.sql(engine)).collect();
                format!(
                    "SELECT {columns}, {marks} FROM (SELECT * {from}{order} LIMIT {window}) AS {} {joined} WHERE {} \
                     ORDER BY {} LIMIT {size}",
                    table.name,
                    conditions.join(" AND "),
                    by.join(", ")
                )
            }
        };
        made
    }

    /// The last row that was looked at, if there may be others behind it.
    fn last_looked_at(&self, engine: Engine) -> Made {
        let mut made = Made { sql: String::new(), values: Vec::new() };
        let (from, order) = self.looked_at(engine, &mut made);
        let before = made.bind(i64::from(self.window) - 1);
        made.sql = format!("SELECT {} {from}{order} LIMIT 1 OFFSET {before}", self.marks(engine));
        made
    }

    fn place_of(&self, row: &Row) -> Result<Vec<Mark>> {
        self.keys().into_iter().zip(MARKS).map(|(key, name)| key.mark(row, name)).collect()
    }

    /// The next page. It may have few rows or none, and others come behind it all the same.
    pub(crate) async fn next(&mut self, tx: &mut Tx) -> Result<Page<T>> {
        let rows = self.statement(tx.engine).query().fetch_all(tx).await?;
        let is_full = i64::try_from(rows.len()).is_ok_and(|rows| rows >= self.size);
        let place = match rows.last() {
            Some(last) if is_full => Some(self.place_of(last)?),
            _ if self.parted().1.is_empty() => None,
            _ => {
                let last = self.last_looked_at(tx.engine).query().fetch_optional(tx).await?;
                last.map(|last| self.place_of(&last)).transpose()?
            }
        };
        match place {
            Some(place) => self.after = Some(place),
            None => self.is_over = true,
        }
        Ok(rows.iter().map(self.read).collect())
    }

    /// How the database means to find the rows of a page, in its own words.
    #[cfg(test)]
    pub(crate) async fn plan(&self, tx: &mut Tx) -> Result<String> {
        let (explain, column) = match tx.engine {
            Engine::Sqlite => ("EXPLAIN QUERY PLAN ", "detail"),
            Engine::Postgres => ("EXPLAIN ", "QUERY PLAN"),
        };
        let mut lines = Vec::new();
        for mut made in [self.statement(tx.engine), self.last_looked_at(tx.engine)] {
            made.sql.insert_str(0, explain);
            let rows = made.query().fetch_all(tx).await?;
            for row in &rows {
                lines.push(row.get::<String>(column)?);
            }
        }
        Ok(lines.join("\n"))
    }
}

/// The names of what a list is in order by.
const MARKS: [&str; 4] = ["after_0", "after_1", "after_2", "after_3"];

#[cfg(test)]
mod tests {
    use super::behind;

    #[test]
    fn what_is_behind_a_beginning_is_behind_all_that_begin_so() {
        for (text, expected) in [
            ("nw-", Some("nw.")),
            ("a", Some("b")),
            ("\u{D7FF}", Some("\u{E000}")),
            ("a\u{10FFFF}", Some("b")),
            ("\u{10FFFF}", None),
            ("", None),
        ] {
            assert_eq!(behind(text).as_deref(), expected, "{text:?}");
        }
    }
}
