//! Accounts, sessions, tokens, and who sold what.

use nodelock::{
    LicenseId, Timestamp,
    authority::{SeatName, decision::EventKind},
};

use super::{
    Engine, Tx,
    row::{damaged, device, json, license_id, number, record, seconds, terms, time},
    sql::{Row, query},
};
use crate::{
    domain::{
        Account, Credential, Spent,
        rights::{Permit, QUOTA_DAYS, Spender, Spending, Subject},
    },
    failure::{Failure, Result},
};

/// Which session a token is for.
pub(crate) struct Session {
    pub(crate) account: String,
    pub(crate) seen: Timestamp,
    pub(crate) ends: Timestamp,
}

/// A token or a deployment key in a list.
pub(crate) struct CredentialRow {
    pub(crate) credential: Credential,
    pub(crate) seen: Option<Timestamp>,
}

/// Enters an account. Returns false when there is one of that name already.
pub(crate) async fn insert_account(tx: &mut Tx, account: &Account) -> Result<bool> {
    let inserted = query("INSERT INTO account (name, record) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(&account.name)
        .bind(json(account)?)
        .execute(tx)
        .await?;
    Ok(inserted == 1)
}

/// An account; none if there is none of that name.
pub(crate) async fn account(tx: &mut Tx, name: &str) -> Result<Option<Account>> {
    let row = query("SELECT name, record FROM account WHERE name = $1").bind(name);
    row.fetch_optional(tx).await?.as_ref().map(account_of).transpose()
}

/// The same in a transaction that writes: nobody else changes it until that ends.
pub(crate) async fn account_to_change(tx: &mut Tx, name: &str) -> Result<Option<Account>> {
    let row = query(match tx.engine {
        Engine::Sqlite => "SELECT name, record FROM account WHERE name = $1",
        Engine::Postgres => "SELECT name, record FROM account WHERE name = $1 FOR NO KEY UPDATE",
    });
    row.bind(name).fetch_optional(tx).await?.as_ref().map(account_of).transpose()
}

fn account_of(row: &Row) -> Result<Account> {
    let name: &str = row.get("name")?;
    let account: Account =
        record(row, "record").map_err(|failure| failure.in_record(format!("account {name}")))?;
    if account.name == name { Ok(account) } else { Err(damaged("an account's name")) }
}

/// All accounts, by name. There are as many as the vendor has people.
pub(crate) async fn accounts(tx: &mut Tx) -> Result<Vec<Account>> {
    let rows = query("SELECT name, record FROM account ORDER BY name").fetch_all(tx).await?;
    rows.iter().map(account_of).collect()
}

/// Changes an account that is there.
pub(crate) async fn set_account(tx: &mut Tx, account: &Account) -> Result<()> {
    query("UPDATE account SET record = $1 WHERE name = $2")
        .bind(json(account)?)
        .bind(&account.name)
        .execute(tx)
        .await?;
    Ok(())
}

/// Enters a session, and forgets those that are over.
pub(crate) async fn insert_session(
    tx: &mut Tx,
    hash: &[u8],
    account: &str,
    now: Timestamp,
    ends: Timestamp,
) -> Result<()> {
    query("DELETE FROM session WHERE ends <= $1").bind(seconds(now)).execute(tx).await?;
    query("INSERT INTO session (hash, account, seen, ends) VALUES ($1, $2, $3, $4)")
        .bind(hash)
        .bind(account)
        .bind(seconds(now))
        .bind(seconds(ends))
        .execute(tx)
        .await?;
    Ok(())
}

pub(crate) async fn session(tx: &mut Tx, hash: &[u8]) -> Result<Option<Session>> {
    let row = query("SELECT account, seen, ends FROM session WHERE hash = $1").bind(hash);
    let Some(row) = row.fetch_optional(tx).await? else { return Ok(None) };
    Ok(Some(Session { account: row.get("account")?, seen: time(&row, "seen")?, ends: time(&row, "ends")? }))
}

pub(crate) async fn delete_session(tx: &mut Tx, hash: &[u8]) -> Result<()> {
    query("DELETE FROM session WHERE hash = $1").bind(hash).execute(tx).await?;
    Ok(())
}

/// Signs an account out wherever it is signed in.
pub(crate) async fn delete_sessions_of(tx: &mut Tx, account: &str) -> Result<()> {
    query("DELETE FROM session WHERE account = $1").bind(account).execute(tx).await?;
    Ok(())
}

/// Notes when a session or credential was used.
pub(crate) async fn set_seen(tx: &mut Tx, hash: &[u8], now: Timestamp) -> Result<()> {
    for update in
        ["UPDATE session SET seen = $1 WHERE hash = $2", "UPDATE credential SET seen = $1 WHERE hash = $2"]
    {
        query(update).bind(seconds(now)).bind(hash).execute(tx).await?;
    }
    Ok(())
}

pub(crate) async fn insert_credential(
    tx: &mut Tx,
    hash: &[u8],
    credential: &Credential,
    now: Timestamp,
) -> Result<()> {
    query("INSERT INTO credential (hash, id, record, created) VALUES ($1, $2, $3, $4)")
        .bind(hash)
        .bind(credential.id())
        .bind(json(credential)?)
        .bind(seconds(now))
        .execute(tx)
        .await?;
    Ok(())
}

/// A token or deployment key by the hash of its text.
pub(crate) async fn credential(tx: &mut Tx, hash: &[u8]) -> Result<Option<CredentialRow>> {
    let row = query("SELECT id, record, seen FROM credential WHERE hash = $1").bind(hash);
    row.fetch_optional(tx).await?.as_ref().map(credential_of).transpose()
}

/// The same by its id, in a transaction that writes.
pub(crate) async fn credential_to_change(tx: &mut Tx, id: &str) -> Result<Option<Credential>> {
    let row = query(match tx.engine {
        Engine::Sqlite => "SELECT id, record, seen FROM credential WHERE id = $1",
        Engine::Postgres => "SELECT id, record, seen FROM credential WHERE id = $1 FOR NO KEY UPDATE",
    });
    let row = row.bind(id).fetch_optional(tx).await?;
    Ok(row.as_ref().map(credential_of).transpose()?.map(|row| row.credential))
}

fn credential_of(row: &Row) -> Result<CredentialRow> {
    let id: &str = row.get("id")?;
    let credential: Credential =
        record(row, "record").map_err(|failure| failure.in_record(format!("credential {id}")))?;
    if credential.id() != id {
        return Err(damaged("the id of a credential"));
    }
    let seen = row.get::<Option<i64>>("seen")?.map(|_| time(row, "seen")).transpose()?;
    Ok(CredentialRow { credential, seen })
}

/// All tokens and deployment keys, oldest first.
pub(crate) async fn credentials(tx: &mut Tx) -> Result<Vec<CredentialRow>> {
    let rows = query("SELECT id, record, seen FROM credential ORDER BY created, id").fetch_all(tx).await?;
    rows.iter().map(credential_of).collect()
}

pub(crate) async fn set_credential(tx: &mut Tx, credential: &Credential) -> Result<()> {
    query("UPDATE credential SET record = $1 WHERE id = $2")
        .bind(json(credential)?)
        .bind(credential.id())
        .execute(tx)
        .await?;
    Ok(())
}

/// Notes which account sold a license.
pub(crate) async fn insert_reseller(tx: &mut Tx, license: LicenseId, account: &str) -> Result<()> {
    query("INSERT INTO reseller_license (license_id, account) VALUES ($1, $2)")
        .bind(license.to_string())
        .bind(account)
        .execute(tx)
        .await?;
    Ok(())
}

/// What a limited right asks of a license; none if there is no such license.
pub(crate) async fn subject_of(tx: &mut Tx, license: LicenseId) -> Result<Option<Subject>> {
    let row = query(
        "SELECT license.id, license.terms, reseller_license.account FROM license \
         LEFT JOIN reseller_license ON reseller_license.license_id = license.id WHERE license.id = $1",
    );
    let Some(row) = row.bind(license.to_string()).fetch_optional(tx).await? else { return Ok(None) };
    let (product, sold_by) = (terms(&row)?.product, row.get("account")?);
    Ok(Some(Subject { license: Some(license), product, sold_by }))
}

/// The license of a seat; none if there is no such seat, or it has none.
pub(crate) async fn license_of_seat(tx: &mut Tx, name: SeatName) -> Result<Option<LicenseId>> {
    let row = query("SELECT license_id FROM seat WHERE handle = $1 AND device_key = $2")
        .bind(number(name.handle))
        .bind(device(name))
        .fetch_optional(tx)
        .await?;
    Ok(row.as_ref().map(license_id).transpose()?.flatten())
}

/// Counts what a permit allows only so often, in the transaction of what it is for. `kind` is what happened to a seat,
/// if something did.
///
/// A deployment key counts seats that are granted: neither what came along nor a request that waits for approval, which
/// is granted later. A request does not begin to wait behind a key that is used up.
///
/// Fails with [`Failure::QuotaUsedUp`] and [`Failure::DeploymentKeyUsedUp`].
pub(super) async fn spend(tx: &mut Tx, permit: &Permit<'_>, kind: Option<EventKind>) -> Result<()> {
    let Some(Spending { id, of }) = permit.spending() else { return Ok(()) };
    match of {
        Spender::Account { name, most } => {
            let account = account_to_change(tx, name).await?;
            let mut account = account.ok_or_else(|| damaged("the account of who acts"))?;
            if account.spent.iter().any(|spent| spent.id == *id) {
                return Ok(());
            }
            account.spent.retain(|spent| spent.at.plus_days(QUOTA_DAYS) > permit.time);
            let of_act = account.spent.iter().filter(|spent| spent.act == permit.act());
            let most = account.quotas.get(&permit.act()).copied().unwrap_or(*most);
            if of_act.count() >= most as usize {
                return Err(Failure::QuotaUsedUp { act: permit.act(), most });
            }
            account.spent.push(Spent { act: permit.act(), at: permit.time, id: *id });
            set_account(tx, &account).await
        }
        Spender::DeploymentKey(key) => {
            let is_waiting = kind == Some(EventKind::RequestWaiting);
            if !is_waiting && kind != Some(EventKind::Granted) {
                return Ok(());
            }
            let found = credential_to_change(tx, key).await?;
            let Some(Credential::DeploymentKey(mut key)) = found else {
                return Err(damaged("the deployment key of who acts"));
            };
            if key.last == *id {
                return Ok(());
            }
            if key.used >= key.most {
                return Err(Failure::DeploymentKeyUsedUp(key.most));
            }
            if is_waiting {
                return Ok(());
            }
            (key.used, key.last) = (key.used + 1, *id);
            set_credential(tx, &Credential::DeploymentKey(key)).await
        }
    }
}
