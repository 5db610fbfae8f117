//! What seats add up to, kept in the transaction of each change so that nothing is ever counted.
//!
//! A license has its own numbers in its row. The numbers of the whole ledger, for metrics and limits, are in `tally`,
//! in several rows for each: on PostgreSQL a single one would have every writer wait for the one before it.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use nodelock::{
    LicenseId,
    authority::{Seat, SeatState, Usage},
};

use super::{
    Tx,
    sql::{query, query_made},
};
use crate::{domain::StateCount, failure::Result};

/// How many rows the ledger has for each number. A process takes one after the other, so that writers at the same time
/// have rows of their own.
const SHARDS: usize = 64;
/// The name of the number of all evidence; the other names are those of the seats' states.
const EVIDENCE: &str = "evidence";

/// A seat, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) license: Option<LicenseId>,
    pub(super) state: SeatState,
    pub(super) lapsed: bool,
    pub(super) counted: bool,
    pub(super) activation: bool,
}

impl From<&Seat> for Counted {
    fn from(seat: &Seat) -> Self {
        Self {
            license: seat.license_id(),
            state: seat.state(),
            lapsed: seat.is_lapsed(),
            counted: seat.is_counted(),
            activation: seat.is_activation(),
        }
    }
}

/// What a transaction has changed and not written down yet. It is written once, before the commit.
#[derive(Default)]
pub(super) struct Counters {
    licenses: BTreeMap<LicenseId, Difference>,
    tally: BTreeMap<&'static str, i64>,
}

#[derive(Clone, Copy, Default, PartialEq)]
struct Difference {
    taken: i64,
    deactivated: i64,
    activated: i64,
}

impl Counters {
    /// Counts what became of a seat, which is new if there was nothing before. An activation counts once: what a seat
    /// was granted for never changes.
    pub(super) fn count(&mut self, before: Option<Counted>, after: Counted) {
        if let Some(id) = after.license.filter(|_| before.is_none() && after.activation) {
            self.licenses.entry(id).or_default().activated += 1;
        }
        for (seat, sign) in before.map(|before| (before, -1)).into_iter().chain([(after, 1)]) {
            *self.tally.entry(seat.state.name()).or_default() += sign;
            if let Some(id) = seat.license {
                let difference = self.licenses.entry(id).or_default();
                difference.taken += sign * i64::from(seat.state.is_taken() && !seat.lapsed);
                difference.deactivated += sign * i64::from(seat.counted);
            }
        }
    }

    /// Counts seats in that state that are gone, which counted for no license.
    pub(super) fn count_forgotten(&mut self, state: SeatState, seats: usize) {
        *self.tally.entry(state.name()).or_default() -= i64::try_from(seats).unwrap_or(0);
    }

    /// Counts evidence that came, or went.
    pub(super) fn count_evidence(&mut self, difference: i64) {
        *self.tally.entry(EVIDENCE).or_default() += difference;
    }

    /// How much evidence this transaction adds.
    pub(super) fn evidence(&self) -> i64 {
        self.tally.get(EVIDENCE).copied().unwrap_or(0)
    }

    /// What the seats of a license add up to, when they did to `stored` before this transaction.
    pub(super) fn usage(&self, id: LicenseId, stored: Usage) -> Usage {
        let difference = self.licenses.get(&id).copied().unwrap_or_default();
        let sum = |before: u32, change: i64| u32::try_from(i64::from(before) + change).unwrap_or(0);
        Usage::new(
            sum(stored.taken, difference.taken),
            sum(stored.deactivated, difference.deactivated),
            sum(stored.activated, difference.activated),
        )
    }

    /// Writes down what changed. The shared rows come last, because they are locked until the commit.
    pub(super) async fn write(self, tx: &mut Tx) -> Result<()> {
        for (id, change) in self.licenses {
            if change == Difference::default() {
                continue;
            }
            query(
                "UPDATE license SET taken = taken + $1, deactivated = deactivated + $2, activated = activated + $3 \
                 WHERE id = $4",
            )
            .bind(change.taken)
            .bind(change.deactivated)
            .bind(change.activated)
            .bind(id.to_string())
            .execute(tx)
            .await?;
        }
        let tally: Vec<(&str, i64)> = self.tally.into_iter().filter(|(_, change)| *change != 0).collect();
        if tally.is_empty() {
            return Ok(());
        }
        let rows: Vec<String> =
            (0..tally.len()).map(|n| format!("(${}, $1, ${})", 2 * n + 2, 2 * n + 3)).collect();
        let sql = format!(
            "INSERT INTO tally (what, shard, number) VALUES {} \
             ON CONFLICT (what, shard) DO UPDATE SET number = tally.number + excluded.number",
            rows.join(", ")
        );
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let shard = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(process_id()) % SHARDS;
        let query = query_made(sql).bind(i64::try_from(shard).unwrap_or(0));
        let query = tally.into_iter().fold(query, |query, (what, change)| query.bind(what).bind(change));
        query.execute(tx).await?;
        Ok(())
    }
}

/// Two processes on one database begin at different rows.
fn process_id() -> usize {
    usize::try_from(std::process::id()).unwrap_or(0)
}

/// How many seats are in each state.
pub(super) async fn by_state(tx: &mut Tx) -> Result<Vec<StateCount>> {
    // PostgreSQL's sum of such numbers is of another type.
    let rows = query("SELECT what, CAST(SUM(number) AS BIGINT) AS number FROM tally GROUP BY what");
    let rows = rows.fetch_all(tx).await?;
    let mut counts = SeatState::ALL.map(|state| (state, 0)).to_vec();
    for row in rows {
        let what: &str = row.get("what")?;
        if let Some(count) = counts.iter_mut().find(|(state, _)| state.name() == what) {
            count.1 = row.get("number")?;
        }
    }
    Ok(counts)
}

/// How much evidence there is. On PostgreSQL it leaves out what others have not committed yet.
pub(super) async fn evidence(tx: &mut Tx) -> Result<i64> {
    let sum = "SELECT CAST(COALESCE(SUM(number), 0) AS BIGINT) FROM tally WHERE what = $1";
    Ok(query(sum).bind(EVIDENCE).fetch_one(tx).await?.first()?)
}
