//! Licenses that were sold are entered.

use nodelock::{
    ErrorKind, LicenseId, SystemRandom,
    authority::{Found, LicenseKeyName, LicenseTerms, Query},
    code::LicenseKey,
};

use super::Database;
use crate::{
    domain::Occasion,
    failure::{Failure, Result},
    store::{self, AuditLine},
};

/// Enters `count` licenses of the same terms, all of them or none, each with an id and a key of its own. Returns both.
///
/// Fails as [`enter`] does.
pub(crate) async fn sell(
    database: &Database,
    terms: &LicenseTerms,
    count: u32,
    occasion: &Occasion,
) -> Result<Vec<(LicenseId, LicenseKey)>> {
    let (mut sold, mut shown) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (id, key) = (LicenseId::generate(&SystemRandom)?, LicenseKey::generate(&SystemRandom)?);
        sold.push((LicenseTerms { id, ..terms.clone() }, key.to_string()));
        shown.push((id, key));
    }
    enter(database, &sold, occasion).await?;
    Ok(shown)
}

/// Enters licenses with keys that exist already: all of them or none.
///
/// Fails with [`ErrorKind::InvalidInput`] for terms that no license can be made of, with [`ErrorKind::LicenseEnded`]
/// for terms that are over, with [`Failure::Usage`] for an empty key, and with [`Failure::KeyInUse`].
pub(crate) async fn enter(
    database: &Database,
    sold: &[(LicenseTerms, String)],
    occasion: &Occasion,
) -> Result<()> {
    let mut tx = database.write().await?;
    for (terms, key) in sold {
        terms.validate()?;
        if terms.expires.is_some_and(|end| occasion.time >= end) {
            return Err(Failure::rule(ErrorKind::LicenseEnded, "license"));
        }
        let empty = || Failure::Usage("the license key is empty".into());
        let key = LicenseKeyName::new(key).ok_or_else(empty)?;
        if store::find(&mut tx, &Query::LicenseOfKey(key.hash())).await? != Found::License(None) {
            return Err(Failure::KeyInUse);
        }
        store::insert_license(&mut tx, terms, &key, occasion).await?;
        let detail = format!("{} seats for {}", terms.seats, terms.licensee);
        let line = AuditLine { action: "license-created", license: Some(terms.id), detail: &detail };
        line.write(&mut tx, occasion).await?;
    }
    tx.commit().await
}
