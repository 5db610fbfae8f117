//! Products and what is sold of them: a sale says what it says, the product the rest, and what holds for all the rest
//! of that.

use nodelock::Reason;
use serde_json::json;

use crate::program::{Authority, field};

#[test]
fn a_sale_without_a_word_is_on_the_terms_of_its_product() {
    let authority = Authority::new();
    let shown = authority.done(&["product", "show"]);
    assert_eq!(
        (&shown["terms"], &shown["revision"], field(&shown, "root")),
        (&json!({}), &json!(1), &*authority.root)
    );
    let new = |more: &[&str]| {
        let sold = authority.done(&[&["license", "new", "--licensee", "Jane Doe"], more].concat());
        let licenses = authority.done(&["license", "list"])["licenses"].as_array().unwrap().clone();
        (
            licenses.into_iter().find(|row| row["id"] == sold["license"]).unwrap(),
            field(&sold, "key").to_owned(),
        )
    };
    // Nobody said anything yet.
    let (license, key) = new(&[]);
    let first = license["id"].clone();
    assert_eq!((&license["seats"]["total"], &license["seats"]["deactivations"]), (&json!(1), &json!(0)));
    let device = authority.activated("device", &key);
    assert!(device.deactivate_offline(Reason::Moved).is_err(), "no deactivation is left");

    authority.done(&["policy", "edit", "--lease-days", "30", "--deactivations", "1", "--expires-days", "10"]);
    let (license, _) = new(&[]);
    assert_eq!((&license["lease_days"], &license["seats"]["deactivations"]), (&json!(30), &json!(1)));
    assert!(license["expires"].is_string());
    let edit = [
        "product",
        "edit",
        "--seats",
        "3",
        "--deactivations",
        "3",
        "--feature",
        "export",
        "--expires-days",
        "none",
    ];
    let edited = authority.done(&edit);
    assert_eq!((&edited["revision"], &edited["terms"]["seats"]), (&json!(2), &json!(3)));
    let (license, _) = new(&["--deactivations", "none", "--one-seat-per-machine"]);
    assert_eq!((&license["seats"]["total"], &license["seats"]["deactivations"]), (&json!(3), &json!(null)));
    assert_eq!((&license["lease_days"], &license["expires"]), (&json!(30), &json!(null)));
    assert_eq!(license["features"][0]["name"], "export");

    // What was sold stays as it was sold, and what nobody says any more falls back.
    authority.done(&["product", "edit", "--unset", "deactivations", "--set", "unbindable_lease_days=7"]);
    let (license, _) = new(&[]);
    assert_eq!(license["seats"]["deactivations"], 1);
    assert_eq!(authority.done(&["product", "show"])["terms"]["unbindable_lease_days"], 7);
    let listed = authority.done(&["license", "list"])["licenses"].as_array().unwrap().clone();
    let first = listed.iter().find(|row| row["id"] == first).unwrap();
    assert_eq!(first["seats"]["deactivations"], 0);
    authority.done(&["verify"]);
}

#[test]
fn a_template_that_nothing_can_be_sold_on_is_refused_and_so_is_one_that_somebody_else_changed() {
    let authority = Authority::new();
    let edit = |more: &[&str]| authority.run(&[&["product", "edit"], more].concat(), b"");
    for (more, code, error) in [
        (&["--margin-days", "1"][..], 1, "invalid-input"),
        (&["--set", "seat=1"], 2, "usage"),
        (&["--set", "id=\"0123456789abcdef\""], 2, "usage"),
        (&["--unset", "seats"], 2, "usage"),
        (&[], 2, "usage"),
        (&["--if-version", "2", "--seats", "5"], 1, "superseded"),
    ] {
        let refused = edit(more);
        assert_eq!((refused.code, field(&refused.json(), "error")), (code, error), "{more:?}");
    }
    assert_eq!(edit(&["--if-version", "1", "--seats", "5"]).code, 0);
    let refused = edit(&["--if-version", "1", "--seats", "6"]).json();
    assert!(field(&refused, "message").contains("version 1, and version 2"), "{refused}");
    assert_eq!(authority.refused(&["product", "show", "other"], b""), "unknown-product");
    assert_eq!(authority.run(&["product", "show", "../x"], b"").code, 2);
    let actions: Vec<_> = authority.actions().into_iter().map(|(_, action)| action).collect();
    assert_eq!(actions, ["set-up", "product-edited"]);
}

#[test]
fn an_order_that_comes_again_is_the_same_although_its_product_changed() {
    let authority = Authority::new();
    let order = ["license", "new", "--licensee", "Jane Doe", "--order", "7"];
    authority.done(&["product", "edit", "--expires-days", "30"]);
    assert_eq!(authority.run(&order, b"").code, 0);
    authority.done(&["product", "edit", "--seats", "9", "--expires-days", "60"]);
    let again = authority.run(&order, b"");
    assert_eq!((again.code, field(&again.json(), "error")), (3, "sold-already"));
    let more = [&order[..], &["--seats", "9"]].concat();
    assert_eq!(authority.refused(&more, b""), "order-differs");
}
