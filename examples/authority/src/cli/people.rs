//! What each command about accounts, tokens and deployment keys does.

use std::io::{self, BufRead as _, IsTerminal as _};

use nodelock::Error;
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    arguments::{AccountCommand, DeploymentKeyCommand, TokenCommand},
    desk::Desk,
    output::{Report, json},
};
use crate::{
    domain::{CredentialKind, rights::QUOTA_DAYS},
    failure::{Failure, Result},
    http::records::{AccountBody, DeploymentKeyBody, Factor, NewSecret, TokenBody},
    service::{AccountChange, NewCredential},
};

/// More than any password that is taken.
const LONGEST_LINE: u64 = 4096;

pub(super) async fn account(command: &AccountCommand, desk: &Desk<'_>) -> Result<Report> {
    let change = async |name: &str, change, words: String| {
        let changed = desk.change_account(name, change).await?;
        Ok(Report::new(words, json!({ "account": name, "changed": changed })))
    };
    match command {
        AccountCommand::New { name, role } => {
            let factor = desk.new_account(name, *role, password()?).await?;
            Ok(second_factor(&format!("Account {name}, {role}."), &factor))
        }
        AccountCommand::List => {
            let accounts = desk.accounts().await?;
            let words: String = accounts.iter().map(account_words).collect();
            let words = if words.is_empty() { "No accounts.".to_owned() } else { words };
            Ok(Report::new(words, json!({ "accounts": accounts })))
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
            let factor = desk.new_second_factor(name).await?;
            Ok(second_factor(&format!("Account {name} has a new second factor."), &factor))
        }
        AccountCommand::Quota { name, act, most } => {
            let often = most.map_or_else(|| "as often as usual".to_owned(), |most| format!("{most} times"));
            let words = format!("Account {name} may do {act} {often} within {QUOTA_DAYS} days.");
            change(name, AccountChange::Quota(*act, *most), words).await
        }
        AccountCommand::Role { name, role } => {
            change(name, AccountChange::Role(*role), format!("Account {name} is {role}.")).await
        }
    }
}

fn second_factor(words: &str, factor: &Factor) -> Report {
    let Factor { secret, link, recovery_codes, .. } = factor;
    let words = format!(
        "{words} Its second factor, shown this once, for an authenticator:\n\n    {secret}\n    {link}\n\n\
         Recovery codes, each good once in place of a code:\n\n    {}\n",
        recovery_codes.join("\n    ")
    );
    Report::new(words, json(factor))
}

fn account_words(account: &AccountBody) -> String {
    let AccountBody { name, role, created, disabled, recovery_codes_left, quotas } = account;
    let disabled = disabled.as_ref().map_or_else(String::new, |at| format!("  disabled {at}"));
    let quotas: String = quotas.iter().map(|quota| format!("  {} {}", quota.act, quota.most)).collect();
    format!(
        "{name:<20}  {role:<8}  since {created}  {recovery_codes_left} recovery codes left{quotas}{disabled}\n"
    )
}

pub(super) async fn token(command: &TokenCommand, desk: &Desk<'_>) -> Result<Report> {
    match command {
        TokenCommand::New(new) => {
            let mut scopes = new.scopes.clone();
            scopes.sort();
            scopes.dedup();
            let (name, product) = (new.name.clone(), new.product.clone());
            let new = NewCredential::Token { name, scopes, product, expires: new.expires };
            Ok(made("Token", "token", &desk.new_credential(new).await?))
        }
        TokenCommand::List => {
            let tokens = desk.tokens().await?;
            let words: String = tokens.iter().map(token_words).collect();
            let words = if words.is_empty() { "No tokens.".to_owned() } else { words };
            Ok(Report::new(words, json!({ "tokens": tokens })))
        }
        TokenCommand::Revoke { id } => {
            Ok(revoked("Token", desk.revoke(CredentialKind::Token, id).await?, id))
        }
    }
}

pub(super) async fn deployment_key(command: &DeploymentKeyCommand, desk: &Desk<'_>) -> Result<Report> {
    match command {
        DeploymentKeyCommand::New(new) => {
            let (name, license) = (new.name.clone(), new.license);
            let (most, expires) = (new.limit, new.expires);
            let new = NewCredential::DeploymentKey { name, license, most, expires };
            Ok(made("Deployment key", "deployment_key", &desk.new_credential(new).await?))
        }
        DeploymentKeyCommand::List => {
            let keys = desk.deployment_keys().await?;
            let words: String = keys.iter().map(deployment_key_words).collect();
            let words = if words.is_empty() { "No deployment keys.".to_owned() } else { words };
            Ok(Report::new(words, json!({ "deployment_keys": keys })))
        }
        DeploymentKeyCommand::Revoke { id } => {
            Ok(revoked("Deployment key", desk.revoke(CredentialKind::DeploymentKey, id).await?, id))
        }
    }
}

fn made(what: &str, field: &str, NewSecret { id, secret }: &NewSecret) -> Report {
    let words = format!("{what} {id}, shown this once:\n\n    {secret}\n");
    Report::new(words, json!({ "id": id, field: secret }))
}

fn revoked(what: &str, changed: bool, id: &str) -> Report {
    let already = if changed { "" } else { " already" };
    Report::new(format!("{what} {id} is revoked{already}."), json!({ "id": id, "changed": changed }))
}

fn token_words(token: &TokenBody) -> String {
    let product = token.product.as_deref().map_or_else(String::new, |name| format!(" of {name}"));
    let line = format!("{}  {}{product}  {}", token.id, token.scopes.join(" "), token.name);
    line + &times([&token.last_used, &token.expires, &token.revoked])
}

fn deployment_key_words(key: &DeploymentKeyBody) -> String {
    let DeploymentKeyBody { id, name, license, limit, used, .. } = key;
    let line = format!("{id}  {used} of {limit} of license {license}  {name}");
    line + &times([&key.last_used, &key.expires, &key.revoked])
}

/// The end of a line: when something was last used, ends, and was revoked.
fn times(of: [&Option<String>; 3]) -> String {
    let labels = ["last used", "ends", "revoked"].into_iter();
    let said = labels.zip(of).filter_map(|(label, at)| Some(format!("  {label} {}", at.as_ref()?)));
    said.collect::<String>() + "\n"
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
