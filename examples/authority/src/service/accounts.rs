//! Accounts of the vendor's people: made, changed, disabled.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{
    Database, off_thread,
    permit::{On, permit},
    secrets,
};
use crate::{
    domain::{
        Account, MOST_IN_QUOTA, Occasion,
        rights::{Act, Role},
    },
    failure::{Failure, Result},
    keys::Vault,
    store::{self, AuditLine},
};

/// What a person needs for the second factor. It is shown this once.
#[derive(Clone)]
pub(crate) struct SecondFactor {
    /// The secret, as it is typed into an authenticator.
    pub(crate) secret: String,
    /// The same as a link.
    pub(crate) link: String,
    /// Each of these is good once in place of a code.
    pub(crate) recovery: Vec<String>,
}

/// What is changed of an account.
pub(crate) enum AccountChange {
    Role(Role),
    Disabled(bool),
    Password(Zeroizing<String>),
    /// How often it may do an act within 30 days, of what its role has a quota for; none is the usual.
    Quota(Act, Option<u32>),
}

/// Makes an account. It has a second factor from the beginning, whose secret is kept in the vault.
///
/// Fails with [`Failure::AccountExists`], with [`Failure::NoVault`], and with [`Failure::Usage`] for a password that is
/// too short or too long. `hand_over` is given the second factor before anything is stored: nobody can show it again.
pub(crate) async fn new_account(
    database: &Database,
    vault: Option<&Vault>,
    (name, role, password): (&str, Role, Zeroizing<String>),
    hand_over: impl FnOnce(&SecondFactor) -> Result<()>,
    occasion: &Occasion,
) -> Result<SecondFactor> {
    let permit = permit(database, occasion, Act::Accounts, On::Whole).await?;
    let password = off_thread(move || secrets::hash_password(&password)).await??;
    let totp = secrets::new_totp()?;
    let (codes, recovery) = secrets::new_recovery_codes()?;
    let factor = second_factor(database, name, &totp, codes).await?;
    let totp = vault.ok_or(Failure::NoVault)?.seal_second_factor(name, &totp)?;
    let account = Account {
        name: name.to_owned(),
        role,
        password,
        totp,
        totp_step: 0,
        recovery,
        created: occasion.time,
        disabled: None,
        spent: Vec::new(),
        quotas: BTreeMap::new(),
    };
    let mut tx = database.write().await?;
    if !store::insert_account(&mut tx, &account).await? {
        return Err(Failure::AccountExists(name.to_owned()));
    }
    hand_over(&factor)?;
    let detail = format!("{name}, {role}");
    AuditLine { action: "account-created", license: None, detail: &detail }.write(&mut tx, &permit).await?;
    tx.commit().await?;
    Ok(factor)
}

async fn second_factor(
    database: &Database,
    name: &str,
    totp: &str,
    recovery: Vec<String>,
) -> Result<SecondFactor> {
    // People know the authority by what it was set up for.
    let products = super::products(database).await?;
    let first = products.first().map_or("", |product| &product.name);
    let (secret, link) = secrets::totp_for_people(totp, name, first);
    Ok(SecondFactor { secret, link, recovery })
}

/// All accounts, by name.
pub(crate) async fn accounts(database: &Database, occasion: &Occasion) -> Result<Vec<Account>> {
    permit(database, occasion, Act::Accounts, On::Whole).await?;
    store::accounts(&mut database.read().await?).await
}

/// Changes an account, and signs it out wherever it is signed in unless that is about a quota. Returns whether that
/// changed anything.
///
/// Fails with [`Failure::UnknownAccount`], and with [`Failure::Usage`] for a password that is too short or too long,
/// and for a quota that its role does not have or that is too high.
pub(crate) async fn change_account(
    database: &Database,
    name: &str,
    change: AccountChange,
    occasion: &Occasion,
) -> Result<bool> {
    let permit = permit(database, occasion, Act::Accounts, On::Whole).await?;
    let password = match &change {
        AccountChange::Password(password) => {
            let password = password.clone();
            Some(off_thread(move || secrets::hash_password(&password)).await??)
        }
        _ => None,
    };
    let mut tx = database.write().await?;
    let unknown = || Failure::UnknownAccount(name.to_owned());
    let before = store::account_to_change(&mut tx, name).await?.ok_or_else(unknown)?;
    let mut account = before.clone();
    let stays_signed_in = matches!(change, AccountChange::Quota(..));
    let what = match change {
        AccountChange::Quota(act, most) => {
            check_quota(&account, act, most)?;
            match most {
                Some(most) => account.quotas.insert(act, most),
                None => account.quotas.remove(&act),
            };
            format!("quota {act}: {}", most.map_or_else(|| USUAL.to_owned(), |most| most.to_string()))
        }
        AccountChange::Role(role) => {
            // Another role has quotas of its own.
            account.quotas.clear();
            account.role = role;
            format!("role {} -> {role}", before.role)
        }
        AccountChange::Disabled(true) => {
            account.disabled.get_or_insert(occasion.time);
            "disabled".to_owned()
        }
        AccountChange::Disabled(false) => {
            account.disabled = None;
            "enabled".to_owned()
        }
        AccountChange::Password(_) => {
            account.password = password.unwrap_or(account.password);
            "password".to_owned()
        }
    };
    let changes = account != before;
    if changes {
        store::set_account(&mut tx, &account).await?;
        if !stays_signed_in {
            store::delete_sessions_of(&mut tx, name).await?;
        }
        let detail = format!("{name}: {what}");
        let line = AuditLine { action: "account-changed", license: None, detail: &detail };
        line.write(&mut tx, &permit).await?;
    }
    tx.commit().await?;
    Ok(changes)
}

/// What the audit says of a quota that is as the role has it.
pub(super) const USUAL: &str = "usual";

fn check_quota(account: &Account, act: Act, most: Option<u32>) -> Result<()> {
    if account.quota(act).is_none() {
        let of_role = Act::ALL.iter().filter(|act| account.quota(**act).is_some());
        let names = of_role.map(|act| act.name()).collect::<Vec<_>>().join(", ");
        let has = if names.is_empty() { "it has none".to_owned() } else { format!("it has one for {names}") };
        return Err(Failure::Usage(format!("role {} has no quota for {act}; {has}", account.role)));
    }
    match most {
        Some(most) if most > MOST_IN_QUOTA => {
            Err(Failure::Usage(format!("a quota is at most {MOST_IN_QUOTA}, and {most} is more")))
        }
        _ => Ok(()),
    }
}

/// Gives an account a new second factor and new recovery codes, and signs it out. The old ones are of no use any more.
///
/// Fails with [`Failure::UnknownAccount`] and [`Failure::NoVault`]. `hand_over` is as for [`new_account`].
pub(crate) async fn new_second_factor(
    database: &Database,
    vault: Option<&Vault>,
    name: &str,
    hand_over: impl FnOnce(&SecondFactor) -> Result<()>,
    occasion: &Occasion,
) -> Result<SecondFactor> {
    let permit = permit(database, occasion, Act::Accounts, On::Whole).await?;
    let totp = secrets::new_totp()?;
    let (codes, recovery) = secrets::new_recovery_codes()?;
    let factor = second_factor(database, name, &totp, codes).await?;
    let totp = vault.ok_or(Failure::NoVault)?.seal_second_factor(name, &totp)?;
    let mut tx = database.write().await?;
    let unknown = || Failure::UnknownAccount(name.to_owned());
    let account = store::account_to_change(&mut tx, name).await?.ok_or_else(unknown)?;
    store::set_account(&mut tx, &Account { totp, recovery, totp_step: 0, ..account }).await?;
    store::delete_sessions_of(&mut tx, name).await?;
    hand_over(&factor)?;
    let detail = format!("{name}: second factor");
    AuditLine { action: "account-changed", license: None, detail: &detail }.write(&mut tx, &permit).await?;
    tx.commit().await?;
    Ok(factor)
}
