//! Nothing points up the list of rooms, and the plain types know neither a database nor a server.

use std::{collections::BTreeSet, fs, path::Path};

/// Each room with its height.
const ROOMS: [(&str, u8); 8] = [
    ("cli", 3),
    ("http", 3),
    ("remote", 3),
    ("service", 2),
    ("store", 1),
    ("keys", 1),
    ("domain", 0),
    ("failure", 0),
];
/// What points up all the same.
const KNOWN: [(&str, &str); 2] = [
    // It carries what the database said to whoever has a word for it.
    ("failure.rs", "store"),
    // What a service logs is read with the reader of the server's log.
    ("service/notes/tests.rs", "http"),
];
/// Packages that are a database's or a server's.
const OUTSIDE: [&str; 6] = ["askama", "axum", "hyper", "rusqlite", "sqlx", "tower"];

/// A source without its comments.
fn code(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.split("//").next().unwrap_or_default())).collect()
}

/// The rooms that a source names by a path from the root of the package.
fn named(code: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let word = |text: &str| text.find(|c: char| !is_part(c)).unwrap_or(text.len());
    let mut names = BTreeSet::new();
    for (at, mark) in code.match_indices("crate::") {
        let rest = &code[at + mark.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            names.insert(&rest[..word(rest)]);
            continue;
        };
        let mut depth = 0;
        for (at, c) in std::iter::once((0, ',')).chain(list.char_indices()) {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    let next = list[at..].trim_start_matches(|c: char| !is_part(c));
                    names.insert(&next[..word(next)]);
                }
                _ => {}
            }
        }
    }
    names
}

fn height(room: &str) -> Option<u8> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, height)| *height)
}

/// What a file names that is above its own room.
fn above<'code>(path: &str, code: &'code str) -> Vec<&'code str> {
    let room = path.split(['/', '.']).next().unwrap_or_default();
    let own = height(room).unwrap_or(u8::MAX);
    named(code).into_iter().filter(|name| height(name).is_some_and(|height| height > own)).collect()
}

/// The paths of a source that lead out of its room by `super`, from where nobody sees what they name: the line of each.
fn out_of_the_room<'code>(path: &str, code: &'code str) -> Vec<&'code str> {
    let module = path.trim_end_matches(".rs");
    let depth = module.trim_end_matches("/mod").split('/').count();
    let mut found = Vec::new();
    // The modules and the lists of paths that are open. rustfmt closes each at the edge at which it begins.
    let (mut modules, mut lists) = (Vec::new(), Vec::<(usize, usize)>::new());
    for line in code.lines() {
        let (edge, text) = (line.len() - line.trim_start().len(), line.trim());
        if text.starts_with('}') {
            modules.retain(|open| *open < edge);
            lists.retain(|(open, _)| *open < edge);
        }
        let around = lists.last().map_or(0, |(_, length)| *length);
        let pieces: Vec<&str> = text.split("super::").collect();
        let (mut length, mut list) = (0, around);
        for (n, before) in pieces[..pieces.len() - 1].iter().enumerate() {
            if n > 0 && before.starts_with('{') {
                list = length;
            } else if before.contains('}') {
                list = around;
            }
            length = 1 + if n > 0 && before.is_empty() { length } else { list };
            if length >= depth + modules.len() {
                found.push(text);
            }
        }
        if text.ends_with("super::{") {
            lists.push((edge, length));
        }
        if text.ends_with('{') && (text.starts_with("mod ") || text.contains(" mod ")) {
            modules.push(edge);
        }
    }
    found
}

/// The packages of [`OUTSIDE`] that a source names.
fn outside(code: &str) -> Vec<&'static str> {
    let words: BTreeSet<&str> = code.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
    OUTSIDE.into_iter().filter(|package| words.contains(package)).collect()
}

fn sources(folder: &Path, root: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, root, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            found.push((name, code(&fs::read_to_string(&path).unwrap())));
        }
    }
}

#[test]
fn no_room_names_one_above_it_and_the_domain_names_no_database_and_no_server() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &root, &mut found);
    assert!(found.len() > 150, "only {} files", found.len());
    let mut up = Vec::new();
    for (path, code) in &found {
        up.extend(above(path, code).into_iter().map(|name| (path.as_str(), name)));
        if path.contains('/') {
            assert_eq!(
                out_of_the_room(path, code),
                [""; 0],
                "{path}: a path out of its room begins with crate::"
            );
        }
        if path.starts_with("domain/") {
            assert_eq!(outside(code), [""; 0], "{path}");
        }
    }
    up.sort_unstable();
    assert_eq!(up, KNOWN);
}

#[test]
fn a_room_that_names_one_above_it_is_found() {
    assert_eq!(above("store/seats.rs", "use crate::service::Service;"), ["service"]);
    let list = "use crate::{\n    domain::{Actor, http},\n    http::{\n        Server,\n    },\n};";
    assert_eq!(above("service/redeem.rs", list), ["http"]);
    assert_eq!(above("http/mod.rs", list), [""; 0]);
    assert_eq!(above("remote/wire.rs", "use crate::{cli, service::Sold};"), [""; 0]);
    assert_eq!(above("service/sale.rs", "use crate::remote::Wire;"), ["remote"]);
    assert_eq!(above("keys/vault.rs", "fn a() { crate::cli::main() }"), ["cli"]);
    assert_eq!(above("domain/said.rs", &code("// crate::store\n")), [""; 0]);
    assert_eq!(outside("use sqlx::Row;"), ["sqlx"]);
    assert_eq!(outside("use axumlike::Row;"), [""; 0]);
}

#[test]
fn a_path_that_leaves_its_room_by_super_is_found() {
    let one = "use super::seats;";
    let two = "use super::super::service::Service;";
    let three = "    fn a() { super::super::super::http::main() }";
    assert_eq!(out_of_the_room("store/mod.rs", one), [one]);
    assert_eq!(out_of_the_room("store/seats.rs", one), [""; 0]);
    assert_eq!(out_of_the_room("store/seats.rs", two), [two]);
    assert_eq!(out_of_the_room("http/admin/mod.rs", two), [two]);
    assert_eq!(out_of_the_room("http/admin/lists.rs", two), [""; 0]);
    assert_eq!(out_of_the_room("http/admin/lists.rs", three), [three.trim()]);
    let inside = format!("mod tests {{\n    {two}\n}}\n{two}\n");
    assert_eq!(out_of_the_room("store/seats.rs", &inside), [two]);
    let list = "use super::{\n    super::{http::Server, a},\n    b,\n};\nuse super::{c, super::d};";
    assert_eq!(
        out_of_the_room("store/seats.rs", list),
        ["super::{http::Server, a},", "use super::{c, super::d};"]
    );
    assert_eq!(out_of_the_room("http/admin/lists.rs", list), [""; 0]);
    assert_eq!(out_of_the_room("store/seats.rs", "use super::a; use super::b;"), [""; 0]);
}
