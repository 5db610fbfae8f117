//! An authority is set up: keys and a ledger.

use std::path::Path;

use nodelock::PublicKey;

use super::{
    Database,
    permit::{On, permit},
    products,
};
use crate::{
    domain::{Location, Occasion, Product, ProductId, Said, rights::Act},
    failure::{Failure, Result},
    keys::{self, Presence},
    store::{self, AuditLine},
};

/// Setting up takes one connection.
const CONNECTIONS: u32 = 1;

/// Whose keys a new ledger is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// New ones.
    New,
    /// Those that are there already, whose ledger is lost.
    Kept,
}

/// Makes keys and a ledger, and says what the authority is for. Goes on with what an interrupted call left. Returns the
/// root public key.
///
/// Fails with [`Failure::Usage`] for a product without a name, with [`Failure::AlreadyInitialized`], with
/// [`Failure::LedgerMissing`] when keys are there that had a ledger before, and with [`Failure::KeysMissing`] when
/// there are none to keep.
pub(crate) async fn set_up(
    product: &str,
    location: &Location,
    directory: &Path,
    wanted: Keys,
    occasion: &Occasion,
) -> Result<PublicKey> {
    if product.trim().is_empty() {
        return Err(Failure::Usage("the product must have a name".into()));
    }
    // Keys are complete once their ledger is there. So they are looked at first: another process may be setting up.
    let presence = keys::presence(directory)?;
    if has_ledger(location).await? {
        return Err(Failure::AlreadyInitialized);
    }
    match (presence, wanted) {
        (Presence::Missing, Keys::New) => keys::create(directory, product, occasion.time)?,
        (Presence::Missing, Keys::Kept) => return Err(Failure::KeysMissing(directory.display().to_string())),
        (Presence::Complete, Keys::New) => return Err(Failure::LedgerMissing),
        (Presence::Complete, Keys::Kept) | (Presence::Unfinished, _) => {}
    }
    let root = keys::root(directory)?;
    keys::load(directory, root, keys::Source::Environment)?;
    let database = Database::create(location).await?;
    let product = Product {
        id: ProductId::of_name(product),
        name: product.to_owned(),
        root,
        template: Said::default(),
        created: occasion.time,
        revision: 1,
        keeps_keys: true,
        trial_license: None,
        is_first: true,
    };
    let said = say(&database, &product, occasion).await;
    database.close().await;
    said?;
    keys::finish(directory);
    Ok(root)
}

async fn has_ledger(location: &Location) -> Result<bool> {
    if !Database::may_exist(location) {
        return Ok(false);
    }
    let database = match Database::open(location, CONNECTIONS).await {
        Err(Failure::NotInitialized) => return Ok(false),
        opened => opened?,
    };
    let products = products(&database).await;
    database.close().await;
    match products {
        Err(Failure::NotInitialized) => Ok(false),
        products => products.map(|_| true),
    }
}

/// Says what the authority is for, once.
async fn say(database: &Database, first: &Product, occasion: &Occasion) -> Result<()> {
    let occasion = &permit(database, occasion, Act::Ledger, On::Whole).await?;
    let mut tx = database.write().await?;
    if !store::products(&mut tx).await?.is_empty() {
        return Err(Failure::AlreadyInitialized);
    }
    store::insert_vendor(&mut tx, occasion).await?;
    store::insert_product(&mut tx, first).await?;
    AuditLine { action: "set-up", license: None, detail: &first.name }.write(&mut tx, occasion).await?;
    tx.commit().await
}
