use std::sync::Arc;

use nodelock::{Client, SystemRandom, authority::CheckInClaim, code::LicenseKey};

use super::*;
use crate::{
    domain::{
        Bearer, LicenseRow, SeatChoice, Who,
        filter::{Filter, List},
        rights::{Role, Scope},
    },
    service::{
        Changing, InPlaceOf,
        fixture::{Authority, PRODUCT, address, now, stranger, vendor},
        licenses,
        limits::Limit,
        rekey, set_suspended,
    },
};

async fn noted(authority: &Authority, license: Option<LicenseId>) -> Vec<RefusalRow> {
    let mut rows = Vec::new();
    let show = |row: Result<RefusalRow>| row.map(|row| rows.push(row));
    refusals(authority.service.database(), license, &vendor(), show).await.unwrap();
    rows
}

async fn license_of(authority: &Authority, key: &str) -> LicenseId {
    let hint = LicenseKeyName::new(key).unwrap().hint();
    let mut found = None;
    let look = |row: Result<LicenseRow>| {
        let row = row?;
        found = (row.key_hint == hint).then_some(row.license.terms.id).or(found);
        Ok(())
    };
    licenses(authority.service.database(), Filter::all(List::Licenses), &vendor(), look).await.unwrap();
    found.unwrap()
}

/// A device whose request is refused.
async fn refused(authority: &Authority, key: &str, occasion: &Occasion) -> (Client, Vec<u8>) {
    let device = authority.device();
    let file = device.begin(key).unwrap().to_bytes();
    assert!(authority.activate(&file, occasion).await.unwrap().license.is_err());
    (device, file)
}

#[tokio::test]
async fn a_refused_activation_says_who_was_refused_and_why_and_counts() {
    let authority = Authority::new().await;
    let key = authority.sell(1).await;
    let id = license_of(&authority, &key).await;
    authority.activated(&key).await;
    let (_, file) = refused(&authority, &key, &stranger(1)).await;
    assert!(authority.activate(&file, &stranger(2)).await.unwrap().license.is_err());
    let rows = noted(&authority, None).await;
    let [row] = &rows[..] else { panic!("{rows:?}") };
    let Refused { asked, kind, reason, license, key_hint, device, seat } = &row.refused;
    assert_eq!((*asked, &**kind, *license), (AskedFor::Activation, "no-free-seat", Some(id)));
    assert_eq!((row.count, &*row.peer, row.refused.seat.handle), (2, "0.0.0.2", seat.handle));
    assert!(reason.contains("no seat is free") && !device.library.is_empty());
    assert!(key.ends_with(key_hint.as_str()) && key_hint.len() == 5);
    let all = format!("{row:?}");
    assert!(!all.contains(&key), "the key is in {all}");

    // Another device, a key that nobody has, and one that opens nothing any more.
    refused(&authority, &key, &stranger(1)).await;
    let nobodys = LicenseKey::generate(&SystemRandom).unwrap().to_string();
    refused(&authority, &nobodys, &stranger(1)).await;
    let database = authority.service.database();
    rekey(database, None, id, (None, InPlaceOf::All), |_| Ok(()), &vendor()).await.unwrap();
    refused(&authority, &key, &stranger(1)).await;
    let rows = noted(&authority, None).await;
    let unknown: Vec<_> = rows
        .iter()
        .filter(|row| row.refused.kind == "unknown-license")
        .map(|row| row.refused.license)
        .collect();
    assert_eq!((rows.len(), unknown.len()), (4, 2));
    assert!(unknown.contains(&None) && unknown.contains(&Some(id)), "{unknown:?}");
    assert_eq!(noted(&authority, Some(id)).await.len(), 3);
}

#[tokio::test]
async fn a_check_in_is_noted_when_its_device_wrote_it_and_not_when_anybody_could() {
    let authority = Authority::new().await;
    let key = authority.sell(1).await;
    let id = license_of(&authority, &key).await;
    let device = authority.activated(&key).await;
    set_suspended(authority.service.database(), id, (true, Changing::default()), |_| Ok(()), &vendor())
        .await
        .unwrap();
    let claim = |device: &Client| CheckInClaim::read(&device.check_in_offline().unwrap().to_bytes()).unwrap();
    authority.service.check_in(&claim(&device), &stranger(1)).await.unwrap_err();
    let rows = noted(&authority, Some(id)).await;
    assert_eq!((rows.len(), &*rows[0].refused.kind), (1, "license-ended"));
    assert_eq!(rows[0].refused.asked, AskedFor::CheckIn);
    let elsewhere = Authority::new().await;
    let other = elsewhere.activated(&elsewhere.sell(1).await).await;
    authority.service.check_in(&claim(&other), &stranger(1)).await.unwrap_err();
    assert_eq!(noted(&authority, None).await.len(), 1);
}

#[tokio::test]
async fn one_peer_has_so_much_noted_and_is_refused_all_the_same() {
    let mut authority = Authority::new().await;
    authority.service.limits.refusals = Limit::new(2);
    let key = authority.sell(1).await;
    authority.activated(&key).await;
    let (_, file) = refused(&authority, &key, &stranger(1)).await;
    for _ in 0..3 {
        assert!(authority.activate(&file, &stranger(1)).await.unwrap().license.is_err());
    }
    assert_eq!(noted(&authority, None).await[0].count, 2);
    assert!(authority.activate(&file, &stranger(2)).await.unwrap().license.is_err());
    assert_eq!(noted(&authority, None).await[0].count, 3);
}

#[tokio::test]
async fn what_a_device_was_refused_goes_when_its_seat_is_released() {
    let authority = Authority::new().await;
    let key = authority.sell(2).await;
    let id = license_of(&authority, &key).await;
    let (one, two) = (authority.activated(&key).await, authority.activated(&key).await);
    set_suspended(authority.service.database(), id, (true, Changing::default()), |_| Ok(()), &vendor())
        .await
        .unwrap();
    for device in [&one, &two] {
        let claim = CheckInClaim::read(&device.check_in_offline().unwrap().to_bytes()).unwrap();
        authority.service.check_in(&claim, &stranger(1)).await.unwrap_err();
    }
    let handle = one.check().unwrap().license().unwrap().handle;
    let choice = SeatChoice { handle, device: None };
    authority.service.release(choice, "gone", &vendor()).await.unwrap();
    let rows = noted(&authority, Some(id)).await;
    assert_eq!(rows.len(), 1);
    assert_ne!(rows[0].refused.seat.handle, handle);
}

#[tokio::test]
async fn whoever_is_limited_sees_the_refusals_within_reach() {
    let authority = Authority::new().await;
    let key = authority.sell(1).await;
    let id = license_of(&authority, &key).await;
    authority.activated(&key).await;
    refused(&authority, &key, &stranger(1)).await;
    let nobodys = LicenseKey::generate(&SystemRandom).unwrap().to_string();
    refused(&authority, &nobodys, &stranger(1)).await;
    let database = authority.service.database();
    let by = |who: Who| Occasion {
        time: now(),
        actor: Actor::Bearer(Arc::new(Bearer::new(who, address(2), Arc::default()))),
    };
    let mut seen = Vec::new();
    for product in [None, Some(PRODUCT), Some("Other")] {
        let (scopes, product_name) = (vec![Scope::LicensesRead], product.map(str::to_owned));
        let desk = by(Who::Token { id: "desk".into(), scopes, product: product_name });
        let page = refusals_after(database, None, None, 10, &desk).await.unwrap();
        seen.push(page.iter().map(|row| row.refused.license).collect::<Vec<_>>());
        let of_license = refusals_after(database, Some(id), None, 10, &desk).await;
        assert_eq!(of_license.is_ok(), product != Some("Other"));
    }
    seen[0].sort();
    assert_eq!(seen, [vec![None, Some(id)], vec![Some(id)], vec![]]);
    // A page at a time.
    let first = refusals_after(database, None, None, 1, &vendor()).await.unwrap();
    let rest = refusals_after(database, None, Some(&first[0].cursor()), 9, &vendor()).await.unwrap();
    assert_eq!((first.len(), rest.len()), (1, 1));
    assert_ne!(first[0].refused.seat.handle, rest[0].refused.seat.handle);
    let rita = by(Who::Account { name: "rita".into(), role: Role::Reseller });
    assert!(refusals_after(database, None, None, 10, &rita).await.unwrap().is_empty());
    let unknown = refusals_after(database, Some(LicenseId::NONE), None, 10, &vendor()).await;
    assert!(matches!(unknown, Err(Failure::Rule(error)) if error.kind() == ErrorKind::UnknownLicense));
}
