//! The vendor takes the release of a seat back.

use nodelock::{License, authority::decision};

use super::{Service, permit::On, selling::Place, unknown_ruling};
use crate::{
    domain::{Occasion, SeatChoice, rights::Act},
    failure::Result,
};

impl Service {
    /// The seat is its device's again. Returns the license for it. Fails as [`decision::unrelease`] does.
    pub(crate) async fn unrelease(&self, choice: SeatChoice, occasion: &Occasion) -> Result<License> {
        let name = self.choose(choice).await?;
        let occasion = &self.permit(occasion, Act::Release, On::Seat(name)).await?;
        let act = |records: &_, moment: &_| decision::unrelease(name, records, moment);
        self.decide(&act, &Place::Seat(name), occasion).await?.reply.license.ok_or_else(unknown_ruling)
    }
}
