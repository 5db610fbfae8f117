//! The text form: PEM armor with a few readable headers (RFC 7468's line format, with RFC 1421's headers).
//!
//! ```text
//! -----BEGIN NODELOCK LICENSE-----
//! Product: Example
//! Licensee: Jane Doe
//! Check: 7KX2
//!
//! TkwBAQ...
//! -----END NODELOCK LICENSE-----
//! ```
//!
//! The headers are for people and prove nothing: a message is what its signed body says, however its text came to be
//! laid out. A reader keeps letters, digits and the signs that base64 or a header needs, and passes over the rest
//! (docs/FORMAT.md, Bundles, text forms and links).

use std::fmt;

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::frame::{Frame, Incoming, Kind, MAX_MESSAGES};
use crate::{Error, ErrorKind, Result, code::base32};

/// Mail programs lose padding; nothing else is forgiven.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const BEGIN: &str = "-----BEGIN NODELOCK ";
const END: &str = "-----END NODELOCK ";
const DASHES: &str = "-----";
const LINE: usize = 64;
/// How every message begins in base64, in versions of the format up to 63.
pub(super) const START: &str = "Tkw";
/// The header that tells which line of base64 is not as it was written.
const CHECK: &str = "Check";
/// No more lines of base64 than this have a check: it is to fit on a line itself.
const MOST_CHECKED: usize = 32;
/// A damaged message has at least this many symbols of base64.
const FEWEST: usize = 96;

/// The armored text of one envelope, ending in a line feed.
pub(crate) fn write(kind: Kind, headers: &[(&str, String)], envelope: &[u8]) -> String {
    let label = kind.label();
    let mut text = format!("{BEGIN}{label}{DASHES}\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    let encoded = BASE64.encode(envelope);
    let lines = encoded.as_bytes().chunks(LINE);
    if lines.len() <= MOST_CHECKED {
        let checks: String = lines.clone().map(check).collect();
        text.push_str(&format!("{CHECK}: {checks}\n"));
    }
    text.push('\n');
    for line in lines {
        text.push_str(str::from_utf8(line).expect("base64 is ASCII"));
        text.push('\n');
    }
    text.push_str(&format!("{END}{label}{DASHES}\n"));
    text
}

/// The two symbols that a line of base64 is checked by, padding apart: CRC-10/ATM of its characters. They notice any
/// one wrong symbol, and prove nothing.
fn check(line: &[u8]) -> String {
    let mut sum = 0_u16;
    for byte in line.iter().filter(|byte| **byte != b'=') {
        sum ^= u16::from(*byte) << 2;
        for _ in 0..8 {
            sum = (sum << 1) ^ if sum & 0x200 == 0 { 0 } else { 0x633 };
        }
        sum &= 0x3FF;
    }
    let mut symbols = base32::encode(&(sum << 6).to_be_bytes());
    symbols.truncate(2);
    symbols
}

/// A readable header of a text that is not what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedHeader {
    name: &'static str,
    signed: String,
}

impl ChangedHeader {
    /// The header's name, such as `Licensee`; `BEGIN` for the kind of message that the first line names.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the signed message says there, which alone counts.
    pub fn signed(&self) -> &str {
        &self.signed
    }
}

impl fmt::Display for ChangedHeader {
    /// `Licensee: Jane Doe`, as it was signed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.signed)
    }
}

/// A text without what says nothing: letters, digits and some signs.
#[derive(Default)]
struct Compact {
    text: String,
    marks: Vec<Mark>,
}

/// Where a block begins or ends.
struct Mark {
    is_begin: bool,
    /// The first byte of BEGIN or END, and the first behind NODELOCK.
    start: usize,
    end: usize,
    /// How many marks of a quotation stand in front of it.
    depth: u32,
}

impl Compact {
    fn new(text: &str) -> Self {
        let mut compact = Self::default();
        let (mut depth, mut begin_depth) = (0, 0);
        for character in text.chars() {
            match character {
                '>' | '|' | '\u{2502}' => depth += 1,
                '\n' => depth = 0,
                '+' | '/' | '=' | ':' | '?' => compact.text.push(character),
                char::REPLACEMENT_CHARACTER => compact.text.push('?'),
                _ if character.is_alphanumeric() => {
                    if matches!(character, 'B' | 'b') {
                        begin_depth = depth;
                    }
                    depth = 0;
                    compact.text.push(character);
                    if matches!(character, 'K' | 'k') {
                        compact.mark(begin_depth);
                    }
                }
                _ => {}
            }
        }
        compact
    }

    /// Notes a line that the text ends in.
    fn mark(&mut self, depth: u32) {
        let end = self.text.len();
        for (word, is_begin) in [("BEGINNODELOCK", true), ("ENDNODELOCK", false)] {
            let start = end.saturating_sub(word.len());
            if self.text.as_bytes()[start..].eq_ignore_ascii_case(word.as_bytes()) {
                self.marks.push(Mark { is_begin, start, end, depth });
            }
        }
    }
}

/// What stands between BEGIN and END.
pub(crate) struct Block {
    /// What its message is, as far as that can be told.
    pub(super) kind: Option<Kind>,
    pub(super) depth: u32,
    pub(super) message: Result<Incoming>,
}

impl Block {
    pub(super) fn is_in(&self, kinds: &[Kind]) -> bool {
        self.kind.is_some_and(|kind| kinds.contains(&kind))
    }
}

/// Every block in a text that holds a message, or a damaged one.
pub(super) fn read(text: &str) -> Result<Vec<Block>> {
    let compact = Compact::new(text);
    let mut blocks = Vec::new();
    for (place, mark) in compact.marks.iter().enumerate().filter(|(_, mark)| mark.is_begin) {
        let next = compact.marks.get(place + 1);
        let content = &compact.text[mark.end..next.map_or(compact.text.len(), |next| next.start)];
        let tail = content.trim_end_matches(|c: char| is_symbol(c) || c == '=').len();
        let start = content[tail..].find(START).map(|at| tail + at);
        if start.is_none() && !content.contains(START) && is_prose(&content[tail..]) {
            continue;
        }
        if blocks.len() == MAX_MESSAGES {
            let text = format!("the text holds more than {MAX_MESSAGES} messages");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let label = Kind::ALL.into_iter().find(|kind| content.starts_with(&folded(kind.label())));
        let is_ended = next.is_some_and(|next| !next.is_begin);
        let message = match start {
            _ if !is_ended => Err(damaged("the END line is missing")),
            Some(start) => open(&content[..start], content[start..].trim_end_matches('=')),
            None => Err(unreadable(content, tail)),
        };
        let kind = message.as_ref().ok().and_then(Incoming::kind);
        blocks.push(Block { kind: kind.or(label), depth: mark.depth, message });
    }
    Ok(blocks)
}

/// Whether that is words about BEGIN and END lines. In base64 half of the symbols are capitals and digits.
fn is_prose(tail: &str) -> bool {
    let no_words = tail.bytes().filter(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()).count();
    tail.len() < FEWEST || no_words * 3 < tail.len()
}

fn is_symbol(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/')
}

fn damaged(what: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Malformed, format!("the text of the message is damaged: {what}"))
}

/// What is wrong with a block in which no message begins, or that has a sign in it which is none of base64's. The tail
/// is what stands behind the last such sign.
fn unreadable(content: &str, tail: usize) -> Error {
    match content[..tail].rfind(START) {
        Some(start) => {
            let symbols = content[start..tail].chars().take_while(|c| is_symbol(*c)).count();
            damaged(format_args!("line {} of its base64 has a character that is none", symbols / LINE + 1))
        }
        None => damaged("no message begins in it"),
    }
}

fn open(head: &str, symbols: &str) -> Result<Incoming> {
    let wrong_line = wrong_line(head, symbols);
    let message =
        BASE64.decode(symbols).map(|envelope| Incoming { envelope, head: Some(head.to_owned()), wrong_line });
    let at = |line| damaged(format_args!("line {line} of its base64 is not as it was written"));
    match message {
        Ok(message) if Frame::parse(&message.envelope).is_ok() || wrong_line.is_none() => Ok(message),
        Ok(_) => Err(at(wrong_line.unwrap_or_default())),
        Err(_) => Err(wrong_line.map_or_else(|| damaged("symbols of its base64 are missing or wrong"), at)),
    }
}

/// The first line of the base64 that does not fit its check, if the text has checks.
fn wrong_line(head: &str, symbols: &str) -> Option<usize> {
    let (_, checks) = head.rsplit_once("Check:")?;
    let checks = checks.as_bytes().chunks(2);
    let mut lines = symbols.as_bytes().chunks(LINE);
    let count = checks.len();
    let wrong = checks.zip(1..).find(|(of, _)| lines.next().is_none_or(|line| check(line).as_bytes() != *of));
    wrong.map(|(_, number)| number).or(lines.next().map(|_| count + 1))
}

/// The letters and digits of a value as a reader of texts keeps them.
fn folded(value: &str) -> String {
    Compact::new(&super::text::read(value.as_bytes())).text
}

/// The headers in front of a message that differ from what its body gives, wherever they stand and however often. Those
/// that are missing do not. A name within a value that is right is part of that.
pub(crate) fn changed(head: &str, kind: Kind, signed: &[(&'static str, String)]) -> Vec<ChangedHeader> {
    let label = folded(kind.label());
    let is_label = head.get(..label.len()).is_some_and(|start| start.eq_ignore_ascii_case(&label));
    let mut rest = if is_label { &head[label.len()..] } else { head };
    let names: Vec<String> =
        signed.iter().map(|(name, _)| *name).chain([CHECK]).map(|n| folded(n) + ":").collect();
    // What looks like a tag in the value may be one in the text, or may stand there as it is.
    let values: Vec<_> = signed.iter().map(|(_, value)| [folded(value), Compact::new(value).text]).collect();
    let follows = |more: &&str| more.is_empty() || names.iter().any(|name| more.starts_with(name.as_str()));
    let mut wrong = vec![false; signed.len()];
    while let Some(colon) = rest.find(':') {
        let (before, behind) = rest.split_at(colon + 1);
        rest = behind;
        let Some(index) = names.iter().position(|name| before.ends_with(name.as_str())) else { continue };
        let Some(values) = values.get(index) else { continue };
        match values.iter().find_map(|value| behind.strip_prefix(value.as_str()).filter(follows)) {
            Some(more) => rest = more,
            None => wrong[index] = true,
        }
    }
    let begin = (!is_label).then(|| ChangedHeader { name: "BEGIN", signed: kind.label().to_owned() });
    let differing = signed.iter().zip(wrong).filter(|(_, is_wrong)| *is_wrong);
    let differing = differing.map(|((name, value), _)| ChangedHeader { name, signed: value.clone() });
    begin.into_iter().chain(differing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_notices_every_single_wrong_symbol() {
        let alphabet = STANDARD.as_str().as_bytes();
        let line: Vec<u8> = (0..LINE).map(|at| alphabet[at * 37 % 64]).collect();
        let right = check(&line);
        // The catalogue's check value, 0x199.
        assert_eq!(check(b"123456789"), "CS");
        for place in 0..LINE {
            for other in alphabet.iter().filter(|other| **other != line[place]) {
                let mut wrong = line.clone();
                wrong[place] = *other;
                assert_ne!(check(&wrong), right);
            }
        }
    }
}
