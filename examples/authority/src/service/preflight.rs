//! A device asks whether it may give its seat up.

use nodelock::{
    ErrorKind,
    authority::{
        PreflightClaim,
        decision::{self, Ruling},
    },
};

use super::{Service, off_thread, unknown_ruling};
use crate::{
    domain::{Actor, Occasion},
    failure::{Failure, Result},
};

impl Service {
    /// How many deactivations are left for the seat that asks; none is without limit, or without a count.
    ///
    /// Fails as [`PreflightClaim::read`] and [`decision::preflight`] do, and with [`Failure::PeerMustWait`] instead after too
    /// many for seats that are not their signer's. The device of a seat is always answered.
    pub(crate) async fn preflight(&self, input: Vec<u8>, occasion: &Occasion) -> Result<Option<u32>> {
        let claim = off_thread(move || PreflightClaim::read(&input)).await??;
        let act = |records: &_, moment: &_| decision::preflight(&claim, records, moment);
        let settled = self.decide(&act, occasion).await;
        if let (Actor::Peer(peer), Err(Failure::Rule(refused))) = (&occasion.actor, &settled)
            && refused.kind() == ErrorKind::UnknownSeat
        {
            self.limits.preflights.take(*peer)?;
        }
        match settled?.ruling {
            Ruling::Preflight { deactivations_left } => Ok(deactivations_left),
            _ => Err(unknown_ruling()),
        }
    }
}
