//! What each command about mails to customers does.

use serde_json::{Value, json};

use super::{
    arguments::{MailCommand, MailPolicyArguments},
    output::{Listing, Report},
    webhooks::{delivery_value, delivery_words},
};
use crate::{
    domain::{DeliveryRow, MailPolicy, Mailed, Occasion},
    failure::Result,
    service::{self, Database},
};

/// How many are read at a time.
const PAGE: u32 = 500;

pub(crate) async fn run(
    command: &MailCommand,
    database: &Database,
    occasion: &Occasion,
    as_json: bool,
) -> Result<Report> {
    match command {
        MailCommand::Policy(arguments) => policy(arguments, database, occasion).await,
        MailCommand::List { aside, after, limit } => {
            let mut listing = Listing::new("mails", as_json);
            let (mut after, mut left) = (after.clone(), *limit);
            let state = aside.then_some("aside");
            loop {
                let most = left.min(PAGE);
                let page = service::mails_after(database, (state, &after), most, occasion).await?;
                left -= u32::try_from(page.len()).unwrap_or(left);
                let Some(last) = page.last() else { return listing.finish("Nothing was to be mailed.") };
                after.clone_from(&last.event.id);
                page.into_iter().map(Ok).try_for_each(|row| listing.row(row, mail_words, mail_value))?;
            }
        }
        MailCommand::Replay { which } => {
            let mails = service::replay_mails(database, &which.replay(), occasion).await?;
            Ok(Report::new(format!("{mails} mails are sent once more."), json!({ "mails": mails })))
        }
        MailCommand::Sample { event, language, product, to } => {
            let of = (product.as_ref(), *language, to.as_str());
            let bytes = service::sample(database, *event, of, occasion.time).await?.to_bytes();
            let mail = String::from_utf8_lossy(&bytes).into_owned();
            Ok(Report::new("", json!({ "kind": event.name() })).with_document("mail", mail))
        }
    }
}

async fn policy(arguments: &MailPolicyArguments, database: &Database, occasion: &Occasion) -> Result<Report> {
    let id = arguments.product.as_ref();
    if let Some(change) = arguments.change() {
        service::edit_mail_policy(database, id, &change, |_| Ok(()), occasion).await?;
    }
    let policies = service::mail_policies(database).await?;
    let mut words =
        format!("For every product that does not say otherwise:\n{}", policy_words(&policies.all));
    let mut products = Vec::new();
    for (id, policy) in &policies.products {
        if *policy != MailPolicy::default() {
            words += &format!("Product {id}:\n{}", policy_words(policy));
        }
        products.push(json!({ "product": id.to_string(), "policy": policy }));
    }
    Ok(Report::new(words, json!({ "policy": policies.all, "products": products })))
}

/// A line for each of what is said.
fn policy_words(policy: &MailPolicy) -> String {
    let MailPolicy { from, language, events } = policy;
    let mut lines = Vec::new();
    lines.extend(from.as_ref().map(|from| format!("  from: {from}\n")));
    lines.extend(language.map(|language| format!("  language: {language}\n")));
    lines.extend(events.as_ref().map(|events| {
        let names: Vec<&str> = events.iter().map(|event| Mailed::name(*event)).collect();
        format!("  events: {}\n", if names.is_empty() { "none".to_owned() } else { names.join(" ") })
    }));
    if lines.is_empty() { "  nothing is said\n".to_owned() } else { lines.concat() }
}

fn mail_words(mail: &DeliveryRow) -> String {
    let customer = mail.customer.map_or_else(String::new, |customer| format!(", to customer {customer}"));
    delivery_words(mail) + &customer
}

fn mail_value(mail: &DeliveryRow) -> Value {
    let mut value = delivery_value(mail);
    value["customer"] = mail.customer.map(|customer| customer.to_string()).into();
    value
}
