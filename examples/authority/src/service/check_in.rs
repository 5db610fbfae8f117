//! A device asks to have its license renewed.

use nodelock::{
    License, Revocation,
    authority::{
        CheckInClaim, Found, Query,
        decision::{self, Ruling},
    },
};
use tracing::{error, warn};

use super::{Service, driver::Settled, permit::On, selling::Place, unknown_ruling};
use crate::{
    domain::{
        Occasion, hex,
        rights::{Act, Permit},
    },
    failure::Result,
    store::{self, AuditLine},
};

/// What is noted of a device whose license has a digest that the audit's chain has not.
const CHAIN_DIFFERS: &str = "chain-differs";

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
        let occasion = &self.permit(occasion, Act::CheckIn, On::Handles(&[claim.handle()])).await?;
        let act = |records: &_, moment: &_| decision::check_in(claim, records, moment);
        let place = Place::LostHandle(claim.handle()).within(occasion);
        let settled = self.decide(&act, &place, occasion).await;
        // Once for each: a check-in that comes again is repeated, and is noted no more.
        let is_renewed = settled.as_ref().is_ok_and(|settled| matches!(settled.ruling, Ruling::Renewed(..)));
        if is_renewed && let Err(failure) = self.compare_chain(claim, occasion).await {
            // The seat is renewed all the same, and its device gets the answer.
            warn!(event = "chain-not-compared", error = failure.message());
        }
        let checked_in = settled.and_then(answer);
        if let Err(failure) = &checked_in {
            self.note_refused_check_in(claim, failure, occasion).await;
        }
        checked_in
    }

    /// Looks whether the audit's chain still has what the device was given of it. A page that the ledger does not know
    /// shows that the ledger was restored, which is noticed elsewhere; under a page that it knows, the chain was made
    /// anew, unless the device says what is not so: its license proves it, and is asked for by `audit verify`.
    async fn compare_chain(&self, claim: &CheckInClaim, permit: &Permit<'_>) -> Result<()> {
        let Some((page, digest)) = claim.chain() else { return Ok(()) };
        let mut tx = self.database().read().await?;
        let is_in_chain = store::seal_of_digest(&mut tx, &digest).await?.is_some();
        let differs =
            !is_in_chain && matches!(store::find(&mut tx, &Query::Page(page)).await?, Found::Page(true));
        drop(tx);
        if differs {
            let (handle, digest) = (claim.handle(), hex(&digest));
            error!(event = CHAIN_DIFFERS, %handle, %page, digest);
            let detail = format!("seat {handle} was given {digest} at page {page}");
            let mut tx = self.database().write().await?;
            AuditLine { action: CHAIN_DIFFERS, license: None, detail: &detail }
                .write(&mut tx, permit)
                .await?;
            tx.commit().await?;
        }
        Ok(())
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
