//! Licenses, and the orders that they were sold under.

use std::collections::HashMap;

use nodelock::{LicenseId, Timestamp, authority::LicenseTerms};

use super::{Findings, Known, License, row::Row};
use crate::{
    domain::{Finding, Said},
    failure::Result,
    store::{Tx, raw},
};

pub(super) async fn look(tx: &mut Tx, known: &mut Known, findings: &mut Findings) -> Result<()> {
    raw::walk(tx, raw::LICENSE, |raw| look_at_license(&mut Row::new(raw, raw::LICENSE, findings), known))
        .await?;
    let mut orders: HashMap<String, Order> = HashMap::new();
    raw::walk(tx, raw::SALE, |raw| {
        let mut row = Row::new(raw, raw::SALE, findings);
        let id = row.text("order_id");
        row.name.clone_from(&id);
        if let Some(said) = row.record::<Said>("said") {
            row.expect("said", said.check().is_ok(), "no license can be made of it");
        }
        let product = row.text("product_id");
        let sold = row.time("sold");
        if let Some(id) = id {
            orders.insert(id, Order { sold, product, noted: None, licenses: 0 });
        }
    })
    .await?;
    raw::walk(tx, raw::SALE_LICENSE, |raw| {
        look_at_sold(&mut Row::new(raw, raw::SALE_LICENSE, findings), known, &mut orders);
    })
    .await?;
    for (id, order) in orders {
        if order.licenses == 0 {
            findings.add_of("sale_license", Some("order_id"), format!("order {id} has no licenses"));
        }
        if let (Some(sold), Some(noted)) = (order.sold, order.noted)
            && sold != noted
        {
            findings.add_of("sale", Some("sold"), format!("order {id} was noted as sold at {noted}"));
        }
    }
    Ok(())
}

/// Compares what licenses say that their seats add up to, once all seats are known.
pub(super) fn look_back(known: &Known, findings: &mut Findings) {
    for (id, license) in &known.licenses {
        let License { said, taken, deactivated, .. } = license;
        for (column, said, counted) in [("taken", said.0, *taken), ("deactivated", said.1, *deactivated)] {
            if said.is_some_and(|said| said != counted) {
                findings.add(Finding {
                    table: "license".to_owned(),
                    column: Some(column.to_owned()),
                    license: Some(*id),
                    seat: None,
                    row: None,
                    detail: format!("its seats add up to {counted}"),
                });
            }
        }
    }
}

/// An order, and what its licenses say of it.
struct Order {
    sold: Option<Timestamp>,
    product: Option<String>,
    /// When the audit has the last of them as sold.
    noted: Option<Timestamp>,
    licenses: i64,
}

fn look_at_license(row: &mut Row<'_>, known: &mut Known) {
    let id = row.parsed::<LicenseId>("id");
    row.license = id;
    if let Some(hash) = row.bytes("key_hash") {
        row.expect("key_hash", hash.len() == 32, "it is no hash of a key");
    }
    if let Some(hint) = row.text("key_hint") {
        row.expect("key_hint", matches!(hint.chars().count(), 1 | 5), "it is no end of a key");
    }
    let terms = row.record::<LicenseTerms>("terms");
    if let Some(terms) = &terms {
        row.expect("id", id.is_none_or(|id| id == terms.id), "its terms are of another license");
        row.expect("terms", known.products.contains_key(&terms.product), "there is no such product");
        row.expect("terms", terms.validate().is_ok(), "no license can be issued on them");
    }
    let product = row.text("product_id");
    if let (Some(product), Some(terms)) = (&product, &terms) {
        let is_its = known.products.get(&terms.product) == Some(product);
        row.expect("product_id", is_its, "its terms are of another product");
    }
    let created = row.time("created");
    let noted = id.and_then(|id| known.audit.created.get(&id)).map(|(at, _)| *at);
    row.expect("id", id.is_none() || noted.is_some(), "no such license was noted as sold");
    if let (Some(created), Some(noted)) = (created, noted) {
        row.expect("created", created == noted, "it is not when the license was noted as sold");
    }
    let said = (row.number("taken"), row.number("deactivated"));
    if let Some(id) = id {
        known.licenses.insert(id, License { said, product, ..License::default() });
    }
}

fn look_at_sold(row: &mut Row<'_>, known: &Known, orders: &mut HashMap<String, Order>) {
    let (id, position, license) =
        (row.text("order_id"), row.number("position"), row.parsed::<LicenseId>("license_id"));
    row.name.clone_from(&id);
    row.license = license;
    let Some(id) = id else { return };
    let Some(order) = orders.get_mut(&id) else {
        return row.wrong("order_id", "there is no such order");
    };
    row.expect("position", position == Some(order.licenses), "the licenses of an order are numbered from 0");
    order.licenses += 1;
    let Some(license) = license else { return };
    let sold = known.licenses.get(&license).and_then(|license| license.product.as_ref());
    row.expect("license_id", sold == order.product.as_ref(), "the order is for another product");
    let noted = known.audit.created.get(&license);
    let is_noted = noted.is_some_and(|(_, detail)| detail.ends_with(&format!(", order {id}")));
    row.expect("license_id", is_noted, "the license was not noted as sold under that order");
    order.noted = noted.map(|(at, _)| *at);
}
