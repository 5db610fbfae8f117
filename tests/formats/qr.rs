//! QR codes are read back from every form in which they are given out.

#![cfg(feature = "qr")]

use nodelock::code::base32;
use nodelock::{ErrorKind, qr};

/// A picture as rows of squares, `true` for dark.
type Picture = Vec<Vec<bool>>;

/// The largest deactivation proof, as bytes and as text.
fn proof() -> (Vec<u8>, String) {
    let bytes: Vec<u8> = (0..110_u8).map(|i| i.wrapping_mul(157) ^ 0x3C).collect();
    let text = base32::encode(&bytes);
    (bytes, text)
}

/// Reads the one QR code in a picture, drawn with four pixels to a square.
fn scan(picture: &Picture) -> (rqrr::MetaData, String) {
    const SCALE: usize = 4;
    let (width, height) = (picture[0].len(), picture.len());
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width * SCALE, height * SCALE, |x, y| {
        if picture[y / SCALE][x / SCALE] { 0 } else { 255 }
    });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap()
}

fn from_modules(text: &str) -> Picture {
    let modules = qr::modules(text).unwrap();
    assert_eq!(modules.dark.len(), modules.width * modules.width);
    let side = modules.width + 8;
    let mut picture = vec![vec![false; side]; side];
    for (row, squares) in modules.dark.chunks(modules.width).enumerate() {
        picture[row + 4][4..side - 4].copy_from_slice(squares);
    }
    picture
}

/// The dark squares of the path `M x y h w v h H x V y …` that the image consists of.
fn from_svg(svg: &str) -> Picture {
    let attribute = |name: &str| {
        let start = svg.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
        &svg[start..start + svg[start..].find('"').unwrap()]
    };
    let unit = 4;
    let side: usize = attribute("width").parse::<usize>().unwrap() / unit;
    let mut picture = vec![vec![false; side]; side];
    for rectangle in attribute("d").split('M').skip(1) {
        let numbers: Vec<usize> = rectangle
            .split(|c: char| !c.is_ascii_digit())
            .filter(|number| !number.is_empty())
            .map(|number| number.parse::<usize>().unwrap() / unit)
            .collect();
        let [x, y, width, height, ..] = numbers[..] else { panic!("{rectangle}") };
        for row in &mut picture[y..y + height] {
            row[x..x + width].fill(true);
        }
    }
    picture
}

/// What a terminal that writes light on dark shows.
fn from_terminal(text: &str) -> Picture {
    let half = |line: &str, light: [char; 2]| line.chars().map(|c| !light.contains(&c)).collect();
    text.lines().flat_map(|line| [half(line, ['█', '▀']), half(line, ['█', '▄'])]).collect()
}

#[test]
fn a_proof_is_read_back_from_every_form() {
    let (bytes, text) = proof();
    let expected = from_modules(&text);
    assert_eq!(from_svg(&qr::svg(&text).unwrap()), expected);
    let mut terminal = from_terminal(&qr::terminal(&text).unwrap());
    // An odd number of rows leaves the lower half of the last line empty: dark, outside the border.
    assert_eq!(terminal.pop(), Some(vec![true; expected.len()]));
    assert_eq!(terminal, expected);

    let (_, read) = scan(&expected);
    assert_eq!(read, text);
    assert_eq!(base32::decode(&read, 110).unwrap(), bytes);
}

#[test]
fn base32_is_written_in_alphanumeric_mode() {
    let (_, text) = proof();
    let (meta, _) = scan(&from_modules(&text));
    // Version 7-M takes 178 alphanumeric characters, or 122 bytes; the proof is 176 characters.
    assert_eq!((text.len(), meta.version.to_size(), meta.ecc_level), (176, 45, 0));
}

#[test]
fn a_longer_text_gets_less_error_correction_and_one_too_long_an_error() {
    // Version 40 takes 3391 alphanumeric characters at level M, 4296 at level L.
    let level = |length: usize| {
        let modules = qr::modules("A".repeat(length)).unwrap();
        // The first two format bits, beside the upper left finder pattern, with their mask taken off: 00 is
        // M, 01 L.
        let row = &modules.dark[8 * modules.width..];
        (!row[0], row[1])
    };
    assert_eq!(level(3391), (false, false));
    assert_eq!(level(3392), (false, true));
    assert_eq!(level(4296), (false, true));
    for length in [4297, 7090, 10_000_000] {
        for error in [
            qr::modules("A".repeat(length)).map(|_| ()).unwrap_err(),
            qr::svg("A".repeat(length)).map(|_| ()).unwrap_err(),
            qr::terminal("A".repeat(length)).map(|_| ()).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::TooLarge);
        }
    }
}
