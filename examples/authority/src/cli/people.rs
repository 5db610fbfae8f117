//! What each command about accounts, tokens and deployment keys does.

use std::{
    io::{self, BufRead as _, IsTerminal as _},
    path::Path,
};

use nodelock::{Error, Timestamp};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    arguments::{AccountCommand, DeploymentKeyCommand, TokenCommand},
    output::Report,
};
use crate::{
    domain::{Account, Credential, CredentialKind, Occasion},
    failure::{Failure, Result},
    service::{self, AccountChange, CredentialRow, Database, NewCredential, SecondFactor},
};

/// More than any password that is taken.
const LONGEST_LINE: u64 = 4096;

pub(crate) async fn account(
    command: &AccountCommand,
    keys: &Path,
    database: &Database,
    occasion: &Occasion,
) -> Result<Report> {
    let change = async |name: &str, change, words: String| {
        let changed = service::change_account(database, name, change, occasion).await?;
        Ok(Report::new(words, json!({ "account": name, "changed": changed })))
    };
    match command {
        AccountCommand::New { name, role } => {
            let password = password()?;
            let vault = service::vault(database, keys).await?;
            let new = (name.as_str(), *role, password);
            let factor = service::new_account(database, vault.as_ref(), new, |_| Ok(()), occasion).await?;
            Ok(second_factor(&format!("Account {name}, {role}."), name, &factor))
        }
        AccountCommand::List => {
            let accounts = service::accounts(database, occasion).await?;
            let words: String = accounts.iter().map(account_words).collect();
            let values: Vec<Value> = accounts.iter().map(account_value).collect();
            let words = if words.is_empty() { "No accounts.".to_owned() } else { words };
            Ok(Report::new(words, json!({ "accounts": values })))
        }
        AccountCommand::Disable { name } => {
            change(name, AccountChange::Disabled(true), format!("Account {name} is disabled.")).await
        }
        AccountCommand::Enable { name } => {
            change(name, AccountChange::Disabled(false), format!("Account {name} is enabled.")).await
        }
        AccountCommand::Password { name } => {
            let words = format!("Account {name} has a new password, and is signed out.");
            change(name, AccountChange::Password(password()?), words).await
        }
        AccountCommand::Totp { name } => {
            let vault = service::vault(database, keys).await?;
            let factor =
                service::new_second_factor(database, vault.as_ref(), name, |_| Ok(()), occasion).await?;
            Ok(second_factor(&format!("Account {name} has a new second factor."), name, &factor))
        }
        AccountCommand::Role { name, role } => {
            change(name, AccountChange::Role(*role), format!("Account {name} is {role}.")).await
        }
    }
}

fn second_factor(words: &str, name: &str, factor: &SecondFactor) -> Report {
    let SecondFactor { secret, link, recovery } = factor;
    let words = format!(
        "{words} Its second factor, shown this once, for an authenticator:\n\n    {secret}\n    {link}\n\n\
         Recovery codes, each good once in place of a code:\n\n    {}\n",
        recovery.join("\n    ")
    );
    let fields = json!({ "account": name, "secret": secret, "link": link, "recovery_codes": recovery });
    Report::new(words, fields)
}

fn account_words(account: &Account) -> String {
    let Account { name, role, created, recovery, .. } = account;
    let left = recovery.len();
    let disabled = account.disabled.map_or_else(String::new, |at| format!("  disabled {at}"));
    format!("{name:<20}  {role:<8}  since {created}  {left} recovery codes left{disabled}\n")
}

fn account_value(account: &Account) -> Value {
    json!({
        "name": account.name,
        "role": account.role.name(),
        "created": account.created.to_string(),
        "disabled": account.disabled.map(|at| at.to_string()),
        "recovery_codes_left": account.recovery.len(),
    })
}

pub(crate) async fn token(
    command: &TokenCommand,
    database: &Database,
    occasion: &Occasion,
) -> Result<Report> {
    match command {
        TokenCommand::New(new) => {
            let mut scopes = new.scopes.clone();
            scopes.sort();
            scopes.dedup();
            let (name, product) = (new.name.clone(), new.product.clone());
            let new = NewCredential::Token { name, scopes, product, expires: new.expires };
            made("Token", "token", service::new_credential(database, new, |_, _| Ok(()), occasion).await?)
        }
        TokenCommand::List => list(database, occasion, CredentialKind::Token).await,
        TokenCommand::Revoke { id } => {
            let which = (CredentialKind::Token, id.as_str());
            revoked("Token", service::revoke(database, which, occasion).await?, id)
        }
    }
}

pub(crate) async fn deployment_key(
    command: &DeploymentKeyCommand,
    database: &Database,
    occasion: &Occasion,
) -> Result<Report> {
    match command {
        DeploymentKeyCommand::New(new) => {
            let (name, license) = (new.name.clone(), new.license);
            let (most, expires) = (new.limit, new.expires);
            let new = NewCredential::DeploymentKey { name, license, most, expires };
            made(
                "Deployment key",
                "deployment_key",
                service::new_credential(database, new, |_, _| Ok(()), occasion).await?,
            )
        }
        DeploymentKeyCommand::List => list(database, occasion, CredentialKind::DeploymentKey).await,
        DeploymentKeyCommand::Revoke { id } => {
            let which = (CredentialKind::DeploymentKey, id.as_str());
            revoked("Deployment key", service::revoke(database, which, occasion).await?, id)
        }
    }
}

fn made(what: &str, field: &str, (id, secret): (String, Zeroizing<String>)) -> Result<Report> {
    let words = format!("{what} {id}, shown this once:\n\n    {}\n", secret.as_str());
    Ok(Report::new(words, json!({ "id": id, field: secret.as_str() })))
}

fn revoked(what: &str, changed: bool, id: &str) -> Result<Report> {
    let already = if changed { "" } else { " already" };
    Ok(Report::new(format!("{what} {id} is revoked{already}."), json!({ "id": id, "changed": changed })))
}

async fn list(database: &Database, occasion: &Occasion, kind: CredentialKind) -> Result<Report> {
    let rows = service::credentials(database, kind, occasion).await?;
    let (words, values): (Vec<String>, Vec<Value>) = rows.iter().map(credential).unzip();
    let (field, none) = match kind {
        CredentialKind::Token => ("tokens", "No tokens."),
        CredentialKind::DeploymentKey => ("deployment_keys", "No deployment keys."),
    };
    let words = if words.is_empty() { none.to_owned() } else { words.concat() };
    Ok(Report::new(words, json!({ field: values })))
}

fn credential(row: &CredentialRow) -> (String, Value) {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let seen = time(row.seen);
    let (id, name, expires, revoked, what, mut value) = match &row.credential {
        Credential::Token(token) => {
            let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
            let product = token.product.as_deref().map_or_else(String::new, |name| format!(" of {name}"));
            let what = scopes.join(" ") + &product;
            let value = json!({ "scopes": scopes, "product": token.product });
            (&token.id, &token.name, token.expires, token.revoked, what, value)
        }
        Credential::DeploymentKey(key) => {
            let what = format!("{} of {} of license {}", key.used, key.most, key.license);
            let value = json!({ "license": key.license.to_string(), "limit": key.most, "used": key.used });
            (&key.id, &key.name, key.expires, key.revoked, what, value)
        }
    };
    let mut words = format!("{id}  {what}  {name}");
    for (label, at) in [("last used", &seen), ("ends", &time(expires)), ("revoked", &time(revoked))] {
        at.iter().for_each(|at| words += &format!("  {label} {at}"));
    }
    value["id"] = id.as_str().into();
    value["name"] = name.as_str().into();
    value["last_used"] = seen.into();
    value["expires"] = time(expires).into();
    value["revoked"] = time(revoked).into();
    (words + "\n", value)
}

/// Reads a new password: twice from the terminal, where it is not shown, or the first line of standard input. It is
/// never an argument, which every user of the machine could read.
fn password() -> Result<Zeroizing<String>> {
    let failed = |error| Error::io("password", error);
    if io::stdin().is_terminal() {
        let ask = |prompt: &str| rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(failed);
        let (password, again) = (ask("Password: ")?, ask("The same again: ")?);
        return match password == again {
            true => Ok(password),
            false => Err(Failure::Usage("the passwords differ".into())),
        };
    }
    let mut line = Zeroizing::new(String::new());
    io::BufReader::new(io::Read::take(io::stdin(), LONGEST_LINE)).read_line(&mut line).map_err(failed)?;
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}
