//! The vendor releases the seat of a machine that is dead, lost or unwilling.

use nodelock::{
    Revocation,
    authority::{
        Found, Query, Seat,
        decision::{self, Ruling},
    },
};

use super::{Service, permit::On, selling::Place, unknown_ruling};
use crate::{
    domain::{Occasion, SeatChoice, rights::Act},
    failure::{Failure, Result},
    store,
};

impl Service {
    /// A seat, and who licensed it: what a person is to see before it is released.
    ///
    /// Fails with `ErrorKind::UnknownSeat` and [`Failure::AmbiguousSeat`](crate::failure::Failure::AmbiguousSeat).
    pub(crate) async fn seat(&self, choice: SeatChoice, occasion: &Occasion) -> Result<(Seat, String)> {
        let name = self.choose(choice).await?;
        self.permit(occasion, Act::ShowSeats, On::Seat(name)).await?;
        let mut tx = self.database.read().await?;
        let seat = match store::find(&mut tx, &Query::SeatsOfHandle(name.handle)).await? {
            Found::Seats(seats) => seats.into_iter().find(|seat| seat.name() == name),
            _ => None,
        };
        let seat = seat.ok_or_else(|| Failure::unknown_seat(name.handle))?;
        let licensee = match seat.license_id() {
            Some(license) => {
                store::license_row_of(&mut tx, license).await?.map(|row| row.license.terms.licensee)
            }
            None => None,
        };
        Ok((seat, licensee.unwrap_or_default()))
    }

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
