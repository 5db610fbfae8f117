//! Licenses, and the orders that they were sold under.

use std::collections::{HashMap, HashSet};

use nodelock::{
    LicenseId, Timestamp,
    authority::{Allowance, Allowances, KeyHash, LicenseKeyName, LicenseTerms},
};

use super::{Findings, Known, License, OrderName, audit::look_at_actor, row::Row};
use crate::{
    domain::{Finding, Said},
    failure::Result,
    keys::Vault,
    store::{self, NO_KEY, Tx, raw},
};

pub(super) async fn look(
    tx: &mut Tx,
    vault: Option<&Vault>,
    known: &mut Known,
    findings: &mut Findings,
) -> Result<()> {
    raw::walk(tx, raw::CUSTOMER, |raw| look_at_customer(&mut Row::new(raw, raw::CUSTOMER, findings), known))
        .await?;
    raw::walk(tx, raw::LICENSE, |raw| look_at_license(&mut Row::new(raw, raw::LICENSE, findings), known))
        .await?;
    raw::walk(tx, raw::TERMS, |raw| look_at_terms(&mut Row::new(raw, raw::TERMS, findings), known)).await?;
    raw::walk(tx, raw::LICENSE_KEY, |raw| {
        look_at_key(&mut Row::new(raw, raw::LICENSE_KEY, findings), vault, known);
    })
    .await?;
    for (id, license) in &known.licenses {
        let lacks = [("version", !license.has_terms), ("key_hash", !license.has_key)];
        for (column, _) in lacks.into_iter().filter(|(_, lacks)| *lacks) {
            findings.add(Finding {
                table: "license".to_owned(),
                column: Some(column.to_owned()),
                license: Some(*id),
                seat: None,
                row: None,
                detail: "there is no such row beside it".to_owned(),
            });
        }
    }
    let mut orders: HashMap<OrderName, Order> = HashMap::new();
    raw::walk(tx, raw::SALE, |raw| {
        let mut row = Row::new(raw, raw::SALE, findings);
        let id = row.text("order_id");
        row.name.clone_from(&id);
        if let Some(said) = row.record::<Said>("said") {
            row.expect("said", said.check().is_ok(), "no license can be made of it");
        }
        let customer = customer_of(&mut row, known);
        let (product, seller, reseller) = (row.text("product_id"), row.text("seller"), row.text("reseller"));
        if let (Some(seller), Some(reseller)) = (&seller, reseller) {
            row.expect("reseller", seller.is_empty() || reseller == *seller, "another one sold it");
        }
        let (state, sold) = (row.text("state"), row.time("sold"));
        let (Some(id), Some(product), Some(seller)) = (id, product, seller) else { return };
        let name = (id, product, seller);
        if let Some(state) = state {
            let noted = if known.audit.void_orders.contains(&name) { "void" } else { "sold" };
            row.expect("state", state == noted, "it is not what was noted");
        }
        orders.insert(name, Order { sold, customer, noted: None, licenses: 0 });
    })
    .await?;
    let mut ordered = HashSet::new();
    raw::walk(tx, raw::SALE_LICENSE, |raw| {
        let mut row = Row::new(raw, raw::SALE_LICENSE, findings);
        look_at_sold(&mut row, known, &mut orders);
        ordered.extend(row.license);
    })
    .await?;
    for (id, (_, sold)) in &known.audit.created {
        if let Some(order) = sold.order.as_ref().filter(|_| !ordered.contains(id)) {
            findings.add(Finding {
                table: "sale_license".to_owned(),
                column: Some("license_id".to_owned()),
                license: Some(*id),
                seat: None,
                row: None,
                detail: format!("it was noted as sold under order {order}"),
            });
        }
    }
    for ((id, ..), order) in orders {
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
        let License { said, taken, deactivated, activated, .. } = license;
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
    customer: Option<String>,
    /// When the audit has the last of them as sold.
    noted: Option<Timestamp>,
    licenses: i64,
}

fn look_at_license(row: &mut Row<'_>, known: &mut Known) {
    let id = row.parsed::<LicenseId>("id");
    row.license = id;
    let key = (row.bytes("key_hash"), row.text("key_hint"));
    if let Some(hash) = &key.0 {
        row.expect("key_hash", hash.len() == 32, "it is no hash of a key");
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
    let version = row.number("version");
    if let (Some(id), Some(version)) = (id, version) {
        let changed = known.audit.changed.get(&id).copied().unwrap_or(0);
        row.expect("version", version == changed + 1, "it was noted as changed more or less often");
    }
    let noted = id.and_then(|id| known.audit.voided.get(&id)).copied();
    match row.is_null("voided") {
        true => row.expect("voided", noted.is_none(), "the license was noted as ended"),
        false => {
            let voided = row.time("voided");
            row.expect("voided", voided == noted, "it is not when the license was noted as ended");
        }
    }
    let (licensee, state) = (row.text("licensee"), row.text("state"));
    let expires = row.number("expires");
    if let Some(terms) = &terms {
        let is_void = !row.is_null("voided");
        row.expect("licensee", licensee.is_none_or(|of| of == terms.licensee), "its terms say another one");
        let expected = store::end_of(terms);
        row.expect("expires", expires.is_none_or(|end| end == expected), "its terms have another end");
        let expected = store::state_of(terms, is_void);
        row.expect("state", state.is_none_or(|state| state == expected), "its terms are in another state");
    }
    let customer = customer_of(row, known);
    let sold = id.and_then(|id| known.audit.created.get(&id)).and_then(|(_, sold)| sold.customer.as_ref());
    let noted = id.and_then(|id| known.audit.given.get(&id)).or(sold);
    row.expect("customer_id", customer.as_ref() == noted, "it was noted as of another customer, or of none");
    if let Some(id) = id {
        // One that the ledger had lost has no key until it is given one.
        let has_key = key.1.as_deref() == Some(NO_KEY);
        let license =
            License { customer, said, product, terms, created, version, key, has_key, ..License::default() };
        known.licenses.insert(id, license);
    }
}

/// The customer that a row names, if it names one.
fn customer_of(row: &mut Row<'_>, known: &Known) -> Option<String> {
    let customer = row.text_or_null("customer_id").flatten();
    let is_known = customer.as_ref().is_none_or(|id| known.audit.customers.contains_key(id));
    row.expect("customer_id", is_known, "there is no such customer");
    customer
}

fn look_at_customer(row: &mut Row<'_>, known: &Known) {
    let id = row.text("id");
    row.name.clone_from(&id);
    let entered = id.as_ref().and_then(|id| known.audit.customers.get(id)).copied();
    row.expect("id", id.is_none() || entered.is_some(), "no such customer was noted");
    if let Some(created) = row.time("created") {
        row.expect("created", Some(created) == entered, "it is not when the customer was noted");
    }
    if let (Some(id), Some(revision)) = (&id, row.number("revision")) {
        let edited = known.audit.customers_edited.get(id).copied().unwrap_or(0);
        row.expect("revision", revision == edited + 1, "it was noted as changed more or less often");
    }
    let texts =
        ["name", "email", "external_id", "notes", "language"].map(|column| (column, row.text(column)));
    let erased = id.as_ref().and_then(|id| known.audit.customers_erased.get(id)).copied();
    match row.is_null("erased") {
        true => row.expect("erased", erased.is_none(), "the customer was noted as erased"),
        false => {
            let at = row.time("erased");
            row.expect("erased", at == erased, "it is not when the customer was noted as erased");
        }
    }
    for (column, text) in texts {
        let is_there = erased.is_none() || text.is_none_or(|text| text.is_empty());
        row.expect(column, is_there, "the customer was erased");
    }
}

/// A version of the terms of a license. The latest is what the license says.
fn look_at_terms(row: &mut Row<'_>, known: &mut Known) {
    row.license = row.parsed::<LicenseId>("license_id");
    let (version, at) = (row.number("version"), row.time("at"));
    look_at_actor(row, "actor");
    let record = row.record::<LicenseTerms>("record");
    let license = row.license.and_then(|id| known.licenses.get_mut(&id));
    let Some(license) = license else { return row.wrong("license_id", "there is no such license") };
    if let Some(record) = &record {
        row.expect("record", row.license == Some(record.id), "it is of another license");
        row.expect("record", record.validate().is_ok(), "no license could be issued on them");
    }
    let (Some(version), Some(latest)) = (version, license.version) else { return };
    row.expect("version", (1..=latest).contains(&version), "the license has no such version");
    if version == 1 {
        row.expect("at", at.is_none() || at == license.created, "it is not when the license was sold");
    }
    if version == latest {
        license.has_terms = true;
        row.expect("record", record.is_none() || record == license.terms, "the license says something else");
    }
}

/// A key of a license, compared with its sealed copy where there is one and the vault is here.
fn look_at_key(row: &mut Row<'_>, vault: Option<&Vault>, known: &mut Known) {
    row.license = row.parsed::<LicenseId>("license_id");
    let (hash, hint) = (row.bytes("hash"), row.text("hint"));
    let created = row.time("created");
    if !row.is_null("revoked") {
        let revoked = row.time("revoked");
        row.expect("revoked", revoked >= created, "it was before there was such a key");
    }
    let Some(license) = row.license.and_then(|id| known.licenses.get_mut(&id)) else {
        return row.wrong("license_id", "there is no such license");
    };
    let is_not_before = row.is_not_before(created, license.created);
    row.expect("created", is_not_before, "the license was sold later");
    let (Some(hash), Some(hint)) = (hash, hint) else { return };
    row.expect("hint", matches!(hint.chars().count(), 1 | 5), "it is no end of a key");
    let Ok(bytes) = <[u8; 32]>::try_from(hash.as_slice()) else {
        return row.wrong("hash", "it is no hash of a key");
    };
    if license.key.0.as_ref() == Some(&hash) {
        license.has_key = true;
        row.expect("hint", license.key.1.as_ref() == Some(&hint), "the license says something else");
    }
    if row.is_null("sealed") {
        return;
    }
    let (Some(sealed), Some(id)) = (row.bytes("sealed"), row.license) else { return };
    let Some(vault) = vault.filter(|vault| vault.has_sealed(&sealed)) else {
        known.keys_not_compared += 1;
        return;
    };
    let key = vault.unseal(id, KeyHash(bytes), &sealed).and_then(|text| LicenseKeyName::new(&text));
    let is_it = key.is_some_and(|key| key.hash().0 == bytes && key.hint() == hint);
    row.expect("sealed", is_it, "it is not the key of that hash and end");
}

fn look_at_sold(row: &mut Row<'_>, known: &Known, orders: &mut HashMap<OrderName, Order>) {
    let (id, product, seller) = (row.text("order_id"), row.text("product_id"), row.text("seller"));
    let (position, license) = (row.number("position"), row.parsed::<LicenseId>("license_id"));
    row.name.clone_from(&id);
    row.license = license;
    let (Some(id), Some(product), Some(seller)) = (id, product, seller) else { return };
    let name = (id, product, seller);
    let Some(order) = orders.get_mut(&name) else {
        return row.wrong("order_id", "there is no such order");
    };
    let (id, product, seller) = name;
    row.expect("position", position == Some(order.licenses), "the licenses of an order are numbered from 0");
    order.licenses += 1;
    let Some(license) = license else { return };
    let sold = known.licenses.get(&license);
    let sold_of = sold.and_then(|license| license.product.as_ref());
    row.expect("license_id", sold_of == Some(&product), "the order is for another product");
    let customer = sold.and_then(|license| license.customer.as_ref());
    // It may have been given to another one since.
    let is_of_order = customer == order.customer.as_ref() || known.audit.given.contains_key(&license);
    row.expect("license_id", is_of_order, "the order is of another customer");
    let noted = known.audit.created.get(&license);
    let is_noted = noted.is_some_and(|(_, sold)| {
        sold.order.as_ref() == Some(&id) && sold.reseller.as_deref().unwrap_or_default() == seller
    });
    row.expect("license_id", is_noted, "the license was not noted as sold under that order");
    order.noted = noted.map(|(at, _)| *at);
}
