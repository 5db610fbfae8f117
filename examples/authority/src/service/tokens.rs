//! Tokens of the vendor's programs, and deployment keys of machines: made, listed, revoked.

use nodelock::{LicenseId, Timestamp};
use zeroize::Zeroizing;

use super::{
    Database,
    permit::{On, permit},
    secrets,
};
use crate::{
    domain::{
        Credential, CredentialKind, DeploymentKey, Occasion, ProductId, Token,
        rights::{Act, Scope},
    },
    failure::{Failure, Result},
    store::{self, AuditLine, CredentialRow},
};

/// What a new token or deployment key is for.
pub(crate) enum NewCredential {
    Token { name: String, scopes: Vec<Scope>, product: Option<ProductId>, expires: Option<Timestamp> },
    DeploymentKey { name: String, license: LicenseId, most: u32, expires: Option<Timestamp> },
}

/// Makes a token or a deployment key. Returns its id, and its text, which nobody can show again.
///
/// Fails with [`Failure::Usage`] for one that would have ended already, with [`Failure::UnknownProduct`], and with
/// `ErrorKind::UnknownLicense`. `hand_over` is given the id and the text before anything is stored.
pub(crate) async fn new_credential(
    database: &Database,
    new: NewCredential,
    hand_over: impl FnOnce(&str, &str) -> Result<()>,
    occasion: &Occasion,
) -> Result<(String, Zeroizing<String>)> {
    let permit = permit(database, occasion, Act::Tokens, On::Whole).await?;
    let (id, created, revoked) = (secrets::new_id()?, occasion.time, None);
    let (credential, expires, prefix) = match new {
        NewCredential::Token { name, scopes, product, expires } => {
            // What it may deal with names its product as licenses do.
            let product = match &product {
                Some(id) => Some(super::product(database, Some(id)).await?.name),
                None => None,
            };
            let token = Token { id, name, scopes, product, created, expires, revoked };
            (Credential::Token(token), expires, secrets::TOKEN)
        }
        NewCredential::DeploymentKey { name, license, most, expires } => {
            let (used, last) = (0, [0; 8]);
            let key = DeploymentKey { id, name, license, most, used, last, created, expires, revoked };
            (Credential::DeploymentKey(key), expires, secrets::DEPLOYMENT_KEY)
        }
    };
    if let Some(end) = expires.filter(|end| *end <= occasion.time) {
        return Err(Failure::Usage(format!("it would have ended at {end}")));
    }
    let secret = secrets::new_secret(prefix)?;
    let mut tx = database.write().await?;
    if let Credential::DeploymentKey(key) = &credential {
        let license = store::terms_of(&mut tx, key.license).await?;
        license.ok_or_else(|| Failure::unknown_license(key.license))?;
    }
    store::insert_credential(&mut tx, &secrets::secret_hash(&secret), &credential, created).await?;
    hand_over(credential.id(), &secret)?;
    let action = match &credential {
        Credential::Token(_) => "token-created",
        Credential::DeploymentKey(_) => "deployment-key-created",
    };
    let detail = credential.noted();
    AuditLine { action, license: None, detail: &detail }.write(&mut tx, &permit).await?;
    tx.commit().await?;
    Ok((credential.id().to_owned(), secret))
}

/// All tokens or all deployment keys, oldest first, revoked ones too.
pub(crate) async fn credentials(
    database: &Database,
    kind: CredentialKind,
    occasion: &Occasion,
) -> Result<Vec<CredentialRow>> {
    permit(database, occasion, Act::Tokens, On::Whole).await?;
    let mut rows = store::credentials(&mut database.read().await?).await?;
    rows.retain(|row| row.credential.kind() == kind);
    Ok(rows)
}

/// Revokes a token or a deployment key: from the next request on it is nobody's. Returns whether that changed anything.
///
/// Fails with [`Failure::UnknownCredential`], also for one of the other kind.
pub(crate) async fn revoke(
    database: &Database,
    (kind, id): (CredentialKind, &str),
    occasion: &Occasion,
) -> Result<bool> {
    let permit = permit(database, occasion, Act::Tokens, On::Whole).await?;
    let mut tx = database.write().await?;
    let unknown = || Failure::UnknownCredential(id.to_owned());
    let found = store::credential_to_change(&mut tx, id).await?;
    let mut credential = found.filter(|of| of.kind() == kind).ok_or_else(unknown)?;
    let changes = credential.revoke(occasion.time);
    if changes {
        store::set_credential(&mut tx, &credential).await?;
        let action = match &credential {
            Credential::Token(_) => "token-revoked",
            Credential::DeploymentKey(_) => "deployment-key-revoked",
        };
        AuditLine { action, license: None, detail: id }.write(&mut tx, &permit).await?;
    }
    tx.commit().await?;
    Ok(changes)
}
