//! A device asks for a seat.

use std::net::IpAddr;

use nodelock::{
    DeactivationReceipt, ErrorKind, License, LicenseId,
    authority::{
        ActivationFile, Found, LicenseKeyName, Query, SeatName,
        decision::{self, Ruling},
    },
};

use super::{Service, driver::Settled, permit::On, selling::Place, unknown_ruling};
use crate::{
    domain::{
        Actor, Occasion, hex,
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

/// What requests with a license key are counted by.
fn name_of_key(file: &ActivationFile) -> String {
    let key = LicenseKeyName::new(&file.request().license_key);
    key.map_or_else(String::new, |key| hex(&key.hash().0))
}

/// How many proofs of a request that gets no license are refused until the rest is left out. A device has hardly any.
const MOST_REFUSED: usize = 8;

/// Whether nothing is granted for a reason that has nothing to do with the seats that came along.
fn is_no_fault_of_proofs(failure: &Failure) -> bool {
    match failure {
        Failure::DeploymentKeyUsedUp(_) => true,
        Failure::Rule(error) => error.kind() == ErrorKind::CertificateExpired,
        _ => false,
    }
}

impl Service {
    /// Frees the seats that came along, then answers the request. The license is that of the request's license key; for
    /// a request without one it is `assigned`, or the one of which its product gives trials.
    ///
    /// Fails with [`Failure::PeerMustWait`] for an unknown license key after too many of them, after too many kept
    /// codes, and after very many refused requests with the same key. A final refusal is part of the answer, and so is
    /// an issuer that cannot sign, and a deployment key that is used up: the seats that came along are free then, and
    /// receipts that cannot be signed come later.
    pub(crate) async fn activate(
        &self,
        file: ActivationFile,
        assigned: Option<LicenseId>,
        occasion: &Occasion,
    ) -> Result<Activated> {
        let on = assigned.map_or(On::New(&file.request().product), On::License);
        let occasion = &self.permit(occasion, Act::Activate, on).await?;
        let stranger = match occasion.actor {
            Actor::Peer(peer) => Some((peer, name_of_key(&file))),
            Actor::Vendor(_) | Actor::Bearer(_) => None,
        };
        let assigned = match assigned {
            None => self.trial_license(&file, occasion).await?,
            given => given,
        };
        // A trial has a limit of its own.
        if let (Some((peer, key)), None) = (&stranger, assigned) {
            self.admit_stranger(&file, *peer, key).await?;
        }
        let activated = self.answer_activation(file.clone(), assigned, occasion).await;
        let refused = match &activated {
            Ok(activated) => activated.license.as_ref().err(),
            Err(failure) => Some(failure),
        };
        if let (Some((peer, key)), Some(Failure::Rule(error))) = (&stranger, refused) {
            match error.kind() {
                ErrorKind::UnknownLicense => self.limits.activations.count(*peer),
                // Beyond the limit the next one is refused.
                _ => {
                    let _ = self.limits.refused_requests.take(key, *peer);
                }
            }
        }
        if let Some(failure) = refused {
            self.note_refused_activation(&file, assigned, failure, occasion).await;
        }
        activated
    }

    /// Asks the limits. Wrong license keys from an address are no reason to refuse a right one from there, so what a
    /// peer with too many of them hands in is looked up.
    async fn admit_stranger(&self, file: &ActivationFile, peer: IpAddr, key: &str) -> Result<()> {
        self.limits.refused_requests.check(key, peer)?;
        match self.limits.activations.check(peer) {
            Err(_) if self.knows(file).await? => Ok(()),
            checked => checked,
        }
    }

    /// Whether a request has the key of a license, or was answered before, or recovers a seat that its device holds.
    async fn knows(&self, file: &ActivationFile) -> Result<bool> {
        let request = file.request();
        let mut tx = self.database.read().await?;
        if let Some(key) = LicenseKeyName::new(&request.license_key) {
            let found = store::find(&mut tx, &Query::LicenseOfKey(key.hash())).await?;
            if matches!(found, Found::License(Some(_))) {
                return Ok(true);
            }
        } else if file.is_recovery()
            && let Found::Seats(seats) =
                store::find(&mut tx, &Query::TakenSeatsOf(request.device_key)).await?
        {
            return Ok(!seats.is_empty());
        }
        let Found::Seats(seats) = store::find(&mut tx, &Query::SeatsOfHandle(request.handle)).await? else {
            return Err(unknown_ruling());
        };
        Ok(seats.iter().any(|seat| seat.name() == SeatName::from(request)))
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
                // Its machine has lost those licenses already, whatever it gets for them.
                Err(failure) if is_no_fault_of_proofs(&failure) => {
                    let receipts = self.hand_in(&file, occasion).await?;
                    return Ok(Activated { license: Err(failure), receipts });
                }
                settled => break settled?,
            }
        };
        let license = match (settled.reply.license, settled.ruling) {
            (Some(license), _) => Ok(license),
            (None, Ruling::Refused(refusal)) => Err(self.named(&file, Failure::from(refusal)).await?),
            (None, _) => return Err(unknown_ruling()),
        };
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

    /// Frees the seats that came along with a request that gets no license. Returns their receipts, those that can be
    /// signed. Proofs are proof enough, so whoever brought them counts as anybody: a machine whose deployment key is
    /// used up may do nothing else with it.
    ///
    /// A recovery is whole or nothing: without the cancellation of the one before, the next one finds no seat. Of a
    /// stranger's junk little is looked at, because each proof is a transaction of its own.
    pub(crate) async fn hand_in(
        &self,
        file: &ActivationFile,
        occasion: &Occasion,
    ) -> Result<Vec<DeactivationReceipt>> {
        let anybody = match (occasion.deployed_license(), occasion.actor.address()) {
            (Some(_), Some(address)) => Some(Occasion { time: occasion.time, actor: Actor::Peer(address) }),
            _ => None,
        };
        let (mut receipts, mut refused) = (Vec::new(), 0);
        if file.is_recovery() {
            return Ok(receipts);
        }
        for claim in file.releases() {
            match self.redeem_proof(claim, anybody.as_ref().unwrap_or(occasion)).await {
                Ok(redeemed) => receipts.extend(redeemed.receipt().cloned()),
                // The device has no receipt for what is refused or left out here, so it hands that in again.
                Err(Failure::Rule(_) | Failure::Forbidden(_)) if refused < MOST_REFUSED => refused += 1,
                Err(
                    Failure::Rule(_)
                    | Failure::TooManyAttempts
                    | Failure::TooManyUnseen { .. }
                    | Failure::Forbidden(_),
                ) => break,
                Err(failure) => return Err(failure),
            }
        }
        Ok(receipts)
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

#[cfg(test)]
mod tests {
    use nodelock::{Reason, authority::ActivationFile};

    use super::super::fixture::{Authority, stranger};

    /// What comes along may be the cancellation of the recovery before it, in whose place the next one is granted.
    #[tokio::test]
    async fn a_recovery_that_gets_no_license_frees_nothing_and_another_request_does() {
        let authority = Authority::new().await;
        let key = authority.sell(1).await;
        let device = authority.activated(&key).await;
        device.deactivate_offline(Reason::Moved).unwrap();
        let recovery = ActivationFile::read(&device.recover_offline().unwrap().to_bytes()).unwrap();
        assert!(recovery.is_recovery() && recovery.releases().len() == 1);
        assert!(authority.service.hand_in(&recovery, &stranger(1)).await.unwrap().is_empty());
        device.cancel().unwrap();
        let request = ActivationFile::read(&device.begin(&key).unwrap().to_bytes()).unwrap();
        let receipts = authority.service.hand_in(&request, &stranger(1)).await.unwrap();
        assert!(receipts.iter().any(|receipt| receipt.handle == recovery.releases()[0].handle()));
    }
}
