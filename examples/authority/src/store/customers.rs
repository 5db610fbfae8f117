//! Customers.

use nodelock::Timestamp;

use super::{
    Tx,
    pages::PAGE,
    row::{count, seconds, time},
    sql::{Row, query},
};
use crate::{
    domain::{Customer, CustomerDetails, CustomerId},
    failure::Result,
};

/// Enters a customer.
pub(crate) async fn insert_customer(tx: &mut Tx, customer: &Customer) -> Result<()> {
    let CustomerDetails { name, email, external_id, notes } = &customer.details;
    query(
        "INSERT INTO customer (id, name, email, external_id, notes, created, revision) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(customer.id.to_string())
    .bind(name)
    .bind(email)
    .bind(external_id)
    .bind(notes)
    .bind(seconds(customer.created))
    .bind(i64::from(customer.revision))
    .execute(tx)
    .await?;
    Ok(())
}

/// Changes what is noted of a customer that is there.
pub(crate) async fn set_customer(tx: &mut Tx, customer: &Customer) -> Result<()> {
    let CustomerDetails { name, email, external_id, notes } = &customer.details;
    query(
        "UPDATE customer SET name = $1, email = $2, external_id = $3, notes = $4, revision = $5 WHERE id = $6",
    )
    .bind(name)
    .bind(email)
    .bind(external_id)
    .bind(notes)
    .bind(i64::from(customer.revision))
    .bind(customer.id.to_string())
    .execute(tx)
    .await?;
    Ok(())
}

/// A customer; none if there is no such customer.
pub(crate) async fn customer(tx: &mut Tx, id: CustomerId) -> Result<Option<Customer>> {
    let row =
        query("SELECT id, name, email, external_id, notes, created, revision FROM customer WHERE id = $1");
    row.bind(id.to_string()).fetch_optional(tx).await?.as_ref().map(read).transpose()
}

/// The customer that the vendor's own system has a name for; none if there is none.
pub(crate) async fn customer_of_external_id(tx: &mut Tx, external_id: &str) -> Result<Option<Customer>> {
    let row = query(
        "SELECT id, name, email, external_id, notes, created, revision FROM customer \
         WHERE external_id = $1 AND external_id <> ''",
    );
    row.bind(external_id).fetch_optional(tx).await?.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<Customer> {
    Ok(Customer {
        id: row.get::<String>("id")?.parse()?,
        details: CustomerDetails {
            name: row.get("name")?,
            email: row.get("email")?,
            external_id: row.get("external_id")?,
            notes: row.get("notes")?,
        },
        created: time(row, "created")?,
        revision: count(row, "revision")?,
    })
}

/// Customers, oldest first: all of them, or those with an e-mail address.
pub(crate) struct CustomerPages {
    email: Option<String>,
    /// The last one so far.
    after: (i64, String),
    size: i64,
}

impl CustomerPages {
    pub(crate) fn new(email: Option<&str>) -> Self {
        Self { email: email.map(str::to_owned), after: (i64::MIN, String::new()), size: PAGE }
    }

    /// Those after one, on pages of that size.
    pub(crate) fn after(mut self, after: Option<(Timestamp, CustomerId)>, size: u32) -> Self {
        if let Some((created, id)) = after {
            self.after = (seconds(created), id.to_string());
        }
        self.size = size.into();
        self
    }

    /// The next page; empty after the last.
    pub(crate) async fn next(&mut self, tx: &mut Tx) -> Result<Vec<Customer>> {
        let (created, id) = self.after.clone();
        let rows = match &self.email {
            Some(email) => query(
                "SELECT id, name, email, external_id, notes, created, revision FROM customer \
                 WHERE (created, id) > ($1, $2) AND email = $4 ORDER BY created, id LIMIT $3",
            )
            .bind(created)
            .bind(id)
            .bind(self.size)
            .bind(email),
            None => query(
                "SELECT id, name, email, external_id, notes, created, revision FROM customer \
                 WHERE (created, id) > ($1, $2) ORDER BY created, id LIMIT $3",
            )
            .bind(created)
            .bind(id)
            .bind(self.size),
        };
        let rows = rows.fetch_all(tx).await?;
        if let Some(last) = rows.last() {
            self.after = (last.get("created")?, last.get("id")?);
        }
        rows.iter().map(read).collect()
    }
}
