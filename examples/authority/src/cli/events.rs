//! What each command about events does.

use serde_json::{Value, json};

use super::{
    arguments::{EventCommand, ListedEvents},
    output::{Listing, Report},
};
use crate::{
    domain::{EventRow, Occasion},
    failure::Result,
    service::{self, Database},
};

/// How many are read at a time.
const PAGE: u32 = 500;

pub(crate) async fn events(
    command: &EventCommand,
    database: &Database,
    occasion: &Occasion,
    as_json: bool,
) -> Result<Report> {
    match command {
        EventCommand::List(ListedEvents { license, after, limit }) => {
            let mut listing = Listing::new("events", as_json);
            let (mut after, mut left) = (after.clone(), *limit);
            loop {
                let most = left.min(PAGE);
                let page = service::events_after(database, *license, &after, most, occasion).await?;
                left -= u32::try_from(page.len()).unwrap_or(left);
                let Some(place) = page.place() else { return listing.finish("Nothing happened yet.") };
                place.clone_into(&mut after);
                page.rows.into_iter().try_for_each(|event| listing.row(event, words, value))?;
            }
        }
        EventCommand::Kinds => {
            let kinds = service::event_kinds();
            Ok(Report::new(kinds.join("\n"), json!({ "kinds": kinds })))
        }
    }
}

pub(super) fn words(event: &EventRow) -> String {
    let EventRow { id, license, sequence, at, kind, seat, from, to } = event;
    let mut line = format!("{id}  {at}  {kind:<26}  license {license} #{sequence}");
    if let Some(seat) = seat {
        let state = |state: &Option<String>| state.as_deref().unwrap_or("none").to_owned();
        line += &format!("  seat {}: {} -> {}", seat.handle, state(from), state(to));
    }
    line
}

pub(super) fn value(event: &EventRow) -> Value {
    json!({
        "id": event.id,
        "license": event.license.to_string(),
        "sequence": event.sequence,
        "at": event.at.to_string(),
        "type": event.kind,
        "handle": event.seat.map(|seat| seat.handle.to_string()),
        "device": event.seat.map(|seat| seat.device_key.to_string()),
        "from": event.from,
        "to": event.to,
    })
}
