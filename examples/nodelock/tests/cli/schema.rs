//! `schema.json` describes what the program prints with `--json`: every object that these tests see is held against it.

use serde_json::Value;

#[path = "../../../../tests/support/schema.rs"]
mod reader;

const SCHEMA: &str = include_str!("../../schema.json");

/// Fails unless the schema's definition of that name describes the value.
pub fn check(name: &str, value: &Value) {
    reader::check(SCHEMA, name, value);
}

#[test]
fn what_the_schema_does_not_describe_is_refused() {
    let fits = |name, value: &Value| reader::fits_definition(SCHEMA, name, value);
    let cancelled = serde_json::json!({ "seat": "7KX2M9", "time": "2027-01-31T12:00:00Z", "outstanding": 1 });
    fits("cancel", &cancelled).unwrap();
    for (member, wrong) in [
        ("seat", "7KX2MU".into()),
        ("time", "today".into()),
        ("outstanding", (-1).into()),
        ("more", 1.into()),
    ] {
        let mut planted = cancelled.clone();
        planted[member] = wrong;
        assert!(fits("cancel", &planted).is_err(), "{planted}");
    }
    let mut planted = cancelled;
    planted.as_object_mut().unwrap().remove("seat");
    assert!(fits("cancel", &planted).is_err());
}
