//! Products, against what was noted of them and against their keys.

use std::path::Path;

use nodelock::PublicKey;

use super::{Findings, Known, look_at_mail, row::Row};
use crate::{
    domain::{ProductId, Said},
    failure::{Failure, Result},
    keys,
    store::{Tx, raw},
};

/// What a template is before anybody changes it: of a new product, and of one from before there were several.
const BEGINNINGS: [&str; 2] = ["{}", "{\"deactivations\":null}"];

/// Returns whether the keys are here.
pub(super) async fn look(
    tx: &mut Tx,
    directory: &Path,
    known: &mut Known,
    findings: &mut Findings,
) -> Result<bool> {
    let mut roots: Vec<(PublicKey, ProductId, bool)> = Vec::new();
    raw::walk(tx, raw::PRODUCT, |raw| {
        let mut row = Row::new(raw, raw::PRODUCT, findings);
        row.name = row.text("id");
        let id = row.parsed::<ProductId>("id");
        let made = id.as_ref().and_then(|id| known.audit.products.get(id.as_str())).cloned();
        let is_first = made.is_none();
        let noted = made.or_else(|| known.audit.set_up.clone());
        if let (Some(id), Some(name)) = (&id, row.text("name")) {
            let is_noted = noted.as_ref().is_some_and(|(_, noted)| *noted == name);
            row.expect("name", is_noted, "it is not what was noted");
            known.products.insert(name, id.to_string());
        }
        if let Some(created) = row.time("created") {
            let is_noted = noted.as_ref().is_some_and(|(at, _)| *at == created);
            row.expect("created", is_noted, "it is not when the product was noted");
        }
        let folder = row.text("folder");
        if let (Some(folder), Some(id)) = (&folder, &id) {
            let right = if is_first { "" } else { id.as_str() };
            row.expect("folder", folder == right, "its keys are elsewhere");
        }
        let edited = id.as_ref().and_then(|id| known.audit.templates.get(id.as_str()));
        if let Some(template) = row.record::<Said>("template") {
            let is_noted = match edited {
                Some((_, noted)) if !noted.is_empty() => template.is(noted),
                _ => BEGINNINGS.iter().any(|beginning| template.is(beginning)),
            };
            row.expect("template", is_noted, "it is not what was noted last");
        }
        if let Some(revision) = row.number("revision") {
            let edited = edited.map_or(0, |(times, _)| *times);
            row.expect("revision", revision == edited + 1, "it was noted as changed more or less often");
        }
        let keeps = id.as_ref().and_then(|id| known.audit.keeps_keys.get(id.as_str()));
        if let Some(keeps_keys) = row.number("keeps_keys") {
            let noted = i64::from(keeps.is_none_or(|keeps| keeps == "true"));
            row.expect("keeps_keys", keeps_keys == noted, "it is not what was noted last");
        }
        if let Some(id) = &id {
            look_at_mail(&mut row, id.as_str(), known);
        }
        let trial = id.as_ref().and_then(|id| known.audit.trials.get(id.as_str()));
        if let Some(license) = row.text_or_null("trial_license") {
            let noted = trial.map_or("none", String::as_str);
            row.expect(
                "trial_license",
                license.as_deref().unwrap_or("none") == noted,
                "it is not what was noted last",
            );
        }
        if let (Some(root), Some(id)) = (row.parsed::<PublicKey>("root"), &id) {
            roots.push((root, id.clone(), is_first));
        }
    })
    .await?;
    if known.products.is_empty() {
        findings.add_of("product", None, "there is no product".to_owned());
    }
    let mut are_here = !roots.is_empty();
    for (root, id, is_first) in roots {
        known.roots.push(root);
        let loaded = match is_first {
            true => keys::load(directory, root, keys::Source::Environment),
            false => keys::load(&directory.join(id.as_str()), root, keys::Source::Files),
        };
        match loaded {
            Ok(_) => {}
            Err(Failure::KeysMissing(_)) => are_here = false,
            Err(Failure::WrongKeys) => {
                findings.add_of("product", Some("root"), Failure::WrongKeys.to_string());
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(are_here)
}
