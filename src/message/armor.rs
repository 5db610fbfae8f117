//! The text form: PEM armor with a few readable headers (RFC 7468's line format, with RFC 1421's headers).
//!
//! ```text
//! -----BEGIN NODELOCK LICENSE-----
//! Product: Example
//! Licensee: Jane Doe
//!
//! TkwBAQ...
//! -----END NODELOCK LICENSE-----
//! ```
//!
//! The headers are for people. They say nothing that the signed body does not say, and one that disagrees with
//! the body makes the whole message refused (docs/PROTOCOL.md, Signed envelopes).

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::frame::{Incoming, Kind};
use crate::{Error, ErrorKind, Result};

/// Mail programs lose padding; nothing else is forgiven.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const BEGIN: &str = "-----BEGIN NODELOCK ";
const END: &str = "-----END NODELOCK ";
const DASHES: &str = "-----";
const LINE: usize = 64;
const MAX_HEADERS: usize = 32;

/// The armored text of one envelope, ending in a line feed.
pub(crate) fn write(kind: Kind, headers: &[(&str, String)], envelope: &[u8]) -> String {
    let label = kind.label();
    let mut text = format!("{BEGIN}{label}{DASHES}\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push('\n');
    let encoded = BASE64.encode(envelope);
    for line in encoded.as_bytes().chunks(LINE) {
        text.push_str(str::from_utf8(line).expect("base64 is ASCII"));
        text.push('\n');
    }
    text.push_str(&format!("{END}{label}{DASHES}\n"));
    text
}

/// Every armored message in a text. What stands around them is passed over; a block that begins and does not end
/// as it should is [`ErrorKind::Malformed`].
pub(crate) fn read(text: &str) -> Result<Vec<Incoming>> {
    let mut lines = text.lines().map(|line| line.trim_start_matches('\u{feff}').trim());
    let mut messages = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(label) = line.strip_prefix(BEGIN).and_then(|l| l.strip_suffix(DASHES)) {
            messages.push(read_block(label, &mut lines)?);
        }
    }
    Ok(messages)
}

fn read_block<'a>(label: &str, lines: &mut impl Iterator<Item = &'a str>) -> Result<Incoming> {
    let malformed = || Error::new(ErrorKind::Malformed, "armored text");
    let kind = Kind::from_label(label).ok_or_else(|| Error::new(ErrorKind::WrongType, "armored text"))?;
    let mut headers = Vec::new();
    let mut encoded = String::new();
    for line in lines {
        if let Some(end) = line.strip_prefix(END).and_then(|l| l.strip_suffix(DASHES)) {
            let envelope = BASE64.decode(&encoded).map_err(|_| malformed())?;
            let message = Incoming { envelope, headers };
            // The label is a header too: it must agree with what the envelope is.
            return match (end == label, message.frame()?.kind == kind) {
                (true, true) => Ok(message),
                (true, false) => Err(Error::new(ErrorKind::HeaderMismatch, "armored text: its label")),
                (false, _) => Err(malformed()),
            };
        }
        match line.split_once(':') {
            Some((name, value)) if encoded.is_empty() && headers.len() < MAX_HEADERS => {
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            Some(_) => return Err(malformed()),
            None => encoded.push_str(line),
        }
    }
    Err(malformed())
}

/// Fails with [`ErrorKind::HeaderMismatch`] unless each header that came with a message is one that its body
/// gives, with the very value.
pub(crate) fn check_headers(came: &[(String, String)], signed: &[(&str, String)]) -> Result<()> {
    let agrees = |(name, value): &(String, String)| signed.iter().any(|(n, v)| n == name && v == value);
    match came.iter().find(|header| !agrees(header)) {
        Some(_) => Err(Error::new(ErrorKind::HeaderMismatch, "armored text")),
        None => Ok(()),
    }
}
