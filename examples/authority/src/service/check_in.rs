//! A device asks to have its license renewed.

use nodelock::{
    License, Revocation,
    authority::{CheckInClaim, decision},
};

use super::{Service, off_thread, unknown_ruling};
use crate::{domain::Occasion, failure::Result};

/// The answer to a check-in.
#[derive(Debug)]
pub(crate) enum CheckedIn {
    Renewed(Box<License>),
    /// The seat is over: the vendor released it, or its device gave it up and this is a copy from before.
    Revoked(Revocation),
}

impl Service {
    /// Answers a check-in, in any form. Fails as [`CheckInClaim::read`] and [`decision::check_in`] do.
    pub(crate) async fn check_in(&self, input: Vec<u8>, occasion: &Occasion) -> Result<CheckedIn> {
        let claim = off_thread(move || CheckInClaim::read(&input)).await??;
        let act = |records: &_, moment: &_| decision::check_in(&claim, records, moment);
        let reply = self.decide(&act, occasion).await?.reply;
        match (reply.license, reply.revocation) {
            (Some(license), _) => Ok(CheckedIn::Renewed(license.into())),
            (None, Some(revocation)) => Ok(CheckedIn::Revoked(revocation)),
            (None, None) => Err(unknown_ruling()),
        }
    }
}
