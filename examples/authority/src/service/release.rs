//! The vendor releases the seat of a machine that is dead, lost or unwilling.

use nodelock::{
    Revocation,
    authority::{
        Seat,
        decision::{self, Ruling},
    },
};

use super::{Service, permit::On, selling::Place, unknown_ruling};
use crate::{
    domain::{Occasion, SeatChoice, rights::Act},
    failure::Result,
};

impl Service {
    /// Releases a seat. The revocation is for its device, should it speak up; there is none for a seat that its device
    /// gave up itself. `notice` is for the customer. Fails as [`decision::release`] does.
    pub(crate) async fn release(
        &self,
        choice: SeatChoice,
        notice: &str,
        occasion: &Occasion,
    ) -> Result<(Seat, Option<Revocation>)> {
        let name = self.choose(choice).await?;
        let occasion = &self.permit(occasion, Act::Release, On::Seat(name)).await?;
        let act = |records: &_, moment: &_| decision::release(name, notice, records, moment);
        let settled = self.decide(&act, &Place::Seat(name), occasion).await?;
        match settled.ruling {
            Ruling::Revoked(seat) | Ruling::Returned(seat) => Ok((seat, settled.reply.revocation)),
            _ => Err(unknown_ruling()),
        }
    }
}
