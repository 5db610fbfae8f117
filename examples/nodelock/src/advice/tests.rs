//! Each advice is followed, with the commands that it names, to a license that is usable or to what explains why it is
//! not. An advice without a row here, or with other words than its row has, fails.

mod disk;
mod letters;
mod seats;
mod table;
mod verdicts;
mod way;

use std::{cell::Cell, collections::BTreeSet, fs, path::Path};

use clap::{CommandFactory as _, Parser as _};
use nodelock::{Error, ErrorKind};

use crate::arguments::Arguments;

/// What the library advises about a kind of failure, what this program does, and how both are followed.
struct Row {
    kind: ErrorKind,
    library: &'static str,
    program: &'static str,
    follow: Follow,
}

/// An advice and the story that follows it.
type Told = (&'static str, fn(&Heard));

enum Follow {
    Here(fn(&Heard)),
    /// A test that needs more than this package has: its file and its name.
    There(&'static str, &'static str),
}

fn row(kind: ErrorKind, library: &'static str, program: &'static str, follow: fn(&Heard)) -> Row {
    Row { kind, library, program, follow: Follow::Here(follow) }
}

fn there(
    kind: ErrorKind,
    library: &'static str,
    program: &'static str,
    file: &'static str,
    name: &'static str,
) -> Row {
    Row { kind, library, program, follow: Follow::There(file, name) }
}

/// Whether the advice that is followed was given.
struct Heard {
    library: &'static str,
    program: &'static str,
    is_heard: Cell<bool>,
}

impl Heard {
    /// It is what the program said.
    fn from(&self, said: &str) {
        assert_eq!(said, self.program);
        self.is_heard.set(true);
    }

    /// It is about a failure at the vendor's, or in an application.
    fn with(&self, error: &Error, kind: ErrorKind) {
        assert_eq!((error.kind(), error.advice()), (kind, Some(self.library)), "{error}");
        self.from(super::on(error).unwrap());
    }
}

fn follow(library: &'static str, program: &'static str, follow: fn(&Heard)) {
    let heard = Heard { library, program, is_heard: Cell::new(false) };
    follow(&heard);
    assert!(heard.is_heard.get(), "nothing that was done led to the advice: {program}");
}

#[test]
fn each_advice_about_a_failure_is_followed() {
    let rows = table::rows();
    let of = |kind: ErrorKind| rows.iter().filter(move |row| row.kind == kind).count();
    for kind in ErrorKind::ALL {
        let is_given = kind.advice().is_some() || super::on_error(*kind).is_some();
        assert_eq!(of(*kind), usize::from(is_given), "rows of {kind:?}");
    }
    for Row { kind, library, program, follow: how } in rows {
        assert_eq!(kind.advice().unwrap_or_default(), library, "{kind:?}");
        let program = if program.is_empty() { library } else { program };
        assert_eq!(super::on_error(kind), Some(program), "{kind:?}");
        match how {
            Follow::Here(how) => follow(library, program, how),
            Follow::There(file, name) => {
                let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
                let text = fs::read_to_string(&file).unwrap();
                assert!(text.contains(&format!("fn {name}()")), "{kind:?}: {} has no {name}", file.display());
            }
        }
    }
}

/// Advice that one failure of a kind has, and not all of them.
#[test]
fn each_advice_about_one_failure_alone_is_followed() {
    let network = literals(include_str!("../../../../src/error/network.rs"), "fn advice");
    let told: BTreeSet<&str> = way::TOLD.iter().map(|(advice, _)| *advice).collect();
    assert_eq!(network.iter().map(String::as_str).collect::<BTreeSet<_>>(), told);
    for (advice, how) in way::TOLD.iter().chain(disk::TOLD) {
        follow(advice, advice, *how);
    }
}

#[test]
fn each_advice_about_a_verdict_is_followed() {
    let said = literals(include_str!("../advice.rs"), "pub fn on_status");
    let told: BTreeSet<&str> = verdicts::TOLD.iter().map(|(advice, _)| *advice).collect();
    assert_eq!(said.iter().map(String::as_str).collect::<BTreeSet<_>>(), told);
    for (advice, how) in verdicts::TOLD {
        follow("", advice, *how);
    }
}

/// A failure that is none of the library's has its advice where it is made. Each is provoked and followed with the
/// program itself.
#[test]
fn each_advice_about_a_failure_of_the_program_is_followed() {
    let sources = [include_str!("../commands.rs"), include_str!("../report.rs"), include_str!("../lib.rs")];
    let mut kinds = BTreeSet::new();
    for source in sources {
        for made in source.split("CommandError::new(").skip(1).chain(source.split("Self::new(").skip(1)) {
            kinds.insert(made.split('"').nth(1).unwrap());
        }
    }
    assert_eq!(kinds, BTreeSet::from(["input", "no-authority", "nothing-outstanding", "output"]));
    let stories = include_str!("../../tests/cli/advice.rs");
    for kind in kinds {
        assert!(stories.contains(&format!("\"{kind}\"")), "no story of {kind}");
    }
}

/// The texts of the function in a source that begins so.
fn literals(source: &str, function: &str) -> Vec<String> {
    let from = source.find(function).unwrap();
    let line = source[..from].rfind('\n').map_or(0, |end| end + 1);
    let indent = source[line..].len() - source[line..].trim_start().len();
    let end = format!("\n{}}}", " ".repeat(indent));
    let body = source[from..].split(&*end).next().unwrap();
    let mut texts = Vec::new();
    for (place, part) in body.split('"').enumerate() {
        if place % 2 == 1 {
            let lines: Vec<&str> = part.split("\\\n").map(str::trim_start).collect();
            texts.push(lines.concat());
        }
    }
    texts
}

/// What an advice names in backticks is a command, and each option is one.
#[test]
fn every_command_and_option_that_an_advice_names_is_one() {
    let source = include_str!("../advice.rs");
    let texts = [literals(source, "pub fn on_error"), literals(source, "pub fn on_status")].concat();
    let no_commands = ["device.key", "sudo chown -R USER FOLDER"];
    let mut commands = 0;
    for text in &texts {
        for named in text.split('`').skip(1).step_by(2).filter(|named| !no_commands.contains(named)) {
            let named = named.strip_prefix("nodelock ").unwrap_or(named);
            let line = named
                .replace("LICENSE-KEY", "2BNYW-D0EKF-C046S-YXTEG-MN5J7")
                .replace("--instead-of SEAT", "--instead-of 000000")
                .replace("--seat SEAT", "--seat 000000");
            // A command that is named without what it takes.
            let taken = if ["install", "receipt"].contains(&&*line) { Some("FILE") } else { None };
            let words = ["nodelock"].into_iter().chain(line.split(' ')).chain(taken);
            assert!(Arguments::try_parse_from(words).is_ok(), "{named:?} in: {text}");
            commands += 1;
        }
    }
    assert!(commands > 20, "{commands}");
    let program = Arguments::command();
    let all = [&program].into_iter().chain(program.get_subcommands());
    let options: BTreeSet<&str> =
        all.flat_map(|command| command.get_arguments()).filter_map(|argument| argument.get_long()).collect();
    for text in &texts {
        let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '-');
        for option in words.filter_map(|word| word.strip_prefix("--")) {
            assert!(options.contains(option), "--{option} in: {text}");
        }
    }
}
