//! `GET /v1/admin/events`

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{Shared, device::JsonAnswer, problem::Problem},
    Caller,
    description::{ReadRefusals, Refusals},
    lists::{Cursor, OfLicense, Paged},
};
use crate::{
    domain::{EventRow, rights::Act},
    service,
};

/// Something that happened to a license.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) license: String,
    /// From 1 on, for each license.
    pub(crate) sequence: u32,
    #[schema(format = "date-time")]
    pub(crate) at: String,
    pub(crate) r#type: String,
    /// The seat that it happened to, with the state that it was in and is in.
    pub(crate) handle: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
}

impl From<&EventRow> for Event {
    fn from(row: &EventRow) -> Self {
        Self {
            id: row.id.clone(),
            license: row.license.to_string(),
            sequence: row.sequence,
            at: row.at.to_string(),
            r#type: row.kind.clone(),
            handle: row.seat.map(|seat| seat.handle.to_string()),
            device: row.seat.map(|seat| seat.device_key.to_string()),
            from: row.from.clone(),
            to: row.to.clone(),
        }
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Events {
    pub(crate) events: Vec<Event>,
    /// For the next page, in `after`; there is one after the last event too. Of all licenses, what was being entered
    /// at the time of a call may come before it and is missed then. Webhooks miss nothing, and neither do the events of
    /// one license, `?license=`, which are in the order of their sequence.
    pub(crate) next: Option<String>,
}

/// What happened to licenses, oldest first
///
/// The events of one license are for everybody who may see the license.
#[utoipa::path(
    get,
    path = "/v1/admin/events",
    operation_id = "events",
    params(OfLicense, Paged),
    responses((status = 200, description = "A page.", body = Events), ReadRefusals, Refusals),
)]
pub(super) async fn events(
    State(server): Shared,
    caller: Caller,
    of: OfLicense,
    paged: Paged,
) -> Result<JsonAnswer<Events>, Problem> {
    let license = of.id()?;
    let act = if license.is_some() { Act::ShowLicenses } else { Act::ShowAudit };
    server.service.may(&caller.occasion, act).await?;
    let after = paged.after::<String>()?.unwrap_or_default();
    let database = server.service.database();
    let page = service::events_after(database, license, &after, paged.limit()?, &caller.occasion).await?;
    let next = page.place().map(str::to_owned).or((!after.is_empty()).then_some(after));
    let rows = page.whole()?;
    Ok(JsonAnswer(Events {
        events: rows.iter().map(Event::from).collect(),
        next: next.map(|id| Cursor(id).text()),
    }))
}
