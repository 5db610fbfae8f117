//! What each command about customers and orders does.

use serde_json::json;

use super::{
    arguments::{CustomerCommand, OrderCommand, Which},
    confirm::confirm,
    licenses::hints,
    output::{self, Listing, Report},
};
use crate::{
    domain::{Customer, CustomerDetails, Occasion, filter::List},
    failure::{Failure, Result},
    service::{self, Database, Erased},
};

pub(crate) async fn customers(
    command: &CustomerCommand,
    database: &Database,
    occasion: &Occasion,
    as_json: bool,
) -> Result<Report> {
    let shown =
        |customer: &Customer| Report::new(output::customer_words(customer), output::customer(customer));
    match command {
        CustomerCommand::New { name, more } => {
            let mut details = CustomerDetails::default();
            more.change(Some(name), &mut details);
            Ok(shown(&service::new_customer(database, details, |_| Ok(()), occasion).await?))
        }
        CustomerCommand::List { email, filtered } => {
            let mut listing = Listing::new("customers", as_json);
            let show = |row| listing.row(row, output::customer_words, output::customer);
            let mut filter = filtered.read(List::Customers)?;
            if let Some(email) = email {
                filter = filter.and("email", email);
            }
            service::customers(database, filter, occasion, show).await?;
            listing.finish("No customers.")
        }
        CustomerCommand::Show { which: Which { id: Some(id), .. } } => {
            Ok(shown(&service::customer(database, *id, occasion).await?))
        }
        CustomerCommand::Show { which: Which { external_id, .. } } => {
            let external_id = external_id.as_deref().unwrap_or_default();
            Ok(shown(&service::customer_of_external_id(database, external_id, occasion).await?))
        }
        CustomerCommand::Edit { id, if_version, name, more } => {
            let change = |details: &mut CustomerDetails| more.change(name.as_deref(), details);
            let change = (change, *if_version);
            Ok(shown(&service::edit_customer(database, *id, change, |_| Ok(()), occasion).await?))
        }
        CustomerCommand::Erase { id, yes } => {
            let customer = service::customer(database, *id, occasion).await?;
            let question = format!(
                "Erase what is noted of customer {id}, {}, in all licenses and seats? It cannot be undone.",
                customer.details.name
            );
            confirm(&question, *yes)?;
            let Erased { at, licenses, seats } = service::erase_customer(database, *id, occasion).await?;
            let words = format!(
                "Customer {id} is erased: nothing of a person is left in {licenses} licenses and {seats} seats. Copies \
                 of the ledger have it still."
            );
            let fields = json!({
                "customer": id.to_string(), "erased": at.to_string(), "licenses": licenses, "seats": seats,
            });
            Ok(Report::new(words, fields))
        }
    }
}

pub(crate) async fn orders(
    command: &OrderCommand,
    database: &Database,
    occasion: &Occasion,
    as_json: bool,
) -> Result<Report> {
    match command {
        OrderCommand::List { filtered } => {
            let mut listing = Listing::new("orders", as_json);
            let show = |row| listing.row(row, output::order_words, output::order);
            service::orders(database, filtered.read(List::Orders)?, occasion, show).await?;
            listing.finish("No orders.")
        }
        OrderCommand::Show { order } => {
            let (order, licenses) = service::order(database, &order.choice(), occasion).await?;
            let mut words = output::order_words(&order) + "\n";
            for license in &licenses {
                words += &format!("  {}  ..{}\n", license.id, license.key_hint);
            }
            let mut fields = output::order(&order);
            fields["licenses"] = hints(&licenses).into();
            Ok(Report::new(words, fields))
        }
        OrderCommand::Void { yes: false, .. } => {
            Err(Failure::Usage("licenses that are void stay so; say --yes if that is meant".into()))
        }
        OrderCommand::Void { order, reason, yes: true } => {
            let choice = order.choice();
            let voided = service::void_order(database, &choice, reason, |_| Ok(()), occasion).await?;
            let id = choice.id;
            let words = format!("Order {id} is void: {voided} licenses are void now that were not before.");
            Ok(Report::new(words, json!({ "order": id, "voided": voided })))
        }
    }
}
