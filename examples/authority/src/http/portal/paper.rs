//! What somebody handed in, when it is something else than what was asked for.

use nodelock::{
    DeactivationReceipt, ErrorKind, License, Revocation, Roots,
    authority::{ActivationFile, ReleaseClaim},
    code::{DeactivationCode, LicenseKey, check_typing},
};

use super::outcome::{Outcome, Tone};

/// More symbols than anybody types for a code by mistake; every file has more.
const LONGEST_CODE: usize = 40;

/// The text of an input that is a typed code rather than a file in one of its forms.
pub(super) fn typed(input: &[u8]) -> Option<&str> {
    let text = str::from_utf8(input).ok().filter(|text| text.len() <= 256)?;
    let is_file = text.contains("NODELOCK") || text.contains("://");
    (!is_file && check_typing(text).symbols <= LONGEST_CODE).then_some(text)
}

/// Says what an input is and where it belongs, if it is anything that this authority and its devices exchange.
pub(super) fn misplaced(input: &[u8], roots: &Roots) -> Option<Outcome> {
    let wrong = |title: &str| Outcome::new(Tone::Bad, title).refused(ErrorKind::WrongType);
    Some(match typed(input) {
        Some(text) if LicenseKey::read(text).is_ok() => wrong("This is a license key")
            .text("It shows which computers have a seat. It gives no seat back: that takes the code or the file of the computer.")
            .link("/seats", "Enter the license key there"),
        Some(text) if DeactivationCode::read(text).is_ok() => wrong("This is a deactivation code")
            .text("It gives a seat back.")
            .link("/redeem", "Enter the deactivation code there"),
        Some(_) => return None,
        None if ActivationFile::read(input).is_ok() => wrong("This is an activation request")
            .text("It asks for a seat, and is answered with a license.")
            .link("/activate", "Hand the request in there"),
        None if ReleaseClaim::read_all(input).is_ok() => wrong("This is a deactivation file")
            .text("It gives a seat back.")
            .link("/redeem", "Hand the deactivation file in there"),
        None if License::verify(input, roots).is_ok() => wrong("This is a license")
            .text("It belongs on the computer that asked for it: open the application there, and let it read this file."),
        None if DeactivationReceipt::verify(input, roots).is_ok() => wrong("This is a receipt")
            .text("It belongs on the computer that gave its seat back. That seat is settled; nothing is left to do here."),
        None if Revocation::verify(input, roots).is_ok() => wrong("This is a revocation")
            .text("It belongs on the computer whose seat the vendor released. Nothing is left to do here."),
        None => return None,
    })
}
