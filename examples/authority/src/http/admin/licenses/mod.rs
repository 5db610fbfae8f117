//! `/v1/admin/licenses`: shown here; sold, changed, given keys and counters in the files beside this one.

pub(super) mod change;
pub(super) mod counters;
pub(super) mod keys;
pub(super) mod sale;

use std::collections::BTreeMap;

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use nodelock::{
    LicenseId, Timestamp,
    authority::{Allowance, LicenseRecord},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use self::keys::KeyBody;
use super::{
    super::{Shared, device::JsonAnswer, problem::Problem},
    Caller,
    description::{ReadRefusals, Refusals},
    etag,
    lists::{Filtered, Paged, next},
};
use crate::{
    domain::{
        FeatureBody, LicenseHint, LicenseRow, TermsVersion, WeightBody, filter::List, rights::Act, weights,
    },
    failure::Result as Done,
    service::{self, LicenseView},
};

/// A license as it is now.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = License)]
pub(crate) struct LicenseBody {
    pub(crate) id: String,
    /// The end of its key.
    pub(crate) key_hint: String,
    #[schema(format = "date-time")]
    pub(crate) created: String,
    /// The name of the product.
    pub(crate) product: String,
    pub(crate) licensee: String,
    pub(crate) edition: String,
    pub(crate) features: Vec<FeatureBody>,
    pub(crate) metadata: BTreeMap<String, String>,
    #[schema(format = "date-time")]
    pub(crate) starts: String,
    #[schema(format = "date-time")]
    pub(crate) expires: Option<String>,
    /// How many days each computer may use it; none for a license that is no trial.
    pub(crate) trial_days: Option<u32>,
    pub(crate) lease_days: Option<u32>,
    pub(crate) margin_days: Option<u32>,
    /// How many days a machine that has changed may go on until it is renewed.
    #[schema(maximum = 255)]
    pub(crate) grace_days: u32,
    /// What components of the fingerprint count for, where that is not the usual.
    pub(crate) weights: Vec<WeightBody>,
    #[schema(format = "date-time")]
    pub(crate) updates_until: Option<String>,
    pub(crate) suspended: bool,
    /// The latest version of its terms, from 1 on. It is the license's `ETag`, too.
    pub(crate) version: u32,
    /// Since when it is ended for good.
    #[schema(format = "date-time")]
    pub(crate) voided: Option<String>,
    pub(crate) customer: Option<String>,
    pub(crate) seats: SeatsBody,
}

/// The seats of a license, and how far its allowances are used: `deactivations` and `activations` are those of its
/// terms, the others those of the present period. What is null is without limit.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = SeatsOfLicense)]
pub(crate) struct SeatsBody {
    pub(crate) total: u32,
    pub(crate) taken: u32,
    pub(crate) deactivations: Option<u32>,
    pub(crate) deactivations_used: u32,
    pub(crate) deactivations_left: Option<u32>,
    /// In hundredths.
    pub(crate) deactivations_percent: Option<u32>,
    pub(crate) activations: Option<u32>,
    pub(crate) activations_used: u32,
    pub(crate) activations_left: Option<u32>,
    /// In hundredths.
    pub(crate) activations_percent: Option<u32>,
    pub(crate) period_days: Option<u32>,
    #[schema(format = "date-time")]
    pub(crate) next_period: Option<String>,
}

impl SeatsBody {
    fn of(license: &LicenseRecord, now: Timestamp) -> Self {
        let terms = &license.terms;
        let (deactivations, activations) =
            (license.balance(Allowance::Deactivations, now), license.balance(Allowance::Activations, now));
        Self {
            total: terms.seats,
            taken: license.usage.taken,
            deactivations: terms.deactivations,
            deactivations_used: deactivations.used,
            deactivations_left: deactivations.left(),
            deactivations_percent: deactivations.percent(),
            activations: terms.activations,
            activations_used: activations.used,
            activations_left: activations.left(),
            activations_percent: activations.percent(),
            period_days: terms.period_days,
            next_period: text(terms.next_period(now)),
        }
    }
}

/// A time in RFC 3339.
pub(super) fn text(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}

impl LicenseBody {
    pub(crate) fn of(row: &LicenseRow, now: Timestamp) -> Self {
        let LicenseRow { license, key_hint, created, version, voided, customer } = row;
        let terms = &license.terms;
        Self {
            id: terms.id.to_string(),
            key_hint: key_hint.clone(),
            created: created.to_string(),
            product: terms.product.clone(),
            licensee: terms.licensee.clone(),
            edition: terms.edition.clone(),
            features: terms.features.iter().map(FeatureBody::from).collect(),
            metadata: terms.metadata.iter().cloned().collect(),
            starts: terms.starts.to_string(),
            expires: text(terms.expires),
            trial_days: terms.trial_days,
            lease_days: terms.lease_days,
            margin_days: terms.margin_days,
            grace_days: terms.policy.grace_days().into(),
            weights: weights(terms),
            updates_until: text(terms.updates_until),
            suspended: terms.suspended,
            version: *version,
            voided: text(*voided),
            customer: customer.map(|id| id.to_string()),
            seats: SeatsBody::of(license, now),
        }
    }
}

/// Names a license.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseHint)]
pub(crate) struct HintBody {
    pub(crate) id: String,
    /// The end of its key.
    pub(crate) key_hint: String,
}

impl From<&LicenseHint> for HintBody {
    fn from(hint: &LicenseHint) -> Self {
        Self { id: hint.id.to_string(), key_hint: hint.key_hint.clone() }
    }
}

pub(super) fn license_id(text: &str) -> Result<LicenseId, Problem> {
    text.parse().map_err(|_| Problem::malformed("the address holds no id of a license"))
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Licenses {
    pub(crate) licenses: Vec<LicenseBody>,
    /// For the next page, in `after`; none after the last. With a filter, a page that is short or empty may have one.
    pub(crate) next: Option<String>,
}

/// Licenses, oldest first
///
/// Those within reach: of a reseller what it sold, of a token of one product those of that product. With a term about a
/// time or a beginning, in the order of that. Fields of a filter: `product`, `state` (`active`, `suspended`, `void`),
/// `licensee`, `customer`, `order`, `key` (its end), `seller` (an account), `created`, `expires`.
#[utoipa::path(
    get,
    path = "/v1/admin/licenses",
    operation_id = "licenses",
    params(Paged, Filtered),
    responses((status = 200, description = "A page.", body = Licenses), ReadRefusals, Refusals),
)]
pub(in super::super) async fn licenses(
    State(server): Shared,
    caller: Caller,
    paged: Paged,
    filtered: Filtered,
) -> Result<JsonAnswer<Licenses>, Problem> {
    server.service.may(&caller.occasion, Act::ShowLicenses).await?;
    let wanted = paged.of(filtered.read(List::Licenses)?)?;
    let (rows, place) = service::licenses_after(server.service.database(), wanted, &caller.occasion).await?;
    let licenses = rows.iter().map(|row| LicenseBody::of(row, caller.occasion.time)).collect();
    Ok(JsonAnswer(Licenses { licenses, next: next(place) }))
}

/// A license, with its keys and all that it ever said.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = LicenseView)]
pub(crate) struct ViewBody {
    #[serde(flatten)]
    pub(crate) license: LicenseBody,
    /// Oldest first.
    pub(crate) keys: Vec<KeyBody>,
    /// Oldest first.
    pub(crate) versions: Vec<VersionBody>,
}

impl ViewBody {
    pub(crate) fn of(view: &LicenseView, now: Timestamp) -> Done<Self> {
        Ok(Self {
            license: LicenseBody::of(&view.row, now),
            keys: view.keys.iter().map(KeyBody::from).collect(),
            versions: versions(&view.versions)?,
        })
    }
}

/// What a license said from a time on.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = TermsVersion)]
pub(crate) struct VersionBody {
    pub(crate) version: u32,
    #[schema(format = "date-time")]
    pub(crate) at: String,
    /// Who said so, as the audit names them.
    pub(crate) actor: String,
    /// What is other than before: a line for each term.
    pub(crate) changes: Vec<String>,
    /// All of them, by their names in their record.
    #[schema(value_type = Object)]
    pub(crate) terms: Value,
}

fn versions(of: &[TermsVersion]) -> Done<Vec<VersionBody>> {
    let before = std::iter::once(None).chain(of.iter().map(Some));
    let body = |(version, before): (&TermsVersion, Option<&TermsVersion>)| {
        let changes =
            before.map_or(Ok(Vec::new()), |before| service::differences(&before.terms, &version.terms))?;
        let (at, actor) = (version.at.to_string(), version.actor.clone());
        let terms = serde_json::to_value(&version.terms)?;
        Ok(VersionBody { version: version.version, at, actor, changes, terms })
    };
    of.iter().zip(before).map(body).collect()
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
            body = ViewBody,
            headers(("ETag" = String, description = "For `If-Match` of a change.")),
        ),
        ReadRefusals,
        Refusals,
    ),
)]
pub(in super::super) async fn license(
    State(server): Shared,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    server.service.may(&caller.occasion, Act::ShowLicenses).await?;
    let (database, id) = (server.service.database(), license_id(&id)?);
    let view = service::license(database, id, &caller.occasion).await?;
    let body = ViewBody::of(&view, caller.occasion.time)?;
    Ok((etag::header(view.row.version), JsonAnswer(body)).into_response())
}
