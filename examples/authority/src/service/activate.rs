//! A device asks for a seat.

use nodelock::{
    DeactivationReceipt, ErrorKind, License, LicenseId,
    authority::{
        ActivationFile, Found, LicenseKeyName, Query,
        decision::{self, Ruling},
    },
};

use super::{Service, driver::Settled, permit::On, selling::Place, unknown_ruling};
use crate::{
    domain::{
        Actor, Occasion,
        rights::{Act, Permit},
    },
    failure::{Failure, Result},
    store,
};

/// The answer to an activation file.
#[derive(Debug)]
pub(crate) struct Activated {
    /// The license, or why there is none.
    pub(crate) license: Result<License>,
    /// For the seats that the device gave up before. They are free even if the request is refused.
    pub(crate) receipts: Vec<DeactivationReceipt>,
}

impl Service {
    /// Frees the seats that came along, then answers the request. The license is that of the request's license key; for
    /// a request without one it is `assigned`, or the one of which its product gives trials.
    ///
    /// Fails with [`Failure::PeerMustWait`] after too many unknown license keys or kept codes. A final refusal is part
    /// of the answer, and so is an issuer that cannot sign: the seats that came along are free then, and their receipts
    /// come later.
    pub(crate) async fn activate(
        &self,
        file: ActivationFile,
        assigned: Option<LicenseId>,
        occasion: &Occasion,
    ) -> Result<Activated> {
        let on = assigned.map_or(On::Whole, On::License);
        let occasion = &self.permit(occasion, Act::Activate, on).await?;
        if let Actor::Peer(peer) = occasion.actor {
            self.limits.activations.check(peer)?;
        }
        let assigned = match assigned {
            None => self.trial_license(&file, occasion).await?,
            given => given,
        };
        let activated = self.answer_activation(file.clone(), assigned, occasion).await;
        let refused = match &activated {
            Ok(activated) => activated.license.as_ref().err(),
            Err(failure) => Some(failure),
        };
        if let Some(failure) = refused {
            self.note_refused_activation(&file, assigned, failure, occasion).await;
        }
        activated
    }

    async fn answer_activation(
        &self,
        mut file: ActivationFile,
        assigned: Option<LicenseId>,
        occasion: &Permit<'_>,
    ) -> Result<Activated> {
        let settled = loop {
            match self.decide_activation(&file, assigned, occasion).await {
                // Whoever floods the authority with proofs of seats that nobody asked for must not stop activations.
                // The device has no receipts for what is left out here, so it hands that in again. A recovery is whole
                // or nothing: what it leaves out may be the cancellation of the one before it.
                Err(Failure::TooManyUnseen { wait, handles }) if !file.is_recovery() => {
                    let shorter = file.without(&handles);
                    if shorter.releases().len() == file.releases().len() {
                        return Err(Failure::TooManyUnseen { wait, handles });
                    }
                    file = shorter;
                }
                Err(Failure::Rule(error)) if error.kind() == ErrorKind::CertificateExpired => {
                    self.free(&file, occasion).await?;
                    return Ok(Activated { license: Err(error.into()), receipts: Vec::new() });
                }
                settled => break settled?,
            }
        };
        let license = match (settled.reply.license, settled.ruling) {
            (Some(license), _) => Ok(license),
            (None, Ruling::Refused(refusal)) => Err(self.named(&file, Failure::from(refusal)).await?),
            (None, _) => return Err(unknown_ruling()),
        };
        if let (Actor::Peer(peer), Err(Failure::Rule(refused))) = (&occasion.actor, &license)
            && refused.kind() == ErrorKind::UnknownLicense
        {
            self.limits.activations.count(*peer);
        }
        Ok(Activated { license, receipts: settled.reply.receipts })
    }

    /// Why a request is refused whose key is unknown in its product: another product may know it.
    async fn named(&self, file: &ActivationFile, refused: Failure) -> Result<Failure> {
        let is_unknown =
            matches!(&refused, Failure::Rule(error) if error.kind() == ErrorKind::UnknownLicense);
        let request = file.request();
        let Some(key) = LicenseKeyName::new(&request.license_key).filter(|_| is_unknown) else {
            return Ok(refused);
        };
        let mut tx = self.database.read().await?;
        Ok(match store::find(&mut tx, &Query::LicenseOfKey(key.hash())).await? {
            Found::License(Some(license)) => {
                let (sold, asked) = (&license.terms.product, &request.product);
                let text =
                    format!("the license key is of product \"{sold}\", and the request of \"{asked}\"");
                Failure::rule(ErrorKind::WrongProduct, text)
            }
            _ => refused,
        })
    }

    /// Frees the seats that came along with a request that cannot be granted.
    async fn free(&self, file: &ActivationFile, occasion: &Occasion) -> Result<()> {
        for claim in file.releases() {
            match self.redeem_proof(claim, occasion).await {
                // The device has no receipt for a proof that is refused here, so it hands that in again.
                Ok(_)
                | Err(
                    Failure::Rule(_)
                    | Failure::TooManyAttempts
                    | Failure::TooManyUnseen { .. }
                    | Failure::Forbidden(_),
                ) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    async fn decide_activation(
        &self,
        file: &ActivationFile,
        assigned: Option<LicenseId>,
        occasion: &Permit<'_>,
    ) -> Result<Settled> {
        let act = |records: &_, moment: &_| decision::activate(file, assigned, records, moment);
        let place = Place::Named(&file.request().product);
        self.decide_within(&act, &place, Some(&self.limits.kept_codes), occasion).await
    }
}
