//! Accounts, sessions and tokens.

use std::collections::{BTreeMap, HashSet};

use nodelock::LicenseId;

use super::{super::accounts::USUAL, Findings, Known, row::Row};
use crate::{
    domain::{Account, Credential, Finding, check_name},
    failure::Result,
    keys::Vault,
    store::{Tx, raw},
};

/// The length of a SHA-256.
const HASH: usize = 32;

pub(super) async fn look(
    tx: &mut Tx,
    vault: Option<&Vault>,
    known: &mut Known,
    findings: &mut Findings,
) -> Result<()> {
    let mut accounts = HashSet::new();
    raw::walk(tx, raw::ACCOUNT, |raw| {
        let mut row = Row::new(raw, raw::ACCOUNT, findings);
        let name = row.text("name");
        row.name.clone_from(&name);
        let record: Option<Account> = row.record("record");
        let (Some(name), Some(account)) = (name, record) else { return };
        row.expect("name", name == account.name && check_name(&name).is_ok(), "its record has another name");
        match known.audit.accounts.get(&name) {
            None => row.wrong("name", "no such account was noted"),
            Some(noted) => {
                row.expect(
                    "record",
                    account.created == noted.created,
                    "it was noted as made at another time",
                );
                row.expect("record", account.role.name() == noted.role, "it has another role than was noted");
                let is_noted = account.disabled == noted.disabled;
                row.expect("record", is_noted, "it is not what was noted of its being disabled");
                let quotas = account.quotas.iter().map(|(act, most)| (act.name(), most.to_string()));
                let quotas: BTreeMap<_, _> = quotas.collect();
                let of_audit = noted.quotas.iter().filter(|(_, most)| *most != USUAL);
                let of_audit: BTreeMap<_, _> =
                    of_audit.map(|(act, most)| (act.as_str(), most.clone())).collect();
                row.expect("record", quotas == of_audit, "it has other quotas than were noted");
            }
        }
        match vault.filter(|vault| vault.has_sealed_second_factor(&account.totp)) {
            None => known.keys_not_compared += 1,
            Some(vault) => {
                let is_kept = vault.unseal_second_factor(&name, &account.totp).is_some();
                row.expect("record", is_kept, "its second factor was not sealed for it");
            }
        }
        accounts.insert(name);
    })
    .await?;
    for name in known.audit.accounts.keys().filter(|name| !accounts.contains(*name)) {
        findings.add_of("account", Some("name"), format!("account {name} was noted, and is not there"));
    }
    raw::walk(tx, raw::SESSION, |raw| {
        let mut row = Row::new(raw, raw::SESSION, findings);
        look_at_hash(&mut row);
        if let Some(account) = row.text("account") {
            row.expect("account", accounts.contains(&account), "there is no such account");
            row.name = Some(account);
        }
        row.time("seen");
        row.number("ends");
    })
    .await?;
    let mut credentials = HashSet::new();
    raw::walk(tx, raw::CREDENTIAL, |raw| {
        let mut row = Row::new(raw, raw::CREDENTIAL, findings);
        let id = row.text("id");
        row.name.clone_from(&id);
        look_at_hash(&mut row);
        let created = row.time("created");
        row.time_or_null("seen");
        let record: Option<Credential> = row.record("record");
        let Some(credential) = record else { return };
        let (made, license) = match &credential {
            Credential::Token(token) => (token.created, None),
            Credential::DeploymentKey(key) => (key.created, Some(key.license)),
        };
        row.expect("id", id.is_none_or(|id| id == credential.id()), "its record has another id");
        row.expect("created", created.is_none_or(|created| created == made), "its record has another time");
        match known.audit.credentials.get(credential.id()) {
            None => row.wrong("id", "no such token or deployment key was noted"),
            Some(noted) => {
                row.expect("record", made == noted.created, "it was noted as made at another time");
                row.expect("record", credential.noted() == noted.detail, "it is not what was noted");
                let is_noted = credential.revoked() == noted.revoked;
                row.expect("record", is_noted, "it is not what was noted of its being revoked");
            }
        }
        credentials.insert(credential.id().to_owned());
        if let Some(license) = license {
            row.expect("record", known.licenses.contains_key(&license), "there is no such license");
        }
    })
    .await?;
    for id in known.audit.credentials.keys().filter(|id| !credentials.contains(*id)) {
        let detail = format!("token or deployment key {id} was noted, and is not there");
        findings.add_of("credential", Some("id"), detail);
    }
    let mut resold = HashSet::new();
    raw::walk(tx, raw::RESELLER_LICENSE, |raw| {
        let mut row = Row::new(raw, raw::RESELLER_LICENSE, findings);
        row.license = row.parsed::<LicenseId>("license_id");
        resold.extend(row.license);
        let noted = row.license.and_then(|license| known.audit.created.get(&license));
        let sold_by = noted.and_then(|(_, sold)| sold.reseller.clone());
        let is_known = row.license.is_none() || sold_by.is_some();
        row.expect("license_id", is_known, "no reseller sold such a license");
        if let (Some(account), Some(sold_by)) = (row.text("account"), sold_by) {
            row.expect("account", account == sold_by, "another one sold it");
        }
    })
    .await?;
    for (id, (_, sold)) in &known.audit.created {
        if let Some(account) = sold.reseller.as_ref().filter(|_| !resold.contains(id)) {
            findings.add(Finding {
                table: "reseller_license".to_owned(),
                column: Some("license_id".to_owned()),
                license: Some(*id),
                seat: None,
                row: None,
                detail: format!("it was noted as sold by {account}"),
            });
        }
    }
    raw::walk(tx, raw::ANSWERED, |raw| {
        let mut row = Row::new(raw, raw::ANSWERED, findings);
        for column in ["id", "digest"] {
            let hash = row.bytes(column);
            row.expect(column, hash.is_none_or(|hash| hash.len() == HASH), "it has another length");
        }
        row.bytes("sealed");
        row.time("at");
    })
    .await?;
    Ok(())
}

fn look_at_hash(row: &mut Row<'_>) {
    let hash = row.bytes("hash");
    row.expect("hash", hash.is_none_or(|hash| hash.len() == HASH), "it has another length");
}
