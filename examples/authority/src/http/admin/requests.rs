//! `/v1/admin/requests`: what waits for approval, approved and refused.

use axum::extract::{Path, State};
use nodelock::{
    Timestamp,
    authority::{Approval, Reply, decision::Ruling},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{
        Shared,
        device::JsonAnswer,
        problem::{Details, Problem},
    },
    Caller,
    description::{ActRefusals, ReadRefusals, Refusals},
    lists::{Cursor, OfDevice, OfLicense, Paged},
    once::{JsonText, Posted, once},
    seats::{WhichSeat, choice},
};
use crate::{
    domain::{RequestCursor, RequestRow, rights::Act},
    service::{self, Word},
};

/// A request for a seat that waits for approval, or was approved or refused, and has no seat yet.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct RequestBody {
    pub(crate) handle: String,
    /// The key of its device: two devices may have drawn one handle.
    pub(crate) device: String,
    pub(crate) license: String,
    /// `waiting`, `approved` or `refused`.
    pub(crate) state: String,
    /// When it came first.
    #[schema(format = "date-time")]
    pub(crate) asked: String,
    /// When it was approved or refused.
    #[schema(format = "date-time")]
    pub(crate) ruled: Option<String>,
    /// When the approval ends.
    #[schema(format = "date-time")]
    pub(crate) ends: Option<String>,
    /// Why it was refused, as the customer reads it.
    pub(crate) reason: String,
    /// What its computer is called. Its device says so itself: take it for a stranger's words.
    pub(crate) label: String,
}

impl From<&Approval> for RequestBody {
    fn from(approval: &Approval) -> Self {
        Self {
            handle: approval.name().handle.to_string(),
            device: approval.name().device_key.to_string(),
            license: approval.license_id().to_string(),
            state: approval.state().name().to_owned(),
            asked: approval.asked().to_string(),
            ruled: approval.ruled().map(|time| time.to_string()),
            ends: approval.ends().map(|end| end.to_string()),
            reason: approval.reason().to_owned(),
            label: approval.label().to_owned(),
        }
    }
}

/// The same, and where it came from.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct OneRequest {
    #[serde(flatten)]
    pub(crate) request: RequestBody,
    /// The network that it came from; empty for the vendor.
    pub(crate) peer: String,
}

impl From<&RequestRow> for OneRequest {
    fn from(row: &RequestRow) -> Self {
        Self { request: RequestBody::from(&row.approval), peer: row.peer.clone() }
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct RequestPage {
    pub(crate) requests: Vec<OneRequest>,
    /// For the next page, in `after`; none after the last.
    pub(crate) next: Option<String>,
}

/// Requests that wait for approval, or were approved or refused, those first that changed longest ago
///
/// Those of licenses within reach.
#[utoipa::path(
    get,
    path = "/v1/admin/requests",
    operation_id = "requests",
    params(Paged, OfLicense),
    responses((status = 200, description = "A page.", body = RequestPage), ReadRefusals, Refusals),
)]
pub(super) async fn requests(
    State(server): Shared,
    caller: Caller,
    paged: Paged,
    of: OfLicense,
) -> Result<JsonAnswer<RequestPage>, Problem> {
    server.service.may(&caller.occasion, Act::ShowSeats).await?;
    let wrong = || Problem::malformed("`after` is no `next` of a page");
    let after = match paged.after::<(u64, String)>()? {
        Some((changed, _)) if changed > Timestamp::MAX.unix_seconds() => return Err(wrong()),
        Some((changed, name)) => Some(RequestCursor {
            changed: Timestamp::from_unix_seconds(changed),
            name: name.parse().map_err(|_| wrong())?,
        }),
        None => None,
    };
    let (most, license) = (paged.limit()?, of.id()?);
    let database = server.service.database();
    let rows = service::requests_after(database, license, after.as_ref(), most, &caller.occasion).await?;
    let last = rows.last().filter(|_| rows.len() >= most as usize).map(RequestRow::cursor);
    let next = last.map(|last| Cursor((last.changed.unix_seconds(), last.name.to_string())).text());
    let requests = rows.iter().map(OneRequest::from).collect();
    Ok(JsonAnswer(RequestPage { requests, next }))
}

/// One request
#[utoipa::path(
    get,
    path = "/v1/admin/requests/{handle}",
    operation_id = "request",
    params(("handle" = String, Path), OfDevice),
    responses(
        (status = 200, description = "It.", body = OneRequest),
        (
            status = 409,
            description = "Several devices wait under that handle. Codes: `ambiguous-seat`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        ReadRefusals,
        Refusals,
    ),
)]
pub(super) async fn request(
    State(server): Shared,
    caller: Caller,
    Path(handle): Path<String>,
    of: OfDevice,
) -> Result<JsonAnswer<OneRequest>, Problem> {
    server.service.may(&caller.occasion, Act::ShowSeats).await?;
    let choice = choice(&handle, of.device.as_deref())?;
    let row = service::request(server.service.database(), choice, &caller.occasion).await?;
    Ok(JsonAnswer(OneRequest::from(&row)))
}

/// Which request of a handle, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestRefusal {
    /// Why, for the customer: at most 200 bytes on one line, no word like a license key; may be empty.
    reason: String,
    /// The key of its device, should several wait under that handle.
    device: Option<String>,
}

/// What is decided, for a call that comes again.
fn ruled_by(ruling: &Ruling, _: &Reply) -> Option<RequestBody> {
    match ruling {
        Ruling::Ruled(approval) => Some(RequestBody::from(&**approval)),
        _ => None,
    }
}

/// Approve a request
///
/// It takes no seat by itself: the device gets its license when it asks again, if a seat is free then. An approval ends
/// after 30 days.
#[utoipa::path(
    post,
    path = "/v1/admin/requests/{handle}/approve",
    operation_id = "approve_request",
    params(("handle" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = WhichSeat,
    responses((status = 200, description = "Done, now or before.", body = RequestBody), ActRefusals),
)]
pub(super) async fn approve_request(
    Path(handle): Path<String>,
    posted: Posted<WhichSeat>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Approve, |call, asked: WhichSeat| async move {
        let choice = choice(&handle, asked.device.as_deref())?;
        call.keep_along_of(ruled_by);
        let approval = call.server.service.rule(choice, Word::Approve, &call.caller.occasion).await?;
        Ok(RequestBody::from(&approval))
    })
    .await
}

/// Refuse a request
///
/// Its device hears so, with the reason, when it asks again. An approval is taken back by this until the device has its
/// seat.
#[utoipa::path(
    post,
    path = "/v1/admin/requests/{handle}/refuse",
    operation_id = "refuse_request",
    params(("handle" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = RequestRefusal,
    responses((status = 200, description = "Done, now or before.", body = RequestBody), ActRefusals),
)]
pub(super) async fn refuse_request(
    Path(handle): Path<String>,
    posted: Posted<RequestRefusal>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Approve, |call, asked: RequestRefusal| async move {
        let choice = choice(&handle, asked.device.as_deref())?;
        call.keep_along_of(ruled_by);
        let word = Word::Refuse(&asked.reason);
        let approval = call.server.service.rule(choice, word, &call.caller.occasion).await?;
        Ok(RequestBody::from(&approval))
    })
    .await
}
