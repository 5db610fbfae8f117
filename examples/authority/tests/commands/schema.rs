//! `schema.json` describes what the program prints with `--json`: what these tests see of it is held against it.

use std::process::Command;

use serde_json::Value;

use super::program::Authority;

#[path = "../../../../tests/support/schema.rs"]
mod reader;

const SCHEMA: &str = include_str!("../../schema.json");

/// The commands that have others below them.
const GROUPS: [&str; 15] = [
    "account",
    "audit",
    "certificate",
    "customer",
    "deployment-key",
    "event",
    "license",
    "mail",
    "order",
    "policy",
    "product",
    "refusal",
    "request",
    "token",
    "webhook",
];

/// What the schema calls a command.
pub fn name(arguments: &[&str]) -> String {
    match arguments {
        [group, command, ..] if GROUPS.contains(group) => format!("{group}-{command}"),
        _ => arguments[0].to_owned(),
    }
}

/// Fails unless the schema describes what a command printed that did its work.
pub fn check(arguments: &[&str], value: &Value) {
    reader::check(SCHEMA, &name(arguments), value);
}

/// The same of what was refused.
pub fn check_refused(value: &Value) {
    reader::check(SCHEMA, "error", value);
}

/// The commands that a page of help lists.
fn commands(group: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_authority")).args(group).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let list =
        help.split("Commands:\n").nth(1).unwrap_or_else(|| panic!("{group:?} has no commands: {help}"));
    let lines = list.lines().take_while(|line| !line.trim().is_empty());
    // Words that go on below are further in.
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

/// Each command of the program, as the schema calls it.
pub fn all_commands() -> Vec<String> {
    let mut all = Vec::new();
    for command in commands(&[]) {
        match command.as_str() {
            group if GROUPS.contains(&group) => {
                all.extend(commands(&[group]).iter().map(|below| format!("{group}-{below}")));
            }
            _ => all.push(command),
        }
    }
    all
}

#[test]
fn every_command_is_described() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut missing = all_commands();
    missing.retain(|name| !schema["$defs"][name].is_object());
    assert_eq!(missing, Vec::<String>::new(), "schema.json does not say what these print with --json");
}

#[test]
fn what_the_schema_does_not_describe_is_refused() {
    let authority = Authority::new();
    let (id, _) = authority.sell("1", &["--feature", "projects=10"]);
    let listed = authority.done(&["license", "list"]);
    assert_eq!(listed["licenses"][0]["id"], id.as_str());
    let plant = |path: &str, wrong: Value| {
        let mut planted = listed.clone();
        *planted.pointer_mut(path).unwrap() = wrong;
        reader::fits_definition(SCHEMA, "license-list", &planted)
    };
    for (path, wrong) in [
        ("/licenses", Value::Null),
        ("/licenses/0", 7.into()),
        ("/licenses/0/id", "4711".into()),
        ("/licenses/0/created", "today".into()),
        ("/licenses/0/features/0/limit", (-1).into()),
        ("/licenses/0/seats/total", "1".into()),
    ] {
        assert!(plant(path, wrong).is_err(), "{path}");
    }
    let mut planted = listed.clone();
    planted["licenses"][0].as_object_mut().unwrap().remove("suspended");
    assert!(reader::fits_definition(SCHEMA, "license-list", &planted).is_err());
}
