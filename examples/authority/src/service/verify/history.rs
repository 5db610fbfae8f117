//! What the ledger noted of its service.

use std::collections::HashMap;

use nodelock::{Page, Timestamp, authority::History};

use super::{Findings, row::Row};
use crate::{
    failure::Result,
    store::{Tx, raw},
};

pub(super) async fn look(tx: &mut Tx, findings: &mut Findings) -> Result<()> {
    let mut pages: HashMap<Page, Timestamp> = HashMap::new();
    raw::walk(tx, raw::PAGE, |raw| {
        let mut row = Row::new(raw, raw::PAGE, findings);
        let (bytes, noted) = (row.bytes("page"), row.time("noted"));
        let page = bytes.and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()).map(Page::from_bytes);
        row.name = page.map(|page| page.to_string());
        row.expect("page", page.is_some(), "a page has 8 bytes");
        pages.extend(page.zip(noted));
    })
    .await?;
    let mut rows = 0;
    raw::walk(tx, raw::HISTORY, |raw| {
        rows += 1;
        let mut row = Row::new(raw, raw::HISTORY, findings);
        let Some(history) = row.record::<History>("record") else { return };
        let noted = pages.get(&history.last_page());
        row.expect("record", noted.is_some(), "its last page was not noted");
        row.expect(
            "record",
            noted.is_none_or(|noted| *noted == history.noted()),
            "its last page has another time",
        );
        let is_bounded =
            |gap: &nodelock::authority::Gap| gap.began() <= gap.ended() && gap.ended() <= gap.over();
        let are_bounded = history.gaps().iter().all(|gap| is_bounded(gap) && row.is_past(gap.ended()));
        row.expect("record", are_bounded, "something is missing that was not signed yet");
    })
    .await?;
    if rows > 1 || (rows == 0 && !pages.is_empty()) {
        findings.add_of("history", None, format!("it has {rows} rows, and one is right"));
    }
    Ok(())
}
