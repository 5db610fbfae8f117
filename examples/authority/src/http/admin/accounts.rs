//! `/v1/admin/accounts`: the people who may sign in.

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{
    super::{Shared, device::JsonAnswer, problem::Problem},
    Caller,
    description::{ActRefusals, Refusals},
    licenses::text,
    once::{Call, JsonText, Nothing, Posted, once},
};
use crate::{
    domain::{
        Account, check_name,
        rights::{Act, Role},
    },
    service::{self, AccountChange, SecondFactor},
};

/// A person of the vendor's.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountBody {
    pub(crate) name: String,
    #[schema(examples("support"))]
    pub(crate) role: String,
    #[schema(format = "date-time")]
    pub(crate) created: String,
    /// Since when it lets nobody in.
    #[schema(format = "date-time")]
    pub(crate) disabled: Option<String>,
    pub(crate) recovery_codes_left: usize,
    /// How often it may do what its role has a quota for.
    pub(crate) quotas: Vec<Quota>,
}

/// How often an account may do an act within 30 days.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Quota {
    #[schema(examples("extend"))]
    pub(crate) act: String,
    pub(crate) most: u32,
}

impl From<&Account> for AccountBody {
    fn from(account: &Account) -> Self {
        let quota = |act: &Act| Some(Quota { act: act.name().to_owned(), most: account.quota(*act)? });
        Self {
            name: account.name.clone(),
            role: account.role.name().to_owned(),
            created: account.created.to_string(),
            disabled: text(account.disabled),
            recovery_codes_left: account.recovery.len(),
            quotas: Act::ALL.iter().filter_map(quota).collect(),
        }
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Accounts {
    pub(crate) accounts: Vec<AccountBody>,
}

/// The accounts, by name
#[utoipa::path(
    get,
    path = "/v1/admin/accounts",
    operation_id = "accounts",
    responses((status = 200, description = "All of them.", body = Accounts), Refusals),
)]
pub(super) async fn accounts(State(server): Shared, caller: Caller) -> Result<JsonAnswer<Accounts>, Problem> {
    server.service.may(&caller.occasion, Act::Accounts).await?;
    let accounts = service::accounts(server.service.database(), &caller.occasion).await?;
    Ok(JsonAnswer(Accounts { accounts: accounts.iter().map(AccountBody::from).collect() }))
}

fn role(text: &str) -> Result<Role, Problem> {
    text.parse().map_err(|_| Problem::malformed("`role` is owner, vendor, support, auditor or reseller"))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    /// Lower-case letters, digits, dots, dashes and underscores. It stands in the audit and never changes.
    #[schema(max_length = 40)]
    name: String,
    /// `owner`, `vendor`, `support`, `auditor` or `reseller`.
    role: String,
    #[schema(min_length = 12)]
    password: String,
}

/// What a person needs to sign in beside the password.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = SecondFactor)]
pub(crate) struct Factor {
    pub(crate) account: String,
    /// As it is typed into an authenticator. It is shown to this call, however often that is made, for a week.
    pub(crate) secret: String,
    /// The same as a link.
    pub(crate) link: String,
    /// Each is good once in place of a code.
    pub(crate) recovery_codes: Vec<String>,
}

impl Factor {
    pub(crate) fn of(account: &str, factor: &SecondFactor) -> Self {
        let SecondFactor { secret, link, recovery } = factor.clone();
        Self { account: account.to_owned(), secret, link, recovery_codes: recovery }
    }
}

/// Make an account
#[utoipa::path(
    post,
    path = "/v1/admin/accounts",
    operation_id = "new_account",
    params(("Idempotency-Key" = String, Header)),
    request_body = NewAccount,
    responses((status = 200, description = "Done, now or before.", body = Factor), ActRefusals),
)]
pub(super) async fn new_account(posted: Posted<NewAccount>) -> Result<JsonText, Problem> {
    once(posted, Act::Accounts, |call, new: NewAccount| async move {
        let (name, role) = (account_name(&new.name)?, role(&new.role)?);
        let password = Zeroizing::new(new.password);
        let (service, occasion) = (&call.server.service, &call.caller.occasion);
        let (database, vault) = (service.database(), service.vault());
        let hand_over = |factor: &SecondFactor| call.keep_along(&Factor::of(&name, factor));
        let new = (name.as_str(), role, password);
        let factor = service::new_account(database, vault, new, hand_over, occasion).await?;
        Ok(Factor::of(&name, &factor))
    })
    .await
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ChangedAccount {
    pub(crate) account: String,
    pub(crate) changed: bool,
}

fn account_name(text: &str) -> Result<String, Problem> {
    check_name(text).map_err(Problem::malformed)
}

async fn changed(call: &Call, name: String, change: AccountChange) -> Result<ChangedAccount, Problem> {
    let name = account_name(&name)?;
    let (database, occasion) = (call.server.service.database(), &call.caller.occasion);
    call.keep_along(&ChangedAccount { account: name.clone(), changed: true })?;
    let changed = service::change_account(database, &name, change, occasion).await?;
    Ok(ChangedAccount { account: name, changed })
}

/// Let somebody in no more
///
/// What they did stays under their name.
#[utoipa::path(
    post,
    path = "/v1/admin/accounts/{name}/disable",
    operation_id = "disable_account",
    params(("name" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, description = "Done, now or before.", body = ChangedAccount), ActRefusals),
)]
pub(super) async fn disable(Path(name): Path<String>, posted: Posted<Nothing>) -> Result<JsonText, Problem> {
    once(posted, Act::Accounts, |call, _: Nothing| async move {
        changed(&call, name, AccountChange::Disabled(true)).await
    })
    .await
}

/// Let somebody in again
#[utoipa::path(
    post,
    path = "/v1/admin/accounts/{name}/enable",
    operation_id = "enable_account",
    params(("name" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, description = "Done, now or before.", body = ChangedAccount), ActRefusals),
)]
pub(super) async fn enable(Path(name): Path<String>, posted: Posted<Nothing>) -> Result<JsonText, Problem> {
    once(posted, Act::Accounts, |call, _: Nothing| async move {
        changed(&call, name, AccountChange::Disabled(false)).await
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRole {
    /// `owner`, `vendor`, `support`, `auditor` or `reseller`.
    role: String,
}

/// Change somebody's role
///
/// They are signed out.
#[utoipa::path(
    post,
    path = "/v1/admin/accounts/{name}/role",
    operation_id = "change_role",
    params(("name" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = NewRole,
    responses((status = 200, description = "Done, now or before.", body = ChangedAccount), ActRefusals),
)]
pub(super) async fn change_role(
    Path(name): Path<String>,
    posted: Posted<NewRole>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Accounts, |call, new: NewRole| async move {
        changed(&call, name, AccountChange::Role(role(&new.role)?)).await
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewQuota {
    /// What the role has a quota for: `reset-counters`, `extend` or `extend-trial`.
    act: String,
    /// How often within 30 days; the usual number if it is left out.
    #[schema(nullable = false, maximum = 1_000)]
    most: Option<u32>,
}

/// Change how often somebody may do an act within 30 days
///
/// What was done within the last 30 days counts.
#[utoipa::path(
    post,
    path = "/v1/admin/accounts/{name}/quota",
    operation_id = "change_quota",
    params(("name" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = NewQuota,
    responses((status = 200, description = "Done, now or before.", body = ChangedAccount), ActRefusals),
)]
pub(super) async fn change_quota(
    Path(name): Path<String>,
    posted: Posted<NewQuota>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Accounts, |call, new: NewQuota| async move {
        let act = new.act.parse().map_err(|_| Problem::malformed("`act` is the name of no act"))?;
        changed(&call, name, AccountChange::Quota(act, new.most)).await
    })
    .await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    #[schema(min_length = 12)]
    password: String,
}

/// Change somebody's password
///
/// They are signed out.
#[utoipa::path(
    post,
    path = "/v1/admin/accounts/{name}/password",
    operation_id = "change_password",
    params(("name" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = NewPassword,
    responses((status = 200, description = "Done, now or before.", body = ChangedAccount), ActRefusals),
)]
pub(super) async fn change_password(
    Path(name): Path<String>,
    posted: Posted<NewPassword>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Accounts, |call, new: NewPassword| async move {
        changed(&call, name, AccountChange::Password(Zeroizing::new(new.password))).await
    })
    .await
}

/// Give somebody a new second factor and new recovery codes
///
/// The old ones are void, and they are signed out.
#[utoipa::path(
    post,
    path = "/v1/admin/accounts/{name}/totp",
    operation_id = "new_second_factor",
    params(("name" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, description = "Done, now or before.", body = Factor), ActRefusals),
)]
pub(super) async fn new_second_factor(
    Path(name): Path<String>,
    posted: Posted<Nothing>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Accounts, |call, _: Nothing| async move {
        let name = account_name(&name)?;
        let (service, occasion) = (&call.server.service, &call.caller.occasion);
        let (database, vault) = (service.database(), service.vault());
        let hand_over = |factor: &SecondFactor| call.keep_along(&Factor::of(&name, factor));
        let factor = service::new_second_factor(database, vault, &name, hand_over, occasion).await?;
        Ok(Factor::of(&name, &factor))
    })
    .await
}
