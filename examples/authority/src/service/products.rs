//! Products: what is sold of them, and what holds for all.

use std::path::Path;

use nodelock::{ErrorKind, LicenseId};

use super::{
    Database, Keys,
    edit::standing,
    permit::{On, permit},
};
use crate::{
    domain::{
        Occasion, Product, ProductId, Said, noted_change,
        rights::{Act, Permit, Subject},
    },
    failure::{Failure, Result},
    keys::{self, Presence},
    store::{self, AuditLine, Tx},
};

/// The products, the first one first.
///
/// Fails with [`Failure::NotInitialized`].
pub(crate) async fn products(database: &Database) -> Result<Vec<Product>> {
    products_of(&mut database.read().await?).await
}

async fn products_of(tx: &mut Tx) -> Result<Vec<Product>> {
    let products = store::products(tx).await?;
    if products.is_empty() { Err(Failure::NotInitialized) } else { Ok(products) }
}

/// One product: the named one, or the only one.
///
/// Fails with [`Failure::NotInitialized`], with [`Failure::UnknownProduct`], and with [`Failure::Usage`] when one of
/// several has to be named.
pub(crate) async fn product(database: &Database, named: Option<&ProductId>) -> Result<Product> {
    choose(products(database).await?, named)
}

/// The same among the products within reach of who asks for an act: whoever may deal with one need not name it, and
/// hears of no other.
///
/// Fails with [`Failure::Forbidden`] too.
pub(crate) async fn product_within_reach(
    database: &Database,
    named: Option<&ProductId>,
    act: Act,
    occasion: &Occasion,
) -> Result<Product> {
    let permit = permit(database, occasion, act, On::Each).await?;
    let mut products = products(database).await?;
    let subject = |product: &Product| Subject { license: None, product: product.name.clone(), sold_by: None };
    products.retain(|product| permit.reaches(&subject(product)));
    if products.is_empty() { Err(Failure::Forbidden(act)) } else { choose(products, named) }
}

fn choose(products: Vec<Product>, named: Option<&ProductId>) -> Result<Product> {
    choose_of(products, |product| product.id.as_str(), named)
}

/// The product of that id, in whatever form the products are; the only one where none is named.
///
/// Fails with [`Failure::UnknownProduct`] and [`Failure::Usage`].
pub(crate) fn choose_of<P>(
    mut products: Vec<P>,
    id_of: impl Fn(&P) -> &str,
    named: Option<&ProductId>,
) -> Result<P> {
    match named {
        Some(id) => {
            let found = products.into_iter().find(|product| id_of(product) == id.as_str());
            found.ok_or_else(|| Failure::UnknownProduct(id.to_string()))
        }
        None if products.len() == 1 => Ok(products.remove(0)),
        None => {
            let ids: Vec<&str> = products.iter().map(id_of).collect();
            Err(Failure::Usage(format!(
                "there are several products; name one with --product: {}",
                ids.join(", ")
            )))
        }
    }
}

/// Enters another product, with keys of its own in a folder among the keys. Goes on with what an interrupted call left.
///
/// Fails with [`Failure::Usage`] for a product without a name, with [`Failure::ProductThere`], with
/// [`Failure::InTheWay`] for keys that had a product before, as [`Said::check`] does, and when the keys cannot be made.
pub(crate) async fn new_product(
    database: &Database,
    keys_folder: &Path,
    (name, id): (&str, Option<&ProductId>),
    template: &Said,
    wanted: Keys,
    occasion: &Occasion,
) -> Result<Product> {
    let occasion = &permit(database, occasion, Act::Products, On::Whole).await?;
    if name.trim().is_empty() {
        return Err(Failure::Usage("the product must have a name".into()));
    }
    template.check()?;
    let id = id.cloned().unwrap_or_else(|| ProductId::of_name(name));
    let is_there = |products: &[Product]| products.iter().any(|of| of.id == id || of.name == name);
    if is_there(&products(database).await?) {
        return Err(Failure::ProductThere(id.to_string()));
    }
    let directory = keys_folder.join(id.as_str());
    match (keys::presence_of_files(&directory), wanted) {
        (Presence::Missing, Keys::New) => keys::create(&directory, name, occasion.time)?,
        (Presence::Missing, Keys::Kept) => return Err(Failure::KeysMissing(directory.display().to_string())),
        (Presence::Complete, Keys::New) => return Err(Failure::InTheWay(directory.display().to_string())),
        (Presence::Complete, Keys::Kept) | (Presence::Unfinished, _) => {}
    }
    let root = keys::root(&directory)?;
    keys::load(&directory, root, keys::Source::Files)?;
    let mut product = Product {
        id,
        name: name.to_owned(),
        root,
        template: Said::default(),
        created: occasion.time,
        revision: 1,
        keeps_keys: true,
        trial_license: None,
        is_first: false,
    };
    let mut tx = database.write().await?;
    let others = products_of(&mut tx).await?;
    if others.iter().any(|of| of.id == product.id || of.name == name || of.root == root) {
        return Err(Failure::ProductThere(product.id.to_string()));
    }
    store::insert_product(&mut tx, &product).await?;
    let detail = format!("{}: {name}", product.id);
    AuditLine { action: "product-created", license: None, detail: &detail }.write(&mut tx, occasion).await?;
    if !template.is_empty() {
        set_template(&mut tx, &mut product, template.clone(), occasion).await?;
    }
    tx.commit().await?;
    keys::finish(&directory);
    Ok(product)
}

async fn set_template(
    tx: &mut Tx,
    product: &mut Product,
    template: Said,
    occasion: &Permit<'_>,
) -> Result<()> {
    product.revision = product.revision.saturating_add(1);
    store::set_template(tx, &product.id, &template, product.revision).await?;
    let [before, after] = [&product.template, &template].map(serde_json::to_string);
    let detail = format!("{}: {}", product.id, noted_change(&before?, &after?));
    AuditLine { action: "product-edited", license: None, detail: &detail }.write(tx, occasion).await?;
    product.template = template;
    Ok(())
}

/// What said terms become.
pub(crate) struct Change<'a> {
    /// In place of what was said before.
    pub(crate) said: &'a Said,
    /// Not said any more.
    pub(crate) unsaid: &'a [String],
}

impl Change<'_> {
    fn of(&self, before: &Said) -> Result<Said> {
        let after = self.said.over(&before.without(self.unsaid)?);
        after.check()?;
        Ok(after)
    }
}

/// What becomes of a product. Each part that is none stays as it is.
#[derive(Default)]
pub(crate) struct ProductEdit<'a> {
    /// What is sold of it from now on.
    pub(crate) terms: Option<Change<'a>>,
    /// Whether keys of its licenses are kept, so that they can be sent again. Where they are not, the copies that there
    /// are go.
    pub(crate) keeps_keys: Option<bool>,
    /// Of which license a request without a license key gets a trial; none if every request needs a key.
    pub(crate) trial_license: Option<Option<LicenseId>>,
}

/// Changes a product, all that is asked for or nothing. `based_on` is the revision that the change was made for.
/// Returns the product as it is now; `hand_over` is given it before a change is stored.
///
/// Fails as [`product`] and [`Said::check`] do, with [`Failure::Superseded`], and for a license of trials with
/// `ErrorKind::UnknownLicense`, [`Failure::Void`], and `ErrorKind::InvalidInput` for one of another product and for one
/// that is no trial.
pub(crate) async fn edit_product(
    database: &Database,
    named: Option<&ProductId>,
    (edit, based_on): (&ProductEdit<'_>, Option<u32>),
    hand_over: impl FnOnce(&Product) -> Result<()>,
    occasion: &Occasion,
) -> Result<Product> {
    let occasion = &permit(database, occasion, Act::Products, On::Whole).await?;
    let mut tx = database.write().await?;
    let mut product = choose(products_of(&mut tx).await?, named)?;
    check_based_on(based_on, product.revision)?;
    let template = edit.terms.as_ref().map(|change| change.of(&product.template)).transpose()?;
    let template = template.filter(|template| *template != product.template);
    let keeps_keys = edit.keeps_keys.filter(|keeps_keys| *keeps_keys != product.keeps_keys);
    let trial_license = edit.trial_license.filter(|license| *license != product.trial_license);
    if let Some(Some(license)) = trial_license {
        gives_trials(&mut tx, &product, license).await?;
    }
    let changes = [template.is_some(), keeps_keys.is_some(), trial_license.is_some()];
    let changes = changes.into_iter().map(u32::from).sum();
    if changes > 0 {
        hand_over(&Product {
            template: template.clone().unwrap_or_else(|| product.template.clone()),
            keeps_keys: keeps_keys.unwrap_or(product.keeps_keys),
            trial_license: trial_license.unwrap_or(product.trial_license),
            revision: product.revision.saturating_add(changes),
            ..product.clone()
        })?;
    }
    if let Some(template) = template {
        set_template(&mut tx, &mut product, template, occasion).await?;
    }
    if let Some(keeps_keys) = keeps_keys {
        set_keeps_keys(&mut tx, &mut product, keeps_keys, occasion).await?;
    }
    if let Some(license) = trial_license {
        set_trial_license(&mut tx, &mut product, license, occasion).await?;
    }
    // Also where nothing changes: what was read may be on its way to the disk still.
    tx.commit().await?;
    Ok(product)
}

async fn set_keeps_keys(
    tx: &mut Tx,
    product: &mut Product,
    keeps_keys: bool,
    occasion: &Permit<'_>,
) -> Result<()> {
    product.revision = product.revision.saturating_add(1);
    let before = std::mem::replace(&mut product.keeps_keys, keeps_keys);
    store::set_keeps_keys(tx, &product.id, keeps_keys, product.revision).await?;
    let detail = format!("{}: {}", product.id, noted_change(&before.to_string(), &keeps_keys.to_string()));
    AuditLine { action: "product-keeps-keys", license: None, detail: &detail }.write(tx, occasion).await
}

/// Fails unless a license may be the one of which a product gives trials.
async fn gives_trials(tx: &mut Tx, product: &Product, id: LicenseId) -> Result<()> {
    let terms = standing(tx, id).await?.terms;
    let refused = |text: String| Err(Failure::rule(ErrorKind::InvalidInput, text));
    if terms.product != product.name {
        return refused(format!("license {id} is of product \"{}\"", terms.product));
    }
    if terms.trial_days.is_none() {
        return refused(format!("license {id} is no trial: it has no trial_days"));
    }
    Ok(())
}

async fn set_trial_license(
    tx: &mut Tx,
    product: &mut Product,
    license: Option<LicenseId>,
    occasion: &Permit<'_>,
) -> Result<()> {
    product.revision = product.revision.saturating_add(1);
    let before = std::mem::replace(&mut product.trial_license, license);
    store::set_trial_license(tx, &product.id, license, product.revision).await?;
    let [before, after] =
        [before, license].map(|id| id.map_or_else(|| "none".to_owned(), |id| id.to_string()));
    let detail = format!("{}: {}", product.id, noted_change(&before, &after));
    AuditLine { action: "product-trial", license: None, detail: &detail }.write(tx, occasion).await
}

/// Fails with [`Failure::Superseded`] when there is a later version than the one that somebody has seen.
pub(super) fn check_based_on(based_on: Option<u32>, latest: u32) -> Result<()> {
    match based_on {
        Some(based_on) if based_on != latest => Err(Failure::Superseded { based_on, latest }),
        _ => Ok(()),
    }
}

/// What holds for every product that does not say otherwise.
pub(crate) async fn policies(database: &Database) -> Result<Said> {
    store::policies(&mut database.read().await?).await
}

/// Changes what holds for every product from now on. `based_on` is the [version](Said::version) that the change was
/// made for. Returns it as it is now; `hand_over` is given it before a change is stored.
///
/// Fails as [`Said::check`] does, and with [`Failure::Superseded`].
pub(crate) async fn edit_policies(
    database: &Database,
    (change, based_on): (&Change<'_>, Option<u32>),
    hand_over: impl FnOnce(&Said) -> Result<()>,
    occasion: &Occasion,
) -> Result<Said> {
    let occasion = &permit(database, occasion, Act::Products, On::Whole).await?;
    let mut tx = database.write().await?;
    let before = store::policies(&mut tx).await?;
    check_based_on(based_on, before.version()?)?;
    let after = change.of(&before)?;
    if after != before {
        store::set_policies(&mut tx, &after).await?;
        hand_over(&after)?;
        let detail = noted_change(&serde_json::to_string(&before)?, &serde_json::to_string(&after)?);
        AuditLine { action: "policies-edited", license: None, detail: &detail }
            .write(&mut tx, occasion)
            .await?;
    }
    tx.commit().await?;
    Ok(after)
}
