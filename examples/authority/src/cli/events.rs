//! What each command about events does.

use serde_json::json;

use super::{
    arguments::{EventCommand, ListedEvents},
    desk::Desk,
    output::{Listing, Report, json},
};
use crate::{failure::Result, http::records::Event, service};

pub(super) async fn events(command: &EventCommand, desk: &Desk<'_>, as_json: bool) -> Result<Report> {
    match command {
        EventCommand::List(ListedEvents { license, after, limit }) => {
            let mut listing = Listing::new("events", as_json);
            let show = |row| listing.row(row, words, json);
            desk.events(*license, (after, *limit), show).await?;
            listing.finish("Nothing happened yet.")
        }
        EventCommand::Kinds => {
            let kinds = service::event_kinds();
            Ok(Report::new(kinds.join("\n"), json!({ "kinds": kinds })))
        }
    }
}

pub(super) fn words(event: &Event) -> String {
    let Event { id, license, sequence, at, r#type, handle, from, to, .. } = event;
    let mut line = format!("{id}  {at}  {type:<26}  license {license} #{sequence}");
    if let Some(handle) = handle {
        let state = |state: &Option<String>| state.as_deref().unwrap_or("none").to_owned();
        line += &format!("  seat {handle}: {} -> {}", state(from), state(to));
    }
    line
}
