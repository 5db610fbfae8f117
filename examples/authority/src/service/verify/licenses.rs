//! Licenses, and the orders that they were sold under.

use std::collections::HashMap;

use nodelock::{
    LicenseId, Timestamp,
    authority::{Allowance, Allowances, LicenseTerms},
};

use super::{Findings, Known, License, row::Row};
use crate::{
    domain::Finding,
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
        if let Some(mut terms) = row.record::<LicenseTerms>("terms") {
            let is_bare = terms.id == LicenseId::NONE && terms.starts == Timestamp::from_unix_seconds(0);
            row.expect("terms", is_bare, "an order has no license id and no start");
            row.expect("terms", Some(&terms.product) == known.product.as_ref(), "it is of another product");
            terms.id = LicenseId::from_bytes([1; 8]);
            row.expect("terms", terms.validate().is_ok(), "no license can be made of it");
        }
        let sold = row.time("sold");
        if let Some(id) = id {
            orders.insert(id, Order { sold, noted: None, licenses: 0 });
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
        let License { said, taken, deactivated, activated } = license;
        let counted = [("taken", *taken), ("deactivated", *deactivated), ("activated", *activated)];
        for ((column, counted), said) in counted.into_iter().zip(*said) {
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
        row.expect("terms", Some(&terms.product) == known.product.as_ref(), "it is of another product");
        row.expect("terms", terms.validate().is_ok(), "no license can be issued on them");
    }
    let created = row.time("created");
    let noted = id.and_then(|id| known.audit.created.get(&id)).map(|(at, _)| *at);
    row.expect("id", id.is_none() || noted.is_some(), "no such license was noted as sold");
    if let (Some(created), Some(noted)) = (created, noted) {
        row.expect("created", created == noted, "it is not when the license was noted as sold");
    }
    let said = ["taken", "deactivated", "activated"].map(|column| row.number(column));
    if let Some(Some(_)) = row.text_or_null("allowances")
        && let Some(allowances) = row.record::<Allowances>("allowances")
    {
        row.expect("allowances", row.is_past(allowances.since()), "its period has not begun yet");
        let used = [(Allowance::Deactivations, said[1]), (Allowance::Activations, said[2])];
        let is_used =
            |(of, used): (_, Option<i64>)| used.is_none_or(|used| i64::from(allowances.forgiven(of)) <= used);
        row.expect("allowances", used.into_iter().all(is_used), "more is forgiven than was used up");
    }
    if let Some(id) = id {
        known.licenses.insert(id, License { said, ..License::default() });
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
    let noted = known.audit.created.get(&license);
    let is_noted = noted.is_some_and(|(_, detail)| detail.ends_with(&format!(", order {id}")));
    row.expect("license_id", is_noted, "the license was not noted as sold under that order");
    order.noted = noted.map(|(at, _)| *at);
}
