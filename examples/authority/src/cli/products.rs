//! What each command about products does.

use serde_json::Value;

use super::{
    arguments::{EditedTerms, PolicyCommand, ProductCommand, TrialLicense},
    desk::Desk,
    output::{self, Listing, Report, json},
};
use crate::{
    domain::{RetentionChange, Said},
    failure::{Failure, Result},
    http::records::{ProductBody, RetentionBody},
    keys::ROOT_KEY,
    service::{self, Change, Keys, ProductEdit},
};

pub(super) async fn run(command: &ProductCommand, desk: &Desk<'_>, as_json: bool) -> Result<Report> {
    match command {
        ProductCommand::New { name, id, keep_keys, terms } => {
            let ledger = desk.ledger()?;
            let (keys, wanted) = (ledger.keys(), if *keep_keys { Keys::Kept } else { Keys::New });
            let (named, said) = ((name.as_str(), id.as_ref()), terms.said()?);
            let product = service::new_product(ledger.database, &keys, named, &said, wanted, ledger.occasion);
            let product = product.await?;
            let words = format!(
                "Product {} is there. Applications embed the root public key:\n\n    {}\n\n\
                 Keep {} somewhere offline. A server that is running takes the product in within a minute, or at once \
                 when it gets SIGHUP.",
                product.id,
                product.root,
                product.keys(&keys).join(ROOT_KEY).display()
            );
            Ok(Report::new(words, json(&ProductBody::of(&product)?)))
        }
        ProductCommand::List => {
            let mut listing = Listing::new("products", as_json);
            for product in desk.products().await? {
                listing.row(Ok(product), output::product_words, json)?;
            }
            listing.finish("No products.")
        }
        ProductCommand::Show { id } => {
            let product = desk.product(id.as_ref()).await?;
            let words = format!("{}\n{}", output::product_words(&product), terms_words(&product.terms));
            Ok(Report::new(words, json(&product)))
        }
        ProductCommand::Edit { keeps_keys: Some(false), yes: false, .. } => {
            Err(Failure::Usage("the copies of keys go for good; say --yes if that is meant".into()))
        }
        ProductCommand::Edit { id, if_version, keeps_keys, trial_license, edited, .. } => {
            let trial_license = trial_license.map(|TrialLicense(license)| license);
            let said = match edited.is_empty() && (keeps_keys.is_some() || trial_license.is_some()) {
                true => None,
                false => Some(said(edited)?),
            };
            let terms = said.as_ref().map(|said| Change { said, unsaid: &edited.unset });
            let edit = ProductEdit { terms, keeps_keys: *keeps_keys, trial_license };
            let product = desk.edit_product(id.as_ref(), &edit, *if_version).await?;
            let words = format!(
                "Product {} is sold on these terms from now on, where a sale does not say otherwise.\n{}",
                product.id,
                terms_words(&product.terms)
            );
            Ok(Report::new(words, json(&product)))
        }
    }
}

pub(super) async fn policies(command: &PolicyCommand, desk: &Desk<'_>) -> Result<Report> {
    let policies = match command {
        PolicyCommand::Show => desk.policies().await?,
        PolicyCommand::Edit { if_version, edited } => {
            let said = said(edited)?;
            let change = Change { said: &said, unsaid: &edited.unset };
            desk.edit_policies(&change, *if_version).await?
        }
        PolicyCommand::Retention(arguments) => {
            let change = RetentionChange::from(arguments);
            let retention = match change == RetentionChange::default() {
                true => desk.retention().await?,
                false => desk.edit_retention(change).await?,
            };
            let RetentionBody { audit_days, evidence_days, check_in_days, refusal_days } = &retention;
            let words = format!(
                "Days for which what is personal is kept:\n  audit: {audit_days}\n  evidence: {evidence_days}\n  \
                 check-ins after the end of a seat: {check_in_days}\n  refusals: {refusal_days}"
            );
            return Ok(Report::new(words, json(&retention)));
        }
    };
    let words = format!("For every product that does not say otherwise:\n{}", terms_words(&policies.terms));
    Ok(Report::new(words, json(&policies)))
}

/// Fails with [`Failure::Usage`] when nothing is to change.
fn said(edited: &EditedTerms) -> Result<Said> {
    if edited.is_empty() {
        return Err(Failure::Usage("say what is to change".into()));
    }
    edited.terms.said()
}

/// A line for each of the terms.
fn terms_words(said: &Value) -> String {
    let line = |(name, value): (&String, &Value)| format!("  {name}: {value}\n");
    match said.as_object() {
        Some(said) if !said.is_empty() => said.iter().map(line).collect(),
        _ => "  nothing is said\n".to_owned(),
    }
}
