//! Requests that wait for the vendor's approval. Whoever has a license key makes some, so they are bounded by their
//! age, per peer, for each license and in all. The device of one that went asks again, and it is kept again. What the
//! vendor approved goes by its age alone.

use nodelock::{
    LicenseId, PublicKey, Timestamp,
    authority::{Approval, Found, Seat},
    code::Handle,
};

use super::{
    Tx,
    pages::Page,
    row::{device, json, number, record, seconds},
    sql::{Query, Row, query},
    strangers::counts_for,
    unlocked,
};
use crate::{
    domain::{Occasion, RequestCursor, RequestRow, changed, days_before},
    failure::Result,
};

/// How many may be one peer's.
const MOST_OF_PEER: i64 = 100;
/// How many a license may have.
const MOST_OF_LICENSE: i64 = 200;
/// How many there may be in all.
const MOST: i64 = 10_000;
/// For how many days one is kept: longer than an approval lasts.
const LASTS_DAYS: u32 = 60;

/// How many are kept.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) of_peer: i64,
    pub(super) of_license: i64,
    pub(super) in_all: i64,
}

const BOUNDS: Bounds = Bounds { of_peer: MOST_OF_PEER, of_license: MOST_OF_LICENSE, in_all: MOST };

/// The requests under a handle.
pub(super) async fn approvals_of(tx: &mut Tx, of: Handle) -> Result<Found> {
    let rows = query(
        "SELECT record FROM approval WHERE handle = $1 \
         AND ($2 IS NULL OR license_id IN (SELECT id FROM license WHERE product_id = $2)) ORDER BY device_key",
    );
    let rows = rows.bind(number(of)).bind(tx.product()).fetch_all(tx).await?;
    let approvals = rows.iter().map(|row| record::<Approval>(row, "record"));
    Ok(Found::Approvals(approvals.collect::<Result<_>>()?))
}

/// Keeps a request in place of the one of its name.
pub(super) async fn set_approval(tx: &mut Tx, approval: &Approval, occasion: &Occasion) -> Result<()> {
    set_within(tx, approval, BOUNDS, occasion).await
}

/// Finds the newest of those that are not approved, beyond so many: `$1` of what `$of` says. It locks nothing, so that
/// requests need not wait for each other.
macro_rules! beyond {
    ($of:literal) => {
        concat!(
            "SELECT changed, handle, device_key FROM approval WHERE state <> 'approved' ",
            $of,
            " ORDER BY changed DESC, handle DESC, device_key DESC LIMIT 1 OFFSET $1"
        )
    };
}

/// Deletes that one and what is older, but for the end of the statement.
macro_rules! until {
    ($of:literal) => {
        concat!(
            "DELETE FROM approval WHERE (handle, device_key) IN (SELECT handle, device_key FROM approval \
             WHERE state <> 'approved' AND (changed, handle, device_key) <= ($1, $2, $3) ",
            $of
        )
    };
}

/// The same within other bounds.
pub(super) async fn set_within(
    tx: &mut Tx,
    approval: &Approval,
    bounds: Bounds,
    occasion: &Occasion,
) -> Result<()> {
    let (license, peer) = (approval.license_id().to_string(), counts_for(occasion));
    // Whose it is does not change when the vendor rules on it.
    query(
        "INSERT INTO approval (handle, device_key, license_id, state, changed, peer, record) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (handle, device_key) DO UPDATE SET \
         license_id = excluded.license_id, state = excluded.state, changed = excluded.changed, \
         record = excluded.record",
    )
    .bind(number(approval.name().handle))
    .bind(device(approval.name()))
    .bind(&license)
    .bind(approval.state().name())
    .bind(seconds(changed(approval)))
    .bind(&peer)
    .bind(json(approval)?)
    .execute(tx)
    .await?;
    forget_old_approvals(tx, occasion.time).await?;
    if !peer.is_empty() {
        let edge = query(beyond!("AND peer = $2")).bind(bounds.of_peer).bind(&peer);
        if let Some(edge) = edge.fetch_optional(tx).await? {
            let old = query(unlocked!(tx, until!("AND peer = $4"), ")"));
            bind_place(old, &edge)?.bind(&peer).execute(tx).await?;
        }
    }
    let edge = query(beyond!("AND license_id = $2")).bind(bounds.of_license).bind(&license);
    if let Some(edge) = edge.fetch_optional(tx).await? {
        let old = query(unlocked!(tx, until!("AND license_id = $4"), ")"));
        bind_place(old, &edge)?.bind(&license).execute(tx).await?;
    }
    let edge = query(beyond!("")).bind(bounds.in_all).fetch_optional(tx).await?;
    if let Some(edge) = edge {
        let old = query(unlocked!(tx, until!(""), ")"));
        bind_place(old, &edge)?.execute(tx).await?;
    }
    Ok(())
}

/// The place of a request by its age, as the first three values.
fn bind_place(query: Query, edge: &Row) -> Result<Query> {
    let query = query.bind(edge.get::<i64>("changed")?).bind(edge.get::<i64>("handle")?);
    Ok(query.bind(edge.get::<Vec<u8>>("device_key")?))
}

/// Deletes those that are too old. Returns how many there were.
pub(crate) async fn forget_old_approvals(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    let old = query(unlocked!(
        tx,
        "DELETE FROM approval WHERE (handle, device_key) IN \
        (SELECT handle, device_key FROM approval WHERE changed < $1",
        ")"
    ));
    Ok(old.bind(seconds(days_before(now, LASTS_DAYS))).execute(tx).await?)
}

/// There is a seat of that name now: it was granted, or cancelled while it waited. That no approval is asked for
/// any more does not say that none was kept.
pub(super) async fn forget_approval_of(tx: &mut Tx, seat: &Seat) -> Result<()> {
    let of = query("DELETE FROM approval WHERE handle = $1 AND device_key = $2");
    of.bind(number(seat.handle())).bind(device(seat.name())).execute(tx).await?;
    Ok(())
}

/// Deletes those of a device for seats of a license.
pub(super) async fn forget_approvals_of_device(
    tx: &mut Tx,
    license: LicenseId,
    device: &PublicKey,
) -> Result<()> {
    let of = query("DELETE FROM approval WHERE license_id = $1 AND device_key = $2");
    of.bind(license.to_string()).bind(device.as_bytes().to_vec()).execute(tx).await?;
    Ok(())
}

/// Deletes those of a license: it is stopped, or its customer is erased. Returns how many that were.
pub(crate) async fn forget_approvals_of(tx: &mut Tx, license: LicenseId) -> Result<u64> {
    let of = query("DELETE FROM approval WHERE license_id = $1");
    Ok(of.bind(license.to_string()).execute(tx).await?)
}

/// How many there are of a license.
pub(crate) async fn count_approvals_of(tx: &mut Tx, license: LicenseId) -> Result<u64> {
    let of = query("SELECT COUNT(*) AS number FROM approval WHERE license_id = $1");
    let row = of.bind(license.to_string()).fetch_one(tx).await?;
    Ok(u64::try_from(row.get::<i64>("number")?).unwrap_or_default())
}

/// Requests under a handle, for whoever chooses one.
pub(crate) async fn requests_of_handle(tx: &mut Tx, of: Handle) -> Result<Vec<RequestRow>> {
    let rows = query("SELECT record, peer FROM approval WHERE handle = $1 ORDER BY device_key");
    rows.bind(number(of)).fetch_all(tx).await?.iter().map(request).collect()
}

/// Requests, those first that changed longest ago: of one license or all of them.
pub(crate) struct RequestPages {
    license: Option<LicenseId>,
    /// The last one so far.
    after: (i64, i64, Vec<u8>),
    size: i64,
}

/// The columns of a request, after $1 to $3.
macro_rules! requests_after {
    ($of_license:literal) => {
        concat!(
            "SELECT changed, handle, device_key, record, peer FROM approval \
             WHERE (changed, handle, device_key) > ($1, $2, $3)",
            $of_license,
            " ORDER BY changed, handle, device_key LIMIT $4"
        )
    };
}

impl RequestPages {
    /// Those after one, on pages of that size.
    pub(crate) fn after(license: Option<LicenseId>, after: Option<&RequestCursor>, size: u32) -> Self {
        let after = after.map_or((i64::MIN, 0, Vec::new()), |RequestCursor { changed, name }| {
            (seconds(*changed), number(name.handle), device(*name))
        });
        Self { license, after, size: size.into() }
    }

    /// The next page; empty after the last.
    pub(crate) async fn next(&mut self, tx: &mut Tx) -> Result<Page<RequestRow>> {
        let (changed, handle, device_key) = self.after.clone();
        let rows = query(match self.license {
            Some(_) => requests_after!(" AND license_id = $5"),
            None => requests_after!(""),
        });
        let rows = rows.bind(changed).bind(handle).bind(device_key).bind(self.size);
        let rows = match self.license {
            Some(license) => rows.bind(license.to_string()),
            None => rows,
        };
        let rows = rows.fetch_all(tx).await?;
        if let Some(last) = rows.last() {
            self.after = (last.get("changed")?, last.get("handle")?, last.get("device_key")?);
        }
        let read = |row| request(row).map_err(|failure| failure.in_record("a request".to_owned()));
        Ok(rows.iter().map(read).collect())
    }
}

fn request(row: &Row) -> Result<RequestRow> {
    Ok(RequestRow { approval: record(row, "record")?, peer: row.get("peer")? })
}

#[cfg(test)]
mod tests {
    use nodelock::{
        SigningKey, SystemRandom,
        authority::{ApprovalState, SeatName},
    };
    use serde_json::json;

    use super::*;
    use crate::{
        domain::Actor,
        store::tests::{empty, sold},
    };

    const NOW: u64 = 1_790_000_000;

    fn at(seconds: u64, peer: u32) -> Occasion {
        let actor = Actor::Peer(std::net::IpAddr::V4(peer.into()));
        Occasion { time: Timestamp::from_unix_seconds(NOW + seconds), actor }
    }

    /// A request that came, or was approved, at that second.
    fn of(license: LicenseId, handle: u32, second: u64, state: ApprovalState) -> Approval {
        let device_key = SigningKey::generate(&SystemRandom).unwrap().public_key();
        let time = NOW + second;
        let approval = json!({
            "seat": Handle::new(handle).unwrap().to_string(), "device_key": device_key.to_string(),
            "license": license.to_string(), "request_digest": "ab".repeat(32), "asked": time, "label": "desk",
            "state": state.name(), "ruled": if state == ApprovalState::Waiting { 0 } else { time }, "reason": "",
        });
        serde_json::from_value(approval).unwrap()
    }

    async fn handles(tx: &mut Tx) -> Vec<u32> {
        let rows = RequestPages::after(None, None, 100).next(tx).await.unwrap();
        rows.into_iter().map(|row| row.unwrap().approval.name().handle.get()).collect()
    }

    #[tokio::test]
    async fn the_oldest_that_is_not_approved_goes_of_a_peer_of_a_license_and_in_all() {
        let (_folder, database) = empty().await;
        let bounds = Bounds { of_peer: 2, of_license: 3, in_all: 5 };
        let mut tx = database.write().await.unwrap();
        let (one, two) = (sold(&mut tx, "key one").await.id, sold(&mut tx, "key two").await.id);
        let keep = async |tx: &mut Tx, license, number: u32, peer, state| {
            let occasion = at(number.into(), peer);
            set_within(tx, &of(license, number, number.into(), state), bounds, &occasion).await.unwrap();
        };
        let (waiting, approved) = (ApprovalState::Waiting, ApprovalState::Approved);
        keep(&mut tx, one, 1, 1, approved).await;
        for number in 2..=4 {
            keep(&mut tx, one, number, 1, waiting).await;
        }
        assert_eq!(handles(&mut tx).await, [1, 3, 4], "a peer's oldest");
        keep(&mut tx, one, 5, 2, waiting).await;
        keep(&mut tx, one, 6, 3, ApprovalState::Refused).await;
        assert_eq!(handles(&mut tx).await, [1, 4, 5, 6], "a license's oldest");
        for number in 7..=9 {
            keep(&mut tx, two, number, number, waiting).await;
        }
        assert_eq!(handles(&mut tx).await, [1, 5, 6, 7, 8, 9], "the oldest of all");
        // The same request takes its own place, and what is too old goes.
        let old = Timestamp::from_unix_seconds(NOW + 6 + 60 * 24 * 60 * 60);
        assert_eq!(forget_old_approvals(&mut tx, old).await.unwrap(), 2);
        let again = of(two, 7, 10, waiting);
        set_approval(&mut tx, &again, &at(10, 7)).await.unwrap();
        set_approval(&mut tx, &again, &at(11, 8)).await.unwrap();
        assert_eq!(handles(&mut tx).await, [6, 7, 8, 9, 7]);
        let SeatName { device_key, .. } = again.name();
        forget_approvals_of_device(&mut tx, one, &device_key).await.unwrap();
        assert_eq!(handles(&mut tx).await.len(), 5, "of another license");
        forget_approvals_of_device(&mut tx, two, &device_key).await.unwrap();
        assert_eq!(handles(&mut tx).await, [6, 7, 8, 9]);
        forget_approvals_of(&mut tx, two).await.unwrap();
        assert_eq!(handles(&mut tx).await, [6]);
        tx.commit().await.unwrap();
    }

    #[tokio::test]
    async fn pages_go_on_where_the_one_before_ended() {
        let (_folder, database) = empty().await;
        let mut tx = database.write().await.unwrap();
        let license = sold(&mut tx, "key").await.id;
        for number in 1..=3 {
            let approval = of(license, number, 0, ApprovalState::Waiting);
            set_approval(&mut tx, &approval, &at(0, number)).await.unwrap();
        }
        let mut pages = RequestPages::after(Some(license), None, 2);
        let first = pages.next(&mut tx).await.unwrap();
        let rest = pages.next(&mut tx).await.unwrap();
        assert_eq!((first.len(), rest.len()), (2, 1));
        let cursor = first[1].as_ref().unwrap().cursor();
        let again = RequestPages::after(None, Some(&cursor), 9).next(&mut tx).await.unwrap();
        assert_eq!(again[0].as_ref().unwrap().approval, rest[0].as_ref().unwrap().approval);
        assert_eq!(again.len(), 1);
        tx.commit().await.unwrap();
    }
}
