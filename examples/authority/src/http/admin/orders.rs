//! `/v1/admin/orders`: what was sold under the ids of a shop. It is sold by `POST /v1/admin/licenses`.

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    super::{Shared, device::JsonAnswer, problem::Problem},
    Caller,
    description::{ActRefusals, ReadRefusals, Refusals},
    licenses::{
        HintBody,
        change::{Ending, Extended, Later, Voided},
    },
    lists::{Filtered, OfSeller, Paged, next},
    once::{JsonText, Posted, once},
    products::product_id,
};
use crate::{
    domain::{OrderChoice, OrderRow, check_order_id, filter::List, rights::Act},
    failure::Result as Done,
    service,
};

/// What was sold under an id.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Order)]
pub(crate) struct OrderBody {
    pub(crate) id: String,
    /// The id of the product.
    pub(crate) product: String,
    /// The account of the reseller that sold it; empty for the vendor. An id counts for each product and seller apart.
    pub(crate) seller: String,
    pub(crate) customer: Option<String>,
    /// Who sold it; empty for the vendor.
    pub(crate) reseller: String,
    /// What was said of its terms, by their names in their record.
    #[schema(value_type = Object)]
    pub(crate) terms: Value,
    /// How many licenses.
    pub(crate) count: u32,
    #[schema(format = "date-time")]
    pub(crate) sold: String,
    /// `sold`, or `void` once all its licenses were ended for good.
    pub(crate) state: String,
}

impl OrderBody {
    pub(crate) fn of(row: &OrderRow) -> Done<Self> {
        let OrderRow { order, sold, is_void } = row;
        Ok(Self {
            id: order.key.id.clone(),
            product: order.key.product.to_string(),
            seller: order.key.seller.clone(),
            customer: order.customer.map(|id| id.to_string()),
            reseller: order.reseller.clone(),
            terms: serde_json::to_value(&order.said)?,
            count: order.count,
            sold: sold.to_string(),
            state: if *is_void { "void" } else { "sold" }.to_owned(),
        })
    }
}

fn order_id(text: &str) -> Result<String, Problem> {
    check_order_id(text).map_err(Problem::malformed)
}

fn choice(id: &str, of: &OfSeller) -> Result<OrderChoice, Problem> {
    let product = of.product.as_deref().map(product_id).transpose()?;
    Ok(OrderChoice { id: order_id(id)?, product, seller: of.seller.clone() })
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Orders {
    pub(crate) orders: Vec<OrderBody>,
    /// For the next page, in `after`; none after the last. With a filter, a page that is short or empty may have one.
    pub(crate) next: Option<String>,
}

/// Orders within reach, oldest first
///
/// Fields of a filter: `product`, `customer`, `reseller`, `state` (`sold`, `void`), `sold`.
#[utoipa::path(
    get,
    path = "/v1/admin/orders",
    operation_id = "orders",
    params(Paged, Filtered),
    responses((status = 200, description = "A page.", body = Orders), ReadRefusals, Refusals),
)]
pub(super) async fn orders(
    State(server): Shared,
    caller: Caller,
    paged: Paged,
    filtered: Filtered,
) -> Result<JsonAnswer<Orders>, Problem> {
    server.service.may(&caller.occasion, Act::ShowLicenses).await?;
    let wanted = paged.of(filtered.read(List::Orders)?)?;
    let (rows, place) = service::orders_after(server.service.database(), wanted, &caller.occasion).await?;
    let orders = rows.iter().map(OrderBody::of).collect::<Done<_>>()?;
    Ok(JsonAnswer(Orders { orders, next: next(place) }))
}

#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = OrderView)]
pub(crate) struct OrderView {
    #[serde(flatten)]
    pub(crate) order: OrderBody,
    /// As they were shown when it was sold.
    pub(crate) licenses: Vec<HintBody>,
}

impl OrderView {
    pub(crate) fn of(order: &OrderRow, licenses: Vec<HintBody>) -> Done<Self> {
        Ok(Self { order: OrderBody::of(order)?, licenses })
    }
}

/// One order, with its licenses
#[utoipa::path(
    get,
    path = "/v1/admin/orders/{order}",
    operation_id = "order",
    params(("order" = String, Path, description = "Its id in the shop."), OfSeller),
    responses((status = 200, description = "It.", body = OrderView), ReadRefusals, Refusals),
)]
pub(super) async fn order(
    State(server): Shared,
    caller: Caller,
    Path(id): Path<String>,
    of: OfSeller,
) -> Result<JsonAnswer<OrderView>, Problem> {
    server.service.may(&caller.occasion, Act::ShowLicenses).await?;
    let choice = choice(&id, &of)?;
    let (row, licenses) = service::order(server.service.database(), &choice, &caller.occasion).await?;
    Ok(JsonAnswer(OrderView::of(&row, licenses.iter().map(HintBody::from).collect())?))
}

#[derive(Serialize, ToSchema)]
pub(super) struct ExtendedOrder {
    order: String,
    /// Those that are not void.
    licenses: Vec<Extended>,
}

impl ExtendedOrder {
    fn of(order: &str, licenses: &[service::EditedLicense]) -> Self {
        let licenses = licenses.iter().map(|(_, edited)| Extended::of(edited)).collect();
        Self { order: order.to_owned(), licenses }
    }
}

/// Move the end of every license of an order
///
/// All of them or none, to a later time: an end that is no earlier already stays, so a late or repeated `until` does no
/// harm.
#[utoipa::path(
    post,
    path = "/v1/admin/orders/{order}/extend",
    operation_id = "extend_order",
    params(
        ("order" = String, Path, description = "Its id in the shop."),
        OfSeller,
        ("Idempotency-Key" = String, Header),
    ),
    request_body = Later,
    responses((status = 200, description = "Done, now or before.", body = ExtendedOrder), ActRefusals),
)]
pub(super) async fn extend_order(
    Path(id): Path<String>,
    of: OfSeller,
    posted: Posted<Later>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Extend, |call, later: Later| async move {
        let (choice, how) = (choice(&id, &of)?, (later.extension()?, later.dry_run));
        let (database, occasion) = (call.server.service.database(), &call.caller.occasion);
        let hand_over = |edited: &[service::EditedLicense]| call.keep_along(&ExtendedOrder::of(&id, edited));
        let edited = service::extend_order(database, &choice, how, hand_over, occasion).await?;
        Ok(ExtendedOrder::of(&id, &edited))
    })
    .await
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct VoidedOrder {
    pub(crate) order: String,
    /// How many licenses are void now that were not before.
    pub(crate) voided: usize,
    /// They.
    pub(crate) licenses: Vec<Voided>,
}

impl VoidedOrder {
    pub(crate) fn of(order: &str, ended: &[service::Halted]) -> Self {
        let licenses = ended.iter().map(Voided::from).collect();
        Self { order: order.to_owned(), voided: ended.len(), licenses }
    }
}

/// End every license of an order for good
///
/// Because it was refunded, say. That cannot be undone. Seats can still be given up; devices go on to the end of their
/// leases.
#[utoipa::path(
    post,
    path = "/v1/admin/orders/{order}/void",
    operation_id = "void_order",
    params(
        ("order" = String, Path, description = "Its id in the shop."),
        OfSeller,
        ("Idempotency-Key" = String, Header),
    ),
    request_body = Ending,
    responses((status = 200, description = "Done, now or before.", body = VoidedOrder), ActRefusals),
)]
pub(super) async fn void_order(
    Path(id): Path<String>,
    of: OfSeller,
    posted: Posted<Ending>,
) -> Result<JsonText, Problem> {
    once(posted, Act::Edit, |call, asked: Ending| async move {
        let (choice, (reason, dry_run)) = (choice(&id, &of)?, asked.read()?);
        let (database, occasion) = (call.server.service.database(), &call.caller.occasion);
        let hand_over = |ended: &[service::Halted]| call.keep_along(&VoidedOrder::of(&id, ended));
        let ended = service::void_order(database, &choice, (&reason, dry_run), hand_over, occasion).await?;
        Ok(VoidedOrder::of(&id, &ended))
    })
    .await
}
