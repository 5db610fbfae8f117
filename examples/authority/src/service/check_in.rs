//! A device asks to have its license renewed.

use nodelock::{
    License, Revocation,
    authority::{
        CheckInClaim,
        decision::{self, Ruling},
    },
};

use super::{Service, driver::Settled, permit::On, selling::Place, unknown_ruling};
use crate::{
    domain::{Occasion, rights::Act},
    failure::Result,
};

/// The answer to a check-in.
#[derive(Debug)]
pub(crate) enum CheckedIn {
    Renewed(Box<License>),
    /// The seat is over: the vendor released it, or its device gave it up and this is a copy from before.
    Revoked(Revocation),
}

impl Service {
    /// Answers a check-in. Fails as [`decision::check_in`] does.
    pub(crate) async fn check_in(&self, claim: &CheckInClaim, occasion: &Occasion) -> Result<CheckedIn> {
        let occasion = &self.permit(occasion, Act::CheckIn, On::Whole).await?;
        let act = |records: &_, moment: &_| decision::check_in(claim, records, moment);
        let settled = self.decide(&act, &Place::LostHandle(claim.handle()), occasion).await;
        let checked_in = settled.and_then(answer);
        if let Err(failure) = &checked_in {
            self.note_refused_check_in(claim, failure, occasion).await;
        }
        checked_in
    }
}

fn answer(Settled { ruling, reply }: Settled) -> Result<CheckedIn> {
    if let Ruling::Refused(refusal) = ruling {
        return Err(refusal.into());
    }
    match (reply.license, reply.revocation) {
        (Some(license), _) => Ok(CheckedIn::Renewed(license.into())),
        (None, Some(revocation)) => Ok(CheckedIn::Revoked(revocation)),
        (None, None) => Err(unknown_ruling()),
    }
}
