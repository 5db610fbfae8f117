//! `GET /v1/admin/audit` and `GET /v1/admin/audit:verify`

use axum::{
    extract::{FromRequestParts, State},
    http::request::Parts,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    super::{Shared, device::JsonAnswer, problem::Problem},
    Caller,
    description::{ReadRefusals, Refusals},
    lists::{Cursor, Latest, Paged, members},
};
use crate::{
    domain::{AuditRow, Digest, Finding, hex, read_hex, rights::Act},
    service::{self, Kept, VerifiedAudit},
};

/// How many digests a call may have.
const MOST_DIGESTS: usize = 100;

/// Who did what, and where that took a seat.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Line {
    #[schema(format = "date-time")]
    pub(crate) at: String,
    pub(crate) actor: String,
    /// Of a person of the vendor's.
    pub(crate) role: Option<String>,
    /// The address that it came from.
    pub(crate) peer: Option<String>,
    pub(crate) action: String,
    pub(crate) license: Option<String>,
    pub(crate) handle: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) detail: String,
    /// What else is about a person.
    pub(crate) personal: Option<String>,
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

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Audit {
    pub(crate) lines: Vec<Line>,
    /// For the next page, in `after`; there is one after the last line too. What was being entered at the time of a
    /// call may come before it and is missed then. Webhooks miss nothing of what happens to licenses, and neither do
    /// the events of one, `/v1/admin/events?license=`.
    pub(crate) next: Option<String>,
}

/// The audit, oldest first
#[utoipa::path(
    get,
    path = "/v1/admin/audit",
    operation_id = "audit",
    params(Paged, Latest),
    responses((status = 200, description = "A page.", body = Audit), ReadRefusals, Refusals),
)]
pub(super) async fn audit(
    State(server): Shared,
    caller: Caller,
    paged: Paged,
    latest: Latest,
) -> Result<JsonAnswer<Audit>, Problem> {
    server.service.may(&caller.occasion, Act::ShowAudit).await?;
    let (after, database) = (paged.after::<String>()?, server.service.database());
    let after = match (after, latest.lines()) {
        (None, Some(lines)) => service::audit_before_latest(database, lines, &caller.occasion).await?,
        (after, _) => after.unwrap_or_default(),
    };
    let page = service::audit_after(database, &after, paged.limit()?, &caller.occasion).await?;
    let next = page.place().map(str::to_owned).or((!after.is_empty()).then_some(after));
    let rows = page.whole()?;
    Ok(JsonAnswer(Audit {
        lines: rows.iter().map(Line::from).collect(),
        next: next.map(|id| Cursor(id).text()),
    }))
}

/// Something in the audit that is not as it was sealed.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Broken {
    pub(crate) table: String,
    pub(crate) column: Option<String>,
    /// A seal by its number, or a line by its id.
    pub(crate) row: Option<String>,
    pub(crate) detail: String,
}

/// A seal that stands for all before it.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Newest {
    pub(crate) number: u64,
    #[schema(format = "date-time")]
    pub(crate) at: String,
    /// 64 hex digits. One that is kept elsewhere tells later whether the chain was made anew.
    pub(crate) digest: String,
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Chain {
    pub(crate) seals: u64,
    /// How many lines they have.
    pub(crate) lines: u64,
    /// How many lines have no seal yet.
    pub(crate) unsealed: u64,
    pub(crate) newest: Option<Newest>,
    pub(crate) found: u64,
    /// The first of what was found.
    pub(crate) findings: Vec<Broken>,
}

impl From<VerifiedAudit> for Chain {
    fn from(VerifiedAudit { chain, findings, found }: VerifiedAudit) -> Self {
        let broken = |Finding { table, column, row, detail, .. }| Broken { table, column, row, detail };
        let newest = chain.newest.map(|newest| Newest {
            number: newest.number,
            at: newest.at.to_string(),
            digest: hex(&newest.digest()),
        });
        let findings = findings.into_iter().map(broken).collect();
        Self { seals: chain.seals, lines: chain.lines, unsealed: chain.unsealed, newest, found, findings }
    }
}

/// Digests of the chain that were kept.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Digests {
    /// One that was kept, 64 hex digits: it must still be there. It may be said up to 100 times.
    #[param(value_type = Option<String>)]
    digest: Vec<Digest>,
}

impl<S: Sync> FromRequestParts<S> for Digests {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let said = members(parts).filter(|(name, _)| *name == "digest").map(|(_, value)| read_hex(value));
        let digest: Option<Vec<Digest>> = said.take(MOST_DIGESTS + 1).collect();
        match digest.filter(|digests| digests.len() <= MOST_DIGESTS) {
            Some(digest) => Ok(Self { digest }),
            None => Err(Problem::malformed("`digest` is 64 hex digits, and said at most 100 times")),
        }
    }
}

/// Whether every line of the audit is as it was sealed
#[utoipa::path(
    get,
    path = "/v1/admin/audit:verify",
    operation_id = "verify_audit",
    params(Digests),
    responses((status = 200, description = "What was looked at and found.", body = Chain), ReadRefusals, Refusals),
)]
pub(super) async fn verify_audit(
    State(server): Shared,
    caller: Caller,
    Digests { digest }: Digests,
) -> Result<JsonAnswer<Chain>, Problem> {
    server.service.may(&caller.occasion, Act::Verify).await?;
    let kept: Vec<Kept> =
        digest.into_iter().map(|digest| Kept { by: "somebody".to_owned(), digest }).collect();
    let database = server.service.database();
    Ok(JsonAnswer(service::verify_audit(database, &kept, &caller.occasion).await?.into()))
}
