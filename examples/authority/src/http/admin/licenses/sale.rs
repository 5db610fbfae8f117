//! `POST /v1/admin/licenses`: sold.

use nodelock::LicenseId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::super::{
    super::problem::Problem,
    customers::customer_id,
    description::ActRefusals,
    once::{JsonText, Posted, once},
    products::product_id,
};
use crate::{
    domain::{LicenseHint, SaidTerms, check_order_id, rights::Act},
    service::{self, Buyer, NewOrder, Offer, Placed, Sale},
};

/// What is sold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NewLicenses {
    /// The id of the product; that of the only one if it is left out.
    product: Option<String>,
    /// Who licensed the product; the customer's name if it is left out.
    licensee: Option<String>,
    /// The id of the customer.
    customer: Option<String>,
    /// Terms that are left out are those of the product's template.
    #[serde(default)]
    terms: SaidTerms,
    /// Who sells it, for the order.
    #[schema(max_length = 1024)]
    reseller: Option<String>,
    /// The id of the order in the shop: the same order again sells nothing, under another key as well.
    #[schema(max_length = 200)]
    order: Option<String>,
    /// How many such licenses, 1 unless said otherwise.
    #[schema(minimum = 1, maximum = 1000)]
    count: Option<u32>,
    /// A license key that exists already, for one license; a new one is made if it is left out.
    key: Option<String>,
    /// Whether the customer is mailed the keys. They are kept then, or nothing is sold.
    #[serde(default)]
    mail: bool,
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Sold {
    /// Whether this call sold them; false for an order that was sold before.
    pub(crate) sold: bool,
    pub(crate) licenses: Vec<SoldLicense>,
    /// Who licensed the product; null for an order that was sold before.
    pub(crate) licensee: Option<String>,
    /// How many seats each has; null for an order that was sold before.
    pub(crate) seats: Option<u32>,
}

impl Sold {
    /// An order that was sold before, whose keys are not shown again.
    fn before(licenses: Vec<LicenseHint>) -> Self {
        let licenses = licenses.into_iter().map(SoldLicense::before).collect();
        Self { sold: false, licenses, licensee: None, seats: None }
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct SoldLicense {
    pub(crate) id: String,
    /// Shown to the call that sold it, however often that is made, for a week; null otherwise, and for a key that the
    /// call brought.
    pub(crate) key: Option<String>,
    pub(crate) key_hint: Option<String>,
}

impl SoldLicense {
    fn now(offer: &Offer, is_made: bool) -> Self {
        let key = is_made.then(|| offer.key.to_string());
        Self { id: offer.terms.id.to_string(), key, key_hint: None }
    }

    fn before(license: LicenseHint) -> Self {
        let id: LicenseId = license.id;
        Self { id: id.to_string(), key: None, key_hint: Some(license.key_hint) }
    }
}

fn check(new: &NewLicenses) -> Result<u32, Problem> {
    let count = new.count.unwrap_or(1);
    if !(1..=1000).contains(&count) {
        return Err(Problem::malformed("`count` is from 1 to 1000"));
    }
    if new.key.is_some() && count > 1 {
        return Err(Problem::malformed("`key` is for one license"));
    }
    if let Some(id) = new.order.as_deref() {
        check_order_id(id).map_err(Problem::malformed)?;
    }
    Ok(count)
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
pub(in super::super) async fn sell(posted: Posted<NewLicenses>) -> Result<JsonText, Problem> {
    once(posted, Act::Sell, |call, new: NewLicenses| async move {
        let (service, occasion) = (&call.server.service, &call.caller.occasion);
        let database = service.database();
        let count = check(&new)?;
        let product = new.product.as_deref().map(product_id).transpose()?;
        let product = service::product_within_reach(database, product.as_ref(), Act::Sell, occasion).await?;
        let customer = new.customer.as_deref().map(customer_id).transpose()?;
        let mut said = new.terms.said()?;
        new.licensee.iter().for_each(|licensee| said.say("licensee", licensee.as_str().into()));
        let order = match new.order {
            Some(id) => {
                let (said, reseller) = (said.clone(), new.reseller.unwrap_or_default());
                let order = NewOrder { id, said, count, customer, reseller };
                match service::place_order(database, &product, order, occasion).await? {
                    Placed::New(order) => Some(order),
                    Placed::Before(before) => return Ok(Sold::before(before)),
                }
            }
            None => None,
        };
        match (new.licensee, customer) {
            (Some(_), _) => {}
            (None, Some(id)) => {
                let name = service::name_of_customer(database, id, &product, occasion).await?;
                said.say("licensee", name.into());
            }
            (None, None) => return Err(Problem::malformed("say who licenses it")),
        }
        let terms = service::terms_of_sale(database, &product, &said, occasion.time).await?;
        let (licensee, seats) = (Some(terms.licensee.clone()), Some(terms.seats));
        let is_made = new.key.is_none();
        let offers = match new.key {
            Some(key) => vec![Offer { terms, key: Zeroizing::new(key) }],
            None => service::offers(&terms, count)?,
        };
        let licenses = offers.iter().map(|offer| SoldLicense::now(offer, is_made)).collect();
        let answer = Sold { sold: true, licenses, licensee, seats };
        let hand_over = || call.keep_along(&answer);
        let buyer = Buyer { order: order.as_ref(), customer, mails: new.mail };
        match service::sell(database, service.vault(), &offers, buyer, hand_over, occasion).await? {
            Sale::Done => Ok(answer),
            Sale::Before(before) => Ok(Sold::before(before)),
        }
    })
    .await
}
