//! Each column of each table is damaged in turn: that is found, or a list says why it cannot be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use nodelock::{
    Reason,
    code::{DeactivationCode, LicenseKey, ReleaseSecret},
    fingerprint::{Component, Probe},
};
use serde_json::Value;

use crate::{
    program::{Authority, field},
    support::{
        ledger::Ledger,
        server::{Engine, with_deactivations},
    },
};

/// At most so many rows of a table are damaged, spread over it.
const ROWS: usize = 5;

/// A ledger with something in every table, and a seat in every state.
fn authority() -> Authority {
    let authority = Authority::new();
    let sell = |more: &[&str]| {
        let new = [&["license", "new", "--licensee", "Jane Doe", "--seats", "9", "--order"], more].concat();
        let sold = authority.done(&with_deactivations(&new));
        let first = sold["licenses"].get(0).unwrap_or(&sold).clone();
        (field(&first, "license").to_owned(), field(&first, "key").to_owned())
    };
    let (id, key) = sell(&["first", "--deactivations", "2"]);
    let (other, _) =
        sell(&["second", "--count", "3", "--edition", "Pro", "--feature", "cores=8", "--activations", "5"]);
    let (trial, trial_key) = sell(&["sixth", "--trial-days", "14"]);
    let person = |name: &str| {
        authority.done_with(&["account", "new", name, "--role", "reseller"], b"correct horse battery\n");
    };
    person("jane");
    person("john");
    authority.done(&["license", "suspend", &other]);
    authority.done(&["license", "resume", &other]);
    authority.done(&["license", "edit", &id, "--seats", "8"]);
    authority.done(&["license", "rekey", &other]);
    authority.done(&["license", "reset", &other, "activations", "--extra", "2", "--reason", "a new laptop"]);
    authority.done(&["license", "add-key", &other]);
    let (over, over_key) = sell(&["third", "--expires-days", "30"]);
    authority.done(&["license", "extend", &over, "--days", "30"]);
    authority.done(&["license", "void", &over, "--yes"]);
    let customer = |name: &str| {
        let more =
            ["--email", &format!("{name}@example.com"), "--external-id", name, "--notes", "calls often"];
        field(&authority.done(&[&["customer", "new", "--name", name], &more[..]].concat()), "id").to_owned()
    };
    let (jane, joe) = (customer("jane"), customer("joe"));
    authority.done(&["customer", "edit", &joe, "--notes", "pays late"]);
    for (id, order) in [(&jane, "fourth"), (&joe, "fifth")] {
        sell(&[order, "--customer", id, "--reseller", "ACME"]);
    }
    for id in [&jane, &joe] {
        authority.done(&["license", "new", "--customer", id]);
    }
    authority.done(&["order", "void", "fifth", "--yes"]);
    authority.done(&["product", "edit", "--seats", "2", "--deactivations", "3"]);
    authority.done(&["policy", "edit", "--lease-days", "60"]);
    authority.done(&["policy", "retention", "--refusal-days", "60"]);
    authority.done(&["customer", "erase", &customer("amy"), "--yes"]);
    authority.done(&["license", "edit", &other, "--customer", &jane]);

    let check_in = |device: &nodelock::Client| {
        let renewed = authority.done_with(&["check-in", "-"], &device.check_in_offline().unwrap().to_bytes());
        device.accept(field(&renewed, "license").as_bytes()).unwrap();
    };
    let give_up = |device: &nodelock::Client| {
        authority.done_with(&["redeem", "-"], &device.deactivate_offline(Reason::Moved).unwrap().to_bytes())
    };
    // Active: never renewed; renewed by the vendor; checked in, with a copy that checks in too.
    let fresh = authority.activated("fresh", &key);
    let renewed = authority.activated("renewed", &key);
    authority.done(&["renew", &renewed.check().unwrap().license().unwrap().handle.to_string()]);
    check_in(&renewed);
    let busy = authority.activated("busy", &key);
    check_in(&busy);
    copy_folder(&authority, "busy", "copy");
    check_in(&busy);
    check_in(&busy);
    check_in(&authority.device("copy"));
    // A seat is replaced by a request that names it only when its device has been silent for a week. It is another
    // license than the one that has a count of its own below, so that each row may be changed into something that no
    // other row is.
    let count = |counted: &str, more: &str| {
        Ledger::open(&authority).execute(&format!(
            "INSERT INTO license_count VALUES ('{other}', '{counted}', '{{\"count\":1,\"since\":1790000000{more}}}')"
        ));
    };
    count("replaced", "");
    // Nor does one match no seat before all are taken.
    count("unmatched", r#","requests":["0123456789abcdef"]"#);
    // A request that is taken back unused counts no deactivation, and codes that were tried are counted.
    let unused = authority.device("unused");
    let request = unused.begin(&key).unwrap().to_bytes();
    authority.done_with(&["activate", "-"], &request);
    authority.done_with(&["redeem", "-"], &unused.cancel().unwrap().to_bytes());
    let handle = fresh.check().unwrap().license().unwrap().handle;
    for wrong in 0..3 {
        let wrong = DeactivationCode::new(handle, ReleaseSecret::from_random([wrong; 8]));
        authority.refused(&["redeem", &wrong.to_string()], b"");
    }
    // Returned twice, which uses the allowance up, and held. The computers of the first two are used no more.
    for (name, number) in [("one", 2), ("two", 3)] {
        let value = format!("4c4c4544-0042-3510-8052-b7c04f38000{number}");
        let probe = move || Probe::from_values([(Component::HwUuid, value.clone())], true, false);
        let device = authority.client(name).probe(probe).build().unwrap();
        let granted = authority.done_with(&["activate", "-"], &device.begin(&key).unwrap().to_bytes());
        device.accept(field(&granted, "reply").as_bytes()).unwrap();
        assert_eq!(field(&give_up(&device), "outcome"), "freed");
    }
    let held = authority.path("held");
    let device = authority.activated("held", &key);
    assert!(held.exists());
    let handle = device.check().unwrap().license().unwrap().handle.to_string();
    // Its license was issued when nothing was left, so the device does not give up by itself.
    assert!(device.deactivate_offline(Reason::Moved).is_err());
    authority.done(&["license", "edit", &id, "--deactivations", "3"]);
    check_in(&device);
    authority.done(&["license", "edit", &id, "--deactivations", "2"]);
    assert_eq!(field(&give_up(&device), "outcome"), "held");
    assert!(authority.seats().iter().any(|seat| seat["handle"] == *handle && seat["state"] == "held"));
    // Revoked, and the device speaks up afterwards.
    let gone = authority.activated("gone", &key);
    let handle = gone.check().unwrap().license().unwrap().handle.to_string();
    authority.done(&["release", &handle, "--reason", "reported as stolen", "--yes"]);
    authority.done_with(&["check-in", "-"], &gone.check_in_offline().unwrap().to_bytes());
    // Cancelled before its request came, and evidence for seats that nobody asked for: a proof and a code.
    let cancelled = authority.device("cancelled");
    cancelled.begin(&key).unwrap();
    authority.run(&["redeem", "-"], cancelled.cancel().unwrap().to_text().as_bytes());
    for name in ["kept proof", "kept code"] {
        let device = authority.device(name);
        device.begin(&key).unwrap();
        let kept = device.cancel().unwrap();
        let input =
            if name == "kept code" { kept.code().to_string().into_bytes() } else { kept.proof().to_vec() };
        assert_eq!(authority.refused(&["redeem", "-"], &input), "unknown-seat");
    }
    // Seats that are over say nothing of their computers any more.
    assert_eq!(authority.done(&["prune"])["seats"], 2);
    // Refused: with a key of a license that is over, with nobody's, and a check-in of another license.
    let nobodys = LicenseKey::from_random([7; 12]).to_string();
    for (name, key) in [("late", &over_key), ("guessing", &nobodys)] {
        let request = authority.device(name).begin(key).unwrap().to_bytes();
        assert_eq!(authority.run(&["activate", "-"], &request).code, 1);
    }
    Ledger::open(&authority).execute(&format!(
        "INSERT INTO refusal SELECT device_key, day, 'check-in', kind, reason, handle, '{id}', key_hint, machine, actor, \
         '192.0.2.7', first_at, last_at, 2 FROM refusal WHERE license_id IS NOT NULL; \
         UPDATE refusal SET day = 20717, first_at = 1790000000, last_at = 1790003605"
    ));
    // People, programs and machines; sessions, which begin over HTTP; and a license that a reseller sold there.
    authority.done(&["token", "new", "--name", "shop", "--scope", "licenses:write"]);
    let key = ["deployment-key", "new", "--name", "CI", "--license", &id, "--limit", "5"];
    authority.done(&key);
    for change in
        [&["role", "john", "vendor"][..], &["disable", "john"], &["enable", "john"], &["totp", "john"]]
    {
        authority.done(&[&["account"], change].concat());
    }
    let mut ledger = Ledger::open(&authority);
    ledger.execute("UPDATE credential SET seen = 1790000000");
    // As after a prune that found seats which ended long ago.
    ledger.execute("UPDATE vendor SET check_ins_until = 1790000000");
    for (name, hash) in [("jane", "aa"), ("john", "bb")] {
        let hash = match authority.engine() {
            Engine::Sqlite => format!("X'{}'", hash.repeat(32)),
            Engine::Postgres(_) => format!("'\\x{}'", hash.repeat(32)),
        };
        let seen = "1790000000, 1790003600";
        ledger.execute(&format!(
            "INSERT INTO session (hash, account, seen, ends) VALUES ({hash}, '{name}', {seen})"
        ));
    }
    let resold = "actor = 'account:jane', detail = '9 seats, reseller jane, order second'";
    ledger.execute(&format!(
        "UPDATE audit SET {resold} WHERE action = 'license-created' AND license_id IN \
         (SELECT license_id FROM sale_license WHERE order_id = 'second')"
    ));
    ledger.execute(
        "INSERT INTO sale SELECT order_id, product_id, 'jane', said, sold, customer_id, 'jane', state FROM sale \
         WHERE order_id = 'second'; UPDATE sale_license SET seller = 'jane' WHERE order_id = 'second'; \
         DELETE FROM sale WHERE order_id = 'second' AND seller = ''",
    );
    ledger.execute(
        "INSERT INTO reseller_license (license_id, account) \
         SELECT license_id, 'jane' FROM sale_license WHERE seller = 'jane'",
    );
    // Requests that wait for approval, with one that is approved and one that is refused.
    let (_, waits) = sell(&["seventh", "--approval", "required"]);
    for (name, ruled) in [("waits", None), ("approved", Some("approve")), ("turned down", Some("refuse"))] {
        let pending = authority.device(name).begin(&waits).unwrap();
        assert_eq!(authority.refused(&["activate", "-"], &pending.to_bytes()), "approval-wanted");
        if let Some(ruled) = ruled {
            authority.done(&["request", ruled, &pending.request().handle.to_string()]);
        }
    }
    // Two of them came over the network.
    ledger.execute("UPDATE approval SET peer = '192.0.2.1' WHERE state = 'waiting'");
    ledger.execute("UPDATE approval SET peer = '192.0.2.2' WHERE state = 'approved'");
    // The next command seals all of it anew.
    ledger.execute("UPDATE audit SET seal = NULL; DELETE FROM audit_seal");
    let bytes = |of: &str| match authority.engine() {
        Engine::Sqlite => format!("X'{}'", of.repeat(32)),
        Engine::Postgres(_) => format!("'\\x{}'", of.repeat(32)),
    };
    let answer = [bytes("aa"), bytes("bb"), bytes("cc")].join(", ");
    ledger.execute(&format!("INSERT INTO answered (id, digest, sealed, at) VALUES ({answer}, 1790000000)"));
    // Two who are told, one of them by a new secret, and one who was.
    let add = |kind: &str| {
        let url = format!("https://example.com/{kind}");
        field(&authority.done(&["webhook", "add", &url, "--event", kind]), "id").to_owned()
    };
    let (_, changed, removed) = (add("license.resumed"), add("license.suspended"), add("seat.*"));
    authority.done(&["webhook", "secret", &changed]);
    authority.done(&["license", "suspend", &other]);
    authority.done(&["license", "resume", &other]);
    authority.done(&["license", "suspend", &other]);
    authority.done(&["license", "resume", &other]);
    authority.done(&["webhook", "remove", &removed]);
    // Customers who are mailed, one of them a key; and what is said of that.
    let policy = ["mail", "policy", "--from", "sales@example.com"];
    authority.done(&[&policy[..], &["--language", "en", "--event", "license.key-sent"]].concat());
    authority.done(&["mail", "policy", "--product", "example", "--language", "de"]);
    authority.done(&["customer", "edit", &joe, "--language", "de"]);
    for id in [&jane, &joe] {
        authority.done(&["license", "new", "--customer", id, "--mail"]);
    }
    let tried = "attempts = 1, tried = 1790000000, status = 503, said = 'the status 503'";
    Ledger::open(&authority).execute(&format!("UPDATE delivery SET {tried}"));
    // A third is told of all that becomes of licenses from now on.
    add("license.*");
    // As of a key that was sold while there was no vault.
    authority.done(&["license", "rekey", &id]);
    Ledger::open(&authority).execute("UPDATE license_key SET sealed = NULL WHERE revoked IS NOT NULL");
    // Trials, which had other hardware once: so many that one is among the rows of the sample.
    authority.done(&["product", "edit", "--trial-license", &trial]);
    for number in 0..ROWS {
        authority.activated(&format!("trial {number}"), &trial_key);
    }
    for tag in 0..9 {
        Ledger::open(&authority).execute(&format!(
            "INSERT INTO trial_tag (product_id, tag, granted, handle, device_key) \
             SELECT product_id, {tag}000, granted, handle, device_key FROM seat WHERE label LIKE 'trial %'"
        ));
    }
    authority
}

fn copy_folder(authority: &Authority, from: &str, to: &str) {
    fs::create_dir(authority.path(to)).unwrap();
    for file in fs::read_dir(authority.path(from)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), authority.path(to).join(file.file_name())).unwrap();
    }
}

/// The database as a disk fault sees it, which knows no reference from one table to another.
struct Disk<'a> {
    authority: &'a Authority,
    ledger: Ledger,
    is_sqlite: bool,
    /// The names of each table's columns.
    names: BTreeMap<String, Vec<String>>,
}

impl<'a> Disk<'a> {
    fn new(authority: &'a Authority) -> Self {
        let is_sqlite = matches!(authority.engine(), Engine::Sqlite);
        let mut ledger = Ledger::open(authority);
        ledger.execute(match is_sqlite {
            true => "PRAGMA foreign_keys = OFF; PRAGMA busy_timeout = 20000",
            false => "SET session_replication_role = replica",
        });
        Self { authority, ledger, is_sqlite, names: BTreeMap::new() }
    }

    /// Every table with its columns, each with its type.
    fn columns(&mut self) -> BTreeMap<String, Vec<(String, String)>> {
        let tables = self.ledger.texts(match self.is_sqlite {
            true => "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
            false => "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'",
        });
        let mut columns = BTreeMap::new();
        for table in tables.into_iter().flatten() {
            let of = |what: &str| match self.is_sqlite {
                true => format!("SELECT {what} FROM pragma_table_info('{table}') ORDER BY cid"),
                false => format!(
                    "SELECT CAST({} AS TEXT) FROM information_schema.columns WHERE table_name = '{table}' \
                     ORDER BY ordinal_position",
                    if what == "name" { "column_name" } else { "data_type" }
                ),
            };
            let names = self.ledger.texts(&of("name")).into_iter().flatten();
            let types = self.ledger.texts(&of("type")).into_iter().flatten();
            let names: Vec<String> = names.collect();
            self.names.insert(table.clone(), names.clone());
            columns.insert(table.clone(), names.into_iter().zip(types.collect::<Vec<_>>()).collect());
        }
        columns
    }

    fn rows(&mut self, table: &str) -> usize {
        let count = self.ledger.texts(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}"));
        count[0].as_ref().unwrap().parse().unwrap()
    }

    /// Keeps a table as it is, with a number for each row.
    fn keep(&mut self, table: &str) {
        let id = if self.is_sqlite { "rowid" } else { "ctid" };
        let numbered = format!("SELECT *, row_number() OVER (ORDER BY {id}) - 1 AS kept_row FROM {table}");
        self.ledger.execute(&format!("CREATE TABLE kept_{table} AS {numbered}"));
    }

    /// Names a row, by its number from 0.
    fn row(&self, table: &str, number: usize) -> String {
        let id = if self.is_sqlite { "rowid" } else { "ctid" };
        let same =
            self.names[table].iter().map(|name| format!("now.{name} IS NOT DISTINCT FROM kept.{name}"));
        let same = same.collect::<Vec<_>>().join(" AND ");
        format!(
            "{id} = (SELECT now.{id} FROM {table} AS now JOIN kept_{table} AS kept ON {same} \
             WHERE kept.kept_row = {number} LIMIT 1)"
        )
    }

    /// What a column holds: hex digits for bytes.
    fn value(&mut self, table: &str, column: &str, kind: &str, number: usize) -> Option<String> {
        let what = match (kind, self.is_sqlite) {
            ("BLOB", _) => format!("CASE WHEN {column} IS NULL THEN NULL ELSE hex({column}) END"),
            ("bytea", _) => format!("encode({column}, 'hex')"),
            _ => format!("CAST({column} AS TEXT)"),
        };
        let row = self.row(table, number);
        self.ledger.texts(&format!("SELECT {what} FROM {table} WHERE {row}")).remove(0)
    }

    /// Whether a verification sees a change; none if the database does not take it.
    fn sees(&mut self, table: &str, column: &str, number: usize, literal: &str) -> Option<bool> {
        let row = self.row(table, number);
        let damaged =
            self.ledger.try_execute(&format!("UPDATE {table} SET {column} = {literal} WHERE {row}"));
        let seen = damaged.is_ok().then(|| {
            let said = self.authority.run(&["verify"], b"");
            assert!(said.code == 0 || said.code == 1, "{table}.{column}: {} {}", said.stdout, said.stderr);
            said.code == 1
        });
        if seen.is_some() {
            let names = self.names[table].join(", ");
            let kept = format!("INSERT INTO {table} ({names}) SELECT {names} FROM kept_{table}");
            self.ledger.execute(&format!("DELETE FROM {table}; {kept}"));
        }
        seen
    }
}

/// Other values that a column might hold, as literals, each with the member of the record that it changes.
fn damages(
    disk: &Disk<'_>,
    column: &str,
    kind: &str,
    value: Option<&str>,
    others: &[String],
) -> Vec<(Option<String>, String)> {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let bytes = |hex: &str| if disk.is_sqlite { format!("X'{hex}'") } else { format!("'\\x{hex}'") };
    let of_kind = |text_of: &str| match kind {
        "BLOB" | "bytea" => bytes(text_of),
        "BIGINT" | "bigint" | "INTEGER" | "integer" => text_of.to_owned(),
        _ => text(text_of),
    };
    let mut damages: Vec<(Option<String>, String)> = Vec::new();
    // Values that fit, and that no other row has.
    let more = match column {
        "evidence.peer" | "cancelled.peer" => Some("192.0.2.7"),
        "check_in.revision" => Some("2"),
        _ => None,
    };
    damages.extend(more.filter(|more| value != Some(*more)).map(|more| (None, of_kind(more))));
    damages.extend(value.map(|_| (None, "NULL".to_owned())));
    damages.extend(
        others.iter().find(|other| Some(other.as_str()) != value).map(|other| (None, of_kind(other))),
    );
    let Some(value) = value else { return damages };
    match serde_json::from_str::<Value>(value) {
        Ok(Value::Object(record)) => {
            damages.push((None, text(&value[..value.len() / 2])));
            for (member, old) in &record {
                // Of a record within the record, each member in turn.
                let others = match old {
                    Value::Object(within) => within
                        .iter()
                        .map(|(name, old)| {
                            let mut within = within.clone();
                            within.insert(name.clone(), other(old));
                            Value::Object(within)
                        })
                        .collect(),
                    _ => vec![other(old)],
                };
                for other in others {
                    let mut changed = record.clone();
                    changed.insert(member.clone(), other);
                    damages.push((Some(member.clone()), text(&Value::Object(changed).to_string())));
                }
            }
        }
        _ => damages.push((None, of_kind(&altered(value)))),
    }
    damages
}

/// The same text with its last symbol changed, within hex digits where it is of them.
fn altered(text: &str) -> String {
    let last = text.chars().last();
    let other = match last {
        Some('0') => '1',
        Some(digit) if digit.is_ascii_digit() => '0',
        Some('a' | 'A') => 'b',
        Some(letter) if letter.is_ascii_lowercase() => 'a',
        Some(_) => 'A',
        None => return "x".to_owned(),
    };
    let kept = text.len() - last.map_or(0, char::len_utf8);
    format!("{}{other}", &text[..kept])
}

/// Another value of the same kind.
fn other(value: &Value) -> Value {
    match value {
        Value::Null => 5.into(),
        Value::Bool(truth) => (!truth).into(),
        Value::Number(number) => (number.as_i64().unwrap() + 1).into(),
        Value::String(text) if text == "active" => "returned".into(),
        Value::String(text) => altered(text).into(),
        Value::Array(list) if list.is_empty() => Value::Array(vec![5.into()]),
        Value::Array(list) => {
            let mut list = list.clone();
            let last = list.len() - 1;
            list[last] = other(&list[last]);
            Value::Array(list)
        }
        Value::Object(members) => {
            let mut members = members.clone();
            if let Some((name, old)) = members.clone().iter().next() {
                members.insert(name.clone(), other(old));
            }
            Value::Object(members)
        }
    }
}

#[test]
fn a_change_of_any_column_is_found_or_listed_as_one_that_cannot_be() {
    let authority = authority();
    let sound = authority.run(&["verify"], b"");
    assert_eq!(sound.code, 0, "{}", sound.stdout);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let listed: BTreeSet<String> =
        sound.json()["unseen"].as_array().unwrap().iter().map(|entry| text(&entry["column"])).collect();

    // A row of the tally that counts nothing may have any name.
    Ledger::open(&authority).execute("DELETE FROM tally WHERE number = 0");
    let mut disk = Disk::new(&authority);
    let tables = disk.columns();
    tables.keys().for_each(|table| disk.keep(table));
    let (mut unseen, mut seen, mut refused) = (BTreeSet::new(), 0, 0);
    for (table, columns) in &tables {
        let rows = disk.rows(table);
        assert!(rows > 0, "{table} is empty");
        for (column, kind) in columns {
            let mut values: Vec<Option<String>> = Vec::new();
            for row in 0..rows {
                values.push(disk.value(table, column, kind, row));
            }
            let others: BTreeSet<String> = values.iter().flatten().cloned().collect();
            let others: Vec<String> = others.into_iter().collect();
            // The second key is a revoked one, and the fifth seat says nothing of its computer any more.
            let also = match table.as_str() {
                "license_key" => Some(1),
                "seat" => Some(4),
                _ => None,
            };
            for row in (0..rows).step_by(rows.div_ceil(ROWS)).chain(also) {
                let name = format!("{table}.{column}");
                // Which license was sold first does not depend on how fast that was.
                let first = values[0].as_ref().filter(|_| name == "license_key.license_id");
                let mut others: Vec<String> = first.into_iter().chain(&others).cloned().collect();
                // A webhook gives way to another one, whether their ids come before or behind the word.
                if name == "delivery.receiver" {
                    others.sort_by_key(|receiver| receiver == "mail");
                }
                for (member, literal) in damages(&disk, &name, kind, values[row].as_deref(), &others) {
                    let member = member.map_or_else(String::new, |member| format!(".{member}"));
                    match disk.sees(table, column, row, &literal) {
                        None => refused += 1,
                        Some(true) => seen += 1,
                        Some(false) => {
                            let name = format!("{table}.{column}{member}");
                            let column = format!("{table}.{column}");
                            println!("unseen: {name}, row {row}");
                            unseen.insert(if listed.contains(&column) { column } else { name });
                        }
                    }
                }
            }
        }
    }
    println!("{seen} changes seen, {refused} that the database does not take, unseen: {unseen:#?}");
    let silent: Vec<_> = unseen.difference(&listed).collect();
    assert!(silent.is_empty(), "neither found nor listed: {silent:#?}");
    // Which rows the sample has is the same at each run there.
    if disk.is_sqlite {
        let needless: Vec<_> = listed.difference(&unseen).collect();
        assert!(needless.is_empty(), "listed as unseen, and each change was seen: {needless:#?}");
    }
    assert_eq!(authority.run(&["verify"], b"").code, 0, "everything is as it was");
}

#[test]
fn a_finding_names_license_seat_and_column() {
    let authority = Authority::new();
    let (id, key) = authority.sell("2", &[]);
    let device = authority.activated("device", &key);
    let handle = device.check().unwrap().license().unwrap().handle.to_string();
    let mut ledger = Ledger::open(&authority);
    ledger.execute("UPDATE seat SET state = 'held'");
    let said = authority.run(&["verify"], b"");
    assert_eq!((said.code, field(&said.json(), "error")), (1, "corrupt"));
    let finding = said.json()["findings"][0].clone();
    assert_eq!((field(&finding, "table"), field(&finding, "column")), ("seat", "state"));
    assert_eq!((field(&finding, "license"), field(&finding, "seat")), (&*id, &*handle));
    let words = authority.text(&["verify"]).stderr;
    assert!(words.contains(&format!("seat.state  license {id}  seat {handle} of ")), "{words}");
    ledger.execute("UPDATE seat SET state = 'active'");
    authority.done(&["verify"]);
    // Without the keys it says that it could not look at them.
    fs::rename(authority.path("authority/keys"), authority.path("authority/away")).unwrap();
    assert_eq!(authority.done(&["verify"])["keys_are_here"], false);
}

#[test]
fn whoever_the_system_has_no_name_for_leaves_nothing_to_be_found() {
    let authority = Authority::new();
    for (user, logname, actor) in [("", "", "cli:unknown"), ("", "jane", "cli:jane"), ("joe", "", "cli:joe")]
    {
        let mut new = authority.command(&["license", "new", "--licensee", "Jane Doe"]);
        let output = new.env("USER", user).env("LOGNAME", logname).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(field(authority.audit().last().unwrap(), "actor"), actor);
    }
    authority.done(&["verify"]);
}

#[test]
fn what_the_audit_tells_of_is_looked_for() {
    let authority = Authority::new();
    for name in ["jane", "john"] {
        authority.done_with(&["account", "new", name, "--role", "reseller"], b"correct horse battery\n");
    }
    authority.done(&["account", "role", "john", "support"]);
    authority.done(&["account", "disable", "john"]);
    let token = ["token", "new", "--name", "shop", "--scope", "licenses:read"];
    let id = field(&authority.done(&token), "id").to_owned();
    authority.done(&["token", "revoke", &id]);
    let (license, _) = authority.sell("1", &["--order", "77"]);
    authority.done(&["deployment-key", "new", "--name", "CI", "--license", &license, "--limit", "5"]);
    let mut disk = Disk::new(&authority);
    // As a reseller sells over HTTP.
    disk.ledger.execute(
        "UPDATE audit SET detail = '1 seats, reseller jane, order 77' WHERE action = 'license-created'; \
         UPDATE sale SET seller = 'jane', reseller = 'jane'; UPDATE sale_license SET seller = 'jane'; \
         INSERT INTO reseller_license SELECT license_id, 'jane' FROM sale_license; \
         UPDATE audit SET seal = NULL; DELETE FROM audit_seal",
    );
    // A command seals all of it anew.
    authority.done(&["product", "edit", "--seats", "2"]);
    authority.done(&["verify"]);
    disk.columns();
    for table in ["account", "credential", "sale", "sale_license", "reseller_license"] {
        disk.keep(table);
    }
    let replaced = |table: &str, from: &str, to: &str| {
        (table.to_owned(), format!("UPDATE {table} SET record = REPLACE(record, '{from}', '{to}')"))
    };
    let deleted = |table: &str| (table.to_owned(), format!("DELETE FROM {table}"));
    let revoked = disk.value("credential", "record", "TEXT", 0).unwrap();
    let revoked: Value = serde_json::from_str(&revoked).unwrap();
    for (table, damage) in [
        replaced("account", r#""role":"support""#, r#""role":"owner""#),
        replaced("account", r#""disabled":17"#, r#""disabled":16"#),
        replaced("credential", "licenses:read", "licenses:write"),
        replaced("credential", &format!(r#""revoked":{}"#, revoked["revoked"]), r#""revoked":null"#),
        replaced("credential", r#""most":5"#, r#""most":500"#),
        deleted("account"),
        deleted("credential"),
        deleted("reseller_license"),
        deleted("sale_license"),
    ] {
        disk.ledger.execute(&damage);
        let said = authority.run(&["verify"], b"");
        assert_eq!(said.code, 1, "{damage}");
        let findings = said.json()["findings"].as_array().unwrap().clone();
        assert!(findings.iter().any(|finding| finding["table"] == *table), "{damage}: {findings:?}");
        let names = disk.names[&table].join(", ");
        let kept = format!("INSERT INTO {table} ({names}) SELECT {names} FROM kept_{table}");
        disk.ledger.execute(&format!("DELETE FROM {table}; {kept}"));
    }
    // An order with all that it was sold with.
    disk.ledger.execute("DELETE FROM sale; DELETE FROM sale_license");
    let findings = authority.run(&["verify"], b"").json()["findings"].clone();
    assert_eq!((&findings[0]["table"], field(&findings[0], "license")), (&"sale_license".into(), &*license));
}
