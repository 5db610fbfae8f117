//! The shop of the guide (docs/guides/shop.md), which takes what payment services deliver.

use std::process::Command;

use crate::support::{
    hosts::{folder, skipped},
    server::program,
};

#[test]
fn a_shop_sells_once_whatever_is_delivered() {
    if skipped(&["python3"]) {
        return;
    }
    let mut command = Command::new("python3");
    command.args(["-B", "-Werror"]).arg(folder("tests/hosts/test_shop.py")).arg(program());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("Ran 9 tests"), "{said}");
}

#[test]
fn the_guide_has_the_plans_of_the_example() {
    let guide = std::fs::read_to_string(folder("docs/guides/shop.md")).unwrap();
    let plans = std::fs::read_to_string(folder("examples/shop/plans.json")).unwrap();
    assert!(guide.contains(&format!("```json\n{plans}```\n")));
}
