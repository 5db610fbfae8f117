//! The decimal digits of every script are read as what they are (docs/FORMAT.md, Codes that people type).

use nodelock::code::LicenseKey;

/// The zero of each ten characters of Unicode 17 whose general category is Nd, without ASCII's.
const ZEROS: [u32; 76] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
    0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50,
    0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x10D40, 0x11066,
    0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730,
    0x118E0, 0x11950, 0x11BF0, 0x11C50, 0x11D50, 0x11DA0, 0x11DE0, 0x11F50, 0x16130, 0x16A60, 0x16AC0,
    0x16B50, 0x16D70, 0x1CCF0, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0,
    0x1E5F1, 0x1E950, 0x1FBF0,
];

fn character(number: u32) -> char {
    char::from_u32(number).unwrap()
}

/// Keys in which every digit stands somewhere.
fn keys() -> Vec<LicenseKey> {
    let keys: Vec<_> = (0..8).map(|n| LicenseKey::from_random([0x3D ^ (n * 0x1F); 12])).collect();
    let text: String = keys.iter().map(ToString::to_string).collect();
    assert!(('0'..='9').all(|digit| text.contains(digit)), "{text}");
    keys
}

/// Whether a text is read as the key, with nothing mended.
fn is_clean(typed: &str, key: &LicenseKey) -> bool {
    let readings = LicenseKey::read(typed).unwrap_or_default();
    readings.first().is_some_and(|reading| reading.code == *key && reading.corrections.is_empty())
}

#[test]
fn a_digit_of_any_script_is_read_as_its_value() {
    for key in keys() {
        let written = key.to_string();
        for zero in ZEROS {
            let typed: String =
                written.chars().map(|c| c.to_digit(10).map_or(c, |digit| character(zero + digit))).collect();
            assert!(is_clean(&typed, &key), "U+{zero:X}: {typed}");
        }
    }
}

#[test]
fn what_stands_before_and_behind_the_ten_digits_of_a_script_is_none() {
    let is_digit = |number: u32| ZEROS.iter().any(|zero| (*zero..zero + 10).contains(&number));
    let mut tried = 0;
    for key in keys() {
        let written = key.to_string();
        for number in ZEROS.iter().flat_map(|zero| [zero - 1, zero + 10]).filter(|number| !is_digit(*number))
        {
            for digit in ('0'..='9').filter(|digit| written.contains(*digit)) {
                let typed = written.replacen(digit, &character(number).to_string(), 1);
                assert!(!is_clean(&typed, &key), "U+{number:X} for {digit}: {typed}");
                tried += 1;
            }
        }
    }
    assert!(tried > 2_000, "{tried}");
}
