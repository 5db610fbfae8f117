//! Which rows of a list that names licenses are shown to whom.

use std::collections::HashMap;

use nodelock::LicenseId;

use crate::{
    domain::rights::{Permit, Reach},
    failure::{Failure, Result},
    store::{self, Tx},
};

/// Fails with `ErrorKind::UnknownLicense` for a list of a license that there is not.
pub(super) async fn check_known(tx: &mut Tx, license: Option<LicenseId>) -> Result<()> {
    if let Some(id) = license {
        store::product_of_license(tx, id).await?.ok_or_else(|| Failure::unknown_license(id))?;
    }
    Ok(())
}

/// What a permit shows. It remembers which licenses are within reach, since many rows are of one.
pub(super) struct Shown<'p> {
    permit: &'p Permit<'p>,
    licenses: HashMap<LicenseId, bool>,
}

impl<'p> Shown<'p> {
    pub(super) fn by(permit: &'p Permit<'p>) -> Self {
        Self { permit, licenses: HashMap::new() }
    }

    /// Whether a row about a license is shown. Whose one is that is damaged, or has no license, cannot be told: it is
    /// shown to whom nothing is hidden.
    pub(super) async fn has(&mut self, tx: &mut Tx, license: Option<LicenseId>) -> Result<bool> {
        if *self.permit.reach() == Reach::Everything {
            return Ok(true);
        }
        let Some(license) = license else { return Ok(false) };
        if let Some(known) = self.licenses.get(&license) {
            return Ok(*known);
        }
        let subject = store::subject_of(tx, license).await?;
        let is_within = subject.is_some_and(|subject| self.permit.reaches(&subject));
        self.licenses.insert(license, is_within);
        Ok(is_within)
    }
}
