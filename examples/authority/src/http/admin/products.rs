//! `/v1/admin/products` and `/v1/admin/policies`: what licenses are sold of, and on which terms.
//!
//! A product is made on the command line, where its root key can be taken offline.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    super::{Shared, device::JsonAnswer, problem::Problem},
    Caller,
    description::{ActRefusals, BasedRefusals, ReadRefusals, Refusals},
    etag,
    licenses::license_id,
    once::{JsonText, Posted, once},
};
use crate::{
    domain::{Product, ProductId, Said, SaidTerms, Who, present, rights::Act},
    failure::{Failure, Result as Done},
    service::{self, Change, ProductEdit},
};

/// What licenses are sold of.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Product)]
pub(crate) struct ProductBody {
    pub(crate) id: String,
    /// As licenses and requests name it.
    pub(crate) name: String,
    /// The root public key that its applications embed.
    pub(crate) root: String,
    /// What is sold of it unless the sale says otherwise, by the names of terms in their record.
    #[schema(value_type = Object)]
    pub(crate) terms: Value,
    #[schema(format = "date-time")]
    pub(crate) created: String,
    /// How often it was changed, from 1 on. It is the product's `ETag`, too.
    pub(crate) revision: u32,
    /// Whether keys of its licenses are kept, so that they can be shown again.
    pub(crate) keeps_keys: bool,
    /// Of which license a request without a license key gets a trial; none where every request has a key.
    pub(crate) trial_license: Option<String>,
}

fn terms(of: &Said) -> Done<Value> {
    Ok(serde_json::to_value(of)?)
}

impl ProductBody {
    pub(crate) fn of(product: &Product) -> Done<Self> {
        Ok(Self {
            id: product.id.to_string(),
            name: product.name.clone(),
            root: product.root.to_string(),
            terms: terms(&product.template)?,
            created: product.created.to_string(),
            revision: product.revision,
            keeps_keys: product.keeps_keys,
            trial_license: product.trial_license.map(|id| id.to_string()),
        })
    }
}

pub(super) fn product_id(text: &str) -> Result<ProductId, Problem> {
    text.parse().map_err(|_| Problem::malformed("there is no id of a product where one is expected"))
}

/// Whether a product is of those that somebody has to do with. A program's token may be for one alone.
fn is_for(caller: &Caller, product: &Product) -> bool {
    match caller.who() {
        Some(Who::Token { product: Some(only), .. }) => *only == product.name,
        _ => true,
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Products {
    /// The one that the authority was set up with first.
    pub(crate) products: Vec<ProductBody>,
}

/// The products
#[utoipa::path(
    get,
    path = "/v1/admin/products",
    operation_id = "products",
    responses((status = 200, description = "All of them.", body = Products), Refusals),
)]
pub(super) async fn products(State(server): Shared, caller: Caller) -> Result<JsonAnswer<Products>, Problem> {
    server.service.may(&caller.occasion, Act::Oneself).await?;
    let mut products = service::products(server.service.database()).await?;
    products.retain(|product| is_for(&caller, product));
    Ok(JsonAnswer(Products { products: products.iter().map(ProductBody::of).collect::<Done<_>>()? }))
}

/// One product
#[utoipa::path(
    get,
    path = "/v1/admin/products/{product}",
    operation_id = "product",
    params(("product" = String, Path)),
    responses(
        (
            status = 200,
            description = "It.",
            body = ProductBody,
            headers(("ETag" = String, description = "For `If-Match` of a change.")),
        ),
        ReadRefusals,
        Refusals,
    ),
)]
pub(super) async fn product(
    State(server): Shared,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    server.service.may(&caller.occasion, Act::Oneself).await?;
    let product = service::product(server.service.database(), Some(&product_id(&id)?)).await?;
    if !is_for(&caller, &product) {
        return Err(Failure::UnknownProduct(id).into());
    }
    Ok((etag::header(product.revision), JsonAnswer(ProductBody::of(&product)?)).into_response())
}

/// What changes of said terms.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedSaid {
    /// Terms that are left out stay as they are.
    #[serde(default)]
    terms: SaidTerms,
    /// Terms of which nothing is said any more, by their names in their record.
    #[serde(default)]
    unset: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedProduct {
    /// Terms that are left out stay as they are.
    #[serde(default)]
    terms: SaidTerms,
    /// Terms of which nothing is said any more, by their names in their record.
    #[serde(default)]
    unset: Vec<String>,
    /// Whether keys of its licenses are kept. Where they are not, the copies go.
    #[schema(nullable = false)]
    keeps_keys: Option<bool>,
    /// Of which license a request without a license key gets a trial: one of this product with `trial_days`; none for
    /// every request to need a key.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    trial_license: Option<Option<String>>,
}

/// Change what is sold of a product from now on
///
/// Where the sale does not say otherwise. Licenses that were sold stay as they are.
#[utoipa::path(
    post,
    path = "/v1/admin/products/{product}/edit",
    operation_id = "edit_product",
    params(
        ("product" = String, Path),
        ("Idempotency-Key" = String, Header),
        ("If-Match" = String, Header, description = "The ETag of the product that the change is based on."),
    ),
    request_body = ChangedProduct,
    responses(
        (status = 200, description = "Done, now or before.", body = ProductBody),
        BasedRefusals,
        ActRefusals,
    ),
)]
pub(super) async fn edit_product(
    Path(id): Path<String>,
    headers: HeaderMap,
    posted: Posted<ChangedProduct>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Products, |call, asked: ChangedProduct| async move {
        let (id, based_on) = (product_id(&id)?, etag::based_on(&headers)?);
        let (database, occasion) = (call.server.service.database(), &call.caller.occasion);
        let said = asked.terms.said()?;
        let terms = Some(Change { said: &said, unsaid: &asked.unset });
        let trial_license = asked.trial_license.map(|id| id.as_deref().map(license_id).transpose());
        let trial_license = trial_license.transpose()?;
        let edit = ProductEdit { terms, keeps_keys: asked.keeps_keys, trial_license };
        let edit = (&edit, Some(based_on));
        let hand_over = |product: &Product| call.keep_along(&ProductBody::of(product)?);
        let product = service::edit_product(database, Some(&id), edit, hand_over, occasion).await?;
        Ok(ProductBody::of(&product)?)
    })
    .await
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Policies {
    /// By the names of terms in their record.
    #[schema(value_type = Object)]
    pub(crate) terms: Value,
    /// Another one after each change. It is the policies' `ETag`, too.
    pub(crate) version: u32,
}

impl Policies {
    pub(crate) fn of(policies: &Said) -> Done<Self> {
        Ok(Self { terms: terms(policies)?, version: policies.version()? })
    }
}

/// What holds for every product that does not say otherwise
#[utoipa::path(
    get,
    path = "/v1/admin/policies",
    operation_id = "policies",
    responses(
        (
            status = 200,
            description = "It.",
            body = Policies,
            headers(("ETag" = String, description = "For `If-Match` of a change.")),
        ),
        Refusals,
    ),
)]
pub(super) async fn policies(State(server): Shared, caller: Caller) -> Result<Response, Problem> {
    server.service.may(&caller.occasion, Act::Oneself).await?;
    let policies = service::policies(server.service.database()).await?;
    let body = JsonAnswer(Policies::of(&policies)?);
    Ok((etag::header(body.0.version), body).into_response())
}

/// Change what holds for every product that does not say otherwise, from now on
#[utoipa::path(
    post,
    path = "/v1/admin/policies/edit",
    operation_id = "edit_policies",
    params(
        ("Idempotency-Key" = String, Header),
        ("If-Match" = String, Header, description = "The ETag of the policies that the change is based on."),
    ),
    request_body = ChangedSaid,
    responses(
        (status = 200, description = "Done, now or before.", body = Policies),
        BasedRefusals,
        ActRefusals,
    ),
)]
pub(super) async fn edit_policies(
    headers: HeaderMap,
    posted: Posted<ChangedSaid>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Products, |call, asked: ChangedSaid| async move {
        let based_on = Some(etag::based_on(&headers)?);
        let (database, said) = (call.server.service.database(), asked.terms.said()?);
        let change = Change { said: &said, unsaid: &asked.unset };
        let hand_over = |policies: &Said| call.keep_along(&Policies::of(policies)?);
        let policies =
            service::edit_policies(database, (&change, based_on), hand_over, &call.caller.occasion).await?;
        Ok(Policies::of(&policies)?)
    })
    .await
}
