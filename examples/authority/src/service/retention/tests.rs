use nodelock::{
    Client, ErrorKind, Reason,
    authority::{CheckInClaim, SeatState},
    fingerprint::{Component, Fingerprint},
};

use super::*;
use crate::{
    domain::{
        DeviceDescription, SeatChoice,
        filter::{Filter, List},
    },
    service::{
        CheckedIn, Service,
        fixture::{Authority, claim, now, stranger, vendor},
        refusals, seats, verify,
    },
};

async fn is_sound(authority: &Authority) {
    let verified = verify(authority.service.database(), &authority.path("keys"), &vendor()).await.unwrap();
    assert_eq!(verified.found, 0, "{:?}", verified.findings);
}

fn later(days: u32) -> Occasion {
    Occasion { time: now().plus_days(days), ..vendor() }
}

fn check_in(device: &Client) -> CheckInClaim {
    CheckInClaim::read(&device.check_in_offline().unwrap().to_bytes()).unwrap()
}

async fn pruned(authority: &Authority, days: u32) -> Pruned {
    prune(authority.service.database(), &later(days)).await.unwrap()
}

/// What is left of the computers in the ledger: fingerprints, and descriptions.
async fn computers(authority: &Authority) -> (usize, usize) {
    let has_hardware = |seat: &&nodelock::authority::Seat| *seat.fingerprint() != Fingerprint::default();
    let hardware = authority.seats().await.iter().filter(has_hardware).count();
    let mut described = 0;
    let look = |row: Result<crate::domain::SeatRow>| {
        described += usize::from(row?.device != DeviceDescription::default());
        Ok(())
    };
    seats(authority.service.database(), Filter::all(List::Seats), &vendor(), look).await.unwrap();
    (hardware, described)
}

async fn release(service: &Service, device: &Client) -> SeatChoice {
    let choice = SeatChoice { handle: device.check().unwrap().license().unwrap().handle, device: None };
    service.release(choice, "lost", &vendor()).await.unwrap();
    choice
}

#[tokio::test]
async fn a_seat_forgets_its_computer_once_it_is_over_for_good_and_answers_as_before() {
    let authority = Authority::new().await;
    let service = &authority.service;
    let key = authority.sell(5).await;
    // Of another computer each, so that none is in use elsewhere.
    let [given_up, told, waiting, active] =
        ["1", "2", "3", "4"].map(|number| authority.device_of(Component::HwUuid, number));
    for device in [&given_up, &told, &waiting, &active] {
        authority.take_seat(device, &key).await;
    }
    let proof = given_up.deactivate_offline(Reason::Moved).unwrap();
    service.redeem_proof(&claim(proof.proof()), &vendor()).await.unwrap();
    release(service, &told).await;
    let told_again = check_in(&told);
    assert!(
        matches!(service.check_in(&told_again, &vendor()).await, Ok(CheckedIn::Revoked(word)) if word.reason == "lost")
    );
    let choice = release(service, &waiting).await;
    assert_eq!(computers(&authority).await, (4, 4));

    assert_eq!(pruned(&authority, 0).await.seats, 2);
    // The active one, and the one whose release can be taken back.
    assert_eq!(computers(&authority).await, (2, 2));
    assert_eq!(pruned(&authority, 0).await.seats, 0);
    is_sound(&authority).await;
    // Each answer is what it was.
    let again = service.redeem_proof(&claim(proof.proof()), &vendor()).await.unwrap();
    assert_eq!(again.outcome(), "already-freed");
    assert!(
        matches!(service.check_in(&told_again, &vendor()).await, Ok(CheckedIn::Revoked(word)) if word.reason == "lost")
    );
    assert!(
        matches!(service.check_in(&check_in(&told), &vendor()).await, Ok(CheckedIn::Revoked(word)) if word.reason == "lost")
    );
    service.unrelease(choice, &vendor()).await.unwrap();
    assert!(matches!(service.check_in(&check_in(&waiting), &vendor()).await, Ok(CheckedIn::Renewed(_))));

    // Once its lease is over, the release of a seat cannot be taken back any more.
    release(service, &waiting).await;
    assert_eq!(pruned(&authority, 0).await.seats, 0);
    assert_eq!(pruned(&authority, 400).await.seats, 1);
    assert!(
        matches!(service.check_in(&check_in(&waiting), &vendor()).await, Ok(CheckedIn::Revoked(word)) if word.reason == "lost")
    );
    assert!(matches!(service.check_in(&check_in(&active), &vendor()).await, Ok(CheckedIn::Renewed(_))));
}

#[tokio::test]
async fn a_computer_that_the_customer_uses_still_is_not_forgotten() {
    let authority = Authority::new().await;
    let key = authority.sell(5).await;
    let [one, two] = ["7", "7"].map(|number| authority.device_of(Component::HwUuid, number));
    authority.take_seat(&one, &key).await;
    authority.take_seat(&two, &key).await;
    let proof = one.deactivate_offline(Reason::Moved).unwrap();
    authority.service.redeem_proof(&claim(proof.proof()), &vendor()).await.unwrap();
    assert_eq!((pruned(&authority, 0).await.seats, computers(&authority).await), (0, (2, 2)));
    let proof = two.deactivate_offline(Reason::Moved).unwrap();
    authority.service.redeem_proof(&claim(proof.proof()), &vendor()).await.unwrap();
    assert_eq!((pruned(&authority, 0).await.seats, computers(&authority).await), (2, (0, 0)));
    assert!(authority.seats().await.iter().all(|seat| seat.state() == SeatState::Returned));
    is_sound(&authority).await;
}

#[tokio::test]
async fn each_kind_goes_when_its_days_are_over_and_not_before() {
    let authority = Authority::new().await;
    let (service, database) = (&authority.service, authority.service.database());
    let key = authority.sell(1).await;
    let device = authority.activated(&key).await;
    service.check_in(&check_in(&device), &vendor()).await.unwrap();
    let proof = device.deactivate_offline(Reason::Moved).unwrap();
    service.redeem_proof(&claim(proof.proof()), &vendor()).await.unwrap();
    authority.activated(&key).await;
    let file = authority.device().begin(&key).unwrap().to_bytes();
    assert!(authority.activate(&file, &stranger(1)).await.unwrap().license.is_err());
    let unseen = authority.device();
    unseen.begin(&key).unwrap();
    service.redeem_proof(&claim(unseen.cancel().unwrap().proof()), &stranger(1)).await.unwrap();

    let none = Pruned::default();
    let first = pruned(&authority, 29).await;
    assert_eq!(Pruned { seats: 0, ..first }, none);
    let change =
        RetentionChange { evidence_days: Some(100), check_in_days: Some(200), ..RetentionChange::default() };
    edit_retention(database, change, |_| Ok(()), &vendor()).await.unwrap();
    assert_eq!(pruned(&authority, 89).await, none);
    assert_eq!(pruned(&authority, 91).await, Pruned { refusals: 1, ..none });
    assert_eq!(pruned(&authority, 101).await, Pruned { evidence: 1, ..none });
    assert_eq!(pruned(&authority, 199).await, none);
    assert_eq!(pruned(&authority, 201).await, Pruned { check_ins: 1, ..none });
    assert_eq!(pruned(&authority, 364).await, none);
    let late = pruned(&authority, 366).await;
    assert_eq!(late, Pruned { audit: late.audit, ..none });
    assert!(late.audit > 0, "the stranger's address goes");
    let mut left = 0;
    let count = |row: Result<crate::domain::RefusalRow>| row.map(|_| left += 1);
    refusals(database, None, &vendor(), count).await.unwrap();
    assert_eq!(left, 0);
    let none = RetentionChange { refusal_days: Some(0), ..change };
    let refused = edit_retention(database, none, |_| Ok(()), &vendor()).await;
    assert!(matches!(refused, Err(crate::failure::Failure::Rule(e)) if e.kind() == ErrorKind::InvalidInput));
    assert_eq!(retention(database).await.unwrap().evidence_days, 100);
    let actions = authority.actions().await;
    assert!(actions.contains(&"retention-edited".to_owned()) && actions.contains(&"pruned".to_owned()));
}

async fn script(authority: &Authority, sql: &str) {
    let mut tx = authority.service.database().write().await.unwrap();
    store::run_script(&mut tx, sql).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_damaged_record_keeps_nothing_else_from_going() {
    let authority = Authority::new().await;
    let service = &authority.service;
    let key = authority.sell(5).await;
    let mut handles = Vec::new();
    for number in ["1", "2"] {
        let device = authority.device_of(Component::HwUuid, number);
        authority.take_seat(&device, &key).await;
        let proof = device.deactivate_offline(Reason::Moved).unwrap();
        service.redeem_proof(&claim(proof.proof()), &vendor()).await.unwrap();
        handles.push(proof.handle().get());
    }
    script(&authority, &format!("UPDATE seat SET record = '' WHERE handle = {}", handles[0])).await;
    assert_eq!(pruned(&authority, 0).await.seats, 1);
    assert_eq!(pruned(&authority, 0).await.seats, 0);
}

#[tokio::test]
async fn check_ins_of_a_seat_that_another_took_the_place_of_stay() {
    let authority = Authority::new().await;
    let service = &authority.service;
    let key = authority.sell(1).await;
    let device = authority.activated(&key).await;
    service.check_in(&check_in(&device), &vendor()).await.unwrap();
    script(&authority, "UPDATE seat SET taken = 0, state = 'replaced'").await;
    assert_eq!(pruned(&authority, 4_000).await.check_ins, 0);
    script(&authority, "UPDATE seat SET state = 'returned'").await;
    assert_eq!(pruned(&authority, 4_000).await.check_ins, 1);
}

/// SQLite has one writer, who waits for whoever holds the lock.
#[tokio::test]
async fn a_check_in_that_is_locked_on_postgres_goes_with_the_next_run() {
    if !store::tests::is_postgres() {
        return;
    }
    let authority = Authority::new().await;
    let service = &authority.service;
    let key = authority.sell(2).await;
    for number in ["1", "2"] {
        let device = authority.device_of(Component::HwUuid, number);
        authority.take_seat(&device, &key).await;
        service.check_in(&check_in(&device), &vendor()).await.unwrap();
    }
    // The one whose check-in is locked ended before the other.
    script(&authority, "UPDATE seat SET taken = 0, state = 'returned'").await;
    script(&authority, "UPDATE seat SET changed = changed - 1 WHERE handle = (SELECT MIN(handle) FROM seat)")
        .await;
    let mut holder = service.database().write_with(&Locks::default()).await.unwrap();
    let first = "SELECT 1 FROM check_in WHERE handle = (SELECT MIN(handle) FROM seat) FOR UPDATE";
    store::run_script(&mut holder, first).await.unwrap();
    assert_eq!(pruned(&authority, 4_000).await.check_ins, 1);
    assert_eq!(pruned(&authority, 4_000).await.check_ins, 0);
    drop(holder);
    assert_eq!(pruned(&authority, 4_000).await.check_ins, 1);
}

#[tokio::test]
async fn a_used_trial_is_known_again_after_its_seat_forgot_its_computer() {
    let authority = Authority::new().await;
    let service = &authority.service;
    let key = authority.sell_with(5, |terms| terms.trial_days = Some(14)).await;
    let [device, again, late] = ["1"; 3].map(|number| authority.device_of(Component::HwUuid, number));
    authority.take_seat(&device, &key).await;
    let end = device.check().unwrap().license().unwrap().expires;
    let proof = device.deactivate_offline(Reason::Moved).unwrap();
    service.redeem_proof(&claim(proof.proof()), &vendor()).await.unwrap();
    let tags = authority.seats().await[0].fingerprint().tags().to_vec();
    assert_eq!(pruned(&authority, 0).await.seats, 1);
    assert_eq!(pruned(&authority, 0).await.seats, 0);
    let seat = authority.seats().await.remove(0);
    assert!(seat.label().is_empty() && !seat.fingerprint().virtual_machine());
    assert_eq!(seat.fingerprint().tags(), tags);
    is_sound(&authority).await;

    let file = again.begin(&key).unwrap().to_bytes();
    let license = authority.activate(&file, &later(5)).await.unwrap().license.unwrap();
    assert_eq!(license.expires, end);
    let file = late.begin(&key).unwrap().to_bytes();
    let refused = authority.activate(&file, &later(15)).await.unwrap().license;
    let Err(crate::failure::Failure::Rule(error)) = refused else { panic!("{refused:?}") };
    assert_eq!((error.kind(), error.trial_ended()), (ErrorKind::TrialUsed, end));
}
