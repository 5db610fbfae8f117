//! `GET /v1/admin/me`

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{device::JsonAnswer, problem::Problem},
    Caller,
    description::Refusals,
};
use crate::domain::{
    Who,
    rights::{Act, ask},
};

/// Who calls, and what that one may do.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    /// As the audit names it: `account:`, `token:` or `deployment-key:`, and a name or an id.
    actor: String,
    /// Of a person.
    role: Option<&'static str>,
    /// Of a program.
    scopes: Option<Vec<&'static str>>,
    /// The only product that a program's token is for.
    product: Option<String>,
    /// The acts that are within the rights, with everything or with a part of it.
    acts: Vec<&'static str>,
}

/// Who calls
#[utoipa::path(
    get,
    path = "/v1/admin/me",
    operation_id = "me",
    responses((status = 200, description = "It.", body = Me), Refusals),
)]
pub(super) async fn me(caller: Caller) -> Result<JsonAnswer<Me>, Problem> {
    let may = |act: &&Act| ask(&caller.occasion, **act).is_ok();
    let acts = Act::ALL.iter().filter(may).map(|act| act.name()).collect();
    let who = caller.who();
    let actor = who.map(Who::to_string).unwrap_or_default();
    let (role, scopes, product) = match who {
        Some(Who::Account { role, .. }) => (Some(role.name()), None, None),
        Some(Who::Token { scopes, product, .. }) => {
            (None, Some(scopes.iter().map(|scope| scope.name()).collect()), product.clone())
        }
        Some(Who::DeploymentKey { .. }) | None => (None, None, None),
    };
    Ok(JsonAnswer(Me { actor, role, scopes, product, acts }))
}
