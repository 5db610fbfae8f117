//! What was refused lately. Strangers cause it, so it is bounded by its age, for each license and in all.

use nodelock::{
    LicenseId, PublicKey, Timestamp,
    authority::{KeyHash, SeatName},
    code::Handle,
};

use super::{
    Tx,
    pages::Page,
    row::{count, damaged, device, handle, json, license_id, number, public_key, record, seconds, time},
    sql::{Query, Row, query},
    unlocked,
};
use crate::{
    domain::{AskedFor, DeviceDescription, Occasion, RefusalCursor, RefusalRow, Refused},
    failure::Result,
};

const DAY: u64 = 24 * 60 * 60;

/// How many rows are kept of one license. When there are more, the oldest go.
const MOST_OF_LICENSE: i64 = 100;
/// How many are kept of no license. Whoever makes license keys up pushes out nothing of a license.
const MOST_OF_NONE: i64 = 1_000;
/// How many are kept in all.
const MOST: i64 = 20_000;

/// How many rows are kept.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) of_license: i64,
    pub(super) of_none: i64,
    pub(super) in_all: i64,
}

const BOUNDS: Bounds = Bounds { of_license: MOST_OF_LICENSE, of_none: MOST_OF_NONE, in_all: MOST };

/// Finds the newest row of those beyond a number. It locks nothing, so that refusals need not wait for each other.
macro_rules! beyond {
    ($of:literal, $number:literal) => {
        concat!(
            "SELECT last_at, device_key, asked, kind FROM refusal ",
            $of,
            " ORDER BY last_at DESC, device_key DESC, asked DESC, kind DESC LIMIT 1 OFFSET ",
            $number
        )
    };
}

/// Deletes that row and what is older, but for the end of the statement.
macro_rules! until {
    ($of:literal) => {
        concat!(
            "DELETE FROM refusal WHERE (device_key, day, asked, kind) IN \
             (SELECT device_key, day, asked, kind FROM refusal \
             WHERE (last_at, device_key, asked, kind) <= ($1, $2, $3, $4) ",
            $of
        )
    };
}

/// Notes a refusal. The same once more on one day is counted.
pub(crate) async fn note_refusal(tx: &mut Tx, refused: &Refused, occasion: &Occasion) -> Result<()> {
    note_within(tx, refused, BOUNDS, occasion).await
}

/// The same within other bounds.
pub(super) async fn note_within(
    tx: &mut Tx,
    refused: &Refused,
    bounds: Bounds,
    occasion: &Occasion,
) -> Result<()> {
    let now = seconds(occasion.time);
    let license = refused.license.map(|id| id.to_string());
    let row = query(
        "INSERT INTO refusal (device_key, day, asked, kind, reason, handle, license_id, key_hint, machine, actor, \
         peer, first_at, last_at, number) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, 1) \
         ON CONFLICT (device_key, day, asked, kind) DO UPDATE SET reason = excluded.reason, \
         handle = excluded.handle, license_id = excluded.license_id, key_hint = excluded.key_hint, \
         machine = excluded.machine, actor = excluded.actor, peer = excluded.peer, \
         first_at = CASE WHEN excluded.first_at < refusal.first_at THEN excluded.first_at ELSE refusal.first_at END, \
         last_at = CASE WHEN excluded.last_at > refusal.last_at THEN excluded.last_at ELSE refusal.last_at END, \
         number = refusal.number + 1 RETURNING number",
    )
    .bind(device(refused.seat))
    .bind(seconds(occasion.time) / i64::try_from(DAY).unwrap_or(1))
    .bind(refused.asked.name())
    .bind(&refused.kind)
    .bind(&refused.reason)
    .bind(number(refused.seat.handle))
    .bind(license.as_ref())
    .bind(&refused.key_hint)
    .bind(json(&refused.device)?)
    .bind(occasion.actor.to_string())
    .bind(occasion.actor.address().map(|address| address.to_string()).unwrap_or_default())
    .bind(now)
    .fetch_one(tx)
    .await?;
    if count(&row, "number")? > 1 {
        return Ok(());
    }
    match &license {
        Some(license) => {
            let edge = query(beyond!("WHERE license_id = $1", "$2"));
            if let Some(edge) = edge.bind(license).bind(bounds.of_license).fetch_optional(tx).await? {
                let old = query(unlocked!(tx, until!("AND license_id = $5"), ")"));
                bind_place(old, &edge)?.bind(license).execute(tx).await?;
            }
        }
        None => {
            let edge = query(beyond!("WHERE license_id IS NULL", "$1"));
            if let Some(edge) = edge.bind(bounds.of_none).fetch_optional(tx).await? {
                let old = query(unlocked!(tx, until!("AND license_id IS NULL"), ")"));
                bind_place(old, &edge)?.execute(tx).await?;
            }
        }
    }
    let edge = query(beyond!("", "$1")).bind(bounds.in_all).fetch_optional(tx).await?;
    if let Some(edge) = edge {
        let old = query(unlocked!(tx, until!(""), ")"));
        bind_place(old, &edge)?.execute(tx).await?;
    }
    Ok(())
}

/// The place of a refusal by its age, as the first four values.
fn bind_place(query: Query, edge: &Row) -> Result<Query> {
    let query = query.bind(edge.get::<i64>("last_at")?).bind(edge.get::<Vec<u8>>("device_key")?);
    Ok(query.bind(edge.get::<String>("asked")?).bind(edge.get::<String>("kind")?))
}

/// Forgets what was refused before a time. Returns how much that was.
pub(crate) async fn forget_refusals_before(tx: &mut Tx, time: Timestamp) -> Result<u64> {
    let old = query(unlocked!(
        tx,
        "DELETE FROM refusal WHERE (device_key, day, asked, kind) IN \
        (SELECT device_key, day, asked, kind FROM refusal WHERE last_at < $1",
        ")"
    ));
    Ok(old.bind(seconds(time)).execute(tx).await?)
}

/// Forgets what the device of a seat was refused.
pub(crate) async fn forget_refusals_of_seat(tx: &mut Tx, seat: SeatName) -> Result<()> {
    query("DELETE FROM refusal WHERE device_key = $1").bind(device(seat)).execute(tx).await?;
    Ok(())
}

/// Forgets what was refused of a license. Returns how much that was.
pub(crate) async fn forget_refusals_of_license(tx: &mut Tx, license: LicenseId) -> Result<u64> {
    let of = query("DELETE FROM refusal WHERE license_id = $1");
    Ok(of.bind(license.to_string()).execute(tx).await?)
}

/// How many rows there are of a license.
pub(crate) async fn count_refusals_of_license(tx: &mut Tx, license: LicenseId) -> Result<u64> {
    let of = query("SELECT COUNT(*) AS found FROM refusal WHERE license_id = $1");
    let row = of.bind(license.to_string()).fetch_one(tx).await?;
    Ok(u64::try_from(row.get::<i64>("found")?).unwrap_or_default())
}

/// The license that has or had a key, also one that opens nothing any more; none if nobody had it.
pub(crate) async fn license_of_any_key(tx: &mut Tx, hash: KeyHash) -> Result<Option<LicenseId>> {
    let row = query("SELECT license_id FROM license_key WHERE hash = $1").bind(hash.0.to_vec());
    Ok(row.fetch_optional(tx).await?.as_ref().map(license_id).transpose()?.flatten())
}

/// The only seat of a handle, with its license and what its device said of itself; none if several devices have one.
pub(crate) async fn only_seat(
    tx: &mut Tx,
    of: Handle,
) -> Result<Option<(SeatName, Option<LicenseId>, DeviceDescription)>> {
    let rows = query("SELECT handle, device_key, license_id, machine FROM seat WHERE handle = $1 LIMIT 2");
    let rows = rows.bind(number(of)).fetch_all(tx).await?;
    let [row] = &rows[..] else { return Ok(None) };
    let name = SeatName { handle: of, device_key: public_key(row.get("device_key")?)? };
    Ok(Some((name, license_id(row)?, record(row, "machine")?)))
}

/// What was refused, oldest first: of one license or all of it.
pub(crate) struct RefusalPages {
    license: Option<LicenseId>,
    /// The last one so far.
    after: (i64, Vec<u8>, String, String),
    size: i64,
}

/// The columns of a refusal, after $1 to $4.
macro_rules! refusals_after {
    ($of_license:literal) => {
        concat!(
            "SELECT device_key, asked, kind, reason, handle, license_id, key_hint, machine, actor, peer, first_at, last_at, number \
             FROM refusal WHERE (last_at, device_key, asked, kind) > ($1, $2, $3, $4)",
            $of_license,
            " ORDER BY last_at, device_key, asked, kind LIMIT $5"
        )
    };
}

impl RefusalPages {
    /// Those after one, on pages of that size.
    pub(crate) fn after(license: Option<LicenseId>, after: Option<&RefusalCursor>, size: u32) -> Self {
        let after = after.map_or((i64::MIN, Vec::new(), String::new(), String::new()), |after| {
            let RefusalCursor { last, device, asked, kind } = after;
            (seconds(*last), device.as_bytes().to_vec(), asked.clone(), kind.clone())
        });
        Self { license, after, size: size.into() }
    }

    /// The next page; empty after the last.
    pub(crate) async fn next(&mut self, tx: &mut Tx) -> Result<Page<RefusalRow>> {
        let (last, device, asked, kind) = self.after.clone();
        let rows = query(match self.license {
            Some(_) => refusals_after!(" AND license_id = $6"),
            None => refusals_after!(""),
        });
        let rows = rows.bind(last).bind(device).bind(asked).bind(kind).bind(self.size);
        let rows = match self.license {
            Some(license) => rows.bind(license.to_string()),
            None => rows,
        };
        let rows = rows.fetch_all(tx).await?;
        if let Some(last) = rows.last() {
            self.after =
                (last.get("last_at")?, last.get("device_key")?, last.get("asked")?, last.get("kind")?);
        }
        let read = |row| refusal(row).map_err(|failure| failure.in_record("a refusal".to_owned()));
        Ok(rows.iter().map(read).collect())
    }
}

/// The columns of a refusal, before $1 to $4.
macro_rules! refusals_before {
    ($of_license:literal) => {
        concat!(
            "SELECT device_key, asked, kind, reason, handle, license_id, key_hint, machine, actor, peer, first_at, last_at, number \
             FROM refusal WHERE (last_at, device_key, asked, kind) < ($1, $2, $3, $4)",
            $of_license,
            " ORDER BY last_at DESC, device_key DESC, asked DESC, kind DESC LIMIT $5"
        )
    };
}

/// What was refused before one, latest first: of one license or all of it; at most so many. All come before none.
pub(crate) async fn refusals_before(
    tx: &mut Tx,
    license: Option<LicenseId>,
    before: Option<&RefusalCursor>,
    most: u32,
) -> Result<Page<RefusalRow>> {
    let (last, device, asked, kind) = match before {
        None => (i64::MAX, Vec::new(), "", ""),
        Some(place) => (seconds(place.last), place.device.as_bytes().to_vec(), &*place.asked, &*place.kind),
    };
    let rows = query(match license {
        Some(_) => refusals_before!(" AND license_id = $6"),
        None => refusals_before!(""),
    });
    let rows = rows.bind(last).bind(device).bind(asked).bind(kind).bind(i64::from(most));
    let rows = match license {
        Some(license) => rows.bind(license.to_string()),
        None => rows,
    };
    let read = |row| refusal(row).map_err(|failure| failure.in_record("a refusal".to_owned()));
    Ok(rows.fetch_all(tx).await?.iter().map(read).collect())
}

fn refusal(row: &Row) -> Result<RefusalRow> {
    let asked: &str = row.get("asked")?;
    let asked = AskedFor::ALL.into_iter().find(|one| one.name() == asked);
    let device_key: PublicKey = public_key(row.get("device_key")?)?;
    let refused = Refused {
        asked: asked.ok_or_else(|| damaged("what was asked for"))?,
        kind: row.get("kind")?,
        reason: row.get("reason")?,
        seat: SeatName { handle: handle(row.get("handle")?)?, device_key },
        license: license_id(row)?,
        key_hint: row.get("key_hint")?,
        device: record(row, "machine")?,
    };
    Ok(RefusalRow {
        refused,
        actor: row.get("actor")?,
        peer: row.get("peer")?,
        first: time(row, "first_at")?,
        last: time(row, "last_at")?,
        count: count(row, "number")?,
    })
}

#[cfg(test)]
mod tests {
    use nodelock::{SigningKey, SystemRandom};

    use super::*;
    use crate::{
        domain::Actor,
        store::tests::{empty, sold},
    };

    const NOW: u64 = 1_790_000_000;

    fn at(seconds: u64) -> Occasion {
        Occasion { time: Timestamp::from_unix_seconds(NOW + seconds), actor: Actor::Vendor("test".into()) }
    }

    fn of(license: Option<LicenseId>, handle: u32) -> Refused {
        let device_key = SigningKey::generate(&SystemRandom).unwrap().public_key();
        Refused {
            asked: AskedFor::Activation,
            kind: "no-free-seat".into(),
            reason: "no seat is free".into(),
            seat: SeatName { handle: Handle::new(handle).unwrap(), device_key },
            license,
            key_hint: "ABCDE".into(),
            device: DeviceDescription::default(),
        }
    }

    async fn handles(tx: &mut Tx) -> Vec<u32> {
        let rows = RefusalPages::after(None, None, 100).next(tx).await.unwrap();
        rows.into_iter().map(|row| row.unwrap().refused.seat.handle.get()).collect()
    }

    #[tokio::test]
    async fn the_oldest_goes_of_a_license_of_no_license_and_in_all() {
        let (_folder, database) = empty().await;
        let bounds = Bounds { of_license: 2, of_none: 2, in_all: 5 };
        let mut tx = database.write().await.unwrap();
        let (one, two) = (sold(&mut tx, "key one").await.id, sold(&mut tx, "key two").await.id);
        let note = async |tx: &mut Tx, license, number: u32| {
            note_within(tx, &of(license, number), bounds, &at(number.into())).await.unwrap();
        };
        for number in 1..=3 {
            note(&mut tx, Some(one), number).await;
        }
        assert_eq!(handles(&mut tx).await, [2, 3]);
        for number in 4..=6 {
            note(&mut tx, None, number).await;
        }
        assert_eq!(handles(&mut tx).await, [2, 3, 5, 6], "strangers push out nothing of a license");
        note(&mut tx, Some(two), 7).await;
        note(&mut tx, Some(two), 8).await;
        assert_eq!(handles(&mut tx).await, [3, 5, 6, 7, 8]);
        assert_eq!(forget_refusals_before(&mut tx, at(6).time).await.unwrap(), 2);
        assert_eq!(forget_refusals_of_license(&mut tx, two).await.unwrap(), 2);
        assert_eq!(handles(&mut tx).await, [6]);
        tx.commit().await.unwrap();
    }

    #[tokio::test]
    async fn the_same_of_one_day_is_one_row_and_of_the_next_day_another() {
        let (_folder, database) = empty().await;
        let mut tx = database.write().await.unwrap();
        let refused = of(None, 7);
        for seconds in [0, 60, 24 * 60 * 60] {
            note_refusal(&mut tx, &refused, &at(seconds)).await.unwrap();
        }
        note_refusal(&mut tx, &Refused { kind: "wrong-product".into(), ..refused }, &at(60)).await.unwrap();
        let rows = RefusalPages::after(None, None, 100).next(&mut tx).await.unwrap();
        let counts: Vec<_> = rows.iter().map(|row| row.as_ref().unwrap().count).collect();
        assert_eq!(counts.iter().sum::<u32>(), 4);
        assert_eq!(rows.len(), 3);
        let [first, last] = [rows[0].as_ref().unwrap(), rows[2].as_ref().unwrap()];
        assert_eq!((first.last, last.first), (at(60).time, at(24 * 60 * 60).time));
        tx.commit().await.unwrap();
    }

    /// Two servers note the same, and the one whose clock is behind comes later.
    #[tokio::test]
    async fn one_that_comes_late_makes_no_time_wrong() {
        let (_folder, database) = empty().await;
        let mut tx = database.write().await.unwrap();
        let refused = of(None, 7);
        for seconds in [60, 0, 30] {
            note_refusal(&mut tx, &refused, &at(seconds)).await.unwrap();
        }
        let rows = RefusalPages::after(None, None, 100).next(&mut tx).await.unwrap();
        let [row] = &rows[..] else { panic!() };
        let row = row.as_ref().unwrap();
        assert_eq!((row.first, row.last, row.count), (at(0).time, at(60).time, 3));
        tx.commit().await.unwrap();
    }

    #[tokio::test]
    async fn what_came_in_one_second_goes_no_further_than_the_bound() {
        let (_folder, database) = empty().await;
        let bounds = Bounds { of_license: 2, of_none: 2, in_all: 5 };
        let mut tx = database.write().await.unwrap();
        for number in 1..=4 {
            note_within(&mut tx, &of(None, number), bounds, &at(0)).await.unwrap();
            assert_eq!(handles(&mut tx).await.len(), usize::min(number as usize, 2));
        }
        tx.commit().await.unwrap();
    }
}
