//! `POST /v1/admin/sessions` and `DELETE /v1/admin/sessions/current`: people sign in and out.

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{
    super::{
        Shared,
        body::Json,
        device::{JsonAnswer, finish},
        peer::Peer,
        problem::{Details, Problem},
    },
    Caller,
    description::{BodyRefusals, Refusals},
};
use crate::domain::Who;

#[derive(Deserialize, ToSchema)]
pub(super) struct Credentials {
    account: String,
    password: String,
    /// Of the second factor, or a recovery code.
    code: String,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(super) struct Session {
    /// For the header `Authorization: Bearer`. It ends after half an hour without a call.
    token: String,
    /// When it ends in any case.
    #[schema(format = "date-time")]
    ends: String,
    account: String,
    role: &'static str,
}

/// Sign in
#[utoipa::path(
    post,
    path = "/v1/admin/sessions",
    operation_id = "sign_in",
    request_body = Credentials,
    security(()),
    responses(
        (status = 200, description = "Done.", body = Session),
        (
            status = 401,
            description = "The name, the password or the code is wrong. Codes: `sign-in-refused`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 429,
            description = "Too many attempts at that account from here. Codes: `too-many-attempts`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        BodyRefusals,
    ),
)]
pub(super) async fn sign_in(
    State(server): Shared,
    peer: Peer,
    Json(credentials): Json<Credentials>,
) -> Result<JsonAnswer<Session>, Problem> {
    finish(async move {
        let Credentials { account, password, code } = credentials;
        let (password, code) = (Zeroizing::new(password), Zeroizing::new(code));
        let now = peer.occasion().time;
        let signed_in = server.service.sign_in(&account, password, code, peer.0, now).await?;
        let role = match &signed_in.who {
            Who::Account { role, .. } => role.name(),
            _ => "",
        };
        let (token, ends) = (signed_in.token.to_string(), signed_in.ends.to_string());
        Ok(JsonAnswer(Session { token, ends, account, role }))
    })
    .await
}

/// Sign out
///
/// The session's token is nobody's from here on. Tokens of programs stay; `authority token revoke` ends those.
#[utoipa::path(
    delete,
    path = "/v1/admin/sessions/current",
    operation_id = "sign_out",
    responses((status = 204, description = "Done."), Refusals),
)]
pub(super) async fn sign_out(State(server): Shared, caller: Caller) -> Result<StatusCode, Problem> {
    finish(async move {
        server.service.sign_out(&caller.secret, &caller.occasion).await?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
