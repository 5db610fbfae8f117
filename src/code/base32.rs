//! Crockford base32 of whole byte strings, for what is scanned from a QR code or typed in an emergency.
//!
//! Specified in docs/PROTOCOL.md, The phone code.
//!
//! The bits run from the most significant bit of the first byte; the last symbol is
//! filled up with zero bits. There is no padding and no check symbol: what is written this way is signed.
//! Upper case only, so that a QR code takes it in its alphanumeric mode, 5.5 bits a symbol.

use super::{gf32::ERASED, symbols};
use crate::{Error, ErrorKind, Result};

/// The text of `bytes`, upper case without separators.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity((bytes.len() * 8).div_ceil(5));
    let (mut bits, mut count) = (0_u16, 0);
    for &byte in bytes {
        bits = bits << 8 | u16::from(byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.extend(symbols::character((bits >> count) as u8 & 31));
        }
    }
    if count > 0 {
        text.extend(symbols::character((bits << (5 - count)) as u8 & 31));
    }
    text
}

/// The bytes of `text`, read as tolerantly as a code: case, spaces, dashes and quotes do not matter, I and L
/// are 1, O is 0.
///
/// # Errors
///
/// [`TooLarge`](ErrorKind::TooLarge) when there are more than `limit` bytes;
/// [`Malformed`](ErrorKind::Malformed) for a character outside the alphabet and for a text that no byte
/// string is written as: a surplus symbol, or filling bits that are not zero.
pub fn decode(text: &str, limit: usize) -> Result<Vec<u8>> {
    let malformed = || Error::about(ErrorKind::Malformed, "text of base32");
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u16, 0);
    for (_, symbol) in symbols::typed(text) {
        if symbol == ERASED {
            return Err(malformed());
        }
        bits = bits << 5 | u16::from(symbol);
        count += 5;
        if count >= 8 {
            count -= 8;
            if bytes.len() == limit {
                return Err(Error::too_large("text of base32, decoded,", limit + 1, limit));
            }
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    match (bits, count) {
        (0, 0..5) => Ok(bytes),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for length in 0..120 {
            let bytes: Vec<u8> = (0..length).map(|i: u8| i.wrapping_mul(151) ^ 0xA5).collect();
            let text = encode(&bytes);
            assert_eq!(text.len(), (bytes.len() * 8).div_ceil(5));
            assert_eq!(decode(&text, bytes.len()).unwrap(), bytes);
            let spaced: String = text.to_lowercase().chars().flat_map(|c| [c, ' ']).collect();
            assert_eq!(decode(&spaced, 120).unwrap(), bytes);
        }
        assert_eq!(encode(b"foobar"), "CSQPYRK1E8");
    }

    #[test]
    fn one_byte_string_has_one_text() {
        let kind = |text, limit| decode(text, limit).unwrap_err().kind();
        // One symbol is no byte; 9 symbols are 45 bits, five more than five bytes.
        for text in ["0", "000", "000000", "000000000"] {
            assert_eq!(kind(text, 99), ErrorKind::Malformed);
        }
        assert_eq!(kind("ZZ", 99), ErrorKind::Malformed);
        assert_eq!(kind("ZU", 99), ErrorKind::Malformed);
        assert_eq!(decode("ZW", 1).unwrap(), [0xFF]);
        assert_eq!(decode("oI-Lo", 2).unwrap(), [0x00, 0x42]);
        assert_eq!(kind("CSQPYRK1E8", 5), ErrorKind::TooLarge);
    }
}
