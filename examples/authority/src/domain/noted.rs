//! A change as a line of the audit has it: what was there before, and what is there now.

use serde::de::IgnoredAny;
use serde_json::Deserializer;

/// Stands between the two.
const ARROW: &str = " -> ";

/// What was before and what is now. Each is a record in JSON, or a word without an arrow in it.
pub(crate) fn noted_change(before: &str, after: &str) -> String {
    format!("{before}{ARROW}{after}")
}

/// What is there after a change. Early lines say nothing else.
pub(crate) fn noted_after(noted: &str) -> &str {
    let mut records = Deserializer::from_str(noted).into_iter::<IgnoredAny>();
    let rest = match records.next() {
        // A record may have an arrow in it.
        Some(Ok(_)) => noted.get(records.byte_offset()..).unwrap_or_default(),
        _ => noted,
    };
    rest.split_once(ARROW).map_or(noted, |(_, after)| after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_after_a_change_is_read_back() {
        let arrow = r#"{"edition":"a -> b"}"#;
        for (before, after) in [
            ("{}", arrow),
            (arrow, "{}"),
            (arrow, arrow),
            ("true", "false"),
            ("none", "01f3"),
            ("12", "34e5"),
        ] {
            assert_eq!(noted_after(&noted_change(before, after)), after, "{before} {after}");
            assert_eq!(noted_after(after), after, "an early line");
        }
    }
}
