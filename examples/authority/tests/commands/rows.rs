//! `docs/ROWS.md` lists what people can do: each test, command, route and page that it names exists.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::schema;

const ROWS: &str = include_str!("../../../../docs/ROWS.md");
const PORTAL: &str = include_str!("../../src/http/portal/mod.rs");
const CONSOLE: &str = include_str!("../../src/http/admin/console/mod.rs");
const DESCRIPTIONS: [&str; 2] =
    [include_str!("../../openapi.json"), include_str!("../../openapi-admin.json")];
const CLIENT: &str = include_str!("../../../nodelock/schema.json");

/// The cells of each row, without those of the table's head.
fn rows() -> Vec<Vec<&'static str>> {
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let rows: Vec<_> = ROWS.lines().filter(|line| line.starts_with('|')).skip(2).map(cells).collect();
    assert!(rows.iter().all(|row| row.len() == 6), "a row has six cells");
    rows
}

/// What a cell names; none for a dash.
fn named(cell: &str) -> Vec<&str> {
    cell.split(", ").filter(|name| *name != "–").map(|name| name.trim_matches('`')).collect()
}

/// The tests in the Rust and Python files below a folder.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") => {
                tests(&path, found);
            }
            Some("rs") => found.extend(tests_in_rust(&fs::read_to_string(&path).unwrap())),
            Some("py") => found.extend(tests_in_python(&fs::read_to_string(&path).unwrap())),
            _ => {}
        }
    }
}

/// The functions behind an attribute that makes tests of them.
fn tests_in_rust(text: &str) -> Vec<String> {
    let (mut found, mut is_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim_start) {
        let line = line.trim_start_matches("async ");
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((name, _)) = line.strip_prefix("fn ").and_then(|rest| rest.split_once('(')) {
            found.extend(std::mem::take(&mut is_test).then(|| name.to_owned()));
        }
    }
    found
}

/// The functions that `unittest` finds.
fn tests_in_python(text: &str) -> Vec<String> {
    let name = |line: &str| Some(line.trim_start().strip_prefix("def ")?.split_once('(')?.0.to_owned());
    text.lines().filter_map(name).filter(|name| name.starts_with("test_")).collect()
}

#[test]
fn a_function_that_is_no_test_is_none() {
    let rust = "#[test]\nfn one() {}\nfn two() {}\n    #[tokio::test]\n    async fn three() {}\n#[test]\n#[ignore]\nfn four() {}";
    assert_eq!(tests_in_rust(rust), ["one", "three", "four"]);
    assert_eq!(tests_in_python("class A:\n    def setUp(self):\n    def test_one(self):\n"), ["test_one"]);
}

#[test]
fn what_the_rows_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut known = BTreeSet::new();
    for folder in ["src", "tests", "examples"] {
        tests(&root.join(folder), &mut known);
    }
    let commands = schema::all_commands();
    let client: Value = serde_json::from_str(CLIENT).unwrap();
    let routes: BTreeSet<String> =
        DESCRIPTIONS.iter().flat_map(|description| operations(description)).collect();

    let mut wrong = Vec::new();
    for row in rows() {
        let [id, _, shown, by_command, by_route, by_page] = row[..] else { unreachable!() };
        let ways = named(by_command).len() + named(by_route).len() + named(by_page).len();
        if named(shown).is_empty() || ways == 0 {
            wrong.push(format!("{id}: no test or no way"));
        }
        let mut miss = |kind: &str, name: &str, exists: bool| {
            if !exists {
                wrong.push(format!("{id}: no {kind} {name}"));
            }
        };
        for name in named(shown) {
            miss("test", name, known.contains(name));
        }
        for name in named(by_command) {
            let exists = match name.strip_prefix("nodelock ") {
                Some(name) => client["$defs"][name].is_object(),
                None => commands.contains(&name.replace(' ', "-")),
            };
            miss("command", name, exists);
        }
        for name in named(by_route) {
            miss("route", name, routes.contains(name));
        }
        for name in named(by_page) {
            let exists = match name.starts_with("/console") {
                true => CONSOLE.contains(&format!("(\"{name}\", Act::")),
                false => PORTAL.contains(&format!("(\"{name}\", ")),
            };
            miss("page", name, exists);
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// What is not there yet: everything can be searched, exported and imported.
const MISSING: [&str; 1] = ["D12"];

#[test]
fn every_row_is_there_once_and_in_its_order() {
    let numbered = |kind: &'static str, numbers: std::ops::RangeInclusive<u32>| {
        numbers.map(move |number| format!("{kind}{number}"))
    };
    let wanted = numbered("L", 1..=23).chain(numbered("Q", 6..=9)).chain(numbered("D", 1..=15));
    let rows = rows();
    let ids: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    let wanted: Vec<String> = wanted.filter(|id| !MISSING.contains(&id.as_str())).collect();
    assert_eq!(ids, wanted);
}

/// Each operation of an OpenAPI description, as `GET /path`.
fn operations(description: &str) -> Vec<String> {
    let description: Value = serde_json::from_str(description).unwrap();
    let paths = description["paths"].as_object().unwrap().iter();
    let of = |(path, item): (&String, &Value)| -> Vec<String> {
        item.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())).collect()
    };
    paths.flat_map(of).collect()
}
