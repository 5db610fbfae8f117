//! `/v1/admin/customers`: to whom licenses are sold.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{Shared, device::JsonAnswer, problem::Problem},
    Caller,
    description::{ActRefusals, BasedRefusals, ReadRefusals, Refusals},
    etag,
    licenses::text,
    lists::{Filtered, Paged, next},
    once::{JsonText, Nothing, Posted, once},
};
use crate::{
    domain::{Customer, CustomerDetails, CustomerId, filter::List, rights::Act},
    service::{self, Erased},
};

/// To whom licenses are sold.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Customer)]
pub(crate) struct CustomerBody {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    /// What the vendor's own system calls the customer; empty if it has no name for it.
    pub(crate) external_id: String,
    /// For the vendor alone.
    pub(crate) notes: String,
    /// Of mails to it: `en` or `de`, or empty for that of the product.
    pub(crate) language: String,
    #[schema(format = "date-time")]
    pub(crate) created: String,
    /// How often it was changed, from 1 on. It is the customer's `ETag`, too.
    pub(crate) revision: u32,
    /// Since when nothing is noted of a person any more.
    #[schema(format = "date-time")]
    pub(crate) erased: Option<String>,
}

impl From<&Customer> for CustomerBody {
    fn from(customer: &Customer) -> Self {
        let CustomerDetails { name, email, external_id, notes, language } = customer.details.clone();
        let (created, revision) = (customer.created.to_string(), customer.revision);
        let (id, erased) = (customer.id.to_string(), text(customer.erased));
        Self { id, name, email, external_id, notes, language, created, revision, erased }
    }
}

pub(super) fn customer_id(text: &str) -> Result<CustomerId, Problem> {
    text.parse().map_err(|_| Problem::malformed("there is no id of a customer where one is expected"))
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Customers {
    pub(crate) customers: Vec<CustomerBody>,
    /// For the next page, in `after`; none after the last. With a filter, a page that is short or empty may have one.
    pub(crate) next: Option<String>,
}

/// Customers, oldest first
///
/// They are of all products, so no limited right reaches them. With a term about a time or a beginning, in the order of
/// that. Fields of a filter: `name`, `email`, `external_id`, `created`.
#[utoipa::path(
    get,
    path = "/v1/admin/customers",
    operation_id = "customers",
    params(Paged, Filtered),
    responses((status = 200, description = "A page.", body = Customers), ReadRefusals, Refusals),
)]
pub(super) async fn customers(
    State(server): Shared,
    caller: Caller,
    paged: Paged,
    filtered: Filtered,
) -> Result<JsonAnswer<Customers>, Problem> {
    server.service.may(&caller.occasion, Act::ShowLicenses).await?;
    let wanted = paged.of(filtered.read(List::Customers)?)?;
    let (rows, place) = service::customers_after(server.service.database(), wanted, &caller.occasion).await?;
    let customers = rows.iter().map(CustomerBody::from).collect();
    Ok(JsonAnswer(Customers { customers, next: next(place) }))
}

/// One customer
#[utoipa::path(
    get,
    path = "/v1/admin/customers/{id}",
    operation_id = "customer",
    params(("id" = String, Path)),
    responses(
        (
            status = 200,
            description = "It.",
            body = CustomerBody,
            headers(("ETag" = String, description = "For `If-Match` of a change.")),
        ),
        ReadRefusals,
        Refusals,
    ),
)]
pub(super) async fn customer(
    State(server): Shared,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    server.service.may(&caller.occasion, Act::ShowLicenses).await?;
    let customer = service::customer(server.service.database(), customer_id(&id)?, &caller.occasion).await?;
    Ok((etag::header(customer.revision), JsonAnswer(CustomerBody::from(&customer))).into_response())
}

/// What is noted of a customer. What is left out stays as it is, or empty.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Noted {
    #[schema(max_length = 1024, nullable = false)]
    name: Option<String>,
    #[schema(max_length = 320, nullable = false)]
    email: Option<String>,
    /// What the vendor's own system calls the customer.
    #[schema(max_length = 200, nullable = false)]
    external_id: Option<String>,
    /// For the vendor alone: they are never signed into a license.
    #[schema(max_length = 65_536, nullable = false)]
    notes: Option<String>,
    /// Of mails to it: `en` or `de`, or empty for that of the product.
    #[schema(nullable = false)]
    language: Option<String>,
}

impl Noted {
    fn change(&self, details: &mut CustomerDetails) {
        let set = |text: &mut String, noted: &Option<String>| {
            if let Some(noted) = noted {
                text.clone_from(noted);
            }
        };
        set(&mut details.name, &self.name);
        set(&mut details.email, &self.email);
        set(&mut details.external_id, &self.external_id);
        set(&mut details.notes, &self.notes);
        set(&mut details.language, &self.language);
    }
}

/// Enter a customer
///
/// Who has a name.
#[utoipa::path(
    post,
    path = "/v1/admin/customers",
    operation_id = "new_customer",
    params(("Idempotency-Key" = String, Header)),
    request_body = Noted,
    responses((status = 200, description = "Done, now or before.", body = CustomerBody), ActRefusals),
)]
pub(super) async fn new_customer(posted: Posted<Noted>) -> Result<JsonText, Problem> {
    once(posted, Act::Sell, |call, noted: Noted| async move {
        let mut details = CustomerDetails::default();
        noted.change(&mut details);
        let (database, occasion) = (call.server.service.database(), &call.caller.occasion);
        let hand_over = |customer: &Customer| call.keep_along(&CustomerBody::from(customer));
        let customer = service::new_customer(database, details, hand_over, occasion).await?;
        Ok(CustomerBody::from(&customer))
    })
    .await
}

/// Change what is noted of a customer
#[utoipa::path(
    post,
    path = "/v1/admin/customers/{id}/edit",
    operation_id = "edit_customer",
    params(
        ("id" = String, Path),
        ("Idempotency-Key" = String, Header),
        ("If-Match" = String, Header, description = "The ETag of the customer that the change is based on."),
    ),
    request_body = Noted,
    responses(
        (status = 200, description = "Done, now or before.", body = CustomerBody),
        BasedRefusals,
        ActRefusals,
    ),
)]
pub(super) async fn edit_customer(
    Path(id): Path<String>,
    headers: HeaderMap,
    posted: Posted<Noted>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Sell, |call, noted: Noted| async move {
        let (id, based_on) = (customer_id(&id)?, etag::based_on(&headers)?);
        let (database, occasion) = (call.server.service.database(), &call.caller.occasion);
        let change = |details: &mut CustomerDetails| noted.change(details);
        let hand_over = |customer: &Customer| call.keep_along(&CustomerBody::from(customer));
        let change = (change, Some(based_on));
        let customer = service::edit_customer(database, id, change, hand_over, occasion).await?;
        Ok(CustomerBody::from(&customer))
    })
    .await
}

/// What was erased.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ErasedCustomer {
    pub(crate) customer: String,
    /// When it was erased first.
    #[schema(format = "date-time")]
    pub(crate) erased: String,
    /// How many licenses the customer has.
    pub(crate) licenses: u64,
    pub(crate) seats: u64,
}

/// Erase what is noted of a customer
///
/// Because a person asked for that. It cannot be undone. Ids and what proofs need stay; devices go on, and the next
/// license of each names nobody. The same again goes on with what an interrupted call left.
#[utoipa::path(
    post,
    path = "/v1/admin/customers/{id}/erase",
    operation_id = "erase_customer",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, description = "Done, now or before.", body = ErasedCustomer), ActRefusals),
)]
pub(super) async fn erase_customer(
    Path(id): Path<String>,
    posted: Posted<Nothing>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Erase, |call, _: Nothing| async move {
        let (id, database) = (customer_id(&id)?, call.server.service.database());
        Ok(ErasedCustomer::from((id, service::erase_customer(database, id, &call.caller.occasion).await?)))
    })
    .await
}

impl From<(CustomerId, Erased)> for ErasedCustomer {
    fn from((id, Erased { at, licenses, seats }): (CustomerId, Erased)) -> Self {
        Self { customer: id.to_string(), erased: at.to_string(), licenses, seats }
    }
}
