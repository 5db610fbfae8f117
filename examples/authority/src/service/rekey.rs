//! A license gets a new key.

use nodelock::LicenseId;
use zeroize::Zeroizing;

use super::{
    Database,
    permit::{On, permit},
    sell::{check_unused, key_name, new_key},
};
use crate::{
    domain::{LicenseHint, Occasion, rights::Act},
    failure::{Failure, Result},
    store::{self, AuditLine},
};

/// Gives a license a new key: `given`, or one that is made. The old key finds no license any more. Seats stay with
/// their devices, which never show the key again.
///
/// `hand_over` is told the new key before anything is stored, as in [`sell`](super::sell).
///
/// Fails with `ErrorKind::UnknownLicense`, [`Failure::KeyInUse`], with [`Failure::Usage`] for an empty key, and as
/// `hand_over` does.
pub(crate) async fn rekey(
    database: &Database,
    id: LicenseId,
    given: Option<&str>,
    hand_over: impl FnOnce(&str) -> Result<()>,
    occasion: &Occasion,
) -> Result<LicenseHint> {
    let occasion = &permit(database, occasion, Act::Rekey, On::License(id)).await?;
    let unknown = || Failure::unknown_license(id);
    let text = given.map_or_else(new_key, |given| Ok(Zeroizing::new(given.to_owned())))?;
    let key = key_name(&text)?;
    let mut tx = database.read().await?;
    store::key_hint_of(&mut tx, id).await?.ok_or_else(unknown)?;
    check_unused(&mut tx, &key).await?;
    drop(tx);
    hand_over(&text)?;

    let mut tx = database.write().await?;
    // Activations by the old key wait from here on.
    store::terms_of(&mut tx, id).await?.ok_or_else(unknown)?;
    let before = store::key_hint_of(&mut tx, id).await?.ok_or_else(unknown)?;
    check_unused(&mut tx, &key).await?;
    store::set_key(&mut tx, id, &key).await?;
    let detail = format!("..{before} -> ..{}", key.hint());
    AuditLine { action: "license-rekeyed", license: Some(id), detail: &detail }
        .write(&mut tx, occasion)
        .await?;
    tx.commit().await?;
    Ok(LicenseHint { id, key_hint: key.hint() })
}
