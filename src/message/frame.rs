//! The envelope: kind, signer, body, signature, and every form in which one may come in.
//!
//! ```text
//! "NL"  version  kind  [signer]  body  signature
//!   2      1      1               ...      64
//! signer (authority-signed kinds only) = key id (8)  certificate length (u16 LE)  certificate
//! ```
//!
//! The signature is over the DSSE v1 pre-authentication encoding of the media type and the body, so no message can
//! stand in for one of another kind (docs/PROTOCOL.md, Signed envelopes).

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{armor, signed, text};
use crate::{
    Error, ErrorKind, Result,
    code::base32,
    codec::{self, Bytes},
    keys::first,
};

const MAGIC: &[u8; 2] = b"NL";
/// How every message of this version begins in base32.
const BASE32_START: &str = "9S60";
const VERSION: u8 = 1;
const SIGNATURE: usize = 64;

/// The largest input that is looked at, in any form: a license of the largest size in text form, or a request
/// with as many proofs as a store holds.
pub const MAX_INPUT: usize = 512 * 1024;
/// How many places of a text are tried where a message may begin that stands on one line.
const MOST_STARTS: usize = 8;
/// How many symbols of a text are decoded in all, in search of such a message: enough for everything that is tried of
/// the first place in the longest text.
const MOST_TRIED: usize = 5 * MAX_INPUT;
/// How many messages one file may hold.
pub(super) const MAX_MESSAGES: usize = 160;
/// The unsigned kind that is only a list of messages.
const BUNDLE: u8 = 16;

/// What a message means. Each kind is signed under a media type of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A license for one seat, from the authority.
    License,
    /// A device's request for a seat.
    ActivationRequest,
    /// A device's statement that it gave its seat up.
    DeactivationProof,
    /// The authority's answer to a deactivation.
    DeactivationReceipt,
    /// The authority's statement that a seat was released without the device.
    Revocation,
    /// A root's statement that a key may issue licenses.
    IssuerCertificate,
    /// A device's request for a renewal.
    CheckInRequest,
    /// A device's question whether its seat may be given up.
    PreflightRequest,
    /// A device's statement that its store was lost.
    RecoveryRequest,
}

impl Kind {
    pub(super) const ALL: [Self; 9] = [
        Self::License,
        Self::ActivationRequest,
        Self::DeactivationProof,
        Self::DeactivationReceipt,
        Self::Revocation,
        Self::IssuerCertificate,
        Self::CheckInRequest,
        Self::PreflightRequest,
        Self::RecoveryRequest,
    ];

    /// The kind's byte in an envelope.
    const fn number(self) -> u8 {
        match self {
            Self::License => 1,
            Self::ActivationRequest => 2,
            Self::DeactivationProof => 3,
            Self::DeactivationReceipt => 4,
            Self::Revocation => 5,
            Self::IssuerCertificate => 6,
            Self::CheckInRequest => 7,
            Self::PreflightRequest => 8,
            Self::RecoveryRequest => 9,
        }
    }

    /// The media type that is signed along with the body.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::License => "application/vnd.nodelock.license.v1",
            Self::ActivationRequest => "application/vnd.nodelock.activation-request.v1",
            Self::DeactivationProof => "application/vnd.nodelock.deactivation-proof.v1",
            Self::DeactivationReceipt => "application/vnd.nodelock.deactivation-receipt.v1",
            Self::Revocation => "application/vnd.nodelock.revocation.v1",
            Self::IssuerCertificate => "application/vnd.nodelock.issuer-certificate.v1",
            Self::CheckInRequest => "application/vnd.nodelock.check-in-request.v1",
            Self::PreflightRequest => "application/vnd.nodelock.preflight-request.v1",
            Self::RecoveryRequest => "application/vnd.nodelock.recovery-request.v1",
        }
    }

    /// The label of the kind's text form.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::License => "LICENSE",
            Self::ActivationRequest => "ACTIVATION REQUEST",
            Self::DeactivationProof => "DEACTIVATION PROOF",
            Self::DeactivationReceipt => "DEACTIVATION RECEIPT",
            Self::Revocation => "REVOCATION",
            Self::IssuerCertificate => "ISSUER CERTIFICATE",
            Self::CheckInRequest => "CHECK IN REQUEST",
            Self::PreflightRequest => "PREFLIGHT REQUEST",
            Self::RecoveryRequest => "RECOVERY REQUEST",
        }
    }

    /// The kind in a sentence, without an article.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::License => "license",
            Self::ActivationRequest => "activation request",
            Self::DeactivationProof => "deactivation proof",
            Self::DeactivationReceipt => "deactivation receipt",
            Self::Revocation => "revocation",
            Self::IssuerCertificate => "issuer certificate",
            Self::CheckInRequest => "check-in request",
            Self::PreflightRequest => "preflight request",
            Self::RecoveryRequest => "recovery request",
        }
    }

    /// Whether an authority or a root signs it, so that the envelope names the signer.
    const fn names_signer(self) -> bool {
        matches!(self, Self::License | Self::DeactivationReceipt | Self::Revocation | Self::IssuerCertificate)
    }
}

/// DSSE v1 pre-authentication encoding.
pub(crate) fn pre_authentication_encoding(media_type: &str, body: &[u8]) -> Vec<u8> {
    let mut pae = format!("DSSEv1 {} {media_type} {} ", media_type.len(), body.len()).into_bytes();
    pae.extend_from_slice(body);
    pae
}

/// Who signed, as the envelope claims.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signer<'a> {
    pub(crate) key_id: [u8; 8],
    /// The issuer certificate's envelope; empty when a root signed.
    pub(crate) certificate: &'a [u8],
}

/// An envelope taken apart: nothing in it has been checked against a signature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    pub(crate) signer: Option<Signer<'a>>,
    pub(crate) body: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> Frame<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let short = || Error::new(ErrorKind::Malformed, "the message is cut off, or is none");
        let (kind, rest) = match bytes {
            [b'N', b'L', VERSION, kind, rest @ ..] => (*kind, rest),
            [b'N', b'L', version, ..] if *version > VERSION => {
                let text =
                    format!("the message has version {version}, and this program reads version {VERSION}");
                return Err(Error::new(ErrorKind::UnsupportedVersion, text));
            }
            _ => return Err(short()),
        };
        let kind = Kind::ALL.into_iter().find(|k| k.number() == kind).ok_or_else(|| {
            let text = format!("the message is of kind {kind}, which this version does not know");
            Error::new(ErrorKind::WrongType, text)
        })?;
        let (signer, rest) = if kind.names_signer() {
            let (head, rest) = rest.split_at_checked(10).ok_or_else(short)?;
            let length = usize::from(u16::from_le_bytes([head[8], head[9]]));
            let (certificate, rest) = rest.split_at_checked(length).ok_or_else(short)?;
            (Some(Signer { key_id: first(head), certificate }), rest)
        } else {
            (None, rest)
        };
        let at = rest.len().checked_sub(SIGNATURE).ok_or_else(short)?;
        let (body, signature) = rest.split_at(at);
        Ok(Self { kind, signer, body, signature })
    }

    /// The envelope's bytes.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.body.len() + SIGNATURE + 16);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[VERSION, self.kind.number()]);
        if let Some(signer) = self.signer {
            bytes.extend_from_slice(&signer.key_id);
            let length = u16::try_from(signer.certificate.len()).expect("certificates are under 64 KiB");
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(signer.certificate);
        }
        bytes.extend_from_slice(self.body);
        bytes.extend_from_slice(self.signature);
        bytes
    }
}

/// One message as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) envelope: Vec<u8>,
    /// What stood in front of it in its block, if it came as armored text.
    pub(crate) head: Option<String>,
    /// The line of its base64 that is not as it was written, if its text tells.
    pub(crate) wrong_line: Option<usize>,
}

impl Incoming {
    pub(crate) fn new(envelope: Vec<u8>) -> Self {
        Self { envelope, head: None, wrong_line: None }
    }

    pub(crate) fn frame(&self) -> Result<Frame<'_>> {
        Frame::parse(&self.envelope)
    }

    /// The kind, if it is one that this version knows.
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.frame().ok().map(|frame| frame.kind)
    }

    /// The same error, about the line that is wrong if the text tells.
    pub(crate) fn blame(&self, error: Error) -> Error {
        match self.wrong_line {
            Some(line) if matches!(error.kind(), ErrorKind::BadSignature | ErrorKind::Malformed) => {
                let text = format!("line {line} of the base64 is damaged: {}", error.kind());
                Error::new(error.kind(), text)
            }
            _ => error,
        }
    }
}

/// Which messages a reader wants of a text that holds others too, such as an answer that quotes the request.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'k> {
    /// One of these must be there.
    pub(crate) kinds: &'k [Kind],
    /// These may come behind one.
    pub(crate) along: &'k [Kind],
}

/// Reads the messages that are wanted, in whatever form they come: an envelope or a bundle as bytes, armored text with
/// anything around it, base64url, base64, base32, or a link that ends in `#` and one of these.
///
/// Of a text, what is of other kinds, is quoted deeper or stands there again is passed over. Anything else has no other
/// messages than it should have, so they all come back.
pub(crate) fn read(input: &[u8], wanted: Wanted<'_>) -> Result<Vec<Incoming>> {
    Opened::of(input)?.wanted(wanted).map(once)
}

/// Each message of a text once.
fn once(messages: Vec<Incoming>) -> Vec<Incoming> {
    let mut different: Vec<Incoming> = Vec::new();
    for message in messages {
        if message.head.is_none() || different.iter().all(|known| known.envelope != message.envelope) {
            different.push(message);
        }
    }
    different
}

/// The messages of an input, whatever is wanted of them. Finding them is the work: it is done once.
pub(crate) enum Opened {
    /// Of a text with blocks.
    Blocks(Vec<armor::Block>),
    /// Of anything else; never none.
    Messages(Vec<Incoming>),
}

impl Opened {
    /// Fails with [`ErrorKind::TooLarge`] and [`ErrorKind::Malformed`].
    pub(crate) fn of(input: &[u8]) -> Result<Self> {
        if input.len() > MAX_INPUT {
            return Err(Error::too_large("input", input.len(), MAX_INPUT));
        }
        let is_envelope = input.starts_with(MAGIC);
        // No version is as high as what a word could have in that place.
        if is_envelope && input.get(2).is_none_or(|version| *version < b'\t') {
            return split(input).map(Self::Messages);
        }
        let text = text::read(input);
        let blocks = armor::read(&text)?;
        if !blocks.is_empty() {
            return Ok(Self::Blocks(blocks));
        }
        let found = one_line(&text).and_then(|bytes| split(&bytes));
        let messages = if found.is_err() && is_envelope { split(input) } else { found };
        messages.map(Self::Messages)
    }

    /// Whether one of these is in a text, or is what anything else begins with.
    #[cfg(feature = "authority")]
    pub(crate) fn has(&self, kinds: &[Kind]) -> bool {
        match self {
            Self::Blocks(blocks) => blocks.iter().any(|block| block.is_in(kinds)),
            Self::Messages(messages) => {
                messages.first().and_then(Incoming::kind).is_some_and(|kind| kinds.contains(&kind))
            }
        }
    }

    /// The messages that are wanted, with what a text holds again.
    pub(crate) fn wanted(self, wanted: Wanted<'_>) -> Result<Vec<Incoming>> {
        let blocks = match self {
            Self::Blocks(blocks) => blocks,
            Self::Messages(messages) => return Ok(messages),
        };
        let least = blocks.iter().filter(|block| block.is_in(wanted.kinds)).map(|block| block.depth).min();
        let Some(depth) = least else { return Err(none_wanted(blocks, wanted.kinds)) };
        let mut messages: Vec<Incoming> = Vec::new();
        for block in blocks.into_iter().filter(|block| block.depth <= depth) {
            if block.is_in(wanted.kinds) || (block.is_in(wanted.along) && !messages.is_empty()) {
                messages.push(block.message?);
            }
        }
        Ok(messages)
    }
}

/// Why nothing in a text is wanted: what its first message is, or what is wrong with that.
fn none_wanted(blocks: Vec<armor::Block>, kinds: &[Kind]) -> Error {
    let first = blocks.into_iter().next().expect("there is one").message;
    let expected = kinds.first().expect("something is wanted");
    match first.and_then(|message| expect(&message.frame()?, *expected)) {
        Ok(()) => unreachable!("it would have been wanted"),
        Err(error) => error,
    }
}

/// The bytes of the message that a text holds as base64url, base64 or base32, alone or in words: those that make a
/// whole message, or else the first that begin as one.
fn one_line(text: &str) -> Result<Vec<u8>> {
    let (symbols, tokens) = tokens(text);
    let mut first = None;
    for bytes in tokens.into_iter().filter_map(|token| decode(&symbols[token])) {
        let is_whole = split(&bytes).is_ok_and(|messages| messages.iter().all(signed::is_whole));
        if is_whole {
            return Ok(bytes);
        }
        first.get_or_insert(bytes);
    }
    first.ok_or_else(|| {
        let length = text.len();
        Error::new(ErrorKind::Malformed, format!("no message was found in the input of {length} bytes"))
    })
}

/// The symbols of a text, and which of them may be a message: all behind the last `#`, then for each place where one
/// begins what stands before a space, a line end or an empty line, or all that follows.
///
/// The text is gone through once. What is to be decoded has [`MOST_TRIED`] symbols at most, whatever the text is.
fn tokens(text: &str) -> (String, Vec<Range<usize>>) {
    const EMPTY_LINE: &str = "\n\n";
    let (mut symbols, mut alone) = (String::with_capacity(text.len()), 0);
    let mut starts: Vec<(usize, [Option<usize>; 4])> = Vec::new();
    for (place, c) in text.char_indices() {
        let rest = &text[place..];
        let is_start = rest.starts_with(armor::START) || rest.starts_with(BASE32_START);
        if is_start && starts.len() < MOST_STARTS {
            starts.push((symbols.len(), [None; 4]));
        }
        if is_one_lines(c) {
            symbols.push(c);
            continue;
        }
        if c == '#' {
            alone = symbols.len();
        }
        let is_within = c.is_whitespace() || "=>|*\u{2502}".contains(c);
        let ended =
            [c == ' ', c == '\n', rest.starts_with(EMPTY_LINE), false].map(|is_end| is_end || !is_within);
        for (_, ends) in &mut starts {
            for (end, _) in ends.iter_mut().zip(ended).filter(|(_, is_end)| *is_end) {
                end.get_or_insert(symbols.len());
            }
        }
    }
    let all = alone..symbols.len();
    let (mut tried, mut tokens) = (all.len(), vec![all]);
    for (start, ends) in starts {
        for end in ends {
            let token = start..end.unwrap_or(symbols.len());
            tried += if tokens.contains(&token) { continue } else { token.len() };
            if tried > MOST_TRIED {
                return (symbols, tokens);
            }
            tokens.push(token);
        }
    }
    (symbols, tokens)
}

fn is_one_lines(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/-_".contains(c)
}

fn decode(token: &str) -> Option<Vec<u8>> {
    let url = token.replace('+', "-").replace('/', "_");
    let bytes = URL_SAFE_NO_PAD.decode(url).ok().filter(|bytes| bytes.starts_with(MAGIC));
    bytes.or_else(|| base32::decode(token, MAX_INPUT).ok().filter(|bytes| bytes.starts_with(MAGIC)))
}

/// Reads exactly one message of `kind`; a bundle is [`ErrorKind::WrongType`] unless it holds just that.
pub(crate) fn read_one(input: &[u8], kind: Kind) -> Result<Incoming> {
    one(Opened::of(input)?, kind)
}

/// The same of what is found already.
pub(crate) fn one(opened: Opened, kind: Kind) -> Result<Incoming> {
    let mut messages = once(opened.wanted(Wanted { kinds: &[kind], along: &[] })?);
    match (messages.pop(), messages.is_empty()) {
        (Some(message), true) => {
            expect(&message.frame()?, kind)?;
            Ok(message)
        }
        (Some(message), false) if message.head.is_some() => Err(several(kind)),
        _ => {
            let text = format!("the input holds several messages where one {} is expected", kind.words());
            Err(Error::new(ErrorKind::WrongType, text))
        }
    }
}

/// The error for a text with several messages of which one is wanted.
pub(crate) fn several(kind: Kind) -> Error {
    let text = format!("the text holds several messages of the kind {}; hand in one", kind.words());
    Error::new(ErrorKind::SeveralMessages, text)
}

/// Fails with [`ErrorKind::WrongType`] unless the frame is of this kind.
pub(crate) fn expect(frame: &Frame<'_>, kind: Kind) -> Result<()> {
    if frame.kind == kind {
        return Ok(());
    }
    let text = format!("found: {}; expected here: {}", frame.kind.words(), kind.words());
    Err(Error::new(ErrorKind::WrongType, text))
}

fn split(bytes: &[u8]) -> Result<Vec<Incoming>> {
    let bundled = [MAGIC[0], MAGIC[1], VERSION, BUNDLE];
    let envelopes = match bytes.strip_prefix(&bundled) {
        Some(list) => codec::decode::<Bundle>(list, MAX_INPUT, "bundle")?.messages,
        None => vec![Bytes(bytes.to_vec())],
    };
    if envelopes.is_empty() {
        return Err(Error::new(ErrorKind::Malformed, "the bundle has 0 messages; 1 or more are expected"));
    }
    Ok(envelopes.into_iter().map(|e| Incoming::new(e.0)).collect())
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Bundle {
    #[serde(deserialize_with = "codec::list::<_, _, MAX_MESSAGES>")]
    messages: Vec<Bytes>,
}

/// One file of several messages; a single message stays as it is.
pub(crate) fn bundle(messages: &[&[u8]]) -> Vec<u8> {
    if let [message] = messages {
        return message.to_vec();
    }
    let list = Bundle { messages: messages.iter().map(|m| Bytes(m.to_vec())).collect() };
    let mut bytes = vec![MAGIC[0], MAGIC[1], VERSION, BUNDLE];
    bytes.extend(codec::encode(&list).expect("byte strings can always be encoded"));
    bytes
}

/// The compact text form of a message, for links and single lines: base64url without padding.
pub(crate) fn base64url(envelope: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(envelope)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vector of the DSSE specification, `protocol.md`.
    #[test]
    fn dsse_pre_authentication_encoding() {
        assert_eq!(
            pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn kinds_have_numbers_labels_and_media_types_of_their_own() {
        for (i, a) in Kind::ALL.iter().enumerate() {
            for b in &Kind::ALL[..i] {
                assert_ne!(a.number(), b.number());
                assert_ne!(a.media_type(), b.media_type());
                assert!(!a.label().starts_with(b.label()) && !b.label().starts_with(a.label()));
            }
        }
    }

    #[test]
    fn a_bundle_gives_back_its_messages_in_order() {
        let bytes = bundle(&[b"NL\x01\x01first", b"NL\x01\x02second"]);
        let wanted = Wanted { kinds: &Kind::ALL, along: &[] };
        let messages = read(&bytes, wanted).unwrap();
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0].envelope, b"NL\x01\x01first");
        assert_eq!(messages[1].envelope, b"NL\x01\x02second");
        assert_eq!(bundle(&[b"alone"]), b"alone");
        assert_eq!(read(b"NL\x01\x10\x00", wanted).unwrap_err().kind(), ErrorKind::Malformed);
    }

    #[test]
    fn of_the_longest_hostile_text_no_more_than_that_many_symbols_are_decoded() {
        for unit in ["Tkw", "9S60", "Tkw ", "Tkw\n\n", "9S60Tkw#", "Tkw9S60\n", "A"] {
            for before in ["", "Tkw", "Tkw9S60Tkw9S60Tkw9S60Tkw9S60", "Tkw \nTkw \n\nTkw9S60 "] {
                let text = before.to_owned() + &unit.repeat((MAX_INPUT - before.len()) / unit.len());
                let (symbols, tokens) = tokens(&text);
                let tried: usize = tokens.iter().map(ExactSizeIterator::len).sum();
                assert!(symbols.len() <= MAX_INPUT && tried <= MOST_TRIED, "{before} {unit}: {tried}");
                assert!(tokens.len() <= 1 + 4 * MOST_STARTS);
            }
        }
        // What is tried of the first place always fits.
        let text = format!("Tkw {}\n\n{}", "A".repeat(8), "A".repeat(MAX_INPUT - 14));
        let (symbols, tokens) = tokens(&text);
        assert_eq!(tokens, [0..symbols.len(), 0..3, 0..11]);
    }

    #[test]
    fn places_are_tried_in_the_order_of_the_text() {
        let (symbols, tokens) = tokens("x#9S60 Tkw. 9S60");
        let tried: Vec<&str> = tokens.into_iter().map(|token| &symbols[token]).collect();
        assert_eq!(tried, ["9S60Tkw9S60", "9S60", "9S60Tkw", "Tkw", "9S60"]);
    }
}
