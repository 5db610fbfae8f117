//! What holds for every service.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use nodelock::{
    DeactivationReceipt, ErrorKind, License, Reason, SigningKey, SystemRandom,
    authority::{
        ActivationFile, CheckInClaim, Found, Query, Records, SeatState, TypedCode, Verification,
        decision::{self, Change, MAX_SEATS_OF_HANDLE, Ruling},
    },
    code::{DeactivationCode, Handle, LicenseKey, ReleaseSecret},
};

use super::{
    Came, Database, Redeemed,
    fixture::{Authority, claim, now, stranger, vendor},
    limits::{Limit, PairLimit},
    selling::Place,
};
use crate::{
    domain::{Deactivation, Occasion, SeatChoice, What, rights},
    failure::Failure,
    store,
};

fn kind(failure: Failure) -> ErrorKind {
    match failure {
        Failure::Rule(error) => error.kind(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn no_check_runs_while_the_lock_of_a_writer_is_held() {
    let authority = Authority::new().await;
    let (service, key) = (&authority.service, authority.sell(3).await);
    // The fixture's look at the lock sees one that is held. On PostgreSQL there is none.
    let tx = service.database().write().await.unwrap();
    assert_eq!(service.database().is_free(), store::tests::is_postgres());
    drop(tx);

    let ran = || authority.verifications.swap(0, Ordering::Relaxed);
    let device = authority.activated(&key).await;
    assert_eq!(ran(), 0, "a request says itself who signed it");
    let proof = device.deactivate_offline(Reason::Moved).unwrap();
    service.redeem_proof(&claim(proof.proof()), &vendor()).await.unwrap();
    assert_eq!(ran(), 1);

    let device = authority.activated(&key).await;
    let code = device.deactivate_offline(Reason::Moved).unwrap().code().clone();
    let wrong = DeactivationCode::new(code.handle(), ReleaseSecret::from_random([7; 8]));
    let wrong = TypedCode::read(&wrong.to_string()).unwrap();
    let refused = service.redeem_code(&wrong, &vendor()).await.unwrap_err();
    assert_eq!((kind(refused), ran()), (ErrorKind::WrongCode, 1));
    let right = TypedCode::read(&code.to_string()).unwrap();
    assert_eq!(service.redeem_code(&right, &vendor()).await.unwrap().0.outcome(), "freed");
    assert_eq!(ran(), 1);

    // A proof and a code that came before their request, each judged when it arrives.
    for by_code in [true, false] {
        let device = authority.device();
        let request = device.begin(&key).unwrap().to_bytes();
        let cancelled = device.cancel().unwrap();
        let kept = match by_code {
            true => {
                let typed = TypedCode::read(&cancelled.code().to_string()).unwrap();
                service.redeem_code(&typed, &vendor()).await.unwrap().0
            }
            false => service.redeem_proof(&claim(cancelled.proof()), &vendor()).await.unwrap(),
        };
        assert_eq!((kept.outcome(), ran()), ("unknown", 0));
        let refused = authority.activate(&request, &vendor()).await.unwrap();
        assert_eq!((kind(refused.license.unwrap_err()), ran()), (ErrorKind::RequestCancelled, 1));
        assert_eq!(refused.receipts.len(), 1);
    }
}

#[tokio::test]
async fn no_act_runs_a_statement_twice_in_a_transaction() {
    let authority = Authority::new().await;
    let service = &authority.service;
    let key = authority.sell(4).await;
    // Setting up looks for tables before and after.
    drop(store::twice::take());
    authority.sell(1).await;
    let twice = |act: &str| assert_eq!(store::twice::take(), [""; 0], "{act}");
    twice("sell");
    let device = authority.activated(&key).await;
    twice("activate");
    let check_in = device.check_in_offline().unwrap().to_bytes();
    service.check_in(&CheckInClaim::read(&check_in).unwrap(), &vendor()).await.unwrap();
    twice("check in");
    service.check_in(&CheckInClaim::read(&check_in).unwrap(), &vendor()).await.unwrap();
    twice("check in again");
    let choice = |device: &nodelock::Client| SeatChoice {
        handle: device.check().unwrap().license().unwrap().handle,
        device: None,
    };
    service.renew(choice(&device), &vendor()).await.unwrap();
    twice("renew");
    let proof = device.deactivate_offline(Reason::Moved).unwrap();
    for act in ["redeem a proof", "redeem a proof again"] {
        service.redeem_proof(&claim(proof.proof()), &vendor()).await.unwrap();
        twice(act);
    }
    let device = authority.activated(&key).await;
    let code = device.deactivate_offline(Reason::Moved).unwrap().code().to_string();
    for act in ["redeem a code", "redeem a code again"] {
        service.redeem_code(&TypedCode::read(&code).unwrap(), &vendor()).await.unwrap();
        twice(act);
    }
    // Evidence that comes before its request.
    let device = authority.device();
    let request = device.begin(&key).unwrap().to_bytes();
    service.redeem_proof(&claim(device.cancel().unwrap().proof()), &vendor()).await.unwrap();
    twice("keep a proof");
    let refused = authority.activate(&request, &vendor()).await.unwrap();
    assert!(refused.license.is_err());
    twice("activate what was given up");
    let device = authority.activated(&key).await;
    let choice = choice(&device);
    service.release(choice, "", &vendor()).await.unwrap();
    twice("release");
    service.unrelease(choice, &vendor()).await.unwrap();
    twice("take the release back");
    // The recorder finds one.
    let mut tx = service.database().read().await.unwrap();
    store::seats(&mut tx).await.unwrap();
    store::seats(&mut tx).await.unwrap();
    assert_eq!(store::twice::take().len(), 1);
}

#[tokio::test]
async fn a_check_that_is_missing_in_the_transaction_that_writes_ends_it_and_runs_outside() {
    let authority = Authority::new().await;
    let device = authority.activated(&authority.sell(1).await).await;
    let proof = device.deactivate_offline(Reason::Moved).unwrap();
    let claim = claim(proof.proof());
    let calls = AtomicUsize::new(0);
    // At the first look the seat is not there yet, as if its request arrived a moment later.
    let mut before = Records::new();
    before.add(Query::SeatsOfHandle(proof.handle()), Found::Seats(Vec::new())).unwrap();
    before.add(Query::EvidenceOf(proof.handle()), Found::Evidence(Vec::new())).unwrap();
    let act = |records: &_, moment: &_| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => decision::redeem(&claim, &before, moment),
        _ => decision::redeem(&claim, records, moment),
    };
    let vendor = vendor();
    let permit = rights::ask(&vendor, rights::Act::Redeem).unwrap().whole().unwrap();
    let settled = authority.service.decide(&act, &Place::Handles(Vec::new()), &permit).await.unwrap();
    assert!(matches!(settled.ruling, Ruling::Released { changed: true, .. }), "{:?}", settled.ruling);
    assert_eq!(authority.verifications.load(Ordering::Relaxed), 1);
    assert_eq!(authority.actions().await[2..], ["granted", "returned"]);
}

#[tokio::test]
async fn what_changes_nothing_waits_for_no_writer() {
    let authority = Authority::new().await;
    let key = authority.sell(1).await;
    let device = authority.device();
    let file = device.begin(&key).unwrap().to_bytes();
    let first = authority.activate(&file, &vendor()).await.unwrap().license.unwrap();
    let actions = authority.actions().await;
    let writer = authority.service.database().write().await.unwrap();
    let again = authority.activate(&file, &vendor()).await.unwrap().license.unwrap();
    assert_eq!(again.as_bytes(), first.as_bytes());
    drop(writer);
    assert_eq!(authority.actions().await, actions);
}

#[tokio::test]
async fn acts_together_are_stored_one_after_the_other_and_a_refusal_holds_up_none() {
    let authority = Authority::new().await;
    let key = authority.sell(3).await;
    let (one, two) = (authority.activated(&key).await, authority.activated(&key).await);
    let by_code = authority.activated(&key).await.deactivate_offline(Reason::Moved).unwrap();
    let one = one.deactivate_offline(Reason::Moved).unwrap().proof().to_vec();
    let two = two.deactivate_offline(Reason::Moved).unwrap().proof().to_vec();
    let mut forged = two.clone();
    *forged.last_mut().unwrap() ^= 1;
    let proof = |bytes: &[u8]| Deactivation::Proof(claim(bytes).into());
    let code = |text: String| Deactivation::Code(TypedCode::read(&text).unwrap());
    let mistyped = format!("{}7", &by_code.code().to_string()[..28]);
    let list =
        [proof(&one), proof(&forged), proof(&one), code(mistyped.clone()), proof(&two), code(mistyped)];
    let came = authority.service.redeem_together(&list, &vendor()).await.unwrap();
    let outcomes: Vec<_> = came
        .iter()
        .map(|came| match came {
            Ok((redeemed, _)) => redeemed.outcome().to_owned(),
            Err(failure) => failure.name(),
        })
        .collect();
    assert_eq!(outcomes, ["freed", "bad-signature", "already-freed", "freed", "freed", "already-freed"]);
    let receipt = |at: usize| came[at].as_ref().unwrap().0.receipt().map(|r| r.as_bytes().to_vec());
    assert_eq!(receipt(0), receipt(2));
    assert_eq!(receipt(3), receipt(5));
    let reading = came[3].as_ref().unwrap().1.as_ref().unwrap();
    assert!(reading.corrections.len() <= 1 && reading.code == *by_code.code());
    assert!(authority.seats().await.iter().all(|seat| seat.state() == SeatState::Returned));
}

#[tokio::test]
async fn nothing_is_granted_when_the_issuer_cannot_sign() {
    let authority = Authority::new().await;
    let key = authority.sell(2).await;
    let device = authority.activated(&key).await;
    let before = authority.actions().await;
    let late = Occasion { time: now().plus_days(400), ..vendor() };
    let file = authority.device().begin(&key).unwrap().to_bytes();
    let failure = authority.activate(&file, &late).await.unwrap().license.unwrap_err();
    assert_eq!(kind(failure), ErrorKind::CertificateExpired);
    let handle = device.check().unwrap().license().unwrap().handle;
    let choice = SeatChoice { handle, device: None };
    let failure = authority.service.renew(choice, &late).await.unwrap_err();
    assert_eq!(kind(failure), ErrorKind::CertificateExpired);
    let seats = authority.seats().await;
    assert_eq!((seats.len(), seats[0].state(), seats[0].revision()), (1, SeatState::Active, 1));
    assert_eq!(authority.actions().await, before);
}

/// A machine that gave its seat up has lost its license already.
#[tokio::test]
async fn a_seat_is_given_up_while_the_issuer_cannot_sign_and_its_receipt_follows() {
    let authority = Authority::new().await;
    let (service, key) = (&authority.service, authority.sell(3).await);
    let late = Occasion { time: now().plus_days(400), ..vendor() };
    let released = |redeemed: Redeemed| match redeemed {
        Redeemed::Released(released) => *released,
        Redeemed::Kept(handle) => panic!("{handle} is kept"),
    };

    let device = authority.activated(&key).await;
    let proof = device.deactivate_offline(Reason::Moved).unwrap();
    let first = released(service.redeem_proof(&claim(proof.proof()), &late).await.unwrap());
    assert!(first.changed && first.receipt.is_none());
    let again = released(service.redeem_proof(&claim(proof.proof()), &late).await.unwrap());
    assert!(!again.changed && again.receipt.is_none());
    let signed = released(service.redeem_proof(&claim(proof.proof()), &vendor()).await.unwrap());
    assert!(!signed.changed && signed.receipt.is_some());

    let by_code = authority.activated(&key).await.deactivate_offline(Reason::Moved).unwrap();
    let typed = TypedCode::read(&by_code.code().to_string()).unwrap();
    let (redeemed, reading) = service.redeem_code(&typed, &late).await.unwrap();
    assert!(released(redeemed).receipt.is_none());
    assert_eq!(reading.unwrap().code, *by_code.code());

    // One that comes along with a request that cannot be granted is free as well.
    let device = authority.activated(&key).await;
    device.deactivate_offline(Reason::Moved).unwrap();
    let file = device.begin(&key).unwrap().to_bytes();
    let activated = authority.activate(&file, &late).await.unwrap();
    assert_eq!(kind(activated.license.unwrap_err()), ErrorKind::CertificateExpired);
    assert!(activated.receipts.is_empty());
    assert!(authority.seats().await.iter().all(|seat| seat.state() == SeatState::Returned));
    let activated = authority.activate(&file, &vendor()).await.unwrap();
    assert_eq!((activated.license.is_ok(), activated.receipts.len()), (true, 1));

    let list = [Deactivation::Proof(claim(by_code.proof()).into())];
    let together = service.redeem_together(&list, &late).await.unwrap();
    assert_eq!(together[0].as_ref().unwrap().0.outcome(), "already-freed");
}

#[tokio::test]
async fn a_flood_of_what_nobody_asked_for_stops_neither_activations_nor_the_vendor() {
    let mut authority = Authority::new().await;
    authority.service.limits.unseen.of_peer = 100;
    let key = authority.sell(2).await;
    let unseen = || {
        let device = authority.device();
        device.begin(nodelock::ActivationRequestOptions::new()).unwrap();
        device.cancel().unwrap()
    };
    for _ in 0..100 {
        authority.service.redeem_proof(&claim(&unseen().to_bytes()), &stranger(1)).await.unwrap();
    }
    let failure = authority.service.redeem_proof(&claim(&unseen().to_bytes()), &stranger(1)).await;
    assert!(matches!(failure, Err(Failure::TooManyUnseen { handles, .. }) if handles.len() == 1));
    authority.service.redeem_proof(&claim(&unseen().to_bytes()), &stranger(2)).await.unwrap();
    authority.service.redeem_proof(&claim(&unseen().to_bytes()), &vendor()).await.unwrap();

    // A request with a cancelled one along: its proof waits, and it is granted.
    let device = authority.device();
    device.begin(&key).unwrap();
    device.cancel().unwrap();
    let file = device.begin(&key).unwrap().to_bytes();
    let activated = authority.activate(&file, &stranger(1)).await.unwrap();
    assert_eq!((activated.license.is_ok(), activated.receipts.len()), (true, 0));
    assert_eq!(authority.activate(&file, &stranger(3)).await.unwrap().receipts.len(), 1);
}

#[tokio::test]
async fn a_peer_with_all_the_cancelled_seats_it_may_have_still_activates() {
    let authority = Authority::new().await;
    let key = authority.sell(2).await;
    let device = authority.device();
    device.begin(nodelock::ActivationRequestOptions::new()).unwrap();
    authority.service.redeem_proof(&claim(&device.cancel().unwrap().to_bytes()), &stranger(1)).await.unwrap();
    // As many as it may have: copies of that one under other handles.
    let columns = "device_key, license_id, state, taken, counted, granted, changed, issued, contact, ends, lapsed, \
                   installed, reason, revision, copies, virtual_machine, container, label, machine, record";
    let numbers = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 9999)";
    let mut tx = authority.service.database().write().await.unwrap();
    for copies in [
        format!("INSERT INTO seat (handle, {columns}) {numbers} SELECT n, {columns} FROM seat, number"),
        format!(
            "INSERT INTO cancelled (handle, device_key, requested, peer) {numbers} \
             SELECT n, device_key, requested, peer FROM cancelled, number"
        ),
    ] {
        store::run_script(&mut tx, &copies).await.unwrap();
    }
    tx.commit().await.unwrap();
    // Two that were cancelled come along with a request, and neither can be taken in.
    let device = authority.device();
    for _ in 0..2 {
        device.begin(&key).unwrap();
        device.cancel().unwrap();
    }
    let file = device.begin(&key).unwrap().to_bytes();
    let activated = authority.activate(&file, &stranger(1)).await.unwrap();
    assert_eq!((activated.license.is_ok(), activated.receipts.len()), (true, 0));
    assert_eq!(authority.activate(&file, &stranger(2)).await.unwrap().receipts.len(), 2);
}

#[tokio::test]
async fn wrong_keys_from_an_address_refuse_no_right_one_from_there() {
    let authority = Authority::new().await;
    let (service, key) = (&authority.service, authority.sell(1).await);
    let wrong = LicenseKey::from_random([6; 12]).to_string();
    for _ in 0..20 {
        assert!(service.holding(&wrong, 10, &stranger(1)).await.unwrap().is_none());
    }
    assert!(matches!(service.holding(&wrong, 10, &stranger(1)).await, Err(Failure::PeerMustWait(_))));
    assert!(service.holding(&wrong, 10, &stranger(2)).await.unwrap().is_none());
    assert!(service.holding(&key, 10, &stranger(1)).await.unwrap().is_some());
    let guesser = authority.device().begin(&wrong).unwrap().to_bytes();
    for _ in 0..20 {
        let refused = authority.activate(&guesser, &stranger(1)).await.unwrap().license.unwrap_err();
        assert_eq!(kind(refused), ErrorKind::UnknownLicense);
    }
    assert!(matches!(authority.activate(&guesser, &stranger(1)).await, Err(Failure::PeerMustWait(_))));
    let device = authority.device();
    let file = device.begin(&key).unwrap().to_bytes();
    let license = authority.activate(&file, &stranger(1)).await.unwrap().license.unwrap();
    device.accept(license.as_bytes()).unwrap();
}

#[tokio::test]
async fn requests_with_one_key_that_are_refused_are_limited_by_key_and_address() {
    let mut authority = Authority::new().await;
    authority.service.limits.refused_requests = PairLimit::new(2);
    let (full, free) = (authority.sell(1).await, authority.sell(1).await);
    let holder = authority.device().begin(&full).unwrap().to_bytes();
    assert!(authority.activate(&holder, &stranger(1)).await.unwrap().license.is_ok());
    let file = authority.device().begin(&full).unwrap().to_bytes();
    for _ in 0..2 {
        let refused = authority.activate(&file, &stranger(1)).await.unwrap().license.unwrap_err();
        assert_eq!(kind(refused), ErrorKind::NoFreeSeat);
    }
    assert!(matches!(authority.activate(&file, &stranger(1)).await, Err(Failure::PeerMustWait(_))));
    assert!(authority.activate(&file, &stranger(2)).await.unwrap().license.is_err());
    let other = authority.device().begin(&free).unwrap().to_bytes();
    assert!(authority.activate(&other, &stranger(1)).await.unwrap().license.is_ok());
}

#[tokio::test]
async fn codes_are_counted_by_what_came_of_them_and_many_wrong_ones_are_noted_once() {
    let authority = Authority::new().await;
    let (key, device) = (authority.sell(1).await, authority.device());
    let file = device.begin(&key).unwrap().to_bytes();
    let license = authority.activate(&file, &stranger(1)).await.unwrap().license.unwrap();
    device.accept(license.as_bytes()).unwrap();
    let code = device.deactivate_offline(Reason::Moved).unwrap().code().to_string();
    let right = TypedCode::read(&code).unwrap();
    authority.service.redeem_code(&right, &stranger(2)).await.unwrap();
    authority.service.redeem_code(&wrong_code(Handle::new(1).unwrap(), 7), &stranger(2)).await.unwrap();
    let wrong = wrong_code(license.handle, 7);
    for _ in 0..120 {
        authority.service.redeem_code(&wrong, &stranger(1)).await.unwrap_err();
    }
    // A seat has ten attempts within a day, of which the right code was one.
    assert_eq!(Came::ALL.map(|came| authority.service.codes(came)), [1, 9, 1, 111]);
    let actions = authority.actions().await;
    assert_eq!(actions.iter().filter(|action| *action == "many-wrong-codes").count(), 1);
}

#[tokio::test]
async fn codes_are_limited_for_strangers_whatever_comes_of_them_and_not_for_the_vendor() {
    let authority = Authority::new().await;
    let typed = |n| {
        let handle = Handle::new(n).unwrap();
        TypedCode::read(&DeactivationCode::new(handle, ReleaseSecret::from_random([1; 8])).to_string())
            .unwrap()
    };
    for n in 0..10 {
        authority.service.redeem_code(&typed(n), &stranger(1)).await.unwrap();
    }
    let failure = authority.service.redeem_code(&typed(10), &stranger(1)).await;
    assert!(matches!(failure, Err(Failure::PeerMustWait(_))));
    for n in 10..30 {
        authority.service.redeem_code(&typed(n), &vendor()).await.unwrap();
    }
}

/// A code of that handle that fits nothing.
fn wrong_code(handle: Handle, n: u8) -> TypedCode {
    TypedCode::read(&DeactivationCode::new(handle, ReleaseSecret::from_random([n; 8])).to_string()).unwrap()
}

#[tokio::test]
async fn codes_that_came_before_a_request_count_for_whoever_hands_it_in() {
    let mut authority = Authority::new().await;
    authority.service.limits.kept_codes = Limit::new(6);
    let device = authority.device();
    let file = device.begin(nodelock::ActivationRequestOptions::new()).unwrap();
    for n in 0..4 {
        let code = wrong_code(file.request().handle, n);
        authority.service.redeem_code(&code, &stranger(1)).await.unwrap();
    }
    let file = file.to_bytes();
    let ran = || authority.verifications.swap(0, Ordering::Relaxed);
    for _ in 0..2 {
        let refused = authority.activate(&file, &stranger(2)).await.unwrap().license.unwrap_err();
        assert_eq!((kind(refused), ran()), (ErrorKind::UnknownLicense, 4));
    }
    let limited = authority.activate(&file, &stranger(2)).await;
    assert!(matches!(limited, Err(Failure::PeerMustWait(_))) && ran() == 0);
    // Whoever has no code in the way is not limited, and neither is another peer or the vendor.
    let other = authority.device().begin(&authority.sell(1).await).unwrap().to_bytes();
    assert!(authority.activate(&other, &stranger(2)).await.unwrap().license.is_ok());
    authority.activate(&file, &stranger(3)).await.unwrap();
    authority.activate(&file, &vendor()).await.unwrap();
    assert_eq!(ran(), 8);
}

#[tokio::test]
async fn one_processor_is_left_for_signatures_however_many_codes_come() {
    let mut authority = Authority::new().await;
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now_running, seen) = (running.clone(), most.clone());
    authority.service.run = Arc::new(move |verification: &Verification, _: &Database| {
        if verification.is_slow() {
            seen.fetch_max(now_running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        }
        let fact = verification.run();
        if verification.is_slow() {
            now_running.fetch_sub(1, Ordering::SeqCst);
        }
        fact
    });
    let device = authority.activated(&authority.sell(1).await).await;
    let handle = device.check().unwrap().license().unwrap().handle;
    let service = Arc::new(authority.service);
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let service = service.clone();
            let code = wrong_code(handle, n);
            tokio::spawn(async move { service.redeem_code(&code, &stranger(n.into())).await.map(drop) })
        })
        .collect();
    for task in tasks {
        assert_eq!(kind(task.await.unwrap().unwrap_err()), ErrorKind::WrongCode);
    }
    let processors = std::thread::available_parallelism().unwrap().get();
    let most = most.load(Ordering::SeqCst);
    assert!((1..=(processors - 1).max(1)).contains(&most), "{most} at a time on {processors} processors");
}

/// There is no limit over all seats that strangers could use up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_codes_for_other_seats_hold_up_no_right_one() {
    const PEERS: u32 = 256;
    let mut authority = Authority::new().await;
    // Others write while a verification runs.
    authority.service.run = Arc::new(|verification: &Verification, _: &Database| verification.run());
    let key = authority.sell(12).await;
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(authority.activated(&key).await.check().unwrap().license().unwrap().handle);
    }
    let typed = async || {
        let code = authority.activated(&key).await.deactivate_offline(Reason::Moved).unwrap();
        TypedCode::read(&code.code().to_string()).unwrap()
    };
    let (on_the_portal, at_the_desk) = (typed().await, typed().await);
    let service = Arc::new(authority.service);
    let flood: Vec<_> = (0..PEERS)
        .map(|peer| {
            let (service, others) = (service.clone(), others.clone());
            tokio::spawn(async move {
                for n in 0..8 {
                    let code = wrong_code(others[peer as usize % others.len()], n);
                    service.redeem_code(&code, &stranger(peer)).await.map(drop).unwrap_err();
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(flood.iter().any(|task| !task.is_finished()), "the flood is over before anything was tried");
    for (code, occasion) in [(at_the_desk, vendor()), (on_the_portal, stranger(PEERS))] {
        let start = Instant::now();
        let (redeemed, _) = service.redeem_code(&code, &occasion).await.unwrap();
        assert_eq!(redeemed.outcome(), "freed");
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }
    for task in flood {
        task.await.unwrap();
    }
}

/// Whoever asks for the same handle again and again, with one device key after the other.
#[tokio::test]
async fn a_handle_has_only_so_many_seats_and_a_device_that_drew_it_gets_its_receipt() {
    let authority = Authority::new().await;
    let (service, key) = (&authority.service, authority.sell(2).await);
    let device = authority.device();
    let file = device.begin(&key).unwrap();
    let request = file.request().clone();
    authority.activated(&key).await;
    let mut record = serde_json::to_value(&authority.seats().await[0]).unwrap();
    record["seat"] = request.handle.to_string().into();
    record["state"] = "returned".into();
    let mut tx = service.database().write().await.unwrap();
    for _ in 0..MAX_SEATS_OF_HANDLE {
        let stranger = SigningKey::generate(&SystemRandom).unwrap().public_key();
        record["device_key"] = stranger.to_string().into();
        let seat = serde_json::from_value(record.clone()).unwrap();
        let insert = Change::Insert { seat, request: Some(Box::new(request.clone())) };
        store::apply(&mut tx, &insert, &vendor()).await.unwrap();
    }
    tx.commit().await.unwrap();

    let seats = authority.seats().await.len();
    let refused = authority.activate(&file.to_bytes(), &stranger(1)).await.unwrap().license.unwrap_err();
    assert_eq!(kind(refused), ErrorKind::CrowdedHandle);
    let cancelled = device.cancel().unwrap();
    let claim = claim(&cancelled.to_bytes());
    for _ in 0..2 {
        let redeemed = service.redeem_proof(&claim, &stranger(1)).await.unwrap();
        assert_eq!(redeemed.outcome(), "already-freed");
        device.accept(redeemed.receipt().unwrap().as_bytes()).unwrap();
    }
    assert_eq!(authority.seats().await.len(), seats);
    // Another handle has room.
    let file = device.begin(&key).unwrap().to_bytes();
    assert!(authority.activate(&file, &stranger(1)).await.unwrap().license.is_ok());
}

/// Two devices may draw one handle. Then the vendor must say which seat is meant.
#[tokio::test]
async fn a_seat_that_shares_its_handle_is_named_with_its_device() {
    let authority = Authority::new().await;
    let (service, key) = (&authority.service, authority.sell(3).await);
    let handle = authority.activated(&key).await.check().unwrap().license().unwrap().handle;
    let first = authority.seats().await.remove(0);
    let request = ActivationFile::read(&authority.device().begin(&key).unwrap().to_bytes()).unwrap();
    let request = request.request();
    let mut record = serde_json::to_value(&first).unwrap();
    record["device_key"] = request.device_key.to_string().into();
    let second = Change::Insert {
        seat: serde_json::from_value(record).unwrap(),
        request: Some(Box::new(request.clone())),
    };
    let mut tx = service.database().write().await.unwrap();
    store::apply(&mut tx, &second, &vendor()).await.unwrap();
    tx.commit().await.unwrap();

    let choice = |device| SeatChoice { handle, device };
    assert!(matches!(service.renew(choice(None), &vendor()).await, Err(Failure::AmbiguousSeat)));
    let renewed = service.renew(choice(Some(request.device_key)), &vendor()).await.unwrap();
    assert_eq!((renewed.device_key, renewed.revision), (request.device_key, 2));
    let (released, _) = service.release(choice(Some(*first.device_key())), "lost", &vendor()).await.unwrap();
    assert_eq!(released.name(), first.name());
    let nobody = SeatChoice { handle: Handle::new(handle.get() ^ 1).unwrap(), device: None };
    let failure = service.return_held(nobody, &vendor()).await.unwrap_err();
    assert_eq!(kind(failure), ErrorKind::UnknownSeat);
}

#[tokio::test]
async fn every_form_is_read_as_what_it_is() {
    let authority = Authority::new().await;
    let key = authority.sell(3).await;
    let device = authority.device();
    let request = device.begin(&key).unwrap();
    let license: License = authority.activate(&request.to_bytes(), &vendor()).await.unwrap().license.unwrap();
    device.accept(license.as_bytes()).unwrap();
    let check_in = device.check_in_offline().unwrap();
    let proof = device.deactivate_offline(Reason::Moved).unwrap();
    let released = authority.service.redeem_proof(&claim(proof.proof()), &vendor()).await.unwrap();
    let receipt: &DeactivationReceipt = released.receipt().unwrap();
    let other = authority.activated(&key).await;
    let handle = other.check().unwrap().license().unwrap().handle;
    let choice = SeatChoice { handle, device: None };
    let (_, revocation) = authority.service.release(choice, "lost", &vendor()).await.unwrap();
    let two = format!("{}\n{}", proof.to_text(), other.deactivate_offline(Reason::Moved).unwrap().to_text());
    let code = proof.code().to_string();
    let foreign = Authority::new().await;
    let foreign_license = foreign.activated(&foreign.sell(1).await).await;
    let foreign_license = foreign_license.check().unwrap().license().unwrap().to_text();

    let forms: Vec<(&str, Vec<u8>, What)> = vec![
        ("request, bytes", request.to_bytes(), What::Activation),
        ("request, armored", request.to_text().into(), What::Activation),
        ("request, edited", request.to_text().replace("Example", "Other").into(), What::Activation),
        ("request, base64url", request.to_base64url().into(), What::Activation),
        ("request, in a mail", format!("Hello,\n{}\nBye", request.to_text()).into(), What::Activation),
        ("check-in, bytes", check_in.to_bytes(), What::CheckIn),
        ("check-in, armored", check_in.to_text().into(), What::CheckIn),
        ("check-in, base32", check_in.to_base32().into(), What::CheckIn),
        ("proof, bytes", proof.to_bytes(), What::Deactivation),
        ("proof, base64url", proof.to_base64url().into(), What::Deactivation),
        ("proof, base32", proof.to_base32().into(), What::Deactivation),
        (
            "proof, link",
            format!("https://example.com/redeem#{}", proof.to_base32()).into(),
            What::Deactivation,
        ),
        ("two proofs", two.into(), What::Deactivations),
        ("code", code.clone().into(), What::Code),
        ("code, spoken", code.to_lowercase().replace('-', " ").into(), What::Code),
        ("code, one wrong", format!("{}7", &code[..28]).into(), What::Code),
        ("key", key.clone().into(), What::LicenseKey),
        ("key, spoken", key.to_lowercase().replace('-', "  ").into(), What::LicenseKey),
        ("license", license.to_text().into(), What::License),
        ("receipt", receipt.to_base64url().into(), What::Receipt),
        ("revocation", revocation.unwrap().to_text().into(), What::Revocation),
        ("words", b"not a code".to_vec(), What::Unreadable),
        ("nothing", Vec::new(), What::Unreadable),
    ];
    for (about, input, what) in &forms {
        assert_eq!(authority.read(input).await.unwrap().what(), *what, "{about}");
    }
    for (about, input, expected) in [
        ("half a proof", &proof.to_bytes()[..20], ErrorKind::Malformed),
        ("no text", b"\xff\xfe\0", ErrorKind::Malformed),
        ("a long text", "no code at all ".repeat(10).as_bytes(), ErrorKind::Malformed),
        ("too much", &vec![b'x'; 600 * 1024], ErrorKind::TooLarge),
        ("another vendor's license", foreign_license.as_bytes(), ErrorKind::WrongType),
    ] {
        assert_eq!(kind(authority.read(input).await.unwrap_err()), expected, "{about}");
    }

    // A text is one attempt, so it is one code.
    let another = DeactivationCode::new(handle, ReleaseSecret::from_random([9; 8]));
    for several in [format!("{code} {another}"), format!("the codes are {code} and {another}, thank you")] {
        let read = async || authority.read(several.as_bytes()).await.unwrap();
        assert_eq!(read().await.what(), What::Unreadable);
        assert_eq!(read().await.code().unwrap_err().kind(), ErrorKind::SeveralMessages);
        assert_eq!(read().await.deactivation().unwrap_err().kind(), ErrorKind::SeveralMessages);
    }

    // What each front takes.
    for (about, input, what) in &forms {
        let read = async || authority.read(input).await.unwrap();
        let refused = |kind: ErrorKind| Err::<(), _>(kind);
        let expected = |wanted: &[What], of_words| match what {
            what if wanted.contains(what) => Ok(()),
            What::Unreadable => refused(of_words),
            _ => refused(ErrorKind::WrongType),
        };
        let activation = read().await.activation().map(drop).map_err(|e| e.kind());
        assert_eq!(activation, expected(&[What::Activation], ErrorKind::Malformed), "{about}");
        let checked_in = read().await.check_in().map(drop).map_err(|e| e.kind());
        assert_eq!(checked_in, expected(&[What::CheckIn], ErrorKind::Malformed), "{about}");
        let or_several = |expected| match what {
            What::Deactivations => refused(ErrorKind::SeveralMessages),
            _ => expected,
        };
        let given = read().await.proof().map(drop).map_err(|e| e.kind());
        assert_eq!(given, or_several(expected(&[What::Deactivation], ErrorKind::Malformed)), "{about}");
        let typed = read().await.code().map(drop).map_err(|e| e.kind());
        assert_eq!(typed, expected(&[What::Code], ErrorKind::UnreadableCode), "{about}");
        let either = read().await.deactivation().map(drop).map_err(|e| e.kind());
        let wanted = [What::Deactivation, What::Code];
        assert_eq!(either, or_several(expected(&wanted, ErrorKind::UnreadableCode)), "{about}");
        if *what == What::Deactivations {
            let told = read().await.deactivation().unwrap_err().to_string();
            assert!(told.starts_with("these are 2 deactivation proofs, and 1 is taken at a time"), "{told}");
        }
    }
}
