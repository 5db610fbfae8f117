//! The keys of a license: another one, a new one in place of the old, the same one again.

use std::path::Path;

use nodelock::{LicenseId, authority::LicenseKeyName};
use zeroize::Zeroizing;

use super::{
    Database,
    edit::standing,
    permit::{On, permit},
    sell::{check_unused, key_name, new_key},
};
use crate::{
    domain::{KeyRow, LicenseHint, Occasion, rights::Act},
    failure::{Failure, Result},
    keys::Vault,
    store::{self, AuditLine, Tx},
};

/// Which keys open nothing any more once there is a new one.
#[derive(Clone, Copy)]
pub(crate) enum InPlaceOf<'a> {
    /// Every key of the license.
    All,
    /// The one with that end.
    Ending(&'a str),
    /// None: the license has one key more.
    None,
}

/// Gives a license a new key: `given`, or one that is made. An old key that it takes the place of opens no new
/// activation. Seats stay with their devices, which never show the key again, and a request that was granted by it is
/// still answered.
///
/// `hand_over` is told the new key before anything is stored, as in [`sell`](super::sell).
///
/// Fails with `ErrorKind::UnknownLicense`, [`Failure::Void`], [`Failure::KeyInUse`], [`Failure::NoSuchKey`], with
/// [`Failure::Usage`] for an empty key, and as `hand_over` does.
pub(crate) async fn rekey(
    database: &Database,
    vault: Option<&Vault>,
    id: LicenseId,
    (given, place): (Option<&str>, InPlaceOf<'_>),
    hand_over: impl FnOnce(&str) -> Result<()>,
    occasion: &Occasion,
) -> Result<LicenseHint> {
    let occasion = &permit(database, occasion, Act::Rekey, On::License(id)).await?;
    let text = given.map_or_else(new_key, |given| Ok(Zeroizing::new(given.to_owned())))?;
    let key = key_name(&text)?;
    let mut tx = database.read().await?;
    store::key_hint_of(&mut tx, id).await?.ok_or_else(|| Failure::unknown_license(id))?;
    if store::is_void(&mut tx, id).await? {
        return Err(Failure::Void(id));
    }
    check_unused(&mut tx, &key).await?;
    replaced(&mut tx, id, place).await?;
    drop(tx);
    hand_over(&text)?;

    let mut tx = database.write().await?;
    // Activations by the old key wait from here on.
    let product = standing(&mut tx, id).await?.terms.product;
    check_unused(&mut tx, &key).await?;
    let before = store::key_hint_of(&mut tx, id).await?.unwrap_or_default();
    for old in replaced(&mut tx, id, place).await? {
        store::revoke_key(&mut tx, old.hash, occasion).await?;
    }
    let vault = vault_of(&mut tx, vault, &product).await?;
    let sealed = seal(vault, id, &key, &text)?;
    store::add_key(&mut tx, id, &key, sealed.as_deref(), occasion).await?;
    let (action, detail) = match place {
        InPlaceOf::All => ("license-rekeyed", format!("..{before} -> ..{}", key.hint())),
        InPlaceOf::Ending(hint) => ("license-rekeyed", format!("..{hint} -> ..{}", key.hint())),
        InPlaceOf::None => ("license-key-added", format!("..{}", key.hint())),
    };
    AuditLine { action, license: Some(id), detail: &detail }.write(&mut tx, occasion).await?;
    tx.commit().await?;
    Ok(LicenseHint { id, key_hint: key.hint() })
}

/// The keys that a new one takes the place of. Fails with [`Failure::NoSuchKey`].
async fn replaced(tx: &mut Tx, id: LicenseId, place: InPlaceOf<'_>) -> Result<Vec<KeyRow>> {
    match place {
        InPlaceOf::None => Ok(Vec::new()),
        InPlaceOf::All => valid(tx, id).await,
        InPlaceOf::Ending(hint) => Ok(vec![valid_one(tx, id, Some(hint)).await?]),
    }
}

async fn valid(tx: &mut Tx, id: LicenseId) -> Result<Vec<KeyRow>> {
    let mut keys = store::keys_of(tx, id).await?;
    keys.retain(|key| key.revoked.is_none());
    Ok(keys)
}

/// The one valid key with an end, or the only one. Fails with [`Failure::NoSuchKey`] and [`Failure::NotOneKey`].
pub(super) async fn valid_one(tx: &mut Tx, id: LicenseId, hint: Option<&str>) -> Result<KeyRow> {
    let mut keys = valid(tx, id).await?;
    keys.retain(|key| hint.is_none_or(|hint| key.hint.eq_ignore_ascii_case(hint)));
    match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => Ok(key),
        _ if hint.is_some() => Err(Failure::NoSuchKey(id)),
        _ => Err(Failure::NotOneKey(id)),
    }
}

/// Has a key open nothing any more, with none in its place. Seats stay with their devices. Returns its end, which
/// `hand_over` is given before anything is stored.
///
/// Fails with `ErrorKind::UnknownLicense` and [`Failure::NoSuchKey`].
pub(crate) async fn revoke_key(
    database: &Database,
    id: LicenseId,
    hint: &str,
    hand_over: impl FnOnce(&str) -> Result<()>,
    occasion: &Occasion,
) -> Result<String> {
    let occasion = &permit(database, occasion, Act::Rekey, On::License(id)).await?;
    let mut tx = database.write().await?;
    store::terms_of(&mut tx, id).await?.ok_or_else(|| Failure::unknown_license(id))?;
    let key = valid_one(&mut tx, id, Some(hint)).await?;
    store::revoke_key(&mut tx, key.hash, occasion).await?;
    hand_over(&key.hint)?;
    let detail = format!("..{}", key.hint);
    AuditLine { action: "license-key-revoked", license: Some(id), detail: &detail }
        .write(&mut tx, occasion)
        .await?;
    tx.commit().await?;
    Ok(key.hint)
}

/// A key that is kept, to be sent once more: the only valid one, or the one with that end. That is noted before anybody
/// sees it.
///
/// Fails with `ErrorKind::UnknownLicense`, [`Failure::NoSuchKey`], [`Failure::NotOneKey`], [`Failure::KeyNotKept`], and
/// with [`Failure::VaultMissing`] where the vault that it is kept in is not here.
pub(crate) async fn kept_key(
    database: &Database,
    vault: Option<&Vault>,
    id: LicenseId,
    hint: Option<&str>,
    occasion: &Occasion,
) -> Result<Zeroizing<String>> {
    let occasion = &permit(database, occasion, Act::Rekey, On::License(id)).await?;
    let mut tx = database.write().await?;
    store::lock_license(&mut tx, id).await?;
    store::key_hint_of(&mut tx, id).await?.ok_or_else(|| Failure::unknown_license(id))?;
    let key = valid_one(&mut tx, id, hint).await?;
    let sealed = key.sealed.as_deref().ok_or(Failure::KeyNotKept)?;
    let vault = vault.filter(|vault| vault.has_sealed(sealed)).ok_or(Failure::VaultMissing)?;
    let text = vault.unseal(id, key.hash, sealed).ok_or(Failure::KeyNotKept)?;
    let detail = format!("..{}", key.hint);
    AuditLine { action: "license-key-shown", license: Some(id), detail: &detail }
        .write(&mut tx, occasion)
        .await?;
    tx.commit().await?;
    Ok(text)
}

/// The licenses that have or had a key with that end, which people read out; at most 100.
pub(crate) async fn licenses_by_hint(
    database: &Database,
    hint: &str,
    occasion: &Occasion,
) -> Result<Vec<LicenseHint>> {
    permit(database, occasion, Act::ShowLicenses, On::Whole).await?;
    store::licenses_by_hint(&mut database.read().await?, hint, 100).await
}

/// The vault whose key is in a folder, which is made if nothing was kept yet.
///
/// None where it cannot be made. Fails with [`Failure::VaultMissing`] where something was kept and the vault is not
/// here: another one would not open it, and nobody would look for the one that does.
pub(crate) async fn vault(database: &Database, keys: &Path) -> Result<Option<Vault>> {
    if let Some(vault) = Vault::open(keys)? {
        return Ok(Some(vault));
    }
    if store::has_vault(&mut database.read().await?).await? {
        return Err(Failure::VaultMissing);
    }
    Vault::open_or_create(keys)
}

/// The vault, if keys of that product are kept.
pub(super) async fn vault_of<'a>(
    tx: &mut Tx,
    vault: Option<&'a Vault>,
    product: &str,
) -> Result<Option<&'a Vault>> {
    let Some(vault) = vault else { return Ok(None) };
    let keeps = store::products(tx).await?.iter().any(|of| of.name == product && of.keeps_keys);
    Ok(keeps.then_some(vault))
}

/// A sealed copy of a key; none without a vault.
pub(super) fn seal(
    vault: Option<&Vault>,
    id: LicenseId,
    key: &LicenseKeyName,
    text: &str,
) -> Result<Option<Vec<u8>>> {
    vault.map(|vault| vault.seal(id, key.hash(), text.trim())).transpose()
}

#[cfg(test)]
mod tests {
    use nodelock::{LicenseId, SystemRandom, Timestamp, authority::LicenseTerms};

    use super::{
        super::{
            Buyer,
            fixture::{Authority, PRODUCT, now, vendor},
            offers, sell, verify,
        },
        *,
    };

    /// The vendor, by a clock that is so many seconds behind.
    fn behind(seconds: u64) -> Occasion {
        let time = Timestamp::from_unix_seconds(now().unix_seconds() - seconds);
        Occasion { time, ..vendor() }
    }

    #[tokio::test]
    async fn calls_that_overtake_each_other_and_clocks_that_differ_leave_nothing_to_be_found() {
        let authority = Authority::new().await;
        let database = authority.service.database();
        let id = LicenseId::generate(&SystemRandom).unwrap();
        let sold = offers(&LicenseTerms::new(id, PRODUCT, 1, now()), 1).unwrap();
        let id = sold[0].terms.id;
        sell(database, None, &sold, Buyer::default(), || Ok(()), &vendor()).await.unwrap();
        // Each began before the one that was done before it.
        for seconds in [0, 5, 20] {
            let new = (None, InPlaceOf::All);
            rekey(database, None, id, new, |_| Ok(()), &behind(seconds)).await.unwrap();
        }
        let mut keys = store::keys_of(&mut database.read().await.unwrap(), id).await.unwrap();
        assert_eq!(keys.iter().filter(|key| key.revoked.is_none()).count(), 1);
        keys.retain(|key| key.revoked.is_some_and(|revoked| revoked < key.created));
        assert!(keys.is_empty(), "revoked before it was made");
        let verified = verify(database, &authority.path("keys"), &vendor()).await.unwrap();
        assert!(verified.findings.is_empty(), "{:?}", verified.findings);
    }
}
