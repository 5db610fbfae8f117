//! A license is stopped for now, or goes on.

use nodelock::LicenseId;

use super::{
    Database,
    permit::{On, permit},
};
use crate::{
    domain::{Occasion, rights::Act},
    failure::{Failure, Result},
    store::{self, AuditLine},
};

/// Stops a license for now, or lets it go on. Returns whether that changed anything.
///
/// Fails with `ErrorKind::UnknownLicense`.
pub(crate) async fn set_suspended(
    database: &Database,
    id: LicenseId,
    suspended: bool,
    occasion: &Occasion,
) -> Result<bool> {
    let act = if suspended { Act::Suspend } else { Act::Resume };
    let occasion = &permit(database, occasion, act, On::License(id)).await?;
    let mut tx = database.write().await?;
    let unknown = || Failure::unknown_license(id);
    let mut terms = store::terms_of(&mut tx, id).await?.ok_or_else(unknown)?;
    if terms.suspended == suspended {
        // What was read may be on its way to the disk still.
        tx.commit().await?;
        return Ok(false);
    }
    terms.suspended = suspended;
    store::set_terms(&mut tx, &terms).await?;
    let action = if suspended { "license-suspended" } else { "license-resumed" };
    AuditLine { action, license: Some(id), detail: "" }.write(&mut tx, occasion).await?;
    tx.commit().await?;
    Ok(true)
}
