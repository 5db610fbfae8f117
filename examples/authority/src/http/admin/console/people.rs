//! Accounts of people, tokens of programs, deployment keys of machines.

use nodelock::Timestamp;
use serde_json::json;

use super::{
    super::{
        super::{portal::form::Form, problem::Problem},
        accounts as calls, credentials,
    },
    Asked, Done, Shown, Visitor,
    deeds::{Deed, factor, posted},
    license::done,
    view::{Block, Cell, Content, Facts, Field, Form as FormBlock, Input, Link, Notice, Row, Table, Tone},
    visitor::encoded,
    words::{Words, say},
};
use crate::{
    domain::{
        Account, Credential, CredentialKind,
        rights::{Act, Role, Scope},
    },
    failure::Failure,
    service::{self, CredentialRow},
};

/// `GET /console/accounts`
pub(super) async fn accounts(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::Accounts).await?;
    let words = visitor.words;
    let accounts = service::accounts(visitor.server.service.database(), &visitor.caller.occasion).await?;
    let columns = [words.account, words.role, words.state, words.recovery_codes, words.made_on];
    let mut table = Table::new("", &columns, words.no_account_yet);
    for account in &accounts {
        table.rows.push(Row::new(vec![
            Cell::new(&account.name).to(format!("/console/accounts/{}", encoded(&account.name))),
            Cell::new(account.role.name()),
            state(words, account),
            Cell::new(account.recovery.len().to_string()),
            Cell::time(account.created),
        ]));
    }
    let roles = Role::ALL.iter().map(|role| (role.name().to_owned(), role.name().to_owned())).collect();
    let fields = vec![
        Field::new("name", words.account, Input::Text).required(),
        Field::new("role", words.role, Input::Choice(roles)).value(Role::Support.name()),
        Field::new("password", words.password, Input::Password)
            .about(words.about_password)
            .required()
            .filled_by("new-password"),
    ];
    let form = FormBlock::post("/console/accounts", words.make_account, fields).title(words.make_account);
    Ok(Content::new(words.accounts).with_some(done(visitor, asked)).with(table.block()).with(form.block()))
}

fn state(words: &'static Words, account: &Account) -> Cell {
    match account.disabled {
        Some(_) => Cell::new(words.disabled).class("waiting"),
        None => Cell::new(words.active).class("good"),
    }
}

/// The account of an address.
pub(super) async fn account_of(visitor: &Visitor, asked: &Asked) -> Result<Account, Problem> {
    let name = asked.part("name");
    let accounts = service::accounts(visitor.server.service.database(), &visitor.caller.occasion).await?;
    let found = accounts.into_iter().find(|account| account.name == name);
    found.ok_or_else(|| Failure::UnknownAccount(name.to_owned()).into())
}

/// `GET /console/accounts/{name}`
pub(super) async fn account(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::Accounts).await?;
    let words = visitor.words;
    let account = account_of(visitor, asked).await?;
    let facts = Facts::new("")
        .fact(words.role, Cell::new(account.role.name()))
        .fact(words.state, state(words, &account))
        .fact(words.recovery_codes, Cell::new(account.recovery.len().to_string()))
        .fact(words.made_on, Cell::time(account.created));
    let quota = |act: &Act| Some((act.name(), account.quota(*act)?));
    let facts = Act::ALL
        .iter()
        .filter_map(quota)
        .fold(facts, |facts, (act, most)| facts.fact(say(words.quota, &[act]), Cell::new(most.to_string())));
    let able = if account.disabled.is_some() { Deed::EnableAccount } else { Deed::DisableAccount };
    let deeds = [Deed::ChangeRole, Deed::ChangePassword, Deed::NewSecondFactor, able];
    let links = deeds.map(|deed| Link::new(deed.address(&[&account.name]), deed.name(words)));
    Ok(Content::new(&account.name)
        .with_some(done(visitor, asked))
        .with(facts.block())
        .with(Block::Links(links.into())))
}

/// `POST /console/accounts`: what the new account signs in with is shown once.
pub(super) async fn new_account(visitor: &Visitor, asked: &Asked, form: &Form) -> Result<Done, Problem> {
    visitor.must(Act::Accounts).await?;
    let words = visitor.words;
    let body = json!({
        "name": form.text("name")?.trim(),
        "role": form.text("role")?,
        "password": form.text("password")?,
    });
    let answer = calls::new_account(posted(visitor, &asked.address, form, &body)?).await?.value();
    let notice = Notice::new(Tone::Good, words.account_made).line(words.shown_once);
    let content = Content::new(words.make_account).with(notice.block());
    let content = content.with(Block::Secrets(factor(words, &answer)));
    let back = Block::Links(vec![Link::new("/console/accounts", words.back)]);
    Ok(Done::Shown(content.with(back).into()))
}

fn validity(words: &'static Words, revoked: Option<Timestamp>, is_valid: bool) -> Cell {
    match (revoked, is_valid) {
        (Some(_), _) => Cell::new(words.revoked).class("waiting"),
        (None, false) => Cell::new(words.expired).class("waiting"),
        (None, true) => Cell::new(words.valid).class("good"),
    }
}

/// `GET /console/tokens`
pub(super) async fn tokens(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::Tokens).await?;
    let (words, now) = (visitor.words, visitor.caller.occasion.time);
    let columns = [words.name, words.scopes, words.state, words.expires, words.last_used, words.acts];
    let mut table = Table::new("", &columns, words.no_token_yet);
    for row in &rows(visitor, CredentialKind::Token).await? {
        let Credential::Token(token) = &row.credential else { continue };
        let is_valid = row.credential.is_valid(now);
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
        let scopes = match &token.product {
            Some(product) => format!("{} ({product})", scopes.join(", ")),
            None => scopes.join(", "),
        };
        table.rows.push(Row::new(vec![
            Cell::strangers(&token.name),
            Cell::code(scopes),
            validity(words, token.revoked, is_valid),
            Cell::some_time(token.expires, words.never),
            Cell::some_time(row.seen, words.never),
            revocation(words, Deed::RevokeToken, &token.id, &token.name, token.revoked),
        ]));
    }
    let scopes = Scope::ALL.iter().map(|scope| (scope.name().to_owned(), scope.name().to_owned(), false));
    let fields = vec![
        Field::new("name", words.name, Input::Text).required(),
        Field::new("scope", words.scopes, Input::Several(scopes.collect())),
        Field::new("expires", words.expires, Input::Date).about(words.about_end),
    ];
    let form = FormBlock::post("/console/tokens", words.make_token, fields).title(words.make_token);
    Ok(Content::new(words.tokens)
        .with_some(done(visitor, asked))
        .with(Block::Text(words.about_tokens.to_owned()))
        .with(Block::Links(vec![Link::new("/console/deployment-keys", words.deployment_keys)]))
        .with(table.block())
        .with(form.block()))
}

async fn rows(visitor: &Visitor, kind: CredentialKind) -> Result<Vec<CredentialRow>, Problem> {
    let database = visitor.server.service.database();
    Ok(service::credentials(database, kind, &visitor.caller.occasion).await?)
}

fn revocation(words: &'static Words, deed: Deed, id: &str, name: &str, revoked: Option<Timestamp>) -> Cell {
    let link = || Link::new(deed.address(&[id]), deed.name(words)).about(name);
    Cell::links(revoked.is_none().then(link).into_iter().collect())
}

/// The name of a token or a deployment key, and whether it is not revoked.
pub(super) async fn credential_of(
    visitor: &Visitor,
    is_token: bool,
    id: &str,
) -> Result<(String, bool), Problem> {
    let kind = if is_token { CredentialKind::Token } else { CredentialKind::DeploymentKey };
    let found = rows(visitor, kind).await?.into_iter().find_map(|row| match row.credential {
        Credential::Token(token) if token.id == id => Some((token.name, token.revoked.is_none())),
        Credential::DeploymentKey(key) if key.id == id => Some((key.name, key.revoked.is_none())),
        _ => None,
    });
    found.ok_or_else(|| Failure::UnknownCredential(id.to_owned()).into())
}

/// An end that was typed; none where nothing was.
fn end(form: &Form) -> Result<Option<String>, Problem> {
    Ok(Some(form.text("expires")?).filter(|text| !text.is_empty()))
}

/// What was made, which is shown once.
fn secret(words: &'static Words, title: &str, answer: &serde_json::Value, back: &str) -> Done {
    let secret = answer["secret"].as_str().unwrap_or_default().to_owned();
    let notice = Notice::new(Tone::Good, words.secret_made).line(words.shown_once);
    let content = Content::new(title)
        .with(notice.block())
        .with(Block::Secrets(vec![(words.secret.to_owned(), secret)]))
        .with(Block::Links(vec![Link::new(back, words.back)]));
    Done::Shown(content.into())
}

/// `POST /console/tokens`
pub(super) async fn new_token(visitor: &Visitor, asked: &Asked, form: &Form) -> Result<Done, Problem> {
    visitor.must(Act::Tokens).await?;
    let scopes: Vec<_> = form.all("scope").map(|scope| String::from_utf8_lossy(scope).into_owned()).collect();
    let body = json!({ "name": form.text("name")?, "scopes": scopes, "expires": end(form)? });
    let answer = credentials::new_token(posted(visitor, &asked.address, form, &body)?).await?.value();
    Ok(secret(visitor.words, visitor.words.make_token, &answer, "/console/tokens"))
}

/// `GET /console/deployment-keys`
pub(super) async fn keys(visitor: &Visitor, asked: &Asked) -> Shown {
    visitor.must(Act::Tokens).await?;
    let (words, now) = (visitor.words, visitor.caller.occasion.time);
    let columns =
        [words.name, words.license, words.state, words.machines, words.expires, words.last_used, words.acts];
    let mut table = Table::new("", &columns, words.no_deployment_key_yet);
    for row in &rows(visitor, CredentialKind::DeploymentKey).await? {
        let Credential::DeploymentKey(key) = &row.credential else { continue };
        let is_valid = row.credential.is_valid(now);
        let used = super::words::say(words.of, &[&key.used.to_string(), &key.most.to_string()]);
        table.rows.push(Row::new(vec![
            Cell::strangers(&key.name),
            Cell::code(key.license.to_string()).to(format!("/console/licenses/{}", key.license)),
            validity(words, key.revoked, is_valid),
            Cell::new(used),
            Cell::some_time(key.expires, words.never),
            Cell::some_time(row.seen, words.never),
            revocation(words, Deed::RevokeDeploymentKey, &key.id, &key.name, key.revoked),
        ]));
    }
    let fields = vec![
        Field::new("name", words.name, Input::Text).required(),
        Field::new("license", words.license, Input::Text).about(words.about_license_id).required(),
        Field::new("limit", words.machines, Input::Number).value("1").required(),
        Field::new("expires", words.expires, Input::Date).about(words.about_end),
    ];
    let form = FormBlock::post("/console/deployment-keys", words.make_deployment_key, fields);
    Ok(Content::new(words.deployment_keys)
        .with_some(done(visitor, asked))
        .with(Block::Text(words.about_deployment_keys.to_owned()))
        .with(table.block())
        .with(form.title(words.make_deployment_key).block()))
}

/// `POST /console/deployment-keys`
pub(super) async fn new_key(visitor: &Visitor, asked: &Asked, form: &Form) -> Result<Done, Problem> {
    visitor.must(Act::Tokens).await?;
    let words = visitor.words;
    let limit: u32 = form.text("limit")?.trim().parse().unwrap_or(0);
    let body = json!({
        "name": form.text("name")?,
        "license": form.text("license")?.trim(),
        "limit": limit,
        "expires": end(form)?,
    });
    let answer =
        credentials::new_deployment_key(posted(visitor, &asked.address, form, &body)?).await?.value();
    Ok(secret(words, words.make_deployment_key, &answer, "/console/deployment-keys"))
}
