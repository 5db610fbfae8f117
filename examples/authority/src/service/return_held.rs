//! The vendor returns a held seat to the pool.

use nodelock::authority::{
    Seat,
    decision::{self, Ruling},
};

use super::{Service, permit::On, selling::Place, unknown_ruling};
use crate::{
    domain::{Occasion, SeatChoice, rights::Act},
    failure::Result,
};

impl Service {
    /// Returns a held seat. Fails as [`decision::return_held`] does.
    pub(crate) async fn return_held(&self, choice: SeatChoice, occasion: &Occasion) -> Result<Seat> {
        let name = self.choose(choice).await?;
        let occasion = &self.permit(occasion, Act::ReturnHeld, On::Seat(name)).await?;
        let act = |records: &_, moment: &_| decision::return_held(name, records, moment);
        match self.decide(&act, &Place::Seat(name), occasion).await?.ruling {
            Ruling::Returned(seat) => Ok(seat),
            _ => Err(unknown_ruling()),
        }
    }
}
