//! Accounts, tokens and deployment keys.

use serde_json::json;
use zeroize::Zeroizing;

use super::{Desk, Ledger};
use crate::{
    domain::{CredentialKind, rights::Role},
    failure::Result,
    http::records::{
        AccountBody, Accounts, ChangedAccount, DeploymentKeyBody, DeploymentKeys, Factor, NewSecret,
        RevokedCredential, TokenBody, Tokens, deployment_key_body, token_body,
    },
    remote::encoded,
    service::{self, AccountChange, NewCredential},
};

/// What stands in the address of credentials of a kind.
fn path(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Token => "/tokens",
        CredentialKind::DeploymentKey => "/deployment-keys",
    }
}

impl Desk<'_> {
    pub(in super::super) async fn accounts(&self) -> Result<Vec<AccountBody>> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                Ok(service::accounts(database, occasion).await?.iter().map(AccountBody::from).collect())
            }
            Self::Server(remote) => Ok(remote.get::<Accounts>("/accounts").await?.accounts),
        }
    }

    pub(in super::super) async fn new_account(
        &self,
        name: &str,
        role: Role,
        password: Zeroizing<String>,
    ) -> Result<Factor> {
        match self {
            Self::Ledger(ledger) => {
                let vault = service::vault(ledger.database, &ledger.keys()).await?;
                let new = (name, role, password);
                let (database, occasion) = (ledger.database, ledger.occasion);
                let factor =
                    service::new_account(database, vault.as_ref(), new, |_| Ok(()), occasion).await?;
                Ok(Factor::of(name, &factor))
            }
            Self::Server(remote) => {
                let body = json!({ "name": name, "role": role.name(), "password": password.as_str() });
                remote.post("/accounts", &body, None).await
            }
        }
    }

    /// Whether anything is other than before.
    pub(in super::super) async fn change_account(&self, name: &str, change: AccountChange) -> Result<bool> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                service::change_account(database, name, change, occasion).await
            }
            Self::Server(remote) => {
                let (act, body) = match &change {
                    AccountChange::Disabled(true) => ("disable", json!({})),
                    AccountChange::Disabled(false) => ("enable", json!({})),
                    AccountChange::Role(role) => ("role", json!({ "role": role.name() })),
                    AccountChange::Quota(act, Some(most)) => {
                        ("quota", json!({ "act": act.name(), "most": most }))
                    }
                    AccountChange::Quota(act, None) => ("quota", json!({ "act": act.name() })),
                    AccountChange::Password(password) => {
                        ("password", json!({ "password": password.as_str() }))
                    }
                };
                let path = format!("/accounts/{}/{act}", encoded(name));
                Ok(remote.post::<ChangedAccount>(&path, &body, None).await?.changed)
            }
        }
    }

    pub(in super::super) async fn new_second_factor(&self, name: &str) -> Result<Factor> {
        match self {
            Self::Ledger(ledger) => {
                let vault = service::vault(ledger.database, &ledger.keys()).await?;
                let (database, occasion) = (ledger.database, ledger.occasion);
                let factor =
                    service::new_second_factor(database, vault.as_ref(), name, |_| Ok(()), occasion).await?;
                Ok(Factor::of(name, &factor))
            }
            Self::Server(remote) => {
                remote.post(&format!("/accounts/{}/totp", encoded(name)), &json!({}), None).await
            }
        }
    }

    pub(in super::super) async fn tokens(&self) -> Result<Vec<TokenBody>> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let rows = service::credentials(database, CredentialKind::Token, occasion).await?;
                Ok(rows.iter().filter_map(token_body).collect())
            }
            Self::Server(remote) => Ok(remote.get::<Tokens>("/tokens").await?.tokens),
        }
    }

    pub(in super::super) async fn deployment_keys(&self) -> Result<Vec<DeploymentKeyBody>> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let rows = service::credentials(database, CredentialKind::DeploymentKey, occasion).await?;
                Ok(rows.iter().filter_map(deployment_key_body).collect())
            }
            Self::Server(remote) => {
                Ok(remote.get::<DeploymentKeys>("/deployment-keys").await?.deployment_keys)
            }
        }
    }

    pub(in super::super) async fn new_credential(&self, new: NewCredential) -> Result<NewSecret> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let (id, secret) = service::new_credential(database, new, |_, _| Ok(()), occasion).await?;
                Ok(NewSecret { id, secret: secret.to_string() })
            }
            Self::Server(remote) => {
                let (path, body) = match &new {
                    NewCredential::Token { name, scopes, product, expires } => (
                        path(CredentialKind::Token),
                        json!({
                            "name": name,
                            "scopes": scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>(),
                            "product": product.as_ref().map(ToString::to_string),
                            "expires": expires.map(|end| end.to_string()),
                        }),
                    ),
                    NewCredential::DeploymentKey { name, license, most, expires } => (
                        path(CredentialKind::DeploymentKey),
                        json!({
                            "name": name,
                            "license": license.to_string(),
                            "limit": most,
                            "expires": expires.map(|end| end.to_string()),
                        }),
                    ),
                };
                remote.post(path, &body, None).await
            }
        }
    }

    /// Whether it was not revoked before.
    pub(in super::super) async fn revoke(&self, kind: CredentialKind, id: &str) -> Result<bool> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                service::revoke(database, (kind, id), occasion).await
            }
            Self::Server(remote) => {
                let path = format!("{}/{}/revoke", path(kind), encoded(id));
                Ok(remote.post::<RevokedCredential>(&path, &json!({}), None).await?.changed)
            }
        }
    }
}
