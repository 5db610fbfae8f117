//! Receivers that are slow, down, or away for a day, and a server that ends at any point.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nodelock::{LicenseId, Timestamp};
use ring::hmac;
use serde_json::Value;

use super::{
    super::fixture::{Authority, now, vendor},
    CLAIM, Courier, Letter, Posted, after, body, deliveries_after, new_webhook, new_webhook_secret,
    remove_webhook, replay,
};
use crate::{
    domain::{DeliveryRow, Occasion},
    failure::Failure,
    keys::Vault,
    service::{self, Changing, Service, events_after, note_expiring, set_suspended},
    store::{Attempt, Claimed, Next, Replay, claim, set_attempted, set_terms, terms_of},
};

/// Answers as it is told, and keeps what came.
#[derive(Default)]
struct Receiver {
    /// What it answers; 200 where it is told nothing.
    answers: Mutex<Vec<u16>>,
    is_down: Mutex<bool>,
    came: Mutex<Vec<Letter>>,
}

impl Courier for Receiver {
    async fn post(&self, letter: Letter) -> Posted {
        if *self.is_down.lock().unwrap() {
            return Posted::Failed("connecting: refused".into());
        }
        self.came.lock().unwrap().push(letter);
        let answer = self.answers.lock().unwrap().pop();
        Posted::Answered(answer.unwrap_or(200))
    }
}

impl Receiver {
    fn take(&self) -> Vec<Letter> {
        std::mem::take(&mut self.came.lock().unwrap())
    }

    fn set_down(&self, is_down: bool) {
        *self.is_down.lock().unwrap() = is_down;
    }
}

/// An authority with a vault, a webhook that is told of those kinds, and its secret.
async fn told_of(kinds: &[&str]) -> (Authority, Service, Arc<Receiver>, String, String) {
    let authority = Authority::new().await;
    let keys = authority.path("keys");
    let vault = Vault::open_or_create(&keys).unwrap();
    let service = authority.restarted(true).await.with_vault(vault);
    let made = Mutex::new(None);
    let hand_over = |id: &str, secret: &str| {
        *made.lock().unwrap() = Some((id.to_owned(), secret.to_owned()));
        Ok(())
    };
    let new = ("https://example.com/hooks", kinds.iter().map(|kind| (*kind).to_owned()).collect());
    new_webhook(service.database(), service.vault(), new, hand_over, &vendor()).await.unwrap();
    let (id, secret) = made.into_inner().unwrap().unwrap();
    (authority, service, Arc::default(), id, secret)
}

fn at(time: Timestamp) -> Occasion {
    Occasion { time, ..vendor() }
}

/// Tells all that is due then.
async fn tell(service: &Service, id: &str, receiver: &Arc<Receiver>, time: Timestamp) {
    while service.tell(id, receiver, &at(time)).await.unwrap() > 0 {}
}

async fn states(service: &Service, id: &str) -> Vec<DeliveryRow> {
    deliveries_after(service.database(), id, (None, ""), 1000, &vendor()).await.unwrap()
}

/// Sells a license and returns its id.
async fn sold(authority: &Authority) -> LicenseId {
    authority.sell(2).await;
    let events =
        events_after(authority.service.database(), None, "", 1000, &vendor()).await.unwrap().whole().unwrap();
    events.last().unwrap().license
}

async fn suspend_and_resume(authority: &Authority, license: LicenseId) {
    for suspended in [true, false] {
        set_suspended(
            authority.service.database(),
            license,
            (suspended, Changing::default()),
            |_| Ok(()),
            &vendor(),
        )
        .await
        .unwrap();
    }
}

/// The kinds that came, by the license.
fn by_license(letters: &[Letter]) -> BTreeMap<String, Vec<(u64, String)>> {
    let mut found: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    for letter in letters {
        let body: Value = serde_json::from_str(&letter.body).unwrap();
        let (license, number) = (body["data"]["license"].as_str().unwrap(), &body["data"]["sequence"]);
        let kind = body["type"].as_str().unwrap().to_owned();
        found.entry(license.to_owned()).or_default().push((number.as_u64().unwrap(), kind));
    }
    found
}

fn kinds(numbered: &[(u64, &str)]) -> Vec<(u64, String)> {
    numbered.iter().map(|(number, kind)| (*number, format!("license.{kind}"))).collect()
}

#[tokio::test]
async fn what_happens_is_told_once_in_order_and_signed() {
    let (authority, service, receiver, id, secret) = told_of(&[]).await;
    let (one, other) = (sold(&authority).await, sold(&authority).await);
    suspend_and_resume(&authority, one).await;
    tell(&service, &id, &receiver, now()).await;
    let letters = receiver.take();
    let came = by_license(&letters);
    assert_eq!(came[&one.to_string()], kinds(&[(1, "created"), (2, "suspended"), (3, "resumed")]));
    assert_eq!(came[&other.to_string()], kinds(&[(1, "created")]));
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    assert_eq!(key.len(), 32);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let events = events_after(service.database(), None, "", 1000, &vendor()).await.unwrap().whole().unwrap();
    for letter in &letters {
        let signed = format!("{}.{}.{}", letter.id, letter.timestamp, letter.body);
        let signature = STANDARD.decode(letter.signature.strip_prefix("v1,").unwrap()).unwrap();
        hmac::verify(&key, signed.as_bytes(), &signature).unwrap();
        assert!(events.iter().any(|event| event.id == letter.id));
    }
    // Nothing is told twice, and what is told is noted.
    tell(&service, &id, &receiver, now()).await;
    assert!(receiver.take().is_empty());
    let states = states(&service, &id).await;
    assert!(states.iter().all(|row| (&*row.state, row.status) == ("delivered", Some(200))), "{states:?}");
}

#[tokio::test]
async fn a_webhook_is_told_of_the_kinds_that_it_asked_for_and_of_nothing_before() {
    let (authority, service, receiver, id, _) = told_of(&["license.suspended", "seat.*"]).await;
    let license = sold(&authority).await;
    suspend_and_resume(&authority, license).await;
    let key = authority.sell(1).await;
    authority.activated(&key).await;
    tell(&service, &id, &receiver, now()).await;
    let came = by_license(&receiver.take());
    assert_eq!(came.len(), 2, "{came:?}");
    assert_eq!(came[&license.to_string()], kinds(&[(2, "suspended")]));
    let (_, others) = came.iter().find(|(of, _)| **of != license.to_string()).unwrap();
    assert_eq!(*others, [(2, "seat.granted".to_owned())]);

    let database = service.database();
    for (url, kind) in [("https://example.com/", "license.bought"), ("example.com", "license.*")] {
        let new = (url, vec![kind.to_owned()]);
        let refused = new_webhook(database, service.vault(), new, |_, _| Ok(()), &vendor()).await;
        assert!(matches!(refused, Err(Failure::Usage(_))), "{url} {kind}");
    }
    let new = ("https://example.com/", Vec::new());
    let refused = new_webhook(database, None, new, |_, _| Ok(()), &vendor()).await;
    assert!(matches!(refused, Err(Failure::NoVault)));
}

#[tokio::test]
async fn a_receiver_that_is_down_for_a_day_gets_everything_in_order() {
    let (authority, service, receiver, id, _) = told_of(&[]).await;
    let license = sold(&authority).await;
    suspend_and_resume(&authority, license).await;
    receiver.set_down(true);
    let start = now();
    let (day, step) = (Duration::from_secs(24 * 60 * 60), Duration::from_secs(10 * 60));
    let mut time = start;
    while time < after(start, day) {
        tell(&service, &id, &receiver, time).await;
        time = after(time, step);
    }
    let waiting = states(&service, &id).await;
    let of = |row: &DeliveryRow| (row.state.clone(), row.attempts);
    assert_eq!(of(&waiting[0]), ("due".to_owned(), 7), "{waiting:?}");
    assert_eq!(waiting[0].said.as_deref(), Some("connecting: refused"));
    assert!(waiting[1..].iter().all(|row| of(row) == ("queued".to_owned(), 0)), "{waiting:?}");
    receiver.set_down(false);
    while time < after(start, 2 * day) {
        tell(&service, &id, &receiver, time).await;
        time = after(time, step);
    }
    let came = by_license(&receiver.take());
    let expected = kinds(&[(1, "created"), (2, "suspended"), (3, "resumed")]);
    assert_eq!(came[&license.to_string()], expected);
}

#[tokio::test]
async fn what_is_refused_for_three_days_is_set_aside_until_it_is_replayed() {
    let (authority, service, receiver, id, _) = told_of(&[]).await;
    let license = sold(&authority).await;
    suspend_and_resume(&authority, license).await;
    // The first event is refused each time; what comes behind it is told once it is set aside.
    *receiver.answers.lock().unwrap() = [&[200; 2][..], &[500; 10]].concat();
    let mut time = now();
    let mut attempts = Vec::new();
    while states(&service, &id).await[0].state == "due" {
        tell(&service, &id, &receiver, time).await;
        attempts.push(receiver.take().into_iter().map(|letter| letter.id).collect::<Vec<_>>());
        time = after(states(&service, &id).await[0].due, Duration::ZERO);
    }
    assert_eq!(attempts.len(), 10, "{attempts:?}");
    let told = states(&service, &id).await;
    let of_state: Vec<&str> = told.iter().map(|row| &*row.state).collect();
    assert_eq!(of_state, ["aside", "delivered", "delivered"]);
    assert_eq!((told[0].status, told[0].said.as_deref()), (Some(500), Some("the status 500")));
    let aside = deliveries_after(service.database(), &id, (Some("aside"), ""), 10, &vendor()).await.unwrap();
    assert_eq!(aside.len(), 1);

    assert_eq!(replay(service.database(), &id, &Replay::Aside, &vendor()).await.unwrap(), 1);
    tell(&service, &id, &receiver, time).await;
    let again = receiver.take();
    assert_eq!((again.len(), &again[0].id), (1, &told[0].event.id), "it has the id that it had");
    // Everything once more, in order, and one alone.
    let since = Replay::Since(Timestamp::MIN);
    assert_eq!(replay(service.database(), &id, &since, &vendor()).await.unwrap(), 3);
    tell(&service, &id, &receiver, time).await;
    let expected = kinds(&[(1, "created"), (2, "suspended"), (3, "resumed")]);
    assert_eq!(by_license(&receiver.take())[&license.to_string()], expected);
    let one = Replay::Event(told[1].event.id.clone());
    assert_eq!(replay(service.database(), &id, &one, &vendor()).await.unwrap(), 1);
    tell(&service, &id, &receiver, time).await;
    assert_eq!(by_license(&receiver.take())[&license.to_string()], kinds(&[(2, "suspended")]));
}

#[tokio::test]
async fn an_attempt_whose_server_ended_is_made_again_with_the_same_words() {
    let (authority, service, receiver, id, _) = told_of(&[]).await;
    let license = sold(&authority).await;
    suspend_and_resume(&authority, license).await;
    // It ends after the message was sent, and before that could be noted.
    let start = now();
    let lost: Vec<String> = claimed(&service, &id, start).await.iter().map(body).collect();
    assert_eq!(lost.len(), 1, "the others of the license wait");
    // Nobody knows whether it was made, so it does not count.
    assert_eq!(states(&service, &id).await[0].attempts, 0);
    // Another server does not make the same attempt meanwhile.
    assert!(claimed(&service, &id, after(start, Duration::from_secs(59))).await.is_empty());
    let later = authority.restarted(true).await.with_vault(Vault::open(&authority.path("keys")).unwrap());
    tell(&later, &id, &receiver, after(start, Duration::from_secs(60))).await;
    let letters = receiver.take();
    assert_eq!(letters[0].body, lost[0]);
    let expected = kinds(&[(1, "created"), (2, "suspended"), (3, "resumed")]);
    assert_eq!(by_license(&letters)[&license.to_string()], expected);
}

/// Takes what is due then for a server that is not heard of again.
async fn claimed(service: &Service, id: &str, time: Timestamp) -> Vec<Claimed> {
    let mut tx = service.database().write().await.unwrap();
    let claimed = claim(&mut tx, id, 16, time, after(time, CLAIM)).await.unwrap();
    tx.commit().await.unwrap();
    claimed.claimed
}

/// Notes late what became of that.
async fn note_late(service: &Service, id: &str, late: &Claimed, next: Next, time: Timestamp) {
    let DeliveryRow { event, due, .. } = &late.delivery;
    let (event, license) = (&*event.id, event.license);
    let attempt = Attempt { receiver: id, event, license, claimed: *due, status: None, said: None, next };
    let mut tx = service.database().write().await.unwrap();
    set_attempted(&mut tx, &attempt, time).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_came_of_an_attempt_is_not_noted_once_somebody_else_has_the_event() {
    let (authority, service, receiver, id, _) = told_of(&[]).await;
    let license = sold(&authority).await;
    suspend_and_resume(&authority, license).await;
    let of_state = async || states(&service, &id).await.into_iter().map(|row| row.state).collect::<Vec<_>>();
    let start = now();
    let first = claimed(&service, &id, start).await;
    // Another server made the attempt meanwhile, and it was taken.
    let time = after(start, CLAIM);
    tell(&service, &id, &receiver, time).await;
    assert_eq!(of_state().await, ["delivered"; 3]);
    for next in [Next::Aside, Next::Again(time)] {
        note_late(&service, &id, &first[0], next, time).await;
        assert_eq!(of_state().await, ["delivered"; 3]);
    }
    // It is to be told once more: that it was told before does not count.
    let one = Replay::Event(first[0].delivery.event.id.clone());
    replay(service.database(), &id, &one, &vendor()).await.unwrap();
    let second = claimed(&service, &id, time).await;
    replay(service.database(), &id, &Replay::Since(Timestamp::MIN), &vendor()).await.unwrap();
    note_late(&service, &id, &second[0], Next::Delivered, time).await;
    assert_eq!(of_state().await, ["due", "queued", "queued"]);
}

/// Breaks at the first message that it is given.
#[derive(Default)]
struct Breaking(AtomicBool);

impl Courier for Breaking {
    async fn post(&self, _: Letter) -> Posted {
        assert!(self.0.swap(true, Ordering::Relaxed), "the first message");
        Posted::Answered(200)
    }
}

#[tokio::test]
async fn one_attempt_that_cannot_be_noted_takes_no_other_with_it() {
    let (authority, service, receiver, id, _) = told_of(&[]).await;
    for _ in 0..3 {
        sold(&authority).await;
    }
    assert!(service.tell(&id, &Arc::new(Breaking::default()), &vendor()).await.is_err());
    let mut left = states(&service, &id).await;
    left.retain(|row| row.state != "delivered");
    assert_eq!(left.iter().map(|row| (&*row.state, row.attempts)).collect::<Vec<_>>(), [("due", 0)]);
    tell(&service, &id, &receiver, after(now(), CLAIM)).await;
    assert_eq!(receiver.take().len(), 1);
}

#[tokio::test]
async fn one_event_that_is_damaged_holds_up_no_other() {
    let (authority, service, receiver, id, _) = told_of(&[]).await;
    let license = sold(&authority).await;
    suspend_and_resume(&authority, license).await;
    service.database().damage("UPDATE event SET handle = -1 WHERE sequence = 1").await;
    tell(&service, &id, &receiver, now()).await;
    let came = by_license(&receiver.take());
    assert_eq!(came[&license.to_string()], kinds(&[(2, "suspended"), (3, "resumed")]));
}

#[tokio::test]
async fn a_license_whose_terms_are_damaged_is_told_of_and_holds_up_no_other() {
    let (authority, service, receiver, id, _) = told_of(&[]).await;
    let (one, other) = (sold(&authority).await, sold(&authority).await);
    let ends = now().plus_days(7);
    let mut tx = service.database().write().await.unwrap();
    for license in [one, other] {
        let mut standing = terms_of(&mut tx, license).await.unwrap().unwrap();
        standing.terms.expires = Some(ends);
        set_terms(&mut tx, &standing.terms, standing.version + 1, &vendor()).await.unwrap();
    }
    tx.commit().await.unwrap();
    service
        .database()
        .damage("UPDATE license SET terms = '{}' WHERE id = (SELECT MIN(id) FROM license)")
        .await;
    assert_eq!(note_expiring(service.database(), &vendor()).await.unwrap(), 1);
    assert_eq!(note_expiring(service.database(), &vendor()).await.unwrap(), 0);
    tell(&service, &id, &receiver, now()).await;
    assert_eq!(receiver.take().len(), 3);
}

#[tokio::test]
async fn what_was_put_off_by_a_clock_that_was_ahead_is_told_once_it_is_set_right() {
    let (authority, service, receiver, id, _) = told_of(&[]).await;
    sold(&authority).await;
    receiver.set_down(true);
    tell(&service, &id, &receiver, now().plus_days(100)).await;
    receiver.set_down(false);
    let due = service.webhooks_to_tell(&vendor()).await.unwrap();
    assert_eq!(due, std::slice::from_ref(&id));
    tell(&service, &id, &receiver, now()).await;
    assert_eq!(receiver.take().len(), 1);
}

#[test]
fn what_is_kept_of_why_a_message_was_not_taken_is_short() {
    let why = "\u{e9}".repeat(300);
    assert_eq!(Posted::Failed(why.clone()).reason(), Some(why.chars().take(200).collect()));
}

#[tokio::test]
async fn for_a_day_two_secrets_sign_and_a_webhook_that_is_removed_is_told_nothing() {
    let (authority, service, receiver, id, _) = told_of(&[]).await;
    new_webhook_secret(service.database(), service.vault(), &id, |_, _| Ok(()), &vendor()).await.unwrap();
    sold(&authority).await;
    tell(&service, &id, &receiver, now()).await;
    let signatures = receiver.take()[0].signature.clone();
    let (new, former) = signatures.split_once(' ').unwrap();
    assert!(new.starts_with("v1,") && former.starts_with("v1,") && new != former);
    sold(&authority).await;
    tell(&service, &id, &receiver, now().plus_days(2)).await;
    assert!(!receiver.take()[0].signature.contains(' '));
    // One without the key that keeps the secrets says so, and leaves what is due to one that has it.
    let blind = authority.restarted(true).await;
    sold(&authority).await;
    let told = blind.tell(&id, &receiver, &vendor()).await;
    assert!(matches!(told, Err(Failure::VaultMissing)) && receiver.take().is_empty());
    assert_eq!(states(&service, &id).await[2].attempts, 0);
    tell(&service, &id, &receiver, now()).await;
    assert_eq!(receiver.take().len(), 1);

    remove_webhook(service.database(), &id, &vendor()).await.unwrap();
    sold(&authority).await;
    tell(&service, &id, &receiver, now().plus_days(1)).await;
    assert!(receiver.take().is_empty());
    let gone = remove_webhook(service.database(), &id, &vendor()).await;
    assert!(matches!(gone, Err(Failure::UnknownWebhook(_))));
    assert!(service::webhooks(service.database(), &vendor()).await.unwrap().is_empty());
}

#[tokio::test]
async fn no_other_vault_is_made_beside_the_secrets_of_webhooks() {
    let (authority, service, _, id, _) = told_of(&[]).await;
    let keys = authority.path("keys");
    std::fs::remove_file(keys.join("vault.key")).unwrap();
    let missing = service::vault(service.database(), &keys).await;
    assert!(matches!(missing, Err(Failure::VaultMissing)));
    // What was sealed is gone with the webhook.
    remove_webhook(service.database(), &id, &vendor()).await.unwrap();
    assert!(service::vault(service.database(), &keys).await.unwrap().is_some());
}
