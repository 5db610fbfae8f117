//! Orders that licenses were sold under.

use super::{
    Tx,
    filtered::Pages,
    row::{count, damaged, json, record, seconds, time},
    sql::{Query, Row, query},
};
use crate::{
    domain::{LicenseHint, Occasion, Order, OrderKey, OrderRow, filter::Filter},
    failure::Result,
};
use nodelock::{LicenseId, Timestamp};

/// Binds what finds an order as the first three values.
fn of_order(sql: &'static str, key: &OrderKey) -> Query {
    query(sql).bind(&key.id).bind(key.product.as_str()).bind(&key.seller)
}

/// Notes an order. Returns false when there is one of that key already, also when another transaction has just
/// committed it.
pub(crate) async fn insert_sale(tx: &mut Tx, order: &Order, occasion: &Occasion) -> Result<bool> {
    let inserted = of_order(
        "INSERT INTO sale (order_id, product_id, seller, said, sold, customer_id, reseller, state) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (order_id, product_id, seller) DO NOTHING",
        &order.key,
    )
    .bind(json(&order.said)?)
    .bind(seconds(occasion.time))
    .bind(order.customer.map(|id| id.to_string()))
    .bind(&order.reseller)
    .bind(SOLD)
    .execute(tx)
    .await?;
    Ok(inserted == 1)
}

/// Notes that a license is of an order.
pub(crate) async fn insert_sale_license(
    tx: &mut Tx,
    key: &OrderKey,
    position: u32,
    license: LicenseId,
) -> Result<()> {
    of_order(
        "INSERT INTO sale_license (order_id, product_id, seller, position, license_id) VALUES ($1, $2, $3, $4, $5)",
        key,
    )
    .bind(i64::from(position))
    .bind(license.to_string())
    .execute(tx)
    .await?;
    Ok(())
}

/// The columns of an order, with the number of its licenses.
macro_rules! order {
    () => {
        "sale.order_id, sale.product_id, sale.seller, sale.said, sale.sold, sale.customer_id, sale.reseller, sale.state, \
         (SELECT COUNT(*) FROM sale_license WHERE sale_license.order_id = sale.order_id \
         AND sale_license.product_id = sale.product_id AND sale_license.seller = sale.seller) AS licenses"
    };
}
pub(super) const ORDER: &str = order!();

/// What was ordered; none if nothing was.
pub(crate) async fn order_row(tx: &mut Tx, key: &OrderKey) -> Result<Option<OrderRow>> {
    let of_key =
        concat!("SELECT ", order!(), " FROM sale WHERE order_id = $1 AND product_id = $2 AND seller = $3");
    let row = of_order(of_key, key);
    row.fetch_optional(tx).await?.as_ref().map(read).transpose()
}

/// The orders of an id: one for each product and seller that has it.
pub(crate) async fn orders_of_id(tx: &mut Tx, id: &str) -> Result<Vec<OrderRow>> {
    let of_id = concat!("SELECT ", order!(), " FROM sale WHERE order_id = $1 ORDER BY product_id, seller");
    let rows = query(of_id).bind(id);
    rows.fetch_all(tx).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<OrderRow> {
    let id: String = row.get("order_id")?;
    let order = || -> Result<OrderRow> {
        let product: &str = row.get("product_id")?;
        let product = product.parse().map_err(|_| damaged("the product of an order"))?;
        let customer: Option<&str> = row.get("customer_id")?;
        let order = Order {
            key: OrderKey { id: id.clone(), product, seller: row.get("seller")? },
            said: record(row, "said")?,
            count: count(row, "licenses")?,
            customer: customer.map(str::parse).transpose()?,
            reseller: row.get("reseller")?,
        };
        Ok(OrderRow { order, sold: time(row, "sold")?, is_void: row.get::<&str>("state")? == VOID })
    };
    order().map_err(|failure| failure.in_record(format!("order {id}")))
}

const SOLD: &str = "sold";
const VOID: &str = "void";

/// Notes that all licenses of an order were ended for good.
pub(crate) async fn set_order_void(tx: &mut Tx, key: &OrderKey) -> Result<()> {
    let update = "UPDATE sale SET state = $4 WHERE order_id = $1 AND product_id = $2 AND seller = $3";
    of_order(update, key).bind(VOID).execute(tx).await?;
    Ok(())
}

/// The orders that pass a filter.
pub(crate) fn order_pages(filter: Filter) -> Pages<OrderRow> {
    Pages::new(filter, Timestamp::MIN, read)
}

/// The licenses of an order, as they were shown when it was sold, with the hints of their present keys.
pub(crate) async fn licenses_of_sale(tx: &mut Tx, key: &OrderKey) -> Result<Vec<LicenseHint>> {
    let rows = of_order(
        "SELECT license.id, license.key_hint FROM sale_license JOIN license ON license.id = sale_license.license_id \
         WHERE sale_license.order_id = $1 AND sale_license.product_id = $2 AND sale_license.seller = $3 \
         ORDER BY sale_license.position",
        key,
    )
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
