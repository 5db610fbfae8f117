//! `POST /v1/admin/licenses/{id}/counters/{counter}/reset`: allowances are used up anew, or there are extra ones.

use axum::extract::Path;
use nodelock::{
    Timestamp,
    authority::{
        Allowance, LicenseRecord,
        decision::{Allow, Ruling},
    },
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{
        super::problem::Problem,
        description::ActRefusals,
        once::{JsonText, Posted, once},
    },
    change::reason,
    license_id,
};
use crate::domain::rights::Act;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Reset {
    /// So many extra ones until the next period, in place of those that were granted before; what was used up stays
    /// used up. All of the allowance counts anew where it is left out.
    #[schema(minimum = 1)]
    extra: Option<u32>,
    /// Why, for the audit.
    #[schema(max_length = 1024)]
    reason: String,
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Counter {
    pub(crate) license: String,
    #[schema(examples("deactivations"))]
    pub(crate) counter: String,
    /// In the present period; null is without limit.
    pub(crate) allowed: Option<u32>,
    pub(crate) used: u32,
    pub(crate) left: Option<u32>,
}

impl Counter {
    pub(crate) fn of(license: &LicenseRecord, of: Allowance, now: Timestamp) -> Self {
        let balance = license.balance(of, now);
        Self {
            license: license.terms.id.to_string(),
            counter: of.name().to_owned(),
            allowed: balance.allowed,
            used: balance.used,
            left: balance.left(),
        }
    }
}

/// Let a license use an allowance up anew, or grant extra ones
///
/// The same again changes nothing. Seats stay as they are.
#[utoipa::path(
    post,
    path = "/v1/admin/licenses/{id}/counters/{counter}/reset",
    operation_id = "reset_counter",
    params(
        ("id" = String, Path),
        ("counter" = String, Path, description = "`activations` or `deactivations`."),
        ("Idempotency-Key" = String, Header),
    ),
    request_body = Reset,
    responses((status = 200, description = "Done, now or before.", body = Counter), ActRefusals),
)]
pub(in super::super) async fn reset_counter(
    Path((id, counter)): Path<(String, String)>,
    posted: Posted<Reset>,
) -> Result<JsonText, Problem> {
    once(posted, Act::ResetCounters, |call, reset: Reset| async move {
        let id = license_id(&id)?;
        let of = Allowance::ALL.into_iter().find(|of| of.name() == counter);
        let of = of.ok_or_else(|| Problem::malformed("the address names no counter"))?;
        let allow = match reset.extra {
            Some(0) => return Err(Problem::malformed("`extra` is from 1 on")),
            extra => extra.map_or(Allow::Reset, Allow::Extra),
        };
        let reason = reason(reset.reason)?;
        let (service, occasion) = (&call.server.service, &call.caller.occasion);
        let now = occasion.time;
        call.keep_along_of(move |ruling, _| match ruling {
            Ruling::Allowed(license) => Some(Counter::of(license, of, now)),
            _ => None,
        });
        Ok(Counter::of(&service.allow(id, of, allow, &reason, occasion).await?, of, now))
    })
    .await
}
