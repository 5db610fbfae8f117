//! The vendor renews the license of a device that does not check in.

use nodelock::{License, authority::decision};

use super::{Service, permit::On, selling::Place, unknown_ruling};
use crate::{
    domain::{Occasion, SeatChoice, rights::Act},
    failure::Result,
};

impl Service {
    /// A new license for an active seat. Fails as [`decision::renew`] does.
    pub(crate) async fn renew(&self, choice: SeatChoice, occasion: &Occasion) -> Result<License> {
        let name = self.choose(choice).await?;
        let occasion = &self.permit(occasion, Act::Renew, On::Seat(name)).await?;
        let act = |records: &_, moment: &_| decision::renew(name, records, moment);
        self.decide(&act, &Place::Seat(name), occasion).await?.reply.license.ok_or_else(unknown_ruling)
    }
}
