//! A mail, put into words and into the form of RFC 5322.

use std::{borrow::Cow, time::Duration};

use jiff::civil::DateTime;
use mail_builder::{
    MessageBuilder,
    headers::{address::Address, raw::Raw},
};
use nodelock::{LicenseId, Timestamp};
use zeroize::Zeroizing;

use super::texts::{Texts, texts};
use crate::domain::{Language, Mailed, Sender};

/// What a mail says, and to whom. Its texts may be anything that somebody typed.
#[derive(Clone)]
pub(crate) struct Mail {
    /// The event's, which names the mail at each attempt.
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) from: Sender,
    pub(crate) to: (String, String),
    pub(crate) language: Language,
    pub(crate) product: String,
    pub(crate) license: LicenseId,
    /// The end of the license's key.
    pub(crate) hint: String,
    pub(crate) about: About,
}

/// What it tells.
#[derive(Clone)]
pub(crate) enum About {
    Key(Zeroizing<String>),
    Expiring(Timestamp),
    /// An event that frees a seat or replaces one.
    Seat {
        event: Mailed,
        /// What the seat's computer is called; empty if that is not known.
        computer: String,
        /// What the vendor said; empty if it said nothing.
        reason: String,
        /// Of so many seats that many are free, where the key activates a computer now.
        available: Option<(u32, u32)>,
    },
}

impl Mail {
    /// The whole mail. What was typed is in its own header or line, in letters that say nothing else there.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let (subject, body) = self.words();
        let host = self.from.address.rsplit('@').next().unwrap_or_default();
        let mut bytes = Zeroizing::new(Vec::new());
        MessageBuilder::new()
            .from(address(&self.from.name, &self.from.address))
            .to(address(&self.to.0, &self.to.1))
            .subject(subject)
            .date(self.at.unix_seconds())
            .message_id(format!("{}@{host}", self.id))
            .header("Auto-Submitted", Raw::new("auto-generated"))
            .header("Content-Language", Raw::new(self.language.name()))
            .text_body(body.as_str())
            .serialize(&mut *bytes);
        bytes
    }

    /// Subject and text.
    pub(super) fn words(&self) -> (String, Zeroizing<String>) {
        let texts = texts(self.language);
        let (subject, lines) = self.about.words(texts);
        let greeting = texts.greeting.to_owned();
        let whole =
            [&[greeting][..], &lines, &[texts.license.to_owned(), texts.automatic.to_owned()]].concat();
        let license = self.license.to_string();
        let mut values = vec![
            ("name", &*self.to.0),
            ("product", &*self.product),
            ("license", &*license),
            ("hint", &*self.hint),
        ];
        let more = self.about.values(texts);
        values.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
        let body = Zeroizing::new(fill(&(whole.join("\n\n") + "\n"), &values));
        (fill(subject, &values), body)
    }
}

impl About {
    /// The subject and the paragraphs between greeting and end, with what is filled in still in braces.
    fn words(&self, texts: &'static Texts) -> (&'static str, Vec<String>) {
        match self {
            Self::Key(_) => (texts.key_subject, vec![texts.key.to_owned()]),
            Self::Expiring(_) => (texts.expiring_subject, vec![texts.expiring.to_owned()]),
            Self::Seat { event, computer, reason, available } => {
                let (subject, text) = match event {
                    Mailed::Replaced => (texts.replaced_subject, texts.replaced),
                    Mailed::ReplacedByCustomer => (texts.replaced_subject, texts.replaced_by_customer),
                    Mailed::Deactivated => (texts.free_subject, texts.deactivated),
                    Mailed::HeldReturned => (texts.free_subject, texts.held_returned),
                    Mailed::Released => (texts.free_subject, texts.released),
                    Mailed::Lapsed => (texts.free_subject, texts.lapsed),
                    Mailed::Returned | Mailed::KeySent | Mailed::Expiring => {
                        (texts.free_subject, texts.returned)
                    }
                };
                let mut details = Vec::new();
                if !computer.is_empty() {
                    details.push(texts.computer);
                }
                if !reason.is_empty() {
                    details.push(texts.reason);
                }
                let mut lines = vec![text.to_owned()];
                lines.extend((!details.is_empty()).then(|| details.join("\n")));
                lines.extend(available.is_some().then(|| texts.available.to_owned()));
                (subject, lines)
            }
        }
    }

    fn values(&self, texts: &Texts) -> Vec<(&'static str, Zeroizing<String>)> {
        let of = |name, value: String| (name, Zeroizing::new(value));
        match self {
            Self::Key(key) => vec![("key", key.clone())],
            Self::Expiring(end) => vec![of("date", date(*end).strftime(texts.date).to_string())],
            Self::Seat { computer, reason, available, .. } => {
                let (free, seats) = available.unwrap_or_default();
                vec![
                    of("computer", computer.clone()),
                    of("reason", reason.clone()),
                    of("free", free.to_string()),
                    of("seats", seats.to_string()),
                ]
            }
        }
    }
}

/// A text with the values in their places, each on one line. What a value has in braces stays as it is.
pub(super) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').unwrap_or((after, ""));
        let value = values.iter().find(|(of, _)| *of == name).map_or("", |(_, value)| value);
        filled.push_str(before);
        filled.push_str(&on_one_line(value));
        rest = behind;
    }
    filled + rest
}

/// Controls, and what else ends a line or turns it around, are spaces.
fn on_one_line(text: &str) -> Cow<'_, str> {
    let is_odd = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    match text.contains(is_odd) {
        true => text.replace(is_odd, " ").into(),
        false => text.into(),
    }
}

fn address<'a>(name: &'a str, address: &'a str) -> Address<'a> {
    let name = on_one_line(name.trim());
    Address::new_address((!name.is_empty()).then_some(name), address)
}

/// In UTC, as a date and not as jiff's timestamp, which ends a day before the year 9999 does.
fn date(time: Timestamp) -> DateTime {
    const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    EPOCH.saturating_add(Duration::from_secs(time.unix_seconds()))
}
