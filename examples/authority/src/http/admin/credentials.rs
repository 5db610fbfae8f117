//! `/v1/admin/tokens` and `/v1/admin/deployment-keys`: what programs and machines show.

use axum::extract::{Path, State};
use nodelock::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{Shared, device::JsonAnswer, problem::Problem},
    Caller,
    description::{ActRefusals, Refusals},
    licenses::text,
    once::{Call, JsonText, Nothing, Posted, once},
    products::product_id,
};
use crate::{
    domain::{
        Credential, CredentialKind,
        rights::{Act, Scope},
    },
    service::{self, CredentialRow, NewCredential},
};

/// What a program of the vendor's shows, without its text.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenBody {
    pub(crate) id: String,
    /// What it is for, in the vendor's words.
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    /// The only product that it is for; null for all.
    pub(crate) product: Option<String>,
    #[schema(format = "date-time")]
    pub(crate) expires: Option<String>,
    #[schema(format = "date-time")]
    pub(crate) revoked: Option<String>,
    /// To the minute.
    #[schema(format = "date-time")]
    pub(crate) last_used: Option<String>,
}

/// What machines show that are installed unattended, without its text.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = DeploymentKey)]
pub(crate) struct DeploymentKeyBody {
    pub(crate) id: String,
    /// What it is for, in the vendor's words.
    pub(crate) name: String,
    /// The license that it takes seats of.
    pub(crate) license: String,
    /// How many machines may use it.
    pub(crate) limit: u32,
    pub(crate) used: u32,
    #[schema(format = "date-time")]
    pub(crate) expires: Option<String>,
    #[schema(format = "date-time")]
    pub(crate) revoked: Option<String>,
    /// To the minute.
    #[schema(format = "date-time")]
    pub(crate) last_used: Option<String>,
}

pub(crate) fn token_body(row: &CredentialRow) -> Option<TokenBody> {
    let Credential::Token(token) = &row.credential else { return None };
    Some(TokenBody {
        id: token.id.clone(),
        name: token.name.clone(),
        scopes: token.scopes.iter().map(|scope| scope.name().to_owned()).collect(),
        product: token.product.clone(),
        expires: text(token.expires),
        revoked: text(token.revoked),
        last_used: text(row.seen),
    })
}

pub(crate) fn deployment_key_body(row: &CredentialRow) -> Option<DeploymentKeyBody> {
    let Credential::DeploymentKey(key) = &row.credential else { return None };
    Some(DeploymentKeyBody {
        id: key.id.clone(),
        name: key.name.clone(),
        license: key.license.to_string(),
        limit: key.most,
        used: key.used,
        expires: text(key.expires),
        revoked: text(key.revoked),
        last_used: text(row.seen),
    })
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<TokenBody>,
}

/// The tokens of programs, oldest first
#[utoipa::path(
    get,
    path = "/v1/admin/tokens",
    operation_id = "tokens",
    responses((status = 200, description = "All of them.", body = Tokens), Refusals),
)]
pub(super) async fn tokens(State(server): Shared, caller: Caller) -> Result<JsonAnswer<Tokens>, Problem> {
    server.service.may(&caller.occasion, Act::Tokens).await?;
    let database = server.service.database();
    let rows = service::credentials(database, CredentialKind::Token, &caller.occasion).await?;
    Ok(JsonAnswer(Tokens { tokens: rows.iter().filter_map(token_body).collect() }))
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct DeploymentKeys {
    pub(crate) deployment_keys: Vec<DeploymentKeyBody>,
}

/// The deployment keys, oldest first
#[utoipa::path(
    get,
    path = "/v1/admin/deployment-keys",
    operation_id = "deployment_keys",
    responses((status = 200, description = "All of them.", body = DeploymentKeys), Refusals),
)]
pub(super) async fn deployment_keys(
    State(server): Shared,
    caller: Caller,
) -> Result<JsonAnswer<DeploymentKeys>, Problem> {
    server.service.may(&caller.occasion, Act::Tokens).await?;
    let database = server.service.database();
    let rows = service::credentials(database, CredentialKind::DeploymentKey, &caller.occasion).await?;
    Ok(JsonAnswer(DeploymentKeys { deployment_keys: rows.iter().filter_map(deployment_key_body).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// What it is for, in your words.
    #[schema(max_length = 200)]
    name: String,
    /// What it may do.
    #[schema(min_items = 1, examples(json!(["licenses:read", "licenses:write"])))]
    scopes: Vec<String>,
    /// The id of the only product that it is for; all if it is left out.
    product: Option<String>,
    /// The first second at which it is no longer valid; it has no end if that is left out.
    #[schema(format = "date-time")]
    expires: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDeploymentKey {
    /// What it is for, in your words.
    #[schema(max_length = 200)]
    name: String,
    /// The id of the license that it takes seats of.
    license: String,
    /// How many machines may use it.
    #[schema(minimum = 1)]
    limit: u32,
    /// The first second at which it is no longer valid; it has no end if that is left out.
    #[schema(format = "date-time")]
    expires: Option<String>,
}

/// A token or a deployment key that was made.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct NewSecret {
    pub(crate) id: String,
    /// Its text, shown to this call, however often that is made, for a week.
    pub(crate) secret: String,
}

fn name(text: String) -> Result<String, Problem> {
    let is_line = !text.trim().is_empty() && !text.chars().any(char::is_control) && text.len() <= 200;
    if is_line { Ok(text) } else { Err(Problem::malformed("`name` is a line of at most 200 bytes")) }
}

fn end(text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let end = text.map(str::parse).transpose();
    end.map_err(|_| Problem::malformed("`expires` is no date of RFC 3339"))
}

async fn made(call: &Call, new: NewCredential) -> Result<NewSecret, Problem> {
    let (database, occasion) = (call.server.service.database(), &call.caller.occasion);
    let answer = |id: &str, secret: &str| NewSecret { id: id.to_owned(), secret: secret.to_owned() };
    let hand_over = |id: &str, secret: &str| call.keep_along(&answer(id, secret));
    let (id, secret) = service::new_credential(database, new, hand_over, occasion).await?;
    Ok(answer(&id, &secret))
}

/// Make a token for a program
#[utoipa::path(
    post,
    path = "/v1/admin/tokens",
    operation_id = "new_token",
    params(("Idempotency-Key" = String, Header)),
    request_body = NewToken,
    responses((status = 200, description = "Done, now or before.", body = NewSecret), ActRefusals),
)]
pub(super) async fn new_token(posted: Posted<NewToken>) -> Result<JsonText, Problem> {
    once(posted, Act::Tokens, |call, new: NewToken| async move {
        let scopes: Result<Vec<Scope>, _> = new.scopes.iter().map(|scope| scope.parse()).collect();
        let mut scopes = scopes.map_err(|_| Problem::malformed("`scopes` names one that there is not"))?;
        scopes.sort();
        scopes.dedup();
        if scopes.is_empty() {
            return Err(Problem::malformed("`scopes` names none"));
        }
        let product = new.product.as_deref().map(product_id).transpose()?;
        let (name, expires) = (name(new.name)?, end(new.expires.as_deref())?);
        made(&call, NewCredential::Token { name, scopes, product, expires }).await
    })
    .await
}

/// Make a deployment key
#[utoipa::path(
    post,
    path = "/v1/admin/deployment-keys",
    operation_id = "new_deployment_key",
    params(("Idempotency-Key" = String, Header)),
    request_body = NewDeploymentKey,
    responses((status = 200, description = "Done, now or before.", body = NewSecret), ActRefusals),
)]
pub(super) async fn new_deployment_key(posted: Posted<NewDeploymentKey>) -> Result<JsonText, Problem> {
    once(posted, Act::Tokens, |call, new: NewDeploymentKey| async move {
        let license =
            new.license.parse().map_err(|_| Problem::malformed("`license` is no id of a license"))?;
        if new.limit == 0 {
            return Err(Problem::malformed("`limit` is from 1 on"));
        }
        let (name, most, expires) = (name(new.name)?, new.limit, end(new.expires.as_deref())?);
        made(&call, NewCredential::DeploymentKey { name, license, most, expires }).await
    })
    .await
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct RevokedCredential {
    pub(crate) id: String,
    /// Whether it was not revoked before.
    pub(crate) changed: bool,
}

async fn revoked(call: &Call, kind: CredentialKind, id: String) -> Result<RevokedCredential, Problem> {
    if !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Problem::malformed("the address holds no id of a token or deployment key"));
    }
    let (database, occasion) = (call.server.service.database(), &call.caller.occasion);
    call.keep_along(&RevokedCredential { id: id.clone(), changed: true })?;
    let changed = service::revoke(database, (kind, &id), occasion).await?;
    Ok(RevokedCredential { id, changed })
}

/// Make a token nobody's, from its next use on
#[utoipa::path(
    post,
    path = "/v1/admin/tokens/{id}/revoke",
    operation_id = "revoke_token",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, description = "Done, now or before.", body = RevokedCredential), ActRefusals),
)]
pub(super) async fn revoke_token(
    Path(id): Path<String>,
    posted: Posted<Nothing>,
) -> Result<JsonText, Problem> {
    once(
        posted,
        Act::Tokens,
        |call, _: Nothing| async move { revoked(&call, CredentialKind::Token, id).await },
    )
    .await
}

/// Make a deployment key nobody's
///
/// Machines that used it keep their seats.
#[utoipa::path(
    post,
    path = "/v1/admin/deployment-keys/{id}/revoke",
    operation_id = "revoke_deployment_key",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, description = "Done, now or before.", body = RevokedCredential), ActRefusals),
)]
pub(super) async fn revoke_deployment_key(
    Path(id): Path<String>,
    posted: Posted<Nothing>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Tokens, |call, _: Nothing| async move {
        revoked(&call, CredentialKind::DeploymentKey, id).await
    })
    .await
}
