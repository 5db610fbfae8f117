//! `GET /v1/admin/audit` and `GET /v1/admin/audit:verify`

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
    domain::{AuditRow, Finding, hex, rights::Act},
    service::{self, VerifiedAudit},
};

/// Who did what, and where that took a seat.
#[derive(Serialize, ToSchema)]
pub(super) struct Line {
    #[schema(format = "date-time")]
    at: String,
    actor: String,
    /// Of a person of the vendor's.
    role: Option<String>,
    /// The address that it came from.
    peer: Option<String>,
    action: String,
    license: Option<String>,
    handle: Option<String>,
    device: Option<String>,
    from: Option<String>,
    to: Option<String>,
    detail: String,
    /// What else is about a person.
    personal: Option<String>,
}

impl From<&AuditRow> for Line {
    fn from(row: &AuditRow) -> Self {
        Self {
            at: row.at.to_string(),
            actor: row.actor.clone(),
            role: row.role.clone(),
            peer: row.peer.clone(),
            action: row.action.clone(),
            license: row.license.map(|license| license.to_string()),
            handle: row.handle.map(|handle| handle.to_string()),
            device: row.device.map(|device| device.to_string()),
            from: row.from.clone(),
            to: row.to.clone(),
            detail: row.detail.clone(),
            personal: row.personal.clone(),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct Audit {
    lines: Vec<Line>,
    /// For the next page, in `after`; there is one after the last line too. What was being entered at the time of a
    /// call may come before it and is missed then. Webhooks miss nothing of what happens to licenses, and neither do
    /// the events of one, `/v1/admin/events?license=`.
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
    let after = paged.after::<String>()?.unwrap_or_default();
    let database = server.service.database();
    let page = service::audit_after(database, &after, paged.limit()?, &caller.occasion).await?;
    let next = page.place().map(str::to_owned).or((!after.is_empty()).then_some(after));
    let rows = page.whole()?;
    Ok(JsonAnswer(Audit {
        lines: rows.iter().map(Line::from).collect(),
        next: next.map(|id| Cursor(id).text()),
    }))
}

/// Something in the audit that is not as it was sealed.
#[derive(Serialize, ToSchema)]
pub(super) struct Broken {
    table: String,
    column: Option<String>,
    /// A seal by its number, or a line by its id.
    row: Option<String>,
    detail: String,
}

/// A seal that stands for all before it.
#[derive(Serialize, ToSchema)]
pub(super) struct Newest {
    number: u64,
    #[schema(format = "date-time")]
    at: String,
    /// 64 hex digits. One that is kept elsewhere tells later whether the chain was made anew.
    digest: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Chain {
    seals: u64,
    /// How many lines they have.
    lines: u64,
    /// How many lines have no seal yet.
    unsealed: u64,
    newest: Option<Newest>,
    found: u64,
    /// The first of what was found.
    findings: Vec<Broken>,
}

/// Whether every line of the audit is as it was sealed
#[utoipa::path(
    get,
    path = "/v1/admin/audit:verify",
    operation_id = "verify_audit",
    responses((status = 200, description = "What was looked at and found.", body = Chain), Refusals),
)]
pub(super) async fn verify_audit(
    State(server): Shared,
    caller: Caller,
) -> Result<JsonAnswer<Chain>, Problem> {
    let VerifiedAudit { chain, findings, found } =
        service::verify_audit(server.service.database(), &[], &caller.occasion).await?;
    let broken = |Finding { table, column, row, detail, .. }| Broken { table, column, row, detail };
    Ok(JsonAnswer(Chain {
        seals: chain.seals,
        lines: chain.lines,
        unsealed: chain.unsealed,
        newest: chain.newest.map(|newest| Newest {
            number: newest.number,
            at: newest.at.to_string(),
            digest: hex(&newest.digest()),
        }),
        found,
        findings: findings.into_iter().map(broken).collect(),
    }))
}
