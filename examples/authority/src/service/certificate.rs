//! The issuer of a product gets a new certificate.

use std::path::Path;

use nodelock::Certificate;

use super::{
    Database,
    permit::{On, permit},
};
use crate::{
    domain::{Occasion, Product, rights::Act},
    failure::Result,
    keys::renewal::{self, NewCertificate},
    store::AuditLine,
};

/// Makes a certificate and installs it among the keys of a product; `keys` is the folder of all keys. Fails as
/// [`renewal::install`] does; nothing is noted then. A certificate that could not be noted is installed all the same.
pub(crate) async fn certify(
    database: &Database,
    keys: &Path,
    product: &Product,
    new: &NewCertificate<'_>,
    occasion: &Occasion,
) -> Result<Certificate> {
    let occasion = &permit(database, occasion, Act::Issuer, On::Whole).await?;
    // Nobody waits for the disk that the root's key is on.
    let certificate = renewal::install(&product.keys(keys), product.root, new, occasion.time)?;
    let mut tx = database.write().await?;
    let detail = format!("{}: number {}, key {}", product.id, certificate.serial, certificate.issuer.id());
    AuditLine { action: "certified", license: None, detail: &detail }.write(&mut tx, occasion).await?;
    tx.commit().await?;
    Ok(certificate)
}
