//! QR codes. Without feature `qr` there are none: whatever makes one is unsupported.

use std::{
    ffi::{c_char, c_uchar},
    ptr,
};

use super::boundary::{Lent, Result, free, lend_bytes, look};

/// A QR code, as squares, as an SVG image and as text for a terminal. Belongs to the caller; may be read from any
/// number of threads.
pub struct nodelock_qr {
    width: usize,
    squares: Vec<c_uchar>,
    images: Images,
    svg: Lent,
    terminal: Lent,
}

#[cfg(feature = "qr")]
struct Images(String);
#[cfg(not(feature = "qr"))]
enum Images {}

#[cfg(feature = "qr")]
impl Images {
    // What fits as squares fits as an image: it is the same code.
    fn svg(&self) -> String {
        crate::qr::svg(&self.0).unwrap_or_default()
    }

    fn terminal(&self) -> String {
        crate::qr::terminal(&self.0).unwrap_or_default()
    }
}

#[cfg(not(feature = "qr"))]
impl Images {
    fn svg(&self) -> String {
        match *self {}
    }

    fn terminal(&self) -> String {
        match *self {}
    }
}

impl nodelock_qr {
    #[cfg(feature = "qr")]
    pub(super) fn encode(link: &str, content: &str) -> Result<Self> {
        let text = link.to_owned() + content;
        let crate::qr::Modules { width, dark } = crate::qr::modules(&text)?;
        let squares = dark.into_iter().map(c_uchar::from).collect();
        Ok(Self { width, squares, images: Images(text), svg: Lent::default(), terminal: Lent::default() })
    }

    #[cfg(not(feature = "qr"))]
    pub(super) fn encode(_: &str, _: &str) -> Result<Self> {
        use crate::{Error, ErrorKind};
        Err(Error::new(ErrorKind::Unsupported, "this build has no QR codes (feature `qr`)").into())
    }
}

/// How many squares a row has, and how many rows there are, without the light border of four squares that belongs
/// around it. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_qr_width(qr: *const nodelock_qr) -> usize {
    // SAFETY: NULL or a QR code that lives.
    unsafe { look(qr, 0, |qr| qr.width) }
}

/// The squares, row by row from the top left, a byte for each: 1 is dark, 0 is light. Their number is the square of the
/// width; it is stored in `count` if that is not NULL. Lent until the QR code is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_qr_squares(qr: *const nodelock_qr, count: *mut usize) -> *const u8 {
    // SAFETY: NULL or a QR code that lives; NULL or a place for the number.
    unsafe { lend_bytes(qr, count, |qr| &qr.squares) }
}

/// As an SVG image, black on white with its border. Lent until the QR code is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_qr_svg(qr: *const nodelock_qr) -> *const c_char {
    // SAFETY: NULL or a QR code that lives.
    unsafe { look(qr, ptr::null(), |qr| qr.svg.get(|| qr.images.svg())) }
}

/// In block characters for a terminal that writes light on dark, with its border. Lent until the QR code is freed. NULL
/// for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_qr_terminal(qr: *const nodelock_qr) -> *const c_char {
    // SAFETY: NULL or a QR code that lives.
    unsafe { look(qr, ptr::null(), |qr| qr.terminal.get(|| qr.images.terminal())) }
}

/// Frees a QR code. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_qr_free(qr: *mut nodelock_qr) {
    // SAFETY: NULL or a QR code that nobody uses any more.
    unsafe { free(qr) }
}
