//! The modules for Python and JavaScript that applications copy: what they do beside the guides, and that they know
//! each number of the header.

use std::{collections::BTreeMap, fs, process::Command};

use crate::{
    applications::node,
    support::hosts::{folder, library, skipped},
};

/// `NAME = 1` or `NAME: 1` of each line or part of a line, by its name.
fn numbers(text: &str, sign: &str) -> BTreeMap<String, u32> {
    let parts = text.split([',', '\n']).filter_map(|part| part.trim().split_once(sign));
    parts.filter_map(|(name, number)| Some((name.to_owned(), number.trim().parse().ok()?))).collect()
}

/// What stands behind the first mark, up to the next one of `end`.
fn between<'a>(text: &'a str, mark: &str, end: &str) -> &'a str {
    let rest = text.split_once(mark).unwrap_or_else(|| panic!("no {mark}")).1;
    rest.split_once(end).unwrap_or_else(|| panic!("no {end} behind {mark}")).0
}

#[test]
fn the_modules_name_each_verdict_and_each_status_of_the_header() {
    let read = |name: &str| fs::read_to_string(folder(name)).unwrap();
    let header = read("include/nodelock.h");
    let all = numbers(between(&header, "enum nodelock_status\n", "\n};"), " = ");
    let (mut verdicts, mut statuses) = (BTreeMap::new(), BTreeMap::new());
    for (name, number) in all {
        let name = name.strip_prefix("NODELOCK_").unwrap();
        match name.strip_prefix("VERDICT_") {
            Some(verdict) => verdicts.insert(verdict.to_owned(), number),
            None if name == "OK" => None,
            None => statuses.insert(name.to_owned(), number),
        };
    }
    assert!(verdicts.len() >= 12 && statuses.len() >= 59, "{verdicts:?} {statuses:?}");
    let python = read("examples/python/nodelock.py");
    assert_eq!(numbers(between(&python, "class Verdict(IntEnum):", "\n\n\n"), " = "), verdicts);
    assert_eq!(numbers(between(&python, "class Status(IntEnum):", "\n\n\n"), " = "), statuses);
    let node = read("examples/node/nodelock.js");
    assert_eq!(numbers(between(&node, "export const Verdict = {", "};"), ": "), verdicts);
    assert_eq!(numbers(between(&node, "export const Status = {", "};"), ": "), statuses);
    // The guide says what to tell the user of each.
    let guide = read("docs/guides/verdicts.md");
    for verdict in verdicts.keys() {
        assert!(guide.contains(&format!("| `{verdict}`")), "{verdict}");
    }
}

#[test]
fn the_module_for_python_says_what_is_wrong() {
    if skipped(&["python3"]) {
        return;
    }
    let mut tests = Command::new("python3");
    tests.args(["-B", "-Werror"]).arg(folder("tests/hosts/test_python.py"));
    let output = tests.env("NODELOCK_LIBRARY", library()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("Ran 10 tests"), "{said}");
}

#[test]
fn the_module_for_node_says_what_is_wrong() {
    let Some(target) = node() else { return };
    let main = target.join("test_node.js");
    fs::copy(folder("tests/hosts/test_node.js"), &main).unwrap();
    let output = Command::new("node").arg(main).env("NODELOCK_LIBRARY", library()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("pass 10"), "{said}");
}
