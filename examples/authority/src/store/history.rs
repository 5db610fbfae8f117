//! What the ledger noted of its service, and the pages that it was in service under.

use std::time::{SystemTime, UNIX_EPOCH};

use nodelock::{
    Page, Random as _, SystemRandom, Timestamp,
    authority::{Found, History, LicenseTerms},
};

use super::{
    Engine, Tx,
    licenses::insert_without_key,
    row::{json, record, seconds},
    sql::query,
};
use crate::{domain::Occasion, failure::Result};

/// Stands for the end of a key that nobody has.
pub(crate) const NO_KEY: &str = "?";

/// The database's time, which is the same for all servers that share it. SQLite's is this machine's.
pub(crate) async fn clock(tx: &mut Tx) -> Result<Timestamp> {
    let seconds = match tx.engine {
        Engine::Sqlite => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        Engine::Postgres => {
            let now = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS BIGINT)";
            let now: i64 = query(now).fetch_one(tx).await?.first()?;
            u64::try_from(now).unwrap_or(0)
        }
    };
    Ok(Timestamp::from_unix_seconds(seconds))
}

/// A transaction reads it once.
pub(super) async fn history(tx: &mut Tx) -> Result<Found> {
    if let Some(known) = &tx.history {
        return Ok(Found::History(known.clone()));
    }
    let row = query("SELECT record FROM history").fetch_optional(tx).await?;
    let history = row.map(|row| record(&row, "record")).transpose()?;
    tx.history = Some(history.clone());
    Ok(Found::History(history))
}

pub(super) async fn is_known(tx: &mut Tx, page: Page) -> Result<Found> {
    let found = query("SELECT 1 AS found FROM page WHERE page = $1").bind(page.as_bytes().to_vec());
    Ok(Found::Page(found.fetch_optional(tx).await?.is_some()))
}

pub(super) async fn set_history(tx: &mut Tx, history: &History) -> Result<()> {
    query(
        "INSERT INTO history (id, record) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET record = excluded.record",
    )
    .bind(json(history)?)
    .execute(tx)
    .await?;
    tx.history = Some(Some(Box::new(history.clone())));
    Ok(())
}

pub(super) async fn insert_page(tx: &mut Tx, page: Page, occasion: &Occasion) -> Result<()> {
    query("INSERT INTO page (page, noted) VALUES ($1, $2)")
        .bind(page.as_bytes().to_vec())
        .bind(seconds(occasion.time))
        .execute(tx)
        .await?;
    Ok(())
}

/// Enters a license that the ledger has lost. No key has the hash that it gets, so the vendor gives it another key.
pub(super) async fn insert_lost_license(
    tx: &mut Tx,
    terms: &LicenseTerms,
    occasion: &Occasion,
) -> Result<()> {
    let mut hash = [0; 32];
    SystemRandom.fill(&mut hash)?;
    insert_without_key(tx, terms, (hash.to_vec(), NO_KEY), occasion).await
}
