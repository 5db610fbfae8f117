//! A license is stopped for now, or goes on, or ends for good.

use nodelock::LicenseId;

use super::{
    Database,
    edit::standing,
    permit::{On, permit},
};
use crate::{
    domain::{
        Occasion, Standing,
        rights::{Act, Permit},
    },
    failure::{Failure, Result},
    store::{self, AuditLine, Tx},
};

/// Stops a license for now, or lets it go on. Returns whether that changed anything. What waits for approval of a
/// license that is stopped is forgotten: its devices ask again.
///
/// Fails with `ErrorKind::UnknownLicense` and with [`Failure::Void`].
pub(crate) async fn set_suspended(
    database: &Database,
    id: LicenseId,
    suspended: bool,
    occasion: &Occasion,
) -> Result<bool> {
    let act = if suspended { Act::Suspend } else { Act::Resume };
    let occasion = &permit(database, occasion, act, On::License(id)).await?;
    let mut tx = database.write().await?;
    let Standing { mut terms, version, .. } = standing(&mut tx, id).await?;
    if terms.suspended == suspended {
        // What was read may be on its way to the disk still.
        tx.commit().await?;
        return Ok(false);
    }
    terms.suspended = suspended;
    store::set_terms(&mut tx, &terms, version.saturating_add(1), occasion).await?;
    if suspended {
        store::forget_approvals_of(&mut tx, id).await?;
    }
    let action = if suspended { "license-suspended" } else { "license-resumed" };
    AuditLine { action, license: Some(id), detail: "" }.write(&mut tx, occasion).await?;
    tx.commit().await?;
    Ok(true)
}

/// Ends a license for good: nothing is issued for it any more, and seats can still be given up. Devices go on to the
/// end of their leases. Returns whether that changed anything.
///
/// Fails with `ErrorKind::UnknownLicense`.
pub(crate) async fn void(
    database: &Database,
    id: LicenseId,
    reason: &str,
    occasion: &Occasion,
) -> Result<bool> {
    let occasion = &permit(database, occasion, Act::Edit, On::License(id)).await?;
    let mut tx = database.write().await?;
    let changed = end(&mut tx, id, reason, occasion).await?;
    tx.commit().await?;
    Ok(changed)
}

/// The same within a transaction.
pub(super) async fn end(tx: &mut Tx, id: LicenseId, reason: &str, occasion: &Permit<'_>) -> Result<bool> {
    let unknown = || Failure::unknown_license(id);
    let Standing { mut terms, version, voided } = store::terms_of(tx, id).await?.ok_or_else(unknown)?;
    if voided.is_none() {
        // Decisions know that nothing is issued for a license that is suspended.
        terms.suspended = true;
        store::set_terms(tx, &terms, version.saturating_add(1), occasion).await?;
        store::set_void(tx, id, occasion).await?;
        store::forget_approvals_of(tx, id).await?;
        let line = AuditLine { action: "license-voided", license: Some(id), detail: "" };
        line.write_about(tx, reason, occasion).await?;
    }
    Ok(voided.is_none())
}
