//! Orders that licenses were sold under.

use super::{
    Tx,
    filtered::Pages,
    row::{count, damaged, json, record, seconds, time},
    sql::{Row, query},
};
use crate::{
    domain::{LicenseHint, Occasion, Order, OrderRow, filter::Filter},
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
macro_rules! order {
    () => {
        "sale.order_id, sale.said, sale.sold, sale.product_id, sale.customer_id, sale.reseller, sale.state, \
         (SELECT COUNT(*) FROM sale_license WHERE sale_license.order_id = sale.order_id) AS licenses"
    };
}
pub(super) const ORDER: &str = order!();

/// What was ordered under an id; none if nothing was.
pub(crate) async fn order_row(tx: &mut Tx, id: &str) -> Result<Option<OrderRow>> {
    let row = query(concat!("SELECT ", order!(), " FROM sale WHERE order_id = $1")).bind(id);
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

/// The orders that pass a filter.
pub(crate) fn order_pages(filter: Filter) -> Pages<OrderRow> {
    Pages::new(filter, Timestamp::MIN, read)
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
