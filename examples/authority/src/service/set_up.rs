//! An authority is set up: keys and a database.

use std::path::Path;

use nodelock::PublicKey;

use super::{Database, vendor};
use crate::{
    domain::{Location, Occasion, Vendor},
    failure::{Failure, Result},
    keys,
    store::{self, AuditLine},
};

/// Setting up takes one connection.
const CONNECTIONS: u32 = 1;

/// Makes what is missing of the keys and the database, and says what the authority is for. Goes on with what an
/// interrupted call left. Returns the root public key.
///
/// Fails with [`Failure::Usage`] for a product without a name, and with [`Failure::AlreadyInitialized`].
pub(crate) async fn set_up(
    product: &str,
    location: &Location,
    directory: &Path,
    occasion: &Occasion,
) -> Result<PublicKey> {
    if product.trim().is_empty() {
        return Err(Failure::Usage("the product must have a name".into()));
    }
    if Database::may_exist(location) {
        let database = Database::open(location, CONNECTIONS).await?;
        let vendor = vendor(&database).await;
        database.close().await;
        match vendor {
            Err(Failure::NotInitialized) => {}
            Ok(_) => return Err(Failure::AlreadyInitialized),
            Err(failure) => return Err(failure),
        }
    }
    // Keys first, because the database names them.
    if !directory.exists() {
        keys::create(directory, product, occasion.time)?;
    }
    let root = keys::root(directory)?;
    keys::load(directory, root)?;
    if let Location::File(path) = location
        && !path.exists()
    {
        Database::create_file(path)?;
    }
    let database = Database::open(location, CONNECTIONS).await?;
    let said = say(&database, &Vendor { product: product.to_owned(), root }, occasion).await;
    database.close().await;
    said.map(|()| root)
}

/// Says what the authority is for, once.
async fn say(database: &Database, vendor: &Vendor, occasion: &Occasion) -> Result<()> {
    let mut tx = database.write().await?;
    if store::vendor(&mut tx).await?.is_some() {
        return Err(Failure::AlreadyInitialized);
    }
    store::insert_vendor(&mut tx, vendor, occasion).await?;
    AuditLine { action: "set-up", license: None, detail: &vendor.product }.write(&mut tx, occasion).await?;
    tx.commit().await
}
