//! The counters of licenses and of the ledger, beside what a count finds.

use nodelock::{
    ActivationRequest, LicenseId,
    authority::{Evidence, Seat, SeatState, decision::Change},
    code::{DeactivationCode, Handle, ReleaseSecret},
};
use serde_json::json;

use super::{Database, apply, at, empty, inserted, request, seat, sold};
use crate::{
    dice::Dice,
    store::{Locks, Tx, count_by_state, sql::query},
};

const WRITERS: u32 = 4;
const CHANGES_OF_A_ROUND: usize = 250;
const ROUNDS: usize = 10;

/// One who changes seats and evidence at random, and remembers what was committed.
struct Writer {
    dice: Dice,
    request: ActivationRequest,
    licenses: Vec<LicenseId>,
    next_handle: u32,
    seats: Vec<Seat>,
    evidence: Vec<Evidence>,
    /// How transactions ended: committed, dropped, failed.
    ends: [usize; 3],
}

impl Writer {
    fn handle(&mut self) -> Handle {
        self.next_handle += 1;
        Handle::new(self.next_handle).unwrap()
    }

    fn seat(&mut self, handle: Handle, license: LicenseId) -> Seat {
        let state = SeatState::ALL[self.dice.below(SeatState::ALL.len())].name();
        let counted = self.dice.below(2) == 1;
        seat(
            &self.request,
            license,
            json!({ "seat": handle.to_string(), "state": state, "counted": counted }),
        )
    }

    /// Makes one random change. What it is remembered by comes back.
    async fn change(&mut self, tx: &mut Tx, seats: &mut Vec<Seat>, evidence: &mut Vec<Evidence>) {
        match self.dice.below(8) {
            0..3 => {
                let license = self.dice.below(self.licenses.len());
                let license = self.licenses[license];
                let handle = self.handle();
                let seat = self.seat(handle, license);
                inserted(tx, &seat, &self.request).await.unwrap();
                seats.push(seat);
            }
            3..6 if !seats.is_empty() => {
                let at_seat = self.dice.below(seats.len());
                let (handle, license) = (seats[at_seat].handle(), seats[at_seat].license_id());
                let seat = self.seat(handle, license.unwrap_or(LicenseId::NONE));
                apply(tx, &Change::Update(seat.clone()), &at(0)).await.unwrap();
                seats[at_seat] = seat;
            }
            6 if !evidence.is_empty() => {
                let forgotten = evidence.swap_remove(self.dice.below(evidence.len()));
                apply(tx, &Change::Forget(forgotten), &at(0)).await.unwrap();
            }
            _ => {
                let code = DeactivationCode::new(self.handle(), ReleaseSecret::from_random([7; 8]));
                let kept = Evidence::from_bytes(code.to_string().as_bytes()).unwrap();
                apply(tx, &Change::Keep(kept.clone()), &at(0)).await.unwrap();
                evidence.push(kept);
            }
        }
    }

    async fn round(mut self, database: Database) -> Self {
        let mut changes = 0;
        while changes < CHANGES_OF_A_ROUND {
            let (mut seats, mut evidence) = (self.seats.clone(), self.evidence.clone());
            let mut tx = database.write_with(&Locks::default()).await.unwrap();
            for _ in 0..=self.dice.below(6) {
                self.change(&mut tx, &mut seats, &mut evidence).await;
                changes += 1;
            }
            let end = self.dice.below(8).saturating_sub(5);
            self.ends[end] += 1;
            match end {
                0 => {
                    tx.commit().await.unwrap();
                    (self.seats, self.evidence) = (seats, evidence);
                }
                1 => drop(tx),
                _ => {
                    let again = self.seats.first().cloned();
                    if let Some(again) = again {
                        inserted(&mut tx, &again, &self.request).await.unwrap_err();
                    }
                }
            }
        }
        self
    }
}

/// The first column of what a query finds.
async fn numbers(database: &Database, sql: &'static str) -> Vec<i64> {
    let rows = query(sql).fetch_all(&mut database.read().await.unwrap()).await.unwrap();
    rows.iter().map(|row| row.first().unwrap()).collect()
}

/// Panics if a counter is not what a count finds.
async fn compare(database: &Database) {
    let wrong = numbers(
        database,
        "SELECT taken FROM license WHERE \
         taken <> (SELECT COUNT(*) FROM seat WHERE license_id = license.id AND taken = 1 AND lapsed = 0) OR \
         deactivated <> (SELECT COUNT(*) FROM seat WHERE license_id = license.id AND counted = 1) OR \
             activated <> (SELECT COUNT(*) FROM seat WHERE license_id = license.id AND record LIKE '%\"activation\":true%')",
    );
    assert_eq!(wrong.await, Vec::<i64>::new());
    let mut tx = database.read().await.unwrap();
    for (state, counter) in count_by_state(&mut tx).await.unwrap() {
        let count = query("SELECT COUNT(*) FROM seat WHERE state = $1").bind(state.name());
        let count: i64 = count.fetch_one(&mut tx).await.unwrap().first().unwrap();
        assert_eq!(counter, count, "{state}");
    }
    let evidence = numbers(
        database,
        "SELECT (SELECT CAST(SUM(number) AS BIGINT) FROM tally WHERE what = 'evidence') - \
         (SELECT COUNT(*) FROM evidence)",
    );
    assert_eq!(evidence.await, [0]);
}

/// Kills of the whole program are in `tests/faults/kills.rs`, which compares the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_are_what_a_count_finds_after_10_000_random_changes_with_failures() {
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    let mut licenses = vec![LicenseId::NONE];
    for key in ["one", "two", "three"] {
        licenses.push(sold(&mut tx, key).await.id);
    }
    tx.commit().await.unwrap();
    let writer = |number: u32| Writer {
        dice: Dice(number.into()),
        request: request().0,
        licenses: licenses.clone(),
        next_handle: number << 20,
        seats: Vec::new(),
        evidence: Vec::new(),
        ends: [0; 3],
    };
    let mut writers: Vec<Writer> = (0..WRITERS).map(writer).collect();
    for _ in 0..ROUNDS {
        let tasks: Vec<_> =
            writers.into_iter().map(|writer| tokio::spawn(writer.round(database.clone()))).collect();
        writers = Vec::new();
        for task in tasks {
            writers.push(task.await.unwrap());
        }
        compare(&database).await;
    }
    assert!(writers.iter().all(|writer| writer.ends.iter().all(|&ends| ends > 0)));
    // What was dropped or failed took nothing along that shared its commit.
    let seats = writers.iter().map(|writer| writer.seats.len()).sum::<usize>();
    assert_eq!(numbers(&database, "SELECT COUNT(*) FROM seat").await, [i64::try_from(seats).unwrap()]);
}
