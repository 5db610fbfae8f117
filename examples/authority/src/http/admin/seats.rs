//! `/v1/admin/seats`: shown, released, returned, their trials extended.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use nodelock::{
    License, Timestamp,
    authority::{Reply, Seat, decision::Ruling},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{
        Shared,
        device::{JsonAnswer, Message},
        problem::Problem,
    },
    Caller,
    description::{ActRefusals, ReadRefusals, Refusals},
    licenses::change::extension,
    lists::{Filtered, Paged, next},
    once::{JsonText, Posted, once},
};
use crate::{
    domain::{SeatChoice, SeatRow, filter::List, rights::Act},
    service,
};

/// A seat as it is now.
#[derive(Serialize, ToSchema)]
pub(super) struct SeatBody {
    handle: String,
    /// The key of its device: two devices may have drawn one handle.
    device: String,
    license: Option<String>,
    state: &'static str,
    /// Whether it counts no longer, because its use ended too long ago.
    lapsed: bool,
    #[schema(format = "date-time")]
    granted: String,
    #[schema(format = "date-time")]
    changed: String,
    /// When its device last spoke.
    #[schema(format = "date-time")]
    last_contact: String,
    /// When its use ends.
    #[schema(format = "date-time")]
    ends: Option<String>,
    /// On how many days its device spoke after the seat was released.
    came_back: u32,
    /// When it did so last, to the day.
    #[schema(format = "date-time")]
    came_back_at: Option<String>,
    /// What its computer is called. Its device says so itself: take it for a stranger's words.
    label: String,
    /// What its device and application say of it, such as `computer`, `system` and `architecture`: a stranger's words,
    /// too.
    machine: BTreeMap<String, String>,
    application: String,
}

impl From<&SeatRow> for SeatBody {
    fn from(row: &SeatRow) -> Self {
        Self {
            handle: row.handle.to_string(),
            device: row.device_key.to_string(),
            license: row.license.map(|license| license.to_string()),
            state: row.state.name(),
            lapsed: row.lapsed,
            granted: row.granted.to_string(),
            changed: row.changed.to_string(),
            last_contact: row.contact.to_string(),
            ends: row.ends.map(|end: Timestamp| end.to_string()),
            came_back: row.came_back,
            came_back_at: row.came_back_at.map(|time| time.to_string()),
            label: row.label.clone(),
            machine: row.device.pairs().into_iter().collect(),
            application: row.device.application.clone(),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct Seats {
    seats: Vec<SeatBody>,
    /// For the next page, in `after`; none after the last. With a filter, a page that is short or empty may have one.
    next: Option<String>,
}

/// Seats, oldest first
///
/// Those within reach. With a term about a time or a beginning, in the order of that. Fields of a filter: `product`,
/// `license`, `state`, `label`, `granted`, `last_contact`, `came_back`; `came_back:yes` is for the machines that came
/// back after the release of their seats.
#[utoipa::path(
    get,
    path = "/v1/admin/seats",
    operation_id = "seats",
    params(Paged, Filtered),
    responses((status = 200, description = "A page.", body = Seats), ReadRefusals, Refusals),
)]
pub(super) async fn seats(
    State(server): Shared,
    caller: Caller,
    paged: Paged,
    filtered: Filtered,
) -> Result<JsonAnswer<Seats>, Problem> {
    server.service.may(&caller.occasion, Act::ShowSeats).await?;
    let wanted = paged.of(filtered.read(List::Seats)?)?;
    let (rows, place) = service::seats_after(server.service.database(), wanted, &caller.occasion).await?;
    Ok(JsonAnswer(Seats { seats: rows.iter().map(SeatBody::from).collect(), next: next(place) }))
}

/// Which seat of a handle, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Release {
    /// Why, in words that the customer will read.
    reason: String,
    /// The key of its device, should several have a seat of that handle.
    device: Option<String>,
}

/// Which seat of a handle.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichSeat {
    /// The key of its device, should several have a seat of that handle.
    pub(super) device: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Freed {
    handle: String,
    /// What the seat is now.
    state: &'static str,
    /// For its device, should it speak up; none where that gave the seat up itself.
    revocation: Option<Message>,
}

fn freed(seat: &Seat, revocation: Option<Message>) -> Freed {
    Freed { handle: seat.handle().to_string(), state: seat.state().name(), revocation }
}

/// The same of what is decided.
fn freed_by(ruling: &Ruling, reply: &Reply) -> Option<Freed> {
    match ruling {
        Ruling::Revoked(seat) | Ruling::Returned(seat) => {
            Some(freed(seat, reply.revocation.as_ref().map(Message::from)))
        }
        _ => None,
    }
}

pub(super) fn choice(handle: &str, device: Option<&str>) -> Result<SeatChoice, Problem> {
    let handle = handle.parse().map_err(|_| Problem::malformed("the address holds no handle"))?;
    let device = device.map(str::parse).transpose();
    Ok(SeatChoice { handle, device: device.map_err(|_| Problem::malformed("`device` is no key"))? })
}

/// Free the seat of a computer that is gone
///
/// Its device stops when it checks in, and at the end of its lease in any case.
#[utoipa::path(
    post,
    path = "/v1/admin/seats/{handle}/release",
    operation_id = "release",
    params(("handle" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = Release,
    responses((status = 200, description = "Done, now or before.", body = Freed), ActRefusals),
)]
pub(super) async fn release(
    Path(handle): Path<String>,
    posted: Posted<Release>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Release, |call, asked: Release| async move {
        let choice = choice(&handle, asked.device.as_deref())?;
        let (service, occasion) = (&call.server.service, &call.caller.occasion);
        call.keep_along_of(freed_by);
        let (seat, revocation) = service.release(choice, &asked.reason, occasion).await?;
        Ok(freed(&seat, revocation.as_ref().map(Message::from)))
    })
    .await
}

/// Return a held seat to the pool
#[utoipa::path(
    post,
    path = "/v1/admin/seats/{handle}/return",
    operation_id = "return_held",
    params(("handle" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = WhichSeat,
    responses((status = 200, description = "Done, now or before.", body = Freed), ActRefusals),
)]
pub(super) async fn return_held(
    Path(handle): Path<String>,
    posted: Posted<WhichSeat>,
) -> Result<JsonText, Problem> {
    once(posted, Act::ReturnHeld, |call, asked: WhichSeat| async move {
        let choice = choice(&handle, asked.device.as_deref())?;
        call.keep_along_of(freed_by);
        let seat = call.server.service.return_held(choice, &call.caller.occasion).await?;
        Ok(freed(&seat, None))
    })
    .await
}

/// A license for a seat.
#[derive(Serialize, ToSchema)]
pub(super) struct Issued {
    handle: String,
    revision: u32,
    #[schema(format = "date-time")]
    lease_until: Option<String>,
    /// For its device.
    license: Message,
}

impl From<&License> for Issued {
    fn from(license: &License) -> Self {
        Self {
            handle: license.handle.to_string(),
            revision: license.revision,
            lease_until: license.lease_until.map(|end| end.to_string()),
            license: license.into(),
        }
    }
}

/// The same of what is signed for a decision.
fn issued_by(_: &Ruling, reply: &Reply) -> Option<Issued> {
    reply.license.as_ref().map(Issued::from)
}

/// Take the release of a seat back
///
/// While its device has not heard of it, and a seat is free.
#[utoipa::path(
    post,
    path = "/v1/admin/seats/{handle}/unrelease",
    operation_id = "unrelease",
    params(("handle" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = WhichSeat,
    responses((status = 200, description = "Done, now or before.", body = Issued), ActRefusals),
)]
pub(super) async fn unrelease(
    Path(handle): Path<String>,
    posted: Posted<WhichSeat>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Release, |call, asked: WhichSeat| async move {
        let choice = choice(&handle, asked.device.as_deref())?;
        call.keep_along_of(issued_by);
        Ok(Issued::from(&call.server.service.unrelease(choice, &call.caller.occasion).await?))
    })
    .await
}

/// Issue a new license for an active seat
///
/// For a device that does not check in.
#[utoipa::path(
    post,
    path = "/v1/admin/seats/{handle}/renew",
    operation_id = "renew",
    params(("handle" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = WhichSeat,
    responses((status = 200, description = "Done, now or before.", body = Issued), ActRefusals),
)]
pub(super) async fn renew(
    Path(handle): Path<String>,
    posted: Posted<WhichSeat>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Renew, |call, asked: WhichSeat| async move {
        let choice = choice(&handle, asked.device.as_deref())?;
        call.keep_along_of(issued_by);
        Ok(Issued::from(&call.server.service.renew(choice, &call.caller.occasion).await?))
    })
    .await
}

/// Which seat of a handle, and how far the end of its trial moves: one of `days` and `until`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LaterTrial {
    /// The key of its device, should several have a seat of that handle.
    device: Option<String>,
    /// So many days later than its end, or than now if that is later.
    #[schema(minimum = 1)]
    days: Option<u32>,
    /// The first second at which it is over.
    #[schema(format = "date-time")]
    until: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ExtendedTrial {
    handle: String,
    /// When the trial of its computer ends.
    #[schema(format = "date-time")]
    until: String,
}

/// Let the trial of a computer last longer
///
/// For whoever uses it there; its devices hear of that when they check in. An end that is no earlier already stays, so
/// a late or repeated `until` does no harm.
#[utoipa::path(
    post,
    path = "/v1/admin/seats/{handle}/extend-trial",
    operation_id = "extend_trial",
    params(("handle" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = LaterTrial,
    responses((status = 200, description = "Done, now or before.", body = ExtendedTrial), ActRefusals),
)]
pub(super) async fn extend_trial(
    Path(handle): Path<String>,
    posted: Posted<LaterTrial>,
) -> Result<JsonText, Problem> {
    once(posted, Act::ExtendTrial, |call, asked: LaterTrial| async move {
        let choice = choice(&handle, asked.device.as_deref())?;
        let extension = extension(asked.days, asked.until.as_deref())?;
        let extended = |seat: &Seat, until: Timestamp| ExtendedTrial {
            handle: seat.handle().to_string(),
            until: until.to_string(),
        };
        let hand_over = |until| {
            call.keep_along_of(move |ruling, _| match ruling {
                Ruling::Extended(seat) => Some(extended(seat, until)),
                _ => None,
            });
        };
        let (service, occasion) = (&call.server.service, &call.caller.occasion);
        let (seat, until) = service.extend_trial(choice, extension, hand_over, occasion).await?;
        Ok(extended(&seat, until))
    })
    .await
}
