//! The terms of a license change after its sale.

use nodelock::{
    LicenseId, Timestamp,
    authority::{Found, LicenseRecord, LicenseTerms, Query},
};
use serde_json::Value;

use super::Database;
use crate::{
    domain::{Occasion, Said},
    failure::{Failure, Result},
    store::{self, AuditLine},
};

/// What an edit came to.
pub(crate) struct Edited {
    /// The license as it is now.
    pub(crate) license: LicenseRecord,
    /// What is other than before: a line for each term.
    pub(crate) changes: Vec<String>,
}

/// Changes the terms of a license. A device hears of it when it checks in; whoever has a seat keeps it, also when
/// there are fewer seats now.
///
/// Fails with `ErrorKind::UnknownLicense`, as [`Said::apply`] does, and with `ErrorKind::InvalidInput` for terms that no
/// license can be made of.
pub(crate) async fn edit(
    database: &Database,
    id: LicenseId,
    said: &Said,
    occasion: &Occasion,
) -> Result<Edited> {
    let mut tx = database.write().await?;
    let unknown = || Failure::unknown_license(id);
    // From here on nobody else changes the license or its seats.
    let before = store::terms_of(&mut tx, id).await?.ok_or_else(unknown)?;
    let Found::License(Some(mut license)) = store::find(&mut tx, &Query::License(id)).await? else {
        return Err(unknown());
    };
    license.terms = said.apply(&before, occasion.time)?;
    license.terms.validate()?;
    let changes = differences(&before, &license.terms)?;
    if !changes.is_empty() {
        store::set_terms(&mut tx, &license.terms).await?;
        let detail = changes.join(", ");
        let line = AuditLine { action: "license-edited", license: Some(id), detail: &detail };
        line.write(&mut tx, occasion).await?;
    }
    // Also where nothing changes: what was read may be on its way to the disk still.
    tx.commit().await?;
    Ok(Edited { license: *license, changes })
}

/// The terms that differ, each with its value before and after.
fn differences(before: &LicenseTerms, after: &LicenseTerms) -> Result<Vec<String>> {
    let (before, after) = (serde_json::to_value(before)?, serde_json::to_value(after)?);
    let members = after.as_object().into_iter().flatten();
    let changed = members.filter(|(name, value)| before[name.as_str()] != **value);
    let line = |(name, value): (&String, &Value)| {
        format!("{name} {} -> {}", words(name, &before[name.as_str()]), words(name, value))
    };
    Ok(changed.map(line).collect())
}

fn words(name: &str, value: &Value) -> String {
    match (name, value) {
        (_, Value::Null) => "none".to_owned(),
        ("expires" | "updates_until", Value::Number(seconds)) => {
            Timestamp::from_unix_seconds(seconds.as_u64().unwrap_or_default()).to_string()
        }
        (_, Value::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    }
}
