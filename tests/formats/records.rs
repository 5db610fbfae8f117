//! The records of a ledger are what `docs/FORMAT.md`, Records says: its examples are read, and written the same.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::authority::{
    Allowance, Allowances, Approval, ApprovalState, Attempts, Count, Counting, Evidence, History,
    LicenseRecord, LicenseTerms, Seat, SeatState, Usage,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

const FORMAT: &str = include_str!("../../docs/FORMAT.md");

/// The part of the document about one record.
fn section(title: &str) -> &'static str {
    let records = FORMAT.split("\n## 11. Records\n").nth(1).expect("the section");
    let parts = records.split("\n### ");
    let of_title = |part: &&str| part.lines().next() == Some(title);
    parts.into_iter().find(of_title).expect("the record")
}

/// The example in it.
fn example(title: &str) -> &'static str {
    let example = section(title).split("```").nth(1).expect("an example");
    example.split_once('\n').expect("a line with its language").1
}

/// The members in its table, with the JSON of their defaults; none for a member that must be there.
fn members(title: &str) -> BTreeMap<&'static str, Option<&'static str>> {
    let rows = section(title).lines().filter_map(|line| line.strip_prefix("| `"));
    let member = |row: &'static str| {
        let (name, rest) = row.split_once('`').expect("a name in backquotes");
        let default = rest.split('|').nth(2).expect("a default").trim();
        (name, (!default.is_empty()).then(|| default.trim_matches('`')))
    };
    rows.map(member).collect()
}

/// Reads the example of a record, and compares what is written with it.
fn read<T: Serialize + DeserializeOwned>(title: &str) -> (T, Value) {
    let shown: Value = serde_json::from_str(example(title)).unwrap();
    let record = serde_json::from_value(shown.clone()).unwrap();
    (record, shown)
}

fn keeps_its_form<T: Serialize + DeserializeOwned>(title: &str) -> T {
    let (record, shown) = read::<T>(title);
    assert_eq!(serde_json::to_value(&record).unwrap(), shown, "{title}");
    let names: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, members(title).into_keys().collect::<Vec<_>>(), "{title}");
    needs_what_has_no_default::<T>(title, &shown);
    record
}

/// Leaves out each member in turn, and adds one of another name.
fn needs_what_has_no_default<T: DeserializeOwned>(title: &str, shown: &Value) {
    for (name, default) in members(title) {
        let mut record = shown.clone();
        record.as_object_mut().unwrap().remove(name);
        let read = serde_json::from_value::<T>(record);
        assert_eq!(read.is_ok(), default.is_some(), "{title} without {name}: {:?}", read.err());
    }
    let mut record = shown.clone();
    record["another"] = Value::Null;
    assert!(serde_json::from_value::<T>(record).is_err(), "{title} with a member of another name");
}

#[test]
fn terms_are_as_documented() {
    let terms: LicenseTerms = keeps_its_form("Terms");
    terms.validate().unwrap();
    assert_eq!((terms.seats, terms.deactivations), (2, Some(5)));
}

#[test]
fn terms_have_the_documented_defaults() {
    let shown: Value = serde_json::from_str(example("Terms")).unwrap();
    let mut least = Map::new();
    let mut whole = Map::new();
    for (name, default) in members("Terms") {
        let value = match default {
            None => shown[name].clone(),
            Some("accept 16, grace 8, 14 days") => {
                json!({ "weights": [], "accept": 16, "grace": 8, "grace_days": 14 })
            }
            Some(default) => serde_json::from_str(default).unwrap(),
        };
        if default.is_none() {
            least.insert(name.to_owned(), value.clone());
        }
        whole.insert(name.to_owned(), value);
    }
    let terms: LicenseTerms = serde_json::from_value(least.into()).unwrap();
    assert_eq!(serde_json::to_value(terms).unwrap(), Value::from(whole));
}

#[test]
fn a_license_record_is_as_documented() {
    let (record, shown) = read::<LicenseRecord>("License record");
    assert_eq!((record.usage, record.allowances), (Usage::new(1, 0, 1), Allowances::default()));
    let written = serde_json::to_value(&record).unwrap();
    let terms: LicenseTerms = serde_json::from_value(shown["terms"].clone()).unwrap();
    let rest = json!({ "terms": terms, "taken": 1, "deactivated": 0, "activated": 1, "allowances": null });
    assert_eq!(written, rest);
    needs_what_has_no_default::<LicenseRecord>("License record", &shown);
}

#[test]
fn allowances_are_as_documented() {
    let allowances: Allowances = keeps_its_form("Allowances");
    let numbers = Allowance::ALL.map(|of| (allowances.extra(of), allowances.forgiven(of)));
    assert_eq!((allowances.since().unix_seconds(), numbers), (1_831_104_000, [(0, 7), (2, 3)]));
}

#[test]
fn a_seat_is_as_documented() {
    let seat: Seat = keeps_its_form("Seat");
    assert_eq!((seat.state(), seat.is_counted()), (SeatState::Returned, true));
    let name = format!("`{}`", seat.name());
    assert!(section("Names").contains(&name), "{name}");
    for state in SeatState::ALL {
        assert!(section("Seat").contains(&format!("`{state}`")), "{state}");
    }
}

#[test]
fn attempts_counts_and_check_ins_are_as_documented() {
    let count: Count = keeps_its_form("Count");
    assert_eq!((count.count(), count.since().unix_seconds(), count.remembered()), (2, 1_800_000_000, 2));
    for counting in Counting::ALL {
        assert!(section("Count").contains(&format!("`{counting}`")), "{counting}");
    }
    assert_eq!(serde_json::from_str::<u32>(example("Check-in")).unwrap(), 2);
    let attempts: Attempts = keeps_its_form("Attempts");
    assert_eq!((attempts.count(), attempts.end().unix_seconds()), (3, 1_800_086_400));
}

#[test]
fn a_request_that_waits_is_as_documented() {
    let approval: Approval = keeps_its_form("Approval");
    assert_eq!((approval.label(), approval.ends().unwrap().unix_seconds()), ("desk", 1_802_595_600));
    for state in ApprovalState::ALL {
        assert!(section("Approval").contains(&format!("`{state}`")), "{state}");
    }
}

#[test]
fn evidence_is_as_documented() {
    let kinds: Vec<_> = example("Evidence")
        .lines()
        .map(|line| {
            let evidence = Evidence::from_bytes(&URL_SAFE_NO_PAD.decode(line).unwrap()).unwrap();
            assert_eq!(URL_SAFE_NO_PAD.encode(evidence.to_bytes()), line);
            assert_eq!(evidence.handle().to_string(), "H5J2QR");
            evidence.kind()
        })
        .collect();
    assert_eq!(kinds, ["proof", "code"]);
}

#[test]
fn a_history_is_as_documented() {
    let history: History = keeps_its_form("History");
    assert_eq!(history.last_page().to_string(), "9f3c00a1b2c4d5e6");
    let [gap] = history.gaps() else { panic!("{history:?}") };
    assert_eq!(gap.over().since(gap.ended()).as_secs(), 400 * 86_400);
}
