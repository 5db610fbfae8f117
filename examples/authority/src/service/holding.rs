//! A customer sees the seats of a license.

use nodelock::{
    authority::{Counting, Found, LicenseKeyName, Query},
    code::{LicenseKey, Reading},
};

use super::{Database, Service, permit::On, unknown_ruling};
use crate::{
    domain::{Actor, Holding, Occasion, hex, rights::Act},
    failure::Result,
    store,
};

/// How many keys that one typed text may stand for are looked up.
const MOST_READINGS: usize = 8;

/// A license, and how its key was read if it is one of the library's.
pub(crate) type Shown = (Holding, Option<Reading<LicenseKey>>);

impl Service {
    /// The license of a typed key with at most `most` of its seats; none if no license has that key.
    ///
    /// Fails with [`Failure::PeerMustWait`](crate::failure::Failure::PeerMustWait) for an unknown license key
    /// after too many of them, and after the same license was shown very often.
    pub(crate) async fn holding(
        &self,
        typed: &str,
        most: usize,
        occasion: &Occasion,
    ) -> Result<Option<Shown>> {
        let occasion = &self.permit(occasion, Act::ShowHolding, On::Whole).await?;
        let readings = LicenseKey::read(typed).unwrap_or_default().into_iter().take(MOST_READINGS);
        let keys = readings.map(|reading| (LicenseKeyName::new(&reading.code.to_string()), Some(reading)));
        // A vendor may make keys by other rules, in which nothing can be mended.
        let as_it_is = (LicenseKeyName::new(typed), None);
        for (key, reading) in keys.chain([as_it_is]) {
            let Some(key) = key else { continue };
            if let Actor::Peer(peer) = occasion.actor {
                self.limits.shown_holdings.check(&hex(&key.hash().0), peer)?;
            }
            if let Some(holding) = find(&self.database, &key, most, occasion).await? {
                if let Actor::Peer(peer) = occasion.actor {
                    self.limits.shown_holdings.take(&hex(&key.hash().0), peer)?;
                }
                return Ok(Some((holding, reading)));
            }
        }
        if let Actor::Peer(peer) = occasion.actor {
            self.limits.holdings.take(peer)?;
        }
        Ok(None)
    }
}

async fn find(
    database: &Database,
    key: &LicenseKeyName,
    most: usize,
    occasion: &Occasion,
) -> Result<Option<Holding>> {
    let mut tx = database.read().await?;
    let Found::License(Some(mut license)) = store::find(&mut tx, &Query::LicenseOfKey(key.hash())).await?
    else {
        return Ok(None);
    };
    // Those that lapsed and were not marked yet, because nobody needed a seat since.
    let history = match store::find(&mut tx, &Query::History).await? {
        Found::History(history) => history,
        _ => None,
    };
    let gaps = history.map(|history| history.gaps().to_vec()).unwrap_or_default();
    if let Some(until) = license.terms.lapsed_until(occasion.time, &gaps) {
        license.usage.taken -= store::count_ended(&mut tx, license.terms.id, until).await?;
    }
    let seats = store::latest_seats_of(&mut tx, license.terms.id, most).await?;
    let query = Query::Count(license.terms.id, Counting::Replaced);
    let Found::Count(replaced) = store::find(&mut tx, &query).await? else { return Err(unknown_ruling()) };
    let is_void = store::is_void(&mut tx, license.terms.id).await?;
    Ok(Some(Holding { license: *license, seats, replaced, gaps, is_void }))
}
