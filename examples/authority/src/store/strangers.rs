//! What is kept although nobody here asked for it: evidence that came before its request, and cancelled seats. Anybody
//! may send some, so each kind is bounded by its age, per peer and in all.

use std::time::Duration;

use super::{
    Tx, counters,
    row::{device, number, seconds},
    sql::query,
    unlocked,
};
use crate::{
    domain::{Occasion, network},
    failure::{Failure, Result},
};
use nodelock::{
    Timestamp,
    authority::{Evidence, Found, Seat, SeatState, decision},
    code::Handle,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How much evidence is kept in all. When there is more, the oldest goes: the device repeats it for as long as it has
/// no receipt.
const MAX_EVIDENCE: i64 = 100_000;
/// How much of it may be one peer's.
const MAX_EVIDENCE_OF_PEER: i64 = 1_000;
/// How long it is kept, in seconds: two years.
const EVIDENCE_LASTS: i64 = 2 * 365 * 24 * 60 * 60;

/// How many cancelled seats may be one peer's. Each keeps its request from taking a seat, so none is dropped for
/// another: the peer's further cancellations are not taken in, and their devices keep their proofs.
pub(super) const MAX_CANCELLED_OF_PEER: i64 = 10_000;
/// How many cancelled seats a new one may push out.
const MOST_FORGOTTEN: i64 = 100;

pub(super) async fn evidence_of(tx: &mut Tx, handle: Handle) -> Result<Found> {
    let rows = query("SELECT content FROM evidence WHERE handle = $1 ORDER BY received, kind, content")
        .bind(number(handle))
        .fetch_all(tx)
        .await?;
    let evidence = rows.iter().map(|row| Ok(Evidence::from_bytes(row.get("content")?)?));
    Ok(Found::Evidence(evidence.collect::<Result<_>>()?))
}

/// Whose limits count: a peer's network, nobody's for the vendor.
pub(super) fn counts_for(occasion: &Occasion) -> String {
    occasion.limited_peer().map_or_else(String::new, |peer| network(peer).to_string())
}

/// Notes a cancelled seat, and forgets some whose requests are outdated. Fails with [`Failure::TooManyUnseen`] when the
/// peer has `most` already.
pub(super) async fn remember_cancelled(
    tx: &mut Tx,
    seat: &Seat,
    most: i64,
    occasion: &Occasion,
) -> Result<()> {
    forget_cancelled(tx, occasion.time).await?;
    let peer = counts_for(occasion);
    if !peer.is_empty() {
        let kept = query("SELECT COUNT(*) FROM cancelled WHERE peer = $1").bind(&peer);
        let kept: i64 = kept.fetch_one(tx).await?.first()?;
        if kept >= most {
            return Err(Failure::TooManyUnseen { wait: DAY, handles: vec![seat.handle()] });
        }
    }
    query("INSERT INTO cancelled (handle, device_key, requested, peer) VALUES ($1, $2, $3, $4)")
        .bind(number(seat.handle()))
        .bind(device(seat.name()))
        .bind(seconds(seat.requested()))
        .bind(peer)
        .execute(tx)
        .await?;
    Ok(())
}

/// Deletes cancelled seats whose requests are refused without them.
async fn forget_cancelled(tx: &mut Tx, now: Timestamp) -> Result<()> {
    let outdated = decision::outdated(now);
    let rows = query(unlocked!(
        tx,
        "SELECT seat.handle, seat.device_key FROM cancelled JOIN seat ON seat.handle = cancelled.handle \
         AND seat.device_key = cancelled.device_key WHERE requested >= $1 AND requested < $2 ORDER BY requested LIMIT $3",
        ""
    ))
    .bind(seconds(outdated.start))
    .bind(seconds(outdated.end))
    .bind(MOST_FORGOTTEN)
    .fetch_all(tx)
    .await?;
    for row in &rows {
        let (handle, device): (i64, Vec<u8>) = (row.get("handle")?, row.get("device_key")?);
        for delete in [
            "DELETE FROM attempt WHERE handle = $1 AND device_key = $2",
            "DELETE FROM cancelled WHERE handle = $1 AND device_key = $2",
            "DELETE FROM seat WHERE handle = $1 AND device_key = $2",
        ] {
            query(delete).bind(handle).bind(&*device).execute(tx).await?;
        }
    }
    tx.counters.count_forgotten(SeatState::Cancelled, rows.len());
    Ok(())
}

pub(super) async fn keep(tx: &mut Tx, evidence: &Evidence, occasion: &Occasion) -> Result<()> {
    let peer = counts_for(occasion);
    query("INSERT INTO evidence (handle, kind, content, received, peer) VALUES ($1, $2, $3, $4, $5)")
        .bind(number(evidence.handle()))
        .bind(evidence.kind())
        .bind(evidence.to_bytes())
        .bind(seconds(occasion.time))
        .bind(&peer)
        .execute(tx)
        .await?;
    tx.counters.count_evidence(1);
    let old = seconds(occasion.time).saturating_sub(EVIDENCE_LASTS);
    let expired = query(unlocked!(
        tx,
        "DELETE FROM evidence WHERE (handle, kind, content) IN \
        (SELECT handle, kind, content FROM evidence WHERE received < $1",
        ")"
    ));
    let gone = expired.bind(old).execute(tx).await?;
    count_gone(tx, gone);
    if !peer.is_empty() {
        forget_oldest_of(tx, &peer, MAX_EVIDENCE_OF_PEER).await?;
    }
    forget_oldest(tx, MAX_EVIDENCE).await
}

/// Deletes the oldest evidence of a peer beyond `most`.
pub(super) async fn forget_oldest_of(tx: &mut Tx, peer: &str, most: i64) -> Result<()> {
    // It looks at as many rows as a peer may have, and at one more.
    let beyond = query(unlocked!(
        tx,
        "DELETE FROM evidence WHERE (handle, kind, content) IN \
        (SELECT handle, kind, content FROM evidence WHERE peer = $1 ORDER BY received DESC LIMIT 1000000 OFFSET $2",
        ")"
    ));
    let gone = beyond.bind(peer).bind(most).execute(tx).await?;
    count_gone(tx, gone);
    Ok(())
}

/// Deletes the oldest evidence beyond `most`.
pub(super) async fn forget_oldest(tx: &mut Tx, most: i64) -> Result<()> {
    let kept = counters::evidence(tx).await? + tx.counters.evidence();
    if kept > most {
        let oldest = query(unlocked!(
            tx,
            "DELETE FROM evidence WHERE (handle, kind, content) IN \
            (SELECT handle, kind, content FROM evidence ORDER BY received LIMIT $1",
            ")"
        ));
        let gone = oldest.bind(kept - most).execute(tx).await?;
        count_gone(tx, gone);
    }
    Ok(())
}

pub(super) async fn forget(tx: &mut Tx, evidence: &Evidence) -> Result<()> {
    let deleted = query("DELETE FROM evidence WHERE handle = $1 AND kind = $2 AND content = $3")
        .bind(number(evidence.handle()))
        .bind(evidence.kind())
        .bind(evidence.to_bytes())
        .execute(tx)
        .await?;
    count_gone(tx, deleted);
    Ok(())
}

/// Deletes evidence that came before a time, at most so much. Returns how much that was.
pub(crate) async fn forget_evidence_before(tx: &mut Tx, before: Timestamp, most: u32) -> Result<u64> {
    let old = query(unlocked!(
        tx,
        "DELETE FROM evidence WHERE (handle, kind, content) IN \
        (SELECT handle, kind, content FROM evidence WHERE received < $1 ORDER BY received LIMIT $2",
        ")"
    ));
    let gone = old.bind(seconds(before)).bind(i64::from(most)).execute(tx).await?;
    count_gone(tx, gone);
    Ok(gone)
}

fn count_gone(tx: &mut Tx, rows: u64) {
    tx.counters.count_evidence(-i64::try_from(rows).unwrap_or(0));
}
