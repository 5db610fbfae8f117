//! What calls were answered, for when they are made again.

use nodelock::Timestamp;

use super::{Tx, row::seconds, sql::query};
use crate::{
    domain::Answered,
    failure::{Failure, Result},
};

/// For how many days a call that is made again is known.
const KEPT_DAYS: u64 = 7;

pub(crate) async fn answered(tx: &mut Tx, id: &[u8]) -> Result<Option<Answered>> {
    let row = query("SELECT id, digest, sealed FROM answered WHERE id = $1").bind(id);
    let Some(row) = row.fetch_optional(tx).await? else { return Ok(None) };
    Ok(Some(Answered { id: row.get("id")?, digest: row.get("digest")?, sealed: row.get("sealed")? }))
}

/// Keeps an answer, and forgets those that are old. Fails with [`Failure::AnsweredBefore`].
pub(crate) async fn keep_answer(tx: &mut Tx, answer: &Answered, now: Timestamp) -> Result<()> {
    let old = Timestamp::from_unix_seconds(now.unix_seconds().saturating_sub(KEPT_DAYS * 24 * 60 * 60));
    query("DELETE FROM answered WHERE at <= $1").bind(seconds(old)).execute(tx).await?;
    let insert =
        "INSERT INTO answered (id, digest, sealed, at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING";
    let inserted = query(insert)
        .bind(&*answer.id)
        .bind(&*answer.digest)
        .bind(&*answer.sealed)
        .bind(seconds(now))
        .execute(tx)
        .await?;
    if inserted == 1 { Ok(()) } else { Err(Failure::AnsweredBefore) }
}
