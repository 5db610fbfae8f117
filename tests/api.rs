//! The Rust API is a promise of its own: `tests/api.txt` has each item of it, so that a change of one shows as a change
//! of that file. And each example of the API's documents uses what it documents.
//!
//! `NODELOCK_WRITE_API=1 cargo test --test api` writes the file. It is read from the sources as rustfmt leaves them. It
//! has what can be named from outside: what is hidden from the documents is no promise, and is left out.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// The files whose public items are exported by the names of their modules, with those names.
const MODULES: [(&str, &str); 9] = [
    ("src/lib.rs", ""),
    ("src/code/mod.rs", "code::"),
    ("src/code/base32.rs", "code::base32::"),
    ("src/fingerprint/mod.rs", "fingerprint::"),
    ("src/qr.rs", "qr::"),
    ("src/store/mod.rs", "store::"),
    ("src/authority/mod.rs", "authority::"),
    ("src/authority/decision/mod.rs", "authority::decision::"),
    ("src/testing/mod.rs", "testing::"),
];
/// Folders that are no part of the API: C's interface has a promise of its own, and the model exists in tests only.
const APART: [&str; 2] = ["src/ffi", "src/model"];
/// How many items have an example at least.
const EXAMPLES: usize = 150;
/// What an application or an authority begins with. Each has an example of its own.
const MAIN: [&str; 53] = [
    "ActivationRequestOptions",
    "AsyncClient",
    "AsyncClient::activate",
    "AsyncClient::check_in",
    "AsyncClient::deactivate",
    "AsyncClient::hand_in",
    "AsyncClient::run",
    "AsyncClient::start",
    "Authority::new",
    "CertificateTerms::sign",
    "Client::accept",
    "Client::activate",
    "Client::begin",
    "Client::check",
    "Client::check_in",
    "Client::deactivate",
    "Client::deactivate_offline",
    "Client::pending",
    "Client::recover",
    "Client::recover_offline",
    "ClientBuilder::authority",
    "ClientBuilder::build",
    "HttpOptions::build",
    "HttpOptions::proxy",
    "Issuer::certified",
    "Issuer::reply",
    "Issuer::root",
    "SigningKey::generate",
    "Started",
    "TestAuthority",
    "TestAuthority::client",
    "TestAuthority::fail",
    "TestAuthority::fail_next",
    "TestAuthority::release",
    "TestAuthority::take_calls",
    "TestAuthority::usage",
    "TestAuthority::vendor",
    "Vendor",
    "Verdict",
    "activate",
    "allow",
    "approve",
    "check_in",
    "customer_release",
    "extend_trial",
    "redeem",
    "redeem_code",
    "refuse_request",
    "release",
    "renew",
    "return_held",
    "settle",
    "unrelease",
];

/// An item with its documentation.
struct Item {
    /// Such as `Client::check`.
    name: String,
    /// As it is declared.
    signature: String,
    /// What rustdoc shows of it.
    documents: String,
    hidden: bool,
}

impl Item {
    /// The name alone, as an example uses it.
    fn last(&self) -> &str {
        self.name.rsplit("::").next().unwrap()
    }

    /// The code of its examples.
    fn examples(&self) -> Vec<String> {
        let blocks = self.documents.split("```").skip(1).step_by(2);
        let is_rust = |info: &str| info.is_empty() || info.starts_with("compile_fail") || info == "no_run";
        let code = blocks.filter_map(|block| block.split_once('\n'));
        code.filter(|(info, _)| is_rust(info)).map(|(_, code)| code.to_owned()).collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source of the library.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let path = folder.join(entry.unwrap().file_name());
        if APART.iter().any(|apart| path.starts_with(apart)) {
            continue;
        }
        if root().join(&path).is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The items of a file that are public in it. It is as rustfmt leaves it, so what stands at the left edge is an item of
/// the module, and what stands behind four spaces is part of one.
fn items(text: &str) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let (mut documents, mut attributes) = (String::new(), String::new());
    let mut owner = String::new();
    let mut is_open = false;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (depth, code) = (line.len() - line.trim_start().len(), line.trim());
        if depth == 0 && code == "mod tests {" {
            break;
        }
        if let Some(words) = code.strip_prefix("///") {
            documents = documents + words.strip_prefix(' ').unwrap_or(words) + "\n";
        } else if code.starts_with("#[") {
            attributes += code;
            while !attributes.ends_with(']') {
                attributes += lines.next().unwrap().trim();
            }
        } else if depth == 0 || depth == 4 {
            let is_member = is_open && depth == 4;
            let is_item = code.starts_with("pub ") || (depth == 0 && code.starts_with("impl"));
            let is_variant = is_member && !code.starts_with(['}', '/', 'f', ')']);
            let member_of_all = owner.starts_with("enum ") || owner.starts_with("trait ");
            if (depth == 0 && is_item)
                || (is_member && (is_item || member_of_all && (is_variant || code.starts_with("fn "))))
            {
                let mut signature = code.to_owned();
                while !ends(&signature) {
                    signature = signature + " " + lines.next().unwrap().trim();
                }
                let signature =
                    signature.trim_end_matches(['{', ';', ',', ' ']).replace("( ", "(").replace(", )", ")");
                if depth == 0 {
                    owner = signature.trim_start_matches("pub ").to_owned();
                    is_open = code.ends_with('{') || !code.ends_with(['}', ';']);
                }
                let hidden = attributes.contains("#[doc(hidden)]");
                let derived = attributes.split("derive(").nth(1).and_then(|rest| rest.split(')').next());
                let exhaustive =
                    if attributes.contains("non_exhaustive") { "#[non_exhaustive] " } else { "" };
                let derives = derived.map(|derived| format!("#[derive({derived})] ")).unwrap_or_default();
                let name = match depth {
                    0 => word(&owner).to_owned(),
                    _ => format!("{}::{}", word(&owner), word(signature.trim_start_matches("pub "))),
                };
                let signature = match depth {
                    0 => format!("{exhaustive}{derives}{signature}"),
                    _ => format!("{exhaustive}{}: {signature}", word(&owner)),
                };
                items.push(Item { name, signature, documents: documents.clone(), hidden });
            } else if depth == 0 && !code.is_empty() {
                is_open = false;
            }
            if !code.is_empty() {
                documents.clear();
                attributes.clear();
            }
        }
    }
    items
}

/// Whether a declaration is whole.
fn ends(signature: &str) -> bool {
    let closed = signature.matches('(').count() == signature.matches(')').count();
    closed && signature.ends_with(['{', ';', ',', '}', ')'])
}

/// The name of what is declared: of an `impl`, the type.
fn word(declaration: &str) -> &str {
    let mut text = declaration;
    if let Some(rest) = text.strip_prefix("impl") {
        let rest =
            if rest.starts_with('<') { rest.split_once("> ").map_or(rest, |(_, rest)| rest) } else { rest };
        text = rest.rsplit(" for ").next().unwrap().trim();
    }
    for keyword in [
        "const ", "unsafe ", "async ", "fn ", "struct ", "enum ", "trait ", "type ", "mod ", "use ",
        "static ",
    ] {
        text = text.strip_prefix(keyword).unwrap_or(text);
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The names that can be used from outside: what the modules export, and the items of those that are public themselves.
fn exported() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (file, _) in MODULES {
        let Ok(text) = fs::read_to_string(root().join(file)) else { continue };
        let uses = text.split("\npub use ").skip(1).filter_map(|rest| rest.split(';').next());
        for list in uses {
            let words = list.split(|c: char| !c.is_alphanumeric() && c != '_');
            names.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
        }
        names.extend(items(&text).into_iter().map(|item| word(&item.name).to_owned()));
    }
    names
}

/// The items of the API, with the file of each.
fn api() -> Vec<(PathBuf, Item)> {
    let exported = exported();
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    files.sort();
    let mut api = Vec::new();
    for file in files {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let found = items(&text).into_iter();
        let is_visible = |item: &Item| !item.hidden && exported.contains(word(&item.name));
        api.extend(found.filter(is_visible).map(|item| (file.clone(), item)));
    }
    api
}

#[test]
fn the_api_is_the_one_that_is_written_down() {
    let mut text = String::new();
    let mut last = PathBuf::new();
    for (file, item) in api() {
        if file != last {
            writeln!(text, "\n{}", file.display().to_string().replace('\\', "/")).unwrap();
        }
        writeln!(text, "    {}", item.signature).unwrap();
        last = file;
    }
    let path = root().join("tests/api.txt");
    let text = format!("The Rust API, written by NODELOCK_WRITE_API=1 cargo test --test api\n{text}");
    if std::env::var_os("NODELOCK_WRITE_API").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    let differences: Vec<String> = [("new", &text, &known), ("gone", &known, &text)]
        .into_iter()
        .flat_map(|(what, here, there)| {
            let there: BTreeSet<&str> = there.lines().collect();
            here.lines().filter(move |line| !there.contains(line)).map(move |line| format!("{what}: {line}"))
        })
        .collect();
    assert!(differences.is_empty() && known.lines().eq(text.lines()), "{}", differences.join("\n"));
}

#[test]
fn what_the_list_is_read_from_is_understood() {
    let names: BTreeSet<String> = api().into_iter().map(|(_, item)| item.name).collect();
    for name in [
        "Client::check",
        "Status::feature_limit",
        "Verdict::Expired",
        "Limit::UpTo",
        "Transport::post",
        "machine_id",
    ] {
        assert!(names.contains(name), "{name}");
    }
    for name in ["nodelock_client", "Store::write", "Extension", "Probe::from_values"] {
        assert!(!names.contains(name), "{name}");
    }
    let planted = "/// One.\npub struct One {\n    /// Two.\n    pub two: u8,\n    three: u8,\n}\n";
    let signatures: Vec<_> = items(planted).into_iter().map(|item| item.signature).collect();
    assert_eq!(signatures, ["pub struct One", "One: pub two: u8"]);
}

/// A method of `Signed` hides what its body has by the same name.
#[test]
fn a_signed_message_hides_nothing_of_its_body() {
    let api = api();
    let members = |owner: &str| -> BTreeSet<String> {
        let of_owner = |item: &&(PathBuf, Item)| item.1.name.starts_with(&format!("{owner}::"));
        api.iter().filter(of_owner).map(|(_, item)| item.last().to_owned()).collect()
    };
    let own = members("Signed");
    assert!(own.contains("body"), "{own:?}");
    let bodies = api.iter().filter(|(_, item)| item.name.ends_with("Body") && !item.name.contains("::"));
    let mut seen = BTreeSet::new();
    for (_, body) in bodies {
        // What an `impl` of a kind of message adds, such as `verify`, is of the message and not of the body.
        let hidden: Vec<_> = members(&body.name).intersection(&own).cloned().collect();
        assert!(hidden.is_empty(), "{}: {hidden:?}", body.name);
        seen.insert(body.name.clone());
    }
    assert!(seen.contains("LicenseBody") && seen.len() >= 8, "{seen:?}");
}

#[test]
fn every_example_uses_what_it_documents() {
    let mut with_example = 0;
    let mut named = BTreeSet::new();
    let mut wrong = Vec::new();
    for (file, item) in api() {
        let examples = item.examples();
        if !examples.is_empty() {
            with_example += 1;
            named.insert(item.name.clone());
        }
        for code in examples {
            let is_used = uses(&code, item.last()) || is_parsed(&code, &item.name);
            if !is_used {
                wrong.push(format!("{}: {}", file.display(), item.name));
            }
        }
    }
    assert!(wrong.is_empty(), "examples that do not use what they document:\n{}", wrong.join("\n"));
    let without: Vec<_> = MAIN.iter().filter(|name| !named.contains(**name)).collect();
    assert!(without.is_empty(), "these have no example: {without:?}");
    assert!(with_example >= EXAMPLES, "{with_example} items have an example");
    println!("{with_example} items have an example");
}

/// Whether code has that word outside of comments and imports.
fn uses(code: &str, name: &str) -> bool {
    let lines = code.lines().map(|line| line.trim_start_matches("# "));
    let code = lines.filter(|line| !line.starts_with("use ")).map(|line| line.split("//").next().unwrap());
    let words: Vec<&str> =
        code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')).collect();
    words.contains(&name)
}

/// Whether code makes a value of a type by a method that returns it.
fn is_parsed(code: &str, name: &str) -> bool {
    match name {
        "PendingRequest" => uses(code, "pending"),
        "Deactivation" => uses(code, "cancel") || uses(code, "deactivate_offline"),
        _ => false,
    }
}

/// Only nightly compilers look at the number of an error that an example must fail with, so an example that calls a
/// function under a name that it has no more would pass.
#[test]
fn no_transition_of_a_seat_can_be_called_from_outside_and_the_example_calls_one() {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    let transitions = read("src/authority/seat/transitions.rs");
    let (code, _) = transitions.split_once("\n#[cfg(test)]\n").unwrap();
    let mut names = BTreeSet::new();
    for line in code.lines().map(str::trim).filter(|line| line.starts_with("pub")) {
        let declared = line.strip_prefix("pub(in crate::authority) ");
        let declared = declared.unwrap_or_else(|| panic!("visible further than `authority`: {line}"));
        names.extend(declared.strip_prefix("fn ").map(word));
    }
    assert!(names.len() > 20, "{names:?}");
    let seat = read("src/authority/seat.rs");
    let examples: Vec<&str> = seat.split("compile_fail,E0624").skip(1).collect();
    assert_eq!(examples.len(), 1);
    let called = examples[0].split("```").next().unwrap().split(" seat.").nth(1).map(word);
    assert!(called.is_some_and(|called| names.contains(called)), "{called:?}");
}
