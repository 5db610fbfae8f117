//! Customers.

use nodelock::Timestamp;

use super::{
    Engine, Tx,
    filtered::Pages,
    row::{count, seconds, time},
    sql::{Row, query},
};
use crate::{
    domain::{Customer, CustomerDetails, CustomerId, filter::Filter},
    failure::Result,
};

/// The columns of a customer.
macro_rules! customer {
    () => {
        "customer.id, customer.name, customer.email, customer.external_id, customer.notes, customer.language, \
         customer.created, customer.revision, customer.erased"
    };
}
pub(super) const CUSTOMER: &str = customer!();

/// Enters a customer.
pub(crate) async fn insert_customer(tx: &mut Tx, customer: &Customer) -> Result<()> {
    let CustomerDetails { name, email, external_id, notes, language } = &customer.details;
    query(
        "INSERT INTO customer (id, name, email, external_id, notes, created, revision, language) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(customer.id.to_string())
    .bind(name)
    .bind(email)
    .bind(external_id)
    .bind(notes)
    .bind(seconds(customer.created))
    .bind(i64::from(customer.revision))
    .bind(language)
    .execute(tx)
    .await?;
    Ok(())
}

/// Changes what is noted of a customer that is there.
pub(crate) async fn set_customer(tx: &mut Tx, customer: &Customer) -> Result<()> {
    let CustomerDetails { name, email, external_id, notes, language } = &customer.details;
    query(
        "UPDATE customer SET name = $1, email = $2, external_id = $3, notes = $4, revision = $5, language = $7 \
         WHERE id = $6",
    )
    .bind(name)
    .bind(email)
    .bind(external_id)
    .bind(notes)
    .bind(i64::from(customer.revision))
    .bind(customer.id.to_string())
    .bind(language)
    .execute(tx)
    .await?;
    Ok(())
}

/// A customer; none if there is no such customer.
pub(crate) async fn customer(tx: &mut Tx, id: CustomerId) -> Result<Option<Customer>> {
    let row = query(concat!("SELECT ", customer!(), " FROM customer WHERE id = $1"));
    row.bind(id.to_string()).fetch_optional(tx).await?.as_ref().map(read).transpose()
}

/// Keeps others from changing a customer until the transaction ends. Who only reads it need not wait, and who sells to
/// it waits for nobody who does the same.
pub(crate) async fn lock_customer(tx: &mut Tx, id: CustomerId) -> Result<()> {
    if tx.engine == Engine::Postgres {
        let row = query("SELECT id FROM customer WHERE id = $1 FOR SHARE").bind(id.to_string());
        row.fetch_optional(tx).await?;
    }
    Ok(())
}

/// The customer that the vendor's own system has a name for; none if there is none.
pub(crate) async fn customer_of_external_id(tx: &mut Tx, external_id: &str) -> Result<Option<Customer>> {
    let row =
        query(concat!("SELECT ", customer!(), " FROM customer WHERE external_id = $1 AND external_id <> ''"));
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
            language: row.get("language")?,
        },
        created: time(row, "created")?,
        revision: count(row, "revision")?,
        erased: row.get::<Option<i64>>("erased")?.map(|_| time(row, "erased")).transpose()?,
    })
}

/// The customers that pass a filter.
pub(crate) fn customer_pages(filter: Filter) -> Pages<Customer> {
    Pages::new(filter, Timestamp::MIN, read)
}
