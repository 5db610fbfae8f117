//! What each command about refusals does.

use super::{
    arguments::RefusalCommand,
    desk::Desk,
    output::{Listing, Report, json},
};
use crate::{failure::Result, http::records::RefusalBody};

pub(super) async fn run(command: &RefusalCommand, desk: &Desk<'_>, as_json: bool) -> Result<Report> {
    match command {
        RefusalCommand::List { license } => {
            let mut listing = Listing::new("refusals", as_json);
            let show = |row| listing.row(row, refusal_words, json);
            desk.refusals(*license, show).await?;
            listing.finish("Nothing was refused.")
        }
    }
}

fn refusal_words(row: &RefusalBody) -> String {
    let RefusalBody { asked, error, reason, last, count, handle, key_hint, .. } = row;
    let mut line = format!("{last}  {asked} of {handle}");
    if *count > 1 {
        line += &format!(", {count} times");
    }
    match &row.license {
        Some(license) => line += &format!("  license {license}"),
        None if key_hint.is_empty() => line += "  no license key",
        None => line += &format!("  key ..{key_hint}"),
    }
    for (name, value) in &row.machine {
        line += &format!("  {name}={value}");
    }
    if !row.application.is_empty() {
        line += &format!("  application {}", row.application);
    }
    let by = if row.peer.is_empty() { &row.actor } else { &row.peer };
    line + &format!("  {by}  {error}: {reason}")
}
