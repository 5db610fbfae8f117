//! A device asks whether it may give its seat up.

use nodelock::{
    ErrorKind, Timestamp,
    authority::{
        Allowance, Found, PreflightClaim, Query, Seat,
        decision::{self, Ruling},
    },
    code::Handle,
};

use super::{Service, off_thread, permit::On, selling::Place, unknown_ruling};
use crate::{
    domain::{Actor, Occasion, rights::Act},
    failure::{Failure, Result},
    store,
};

/// What would come of giving a seat up.
#[derive(Debug, PartialEq)]
pub(crate) struct Foreseen {
    pub(crate) allowed: bool,
    pub(crate) deactivations_left: Option<u32>,
    /// How many activations the license has left for whoever wants the seat afterwards; none is without limit.
    pub(crate) activations_left: Option<u32>,
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
            Ruling::Preflight { deactivations_left } => {
                let activations_left = self.activations_left(claim.handle(), occasion.time).await?;
                Ok(Foreseen { allowed, deactivations_left, activations_left })
            }
            _ => Err(unknown_ruling()),
        }
    }

    /// The fewest activations that a license with a seat of that handle has left: mostly it is one.
    async fn activations_left(&self, handle: Handle, now: Timestamp) -> Result<Option<u32>> {
        let mut tx = self.database.read().await?;
        let Found::Seats(seats) = store::find(&mut tx, &Query::SeatsOfHandle(handle)).await? else {
            return Err(unknown_ruling());
        };
        let mut fewest = None;
        for license in seats.iter().filter_map(Seat::license_id) {
            if let Found::License(Some(license)) = store::find(&mut tx, &Query::License(license)).await? {
                let left = license.balance(Allowance::Activations, now).left();
                fewest = left.into_iter().chain(fewest).min();
            }
        }
        Ok(fewest)
    }
}
