//! The issuer gets a new certificate.

use std::path::Path;

use nodelock::Certificate;

use super::{Database, product};
use crate::{
    domain::Occasion,
    failure::Result,
    keys::renewal::{self, NewCertificate},
    store::AuditLine,
};

/// Makes a certificate and installs it among the keys. Fails as [`renewal::install`] does; nothing
/// is noted then. A certificate that could not be noted is installed all the same.
pub(crate) async fn certify(
    database: &Database,
    keys: &Path,
    new: &NewCertificate<'_>,
    occasion: &Occasion,
) -> Result<Certificate> {
    let root = product(database, None).await?.root;
    // Nobody waits for the disk that the root's key is on.
    let certificate = renewal::install(keys, root, new, occasion.time)?;
    let mut tx = database.write().await?;
    let detail = format!("number {}, key {}", certificate.serial, certificate.issuer.id());
    AuditLine { action: "certified", license: None, detail: &detail }.write(&mut tx, occasion).await?;
    tx.commit().await?;
    Ok(certificate)
}
