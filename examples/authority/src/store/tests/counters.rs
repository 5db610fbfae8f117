//! The counters of licenses and of the ledger, beside what a count finds: after changes at random, by writers whose
//! transactions end in every way there is, beside a process that is killed, while clocks jump.

use std::{
    io::{BufRead as _, BufReader},
    pin::pin,
    process::{Child, Command, Stdio},
    str::FromStr as _,
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use nodelock::{
    ActivationRequest, LicenseId,
    authority::{Evidence, Seat, SeatState, decision::Change},
    code::{DeactivationCode, Handle, ReleaseSecret},
};
use serde_json::json;

use super::{Database, apply, at, empty_at, folder, place, request, run_script, seat, sold};
use crate::{
    dice::Dice,
    domain::Location,
    failure::Result,
    store::{
        Engine, Locks, Tx, count_by_state,
        sql::{query, query_made},
    },
};

const WRITERS: u32 = 4;
const CHANGES_OF_A_ROUND: usize = 250;
/// How many rounds there are, 10,000 changes of the writers; `NODELOCK_COUNTER_ROUNDS` says another number.
const ROUNDS: u32 = 10;
/// Handles of processes that are killed begin here.
const KILLED: u32 = 64 << 20;
/// By how many seconds clocks jump at most: two years.
const JUMP: usize = 2 * 365 * 24 * 60 * 60;

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Committed,
    /// Whoever writes does not wait any more, before the end or in the commit.
    Dropped,
    /// A statement fails, at the commit at the latest.
    Failed,
    /// Whoever commits does not wait for it, and does not hear whether it is done.
    Unheard,
}

const ENDS: [End; 8] = [
    End::Committed,
    End::Committed,
    End::Committed,
    End::Committed,
    End::Committed,
    End::Dropped,
    End::Failed,
    End::Unheard,
];

/// What a writer has in the ledger.
#[derive(Clone, Default)]
struct Own {
    seats: Vec<Seat>,
    evidence: Vec<Evidence>,
}

/// One who changes seats and evidence at random, and remembers what was committed.
struct Writer {
    dice: Dice,
    request: ActivationRequest,
    licenses: Vec<LicenseId>,
    next_handle: u32,
    own: Own,
    /// How its transactions ended.
    ends: Vec<End>,
}

impl Writer {
    fn new(number: u32, licenses: &[LicenseId]) -> Self {
        Self {
            dice: Dice(number.into()),
            request: request().0,
            licenses: licenses.to_vec(),
            next_handle: number << 20,
            own: Own::default(),
            ends: Vec::new(),
        }
    }

    fn handle(&mut self) -> Handle {
        self.next_handle += 1;
        Handle::new(self.next_handle).unwrap()
    }

    /// Some time, whatever it was before.
    fn time(&mut self) -> u64 {
        self.dice.below(JUMP) as u64
    }

    fn seat(&mut self, handle: Handle, license: LicenseId) -> Seat {
        let state = SeatState::ALL[self.dice.below(SeatState::ALL.len())].name();
        let [counted, lapsed] = [(); 2].map(|()| self.dice.below(2) == 1);
        let [ends, changed] = [(); 2].map(|()| at(self.time()).time);
        let changes = json!({
            "seat": handle.to_string(), "state": state, "counted": counted, "lapsed": lapsed, "ends": ends,
            "changed": changed, "activation": !handle.get().is_multiple_of(3),
        });
        seat(&self.request, license, changes)
    }

    async fn insert(&mut self, tx: &mut Tx, seat: &Seat) -> Result<()> {
        let change = Change::Insert { seat: seat.clone(), request: Some(Box::new(self.request.clone())) };
        apply(tx, &change, &at(self.time())).await
    }

    /// Makes one random change.
    async fn change(&mut self, tx: &mut Tx, own: &mut Own) -> Result<()> {
        match self.dice.below(8) {
            0..3 => {
                let license = self.dice.below(self.licenses.len());
                let license = self.licenses[license];
                let handle = self.handle();
                let seat = self.seat(handle, license);
                self.insert(tx, &seat).await?;
                own.seats.push(seat);
            }
            3..6 if !own.seats.is_empty() => {
                let at_seat = self.dice.below(own.seats.len());
                let (handle, license) = (own.seats[at_seat].handle(), own.seats[at_seat].license_id());
                let seat = self.seat(handle, license.unwrap_or(LicenseId::NONE));
                apply(tx, &Change::Update(seat.clone()), &at(self.time())).await?;
                own.seats[at_seat] = seat;
            }
            6 if !own.evidence.is_empty() => {
                let forgotten = own.evidence.swap_remove(self.dice.below(own.evidence.len()));
                apply(tx, &Change::Forget(forgotten), &at(self.time())).await?;
            }
            _ => {
                let code = DeactivationCode::new(self.handle(), ReleaseSecret::from_random([7; 8]));
                let kept = Evidence::from_bytes(code.to_string().as_bytes()).unwrap();
                apply(tx, &Change::Keep(kept.clone()), &at(self.time())).await?;
                own.evidence.push(kept);
            }
        }
        Ok(())
    }

    async fn changes(&mut self, tx: &mut Tx, own: &mut Own, changes: usize) -> Result<()> {
        for _ in 0..changes {
            self.change(tx, own).await?;
        }
        Ok(())
    }

    /// One transaction. Returns how many changes it was to have.
    async fn transaction(&mut self, database: &Database) -> usize {
        let (mut own, changes) = (self.own.clone(), 1 + self.dice.below(6));
        let (end, statements, polls) =
            (ENDS[self.dice.below(ENDS.len())], self.dice.below(40), self.dice.below(20));
        self.ends.push(end);
        let mut tx = database.write_with(&Locks::default()).await.unwrap();
        match end {
            End::Committed => {
                self.changes(&mut tx, &mut own, changes).await.unwrap();
                tx.commit().await.unwrap();
                self.own = own;
            }
            End::Dropped => {
                let written = polled(polls, self.changes(&mut tx, &mut own, changes)).await;
                assert!(written.is_none_or(|written| written.is_ok()));
            }
            End::Failed => {
                tx.fails_after = Some(statements);
                if self.changes(&mut tx, &mut own, changes).await.is_ok() {
                    tx.fails_after = Some(0);
                    // What changes no number in the end writes none down, and nothing fails.
                    if tx.commit().await.is_ok() {
                        self.own = own;
                    }
                }
            }
            End::Unheard => {
                // By this seat it is known whether it was committed.
                let handle = self.handle();
                let seat = self.seat(handle, LicenseId::NONE);
                self.insert(&mut tx, &seat).await.unwrap();
                own.seats.push(seat);
                self.changes(&mut tx, &mut own, changes).await.unwrap();
                let is_heard = polled(polls, tx.commit()).await.is_some_and(|done| done.is_ok());
                if is_heard || is_there(database, handle).await {
                    self.own = own;
                }
            }
        }
        changes
    }

    async fn round(mut self, database: Database) -> Self {
        let mut changes = 0;
        while changes < CHANGES_OF_A_ROUND {
            changes += self.transaction(&database).await;
        }
        self
    }
}

/// Whether a seat is there, once the transaction has ended that entered it.
async fn is_there(database: &Database, handle: Handle) -> bool {
    // On SQLite it has ended when this has the turn.
    let mut tx = database.write().await.unwrap();
    if tx.engine == Engine::Postgres {
        run_script(&mut tx, "LOCK TABLE seat IN EXCLUSIVE MODE").await.unwrap();
    }
    let found = query("SELECT 1 AS found FROM seat WHERE handle = $1").bind(i64::from(handle.get()));
    let is_there = found.fetch_optional(&mut tx).await.unwrap().is_some();
    tx.commit().await.unwrap();
    is_there
}

/// Polls a future at most so many times, and drops it if it is not ready by then.
async fn polled<T>(most: usize, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut left) = (pin!(future), most);
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// The place of the ledger, the licenses and a number, for a process that is killed.
const KILLED_PLACE: &str = "NODELOCK_TEST_KILLED_PLACE";

/// A process that writes until it is killed; a test that only that process has.
#[tokio::test]
async fn one_who_is_killed() {
    let Ok(place) = std::env::var(KILLED_PLACE) else { return };
    let mut parts = place.split(' ');
    let (number, place) = (parts.next().unwrap().parse().unwrap(), parts.next().unwrap());
    let licenses: Vec<LicenseId> = parts.map(|id| id.parse().unwrap()).collect();
    let database = Database::open(&Location::from_str(place).unwrap(), 2).await.unwrap();
    let mut writer = Writer::new(number, &licenses);
    loop {
        writer.transaction(&database).await;
        println!("\nwrote");
    }
}

/// Starts such a process, which is at work when this returns.
fn start(number: u32, place: &Location, licenses: &[LicenseId]) -> Child {
    let place = match place {
        Location::File(path) => path.to_str().unwrap(),
        Location::Url(url) => url,
    };
    let licenses: Vec<String> = licenses.iter().map(LicenseId::to_string).collect();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "store::tests::counters::one_who_is_killed", "--nocapture"]);
    command.env(KILLED_PLACE, format!("{number} {place} {}", licenses.join(" ")));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(std::io::Result::ok);
    assert!(lines.any(|line| line == "wrote"), "it ended before it wrote");
    // It goes on to write, to nobody.
    thread::spawn(move || lines.count());
    child
}

/// The first column of what a query finds.
async fn numbers(database: &Database, sql: &str) -> Vec<i64> {
    let rows = query_made(sql.to_owned()).fetch_all(&mut database.read().await.unwrap()).await.unwrap();
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

/// Waits until PostgreSQL has ended what a process had begun that was killed.
async fn quiet(database: &Database) {
    const AT_WORK: &str = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND \
                           pid <> pg_backend_pid() AND state <> 'idle'";
    let is_postgres = database.read().await.unwrap().engine == Engine::Postgres;
    let end = Instant::now() + Duration::from_secs(120);
    while is_postgres && numbers(database, AT_WORK).await != [0] {
        assert!(Instant::now() < end, "something is begun and does not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Kills of the whole server are in `tests/faults/kills.rs` and `tests/faults/over_time`, which compare the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_are_what_a_count_finds_after_10_000_random_changes_kills_and_clock_jumps() {
    let folder = folder();
    let place = place(&folder).await;
    let database = empty_at(&place).await;
    let mut tx = database.write().await.unwrap();
    let mut licenses = vec![LicenseId::NONE];
    for key in ["one", "two", "three"] {
        licenses.push(sold(&mut tx, key).await.id);
    }
    tx.commit().await.unwrap();
    let mut writers: Vec<Writer> = (0..WRITERS).map(|number| Writer::new(number, &licenses)).collect();
    let mut dice = Dice(WRITERS.into());
    let rounds = std::env::var("NODELOCK_COUNTER_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let (at, killed) = (place.clone(), licenses.clone());
        let number = (KILLED >> 20) + round;
        let killed = tokio::task::spawn_blocking(move || start(number, &at, &killed));
        let tasks: Vec<_> =
            writers.into_iter().map(|writer| tokio::spawn(writer.round(database.clone()))).collect();
        let mut killed = killed.await.unwrap();
        tokio::time::sleep(Duration::from_millis(dice.below(100) as u64)).await;
        killed.kill().unwrap();
        assert!(!killed.wait().unwrap().success(), "it was killed");
        writers = Vec::new();
        for task in tasks {
            writers.push(task.await.unwrap());
        }
        quiet(&database).await;
        compare(&database).await;
    }
    for end in ENDS {
        assert!(writers.iter().all(|writer| writer.ends.contains(&end)), "{end:?}");
    }
    // What was dropped or failed took nothing along that shared its commit.
    let seats = writers.iter().map(|writer| writer.own.seats.len()).sum::<usize>();
    let of_these = format!("SELECT COUNT(*) FROM seat WHERE handle < {KILLED}");
    assert_eq!(numbers(&database, &of_these).await, [i64::try_from(seats).unwrap()]);
    let of_killed = format!("SELECT COUNT(*) FROM seat WHERE handle >= {KILLED}");
    assert!(numbers(&database, &of_killed).await[0] > 0);
}
