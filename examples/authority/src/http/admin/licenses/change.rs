//! What was sold changes: `/v1/admin/licenses/{id}/{edit,extend,suspend,resume,void}`.

use axum::{extract::Path, http::HeaderMap};
use nodelock::{Timestamp, authority::LicenseRecord};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{
        super::problem::Problem,
        customers::customer_id,
        description::{ActRefusals, BasedRefusals},
        etag,
        once::{JsonText, Posted, once},
    },
    LicenseBody, license_id, text,
};
use crate::{
    domain::{SaidTerms, rights::Act},
    service::{self, Changing, Extension},
};

/// What changes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ChangedTerms {
    /// Terms that are left out stay as they are.
    #[serde(default)]
    terms: SaidTerms,
    /// The id of the customer whose it is from now on; what it says of its licensee stays.
    #[schema(nullable = false)]
    customer: Option<String>,
    /// Change nothing, and tell what it would come to.
    #[serde(default)]
    dry_run: bool,
}

/// What a change came to, or would.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Change {
    /// The version of its terms.
    pub(crate) version: u32,
    /// What is other than before: a line for each term.
    pub(crate) changes: Vec<String>,
    pub(crate) seats: SeatCount,
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct SeatCount {
    pub(crate) total: u32,
    pub(crate) taken: u32,
}

impl From<&service::Edited> for Change {
    fn from(edited: &service::Edited) -> Self {
        let LicenseRecord { terms, usage, .. } = &edited.license;
        let seats = SeatCount { total: terms.seats, taken: usage.taken };
        Self { version: edited.version, changes: edited.changes.clone(), seats }
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Edited {
    #[serde(flatten)]
    pub(crate) change: Change,
    /// As it is now; after a dry run, as it was.
    pub(crate) license: LicenseBody,
}

impl Edited {
    fn of(edited: &service::Edited, now: Timestamp) -> Self {
        Self { change: edited.into(), license: LicenseBody::of(&edited.row, now) }
    }
}

/// Change what was sold
///
/// Devices hear of it when they check in. Whoever has a seat keeps it.
#[utoipa::path(
    post,
    path = "/v1/admin/licenses/{id}/edit",
    operation_id = "edit",
    params(
        ("id" = String, Path),
        ("Idempotency-Key" = String, Header),
        ("If-Match" = String, Header, description = "The ETag of the license that the change is based on."),
    ),
    request_body = ChangedTerms,
    responses((status = 200, description = "Done, now or before.", body = Edited), BasedRefusals, ActRefusals),
)]
pub(in super::super) async fn edit(
    Path(id): Path<String>,
    headers: HeaderMap,
    posted: Posted<ChangedTerms>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Edit, |call, asked: ChangedTerms| async move {
        let id = license_id(&id)?;
        let how = Changing { based_on: Some(etag::based_on(&headers)?), dry_run: asked.dry_run };
        let (database, occasion) = (call.server.service.database(), &call.caller.occasion);
        let now = occasion.time;
        let hand_over = |edited: &service::Edited| call.keep_along(&Edited::of(edited, now));
        let customer = asked.customer.as_deref().map(customer_id).transpose()?;
        let said = asked.terms.said()?;
        let edited = service::edit(database, id, (&said, customer), how, hand_over, occasion).await?;
        Ok(Edited::of(&edited, now))
    })
    .await
}

/// How far an end moves: one of both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Later {
    /// So many days later than its end, or than now if that is later.
    #[schema(minimum = 1)]
    days: Option<u32>,
    /// The first second at which it is no longer valid.
    #[schema(format = "date-time")]
    until: Option<String>,
    /// Change nothing, and tell what it would come to.
    #[serde(default)]
    pub(in super::super) dry_run: bool,
}

impl Later {
    pub(in super::super) fn extension(&self) -> Result<Extension, Problem> {
        extension(self.days, self.until.as_deref(), false)
    }
}

/// How far an end moves, of which one of both is said.
pub(in super::super) fn extension(
    days: Option<u32>,
    until: Option<&str>,
    only_later: bool,
) -> Result<Extension, Problem> {
    let to = if only_later { Extension::Until } else { Extension::AtLeast };
    match (days, until.map(str::parse)) {
        (Some(days @ 1..), None) => Ok(Extension::Days(days)),
        (None, Some(Ok(until))) => Ok(to(until)),
        (None, Some(Err(_))) => Err(Problem::malformed("`until` is no date of RFC 3339")),
        _ => Err(Problem::malformed("either `days`, from 1 on, or `until` is expected")),
    }
}

/// How far the end of one license moves: one of `days` and `until`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Move {
    /// So many days later than its end, or than now if that is later.
    #[schema(minimum = 1)]
    days: Option<u32>,
    /// The first second at which it is no longer valid.
    #[schema(format = "date-time")]
    until: Option<String>,
    /// Refuse an `until` that is no later than its end, which stays otherwise.
    #[serde(default)]
    only_later: bool,
    /// Change nothing, and tell what it would come to.
    #[serde(default)]
    dry_run: bool,
}

impl Move {
    fn extension(&self) -> Result<Extension, Problem> {
        extension(self.days, self.until.as_deref(), self.only_later)
    }
}

/// A license whose end moved.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Extended {
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) change: Change,
    #[schema(format = "date-time")]
    pub(crate) expires: Option<String>,
    /// Whether its end is another one now; false where it was no earlier already.
    pub(crate) changed: bool,
}

impl Extended {
    pub(in super::super) fn of(edited: &service::Edited) -> Self {
        let terms = &edited.license.terms;
        Self {
            id: terms.id.to_string(),
            change: edited.into(),
            expires: text(terms.expires),
            changed: !edited.changes.is_empty(),
        }
    }
}

/// Move the end of a license
///
/// To a later time: an end that is no earlier already stays, so a late or repeated `until` does no harm.
#[utoipa::path(
    post,
    path = "/v1/admin/licenses/{id}/extend",
    operation_id = "extend",
    params(
        ("id" = String, Path),
        ("Idempotency-Key" = String, Header),
        (
            "If-Match" = Option<String>,
            Header,
            description = "The ETag of the license, where the change is based on one.",
        ),
    ),
    request_body = Move,
    responses((status = 200, description = "Done, now or before.", body = Extended), BasedRefusals, ActRefusals),
)]
pub(in super::super) async fn extend(
    Path(id): Path<String>,
    headers: HeaderMap,
    posted: Posted<Move>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Extend, |call, asked: Move| async move {
        let (id, extension) = (license_id(&id)?, asked.extension()?);
        let how = Changing { based_on: etag::if_any(&headers), dry_run: asked.dry_run };
        let (database, occasion) = (call.server.service.database(), &call.caller.occasion);
        let hand_over = |edited: &service::Edited| call.keep_along(&Extended::of(edited));
        let edited = service::extend(database, id, extension, how, hand_over, occasion).await?;
        Ok(Extended::of(&edited))
    })
    .await
}

/// What a license that is stopped, goes on or ends has.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Halted {
    pub(crate) seats: SeatCount,
    /// Until when the last of their devices goes on; none where no seat is taken, and where one has no end.
    #[schema(format = "date-time")]
    pub(crate) runs_until: Option<String>,
    /// How many requests for approval are forgotten.
    pub(crate) requests: u64,
}

impl From<&service::Halted> for Halted {
    fn from(halted: &service::Halted) -> Self {
        let service::Halted { seats, taken, until, requests, .. } = *halted;
        let runs_until = text(until.filter(|until| *until != Timestamp::MAX));
        Self { seats: SeatCount { total: seats, taken }, runs_until, requests }
    }
}

/// Whether anything is done. It may be left out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Trying {
    /// Change nothing, and tell what it would come to.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Suspended {
    pub(crate) suspended: bool,
    /// Whether it was otherwise before.
    pub(crate) changed: bool,
    #[serde(flatten)]
    pub(crate) halted: Halted,
}

impl Suspended {
    pub(crate) fn of(suspended: bool, halted: &service::Halted) -> Self {
        Self { suspended, changed: halted.changes, halted: halted.into() }
    }
}

/// Issue nothing for a license until it is resumed
///
/// Seats can still be given up.
#[utoipa::path(
    post,
    path = "/v1/admin/licenses/{id}/suspend",
    operation_id = "suspend",
    params(
        ("id" = String, Path),
        ("Idempotency-Key" = String, Header),
        (
            "If-Match" = Option<String>,
            Header,
            description = "The ETag of the license, where the change is based on one.",
        ),
    ),
    request_body = Option<Trying>,
    responses((status = 200, description = "Done, now or before.", body = Suspended), BasedRefusals, ActRefusals),
)]
pub(in super::super) async fn suspend(
    Path(id): Path<String>,
    headers: HeaderMap,
    posted: Posted<Trying>,
) -> Result<JsonText, Problem> {
    set_suspended(id, true, (etag::if_any(&headers), posted)).await
}

/// Let a suspended license go on
#[utoipa::path(
    post,
    path = "/v1/admin/licenses/{id}/resume",
    operation_id = "resume",
    params(
        ("id" = String, Path),
        ("Idempotency-Key" = String, Header),
        (
            "If-Match" = Option<String>,
            Header,
            description = "The ETag of the license, where the change is based on one.",
        ),
    ),
    request_body = Option<Trying>,
    responses((status = 200, description = "Done, now or before.", body = Suspended), BasedRefusals, ActRefusals),
)]
pub(in super::super) async fn resume(
    Path(id): Path<String>,
    headers: HeaderMap,
    posted: Posted<Trying>,
) -> Result<JsonText, Problem> {
    set_suspended(id, false, (etag::if_any(&headers), posted)).await
}

async fn set_suspended(
    id: String,
    suspended: bool,
    (based_on, posted): (Option<u32>, Posted<Trying>),
) -> Result<JsonText, Problem> {
    let act = if suspended { Act::Suspend } else { Act::Resume };
    once(posted, act, move |call, asked: Trying| async move {
        let (database, occasion) = (call.server.service.database(), &call.caller.occasion);
        let (id, how) = (license_id(&id)?, (suspended, Changing { based_on, dry_run: asked.dry_run }));
        let hand_over = |halted: &service::Halted| call.keep_along(&Suspended::of(suspended, halted));
        let halted = service::set_suspended(database, id, how, hand_over, occasion).await?;
        Ok(Suspended::of(suspended, &halted))
    })
    .await
}

/// Why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Ending {
    /// For the audit.
    #[schema(max_length = 1024)]
    reason: String,
    /// Change nothing, and tell what it would come to.
    #[serde(default)]
    dry_run: bool,
}

impl Ending {
    /// Why, and whether it is a dry run.
    pub(in super::super) fn read(self) -> Result<(String, bool), Problem> {
        Ok((reason(self.reason)?, self.dry_run))
    }
}

/// A reason for the audit. Fails for what is not one line.
pub(in super::super) fn reason(text: String) -> Result<String, Problem> {
    if text.len() > 1024 || text.chars().any(char::is_control) {
        return Err(Problem::malformed("`reason` is a line of at most 1024 bytes"));
    }
    Ok(text)
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Voided {
    pub(crate) id: String,
    /// Whether it was not void before.
    pub(crate) changed: bool,
    #[serde(flatten)]
    pub(crate) halted: Halted,
}

impl From<&service::Halted> for Voided {
    fn from(halted: &service::Halted) -> Self {
        Self { id: halted.license.to_string(), changed: halted.changes, halted: halted.into() }
    }
}

/// End a license for good
///
/// Because it was refunded, say. Nothing is issued for it any more, and that cannot be undone. Seats can still be given
/// up; devices go on to the end of their leases.
#[utoipa::path(
    post,
    path = "/v1/admin/licenses/{id}/void",
    operation_id = "void",
    params(
        ("id" = String, Path),
        ("Idempotency-Key" = String, Header),
        (
            "If-Match" = Option<String>,
            Header,
            description = "The ETag of the license, where the change is based on one.",
        ),
    ),
    request_body = Ending,
    responses((status = 200, description = "Done, now or before.", body = Voided), BasedRefusals, ActRefusals),
)]
pub(in super::super) async fn void(
    Path(id): Path<String>,
    headers: HeaderMap,
    posted: Posted<Ending>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Edit, |call, asked: Ending| async move {
        let (id, (reason, dry_run)) = (license_id(&id)?, asked.read()?);
        let how = (&*reason, Changing { based_on: etag::if_any(&headers), dry_run });
        let (database, occasion) = (call.server.service.database(), &call.caller.occasion);
        let hand_over = |halted: &service::Halted| call.keep_along(&Voided::from(halted));
        let halted = service::void(database, id, how, hand_over, occasion).await?;
        Ok(Voided::from(&halted))
    })
    .await
}
