//! `GET /v1/admin/audit`

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{Shared, device::JsonAnswer, problem::Problem},
    Caller,
    description::{ReadRefusals, Refusals},
    lists::{Cursor, Paged},
};
use crate::{
    domain::{AuditRow, rights::Act},
    service,
};

/// Who did what, and where that took a seat.
#[derive(Serialize, ToSchema)]
pub(super) struct Line {
    #[schema(format = "date-time")]
    at: String,
    actor: String,
    action: String,
    license: Option<String>,
    handle: Option<String>,
    device: Option<String>,
    from: Option<String>,
    to: Option<String>,
    detail: String,
}

impl From<&AuditRow> for Line {
    fn from(row: &AuditRow) -> Self {
        Self {
            at: row.at.to_string(),
            actor: row.actor.clone(),
            action: row.action.clone(),
            license: row.license.map(|license| license.to_string()),
            handle: row.handle.map(|handle| handle.to_string()),
            device: row.device.map(|device| device.to_string()),
            from: row.from.clone(),
            to: row.to.clone(),
            detail: row.detail.clone(),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct Audit {
    lines: Vec<Line>,
    /// For the next page, in `after`. There is one after the last line too: what happens later comes behind it.
    next: Option<String>,
}

/// The audit, oldest first
#[utoipa::path(
    get,
    path = "/v1/admin/audit",
    operation_id = "audit",
    params(Paged),
    responses((status = 200, description = "A page.", body = Audit), ReadRefusals, Refusals),
)]
pub(super) async fn audit(
    State(server): Shared,
    caller: Caller,
    paged: Paged,
) -> Result<JsonAnswer<Audit>, Problem> {
    server.service.may(&caller.occasion, Act::ShowAudit).await?;
    let after = paged.after()?.map(|cursor| cursor.part::<String>(0)).transpose()?.unwrap_or_default();
    let database = server.service.database();
    let rows = service::audit_after(database, &after, paged.limit()?, &caller.occasion).await?;
    let next = rows.last().map(|row| row.id.clone()).or((!after.is_empty()).then_some(after));
    Ok(JsonAnswer(Audit {
        lines: rows.iter().map(Line::from).collect(),
        next: next.map(|id| Cursor::text([id])),
    }))
}
