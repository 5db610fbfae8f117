//! `/v1/admin/licenses`: shown, sold, changed, stopped.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use nodelock::{
    Feature, LicenseId, Timestamp,
    authority::{Allowance, LicenseTerms},
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{
    super::{
        Shared,
        device::JsonAnswer,
        problem::{Details, Problem},
    },
    Caller,
    description::{ActRefusals, Refusals},
    lists::{Cursor, Paged},
    once::{JsonText, Nothing, Posted, once},
};
use crate::{
    domain::{CustomerId, LicenseHint, LicenseRow, ProductId, Said, check_order_id, rights::Act},
    service::{self, Buyer, Changing, InPlaceOf, NewOrder, Placed, Sale},
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
    /// Since when it is ended for good.
    #[schema(format = "date-time")]
    voided: Option<String>,
    /// The latest version of its terms, from 1 on. It is the license's `ETag`, too.
    version: u32,
    customer: Option<String>,
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

fn body(row: &LicenseRow, now: Timestamp) -> LicenseBody {
    let LicenseRow { license, key_hint, version, voided, customer, .. } = row;
    let (terms, left) = (&license.terms, |of| license.balance(of, now).left());
    let feature = |feature: &Feature| FeatureBody {
        name: feature.name.clone(),
        limit: feature.limit,
        expires: time(feature.expires),
    };
    LicenseBody {
        id: terms.id.to_string(),
        key_hint: key_hint.clone(),
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
        voided: time(*voided),
        version: *version,
        customer: customer.map(|id| id.to_string()),
        seats: terms.seats,
        seats_taken: license.usage.taken,
        deactivations: terms.deactivations,
        deactivations_left: left(Allowance::Deactivations),
        activations: terms.activations,
        activations_left: left(Allowance::Activations),
    }
}

/// The ETag of a license, which names the version of its terms.
fn etag(version: u32) -> String {
    format!("\"{version}\"")
}

/// The version that a change is based on, from `If-Match`: one of its own ETags, so that none is a version that there
/// never was.
fn based_on(headers: &HeaderMap) -> Result<u32, Problem> {
    let wanted = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    let wanted = wanted
        .ok_or_else(|| Problem::http(StatusCode::PRECONDITION_REQUIRED).detail("If-Match is expected"))?;
    let version = wanted.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Ok(version.and_then(|version| version.parse().ok()).unwrap_or(0))
}

fn license_id(text: &str) -> Result<LicenseId, Problem> {
    text.parse().map_err(|_| Problem::malformed("the address holds no id of a license"))
}

fn product_id(text: &str) -> Result<ProductId, Problem> {
    text.parse().map_err(|_| Problem::malformed("`product` holds no id of a product"))
}

fn customer_id(text: &str) -> Result<CustomerId, Problem> {
    text.parse().map_err(|_| Problem::malformed("`customer` holds no id of a customer"))
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
    let licenses = rows.iter().map(|row| body(row, caller.occasion.time)).collect();
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
    let row = service::license(database, id, &caller.occasion).await?.row;
    let version = row.version;
    Ok(([(header::ETAG, etag(version))], JsonAnswer(body(&row, caller.occasion.time))).into_response())
}

/// What is sold. Terms that are left out are those of the product's template.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLicenses {
    /// The id of the product; that of the only one if it is left out.
    product: Option<String>,
    licensee: String,
    #[schema(minimum = 1)]
    seats: Option<u32>,
    edition: Option<String>,
    features: Option<Vec<FeatureBody>>,
    /// null is perpetual.
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
    /// The id of the customer.
    customer: Option<String>,
    /// Who sells it, for the order.
    #[schema(max_length = 1024)]
    reseller: Option<String>,
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
        let product = new.product.as_deref().map(product_id).transpose()?;
        let product = product.as_ref();
        let product = service::product_within_reach(database, product, Act::Sell, occasion).await?;
        let NewLicenses { seats, edition, features, expires, lease_days, deactivations, .. } = new;
        let terms = ChangedTerms { seats, edition, features, expires, lease_days, deactivations };
        let mut said = terms.said()?;
        said.say("licensee", new.licensee.into());
        let customer = new.customer.as_deref().map(customer_id).transpose()?;
        let count = new.count.unwrap_or(1);
        if !(1..=1000).contains(&count) {
            return Err(Problem::malformed("`count` is from 1 to 1000"));
        }
        let order = match new.order {
            Some(id) => {
                let id =
                    check_order_id(&id).map_err(|text| Problem::malformed(&format!("`order`: {text}")))?;
                let (said, reseller) = (said.clone(), new.reseller.unwrap_or_default());
                let order = NewOrder { id, said, count, customer, reseller };
                match service::place_order(database, &product, order, occasion).await? {
                    Placed::New(order) => Some(order),
                    Placed::Before(before) => return Ok(sold_before(before)),
                }
            }
            None => None,
        };
        let terms = service::terms_of_sale(database, &product, &said, occasion.time).await?;
        let offers = service::offers(&terms, count)?;
        let license = |offer: &service::Offer| SoldLicense {
            id: offer.terms.id.to_string(),
            key: Some(offer.key.to_string()),
            key_hint: None,
        };
        let answer = Sold { sold: true, licenses: offers.iter().map(license).collect() };
        let hand_over = || call.keep_along(&answer);
        let buyer = Buyer { order: order.as_ref(), customer };
        match service::sell(database, service.vault(), &offers, buyer, hand_over, occasion).await? {
            Sale::Done => Ok(answer),
            Sale::Before(before) => Ok(sold_before(before)),
        }
    })
    .await
}

/// An order that was sold before, whose keys are not shown again.
fn sold_before(licenses: Vec<LicenseHint>) -> Sold {
    let license = |license: LicenseHint| SoldLicense {
        id: license.id.to_string(),
        key: None,
        key_hint: Some(license.key_hint),
    };
    Sold { sold: false, licenses: licenses.into_iter().map(license).collect() }
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

impl ChangedTerms {
    /// The terms that are there, as the service takes them.
    fn said(self) -> Result<Said, Problem> {
        let mut terms = LicenseTerms::new(LicenseId::NONE, "", 1, Timestamp::MIN);
        let mut names = Vec::new();
        if let Some(seats) = self.seats {
            terms.seats = seats;
            names.push("seats");
        }
        if let Some(edition) = self.edition {
            terms.edition = edition;
            names.push("edition");
        }
        if let Some(of) = self.features {
            terms.features = features(&of)?;
            names.push("features");
        }
        if let Some(expires) = self.expires {
            terms.expires = expires.as_deref().map(date).transpose()?;
            names.push("expires");
        }
        if let Some(days) = self.lease_days {
            terms.lease_days = days;
            names.push("lease_days");
        }
        if let Some(deactivations) = self.deactivations {
            terms.deactivations = deactivations;
            names.push("deactivations");
        }
        Ok(Said::of(&terms, &names)?)
    }
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

impl Edited {
    /// The license as it is in the transaction of the change: whoever may edit one need not be allowed to see others.
    fn of(edited: &service::Edited, now: Timestamp) -> Self {
        Self { changes: edited.changes.clone(), license: body(&edited.row, now) }
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
    responses(
        (status = 200, description = "Done, now or before.", body = Edited),
        (
            status = 412,
            description = "The license is another one by now. Codes: `superseded`.",
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
        let how = Changing { based_on: Some(based_on(&headers)?), dry_run: false };
        let (database, occasion) = (call.server.service.database(), &call.caller.occasion);
        let now = occasion.time;
        let hand_over = |edited: &service::Edited| call.keep_along(&Edited::of(edited, now));
        let edited = service::edit(database, id, &changed.said()?, how, hand_over, occasion).await?;
        Ok(Edited::of(&edited, now))
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
        call.keep_along(&Suspended { suspended, changed: true })?;
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
        let (database, vault) = (call.server.service.database(), call.server.service.vault());
        service::rekey(database, vault, id, (None, InPlaceOf::All), hand_over, &call.caller.occasion).await?;
        let answer = answer.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        answer.ok_or_else(|| Problem::of(nodelock::ErrorKind::ServerFailed))
    })
    .await
}
