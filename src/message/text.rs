//! The text of an input, as far as it can be told what mail programs, phones and editors did to it.
//!
//! Each step takes time and room that are proportional to the input, which is bounded before
//! (docs/FORMAT.md, Bundles, text forms and links).

/// The text of an input in any character set, without what mail and the web put into it: quoted-printable and
/// percent-encoding, tags and entities of HTML, marks that nobody sees.
pub(crate) fn read(input: &[u8]) -> String {
    let text = decode(input);
    match unquote(&text) {
        Some(bytes) => unmark(&decode_bytes(&bytes), true),
        None => unmark(&text, true),
    }
}

/// The characters of an input without a byte order mark: each stands for itself.
pub(crate) fn characters(input: &[u8]) -> String {
    let text = decode(input);
    text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)
}

/// A text without tags, entities and marks that nobody sees. An escape of mail or of a programming language is left as
/// it is: a path or a value may have the same signs.
pub(crate) fn visible(text: &str) -> String {
    unmark(text, false)
}

/// UTF-8, UTF-16 with or without a mark, and Windows-1252 for each byte that is none of UTF-8's.
fn decode(input: &[u8]) -> String {
    let zeros = |from: usize| input.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    // What is ASCII has a zero in one byte of two.
    let wide = input.len() >= 4 && even + odd >= input.len() / 4;
    let is_big = match input {
        [0xFF, 0xFE, ..] => false,
        [0xFE, 0xFF, ..] => true,
        _ if wide => even > odd,
        _ => return decode_bytes(input),
    };
    let units = input.chunks_exact(2).map(|pair| match is_big {
        true => u16::from_be_bytes([pair[0], pair[1]]),
        false => u16::from_le_bytes([pair[0], pair[1]]),
    });
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn decode_bytes(input: &[u8]) -> String {
    /// Windows-1252 from 0x80 to 0x9F.
    const UPPER: [u16; 32] = [
        0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152,
        0x8D, 0x17D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122,
        0x161, 0x203A, 0x153, 0x9D, 0x17E, 0x178,
    ];
    let mut text = String::with_capacity(input.len());
    for chunk in input.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let upper = UPPER.get(usize::from(byte.wrapping_sub(0x80)));
            text.push(upper.and_then(|unit| char::from_u32(u32::from(*unit))).unwrap_or(char::from(*byte)));
        }
    }
    text
}

/// Undoes quoted-printable (RFC 2045) and percent-encoding; none if there is nothing to undo.
fn unquote(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    let escaped = |at: usize| {
        let digits = bytes.get(at + 1..at + 3)?;
        // Quoted-printable has no two equal signs in a row.
        let is_sign = matches!(bytes[at], b'=' | b'%') && (at == 0 || bytes[at - 1] != b'=');
        is_sign.then_some(())?;
        digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
        u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
    };
    if !(0..bytes.len()).any(|at| escaped(at).is_some())
        && !text.lines().any(|line| line.len() >= 70 && line.trim_end().ends_with('='))
    {
        return None;
    }
    let (mut plain, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        if let Some(byte) = escaped(at) {
            plain.push(byte);
            at += 3;
            continue;
        }
        if bytes[at] == b'='
            && let Some(end) = bytes[at + 1..].iter().take(4).position(|byte| *byte == b'\n')
            && bytes[at + 1..at + 1 + end].iter().all(u8::is_ascii_whitespace)
        {
            at += end + 2;
            continue;
        }
        plain.push(bytes[at]);
        at += 1;
    }
    Some(plain)
}

/// Takes off tags, entities and marks that nobody sees, and makes every line end a line feed.
fn unmark(text: &str, is_escaped: bool) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let mut length = character.len_utf8();
        match character {
            '<' => match tag(rest) {
                Some((tag, is_line)) => {
                    length = tag;
                    plain.push_str(if is_line { "\n" } else { "" });
                }
                None => plain.push('<'),
            },
            '&' => match entity(rest) {
                Some((meant, entity)) => {
                    length = entity;
                    plain.extend(shown(meant));
                }
                None => plain.push('&'),
            },
            // A string of a programming language.
            '\\' if is_escaped && matches!(rest.as_bytes().get(1), Some(b'n' | b'r' | b't')) => {
                plain.push('\n');
                length = 2;
            }
            '\r' if rest.as_bytes().get(1) == Some(&b'\n') => {}
            _ => plain.extend(shown(character)),
        }
        rest = &rest[length..];
    }
    plain
}

/// A character as people see it; none for what they do not see.
fn shown(character: char) -> Option<char> {
    Some(match character {
        '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
        '\u{AD}'
        | '\u{61C}'
        | '\u{180E}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' => return None,
        // The full-width forms that East Asian keyboards type.
        '\u{FF01}'..='\u{FF5E}' => char::from((character as u32 - 0xFEE0) as u8),
        _ => character,
    })
}

/// The length of the tag or the address in angle brackets that a text begins with, and whether it ends a line. An
/// address with a message in it is none.
fn tag(text: &str) -> Option<(usize, bool)> {
    let first = text.as_bytes().get(1)?;
    let end = 1 + text[1..].find(['<', '>'])?;
    let inside = &text[1..end];
    if !text[end..].starts_with('>') || !(first.is_ascii_alphabetic() || b"/!".contains(first)) {
        return None;
    }
    if inside.contains("#Tkw") || inside.contains("#9S60") {
        return None;
    }
    let name = inside.trim_start_matches('/');
    let is_line = ["br", "p", "div", "tr", "li", "pre", "blockquote"].iter().any(|line| {
        name.strip_prefix(line).is_some_and(|more| !more.starts_with(|c: char| c.is_ascii_alphanumeric()))
    });
    Some((end + 1, is_line))
}

/// What the entity that a text begins with stands for, and its length. One that was escaped again is the same.
fn entity(text: &str) -> Option<(char, usize)> {
    const NAMED: [(&str, char); 15] = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", '\u{a0}'),
        ("plus", '+'),
        ("sol", '/'),
        ("equals", '='),
        ("ndash", '-'),
        ("mdash", '-'),
        ("shy", '\u{ad}'),
        ("zwnj", '\u{200c}'),
        ("zwj", '\u{200d}'),
        ("colon", ':'),
    ];
    let mut start = 1;
    while text[start..].starts_with("amp;")
        && text[start + 4..].starts_with(|c: char| c == '#' || c.is_ascii_alphabetic())
        && text.as_bytes()[start + 4..].iter().take(10).any(|byte| *byte == b';')
    {
        start += 4;
    }
    let end = start + text.as_bytes()[start..].iter().take(10).position(|byte| *byte == b';')?;
    let name = &text[start..end];
    let meant = match name.strip_prefix('#') {
        Some(number) => {
            let number = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(number.ok()?)?
        }
        None => NAMED.iter().find(|(of, _)| *of == name)?.1,
    };
    Some((meant, end + 1))
}
