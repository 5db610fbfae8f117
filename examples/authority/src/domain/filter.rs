//! The language of filters: `product:editor state:active last_contact<2026-08-01 label~"NW-"`.
//!
//! Terms stand side by side, and all of them hold. A term is the name of a field, a sign and a value:
//!
//! | sign | holds where the field |
//! |---|---|
//! | `:` | is the value |
//! | `~` | begins with the value; neither it nor `:` of such a field cares for capital letters |
//! | `<` `<=` `>=` `>` | is a time before, not after, not before, after the value |
//!
//! What may never have been has `:yes` for any time.
//!
//! A value stands in quotes if a space, a quote or nothing is in it; `\` takes the letter behind it as it is.

use std::fmt::{self, Write as _};

use nodelock::{LicenseId, Timestamp};

use serde::{Deserialize, Serialize};

use super::{CustomerId, ProductId};
use crate::failure::{Failure, Result};

/// The longest filter, in bytes.
pub(crate) const LONGEST: usize = 1_000;
/// The most terms of one.
const MOST_TERMS: usize = 12;

/// What can be listed by a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Licenses,
    Seats,
    Customers,
    Orders,
}

/// What a field is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Product,
    License,
    Customer,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text, to the letter.
    Text,
    /// Any text, whatever its capital letters, and its beginning.
    Name,
    Time,
    /// The same of what may never have been.
    AnyTime,
}

/// What is asked of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    /// One of the list's.
    pub(crate) field: &'static str,
    pub(crate) test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Is(String),
    Begins(String),
    Time(Side, Timestamp),
}

/// On which side of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    NotAfter,
    NotBefore,
    After,
}

impl Side {
    /// Whether it is a bound from above.
    pub(crate) fn is_upper(self) -> bool {
        matches!(self, Self::Before | Self::NotAfter)
    }

    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Before => "<",
            Self::NotAfter => "<=",
            Self::NotBefore => ">=",
            Self::After => ">",
        }
    }
}

/// A value that the rows of a list are in order by. All of those of a row say after which one the next page begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Mark {
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A filter of a list. Without terms everything passes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) list: List,
    pub(crate) terms: Vec<Term>,
}

const LICENSE_STATES: &[&str] = &["active", "suspended", "void"];
const SEAT_STATES: &[&str] = &["active", "held", "replaced", "returned", "cancelled", "revoked"];
const ORDER_STATES: &[&str] = &["sold", "void"];

impl List {
    /// The names of its fields, and what each is compared with.
    const fn fields(self) -> &'static [(&'static str, Kind)] {
        use Kind::{AnyTime, Customer, License, Name, Product, Text, Time, Word};
        match self {
            Self::Licenses => &[
                ("product", Product),
                ("state", Word(LICENSE_STATES)),
                ("licensee", Name),
                ("customer", Customer),
                ("order", Text),
                ("key", Text),
                ("seller", Text),
                ("created", Time),
                ("expires", Time),
            ],
            Self::Seats => &[
                ("product", Product),
                ("license", License),
                ("state", Word(SEAT_STATES)),
                ("label", Name),
                ("granted", Time),
                ("last_contact", Time),
                ("came_back", AnyTime),
            ],
            Self::Customers => &[("name", Name), ("email", Text), ("external_id", Text), ("created", Time)],
            Self::Orders => &[
                ("product", Product),
                ("customer", Customer),
                ("reseller", Text),
                ("state", Word(ORDER_STATES)),
                ("sold", Time),
            ],
        }
    }

    /// The names of its fields, for people.
    pub(crate) fn names(self) -> String {
        let names: Vec<&str> = self.fields().iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

impl Filter {
    /// That everything passes.
    pub(crate) const fn all(list: List) -> Self {
        Self { list, terms: Vec::new() }
    }

    /// Reads a filter. Fails with [`Failure::Usage`], which names the place, for what is none.
    pub(crate) fn read(list: List, text: &str) -> Result<Self> {
        if text.len() > LONGEST {
            return Err(Failure::Usage(format!("a filter has at most {LONGEST} bytes")));
        }
        let mut reader = Reader { text, at: 0 };
        let mut terms = Vec::new();
        loop {
            reader.skip_spaces();
            if reader.rest().is_empty() {
                return Ok(Self { list, terms });
            }
            if terms.len() >= MOST_TERMS {
                return Err(reader.wrong(reader.at, &format!("a filter has at most {MOST_TERMS} terms")));
            }
            terms.push(reader.term(list)?);
        }
    }

    /// The same with one more term.
    pub(crate) fn and(mut self, field: &'static str, is: &str) -> Self {
        self.terms.push(Term { field, test: Test::Is(is.to_owned()) });
        self
    }
}

struct Reader<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
}

/// The signs, the longer ones first.
const SIGNS: [(&str, Option<Side>); 6] = [
    ("<=", Some(Side::NotAfter)),
    (">=", Some(Side::NotBefore)),
    ("<", Some(Side::Before)),
    (">", Some(Side::After)),
    (":", None),
    ("~", None),
];

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_spaces(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches(' ').len();
    }

    /// What is wrong at a place, which people count from 1 on.
    fn wrong(&self, at: usize, what: &str) -> Failure {
        let letters = self.text[..at].chars().count() + 1;
        Failure::Usage(format!("the filter is wrong at letter {letters}: {what}"))
    }

    fn term(&mut self, list: List) -> Result<Term> {
        let begins = self.at;
        let rest = self.rest();
        let name = &rest
            [..rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_').unwrap_or(rest.len())];
        let known = list.fields().iter().find(|(known, _)| *known == name);
        let Some((field, kind)) = known else {
            return Err(self.wrong(begins, &format!("one of {} is expected", list.names())));
        };
        self.at += name.len();
        let sign = SIGNS.iter().find(|(sign, _)| self.rest().starts_with(sign));
        let allowed = match kind {
            Kind::Time => "<, <=, >= or >",
            Kind::AnyTime => ":, <, <=, >= or >",
            Kind::Name => ": or ~",
            _ => ":",
        };
        let fits = |sign: &str, side: Option<Side>| match kind {
            Kind::Time => side.is_some(),
            Kind::AnyTime => sign != "~",
            Kind::Name => side.is_none(),
            _ => sign == ":",
        };
        let Some((sign, side)) = sign.filter(|(sign, side)| fits(sign, *side)) else {
            return Err(self.wrong(self.at, &format!("{allowed} is expected after {field}")));
        };
        self.at += sign.len();
        let at = self.at;
        let value = self.value()?;
        let unfit = |what: &str| self.wrong(at, what);
        let test = match (kind, side) {
            (Kind::AnyTime, None) if value != "yes" => return Err(unfit("yes is expected")),
            (Kind::AnyTime, None) => Test::Time(Side::NotBefore, Timestamp::MIN),
            (Kind::Time | Kind::AnyTime, Some(side)) => {
                let time = value.parse().map_err(|_| unfit("a date is expected, such as 2026-08-01"))?;
                Test::Time(*side, time)
            }
            (Kind::Product, _) => Test::Is(value.parse::<ProductId>().map_err(unfit)?.to_string()),
            (Kind::License, _) => Test::Is(
                value.parse::<LicenseId>().map_err(|_| unfit("the id of a license is expected"))?.to_string(),
            ),
            (Kind::Customer, _) => Test::Is(
                value
                    .parse::<CustomerId>()
                    .map_err(|_| unfit("the id of a customer is expected"))?
                    .to_string(),
            ),
            (Kind::Word(words), _) if !words.contains(&value.as_str()) => {
                return Err(unfit(&format!("one of {} is expected", words.join(", "))));
            }
            _ if *sign == "~" => Test::Begins(value),
            _ => Test::Is(value),
        };
        Ok(Term { field, test })
    }

    fn value(&mut self) -> Result<String> {
        let begins = self.at;
        let mut value = String::new();
        let quoted = self.rest().starts_with('"');
        self.at += usize::from(quoted);
        let mut letters = self.rest().char_indices();
        let from = self.at;
        let ends = loop {
            match letters.next() {
                None if quoted => {
                    return Err(self.wrong(begins, "a quote is expected at the end of this value"));
                }
                None => break self.text.len(),
                Some((at, '"')) if quoted => break from + at + 1,
                Some((at, '"')) => {
                    return Err(self.wrong(from + at, "a quote stands at the beginning of a value"));
                }
                Some((at, ' ')) if !quoted => break from + at,
                Some((at, '\\')) => match letters.next() {
                    Some((_, letter)) if !letter.is_control() => value.push(letter),
                    _ => return Err(self.wrong(from + at, "a letter is expected after \\")),
                },
                Some((at, letter)) if letter.is_control() => {
                    return Err(self.wrong(from + at, "a value is on one line"));
                }
                Some((_, letter)) => value.push(letter),
            }
        };
        self.at = ends;
        if value.is_empty() && !quoted {
            return Err(self.wrong(begins, "a value is expected"));
        }
        if quoted && !self.rest().is_empty() && !self.rest().starts_with(' ') {
            return Err(self.wrong(self.at, "a space is expected after a value"));
        }
        Ok(value)
    }
}

impl fmt::Display for Filter {
    /// As it is read again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Term { field, test }) in self.terms.iter().enumerate() {
            if at > 0 {
                f.write_char(' ')?;
            }
            match test {
                Test::Is(value) => write!(f, "{field}:{}", Quoted(value))?,
                Test::Begins(value) => write!(f, "{field}~{}", Quoted(value))?,
                Test::Time(side, time) => write!(f, "{field}{}{time}", side.sign())?,
            }
        }
        Ok(())
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |letter: char| !matches!(letter, ' ' | '"' | '\\');
        if !self.0.is_empty() && self.0.chars().all(is_plain) {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for letter in self.0.chars() {
            if matches!(letter, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(letter)?;
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use nodelock::authority::SeatState;

    use super::*;
    use crate::dice::Dice;

    const LISTS: [List; 4] = [List::Licenses, List::Seats, List::Customers, List::Orders];

    fn read(list: List, text: &str) -> Filter {
        Filter::read(list, text).unwrap_or_else(|failure| panic!("{text}: {}", failure.message()))
    }

    #[test]
    fn terms_are_read_as_they_are_meant() {
        let filter =
            read(List::Seats, r#" product:editor  state:active last_contact<2026-08-01 label~"NW-\" 1" "#);
        let time = Timestamp::from_unix_seconds(1_785_542_400);
        let is = |field, value: &str| Term { field, test: Test::Is(value.into()) };
        assert_eq!(
            filter.terms,
            [
                is("product", "editor"),
                is("state", "active"),
                Term { field: "last_contact", test: Test::Time(Side::Before, time) },
                Term { field: "label", test: Test::Begins("NW-\" 1".into()) },
            ]
        );
        assert_eq!(
            filter.to_string(),
            r#"product:editor state:active last_contact<2026-08-01T00:00:00Z label~"NW-\" 1""#
        );
        assert_eq!(read(List::Customers, r#"email:"""#).terms, [is("email", "")]);
        assert_eq!(read(List::Orders, r"reseller:a\ b").terms, [is("reseller", "a b")]);
        assert_eq!(read(List::Orders, "  ").terms, []);
    }

    #[test]
    fn what_is_no_filter_is_refused_with_the_place_of_the_error() {
        for (list, text, letter) in [
            (List::Licenses, "colour:red", 1),
            (List::Licenses, "state:active colour:red", 14),
            (List::Licenses, "state:gone", 7),
            (List::Licenses, "state", 6),
            (List::Licenses, "state~active", 6),
            (List::Licenses, "state:", 7),
            (List::Licenses, "created:2026-08-01", 8),
            (List::Licenses, "created<soon", 9),
            (List::Licenses, "product:Editor!", 9),
            (List::Licenses, "customer:1", 10),
            (List::Seats, "license:1", 9),
            (List::Seats, "label~\"NW", 7),
            (List::Seats, "came_back:no", 11),
            (List::Seats, "came_back~yes", 10),
            (List::Seats, "label~\"NW\"x", 11),
            (List::Seats, "label~N\"W", 8),
            (List::Seats, "label~ä\\", 8),
            (List::Seats, "label~a\u{0}", 8),
            (List::Customers, "state:active", 1),
            (List::Customers, "OR 1=1", 1),
        ] {
            let message = Filter::read(list, text).unwrap_err().message();
            assert!(message.contains(&format!("at letter {letter}:")), "{text}: {message}");
        }
        let long = "state:active ".repeat(80);
        assert!(Filter::read(List::Seats, &long).is_err());
        assert!(Filter::read(List::Seats, &"state:active ".repeat(13)).is_err());
        assert_eq!(read(List::Seats, &"state:active ".repeat(12)).terms.len(), 12);
    }

    #[test]
    fn any_text_is_read_or_refused_and_what_is_read_is_printed_as_it_is_read_again() {
        const PARTS: [&str; 42] = [
            "product",
            "state",
            "label",
            "name",
            "licensee",
            "created",
            "sold",
            "last_contact",
            "came_back",
            "yes",
            "email",
            "key",
            "order",
            "reseller",
            "license",
            "customer",
            ":",
            ":",
            ":",
            "~",
            "<",
            "<=",
            ">=",
            ">",
            " ",
            " ",
            " ",
            "\"",
            "\\",
            "a",
            "editor",
            "active",
            "void",
            "sold",
            "2026-08-01",
            "2026-08-01T01:02:03Z",
            "0123456789abcdef",
            "ä",
            "\u{1F4BB}",
            "\0",
            "'; --",
            "",
        ];
        let (mut dice, mut passed) = (Dice(1), 0);
        for _ in 0..40_000 {
            let text: String = (0..dice.below(9)).map(|_| dice.one_of(&PARTS)).collect();
            for list in LISTS {
                let Ok(filter) = Filter::read(list, &text) else { continue };
                passed += usize::from(!filter.terms.is_empty());
                assert_eq!(read(list, &filter.to_string()), filter, "{text:?}");
            }
        }
        assert!(passed > 50, "{passed} filters came out of it");
    }

    #[test]
    fn the_words_for_states_are_those_that_seats_have() {
        assert_eq!(SeatState::ALL.map(SeatState::name).as_slice(), SEAT_STATES);
    }
}
