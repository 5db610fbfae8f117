//! A customer frees the seat of a computer that is gone, with the license key alone.

use nodelock::{
    LicenseId,
    authority::{
        Seat,
        decision::{self, Ruling},
    },
    code::Handle,
};

use super::{Service, permit::On, selling::Place, unknown_ruling};
use crate::{
    domain::{Occasion, rights::Act},
    failure::Result,
};

impl Service {
    /// Releases a seat of a license on the word of whoever has its key. Fails as [`decision::customer_release`] does.
    pub(crate) async fn customer_release(
        &self,
        license: LicenseId,
        seat: Handle,
        occasion: &Occasion,
    ) -> Result<Seat> {
        let occasion = &self.permit(occasion, Act::CustomerRelease, On::License(license)).await?;
        let act = |records: &_, moment: &_| decision::customer_release(license, seat, records, moment);
        match self.decide(&act, &Place::License(license), occasion).await?.ruling {
            Ruling::Revoked(seat) | Ruling::Returned(seat) => Ok(seat),
            _ => Err(unknown_ruling()),
        }
    }
}
