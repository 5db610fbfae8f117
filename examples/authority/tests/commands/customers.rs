//! Customers, and the orders that they have.

use serde_json::json;

use crate::{
    program::{Authority, field},
    support::ledger::Ledger,
};

#[test]
fn a_customer_is_noted_found_and_changed_and_no_note_reaches_a_device() {
    let authority = Authority::new();
    let new = |name: &str, more: &[&str]| {
        authority.run(&[&["customer", "new", "--name", name], more].concat(), b"")
    };
    let notes = "pays late, and knows why";
    let made =
        new("Jane Doe", &["--email", "jane@example.com", "--external-id", "4711", "--notes", notes]).json();
    let id = field(&made, "id").to_owned();
    assert_eq!(authority.done(&["customer", "show", &id]), made);
    assert_eq!(authority.done(&["customer", "show", "--external-id", "4711"]), made);
    assert_eq!(new("Joe", &["--external-id", "4711"]).json()["error"], "customer-there");
    assert_eq!(new("Joe", &[]).code, 0);
    let long = "x".repeat(1_025);
    for (name, more) in [("", &[][..]), (&long, &[]), ("a\nb", &[]), ("Joe", &["--email", "no address"])] {
        assert_eq!(new(name, more).json()["error"], "invalid-input", "{name} {more:?}");
    }
    let listed = authority.done(&["customer", "list"]);
    assert_eq!(listed["customers"].as_array().unwrap().len(), 2);
    let listed = authority.done(&["customer", "list", "--email", "jane@example.com"]);
    assert_eq!(listed["customers"], json!([made]));

    let edit = |more: &[&str]| authority.run(&[&["customer", "edit", &id], more].concat(), b"");
    let edited = edit(&["--name", "Jane Smith", "--if-version", "1"]).json();
    assert_eq!(
        (&edited["name"], &edited["email"], &edited["revision"]),
        (&json!("Jane Smith"), &made["email"], &json!(2))
    );
    assert_eq!(edit(&["--name", "Jane Roe", "--if-version", "1"]).json()["error"], "superseded");
    assert_eq!(
        authority.refused(&["customer", "edit", "0123456789abcdef", "--name", "x"], b""),
        "unknown-customer"
    );

    // The license takes the name, and nothing else.
    let sold = authority.done(&["license", "new", "--customer", &id]);
    let device = authority.activated("device", field(&sold, "key"));
    let status = device.check().unwrap();
    assert_eq!(status.license().unwrap().licensee, "Jane Smith");
    let license = status.license().unwrap().as_bytes().to_vec();
    for text in [notes, "jane@example.com", "4711"] {
        assert!(!license.windows(text.len()).any(|bytes| bytes == text.as_bytes()), "{text}");
    }
    let of_her = authority.done(&["license", "list", "--customer", &id]);
    assert_eq!(
        (of_her["licenses"].as_array().unwrap().len(), &of_her["licenses"][0]["customer"]),
        (1, &json!(id))
    );
    let license = field(&sold, "license").to_owned();
    let set = ["--set", "licensee=\"Jane Roe\"", "--metadata", "buyer=Jane", "--seats", "7"];
    authority.done(&[&["license", "edit", &license], &set[..]].concat());
    let details: Vec<String> =
        authority.audit().iter().map(|line| field(line, "detail").to_owned()).collect();
    assert!(details.iter().all(|detail| !detail.contains("Jane")), "{details:?}");
    assert!(details.contains(&format!("1 seats, customer {id}")), "{details:?}");
    assert!(details.contains(&"licensee changed, metadata changed, seats 1 -> 7".into()), "{details:?}");
    // Who she is is in no line of the audit, which forgets nothing.
    assert!(authority.audit().iter().all(|line| !line.to_string().contains("example.com")));
    assert_eq!(authority.run(&["license", "new"], b"").code, 2, "nobody licenses it");
    assert_eq!(
        authority.refused(&["license", "new", "--customer", "0123456789abcdef"], b""),
        "unknown-customer"
    );
    authority.done(&["verify"]);
}

#[test]
fn an_order_names_its_buyer_and_is_ended_with_all_its_licenses() {
    let authority = Authority::new();
    let jane = field(&authority.done(&["customer", "new", "--name", "Jane"]), "id").to_owned();
    let order = |more: &[&str]| {
        let new = ["license", "new", "--order", "77", "--count", "2", "--seats", "3", "--customer", &jane];
        authority.run(&[&new[..], more].concat(), b"")
    };
    assert_eq!(order(&["--reseller", "ACME"]).code, 0);
    assert_eq!(order(&["--reseller", "ACME"]).code, 3);
    // Whatever Jane is called by now.
    authority.done(&["customer", "edit", &jane, "--name", "Jane Smith"]);
    assert_eq!(order(&["--reseller", "ACME"]).code, 3);
    assert_eq!(order(&["--reseller", "Other"]).json()["error"], "order-differs");
    assert_eq!(order(&[]).json()["error"], "order-differs");
    let listed = authority.done(&["order", "list"])["orders"].clone();
    let shown = authority.done(&["order", "show", "77"]);
    assert_eq!((&listed[0]["id"], &listed[0]["count"]), (&shown["id"], &json!(2)));
    assert_eq!(shown["terms"], json!({ "seats": 3 }));
    assert_eq!((field(&shown, "customer"), field(&shown, "reseller")), (&*jane, "ACME"));
    assert_eq!(field(&shown, "state"), "sold");

    let first = field(&shown["licenses"][0], "license").to_owned();
    authority.done(&["license", "void", &first, "--yes"]);
    assert_eq!(authority.run(&["order", "void", "77"], b"").code, 2);
    assert_eq!(authority.done(&["order", "void", "77", "--reason", "refunded", "--yes"])["voided"], 1);
    assert_eq!(authority.done(&["order", "void", "77", "--yes"])["voided"], 0);
    assert_eq!(field(&authority.done(&["order", "show", "77"]), "state"), "void");
    let licenses = authority.done(&["license", "list"])["licenses"].as_array().unwrap().clone();
    assert!(licenses.iter().all(|license| license["voided"].is_string()));
    assert_eq!(authority.refused(&["order", "show", "78"], b""), "unknown-order");
    authority.done(&["verify"]);
}

#[test]
fn nothing_from_outside_reaches_a_terminal_as_a_command_to_it() {
    let authority = Authority::new();
    let odd = ["--order", "77", "--reseller", "\u{1b}[2J"];
    assert_eq!(
        authority.refused(&[&["license", "new", "--licensee", "Jane"], &odd[..]].concat(), b""),
        "invalid-input"
    );
    authority.sell("1", &["--order", "77", "--reseller", "ACME"]);
    Ledger::open(&authority).execute("UPDATE sale SET reseller = '\u{1b}[2J\u{9b}1m\u{202e}EMCA\n'");
    for show in [&["order", "list"][..], &["order", "show", "77"]] {
        let shown = authority.text(show).stdout;
        assert!(shown.contains("[2J") && shown.contains("EMCA"), "{shown:?}");
        let is_odd = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!shown.contains(is_odd), "{shown:?}");
    }
    assert_eq!(authority.text(&["order", "list"]).stdout.lines().count(), 1);
}
