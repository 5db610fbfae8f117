//! What somebody handed in, when it is something else than what was asked for.

use nodelock::ErrorKind;

use super::notice::{Notice, Tone};
use crate::domain::What;

/// Says what a submission is and where it belongs; none if it is what is `expected`, or nothing at all.
pub(super) fn misplaced(what: What, expected: What) -> Option<Notice> {
    if what == expected {
        return None;
    }
    let wrong = |title: &str| Notice::new(Tone::Bad, title).refused(ErrorKind::WrongType);
    Some(match what {
        What::LicenseKey => wrong("This is a license key")
            .text("It shows which computers have a seat. It gives no seat back: that takes the code or the file of the computer.")
            .link("/seats", "Enter the license key there"),
        What::Code => wrong("This is a deactivation code")
            .text("It gives a seat back.")
            .link("/redeem", "Enter the deactivation code there"),
        What::Activation => wrong("This is an activation request")
            .text("It asks for a seat, and is answered with a license.")
            .link("/activate", "Hand the request in there"),
        What::Deactivation | What::Deactivations => wrong("This is a deactivation file")
            .text("It gives a seat back.")
            .link("/redeem", "Hand the deactivation file in there"),
        What::License => wrong("This is a license")
            .text("It belongs on the computer that asked for it: open the application there, and let it read this file."),
        What::Receipt => wrong("This is a receipt")
            .text("It belongs on the computer that gave its seat back. That seat is settled; nothing is left to do here."),
        What::Revocation => wrong("This is a revocation")
            .text("It belongs on the computer whose seat the vendor released. Nothing is left to do here."),
        What::Unreadable => return None,
    })
}
