//! Events, compared with their lines of the audit, and the ends of licenses.

use std::collections::HashMap;

use nodelock::LicenseId;

use super::{Findings, Known, row::Row};
use crate::{
    domain::{Finding, kind_of},
    failure::Result,
    keys::Vault,
    service::{Target, webhooks::secret_of},
    store::{MAIL, Tx, raw},
};

pub(super) async fn look(
    tx: &mut Tx,
    vault: Option<&Vault>,
    known: &Known,
    findings: &mut Findings,
) -> Result<()> {
    look_at_events(tx, findings).await?;
    look_at_expiry(tx, known, findings).await?;
    raw::walk(tx, raw::WEBHOOK, |raw| {
        look_at_webhook(&mut Row::new(raw, raw::WEBHOOK, findings), vault, known);
    })
    .await?;
    raw::walk(tx, raw::DELIVERY, |raw| look_at_delivery(&mut Row::new(raw, raw::DELIVERY, findings), known))
        .await
}

async fn look_at_events(tx: &mut Tx, findings: &mut Findings) -> Result<()> {
    let mut last: Option<(String, i64)> = None;
    raw::walk(tx, raw::EVENT, |raw| {
        let mut row = Row::new(raw, raw::EVENT, findings);
        row.name = row.text("id");
        let license = row.text("license_id");
        row.license = license.as_deref().and_then(|text| text.parse().ok());
        row.expect("license_id", license.is_none() || row.license.is_some(), "it is no id of a license");
        let (kind, sequence) = (row.text("kind"), row.number("sequence"));
        row.time("at");
        if let (Some(license), Some(sequence)) = (license, sequence) {
            let before = last.take().filter(|(before, _)| *before == license).map_or(0, |(_, number)| number);
            row.expect("sequence", sequence == before + 1, "the events of a license are numbered from 1");
            last = Some((license, sequence));
        }
        look_at_line(&mut row, kind.as_deref());
    })
    .await
}

async fn look_at_expiry(tx: &mut Tx, known: &Known, findings: &mut Findings) -> Result<()> {
    let mut ends: HashMap<LicenseId, i64> = HashMap::new();
    raw::walk(tx, raw::EXPIRY, |raw| {
        let mut row = Row::new(raw, raw::EXPIRY, findings);
        row.license = row.parsed::<LicenseId>("license_id");
        let noted = row.number("noted");
        row.expect("noted", noted.is_none_or(|noted| matches!(noted, 0 | 1)), "it is neither yes nor no");
        if let (Some(license), Some(end)) = (row.license, row.number("ends")) {
            ends.insert(license, end);
        }
    })
    .await?;
    for (id, license) in &known.licenses {
        let Some(terms) = &license.terms else { continue };
        let said = terms.expires.and_then(|end| i64::try_from(end.unix_seconds()).ok());
        if ends.remove(id) != said {
            findings.add(of_expiry(*id, "the license says something else"));
        }
    }
    ends.into_keys().for_each(|id| findings.add(of_expiry(id, "there is no such license")));
    Ok(())
}

fn of_expiry(license: LicenseId, detail: &str) -> Finding {
    Finding {
        table: "expiry".to_owned(),
        column: Some("ends".to_owned()),
        license: Some(license),
        seat: None,
        row: None,
        detail: detail.to_owned(),
    }
}

/// Compares an event with its line, which is in the columns `line_…`. A line may be kept no longer.
fn look_at_line(row: &mut Row<'_>, kind: Option<&str>) {
    if row.is_null("line_action") {
        return;
    }
    let noted = row.text("line_action").and_then(|action| kind_of(&action, !row.is_null("line_handle")));
    row.expect("kind", noted.as_deref() == kind, "the audit has something else");
    for (column, line) in
        [("license_id", "line_license_id"), ("from_state", "line_from_state"), ("to_state", "line_to_state")]
    {
        let (said, noted) = (row.text_or_null(column), row.text_or_null(line));
        row.expect(column, said == noted, "the audit has something else");
    }
    for (column, line) in [("at", "line_at"), ("handle", "line_handle")] {
        let (said, noted) = (row.number_or_null(column), row.number_or_null(line));
        row.expect(column, said == noted, "the audit has something else");
    }
    let (said, noted) = (row.bytes_or_null("device_key"), row.bytes_or_null("line_device_key"));
    row.expect("device_key", said == noted, "the audit has something else");
}

fn look_at_webhook(row: &mut Row<'_>, vault: Option<&Vault>, known: &Known) {
    let id = row.text("id");
    row.name.clone_from(&id);
    let added = id.as_ref().and_then(|id| known.audit.webhooks.get(id)).copied();
    row.expect("id", id.is_none() || added.is_some(), "no such webhook was noted");
    if let Some(created) = row.time("created") {
        row.expect("created", Some(created) == added, "it is not when the webhook was noted");
    }
    let url = row.text("url");
    row.expect("url", url.is_none_or(|url| url.parse::<Target>().is_ok()), "it is no address");
    let kinds = row.text("kinds");
    let is_list = |kinds: &String| kinds.is_empty() || (kinds.starts_with(',') && kinds.ends_with(','));
    row.expect("kinds", kinds.as_ref().is_none_or(is_list), "it is no list");
    let removed = id.as_ref().and_then(|id| known.audit.webhooks_removed.get(id)).copied();
    let is_removed = !matches!(row.number_or_null("removed"), Some(None));
    match is_removed {
        false => row.expect("removed", removed.is_none(), "the webhook was noted as removed"),
        true => {
            let time = row.time("removed");
            row.expect("removed", time == removed, "it is not when the webhook was noted as removed");
        }
    }
    let has = ["secret", "former"].map(|column| {
        let sealed = row.bytes_or_null(column).flatten();
        if let (Some(sealed), Some(vault), Some(id)) = (&sealed, vault, &id) {
            row.expect(column, secret_of(vault, id, sealed).is_some(), "it is no secret of this webhook");
        }
        sealed.is_some()
    });
    row.expect("secret", has[0] != is_removed, "a webhook has a secret until it is removed");
    let ends = row.number_or_null("former_until").flatten().is_some();
    row.expect("former", has[1] == ends, "the secret before ends some time, if there is one");
}

fn look_at_delivery(row: &mut Row<'_>, known: &Known) {
    row.name = row.text("event_id");
    let receiver = row.text("receiver");
    let is_mail = receiver.as_deref() == Some(MAIL);
    let is_known = is_mail || receiver.is_none_or(|webhook| known.audit.webhooks.contains_key(&webhook));
    row.expect("receiver", is_known, "there is no such webhook");
    let customer = row.text_or_null("customer_id").flatten();
    row.expect("customer_id", customer.is_some() == is_mail, "a mail is for a customer, and nothing else is");
    let is_known = customer.is_none_or(|id| known.audit.customers.contains_key(&id));
    row.expect("customer_id", is_known, "there is no such customer");
    let key = row.bytes_or_null("key_hash").flatten();
    row.expect(
        "key_hash",
        key.is_none_or(|hash| is_mail && hash.len() == 32),
        "it is no hash, or of no mail",
    );
    row.license = row.parsed::<LicenseId>("license_id");
    let sequence = row.number("sequence");
    if !row.is_null("event_license_id") {
        let license = row.parsed::<LicenseId>("event_license_id");
        row.expect("license_id", license == row.license, "the event is of another license");
        let number = row.number("event_sequence");
        row.expect("sequence", number == sequence, "the event has another number");
    }
    row.text("state");
    for column in ["due", "attempts"] {
        row.number(column);
    }
    row.time_or_null("tried");
    row.number_or_null("status");
    row.text_or_null("said");
}
