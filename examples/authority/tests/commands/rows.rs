//! `docs/ROWS.md` lists what people can do: each test, command, route and page that it names exists.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::schema;

const ROWS: &str = include_str!("../../../../docs/ROWS.md");
const PORTAL: &str = include_str!("../../src/http/portal/mod.rs");
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

/// The functions in the Rust files below a folder, and the tests in the Python files.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") => {
                functions(&path, found);
            }
            Some("rs") => named_by(&path, "fn ", found),
            Some("py") => named_by(&path, "def ", found),
            _ => {}
        }
    }
}

fn named_by(path: &Path, word: &str, found: &mut BTreeSet<String>) {
    for line in fs::read_to_string(path).unwrap().lines() {
        let line = line.trim_start().trim_start_matches("async ");
        if let Some((name, _)) = line.strip_prefix(word).and_then(|rest| rest.split_once('(')) {
            found.insert(name.to_owned());
        }
    }
}

#[test]
fn what_the_rows_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut tests = BTreeSet::new();
    for folder in ["src", "tests", "examples"] {
        functions(&root.join(folder), &mut tests);
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
            miss("test", name, tests.contains(name));
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
            miss("page", name, PORTAL.contains(&format!("route(\"{name}\"")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_row_stands_twice() {
    let rows = rows();
    let ids: BTreeSet<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(ids.len(), rows.len());
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
