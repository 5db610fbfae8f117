//! Trials: for how long, and of which license without a key.

use nodelock::{
    LicenseId, Timestamp,
    authority::{
        ActivationFile, Found, LicenseKeyName, Query, Seat, SeatName,
        decision::{self, Ruling},
    },
};

use super::{Extension, Service, permit::On, selling::Place, unknown_ruling};
use crate::{
    domain::{
        Actor, Occasion, SeatChoice,
        rights::{Act, Permit},
    },
    failure::Result,
    store,
};

impl Service {
    /// Lets the trial of a seat's machine last until a later time. Returns the seat, and until when that is;
    /// `hand_over` is told it before anything is stored.
    ///
    /// Fails as [`decision::extend_trial`] does.
    pub(crate) async fn extend_trial(
        &self,
        choice: SeatChoice,
        extension: Extension,
        hand_over: impl FnOnce(Timestamp),
        occasion: &Occasion,
    ) -> Result<(Seat, Timestamp)> {
        let name = self.choose(choice).await?;
        let occasion = &self.permit(occasion, Act::ExtendTrial, On::Seat(name)).await?;
        let end = self.trial_end(name).await?.unwrap_or(Timestamp::MIN);
        let until = match extension {
            Extension::Days(days) => end.max(occasion.time).plus_days(days),
            Extension::Until(until) => until,
            Extension::AtLeast(until) => end.max(until),
        };
        hand_over(until);
        let act = |records: &_, moment: &_| decision::extend_trial(name, until, records, moment);
        match self.decide(&act, &Place::Seat(name), occasion).await?.ruling {
            Ruling::Extended(seat) => Ok((seat, until)),
            _ => Err(unknown_ruling()),
        }
    }

    /// When the trial of a seat's machine ends; none if the seat is none.
    async fn trial_end(&self, name: SeatName) -> Result<Option<Timestamp>> {
        let mut tx = self.database.read().await?;
        let Found::Seats(seats) = store::find(&mut tx, &Query::SeatsOfHandle(name.handle)).await? else {
            return Ok(None);
        };
        let seat = seats.into_iter().find(|seat| seat.name() == name);
        let Some(seat) = seat else { return Ok(None) };
        let Some(license) = seat.license_id() else { return Ok(None) };
        Ok(match store::find(&mut tx, &Query::License(license)).await? {
            Found::License(Some(license)) => seat.trial_ends(&license.terms),
            _ => None,
        })
    }

    /// Of which license a request gets a trial that names a product and no license key. A recovery names what its
    /// device has lost.
    ///
    /// Fails with [`Failure::PeerMustWait`](crate::failure::Failure::PeerMustWait) for a peer that asks too often:
    /// nothing else stands in its way.
    pub(super) async fn trial_license(
        &self,
        file: &ActivationFile,
        occasion: &Permit<'_>,
    ) -> Result<Option<LicenseId>> {
        let request = file.request();
        if LicenseKeyName::new(&request.license_key).is_some() || file.is_recovery() {
            return Ok(None);
        }
        let license = store::trial_license_of(&mut self.database.read().await?, &request.product).await?;
        if let (Some(_), Actor::Peer(peer)) = (license, &occasion.actor) {
            self.limits.trials.take(*peer)?;
        }
        Ok(license)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        domain::{
            Bearer, Who,
            rights::{Role, Scope},
        },
        service::fixture::{Authority, PRODUCT, address, now, vendor},
    };

    fn bearer(who: Who) -> Occasion {
        let bearer = Bearer::new(who, address(1), Arc::default());
        Occasion { time: now(), actor: Actor::Bearer(Arc::new(bearer)) }
    }

    /// It counts for every license of the product that the machine has a trial of, whoever sold that.
    #[tokio::test]
    async fn no_reseller_extends_the_trial_of_a_machine() {
        let authority = Authority::new().await;
        let key = authority.sell_with(1, |terms| terms.trial_days = Some(14)).await;
        let device = authority.activated(&key).await;
        let choice = SeatChoice { handle: device.check().unwrap().license().unwrap().handle, device: None };
        let extend = async |occasion: &Occasion| {
            let extended = authority.service.extend_trial(choice, Extension::Days(7), |_| (), occasion).await;
            extended.map(|_| ())
        };
        let reseller = bearer(Who::Account { name: "jane".into(), role: Role::Reseller });
        assert_eq!(extend(&reseller).await.unwrap_err().name(), "forbidden");
        let product = Some(PRODUCT.to_owned());
        let of_product = Who::Token { id: "t".into(), scopes: vec![Scope::LicensesWrite], product };
        extend(&bearer(of_product)).await.unwrap();
        extend(&vendor()).await.unwrap();
    }
}
