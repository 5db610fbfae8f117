//! The alphabet, and what people make of it with a keyboard.
//!
//! Specified in docs/PROTOCOL.md, The phone code.
//!
//! Whatever is typed is one of three things: a symbol, something that separates or
//! surrounds symbols and says nothing, or a character in the place of a symbol that cannot be read.

use std::fmt;

use zeroize::Zeroizing;

use super::gf32::{ERASED, LENGTH};

/// Crockford's base32: no I, L, O (they look like digits) and no U.
pub(super) const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// In [`ASCII`], a character that is passed over.
pub(super) const PASSED_OVER: u8 = 0xFF;

/// The meaning of each ASCII character: a symbol's value, [`ERASED`] or [`PASSED_OVER`].
static ASCII: [u8; 128] = {
    let mut table = [ERASED; 128];
    let mut c = 0;
    while c < 33 {
        table[c] = PASSED_OVER;
        c += 1;
    }
    table[127] = PASSED_OVER;
    let separators = b"-.,:;/|\"'`()[]<>";
    let mut n = 0;
    while n < separators.len() {
        table[separators[n] as usize] = PASSED_OVER;
        n += 1;
    }
    let mut value = 0;
    while value < 32 {
        let symbol = ALPHABET[value];
        table[symbol as usize] = value as u8;
        table[symbol.to_ascii_lowercase() as usize] = value as u8;
        value += 1;
    }
    let mut n = 0;
    while n < 3 {
        let (letter, value) = [(b'I', 1), (b'L', 1), (b'O', 0)][n];
        table[letter as usize] = value;
        table[letter.to_ascii_lowercase() as usize] = value;
        n += 1;
    }
    table
};

/// The zero of each script that has decimal digits of its own, as of Unicode 17; its one to nine follow. Full-width
/// ones are apart.
static ZEROS: [u32; 75] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
    0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50,
    0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0,
    0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0,
    0x11950, 0x11BF0, 0x11C50, 0x11D50, 0x11DA0, 0x11DE0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50,
    0x16D70, 0x1CCF0, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1,
    0x1E950, 0x1FBF0,
];

/// Cyrillic and Greek letters that look like a symbol, in pairs. One that looks like two of them, or like none in one
/// of its cases, is not here: it is unreadable, which costs less than a wrong symbol.
const LOOK_ALIKES: &str = "АAаAВBЕEеEКKкKМMмMНHОOоOРPрPСCсCТTтTУYуYХXхXЅSѕSІIіIЈJјJԚQԛQԜWԝWҮYүYһHԁD\
                           ΑAαAΒBΕEΖZΗHΙIιIΚKκKΜMΝNνVΟOοOΡPρPΤTτTΥYΧXχX";

/// The character of a symbol, or `None` where nothing readable stands.
pub(super) fn character(symbol: u8) -> Option<char> {
    ALPHABET.get(usize::from(symbol)).map(|&c| char::from(c))
}

/// The symbols in `text`, each a value below 32 or [`ERASED`], with its place among the characters of `text`.
pub(super) fn typed(text: &str) -> impl Iterator<Item = (usize, u8)> {
    text.chars().enumerate().filter_map(|(place, c)| match meaning(c) {
        PASSED_OVER => None,
        symbol => Some((place, symbol)),
    })
}

fn meaning(c: char) -> u8 {
    match ASCII.get(c as usize) {
        Some(&value) => value,
        None => meaning_beyond_ascii(c),
    }
}

#[cold]
fn meaning_beyond_ascii(c: char) -> u8 {
    match c {
        // The full-width forms that East Asian keyboards type.
        '\u{FF01}'..='\u{FF5E}' => ASCII[c as usize - 0xFEE0],
        _ if c.is_whitespace() || c.is_control() || is_silent(c) => PASSED_OVER,
        _ => digit(c).or_else(|| look_alike(c)).unwrap_or(ERASED),
    }
}

/// The dashes, quotes and invisible marks that word processors, mail programs and chat put around text.
fn is_silent(c: char) -> bool {
    matches!(c,
        // dashes and what passes for one
        '\u{58A}' | '\u{5BE}' | '\u{1806}' | '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2053}' | '\u{207B}'
        | '\u{208B}' | '\u{2212}' | '\u{2E3A}' | '\u{2E3B}' | '\u{301C}' | '\u{3030}' | '\u{30A0}'
        | '\u{30FC}' | '\u{FE31}' | '\u{FE32}' | '\u{FE58}' | '\u{FE63}'
        // dots between groups
        | '\u{B7}' | '\u{2022}' | '\u{2026}' | '\u{2027}'
        // quotes and brackets
        | '\u{AB}' | '\u{B4}' | '\u{BB}' | '\u{2018}'..='\u{201F}' | '\u{2032}'..='\u{2037}' | '\u{2039}'
        | '\u{203A}' | '\u{3008}'..='\u{3011}' | '\u{301D}'..='\u{301F}'
        // soft hyphen, zero-width and direction marks, variation selectors, byte order mark
        | '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
}

/// The value of a decimal digit of any script.
fn digit(c: char) -> Option<u8> {
    ZEROS
        .iter()
        .find_map(|zero| (c as u32).checked_sub(*zero).filter(|digit| *digit < 10))
        .map(|digit| digit as u8)
}

fn look_alike(c: char) -> Option<u8> {
    let mut pairs = LOOK_ALIKES.chars();
    while let (Some(letter), Some(latin)) = (pairs.next(), pairs.next()) {
        if letter == c {
            return ASCII.get(latin as usize).copied();
        }
    }
    None
}

/// The symbols in `text`, or [`PASSED_OVER`] for each character that ends a word.
pub(super) fn words(text: &str) -> impl Iterator<Item = u8> {
    text.chars().map(|c| match c {
        '*' | '_' | '+' | '=' | '#' | '~' | '{' | '}' | '&' | '%' | '$' | '@' | '!' | '\\' | '^' => {
            PASSED_OVER
        }
        _ => meaning(c),
    })
}

/// Writes symbols in groups of five with a dash between, in one piece: a text that grows leaves the secret in each
/// place that it had before.
pub(super) fn write_groups(f: &mut fmt::Formatter<'_>, symbols: &[u8]) -> fmt::Result {
    let mut text = Zeroizing::new([b'-'; LENGTH + LENGTH / 5 - 1]);
    for (i, &symbol) in symbols.iter().enumerate() {
        text[i + i / 5] = ALPHABET[usize::from(symbol)];
    }
    let length = symbols.len() + symbols.len().saturating_sub(1) / 5;
    f.write_str(str::from_utf8(&text[..length]).map_err(|_| fmt::Error)?)
}
