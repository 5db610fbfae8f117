//! The terms of a license change after its sale: each time another version of them.

use nodelock::{
    ErrorKind, LicenseId, Timestamp,
    authority::{Found, LicenseRecord, LicenseTerms, Query},
};
use serde_json::Value;

use super::{
    Database,
    customers::not_erased,
    permit::{On, noting, permit},
    products::check_based_on,
};
use crate::{
    domain::{
        CustomerId, LicenseRow, Occasion, Said, Standing, noted_change,
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
    /// At least until then: an end that is no earlier stays.
    AtLeast(Timestamp),
}

/// What a change came to.
pub(crate) struct Edited {
    /// The license as it is now.
    pub(crate) license: LicenseRecord,
    /// The same as the ledger has it: after a dry run, as it was.
    pub(crate) row: LicenseRow,
    /// The version of its terms.
    pub(crate) version: u32,
    /// What is other than before: a line for each term, and one for the customer.
    pub(crate) changes: Vec<String>,
}

/// Changes the terms of a license. A device hears of it when it checks in; whoever has a seat keeps it, also when
/// there are fewer seats now, and a lease that was signed stays as it is.
///
/// With a `customer`, that one is noted as the license's from here on. `hand_over` is told what it came to in the
/// transaction of the change, unless that changes nothing.
///
/// Fails with `ErrorKind::UnknownLicense`, with [`Failure::Void`], with [`Failure::Superseded`], as [`Said::apply`] and
/// `hand_over` do, with `ErrorKind::InvalidInput` for terms that no license can be made of, and with
/// [`Failure::UnknownCustomer`] and [`Failure::Erased`].
pub(crate) async fn edit(
    database: &Database,
    id: LicenseId,
    (said, customer): (&Said, Option<CustomerId>),
    changing: Changing,
    hand_over: impl FnOnce(&Edited) -> Result<()>,
    occasion: &Occasion,
) -> Result<Edited> {
    let permit = permit(database, occasion, Act::Edit, On::License(id)).await?;
    let change = |terms: &LicenseTerms| said.apply(terms, permit.time);
    let mut tx = database.write().await?;
    let edited =
        changed(&mut tx, id, ("license-edited", customer), (change, hand_over), changing, &permit).await?;
    finish(tx, changing.dry_run).await?;
    Ok(edited)
}

/// Moves the end of a license, and never to an earlier time. A trial without an end of its own gets so many days more
/// on each machine.
///
/// `hand_over` is told what it comes to before anything is stored.
///
/// Fails as [`edit`] and `hand_over` do, and with `ErrorKind::InvalidInput` for a license without an end and for an end
/// that is no later.
pub(crate) async fn extend(
    database: &Database,
    id: LicenseId,
    extension: Extension,
    changing: Changing,
    hand_over: impl FnOnce(&Edited) -> Result<()>,
    occasion: &Occasion,
) -> Result<Edited> {
    let permit = permit(database, occasion, Act::Extend, On::License(id)).await?;
    let extended = async {
        let mut tx = database.write().await?;
        let foreseen = Changing { dry_run: true, ..changing };
        hand_over(&extend_in(&mut tx, id, extension, foreseen, &permit).await?)?;
        let edited = extend_in(&mut tx, id, extension, changing, &permit).await?;
        finish(tx, changing.dry_run).await?;
        Ok::<_, Failure>(edited)
    };
    noting(database, &permit, extended.await).await
}

/// Also where nothing changes: what was read may be on its way to the disk still.
pub(super) async fn finish(tx: Tx, dry_run: bool) -> Result<()> {
    if dry_run {
        tx.undo().await;
        return Ok(());
    }
    tx.commit().await
}

/// The same within a transaction.
pub(super) async fn extend_in(
    tx: &mut Tx,
    id: LicenseId,
    extension: Extension,
    changing: Changing,
    occasion: &Permit<'_>,
) -> Result<Edited> {
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
            Extension::AtLeast(later) if later <= end => return Ok(terms.clone()),
            Extension::AtLeast(later) => later,
        };
        if later <= end {
            return Err(refused(format!("license {id} ends at {end} already, and {later} is no later")));
        }
        let mut terms = terms.clone();
        terms.expires = Some(later);
        Ok(terms)
    };
    changed(tx, id, ("license-extended", None), (change, |_| Ok(())), changing, occasion).await
}

async fn changed(
    tx: &mut Tx,
    id: LicenseId,
    (action, customer): (&'static str, Option<CustomerId>),
    (change, hand_over): (impl Fn(&LicenseTerms) -> Result<LicenseTerms>, impl FnOnce(&Edited) -> Result<()>),
    changing: Changing,
    occasion: &Permit<'_>,
) -> Result<Edited> {
    // From here on nobody else changes the license or its seats.
    let Standing { terms: before, version, .. } = standing(tx, id).await?;
    check_based_on(changing.based_on, version)?;
    let Found::License(Some(mut license)) = store::find(tx, &Query::License(id)).await? else {
        return Err(Failure::unknown_license(id));
    };
    license.terms = change(&before)?;
    license.terms.validate()?;
    let mut changes = differences(&before, &license.terms)?;
    let version = if changes.is_empty() { version } else { version.saturating_add(1) };
    let given = given(tx, id, customer).await?;
    let has_other_terms = !changes.is_empty();
    changes.extend(given.map(|customer| format!("customer -> {customer}")));
    let mut row = store::license_row_of(tx, id).await?.ok_or_else(|| Failure::unknown_license(id))?;
    if changes.is_empty() || changing.dry_run {
        return Ok(Edited { license: *license, row, version, changes });
    }
    if let Some(customer) = given {
        store::set_customer_of(tx, id, customer).await?;
        let before = row.customer.replace(customer).map_or_else(|| "none".to_owned(), |id| id.to_string());
        let detail = noted_change(&before, &customer.to_string());
        AuditLine { action: "license-given", license: Some(id), detail: &detail }.write(tx, occasion).await?;
    }
    if has_other_terms {
        store::set_terms(tx, &license.terms, version, occasion).await?;
        (row.license, row.version) = (LicenseRecord::clone(&license), version);
    }
    let detail = noted(&before, &license.terms)?.join(", ");
    let edited = Edited { license: *license, row, version, changes };
    hand_over(&edited)?;
    if has_other_terms {
        AuditLine { action, license: Some(id), detail: &detail }.write(tx, occasion).await?;
    }
    Ok(edited)
}

/// The customer that a license is to have, if it is another one than now.
async fn given(tx: &mut Tx, id: LicenseId, customer: Option<CustomerId>) -> Result<Option<CustomerId>> {
    let Some(customer) = customer else { return Ok(None) };
    store::lock_customer(tx, customer).await?;
    not_erased(tx, customer).await?;
    let now = store::license_row_of(tx, id).await?.and_then(|row| row.customer);
    Ok(Some(customer).filter(|customer| now != Some(*customer)))
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

/// The same for the audit, which forgets nothing: what may name a person is said to have changed.
fn noted(before: &LicenseTerms, after: &LicenseTerms) -> Result<Vec<String>> {
    const PERSONAL: [&str; 2] = ["licensee", "metadata"];
    let mut lines = differences(before, after)?;
    for line in &mut lines {
        if let Some(name) = PERSONAL.into_iter().find(|name| line.starts_with(&format!("{name} "))) {
            *line = format!("{name} changed");
        }
    }
    Ok(lines)
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
