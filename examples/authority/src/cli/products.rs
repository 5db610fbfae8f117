//! What each command about products does.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    arguments::{EditedTerms, PolicyCommand, ProductCommand, TrialLicense},
    output::{self, Listing, Report},
};
use crate::{
    domain::{Occasion, Said},
    failure::{Failure, Result},
    keys::ROOT_KEY,
    service::{self, Change, Database, Keys},
};

pub(crate) async fn run(
    command: &ProductCommand,
    keys: &Path,
    database: &Database,
    occasion: &Occasion,
    as_json: bool,
) -> Result<Report> {
    match command {
        ProductCommand::New { name, id, keep_keys, terms } => {
            let wanted = if *keep_keys { Keys::Kept } else { Keys::New };
            let (named, said) = ((name.as_str(), id.as_ref()), terms.said()?);
            let product = service::new_product(database, keys, named, &said, wanted, occasion).await?;
            let words = format!(
                "Product {} is there. Applications embed the root public key:\n\n    {}\n\n\
                 Keep {} somewhere offline. A server that is running takes the product in within a minute, or at once \
                 when it gets SIGHUP.",
                product.id,
                product.root,
                product.keys(keys).join(ROOT_KEY).display()
            );
            Ok(Report::new(words, output::product(&product)))
        }
        ProductCommand::List => {
            let mut listing = Listing::new("products", as_json);
            for product in service::products(database).await? {
                listing.row(Ok(product), output::product_words, output::product)?;
            }
            listing.finish("No products.")
        }
        ProductCommand::Show { id } => {
            let product = service::product(database, id.as_ref()).await?;
            let words = format!("{}\n{}", output::product_words(&product), terms_words(&product.template));
            Ok(Report::new(words, output::product(&product)))
        }
        ProductCommand::Edit { id, if_version, keeps_keys, trial_license, edited } => {
            let mut based_on = *if_version;
            let mut product = None;
            if let Some(keeps) = keeps_keys {
                let edited =
                    service::set_keeps_keys(database, id.as_ref(), *keeps, based_on, occasion).await?;
                // What follows is based on that.
                based_on = based_on.map(|_| edited.revision);
                product = Some(edited);
            }
            if let Some(TrialLicense(license)) = trial_license {
                let edited =
                    service::set_trial_license(database, id.as_ref(), *license, based_on, occasion).await?;
                based_on = based_on.map(|_| edited.revision);
                product = Some(edited);
            }
            let product = match product.filter(|_| edited.is_empty()) {
                Some(product) => product,
                None => {
                    let said = said(edited)?;
                    let change = Change { said: &said, unsaid: &edited.unset };
                    service::edit_product(database, id.as_ref(), &change, based_on, occasion).await?
                }
            };
            let words = format!(
                "Product {} is sold on these terms from now on, where a sale does not say otherwise.\n{}",
                product.id,
                terms_words(&product.template)
            );
            Ok(Report::new(words, output::product(&product)))
        }
    }
}

pub(crate) async fn policies(
    command: &PolicyCommand,
    database: &Database,
    occasion: &Occasion,
) -> Result<Report> {
    let policies = match command {
        PolicyCommand::Show => service::policies(database).await?,
        PolicyCommand::Edit { edited } => {
            let said = said(edited)?;
            let change = Change { said: &said, unsaid: &edited.unset };
            service::edit_policies(database, &change, occasion).await?
        }
    };
    let words = format!("For every product that does not say otherwise:\n{}", terms_words(&policies));
    Ok(Report::new(words, json!({ "terms": policies })))
}

/// Fails with [`Failure::Usage`] when nothing is to change.
fn said(edited: &EditedTerms) -> Result<Said> {
    if edited.is_empty() {
        return Err(Failure::Usage("say what is to change".into()));
    }
    edited.terms.said()
}

/// A line for each of the terms.
fn terms_words(said: &Said) -> String {
    let line = |(name, value): (&String, &Value)| format!("  {name}: {value}\n");
    match said.is_empty() {
        true => "  nothing is said\n".to_owned(),
        false => said.members().iter().map(line).collect(),
    }
}
