//! What devices and customers ask of the authority, however it reached the program.
//!
//! Each function takes plain values and does one thing to its end: it asks the limits per peer, reads the message, and
//! asks the database. A front puts the outcome into its own form.

use std::{net::IpAddr, time::SystemTime};

use nodelock::{
    ErrorKind,
    authority::{ActivationFile, ReleaseClaim},
    code::{Correction, DeactivationCode, LicenseKey, Reading},
};

use crate::{
    failure::{Failure, Result},
    keys::Signer,
    limits::Limits,
    store::{CheckedIn, Database, Granted, Holding, KeyText, Occasion, Redeemed, off_thread},
};

/// How many keys that one typed text may stand for are looked up.
const MOST_READINGS: usize = 8;

/// The authority at work.
pub(crate) struct Service {
    pub(crate) database: Database,
    pub(crate) signer: Signer,
    limits: Limits,
}

impl Service {
    pub(crate) fn new(database: Database, signer: Signer) -> Self {
        Self { database, signer, limits: Limits::default() }
    }

    /// Answers an activation file: with the license, or with why there is none, and with the receipts of the seats that
    /// came along.
    ///
    /// Fails with [`Failure::PeerMustWait`] after too many unknown license keys.
    pub(crate) async fn activate(&self, file: Vec<u8>, peer: IpAddr) -> Result<Granted> {
        self.limits.keys.check(peer)?;
        let file = off_thread(move || ActivationFile::read(&file)).await??;
        let granted = self.database.activate(&file, None, &self.signer, &occasion(peer)).await?;
        if let Err(Failure::Rule(refused)) = &granted.license
            && refused.kind() == ErrorKind::UnknownLicense
        {
            self.limits.keys.count(peer);
        }
        Ok(granted)
    }

    /// How many deactivations are left for the seat that asks; None is without limit.
    pub(crate) async fn preflight(&self, request: String) -> Result<Option<u32>> {
        self.database.preflight(request).await
    }

    /// Gives up the seat that a deactivation file names.
    pub(crate) async fn redeem_proof(&self, file: Vec<u8>, peer: IpAddr) -> Result<Redeemed> {
        let claim = off_thread(move || ReleaseClaim::read(&file)).await??;
        self.database.redeem(&claim, &self.signer, &occasion(peer)).await
    }

    /// Gives up the seat that a typed code names, and says what was mended.
    ///
    /// Fails with [`Failure::PeerMustWait`] after too many wrong codes.
    pub(crate) async fn redeem_code(&self, typed: &str, peer: IpAddr) -> Result<(Redeemed, Vec<Correction>)> {
        self.limits.codes.check(peer)?;
        // A typing error that the code itself shows is no attempt.
        let readings = DeactivationCode::read(typed)?;
        let redeemed = self.database.redeem_code(readings, &self.signer, &occasion(peer)).await;
        let failed = match &redeemed {
            Ok((Redeemed::Kept(_), _)) => true,
            Err(Failure::Rule(error)) => error.kind() == ErrorKind::WrongCode,
            _ => false,
        };
        if failed {
            self.limits.codes.count(peer);
        }
        redeemed
    }

    /// Renews the license of the seat that checks in, or says that the seat is over.
    pub(crate) async fn check_in(&self, request: String, peer: IpAddr) -> Result<CheckedIn> {
        self.database.check_in(request, &self.signer, &occasion(peer)).await
    }

    /// The license of a typed key with at most `most` of its seats, and how the key was read if it is one of ours. None
    /// if no license has that key.
    ///
    /// Fails with [`Failure::PeerMustWait`] after too many unknown license keys.
    pub(crate) async fn holding(
        &self,
        typed: &str,
        most: usize,
        peer: IpAddr,
    ) -> Result<Option<(Holding, Option<Reading<LicenseKey>>)>> {
        self.limits.keys.check(peer)?;
        let readings = LicenseKey::read(typed).unwrap_or_default();
        let readings = readings.into_iter().take(MOST_READINGS);
        let keys = readings.map(|reading| (KeyText::from(&reading.code), Some(reading)));
        // A vendor may make keys by other rules, which nothing can be mended in.
        let as_it_is = KeyText::new(typed).map(|key| (key, None));
        for (key, reading) in keys.chain(as_it_is) {
            if let Some(holding) = self.database.holding(&key, most).await? {
                return Ok(Some((holding, reading)));
            }
        }
        self.limits.keys.count(peer);
        Ok(None)
    }
}

/// Now, and on behalf of that peer.
fn occasion(peer: IpAddr) -> Occasion {
    Occasion { now: SystemTime::now().into(), actor: format!("http:{peer}") }
}
