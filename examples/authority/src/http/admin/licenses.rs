//! `/v1/admin/licenses`: shown, sold, changed, stopped.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use nodelock::{
    Feature, LicenseId, SystemRandom, Timestamp,
    authority::{Allowance, LicenseRecord, LicenseTerms},
};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{
    super::{
        Shared,
        device::JsonAnswer,
        problem::{Details, Problem, json_text},
    },
    Caller,
    description::{ActRefusals, Refusals},
    lists::{Cursor, Paged},
    once::{JsonText, Nothing, Posted, once},
};
use crate::{
    domain::{LicenseHint, Order, rights::Act},
    failure::Failure,
    service::{self, Sale},
};

/// What a license entitles to.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FeatureBody {
    name: String,
    /// None is without limit.
    limit: Option<u64>,
    #[schema(format = "date-time")]
    expires: Option<String>,
}

/// A license as it is now.
#[derive(Serialize, ToSchema)]
pub(super) struct LicenseBody {
    id: String,
    /// The end of its key.
    key_hint: String,
    product: String,
    licensee: String,
    edition: String,
    features: Vec<FeatureBody>,
    #[schema(format = "date-time")]
    starts: String,
    #[schema(format = "date-time")]
    expires: Option<String>,
    lease_days: Option<u32>,
    margin_days: Option<u32>,
    #[schema(format = "date-time")]
    updates_until: Option<String>,
    suspended: bool,
    seats: u32,
    seats_taken: u32,
    /// How many deactivations return a seat to the pool; none is without limit.
    deactivations: Option<u32>,
    deactivations_left: Option<u32>,
    /// How many seats may be granted in all; none is without limit.
    activations: Option<u32>,
    activations_left: Option<u32>,
}

fn time(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}

fn body(license: &LicenseRecord, now: Timestamp, key_hint: String) -> LicenseBody {
    let (terms, left) = (&license.terms, |of| license.balance(of, now).left());
    let feature = |feature: &Feature| FeatureBody {
        name: feature.name.clone(),
        limit: feature.limit,
        expires: time(feature.expires),
    };
    LicenseBody {
        id: terms.id.to_string(),
        key_hint,
        product: terms.product.clone(),
        licensee: terms.licensee.clone(),
        edition: terms.edition.clone(),
        features: terms.features.iter().map(feature).collect(),
        starts: terms.starts.to_string(),
        expires: time(terms.expires),
        lease_days: terms.lease_days,
        margin_days: terms.margin_days,
        updates_until: time(terms.updates_until),
        suspended: terms.suspended,
        seats: terms.seats,
        seats_taken: license.usage.taken,
        deactivations: terms.deactivations,
        deactivations_left: left(Allowance::Deactivations),
        activations: terms.activations,
        activations_left: left(Allowance::Activations),
    }
}

/// Names a version of the terms: other terms have another one.
fn version(terms: &LicenseTerms) -> String {
    let digest = digest(&SHA256, json_text(terms).as_bytes());
    let hex: String = digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn license_id(text: &str) -> Result<LicenseId, Problem> {
    text.parse().map_err(|_| Problem::malformed("the address holds no id of a license"))
}

fn date(text: &str) -> Result<Timestamp, Problem> {
    text.parse().map_err(|_| Problem::malformed("a date as RFC 3339 has them is expected"))
}

fn features(of: &[FeatureBody]) -> Result<Vec<Feature>, Problem> {
    let feature = |body: &FeatureBody| {
        let mut feature = Feature::new(&body.name);
        feature.limit = body.limit;
        feature.expires = body.expires.as_deref().map(date).transpose()?;
        Ok(feature)
    };
    of.iter().map(feature).collect()
}

#[derive(Serialize, ToSchema)]
pub(super) struct Licenses {
    licenses: Vec<LicenseBody>,
    /// For the next page, in `after`; none after the last.
    next: Option<String>,
}

/// Licenses, oldest first
///
/// Those within reach: of a reseller what it sold, of a token of one product those of that product.
#[utoipa::path(
    get,
    path = "/v1/admin/licenses",
    operation_id = "licenses",
    params(Paged),
    responses((status = 200, description = "A page.", body = Licenses), Refusals),
)]
pub(super) async fn licenses(
    State(server): Shared,
    caller: Caller,
    paged: Paged,
) -> Result<JsonAnswer<Licenses>, Problem> {
    server.service.may(&caller.occasion, Act::ShowLicenses).await?;
    let after =
        paged.after()?.map(|cursor| Ok::<_, Problem>((cursor.time(0)?, cursor.part(1)?))).transpose()?;
    let most = paged.limit()?;
    let rows = service::licenses_after(server.service.database(), after, most, &caller.occasion).await?;
    let last = rows.last().filter(|_| rows.len() >= most as usize);
    let next = last
        .map(|row| Cursor::text([row.created.unix_seconds().to_string(), row.license.terms.id.to_string()]));
    let licenses =
        rows.iter().map(|row| body(&row.license, caller.occasion.time, row.key_hint.clone())).collect();
    Ok(JsonAnswer(Licenses { licenses, next }))
}

/// One license
#[utoipa::path(
    get,
    path = "/v1/admin/licenses/{id}",
    operation_id = "license",
    params(("id" = String, Path)),
    responses(
        (
            status = 200,
            description = "It.",
            body = LicenseBody,
            headers(("ETag" = String, description = "For `If-Match` of a change.")),
        ),
        (
            status = 400,
            description = "No id of a license. Codes: `malformed`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 404,
            description = "No such license within reach. Codes: `unknown-license`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        Refusals,
    ),
)]
pub(super) async fn license(
    State(server): Shared,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    server.service.may(&caller.occasion, Act::ShowLicenses).await?;
    let (database, id) = (server.service.database(), license_id(&id)?);
    let (license, hint) = service::license(database, id, &caller.occasion).await?;
    let answer = JsonAnswer(body(&license, caller.occasion.time, hint));
    Ok(([(header::ETAG, version(&license.terms))], answer).into_response())
}

/// What is sold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLicenses {
    licensee: String,
    #[schema(minimum = 1)]
    seats: u32,
    #[serde(default)]
    edition: String,
    #[serde(default)]
    features: Vec<FeatureBody>,
    /// None is perpetual.
    #[schema(format = "date-time")]
    expires: Option<String>,
    /// 90 unless said otherwise; null for none.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    lease_days: Option<Option<u32>>,
    /// Without limit unless said otherwise.
    deactivations: Option<u32>,
    /// The id of the order in the shop: the same order again sells nothing, under another key as well.
    #[schema(max_length = 200)]
    order: Option<String>,
    /// How many such licenses, 1 unless said otherwise.
    #[schema(minimum = 1, maximum = 1000)]
    count: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Sold {
    /// Whether this call sold them; false for an order that was sold before.
    sold: bool,
    licenses: Vec<SoldLicense>,
}

#[derive(Serialize, ToSchema)]
struct SoldLicense {
    id: String,
    /// Shown to the call that sold it, however often that is made, for a week; null otherwise.
    key: Option<String>,
    key_hint: Option<String>,
}

/// Sell
///
/// Made again with the same key, it sells nothing and gets the same answer with the same license keys.
#[utoipa::path(
    post,
    path = "/v1/admin/licenses",
    operation_id = "sell",
    params(("Idempotency-Key" = String, Header)),
    request_body = NewLicenses,
    responses(
        (status = 200, description = "Done, now or before.", body = Sold),
        ActRefusals,
    ),
)]
pub(super) async fn sell(posted: Posted<NewLicenses>) -> Result<JsonText, Problem> {
    once(posted, Act::Sell, |call, new: NewLicenses| async move {
        let (service, occasion) = (&call.server.service, &call.caller.occasion);
        let database = service.database();
        let product = service::vendor(database).await?.product;
        let id = LicenseId::generate(&SystemRandom).map_err(Failure::from)?;
        let mut terms = LicenseTerms::new(id, product, new.seats, occasion.time);
        terms.licensee = new.licensee;
        terms.edition = new.edition;
        terms.features = features(&new.features)?;
        terms.expires = new.expires.as_deref().map(date).transpose()?;
        terms.lease_days = new.lease_days.unwrap_or(terms.lease_days);
        terms.deactivations = new.deactivations;
        let count = new.count.unwrap_or(1);
        let is_order = |id: &str| {
            (1..=200).contains(&id.len()) && !id.trim().is_empty() && !id.chars().any(char::is_control)
        };
        if !(1..=1000).contains(&count) || new.order.as_deref().is_some_and(|id| !is_order(id)) {
            return Err(Problem::malformed(
                "`count` is from 1 to 1000, and `order` a line of at most 200 bytes",
            ));
        }
        let offers = service::offers(&terms, count)?;
        let order = new.order.as_deref().map(|id| Order::new(id, &terms, count));
        let license = |offer: &service::Offer| SoldLicense {
            id: offer.terms.id.to_string(),
            key: Some(offer.key.to_string()),
            key_hint: None,
        };
        let answer = Sold { sold: true, licenses: offers.iter().map(license).collect() };
        let hand_over = || call.keep_along(&answer);
        match service::sell(database, &offers, order.as_ref(), hand_over, occasion).await? {
            Sale::Done => Ok(answer),
            Sale::Before(before) => {
                let license = |license: LicenseHint| SoldLicense {
                    id: license.id.to_string(),
                    key: None,
                    key_hint: Some(license.key_hint),
                };
                Ok(Sold { sold: false, licenses: before.into_iter().map(license).collect() })
            }
        }
    })
    .await
}

/// What changes. What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedTerms {
    #[schema(minimum = 1)]
    seats: Option<u32>,
    edition: Option<String>,
    /// In place of all that there were.
    features: Option<Vec<FeatureBody>>,
    /// null for none.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = "date-time")]
    expires: Option<Option<String>>,
    /// null for none.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    lease_days: Option<Option<u32>>,
    /// null for without limit.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    deactivations: Option<Option<u32>>,
}

/// Tells a member that is null from one that is not there.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(of: D) -> Result<Option<T>, D::Error> {
    T::deserialize(of).map(Some)
}

#[derive(Serialize, ToSchema)]
pub(super) struct Edited {
    /// What is other than before: a line for each term.
    changes: Vec<String>,
    license: LicenseBody,
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
    responses(
        (status = 200, description = "Done, now or before.", body = Edited),
        (
            status = 412,
            description = "The license is another one by now. Codes: `changed-meanwhile`.",
            body = Details,
            content_type = "application/problem+json",
        ),
        (
            status = 428,
            description = "`If-Match` is missing.",
            body = Details,
            content_type = "application/problem+json",
        ),
        ActRefusals,
    ),
)]
pub(super) async fn edit(
    Path(id): Path<String>,
    headers: HeaderMap,
    posted: Posted<ChangedTerms>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Edit, |call, changed: ChangedTerms| async move {
        let id = license_id(&id)?;
        let wanted = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let features = changed.features.as_deref().map(features).transpose()?;
        let expires = match &changed.expires {
            None => None,
            Some(expires) => Some(expires.as_deref().map(date).transpose()?),
        };
        // Looked at in the transaction of the change.
        let is_based = std::sync::atomic::AtomicBool::new(false);
        let change = |terms: &mut LicenseTerms| {
            if wanted.as_deref() != Some(&*version(terms)) {
                return;
            }
            is_based.store(true, std::sync::atomic::Ordering::Relaxed);
            terms.seats = changed.seats.unwrap_or(terms.seats);
            terms.expires = expires.unwrap_or(terms.expires);
            terms.lease_days = changed.lease_days.unwrap_or(terms.lease_days);
            terms.deactivations = changed.deactivations.unwrap_or(terms.deactivations);
            if let Some(edition) = &changed.edition {
                terms.edition.clone_from(edition);
            }
            if let Some(features) = &features {
                terms.features.clone_from(features);
            }
        };
        let database = call.server.service.database();
        let edited = service::edit(database, id, change, &call.caller.occasion).await?;
        if wanted.is_none() {
            return Err(Problem::http(StatusCode::PRECONDITION_REQUIRED).detail("If-Match is expected"));
        }
        if !is_based.into_inner() {
            let why = &("changed-meanwhile", "Changed meanwhile");
            return Err(Problem::own(StatusCode::PRECONDITION_FAILED, why));
        }
        let hint = service::license(database, id, &call.caller.occasion).await.map(|(_, hint)| hint);
        let license = body(&edited.license, call.caller.occasion.time, hint.unwrap_or_default());
        Ok(Edited { changes: edited.changes, license })
    })
    .await
}

#[derive(Serialize, ToSchema)]
pub(super) struct Suspended {
    suspended: bool,
    /// Whether it was otherwise before.
    changed: bool,
}

/// Issue nothing for a license until it is resumed
///
/// Seats can still be given up.
#[utoipa::path(
    post,
    path = "/v1/admin/licenses/{id}/suspend",
    operation_id = "suspend",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, description = "Done, now or before.", body = Suspended), ActRefusals),
)]
pub(super) async fn suspend(Path(id): Path<String>, posted: Posted<Nothing>) -> Result<JsonText, Problem> {
    set_suspended(id, true, posted).await
}

/// Let a suspended license go on
#[utoipa::path(
    post,
    path = "/v1/admin/licenses/{id}/resume",
    operation_id = "resume",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, description = "Done, now or before.", body = Suspended), ActRefusals),
)]
pub(super) async fn resume(Path(id): Path<String>, posted: Posted<Nothing>) -> Result<JsonText, Problem> {
    set_suspended(id, false, posted).await
}

async fn set_suspended(id: String, suspended: bool, posted: Posted<Nothing>) -> Result<JsonText, Problem> {
    let act = if suspended { Act::Suspend } else { Act::Resume };
    once(posted, act, move |call, _: Nothing| async move {
        let database = call.server.service.database();
        let id = license_id(&id)?;
        let changed = service::set_suspended(database, id, suspended, &call.caller.occasion).await?;
        Ok(Suspended { suspended, changed })
    })
    .await
}

#[derive(Serialize, ToSchema)]
pub(super) struct Rekeyed {
    id: String,
    /// Shown to the call that made it, however often that is made, for a week.
    key: String,
}

/// Give a license a new key
///
/// The old one activates nothing any more. Devices keep their seats.
#[utoipa::path(
    post,
    path = "/v1/admin/licenses/{id}/rekey",
    operation_id = "rekey",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, description = "Done, now or before.", body = Rekeyed), ActRefusals),
)]
pub(super) async fn rekey(Path(id): Path<String>, posted: Posted<Nothing>) -> Result<JsonText, Problem> {
    once(posted, Act::Rekey, |call, _: Nothing| async move {
        let id = license_id(&id)?;
        let answer = std::sync::Mutex::new(None);
        let hand_over = |key: &str| {
            let rekeyed = Rekeyed { id: id.to_string(), key: key.to_owned() };
            call.keep_along(&rekeyed)?;
            *answer.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(rekeyed);
            Ok(())
        };
        let database = call.server.service.database();
        service::rekey(database, id, None, hand_over, &call.caller.occasion).await?;
        let answer = answer.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        answer.ok_or_else(|| Problem::of(nodelock::ErrorKind::ServerFailed))
    })
    .await
}
