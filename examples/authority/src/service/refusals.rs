//! What was refused is noted, so that whoever helps a customer sees why an activation failed.
//!
//! Nothing depends on it: what cannot be noted is refused all the same.

use nodelock::{
    ErrorKind, LicenseId,
    authority::{ActivationFile, CheckInClaim, LicenseKeyName, SeatName},
};
use tracing::warn;

use super::{
    Database, Service,
    permit::{On, permit},
    shown::{Shown, check_known},
};
use crate::{
    domain::{
        Actor, AskedFor, DeviceDescription, Occasion, RefusalCursor, RefusalRow, Refused,
        rights::{Act, Permit},
    },
    failure::{Failure, Result},
    store::{self, Locks, RefusalPages},
};

/// How many rows a page has while all are shown.
const PAGE: u32 = 500;

/// Why a check-in is refused whose signature fits its seat. Nobody else is told so.
const OF_ITS_DEVICE: [ErrorKind; 4] =
    [ErrorKind::NoFreeSeat, ErrorKind::LicenseEnded, ErrorKind::WrongMachine, ErrorKind::Outdated];

impl Service {
    /// Notes that an activation was refused.
    pub(super) async fn note_refused_activation(
        &self,
        file: &ActivationFile,
        assigned: Option<LicenseId>,
        failure: &Failure,
        occasion: &Permit<'_>,
    ) {
        if !self.is_to_be_noted(failure, occasion) {
            return;
        }
        let request = file.request();
        let key = LicenseKeyName::new(&request.license_key);
        let noted = async {
            let mut tx = self.database.read().await?;
            let license = match (assigned, &key) {
                (Some(license), _) => store::product_of_license(&mut tx, license).await?.map(|_| license),
                (None, Some(key)) => store::license_of_any_key(&mut tx, key.hash()).await?,
                (None, None) => None,
            };
            drop(tx);
            let refused = Refused {
                asked: AskedFor::Activation,
                kind: failure.name(),
                reason: failure.message(),
                seat: SeatName::from(request),
                license,
                key_hint: key.map(|key| key.hint()).unwrap_or_default(),
                device: DeviceDescription::from(request),
            };
            self.store_refusal(&refused, occasion).await
        };
        report(noted.await);
    }

    /// Notes that a check-in was refused, if it was of the seat's own device.
    pub(super) async fn note_refused_check_in(
        &self,
        claim: &CheckInClaim,
        failure: &Failure,
        occasion: &Permit<'_>,
    ) {
        let is_its_own = matches!(failure, Failure::Rule(error) if OF_ITS_DEVICE.contains(&error.kind()));
        if !is_its_own || !self.is_to_be_noted(failure, occasion) {
            return;
        }
        let noted = async {
            let mut tx = self.database.read().await?;
            let Some((seat, license, device)) = store::only_seat(&mut tx, claim.handle()).await? else {
                return Ok(());
            };
            drop(tx);
            let refused = Refused {
                asked: AskedFor::CheckIn,
                kind: failure.name(),
                reason: failure.message(),
                seat,
                license,
                key_hint: String::new(),
                device,
            };
            self.store_refusal(&refused, occasion).await
        };
        report(noted.await);
    }

    /// Whether a rule said no, and this peer has caused no more to be written than one may.
    fn is_to_be_noted(&self, failure: &Failure, occasion: &Permit<'_>) -> bool {
        let is_rule = match failure {
            // What waits is no refusal, and is kept by itself.
            Failure::Rule(error) => !matches!(error.kind(), ErrorKind::Io | ErrorKind::ApprovalWanted),
            Failure::TooManyAttempts | Failure::DeploymentKeyUsedUp(_) => true,
            _ => false,
        };
        is_rule
            && match occasion.actor {
                Actor::Peer(peer) => self.limits.refusals.take(peer).is_ok(),
                Actor::Vendor(_) | Actor::Bearer(_) => true,
            }
    }

    async fn store_refusal(&self, refused: &Refused, occasion: &Permit<'_>) -> Result<()> {
        let mut tx = self.database.write_with(&Locks::default()).await?;
        store::note_refusal(&mut tx, refused, occasion).await?;
        tx.commit().await
    }
}

fn report(noted: Result<()>) {
    if let Err(failure) = noted {
        warn!(event = "refusal-not-noted", error = failure.message());
    }
}

/// Shows what was refused of a license, or all of it as far as it is within reach, oldest first. One that is damaged
/// fails alone.
///
/// Fails with `ErrorKind::UnknownLicense`.
pub(crate) async fn refusals(
    database: &Database,
    license: Option<LicenseId>,
    occasion: &Occasion,
    mut show: impl FnMut(Result<RefusalRow>) -> Result<()>,
) -> Result<()> {
    let on = license.map_or(On::Each, On::License);
    let permit = permit(database, occasion, Act::ShowRefusals, on).await?;
    let mut tx = database.read().await?;
    check_known(&mut tx, license).await?;
    let mut pages = RefusalPages::after(license, None, PAGE);
    let mut shown = Shown::by(&permit);
    loop {
        let page = pages.next(&mut tx).await?;
        if page.is_empty() {
            return Ok(());
        }
        for row in page {
            if shown.has(&mut tx, license_of(&row)).await? {
                show(row)?;
            }
        }
    }
}

/// The same after one, at most `most`. Fails for a record that is damaged, too.
pub(crate) async fn refusals_after(
    database: &Database,
    license: Option<LicenseId>,
    after: Option<&RefusalCursor>,
    most: u32,
    occasion: &Occasion,
) -> Result<Vec<RefusalRow>> {
    let on = license.map_or(On::Each, On::License);
    let permit = permit(database, occasion, Act::ShowRefusals, on).await?;
    let (mut tx, mut pages) = (database.read_list().await?, RefusalPages::after(license, after, most));
    check_known(&mut tx, license).await?;
    let (mut found, mut shown) = (Vec::new(), Shown::by(&permit));
    loop {
        let page = pages.next(&mut tx).await?;
        if page.is_empty() {
            return Ok(found);
        }
        for row in page {
            if !shown.has(&mut tx, license_of(&row)).await? {
                continue;
            }
            found.push(row?);
            if found.len() >= most as usize {
                return Ok(found);
            }
        }
    }
}

/// What was refused of a license, or all of it as far as it is within reach, latest first, before one; at most `most`.
/// One that is damaged is passed over.
///
/// Fails with `ErrorKind::UnknownLicense`.
pub(crate) async fn latest_refusals(
    database: &Database,
    license: Option<LicenseId>,
    before: Option<RefusalCursor>,
    most: u32,
    occasion: &Occasion,
) -> Result<Vec<RefusalRow>> {
    let on = license.map_or(On::Each, On::License);
    let permit = permit(database, occasion, Act::ShowRefusals, on).await?;
    let mut tx = database.read_list().await?;
    check_known(&mut tx, license).await?;
    let (mut found, mut before, mut shown) = (Vec::new(), before, Shown::by(&permit));
    loop {
        let page = store::refusals_before(&mut tx, license, before.as_ref(), PAGE).await?;
        let Some(last) = page.iter().rev().find_map(|row| row.as_ref().ok()) else { return Ok(found) };
        before = Some(last.cursor());
        for row in page {
            if shown.has(&mut tx, license_of(&row)).await? {
                found.extend(row.ok());
            }
            if found.len() >= most as usize {
                return Ok(found);
            }
        }
    }
}

fn license_of(row: &Result<RefusalRow>) -> Option<LicenseId> {
    row.as_ref().ok().and_then(|row| row.refused.license)
}

#[cfg(test)]
mod tests;
