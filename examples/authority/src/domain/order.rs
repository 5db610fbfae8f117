//! What is sold once under an id that a shop has for it.

use nodelock::Timestamp;

use super::{CustomerId, ProductId, Said};

/// What finds an order. An id counts for each product and each reseller's account apart: whoever may sell one product
/// alone, or for himself alone, uses up no id of another, and hears of none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OrderKey {
    /// What the seller's shop calls it.
    pub(crate) id: String,
    pub(crate) product: ProductId,
    /// The account of the reseller that sold it; empty for the vendor.
    pub(crate) seller: String,
}

/// An order as a person names it. Several sellers may have used one id; then more is needed.
#[derive(Clone)]
pub(crate) struct OrderChoice {
    pub(crate) id: String,
    pub(crate) product: Option<ProductId>,
    pub(crate) seller: Option<String>,
}

impl OrderChoice {
    pub(crate) fn is(&self, key: &OrderKey) -> bool {
        self.id == key.id
            && self.product.as_ref().is_none_or(|product| *product == key.product)
            && self.seller.as_ref().is_none_or(|seller| *seller == key.seller)
    }
}

/// What was ordered.
pub(crate) struct Order {
    pub(crate) key: OrderKey,
    /// What was said of its terms. What was not said, the product may say otherwise when the same order comes again.
    pub(crate) said: Said,
    /// How many licenses of it.
    pub(crate) count: u32,
    pub(crate) customer: Option<CustomerId>,
    /// Who sells it; empty for the vendor.
    pub(crate) reseller: String,
}

/// An order in a list.
pub(crate) struct OrderRow {
    pub(crate) order: Order,
    pub(crate) sold: Timestamp,
    /// Whether all its licenses were ended for good.
    pub(crate) is_void: bool,
}

/// Refuses what is no id of an order: it stands in the audit and in commands.
pub(crate) fn check_order_id(text: &str) -> Result<String, &'static str> {
    let is_line = !text.trim().is_empty() && !text.chars().any(char::is_control);
    if is_line && text.len() <= 200 {
        Ok(text.to_owned())
    } else {
        Err("an id of at most 200 bytes on one line is expected")
    }
}
