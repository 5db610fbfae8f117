//! Lists by a filter: what passes, in which order, and by which index.

use super::*;
use crate::{
    domain::{Customer, CustomerDetails, CustomerId, Order, OrderKey, Product, Said},
    store::{
        customer_pages, insert_customer, insert_product, insert_sale, insert_sale_license, order_pages,
        set_terms, set_void,
    },
};

fn filter(list: List, text: &str) -> Filter {
    Filter::read(list, text).unwrap_or_else(|failure| panic!("{text}: {}", failure.message()))
}

/// All rows, on pages of two.
async fn all<T>(tx: &mut Tx, pages: Pages<T>) -> Vec<T> {
    let mut pages = pages.after(None, 2).unwrap();
    let mut rows = Vec::new();
    while !pages.is_over() {
        let page = pages.next(tx).await.unwrap();
        assert!(page.len() <= 2);
        rows.extend(page.into_iter().map(Result::unwrap));
        // Another process goes on from where this one was.
        let place = pages.place().map(<[_]>::to_vec);
        pages = pages.after(place, 2).unwrap();
    }
    rows
}

async fn licensees(tx: &mut Tx, text: &str) -> Vec<String> {
    let rows = all(tx, license_pages(filter(List::Licenses, text))).await;
    rows.into_iter().map(|row| row.license.terms.licensee).collect()
}

/// Five licenses, one after the other, each with an order and a customer of its own.
async fn fill(tx: &mut Tx) -> Vec<LicenseTerms> {
    let product = Product {
        id: "example".parse().unwrap(),
        name: "Example".to_owned(),
        root: SigningKey::generate(&SystemRandom).unwrap().public_key(),
        template: Said::default(),
        created: at(0).time,
        revision: 1,
        keeps_keys: true,
        trial_license: None,
        is_first: true,
    };
    insert_product(tx, &product).await.unwrap();
    let mut sold = Vec::new();
    for (number, licensee) in (0..).zip(["NW-2", "Jane", "nw-1", "NX", "Ämter"]) {
        let mut terms =
            LicenseTerms::new(LicenseId::generate(&SystemRandom).unwrap(), "Example", 1, at(0).time);
        terms.licensee = licensee.to_owned();
        terms.expires = (number != 1).then(|| at(1_000 - 100 * number).time);
        let key = LicenseKeyName::new(licensee).unwrap();
        let customer = Customer {
            id: CustomerId::generate(&SystemRandom).unwrap(),
            details: CustomerDetails {
                name: licensee.to_owned(),
                email: format!("{number}@example.com"),
                external_id: if number == 0 { String::new() } else { format!("C-{number}") },
                ..CustomerDetails::default()
            },
            created: at(number).time,
            revision: 1,
            erased: None,
        };
        insert_customer(tx, &customer).await.unwrap();
        insert_license(tx, &terms, &key, None, &at(number)).await.unwrap();
        let key = OrderKey {
            id: format!("order/{number}"),
            product: "example".parse().unwrap(),
            seller: String::new(),
        };
        let order = Order {
            key,
            said: Said::default(),
            count: 1,
            customer: Some(customer.id),
            reseller: if number == 2 { "Shop".to_owned() } else { String::new() },
        };
        assert!(insert_sale(tx, &order, &at(number)).await.unwrap());
        insert_sale_license(tx, &order.key, 0, terms.id).await.unwrap();
        sold.push(terms);
    }
    sold
}

#[tokio::test]
async fn what_passes_a_filter_is_listed_over_pages_in_the_order_of_its_index() {
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    let mut sold = fill(&mut tx).await;
    sold[1].suspended = true;
    set_terms(&mut tx, &sold[1], 2, &at(9)).await.unwrap();
    set_void(&mut tx, sold[2].id, &at(9)).await.unwrap();
    sold[2].suspended = true;
    set_terms(&mut tx, &sold[2], 2, &at(9)).await.unwrap();
    for (text, expected) in [
        ("", &["NW-2", "Jane", "nw-1", "NX", "Ämter"][..]),
        ("state:active", &["NW-2", "NX", "Ämter"]),
        ("state:suspended", &["Jane"]),
        ("state:void", &["nw-1"]),
        ("licensee~nw-", &["nw-1", "NW-2"]),
        ("licensee~N state:active", &["NW-2", "NX"]),
        ("licensee:JANE", &["Jane"]),
        ("licensee~\"\"", &["NW-2", "Jane", "nw-1", "NX", "Ämter"]),
        ("created>2020-01-01 created>2026-09-21T14:13:22Z created<2090-01-01", &["NX", "Ämter"]),
        ("state:active state:suspended", &[]),
        ("licensee~Ä", &["Ämter"]),
        ("order:order/3", &["NX"]),
        ("order:order/3 state:void", &[]),
        ("expires<2090-01-01", &["Ämter", "NX", "nw-1", "NW-2"]),
        ("expires>=2090-01-01", &["Jane"]),
        ("created<=2026-09-21T14:13:22Z created>2026-09-21T14:13:20Z", &["Jane", "nw-1"]),
        ("key:none", &[]),
        ("customer:0123456789abcdef", &[]),
        ("seller:nobody", &[]),
        ("product:example", &["NW-2", "Jane", "nw-1", "NX", "Ämter"]),
        ("product:other", &[]),
    ] {
        assert_eq!(licensees(&mut tx, text).await, expected, "{text}");
    }
    let customers = async |tx: &mut Tx, text: &str| -> Vec<String> {
        let rows = all(tx, customer_pages(filter(List::Customers, text))).await;
        rows.into_iter().map(|row| row.details.name).collect()
    };
    for (text, expected) in [
        ("name~n", &["nw-1", "NW-2", "NX"][..]),
        ("email:3@example.com", &["NX"]),
        ("external_id:C-4", &["Ämter"]),
        ("external_id:\"\"", &[]),
        ("created>=2026-09-21T14:13:23Z", &["NX", "Ämter"]),
    ] {
        assert_eq!(customers(&mut tx, text).await, expected, "{text}");
    }
    for (text, expected) in
        [("reseller:Shop", 1), ("state:sold", 5), ("state:void", 0), ("sold>2026-09-21T14:13:22Z", 2)]
    {
        let rows = all(&mut tx, order_pages(filter(List::Orders, text))).await;
        assert_eq!(rows.len(), expected, "{text}");
    }
}

#[tokio::test]
async fn a_page_looks_at_so_many_rows_and_the_next_one_goes_on_behind_them() {
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    fill(&mut tx).await;
    for (text, expected) in [
        ("created>2020-01-01 expires>2020-01-01 product:other", &[&[][..], &[], &[]][..]),
        ("key:none created>2020-01-01", &[&[]]),
        ("state:active created>2026-09-21T14:13:22Z", &[&["NX", "Ämter"]]),
        ("product:example state:active", &[&["NW-2", "Jane"], &["nw-1", "NX"], &["Ämter"]]),
        ("expires<2090-01-01 product:example", &[&["Ämter", "NX"], &["nw-1", "NW-2"], &[]]),
        ("expires<2090-01-01 created>=2026-09-21T14:13:22Z", &[&["Ämter", "NX"], &["nw-1"], &[]]),
        ("licensee~n created>2026-09-21T14:13:21Z", &[&["nw-1"], &["NX"]]),
    ] {
        let mut pages = license_pages(filter(List::Licenses, text)).looking_at(2);
        let mut found = Vec::new();
        while !pages.is_over() {
            let page = pages.next(&mut tx).await.unwrap();
            found.push(page.into_iter().map(|row| row.unwrap().license.terms.licensee).collect::<Vec<_>>());
        }
        assert_eq!(found, expected, "{text}");
    }
}

#[tokio::test]
async fn a_place_in_another_list_is_refused() {
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    fill(&mut tx).await;
    let mut pages = license_pages(filter(List::Licenses, "licensee~n")).after(None, 1).unwrap();
    pages.next(&mut tx).await.unwrap();
    let place = pages.place().unwrap().to_vec();
    let by_age = |place| license_pages(filter(List::Licenses, "state:active")).after(Some(place), 1);
    assert!(by_age(place.clone()).is_err());
    assert!(by_age(Vec::new()).is_err());
    assert!(seat_pages(Filter::all(List::Seats), at(0).time).after(Some(place.clone()), 1).is_err());
    assert!(license_pages(filter(List::Licenses, "licensee~n")).after(Some(place), 1).is_ok());
}

/// Each field is looked for by an index, and rows come out of it in the order of the list: nothing is sorted that could
/// be long.
#[tokio::test]
async fn each_field_is_looked_for_by_an_index() {
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    fill(&mut tx).await;
    let postgres = super::is_postgres();
    if postgres {
        // There are few rows, and it would rather read all of them.
        run_script(&mut tx, "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            .await
            .unwrap();
    }
    let id = "0123456789abcdef";
    let of = |field: &str| format!("{field}:{id}");
    let cases = [
        (List::Licenses, String::new(), "license_by_age"),
        (List::Licenses, "created<2090-01-01".into(), "license_by_age"),
        (List::Licenses, "state:active".into(), "license_by_state"),
        (List::Licenses, "licensee~N".into(), "license_by_licensee"),
        (List::Licenses, "licensee:N".into(), "license_by_licensee"),
        (List::Licenses, "expires<2090-01-01".into(), "license_by_end"),
        (List::Licenses, "product:example".into(), "license_of_product_by_age"),
        (List::Licenses, of("customer"), "license_of_customer_by_age"),
        (
            List::Licenses,
            "product:example state:active licensee~N created>2020-01-01".into(),
            "license_by_licensee",
        ),
        (List::Licenses, "state:active created<2090-01-01".into(), "license_by_state"),
        (List::Licenses, "state:active product:example".into(), "license_of_product_by_age"),
        (List::Licenses, "state:void product:example".into(), "license_by_state"),
        (List::Licenses, "licensee~\"\" product:example".into(), "license_of_product_by_age"),
        (List::Licenses, "licensee~\"\"".into(), "license_by_age"),
        (List::Seats, String::new(), "seat_by_age"),
        (List::Seats, "label~NW-".into(), "seat_by_label"),
        (List::Seats, "last_contact<2090-01-01 state:active".into(), "seat_by_contact"),
        (List::Seats, "last_contact<2090-01-01 state:held".into(), "seat_by_state"),
        (List::Seats, "state:held".into(), "seat_by_state"),
        (List::Seats, "came_back:yes".into(), "seat_by_return"),
        (List::Seats, "came_back<2090-01-01 state:revoked".into(), "seat_by_return"),
        (List::Seats, "product:example".into(), "seat_of_product_by_age"),
        (List::Seats, of("license"), "seat_of_license_by_age"),
        (List::Customers, String::new(), "customer_by_age"),
        (List::Customers, "name~N".into(), "customer_by_name"),
        (List::Customers, "email:x".into(), "customer_by_email"),
        (List::Customers, "external_id:x".into(), "customer_by_external_id"),
        (List::Orders, String::new(), "sale_by_age"),
        (List::Orders, "product:example".into(), "sale_of_product"),
        (List::Orders, of("customer"), "sale_of_customer"),
        (List::Orders, "reseller:Shop".into(), "sale_by_reseller"),
        (List::Orders, "state:sold".into(), "sale_by_state"),
    ];
    for (list, text, index) in cases {
        let filter = filter(list, &text);
        let plan = match list {
            List::Licenses => license_pages(filter).plan(&mut tx).await,
            List::Seats => seat_pages(filter, at(0).time).plan(&mut tx).await,
            List::Customers => customer_pages(filter).plan(&mut tx).await,
            List::Orders => order_pages(filter).plan(&mut tx).await,
        };
        let plan = plan.unwrap();
        // Among the indexes of several terms, PostgreSQL chooses by what it knows of the rows.
        let is_chosen = postgres && text.contains(' ') && plan.contains("Index Scan");
        // What several terms pass is sorted within the rows that are looked at.
        let is_bounded = text.contains(' ') && plan.contains(if postgres { "Limit" } else { "CO-ROUTINE" });
        assert!((plan.contains(index) || is_chosen) && !plan.contains("Seq Scan"), "{text:?}: {plan}");
        let sorts = plan.contains("TEMP B-TREE") || plan.contains("Sort");
        // One customer, or those of one address.
        let is_short = text.starts_with("email") || text.starts_with("external_id");
        assert!(!sorts || is_short || is_bounded || postgres, "{text:?}: {plan}");
    }
    for (text, table) in
        [("order:x", "sale_license"), ("key:x", "license_key"), ("seller:x", "license_of_seller")]
    {
        let plan = license_pages(filter(List::Licenses, text)).plan(&mut tx).await.unwrap();
        assert!(
            plan.contains(table) && !plan.contains("SCAN") && !plan.contains("Seq Scan"),
            "{text}: {plan}"
        );
    }
}
