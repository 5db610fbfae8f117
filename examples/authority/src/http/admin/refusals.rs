//! `GET /v1/admin/refusals`

use std::collections::BTreeMap;

use axum::extract::State;
use nodelock::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{Shared, device::JsonAnswer, problem::Problem},
    Caller,
    description::{ReadRefusals, Refusals},
    lists::{Cursor, OfLicense, Paged},
};
use crate::{
    domain::{RefusalCursor, RefusalRow, Refused, rights::Act},
    service,
};

/// What one device was refused for one reason on one day. What it says of itself are a stranger's words.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct RefusalBody {
    /// `activation` or `check-in`.
    pub(crate) asked: String,
    /// The code of the error that it got.
    pub(crate) error: String,
    /// The same in words.
    pub(crate) reason: String,
    #[schema(format = "date-time")]
    pub(crate) first: String,
    #[schema(format = "date-time")]
    pub(crate) last: String,
    #[schema(minimum = 1)]
    pub(crate) count: u32,
    /// None for a license key that nobody has or had.
    pub(crate) license: Option<String>,
    /// The end of the license key; empty if none came along.
    pub(crate) key_hint: String,
    pub(crate) handle: String,
    pub(crate) device: String,
    pub(crate) machine: BTreeMap<String, String>,
    pub(crate) application: String,
    pub(crate) library: String,
    /// Who handed it in last, as the audit names them.
    pub(crate) actor: String,
    /// From which address; empty for the vendor.
    pub(crate) peer: String,
}

impl From<RefusalRow> for RefusalBody {
    fn from(row: RefusalRow) -> Self {
        let Refused { asked, kind, reason, seat, license, key_hint, device } = row.refused;
        Self {
            asked: asked.name().to_owned(),
            error: kind,
            reason,
            first: row.first.to_string(),
            last: row.last.to_string(),
            count: row.count,
            license: license.map(|license| license.to_string()),
            key_hint,
            handle: seat.handle.to_string(),
            device: seat.device_key.to_string(),
            machine: device.metadata.into_iter().collect(),
            application: device.application,
            library: device.library,
            actor: row.actor,
            peer: row.peer,
        }
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct RefusalPage {
    pub(crate) refusals: Vec<RefusalBody>,
    /// For the next page, in `after`; none after the last.
    pub(crate) next: Option<String>,
}

/// What devices were refused lately, oldest first
///
/// Those of licenses within reach.
#[utoipa::path(
    get,
    path = "/v1/admin/refusals",
    operation_id = "refusals",
    params(Paged, OfLicense),
    responses((status = 200, description = "A page.", body = RefusalPage), ReadRefusals, Refusals),
)]
pub(super) async fn refusals(
    State(server): Shared,
    caller: Caller,
    paged: Paged,
    of: OfLicense,
) -> Result<JsonAnswer<RefusalPage>, Problem> {
    server.service.may(&caller.occasion, Act::ShowRefusals).await?;
    let wrong = || Problem::malformed("`after` is no `next` of a page");
    let after = match paged.after::<(u64, String, String, String)>()? {
        Some((last, _, _, _)) if last > Timestamp::MAX.unix_seconds() => return Err(wrong()),
        Some((last, device, asked, kind)) => Some(RefusalCursor {
            last: Timestamp::from_unix_seconds(last),
            device: device.parse().map_err(|_| wrong())?,
            asked,
            kind,
        }),
        None => None,
    };
    let (most, license) = (paged.limit()?, of.id()?);
    let database = server.service.database();
    let rows = service::refusals_after(database, license, after.as_ref(), most, &caller.occasion).await?;
    let last = rows.last().filter(|_| rows.len() >= most as usize).map(RefusalRow::cursor);
    let place = |last: RefusalCursor| {
        Cursor((last.last.unix_seconds(), last.device.to_string(), last.asked, last.kind)).text()
    };
    let next = last.map(place);
    Ok(JsonAnswer(RefusalPage { refusals: rows.into_iter().map(RefusalBody::from).collect(), next }))
}
