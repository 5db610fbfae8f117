//! What is done with licenses. Selling and keys are beside the commands, for keys are handed over in between.

use nodelock::{
    LicenseId,
    authority::{Allowance, decision::Allow},
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Desk, Ledger};
use crate::{
    cli::arguments::{Changes, ExtendBy},
    domain::{CustomerId, Said, filter::Filter, filter::List},
    failure::{Failure, Result},
    http::records::{
        Change, Counter, DeactivatedLicense, Edited, Extended, HintBody, KeysBody, LicenseBody, RevokedKey,
        SentKey, ShownKey, Suspended, ViewBody, Voided,
    },
    keys::Vault,
    remote::{Remote, encoded, terms},
    service::{self, Changing},
};

/// The end of the key that is meant: what was typed, or that of the only one that is valid.
async fn named_key(remote: &Remote, id: LicenseId, hint: Option<&str>) -> Result<String> {
    if let Some(hint) = hint {
        return Ok(hint.to_owned());
    }
    let KeysBody { keys } = remote.get(&format!("/licenses/{id}/keys")).await?;
    let mut valid = keys.into_iter().filter(|key| key.revoked.is_none());
    match (valid.next(), valid.next()) {
        (Some(key), None) => Ok(key.key_hint),
        _ => Err(Failure::NotOneKey(id)),
    }
}

impl Desk<'_> {
    pub(in super::super) async fn license(&self, id: LicenseId) -> Result<ViewBody> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                ViewBody::of(&service::license(database, id, occasion).await?, occasion.time)
            }
            Self::Server(remote) => remote.get(&format!("/licenses/{id}")).await,
        }
    }

    /// The licenses that have or had a key with that end; at most 100.
    pub(in super::super) async fn licenses_by_hint(&self, hint: &str) -> Result<Vec<HintBody>> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let found = service::licenses_by_hint(database, hint, occasion).await?;
                Ok(found.iter().map(HintBody::from).collect())
            }
            Self::Server(_) => {
                let mut found = Vec::new();
                let filter = Filter::all(List::Licenses).and("key", hint);
                let keep = |row: Result<LicenseBody>| {
                    let license = row?;
                    found.push(HintBody { id: license.id, key_hint: license.key_hint });
                    Ok(())
                };
                self.licenses(filter, keep).await?;
                Ok(found)
            }
        }
    }

    pub(in super::super) async fn edit(
        &self,
        id: LicenseId,
        (said, customer): (&Said, Option<CustomerId>),
        changing: Changes,
    ) -> Result<Change> {
        let Changes { if_version, dry_run } = changing;
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let how = Changing { based_on: if_version, dry_run };
                let edited = service::edit(database, id, (said, customer), how, |_| Ok(()), occasion).await?;
                Ok(Change::from(&edited))
            }
            Self::Server(remote) => {
                let based_on = match if_version {
                    Some(version) => version,
                    None => self.license(id).await?.license.version,
                };
                let mut body = json!({ "terms": terms(said), "dry_run": dry_run });
                if let Some(customer) = customer {
                    body["customer"] = customer.to_string().into();
                }
                let edited: Edited =
                    remote.post(&format!("/licenses/{id}/edit"), &body, Some(based_on)).await?;
                Ok(edited.change)
            }
        }
    }

    pub(in super::super) async fn extend(
        &self,
        id: LicenseId,
        by: &ExtendBy,
        changing: Changes,
    ) -> Result<Change> {
        let Changes { if_version, dry_run } = changing;
        let extension = by.extension()?;
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let how = Changing { based_on: if_version, dry_run };
                let edited = service::extend(database, id, extension, how, |_| Ok(()), occasion).await?;
                Ok(Change::from(&edited))
            }
            Self::Server(remote) => {
                let until = by.until.map(|until| until.to_string());
                let body = json!({
                    "days": by.days, "until": until, "only_later": true, "dry_run": dry_run,
                });
                let extended: Extended =
                    remote.post(&format!("/licenses/{id}/extend"), &body, if_version).await?;
                Ok(extended.change)
            }
        }
    }

    /// The end of the key that opens nothing any more.
    pub(in super::super) async fn revoke_key(&self, id: LicenseId, hint: &str) -> Result<String> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                service::revoke_key(database, id, hint, |_| Ok(()), occasion).await
            }
            Self::Server(remote) => {
                let path = format!("/licenses/{id}/keys/{}/revoke", encoded(hint));
                let revoked: RevokedKey = remote.post(&path, &json!({}), None).await?;
                Ok(revoked.key_hint)
            }
        }
    }

    /// A key that is kept: the only one, or the one with that end.
    pub(in super::super) async fn kept_key(
        &self,
        id: LicenseId,
        hint: Option<&str>,
    ) -> Result<Zeroizing<String>> {
        match self {
            Self::Ledger(ledger) => {
                let vault = Vault::open(&ledger.keys())?;
                service::kept_key(ledger.database, vault.as_ref(), id, hint, ledger.occasion).await
            }
            Self::Server(remote) => {
                let hint = named_key(remote, id, hint).await?;
                let path = format!("/licenses/{id}/keys/{}/show", encoded(&hint));
                let shown: ShownKey = remote.post(&path, &json!({}), None).await?;
                Ok(Zeroizing::new(shown.key))
            }
        }
    }

    /// Has the customer be mailed a key: the only one, or the one with that end.
    pub(in super::super) async fn send_key(&self, id: LicenseId, hint: Option<&str>) -> Result<SentKey> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                Ok(SentKey::from(&service::send_key(database, id, hint, |_| Ok(()), occasion).await?))
            }
            Self::Server(remote) => {
                let hint = named_key(remote, id, hint).await?;
                let path = format!("/licenses/{id}/keys/{}/send", encoded(&hint));
                remote.post(&path, &json!({}), None).await
            }
        }
    }

    pub(in super::super) async fn set_suspended(
        &self,
        id: LicenseId,
        suspended: bool,
        Changes { if_version, dry_run }: Changes,
    ) -> Result<Suspended> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let how = (suspended, Changing { based_on: if_version, dry_run });
                let halted = service::set_suspended(database, id, how, |_| Ok(()), occasion).await?;
                Ok(Suspended::of(suspended, &halted))
            }
            Self::Server(remote) => {
                let act = if suspended { "suspend" } else { "resume" };
                let body = json!({ "dry_run": dry_run });
                remote.post(&format!("/licenses/{id}/{act}"), &body, if_version).await
            }
        }
    }

    pub(in super::super) async fn void(
        &self,
        id: LicenseId,
        reason: &str,
        Changes { if_version, dry_run }: Changes,
    ) -> Result<Voided> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let how = (reason, Changing { based_on: if_version, dry_run });
                Ok(Voided::from(&service::void(database, id, how, |_| Ok(()), occasion).await?))
            }
            Self::Server(remote) => {
                let body = json!({ "reason": reason, "dry_run": dry_run });
                remote.post(&format!("/licenses/{id}/void"), &body, if_version).await
            }
        }
    }

    pub(in super::super) async fn allow(
        &self,
        id: LicenseId,
        of: Allowance,
        extra: Option<u32>,
        reason: &str,
    ) -> Result<Counter> {
        match self {
            Self::Ledger(ledger) => {
                let allow = extra.map_or(Allow::Reset, Allow::Extra);
                let service = ledger.service().await?;
                let license = service.allow(id, of, allow, reason, ledger.occasion).await?;
                Ok(Counter::of(&license, of, ledger.occasion.time))
            }
            Self::Server(remote) => {
                let path = format!("/licenses/{id}/counters/{}/reset", of.name());
                remote.post(&path, &json!({ "extra": extra, "reason": reason }), None).await
            }
        }
    }

    pub(in super::super) async fn deactivate(
        &self,
        id: LicenseId,
        (reason, dry_run): (&str, bool),
    ) -> Result<DeactivatedLicense> {
        match self {
            Self::Ledger(ledger) => {
                let (service, occasion) = (ledger.service().await?, ledger.occasion);
                let done = match dry_run {
                    true => service.foresee_deactivation(id, occasion).await?,
                    false => service.deactivate(id, reason, |_| Ok(()), occasion).await?,
                };
                Ok(DeactivatedLicense::from(&done))
            }
            Self::Server(remote) => {
                let body: Value = json!({ "reason": reason, "dry_run": dry_run });
                remote.post(&format!("/licenses/{id}/deactivate"), &body, None).await
            }
        }
    }
}
