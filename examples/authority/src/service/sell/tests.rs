use std::{slice, sync::Arc};

use serde_json::json;

use super::{
    super::{
        Keys,
        fixture::{Authority, address, now, vendor},
        new_account, new_product, order, product, verify,
    },
    *,
};
use crate::domain::{
    Actor, Bearer, OrderChoice, Who,
    rights::{Role, Scope},
};

fn bearer(who: Who) -> Occasion {
    Occasion { actor: Actor::Bearer(Arc::new(Bearer::new(who, address(1), Arc::default()))), ..vendor() }
}

async fn reseller(authority: &Authority, name: &str) -> Occasion {
    let password = Zeroizing::new("correct horse battery".to_owned());
    let database = authority.service.database();
    new_account(database, authority.service.vault(), (name, Role::Reseller, password), |_| Ok(()), &vendor())
        .await
        .unwrap();
    bearer(Who::Account { name: name.into(), role: Role::Reseller })
}

fn said(more: serde_json::Value) -> Said {
    let mut said: Said = serde_json::from_value(more).unwrap();
    said.say("licensee", "Jane Doe".into());
    said
}

fn ordered(id: &str, said: &Said) -> NewOrder {
    NewOrder { id: id.into(), said: said.clone(), count: 1, customer: None, reseller: String::new() }
}

/// Sells an order as a front does. Returns its license, and whether it was sold now.
async fn sold(
    authority: &Authority,
    of: &Product,
    new: NewOrder,
    by: &Occasion,
) -> Result<(LicenseId, bool)> {
    let (database, said) = (authority.service.database(), new.said.clone());
    let order = match place_order(database, of, new, by).await? {
        Placed::New(order) => order,
        Placed::Before(licenses) => return Ok((licenses[0].id, false)),
    };
    let offers = offers(&terms_of_sale(database, of, &said, by.time).await?, 1)?;
    let buyer = Buyer { order: Some(&order), customer: None, mails: false };
    match sell(database, None, &offers, buyer, || Ok(()), by).await? {
        Sale::Done => Ok((offers[0].terms.id, true)),
        Sale::Before(licenses) => Ok((licenses[0].id, false)),
    }
}

#[tokio::test]
async fn an_order_id_is_of_one_seller_and_product_and_nobody_uses_up_those_of_another() {
    let authority = Authority::new().await;
    let database = authority.service.database();
    let editor = product(database, None).await.unwrap();
    let (jane, john) = (reseller(&authority, "jane").await, reseller(&authority, "john").await);
    let new = ("Viewer", None);
    let viewer =
        new_product(database, &authority.path("keys"), new, &Said::default(), Keys::New, &vendor()).await;
    let viewer = viewer.unwrap();
    let program = bearer(Who::Token {
        id: "t".into(),
        scopes: vec![Scope::LicensesWrite],
        product: Some("Viewer".into()),
    });
    let (said, shop) = (said(json!({ "seats": 2 })), vendor());
    let mut sales = Vec::new();
    for (of, by) in [(&editor, &jane), (&editor, &john), (&viewer, &program), (&editor, &shop)] {
        let (license, is_new) = sold(&authority, of, ordered("1001", &said), by).await.unwrap();
        assert!(is_new, "{by:?}");
        sales.push((of, by, license));
    }
    // Each has its own again, and the shop that of the program, which sells for it.
    sales.push((&viewer, &shop, sales[2].2));
    for (of, by, license) in sales {
        assert_eq!(
            sold(&authority, of, ordered("1001", &said), by).await.unwrap(),
            (license, false),
            "{by:?}"
        );
    }
    let choice = |product: Option<&Product>, seller: Option<&str>| OrderChoice {
        id: "1001".into(),
        product: product.map(|of| of.id.clone()),
        seller: seller.map(str::to_owned),
    };
    for several in [choice(None, None), choice(Some(&editor), None), choice(None, Some(""))] {
        let refused = order(database, &several, &vendor()).await;
        assert!(matches!(refused, Err(Failure::AmbiguousOrder(_))));
    }
    let (row, licenses) = order(database, &choice(None, Some("john")), &vendor()).await.unwrap();
    assert_eq!((&*row.order.reseller, licenses.len()), ("john", 1));
    // Whose right is limited sees its own, whatever others have that id.
    let (row, _) = order(database, &choice(None, None), &jane).await.unwrap();
    assert_eq!(row.order.key.seller, "jane");
    let refused = order(database, &choice(None, Some("john")), &jane).await;
    assert!(matches!(refused, Err(Failure::UnknownOrder(_))));
    let verified = verify(database, &authority.path("keys"), &vendor()).await.unwrap();
    assert!(verified.findings.is_empty(), "{:?}", verified.findings);
}

#[tokio::test]
async fn an_order_that_comes_late_is_the_one_that_was_sold_whatever_holds_by_now() {
    let authority = Authority::new().await;
    let database = authority.service.database();
    let of = product(database, None).await.unwrap();
    let end = now().plus_days(3);
    let said = said(json!({ "expires": end.unix_seconds() }));
    let (license, _) = sold(&authority, &of, ordered("7", &said), &vendor()).await.unwrap();
    // The end has passed, and no license can be sold on what the product says.
    let late = Occasion { time: end.plus_days(1), ..vendor() };
    let of = Product { template: serde_json::from_value(json!({ "margin_days": 1 })).unwrap(), ..of };
    assert_eq!(sold(&authority, &of, ordered("7", &said), &late).await.unwrap(), (license, false));
    assert!(sold(&authority, &of, ordered("8", &said), &late).await.is_err(), "it is no order of before");
    // Whoever asked at the same time is told by `sell`, too.
    let mut terms = LicenseTerms::new(LicenseId::generate(&SystemRandom).unwrap(), &*of.name, 1, now());
    terms.expires = Some(end);
    let offer = Offer { terms, key: new_key().unwrap() };
    let key = OrderKey { id: "7".into(), product: of.id.clone(), seller: String::new() };
    let order = Order { key, said, count: 1, customer: None, reseller: String::new() };
    let buyer = Buyer { order: Some(&order), customer: None, mails: false };
    let outcome = sell(database, None, slice::from_ref(&offer), buyer, || Ok(()), &late).await.unwrap();
    assert!(matches!(outcome, Sale::Before(licenses) if licenses[0].id == license));
}

#[tokio::test]
async fn a_reseller_who_signed_in_sells_as_itself_and_whom_the_vendor_names_is_one_line() {
    let authority = Authority::new().await;
    let of = product(authority.service.database(), None).await.unwrap();
    let (jane, said) = (reseller(&authority, "jane").await, said(json!({})));
    let named = |id: &str, reseller: &str| NewOrder { reseller: reseller.into(), ..ordered(id, &said) };
    let invalid = |sold: Result<_>| sold.is_err_and(|failure| failure.name() == "invalid-input");
    for other in ["john", "ACME"] {
        assert!(invalid(sold(&authority, &of, named("1", other), &jane).await.map(drop)), "{other}");
    }
    for odd in ["\u{1b}[2J", "two\nlines", &"x".repeat(1_025)] {
        assert!(invalid(sold(&authority, &of, named("1", odd), &vendor()).await.map(drop)), "{odd:?}");
    }
    assert!(sold(&authority, &of, named("1", ""), &jane).await.unwrap().1);
    assert!(!sold(&authority, &of, named("1", "jane"), &jane).await.unwrap().1);
    assert!(sold(&authority, &of, named("1", "ACME"), &vendor()).await.unwrap().1);
}
