//! The terms of a license change after its sale: each time another version of them.

use nodelock::{
    ErrorKind, LicenseId, Timestamp,
    authority::{Found, LicenseRecord, LicenseTerms, Query},
};
use serde_json::Value;

use super::{
    Database,
    permit::{On, permit},
    products::check_based_on,
};
use crate::{
    domain::{
        Occasion, Said, Standing,
        rights::{Act, Permit},
    },
    failure::{Failure, Result},
    store::{self, AuditLine, Tx},
};

/// How a change is made.
#[derive(Clone, Copy, Default)]
pub(crate) struct Changing {
    /// The version that it was made for.
    pub(crate) based_on: Option<u32>,
    /// Whether nothing is stored: what it would come to.
    pub(crate) dry_run: bool,
}

/// How far an end moves.
#[derive(Clone, Copy)]
pub(crate) enum Extension {
    /// So many days later than the end, or than now if that is later.
    Days(u32),
    Until(Timestamp),
}

/// What a change came to.
pub(crate) struct Edited {
    /// The license as it is now.
    pub(crate) license: LicenseRecord,
    /// The version of its terms.
    pub(crate) version: u32,
    /// What is other than before: a line for each term.
    pub(crate) changes: Vec<String>,
}

/// Changes the terms of a license. A device hears of it when it checks in; whoever has a seat keeps it, also when
/// there are fewer seats now, and a lease that was signed stays as it is.
///
/// Fails with `ErrorKind::UnknownLicense`, with [`Failure::Void`], with [`Failure::Superseded`], as [`Said::apply`]
/// does, and with `ErrorKind::InvalidInput` for terms that no license can be made of.
pub(crate) async fn edit(
    database: &Database,
    id: LicenseId,
    said: &Said,
    changing: Changing,
    occasion: &Occasion,
) -> Result<Edited> {
    let permit = permit(database, occasion, Act::Edit, On::License(id)).await?;
    let change = |terms: &LicenseTerms| said.apply(terms, permit.time);
    changed(database, id, "license-edited", change, changing, &permit).await
}

/// Moves the end of a license, and never to an earlier time. A trial without an end of its own gets so many days more on
/// each machine.
///
/// Fails as [`edit`] does, and with `ErrorKind::InvalidInput` for a license without an end and for an end that is no
/// later.
pub(crate) async fn extend(
    database: &Database,
    id: LicenseId,
    extension: Extension,
    changing: Changing,
    occasion: &Occasion,
) -> Result<Edited> {
    let permit = permit(database, occasion, Act::Extend, On::License(id)).await?;
    let change = |terms: &LicenseTerms| {
        let refused = |text: String| Failure::rule(ErrorKind::InvalidInput, text);
        if let (None, Some(trial), Extension::Days(days)) = (terms.expires, terms.trial_days, extension) {
            let trial_days = Some(trial.saturating_add(days));
            let mut terms = terms.clone();
            terms.trial_days = trial_days;
            return Ok(terms);
        }
        let end = terms.expires.ok_or_else(|| refused(format!("license {id} has no end to move")))?;
        let later = match extension {
            Extension::Days(days) => end.max(occasion.time).plus_days(days),
            Extension::Until(later) => later,
        };
        if later <= end {
            return Err(refused(format!("license {id} ends at {end} already, and {later} is no later")));
        }
        let mut terms = terms.clone();
        terms.expires = Some(later);
        Ok(terms)
    };
    changed(database, id, "license-extended", change, changing, &permit).await
}

async fn changed(
    database: &Database,
    id: LicenseId,
    action: &'static str,
    change: impl Fn(&LicenseTerms) -> Result<LicenseTerms>,
    changing: Changing,
    occasion: &Permit<'_>,
) -> Result<Edited> {
    let mut tx = database.write().await?;
    // From here on nobody else changes the license or its seats.
    let Standing { terms: before, version, .. } = standing(&mut tx, id).await?;
    check_based_on(changing.based_on, version)?;
    let Found::License(Some(mut license)) = store::find(&mut tx, &Query::License(id)).await? else {
        return Err(Failure::unknown_license(id));
    };
    license.terms = change(&before)?;
    license.terms.validate()?;
    let changes = differences(&before, &license.terms)?;
    let version = if changes.is_empty() { version } else { version.saturating_add(1) };
    if changing.dry_run {
        tx.undo().await;
        return Ok(Edited { license: *license, version, changes });
    }
    if !changes.is_empty() {
        store::set_terms(&mut tx, &license.terms, version, occasion).await?;
        let detail = changes.join(", ");
        AuditLine { action, license: Some(id), detail: &detail }.write(&mut tx, occasion).await?;
    }
    // Also where nothing changes: what was read may be on its way to the disk still.
    tx.commit().await?;
    Ok(Edited { license: *license, version, changes })
}

/// What a license says now, which is not void.
///
/// Fails with `ErrorKind::UnknownLicense` and with [`Failure::Void`].
pub(super) async fn standing(tx: &mut Tx, id: LicenseId) -> Result<Standing> {
    let standing = store::terms_of(tx, id).await?.ok_or_else(|| Failure::unknown_license(id))?;
    if standing.voided.is_some() { Err(Failure::Void(id)) } else { Ok(standing) }
}

/// The terms that differ, each with its value before and after.
pub(crate) fn differences(before: &LicenseTerms, after: &LicenseTerms) -> Result<Vec<String>> {
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
