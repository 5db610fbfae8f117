//! What each command about refusals does.

use serde_json::{Value, json};

use super::{
    arguments::RefusalCommand,
    output::{Listing, Report, pairs},
};
use crate::{
    domain::{Occasion, RefusalRow, Refused},
    failure::Result,
    service::{self, Database},
};

pub(crate) async fn run(
    command: &RefusalCommand,
    database: &Database,
    occasion: &Occasion,
    as_json: bool,
) -> Result<Report> {
    match command {
        RefusalCommand::List { license } => {
            let mut listing = Listing::new("refusals", as_json);
            let show = |row| listing.row(row, refusal_words, refusal);
            service::refusals(database, *license, occasion, show).await?;
            listing.finish("Nothing was refused.")
        }
    }
}

fn refusal_words(row: &RefusalRow) -> String {
    let Refused { asked, kind, reason, seat, license, key_hint, device } = &row.refused;
    let mut line = format!("{}  {asked} of {}", row.last, seat.handle);
    if row.count > 1 {
        line += &format!(", {} times", row.count);
    }
    match license {
        Some(license) => line += &format!("  license {license}"),
        None if key_hint.is_empty() => line += "  no license key",
        None => line += &format!("  key ..{key_hint}"),
    }
    for (name, value) in &device.metadata {
        line += &format!("  {name}={value}");
    }
    if !device.application.is_empty() {
        line += &format!("  application {}", device.application);
    }
    let by = if row.peer.is_empty() { &row.actor } else { &row.peer };
    line + &format!("  {by}  {kind}: {reason}")
}

fn refusal(row: &RefusalRow) -> Value {
    let Refused { asked, kind, reason, seat, license, key_hint, device } = &row.refused;
    json!({
        "asked": asked.name(),
        "error": kind,
        "reason": reason,
        "first": row.first.to_string(),
        "last": row.last.to_string(),
        "count": row.count,
        "license": license.map(|license| license.to_string()),
        "key_hint": key_hint,
        "handle": row.handle().to_string(),
        "device": seat.device_key.to_string(),
        "machine": pairs(&device.metadata),
        "application": device.application,
        "library": device.library,
        "actor": row.actor,
        "peer": row.peer,
    })
}
