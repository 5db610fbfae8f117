//! Advice about the way to the authority.

use nodelock::{Answer, Error, ErrorKind, NetworkFailure, testing::Fault};

use super::{Heard, Told};
use crate::desk::{Desk, Elsewhere};

pub const TOLD: &[Told] = &[
    ("Check the authority's address and the network's name service. Nothing was lost.", |heard| {
        the_address_was_wrong(heard, "unreachable", || Err(unreachable_by(NetworkFailure::NameLookUp)));
    }),
    (
        "Check the proxy that is set (HTTPS_PROXY, ALL_PROXY), or leave the authority's host out (NO_PROXY). Nothing \
         was lost.",
        |heard| {
            // That the program goes by these is in `tests/cli/advice.rs`.
            the_address_was_wrong(heard, "unreachable", || Err(unreachable_by(NetworkFailure::Proxy)));
            the_address_was_wrong(heard, "unreachable", || {
                Err(unreachable_by(NetworkFailure::ProxyAuthorization))
            });
        },
    ),
    ("Check that the authority's address is one of HTTPS. Nothing was lost.", |heard| {
        the_address_was_wrong(heard, "unreachable", || Err(unreachable_by(NetworkFailure::Tls)));
    }),
];

fn unreachable_by(failure: NetworkFailure) -> Error {
    Error::new(ErrorKind::Unreachable, "a test's network").with_source(failure)
}

/// At another address is what is said; at the right one is the authority, and nothing was lost.
fn the_address_was_wrong(heard: &Heard, kind: &str, elsewhere: Elsewhere) {
    let mut desk = Desk::active();
    desk.elsewhere = elsewhere;
    let wrong = ["--authority", "https://elsewhere.example.com"];
    for line in ["check-in", "deactivate"] {
        heard.from(desk.refused(&[line, wrong[0], wrong[1]], kind));
        assert!(desk.is_active(), "nothing was lost");
    }
    desk.done(&["check-in"]);
    desk.done(&["deactivate"]);
}

/// It is tried again later, or done by hand.
fn later_or_by_hand(heard: &Heard, kind: &str, fault: Fault) {
    let desk = Desk::new();
    desk.authority.fail(fault);
    heard.from(desk.refused(&["activate", &desk.key], kind));
    let later = desk.another("another");
    later.refused(&["activate", &later.key], kind);
    desk.license_by_hand();
    heard.from(desk.refused(&["check-in"], kind));
    let code = desk.text(&["deactivate", "--offline"]);
    let receipt = desk.authority.vendor().redeem_code(code.trim()).unwrap();
    desk.done(&["receipt", &desk.file(receipt.to_text())]);
    desk.authority.fail(None);
    later.done(&["activate", &later.key]);
    assert!(later.is_active());
}

pub fn unreachable(heard: &Heard) {
    later_or_by_hand(heard, "unreachable", Fault::Down);
}

pub fn timed_out(heard: &Heard) {
    later_or_by_hand(heard, "timed-out", Fault::TimedOut);
}

pub fn server_busy(heard: &Heard) {
    later_or_by_hand(heard, "server-busy", Fault::Busy { retry_after: None });
}

pub fn server_failed(heard: &Heard) {
    later_or_by_hand(heard, "server-failed", Fault::Failed);
}

pub fn bad_reply(heard: &Heard) {
    the_address_was_wrong(heard, "bad-reply", || Ok(Answer::new(200, "<html>Please log in</html>")));
    // The log-in page is passed.
    let desk = Desk::active();
    desk.authority.fail_next(Fault::Stranger);
    heard.from(desk.refused(&["check-in"], "bad-reply"));
    desk.done(&["check-in"]);
}
