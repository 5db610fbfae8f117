//! What each command about customers and orders does.

use serde_json::json;

use super::{
    arguments::{CustomerCommand, OrderCommand, Trying, Which},
    confirm::confirm,
    desk::Desk,
    licenses::{add_halted, hints},
    output::{self, Listing, Report, json},
};
use crate::{
    domain::{CustomerDetails, filter::List},
    failure::{Failure, Result},
    http::records::{CustomerBody, ErasedCustomer, OrderView, Voided, VoidedOrder},
};

pub(super) async fn customers(command: &CustomerCommand, desk: &Desk<'_>, as_json: bool) -> Result<Report> {
    let shown = |customer: &CustomerBody| Report::new(output::customer_words(customer), json(customer));
    match command {
        CustomerCommand::New { name, more } => {
            let mut details = CustomerDetails::default();
            more.change(Some(name), &mut details);
            Ok(shown(&desk.new_customer(details).await?))
        }
        CustomerCommand::List { email, filtered } => {
            let mut listing = Listing::new("customers", as_json);
            let show = |row| listing.row(row, output::customer_words, json);
            let mut filter = filtered.read(List::Customers)?;
            if let Some(email) = email {
                filter = filter.and("email", email);
            }
            desk.customers(filter, show).await?;
            listing.finish("No customers.")
        }
        CustomerCommand::Show { which: Which { id: Some(id), .. } } => Ok(shown(&desk.customer(*id).await?)),
        CustomerCommand::Show { which: Which { external_id, .. } } => {
            let external_id = external_id.as_deref().unwrap_or_default();
            Ok(shown(&desk.customer_of_external_id(external_id).await?))
        }
        CustomerCommand::Edit { id, if_version, name, more } => {
            let change = |details: &mut CustomerDetails| more.change(name.as_deref(), details);
            Ok(shown(&desk.edit_customer(*id, change, *if_version).await?))
        }
        CustomerCommand::Erase { id, yes } => {
            let customer = desk.customer(*id).await?;
            let question = format!(
                "Erase what is noted of customer {id}, {}, in all licenses and seats? It cannot be undone.",
                customer.name
            );
            confirm(&question, *yes)?;
            let erased = desk.erase_customer(*id).await?;
            let ErasedCustomer { licenses, seats, .. } = &erased;
            let words = format!(
                "Customer {id} is erased: nothing of a person is left in {licenses} licenses and {seats} seats. Copies \
                 of the ledger have it still."
            );
            Ok(Report::new(words, json(&erased)))
        }
    }
}

pub(super) async fn orders(command: &OrderCommand, desk: &Desk<'_>, as_json: bool) -> Result<Report> {
    match command {
        OrderCommand::List { filtered } => {
            let mut listing = Listing::new("orders", as_json);
            let show = |row| listing.row(row, output::order_words, json);
            desk.orders(filtered.read(List::Orders)?, show).await?;
            listing.finish("No orders.")
        }
        OrderCommand::Show { order } => {
            let OrderView { order, licenses } = desk.order(&order.choice()).await?;
            let mut words = output::order_words(&order) + "\n";
            for license in &licenses {
                words += &format!("  {}  ..{}\n", license.id, license.key_hint);
            }
            let mut fields = json(&order);
            fields["licenses"] = hints(&licenses).into();
            Ok(Report::new(words, fields))
        }
        OrderCommand::Void { yes: false, trying: Trying { dry_run: false }, .. } => {
            Err(Failure::Usage("licenses that are void stay so; say --yes if that is meant".into()))
        }
        OrderCommand::Void { order, reason, trying: Trying { dry_run }, .. } => {
            let choice = order.choice();
            let VoidedOrder { voided, licenses, .. } = desk.void_order(&choice, (reason, *dry_run)).await?;
            let id = choice.id;
            let taken: u32 = licenses.iter().map(|license| license.halted.seats.taken).sum();
            let words = match dry_run {
                true => format!(
                    "Order {id} would be void: {voided} licenses that are not void now, with {taken} seats that are \
                     taken. Nothing was changed."
                ),
                false => format!("Order {id} is void: {voided} licenses are void now that were not before."),
            };
            let of = |license: &Voided| {
                let mut fields = json!({ "license": license.id });
                add_halted(&mut fields, &license.halted);
                fields
            };
            let licenses: Vec<_> = licenses.iter().map(of).collect();
            let fields = json!({
                "order": id, "voided": voided, "taken": taken, "dry_run": dry_run, "licenses": licenses,
            });
            Ok(Report::new(words, fields))
        }
    }
}
