//! The chain of the audit: its lines are sealed in batches, and each seal names the one before.
//!
//! The bytes here are a format (`docs/FORMAT.md`, The audit's chain): who has a copy of the ledger can check it without
//! this program.

use nodelock::Timestamp;
use ring::digest::{Context, SHA256, digest};

/// A SHA-256.
pub(crate) type Digest = [u8; 32];

const STATEMENT: &[u8] = b"nodelock audit seal\0";
const LINE: &[u8] = b"nodelock audit line\0";
const LINES: &[u8] = b"nodelock audit lines\0";
const PERSONAL: &[u8] = b"nodelock audit personal\0";

/// What is before the first seal.
pub(crate) const NOTHING: Digest = [0; 32];

/// A batch of lines, as the issuer signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    /// From 1, and none is left out.
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
    /// How many lines it has.
    pub(crate) lines: u64,
    pub(crate) lines_digest: Digest,
    /// The digest of the seal before.
    pub(crate) previous: Digest,
}

impl Seal {
    /// The bytes that are signed.
    pub(crate) fn statement(&self) -> Vec<u8> {
        let mut bytes = STATEMENT.to_vec();
        for number in [self.number, self.at.unix_seconds(), self.lines] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.lines_digest);
        bytes.extend_from_slice(&self.previous);
        bytes
    }

    /// What stands for the whole chain up to here.
    pub(crate) fn digest(&self) -> Digest {
        sha256(&self.statement())
    }
}

/// What a column of a line holds.
#[derive(Clone, Copy)]
pub(crate) enum Field<'a> {
    Null,
    Number(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// The digest of a line, by what its columns hold, in the order of the format.
pub(crate) fn line_digest(fields: &[Field<'_>]) -> Digest {
    digest_of(LINE, fields)
}

/// What stands for the personal columns in the digest of a line. The salt goes with them when they are emptied, so that
/// nobody finds out what they held by trying all addresses there are.
pub(crate) fn personal_digest(salt: &[u8], personal: &[Field<'_>]) -> Digest {
    digest_of(PERSONAL, &[&[Field::Bytes(salt)], personal].concat())
}

fn digest_of(kind: &[u8], fields: &[Field<'_>]) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(kind);
    for field in fields {
        let (tag, bytes) = match field {
            Field::Null => {
                context.update(&[0]);
                continue;
            }
            Field::Number(number) => {
                context.update(&[1]);
                context.update(&number.to_le_bytes());
                continue;
            }
            Field::Text(text) => (2, text.as_bytes()),
            Field::Bytes(bytes) => (3, *bytes),
        };
        context.update(&[tag]);
        context.update(&(bytes.len() as u64).to_le_bytes());
        context.update(bytes);
    }
    finished(context)
}

/// Hex digits, lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A digest from its hex digits; none for what is no digest.
pub(crate) fn read_hex(text: &str) -> Option<Digest> {
    let byte = |at: usize| text.get(2 * at..2 * at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (0..32).map(byte).collect::<Option<Vec<u8>>>().filter(|_| is_hex)?.try_into().ok()
}

/// Lines one after the other, in the order of their ids.
pub(crate) struct Lines {
    context: Context,
    count: u64,
}

impl Lines {
    pub(crate) fn new() -> Self {
        let mut context = Context::new(&SHA256);
        context.update(LINES);
        Self { context, count: 0 }
    }

    pub(crate) fn add(&mut self, line: &Digest) {
        self.context.update(line);
        self.count += 1;
    }

    /// How many there were, and their digest.
    pub(crate) fn finish(self) -> (u64, Digest) {
        (self.count, finished(self.context))
    }
}

fn sha256(bytes: &[u8]) -> Digest {
    digest(&SHA256, bytes).as_ref().try_into().expect("a SHA-256 has 32 bytes")
}

fn finished(context: Context) -> Digest {
    context.finish().as_ref().try_into().expect("a SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written down from a few lines of Python over the format's words: a change of these bytes breaks every chain.
    #[test]
    fn the_digests_are_those_of_the_format() {
        let fields = [Field::Text("id"), Field::Number(-2), Field::Null, Field::Bytes(&[7])];
        assert_eq!(
            hex(&line_digest(&fields)),
            "05777e85f79e1db28642c8422a716deaddb7c3ef308c2f2893bda6e5be638534"
        );
        let personal = [Field::Text("192.0.2.1"), Field::Null];
        assert_eq!(
            hex(&personal_digest(&[9; 16], &personal)),
            "6954070b8c66869f4146d5190c15f09fbadd26b521be4ec191ce7f029fb3b172"
        );
        let mut lines = Lines::new();
        lines.add(&[1; 32]);
        lines.add(&[2; 32]);
        let (count, lines_digest) = lines.finish();
        assert_eq!(
            (count, hex(&lines_digest).as_str()),
            (2, "d88587db7479698c6cb834c74c22b9ea7dcf459c0ea409db8b839b1ebbf15435")
        );
        let at = Timestamp::from_unix_seconds(1_790_000_000);
        let seal = Seal { number: 3, at, lines: 2, lines_digest, previous: [4; 32] };
        assert_eq!(hex(&seal.digest()), "639ca5f6d35364266bb390583fa8e8355463cd5dce126e06af83951e92381850");
    }

    #[test]
    fn two_lines_that_differ_by_where_a_text_ends_have_two_digests() {
        let line =
            |texts: &[&str]| line_digest(&texts.iter().map(|text| Field::Text(text)).collect::<Vec<_>>());
        assert_ne!(line(&["ab", "c"]), line(&["a", "bc"]));
        assert_ne!(line(&["a", ""]), line(&["a"]));
        assert_ne!(line_digest(&[Field::Null]), line(&[""]));
        assert_ne!(line_digest(&[Field::Bytes(b"a")]), line(&["a"]));
    }
}
