//! Trials: for how long, and of which license without a key.

use nodelock::{
    ErrorKind, LicenseId, Timestamp,
    authority::{
        ActivationFile, LicenseKeyName, Seat,
        decision::{self, Ruling},
    },
};

use super::{
    Database, Service,
    edit::standing,
    permit::{On, permit},
    products::{check_based_on, choose, products_of},
    selling::Place,
    unknown_ruling,
};
use crate::{
    domain::{Actor, Occasion, Product, ProductId, SeatChoice, rights::Act},
    failure::{Failure, Result},
    store::{self, AuditLine},
};

impl Service {
    /// Lets the trial of a seat's machine last until a later time. Fails as [`decision::extend_trial`] does.
    pub(crate) async fn extend_trial(
        &self,
        choice: SeatChoice,
        until: Timestamp,
        occasion: &Occasion,
    ) -> Result<Seat> {
        let name = self.choose(choice).await?;
        let occasion = &self.permit(occasion, Act::Extend, On::Seat(name)).await?;
        let act = |records: &_, moment: &_| decision::extend_trial(name, until, records, moment);
        match self.decide(&act, &Place::Seat(name), occasion).await?.ruling {
            Ruling::Extended(seat) => Ok(seat),
            _ => Err(unknown_ruling()),
        }
    }

    /// Of which license a request gets a trial that names a product and no license key. A recovery names what its
    /// device has lost.
    ///
    /// Fails with [`Failure::PeerMustWait`] for a peer that asks too often: nothing else stands in its way.
    pub(super) async fn trial_license(
        &self,
        file: &ActivationFile,
        occasion: &Occasion,
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

/// Says of which license a request without a license key gets a trial; none if every request needs a key. `based_on` is
/// the revision that the change was made for. Returns the product as it is now.
///
/// Fails as `edit_product` does, with `ErrorKind::UnknownLicense`, with [`Failure::Void`], and with
/// `ErrorKind::InvalidInput` for a license of another product or one that is no trial.
pub(crate) async fn set_trial_license(
    database: &Database,
    named: Option<&ProductId>,
    license: Option<LicenseId>,
    based_on: Option<u32>,
    occasion: &Occasion,
) -> Result<Product> {
    let occasion = &permit(database, occasion, Act::Products, On::Whole).await?;
    let mut tx = database.write().await?;
    let mut product = choose(products_of(&mut tx).await?, named)?;
    check_based_on(based_on, product.revision)?;
    if let Some(id) = license {
        let terms = standing(&mut tx, id).await?.terms;
        let refused = |text: String| Err(Failure::rule(ErrorKind::InvalidInput, text));
        if terms.product != product.name {
            return refused(format!("license {id} is of product \"{}\"", terms.product));
        }
        if terms.trial_days.is_none() {
            return refused(format!("license {id} is no trial: it has no trial_days"));
        }
    }
    if product.trial_license != license {
        product.revision = product.revision.saturating_add(1);
        product.trial_license = license;
        store::set_trial_license(&mut tx, &product.id, license, product.revision).await?;
        let words = license.map_or_else(|| "none".to_owned(), |id| id.to_string());
        let detail = format!("{}: {words}", product.id);
        let line = AuditLine { action: "product-trial", license: None, detail: &detail };
        line.write(&mut tx, occasion).await?;
    }
    tx.commit().await?;
    Ok(product)
}
