//! Every query and every change, and which databases are opened: on SQLite, or on the PostgreSQL server that the
//! environment names.

mod counters;
mod filtered;
mod group;

use std::task::Poll;

use nodelock::{
    ActivationRequest, Client, LicenseId, Reason, Roots, SigningKey, Store, SystemRandom, Timestamp,
    authority::{
        ActivationFile, Attempts, Evidence, Found, LicenseKeyName, LicenseRecord, LicenseTerms,
        MAX_SEATS_OF_DEVICE, Query, ReleaseClaim, Seat, SeatState, Usage,
        decision::{Change, REQUEST_LASTS},
    },
    code::Handle,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;

use super::{
    Database, Engine, Error, Pages, Tx, apply, count_by_state, find, insert_license, latest_seats_of,
    ledger::TRIALS_WITH_TAG, license_pages, run_script, seat_pages, seats, sql::query_made, strangers,
};
use crate::{
    domain::{
        Actor, DeviceDescription, Location, Occasion, SeatRow,
        filter::{Filter, List},
    },
    failure::{Failure, Result},
};

const NOW: u64 = 1_790_000_000;
/// Names the PostgreSQL server to use instead of SQLite, without a database.
const POSTGRES: &str = "NODELOCK_ONLINE_POSTGRES";

fn at(seconds: u64) -> Occasion {
    Occasion { time: Timestamp::from_unix_seconds(NOW + seconds), actor: Actor::Vendor("test".into()) }
}

/// The seats of a license, or all of them.
fn seats_of(license: Option<LicenseId>, seconds: u64) -> Pages<SeatRow> {
    let all = Filter::all(List::Seats);
    let filter = license.map_or(all.clone(), |id| all.and("license", &id.to_string()));
    seat_pages(filter, at(seconds).time)
}

/// Whether the tests run on PostgreSQL.
pub(crate) fn is_postgres() -> bool {
    std::env::var_os(POSTGRES).is_some()
}

/// A place for the ledger of one test, in its folder or on the PostgreSQL server that the environment names.
pub(crate) async fn place(folder: &TempDir) -> Location {
    let Ok(server) = std::env::var(POSTGRES) else {
        return Location::File(folder.path().join("authority.db"));
    };
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    let mut operator = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
    operator.execute(AssertSqlSafe(format!("CREATE DATABASE \"{name}\""))).await.unwrap();
    Location::Url(format!("{server}/{name}"))
}

/// An empty ledger on the engine that is tested.
pub(super) async fn empty() -> (TempDir, Database) {
    let folder = folder();
    let database = empty_at(&place(&folder).await).await;
    (folder, database)
}

/// A folder whose name is fit for a database.
pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new().prefix("ledger").tempdir().unwrap()
}

/// An empty ledger on SQLite, for what is SQLite's own.
async fn empty_file() -> (TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let database = empty_at(&Location::File(folder.path().join("authority.db"))).await;
    (folder, database)
}

async fn empty_at(location: &Location) -> Database {
    Database::create(location).await.unwrap().close().await;
    Database::open(location, 2).await.unwrap()
}

/// A request with the proof that cancels it.
fn request() -> (ActivationRequest, ReleaseClaim) {
    let root = SigningKey::generate(&SystemRandom).unwrap();
    let client = Client::builder("Example", Roots::new([root.public_key()])).store(Store::in_memory());
    let client = client.build().unwrap();
    let file = ActivationFile::read(
        &client.begin(nodelock::ActivationRequestOptions::new().metadata("host", "one")).unwrap().to_bytes(),
    )
    .unwrap();
    let cancelled = client.cancel().unwrap();
    (file.request().clone(), ReleaseClaim::read(cancelled.proof()).unwrap())
}

/// A seat of a request, with these members of its record changed.
fn seat(request: &ActivationRequest, license: LicenseId, changes: Value) -> Seat {
    let mut record = json!({
        "seat": request.handle.to_string(),
        "device_key": request.device_key.to_string(),
        "license": license.to_string(),
        "state": "active",
        "counted": false,
        "activation": true,
        "revision": 1,
        "requested": request.created,
        "granted": at(0).time,
        "first_granted": at(0).time,
        "issued": at(0).time,
        "changed": at(0).time,
        "contact": at(0).time,
        "label": "one",
        "ends": at(0).time.plus_days(90),
        "lapsed": false,
        "reason": Reason::Other,
        "release_commitment": "01".repeat(32),
        "request_digest": "02".repeat(32),
        "machine": "02".repeat(32),
        "reinstalls": { "count": 0, "since": 0 },
        "fingerprint": request.fingerprint,
        "first_token": "05".repeat(16),
        "sync_token": "03".repeat(16),
        "previous_token": "04".repeat(16),
        "copies": 0,
        "acknowledged": null,
        "notice": null,
        "by_customer": false,
        "heard_after_end": null,
    });
    record.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(record).unwrap()
}

/// Does what no function of the store does.
async fn script(database: &Database, sql: &str) {
    let mut tx = database.write().await.unwrap();
    run_script(&mut tx, sql).await.unwrap();
    tx.commit().await.unwrap();
}

pub(super) async fn sold(tx: &mut Tx, key: &str) -> LicenseTerms {
    let terms = LicenseTerms::new(LicenseId::generate(&SystemRandom).unwrap(), "Example", 2, at(0).time);
    insert_license(tx, &terms, &LicenseKeyName::new(key).unwrap(), None, &at(0)).await.unwrap();
    terms
}

async fn inserted(tx: &mut Tx, seat: &Seat, request: &ActivationRequest) -> Result<()> {
    let change = Change::Insert { seat: seat.clone(), request: Some(Box::new(request.clone())) };
    apply(tx, &change, &at(0)).await
}

async fn found(tx: &mut Tx, query: Query) -> Found {
    find(tx, &query).await.unwrap()
}

#[tokio::test]
async fn licenses_are_found_by_key_and_id_with_what_their_seats_add_up_to() {
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    let terms = sold(&mut tx, "key one").await;
    sold(&mut tx, "key two").await;
    let hash = |text| LicenseKeyName::new(text).unwrap().hash();
    let states =
        [("active", false), ("held", false), ("returned", true), ("returned", false), ("revoked", false)];
    for (state, counted) in states {
        let (request, _) = request();
        let seat = seat(&request, terms.id, json!({ "state": state, "counted": counted }));
        inserted(&mut tx, &seat, &request).await.unwrap();
    }
    let mut license = LicenseRecord::new(terms.clone(), Usage::new(2, 1, 5));
    let stored = |license: &LicenseRecord| Found::License(Some(Box::new(license.clone())));
    assert_eq!(found(&mut tx, Query::LicenseOfKey(hash("key one"))).await, stored(&license));
    assert_eq!(found(&mut tx, Query::License(terms.id)).await, stored(&license));
    license.allowances = serde_json::from_value(json!({
        "since": 5, "extra_activations": 1, "extra_deactivations": 2, "forgiven_activations": 3, "forgiven_deactivations": 1,
    }))
    .unwrap();
    apply(&mut tx, &Change::Allowances(terms.id, license.allowances), &at(5)).await.unwrap();
    assert_eq!(found(&mut tx, Query::License(terms.id)).await, stored(&license));
    assert_eq!(found(&mut tx, Query::LicenseOfKey(hash("no key"))).await, Found::License(None));
    assert_eq!(found(&mut tx, Query::License(LicenseId::NONE)).await, Found::License(None));
    tx.commit().await.unwrap();
    let listed =
        license_pages(Filter::all(List::Licenses)).next(&mut database.read().await.unwrap()).await.unwrap();
    assert_eq!(listed.len(), 2);
    let mut listed = listed.iter().map(|row| row.as_ref().unwrap());
    let listed = listed.find(|row| row.license.terms.id == terms.id).unwrap();
    assert_eq!((&listed.license, listed.created), (&license, at(0).time));
}

#[tokio::test]
async fn trials_are_found_by_their_hardware_of_now_and_before_whatever_became_of_them() {
    let (_folder, database) = empty().await;
    let product = "INSERT INTO product (id, name, root, folder, template, created, revision) \
                   VALUES ('example', 'Example', 'root', '', '{}', 0, 1)";
    script(&database, product).await;
    let mut tx = database.write().await.unwrap();
    let [one, two] = [sold(&mut tx, "key one").await.id, sold(&mut tx, "key two").await.id];
    let fingerprint = |number: u8| json!({ "tags": [{ "component": 5, "tag": [1, 2, number] }], "virtual_machine": false, "container": false });
    let mut trials = Vec::new();
    for (license, granted, number) in [(one, 1, 3), (two, 2, 3), (one, 3, 4)] {
        let (request, _) = request();
        let changes = json!({
            "trial": 5, "granted": at(granted).time, "fingerprint": fingerprint(number),
        });
        let trial = seat(&request, license, changes);
        inserted(&mut tx, &trial, &request).await.unwrap();
        trials.push((trial, request));
    }
    let (other, _) = request();
    let other_seat = seat(&other, one, json!({ "fingerprint": fingerprint(3) }));
    inserted(&mut tx, &other_seat, &other).await.unwrap();
    let tag = |number| nodelock::fingerprint::Tag::from_parts(5, [1, 2, number]);
    let found_by = async |tx: &mut Tx, license, number| match found(
        tx,
        Query::TrialsWithTag(license, tag(number)),
    )
    .await
    {
        Found::Seats(seats) => seats.iter().map(Seat::handle).collect::<Vec<Handle>>(),
        other => panic!("{other:?}"),
    };
    let handles: Vec<Handle> = trials.iter().map(|(trial, _)| trial.handle()).collect();
    for license in [one, two] {
        assert_eq!(found_by(&mut tx, license, 3).await, [handles[1], handles[0]], "the latest first");
        assert_eq!(found_by(&mut tx, license, 4).await, [handles[2]]);
    }
    assert_eq!(found_by(&mut tx, LicenseId::NONE, 3).await, []);
    // One is given back, and the hardware of another changes.
    let (_, first) = &trials[0];
    let changes =
        json!({ "trial": 5, "granted": at(1).time, "fingerprint": fingerprint(3), "state": "returned" });
    apply(&mut tx, &Change::Update(seat(first, one, changes)), &at(4)).await.unwrap();
    let (_, third) = &trials[2];
    let changes = json!({ "trial": 5, "granted": at(3).time, "fingerprint": fingerprint(6) });
    apply(&mut tx, &Change::Update(seat(third, one, changes)), &at(4)).await.unwrap();
    assert_eq!(found_by(&mut tx, one, 3).await, [handles[1], handles[0]]);
    assert_eq!(found_by(&mut tx, one, 4).await, [handles[2]]);
    assert_eq!(found_by(&mut tx, one, 6).await, [handles[2]]);
    // A license becomes a trial, and its seat with the next check-in.
    let changes = json!({ "trial": 5, "fingerprint": fingerprint(3) });
    apply(&mut tx, &Change::Update(seat(&other, one, changes)), &at(5)).await.unwrap();
    assert_eq!(found_by(&mut tx, two, 3).await.len(), 3);
}

#[tokio::test]
async fn trials_are_looked_for_by_an_index() {
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    let (explain, column, reads_all) = match tx.engine {
        Engine::Sqlite => ("EXPLAIN QUERY PLAN ", "detail", "SCAN"),
        Engine::Postgres => ("EXPLAIN ", "QUERY PLAN", "Seq Scan"),
    };
    if tx.engine == Engine::Postgres {
        // There are no rows, and it would rather read all of them.
        run_script(&mut tx, "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            .await
            .unwrap();
    }
    let explained = query_made(format!("{explain}{TRIALS_WITH_TAG}"));
    let rows = explained.bind(LicenseId::NONE.to_string()).bind(7_i64).bind(32_i64).fetch_all(&mut tx).await;
    let lines: Vec<String> = rows.unwrap().iter().map(|row| row.get(column).unwrap()).collect();
    let plan = lines.join("\n");
    // What has most trials, a tag, is not sorted either.
    let sorts = plan.contains("TEMP B-TREE") || plan.contains("Sort");
    assert!(plan.contains("trial_tag") && !plan.contains(reads_all) && !sorts, "{plan}");
}

#[tokio::test]
async fn seats_come_back_as_they_were_stored_and_are_never_stored_over() {
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    let terms = sold(&mut tx, "key").await;
    let (request, _) = request();
    let active = seat(&request, terms.id, json!({}));
    inserted(&mut tx, &active, &request).await.unwrap();
    let (of_handle, of_device) =
        (Query::SeatsOfHandle(request.handle), Query::TakenSeatsOf(request.device_key));
    assert_eq!(found(&mut tx, of_handle).await, Found::Seats(vec![active.clone()]));
    assert_eq!(found(&mut tx, of_device).await, Found::Seats(vec![active.clone()]));

    let returned = json!({
        "state": "returned", "counted": true, "changed": at(5).time, "notice": "ü'\"", "copies": 3,
        "acknowledged": {
            "outcome": "returned", "deactivations_left": 2, "time": at(5).time,
            "proof": "0a".repeat(32), "code": null,
        },
    });
    let returned = seat(&request, terms.id, returned);
    apply(&mut tx, &Change::Update(returned.clone()), &at(5)).await.unwrap();
    assert_eq!(found(&mut tx, of_handle).await, Found::Seats(vec![returned.clone()]));
    assert_eq!(found(&mut tx, of_device).await, Found::Seats(Vec::new()));
    let listed = seats(&mut tx).await.unwrap();
    assert_eq!(listed, [returned]);
    let listed = seats_of(Some(terms.id), 5).next(&mut tx).await.unwrap().remove(0).unwrap();
    assert_eq!((listed.handle, listed.counted, listed.copies), (request.handle, true, 3));
    assert_eq!(listed.device, DeviceDescription::from(&request));
    tx.commit().await.unwrap();

    let mut tx = database.write().await.unwrap();
    assert!(matches!(inserted(&mut tx, &active, &request).await, Err(Failure::Rule(_))));
    let (other, _) = self::request();
    let missing = Change::Update(seat(&other, terms.id, json!({})));
    assert!(apply(&mut tx, &missing, &at(5)).await.is_err());
}

/// Two devices may draw one handle.
#[tokio::test]
async fn a_handle_may_have_several_seats_and_a_device_too() {
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    let terms = sold(&mut tx, "key").await;
    let ((first, _), (second, _)) = (request(), request());
    let one = seat(&first, terms.id, json!({}));
    let same_handle = json!({ "seat": first.handle.to_string(), "granted": at(1).time });
    let two = seat(&second, LicenseId::NONE, same_handle);
    let same_device = json!({ "seat": second.handle.to_string(), "state": "held", "granted": at(2).time });
    let three = seat(&first, terms.id, same_device);
    for seat in [&three, &two, &one] {
        inserted(&mut tx, seat, &first).await.unwrap();
    }
    let of_handle = found(&mut tx, Query::SeatsOfHandle(first.handle)).await;
    assert_eq!(of_handle, Found::Seats(vec![one.clone(), two.clone()]));
    let of_device = found(&mut tx, Query::TakenSeatsOf(first.device_key)).await;
    assert_eq!(of_device, Found::Seats(vec![three, one]), "the latest first");
    assert_eq!(latest_seats_of(&mut tx, terms.id, 1).await.unwrap().len(), 1);
    assert_eq!(seats(&mut tx).await.unwrap().len(), 3);
}

/// A copied store, or somebody who makes requests without end: no request reads all of their seats.
#[tokio::test]
async fn of_a_device_with_many_seats_the_latest_are_looked_at() {
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    let terms = sold(&mut tx, "key").await;
    let (request, _) = request();
    for second in 0..MAX_SEATS_OF_DEVICE as u32 + 2 {
        let handle = Handle::new(second).unwrap().to_string();
        let fields = json!({ "seat": handle, "granted": at(second.into()).time });
        inserted(&mut tx, &seat(&request, terms.id, fields), &request).await.unwrap();
    }
    let Found::Seats(found) = found(&mut tx, Query::TakenSeatsOf(request.device_key)).await else { panic!() };
    assert_eq!(found.len(), MAX_SEATS_OF_DEVICE);
    let (first, last) = (found.first().unwrap(), found.last().unwrap());
    assert_eq!([first, last].map(Seat::granted), [at(MAX_SEATS_OF_DEVICE as u64 + 1).time, at(2).time]);
}

#[tokio::test]
async fn evidence_is_kept_and_forgotten_and_of_too_much_the_oldest_goes() {
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    let (request, claim) = request();
    let code = Evidence::from_bytes(
        nodelock::code::DeactivationCode::new(
            request.handle,
            nodelock::code::ReleaseSecret::from_random([7; 8]),
        )
        .to_string()
        .as_bytes(),
    );
    let kept = [code.unwrap(), Evidence::Proof(Box::new(claim))];
    let query = Query::EvidenceOf(request.handle);
    for (evidence, second) in kept.iter().zip(0..) {
        apply(&mut tx, &Change::Keep(evidence.clone()), &at(second)).await.unwrap();
    }
    assert_eq!(found(&mut tx, query).await, Found::Evidence(kept.to_vec()));
    apply(&mut tx, &Change::Forget(kept[0].clone()), &at(2)).await.unwrap();
    assert_eq!(found(&mut tx, query).await, Found::Evidence(vec![kept[1].clone()]));

    apply(&mut tx, &Change::Keep(kept[0].clone()), &at(3)).await.unwrap();
    strangers::forget_oldest(&mut tx, 2).await.unwrap();
    assert_eq!(found(&mut tx, query).await, Found::Evidence(vec![kept[1].clone(), kept[0].clone()]));
    strangers::forget_oldest(&mut tx, 1).await.unwrap();
    assert_eq!(found(&mut tx, query).await, Found::Evidence(vec![kept[0].clone()]));

    // That of one peer is bounded by itself, and what is old goes.
    let of_peer = |seconds| Occasion { actor: Actor::Peer([192, 0, 2, 1].into()), ..at(seconds) };
    apply(&mut tx, &Change::Keep(kept[1].clone()), &of_peer(4)).await.unwrap();
    strangers::forget_oldest_of(&mut tx, "192.0.2.1", 0).await.unwrap();
    assert_eq!(found(&mut tx, query).await, Found::Evidence(vec![kept[0].clone()]));
    apply(&mut tx, &Change::Keep(kept[1].clone()), &of_peer(3 * 365 * 24 * 60 * 60)).await.unwrap();
    assert_eq!(found(&mut tx, query).await, Found::Evidence(vec![kept[1].clone()]));
}

#[tokio::test]
async fn a_description_takes_the_place_of_the_one_before_and_of_nothing_else() {
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    let terms = sold(&mut tx, "key").await;
    let (request, _) = request();
    let seat = seat(&request, terms.id, json!({}));
    inserted(&mut tx, &seat, &request).await.unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let described = |description| Change::Describe { seat: seat.name(), description };
    let asked = DeviceDescription::from(&request);
    for name in ["desk", "desk", "ü'\""] {
        let description = vec![pair("Host", "hidden"), pair("computer", name)];
        apply(&mut tx, &described(description.clone()), &at(1)).await.unwrap();
        let listed = seats_of(Some(terms.id), 5).next(&mut tx).await.unwrap().remove(0).unwrap();
        assert_eq!(listed.device, DeviceDescription { description, ..asked.clone() });
        assert_eq!(listed.device.pairs(), [pair("host", "one"), pair("computer", name)]);
    }
    // One that is damaged keeps no check-in from being answered, and stays for a verification to find.
    run_script(&mut tx, "UPDATE seat SET machine = 'damaged'").await.unwrap();
    apply(&mut tx, &described(vec![pair("computer", "desk")]), &at(2)).await.unwrap();
    let listed = seats_of(Some(terms.id), 5).next(&mut tx).await.unwrap().remove(0);
    assert!(listed.is_err());
}

#[tokio::test]
async fn check_ins_are_remembered_for_some_revisions() {
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    let (request, _) = request();
    let seat = seat(&request, LicenseId::NONE, json!({}));
    inserted(&mut tx, &seat, &request).await.unwrap();
    let remember = |revision: u8, forget_below| Change::RememberCheckIn {
        seat: seat.name(),
        digest: [revision; 32],
        revision: revision.into(),
        forget_below,
    };
    for revision in 2..=4 {
        apply(&mut tx, &remember(revision, 0), &at(0)).await.unwrap();
    }
    apply(&mut tx, &remember(5, 3), &at(0)).await.unwrap();
    for (revision, expected) in [(1, None), (2, None), (3, Some(3)), (4, Some(4)), (5, Some(5))] {
        let query = Query::CheckIn(seat.name(), [revision; 32]);
        assert_eq!(found(&mut tx, query).await, Found::CheckIn(expected), "{revision}");
    }
}

#[tokio::test]
async fn attempts_are_counted_until_they_end() {
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    let mut names = Vec::new();
    for _ in 0..2 {
        let (request, _) = request();
        let seat = seat(&request, LicenseId::NONE, json!({}));
        inserted(&mut tx, &seat, &request).await.unwrap();
        names.push(seat.name());
    }
    let attempts = |count: u32, since: u64| -> Attempts {
        serde_json::from_value(json!({ "count": count, "since": at(since).time })).unwrap()
    };
    assert_eq!(found(&mut tx, Query::Attempts(names[0])).await, Found::Attempts(Attempts::default()));
    for count in 1..=2 {
        apply(&mut tx, &Change::Attempts(names[0], attempts(count, 0)), &at(0)).await.unwrap();
    }
    assert_eq!(found(&mut tx, Query::Attempts(names[0])).await, Found::Attempts(attempts(2, 0)));
    let day = 24 * 60 * 60;
    for (time, expected) in [(0, 2), (day, 0)] {
        let listed = seats_of(None, time).next(&mut tx).await.unwrap();
        assert_eq!(listed.into_iter().map(|row| row.unwrap().codes_tried).sum::<u32>(), expected);
    }

    // What ended goes when something else is counted.
    apply(&mut tx, &Change::Attempts(names[1], attempts(1, day)), &at(day)).await.unwrap();
    assert_eq!(found(&mut tx, Query::Attempts(names[0])).await, Found::Attempts(Attempts::default()));
    assert_eq!(found(&mut tx, Query::Attempts(names[1])).await, Found::Attempts(attempts(1, day)));
}

#[tokio::test]
async fn a_cancelled_seat_goes_once_its_request_is_outdated_and_no_sooner() {
    const DAY: u64 = 24 * 60 * 60;
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    let five_years = REQUEST_LASTS.as_secs();
    let of_peer = |seconds| Occasion { actor: Actor::Peer([192, 0, 2, 1].into()), ..at(seconds) };
    // Of a clock that was never set, of two usual ones, and of one that is ahead.
    let dates = [0, NOW, NOW + DAY, NOW + 2 * five_years];
    let mut seats = Vec::new();
    for state in ["cancelled", "returned"] {
        for date in dates {
            let (request, _) = request();
            let seat = seat(&request, LicenseId::NONE, json!({ "state": state, "requested": date }));
            let change = Change::Insert { seat: seat.clone(), request: Some(Box::new(request)) };
            apply(&mut tx, &change, &of_peer(0)).await.unwrap();
            seats.push(seat);
        }
    }
    let attempts: Attempts = serde_json::from_value(json!({ "count": 1, "since": at(0).time })).unwrap();
    apply(&mut tx, &Change::Attempts(seats[1].name(), attempts), &of_peer(0)).await.unwrap();
    let full = strangers::remember_cancelled(&mut tx, &seats[0], 4, &of_peer(0)).await;
    assert!(matches!(full, Err(Failure::TooManyUnseen { handles, .. }) if handles == [seats[0].handle()]));

    for (seconds, left) in [(five_years, 8), (five_years + 1, 7), (five_years + DAY + 1, 6)] {
        let (request, _) = request();
        let changes = json!({ "state": "cancelled", "requested": NOW + five_years });
        let change = Change::Insert {
            seat: seat(&request, LicenseId::NONE, changes),
            request: Some(Box::new(request)),
        };
        apply(&mut tx, &change, &of_peer(seconds)).await.unwrap();
        let mut known = 0;
        for seat in &seats {
            let found = found(&mut tx, Query::SeatsOfHandle(seat.handle())).await;
            known += usize::from(found == Found::Seats(vec![seat.clone()]));
        }
        assert_eq!(known, left, "{seconds}");
    }
    tx.commit().await.unwrap();
    let counts = count_by_state(&mut database.read().await.unwrap()).await.unwrap();
    assert!(counts.contains(&(SeatState::Cancelled, 5)) && counts.contains(&(SeatState::Returned, 4)));
}

#[tokio::test]
async fn a_transaction_that_is_dropped_stores_nothing() {
    let (_folder, database) = empty().await;
    let (request, _) = request();
    let seat = seat(&request, LicenseId::NONE, json!({}));
    let mut tx = database.write().await.unwrap();
    inserted(&mut tx, &seat, &request).await.unwrap();
    drop(tx);
    let mut tx = database.read().await.unwrap();
    assert_eq!(found(&mut tx, Query::SeatsOfHandle(request.handle)).await, Found::Seats(Vec::new()));
}

#[tokio::test]
async fn a_database_of_this_shape_is_opened_again_and_no_other() {
    let (folder, database) = empty_file().await;
    let location = Location::File(folder.path().join("authority.db"));
    Database::open(&location, 1).await.unwrap().close().await;
    let newer = "INSERT INTO _sqlx_migrations SELECT 1 + MAX(version), 'x', installed_on, success, x'00', 0 \
                 FROM _sqlx_migrations";
    script(&database, newer).await;
    database.close().await;
    assert!(matches!(Database::open(&location, 1).await, Err(Failure::NewerDatabase)));

    let (folder, database) = empty_file().await;
    let older = "DROP TABLE _sqlx_migrations; CREATE TABLE migration (version BIGINT NOT NULL PRIMARY KEY)";
    script(&database, older).await;
    database.close().await;
    let location = Location::File(folder.path().join("authority.db"));
    assert!(matches!(Database::open(&location, 1).await, Err(Failure::OlderDatabase)));

    // Orders that kept whole terms, and lines from before these were chained, before the last migration.
    for (said, digest, is_older) in [
        (r#"{"seats":1,"starts":1790000000}"#, "x'00'", true),
        (r#"{"seats":1}"#, "NULL", true),
        (r#"{"seats":1}"#, "x'00'", false),
    ] {
        let (folder, database) = empty_file().await;
        let product = "INSERT INTO product (id, name, root, folder, template, created, revision) \
                       VALUES ('main', 'Example', '', '', '{}', 1, 1)";
        let order = format!(
            "INSERT INTO sale (order_id, product_id, seller, said, sold, reseller, state) \
             VALUES ('1', 'main', '', '{said}', 1, '', 'sold')"
        );
        let line = format!(
            "INSERT INTO audit (id, at, actor, action, license_id, detail, personal_digest) \
             VALUES ('1', 1, 'cli:one', 'license-created', '0123456789abcdef', '1 seats', {digest})"
        );
        let undone =
            "DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)";
        script(&database, &[product, &order, &line, undone].join("; ")).await;
        database.close().await;
        let location = Location::File(folder.path().join("authority.db"));
        let opened = Database::open(&location, 1).await;
        assert_eq!(matches!(opened, Err(Failure::OlderDatabase)), is_older, "{said}");
    }
}

#[tokio::test]
async fn a_database_with_other_migrations_or_of_another_program_is_left_as_it_is() {
    let (folder, database) = empty_file().await;
    script(&database, "UPDATE _sqlx_migrations SET checksum = x'00'").await;
    database.close().await;
    let location = Location::File(folder.path().join("authority.db"));
    assert!(matches!(Database::open(&location, 1).await, Err(Failure::OlderDatabase)));

    let foreign = [
        "CREATE TABLE invoice (id BIGINT)",
        "CREATE TABLE _sqlx_migrations (version BIGINT, checksum BLOB); \
                   INSERT INTO _sqlx_migrations VALUES (1, x'00')",
    ];
    for tables in foreign {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("other.db");
        std::fs::write(&file, []).unwrap();
        rusqlite::Connection::open(&file).unwrap().execute_batch(tables).unwrap();
        let before = std::fs::read(&file).unwrap();
        let location = Location::File(file.clone());
        assert!(matches!(Database::open(&location, 1).await, Err(Failure::ForeignDatabase)));
        // The journal's mode is noted in the header, and nothing else.
        assert_eq!(std::fs::read(&file).unwrap()[100..], before[100..]);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.txt");
    std::fs::write(&file, "Dear customer, ".repeat(100)).unwrap();
    let failure = Database::open(&Location::File(file), 1).await.err().unwrap();
    assert!(matches!(failure, Failure::ForeignDatabase), "{failure}");
}

#[tokio::test]
async fn lists_go_over_pages_in_order_and_name_what_is_damaged_by_its_license() {
    let (_folder, database) = empty().await;
    let mut tx = database.write().await.unwrap();
    let (terms, other) = (sold(&mut tx, "key").await, sold(&mut tx, "other").await);
    let (request, _) = request();
    // Two pages and a half, many of one second.
    for number in 0..1250_u32 {
        let handle = Handle::new(number).unwrap().to_string();
        let license = if number % 5 == 0 { other.id } else { terms.id };
        let granted = at(u64::from(number / 100)).time;
        let seat = seat(&request, license, json!({ "seat": handle, "granted": granted }));
        inserted(&mut tx, &seat, &request).await.unwrap();
    }
    tx.commit().await.unwrap();
    let damage =
        "UPDATE seat SET machine = '{' WHERE handle = 700; UPDATE license SET terms = '' WHERE id = ";
    let damage = format!("{damage}'{}'; UPDATE seat SET record = '' WHERE handle = 3", other.id);
    script(&database, &damage).await;

    let mut tx = database.read().await.unwrap();
    for (license, expected) in [(None, 1250), (Some(terms.id), 1000), (Some(other.id), 250)] {
        let (mut pages, mut listed, mut damaged) = (seats_of(license, 0), 0, Vec::new());
        let mut last = (Timestamp::from_unix_seconds(0), 0);
        while !pages.is_over() {
            for row in pages.next(&mut tx).await.unwrap() {
                listed += 1;
                match row {
                    Ok(seat) => {
                        let place = (seat.granted, seat.handle.get());
                        assert!(listed == 1 || place > last);
                        last = place;
                    }
                    Err(failure) => damaged.push(failure.message()),
                }
            }
        }
        assert_eq!(listed, expected);
        // Records that only decisions need are not read.
        let handle = Handle::new(700).unwrap();
        match license {
            Some(id) if id == terms.id => assert_eq!(damaged, Vec::<String>::new()),
            _ => assert!(
                damaged.len() == 1 && damaged[0].contains(&format!("license {}, seat {handle}", other.id))
            ),
        }
    }
    let listed = license_pages(Filter::all(List::Licenses)).next(&mut tx).await.unwrap();
    let damaged: Vec<_> = listed.iter().filter_map(|row| row.as_ref().err()).map(Failure::message).collect();
    assert!(damaged.len() == 1 && damaged[0].contains(&other.id.to_string()), "{damaged:?}");
    // The customer of the other license sees the rest, and decisions on it go on.
    assert_eq!(latest_seats_of(&mut tx, terms.id, 2000).await.unwrap().len(), 999);
    assert!(find(&mut tx, &Query::License(terms.id)).await.is_ok());
    let failure = find(&mut tx, &Query::License(other.id)).await.unwrap_err();
    assert!(failure.message().contains(&other.id.to_string()), "{failure}");
}

/// What passes by itself is told as busy (503), not as a failure (500): a client comes again.
#[test]
fn what_passes_by_itself_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    // SQLite says the same when the process may open no more files, which passes.
    let no_file = rusqlite::Connection::open(folder.path().join("missing/ledger")).unwrap_err();
    assert!(!Failure::from(no_file).is_busy());
    assert!(Failure::from(Error::Undone).is_busy());
    let syntax = rusqlite::Connection::open_in_memory().unwrap().execute("SELEC", []).unwrap_err();
    assert!(!Failure::from(syntax).is_busy());
    assert!(!Failure::from(Error::NoRow).is_busy());
}

/// Without places of their own, the second list would have the last connection, and the reader would wait for ever.
#[tokio::test]
async fn lists_leave_connections_to_the_others() {
    let (_folder, database) = empty().await;
    let first = database.read_list().await.unwrap();
    let mut second = std::pin::pin!(database.read_list());
    assert!(std::future::poll_fn(|context| Poll::Ready(second.as_mut().poll(context).is_pending())).await);
    drop(database.read().await.unwrap());
    drop(first);
    drop(second.await.unwrap());
}
