//! What requests and check-ins say of this machine for people, where the host asks for it.

#[cfg(feature = "description")]
use sysinfo::System;

use crate::{
    Result,
    message::{Extension, MAX_NAME, Metadata, describing},
};

/// Where a client has the description of its machine from.
pub(super) type Describer = Box<dyn Fn() -> Metadata + Send + Sync>;

/// How many pairs are said: a check-in has room for them.
const MAX_PAIRS: usize = 8;

/// What people call this machine and what runs on it.
#[cfg(feature = "description")]
pub(super) fn of_this_machine() -> Metadata {
    let found = [
        ("computer", System::host_name()),
        ("system", System::long_os_version()),
        ("architecture", Some(System::cpu_arch())),
    ];
    found.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// The extension that describes the machine so; none if there is nothing to say. What the application says itself under
/// such a name stands.
pub(super) fn extension(found: Metadata, said: &Metadata) -> Result<Option<Extension>> {
    let pairs = lines(found, said);
    (!pairs.is_empty()).then(|| describing(pairs)).transpose()
}

fn lines(found: Metadata, said: &Metadata) -> Metadata {
    let is_said = |name: &str| said.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    let lines = found.into_iter().map(|(name, value)| (line(&name), line(&value)));
    let wanted = lines.filter(|(name, value)| !name.is_empty() && !value.is_empty() && !is_said(name));
    wanted.take(MAX_PAIRS).collect()
}

/// The text on one line of at most 64 bytes, whatever a system says.
fn line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let end = (0..=line.len().min(MAX_NAME)).rev().find(|end| line.is_char_boundary(*end));
    line[..end.unwrap_or(0)].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn whatever_a_system_says_becomes_lines_that_a_message_may_hold() {
        let long = "ü".repeat(500);
        for hostile in [
            "desk\r\nseat: 1\0\u{1b}[2J",
            " \t\u{2028} ",
            "",
            "a \u{85}b",
            &long,
            &format!("{}  x", "y".repeat(63)),
        ] {
            let found = vec![pair("computer", hostile), pair(hostile, "x"), pair(hostile, hostile)];
            let lines = lines(found.clone(), &Metadata::new());
            let is_line = |text: &String| !text.is_empty() && text.len() <= MAX_NAME;
            assert!(lines.iter().all(|(name, value)| is_line(name) && is_line(value)), "{lines:?}");
            assert_eq!(lines.len(), if line(hostile).is_empty() { 0 } else { 3 });
            assert_eq!(extension(found, &Metadata::new()).unwrap().is_some(), !lines.is_empty());
        }
        assert_eq!(line("Linux  (Debian\n13)"), "Linux (Debian 13)");
        let many = (0..100).map(|n| pair(&n.to_string(), &long)).collect();
        let longest = extension(many, &Metadata::new()).unwrap().unwrap();
        assert!(longest.data().len() < 1200, "a check-in of 2,048 bytes has room");
    }

    #[test]
    fn what_the_application_says_itself_stands() {
        let found = vec![pair("computer", "x"), pair("architecture", "y")];
        let said = vec![pair("Computer", "Jane's desk")];
        assert_eq!(lines(found, &said), [pair("architecture", "y")]);
    }
}
