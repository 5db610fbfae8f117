//! The audit is sealed, and whatever is changed of it behind the authority's back is found, or leaves a device or a
//! person with a digest that is in no seal any more.

use std::fs;

use serde_json::Value;

use crate::{
    program::{Authority, field},
    support::{ledger::Ledger, server::with_deactivations},
};

const FIRST: &str = "(SELECT MIN(id) FROM audit)";
const LAST: &str = "(SELECT MAX(id) FROM audit)";
const NEWEST: &str = "(SELECT MAX(number) FROM audit_seal)";

/// What `audit verify` found, each by table and column.
fn found(authority: &Authority, more: &[&str]) -> Vec<String> {
    let said = authority.run(&[&["audit", "verify"], more].concat(), b"");
    let value = said.json();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let findings = value["findings"].as_array().unwrap_or_else(|| panic!("{} {}", said.stdout, said.stderr));
    let found: Vec<String> =
        findings.iter().map(|finding| text(finding, "table") + "." + &text(finding, "column")).collect();
    assert_eq!(said.code, i32::from(!found.is_empty()), "{}", said.stdout);
    assert_eq!(value["found"], found.len());
    assert_eq!(value["error"] == "corrupt", !found.is_empty());
    found
}

/// The digest of the newest seal.
fn digest(authority: &Authority) -> String {
    field(&authority.done(&["audit", "verify"])["newest"], "digest").to_owned()
}

#[test]
fn a_change_of_what_was_sealed_is_found() {
    let authority = Authority::new();
    for _ in 0..3 {
        authority.sell("1", &[]);
    }
    let sound = authority.done(&["audit", "verify"]);
    assert_eq!((&sound["lines"], &sound["unsealed"], &sound["found"]), (&4.into(), &0.into(), &0.into()));
    // What setting up notes is sealed with the first sale.
    assert_eq!(sound["seals"], 3);
    let newest = field(&sound["newest"], "digest").to_owned();

    let mut ledger = Ledger::open(&authority);
    for table in ["audit", "audit_seal"] {
        ledger.execute(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}"));
    }
    let swapped = [
        format!("UPDATE audit SET id = 'x' || id WHERE id IN ({FIRST}, {LAST})"),
        "UPDATE audit SET id = (SELECT MAX(id) FROM kept_audit) WHERE id = 'x' || (SELECT MIN(id) FROM kept_audit)"
            .to_owned(),
        "UPDATE audit SET id = (SELECT MIN(id) FROM kept_audit) WHERE id = 'x' || (SELECT MAX(id) FROM kept_audit)"
            .to_owned(),
    ];
    let lines = "audit_seal.lines";
    let damages: [(&str, String, &[&str]); 12] = [
        (
            "a line is changed",
            format!("UPDATE audit SET detail = 'x' WHERE id = {FIRST}"),
            &["audit_seal.lines_digest"],
        ),
        ("a line is deleted", format!("DELETE FROM audit WHERE id = {FIRST}"), &[lines]),
        (
            "a line is added",
            format!(
                "INSERT INTO audit (id, at, actor, action, detail, seal) SELECT 'x', at, actor, action, detail, seal FROM audit WHERE id = {FIRST}"
            ),
            &[lines],
        ),
        (
            "two lines are swapped",
            swapped.join("; "),
            &["audit_seal.lines_digest", "audit_seal.lines_digest"],
        ),
        (
            "a line goes to another seal",
            format!("UPDATE audit SET seal = {NEWEST} WHERE id = {FIRST}"),
            &[lines, lines],
        ),
        ("a line loses its seal", format!("UPDATE audit SET seal = NULL WHERE id = {FIRST}"), &[lines]),
        ("the tail is cut", format!("DELETE FROM audit WHERE seal = {NEWEST}"), &[lines]),
        (
            "only the seals of the tail are cut",
            format!("DELETE FROM audit_seal WHERE number = {NEWEST}"),
            &["audit.seal"],
        ),
        (
            "the beginning is cut",
            "DELETE FROM audit WHERE seal = 1; DELETE FROM audit_seal WHERE number = 1".into(),
            &["audit_seal.number", "audit_seal.previous"],
        ),
        (
            "a seal is changed",
            "UPDATE audit_seal SET at = at + 1 WHERE number = 2".into(),
            &["audit_seal.digest", "audit_seal.previous"],
        ),
        (
            "somebody else signs",
            format!(
                "UPDATE audit_seal SET attestation = (SELECT attestation FROM kept_audit_seal WHERE number = 1) WHERE number = {NEWEST}"
            ),
            &["audit_seal.attestation"],
        ),
        (
            "a person's name is changed",
            "UPDATE audit SET personal = 'John Doe' WHERE seal = 2".into(),
            &["audit.personal_digest"],
        ),
    ];
    let put_back = |ledger: &mut Ledger| {
        for table in ["audit", "audit_seal"] {
            ledger.execute(&format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}"));
        }
    };
    for (what, statements, expected) in &damages {
        ledger.execute(statements);
        assert_eq!(found(&authority, &[]), *expected, "{what}");
        put_back(&mut ledger);
        assert_eq!(found(&authority, &[]), [""; 0], "everything is as it was");
    }
    // Lines are cut with their seals: what is left is sound, and no longer has what somebody kept.
    ledger.execute(&format!(
        "DELETE FROM audit WHERE seal = {NEWEST}; DELETE FROM audit_seal WHERE number = {NEWEST}"
    ));
    assert_eq!(found(&authority, &[]), [""; 0]);
    assert_eq!(found(&authority, &["--digest", &newest]), ["audit_seal.digest"]);
    put_back(&mut ledger);
    // Whoever is to be forgotten is, with the salt, and the chain stays what it is.
    ledger.execute("UPDATE audit SET personal = NULL, peer = NULL, salt = NULL");
    assert_eq!(found(&authority, &["--digest", &newest]), [""; 0]);
    assert_eq!(digest(&authority), newest);
}

#[test]
fn a_chain_that_was_made_anew_is_found_by_what_a_device_holds() {
    let authority = Authority::new();
    let (_, key) = authority.sell("2", &[]);
    let device = authority.activated("device", &key);
    let license = authority.path("license");
    fs::write(&license, device.check().unwrap().license().unwrap().to_text()).unwrap();
    let license = license.to_str().unwrap();
    let chain = device.check().unwrap().license().unwrap().chain().unwrap();
    let hex: String = chain.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found(&authority, &["--license", license, "--digest", &hex]), [""; 0]);
    let check_in = || {
        let request = device.check_in_offline().unwrap().to_bytes();
        let renewed = authority.done_with(&["check-in", "-"], &request);
        // The same once more is answered, and is noted no more.
        authority.done_with(&["check-in", "-"], &request);
        device.accept(field(&renewed, "license").as_bytes()).unwrap();
        authority.actions().iter().filter(|(_, action)| action == "chain-differs").count()
    };
    assert_eq!(check_in(), 0);
    fs::write(license, device.check().unwrap().license().unwrap().to_text()).unwrap();

    // With the issuer's key, by whoever has the ledger: a line is another one, and all is sealed anew.
    let mut ledger = Ledger::open(&authority);
    ledger.execute("UPDATE audit SET seal = NULL; DELETE FROM audit_seal");
    ledger.execute(&format!("UPDATE audit SET actor = 'cli:nobody' WHERE id = {LAST}"));
    authority.sell("1", &[]);
    assert_eq!(found(&authority, &[]), [""; 0], "the chain itself is sound");
    assert_eq!(found(&authority, &["--license", license]), ["audit_seal.digest"]);
    assert_eq!(check_in(), 1, "its device says so by itself");
    // The license that it got has the digest of the new chain.
    assert_eq!(check_in(), 1);
    authority.done(&["verify"]);
}

#[test]
fn several_that_seal_at_once_make_one_chain() {
    let authority = Authority::new();
    let new = with_deactivations(&["license", "new", "--licensee", "Jane Doe", "--seats", "1"]);
    let children: Vec<_> = (0..6).map(|_| authority.start(&new, b"")).collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    // One that was slower than another left its lines to it, or to the next.
    authority.sell("1", &[]);
    let sound = authority.done(&["audit", "verify"]);
    assert_eq!((&sound["lines"], &sound["unsealed"]), (&8.into(), &0.into()));
    // A line whose writer's clock was behind comes late, and is sealed all the same.
    let late = "INSERT INTO audit (id, at, actor, action, license_id, detail) SELECT substr(id, 1, 16) || '0' || substr(id, 18), at, actor, \
                'license-suspended', license_id, '' FROM audit WHERE action = 'license-created' LIMIT 1";
    Ledger::open(&authority).execute(late);
    assert_eq!(authority.done(&["audit", "verify"])["unsealed"], 1);
    authority.sell("1", &[]);
    let sound = authority.done(&["audit", "verify"]);
    assert_eq!((&sound["lines"], &sound["unsealed"]), (&10.into(), &0.into()));
}
