//! Terms that were said, in the form in which calls take them.

use nodelock::Timestamp;
use serde_json::{Map, Value};

use crate::domain::{Said, of_record};

/// The same terms, with dates in RFC 3339, metadata as members and components by name.
pub(crate) fn terms(said: &Said) -> Value {
    said.members().iter().map(|(name, value)| (name.clone(), term(name, value))).collect::<Map<_, _>>().into()
}

fn term(name: &str, value: &Value) -> Value {
    match (name, value) {
        ("expires" | "updates_until", value) => date(value),
        ("features", Value::Array(features)) => features.iter().map(feature).collect(),
        ("weights", Value::Array(weights)) => weights.iter().map(of_record).collect(),
        ("metadata", Value::Array(pairs)) => {
            let pair = |pair: &Value| Some((pair[0].as_str()?.to_owned(), pair[1].clone()));
            pairs.iter().filter_map(pair).collect::<Map<_, _>>().into()
        }
        (_, value) => value.clone(),
    }
}

fn feature(of: &Value) -> Value {
    let mut feature = of.clone();
    if let Some(end) = feature.get_mut("expires") {
        *end = date(end);
    }
    feature
}

/// A second as a date. What is none is the server's to refuse.
fn date(of: &Value) -> Value {
    match of.as_u64() {
        Some(second) if second <= Timestamp::MAX.unix_seconds() => {
            Timestamp::from_unix_seconds(second).to_string().into()
        }
        _ => of.clone(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::terms;
    use crate::domain::SaidTerms;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        terms: SaidTerms,
    }

    #[test]
    fn what_is_typed_and_sent_says_the_same_where_it_is_read() {
        for typed in [
            "",
            "--seats 3 --edition Pro --lease-days none --expires 2090-01-01 --updates-until none",
            "--expires-days 30 --feature export --feature api=10 --feature beta@2090-01-01 --one-seat-per-machine",
            "--unbindable-lease-days 3 --virtual-reinstalls --one-seat-per-machine=false",
            "--grace-days 0 --weight mac=6/-1 --weight cpu=0/0",
            "--metadata room=4 --metadata wing=west --seat-list labels --deactivations none --replace 2",
        ] {
            let typed: Typed = Typed::parse_from(std::iter::once("test").chain(typed.split_whitespace()));
            let said = typed.terms.said().unwrap();
            let sent = terms(&said);
            let read: SaidTerms = serde_json::from_value(sent.clone()).unwrap();
            assert_eq!(read.said().unwrap(), said, "{sent}");
        }
    }
}
