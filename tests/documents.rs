//! The documents agree with what cites them.
//!
//! - A citation names a file and a heading that exist: the path of a document, a comma, the heading. In comments it
//!   may be wrapped.
//! - A link between documents leads to a file and, behind `#`, to a heading that exist.
//! - A path that a document names in backquotes, from the root of the repository, exists.
//! - No comment cites a document by a bare word in capitals: the path makes a document findable.
//! - No line of prose is longer than 120 characters, in Markdown and in the comments of scripts. Rows of tables, blocks
//!   of code and addresses cannot be wrapped.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    path::{Component, Path, PathBuf},
};

/// Folders whose files are read, with all that is below them.
const FOLDERS: [&str; 6] = ["src", "include", "examples", "tests", "benches", "docs"];
/// Documents at the top.
const DOCUMENTS: [&str; 4] = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
/// Folders that hold what others made.
const FOREIGN: [&str; 6] = ["target", "node_modules", "__pycache__", ".venv", "corpus", "artifacts"];
/// The longest line of prose, in characters.
const LONGEST: usize = 120;
/// Names of documents that must not stand alone.
const BARE: [&str; 10] = [
    "ARCHITECTURE",
    "CONTRIBUTING",
    "DESIGN",
    "FINGERPRINT",
    "FORMAT",
    "PROSE",
    "PROTOCOL",
    "SEATS",
    "THREATS",
    "VENDOR",
];

/// The headings of every document, by its path from the root of the repository.
struct Library {
    root: PathBuf,
    headings: HashMap<PathBuf, Vec<String>>,
}

impl Library {
    fn new(root: &Path, files: &[PathBuf]) -> Self {
        let is_document = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "md");
        let headings = files.iter().filter(is_document).map(|path| {
            let text = fs::read_to_string(root.join(path)).expect("a document");
            (path.clone(), headings(&text))
        });
        Self { headings: headings.collect(), root: root.to_owned() }
    }

    /// What is wrong with a file's citations and links.
    fn faults(&self, path: &Path, text: &str) -> Vec<String> {
        let mut faults = self.false_citations(&joined(text));
        let is_document = path.extension().is_some_and(|extension| extension == "md");
        if is_document {
            faults.extend(self.false_links(path, text));
            faults.extend(self.false_paths(text));
        }
        let prose = if is_document { outside_code(text) } else { comments(path, text) };
        faults.extend(
            bare_words(&prose).map(|word| format!("{word} stands alone: cite its path and a section")),
        );
        faults
    }

    fn false_citations(&self, text: &str) -> Vec<String> {
        let mut faults = Vec::new();
        for (at, _) in text.match_indices("docs/") {
            let name = text[at + 5..].split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
            let path = format!("docs/{}.md", name.into_iter().next().unwrap_or_default());
            let Some(rest) = text[at..].strip_prefix(path.as_str()) else { continue };
            let Some(headings) = self.headings.get(Path::new(&path)) else {
                faults.push(format!("{path} does not exist"));
                continue;
            };
            // A path in the middle of a sentence goes on in lower case.
            let rest = rest.strip_prefix('`').unwrap_or(rest);
            let Some(section) = rest.strip_prefix(", ") else { continue };
            let section = section.trim_start_matches('"');
            let cited: String = section.chars().take(60).collect();
            let exists = match section.strip_prefix("section") {
                Some(numbers) => are_numbers(numbers, headings),
                None if !section.starts_with(|c: char| c.is_ascii_uppercase()) => true,
                None => headings.iter().any(|heading| begins_with(section, unnumbered(heading))),
            };
            if !exists {
                faults.push(format!("{path} has no section of that name: {cited}"));
            }
        }
        faults
    }

    fn false_links(&self, path: &Path, text: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let outside = outside_code(text);
        for (at, mark) in outside.match_indices("](") {
            let target = outside[at + mark.len()..].split(')').next().unwrap_or_default();
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => path.to_owned(),
                file => normal(&path.parent().unwrap_or(Path::new("")).join(file)),
            };
            if !self.root.join(&file).exists() {
                faults.push(format!("the link leads nowhere: {target}"));
            } else if !anchor.is_empty() && !self.anchors(&file).any(|known| known == anchor) {
                faults.push(format!("the link's heading does not exist: {target}"));
            }
        }
        faults
    }

    /// Paths in backquotes that begin at the root and lead nowhere. One with a pattern in it is none.
    fn false_paths(&self, text: &str) -> Vec<String> {
        let is_from_the_root = |span: &&str| {
            let (first, rest) = span.split_once('/').unwrap_or((span, ""));
            (FOLDERS.contains(&first) || first == ".ci") && !rest.contains(['*', '{', ' ', '#', '…'])
        };
        let outside = outside_code(text);
        let spans = outside.split('`').skip(1).step_by(2).filter(is_from_the_root);
        // A citation has a comma and a section behind the path.
        let paths = spans.map(|span| span.split_once(',').map_or(span, |(path, _)| path));
        let false_ones = paths.filter(|path| !self.root.join(path).exists());
        false_ones.map(|path| format!("{path} does not exist")).collect()
    }

    fn anchors(&self, file: &Path) -> impl Iterator<Item = String> {
        self.headings.get(file).into_iter().flatten().map(|heading| anchor(heading))
    }
}

/// The headings of a Markdown text, without their marks.
fn headings(text: &str) -> Vec<String> {
    let outside = outside_code(text);
    let lines = outside.lines().filter(|line| line.starts_with('#'));
    lines.map(|line| line.trim_start_matches('#').trim().to_owned()).collect()
}

/// A Markdown text without its fenced blocks; its lines stay in place.
fn outside_code(text: &str) -> String {
    let mut fenced = false;
    let keep = |line: &str| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        if fence || fenced { "\n".to_owned() } else { format!("{line}\n") }
    };
    text.lines().map(keep).collect()
}

/// The anchor that a heading gets where Markdown is shown: lower case, spaces as hyphens, no punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// `7. Codes` is cited as `Codes`.
fn unnumbered(heading: &str) -> &str {
    let rest = heading.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.strip_prefix(". ").unwrap_or(heading)
}

/// Whether a text begins with that heading as a whole, and not with a longer word or number.
fn begins_with(text: &str, heading: &str) -> bool {
    text.strip_prefix(heading).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

/// Whether `s 2, 3 and 5` or ` 7` names numbered headings.
fn are_numbers(text: &str, headings: &[String]) -> bool {
    let list = text.trim_start_matches('s');
    let end = list.find(|c: char| !(c.is_ascii_digit() || " ,and".contains(c))).unwrap_or(list.len());
    let numbers = list[..end].split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
    let numbers: Vec<_> = numbers.collect();
    let exists = |number: &&str| headings.iter().any(|heading| heading.starts_with(&format!("{number}. ")));
    !numbers.is_empty() && numbers.iter().all(exists)
}

/// The numbers of the lines of prose that are too long.
fn long_lines(path: &Path, text: &str) -> Vec<usize> {
    let is_document = path.extension().is_some_and(|extension| extension == "md");
    let is_python = path.extension().is_some_and(|extension| extension == "py");
    let is_rust = path.extension().is_some_and(|extension| extension == "rs");
    let prose = match path.extension().and_then(|extension| extension.to_str()) {
        Some("md") => outside_code(text),
        Some("sh" | "py" | "rs") => comments(path, text),
        // The scripts of CI have no extension, and are like the others.
        None => comments(&path.with_extension("sh"), text),
        Some(_) => return Vec::new(),
    };
    let mut is_code = false;
    let mut is_too_long = |(line, prose): (&str, &str)| {
        let start = line.trim_start();
        let said = start.trim_start_matches(['/', '!']).trim_start();
        is_code ^= is_rust && said.starts_with("```");
        let whole = if is_document {
            !line.starts_with("    ")
        } else if is_rust {
            start.starts_with("//") && !is_code && !said.starts_with('|')
        } else {
            start.starts_with('#') || (is_python && line == prose)
        };
        let is_whole = whole && !prose.is_empty() && !start.starts_with('|') && !line.contains("://");
        is_whole && line.chars().count() > LONGEST
    };
    let lines = text.lines().zip(prose.lines()).zip(1..);
    lines.filter_map(|(line, number)| is_too_long(line).then_some(number)).collect()
}

/// The text on one line, without what begins the lines of a comment, so that a wrapped citation is whole.
fn joined(text: &str) -> String {
    text.lines().fold(String::new(), |mut joined, line| {
        let line = line.trim_start().trim_start_matches(['/', '!', '*', '#', '>', '|']);
        write!(joined, "{} ", line.trim()).expect("a text takes any length");
        joined
    })
}

/// The comments of a source file: what stands behind its marks, and Python's texts in three quotes.
fn comments(path: &Path, text: &str) -> String {
    let name = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let mark = match name {
        "py" | "sh" | "toml" | "txt" | "yml" => "#",
        "json" => return text.to_owned(),
        "sql" => "--",
        "html" => "<!--",
        _ => "//",
    };
    let mut documented = false;
    let comment = |line: &str| {
        let quotes = if name == "py" { line.matches("\"\"\"").count() } else { 0 };
        let inside = documented || quotes > 0;
        documented ^= quotes % 2 == 1;
        let block = line.trim_start().starts_with(['*']) || line.trim_start().starts_with("/*");
        let behind = line.split_once(mark).map_or("", |(_, comment)| comment);
        format!("{}\n", if inside || block { line } else { behind })
    };
    text.lines().map(comment).collect()
}

/// Names of documents that stand alone. In backquotes or brackets they are names in the code, and behind a slash paths.
fn bare_words(text: &str) -> impl Iterator<Item = &'static str> {
    let is_alone = |(at, word): (usize, &str)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let is_part = |c: char| c.is_alphanumeric() || "_-/.`[]".contains(c);
        !before.is_some_and(is_part) && !after.is_some_and(|c| c.is_alphanumeric() || "_-`]".contains(c))
            // `NAME.md` is a path, `NAME.` the end of a sentence.
            && !text[at + word.len()..].starts_with(".md")
    };
    BARE.into_iter().filter(move |word| text.match_indices(word).any(is_alone))
}

/// A path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, part| {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            part => normal.push(part),
        }
        normal
    })
}

/// Every file below a folder, as a path from the root.
fn files(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(root.join(folder)).expect("a folder of the repository");
    for entry in entries {
        let entry = entry.expect("an entry");
        let path = folder.join(entry.file_name());
        let kind = entry.file_type().expect("its type");
        if kind.is_dir() && !FOREIGN.iter().any(|foreign| entry.file_name() == *foreign) {
            files(root, &path, found);
        } else if kind.is_file() {
            found.push(path);
        }
    }
}

fn repository() -> (Library, Vec<PathBuf>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: Vec<PathBuf> = DOCUMENTS.iter().map(PathBuf::from).collect();
    for folder in FOLDERS {
        files(root, Path::new(folder), &mut found);
    }
    found.sort();
    (Library::new(root, &found), found)
}

#[test]
fn every_citation_and_link_leads_somewhere() {
    let (library, files) = repository();
    let mut faults = String::new();
    let mut read = 0;
    for path in &files {
        // What is no text cites nothing.
        let Ok(text) = fs::read_to_string(library.root.join(path)) else { continue };
        read += 1;
        for fault in library.faults(path, &text) {
            writeln!(faults, "{}: {fault}", path.display()).expect("a text takes any length");
        }
    }
    assert!(read > 200, "only {read} files were read");
    assert!(faults.is_empty(), "\n{faults}");
}

/// The titles in a document's list of contents: the numbered links before its first section.
fn contents(text: &str) -> Vec<&str> {
    let before = text.split("\n## ").next().unwrap_or_default();
    let entries = before.lines().filter_map(|line| line.split_once(". [")?.1.split_once("](#"));
    entries.map(|(title, _)| title).collect()
}

fn sections(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("## ")).map(unnumbered).collect()
}

#[test]
fn a_list_of_contents_has_every_section_in_its_order() {
    let (library, files) = repository();
    let mut lists = 0;
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = outside_code(&fs::read_to_string(library.root.join(path)).unwrap());
        let listed = contents(&text);
        if !listed.is_empty() {
            lists += 1;
            assert_eq!(listed, sections(&text), "{}", path.display());
        }
    }
    assert!(lists > 0);
    let planted = "1. [One](#one)\n2. [Two](#two)\n\n## One\n\n## Two\n\n## Three\n";
    assert_ne!(contents(planted), sections(planted));
    assert_eq!(contents(planted), ["One", "Two"]);
}

#[test]
fn no_line_of_prose_is_too_long() {
    let (library, mut paths) = repository();
    files(&library.root, Path::new(".ci"), &mut paths);
    let mut faults = String::new();
    for path in &paths {
        let Ok(text) = fs::read_to_string(library.root.join(path)) else { continue };
        for line in long_lines(path, &text) {
            writeln!(faults, "{}:{line}", path.display()).expect("a text takes any length");
        }
    }
    assert!(faults.is_empty(), "longer than {LONGEST} characters:\n{faults}");
}

#[test]
fn a_line_that_is_too_long_is_found() {
    let long = "word ".repeat(30);
    let found = |path: &str, text: &str| long_lines(Path::new(path), text);
    assert_eq!(found("examples/planted.md", &format!("short\n{long}\n- {long}")), [2, 3]);
    assert_eq!(
        found("examples/planted.md", &format!("```\n{long}\n```\n| {long} |\n    {long}\nhttps://{long}")),
        [0; 0]
    );
    for path in [".ci/planted", "tests/planted.sh", "tests/planted.py"] {
        assert_eq!(found(path, &format!("# {long}\n{long}")), [1], "{path}");
    }
    let source = ["", &long, "| a |", "```", &long, "```", &long].map(comment).join("\n");
    assert_eq!(found("src/planted.rs", &format!("{source}\n{long}")), [2, 7]);
    assert_eq!(found("tests/planted.py", &format!("\"\"\"Short.\n{long}\n\"\"\"\n{long}")), [2]);
}

/// A line of a comment in Rust. It is put together here, so that this file itself cites nothing that is false.
fn comment(text: &str) -> String {
    ["//", "! ", text].concat()
}

#[test]
fn a_false_citation_is_found() {
    let (library, _) = repository();
    let source = Path::new("src/planted.rs");
    let count = |text: &str| library.faults(source, text).len();
    let cite = |name: &str, section: &str| comment(&format!("(docs/{name}.md, {section})"));

    assert_eq!(count(&cite("PROTOCOL", "Client states")), 0);
    assert_eq!(count(&cite("FORMAT", "Codes that people type")), 0);
    assert_eq!(count(&cite("FORMAT", "sections 2, 3 and 5")), 0);
    assert_eq!(count(&comment("see docs/FORMAT.md, which has the bytes")), 0);
    assert_eq!(count(&cite("THREATS", "Test 1")), 0);

    assert_eq!(count(&cite("PROTOCOL", "Server states")), 1);
    assert_eq!(count(&cite("THREATS", "Test 99")), 1);
    assert_eq!(count(&cite("FORMAT", "sections 2 and 99")), 1);
    assert_eq!(count(&cite("NOWHERE", "Client states")), 1);
    // The path may stand in backquotes, the section in quotes.
    assert_eq!(count(&comment(&format!("`docs/{}.md`, \"Server states\"", "PROTOCOL"))), 1);
    assert_eq!(count(&comment("`docs/PROTOCOL.md`, \"Client states\"")), 0);
}

#[test]
fn a_citation_may_be_wrapped() {
    let (library, _) = repository();
    let wrapped = |second: &str| {
        let first = comment(&format!("every message is signed (docs/{}.md, Signed", "PROTOCOL"));
        library.faults(Path::new("src/planted.rs"), &format!("{first}\n{}", comment(second))).len()
    };
    assert_eq!(wrapped("envelopes)."), 0);
    assert_eq!(wrapped("letters)."), 1);
}

#[test]
fn a_document_cited_by_its_name_alone_is_found() {
    let (library, _) = repository();
    let count = |path: &str, text: &str| library.faults(Path::new(path), text).len();
    for word in BARE {
        assert_eq!(count("src/planted.rs", &comment(&format!("as {word} says"))), 1, "{word}");
        assert_eq!(count("src/planted.rs", &format!("const {word}: usize = 3;")), 0, "{word}");
        assert_eq!(count("src/planted.rs", &comment(&format!("at most [`{word}`]"))), 0, "{word}");
        assert_eq!(count("tests/planted.py", &format!("\"\"\"As\n{word} says.\n\"\"\"")), 1, "{word}");
        assert_eq!(count("tests/planted.py", &format!("{word} = 3  # seats")), 0, "{word}");
        assert_eq!(count("examples/planted.md", &format!("as {word} says")), 1, "{word}");
    }
}

#[test]
fn a_false_path_is_found() {
    let (library, _) = repository();
    let count = |text: &str| library.faults(Path::new("examples/planted.md"), text).len();
    assert_eq!(
        count("`src/record.rs`, `tests/vectors`, `.ci/run`, `.ci/run quick`, `cargo test`, `state.new`"),
        0
    );
    assert_eq!(count("`src/{record,verdict}.rs` and `http/device`"), 0);
    assert_eq!(count("`src/nowhere.rs`"), 1);
    assert_eq!(count("`examples/nowhere`"), 1);
}

#[test]
fn a_false_link_is_found() {
    let (library, _) = repository();
    let count = |text: &str| library.faults(Path::new("examples/planted.md"), text).len();
    assert_eq!(count("[states](../docs/PROTOCOL.md#client-states), [security](../SECURITY.md)"), 0);
    assert_eq!(count("[bytes](../docs/FORMAT.md#7-codes-that-people-type)"), 0);
    assert_eq!(count("[elsewhere](https://example.com/nowhere)"), 0);
    assert_eq!(count("[states](../docs/PROTOCOL.md#server-states)"), 1);
    assert_eq!(count("[nowhere](NOWHERE.md)"), 1);
    // In a block of code it is no link.
    assert_eq!(count("```\n[nowhere](NOWHERE.md)\n```"), 0);
}

/// What readers are told to pin is what this repository pins.
#[test]
fn the_version_that_leaves_out_tables_is_the_locked_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let lock = read("Cargo.lock");
    let package =
        lock.split("[[package]]").find(|package| package.contains("name = \"idna_adapter\"")).unwrap();
    let version = package.split("version = \"").nth(1).unwrap().split('"').next().unwrap();
    for document in ["README.md", "docs/guides/rust.md"] {
        let command = format!("cargo update -p idna_adapter --precise {version}`");
        assert!(read(document).replace('\n', " ").contains(&command), "{document}: {command}");
    }
    assert!(!lock.contains("name = \"icu_normalizer\""), "the tables are here all the same");
}
