//! Lists that take a filter.

use crate::program::{Authority, field};

#[test]
fn a_list_has_what_passes_its_filter_and_a_wrong_one_is_refused_with_its_place() {
    let authority = Authority::new();
    let (first, key) = authority.sell("2", &["--order", "17"]);
    let (second, _) = authority.sell("1", &["--expires", "2090-01-01"]);
    authority.done(&["license", "suspend", &second]);
    let ids = |filter: &str| -> Vec<String> {
        let listed = authority.done(&["license", "list", "--filter", filter]);
        let licenses = listed["licenses"].as_array().unwrap().iter();
        let mut ids: Vec<String> = licenses.map(|license| field(license, "id").to_owned()).collect();
        // Those of one second are in the order of their ids, which are random.
        ids.sort();
        ids
    };
    assert_eq!(ids("state:active"), std::slice::from_ref(&first));
    assert_eq!(ids("expires<2090-01-02"), std::slice::from_ref(&second));
    assert_eq!(ids("licensee~\"jane d\" order:17"), std::slice::from_ref(&first));
    let mut both = [first.clone(), second.clone()];
    both.sort();
    assert_eq!(ids("product:example"), both);
    authority.done(&["license", "void", &second, "--yes"]);
    assert_eq!(ids("state:void"), [second]);

    authority.activated("pc", &key);
    let seats = |filter: &str| {
        authority.done(&["list", "--license", &first, "--filter", filter])["seats"].as_array().unwrap().len()
    };
    assert_eq!((seats("state:active last_contact>2020-01-01"), seats("state:held")), (1, 0));
    let orders = authority.done(&["order", "list", "--filter", "state:sold sold>2020-01-01"]);
    assert_eq!(orders["orders"][0]["id"], "17");
    authority.done(&["customer", "new", "--name", "Jane Doe"]);
    let customers = authority.done(&["customer", "list", "--filter", "name~JANE"]);
    assert_eq!(customers["customers"][0]["name"], "Jane Doe");

    for (list, filter) in [
        (&["license", "list"][..], "state:gone"),
        (&["list"], "licensee:x"),
        (&["customer", "list"], "name<x"),
        (&["order", "list"], "state:"),
    ] {
        let refused = authority.run(&[list, &["--filter", filter]].concat(), b"");
        assert_eq!(refused.code, 2, "{filter}");
        assert!(field(&refused.json(), "message").contains("at letter "), "{filter}");
    }
    authority.done(&["verify"]);
}
