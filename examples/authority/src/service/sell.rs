//! Licenses are sold: keys are with the buyer before their licenses are stored, and an order is sold once.

use nodelock::{
    ErrorKind, LicenseId, SystemRandom, Timestamp,
    authority::{LicenseKeyName, LicenseTerms},
    code::LicenseKey,
};
use zeroize::Zeroizing;

use super::{
    Database,
    customers::not_erased,
    license_keys::{seal, vault_of},
    mail,
    permit::{On, permit},
};
use crate::{
    domain::{
        CustomerId, LicenseHint, Occasion, Order, OrderKey, OrderRow, Product, Said,
        rights::{Act, Permit},
    },
    failure::{Failure, Result},
    keys::Vault,
    store::{self, AuditLine, Tx},
};

/// The longest text that says who sells, in bytes: as long as a licensee.
const LONGEST_RESELLER: usize = 1_024;

/// A license that is to be sold, and its key.
pub(crate) struct Offer {
    pub(crate) terms: LicenseTerms,
    pub(crate) key: Zeroizing<String>,
}

/// To whom something is sold, and under which order.
#[derive(Clone, Copy, Default)]
pub(crate) struct Buyer<'a> {
    pub(crate) order: Option<&'a Order>,
    pub(crate) customer: Option<CustomerId>,
    /// Whether the customer is sent the keys.
    pub(crate) mails: bool,
}

/// What became of a sale.
#[derive(Debug)]
pub(crate) enum Sale {
    Done,
    /// The same order was sold before, with these licenses. Nothing is sold now.
    Before(Vec<LicenseHint>),
}

/// The terms of a license that is sold: what was said at the sale, or else what the product says, or else what holds
/// for every product.
///
/// Fails as [`Said::apply`] does.
pub(crate) async fn terms_of_sale(
    database: &Database,
    product: &Product,
    said: &Said,
    now: Timestamp,
) -> Result<LicenseTerms> {
    let policies = store::policies(&mut database.read().await?).await?;
    let layers = said.over(&product.template.over(&policies.over(&Said::standard())));
    let terms = LicenseTerms::new(LicenseId::generate(&SystemRandom)?, product.name.clone(), 1, now);
    layers.apply(&terms, now)
}

/// `count` licenses of the same terms, each with an id and a new key of its own.
pub(crate) fn offers(terms: &LicenseTerms, count: u32) -> Result<Vec<Offer>> {
    let offer = |_| {
        let mut terms = terms.clone();
        terms.id = LicenseId::generate(&SystemRandom)?;
        Ok(Offer { terms, key: new_key()? })
    };
    (0..count).map(offer).collect()
}

/// A new license key.
pub(super) fn new_key() -> Result<Zeroizing<String>> {
    Ok(Zeroizing::new(LicenseKey::generate(&SystemRandom)?.to_string()))
}

/// An order as its seller places it.
pub(crate) struct NewOrder {
    pub(crate) id: String,
    /// Without the licensee where that is the customer, whose name may change.
    pub(crate) said: Said,
    pub(crate) count: u32,
    pub(crate) customer: Option<CustomerId>,
    /// Who sells it; empty for the vendor, and for a reseller who signed in.
    pub(crate) reseller: String,
}

/// What became of an order so far.
pub(crate) enum Placed {
    /// It is to be sold.
    New(Order),
    /// It was sold before, with these licenses.
    Before(Vec<LicenseHint>),
}

/// Looks an order up before anything else is looked at: that it was sold stays true, whatever changed meanwhile.
///
/// Fails with [`Failure::OrderDiffers`], and with `ErrorKind::InvalidInput` for a reseller that is none.
pub(crate) async fn place_order(
    database: &Database,
    product: &Product,
    new: NewOrder,
    occasion: &Occasion,
) -> Result<Placed> {
    let permit = permit(database, occasion, Act::Sell, On::New(&product.name)).await?;
    let NewOrder { id, said, count, customer, reseller } = new;
    let seller = permit.reseller().unwrap_or_default().to_owned();
    let reseller = reseller_of(&permit, reseller)?;
    let key = OrderKey { id, product: product.id.clone(), seller };
    let order = Order { key, said, count, customer, reseller };
    let before = sold_before(&mut database.read().await?, &order).await?;
    Ok(before.map_or(Placed::New(order), Placed::Before))
}

/// Who sells: for a reseller who signed in that account, and no other.
fn reseller_of(permit: &Permit<'_>, said: String) -> Result<String> {
    let invalid = |text: String| Failure::rule(ErrorKind::InvalidInput, text);
    match permit.reseller() {
        Some(account) if said.is_empty() || said == account => Ok(account.to_owned()),
        Some(account) => Err(invalid(format!("reseller: {account} sells this, and nobody else"))),
        None if said.len() > LONGEST_RESELLER => {
            Err(invalid(format!("reseller has {} bytes; {LONGEST_RESELLER} are allowed", said.len())))
        }
        None if said.chars().any(char::is_control) => Err(invalid("reseller is a text on one line".into())),
        None => Ok(said),
    }
}

/// Sells licenses: all of them or none.
///
/// `hand_over` brings the keys to where they are safe. It is called before anything is stored, so that no license is
/// sold whose key nobody has. No transaction is open meanwhile, because a slow reader of a pipe must keep no device
/// waiting. When something fails after it, the keys were handed over in vain.
///
/// Fails with [`ErrorKind::InvalidInput`] for terms that no license can be made of, with [`ErrorKind::LicenseEnded`]
/// for terms that are over, with [`Failure::Usage`] for an empty key, with [`Failure::KeyInUse`], with
/// [`Failure::OrderDiffers`], with [`Failure::UnknownCustomer`] or [`Failure::Erased`], with [`Failure::NotMailed`] or
/// [`Failure::KeyNotKept`] where keys are to be mailed, and as `hand_over` does.
pub(crate) async fn sell(
    database: &Database,
    vault: Option<&Vault>,
    offers: &[Offer],
    buyer: Buyer<'_>,
    hand_over: impl FnOnce() -> Result<()>,
    occasion: &Occasion,
) -> Result<Sale> {
    let product = offers.first().map_or("", |offer| &offer.terms.product);
    let occasion = &permit(database, occasion, Act::Sell, On::New(product)).await?;
    let Buyer { order, customer, mails } = buyer;
    let mut tx = database.read().await?;
    if let Some(order) = order
        && let Some(before) = sold_before(&mut tx, order).await?
    {
        return Ok(Sale::Before(before));
    }
    let mut named = Vec::new();
    for Offer { terms, key } in offers {
        terms.validate()?;
        if let Some(end) = terms.expires.filter(|end| occasion.time >= *end) {
            return Err(Failure::rule(
                ErrorKind::LicenseEnded,
                format!("the license would have ended at {end}"),
            ));
        }
        named.push((terms, key, key_name(key)?));
    }
    if let Some(id) = customer {
        not_erased(&mut tx, id).await?;
    }
    if mails {
        if vault_of(&mut tx, vault, product).await?.is_none() {
            return Err(Failure::KeyNotKept);
        }
        mail::check_sale(&mut tx, customer, product).await?;
    }
    for (_, _, key) in &named {
        check_unused(&mut tx, key).await?;
    }
    drop(tx);
    hand_over()?;

    let mut tx = database.write().await?;
    if let Some(order) = order
        && !store::insert_sale(&mut tx, order, occasion).await?
    {
        let before = sold_before(&mut tx, order).await?.unwrap_or_default();
        // What was read may be on its way to the disk still.
        tx.commit().await?;
        return Ok(Sale::Before(before));
    }
    if let Some(id) = customer {
        // Erased while the keys were handed over, say. Nobody erases the customer from here on.
        store::lock_customer(&mut tx, id).await?;
        not_erased(&mut tx, id).await?;
    }
    let vault = match offers.first() {
        Some(offer) => vault_of(&mut tx, vault, &offer.terms.product).await?,
        None => None,
    };
    for (position, (terms, text, key)) in (0..).zip(&named) {
        check_unused(&mut tx, key).await?;
        let sealed = seal(vault, terms.id, key, text)?;
        store::insert_license(&mut tx, terms, key, sealed.as_deref(), occasion).await?;
        if let Some(customer) = customer {
            store::set_customer_of(&mut tx, terms.id, customer).await?;
        }
        if let Some(account) = occasion.reseller() {
            store::insert_reseller(&mut tx, terms.id, account).await?;
        }
        if let Some(order) = order {
            store::insert_sale_license(&mut tx, &order.key, position, terms.id).await?;
        }
        let detail = sold_as(terms, &buyer, occasion.reseller());
        let line = AuditLine { action: "license-created", license: Some(terms.id), detail: &detail };
        line.write_about(&mut tx, &terms.licensee, occasion).await?;
        if mails {
            let hint = LicenseHint { id: terms.id, key_hint: key.hint() };
            mail::enter_key(&mut tx, &hint, key.hash(), occasion).await?;
        }
    }
    tx.commit().await?;
    Ok(Sale::Done)
}

/// What the audit says of a sale, for a program that reads it (`verify`): the order last, because its id may be
/// anything. Nothing of a person is in it but the customer's id.
fn sold_as(terms: &LicenseTerms, buyer: &Buyer<'_>, reseller: Option<&str>) -> String {
    let mut detail = format!("{} seats", terms.seats);
    buyer.customer.iter().for_each(|id| detail += &format!(", customer {id}"));
    reseller.iter().for_each(|account| detail += &format!(", reseller {account}"));
    buyer.order.iter().for_each(|order| detail += &format!(", order {}", order.key.id));
    detail
}

/// A key as it is compared. Fails with [`Failure::Usage`] for an empty one.
pub(super) fn key_name(key: &str) -> Result<LicenseKeyName> {
    LicenseKeyName::new(key).ok_or_else(|| Failure::Usage("the license key is empty".into()))
}

/// Fails with [`Failure::KeyInUse`], also for a key that opens nothing any more.
pub(super) async fn check_unused(tx: &mut Tx, key: &LicenseKeyName) -> Result<()> {
    if store::is_key_used(tx, key).await? { Err(Failure::KeyInUse) } else { Ok(()) }
}

/// The licenses that an order was sold with; none if it was not. Its key is within reach of who sells it.
///
/// Fails with [`Failure::OrderDiffers`] when something else was ordered under that key.
async fn sold_before(tx: &mut Tx, order: &Order) -> Result<Option<Vec<LicenseHint>>> {
    let Some(OrderRow { order: before, .. }) = store::order_row(tx, &order.key).await? else {
        return Ok(None);
    };
    let licenses = store::licenses_of_sale(tx, &order.key).await?;
    let differs = if licenses.len() != order.count as usize {
        format!("it was for {} licenses", licenses.len())
    } else if (before.customer, &before.reseller) != (order.customer, &order.reseller) {
        "it was sold to or by somebody else".to_owned()
    } else if before.said != order.said.as_emptied_in(&before.said) {
        "its terms were others".to_owned()
    } else {
        return Ok(Some(licenses));
    };
    Err(Failure::OrderDiffers(order.key.id.clone(), differs))
}

#[cfg(test)]
mod tests;
