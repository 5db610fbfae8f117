//! QR codes, for what is too long to read out: the whole proof, in base32.
//!
//! Specified in docs/PROTOCOL.md, The phone code.
//!
//! Upper-case base32 goes into a QR code's alphanumeric mode. Error correction is
//! level M, or L where the text does not fit otherwise.

use qrcode::{
    Color, EcLevel, QrCode,
    render::{svg, unicode::Dense1x2},
};

use crate::{Error, Result};

/// The digits that the largest QR code takes, more than of anything else.
const LONGEST: usize = 7089;

/// The squares of a QR code, without the light border of four squares that belongs around it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Modules {
    /// Squares in a row, and rows.
    pub width: usize,
    /// Whether each square is dark, row by row from the top left.
    pub dark: Vec<bool>,
}

fn encode(text: &[u8]) -> Result<QrCode> {
    let too_large = || Error::too_large("the text of a QR code", text.len(), LONGEST);
    if text.len() > LONGEST {
        return Err(too_large());
    }
    QrCode::with_error_correction_level(text, EcLevel::M)
        .or_else(|_| QrCode::with_error_correction_level(text, EcLevel::L))
        .map_err(|_| too_large())
}

/// The squares of the QR code of `text`, for programs that draw it themselves.
///
/// # Errors
///
/// [`TooLarge`](crate::ErrorKind::TooLarge) when no QR code holds that much: 4,296 characters of base32.
///
/// ```
/// let code = nodelock::qr::modules("https://licenses.example.com/redeem#")?;
/// assert_eq!(code.dark.len(), code.width * code.width);
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn modules(text: impl AsRef<[u8]>) -> Result<Modules> {
    let code = encode(text.as_ref())?;
    Ok(Modules {
        width: code.width(),
        dark: code.to_colors().into_iter().map(|color| color == Color::Dark).collect(),
    })
}

/// The QR code of `text` as an SVG image, black on white with its border.
///
/// # Errors
///
/// As [`modules`].
///
/// ```
/// assert!(nodelock::qr::svg("17KX2-M928T-5CY4T-QKFFW-EZFWM")?.contains("<svg"));
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn svg(text: impl AsRef<[u8]>) -> Result<String> {
    Ok(encode(text.as_ref())?.render::<svg::Color<'_>>().module_dimensions(4, 4).build())
}

/// The QR code of `text` in block characters, two rows of squares to a line, with its border.
///
/// What is printed is the light squares, since most terminals write light on dark. On one that writes dark on
/// light the code comes out in negative, which most phones read as well. No color codes are used: the text
/// can go through a pipe or into a log.
///
/// # Errors
///
/// As [`modules`].
///
/// ```
/// println!("{}", nodelock::qr::terminal("17KX2-M928T-5CY4T-QKFFW-EZFWM")?);
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn terminal(text: impl AsRef<[u8]>) -> Result<String> {
    let mut image = encode(text.as_ref())?
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    image.push('\n');
    Ok(image)
}
