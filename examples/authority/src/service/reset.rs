//! The vendor resets an allowance of a license, or grants extra ones.

use nodelock::{
    LicenseId,
    authority::{
        Allowance, LicenseRecord,
        decision::{self, Allow, Ruling},
    },
};

use super::{Service, permit::On, selling::Place, unknown_ruling};
use crate::{
    domain::{Occasion, rights::Act},
    failure::Result,
};

impl Service {
    /// Resets an allowance of a license, or grants extra ones in the present period. `reason` is for the audit. Returns
    /// the license as it is now. Fails as [`decision::allow`] does.
    pub(crate) async fn allow(
        &self,
        license: LicenseId,
        of: Allowance,
        allow: Allow,
        reason: &str,
        occasion: &Occasion,
    ) -> Result<LicenseRecord> {
        let occasion = &self.permit(occasion, Act::ResetCounters, On::License(license)).await?;
        let act = |records: &_, moment: &_| decision::allow(license, of, allow, reason, records, moment);
        match self.decide(&act, &Place::License(license), occasion).await?.ruling {
            Ruling::Allowed(license) => Ok(*license),
            _ => Err(unknown_ruling()),
        }
    }
}
