//! A device asks whether it may give its seat up.

use nodelock::{
    ErrorKind,
    authority::{
        PreflightClaim,
        decision::{self, Ruling},
    },
};

use super::{Service, off_thread, permit::On, selling::Place, unknown_ruling};
use crate::{
    domain::{Actor, Occasion, rights::Act},
    failure::{Failure, Result},
};

/// What would come of giving a seat up.
#[derive(Debug, PartialEq)]
pub(crate) struct Foreseen {
    pub(crate) allowed: bool,
    pub(crate) deactivations_left: Option<u32>,
}

impl Service {
    /// Whether the seat that asks would return to the pool, and how many deactivations are left; none is without limit,
    /// or without a count. It is a device's own question, so nobody pastes it into a form: only this form of it is
    /// read.
    ///
    /// Fails as [`PreflightClaim::read`] and [`decision::preflight`] do, and with [`Failure::PeerMustWait`] instead
    /// after too many for seats that are not their signer's. The device of a seat is always answered.
    pub(crate) async fn preflight(&self, input: Vec<u8>, occasion: &Occasion) -> Result<Foreseen> {
        let occasion = &self.permit(occasion, Act::Preflight, On::Whole).await?;
        let claim = off_thread(move || PreflightClaim::read(&input)).await??;
        let act = |records: &_, moment: &_| decision::preflight(&claim, records, moment);
        let place = Place::Handles(vec![claim.handle()]);
        let settled = self.decide(&act, &place, occasion).await;
        if let (Actor::Peer(peer), Err(Failure::Rule(refused))) = (&occasion.actor, &settled)
            && refused.kind() == ErrorKind::UnknownSeat
        {
            self.limits.preflights.take(*peer)?;
        }
        let ruling = settled?.ruling;
        let allowed = ruling.is_allowed();
        match ruling {
            Ruling::Preflight { deactivations_left } => Ok(Foreseen { allowed, deactivations_left }),
            _ => Err(unknown_ruling()),
        }
    }
}
