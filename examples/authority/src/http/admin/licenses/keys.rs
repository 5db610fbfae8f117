//! The keys of a license: `/v1/admin/licenses/{id}/keys`, and one in place of all.

use std::sync::{Mutex, PoisonError};

use axum::extract::{Path, State};
use nodelock::{ErrorKind, LicenseId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{
        super::{Shared, device::JsonAnswer, problem::Problem},
        Caller,
        description::{ActRefusals, ReadRefusals, Refusals},
        once::{Call, JsonText, Nothing, Posted, once},
    },
    license_id, text,
};
use crate::{
    domain::{KeyRow, LicenseHint, rights::Act},
    service::{self, InPlaceOf},
};

/// A key of a license, without the key itself.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Key)]
pub(crate) struct KeyBody {
    /// Its end.
    pub(crate) key_hint: String,
    #[schema(format = "date-time")]
    pub(crate) created: String,
    /// Since when it activates nothing any more.
    #[schema(format = "date-time")]
    pub(crate) revoked: Option<String>,
    /// Whether it can be shown again.
    pub(crate) kept: bool,
}

impl From<&KeyRow> for KeyBody {
    fn from(row: &KeyRow) -> Self {
        Self {
            key_hint: row.hint.clone(),
            created: row.created.to_string(),
            revoked: text(row.revoked),
            kept: row.sealed.is_some(),
        }
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct KeysBody {
    pub(crate) keys: Vec<KeyBody>,
}

/// The keys that a license has or had, oldest first
#[utoipa::path(
    get,
    path = "/v1/admin/licenses/{id}/keys",
    operation_id = "keys",
    params(("id" = String, Path)),
    responses((status = 200, description = "All of them.", body = KeysBody), ReadRefusals, Refusals),
)]
pub(in super::super) async fn keys(
    State(server): Shared,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<JsonAnswer<KeysBody>, Problem> {
    server.service.may(&caller.occasion, Act::ShowLicenses).await?;
    let id = license_id(&id)?;
    let view = service::license(server.service.database(), id, &caller.occasion).await?;
    Ok(JsonAnswer(KeysBody { keys: view.keys.iter().map(KeyBody::from).collect() }))
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ShownKey {
    pub(crate) id: String,
    /// Shown to the call that made it, however often that is made, for a week.
    pub(crate) key: String,
}

/// Which key is new.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NewKey {
    /// A license key that exists already; a new one is made if it is left out.
    #[schema(nullable = false)]
    key: Option<String>,
}

/// Which key is new, and in place of which.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Rekey {
    /// A license key that exists already; a new one is made if it is left out.
    #[schema(nullable = false)]
    key: Option<String>,
    /// The end of the only key that it takes the place of; of all of them if it is left out.
    #[schema(nullable = false)]
    hint: Option<String>,
}

async fn new_key(
    call: &Call,
    id: LicenseId,
    new: (Option<&str>, InPlaceOf<'_>),
) -> Result<ShownKey, Problem> {
    let made = Mutex::new(None);
    let hand_over = |key: &str| {
        let new = ShownKey { id: id.to_string(), key: key.to_owned() };
        call.keep_along(&new)?;
        *made.lock().unwrap_or_else(PoisonError::into_inner) = Some(new);
        Ok(())
    };
    let (database, vault) = (call.server.service.database(), call.server.service.vault());
    service::rekey(database, vault, id, new, hand_over, &call.caller.occasion).await?;
    let made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    made.ok_or_else(|| Problem::of(ErrorKind::ServerFailed))
}

/// Give a license a new key
///
/// The old ones activate nothing any more. Devices keep their seats.
#[utoipa::path(
    post,
    path = "/v1/admin/licenses/{id}/rekey",
    operation_id = "rekey",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = Rekey,
    responses((status = 200, description = "Done, now or before.", body = ShownKey), ActRefusals),
)]
pub(in super::super) async fn rekey(
    Path(id): Path<String>,
    posted: Posted<Rekey>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Rekey, |call, Rekey { key, hint }: Rekey| async move {
        let place = hint.as_deref().map_or(InPlaceOf::All, InPlaceOf::Ending);
        new_key(&call, license_id(&id)?, (key.as_deref(), place)).await
    })
    .await
}

/// Give a license one key more
#[utoipa::path(
    post,
    path = "/v1/admin/licenses/{id}/keys",
    operation_id = "add_key",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = NewKey,
    responses((status = 200, description = "Done, now or before.", body = ShownKey), ActRefusals),
)]
pub(in super::super) async fn add_key(
    Path(id): Path<String>,
    posted: Posted<NewKey>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Rekey, |call, NewKey { key }: NewKey| async move {
        new_key(&call, license_id(&id)?, (key.as_deref(), InPlaceOf::None)).await
    })
    .await
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct RevokedKey {
    pub(crate) id: String,
    pub(crate) key_hint: String,
}

/// Have a key activate nothing any more
///
/// With none in its place. Devices keep their seats.
#[utoipa::path(
    post,
    path = "/v1/admin/licenses/{id}/keys/{hint}/revoke",
    operation_id = "revoke_key",
    params(
        ("id" = String, Path),
        ("hint" = String, Path, description = "The end of the key."),
        ("Idempotency-Key" = String, Header),
    ),
    responses((status = 200, description = "Done, now or before.", body = RevokedKey), ActRefusals),
)]
pub(in super::super) async fn revoke_key(
    Path((id, hint)): Path<(String, String)>,
    posted: Posted<Nothing>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Rekey, |call, _: Nothing| async move {
        let id = license_id(&id)?;
        let database = call.server.service.database();
        let answer = |hint: &str| RevokedKey { id: id.to_string(), key_hint: hint.to_owned() };
        let hand_over = |hint: &str| call.keep_along(&answer(hint));
        let hint = service::revoke_key(database, id, &hint, hand_over, &call.caller.occasion).await?;
        Ok(answer(&hint))
    })
    .await
}

/// Show a key once more
///
/// To send it again. It is noted in the audit, for each call under a key of its own.
#[utoipa::path(
    post,
    path = "/v1/admin/licenses/{id}/keys/{hint}/show",
    operation_id = "show_key",
    params(
        ("id" = String, Path),
        ("hint" = String, Path, description = "The end of the key."),
        ("Idempotency-Key" = String, Header),
    ),
    responses((status = 200, description = "It.", body = ShownKey), ActRefusals),
)]
pub(in super::super) async fn show_key(
    Path((id, hint)): Path<(String, String)>,
    posted: Posted<Nothing>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Rekey, |call, _: Nothing| async move {
        let id = license_id(&id)?;
        let (database, vault) = (call.server.service.database(), call.server.service.vault());
        let key = service::kept_key(database, vault, id, Some(&hint), &call.caller.occasion).await?;
        Ok(ShownKey { id: id.to_string(), key: key.to_string() })
    })
    .await
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct SentKey {
    pub(crate) id: String,
    pub(crate) key_hint: String,
}

impl From<&LicenseHint> for SentKey {
    fn from(sent: &LicenseHint) -> Self {
        Self { id: sent.id.to_string(), key_hint: sent.key_hint.clone() }
    }
}

/// Have the license's customer be mailed a key
///
/// Nobody else sees it. A server that has a program for mails sends it; `/v1/admin/mails` says what became of that.
#[utoipa::path(
    post,
    path = "/v1/admin/licenses/{id}/keys/{hint}/send",
    operation_id = "send_key",
    params(
        ("id" = String, Path),
        ("hint" = String, Path, description = "The end of the key."),
        ("Idempotency-Key" = String, Header),
    ),
    responses((status = 200, description = "It is on its way, now or before.", body = SentKey), ActRefusals),
)]
pub(in super::super) async fn send_key(
    Path((id, hint)): Path<(String, String)>,
    posted: Posted<Nothing>,
) -> Result<JsonText, Problem> {
    once(posted, Act::SendKey, |call, _: Nothing| async move {
        let id = license_id(&id)?;
        let hand_over = |sent: &LicenseHint| call.keep_along(&SentKey::from(sent));
        let (database, occasion) = (call.server.service.database(), &call.caller.occasion);
        let sent = service::send_key(database, id, Some(&hint), hand_over, occasion).await?;
        Ok(SentKey::from(&sent))
    })
    .await
}
