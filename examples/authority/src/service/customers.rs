//! Customers: to whom licenses are sold.

use nodelock::{ErrorKind, SystemRandom};

use super::{
    Database,
    permit::{On, permit},
    products::check_based_on,
};
use crate::{
    domain::{Customer, CustomerDetails, CustomerId, Language, Occasion, Product, rights::Act},
    failure::{Failure, Result},
    store::{self, AuditLine, Tx},
};

/// The longest of each member, in bytes.
const LONGEST: [usize; 5] = [1_024, 320, 200, 64 * 1024, 2];

/// Enters a customer. `hand_over` is told of it before it is stored.
///
/// Fails as `hand_over` does, with `ErrorKind::InvalidInput` for what is too long, has no name, or is not on one line,
/// and with [`Failure::CustomerThere`] for an external id that another customer has.
pub(crate) async fn new_customer(
    database: &Database,
    details: CustomerDetails,
    hand_over: impl FnOnce(&Customer) -> Result<()>,
    occasion: &Occasion,
) -> Result<Customer> {
    let occasion = &permit(database, occasion, Act::Sell, On::Whole).await?;
    check(&details)?;
    let mut tx = database.write().await?;
    let id = CustomerId::generate(&SystemRandom)?;
    check_external_id(&mut tx, id, &details).await?;
    let customer = Customer { id, details, created: occasion.time, revision: 1, erased: None };
    hand_over(&customer)?;
    store::insert_customer(&mut tx, &customer).await?;
    // Without what is noted of a person: the audit forgets nothing.
    let detail = id.to_string();
    AuditLine { action: "customer-created", license: None, detail: &detail }.write(&mut tx, occasion).await?;
    tx.commit().await?;
    Ok(customer)
}

/// Changes what is noted of a customer. `based_on` is the revision that the change was made for. Returns the customer
/// as it is now; `hand_over` is given it before a change is stored.
///
/// Fails as [`new_customer`] does, with [`Failure::UnknownCustomer`], with [`Failure::Erased`], and with
/// [`Failure::Superseded`].
pub(crate) async fn edit_customer(
    database: &Database,
    id: CustomerId,
    (change, based_on): (impl Fn(&mut CustomerDetails), Option<u32>),
    hand_over: impl FnOnce(&Customer) -> Result<()>,
    occasion: &Occasion,
) -> Result<Customer> {
    let occasion = &permit(database, occasion, Act::Sell, On::Whole).await?;
    let mut tx = database.write().await?;
    let mut customer = not_erased(&mut tx, id).await?;
    check_based_on(based_on, customer.revision)?;
    let before = customer.details.clone();
    change(&mut customer.details);
    check(&customer.details)?;
    check_external_id(&mut tx, id, &customer.details).await?;
    if customer.details != before {
        customer.revision = customer.revision.saturating_add(1);
        store::set_customer(&mut tx, &customer).await?;
        hand_over(&customer)?;
        let members = before.members().into_iter().zip(customer.details.members());
        let changed = members.filter(|(before, after)| before != after).map(|((name, _), _)| name);
        let detail = format!("{id}: {}", changed.collect::<Vec<_>>().join(", "));
        AuditLine { action: "customer-edited", license: None, detail: &detail }
            .write(&mut tx, occasion)
            .await?;
    }
    // Also where nothing changes: what was read may be on its way to the disk still.
    tx.commit().await?;
    Ok(customer)
}

/// One customer. Fails with [`Failure::UnknownCustomer`].
pub(crate) async fn customer(database: &Database, id: CustomerId, occasion: &Occasion) -> Result<Customer> {
    permit(database, occasion, Act::ShowLicenses, On::Whole).await?;
    known(&mut database.read().await?, id).await
}

/// The name of a customer to whom something is sold, for the license. Fails with [`Failure::UnknownCustomer`].
pub(crate) async fn name_of_customer(
    database: &Database,
    id: CustomerId,
    product: &Product,
    occasion: &Occasion,
) -> Result<String> {
    permit(database, occasion, Act::Sell, On::New(&product.name)).await?;
    Ok(known(&mut database.read().await?, id).await?.details.name)
}

pub(super) async fn known(tx: &mut Tx, id: CustomerId) -> Result<Customer> {
    store::customer(tx, id).await?.ok_or_else(|| Failure::UnknownCustomer(id.to_string()))
}

/// A customer that something is sold or given to. Fails with [`Failure::UnknownCustomer`] and [`Failure::Erased`].
pub(super) async fn not_erased(tx: &mut Tx, id: CustomerId) -> Result<Customer> {
    let customer = known(tx, id).await?;
    if customer.erased.is_some() { Err(Failure::Erased(id.to_string())) } else { Ok(customer) }
}

/// The customer that the vendor's own system has that name for. Fails with [`Failure::UnknownCustomer`].
pub(crate) async fn customer_of_external_id(
    database: &Database,
    external_id: &str,
    occasion: &Occasion,
) -> Result<Customer> {
    permit(database, occasion, Act::ShowLicenses, On::Whole).await?;
    let found = store::customer_of_external_id(&mut database.read().await?, external_id).await?;
    found.ok_or_else(|| Failure::UnknownCustomer(external_id.to_owned()))
}

fn check(details: &CustomerDetails) -> Result<()> {
    let invalid = |text: String| Failure::rule(ErrorKind::InvalidInput, text);
    if details.name.trim().is_empty() {
        return Err(invalid("a customer has a name".into()));
    }
    for ((name, text), longest) in details.members().into_iter().zip(LONGEST) {
        if text.len() > longest {
            return Err(invalid(format!("{name} has {} bytes; {longest} are allowed", text.len())));
        }
        let is_odd = |letter: char| letter.is_control() && !(name == "notes" && letter == '\n');
        if text.chars().any(is_odd) {
            return Err(invalid(format!("{name} is a text on one line")));
        }
    }
    let is_address = details.email.is_empty()
        || details.email.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty() && !host.is_empty() && !details.email.contains(char::is_whitespace)
        });
    if !is_address {
        return Err(invalid("email is no address".into()));
    }
    match details.language.parse::<Language>() {
        Err(expected) if !details.language.is_empty() => Err(invalid(format!("language: {expected}"))),
        _ => Ok(()),
    }
}

async fn check_external_id(tx: &mut Tx, id: CustomerId, details: &CustomerDetails) -> Result<()> {
    match store::customer_of_external_id(tx, &details.external_id).await? {
        Some(other) if other.id != id => Err(Failure::CustomerThere(other.id.to_string())),
        _ => Ok(()),
    }
}
