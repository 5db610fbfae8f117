//! Orders that licenses were sold under.

use super::{
    Tx,
    pages::PAGE,
    row::{count, damaged, json, record, seconds, time},
    sql::{Row, query},
};
use crate::{
    domain::{LicenseHint, Occasion, Order, OrderRow},
    failure::Result,
};
use nodelock::{LicenseId, Timestamp};

/// Notes an order. Returns false when there is one of that id already, also when another transaction has just
/// committed it.
pub(crate) async fn insert_sale(tx: &mut Tx, order: &Order, occasion: &Occasion) -> Result<bool> {
    let inserted = query(
        "INSERT INTO sale (order_id, said, sold, product_id, customer_id, reseller) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (order_id) DO NOTHING",
    )
    .bind(&order.id)
    .bind(json(&order.said)?)
    .bind(seconds(occasion.time))
    .bind(order.product.as_str())
    .bind(order.customer.map(|id| id.to_string()))
    .bind(&order.reseller)
    .execute(tx)
    .await?;
    Ok(inserted == 1)
}

/// Notes that a license is of an order.
pub(crate) async fn insert_sale_license(
    tx: &mut Tx,
    order: &str,
    position: u32,
    license: LicenseId,
) -> Result<()> {
    query("INSERT INTO sale_license (order_id, position, license_id) VALUES ($1, $2, $3)")
        .bind(order)
        .bind(i64::from(position))
        .bind(license.to_string())
        .execute(tx)
        .await?;
    Ok(())
}

/// The columns of an order, with the number of its licenses.
macro_rules! orders {
    ($rest:literal) => {
        concat!(
            "SELECT order_id, said, sold, product_id, customer_id, reseller, state, \
             (SELECT COUNT(*) FROM sale_license WHERE sale_license.order_id = sale.order_id) AS licenses FROM sale ",
            $rest
        )
    };
}

/// What was ordered under an id; none if nothing was.
pub(crate) async fn order_row(tx: &mut Tx, id: &str) -> Result<Option<OrderRow>> {
    let row = query(orders!("WHERE order_id = $1")).bind(id);
    row.fetch_optional(tx).await?.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<OrderRow> {
    let id: String = row.get("order_id")?;
    let order = || -> Result<OrderRow> {
        let product: &str = row.get("product_id")?;
        let customer: Option<&str> = row.get("customer_id")?;
        let order = Order {
            id: id.clone(),
            product: product.parse().map_err(|_| damaged("the product of an order"))?,
            said: record(row, "said")?,
            count: count(row, "licenses")?,
            customer: customer.map(str::parse).transpose()?,
            reseller: row.get("reseller")?,
        };
        Ok(OrderRow { order, sold: time(row, "sold")?, is_void: row.get::<&str>("state")? == VOID })
    };
    order().map_err(|failure| failure.in_record(format!("order {id}")))
}

const VOID: &str = "void";

/// Notes that all licenses of an order were ended for good.
pub(crate) async fn set_order_void(tx: &mut Tx, id: &str) -> Result<()> {
    query("UPDATE sale SET state = $1 WHERE order_id = $2").bind(VOID).bind(id).execute(tx).await?;
    Ok(())
}

/// Every order, oldest first.
pub(crate) struct OrderPages {
    /// The last one so far.
    after: (i64, String),
    size: i64,
}

impl OrderPages {
    pub(crate) fn new() -> Self {
        Self { after: (i64::MIN, String::new()), size: PAGE }
    }

    /// Those after one, on pages of that size.
    pub(crate) fn after(mut self, after: Option<(Timestamp, String)>, size: u32) -> Self {
        if let Some((sold, id)) = after {
            self.after = (seconds(sold), id);
        }
        self.size = size.into();
        self
    }

    /// The next page; empty after the last. One that is damaged fails alone, with
    /// [`Failure::Damaged`](crate::failure::Failure::Damaged).
    pub(crate) async fn next(&mut self, tx: &mut Tx) -> Result<Vec<Result<OrderRow>>> {
        let (sold, id) = self.after.clone();
        let rows = query(orders!("WHERE (sold, order_id) > ($1, $2) ORDER BY sold, order_id LIMIT $3"));
        let rows = rows.bind(sold).bind(id).bind(self.size).fetch_all(tx).await?;
        if let Some(last) = rows.last() {
            self.after = (last.get("sold")?, last.get("order_id")?);
        }
        Ok(rows.iter().map(read).collect())
    }
}

/// The licenses of an order, as they were shown when it was sold, with the hints of their present keys.
pub(crate) async fn licenses_of_sale(tx: &mut Tx, order: &str) -> Result<Vec<LicenseHint>> {
    let rows = query(
        "SELECT license.id, license.key_hint FROM sale_license JOIN license ON license.id = sale_license.license_id \
         WHERE sale_license.order_id = $1 ORDER BY sale_license.position",
    )
    .bind(order)
    .fetch_all(tx)
    .await?;
    let hint =
        |row: &Row| Ok(LicenseHint { id: row.get::<String>("id")?.parse()?, key_hint: row.get("key_hint")? });
    rows.iter().map(hint).collect()
}

/// The end of a license's key; none if there is no such license.
pub(crate) async fn key_hint_of(tx: &mut Tx, id: LicenseId) -> Result<Option<String>> {
    let row = query("SELECT key_hint FROM license WHERE id = $1").bind(id.to_string());
    Ok(row.fetch_optional(tx).await?.map(|row| row.get("key_hint")).transpose()?)
}
