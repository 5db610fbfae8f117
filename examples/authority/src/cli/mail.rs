//! What each command about mails to customers does.

use serde_json::{Value, json};

use super::{
    arguments::{MailCommand, MailPolicyArguments},
    desk::Desk,
    output::{Listing, Report},
    webhooks::{delivery_value, delivery_words},
};
use crate::{
    failure::Result,
    http::records::{MailBody, MailPolicyBody, ProductMails},
    service,
};

pub(super) async fn run(command: &MailCommand, desk: &Desk<'_>, as_json: bool) -> Result<Report> {
    match command {
        MailCommand::Policy(arguments) => policy(arguments, desk).await,
        MailCommand::List { aside, after, limit } => {
            let mut listing = Listing::new("mails", as_json);
            let show = |row| listing.row(row, mail_words, mail_value);
            desk.mails((*aside, after, *limit), show).await?;
            listing.finish("Nothing was to be mailed.")
        }
        MailCommand::Replay { which } => {
            let mails = desk.replay_mails(&which.replay()).await?;
            Ok(Report::new(format!("{mails} mails are sent once more."), json!({ "mails": mails })))
        }
        MailCommand::Sample { event, language, product, to } => {
            let (ledger, of) = (desk.ledger()?, (product.as_ref(), *language, to.as_str()));
            let sample = service::sample(ledger.database, *event, of, ledger.occasion.time).await?;
            let mail = String::from_utf8_lossy(&sample.to_bytes()).into_owned();
            Ok(Report::new("", json!({ "kind": event.name() })).with_document("mail", mail))
        }
    }
}

async fn policy(arguments: &MailPolicyArguments, desk: &Desk<'_>) -> Result<Report> {
    if let Some(change) = arguments.change() {
        desk.edit_mail_policy(arguments.product.as_ref(), &change).await?;
    }
    let policies = desk.mail_policies().await?;
    let mut words =
        format!("For every product that does not say otherwise:\n{}", policy_words(&policies.policy));
    for ProductMails { product, policy } in &policies.products {
        if !policy.is_empty() {
            words += &format!("Product {product}:\n{}", policy_words(policy));
        }
    }
    Ok(Report::new(words, json!({ "policy": policies.policy, "products": policies.products })))
}

/// A line for each of what is said.
fn policy_words(policy: &MailPolicyBody) -> String {
    let MailPolicyBody { from, language, events, expiring_days, wait_days } = policy;
    let mut lines = Vec::new();
    lines.extend(from.as_ref().map(|from| format!("  from: {from}\n")));
    lines.extend(language.as_ref().map(|language| format!("  language: {language}\n")));
    lines.extend(events.as_ref().map(|events| {
        format!("  events: {}\n", if events.is_empty() { "none".to_owned() } else { events.join(" ") })
    }));
    lines.extend(expiring_days.map(|days| format!("  expiring_days: {days}\n")));
    lines.extend(wait_days.map(|days| format!("  wait_days: {days}\n")));
    if lines.is_empty() { "  nothing is said\n".to_owned() } else { lines.concat() }
}

fn mail_words(mail: &MailBody) -> String {
    let customer = mail.customer.as_ref();
    let customer = customer.map_or_else(String::new, |customer| format!(", to customer {customer}"));
    delivery_words(&mail.delivery) + &customer
}

fn mail_value(mail: &MailBody) -> Value {
    let mut value = delivery_value(&mail.delivery);
    value["customer"] = mail.customer.as_deref().into();
    value
}
