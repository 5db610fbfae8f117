//! What a request says of its machine for people, feature `description`.

use sysinfo::System;

use crate::message::{MAX_METADATA, MAX_NAME, Metadata};

/// Adds what people call this machine and what runs on it. What the host says itself under such a name stands.
pub(super) fn add(metadata: &mut Metadata) {
    describe(
        metadata,
        [
            ("computer", System::host_name()),
            ("system", System::long_os_version()),
            ("architecture", Some(System::cpu_arch())),
        ],
    );
}

fn describe(metadata: &mut Metadata, found: [(&str, Option<String>); 3]) {
    for (name, value) in found {
        let value = value.map(|value| line(&value)).filter(|value| !value.is_empty());
        let is_free = metadata.len() < MAX_METADATA && metadata.iter().all(|(known, _)| known != name);
        metadata.extend(value.filter(|_| is_free).map(|value| (name.to_owned(), value)));
    }
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
    use crate::message::check_metadata;

    #[test]
    fn whatever_a_system_says_becomes_a_line_that_a_request_may_hold() {
        let long = "ü".repeat(500);
        for hostile in [
            "desk\r\nseat: 1\0\u{1b}[2J",
            " \t\u{2028} ",
            "",
            "a \u{85}b",
            &long,
            &format!("{}  x", "y".repeat(63)),
        ] {
            let mut metadata = Metadata::new();
            describe(
                &mut metadata,
                ["computer", "system", "architecture"].map(|name| (name, Some(hostile.into()))),
            );
            check_metadata(&metadata).unwrap();
            assert!(metadata.iter().all(|(_, value)| !value.is_empty() && value.len() <= MAX_NAME));
            assert_eq!(metadata.len(), if line(hostile).is_empty() { 0 } else { 3 });
        }
        assert_eq!(line("Linux  (Debian\n13)"), "Linux (Debian 13)");
    }

    #[test]
    fn what_the_host_says_itself_stands_and_nothing_is_beyond_the_bounds() {
        let mut metadata = vec![("computer".to_owned(), "Jane's desk".to_owned())];
        describe(
            &mut metadata,
            [("computer", Some("x".into())), ("system", None), ("architecture", Some("y".into()))],
        );
        assert_eq!(metadata[1..], [("architecture".to_owned(), "y".to_owned())]);
        assert_eq!(metadata[0].1, "Jane's desk");
        let mut full: Metadata = (0..MAX_METADATA).map(|n| (n.to_string(), String::new())).collect();
        add(&mut full);
        check_metadata(&full).unwrap();
    }
}
