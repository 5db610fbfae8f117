//! Accounts, tokens and deployment keys: what is shown once, what is kept, and what the audit tells of it.

use std::fs;

use crate::program::{Authority, field};

const PASSWORD: &[u8] = b"correct horse battery\n";

/// The ledger's files, as somebody finds them who copied them.
fn bytes_of_ledger(authority: &Authority) -> Vec<u8> {
    let file = |name: &str| fs::read(authority.directory().join(name)).unwrap_or_default();
    [file("authority.db"), file("authority.db-wal")].concat()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn an_account_is_made_changed_and_disabled_and_its_secrets_are_shown_once() {
    let authority = Authority::new();
    let made = authority.done_with(&["account", "new", "jane", "--role", "support"], PASSWORD);
    let (secret, link) = (field(&made, "secret"), field(&made, "link"));
    assert_eq!(link, format!("otpauth://totp/Example:jane?secret={secret}&issuer=Example"));
    let codes = made["recovery_codes"].as_array().unwrap();
    assert_eq!(codes.len(), 10);
    let exists = authority.refused(&["account", "new", "jane", "--role", "owner"], PASSWORD);
    assert_eq!(exists, "account-exists");
    let ledger = bytes_of_ledger(&authority);
    assert!(!holds(&ledger, "correct horse battery") && !holds(&ledger, codes[0].as_str().unwrap()));

    assert_eq!(authority.done(&["account", "role", "jane", "auditor"])["changed"], true);
    assert_eq!(authority.done(&["account", "role", "jane", "auditor"])["changed"], false);
    assert_eq!(authority.done_with(&["account", "password", "jane"], PASSWORD)["changed"], true);
    assert_ne!(field(&authority.done(&["account", "totp", "jane"]), "secret"), secret);
    authority.done(&["account", "disable", "jane"]);
    let listed = authority.done(&["account", "list"])["accounts"][0].clone();
    assert_eq!((field(&listed, "name"), field(&listed, "role")), ("jane", "auditor"));
    assert!(listed["disabled"].is_string(), "{listed}");
    authority.done(&["account", "enable", "jane"]);
    assert!(authority.done(&["account", "list"])["accounts"][0]["disabled"].is_null());
    assert_eq!(authority.refused(&["account", "disable", "john"], b""), "unknown-account");

    let actions: Vec<String> = authority.actions().into_iter().map(|(_, action)| action).collect();
    let changes = actions.iter().filter(|action| *action == "account-changed").count();
    assert_eq!((changes, actions.contains(&"account-created".to_owned())), (5, true), "{actions:?}");
    authority.done(&["verify"]);
}

#[test]
fn a_password_is_read_and_never_typed_as_an_argument() {
    let authority = Authority::new();
    for short in [&b"short"[..], b"", b"eleven char\nand the next line"] {
        let refused = authority.run(&["account", "new", "jane", "--role", "owner"], short);
        assert_eq!((refused.code, field(&refused.json(), "error")), (2, "usage"));
    }
    let argument = authority.run(&["account", "new", "jane", "--role", "owner", "--password", "x"], b"");
    assert_eq!(argument.code, 2);
    for name in ["Jane", "jane doe", "", "../x", ".jane", "jane@x"] {
        let refused = authority.run(&["account", "new", name, "--role", "owner"], PASSWORD);
        assert_eq!(refused.code, 2, "{name}");
    }
    assert_eq!(authority.done(&["account", "list"])["accounts"].as_array().unwrap().len(), 0);
}

#[test]
fn a_token_is_shown_once_listed_without_its_text_and_revoked() {
    let authority = Authority::new();
    let new = ["token", "new", "--name", "shop", "--scope", "licenses:write", "--scope", "licenses:read"];
    let made = authority.done(&[&new[..], &["--product", "example", "--expires", "2090-01-01"]].concat());
    let (id, text) = (field(&made, "id").to_owned(), field(&made, "token").to_owned());
    assert!(text.starts_with("nlt_") && text.len() > 40, "{text}");
    assert!(!holds(&bytes_of_ledger(&authority), &text));
    let listed = authority.done(&["token", "list"]);
    assert!(!listed.to_string().contains(&text));
    let token = &listed["tokens"][0];
    assert_eq!(token["scopes"], serde_json::json!(["licenses:read", "licenses:write"]));
    assert_eq!((&token["id"], &token["product"]), (&id.clone().into(), &"Example".into()));
    assert!(token["last_used"].is_null() && token["revoked"].is_null(), "{token}");
    assert_eq!(authority.done(&["token", "revoke", &id])["changed"], true);
    assert_eq!(authority.done(&["token", "revoke", &id])["changed"], false);
    assert!(authority.done(&["token", "list"])["tokens"][0]["revoked"].is_string());
    assert_eq!(authority.refused(&["token", "revoke", "nobodys"], b""), "unknown-credential");
    for wrong in [&["--product", "Other"][..], &["--expires", "2020-01-01"], &["--scope", "everything"]] {
        assert_eq!(authority.run(&[&new[..], wrong].concat(), b"").code, 2, "{wrong:?}");
    }
    let unknown = [&new[..], &["--product", "other"]].concat();
    assert_eq!(authority.refused(&unknown, b""), "unknown-product");
    authority.done(&["verify"]);
}

#[test]
fn a_deployment_key_is_of_a_license_there_is() {
    let authority = Authority::new();
    let (id, _) = authority.sell("3", &[]);
    let new = |license: &str| {
        let new = ["deployment-key", "new", "--name", "CI", "--limit", "2", "--license", license];
        new.map(str::to_owned)
    };
    let run = |new: &[String]| authority.run(&new.iter().map(String::as_str).collect::<Vec<_>>(), b"");
    let made = run(&new(&id)).json();
    assert!(field(&made, "deployment_key").starts_with("nld_"));
    let listed = authority.done(&["deployment-key", "list"])["deployment_keys"][0].clone();
    assert_eq!((&listed["license"], &listed["limit"], &listed["used"]), (&id.into(), &2.into(), &0.into()));
    assert_eq!(authority.done(&["token", "list"])["tokens"].as_array().unwrap().len(), 0);
    authority.done(&["deployment-key", "revoke", field(&made, "id")]);
    let unknown = run(&new("0000000000000001"));
    assert_eq!((unknown.code, field(&unknown.json(), "error")), (1, "unknown-license"));
}
