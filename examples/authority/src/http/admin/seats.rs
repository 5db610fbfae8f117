//! `/v1/admin/seats`: shown, released, returned, their trials extended.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use nodelock::{
    License, Revocation, Timestamp,
    authority::{Reply, Seat, decision::Ruling},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{
        Shared,
        device::{JsonAnswer, Message},
        problem::{Details, Problem},
    },
    Caller,
    description::{ActRefusals, ReadRefusals, Refusals},
    licenses::change::extension,
    lists::{Filtered, OfDevice, Paged, next},
    once::{JsonText, Posted, once},
};
use crate::{
    domain::{SeatChoice, SeatRow, filter::List, rights::Act},
    service,
};

/// A seat as it is now.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct SeatBody {
    pub(crate) handle: String,
    /// The key of its device: two devices may have drawn one handle.
    pub(crate) device: String,
    pub(crate) license: Option<String>,
    pub(crate) state: String,
    /// Whether it counts no longer, because its use ended too long ago.
    pub(crate) lapsed: bool,
    #[schema(format = "date-time")]
    pub(crate) granted: String,
    #[schema(format = "date-time")]
    pub(crate) changed: String,
    /// When its latest license was signed.
    #[schema(format = "date-time")]
    pub(crate) issued: String,
    /// When its device last spoke.
    #[schema(format = "date-time")]
    pub(crate) last_contact: String,
    /// When its use ends.
    #[schema(format = "date-time")]
    pub(crate) ends: Option<String>,
    /// On how many days its device spoke after the seat was released.
    pub(crate) came_back: u32,
    /// When it did so last, to the day.
    #[schema(format = "date-time")]
    pub(crate) came_back_at: Option<String>,
    /// What its computer is called. Its device says so itself: take it for a stranger's words.
    pub(crate) label: String,
    /// What its device and application say of it, such as `computer`, `system` and `architecture`: a stranger's words,
    /// too.
    pub(crate) machine: BTreeMap<String, String>,
    pub(crate) application: String,
    pub(crate) library: String,
    /// Why it was released, in the words that its customer reads.
    pub(crate) reason: String,
    /// Whether giving it up used a deactivation.
    pub(crate) counted: bool,
    pub(crate) revision: u32,
    /// How many wrong codes were tried at it within the last day.
    pub(crate) wrong_codes: u32,
    /// How often two devices spoke for it.
    pub(crate) copies: u32,
    pub(crate) virtual_machine: bool,
    pub(crate) container: bool,
}

impl From<&SeatRow> for SeatBody {
    fn from(row: &SeatRow) -> Self {
        Self {
            handle: row.handle.to_string(),
            device: row.device_key.to_string(),
            license: row.license.map(|license| license.to_string()),
            state: row.state.name().to_owned(),
            lapsed: row.lapsed,
            granted: row.granted.to_string(),
            changed: row.changed.to_string(),
            issued: row.issued.to_string(),
            last_contact: row.contact.to_string(),
            ends: row.ends.map(|end: Timestamp| end.to_string()),
            came_back: row.came_back,
            came_back_at: row.came_back_at.map(|time| time.to_string()),
            label: row.label.clone(),
            machine: row.device.pairs().into_iter().collect(),
            application: row.device.application.clone(),
            library: row.device.library.clone(),
            reason: row.reason.clone(),
            counted: row.counted,
            revision: row.revision,
            wrong_codes: row.codes_tried,
            copies: row.copies,
            virtual_machine: row.virtual_machine,
            container: row.container,
        }
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Seats {
    pub(crate) seats: Vec<SeatBody>,
    /// For the next page, in `after`; none after the last. With a filter, a page that is short or empty may have one.
    pub(crate) next: Option<String>,
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

/// A seat, and who licensed it: what a person is to see before it is released.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct OneSeat {
    pub(crate) handle: String,
    pub(crate) device: String,
    pub(crate) state: String,
    /// What its computer is called: its device says so itself.
    pub(crate) label: String,
    /// When its device last spoke.
    #[schema(format = "date-time")]
    pub(crate) last_contact: String,
    /// Who licensed it; empty where there is no license.
    pub(crate) licensee: String,
}

impl From<(Seat, String)> for OneSeat {
    fn from((seat, licensee): (Seat, String)) -> Self {
        Self {
            handle: seat.handle().to_string(),
            device: seat.device_key().to_string(),
            state: seat.state().name().to_owned(),
            label: seat.label().to_owned(),
            last_contact: seat.contact().to_string(),
            licensee,
        }
    }
}

/// One seat, and who licensed it
#[utoipa::path(
    get,
    path = "/v1/admin/seats/{handle}",
    operation_id = "seat",
    params(("handle" = String, Path), OfDevice),
    responses(
        (status = 200, description = "It.", body = OneSeat),
        (
            status = 409,
            description = "Several devices have a seat of that handle. Codes: `ambiguous-seat`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        ReadRefusals,
        Refusals,
    ),
)]
pub(super) async fn seat(
    State(server): Shared,
    caller: Caller,
    Path(handle): Path<String>,
    of: OfDevice,
) -> Result<JsonAnswer<OneSeat>, Problem> {
    server.service.may(&caller.occasion, Act::ShowSeats).await?;
    let choice = choice(&handle, of.device.as_deref())?;
    Ok(JsonAnswer(server.service.seat(choice, &caller.occasion).await?.into()))
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

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Freed {
    pub(crate) handle: String,
    /// What the seat is now.
    pub(crate) state: String,
    /// For its device, should it speak up; none where that gave the seat up itself.
    pub(crate) revocation: Option<Message>,
}

impl Freed {
    pub(crate) fn of(seat: &Seat, revocation: Option<&Revocation>) -> Self {
        Self {
            handle: seat.handle().to_string(),
            state: seat.state().name().to_owned(),
            revocation: revocation.map(Message::from),
        }
    }
}

/// The same of what is decided.
fn freed_by(ruling: &Ruling, reply: &Reply) -> Option<Freed> {
    match ruling {
        Ruling::Revoked(seat) | Ruling::Returned(seat) => Some(Freed::of(seat, reply.revocation.as_ref())),
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
        Ok(Freed::of(&seat, revocation.as_ref()))
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
        Ok(Freed::of(&seat, None))
    })
    .await
}

/// A license for a seat.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Issued {
    pub(crate) handle: String,
    pub(crate) revision: u32,
    #[schema(format = "date-time")]
    pub(crate) lease_until: Option<String>,
    /// For its device.
    pub(crate) license: Message,
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
    /// Refuse an `until` that is no later than its end, which stays otherwise.
    #[serde(default)]
    only_later: bool,
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ExtendedTrial {
    pub(crate) handle: String,
    /// When the trial of its computer ends.
    #[schema(format = "date-time")]
    pub(crate) until: String,
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
        let extension = extension(asked.days, asked.until.as_deref(), asked.only_later)?;
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
