use std::time::Duration;

use nodelock::{
    ErrorKind, LicenseId, Reason, SystemRandom,
    authority::{Allowance, CheckInClaim, LicenseTerms, decision::Allow},
    fingerprint::{Component, Fingerprint},
};

use super::*;
use crate::{
    domain::{
        AuditRow, CustomerDetails, Order, OrderChoice, OrderKey, Said, SeatChoice,
        filter::{Filter, List},
    },
    service::{
        Buyer, Changing, CheckedIn, NewOrder, Placed, Word, customer, customers, edit, edit_customer,
        fixture::{Authority, PRODUCT, claim, now, stranger, vendor},
        license, new_customer, offers, place_order, prune, sell, verify,
    },
};

/// What must be nowhere afterwards.
const NAME: &str = "Erika Mustermann";
const SECRETS: [&str; 8] = [
    NAME,
    "erika@example.com",
    "shop-4711",
    "calls at night",
    "erikas-laptop",
    "buyer of 4711",
    "she asked for it",
    ADDRESS,
];
/// Stands for an address in a line of the audit about a license.
const ADDRESS: &str = "an address";

async fn entered(authority: &Authority) -> CustomerId {
    let details = CustomerDetails {
        name: NAME.into(),
        email: SECRETS[1].into(),
        external_id: SECRETS[2].into(),
        notes: SECRETS[3].into(),
        language: "de".into(),
    };
    new_customer(authority.service.database(), details, |_| Ok(()), &vendor()).await.unwrap().id
}

/// Sells a license under an order. Returns it with its key.
async fn sold(authority: &Authority, customer: CustomerId) -> (LicenseId, String) {
    let database = authority.service.database();
    let mut terms = LicenseTerms::new(LicenseId::generate(&SystemRandom).unwrap(), PRODUCT, 3, now());
    terms.licensee = NAME.into();
    terms.metadata = vec![("note".into(), SECRETS[5].into())];
    let offers = offers(&terms, 1).unwrap();
    let mut said = Said::default();
    said.say("licensee", NAME.into());
    said.say("metadata", serde_json::to_value(&terms).unwrap()["metadata"].clone());
    let order = Order {
        key: OrderKey {
            id: "77".into(),
            product: crate::service::products(database).await.unwrap().remove(0).id,
            seller: String::new(),
        },
        said,
        count: 1,
        customer: Some(customer),
        reseller: String::new(),
    };
    let buyer = Buyer { order: Some(&order), customer: Some(customer), mails: false };
    sell(database, None, &offers, buyer, || Ok(()), &vendor()).await.unwrap();
    (offers[0].terms.id, offers[0].key.to_string())
}

/// The same without an order.
async fn sold_once_more(authority: &Authority, customer: CustomerId) -> LicenseId {
    let terms = LicenseTerms::new(LicenseId::generate(&SystemRandom).unwrap(), PRODUCT, 3, now());
    let offers = offers(&terms, 1).unwrap();
    let buyer = Buyer { order: None, customer: Some(customer), mails: false };
    sell(authority.service.database(), None, &offers, buyer, || Ok(()), &vendor()).await.unwrap();
    offers[0].terms.id
}

/// Whether a text is in what the ledger shows of customers, licenses, orders, seats and refusals.
async fn found(authority: &Authority, license_id: LicenseId) -> Vec<&'static str> {
    let database = authority.service.database();
    let mut shown = String::new();
    let view = license(database, license_id, &vendor()).await.unwrap();
    shown += &format!(
        "{:?}{:?}",
        view.row.license.terms,
        view.versions.iter().map(|v| &v.terms).collect::<Vec<_>>()
    );
    customers(database, Filter::all(List::Customers), &vendor(), |row| {
        shown += &format!("{row:?}");
        Ok(())
    })
    .await
    .unwrap();
    shown += &serde_json::to_string(&authority.seats().await).unwrap();
    let choice = OrderChoice { id: "77".into(), product: None, seller: None };
    let (order, _) = crate::service::order(database, &choice, &vendor()).await.unwrap();
    shown += &serde_json::to_string(&order.order.said).unwrap();
    crate::service::seats(database, Filter::all(List::Seats), &vendor(), |row| {
        shown += &format!("{:?}", row?.device);
        Ok(())
    })
    .await
    .unwrap();
    crate::service::audit(database, 1000, &vendor(), |row| {
        let row = row?;
        shown += &format!("{:?}{:?}", row.personal, row.detail);
        shown += row.license.and(row.peer.as_ref()).map_or("", |_| ADDRESS);
        Ok(())
    })
    .await
    .unwrap();
    crate::service::refusals(database, None, &vendor(), |row| {
        shown += &format!("{row:?}");
        Ok(())
    })
    .await
    .unwrap();
    SECRETS.into_iter().filter(|text| shown.contains(text)).collect()
}

async fn is_sound(authority: &Authority) {
    let verified = verify(authority.service.database(), &authority.path("keys"), &vendor()).await.unwrap();
    assert_eq!(verified.found, 0, "{:?}", verified.findings);
}

#[tokio::test]
async fn nothing_of_a_person_is_left_and_devices_go_on() {
    let authority = Authority::new().await;
    let (service, database) = (&authority.service, authority.service.database());
    let id = entered(&authority).await;
    let (license_id, key) = sold(&authority, id).await;
    let said: Said = serde_json::from_str(r#"{"seats":2}"#).unwrap();
    edit(database, license_id, (&said, None), Changing::default(), |_| Ok(()), &vendor()).await.unwrap();
    let (active, gone) =
        (authority.device_of(Component::HwUuid, "1"), authority.device_of(Component::HwUuid, "2"));
    for device in [&active, &gone] {
        authority.take_named_seat(device, &key, "erikas-laptop").await;
    }
    let refused = authority.device_of(Component::HwUuid, "3");
    let file = refused.begin(authority.named_request(&key, "erikas-laptop")).unwrap().to_bytes();
    assert!(authority.activate(&file, &stranger(1)).await.unwrap().license.is_err());
    let proof = gone.deactivate_offline(Reason::Moved).unwrap();
    service.redeem_proof(&claim(proof.proof()), &stranger(1)).await.unwrap();
    let voided = sold_once_more(&authority, id).await;
    crate::service::void(database, voided, (SECRETS[6], Changing::default()), |_| Ok(()), &vendor())
        .await
        .unwrap();
    assert_eq!(found(&authority, license_id).await, SECRETS);

    let erased = erase_customer(database, id, &vendor()).await.unwrap();
    assert_eq!((erased.licenses, erased.seats), (2, 2));
    assert_eq!(found(&authority, license_id).await, [""; 0]);
    is_sound(&authority).await;
    // The order keeps its id, and the customer too.
    let after = customer(database, id, &vendor()).await.unwrap();
    assert_eq!((after.erased, &after.details), (Some(erased.at), &CustomerDetails::default()));
    // The hardware of the seat that is taken stays, and goes once that is over.
    let hardware = |seats: Vec<nodelock::authority::Seat>| {
        seats.iter().filter(|seat| *seat.fingerprint() != Fingerprint::default()).count()
    };
    assert_eq!(hardware(authority.seats().await), 1);
    let check_in = CheckInClaim::read(&active.check_in_offline().unwrap().to_bytes()).unwrap();
    let Ok(CheckedIn::Renewed(renewed)) = service.check_in(&check_in, &vendor()).await else { panic!() };
    assert_eq!(renewed.licensee, "");
    active.accept(renewed.as_bytes()).unwrap();
    let proof = active.deactivate_offline(Reason::Moved).unwrap();
    service.redeem_proof(&claim(proof.proof()), &vendor()).await.unwrap();
    assert_eq!(prune(database, &vendor()).await.unwrap().seats, 1);
    assert_eq!(hardware(authority.seats().await), 0);
    // The same again is no failure, and is noted once.
    let again = erase_customer(database, id, &vendor()).await.unwrap();
    assert_eq!((again.at, again.licenses), (erased.at, 2));
    assert_eq!(authority.actions().await.iter().filter(|action| *action == "customer-erased").count(), 1);
    is_sound(&authority).await;
}

#[tokio::test]
async fn an_erased_customer_buys_and_is_given_nothing() {
    let authority = Authority::new().await;
    let database = authority.service.database();
    let (one, other) = (entered(&authority).await, {
        let details = CustomerDetails { name: "Joe".into(), ..CustomerDetails::default() };
        new_customer(database, details, |_| Ok(()), &vendor()).await.unwrap().id
    });
    let (license_id, _) = sold(&authority, one).await;
    let give = async |to: CustomerId, dry_run: bool| {
        let how = Changing { dry_run, ..Changing::default() };
        edit(database, license_id, (&Said::default(), Some(to)), how, |_| Ok(()), &vendor()).await
    };
    assert_eq!(give(other, true).await.unwrap().changes, [format!("customer -> {other}")]);
    let of = async || license(database, license_id, &vendor()).await.unwrap().row.customer;
    assert_eq!(of().await, Some(one));
    assert_eq!(give(other, false).await.unwrap().version, 1);
    assert_eq!(of().await, Some(other));
    assert!(give(other, false).await.unwrap().changes.is_empty());
    is_sound(&authority).await;

    assert_eq!(erase_customer(database, one, &vendor()).await.unwrap().licenses, 0);
    assert!(matches!(give(one, false).await, Err(Failure::Erased(_))));
    let rename = |details: &mut CustomerDetails| details.name = NAME.into();
    assert!(matches!(
        edit_customer(database, one, (rename, None), |_| Ok(()), &vendor()).await,
        Err(Failure::Erased(_))
    ));
    let terms = LicenseTerms::new(LicenseId::generate(&SystemRandom).unwrap(), PRODUCT, 3, now());
    let offers = offers(&terms, 1).unwrap();
    let buyer = Buyer { order: None, customer: Some(one), mails: false };
    let refused = sell(database, None, &offers, buyer, || Ok(()), &vendor()).await;
    assert!(matches!(refused, Err(Failure::Erased(_))));
    let nobody = CustomerId::generate(&SystemRandom).unwrap();
    assert!(matches!(give(nobody, false).await, Err(Failure::UnknownCustomer(_))));
    let (said, how, vendor) = (Said::default(), Changing::default(), vendor());
    let unknown = edit(database, LicenseId::NONE, (&said, Some(other)), how, |_| Ok(()), &vendor);
    assert!(matches!(unknown.await, Err(Failure::Rule(e)) if e.kind() == ErrorKind::UnknownLicense));
    is_sound(&authority).await;
}

#[tokio::test]
async fn an_order_of_an_erased_customer_is_the_one_that_was_sold() {
    let authority = Authority::new().await;
    let database = authority.service.database();
    let id = entered(&authority).await;
    let (license_id, _) = sold(&authority, id).await;
    erase_customer(database, id, &vendor()).await.unwrap();
    let again = async |more: &str| {
        let product = crate::service::products(database).await.unwrap().remove(0);
        let mut said: Said = serde_json::from_str(more).unwrap();
        said.say("licensee", NAME.into());
        let mut noted = LicenseTerms::new(LicenseId::NONE, PRODUCT, 1, now());
        noted.metadata = vec![("note".into(), SECRETS[5].into())];
        said.say("metadata", serde_json::to_value(noted).unwrap()["metadata"].clone());
        let new = NewOrder { id: "77".into(), said, count: 1, customer: Some(id), reseller: String::new() };
        place_order(database, &product, new, &vendor()).await
    };
    let Placed::Before(licenses) = again("{}").await.unwrap() else { panic!() };
    assert_eq!(licenses[0].id, license_id);
    assert!(matches!(again(r#"{"seats":9}"#).await, Err(Failure::OrderDiffers(..))));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sold_to_who_is_erased_while_the_keys_are_handed_over() {
    let authority = Authority::new().await;
    let id = entered(&authority).await;
    let database = authority.service.database();
    let terms = LicenseTerms::new(LicenseId::generate(&SystemRandom).unwrap(), PRODUCT, 3, now());
    let offers = offers(&terms, 1).unwrap();
    let (buyer, vendor) = (Buyer { order: None, customer: Some(id), mails: false }, vendor());
    let erase = || {
        let erasing = erase_customer(database, id, &vendor);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(erasing)).map(drop)
    };
    let refused = sell(database, None, &offers, buyer, erase, &vendor).await;
    assert!(matches!(refused, Err(Failure::Erased(_))));
    assert!(license(database, offers[0].terms.id, &vendor).await.is_err());
}

/// The name and the audit's lines of the time in which a customer had a license that is somebody else's by now.
#[tokio::test]
async fn what_was_given_away_says_nothing_any_more_of_who_had_it() {
    let authority = Authority::new().await;
    let database = authority.service.database();
    let (one, other) = (entered(&authority).await, {
        let details = CustomerDetails { name: "Joe".into(), ..CustomerDetails::default() };
        new_customer(database, details, |_| Ok(()), &vendor()).await.unwrap().id
    });
    let (license_id, key) = sold(&authority, one).await;
    let edit = async |minutes: u64, said: &str, to: Option<CustomerId>| {
        let occasion = Occasion { time: now().plus(Duration::from_secs(60 * minutes)), ..vendor() };
        let said: Said = serde_json::from_str(said).unwrap();
        edit(database, license_id, (&said, to), Changing::default(), |_| Ok(()), &occasion).await.unwrap();
    };
    edit(1, r#"{"seats":4}"#, None).await;
    // Why a seat was released is on its way to the device.
    let release = async |device: &nodelock::Client, reason: &str| {
        let choice = SeatChoice { handle: device.check().unwrap().license().unwrap().handle, device: None };
        authority.service.release(choice, reason, &vendor()).await.unwrap();
        choice
    };
    let (early, twice, late) =
        (authority.activated(&key).await, authority.activated(&key).await, authority.activated(&key).await);
    release(&early, SECRETS[6]).await;
    let again = release(&twice, SECRETS[6]).await;
    authority.service.unrelease(again, &vendor()).await.unwrap();
    edit(2, r#"{"licensee":"Joe"}"#, Some(other)).await;
    release(&twice, "sold by Joe").await;
    release(&late, "lost by Joe").await;
    edit(3, r#"{"seats":5}"#, None).await;
    assert!(found(&authority, license_id).await.contains(&NAME));
    erase_customer(database, one, &vendor()).await.unwrap();
    assert_eq!(found(&authority, license_id).await, [""; 0]);
    let view = license(database, license_id, &vendor()).await.unwrap();
    let licensees: Vec<_> = view.versions.iter().map(|version| &*version.terms.licensee).collect();
    assert_eq!(licensees.iter().filter(|name| **name == "Joe").count(), 2, "{licensees:?}");
    assert_eq!(view.row.license.terms.licensee, "Joe");
    let mut notices: Vec<_> =
        authority.seats().await.iter().map(|seat| seat.notice().unwrap().to_owned()).collect();
    notices.sort();
    assert_eq!(notices, ["", "lost by Joe", "sold by Joe"], "what was said of Joe is not hers");
    is_sound(&authority).await;
    // Who has it now is erased as before, and nothing else of that is left.
    erase_customer(database, other, &vendor()).await.unwrap();
    assert_eq!(license(database, license_id, &vendor()).await.unwrap().row.license.terms.licensee, "");
}

#[tokio::test]
async fn a_name_that_a_license_had_before_a_customer_is_not_the_customers() {
    let authority = Authority::new().await;
    let database = authority.service.database();
    let joe = async |name: &str| {
        let details = CustomerDetails { name: name.into(), ..CustomerDetails::default() };
        new_customer(database, details, |_| Ok(()), &vendor()).await.unwrap().id
    };
    let (one, between) = (entered(&authority).await, joe("Joe").await);
    let (license_id, _) = sold(&authority, one).await;
    for (minutes, said, to) in [(1, "{}", between), (2, r#"{"seats":4}"#, between), (3, "{}", one)] {
        let occasion = Occasion { time: now().plus(Duration::from_secs(60 * minutes)), ..vendor() };
        let said: Said = serde_json::from_str(said).unwrap();
        edit(database, license_id, (&said, Some(to)), Changing::default(), |_| Ok(()), &occasion)
            .await
            .unwrap();
    }
    erase_customer(database, between, &vendor()).await.unwrap();
    let view = license(database, license_id, &vendor()).await.unwrap();
    assert!(view.versions.iter().all(|version| version.terms.licensee == NAME));
    is_sound(&authority).await;
}

#[tokio::test]
async fn a_used_trial_of_a_customer_who_is_erased_is_known_again() {
    let authority = Authority::new().await;
    let (service, database) = (&authority.service, authority.service.database());
    let id = entered(&authority).await;
    let (license_id, key) = sold(&authority, id).await;
    let said: Said = serde_json::from_str(r#"{"trial_days":14}"#).unwrap();
    crate::service::edit(database, license_id, (&said, None), Changing::default(), |_| Ok(()), &vendor())
        .await
        .unwrap();
    let [device, again] = ["1"; 2].map(|number| authority.device_of(Component::HwUuid, number));
    authority.take_named_seat(&device, &key, "erikas-laptop").await;
    let end = device.check().unwrap().license().unwrap().expires;
    let proof = device.deactivate_offline(Reason::Moved).unwrap();
    service.redeem_proof(&claim(proof.proof()), &vendor()).await.unwrap();
    erase_customer(database, id, &vendor()).await.unwrap();
    assert_eq!(found(&authority, license_id).await, [""; 0]);
    is_sound(&authority).await;
    let file = again.begin(&key).unwrap().to_bytes();
    let later = Occasion { time: now().plus_days(15), ..vendor() };
    let refused = authority.activate(&file, &later).await.unwrap().license;
    let Err(Failure::Rule(error)) = refused else { panic!("{refused:?}") };
    assert_eq!((error.kind(), error.trial_ended()), (ErrorKind::TrialUsed, end));
}

/// Lines of the audit whose words somebody types about a customer.
const TYPED: [&str; 7] = [
    "license-created",
    "license-voided",
    "license-deactivated",
    "released",
    "allowed",
    "request-refused",
    "phantom-ended",
];
/// The others, and what their words are. A new kind of line has its place in one of both lists.
const OWN: &[(&str, &[&str])] = &[
    (
        "numbers, times, ids and words of the program",
        &[
            "came-back",
            "cancelled",
            "chain-differs",
            "checked-in",
            "code-tried",
            "copy-suspected",
            "customer-created",
            "customer-edited",
            "customer-erased",
            "evidence-kept",
            "granted",
            "healed",
            "held",
            "held-returned",
            "held-taken-over",
            "lapsed",
            "license-expiring",
            "license-extended",
            "license-given",
            "license-resumed",
            "license-suspended",
            "license-used-up",
            "lost",
            "mails-replayed",
            "many-wrong-codes",
            "pruned",
            "refused",
            "renewed",
            "replaced",
            "replaced-by-customer",
            "request-approved",
            "request-waiting",
            "restored",
            "returned",
            "retention-edited",
            "signed-in",
            "strange-license",
            "taken-back",
            "trial-extended",
            "unreleased",
            "webhook-removed",
            "webhook-replayed",
            "webhook-secret-changed",
        ],
    ),
    (
        "ends of license keys",
        &[
            "license-key-added",
            "license-key-revoked",
            "license-key-sent",
            "license-key-shown",
            "license-rekeyed",
        ],
    ),
    ("terms, with licensee and metadata left out", &["license-edited"]),
    ("ids, as a shop made those of orders, and the vendor's resellers", &["order-voided"]),
    (
        "what the vendor says of itself, its products and its own people and programs",
        &[
            "account-changed",
            "account-created",
            "certified",
            "deployment-key-created",
            "deployment-key-revoked",
            "mail-policy-edited",
            "policies-edited",
            "product-created",
            "product-edited",
            "product-keeps-keys",
            "product-trial",
            "set-up",
            "token-created",
            "token-revoked",
            "webhook-added",
        ],
    ),
];

#[test]
fn of_each_kind_of_line_it_is_known_who_typed_its_words() {
    use nodelock::authority::decision::EventKind;
    let own = crate::service::verify::ACTIONS.iter().map(|(action, _)| *action);
    let mut actions: Vec<&str> = own.chain(EventKind::ALL.iter().map(|kind| kind.name())).collect();
    let mut listed: Vec<&str> =
        OWN.iter().flat_map(|(_, actions)| actions.iter().copied()).chain(TYPED).collect();
    actions.sort_unstable();
    listed.sort_unstable();
    // A restore is an act and an event.
    actions.dedup();
    assert_eq!(listed, actions);
}

/// Of a phantom, `what_is_healed_agrees_with_what_is_noted_of_it` in the library's tests has the words.
#[tokio::test]
async fn whatever_was_typed_about_a_customer_goes_and_the_ledger_stays_sound() {
    let authority = Authority::new().await;
    let (service, database) = (&authority.service, authority.service.database());
    let id = entered(&authority).await;
    let (license_id, key) = sold(&authority, id).await;
    let reason = SECRETS[6];
    let handle = async || {
        let device = authority.activated(&key).await;
        device.check().unwrap().license().unwrap().handle
    };
    let choice = SeatChoice { handle: handle().await, device: None };
    service.release(choice, reason, &vendor()).await.unwrap();
    // What has no limit is not counted, and so not noted.
    let limit: Said = serde_json::from_str(r#"{"deactivations":1}"#).unwrap();
    edit(database, license_id, (&limit, None), Changing::default(), |_| Ok(()), &vendor()).await.unwrap();
    let allowed = Allow::Extra(1);
    service.allow(license_id, Allowance::Deactivations, allowed, reason, &vendor()).await.unwrap();
    handle().await;
    let said: Said = serde_json::from_str(r#"{"approval":"required"}"#).unwrap();
    edit(database, license_id, (&said, None), Changing::default(), |_| Ok(()), &vendor()).await.unwrap();
    let pending = authority.device().begin(&key).unwrap();
    let waiting = SeatChoice { handle: pending.request().handle, device: None };
    assert!(authority.activate(&pending.to_bytes(), &stranger(1)).await.unwrap().license.is_err());
    service.rule(waiting, Word::Refuse(reason), &vendor()).await.unwrap();
    service.deactivate(license_id, reason, |_| Ok(()), &vendor()).await.unwrap();
    crate::service::void(database, license_id, (reason, Changing::default()), |_| Ok(()), &vendor())
        .await
        .unwrap();
    is_sound(&authority).await;

    let lines = async || {
        let mut lines = Vec::new();
        let look = |line: Result<AuditRow>| line.map(|line| lines.push(line));
        crate::service::audit(database, 1000, &vendor(), look).await.unwrap();
        lines
    };
    for line in lines().await {
        assert!(!line.detail.contains(reason), "{line:?}");
        let is_typed = TYPED.contains(&&*line.action);
        let typed = if line.action == "license-created" { NAME } else { reason };
        assert_eq!(line.personal.as_deref(), is_typed.then_some(typed), "{line:?}");
    }
    let typed: Vec<String> = lines().await.into_iter().map(|line| line.action).collect();
    let was_typed = |action: &&str| typed.iter().any(|one| one == action);
    assert_eq!(TYPED.iter().filter(|action| was_typed(action)).count(), TYPED.len() - 1);
    assert!(authority.seats().await.iter().any(|seat| seat.notice() == Some(reason)));

    erase_customer(database, id, &vendor()).await.unwrap();
    assert!(lines().await.iter().all(|line| line.personal.is_none()));
    assert!(authority.seats().await.iter().all(|seat| seat.notice() == Some("")));
    is_sound(&authority).await;
}
